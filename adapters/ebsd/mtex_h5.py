"""MTEX's HDF5 files (.h5), as ``export(ebsd, 'scan.h5')`` writes them.

Specification: https://github.com/mtex-toolbox/mtex/blob/develop/EBSDAnalysis/@EBSD/export_h5.m. A group at the root,
with the attribute ``DataType`` "EBSD", has ``Orientations`` (Bunge's angles in rad, a column of three per point, which
HDF5 calls a row), ``PhaseIndex``, ``SpatialCoordinates`` (x, y, z), ``Properties``, and ``Phase``, where every phase is
a dataset whose attributes say its point group, mineral, lattice (angles in rad) and ``Alignment``: what lies along x,
y, z of its crystal frame, such as "X||a, Y||b*, Z||c*". What is not indexed is a phase of the name "notIndexed".

MTEX's Euler angles refer to the map (its page EBSDReferenceFrame): the frame is ``"none"``, with a warning, because who
exported the map need not have brought the two together on import.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, grid, scan
from polyrve.adapters.registry import FormatError
from polyrve.backend.safe_text import quoted
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_MARK = "EBSD"
_LATTICE = ("a", "b", "c", "alpha", "beta", "gamma")
_AXES = {"a": ("x||a", "z||c*"), "a*": ("x||a*", "z||c")}


def recognises(path: Path, file: h5py.File) -> bool:
    """Whether MTEX wrote an HDF5 file."""
    return any(_is_map(item) for item in hdf5.members(file).values())


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    scan_name: str | None = None,
    degrees: bool | None = None,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map or volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"none"``, with a warning.
    scan_name : str, optional
        Name of the variable that was exported; needed where there are several.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad.

    Returns
    -------
    OrientationMap or OrientationVolume
        What MTEX has as properties are its ``properties``, under MTEX's names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, holds several maps and none is named, or its points lie on no grid.

    Warns
    -----
    FrameWarning
        If the caller does not say the frame.
    UserWarning
        If points are missing, or a hexagonal grid was brought to a square one.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        maps = [item for item in hdf5.members(file).values() if isinstance(item, h5py.Group) and _is_map(item)]
        chosen = hdf5.choose(path, maps, scan_name, "scan_name")
        angles = hdf5.array(path, chosen, "Orientations", (None, 3)).astype(np.float64)
        points = len(angles)
        phases, axes, place = _phases(path, chosen)
        number = hdf5.array(path, chosen, "PhaseIndex", (points,)).astype(np.float64)
        coordinates = hdf5.array(path, chosen, "SpatialCoordinates")
        if coordinates.ndim != 2 or len(coordinates) != points or coordinates.shape[1] not in (2, 3):
            raise FormatError(
                path, f"expected {points} x 2 or 3 coordinates; got {coordinates.shape}", "SpatialCoordinates"
            )
        inside = hdf5.get(chosen, "Properties")
        properties = hdf5.scalars(path, inside, points) if isinstance(inside, h5py.Group) else {}
    phase_ids = np.zeros(points, dtype=np.int32)
    for value in np.unique(number[np.isfinite(number)]).tolist():
        if value not in place:
            known = ", ".join(f"{key:g}" for key in place)
            raise FormatError(path, f"expected a phase of {known}; got {value:g}", "PhaseIndex")
        phase_ids[number == value] = place[value]
    phase_ids[~np.isfinite(angles).all(axis=1)] = 0
    angles = angle_units.euler_in_rad(path, angles, phase_ids > 0, degrees=degrees, usual="rad", where="Orientations")
    z, y, x = (coordinates[:, axis].astype(np.float64) if axis < coordinates.shape[1] else None for axis in (2, 1, 0))
    flat = z is None or float(np.ptp(z)) == 0.0
    found = grid.of_coordinates(path, [v for v in (None if flat else z, y, x) if v is not None], partial=True)
    return scan.assemble(
        path, "mtex-h5", quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=phases, shape=found.shape, spacing=found.spacing, origin=found.origin, cells=found.cells,
        frame=reference_frames.choose(frame, None, "none", str(path)), x_axis=axes, properties=properties,
        steps=found.steps,
    )  # fmt: skip


def _is_map(item: h5py.Group | h5py.Dataset) -> bool:
    return (
        isinstance(item, h5py.Group)
        and hdf5.has(item, "Orientations")
        and isinstance(hdf5.get(item, "Phase"), h5py.Group)
        and hdf5.attribute_text(item, "DataType") == _MARK
    )


def _phases(path: Path, chosen: h5py.Group) -> tuple[list[Phase], list[str], dict[float, int]]:
    """The phases, what lies along x of their crystal frames, and the place of each number, 0 where not indexed."""
    phases: list[Phase] = []
    axes: list[str] = []
    place: dict[float, int] = {}
    parent = hdf5.group(path, chosen, "Phase")
    for name, item in hdf5.members(parent).items():
        try:
            number = float(name)
        except ValueError:
            raise FormatError(path, f"expected numbers as names of phases; got {quoted(name)}", parent.name) from None
        symbol = hdf5.attribute_text(item, "Name")
        if "a" not in item.attrs:
            place[number] = 0
            continue
        lattice = []
        for key in _LATTICE:
            value = hdf5.attribute(item, key)
            if not value or not isinstance(value[0], (int, float)):
                raise FormatError(path, f"expected a number for the attribute {key}; got none", item.name)
            lattice.append(float(value[0]))
        angles = angle_units.lattice_in_degrees(path, lattice[3:], usual="rad", where=item.name)
        mineral = hdf5.attribute_text(item, "Mineral") or f"phase {name}"
        constants = [*(round(value, 6) for value in lattice[:3]), *angles]
        phases.append(scan.make_phase(path, mineral, symbol, constants, where=item.name))
        axes.append(_x_axis(path, item, phases[-1]))
        place[number] = len(phases)
    if not phases:
        raise FormatError(path, "expected at least one phase with a lattice; got none", parent.name)
    return phases, axes, place


def _x_axis(path: Path, item: h5py.Dataset, phase: Phase) -> str:
    said = hdf5.attribute_text(item, "Alignment").replace(" ", "").lower().split(",")
    for axis, marks in _AXES.items():
        if all(mark in said for mark in marks) or (phase.laue not in ("-1", "2/m") and marks[0] in said):
            return axis
    if not reference_frames.turns_crystal(phase, "a*"):
        return "a"
    raise FormatError(
        path, f"expected crystal axes X||a, Z||c* or X||a*, Z||c; got {quoted(', '.join(said))}", item.name
    )
