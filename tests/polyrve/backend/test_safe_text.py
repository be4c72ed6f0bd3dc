import pytest

from polyrve.backend import safe_text


@pytest.mark.parametrize(("text", "expected"), [
    ("Copper", "Copper"), ("α-Fe µm", "α-Fe µm"), ("a\x1b[31mb", r"a\x1b[31mb"), ("a\0b", r"a\x00b"),
    ("a\nb\tc", r"a\nb\tc"),
    ("\u202eabc", r"\u202eabc"), ("a\u00a0b\u2003c", "a b c"), ("\x9b31m", r"\x9b31m"), ("\ud800", r"\ud800"),
])  # fmt: skip
def test_escaped(text, expected):
    assert safe_text.escaped(text) == expected
    assert safe_text.escaped(text).isprintable()


@pytest.mark.parametrize("text", ["a" * 101, "\0" * 5000, "\x1b" * 10**6, "ab\u202e" * 10**5])
def test_shown_is_cut_and_says_how_long_the_value_is(text):
    shown = safe_text.shown(text)
    assert shown.isprintable()
    assert shown.endswith(f"... ({len(text)} characters)")
    assert len(shown) < 130


def test_short_values_are_shown_whole():
    assert safe_text.shown("a" * 100) == "a" * 100
    assert safe_text.shown(1.5) == "1.5"
    assert safe_text.quoted("abc") == "'abc'"
    assert safe_text.quoted("it's") == '"it\'s"'


def test_messages_have_an_end_and_keep_both_ends():
    text = safe_text.message("begin " + "x\x07" * 10**5 + " end")
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert text.isprintable()
    assert len(text) < 1010
    assert safe_text.message("expected a; got b") == "expected a; got b"
