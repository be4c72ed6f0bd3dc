"""Array axes of a volume, and those of a map within it.

A volume has the array axes 0, 1, 2 for z, y, x. A map or section normal to one of them has its rows and its columns
along the two that are left, in their order. Its own frame has x along a row, y from row to row, and z = x × y. This
is the whole convention:

========== ============= ================= ==================== ==================== ====================
normal     rows run down columns run along x of the map is      y of the map is      z of the map is
========== ============= ================= ==================== ==================== ====================
z (axis 0) y (axis 1)    x (axis 2)        x of the volume      y of the volume      z of the volume
y (axis 1) z (axis 0)    x (axis 2)        x of the volume      z of the volume      -y of the volume
x (axis 2) z (axis 0)    y (axis 1)        y of the volume      z of the volume      x of the volume
========== ============= ================= ==================== ==================== ====================

A map normal to z therefore has the frame of the volume. :func:`in_plane` gives the axes of the rows and the columns,
:func:`volume_of_map` the last three columns of the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NORMALS: dict[str, int] = {"z": 0, "y": 1, "x": 2}
"""Array axis of a volume by the name of the axis."""


def in_plane(normal: int) -> tuple[int, int]:
    """Return the array axes of a volume that the rows and the columns of a section lie along.

    Parameters
    ----------
    normal : int
        Array axis that the section is normal to.

    Returns
    -------
    tuple of int
        The rows are counted along the first, the columns along the second.

    See Also
    --------
    volume_of_map : The directions of the same axes in coordinates.

    Examples
    --------
    >>> [in_plane(NORMALS[name]) for name in "zyx"]
    [(1, 2), (0, 2), (0, 1)]
    """
    return ((1, 2), (0, 2), (0, 1))[normal]


def volume_of_map(normal: int) -> np.ndarray:
    """Return the matrix that turns coordinates in the frame of a map into those in the frame of the volume.

    Parameters
    ----------
    normal : int
        Array axis that the map is normal to.

    Returns
    -------
    ndarray, shape (3, 3), float64
        Its columns are x, y and z of the map in the coordinates (x, y, z) of the volume.

    See Also
    --------
    in_plane : The array axes of the rows and the columns.

    Examples
    --------
    >>> volume_of_map(NORMALS["y"]).T.tolist()
    [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]]
    """
    down, along = np.eye(3)[[2 - axis for axis in in_plane(normal)]]
    return np.column_stack([along, down, np.cross(along, down)])


def extended(shape: Sequence[int]) -> list[int]:
    """Return the axes along which a volume has more than one voxel."""
    return [axis for axis, n in enumerate(shape) if n > 1]


def planar(shape: Sequence[int]) -> list[int]:
    """Return the axes whose normal sections have more than one row and column."""
    return [axis for axis in range(3) if all(shape[i] > 1 for i in in_plane(axis))]
