"""orix's own HDF5 files (.h5).

Specification: :mod:`polyrve.adapters.ebsd.orix_layout`. The files say nothing about frames: orix has none, and takes
the angles of whatever file it read as they are. They are taken to lie in the map frame, with a warning.
"""

from __future__ import annotations

from pathlib import Path

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import orix_layout
from polyrve.crystallography import reference_frames
from polyrve.microstructure.fields import OrientationMap


def read(
    path: str | Path, *, frame: str | reference_frames.Frame | None = None, degrees: bool | None = None
) -> OrientationMap:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"none"``, with a warning.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad.

    Returns
    -------
    OrientationMap
        The first of several rotations per point. The map's properties are its ``properties``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or not a regular map.

    Warns
    -----
    FrameWarning
        If the caller does not say the frame.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        return orix_layout.read_map(path, hdf5.group(path, file, "crystal_map"), "orix-h5", frame, degrees)
