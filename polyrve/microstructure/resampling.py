"""Changes of resolution that respect crystal symmetry: coarsening, and refinement by repetition.

Orientations are never interpolated or averaged: a coarse cell takes the orientation of one of its points, out of the
grain that most of them belong to, so that boundaries stay sharp and the scatter within grains stays as measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import symmetry_operations
from polyrve.microstructure.fields import OrientationField

_Field = TypeVar("_Field", bound=OrientationField)
_SAME_GRAIN = np.deg2rad(5.0)


def resample(field: _Field, spacing: Sequence[float]) -> _Field:
    """A field on cells of another size.

    Larger cells hold the majority phase of their points and the orientation of the first point that shares it with
    most others, to within 5 degrees. Smaller cells repeat the nearest point. Properties are dropped.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    spacing : sequence of float, um
        In the order of the array axes.

    Returns
    -------
    OrientationMap or OrientationVolume
        Cells that the field covers; a remainder at the far end of an axis is left out.

    Raises
    ------
    ValueError
        If the new spacing is not positive, or larger than the field.
    """
    members = []
    for n, old, new in zip(field.shape, field.spacing, spacing, strict=True):
        if not (np.isfinite(new) and new > 0):
            raise ValueError(f"spacing: expected positive lengths in um; got {tuple(spacing)}")
        ratio = new / old
        if abs(ratio - round(ratio)) < 1e-6 * ratio:
            ratio = float(round(ratio))
        cells = int(n / ratio + 1e-9)
        if cells < 1:
            raise ValueError(f"spacing: expected cells smaller than the field of {n * old:.6g} um; got {new:.6g} um")
        centres = (np.arange(n) + 0.5) / ratio
        rows = [np.flatnonzero(np.floor(centres) == i) for i in range(cells)]
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
        cells_of_phase = np.flatnonzero(phase == i)
        for block in np.array_split(cells_of_phase, max(1, cells_of_phase.size * flat.shape[1] ** 2 // 2_000_000)):
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
    """Values of each cell repeated onto a finer grid of the same extent.

    Parameters
    ----------
    quaternions : ndarray, shape (nz, ny, nx, ...)
    shape : sequence of int
        The finer (nz, ny, nx).

    Returns
    -------
    ndarray, shape (*shape, ...)
        Themselves where there is nothing to repeat.
    """
    for axis, n in enumerate(shape):
        old = quaternions.shape[axis]
        if old == n:
            continue
        source = np.minimum(((np.arange(n) + 0.5) * old / n).astype(np.int64), old - 1)
        quaternions = np.take(quaternions, source, axis=axis)
    return quaternions


def levels(shape: tuple[int, int, int], count: int, smallest: int = 16) -> list[tuple[int, int, int]]:
    """Shapes from coarse to fine, each half of the next, none below a smallest size."""
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
    """First member of the largest set of like orientations in each row; q is (n, k, 4), valid (n, k)."""
    if q.shape[1] == 1:
        return q[:, 0]
    angles = rotation.disorientation_angle(q[:, :, None], q[:, None, :], symmetry)
    alike = (angles < _SAME_GRAIN) & valid[:, None, :] & valid[:, :, None]
    return q[np.arange(len(q)), np.argmax(alike.sum(axis=2), axis=1)]
