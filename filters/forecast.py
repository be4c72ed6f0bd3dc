"""What a reconstruction will cost, told before it starts, from numbers alone."""

from __future__ import annotations

from collections.abc import Sequence

from polyrve.backend import memory
from polyrve.settings import ReconstructionSettings

_GIB = 2.0**30
_CHANNELS_OF_A_PHASE = 9
"""Of a cubic phase at the default degree of the harmonics."""
_MICROSECONDS = 20.0
"""Per voxel and iteration; :func:`sizes` says how they were measured."""
_SECONDS_TO_START = 30.0
"""What the initial field and the compilation of one grid take at 32^3, on the machine of the measurement."""


def sizes(settings: ReconstructionSettings, phases: int, pixels: Sequence[int] = ()) -> tuple[int, float]:
    """Memory and time of a reconstruction.

    The number of channels is that of cubic phases, for the Laue group is not known before a map is read; others have
    more. The time is what two cores of a busy server take, measured at 32^3 with the default descriptors and one phase:
    100 iterations in 61 s, 19 us per voxel and iteration. It is rough: idle cores are faster.

    Parameters
    ----------
    settings : ReconstructionSettings
    phases : int
        Number of phases.
    pixels : sequence of int
        Pixels, of the voxels' size, of each map.

    Returns
    -------
    memory : int, byte
        Beyond what the program itself takes.
    time : float, s
    """
    several = phases if phases > 1 else 0
    channels = several + (_CHANNELS_OF_A_PHASE * phases if settings.orientations else 0)
    unknowns = 4 + several
    needed = memory.forecast(settings, channels, unknowns, pixels).total
    voxels = 1.0
    for n in settings.shape:
        voxels *= n
    finest = settings.iterations * voxels * _MICROSECONDS * 1e-6 * channels / _CHANNELS_OF_A_PHASE
    coarser = sum(0.125**level for level in range(settings.levels))
    return needed, _SECONDS_TO_START * settings.levels + finest * coarser


def as_text(needed: int, seconds: float) -> dict[str, str]:
    """The forecast as rows of text.

    Parameters
    ----------
    needed : int, byte
    seconds : float, s
    """
    free = memory.available()
    beside = "" if free is None else f" of {free / _GIB:.1f} GiB free"
    return {
        "Memory (forecast)": f"about {needed / _GIB:.2f} GiB{beside}, beside what TensorFlow itself takes",
        "Time (rough forecast)": f"at most about {clock(seconds)} on two processor cores",
    }


def clock(seconds: float) -> str:
    """Seconds as a duration that a person says."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def refuse_too_large(needed: int, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit into memory.

    Raises
    ------
    MemoryError
        If more is needed than is available.
    """
    memory.require(needed, shape)
