from itertools import product

import numpy as np
import pytest

from polyrve.microstructure.laguerre import laguerre_tessellation, pack, voxel_centres


def pack_slow(radii, box, rng):
    centres = np.empty((len(radii), 3))
    for i in range(len(radii)):
        candidates = rng.random((20, 3)) * box
        apart = np.abs(candidates[:, None] - centres[:i])
        gap = np.linalg.norm(np.minimum(apart, box - apart), axis=-1) - radii[:i]
        centres[i] = candidates[np.argmax(gap.min(axis=1, initial=np.inf))]
    return centres


def cells_slow(tessellation, coordinates):
    points = np.stack(np.meshgrid(*coordinates, indexing="ij"), axis=-1) / tessellation.stretch
    best = np.full(points.shape[:3], np.inf)
    cells = np.zeros(points.shape[:3], dtype=int)
    for i, (centre, radius) in enumerate(zip(tessellation.centres, tessellation.radii, strict=True)):
        for image in product((-1, 0, 1), repeat=3):
            power = np.sum((points - centre - image * tessellation.box) ** 2, axis=-1) - radius**2
            cells[power < best] = i
            best = np.minimum(best, power)
    return cells


@pytest.mark.parametrize("box", [(9.0, 9.0, 9.0), (2.0, 12.0, 30.0), (1.0, 1.0, 700.0)])
@pytest.mark.parametrize("spread", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("number", [1, 2, 700])
def test_spheres_are_packed_one_by_one_at_the_roomiest_of_their_positions(box, spread, number):
    radii = np.sort(np.random.default_rng(1).lognormal(0.0, spread, number))[::-1]
    radii *= (0.3 * np.prod(box) / (4 / 3 * np.pi * np.sum(radii**3))) ** (1 / 3)
    rng, slow = np.random.default_rng(2), np.random.default_rng(2)
    np.testing.assert_array_equal(pack(radii, np.array(box), rng), pack_slow(radii, np.array(box), slow))
    assert rng.random() == slow.random()


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize(
    ("extent", "lengths", "spread", "shape"),
    [
        ((12, 12, 12), (3, 3, 3), 0.3, (3, 11, 12)),
        ((12, 12, 12), (2, 3, 5), 0.9, (12, 13, 2)),
        ((2, 20, 20), (4, 4, 4), 0.0, (10, 4, 11)),
        ((18, 20, 20), (3, 4, 5), 0.3, (1, 20, 20)),
        ((5, 6, 7), (9, 9, 9), 0.3, (4, 5, 6)),
        ((5, 6, 7), (5, 6, 7), 0.9, (4, 5, 6)),
    ],
)
def test_cells_are_those_of_the_smallest_power_distance(extent, lengths, spread, shape, regular):
    made = laguerre_tessellation(extent, lengths, spread, np.random.default_rng(3), regular=regular)
    coordinates = voxel_centres(shape, np.array(extent) / shape)
    cells = made.cells(coordinates)
    assert cells.shape == shape
    np.testing.assert_array_equal(cells, cells_slow(made, coordinates))


def test_points_outside_the_box_have_the_cells_inside():
    made = laguerre_tessellation((8, 9, 10), (3, 3, 3), 0.3, np.random.default_rng(3))
    inside = voxel_centres((4, 5, 6), (2.0, 1.8, 10 / 6))
    outside = [values + turns * period for values, turns, period in zip(inside, (2, -1, 3), (8, 9, 10), strict=True)]
    np.testing.assert_array_equal(made.cells(outside), made.cells(inside))
