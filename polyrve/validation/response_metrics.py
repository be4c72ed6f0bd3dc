"""Metrics of the response: what stiffness and yield stress are by bounds, from the orientations alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from polyrve.crystallography.crystal import Crystal
from polyrve.microstructure.response_bounds import hill_moduli, taylor_stresses
from polyrve.validation.metrics import Metric
from polyrve.validation.pooled_orientations import PooledOrientations

_WIDEST = 0.05
"""Random orientations instead of a rolling, fibre or basal texture change modulus and flow stress by 4 to 30 %."""


def response_metrics(crystals: Sequence[Crystal]) -> tuple[Metric, ...]:
    """List the metrics of the response.

    Parameters
    ----------
    crystals : sequence of Crystal
        Of the phases, in their order.

    Returns
    -------
    tuple of Metric
        Relative errors, the worst of x, y and z.
    """

    def lacks(sections: PooledOrientations) -> str:
        return "" if (sections.phase_ids > 0).any() else "no indexed points"

    def lacks_slip(sections: PooledOrientations) -> str:
        used = [crystals[n - 1] for n in np.unique(sections.phase_ids[sections.phase_ids > 0])]
        weak = next((crystal.name for crystal in used if not len(crystal.vertices)), "")
        return lacks(sections) or (f"a phase, {weak}, without five independent slip systems" if weak else "")

    return (
        _metric("hill_modulus", "Young's modulus, Hill, relative error", hill_moduli, crystals, 1e9, "GPa", lacks),
        _metric(
            "taylor_stress", "yield stress, Taylor, relative error", taylor_stresses, crystals,
            1e6 if all(crystal.absolute for crystal in crystals) else 1.0,
            "MPa" if all(crystal.absolute for crystal in crystals) else "", lacks_slip,
        ),
    )  # fmt: skip


def _metric(
    key: str,
    title: str,
    along_axes: Callable[[np.ndarray, np.ndarray, Sequence[Crystal]], np.ndarray],
    crystals: Sequence[Crystal],
    scale: float,
    unit: str,
    lacks: Callable[[Any], str],
) -> Metric:
    @cache
    def values(sections: PooledOrientations) -> np.ndarray:
        if not (sections.phase_ids > 0).any():
            return np.full(3, np.nan)
        return along_axes(sections.quaternions, sections.phase_ids, crystals)

    return Metric(
        key, title, "response", lambda a, b: float(np.abs(values(b) / values(a) - 1.0).max()), lacks,
        lambda sections: float(values(sections).mean()) / scale, unit, one_point=True, widest=_WIDEST,
    )  # fmt: skip
