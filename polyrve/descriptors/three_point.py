"""The hybrid three-point variogram (arXiv 2605.14898, eq. 21)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import tensorflow as tf

from polyrve.descriptors.pair_means import PARTS, divisor, extend, sections_first
from polyrve.descriptors.protocol import Lag, average_groups
from polyrve.local_state import Features

DENSE_LAGS: tuple[Lag, ...] = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (2, -2), (0, 4), (4, 0), (0, 8), (8, 0),
)  # fmt: skip


@dataclass(frozen=True)
class ThreePoint:
    """G_c(h1, h2) = 1/2 < abs(f_c(x + h1) - f_c(x)) abs(f_c(x + h2) - f_c(x)) > for all pairs of some lags.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels: dense near zero, and in several directions, not along the axes alone.
    eps : float
        Rounding of the absolute values.
    """

    lags: tuple[Lag, ...] = DENSE_LAGS
    eps: float = 0.01
    name: str = field(default="three_point")

    def estimate(self, features: Features, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (groups, C, K, K) per axis; see :class:`polyrve.descriptors.protocol.Descriptor`."""
        return tuple(average_groups(self._per_section(features, axis), group) for axis in axes)

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mean squared residual."""
        return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)

    def _per_section(self, features: Features, axis: int) -> tf.Tensor:
        """Shape (C, K, K, sections)."""
        values = sections_first(features.channels, axis)
        count, sections, rows, columns = (int(n) for n in values.shape)
        parts = divisor(sections, PARTS)
        shape = (count, sections // parts, rows, columns)
        masked = features.mask is not None
        kernel = _kernel(self.lags, self.eps, shape, masked, features.periodic)
        mask = sections_first(features.mask[None], axis) if masked else tf.ones((1, parts, 1, 1), values.dtype)
        split = zip(tf.split(values, parts, 1), tf.split(mask, parts, 1), strict=True)
        return tf.transpose(tf.concat([kernel(*part) for part in split], 1), (0, 2, 3, 1))


@lru_cache(maxsize=64)
def _kernel(
    lags: tuple[Lag, ...], eps: float, shape: tuple[int, int, int, int], masked: bool, periodic: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Values (C, sections, rows, columns) and mask to means of products, (C, sections, K, K).

    One section of one channel at a time, whose increments stay in cache; the backward pass forms them again.
    """
    channels, sections, rows, columns = shape
    reach = max(abs(row) for row, _ in lags), max(abs(column) for _, column in lags)

    def shifted(extended: tf.Tensor, sign: int = 1) -> list[tf.Tensor]:
        starts = [(reach[0] + sign * row, reach[1] + sign * column) for row, column in lags]
        return [extended[..., row : row + rows, column : column + columns] for row, column in starts]

    def moved(values: tf.Tensor, lag: Lag) -> tf.Tensor:
        """Values of a section moved by a lag, across its edges or with zeros behind."""
        for axis, step in enumerate(lag):
            if step:
                n = values.shape[axis]
                head, tail = tf.split(values, [n - step, step] if step > 0 else [-step, n + step], axis)
                if not periodic:
                    head, tail = (head, tf.zeros_like(tail)) if step > 0 else (tf.zeros_like(head), tail)
                values = tf.concat([tail, head], axis)
        return values

    def part(field: tf.Tensor, channel: tf.Tensor, section: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """A section of a channel and its values at all lags, (rows, columns) and (K, rows, columns)."""
        here = tf.slice(field, tf.stack([channel, section, 0, 0]), (1, 1, rows, columns))
        return here[0, 0], tf.stack(shifted(extend(here, reach, periodic, once=False)[0, 0]))

    def pairs(mask: tf.Tensor, section: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Which pairs count, (K, rows, columns), and the number of points where two lags do, (K, K)."""
        here, there = part(mask, 0, section)
        both = tf.reshape(here * there, (len(lags), -1))
        return tf.reshape(both, there.shape), tf.maximum(tf.matmul(both, both, transpose_b=True), 1.0)

    def increments(values: tf.Tensor, channel: tf.Tensor, section: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Signs and sizes of the increments at all lags, (K, rows, columns)."""
        here, there = part(values, channel, section)
        difference = there - here
        size = tf.sqrt(difference * difference + eps**2)
        return difference / size, size - eps

    def of_all(function: Callable[..., tf.Tensor], values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """A function of channel, section, counting pairs and their number, (C, sections, ...)."""

        def of_section(section: tf.Tensor) -> tf.Tensor:
            counted = pairs(mask, section) if masked else (1.0, float(rows * columns))
            each = tf.range(channels)
            return tf.map_fn(lambda c: function(c, section, *counted), each, fn_output_signature=values.dtype)

        return tf.transpose(tf.map_fn(of_section, tf.range(sections), fn_output_signature=values.dtype), (1, 0, 2, 3))

    @tf.function(jit_compile=True, autograph=False)
    def forward(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        def one(channel: tf.Tensor, section: tf.Tensor, count: Any, counts: Any) -> tf.Tensor:
            size = tf.reshape(increments(values, channel, section)[1] * count, (len(lags), -1))
            return 0.5 * tf.matmul(size, size, transpose_b=True) / counts

        return of_all(one, values, mask)

    @tf.function(jit_compile=True, autograph=False)
    def backward(values: tf.Tensor, mask: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        def one(channel: tf.Tensor, section: tf.Tensor, count: Any, counts: Any) -> tf.Tensor:
            sign, size = increments(values, channel, section)
            g = upstream[channel, section]
            slope = tf.matmul(0.5 * (g + tf.transpose(g)) / counts, tf.reshape(size * count, (len(lags), -1)))
            slope = tf.reshape(slope, sign.shape) * sign * count
            ends = [moved(slope[k], lag) for k, lag in enumerate(lags)]
            return tf.add_n(ends) - tf.reduce_sum(slope, 0)

        return of_all(one, values, mask)

    @tf.custom_gradient
    def means(values: tf.Tensor, mask: tf.Tensor) -> Any:
        values, mask = tf.stop_gradient(values), tf.stop_gradient(mask)
        return forward(values, mask), lambda upstream: (backward(values, mask, upstream), None)

    return means
