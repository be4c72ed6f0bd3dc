"""The voxel mesh: nodes and eight-node hexahedra of a regular grid."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_CORNERS = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0))
_TETRAHEDRA = ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6))
_QUADRANTS = ((0, 0), (0, 1), (1, 1), (1, 0))


def nodes(shape: Sequence[int], spacing: Sequence[float], origin: Sequence[float]) -> np.ndarray:
    """Coordinates of the nodes.

    Parameters
    ----------
    shape : sequence of int, length 3
        Voxels nz, ny, nx.
    spacing, origin : sequence of float, length 3
        In the order z, y, x.

    Returns
    -------
    ndarray, shape ((nz + 1) (ny + 1) (nx + 1), 3)
        x, y, z; x varies fastest.
    """
    axes = [o + d * np.arange(n + 1) for n, d, o in zip(shape, spacing, origin, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=1)


def connectivity(shape: Sequence[int]) -> np.ndarray:
    """Nodes of the hexahedra, shape (nz ny nx, 8), from 0, in the order of VTK, Abaqus, Exodus and Gmsh.

    The lower face counter-clockwise seen from +z, then the upper one; the voxels with x fastest.
    """
    number = _node_numbers(shape)
    corners = [number[c : c + shape[0], b : b + shape[1], a : a + shape[2]].ravel() for c, b, a in _CORNERS]
    return np.stack(corners, axis=1)


def tetrahedra(hexahedra: np.ndarray) -> np.ndarray:
    """Six tetrahedra about the main diagonal of each hexahedron, (n, 8) to (6 n, 4); neighbours match."""
    return hexahedra[:, np.array(_TETRAHEDRA)].reshape(-1, 4)


def faces(shape: Sequence[int]) -> dict[str, np.ndarray]:
    """Quadrilaterals on the six faces of the volume.

    Returns
    -------
    dict of str to ndarray, shape (n, 4)
        Nodes from 0 under ``"x0"``, ``"x1"``, ``"y0"``, ``"y1"``, ``"z0"``, ``"z1"``; normals point along the axis.
    """
    number = _node_numbers(shape)
    result = {}
    for axis, name in ((2, "x"), (1, "y"), (0, "z")):
        for end in (0, 1):
            face = np.take(number, -end, axis=axis)
            rows, columns = face.shape[0] - 1, face.shape[1] - 1
            quads = np.stack([face[b : b + rows, a : a + columns].ravel() for b, a in _QUADRANTS], axis=1)
            result[f"{name}{end}"] = quads if name != "y" else quads[:, ::-1]
    return result


def _node_numbers(shape: Sequence[int]) -> np.ndarray:
    """Node number at every corner, shape (nz + 1, ny + 1, nx + 1)."""
    corners = tuple(n + 1 for n in shape)
    size = int(np.prod(corners))
    return np.arange(size, dtype=np.int32 if size < 1 << 31 else np.int64).reshape(corners)
