"""Spatial correlations of the harmonics in sections: the madogram and the two-point correlations."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import fft

from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.lags import half_space


def madogram(
    channels: np.ndarray, phase_ids: np.ndarray, phases: Sequence[Phase], reach: int, periodic: bool
) -> np.ndarray:
    """Return the first-order variogram of the harmonics at all lags up to a largest one.

    Parameters
    ----------
    channels : ndarray, shape (C, m, *shape), float32
        Symmetrized harmonics of each phase in turn, on m sections.
    phase_ids : ndarray, shape (m, *shape), int
    phases : sequence of Phase
    reach : int
        Largest lag along each axis, points.
    periodic : bool

    Returns
    -------
    ndarray, shape (number of lags, C), float64
        ``1/2 <abs(f_c(x) - f_c(x + r))>`` over pairs of one phase, for the lags of
        :func:`polyrve.microstructure.lags.half_space`; NaN where no pair.
    """
    values = []
    start = 0
    for phase_id, phase in enumerate(phases, start=1):
        count = symmetrized_harmonics(phase.laue).count
        f = channels[start : start + count]
        start += count
        inside = phase_ids == phase_id
        everywhere = bool(inside.all())
        rows = []
        for lag in half_space(phase_ids.ndim - 1, reach):
            a, b = _pair(f, lag, periodic)
            difference = np.abs(a - b)
            axes = tuple(range(1, difference.ndim))
            if everywhere:
                rows.append(difference.mean(axis=axes, dtype=np.float64) / 2.0)
                continue
            both = np.logical_and(*_pair(inside[None], lag, periodic))
            pairs = both.sum()
            total = np.where(both, difference, 0.0).sum(axis=axes, dtype=np.float64)
            rows.append(total / pairs / 2.0 if pairs else np.full(count, np.nan))
        values.append(np.array(rows))
    return np.concatenate(values, axis=1)


def _pair(values: np.ndarray, lag: tuple[int, ...], periodic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return values, axes (c, m, *shape), at the two ends of a lag."""
    axes = tuple(range(2, values.ndim))
    if periodic:
        return values, np.roll(values, tuple(-step for step in lag), axis=axes)
    tail: list[slice] = [slice(None)] * 2
    head: list[slice] = [slice(None)] * 2
    for step, n in zip(lag, values.shape[2:], strict=True):
        tail.append(slice(max(0, -step), n - max(0, step)))
        head.append(slice(max(0, step), n + min(0, step)))
    return values[tuple(tail)], values[tuple(head)]


def two_point(channels: np.ndarray, phase_ids: np.ndarray, reach: int, periodic: bool) -> np.ndarray:
    """Return the two-point correlations of all pairs of harmonics at all lags up to a largest one.

    Parameters
    ----------
    channels, phase_ids, reach, periodic
        As for :func:`madogram`.

    Returns
    -------
    ndarray, shape (number of lags, C, C), float64
        ``<f_c(x) f_d(x + r)>`` over indexed points, for the lags of :func:`polyrve.microstructure.lags.half_space`.
    """
    shape = phase_ids.shape[1:]
    axes = tuple(range(-len(shape), 0))
    size = shape if periodic else tuple(fft.next_fast_len(n + reach, real=True) for n in shape)
    count = len(channels)
    products = np.zeros((count, count, *size[:-1], size[-1] // 2 + 1), dtype=np.complex128)
    pairs = np.zeros(products.shape[2:])
    for section in range(len(phase_ids)):
        spectrum = fft.rfftn(channels[:, section].astype(np.float64), size, axes=axes)
        products += spectrum.conj()[:, None] * spectrum[None]
        mask = fft.rfftn((phase_ids[section] > 0).astype(np.float64), size, axes=axes)
        pairs += np.abs(mask) ** 2
    at = tuple(np.array(half_space(len(shape), reach)).T)
    correlation = np.moveaxis(fft.irfftn(products, size, axes=axes), (0, 1), (-2, -1))[at]
    number = fft.irfftn(pairs, size, axes=axes)[at]
    return correlation / np.maximum(number, 0.5)[:, None, None]
