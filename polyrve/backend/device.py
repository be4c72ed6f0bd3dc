"""The device that the engine works on, and whether a reconstruction fits into its memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache

from polyrve.backend import gpu_memory, memory
from polyrve.backend.quiet_import import quiet
from polyrve.backend.strategy import GpuStrategy, ProcessorStrategy, Strategy
from polyrve.backend.tensorflow import tf


@cache
def current() -> Strategy:
    """Return the strategy of the device that TensorFlow works on, chosen at the first call.

    Returns
    -------
    Strategy
        That of a GPU where TensorFlow tells of one, of whose memory it then takes what it needs.

    Examples
    --------
    >>> current().name in ("machine", "GPU")
    True
    """
    with quiet():
        gpu_memory.take_as_needed()
        return GpuStrategy() if tf.config.list_logical_devices("GPU") else ProcessorStrategy()


def require(forecast: memory.Forecast, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit into the memory of the machine and of its GPU.

    Parameters
    ----------
    forecast : Forecast
    shape : sequence of int

    Raises
    ------
    MemoryError
        See :func:`polyrve.backend.memory.refuse`.
    """
    for room in current().rooms(forecast):
        memory.refuse(room.size, shape, room.free, room.of)


def most_at_once(forecast: memory.Forecast) -> int | None:
    """Return how many reconstructions fit at once, each in a process of its own on this machine.

    Parameters
    ----------
    forecast : Forecast
        Of one of them.

    Returns
    -------
    int or None
        None where no memory tells what is free.
    """
    rooms = current().rooms(forecast)
    return min((room.free // (room.size + room.program) for room in rooms if room.free is not None), default=None)


@contextmanager
def enough_memory(shape: Sequence[int]) -> Iterator[None]:
    """Say in one sentence that the memory of the device did not suffice, whatever was forecast.

    Parameters
    ----------
    shape : sequence of int
        Of the volume that is worked on within.

    Raises
    ------
    MemoryError
        Where TensorFlow had no more.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        device = current()
        raise MemoryError(
            f"shape {tuple(shape)}: expected a working set that fits into the memory of the {device.name}; "
            f"got one that does not: choose a smaller shape{device.remedy}"
        ) from error
