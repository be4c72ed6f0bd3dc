from dataclasses import replace

import numpy as np
import pytest

from polyrve.initial.laguerre_fit import CellFit, fit_cells
from polyrve.microstructure.cleaning import crop
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen

SHAPE, SPACING = (40, 40, 40), (1.0, 1.0, 1.0)


def maps_of(elongation=(1.0, 1.0, 1.0), spread=0.35, side=72, axes=(0, 1, 2)):
    shape = (side,) * 3 if len(axes) > 1 else (8, side, side)
    truth = make_specimen(shape, grain_size=6.0, size_spread=spread, elongation=elongation, seed=4).field
    return {axis: truth.section(axis, 0).evolve(periodic=False) for axis in axes}


def test_lengths_of_equiaxed_cells_are_those_of_the_specimen():
    (field,) = maps_of(axes=(0,)).values()
    cells = fit_cells(dict.fromkeys(range(3), field), SHAPE, SPACING, np.random.default_rng(0))
    assert cells.alike
    assert np.cbrt(np.prod(cells.lengths)) == pytest.approx(6.0, rel=0.1)
    assert max(cells.lengths) / min(cells.lengths) < 1.15


def test_elongation_comes_back_from_three_sections():
    cells = fit_cells(maps_of((0.6, 1.0, 1.6)), SHAPE, SPACING, np.random.default_rng(0))
    z, y, x = cells.lengths
    assert y / z == pytest.approx(1.0 / 0.6, rel=0.2)
    assert x / y == pytest.approx(1.6, rel=0.2)


def test_noise_is_what_slivers_of_cells_do_not_explain():
    truth = make_specimen((8, 72, 72), grain_size=8.0, seed=4)
    clean, noisy = (simulate_scan(truth, noise=0.0, unindexed=0.0, misindexed=share, seed=1) for share in (0.0, 0.02))
    found = [
        fit_cells(dict.fromkeys(range(3), field), SHAPE, SPACING, np.random.default_rng(0)) for field in (clean, noisy)
    ]
    assert found[0].misindexed < 0.004
    assert found[1].misindexed == pytest.approx(0.02, abs=0.006)
    assert np.cbrt(np.prod(found[1].lengths)) == pytest.approx(np.cbrt(np.prod(found[0].lengths)), rel=0.1)


def test_cells_do_not_stand_for_lamellae():
    truth = make_specimen((8, 96, 96), grain_size=14.0, twins=1.0, seed=2).field
    field = truth.section(0, 0).evolve(periodic=False)
    cells = fit_cells(dict.fromkeys(range(3), field), SHAPE, SPACING, np.random.default_rng(0))
    assert not cells.alike
    assert cells.distances[2] > 2.0 * cells.by_chance[2]


def test_a_map_of_few_grains_is_not_alike_but_has_cells():
    field = make_specimen((8, 24, 24), grain_size=40.0, seed=2).field.section(0, 0).evolve(periodic=False)
    cells = fit_cells(dict.fromkeys(range(3), field), (16, 16, 16), SPACING, np.random.default_rng(0))
    assert not cells.alike
    assert all(0 < length < np.inf for length in cells.lengths)


@pytest.mark.parametrize(
    ("distance", "chance", "alike"),
    [(0.30, 0.32, True), (0.30, 0.15, False), (0.07, 0.01, True), (0.08, 0.01, False)],
)
def test_distances_count_where_chance_does_not_explain_them(distance, chance, alike):
    cells = CellFit((1.0, 1.0, 1.0), 0.3, True, 0.0, (0.01,) * 6, (0.3,) * 6, (0.3,) * 6)
    assert cells.alike
    worst = replace(cells, distances=(0.01, distance, *(0.01,) * 4), by_chance=(0.3, chance, *(0.3,) * 4))
    assert worst.alike == alike
    assert not replace(worst, by_chance=()).alike


def test_one_map_along_all_axes_does_not_hide_that_it_fits_none_of_them():
    truth = make_specimen((48, 64, 80), grain_size=9.0, elongation=(0.5, 1.0, 2.0), seed=1).field
    field = truth.section(0, 0).evolve(periodic=False)
    cells = fit_cells(dict.fromkeys(range(3), field), (32,) * 3, SPACING, np.random.default_rng(0))
    assert not cells.alike


def test_chance_explains_less_of_a_larger_map():
    truth = make_specimen((45, 96, 96), grain_size=9.0, size_spread=0.4, seed=3).field.section(0, 0)
    whole, small = (
        fit_cells(dict.fromkeys(range(3), field.evolve(periodic=False)), (32,) * 3, SPACING, np.random.default_rng(0))
        for field in (truth, crop(truth, (0, 0), (48, 48)))
    )
    assert whole.alike
    assert small.alike
    assert max(small.by_chance[:2]) > 1.4 * max(whole.by_chance[:2]) > 0.0
