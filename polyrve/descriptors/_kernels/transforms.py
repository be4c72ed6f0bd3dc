"""Even functions of the increment between two points, whose means are taken over pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

from polyrve.backend.strategy import divisor
from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.loops import rows_added

_LOGISTIC = 4.325
"""Half the support of the quintic step that is nearest to a logistic function of width 1."""


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
        """Return the number V of values per lag."""

    def value(self, increment: tf.Tensor) -> tf.Tensor:
        """Return the function h, (V, ...), of increments (C, ...)."""

    def slope(self, here: tf.Tensor, there: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """Return the slope with respect to values here, (C, ...), for the derivative of the loss with respect to h."""

    def rows_left(self, rows: int) -> int:
        """Return the rows of what :meth:`summed` hands out for strips of some rows."""

    def summed(self, increment: tf.Tensor, strips: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """Return the sum of h over strips of rows, (V, n, rows left, columns).

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
        """Return the number k, (C, n, 1, 1), for the derivative u of the loss with respect to h, (V, n, 1, 1)."""

    def aim(self, here: tf.Tensor, there: tf.Tensor) -> tf.Tensor:
        """Return the point a with u h'(here - there) = k (here - a)."""


@runtime_checkable
class Isotropic(Transform, Protocol):
    """A transform that depends on the norm over the channels alone: its slope is a factor times the increment."""

    def factor(self, increment: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """Return the factor (1, ...) for the derivative of the loss with respect to h, (V, n, 1, 1)."""


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

    def value(self, increment: tf.Tensor) -> tf.Tensor:
        """See :class:`Transform`."""
        return 0.5 * self._value(increment)

    def slope(self, here: tf.Tensor, there: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """See :class:`Transform`."""
        return self.stiffness(upstream) * (here - self.aim(here, there))

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

    def value(self, increment: tf.Tensor) -> tf.Tensor:
        """See :class:`Transform`."""
        return _step(self._between_all(self._distance(increment)))

    def slope(self, here: tf.Tensor, there: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        """See :class:`Transform`."""
        distance = self._distance(here - there)
        x, steepness = self._between_all(distance), _leading(self._rows(distance.dtype)[:, 0], upstream)
        factor = tf.reduce_sum(upstream * (15.0 / 16.0 * steepness) * (1.0 - x * x) ** 2, 0) / distance
        return factor * (here - there)

    def rows_left(self, rows: int) -> int:
        """See :class:`Transform`."""
        return 1

    def summed(self, increment: tf.Tensor, strips: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
        """See :class:`Transform`."""
        distances = tf.split(self._distance(increment), len(strips), -2)
        return rows_added(
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

    def _between_all(self, distance: tf.Tensor) -> tf.Tensor:
        """Return where distances (...) lie on the steps of all thresholds, (T, ...)."""
        steepness, start = (_leading(part, distance[None]) for part in tf.unstack(self._rows(distance.dtype), axis=1))
        return _between(distance * steepness - start)

    def _rows(self, dtype: tf.DType) -> tf.Tensor:
        ends = [(t, _LOGISTIC * w) for t, w in zip(self.thresholds, self.widths, strict=True)]
        return tf.constant([(1.0 / end, t / end) for t, end in ends], dtype)


def _sum(terms: Sequence[tf.Tensor], weights: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([t * w for t, w in zip(terms, weights, strict=True)] if weights else list(terms))


def _leading(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Return values (T,) along the first axis of an array of another's rank."""
    return tf.reshape(values, (-1, *[1] * (like.shape.rank - 1)))


def _between(x: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(x, -1.0, 1.0)


def _step(x: tf.Tensor) -> tf.Tensor:
    """Return the quintic s(x), for x from -1 to 1."""
    square = x * x
    return 0.5 + x * (square * (square * (3.0 / 16.0) - 10.0 / 16.0) + 15.0 / 16.0)
