"""Bands across sections: whether a material is the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

_BANDS = 4
"""Bands of a section that are told from each other; of more, each holds few grains, of two only a slope is seen."""


def boundary_spread(links: Sequence[tuple[Mapping[int, np.ndarray], Mapping[int, np.ndarray]]]) -> float:
    """Return how much the share of boundaries differs between four bands, along the worse axis.

    Parameters
    ----------
    links : sequence of (mapping, mapping) of int to ndarray, shape (m, *shape), bool
        For each map: whether a boundary lies between a point and the next along each axis of its sections, from 1, and
        whether this is known.

    Returns
    -------
    float
        Standard deviation over the mean; NaN without boundaries.
    """
    worst = 0.0
    for along in links[0][0]:
        crossed, known = (
            sum(_of_bands(values, along) for of_map in maps for values in of_map.values())
            for maps in zip(*links, strict=True)
        )
        shares = crossed / np.maximum(known, 1)
        worst = max(worst, float(shares.std() / shares.mean())) if shares.any() else np.nan
    return worst


def channel_spread(maps: Sequence[tuple[np.ndarray, np.ndarray]], number_of_phases: int) -> float:
    """Return how much the mean harmonics and phases differ between four bands, along the worse axis.

    Parameters
    ----------
    maps : sequence of (ndarray, ndarray), shapes (C, m, *shape) and (m, *shape)
        Harmonics and phases of the sections of each map.
    number_of_phases : int

    Returns
    -------
    float
        Root mean square deviation relative to the root mean square of the harmonics; NaN without indexed points.
    """
    parts = [(ids > 0, np.concatenate([channels, _of_phases(ids, number_of_phases)])) for channels, ids in maps]
    number_indexed = sum(np.count_nonzero(indexed) for indexed, _ in parts)
    if not number_indexed:
        return np.nan
    squares = sum((channels[:, indexed].astype(np.float64) ** 2).sum(axis=1) for indexed, channels in parts)
    scale = float((squares / number_indexed).sum())
    worst = 0.0
    for along in range(1, parts[0][0].ndim):
        number = np.maximum(sum(_of_bands(indexed, along) for indexed, _ in parts), 1)
        means = sum(np.stack([_of_bands(channel, along) for channel in channels]) for _, channels in parts) / number
        worst = max(worst, float(np.sqrt(means.var(axis=1).sum() / scale)))
    return worst


def _of_phases(phase_ids: np.ndarray, number: int) -> np.ndarray:
    """Return where each phase is, shape (p, m, *shape), float32."""
    return np.stack([phase_ids == phase for phase in range(1, number + 1)]).astype(np.float32)


def _of_bands(values: np.ndarray, along: int) -> np.ndarray:
    """Sums over the bands across an axis, shape (4,), float64."""
    profile = values.sum(axis=tuple(axis for axis in range(values.ndim) if axis != along), dtype=np.float64)
    return np.array([band.sum() for band in np.array_split(profile, _BANDS)])
