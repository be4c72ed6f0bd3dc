r"""Symmetrized hyperspherical harmonics (SHSH) of any even degree for any Laue group.

The real hyperspherical harmonics of even degree n = 2 l span the matrix elements of the l-th irreducible
representation of SO(3) [1]_. Those that do not change when a crystal symmetry operation acts from the left are

.. math:: f_{k m}(q) = \sum_i w_{k i} \sum_{d \in O_i} \tilde Y_{l m}(R(q)^T d)

with orbits :math:`O_i` of crystal directions under the group, :math:`R(q)^T d` the crystal direction in sample
coordinates, and :math:`\tilde Y_{lm}` the real spherical harmonics with mean square 1 on the sphere. By the addition
theorem the mean of a product over all orientations is

.. math:: \langle f_{k m} f_{k' m'} \rangle = \delta_{m m'} (w G w^T)_{k k'}, \qquad
          G_{ij} = \sum_{d \in O_i} \sum_{d' \in O_j} P_l(d \cdot d'),

so that one Cholesky factor of G makes the set orthonormal under the Haar measure of total mass 1. No table is needed.

Properties, which are also the tests: f(s q) = f(q) for every symmetry operation s; f(-q) = f(q); orthonormal and of
zero mean for l > 0; M(l) (2 l + 1) functions of degree n = 2 l, M(l) being the mean of sin((2l+1) w_g/2)/sin(w_g/2)
over g in G; sum_m f_km(q1) f_km(q2) depends on the misorientation alone; sum_km f_km(q)^2 = M(l) (2 l + 1) if all k
are taken.

Normalisation: on the 3-sphere with its surface 2 pi^2 the harmonics of [1]_ are orthonormal, so
``f = sqrt(2 pi^2) * Z`` up to an orthogonal mixing of functions of one degree.

References
----------
.. [1] J. K. Mason, C. A. Schuh, Acta Materialia 56 (2008) 6141, doi:10.1016/j.actamat.2008.08.031.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, legendre
from scipy.special import roots_gegenbauer

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, laue_group, symmetry_operations

_DEFAULT: dict[str, tuple[tuple[int, int], ...]] = {
    "-1": ((2, 0), (2, 1), (2, 2)),
    "2/m": ((2, 0), (4, 1)),
    "mmm": ((4, 0), (4, 1)),
    "4/m": ((2, 0), (8, 0)),
    "4/mmm": ((4, 0), (8, 0)),
    "-3": ((2, 0), (6, 0)),
    "-3m": ((4, 0), (6, 0)),
    "6/m": ((2, 0), (12, 0)),
    "6/mmm": ((4, 0), (12, 0)),
    "m-3": ((6, 0),),
    "m-3m": ((8, 0),),
}
"""Default set of each Laue group as (degree n, invariant k): low degrees that separate all orientations of the group
and change at nearly the same rate for rotations about every axis; the proof is in ``docs/harmonics.md``."""


def number_of_invariants(laue: str, degree: int) -> int:
    """Return the number M(l) of crystal-symmetric invariants at degree n = 2 l.

    Parameters
    ----------
    laue : str
        Laue group.
    degree : int
        Even degree n >= 0.

    Returns
    -------
    int
        The degree has M(l) (2 l + 1) symmetrized harmonics.

    Raises
    ------
    ValueError
        If the degree is odd or negative, or there is no such group.

    Examples
    --------
    >>> [number_of_invariants("m-3m", n) for n in (2, 4, 6, 8, 10, 12)]
    [0, 0, 0, 1, 0, 1]
    """
    order = _order(degree)
    cosine = np.clip(np.abs(symmetry_operations(laue)[:, 0]), 0.0, 1.0)
    half = np.arccos(cosine)
    character = np.where(
        half < 1e-6, 2 * order + 1, np.sin((2 * order + 1) * half) / np.where(half < 1e-6, 1.0, np.sin(half))
    )
    return round(float(character.mean()))


@dataclass(frozen=True, eq=False)
class _Degree:
    order: int
    directions: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True, eq=False)
class SymmetrizedHarmonics:
    """A set of symmetrized hyperspherical harmonics, made by :func:`symmetrized_harmonics`.

    Attributes
    ----------
    laue : str
        Laue group.
    terms : tuple of (int, int)
        Degree n and invariant k of each group of 2 l + 1 functions, in the order of the channels.

    Examples
    --------
    >>> harmonics = symmetrized_harmonics("m-3m")
    >>> q = rotation.from_euler(np.deg2rad([[40.0, 35.0, 20.0], [40.0, 35.0, 110.0]]))
    >>> values = harmonics.evaluate(q)
    >>> values.shape, bool(np.allclose(values[:, 0], values[:, 1]))
    ((9, 2), True)
    """

    laue: str
    terms: tuple[tuple[int, int], ...]
    _degrees: tuple[_Degree, ...] = field(repr=False)

    @property
    def count(self) -> int:
        """Number of functions C."""
        return sum(degree + 1 for degree, _ in self.terms)

    def channels(self, w: Any, x: Any, y: Any, z: Any) -> list[Any]:
        """Return the functions at unit quaternions given by their components.

        Only sums and products are used, so arrays of NumPy and tensors of TensorFlow are both served.

        Parameters
        ----------
        w, x, y, z : array, shape (...)
            Components of unit quaternions.

        Returns
        -------
        list of array, shape (...), length C
        """
        rows = (
            (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)),
            (2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)),
            (2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)),
        )
        channels: list[Any] = []
        for degree in self._degrees:
            sums: list[list[Any]] = [[None] * (2 * degree.order + 1) for _ in degree.weights]
            for direction, weights in zip(degree.directions, degree.weights.T, strict=True):
                values = _spherical_harmonics(degree.order, *_combine(direction, rows))
                for k, weight in enumerate(weights):
                    if abs(weight) > 1e-12:
                        for m, value in enumerate(values):
                            term = float(weight) * value
                            sums[k][m] = term if sums[k][m] is None else sums[k][m] + term
            channels.extend(value for group in sums for value in group)
        return channels

    def evaluate(self, q: np.ndarray) -> np.ndarray:
        """Return the functions at unit quaternions.

        Parameters
        ----------
        q : ndarray, shape (..., 4)

        Returns
        -------
        ndarray, shape (C, ...), float64
        """
        return np.stack(self.channels(*np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)))

    def moment_coefficients(self) -> tuple[np.ndarray, np.ndarray]:
        r"""Return the expansion in moments of the crystal directions, for means over many orientations.

        With (x, y, z) a crystal direction in sample coordinates, each function is a sum over directions of
        coefficients times Re or Im (x + i y)^m T_k(z), T_k the Chebyshev polynomials.

        Returns
        -------
        directions : ndarray, shape (D, 3)
        coefficients : ndarray, shape (C, D, 2 L + 1, L + 1)
            Over function, direction, (Re m = 0 ... L, Im m = 1 ... L) and k; L is the highest order l.
        """
        highest = max(degree.order for degree in self._degrees)
        directions = np.unique(np.concatenate([d.directions for d in self._degrees]).round(12), axis=0)
        blocks = []
        for degree in self._degrees:
            harmonic = np.zeros((2 * degree.order + 1, 2 * highest + 1, highest + 1))
            for m, (leading, squares) in enumerate(_zonal_factors(degree.order)):
                roots = [sign * math.sqrt(square) for square in squares for sign in (-1.0, 1.0)]
                series = leading * chebyshev.chebfromroots([*roots, *[0.0] * ((degree.order - m) % 2)])
                harmonic[degree.order + m, m, : len(series)] = series
                if m:
                    harmonic[degree.order - m, highest + m, : len(series)] = series
            at = [int(np.argmin(((directions - d) ** 2).sum(1))) for d in degree.directions]
            per_direction = np.zeros((len(degree.weights), len(directions)))
            per_direction[:, at] = degree.weights
            block = np.einsum("kd,mab->kmdab", per_direction, harmonic)
            blocks.append(block.reshape(-1, *block.shape[2:]))
        return directions, np.concatenate(blocks)


@cache
def symmetrized_harmonics(laue: str, terms: tuple[int | tuple[int, int], ...] | None = None) -> SymmetrizedHarmonics:
    """Return symmetrized hyperspherical harmonics of a Laue group.

    Parameters
    ----------
    laue : str
        Laue group or point group.
    terms : tuple of int or (int, int), optional
        Even degrees n, each with all its invariants, or pairs of degree and invariant k = 0 ... M(l) - 1. Default: a
        small set that separates all orientations of the group.

    Returns
    -------
    SymmetrizedHarmonics

    Raises
    ------
    ValueError
        If a degree is odd or negative, or the group has no such invariant.

    See Also
    --------
    number_of_invariants : How many there are of a degree.
    degrees_up_to : The degrees that have some.

    Examples
    --------
    >>> symmetrized_harmonics("m-3m").count, symmetrized_harmonics("6/mmm").count
    (9, 18)
    >>> symmetrized_harmonics("m-3m", (8, 12)).terms
    ((8, 0), (12, 0))
    """
    laue = laue_group(laue)
    pairs: list[tuple[int, int]] = []
    for term in _DEFAULT[laue] if terms is None else terms:
        if isinstance(term, tuple):
            pairs.append(term)
        else:
            pairs.extend((term, k) for k in range(number_of_invariants(laue, term)))
    grouped: dict[int, list[int]] = {}
    for degree, k in pairs:
        count = number_of_invariants(laue, degree)
        if not 0 <= k < count:
            raise ValueError(
                f"harmonics of Laue group {laue}: expected an invariant below {count} at degree {degree}; got {k}"
            )
        if k in grouped.setdefault(degree, []):
            raise ValueError(f"harmonics of Laue group {laue}: degree {degree}, invariant {k} is asked for twice")
        grouped[degree].append(k)
    if not grouped:
        raise ValueError(f"harmonics of Laue group {laue}: expected at least one function; got degrees {terms}")
    degrees = []
    for degree, ks in grouped.items():
        directions, weights = _invariants(laue, _order(degree))
        weights = weights[ks]
        used = np.any(np.abs(weights) > 1e-12, axis=0)
        degrees.append(_Degree(_order(degree), directions[used], weights[:, used]))
    return SymmetrizedHarmonics(laue, tuple((n, k) for n, ks in grouped.items() for k in ks), tuple(degrees))


def degrees_up_to(laue: str, highest: int) -> tuple[int, ...]:
    """Return the even degrees n = 2 ... highest at which a Laue group has invariants.

    Parameters
    ----------
    laue : str
        Laue group.
    highest : int

    Returns
    -------
    tuple of int

    Examples
    --------
    >>> degrees_up_to("m-3m", 16)
    (8, 12, 16)
    """
    return tuple(n for n in range(2, highest + 1, 2) if number_of_invariants(laue, n))


def _order(degree: int) -> int:
    if degree < 0 or degree % 2:
        raise ValueError(f"degree of a symmetrized harmonic: expected an even number >= 0; got {degree}")
    return degree // 2


@cache
def _invariants(laue: str, order: int) -> tuple[np.ndarray, np.ndarray]:
    """Return directions (D, 3) and weights (M, D) of the orthonormal invariants, in the order of the candidate axes.

    A Cholesky factorisation of G that takes as its next pivot the first axis whose remainder is a tenth of the largest
    keeps the plainest axes and bounds the weights.
    """
    count = number_of_invariants(laue, 2 * order)
    axes = _candidate_axes(laue, count)
    gram = np.mean([_legendre(order, axes @ rotation.rotate(s, axes).T) for s in symmetry_operations(laue)], axis=0)
    remainder, chosen = np.diag(gram).copy(), np.zeros(0, dtype=int)
    for _ in range(count):
        chosen = np.append(chosen, np.argmax(remainder >= 0.1 * remainder.max()))
        factor = np.linalg.cholesky(gram[np.ix_(chosen, chosen)])
        remainder = np.diag(gram) - np.sum(np.linalg.solve(factor, gram[chosen]) ** 2, axis=0)
        remainder[chosen] = 0.0
    orbits = [_orbit(laue, axes[i], order) for i in chosen]
    sizes = [len(orbit) for orbit in orbits]
    factor = np.linalg.cholesky(gram[np.ix_(chosen, chosen)])
    weights = np.repeat(np.linalg.inv(factor) / sizes, sizes, axis=1)
    return np.concatenate(orbits), weights


def _candidate_axes(laue: str, count: int) -> np.ndarray:
    """Return the plainest axes first, but a pyramid at 60 degrees from c where it mixes invariants of a main axis."""
    simple: list[tuple[float, float, float]] = [
        (0, 0, 1), (1, 0, 0), (0, 1, 0), (1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1),
    ]  # fmt: skip
    if laue == "2/m":
        simple = [(0, 1, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (1, 1, 0), (0, 1, 1)]
    elif laue in ("4/m", "4/mmm", "-3", "6/m", "6/mmm") and count > 1:
        simple = [(math.sqrt(3.0), 0, 1), *simple]
    generic = np.random.default_rng(0).standard_normal((200, 3))
    axes = np.concatenate([simple, generic])
    return axes / np.linalg.norm(axes, axis=1, keepdims=True)


def _orbit(laue: str, axis: np.ndarray, order: int) -> np.ndarray:
    images = rotation.rotate(symmetry_operations(laue), axis)
    kept: list[np.ndarray] = []
    for image in images:
        same = [k for k in kept if np.dot(k, image) > 1 - 1e-9 or (order % 2 == 0 and np.dot(k, image) < -1 + 1e-9)]
        if not same:
            kept.append(image)
    orbit = np.array(kept)
    orbit[np.abs(orbit) < 1e-15] = 0.0
    return orbit


def _legendre(order: int, x: np.ndarray) -> np.ndarray:
    return legendre.legval(np.clip(x, -1.0, 1.0), [0.0] * order + [1.0])


def _combine(direction: np.ndarray, rows: Sequence[Sequence[Any]]) -> list[Any]:
    combined = []
    for column in range(3):
        parts = [
            rows[i][column] if direction[i] == 1.0 else float(direction[i]) * rows[i][column]
            for i in range(3)
            if direction[i] != 0.0
        ]
        combined.append(sum(parts[1:], start=parts[0]))
    return combined


@cache
def _zonal_factors(order: int) -> tuple[tuple[float, tuple[float, ...]], ...]:
    """Return the leading coefficients and squares of the positive roots of N_lm d^m P_l / dz^m.

    These are Gegenbauer polynomials in z.

    The product over the roots is evaluated to a few eps at any degree, which the sum of powers is not.
    """
    factors = []
    for m in range(order + 1):
        norm = math.sqrt((2.0 if m else 1.0) * (2 * order + 1) * math.factorial(order - m) / math.factorial(order + m))
        leading = math.factorial(2 * order) / (2**order * math.factorial(order) * math.factorial(order - m))
        roots = roots_gegenbauer(order - m, m + 0.5)[0] if m < order else np.zeros(0)
        factors.append((norm * leading, tuple(float(root) ** 2 for root in roots[len(roots) - len(roots) // 2 :])))
    return tuple(factors)


def _spherical_harmonics(order: int, x: Any, y: Any, z: Any) -> list[Any]:
    """Return the real spherical harmonics with mean square 1 at unit vectors, m = -l ... l."""
    if order == 0:
        return [z * 0.0 + 1.0]
    square = z * z
    cosines: list[Any] = [1.0]
    sines: list[Any] = [0.0]
    for _ in range(order):
        c, s = cosines[-1], sines[-1]
        cosines.append(x * c - y * s)
        sines.append(x * s + y * c)
    positive, negative = [], []
    for m, (leading, roots) in enumerate(_zonal_factors(order)):
        value: Any = leading
        for root in roots:
            value = value * (square - root)
        if (order - m) % 2:
            value = value * z
        if m == 0:
            zonal = value
        else:
            positive.append(value * cosines[m])
            negative.append(value * sines[m])
    return [*reversed(negative), zonal, *positive]


__all__ = [
    "LAUE_GROUPS",
    "SymmetrizedHarmonics",
    "degrees_up_to",
    "number_of_invariants",
    "symmetrized_harmonics",
]
