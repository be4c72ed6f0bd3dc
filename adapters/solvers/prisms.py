"""PRISMS-Plasticity: a folder with grainID.txt, orientations.txt and the lines of the parameter file that name them.

Format: crystalOrientationsIO.cc of https://github.com/prisms-center/plasticity: five header lines, then one line per
(x, y), x slowest, with the grains along z. Orientations are Rodrigues vectors of the rotation from crystal to sample.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.text_rows import write_numbers, write_rows
from polyrve.crystallography.rotation import nearest_equivalent
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

_HEADER_LINES = 5


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write a folder; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        The folder.
    force : bool
        Whether its files may be replaced.
    by : {"grain", "voxel"}
        What has an orientation of its own.
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
    nz, ny, nx = whole.shape
    with replacing_folder(path, force=force) as folder:
        with open(folder / "grainID.txt", "w", encoding="ascii") as file:
            file.write(
                f"**Total header lines = {_HEADER_LINES}\n**Grain ID File\n"
                f"**3D Volume has dimensions [{nx} x {ny} x {nz}] voxels\n"
                f"**Data arranged in a 2D array of {nx * ny} x {nz} integer values: x slowest, z along the line\n**\n"
            )
            write_numbers(file, whole.ids.transpose(2, 1, 0).ravel(), nz)
        with open(folder / "orientations.txt", "w", encoding="ascii") as file:
            file.write("**Grain ID, Rodrigues vector r_x, r_y, r_z, phase\n")
            numbers = np.arange(1, len(whole.quaternions) + 1)
            write_rows(file, "%d %.12f %.12f %.12f %d", [numbers, *_rodrigues(whole).T, whole.phase_ids])
        (folder / "voxels.prm").write_text(_parameters(whole), encoding="ascii")


def _rodrigues(whole: MaterialGrid) -> np.ndarray:
    """Rodrigues vectors, shape (N, 3), of the symmetric equivalents with the smallest angle, for finite ones."""
    q = np.empty_like(whole.quaternions)
    for i, phase in enumerate(whole.phases, start=1):
        members = whole.phase_ids == i
        q[members] = nearest_equivalent(whole.quaternions[members], np.array([1.0, 0.0, 0.0, 0.0]), phase.symmetry)
    return -q[:, 1:] / np.maximum(q[:, :1], 1e-9)


def _parameters(whole: MaterialGrid) -> str:
    lines = []
    for axis, n, length in zip("XYZ", whole.shape[::-1], whole.size[::-1], strict=True):
        lines.append(f"set Voxels in {axis} direction = {n}")
        lines.append(f"set Domain size {axis} = {length!r}  # um")
    lines += [
        "set Grain ID file name = grainID.txt",
        f"set Header Lines GrainID File = {_HEADER_LINES}",
        "set Orientations file name = orientations.txt",
    ]
    return "\n".join(lines) + "\n"
