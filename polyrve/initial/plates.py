"""Plates set into the cells of a polycrystal: twins, lamellae and packets with straight, parallel sides.

A cell takes the plates of the parent in the maps whose orientation it has, in their variants. Each kind of plate fills
the share of the cell that it has of the parent's area, which is its share of the volume whatever its shape (Delesse),
in plates of the thickness that the section tells. What lies on one side of its parent alone cuts a corner off the cell.

References
----------
A. Delesse, Ann. Mines 13 (1848) 379; E. E. Underwood, Quantitative Stereology (1970), ch. 2 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation, known_relations, plane_normal
from polyrve.microstructure.grain_properties import unwrapped_points
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.habit_planes import BY_CHANCE, told_along
from polyrve.microstructure.map_analysis import MapAnalysis
from polyrve.microstructure.parents import ALIGNED, Parents, find_parents
from polyrve.microstructure.placed import Given, distinct, first_normals, once, placed
from polyrve.microstructure.plates import least_thickness, plate
from polyrve.spelling import did_you_mean

_TRIALS = 20
"""Positions that are tried for the plates of one kind in one cell, some of which others occupy."""

_GAP = 2.0
"""Least thicknesses that lie between plates of one variant, so that they stay apart in every section."""


def parents_of(maps: Given[MapAnalysis], relations: Sequence[Relation]) -> dict[int, tuple[Parents, ...]]:
    """Merge the grains of maps to parents, each map once.

    Parameters
    ----------
    maps : mapping of int to MapAnalysis or sequence of MapAnalysis
        By the array axis that they are normal to, in one frame.
    relations : sequence of Relation
        With habit planes.

    Returns
    -------
    dict of int to tuple of Parents
    """
    lists: dict[int, tuple[MapAnalysis, ...]] = placed(maps)
    first = first_normals(lists)
    return once(lambda one: find_parents(one.grains, relations, first[id(one)]), lists)


def relations_with_plates(maps: Given[MapAnalysis], twins: str) -> tuple[Relation, ...]:
    """Choose the relations whose boundaries are plates' in some maps.

    Parameters
    ----------
    maps : mapping of int to MapAnalysis or sequence of MapAnalysis
        By the array axis that they are normal to, in one frame.
    twins : str
        ``"auto"``, ``"none"``, or names of relations, such as ``"Sigma 3"``, that must be there, with commas between
        them; a habit plane other than the known one stands behind the name, as in ``"Sigma 3 (1 1 2)"``.

    Returns
    -------
    tuple of Relation
        With "auto" those that boundaries have more often than by chance, along the traces of their habit planes.

    Raises
    ------
    ValueError
        If a relation that is named is not known, no boundary has it, or its boundaries are not along the traces.
    """
    if twins == "none":
        return ()
    lists = dict(sorted(placed(maps).items()))
    first = first_normals(lists)
    ones = distinct(lists)
    grains = [(first[id(one)], one.grains) for one in ones]
    present = {relation.name: relation for one in ones for relation in one.relations}
    if twins == "auto":
        able = [relation for relation in present.values() if relation.plane is not None]
        return tuple(relation for relation in able if told_along(grains, relation).found)
    return tuple(_named(name.strip(), grains, present) for name in twins.split(","))


def _named(name: str, grains: Sequence[tuple[int, GrainMap]], present: Mapping[str, Relation]) -> Relation:
    """The relation of a name, with the habit plane behind it."""
    phases = grains[0][1].field.phases
    known = {relation.name: relation for relation in known_relations(phases)}
    wanted, plane = name, ""
    if name not in known and name.rstrip().endswith(")"):
        wanted, _, plane = name.rstrip()[:-1].rpartition("(")
    relation = known.get(wanted.strip())
    if relation is None:
        raise ValueError(
            f"twins: expected auto, none or relations of the phases, {', '.join(known) or 'which have none'}; "
            f"got {name!r}{did_you_mean(wanted.strip(), known)}"
        )
    if plane:
        try:
            relation = replace(relation, plane=plane_normal(relation.first, [int(i) for i in plane.split()]))
        except ValueError:
            raise ValueError(f"twins: expected a plane as in 'Sigma 3 (1 1 1)'; got {name!r}") from None
    if relation.plane is None:
        raise ValueError(
            f"twins: expected a relation with a habit plane; got {name!r}: name one, as in '{name} (1 1 1)'"
        )
    if relation.name not in present:
        raise ValueError(
            f"twins: expected a relation that boundaries have more often than by chance; got {relation.name!r}, but "
            f"the map has {', '.join(map(repr, present)) or 'none'}: name another, or none"
        )
    habit = told_along(grains, relation)
    if not habit.found:
        raise ValueError(
            f"twins: expected boundaries along the traces of the habit plane of {name!r}; got {habit.share:.0%} of "
            f"them within {ALIGNED:g} degrees, with {BY_CHANCE:.0%} by chance: check the map's frame (`polyrve "
            "info`), or name another plane behind the relation"
        )
    return relation


def set_plates(
    labels: np.ndarray,
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    parents: Sequence[Parents],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Set the plates of some maps into the cells of a volume.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
        Cell of each voxel, 0 ... N - 1.
    quaternions : ndarray, shape (N, 4)
    phase_ids : ndarray, shape (N,), int
    parents : sequence of Parents
        Of the maps.
    spacing : sequence of float, um
        (dz, dy, dx).
    periodic : bool
    rng : numpy.random.Generator

    Returns
    -------
    labels, quaternions, phase_ids
        With a label, an orientation and a phase for each plate, behind those of the cells.
    """
    step = np.array(spacing, dtype=np.float64)
    points = unwrapped_points(labels + 1, (0, 1, 2) if periodic else ()) * step
    flat = labels.ravel().copy()
    order = np.argsort(flat, kind="stable")
    begin = np.searchsorted(flat[order], np.arange(len(quaternions) + 1))
    made = _Volume(flat, points, step, list(quaternions), list(phase_ids), rng)
    sources = [(one, row) for one in parents for row in range(len(one.area))]
    own = np.concatenate([one.quaternions for one in parents])
    of_phase = np.concatenate([one.phase_ids for one in parents])
    kinds: list[_Kind] = []
    for cell in range(len(quaternions)):
        source, row = sources[_nearest(quaternions[cell], phase_ids[cell], own, of_phase, parents[0].field.phases)]
        rows = np.flatnonzero(source.plates.parent == row)
        kinds += made.kinds(order[begin[cell] : begin[cell + 1]], cell, source, rows, -1)
    wanted = _share_of_plates(parents) * flat.size
    made.fill(kinds, min(1.0, wanted / max(sum(kind.wanted for kind in kinds), 1e-9)))
    cells = [order[begin[cell] : begin[cell + 1]] for cell in range(len(quaternions))]
    made.fill_up(cells, kinds, parents, wanted)
    return flat.reshape(labels.shape), np.array(made.quaternions), np.array(made.phase_ids)


def _share_of_plates(parents: Sequence[Parents]) -> float:
    """Share of the area of maps that lies in plates."""
    inside = sum(
        float((one.plates.share * one.area[one.plates.parent])[one.plates.host == -1].sum()) for one in parents
    )
    return inside / sum(float(one.area.sum()) for one in parents)


def _nearest(q: np.ndarray, phase_id: int, own: np.ndarray, of_phase: np.ndarray, phases: tuple[Phase, ...]) -> int:
    """Row of the parent whose orientation is nearest to a cell's."""
    rows = np.flatnonzero(of_phase == phase_id)
    away = rotation.disorientation_angle(own[rows], q[None], phases[phase_id - 1].symmetry)
    return int(rows[np.argmin(away)])


@dataclass(eq=False)
class _Kind:
    """Plates like one of a map in a cell, or in a plate: how many voxels they are to have, and have already."""

    voxels: np.ndarray
    label: int
    source: Parents
    row: int
    rows: np.ndarray
    wanted: float
    taken: list[_Taken]
    placed: int = 0

    @property
    def through(self) -> bool:
        return bool(self.source.plates.through[self.row])


@dataclass(eq=False)
class _Volume:
    """A volume into which plates are set: label of each voxel, orientation and phase of each label."""

    labels: np.ndarray
    points: np.ndarray
    spacing: np.ndarray
    quaternions: list[np.ndarray]
    phase_ids: list[int]
    rng: np.random.Generator

    def kinds(self, voxels: np.ndarray, label: int, source: Parents, rows: np.ndarray, host: int) -> list[_Kind]:
        """The plates of a parent that lie in one of its plates, or in itself, as those of voxels of a label."""
        plates = source.plates
        taken: list[_Taken] = []
        inner = rows[plates.host[rows] == host]
        return [
            _Kind(voxels, label, source, int(row), rows, float(plates.share[row]) * len(voxels), taken) for row in inner
        ]

    def fill(self, kinds: Sequence[_Kind], scale: float = 1.0) -> None:
        """Set plates of some kinds, the wanted voxels times a scale; the last of a kind by its chance."""
        for i in self.rng.permutation(len(kinds)):
            kind = kinds[i]
            while kind.placed < scale * kind.wanted:
                missing = scale * kind.wanted - kind.placed
                if not self._set(kind, missing) or not kind.through:
                    break

    def fill_up(
        self, cells: Sequence[np.ndarray], kinds: Sequence[_Kind], parents: Sequence[Parents], wanted: float
    ) -> None:
        """Set further plates until they have as many voxels as are wanted.

        At first like those of the parents that the cells are from; where these leave no room, like those of any.
        """
        drawn = [
            (one, row, one.plates.share[row] * one.area[one.plates.parent[row]] / one.plates.thickness[row])
            for one in parents
            for row in np.flatnonzero((one.plates.host == -1) & one.plates.through)
        ]
        if not drawn:
            return
        often = np.array([weight for _, _, weight in drawn])
        sizes = np.array([len(voxels) for voxels in cells], dtype=np.float64)
        taken: dict[int, list[_Taken]] = {kind.label: kind.taken for kind in kinds}
        missing = wanted - sum(kind.placed for kind in kinds)
        own = [kind for kind in kinds if kind.through]
        amount = np.array([kind.wanted for kind in own])
        for _ in range(_TRIALS * len(own)):
            if missing <= 0:
                return
            kind = own[self.rng.choice(len(own), p=amount / amount.sum())]
            missing += kind.placed
            self._set(kind, missing - kind.placed)
            missing -= kind.placed
        for _ in range(_TRIALS * len(cells)):
            if missing <= 0:
                return
            cell = int(self.rng.choice(len(cells), p=sizes / sizes.sum()))
            source, row, _ = drawn[self.rng.choice(len(drawn), p=often / often.sum())]
            if self.phase_ids[cell] != source.phase_ids[source.plates.parent[row]]:
                continue
            rows = np.flatnonzero(source.plates.parent == source.plates.parent[row])
            kind = _Kind(cells[cell], cell, source, int(row), rows, missing, taken.setdefault(cell, []))
            self._set(kind, missing)
            missing -= kind.placed

    def _set(self, kind: _Kind, missing: float) -> bool:
        """Set one plate of a kind, with a chance of the missing voxels over its own."""
        plates, relation = kind.source.plates, kind.source.relations[kind.source.plates.relation[kind.row]]
        host = self.quaternions[kind.label]
        normal = rotation.rotate(rotation.conjugate(host), plates.normal[kind.row])[::-1]
        free = kind.voxels[self.labels[kind.voxels] == kind.label]
        if not len(free):
            return False
        chosen = self._between(free, normal, kind) if kind.through else self._corner(free, normal, missing)
        if not len(chosen) or self.rng.random() > missing / len(chosen):
            return False
        kind.placed += len(chosen)
        self.labels[chosen] = len(self.quaternions)
        self.quaternions.append(rotation.multiply(plates.misorientation[kind.row], host))
        self.phase_ids.append(1 + kind.source.field.phases.index(relation.second))
        self.fill(self.kinds(chosen, len(self.quaternions) - 1, kind.source, kind.rows, kind.row))
        return True

    def _between(self, free: np.ndarray, normal: np.ndarray, kind: _Kind) -> np.ndarray:
        """The voxels of a plate with its host on both sides, where others of its variant leave room; else none."""
        plates, row, least = kind.source.plates, kind.row, least_thickness(normal, self.spacing)
        thickness = max(float(plates.thickness[row]), least)
        points = self.points[free]
        height = points @ normal
        low, high = float(height.min()) + thickness / 2.0, float(height.max()) - thickness / 2.0
        if high <= low:
            return free[:0]
        for _ in range(_TRIALS):
            offset = self.rng.uniform(low, high)
            reach = thickness / 2.0 + _GAP * least
            if any(one.meets(normal, offset - reach, offset + reach) for one in kind.taken):
                continue
            inside = plate(
                points, normal, offset, thickness, self.rng, length=plates.length[row], free_ends=plates.free_ends[row]
            )
            kind.taken.append(_Taken(normal, offset - thickness / 2.0, offset + thickness / 2.0))
            return free[inside]
        return free[:0]

    def _corner(self, free: np.ndarray, normal: np.ndarray, wanted: float) -> np.ndarray:
        """The voxels that a plane cuts off, as many as are wanted."""
        height = self.points[free] @ normal * self.rng.choice((-1.0, 1.0))
        number = min(max(1, round(wanted)), len(free) - 1)
        if number < 1:
            return free[:0]
        return free[height <= np.partition(height, number - 1)[number - 1]]


@dataclass(frozen=True)
class _Taken:
    """The heights along a normal that a plate takes."""

    normal: np.ndarray
    low: float
    high: float

    def meets(self, normal: np.ndarray, low: float, high: float) -> bool:
        cosine = float(self.normal @ normal)
        if abs(cosine) < np.cos(np.deg2rad(1.0)):
            return False
        ends = sorted((self.low * np.sign(cosine), self.high * np.sign(cosine)))
        return ends[0] <= high and low <= ends[1]
