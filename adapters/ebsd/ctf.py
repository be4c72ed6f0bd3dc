"""Oxford Instruments / HKL Channel Text Files (.ctf), as Channel 5, AZtec, AztecCrystal and others write them.

Specification: the header's own keywords; Laue groups 1 ... 11 in the order of :data:`polyrve.crystallography.phase.LAUE_GROUPS`.
Angles are Bunge's in degrees and refer to the sample frame CS0, to which the angles AcqE1 ... AcqE3 lead from the
acquisition surface CS1. The crystal has x || a* (:mod:`polyrve.crystallography.reference_frames`). Decimal commas, text in UTF-8 or Latin-1,
further columns and a Z that the header names but the lines do not have are accepted. A grid with ZCells layers is read
as a volume.

Not indexed are the points of phase 0. The column Error is kept, not applied: software that fills in points leaves its
mark there (:func:`polyrve.microstructure.cleaning.unindex` can act on it).

Why not orix: its reader leaves x || a*, takes decimal commas in the header only and gives no lines in errors.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from polyrve import __version__
from polyrve.adapters import text_lines
from polyrve.adapters.content import Content
from polyrve.adapters.ebsd import grid, map_text, scan
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.sections import planar
from polyrve.adapters.text_rows import write_rows
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_MAX_HEADER_LINES = 1000
_REQUIRED = ("Phase", "X", "Y", "Euler1", "Euler2", "Euler3")


def read(path: str | Path, *, frame: str | reference_frames.Frame | None = None) -> OrientationMap | OrientationVolume:
    """Read an orientation map or volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map; by default ``"oxford-cs0"`` with the acquisition angles of the header,
        and a warning, because the file does not say how the pixels lie in CS1.

    Returns
    -------
    OrientationMap or OrientationVolume
        Further columns are its ``properties``: ``"Bands"``, ``"Error"``, ``"MAD"``, ``"BC"``, ``"BS"`` and so on.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .ctf file, or has another number of points than its header says.

    Warns
    -----
    FrameWarning
        If neither the caller nor the file says the frame.
    UserWarning
        If points are missing.
    """
    path = Path(path)
    content = Content.of(path)
    lines, body = _split(path, bytes(text_lines.without_tail(content.data)))
    values = _values(lines)
    phases = _phases(path, lines, values)
    table = read_table(body, path, len(lines) + 1)
    columns = _by_name(path, table, lines[-1].split("\t"), len(lines))
    specimen = rotation.from_euler(np.deg2rad([_number(path, values, f"AcqE{i}", 0.0) for i in (1, 2, 3)]))
    stated = map_text.noted_frame(path, values.get("Author", ("", 0))[0])

    phase_ids = columns.pop("Phase")
    if ((phase_ids != np.rint(phase_ids)) | (phase_ids < 0) | (phase_ids > len(phases))).any():
        at = int(np.argmax((phase_ids != np.rint(phase_ids)) | (phase_ids < 0) | (phase_ids > len(phases))))
        raise FormatError(path, f"expected a phase 0 ... {len(phases)}; got {phase_ids[at]:g} at point {at}", "Phase")
    phase_ids = phase_ids.astype(np.int32)
    angles = np.deg2rad(np.stack([columns.pop(name) for name in ("Euler1", "Euler2", "Euler3")], axis=1))
    quaternions = scan.from_angles(path, angles, phase_ids > 0)
    shape, spacing, cells, origin = _grid(path, values, columns)
    chosen = map_text.choose_frame(path, frame, stated, "oxford-cs0", specimen)
    return scan.assemble(
        path, "ctf", quaternions=quaternions, phase_ids=phase_ids, phases=phases, shape=shape, spacing=spacing,
        origin=origin, frame=chosen, x_axis="a*", properties=columns, cells=cells, content=content,
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
    at = np.arange(rows * columns)
    table = [
        phase_ids, at % columns * dx + field.origin[1], at // columns * dy + field.origin[0],
        map_text.property_of(field, "Bands", 0.0), np.where(indexed, map_text.property_of(field, "Error", 0.0), 3),
        *angles.T, *(map_text.property_of(field, name, 0.0) for name in ("MAD", "BC", "BS")),
    ]  # fmt: skip
    form = "%d\t%.6f\t%.6f\t%d\t%d\t%.7f\t%.7f\t%.7f\t%.4f\t%d\t%d"
    with (
        replacing(path, force=force) as partial,
        partial.open("w", encoding="latin-1", errors="replace", newline="\r\n") as file,
    ):
        file.write("".join(line + "\n" for line in header))
        write_rows(file, form, table)


def _split(path: Path, data: bytes) -> tuple[list[str], bytes]:
    """Header lines up to and with the column names, and the data with decimal points."""
    if not data[:64].lstrip(b"\xef\xbb\xbf").startswith(b"Channel Text File"):
        raise FormatError(path, f"expected 'Channel Text File'; got {data[:32]!r}", "line 1")
    lines: list[str] = []
    start = 0
    while start < len(data) and len(lines) < _MAX_HEADER_LINES:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        lines.append(text_lines.decoded(data[start:end]).rstrip("\r"))
        start = end + 1
        if lines[-1].split("\t")[0].strip() == "Phase" and "Euler1" in lines[-1]:
            body = data[start:]
            return lines, body.replace(b",", b".") if b"," in body else body
    raise FormatError(path, "expected a line of column names (Phase, X, Y, ..., Euler1, ...); got none")


def _values(lines: list[str]) -> dict[str, tuple[str, int]]:
    values: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines, start=1):
        key, _, value = line.partition("\t")
        values.setdefault(key.strip(), (value.strip(), number))
    return values


def _number(path: Path, values: dict[str, tuple[str, int]], key: str, default: float | None = None) -> float:
    if key not in values and default is not None:
        return default
    text, line = values.get(key, ("", 0))
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FormatError(path, f"expected a number for {key}; got {text[:40]!r}", f"line {line}" if line else "header")
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
            raise FormatError(path, f"expected a;b;c, alpha;beta;gamma, name, Laue group; got {line[:60]!r}", where)
        try:
            lattice = [float(v.replace(",", ".")) for v in re.split(r"[;\s]+", f"{fields[0]};{fields[1]}")]
            laue = int(fields[3])
        except ValueError:
            raise FormatError(path, f"expected lattice constants and a Laue group; got {line[:60]!r}", where) from None
        if len(lattice) != 6 or not 1 <= laue <= len(LAUE_GROUPS):
            raise FormatError(
                path, f"expected six lattice constants and a Laue group 1 ... 11; got {line[:60]!r}", where
            )
        if fields[-1] == map_text.UNKNOWN_LATTICE:
            lattice[:3] = (0.0, 0.0, 0.0)
        group = int(fields[4]) if len(fields) > 4 and fields[4].isdecimal() and len(fields[4]) < 4 else 0
        name = fields[2] or f"phase {number - first}"
        phases.append(scan.make_phase(path, name, LAUE_GROUPS[laue - 1], lattice, group if group <= 230 else 0, where))
    return tuple(phases)


def _by_name(path: Path, table: np.ndarray, names: list[str], line: int) -> dict[str, np.ndarray]:
    names = [name.strip() for name in names if name.strip()]
    if len(names) == table.shape[1] + 1 and "Z" in names:
        names.remove("Z")
    if len(names) != table.shape[1]:
        raise FormatError(
            path, f"expected {len(names)} columns as line {line} says; got {table.shape[1]}", f"line {line + 1}"
        )
    columns = dict(zip(names, (np.ascontiguousarray(column) for column in table.T), strict=True))
    for name in _REQUIRED:
        if name not in columns:
            raise FormatError(path, f"expected a column {name}; got {', '.join(names)[:100]}", f"line {line}")
    return columns


def _grid(
    path: Path, values: dict[str, tuple[str, int]], columns: dict[str, np.ndarray]
) -> tuple[tuple[int, ...], tuple[float, ...], np.ndarray | None, tuple[float, ...]]:
    x, y, z = columns.pop("X"), columns.pop("Y"), columns.pop("Z", None)
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
        cells, origin = grid.place(path, (y, x), (ny, nx), (dy, dx))
        return (ny, nx), (dy, dx), cells, origin
    nz, dz = sizes["Z"]
    cells, origin = grid.place(path, (z, y, x), (nz, ny, nx), (dz, dy, dx))
    return (nz, ny, nx), (dz, dy, dx), cells, origin
