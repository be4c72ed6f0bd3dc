from collections import Counter

import numpy as np
import pytest

from polyrve.meshing import network, pinches

LENGTHS = (5.0, 6.0, 9.0)


def made(cells, periodic=False, volumes=None):
    cube = np.prod(LENGTHS) / cells.size
    volumes = np.bincount(cells.ravel())[1:] * cube if volumes is None else volumes
    return network.boundary_network(cells, LENGTHS, volumes, periodic), volumes


@pytest.fixture(scope="module")
def cells():
    points = np.random.default_rng(0).random((6, 3))
    at = np.stack(np.meshgrid(*[(np.arange(n) + 0.5) / n for n in (7, 8, 9)], indexing="ij"), axis=-1)
    away = np.abs(at[..., None, :] - points)
    away = np.minimum(away, 1.0 - away)
    cells = np.argmin((away**2).sum(axis=-1), axis=-1) + 1
    cells = pinches.remove_pinches(cells[:-1, :-1, :-1], True, np.random.default_rng(0))[0]
    return np.pad(cells, (0, 1), mode="wrap")


def test_volumes_are_those_asked_for(cells):
    net, volumes = made(cells)
    np.testing.assert_allclose(net.volumes(), volumes, rtol=5e-3)
    shifted = volumes * np.where(np.arange(len(volumes)) % 2, 1.05, 1.0)
    shifted *= np.prod(LENGTHS) / shifted.sum()
    np.testing.assert_allclose(made(cells, volumes=shifted)[0].volumes(), shifted, rtol=5e-3)


def test_surface_about_every_grain_is_closed_and_shared(cells):
    net, _ = made(cells)
    for grain in range(1, 7):
        out = net.triangles[net.sides[:, 0] == grain]
        triangles = np.concatenate([out, net.triangles[net.sides[:, 1] == grain][:, ::-1]])
        directed = Counter(map(tuple, np.concatenate([triangles[:, [i, (i + 1) % 3]] for i in range(3)]).tolist()))
        assert set(directed.values()) == {1}
        assert all((b, a) in directed for a, b in directed)


def test_box_keeps_its_faces_edges_and_corners(cells):
    net, _ = made(cells)
    box = np.array(LENGTHS[::-1])
    np.testing.assert_allclose(net.points.min(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(net.points.max(axis=0), box)
    for face in range(1, 7):
        axis, end = divmod(face - 1, 2)
        corners = net.points[net.triangles[net.faces == face]]
        np.testing.assert_allclose(corners[..., axis], end * box[axis], atol=1e-12)
        area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        assert area.sum() == pytest.approx(np.prod(box) / box[axis])
    assert ((net.faces > 0) == (net.sides == 0).any(axis=1)).all()


def test_opposite_faces_of_a_periodic_volume_match(cells):
    net, _ = made(cells, periodic=True)
    box = np.array(LENGTHS[::-1])
    for axis in range(3):
        centres = [net.points[net.triangles[net.faces == 2 * axis + end]].mean(axis=1) for end in (1, 2)]
        low, high = (c[np.lexsort(np.round(np.delete(c, axis, axis=1), 9).T)] for c in centres)
        np.testing.assert_allclose(high - low, np.broadcast_to(box * (np.arange(3) == axis), low.shape), atol=1e-9)


def test_steps_of_a_tilted_boundary_become_a_plane():
    z, y, x = np.meshgrid(*[np.arange(12) + 0.5] * 3, indexing="ij")
    normal = np.array([0.5, 0.3, 1.0])
    height = x * normal[0] + y * normal[1] + z * normal[2]
    cells = 1 + (height > height.mean())
    net = network.boundary_network(cells, (12.0,) * 3, np.bincount(cells.ravel())[1:].astype(float), False)
    inside = np.unique(net.triangles[net.faces == 0])
    inside = inside[((net.points[inside] > 2) & (net.points[inside] < 10)).all(axis=1)]
    away = (net.points[inside] @ normal - height.mean()) / np.linalg.norm(normal)
    assert len(inside) > 50
    assert np.abs(away).max() < 0.2


def test_a_ball_is_round_and_has_its_volume():
    z, y, x = np.meshgrid(*[np.arange(15) - 7.0] * 3, indexing="ij")
    cells = 1 + (x**2 + y**2 + z**2 < 5.0**2)
    net = network.boundary_network(cells, (15.0,) * 3, np.bincount(cells.ravel())[1:].astype(float), False)
    radius = np.linalg.norm(net.points[np.unique(net.triangles[net.faces == 0])] - 7.5, axis=1)
    assert radius.std() < 0.05 * radius.mean()
    assert net.volumes()[1] == pytest.approx((cells == 2).sum(), rel=1e-3)


def test_cubes_beside_a_triangle_have_its_grains(cells):
    net, _ = made(cells)
    found = np.where(net.cubes >= 0, cells.ravel()[net.cubes], 0)
    np.testing.assert_array_equal(found, net.sides)


def test_no_tetrahedron_within_the_cubes_is_inverted(cells):
    grid = network._grid(cells.shape, LENGTHS, True)
    wanted = np.random.default_rng(2).normal(size=(len(grid.free), 3)) * grid.free
    moved = network._limited(grid, np.zeros_like(wanted), wanted, 0.1)
    volumes = network._volumes_of(grid.points(moved)[grid.tetrahedra])
    assert volumes.min() >= 0.1 * np.prod(grid.step) / 6 * (1 - 1e-9)
    assert np.abs(moved).max() > 0
