"""What a descriptor is, and what it is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.lags import Lag


@runtime_checkable
class Descriptor(Protocol):
    """A statistic of planar sections that a reconstruction matches.

    The same estimator serves the measured map (mask, no periodicity, one section) and the volume, so that a field
    matches its own descriptors exactly. How a device sums is the business of ``channels.strategy``.

    See Also
    --------
    polyrve.descriptors.sets.MAKERS : Where settings find a descriptor by its name.

    Examples
    --------
    The mean square of each channel over the points that count; ``misfit`` is shared with others:

    >>> @dataclass(frozen=True)
    ... class Power:
    ...     name: str = "power"
    ...     misfit = staticmethod(squared_residual)
    ...
    ...     def estimate(self, channels, axes, group):
    ...         return tuple(average_groups(self.of_sections(channels, axis), group) for axis in axes)
    ...
    ...     def of_sections(self, channels, axis):
    ...         means = []
    ...         for values, mask in zip(channels.parts(axis), channels.masks(axis), strict=True):
    ...             share = tf.reduce_mean(mask, (2, 3))
    ...             means.append(tf.math.divide_no_nan(tf.reduce_mean(values**2 * mask, (2, 3)), share))
    ...         return tf.transpose(tf.concat(means, 0))
    >>> isinstance(Power(), Descriptor)
    True

    Points that are not indexed do not count, whatever their values are:

    >>> values, mask = tf.constant([[[[1.0, 3.0, 9.0, 9.0]]]]), tf.constant([[[1.0, 1.0, 0.0, 0.0]]])
    >>> (estimate,) = Power().estimate(Channels(values, None, None, mask, periodic=False), axes=(0,), group=None)
    >>> estimate.numpy()
    array([[5.]], dtype=float32)
    """

    @property
    def name(self) -> str:
        """Name under which settings, files and progress know it."""

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return estimates on the sections normal to each axis.

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
        """Return the mismatch of estimates and a target.

        Parameters
        ----------
        estimate : tf.Tensor, shape (groups, ...)
        target : array, shape (...)

        Returns
        -------
        tf.Tensor, shape ()
            Zero if they agree.
        """


@dataclass(frozen=True)
class Context:
    """What a reconstruction tells the makers of descriptors.

    Attributes
    ----------
    state : LocalState
        Phases and channels.
    largest_lag : int
        Largest lag, in voxels.
    shape : tuple of int
        Shape (nz, ny, nx) of the volume.
    texture_degree : int
        Highest even degree of the texture.

    Examples
    --------
    >>> from polyrve.crystallography.phase import Phase
    >>> context = Context(LocalState.of((Phase("Al"),)), largest_lag=2, shape=(16, 16, 16))
    >>> context.inside(((0, 1), (2, -2), (4, 0)))
    ((0, 1), (2, -2))
    """

    state: LocalState
    largest_lag: int
    shape: tuple[int, ...]
    texture_degree: int = 24

    def inside(self, lags: Sequence[Lag]) -> tuple[Lag, ...]:
        """Return those of some lags that are not larger than the largest.

        Parameters
        ----------
        lags : sequence of (int, int)
            Rows and columns, in voxels.

        Returns
        -------
        tuple of (int, int)
        """
        return tuple(lag for lag in lags if max(abs(lag[0]), abs(lag[1])) <= self.largest_lag)


Maker = Callable[[Context], Descriptor | None]
"""Makes a descriptor with its default arguments; None where there is nothing that it could describe."""


def squared_residual(estimate: tf.Tensor, target: Any) -> tf.Tensor:
    """Return the mean squared residual, the misfit of most descriptors.

    Parameters
    ----------
    estimate : tf.Tensor, shape (groups, ...)
    target : array, shape (...)

    Returns
    -------
    tf.Tensor, shape ()
    """
    return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)


def average_groups(per_section: tf.Tensor, group: int | None, counts: np.ndarray | None = None) -> tf.Tensor:
    """Return averages over groups of neighbouring sections.

    Parameters
    ----------
    per_section : tf.Tensor, shape (..., n)
    group : int or None
        Sections per group; all of them for None.
    counts : ndarray, shape (..., n), optional
        How much each section counts, such as its number of pairs; alike by default.

    Returns
    -------
    tf.Tensor, shape (n / group, ...)

    Raises
    ------
    ValueError
        If the number of sections is no multiple of the group.
    """
    n = int(per_section.shape[-1])
    group = group_size(n, group)
    grouped = tf.reshape(per_section, (*per_section.shape[:-1], n // group, group))
    if counts is None:
        averaged = tf.reduce_mean(grouped, -1)
    else:
        weights = np.reshape(counts, (*np.shape(counts)[:-1], n // group, group))
        weights = weights / np.maximum(weights.sum(axis=-1, keepdims=True), 1)
        averaged = tf.reduce_sum(grouped * tf.constant(weights, grouped.dtype), -1)
    rank = averaged.shape.rank
    return tf.transpose(averaged, (rank - 1, *range(rank - 1)))


def group_size(sections: int, group: int | None) -> int:
    """Return the number of sections that one estimate is averaged over.

    Parameters
    ----------
    sections : int
        Number of all sections.
    group : int or None
        Sections per group; all of them for None.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        If the sections are not a multiple of the group.

    Examples
    --------
    >>> group_size(6, None), group_size(6, 2)
    (6, 2)
    """
    if group is None:
        return sections
    if group < 1 or sections % group:
        raise ValueError(f"sections_per_group: expected a divisor of the {sections} sections; got groups of {group}")
    return group
