"""EDAX .ang text files: TSL OIM (all versions), and as MTEX, EMsoft, ASTAR (NanoMegas) and orix write them.

Specification: the NOTES block of OIM's own files ("Version 1 ... 7", phase index 0 for a single phase), which MTEX's
loader quotes (https://github.com/mtex-toolbox/mtex/blob/develop/interfaces/loadEBSD_ang.m). Angles are Bunge's in rad,
the crystal has x || a, coordinates are those of points, the centres of cells, in um (ASTAR: nm).

Not indexed are points with CI < 0, with an angle of 4 pi, of a negative phase, of phase 0 where the header has several
phases and none of the number 0, and the all-zero rows that MTEX writes for points without data. A hexagonal grid comes
as the square grid of its nearest points. Points that the file leaves out are not indexed. Decimal commas and files
packed by gzip are accepted. Where the header's grid is not that of the coordinates, see
:mod:`polyrve.adapters.ebsd.grid`.

Why not orix: its reader takes several times as long, knows no frames, hexagonal grids, missing rows or the columns of
versions 6 to 8, and takes phase 0 of multi-phase files for a phase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from polyrve.adapters import text_lines
from polyrve.adapters.content import Content
from polyrve.adapters.ebsd import ang_header, angle_units, grid, map_text, scan, tsl
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.sections import planar
from polyrve.adapters.text_rows import write_rows
from polyrve.adapters.warned import warn
from polyrve.backend.safe_text import quoted
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_COLUMNS: dict[str, tuple[str, ...]] = {
    "TSL": ("phi1", "PHI", "phi2", "x", "y", "IQ", "CI", "Phase", "SEM", "Fit"),
    "TSL 6": ("phi1", "PHI", "phi2", "x", "y", "IQ", "CI", "Phase", "SEM", "Fit", "PRIAS Bottom Strip",
              "PRIAS Center Square", "PRIAS Top Strip", "Custom Value"),
    "EMsoft": ("phi1", "PHI", "phi2", "x", "y", "IQ", "DP", "Phase"),
    "ASTAR": ("phi1", "PHI", "phi2", "x", "y", "Index", "Reliability", "Phase", "Reliability x 100"),
}  # fmt: skip
_ALIASES = {
    "phi1": "phi1", "euler1": "phi1", "phi": "PHI", "euler2": "PHI", "phi2": "phi2", "euler3": "phi2", "x": "x",
    "y": "y", "iq": "IQ", "imagequality": "IQ", "ci": "CI", "confidenceindex": "CI", "phase": "Phase",
    "phaseid": "Phase", "phaseindex": "Phase", "sem": "SEM", "semsignal": "SEM", "detectorsignal": "SEM",
    "fit": "Fit", "patternfit": "Fit",
}  # fmt: skip


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    columns: tuple[str, ...] | None = None,
    degrees: bool | None = None,
    partial: bool = False,
) -> OrientationMap:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"edax-2"``, EDAX's own default, with a warning, because the
        file does not store it. For what ASTAR and orix write the default is ``"none"``, with the same warning.
    columns : tuple of str, optional
        Names of the columns, with phi1, PHI, phi2, x, y and Phase among them, where the file has others than it says.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default what the header says, else rad.
    partial : bool
        Whether to take what is there of a scan that was interrupted, or of a file that was cut.

    Returns
    -------
    OrientationMap
        Further columns are its ``properties``: ``"IQ"``, ``"CI"``, ``"SEM"``, ``"Fit"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .ang file, breaks off before its header's number of points, or has angles too large for rad.

    Warns ----- FrameWarning If neither the caller nor the file says the frame. UserWarning If points are missing, the
    header's grid is not that of the coordinates, a hexagonal grid was brought to a square one, or something looks
    wrong.
    """
    path = Path(path)
    content = Content.of(path)
    data = text_lines.without_tail(content.data)
    lines, start = ang_header.split(data)
    header = ang_header.parse(path, lines)
    names = columns or header.columns
    body: bytes | memoryview
    if _has_names(data, start):
        body, begin = _numbers_for_names(bytes(data[start:]), header.phases), 0
    else:
        body, begin = _with_points(data, start)
    table = read_table(body, path, len(lines) + 1, begin, least=8, partial=partial)
    if header.columns is None and columns is None:
        names = _guess_columns(path, table, header)
    places = _places(path, table, names or (), header)
    return _assemble(path, header, table, places, frame, degrees, partial, content)


def write(
    data: OrientationMap | OrientationVolume,
    path: str | Path,
    *,
    frame: str | reference_frames.Frame = "none",
    section: str | None = None,
    force: bool = False,
) -> None:
    """Write an orientation map.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume or GrainMap
        A volume must have nz = 1, unless a section is named.
    path : path-like
    frame : str or Frame
        Frame that the angles are written in; by default the map's own. It is noted in the header and read back.
    section : str, optional
        Section of a volume, such as ``"z:12"``; see :func:`polyrve.adapters.sections.cut`.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError
        If the data is no map.
    FileExistsError
        If the file exists and `force` is not given.
    """
    field = planar(data, section)
    euler_frame = frame if isinstance(frame, reference_frames.Frame) else reference_frames.named(frame)
    rows, columns = field.shape
    dy, dx = field.spacing
    indexed = field.indexed.ravel()
    angles = rotation.to_euler(euler_frame.undo(field.quaternions.reshape(-1, 4)))
    angles[~indexed] = tsl.UNINDEXED_ANGLE
    y = np.repeat(grid.centres(field.origin[0], dy, rows), columns)
    x = np.tile(grid.centres(field.origin[1], dx, columns), rows)
    confidence = np.where(indexed, np.maximum(map_text.property_of(field, "CI", 1.0), 0.0), -1.0)
    fit = np.where(indexed, map_text.property_of(field, "Fit", 0.0), 180.0)
    phase_ids = np.zeros(rows * columns) if len(field.phases) == 1 else field.phase_ids.ravel()
    table = [
        *angles.T, x, y, map_text.property_of(field, "IQ", 0.0), confidence,
        phase_ids, map_text.property_of(field, "SEM", 0.0), fit,
    ]  # fmt: skip
    form = "%11.8f %11.8f %11.8f %14.8f %14.8f %8.1f %6.3f %2d %6d %7.3f"
    with replacing(path, force=force) as partial, partial.open("w", encoding="latin-1", errors="replace") as file:
        file.write(ang_header.written(field, euler_frame))
        write_rows(file, form, table)


def _has_names(data: memoryview, start: int) -> bool:
    first = bytes(data[start : start + 4096]).lstrip().split(b"\n", 1)[0]
    return re.search(rb"[A-Za-z]{3}", re.sub(rb"(?i)nan|inf", b"", first)) is not None


def _with_points(data: memoryview, start: int) -> tuple[bytes | memoryview, int]:
    """The data and where it begins, with decimal points where the first line has decimal commas alone."""
    end = ang_header.LINE_END.search(data, start)
    first = bytes(data[start : len(data) if end is None else end.start()])
    if b"," not in first or b"." in first:
        return data, start
    return bytes(data[start:]).replace(b",", b"."), 0


def _numbers_for_names(body: bytes, phases: Mapping[int, Phase]) -> bytes:
    """The data with the phase names that some files have in the phase column replaced by their numbers."""
    codings = ("utf-8", "latin-1")
    names = {phase.name.encode(code, "replace"): number for number, phase in phases.items() for code in codings}
    for name in sorted(names, key=len, reverse=True):
        body = body.replace(name, str(names[name]).encode())
    return re.sub(rb"(?i)not[ _]?indexed", b"-1", body)


def _guess_columns(path: Path, table: np.ndarray, header: ang_header.Header) -> tuple[str, ...]:
    count = table.shape[1]
    version = header.values.get("VERSION", ("", 0))[0]
    key = header.flavour if header.flavour in _COLUMNS else "TSL"
    if key == "TSL" and version == "6":
        key = "TSL 6"
    names = list(_COLUMNS[key][:count])
    if count < 8:
        raise FormatError(path, f"expected at least 8 columns (phi1, PHI, phi2, x, y, IQ, CI, phase); got {count}")
    names += [f"column {number}" for number in range(len(names) + 1, count + 1)]
    known = {0.0, -1.0, *map(float, header.phases)}
    if not version and (table[:, 7] != np.rint(table[:, 7])).any():
        for column in range(8, count):
            if set(np.unique(table[: 1 << 16, column]).tolist()) <= known:
                names[7:] = ["Fit", *(f"column {number}" for number in range(9, count + 1))]
                names[column] = "Phase"
                break
    return tuple(names)


def _places(path: Path, table: np.ndarray, names: tuple[str, ...], header: ang_header.Header) -> dict[str, int]:
    """Place of every column in the table, by name."""
    if len(names) != table.shape[1]:
        line = header.values.get("COLUMN_HEADERS", ("", 0))[1]
        raise FormatError(
            path, f"expected {len(names)} columns ({', '.join(names)}); got {table.shape[1]}", f"line {line}"
        )
    places: dict[str, int] = {}
    for place, name in enumerate(names):
        known = _ALIASES.get(re.sub(r"[^a-z0-9]", "", name.lower()), name)
        places[known if known not in places else f"{known} ({place + 1})"] = place
    missing = [name for name in ("phi1", "PHI", "phi2", "x", "y", "Phase") if name not in places]
    if missing:
        raise FormatError(path, f"expected the columns phi1, PHI, phi2, x, y, Phase; got none named {missing[0]}")
    return places


def _assemble(
    path: Path,
    header: ang_header.Header,
    table: np.ndarray,
    places: dict[str, int],
    asked: str | reference_frames.Frame | None,
    degrees: bool | None,
    partial: bool,
    content: Content,
) -> OrientationMap:
    of_angles = [places.pop(name) for name in ("phi1", "PHI", "phi2")]
    beside = slice(of_angles[0], of_angles[0] + 3)
    angles = table[:, beside if of_angles == list(range(beside.start, beside.stop)) else of_angles]
    columns = {name: table[:, place] for name, place in places.items()}
    x, y, phase = columns.pop("x"), columns.pop("y"), columns.pop("Phase")
    if header.flavour == "ASTAR":
        x, y = x / 1000.0, y / 1000.0
    claimed = ~tsl.marked(angles) & (phase >= 0)
    if "CI" in columns:
        claimed &= ~(columns["CI"] < 0)
    angles = angle_units.euler_in_rad(
        path, angles, claimed, degrees=degrees, usual="degrees" if header.degrees else "rad", where="phi1, PHI, phi2"
    )
    indexed, steps = tsl.solved(angles, columns)
    indexed &= claimed
    doubt = tsl.doubt(phase, header.phases, indexed, columns, angles)
    phase_ids = tsl.phase_numbers(path, phase, header.phases, indexed)
    indexed &= phase_ids > 0
    phase_ids[~indexed] = 0
    quaternions = scan.from_angles(path, angles, indexed)
    found = _grid(path, header, x, y, indexed, partial)
    default = "edax-2" if header.flavour in ("TSL", "EMsoft") else "none"
    frame = map_text.choose_frame(path, asked, header.frame, default)
    field = scan.assemble(
        path, "ang", quaternions=quaternions, phase_ids=phase_ids,
        phases=tuple(header.phases[i] for i in sorted(header.phases)), shape=found.shape, spacing=found.spacing,
        origin=found.origin, frame=frame, properties=columns, cells=found.cells, steps=[*steps, *found.steps],
        doubts=[doubt] if doubt else [], content=content,
    )  # fmt: skip
    return cast(OrientationMap, field)


def _grid(
    path: Path, header: ang_header.Header, x: np.ndarray, y: np.ndarray, indexed: np.ndarray, partial: bool
) -> grid.Grid:
    """The grid of the header, else that of the coordinates: a scan without a single orientation is not mended."""
    kind = header.values.get("GRID", ("SqrGrid", 0))[0].rstrip("#").strip()
    if kind not in ("SqrGrid", "HexGrid"):
        line = f"line {header.values['GRID'][1]}"
        raise FormatError(path, f"expected a header line GRID: SqrGrid or HexGrid; got {quoted(kind)}", line)
    absent = [key for key in ("NCOLS_ODD", "NROWS", "XSTEP", "YSTEP") if key not in header.values]
    if header.flavour == "ASTAR" and "NROWS" in absent:
        return grid.of_coordinates(path, (y, x), partial=partial)
    if absent and not indexed.any():
        raise FormatError(path, f"expected a header line {absent[0]}; got none")
    if absent:
        found = grid.of_coordinates(path, (y, x), partial=partial)
        warn(f"{path}: the header has no line {', '.join(absent)}; {found.text()} are read, as the coordinates say")
        return found
    odd, rows = int(header.number(path, "NCOLS_ODD")), int(header.number(path, "NROWS"))
    dx = header.number(path, "XSTEP", zero=odd == 1 and kind == "SqrGrid")
    dy = header.number(path, "YSTEP", zero=rows == 1 and kind == "SqrGrid")
    dx, dy = dx or dy or 1.0, dy or dx or 1.0
    even = int(header.number(path, "NCOLS_EVEN")) if "NCOLS_EVEN" in header.values else odd
    if kind == "SqrGrid":
        return grid.square(path, (y, x), (rows, odd), (dy, dx), partial=partial)
    return grid.hexagonal(path, x, y, rows, odd, even, (dy, dx), partial=partial)
