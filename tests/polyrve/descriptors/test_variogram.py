import numpy as np
import pytest

from polyrve.descriptors import Variogram

LAGS = ((0, 1), (1, 0), (1, -2), (2, 1))
SHARP = 1e-12


@pytest.fixture(scope="module")
def twin_of(mean_over_points):
    def order(p):
        def variogram(section, mask, periodic):
            def power(here, there):
                return 0.5 * np.abs(here - there) ** p

            return np.array([mean_over_points(section, mask, periodic, [lag], power) for lag in LAGS])

        return variogram

    return order


def test_against_the_definition(twin_of, compare, kind, groups):
    compare(Variogram(LAGS, eps=SHARP), twin_of(1.0), kind, groups)


@pytest.mark.parametrize("p", [2.0, 1.5])
def test_other_orders_against_the_definition(twin_of, compare, p):
    compare(Variogram(LAGS, p, eps=SHARP), twin_of(p), "open with holes", (1,))


def test_rounding_of_the_absolute_value_is_small(make_channels):
    channels = make_channels("periodic")
    (rounded,) = Variogram(LAGS).estimate(channels, (0,), None)
    (sharp,) = Variogram(LAGS, eps=SHARP).estimate(channels, (0,), None)
    np.testing.assert_allclose(rounded, sharp, rtol=0.02)


@pytest.mark.parametrize(
    ("kind", "group", "p"), [("periodic", None, 1.0), ("open with holes", 1, 1.0), ("periodic", None, 2.0)]
)
def test_gradient(descriptor_slope_error, kind, group, p):
    assert descriptor_slope_error(Variogram(LAGS, p), kind, group) < 1e-7


def test_misfit_is_relative_down_to_a_floor():
    target = np.array([[1.0, 0.5], [0.25, 1e-6]])
    variogram = Variogram(LAGS, floor=0.02)
    estimate = target * 1.1
    estimate[1, 1] = 0.02
    residuals = np.array([0.1, 0.1, 0.1, (0.02 - 1e-6) / 0.02])
    assert float(variogram.misfit(np.float64(estimate[None]), target)) == pytest.approx(np.mean(residuals**2))
    assert float(variogram.misfit(np.float64(target[None]), target)) == 0.0


def test_lags_beyond_a_periodic_field_are_refused(make_channels):
    with pytest.raises(ValueError, match=r"lags: expected at most 6 voxels.*; got 7"):
        Variogram(((0, 1), (7, 0))).estimate(make_channels("periodic"), (0,), None)
