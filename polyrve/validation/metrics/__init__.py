"""The metrics by which sections are compared with a map, a module for each group of them.

A metric is one function and one row: of ``METRICS`` in the module of its subject.
"""

from __future__ import annotations

from polyrve.validation.metrics import boundaries, grains, in_grain, phases, place, plates, special, texture, volume
from polyrve.validation.metrics.boundaries import boundary_histogram
from polyrve.validation.metrics.correlation import REACH, correlation_metrics, madogram_error, reach, two_point_error
from polyrve.validation.metrics.metric import Metric, half_l1
from polyrve.validation.metrics.texture import BOUNDARY_BINS, random_histogram

__all__ = [
    "BOUNDARY_BINS",
    "Metric",
    "boundary_histogram",
    "half_l1",
    "madogram_error",
    "metrics",
    "random_histogram",
    "reach",
    "two_point_error",
]


def metrics(lag: int = REACH, *, volumes: bool = False) -> tuple[Metric, ...]:
    """List all metrics, in the order of the report.

    Parameters
    ----------
    lag : int
        Largest lag along each axis of the correlation metrics, points.
    volumes : bool
        Whether a volume is compared with a volume, and not sections with a map.

    Returns
    -------
    tuple of Metric
    """
    of_place = volume.METRICS if volumes else (*place.METRICS, *correlation_metrics(lag))
    of_plates = () if volumes else plates.METRICS
    return (
        *texture.METRICS,
        *boundaries.METRICS,
        *special.METRICS,
        *grains.METRICS,
        *of_plates,
        *phases.METRICS,
        *of_place,
        *in_grain.METRICS,
    )
