"""EDAX .ang text files: TSL OIM (all versions), and as MTEX, EMsoft, ASTAR (NanoMegas) and orix write them.

Specification: the NOTES block of OIM's own files ("Version 1 ... 7", phase index 0 for a single phase). Angles are
Bunge's in rad, the crystal has x || a, coordinates are in um (ASTAR: nm).

Not indexed are points with CI < 0, with an angle of 4 pi, of a negative phase, of phase 0 where the header has several
phases and none of the number 0, and the all-zero rows that MTEX writes for points without data. A hexagonal grid comes
as the square grid of its nearest points. Points that the file leaves out are not indexed. Decimal commas are accepted.

Why not orix: its reader takes several times as long, knows no frames, hexagonal grids, missing rows or the columns of
versions 6 to 8, and takes phase 0 of multi-phase files for a phase.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np

from polyrve import __version__, frames, rotation
from polyrve.adapters import scan, text_lines
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.sections import cut
from polyrve.crystal import Phase, laue_group
from polyrve.orientation import OrientationMap, OrientationVolume

LAUE_OF_NUMBER: dict[int, str] = {
    1: "-1", 2: "2/m", 20: "2/m", 21: "2/m", 22: "mmm", 3: "-3", 32: "-3m", 4: "4/m", 42: "4/mmm", 6: "6/m",
    62: "6/mmm", 23: "m-3", 43: "m-3m",
    **dict.fromkeys((100, 101), "-1"), **dict.fromkeys((102, 103, 104, *range(132, 138)), "2/m"),
    **dict.fromkeys(range(105, 108), "mmm"), **dict.fromkeys(range(108, 111), "4/m"),
    **dict.fromkeys(range(111, 115), "4/mmm"), **dict.fromkeys((115, 116), "-3"),
    **dict.fromkeys(range(117, 120), "-3m"), **dict.fromkeys(range(120, 123), "6/m"),
    **dict.fromkeys(range(123, 127), "6/mmm"), **dict.fromkeys((127, 128), "m-3"),
    **dict.fromkeys(range(129, 132), "m-3m"),
}  # fmt: skip
"""Laue group of the symmetry numbers of TSL (rotation groups, below 100) and OIM (point groups, from 100)."""

NUMBER_OF_LAUE: dict[str, int] = {
    "-1": 1, "2/m": 20, "mmm": 22, "4/m": 4, "4/mmm": 42, "-3": 3, "-3m": 32, "6/m": 6, "6/mmm": 62, "m-3": 23,
    "m-3m": 43,
}  # fmt: skip
"""TSL's symmetry number of every Laue group; that of 2/m has b as the two-fold axis (2: c, 21: a)."""

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
_FRAME_NOTE = "polyrve frame:"
_UNINDEXED_ANGLE = 4.0 * np.pi
_MAX_HEADER_LINES = 100_000
_LINE_END = re.compile(rb"\n")


@dataclass
class _Header:
    """What the lines that start with # say; `phases` by number in file order."""

    flavour: str
    values: dict[str, tuple[str, int]]
    phases: dict[int, Phase]
    columns: tuple[str, ...] | None
    degrees: bool
    frame: frames.Frame | None


def read(
    path: str | Path, *, frame: str | frames.Frame | None = None, columns: tuple[str, ...] | None = None
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

    Returns
    -------
    OrientationMap
        Further columns are its ``properties``: ``"IQ"``, ``"CI"``, ``"SEM"``, ``"Fit"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .ang file, or breaks off before its header's number of points.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    UserWarning
        If points are missing, or a hexagonal grid was brought to a square one.
    """
    path = Path(path)
    content = scan.Content.of(path)
    data = text_lines.without_tail(content.data)
    lines, start = _header_lines(data)
    header = _parse_header(path, lines)
    names = columns or header.columns
    if _has_names(data, start):
        table = read_table(_numbers_for_names(bytes(data[start:]), header.phases), path, len(lines) + 1)
    else:
        body, begin = _with_points(data, start)
        table = read_table(body, path, len(lines) + 1, begin)
    if header.columns is None and columns is None:
        names = _guess_columns(path, table, header)
    return _assemble(path, header, table, _places(path, table, names or (), header), frame, content)


def write(
    data: OrientationMap | OrientationVolume,
    path: str | Path,
    *,
    frame: str | frames.Frame = "none",
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
    field = scan.planar(data if section is None else cut(data, section))
    euler_frame = frame if isinstance(frame, frames.Frame) else frames.named(frame)
    rows, columns = field.shape
    dy, dx = field.spacing
    single = len(field.phases) == 1
    header = [
        "TEM_PIXperUM          1.000000", "x-star                0.000000", "y-star                0.000000",
        "z-star                0.000000", "WorkingDistance       0.000000", "",
    ]  # fmt: skip
    for number, phase in reversed(list(enumerate(field.phases, start=1))):
        constants = " ".join(f"{value:.4f}" for value in scan.unit_cell(phase))
        header += [
            f"Phase {number}", f"MaterialName  \t{phase.name}", f"Formula     \t{phase.name}",
            f"Info\t\t{scan.lattice_remark(phase)}",
            f"Symmetry              {NUMBER_OF_LAUE[phase.laue]}", f"LatticeConstants      {constants}",
            "NumberFamilies        0", "",
        ]  # fmt: skip
    header += [
        "GRID: SqrGrid", f"XSTEP: {dx:.8f}", f"YSTEP: {dy:.8f}", f"NCOLS_ODD: {columns}", f"NCOLS_EVEN: {columns}",
        f"NROWS: {rows}", "", f"OPERATOR: \tpolyrve {__version__}", "", "SAMPLEID: \t", "", "SCANID: \t", "",
        "NOTES: Start", f"{_FRAME_NOTE} {scan.frame_note(euler_frame)}", "NOTES: End", "",
    ]  # fmt: skip
    indexed = field.indexed.ravel()
    angles = rotation.to_euler(euler_frame.undo(field.quaternions.reshape(-1, 4)))
    angles[~indexed] = _UNINDEXED_ANGLE
    y, x = (np.arange(rows * columns) // columns) * dy, (np.arange(rows * columns) % columns) * dx
    quality = scan.property_of(field, "IQ", 0.0)
    confidence = np.where(indexed, np.maximum(scan.property_of(field, "CI", 1.0), 0.0), -1.0)
    fit = np.where(indexed, scan.property_of(field, "Fit", 0.0), 180.0)
    phase_ids = np.zeros(rows * columns) if single else field.phase_ids.ravel()
    table = np.column_stack(
        [
            angles,
            x + field.origin[1],
            y + field.origin[0],
            quality,
            confidence,
            phase_ids,
            scan.property_of(field, "SEM", 0.0),
            fit,
        ]
    )
    form = "%11.8f %11.8f %11.8f %14.8f %14.8f %8.1f %6.3f %2d %6d %7.3f\n"
    with replacing(path, force=force) as partial, partial.open("w", encoding="latin-1", errors="replace") as file:
        file.write("".join(f"# {line}".rstrip(" ") + "\n" for line in header))
        scan.write_rows(file, form, table)


def _header_lines(data: memoryview) -> tuple[list[str], int]:
    lines: list[str] = []
    mark = len(text_lines.BYTE_ORDER_MARK)
    start = mark if bytes(data[:mark]) == text_lines.BYTE_ORDER_MARK else 0
    while len(lines) < _MAX_HEADER_LINES:
        found = _LINE_END.search(data, start)
        end = len(data) if found is None else found.start()
        line = bytes(data[start:end]).strip()
        if start >= len(data) or (line and not line.startswith(b"#")):
            break
        lines.append(text_lines.decoded(line).lstrip("#").strip())
        start = end + 1
    return lines, start


def _parse_header(path: Path, lines: list[str]) -> _Header:
    text = "\n".join(lines)
    flavour = "TSL"
    for name, mark in (("EMsoft", "EMsoft"), ("ASTAR", "ACOM"), ("orix", "Column names: phi1, Phi, phi2")):
        if mark in text:
            flavour = name
    values: dict[str, tuple[str, int]] = {}
    blocks: list[tuple[int, dict[str, tuple[str, int]]]] = []
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"Phase:?\s+(\d{1,6})", line)
        if match:
            blocks.append((int(match[1]), {}))
            continue
        key, _, value = line.replace("\t", " ").partition(" ")
        key = key.rstrip(":")
        if key == "MaterialName" and (not blocks or "MaterialName" in blocks[-1][1]):
            taken = {block[0] for block in blocks}
            blocks.append((max(taken) + 1 if taken else 1, {}))
        if key in ("MaterialName", "Formula", "Info", "Symmetry", "LatticeConstants") and blocks:
            blocks[-1][1].setdefault(key, (value.strip(), number))
        elif key not in values:
            values[key] = (value.strip(), number)
    phases: dict[int, Phase] = {}
    for number, block in blocks:
        if number in phases:
            raise FormatError(path, f"expected one block per phase; got Phase {number} twice")
        phases[number] = _parse_phase(path, number, block)
    if not phases:
        raise FormatError(path, "expected a header with at least one phase (# MaterialName); got none")
    note = next((line[len(_FRAME_NOTE) :].strip() for line in lines if line.startswith(_FRAME_NOTE)), None)
    names = None
    if "COLUMN_HEADERS" in values:
        names = values["COLUMN_HEADERS"][0].split(",")
    elif flavour == "orix":
        names = next(line for line in lines if line.startswith("Column names:")).split(":", 1)[1].split(",")
    units = values.get("COLUMN_UNITS", ("", 0))[0].lower().split(",")
    return _Header(
        flavour=flavour,
        values=values,
        phases=phases,
        columns=tuple(name.strip() for name in names) if names else None,
        degrees=units[0].strip().startswith("deg"),
        frame=scan.noted_frame(path, note) if note else None,
    )


def _parse_phase(path: Path, number: int, block: Mapping[str, tuple[str, int]]) -> Phase:
    name = block.get("MaterialName", ("", 0))[0] or block.get("Formula", ("", 0))[0] or f"phase {number}"
    symmetry, line = block.get("Symmetry", ("", 0))
    where = f"line {line}" if line else ""
    try:
        group = LAUE_OF_NUMBER[int(symmetry)] if symmetry.isdecimal() else symmetry
        laue_group(group)
    except (KeyError, ValueError):
        raise FormatError(
            path, f"expected a symmetry number such as 43 or a point group such as m-3m; got {symmetry!r}", where
        ) from None
    text, line = block.get("LatticeConstants", ("0 0 0 90 90 90", 0))
    try:
        lattice = [float(value) for value in text.replace(",", ".").split()]
    except ValueError:
        lattice = []
    if len(lattice) < 6:
        raise FormatError(path, f"expected six lattice constants; got {text!r}", f"line {line}")
    if block.get("Info", ("", 0))[0] == scan.UNKNOWN_LATTICE:
        lattice[:3] = (0.0, 0.0, 0.0)
    return scan.make_phase(path, name, group, lattice[:6], where=f"line {line}")


def _has_names(data: memoryview, start: int) -> bool:
    first = bytes(data[start : start + 4096]).lstrip().split(b"\n", 1)[0]
    return re.search(rb"[A-Za-z]{3}", re.sub(rb"(?i)nan|inf", b"", first)) is not None


def _with_points(data: memoryview, start: int) -> tuple[bytes | memoryview, int]:
    """The data and where it begins, with decimal points where the first line has decimal commas alone."""
    end = _LINE_END.search(data, start)
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


def _guess_columns(path: Path, table: np.ndarray, header: _Header) -> tuple[str, ...]:
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


def _places(path: Path, table: np.ndarray, names: tuple[str, ...], header: _Header) -> dict[str, int]:
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
    header: _Header,
    table: np.ndarray,
    places: dict[str, int],
    asked: str | frames.Frame | None,
    content: scan.Content,
) -> OrientationMap:
    of_angles = [places.pop(name) for name in ("phi1", "PHI", "phi2")]
    beside = slice(of_angles[0], of_angles[0] + 3)
    angles = table[:, beside if of_angles == list(range(beside.start, beside.stop)) else of_angles]
    columns = {name: table[:, place] for name, place in places.items()}
    x, y, phase = columns.pop("x"), columns.pop("y"), columns.pop("Phase")
    if header.flavour == "ASTAR":
        x, y = x / 1000.0, y / 1000.0
    if header.degrees:
        angles = np.deg2rad(angles)
    indexed, steps = solved(angles, columns)
    phase_ids = phase_numbers(path, phase, header.phases, indexed)
    indexed &= phase_ids > 0
    phase_ids[~indexed] = 0
    quaternions = scan.from_angles(path, angles, indexed)
    shape, spacing, cells, origin = _grid(path, header, x, y, steps)
    default = "edax-2" if header.flavour in ("TSL", "EMsoft") else "none"
    frame = scan.choose_frame(path, asked, header.frame, default)
    field = scan.assemble(
        path, "ang", quaternions=quaternions, phase_ids=phase_ids,
        phases=tuple(header.phases[i] for i in sorted(header.phases)), shape=shape, spacing=spacing,
        origin=origin, frame=frame, properties=columns, cells=cells, steps=steps,
        content=content,
    )  # fmt: skip
    return cast(OrientationMap, field)


def solved(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Points with a solution by EDAX's marks (no angle of 4 pi, no CI below 0, not zero throughout), and the steps."""
    indexed = np.asarray((angles < _UNINDEXED_ANGLE - 1e-3).all(axis=1))
    steps = []
    if "CI" in columns:
        indexed &= ~(columns["CI"] < 0)
    empty = without_data(angles, columns)
    if empty is not None:
        indexed &= ~empty
        steps.append(f"{np.count_nonzero(empty)} points with zero angles and zero quality taken as not indexed")
    return indexed, steps


def without_data(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Points that are zero throughout, where others have a quality: MTEX's points without data. None if none."""
    empty = (angles == 0).all(axis=1)
    if not empty.any():
        return None
    for values in columns.values():
        empty &= values == 0
    some = any((values != 0).any() for values in columns.values())
    return empty if some and empty.any() else None


def phase_numbers(path: Path, phase: np.ndarray, phases: Mapping[int, Phase], indexed: np.ndarray) -> np.ndarray:
    """EDAX's phase numbers of points as places in the sorted phases, from 1; 0 where not indexed.

    A negative number is not indexed; 0 is the phase of that number if the header has one, else the only phase, else
    not indexed (also in a file of one phase that has points of that phase's own number beside those of 0).
    """
    number = np.where(indexed, phase, -1.0)
    if len(number) and number.min() == number.max():
        number = number[:1]
    if not (np.abs(number) < 1e6).all() or (number != np.rint(number)).any():
        at = int(np.argmax(~(np.abs(number) < 1e6) | (number != np.rint(number))))
        raise FormatError(path, f"expected a whole phase number; got {phase[at]:g} at point {at}", "phase column")
    number = number.astype(np.int64)
    order = sorted(phases)
    place = {-1: 0, **{name: i for i, name in enumerate(order, start=1)}}
    present = np.flatnonzero(np.bincount(np.maximum(number, -1) + 1)) - 1
    if 0 not in phases:
        place[0] = 1 if len(phases) == 1 and order[0] not in present else 0
    result = np.zeros(len(number), dtype=np.int32)
    for value in present.tolist():
        if value < 0:
            continue
        if value not in place:
            raise FormatError(
                path,
                f"expected a phase of the header ({', '.join(map(str, order))}); got {value} at point "
                f"{int(np.argmax(number == value))}",
                "phase column",
            )
        result[number == value] = place[value]
    return np.broadcast_to(result, phase.shape).copy()


def _grid(
    path: Path, header: _Header, x: np.ndarray, y: np.ndarray, steps: list[str]
) -> tuple[tuple[int, int], tuple[float, float], np.ndarray | None, tuple[float, ...]]:
    kind = header.values.get("GRID", ("", 0))[0].rstrip("#").strip()
    if header.flavour == "ASTAR" and "NROWS" not in header.values:
        shape, step = scan.infer_grid(path, x, y)
        cells, origin = scan.place(path, (y, x), shape, step)
        return shape, step, cells, origin
    if kind not in ("SqrGrid", "HexGrid"):
        raise FormatError(path, f"expected a header line GRID: SqrGrid or HexGrid; got {kind or 'none'}")
    odd, rows = int(_number(path, header, "NCOLS_ODD")), int(_number(path, header, "NROWS"))
    dx = _number(path, header, "XSTEP", zero=odd == 1 and kind == "SqrGrid")
    dy = _number(path, header, "YSTEP", zero=rows == 1 and kind == "SqrGrid")
    dx, dy = dx or dy or 1.0, dy or dx or 1.0
    even = int(_number(path, header, "NCOLS_EVEN")) if "NCOLS_EVEN" in header.values else odd
    if kind == "SqrGrid":
        cells, origin = scan.place(path, (y, x), (rows, odd), (dy, dx))
        return (rows, odd), (dy, dx), cells, origin
    cells, origin = scan.square_from_hexagonal(path, x, y, rows, odd, even, (dy, dx))
    steps.append(f"hexagonal grid of step {dx:g} um to square grid of {dy:g} um by nearest neighbour")
    return (cells.shape[0], cells.shape[1]), (dy, dy), cells, origin


def _number(path: Path, header: _Header, key: str, zero: bool = False) -> float:
    text, line = header.values.get(key, ("", 0))
    if not line:
        raise FormatError(path, f"expected a header line {key}; got none")
    try:
        value = float(text.split()[0].replace(",", ".")) if text else float("nan")
    except ValueError:
        value = float("nan")
    if value == 0 and zero:
        return 0.0
    if not 0 < value < 1e9:
        raise FormatError(path, f"expected a positive number for {key}; got {text!r}", f"line {line}")
    return value
