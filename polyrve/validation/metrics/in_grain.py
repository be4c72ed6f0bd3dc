"""Metrics of the orientation scatter within grains."""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.stereology import SHAPED, kolmogorov_smirnov
from polyrve.validation.metrics.grains import no_shapes
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, relative_error
from polyrve.validation.section_stack import SectionStack

_ROUNDING = 1e-4
"""Degrees. A mean below it is rounding: equal orientations come out up to 2 sqrt(2 eps) = 2.4e-6 degrees apart."""

_IN_GRAIN = 5.0
"""Degrees. Neighbours less far apart lie in one grain; the usual threshold, whatever the one of a validation."""


def _in_grain_spread(sections: SectionStack) -> float:
    inside = sections.neighbour_angles[sections.neighbour_angles < _IN_GRAIN]
    mean = float(inside.mean()) if len(inside) else np.nan
    return 0.0 if mean < _ROUNDING else mean


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


def _kernel_average(reference: SectionStack, sections: SectionStack) -> float:
    a, b = reference.kernel_average, sections.kernel_average
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _mean_kernel_average(sections: SectionStack) -> float:
    return float(sections.kernel_average.mean()) if len(sections.kernel_average) else np.nan


def _no_scatter(sections: SectionStack) -> str:
    spread = _in_grain_spread(sections)
    if np.isnan(spread):
        return "no neighbours less than 5 degrees apart"
    return "" if spread > 0.0 else "no scatter within grains"


def _no_links(sections: SectionStack) -> str:
    return "" if len(sections.kernel_average) else "no neighbours within the threshold"


METRICS = (
    Metric(
        "in_grain_spread",
        "in-grain spread (below 5 deg), relative error",
        "in-grain",
        relative_error(_in_grain_spread),
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
        no_shapes,
        _mean_spread,
        "deg",
        of_grains=True,
    ),
)
