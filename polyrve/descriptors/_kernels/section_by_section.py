"""Misfits of descriptors to their targets, and one pass for those whose sections are compared each by itself.

Where every section has a misfit of its own, its slope is known as soon as its estimate is, while all that led to the
estimate is still in cache. Such descriptors hand out a misfit with its slope instead of estimates: nothing is formed
again on the way back, and no estimates are kept. A GPU takes many sections at once instead, by way of their estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Descriptor

Kernel = Callable[[tf.Tensor], tf.Tensor]
"""Values (sections, C, rows, columns) to the sum of the misfits of the sections."""


@runtime_checkable
class ComparesSections(Protocol):
    """A descriptor that has a misfit of single sections, periodic and without holes, in one pass."""

    def section_misfit(self, shape: tuple[int, ...], target: np.ndarray, dtype: tf.DType) -> Kernel:
        """Return the sum of the misfits of sections as a function of their values.

        Parameters
        ----------
        shape : tuple of int
            Sections, channels, rows and columns.
        target : ndarray
            Of the shape of an estimate.
        dtype : tf.DType

        Returns
        -------
        callable
            Values (sections, C, rows, columns) to a scalar, differentiable.

        Raises
        ------
        ValueError
            If the target has another shape.
        """


def misfits(
    descriptor: Descriptor, channels: Channels, targets: Mapping[int, np.ndarray], group: int | None
) -> list[tf.Tensor]:
    """Return the misfit of a descriptor in the sections normal to each axis.

    Parameters
    ----------
    descriptor : Descriptor
    channels : Channels
    targets : mapping of int to ndarray
        Target for each array axis.
    group : int, optional
        Number of neighbouring sections that one estimate is averaged over; default all.

    Returns
    -------
    list of tf.Tensor
        A scalar per axis, in the order of the targets.

    Raises
    ------
    ValueError
        If a target has another shape than the descriptor's estimate.
    """
    alone = group == 1 and channels.periodic and channels.mask is None
    if alone and channels.strategy.loops and isinstance(descriptor, ComparesSections):
        return [_in_one_pass(descriptor, channels.parts(axis), target) for axis, target in targets.items()]
    found = []
    estimates = descriptor.estimate(channels, tuple(targets), group)
    for estimate, target in zip(estimates, targets.values(), strict=True):
        require_shape(descriptor.name, target, tuple(estimate.shape[1:]))
        found.append(descriptor.misfit(estimate, target))
    return found


def require_shape(name: str, target: np.ndarray, expected: Sequence[int]) -> None:
    """Refuse a target of another shape than a descriptor's estimate.

    Raises
    ------
    ValueError
        With the descriptor's name and both shapes.
    """
    if np.shape(target) != tuple(expected):
        raise ValueError(f"descriptor {name}: expected a target of shape {tuple(expected)}; got {np.shape(target)}")


def _in_one_pass(descriptor: ComparesSections, parts: list[tf.Tensor], target: np.ndarray) -> tf.Tensor:
    """Return the mean misfit of sections, in parts that run side by side."""
    shape = tuple(int(n) for n in parts[0].shape)
    kernel = descriptor.section_misfit(shape, target, parts[0].dtype)
    return tf.add_n([kernel(part) for part in parts]) / (len(parts) * shape[0])
