"""Means over pairs of points, and their slopes, as a GPU forms them: for all lags at once, in a few kernels.

A loop over lags starts kernels in each of its steps, which on a GPU takes longer than what they do. Here sections are
read at all lags by one gather, which compilers form where it is used: nothing per lag is kept either, but for norms
over the channels. On the way back a point takes the slopes of its pairs to both sides, over lags l and -l.
"""

from __future__ import annotations

from typing import Any

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.surroundings import Layout
from polyrve.descriptors._kernels.transforms import Isotropic, Separable
from polyrve.descriptors._kernels.xla_operations import cut_at


def means(
    transform: Separable | Isotropic, layout: Layout, values: tf.Tensor, mask: tf.Tensor, lags: tf.Tensor
) -> tf.Tensor:
    """Return means of the lags, (L, V, sections), block by block."""

    def of_block(i: tf.Tensor) -> tf.Tensor:
        here, there, counted, number = _pairs(layout, values, mask, lags, i)
        return tf.reduce_sum(transform.value(here - there) * counted, (-2, -1)) / number

    return tf.reshape(tf.transpose(layout.over_blocks(of_block), (2, 1, 0, 3)), (layout.lags, -1, layout.shape[0]))


def slopes(
    transform: Separable | Isotropic,
    layout: Layout,
    values: tf.Tensor,
    mask: tf.Tensor,
    lags: tf.Tensor,
    upstream: tf.Tensor,
) -> tf.Tensor:
    """Return derivatives of sum(upstream * means) with respect to the values, block by block."""
    ways = tf.concat([lags, -lags], 0)
    upstream = tf.transpose(tf.tile(upstream, (2, 1, 1)), (1, 0, 2))

    def of_block(i: tf.Tensor) -> tf.Tensor:
        here, there, counted, number = _pairs(layout, values, mask, ways, i)
        share = tf.slice(upstream, tf.stack([0, 0, i * layout.block]), (*upstream.shape[:2], layout.block))
        return tf.reduce_sum(transform.slope(here, there, (share / number)[..., None, None]) * counted, 1)

    return tf.reshape(tf.transpose(layout.over_blocks(of_block), (0, 2, 1, 3, 4)), layout.shape)


def _pairs(
    layout: Layout, values: tf.Tensor, mask: tf.Tensor, lags: tf.Tensor, i: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, Any, tf.Tensor]:
    """Return a block of sections, at all lags, and which of the pairs count and how many.

    Returns
    -------
    here, there : tf.Tensor, shape (C, 1, n, rows, columns) and (C, L, n, rows, columns)
    counted : tf.Tensor, shape (1, L, n, rows, columns), or a number
    number : tf.Tensor, shape (1, L, n) or ()
    """
    block = layout.cut(values, mask, i, loops=1)
    starts, size = lags + tf.constant(layout.reach), block.here.shape[2:]
    here, there = block.here[:, None], cut_at(block.around, starts, size, 1)
    if block.mask is None:
        return here, there, 1.0, tf.constant(float(block.area), values.dtype)
    counted = block.centre(block.mask)[:, None] * cut_at(block.mask, starts, size, 1)
    return here, there, counted, tf.maximum(tf.reduce_sum(counted, (-2, -1)), 1.0)
