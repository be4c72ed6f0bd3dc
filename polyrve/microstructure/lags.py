"""Sets of lags: the steps between the points of a pair."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Lag = tuple[int, int]
"""Rows and columns from the first point of a pair to the second."""


def half_plane(radius: int) -> tuple[Lag, ...]:
    """List the lags with components up to a radius, one of each pair l and -l, without 0.

    Parameters
    ----------
    radius : int

    Returns
    -------
    tuple of (int, int)
        Rows and columns.

    Examples
    --------
    >>> half_plane(1)
    ((0, 1), (1, -1), (1, 0), (1, 1))
    """
    return tuple(
        (row, column) for row in range(radius + 1) for column in range(-radius, radius + 1) if (row, column) > (0, 0)
    )


def half_space(d: int, reach: int) -> list[tuple[int, ...]]:
    """List the lags in some dimensions with components up to a reach, one of each pair l and -l, without 0.

    Parameters
    ----------
    d : int
        Number of dimensions.
    reach : int

    Returns
    -------
    list of tuple of int

    See Also
    --------
    half_plane : The same in two dimensions, in an order of rows.

    Examples
    --------
    >>> half_space(1, 2)
    [(1,), (2,)]
    """
    steps = np.moveaxis(np.indices((2 * reach + 1,) * d), 0, -1).reshape(-1, d) - reach
    return [tuple(int(i) for i in step) for step in steps[len(steps) // 2 + 1 :]]


def rings(radii: Sequence[float], directions: int) -> tuple[Lag, ...]:
    """List the lags near some radii in equally spaced directions of the half plane, each once.

    Parameters
    ----------
    radii : sequence of float
    directions : int

    Returns
    -------
    tuple of (int, int)
        Rows and columns.

    Examples
    --------
    >>> rings((3,), 4)
    ((0, 3), (2, 2), (3, 0), (2, -2))
    """
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
