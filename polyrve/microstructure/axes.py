"""Array axes of a volume, 0 to 2 for z, y and x, and those of its planar sections."""

from __future__ import annotations

from collections.abc import Sequence


def in_plane(normal: int) -> tuple[int, int]:
    """The two axes that count the rows and the columns of sections normal to an axis."""
    return ((1, 2), (0, 2), (0, 1))[normal]


def extended(shape: Sequence[int]) -> list[int]:
    """Axes along which a volume has more than one voxel."""
    return [axis for axis, n in enumerate(shape) if n > 1]


def planar(shape: Sequence[int]) -> list[int]:
    """Axes whose normal sections have more than one row and column."""
    return [axis for axis in range(3) if all(shape[i] > 1 for i in in_plane(axis))]
