"""What descriptors see of a field: its channels, and their planar sections in parts that run side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from polyrve.backend.device import bytes_at_once, has_gpu
from polyrve.microstructure.axes import in_plane

PARTS = 8
"""Parts that sections are cut into on a processor, each of which one thread takes at a time."""


@dataclass(frozen=True, eq=False)
class Channels:
    """What descriptors see of a field.

    Attributes
    ----------
    values : tf.Tensor, shape (C, nz, ny, nx)
        Local state.
    orientation : tf.Tensor, shape (4, nz, ny, nx)
        Unit quaternions.
    indicators : tf.Tensor, shape (P, nz, ny, nx), or None
        Phase indicators; None with one phase.
    mask : tf.Tensor, shape (nz, ny, nx), or None
        1 where the point counts, 0 where it is not indexed; None where all count.
    periodic : bool
        Whether pairs are formed across the faces.
    sections : mapping of int to list of tf.Tensor, optional
        Parts of sections that are cut already, see :meth:`cut`.
    """

    values: Any
    orientation: Any
    indicators: Any
    mask: Any
    periodic: bool
    sections: Mapping[int, list[Any]] = dataclasses.field(default_factory=dict)

    def cut(self, axes: Sequence[int]) -> Channels:
        """The same with its sections normal to some axes cut, once for all descriptors."""
        return dataclasses.replace(self, sections={axis: self.parts(axis) for axis in axes})

    def parts(self, axis: int) -> list[Any]:
        """Sections normal to an axis in equal parts, (sections, C, rows, columns) each."""
        return self.sections.get(axis) or in_parts(self.values, axis)


def sections_first(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Field (C, nz, ny, nx) as (C, sections, rows, columns) of the sections normal to an axis."""
    order = [0, axis + 1, *(i + 1 for i in in_plane(axis))]
    return values if axis == 0 else tf.transpose(values, order)


def in_parts(values: tf.Tensor, axis: int) -> list[tf.Tensor]:
    """Sections of a field (C, nz, ny, nx) normal to an axis in equal parts, (sections, C, rows, columns) each."""
    sections = tf.transpose(values, [axis + 1, 0, *(i + 1 for i in in_plane(axis))])
    return tf.split(sections, divisor(int(sections.shape[0]), 1 if has_gpu() else PARTS))


def at_once(count: int, item_bytes: int, in_cache: int) -> int:
    """How many of some items of equal size a step of a loop takes, a divisor of their number.

    As many as fit into so many bytes where they are to stay in a processor's cache, more on a GPU.
    """
    return divisor(count, max(1, bytes_at_once(in_cache) // item_bytes))


def divisor(n: int, most: int) -> int:
    """Largest divisor of n that is at most a number."""
    return next(i for i in range(min(n, most), 0, -1) if n % i == 0)
