"""The mean square of each channel: a descriptor without lags."""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import Context


@dataclass(frozen=True)
class MeanSquare:
    """Mean over the points of a section, for map and volume alike; points that are not indexed do not count."""

    name: str = "mean_square"

    def estimate(self, channels: Channels, axes: Sequence[int], group: int | None) -> tuple[tf.Tensor, ...]:
        """Return a tensor of shape (1, C) for each axis: one estimate for all of its sections."""
        values = channels.values
        weight = tf.ones_like(values[0]) if channels.mask is None else channels.mask
        mean = tf.reduce_sum(values**2 * weight, (1, 2, 3)) / tf.reduce_sum(weight)
        return tuple(mean[None] for _ in axes)

    def misfit(self, estimate: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
        """Compare an estimate with that of the map."""
        return tf.reduce_mean((estimate - target) ** 2)


def make(context: Context) -> MeanSquare:
    """Return the descriptor for a run; ``context`` has the largest lag, the shape and the channels of the run."""
    return MeanSquare()
