"""Segmentation: an orientation field cut into grains, small ones given to their neighbours on request."""

from __future__ import annotations

from typing import overload

import numpy as np

from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume, require_field
from polyrve.microstructure.grains import GrainMap, GrainVolume, mean_orientations
from polyrve.microstructure.links import DEFAULT_THRESHOLD, connect, neighbour_disorientation


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

    See Also
    --------
    polyrve.read_grains : Read the grains that a file holds.

    References
    ----------
    ASTM E2627-13, Determining average grain size using electron backscatter diffraction.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.segment(polyrve.data.load("scan"), min_points=3).number_of_grains
    149
    """
    require_field("field", field)
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
    return labelled(field.evolve(provenance={**field.provenance, "segmentation": record}), grain_ids)


@overload
def labelled(field: OrientationMap, grain_ids: np.ndarray) -> GrainMap: ...


@overload
def labelled(field: OrientationVolume, grain_ids: np.ndarray) -> GrainVolume: ...


def labelled(field: OrientationMap | OrientationVolume, grain_ids: np.ndarray) -> GrainMap | GrainVolume:
    """Put an orientation field and the labels of its grains together, with their phases and mean orientations.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    grain_ids : ndarray, shape (*field.shape), int32
        1 ... N, each within one phase; 0 where no grain.

    Returns
    -------
    GrainMap or GrainVolume
    """
    ids, starts = np.unique(grain_ids, return_index=True)
    grain_phases = field.phase_ids.ravel()[starts[ids > 0]]
    inside = grain_ids > 0
    mean = mean_orientations(field.quaternions[inside], grain_ids[inside], grain_phases, field.phases)
    if isinstance(field, OrientationMap):
        return GrainMap(field=field, grain_ids=grain_ids, quaternions=mean, phase_ids=grain_phases)
    return GrainVolume(field=field, grain_ids=grain_ids, quaternions=mean, phase_ids=grain_phases)
