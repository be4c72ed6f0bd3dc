"""SPPARKS: the grains as a .vti with the array Spin (dump vtk), and as text for read_sites.

Formats: https://spparks.github.io/doc/dump.html and read_sites.html.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters.material_grid import material_grid
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import write_rows
from polyrve.adapters.volumes.vti import write_image
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the grain ids as spins 1 ... N, one site per voxel, in lattice units.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        .vti for the image; any other suffix for the text of ``read_sites``.
    force : bool
        Whether an existing file may be replaced.
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
    with replacing(path, force=force) as partial:
        if partial.suffix.lower() == ".vti":
            write_image(partial, whole.shape, (1.0,) * 3, (0.0,) * 3, [("Spin", whole.ids)], compress=False)
            return
        nz, ny, nx = whole.shape
        with open(partial, "w", encoding="ascii") as file:
            file.write(f"Grains of polyrve\n\n3 dimension\n{whole.ids.size} sites\n")
            for axis, length in zip("xyz", (nx, ny, nz), strict=True):
                file.write(f"0 {length} {axis}lo {axis}hi\n")
            file.write("\nValues\n\n")
            write_rows(file, "%d %d", [np.arange(1, whole.ids.size + 1), whole.ids.ravel()])
