"""Cells of points: what header and coordinates say, and which of them wins."""

from pathlib import Path

import numpy as np
import pytest

from polyrve.adapters.ebsd import grid
from polyrve.adapters.registry import FormatError

PATH = Path("map.any")


def points(shape=(3, 4), spacing=(0.25, 0.5), first=(0.0, 0.0), order="C"):
    index = np.indices(shape)
    flat = [i.ravel(order=order) for i in index]
    return [start + i * step for start, i, step in zip(first, flat, spacing, strict=True)]


def hexagons(rows=5, odd=5, even=4, step=0.5, first=(0.0, 0.0)):
    y, x = [], []
    for r in range(rows):
        for c in range(even if r % 2 else odd):
            y.append(first[0] + r * step * 3**0.5 / 2)
            x.append(first[1] + c * step + (step / 2 if (r % 2) == (odd >= even) else 0.0))
    return np.array(y), np.array(x)


@pytest.mark.parametrize("jitter", [0.0, 0.1])
def test_a_full_grid_in_order(jitter):
    noise = np.random.default_rng(0).uniform(-jitter, jitter, 12)
    y, x = points()
    found = grid.square(PATH, (y + 0.25 * noise, x + 0.5 * noise), (3, 4), (0.25, 0.5))
    assert found.cells is None
    assert (found.shape, found.spacing) == ((3, 4), (0.25, 0.5))


def test_a_full_grid_in_any_order():
    order = np.random.default_rng(0).permutation(12)
    y, x = (values[order] for values in points())
    np.testing.assert_array_equal(grid.square(PATH, (y, x), (3, 4), (0.25, 0.5)).cells, order)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kept", [1, 2, 5, 7])
def test_the_first_points_of_a_grid_are_a_file_that_was_cut(order, kept):
    y, x = (values[:kept] for values in points(order=order))
    with pytest.raises(FormatError, match=r"ends early; partial=true"):
        grid.square(PATH, (y, x), (3, 4), (0.25, 0.5))
    with pytest.warns(UserWarning, match="header says 3 x 4 points"):
        found = grid.square(PATH, (y, x), (3, 4), (0.25, 0.5), partial=True)
    assert (
        found.cells.tolist()
        == np.ravel_multi_index((np.rint(y / 0.25).astype(int), np.rint(x / 0.5).astype(int)), found.shape).tolist()
    )


def test_holes_within_a_grid():
    kept = np.setdiff1d(np.arange(12), [5, 6])
    y, x = (values[kept] for values in points())
    with pytest.warns(UserWarning, match="2 of 12 points are missing"):
        found = grid.square(PATH, (y, x), (3, 4), (0.25, 0.5))
    assert found.cells.tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("shape", "spacing"),
    [((4, 4), (0.25, 0.5)), ((3, 5), (0.25, 0.5)), ((2, 4), (0.25, 0.5)), ((6, 7), (0.25, 0.5)),
     ((9, 12), (0.25 / 3, 0.5 / 3)), ((3, 4), (0.5, 0.25)), ((3, 4), (0.25, 0.7))],
)  # fmt: skip
def test_a_complete_grid_wins(shape, spacing):
    with pytest.warns(UserWarning, match="3 x 4 points of step 0.25 x 0.5 um are read, as the coordinates say"):
        found = grid.square(PATH, points(first=(7.0, -2.0)), shape, spacing)
    assert (found.shape, found.spacing, found.cells) == ((3, 4), (0.25, 0.5), None)
    assert found.origin == pytest.approx((6.875, -2.25))


def test_a_complete_volume_wins():
    coordinates = points((2, 3, 4), (1.0, 0.25, 0.5), (0.0, 0.0, 0.0))
    with pytest.warns(UserWarning, match="2 x 3 x 4 points"):
        assert grid.square(PATH, coordinates, (3, 3, 4), (1.0, 0.25, 0.5)).shape == (2, 3, 4)


def test_a_grid_far_larger_than_the_data_is_refused():
    with pytest.raises(FormatError, match="expected data for a grid of 100 x 100 points; got 12 points"):
        grid.square(PATH, points(), (100, 100), (0.25, 0.5))


def test_coordinates_that_nothing_explains_are_taken_in_order():
    y, x = points()
    x = x + np.where(x > 0.6, 0.3, 0.0)
    with pytest.warns(UserWarning, match="all 12 points are there and are taken in the order of the file"):
        assert grid.square(PATH, (y, x), (3, 4), (0.25, 0.5)).cells is None


def test_rounded_coordinates_of_a_small_step():
    """ASTAR writes 0.0019 for a step of 0.00192: the header's step stays."""
    y, x = (np.round(values, 4) for values in points((30, 40), (0.00192, 0.00192)))
    found = grid.square(PATH, (y, x), (30, 40), (0.00192, 0.00192))
    assert (found.shape, found.spacing, found.cells) == ((30, 40), (0.00192, 0.00192), None)


def test_two_points_at_one_place():
    y, x = points()
    x[5] = x[6]
    with pytest.raises(FormatError, match="expected one point per position; got 2 at"):
        grid.square(PATH, (y, x), (3, 4), (0.25, 0.5))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1e300])
def test_coordinates_that_are_none(bad):
    y, x = points()
    y[7] = bad
    for find in (lambda: grid.square(PATH, (y, x), (3, 4), (0.25, 0.5)), lambda: grid.of_coordinates(PATH, (y, x))):
        with pytest.raises(FormatError, match=r"finite coordinate y; got .* at point 7"):
            find()


@pytest.mark.parametrize(("odd", "even"), [(5, 4), (5, 5), (4, 5)])
@pytest.mark.parametrize("header", ["none", "square", "rows", "columns"])
def test_a_hexagonal_grid_by_its_coordinates(odd, even, header):
    y, x = hexagons(odd=odd, even=even)
    find = {
        "none": lambda: grid.of_coordinates(PATH, (y, x)),
        "square": lambda: grid.square(PATH, (y, x), (5, 5), (0.5, 0.5)),
        "rows": lambda: grid.hexagonal(PATH, x, y, 6, odd, even, (0.4330127, 0.5)),
        "columns": lambda: grid.hexagonal(PATH, x, y, 5, odd + 1, even + 1, (0.4330127, 0.5)),
    }[header]
    with pytest.warns(UserWarning, match="hexagonal grid"):
        found = find()
    expected = grid.hexagonal(PATH, x, y, 5, odd, even, (0.4330127, 0.5))
    np.testing.assert_array_equal(found.cells, expected.cells)
    assert found.spacing == pytest.approx(expected.spacing)
    assert found.steps[0].startswith("hexagonal grid of step 0.5 um")


def test_a_hexagonal_grid_with_holes_is_none_of_squares():
    y, x = hexagons(7, 6, 6)
    kept = np.setdiff1d(np.arange(len(x)), [8, 20, 21, 33])
    with pytest.warns(UserWarning, match="4 of 42 points are missing|hexagonal"):
        found = grid.of_coordinates(PATH, (y[kept], x[kept]), partial=True)
    assert found.spacing == pytest.approx((0.4330127, 0.4330127))
    assert 0 < (found.cells < 0).sum() < 8


def test_coordinates_of_no_grid():
    rng = np.random.default_rng(0)
    y, x = rng.uniform(0, 10, (2, 50))
    for partial in (False, True):
        with pytest.raises(FormatError, match="got 50 points of none"):
            grid.of_coordinates(PATH, (y, x), partial=partial)
    staggered = np.arange(40)
    y, x = staggered // 10 * 0.5, staggered % 10 * 2.0 + staggered // 10 % 4 * 0.5
    with pytest.raises(FormatError, match="got 40 points of none"):
        grid.of_coordinates(PATH, (y, x), partial=True)


def test_a_single_row_has_the_step_of_the_header_across():
    y, x = points((1, 6))
    found = grid.square(PATH, (y, x), (1, 6), (0.25, 0.5))
    assert found.spacing == (0.25, 0.5)
    assert grid.of_coordinates(PATH, (y, x)).spacing == (0.5, 0.5)
