"""How many processors this process may use."""

from __future__ import annotations

import os


def count() -> int:
    """Threads to work on at once: the processors that the process may run on, or OMP_NUM_THREADS where that is less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limit = os.environ.get("OMP_NUM_THREADS", "")
    return min(allowed, int(limit)) if limit.isdecimal() and int(limit) > 0 else allowed
