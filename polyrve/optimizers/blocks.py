"""Fields as rows of fixed length: sums run in the field's precision within a row, in float64 across rows."""

from __future__ import annotations

import math

from polyrve.backend.tensorflow import tf

LENGTH = 4096
"""Elements per row: 20 rows of float32 stay in a core's cache, and the error of a row's sum is a few eps."""


def to_blocks(field: tf.Tensor) -> tf.Tensor:
    """Return a field as rows, filled up with zeros.

    Parameters
    ----------
    field : tf.Tensor, shape (...)

    Returns
    -------
    tf.Tensor, shape (b, k)
        k is at most :data:`LENGTH`.

    Examples
    --------
    >>> to_blocks(tf.ones((3, 4, 5))).shape.as_list()
    [1, 60]
    """
    size = math.prod(field.shape)
    length = min(size, LENGTH)
    flat = tf.reshape(field, [-1])
    if size % length:
        flat = tf.pad(flat, [[0, length - size % length]])
    return tf.reshape(flat, [-1, length])


def from_blocks(rows: tf.Tensor, shape: tuple[int, ...]) -> tf.Tensor:
    """Return the field that :func:`to_blocks` turned into rows.

    Parameters
    ----------
    rows : tf.Tensor, shape (b, k)
    shape : tuple of int
        Shape of the field.

    Returns
    -------
    tf.Tensor
    """
    size, flat = math.prod(shape), tf.reshape(rows, [-1])
    return tf.reshape(flat if size == flat.shape[0] else flat[:size], shape)


def dot(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Return the inner product of two fields as rows.

    Parameters
    ----------
    a, b : tf.Tensor, shape (b, k)

    Returns
    -------
    tf.Tensor, shape (), float64
    """
    return tf.reduce_sum(tf.cast(tf.reduce_sum(a * b, axis=1), tf.float64))
