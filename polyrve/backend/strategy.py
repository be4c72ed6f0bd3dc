"""How a device does what the engine asks of it: one strategy per device, chosen once and handed down.

A processor works in loops over blocks of sections, lags and pairs of channels, so that data stay in its cache, and cuts
sections into parts that run side by side. A GPU takes much at once: each step of a loop starts kernels of its own,
which costs more than what they do for a few sections, and its caches do not hold what the loops keep.

See Also
--------
polyrve.backend.device.current : The strategy of the device that TensorFlow works on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from polyrve.backend import gpu_memory, memory
from polyrve.backend.tensorflow import tf

PARTS = 8
"""Parts that a processor cuts sections into, each of which one thread takes at a time. Fewer leave cores without work,
more cost a start each: ``docs/speed.md`` has what was measured."""


@dataclass(frozen=True)
class Room:
    """Memory that a reconstruction takes of what is free in one place.

    Attributes
    ----------
    size : int, byte
        What it takes.
    free : int or None, byte
        What is free; None if unknown.
    of : str
        What is free, in words.
    program : int, byte
        What a process of its own takes there beside it.
    """

    size: int
    free: int | None
    of: str
    program: int = 0


class Strategy(ABC):
    """The work of the engine that devices do in different ways, with the same result up to rounding.

    Attributes
    ----------
    name : str
        What a message calls the device.
    remedy : str
        What else than a smaller shape helps where its memory does not suffice.
    loops : bool
        Whether sections, lags and pairs of channels are taken one after another, in loops whose data stay in cache;
        else all at once, in few kernels.
    """

    name: ClassVar[str]
    remedy: ClassVar[str]
    loops: ClassVar[bool]

    @abstractmethod
    def bytes_at_once(self, in_cache: int) -> int:
        """Return how many bytes one step of a loop works on.

        Parameters
        ----------
        in_cache : int, byte
            Where they are to stay in a processor's cache.

        Returns
        -------
        int, byte
        """

    def at_once(self, count: int, item_bytes: int, in_cache: int) -> int:
        """Return how many of some items of equal size a step of a loop takes, a divisor of their number.

        Parameters
        ----------
        count : int
            Number of items.
        item_bytes : int, byte
            Size of each.
        in_cache : int, byte
            See :meth:`bytes_at_once`.

        Returns
        -------
        int
        """
        return divisor(count, max(1, self.bytes_at_once(in_cache) // item_bytes))

    @abstractmethod
    def in_parts(self, sections: tf.Tensor) -> list[tf.Tensor]:
        """Cut sections, first axis, into equal parts that run side by side.

        Parameters
        ----------
        sections : tf.Tensor, shape (n, ...)

        Returns
        -------
        list of tf.Tensor, shape (n / parts, ...)
        """

    @abstractmethod
    def matvec(self, matrix: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
        """Return the product of a matrix and a vector, in full precision.

        Parameters
        ----------
        matrix : tf.Tensor, shape (..., n)
        vector : tf.Tensor, shape (n,)

        Returns
        -------
        tf.Tensor, shape (...)
        """

    @abstractmethod
    def products_by_row(self, matrices: Callable[[Any], tf.Tensor], vectors: tf.Tensor) -> tf.Tensor:
        """Return the products of many matrices with a vector each, in full precision.

        Parameters
        ----------
        matrices : callable
            Number of a row to its matrix, shape (m, k); ``slice(None)`` to all of them, shape (b, m, k).
        vectors : tf.Tensor, shape (b, k)

        Returns
        -------
        tf.Tensor, shape (b, m)
        """

    @abstractmethod
    def whole(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a loss with its gradient in the form that the device evaluates it in.

        Parameters
        ----------
        function : callable
            Tensors to tensors; its parts may be compiled already.

        Returns
        -------
        callable
        """

    @abstractmethod
    def rooms(self, forecast: memory.Forecast) -> list[Room]:
        """Return what a reconstruction takes of each memory, and what is free there.

        Parameters
        ----------
        forecast : Forecast

        Returns
        -------
        list of Room
            The scarcest first.
        """


@dataclass(frozen=True)
class ProcessorStrategy(Strategy):
    """Loops that stay in cache, over parts of the sections that run side by side.

    Examples
    --------
    >>> ProcessorStrategy().at_once(12, item_bytes=1000, in_cache=5000)
    4
    """

    name: ClassVar[str] = "machine"
    remedy: ClassVar[str] = ""
    loops: ClassVar[bool] = True

    def bytes_at_once(self, in_cache: int) -> int:
        """See :meth:`Strategy.bytes_at_once`."""
        return in_cache

    def in_parts(self, sections: tf.Tensor) -> list[tf.Tensor]:
        """See :meth:`Strategy.in_parts`."""
        return tf.split(sections, divisor(int(sections.shape[0]), PARTS))

    def matvec(self, matrix: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
        """See :meth:`Strategy.matvec`."""
        return tf.linalg.matvec(matrix, vector)

    def products_by_row(self, matrices: Callable[[Any], tf.Tensor], vectors: tf.Tensor) -> tf.Tensor:
        """See :meth:`Strategy.products_by_row`."""

        def of_row(i: tf.Tensor) -> tf.Tensor:
            return tf.linalg.matvec(matrices(i), vectors[i])

        return tf.map_fn(of_row, tf.range(vectors.shape[0]), fn_output_signature=vectors.dtype)

    def whole(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function as it is: its compiled parts run side by side."""
        return function

    def rooms(self, forecast: memory.Forecast) -> list[Room]:
        """See :meth:`Strategy.rooms`."""
        return [Room(forecast.total, memory.available(), "free memory", memory.PROGRAM)]


@dataclass(frozen=True)
class GpuStrategy(Strategy):
    """Few kernels, each of which takes as much as its memory holds with ease.

    A GPU may round the factors of products of matrices to TensorFloat-32. Where few numbers stand for many voxels, that
    puts steps into the loss, which cannot be minimised then; sums are formed instead, which do not round.

    Examples
    --------
    >>> GpuStrategy().at_once(12, item_bytes=1000, in_cache=5000)
    12
    """

    name: ClassVar[str] = "GPU"
    remedy: ClassVar[str] = ", or hide the GPU (CUDA_VISIBLE_DEVICES=-1)"
    loops: ClassVar[bool] = False

    def bytes_at_once(self, in_cache: int) -> int:
        """See :meth:`Strategy.bytes_at_once`."""
        return memory.BLOCK_ON_GPU

    def in_parts(self, sections: tf.Tensor) -> list[tf.Tensor]:
        """See :meth:`Strategy.in_parts`."""
        return [sections]

    def matvec(self, matrix: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
        """See :meth:`Strategy.matvec`."""
        return tf.reduce_sum(matrix * vector, -1)

    def products_by_row(self, matrices: Callable[[Any], tf.Tensor], vectors: tf.Tensor) -> tf.Tensor:
        """See :meth:`Strategy.products_by_row`."""
        return tf.reduce_sum(matrices(slice(None)) * vectors[:, None], axis=2)

    def whole(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function compiled as one, which starts few kernels."""
        return tf.function(function, jit_compile=True, autograph=False)

    def rooms(self, forecast: memory.Forecast) -> list[Room]:
        """See :meth:`Strategy.rooms`."""
        return [
            Room(forecast.tensors, gpu_memory.free(), "free memory of the GPU"),
            Room(forecast.beside, memory.available(), "free memory", memory.PROGRAM),
        ]


def divisor(n: int, most: int) -> int:
    """Return the largest divisor of a number that is at most another.

    Parameters
    ----------
    n, most : int

    Returns
    -------
    int

    Examples
    --------
    >>> divisor(12, 5)
    4
    """
    return next(i for i in range(min(n, most), 0, -1) if n % i == 0)
