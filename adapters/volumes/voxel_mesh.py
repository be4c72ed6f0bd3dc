"""Meshes of hexahedra that are the voxels of a grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import grid
from polyrve.adapters.registry import FormatError

_CLOSE = 1e-3
"""Of a voxel, by which its corners may be off: single precision and rounded text."""
_BLOCK = 1 << 16
"""Hexahedra whose corners are looked at together."""
_NO_VOXELS = "expected hexahedra that are voxels of one size along x, y, z"
FREE = int(np.iinfo(np.int64).min)
"""Number of voxels without an element, which is no grain."""


@dataclass(frozen=True, eq=False)
class VoxelMesh:
    """Voxels of a mesh.

    Attributes
    ----------
    ids : ndarray, shape (nz, ny, nx), int64
        Number of each element's grain; where there is no element, the smallest int64.
    spacing, origin : tuple of float
        z, y, x.
    """

    ids: np.ndarray
    spacing: tuple[float, ...]
    origin: tuple[float, ...]


def voxels(path: Path, points: np.ndarray, hexahedra: np.ndarray, ids: np.ndarray) -> VoxelMesh:
    """Find the grid of hexahedra that are voxels.

    Parameters
    ----------
    path : Path
        For errors.
    points : ndarray, shape (n, 3)
        x, y, z.
    hexahedra : ndarray, shape (m, 8), int
        Rows of `points`.
    ids : ndarray, shape (m,), int
        Of the grain of each.

    Returns
    -------
    VoxelMesh

    Raises
    ------
    FormatError
        If an element has nodes that are not there, or is no voxel.
    """
    if not len(hexahedra):
        raise FormatError(path, "expected hexahedra of eight nodes; there are none")
    if hexahedra.min() < 0 or hexahedra.max() >= len(points):
        raise FormatError(path, "expected elements whose nodes are in the file")
    if not np.isfinite(points).all():
        raise FormatError(path, "expected finite coordinates")
    low = np.empty((len(hexahedra), 3))
    size = np.ptp(points[hexahedra[0]], axis=0)
    if not (size > 0).all():
        raise FormatError(path, "expected hexahedra with a volume")
    total = np.zeros(3)
    for block in _blocks(len(hexahedra)):
        corners = points[hexahedra[block]]
        low[block] = corners.min(axis=1)
        above = np.abs(corners - low[block, None])
        on_ends = np.minimum(above, np.abs(above - size)) < _CLOSE * size
        extent = above.max(axis=1)
        if not (on_ends.all() and (np.abs(extent - size) < _CLOSE * size).all()):
            raise FormatError(path, _NO_VOXELS)
        total += extent.sum(axis=0)
    size, first = total / len(hexahedra), low.min(axis=0)
    index = np.round((low - first) / size)
    shape = tuple(int(n) + 1 for n in index.max(axis=0)[::-1]) if index.max() < 1e6 else (1 << 20,) * 3
    grid.check_grid(path, shape, len(ids))
    if not all((np.abs(low[block] - first - index[block] * size) < _CLOSE * size).all() for block in _blocks(len(low))):
        raise FormatError(path, _NO_VOXELS)
    cells = np.ravel_multi_index(tuple(index.T[::-1].astype(np.int64)), shape)
    count = np.bincount(cells, minlength=int(np.prod(shape)))
    if count.max() > 1:
        raise FormatError(path, "expected one element per voxel; some have several")
    full = np.full(len(count), FREE)
    full[cells] = ids
    return VoxelMesh(full.reshape(shape), tuple(size[::-1].tolist()), tuple(first[::-1].tolist()))


def _blocks(number: int) -> Iterator[slice]:
    return (slice(first, first + _BLOCK) for first in range(0, number, _BLOCK))
