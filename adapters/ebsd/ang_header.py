"""The header of .ang files: the lines that start with #.

Specification: :mod:`polyrve.adapters.ebsd.ang`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from polyrve import __version__
from polyrve.adapters import text_lines
from polyrve.adapters.ebsd import angle_units, map_text, scan
from polyrve.adapters.ebsd.tsl import LAUE_OF_NUMBER, NUMBER_OF_LAUE
from polyrve.adapters.registry import FormatError
from polyrve.backend.safe_text import quoted
from polyrve.crystallography import reference_frames
from polyrve.crystallography.phase import Phase, laue_group
from polyrve.microstructure.fields import OrientationMap

LINE_END = re.compile(rb"\n")
_MOST_LINES, _MOST_PHASES = 100_000, 255


@dataclass(frozen=True)
class Header:
    """What the header says.

    Attributes
    ----------
    flavour : {"TSL", "EMsoft", "ASTAR", "orix"}
        Program that wrote the file.
    values : mapping of str to (str, int)
        Text and line number of every key.
    phases : mapping of int to Phase
        By number, in the order of the file.
    columns : tuple of str or None
        Names of the columns, where the file has them.
    degrees : bool
        Whether angles are in degrees.
    frame : Frame or None
        The one that polyrve noted.
    """

    flavour: str
    values: Mapping[str, tuple[str, int]]
    phases: Mapping[int, Phase]
    columns: tuple[str, ...] | None
    degrees: bool
    frame: reference_frames.Frame | None

    def number(self, path: Path, key: str, zero: bool = False) -> float:
        """Return a positive number of the header.

        Parameters
        ----------
        path : Path
            For errors.
        key : str
        zero : bool
            Whether 0 will do too.

        Returns
        -------
        float

        Raises
        ------
        FormatError
            If the header has no such line, or another value.
        """
        text, line = self.values.get(key, ("", 0))
        if not line:
            raise FormatError(path, f"expected a header line {key}; got none")
        try:
            value = float(text.split()[0].replace(",", ".")) if text else float("nan")
        except ValueError:
            value = float("nan")
        if value == 0 and zero:
            return 0.0
        if not 0 < value < 1e9:
            raise FormatError(path, f"expected a positive number for {key}; got {quoted(text)}", f"line {line}")
        return value


def split(data: memoryview) -> tuple[list[str], int]:
    """Return the lines of the header, without their #, and where the rows of numbers begin."""
    lines: list[str] = []
    mark = len(text_lines.BYTE_ORDER_MARK)
    start = mark if bytes(data[:mark]) == text_lines.BYTE_ORDER_MARK else 0
    while len(lines) < _MOST_LINES:
        found = LINE_END.search(data, start)
        end = len(data) if found is None else found.start()
        line = bytes(data[start:end]).strip()
        if start >= len(data) or (line and not line.startswith(b"#")):
            break
        lines.append(text_lines.decoded(line).lstrip("#").strip())
        start = end + 1
    return lines, start


def parse(path: Path, lines: list[str]) -> Header:
    """Return what the lines of a header say.

    Parameters
    ----------
    path : Path
        For errors.
    lines : list of str
        Of :func:`split`.

    Returns
    -------
    Header

    Raises
    ------
    FormatError
        If they describe no phases, or one that cannot be.
    """
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
    for number, block in blocks[: _MOST_PHASES + 1]:
        if number in phases:
            raise FormatError(path, f"expected one block per phase; got Phase {number} twice")
        phases[number] = _phase(path, number, block)
    if len(phases) > _MOST_PHASES:
        raise FormatError(path, f"expected at most {_MOST_PHASES} phases; got {len(phases)}")
    if not phases:
        raise FormatError(path, "expected a header with at least one phase (# MaterialName); got none")
    note = next((line for line in lines if line.startswith(map_text.FRAME_NOTE)), "")
    names = None
    if "COLUMN_HEADERS" in values:
        names = values["COLUMN_HEADERS"][0].split(",")
    elif flavour == "orix":
        names = next(line for line in lines if line.startswith("Column names:")).split(":", 1)[1].split(",")
    units = values.get("COLUMN_UNITS", ("", 0))[0].lower().split(",")
    return Header(
        flavour=flavour,
        values=values,
        phases=phases,
        columns=tuple(name.strip() for name in names) if names else None,
        degrees=units[0].strip().startswith("deg"),
        frame=map_text.noted_frame(path, note),
    )


def _phase(path: Path, number: int, block: Mapping[str, tuple[str, int]]) -> Phase:
    name = block.get("MaterialName", ("", 0))[0] or block.get("Formula", ("", 0))[0] or f"phase {number}"
    symmetry, line = block.get("Symmetry", ("", 0))
    where = f"line {line}" if line else ""
    try:
        group = LAUE_OF_NUMBER[int(symmetry)] if symmetry.isdecimal() else symmetry
        laue_group(group)
    except (KeyError, ValueError):
        raise FormatError(
            path, f"expected a symmetry number such as 43 or a point group such as m-3m; got {quoted(symmetry)}", where
        ) from None
    text, line = block.get("LatticeConstants", ("0 0 0 90 90 90", 0))
    try:
        lattice = [float(value) for value in text.replace(",", ".").split()]
    except ValueError:
        lattice = []
    if len(lattice) < 6:
        raise FormatError(path, f"expected six lattice constants; got {quoted(text)}", f"line {line}")
    if block.get("Info", ("", 0))[0] == map_text.UNKNOWN_LATTICE:
        lattice[:3] = (0.0, 0.0, 0.0)
    lattice[3:6] = angle_units.lattice_in_degrees(path, lattice[3:6], where=f"line {line}")
    return scan.make_phase(path, name, group, lattice[:6], where=f"line {line}")


def written(field: OrientationMap, frame: reference_frames.Frame) -> str:
    """Return the header of a map whose angles are written in a frame, as text."""
    rows, columns = field.shape
    dy, dx = field.spacing
    lines = [
        "TEM_PIXperUM          1.000000", "x-star                0.000000", "y-star                0.000000",
        "z-star                0.000000", "WorkingDistance       0.000000", "",
    ]  # fmt: skip
    for number, phase in reversed(list(enumerate(field.phases, start=1))):
        constants = " ".join(f"{value:.4f}" for value in map_text.unit_cell(phase))
        lines += [
            f"Phase {number}", f"MaterialName  \t{phase.name}", f"Formula     \t{phase.name}",
            f"Info\t\t{map_text.lattice_remark(phase)}",
            f"Symmetry              {NUMBER_OF_LAUE[phase.laue]}", f"LatticeConstants      {constants}",
            "NumberFamilies        0", "",
        ]  # fmt: skip
    lines += [
        "GRID: SqrGrid", f"XSTEP: {dx:.8f}", f"YSTEP: {dy:.8f}", f"NCOLS_ODD: {columns}", f"NCOLS_EVEN: {columns}",
        f"NROWS: {rows}", "", f"OPERATOR: \tpolyrve {__version__}", "", "SAMPLEID: \t", "", "SCANID: \t", "",
        "NOTES: Start", map_text.frame_note(frame), "NOTES: End", "",
    ]  # fmt: skip
    return "".join(f"# {line}".rstrip(" ") + "\n" for line in lines)
