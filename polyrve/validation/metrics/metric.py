"""What a metric is, and the distances that metrics are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WIDEST_DISTANCE = 0.6
"""Half L1 and Kolmogorov-Smirnov distances are at most 1; within a wider limit hardly two sections differ enough.

Chosen: with a smaller one more metrics of small maps count as not decisive, with a larger one fewer.
"""

WIDEST_ERROR = 1.0
"""Relative errors: that of sections that have nothing of what is counted."""

Difference = Callable[[Any, Any], float]
"""Takes a reference and sections: :class:`polyrve.validation.section_stack.SectionStack`, for a metric of one
point also ``PooledOrientations``."""


@dataclass(frozen=True)
class Metric:
    """One number that compares sections with a reference.

    Attributes
    ----------
    key : str
        Short name for files.
    title : str
        What is compared and how.
    group : str
        A key of :data:`polyrve.validation.result.GROUPS`.
    compare : callable
        Takes reference and sections; NaN where it cannot be told.
    lacks : callable
        What keeps sections from being compared, so that "the map has ..." is a sentence; empty where nothing does.
    measure : callable or None
        The compared number of one side, where it is one number.
    unit : str
        Of ``measure``.
    higher : bool
        Whether a higher value is better; else 0 is best.
    of_grains : bool
        Whether it needs several grains.
    one_point : bool
        Whether it asks for orientations alone, not where they lie: then the sections of a homogeneous material agree
        whatever their normal.
    optional : bool
        Whether it compares what not every material has, such as a second phase: where the reference lacks it, nothing
        is missing.
    widest : float
        The widest limit that tells volumes apart. For a share of lags within p % it is p %, the share where errors lie
        evenly between 0 and 1.
    """

    key: str
    title: str
    group: str
    compare: Difference
    lacks: Callable[[Any], str]
    measure: Callable[[Any], float] | None = None
    unit: str = ""
    higher: bool = False
    of_grains: bool = False
    one_point: bool = False
    optional: bool = False
    widest: float = WIDEST_DISTANCE

    def decides(self, limit: float) -> bool:
        """Tell whether a limit is one that a volume unlike the map would fail."""
        return limit >= self.widest if self.higher else limit <= self.widest


def half_l1(first: np.ndarray, second: np.ndarray) -> float:
    """Return half of the L1 difference of two mass distributions: the share that lies elsewhere."""
    return float(np.abs(first - second).sum() / 2.0)


def relative_error(measure: Callable[[Any], float]) -> Difference:
    """Return the comparison of a number of sections with that of a reference."""

    def compare(reference: Any, sections: Any) -> float:
        expected = measure(reference)
        return abs(measure(sections) - expected) / abs(expected) if expected else np.nan

    return compare


def histogram(angles: np.ndarray, bins: np.ndarray) -> np.ndarray:
    """Return the shares of angles in bins of degrees; the last for what lies beyond, between phases."""
    beyond = np.isinf(angles)
    counts = np.append(np.histogram(angles[~beyond], bins)[0], beyond.sum())
    return counts / counts.sum() if counts.sum() else np.full(len(counts), np.nan)
