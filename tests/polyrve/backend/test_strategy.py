"""Both strategies give the same numbers; what they differ in is how much they take at once."""

import numpy as np
import pytest
import tensorflow as tf

from polyrve.backend.strategy import PARTS, GpuStrategy, ProcessorStrategy, divisor

STRATEGIES = [ProcessorStrategy(), GpuStrategy()]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=repr)
def test_products(strategy):
    rng = np.random.default_rng(0)
    matrix, vector = rng.random((3, 4, 50)), rng.random(50)
    found = strategy.matvec(tf.constant(matrix, tf.float32), tf.constant(vector, tf.float32)).numpy()
    np.testing.assert_allclose(found, matrix @ vector, rtol=50 * np.finfo(np.float32).eps)
    vectors = rng.random((3, 50))
    rows = tf.function(lambda: strategy.products_by_row(lambda i: tf.constant(matrix)[i], tf.constant(vectors)))()
    np.testing.assert_allclose(rows, np.einsum("bmk,bk->bm", matrix, vectors), rtol=1e-14)


def test_a_gpu_forms_no_product_that_may_be_rounded(monkeypatch):
    monkeypatch.setattr(tf.linalg, "matvec", None)
    monkeypatch.setattr(tf.linalg, "matmul", None)
    matrix, vector = tf.ones((2, 3)), tf.ones(3)
    np.testing.assert_array_equal(GpuStrategy().matvec(matrix, vector), [3.0, 3.0])
    np.testing.assert_array_equal(GpuStrategy().products_by_row(lambda i: matrix[None][i], vector[None]), [[3.0, 3.0]])


@pytest.mark.parametrize("sections", [1, 5, 12, 16])
def test_parts_are_equal_and_in_order(sections):
    values = tf.range(sections * 2)
    values = tf.reshape(values, (sections, 2))
    for strategy in STRATEGIES:
        parts = strategy.in_parts(values)
        assert len({int(part.shape[0]) for part in parts}) == 1
        np.testing.assert_array_equal(tf.concat(parts, 0), values)
    assert len(STRATEGIES[0].in_parts(values)) == divisor(sections, PARTS)
    assert len(STRATEGIES[1].in_parts(values)) == 1


def test_a_gpu_works_on_more_at_once():
    processor, gpu = STRATEGIES
    assert processor.bytes_at_once(1000) == 1000
    assert gpu.bytes_at_once(1000) > 100_000_000
    assert processor.at_once(12, item_bytes=10**9, in_cache=1000) == 1
    assert gpu.at_once(12, item_bytes=10**9, in_cache=1000) == 1
    assert gpu.at_once(12, item_bytes=10, in_cache=1000) == 12


def test_strategies_are_equal_by_kind_and_serve_as_keys():
    assert ProcessorStrategy() == ProcessorStrategy() != GpuStrategy()
    assert len({ProcessorStrategy(), ProcessorStrategy(), GpuStrategy()}) == 2
