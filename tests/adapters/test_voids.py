"""Voids as solvers take them: no elements in meshes, a soft dilatant phase in DAMASK."""

import shutil
import subprocess

import numpy as np
import pytest

import polyrve
from polyrve.adapters.solvers import abaqus, tetrahedra
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

meshio = pytest.importorskip("meshio")


@pytest.fixture
def holed():
    """Two crystals of one orientation with a void of 3 x 3 x 3 voxels, periodic."""
    ids = np.ones((8, 9, 10), dtype=int)
    ids[:, :, 5:] = 2
    ids[3:6, 3:6, 3:6] = 3
    q = np.repeat(rotation.random_orientations(1, np.random.default_rng(0)), 3, axis=0)
    phases = np.array([1, 1, 2])
    field = OrientationVolume(q[ids - 1], phases[ids - 1], (Phase("Al"), Phase("Void")), (1.0,) * 3, periodic=True)
    return GrainVolume(field, ids, q, phases)


def test_abaqus_has_no_elements_in_voids(tmp_path, holed):
    abaqus.write(holed, tmp_path / "a.inp", periodic=True)
    read = meshio.read(tmp_path / "a.inp")
    [block] = read.cells
    assert len(block.data) == 720 - 27
    assert len(np.unique(block.data)) == len(read.points) - 3
    centres = read.points[block.data].mean(axis=1)
    assert not ((centres > 3) & (centres < 6)).all(axis=1).any()
    text = (tmp_path / "a.inp").read_text()
    assert "GRAIN-3" not in text
    assert "PHASE-VOID" not in text
    assert "name=VOID" not in text
    assert len(read.points) - 3 == 9 * 10 * 11 - 8
    free = read.points[read.point_sets["FREE-SURFACE"]]
    assert len(free) == 4**3 - 2**3
    assert np.abs(free - 4.5).max() == 1.5
    abaqus.write(holed, tmp_path / "b.inp", empty=None)
    assert len(meshio.read(tmp_path / "b.inp").cells[0].data) == 720


def test_tetrahedra_leave_voids_out(tmp_path, holed):
    pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)
    tetrahedra.write(holed, tmp_path / "a.inp", size=1.25, improve=False)
    read = meshio.read(tmp_path / "a.inp")
    [block] = read.cells
    corners = read.points[block.data]
    volume = (
        np.einsum(
            "ij,ij->i",
            corners[:, 1] - corners[:, 0],
            np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 0]),
        )
        / 6
    )
    assert volume.sum() == pytest.approx(720 - 27, rel=1e-3)
    surface = read.points[read.point_sets["FREE-SURFACE"]]
    assert np.linalg.norm(surface - 4.5, axis=1).max() < 3.2
    tetrahedra.write(holed, tmp_path / "a.msh", size=1.25, improve=False)
    groups = meshio.read(tmp_path / "a.msh").field_data
    assert {"GRAIN-1", "GRAIN-2", "FREE-SURFACE"} <= set(groups)
    assert "GRAIN-3" not in groups


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("ccx") is None, reason="CalculiX, which reads Abaqus decks, is not on the PATH")
def test_calculix_strains_a_volume_with_a_void(tmp_path, holed):
    abaqus.write(holed, tmp_path / "rve.inp", periodic=True)
    moved = "".join(f"REF-{a}, {i + 1}, {i + 1}, {0.01 * (a == 'X' and i == 0)}\n" for a in "XYZ" for i in range(3))
    (tmp_path / "job.inp").write_text(
        f"*Include, input=rve.inp\n*Step\n*Static\n*Boundary\nX0-Y0-Z0, 1, 3, 0.\n{moved}"
        "*El Print, elset=ALL\nS\n*End Step\n"
    )
    done = subprocess.run(["ccx", "job"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert "Job finished" in done.stdout, done.stdout[-2000:]
    rows = [line.split()[:8] for line in (tmp_path / "job.dat").read_text().splitlines() if line.count(".") >= 6]
    stress = np.array(rows, dtype=float)[:, 2]
    assert stress.std() > 0.02 * stress.mean() > 0


def test_damask_gets_a_dilatant_phase_and_the_solver_for_it(tmp_path, holed):
    polyrve.write(holed, tmp_path / "job", format="damask")
    text = (tmp_path / "job/material.yaml").read_text()
    assert "dilatation: true" in text
    assert "spectral_polarization" in (tmp_path / "job/load.yaml").read_text()
    solid = GrainVolume(
        holed.field.evolve(phase_ids=np.ones((8, 9, 10))), holed.grain_ids, holed.quaternions, [1, 1, 1]
    )
    polyrve.write(solid, tmp_path / "solid", format="damask")
    assert "spectral_basic" in (tmp_path / "solid/load.yaml").read_text()


@pytest.mark.integration
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("DAMASK_grid") is None, reason="DAMASK_grid is not on the PATH")
def test_damask_converges_with_a_void(tmp_path, holed):
    polyrve.write(holed, tmp_path / "job", format="damask", strain=0.002, increments=10)
    command = "DAMASK_grid -g grid.vti -l load.yaml -m material.yaml -n numerics.yaml -j job".split()
    done = subprocess.run(command, cwd=tmp_path / "job", capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-2000:]
    assert done.stdout.count("converged") >= 10
