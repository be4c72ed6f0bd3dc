"""What is measured on grains: sizes, shapes, neighbours, boundaries and the spread of orientations within them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components

from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD, connect, neighbour_disorientation


@dataclass(frozen=True, eq=False)
class GrainProperties:
    """Measures of grains; row i - 1 is grain i, d the number of array axes.

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


def disorientation_from_mean(grains: GrainMap | GrainVolume) -> np.ndarray:
    """Measure the disorientation of each point from its grain's mean (GROD).

    Parameters
    ----------
    grains : GrainMap or GrainVolume

    Returns
    -------
    ndarray, shape (*grains.field.shape), degrees
        NaN where no grain.
    """
    angles = np.full(grains.field.shape, np.nan)
    for phase_id, phase in enumerate(grains.field.phases, start=1):
        points = np.concatenate([[False], grains.phase_ids == phase_id])[grains.grain_ids]
        mean = grains.quaternions[grains.grain_ids[points] - 1]
        angles[points] = rotation.disorientation_angle(grains.field.quaternions[points], mean, phase.symmetry)
    return np.rad2deg(angles)


def kernel_average_misorientation(field: OrientationField, threshold: float = DEFAULT_THRESHOLD) -> np.ndarray:
    """Measure the mean disorientation of each point from its face neighbours in the same grain (KAM, first order).

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
    """Average the disorientations of each point over its links below a threshold.

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
    """Find where a point and the next along an axis are in different grains, and the ids of the next points."""
    following = np.roll(grains.grain_ids, -1, axis=axis)
    differ = (grains.grain_ids != following) & (grains.grain_ids > 0) & (following > 0)
    if not grains.field.periodic:
        differ[(slice(None),) * axis + (-1,)] = False
    return differ, following


def boundary_points(grains: GrainMap | GrainVolume) -> np.ndarray:
    """Find the points with a face neighbour in another grain.

    Parameters
    ----------
    grains : GrainMap or GrainVolume

    Returns
    -------
    ndarray, shape (*grains.field.shape), bool
    """
    boundary = np.zeros(grains.grain_ids.shape, dtype=bool)
    for axis in range(boundary.ndim):
        differ, _ = _faces(grains, axis)
        boundary |= differ | np.roll(differ, 1, axis=axis)
    return boundary


def neighbours(grains: GrainMap | GrainVolume) -> tuple[np.ndarray, np.ndarray]:
    """Find the pairs of grains that share a boundary.

    Parameters
    ----------
    grains : GrainMap or GrainVolume

    Returns
    -------
    pairs : ndarray, shape (m, 2), int32
        Grain ids, the lower first, in ascending order.
    contact : ndarray, shape (m,), um^(d-1)
        Length (map) or area (volume) of the point faces that they share.
    """
    pairs, contact = [], []
    size = float(np.prod(grains.field.spacing))
    for axis, spacing in enumerate(grains.field.spacing):
        differ, following = _faces(grains, axis)
        pairs.append(np.sort(np.stack([grains.grain_ids[differ], following[differ]], axis=1), axis=1))
        contact.append(np.full(len(pairs[-1]), size / spacing))
    unique, inverse = np.unique(np.concatenate(pairs), axis=0, return_inverse=True)
    return unique, np.bincount(inverse.ravel(), np.concatenate(contact), minlength=len(unique))


def unwrapped_points(grain_ids: np.ndarray, periodic_axes: tuple[int, ...]) -> np.ndarray:
    """Return the array indices of the points of all grains, without the jumps of grains that lie across the faces.

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
    """Measure centroids and central second moments of sets of points.

    Parameters
    ----------
    points : ndarray, shape (n, d)
        Array indices.
    grain_ids : ndarray, shape (n,), int
        1 ... N, each at least once.
    spacing : tuple of float, um

    Returns
    -------
    centroid : ndarray, shape (N, d), um
        Points lie at (index + 1/2) spacing.
    covariance : ndarray, shape (N, d, d), um^2
        With the second moment of the box that a point stands for, spacing^2 / 12, on the diagonal.
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


def measure_grains(grains: GrainMap | GrainVolume) -> GrainProperties:
    """Measure size, shape, orientation spread and neighbours of every grain.

    Parameters
    ----------
    grains : GrainMap or GrainVolume

    Returns
    -------
    GrainProperties

    See Also
    --------
    polyrve.microstructure.segmentation.segment : Cuts a field into grains.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> specimen = make_specimen((8, 10, 12), grain_size=5.0, seed=1)
    >>> found = measure_grains(specimen)
    >>> int(found.points.sum()), found.axis_lengths.shape == (specimen.number_of_grains, 3)
    (960, True)
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
