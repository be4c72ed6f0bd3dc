"""What batch systems and containers leave a process: limits of Linux control groups, which psutil does not read.

References
----------
Linux kernel, "Control Group v2" (``memory.max``, ``memory.current``, ``cpu.max``) and "Control Groups version 1"
(``memory.limit_in_bytes``, ``memory.usage_in_bytes``, ``cpu.cfs_quota_us``, ``cpu.cfs_period_us``),
https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/admin-guide/cgroup-v1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc/self/cgroup")
"""Where Linux says which groups this process is in."""
GROUPS = Path("/sys/fs/cgroup")
"""Where Linux shows the groups."""


def free_memory() -> int | None:
    """Return what the group of this process and those around it leave of memory, at the least.

    Returns
    -------
    int or None, byte
        None without a limit. Caches of files, which give way, count as used.
    """
    found = []
    for folder, version in _groups("memory"):
        files = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        with suppress(OSError, ValueError):
            limit, use = (int(_text(folder / file)) for file in files)
            found.append(max(0, limit - use))
    return min(found, default=None)


def processors() -> int | None:
    """Return how many processors the group of this process and those around it grant, at the least.

    Returns
    -------
    int or None
        Share of processor time, rounded up; None without a limit.
    """
    found = []
    for folder, version in _groups("cpu"):
        with suppress(OSError, ValueError):
            if version == 2:
                quota, period = (int(word) for word in _text(folder / "cpu.max").split())
            else:
                quota, period = (int(_text(folder / f"cpu.cfs_{word}_us")) for word in ("quota", "period"))
            if quota > 0 and period > 0:
                found.append(math.ceil(quota / period))
    return min(found, default=None)


def _groups(controller: str) -> Iterator[tuple[Path, int]]:
    """Yield the folders of a controller, the process's own first and then those around it, and the version, 1 or 2."""
    try:
        lines = PROCESS.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        root, version = (GROUPS / controller, 1) if controllers else (GROUPS, 2)
        inside = root / name.strip("/")
        for folder in (inside, *inside.parents):
            if folder == root.parent:
                break
            yield folder, version


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii")
