"""Cleaning of orientation maps and volumes: each step on request alone, each recorded.

Every function returns a new field and adds one sentence to ``provenance["steps"]``. Points are marked as not indexed
rather than given an orientation, except where a function says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from polyrve.crystallography.reference_frames import crystal_frame, turns_crystal
from polyrve.microstructure import resampling
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD, neighbour_disorientation
from polyrve.microstructure.segmentation import segment

_Field = TypeVar("_Field", bound=OrientationField)
_Grid = TypeVar("_Grid", OrientationMap, OrientationVolume)


def unindex(
    field: _Field,
    *,
    minimum: Mapping[str, float] | None = None,
    maximum: Mapping[str, float] | None = None,
    zero_solutions: bool = False,
    points: np.ndarray | None = None,
) -> _Field:
    """Mark points as not indexed.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    minimum, maximum : mapping of str to float, optional
        Bounds of properties: points below or above, or without a value, are marked. ``minimum={"CI": 0.1}``,
        ``maximum={"MAD": 1.3}``, ``minimum={"BC": 40}``, ``maximum={"Error": 0}``.
    zero_solutions : bool
        Whether points whose angles are all exactly zero are marked: much software writes them where it found nothing.
    points : ndarray, shape (*field.shape), bool, optional
        Further points to be marked.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    ValueError
        If a property is missing or has several numbers per point, or `points` has another shape.

    Examples
    --------
    >>> from polyrve import Phase
    >>> q, ids = np.tile([1.0, 0, 0, 0], (1, 3, 1)), np.ones((1, 3), int)
    >>> scan = OrientationMap(q, ids, (Phase("Ni"),), (1, 1), properties={"CI": np.array([[0.9, 0.05, 0.4]])})
    >>> cleaned = unindex(scan, minimum={"CI": 0.1})
    >>> cleaned.indexed.tolist(), cleaned.provenance["steps"]
    ([[True, False, True]], ['not indexed where CI < 0.1: 1 points'])
    """
    marked = np.zeros(field.shape, dtype=bool)
    reasons = []
    for sign, bounds in (("<", minimum or {}), (">", maximum or {})):
        for name, bound in bounds.items():
            values = _scalar(field, name)
            kept = values >= bound if sign == "<" else values <= bound
            marked |= ~kept
            reasons.append(f"{name} {sign} {bound:g}")
    if zero_solutions:
        marked |= _zero_angles(field)
        reasons.append("all angles are zero")
    if points is not None:
        points = np.asarray(points, dtype=bool)
        if points.shape != field.shape:
            raise ValueError(f"points: expected shape {field.shape}; got {points.shape}")
        marked |= points
        reasons.append("given points")
    marked &= field.indexed
    step = f"not indexed where {' or '.join(reasons) or 'nothing'}: {np.count_nonzero(marked)} points"
    return _recorded(field.evolve(phase_ids=np.where(marked, 0, field.phase_ids)), field, step)


def drop_phase(field: _Field, name: str) -> _Field:
    """Leave a phase out: of the list of phases, and its points as not indexed.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    name : str
        Of the phase, or of several phases of one name.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    ValueError
        If there is no phase of that name, or no other one.
    """
    kept = [number for number, phase in enumerate(field.phases, start=1) if phase.name != name]
    if len(kept) == len(field.phases):
        known = ", ".join(phase.name for phase in field.phases)
        raise ValueError(f"phase to be dropped: expected one of {known or 'none'}; got {name!r}")
    if not kept:
        raise ValueError(f"phase to be dropped: the only phase cannot be dropped; got {name!r}")
    place = np.zeros(len(field.phases) + 1, dtype=np.int32)
    place[kept] = np.arange(1, len(kept) + 1)
    phase_ids = place[field.phase_ids]
    points = np.count_nonzero(field.indexed & (phase_ids == 0))
    dropped = field.evolve(phase_ids=phase_ids, phases=tuple(field.phases[number - 1] for number in kept))
    return _recorded(dropped, field, f"phase {name} dropped: {points} points")


def remove_spikes(field: _Field, threshold: float = DEFAULT_THRESHOLD) -> _Field:
    """Mark wild spikes as not indexed: single points that differ from all their face neighbours.

    A point counts if it has at least two indexed neighbours, none of its own phase within the threshold.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    threshold : float, degrees
        Smallest disorientation that counts as different.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 180 degrees.
    """
    if not 0.0 < threshold < 180.0:
        raise ValueError(f"threshold: expected degrees between 0 and 180; got {threshold}")
    neighbours = np.zeros(field.shape, dtype=np.int32)
    alike = np.zeros(field.shape, dtype=np.int32)
    for axis in range(len(field.shape)):
        angles = neighbour_disorientation(field, axis)
        for count, pairs in ((neighbours, ~np.isnan(angles)), (alike, angles <= np.deg2rad(threshold))):
            count += pairs
            count += np.roll(pairs, 1, axis=axis)
    spikes = field.indexed & (neighbours >= 2) & (alike == 0)
    step = f"wild spikes ({threshold:g} degrees) not indexed: {np.count_nonzero(spikes)} points"
    return _recorded(field.evolve(phase_ids=np.where(spikes, 0, field.phase_ids)), field, step)


def absorb_small_grains(field: _Grid, min_points: int, threshold: float = DEFAULT_THRESHOLD) -> _Grid:
    """Give the points of small grains to their neighbours.

    The points take orientation and phase of a neighbouring point in the grain that most of their neighbours belong to
    (:func:`polyrve.microstructure.segmentation.segment`). Points that are not indexed stay so.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    min_points : int
        Grains with fewer points are absorbed.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    ValueError
        If the threshold is not in (0, 180), ``min_points`` is not positive, or no grain has that many points.
    """
    cleaned = segment(field, threshold, min_points=min_points).field
    record = cleaned.provenance["segmentation"]
    step = (
        f"grains of fewer than {min_points} points ({threshold:g} degrees) absorbed: "
        f"{record['removed_grains']} grains, {record['removed_share']:.3%} of the indexed points"
    )
    return _recorded(field.evolve(quaternions=cleaned.quaternions, phase_ids=cleaned.phase_ids), field, step)


def crop(field: _Field, start: Sequence[int], stop: Sequence[int]) -> _Field:
    """Cut out a box.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    start, stop : sequence of int
        First point, and one beyond the last, along each array axis: (y, x) or (z, y, x).

    Returns
    -------
    OrientationMap or OrientationVolume
        Not periodic, unless nothing is cut off.

    Raises
    ------
    ValueError
        If the box is empty or not within the field.
    """
    start, stop = tuple(int(value) for value in start), tuple(int(value) for value in stop)
    inside = len(start) == len(stop) == len(field.shape) and all(
        0 <= a < b <= n for a, b, n in zip(start, stop, field.shape, strict=True)
    )
    if not inside:
        raise ValueError(f"box: expected 0 <= start < stop <= {field.shape}; got {start} to {stop}")
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    cropped = field.evolve(
        quaternions=field.quaternions[box],
        phase_ids=field.phase_ids[box],
        origin=tuple(o + a * d for o, a, d in zip(field.origin, start, field.spacing, strict=True)),
        periodic=field.periodic and tuple(b - a for a, b in zip(start, stop, strict=True)) == field.shape,
        properties={name: values[box] for name, values in field.properties.items()},
    )
    return _recorded(cropped, field, f"cropped from {start} to {stop}")


def coarsen(field: _Field, spacing: Sequence[float]) -> _Field:
    """Bring a field to larger cells without averaging over boundaries.

    See :func:`polyrve.microstructure.resampling.resample`.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    spacing : sequence of float, um
        In the order of the array axes.

    Returns
    -------
    OrientationMap or OrientationVolume
        Without properties.

    Raises
    ------
    ValueError
        If the spacing is not positive, or larger than the field.
    """
    step = f"coarsened from {_lengths(field.spacing)} to {_lengths(spacing)} um"
    return _recorded(resampling.resample(field, spacing), field, step)


def _recorded(result: _Field, source: _Field, step: str) -> _Field:
    steps = [*source.provenance.get("steps", []), step]
    return result.evolve(provenance={**source.provenance, "steps": steps})


def _scalar(field: OrientationField, name: str) -> np.ndarray:
    values = field.properties.get(name)
    if values is None:
        raise ValueError(f"property: expected one of {', '.join(field.properties) or 'none'}; got {name!r}")
    if values.shape != field.shape:
        raise ValueError(f"property {name!r}: expected one number per point; got shape {values.shape}")
    return np.asarray(values, dtype=np.float64)


def _zero_angles(field: OrientationField) -> np.ndarray:
    """Points whose angles were zero in the file, before the frame and the crystal's x axis were taken into account."""
    zero = field.frame.apply(np.array([1.0, 0.0, 0.0, 0.0]))
    found = np.abs(field.quaternions @ zero) > 1.0 - 1e-14
    for number, phase in enumerate(field.phases, start=1):
        if turns_crystal(phase, "a*"):
            turned = crystal_frame(zero, phase, "a*")
            found |= (field.phase_ids == number) & (np.abs(field.quaternions @ turned) > 1.0 - 1e-14)
    return found


def _lengths(values: Sequence[float]) -> str:
    return " x ".join(f"{value:g}" for value in values)
