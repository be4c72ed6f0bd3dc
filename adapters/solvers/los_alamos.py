"""Los Alamos FFT text, as EVPFFT and MASSIF read it.

One line per voxel, x fastest: phi1 PHI phi2 (Bunge, degrees), indices x y z from 1, grain, phase. The format as
DREAM.3D writes it: https://github.com/BlueQuartzSoftware/simplnx, WriteLosAlamosFFTFilter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters.material_grid import material_grid, warn_of_seams
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the voxels; the format holds no lengths.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    by : {"grain", "voxel"}
        Whether voxels have the mean orientation of their grain or their own.
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
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    warn_of_seams(whole, path)
    ids = whole.ids.ravel()
    q = whole.quaternions
    angles = np.concatenate([np.rad2deg(to_euler(q[rows])) for rows in blocks(len(q))])
    with replacing(path, force=force) as partial, open(partial, "w", encoding="ascii") as file:
        for rows in blocks(ids.size):
            z, y, x = np.unravel_index(np.arange(rows.start, rows.stop), whole.shape)
            material = ids[rows] - 1
            columns = [*angles[material].T, x + 1, y + 1, z + 1, ids[rows], whole.phase_ids[material]]
            write_rows(file, "%.6f %.6f %.6f %d %d %d %d %d", columns)
