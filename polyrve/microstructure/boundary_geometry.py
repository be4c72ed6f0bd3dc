"""Geometry of boundaries on a grid: straight runs of their steps, triple points, crossings along the diagonals.

A boundary in a grid of points is made of *steps*, the faces between two neighbouring points of different grains. Steps
that go on in one plane form a *run*. A smooth boundary has runs that its slope says, a ragged one has runs of one step,
one along the voxel axes has long ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from polyrve.microstructure.stereology import Chords


def straight_runs(boundary: Mapping[int, np.ndarray], periodic: bool) -> Chords:
    """Measure the straight runs of the steps of boundaries.

    Parameters
    ----------
    boundary : mapping of int to ndarray, shape (m, *shape), bool
        Per array axis from 1, whether a boundary lies between a point and the next along it.
    periodic : bool
        Whether the next after the last is the first.

    Returns
    -------
    length : ndarray, shape (n,), int
        Steps of each run, along each axis within the boundary's plane.
    weight : ndarray, shape (n,)
        Inverse chance to lie inside the border of a field that is not periodic.

    Examples
    --------
    >>> square = np.zeros((1, 6, 7), dtype=bool)
    >>> square[0, 1, 2:5] = square[0, 3, 2:5] = True
    >>> straight_runs({1: square, 2: np.zeros_like(square)}, periodic=True)[0].tolist()
    [3, 3]
    """
    lengths, weights = [], []
    for axis, steps in boundary.items():
        for along in boundary:
            if along == axis:
                continue
            n = steps.shape[along]
            lines = np.moveaxis(steps, along, -1).reshape(-1, n)
            lines = lines[lines.any(axis=1)]
            if periodic:
                first = np.argmin(lines, axis=1)
                lines = np.take_along_axis(lines, (np.arange(n) + first[:, None]) % n, axis=1)
            edges = np.diff(np.pad(lines, ((0, 0), (1, 1))).astype(np.int8), axis=1)
            begin, end = np.nonzero(edges == 1)[1], np.nonzero(edges == -1)[1]
            length = end - begin
            if not periodic:
                length = length[(begin > 0) & (end < n)]
            lengths.append(length)
            weights.append(np.ones(len(length)) if periodic else n / np.maximum(n - length - 1, 1))
    return np.concatenate(lengths), np.concatenate(weights)


def spurs(boundary: Mapping[int, np.ndarray]) -> float:
    """Return how many points stick out of boundaries, per step.

    Such a point has boundaries on all sides but one, or on all. Straight and curved boundaries have none but where
    grains taper off, so that the number tells how ragged boundaries are.

    Parameters
    ----------
    boundary : mapping of int to ndarray, shape (m, *shape), bool
        Per array axis from 1, whether a boundary lies between a point and the next along it; the next after the last
        is the first.

    Returns
    -------
    float
        NaN where there are no boundaries.

    Examples
    --------
    >>> dot = np.zeros((1, 5, 5), dtype=int)
    >>> dot[0, 2, 2] = 1
    >>> spurs({axis: dot != np.roll(dot, -1, axis=axis) for axis in (1, 2)})
    0.25
    """
    steps = sum(int(values.sum()) for values in boundary.values())
    sides = np.zeros(next(iter(boundary.values())).shape, dtype=np.int8)
    for axis, values in boundary.items():
        sides += values
        sides += np.roll(values, 1, axis=axis)
    return float((sides >= 2 * len(boundary) - 1).sum()) / steps if steps else np.nan


@dataclass(frozen=True, eq=False)
class TriplePoints:
    """Places where three grains meet around an edge of the grid.

    Attributes
    ----------
    grains : ndarray, shape (n, 3), int
        Grains of each, the lower numbers first; of four grains the first three.
    plane : ndarray, shape (n, 2), int
        Array axes, from 1, of the plane in which they meet.
    """

    grains: np.ndarray
    plane: np.ndarray


def triple_points(grain_ids: np.ndarray, periodic: bool) -> TriplePoints:
    """Find the blocks of 2 x 2 points in which at least three grains meet.

    Parameters
    ----------
    grain_ids : ndarray, shape (m, *shape), int
        Grains of a stack of sections, or of a volume as one section with three axes; 0 where no grain.
    periodic : bool

    Returns
    -------
    TriplePoints
        In a volume, those in planes normal to all axes, which are steps of triple lines.
    """
    found, planes = [], []
    for plane in combinations(range(1, grain_ids.ndim), 2):
        corners = [_shifted(grain_ids, plane, steps, periodic) for steps in ((0, 0), (1, 0), (0, 1), (1, 1))]
        a, b, c, d = corners
        two = ((a == b) & (c == d)) | ((a == c) & (b == d))
        block = np.sort(np.stack([corner[~two] for corner in corners], axis=1), axis=1)
        new = np.diff(block, axis=1) > 0
        triple = (new.sum(axis=1) >= 2) & (block[:, 0] > 0)
        block, new = block[triple], new[triple]
        first = np.argmax(new, axis=1) + 1
        last = np.where(new[:, 0] & new[:, 1], 2, 3)
        rows = np.arange(len(block))
        found.append(np.stack([block[:, 0], block[rows, first], block[rows, last]], axis=1))
        planes.append(np.tile(plane, (len(block), 1)))
    return TriplePoints(np.concatenate(found), np.concatenate(planes))


def elongation(grain_ids: np.ndarray, periodic: bool) -> np.ndarray:
    """Return how grains are elongated along the axes and along the diagonals between them.

    Parameters
    ----------
    grain_ids : ndarray, shape (m, *shape), int
    periodic : bool

    Returns
    -------
    ndarray, shape (2 p,)
        For each of the p planes of two axes, the difference over the sum of the shares of neighbours in different
        grains: along the first and the second axis, and along the two diagonals. Both are 0 where grains have no
        preferred direction; the second alone tells an inclined one. NaN without boundaries.
    """
    found = []
    for plane in combinations(range(1, grain_ids.ndim), 2):
        shares = [_apart(grain_ids, plane, steps, periodic) for steps in ((1, 0), (0, 1), (1, 1), (1, -1))]
        for first, second in (shares[:2], shares[2:]):
            total = first + second
            found.append((first - second) / total if total > 0 else np.nan)
    return np.array(found)


def _apart(grain_ids: np.ndarray, plane: Sequence[int], steps: tuple[int, int], periodic: bool) -> float:
    """Share of the pairs of points at a distance that lie in different grains."""
    back = steps[1] < 0
    here = _shifted(grain_ids, plane, (0, 1) if back else (0, 0), periodic, steps if not back else (1, 1))
    there = _shifted(grain_ids, plane, (1, 0) if back else steps, periodic, (1, 1) if back else steps)
    known = (here > 0) & (there > 0)
    return float((here != there)[known].mean()) if known.any() else np.nan


def _shifted(
    values: np.ndarray,
    plane: Sequence[int],
    steps: tuple[int, int],
    periodic: bool,
    reach: tuple[int, int] = (1, 1),
) -> np.ndarray:
    """Values at a step along two axes, at all points from which all steps up to a reach stay within the field."""
    if periodic:
        return np.roll(values, (-steps[0], -steps[1]), axis=tuple(plane))
    cut = [slice(None)] * values.ndim
    for axis, step, most in zip(plane, steps, reach, strict=True):
        cut[axis] = slice(step, values.shape[axis] - most + step)
    return values[tuple(cut)]


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Surfaces of grains; row i - 1 is grain i.

    Attributes
    ----------
    area : ndarray, shape (N,), um^2
        Of surfaces without preferred direction: two thirds of the area of the faces of voxels (in a section, length in
        um: pi / 4 of that of the edges of points).
    neighbours : ndarray, shape (N,), int64
        Number of grains that share a face.
    """

    area: np.ndarray
    neighbours: np.ndarray


def surfaces(grain_ids: np.ndarray, spacing: Sequence[float], periodic: bool) -> Surfaces:
    """Measure the surfaces of grains.

    Parameters
    ----------
    grain_ids : ndarray, shape (m, *shape), int
        1 ... N; 0 where no grain.
    spacing : sequence of float, um
        One for each axis of ``shape``.
    periodic : bool

    Returns
    -------
    Surfaces
    """
    number, d = int(grain_ids.max(initial=0)), len(spacing)
    area = np.zeros(number + 1)
    pairs = []
    for axis, step in enumerate(spacing, start=1):
        following = np.roll(grain_ids, -1, axis=axis)
        apart = grain_ids != following
        if not periodic:
            np.moveaxis(apart, axis, 0)[-1] = False
        sides = np.stack([grain_ids[apart], following[apart]], axis=1).astype(np.int64)
        area += np.bincount(sides.ravel(), minlength=number + 1) * (float(np.prod(spacing)) / step)
        sides = np.sort(sides[(sides > 0).all(axis=1)], axis=1)
        pairs.append(np.unique(sides[:, 0] * (number + 1) + sides[:, 1]))
    met = np.stack(np.divmod(np.unique(np.concatenate(pairs)), number + 1))
    return Surfaces(
        area[1:] * (np.pi / 4.0 if d == 2 else 2.0 / 3.0), np.bincount(met.ravel(), minlength=number + 1)[1:]
    )
