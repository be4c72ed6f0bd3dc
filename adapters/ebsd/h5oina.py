"""Oxford Instruments AZtec HDF5 files (.h5oina).

Specification: https://github.com/oinanoanalysis/h5oina/blob/master/H5OINAFile.md (versions 1 to 8). Angles, those of
the lattice included, are in rad. Euler angles (Bunge) lead from the sample surface CS1 to the crystal CS2, whose x is
perpendicular to b and c (a*) and whose z is c. Phase 0 is not indexed, as is every NaN outside an irregular map.

The frame is therefore stated: CS1. The specimen orientation (CS1 to the sample's primary frame CS0) is kept in the
provenance. AZtecCrystal's processed data is read with ``processed=True``.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, scan
from polyrve.adapters.ebsd.grid import check_grid, corner, first_point
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_NAMES = {"Band Contrast": "BC", "Band Slope": "BS", "Mean Angular Deviation": "MAD"}


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    slice_name: str | None = None,
    processed: bool = False,
    degrees: bool | None = None,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"oxford-cs1"``, as the format defines it.
    slice_name : str, optional
        The acquisition, ``"1"``, ``"2"`` ...; needed where there are several.
    processed : bool
        Whether to read the results of data processing in place of the acquired ones.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad, as the format defines it.

    Returns
    -------
    OrientationMap
        Further data of the points are its ``properties``: ``"BC"``, ``"BS"``, ``"Bands"``, ``"Error"``, ``"MAD"`` (in
        degrees, as in a .ctf file) and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or holds several acquisitions and none is named.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        slices = [item for item in hdf5.numbered(file).values() if hdf5.get(item, "EBSD") is not None]
        chosen = hdf5.choose(path, slices, slice_name, "slice_name")
        acquired = hdf5.group(path, chosen, "EBSD")
        header, data = hdf5.group(path, acquired, "Header"), hdf5.group(path, acquired, "Data")
        source = hdf5.group(path, hdf5.group(path, chosen, "Data Processing"), "Data") if processed else data
        columns, rows = hdf5.whole(path, header, "X Cells"), hdf5.whole(path, header, "Y Cells")
        points = rows * columns
        check_grid(path, (rows, columns), hdf5.array(path, source, "Phase", (points,)).size)
        dx = hdf5.number(path, header, "X Step")
        dy = hdf5.number(path, header, "Y Step") if rows > 1 else dx
        if not (0 < dx < 1e9 and 0 < dy < 1e9):
            raise FormatError(path, f"expected positive steps; got {dx:g} and {dy:g}", f"{header.name}/X Step")
        phases = _phases(path, hdf5.group(path, header, "Phases"))
        properties = hdf5.scalars(path, data, points, ("Phase", "X", "Y", "Euler"))
        if processed:
            properties |= hdf5.scalars(path, source, points, ("Phase", "X", "Y", "Euler"))
        properties = {_NAMES.get(name, name): values for name, values in properties.items()}
        if "MAD" in properties:
            properties["MAD"] = np.rad2deg(properties["MAD"].astype(np.float64))
        angles = hdf5.array(path, source, "Euler", (points, 3)).astype(np.float64)
        number = hdf5.array(path, source, "Phase", (points,)).astype(np.float64)
        origin = corner((0.0, 0.0), (dy, dx))
        if all(hdf5.has(data, name) for name in ("X", "Y")):
            position = [hdf5.array(path, data, name, (points,)).astype(np.float64) for name in ("Y", "X")]
            origin = corner(first_point(position, (rows, columns), (dy, dx)), (dy, dx))
        specimen = np.zeros(3)
        if hdf5.has(header, "Specimen Orientation Euler"):
            specimen = hdf5.array(path, header, "Specimen Orientation Euler", (3,))
    number = np.where(np.isnan(angles).any(axis=1) | np.isnan(number), 0, number)
    known = {0: 0, **{key: place for place, key in enumerate(phases, start=1)}}
    present = np.unique(number)
    if not set(present.tolist()) <= set(known):
        wrong = next(value for value in present.tolist() if value not in known)
        raise FormatError(path, f"expected a phase of {', '.join(map(str, known))}; got {wrong:g}", "EBSD/Data/Phase")
    phase_ids = np.zeros(points, dtype=np.int32)
    for value in present.tolist():
        phase_ids[number == value] = known[value]
    chosen_frame = reference_frames.choose(frame, reference_frames.named("oxford-cs1", "file"), "oxford-cs1", str(path))
    angles = angle_units.euler_in_rad(
        path, angles, phase_ids > 0, degrees=degrees, usual="rad", where="EBSD/Data/Euler"
    )
    field = scan.assemble(
        path, "h5oina", quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=tuple(phases.values()), shape=(rows, columns), spacing=(dy, dx), origin=origin, frame=chosen_frame,
        x_axis="a*", properties=properties,
    )  # fmt: skip
    orientation = [float(value) for value in specimen if np.isfinite(value)]
    return field.evolve(provenance={**field.provenance, "specimen orientation CS1 to CS0, rad": orientation})


def _phases(path: Path, parent: h5py.Group) -> dict[int, Phase]:
    phases = {}
    for number, item in hdf5.numbered(parent).items():
        laue = hdf5.whole(path, item, "Laue Group")
        if laue > len(LAUE_GROUPS):
            raise FormatError(path, f"expected a Laue group 1 ... 11; got {laue}", f"{item.name}/Laue Group")
        lengths = np.ravel(hdf5.array(path, item, "Lattice Dimensions", (3,)))
        angles = angle_units.lattice_in_degrees(
            path,
            hdf5.array(path, item, "Lattice Angles", (3,)).tolist(),
            usual="rad",
            where=f"{item.name}/Lattice Angles",
        )
        group = int(hdf5.number(path, item, "Space Group", 0.0))
        phases[number] = scan.make_phase(
            path, hdf5.text(path, item, "Phase Name") or f"phase {number}", LAUE_GROUPS[laue - 1],
            [*lengths.tolist(), *angles], group if 0 < group <= 230 else 0, item.name,
        )  # fmt: skip
    if not phases:
        raise FormatError(path, "expected at least one phase; got none", parent.name)
    return phases
