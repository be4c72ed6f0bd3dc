"""Bruker ESPRIT HDF5 files (.h5).

Specification: what ESPRIT 2 writes, groups ``<scan>/EBSD/Header`` and ``Data``, and ``SEM`` beside or within ``EBSD``.
Angles are Bunge's in degrees, the crystal has x || a* and z || c (as MTEX's interface states; b lies in the yz plane).
Phase 0 is not indexed. Points are placed by their beam indices (``SEM IX``, ``SEM IY``) where the file has them:
regions of interest are stored in the order of acquisition.

Coordinate system ID 5 is turned by 180 degrees about y (after MTEX); of other IDs nothing is known, and ``"bruker"``, x
along a row and y up, is applied with a warning.

Why not orix: its reader leaves x || a*, knows no frames, and refuses regions that are not rectangular.
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
from polyrve.crystallography.phase import Phase, laue_group_of_space_group
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_ANGLES = ("phi1", "PHI", "phi2")


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
        Relation of the Euler frame to the map; by default ``"bruker"``, with a warning.
    scan_name : str, optional
        Path of the scan within the file; needed where there are several.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are, as the format defines it.

    Returns
    -------
    OrientationMap
        Further data of the points are its ``properties``: ``"MAD"``, ``"NIndexedBands"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or holds several scans and none is named.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    UserWarning
        If points are missing.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        scans = [item for item in hdf5.find_groups(file, "Data", "Header") if hdf5.has(item, "Data/phi1")]
        chosen = hdf5.choose(path, scans, scan_name, "scan_name")
        header, data = hdf5.group(path, chosen, "Header"), hdf5.group(path, chosen, "Data")
        angles = np.stack(
            [hdf5.array(path, data, name, (None,)).astype(np.float64) for name in _ANGLES], axis=1
        )  # fmt: skip
        points = len(angles)
        rows, columns = hdf5.whole(path, header, "NROWS"), hdf5.whole(path, header, "NCOLS")
        dx, dy = hdf5.number(path, header, "XSTEP"), hdf5.number(path, header, "YSTEP")
        if not (0 < dx < 1e9 and 0 < dy < 1e9):
            raise FormatError(path, f"expected positive steps; got {dx:g} and {dy:g}", f"{header.name}/XSTEP")
        kind = hdf5.text(path, header, "Grid Type", "isometric")
        if kind != "isometric":
            raise FormatError(path, f"expected the grid type isometric; got {quoted(kind)}", f"{header.name}/Grid Type")
        phases = _phases(path, hdf5.group(path, header, "Phases"))
        number = hdf5.array(path, data, "Phase", (points,)).astype(np.int64)
        properties = hdf5.scalars(path, data, points, (*_ANGLES, "Phase"))
        identity = int(hdf5.number(path, header, "Coordinate Systems/ID", 0.0))
        row, column = _beam(path, chosen, points)
    if row is None or column is None:
        row, column = np.arange(points) // columns, np.arange(points) % columns
    else:
        row, column = row - row.min(), column - column.min()
        if points < rows * columns and row.max() < rows and column.max() < columns:
            rows, columns = int(row.max()) + 1, int(column.max()) + 1
    found = grid.square(path, (row * dy, column * dx), (rows, columns), (dy, dx))
    order = list(phases)
    phase_ids = np.zeros(points, dtype=np.int32)
    for value in np.unique(number).tolist():
        if value > 0 and value not in phases:
            raise FormatError(path, f"expected a phase of {', '.join(map(str, order))}; got {value}", "Data/Phase")
        phase_ids[number == value] = order.index(value) + 1 if value > 0 else 0
    stated = reference_frames.named("bruker-5", "file") if identity == 5 else None
    angles = angle_units.euler_in_rad(
        path, angles, phase_ids > 0, degrees=degrees, usual="degrees", where="EBSD/Data/phi1"
    )
    return scan.assemble(
        path, "bruker-h5", quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=tuple(phases.values()), shape=found.shape, spacing=found.spacing, origin=found.origin,
        frame=reference_frames.choose(frame, stated, "bruker", str(path)), x_axis="a*", properties=properties,
        cells=found.cells,
    )  # fmt: skip


def _beam(path: Path, ebsd: h5py.Group, points: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    for parent in (ebsd, ebsd.parent):
        for names in (("SEM/SEM IY", "SEM/SEM IX"), ("SEM/IY", "SEM/IX")):
            found = [hdf5.get(parent, name) for name in names]
            if all(isinstance(item, h5py.Dataset) and item.size == points > 1 for item in found):
                row, column = (hdf5.array(path, parent, name, (points,)).astype(np.int64) for name in names)
                return row, column
    return None, None


def _phases(path: Path, parent: h5py.Group) -> dict[int, Phase]:
    phases = {}
    for number, item in hdf5.numbered(parent).items():
        symbol = hdf5.text(path, item, "SpaceGroup").replace("#ovl", "-").replace("#sub", "").replace(" ", "")
        group = int(hdf5.number(path, item, "IT", 0.0)) or _space_group(symbol)
        try:
            laue = laue_group_of_space_group(group)
        except ValueError:
            where = f"{item.name}/IT"
            raise FormatError(path, f"expected a space group; got {quoted(symbol or group)}", where) from None
        *lengths, alpha, beta, gamma = np.ravel(hdf5.array(path, item, "LatticeConstants", (6,))).tolist()
        lattice = [*lengths, *angle_units.lattice_in_degrees(path, (alpha, beta, gamma), where=item.name)]
        name = hdf5.text(path, item, "Name") or hdf5.text(path, item, "Formula") or f"phase {number}"
        phases[number] = scan.make_phase(path, name, laue, lattice, group, item.name)
    if not phases:
        raise FormatError(path, "expected at least one phase; got none", parent.name)
    return phases


def _space_group(symbol: str) -> int:
    from diffpy.structure.spacegroups import GetSpaceGroup

    try:
        return int(GetSpaceGroup(symbol).number) % 1000
    except (ValueError, KeyError, IndexError):
        return 0
