"""Memory of the GPU that TensorFlow works on: taken as needed, and how much of it is free.

What the card has left is told by NVIDIA's management library through ``pynvml`` (``pip install nvidia-ml-py``); without
it nothing is known, and nothing refused.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cache
from typing import Any

from polyrve.backend.tensorflow import tf


@cache
def take_as_needed() -> None:
    """Let TensorFlow take memory of GPUs as it needs it, not all at once.

    It listens until it has begun to work on them; what the program around has set by then stays.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def free() -> int | None:
    """Return how much of the first GPU TensorFlow can still take, or has taken and does not use.

    Returns
    -------
    int or None, byte
        None without a GPU, where the card does not tell, or where TensorFlow took all of it at its start.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or not tf.config.experimental.get_memory_growth(gpus[0]):
        return None
    left = _left_on_card()
    if left is None:
        return None
    held = tf.config.experimental.get_memory_info("GPU:0")
    return left + held["peak"] - held["current"]


def _left_on_card() -> int | None:
    """Return the bytes of the first visible card that no program holds."""
    try:
        import pynvml  # type: ignore[import-not-found,import-untyped]
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
        try:
            card = _first_visible(pynvml)
            return None if card is None else int(pynvml.nvmlDeviceGetMemoryInfo(card).free)
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return None


def _first_visible(nvml: Any) -> Any:
    """Return the card that CUDA counts as its first, None where several kinds of cards leave that open.

    CUDA counts the fastest card first unless ``CUDA_DEVICE_ORDER`` is ``PCI_BUS_ID``, the order of the library.
    """
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    if not first.isdecimal():
        return nvml.nvmlDeviceGetHandleByUUID(first)
    cards = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
    kinds = {nvml.nvmlDeviceGetName(card) for card in cards}
    ordered = len(kinds) == 1 or os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return cards[int(first)] if ordered and int(first) < len(cards) else None
