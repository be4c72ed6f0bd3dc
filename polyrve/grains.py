"""Grains: segmentation of maps and volumes, clean-up, and what is known per grain.

A *grain* is a set of face-connected points of one phase; each link joins two points whose disorientation does not
exceed a threshold. The default is 5 degrees, EDAX's and that of ASTM E2627; MTEX takes 10 degrees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import overload

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from polyrve import rotation
from polyrve.crystal import Phase
from polyrve.orientation import OrientationField, OrientationMap, OrientationVolume

DEFAULT_THRESHOLD = 5.0
"""Disorientation of a grain boundary, degrees."""

HOLE = 3
"""Lines of points go on across holes of at most so many points."""


@dataclass(frozen=True, eq=False)
class _GrainField:
    field: OrientationField
    grain_ids: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray

    def __post_init__(self) -> None:
        grain_ids = np.array(self.grain_ids, dtype=np.int32, order="C")
        quaternions = np.array(self.quaternions, dtype=np.float64).reshape(-1, 4)
        phase_ids = np.array(self.phase_ids, dtype=np.int32).reshape(-1)
        if grain_ids.shape != self.field.shape:
            raise ValueError(f"grain_ids: expected shape {self.field.shape}; got {grain_ids.shape}")
        if len(quaternions) != len(phase_ids):
            raise ValueError(
                f"grains: expected one orientation and one phase each; "
                f"got {len(quaternions)} orientations and {len(phase_ids)} phases"
            )
        count = np.bincount(grain_ids.ravel(), minlength=1) if grain_ids.min() >= 0 else None
        if count is None or len(count) != len(quaternions) + 1 or (count[1:] == 0).any():
            raise ValueError(
                f"grain_ids: expected every id 1 ... {len(quaternions)} at least once, and 0 for no grain; "
                f"got {grain_ids.min()} ... {grain_ids.max()} with {len(np.unique(grain_ids))} different ids"
            )
        if len(phase_ids) and (phase_ids.min() < 1 or phase_ids.max() > len(self.field.phases)):
            raise ValueError(
                f"phase_ids of grains: expected 1 ... {len(self.field.phases)}; "
                f"got {phase_ids.min()} ... {phase_ids.max()}"
            )
        for name, value in (("grain_ids", grain_ids), ("quaternions", quaternions), ("phase_ids", phase_ids)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def number_of_grains(self) -> int:
        """Number of grains N."""
        return len(self.quaternions)


@dataclass(frozen=True, eq=False)
class GrainMap(_GrainField):
    """A segmented orientation map.

    Attributes
    ----------
    field : OrientationMap
        The orientations; where the clean-up of :func:`segment` gave a point to another grain, that grain's.
    grain_ids : ndarray, shape (ny, nx), int32
        1 ... N; 0 where no grain (not indexed).
    quaternions : ndarray, shape (N, 4), float64
        Mean orientation of grain i at row i - 1.
    phase_ids : ndarray, shape (N,), int32
        Phase of grain i at row i - 1, as in ``field.phase_ids``.

    Raises
    ------
    ValueError
        If shapes disagree or an id between 1 and N is missing.
    """

    field: OrientationMap


@dataclass(frozen=True, eq=False)
class GrainVolume(_GrainField):
    """A segmented orientation volume; attributes as in :class:`GrainMap`, arrays of shape (nz, ny, nx)."""

    field: OrientationVolume


@dataclass(frozen=True, eq=False)
class GrainProperties:
    """What is measured per grain; row i - 1 is grain i, d the number of array axes.

    Attributes
    ----------
    points : ndarray, shape (N,), int64
        Number of points.
    size : ndarray, shape (N,), um^d
        Area (map) or volume.
    equivalent_diameter : ndarray, shape (N,), um
        Diameter of the circle or sphere of that size.
    centroid : ndarray, shape (N, d), um
        In the order of the array axes; within the field, also for a grain across its faces.
    axis_lengths : ndarray, shape (N, d), um
        Full lengths of the ellipse or ellipsoid with the grain's second moments, longest first.
    axes : ndarray, shape (N, d, d)
        ``axes[i, k]`` is the unit vector of ``axis_lengths[i, k]`` in the order of the array axes.
    aspect_ratio : ndarray, shape (N,)
        Longest over shortest axis, at least 1.
    orientation_spread : ndarray, shape (N,), degrees
        GOS: mean disorientation of the points from the grain's mean orientation.
    number_of_neighbours : ndarray, shape (N,), int64
        Number of grains that share a face with it.
    touches_border : ndarray, shape (N,), bool
        Cut by the border of a field that is not periodic.
    """

    points: np.ndarray
    size: np.ndarray
    equivalent_diameter: np.ndarray
    centroid: np.ndarray
    axis_lengths: np.ndarray
    axes: np.ndarray
    aspect_ratio: np.ndarray
    orientation_spread: np.ndarray
    number_of_neighbours: np.ndarray
    touches_border: np.ndarray


def neighbour_disorientation(field: OrientationField, axis: int) -> np.ndarray:
    """Disorientation between each point and the next along an array axis.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
        Where it is periodic, the next point after the last is the first.
    axis : int
        Array axis.

    Returns
    -------
    ndarray, shape (*field.shape), float64, rad
        Infinite between different phases; NaN where one of the two is not indexed or there is no next point.
    """
    ids, quaternions = (np.moveaxis(values, axis, 0) for values in (field.phase_ids, field.quaternions))
    angles = np.full(ids.shape, np.nan)
    last = len(ids) if field.periodic and len(ids) > 1 else len(ids) - 1
    following, next_ids = (np.roll(values, -1, axis=0)[:last] for values in (quaternions, ids))
    angles[:last] = _angles_between(quaternions[:last], ids[:last], following, next_ids, field.phases)
    return np.moveaxis(angles, 0, axis)


def bridge_holes(
    angles: Mapping[int, np.ndarray],
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    phases: tuple[Phase, ...],
    periodic: bool,
    threshold: float = DEFAULT_THRESHOLD,
) -> dict[int, np.ndarray]:
    """Disorientations along lines of points that go on across small holes.

    Where at most :data:`HOLE` points that are not indexed lie between two that are, the disorientation of these two
    stands in the middle of the hole and 0 at its other steps. Without it long chords are lost more often than short
    ones, and boundaries where patterns overlap are not counted. A hole that would join two grains crosswise stays open.

    Parameters
    ----------
    angles : mapping of int to ndarray, shape (*shape), rad
        Per array axis, as from :func:`neighbour_disorientation`.
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int
    phases : tuple of Phase
    periodic : bool
        Whether the next point after the last is the first.
    threshold : float, degrees
        Of grain boundaries.

    Returns
    -------
    dict of int to ndarray, shape (*shape), rad
        `angles` themselves where there are no holes.
    """
    indexed = phase_ids > 0
    if indexed.all():
        return dict(angles)
    q, ids = quaternions.reshape(-1, 4), phase_ids.ravel()
    index = np.arange(phase_ids.size).reshape(phase_ids.shape)
    begins = {axis: np.full(phase_ids.size, -1) for axis in angles}
    chains = []
    for axis in angles:
        for holes in range(1, min(HOLE, phase_ids.shape[axis] - 2) + 1):
            ahead = [np.roll(indexed, -step, axis=axis) for step in range(holes + 2)]
            found = ahead[0] & ahead[-1] & ~np.any(ahead[1:-1], axis=0)
            if not periodic:
                np.moveaxis(found, axis, 0)[-holes - 1 :] = False
            points = np.stack([np.roll(index, -step, axis=axis)[found] for step in range(holes + 2)])
            between = _angles_between(q[points[0]], ids[points[0]], q[points[-1]], ids[points[-1]], phases)
            joined = between <= np.deg2rad(threshold)
            begins[axis][points[1:-1, joined]] = points[0, joined]
            chains.append((axis, points, between))
    crossed = np.zeros(phase_ids.size, dtype=bool)
    for first, second in combinations(angles, 2):
        both = np.flatnonzero((begins[first] >= 0) & (begins[second] >= 0))
        ends = begins[first][both], begins[second][both]
        apart = _angles_between(q[ends[0]], ids[ends[0]], q[ends[1]], ids[ends[1]], phases)
        crossed[both[apart > np.deg2rad(threshold)]] = True
    bridged = {axis: measured.copy() for axis, measured in angles.items()}
    for axis, points, between in chains:
        told = ~crossed[points[1:-1]].any(axis=0)
        for step, here in enumerate(points[:-1, told]):
            bridged[axis].flat[here] = between[told] if step == (len(points) - 1) // 2 else 0.0
    return bridged


def _angles_between(
    q: np.ndarray, ids: np.ndarray, other_q: np.ndarray, other_ids: np.ndarray, phases: tuple[Phase, ...]
) -> np.ndarray:
    """Disorientation of pairs of points; infinite between phases, NaN where one is not indexed."""
    angles = np.where((ids > 0) & (other_ids > 0), np.inf, np.nan)
    for phase_id, phase in enumerate(phases, start=1):
        pairs = (ids == phase_id) & (other_ids == phase_id)
        angles[pairs] = rotation.disorientation_angle(q[pairs], other_q[pairs], phase.symmetry)
    return angles


def connect(links: Mapping[int, np.ndarray], points: np.ndarray) -> np.ndarray:
    """Label the connected sets of points.

    Runs of points that are joined along the last axis are the nodes of a graph, and the other links are its edges.

    Parameters
    ----------
    links : mapping of int to ndarray, shape (*shape), bool
        Per array axis, whether a point is joined to the next along it; the next after the last is the first.
    points : ndarray, shape (*shape), bool
        Points that belong to a set; a chain of links through others joins what lies at its ends, and no more.

    Returns
    -------
    ndarray, shape (*shape), int32
        1 ... N in the order of first points; 0 where no point.
    """
    last, whole = points.ndim - 1, points.all()
    begins = np.ones(points.shape, dtype=bool)
    if last in links:
        begins[..., 1:] = ~links[last][..., :-1]
    run = np.cumsum(begins).reshape(points.shape) - 1
    runs = int(run.max(initial=-1)) + 1
    others = 0 if whole else np.arange(runs, runs + points.size).reshape(points.shape)
    first, second = [], []
    for copy, (axis, joined) in enumerate(links.items()):
        node = run if whole or axis == last else np.where(points, run, others + copy * points.size)
        following = np.roll(node, -1, axis=axis)
        apart = joined & (node != following)
        first.append(node[apart])
        second.append(following[apart])
    size = runs if whole else runs + len(links) * points.size
    ends = np.concatenate(first), np.concatenate(second)
    graph = coo_array((np.ones(len(ends[0])), ends), shape=(size, size))
    label = connected_components(graph, directed=False)[1][run[points]]
    starts = np.full(label.max(initial=-1) + 1, points.size, dtype=np.int64)
    np.minimum.at(starts, label, np.arange(len(label)))
    used = np.flatnonzero(starts < points.size)
    number = np.zeros(len(starts), dtype=np.int32)
    number[used[np.argsort(starts[used])]] = np.arange(1, len(used) + 1)
    grain_ids = np.zeros(points.shape, dtype=np.int32)
    grain_ids[points] = number[label]
    return grain_ids


def mean_orientations(
    quaternions: np.ndarray, grain_ids: np.ndarray, grain_phases: np.ndarray, phases: tuple[Phase, ...]
) -> np.ndarray:
    """Mean orientation of each grain.

    The points are brought to the symmetric equivalent nearest to a reference, at first the grain's first point,
    and averaged; the average is the next reference, until it stays. The average is the dominant eigenvector of
    the sum of ``q q^T``, the quaternion closest to all in the least-squares sense.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
    grain_ids : ndarray, shape (n,), int
        1 ... N, each at least once.
    grain_phases : ndarray, shape (N,), int
        Phase of each grain, an index to ``phases`` from 1.
    phases : tuple of Phase

    Returns
    -------
    ndarray, shape (N, 4), float64
        With w >= 0.

    References
    ----------
    F. L. Markley et al., J. Guid. Control Dyn. 30 (2007) 1193, doi:10.2514/1.28949, eq. 13.
    """
    mean = np.empty((len(grain_phases), 4))
    for phase_id, phase in enumerate(phases, start=1):
        members = np.flatnonzero(grain_phases == phase_id)
        if not len(members):
            continue
        row = np.zeros(len(grain_phases) + 1, dtype=np.int64)
        row[members + 1] = np.arange(1, len(members) + 1)
        of_grain = row[grain_ids] - 1
        q, of_grain = quaternions[of_grain >= 0], of_grain[of_grain >= 0]
        first = np.full(len(members), len(q))
        np.minimum.at(first, of_grain, np.arange(len(q)))
        reference = q[first]
        for _ in range(20):
            nearest = rotation.nearest_equivalent(q, reference[of_grain], phase.symmetry)
            products = np.empty((len(members), 4, 4))
            for i in range(4):
                for j in range(i, 4):
                    products[:, i, j] = products[:, j, i] = np.bincount(
                        of_grain, nearest[:, i] * nearest[:, j], minlength=len(members)
                    )
            average = np.linalg.eigh(products)[1][..., -1]
            moved = rotation.disorientation_angle(average, reference, phase.symmetry)
            reference = average
            if (moved < 1e-7).all():
                break
        mean[members] = reference
    return np.where(mean[:, :1] < 0, -mean, mean)


def _absorb(field: OrientationMap | OrientationVolume, grain_ids: np.ndarray) -> OrientationMap | OrientationVolume:
    """Give points with grain id 0 a neighbour's orientation and phase, the commonest grain's, in layers."""
    index = np.arange(grain_ids.size).reshape(grain_ids.shape)
    neighbours = []
    for axis in range(index.ndim):
        for step in (1, -1):
            there = np.roll(index, -step, axis=axis)
            if not field.periodic:
                there[(slice(None),) * axis + (-1 if step == 1 else 0,)] = -1
            neighbours.append(there.ravel())
    around = np.stack(neighbours, axis=1)
    ids, source = grain_ids.ravel().copy(), index.ravel().copy()
    vacant = np.flatnonzero(ids == 0)
    while len(vacant):
        candidates = np.where(around[vacant] >= 0, ids[around[vacant]], 0)
        votes = (candidates[:, :, None] == candidates[:, None, :]).sum(axis=2) * (candidates > 0)
        chosen = np.argmax(votes, axis=1)
        found = votes.max(axis=1) > 0
        if not found.any():
            break
        given, chosen = vacant[found], chosen[found]
        source[given] = source[around[given, chosen]]
        ids[given] = candidates[found, chosen]
        vacant = vacant[~found]
    return field.evolve(
        quaternions=field.quaternions.reshape(-1, 4)[source].reshape(field.quaternions.shape),
        phase_ids=field.phase_ids.ravel()[source].reshape(field.shape),
    )


def _label(field: OrientationField, threshold: float) -> np.ndarray:
    links = {axis: neighbour_disorientation(field, axis) <= np.deg2rad(threshold) for axis in range(len(field.shape))}
    return connect(links, field.indexed)


@overload
def segment(field: OrientationMap, threshold: float = ..., *, min_points: int = ..., fill: bool = ...) -> GrainMap: ...
@overload
def segment(
    field: OrientationVolume, threshold: float = ..., *, min_points: int = ..., fill: bool = ...
) -> GrainVolume: ...
def segment(
    field: OrientationMap | OrientationVolume,
    threshold: float = DEFAULT_THRESHOLD,
    *,
    min_points: int = 1,
    fill: bool = False,
) -> GrainMap | GrainVolume:
    """Cut an orientation field into grains.

    Face-connected points of one phase whose disorientation does not exceed the threshold belong to one grain;
    where the field is periodic, also across its faces. What was done is recorded in
    ``result.field.provenance["segmentation"]``: threshold, number of grains and share of the indexed points
    that were removed, share of all points that were filled.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    threshold : float, degrees
        Smallest disorientation of a boundary. 5 is EDAX's default and that of ASTM E2627; MTEX's is 10.
    min_points : int
        Grains with fewer points are removed: layer by layer, their points take orientation and phase of a
        neighbouring point in the grain that most of their neighbours belong to. 1 removes nothing.
    fill : bool
        Whether points that are not indexed are given to grains in the same way.

    Returns
    -------
    GrainMap or GrainVolume
        Grains are numbered in the order of their first points.

    Raises
    ------
    ValueError
        If the threshold is not in (0, 180), ``min_points`` is not positive, or no grain has that many points.

    References
    ----------
    ASTM E2627-13, Determining average grain size using electron backscatter diffraction.
    """
    if not 0.0 < threshold < 180.0:
        raise ValueError(f"threshold: expected degrees between 0 and 180; got {threshold}")
    if min_points < 1:
        raise ValueError(f"min_points: expected at least 1; got {min_points}")
    indexed = field.indexed
    grain_ids = _label(field, threshold)
    points = np.bincount(grain_ids.ravel(), minlength=1)
    removed = points < min_points
    removed[0] = False
    if removed.any() and points[1:].max() < min_points:
        raise ValueError(f"min_points: expected at most {points[1:].max()}, the largest grain's; got {min_points}")
    if removed.any() or (fill and not indexed.all()):
        kept = np.where(removed[grain_ids], 0, grain_ids)
        if not fill:
            kept[~indexed] = -1
        field = _absorb(field, kept)
        grain_ids = _label(field, threshold)
    record = {
        "threshold_degrees": float(threshold),
        "min_points": int(min_points),
        "removed_grains": int(removed.sum()),
        "removed_share": float(points[removed].sum() / max(indexed.sum(), 1)),
        "filled_share": float((field.indexed & ~indexed).mean()),
    }
    field = field.evolve(provenance={**field.provenance, "segmentation": record})
    ids, starts = np.unique(grain_ids, return_index=True)
    grain_phases = field.phase_ids.ravel()[starts[ids > 0]]
    inside = grain_ids > 0
    mean = mean_orientations(field.quaternions[inside], grain_ids[inside], grain_phases, field.phases)
    if isinstance(field, OrientationMap):
        return GrainMap(field=field, grain_ids=grain_ids, quaternions=mean, phase_ids=grain_phases)
    return GrainVolume(field=field, grain_ids=grain_ids, quaternions=mean, phase_ids=grain_phases)


def grain_wise(grains: GrainMap | GrainVolume) -> OrientationMap | OrientationVolume:
    """Give every point its grain's mean orientation; ``grains.field`` is the voxel-wise field.

    Points of no grain are left as they are.
    """
    inside = grains.grain_ids > 0
    quaternions = np.array(grains.field.quaternions)
    quaternions[inside] = grains.quaternions[grains.grain_ids[inside] - 1]
    return grains.field.evolve(quaternions=quaternions)


def disorientation_from_mean(grains: GrainMap | GrainVolume) -> np.ndarray:
    """Disorientation of each point from its grain's mean (GROD), shape (*shape), degrees; NaN in no grain."""
    angles = np.full(grains.field.shape, np.nan)
    for phase_id, phase in enumerate(grains.field.phases, start=1):
        points = np.concatenate([[False], grains.phase_ids == phase_id])[grains.grain_ids]
        mean = grains.quaternions[grains.grain_ids[points] - 1]
        angles[points] = rotation.disorientation_angle(grains.field.quaternions[points], mean, phase.symmetry)
    return np.rad2deg(angles)


def kernel_average_misorientation(field: OrientationField, threshold: float = DEFAULT_THRESHOLD) -> np.ndarray:
    """Mean disorientation of each point from its face neighbours in the same grain (KAM, first order).

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    threshold : float, degrees
        Neighbours further apart are across a boundary and do not count.

    Returns
    -------
    ndarray, shape (*field.shape), degrees
        NaN where no neighbour counts.
    """
    return mean_of_links({axis: neighbour_disorientation(field, axis) for axis in range(len(field.shape))}, threshold)


def mean_of_links(angles: Mapping[int, np.ndarray], threshold: float) -> np.ndarray:
    """Mean disorientation per point over its links below a threshold.

    Parameters
    ----------
    angles : mapping of int to ndarray, shape (*shape), rad
        :func:`neighbour_disorientation` for each array axis that counts.
    threshold : float, degrees

    Returns
    -------
    ndarray, shape (*shape), degrees
        NaN where no link counts.
    """
    shape = next(iter(angles.values())).shape
    total, count = np.zeros(shape), np.zeros(shape)
    for axis, angle in angles.items():
        inside = angle <= np.deg2rad(threshold)
        angle = np.where(inside, angle, 0.0)
        total += angle + np.roll(angle, 1, axis=axis)
        count += inside + np.roll(inside, 1, axis=axis).astype(float)
    return np.rad2deg(np.where(count > 0, total / np.maximum(count, 1.0), np.nan))


def _faces(grains: GrainMap | GrainVolume, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a point and the next along an axis are in different grains, and the ids of the next points."""
    following = np.roll(grains.grain_ids, -1, axis=axis)
    differ = (grains.grain_ids != following) & (grains.grain_ids > 0) & (following > 0)
    if not grains.field.periodic:
        differ[(slice(None),) * axis + (-1,)] = False
    return differ, following


def boundary_points(grains: GrainMap | GrainVolume) -> np.ndarray:
    """Points with a face neighbour in another grain, shape (*shape), bool."""
    boundary = np.zeros(grains.grain_ids.shape, dtype=bool)
    for axis in range(boundary.ndim):
        differ, _ = _faces(grains, axis)
        boundary |= differ | np.roll(differ, 1, axis=axis)
    return boundary


def neighbours(grains: GrainMap | GrainVolume) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of grains that share a boundary.

    Returns
    -------
    pairs : ndarray, shape (m, 2), int32
        Grain ids, the lower first, in ascending order.
    contact : ndarray, shape (m,), um^(d-1)
        Length (map) or area (volume) of the point faces that they share.
    """
    pairs, contact = [], []
    cell = float(np.prod(grains.field.spacing))
    for axis, spacing in enumerate(grains.field.spacing):
        differ, following = _faces(grains, axis)
        pairs.append(np.sort(np.stack([grains.grain_ids[differ], following[differ]], axis=1), axis=1))
        contact.append(np.full(len(pairs[-1]), cell / spacing))
    unique, inverse = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    return unique, np.bincount(inverse.ravel(), np.concatenate(contact), minlength=len(unique))


def unwrapped_points(grain_ids: np.ndarray, periodic_axes: tuple[int, ...]) -> np.ndarray:
    """Array indices of the points of all grains, without the jumps of grains that lie across the faces.

    Parameters
    ----------
    grain_ids : ndarray, shape (*shape), int
        Face-connected grains 1 ... N; 0 where none.
    periodic_axes : tuple of int
        Axes along which grains go on across the faces.

    Returns
    -------
    ndarray, shape (n, d), int64
        Rows in the order of ``np.argwhere(grain_ids)``; a grain's rows are one connected piece, which may lie
        partly outside the field. A grain that meets itself around the field is cut somewhere.
    """
    inside = grain_ids > 0
    points = np.argwhere(inside)
    if not periodic_axes:
        return points
    inner, seams = {}, {}
    for axis in range(grain_ids.ndim):
        joined = inside & (grain_ids == np.roll(grain_ids, -1, axis=axis))
        last = (slice(None),) * axis + (-1,)
        seams[axis] = np.zeros_like(inside)
        if axis in periodic_axes:
            seams[axis][last] = joined[last]
        joined[last] = False
        inner[axis] = joined
    pieces = connect(inner, inside)
    nodes = int(pieces.max(initial=0)) + 1
    tails, heads, steps = [], [], []
    for axis, seam in seams.items():
        tail, head = pieces[seam], np.roll(pieces, -1, axis=axis)[seam]
        step = np.zeros((len(tail), grain_ids.ndim), dtype=np.int64)
        step[:, axis] = grain_ids.shape[axis]
        tails += [tail, head]
        heads += [head, tail]
        steps += [step, -step]
    tail, head, step = np.concatenate(tails).astype(np.int64), np.concatenate(heads), np.concatenate(steps)
    edges, first = np.unique(tail * nodes + head, return_index=True)
    if not len(edges):
        return points
    joined = coo_array((np.ones(len(edges)), (edges // nodes, edges % nodes)), shape=(nodes, nodes))
    roots = np.unique(connected_components(joined, directed=False)[1], return_index=True)[1]
    rooted = coo_array((np.ones(len(roots)), (np.zeros_like(roots), roots)), shape=(nodes, nodes))
    previous = np.maximum(breadth_first_order((joined + rooted).tocsr(), 0)[1].astype(np.int64), 0)
    reached = np.flatnonzero(previous)
    shift = np.zeros((nodes, grain_ids.ndim), dtype=np.int64)
    shift[reached] = step[first[np.searchsorted(edges, previous[reached] * nodes + reached)]]
    while previous.any():
        shift = shift + shift[previous]
        previous = previous[previous]
    return points + shift[pieces[inside]]


def moments(points: np.ndarray, grain_ids: np.ndarray, spacing: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Centroids and central second moments of sets of cells.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Array indices of the cells.
    grain_ids : ndarray, shape (n,), int
        1 ... N, each at least once.
    spacing : tuple of float, um

    Returns
    -------
    centroid : ndarray, shape (N, d), um
        Cell centres lie at (index + 1/2) spacing.
    covariance : ndarray, shape (N, d, d), um^2
        With the second moment of the cell itself, spacing^2 / 12, on the diagonal.
    """
    position = (points + 0.5) * np.array(spacing)
    number, d = int(grain_ids.max(initial=0)), position.shape[1]
    count = np.bincount(grain_ids - 1, minlength=number)
    centroid = np.stack([np.bincount(grain_ids - 1, x, minlength=number) for x in position.T], axis=1) / count[:, None]
    offset = position - centroid[grain_ids - 1]
    covariance = np.empty((number, d, d))
    for i in range(d):
        for j in range(i, d):
            product = np.bincount(grain_ids - 1, offset[:, i] * offset[:, j], minlength=number) / count
            covariance[:, i, j] = covariance[:, j, i] = product + (spacing[i] ** 2 / 12 if i == j else 0.0)
    return centroid, covariance


def measure(grains: GrainMap | GrainVolume) -> GrainProperties:
    """Size, shape, orientation spread and neighbours of every grain.

    Parameters
    ----------
    grains : GrainMap or GrainVolume

    Returns
    -------
    GrainProperties
    """
    field, ids = grains.field, grains.grain_ids
    inside, number, d = ids > 0, grains.number_of_grains, ids.ndim
    points = np.bincount(ids.ravel(), minlength=number + 1)[1:]
    size = points * float(np.prod(field.spacing))
    diameter = np.sqrt(4.0 * size / np.pi) if d == 2 else np.cbrt(6.0 * size / np.pi)
    unwrapped = unwrapped_points(ids, tuple(range(d)) if field.periodic else ())
    centroid, covariance = moments(unwrapped, ids[inside], field.spacing)
    extent = np.array(field.shape) * np.array(field.spacing)
    values, vectors = np.linalg.eigh(covariance)
    lengths = 2.0 * np.sqrt((d + 2) * values[:, ::-1])
    spread = np.bincount(ids[inside] - 1, disorientation_from_mean(grains)[inside], minlength=number) / points
    pairs, _ = neighbours(grains)
    border = np.zeros(number + 1, dtype=bool)
    if not field.periodic:
        for axis in range(d):
            if field.shape[axis] > 1:
                border[np.take(ids, [0, -1], axis=axis)] = True
    return GrainProperties(
        points=points,
        size=size,
        equivalent_diameter=diameter,
        centroid=centroid % extent + np.array(field.origin),
        axis_lengths=lengths,
        axes=np.swapaxes(vectors, 1, 2)[:, ::-1],
        aspect_ratio=lengths[:, 0] / lengths[:, -1],
        orientation_spread=spread,
        number_of_neighbours=np.bincount(pairs.ravel(), minlength=number + 1)[1:],
        touches_border=border[1:],
    )
