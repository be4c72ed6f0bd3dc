"""What EDAX (TSL) means by its numbers: symmetries, phases and the marks of points that are not indexed.

Specification: the NOTES block of OIM's .ang files; the symmetry numbers of TSL and OIM as MTEX's export of .ang files
has them (https://github.com/mtex-toolbox/mtex).
"""

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
_ROUNDING = 5e-3
"""Files give the mark 4 pi = 12.566 with two decimals at least."""


def marked(angles: np.ndarray) -> np.ndarray:
    """Find points with three angles of 4 pi, or of 720 degrees: EDAX's mark of a point that is not indexed.

    Parameters
    ----------
    angles : ndarray, shape (n, 3), rad or degrees

    Returns
    -------
    ndarray, shape (n,), bool
    """
    in_degrees = np.rad2deg(UNINDEXED_ANGLE)
    mark = np.abs(angles - UNINDEXED_ANGLE) < _ROUNDING
    return np.asarray((mark | (np.abs(angles - in_degrees) < _ROUNDING)).all(axis=1))


def solved(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[np.ndarray, list[str]]:
    """Find points with a solution by EDAX's marks: no angle of 4 pi or more, no CI below 0, not zero throughout.

    Parameters
    ----------
    angles : ndarray, shape (n, 3), rad
    columns : mapping of str to ndarray, shape (n, ...)
        Further data of the points, ``"CI"`` among them.

    Returns
    -------
    indexed : ndarray, shape (n,), bool
    steps : list of str
        What was taken as not indexed without a mark, for provenance.
    """
    indexed = np.asarray((angles < UNINDEXED_ANGLE - _ROUNDING).all(axis=1))
    steps = []
    if "CI" in columns:
        indexed &= ~(columns["CI"] < 0)
    empty = without_data(angles, columns)
    if empty is not None:
        indexed &= ~empty
        steps.append(f"{np.count_nonzero(empty)} points with zero angles and zero quality taken as not indexed")
    return indexed, steps


def without_data(angles: np.ndarray, columns: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Find points that are zero throughout, where others have a quality: MTEX's points without data.

    Parameters
    ----------
    angles : ndarray, shape (n, 3), rad
    columns : mapping of str to ndarray, shape (n, ...)

    Returns
    -------
    ndarray, shape (n,), bool, or None
        None where there is no such point.
    """
    empty = (angles == 0).all(axis=1)
    if not empty.any():
        return None
    for values in columns.values():
        empty &= values == 0
    some = any((values != 0).any() for values in columns.values())
    return empty if some and empty.any() else None


def phase_numbers(path: Path, phase: np.ndarray, phases: Mapping[int, Phase], indexed: np.ndarray) -> np.ndarray:
    """Return EDAX's phase numbers of points as places in the sorted phases, from 1; 0 where not indexed.

    A negative number is not indexed; 0 is the phase of that number if the header has one, else the only phase, else
    not indexed (also in a file of one phase that has points of that phase's own number beside those of 0).

    Parameters
    ----------
    path : Path
        For errors.
    phase : ndarray, shape (n,)
        Numbers of the file.
    phases : mapping of int to Phase
        By number.
    indexed : ndarray, shape (n,), bool
        Points that have a solution.

    Returns
    -------
    ndarray, shape (n,), int32

    Raises
    ------
    FormatError
        If a number is not whole, or of no phase.
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


def doubt(
    phase: np.ndarray,
    phases: Mapping[int, Phase],
    indexed: np.ndarray,
    columns: Mapping[str, np.ndarray],
    angles: np.ndarray,
) -> str:
    """Return what looks wrong with points of phase 0, which are not indexed by the rule, or "" where nothing does.

    Parameters
    ----------
    phase : ndarray, shape (n,)
        Numbers of the file.
    phases : mapping of int to Phase
    indexed : ndarray, shape (n,), bool
        Points that have a solution by their other marks.
    columns : mapping of str to ndarray, shape (n, ...)
        With ``"CI"``, where the file has it.
    angles : ndarray, shape (n, 3), rad

    Returns
    -------
    str
    """
    if 0 in phases or (len(phases) == 1 and not (phase == next(iter(phases))).any()):
        return ""
    odd = (phase == 0) & indexed & (angles != 0).any(axis=1)
    if "CI" in columns:
        odd &= columns["CI"] >= 0
    number = np.count_nonzero(odd)
    if not number:
        return ""
    confident = " and a confidence index that is not negative" if "CI" in columns else ""
    return (
        f"{number} points of phase 0 have angles{confident}, and are taken as not indexed by the rule for "
        f"{'several phases' if len(phases) > 1 else 'a phase of another number'}: are the phases numbered from 0?"
    )
