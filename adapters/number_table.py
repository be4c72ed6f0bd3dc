"""Tables of numbers in text files, read fast.

Lines of one fixed width, as EBSD software writes them, are converted column by column of characters for all lines at
once: the digits of a field make an integer below 2**53 and its decimal point a power of ten, whose quotient is the
correctly rounded number that ``float()`` gives. Everything else goes through :func:`numpy.loadtxt`.
"""

from __future__ import annotations

import io
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError

_CHUNK, _SAMPLE, _BLOCK = 1 << 17, 1 << 12, 1 << 8
_MAX_WIDTH = 16
_NEWLINE, _TAB, _SPACE, _MINUS, _POINT, _ZERO = (ord(c) for c in "\n\t -.0")
_PRINTED, _RETURN, _LINE_END = re.compile(rb"\S"), re.compile(rb"\r"), re.compile(rb"\n")


def read_table(data: bytes | memoryview, path: Path, first_line: int, start: int = 0) -> np.ndarray:
    """Numbers of a text.

    Parameters
    ----------
    data : bytes or memoryview
        Lines of numbers separated by blanks or tabs; empty lines are allowed.
    path : Path
        The file, for errors.
    first_line : int
        Number of the first line of numbers in the file, from 1, for errors.
    start : int
        Where the numbers begin in `data`.

    Returns
    -------
    ndarray, shape (n, columns), float64

    Raises
    ------
    FormatError
        If there is no line, a line has another number of columns than the first, or a field is not a number.
    """
    end = _LINE_END.search(data, start)
    if end is not None and _RETURN.search(data, start, end.end()) is not None:
        data, start = _with_newlines(data, start), 0
    if _PRINTED.search(data, start) is None:
        raise FormatError(path, "expected lines of numbers after the header; got none", f"line {first_line}")
    table = _fixed_width(data, start)
    if table is None:
        body = _with_newlines(data, start)
        try:
            table = np.loadtxt(io.BytesIO(body), dtype=np.float64, comments=None, ndmin=2)
        except (ValueError, UnicodeDecodeError):
            raise _fault(body, path, first_line) from None
    return table


def _with_newlines(data: bytes | memoryview, start: int) -> bytes:
    return bytes(data[start:]).replace(b"\r\n", b"\n")


def _fixed_width(data: bytes | memoryview, start: int) -> np.ndarray | None:
    end = _LINE_END.search(data, start)
    width = 0 if end is None else end.end() - start
    if width < 2:
        return None
    rows = (len(data) - start) // width
    if _PRINTED.search(data, start + rows * width) is not None:
        return None
    lines = np.frombuffer(data, dtype=np.uint8, count=rows * width, offset=start).reshape(rows, width)
    columns = len(_fields(_characters(lines[:_SAMPLE])))
    table = np.empty((columns, rows))

    def convert(begin: int) -> bool:
        characters = _characters(lines[begin : begin + _CHUNK])
        fields = _fields(characters)
        return len(fields) == columns and _convert(characters, lines[0], fields, table[:, begin : begin + _CHUNK])

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        alike = all(pool.map(convert, range(0, rows, _CHUNK)))
    return table.T if alike and columns else None


def _characters(lines: np.ndarray) -> np.ndarray:
    """Lines, shape (rows, width), as columns, shape (width, rows); in blocks that fit in the processor's cache."""
    characters = np.empty(lines.shape[::-1], dtype=np.uint8)
    for begin in range(0, len(lines), _BLOCK):
        characters[:, begin : begin + _BLOCK] = lines[begin : begin + _BLOCK].T
    return characters


def _fields(characters: np.ndarray) -> list[tuple[int, int]]:
    """First position and one beyond the last of every field, of characters, shape (width, rows); none if not alike."""
    if not (characters[-1] == _NEWLINE).all():
        return []
    gap = _is_blank(characters[:, 0])
    for position in np.flatnonzero(gap):
        gap[position] = _is_blank(characters[position]).all()
    gap[-1] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[True], gap]).astype(np.int8))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _is_blank(characters: np.ndarray) -> np.ndarray:
    return (characters == _SPACE) | (characters == _TAB)


def _convert(characters: np.ndarray, first: np.ndarray, fields: list[tuple[int, int]], values: np.ndarray) -> bool:
    """Fill in the values, shape (columns, rows), of fields; False where the lines are not alike."""
    for value, (begin, end) in zip(values, fields, strict=True):
        points = np.flatnonzero(first[begin:end] == _POINT)
        if end - begin > _MAX_WIDTH or len(points) > 1:
            return False
        digits = characters[begin:end] - np.uint8(_ZERO)
        decimals = 0
        if len(points):
            point = int(points[0])
            decimals = len(digits) - 1 - point
            if not (characters[begin + point] == _POINT).all():
                return False
            digits = np.concatenate([digits[:point], digits[point + 1 :]])
        negative = _clear_signs(digits, len(digits) - max(decimals, 1))
        if negative is None or not len(digits):
            return False
        np.divide(_whole_numbers(digits), 10.0**decimals, out=value)
        if negative.any():
            np.negative(value, out=value, where=negative)
    return True


def _clear_signs(digits: np.ndarray, leading: int) -> np.ndarray | None:
    """Set blanks and a minus before the first digit to zero, where they may lie in the first `leading` positions.

    Returns where there was a minus, shape () or (rows,), and None where anything else is no digit.
    """
    negative: np.ndarray = np.zeros((), dtype=bool)
    before: np.ndarray = np.ones((), dtype=bool)
    for position, largest in enumerate(digits.max(axis=1)):
        row = digits[position]
        if largest <= 9:
            before = np.zeros((), dtype=bool)
            continue
        other = row > 9
        minus = row == np.uint8(_MINUS - _ZERO & 0xFF)
        blank = (row == np.uint8(_SPACE - _ZERO & 0xFF)) | (row == np.uint8(_TAB - _ZERO & 0xFF))
        if position >= leading or (other & ~(before & (minus | blank))).any():
            return None
        before = before & blank
        negative = negative | minus
        row[other] = 0
    return negative


def _whole_numbers(digits: np.ndarray) -> np.ndarray:
    """Numbers of up to 16 decimal digits, shape (digits, rows), uint8: pairs, pairs of pairs and so on."""
    for kind, base in ((np.uint8, 10), (np.uint16, 100), (np.uint32, 10_000), (np.uint64, 100_000_000)):
        if len(digits) == 1:
            break
        odd = len(digits) % 2
        joined = np.empty((odd + len(digits) // 2, digits.shape[1]), dtype=kind)
        joined[:odd] = digits[:odd]
        np.multiply(digits[odd::2].astype(kind), kind(base), out=joined[odd:])
        joined[odd:] += digits[odd + 1 :: 2]
        digits = joined
    return digits[0]


def _fault(data: bytes, path: Path, first_line: int) -> FormatError:
    columns = 0
    for number, line in enumerate(data.split(b"\n"), start=first_line):
        fields = line.split()
        if not fields:
            continue
        columns = columns or len(fields)
        if len(fields) != columns:
            return FormatError(path, f"expected {columns} columns; got {len(fields)}", f"line {number}")
        for field in fields:
            try:
                float(field)
            except ValueError:
                shown = field[:40].decode("latin-1")
                return FormatError(path, f"expected a number; got {shown!r}", f"line {number}")
    return FormatError(path, "expected lines of numbers", f"line {first_line}")
