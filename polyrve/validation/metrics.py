"""The metrics by which sections are compared with a map: distances of distributions, relative errors of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrve.microstructure.section_measures import aspect_ratio_distance, chord_distances, grain_size_distance
from polyrve.microstructure.stereology import SHAPED, SPECK, kolmogorov_smirnov
from polyrve.validation.section_statistics import RARE, PooledOrientations, SectionStack

_REACH = 12
"""Largest lag of the correlation metrics, points.

Grains of a well resolved map are about as wide, and correlations have decayed beyond them. With a larger one more lags
tell of pairs in different grains alone, whose errors are noise.
"""

_ROUNDING = 1e-4
"""Degrees. A mean below it is rounding: equal orientations come out up to 2 sqrt(2 eps) = 2.4e-6 degrees apart."""

_STEEP = 10.0
"""Degrees. Boundaries of the boundary fraction: well above what spread within grains gives, so that it counts none."""

_IN_GRAIN = 5.0
"""Degrees. Neighbours less far apart lie in one grain; the usual threshold, whatever the one of a validation."""

WIDEST_DISTANCE = 0.6
"""Half L1 and Kolmogorov-Smirnov distances are at most 1; within a wider limit hardly two sections differ enough.

Chosen: with a smaller one more metrics of small maps count as not decisive, with a larger one fewer.
"""

WIDEST_ERROR = 1.0
"""Relative errors: that of sections that have nothing of what is counted."""

BOUNDARY_BINS = np.arange(0.0, 180.1, 5.0)
"""Degrees. Classes of boundaries; of narrower ones a small map fills few, wider ones mix twins with what is near."""

NEIGHBOUR_BINS = np.arange(0.0, 180.1, 2.5)
"""Degrees. Classes of neighbours, many in a grain, so half as wide: two lie below the usual threshold."""

Difference = Callable[[Any, Any], float]
"""Takes a reference and sections: :class:`polyrve.validation.section_statistics.SectionStack`, for a metric of one
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
        ``"texture"``, ``"boundaries"``, ``"grains"``, ``"correlation"``, ``"in-grain"`` or ``"response"``.
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
    widest: float = WIDEST_DISTANCE

    def decides(self, limit: float) -> bool:
        """Tell whether a limit is one that a volume unlike the map would fail."""
        return limit >= self.widest if self.higher else limit <= self.widest


def half_l1(first: np.ndarray, second: np.ndarray) -> float:
    """Return half of the L1 difference of two mass distributions: the share that lies elsewhere."""
    return float(np.abs(first - second).sum() / 2.0)


def _relative(measure: Callable[[Any], float]) -> Difference:
    def compare(reference: Any, sections: Any) -> float:
        expected = measure(reference)
        return abs(measure(sections) - expected) / abs(expected) if expected else np.nan

    return compare


def _histogram(angles: np.ndarray, bins: np.ndarray) -> np.ndarray:
    beyond = np.isinf(angles)
    counts = np.append(np.histogram(angles[~beyond], bins)[0], beyond.sum())
    return counts / counts.sum() if counts.sum() else np.full(len(counts), np.nan)


def neighbour_histogram(sections: SectionStack) -> np.ndarray:
    """Return the shares of the disorientations of neighbours in bins of 2.5 degrees; the last for other phases."""
    return _histogram(sections.neighbour_angles, NEIGHBOUR_BINS)


def boundary_histogram(sections: SectionStack) -> np.ndarray:
    """Return the shares of the disorientations of boundaries in bins of 5 degrees; the last for phase boundaries."""
    angles = sections.neighbour_angles
    return _histogram(angles[angles > sections.threshold], BOUNDARY_BINS)


def random_histogram(sections: PooledOrientations) -> np.ndarray:
    """Return the shares of the disorientations of random pairs above the threshold in bins of 5 degrees."""
    angles = sections.random_angles
    return _histogram(angles[angles > sections.threshold], BOUNDARY_BINS)


def _correlation(sections: SectionStack) -> np.ndarray:
    return boundary_histogram(sections) - random_histogram(sections)


def _boundary_fraction(sections: SectionStack) -> float:
    return sections.boundary_share(_STEEP)


def _in_grain_spread(sections: SectionStack) -> float:
    inside = sections.neighbour_angles[sections.neighbour_angles < _IN_GRAIN]
    mean = float(inside.mean()) if len(inside) else np.nan
    return 0.0 if mean < _ROUNDING else mean


def _poles(reference: PooledOrientations, sections: PooledOrientations) -> float:
    worst = 0.0
    for name in {name for phase in reference.pole_figures for name in phase}:
        worst = max(
            worst,
            sum(
                half_l1(a[name], b[name])
                for a, b in zip(reference.pole_figures, sections.pole_figures, strict=True)
                if name in a
            ),
        )
    return worst


def _mean_spread(sections: SectionStack) -> float:
    grains = sections.grains
    kept = grains.points >= SHAPED
    weight = (grains.weight * grains.size)[kept]
    return float((grains.spread[kept] * weight).sum() / weight.sum()) if weight.sum() else np.nan


def _orientation_spread(reference: SectionStack, sections: SectionStack) -> float:
    sides = []
    for grains in (reference.grains, sections.grains):
        kept = grains.points >= SHAPED
        sides.append((grains.spread[kept], (grains.weight * grains.size)[kept]))
    return kolmogorov_smirnov(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _chords(reference: SectionStack, sections: SectionStack) -> float:
    return float(np.max(chord_distances(reference.chords, sections.chords)))


def _kernel_average(reference: SectionStack, sections: SectionStack) -> float:
    a, b = reference.kernel_average, sections.kernel_average
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _mean_kernel_average(sections: SectionStack) -> float:
    return float(sections.kernel_average.mean()) if len(sections.kernel_average) else np.nan


def reach(shape: Sequence[int]) -> int:
    """Return the largest lag of the correlation metrics in sections: 12 points, or a third of a shorter side."""
    return max(1, min(_REACH, min(shape) // 3))


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


def _no_orientations(sections: PooledOrientations) -> str:
    return "" if (sections.phase_ids > 0).any() else "no indexed points"


def _no_random_pairs(sections: PooledOrientations) -> str:
    return "" if (sections.random_angles > sections.threshold).any() else "no random pairs beyond the threshold"


def _no_neighbours(sections: SectionStack) -> str:
    found = all((~np.isnan(values)).any() for values in sections.angles.values())
    return "" if found else "no neighbouring indexed points"


def _no_boundaries(sections: SectionStack) -> str:
    found = (sections.neighbour_angles > sections.threshold).any()
    return _no_neighbours(sections) or ("" if found else "no boundaries")


def _no_steep_boundaries(sections: SectionStack) -> str:
    found = (sections.neighbour_angles > _STEEP).any()
    return _no_neighbours(sections) or ("" if found else "no boundaries of more than 10 degrees")


def _no_chords(sections: SectionStack) -> str:
    return "" if all(weight.sum() for _, weight in sections.chords) else "no chord between two boundaries along an axis"


def _no_grains(sections: SectionStack) -> str:
    return "" if (sections.grains.points > SPECK).any() else f"no whole grain of {SPECK + 1} points or more"


def _no_shapes(sections: SectionStack) -> str:
    return "" if (sections.grains.points >= SHAPED).any() else f"no whole grain of at least {SHAPED} points"


def _no_scatter(sections: SectionStack) -> str:
    spread = _in_grain_spread(sections)
    if np.isnan(spread):
        return "no neighbours less than 5 degrees apart"
    return "" if spread > 0.0 else "no scatter within grains"


def _no_links(sections: SectionStack) -> str:
    return "" if len(sections.kernel_average) else "no neighbours within the threshold"


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


def metrics(lag: int = _REACH) -> tuple[Metric, ...]:
    """List all metrics, in the order of the report.

    Parameters
    ----------
    lag : int
        Largest lag along each axis of the correlation metrics, points.

    Returns
    -------
    tuple of Metric
    """
    correlation = []
    for key, name, error, lacks in (
        ("madogram", "madogram", madogram_error, _no_madogram(lag)),
        ("two_point", "two-point", two_point_error, _no_two_point),
    ):
        for percent in (1, 2, 5):
            correlation.append(
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
        correlation.append(
            Metric(
                f"{key}_largest",
                f"{name}, largest relative error",
                "correlation",
                _largest(error, lag),
                lacks,
                widest=WIDEST_ERROR,
            )
        )
    return (
        Metric(
            "odf_5",
            "ODF, misplaced volume (5 deg kernel)",
            "texture",
            lambda a, b: half_l1(a.odf_5, b.odf_5),
            _no_orientations,
            one_point=True,
        ),
        Metric(
            "odf_7",
            "ODF, misplaced volume (7.5 deg kernel)",
            "texture",
            lambda a, b: half_l1(a.odf_7, b.odf_7),
            _no_orientations,
            one_point=True,
        ),
        Metric(
            "pole_figures",
            "pole figures, half L1, worst family",
            "texture",
            _poles,
            _no_orientations,
            one_point=True,
        ),
        Metric(
            "texture_index",
            "texture index, relative error",
            "texture",
            _relative(lambda s: s.texture_index),
            _no_orientations,
            lambda s: s.texture_index,
            one_point=True,
            widest=WIDEST_ERROR,
        ),
        Metric(
            "random_disorientation",
            "disorientation of random pairs, half L1",
            "texture",
            lambda a, b: half_l1(random_histogram(a), random_histogram(b)),
            _no_random_pairs,
            one_point=True,
        ),
        Metric(
            "neighbour_disorientation",
            "disorientation of neighbours, half L1",
            "boundaries",
            lambda a, b: half_l1(neighbour_histogram(a), neighbour_histogram(b)),
            _no_neighbours,
        ),
        Metric(
            "boundary_disorientation",
            "disorientation of boundaries, half L1",
            "boundaries",
            lambda a, b: half_l1(boundary_histogram(a), boundary_histogram(b)),
            _no_boundaries,
        ),
        Metric(
            "correlated_uncorrelated",
            "boundaries minus random pairs, half L1",
            "boundaries",
            lambda a, b: half_l1(_correlation(a), _correlation(b)),
            lambda s: _no_boundaries(s) or _no_random_pairs(s),
        ),
        Metric(
            "boundary_fraction",
            "boundary fraction (10 deg), relative error",
            "boundaries",
            _relative(_boundary_fraction),
            _no_steep_boundaries,
            _boundary_fraction,
            widest=WIDEST_ERROR,
        ),
        Metric(
            "boundary_length",
            "boundary length per area, relative error",
            "boundaries",
            _relative(lambda s: s.boundary_per_size),
            _no_boundaries,
            lambda s: s.boundary_per_size,
            "1/um",
            widest=WIDEST_ERROR,
        ),
        Metric(
            "number_of_grains",
            "grains per area, relative error",
            "grains",
            _relative(lambda s: s.grains_per_size),
            _no_grains,
            lambda s: s.grains_per_size,
            "1/um^2",
            of_grains=True,
            widest=WIDEST_ERROR,
        ),
        Metric(
            "grain_size_number",
            "grain size, KS, by number",
            "grains",
            lambda a, b: grain_size_distance(a.grains, b.grains, by_area=False),
            _no_grains,
            of_grains=True,
        ),
        Metric(
            "grain_size_area",
            "grain size, KS, by area",
            "grains",
            lambda a, b: grain_size_distance(a.grains, b.grains, by_area=True),
            _no_grains,
            of_grains=True,
        ),
        Metric(
            "aspect_ratio",
            "aspect ratio, KS",
            "grains",
            lambda a, b: aspect_ratio_distance(a.grains, b.grains),
            _no_shapes,
            of_grains=True,
        ),
        Metric("chord_length", "chord length, KS, worse direction", "grains", _chords, _no_chords, of_grains=True),
        Metric(
            "specks",
            "area in specks (1-2 points), difference",
            "grains",
            lambda a, b: abs(b.speck_share - a.speck_share),
            _no_orientations,
            lambda s: s.speck_share,
        ),
        *correlation,
        Metric(
            "in_grain_spread",
            "in-grain spread (below 5 deg), relative error",
            "in-grain",
            _relative(_in_grain_spread),
            _no_scatter,
            _in_grain_spread,
            "deg",
            widest=WIDEST_ERROR,
        ),
        Metric("kernel_average", "KAM, KS", "in-grain", _kernel_average, _no_links, _mean_kernel_average, "deg"),
        Metric(
            "orientation_spread",
            "GOS, KS, by area",
            "in-grain",
            _orientation_spread,
            _no_shapes,
            _mean_spread,
            "deg",
            of_grains=True,
        ),
    )
