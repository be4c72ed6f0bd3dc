"""The group in which orix keeps a crystal map, in its own HDF5 files and in those of kikuchipy.

Specification: https://github.com/pyxem/orix/blob/develop/orix/io/plugins/orix_hdf5.py. ``data`` has Bunge's angles in
rad, of one or several rotations per point, coordinates of points, phase numbers with -1 for points that are not
indexed, ``is_in_data``, and properties; ``header`` has the unit of length and the phases. The crystal has x || a.

Why not orix: a file is checked before anything is read of it, and a link in it must not lead orix to another file.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, grid, scan
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import Phase, laue_group_of_space_group
from polyrve.microstructure.fields import OrientationMap

_ANGLES = ("phi1", "Phi", "phi2")
_NOT_PROPERTIES = (*_ANGLES, "phase_id", "is_in_data", "id", "x", "y", "z")
_UM = {"nm": 1e-3, "mm": 1e3}


def read_map(
    path: Path, content: h5py.Group, format_name: str, frame: str | reference_frames.Frame | None, degrees: bool | None
) -> OrientationMap:
    """Read the orientation map of a group ``crystal_map``.

    Parameters
    ----------
    path : Path
        For errors, warnings and provenance.
    content : h5py.Group
    format_name : str
    frame : str, Frame or None
        What the caller set; by default ``"none"``, with a warning.
    degrees : bool or None
        Whether the angles are in degrees; by default they are in rad.

    Returns
    -------
    OrientationMap
        The first of several rotations per point.

    Raises
    ------
    FormatError
        If the group is no such map, or its points lie on no grid.
    """
    data, header = hdf5.group(path, content, "data"), hdf5.group(path, content, "header")
    phases, place = _phases(path, hdf5.group(path, header, "phases"))
    number = np.ravel(hdf5.array(path, data, "phase_id")).astype(np.int64)
    points = len(number)
    phase_ids = np.zeros(points, dtype=np.int32)
    for value in np.unique(number).tolist():
        if value >= 0 and value not in place:
            known = ", ".join(map(str, place))
            raise FormatError(path, f"expected a phase of {known}; got {value}", f"{data.name}/phase_id")
        phase_ids[number == value] = place.get(value, 0)
    if hdf5.has(data, "is_in_data"):
        phase_ids[~hdf5.array(path, data, "is_in_data", (points,)).astype(bool)] = 0
    angles = np.empty((points, 3))
    for column, name in enumerate(_ANGLES):
        values = hdf5.array(path, data, name)
        if values.size == 0 or values.size % max(points, 1):
            raise FormatError(path, f"expected {points} angles; got {values.size}", f"{data.name}/{name}")
        angles[:, column] = values.reshape(points, -1)[:, 0]
    angles = angle_units.euler_in_rad(
        path, angles, phase_ids > 0, degrees=degrees, usual="rad", where=f"{data.name}/phi1"
    )
    scale = _UM.get(hdf5.text(path, header, "scan_unit"), 1.0)
    y, x = (_coordinate(path, data, axis, points) * scale for axis in "yx")
    found = grid.of_coordinates(path, (y, x), partial=True)
    field = scan.assemble(
        path, format_name, quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=phases, shape=found.shape, spacing=found.spacing, origin=found.origin, cells=found.cells,
        frame=reference_frames.choose(frame, None, "none", str(path)), steps=found.steps,
        properties=hdf5.scalars(path, data, points, _NOT_PROPERTIES),
    )  # fmt: skip
    return cast(OrientationMap, field)


def _coordinate(path: Path, data: h5py.Group, axis: str, points: int) -> np.ndarray:
    """Coordinates of points along an axis; zeros where orix stored none, or one for all."""
    values = np.ravel(hdf5.array(path, data, axis)).astype(np.float64) if hdf5.has(data, axis) else np.zeros(1)
    if len(values) not in (1, points):
        raise FormatError(path, f"expected {points} coordinates; got {len(values)}", f"{data.name}/{axis}")
    return np.broadcast_to(values if len(values) == points else 0.0, (points,)).astype(np.float64)


def _phases(path: Path, parent: h5py.Group) -> tuple[list[Phase], dict[int, int]]:
    """The phases, and the place of each number from 1; that of -1, not indexed, is left out."""
    phases: list[Phase] = []
    place = {}
    for number, item in hdf5.numbered(parent).items():
        lattice = hdf5.array(path, item, "structure/lattice/abcABG", (6,)).astype(np.float64)
        group = 0
        if hdf5.has(item, "space_group") and hdf5.text(path, item, "space_group", "number") == "number":
            group = int(hdf5.number(path, item, "space_group"))
        symbol = hdf5.text(path, item, "point_group", "None")
        if symbol == "None":
            symbol = laue_group_of_space_group(group) if 0 < group <= 230 else "-1"
        name = hdf5.text(path, item, "name") or f"phase {number}"
        phases.append(
            scan.make_phase(
                path, name, symbol, np.round(lattice, 6).tolist(), group if 0 < group <= 230 else 0, item.name
            )
        )
        place[number] = len(phases)
    return phases, place
