"""Half the spectrum of a section of real numbers, and what takes it to a few lags."""

from __future__ import annotations

import numpy as np

SIGNS = np.array([[1, -1, -1, -1], [1, 1, 1, -1], [1, -1, 1, 1], [1, 1, -1, 1]], dtype=float)
"""Of the four parts at lags (r, s), (r, -s), (-r, -s) and (-r, s), one row each, for r and s >= 0.

The parts are those even in both lags, odd in both, odd in columns and odd in rows.
"""

STARTS = ((0, 0), (1, 1), (0, 1), (1, 0))
"""First lag along rows and columns of each part: a sine is 0 at lag 0."""


def half_columns(columns: int) -> int:
    """Return the number of columns of half the spectrum of sections with some columns."""
    return columns // 2 + 1


def times(columns: int) -> np.ndarray:
    """Return how often each column of half the spectrum stands in the whole one, (half,)."""
    return np.where(np.isin(np.arange(half_columns(columns)), (0, columns / 2)), 1.0, 2.0)


def column_lags(columns: int, largest_lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Return cosines at lags 0 ... largest_lag and sines at 1 ... largest_lag of half the spectrum, (half, ...)."""
    angle = 2 * np.pi / columns * np.outer(np.arange(half_columns(columns)), np.arange(largest_lag + 1))
    return np.cos(angle), np.sin(angle[:, 1:])
