"""PRISMS-Plasticity: a folder with grainID.txt, orientations.txt and the lines of the parameter file that name them.

Format: crystalOrientationsIO.cc of https://github.com/prisms-center/plasticity: five header lines, then one line per
(x, y), x slowest, with the grains along z. Orientations are Rodrigues vectors of the rotation from crystal to sample.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.text_lines import decoded
from polyrve.adapters.text_rows import write_numbers, write_rows
from polyrve.adapters.volumes import grain_table
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import conjugate, nearest_equivalent
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
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


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | Sequence[str] | None = None
) -> OrientationMap | OrientationVolume:
    """Read the volume of a folder as :func:`write` makes it.

    Parameters
    ----------
    path : path-like
        The folder, with a parameter file (.prm) that says voxels and lengths.
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; m-3m by default, with a warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    FormatError
        If one of them is not as PRISMS-Plasticity asks for.
    """
    folder = Path(path)
    parameters = next(iter(sorted(folder.glob("*.prm"))), folder / "voxels.prm")
    text = decoded(parameters.read_bytes())
    shape = tuple(int(_parameter(parameters, text, f"Voxels in {axis} direction")) for axis in "ZYX")
    size = tuple(_parameter(parameters, text, f"Domain size {axis}") for axis in "ZYX")
    if min(shape) < 1 or min(size) <= 0 or max(shape) > 1 << 20:
        raise FormatError(parameters, f"expected positive numbers of voxels and lengths; got {shape} and {size}")
    ids_file, grains_file = folder / "grainID.txt", folder / "orientations.txt"
    data = ids_file.read_bytes()
    told = re.search(rb"[Hh]eader lines\s*=\s*(\d+)", data[:1000])
    skipped = int(told[1]) if told else _HEADER_LINES
    ids = _table(ids_file, data, skipped, 1)
    if ids.size != int(np.prod([float(n) for n in shape])):
        raise FormatError(ids_file, f"expected {' x '.join(map(str, shape[::-1]))} grain ids; got {ids.size}")
    numbers = grain_table.whole_numbers(ids_file, ids.ravel(), "grain ids").reshape(shape[::-1]).transpose(2, 1, 0)
    rows = _table(grains_file, grains_file.read_bytes(), 1, 4)
    q = np.column_stack([np.ones(len(rows)), rows[:, 1:4]])
    if not np.isfinite(q).all():
        raise FormatError(grains_file, "expected finite Rodrigues vectors")
    phase_ids = np.ones(len(rows), dtype=np.int64)
    if rows.shape[1] > 4:
        phase_ids = grain_table.whole_numbers(grains_file, rows[:, 4], "phase")
    if phase_ids.min() < 1 or phase_ids.max() > 1000:
        raise FormatError(grains_file, f"expected phases 1 ... 1000; got {phase_ids.min()} ... {phase_ids.max()}")
    table = grain_table.GrainTable(
        grain_table.whole_numbers(grains_file, rows[:, 0], "grain ids"),
        conjugate(q / np.linalg.norm(q, axis=1, keepdims=True)),
        phase_ids.astype(np.int32),
        scan.unsaid_phases(folder, int(phase_ids.max()), (), laue),
    )
    spacing = [length / n for length, n in zip(size, shape, strict=True)]
    return grain_table.assemble(
        folder, "prisms", np.ascontiguousarray(numbers), table, spacing, (0.0,) * 3, frame=frame
    )


def _parameter(path: Path, text: str, name: str) -> float:
    found = re.search(rf"^\s*set\s+{name}\s*=\s*(\S+)", text, re.MULTILINE)
    try:
        value = float(found[1]) if found else np.nan
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise FormatError(path, f"expected 'set {name} = number'; there is none")
    return value


def _table(path: Path, data: bytes, skipped: int, least: int) -> np.ndarray:
    lines = data.split(b"\n", skipped)
    if len(lines) <= skipped:
        raise FormatError(path, f"expected numbers after {skipped} lines; got {len(lines)} lines")
    return read_table(lines[-1], path, skipped + 1, least=least)
