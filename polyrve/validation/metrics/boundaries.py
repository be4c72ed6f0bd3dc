"""Metrics of boundaries: how many there are, and their disorientations."""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.stereology import kolmogorov_smirnov
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, half_l1, histogram, relative_error
from polyrve.validation.metrics.texture import BOUNDARY_BINS, no_random_pairs, random_histogram
from polyrve.validation.section_stack import SectionStack

_STEEP = 10.0
"""Degrees. Boundaries of the boundary fraction: well above what spread within grains gives, so that it counts none."""

NEIGHBOUR_BINS = np.arange(0.0, 180.1, 2.5)
"""Degrees. Classes of neighbours, many in a grain, so half as wide: two lie below the usual threshold."""


def neighbour_histogram(sections: SectionStack) -> np.ndarray:
    """Return the shares of the disorientations of neighbours in bins of 2.5 degrees; the last for other phases."""
    return histogram(sections.neighbour_angles, NEIGHBOUR_BINS)


def boundary_histogram(sections: SectionStack) -> np.ndarray:
    """Return the shares of the disorientations of boundaries in bins of 5 degrees; the last for phase boundaries."""
    angles = sections.neighbour_angles
    return histogram(angles[angles > sections.threshold], BOUNDARY_BINS)


def _correlation(sections: SectionStack) -> np.ndarray:
    return boundary_histogram(sections) - random_histogram(sections)


def _boundary_fraction(sections: SectionStack) -> float:
    return sections.boundary_share(_STEEP)


def no_neighbours(sections: SectionStack) -> str:
    """Say that no two neighbours are indexed."""
    found = all((~np.isnan(values)).any() for values in sections.angles.values())
    return "" if found else "no neighbouring indexed points"


def no_boundaries(sections: SectionStack) -> str:
    """Say that no neighbours are beyond the threshold."""
    found = (sections.neighbour_angles > sections.threshold).any()
    return no_neighbours(sections) or ("" if found else "no boundaries")


def _no_steep_boundaries(sections: SectionStack) -> str:
    found = (sections.neighbour_angles > _STEEP).any()
    return no_neighbours(sections) or ("" if found else "no boundaries of more than 10 degrees")


def _angle_distance(reference: SectionStack, sections: SectionStack) -> float:
    a, b = (side.neighbour_angles[side.neighbour_angles > side.threshold] for side in (reference, sections))
    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _no_angles(sections: SectionStack) -> str:
    angles = sections.neighbour_angles[sections.neighbour_angles > sections.threshold]
    return no_boundaries(sections) or ("" if np.isfinite(angles).any() else "no boundaries within a phase")


def _raggedness(reference: SectionStack, sections: SectionStack) -> float:
    return abs(sections.spurs - reference.spurs)


def _run_distance(reference: SectionStack, sections: SectionStack) -> float:
    (a, first), (b, second) = reference.straight_runs, sections.straight_runs
    return kolmogorov_smirnov(a, b, a * first, b * second)


def _no_runs(sections: SectionStack) -> str:
    return no_boundaries(sections) or ("" if len(sections.straight_runs[0]) else "no boundary within its border")


def _elongation_difference(reference: SectionStack, sections: SectionStack) -> float:
    return float(np.max(np.abs(sections.elongation - reference.elongation)))


def _no_elongation(sections: SectionStack) -> str:
    return "" if np.isfinite(sections.elongation).all() else "no boundaries along an axis or diagonal"


METRICS = (
    Metric(
        "neighbour_disorientation",
        "disorientation of neighbours, half L1",
        "boundaries",
        lambda a, b: half_l1(neighbour_histogram(a), neighbour_histogram(b)),
        no_neighbours,
    ),
    Metric(
        "boundary_disorientation",
        "disorientation of boundaries, half L1",
        "boundaries",
        lambda a, b: half_l1(boundary_histogram(a), boundary_histogram(b)),
        no_boundaries,
    ),
    Metric(
        "correlated_uncorrelated",
        "boundaries minus random pairs, half L1",
        "boundaries",
        lambda a, b: half_l1(_correlation(a), _correlation(b)),
        lambda s: no_boundaries(s) or no_random_pairs(s),
    ),
    Metric(
        "boundary_fraction",
        "boundary fraction (10 deg), relative error",
        "boundaries",
        relative_error(_boundary_fraction),
        _no_steep_boundaries,
        _boundary_fraction,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "boundary_length",
        "boundary length per area, relative error",
        "boundaries",
        relative_error(lambda s: s.boundary_per_size),
        no_boundaries,
        lambda s: s.boundary_per_size,
        "1/um",
        widest=WIDEST_ERROR,
    ),
    Metric("boundary_angle", "disorientation of boundaries, KS", "boundaries", _angle_distance, _no_angles),
    Metric(
        "raggedness",
        "points that stick out per boundary length, difference",
        "boundaries",
        _raggedness,
        no_boundaries,
        lambda s: s.spurs,
        "1/step",
    ),
    Metric("straight_steps", "straight steps along the voxel axes, KS", "boundaries", _run_distance, _no_runs),
    Metric("elongation", "direction of elongation, difference", "boundaries", _elongation_difference, _no_elongation),
)
