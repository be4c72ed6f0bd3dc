"""The share of the largest grain of a section: a metric of one number."""

import numpy as np

from polyrve.validation.metrics.metric import Metric
from polyrve.validation.section_stack import SectionStack


def share(sections: SectionStack) -> float:
    """Return the mean over sections of the share that the largest grain has of what is indexed."""
    stack = sections.grain_ids.reshape(-1, *sections.grain_ids.shape[-2:])
    shares = []
    for ids in stack:
        sizes = np.bincount(ids[ids > 0])
        if sizes.sum():
            shares.append(sizes.max() / sizes.sum())
    return float(np.mean(shares)) if shares else np.nan


LARGEST_GRAIN = Metric(
    "largest_grain",
    "share of the largest grain, difference",
    "grains",
    compare=lambda reference, sections: abs(share(sections) - share(reference)),
    lacks=lambda sections: "" if np.isfinite(share(sections)) else "no grain",
    measure=share,
    of_grains=True,
)
