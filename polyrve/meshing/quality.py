"""How well tetrahedra are shaped: dihedral angles and scaled Jacobians."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

_EDGES = tuple(itertools.combinations(range(4), 2))
_AT_CORNER = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))


@dataclass(frozen=True)
class MeshQuality:
    """Shapes of the tetrahedra of a mesh; made by :func:`mesh_quality`.

    Attributes
    ----------
    inverted : int
        Tetrahedra whose volume is not positive.
    smallest_dihedral, largest_dihedral : float, degrees
        Worst angles between two faces.
    dihedral_percentile : float, degrees
        Smallest dihedral angle that all but one in a hundred tetrahedra have.
    below_10 : int
        Tetrahedra with a dihedral angle below 10 degrees.
    scaled_jacobian, scaled_jacobian_percentile : float
        Worst, and what all but one in a hundred tetrahedra have; 1 for the regular tetrahedron.
    """

    inverted: int
    smallest_dihedral: float
    largest_dihedral: float
    dihedral_percentile: float
    below_10: int
    scaled_jacobian: float
    scaled_jacobian_percentile: float


def mesh_quality(points: np.ndarray, tetrahedra: np.ndarray) -> MeshQuality:
    """Measure the shapes of tetrahedra.

    Parameters
    ----------
    points : ndarray, shape (n, 3)
    tetrahedra : ndarray, shape (m, 4), int

    Returns
    -------
    MeshQuality

    Examples
    --------
    >>> points = np.array([[1, 1, 1], [-1, 1, -1], [1, -1, -1], [-1, -1, 1]], dtype=float)
    >>> made = mesh_quality(points, np.array([[0, 1, 2, 3]]))
    >>> made.inverted, round(made.smallest_dihedral, 3), round(made.scaled_jacobian, 6)
    (0, 70.529, 1.0)
    """
    corners = points[tetrahedra[:, :4]]
    angles, jacobian = dihedral_angles(corners), scaled_jacobians(corners)
    smallest = angles.min(axis=1)
    return MeshQuality(
        inverted=int((jacobian <= 0).sum()),
        smallest_dihedral=float(smallest.min()),
        largest_dihedral=float(angles.max()),
        dihedral_percentile=float(np.percentile(smallest, 1.0)),
        below_10=int((smallest < 10.0).sum()),
        scaled_jacobian=float(jacobian.min()),
        scaled_jacobian_percentile=float(np.percentile(jacobian, 1.0)),
    )


def dihedral_angles(corners: np.ndarray) -> np.ndarray:
    """Return the angles between the faces of tetrahedra.

    Parameters
    ----------
    corners : ndarray, shape (n, 4, 3)

    Returns
    -------
    ndarray, shape (n, 6), degrees
    """
    angles = []
    for i, j in _EDGES:
        k, m = (other for other in range(4) if other not in (i, j))
        along = corners[:, j] - corners[:, i]
        u, v = np.cross(along, corners[:, k] - corners[:, i]), np.cross(along, corners[:, m] - corners[:, i])
        angles.append(np.arctan2(np.linalg.norm(np.cross(u, v), axis=1), np.einsum("ij,ij->i", u, v)))
    return np.asarray(np.rad2deg(np.stack(angles, axis=1)))


def scaled_jacobians(corners: np.ndarray) -> np.ndarray:
    """Return the least of the four corners' Jacobians over their three edge lengths, 1 for regular tetrahedra.

    Parameters
    ----------
    corners : ndarray, shape (n, 4, 3)

    Returns
    -------
    ndarray, shape (n,), float64

    References
    ----------
    C. J. Stimpson et al., The Verdict Geometric Quality Library, SAND2007-1751 (2007), 6.14.
    """
    a, b, c, d = np.moveaxis(corners, 1, 0)
    jacobian = np.einsum("ij,ij->i", b - a, np.cross(c - a, d - a))
    length = {(i, j): np.linalg.norm(corners[:, i] - corners[:, j], axis=1) for i, j in _EDGES}
    products = [np.prod([length[min(i, j), max(i, j)] for j in others], axis=0) for i, others in enumerate(_AT_CORNER)]
    return np.asarray(np.sqrt(2.0) * jacobian / np.maximum(np.max(products, axis=0), np.abs(jacobian) + 1e-300))
