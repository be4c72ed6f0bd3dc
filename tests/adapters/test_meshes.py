"""Writers of meshes: meshio's formats, Abaqus and DAMASK_mesh."""

import os
import re
import shutil
import subprocess
import tracemalloc

import numpy as np
import pytest

from polyrve.adapters.material_grid import material_grid
from polyrve.adapters.solvers import abaqus, damask_mesh, los_alamos, meshio_hex, moose
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

meshio = pytest.importorskip("meshio")

LOW, STEP = np.array([3.1, -2.0, 1.0]), np.array([1.1, 0.35, 0.7])


def voxel_of(points, connectivity, scale=1.0):
    """Indices z, y, x of the voxels that hold the centres of cells."""
    x, y, z = np.floor((points[connectivity].mean(axis=1) / scale - LOW) / STEP).astype(int).T
    return z, y, x


@pytest.mark.parametrize("module", [abaqus, damask_mesh, los_alamos, moose])
def test_memory_is_at_most_twice_the_volume(tmp_path, module):
    blocks = np.arange(1, 65).reshape(4, 4, 4)
    ids = np.kron(blocks, np.ones((10, 10, 10), dtype=int))
    q = rotation.random_orientations(64, np.random.default_rng(0))
    field = OrientationVolume(q[ids - 1], np.ones(ids.shape), (Phase("Al"),), (0.5, 0.5, 0.5))
    data = GrainVolume(field, ids, q, np.ones(64))
    tracemalloc.start()
    try:
        module.write(data, tmp_path / "a")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * (field.quaternions.nbytes + field.phase_ids.nbytes + data.grain_ids.nbytes)


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf", ".med", ".avs"])
def test_cell_data_by_meshio(tmp_path, two_phase_grains, suffix):
    meshio_hex.write(two_phase_grains, tmp_path / f"a{suffix}")
    mesh = meshio.read(tmp_path / f"a{suffix}")
    [block] = mesh.cells
    assert block.type == "hexahedron"
    at = voxel_of(mesh.points, block.data)
    name = "avsucd:material" if suffix == ".avs" else "grain"
    np.testing.assert_array_equal(np.ravel(mesh.cell_data[name][0]), two_phase_grains.grain_ids[at])
    np.testing.assert_array_equal(np.ravel(mesh.cell_data["phase"][0]), two_phase_grains.field.phase_ids[at])
    angles = np.deg2rad(mesh.cell_data["euler_angles"][0])
    expected = rotation.to_matrix(two_phase_grains.quaternions[two_phase_grains.grain_ids[at] - 1])
    np.testing.assert_allclose(rotation.to_matrix(rotation.from_euler(angles)), expected, atol=1e-6)


@pytest.mark.parametrize("suffix", [".vtu", ".vtk", ".xdmf", ".msh", ".med"])
def test_cell_data_alone_where_a_format_has_no_sets(tmp_path, two_phase_grains, suffix):
    """meshio turns sets into an array that is named after all of them."""
    meshio_hex.write(two_phase_grains, tmp_path / f"a{suffix}")
    mesh = meshio.read(tmp_path / f"a{suffix}")
    own = {"grain", "phase", "euler_angles", "gmsh:physical", "gmsh:geometrical"}
    assert set(mesh.cell_data) <= own
    assert not mesh.cell_sets


def test_cell_sets_where_a_format_has_them(tmp_path, two_phase_grains):
    meshio_hex.write(two_phase_grains, tmp_path / "a.inp")
    mesh = meshio.read(tmp_path / "a.inp")
    at = voxel_of(mesh.points, mesh.cells[0].data)
    for grain in range(1, 9):
        [members] = mesh.cell_sets[f"grain_{grain}"]
        assert set(members.tolist()) == set(np.flatnonzero(two_phase_grains.grain_ids[at] == grain).tolist())
    meshio_hex.write(two_phase_grains, tmp_path / "a.f3grid")
    assert '"grain_8"' in (tmp_path / "a.f3grid").read_text()


def test_gmsh_has_physical_groups(tmp_path, two_phase_grains):
    meshio_hex.write(two_phase_grains, tmp_path / "a.msh")
    mesh = meshio.read(tmp_path / "a.msh")
    for block, grain in zip(mesh.cells, mesh.cell_data["gmsh:physical"], strict=True):
        np.testing.assert_array_equal(grain, two_phase_grains.grain_ids[voxel_of(mesh.points, block.data)])


def test_nastran_has_a_property_per_grain(tmp_path, two_phase_grains):
    field = two_phase_grains.field.evolve(origin=(0.0, 0.0, 0.0))
    grains = GrainVolume(field, two_phase_grains.grain_ids, two_phase_grains.quaternions, two_phase_grains.phase_ids)
    meshio_hex.write(grains, tmp_path / "a.bdf")
    mesh = meshio.read(tmp_path / "a.bdf")
    [block] = mesh.cells
    at = voxel_of(mesh.points + LOW, block.data)
    np.testing.assert_array_equal(mesh.cell_data["nastran:ref"][0], grains.grain_ids[at])


def test_cell_sets(two_phase_grains):
    mesh = meshio_hex.to_mesh(material_grid(two_phase_grains))
    ids = two_phase_grains.grain_ids.ravel()
    for grain in range(1, 9):
        np.testing.assert_array_equal(mesh.cell_sets[f"grain_{grain}"][0], np.flatnonzero(ids == grain))
    assert {"phase_Al", "phase_Mg_alpha_"} <= set(mesh.cell_sets)


@pytest.mark.parametrize(("name", "options"), [
    ("a.nothing", {}), ("a.vtu", {"file_format": "nothing"}), ("a.h5m", {}), ("a.bdf", {}),
])  # fmt: skip
def test_what_meshio_cannot_write(tmp_path, two_phase_grains, name, options):
    with pytest.raises(ValueError, match="meshio"):
        meshio_hex.write(two_phase_grains, tmp_path / name, **options)
    assert os.listdir(tmp_path) == []


def keyword_blocks(text):
    """Keyword lines and the data lines that follow, of a file without includes."""
    blocks = []
    for line in text.splitlines():
        if line.startswith("**"):
            continue
        if line.startswith("*"):
            name, *options = (word.strip() for word in line[1:].split(","))
            blocks.append((name.lower(), dict(o.split("=") for o in options if "=" in o), []))
        else:
            blocks[-1][2].append([word.strip() for word in line.split(",") if word.strip()])
    return blocks


def sets_of(blocks, kind, key):
    return {o[key]: {int(n) for line in data for n in line} for name, o, data in blocks if name == kind and key in o}


@pytest.mark.parametrize("element", ["C3D8", "C3D8R"])
def test_abaqus_mesh_and_sets(tmp_path, two_phase_grains, element):
    abaqus.write(two_phase_grains, tmp_path / "a.inp", element=element)
    text = (tmp_path / "a.inp").read_text()
    assert max(map(len, text.splitlines())) < 256
    blocks = keyword_blocks(text)
    nodes = {int(n): np.array(xyz, dtype=float) for name, _, data in blocks if name == "node" for n, *xyz in data}
    [(options, elements)] = [(o, data) for name, o, data in blocks if name == "element"]
    assert options["type"] == element
    assert sorted(nodes) == list(range(1, 121))
    points = np.array([nodes[i] for i in range(1, 121)])
    numbers = np.array(elements, dtype=int)
    assert numbers[:, 0].tolist() == list(range(1, 61))
    at = voxel_of(points, numbers[:, 1:] - 1)
    corners = points[numbers[:, 1:] - 1]
    triple = np.einsum(
        "ij,ij->i",
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 3] - corners[:, 0]),
        corners[:, 4] - corners[:, 0],
    )
    np.testing.assert_allclose(triple, np.prod(STEP), rtol=1e-6)
    elsets = sets_of(blocks, "elset", "elset")
    for grain in range(1, 9):
        assert elsets[f"GRAIN-{grain}"] == set((np.flatnonzero(two_phase_grains.grain_ids[at] == grain) + 1).tolist())
    for i, name in enumerate(("AL", "MG_ALPHA"), start=1):
        assert elsets[f"PHASE-{name}"] == set((np.flatnonzero(two_phase_grains.field.phase_ids[at] == i) + 1).tolist())
    assert all(len(line) <= 16 for name, _, data in blocks if name in ("elset", "nset") for line in data)
    nsets = sets_of(blocks, "nset", "nset")
    assert len(nsets) == 6 + 12 + 8
    high = LOW + STEP * (5, 4, 3)
    for name, members in nsets.items():
        inside = np.ones(120, dtype=bool)
        for axis, end in (part for part in name.split("-")):
            level = (LOW if end == "0" else high)["XYZ".index(axis)]
            inside &= np.abs(points[:, "XYZ".index(axis)] - level) < 1e-6
        assert members == set((np.flatnonzero(inside) + 1).tolist()), name


def test_abaqus_orientations_and_sections(tmp_path, two_phase_grains):
    abaqus.write(two_phase_grains, tmp_path / "a.inp")
    blocks = keyword_blocks((tmp_path / "a.inp").read_text())
    orientations = {o["name"]: np.array(data[0], dtype=float) for name, o, data in blocks if name == "orientation"}
    sections = {o["elset"]: o for name, o, _ in blocks if name == "solid section"}
    for grain, q in enumerate(two_phase_grains.quaternions, start=1):
        section = sections[f"GRAIN-{grain}"]
        assert section["material"] == ("AL", "MG_ALPHA")[two_phase_grains.phase_ids[grain - 1] - 1]
        axes = orientations[section["orientation"]].reshape(2, 3)
        np.testing.assert_allclose(axes, rotation.to_matrix(q)[:2], atol=1e-11)
    assert not [data for name, _, data in blocks if name == "material" and data]
    [elastic] = [(o, data) for name, o, data in blocks if name == "elastic"]
    assert elastic[0]["type"] == "ORTHOTROPIC"
    constants = np.array([value for line in elastic[1] for value in line], dtype=float)
    np.testing.assert_allclose(constants, [106900, 60500, 106900, 60500, 60500, 106900, 28400, 28400, 28400])
    assert {o["name"] for name, o, _ in blocks if name == "material"} == {"AL", "MG_ALPHA"}


@pytest.mark.skipif(shutil.which("ccx") is None, reason="CalculiX, which reads Abaqus decks, is not on the PATH")
@pytest.mark.parametrize(("name", "laue"), [("Al", "m-3m"), ("Mg", "6/mmm")])
def test_calculix_finds_the_stress_of_a_strained_crystal(tmp_path, name, laue):
    """A crystal strained through the reference nodes of a periodic deck: Hooke's law in the crystal's axes."""
    from polyrve.adapters.solvers.damask_phases import LIBRARY

    q = rotation.random_orientations(1, np.random.default_rng(5))
    field = OrientationVolume(
        np.broadcast_to(q, (2, 3, 4, 4)).copy(), np.ones((2, 3, 4)), (Phase(name, laue),), (0.5, 0.6, 0.7)
    )
    abaqus.write(field, tmp_path / "rve.inp", periodic=True)
    strain = 1e-4 * np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.8]])
    size = np.array([4 * 0.7, 3 * 0.6, 2 * 0.5])
    moved = "".join(
        f"REF-{axis}, {i + 1}, {i + 1}, {strain[i, j] * size[j]:.12g}\n"
        for j, axis in enumerate("XYZ")
        for i in range(3)
    )
    (tmp_path / "job.inp").write_text(
        f"*Include, input=rve.inp\n*Step\n*Static\n*Boundary\nX0-Y0-Z0, 1, 3, 0.\n{moved}"
        "*El Print, elset=ALL, global=yes\nS\n*End Step\n"
    )
    done = subprocess.run(["ccx", "job"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "WARNING" not in done.stdout
    assert "Job finished" in done.stdout, done.stdout[-2000:]
    rows = [line.split()[:8] for line in (tmp_path / "job.dat").read_text().splitlines() if line.count(".") >= 6]
    computed = np.array(rows, dtype=float)[:, 2:]
    assert len(computed) == 24 * 8
    c = LIBRARY[name].elastic
    axial = [[c["C_11"], c["C_12"], c.get("C_13", c["C_12"])], [c["C_12"], c["C_11"], c.get("C_13", c["C_12"])],
             [c.get("C_13", c["C_12"])] * 2 + [c.get("C_33", c["C_11"])]]  # fmt: skip
    g = rotation.to_matrix(q[0])
    e = g @ strain @ g.T
    crystal = 2 * c["C_44"] * e
    crystal[0, 1] = crystal[1, 0] = (c["C_11"] - c["C_12"] if name == "Mg" else 2 * c["C_44"]) * e[0, 1]
    np.fill_diagonal(crystal, axial @ np.diag(e))
    s = g.T @ crystal @ g / 1e6
    expected = [s[0, 0], s[1, 1], s[2, 2], s[0, 1], s[0, 2], s[1, 2]]
    np.testing.assert_allclose(computed, np.broadcast_to(expected, computed.shape), atol=2e-5 * np.abs(s).max())


def test_abaqus_hexagonal_constants():
    from polyrve.adapters.solvers.damask_phases import LIBRARY

    c = LIBRARY["Mg"].elastic
    got = abaqus._orthotropic(c)
    assert got[:6] == [c["C_11"], c["C_12"], c["C_11"], c["C_13"], c["C_13"], c["C_33"]]
    assert got[6:] == [(c["C_11"] - c["C_12"]) / 2, c["C_44"], c["C_44"]]


def test_abaqus_user_materials(tmp_path, two_phase_grains):
    abaqus.write(two_phase_grains, tmp_path / "a.inp", materials="user")
    blocks = keyword_blocks((tmp_path / "a.inp").read_text())
    rows = np.array([data[0] for name, _, data in blocks if name == "user material"], dtype=float)
    assert rows[:, 0].tolist() == list(range(1, 9))
    assert rows[:, 1].tolist() == two_phase_grains.phase_ids.tolist()
    got = rotation.to_matrix(rotation.from_euler(np.deg2rad(rows[:, 2:])))
    np.testing.assert_allclose(got, rotation.to_matrix(two_phase_grains.quaternions), atol=1e-8)


def test_abaqus_periodic_equations_hold_for_a_homogeneous_gradient_and_for_it_alone(tmp_path, two_phase_grains):
    abaqus.write(two_phase_grains, tmp_path / "a.inp", periodic=True)
    blocks = keyword_blocks((tmp_path / "a.inp").read_text())
    nodes = {int(n): np.array(xyz, dtype=float) for name, _, data in blocks if name == "node" for n, *xyz in data}
    reference = [sets_of(blocks, "nset", "nset")[f"REF-{axis}"].copy().pop() for axis in "XYZ"]
    [words] = [[word for line in data for word in line] for name, _, data in blocks if name == "equation"]
    equations, i = [], 0
    while i < len(words):
        n = int(words[i])
        terms = [(int(words[i + 1 + 3 * k]), int(words[i + 2 + 3 * k]), float(words[i + 3 + 3 * k])) for k in range(n)]
        equations.append(terms)
        i += 1 + 3 * n
    upper = 6 * 5 * 4 - 5 * 4 * 3
    assert len(equations) == 3 * upper
    eliminated = [(terms[0][0], terms[0][1]) for terms in equations]
    assert len(set(eliminated)) == len(eliminated)
    kept = {(node, dof) for terms in equations for node, dof, _ in terms[1:]}
    assert not kept & set(eliminated), "an eliminated degree of freedom is used by another equation"
    gradient = np.random.default_rng(0).random((3, 3))
    u = {node: gradient @ x for node, x in nodes.items()}
    for axis, node in enumerate(reference):
        u[node] = gradient[:, axis] * (STEP * (5, 4, 3))[axis]
    for terms in equations:
        assert abs(sum(factor * u[node][dof - 1] for node, dof, factor in terms)) < 1e-7
    u[reference[0]] = u[reference[0]] + 1.0
    assert any(abs(sum(f * u[n][d - 1] for n, d, f in terms)) > 0.1 for terms in equations)


def test_abaqus_split(tmp_path, two_phase_grains):
    abaqus.write(two_phase_grains, tmp_path / "whole.inp", periodic=True)
    abaqus.write(two_phase_grains, tmp_path / "a.inp", periodic=True, split=True)
    main = (tmp_path / "a.inp").read_text()
    included = re.findall(r"^\*Include, input=(\S+)$", main, re.MULTILINE)
    assert sorted(os.listdir(tmp_path)) == sorted(["a.inp", "whole.inp", *included])
    joined = main.split("*Include")[0] + "".join((tmp_path / name).read_text() for name in included)
    assert joined == (tmp_path / "whole.inp").read_text()
    (tmp_path / "a.inp").unlink()
    with pytest.raises(FileExistsError, match="a_elements"):
        abaqus.write(two_phase_grains, tmp_path / "a.inp", periodic=True, split=True)


def test_abaqus_read_by_meshio(tmp_path, two_phase_grains):
    abaqus.write(two_phase_grains, tmp_path / "a.inp")
    mesh = meshio.read(tmp_path / "a.inp")
    assert len(mesh.cells[0].data) == 60
    assert {"GRAIN-1", "PHASE-AL"} <= set(mesh.cell_sets)


@pytest.mark.parametrize(("options", "words"), [({"element": "C3D4"}, "eight-node"), ({"materials": "none"}, "'user'")])
def test_abaqus_bad_options(tmp_path, two_phase_grains, options, words):
    with pytest.raises(ValueError, match=words):
        abaqus.write(two_phase_grains, tmp_path / "a.inp", **options)


@pytest.mark.parametrize("element", ["tetrahedron", "hexahedron"])
def test_damask_mesh(tmp_path, two_phase_grains, element):
    damask = pytest.importorskip("damask")
    damask_mesh.write(two_phase_grains, tmp_path / "job", phase={"Mg (alpha)": "Mg"}, element=element)
    mesh = meshio.read(tmp_path / "job/mesh.msh")
    low, high = LOW * 1e-6, (LOW + STEP * (5, 4, 3)) * 1e-6
    np.testing.assert_allclose(mesh.points.min(0), low, rtol=1e-9)
    np.testing.assert_allclose(mesh.points.max(0), high, rtol=1e-9)
    solid = {"tetrahedron": "tetra", "hexahedron": "hexahedron"}[element]
    faces, total = set(), 0
    for block, tags in zip(mesh.cells, mesh.cell_data["gmsh:physical"], strict=True):
        assert (tags == tags[0]).all()
        if block.type == solid:
            at = voxel_of(mesh.points, block.data, 1e-6)
            assert (two_phase_grains.grain_ids[at] == tags[0]).all()
            total += len(block.data)
        else:
            axis, end = divmod(int(tags[0]) - 1, 2)
            np.testing.assert_allclose(mesh.points[block.data][..., axis], (low, high)[end][axis], rtol=1e-9)
            faces.add(int(tags[0]))
    assert faces == {1, 2, 3, 4, 5, 6}
    assert total == 60 * (6 if element == "tetrahedron" else 1)
    config = damask.ConfigMaterial.load(tmp_path / "job/material.yaml")
    assert len(config["material"]) == 8
    load = damask.YAML.load(tmp_path / "job/load.yaml")
    assert load["loadstep"][0]["boundary_conditions"]["mechanical"][0]["dot_u"][2] == pytest.approx(2.1e-9)


def test_damask_mesh_bad_element(tmp_path, two_phase_grains):
    with pytest.raises(ValueError, match="tetrahedron"):
        damask_mesh.write(two_phase_grains, tmp_path / "job", element="wedge")
