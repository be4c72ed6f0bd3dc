"""VPSC texture files (.tex): Bunge angles in degrees and a weight for each grain.

Format: C. N. Tome, R. A. Lebensohn, Manual for Code VPSC-7d (2012), 3.2. MTEX reads it by ``ODF.load``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from polyrve.adapters.material_grid import material_grid
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
    phase: str | None = None,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the orientations of one phase; weights are volume fractions of the phase.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    phase : str, optional
        Name of the phase, where there are several; VPSC reads a file for each.
    by : {"grain", "voxel"}
        Whether there is an orientation per grain or per voxel.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ValueError
        If voxels have no grain, or the phase is not named or unknown.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    present = [whole.phases[i - 1].name for i in np.unique(whole.phase_ids)]
    if phase is None and len(present) > 1:
        raise ValueError(f"phase: expected one of {', '.join(present)}, since VPSC reads a file for each; got none")
    if phase is not None and phase not in present:
        raise ValueError(f"phase: expected one of {', '.join(present)}; got {phase!r}")
    name = phase or present[0]
    chosen = np.array([whole.phases[i - 1].name == name for i in whole.phase_ids])
    voxels = np.bincount(whole.ids.ravel(), minlength=len(chosen) + 1)[1:][chosen]
    q, weights = whole.quaternions[chosen], voxels / voxels.sum()
    write_texture(q, path, weights=weights, name=name, force=force)


def write_texture(
    quaternions: np.ndarray,
    path: str | Path,
    *,
    weights: np.ndarray | None = None,
    name: str = "phase",
    force: bool = False,
) -> None:
    """Write orientations.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
    path : path-like
    weights : ndarray, shape (n,), optional
        By default all alike.
    name : str
        Of the phase.
    force : bool
        Whether an existing file may be replaced.
    """
    q = quaternions
    weights = np.full(len(q), 1.0 / len(q)) if weights is None else weights
    angles = np.concatenate([np.rad2deg(to_euler(q[rows])) for rows in blocks(len(q))])
    with replacing(path, force=force) as partial, open(partial, "w", encoding="ascii", errors="replace") as file:
        file.write("TEXTURE AT STRAIN =    0.0000\n   1.000   1.000   1.000   ellipsoid axes\n")
        file.write(f"   0.000   0.000   0.000   ellipsoid angles (deg), {name}\nB   {len(q)}\n")
        write_rows(file, "%10.4f %10.4f %10.4f %14.8e", [*angles.T, weights])
