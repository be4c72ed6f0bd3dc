"""Cubes without pinches: no grain touches itself along an edge or at a corner alone.

Where it does, its boundary is no surface, and smoothing leaves no angle between its parts.
"""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
from scipy import ndimage

_ROUNDS = 60
"""Rounds at most; volumes of some hundred grains take about five."""
_CHANCE, _COMPANY = 0.3, 0.02
"""What breaks ties between changes that remove as many pinches: chance, and each neighbour of the new grain."""

_CUBES = tuple(itertools.product((0, 1), repeat=3))
_AROUND = np.array(list(itertools.product((-1, 0, 1), repeat=3)))
_MIDDLE = 13
_FACES = np.array([4, 22, 10, 16, 12, 14])


def remove_pinches(cells: np.ndarray, periodic: bool, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Give single cubes to a neighbour's grain until no grain touches itself along an edge or at a corner alone.

    Parameters
    ----------
    cells : ndarray, shape (nz, ny, nx), int
        Grain of each cube.
    periodic : bool
    rng : numpy.random.Generator

    Returns
    -------
    cells : ndarray, shape (nz, ny, nx), int
    left : int
        Cubes at pinches that could not be removed.

    Examples
    --------
    >>> cells = np.ones((4, 4, 4), dtype=int)
    >>> cells[1, 1, 1] = cells[1, 2, 2] = 2
    >>> int((remove_pinches(cells, False, np.random.default_rng(0))[0] == 2).sum()) in (1, 3)
    True
    """
    cells = cells.copy()
    mode = "wrap" if periodic else "nearest"
    suspects = np.argwhere(
        ndimage.maximum_filter(cells, size=3, mode=mode) != ndimage.minimum_filter(cells, size=3, mode=mode)
    )
    left = 0
    for _ in range(_ROUNDS):
        around = _gather(cells, suspects, periodic)
        faults = _faults(around)
        bad = faults > 0
        places, around, faults = suspects[bad], around[bad], faults[bad]
        left = len(places)
        if not left:
            break
        labels = around[:, _FACES]
        trial = np.repeat(around[:, None, :], len(_FACES), axis=1)
        trial[:, :, _MIDDLE] = labels
        score = (faults[:, None] - _faults(trial)).astype(float)
        score += _COMPANY * (around[:, None, :] == labels[:, :, None]).sum(axis=-1)
        score += _CHANCE * rng.random(score.shape)
        score[labels == around[:, [_MIDDLE]]] = -np.inf
        best = np.argmax(score, axis=1)
        score = score[np.arange(left), best]
        score[np.bincount(cells.ravel())[around[:, _MIDDLE]] <= 1] = -np.inf
        field = np.full(cells.shape, -np.inf)
        field[tuple(places.T)] = score
        highest = ndimage.maximum_filter(field, size=5, mode=mode)[tuple(places.T)]
        chosen = (score == highest) & (score > 0.0)
        if not chosen.any():
            break
        cells[tuple(places[chosen].T)] = labels[chosen, best[chosen]]
        near = np.zeros(cells.shape, dtype=bool)
        near[tuple(places.T)] = True
        suspects = np.argwhere(ndimage.maximum_filter(near, size=3, mode=mode))
    return cells, left


def _gather(cells: np.ndarray, places: np.ndarray, periodic: bool) -> np.ndarray:
    """The 27 cubes about each place, shape (n, 27)."""
    at = places[:, None, :] + _AROUND
    at = at % cells.shape if periodic else np.clip(at, 0, np.array(cells.shape) - 1)
    return cells[tuple(np.moveaxis(at, -1, 0))]


def _faults(around: np.ndarray) -> np.ndarray:
    """Count the edges and corners of the middle of 27 cubes, shape (..., 27), at which a grain is pinched."""
    rings, blocks, parts = _tables()
    ring, block = around[..., rings], around[..., blocks]
    crossed = (
        (ring[..., :2] == ring[..., 2:])
        & (ring[..., :2] != ring[..., 1:3])
        & (ring[..., :2] != ring[..., [3, 0]])
    )  # fmt: skip
    mask = ((block[..., :, None] == block[..., None, :]) << np.arange(8)).sum(axis=-1)
    return crossed.any(axis=-1).sum(axis=-1) + (parts[mask] > 1).any(axis=-1).sum(axis=-1)


@cache
def _tables() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of 27 cubes those about each edge and each corner of the middle one; the parts of each subset of eight cubes."""
    rings, parts = [], np.zeros(256, dtype=np.int8)
    for axis in range(3):
        first, second = (i for i in range(3) if i != axis)
        for p, q in itertools.product((0, 1), repeat=2):
            cube = np.ones((4, 3), dtype=int)
            cube[:, first] = p + np.array([0, 0, 1, 1])
            cube[:, second] = q + np.array([0, 1, 1, 0])
            rings.append(cube @ [9, 3, 1])
    blocks = [[(np.add(start, cube) @ [9, 3, 1]) for cube in _CUBES] for start in _CUBES]
    for mask in range(256):
        rest = {cube for i, cube in enumerate(_CUBES) if mask >> i & 1}
        while rest:
            parts[mask] += 1
            reached = [rest.pop()]
            while reached:
                here = reached.pop()
                near = {other for other in rest if sum(a != b for a, b in zip(here, other, strict=True)) == 1}
                rest -= near
                reached.extend(near)
    return np.array(rings), np.array(blocks), parts
