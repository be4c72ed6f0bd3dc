"""Runs, spurs, triple points, elongation and surfaces of known shapes."""

import numpy as np
import pytest

from polyrve.microstructure.boundary_geometry import elongation, spurs, straight_runs, surfaces, triple_points


def apart(labels):
    return {axis: labels != np.roll(labels, -1, axis=axis) for axis in range(1, labels.ndim)}


def bricks(rows, columns, shape=(1, 12, 20)):
    _, y, x = np.indices(shape)
    return 1 + y // rows * 100 + x // columns


def shared(labels):
    """Labels 1 ... N."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape) + 1


@pytest.mark.parametrize("periodic", [True, False])
def test_runs_of_a_rectangle_are_its_sides(periodic):
    labels = np.zeros((2, 9, 10), dtype=int)
    labels[1, 2:5, 3:8] = 1
    length, weight = straight_runs(apart(labels), periodic)
    assert sorted(length) == [3, 3, 5, 5]
    expected = [1.0] * 4 if periodic else [10 / (10 - 5 - 1)] * 2 + [9 / (9 - 3 - 1)] * 2
    assert sorted(weight) == pytest.approx(sorted(expected))


def test_a_run_across_the_faces_is_one():
    labels = np.zeros((1, 6, 8), dtype=int)
    labels[0, 2:4, [6, 7, 0]] = 1
    assert sorted(straight_runs(apart(labels), True)[0]) == [2, 2, 3, 3]


def test_spurs_are_the_points_that_stick_out():
    flat = np.zeros((1, 8, 10), dtype=int)
    flat[0, 4:] = 1
    bump = flat.copy()
    bump[0, 3, 4] = 1
    assert spurs(apart(flat)) == 0.0
    assert spurs(apart(bump)) == pytest.approx(1 / (2 * 10 + 2))
    assert np.isnan(spurs(apart(np.zeros((1, 4, 5)))))


def test_triple_points_of_a_wall_of_bricks():
    labels = bricks(3, 5)
    labels[0, 3:6] = np.roll(labels[0, 3:6], 2, axis=1)
    labels[0, 9:] = np.roll(labels[0, 9:], 2, axis=1)
    found = triple_points(shared(labels), True)
    assert len(found.grains) == 4 * 8
    assert (np.diff(found.grains, axis=1) > 0).all()
    assert len(triple_points(shared(labels), False).grains) == 3 * 7


@pytest.mark.parametrize("lean", [1, -1])
def test_elongation_along_axes_and_diagonals(lean):
    upright = elongation(shared(bricks(2, 4)), True)
    np.testing.assert_allclose(upright, [(1 / 2 - 1 / 4) / (1 / 2 + 1 / 4), 0.0], atol=1e-12)
    _, y, x = np.indices((1, 12, 12))
    leaning = shared(1 + (x - lean * y) % 12 // 4)
    first, second = elongation(leaning, True)
    assert first == pytest.approx(0.0)
    assert second == pytest.approx(-lean)


def test_surface_and_neighbours_of_cubes():
    z, y, x = np.indices((1, 4, 6, 8))[1:]
    found = surfaces(shared(z // 2 * 100 + y // 2 * 10 + x // 2), (1.0, 1.0, 2.0), True)
    np.testing.assert_allclose(found.area, 2 / 3 * (16 + 16 + 8))
    assert set(found.neighbours) == {1 + 2 + 2}
