"""Metrics of grains: number, sizes, shapes, chords."""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.section_measures import aspect_ratio_distance, chord_distances, grain_size_distance
from polyrve.microstructure.stereology import SHAPED, SPECK
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, relative_error
from polyrve.validation.metrics.texture import no_orientations
from polyrve.validation.section_stack import SectionStack


def _chords(reference: SectionStack, sections: SectionStack) -> float:
    return float(np.max(chord_distances(reference.chords, sections.chords)))


def _no_chords(sections: SectionStack) -> str:
    return "" if all(weight.sum() for _, weight in sections.chords) else "no chord between two boundaries along an axis"


def no_grains(sections: SectionStack) -> str:
    """Say that no whole grain has a size."""
    return "" if (sections.grains.points > SPECK).any() else f"no whole grain of {SPECK + 1} points or more"


def no_shapes(sections: SectionStack) -> str:
    """Say that no whole grain has a shape."""
    return "" if (sections.grains.points >= SHAPED).any() else f"no whole grain of at least {SHAPED} points"


def no_triple_points(sections: SectionStack) -> str:
    """Say that no three grains meet."""
    return "" if len(sections.triple_points.grains) else "no place where three grains meet"


METRICS = (
    Metric(
        "number_of_grains",
        "grains per area, relative error",
        "grains",
        relative_error(lambda s: s.grains_per_size),
        no_grains,
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
        no_grains,
        of_grains=True,
    ),
    Metric(
        "grain_size_area",
        "grain size, KS, by area",
        "grains",
        lambda a, b: grain_size_distance(a.grains, b.grains, by_area=True),
        no_grains,
        of_grains=True,
    ),
    Metric(
        "aspect_ratio",
        "aspect ratio, KS",
        "grains",
        lambda a, b: aspect_ratio_distance(a.grains, b.grains),
        no_shapes,
        of_grains=True,
    ),
    Metric("chord_length", "chord length, KS, worse direction", "grains", _chords, _no_chords, of_grains=True),
    Metric(
        "specks",
        "area in specks (1-2 points), difference",
        "grains",
        lambda a, b: abs(b.speck_share - a.speck_share),
        no_orientations,
        lambda s: s.speck_share,
    ),
    Metric(
        "triple_points",
        "triple points per area, relative error",
        "grains",
        relative_error(lambda s: s.triples_per_size),
        no_triple_points,
        lambda s: s.triples_per_size,
        "1/um^2",
        of_grains=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "copies",
        "triple points that occur twice, difference of shares",
        "grains",
        lambda a, b: abs(b.repeated_share - a.repeated_share),
        no_triple_points,
        lambda s: s.repeated_share,
        of_grains=True,
    ),
)
