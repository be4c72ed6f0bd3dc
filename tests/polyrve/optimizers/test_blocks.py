import numpy as np
import pytest
import tensorflow as tf

from polyrve.optimizers.blocks import LENGTH, dot, from_blocks, to_blocks


@pytest.mark.parametrize("shape", [(3, 4, 5, 4), (1,), (LENGTH,), (LENGTH + 1,), (8, 16, 32, 4), (17, 19, 23, 4), ()])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_round_trip_and_inner_product(shape, dtype):
    rng = np.random.default_rng(3)
    a, b = (tf.constant(rng.uniform(0.5, 1.5, shape), dtype) for _ in range(2))
    assert np.array_equal(from_blocks(to_blocks(a), shape), a)
    exact = np.sum(a.numpy().astype(np.longdouble) * b.numpy())
    assert abs(float(dot(to_blocks(a), to_blocks(b))) / exact - 1.0) < 4 * np.finfo(dtype.as_numpy_dtype).eps


def test_inner_product_of_float32_does_not_lose_digits_with_size():
    a = tf.fill([3_000_001], tf.constant(0.1))
    exact = 3_000_001 * float(np.float32(0.1)) ** 2
    assert abs(float(dot(to_blocks(a), to_blocks(a))) / exact - 1.0) < 1e-6
