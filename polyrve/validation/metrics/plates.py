"""Metrics of plates: twins, lamellae and packets in their parents, where a map has them along a habit plane.

They are those of the map's own relations whose boundaries lie along the traces of their habit planes
(:mod:`polyrve.microstructure.habit_planes`); what is measured is in :mod:`polyrve.validation.plate_statistics`.
"""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.parents import ALIGNED
from polyrve.microstructure.section_measures import aspect_ratio_distance, grain_size_distance
from polyrve.microstructure.stereology import SHAPED, SPECK, kolmogorov_smirnov
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, relative_error
from polyrve.validation.section_stack import SectionStack


def _coherence(sections: SectionStack) -> float:
    """Share of the boundaries of plates along the traces of their habit planes."""
    deviations = sections.plates.deviations if sections.plated else np.zeros(0)
    return float((deviations <= ALIGNED).mean()) if len(deviations) else np.nan


def _deviation_distance(reference: SectionStack, sections: SectionStack) -> float:
    if not (reference.plated and sections.plated):
        return np.nan
    a, b = reference.plates.deviations, sections.plates.deviations
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _per_area(sections: SectionStack) -> float:
    return sections.plates.per_size if sections.plated else np.nan


def _thickness(sections: SectionStack) -> float:
    """Mean thickness, um, by the length of the traces."""
    plates = sections.plates
    total = plates.weight.sum()
    return float((plates.thickness * plates.weight).sum() / total) if total else np.nan


def _none_along(sections: SectionStack) -> str:
    return "" if sections.plated else "no special boundaries along the traces of a habit plane"


def _no_boundary(sections: SectionStack) -> str:
    return _none_along(sections) or ("" if len(sections.plates.deviations) else "no boundary of a plate")


def _no_plates(sections: SectionStack) -> str:
    return _none_along(sections) or ("" if sections.plates.per_size > 0 else "no whole plate")


def _no_thickness(sections: SectionStack) -> str:
    return _none_along(sections) or ("" if sections.plates.weight.any() else "no whole plate within its host")


def _no_parents(fewest: int) -> str:
    return f"no whole parent of at least {fewest} points"


def _no_sizes(sections: SectionStack) -> str:
    return _none_along(sections) or ("" if _whole(sections, SPECK + 1) else _no_parents(SPECK + 1))


def _no_shapes(sections: SectionStack) -> str:
    return _none_along(sections) or ("" if _whole(sections, SHAPED) else _no_parents(SHAPED))


def _whole(sections: SectionStack, fewest: int) -> bool:
    parents = sections.plates.parents
    return bool(parents.weight[parents.points >= fewest].any())


def _size_distance(reference: SectionStack, sections: SectionStack) -> float:
    if not (reference.plated and sections.plated):
        return np.nan
    return grain_size_distance(reference.plates.parents, sections.plates.parents, by_area=True)


def _shape_distance(reference: SectionStack, sections: SectionStack) -> float:
    if not (reference.plated and sections.plated):
        return np.nan
    return aspect_ratio_distance(reference.plates.parents, sections.plates.parents)


METRICS = (
    Metric(
        "plate_coherence",
        "boundaries of plates against traces of habit planes, KS",
        "boundaries",
        _deviation_distance,
        _no_boundary,
        _coherence,
        optional=True,
    ),
    Metric(
        "plate_number",
        "plates per area, relative error",
        "grains",
        relative_error(_per_area),
        _no_plates,
        _per_area,
        "1/um^2",
        of_grains=True,
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "plate_thickness",
        "mean thickness of plates, relative error",
        "grains",
        relative_error(lambda s: _thickness(s) if s.plated else np.nan),
        _no_thickness,
        lambda s: _thickness(s) if s.plated else np.nan,
        "um",
        of_grains=True,
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "parent_size",
        "size of parents with their plates, KS, by area",
        "grains",
        _size_distance,
        _no_sizes,
        of_grains=True,
        optional=True,
    ),
    Metric(
        "parent_aspect_ratio",
        "aspect ratio of parents with their plates, KS",
        "grains",
        _shape_distance,
        _no_shapes,
        of_grains=True,
        optional=True,
    ),
)
