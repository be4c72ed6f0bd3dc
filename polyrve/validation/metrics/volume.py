"""Metrics of whole grains, where a volume is compared with a volume whose truth is known."""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.stereology import SHAPED, SPECK, kolmogorov_smirnov
from polyrve.validation.metrics.grains import no_grains, no_shapes
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, relative_error
from polyrve.validation.section_stack import SectionStack


def _sphericity(sections: SectionStack) -> float:
    """Mean surface of the sphere of a grain's volume over that of the grain, which staircases leave inexact."""
    grains = sections.grains
    kept = grains.points >= SHAPED
    area = sections.surfaces.area[grains.number[kept] - 1]
    sphericity = np.cbrt(36.0 * np.pi * grains.size[kept] ** 2) / area
    weight = grains.weight[kept]
    return float((sphericity * weight).sum() / weight.sum()) if weight.sum() else np.nan


def _neighbours(sections: SectionStack) -> tuple[np.ndarray, np.ndarray]:
    grains = sections.grains
    kept = grains.points > SPECK
    return sections.surfaces.neighbours[grains.number[kept] - 1], grains.weight[kept]


def _neighbour_distance(reference: SectionStack, sections: SectionStack) -> float:
    (a, first), (b, second) = _neighbours(reference), _neighbours(sections)
    return kolmogorov_smirnov(a, b, first, second)


def _mean_neighbours(sections: SectionStack) -> float:
    number, weight = _neighbours(sections)
    return float((number * weight).sum() / weight.sum()) if weight.sum() else np.nan


METRICS = (
    Metric(
        "sphericity",
        "mean sphericity of grains, relative error",
        "volume",
        relative_error(_sphericity),
        no_shapes,
        _sphericity,
        of_grains=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "grain_neighbours",
        "neighbours of grains, KS",
        "volume",
        _neighbour_distance,
        no_grains,
        _mean_neighbours,
        of_grains=True,
    ),
)
