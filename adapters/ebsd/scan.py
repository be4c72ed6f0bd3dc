"""From the columns of a scan to an orientation map: points into their cells, angles into the map frame.

What a file calls its phases and columns is kept, but for what a table or another program cannot bear: control
characters are escaped, endless names are cut, and of two phases of one name the second gets a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.content import Content, digest
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import DoubtWarning, warn
from polyrve.backend import processors
from polyrve.backend.safe_text import shown
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import OTHER_SETTINGS, Phase, laue_group
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_BLOCK = 1 << 14


def provenance(
    path: Path,
    format_name: str,
    frame: reference_frames.Frame,
    steps: Sequence[str] = (),
    content: Content | None = None,
) -> dict[str, Any]:
    """Return what every map read from a file carries: source, hash, format, frame and the steps taken.

    Parameters
    ----------
    path : Path
    format_name : str
    frame : Frame
    steps : sequence of str
        What was done to the data.
    content : Content, optional
        The file, if it is in memory already.

    Returns
    -------
    dict of str to object
        JSON types alone.
    """
    known = content.sha256.result() if content is not None else None
    return {
        "source": path.name,
        "sha256": known or (digest(path) if path.is_file() else None),
        "format": format_name,
        "frame": frame.record(),
        "steps": list(steps),
    }


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
    frame: reference_frames.Frame,
    x_axis: str | Sequence[str] = "a",
    properties: Mapping[str, np.ndarray] | None = None,
    cells: np.ndarray | None = None,
    steps: Sequence[str] = (),
    doubts: Sequence[str] = (),
    content: Content | None = None,
) -> OrientationMap | OrientationVolume:
    """Make the map or volume of a scan, orientations in the map frame and the internal crystal frame.

    Parameters
    ----------
    path, format_name
        For provenance and errors.
    quaternions : ndarray, shape (n, 4), float64
        In the Euler frame of the file; overwritten, and read-only afterwards.
    phase_ids : ndarray, shape (n,), int
        0 where not indexed, else i for ``phases[i - 1]``.
    phases : sequence of Phase
    shape : tuple of int
    spacing : tuple of float, um
    origin : tuple of float, um
        Corner of the first cell; all in the order of the array axes.
    frame : Frame
    x_axis : {"a", "a*"}, or a sequence of one per phase
        Along x of the vendor's crystal frame.
    properties : mapping of str to ndarray, shape (n, ...), optional
    cells : ndarray, shape (n,) or (*shape), int, optional
        Cell of each point, shape (n,), or point of each cell with -1 for none, shape (*shape); by default point i is
        in cell i.
    steps : sequence of str
        What was done to the data, for provenance.
    doubts : sequence of str
        What looks wrong with the file: warned about, and kept for :func:`polyrve.microstructure.quality.inspect`.
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
    phases, renamed = distinct(phases)
    try:
        phases, turns = _turned(quaternions, phase_ids, phases, frame, x_axis)
    except ValueError as error:
        raise FormatError(path, str(error)) from None
    values = {shown(name): np.asarray(array) for name, array in (properties or {}).items()}
    if cells is not None:
        quaternions, phase_ids, values = _in_cells(cells, shape, quaternions, phase_ids, values)
    quaternions[phase_ids == 0] = (1.0, 0.0, 0.0, 0.0)
    quaternions.setflags(write=False)
    kind = OrientationVolume if len(shape) == 3 else OrientationMap
    record = provenance(path, format_name, frame, [*steps, *renamed, *turns], content)
    for doubt in doubts:
        warn(f"{path}: {doubt}", DoubtWarning)
    if doubts:
        record["doubts"] = list(doubts)
    try:
        return kind(
            quaternions=quaternions.reshape(*shape, 4),
            phase_ids=phase_ids.reshape(shape),
            phases=phases,
            spacing=tuple(spacing),
            origin=tuple(origin),
            frame=frame,
            properties={name: array.reshape(*shape, *array.shape[1:]) for name, array in values.items()},
            provenance=record,
        )
    except ValueError as error:
        raise FormatError(path, str(error)) from None


def distinct(phases: Sequence[Phase]) -> tuple[tuple[Phase, ...], list[str]]:
    """Give phases different names.

    Parameters
    ----------
    phases : sequence of Phase

    Returns
    -------
    phases : tuple of Phase
        The second of one name has (2) behind it, and so on.
    steps : list of str
        Which were renamed, for provenance.

    Examples
    --------
    >>> phases, steps = distinct([Phase("Ti", "m-3m"), Phase("Ti", "6/mmm")])
    >>> [phase.name for phase in phases]
    ['Ti', 'Ti (2)']
    """
    names = {phase.name for phase in phases}
    count: dict[str, int] = {}
    result, steps = [], []
    for number, phase in enumerate(phases, start=1):
        name = phase.name
        count[phase.name] = count.get(phase.name, 0) + 1
        while count[phase.name] > 1 and name in names:
            name = f"{phase.name} ({count[phase.name]})"
            count[phase.name] += name in names
        if name != phase.name:
            names.add(name)
            steps.append(f"phase {number} is called {name}, because another one is called {phase.name}")
            phase = replace(phase, name=name)
        result.append(phase)
    return tuple(result), steps


def _turned(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: Sequence[Phase],
    frame: reference_frames.Frame,
    x_axis: str | Sequence[str],
) -> tuple[tuple[Phase, ...], list[str]]:
    """Turn orientations, in place, into map frame and internal crystal frame; the phases there, and the steps."""
    steps = []
    axes = [x_axis] * len(phases) if isinstance(x_axis, str) else x_axis
    for block in _blocks(len(quaternions)):
        quaternions[block] = frame.apply(quaternions[block])
    for number, (phase, axis) in enumerate(zip(phases, axes, strict=True), start=1):
        if reference_frames.turns_crystal(phase, axis):
            points = phase_ids == number
            quaternions[points] = reference_frames.crystal_frame(quaternions[points], phase, axis)
            steps.append(f"crystal x axis of {phase.name} from {axis} to a")
    settings = [reference_frames.standard_setting(phase) for phase in phases]
    for number, (phase, turn) in enumerate(settings, start=1):
        if turn is not None:
            points = phase_ids == number
            quaternions[points] = rotation.multiply(turn, quaternions[points])
            steps.append(f"axes of {phase.name} named anew, so that b is the unique one")
    return tuple(phase for phase, _ in settings), steps


def _in_cells(
    cells: np.ndarray,
    shape: tuple[int, ...],
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    properties: Mapping[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """What stands at points in the order of the cells of a grid; cells without a point are not indexed."""
    source = cells.ravel()
    if cells.shape != tuple(shape):
        source = np.full(int(np.prod(shape)), -1, dtype=np.int64)
        source[cells] = np.arange(len(cells))
    found = source >= 0
    values = {}
    for name, array in properties.items():
        values[name] = array = array[source]
        if not found.all():
            array[~found] = np.nan if array.dtype.kind == "f" else 0
    return quaternions[source], np.where(found, phase_ids[source], 0), values


def from_angles(path: Path, angles: np.ndarray, indexed: np.ndarray, where: str = "") -> np.ndarray:
    """Return the orientations of Bunge angles.

    Parameters
    ----------
    path : Path
        For errors.
    angles : ndarray, shape (n, 3), rad
    indexed : ndarray, shape (n,), bool
        Points whose angles are checked.
    where : str
        For errors.

    Returns
    -------
    ndarray, shape (n, 4), float64

    Raises
    ------
    FormatError
        If an indexed point has angles that are not finite.
    """
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
    """Make a phase as a file describes it.

    In another setting than polyrve's the two-fold axes must follow from the lattice, as they do in a monoclinic one.

    Parameters
    ----------
    path : Path
        For errors.
    name : str
        Control characters are escaped, NULs behind it left out, and it is cut at 100 characters.
    laue : str
        Its point group.
    lattice : sequence of float, length 6
        a, b, c in angstrom; alpha, beta, gamma in degrees.
    space_group : int
        0 where unknown.
    where : str
        For errors.

    Returns
    -------
    Phase

    Raises
    ------
    FormatError
        If it can be no phase.
    """
    name = shown(name.strip("\0 \t")) or "without a name"
    try:
        a, b, c, alpha, beta, gamma = (float(value) for value in lattice)
        phase = Phase(name, laue, (a, b, c, alpha, beta, gamma), space_group)
    except ValueError as error:
        raise FormatError(path, str(error), where) from None
    axes = OTHER_SETTINGS.get(laue.replace(" ", ""))
    if axes is not None and reference_frames.standard_setting(phase)[1] is None:
        raise FormatError(
            path,
            f"expected {'b as the two-fold axis' if axes in 'ac' else 'two-fold axes along a'} of phase {name!r}, or a "
            f"lattice that tells another; got point group {laue} ({axes}) and {phase.lattice[3:]} degrees",
            where,
        )
    return phase


def unsaid_phases(
    path: Path, count: int, names: Sequence[str] = (), laue: str | Sequence[str] | None = None
) -> list[Phase]:
    """Make the phases of a file that does not say their Laue groups.

    Parameters
    ----------
    path : Path
        For errors and warnings.
    count : int
        How many there are at least.
    names : sequence of str
        Of the first of them; the others are called by their numbers.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each, as the user says.

    Returns
    -------
    list of Phase

    Raises
    ------
    FormatError
        If a Laue group is none, or there are not as many as phases.

    Warns
    -----
    UserWarning
        If the user does not say them: m-3m is taken.
    """
    count = max(count, len(names), 1)
    if laue is None:
        warn(
            f"{path}: the file says no Laue groups; m-3m is taken for all phases, and the option laue sets them "
            "(--read laue=6/mmm)"
        )
    given = ["m-3m"] * count if laue is None else [laue] * count if isinstance(laue, str) else list(laue)
    if len(given) != count:
        raise FormatError(path, f"laue: expected the Laue groups of {count} phases; got {len(given)}")
    for group in given:
        try:
            laue_group(group)
        except ValueError as error:
            raise FormatError(path, f"laue: {error}") from None
    named = [*names, *(f"phase {i}" for i in range(len(names) + 1, count + 1))]
    return [make_phase(path, name, group) for name, group in zip(named, given, strict=True)]
