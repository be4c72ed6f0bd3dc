"""Windows of a map that are as large as a section: what two parts of one material differ by."""

from __future__ import annotations

from collections.abc import Sequence

QUANTILE = 0.95
"""A section is like a map if so large a share of the map's own windows are not more like it."""

_LARGEST, _FEWEST_POINTS = 0.7, 4


def window_shape(section: Sequence[int], reference: Sequence[int]) -> tuple[int, ...]:
    """Points of the windows that stand for a section, which may fill most of each side of the reference at most.

    Parameters
    ----------
    section, reference : sequence of int
        Points along each side.

    Returns
    -------
    tuple of int
    """
    sides = zip(section, reference, strict=True)
    return tuple(min(n, max(_FEWEST_POINTS, int(_LARGEST * whole))) for n, whole in sides)
