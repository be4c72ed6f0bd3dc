"""kikuchipy's HDF5 files (.h5): patterns, and the orix map that belongs to them.

Specification: https://github.com/pyxem/kikuchipy/blob/develop/src/kikuchipy/io/plugins/kikuchipy_h5ebsd/_api.py. The
map of a scan is the group ``<scan>/EBSD/CrystalMap/crystal_map``, laid out as in orix's own files
(:mod:`polyrve.adapters.ebsd.orix_layout`). Nothing is said about frames; where the orientations were indexed in
kikuchipy they are in EDAX's, as its tutorial on reference frames says, but a map of any other origin may be there. They
are taken to lie in the map frame, with a warning.

Why not orix: it has no reader for these files, and kikuchipy reads the patterns.
"""

from __future__ import annotations

from pathlib import Path

import h5py

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import orix_layout
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames
from polyrve.microstructure.fields import OrientationMap

_MAP = "EBSD/CrystalMap/crystal_map"


def recognises(path: Path, file: h5py.File) -> bool:
    """Whether kikuchipy wrote an HDF5 file."""
    return hdf5.text(path, file, ("manufacturer", "Manufacturer")).lower() == "kikuchipy"


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    scan_name: str | None = None,
    degrees: bool | None = None,
) -> OrientationMap:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"none"``, with a warning.
    scan_name : str, optional
        The scan, such as ``"Scan 1"``; needed where there are several.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad.

    Returns
    -------
    OrientationMap
        The first of several rotations per point. The map's properties, such as ``"scores"``, are its ``properties``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, holds several scans and none is named, or patterns that were not indexed.

    Warns
    -----
    FrameWarning
        If the caller does not say the frame.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        scans = [
            item for item in hdf5.members(file).values() if isinstance(item, h5py.Group) and hdf5.get(item, "EBSD")
        ]
        chosen = hdf5.choose(path, scans, scan_name, "scan_name")
        content = hdf5.get(chosen, _MAP)
        if not isinstance(content, h5py.Group) or not hdf5.get(content, "data"):
            raise FormatError(path, f"expected {_MAP}; got none: index the patterns in kikuchipy first", chosen.name)
        return orix_layout.read_map(path, content, "kikuchipy-h5", frame, degrees)
