import numpy as np
import pytest

from polyrve.descriptors import ThreePoint, Variogram
from polyrve.descriptors.three_point import DENSE_LAGS

LAGS = ((0, 1), (1, -1), (2, 0))
SHARP = 1e-12


@pytest.fixture(scope="module")
def twin(mean_over_points):
    def three_point(section, mask, periodic):
        def product(here, first, second):
            return 0.5 * np.abs(first - here) * np.abs(second - here)

        table = [[mean_over_points(section, mask, periodic, [a, b], product) for b in LAGS] for a in LAGS]
        return np.moveaxis(table, 2, 0)

    return three_point


def test_against_the_definition(twin, compare, kind, groups):
    compare(ThreePoint(LAGS, eps=SHARP), twin, kind, groups)


def test_equal_lags_give_the_semivariogram(make_channels):
    channels = make_channels("periodic")
    (products,) = ThreePoint(LAGS, eps=SHARP).estimate(channels, (1,), None)
    (semivariogram,) = Variogram(LAGS, p=2.0).estimate(channels, (1,), None)
    np.testing.assert_allclose(np.einsum("ckk->kc", products.numpy()[0]), semivariogram.numpy()[0], rtol=1e-10)


@pytest.mark.parametrize(("kind", "group"), [("periodic", None), ("open with holes", 1)])
def test_gradient(descriptor_slope_error, kind, group):
    assert descriptor_slope_error(ThreePoint(LAGS), kind, group) < 1e-7


def test_default_lags_are_dense_near_zero_and_leave_the_axes():
    assert {(0, 1), (1, 0), (1, 1), (1, -1)} <= set(DENSE_LAGS)
    assert len(DENSE_LAGS) == len(set(DENSE_LAGS))
