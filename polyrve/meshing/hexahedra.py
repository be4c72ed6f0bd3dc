"""The voxel mesh: nodes and eight-node hexahedra of a regular grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

_CORNERS = ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0), (1, 0, 0), (1, 0, 1), (1, 1, 1), (1, 1, 0))
_TETRAHEDRA = ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6))
_QUADRANTS = ((0, 0), (0, 1), (1, 1), (1, 0))


def nodes(shape: Sequence[int], spacing: Sequence[float], origin: Sequence[float]) -> np.ndarray:
    """Return the coordinates of the nodes.

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
    points = np.empty((shape[0] + 1, (shape[1] + 1) * (shape[2] + 1), 3))
    for layer, values in zip(points, node_layers(shape, spacing, origin), strict=True):
        layer[:] = values
    return points.reshape(-1, 3)


def node_layers(shape: Sequence[int], spacing: Sequence[float], origin: Sequence[float]) -> Iterator[np.ndarray]:
    """Yield the nodes of one z after the other, of shape ((ny + 1) (nx + 1), 3); arguments as for :func:`nodes`."""
    heights, *plane = (o + d * np.arange(n + 1) for n, d, o in zip(shape, spacing, origin, strict=True))
    y, x = (values.ravel() for values in np.meshgrid(*plane, indexing="ij"))
    for z in heights:
        yield np.stack([x, y, np.full_like(x, z)], axis=1)


def connectivity(shape: Sequence[int], voxels: np.ndarray | None = None) -> np.ndarray:
    """Return the nodes of the hexahedra, from 0, in the order of VTK, Abaqus, Exodus and Gmsh.

    The lower face counter-clockwise seen from +z, then the upper one.

    Parameters
    ----------
    shape : sequence of int, length 3
        Voxels nz, ny, nx.
    voxels : ndarray, shape (n,), optional
        Numbers of voxels from 0, x fastest; all of them by default.

    Returns
    -------
    ndarray, shape (n, 8)
    """
    _, ny, nx = shape
    if voxels is None:
        voxels = np.arange(np.prod(shape), dtype=_integer(shape))
    first = voxels + voxels // nx + voxels // (nx * ny) * (nx + 1)
    corners = [(c * (ny + 1) + b) * (nx + 1) + a for c, b, a in _CORNERS]
    return first[:, None] + np.array(corners, dtype=voxels.dtype)


def tetrahedra(hexahedra: np.ndarray) -> np.ndarray:
    """Cut each hexahedron into six tetrahedra about its main diagonal, (n, 8) to (6 n, 4); neighbours match."""
    return hexahedra[:, np.array(_TETRAHEDRA)].reshape(-1, 4)


def faces(shape: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the quadrilaterals on the six faces of the volume.

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


def inner_faces(void: np.ndarray) -> np.ndarray:
    """Return the quadrilaterals between voxels of a mask and others.

    Parameters
    ----------
    void : ndarray, shape (nz, ny, nx), bool

    Returns
    -------
    ndarray, shape (n, 4)
        Nodes from 0.
    """
    found = []
    for axis in range(3):
        first, second = (np.moveaxis(void, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
        edge = np.argwhere(first != second)
        place = np.insert(edge[:, 1:], axis, edge[:, 0] + 1, axis=1)
        a, b = np.delete(np.eye(3, dtype=int), axis, axis=0)
        corners = np.stack([place, place + a, place + a + b, place + b])
        found.append(np.ravel_multi_index(tuple(np.moveaxis(corners, 2, 0)), tuple(n + 1 for n in void.shape)).T)
    return np.concatenate(found)


def _node_numbers(shape: Sequence[int]) -> np.ndarray:
    """Node number at every corner, shape (nz + 1, ny + 1, nx + 1)."""
    corners = tuple(n + 1 for n in shape)
    return np.arange(np.prod(corners), dtype=_integer(shape)).reshape(corners)


def _integer(shape: Sequence[int]) -> type:
    """The smaller integer that holds every node number."""
    return np.int32 if np.prod([n + 1 for n in shape]) < 1 << 31 else np.int64
