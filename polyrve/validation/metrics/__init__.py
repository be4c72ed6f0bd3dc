"""The metrics by which sections are compared with a map, a module for each group of them.

A metric is one function and one row: of ``METRICS`` in the module of its subject. Another package gives its own through
the entry-point group ``polyrve.metrics``; each entry names a :class:`~polyrve.validation.metrics.metric.Metric`::

    [project.entry-points."polyrve.metrics"]
    largest_grain = "my_package.grains:LARGEST"
"""

from __future__ import annotations

from functools import cache

from polyrve.backend import offered
from polyrve.validation.metrics import boundaries, grains, in_grain, phases, place, plates, special, texture, volume
from polyrve.validation.metrics.boundaries import boundary_histogram
from polyrve.validation.metrics.correlation import REACH, correlation_metrics, madogram_error, reach, two_point_error
from polyrve.validation.metrics.metric import Metric, half_l1
from polyrve.validation.metrics.texture import BOUNDARY_BINS, random_histogram
from polyrve.validation.result import GROUPS

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
    """List all metrics, in the order of the report; those of other packages follow polyrve's own.

    Parameters
    ----------
    lag : int
        Largest lag along each axis of the correlation metrics, points.
    volumes : bool
        Whether a volume is compared with a volume, and not sections with a map.

    Returns
    -------
    tuple of Metric

    Warns
    -----
    UserWarning
        If a metric of another package cannot be loaded or has the key of another; it is left out.
    """
    return (*_ours(lag, volumes), *_of_other_packages())


def _ours(lag: int, volumes: bool) -> tuple[Metric, ...]:
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


@cache
def _of_other_packages() -> tuple[Metric, ...]:
    rows: list[Metric] = []
    ours = {row.key for volumes in (False, True) for row in _ours(REACH, volumes)}

    def accept(row: Metric) -> None:
        offered.check(row, Metric, "key", {*ours, *(other.key for other in rows)})
        if row.group not in GROUPS:
            raise ValueError(f"group: expected one of {', '.join(GROUPS)}; got {row.group!r}")
        rows.append(row)

    offered.take("polyrve.metrics", "metric", accept, stacklevel=3)
    return tuple(rows)
