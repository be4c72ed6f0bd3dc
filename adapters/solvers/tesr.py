"""Neper raster tessellations (.tesr), format 2.1.

Format: https://neper.info, "Raster Tessellation File". Orientations are Bunge angles in degrees, from sample to crystal
axes; voxels with x fastest. The descriptor is ``euler-bunge`` without a word for the convention: Neper 4.10 exchanged
the words "active" and "passive", and exchanges those of files up to format 2.1, while angles without a word mean the
same in all versions (seen with 4.9.0 and 4.10.2).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import write_numbers, write_rows
from polyrve.adapters.warned import warn
from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.fields import OrientationField, OrientationMap
from polyrve.microstructure.grains import GrainMap, GrainVolume

_DESCRIPTOR = "euler-bunge"
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
