"""What descriptors see of a field: its channels, and their planar sections in parts that run side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from polyrve.backend.device import current
from polyrve.backend.strategy import Strategy
from polyrve.backend.tensorflow import tf
from polyrve.descriptors.body import Body
from polyrve.microstructure.axes import in_plane


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
    strategy : Strategy
        How the device works on them; by default that of the device that TensorFlow works on.
    body : Body or None
        What the mask is of, where it is the body that a volume fills: its sections are averaged by their pairs.
    """

    values: Any
    orientation: Any
    indicators: Any
    mask: Any
    periodic: bool
    sections: Mapping[int, list[Any]] = dataclasses.field(default_factory=dict)
    strategy: Strategy = dataclasses.field(default_factory=current)
    body: Body | None = None

    def cut(self, axes: Sequence[int]) -> Channels:
        """Return the same with its sections normal to some axes cut, once for all descriptors.

        Parameters
        ----------
        axes : sequence of int
            Array axes.

        Returns
        -------
        Channels
        """
        return dataclasses.replace(self, sections={axis: self.parts(axis) for axis in axes})

    def parts(self, axis: int) -> list[Any]:
        """Return the sections normal to an axis in equal parts.

        Parameters
        ----------
        axis : int
            Array axis.

        Returns
        -------
        list of tf.Tensor, shape (sections, C, rows, columns)
        """
        return self.sections.get(axis) or self._in_parts(self.values, axis)

    def masks(self, axis: int) -> list[Any]:
        """Return the mask of each part of :meth:`parts`.

        Parameters
        ----------
        axis : int
            Array axis.

        Returns
        -------
        list of tf.Tensor, shape (sections, 1, rows, columns)
            One 1, of shape (1, 1, 1, 1), where all points count.
        """
        if self.mask is None:
            return [tf.ones((1, 1, 1, 1), self.values.dtype)] * len(self.parts(axis))
        return self._in_parts(self.mask[None], axis)

    def _in_parts(self, values: tf.Tensor, axis: int) -> list[tf.Tensor]:
        order = [axis + 1, 0, *(i + 1 for i in in_plane(axis))]
        return self.strategy.in_parts(tf.transpose(values, order))


def sections_first(values: tf.Tensor, axis: int) -> tf.Tensor:
    """Return a field as the sections normal to an axis.

    Parameters
    ----------
    values : tf.Tensor, shape (C, nz, ny, nx)
    axis : int
        Array axis.

    Returns
    -------
    tf.Tensor, shape (C, sections, rows, columns)
    """
    order = [0, axis + 1, *(i + 1 for i in in_plane(axis))]
    return values if axis == 0 else tf.transpose(values, order)
