"""Mean variation: the mean norm of the gradient of all channels (arXiv 2605.14898, eq. 22)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from polyrve.backend.tensorflow import tf
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Context, average_groups
from polyrve.microstructure.axes import in_plane


@dataclass(frozen=True)
class Variation:
    """The mean over a section of sqrt(sum_c (d_row f_c)^2 + (d_column f_c)^2), first differences in voxels.

    Departs from the paper: one norm over channels and both directions; taken axis by axis it makes boundaries
    parallel to the axes.

    Attributes
    ----------
    eps : float
        Rounding of the norm at zero, small against the step of a boundary, which is of order one.

    See Also
    --------
    polyrve.descriptors.variogram.Variogram : Increments at longer lags, channel by channel.

    References
    ----------
    arXiv 2605.14898, eq. (22).

    Examples
    --------
    >>> import numpy as np
    >>> values = np.zeros((1, 4, 6, 8))
    >>> values[..., 4:] = 1.0
    >>> channels = Channels(tf.constant(values), None, None, None, periodic=True)
    >>> (estimate,) = Variation(eps=1e-6).estimate(channels, axes=(0,), group=None)
    >>> estimate.numpy().round(5)
    array([0.25])
    """

    eps: float = 1e-3
    name: str = field(default="variation")

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return the mean norm in the sections normal to each axis.

        Parameters
        ----------
        channels : Channels
        axes : tuple of int
            Array axes that the sections are normal to.
        group : int, optional
            Number of neighbouring sections that one estimate is averaged over; default all.

        Returns
        -------
        tuple of tf.Tensor, shape (groups,)
            One per axis.
        """
        per_section = _kernel(axes, self.eps, channels.periodic)(channels.values, channels.mask)
        body = channels.body
        counts = [None if body is None else body.points(axis, [((1, 0), (0, 1))])[0] for axis in axes]
        return tuple(average_groups(one, group, count) for one, count in zip(per_section, counts, strict=True))

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Return the mean squared relative residual, relative to `eps` where the target is smaller.

        Parameters
        ----------
        estimate : tf.Tensor, shape (groups,)
        target : float

        Returns
        -------
        tf.Tensor, shape ()
        """
        target = tf.cast(target, estimate.dtype)
        return tf.reduce_mean(((estimate - target) / tf.maximum(target, self.eps)) ** 2)


def make(context: Context) -> Variation:
    """Return the descriptor with its default arguments.

    Parameters
    ----------
    context : Context
        See :data:`polyrve.descriptors.protocol.Maker`.

    Returns
    -------
    Variation
    """
    return Variation()


@lru_cache(maxsize=64)
def _kernel(
    axes: tuple[int, ...], eps: float, periodic: bool
) -> Callable[[tf.Tensor, tf.Tensor | None], list[tf.Tensor]]:
    """Return channels and mask to the means of the norm in the sections normal to some axes."""

    @tf.function(jit_compile=True, autograph=False)
    def of_axes(values: tf.Tensor, mask: tf.Tensor | None) -> list[tf.Tensor]:
        differences = [_next(values, i + 1) - values for i in range(3)]
        squares = [tf.reduce_sum(difference * difference, 0) for difference in differences]
        found = []
        for axis in axes:
            inside = in_plane(axis)
            norm = tf.sqrt(tf.add_n([squares[i] for i in inside]) + eps**2) - eps
            if mask is None:
                found.append(tf.reduce_mean(norm, inside))
                continue
            counts = tf.reduce_prod([mask, *(_next(mask, i) for i in inside)], 0)
            if not periodic:
                counts = _without_last(counts, inside)
            found.append(tf.reduce_sum(norm * counts, inside) / tf.maximum(tf.reduce_sum(counts, inside), 1.0))
        return found

    return of_axes


def _next(values: tf.Tensor, axis: int) -> tf.Tensor:
    index = [slice(None)] * values.shape.rank
    rest, first = list(index), list(index)
    rest[axis], first[axis] = slice(1, None), slice(0, 1)
    return tf.concat([values[tuple(rest)], values[tuple(first)]], axis)


def _without_last(counts: tf.Tensor, axes: tuple[int, ...]) -> tf.Tensor:
    for axis in axes:
        n = int(counts.shape[axis])
        shape = [1] * counts.shape.rank
        shape[axis] = n
        inside = tf.reshape(tf.cast(tf.range(n) < n - 1, counts.dtype), shape)
        counts = counts * inside
    return counts
