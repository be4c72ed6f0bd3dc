r"""Means over all pairs of points at given lags, with gradients that recompute instead of storing.

For a lag l and a transform h of the increment d = f(x) - f(x + l),

.. math:: v_l = \frac{\sum_x m(x) m(x + l)\, h(f(x) - f(x + l))}{\sum_x m(x) m(x + l)}

with m the mask. Since h is even, the derivative with respect to f(x) is a sum over +l and -l of the same slope, so
that the backward pass reads shifted fields and never scatters. Both passes loop over blocks of neighbouring sections
that stay in cache, and within a block over the lags, inside one compiled kernel; nothing per lag is kept. One kernel
serves all axes whose sections have the same shape, and the sections of an axis run in several parts side by side.

Sums run over rows first, along whole vectors of columns: compilers do not reorder a sum along contiguous numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import tensorflow as tf

from polyrve.axes import in_plane
from polyrve.descriptors.protocol import Lag, average_groups
from polyrve.device import matvec
from polyrve.features import Features, at_once, divisor, in_parts
from polyrve.tracing import with_gradient

STRIPS = 4


class Transform(Protocol):
    """An even function h of the increment of all channels.

    Attributes
    ----------
    lags_at_once : int
        Number of lags that the backward pass takes in one step: more read the field less often and compile longer.
    block_bytes : int
        Size of a block of sections on a processor: small enough for the cache, large enough for what a step of a loop
        costs besides.
    """

    lags_at_once: ClassVar[int]
    block_bytes: ClassVar[int]

    def __hash__(self) -> int:
        """One kernel serves all transforms that are equal."""

    def count(self, channels: int) -> int:
        """Number V of values per lag."""

    def rows_left(self, rows: int) -> int:
        """Rows of what :meth:`summed` hands out for strips of some rows."""

    def summed(self, increment: tf.Tensor, strips: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """Sum of h over strips of rows, (V, n, rows left, columns).

        Parameters
        ----------
        increment : tf.Tensor, shape (C, n, all rows, columns)
        strips : sequence of tf.Tensor, shape (C, n, rows, columns)
            The same, cut where the field is read: cut from the increment, compilers make one slow loop of it.
        weights : sequence of tf.Tensor, shape (n, rows, columns)
            One per strip; none where all points count alike.
        """


@runtime_checkable
class Separable(Transform, Protocol):
    """A transform whose slope, channel by channel, is a number times the way to a point near the other end."""

    def stiffness(self, upstream: tf.Tensor) -> tf.Tensor:
        """The number k, (C, n, 1, 1), for the derivative u of the loss with respect to h, (V, n, 1, 1)."""

    def aim(self, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """The point a with u h'(here - there) = k (here - a)."""


@runtime_checkable
class Isotropic(Transform, Protocol):
    """A transform that depends on the norm over the channels alone: its slope is a factor times the increment."""

    def factor(self, increment: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """The factor (1, ...) for the derivative of the loss with respect to h, (V, n, 1, 1)."""


@dataclass(frozen=True)
class Power:
    """h_c(d) = |d_c|^p / 2, where |d| is Huber's: d^2 / (2 eps) up to eps and |d| - eps / 2 beyond.

    Attributes
    ----------
    p : float
        Order.
    eps : float
        Rounding of the absolute value, in units of a function of unit variance.
    """

    p: float
    eps: float
    lags_at_once: ClassVar[int] = 6
    block_bytes: ClassVar[int] = 400_000

    def count(self, channels: int) -> int:
        """See :class:`Transform`."""
        return channels

    def rows_left(self, rows: int) -> int:
        """See :class:`Transform`."""
        return rows

    def summed(self, increment: tf.Tensor, strips: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """See :class:`Transform`."""
        return 0.5 * _sum([self._value(strip) for strip in strips], weights)

    def stiffness(self, upstream: tf.Tensor) -> tf.Tensor:
        """See :class:`Separable`."""
        return upstream if self.p == 2.0 else (0.5 / self.eps) * upstream

    def aim(self, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """See :class:`Separable`."""
        if self.p == 2.0:
            return there
        near = tf.minimum(tf.maximum(there, here - self.eps), here + self.eps)
        if self.p == 1.0:
            return near
        return here - self.p * self._absolute(here - there) ** (self.p - 1.0) * (here - near)

    def _value(self, increment: tf.Tensor) -> tf.Tensor:
        if self.p == 2.0:
            return increment * increment
        size = self._absolute(increment)
        return size if self.p == 1.0 else size**self.p

    def _absolute(self, increment: tf.Tensor) -> tf.Tensor:
        size = tf.abs(increment)
        root = (2.0 * self.eps) ** -0.5
        below = tf.maximum(root * self.eps - root * size, 0.0)
        return below * below + (size - 0.5 * self.eps)


@dataclass(frozen=True)
class Exceedance:
    """Shares of the norm D = sqrt(sum_c d_c^2 + eps^2) above thresholds t, softened over a width w.

    h_t(d) = s((D - t) / (4.325 w)) with s(x) = 1/2 + (15 x - 10 x^3 + 3 x^5) / 16, constant beyond -1 and 1: the
    quintic whose first and second derivatives vanish at its ends, which differs from the logistic function of
    (D - t) / w by at most 0.022, and takes a third of its time.

    Attributes
    ----------
    thresholds, widths : tuple of float, length T
    eps : float
    """

    thresholds: tuple[float, ...]
    widths: tuple[float, ...]
    eps: float = 1e-3
    lags_at_once: ClassVar[int] = 5
    block_bytes: ClassVar[int] = 1_500_000

    def count(self, channels: int) -> int:
        """See :class:`Transform`."""
        return len(self.thresholds)

    def rows_left(self, rows: int) -> int:
        """See :class:`Transform`."""
        return 1

    def summed(self, increment: tf.Tensor, strips: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """See :class:`Transform`."""
        distances = tf.split(self._distance(increment), len(strips), -2)
        return _rows_added(
            lambda row: _sum([_step(_between(part * row[0] - row[1])) for part in distances], weights),
            self._rows(increment.dtype),
            tf.TensorSpec(distances[0].shape, increment.dtype),
        )

    def factor(self, increment: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """See :class:`Isotropic`."""
        distance = self._distance(increment)
        table = self._rows(distance.dtype)
        steps = divisor(len(self.thresholds), 4)
        weight = upstream * (15.0 / 16.0 * table[:, 0])[:, None, None, None]

        def add(i: tf.Tensor, slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            terms = []
            for step in range(steps):
                x = _between(distance * table[i + step, 0] - table[i + step, 1])
                bell = 1.0 - x * x
                terms.append(weight[i + step] * (bell * bell))
            return i + steps, slope + tf.add_n(terms)

        start = (0, tf.zeros_like(distance))
        return tf.while_loop(lambda i, _: i < len(self.thresholds), add, start)[1][None] / distance

    def _distance(self, increment: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(tf.reduce_sum(increment * increment, 0) + self.eps**2)

    def _rows(self, dtype: tf.DType) -> tf.Tensor:
        ends = [(t, _LOGISTIC * w) for t, w in zip(self.thresholds, self.widths, strict=True)]
        return tf.constant([(1.0 / end, t / end) for t, end in ends], dtype)


def _sum(terms: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([t * w for t, w in zip(terms, weights, strict=True)] if weights else list(terms))


def _rows_added(form: Callable[[tf.Tensor], tf.Tensor], elements: tf.Tensor, formed: tf.TensorSpec) -> tf.Tensor:
    """Sums over rows of form(element), (..., rows, columns), for all elements, stacked as (elements, ..., 1, columns).

    Compilers make one slow loop of a sum over strips and one over their rows. What is formed is therefore put in one of
    two places, and read from there by an index that they do not take for the same.
    """
    count = int(elements.shape[0])
    places = tf.TensorArray(formed.dtype, 2, element_shape=formed.shape)
    sums = tf.TensorArray(formed.dtype, count, element_shape=[*formed.shape[:-2], 1, formed.shape[-1]])

    def step(i: tf.Tensor, elements: tf.Tensor, places: tf.TensorArray, sums: tf.TensorArray) -> tuple[Any, ...]:
        places = places.write(i % 2, form(elements[i]))
        total = tf.reduce_sum(places.read((i + 2) % 2), -2, keepdims=True)
        return i + 1, _as_if_changed(elements), places, sums.write(i, total)

    return tf.while_loop(lambda i, *_: i < count, step, (0, elements, places, sums))[3].stack()


def _as_if_changed(lags: tf.Tensor) -> tf.Tensor:
    """The same. A loop that hands on its lags as they are is compiled once for each value of them, not for any lags."""
    return tf.roll(lags, 0, 0)


_LOGISTIC = 4.325
"""Half the support of the quintic step that is nearest to a logistic function of width 1."""


def _between(x: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(x, -1.0, 1.0)


def _step(x: tf.Tensor) -> tf.Tensor:
    """The quintic s(x), for x from -1 to 1."""
    square = x * x
    return 0.5 + x * (square * (square * (3.0 / 16.0) - 10.0 / 16.0) + 15.0 / 16.0)


def section_pair_means(
    features: Features, lags: Sequence[Lag], transform: Separable | Isotropic, axes: tuple[int, ...], group: int | None
) -> tuple[tf.Tensor, ...]:
    """Means of a transform of the increments, averaged over groups of sections.

    Two families of sections share the displacements along the axis that both contain. Where all sections of a periodic
    field without holes are averaged, these means agree and are computed once.

    Parameters
    ----------
    features : Features
        Channels of shape (C, nz, ny, nx).
    lags : sequence of (int, int)
        Rows and columns in the sections, in voxels.
    transform : Separable or Isotropic
    axes : tuple of int
        Array axes that the sections are normal to.
    group : int, optional
        Number of neighbouring sections; default all.

    Returns
    -------
    tuple of tf.Tensor, shape (groups, L, V)
        One per axis.
    """
    if group is not None or features.mask is not None or not features.periodic:
        return tuple(average_groups(pair_means(features, lags, transform, axis), group) for axis in axes)
    owners = {(axis, lag): _owner(axis, lag, axes) for axis in axes for lag in lags}
    own = {axis: [*dict.fromkeys(lag for owner, lag in owners.values() if owner == axis)] for axis in axes}
    reach = reach_of([lag for found in own.values() for lag in found])
    joined = tf.concat(
        [average_groups(pair_means(features, own[axis], transform, axis, reach), None) for axis in axes if own[axis]],
        1,
    )
    rows = [(axis, lag) for axis in axes for lag in own[axis]]
    return tuple(tf.gather(joined, [rows.index(owners[axis, lag]) for lag in lags], axis=1) for axis in axes)


def _owner(axis: int, lag: Lag, axes: tuple[int, ...]) -> tuple[int, Lag]:
    """The family of sections, and the lag in it, that computes a lag of the sections normal to an axis."""
    if 0 not in lag:
        return axis, lag
    along = in_plane(axis)[0 if lag[1] == 0 else 1]
    owner = next(a for a in ((along + 1) % 3, (along + 2) % 3) if a in axes)
    length = abs(lag[0] + lag[1])
    return owner, (length, 0) if along == in_plane(owner)[0] else (0, length)


def pair_means(
    features: Features, lags: Sequence[Lag], transform: Separable | Isotropic, axis: int, reach: Lag | None = None
) -> tf.Tensor:
    """Means of a transform of the increments in the sections normal to an axis.

    Parameters
    ----------
    features : Features
        Channels of shape (C, nz, ny, nx).
    lags : sequence of (int, int)
        Rows and columns in the sections, in voxels.
    transform : Separable or Isotropic
    axis : int
        Array axis.
    reach : (int, int), optional
        Rows and columns by which sections are continued; default what the lags need.

    Returns
    -------
    tf.Tensor, shape (L, V, sections)
    """
    parts = features.parts(axis)
    shape, dtype, masked = tuple(int(n) for n in parts[0].shape), parts[0].dtype, features.mask is not None
    reach = reach or reach_of(lags)
    section_bytes = dtype.size * (shape[1] + masked) * (shape[2] + 2 * reach[0]) * (shape[3] + 2 * reach[1])
    block = at_once(shape[0], section_bytes, transform.block_bytes)
    kernel = _kernel(transform, shape, block, len(lags), reach, masked, features.periodic, dtype)
    offsets = tf.constant(np.array(lags, dtype=np.int32))
    absent = [tf.zeros((1, 1, 1, 1), dtype)] * len(parts)
    masks = in_parts(features.mask[None], axis) if masked else absent
    return tf.concat([kernel(*part, offsets) for part in zip(parts, masks, strict=True)], 2)


@lru_cache(maxsize=64)
def _kernel(
    transform: Separable | Isotropic,
    shape: tuple[int, int, int, int],
    block: int,
    count: int,
    reach: Lag,
    masked: bool,
    periodic: bool,
    dtype: tf.DType,
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """Values (sections, C, rows, columns), mask and lags to the means of the lags, (L, V, sections), block by block."""
    sections, channels, rows, columns = shape
    steps = divisor(count, transform.lags_at_once)
    values_per_lag = transform.count(channels)
    strip = rows // divisor(rows, STRIPS)

    def cut(values: tf.Tensor, i: tf.Tensor, loops: int) -> tuple[tf.Tensor, tf.Tensor]:
        part = tf.slice(values, tf.stack([i * block, 0, 0, 0]), (block, *values.shape[1:]))
        part = tf.transpose(part, (1, 0, 2, 3))
        return part, extend(part, reach, periodic, once=block == sections or loops == 1)

    def shifted(part: tf.Tensor, lag: tf.Tensor) -> tf.Tensor:
        begin = tf.stack([0, 0, reach[0] + lag[0], reach[1] + lag[1]])
        return tf.slice(part, begin, (part.shape[0], block, rows, columns))

    def centre(part: tf.Tensor) -> tf.Tensor:
        return part[:, :, reach[0] : reach[0] + rows, reach[1] : reach[1] + columns]

    def both(mask: tf.Tensor, lag: tf.Tensor) -> tf.Tensor:
        return centre(mask) * shifted(mask, lag)

    def strips(part: tf.Tensor, lag: tf.Tensor) -> list[tf.Tensor]:
        first, left = reach[0] + lag[0], reach[1] + lag[1]
        size = (part.shape[0], block, strip, columns)
        return [tf.slice(part, tf.stack([0, 0, first + row, left]), size) for row in range(0, rows, strip)]

    def total(values: tf.Tensor) -> tf.Tensor:
        return matvec(tf.reduce_sum(values, -2), tf.ones([columns], dtype))

    def pairs(mask: tf.Tensor | None, lag: tf.Tensor) -> tf.Tensor:
        if mask is None:
            return tf.fill([1, block], tf.constant(float(rows * columns), dtype))
        return tf.maximum(total(both(mask, lag)), 1.0)

    def over_lags(function: Callable[..., Any], offsets: tf.Tensor, result: Any) -> Any:
        def step(before: tuple[Any, tf.Tensor], i: tf.Tensor) -> tuple[Any, tf.Tensor]:
            return function(before[1][i], i), _as_if_changed(before[1])

        return tf.scan(step, tf.range(count), (result, offsets))[0]

    @tf.function(jit_compile=True, autograph=False)
    def forward(values: tf.Tensor, field_mask: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        def of_block(i: tf.Tensor) -> tf.Tensor:
            (here, part), mask = cut(values, i, count), cut(field_mask, i, count)[1] if masked else None
            here_strips = tf.split(here, rows // strip, -2)

            def of_lag(lag: tf.Tensor) -> tf.Tensor:
                increments = [a - b for a, b in zip(here_strips, strips(part, lag), strict=True)]
                weights = [] if mask is None else [w[0] for w in tf.split(both(mask, lag), len(increments), -2)]
                return transform.summed(here - shifted(part, lag), increments, weights)

            left = (values_per_lag, block, transform.rows_left(strip), columns)
            sums = _rows_added(of_lag, offsets, tf.TensorSpec(left, dtype))
            if mask is None:
                return total(sums) / float(rows * columns)
            return total(sums) / over_lags(lambda lag, i: pairs(mask, lag), offsets, tf.zeros((1, block), dtype))

        means = tf.map_fn(of_block, tf.range(sections // block), fn_output_signature=dtype)
        return tf.reshape(tf.transpose(means, (1, 2, 0, 3)), (count, -1, sections))

    @tf.function(jit_compile=True, autograph=False)
    def backward(values: tf.Tensor, field_mask: tf.Tensor, offsets: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        def of_block(i: tf.Tensor) -> tf.Tensor:
            loops = count // steps
            (here, part), mask = cut(values, i, loops), cut(field_mask, i, loops)[1] if masked else None
            share = tf.slice(upstream, tf.stack([0, 0, i * block]), (*upstream.shape[:2], block))

            def upstream_of(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
                return (share[i] / pairs(mask, lag))[:, :, None, None]

            def summed(of_lag: Callable[..., tf.Tensor]) -> tf.Tensor:
                def of_lags(i: tf.Tensor, lags: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, ...]:
                    slopes = [of_lag(lags[i + step], i + step) for step in range(steps)]
                    return i + steps, _as_if_changed(lags), before + tf.add_n(slopes)

                return tf.while_loop(lambda i, *_: i < count, of_lags, (0, offsets, tf.zeros_like(here)))[2]

            if isinstance(transform, Isotropic):

                def factor(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
                    value = transform.factor(here - shifted(part, lag), upstream_of(lag, i))
                    return extend(value if mask is None else value * both(mask, lag), reach, periodic)

                extended = tf.zeros((1, block, rows + 2 * reach[0], columns + 2 * reach[1]), dtype)
                factors = over_lags(factor, offsets, extended)
                return summed(
                    lambda lag, i: (
                        (here - shifted(part, lag)) * centre(factors[i])
                        + (here - shifted(part, -lag)) * shifted(factors[i], -lag)
                    )
                )
            if mask is None:
                stiffness = transform.stiffness(share / float(rows * columns))[..., None, None]
                aims = summed(
                    lambda lag, i: (
                        stiffness[i]
                        * (transform.aim(here, shifted(part, lag)) + transform.aim(here, shifted(part, -lag)))
                    )
                )
                return 2.0 * tf.reduce_sum(stiffness, 0) * here - aims
            return summed(
                lambda lag, i: (
                    transform.stiffness(upstream_of(lag, i))
                    * tf.add_n(
                        [both(mask, way) * (here - transform.aim(here, shifted(part, way))) for way in (lag, -lag)]
                    )
                )
            )

        gradient = tf.map_fn(of_block, tf.range(sections // block), fn_output_signature=dtype)
        return tf.reshape(tf.transpose(gradient, (0, 2, 1, 3, 4)), shape)

    def means(values: tf.Tensor, mask: tf.Tensor, offsets: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
            return backward(values, mask, offsets, upstream), None, None

        return forward(values, mask, offsets), gradient

    one_mask = (sections, 1, rows, columns) if masked else (1, 1, 1, 1)
    return with_gradient(
        means, tf.TensorSpec(shape, dtype), tf.TensorSpec(one_mask, dtype), tf.TensorSpec((count, 2), tf.int32)
    )


def extend(values: tf.Tensor, reach: Sequence[int], periodic: bool, *, once: bool = True) -> tf.Tensor:
    """Sections (C, sections, rows, columns) continued by some rows and columns, periodically or with zeros.

    Copies side by side, of which a part is cut out, are formed along whole vectors, where pieces joined along columns
    are formed number by number. Compilers form them anew wherever they are read, unless in a loop that stands between.
    Rows are joined from pieces if all is to be formed `once` without one.
    """
    if not periodic:
        return tf.pad(values, [(0, 0), (0, 0), *((width, width) for width in reach)])
    rows, columns = (int(n) for n in values.shape[2:])
    for width, n in zip(reach, (rows, columns), strict=True):
        if width > n:
            raise ValueError(f"lags: expected at most {n} voxels in these sections; got {width}")
    wide = tf.tile(values, [1, 1, 1, 3])[..., columns - reach[1] : 2 * columns + reach[1]]
    if once:
        return tf.concat([wide[:, :, rows - reach[0] :], wide, wide[:, :, : reach[0]]], 2)
    return tf.tile(wide, [1, 1, 3, 1])[:, :, rows - reach[0] : 2 * rows + reach[0]]


def reach_of(lags: Sequence[Lag]) -> Lag:
    """Rows and columns that lags reach, in either direction."""
    return max(abs(row) for row, _ in lags), max(abs(column) for _, column in lags)
