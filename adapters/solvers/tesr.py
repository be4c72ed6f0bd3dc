"""Neper raster tessellations (.tesr), format 2.1.

Format: https://neper.info, "Raster Tessellation File". Orientations are Bunge angles in degrees, from sample to crystal
axes; voxels with x fastest. The descriptor is ``euler-bunge`` without a word for the convention: Neper 4.10 exchanged
the words "active" and "passive", and exchanges those of files up to format 2.1, while angles without a word mean the
same in all versions (seen with 4.9.0 and 4.10.2). What both write by default, "active" up to 2.1 and "passive" from
2.2 on, is one orientation; its rotation vectors and quaternions turn the other way than those of
:mod:`polyrve.crystallography.rotation` (seen by one tessellation that both wrote in all descriptors).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import write_numbers, write_rows
from polyrve.adapters.volumes import grain_table
from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_DESCRIPTOR = "euler-bunge"
_LAUE = {"cubic": "m-3m", "hexagonal": "6/mmm", "triclinic": "-1"}
_BINARY = {
    "binary": "u1",
    "binary8": "u1",
    "binary16": "<i2",
    "binary16_big": ">i2",
    "binary32": "<i4",
    "binary32_big": ">i4",
}
_WIDTH = {"euler-bunge": 3, "rodrigues": 3, "quaternion": 4, "axis-angle": 4, "rotmat": 9}
"""Numbers of each descriptor that is read."""
_EXCHANGED = 2.2
"""Format from which on "passive" means what "active" meant before, and what Neper itself writes."""
_SYMMETRIES = {"m-3m": "cubic", "m-3": "cubic", "6/mmm": "hexagonal", "6/m": "hexagonal"}


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    voxel_orientations: bool = False,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the grains as cells; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
        A map becomes a two-dimensional tessellation. The format knows no phases and one crystal symmetry (cubic,
        hexagonal or triclinic): that of the phase with most voxels.
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    voxel_orientations : bool
        Whether the orientation of every voxel is written beside the mean of its grain.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ValueError
        If voxels have no grain.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, fill=fill, min_grain=min_grain)
    field = data.field if isinstance(data, (GrainMap, GrainVolume)) else data
    planar = isinstance(field, OrientationMap)
    dimensions = 2 if planar else 3
    sizes, spacing, origin = (values[::-1][:dimensions] for values in (whole.shape, whole.spacing, whole.origin))
    n = len(whole.quaternions)
    symmetry = _symmetry(whole, path)
    with replacing(path, force=force) as partial, open(partial, "w", encoding="ascii") as file:
        file.write("***tesr\n **format\n   2.1\n **general\n")
        file.write(f"   {dimensions}\n   {_join(sizes)}\n   {_join(spacing)}\n  *origin\n   {_join(origin)}\n")
        file.write(f" **cell\n   {n}\n  *id\n")
        write_numbers(file, np.arange(1, n + 1), 16)
        file.write(f"  *ori\n   {_DESCRIPTOR}\n")
        write_rows(file, "%.12f %.12f %.12f", list(np.rad2deg(to_euler(whole.quaternions)).T))
        file.write(f"  *crysym\n   {symmetry}\n **data\n   ascii\n")
        write_numbers(file, whole.ids.ravel(), 16)
        if voxel_orientations:
            file.write(f" **oridata\n   {_DESCRIPTOR}\n   ascii\n")
            write_rows(file, "%.12f %.12f %.12f", list(np.rad2deg(to_euler(field.quaternions)).reshape(-1, 3).T))
            file.write(" **oridef\n   ascii\n")
            write_numbers(file, field.indexed.ravel().astype(np.int64), 16)
        file.write("***end\n")


def _symmetry(whole: MaterialGrid, path: str | Path) -> str:
    """The crystal symmetry of the phase with most voxels; a warning where others have voxels too."""
    voxels = np.bincount(whole.phase_ids[whole.ids.ravel() - 1])
    first, *others = (int(i) for i in np.argsort(-voxels, kind="stable") if voxels[i])
    symmetries = {i: _SYMMETRIES.get(whole.phases[i - 1].laue, "triclinic") for i in (first, *others)}
    if others:
        names = {i: f"{whole.phases[i - 1].name} ({symmetry})" for i, symmetry in symmetries.items()}
        warn(
            f"{path}: the format has no phases and one crystal symmetry: that of {names.pop(first)} is written, also "
            f"for the grains of {', '.join(names.values())}"
        )
    return symmetries[first]


def _join(values: tuple[float, ...]) -> str:
    return " ".join(repr(value) for value in values)


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | None = None, seed: int = 0
) -> OrientationMap | OrientationVolume:
    """Read a tessellation of three dimensions, format 2.0 to 2.2.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str, optional
        Laue group of the cells; by default that of the crystal symmetry in the file.
    seed : int
        Of the orientations, where the file has none; see the warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        Voxels of cell 0 are in no grain. Orientations of voxels are taken where the file has them, with
        ``properties["FeatureIds"]`` as its cells.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such tessellation, has two dimensions, its data in another file, or orientations in a descriptor
        that is not known.

    Warns
    -----
    UserWarning
        If there are no orientations, or no crystal symmetry.
    """
    path = Path(path)
    data = path.read_bytes()
    if not data.lstrip().startswith(b"***tesr"):
        raise FormatError(path, "expected a raster tessellation, which begins with ***tesr")
    parts = _sections(data)
    general = _section(path, parts, "**general").split()
    if general[:1] != ["3"]:
        raise FormatError(path, f"expected three dimensions; got {' '.join(general[:1]) or 'none'}", "**general")
    sizes, spacing = _floats(path, general[1:4], 3, "**general"), _floats(path, general[4:7], 3, "**general")
    origin = _floats(path, _section(path, parts, "*origin", "0 0 0").split(), 3, "*origin")
    nx, ny, nz = (int(value) if 1 <= value <= 1e6 else 0 for value in sizes)
    if nx * ny * nz == 0 or nx * ny * nz > len(data) or min(spacing) <= 0:
        raise FormatError(path, f"expected voxels in proportion to the file; got {sizes} of {spacing}", "**general")
    shape = (nz, ny, nx)
    ids = _voxels(path, parts, "**data", int(np.prod(shape))).reshape(shape)
    count = _floats(path, _section(path, parts, "**cell", "").split()[:1] or ["0"], 1, "**cell")[0]
    if not ids.max(initial=0) <= count <= ids.size:
        count = ids.max(initial=0)
    numbers = np.arange(1, int(count) + 1)
    symmetry = (_section(path, parts, "*crysym", "").split() or [""])[0]
    if laue is None:
        laue = _LAUE.get(symmetry, symmetry or None)
    cells = _oriented(path, parts, "*ori", len(numbers))
    if cells is None:
        table = grain_table.oriented_at_random(path, numbers, laue, seed)
    else:
        ones = np.ones(len(numbers), dtype=np.int32)
        table = grain_table.GrainTable(numbers, cells, ones, scan.unsaid_phases(path, 1, (), laue))
    field = grain_table.assemble(path, "tesr", ids, table, spacing[::-1].tolist(), origin[::-1].tolist(), frame=frame)
    own = _oriented(path, parts, "**oridata", ids.size)
    if own is None:
        return field
    defined = np.ones(ids.size, dtype=bool)
    if "**oridef" in parts:
        defined = _voxels(path, parts, "**oridef", ids.size) > 0
    phase_ids = np.where(defined, field.phase_ids.ravel(), 0).astype(np.int32)
    return scan.assemble(
        path, "tesr", quaternions=own, phase_ids=phase_ids, phases=field.phases, shape=shape,
        spacing=field.spacing, origin=field.origin, frame=field.frame, properties={"FeatureIds": ids.ravel()},
    )  # fmt: skip


def _sections(data: bytes) -> dict[str, bytes]:
    """What stands below each line that begins with one or two stars, the first of each name."""
    found: dict[str, bytes] = {}
    marks = list(re.finditer(rb"^[ \t]*(\*{1,3}[a-z_]+)[ \t]*\r?$", data, re.MULTILINE))
    ends = [*(mark.start() for mark in marks[1:]), len(data)][: len(marks)]
    for mark, end in zip(marks, ends, strict=True):
        found.setdefault(mark[1].decode("ascii"), data[mark.end() : end].removeprefix(b"\n"))
    return found


def _section(path: Path, parts: dict[str, bytes], name: str, default: str | None = None) -> str:
    if name not in parts and default is None:
        raise FormatError(path, f"expected a section {name}; there is none")
    return parts[name].decode("latin-1") if name in parts else str(default)


def _floats(path: Path, words: list[str], count: int | None, where: str) -> np.ndarray:
    try:
        values = np.array(words, dtype=np.float64)
    except ValueError:
        raise FormatError(path, "expected numbers", where) from None
    if (count is not None and len(values) != count) or not (np.abs(values) < 1e15).all():
        raise FormatError(path, f"expected {count or 'finite'} numbers; got {len(values)}", where)
    return values


def _voxels(path: Path, parts: dict[str, bytes], name: str, count: int) -> np.ndarray:
    """Whole numbers per voxel, as text or as bytes of a kind that the first word says."""
    data = parts.get(name, b"").lstrip()
    kind, _, rest = data.partition(b"\n")
    word = kind.strip().decode("latin-1")
    _check_inside(path, rest, name)
    if word == "ascii":
        values = grain_table.whole_numbers(path, _floats(path, rest.decode("latin-1").split(), count, name), name)
    elif word in _BINARY:
        dtype = np.dtype(_BINARY[word])
        whole = rest[: count * dtype.itemsize]
        values = np.frombuffer(whole[: len(whole) // dtype.itemsize * dtype.itemsize], dtype=dtype)
    else:
        raise FormatError(path, f"expected ascii or {', '.join(_BINARY)}; got {word[:40]!r}", name)
    if len(values) != count:
        raise FormatError(path, f"expected {count} values; got {len(values)}", name)
    return np.asarray(values, dtype=np.int64)


def _check_inside(path: Path, rest: bytes, name: str) -> None:
    if rest.lstrip().startswith(b"*file"):
        raise FormatError(path, "expected the data in this file; it is in another one: write it by -format tesr", name)


def _oriented(path: Path, parts: dict[str, bytes], name: str, count: int) -> np.ndarray | None:
    """Orientations below a descriptor, shape (count, 4); None where the section is not there."""
    if name not in parts:
        return None
    words = parts[name].decode("latin-1").split()
    descriptor, _, convention = (words or [""])[0].partition(":")
    if descriptor not in _WIDTH or convention not in ("", "active", "passive"):
        raise FormatError(
            path,
            f"expected orientations as {', '.join(_WIDTH)}; got {(words or ['none'])[0]!r}: Neper writes them so by "
            "-orides",
            name,
        )
    size = count * _WIDTH[descriptor]
    if name == "*ori":
        values = _floats(path, words[1:], size, name)
    else:
        kind, _, rest = parts[name].lstrip().partition(b"\n")[2].lstrip().partition(b"\n")
        _check_inside(path, rest, name)
        if kind.strip() == b"ascii":
            values = _floats(path, words[2:], size, name)
        elif kind.strip() == b"binary" and len(rest) >= 8 * size:
            values = np.frombuffer(rest[: 8 * size], dtype="<f8")
        else:
            raise FormatError(path, f"expected {size} numbers, ascii or binary", name)
    values = values.reshape(count, -1)
    version = _floats(path, _section(path, parts, "**format").split()[:1], 1, "**format")[0]
    turned = convention == ("passive" if version < _EXCHANGED else "active")
    q = _quaternions(path, descriptor, values, name)
    return rotation.conjugate(q) if turned else q


def _quaternions(path: Path, descriptor: str, values: np.ndarray, name: str) -> np.ndarray:
    if descriptor == "euler-bunge":
        return rotation.from_euler(np.deg2rad(values))
    if descriptor == "rotmat":
        matrices = values.reshape(-1, 3, 3)
        if not np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3), atol=1e-3):
            raise FormatError(path, "expected rotation matrices", name)
        return rotation.from_matrix(matrices)
    if descriptor == "axis-angle":
        half = 0.5 * np.deg2rad(values[:, 3:])
        axes = values[:, :3] / np.maximum(np.linalg.norm(values[:, :3], axis=1, keepdims=True), 1e-300)
        values = np.concatenate([np.cos(half), np.sin(half) * axes], axis=1)
    elif descriptor == "rodrigues":
        values = np.column_stack([np.ones(len(values)), values])
    length = np.linalg.norm(values, axis=1, keepdims=True)
    if not (length > 1e-9).all():
        raise FormatError(path, "expected quaternions that are not zero", name)
    return rotation.conjugate(values / length)
