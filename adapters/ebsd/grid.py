"""Points of a scan onto the cells of its grid, square or hexagonal.

EBSD software gives the coordinates of points, and a point is the centre of a cell: so EDAX draws the squares and
hexagons of an .ang file, and so MTEX's ``unitCell`` lies about each point. The corner of the first cell, which is the
origin here, therefore lies half a step before the first point.

A header and the coordinates may disagree: software writes one row too many, keeps the header of a map from before it
was coarsened or cropped, or writes no grid at all. Coordinates that form a complete grid then win, with a warning. The
exception are points that are just the first ones of the header's grid: such a file was cut, and is refused unless what
is there is asked for (`partial`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn

_SPARSEST = 16
_OFF = 0.25
"""A point that is off its place by this share of a step lies half-way to where it could belong to the next one."""
_UNEVEN = 0.1
"""Coordinates rounded as files round them are this share of a step off at most; more is no regular grid."""
_RATIO = 3**0.5 / 2
"""Distance of the rows of a hexagonal grid, in steps."""
_AXES = "zyx"
_CUT = "the file ends early; partial=true (--read partial=true) reads what is there"


@dataclass(frozen=True)
class Grid:
    """A rectangular grid, and which point of a scan is in which of its cells.

    Attributes
    ----------
    shape : tuple of int
        Number of cells along each array axis.
    spacing : tuple of float, um
    origin : tuple of float, um
        Corner of the first cell, in the order of the array axes.
    cells : ndarray of int64, shape (n,) or (*shape), or None
        Cell of each point in row-major order, shape (n,), or point of each cell with -1 for none, shape (*shape); None
        where point i is in cell i and the grid is full.
    steps : tuple of str
        What was done to the points, for provenance.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    cells: np.ndarray | None = None
    steps: tuple[str, ...] = ()

    def text(self) -> str:
        """Return what the grid is like, for messages."""
        return f"{_times(self.shape)} points of step {_lengths(self.spacing)} um"


def corner(first: Sequence[float], spacing: Sequence[float]) -> tuple[float, ...]:
    """Return the corner of the first cell of a grid.

    Parameters
    ----------
    first : sequence of float, um
        Coordinates of the first point, the centre of that cell.
    spacing : sequence of float, um

    Returns
    -------
    tuple of float, um

    Examples
    --------
    >>> corner((0.0, 3.0), (0.5, 1.0))
    (-0.25, 2.5)
    """
    return tuple(_multiple(start - step / 2, step) for start, step in zip(first, spacing, strict=True))


def centres(origin: float, step: float, count: int) -> np.ndarray:
    """Return the coordinates of points along an axis, for files and programs that take points.

    Parameters
    ----------
    origin : float, um
        Edge of the first cell.
    step : float, um
    count : int

    Returns
    -------
    ndarray, shape (count,), um
        Centres of cells. Where they lie half-way between multiples of the step they are a millionth of it smaller:
        orix rounds coordinates to steps, and halves would go to either side.

    Examples
    --------
    >>> centres(0.25, 0.5, 3)
    array([0.5, 1. , 1.5])
    """
    first = origin + step / 2
    if abs(first / step % 1.0 - 0.5) < 1e-5:
        first -= max(1e-6 * step, 2e-8)
    return first + step * np.arange(count)


def first_point(position: Sequence[np.ndarray], shape: tuple[int, ...], spacing: Sequence[float]) -> tuple[float, ...]:
    """Return where the first point of a grid lies, by the first point whose coordinates are known.

    Parameters
    ----------
    position : sequence of ndarray, shape (n,), um
        Coordinates of all points in row-major order, in the order of the array axes; not finite where not known.
    shape : tuple of int
    spacing : sequence of float, um

    Returns
    -------
    tuple of float, um
        Zeros where no point is known.

    Examples
    --------
    >>> first_point((np.array([np.nan, 2.0]), np.array([np.nan, 3.5])), (1, 2), (0.5, 0.5))
    (2.0, 3.0)
    """
    known = np.all([np.isfinite(values) for values in position], axis=0)
    if not known.any():
        return (0.0,) * len(shape)
    at = int(np.argmax(known))
    index = np.unravel_index(at, shape)
    return tuple(float(v[at]) - int(i) * step for v, i, step in zip(position, index, spacing, strict=True))


def check_grid(path: Path, shape: tuple[int, ...], points: int, where: str = "") -> None:
    """Refuse a grid that the file cannot fill, before memory is taken for it.

    Parameters
    ----------
    path : Path
        For errors.
    shape : tuple of int
    points : int
        Number of points in the file.
    where : str
        For errors.

    Raises
    ------
    FormatError
        If a size is not positive, or the grid has more than 16 times as many cells as there are points.
    """
    size = 1
    for length in shape:
        size *= max(int(length), 0)
    if size < 1:
        raise FormatError(path, f"expected a grid of at least one point; got {_times(shape)}", where)
    if size > _SPARSEST * points:
        raise FormatError(path, f"expected data for a grid of {_times(shape)} points; got {points} points", where)


def square(
    path: Path,
    coordinates: Sequence[np.ndarray],
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    *,
    partial: bool = False,
) -> Grid:
    """Find the cells of points whose header says that they lie on a rectangular grid.

    Parameters
    ----------
    path : Path
        For errors and warnings.
    coordinates : sequence of ndarray, shape (n,), um
        (y, x) or (z, y, x), in the order of the array axes.
    shape : tuple of int
        Number of points along each array axis that the header promises.
    spacing : tuple of float, um
    partial : bool
        Whether a grid that the points do not fill is taken as far as they go.

    Returns
    -------
    Grid

    Raises
    ------
    FormatError
        If neither the header nor the coordinates explain the points, two of them share a cell, or they end before the
        grid does.

    Warns
    -----
    UserWarning
        If the header's grid is not that of the coordinates, points are missing within the grid, or a full grid of
        points has coordinates that nothing explains and is taken in the order of the file.
    """
    first, points = _smallest(path, coordinates), len(coordinates[0])
    size = 1
    for length in shape:
        size *= int(length)
    if points == size and _in_order(coordinates, first, shape, spacing):
        return Grid(shape, spacing, corner(first, spacing))
    index: list[np.ndarray] = []
    fault = None
    try:
        if not partial:
            check_grid(path, shape, points)
        if points > size:
            raise FormatError(path, f"expected {size} points ({_times(shape)}) as the header says; got {points}")
        index = [
            _steps(path, values, start, step, length, axis)
            for values, start, step, length, axis in zip(
                coordinates, first, spacing, shape, _AXES[-len(shape) :], strict=True
            )
        ]
        if points == size:
            return Grid(shape, spacing, corner(first, spacing), _cells(path, index, shape))
    except FormatError as error:
        fault = error
    cut = bool(index) and points < size and _begins(index, shape)
    if not cut or size - points in (size // shape[0], size // shape[-1]):
        measured = _measured(coordinates, spacing)
        if measured is not None and (size <= _SPARSEST * points or _same_extent(shape, spacing, measured[0])):
            promise = f"{_times(shape)} points of step {_lengths(spacing)} um"
            warn(f"{path}: the header says {promise}; {measured[1]}, as the coordinates say")
            return measured[0]
    if not index and points == size and _ascending(coordinates):
        warn(f"{fault}; all {size} points are there and are taken in the order of the file")
        return Grid(shape, spacing, corner(first, spacing))
    if fault is not None:
        raise fault
    reached = tuple(int(values.max()) + 1 for values in index)
    if partial:
        check_grid(path, reached, points)
        missing = int(np.prod(reached)) - points
        holes = f", of which {missing} are missing" if missing else ""
        warn(f"{path}: the header says {_times(shape)} points; {_times(reached)} are read{holes}")
        return Grid(reached, spacing, corner(first, spacing), _cells(path, index, reached))
    if cut or reached != tuple(shape):
        raise FormatError(path, f"expected {size} points ({_times(shape)}) as the header says; got {points}: {_CUT}")
    cells = _cells(path, index, shape)
    warn(f"{path}: {size - points} of {size} points are missing; they are taken as not indexed")
    return Grid(shape, spacing, corner(first, spacing), cells)


def hexagonal(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    rows: int,
    columns_odd: int,
    columns_even: int,
    step: tuple[float, float],
    *,
    partial: bool = False,
) -> Grid:
    """Find the points of a hexagonal grid that are nearest to the cells of a square one.

    The rows of the square grid are those of the hexagonal one, and its spacing in both directions is their distance:
    at a point of a row the nearest measured point always lies in that row, so nothing but a shift by at most half a
    step happens. The first row is odd, as in the .ang header (NCOLS_ODD).

    Parameters
    ----------
    path : Path
        For errors and warnings.
    x, y : ndarray, shape (n,), um
    rows, columns_odd, columns_even : int
        What the header promises.
    step : tuple of float, um
        Distance of rows, distance of points within a row.
    partial : bool
        Whether a grid that the points do not fill is taken as far as they go.

    Returns
    -------
    Grid

    Raises
    ------
    FormatError
        If neither the header nor the coordinates explain the points, or they end before the grid does.

    Warns
    -----
    UserWarning
        Always: the points are resampled, or the header is wrong.
    """
    points = len(x)
    promised = (rows + 1) // 2 * columns_odd + rows // 2 * columns_even
    lines, fault = None, None
    try:
        lines = _lines(path, x, y, rows, (columns_odd, columns_even), step, partial)
    except FormatError as error:
        fault = error
    cut = lines is not None and int(lines.place.max()) == points - 1
    if (points != promised and (not cut or promised - points in (columns_odd, columns_even))) or lines is None:
        measured = _measured((y, x), None)
        if measured is not None:
            said = f"a hexagonal grid of {rows} rows of {columns_odd} and {columns_even} points, step {step[1]:g} um"
            warn(f"{path}: the header says {said}; {measured[1]}, as the coordinates say")
            return measured[0]
    if lines is None:
        raise fault or FormatError(path, "expected a hexagonal grid; got none")
    reached = int(lines.row.max()) + 1
    if points != promised and not partial and (cut or reached < rows):
        raise FormatError(path, f"expected {promised} points as the header says; got {points}: {_CUT}")
    if points != promised:
        warn(f"{path}: {promised - points} of {promised} points are missing; they are taken as not indexed")
    warn(
        f"{path}: the hexagonal grid ({reached} rows, step {step[1]:g} um) is read as a square grid of {step[0]:g} um, "
        "by nearest neighbour"
    )
    return _squared(lines, step, _smallest(path, (y, x)))


def of_coordinates(path: Path, coordinates: Sequence[np.ndarray], *, partial: bool = False) -> Grid:
    """Find the grid of points that no header describes.

    Parameters
    ----------
    path : Path
        For errors and warnings.
    coordinates : sequence of ndarray, shape (n,), um
        (y, x) or (z, y, x), in the order of the array axes.
    partial : bool
        Whether the grid may have holes.

    Returns
    -------
    Grid

    Raises
    ------
    FormatError
        If the coordinates form no complete grid.

    Warns
    -----
    UserWarning
        If a hexagonal grid was brought to a square one, or points are missing.
    """
    _smallest(path, coordinates)
    points = len(coordinates[0])
    measured = _measured(coordinates, None)
    if measured is not None:
        if measured[0].steps:
            warn(f"{path}: {measured[1]}, as the coordinates say")
        return measured[0]
    levels = [level for level in map(_levels, coordinates) if level is not None]
    found = _with_holes(path, levels) if partial and len(levels) == len(coordinates) else None
    if found is None:
        raise FormatError(
            path, f"expected a grid in the header, or coordinates that form a complete one; got {points} points of none"
        )
    grid, promised = found
    warn(f"{path}: {promised - points} of {promised} points are missing; they are taken as not indexed")
    if grid.steps:
        warn(f"{path}: a {grid.steps[0]}, as the coordinates say")
    return grid


def _with_holes(path: Path, levels: Sequence[_Levels]) -> tuple[Grid, int] | None:
    """A grid that points do not fill, and how many it has; None where their neighbours are never next to each other."""
    shape, points = tuple(level.count for level in levels), len(levels[0].index)
    check_grid(path, shape, points)
    lines = _checkerboard(levels, complete=False)
    if lines is not None:
        step = levels[0].step, _rounded(2 * levels[1].step)
        odd, even = lines.lengths
        promised = (shape[0] + 1) // 2 * odd + shape[0] // 2 * even
        return _squared(lines, step, [level.first for level in levels]), promised
    largest = max(level.step for level in levels) or 1.0
    spacing = tuple(level.step or largest for level in levels)
    cells = _cells(path, [level.index for level in levels], shape)
    taken = np.zeros(shape, dtype=bool)
    taken.ravel()[cells] = True
    for axis, length in enumerate(shape):
        lines_of = np.moveaxis(taken, axis, 0)
        if length > 1 and not (lines_of[1:] & lines_of[:-1]).any():
            return None
    return Grid(shape, spacing, corner([level.first for level in levels], spacing), cells), int(np.prod(shape))


@dataclass(frozen=True)
class _Lines:
    """Points of a hexagonal grid: row and column of each, and what the odd and the even rows are like.

    Attributes
    ----------
    row, column : ndarray, shape (n,), int64
    lengths : tuple of int
        Points of the first, third, ... and of the second, fourth, ... row.
    offsets : tuple of float, um
        Where these rows begin, from the smallest x.
    """

    row: np.ndarray
    column: np.ndarray
    lengths: tuple[int, int]
    offsets: tuple[float, float]

    @property
    def place(self) -> np.ndarray:
        """Place of each point among those of a full grid, in the order of rows."""
        odd, even = self.lengths
        return (self.row + 1) // 2 * odd + self.row // 2 * even + self.column


@dataclass(frozen=True)
class _Levels:
    """Equally spaced coordinates: number of each point's level, how many there are, their distance, the smallest."""

    index: np.ndarray
    count: int
    step: float
    first: float


def _measured(coordinates: Sequence[np.ndarray], spacing: Sequence[float] | None) -> tuple[Grid, str] | None:
    """The complete grid that coordinates form, and what it is in words; None where they form none.

    A single row or column has the step of the header across, else that of the other axis.
    """
    levels = [level for level in map(_levels, coordinates) if level is not None]
    if len(levels) < len(coordinates):
        return None
    shape = tuple(level.count for level in levels)
    points = len(coordinates[0])
    largest = max(level.step for level in levels) or 1.0
    across = [largest] * len(shape) if spacing is None else spacing
    steps = tuple(level.step or other for level, other in zip(levels, across, strict=True))
    first = [level.first for level in levels]
    if np.prod([float(length) for length in shape]) == points:
        cells = np.ravel_multi_index(tuple(level.index for level in levels), shape)
        if np.bincount(cells, minlength=points).max() > 1:
            return None
        in_order = bool((cells == np.arange(points)).all())
        grid = Grid(shape, steps, corner(first, steps), None if in_order else cells)
        return grid, f"{_times(shape)} points of step {_lengths(steps)} um are read"
    lines = _checkerboard(levels)
    if lines is None:
        return None
    dy, dx = steps[0], _rounded(2 * steps[1])
    odd, even = lines.lengths
    return _squared(lines, (dy, dx), first), (
        f"a hexagonal grid of {shape[0]} rows of {odd} and {even} points, step {dx:g} um, is read as a square grid of "
        f"{dy:g} um, by nearest neighbour"
    )


def _checkerboard(levels: Sequence[_Levels], complete: bool = True) -> _Lines | None:
    """A hexagonal grid: points at every second half step of a row, at the others in the next row."""
    if len(levels) != 2:
        return None
    y, x = levels
    if y.count < 2 or x.count < 2 or not abs(y.step / (2 * x.step) / _RATIO - 1) < 0.1:
        return None
    parity = (y.index + x.index) % 2
    if (parity != parity[0]).any():
        return None
    begin = int(parity[0])
    column = x.index // 2
    odd, even = (int(column[y.index % 2 == of].max(initial=-1)) + 1 for of in (0, 1))
    lines = _Lines(y.index, column, (odd, even), (begin * x.step, (1 - begin) * x.step))
    promised = (y.count + 1) // 2 * odd + y.count // 2 * even
    once = np.bincount(lines.place, minlength=promised).max() == 1
    return lines if once and (len(column) == promised or not complete) else None


def _lines(
    path: Path,
    x: np.ndarray,
    y: np.ndarray,
    rows: int,
    lengths: tuple[int, int],
    step: tuple[float, float],
    partial: bool,
) -> _Lines:
    """Rows and columns of points on the hexagonal grid of the header; FormatError where it does not explain them."""
    dy, dx = step
    odd, even = lengths
    widest = max(lengths)
    if not partial:
        check_grid(path, (rows, widest), len(x))
    bottom, left = _smallest(path, (y, x))
    row = _steps(path, y, bottom, dy, rows, "y", "a hexagonal grid")
    offsets = (0.0, dx / 2) if even <= odd else (dx / 2, 0.0)
    offset = np.where(row % 2 == 1, offsets[1], offsets[0])
    if abs(float((x - left - offset).min())) > dx / 4:
        offsets = offsets[::-1]
        offset = dx / 2 - offset
    column = _steps(path, x - offset, left, dx, widest, "x", "a hexagonal grid")
    if (column >= np.array(lengths)[row % 2]).any():
        raise FormatError(path, f"expected {odd} and {even} points in the rows in turn; got more")
    lines = _Lines(row, column, lengths, offsets)
    place = np.sort(lines.place)
    if (place[1:] == place[:-1]).any():
        raise FormatError(path, "expected one point per position of the hexagonal grid; got several at one")
    check_grid(path, (int(row.max()) + 1, widest), len(x))
    return lines


def _squared(lines: _Lines, step: tuple[float, float], first: Sequence[float]) -> Grid:
    """The square grid whose cells take the nearest points of a hexagonal one."""
    dy, dx = step
    rows = int(lines.row.max()) + 1
    table = np.full((rows, max(lines.lengths)), -1, dtype=np.int64)
    table[lines.row, lines.column] = np.arange(len(lines.row))
    of_row = np.arange(rows) % 2
    offset, length = np.array(lines.offsets)[of_row], np.array(lines.lengths)[of_row]
    extent = max(begin + (count - 1) * dx for begin, count in zip(lines.offsets, lines.lengths, strict=True))
    at = np.arange(int(np.floor(extent / dy + 1e-6)) + 1) * dy
    nearest = np.floor((at[None, :] - offset[:, None]) / dx + 0.5 - 1e-9).astype(np.int64)
    cells = table[np.arange(rows)[:, None], np.clip(nearest, 0, length[:, None] - 1)]
    done = f"hexagonal grid of step {dx:g} um to square grid of {dy:g} um by nearest neighbour"
    return Grid((rows, cells.shape[1]), (dy, dy), corner(first, (dy, dy)), cells, (done,))


def _levels(values: np.ndarray) -> _Levels | None:
    """Levels of coordinates that are equally far apart, rounding and jitter aside; None where they are not."""
    unique, inverse = np.unique(values, return_inverse=True)
    if len(unique) == 1:
        return _Levels(np.zeros(len(values), dtype=np.int64), 1, 0.0, float(unique[0]))
    gaps = np.diff(unique)
    level = np.concatenate([[0], np.cumsum(gaps > _OFF * gaps.max())])
    count = int(level[-1]) + 1
    means = np.bincount(level, unique) / np.bincount(level)
    step = float(means[-1] - means[0]) / (count - 1)
    if np.abs(unique - means[0] - step * level).max() > _UNEVEN * step:
        return None
    return _Levels(level[inverse], count, _rounded(step), float(unique[0]))


def _multiple(edge: float, step: float) -> float:
    """An edge, or the multiple of the step that it is but for rounding and what :func:`centres` takes off."""
    nearest = round(edge / step)
    return nearest * step if abs(edge / step - nearest) < 5e-5 else edge


def _rounded(step: float) -> float:
    """A step without the noise that differences of decimal numbers leave in the last digits."""
    return float(f"{step:.9g}")


def _cells(path: Path, index: Sequence[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Cell of each point; FormatError where two share one."""
    cells = np.ravel_multi_index(tuple(index), shape)
    counts = np.bincount(cells, minlength=int(np.prod(shape)))
    if counts.max() > 1:
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(counts > 1)), shape))
        raise FormatError(path, f"expected one point per position; got {counts.max()} at {at}")
    return cells


def _begins(index: Sequence[np.ndarray], shape: tuple[int, ...]) -> bool:
    """Whether points are the first ones of a grid, row by row or column by column: those of a file that was cut."""
    by_row, by_column = np.zeros(1), np.zeros(1)
    for values, length in zip(index, shape, strict=True):
        by_row = by_row * length + values
    for values, length in zip(index[::-1], shape[::-1], strict=True):
        by_column = by_column * length + values
    count = len(index[0])
    return bool(by_row.max() == count - 1 or np.array_equal(by_column, np.arange(count)))


def _same_extent(shape: tuple[int, ...], spacing: Sequence[float], measured: Grid) -> bool:
    """Whether a grid covers what another one does, to a step of the coarser one."""
    return all(
        abs(n * d - m * e) <= 1.001 * max(d, e)
        for n, d, m, e in zip(shape, spacing, measured.shape, measured.spacing, strict=True)
    )


def _smallest(path: Path, coordinates: Sequence[np.ndarray]) -> tuple[float, ...]:
    for axis, values in zip(_AXES[-len(coordinates) :], coordinates, strict=True):
        if not (values.min() > -1e12 and values.max() < 1e12):
            at = int(np.argmax(~(np.abs(values) < 1e12)))
            raise FormatError(path, f"expected a finite coordinate {axis}; got {values[at]} at point {at}")
    return tuple(float(values.min()) for values in coordinates)


def _in_order(
    coordinates: Sequence[np.ndarray], first: Sequence[float], shape: tuple[int, ...], spacing: Sequence[float]
) -> bool:
    """Whether the points of a full grid come in row-major order, each within a quarter of a step of its cell."""
    for axis, (values, start, step) in enumerate(zip(coordinates, first, spacing, strict=True)):
        promised = start + step * np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - 1 - axis))
        off = values.reshape(shape) - promised
        if not (off.max() <= _OFF * step and off.min() >= -_OFF * step):
            return False
    return True


def _ascending(coordinates: Sequence[np.ndarray]) -> bool:
    order = np.lexsort(tuple(coordinates)[::-1])
    return bool((order == np.arange(len(order))).all())


def _steps(
    path: Path, values: np.ndarray, start: float, step: float, count: int, axis: str, grid: str = "the grid"
) -> np.ndarray:
    position = (values - start) / step
    index = np.rint(position)
    off = np.abs(position - index) > _OFF
    if off.any():
        at = int(np.argmax(off))
        raise FormatError(
            path,
            f"expected {axis} of {grid} at multiples of the step {step:g}; got {axis} = {values[at]:g} at point {at}",
        )
    if index.max() >= count:
        extent = float(values.max()) - start
        raise FormatError(
            path, f"expected {count} steps of {step:g} along {axis} of {grid}; got an extent of {extent:g}"
        )
    return index.astype(np.int64)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(length) for length in shape)


def _lengths(spacing: Sequence[float]) -> str:
    return " x ".join(f"{step:g}" for step in spacing)
