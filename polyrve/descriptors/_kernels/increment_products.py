"""Means of the products of increments at all pairs of some lags, and their misfits, plane by plane.

A plane is a section of one channel.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from polyrve.backend.custom_gradients import with_gradient, with_slope
from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.increments import Increments
from polyrve.descriptors.channels import Channels
from polyrve.microstructure.lags import Lag


def section_products(channels: Channels, lags: tuple[Lag, ...], eps: float, axis: int) -> tf.Tensor:
    """Return half the means of products of absolute increments in the sections normal to an axis.

    Parameters
    ----------
    channels : Channels
    lags : tuple of (int, int)
        K lags, rows and columns, in voxels.
    eps : float
        Rounding of the absolute values.
    axis : int
        Array axis.

    Returns
    -------
    tf.Tensor, shape (C, K, K, sections)
    """
    parts, masked = channels.parts(axis), channels.mask is not None
    dtype, shape = parts[0].dtype, tuple(int(n) for n in parts[0].shape)
    increments = Increments(lags, eps, (shape[2], shape[3]), channels.periodic, channels.strategy.loops)
    plane_bytes = dtype.size * len(lags) * increments.area
    together = channels.strategy.at_once(shape[0] * shape[1], plane_bytes, plane_bytes)
    kernel = means_kernel(increments, shape, together, masked, dtype)
    return tf.transpose(
        tf.concat([kernel(*part) for part in zip(parts, channels.masks(axis), strict=True)], 0), (1, 2, 3, 0)
    )


@lru_cache(maxsize=64)
def misfit_kernel(
    increments: Increments, shape: tuple[int, int, int, int], dtype: tf.DType
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return values (sections, C, rows, columns) and target (C, K, K) to the sum of the misfits of sections."""
    sections, channels = shape[:2]
    target_shape = (channels, len(increments.lags), len(increments.lags))
    count = float(np.prod(target_shape))

    @tf.function(jit_compile=True, autograph=False)
    def kernel(values: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        planes = tf.reshape(values, (sections * channels, *shape[2:]))

        def one(i: tf.Tensor, squares: tf.Tensor, slopes: tf.TensorArray, places: tf.Tensor) -> tuple[Any, ...]:
            here, around = planes[i], increments.around(planes[i])
            sizes = increments.sizes(here, around, None, places)
            residual = increments.products(sizes) * (0.5 / increments.area) - target[i % channels]
            symmetric = 0.5 * (residual + tf.transpose(residual))
            slope = increments.slope(here, around, sizes, symmetric / (increments.area * count), None)
            return i + 1, squares + tf.reduce_sum(residual**2, 0), slopes.write(i, slope), sizes

        squares = tf.zeros((len(increments.lags),), dtype)
        slopes = tf.TensorArray(dtype, sections * channels, element_shape=shape[2:])
        start = (0, squares, slopes, increments.places(planes[0]))
        _, squares, slopes, _ = tf.while_loop(lambda i, *_: i < sections * channels, one, start)
        return tf.reduce_sum(squares) / count, tf.reshape(slopes.stack(), shape)

    return with_slope(kernel, tf.TensorSpec(shape, dtype), tf.TensorSpec(target_shape, dtype))


@lru_cache(maxsize=64)
def means_kernel(
    increments: Increments, shape: tuple[int, ...], together: int, masked: bool, dtype: tf.DType
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return values (sections, C, rows, columns) and mask to means of products, (sections, C, K, K).

    Some planes, sections of one channel each, are taken at once; the backward pass forms their increments again.
    """
    sections, channels, lags = *shape[:2], len(increments.lags)
    blocks = sections * channels // together
    # One plane without an axis of its own: compilers make more of it.
    block = (together, *shape[2:])[together == 1 :]

    def of_all(function: Callable[..., tf.Tensor], values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """Return a function of block, planes, what lies around, increments, pairs that count and their number."""
        planes = tf.reshape(values, (blocks, *block))

        def of_block(i: tf.Tensor) -> tf.Tensor:
            counted, counts = None, tf.constant(float(increments.area), values.dtype)
            if masked:
                inside = tf.reshape(tf.gather(mask, (i * together + tf.range(together)) // channels), block)
                counted = increments.pairs(inside, increments.around(inside))
                counts = tf.maximum(increments.products(counted), 1.0)
            here, around = planes[i], increments.around(planes[i])
            sizes = increments.sizes(here, around, counted, increments.places(here))
            return function(i, here, around, sizes, counted, counts)

        return tf.map_fn(of_block, tf.range(blocks), fn_output_signature=values.dtype)

    @tf.function(jit_compile=True, autograph=False)
    def forward(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        means = of_all(
            lambda i, here, around, sizes, counted, counts: 0.5 * increments.products(sizes) / counts, values, mask
        )
        return tf.reshape(means, (sections, channels, lags, lags))

    @tf.function(jit_compile=True, autograph=False)
    def backward(values: tf.Tensor, mask: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        of_means = tf.reshape(upstream, (blocks, *block[:-2], lags, lags))

        def one(i: tf.Tensor, here: Any, around: Any, sizes: Any, counted: Any, counts: Any) -> tf.Tensor:
            of_products = 0.25 * (of_means[i] + tf.linalg.matrix_transpose(of_means[i])) / counts
            return increments.slope(here, around, sizes, of_products, counted)

        return tf.reshape(of_all(one, values, mask), shape)

    def means(values: tf.Tensor, mask: tf.Tensor) -> Any:
        return forward(values, mask), lambda upstream: (backward(values, mask, upstream), None)

    one_mask = (sections, 1, *shape[2:]) if masked else (1, 1, 1, 1)
    return with_gradient(means, tf.TensorSpec(shape, dtype), tf.TensorSpec(one_mask, dtype))
