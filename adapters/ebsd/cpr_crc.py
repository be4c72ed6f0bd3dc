"""Oxford/HKL Channel 5 projects: a text .cpr with the header and a binary .crc with the points.

Specification: the .cpr's own keywords, in which blanks and case do not matter, and the field numbers as MTEX reads them
(https://github.com/mtex-toolbox/mtex/blob/develop/interfaces/loadEBSD_crc.m): 1 X, 2 Y, 3 to 5 Euler angles (rad), 6
MAD, 12 reliability index and all from 13 are 4-byte floats; 7 BC, 8 BS, 9, 10 Bands, 11 Error are bytes; a phase byte
stands before them. Numbers are little-endian. Points without coordinates lie at multiples of the grid distances, from
0, as in a .ctf of the same project. Frame, crystal axes and points that are not indexed are those of a .ctf
(:mod:`polyrve.adapters.ebsd.ctf`). Maps on a grid are read; a list of single points has no grid and is refused.

Why not orix: it has no reader for these files.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from polyrve.adapters import text_lines
from polyrve.adapters.content import digest
from polyrve.adapters.ebsd import angle_units, grid, scan
from polyrve.adapters.ebsd.grid import check_grid
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.backend.safe_text import quoted, shown
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase, laue_group, laue_group_of_space_group
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_FIELDS: dict[int, tuple[str, str]] = {
    1: ("X", "<f4"), 2: ("Y", "<f4"), 3: ("Euler1", "<f4"), 4: ("Euler2", "<f4"), 5: ("Euler3", "<f4"),
    6: ("MAD", "<f4"), 7: ("BC", "u1"), 8: ("BS", "u1"), 9: ("field 9", "u1"), 10: ("Bands", "u1"),
    11: ("Error", "u1"), 12: ("Reliability Index", "<f4"),
}  # fmt: skip
_MAX_FIELDS = 1000

_Sections = dict[str, dict[str, str]]


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    degrees: bool | None = None,
    partial: bool = False,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map.

    Parameters
    ----------
    path : path-like
        Either file; the other lies beside it under the same name.
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"oxford-cs0"`` with the acquisition surface of the project,
        and a warning, because the project does not say how the pixels lie in CS1.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad, as the format has them.
    partial : bool
        Whether to take the points that are there of a scan that was interrupted.

    Returns
    -------
    OrientationMap
        Further fields are its ``properties``: ``"MAD"``, ``"BC"``, ``"BS"``, ``"Bands"``, ``"Error"`` and so on.

    Raises
    ------
    FileNotFoundError
        If one of the two files is missing.
    FormatError
        If they are no such project, a list of single points, or disagree in the number of points.

    Warns
    -----
    FrameWarning
        If the caller does not say the frame.
    UserWarning
        If points are missing.
    """
    path = Path(path)
    header, points = _beside(path, ".cpr"), _beside(path, ".crc")
    sections = _sections(header)
    _require_grid(header, sections)
    columns = int(_number(header, sections, "job", "xcells"))
    rows = int(_number(header, sections, "job", "ycells"))
    dx, dy = _number(header, sections, "job", "griddistx"), _number(header, sections, "job", "griddisty")
    if not (0 < dx < 1e9 and 0 < dy < 1e9):
        raise FormatError(header, f"expected positive grid distances; got {dx:g} and {dy:g}", "[Job]")
    phases = _phases(header, sections)
    record = _record(header, sections)
    size = points.stat().st_size
    count, rest = divmod(size, record.itemsize)
    by_position = {"X", "Y"} <= set(record.names or ())
    check_grid(header, (1, columns) if partial or by_position else (rows, columns), count, "[Job]")
    short = count < rows * columns
    if (rest or count != rows * columns) and not (partial and short) and (rest or not by_position):
        remedy = "; partial=true (--read partial=true) reads what is there" if short else ""
        raise FormatError(
            points,
            f"expected {rows} x {columns} points of {record.itemsize} bytes as {header.name} says; got {size} bytes"
            f"{remedy}",
        )
    data = np.fromfile(points, dtype=record, count=count)
    found = _grid(header, data, (rows, columns), (dy, dx), partial)
    phase_ids = data["Phase"].astype(np.int32)
    if phase_ids.max(initial=0) > len(phases):
        raise FormatError(points, f"expected a phase 0 ... {len(phases)}; got {phase_ids.max()}", "Phase")
    angles = np.stack([data[f"Euler{i}"].astype(np.float64) for i in (1, 2, 3)], axis=1)
    angles = angle_units.euler_in_rad(
        points, angles, phase_ids > 0, degrees=degrees, usual="rad", where="Euler1, Euler2, Euler3"
    )
    surface = [_number(header, sections, "acquisitionsurface", f"euler{i}", 0.0) for i in (1, 2, 3)]
    chosen = reference_frames.choose(frame, None, "oxford-cs0", str(header), rotation.from_euler(np.deg2rad(surface)))
    skipped = {"Phase", "X", "Y", "Euler1", "Euler2", "Euler3"}
    field = scan.assemble(
        header, "cpr", quaternions=scan.from_angles(points, angles, phase_ids > 0), phase_ids=phase_ids, phases=phases,
        shape=found.shape, spacing=found.spacing, origin=found.origin, frame=chosen, x_axis="a*", cells=found.cells,
        properties={name: data[name].copy() for name in record.names or () if name not in skipped},
    )  # fmt: skip
    return field.evolve(provenance={**field.provenance, "points": points.name, "points sha256": digest(points)})


def _grid(
    path: Path, data: np.ndarray, shape: tuple[int, int], spacing: tuple[float, float], partial: bool
) -> grid.Grid:
    """The grid of the points: by their coordinates where they have them, else row by row."""
    if {"X", "Y"} <= set(data.dtype.names or ()):
        position = tuple(data[name].astype(np.float64) for name in ("Y", "X"))
        return grid.square(path, position, shape, spacing, partial=partial)
    origin, (rows, columns) = grid.corner((0.0, 0.0), spacing), shape
    if len(data) == rows * columns:
        return grid.Grid(shape, spacing, origin)
    reached = (-(-len(data) // columns), columns)
    missing = reached[0] * columns - len(data)
    warn(f"{path}: {reached[0]} of the {rows} rows are read; in the last one {missing} points are missing")
    return grid.Grid(reached, spacing, origin, np.arange(len(data)))


def _beside(path: Path, suffix: str) -> Path:
    if path.suffix.lower() == suffix:
        candidates = [path]
    else:
        candidates = [path.with_suffix(suffix), path.with_suffix(suffix.upper())]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(f"{candidates[0]}: no such file; a Channel 5 project is a .cpr and a .crc of one name")


def _plain(name: str) -> str:
    """A name of a section or key: MTEX and others write [AcquisitionSurface] for [Acquisition Surface]."""
    return "".join(name.split()).lower().replace("_", "")


def _require_grid(path: Path, sections: _Sections) -> None:
    job = sections.get("job", {})
    mode = sections.get("general", {}).get("jobmode", "")
    if "xcells" not in job and ("noofpoints" in job or mode.lower().startswith("interactive")):
        count, said = shown(job.get("noofpoints", "some"), most=20), shown(mode, most=40) or "not said"
        raise FormatError(
            path,
            f"expected a map on a grid; got {count} single points (JobMode {said}), measured where somebody pointed, "
            "which make no map",
            "[Job]",
        )


def _sections(path: Path) -> _Sections:
    sections: _Sections = {}
    section: dict[str, str] = {}
    text = text_lines.decoded(path.read_bytes().removeprefix(text_lines.BYTE_ORDER_MARK))
    if "[" not in text:
        raise FormatError(path, "expected sections such as [General] and [Job]; got none")
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("[") and line.endswith("]"):
            section = sections.setdefault(_plain(line[1:-1]), {})
        elif "=" in line:
            key, value = line.split("=", 1)
            section.setdefault(_plain(key), value.strip())
    return sections


def _number(path: Path, sections: _Sections, section: str, key: str, default: float | None = None) -> float:
    value = sections.get(section, {}).get(key)
    if value is None and default is not None:
        return default
    if value is None:
        raise FormatError(path, f"expected {key} in section [{section}]; got none")
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e12:
        raise FormatError(path, f"expected a number for {key}; got {quoted(value, most=40)}", f"[{section}]")
    return number


def _record(path: Path, sections: _Sections) -> np.dtype:
    count = int(_number(path, sections, "fields", "count"))
    if not 0 < count <= _MAX_FIELDS:
        raise FormatError(path, f"expected 1 ... {_MAX_FIELDS} fields; got {count}", "[fields]")
    windows = [v for k, v in sections.get("edxwindows", {}).items() if re.fullmatch(r"window\d+", k)]
    fields: list[tuple[str, str]] = [("Phase", "u1")]
    for index in range(1, count + 1):
        number = int(_number(path, sections, "fields", f"field{index}"))
        name, kind = _FIELDS.get(number, (f"field {number}", "<f4"))
        if number not in _FIELDS and windows:
            name = windows.pop(0)
        if name in (taken for taken, _ in fields):
            name = f"{name} ({index})"
        fields.append((name, kind))
    for name in ("Euler1", "Euler2", "Euler3"):
        if name not in dict(fields):
            raise FormatError(path, "expected the fields of three Euler angles; got fewer", "[fields]")
    return np.dtype(fields)


def _phases(path: Path, sections: _Sections) -> tuple[Phase, ...]:
    count = int(_number(path, sections, "phases", "count"))
    if not 0 < count <= 255:
        raise FormatError(path, f"expected 1 ... 255 phases; got {count}", "[phases]")
    phases = []
    for index in range(1, count + 1):
        section = f"phase{index}"
        lattice = [_number(path, sections, section, key) for key in ("a", "b", "c", "alpha", "beta", "gamma")]
        lattice[3:] = angle_units.lattice_in_degrees(path, lattice[3:], where=f"[{section}]")
        group = int(_number(path, sections, section, "spacegroup", 0.0))
        symbol = sections[section].get("lauegroup", "")
        try:
            if symbol.isdecimal() and 1 <= int(symbol) <= len(LAUE_GROUPS):
                laue = LAUE_GROUPS[int(symbol) - 1]
            else:
                laue = symbol if symbol and not symbol.isdecimal() else laue_group_of_space_group(group)
                laue_group(laue)
        except ValueError:
            raise FormatError(path, f"expected a Laue group 1 ... 11; got {quoted(symbol)}", f"[{section}]") from None
        name = sections[section].get("structurename", "") or f"phase {index}"
        group = group if 0 < group <= 230 else 0
        phases.append(scan.make_phase(path, name, laue, lattice, group, f"[{section}]"))
    return tuple(phases)
