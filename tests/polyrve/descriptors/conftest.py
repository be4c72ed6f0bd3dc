"""Random channels as descriptors see them, and slow readable twins in NumPy to compare with."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.descriptors.channels import Channels

SHAPE = (4, 6, 8)
CHANNELS = 3
KINDS = ("periodic", "periodic with holes", "open", "open with holes")


def make_channels(kind, shape=SHAPE, dtype=tf.float64, seed=0):
    """Random channels and orientations, a fifth of the points missing where there are holes."""
    rng = np.random.default_rng(seed)
    periodic, holes = "periodic" in kind, "holes" in kind
    mask = rng.random(shape) > 0.2 if holes else np.ones(shape)
    return Channels(
        values=tf.constant(rng.standard_normal((CHANNELS, *shape)), dtype),
        orientation=tf.constant(np.moveaxis(rotation.random_orientations(shape, rng), -1, 0), dtype),
        indicators=None,
        mask=None if periodic and not holes else tf.constant(mask, dtype),
        periodic=periodic,
    )


def displaced(point, lag, shape, periodic):
    moved = tuple(p + h for p, h in zip(point, lag, strict=True))
    if periodic:
        return tuple(p % n for p, n in zip(moved, shape, strict=True))
    return moved if all(0 <= p < n for p, n in zip(moved, shape, strict=True)) else None


def mean_over_points(section, mask, periodic, lags, function):
    """Mean of function(f(x), f(x + h1), ...) over the x of a section (C, rows, columns) at which all points count."""
    found = []
    for point in np.ndindex(mask.shape):
        points = [point, *(displaced(point, lag, mask.shape, periodic) for lag in lags)]
        if all(p is not None and mask[p] for p in points):
            found.append(function(*(section[(slice(None), *p)] for p in points)))
    return np.mean(found, axis=0)


def compare(descriptor, twin, kind, groups, rtol=1e-10):
    """Estimates on the sections normal to each axis against twin(section, mask, periodic), averaged over groups."""
    channels = make_channels(kind)
    values = channels.values.numpy()
    mask = np.ones(SHAPE) if channels.mask is None else channels.mask.numpy()
    slow = [
        np.array([twin(np.take(values, i, axis + 1), np.take(mask, i, axis), channels.periodic) for i in range(n)])
        for axis, n in enumerate(SHAPE)
    ]
    for group in groups:
        for sections, estimate in zip(slow, descriptor.estimate(channels, (0, 1, 2), group), strict=True):
            expected = sections.reshape(-1, group, *sections.shape[1:]).mean(axis=1)
            assert estimate.dtype == tf.float64
            np.testing.assert_allclose(estimate.numpy(), expected, rtol=rtol, atol=1e-11)


def slope_error(function, point, seed=0):
    """Relative error of the gradient of a function of a float64 tensor along some directions."""
    rng = np.random.default_rng(seed)
    traced = tf.function(function, autograph=False)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = traced(point)
    gradient = tape.gradient(value, point).numpy()
    single = np.zeros(point.shape)
    single[tuple(rng.integers(n) for n in point.shape)] = 1.0
    errors = []
    for direction in (rng.standard_normal(point.shape), single):
        step = 1e-5
        difference = (float(traced(point + step * direction)) - float(traced(point - step * direction))) / (2 * step)
        errors.append(abs(difference - np.sum(gradient * direction)) / np.linalg.norm(gradient))
    return max(errors)


@pytest.fixture(name="make_channels", scope="session")
def _make_channels():
    return make_channels


@pytest.fixture(name="mean_over_points", scope="session")
def _mean_over_points():
    return mean_over_points


@pytest.fixture(name="compare", scope="session")
def _compare():
    return compare


@pytest.fixture(name="slope_error", scope="session")
def _slope_error():
    return slope_error


@pytest.fixture(name="descriptor_slope_error", scope="session")
def _descriptor_slope_error():
    """Error of the gradient of a random combination of all estimates with respect to the channels."""

    def error(descriptor, kind, group):
        channels = make_channels(kind)

        def combination(values):
            changed = dataclasses.replace(channels, values=values)
            (estimate,) = descriptor.estimate(changed, (1,), group)
            return tf.reduce_sum(np.random.default_rng(1).standard_normal(estimate.shape) * estimate)

        return slope_error(combination, channels.values)

    return error


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def groups(kind):
    """Sections by themselves; without holes in pairs too, which then have the same numbers of points."""
    return (1, 2) if kind == "periodic" else (1,)
