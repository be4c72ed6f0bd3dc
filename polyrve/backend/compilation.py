"""Functions that Numba compiles, kept on disk where there is a folder for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(signature: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Compile a function for the types of one signature, or load what was compiled before.

    Numba keeps it beside the module or in the user's cache, by processor; see its ``NUMBA_CACHE_DIR``. Where nothing
    can be written or what is there cannot be read, the function is compiled for this process alone. It lets other
    threads run.

    Parameters
    ----------
    signature : str
        As for :func:`numba.njit`; one alone, so that processes that compile at the same time write the same.

    Returns
    -------
    callable
        The decorator.

    Examples
    --------
    >>> import numpy as np
    >>> @compiled("f8(f8[::1])")
    ... def total(values):
    ...     return values.sum()
    >>> total(np.ones(3))
    3.0
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        try:
            return njit(signature, cache=True, nogil=True)(function)
        except Exception:  # As a damaged file or a missing folder causes; an error of the function comes again.
            return njit(signature, nogil=True)(function)

    return decorate
