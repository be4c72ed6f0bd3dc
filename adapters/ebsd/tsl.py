"""What EDAX (TSL) means by its numbers: symmetries, phases and the marks of points that are not indexed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.crystallography.phase import Phase

LAUE_OF_NUMBER: dict[int, str] = {
    1: "-1", 2: "2/m", 20: "2/m", 21: "2/m", 22: "mmm", 3: "-3", 32: "-3m", 4: "4/m", 42: "4/mmm", 6: "6/m",
    62: "6/mmm", 23: "m-3", 43: "m-3m",
    **dict.fromkeys((100, 101), "-1"), **dict.fromkeys((102, 103, 104, *range(132, 138)), "2/m"),
    **dict.fromkeys(range(105, 108), "mmm"), **dict.fromkeys(range(108, 111), "4/m"),
    **dict.fromkeys(range(111, 115), "4/mmm"), **dict.fromkeys((115, 116), "-3"),
    **dict.fromkeys(range(117, 120), "-3m"), **dict.fromkeys(range(120, 123), "6/m"),
    **dict.fromkeys(range(123, 127), "6/mmm"), **dict.fromkeys((127, 128), "m-3"),
    **dict.fromkeys(range(129, 132), "m-3m"),
}  # fmt: skip
"""Laue group of the symmetry numbers of TSL (rotation groups, below 100) and OIM (point groups, from 100)."""

NUMBER_OF_LAUE: dict[str, int] = {
    "-1": 1, "2/m": 20, "mmm": 22, "4/m": 4, "4/mmm": 42, "-3": 3, "-3m": 32, "6/m": 6, "6/mmm": 62, "m-3": 23,
    "m-3m": 43,
}  # fmt: skip
"""TSL's symmetry number of every Laue group; that of 2/m has b as the two-fold axis (2: c, 21: a)."""

UNINDEXED_ANGLE = 4.0 * np.pi
"""Euler angle, rad, of points that are not indexed."""


def solved(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Points with a solution by EDAX's marks (no angle of 4 pi, no CI below 0, not zero throughout), and the steps."""
    indexed = np.asarray((angles < UNINDEXED_ANGLE - 1e-3).all(axis=1))
    steps = []
    if "CI" in columns:
        indexed &= ~(columns["CI"] < 0)
    empty = without_data(angles, columns)
    if empty is not None:
        indexed &= ~empty
        steps.append(f"{np.count_nonzero(empty)} points with zero angles and zero quality taken as not indexed")
    return indexed, steps


def without_data(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Points that are zero throughout, where others have a quality: MTEX's points without data. None if none."""
    empty = (angles == 0).all(axis=1)
    if not empty.any():
        return None
    for values in columns.values():
        empty &= values == 0
    some = any((values != 0).any() for values in columns.values())
    return empty if some and empty.any() else None


def phase_numbers(path: Path, phase: np.ndarray, phases: Mapping[int, Phase], indexed: np.ndarray) -> np.ndarray:
    """EDAX's phase numbers of points as places in the sorted phases, from 1; 0 where not indexed.

    A negative number is not indexed; 0 is the phase of that number if the header has one, else the only phase, else
    not indexed (also in a file of one phase that has points of that phase's own number beside those of 0).
    """
    number = np.where(indexed, phase, -1.0)
    if len(number) and number.min() == number.max():
        number = number[:1]
    if not (np.abs(number) < 1e6).all() or (number != np.rint(number)).any():
        at = int(np.argmax(~(np.abs(number) < 1e6) | (number != np.rint(number))))
        raise FormatError(path, f"expected a whole phase number; got {phase[at]:g} at point {at}", "phase column")
    number = number.astype(np.int64)
    order = sorted(phases)
    place = {-1: 0, **{name: i for i, name in enumerate(order, start=1)}}
    present = np.flatnonzero(np.bincount(np.maximum(number, -1) + 1)) - 1
    if 0 not in phases:
        place[0] = 1 if len(phases) == 1 and order[0] not in present else 0
    result = np.zeros(len(number), dtype=np.int32)
    for value in present.tolist():
        if value < 0:
            continue
        if value not in place:
            raise FormatError(
                path,
                f"expected a phase of the header ({', '.join(map(str, order))}); got {value} at point "
                f"{int(np.argmax(number == value))}",
                "phase column",
            )
        result[number == value] = place[value]
    return np.broadcast_to(result, phase.shape).copy()
