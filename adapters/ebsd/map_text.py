"""What text files of maps say beyond their format: the frame, that a lattice is not known, and what looks wrong."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.backend.safe_text import quoted
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap

FRAME_NOTE = "polyrve frame:"
"""What a :func:`frame_note` begins with."""

UNKNOWN_LATTICE = "polyrve: lattice unknown"
"""Remark on a phase whose lattice in the file is but a :func:`unit_cell`."""


def frame_note(frame: reference_frames.Frame) -> str:
    """Return a frame as text for the header of a file; :func:`noted_frame` reads it."""
    return f"{FRAME_NOTE} {frame.name} " + " ".join(f"{value:.17g}" for value in frame.map_to_euler)


def noted_frame(path: Path, line: str) -> reference_frames.Frame | None:
    """Return the frame of the :func:`frame_note` at the end of a line.

    Parameters
    ----------
    path : Path
        For errors.
    line : str

    Returns
    -------
    Frame or None
        None where the line has no note.

    Raises
    ------
    FormatError
        If the note is no frame.
    """
    text = line.partition(FRAME_NOTE)[2].strip()
    if not text:
        return None
    name, *numbers = text.split()
    try:
        w, x, y, z = (float(number) for number in numbers)
        return reference_frames.Frame(name, (w, x, y, z), "file")
    except ValueError:
        raise FormatError(path, f"expected a frame name and a unit quaternion; got {quoted(text)}") from None


def choose_frame(
    path: Path,
    asked: str | reference_frames.Frame | None,
    noted: reference_frames.Frame | None,
    default: str,
    specimen_orientation: np.ndarray | None = None,
) -> reference_frames.Frame:
    """Choose the frame of a file with a :func:`frame_note` or none.

    Parameters
    ----------
    path : Path
        For warnings.
    asked : str, Frame or None
        What the caller set.
    noted : Frame or None
        What the note says.
    default : str
        Preset for files without a note.
    specimen_orientation : ndarray, shape (4,), optional
        See :func:`polyrve.crystallography.reference_frames.named`.

    Returns
    -------
    Frame

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    UserWarning
        If the caller asks for another frame than the note has.
    """
    chosen = reference_frames.choose(asked, noted, default, str(path), specimen_orientation)
    if noted is not None and not chosen.turns_as(noted.map_to_euler):
        read_in = f"they are read in {chosen.name!r}, as asked for"
        warn(f"{path}: polyrve wrote its angles in frame {noted.name!r}; {read_in}")
    return chosen


def warn_of_axes(path: Path, program: str, phases: Sequence[Phase]) -> None:
    """Warn that a* is taken for x of the crystals, where the program that wrote a file does not say it.

    Parameters
    ----------
    path : Path
    program : str
    phases : sequence of Phase
        Nothing is said where none is hexagonal or trigonal.
    """
    unsure = [phase.name for phase in phases if phase.laue in reference_frames.SIX_AND_THREE_FOLD][:10]
    if unsure:
        warn(
            f"{path}: {program} does not say what lies along x of the crystals of {', '.join(unsure)}; a* is taken, "
            "as in Oxford's files: x_axis=a (--read x_axis=a) takes a, 30 degrees away"
        )


def unit_cell(phase: Phase) -> tuple[float, ...]:
    """Return the lattice of a phase, for files whose readers cannot do without one.

    Parameters
    ----------
    phase : Phase

    Returns
    -------
    tuple of float, length 6
        a, b, c in angstrom; alpha, beta, gamma in degrees. Edges of 1 angstrom where they are not known, with the
        angles of the phase's Laue group where these are not known either.
    """
    if min(phase.lattice) > 0:
        return phase.lattice
    angles = phase.lattice[3:]
    if min(angles) <= 0 or (phase.laue in reference_frames.SIX_AND_THREE_FOLD and angles == (90.0, 90.0, 90.0)):
        angles = (90.0, 90.0, 120.0 if phase.laue in reference_frames.SIX_AND_THREE_FOLD else 90.0)
    return (1.0, 1.0, 1.0, *angles)


def lattice_remark(phase: Phase) -> str:
    """Return :data:`UNKNOWN_LATTICE` where :func:`unit_cell` is not the phase's own, else ""."""
    return "" if min(phase.lattice) > 0 else UNKNOWN_LATTICE


def property_of(field: OrientationMap, name: str, default: float) -> np.ndarray:
    """Return a scalar property of a map.

    Parameters
    ----------
    field : OrientationMap
    name : str
    default : float
        Where the property is absent or not a number.

    Returns
    -------
    ndarray, shape (n,), float64
    """
    values = field.properties.get(name)
    if values is None or values.shape != field.shape:
        return np.full(field.phase_ids.size, default)
    return np.nan_to_num(np.asarray(values, dtype=np.float64).ravel(), nan=default)
