"""Metrics by phase: fractions, grains and boundaries of each, contacts between them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from polyrve.microstructure.section_measures import aspect_ratio_distance, grain_size_distance
from polyrve.microstructure.stereology import SHAPED, SPECK
from polyrve.validation.metrics.metric import WIDEST_ERROR, Metric, half_l1, histogram
from polyrve.validation.metrics.texture import BOUNDARY_BINS
from polyrve.validation.pooled_orientations import PooledOrientations
from polyrve.validation.section_stack import RARE, GrainTable, SectionStack


def _one_phase(sections: PooledOrientations) -> str:
    shares = sections.phase_shares
    if not shares.any():
        return "no indexed points"
    return "" if (shares > 0).sum() > 1 else "one phase alone"


def _common(reference: SectionStack, sections: SectionStack) -> np.ndarray:
    """Phases, from 1, that are not rare in the reference and occur in both."""
    return np.flatnonzero((reference.phase_shares >= RARE) & (sections.phase_shares > 0)) + 1


def _worst_of_phases(
    distance: Callable[[SectionStack, SectionStack, int], float],
) -> Callable[[SectionStack, SectionStack], float]:
    """Return the comparison by the phase that differs most; NaN where there is one phase alone."""

    def compare(reference: SectionStack, sections: SectionStack) -> float:
        if _one_phase(reference):
            return np.nan
        values = [distance(reference, sections, phase) for phase in _common(reference, sections)]
        return max((value for value in values if np.isfinite(value)), default=np.nan)

    return compare


def _rarest(reference: PooledOrientations, sections: PooledOrientations) -> float:
    expected, found = reference.phase_shares, sections.phase_shares
    kept = expected >= RARE
    if (expected > 0).sum() < 2:
        return np.nan
    return float(np.max(np.abs(found[kept] / expected[kept] - 1.0), initial=0.0))


def _sizes(reference: SectionStack, sections: SectionStack, phase: int) -> float:
    a, b = reference.grains.of_phase(phase), sections.grains.of_phase(phase)
    return grain_size_distance(a, b, by_area=True)


def _mean_size(grains: GrainTable) -> float:
    kept = grains.points > SPECK
    weight = grains.weight[kept]
    return float((grains.size[kept] * weight).sum() / weight.sum()) if weight.sum() else np.nan


def _mean_sizes(reference: SectionStack, sections: SectionStack, phase: int) -> float:
    expected, found = (_mean_size(side.grains.of_phase(phase)) for side in (reference, sections))
    return abs(found / expected - 1.0)


def _shapes(reference: SectionStack, sections: SectionStack, phase: int) -> float:
    return aspect_ratio_distance(reference.grains.of_phase(phase), sections.grains.of_phase(phase))


def _disorientations(reference: SectionStack, sections: SectionStack, phase: int) -> float:
    a, b = (histogram(side.boundary_angles_within(phase), BOUNDARY_BINS) for side in (reference, sections))
    return half_l1(a, b)


def _contact_shares(sections: SectionStack) -> np.ndarray:
    total = sections.contacts.sum()
    return sections.contacts / total if total else np.full(sections.contacts.shape, np.nan)


def _contacts(reference: SectionStack, sections: SectionStack) -> float:
    return np.nan if _one_phase(reference) else half_l1(_contact_shares(reference), _contact_shares(sections))


def _no_contacts(sections: SectionStack) -> str:
    return _one_phase(sections) or ("" if sections.contacts.sum() else "no boundaries")


def _no_grains_of_phases(fewest: int) -> Callable[[SectionStack], str]:
    def lacks(sections: SectionStack) -> str:
        found = (sections.grains.points >= fewest).any()
        return _one_phase(sections) or ("" if found else f"no whole grain of at least {fewest} points in both")

    return lacks


METRICS = (
    Metric(
        "phase_fractions",
        "phase fractions, half L1",
        "phases",
        lambda a, b: np.nan if _one_phase(a) else half_l1(a.phase_shares, b.phase_shares),
        _one_phase,
        one_point=True,
        optional=True,
    ),
    Metric(
        "phase_fraction_worst",
        "phase fractions, worst relative error",
        "phases",
        _rarest,
        _one_phase,
        one_point=True,
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "phase_contacts",
        "boundaries by the phases that meet, half L1",
        "phases",
        _contacts,
        _no_contacts,
        optional=True,
    ),
    Metric(
        "phase_boundaries",
        "disorientation of boundaries, half L1, worst phase",
        "phases",
        _worst_of_phases(_disorientations),
        _no_contacts,
        optional=True,
    ),
    Metric(
        "phase_grain_size",
        "grain size, KS, by area, worst phase",
        "phases",
        _worst_of_phases(_sizes),
        _no_grains_of_phases(SPECK + 1),
        of_grains=True,
        optional=True,
    ),
    Metric(
        "phase_mean_size",
        "mean grain size, relative error, worst phase",
        "phases",
        _worst_of_phases(_mean_sizes),
        _no_grains_of_phases(SPECK + 1),
        of_grains=True,
        optional=True,
        widest=WIDEST_ERROR,
    ),
    Metric(
        "phase_aspect_ratio",
        "aspect ratio, KS, worst phase",
        "phases",
        _worst_of_phases(_shapes),
        _no_grains_of_phases(SHAPED),
        of_grains=True,
        optional=True,
    ),
)
