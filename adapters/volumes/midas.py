"""Layers of near-field high-energy diffraction microscopy that MIDAS reconstructed (.mic, text).

Specification: https://github.com/marinerhemant/MIDAS, ``utils/nf_paraview_gen.py``. Lines that begin with % say the
edge of the triangles, the number of phases and the position of the layer (um). The columns are OrientationRowNr,
OrientationID, RunTime, X, Y (um), TriEdgeSize, UpDown, Eul1, Eul2, Eul3 (Bunge's, rad, by the matrix of
Euler2OrientMat), Confidence and PhaseNr. The points are centres of triangles; they are brought to a square grid, whose
pitch is the edge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import grid, scan
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import grain_table
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_COLUMNS = 12
_REACH = 0.8
"""Edges of a triangle within which a point of the square grid takes its orientation: its corners are 0.58 away."""


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    laue: str | Sequence[str] | None = None,
    confidence: float = 0.1,
    spacing: float | None = None,
) -> OrientationMap | OrientationVolume:
    """Read a layer as a map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default, since they refer to x and y of the points.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; m-3m by default, with a warning.
    confidence : float
        Points below are not indexed.
    spacing : float, um, optional
        Of the points of the map; by default the edge of the triangles.

    Returns
    -------
    OrientationMap or OrientationVolume
        A map, with ``properties["Confidence"]``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file.

    Warns
    -----
    UserWarning
        If Laue groups are not said.
    """
    from scipy.spatial import cKDTree

    path = Path(path)
    data = path.read_bytes()
    lines = data.split(b"\n", 50)
    count = next((i for i, line in enumerate(lines) if not line.startswith(b"%")), 0)
    if not count:
        raise FormatError(path, "expected a layer of MIDAS, which begins with lines '%TriEdgeSize ...'")
    head = b"\n".join(lines[:count]).decode("latin-1")
    values = read_table(data, path, count + 1, sum(len(line) + 1 for line in lines[:count]), least=_COLUMNS)
    if not np.isfinite(values[:, :_COLUMNS]).all():
        raise FormatError(path, "expected finite numbers")
    edge = re.search(r"TriEdgeSize\s+([-+.\deE]+)", head)
    step = spacing or (float(edge[1]) if edge and _positive(edge[1]) else float(values[0, 5]))
    if not (np.isfinite(step) and step > 0):
        raise FormatError(path, f"expected a positive edge of the triangles; got {step:g}: say the spacing")
    x, y = values[:, 3], values[:, 4]
    shape = tuple(int(min(np.ptp(v) / step, 1e6)) + 1 for v in (y, x))
    grid.check_grid(path, shape, len(values))
    lines_of = [v.min() + step * np.arange(n) for v, n in zip((y, x), shape, strict=True)]
    points = np.stack(np.meshgrid(*lines_of, indexing="ij"), axis=-1)
    distance, nearest = cKDTree(np.column_stack([y, x])).query(points.reshape(-1, 2))
    phase_of = grain_table.whole_numbers(path, values[:, 11], "PhaseNr")
    if phase_of.max() > 1000 or phase_of.min() < 0:
        raise FormatError(path, f"expected phases 0 ... 1000; got {phase_of.min()} ... {phase_of.max()}")
    known = (distance < _REACH * step) & (values[nearest, 10] >= confidence)
    phase_ids = np.where(known, phase_of[nearest], 0).astype(np.int32)
    return scan.assemble(
        path, "midas", quaternions=scan.from_angles(path, values[nearest, 7:10], phase_ids > 0), phase_ids=phase_ids,
        phases=scan.unsaid_phases(path, int(phase_of.max()), (), laue), shape=shape, spacing=(step, step),
        origin=grid.corner((float(y.min()), float(x.min())), (step, step)),
        frame=grain_table.as_in_the_file(frame, path), properties={"Confidence": values[nearest, 10]},
        steps=["triangles of the layer brought to a square grid by the nearest centre"],
    )  # fmt: skip


def _positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
