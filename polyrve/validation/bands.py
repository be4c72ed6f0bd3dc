"""Bands across sections: whether a material is the same everywhere."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

_BANDS = 4
"""Bands of a section that are told from each other; of more, each holds few grains, of two only a slope is seen."""


def boundary_spread(boundary: Mapping[int, np.ndarray], known: Mapping[int, np.ndarray]) -> float:
    """Return how much the share of boundaries differs between four bands, along the worse axis.

    Parameters
    ----------
    boundary, known : mapping of int to ndarray, shape (m, *shape), bool
        Whether a boundary lies between a point and the next along each axis of the sections, from 1, and whether this
        is known.

    Returns
    -------
    float
        Standard deviation over the mean; NaN without boundaries.
    """
    worst = 0.0
    for along in boundary:
        crossed, all_known = (sum(_of_bands(values, along) for values in links.values()) for links in (boundary, known))
        shares = crossed / np.maximum(all_known, 1)
        worst = max(worst, float(shares.std() / shares.mean())) if shares.any() else np.nan
    return worst


def channel_spread(channels: np.ndarray, phase_ids: np.ndarray, number_of_phases: int) -> float:
    """Return how much the mean harmonics and phases differ between four bands, along the worse axis.

    Parameters
    ----------
    channels : ndarray, shape (C, m, *shape), float32
    phase_ids : ndarray, shape (m, *shape), int
    number_of_phases : int

    Returns
    -------
    float
        Root mean square deviation relative to the root mean square of the harmonics; NaN without indexed points.
    """
    indexed = phase_ids > 0
    if not indexed.any():
        return np.nan
    of_phases = [(phase_ids == number + 1).astype(np.float32) for number in range(number_of_phases)]
    channels = np.concatenate([channels, np.stack(of_phases)])
    scale = (channels[:, indexed].astype(np.float64) ** 2).mean(axis=1).sum()
    worst = 0.0
    for along in range(1, phase_ids.ndim):
        number = np.maximum(_of_bands(indexed, along), 1)
        means = np.stack([_of_bands(channel, along) for channel in channels]) / number
        worst = max(worst, float(np.sqrt(means.var(axis=1).sum() / scale)))
    return worst


def _of_bands(values: np.ndarray, along: int) -> np.ndarray:
    """Sums over the bands across an axis, shape (4,), float64."""
    profile = values.sum(axis=tuple(axis for axis in range(values.ndim) if axis != along), dtype=np.float64)
    return np.array([band.sum() for band in np.array_split(profile, _BANDS)])
