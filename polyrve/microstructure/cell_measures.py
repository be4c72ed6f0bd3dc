"""What is measured on the cells of a labelled volume, slab by slab: sizes, faces and areas in sections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

_SLAB = 2**22
"""Voxels that are looked at together."""


def slabs(shape: tuple[int, ...], voxels: int = _SLAB) -> Iterator[tuple[int, int]]:
    """Yield the first and one beyond the last plane of slabs normal to z.

    Parameters
    ----------
    shape : tuple of int
        (nz, ny, nx).
    voxels : int
        Of a slab, about; it has one plane at least.

    Yields
    ------
    tuple of int

    Examples
    --------
    >>> list(slabs((5, 10, 10), voxels=200))
    [(0, 2), (2, 4), (4, 5)]
    """
    planes = max(1, voxels // (shape[1] * shape[2]))
    for first in range(0, shape[0], planes):
        yield first, min(first + planes, shape[0])


def cell_volumes(labels: np.ndarray, number: int) -> np.ndarray:
    """Count the voxels of cells 0 ... number - 1, shape (number,)."""
    total = np.zeros(number, dtype=np.int64)
    for first, last in slabs(labels.shape):
        total += np.bincount(labels[first:last].ravel(), minlength=number)
    return total


def cell_faces(
    labels: np.ndarray, number: int, *, periodic: bool = True, areas: Sequence[float] = (1.0, 1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the pairs of cells that meet.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
        0 ... number - 1.
    number : int
    periodic : bool
        Whether cells also meet across the faces of the volume.
    areas : sequence of float
        Of the face of a voxel normal to each axis.

    Returns
    -------
    first, second : ndarray, shape (F,), int64
        Cells, ``first < second``, in rising order.
    contact : ndarray, shape (F,)
        Area of the faces of voxels between them.
    """
    pairs: np.ndarray = np.zeros(0, dtype=np.int64)
    contact: np.ndarray = np.zeros(0)
    for begin, end in slabs(labels.shape):
        here = labels[begin:end].astype(np.int64)
        behind = np.concatenate([here[1:], labels[end % len(labels)][None].astype(np.int64)])
        found, weights = [pairs], [contact]
        for axis, there in enumerate((behind, np.roll(here, -1, axis=1), np.roll(here, -1, axis=2))):
            differ = here != there
            if not periodic and (axis > 0 or end == len(labels)):
                differ[(slice(None),) * axis + (-1,)] = False
            a, b = here[differ], there[differ]
            found.append(np.minimum(a, b) * number + np.maximum(a, b))
            weights.append(np.full(len(a), areas[axis]))
        pairs, inverse = np.unique(np.concatenate(found), return_inverse=True)
        contact = np.bincount(inverse, np.concatenate(weights), minlength=len(pairs))
    return pairs // number, pairs % number, contact


def section_areas(labels: np.ndarray, number: int, normals: Iterable[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield for each normal the cells that its sections cut and their areas in points, section by section.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
    number : int
        Of cells.
    normals : iterable of int
        Array axes.

    Yields
    ------
    cells, area : ndarray, shape (n,), int64
    """
    for normal in normals:
        cells, areas = [], []
        for plane in np.moveaxis(labels, normal, 0):
            area = np.bincount(plane.ravel(), minlength=number)
            cells.append(np.flatnonzero(area))
            areas.append(area[cells[-1]])
        yield np.concatenate(cells), np.concatenate(areas)
