import numpy as np
import pytest
import tensorflow as tf

from polyrve.descriptors import TwoPoint
from polyrve.descriptors._kernels import lag_means

WINDOW = 2


@pytest.fixture(scope="module")
def twin(mean_over_points):
    def correlations(section, mask, periodic):
        lags = [[(row, column) for column in range(-WINDOW, WINDOW + 1)] for row in range(WINDOW + 1)]
        means = [[mean_over_points(section, mask, periodic, [lag], np.outer) for lag in line] for line in lags]
        return np.moveaxis(means, (0, 1), (2, 3))

    return correlations


def test_against_the_definition(twin, compare, kind, groups):
    compare(TwoPoint(WINDOW), twin, kind, groups)


def test_without_cross_terms_the_diagonal_is_left(twin, compare, kind, groups):
    def diagonal(section, mask, periodic):
        return np.einsum("ccrk->crk", twin(section, mask, periodic))

    compare(TwoPoint(WINDOW, cross=False), diagonal, kind, groups)


def test_lag_zero_of_one_channel_is_its_mean_square(make_channels):
    channels = make_channels("periodic")
    (estimate,) = TwoPoint(WINDOW).estimate(channels, (1,), None)
    square = np.mean(channels.values.numpy() ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(np.diag(estimate.numpy()[0, :, :, 0, WINDOW]), square, rtol=1e-12)


@pytest.mark.parametrize(("kind", "group"), [("periodic", None), ("open with holes", 1)])
def test_gradient(descriptor_slope_error, kind, group):
    assert descriptor_slope_error(TwoPoint(WINDOW), kind, group) < 1e-8


def test_single_precision(make_channels):
    exact = TwoPoint(WINDOW).estimate(make_channels("open"), (0,), None)[0]
    rounded = TwoPoint(WINDOW).estimate(make_channels("open", dtype=tf.float32), (0,), None)[0]
    assert rounded.dtype == tf.float32
    np.testing.assert_allclose(rounded, exact, atol=100 * np.finfo(np.float32).eps)


@pytest.mark.parametrize(("kind", "largest_lag"), [("periodic", 3), ("open", 4)])
def test_lags_beyond_the_sections_are_refused(make_channels, kind, largest_lag):
    with pytest.raises(
        ValueError, match=rf"largest_lag: expected lags that fit into 4 x 6 sections; got {largest_lag}"
    ):
        TwoPoint(largest_lag).estimate(make_channels(kind), (2,), None)


def test_groups_divide_the_sections(make_channels):
    with pytest.raises(ValueError, match="expected a divisor of the 4 sections; got groups of 3"):
        TwoPoint(WINDOW).estimate(make_channels("periodic"), (0,), 3)


def test_misfit_is_a_mean_square(make_channels):
    (estimate,) = TwoPoint(WINDOW).estimate(make_channels("periodic"), (0,), 1)
    target = estimate.numpy()[0] + 0.5
    assert float(TwoPoint(WINDOW).misfit(estimate[:1], target)) == pytest.approx(0.25)
    assert float(TwoPoint(WINDOW).misfit(estimate[:1], estimate.numpy()[0])) == 0.0


@pytest.mark.parametrize("cross", [True, False])
def test_pairs_of_a_large_map_are_formed_strip_by_strip(make_channels, monkeypatch, cross):
    channels, descriptor = make_channels("open with holes", (1, 12, 15)), TwoPoint(4, cross)
    whole = descriptor.estimate(channels, (0,), None)[0].numpy()
    monkeypatch.setattr(lag_means, "PAIR_BYTES", 5000)
    in_strips = descriptor.estimate(channels, (0,), None)[0].numpy()
    np.testing.assert_allclose(in_strips, whole, rtol=1e-12, atol=1e-14)
