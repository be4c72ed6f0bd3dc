"""What a misspelt name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names what a misspelt name resembles, to be appended to an error message.

    Parameters
    ----------
    name : str
        The name that is not known.
    known : iterable of str
        All names that are.

    Returns
    -------
    str
        ``": did you mean 'x'?"``, or nothing where no name is near.

    Examples
    --------
    >>> did_you_mean("iteration", ["shape", "iterations"])
    ": did you mean 'iterations'?"
    >>> did_you_mean("colour", ["shape", "iterations"])
    ''
    """
    import difflib

    by_lower = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f": did you mean {by_lower[near[0]]!r}?" if near else ""
