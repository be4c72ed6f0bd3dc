"""Text from files as messages and tables can show it: no control characters, nothing endless."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 100
"""Characters of a value that is shown: about a line of a terminal, and more than any name or number needs."""
_LONGEST_MESSAGE = 1000
_WORD = re.compile(r"\S{121,}")


def escaped(text: str) -> str:
    r"""Return a text with control, format and other unprintable characters as escapes.

    What moves the cursor, colours the terminal, sets its title or turns the direction of writing becomes ``\x1b``,
    ``\u202e`` and so on; lines are joined by ``\n``. Blanks of any width are blanks.

    Parameters
    ----------
    text : str

    Returns
    -------
    str

    Examples
    --------
    >>> print(escaped("Cop\x1b[31mper"))
    Cop\x1b[31mper
    """
    if text.isprintable():
        return text
    return "".join(map(_escaped, text))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")


def shown(value: object, most: int = LONGEST) -> str:
    """Return a value as a message or table shows it: :func:`escaped`, and cut with its length where it is long.

    Parameters
    ----------
    value : object
        A text is shown as it is, anything else as ``str`` gives it.
    most : int
        Characters that are shown.

    Returns
    -------
    str

    Examples
    --------
    >>> shown("a" * 200, most=10)
    'aaaaaaaaaa... (200 characters)'
    """
    text = value if isinstance(value, str) else str(value)
    start = escaped(text[:most])
    if len(text) <= most and len(start) <= 2 * most:
        return start
    return f"{start[:most]}... ({len(text)} characters)"


def quoted(value: object, most: int = LONGEST) -> str:
    """Return a value as :func:`shown` does, in quotation marks as ``repr`` sets them."""
    text = shown(value, most)
    return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"


def message(text: str, words: bool = False) -> str:
    """Return a whole message, :func:`escaped` and of at most some lines.

    It is what stands between a terminal and a message that took a value from a file as it was; who writes a message
    cuts its values by :func:`shown`.

    Parameters
    ----------
    text : str
    words : bool
        Whether words of over 120 characters are cut too: those of a value, but of a message with paths not.

    Returns
    -------
    str
    """
    text = escaped(_shortened(text))
    return _shortened(_WORD.sub(lambda word: f"{word[0][:LONGEST]}...", text) if words else text)


def _shortened(text: str) -> str:
    half = _LONGEST_MESSAGE // 2
    return text if len(text) <= _LONGEST_MESSAGE + 5 else f"{text[:half]} ... {text[-half:]}"
