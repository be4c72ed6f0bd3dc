"""Points of a scan onto the cells of its grid, regular or hexagonal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError

_SPARSEST = 16


def check_grid(path: Path, shape: tuple[int, ...], points: int, where: str = "") -> None:
    """Refuse a grid that the file cannot fill, before memory is taken for it.

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


def place(
    path: Path, coordinates: Sequence[np.ndarray], shape: tuple[int, ...], spacing: tuple[float, ...]
) -> tuple[np.ndarray | None, tuple[float, ...]]:
    """Cells of points on a rectangular grid, from their coordinates.

    Parameters
    ----------
    path : Path
        For errors.
    coordinates : sequence of ndarray, shape (n,), um
        (y, x) or (z, y, x), in the order of the array axes.
    shape : tuple of int
        Number of points along each array axis that the header promises.
    spacing : tuple of float, um

    Returns
    -------
    cells : ndarray, shape (n,), int64, or None
        Index of the cell of each point in row-major order; None where that is 0 ... n - 1 and the grid is full.
    origin : tuple of float, um
        Smallest coordinates.

    Raises
    ------
    FormatError
        If a point is off the grid, two share a cell, or the points end before the grid does.

    Warns
    -----
    UserWarning
        If points are missing within the grid, or a full grid of points has coordinates that its step does not explain
        and is taken in the order of the file.
    """
    points = len(coordinates[0])
    check_grid(path, shape, points)
    size = int(np.prod(shape))
    if points > size:
        raise FormatError(path, f"expected {size} points ({_times(shape)}) as the header says; got {points}")
    origin = _smallest(path, coordinates)
    if points == size and _in_order(coordinates, origin, shape, spacing):
        return None, origin
    try:
        index = [
            _steps(path, values, start, step, length, axis)
            for values, start, step, length, axis in zip(
                coordinates, origin, spacing, shape, "zyx"[-len(shape) :], strict=True
            )
        ]
    except FormatError as error:
        if points != size or not _ascending(coordinates):
            raise
        warnings.warn(f"{error}; all {size} points are there and are taken in the order of the file", stacklevel=4)
        return None, origin
    cells = np.ravel_multi_index(index, shape)
    counts = np.bincount(cells, minlength=size)
    if counts.max() > 1:
        at = tuple(int(i) for i in np.unravel_index(int(np.argmax(counts > 1)), shape))
        raise FormatError(path, f"expected one point per position; got {counts.max()} at {at}")
    if points == size:
        return cells, origin
    if cells.max() == points - 1 or any(int(i.max()) < length - 1 for i, length in zip(index, shape, strict=True)):
        raise FormatError(
            path, f"expected {size} points ({_times(shape)}) as the header says; got {points}: the file ends early"
        )
    warnings.warn(f"{path}: {size - points} of {size} points are missing; they are taken as not indexed", stacklevel=4)
    return cells, origin


def infer_grid(path: Path, x: np.ndarray, y: np.ndarray) -> tuple[tuple[int, int], tuple[float, float]]:
    """Shape (rows, columns) and spacing (dy, dx) of points whose header does not give them."""
    lengths, steps = [], []
    for values, start in zip((y, x), _smallest(path, (y, x)), strict=True):
        extent = float(values.max()) - start
        levels = np.unique(np.round(values, 6))
        step = float(np.median(np.diff(levels))) if len(levels) > 1 else 0.0
        lengths.append(round(extent / step) + 1 if step > 0 else 1)
        steps.append(step)
    dy, dx = (step if step > 0 else max(max(steps), 1.0) for step in steps)
    return (lengths[0], lengths[1]), (dy, dx)


def square_from_hexagonal(
    path: Path, x: np.ndarray, y: np.ndarray, rows: int, columns_odd: int, columns_even: int, step: tuple[float, float]
) -> tuple[np.ndarray, tuple[float, float]]:
    """Points of a hexagonal grid that are nearest to the cells of a square one.

    The rows of the square grid are those of the hexagonal one, and its spacing in both directions is their distance:
    at a point of a row the nearest measured point always lies in that row, so nothing but a shift by at most half a
    step happens. The first row is odd, as in the .ang header (NCOLS_ODD).

    Parameters
    ----------
    path : Path
        For errors.
    x, y : ndarray, shape (n,), um
    rows, columns_odd, columns_even : int
    step : tuple of float, um
        Distance of rows, distance of points within a row.

    Returns
    -------
    nearest : ndarray, shape (rows, columns), int64
        Index of the point for each cell, -1 where it is missing.
    origin : tuple of float, um
        Smallest y and x.

    Raises
    ------
    FormatError
        If a point is not where the hexagonal grid has one.

    Warns
    -----
    UserWarning
        Always: the points are resampled.
    """
    dy, dx = step
    widest = max(columns_odd, columns_even)
    check_grid(path, (rows, widest), len(x))
    bottom, left = _smallest(path, (y, x))
    row = _steps(path, y, bottom, dy, rows, "y", "a hexagonal grid")
    even = row % 2 == 1
    offset = np.where(even, dx / 2, 0.0) if columns_even <= columns_odd else np.where(even, 0.0, dx / 2)
    if abs(float((x - left - offset).min())) > dx / 4:
        offset = dx / 2 - offset
    column = _steps(path, x - offset, left, dx, widest, "x", "a hexagonal grid")
    lengths = np.array([columns_odd, columns_even])
    if (column >= lengths[row % 2]).any():
        raise FormatError(path, f"expected {columns_odd} and {columns_even} points in the rows in turn; got more")
    table = np.full((rows, widest), -1, dtype=np.int64)
    table[row, column] = np.arange(len(x))
    if np.count_nonzero(table >= 0) != len(x):
        raise FormatError(path, "expected one point per position of the hexagonal grid; got several at one")
    promised = (rows + 1) // 2 * columns_odd + rows // 2 * columns_even
    if len(x) < promised and (row.max() < rows - 1 or np.all(np.diff(row * widest + column) <= 2)):
        raise FormatError(path, f"expected {promised} points as the header says; got {len(x)}: the file ends early")
    row_offset = np.zeros(rows)
    row_offset[row] = offset
    extent = (widest - 1) * dx + (dx / 2 if columns_odd == columns_even else 0.0)
    at = np.arange(int(np.floor(extent / dy + 1e-6)) + 1) * dy
    nearest = np.floor((at[None, :] - row_offset[:, None]) / dx + 0.5 - 1e-9).astype(np.int64)
    nearest = np.clip(nearest, 0, lengths[np.arange(rows) % 2][:, None] - 1)
    warnings.warn(
        f"{path}: the hexagonal grid ({rows} rows, step {dx:g} um) is read as a square grid of {dy:g} um, by nearest "
        "neighbour",
        stacklevel=5,
    )
    return table[np.arange(rows)[:, None], nearest], (bottom, left)


def _smallest(path: Path, coordinates: Sequence[np.ndarray]) -> tuple[float, ...]:
    for axis, values in zip("zyx"[-len(coordinates) :], coordinates, strict=True):
        if not (values.min() > -1e12 and values.max() < 1e12):
            at = int(np.argmax(~(np.abs(values) < 1e12)))
            raise FormatError(path, f"expected a finite coordinate {axis}; got {values[at]} at point {at}")
    return tuple(float(values.min()) for values in coordinates)


def _in_order(
    coordinates: Sequence[np.ndarray], origin: Sequence[float], shape: tuple[int, ...], spacing: Sequence[float]
) -> bool:
    """Whether the points of a full grid come in row-major order, each within a quarter of a step of its cell."""
    for axis, (values, start, step) in enumerate(zip(coordinates, origin, spacing, strict=True)):
        promised = start + step * np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - 1 - axis))
        off = values.reshape(shape) - promised
        if not (off.max() <= 0.25 * step and off.min() >= -0.25 * step):
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
    off = np.abs(position - index) > 0.25
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
