"""Rows of numbers as text, in blocks, without the cost of a call per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import TextIO

import numpy as np

_ROWS = 1 << 12


def blocks(rows: int) -> Iterator[slice]:
    """Slices of some thousand rows each, in order: what is worked out block by block takes little memory."""
    for start in range(0, rows, _ROWS):
        yield slice(start, min(start + _ROWS, rows))


def write_rows(file: TextIO, line: str, columns: Sequence[np.ndarray]) -> None:
    """Write one line per row.

    Parameters
    ----------
    file : text file, open for writing
    line : str
        ``%`` format of a line without its end, one place per column.
    columns : sequence of ndarray, shape (n,)
    """
    line += "\n"
    for rows in blocks(len(columns[0])):
        block = [column[rows].tolist() for column in columns]
        file.write("".join([line % row for row in zip(*block, strict=True)]))


def write_numbers(file: TextIO, numbers: np.ndarray, per_line: int, separator: str = " ") -> None:
    """Write integers, so many per line."""
    step = max(1, _ROWS // per_line) * per_line
    for start in range(0, len(numbers), step):
        texts = [str(number) for number in numbers[start : start + step].tolist()]
        lines = [separator.join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)]
        file.write("\n".join(lines) + "\n")


def decimals(numbers: np.ndarray) -> np.ndarray:
    """Numbers between -1 and 1 with 16 decimals, all at once.

    Parameters
    ----------
    numbers : ndarray, shape (...), float64

    Returns
    -------
    ndarray, shape (..., 19), uint8
        Characters: a minus or a blank, a digit, the point and 16 digits.
    """
    rest = np.rint(np.abs(numbers) * 1e16).astype(np.int64)
    text = np.empty((*rest.shape, 19), dtype=np.uint8)
    text[..., 0] = np.where(numbers < 0, ord("-"), ord(" "))
    text[..., 2] = ord(".")
    for place, power in zip((1, 3, 7, 11, 15), (10**16, 10**12, 10**8, 10**4, 1), strict=True):
        group = rest // power
        rest -= group * power
        if place == 1:
            text[..., 1] = group + ord("0")
        else:
            text[..., place : place + 4] = _four_digits()[group]
    return text


@cache
def _four_digits() -> np.ndarray:
    """Characters of 0000 ... 9999, shape (10000, 4)."""
    return np.frombuffer(b"".join(b"%04d" % number for number in range(10_000)), dtype=np.uint8).reshape(-1, 4)
