"""Warnings about files, which point at the line that called polyrve."""

from __future__ import annotations

import sys
import warnings

from polyrve.backend import safe_text


class DoubtWarning(UserWarning):
    """Something looks wrong with a file; :func:`polyrve.microstructure.quality.inspect` lists it too."""


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn about a file, at the line outside polyrve that asked for it.

    Parameters
    ----------
    text : str
        A sentence that begins with the file; see :func:`polyrve.backend.safe_text.message`.
    category : type of Warning
    """
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_globals.get("__name__", "").split(".")[0] == "polyrve":
        level, frame = level + 1, frame.f_back
    warnings.warn(safe_text.message(text), category, stacklevel=level)
