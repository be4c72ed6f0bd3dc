"""The loss of a volume that changes along one axis: that of each window along it against the maps' own window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from polyrve.backend.tensorflow import tf
from polyrve.descriptors.protocol import Descriptor
from polyrve.reconstruction.objective import SectionObjective, with_gradient


@dataclass(frozen=True, eq=False)
class GradedObjective:
    """The mean over windows of the losses of the parts of a field that lie in them.

    Attributes
    ----------
    axis : int
        Array axis that the windows follow each other along.
    windows : tuple of ((int, int), SectionObjective)
        First voxel, and the one behind the last, and the loss of that part.
    """

    axis: int
    windows: tuple[tuple[tuple[int, int], SectionObjective], ...]

    @property
    def _first(self) -> SectionObjective:
        return self.windows[0][1]

    @property
    def orientations(self) -> bool:
        """Whether the unknowns turn orientations."""
        return self._first.orientations

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms that :meth:`terms` returns."""
        return self._first.names

    @property
    def descriptors(self) -> tuple[tuple[Descriptor, float], ...]:
        """Descriptors and weights."""
        return self._first.descriptors

    def terms(self, position: tf.Tensor) -> tf.Tensor:
        """Return the weighted loss of each descriptor.

        Parameters
        ----------
        position : tf.Tensor, shape (nz, ny, nx, unknowns)

        Returns
        -------
        tf.Tensor, shape (number of descriptors,)
        """
        found = []
        for (first, last), objective in self.windows:
            part = [slice(None)] * 4
            part[self.axis] = slice(first, last)
            found.append(objective.terms(position[tuple(part)]))
        return tf.add_n(found) / len(found)

    @tf.autograph.experimental.do_not_convert
    def value_and_gradient(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, its gradient and its terms.

        Parameters
        ----------
        position : tf.Tensor, shape (nz, ny, nx, unknowns)

        Returns
        -------
        loss : tf.Tensor, shape ()
        gradient : tf.Tensor, shape (nz, ny, nx, unknowns)
        terms : tf.Tensor, shape (number of descriptors,)
        """
        return self._on_device(position)

    @cached_property
    def _on_device(self) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor, tf.Tensor]]:
        return self._first.state.strategy.whole(self._value_and_gradient)

    def _value_and_gradient(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return with_gradient(self.terms, position)
