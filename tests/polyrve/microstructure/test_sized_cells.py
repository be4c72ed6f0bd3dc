import numpy as np
import pytest

from polyrve.microstructure.laguerre import voxel_centres
from polyrve.microstructure.sized_cells import CellSizes, sized_tessellation

VOXELS, SPACING = (40, 44, 48), (0.25, 0.25, 0.25)


def cells(sizes, order, seed=0):
    made = sized_tessellation((10.0, 11.0, 12.0), (1.5, 1.5, 1.5), sizes, np.random.default_rng(seed), order=order)
    labels = made.cells(voxel_centres(VOXELS, SPACING))
    return made, np.bincount(labels.ravel(), minlength=len(made.radii)) * np.prod(SPACING)


@pytest.mark.parametrize("order", ["packed", "relaxed"])
@pytest.mark.parametrize("sizes", [CellSizes(0.1), CellSizes(0.4), CellSizes(0.35, lognormal=False)])
def test_volumes_are_those_that_are_asked_for(sizes, order):
    made, volumes = cells(sizes, order)
    wanted = 1.5 * sizes.diameters(len(made.radii))[0]
    found = np.sort(np.cbrt(6 / np.pi * volumes))[::-1]
    assert np.abs(found - wanted).mean() < 0.06
    assert np.corrcoef(found, wanted)[0, 1] > 0.98


@pytest.mark.parametrize(("lognormal", "middle"), [(True, np.exp(0.25 * 0.6744898)), (False, 1 + 0.25 * 0.6744898)])
def test_diameters_have_the_quartiles_of_their_distribution(lognormal, middle):
    found, _ = CellSizes(0.25, lognormal).diameters(4001)
    assert np.quantile(found, 0.75) / np.median(found) == pytest.approx(middle, rel=1e-3)


@pytest.mark.parametrize("number", [1, 2, 3, 7, 500])
def test_kinds_keep_their_share_of_the_volume(number):
    sizes = CellSizes(0.3, kinds=((0.1, 3.0), (0.2, 1.0), (0.7, 0.5)))
    diameters, kinds = sizes.diameters(number)
    assert len(diameters) == number
    assert np.mean(diameters**3) == pytest.approx(1.0)
    if number >= 7:
        share = np.bincount(kinds, diameters**3, minlength=3) / number
        wanted = np.array([0.1 * 27, 0.2, 0.7 / 8])
        np.testing.assert_allclose(share[:2] / share[:2].sum(), wanted[:2] / wanted[:2].sum(), rtol=0.1)


def test_cells_of_a_small_kind_are_small():
    made, volumes = cells(CellSizes(0.2, kinds=((0.3, 2.0), (0.7, 1.0))), "packed")
    large, small = (np.cbrt(volumes[made.kinds == kind].mean()) for kind in (0, 1))
    assert large / small == pytest.approx(2.0, rel=0.05)


def test_a_seed_gives_the_same_cells():
    first, second = (cells(CellSizes(0.4), "random", seed=3)[0] for _ in range(2))
    np.testing.assert_array_equal(first.centres, second.centres)
    np.testing.assert_array_equal(first.radii, second.radii)


@pytest.mark.parametrize("extent", [(1.0, 1.0, 40.0), (0.5, 0.5, 0.5), (2.0, 12.0, 3.0)])
def test_slender_and_tiny_boxes_have_cells(extent):
    made = sized_tessellation(extent, (1.0, 1.0, 1.0), CellSizes(0.5), np.random.default_rng(0), order="packed")
    assert np.isfinite(made.centres).all()
    assert np.all(np.diff(made.radii) <= 0)
