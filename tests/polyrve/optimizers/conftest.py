"""Losses whose minima are known, and a small relative of the descriptor mismatch."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter


def rosenbrock(x):
    return tf.reduce_sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def quadratic(condition, size, dtype):
    weights = tf.constant(np.logspace(0.0, np.log10(condition), size), dtype)
    return lambda x: 0.5 * tf.reduce_sum(weights * x * x)


def quaternion_field(shape, dtype, seed):
    """Correlations and mean differences of polynomials of a quaternion field, against those of a smooth field."""
    rng = np.random.default_rng(seed)
    lags = [(0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (1, 0, 1), (0, 0, 2), (0, 2, 0), (2, 0, 0)]

    def descriptors(q):
        w, x, y, z = tf.unstack(q / tf.norm(q, axis=-1, keepdims=True), axis=-1)
        f = tf.stack([w * w - x * x, y * y - z * z, w * x, y * z, 8.0 * w * x * y * z])
        correlations = [tf.reduce_mean(f * tf.roll(f, lag, [1, 2, 3]), [1, 2, 3]) for lag in lags]
        variations = [tf.reduce_mean(tf.sqrt((f - tf.roll(f, 1, axis)) ** 2 + 1e-4), [1, 2, 3]) for axis in (1, 2, 3)]
        return tf.stack([*correlations, *variations])

    smooth = gaussian_filter(rng.standard_normal((*shape, 4)), (1.2, 1.2, 1.2, 0.0), mode="wrap")
    target = descriptors(tf.constant(smooth, dtype))
    start = tf.constant(rng.standard_normal((*shape, 4)), dtype)
    return tf.function(lambda q: tf.reduce_sum((descriptors(q) - target) ** 2)), start


@pytest.fixture(name="rosenbrock")
def _rosenbrock():
    return rosenbrock


@pytest.fixture(name="quadratic")
def _quadratic():
    return quadratic


@pytest.fixture(name="quaternion_field")
def _quaternion_field():
    return quaternion_field
