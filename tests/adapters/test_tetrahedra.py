"""Tetrahedra that follow the grain boundaries, in every file that they are written to, read by other programs."""

import itertools
import shutil
import subprocess

import numpy as np
import pytest

from polyrve.adapters.material_grid import material_grid
from polyrve.adapters.solvers import tetrahedra
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume

meshio = pytest.importorskip("meshio")
gmsh = pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)

ORIGIN = (1.0, -2.0, 3.0)


def volume(shape=(6, 7, 8), grains=4, same=False, periodic=True):
    points = np.random.default_rng(2).random((grains, 3))
    at = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in shape], indexing="ij"), axis=-1)
    away = np.abs(at[..., None, :] - points)
    ids = np.argmin((np.minimum(away, 1.0 - away) ** 2).sum(axis=-1), axis=-1) + 1
    q = rotation.random_orientations(grains, np.random.default_rng(5))
    q = np.repeat(q[:1], grains, axis=0) if same else q
    phases = (Phase("Al"), Phase("Mg alpha", "6/mmm"))
    phase_ids = np.ones(grains, dtype=int) if same else 1 + np.arange(grains) % 2
    field = OrientationVolume(q[ids - 1], phase_ids[ids - 1], phases, (1.0, 1.0, 1.0), origin=ORIGIN, periodic=periodic)
    return GrainVolume(field, ids, q, phase_ids)


@pytest.fixture(scope="module")
def rve():
    return volume()


@pytest.fixture(scope="module", params=[False, True], ids=["linear", "quadratic"])
def mesh(request, rve):
    return tetrahedra.mesh_of(rve, material_grid(rve), size=1.0, quadratic=request.param, improve=False)


def volumes(points, cells):
    a, b, c, d = np.moveaxis(points[cells[:, :4]], 1, 0)
    return np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a)) / 6


def check_middles(points, cells):
    """The nodes 4 ... 9 in meshio's order, which is VTK's."""
    if cells.shape[1] == 10:
        for place, (a, b) in enumerate(((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)), start=4):
            np.testing.assert_allclose(points[cells[:, place]], (points[cells[:, a]] + points[cells[:, b]]) / 2)


def test_abaqus_file(tmp_path, mesh, rve):
    tetrahedra.write_mesh(mesh, material_grid(rve), tmp_path / "a.inp")
    read = meshio.read(tmp_path / "a.inp")
    [block] = read.cells
    check_middles(read.points, block.data)
    each = volumes(read.points, block.data)
    for grain in range(1, 5):
        [members] = read.cell_sets[f"GRAIN-{grain}"]
        assert each[members].sum() == pytest.approx((rve.grain_ids == grain).sum(), rel=0.01)
    assert len(read.cell_sets["PHASE-MG_ALPHA"][0]) == np.isin(mesh.grains, (2, 4)).sum()
    box = np.array([ORIGIN[::-1], np.array(ORIGIN[::-1]) + rve.field.shape[::-1]])
    for axis in range(3):
        for end in (0, 1):
            nodes = read.points[read.point_sets[f"{'XYZ'[axis]}{end}"]]
            np.testing.assert_allclose(nodes[:, axis], box[end, axis])
    np.testing.assert_allclose(read.points[read.point_sets["X1-Y0-Z1"]], [[box[1, 0], box[0, 1], box[1, 2]]])


@pytest.mark.parametrize("version", ["4.1", "2.2"])
def test_gmsh_reads_groups_of_all_kinds(tmp_path, mesh, rve, version):
    tetrahedra.write_mesh(mesh, material_grid(rve), tmp_path / "a.msh", version=version)
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(tmp_path / "a.msh"))
        model = gmsh.model
        groups = {model.getPhysicalName(*group): group for group in model.getPhysicalGroups()}
        solids = {f"GRAIN-{i}" for i in range(1, 5)} | ({"PHASE-AL", "PHASE-MG_ALPHA"} if version == "4.1" else set())
        assert set(groups) == solids | {"X0", "X1", "Y0", "Y1", "Z0", "Z1", "BOUNDARIES"}
        gmsh.plugin.setNumber("MeshVolume", "Dimension", 3)
        for i in range(1, 5):
            [entity] = model.getEntitiesForPhysicalGroup(*groups[f"GRAIN-{i}"])
            gmsh.plugin.setNumber("MeshVolume", "PhysicalGroup", groups[f"GRAIN-{i}"][1])
            view = gmsh.plugin.run("MeshVolume")
            assert gmsh.view.getListData(view)[2][0][-1] == pytest.approx((rve.grain_ids == i).sum(), rel=0.01)
            types, elements, _ = model.mesh.getElements(3, entity)
            assert model.mesh.getElementQualities(elements[0], "minDetJac").min() > 0
            assert model.mesh.getElementProperties(types[0])[2] == 1 + (mesh.tetrahedra.shape[1] == 10)
        assert sum(map(len, model.mesh.getElements(2)[1])) == len(mesh.triangles)
    finally:
        gmsh.finalize()
    read = meshio.read(tmp_path / "a.msh")
    for block in read.cells:
        if block.type.startswith("tetra"):
            check_middles(read.points, block.data)


@pytest.mark.skipif(shutil.which("neper") is None, reason="Neper, which reads .msh 2.2, is not on the PATH")
@pytest.mark.integration
def test_neper_finds_the_volume_of_each_grain(tmp_path, mesh, rve):
    tetrahedra.write_mesh(mesh, material_grid(rve), tmp_path / "a.msh", version="2.2")
    command = ["neper", "-M", "-loadmesh", "a.msh", "-statelset", "id,vol,eltnb", "-o", "b"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    found = np.loadtxt(tmp_path / "b.stelset")
    each = np.arange(1, 5), np.bincount(rve.grain_ids.ravel())[1:], np.bincount(mesh.grains)[1:]
    np.testing.assert_allclose(found, np.transpose(each), rtol=1e-6)


@pytest.mark.parametrize("suffix", [".vtu", ".e"])
def test_grains_in_vtk_and_exodus(tmp_path, mesh, rve, suffix):
    if suffix == ".e":
        pytest.importorskip("netCDF4")
    tetrahedra.write_mesh(mesh, material_grid(rve), tmp_path / f"a{suffix}")
    if suffix == ".e":
        from vtkmodules.vtkIOExodus import vtkExodusIIReader

        reader = vtkExodusIIReader()
        reader.SetFileName(str(tmp_path / "a.e"))
        reader.Update()
        blocks = reader.GetOutput().GetBlock(0)
        assert blocks.GetNumberOfBlocks() == 4
        counts = [blocks.GetBlock(i).GetNumberOfCells() for i in range(4)]
        assert counts == np.bincount(mesh.grains)[1:].tolist()
        assert blocks.GetBlock(0).GetCellType(0) == (10 if mesh.tetrahedra.shape[1] == 4 else 24)
        return
    read = meshio.read(tmp_path / "a.vtu")
    [block] = read.cells
    check_middles(read.points, block.data)
    assert volumes(read.points, block.data).min() > 0
    np.testing.assert_array_equal(read.cell_data["grain"][0], mesh.grains)
    np.testing.assert_array_equal(read.cell_data["phase"][0], rve.phase_ids[mesh.grains - 1])


def test_surface_of_a_grain_is_closed_to_vtk(tmp_path, mesh, rve):
    from vtkmodules.vtkFiltersCore import vtkFeatureEdges, vtkMassProperties
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    tetrahedra.write_stl(mesh, tmp_path / "grains")
    for grain in range(1, 5):
        reader = vtkSTLReader()
        reader.SetFileName(str(tmp_path / "grains" / f"grain_{grain}.stl"))
        edges = vtkFeatureEdges()
        edges.SetInputConnection(reader.GetOutputPort())
        edges.FeatureEdgesOff()
        edges.NonManifoldEdgesOff()
        edges.Update()
        assert edges.GetOutput().GetNumberOfCells() == 0
        mass = vtkMassProperties()
        mass.SetInputConnection(reader.GetOutputPort())
        assert mass.GetVolume() == pytest.approx((rve.grain_ids == grain).sum(), rel=0.01)


@pytest.mark.integration
@pytest.mark.skipif(shutil.which("ccx") is None, reason="CalculiX, which reads Abaqus decks, is not on the PATH")
@pytest.mark.parametrize("quadratic", [False, True])
def test_calculix_finds_one_stress_in_grains_of_one_orientation(tmp_path, quadratic):
    """Strained through the reference nodes of a periodic deck: every element has the stress of Hooke's law."""
    from polyrve.adapters.solvers.damask_phases import LIBRARY

    rve = volume((5, 5, 6), 3, same=True)
    tetrahedra.write(rve, tmp_path / "rve.inp", size=1.25, quadratic=quadratic, improve=False)
    strain = 1e-4 * np.array([[1.0, 0.3, -0.2], [0.3, -0.5, 0.4], [-0.2, 0.4, 0.8]])
    size = np.array(rve.field.shape[::-1], dtype=float)
    moved = "".join(
        f"REF-{axis}, {i + 1}, {i + 1}, {strain[i, j] * size[j]:.12g}\n"
        for j, axis in enumerate("XYZ")
        for i in range(3)
    )
    (tmp_path / "job.inp").write_text(
        f"*Include, input=rve.inp\n*Step\n*Static\n*Boundary\nX0-Y0-Z0, 1, 3, 0.\n{moved}"
        "*El Print, elset=ALL, global=yes\nS\n*End Step\n"
    )
    done = subprocess.run(["ccx", "job"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert "WARNING" not in done.stdout
    assert "Job finished" in done.stdout, done.stdout[-2000:]
    rows = [line.split()[:8] for line in (tmp_path / "job.dat").read_text().splitlines() if line.count(".") >= 6]
    computed = np.array(rows, dtype=float)[:, 2:]
    c = LIBRARY["Al"].elastic
    g = rotation.to_matrix(rve.quaternions[0])
    e = g @ strain @ g.T
    crystal = 2 * c["C_44"] * e
    np.fill_diagonal(crystal, (c["C_11"] - c["C_12"]) * np.diag(e) + c["C_12"] * np.trace(e))
    s = g.T @ crystal @ g / 1e6
    expected = [s[0, 0], s[1, 1], s[2, 2], s[0, 1], s[0, 2], s[1, 2]]
    np.testing.assert_allclose(computed, np.broadcast_to(expected, computed.shape), atol=1e-4 * np.abs(s).max())


def test_what_cannot_be_meshed(tmp_path, rve):
    flat = OrientationMap(rve.field.quaternions[0], rve.field.phase_ids[0], rve.field.phases, (1.0, 1.0))
    with pytest.raises(ValueError, match="expected a volume; got a map"):
        tetrahedra.write(flat, tmp_path / "a.inp", fill=True)
    with pytest.raises(ValueError, match=r"a.bdf: expected .*\.inp"):
        tetrahedra.write(rve, tmp_path / "a.bdf")
    with pytest.raises(ValueError, match=r"periodic: expected a periodic volume"):
        tetrahedra.write(volume(periodic=False), tmp_path / "a.inp", periodic=True)
    assert list(tmp_path.iterdir()) == []


def test_grains_of_a_volume_that_is_not_periodic(tmp_path):
    tetrahedra.write(volume(periodic=False), tmp_path / "a.inp", size=1.5, improve=False)
    text = (tmp_path / "a.inp").read_text()
    assert "*Equation" not in text
    assert "REF-X" not in text


def test_cohesive_elements_join_the_grains(tmp_path):
    rve = volume(periodic=False)
    tetrahedra.write(rve, tmp_path / "a.inp", size=1.5, improve=False)
    tetrahedra.write(rve, tmp_path / "b.inp", size=1.5, improve=False, cohesive=True)
    plain, text = meshio.read(tmp_path / "a.inp"), (tmp_path / "b.inp").read_text()
    rows = text.split("elset=COHESIVE\n")[1].split("*")[0].strip().split("\n")
    joints = np.array([row.split(",") for row in rows], dtype=int)[:, 1:] - 1
    (tmp_path / "c.inp").write_text(text.replace(text[text.index("*Element, type=COH3D6") :], ""))
    split = meshio.read(tmp_path / "c.inp")
    cells = split.cells[0].data
    grains = [name for name in split.cell_sets if name.startswith("GRAIN-")]
    of_nodes = [set(np.unique(cells[split.cell_sets[name][0]]).tolist()) for name in grains]
    assert sum(len(nodes) for nodes in of_nodes) == len(split.points)
    np.testing.assert_allclose(split.points[joints[:, :3]], split.points[joints[:, 3:]])
    grain = np.empty(len(split.points), dtype=int)
    for i, nodes in enumerate(of_nodes):
        grain[list(nodes)] = i
    pairs = grain[joints]
    assert (pairs[:, :3] == pairs[:, :1]).all()
    assert (pairs[:, 3:] == pairs[:, 3:4]).all()
    assert (pairs[:, 0] != pairs[:, 3]).all()
    whole = plain.cells[0].data
    assert len(whole) == len(cells)
    every = np.sort(np.concatenate([whole[:, list(f)] for f in itertools.combinations(range(4), 3)]), axis=1)
    owner = np.tile(grain[cells[:, 0]], 4)
    order = np.lexsort(every.T)
    same = (every[order][1:] == every[order][:-1]).all(axis=1)
    assert (owner[order][1:][same] != owner[order][:-1][same]).sum() == len(joints)
    a, b, c = np.moveaxis(split.points[joints[:, :3]], 1, 0)
    normal, centres = np.cross(b - a, c - a), split.points[cells].mean(axis=1)
    faces = {tuple(sorted(row)): i for i, cell in enumerate(cells.tolist()) for row in itertools.combinations(cell, 3)}
    beside = [
        [centres[faces[tuple(sorted(row))]] for row in part]
        for part in (joints[:, :3].tolist(), joints[:, 3:].tolist())
    ]
    assert (np.einsum("ij,ij->i", normal, beside[0] - a) < 0).all()
    assert (np.einsum("ij,ij->i", normal, beside[1] - a) > 0).all()


def test_cohesive_elements_need_linear_elements_and_free_faces(tmp_path, rve):
    with pytest.raises(ValueError, match="cohesive: expected linear elements and free faces; got periodic"):
        tetrahedra.write(rve, tmp_path / "a.inp", size=1.5, improve=False, cohesive=True)
    with pytest.raises(ValueError, match=r"cohesive: expected linear elements in an \.inp; got a file \.msh"):
        tetrahedra.write(rve, tmp_path / "a.msh", cohesive=True)
