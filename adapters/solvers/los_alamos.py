"""Los Alamos FFT text, as EVPFFT and MASSIF read it.

One line per voxel, x fastest: phi1 PHI phi2 (Bunge, degrees), indices x y z from 1, grain, phase. The format as
DREAM.3D writes it: https://github.com/BlueQuartzSoftware/simplnx, WriteLosAlamosFFTFilter.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.material_grid import material_grid, warn_of_seams
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.adapters.volumes import grain_table
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import to_euler
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
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


def recognises(path: Path) -> bool:
    """Whether the first line of a text has eight numbers, the last five of them whole and the indices 1 1 1."""
    with path.open("rb") as file:
        words = file.readline(1000).split()
    try:
        values = [float(word) for word in words]
    except ValueError:
        return False
    return len(values) == 8 and values[3:6] == [1.0, 1.0, 1.0] and all(value == int(value) for value in values[6:])


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    spacing: float = 1.0,
    laue: str | Sequence[str] | None = None,
) -> OrientationMap | OrientationVolume:
    """Read a volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    spacing : float, um
        Of the voxels, which the file does not say.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; m-3m by default, with a warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such text, or its voxels do not fill a box.
    """
    path = Path(path)
    if not (np.isfinite(spacing) and spacing > 0):
        raise FormatError(path, f"spacing: expected a positive length in um; got {spacing}")
    values = read_table(path.read_bytes(), path, 1, least=8)
    whole = grain_table.whole_numbers(path, values[:, 3:8], "columns 4 to 8")
    x, y, z = whole[:, :3].T
    shape = (int(z.max()), int(y.max()), int(x.max()))
    count = shape[0] * shape[1] * shape[2]
    if whole[:, :3].min() < 1 or count != len(whole):
        raise FormatError(path, f"expected a line for each of {' x '.join(map(str, shape))} voxels; got {len(whole)}")
    cells = ((z - 1) * shape[1] + y - 1) * shape[2] + x - 1
    if (np.bincount(cells, minlength=count) != 1).any():
        raise FormatError(path, "expected each voxel once")
    phase_ids = np.maximum(whole[:, 4], 0)
    if phase_ids.max() > 1000:
        raise FormatError(path, f"expected phases up to 1000; got {phase_ids.max()}")
    q = scan.from_angles(path, np.deg2rad(values[:, :3]), phase_ids > 0)
    return scan.assemble(
        path, "los-alamos", quaternions=q, phase_ids=phase_ids.astype(np.int32),
        phases=scan.unsaid_phases(path, int(phase_ids.max()), (), laue), shape=shape, spacing=(spacing,) * 3,
        origin=(0.0,) * 3, frame=grain_table.as_in_the_file(frame, path), cells=cells,
        properties={"FeatureIds": np.maximum(whole[:, 3], 0).astype(np.int32)},
    )  # fmt: skip
