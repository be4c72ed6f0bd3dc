"""What installed packages offer through entry points, loaded so that a broken one harms nobody."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from typing import Any

from polyrve.backend import safe_text


def take(group: str, what: str, accept: Callable[[Any], None], *, stacklevel: int = 2) -> None:
    """Load each object of an entry-point group and hand it on; a warning names each that is left out.

    Parameters
    ----------
    group : str
        Such as ``"polyrve.formats"``.
    what : str
        What such an object is, for the warning.
    accept : callable
        Takes the object, or raises an exception that says why it cannot be used.
    stacklevel : int
        As of :func:`warnings.warn`, seen from the caller.

    Warns
    -----
    UserWarning
        If an object cannot be loaded or is not accepted.
    """
    for entry in entry_points(group=group):
        try:
            accept(entry.load())
        except Exception as error:
            text = safe_text.message(f"{what} {entry.name!r} of an installed package is left out: {error}")
            warnings.warn(text, stacklevel=stacklevel + 1)


def check(found: Any, kind: type, name: str, taken: Iterable[str]) -> None:
    """Refuse an object of another type, and one whose name is taken.

    Parameters
    ----------
    found : object
    kind : type
    name : str
        Which attribute is its name.
    taken : iterable of str
        The names that are taken.

    Raises
    ------
    TypeError
        If it is not of the type.
    ValueError
        If its name is taken.
    """
    if not isinstance(found, kind):
        raise TypeError(f"expected a {kind.__module__}.{kind.__qualname__}; got {type(found).__name__}")
    if getattr(found, name) in taken:
        raise ValueError(f"{name}: expected a {name} of its own; got {getattr(found, name)!r}, which is taken")
