"""The volume in cubes of the size of the elements, each with the grain that fills most of its surroundings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyrve.meshing.pinches import remove_pinches

_BLUR, _LEAST_BLUR = 0.4, 0.6
"""Standard deviation of the surroundings over the size of the cubes, and its least in voxels.

Wide enough that a boundary in voxels becomes a plane to within a fraction of a voxel, narrow enough that grains of
twice the size of the cubes are kept.
"""
_REACH = 2.0
"""Where the surroundings end, in standard deviations."""
_AT_ONCE = 1 << 24
"""Bytes, about, that are looked at together."""


def cut(ids: np.ndarray, spacing: Sequence[float], size: float, periodic: bool, rng: np.random.Generator) -> np.ndarray:
    """Cut a volume into cubes.

    Parameters
    ----------
    ids : ndarray, shape (nz, ny, nx), int
        Grain of each voxel, 1 ... N.
    spacing : sequence of float, um
        dz, dy, dx.
    size : float, um
        Edge of the cubes, up to what divides the box.
    periodic : bool
        Whether the volume repeats; the first and the last cubes along each axis are alike then, and have the grain at
        the seam between them.
    rng : numpy.random.Generator
        Of the order in which pinches are removed.

    Returns
    -------
    ndarray, shape (mz, my, mx), int32

    Raises
    ------
    ValueError
        If there are fewer than four cubes along an axis, or a grain has no cube.

    Examples
    --------
    >>> ids = np.repeat([1, 2], 4)[:, None, None] * np.ones((1, 6, 6), dtype=int)
    >>> cut(ids, (1.0, 1.0, 1.0), 1.0, False, np.random.default_rng(0))[:, 0, 0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=int32)
    """
    lengths = np.array(ids.shape) * np.array(spacing)
    number = np.round(lengths / size).astype(int)
    if number.min() < 4:
        raise ValueError(
            f"size: expected at most a quarter of the shortest edge, {lengths.min() / 4.0:g} um; got {size:g} um: "
            "choose smaller elements"
        )
    cells = _grains(ids, number, [max(_LEAST_BLUR, _BLUR * size / step) for step in spacing], periodic)
    inner, _ = remove_pinches(cells[:-1, :-1, :-1] if periodic else cells, periodic, rng)
    cells = np.pad(inner, (0, 1), mode="wrap") if periodic else inner
    voxels = np.bincount(ids.ravel())
    lost = np.setdiff1d(np.flatnonzero(voxels), np.unique(cells))
    if len(lost):
        smallest = np.cbrt(voxels[lost].min() * np.prod(spacing))
        raise ValueError(
            f"size: expected elements smaller than the grains; at {size:g} um {len(lost)} of {np.sum(voxels > 0)} "
            f"grains are lost, the smallest of them {smallest:.3g} um wide: choose smaller elements, or dissolve small "
            "grains (min_grain)"
        )
    return cells


def _grains(ids: np.ndarray, number: np.ndarray, blur: Sequence[float], periodic: bool) -> np.ndarray:
    """The grain with most of a Gaussian about the centre of each cube."""
    near, weights = [], []
    for n, m, sigma in zip(ids.shape, number, blur, strict=True):
        at = (np.arange(m) + 0.5) * n / m
        if periodic:
            at[[0, -1]] = 0.0
        reach = int(np.ceil(_REACH * sigma))
        voxel = np.floor(at).astype(int)[:, None] + np.arange(-reach, reach + 1)
        weights.append(np.exp(-0.5 * ((voxel + 0.5 - at[:, None]) / sigma) ** 2))
        near.append(voxel % n if periodic else np.clip(voxel, 0, n - 1))
    cells = np.empty(tuple(number), dtype=np.int32)
    (z, y, x), (wz, wy, wx) = near, weights
    about = z.shape[1] * y.shape[1] * x.shape[1]
    rows = max(1, _AT_ONCE // (8 * about * int(number[2])))
    for k in range(number[0]):
        for j in range(0, int(number[1]), rows):
            here = slice(j, j + rows)
            found = ids[z[k][None, None, :, None, None], y[here][:, None, None, :, None], x[None, :, None, None, :]]
            weight = np.einsum("a,jb,ic->jiabc", wz[k], wy[here], wx)
            cells[k, here] = _heaviest(found.reshape(-1, about), weight.reshape(-1, about)).reshape(found.shape[:2])
    return cells


def _heaviest(labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The label of each row with the largest sum of weights."""
    best = labels[:, 0].copy()
    mixed = np.flatnonzero((labels != labels[:, :1]).any(axis=1))
    if not len(mixed):
        return best
    order = np.argsort(labels[mixed], axis=1, kind="stable")
    sorted_labels = np.take_along_axis(labels[mixed], order, axis=1)
    total = np.cumsum(np.take_along_axis(weights[mixed], order, axis=1), axis=1)
    last = np.ones(sorted_labels.shape, dtype=bool)
    last[:, :-1] = sorted_labels[:, 1:] != sorted_labels[:, :-1]
    up_to = np.maximum.accumulate(np.where(last, total, 0.0), axis=1)
    share = np.where(last, total, 0.0)
    share[:, 1:] -= np.where(last[:, 1:], up_to[:, :-1], 0.0)
    best[mixed] = sorted_labels[np.arange(len(mixed)), np.argmax(share, axis=1)]
    return best
