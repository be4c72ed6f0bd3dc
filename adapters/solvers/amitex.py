"""AMITEX_FFTP: a folder with material.vtk and zone.vtk (legacy VTK, big-endian), orientations and mat.xml.

Format: https://amitexfftp.github.io/AMITEX/user_guide/input_files.html. A material is a phase; its zones are its grains
(or voxels), numbered from 1 without gaps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from polyrve.adapters.ebsd import grid, scan
from polyrve.adapters.material_grid import material_grid, warn_of_seams
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.text_rows import write_rows
from polyrve.adapters.volumes import grain_table
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import from_matrix, to_matrix
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_UM = 1e-6
_DTYPES = {"unsigned_char": ">u1", "unsigned_short": ">u2", "unsigned_int": ">u4", "short": ">i2", "int": ">i4"}


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write a folder; lengths in m.

    Coefficients 1 to 6 of every material are the crystal's x and y axes in sample coordinates, in a text file each
    with a line per zone; the law and its other coefficients are to be filled in, and the six numbered as the law asks
    (``elasaniso``: 10 to 15, after its nine constants).

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        The folder.
    force : bool
        Whether its files may be replaced.
    by : {"grain", "voxel"}
        What a zone is.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the folder holds files and `force` is not given.
    ValueError
        If voxels have no grain.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    warn_of_seams(whole, path)
    used = np.unique(whole.phase_ids)
    material_of = np.zeros(len(whole.phases) + 1, dtype=np.int64)
    material_of[used] = np.arange(1, len(used) + 1)
    materials = material_of[whole.phase_ids]
    zones = np.zeros(len(materials), dtype=np.int64)
    for material in range(1, len(used) + 1):
        members = materials == material
        zones[members] = np.arange(1, members.sum() + 1)
    row = whole.ids.ravel() - 1
    axes = to_matrix(whole.quaternions)[:, :2].reshape(-1, 6)
    spacing, origin = ([value * _UM for value in values] for values in (whole.spacing, whole.origin))
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<Materials>"]
    with replacing_folder(path, force=force) as folder:
        _write_vtk(folder / "material.vtk", "MaterialId", materials[row], whole.shape, spacing, origin)
        _write_vtk(folder / "zone.vtk", "ZoneId", zones[row], whole.shape, spacing, origin)
        for material, phase_id in enumerate(used, start=1):
            name = whole.phases[phase_id - 1].name.replace("--", "- -")
            lines.append(f"  <!-- {escape(name)}: fill in library and law -->")
            lines.append(f'  <Material numM="{material}" Lib="" Law="">')
            for i, values in enumerate(axes[materials == material].T, start=1):
                file_name = f"material_{material}_coeff_{i}.txt"
                with open(folder / file_name, "w", encoding="ascii") as file:
                    write_rows(file, "%.16e", [values])
                lines.append(f'    <Coeff Index="{i}" Type="Constant_Zone" File="{file_name}" Format="ASCII"/>')
            lines.append("  </Material>")
        (folder / "mat.xml").write_text("\n".join([*lines, "</Materials>", ""]), encoding="utf-8")


def _write_vtk(
    path: Path, name: str, values: np.ndarray, shape: Sequence[int], spacing: Sequence[float], origin: Sequence[float]
) -> None:
    """Legacy VTK with the ten header lines that AMITEX asks for; the smallest type that holds the values."""
    types = (("unsigned_char", ">u1"), ("unsigned_short", ">u2"), ("unsigned_int", ">u4"))
    kind, dtype = next((k, d) for k, d in types if values.max() <= np.iinfo(d).max)
    nz, ny, nx = shape
    header = [
        "# vtk DataFile Version 4.5",
        "Materiau",
        "BINARY",
        "DATASET STRUCTURED_POINTS",
        f"DIMENSIONS {nx + 1} {ny + 1} {nz + 1}",
        "ORIGIN " + " ".join(f"{value:.9e}" for value in origin[::-1]),
        "SPACING " + " ".join(f"{value:.9e}" for value in spacing[::-1]),
        f"CELL_DATA {nx * ny * nz}",
        f"SCALARS {name} {kind}",
        "LOOKUP_TABLE default",
    ]
    with open(path, "wb") as file:
        file.write(("\n".join(header) + "\n").encode("ascii"))
        file.write(values.astype(dtype).tobytes())


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | Sequence[str] | None = None
) -> OrientationMap | OrientationVolume:
    """Read the volume of a folder as :func:`write` makes it: the crystal's axes are coefficients 1 to 6.

    Parameters
    ----------
    path : path-like
        The folder.
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of all materials, or of each; m-3m by default, with a warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The zones as grains, ``properties["FeatureIds"]``.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    FormatError
        If one of them is not as AMITEX asks for, or the coefficients are no axes.
    """
    folder = Path(path)
    materials, spacing, origin = _read_vtk(folder / "material.vtk")
    zones, *_ = _read_vtk(folder / "zone.vtk")
    if zones.shape != materials.shape or min(zones.min(), materials.min()) < 1 or materials.max() > 1000:
        raise FormatError(folder, "expected materials and zones from 1, of one shape")
    starts = np.cumsum([0] + [int(zones[materials == m].max(initial=0)) for m in range(1, int(materials.max()) + 1)])
    axes = [_axes(folder, material, count) for material, count in enumerate(np.diff(starts), start=1)]
    x, y = np.concatenate(axes).reshape(-1, 2, 3).transpose(1, 0, 2)
    if not (np.abs(np.einsum("ij,ij->i", x, y)) < 1e-3).all() or not np.allclose(np.sum(x**2, axis=1), 1.0, atol=1e-3):
        raise FormatError(folder, "expected the crystal's x and y axes as coefficients 1 to 6, as polyrve writes them")
    count = len(axes)
    table = grain_table.GrainTable(
        np.arange(1, starts[-1] + 1),
        from_matrix(np.stack([x, y, np.cross(x, y)], axis=1)),
        np.repeat(np.arange(1, count + 1), np.diff(starts)).astype(np.int32),
        scan.unsaid_phases(folder, count, (), laue),
    )
    ids = starts[materials - 1] + zones
    return grain_table.assemble(folder, "amitex", ids, table, spacing, origin, frame=frame)


def _read_vtk(path: Path) -> tuple[np.ndarray, list[float], list[float]]:
    """Whole numbers per cell, shape (nz, ny, nx), spacing and origin in um."""
    data = path.read_bytes()
    head, mark, rest = data.partition(b"LOOKUP_TABLE default\n")
    text = head[:2000].decode("latin-1")
    kind = re.search(r"^SCALARS\s+\S+\s+(\S+)", text, re.MULTILINE)
    values = {
        name: [float(word) for word in re.findall(r"[-+.\deE]+", found[1])]
        for name in ("DIMENSIONS", "ORIGIN", "SPACING")
        if (found := re.search(rf"^{name}((?:\s+[-+]?[\d.]+(?:[eE][-+]?\d+)?){{3}})\s*$", text, re.MULTILINE))
    }
    if not mark or "BINARY" not in text or kind is None or kind[1] not in _DTYPES or len(values) < 3:
        raise FormatError(path, "expected structured points of VTK, binary, with whole numbers per cell")
    shape = tuple(int(n) - 1 for n in values["DIMENSIONS"][::-1])
    dtype = np.dtype(_DTYPES[kind[1]])
    if min(shape) < 1 or min(values["SPACING"]) <= 0:
        raise FormatError(path, f"expected cells and positive spacings; got {shape} and {values['SPACING']}")
    grid.check_grid(path, shape, len(rest) // dtype.itemsize)
    count = int(np.prod(shape))
    if len(rest) < count * dtype.itemsize:
        raise FormatError(path, f"expected {count} numbers; the file ends before")
    ids = np.frombuffer(rest[: count * dtype.itemsize], dtype=dtype).astype(np.int64).reshape(shape)
    return ids, [v / _UM for v in values["SPACING"][::-1]], [v / _UM for v in values["ORIGIN"][::-1]]


def _axes(folder: Path, material: int, count: int) -> np.ndarray:
    columns = []
    for i in range(1, 7):
        path = folder / f"material_{material}_coeff_{i}.txt"
        columns.append(read_table(path.read_bytes(), path, 1)[:, 0])
        if len(columns[-1]) != count:
            raise FormatError(path, f"expected {count} numbers, one per zone; got {len(columns[-1])}")
    return np.column_stack(columns)
