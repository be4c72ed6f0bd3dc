"""What each solver makes of the orientations that it is given, by the formulas of its own source.

Every function below goes from the numbers of a file to the matrix from crystal to sample axes as one program does it,
written anew from the place named; the stiffness of a crystal in sample axes must then be the one that follows from
polyrve's quaternion. A transposed orientation changes the largest component by several per cent. ``STRESSES`` are
numbers of the programs themselves: the named functions of Fierro's EVPFFT (97587b5), PRISMS (39931ed), MOOSE (235ca2b)
and AMITEX_FFTP, compiled as they are and given the files that are written here.

=============  ===================================================================================
Neper 4.9, 4.10  neut_ori1.c: neut_ori_expr_desconv (no word: passive in 4.10; active in 4.9, where the words meant the
                 opposite), neut_ori_des_fixconvention (swaps the words in files up to 2.1); ol_e_g of orilib
PRISMS           src/materialModels/crystalPlasticity/rotationOperations.cc, odfpoint; RateIndependentModel/
                 calculatePlasticity.cc: "convert the Schmid tensor to sample coordinates"
EVPFFT, MASSIF   SUBROUTINE EULER (IOPT = 2) and DATA_GRAIN of the Fortran source; euler and data_grain of Fierro
MOOSE            EBSDReader.C, readFile; RotationTensor.C, update; ComputeElasticityTensorCP.C: rotate(_R.transpose())
AMITEX_FFTP      elasaniso.f90: e1 and e2 of the local base
Abaqus           *Orientation, rectangular: points a and b; run by CalculiX in test_meshes.py
=============  ===================================================================================
"""

import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from itertools import pairwise

import numpy as np
import pytest

from polyrve.adapters.solvers import abaqus, amitex, los_alamos, moose, prisms, tesr
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

ANGLES = np.deg2rad([[40.0, 35.0, 20.0], [200.0, 100.0, 310.0], [15.0, 170.0, 80.0], [333.0, 5.0, 12.0]])


@pytest.fixture
def crystals():
    """Four grains in general orientations on (3, 4, 5) voxels, of a phase without symmetry but inversion."""
    ids = np.random.default_rng(3).permutation(np.arange(60) % 4 + 1).reshape(3, 4, 5)
    q = rotation.from_euler(ANGLES)
    field = OrientationVolume(q[ids - 1], np.ones(ids.shape, dtype=int), (Phase("Mica", "-1"),), (1.0, 2.0, 0.5))
    return GrainVolume(field, ids, q, [1, 1, 1, 1])


def stiffness(to_sample, crystal):
    """Stiffness in sample axes, from that in crystal axes and the matrix whose columns are the crystal's axes."""
    return np.einsum("ia,jb,kc,ld,abcd->ijkl", *([to_sample] * 4), crystal)


def triclinic():
    """A stiffness tensor with no symmetry but its own, in GPa."""
    voigt = np.random.default_rng(5).uniform(-20, 20, (6, 6)) + np.diag([200, 150, 120, 60, 50, 40])
    voigt = (voigt + voigt.T) / 2
    place = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    return voigt[place[:, :, None, None], place[None, None]]


def grains_of_tesr(folder, crystals):
    """ol_e_g: rows of g are the crystal's axes, by Bunge's three turns; the descriptor without a word is passive."""
    tesr.write(crystals, folder / "a.tesr")
    words = (folder / "a.tesr").read_text().split()
    start = words.index("*ori") + 1
    assert words[start] == "euler-bunge"
    for phi1, Phi, phi2 in np.deg2rad(np.array(words[start + 1 : start + 13], dtype=float).reshape(4, 3)):
        c1, s1, c, s, c2, s2 = np.cos(phi1), np.sin(phi1), np.cos(Phi), np.sin(Phi), np.cos(phi2), np.sin(phi2)
        g = np.array(
            [
                [c1 * c2 - s1 * s2 * c, s1 * c2 + c1 * s2 * c, s2 * s],
                [-c1 * s2 - s1 * c2 * c, -s1 * s2 + c1 * c2 * c, c2 * s],
                [s1 * s, -c1 * s, c],
            ]
        )
        yield g.T


def grains_of_prisms(folder, crystals):
    """odfpoint: ((1 - r.r) I + 2 r r^T + 2 [r]x) / (1 + r.r); a Schmid tensor S becomes R S R^T."""
    prisms.write(crystals, folder / "job")
    lines = (folder / "job/orientations.txt").read_text().splitlines()[1:]
    for line in lines:
        r = np.array(line.split()[1:4], dtype=float)
        matrix = (1.0 - r @ r) * np.eye(3) + 2.0 * np.outer(r, r)
        matrix += 2.0 * np.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]])
        yield matrix / (1.0 + r @ r)


def grains_of_los_alamos(folder, crystals):
    """EULER: a goes from sample to crystal; DATA_GRAIN: C(i1, ...) = a(i2, i1) ... c(i2, ...), voxel by ii, jj, kk."""
    los_alamos.write(crystals, folder / "a.txt")
    rows = np.loadtxt(folder / "a.txt")
    for grain in range(1, 5):
        row = rows[rows[:, 6] == grain][0]
        ii, jj, kk = row[3:6].astype(int)
        assert crystals.grain_ids[kk - 1, jj - 1, ii - 1] == grain
        ph, th, om = np.deg2rad(row[:3])
        sph, cph, sth, cth, som, com = np.sin(ph), np.cos(ph), np.sin(th), np.cos(th), np.sin(om), np.cos(om)
        a = np.zeros((3, 3))
        a[0] = com * cph - sph * som * cth, com * sph + cph * som * cth, som * sth
        a[1] = -som * cph - sph * com * cth, -sph * som + cph * com * cth, com * sth
        a[2] = sph * sth, -sth * cph, cth
        yield a.T


def grains_of_moose(folder, crystals):
    """readFile averages a feature's angles, in degrees; update: Z1, X2, Z3; R transposed turns the stiffness."""
    moose.write(crystals, folder / "a.txt")
    rows = np.loadtxt(folder / "a.txt")
    for grain in range(1, 5):
        degrees = (rows[rows[:, 6] == grain, :3] * 180.0 / np.pi).mean(axis=0)
        c1, c2, c3 = np.cos(np.deg2rad(degrees))
        s1, s2, s3 = np.sin(np.deg2rad(degrees))
        R = np.zeros((3, 3))
        R[0, 0], R[1, 0], R[2, 0] = c1 * c3 - c2 * s1 * s3, -c1 * s3 - c2 * c3 * s1, s1 * s2
        R[0, 1], R[1, 1], R[2, 1] = c3 * s1 + c1 * c2 * s3, c1 * c2 * c3 - s1 * s3, -c1 * s2
        R[0, 2], R[1, 2], R[2, 2] = s2 * s3, c3 * s2, c2
        yield R.T


def grains_of_amitex(folder, crystals):
    """elasaniso: e1 of coefficients, e2 less its part along e1, e3 = e1 x e2; a strain is e_i . E . e_j there."""
    amitex.write(crystals, folder / "job")
    root = ElementTree.parse(folder / "job/mat.xml").getroot()
    files = [item.get("File") for item in sorted(root.iter("Coeff"), key=lambda item: int(item.get("Index")))]
    for row in np.stack([np.loadtxt(folder / "job" / name) for name in files], axis=1):
        e1 = row[:3] / np.linalg.norm(row[:3])
        e2 = row[3:] - (row[3:] @ e1) * e1
        e2 /= np.linalg.norm(e2)
        yield np.stack([e1, e2, np.cross(e1, e2)], axis=1)


def grains_of_abaqus(folder, crystals):
    """Point a lies on the local x axis, point b in the local xy plane; the first line below a name is a, b."""
    abaqus.write(crystals, folder / "a.inp")
    lines = (folder / "a.inp").read_text().splitlines()
    for line, values in pairwise(lines):
        if line.lower().startswith("*orientation"):
            numbers = np.array(values.split(","), dtype=float)
            x = numbers[:3] / np.linalg.norm(numbers[:3])
            z = np.cross(x, numbers[3:])
            z /= np.linalg.norm(z)
            yield np.stack([x, np.cross(z, x), z], axis=1)


STIFFNESS = np.zeros((6, 6))
STIFFNESS[:3, :3] = [[200, 120, 100], [120, 180, 110], [100, 110, 160]]
STIFFNESS[3, 3], STIFFNESS[4, 4], STIFFNESS[5, 5] = 60, 50, 40
"""Of an orthotropic crystal, GPa, in the order 11, 22, 33, 23, 13, 12: elasaniso takes no lower symmetry."""
STRAIN = np.array([[1.0, 0.2, -0.3], [0.2, -0.4, 0.5], [-0.3, 0.5, 0.3]])
STRESSES = np.array(
    [
        [181.510711822, 68.188388075, 136.223903360, 45.466386991, -14.864035002, 27.531706739],
        [192.839295551, 74.999388738, 127.977697378, 57.506613909, -15.703698721, 4.601070859],
        [168.198045785, 65.903255626, 111.291842217, 44.165158257, -30.863042738, 9.368246883],
        [183.789512815, 72.775884370, 110.559279221, 60.901647472, -27.813316087, 16.814330197],
    ]
)
"""GPa, of the four grains in this strain: euler and data_grain; odfpoint and elasticmoduli; elasaniso, to all digits;
RotationTensor::update to 3e-8, for its text has nine digits."""


READERS = [
    grains_of_tesr, grains_of_prisms, grains_of_los_alamos, grains_of_moose, grains_of_amitex, grains_of_abaqus,
]  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
def test_a_crystal_is_as_stiff_in_the_solver_as_it_was(tmp_path, crystals, reader):
    c = triclinic()
    found = [stiffness(matrix, c) for matrix in reader(tmp_path, crystals)]
    assert len(found) == 4
    g = rotation.to_matrix(crystals.quaternions)
    for got, matrix in zip(found, g, strict=True):
        # v_crystal = g v_sample, so that the crystal's axes are the rows of g; texts hold six decimals of a degree
        np.testing.assert_allclose(got, stiffness(matrix.T, c), atol=2e-5)
        assert np.abs(got - stiffness(matrix, c)).max() > 5.0


@pytest.mark.parametrize("reader", [grains_of_los_alamos, grains_of_prisms, grains_of_moose, grains_of_amitex])
def test_a_crystal_in_strain_has_the_stress_that_the_program_itself_gave(tmp_path, crystals, reader):
    place = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
    c = STIFFNESS[place[:, :, None, None], place[None, None]]
    of_file = [np.einsum("ijkl,kl->ij", stiffness(matrix, c), STRAIN) for matrix in reader(tmp_path, crystals)]
    g = rotation.to_matrix(crystals.quaternions)
    own = [np.einsum("ijkl,kl->ij", stiffness(matrix.T, c), STRAIN) for matrix in g]
    for found in (of_file, own):
        voigt = np.array([s[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] for s in found])
        np.testing.assert_allclose(voigt, STRESSES, atol=1e-6)
    transposed = np.einsum("ijkl,kl->ij", stiffness(g[0], c), STRAIN)
    assert np.abs(transposed - of_file[0]).max() > 1.0


@pytest.mark.skipif(shutil.which("neper") is None, reason="Neper, which reads .tesr, is not on the PATH")
def test_neper_reads_the_orientations_of_a_tesr(tmp_path, crystals):
    """Neper's rotation matrix, row by row, is that from sample to crystal axes."""
    tesr.write(crystals, tmp_path / "a.tesr", voxel_orientations=True)
    command = ["neper", "-T", "-loadtesr", "a.tesr", "-oridescriptor", "rotmat", "-format", "ori", "-o", "b"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    found = np.loadtxt(tmp_path / "b.ori").reshape(4, 3, 3)
    np.testing.assert_allclose(found, rotation.to_matrix(crystals.quaternions), atol=2e-11)
