"""The special relation of each step of a boundary, so that windows and sections share what is found once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation


@dataclass(frozen=True, eq=False)
class BoundaryRelations:
    """Special relations of the steps of boundaries.

    Attributes
    ----------
    relations : tuple of Relation
    number : dict of int to ndarray, shape (m, *shape), int8
        Per array axis from 1, the relation between a point and the next along it, from 1; 0 where none.
    deviation : dict of int to ndarray, shape (m, *shape), float32, degrees
        From that relation; NaN where none.
    """

    relations: tuple[Relation, ...]
    number: dict[int, np.ndarray]
    deviation: dict[int, np.ndarray]

    def cut(self, take: Callable[[np.ndarray, int], np.ndarray]) -> BoundaryRelations:
        """Return those of a part, by a function of the values along an axis and the axis."""
        number, deviation = (
            {axis: take(values, axis) for axis, values in kept.items()} for kept in (self.number, self.deviation)
        )
        return BoundaryRelations(self.relations, number, deviation)

    def along(self, axes: Sequence[int], take: Callable[[np.ndarray], np.ndarray]) -> BoundaryRelations:
        """Return those along some array axes, which become axes 1 ..., each by a function of the values."""
        number, deviation = (
            {position: take(kept[axis]) for position, axis in enumerate(axes, start=1)}
            for kept in (self.number, self.deviation)
        )
        return BoundaryRelations(self.relations, number, deviation)


def relate(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: Sequence[Phase],
    angles: Mapping[int, np.ndarray],
    threshold: float,
    relations: Sequence[Relation],
) -> BoundaryRelations:
    """Find the special relation of each step of a boundary: that with the least share of its tolerance.

    Parameters
    ----------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int
    phases : sequence of Phase
        Those that the relations name.
    angles : mapping of int to ndarray, shape (*shape), rad
        Disorientation from the next point, by array axis; see
        :func:`polyrve.microstructure.links.neighbour_disorientation`.
    threshold : float, degrees
        Smallest disorientation of a boundary.
    relations : sequence of Relation

    Returns
    -------
    BoundaryRelations
    """
    numbers, deviations = {}, {}
    for axis, values in angles.items():
        steps = np.flatnonzero(values > np.deg2rad(threshold))
        angle = np.rad2deg(values.ravel()[steps])
        nearest = np.full(len(steps), 1.0)
        number, deviation = np.zeros(values.shape, dtype=np.int8), np.full(values.shape, np.nan, dtype=np.float32)
        following = np.roll(np.arange(values.size).reshape(values.shape), -1, axis=axis).ravel()[steps]
        q, ids = quaternions.reshape(-1, 4), phase_ids.ravel()
        for one, relation in enumerate(relations, start=1):
            first, second = (_number_of(phase, phases) for phase in (relation.first, relation.second))
            a, b = steps, following
            if relation.twin:
                near = np.abs(angle - relation.angle_and_axis[0]) <= relation.tolerance
                rows = np.flatnonzero(near & (ids[a] == first))
                a, b = a[rows], b[rows]
            else:
                rows = np.flatnonzero(
                    ((ids[a] == first) & (ids[b] == second)) | ((ids[a] == second) & (ids[b] == first))
                )
                swap = ids[a[rows]] == second
                a, b = np.where(swap, b[rows], a[rows]), np.where(swap, a[rows], b[rows])
            away = relation.deviation(q[a], q[b])
            share = away / relation.tolerance
            better = share <= nearest[rows]
            rows = rows[better]
            nearest[rows] = share[better]
            number.flat[steps[rows]] = one
            deviation.flat[steps[rows]] = away[better]
        numbers[axis], deviations[axis] = number, deviation
    return BoundaryRelations(tuple(relations), numbers, deviations)


def _number_of(phase: Phase, phases: Sequence[Phase]) -> int:
    return next((i for i, each in enumerate(phases, start=1) if each == phase), 0)
