"""Sets of lags: the steps between the points of a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Lag = tuple[int, int]


def half_plane(radius: int) -> tuple[Lag, ...]:
    """All lags (row, column) with components up to a radius, one of each pair l and -l, without zero."""
    return tuple(
        (row, column) for row in range(radius + 1) for column in range(-radius, radius + 1) if (row, column) > (0, 0)
    )


def half_space(d: int, reach: int) -> list[tuple[int, ...]]:
    """Lags with steps of at most ``reach`` along each axis, one of each pair (r, -r), without 0."""
    steps = np.moveaxis(np.indices((2 * reach + 1,) * d), 0, -1).reshape(-1, d) - reach
    return [tuple(int(i) for i in step) for step in steps[len(steps) // 2 + 1 :]]


def rings(radii: Sequence[float], directions: int) -> tuple[Lag, ...]:
    """Lags near some radii in equally spaced directions of the half plane, each once."""
    found: dict[Lag, None] = {}
    for radius in radii:
        for i in range(directions):
            angle = np.pi * i / directions
            lag = (round(radius * float(np.sin(angle))), round(radius * float(np.cos(angle))))
            if lag < (0, 0):
                lag = (-lag[0], -lag[1])
            if lag != (0, 0):
                found.setdefault(lag)
    return tuple(found)
