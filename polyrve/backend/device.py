"""What the device of the engine works on at once: what stays in cache on a processor, as much as fits on a GPU."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

import tensorflow as tf

from polyrve.backend import memory

_ON_GPU = 256_000_000


def has_gpu() -> bool:
    """Whether TensorFlow works on a GPU, of whose memory it then takes what it needs."""
    _take_as_needed()
    return bool(tf.config.list_logical_devices("GPU"))


@cache
def _take_as_needed() -> None:
    """Let TensorFlow take memory of GPUs as it needs it, not all at once.

    It listens until it has begun to work on them; what the program around has set by then stays.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        with suppress(RuntimeError, ValueError):
            tf.config.experimental.set_memory_growth(gpu, True)


def free_on_gpu() -> int | None:
    """Bytes of the first GPU that TensorFlow can still take, or has taken and does not use.

    None where the driver does not say, which NVIDIA's does, or TensorFlow took all at its start.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus or not tf.config.experimental.get_memory_growth(gpus[0]):
        return None
    free = _told_by_driver()
    if free is None:
        return None
    held = tf.config.experimental.get_memory_info("GPU:0")
    return free + held["peak"] - held["current"]


def _told_by_driver() -> int | None:
    device, context, free, total = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
            return None
        if driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), device):
            return None
        try:
            if driver.cuCtxPushCurrent_v2(context):
                return None
            failed = driver.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total))
            driver.cuCtxPopCurrent_v2(ctypes.byref(context))
        finally:
            driver.cuDevicePrimaryCtxRelease(device)
    except (OSError, AttributeError):
        return None
    return None if failed else int(free.value)


def require(forecast: memory.Forecast, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit into the memory of the machine and of its GPU.

    Raises
    ------
    MemoryError
        See :func:`polyrve.backend.memory.refuse`.
    """
    if has_gpu():
        memory.refuse(forecast.tensors, shape, free_on_gpu(), "free memory of the GPU")
    memory.require(forecast.beside if has_gpu() else forecast.total, shape)


def most_at_once(forecast: memory.Forecast) -> int | None:
    """How many reconstructions fit at once, each in a process of its own here; None if that is not known.

    Parameters
    ----------
    forecast : Forecast
        Of one of them.
    """
    pairs = [(memory.available(), memory.PROGRAM + (forecast.beside if has_gpu() else forecast.total))]
    if has_gpu():
        pairs.append((free_on_gpu(), forecast.tensors))
    known = [free // size for free, size in pairs if free is not None]
    return min(known) if known else None


def bytes_at_once(in_cache: int) -> int:
    """Bytes that one step of a loop works on.

    Each step starts kernels of its own, which on a GPU costs more than what they do for a few sections.

    Parameters
    ----------
    in_cache : int
        Where they are to stay in a processor's cache.
    """
    return _ON_GPU if has_gpu() else in_cache


@contextmanager
def enough_memory(shape: Sequence[int]) -> Iterator[None]:
    """Say in one sentence that the memory of the device did not suffice, whatever was forecast.

    Parameters
    ----------
    shape : sequence of int
        Of the volume that is worked on within.

    Raises
    ------
    MemoryError
        Where TensorFlow had no more.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        device, instead = ("GPU", ", or hide the GPU (CUDA_VISIBLE_DEVICES=-1)") if has_gpu() else ("machine", "")
        raise MemoryError(
            f"shape {tuple(shape)}: expected a working set that fits into the memory of the {device}; "
            f"got one that does not: choose a smaller shape{instead}"
        ) from error


def matvec(matrix: Any, vector: Any) -> Any:
    """Product of a matrix and a vector, in full precision.

    A GPU may round the factors of a product to TensorFloat-32. Where few numbers stand for many voxels, that puts steps
    into the loss, which cannot be minimised then; a sum does not round.

    Parameters
    ----------
    matrix : tf.Tensor, shape (..., n)
    vector : tf.Tensor, shape (n,)
    """
    return tf.reduce_sum(matrix * vector, -1) if has_gpu() else tf.linalg.matvec(matrix, vector)
