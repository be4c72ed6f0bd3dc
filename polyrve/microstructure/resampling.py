"""Changes of resolution that respect crystal symmetry: coarsening, and refinement by repetition.

Orientations are never interpolated or averaged: a coarse point takes the orientation of one of the fine points within
it, out of the grain that most of them belong to, so that boundaries stay sharp and the scatter within grains stays as
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import symmetry_operations
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.links import DEFAULT_THRESHOLD

_Field = TypeVar("_Field", bound=OrientationField)
_SAME_GRAIN = np.deg2rad(DEFAULT_THRESHOLD)
_BLOCK = 2_000_000
"""Angles between points that are formed at once; more take more memory and no less time."""


def resample(field: _Field, spacing: Sequence[float]) -> _Field:
    """Bring a field to another point distance.

    A coarser point holds the majority phase of the points within it, and the orientation of the first of them that
    shares it with most others, to within 5 degrees. Finer points repeat the nearest one. Properties are dropped.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    spacing : sequence of float, um
        In the order of the array axes.

    Returns
    -------
    OrientationMap or OrientationVolume
        As many points as the field covers; a remainder at the far end of an axis is left out.

    Raises
    ------
    ValueError
        If the new spacing is not positive, or larger than the field.

    See Also
    --------
    polyrve.microstructure.cleaning.coarsen : The same as a recorded step of cleaning.
    refine : Repetition alone.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> section = make_specimen((4, 12, 15), grain_size=5.0, seed=1).field.section(0, 0)
    >>> resample(section, (2.0, 3.0)).shape
    (6, 5)
    """
    members = []
    for n, old, new in zip(field.shape, field.spacing, spacing, strict=True):
        if not (np.isfinite(new) and new > 0):
            raise ValueError(f"spacing: expected positive lengths in um; got {tuple(spacing)}")
        ratio = new / old
        if abs(ratio - round(ratio)) < 1e-6 * ratio:
            ratio = float(round(ratio))
        number = int(n / ratio + 1e-9)
        if number < 1:
            raise ValueError(f"spacing: expected at most the field's extent of {n * old:.6g} um; got {new:.6g} um")
        centres = (np.arange(n) + 0.5) / ratio
        rows = [np.flatnonzero(np.floor(centres) == i) for i in range(number)]
        rows = [row if len(row) else np.array([min(int((i + 0.5) * ratio), n - 1)]) for i, row in enumerate(rows)]
        width = max(len(row) for row in rows)
        members.append(np.array([[*row, *[-1] * (width - len(row))] for row in rows]))
    if all(table.shape[1] == 1 and len(table) == n for table, n in zip(members, field.shape, strict=True)):
        return field.evolve(spacing=tuple(spacing), properties={})
    flat = np.zeros((1, 1), dtype=np.int64)
    valid = np.ones((1, 1), dtype=bool)
    for table, n in zip(members, field.shape, strict=True):
        flat = (flat[:, None, :, None] * n + np.maximum(table, 0)[None, :, None, :]).reshape(len(flat) * len(table), -1)
        valid = (valid[:, None, :, None] & (table >= 0)[None, :, None, :]).reshape(len(flat), -1)
    phase_ids = np.where(valid, field.phase_ids.reshape(-1)[flat], -1)
    phase = _majority(phase_ids, len(field.phases))
    quaternions = field.quaternions.reshape(-1, 4)
    means = np.zeros((len(flat), 4))
    means[:, 0] = 1.0
    for i, record in enumerate(field.phases, start=1):
        of_phase = np.flatnonzero(phase == i)
        for block in np.array_split(of_phase, max(1, of_phase.size * flat.shape[1] ** 2 // _BLOCK)):
            if block.size:
                means[block] = _shared_orientation(
                    quaternions[flat[block]], phase_ids[block] == i, symmetry_operations(record.laue)
                )
    shape = tuple(len(table) for table in members)
    return field.evolve(
        quaternions=means.reshape(*shape, 4),
        phase_ids=phase.reshape(shape),
        spacing=tuple(float(value) for value in spacing),
        properties={},
    )


def refine(quaternions: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Repeat the values of voxels onto a finer grid of the same extent.

    Parameters
    ----------
    quaternions : ndarray, shape (nz, ny, nx, ...)
    shape : sequence of int
        The finer (nz, ny, nx).

    Returns
    -------
    ndarray, shape (*shape, ...)
        Themselves where there is nothing to repeat.

    See Also
    --------
    levels : The grids that are refined one after the other.

    Examples
    --------
    >>> refine(np.array([[[1, 2]]]), (1, 1, 4)).tolist()
    [[[1, 1, 2, 2]]]
    """
    for axis, n in enumerate(shape):
        old = quaternions.shape[axis]
        if old == n:
            continue
        source = np.minimum(((np.arange(n) + 0.5) * old / n).astype(np.int64), old - 1)
        quaternions = np.take(quaternions, source, axis=axis)
    return quaternions


def levels(shape: tuple[int, int, int], count: int, smallest: int = 16) -> list[tuple[int, int, int]]:
    """Return the shapes of grids from coarse to fine, each half of the next.

    Parameters
    ----------
    shape : tuple of int
        (nz, ny, nx) of the finest.
    count : int
        The most there can be.
    smallest : int
        Voxels that each grid has at least along an axis; coarser ones resolve no grain of usual size.

    Returns
    -------
    list of tuple of int
        Fewer than `count` where a shape cannot be halved.

    Examples
    --------
    >>> levels((1, 64, 96), 3)
    [(1, 16, 24), (1, 32, 48), (1, 64, 96)]
    """
    shapes = [shape]
    while len(shapes) < count:
        finer = shapes[0]
        nz, ny, nx = (n if n == 1 else n // 2 for n in finer)
        coarser = (nz, ny, nx)
        if any(n % 2 for n in finer if n > 1) or min(n for n in coarser if n > 1) < smallest:
            break
        shapes.insert(0, coarser)
    return shapes


def _majority(phase_ids: np.ndarray, count: int) -> np.ndarray:
    votes = np.stack([(phase_ids == i).sum(axis=1) for i in range(count + 1)], axis=1)
    indexed = votes[:, 1:]
    best = np.argmax(indexed, axis=1) + 1
    return np.where(indexed.max(axis=1, initial=0) * 2 >= votes.sum(axis=1), best, 0)


def _shared_orientation(q: np.ndarray, valid: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """Return the first member of the largest set of like orientations in each row; q is (n, k, 4), valid (n, k)."""
    if q.shape[1] == 1:
        return q[:, 0]
    angles = rotation.disorientation_angle(q[:, :, None], q[:, None, :], symmetry)
    alike = (angles < _SAME_GRAIN) & valid[:, None, :] & valid[:, :, None]
    return q[np.arange(len(q)), np.argmax(alike.sum(axis=2), axis=1)]
