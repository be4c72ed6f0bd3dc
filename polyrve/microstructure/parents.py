"""Parents: grains of a map merged across boundaries of special relations, and the plates that lie in them.

Grains that stand in a special relation with a neighbour, and with its neighbours in turn, are one *parent*: the
orientation that covers most of its area is the parent's, the other grains are *plates* of twins, lamellae or packets.
Each plate lies in a *host*, the parent itself or another plate, in a variant of the relation and on the habit plane of
this variant. The section shows the plate's true thickness, since its plane is known from the orientations: the apparent
one times the sine of the angle between the normals of plate and section.

References
----------
E. E. Underwood, Quantitative Stereology (1970), ch. 4: apparent thickness of plates;
G. Nolze, R. Hielscher, J. Appl. Cryst. 49 (2016) 1786, doi:10.1107/S1600576716012942: merging of twins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from polyrve.crystallography import rotation
from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grain_properties import neighbours, unwrapped_points
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.stereology import SHAPED

ALIGNED = 15.0
"""Degrees by which a piece of boundary may deviate from the trace of its habit plane.

Pieces of :data:`_REACH` points on the pixel grid are told to some five degrees; boundaries without a plane are aligned
with a chance of 15 / 90.
"""

_REACH = 4.0
"""Points; a piece of boundary is what lies within it. Shorter pieces show the pixel grid, longer ones are bent."""

_FEWEST_FACES = 5
"""Point faces of a piece of boundary with a direction; fewer lie along the grid alone."""

_BOTH_SIDES = 0.25
"""A plate has its host on both sides where the shorter boundary is so long as compared with the longer."""


_LONG = 1.5
"""A trace tells the thickness of its plate where it is so many times as long as it is wide: on a specimen whose truth
is known shorter ones come out 27 % too thin, all others within 2 %."""

_MIDDLE = 0.5
"""Part of the trace of a plate in which its thickness is measured: its ends are cut off aslant."""

_WITHIN = 0.8
"""A plate ends within its host where more than this share of the boundary at the end is the host's: all of it but
for a point, while half of it is where a boundary of the host cuts the plate off aslant."""


@dataclass(frozen=True, eq=False)
class Plates:
    """Plates in the parents of a map; each row is a grain of the map.

    Attributes
    ----------
    grain : ndarray, shape (K,), int
        Id in the map.
    parent : ndarray, shape (K,), int
        Row of the parent.
    host : ndarray, shape (K,), int
        Row of the plate that it lies in; -1 in the parent itself.
    relation : ndarray, shape (K,), int
        Row of the relation to the host.
    misorientation : ndarray, shape (K, 4)
        Variant of the relation, from the host's crystal to the plate's.
    normal : ndarray, shape (K, 3)
        Of the habit plane in the host's Cartesian crystal coordinates.
    share : ndarray, shape (K,)
        Of the area of its host, each with the plates within it.
    thickness : ndarray, shape (K,), um
        Of the plate, along its normal; the median of the others where the section does not tell it and the plate does
        not end on both sides.
    told : ndarray, shape (K,), bool
        Whether the section tells its thickness: it has ten points, its host on both sides, and a trace longer than it
        is thick. Else it shows the edge of a plate, or a piece that others cut out of one.
    trace : ndarray, shape (K,), um
        Length of its trace.
    length : ndarray, shape (K,)
        The same as a share of the length of the host along it.
    through : ndarray, shape (K,), bool
        Whether the host lies on both sides.
    free_ends : ndarray, shape (K,), int
        Ends of the trace that lie within the host, 0 to 2: neither at a boundary of the parent nor at another plate,
        nor where the border of the map cuts the plate.
    """

    grain: np.ndarray
    parent: np.ndarray
    host: np.ndarray
    relation: np.ndarray
    misorientation: np.ndarray
    normal: np.ndarray
    share: np.ndarray
    thickness: np.ndarray
    told: np.ndarray
    trace: np.ndarray
    length: np.ndarray
    through: np.ndarray
    free_ends: np.ndarray


@dataclass(frozen=True, eq=False)
class Parents:
    """The parents of a map; made by :func:`find_parents`.

    Attributes
    ----------
    grains : GrainMap
    relations : tuple of Relation
    parent : ndarray, shape (N,), int
        Row of the parent of each grain of the map.
    quaternions : ndarray, shape (P, 4)
        Of the parents.
    phase_ids : ndarray, shape (P,), int
    area : ndarray, shape (P,), um^2
        With the plates.
    plates : Plates
    deviations : tuple of ndarray, shape (F,), degrees
        For each relation, the angle between the boundary and the trace of the habit plane at each point face between a
        plate and its host whose direction is told.
    """

    grains: GrainMap
    relations: tuple[Relation, ...]
    parent: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray
    area: np.ndarray
    plates: Plates
    deviations: tuple[np.ndarray, ...]

    @property
    def coherence(self) -> tuple[float, ...]:
        """For each relation, the share of its boundaries along the traces; NaN without boundaries."""
        return tuple(float((away <= ALIGNED).mean()) if len(away) else np.nan for away in self.deviations)

    @property
    def pieces(self) -> tuple[int, ...]:
        """For each relation, the independent pieces of boundary that tell its coherence."""
        return tuple(int(len(away) / (2.0 * _REACH)) for away in self.deviations)

    @cached_property
    def field(self) -> OrientationMap:
        """The map with each plate filled with its parent, whose orientation scatter is the plate's."""
        field, grains = self.grains.field, self.grains
        quaternions, phase_ids = field.quaternions.copy(), field.phase_ids.copy()
        in_plate = np.zeros(grains.number_of_grains + 1, dtype=bool)
        in_plate[self.plates.grain] = True
        inside = in_plate[grains.grain_ids]
        rows = grains.grain_ids[inside] - 1
        for phase_id, phase in enumerate(field.phases, start=1):
            of_phase = grains.phase_ids[rows] == phase_id
            points = tuple(index[of_phase] for index in np.nonzero(inside))
            mean = grains.quaternions[rows[of_phase]]
            nearest = rotation.nearest_equivalent(field.quaternions[points], mean, phase.symmetry)
            away = rotation.multiply(rotation.conjugate(mean), nearest)
            quaternions[points] = rotation.multiply(self.quaternions[self.parent[rows[of_phase]]], away)
        phase_ids[inside] = self.phase_ids[self.parent[rows]]
        return field.evolve(quaternions=quaternions, phase_ids=phase_ids)


@dataclass(frozen=True, eq=False)
class _Related:
    """Pairs of neighbouring grains that stand in a relation, rows from 0."""

    pairs: np.ndarray
    contact: np.ndarray
    relation: np.ndarray


def _related(grains: GrainMap | GrainVolume, relations: Sequence[Relation], tolerance: float = np.inf) -> _Related:
    pairs, contact = neighbours(grains)
    rows = pairs - 1
    nearest, row = np.full(len(rows), np.inf), np.full(len(rows), -1)
    for number, relation in enumerate(relations):
        for ends in (rows, rows[:, ::-1]) if not relation.twin else (rows,):
            both = np.flatnonzero(
                _of_phase(grains, ends[:, 0], relation.first) & _of_phase(grains, ends[:, 1], relation.second)
            )
            away = relation.deviation(*(grains.quaternions[ends[both, i]] for i in (0, 1)))
            limit = min(relation.tolerance, tolerance)
            better = (away <= limit) & (away / limit < nearest[both])
            nearest[both[better]], row[both[better]] = away[better] / limit, number
    found = row >= 0
    return _Related(rows[found], contact[found], row[found])


def _of_phase(grains: GrainMap | GrainVolume, rows: np.ndarray, phase: object) -> np.ndarray:
    of_grain = np.array([one == phase for one in grains.field.phases])[grains.phase_ids - 1]
    return np.asarray(of_grain[rows])


def families(grains: GrainMap | GrainVolume, relations: Sequence[Relation], tolerance: float) -> np.ndarray:
    """Join neighbouring grains that stand in special relations, and their neighbours in turn.

    Parameters
    ----------
    grains : GrainMap or GrainVolume
    relations : sequence of Relation
    tolerance : float, degrees
        Largest deviation, where the relation's own is not smaller.

    Returns
    -------
    ndarray, shape (N,), int
        Family of each grain, 0 ... F - 1.
    """
    return _joined(_related(grains, relations, tolerance).pairs, grains.number_of_grains)


def _joined(pairs: np.ndarray, number: int) -> np.ndarray:
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(number, number))
    return np.asarray(connected_components(graph, directed=False)[1])


def find_parents(grains: GrainMap, relations: Sequence[Relation], normal: int = 0) -> Parents:
    """Merge the grains of a map to parents, and measure the plates in them.

    Parameters
    ----------
    grains : GrainMap
        In the frame of the volume.
    relations : sequence of Relation
        With habit planes.
    normal : int
        Array axis of the volume that the map is normal to.

    Returns
    -------
    Parents

    See Also
    --------
    polyrve.microstructure.special_boundaries.find_relations : The relations that a map has.

    Examples
    --------
    >>> from polyrve import make_specimen, segment
    >>> from polyrve.crystallography.special_relations import twin
    >>> specimen = make_specimen((4, 64, 64), grain_size=20.0, twins=1.0, seed=1)
    >>> section = segment(specimen.field.section(0, 0))
    >>> found = find_parents(section, [twin(specimen.field.phases[0], plane=(1, 1, 1))])
    >>> len(found.area) + len(found.plates.grain) < section.number_of_grains
    True
    """
    relations = tuple(relations)
    number = grains.number_of_grains
    points = np.bincount(grains.grain_ids.ravel(), minlength=number + 1)[1:]
    related = _related(grains, relations)
    family = _joined(related.pairs, number)
    host, by = _hosts(grains, related, family, points, relations)
    root = host < 0
    with_plates = points.astype(float)
    for row in np.argsort(-_depths(host), kind="stable"):
        if host[row] >= 0:
            with_plates[host[row]] += with_plates[row]
    faces = _Faces.of(grains)
    members = np.flatnonzero(host >= 0)
    plate_of = np.full(number, -1)
    plate_of[members] = np.arange(len(members))
    of_relation = [relations[i] for i in by[members]]
    misorientation, planes = np.zeros((len(members), 4)), np.zeros((len(members), 3))
    for k, (row, relation) in enumerate(zip(members, of_relation, strict=True)):
        _, variant = relation.nearest(grains.quaternions[host[row]][None], grains.quaternions[row][None])
        misorientation[k], planes[k] = relation.variants[variant[0]], relation.planes[variant[0]]
    sample = rotation.rotate(rotation.conjugate(grains.quaternions[host[members]]), planes)[:, ::-1]
    seen = sample[:, list(in_plane(normal))]
    sine = np.linalg.norm(seen, axis=1)
    across = seen / np.maximum(sine, 1e-9)[:, None]
    hosts = [(family == family[row]) & root if root[host[row]] else np.arange(number) == host[row] for row in members]
    shapes = [faces.shape(int(row) + 1, at, family, u) for row, at, u in zip(members, hosts, across, strict=True)]
    apparent, trace, length, through, free_ends = (
        np.array(column) if len(members) else np.zeros(0) for column in zip(*shapes, strict=True)
    ) if shapes else (np.zeros(0),) * 5  # fmt: skip
    thickness = apparent * sine
    told = (through > 0) & (points[members] >= SHAPED) & (trace >= _LONG * apparent)
    if told.any():
        thickness[~told & (free_ends < 2)] = np.median(thickness[told])
    at_root = root[host[members]]
    host_area = np.where(at_root, _sum_by(family, with_plates * root)[family[members]], with_plates[host[members]])
    parent = np.unique(family, return_inverse=True)[1]
    first = np.zeros(parent.max(initial=-1) + 1, dtype=np.int64)
    order = np.argsort(points * root, kind="stable")
    first[parent[order]] = order
    size = float(np.prod(grains.field.spacing))
    return Parents(
        grains=grains,
        relations=relations,
        parent=parent,
        quaternions=grains.quaternions[first],
        phase_ids=grains.phase_ids[first],
        area=_sum_by(parent, points.astype(float)) * size,
        plates=Plates(
            grain=members + 1,
            parent=parent[members],
            host=np.where(at_root, -1, plate_of[host[members]]),
            relation=by[members],
            misorientation=misorientation,
            normal=planes,
            share=with_plates[members] / np.maximum(host_area, 1.0),
            thickness=thickness,
            told=told.astype(bool),
            trace=trace,
            length=length,
            through=through.astype(bool),
            free_ends=free_ends.astype(int),
        ),
        deviations=tuple(
            faces.deviations(members[by[members] == i], host, sample, plate_of, normal) for i in range(len(relations))
        ),
    )


def _sum_by(group: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.bincount(group, values, minlength=int(group.max(initial=-1)) + 1)


def _hosts(
    grains: GrainMap, related: _Related, family: np.ndarray, points: np.ndarray, relations: tuple[Relation, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """Find the grain that each plate lies in, -1 for the parents' own, and the relation between them.

    From the grains with the orientation that covers most of a family one goes on to their neighbours, along the longest
    boundary first.
    """
    number = len(points)
    host, by = np.full(number, -1), np.full(number, -1)
    reached = np.ones(number, dtype=bool)
    order = np.argsort(family, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(family[order])) + 1):
        if len(members) > 1:
            reached[members] = False
            reached[_largest_orientation(grains, members, points, relations)] = True
    pairs = np.concatenate([related.pairs, related.pairs[:, ::-1]])
    contact, relation = np.tile(related.contact, 2), np.tile(related.relation, 2)
    while True:
        next_pairs = np.flatnonzero(reached[pairs[:, 0]] & ~reached[pairs[:, 1]])
        next_pairs = next_pairs[np.argsort(contact[next_pairs], kind="stable")]
        usable = [
            relations[relation[i]].twin or _of_phase(grains, pairs[i, :1], relations[relation[i]].first)[0]
            for i in next_pairs
        ]
        next_pairs = next_pairs[np.array(usable, dtype=bool)]
        if not len(next_pairs):
            return host, by
        host[pairs[next_pairs, 1]], by[pairs[next_pairs, 1]] = pairs[next_pairs, 0], relation[next_pairs]
        reached[pairs[next_pairs, 1]] = True


def _largest_orientation(
    grains: GrainMap, members: np.ndarray, points: np.ndarray, relations: tuple[Relation, ...]
) -> np.ndarray:
    """Those of a family that have the orientation of most of its points, of a phase that may hold plates."""
    able = np.zeros(len(members), dtype=bool)
    for relation in relations:
        able |= _of_phase(grains, members, relation.first)
    members = members[able]
    best: tuple[int, np.ndarray] = (0, members[:0])
    for phase_id in np.unique(grains.phase_ids[members]):
        left = members[grains.phase_ids[members] == phase_id]
        left = left[np.argsort(-points[left], kind="stable")]
        symmetry = grains.field.phases[phase_id - 1].symmetry
        while len(left):
            q = grains.quaternions[left]
            away = rotation.disorientation_angle(q, np.broadcast_to(q[0], q.shape), symmetry)
            alike = away <= np.deg2rad(DEFAULT_THRESHOLD)
            best = max(best, (int(points[left[alike]].sum()), left[alike]), key=lambda one: one[0])
            left = left[~alike]
    return best[1]


def _depths(host: np.ndarray) -> np.ndarray:
    depth, above = np.zeros(len(host), dtype=np.int64), host.copy()
    while (above >= 0).any():
        depth += above >= 0
        above = np.where(above >= 0, host[above], -1)
    return depth


@dataclass(frozen=True, eq=False)
class _Faces:
    """Point faces of the grains of a map, in the order of the grains that they are seen from.

    Each between two grains is seen from both; beyond the border of the map lies grain 0.
    """

    begin: np.ndarray
    other: np.ndarray
    where: np.ndarray
    points: np.ndarray
    points_begin: np.ndarray
    spacing: np.ndarray

    @classmethod
    def of(cls, grains: GrainMap) -> _Faces:
        ids, field = grains.grain_ids, grains.field
        spacing = np.array(field.spacing)
        inside = ids > 0
        place = np.zeros((*ids.shape, 2))
        place[inside] = unwrapped_points(ids, (0, 1) if field.periodic else ())
        own, other, where = [], [], []
        for axis in range(2):
            for step in (1, -1):
                there = np.roll(ids, -step, axis=axis)
                if not field.periodic:
                    there[(slice(None),) * axis + (-1 if step == 1 else 0,)] = 0
                differ = (ids != there) & inside
                shift = np.zeros(2)
                shift[axis] = step / 2.0
                own.append(ids[differ])
                other.append(there[differ])
                where.append((place[differ] + shift) * spacing)
        mine = np.concatenate(own)
        order = np.argsort(mine, kind="stable")
        of_point = np.argsort(ids[inside], kind="stable")
        counts = np.arange(grains.number_of_grains + 2)
        return cls(
            np.searchsorted(mine[order], counts), np.concatenate(other)[order], np.concatenate(where)[order],
            place[inside][of_point] * spacing, np.searchsorted(ids[inside][of_point], counts), spacing,
        )  # fmt: skip

    def shape(
        self, grain: int, hosts: np.ndarray, family: np.ndarray, across: np.ndarray
    ) -> tuple[float, float, float, bool, int]:
        """Apparent thickness, length, its share of the host's, whether the host is on both sides, and free ends.

        Between two boundaries with the host it is their distance, whatever cuts the plate off at its ends; the point
        faces of a straight boundary lie on both sides of it alike. Elsewhere it is the area of the middle over its
        length.
        """
        along = np.array([-across[1], across[0]])
        points = self.points[self.points_begin[grain] : self.points_begin[grain + 1]]
        width = float(np.abs(along) @ self.spacing)
        reach = points @ along
        length = float(np.ptp(reach)) + width
        part = _MIDDLE if length >= _FEWEST_FACES * width else 1.0
        away = np.abs(reach - (reach.max() + reach.min()) / 2.0)
        middle = np.clip((part * length / 2.0 - away) / width + 0.5, 0.0, 1.0)
        thickness = float(middle.sum()) * float(np.prod(self.spacing)) / (part * length)
        faces = slice(self.begin[grain], self.begin[grain + 1])
        centre = points.mean(axis=0)
        offset = self.where[faces] - centre
        relatives = np.append(-1, family)[self.other[faces]] == family[grain - 1]
        at_host = np.append(False, hosts)[self.other[faces]]
        side = offset @ across
        counts = [int((relatives & (side * sign > 0)).sum()) for sign in (1, -1)]
        through = min(counts) > _BOTH_SIDES * max(counts)
        run, free, room = offset @ along, 0, length
        in_middle = at_host & (np.abs(run - (run.max() + run.min()) / 2.0) <= part * length / 2.0)
        sides = [side[in_middle & (side * sign > 0)] for sign in (1, -1)]
        if through and all(len(one) for one in sides):
            thickness = float(sides[0].mean() - sides[1].mean())
        for sign in (1, -1):
            end = run * sign >= (run * sign).max() - 1.5 * width
            if at_host[end].mean() > _WITHIN:
                free += 1
        if free:
            room = self._room(grain, family, centre, across, along)
        return thickness, length, min(1.0, length / max(room, length)), through, free

    def _room(self, grain: int, family: np.ndarray, centre: np.ndarray, across: np.ndarray, along: np.ndarray) -> float:
        """Length of the family along the trace of a plate, through its middle."""
        members = np.flatnonzero(family == family[grain - 1]) + 1
        points = np.concatenate([self.points[self.points_begin[m] : self.points_begin[m + 1]] for m in members])
        offset = points - centre
        near = np.abs(offset @ across) <= float(self.spacing.max())
        run = np.sort(offset[near] @ along)
        gaps = np.flatnonzero(np.diff(run) > 3.0 * self.spacing.max())
        pieces = np.split(run, gaps + 1)
        return float(max((np.ptp(piece) for piece in pieces if len(piece)), default=0.0))

    def deviations(
        self, members: np.ndarray, host: np.ndarray, sample: np.ndarray, plate_of: np.ndarray, normal: int
    ) -> np.ndarray:
        """Angles between boundaries of plates with their hosts and the traces of the habit planes, degrees."""
        parts = [np.zeros(0)]
        for row in members:
            faces = slice(self.begin[row + 1], self.begin[row + 2])
            where = self.where[faces][self.other[faces] == host[row] + 1]
            if len(where) < _FEWEST_FACES:
                continue
            direction = pieces_of_boundary(where, _REACH * float(self.spacing.max()))
            seen = sample[plate_of[row], list(in_plane(normal))]
            seen = seen / max(float(np.linalg.norm(seen)), 1e-9)
            known = np.isfinite(direction[:, 0])
            parts.append(np.rad2deg(np.arccos(np.minimum(np.abs(direction[known] @ seen), 1.0))))
        return np.concatenate(parts)


def pieces_of_boundary(where: np.ndarray, reach: float) -> np.ndarray:
    """Tell the normal of a boundary at each of its point faces, from the faces within reach.

    Parameters
    ----------
    where : ndarray, shape (n, 2), um
        Middles of the point faces.
    reach : float, um

    Returns
    -------
    ndarray, shape (n, 2)
        Unit vectors of either sign; NaN where fewer than five faces are within reach.
    """
    ends = cKDTree(where).query_pairs(reach, output_type="ndarray")
    rows = np.concatenate([np.arange(len(where)), ends[:, 0], ends[:, 1]])
    others = where[np.concatenate([np.arange(len(where)), ends[:, 1], ends[:, 0]])]
    count = np.bincount(rows)
    mean = np.stack([np.bincount(rows, x) for x in others.T], axis=1) / count[:, None]
    away = others - mean[rows]
    covariance = np.empty((len(where), 2, 2))
    for i, j in np.ndindex(2, 2):
        covariance[:, i, j] = np.bincount(rows, away[:, i] * away[:, j])
    normals = np.linalg.eigh(covariance)[1][..., 0]
    normals[count < _FEWEST_FACES] = np.nan
    return np.asarray(normals)
