"""Metrics of place: whether a section is the same everywhere, told by bands of it against each other."""

from __future__ import annotations

from collections.abc import Callable

from polyrve.validation.metrics.boundaries import no_boundaries
from polyrve.validation.metrics.metric import Metric
from polyrve.validation.metrics.texture import no_orientations
from polyrve.validation.section_stack import SectionStack


def _difference(measure: Callable[[SectionStack], float]) -> Callable[[SectionStack, SectionStack], float]:
    return lambda reference, sections: abs(measure(sections) - measure(reference))


METRICS = (
    Metric(
        "place_boundaries",
        "boundaries of bands, spread, difference",
        "place",
        _difference(lambda s: s.boundary_spread_of_bands),
        no_boundaries,
        lambda s: s.boundary_spread_of_bands,
    ),
    Metric(
        "place_orientations",
        "phases and orientations of bands, spread, difference",
        "place",
        _difference(lambda s: s.channel_spread_of_bands),
        no_orientations,
        lambda s: s.channel_spread_of_bands,
    ),
)
