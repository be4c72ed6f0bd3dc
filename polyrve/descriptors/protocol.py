"""What a descriptor is, and sets of lags."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import tensorflow as tf

from polyrve.descriptors.channels import Channels


@runtime_checkable
class Descriptor(Protocol):
    """A statistic of planar sections that a reconstruction matches.

    The same estimator serves the measured map (mask, no periodicity, one section) and the volume, so that a field
    matches its own descriptors exactly.
    """

    @property
    def name(self) -> str:
        """Name under which settings, files and progress know it."""

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Estimates on the sections normal to each axis.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes; the sections normal to axis a have the remaining array axes in order as rows and columns.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (groups, ...)
            One per axis.
        """

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mismatch of estimates (groups, ...) and a target (...), a scalar that is zero if they agree."""


def squared_residual(estimate: tf.Tensor, target: Any) -> tf.Tensor:
    """The misfit of most descriptors: the mean squared residual."""
    return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)


def average_groups(per_section: tf.Tensor, group: int | None) -> tf.Tensor:
    """Averages over groups of neighbouring sections, shape (..., n) to (n / group, ...); all of them for None.

    Raises
    ------
    ValueError
        If the number of sections is no multiple of the group.
    """
    n = int(per_section.shape[-1])
    group = group_size(n, group)
    averaged = tf.reduce_mean(tf.reshape(per_section, (*per_section.shape[:-1], n // group, group)), -1)
    rank = averaged.shape.rank
    return tf.transpose(averaged, (rank - 1, *range(rank - 1)))


def group_size(sections: int, group: int | None) -> int:
    """Number of sections that one estimate is averaged over; all of them for None.

    Raises
    ------
    ValueError
        If the sections are not a multiple of the group.
    """
    if group is None:
        return sections
    if group < 1 or sections % group:
        raise ValueError(f"pooling: expected a divisor of the {sections} sections; got groups of {group}")
    return group
