"""Grain growth by Monte Carlo: grains whose sizes, faces and junctions are those of curvature-driven growth.

Unlike Laguerre cells, grains that shrink are caught at all sizes, and boundaries are curved.

References
----------
M. P. Anderson et al., Acta Metall. 32 (1984) 783, doi:10.1016/0001-6160(84)90151-2: the Potts model of grain growth;
E. A. Holm et al., Phys. Rev. A 43 (1991) 2662, doi:10.1103/PhysRevA.43.2662: 26 neighbours against lattice pinning.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from polyrve.backend import processors

_TEMPERATURE = 1.0
"""Energy kT in units of one unlike neighbour of 26: flat faces of the lattice unpin, and no grain nucleates.

With 0 boundaries stick to lattice planes; above about 3 they roughen.
"""

_QUENCH = 3
"""Sweeps at zero temperature at the end, which smooth the boundaries that fluctuations have roughened."""

_MOST_SWEEPS = 2000
"""A model that has not grown enough by then is pinned by what does not grow."""

_STEPS = np.array([step for step in itertools.product((-1, 0, 1), repeat=3) if any(step)])


def grow(labels: np.ndarray, frozen: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Let grains of a periodic volume grow until few enough are left.

    Voxels in turn, an eighth of the volume at a time, take the grain of a random neighbour if this does not raise
    the number of unlike pairs among 26 neighbours, or with a small probability if it does.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
        Grain of each voxel.
    frozen : ndarray, shape (nz, ny, nx), bool
        Voxels that keep their grain, and whose grain does not grow.
    number : int
        Grains, those that are frozen left out, at which growth ends.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (nz, ny, nx), int64
        Where growth is pinned by what is frozen, more grains than `number` are left.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.integers(60, size=(6, 8, 10))
    >>> len(np.unique(grow(labels, np.zeros(labels.shape, dtype=bool), 12, rng))) <= 12
    True
    """
    spins, shape = labels.ravel().astype(np.int64), labels.shape
    still = np.zeros(spins.max() + 1, dtype=bool)
    still[spins[frozen.ravel()]] = True
    groups = _groups(shape, ~frozen)
    for _ in range(_MOST_SWEEPS):
        if np.count_nonzero(np.bincount(spins, minlength=len(still))[~still]) <= number:
            break
        _sweep(spins, shape, still, groups, _TEMPERATURE, rng)
    for _ in range(_QUENCH):
        _sweep(spins, shape, still, groups, 0.0, rng)
    return spins.reshape(shape)


def round_faces(labels: np.ndarray, sweeps: int, rng: np.random.Generator) -> np.ndarray:
    """Let the flat faces of cells of a periodic volume curve as grain growth curves them, before grains grow.

    Small cells bulge and junctions turn towards 120 degrees within a few sweeps at zero temperature, in which unlike
    pairs must become fewer, so that flat faces stay. A face moves by a share of a voxel in proportion to its curvature:
    cells of less than six voxels vanish instead.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
    sweeps : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (nz, ny, nx), int64

    Examples
    --------
    >>> cube = np.pad(np.ones((4, 4, 4), dtype=int), 3)
    >>> bool(0 < round_faces(cube, 1, np.random.default_rng(0)).sum() < cube.sum())
    True
    """
    spins = labels.ravel().astype(np.int64)
    groups = _groups(labels.shape, np.ones(labels.shape, dtype=bool))
    for _ in range(sweeps):
        _sweep(spins, labels.shape, np.zeros(spins.max() + 1, dtype=bool), groups, 0.0, rng, least=1)
    return spins.reshape(labels.shape)


def round_faces_by_place(labels: np.ndarray, sweeps: int, seed: int) -> None:
    """Curve faces as :func:`round_faces` does, in place; the neighbour that a voxel tries follows from its place.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), uint32
    sweeps : int
    seed : int
    """
    if not sweeps:
        return
    rng = np.random.default_rng(seed)
    nz = len(labels)
    # Voxels of one colour are neighbours across the faces of odd sides, where order counts.
    ends = np.linspace(0, nz, 1 + (processors.count() if nz % 2 == 0 else 1)).astype(int)
    with ThreadPoolExecutor(processors.count()) as pool:
        for _ in range(sweeps):
            for colour in rng.permutation(8):
                drawn = rng.integers(2**63, dtype=np.uint64)
                of_part = partial(_round_part, labels, drawn, int(colour))
                list(pool.map(of_part, ends[:-1], ends[1:]))


def _round_part(labels: np.ndarray, seed: np.uint64, colour: int, first: int, last: int) -> None:
    from polyrve.microstructure.cell_kernels import round_colour

    round_colour(labels, seed, colour, first, last, 1)


def _groups(shape: tuple[int, ...], free: np.ndarray) -> list[np.ndarray]:
    """Part free voxels into eight groups of voxels that are no neighbours."""
    z, y, x = np.indices(shape) % 2
    colours = (4 * z + 2 * y + x).ravel()
    return [np.flatnonzero((colours == colour) & free.ravel()) for colour in range(8)]


def _sweep(
    spins: np.ndarray,
    shape: Sequence[int],
    still: np.ndarray,
    groups: Sequence[np.ndarray],
    temperature: float,
    rng: np.random.Generator,
    least: int = 0,
) -> None:
    """Try each voxel once, and accept what makes unlike pairs fewer by at least a number; in place.

    Voxels of a group are no neighbours, but across the faces of odd sides.
    """
    for i in rng.permutation(len(groups)):
        place = np.unravel_index(groups[i], tuple(shape))
        rows = [[(where + step) % n for step in (-1, 0, 1)] for where, n in zip(place, shape, strict=True)]
        around = np.stack(
            [
                spins[(rows[0][dz + 1] * shape[1] + rows[1][dy + 1]) * shape[2] + rows[2][dx + 1]]
                for dz, dy, dx in _STEPS
            ]
        )
        own = spins[groups[i]]
        proposed = around[rng.integers(len(_STEPS), size=len(own)), np.arange(len(own))]
        cost = (around == own).sum(axis=0) - (around == proposed).sum(axis=0)
        taken = cost <= -least
        if temperature > 0.0:
            taken |= rng.random(len(own)) < np.exp(-np.maximum(cost, 0) / temperature)
        taken &= ~still[proposed]
        spins[groups[i][taken]] = proposed[taken]
