"""The variogram of order p; p = 1 is the madogram (arXiv 2605.14898, eq. 20)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

from polyrve.descriptors._kernels.pair_means import section_pair_means
from polyrve.descriptors._kernels.transforms import Power
from polyrve.descriptors.channels import Channels
from polyrve.microstructure.lags import Lag


@dataclass(frozen=True)
class Variogram:
    r"""g_c(r) = 1/2 < abs(f_c(x) - f_c(x + r))^p >, matched in relative terms.

    Attributes
    ----------
    lags : tuple of (int, int)
        Rows and columns, in voxels.
    p : float
        Order.
    eps : float
        Rounding of the absolute value, small against the unit variance of the harmonics.
    floor : float
        Share of the largest target value, or of eps if that is larger, below which residuals are no longer divided by
        the target: the target of a single crystal is zero.
    """

    lags: tuple[Lag, ...]
    p: float = 1.0
    eps: float = 0.01
    floor: float = 0.02
    name: str = field(default="variogram")

    def estimate(self, channels: Channels, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (groups, L, C) per axis; see :class:`polyrve.descriptors.protocol.Descriptor`."""
        return section_pair_means(channels, self.lags, Power(self.p, self.eps), axes, group)

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mean squared relative residual."""
        target = tf.cast(target, estimate.dtype)
        scale = tf.maximum(target, self.floor * tf.maximum(tf.reduce_max(target), self.eps))
        return tf.reduce_mean(((estimate - target) / scale) ** 2)
