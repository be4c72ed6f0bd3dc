"""Writers of text formats, checked value by value against the descriptions of the programs that read them."""

import re
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from polyrve.adapters.solvers import amitex, los_alamos, moose, prisms, spparks, tesr
from polyrve.adapters.text_rows import decimals
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

X_FASTEST = [(z, y, x) for z in range(3) for y in range(4) for x in range(5)]


def matrices(degrees):
    """Bunge's matrix from degrees, by the textbook product of three rotations."""
    p1, P, p2 = np.deg2rad(degrees)
    z = lambda a: np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])  # noqa: E731
    x = np.array([[1, 0, 0], [0, np.cos(P), np.sin(P)], [0, -np.sin(P), np.cos(P)]])
    return z(p2) @ x @ z(p1)


@pytest.mark.parametrize("by", ["grain", "voxel"])
def test_los_alamos(tmp_path, two_phase_grains, by):
    los_alamos.write(two_phase_grains, tmp_path / "a.txt", by=by)
    rows = np.loadtxt(tmp_path / "a.txt")
    assert rows.shape == (60, 8)
    for number, (row, (z, y, x)) in enumerate(zip(rows, X_FASTEST, strict=True), start=1):
        assert row[3:6].tolist() == [x + 1, y + 1, z + 1]
        grain = two_phase_grains.grain_ids[z, y, x]
        q = two_phase_grains.quaternions[grain - 1] if by == "grain" else two_phase_grains.field.quaternions[z, y, x]
        assert row[7] == two_phase_grains.phase_ids[grain - 1]
        np.testing.assert_allclose(matrices(row[:3]), rotation.to_matrix(q), atol=1e-7)
        assert row[6] == (grain if by == "grain" else number)


def header(text, label):
    """A value as MOOSE's EBSDMesh reads it: third word of a comment line that holds the label, in any case."""
    line = next(line for line in text.lower().splitlines() if line.startswith("#") and label in line)
    return float(line.split()[2])


def test_moose_text(tmp_path, two_phase_grains):
    moose.write(two_phase_grains, tmp_path / "a.txt")
    text = (tmp_path / "a.txt").read_text()
    step, number, low = ([header(text, f"{a}_{what}") for a in "xyz"] for what in ("step", "dim", "min"))
    assert (step, number, low) == ([1.1, 0.35, 0.7], [5, 4, 3], [3.1, -2.0, 1.0])
    rows = np.loadtxt(tmp_path / "a.txt")
    seen = set()
    for row in rows:
        # EBSDReader::indexFromPoint truncates
        x, y, z = (int((value - o) / d) for value, o, d in zip(row[3:6], low, step, strict=True))
        seen.add((z, y, x))
        grain = two_phase_grains.grain_ids[z, y, x]
        assert row[6:].tolist() == [grain, two_phase_grains.phase_ids[grain - 1], [43, 62][int(row[7]) - 1]]
        expected = rotation.to_matrix(two_phase_grains.quaternions[grain - 1])
        np.testing.assert_allclose(matrices(np.rad2deg(row[:3])), expected, atol=1e-8)
    assert seen == set(X_FASTEST)


def test_moose_has_tsl_s_number_of_the_monoclinic_axis_b(tmp_path):
    q = rotation.random_orientations((1, 2, 3), np.random.default_rng(0))
    field = OrientationVolume(q, np.ones((1, 2, 3), dtype=int), (Phase("Diopside", "2/m"),), (1.0, 1.0, 1.0))
    moose.write(field, tmp_path / "a.txt")
    assert header((tmp_path / "a.txt").read_text(), "symmetry_1") == 20
    assert (np.loadtxt(tmp_path / "a.txt")[:, 8] == 20).all()


def test_moose_text_of_a_map_is_two_dimensional(tmp_path, two_phase_grains):
    layer = two_phase_grains.field.section(0, 0).evolve(properties={"FeatureIds": two_phase_grains.grain_ids[0]})
    moose.write(layer, tmp_path / "a.txt")
    text = (tmp_path / "a.txt").read_text()
    assert [header(text, f"{a}_dim") for a in "xyz"] == [5, 4, 0]
    assert np.loadtxt(tmp_path / "a.txt").shape == (20, 9)


def test_moose_exodus(tmp_path, two_phase_grains):
    meshio = pytest.importorskip("meshio")
    netCDF4 = pytest.importorskip("netCDF4")
    moose.write(two_phase_grains, tmp_path / "a.e")
    mesh = meshio.read(tmp_path / "a.e")
    assert [len(block.data) for block in mesh.cells] == np.bincount(two_phase_grains.grain_ids.ravel())[1:].tolist()
    low, step = np.array([3.1, -2.0, 1.0]), np.array([1.1, 0.35, 0.7])
    for grain, block in enumerate(mesh.cells, start=1):
        assert block.type == "hexahedron"
        x, y, z = np.floor((mesh.points[block.data].mean(axis=1) - low) / step).astype(int).T
        assert (two_phase_grains.grain_ids[z, y, x] == grain).all()
    assert {name: len(nodes) for name, nodes in mesh.point_sets.items()} == {
        "x0": 20, "x1": 20, "y0": 24, "y1": 24, "z0": 30, "z1": 30,
    }  # fmt: skip
    with netCDF4.Dataset(tmp_path / "a.e") as file:
        assert (file["eb_prop1"].name, file["eb_prop1"].getncattr("name")) == ("eb_prop1", "ID")
        assert file["eb_prop1"][:].tolist() == list(range(1, 9))
        assert file["ns_prop1"][:].tolist() == list(range(1, 7))


def sections(text):
    """The fields of a .tesr file: ``**name`` and ``*name`` with the words that follow."""
    result, name = {}, None
    for word in text.split():
        if word.startswith("*"):
            name = word
            result[name] = []
        else:
            result[name].append(word)
    return result


def test_tesr_says_which_crystal_symmetry_is_lost(tmp_path, two_phase_grains):
    with pytest.warns(UserWarning, match="crystal symmetry: that of ") as caught:
        tesr.write(two_phase_grains, tmp_path / "a.tesr")
    assert all(name in str(caught[0].message) for name in ("Al (cubic)", "Mg (alpha) (hexagonal)"))
    one = two_phase_grains.field.evolve(phase_ids=np.full((3, 4, 5), 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*grains have one or two voxels")
        tesr.write(one, tmp_path / "b.tesr")
    assert sections((tmp_path / "b.tesr").read_text())["*crysym"] == ["hexagonal"]


@pytest.mark.filterwarnings("ignore:.*one crystal symmetry")
def test_tesr(tmp_path, two_phase_grains):
    tesr.write(two_phase_grains, tmp_path / "a.tesr", voxel_orientations=True)
    text = (tmp_path / "a.tesr").read_text()
    assert text.startswith("***tesr\n **format\n   2.1\n")
    assert text.endswith("***end\n")
    fields = sections(text)
    assert fields["**general"] == ["3", "5", "4", "3", "1.1", "0.35", "0.7"]
    assert [float(v) for v in fields["*origin"]] == [3.1, -2.0, 1.0]
    assert fields["**cell"] == ["8"]
    assert fields["*id"] == [str(i) for i in range(1, 9)]
    assert fields["*crysym"][0] in ("cubic", "hexagonal")
    assert fields["*ori"][0] == "euler-bunge"
    angles = np.array(fields["*ori"][1:], dtype=float).reshape(8, 3)
    for row, q in zip(angles, two_phase_grains.quaternions, strict=True):
        np.testing.assert_allclose(matrices(row), rotation.to_matrix(q), atol=1e-11)
    assert fields["**data"][0] == "ascii"
    np.testing.assert_array_equal(np.array(fields["**data"][1:], dtype=int), two_phase_grains.grain_ids.ravel())
    assert fields["**oridata"][:2] == ["euler-bunge", "ascii"]
    angles = np.array(fields["**oridata"][2:], dtype=float).reshape(60, 3)
    for row, q in zip(angles, two_phase_grains.field.quaternions.reshape(-1, 4), strict=True):
        np.testing.assert_allclose(matrices(row), rotation.to_matrix(q), atol=1e-11)
    assert fields["**oridef"] == ["ascii", *["1"] * 60]


def test_tesr_of_a_map_is_two_dimensional(tmp_path, two_phase_grains):
    layer = two_phase_grains.field.section(0, 0).evolve(properties={"FeatureIds": two_phase_grains.grain_ids[0]})
    tesr.write(layer, tmp_path / "a.tesr")
    fields = sections((tmp_path / "a.tesr").read_text())
    assert fields["**general"] == ["2", "5", "4", "1.1", "0.35"]


@pytest.mark.parametrize("by", ["grain", "voxel"])
def test_prisms(tmp_path, two_phase_grains, by):
    prisms.write(two_phase_grains, tmp_path / "job", by=by)
    parameters = (tmp_path / "job/voxels.prm").read_text()
    assert [int(n) for n in re.findall(r"Voxels in . direction = (\d+)", parameters)] == [5, 4, 3]
    assert [float(v) for v in re.findall(r"Domain size . = ([\d.]+)", parameters)] == pytest.approx([5.5, 1.4, 2.1])
    lines = (tmp_path / "job/grainID.txt").read_text().splitlines()[5:]
    # crystalOrientationsIO::loadOrientations: for x, for y a line with the values along z
    ids = np.array([[int(v) for v in line.split()] for line in lines]).reshape(5, 4, 3)
    orientations = {}
    for line in (tmp_path / "job/orientations.txt").read_text().splitlines()[1:]:
        number, *values, phase = line.split()
        orientations[int(number)] = np.array(values, dtype=float), int(phase)
    for z, y, x in X_FASTEST:
        grain = two_phase_grains.grain_ids[z, y, x]
        r, phase = orientations[ids[x, y, z]]
        assert phase == two_phase_grains.phase_ids[grain - 1]
        # crystalPlasticity::odfpoint: crystal to sample
        cross = np.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]])
        to_sample = ((1 - r @ r) * np.eye(3) + 2 * np.outer(r, r) + 2 * cross) / (1 + r @ r)
        q = two_phase_grains.quaternions[grain - 1] if by == "grain" else two_phase_grains.field.quaternions[z, y, x]
        symmetry = two_phase_grains.field.phases[phase - 1].symmetry
        assert rotation.disorientation_angle(rotation.from_matrix(to_sample.T), q, symmetry) < 1e-6


def test_prisms_has_finite_vectors_for_half_turns(tmp_path):
    q = np.array([[0.0, 0, 0, 1.0], [0, 1.0, 0, 0]])
    ids = np.array([[[1, 2], [2, 1]]])
    field = OrientationVolume(q[ids - 1], np.ones(ids.shape), (Phase("Al"),), (1.0, 1.0, 1.0))
    prisms.write(GrainVolume(field, ids, q, [1, 1]), tmp_path / "job")
    rows = np.loadtxt(tmp_path / "job/orientations.txt", comments="*")
    np.testing.assert_allclose(rows[:, 1:4], 0, atol=1e-9)


AMITEX_TYPES = {"unsigned_char": ">u1", "unsigned_short": ">u2", "unsigned_int": ">u4"}


def read_amitex(path):
    lines = path.read_bytes().split(b"\n", 10)
    assert [line.split()[0].decode() for line in lines[3:10]] == [
        "DATASET", "DIMENSIONS", "ORIGIN", "SPACING", "CELL_DATA", "SCALARS", "LOOKUP_TABLE",
    ]  # fmt: skip
    assert lines[0] == b"# vtk DataFile Version 4.5"
    assert lines[2:4] == [b"BINARY", b"DATASET STRUCTURED_POINTS"]
    assert lines[9] == b"LOOKUP_TABLE default"
    shape = tuple(int(n) - 1 for n in lines[4].split()[1:])[::-1]
    spacing = tuple(float(v) for v in lines[6].split()[1:])
    values = np.frombuffer(lines[10], dtype=AMITEX_TYPES[lines[8].split()[2].decode()])
    assert int(lines[7].split()[1]) == len(values) == np.prod(shape)
    return values.reshape(shape).astype(int), spacing


@pytest.mark.parametrize("by", ["grain", "voxel"])
def test_amitex(tmp_path, two_phase_grains, by):
    amitex.write(two_phase_grains, tmp_path / "job", by=by)
    materials, spacing = read_amitex(tmp_path / "job/material.vtk")
    zones, _ = read_amitex(tmp_path / "job/zone.vtk")
    assert spacing == pytest.approx((1.1e-6, 0.35e-6, 0.7e-6))
    np.testing.assert_array_equal(materials, two_phase_grains.field.phase_ids)
    root = ElementTree.parse(tmp_path / "job/mat.xml").getroot()
    assert [item.get("numM") for item in root.findall("Material")] == ["1", "2"]
    for material in (1, 2):
        here = materials == material
        files = [tmp_path / f"job/material_{material}_coeff_{i}.txt" for i in range(1, 7)]
        axes = np.stack([np.loadtxt(file) for file in files], axis=1).reshape(-1, 2, 3)
        assert sorted(set(zones[here].tolist())) == list(range(1, len(axes) + 1))
        q = two_phase_grains.quaternions[two_phase_grains.grain_ids - 1]
        q = q if by == "grain" else two_phase_grains.field.quaternions
        np.testing.assert_allclose(axes[zones[here] - 1], rotation.to_matrix(q[here])[:, :2], atol=1e-15)
    for item in root.iter("Coeff"):
        assert (item.get("Type"), item.get("Format")) == ("Constant_Zone", "ASCII")
        assert (tmp_path / "job" / item.get("File")).exists()


@pytest.mark.parametrize("suffix", [".vti", ".sites"])
def test_spparks(tmp_path, two_phase_grains, suffix):
    path = tmp_path / f"a{suffix}"
    spparks.write(two_phase_grains, path)
    if suffix == ".vti":
        damask = pytest.importorskip("damask")
        grid = damask.GeomGrid.load_SPPARKS(path)
        np.testing.assert_array_equal(grid.material, two_phase_grains.grain_ids.T)
        return
    head, values = path.read_text().split("\nValues\n\n")
    assert "60 sites" in head
    assert re.search(r"^0 5 xlo xhi\n0 4 ylo yhi\n0 3 zlo zhi$", head, re.MULTILINE)
    rows = np.loadtxt(values.splitlines(), dtype=int)
    np.testing.assert_array_equal(rows[:, 0], np.arange(1, 61))
    np.testing.assert_array_equal(rows[:, 1], two_phase_grains.grain_ids.ravel())


WRITERS = [
    (los_alamos, "a.txt"),
    (moose, "a.txt"),
    (tesr, "a.tesr"),
    (spparks, "a.sites"),
    (amitex, "a"),
    (prisms, "a"),
]


@pytest.mark.parametrize(("module", "name"), WRITERS)
def test_existing_target_is_kept_without_force(tmp_path, two_phase_grains, module, name):
    path = tmp_path / name
    module.write(two_phase_grains, path)
    with pytest.raises(FileExistsError):
        module.write(two_phase_grains, path)
    module.write(two_phase_grains, path, force=True)


@pytest.mark.parametrize(("module", "name"), WRITERS)
def test_voxels_without_grain_are_refused(tmp_path, two_phase_grains, module, name):
    ids, phase_ids = np.array(two_phase_grains.grain_ids), np.array(two_phase_grains.field.phase_ids)
    hole = tuple(np.argwhere(np.bincount(ids.ravel())[ids] > 2)[0])
    ids[hole] = phase_ids[hole] = 0
    field = two_phase_grains.field.evolve(phase_ids=phase_ids)
    holed = GrainVolume(field, ids, two_phase_grains.quaternions, two_phase_grains.phase_ids)
    with pytest.raises(ValueError, match="1 of 60"):
        module.write(holed, tmp_path / name)
    assert not (tmp_path / name).exists()
    module.write(holed, tmp_path / name, fill=True)


def test_decimals_of_all_numbers_between_minus_one_and_one():
    rng = np.random.default_rng(0)
    numbers = np.concatenate([[0.0, -0.0, 1.0, -1.0, 0.5, -1e-16, 1e-17, 1 - 2**-53], rng.uniform(-1, 1, 2000)])
    text = decimals(numbers.reshape(4, -1))
    assert text.shape == (4, len(numbers) // 4, 19)
    lines = [bytes(row).decode() for row in text.reshape(-1, 19)]
    assert all(re.fullmatch(r"[ -][01]\.\d{16}", line) for line in lines)
    np.testing.assert_allclose([float(line) for line in lines], numbers, rtol=0, atol=1.2e-16)
    assert lines[:8] == [
        " 0.0000000000000000", " 0.0000000000000000", " 1.0000000000000000", "-1.0000000000000000",
        " 0.5000000000000000", "-0.0000000000000001", " 0.0000000000000000", " 0.9999999999999998",
    ]  # fmt: skip
