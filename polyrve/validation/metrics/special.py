"""Metrics of special boundaries: twins, coincidence boundaries, orientation relationships between phases.

The relations are those of the map's own boundaries (:func:`polyrve.microstructure.special_boundaries.find_relations`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polyrve.microstructure.boundary_relations import BoundaryRelations
from polyrve.microstructure.stereology import kolmogorov_smirnov
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, relative_error
from polyrve.validation.section_stack import SectionStack

_NONE = BoundaryRelations((), {}, {})


def _related(sections: SectionStack) -> BoundaryRelations:
    return _NONE if sections.related is None else sections.related


def _counts(sections: SectionStack) -> tuple[np.ndarray, np.ndarray]:
    """Steps of each relation, and of all boundaries between its phases."""
    related = _related(sections)
    number = np.zeros(len(related.relations) + 1, dtype=np.int64)
    for values in related.number.values():
        number += np.bincount(values.ravel(), minlength=len(number))
    contacts = sections.contacts
    phases = [phase for phase in sections.phases]
    between = np.array(
        [
            contacts[tuple(sorted(phases.index(phase) for phase in (relation.first, relation.second)))]
            for relation in related.relations
        ],
        dtype=np.int64,
    )
    return number[1:], between


def _share(twins: bool) -> Callable[[SectionStack], float]:
    """Share of the boundaries within phases, or between phases, that stand in a relation."""

    def share(sections: SectionStack) -> float:
        number, _ = _counts(sections)
        asked = np.array([relation.twin == twins for relation in _related(sections).relations], dtype=bool)
        within = float(np.trace(sections.contacts))
        total = within if twins else sections.contacts.sum() - within
        return float(number[asked].sum() / total) if total else np.nan

    return share


def _worst(reference: SectionStack, sections: SectionStack) -> float:
    errors = []
    shares = []
    for side in (reference, sections):
        number, between = _counts(side)
        shares.append(np.divide(number, between, out=np.full(len(number), np.nan), where=between > 0))
    expected, found = shares
    for a, b in zip(expected, found, strict=True):
        if a > 0 and np.isfinite(b):
            errors.append(abs(b - a) / a)
    return max(errors, default=np.nan)


def _deviations(sections: SectionStack) -> np.ndarray:
    values = [kept[~np.isnan(kept)] for kept in _related(sections).deviation.values()]
    return np.concatenate(values) if values else np.zeros(0)


def _deviation_distance(reference: SectionStack, sections: SectionStack) -> float:
    a, b = _deviations(reference), _deviations(sections)
    return kolmogorov_smirnov(a, b, np.ones(len(a)), np.ones(len(b)))


def _no_special(kind: str, *, twins: bool) -> Callable[[SectionStack], str]:
    share = _share(twins)

    def lacks(sections: SectionStack) -> str:
        return "" if share(sections) > 0 else f"no special boundaries {kind}"

    return lacks


def _no_relation(sections: SectionStack) -> str:
    return "" if len(_deviations(sections)) else "no special boundaries"


METRICS = (
    Metric(
        "special_share",
        "special boundaries within phases, relative error",
        "boundaries",
        relative_error(_share(True)),
        _no_special("within phases", twins=True),
        _share(True),
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "special_between_phases",
        "special boundaries between phases, relative error",
        "boundaries",
        relative_error(_share(False)),
        _no_special("between phases", twins=False),
        _share(False),
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "special_worst",
        "share of each special relation, worst relative error",
        "boundaries",
        _worst,
        _no_relation,
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "special_deviation",
        "deviation from special relations, KS",
        "boundaries",
        _deviation_distance,
        _no_relation,
        optional=True,
    ),
)
