"""What depends on the device, on a processor and with a GPU that TensorFlow tells of."""

import numpy as np
import pytest
import tensorflow as tf

from polyrve import device


@pytest.mark.parametrize("gpus", [0, 1])
def test_sums_do_not_round_their_terms(gpus, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * gpus)
    values = np.random.default_rng(0).random((3, 4, 50))
    if gpus:
        monkeypatch.setattr(tf.linalg, "matvec", None)
    found = device.sum_of_last(tf.constant(values, tf.float32)).numpy()
    np.testing.assert_allclose(found, values.sum(axis=-1), rtol=1e-6)
    assert device.has_gpu() is bool(gpus)


def test_a_gpu_works_on_more_at_once(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [])
    assert device.bytes_at_once(1000) == 1000
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert device.bytes_at_once(1000) > 100_000_000
