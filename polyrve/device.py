"""What the device of the engine works on at once: what stays in cache on a processor, as much as fits on a GPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import tensorflow as tf

_ON_GPU = 256_000_000


def has_gpu() -> bool:
    """Whether TensorFlow works on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


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
    """Say in one sentence that the memory of the device did not suffice; a GPU's own is not forecast.

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
