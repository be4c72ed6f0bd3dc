"""Copies: places of a section that show the same grains twice.

A triple point whose three grains have the orientations of three other grains that meet elsewhere in the section is a
copy. Two pairs of such grains meet by chance in a strong texture, and in a grain that lamellae divide; three grains
hardly do.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.spatial import cKDTree

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.phase import Phase

ALIKE = 2.0
"""Degrees within which two grains have one orientation.

Means of the two parts of a copied grain lie closer; with a larger one grains of a strong texture count as copies.
"""

_ROTATIONS = 400


def repeated_triples(
    triples: np.ndarray, sections: np.ndarray, quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]
) -> np.ndarray:
    """Find the triples of grains that meet again, as other grains of the same orientations, in the same section.

    Parameters
    ----------
    triples : ndarray, shape (n, 3), int
        Grains that meet, 0 ... N - 1, each three once.
    sections : ndarray, shape (N,), int
        Section of each grain.
    quaternions : ndarray, shape (N, 4)
    phase_ids : ndarray, shape (N,), int
        From 1.
    phases : tuple of Phase

    Returns
    -------
    ndarray, shape (n,), bool
    """
    repeated = np.zeros(len(triples), dtype=bool)
    used = np.zeros(len(sections), dtype=bool)
    used[triples.ravel()] = True
    pairs = np.concatenate(
        [
            _alike(np.flatnonzero(used & (phase_ids == number)), sections, quaternions, phase)
            for number, phase in enumerate(phases, start=1)
        ]
    )
    if not len(pairs):
        return repeated
    order = np.argsort(triples.ravel(), kind="stable")
    sorted_grains = triples.ravel()[order]
    begin, end = (np.searchsorted(sorted_grains, pairs, side=side) for side in ("left", "right"))
    number = end - begin
    sizes = number.prod(axis=1)
    row = np.repeat(np.arange(len(pairs)), sizes)
    within = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    first = order[begin[row, 0] + within // number[row, 1]]
    second = order[begin[row, 1] + within % number[row, 1]]
    code, which = np.unique((first // 3) * len(triples) + second // 3, return_inverse=True)
    met = np.zeros((2, len(code)), dtype=np.int64)
    for side, places in enumerate((first, second)):
        np.bitwise_or.at(met[side], which.ravel(), 1 << (places % 3))
    one, other = np.divmod(code[(met == 7).all(axis=0)], len(triples))
    apart = ~(triples[one][:, :, None] == triples[other][:, None, :]).any(axis=(1, 2))
    repeated[one[apart]] = repeated[other[apart]] = True
    return repeated


def _alike(grains: np.ndarray, sections: np.ndarray, quaternions: np.ndarray, phase: Phase) -> np.ndarray:
    """Pairs of grains of one phase and section with one orientation, both ways round, shape (n, 2)."""
    if len(grains) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    radius = _radius(phase.laue)
    values = symmetrized_harmonics(phase.laue).evaluate(quaternions[grains]).T
    places = np.column_stack([values, 2.0 * radius * sections[grains]])
    pairs = grains[cKDTree(places).query_pairs(radius, output_type="ndarray")]
    angle = rotation.disorientation_angle(quaternions[pairs[:, 0]], quaternions[pairs[:, 1]], phase.symmetry)
    pairs = pairs[angle <= np.deg2rad(ALIKE)]
    return np.concatenate([pairs, pairs[:, ::-1]])


@lru_cache(maxsize=32)
def _radius(laue: str) -> float:
    """Distance of the harmonics within which all orientations that are alike lie."""
    rng = np.random.default_rng(0)
    q = rotation.random_orientations(_ROTATIONS, rng)
    axes = rng.standard_normal((_ROTATIONS, 3))
    turned = rotation.multiply(rotation.from_axis_angle(axes, np.full(_ROTATIONS, np.deg2rad(ALIKE))), q)
    harmonics = symmetrized_harmonics(laue)
    return 1.1 * float(np.linalg.norm(harmonics.evaluate(turned) - harmonics.evaluate(q), axis=0).max())
