"""What depends on the device, on a processor and with a GPU that TensorFlow tells of."""

import numpy as np
import pytest
import tensorflow as tf

from polyrve import device


@pytest.mark.parametrize("gpus", [0, 1])
def test_a_gpu_forms_no_product_that_may_be_rounded(gpus, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * gpus)
    rng = np.random.default_rng(0)
    matrix, vector = rng.random((3, 4, 50)), rng.random(50)
    if gpus:
        monkeypatch.setattr(tf.linalg, "matvec", None)
    found = device.matvec(tf.constant(matrix, tf.float32), tf.constant(vector, tf.float32)).numpy()
    np.testing.assert_allclose(found, matrix @ vector, rtol=1e-6)
    assert device.has_gpu() is bool(gpus)


def test_a_gpu_works_on_more_at_once(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert device.bytes_at_once(1000) == 1000
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert device.bytes_at_once(1000) > 100_000_000


@pytest.mark.parametrize(("gpus", "advice"), [(0, "of the machine;.*smaller shape$"), (1, "of the GPU;.*hide the GPU")])
def test_memory_that_runs_out_is_told_in_one_sentence(gpus, advice, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * gpus)
    with pytest.raises(MemoryError, match=rf"shape \(8, 8, 8\): expected a working set that fits.*{advice}"):
        with device.enough_memory((8, 8, 8)):
            tf.zeros((2**21, 2**21, 2**10))
