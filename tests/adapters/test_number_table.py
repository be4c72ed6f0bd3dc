"""Tables of numbers: the numbers that float() gives, whatever their layout, and the line of the first fault."""

from pathlib import Path

import numpy as np
import pytest

from polyrve.adapters import number_table
from polyrve.adapters.registry import FormatError

PATH = Path("scan.ang")


def parsed_by_python(text):
    return np.array([[float(field) for field in line.split()] for line in text.splitlines() if line.strip()])


def assert_same_numbers(table, text):
    expected = parsed_by_python(text)
    np.testing.assert_array_equal(table, expected)
    np.testing.assert_array_equal(np.signbit(table), np.signbit(expected))


@pytest.mark.parametrize(
    "form",
    [
        "%9.5f %9.5f %12.5f\n",
        "%-9.5f %9.5f %012.5f\n",
        "%8d %4d %2d\n",
        "%16.10f\t%15.12f\t%16d\n",
        "%.3f\t%g %e\n",
        " %9.0f. %7.1f %+9.4f\n",
        "%16.12f %16.13f %17.14f\n",
    ],
)
@pytest.mark.parametrize("rows", [1, 7, number_table._CHUNK + 3])
def test_the_numbers_that_python_reads(form, rows):
    rng = np.random.default_rng(rows)
    numbers = rng.uniform(-1, 1, (rows, 3)) * 10.0 ** rng.integers(-2, 3, (rows, 3))
    text = "".join(form % tuple(row) for row in numbers)
    np.testing.assert_array_equal(number_table.read_table(text.encode(), PATH, 1), parsed_by_python(text))


@pytest.mark.parametrize("digits", range(1, 17))
def test_every_number_of_digits(digits):
    rng = np.random.default_rng(digits)
    numbers = rng.integers(0, 10**digits, 50)
    text = "".join(f"{number:{digits}d} {number / 10**digits:.{digits}f}\n" for number in numbers)
    np.testing.assert_array_equal(number_table.read_table(text.encode(), PATH, 1), parsed_by_python(text))


@pytest.mark.parametrize(
    "text",
    [
        " -1.50  12 0.25\n 10.25 -12 -.75\n  0.00   1 0.00\n",
        "-0.000 -0 0.000\n-0.000 -0 0.000\n",
        "-0.000 -0 0.000\n 0.000  0 0.000\n",
        "1. .500 -.25 9007199254740993 -1\n2. .500 -.75 9007199254740995 -1\n",
        "1. 12345678901234567890.5 -1\n2. 12345678901234567890.5 -1\n",
        "   1.0000\t-12345678.90\n-123.0000\t        1.00\n",
        "123456789012.345 1.2000000000\n 99999999999.999 1.2000000000\n",
        "  0.2 000\n-10.3 001\n 21.4 -02\n  -.5 003\n",
    ],
)
def test_lines_of_one_width_take_the_fast_way(text, monkeypatch):
    monkeypatch.setattr(np, "loadtxt", None)
    assert_same_numbers(number_table.read_table(text.encode(), PATH, 1), text)


def test_fields_that_change_their_layout_far_down():
    form = "%8.4f %3d %6.3f %2d\n"
    few, many = [(1.25, 7, 0.5, -1)], [(1.25, 7, 0.5, -1)] * number_table._CHUNK
    for other in [(-301.0625, 7, 0.5, -1), (1.25, -17, 0.5, 0), (1.25, 120, -0.125, 10)]:
        text = "".join(form % row for row in [*many, other, *many, *few])
        assert_same_numbers(number_table.read_table(text.encode(), PATH, 1), text)


@pytest.mark.parametrize("seed", range(40))
def test_any_layout(seed):
    rng = np.random.default_rng(seed)
    columns = []
    for _ in range(rng.integers(1, 6)):
        kind = rng.choice(["fixed", "whole", "exponent", "constant", "left", "zeros"])
        digits, decimals = int(rng.integers(1, 12)), int(rng.integers(0, 12))
        values = rng.standard_normal(200) * 10.0 ** rng.uniform(-3, 4, 200)
        values = np.abs(values) if rng.random() < 0.5 else values
        if kind == "whole":
            columns.append([f"{int(value):{digits}d}" for value in values])
        elif kind == "exponent":
            columns.append([f"{value**9:.{decimals}e}" for value in values])
        elif kind == "constant":
            columns.append([f"{values[0]:.{decimals}f}"] * 200)
        elif kind == "left":
            columns.append([f"{value:<{digits}.{decimals}f}" for value in values])
        else:
            zeros = "0" * int(rng.integers(0, 4)) if kind == "zeros" else ""
            columns.append([f"{value:{digits}.{decimals}f}{zeros if decimals else ''}" for value in values])
    gap, end = rng.choice([" ", "\t", "  ", " \t"]), rng.choice(["\n", "\r\n", " \n"])
    if rng.random() < 0.7:
        columns = [[field.rjust(max(map(len, column))) for field in column] for column in columns]
    text = "".join(gap.join(fields) + end for fields in zip(*columns, strict=True))
    assert_same_numbers(number_table.read_table(text.encode(), PATH, 1), text)


@pytest.mark.parametrize(
    "text",
    ["1.0 2.0\n1 02.0\n", "1.5 2.0\n15. 2.0\n", "1e3 2.0\n1.3 2.0\n", "nan 2.0\n1.0 2.0\n", " 12 3\n1 2 3\n",
     " 12 3\n-12 3\n", "1.25\r\n2.50\r\n", "1.25\n\n2.50\n"],
)  # fmt: skip
def test_lines_that_differ(text):
    if len({len(line.split()) for line in text.split("\n") if line.strip()}) > 1:
        with pytest.raises(FormatError, match="columns"):
            number_table.read_table(text.encode(), PATH, 1)
    else:
        np.testing.assert_array_equal(number_table.read_table(text.encode(), PATH, 1), parsed_by_python(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1.0 2.0\n1-0 2.0\n", "line 6: expected a number; got '1-0'"),
        ("1.0 2.0\n1.0 2.x\n", "line 6: expected a number; got '2.x'"),
        ("1.0 2.0\n- 0 2.0\n", "line 6: expected 2 columns; got 3"),
        ("1.0 2.0\n . 2.0\n", "line 6: expected a number; got '.'"),
        (" \n\n", "line 5: expected lines of numbers after the header; got none"),
    ],
)
def test_faults(text, message):
    with pytest.raises(FormatError, match=message.replace(".", r"\.")):
        number_table.read_table(text.encode(), PATH, 5)


@pytest.mark.parametrize(("tail", "rows"), [
    ("4 5", 2), ("4 5 6", 3), ("4 5 6\n", 3), ("4 5\n", None), ("", 2), ("4 5 6\n7 8 9\n1", 4),
    ("44 55 6", 3), ("4.0 5.0 6.000", 3),
])  # fmt: skip
def test_a_last_line_that_was_cut(tail, rows):
    text = f"1 2 3\n2 3 4\n{tail}".encode()
    if rows is None:
        with pytest.raises(FormatError, match="line 3: expected 3 columns; got 2: the file ends early; partial=true"):
            number_table.read_table(text, PATH, 1, partial=True)
    else:
        assert len(number_table.read_table(text, PATH, 1, partial=True)) == rows


def test_a_last_number_that_may_have_been_cut_is_left_out():
    text = b"10.5 20.25 30.75\n10.5 20.25 30.7"
    assert len(number_table.read_table(text, PATH, 1, partial=True)) == 1
    assert len(number_table.read_table(text, PATH, 1)) == 2


@pytest.mark.parametrize(("text", "words"), [
    (b"1 2\n3 4\n", "line 7: expected at least 3 columns; got 2"),
    (b"1 " * 50_000, "line 7: .* one of over 65536 characters"),
    (b"\n\n1 2\n", "expected at least 3 columns; got 2"),
])  # fmt: skip
def test_a_first_line_of_too_few_or_too_many_numbers(text, words):
    with pytest.raises(FormatError, match=words):
        number_table.read_table(text, PATH, 7, least=3)


def test_errors_show_no_control_characters():
    with pytest.raises(FormatError, match=r"got '1\\x1b\[31m'") as caught:
        number_table.read_table(b"1 2 3\n1\x1b[31m 2 3\n", PATH, 1)
    assert str(caught.value).isprintable()
