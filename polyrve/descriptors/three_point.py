"""The hybrid three-point variogram (arXiv 2605.14898, eq. 21)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from polyrve.descriptors.protocol import Lag, average_groups
from polyrve.local_state import Features

DENSE_LAGS: tuple[Lag, ...] = (
    (0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (2, 2), (2, -2), (0, 4), (4, 0), (0, 8), (8, 0),
)  # fmt: skip


@dataclass(frozen=True)
class ThreePoint:
    """G_c(h1, h2) = 1/2 < abs(f_c(x + h1) - f_c(x)) abs(f_c(x + h2) - f_c(x)) > for all pairs of some lags.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels: dense near zero, and in several directions, not along the axes alone.
    eps : float
        Rounding of the absolute values.
    """

    lags: tuple[Lag, ...] = DENSE_LAGS
    eps: float = 0.01
    name: str = field(default="three_point")

    def estimate(self, features: Features, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (groups, C, K, K) per axis; see :class:`polyrve.descriptors.protocol.Descriptor`."""
        return tuple(average_groups(self._per_section(features, axis), group) for axis in axes)

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mean squared residual."""
        return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)

    def _per_section(self, features: Features, axis: int) -> tf.Tensor:
        """Shape (C, K, K, sections)."""
        order = [axis + 1, 0, *(i + 1 for i in range(3) if i != axis)]
        channels = tf.transpose(features.channels, order)
        rows, columns = (int(n) for n in channels.shape[2:])
        reach = max(max(abs(r), abs(c)) for r, c in self.lags)
        ones = tf.ones((channels.shape[0], 1, rows, columns), channels.dtype)
        mask = ones if features.mask is None else tf.transpose(features.mask[None], order)

        def extended(section: tf.Tensor) -> tf.Tensor:
            if features.periodic:
                section = tf.concat([section[:, rows - reach :], section, section[:, :reach]], 1)
                return tf.concat([section[:, :, columns - reach :], section, section[:, :, :reach]], 2)
            return tf.pad(section, [(0, 0), (reach, reach), (reach, reach)])

        def shifts(section: tf.Tensor) -> tf.Tensor:
            padded = extended(section)
            return tf.stack(
                [padded[:, reach + r : reach + r + rows, reach + c : reach + c + columns] for r, c in self.lags], 1
            )

        @tf.function(jit_compile=True, autograph=False)
        def increments(section: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
            difference = shifts(section) - section[:, None]
            size = (tf.sqrt(difference * difference + self.eps**2) - self.eps) * (shifts(mask) * mask)
            return tf.reshape(size, (size.shape[0], len(self.lags), rows * columns))

        @tf.function(jit_compile=True, autograph=False)
        def increments_gradient(section: tf.Tensor, mask: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
            with tf.GradientTape() as tape:
                tape.watch(section)
                size = increments.python_function(section, mask)
            return tape.gradient(size, section, upstream)

        def counts(mask: tf.Tensor) -> tf.Tensor:
            if features.mask is None:
                return tf.constant(float(rows * columns), mask.dtype)
            both = tf.reshape(shifts(mask) * mask, (len(self.lags), rows * columns))
            return tf.maximum(tf.matmul(both, both, transpose_b=True), 1.0)

        def one(inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            section, mask = inputs
            size = increments(section, mask)
            return 0.5 * tf.matmul(size, size, transpose_b=True) / counts(mask)

        @tf.custom_gradient
        def products(channels: tf.Tensor) -> Any:
            values = tf.map_fn(one, (channels, mask), fn_output_signature=channels.dtype)

            def backward(upstream: tf.Tensor) -> tf.Tensor:
                def one_back(inputs: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tf.Tensor:
                    section, mask, g = inputs
                    size = increments(section, mask)
                    g = 0.5 * (g + tf.linalg.matrix_transpose(g)) / counts(mask)
                    return increments_gradient(section, mask, tf.matmul(g, size))

                return tf.map_fn(one_back, (channels, mask, upstream), fn_output_signature=channels.dtype)

            return values, backward

        return tf.transpose(products(channels), (1, 2, 3, 0))
