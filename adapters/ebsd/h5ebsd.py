"""DREAM.3D .h5ebsd files: a stack of imported .ang or .ctf sections.

Specification: EbsdLib's H5EbsdVolumeInfo, H5AngImporter and H5CtfImporter (file versions 1 to 5). Sections are groups
``ZStartIndex`` ... ``ZEndIndex``; smaller ones lie in the middle of ``Max X Points`` x ``Max Y Points``. What EDAX's
software wrote (manufacturer TSL) is in rad with x || a, what Oxford's wrote (HKL) in degrees with x || a*.

The file states the frame as two rotations that DREAM.3D recommends: of the sample (S, v' = S v of map coordinates) and
of the Euler frame (E, v_euler = E v'). The pixels stay where they are here, so E S takes the map to the Euler frame;
for EDAX data that is ``edax-2``. Where both angles are 0 nothing is stated.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units, grid, scan
from polyrve.adapters.ebsd.grid import check_grid, first_point
from polyrve.adapters.ebsd.tsl import LAUE_OF_NUMBER, phase_numbers, solved
from polyrve.adapters.registry import FormatError
from polyrve.backend.safe_text import quoted
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_TSL = {"Image Quality": "IQ", "Confidence Index": "CI", "SEM Signal": "SEM", "Fit": "Fit"}
_HKL = {name: name for name in ("Bands", "Error", "MAD", "BC", "BS")}


def read(
    path: str | Path, *, frame: str | reference_frames.Frame | None = None, degrees: bool | None = None
) -> OrientationMap | OrientationVolume:
    """Read an orientation volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default what the file's two transformations say.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default as the maker defines it.

    Returns
    -------
    OrientationVolume
        Further data of the points are its ``properties``, under the names that .ang and .ctf files have for them.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or a section is missing.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        maker = hdf5.text(path, file, "Manufacturer")
        if maker not in ("TSL", "HKL"):
            raise FormatError(path, f"expected the manufacturer TSL or HKL; got {quoted(maker)}", "/Manufacturer")
        start, end = (int(hdf5.number(path, file, name)) for name in ("ZStartIndex", "ZEndIndex"))
        nx, ny = hdf5.whole(path, file, "Max X Points"), hdf5.whole(path, file, "Max Y Points")
        spacing = tuple(hdf5.number(path, file, f"{axis} Resolution") for axis in "ZYX")
        if not (0 < min(spacing) and max(spacing) < 1e9):
            raise FormatError(path, f"expected positive resolutions; got {spacing}", "/X Resolution")
        numbers = list(range(start, end + 1)) if end - start < 1_000_000 else []
        sections = hdf5.numbered(file)
        missing = next((number for number in numbers if number not in sections), None)
        if not numbers or missing is not None:
            raise FormatError(path, f"expected the sections {start} ... {end}; got none numbered {missing}")
        shape = (len(numbers), ny, nx)
        phases = _phases(path, sections[start], maker)
        parts = [_section(path, sections[number], maker, phases, ny, nx, degrees) for number in numbers]
        check_grid(path, shape, sum(len(part[1]) for part in parts))
        if int(hdf5.number(path, file, "Stacking Order", 0.0)) == 1:
            parts.reverse()
        stated = _stated(path, file)
        first = (0.0, *_first_point(path, sections[start], maker, parts[0], spacing[1:]))
    quaternions = np.zeros((*shape, 4))
    quaternions[..., 0] = 1.0
    phase_ids = np.zeros(shape, dtype=np.int32)
    properties: dict[str, np.ndarray] = {}
    for z, (corner, ids, q, values) in enumerate(parts):
        window = (z, slice(corner[0], corner[0] + ids.shape[0]), slice(corner[1], corner[1] + ids.shape[1]))
        quaternions[window], phase_ids[window] = q, ids
        for name, array in values.items():
            whole = properties.setdefault(name, np.zeros(shape, dtype=array.dtype))
            whole[window] = array
    default = "edax-2" if maker == "TSL" else "oxford-cs0"
    return scan.assemble(
        path, "h5ebsd", quaternions=quaternions.reshape(-1, 4), phase_ids=phase_ids.ravel(),
        phases=tuple(phases[i] for i in sorted(phases)), shape=shape, spacing=spacing,
        origin=grid.corner(first, spacing),
        frame=reference_frames.choose(frame, stated, default, str(path)), x_axis="a" if maker == "TSL" else "a*",
        properties={name: values.ravel() for name, values in properties.items()},
    )  # fmt: skip


_Section = tuple[tuple[int, int], np.ndarray, np.ndarray, dict[str, np.ndarray]]


def _section(
    path: Path, item: h5py.Group, maker: str, phases: dict[int, Phase], ny: int, nx: int, degrees: bool | None
) -> _Section:
    header, data = hdf5.group(path, item, "Header"), hdf5.group(path, item, "Data")
    tsl = maker == "TSL"
    columns = hdf5.whole(path, header, ("NCOLS_EVEN", "NCOLS_ODD") if tsl else "XCells")
    rows = hdf5.whole(path, header, "NROWS" if tsl else "YCells")
    if rows > ny or columns > nx:
        raise FormatError(path, f"expected a section of at most {ny} x {nx} points; got {rows} x {columns}", item.name)
    if hdf5.text(path, header, "GRID").startswith("Hex"):
        raise FormatError(
            path,
            "expected sections on a square grid; got a hexagonal one: read its .ang files instead",
            item.name,
        )
    points = rows * columns
    names = ("Phi1", "Phi", "Phi2") if tsl else ("Euler1", "Euler2", "Euler3")
    angles = np.stack([hdf5.array(path, data, name, (points,)).astype(np.float64) for name in names], axis=1)
    number = hdf5.array(path, data, "PhaseData" if tsl else "Phase", (points,)).astype(np.float64)
    values = {
        short: hdf5.array(path, data, name, (points,))
        for name, short in (_TSL if tsl else _HKL).items()
        if hdf5.has(data, name)
    }
    where = f"{data.name}/{names[0]}"
    if tsl:
        everywhere = np.ones(points, dtype=bool)
        angles = angle_units.euler_in_rad(path, angles, everywhere, degrees=degrees, usual="rad", where=where)
        indexed, _ = solved(angles, values)
        ids = phase_numbers(path, number, phases, indexed)
    else:
        known = {0.0: 0, **{float(key): place for place, key in enumerate(phases, start=1)}}
        wrong = next((value for value in np.unique(number).tolist() if value not in known), None)
        if wrong is not None:
            raise FormatError(path, f"expected a phase of {', '.join(map(str, known))}; got {wrong:g}", item.name)
        ids = np.zeros(points, dtype=np.int32)
        for key, place in known.items():
            ids[number == key] = place
        angles = angle_units.euler_in_rad(path, angles, ids > 0, degrees=degrees, usual="degrees", where=where)
    shape = (rows, columns)
    q = scan.from_angles(path, angles, ids > 0, item.name).reshape(*shape, 4)
    corner = ((ny - rows) // 2, (nx - columns) // 2)
    return corner, ids.reshape(shape), q, {name: array.reshape(shape) for name, array in values.items()}


def _first_point(
    path: Path, item: h5py.Group, maker: str, part: _Section, spacing: tuple[float, ...]
) -> tuple[float, ...]:
    """Where the first point of the volume's first section lies; a smaller section begins further in."""
    margin, ids = part[:2]
    names = ("Y Position", "X Position") if maker == "TSL" else ("Y", "X")
    if not all(hdf5.has(item, f"Data/{name}") for name in names):
        return 0.0, 0.0
    position = [hdf5.array(path, item, f"Data/{name}", (ids.size,)).astype(np.float64) for name in names]
    first = first_point(position, ids.shape, spacing)
    return tuple(start - before * step for start, before, step in zip(first, margin, spacing, strict=True))


def _phases(path: Path, item: h5py.Group, maker: str) -> dict[int, Phase]:
    parent = hdf5.group(path, hdf5.group(path, item, "Header"), "Phases")
    phases = {}
    for number, phase in hdf5.numbered(parent).items():
        *lengths, alpha, beta, gamma = np.ravel(hdf5.array(path, phase, "LatticeConstants", (6,))).tolist()
        lattice = [*lengths, *angle_units.lattice_in_degrees(path, (alpha, beta, gamma), where=phase.name)]
        if maker == "TSL":
            symmetry = int(hdf5.number(path, phase, "Symmetry"))
            laue = LAUE_OF_NUMBER.get(symmetry)
            name = hdf5.text(path, phase, ("MaterialName", "Formula"))
        else:
            symmetry = int(hdf5.number(path, phase, ("LaueGroup", "Laue Group")))
            laue = LAUE_GROUPS[symmetry - 1] if 1 <= symmetry <= len(LAUE_GROUPS) else None
            name = hdf5.text(path, phase, ("PhaseName", "Phase Name"))
        if laue is None:
            raise FormatError(path, f"expected the symmetry of a phase; got {symmetry}", phase.name)
        group = 0 if maker == "TSL" else int(hdf5.number(path, phase, "SpaceGroup", 0.0))
        phases[number] = scan.make_phase(
            path, name or f"phase {number}", laue, lattice, group if 0 < group <= 230 else 0, phase.name
        )  # fmt: skip
    if not phases:
        raise FormatError(path, "expected at least one phase; got none", parent.name)
    return phases


def _stated(path: Path, file: h5py.File) -> reference_frames.Frame | None:
    turns = []
    for kind in ("Euler", "Sample"):
        angle = hdf5.number(path, file, f"{kind}TransformationAngle", 0.0)
        if angle == 0.0:
            turns.append(np.array([1.0, 0.0, 0.0, 0.0]))
            continue
        axis = np.ravel(hdf5.array(path, file, f"{kind}TransformationAxis", (3,))).astype(np.float64)
        if not 0 < np.linalg.norm(axis) < 1e6:
            raise FormatError(path, f"expected an axis; got {axis.tolist()}", f"/{kind}TransformationAxis")
        turns.append(rotation.from_axis_angle(axis, np.deg2rad(angle)))
    w, x, y, z = rotation.multiply(turns[0], turns[1]).tolist()
    if abs(w) > 1 - 1e-9:
        return None
    for preset in ("edax-1", "edax-2", "edax-3", "edax-4"):
        if abs(abs(np.dot(reference_frames.PRESETS[preset], (w, x, y, z))) - 1.0) < 1e-6:
            return reference_frames.named(preset, "file")
    return reference_frames.Frame("custom", (w, x, y, z), "file")
