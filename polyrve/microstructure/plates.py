"""Plates in cells: which voxels of a cell lie between two parallel planes, and within the ends of the plate."""

from __future__ import annotations

import numpy as np


def least_thickness(normal: np.ndarray, spacing: np.ndarray) -> float:
    """Return the thickness from which the voxels of a plate hang together by their faces.

    Parameters
    ----------
    normal : ndarray, shape (3,)
        Unit vector along the array axes.
    spacing : ndarray, shape (3,), um

    Returns
    -------
    float, um

    References
    ----------
    J.-P. Reveilles, thesis, Universite Louis Pasteur, Strasbourg (1991): standard digital planes.

    Examples
    --------
    >>> round(least_thickness(np.array([0.6, 0.8, 0.0]), np.ones(3)), 6)
    1.4
    """
    return float(np.abs(normal) @ spacing)


def plate(
    points: np.ndarray,
    normal: np.ndarray,
    offset: float,
    thickness: float,
    rng: np.random.Generator,
    *,
    length: float = 1.0,
    free_ends: int = 0,
) -> np.ndarray:
    """Find the points of a cell that lie in a plate.

    Parameters
    ----------
    points : ndarray, shape (n, 3), um
        Along the array axes, without jumps.
    normal : ndarray, shape (3,)
        Unit vector.
    offset : float, um
        Of the plate's middle along the normal.
    thickness : float, um
    rng : numpy.random.Generator
        Of the direction in which the plate ends, or of its middle.
    length : float
        Of the trace of the plate in a section as a share of the cell's.
    free_ends : int
        0 for a plate from boundary to boundary; 1 for one that ends along a line; 2 for a disc.

    Returns
    -------
    ndarray, shape (n,), bool
    """
    inside = np.abs(points @ normal - offset) <= thickness / 2.0
    if free_ends == 0 or length >= 1.0 or not inside.any():
        return inside
    within = points[inside]
    if free_ends == 1:
        direction = np.cross(normal, rng.standard_normal(3))
        reach, share = within @ direction, length
    else:
        away = within - within[rng.integers(len(within))]
        reach, share = np.linalg.norm(away - (away @ normal)[:, None] * normal, axis=1), length**2
    inside[inside] = reach <= np.quantile(reach, share)
    return inside
