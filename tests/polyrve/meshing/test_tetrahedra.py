import numpy as np
import pytest

from polyrve.meshing import tetrahedra
from polyrve.microstructure.synthetic import make_specimen

pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)

SPACING, ORIGIN = (1.0, 0.9, 1.1), (3.0, -2.0, 1.0)


@pytest.fixture(scope="module")
def ids():
    points = np.random.default_rng(4).random((5, 3))
    at = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in (8, 9, 10)], indexing="ij"), axis=-1)
    away = np.abs(at[..., None, :] - points)
    return np.argmin((np.minimum(away, 1.0 - away) ** 2).sum(axis=-1), axis=-1) + 1


@pytest.fixture(scope="module")
def mesh(ids):
    return tetrahedra.mesh_grains(ids, SPACING, origin=ORIGIN, size=1.0, periodic=True)


def test_grains_have_the_volumes_of_their_voxels(mesh, ids):
    assert mesh.volumes().sum() == pytest.approx(ids.size * np.prod(SPACING))
    np.testing.assert_allclose(mesh.volumes(), np.bincount(ids.ravel())[1:] * np.prod(SPACING), rtol=0.01)
    assert mesh.volume_error() < 0.01
    assert mesh.quality.inverted == 0
    assert mesh.quality.smallest_dihedral > 5.0


def test_tetrahedra_lie_in_the_grain_of_the_voxel_at_their_centre(mesh, ids):
    x, y, z = np.floor((mesh.points[mesh.tetrahedra].mean(axis=1) - ORIGIN[::-1]) / SPACING[::-1]).astype(int).T
    a, b, c, d = np.moveaxis(mesh.points[mesh.tetrahedra], 1, 0)
    volumes = np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a))
    assert np.average(ids[z, y, x] == mesh.grains, weights=volumes) > 0.85


def test_boundary_triangles_are_faces_of_the_tetrahedra_on_their_sides(mesh):
    faces = {}
    for corners in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
        for face, grain in zip(np.sort(mesh.tetrahedra[:, corners], axis=1).tolist(), mesh.grains, strict=True):
            faces.setdefault(tuple(face), set()).add(int(grain))
    for triangle, sides in zip(np.sort(mesh.triangles, axis=1).tolist(), mesh.sides.tolist(), strict=True):
        assert faces.pop(tuple(triangle)) == set(sides) - {0}
    assert all(len(grains) == 1 for grains in faces.values())


def test_images_cover_every_upper_node_once(mesh):
    seen = []
    for shifts, nodes, images in mesh.images():
        period = np.array(shifts) * (mesh.box[1] - mesh.box[0])
        np.testing.assert_allclose(mesh.points[nodes] - mesh.points[images], np.broadcast_to(period, (len(nodes), 3)))
        seen.append(nodes)
    upper = np.unique(np.concatenate([mesh.nodes_on(face) for face in ("X1", "Y1", "Z1")]))
    np.testing.assert_array_equal(np.sort(np.concatenate(seen)), upper)


@pytest.mark.parametrize(("seed", "size"), [(13, 2.0), (7, 3.0)])
def test_surface_does_not_meet_itself(seed, size):
    """With all diagonals chosen by angle alone, Gmsh finds facets that cross or lie upon each other here."""
    ids = make_specimen((20, 20, 20), grain_size=9.0, texture="random", scatter=0.0, seed=seed).grain_ids
    _, ids = np.unique(ids, return_inverse=True)
    made = tetrahedra.mesh_grains(ids.reshape(20, 20, 20) + 1, (1.0,) * 3, size=size, periodic=True, improve=False)
    assert made.volume_error() < 1e-9


def test_quadratic_elements_have_nodes_in_the_middles(ids):
    mesh = tetrahedra.mesh_grains(ids, SPACING, size=1.2, quadratic=True, improve=False)
    corners = mesh.points[mesh.tetrahedra]
    for place, (a, b) in enumerate(((0, 1), (1, 2), (0, 2), (0, 3), (1, 3), (2, 3)), start=4):
        np.testing.assert_allclose(corners[:, place], (corners[:, a] + corners[:, b]) / 2)
    triangles = mesh.points[mesh.triangles]
    for place, (a, b) in enumerate(((0, 1), (1, 2), (0, 2)), start=3):
        np.testing.assert_allclose(triangles[:, place], (triangles[:, a] + triangles[:, b]) / 2)
    assert len(np.unique(mesh.tetrahedra)) == len(mesh.points)
    with pytest.raises(ValueError, match="periodic"):
        list(mesh.images())


def test_gmsh_of_the_caller_is_left_as_it_was(ids):
    import gmsh

    gmsh.initialize()
    try:
        gmsh.model.add("mine")
        gmsh.option.setNumber("Mesh.Optimize", 0)
        tetrahedra.mesh_grains(ids, SPACING, size=1.5, improve=False)
        assert gmsh.model.getCurrent() == "mine"
        assert gmsh.option.getNumber("Mesh.Optimize") == 0
    finally:
        gmsh.finalize()
