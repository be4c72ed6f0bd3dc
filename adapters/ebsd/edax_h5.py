"""EDAX OIM HDF5 files (.h5, .oh5).

Specification: the layout of OIM Analysis 7 and 8 (``<scan>/EBSD/Header`` and ``Data``). Angles are Bunge's in rad, the
crystal has x || a. Points with "invalid data" lie at x = y = -1111111. The marks of points that are not indexed and the
phase numbers are those of :mod:`polyrve.adapters.ebsd.tsl`.

The frame is stated in ``Header/Coordinate System/ID``. IDs 3 and 4 are taken as the drawings in the file number them
("Schematic 3": A1 = -x, A2 = y; "Schematic 4": A1 = x, A2 = -y), which is the other way round in the preferences of OIM
Analysis and hence in the presets ``edax-3`` and ``edax-4``; a warning says so.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, grid, scan, tsl
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import Phase, laue_group
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_INVALID = -1e6
"""EDAX marks coordinates of points that were not measured by huge negative numbers; no map is a metre wide."""
_ALIASES = {"SEM Signal": "SEM", "Confidence Index": "CI", "Image Quality": "IQ"}
_PRESET_OF_ID = {1: "edax-1", 2: "edax-2", 3: "edax-4", 4: "edax-3"}
_COORDINATES = ("X Position", "Y Position")


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    scan_name: str | None = None,
    degrees: bool | None = None,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default what the file's coordinate system ID says.
    scan_name : str, optional
        Path of the scan within the file; needed where there are several.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad, as the format defines it.

    Returns
    -------
    OrientationMap
        Further data of the points are its ``properties``: ``"IQ"``, ``"CI"``, ``"Fit"``, ``"SEM"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or holds several scans and none is named.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame, or the file's ID is 3 or 4.
    UserWarning
        If points are missing, or a hexagonal grid was brought to a square one.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        scans = [item for item in hdf5.find_groups(file, "Data", "Header") if hdf5.has(item, "Data/Phi1")]
        if not scans and hdf5.find_groups(file, "ANG"):
            raise FormatError(
                path,
                "expected OIM's layout; this is a project of EDAX APEX, whose orientation matrices have no published "
                "frame: export the map from APEX as .ang or .oh5",
            )
        chosen = hdf5.choose(path, scans, scan_name, "scan_name")
        header, data = hdf5.group(path, chosen, "Header"), hdf5.group(path, chosen, "Data")
        angles = np.stack(
            [hdf5.array(path, data, name, (None,)).astype(np.float64) for name in ("Phi1", "Phi", "Phi2")], axis=1
        )
        angles = angle_units.euler_in_rad(
            path, angles, np.ones(len(angles), dtype=bool), degrees=degrees, usual="rad", where=f"{data.name}/Phi1"
        )
        properties = hdf5.scalars(path, data, len(angles), ("Phi1", "Phi", "Phi2", "Phase", *_COORDINATES))
        properties = {_ALIASES.get(name, name): values for name, values in properties.items()}
        indexed, steps = tsl.solved(angles, properties)
        return assemble(path, "edax-h5", header, data, angles, indexed, properties, frame, steps)


def assemble(
    path: Path,
    format_name: str,
    header: h5py.Group,
    data: h5py.Group,
    angles: np.ndarray,
    indexed: np.ndarray,
    properties: dict[str, np.ndarray],
    asked: str | reference_frames.Frame | None,
    steps: Sequence[str] = (),
    by_position: bool = True,
) -> OrientationMap | OrientationVolume:
    """Return the map of a scan whose header has EDAX's layout (EMsoft writes it too).

    Parameters
    ----------
    path, format_name
        For provenance and errors.
    header, data : h5py.Group
        ``Header`` and ``Data`` of the scan.
    angles : ndarray, shape (n, 3), rad
    indexed : ndarray, shape (n,), bool
    properties : dict of str to ndarray, shape (n, ...)
    asked : str, Frame or None
        The frame that the caller set.
    steps : sequence of str
        For provenance.
    by_position : bool
        Whether points are placed by their coordinates, where the file has them; else by their order.

    Returns
    -------
    OrientationMap
    """
    steps = list(steps)
    phases = read_phases(path, hdf5.group(path, header, "Phase"))
    points = len(angles)
    number = hdf5.array(path, data, "Phase", (points,)).astype(np.float64)
    phase_ids = tsl.phase_numbers(path, number, phases, indexed)
    doubt = tsl.doubt(number, phases, indexed, properties, angles)
    rows, columns = hdf5.whole(path, header, "nRows"), hdf5.whole(path, header, "nColumns")
    step = (hdf5.number(path, header, "Step Y"), hdf5.number(path, header, "Step X"))
    if not 0 < min(step) <= max(step) < 1e9:
        raise FormatError(path, f"expected positive steps; got {step[1]:g} and {step[0]:g}", f"{header.name}/Step X")
    hexagonal = hdf5.text(path, header, "Grid Type").lower().startswith("hex")
    if by_position and all(hdf5.has(data, name) for name in _COORDINATES):
        x, y = (hdf5.array(path, data, name, (points,)).astype(np.float64) for name in _COORDINATES)
        valid = (x > _INVALID) & (y > _INVALID)
    else:
        x, y = (np.arange(points) % columns).astype(float), (np.arange(points) // columns).astype(float)
        x, y = x * step[1], y * step[0]
        valid = np.ones(points, dtype=bool)
    phase_ids = np.where(valid & indexed, phase_ids, 0)
    found = grid.Grid((rows, columns), step, grid.corner((0.0, 0.0), step))
    if hexagonal:
        even = columns - 1 if points == rows * columns - rows // 2 else columns
        found = grid.hexagonal(path, x[valid], y[valid], rows, columns, even, step)
        if not valid.all() and found.cells is not None:
            found = replace(found, cells=np.where(found.cells >= 0, np.flatnonzero(valid)[found.cells], -1))
    elif points == rows * columns and not valid.all():
        position = [np.where(valid, values, np.nan) for values in (y, x)]
        found = replace(found, origin=grid.corner(grid.first_point(position, found.shape, step), step))
    else:
        found = grid.square(path, (y, x), (rows, columns), step)
    stated = _stated(path, header) if asked is None else None
    return scan.assemble(
        path, format_name, quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=tuple(phases[i] for i in sorted(phases)), shape=found.shape, spacing=found.spacing,
        origin=found.origin, frame=reference_frames.choose(asked, stated, "edax-2", str(path)), properties=properties,
        cells=found.cells, steps=[*steps, *found.steps], doubts=[doubt] if doubt else [],
    )  # fmt: skip


def read_phases(path: Path, parent: h5py.Group) -> dict[int, Phase]:
    """Return the phases of EDAX's ``Header/Phase``, by number."""
    phases = {}
    for number, item in hdf5.numbered(parent).items():
        name = (
            hdf5.text(path, item, ("MaterialName", "Material Name"))
            or hdf5.text(path, item, "Formula")
            or f"phase {number}"
        )
        *lengths, alpha, beta, gamma = (
            hdf5.number(path, item, f"Lattice Constant {key}", default)
            for key, default in zip(("a", "b", "c", "alpha", "beta", "gamma"), (0, 0, 0, 90, 90, 90), strict=True)
        )
        lattice = [*lengths, *angle_units.lattice_in_degrees(path, (alpha, beta, gamma), where=item.name)]
        phases[number] = scan.make_phase(path, name, _point_group(path, item), lattice, where=item.name)
    if not phases:
        raise FormatError(path, "expected at least one phase; got none", parent.name)
    return phases


def _point_group(path: Path, phase: h5py.Group) -> str:
    symmetry = int(hdf5.number(path, phase, "Symmetry", -1.0))
    if symmetry in tsl.LAUE_OF_NUMBER:
        return tsl.LAUE_OF_NUMBER[symmetry]
    for name in ("Point Group", "Laue Group"):
        match = re.search(r"\[([^\]]*)\]", hdf5.text(path, phase, name))
        if match:
            try:
                laue_group(match[1])
            except ValueError:
                continue
            return match[1]
    raise FormatError(path, f"expected a symmetry number such as 43; got {symmetry}", f"{phase.name}/Symmetry")


def _stated(path: Path, header: h5py.Group) -> reference_frames.Frame | None:
    number = int(hdf5.number(path, header, "Coordinate System/ID", 0.0))
    if number not in _PRESET_OF_ID:
        return None
    preset = _PRESET_OF_ID[number]
    if number in (3, 4):
        warn(
            f"{path} has EDAX coordinate system ID {number}; the drawing of that number in such files is frame "
            f"{preset!r}, which is applied, while OIM's preferences call it setting {preset[-1]}; check the map: "
            "--frame (frame=) sets another",
            reference_frames.FrameWarning,
        )
    return reference_frames.named(preset, "file")
