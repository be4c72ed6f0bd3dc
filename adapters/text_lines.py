"""Lines of text files as instruments, editors, copying and packing leave them."""

from __future__ import annotations

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
"""What editors put before a text in UTF-8."""
_AFTER_THE_END = b"\0\x1a"


def decoded(text: bytes) -> str:
    """Return text in UTF-8, or else in Latin-1, as str."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("latin-1")


def without_tail(data: memoryview) -> memoryview:
    """Return a text without the NULs and marks of its end (0x1A, of DOS) that follow its last line, as memoryview."""
    end = len(data)
    while end and data[end - 1] in _AFTER_THE_END:
        end -= 1
    return data[:end]
