"""The device is chosen by what TensorFlow tells of; its memory, and what fits into it, with a card that is played."""

import dataclasses
import functools
import sys
from types import SimpleNamespace

import pytest
import tensorflow as tf

from polyrve.backend import device, gpu_memory, memory
from polyrve.backend.memory import Forecast
from polyrve.backend.strategy import GpuStrategy, ProcessorStrategy


class Management:
    """NVIDIA's management library, which tells of some cards by their names and free bytes."""

    class NVMLError(Exception):
        """Its only error."""

    def __init__(self, *cards, fails=""):
        self.cards, self.fails, self.calls = cards, fails, []

    def __getattr__(self, name):
        if not name.startswith("nvml"):
            raise AttributeError(name)

        def call(*arguments):
            self.calls.append(name)
            if name == self.fails:
                raise self.NVMLError(name)
            return {
                "nvmlDeviceGetCount": lambda: len(self.cards),
                "nvmlDeviceGetHandleByIndex": lambda i: self.cards[i],
                "nvmlDeviceGetHandleByUUID": lambda uuid: next(card for card in self.cards if card[2] == uuid),
                "nvmlDeviceGetName": lambda card: card[0],
                "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(free=card[1]),
            }.get(name, lambda: None)(*arguments)

        return call


H200, A2 = ("H200", 3000, "GPU-1"), ("A2", 10, "GPU-2")


@pytest.fixture
def card(monkeypatch):
    """A GPU that is not there, with 3000 bytes that nobody holds, and 500 that TensorFlow holds and does not use."""
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: ["the card"])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [kind])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda _: True)
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda _: {"current": 200, "peak": 700})
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    nvml = Management(H200)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    for cached in (device.current, gpu_memory.take_as_needed):
        cached.cache_clear()
    yield nvml
    for cached in (device.current, gpu_memory.take_as_needed):
        cached.cache_clear()


def chosen(strategy, monkeypatch):
    monkeypatch.setattr(device, "current", functools.cache(lambda: strategy))


@pytest.mark.parametrize(("gpus", "strategy"), [(0, ProcessorStrategy()), (1, GpuStrategy())])
def test_the_strategy_is_that_of_the_device_and_chosen_once(gpus, strategy, card, monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * gpus)
    assert device.current() == strategy
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * (1 - gpus))
    assert device.current() == strategy


def _of_a_gpu():
    raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")


@pytest.mark.parametrize(
    ("strategy", "advice", "ask"),
    [
        (ProcessorStrategy(), "of the machine;.*smaller shape$", lambda: tf.zeros((2**21, 2**21, 2**10))),
        (GpuStrategy(), "GPU;.*hide", _of_a_gpu),
    ],
)
def test_memory_that_runs_out_is_told_in_one_sentence(strategy, advice, ask, monkeypatch):
    chosen(strategy, monkeypatch)
    with pytest.raises(MemoryError, match=rf"shape \(8, 8, 8\): expected a working set that fits.*{advice}"):
        with device.enough_memory((8, 8, 8)):
            ask()


def test_tensorflow_is_asked_to_take_memory_of_a_gpu_as_it_needs_it(card, monkeypatch):
    asked = []
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *arguments: asked.append(arguments))
    assert device.current() == device.current() == GpuStrategy()
    assert asked == [("the card", True)]


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_what_the_program_around_has_set_stays(card, monkeypatch, error):
    def too_late(*_):
        raise error("devices are in use, or divided")

    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", too_late)
    assert device.current() == GpuStrategy()


def test_a_gpu_is_asked_what_is_free(card, monkeypatch):
    assert gpu_memory.free() == 3000 + 700 - 200
    assert (card.calls[0], card.calls[-1]) == ("nvmlInit", "nvmlShutdown")
    monkeypatch.setattr(tf.config.experimental, "get_memory_growth", lambda _: False)
    assert gpu_memory.free() is None


@pytest.mark.parametrize(
    ("cards", "environment", "expected"),
    [
        ((A2, H200), {}, None),
        ((A2, H200), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"}, 510),
        ((A2, H200), {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1,0"}, 3500),
        ((A2, H200), {"CUDA_VISIBLE_DEVICES": "GPU-1"}, 3500),
        ((H200, ("H200", 40, "GPU-3")), {"CUDA_VISIBLE_DEVICES": "1"}, 540),
        ((H200,), {"CUDA_VISIBLE_DEVICES": "3"}, None),
    ],
)
def test_the_card_is_the_first_that_cuda_sees(card, monkeypatch, cards, environment, expected):
    card.cards = cards
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert gpu_memory.free() == expected


@pytest.mark.parametrize("fails", ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetMemoryInfo"])
def test_a_library_that_fails_tells_nothing_and_is_left_as_it_was(card, fails):
    card.fails = fails
    assert gpu_memory.free() is None
    assert card.calls[-1] == ("nvmlInit" if fails == "nvmlInit" else "nvmlShutdown")


def test_without_a_library_or_a_gpu_nothing_is_told(card, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert gpu_memory.free() is None
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    assert gpu_memory.free() is None


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
    assert device.most_at_once(one) == 3500 // 1000
    monkeypatch.setattr(memory, "available", lambda: None)
    assert device.most_at_once(one) == 3500 // 1000
    chosen(ProcessorStrategy(), monkeypatch)
    assert device.most_at_once(one) is None
    monkeypatch.setattr(memory, "available", lambda: 5000)
    assert device.most_at_once(one) == 5000 // (1100 + 350)
