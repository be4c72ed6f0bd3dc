"""What depends on the device, on a processor and with a GPU that TensorFlow tells of."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.backend import device, memory
from polyrve.backend.memory import Forecast


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


class Driver:
    """NVIDIA's, which tells of one card."""

    def __init__(self, free, fails=""):
        self.calls, self.free, self.fails = [], free, fails

    def __getattr__(self, name):
        if not name.startswith("cu"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            if name == "cuMemGetInfo_v2":
                arguments[0]._obj.value = self.free
            return int(name == self.fails)

        return call


@pytest.fixture
def card(monkeypatch):
    """A GPU that is not there, with 3000 bytes that nobody holds, and 500 that TensorFlow holds and does not use."""
    driver = Driver(3000)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["the card"])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [kind])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda _: True)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda _: {"current": 200, "peak": 700})
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _: driver)
    device._take_as_needed.cache_clear()
    yield driver
    device._take_as_needed.cache_clear()


def test_tensorflow_is_asked_to_take_memory_of_a_gpu_as_it_needs_it(card, monkeypatch):
    asked = []
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *arguments: asked.append(arguments))
    assert device.has_gpu()
    assert device.has_gpu()
    assert asked == [("the card", True)]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_what_the_program_around_has_set_stays(card, monkeypatch, error):
    def too_late(*_):
        raise error("devices are in use, or divided")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", too_late)
    assert device.has_gpu()


def test_a_gpu_is_asked_what_is_free(card, monkeypatch):
    assert device.free_on_gpu() == 3500
    assert card.calls == [
        "cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2",
        "cuCtxPopCurrent_v2", "cuDevicePrimaryCtxRelease",
    ]  # fmt: skip
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda _: False)
    assert device.free_on_gpu() is None


@pytest.mark.parametrize("fails", ["cuInit", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemGetInfo_v2"])
def test_a_driver_that_fails_tells_nothing_and_is_left_as_it_was(card, fails):
    card.fails = fails
    assert device.free_on_gpu() is None
    assert ("cuDevicePrimaryCtxRelease" in card.calls) is fails.endswith("v2")


def test_without_a_driver_or_a_gpu_nothing_is_told(card, monkeypatch):
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    assert device.free_on_gpu() is None
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert device.free_on_gpu() is None


def test_a_volume_is_refused_that_will_not_fit_into_a_gpu_or_beside_it(card, monkeypatch):
    fits = Forecast(programs=100, compiling=50, targets=0, fields=3000, vectors=500, start=0, end=0)
    monkeypatch.setattr(memory, "available", lambda: 150)
    device.require(fits, (8, 8, 8))
    with pytest.raises(MemoryError, match="GiB of free memory of the GPU; got"):
        device.require(dataclasses.replace(fits, vectors=501), (8, 8, 8))
    with pytest.raises(MemoryError, match="GiB of free memory; got"):
        device.require(dataclasses.replace(fits, compiling=51), (8, 8, 8))


def test_as_many_runs_at_once_as_fit(card, monkeypatch):
    one = Forecast(programs=100, compiling=50, targets=0, fields=800, vectors=200, start=0, end=0)
    monkeypatch.setattr(memory, "PROGRAM", 350)
    monkeypatch.setattr(memory, "available", lambda: 5000)
    assert device.most_at_once(one) == 3
    monkeypatch.setattr(memory, "available", lambda: None)
    assert device.most_at_once(one) == 3
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [])
    assert device.most_at_once(one) is None
    monkeypatch.setattr(memory, "available", lambda: 5000)
    assert device.most_at_once(one) == 3
