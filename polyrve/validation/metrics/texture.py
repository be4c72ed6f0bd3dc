"""Metrics of the texture: orientations without regard to where they lie."""

from __future__ import annotations

import numpy as np

from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, half_l1, histogram, relative_error
from polyrve.validation.pooled_orientations import PooledOrientations

BOUNDARY_BINS = np.arange(0.0, 180.1, 5.0)
"""Degrees. Classes of boundaries; of narrower ones a small map fills few, wider ones mix twins with what is near."""


def random_histogram(sections: PooledOrientations) -> np.ndarray:
    """Return the shares of the disorientations of random pairs above the threshold in bins of 5 degrees."""
    angles = sections.random_angles
    return histogram(angles[angles > sections.threshold], BOUNDARY_BINS)


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


def no_orientations(sections: PooledOrientations) -> str:
    """Say that nothing is indexed."""
    return "" if (sections.phase_ids > 0).any() else "no indexed points"


def no_random_pairs(sections: PooledOrientations) -> str:
    """Say that no random pairs are beyond the threshold."""
    return "" if (sections.random_angles > sections.threshold).any() else "no random pairs beyond the threshold"


METRICS = (
    Metric(
        "odf_5",
        "ODF, misplaced volume (5 deg kernel)",
        "texture",
        lambda a, b: half_l1(a.odf_5, b.odf_5),
        no_orientations,
        one_point=True,
    ),
    Metric(
        "odf_7",
        "ODF, misplaced volume (7.5 deg kernel)",
        "texture",
        lambda a, b: half_l1(a.odf_7, b.odf_7),
        no_orientations,
        one_point=True,
    ),
    Metric(
        "pole_figures",
        "pole figures, half L1, worst family",
        "texture",
        _poles,
        no_orientations,
        one_point=True,
    ),
    Metric(
        "texture_index",
        "texture index, relative error",
        "texture",
        relative_error(lambda s: s.texture_index),
        no_orientations,
        lambda s: s.texture_index,
        one_point=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "random_disorientation",
        "disorientation of random pairs, half L1",
        "texture",
        lambda a, b: half_l1(random_histogram(a), random_histogram(b)),
        no_random_pairs,
        one_point=True,
    ),
)
