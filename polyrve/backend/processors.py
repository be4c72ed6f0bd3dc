"""How many processors this process may use."""

from __future__ import annotations

import os

import psutil  # type: ignore[import-untyped]

from polyrve.backend import control_groups


def count() -> int:
    """Return how many threads to work on at once.

    Returns
    -------
    int
        The processors that the process may run on, or what its control group or ``OMP_NUM_THREADS`` grant where that
        is less; at least 1.

    Examples
    --------
    >>> count() >= 1
    True
    """
    limits = [_allowed()]
    granted = control_groups.processors()
    if granted is not None:
        limits.append(granted)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    if asked.isdecimal() and int(asked) > 0:
        limits.append(int(asked))
    return min(limits)


def _allowed() -> int:
    """Return the processors that the system lets the process run on; all of them where it does not bind processes."""
    process = psutil.Process()
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else psutil.cpu_count() or 1
