"""Tables of points (.txt, .csv): what Channel 5, OIM Analysis and MTEX export beside their own formats.

Specification, as far as there is one:

* Channel 5: a line of column names, tabs between them: Index, Phase, X, Y, Euler1 ... Euler3 (degrees), MAD, BC, BS,
  Bands, Error, ReliabilityIndex, as in MTEX's example 85_829grad_07_09_06.txt. Phase 0 is not indexed, x || a*.
* OIM Analysis: lines "# Column 1-3: phi1, PHI, phi2 (orientation of point in radians)", "# Column 4-5: x, y
  (coordinates of point in microns)" and so on, with the name or the number of the phase in one column; see
  https://github.com/mtex-toolbox/mtex/blob/develop/interfaces/loadEBSD_csv.m. The marks of points that are not indexed
  are those of an .ang (:mod:`polyrve.adapters.ebsd.tsl`), x || a.
* MTEX: a line of column names, among them phi1, Phi, phi2 (degrees unless asked for otherwise), phase, x, y; see
  https://github.com/mtex-toolbox/mtex/blob/develop/EBSDAnalysis/@EBSD/export.m.

Such tables have neither a grid, which follows from the coordinates, nor symmetries or lattices of phases: the option
`laue` says them. Columns may be separated by tabs, blanks, commas or semicolons.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np

from polyrve.adapters import text_lines
from polyrve.adapters.content import Content
from polyrve.adapters.ebsd import angle_units, grid, map_text, scan, tsl
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.backend.safe_text import quoted, shown
from polyrve.crystallography import reference_frames
from polyrve.microstructure.fields import OrientationMap

_START = 1 << 16
_MOST_LINES, _MOST_PHASES = 1000, 255
_NAMES = {
    "euler1": "phi1", "phi1": "phi1", "euler2": "PHI", "phi": "PHI", "euler3": "phi2", "phi2": "phi2",
    "x": "x", "xposition": "x", "xpos": "x", "y": "y", "yposition": "y", "ypos": "y",
    "phase": "Phase", "phaseid": "Phase", "phaseindex": "Phase", "phasename": "Phase",
    "iq": "IQ", "ci": "CI", "semsignal": "SEM", "sem": "SEM", "fit": "Fit",
}  # fmt: skip
_NEEDED = ("phi1", "PHI", "phi2", "x", "y")
_COLUMN = re.compile(r"#\s*Column\s+(\d{1,3})(?:\s*-\s*(\d{1,3}))?\s*:\s*([^(]*)(?:\((.*)\))?", re.IGNORECASE)
_FRAMES = {"Channel 5": "oxford-cs0", "OIM": "edax-2", "MTEX": "none"}
_AXES = {"Channel 5": "a*", "OIM": "a", "MTEX": "a*"}
_READABLE = (
    "tables of Channel 5 (a line of names with X, Y, Euler1, Euler2, Euler3), OIM (lines # Column 1-3: phi1, PHI, "
    "phi2) and MTEX (a line of names with phi1, Phi, phi2, x, y) can be read; better export .ctf, .ang or .h5oina, "
    "which know the phases"
)


@dataclass(frozen=True)
class _Layout:
    """What the beginning of a table says.

    Attributes
    ----------
    program : {"Channel 5", "OIM", "MTEX"}
    names : tuple of str
        Of the columns.
    separator : str
        Between columns; "" for blanks and tabs.
    degrees : bool
        Whether angles are in degrees, by the program or by what is said beside the names.
    lines : int
        Number of lines before the points.
    start : int
        Where the points begin.
    """

    program: str
    names: tuple[str, ...]
    separator: str
    degrees: bool
    lines: int
    start: int


def recognises(path: Path) -> bool:
    """Whether a text file begins as one of these tables does."""
    with path.open("rb") as file:
        data = file.read(_START)
    if data[:2] == b"\x1f\x8b":
        try:
            data = zlib.decompressobj(wbits=31).decompress(data, _START)
        except zlib.error:
            return False
    return _layout(data) is not None


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    laue: str | Sequence[str] | None = None,
    degrees: bool | None = None,
    x_axis: Literal["a", "a*"] | None = None,
    partial: bool = False,
) -> OrientationMap:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"oxford-cs0"`` for Channel 5, ``"edax-2"`` for OIM and
        ``"none"`` for MTEX, with a warning.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; by default m-3m, with a warning.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default as the program writes them: those of OIM in rad, others in
        degrees.
    x_axis : {"a", "a*"}, optional
        What lies along x of the crystal frame; by default a in tables of OIM, a* in others.
    partial : bool
        Whether a last line that was cut is left out.

    Returns
    -------
    OrientationMap
        Further columns are its ``properties``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such table, or its points lie on no grid.

    Warns
    -----
    FrameWarning
        If the caller does not say the frame.
    UserWarning
        If the caller does not say the Laue groups, points are missing, a hexagonal grid was brought to a square one, or
        the crystal axes of hexagonal phases in a table of MTEX are not known.
    """
    path = Path(path)
    content = Content.of(path)
    data = bytes(text_lines.without_tail(content.data))
    layout = _layout(data)
    if layout is None:
        start = text_lines.decoded(data[:200]).split("\n", 1)[0]
        raise FormatError(path, f"expected a table of points; got {quoted(start, most=60)}: {_READABLE}", "line 1")
    body, named = _numbers(path, data[layout.start :], layout)
    table = read_table(body, path, layout.lines + 1, least=len(_NEEDED), partial=partial)
    columns = _columns(path, table, layout)
    angles = np.stack([columns.pop(name) for name in ("phi1", "PHI", "phi2")], axis=1)
    x, y = columns.pop("x"), columns.pop("y")
    number = columns.pop("Phase", np.ones(len(x)))
    claimed = np.isfinite(angles).all(axis=1) & ~tsl.marked(angles)
    if "CI" in columns:
        claimed &= ~(columns["CI"] < 0)
    phase_ids, count = _phase_ids(path, number, claimed & (angles != 0).any(axis=1))
    phase_ids[~claimed] = 0
    usual = "degrees" if layout.degrees else "rad"
    angles = angle_units.euler_in_rad(path, angles, phase_ids > 0, degrees=degrees, usual=usual, where="Euler angles")
    found = grid.of_coordinates(path, (y, x), partial=True)
    phases = scan.unsaid_phases(path, count, named, laue)
    if layout.program == "MTEX" and x_axis is None:
        map_text.warn_of_axes(path, "MTEX", phases)
    field = scan.assemble(
        path, "table", quaternions=scan.from_angles(path, angles, phase_ids > 0), phase_ids=phase_ids,
        phases=phases, shape=found.shape, spacing=found.spacing, origin=found.origin,
        frame=reference_frames.choose(frame, None, _FRAMES[layout.program], str(path)),
        x_axis=x_axis or _AXES[layout.program], properties=columns, cells=found.cells, steps=found.steps,
        content=content,
    )  # fmt: skip
    return cast(OrientationMap, field)


def _layout(data: bytes) -> _Layout | None:
    """The layout of a table by its first lines; None where it is none of those that are known."""
    columns: dict[int, str] = {}
    said = ""
    start = len(text_lines.BYTE_ORDER_MARK) if data.startswith(text_lines.BYTE_ORDER_MARK) else 0
    for number in range(1, _MOST_LINES):
        end = data.find(b"\n", start, start + _START)
        line = text_lines.decoded(data[start : len(data) if end < 0 else end]).strip()
        match = _COLUMN.match(line)
        if match:
            first, last = int(match[1]), int(match[2] or match[1])
            names = [name.strip() for name in match[3].split(",")]
            columns.update(zip(range(first, last + 1), names, strict=False))
            said += match[4] or "" if "phi1" in names else ""
        elif line and not line.startswith("#"):
            if columns:
                order = tuple(columns.get(i, f"column {i}") for i in range(1, max(columns) + 1))
                return _checked(_Layout("OIM", order, "", "deg" in said.lower(), number - 1, start))
            separator = next((mark for mark in ("\t", ";", ",") if mark in line), "")
            names = [name.strip(' "') for name in (line.split(separator) if separator else line.split())]
            angle = next((name.lower() for name in names if _known(name) == "phi1"), "")
            program, in_rad = "Channel 5" if "euler" in angle else "MTEX", "rad" in angle
            after = len(data) if end < 0 else end + 1
            return _checked(_Layout(program, _trimmed(names), separator, not in_rad, number, after))
        if end < 0:
            return None
        start = end + 1
    return None


def _checked(layout: _Layout) -> _Layout | None:
    known = [_known(name) for name in layout.names]
    return layout if all(known.count(name) == 1 for name in _NEEDED) and len(known) < 1000 else None


def _trimmed(names: list[str]) -> tuple[str, ...]:
    """Names without the empty ones behind a last separator."""
    while names and not names[-1]:
        names = names[:-1]
    return tuple(names)


def _known(name: str) -> str:
    """The name that a column has here: without its unit, blanks and case."""
    plain = re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[].*", "", name).lower())
    return _NAMES.get(plain, name)


def _numbers(path: Path, body: bytes, layout: _Layout) -> tuple[bytes, list[str]]:
    """The points with blanks between columns, decimal points, and numbers for names of phases; and these names."""
    if layout.separator == ",":
        body = _filled(body, b",").replace(b",", b" ")
    else:
        body = body.replace(b",", b".")
        body = _filled(body, layout.separator.encode()).replace(b";", b" ") if layout.separator else body
    if not re.search(rb"[A-Za-z]{2}", re.sub(rb"(?i)nan|inf", b"", body[:_START])):
        return body, []
    known = [_known(name) for name in layout.names]
    if "Phase" not in known:
        return body, []
    place = known.index("Phase")
    numbers: dict[bytes, bytes] = {b"notindexed": b"0"}
    names: list[str] = []
    lines = []
    for line in body.split(b"\n"):
        fields = line.strip().split(None, place)
        if len(fields) <= place:
            lines.append(line)
            continue
        rest = fields[place].rsplit(None, len(known) - 1 - place) if place < len(known) - 1 else [fields[place]]
        name = rest[0].strip(b' "')
        key = name.lower().replace(b" ", b"")
        if key not in numbers:
            if len(names) >= _MOST_PHASES:
                raise FormatError(path, f"expected at most {_MOST_PHASES} names of phases; got more")
            names.append(text_lines.decoded(name))
            numbers[key] = str(len(names)).encode()
        lines.append(b" ".join([*fields[:place], numbers[key], *rest[1:]]))
    return b"\n".join(lines), names


def _filled(body: bytes, separator: bytes) -> bytes:
    """Lines with "nan" where nothing stands between separators."""
    double = separator + separator
    for _ in range(2):
        body = body.replace(double, separator + b"nan" + separator)
    return body


def _columns(path: Path, table: np.ndarray, layout: _Layout) -> dict[str, np.ndarray]:
    names = layout.names
    if len(names) > table.shape[1] and set(_NEEDED) <= {_known(name) for name in names[: table.shape[1]]}:
        absent = ", ".join(shown(name, most=40) for name in names[table.shape[1] :][:10])
        warn(f"{path}: {len(names)} columns are named; the lines have {table.shape[1]}, and {absent} is left out")
        names = names[: table.shape[1]]
    if len(names) != table.shape[1]:
        where = f"line {layout.lines + 1}"
        raise FormatError(path, f"expected {len(names)} columns, as are named; got {table.shape[1]}", where)
    columns: dict[str, np.ndarray] = {}
    for place, name in enumerate(names):
        known = _known(name) or f"column {place + 1}"
        columns[known if known not in columns else f"{known} ({place + 1})"] = np.ascontiguousarray(table[:, place])
    return columns


def _phase_ids(path: Path, number: np.ndarray, turned: np.ndarray) -> tuple[np.ndarray, int]:
    """Phases of points, 0 where not indexed, and how many there are; phase 0 is one where there is no other."""
    wrong = ~(np.abs(number) <= _MOST_PHASES) | (number != np.rint(number))
    if wrong.any():
        at = int(np.argmax(wrong))
        found = f"{number[at]:g} at point {at}"
        raise FormatError(path, f"expected a phase 0 ... {_MOST_PHASES}; got {found}", "phase column")
    largest = int(number.max(initial=0))
    if largest <= 0:
        return ((number == 0) & turned).astype(np.int32), 1
    return np.maximum(number, 0).astype(np.int32), largest
