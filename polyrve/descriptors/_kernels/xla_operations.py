"""Operations for compiled functions alone, which TensorFlow has under no public name."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow.compiler.tf2xla.python import xla
from tensorflow.compiler.xla import xla_data_pb2

from polyrve.backend.tensorflow import tf


def replaced(whole: tf.Tensor, part: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """Return an array with a part replaced, from some indices on; compilers copy nothing where a loop hands it on."""
    return xla.dynamic_update_slice(whole, part, at)


def cut_at(planes: tf.Tensor, starts: tf.Tensor, size: Sequence[int], place: int) -> tf.Tensor:
    """Return pieces of some size of planes (..., rows, columns), cut from starts (L, 2) on.

    One gather, which compilers form where it is used. The L pieces lie on the axis `place` of the result.
    """
    rank = planes.shape.rank
    numbers = xla_data_pb2.GatherDimensionNumbers(
        offset_dims=[i for i in range(rank + 1) if i != place],
        start_index_map=[rank - 2, rank - 1],
        index_vector_dim=1,
    )
    return xla.gather(planes, starts, numbers, [*planes.shape[:-2], *size])
