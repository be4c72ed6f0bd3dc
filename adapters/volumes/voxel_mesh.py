"""Meshes of hexahedra that are the voxels of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import grid
from polyrve.adapters.registry import FormatError

_CLOSE = 1e-3
"""Of a voxel, by which its corners may be off: single precision and rounded text."""
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
    corners = points[hexahedra]
    if not np.isfinite(corners).all():
        raise FormatError(path, "expected finite coordinates")
    low, high = corners.min(axis=1), corners.max(axis=1)
    size = (high - low)[0]
    first = low.min(axis=0)
    if not (size > 0).all():
        raise FormatError(path, "expected hexahedra with a volume")
    index = np.round((low - first) / size)
    shape = tuple(int(n) + 1 for n in index.max(axis=0)[::-1]) if index.max() < 1e6 else (1 << 20,) * 3
    grid.check_grid(path, shape, len(ids))
    on_ends = np.minimum(np.abs(corners - low[:, None]), np.abs(corners - high[:, None])) < _CLOSE * size
    fits = np.abs(np.stack([low - first - index * size, high - low - size])) < _CLOSE * size
    if not (on_ends.all() and fits.all()):
        raise FormatError(path, "expected hexahedra that are voxels of one size along x, y, z")
    cells = np.ravel_multi_index(tuple(index.T[::-1].astype(np.int64)), shape)
    count = np.bincount(cells, minlength=int(np.prod(shape)))
    if count.max() > 1:
        raise FormatError(path, "expected one element per voxel; some have several")
    full = np.full(len(count), FREE)
    full[cells] = ids
    spacing, origin = ((high - low).mean(axis=0), first)
    return VoxelMesh(full.reshape(shape), tuple(spacing[::-1].tolist()), tuple(origin[::-1].tolist()))
