"""The hybrid three-point variogram (arXiv 2605.14898, eq. 21)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from polyrve.descriptors.pair_means import PARTS, as_if_changed, divisor, extend, sections_first
from polyrve.descriptors.protocol import Lag, average_groups
from polyrve.descriptors.section_by_section import Kernel, require_shape
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

    def section_misfit(self, shape: tuple[int, int, int, int], target: np.ndarray, dtype: tf.DType) -> Kernel:
        """See :class:`polyrve.descriptors.section_by_section.ComparesSections`."""
        require_shape(self.name, target, (shape[0], len(self.lags), len(self.lags)))
        aim = tf.constant(target, dtype)
        kernel = _misfit(_Increments(self.lags, self.eps, shape[2:], periodic=True), shape)
        return lambda values: kernel(values, aim)

    def _per_section(self, features: Features, axis: int) -> tf.Tensor:
        """Shape (C, K, K, sections)."""
        values = sections_first(features.channels, axis)
        count, sections, rows, columns = (int(n) for n in values.shape)
        parts = divisor(sections, PARTS)
        masked = features.mask is not None
        increments = _Increments(self.lags, self.eps, (rows, columns), features.periodic)
        kernel = _means(increments, (count, sections // parts, rows, columns), masked)
        mask = sections_first(features.mask[None], axis) if masked else tf.ones((1, parts, 1, 1), values.dtype)
        split = zip(tf.split(values, parts, 1), tf.split(mask, parts, 1), strict=True)
        return tf.transpose(tf.concat([kernel(*part) for part in split], 1), (0, 2, 3, 1))


@dataclass(frozen=True)
class _Increments:
    """Increments of one section of one channel at all lags, formed lag by lag.

    Attributes
    ----------
    lags : tuple of (int, int)
    eps : float
    shape : (int, int)
        Rows and columns of a section.
    periodic : bool
    """

    lags: tuple[Lag, ...]
    eps: float
    shape: tuple[int, int]
    periodic: bool

    @property
    def area(self) -> int:
        """Points of a section."""
        return self.shape[0] * self.shape[1]

    def places(self, dtype: tf.DType) -> tf.Tensor:
        """Room for increments at all lags, (K, rows, columns)."""
        return tf.zeros((len(self.lags), *self.shape), dtype)

    def continued(self, here: tf.Tensor) -> tf.Tensor:
        """A section (rows, columns) with what lies around it."""
        return extend(here[None, None], self._reach, self.periodic, once=False)[0, 0]

    def over_lags(self, form: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], into: tf.Tensor) -> tf.Tensor:
        """form(k, lag, what was there) of all lags in the places of an array, (K, rows, columns)."""

        def step(k: tf.Tensor, lags: tf.Tensor, into: tf.Tensor) -> tuple[Any, ...]:
            at = tf.stack([k, 0, 0])
            formed = form(k, lags[k], tf.slice(into, at, (1, *self.shape)))
            return k + 1, as_if_changed(lags), xla.dynamic_update_slice(into, tf.reshape(formed, (1, *self.shape)), at)

        return tf.while_loop(lambda k, *_: k < len(self.lags), step, (0, tf.constant(self.lags), into))[2]

    def there(self, around: tf.Tensor, lag: tf.Tensor) -> tf.Tensor:
        """Values at a lag, (rows, columns)."""
        return tf.slice(around, tf.stack([self._reach[0] + lag[0], self._reach[1] + lag[1]]), self.shape)

    def sizes(self, here: tf.Tensor, around: tf.Tensor, counted: Any, into: tf.Tensor) -> tf.Tensor:
        """Absolute increments, rounded, (K, rows, columns); zero where a pair does not count."""

        def form(k: tf.Tensor, lag: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            difference = self.there(around, lag) - here
            size = tf.sqrt(difference * difference + self.eps**2) - self.eps
            return size if counted is None else size * counted[k]

        return self.over_lags(form, into)

    def products(self, sizes: tf.Tensor) -> tf.Tensor:
        """Sums over points of products at all pairs of lags, (K, K)."""
        flat = tf.reshape(sizes, (len(self.lags), -1))
        return tf.matmul(flat, flat, transpose_b=True)

    def slope(
        self, here: tf.Tensor, around: tf.Tensor, sizes: tf.Tensor, of_products: tf.Tensor, counted: Any
    ) -> tf.Tensor:
        """Slope with respect to the values of a section from that of the products, (K, K), symmetric."""
        of_sizes = tf.matmul(2.0 * of_products, tf.reshape(sizes, (len(self.lags), -1)))
        of_sizes = tf.reshape(of_sizes, sizes.shape)

        def form(k: tf.Tensor, lag: tf.Tensor, of_size: tf.Tensor) -> tf.Tensor:
            one = of_size * (self.there(around, lag) - here) / (sizes[k] + self.eps)
            return one if counted is None else one * counted[k]

        of_increments = self.over_lags(form, of_sizes)
        ends = [self._moved(of_increments[k], lag) for k, lag in enumerate(self.lags)]
        return tf.add_n(ends) - tf.reduce_sum(of_increments, 0)

    @property
    def _reach(self) -> Lag:
        return max(abs(row) for row, _ in self.lags), max(abs(column) for _, column in self.lags)

    def _moved(self, values: tf.Tensor, lag: Lag) -> tf.Tensor:
        """Values of a section moved by a lag, across its edges or with zeros behind."""
        for axis, step in enumerate(lag):
            if step:
                n = values.shape[axis]
                head, tail = tf.split(values, [n - step, step] if step > 0 else [-step, n + step], axis)
                if not self.periodic:
                    head, tail = (head, tf.zeros_like(tail)) if step > 0 else (tf.zeros_like(head), tail)
                values = tf.concat([tail, head], axis)
        return values


def _section(values: tf.Tensor, channel: Any, section: tf.Tensor) -> tf.Tensor:
    """One section of one channel of values (C, sections, rows, columns)."""
    return tf.slice(values, tf.stack([channel, section, 0, 0]), (1, 1, *values.shape[2:]))[0, 0]


@lru_cache(maxsize=64)
def _misfit(
    increments: _Increments, shape: tuple[int, int, int, int]
) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Values (C, sections, rows, columns) and target (C, K, K) to the sum of misfits and its slope."""
    channels, sections = shape[:2]

    @tf.function(jit_compile=True, autograph=False)
    def kernel(values: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count, dtype = float(np.prod(target.shape)), values.dtype

        def one(i: tf.Tensor, squares: tf.Tensor, slopes: tf.Tensor, places: tf.Tensor) -> tuple[tf.Tensor, ...]:
            section, channel = i // channels, i % channels
            here = _section(values, channel, section)
            around = increments.continued(here)
            sizes = increments.sizes(here, around, None, places)
            residual = increments.products(sizes) * (0.5 / increments.area) - target[channel]
            symmetric = 0.5 * (residual + tf.transpose(residual))
            slope = increments.slope(here, around, sizes, symmetric / (increments.area * count), None)
            slopes = xla.dynamic_update_slice(slopes, slope[None, None], tf.stack([section, channel, 0, 0]))
            return i + 1, squares + tf.reduce_sum(residual**2, 0), slopes, sizes

        empty = tf.zeros((len(increments.lags),), dtype), tf.zeros((sections, channels, *shape[2:]), dtype)
        start = (0, *empty, increments.places(dtype))
        _, squares, slopes, _ = tf.while_loop(lambda i, *_: i < sections * channels, one, start)
        return tf.reduce_sum(squares) / count, slopes

    return kernel


@lru_cache(maxsize=64)
def _means(
    increments: _Increments, shape: tuple[int, int, int, int], masked: bool
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Values (C, sections, rows, columns) and mask to means of products, (C, sections, K, K).

    One section of one channel at a time, whose increments stay in cache; the backward pass forms them again.
    """
    channels, sections = shape[:2]

    def pairs(mask: tf.Tensor, section: tf.Tensor) -> tuple[Any, Any]:
        """Which pairs count, (K, rows, columns), and the number of points where two lags do, (K, K)."""
        if not masked:
            return None, float(increments.area)
        here = _section(mask, 0, section)
        around = increments.continued(here)
        both = increments.over_lags(lambda k, lag, _: here * increments.there(around, lag), increments.places(mask.dtype))
        return both, tf.maximum(increments.products(both), 1.0)

    def of_all(function: Callable[..., tf.Tensor], values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """A function of channel, section, a section, its sizes, ..., for all of them, (C, sections, ...)."""

        def of_section(section: tf.Tensor) -> tf.Tensor:
            counted, counts = pairs(mask, section)

            def of_channel(channel: tf.Tensor) -> tf.Tensor:
                here = _section(values, channel, section)
                around = increments.continued(here)
                sizes = increments.sizes(here, around, counted, increments.places(values.dtype))
                return function(channel, section, here, around, sizes, counted, counts)

            return tf.map_fn(of_channel, tf.range(channels), fn_output_signature=values.dtype)

        return tf.transpose(tf.map_fn(of_section, tf.range(sections), fn_output_signature=values.dtype), (1, 0, 2, 3))

    @tf.function(jit_compile=True, autograph=False)
    def forward(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        def one(channel: Any, section: Any, here: Any, around: Any, sizes: Any, counted: Any, counts: Any) -> tf.Tensor:
            return 0.5 * increments.products(sizes) / counts

        return of_all(one, values, mask)

    @tf.function(jit_compile=True, autograph=False)
    def backward(values: tf.Tensor, mask: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        def one(channel: Any, section: Any, here: Any, around: Any, sizes: Any, counted: Any, counts: Any) -> tf.Tensor:
            g = upstream[channel, section]
            return increments.slope(here, around, sizes, 0.25 * (g + tf.transpose(g)) / counts, counted)

        return of_all(one, values, mask)

    @tf.custom_gradient
    def means(values: tf.Tensor, mask: tf.Tensor) -> Any:
        values, mask = tf.stop_gradient(values), tf.stop_gradient(mask)
        return forward(values, mask), lambda upstream: (backward(values, mask, upstream), None)

    return means
