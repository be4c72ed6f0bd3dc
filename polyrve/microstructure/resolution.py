"""The same grains in other numbers of voxels: labels by majority, orientations of measured voxels.

A new voxel belongs to the grain that has the largest part of it, and takes what the old voxel of this grain that shares
most with it holds. Nothing is averaged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from polyrve.microstructure.grains import GrainMap, GrainVolume

_Grains = TypeVar("_Grains", bound="GrainMap | GrainVolume")
_TIE = 1e-9
"""Added to the share of the old voxel at the centre of a new one, so that ties go to its grain."""


def at_resolution(grains: _Grains, shape: Sequence[int]) -> _Grains:
    """Bring a segmented map or volume to other numbers of points of the same extent.

    Parameters
    ----------
    grains : GrainMap or GrainVolume
    shape : sequence of int
        Points along each axis of the arrays, (ny, nx) or (nz, ny, nx).

    Returns
    -------
    GrainMap or GrainVolume
        Grains that have no majority anywhere are gone; the others keep their order and are numbered anew.

    Raises
    ------
    ValueError
        If the shape has another number of axes, or an axis without a point.

    See Also
    --------
    polyrve.microstructure.resampling.resample : The same for a field that is not segmented.

    Examples
    --------
    >>> import polyrve
    >>> truth = polyrve.data.load("truth")
    >>> coarse = at_resolution(truth, (12, 32, 32))
    >>> coarse.field.spacing, coarse.number_of_grains <= truth.number_of_grains
    ((2.0, 2.0, 2.0), True)
    """
    field = grains.field
    points = majority(grains.grain_ids, shape)
    taken = grains.grain_ids.reshape(-1)[points]
    kept, ids = np.unique(np.append(0, taken.ravel()), return_inverse=True)
    kept = kept[1:] - 1
    spacing = tuple(step * old / new for step, old, new in zip(field.spacing, field.shape, points.shape, strict=True))
    coarse = field.evolve(
        quaternions=field.quaternions.reshape(-1, 4)[points],
        phase_ids=field.phase_ids.reshape(-1)[points],
        spacing=spacing,
        properties={name: values.reshape(-1, *values.shape[field.phase_ids.ndim :])[points]
                    for name, values in field.properties.items()},
    )  # fmt: skip
    return replace(
        grains,
        field=coarse,  # type: ignore[arg-type]
        grain_ids=ids[1:].reshape(points.shape).astype(np.int32),
        quaternions=grains.quaternions[kept],
        phase_ids=grains.phase_ids[kept],
    )


def majority(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Say which old point stands for each new one.

    Parameters
    ----------
    labels : ndarray of int, of any number of axes
    shape : sequence of int
        New number of points along each axis; the extent stays the same.

    Returns
    -------
    ndarray of int64, of the new shape
        Positions in the flat `labels`: of the points with the label that has the largest part of the new one, that
        which shares most with it.

    Raises
    ------
    ValueError
        If the shape has another number of axes, or an axis without a point.

    Examples
    --------
    >>> labels = np.array([1, 1, 2, 2, 2, 3])
    >>> labels[majority(labels, (2,))], labels[majority(labels, (3,))]
    (array([1, 2]), array([1, 2, 3]))
    """
    shape = tuple(int(n) for n in shape)
    if len(shape) != labels.ndim or min(shape) < 1:
        axes = {1: "nx", 2: "ny, nx", 3: "nz, ny, nx"}[labels.ndim]
        raise ValueError(f"resolution: expected positive numbers of points {axes}; got {shape}")
    tables = [_shared(old, new) for old, new in zip(labels.shape, shape, strict=True)]
    first, *others = tables
    return np.stack([_chosen(labels, [tuple(part[i : i + 1] for part in first), *others])[0] for i in range(shape[0])])


def _shared(old: int, new: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Old points that each new one covers along an axis, the part of it that each has, and which has its centre."""
    edges = np.arange(new + 1) * (old / new)
    edges[np.abs(edges - np.round(edges)) < _TIE] = np.round(edges)[np.abs(edges - np.round(edges)) < _TIE]
    first = np.minimum(np.floor(edges[:-1]).astype(int), old - 1)
    index = first[:, None] + np.arange(int((np.ceil(edges[1:]) - first).max()))
    share = np.minimum(edges[1:, None], index + 1) - np.maximum(edges[:-1, None], index)
    share = np.maximum(share, 0.0) * (new / old)
    centre = (edges[:-1, None] + edges[1:, None]) / 2
    return np.minimum(index, old - 1), share, (index <= centre) & (centre < index + 1)


def _chosen(labels: np.ndarray, tables: list[tuple[np.ndarray, ...]]) -> np.ndarray:
    """The old points that stand for the new ones of the tables."""
    flat = np.zeros((1, 1), dtype=np.int64)
    shares = np.ones((1, 1))
    central = np.ones((1, 1), dtype=bool)
    for n, (index, share, centre) in zip(labels.shape, tables, strict=True):
        rows = len(flat) * len(index)
        flat = (flat[:, None, :, None] * n + index[None, :, None, :]).reshape(rows, -1)
        shares = (shares[:, None, :, None] * share[None, :, None, :]).reshape(rows, -1)
        central = (central[:, None, :, None] & centre[None, :, None, :]).reshape(rows, -1)
    shares += _TIE * central
    of_point = labels.reshape(-1)[flat]
    order = np.argsort(of_point, axis=1, kind="stable")
    sorted_labels = np.take_along_axis(of_point, order, 1)
    sorted_shares = np.take_along_axis(shares, order, 1)
    begins = np.ones(sorted_labels.shape, dtype=bool)
    begins[:, 1:] = sorted_labels[:, 1:] != sorted_labels[:, :-1]
    starts = np.flatnonzero(begins)
    sums = np.add.reduceat(sorted_shares.ravel(), starts)
    of_group = np.repeat(sums, np.diff(np.append(starts, begins.size))).reshape(begins.shape)
    best = of_group >= of_group.max(axis=1, keepdims=True) * (1.0 - _TIE / 10)
    leading = np.take_along_axis(sorted_labels, np.argmax(best, axis=1)[:, None], 1)
    candidates = np.where(of_point == leading, shares, -1.0)
    points = np.take_along_axis(flat, np.argmax(candidates, axis=1)[:, None], 1)
    return points.reshape([len(index) for index, *_ in tables])
