"""Several maps as one: below or beside each other, so far apart that no pair of points reaches from one into another.

Every estimator that leaves unindexed points out then sums over the pairs of all maps and divides by their number, which
is what pooling by pairs means. A map with few pairs at a lag counts little there, and one without any not at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyrve.microstructure.fields import OrientationMap


def montage(maps: Sequence[OrientationMap], gap: int) -> OrientationMap:
    """Put maps into one, with unindexed points between them.

    Parameters
    ----------
    maps : sequence of OrientationMap
        Of the same phases and steps.
    gap : int
        Rows or columns of unindexed points between two maps, at least the largest lag.

    Returns
    -------
    OrientationMap
        A single map as it is; else a map without properties that does not repeat across its faces, as few points as
        one row or one column of maps takes.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> specimen = make_specimen((4, 10, 12), grain_size=4.0, seed=1)
    >>> both = montage([specimen.field.section(0, 0), specimen.field.section(0, 2)], gap=3)
    >>> both.shape, int(both.indexed.sum())
    ((10, 27), 240)
    """
    first, *others = maps
    if not others:
        return first
    heights, widths = np.array([one.shape for one in maps]).T
    room = gap * len(others)
    stacked = (int(heights.sum()) + room, int(widths.max()))
    in_a_row = (int(heights.max()), int(widths.sum()) + room)
    shape = stacked if np.prod(stacked) < np.prod(in_a_row) else in_a_row
    quaternions = np.zeros((*shape, 4))
    quaternions[..., 0] = 1.0
    phase_ids = np.zeros(shape, dtype=np.int32)
    row = column = 0
    for one in maps:
        place = slice(row, row + one.shape[0]), slice(column, column + one.shape[1])
        quaternions[place], phase_ids[place] = one.quaternions, one.phase_ids
        if shape is stacked:
            row += one.shape[0] + gap
        else:
            column += one.shape[1] + gap
    return OrientationMap(quaternions, phase_ids, first.phases, first.spacing, frame=first.frame)
