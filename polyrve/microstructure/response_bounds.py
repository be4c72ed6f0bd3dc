r"""Stiffness and yield stress of a polycrystal from its orientations alone, without regard to where they lie.

Uniform strain (Voigt) and uniform stress (Reuss) bound the stiffness; Hill's is the mean of the two tensors [1]_.
Uniform plastic strain (Taylor) bounds the yield stress from above: along an axis it is the least, over the ratio of the
two contractions, of the mean plastic work per strain [2]_. The *Taylor factor* is that work in units of the resistance
of the softest system; 3.067 for {111}<110> slip and random orientations. Shears that a texture without orthotropic
symmetry would add are held at zero, which leaves an upper bound.

How far a map or a volume decides these figures is told from its grains, as if each had been drawn by itself: the
standard error is that of a jackknife which leaves out one grain at a time [3]_.

References
----------
.. [1] R. Hill, Proc. Phys. Soc. A 65 (1952) 349, doi:10.1088/0370-1298/65/5/307.
.. [2] J. F. W. Bishop, R. Hill, Phil. Mag. 42 (1951) 1298, doi:10.1080/14786444108561385.
.. [3] B. Efron, C. Stein, Ann. Stat. 9 (1981) 586, doi:10.1214/aos/1176345462.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.crystal import Crystal, kelvin_rotations, to_kelvin, young_moduli

_MOST_POINTS = 20_000
"""Different orientations, evenly chosen from more. Modulus and Taylor factor of crystals scatter by 10 to 25 %: their
means over so many are known to 0.2 %, less than any map of 1000 grains knows them."""
_BLOCK = 1 << 21
"""Products of orientations and vertices at a time, 16 MB."""
_RATIOS = (0.05, 0.95)
"""Contraction along the second axis, as a share of both; beyond them a sheet hardly thins, or not at all."""
_STEPS = 9
"""Of the golden section: the ratio is known to 0.01, and the work, flat at its least, to 1e-4."""
_GOLDEN = (np.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, eq=False)
class ResponseBounds:
    """Figures of a polycrystal along x, y and z, each of shape (3,), and their standard errors.

    Attributes
    ----------
    voigt, reuss, hill : ndarray, Pa
        Young's moduli.
    taylor : ndarray
        Taylor factors; NaN where a phase has no plasticity or too few systems.
    flow_stress : ndarray, Pa
        Taylor factor times the resistance of the softest system; NaN where resistances are not known.
    contraction : ndarray
        Contraction (in compression: widening) along the first of the other two axes, x and z for y, as a share of both:
        0.5 is isotropic, and the r-value of a sheet normal to z is ``contraction / (1 - contraction)``.
    hill_error, taylor_error : ndarray
        Standard errors relative to the figures, from grain to grain; NaN where there are fewer than two grains.
    grains : int
        Grains that they rest on.
    """

    voigt: np.ndarray
    reuss: np.ndarray
    hill: np.ndarray
    taylor: np.ndarray
    flow_stress: np.ndarray
    contraction: np.ndarray
    hill_error: np.ndarray
    taylor_error: np.ndarray
    grains: int

    def table(self) -> list[tuple[str, str, tuple[str, str, str]]]:
        """Return rows of name, unit and the three figures as text."""

        def numbers(values: np.ndarray, scale: float, form: str) -> tuple[str, str, str]:
            x, y, z = ("-" if np.isnan(value) else format(value / scale, form) for value in values)
            return x, y, z

        rows = [
            ("Young's modulus, Voigt", "GPa", numbers(self.voigt, 1e9, ".2f")),
            ("Young's modulus, Reuss", "GPa", numbers(self.reuss, 1e9, ".2f")),
            ("Young's modulus, Hill", "GPa", numbers(self.hill, 1e9, ".2f")),
            ("  its standard error", "%", numbers(self.hill_error, 1e-2, ".2f")),
            ("Taylor factor", "", numbers(self.taylor, 1.0, ".3f")),
            ("  its standard error", "%", numbers(self.taylor_error, 1e-2, ".2f")),
            ("Yield stress, Taylor", "MPa", numbers(self.flow_stress, 1e6, ".2f")),
            ("Share of contraction", "", numbers(self.contraction, 1.0, ".2f")),
        ]
        return [row for row in rows if set(row[2]) != {"-"}]

    def __str__(self) -> str:
        lines = [f"{'':24} {'':4} {'x':>9} {'y':>9} {'z':>9}"]
        lines += [f"{name:24} {unit:4} {x:>9} {y:>9} {z:>9}" for name, unit, (x, y, z) in self.table()]
        return "\n".join(lines)


def response_bounds(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    crystals: Sequence[Crystal],
    grain_ids: np.ndarray | None = None,
    *,
    compression: bool = False,
) -> ResponseBounds:
    """Return bounds of stiffness and yield stress of a set of orientations of equal volume.

    Parameters
    ----------
    quaternions : ndarray, shape (..., 4)
    phase_ids : ndarray, shape (...), int
        1 ... N; points of 0 are left out.
    crystals : sequence of Crystal
        Of phase 1 ... N.
    grain_ids : ndarray, shape (...), int, optional
        Grain of each point, for the standard errors.
    compression : bool
        Whether the crystals yield in compression; it differs from tension where there are twins.

    Returns
    -------
    ResponseBounds

    Raises
    ------
    ValueError
        If no point has a phase.

    Examples
    --------
    >>> from polyrve.adapters.solvers.damask_crystals import crystal
    >>> q = rotation.random_orientations(5000, np.random.default_rng(0))
    >>> found = response_bounds(q, np.ones(5000, int), [crystal("Al")])
    >>> [round(float(value), 2) for value in found.taylor]
    [3.06, 3.06, 3.06]
    """
    q, phases, weights, grains = _distinct(quaternions, phase_ids, grain_ids)
    share = weights / weights.sum()
    turned = _stiffness(q, phases, crystals)
    voigt = np.einsum("n,nij->ij", share, turned)
    inverse = _stiffness(q, phases, crystals, compliance=True)
    reuss = np.linalg.inv(np.einsum("n,nij->ij", share, inverse))
    hill = young_moduli((voigt + reuss) / 2.0)
    taylor, contraction, works = _taylor(q, phases, share, crystals, -1.0 if compression else 1.0)
    soft = min((crystals[p - 1].softest for p in np.unique(phases)), default=np.nan)
    absolute = all(crystals[p - 1].absolute for p in np.unique(phases))
    count = int(grains.max()) + 1
    hill_error = taylor_error = np.full(3, np.nan)
    if grain_ids is not None and count > 1:
        without = _leave_one_out(share, grains, count)
        left = (without(turned) + np.linalg.inv(without(inverse))) / 2.0
        hill_error = np.linalg.norm(young_moduli(left) / hill - 1.0, axis=0)
        taylor_error = np.linalg.norm(without(works) / taylor - 1.0, axis=0)
    return ResponseBounds(
        young_moduli(voigt), young_moduli(reuss), hill, taylor / soft, taylor if absolute else np.full(3, np.nan),
        contraction, hill_error, taylor_error, count if grain_ids is not None else 0,
    )  # fmt: skip


def hill_moduli(quaternions: np.ndarray, phase_ids: np.ndarray, crystals: Sequence[Crystal]) -> np.ndarray:
    """Return Hill's moduli along x, y and z, shape (3,), Pa; parameters as :func:`response_bounds`."""
    q, phases, weights, _ = _distinct(quaternions, phase_ids, None)
    share = weights / weights.sum()
    voigt = np.einsum("n,nij->ij", share, _stiffness(q, phases, crystals))
    reuss = np.linalg.inv(np.einsum("n,nij->ij", share, _stiffness(q, phases, crystals, compliance=True)))
    return young_moduli((voigt + reuss) / 2.0)


def taylor_stresses(quaternions: np.ndarray, phase_ids: np.ndarray, crystals: Sequence[Crystal]) -> np.ndarray:
    """Return Taylor's yield stresses along x, y and z, shape (3,), Pa; parameters as :func:`response_bounds`."""
    q, phases, weights, _ = _distinct(quaternions, phase_ids, None)
    return _taylor(q, phases, weights / weights.sum(), crystals)[0]


def _distinct(
    quaternions: np.ndarray, phase_ids: np.ndarray, grain_ids: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Orientations that differ, or an even choice of them, with phase, number of points and grain from 0."""
    inside = np.flatnonzero(np.ravel(phase_ids) > 0)
    if not len(inside):
        raise ValueError("orientations: expected at least one point of a phase; got none")
    grains = np.zeros(np.size(phase_ids), dtype=np.int64) if grain_ids is None else np.ravel(grain_ids)
    rows = np.column_stack([
        np.reshape(quaternions, (-1, 4))[inside], np.ravel(phase_ids)[inside], grains[inside],
    ])  # fmt: skip
    rows = np.ascontiguousarray(rows)
    _, first, weights = np.unique(rows.view(f"V{rows.dtype.itemsize * 6}"), return_index=True, return_counts=True)
    order = np.argsort(first)
    first, weights = first[order], weights[order]
    if len(first) > _MOST_POINTS:
        chosen = np.linspace(0, len(first), _MOST_POINTS, endpoint=False).astype(int)
        first, weights = first[chosen], weights[chosen]
    kept = rows[first]
    _, number = np.unique(kept[:, 5], return_inverse=True)
    return kept[:, :4], kept[:, 4].astype(int), weights.astype(float), number.ravel()


def _stiffness(
    q: np.ndarray, phases: np.ndarray, crystals: Sequence[Crystal], *, compliance: bool = False
) -> np.ndarray:
    """Stiffness or compliance of each orientation in the sample frame, shape (n, 6, 6)."""
    turned = np.empty((len(q), 6, 6))
    for phase_id in np.unique(phases):
        own = crystals[phase_id - 1].stiffness
        to_crystal = kelvin_rotations(rotation.to_matrix(q[phases == phase_id]))
        own = np.linalg.inv(own) if compliance else own
        turned[phases == phase_id] = to_crystal.swapaxes(1, 2) @ own @ to_crystal
    return turned


def _taylor(
    q: np.ndarray, phases: np.ndarray, share: np.ndarray, crystals: Sequence[Crystal], sense: float = 1.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stress and contraction along each axis, shape (3,), and the work of each orientation, shape (n, 3)."""
    stress, contraction, works = np.full(3, np.nan), np.full(3, np.nan), np.full((len(q), 3), np.nan)
    if any(not len(crystals[p - 1].vertices) for p in np.unique(phases)):
        return stress, contraction, works
    for axis in range(3):
        work = _work(q, phases, crystals, axis, sense)
        contraction[axis] = _least(lambda ratio, work=work: float(share @ work(ratio)))  # type: ignore[misc]
        works[:, axis] = work(contraction[axis])
        stress[axis] = share @ works[:, axis]
    return stress, contraction, works


def _work(
    q: np.ndarray, phases: np.ndarray, crystals: Sequence[Crystal], axis: int, sense: float
) -> Callable[[float], np.ndarray]:
    """The plastic work per unit strain along an axis, Pa, shape (n,), as a function of the contraction ratio."""
    second, third = (i for i in range(3) if i != axis)
    strains = np.zeros((2, 3, 3))
    strains[0, axis, axis], strains[0, third, third] = sense, -sense
    strains[1, second, second], strains[1, third, third] = -sense, sense
    to_crystal = rotation.to_matrix(q)
    strained = [to_kelvin(to_crystal @ strain @ to_crystal.swapaxes(1, 2)) for strain in strains]
    members = [(crystals[p - 1], np.flatnonzero(phases == p)) for p in np.unique(phases)]

    def work(ratio: float) -> np.ndarray:
        found, strain = np.empty(len(q)), strained[0] + ratio * strained[1]
        for crystal, of_phase in members:
            for at in np.array_split(of_phase, 1 + len(of_phase) * len(crystal.vertices) // _BLOCK):
                found[at] = (strain[at] @ crystal.vertices.T).max(axis=1) * crystal.softest
        return found

    return work


def _least(function: Callable[[float], float]) -> float:
    """Where a convex function is least, by a golden section."""
    a, b = _RATIOS
    c, d = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
    at_c, at_d = function(c), function(d)
    for _ in range(_STEPS):
        if at_c < at_d:
            b, d, at_d = d, c, at_c
            c = b - _GOLDEN * (b - a)
            at_c = function(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + _GOLDEN * (b - a)
            at_d = function(d)
    return c if at_c < at_d else d


def _leave_one_out(share: np.ndarray, grains: np.ndarray, count: int) -> Callable[[np.ndarray], np.ndarray]:
    """Means of the orientations' values without each grain in turn, shape (number of grains, ...)."""
    of_grain = np.bincount(grains, share, count)

    def without(values: np.ndarray) -> np.ndarray:
        flat = values.reshape(len(values), -1) * share[:, None]
        sums = np.stack([np.bincount(grains, column, count) for column in flat.T], axis=1)
        left = (flat.sum(axis=0) - sums) / (1.0 - of_grain)[:, None]
        return left.reshape(count, *values.shape[1:])

    return without
