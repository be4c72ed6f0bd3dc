"""AMITEX_FFTP: a folder with material.vtk and zone.vtk (legacy VTK, big-endian), orientations and mat.xml.

Format: https://amitexfftp.github.io/AMITEX/user_guide/input_files.html. A material is a phase; its zones are its grains
(or voxels), numbered from 1 without gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

from polyrve.adapters.material_grid import material_grid, warn_of_seams
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.text_rows import write_rows
from polyrve.crystallography.rotation import to_matrix
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

_UM = 1e-6


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
