"""EMsoft dictionary-indexing HDF5 files (dot product files).

Specification: EMsoft's module EMh5ebsd; the layout is EDAX's (:mod:`polyrve.adapters.ebsd.edax_h5`), with coordinate
system ID 2. Angles are Bunge's, in rad (those of the dictionary in degrees), the crystal has x || a. Points are taken
row by row, because some versions of EMsoft store wrong y positions. Every point has a solution: judge it by ``"CI"``,
its largest dot product.

Why not orix: its reader takes the angles from the dictionary for every match of every point, which needs many times the
memory of the map, and leaves the coordinate system out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, edax_h5
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_ANGLES = ("Phi1", "Phi", "Phi2")


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    refined: bool = False,
    degrees: bool | None = None,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default what the file's coordinate system ID says.
    refined : bool
        Whether to take the refined orientations in place of the best matches.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default those of the dictionary are, all others are in rad.

    Returns
    -------
    OrientationMap
        Further data of the points are its ``properties``: ``"CI"``, ``"IQ"``, ``"OSM"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or has no refined orientations where they are asked for.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        chosen = hdf5.choose(path, hdf5.find_groups(file, "Data", "Header"), None, "scan")
        header, data = hdf5.group(path, chosen, "Header"), hdf5.group(path, chosen, "Data")
        points = hdf5.whole(path, header, "nRows") * hdf5.whole(path, header, "nColumns")
        usual = "rad"
        if refined:
            angles = hdf5.array(path, data, "RefinedEulerAngles", (points, 3)).astype(np.float64)
        elif all(hdf5.has(data, name) for name in _ANGLES):
            angles = np.stack([hdf5.array(path, data, name, (points,)).astype(np.float64) for name in _ANGLES], axis=1)
        else:
            dictionary = hdf5.array(path, data, "DictionaryEulerAngles", (None, 3))
            matches = hdf5.array(path, data, "TopMatchIndices")
            best = matches.reshape(len(matches), -1)[:points, 0].astype(np.int64) - 1
            if len(best) != points or best.min() < 0 or best.max() >= len(dictionary):
                raise FormatError(
                    path, f"expected {points} entries of the dictionary of {len(dictionary)}; got others",
                    f"{data.name}/TopMatchIndices",
                )  # fmt: skip
            angles, usual = dictionary[best].astype(np.float64), "degrees"
        everywhere = np.ones(len(angles), dtype=bool)
        angles = angle_units.euler_in_rad(path, angles, everywhere, degrees=degrees, usual=usual, where=data.name)
        properties = hdf5.scalars(path, data, points, (*_ANGLES, "Phase", "X Position", "Y Position"))
        return edax_h5.assemble(
            path, "emsoft-h5", header, data, angles, everywhere, properties, frame, by_position=False
        )  # fmt: skip
