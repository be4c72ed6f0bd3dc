"""Channel Text Files (.ctf) of Oxford Instruments (HKL): Channel 5, AZtec, AztecCrystal and other software.

Specification: the header's own keywords; Laue groups 1 ... 11 in the order of
:data:`polyrve.crystallography.phase.LAUE_GROUPS`. Angles are Bunge's in degrees and refer to the sample frame CS0, to
which the angles AcqE1 ... AcqE3 lead from the acquisition surface CS1. The crystal has x || a*
(:mod:`polyrve.crystallography.reference_frames`). Coordinates are those of points, the centres of cells, in um. Decimal
commas, text in UTF-8 or Latin-1, files packed by gzip, further columns, a Z that the header names but the lines do not
have, and last columns that they do not have are accepted. A grid with ZCells layers is read as a volume; where the
header's grid is not that of the coordinates, see :mod:`polyrve.adapters.ebsd.grid`.

Files of other programs are told by the words that orix tells them by
(https://github.com/pyxem/orix/blob/develop/orix/io/plugins/ctf.py), and have frames and crystal axes of their own:

========  ==========  ==========================================================================================
program   frame       crystal axes
========  ==========  ==========================================================================================
MTEX      ``none``    MTEX's Euler angles refer to the map (its page EBSDReferenceFrame); x is where it was in the map
                      that MTEX read, a* in a .ctf, a in an .ang: a* is taken, with a warning for hexagonal phases
EMsoft    ``edax-4``  90 degrees are taken from phi1 of its .ang, which is in frame ``edax-2``, and 30 from phi2 for the
                      Laue groups 6/m and 6/mmm (EBSDiomod.f90, ctfebsd_writeFile): x || a* for these, x || a for others
ASTAR     ``none``    not known: a* is taken, with a warning for hexagonal phases
========  ==========  ==========================================================================================

Not indexed are the points of phase 0. The column Error is kept, not applied: software that fills in points leaves its
mark there (:func:`polyrve.microstructure.cleaning.unindex` can act on it).

Why not orix: its reader leaves x || a*, takes decimal commas in the header only and gives no lines in errors.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Literal

import numpy as np

from polyrve import __version__
from polyrve.adapters import text_lines
from polyrve.adapters.content import Content
from polyrve.adapters.ebsd import angle_units, grid, map_text, scan
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.sections import planar
from polyrve.adapters.text_rows import write_rows
from polyrve.adapters.warned import warn
from polyrve.backend.safe_text import quoted, shown
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_MAX_HEADER_LINES = 1000
_REQUIRED = ("Phase", "X", "Y", "Euler1", "Euler2", "Euler3")
_MARKS = {"EMsoft": "bands=pattern index", "ASTAR": "file created from acom", "MTEX": "created from mtex"}
_FRAMES = {"Oxford": "oxford-cs0", "EMsoft": "edax-4", "ASTAR": "none", "MTEX": "none"}
_NAMES_OF_EMSOFT = {"MAD": "DP", "BC": "OSM", "BS": "IQ"}


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    degrees: bool | None = None,
    x_axis: Literal["a", "a*"] | None = None,
    partial: bool = False,
) -> OrientationMap | OrientationVolume:
    """Read an orientation map or volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"oxford-cs0"`` with the acquisition angles of the header,
        and a warning, because the file does not say how the pixels lie in CS1. Files of MTEX and ASTAR are in
        ``"none"``, those of EMsoft in ``"edax-4"``, with the same warning.
    degrees : bool, optional
        Whether the Euler angles are in degrees, which is the format's unit and the default.
    x_axis : {"a", "a*"}, optional
        What lies along x of the crystal frame; by default a*, and a in files of EMsoft but for 6/m and 6/mmm.
    partial : bool
        Whether to take what is there of a scan that was interrupted, or of a file that was cut.

    Returns
    -------
    OrientationMap or OrientationVolume
        Further columns are its ``properties``: ``"Bands"``, ``"Error"``, ``"MAD"``, ``"BC"``, ``"BS"`` and so on. Those
        of EMsoft are ``"DP"``, ``"OSM"`` and ``"IQ"`` in place of the last three.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .ctf file, a list of single points (JobMode Interactive), or ends before its header's grid does.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    UserWarning
        If points or columns are missing, the header's grid is not that of the coordinates, a hexagonal grid was brought
        to a square one, the angles look like rad, or the crystal axes of hexagonal phases are not known.
    """
    path = Path(path)
    content = Content.of(path)
    lines, body = _split(path, bytes(text_lines.without_tail(content.data)))
    values = _values(lines)
    program = _program(lines)
    phases = _phases(path, lines, values)
    _require_grid(path, values)
    table = read_table(body, path, len(lines) + 1, least=len(_REQUIRED), partial=partial)
    columns = _by_name(path, table, _split_names(lines[-1]), len(lines))
    specimen = rotation.from_euler(np.deg2rad([_number(path, values, f"AcqE{i}", 0.0) for i in (1, 2, 3)]))
    stated = map_text.noted_frame(path, values.get("Author", ("", 0))[0])

    phase_ids = columns.pop("Phase")
    if ((phase_ids != np.rint(phase_ids)) | (phase_ids < 0) | (phase_ids > len(phases))).any():
        at = int(np.argmax((phase_ids != np.rint(phase_ids)) | (phase_ids < 0) | (phase_ids > len(phases))))
        raise FormatError(path, f"expected a phase 0 ... {len(phases)}; got {phase_ids[at]:g} at point {at}", "Phase")
    phase_ids = phase_ids.astype(np.int32)
    angles = angle_units.euler_in_rad(
        path, np.stack([columns.pop(name) for name in ("Euler1", "Euler2", "Euler3")], axis=1), phase_ids > 0,
        degrees=degrees, usual="degrees", where="Euler1, Euler2, Euler3",
    )  # fmt: skip
    quaternions = scan.from_angles(path, angles, phase_ids > 0)
    found = _grid(path, values, columns, partial)
    chosen = map_text.choose_frame(path, frame, stated, _FRAMES[program], specimen)
    axes = [x_axis or _x_axis(program, phase) for phase in phases]
    if program in ("MTEX", "ASTAR") and x_axis is None and stated is None:
        map_text.warn_of_axes(path, program, phases)
    if program == "EMsoft":
        columns = {_NAMES_OF_EMSOFT.get(name, name): values for name, values in columns.items()}
    return scan.assemble(
        path, "ctf", quaternions=quaternions, phase_ids=phase_ids, phases=phases, shape=found.shape,
        spacing=found.spacing, origin=found.origin, frame=chosen, x_axis=axes, properties=columns, cells=found.cells,
        steps=found.steps, content=content,
    )  # fmt: skip


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
    header = [
        "Channel Text File", f"Prj\t{Path(path).stem}",
        f"Author\tpolyrve {__version__}, {map_text.frame_note(euler_frame)}", "JobMode\tGrid",
        f"XCells\t{columns}", f"YCells\t{rows}", f"XStep\t{dx:.8g}", f"YStep\t{dy:.8g}", "AcqE1\t0", "AcqE2\t0",
        "AcqE3\t0",
        "Euler angles refer to Sample Coordinate system (CS0)!\tMag\t0\tCoverage\t100\tDevice\t0\tKV\t0\tTiltAngle\t0"
        "\tTiltAxis\t0",
        f"Phases\t{len(field.phases)}",
    ]  # fmt: skip
    for phase in field.phases:
        a, b, c, alpha, beta, gamma = (f"{value:.8g}" for value in map_text.unit_cell(phase))
        number, remark = LAUE_GROUPS.index(phase.laue) + 1, map_text.lattice_remark(phase) or "polyrve"
        header.append(f"{a};{b};{c}\t{alpha};{beta};{gamma}\t{phase.name}\t{number}\t{phase.space_group}\t\t\t{remark}")
    header.append("Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS")
    phase_ids = field.phase_ids.ravel()
    indexed = phase_ids > 0
    quaternions = euler_frame.undo(field.quaternions.reshape(-1, 4)).copy()
    for number, phase in enumerate(field.phases, start=1):
        points = phase_ids == number
        quaternions[points] = reference_frames.vendor_crystal_frame(quaternions[points], phase, "a*")
    angles = np.rad2deg(rotation.to_euler(quaternions))
    angles[~indexed] = 0.0
    y = np.repeat(grid.centres(field.origin[0], dy, rows), columns)
    x = np.tile(grid.centres(field.origin[1], dx, columns), rows)
    error = np.where(indexed, map_text.property_of(field, "Error", 0.0), 3)
    table = [
        phase_ids, x, y, map_text.property_of(field, "Bands", 0.0), error, *angles.T,
        *(map_text.property_of(field, name, 0.0) for name in ("MAD", "BC", "BS")),
    ]  # fmt: skip
    form = "%d\t%.8f\t%.8f\t%d\t%d\t%.7f\t%.7f\t%.7f\t%.4f\t%d\t%d"
    with (
        replacing(path, force=force) as partial,
        partial.open("w", encoding="latin-1", errors="replace", newline="\r\n") as file,
    ):
        file.write("".join(line + "\n" for line in header))
        write_rows(file, form, table)


def _split(path: Path, data: bytes) -> tuple[list[str], bytes]:
    """Header lines up to and with the column names, and the data with decimal points."""
    if not data[:64].lstrip(b"\xef\xbb\xbf").startswith(b"Channel Text File"):
        raise FormatError(path, f"expected 'Channel Text File'; got {quoted(data[:32].decode('latin-1'))}", "line 1")
    lines: list[str] = []
    start = 0
    while start < len(data) and len(lines) < _MAX_HEADER_LINES:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        lines.append(text_lines.decoded(data[start:end]).rstrip("\r"))
        start = end + 1
        if "Euler1" in lines[-1] and _split_names(lines[-1])[0] == "Phase":
            body = data[start:]
            return lines, body.replace(b",", b".") if b"," in body else body
    raise FormatError(path, "expected a line of column names (Phase, X, Y, ..., Euler1, ...); got none")


def _split_names(line: str) -> list[str]:
    names = line.split("\t") if "\t" in line else line.split()
    return [name.strip() for name in names if name.strip()] or [""]


def _values(lines: list[str]) -> dict[str, tuple[str, int]]:
    values: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, start=1):
        key, _, value = line.partition("\t" if "\t" in line else " ")
        values.setdefault(key.strip(), (value.strip(), number))
    return values


def _program(lines: list[str]) -> str:
    """What wrote a file by its header; Oxford's software where nothing or more than one thing tells."""
    header = "\n".join(lines).lower()
    found = [program for program, mark in _MARKS.items() if mark in header]
    return found[0] if len(found) == 1 else "Oxford"


def _x_axis(program: str, phase: Phase) -> str:
    return "a" if program == "EMsoft" and phase.laue not in ("6/m", "6/mmm") else "a*"


def _require_grid(path: Path, values: dict[str, tuple[str, int]]) -> None:
    mode, line = values.get("JobMode", ("", 0))
    if mode.lower().startswith("interactive") and "XCells" not in values:
        count = shown(values.get("NoMeas", ("some", 0))[0], most=20)
        raise FormatError(
            path,
            f"expected a map on a grid; got {count} single points (JobMode Interactive), measured where somebody "
            "pointed, which make no map",
            f"line {line}",
        )


def _number(path: Path, values: dict[str, tuple[str, int]], key: str, default: float | None = None) -> float:
    if key not in values and default is not None:
        return default
    text, line = values.get(key, ("", 0))
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        where = f"line {line}" if line else "header"
        raise FormatError(path, f"expected a number for {key}; got {quoted(text, most=40)}", where)
    return number


def _phases(path: Path, lines: list[str], values: dict[str, tuple[str, int]]) -> tuple[Phase, ...]:
    count = int(_number(path, values, "Phases"))
    first = values["Phases"][1]
    if not 0 < count <= len(lines) - 1 - first:
        raise FormatError(path, f"expected 1 ... {len(lines) - 1 - first} phases; got {count}", f"line {first}")
    phases = []
    for number, line in enumerate(lines[first : first + count], start=first + 1):
        fields = [field.strip() for field in line.split("\t")]
        where = f"line {number}"
        if len(fields) < 4:
            raise FormatError(path, f"expected a;b;c, alpha;beta;gamma, name, Laue group; got {quoted(line)}", where)
        try:
            lattice = [float(v.replace(",", ".")) for v in re.split(r"[;\s]+", f"{fields[0]};{fields[1]}")]
            laue = int(fields[3])
        except ValueError:
            raise FormatError(path, f"expected lattice constants and a Laue group; got {quoted(line)}", where) from None
        if len(lattice) != 6 or not 1 <= laue <= len(LAUE_GROUPS):
            raise FormatError(
                path, f"expected six lattice constants and a Laue group 1 ... 11; got {quoted(line)}", where
            )
        lattice[3:] = angle_units.lattice_in_degrees(path, lattice[3:], where=where)
        if fields[-1] == map_text.UNKNOWN_LATTICE:
            lattice[:3] = (0.0, 0.0, 0.0)
        group = int(fields[4]) if len(fields) > 4 and fields[4].isdecimal() and len(fields[4]) < 4 else 0
        name = fields[2] or f"phase {number - first}"
        phases.append(scan.make_phase(path, name, LAUE_GROUPS[laue - 1], lattice, group if group <= 230 else 0, where))
    return tuple(phases)


def _by_name(path: Path, table: np.ndarray, names: list[str], line: int) -> dict[str, np.ndarray]:
    count = table.shape[1]
    if len(names) == count + 1 and "Z" in names:
        names.remove("Z")
    if len(names) > count and set(_REQUIRED) <= set(names[:count]):
        absent = ", ".join(shown(name, most=40) for name in names[count:][:10])
        warn(f"{path}: line {line} names {len(names)} columns; the lines have {count}, and {absent} is left out")
        names = names[:count]
    if len(names) != count:
        raise FormatError(path, f"expected {len(names)} columns as line {line} says; got {count}", f"line {line + 1}")
    columns = dict(zip(names, (np.ascontiguousarray(column) for column in table.T), strict=True))
    for name in _REQUIRED:
        if name not in columns:
            raise FormatError(path, f"expected a column {name}; got {shown(', '.join(names))}", f"line {line}")
    return columns


def _grid(path: Path, values: dict[str, tuple[str, int]], columns: dict[str, np.ndarray], partial: bool) -> grid.Grid:
    x, y, z = columns.pop("X"), columns.pop("Y"), columns.pop("Z", None)
    required = [f"{axis}{key}" for axis in "XY" for key in ("Cells", "Step")]
    absent = [key for key in required if key not in values]
    if absent:
        layers = z is not None and float(np.ptp(z)) > 0
        found = grid.of_coordinates(path, (z, y, x) if layers and z is not None else (y, x), partial=partial)
        warn(f"{path}: the header has no line {', '.join(absent)}; {found.text()} are read, as the coordinates say")
        return found
    sizes = {}
    for axis in "XYZ":
        if axis == "Z" and z is None:
            continue
        count = _number(path, values, f"{axis}Cells", 1.0 if axis == "Z" else None)
        step = _number(path, values, f"{axis}Step", 0.0 if axis == "Z" else None)
        line = values.get(f"{axis}Cells", ("", 0))[1]
        if count != int(count) or count < 1:
            raise FormatError(path, f"expected {axis}Cells of at least 1; got {count:g}", f"line {line}")
        if step <= 0 and count > 1:
            raise FormatError(path, f"expected a positive {axis}Step; got {step:g}", f"line {line}")
        sizes[axis] = int(count), step if step > 0 else 1.0
    (nx, dx), (ny, dy) = sizes["X"], sizes["Y"]
    if z is None or sizes["Z"][0] == 1:
        return grid.square(path, (y, x), (ny, nx), (dy, dx), partial=partial)
    nz, dz = sizes["Z"]
    return grid.square(path, (z, y, x), (nz, ny, nx), (dz, dy, dx), partial=partial)
