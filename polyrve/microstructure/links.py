"""Links between neighbouring points: disorientations, bridges over small holes, connected sets."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationField

DEFAULT_THRESHOLD = 5.0
"""Smallest disorientation of a boundary, degrees: EDAX's default and that of ASTM E2627; MTEX's is 10."""

HOLE = 3
"""Lines of points go on across holes of at most so many points.

Points where two patterns overlap are seldom more. With 0 chords of a map with 2 % of holes come out 4 to 11 % short;
with a larger number grains are joined through what may be a third one.
"""


def neighbour_disorientation(field: OrientationField, axis: int) -> np.ndarray:
    """Measure the disorientation of each point from the next along an array axis.

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

    See Also
    --------
    bridge_holes : The same along lines that go on across small holes.
    polyrve.microstructure.map_analysis.analyse : Keeps them for all who ask.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> angles = neighbour_disorientation(make_specimen((4, 5, 6), seed=1).field.section(0, 0), 1)
    >>> angles.shape
    (5, 6)
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
    """Measure disorientations along lines of points that go on across small holes.

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
        Smallest disorientation of a boundary.

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
    """Measure the disorientation of pairs of points; infinite between phases, NaN where one is not indexed."""
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

    Examples
    --------
    >>> points = np.array([[True, True, False], [True, True, True]])
    >>> joined = np.array([[True, False, False], [False, True, False]])
    >>> connect({1: joined}, points).tolist()
    [[1, 1, 0], [2, 3, 3]]
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
