"""Special boundaries: their share of all boundaries, and the special relations that a material has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import TOLERANCE, Relation, known_relations
from polyrve.microstructure.grain_properties import neighbours
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.stereology import SPECK

LEAST_SHARE = 0.02
"""A relation that a smaller share of the boundary has is not looked for."""

LEAST_RATIO = 3.0
"""So many times as often as pairs of points drawn at random must boundaries stand in a relation; a texture alone gives
ratios of 1 to 2."""

_LEAST_ANGLE = 15.0
"""Degrees; what lies below are low-angle boundaries, of which every deformed material has many."""

_FEWEST_KNOWN, _FEWEST_UNKNOWN = 8, 20
"""Pairs of grains that make a relation; a place that no known relation describes must hold more."""

_SIGNIFICANT = 5.0
"""Standard deviations of a count of pairs beyond chance; one in a thousand maps has such a place among a thousand."""

_CANDIDATES, _RANDOM_PAIRS, _AVERAGED = 60, 4000, 200
"""Places that are tried as centres of a relation, pairs of grains that tell what chance gives, and turns whose mean is
the relation. They take about a second; with twice as many, maps of nickel and magnesium keep their relations."""

_ROUNDING = 1e-4
"""Degrees by which a small angle errs that comes from the cosine of its half."""


@dataclass(frozen=True, eq=False)
class BoundaryPairs:
    """Orientations on both sides of boundaries, one row for each link between two points.

    Attributes
    ----------
    first, second : ndarray, shape (n, 4)
        Orientations; the first is of the phase with the lower number.
    first_phase, second_phase : ndarray, shape (n,), int
        Numbers of the phases, from 1.
    phases : tuple of Phase
    """

    first: np.ndarray
    second: np.ndarray
    first_phase: np.ndarray
    second_phase: np.ndarray
    phases: tuple[Phase, ...]

    def between(self, first: Phase, second: Phase) -> np.ndarray:
        """Return which rows lie between two phases, shape (n,), bool."""
        one, other = (next(i for i, p in enumerate(self.phases, start=1) if p == phase) for phase in (first, second))
        low, high = min(one, other), max(one, other)
        return (self.first_phase == low) & (self.second_phase == high)

    def in_relation(self, relation: Relation) -> np.ndarray:
        """Return which rows stand in a relation, shape (n,), bool."""
        rows = np.flatnonzero(self.between(relation.first, relation.second))
        found = np.zeros(len(self.first), dtype=bool)
        a, b = self.first[rows], self.second[rows]
        ordered = relation.twin or self.phases.index(relation.first) < self.phases.index(relation.second)
        deviation = relation.deviation(a, b) if ordered else relation.deviation(b, a)
        found[rows] = deviation <= relation.tolerance
        return found

    def share(self, relation: Relation) -> float:
        """Return the share of the boundaries between the relation's phases that stand in it; NaN without boundaries."""
        between = self.between(relation.first, relation.second)
        return float(self.in_relation(relation)[between].mean()) if between.any() else np.nan


def boundary_pairs(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: Sequence[Phase],
    angles: Mapping[int, np.ndarray],
    threshold: float,
) -> BoundaryPairs:
    """Collect the orientations on both sides of all boundaries.

    Parameters
    ----------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int
    phases : sequence of Phase
    angles : mapping of int to ndarray, shape (*shape), rad
        Disorientation from the next point along each array axis that counts, as from
        :func:`polyrve.microstructure.links.neighbour_disorientation`.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    BoundaryPairs
    """
    parts: list[tuple[np.ndarray, ...]] = []
    for axis, values in angles.items():
        boundary = values > np.deg2rad(threshold)
        sides = [
            (np.roll(quaternions, -step, axis=axis)[boundary], np.roll(phase_ids, -step, axis=axis)[boundary])
            for step in (0, 1)
        ]
        parts.append((sides[0][0], sides[1][0], sides[0][1], sides[1][1]))
    a, b, i, j = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    swap = i > j
    return BoundaryPairs(
        np.where(swap[:, None], b, a), np.where(swap[:, None], a, b), np.where(swap, j, i), np.where(swap, i, j),
        tuple(phases),
    )  # fmt: skip


def find_relations(
    grains: GrainMap | GrainVolume, *, named: Sequence[Relation] = (), seed: int = 0
) -> tuple[Relation, ...]:
    """Find the special relations that neighbouring grains of a material have.

    Pairs of grains that share a boundary are compared with pairs of grains drawn at random by their sizes, for each two
    phases: first for the relations that the phases are known for, then for the densest places that are left among the
    misorientations. Such a place is named by angle and axis.

    Parameters
    ----------
    grains : GrainMap or GrainVolume
        Grains of one or two points do not count.
    named : sequence of Relation
        Relations that count whatever the boundaries say.
    seed : int
        Of the pairs that are drawn.

    Returns
    -------
    tuple of Relation
        Those of `named` first, then known ones, then others.
    """
    rng = np.random.default_rng(seed)
    points = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[1:]
    pairs, contact = neighbours(grains)
    kept = (points[pairs - 1] > SPECK).all(axis=1)
    rows, contact = pairs[kept] - 1, contact[kept]
    phase = grains.phase_ids
    swap = phase[rows[:, 0]] > phase[rows[:, 1]]
    rows[swap] = rows[swap][:, ::-1]
    found = list(named)
    for low, high in np.unique(phase[rows], axis=0):
        between = (phase[rows] == (low, high)).all(axis=1)
        one, other = grains.quaternions[rows[between, 0]], grains.quaternions[rows[between, 1]]
        drawn = [_drawn(grains, points, number, rng) for number in (low, high)]
        phases = grains.field.phases[low - 1], grains.field.phases[high - 1]
        sides = _Sides(one, other, contact[between] / contact[between].sum(), drawn[0], drawn[1], phases)
        found += sides.relations([relation for relation in found if (relation.first, relation.second) == phases])
    return tuple(found)


def _drawn(grains: GrainMap | GrainVolume, points: np.ndarray, phase: int, rng: np.random.Generator) -> np.ndarray:
    """Orientations of grains of a phase, drawn by their sizes."""
    members = np.flatnonzero((grains.phase_ids == phase) & (points > SPECK))
    chosen = rng.choice(members, _RANDOM_PAIRS, p=points[members] / points[members].sum())
    return np.asarray(grains.quaternions[chosen])


@dataclass(frozen=True, eq=False)
class _Sides:
    """Pairs of neighbouring grains of two phases with the share of their boundary, and pairs drawn at random."""

    first: np.ndarray
    second: np.ndarray
    weight: np.ndarray
    random_first: np.ndarray
    random_second: np.ndarray
    phases: tuple[Phase, Phase]

    def relations(self, taken: Sequence[Relation]) -> list[Relation]:
        """The relations that stand out, beside those that are taken."""
        left = np.ones(len(self.first), dtype=bool)
        for relation in taken:
            left &= self._apart(relation)
        found = []
        known = [
            relation
            for relation in known_relations(tuple(dict.fromkeys(self.phases)))
            if (relation.first, relation.second) == self.phases
        ]
        away = [relation.deviation(self.first, self.second) / relation.tolerance for relation in known]
        nearest = np.argmin(away, axis=0) if known else np.zeros(0, dtype=int)
        for number, relation in enumerate(known):
            if self.stands_out(relation, left & (nearest == number), _FEWEST_KNOWN):
                found.append(relation)
                left &= self._apart(relation)
        while left.sum() >= _FEWEST_UNKNOWN:
            relation = densest_relation(self.first[left], self.second[left], self.phases)
            if not self.stands_out(relation, left, _FEWEST_UNKNOWN):
                break
            found.append(relation)
            left &= self._apart(relation)
        return found

    def stands_out(self, relation: Relation, left: np.ndarray, fewest: int) -> bool:
        """Whether more neighbours than chance explains stand in a relation, of those that are left."""
        if relation.angle_and_axis[0] < _LEAST_ANGLE:
            return False
        inside = left & (relation.deviation(self.first, self.second) <= relation.tolerance)
        chance = float((relation.deviation(self.random_first, self.random_second) <= relation.tolerance).mean())
        number, expected = int(inside.sum()), chance * len(self.first)
        return bool(
            number >= fewest
            and self.weight[inside].sum() >= max(LEAST_SHARE, LEAST_RATIO * chance)
            and number - expected >= _SIGNIFICANT * np.sqrt(max(expected, 1.0))
        )

    def _apart(self, relation: Relation) -> np.ndarray:
        return relation.deviation(self.first, self.second) > max(relation.tolerance, TOLERANCE)


def densest_relation(first: np.ndarray, second: np.ndarray, phases: tuple[Phase, Phase]) -> Relation:
    """Find the misorientation that most pairs of orientations lie near.

    Parameters
    ----------
    first, second : ndarray, shape (n, 4)
    phases : tuple of Phase, length 2

    Returns
    -------
    Relation
        Named by its angle and axis.
    """
    turns = rotation.multiply(second, rotation.conjugate(first))
    step = -(-len(turns) // _CANDIDATES)
    candidates = [Relation("", *phases, rotation=turn) for turn in turns[::step]]
    # The least angles of two misorientations differ by no more than the misorientations do.
    least = Relation("", *phases, rotation=np.array([1.0, 0.0, 0.0, 0.0])).deviation(first, second)
    numbers = []
    for candidate, angle in zip(candidates, least[::step], strict=True):
        near = np.abs(least - angle) <= TOLERANCE + _ROUNDING
        numbers.append(np.count_nonzero(candidate.deviation(first[near], second[near]) <= TOLERANCE))
    return _centred(candidates[int(np.argmax(numbers))], first, second)


def _centred(relation: Relation, first: np.ndarray, second: np.ndarray) -> Relation:
    """The relation at the mean of the misorientations near it."""
    deviation, _ = relation.nearest(first, second)
    near = np.flatnonzero(deviation <= TOLERANCE)[:_AVERAGED]
    turns = rotation.multiply(second[near], rotation.conjugate(first[near]))
    mean = relation.rotation
    for _ in range(3):
        near_mean = _brought_near(relation, turns, mean)
        mean = np.linalg.eigh(near_mean.T @ near_mean)[1][:, -1]
    relation = replace(relation, rotation=mean)
    degrees, axis = relation.angle_and_axis
    return replace(relation, name=f"{degrees:.0f} deg about [{' '.join(f'{x:.2f}' for x in axis)}]")


def _brought_near(relation: Relation, turns: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Misorientations as the equivalents nearest to one rotation, shape (n, 4)."""
    sides = [turns, rotation.conjugate(turns)] if relation.twin else [turns]
    best, found = np.full(len(turns), -1.0), turns.copy()
    for side in sides:
        for operation in relation.first.symmetry:
            images = rotation.multiply(relation.second.symmetry[:, None], rotation.multiply(side, operation)[None])
            closeness = np.abs(images @ target)
            row = np.argmax(closeness, axis=0)
            value = closeness[row, np.arange(len(turns))]
            better = value > best
            best = np.where(better, value, best)
            found[better] = images[row, np.arange(len(turns))][better]
    return found
