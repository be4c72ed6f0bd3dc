"""Orientation distributions and pole densities, smoothed with a kernel, for every Laue group.

The masses of a distribution lie on nodes that are spread evenly over the fundamental zone (super-Fibonacci spirals
[1]_, their equivalents by symmetry taken together). Each orientation gives its mass to the nearest nodes by the de la
Vallee Poussin kernel [2]_, normalised per orientation. Masses therefore add up to one, and half of the L1 difference of
two distributions is the share of the volume that would have to be placed elsewhere [3]_.

References
----------
.. [1] M. Alexa, CVPR (2022) 8291, doi:10.1109/CVPR52688.2022.00811.
.. [2] H. Schaeben, phys. stat. sol. (b) 200 (1997) 367; F. Bachmann et al., Solid State Phenom. 160 (2010) 63.
.. [3] N. Bozzolo et al., J. Microsc. 227 (2007) 275, doi:10.1111/j.1365-2818.2007.01809.x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import symmetry_operations

_BIN = np.deg2rad(1.5)
"""Edge of a bin in rotation vectors: below a third of the narrowest kernel in use, 5 degrees, so that the mean of a bin
stands for its points. Smaller bins cost time in proportion to their number."""
_NEIGHBOURS = 128
"""Nodes that a kernel is spread over. They are as far apart as the kernel takes to fall to a half, and so many reach
three times as far; less than half a percent of its mass lies beyond."""
_POLE_NODES = 2000
"""Nodes of a hemisphere, 3 degrees apart: below the kernel of 5 degrees that smooths them."""

_POLES: dict[str, dict[str, tuple[float, float, float]]] = {
    "cubic": {"100": (1, 0, 0), "110": (1, 1, 0), "111": (1, 1, 1)},
    "tetragonal": {"001": (0, 0, 1), "100": (1, 0, 0), "110": (1, 1, 0)},
    "hexagonal": {"0001": (0, 0, 1), "10-10": (0, 1, 0), "11-20": (1, 0, 0)},
    "other": {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)},
}


def uniform_orientations(number: int) -> np.ndarray:
    """Return orientations spread evenly over SO(3), on super-Fibonacci spirals.

    Parameters
    ----------
    number : int

    Returns
    -------
    ndarray, shape (number, 4), float64
        Unit quaternions.

    References
    ----------
    M. Alexa, CVPR (2022) 8291, doi:10.1109/CVPR52688.2022.00811, with psi = 1.5337...

    Examples
    --------
    >>> uniform_orientations(1000).mean(axis=0).round(2) + 0.0
    array([0., 0., 0., 0.])
    """
    s = np.arange(number) + 0.5
    inner, outer = np.sqrt(s / number), np.sqrt(1.0 - s / number)
    alpha, beta = 2.0 * np.pi * s / np.sqrt(2.0), 2.0 * np.pi * s / 1.533751168755204288118041
    return np.stack([inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)], axis=1)


def to_fundamental_zone(quaternions: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """Return the symmetric equivalents of smallest rotation angle.

    Parameters
    ----------
    quaternions : ndarray, shape (..., 4)
    symmetry : ndarray, shape (n, 4)
        Crystal symmetry operations.

    Returns
    -------
    ndarray, shape (..., 4), float64
        With w >= 0.

    See Also
    --------
    polyrve.crystallography.rotation.nearest_equivalent : Next to another orientation than the identity.

    Examples
    --------
    >>> q = rotation.from_euler(np.deg2rad([80.0, 0.0, 0.0]))
    >>> np.rad2deg(rotation_vectors(to_fundamental_zone(q, symmetry_operations("m-3m")))).round(6) + 0.0
    array([ 0.,  0., 10.])
    """
    return rotation.nearest_equivalent(quaternions, np.array([1.0, 0.0, 0.0, 0.0]), symmetry)


@dataclass(frozen=True, eq=False)
class _Nodes:
    number: int
    tree: cKDTree
    owner: np.ndarray


@cache
def _nodes(laue: str, spacing: float) -> _Nodes:
    symmetry = symmetry_operations(laue)
    everywhere = uniform_orientations(int(8.0 * np.pi**2 / np.deg2rad(spacing) ** 3))
    zone = to_fundamental_zone(everywhere, symmetry)
    nodes = zone[np.abs(np.sum(zone * everywhere, axis=1)) > 1.0 - 1e-9]
    copies = np.concatenate([rotation.multiply(s, nodes) for s in symmetry])
    copies = np.concatenate([copies, -copies])
    owner = np.tile(np.arange(len(nodes)), 2 * len(symmetry))
    reach = np.cos(min(np.pi, np.arccos(nodes[:, 0].min()) + np.deg2rad(2.5 * spacing)))
    near = copies[:, 0] >= reach
    return _Nodes(len(nodes), cKDTree(copies[near]), owner[near])


@dataclass(frozen=True, eq=False)
class OdfBins:
    """The orientations of one phase, sorted into bins of 1.5 degrees; made by :func:`odf_bins`.

    Attributes
    ----------
    laue : str
        Laue group.
    centres : ndarray, shape (k, 4), float64
        Mean orientation of the points of each bin that is not empty.
    of_point : ndarray, shape (n,), int64
        Bin of each point.
    """

    laue: str
    centres: np.ndarray
    of_point: np.ndarray

    def odf(self, weights: np.ndarray, halfwidth: float) -> np.ndarray:
        """Return the masses of the orientation distribution on the nodes of the Laue group.

        Parameters
        ----------
        weights : ndarray, shape (k,)
            Mass of each bin.
        halfwidth : float, degrees
            Angle at which the kernel has half of its height; also the distance of the nodes.

        Returns
        -------
        ndarray, shape (number of nodes,), float64
            With the sum of the weights.

        See Also
        --------
        poles : The same as pole figures.
        """
        used = np.flatnonzero(weights)
        if halfwidth not in self._rows:
            self._rows[halfwidth] = self._spread(halfwidth)
        return weights[used] @ self._rows[halfwidth][used]

    @cached_property
    def _rows(self) -> dict[float, csr_array]:
        return {}

    def _spread(self, halfwidth: float) -> csr_array:
        nodes = _nodes(self.laue, halfwidth)
        near = min(_NEIGHBOURS, len(nodes.owner))
        distance, index = nodes.tree.query(self.centres, k=near)
        exponent = np.log(0.5) / np.log(np.cos(np.deg2rad(halfwidth) / 2.0))
        kernel = np.maximum(1.0 - distance**2 / 2.0, 0.0) ** exponent
        kernel /= kernel.sum(axis=1, keepdims=True)
        start = np.arange(len(self.centres) + 1) * near
        shape = (len(self.centres), nodes.number)
        return csr_array((kernel.ravel(), nodes.owner[index].ravel(), start), shape=shape)

    def poles(self, weights: np.ndarray, halfwidth: float = 5.0) -> dict[str, np.ndarray]:
        """Return the densities of the pole figures of the Laue group on even nodes of the hemisphere.

        Parameters
        ----------
        weights : ndarray, shape (k,)
            Mass of each bin.
        halfwidth : float, degrees
            Angle at which the kernel has half of its height.

        Returns
        -------
        dict of str to ndarray, shape (number of nodes,), float64
            Masses by family of planes; their sum is the sum of the weights.
        """
        smooth = _hemisphere(halfwidth)
        used = np.flatnonzero(weights)
        figures = {}
        for name, directions in pole_directions(self.laue).items():
            masses = np.zeros(len(smooth))
            for node in self._pole_nodes[name]:
                masses += np.bincount(node[used], weights[used] / len(directions), minlength=len(smooth))
            figures[name] = masses @ smooth
        return figures

    @cached_property
    def _pole_nodes(self) -> dict[str, list[np.ndarray]]:
        """Node of the hemisphere that the pole of each bin is nearest to, for each plane of each family."""
        tree, turns = _pole_tree(), rotation.conjugate(self.centres)
        return {
            name: [tree.query(rotation.rotate(turns, direction))[1] % _POLE_NODES for direction in directions]
            for name, directions in pole_directions(self.laue).items()
        }


def odf_bins(quaternions: np.ndarray, laue: str) -> OdfBins:
    """Sort orientations into bins of 1.5 degrees.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
    laue : str
        Laue group.

    Returns
    -------
    OdfBins

    See Also
    --------
    pole_density : The density of directions alone.

    Examples
    --------
    Two textures that share half of their volume differ by half of it:

    >>> q = rotation.from_euler(np.deg2rad([[0.0, 0.0, 0.0], [40.0, 35.0, 20.0]]))
    >>> bins = odf_bins(q, "m-3m")
    >>> shares = np.eye(2)[bins.of_point].T
    >>> first, second = bins.odf(shares[0], 7.5), bins.odf(shares.mean(axis=0), 7.5)
    >>> round(0.5 * float(np.abs(first - second).sum()), 3)
    0.5
    """
    zone = to_fundamental_zone(quaternions, symmetry_operations(laue)).reshape(-1, 4)
    axis_angle = rotation_vectors(zone)
    number = np.floor(axis_angle / _BIN).astype(np.int64) + 2048
    code, of_point = np.unique((number[:, 0] * 4096 + number[:, 1]) * 4096 + number[:, 2], return_inverse=True)
    of_point = of_point.ravel()
    mean = np.stack([np.bincount(of_point, x, minlength=len(code)) for x in zone.T], axis=1)
    return OdfBins(laue, rotation.normalize(mean), of_point)


def rotation_vectors(quaternions: np.ndarray) -> np.ndarray:
    """Return axis times angle of rotations.

    Parameters
    ----------
    quaternions : ndarray, shape (..., 4)
        Unit quaternions with w >= 0.

    Returns
    -------
    ndarray, shape (..., 3), float64, rad

    See Also
    --------
    polyrve.crystallography.rotation.from_rotation_vector : The inverse.

    Examples
    --------
    >>> rotation_vectors(np.array([0.5**0.5, 0.0, 0.5**0.5, 0.0])).round(6)
    array([0.      , 1.570796, 0.      ])
    """
    sine = np.linalg.norm(quaternions[..., 1:], axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, quaternions[..., :1])
    return quaternions[..., 1:] * np.where(sine > 1e-12, angle / np.maximum(sine, 1e-12), 2.0)


@cache
def pole_directions(laue: str) -> dict[str, np.ndarray]:
    """Return the families of crystal directions whose pole figures are compared.

    Parameters
    ----------
    laue : str
        Laue group.

    Returns
    -------
    dict of str to ndarray, shape (m, 3)
        Unit vectors in the crystal frame, one of each pair of opposite ones.

    Examples
    --------
    >>> {name: len(directions) for name, directions in pole_directions("m-3m").items()}
    {'100': 3, '110': 6, '111': 4}
    """
    system = {
        "m-3": "cubic", "m-3m": "cubic", "4/m": "tetragonal", "4/mmm": "tetragonal",
        "-3": "hexagonal", "-3m": "hexagonal", "6/m": "hexagonal", "6/mmm": "hexagonal",
    }.get(laue, "other")  # fmt: skip
    families = {}
    for name, direction in _POLES[system].items():
        unit = np.array(direction) / np.linalg.norm(direction)
        unique: list[np.ndarray] = []
        for equivalent in rotation.rotate(symmetry_operations(laue), unit):
            if all(abs(equivalent @ other) < 1.0 - 1e-9 for other in unique):
                unique.append(equivalent)
        families[name] = np.array(unique)
    return families


@cache
def _pole_tree() -> cKDTree:
    """Return a tree of even nodes of the hemisphere and their opposites."""
    z = (np.arange(_POLE_NODES) + 0.5) / _POLE_NODES
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(_POLE_NODES)
    radius = np.sqrt(1.0 - z * z)
    nodes = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
    return cKDTree(np.concatenate([nodes, -nodes]))


@cache
def _hemisphere(halfwidth: float) -> np.ndarray:
    """Return the matrix that spreads a mass at a node over all."""
    nodes = _pole_tree().data[:_POLE_NODES]
    concentration = np.log(2.0) / (1.0 - np.cos(np.deg2rad(halfwidth)))
    kernel = np.exp(concentration * (np.abs(nodes @ nodes.T) - 1.0))
    return kernel / kernel.sum(axis=1, keepdims=True)


def pole_density(
    directions: np.ndarray, positions: np.ndarray, symmetry: np.ndarray | None = None, halfwidth: float = 5.0
) -> np.ndarray:
    """Return the density of directions on the hemisphere, in multiples of a random distribution.

    Parameters
    ----------
    directions : ndarray, shape (n, 3)
        Unit vectors; opposite ones are the same.
    positions : ndarray, shape (m, 3)
        Unit vectors at which the density is evaluated.
    symmetry : ndarray, shape (k, 4), optional
        Rotations over whose equivalents the density is averaged.
    halfwidth : float, degrees
        Angle at which the kernel has half of its height.

    Returns
    -------
    ndarray, shape (m,), float64

    See Also
    --------
    OdfBins.poles : Pole figures of binned orientations.

    Examples
    --------
    >>> everywhere = rotation.rotate(uniform_orientations(5000), [0.0, 0.0, 1.0])
    >>> pole_density(everywhere, np.eye(3), halfwidth=20.0).round(1)
    array([1., 1., 1.])
    """
    tree = _pole_tree()
    nodes = tree.data[:_POLE_NODES]
    masses = np.bincount(tree.query(directions)[1] % _POLE_NODES, minlength=_POLE_NODES) / len(directions)
    if symmetry is not None:
        masses = np.mean([masses[tree.query(rotation.rotate(s, nodes))[1] % _POLE_NODES] for s in symmetry], axis=0)
    kernel = positions.astype(np.float32) @ nodes.T.astype(np.float32)
    np.abs(kernel, out=kernel)
    kernel -= 1.0
    kernel *= np.float32(np.log(2.0) / (1.0 - np.cos(np.deg2rad(halfwidth))))
    np.exp(kernel, out=kernel)
    found, expected = kernel @ masses.astype(np.float32), kernel.mean(axis=1)
    return np.asarray(found / expected, dtype=np.float64)
