"""What a run tells after each iteration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """What a progress callback receives after each iteration.

    Attributes
    ----------
    level, levels : int
        Grid, from 1 for the coarsest, and number of grids.
    shape : tuple of int
        Grid's (nz, ny, nx).
    iteration, iterations : int
        Iteration on this grid, 0 at its start, and the most there can be.
    loss : float
    terms : mapping of str to float
        Weighted loss per descriptor.
    seconds : float
        Wall time on this grid.
    """

    level: int
    levels: int
    shape: tuple[int, ...]
    iteration: int
    iterations: int
    loss: float
    terms: Mapping[str, float]
    seconds: float
