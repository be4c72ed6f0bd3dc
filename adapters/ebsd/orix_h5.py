"""orix's own HDF5 files (.h5), read through orix.

The files say nothing about frames: orix has none, and takes the angles of whatever file it read as they are. They are
taken to lie in the map frame, with a warning. Before orix loads it, the sizes in the file are checked.
"""

from __future__ import annotations

from pathlib import Path

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd.orix_bridge import from_orix
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames
from polyrve.microstructure.fields import OrientationMap

_ANGLES = ("phi1", "Phi", "phi2")


def read(path: str | Path, *, frame: str | reference_frames.Frame | None = None) -> OrientationMap:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"none"``, with a warning.

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
        content = hdf5.group(path, file, "crystal_map")
        data = hdf5.group(path, content, "data")
        for name in (*_ANGLES, "phase_id"):
            hdf5.array(path, data, name)
        hdf5.check_plain(path, file)
    chosen = reference_frames.choose(frame, None, "none", str(path))
    try:
        from orix.io.plugins.orix_hdf5 import file_reader

        field = from_orix(file_reader(str(path)), chosen, path)
    except FormatError:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(path, f"expected a map that orix can load; got: {reason}") from error
    return field.evolve(provenance={**field.provenance, "format": "orix-h5"})
