r"""What a crystal does under load: its elasticity, and the stresses at which its slip and twin systems yield.

Symmetric tensors are six components in Kelvin's notation, ``(11, 22, 33, 23, 13, 12)`` with the shears times
``sqrt(2)``: rotations of them are orthogonal, and a stiffness is inverted as a matrix. Voigt's stiffness has the same
entries but for factors of ``sqrt(2)`` and 2 on the shears.

A crystal yields where the shear stress on a system reaches its resistance. The stresses that no system is beyond are a
polytope in the five dimensions of the deviator; the plastic work of a strain is the largest over its vertices [1]_, the
dual of the least shear that gives the strain [2]_. The vertices are the facets of the convex hull of the polar set, the
Schmid tensors divided by their resistances, which Qhull finds [3]_: 56 for {111}<110> of equal resistance.

References
----------
.. [1] J. F. W. Bishop, R. Hill, Phil. Mag. 42 (1951) 414, doi:10.1080/14786445108561065.
.. [2] G. I. Taylor, J. Inst. Met. 62 (1938) 307.
.. [3] C. B. Barber, D. P. Dobkin, H. Huhdanpaa, ACM Trans. Math. Softw. 22 (1996) 469, doi:10.1145/235815.235821.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_PAIRS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_FACTORS = np.sqrt([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
_DEVIATORS = np.array([
    [1.0, -1.0, 0.0, 0.0, 0.0, 0.0], [-1.0, -1.0, 2.0, 0.0, 0.0, 0.0],
    *np.eye(6)[3:],
])  # fmt: skip
_DEVIATORS /= np.linalg.norm(_DEVIATORS, axis=1, keepdims=True)
_DIGITS = 9
"""Digits to which vertices are told apart: Qhull cuts facets into simplices, whose planes differ by rounding."""

CONSTANTS: dict[str, tuple[str, ...]] = {
    "cF": ("C_11", "C_12", "C_44"),
    "cI": ("C_11", "C_12", "C_44"),
    "hP": ("C_11", "C_33", "C_44", "C_12", "C_13"),
    "tI": ("C_11", "C_33", "C_44", "C_66", "C_12", "C_13"),
}
"""Independent elastic constants of each Bravais lattice."""


@dataclass(frozen=True, eq=False)
class Crystal:
    """Elasticity and yielding of one phase, in the crystal frame of :mod:`polyrve.crystallography.phase`.

    Attributes
    ----------
    name : str
        Of the definition that it is from.
    stiffness : ndarray, shape (6, 6), Pa
        Kelvin's notation.
    schmid : ndarray, shape (n, 3, 3)
        Direction times normal of each slip and twin system; n is 0 where there is no plasticity.
    resistance : ndarray, shape (n,), Pa
        Shear stress at which each system yields.
    one_sided : ndarray, shape (n,), bool
        Whether a system shears in one sense alone, as twins do.
    absolute : bool
        Whether resistances are stresses; else all are 1, and Taylor factors alone have a meaning.

    See Also
    --------
    polyrve.adapters.solvers.damask_crystals.crystal : Make one from a phase definition of DAMASK.
    """

    name: str
    stiffness: np.ndarray
    schmid: np.ndarray
    resistance: np.ndarray
    one_sided: np.ndarray
    absolute: bool = True

    @property
    def softest(self) -> float:
        """Smallest resistance, Pa: the unit of the Taylor factor."""
        return float(self.resistance.min()) if len(self.resistance) else np.nan

    @cached_property
    def vertices(self) -> np.ndarray:
        """Stresses at the vertices of the yield surface, shape (v, 6), Kelvin's notation, in units of :attr:`softest`.

        None (shape (0, 6)) where the systems cannot give every change of shape: fewer than five are independent.
        """
        from scipy.spatial import ConvexHull, QhullError

        if not len(self.schmid):
            return np.zeros((0, 6))
        symmetric = (self.schmid + self.schmid.swapaxes(1, 2)) / 2.0
        points = to_kelvin(symmetric) @ _DEVIATORS.T * (self.softest / self.resistance)[:, None]
        points = np.concatenate([points, -points[~self.one_sided]])
        try:
            hull = ConvexHull(points)
        except QhullError:
            return np.zeros((0, 6))
        offset = hull.equations[:, -1:]
        if (offset > -1e-9).any():
            return np.zeros((0, 6))
        found = np.unique((-hull.equations[:, :-1] / offset).round(_DIGITS), axis=0)
        return found @ _DEVIATORS


def stiffness(lattice: str, constants: Mapping[str, float]) -> np.ndarray:
    """Return the stiffness of a crystal from its elastic constants.

    Parameters
    ----------
    lattice : str
        cF, cI, hP or tI.
    constants : mapping of str to float, Pa
        :data:`CONSTANTS` of the lattice, Voigt's notation.

    Returns
    -------
    ndarray, shape (6, 6), Pa
        Kelvin's notation.

    Raises
    ------
    ValueError
        If a constant is missing, or the stiffness is not positive definite.

    Examples
    --------
    >>> C = stiffness("cF", {"C_11": 168.9e9, "C_12": 121.8e9, "C_44": 75.8e9})
    >>> round(float(young_moduli(C)[0]) / 1e9, 1)
    66.8
    """
    missing = [name for name in CONSTANTS[lattice] if name not in constants]
    if missing:
        raise ValueError(f"elastic constants of {lattice}: expected {', '.join(missing)}; got {', '.join(constants)}")
    c = {name: float(constants[name]) for name in CONSTANTS[lattice]}
    c11, c12, c44 = c["C_11"], c["C_12"], c["C_44"]
    c33, c13 = c.get("C_33", c11), c.get("C_13", c12)
    c66 = c.get("C_66", (c11 - c12) / 2.0 if lattice == "hP" else c44)
    full = np.diag([c11, c11, c33, 2.0 * c44, 2.0 * c44, 2.0 * c66])
    full[0, 1] = full[1, 0] = c12
    full[:2, 2] = full[2, :2] = c13
    if not np.isfinite(full).all() or np.linalg.eigvalsh(full).min() <= 0.0:
        raise ValueError(f"elastic constants of {lattice}: expected a stable crystal; got {constants}")
    return full


def to_kelvin(tensors: np.ndarray) -> np.ndarray:
    """Return symmetric tensors, shape (..., 3, 3), in Kelvin's notation, shape (..., 6)."""
    return np.stack([tensors[..., i, j] for i, j in _PAIRS], axis=-1) * _FACTORS


def kelvin_rotations(matrices: np.ndarray) -> np.ndarray:
    """Return rotations of symmetric tensors in Kelvin's notation.

    Parameters
    ----------
    matrices : ndarray, shape (n, 3, 3)
        Rotations of vectors, ``v' = R v``.

    Returns
    -------
    ndarray, shape (n, 6, 6)
        Orthogonal ``Q`` with ``to_kelvin(R t R^T) = Q to_kelvin(t)``.

    References
    ----------
    M. M. Mehrabadi, S. C. Cowin, Q. J. Mech. Appl. Math. 43 (1990) 15, doi:10.1093/qjmam/43.1.15, eq. 2.
    """
    i, j = np.array(_PAIRS).T
    first, second = matrices[:, i][:, :, i], matrices[:, j][:, :, j]
    mixed = matrices[:, i][:, :, j] * matrices[:, j][:, :, i]
    return 0.5 * np.outer(_FACTORS, _FACTORS) * (first * second + mixed)


def young_moduli(stiffness: np.ndarray) -> np.ndarray:
    """Return Young's moduli along x, y and z of stiffnesses in Kelvin's notation, shape (..., 6, 6) to (..., 3)."""
    return 1.0 / np.diagonal(np.linalg.inv(stiffness), axis1=-2, axis2=-1)[..., :3]
