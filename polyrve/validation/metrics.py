"""The metrics by which two samples are compared: distances of distributions, relative errors of numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrve.microstructure.stereology import SHAPED, SPECK, kolmogorov_smirnov
from polyrve.validation.section_statistics import RARE, PooledOrientations, SectionStack

_REACH = 12
_ROUNDING = 1e-4
"""Degrees. A mean below it is rounding: equal orientations come out up to 2 sqrt(2 eps) = 2.4e-6 degrees apart."""

WIDEST_DISTANCE = 0.6
"""Half L1 and Kolmogorov-Smirnov distances are at most 1; within a wider limit hardly two samples differ enough."""

WIDEST_ERROR = 1.0
"""Relative errors: that of a sample that has nothing of what is counted."""

BOUNDARY_BINS = np.arange(0.0, 180.1, 5.0)
NEIGHBOUR_BINS = np.arange(0.0, 180.1, 2.5)
Difference = Callable[[Any, Any], float]
"""Takes reference and sample.

Both are a :class:`polyrve.validation.section_statistics.SectionStack`, for a metric of one point also
``PooledOrientations``.
"""


@dataclass(frozen=True)
class Metric:
    """One number that compares a sample with a reference.

    Attributes
    ----------
    key : str
        Short name for files.
    title : str
        What is compared and how.
    group : str
        ``"texture"``, ``"boundaries"``, ``"grains"``, ``"correlation"`` or ``"in-grain"``.
    compare : callable
        Takes reference and sample; NaN where it cannot be told.
    lacks : callable
        What keeps a sample from being compared, so that "the map has ..." is a sentence; empty where nothing does.
    measure : callable or None
        The compared number of one sample, where it is one number.
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
        """Whether a limit is one that a volume unlike the map would fail."""
        return limit >= self.widest if self.higher else limit <= self.widest


def half_l1(first: np.ndarray, second: np.ndarray) -> float:
    """Half of the L1 difference of two mass distributions: the share that lies elsewhere."""
    return float(np.abs(first - second).sum() / 2.0)


def _relative(measure: Callable[[Any], float]) -> Difference:
    def compare(reference: Any, sample: Any) -> float:
        expected = measure(reference)
        return abs(measure(sample) - expected) / abs(expected) if expected else np.nan

    return compare


def _histogram(angles: np.ndarray, bins: np.ndarray) -> np.ndarray:
    beyond = np.isinf(angles)
    counts = np.append(np.histogram(angles[~beyond], bins)[0], beyond.sum())
    return counts / counts.sum() if counts.sum() else np.full(len(counts), np.nan)


def neighbour_histogram(sample: SectionStack) -> np.ndarray:
    """Shares of the disorientations of neighbours in bins of 2.5 degrees; the last for other phases."""
    return _histogram(sample.neighbour_angles, NEIGHBOUR_BINS)


def boundary_histogram(sample: SectionStack) -> np.ndarray:
    """Shares of the disorientations of boundaries in bins of 5 degrees; the last for phase boundaries."""
    angles = sample.neighbour_angles
    return _histogram(angles[angles > sample.threshold], BOUNDARY_BINS)


def random_histogram(sample: PooledOrientations) -> np.ndarray:
    """Shares of the disorientations of random pairs, those above the threshold, in bins of 5 degrees."""
    angles = sample.random_angles
    return _histogram(angles[angles > sample.threshold], BOUNDARY_BINS)


def _correlation(sample: SectionStack) -> np.ndarray:
    return boundary_histogram(sample) - random_histogram(sample)


def _boundary_fraction(sample: SectionStack) -> float:
    return sample.boundary_share(10.0)


def _in_grain_spread(sample: SectionStack) -> float:
    inside = sample.neighbour_angles[sample.neighbour_angles < 5.0]
    mean = float(inside.mean()) if len(inside) else np.nan
    return 0.0 if mean < _ROUNDING else mean


def _poles(reference: PooledOrientations, sample: PooledOrientations) -> float:
    worst = 0.0
    for name in {name for phase in reference.pole_figures for name in phase}:
        worst = max(
            worst,
            sum(
                half_l1(a[name], b[name])
                for a, b in zip(reference.pole_figures, sample.pole_figures, strict=True)
                if name in a
            ),
        )
    return worst


def _grain_size(reference: SectionStack, sample: SectionStack, by_area: bool) -> float:
    sides = []
    for grains in (reference.grains, sample.grains):
        kept = grains.points > SPECK
        sides.append((grains.size[kept], (grains.weight * (grains.size if by_area else 1.0))[kept]))
    return kolmogorov_smirnov(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _aspect_ratio(reference: SectionStack, sample: SectionStack) -> float:
    sides = []
    for grains in (reference.grains, sample.grains):
        kept = grains.points >= SHAPED
        sides.append((grains.aspect_ratio[kept], grains.weight[kept]))
    return kolmogorov_smirnov(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _mean_spread(sample: SectionStack) -> float:
    grains = sample.grains
    kept = grains.points >= SHAPED
    weight = (grains.weight * grains.size)[kept]
    return float((grains.spread[kept] * weight).sum() / weight.sum()) if weight.sum() else np.nan


def _orientation_spread(reference: SectionStack, sample: SectionStack) -> float:
    sides = []
    for grains in (reference.grains, sample.grains):
        kept = grains.points >= SHAPED
        sides.append((grains.spread[kept], (grains.weight * grains.size)[kept]))
    return kolmogorov_smirnov(sides[0][0], sides[1][0], sides[0][1], sides[1][1])


def _chords(reference: SectionStack, sample: SectionStack) -> float:
    sides = zip(reference.chords, sample.chords, strict=True)
    return float(np.max([kolmogorov_smirnov(a[0], b[0], a[1], b[1]) for a, b in sides]))


def _kernel_average(reference: SectionStack, sample: SectionStack) -> float:
    a, b = reference.kernel_average, sample.kernel_average
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _mean_kernel_average(sample: SectionStack) -> float:
    return float(sample.kernel_average.mean()) if len(sample.kernel_average) else np.nan


def reach(shape: Sequence[int]) -> int:
    """Largest lag of the correlation metrics in sections of a shape: 12 points, or a third of a shorter side."""
    return max(1, min(_REACH, min(shape) // 3))


def madogram_error(reference: SectionStack, sample: SectionStack, lag: int) -> np.ndarray:
    """Relative error of the madogram at lags up to ``lag``, shape (number of lags, C), rare phases left out."""
    main = reference.main_channels
    expected = reference.madogram(lag)[:, main]
    return np.abs(sample.madogram(lag)[:, main] - expected) / np.where(expected > 0, expected, np.nan)


def two_point_error(reference: SectionStack, sample: SectionStack, lag: int) -> np.ndarray:
    """Error of the two-point correlations at lags up to ``lag``, shape (number of lags, C, C).

    Relative to <f_c^2>^(1/2) <f_d^2>^(1/2) of the reference; rare phases are left out.
    """
    main = reference.main_channels
    scale = reference.channel_scale[main]
    norm = np.outer(scale, scale)
    difference = (sample.two_point(lag) - reference.two_point(lag))[:, main][:, :, main]
    return np.abs(difference) / np.where(norm > 0, norm, np.nan)


def _within(error: Callable[[SectionStack, SectionStack, int], np.ndarray], lag: int, bound: float) -> Difference:
    def compare(reference: SectionStack, sample: SectionStack) -> float:
        values = error(reference, sample, lag)
        known = np.isfinite(values)
        return float((values[known] <= bound).mean()) if known.any() else np.nan

    return compare


def _largest(error: Callable[[SectionStack, SectionStack, int], np.ndarray], lag: int) -> Difference:
    def compare(reference: SectionStack, sample: SectionStack) -> float:
        values = error(reference, sample, lag)
        return float(np.nanmax(values)) if np.isfinite(values).any() else np.nan

    return compare


def _no_orientations(sample: PooledOrientations) -> str:
    return "" if (sample.phase_ids > 0).any() else "no indexed points"


def _no_random_pairs(sample: PooledOrientations) -> str:
    return "" if (sample.random_angles > sample.threshold).any() else "no random pairs beyond the threshold"


def _no_neighbours(sample: SectionStack) -> str:
    found = all((~np.isnan(values)).any() for values in sample.angles.values())
    return "" if found else "no neighbouring indexed points"


def _no_boundaries(sample: SectionStack) -> str:
    found = (sample.neighbour_angles > sample.threshold).any()
    return _no_neighbours(sample) or ("" if found else "no boundaries")


def _no_steep_boundaries(sample: SectionStack) -> str:
    found = (sample.neighbour_angles > 10.0).any()
    return _no_neighbours(sample) or ("" if found else "no boundaries of more than 10 degrees")


def _no_chords(sample: SectionStack) -> str:
    return "" if all(weight.sum() for _, weight in sample.chords) else "no chord between two boundaries along an axis"


def _no_grains(sample: SectionStack) -> str:
    return "" if (sample.grains.points > SPECK).any() else f"no whole grain of {SPECK + 1} points or more"


def _no_shapes(sample: SectionStack) -> str:
    return "" if (sample.grains.points >= SHAPED).any() else f"no whole grain of at least {SHAPED} points"


def _no_scatter(sample: SectionStack) -> str:
    spread = _in_grain_spread(sample)
    if np.isnan(spread):
        return "no neighbours less than 5 degrees apart"
    return "" if spread > 0.0 else "no scatter within grains"


def _no_links(sample: SectionStack) -> str:
    return "" if len(sample.kernel_average) else "no neighbours within the threshold"


def _no_phase(sample: SectionStack) -> str:
    return "" if sample.main_channels.any() else f"no phase with {100 * RARE:g} % of the points"


def _no_madogram(lag: int) -> Callable[[SectionStack], str]:
    def lacks(sample: SectionStack) -> str:
        if missing := _no_phase(sample):
            return missing
        values = sample.madogram(lag)[:, sample.main_channels]
        if not np.isfinite(values).any():
            return "no pairs of points of one phase"
        return "" if np.nanmax(values) > 0 else "a madogram of zero"

    return lacks


def _no_two_point(sample: SectionStack) -> str:
    missing = _no_phase(sample)
    return missing or ("" if sample.channel_scale[sample.main_channels].any() else "harmonics that are zero")


def metrics(lag: int = _REACH) -> tuple[Metric, ...]:
    """All metrics, in the order of the report.

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
            lambda a, b: _grain_size(a, b, False),
            _no_grains,
            of_grains=True,
        ),
        Metric(
            "grain_size_area",
            "grain size, KS, by area",
            "grains",
            lambda a, b: _grain_size(a, b, True),
            _no_grains,
            of_grains=True,
        ),
        Metric("aspect_ratio", "aspect ratio, KS", "grains", _aspect_ratio, _no_shapes, of_grains=True),
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
