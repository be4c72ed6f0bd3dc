"""Sizes and shapes of grains in stacks of sections, and how far two distributions of them lie apart.

A field that is not periodic is treated as a window of something larger: grains and chords that its border cuts are left
out and the others weighted by the inverse of their chance to lie inside (Miles and Lantuejoul), which leaves no bias
towards small ones.

References
----------
R. E. Miles, in: Stochastic Geometry (1974) 228; C. Lantuejoul, Mikroskopie 37 (1980) 267;
J. Serra, Image Analysis and Mathematical Morphology (1982), ch. VIII.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.microstructure.grain_properties import moments, unwrapped_points

Chords = tuple[np.ndarray, np.ndarray]
"""Lengths in um and weights of the chords along one axis."""

SPECK = 2
"""Grains of at most so many points are specks: measuring noise, or slivers that a section cuts off.

Two points have no shape and one direction. With 1, pairs of misindexed points count as grains; a larger number takes
small grains for noise.
"""

SHAPED = 10
"""Grains of at least so many points have a shape.

Discs of 10 points come out with aspect ratios of 1.18 on average, those of 5 points with 1.26, up to 1.55. With a
smaller number aspect ratios tell how grains fall on the pixels; with a larger one fewer grains are left to compare.
"""


def count_grains(grain_ids: np.ndarray, min_points: int = SPECK + 1) -> int:
    """Count the grains of at least some number of points.

    Parameters
    ----------
    grain_ids : ndarray of int
        0 where a point is in no grain.
    min_points : int
        By default all grains count but specks.

    Returns
    -------
    int

    Examples
    --------
    >>> count_grains(np.array([[1, 1, 1, 2, 0]]))
    1
    """
    return int((np.bincount(grain_ids.ravel(), minlength=1)[1:] >= min_points).sum())


def speck_share(points: np.ndarray) -> float:
    """Return the share of the points that lie in specks.

    Parameters
    ----------
    points : ndarray, shape (N,), int
        Number of points of each grain.

    Returns
    -------
    float
    """
    return float(points[points <= SPECK].sum() / max(points.sum(), 1))


@dataclass(frozen=True, eq=False)
class GrainShapes:
    """Grains of a stack of sections; each row is a grain.

    Attributes
    ----------
    points : ndarray, shape (N,), int64
    size : ndarray, shape (N,), um^d
        Area, or volume where a section has three axes.
    aspect_ratio : ndarray, shape (N,)
        Longest over shortest axis of the ellipse (ellipsoid) with the grain's second moments.
    weight : ndarray, shape (N,)
        Inverse chance to lie inside the border, 0 where the border cuts the grain; 1 in a periodic stack.
    """

    points: np.ndarray
    size: np.ndarray
    aspect_ratio: np.ndarray
    weight: np.ndarray


def grain_shapes(
    grain_ids: np.ndarray, spacing: Sequence[float], periodic: bool, extents: np.ndarray | None = None
) -> GrainShapes:
    """Measure the sizes and shapes of the grains of a stack of sections.

    Parameters
    ----------
    grain_ids : ndarray, shape (m, *shape), int
        1 ... N, each connected and in one section; 0 for no grain.
    spacing : sequence of float, um
        One for each axis of ``shape``.
    periodic : bool
        Whether sections go on across their faces.
    extents : ndarray, shape (m, d), int, optional
        Points of each section along its axes, from the first on, where some have fewer than others; default all.

    Returns
    -------
    GrainShapes
    """
    shape = grain_ids.shape[1:]
    inside = grain_ids > 0
    number = int(grain_ids.max(initial=0))
    places = unwrapped_points(grain_ids, tuple(range(1, len(shape) + 1)) if periodic else ())
    where = places[:, 1:]
    weight = np.ones(number)
    if not periodic:
        section = np.zeros(number, dtype=np.int64)
        section[grain_ids[inside] - 1] = places[:, 0]
        of_section = np.tile(shape, (len(grain_ids), 1)) if extents is None else extents
        for axis, most in enumerate(shape):
            n = of_section[section, axis]
            low, high = np.full(number, most), np.full(number, -1)
            np.minimum.at(low, grain_ids[inside] - 1, where[:, axis])
            np.maximum.at(high, grain_ids[inside] - 1, where[:, axis])
            chance = np.where((low > 0) & (high < n - 1), n - (high - low) - 2, 0) / n
            weight *= np.divide(1.0, chance, out=np.zeros(number), where=chance > 0)
    _, covariance = moments(where, grain_ids[inside], tuple(spacing))
    lengths = np.sqrt(np.linalg.eigvalsh(covariance))
    points = np.bincount(grain_ids.ravel(), minlength=number + 1)[1:]
    return GrainShapes(
        points=points,
        size=points * float(np.prod(spacing)),
        aspect_ratio=lengths[:, -1] / lengths[:, 0] if number else np.zeros(0),
        weight=weight,
    )


def chords(
    joined: Mapping[int, np.ndarray],
    known: Mapping[int, np.ndarray],
    spacing: Sequence[float],
    periodic: bool,
    extents: np.ndarray | None = None,
) -> list[Chords]:
    """Measure the chords between boundaries along each axis of a stack of sections.

    Parameters
    ----------
    joined : mapping of int to ndarray, shape (m, *shape), bool
        Per array axis from 1, whether a point and the next along it are in one grain.
    known : mapping of int to ndarray, shape (m, *shape), bool
        Whether both are indexed; a chord has a boundary between known points at both of its ends.
    spacing : sequence of float, um
        One for each axis of ``shape``.
    periodic : bool
        Whether the next after the last is the first.
    extents : ndarray, shape (m, d), int, optional
        As for :func:`grain_shapes`; beyond them nothing is known.

    Returns
    -------
    list of (ndarray, ndarray)
        Lengths in um and weights, for each axis.
    """
    found = []
    for axis, links in joined.items():
        cut = np.moveaxis(~links, axis, -1).reshape(-1, links.shape[axis])
        proper = np.moveaxis(known[axis], axis, -1).reshape(cut.shape)
        n = cut.shape[1]
        if not periodic:
            cut[:, -1] = False
        line, at = np.nonzero(cut)
        boundary = proper[line, at]
        chord = (line[1:] == line[:-1]) & boundary[1:] & boundary[:-1]
        length = (at[1:] - at[:-1])[chord]
        if periodic:
            weight = np.ones(len(length))
        else:
            whole = n if extents is None else np.repeat(extents[:, axis - 1], len(cut) // len(extents))[line[1:][chord]]
            weight = whole / (whole - length)
        if periodic and len(line):
            first = np.flatnonzero(np.diff(line, prepend=-1))
            last = np.append(first[1:], len(line)) - 1
            around = (at[first] + n - at[last])[boundary[first] & boundary[last]]
            length, weight = np.append(length, around), np.append(weight, np.ones(len(around)))
        found.append((length * spacing[axis - 1], weight))
    return found


def kolmogorov_smirnov(
    first: np.ndarray, second: np.ndarray, first_weights: np.ndarray, second_weights: np.ndarray
) -> float:
    """Return the largest difference of two weighted cumulative distributions.

    Parameters
    ----------
    first, second : ndarray, shape (n,), (m,)
        Values; those that differ by less than 1e-9 of the largest count as one.
    first_weights, second_weights : ndarray, shape (n,), (m,)

    Returns
    -------
    float
        0 ... 1; NaN where the weights of one side add up to 0.

    Examples
    --------
    >>> kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([1.0, 2.0]), np.ones(2), np.array([3.0, 1.0]))
    0.25
    """
    if not first_weights.sum() or not second_weights.sum():
        return np.nan
    values = np.concatenate([first, second])
    steps = np.concatenate([first_weights / first_weights.sum(), -second_weights / second_weights.sum()])
    order = np.argsort(values, kind="stable")
    values, difference = values[order], np.cumsum(steps[order])
    ends = np.append(np.diff(values) > 1e-9 * max(abs(values[-1]), 1e-300), True)
    return float(np.abs(difference[ends]).max())


QUANTILE = 0.95
"""A section is like a map if it is no farther from it than this share of the map's own windows.

A convention: one right volume in twenty fails a metric. With 0.99 more wrong ones pass.
"""

_LARGEST = 0.7
"""Windows fill at most this share of each side of a map, half of its area.

Larger windows hold nearly all of the map, so that they cannot differ from it and limits shrink towards 0; smaller ones
hold fewer grains than the sections that they stand for, and limits widen.
"""

_FEWEST_POINTS = 4
"""Windows have at least so many points along a side; with fewer no correlation is told."""


def window_shape(section: Sequence[int], reference: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of the windows of a map that stand for a section.

    Parameters
    ----------
    section, reference : sequence of int
        Points along each side of the section, and of the map.

    Returns
    -------
    tuple of int
        That of the section, but at most 0.7 of each side of the map.

    Examples
    --------
    >>> window_shape((64, 64), (200, 80))
    (64, 56)
    """
    sides = zip(section, reference, strict=True)
    return tuple(min(n, max(_FEWEST_POINTS, int(_LARGEST * whole))) for n, whole in sides)
