"""Sections and what lies around them, at the other end of lags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from polyrve.backend.tensorflow import tf
from polyrve.microstructure.lags import Lag


@dataclass(frozen=True, eq=False)
class Block:
    """Neighbouring sections with what lies around them.

    Attributes
    ----------
    here : tf.Tensor, shape (C, n, rows, columns)
    around : tf.Tensor, shape (C, n, rows + 2 reach, columns + 2 reach)
        The same, continued; see :func:`extend`.
    mask : tf.Tensor, shape (1, n, rows + 2 reach, columns + 2 reach), or None
        1 where a point counts; None where all count.
    reach : (int, int)
        Rows and columns by which sections are continued.
    """

    here: tf.Tensor
    around: tf.Tensor
    mask: tf.Tensor | None
    reach: Lag

    @property
    def area(self) -> int:
        """Points of a section."""
        return int(self.here.shape[2] * self.here.shape[3])

    def there(self, lag: tf.Tensor) -> tf.Tensor:
        """Return values at a lag, (C, n, rows, columns)."""
        return self.moved(self.around, lag)

    def increment(self, lag: tf.Tensor) -> tf.Tensor:
        """Return values less those at a lag, (C, n, rows, columns)."""
        return self.here - self.there(lag)

    def strips(self, lag: tf.Tensor, rows: int) -> list[tf.Tensor]:
        """Return values at a lag, cut into strips of some rows where they are read."""
        first, left = self.reach[0] + lag[0], self.reach[1] + lag[1]
        size = (*self.here.shape[:2], rows, self.here.shape[3])
        starts = range(0, self.here.shape[2], rows)
        return [tf.slice(self.around, tf.stack([0, 0, first + row, left]), size) for row in starts]

    def counted(self, lag: tf.Tensor) -> tf.Tensor:
        """Return 1 where both ends of a lag count, else 0, (1, n, rows, columns)."""
        return self.centre(self.mask) * self.moved(self.mask, lag)

    def pairs(self, lag: tf.Tensor) -> tf.Tensor:
        """Return the number of pairs at a lag, (1, n), at least 1."""
        if self.mask is None:
            return tf.fill([1, self.here.shape[1]], tf.constant(float(self.area), self.here.dtype))
        return tf.maximum(total(self.counted(lag)), 1.0)

    def moved(self, extended: tf.Tensor, lag: tf.Tensor) -> tf.Tensor:
        """Return what a continued array, (..., n, rows + 2 reach, columns + 2 reach), holds at a lag."""
        begin = tf.stack([0, 0, self.reach[0] + lag[0], self.reach[1] + lag[1]])
        return tf.slice(extended, begin, (extended.shape[0], *self.here.shape[1:]))

    def centre(self, extended: tf.Tensor) -> tf.Tensor:
        """Return what a continued array holds in the sections themselves."""
        (top, left), (rows, columns) = self.reach, self.here.shape[2:]
        return extended[:, :, top : top + rows, left : left + columns]


@dataclass(frozen=True)
class Layout:
    """What a kernel is compiled for.

    Attributes
    ----------
    shape : tuple of int
        Sections, channels, rows and columns.
    block : int
        Sections that are worked on at once, a divisor of their number.
    lags : int
        Number of lags.
    reach : (int, int)
        Rows and columns by which sections are continued.
    masked, periodic : bool
    dtype : tf.DType
    """

    shape: tuple[int, int, int, int]
    block: int
    lags: int
    reach: Lag
    masked: bool
    periodic: bool
    dtype: tf.DType

    def over_blocks(self, function: Callable[[tf.Tensor], tf.Tensor]) -> tf.Tensor:
        """Return a function of the number of a block for all blocks, stacked."""
        return tf.map_fn(function, tf.range(self.shape[0] // self.block), fn_output_signature=self.dtype)

    def cut(self, values: tf.Tensor, mask: tf.Tensor, i: tf.Tensor, loops: int) -> Block:
        """Return a block of sections, that is read in so many loops."""
        here, around = self._cut(values, i, loops)
        return Block(here, around, self._cut(mask, i, loops)[1] if self.masked else None, self.reach)

    def _cut(self, values: tf.Tensor, i: tf.Tensor, loops: int) -> tuple[tf.Tensor, tf.Tensor]:
        part = tf.slice(values, tf.stack([i * self.block, 0, 0, 0]), (self.block, *values.shape[1:]))
        part = tf.transpose(part, (1, 0, 2, 3))
        return part, self.extended(part, once=self.block == self.shape[0] or loops == 1)

    def extended(self, values: tf.Tensor, *, once: bool = True) -> tf.Tensor:
        """Return sections with what lies around them; see :func:`extend`."""
        return extend(values, self.reach, self.periodic, once=once)


def total(values: tf.Tensor) -> tf.Tensor:
    """Return the sum over rows and columns, (..., rows, columns) to (...)."""
    return tf.linalg.matvec(tf.reduce_sum(values, -2), tf.ones([values.shape[-1]], values.dtype))


def extend(values: tf.Tensor, reach: Sequence[int], periodic: bool, *, once: bool = True) -> tf.Tensor:
    """Return sections (C, sections, rows, columns) continued by some rows and columns, periodically or with zeros.

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
    """Return the rows and columns that lags reach, in either direction."""
    return max(abs(row) for row, _ in lags), max(abs(column) for _, column in lags)
