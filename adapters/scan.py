"""From the columns of a scan to an orientation map: points onto their grid, angles into the map frame."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from polyrve import frames, processors, rotation
from polyrve.adapters.registry import FormatError
from polyrve.crystal import OTHER_SETTINGS, Phase
from polyrve.orientation import OrientationMap, OrientationVolume

_SPARSEST = 16
_BLOCK = 1 << 14


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    value = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value.update(block)
    return value.hexdigest()


@dataclass(frozen=True)
class Content:
    """A whole file in memory; a thread of its own takes the hash.

    Attributes
    ----------
    data : memoryview
    sha256 : Future of str
        Hexadecimal.
    """

    data: memoryview
    sha256: Future[str]

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read a file, into an array of NumPy's, whose large pages take half the time."""
        data = np.fromfile(path, dtype=np.uint8).data
        pool = ThreadPoolExecutor(1)
        future = pool.submit(lambda: hashlib.sha256(data).hexdigest())
        pool.shutdown(wait=False)
        return cls(data, future)


def provenance(
    path: Path, format_name: str, frame: frames.Frame, steps: Sequence[str] = (), content: Content | None = None
) -> dict[str, Any]:
    """What every map read from a file carries: source, hash, format, frame and the steps taken."""
    known = content.sha256.result() if content is not None else None
    return {
        "source": path.name,
        "sha256": known or (digest(path) if path.is_file() else None),
        "format": format_name,
        "frame": frame.record(),
        "steps": list(steps),
    }


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


def assemble(
    path: Path,
    format_name: str,
    *,
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: Sequence[Phase],
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    origin: tuple[float, ...],
    frame: frames.Frame,
    x_axis: str = "a",
    properties: Mapping[str, np.ndarray] | None = None,
    cells: np.ndarray | None = None,
    steps: Sequence[str] = (),
    content: Content | None = None,
) -> OrientationMap | OrientationVolume:
    """The map or volume of a scan, orientations in the map frame and the internal crystal frame.

    Parameters
    ----------
    path, format_name
        For provenance and errors.
    quaternions : ndarray, shape (n, 4), float64
        In the Euler frame of the file; overwritten, and read-only afterwards.
    phase_ids : ndarray, shape (n,), int
        0 where not indexed, else i for ``phases[i - 1]``.
    phases : sequence of Phase
    shape, spacing, origin : tuple
        In the order of the array axes.
    frame : Frame
    x_axis : {"a", "a*"}
        Along x of the vendor's crystal frame for hexagonal and trigonal phases.
    properties : mapping of str to ndarray, shape (n, ...), optional
    cells : ndarray, shape (n,) or (*shape), int, optional
        Cell of each point, shape (n,), or point of each cell with -1 for none, shape (*shape); by default point i is
        in cell i.
    steps : sequence of str
        What was done to the data, for provenance.
    content : Content, optional
        The file, if it is in memory already.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    FormatError
        If the data make no valid map.
    """
    steps = list(steps)
    for block in _blocks(len(quaternions)):
        quaternions[block] = frame.apply(quaternions[block])
    try:
        for number, phase in enumerate(phases, start=1):
            if frames.turns_crystal(phase, x_axis):
                points = phase_ids == number
                quaternions[points] = frames.crystal_frame(quaternions[points], phase, x_axis)
                steps.append(f"crystal x axis of {phase.name} from {x_axis} to a")
        settings = [frames.standard_setting(phase) for phase in phases]
        for number, (phase, turn) in enumerate(settings, start=1):
            if turn is not None:
                points = phase_ids == number
                quaternions[points] = rotation.multiply(turn, quaternions[points])
                steps.append(f"axes of {phase.name} named anew, so that b is the unique one")
    except ValueError as error:
        raise FormatError(path, str(error)) from None
    values = {name: np.asarray(array) for name, array in (properties or {}).items()}
    if cells is not None:
        size = int(np.prod(shape))
        source = cells.ravel()
        if cells.shape != tuple(shape):
            source = np.full(size, -1, dtype=np.int64)
            source[cells] = np.arange(len(cells))
        found = source >= 0
        phase_ids = np.where(found, phase_ids[source], 0)
        quaternions = quaternions[source]
        for name, array in values.items():
            array = array[source]
            if not found.all():
                array[~found] = np.nan if array.dtype.kind == "f" else 0
            values[name] = array
    quaternions[phase_ids == 0] = (1.0, 0.0, 0.0, 0.0)
    quaternions.setflags(write=False)
    kind = OrientationVolume if len(shape) == 3 else OrientationMap
    try:
        return kind(
            quaternions=quaternions.reshape(*shape, 4),
            phase_ids=phase_ids.reshape(shape),
            phases=tuple(phase for phase, _ in settings),
            spacing=tuple(spacing),
            origin=tuple(origin),
            frame=frame,
            properties={name: array.reshape(*shape, *array.shape[1:]) for name, array in values.items()},
            provenance=provenance(path, format_name, frame, steps, content),
        )
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def from_angles(path: Path, angles: np.ndarray, indexed: np.ndarray, where: str = "") -> np.ndarray:
    """Orientations of Bunge angles in rad, shape (n, 3), with those of points not indexed left out of the check."""
    quaternions = np.empty((len(angles), 4))

    def convert(block: slice) -> None:
        part, known = angles[block], indexed[block]
        wrong = known & ~(np.abs(part) < 1e4).all(axis=1)
        if wrong.any():
            at = int(np.argmax(wrong))
            raise FormatError(
                path, f"expected finite Euler angles; got {part[at].tolist()} at point {block.start + at}", where
            )
        quaternions[block] = rotation.from_euler(part if known.all() else np.where(known[:, None], part, 0.0))

    with ThreadPoolExecutor(processors.count()) as pool:
        list(pool.map(convert, _blocks(len(angles))))
    return quaternions


def _blocks(length: int) -> Iterator[slice]:
    """Slices that fit in the processor's cache: large temporaries cost more time than the arithmetic."""
    return (slice(start, start + _BLOCK) for start in range(0, length, _BLOCK))


def make_phase(
    path: Path,
    name: str,
    laue: str,
    lattice: Sequence[float] = (0.0, 0.0, 0.0, 90.0, 90.0, 90.0),
    space_group: int = 0,
    where: str = "",
) -> Phase:
    """A phase as a file describes it, `laue` its point group; FormatError where it cannot be one.

    In another setting than polyrve's the two-fold axes must follow from the lattice, as they do in a monoclinic one.
    """
    try:
        a, b, c, alpha, beta, gamma = (float(value) for value in lattice)
        phase = Phase(name, laue, (a, b, c, alpha, beta, gamma), space_group)
    except ValueError as error:
        raise FormatError(path, str(error), where) from None
    axes = OTHER_SETTINGS.get(laue.replace(" ", ""))
    if axes is not None and frames.standard_setting(phase)[1] is None:
        raise FormatError(
            path,
            f"expected {'b as the two-fold axis' if axes in 'ac' else 'two-fold axes along a'} of phase {name!r}, or a "
            f"lattice that tells another; got point group {laue} ({axes}) and {phase.lattice[3:]} degrees",
            where,
        )
    return phase


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


def planar(data: Any) -> OrientationMap:
    """The map that a two-dimensional format can hold: a map, a volume of one layer, or the field of a grain map.

    Raises
    ------
    ValueError
        If the data has more than one layer.
    """
    field = getattr(data, "field", data)
    if isinstance(field, OrientationMap):
        return field
    if isinstance(field, OrientationVolume) and field.shape[0] == 1:
        return field.section(0, 0)
    shape = getattr(field, "shape", type(field).__name__)
    raise ValueError(f"data: expected an orientation map or a volume with nz = 1 (take a section); got {shape}")


def frame_note(frame: frames.Frame) -> str:
    """A frame as text for the header of a file."""
    return f"{frame.name} " + " ".join(f"{value:.17g}" for value in frame.map_to_euler)


def noted_frame(path: Path, text: str) -> frames.Frame:
    """The frame of a :func:`frame_note`; FormatError where it is none."""
    name, *numbers = text.split()
    try:
        w, x, y, z = (float(number) for number in numbers)
        return frames.Frame(name, (w, x, y, z), "file")
    except ValueError:
        raise FormatError(path, f"expected a frame name and a unit quaternion; got {text[:80]!r}") from None


def choose_frame(
    path: Path,
    asked: str | frames.Frame | None,
    noted: frames.Frame | None,
    default: str,
    specimen_orientation: np.ndarray | None = None,
) -> frames.Frame:
    """As :func:`polyrve.frames.choose`, for a file with a :func:`frame_note` or none; warns if another is asked for."""
    chosen = frames.choose(asked, noted, default, str(path), specimen_orientation)
    if noted is not None and not chosen.turns_as(noted.map_to_euler):
        warnings.warn(
            f"{path}: polyrve wrote its angles in frame {noted.name!r}; they are read in {chosen.name!r}, as asked for",
            stacklevel=4,
        )
    return chosen


UNKNOWN_LATTICE = "polyrve: lattice unknown"
"""Remark on a phase whose lattice in the file is but a :func:`unit_cell`."""


def unit_cell(phase: Phase) -> tuple[float, ...]:
    """The lattice of a phase, for files whose readers cannot do without one: edges of 1 angstrom where it is unknown.

    The angles are those of the phase's Laue group, where they are unknown too.
    """
    if min(phase.lattice) > 0:
        return phase.lattice
    angles = phase.lattice[3:]
    if min(angles) <= 0 or (phase.laue in frames.SIX_AND_THREE_FOLD and angles == (90.0, 90.0, 90.0)):
        angles = (90.0, 90.0, 120.0 if phase.laue in frames.SIX_AND_THREE_FOLD else 90.0)
    return (1.0, 1.0, 1.0, *angles)


def lattice_remark(phase: Phase) -> str:
    """:data:`UNKNOWN_LATTICE` where :func:`unit_cell` is not the phase's own; else nothing."""
    return "" if min(phase.lattice) > 0 else UNKNOWN_LATTICE


def write_rows(file: IO[str], form: str, table: np.ndarray) -> None:
    """Write the rows of a table, shape (n, columns), with a printf format that ends in a line break."""
    for start in range(0, len(table), 4096):
        part = table[start : start + 4096]
        file.write((form * len(part)) % tuple(part.ravel().tolist()))


def property_of(field: OrientationMap, name: str, default: float) -> np.ndarray:
    """A scalar property of a map, shape (n,), float64; the default where it is absent or not a number."""
    values = field.properties.get(name)
    if values is None or values.shape != field.shape:
        return np.full(field.phase_ids.size, default)
    return np.nan_to_num(np.asarray(values, dtype=np.float64).ravel(), nan=default)
