"""The loss: weighted mismatch of the descriptors over the sections of a field (arXiv 2605.14898, eqs. 3, 5, 23)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.section_by_section import misfits
from polyrve.descriptors.body import Body
from polyrve.descriptors.local_state import LocalState
from polyrve.descriptors.protocol import Descriptor
from polyrve.microstructure.fields import OrientationField
from polyrve.steps import announce, announced

_TERMS_TO_GRAPH = 16
"""Time until a graph has run for the first time, over that in which its terms are traced: 15 to 17 on a processor."""

Targets = Mapping[int, Sequence[np.ndarray]]
"""Per array axis the target of each descriptor."""


@dataclass(frozen=True, eq=False)
class SectionObjective:
    """The sum over descriptors and axes of weight times misfit, divided by the number of axes.

    Attributes
    ----------
    state : LocalState
        Phases and channels, and how the device works on them.
    descriptors : tuple of (Descriptor, float)
        Descriptors and weights.
    targets : mapping of int to sequence of ndarray
        For each array axis whose normal sections count, the target of each descriptor.
    group : int, optional
        Number of neighbouring sections that one estimate is averaged over; default all.
    periodic : bool
        Whether the field repeats across its faces.
    body : Body, optional
        What alone counts of a field with a free surface.
    """

    state: LocalState
    descriptors: tuple[tuple[Descriptor, float], ...]
    targets: Targets
    group: int | None = None
    periodic: bool = True
    body: Body | None = None

    @property
    def orientations(self) -> bool:
        """Whether the unknowns turn orientations, for :class:`polyrve.optimizers.Objective`."""
        return any(harmonics is not None for harmonics in self.state.harmonics)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms that :meth:`terms` returns."""
        return tuple(descriptor.name for descriptor, _ in self.descriptors)

    def terms(self, position: tf.Tensor) -> tf.Tensor:
        """Return the weighted loss of each descriptor.

        Parameters
        ----------
        position : tf.Tensor, shape (nz, ny, nx, unknowns)

        Returns
        -------
        tf.Tensor, shape (number of descriptors,)

        Raises
        ------
        ValueError
            If a target has another shape than its descriptor's estimate.
        """
        axes = tuple(sorted(self.targets))
        channels = self.state.channels(position, periodic=self.periodic, body=self.body).cut(axes)
        terms = []
        for i, (descriptor, weight) in enumerate(self.descriptors):
            self._tell(i)
            targets = {axis: self.targets[axis][i] for axis in axes}
            found = misfits(descriptor, channels, targets, self.group)
            terms.append(weight / len(axes) * tf.add_n(found))
        self._tell(len(self.descriptors))
        return tf.stack(terms)

    def _tell(self, done: int) -> None:
        """Say how far the graph is, of which nothing is heard once its terms are there, until it has run."""
        if tf.inside_function():
            announce("compiling the loss", done, _TERMS_TO_GRAPH * len(self.descriptors))

    @tf.autograph.experimental.do_not_convert
    def value_and_gradient(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, its gradient and its terms.

        In a graph without AutoGraph, which takes seconds: descriptors branch on tensors by ``tf.cond`` alone.

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
        return self.state.strategy.whole(self._value_and_gradient)

    def _value_and_gradient(self, position: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        return with_gradient(self.terms, position)


def with_gradient(
    terms_of: Callable[[tf.Tensor], tf.Tensor], position: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the sum of the terms at a position, its gradient, and the terms."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(position)
        terms = terms_of(position)
        value = tf.reduce_sum(terms)
    return value, tape.gradient(value, position), terms


def describe(
    state: LocalState, descriptors: Sequence[Descriptor], reference: OrientationField
) -> tuple[np.ndarray, ...]:
    """Measure the descriptors of a map, the targets of a reconstruction.

    Parameters
    ----------
    state : LocalState
    descriptors : sequence of Descriptor
    reference : OrientationField
        A map, or a volume with nz = 1, whose pixels have the size of the voxels.

    Returns
    -------
    tuple of ndarray, one per descriptor
    """
    channels = state.reference(reference)
    kinds = announced(descriptors, "measuring the descriptors of the map")
    return tuple(descriptor.estimate(channels, (0,), None)[0][0].numpy() for descriptor in kinds)
