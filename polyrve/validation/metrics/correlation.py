"""Metrics of spatial correlation: the madogram and the two-point correlations of the harmonics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from polyrve.validation.metrics.metric import WIDEST_ERROR, Difference, Metric
from polyrve.validation.section_stack import RARE, SectionStack

REACH = 12
"""Largest lag of the correlation metrics, points.

Grains of a well resolved map are about as wide, and correlations have decayed beyond them. With a larger one more lags
tell of pairs in different grains alone, whose errors are noise.
"""


def reach(shape: Sequence[int]) -> int:
    """Return the largest lag of the correlation metrics in sections: 12 points, or a third of a shorter side."""
    return max(1, min(REACH, min(shape) // 3))


def madogram_error(reference: SectionStack, sections: SectionStack, lag: int) -> np.ndarray:
    """Return the relative error of the madogram up to a lag, shape (number of lags, C), rare phases left out."""
    main = reference.main_channels
    expected = reference.madogram(lag)[:, main]
    return np.abs(sections.madogram(lag)[:, main] - expected) / np.where(expected > 0, expected, np.nan)


def two_point_error(reference: SectionStack, sections: SectionStack, lag: int) -> np.ndarray:
    """Return the error of the two-point correlations up to a lag, shape (number of lags, C, C).

    Relative to <f_c^2>^(1/2) <f_d^2>^(1/2) of the reference; rare phases are left out.
    """
    main = reference.main_channels
    scale = reference.channel_scale[main]
    norm = np.outer(scale, scale)
    difference = (sections.two_point(lag) - reference.two_point(lag))[:, main][:, :, main]
    return np.abs(difference) / np.where(norm > 0, norm, np.nan)


def _within(error: Callable[[SectionStack, SectionStack, int], np.ndarray], lag: int, bound: float) -> Difference:
    def compare(reference: SectionStack, sections: SectionStack) -> float:
        values = error(reference, sections, lag)
        known = np.isfinite(values)
        return float((values[known] <= bound).mean()) if known.any() else np.nan

    return compare


def _largest(error: Callable[[SectionStack, SectionStack, int], np.ndarray], lag: int) -> Difference:
    def compare(reference: SectionStack, sections: SectionStack) -> float:
        values = error(reference, sections, lag)
        return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan

    return compare


def _no_phase(sections: SectionStack) -> str:
    return "" if sections.main_channels.any() else f"no phase with {100 * RARE:g} % of the points"


def _no_madogram(lag: int) -> Callable[[SectionStack], str]:
    def lacks(sections: SectionStack) -> str:
        if missing := _no_phase(sections):
            return missing
        values = sections.madogram(lag)[:, sections.main_channels]
        if not np.isfinite(values).any():
            return "no pairs of points of one phase"
        return "" if np.nanmax(values) > 0 else "a madogram of zero"

    return lacks


def _no_two_point(sections: SectionStack) -> str:
    missing = _no_phase(sections)
    return missing or ("" if sections.channel_scale[sections.main_channels].any() else "harmonics that are zero")


def correlation_metrics(lag: int = REACH) -> list[Metric]:
    """Return the metrics of correlations up to a largest lag along each axis, points."""
    found = []
    for key, name, error, lacks in (
        ("madogram", "madogram", madogram_error, _no_madogram(lag)),
        ("two_point", "two-point", two_point_error, _no_two_point),
    ):
        for percent in (1, 2, 5):
            found.append(
                Metric(
                    f"{key}_within_{percent}",
                    f"{name}, share of lags within {percent} %",
                    "correlation",
                    _within(error, lag, percent / 100),
                    lacks,
                    higher=True,
                    widest=percent / 100,
                )
            )
        found.append(
            Metric(
                f"{key}_largest",
                f"{name}, largest relative error",
                "correlation",
                _largest(error, lag),
                lacks,
                widest=WIDEST_ERROR,
            )
        )
    return found
