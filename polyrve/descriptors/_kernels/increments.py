"""Increments of sections of one channel at several lags, which stay in cache between their forming and their use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.surroundings import extend, reach_of
from polyrve.descriptors._kernels.xla_operations import cut_at, replaced
from polyrve.microstructure.lags import Lag


@dataclass(frozen=True)
class Increments:
    """Absolute increments, rounded as Huber does, and sums of their products; places are used again for each lag.

    All methods take one section of one channel, (rows, columns), or several such planes, (planes, rows, columns).

    Attributes
    ----------
    lags : tuple of (int, int)
        K lags, rows and columns, in voxels.
    eps : float
        Rounding of the absolute values.
    shape : (int, int)
        Rows and columns of a section.
    periodic : bool
        Whether pairs are formed across its edges.
    loops : bool
        Whether lags are taken one after another; else all at once, as a GPU does.
    """

    lags: tuple[Lag, ...]
    eps: float
    shape: tuple[int, int]
    periodic: bool
    loops: bool = True

    @property
    def area(self) -> int:
        """Points of a section."""
        return self.shape[0] * self.shape[1]

    def places(self, like: tf.Tensor) -> tf.Tensor:
        """Return room for increments at all lags, (K, ..., rows, columns)."""
        return tf.zeros((len(self.lags), *like.shape), like.dtype)

    def around(self, here: tf.Tensor) -> tf.Tensor:
        """Return a section with what lies around it, (..., more rows, more columns)."""
        extended = extend(tf.reshape(here, (-1, 1, *self.shape)), self._reach, self.periodic, once=False)
        return tf.reshape(extended, (*here.shape[:-2], *extended.shape[2:]))

    def pairs(self, here: tf.Tensor, around: tf.Tensor) -> tf.Tensor:
        """Return products of values with those at all lags, (K, ..., rows, columns): pairs that a mask counts."""
        return self._over_lags(lambda k, there, _: here * there, around, self.places(here))

    def sizes(self, here: tf.Tensor, around: tf.Tensor, counted: tf.Tensor | None, into: tf.Tensor) -> tf.Tensor:
        """Return absolute increments, rounded, (K, ..., rows, columns); zero where a pair does not count."""

        def form(k: Any, there: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
            difference = there - here
            near = self._near(difference)
            size = near * (difference - 0.5 * near) * (1.0 / self.eps)
            return size if counted is None else size * counted[k]

        return self._over_lags(form, around, into)

    def products(self, sizes: tf.Tensor) -> tf.Tensor:
        """Return sums over points of products at all pairs of lags, (..., K, K)."""
        flat = self._flat(sizes)
        return tf.matmul(flat, flat, transpose_b=True)

    def slope(
        self, here: tf.Tensor, around: tf.Tensor, sizes: tf.Tensor, of_products: tf.Tensor, counted: tf.Tensor | None
    ) -> tf.Tensor:
        """Return the slope with respect to a section's values from that of the products, (..., K, K), symmetric."""
        of_sizes = tf.reshape(_swapped(tf.matmul(2.0 * of_products, self._flat(sizes))), sizes.shape)

        def form(k: Any, there: tf.Tensor, of_size: tf.Tensor) -> tf.Tensor:
            one = of_size * self._near(there - here) * (1.0 / self.eps)
            return one if counted is None else one * counted[k]

        of_increments = self._over_lags(form, around, of_sizes)
        ends = [self._moved(of_increments[k], lag) for k, lag in enumerate(self.lags)]
        return tf.add_n(ends) - tf.reduce_sum(of_increments, 0)

    @property
    def _reach(self) -> Lag:
        return reach_of(self.lags)

    def _flat(self, sizes: tf.Tensor) -> tf.Tensor:
        """Return increments as (..., K, points)."""
        return _swapped(tf.reshape(sizes, (*sizes.shape[:-2], self.area)))

    def _over_lags(
        self, form: Callable[[Any, tf.Tensor, tf.Tensor], tf.Tensor], around: tf.Tensor, into: tf.Tensor
    ) -> tf.Tensor:
        """Put form(k, values there, what was there) in the places of an array, (K, ..., rows, columns).

        With all lags at once, k is all of them.
        """
        starts, planes = tf.constant(self.lags) + tf.constant(self._reach), around.shape[:-2]
        if not self.loops:
            return form(slice(None), cut_at(around, starts, self.shape, 0), into)

        def step(k: tf.Tensor, into: tf.Tensor) -> tuple[Any, ...]:
            at, one = tf.stack([k, *[0] * (into.shape.rank - 1)]), (1, *into.shape[1:])
            there = tf.slice(around, tf.stack([*[0] * len(planes), *tf.unstack(starts[k])]), (*planes, *self.shape))
            formed = tf.reshape(form(k, there, tf.slice(into, at, one)), one)
            return k + 1, replaced(into, formed, at)

        return tf.while_loop(lambda k, _: k < len(self.lags), step, (0, into))[1]

    def _near(self, difference: tf.Tensor) -> tf.Tensor:
        return tf.clip_by_value(difference, -self.eps, self.eps)

    def _moved(self, values: tf.Tensor, lag: Lag) -> tf.Tensor:
        """Return the values of a section moved by a lag, across its edges or with zeros behind."""
        for axis, step in zip((-2, -1), lag, strict=True):
            if step:
                n = values.shape[axis]
                head, tail = tf.split(values, [n - step, step] if step > 0 else [-step, n + step], axis)
                if not self.periodic:
                    head, tail = (head, tf.zeros_like(tail)) if step > 0 else (tf.zeros_like(head), tail)
                values = tf.concat([tail, head], axis)
        return values


def _swapped(values: tf.Tensor) -> tf.Tensor:
    """Return (K, planes, points) as (planes, K, points), or back; (K, points) as it is."""
    return values if values.shape.rank == 2 else tf.transpose(values, (1, 0, 2))
