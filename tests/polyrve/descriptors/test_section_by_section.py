"""Misfits in one pass against those of estimates, for targets that no field has, too."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.descriptors import ThreePoint, TwoPoint, Variation
from polyrve.descriptors._kernels.section_by_section import ComparesSections, misfits
from polyrve.descriptors.channels import Channels

LAGS = ((0, 1), (1, -1), (2, 0))
CASES = [
    (TwoPoint(2), 3, (4, 6, 8), (0, 1)),
    (TwoPoint(2, cross=False), 2, (5, 7, 9), (1, 2)),
    (ThreePoint(LAGS), 2, (4, 6, 8), (0, 2)),
    (ThreePoint(LAGS), 1, (5, 7, 9), (1,)),
]
"""Descriptor, number of channels, shape and axes: each descriptor on even and odd numbers of points or channels."""


def random_channels(channels, shape, dtype=tf.float64):
    values = np.random.default_rng(0).standard_normal((channels, *shape))
    return Channels(tf.constant(values, dtype), None, None, None, True)


def random_targets(descriptor, channels, axes):
    rng = np.random.default_rng(1)
    estimates = descriptor.estimate(channels, axes, 1)
    return {axis: rng.standard_normal(estimate.shape[1:]) for axis, estimate in zip(axes, estimates, strict=True)}


def value_and_slope(function, channels):
    """Values per axis, and the slope of their sum with a weight each."""
    with tf.GradientTape() as tape:
        tape.watch(channels.values)
        values = function(channels)
        total = tf.add_n([float(i + 1) * value for i, value in enumerate(values)])
    return np.array(values), tape.gradient(total, channels.values).numpy()


@pytest.mark.parametrize(("descriptor", "channels", "shape", "axes"), CASES)
def test_one_pass_is_the_misfit_of_estimates(descriptor, channels, shape, axes):
    channels = random_channels(channels, shape)
    targets = random_targets(descriptor, channels, axes)

    def of_estimates(channels):
        estimates = descriptor.estimate(channels, axes, 1)
        return [descriptor.misfit(e, t) for e, t in zip(estimates, targets.values(), strict=True)]

    assert isinstance(descriptor, ComparesSections)
    expected = value_and_slope(of_estimates, channels)
    found = value_and_slope(lambda channels: misfits(descriptor, channels, targets, 1), channels)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize(("descriptor", "channels", "shape", "axes"), CASES[::2])
def test_slope_in_single_precision(descriptor, channels, shape, axes):
    slopes, count = [], channels
    for dtype in (tf.float64, tf.float32):
        channels = random_channels(count, shape, dtype)
        targets = random_targets(descriptor, channels, axes)
        slopes.append(value_and_slope(lambda f, t=targets: misfits(descriptor, f, t, 1), channels)[1])
    assert slopes[1].dtype == np.float32
    np.testing.assert_allclose(slopes[1], slopes[0], atol=2e-6 * np.abs(slopes[0]).max())


@pytest.mark.parametrize("descriptor", [TwoPoint(2), ThreePoint(LAGS), Variation()], ids=lambda d: d.name)
@pytest.mark.parametrize(("change", "axes"), [("holes", (0,)), ("open", (1,)), ("groups", (0, 2))])
def test_what_has_no_single_sections_is_estimated(descriptor, change, axes):
    """With holes, across edges and for groups of sections misfits are those of estimates, too."""
    channels = random_channels(2, (4, 6, 8))
    targets = random_targets(descriptor, channels, axes)
    mask = tf.constant(np.random.default_rng(2).random((4, 6, 8)) > (0.2 if change == "holes" else -1.0), tf.float64)
    if change != "groups":
        channels = dataclasses.replace(channels, mask=mask, periodic=change == "holes")
    group = 2 if change == "groups" else 1
    estimates = descriptor.estimate(channels, axes, group)
    expected = [descriptor.misfit(e, t) for e, t in zip(estimates, targets.values(), strict=True)]
    np.testing.assert_allclose(misfits(descriptor, channels, targets, group), expected, rtol=1e-12)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("descriptor", [TwoPoint(2), ThreePoint(LAGS)], ids=["two_point", "three_point"])
def test_target_of_another_shape_is_refused(descriptor, group):
    channels = random_channels(2, (4, 6, 8))
    targets = {0: np.zeros((3, 3))}
    with pytest.raises(ValueError, match=rf"descriptor {descriptor.name}: expected a target of shape .*; got \(3, 3\)"):
        misfits(descriptor, channels, targets, group)


def test_window_that_does_not_fit_is_refused():
    channels = random_channels(2, (4, 6, 8))
    with pytest.raises(ValueError, match="largest_lag: expected lags that fit into 6 x 8 sections; got 4"):
        misfits(TwoPoint(4), channels, {0: np.zeros((2, 2, 5, 9))}, 1)
