"""Tables of numbers in text files, read fast.

Lines of one fixed width, as EBSD software writes them, are converted field by field for many lines at once. Eight
digits are one 64-bit word, whose neighbours are joined to numbers of two, four and eight digits. The digits of a field
make an integer below 2**53 and its decimal point a power of ten, whose quotient is the correctly rounded number that
``float()`` gives. Everything else goes through :func:`numpy.loadtxt`.
"""

from __future__ import annotations

import io
import re
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.backend import processors
from polyrve.backend.safe_text import quoted

_CHUNK, _AT_ONCE = 10 << 10, 1 << 6
_WORD, _MAX_WIDTH = 8, 16
_LONGEST = 1 << 16
_SPACE, _MINUS, _ZERO, _NINE, _NEWLINE = (ord(c) for c in " -09\n")
_EACH = 0x0101010101010101
_PRINTED, _RETURN, _LINE_END = re.compile(rb"\S"), re.compile(rb"\r"), re.compile(rb"\n")
_PART, _CONSTANT = re.compile(rb"[^ \t\n]+"), re.compile(rb"-?(\d+\.?\d*|\.\d+)")
_FIELD = re.compile(rb"(?P<whole>(?P<before>[-x]*)[\dd]*)(?:\.(?P<decimals>[\dd]+?)0*|(?<=[\dd])\.?)")


def read_table(
    data: bytes | memoryview, path: Path, first_line: int, start: int = 0, *, least: int = 1, partial: bool = False
) -> np.ndarray:
    """Read the numbers of a text.

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
    least : int
        Number of columns that there are at least.
    partial : bool
        Whether a last line that was cut is left out.

    Returns
    -------
    ndarray, shape (n, columns), float64

    Raises
    ------
    FormatError
        If there is no line, the first has too few or too many columns, a line has another number of columns than the
        first, or a field is not a number.
    """
    end = _LINE_END.search(data, start)
    if end is not None and _RETURN.search(data, start, end.end()) is not None:
        data, start = _with_newlines(data, start), 0
    if partial:
        data = _without_cut_line(data, start)
    if _PRINTED.search(data, start) is None:
        raise FormatError(path, "expected lines of numbers after the header; got none", f"line {first_line}")
    _check_first(data, start, path, first_line, least)
    table = _fixed_width(data, start)
    if table is None:
        body = _with_newlines(data, start)
        try:
            table = np.loadtxt(io.BytesIO(body), dtype=np.float64, comments=None, ndmin=2)
        except (ValueError, UnicodeDecodeError):
            raise _fault(body, path, first_line) from None
    return table


def _check_first(data: bytes | memoryview, start: int, path: Path, first_line: int, least: int) -> None:
    """Refuse a first line of too few or too many numbers before the others are read."""
    found = _PRINTED.search(data, start)
    begin = start if found is None else found.start()
    end = _LINE_END.search(data, begin, begin + _LONGEST)
    if end is None and len(data) - begin > _LONGEST:
        where = f"line {first_line}"
        raise FormatError(path, f"expected lines of numbers; got one of over {_LONGEST} characters", where)
    count = len(bytes(data[begin : len(data) if end is None else end.start()]).split())
    if count < least:
        raise FormatError(path, f"expected at least {least} columns; got {count}", f"line {first_line}")


def _without_cut_line(data: bytes | memoryview, start: int) -> bytes | memoryview:
    """A text without a last line that has no end and is shorter than the one before it, or has fewer numbers."""
    last = _last_line(data, start, len(data))
    if last == len(data) or last == start:
        return data
    before = _last_line(data, start, last - 1)
    rest, whole = bytes(data[last:]), bytes(data[before : last - 1])
    cut = len(rest.split()) < len(whole.split()) or len(rest.rstrip()) < len(whole.rstrip())
    return data[:last] if cut else data


def _last_line(data: bytes | memoryview, start: int, end: int) -> int:
    """Where the last line before an end begins."""
    while end > start and data[end - 1] != _NEWLINE:
        end -= 1
    return end


def _with_newlines(data: bytes | memoryview, start: int) -> bytes:
    return bytes(data[start:]).replace(b"\r\n", b"\n")


def _fixed_width(data: bytes | memoryview, start: int) -> np.ndarray | None:
    end = _LINE_END.search(data, start)
    width = 0 if end is None else end.end() - start
    if width < _WORD:
        return None
    rows = (len(data) - start) // width
    if _PRINTED.search(data, start + rows * width) is not None:
        return None
    lines = np.frombuffer(data, dtype=np.uint8, count=rows * width, offset=start).reshape(rows, width)
    columns = len(_fields(lines[:_CHUNK]))
    table = np.empty((columns, rows))

    def convert(begin: int) -> bool:
        part = lines[begin : begin + _CHUNK]
        fields = _fields(part)
        return len(fields) == columns and all(map(_convert, repeat(part), fields, table[:, begin : begin + _CHUNK]))

    with ThreadPoolExecutor(processors.count()) as pool:
        alike = all(pool.map(convert, range(0, rows, _CHUNK)))
    return table.T if alike and columns else None


def _fields(lines: np.ndarray) -> list[re.Match[bytes]]:
    """Fields of lines, shape (rows, width), as matches in their layout; none if the lines are not alike.

    The layout has at each position the character that all lines have, "d" for digits that differ, "x" for others.
    """
    smallest, largest = _extremes(lines)
    differing = np.where(smallest < _ZERO, ord("x"), ord("d"))
    layout = np.where(smallest == largest, largest, differing)
    layout[largest > _NINE] = 0
    text = layout.astype(np.uint8).tobytes()
    parts = list(_PART.finditer(text)) if text.endswith(b"\n") else []
    fields = [field for part in parts if (field := _FIELD.fullmatch(text, *part.span())) is not None]
    return fields if len(fields) == len(parts) else []


def _extremes(lines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest character at every position of lines, shape (rows, width); many lines in one step."""
    rows, width = lines.shape
    at_once = min(rows, _AT_ONCE)
    steps = lines[: rows - rows % at_once].reshape(-1, at_once * width)
    last = lines[-at_once:]
    return (
        np.minimum(steps.min(axis=0).reshape(-1, width), last).min(axis=0),
        np.maximum(steps.max(axis=0).reshape(-1, width), last).max(axis=0),
    )


def _convert(lines: np.ndarray, field: re.Match[bytes], values: np.ndarray) -> bool:
    """Fill in the numbers, shape (rows,), of a field; False where it has something else in a line."""
    if _CONSTANT.fullmatch(field[0]):
        values[:] = float(field[0])
        return True
    negative = _negative(lines[:, slice(*field.span("before"))])
    if negative is None or len(field[0]) > _MAX_WIDTH:
        return False
    signed = bool(negative.any())
    first, *others = _parts(*field.span("whole")) + _parts(*field.span("decimals"))
    number = _whole_numbers(lines, *first, signed)
    for begin, end in others:
        number *= 10 ** (end - begin)
        number += _whole_numbers(lines, begin, end, signed)
    np.divide(number, 10.0 ** len(field["decimals"] or b""), out=values)
    if signed:
        np.negative(values, out=values, where=negative)
    return True


def _negative(before: np.ndarray) -> np.ndarray | None:
    """Where a minus is among the characters before the first digit that all lines have, shape (rows, positions).

    Returns shape () or (rows,), and None where they are others than blanks, then at most one minus, then digits.
    """
    negative = blank = np.zeros((), dtype=bool)
    for position in range(before.shape[1]):
        row = before[:, position].copy()
        minus, space, digit = row == _MINUS, row == _SPACE, row - np.uint8(_ZERO) <= 9
        if not (digit | minus | space).all() or (position and not (digit | blank).all()):
            return None
        blank = blank & space if position else space
        negative = negative | minus if position else minus
    return negative


def _parts(begin: int, end: int) -> list[tuple[int, int]]:
    """Positions in parts of at most eight."""
    return [(max(begin, stop - _WORD), stop) for stop in range(end, begin, -_WORD)][::-1]


def _whole_numbers(lines: np.ndarray, begin: int, end: int, signed: bool) -> np.ndarray:
    """Numbers of up to eight digits, shape (rows,), int64; blanks count as zero, and a minus if `signed`.

    In a word the last digit is the top byte. The low half of a byte is the value of a digit and zero for a blank; bit 4
    is set in digits alone.
    """
    first = max(end - _WORD, 0)
    words = lines[:, first : first + _WORD].view("<i8")[:, 0] << 8 * (_WORD - end + first)
    unused = 8 * (_WORD - end + begin)
    used = _EACH >> unused << unused
    digits: np.ndarray | int = words >> 4 & used if signed else used
    words &= digits * 15
    for bits, pairs in ((8, 0x00FF00FF00FF00FF), (16, 0x0000FFFF0000FFFF), (32, 0)):
        words *= (10 ** (bits // 8) << bits) + 1
        if 4 * (end - begin) <= bits:
            break
        words >>= bits
        words &= pairs
    words >>= 64 - bits
    return words


def _fault(data: bytes, path: Path, first_line: int) -> FormatError:
    columns = 0
    lines = data.rstrip().split(b"\n")
    for number, line in enumerate(lines, start=first_line):
        fields = line.split()
        if not fields:
            continue
        columns = columns or len(fields)
        if len(fields) != columns:
            last = number == first_line + len(lines) - 1 and len(fields) < columns
            cut = ": the file ends early; partial=true (--read partial=true) reads what is there" if last else ""
            return FormatError(path, f"expected {columns} columns; got {len(fields)}{cut}", f"line {number}")
        for field in fields:
            try:
                float(field)
            except ValueError:
                shown = quoted(field.decode("latin-1"), most=40)
                return FormatError(path, f"expected a number; got {shown}", f"line {number}")
    return FormatError(path, "expected lines of numbers", f"line {first_line}")
