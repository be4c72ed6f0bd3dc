"""How much memory a reconstruction takes, forecast before it starts."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from collections.abc import Sequence
from pathlib import Path

from polyrve.settings import ReconstructionSettings

_GIB = 2.0**30
_COMPILING = 95_000_000
_COMPILING_OF_SECTIONS = 50_000_000
_COMPILING_OF_PHASES = 210_000_000
_VECTORS = 7
_FIELDS = 10
_FIELDS_OF_PHASES = 3
_VECTORS_OF_SCIPY = 34
_ESTIMATES = 2.5
_WINDOW = 16


def forecast(
    shape: Sequence[int],
    channels: int,
    unknowns: int,
    *,
    history: int = 10,
    groups: int = 0,
    window: int | None = None,
    optimizer: str = "lbfgs",
) -> int:
    """Peak memory of a reconstruction with a named set, beyond what the program itself takes.

    The history of L-BFGS and its vectors, the channels with their gradients, transposed copies and spectra, two-point
    correlations that are estimated for groups of sections, and a fixed share for compiling. Several phases match
    two-point correlations of all their channels by default, and SciPy's methods work in double precision. The numbers
    that theory does not give are fitted to measured peaks, see ``docs/speed.md``.

    Parameters
    ----------
    shape : sequence of int
        (nz, ny, nx).
    channels : int
        Number of channels of the local state.
    unknowns : int
        Unknowns per voxel, more than 4 with several phases.
    history : int
        Pairs that L-BFGS keeps, in half precision; small fields keep more or longer numbers, of 16 MiB at most.
    groups : int
        Groups of sections whose two-point correlations are estimated one by one; 0 where all sections are averaged, and
        where each is compared by itself in one pass.
    window : int, optional
        Largest lag of those, in voxels; default 16, the most that is matched unasked.
    optimizer : str
        See :data:`polyrve.optimizers.METHODS`.

    Returns
    -------
    int
        Bytes.
    """
    several = unknowns > 4
    vectors = 4 * _VECTORS + (8 * _VECTORS_OF_SCIPY if optimizer.startswith("scipy") else 0)
    per_voxel = (2 * 2 * history + vectors) * unknowns + 4 * (_FIELDS + several * _FIELDS_OF_PHASES) * channels
    lag = window or _WINDOW
    estimates = 4 * groups * channels**2 * (lag + 1) * (2 * lag + 1)
    compiling = _COMPILING + (_COMPILING_OF_SECTIONS if groups else 0) + several * _COMPILING_OF_PHASES
    return compiling + math.prod(shape) * per_voxel + int(_ESTIMATES * estimates)


def needed(settings: ReconstructionSettings, channels: int, unknowns: int) -> int:
    """The forecast for a reconstruction with some settings, in bytes; see :func:`forecast`."""
    return forecast(
        settings.shape,
        channels,
        unknowns,
        groups=settings.groups,
        window=settings.window,
        optimizer=settings.optimizer,
    )


def available() -> int | None:
    """Bytes of memory that are free: the machine's, or what its control group leaves a process; None if unknown."""
    known = [free for free in (_of_machine(), _of_control_group()) if free is not None]
    return min(known) if known else None


def _of_machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _of_control_group(process: Path = Path("/proc/self/cgroup"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What batch systems and containers leave: the least of the process's group and those around it.

    Version 2 gives limit and use in ``memory.max`` and ``memory.current``, version 1 in ``memory.limit_in_bytes`` and
    ``memory.usage_in_bytes`` below ``memory``; caches of files, which give way, count as used.
    """
    found = []
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, limit, use = groups, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, use = groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        inside = root / name.strip("/")
        for folder in (inside, *inside.parents):
            if folder == root.parent:
                break
            with contextlib.suppress(OSError, ValueError):
                most = int((folder / limit).read_text(encoding="ascii"))
                found.append(max(0, most - int((folder / use).read_text(encoding="ascii"))))
    return min(found) if found else None


def give_back() -> None:
    """Hand memory that is free back to the machine: compiling takes much and leaves it with the program.

    Done by glibc's ``malloc_trim``; nothing happens where there is none.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def require(size: int, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit.

    Raises
    ------
    MemoryError
        If more is needed than is available; the message says how much and what to do.
    """
    free = available()
    if free is not None and size > free:
        scale = (free / size) ** (1 / sum(n > 1 for n in shape))
        advice = tuple(n if n == 1 else max(8, int(n * scale) // 8 * 8) for n in shape)
        raise MemoryError(
            f"shape {tuple(shape)}: expected a working set that fits into the {free / _GIB:.1f} GiB of free memory; "
            f"got {size / _GIB:.1f} GiB: try {advice}"
        )
