"""Where a warning belongs: at the line of who uses polyrve, not at one within it."""

from __future__ import annotations

import sys

_OURS = ("polyrve", "pydantic")


def user_line() -> int:
    """Return the ``stacklevel`` with which a warning of the caller names the first line outside polyrve.

    Returns
    -------
    int
        1 where there is no such line.
    """
    frame, level = sys._getframe(1), 1
    while True:
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in _OURS:
            return level
        if frame.f_back is None:
            return 1
        frame, level = frame.f_back, level + 1
