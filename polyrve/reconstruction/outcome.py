"""What a user should know of a run that came to its end: a loss that stayed high, phases that the maps do not have."""

from __future__ import annotations

import numpy as np

from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.placed import Given, each, placed

HIGH_LOSS = 0.1
"""A run that ends above has not found its map.

Runs of the studies in docs end between 4e-4 and 2e-2; one that had collapsed to a single phase stood at 0.88.
"""

FEWEST_ITERATIONS = 20
"""Of fewer iterations no low loss is expected: they are a try."""

PHASES_OFF = 0.1
"""Half L1 difference of phase fractions: so much of the volume is of a wrong phase.

Chosen. Windows of 26 x 28 points of a map of two phases, with some 20 grains, differ from it by 0.06 in the median.
"""


def remarks(maps: Given[OrientationMap], volume: OrientationVolume, loss: float, iterations: int) -> tuple[str, ...]:
    """Say what is wrong with the volume of a run.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to; none where a run had targets alone.
    volume : OrientationVolume
    loss : float
        Lowest loss on the finest grid.
    iterations : int
        Iterations on all grids.

    Returns
    -------
    tuple of str
        Sentences; empty where nothing is wrong.
    """
    found = list(remarks_of_loss(loss, iterations))
    if maps and len(volume.phases) > 1:
        expected = np.mean([_phase_fractions(field) for _, field in each(placed(maps))], axis=0)
        fractions = _phase_fractions(volume)
        if np.abs(fractions - expected).sum() / 2.0 > PHASES_OFF:
            named = (
                ", ".join(f"{phase.name} {share:.1%}" for phase, share in zip(volume.phases, side, strict=True))
                for side in (expected, fractions)
            )
            found.append(
                f"phase fractions: expected those of the maps, {next(named)}; got {next(named)}: try another initial "
                "field, or leave rare phases out"
            )
    return tuple(found)


def remarks_of_loss(loss: float, iterations: int) -> tuple[str, ...]:
    """Say whether the loss of a run stayed high; parameters as for :func:`remarks`."""
    if loss <= HIGH_LOSS or iterations < FEWEST_ITERATIONS:
        return ()
    return (
        f"loss: expected at most {HIGH_LOSS} at the end of a run; got {loss:.2g}: the volume is unlike the map, "
        "validate it, and try another initial field or more iterations",
    )


def _phase_fractions(field: OrientationField) -> np.ndarray:
    counts = np.bincount(field.phase_ids.ravel(), minlength=len(field.phases) + 1)[1:]
    return counts / max(counts.sum(), 1)
