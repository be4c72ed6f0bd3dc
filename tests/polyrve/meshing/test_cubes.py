import itertools

import numpy as np
import pytest

from polyrve.meshing import cubes, pinches

RNG = np.random.default_rng(3)


def random_cells(shape, grains):
    return np.random.default_rng(1).integers(1, grains + 1, shape)


def pinched(cells):
    """Slow twin: grains that touch themselves at an edge or a corner and not by faces about it."""
    found = 0
    for z, y, x in np.ndindex(*(n - 1 for n in cells.shape)):
        block = cells[z : z + 2, y : y + 2, x : x + 2]
        for grain in np.unique(block):
            members = [tuple(at) for at in np.argwhere(block == grain)]
            reached = {members[0]}
            while True:
                more = {m for m in members for r in reached if np.abs(np.subtract(m, r)).sum() == 1} - reached
                if not more:
                    break
                reached |= more
            found += len(reached) < len(members)
    for axis in range(3):
        plane = np.moveaxis(cells, axis, 0)
        a, b, c, d = plane[:, :-1, :-1], plane[:, :-1, 1:], plane[:, 1:, 1:], plane[:, 1:, :-1]
        found += np.sum((a == c) & (a != b) & (a != d)) + np.sum((b == d) & (b != a) & (b != c))
    return found


@pytest.mark.parametrize("periodic", [False, True])
def test_no_grain_touches_itself_at_an_edge_or_a_corner(periodic):
    cells = np.kron(random_cells((3, 4, 5), 4), np.ones((2, 2, 2), dtype=int))
    cells[RNG.random(cells.shape) < 0.1] = 1
    assert pinched(cells) > 20
    mended, left = pinches.remove_pinches(cells, periodic, np.random.default_rng(0))
    assert left == 0
    assert pinched(np.pad(mended, 1, mode="wrap") if periodic else mended) == 0
    assert (mended != cells).mean() < 0.2
    assert set(np.unique(mended)) == set(np.unique(cells))


def test_a_cube_has_the_grain_that_fills_it():
    blocks = random_cells((4, 5, 6), 50)
    cells = cubes._grains(np.kron(blocks, np.ones((3, 3, 3), dtype=int)), np.array(blocks.shape), [0.7] * 3, False)
    np.testing.assert_array_equal(cells, blocks)


def test_opposite_cubes_of_a_periodic_volume_are_alike():
    ids = np.kron(random_cells((3, 4, 5), 9), np.ones((4, 4, 4), dtype=int))
    cells = cubes.cut(ids, (1.0, 0.5, 0.8), 0.9, True, np.random.default_rng(0))
    assert cells.shape == (13, 9, 18)
    for axis in range(3):
        np.testing.assert_array_equal(np.take(cells, 0, axis), np.take(cells, -1, axis))


@pytest.mark.parametrize(("size", "named"), [(3.0, "quarter"), (2.0, "1 of 2 grains are lost")])
def test_elements_larger_than_the_grains_are_refused(size, named):
    ids = np.ones((10, 11, 12), dtype=int)
    ids[5, 5, 5] = 2
    with pytest.raises(ValueError, match=f"size.*{named}"):
        cubes.cut(ids, (1.0, 1.0, 1.0), size, False, np.random.default_rng(0))


def test_tables_of_rings_and_blocks():
    rings, blocks, parts = pinches._tables()
    places = np.array(list(itertools.product((0, 1, 2), repeat=3)))
    assert np.ptp(places[blocks], axis=1).max() == 1
    assert (np.sort(np.ptp(places[rings], axis=1)) == [0, 1, 1]).all()
    assert all(13 in ring for ring in rings)
    assert parts[0b10000001] == 2
    assert parts[255] == 1
