"""Inverse pole figure colours, TSL key, as orix draws them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase, laue_group

_CELLS = 256  # per edge of a cube face; colours are then within eight of 255 levels of orix's
_SLAB = 1 << 18


def ipf_colors(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: Sequence[Phase],
    direction: Sequence[float] = (0.0, 0.0, 1.0),
) -> np.ndarray:
    """Return colours of orientations by the crystal direction along a sample direction.

    The colours are looked up in a table of crystal directions that orix has coloured.

    Parameters
    ----------
    quaternions : ndarray, shape (..., 4)
        Unit quaternions as in :mod:`polyrve.crystallography.rotation`.
    phase_ids : ndarray, shape (...), int
        0 (not indexed) is black, i takes the Laue group of ``phases[i - 1]``.
    phases : sequence of Phase
    direction : sequence of float, length 3
        Sample direction (x, y, z) of any length.

    Returns
    -------
    ndarray, shape (..., 3), uint8
        Red, green, blue.

    Raises
    ------
    ValueError
        If the direction is not three finite numbers, or zero.

    References
    ----------
    G. Nolze, R. Hielscher, J. Appl. Cryst. 49 (2016) 1786-1802, doi:10.1107/S1600576716012942.
    """
    phase_ids = np.asarray(phase_ids)
    flat, ids = np.asarray(quaternions).reshape(-1, 4), phase_ids.ravel()
    v = np.asarray(direction, dtype=np.float64)
    if v.shape != (3,) or not np.isfinite(v).all() or not v.any():
        raise ValueError(f"direction: expected three numbers x, y, z, not all zero; got {list(direction)}")
    v = v / np.linalg.norm(v)
    colors = np.zeros((len(flat), 3), dtype=np.uint8)
    tables = {i: _table(phases[i - 1].laue) for i in np.unique(ids) if i > 0}
    for start in range(0, len(flat), _SLAB):
        part = slice(start, start + _SLAB)
        cells = _cell(rotation.to_matrix(flat[part]) @ v)
        for i, table in tables.items():
            here = ids[part] == i
            colors[part][here] = table[cells[here]]
    return colors.reshape(*phase_ids.shape, 3)


def _cell(directions: np.ndarray) -> np.ndarray:
    """Index of the table cell of each direction, (n, 3) to (n,); opposite directions share a cell."""
    axis = np.argmax(np.abs(directions), axis=1)
    rows = np.arange(len(directions))
    largest = directions[rows, axis]
    u = directions[rows, (axis + 1) % 3] / largest
    v = directions[rows, (axis + 2) % 3] / largest
    iu = np.minimum(((u + 1.0) * (0.5 * _CELLS)).astype(np.int64), _CELLS - 1)
    iv = np.minimum(((v + 1.0) * (0.5 * _CELLS)).astype(np.int64), _CELLS - 1)
    return (axis * _CELLS + iu) * _CELLS + iv


@cache
def _table(laue: str) -> np.ndarray:
    """Colours of the cells of three cube faces, shape (3 * cells * cells, 3), uint8."""
    from orix.plot.direction_color_keys import DirectionColorKeyTSL
    from orix.quaternion import symmetry
    from orix.vector import Vector3d

    groups = {
        "-1": symmetry.Ci, "2/m": symmetry.C2h, "mmm": symmetry.D2h, "4/m": symmetry.C4h, "4/mmm": symmetry.D4h,
        "-3": symmetry.S6, "-3m": symmetry.D3d, "6/m": symmetry.C6h, "6/mmm": symmetry.D6h, "m-3": symmetry.Th,
        "m-3m": symmetry.Oh,
    }  # fmt: skip
    group = groups[laue_group(laue)]
    centre = (np.arange(_CELLS) + 0.5) * (2.0 / _CELLS) - 1.0
    u, v = np.meshgrid(centre, centre, indexing="ij")
    face = np.stack([np.ones_like(u), u, v], axis=-1)
    directions = np.concatenate([np.roll(face, shift, axis=-1).reshape(-1, 3) for shift in range(3)])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    if group is symmetry.C2h:  # orix's two-fold axis is z, that of polyrve.crystallography.phase is y
        directions = np.roll(directions, 1, axis=-1)
    rgb = DirectionColorKeyTSL(group).direction2color(Vector3d(directions))
    table = np.rint(255.0 * rgb).astype(np.uint8)
    table.setflags(write=False)
    return table
