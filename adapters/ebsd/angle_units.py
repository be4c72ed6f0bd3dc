"""Angles in the unit that a format defines, and what looks as if they were in another.

Bunge's angles in rad are at most 2 pi, 2 pi and, Phi, pi; 4 pi marks points that are not indexed. No lattice has angles
below 2 pi degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn

_FULL_TURN = 2.0 * np.pi
_SLACK = 1e-3
"""Radians that an angle may be beyond its range by the rounding of text files with three or more decimals."""


def euler_in_rad(
    path: Path, angles: np.ndarray, indexed: np.ndarray, *, degrees: bool | None, usual: str, where: str
) -> np.ndarray:
    """Return Euler angles in rad.

    Parameters
    ----------
    path : Path
        For messages.
    angles : ndarray, shape (n, 3)
        Bunge angles as the file has them.
    indexed : ndarray, shape (n,), bool
        Points that are judged.
    degrees : bool or None
        What the user says; None for the unit of the format.
    usual : {"rad", "degrees"}
        The unit of the format.
    where : str
        Name of the data, for messages.

    Returns
    -------
    ndarray, shape (n, 3), float64, rad

    Raises
    ------
    FormatError
        If angles beyond 4 pi are to be in rad and nobody has said so.

    Warns
    -----
    UserWarning
        If the angles look as if they were in another unit.
    """
    in_degrees = usual == "degrees" if degrees is None else degrees
    angles = np.asarray(angles, dtype=np.float64)
    largest = np.zeros(3)
    if indexed.any():
        largest = np.array([np.nanmax(np.abs(column[indexed]), initial=0.0) for column in angles.T])
    marked = np.abs(largest - 2.0 * _FULL_TURN) < _SLACK
    beyond = (largest > np.array([_FULL_TURN, np.pi, _FULL_TURN]) + _SLACK) & ~marked
    shown = ", ".join(f"{value:.6g}" for value in largest)
    if not in_degrees and largest.max() > 2.0 * _FULL_TURN + _SLACK and degrees is None:
        raise FormatError(
            path,
            f"expected Euler angles in rad; got up to {shown} (the option degrees takes degrees: --read degrees=true)",
            where,
        )
    if not in_degrees and beyond.any():
        warn(
            f"{path}, {where}: expected Euler angles in rad, at most 2 pi, pi, 2 pi; got up to {shown}: if they are in "
            "degrees, the option degrees=true (--read degrees=true) says so"
        )
    within = (largest < np.array([_FULL_TURN, np.pi, _FULL_TURN]) + _SLACK) | marked
    if in_degrees and 0.0 < largest.max() and within.all():
        warn(
            f"{path}, {where}: expected Euler angles in degrees; got up to {shown}, none beyond 2 pi, pi, 2 pi: "
            "if they are in rad, the option degrees=false (--read degrees=false) says so"
        )
    return np.deg2rad(angles) if in_degrees else angles


def lattice_in_degrees(
    path: Path, angles: Sequence[float], *, usual: str = "degrees", where: str = ""
) -> tuple[float, ...]:
    """Return the angles alpha, beta, gamma of a lattice in degrees; angles that are all below 2 pi are in rad.

    Parameters
    ----------
    path : Path
        For messages.
    angles : sequence of float, length 3
        As the file has them. Those in rad are rounded to 1e-5 degrees, the step of single precision.
    usual : {"degrees", "rad"}
        The unit of the format.
    where : str
        Name of the data, for messages.

    Returns
    -------
    tuple of float, length 3, degrees

    Warns
    -----
    UserWarning
        If the unit is not the usual one: DREAM3D-NX 7.0 to 7.4 writes rad where degrees are asked for.
    """
    values = np.asarray(angles, dtype=np.float64)
    in_rad = is_lattice_in_rad(values)
    degrees = tuple((np.round(np.rad2deg(values), 5) if in_rad else values).tolist())
    if in_rad != (usual == "rad") and (values > 0).all():
        warn(
            f"{path}, {where}: expected lattice angles in {usual}; got "
            f"{', '.join(f'{value:.6g}' for value in values)}, "
            f"taken as {'rad' if in_rad else 'degrees'}"
        )
    return degrees


def is_lattice_in_rad(angles: np.ndarray) -> bool:
    """Return whether the angles alpha, beta, gamma of a lattice are in rad: all above 0 and below 2 pi."""
    return bool(((angles > 0) & (angles < _FULL_TURN)).all())
