"""Long work says how far it is, to whoever listens; nothing is handed down for it.

A loop that takes seconds names itself::

    for sweep in announced(range(10), "texture synthesis"):
        ...

and who runs it may listen::

    with listening(lambda text, done, total: print(f"{text}: {done} of {total}")):
        ...
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

_Item = TypeVar("_Item")
Listener = Callable[[str, int, int], Any]
"""Receives what is being done, how many parts of it are done, and how many there are."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def announced(parts: Collection[_Item], text: str, cost: Callable[[_Item], int] = lambda part: 1) -> Iterator[_Item]:
    """Yield the parts of a long piece of work, and tell a listener how much of it is done.

    Parameters
    ----------
    parts : collection
    text : str
        What is being done, as ``"texture synthesis"``.
    cost : callable, optional
        How long a part takes, in any unit, where they do not take equally long.

    Yields
    ------
    object
        Each part, in order.

    Examples
    --------
    >>> heard = []
    >>> with listening(lambda *told: heard.append(told)):
    ...     letters = [letter.upper() for letter in announced("ab", "letters")]
    >>> heard
    [('letters', 0, 2), ('letters', 1, 2), ('letters', 2, 2)]
    """
    done, total = 0, sum(map(cost, parts))
    for part in parts:
        announce(text, done, total)
        yield part
        done += cost(part)
    announce(text, total, total)


def announce(text: str, done: int, total: int) -> None:
    """Tell a listener how many parts of a long piece of work are done, where a loop cannot.

    Parameters
    ----------
    text : str
    done, total : int
    """
    listener = _listener.get()
    if listener is not None:
        listener(text, done, total)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Listen to what long work within says.

    Parameters
    ----------
    listener : callable
        See :data:`Listener`. What it raises ends the work.
    """
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
