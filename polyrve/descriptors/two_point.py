"""Two-point correlations of all pairs of channels, by FFT (arXiv 2605.14898, eq. 19)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from polyrve.descriptors.pair_means import sections_first
from polyrve.local_state import Features


@dataclass(frozen=True)
class TwoPoint:
    """S_cd(r) = < f_c(x) f_d(x + r) > for all c, d and lags up to a window.

    Since S_cd(r) = S_dc(-r), all ordered pairs (c, d) with rows >= 0 hold every correlation.

    Attributes
    ----------
    window : int
        Largest lag along rows and columns, in voxels.
    cross : bool
        Whether pairs of different channels count.
    """

    window: int
    cross: bool = True
    name: str = field(default="two_point")

    def estimate(self, features: Features, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (groups, C, C, window + 1, 2 window + 1) per axis, or (groups, C, ...) without cross terms."""
        return tuple(self._on_sections(features, axis, group) for axis in axes)

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mean squared residual."""
        return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)

    def _on_sections(self, features: Features, axis: int, group: int | None) -> tf.Tensor:
        rows, columns = (int(n) for i, n in enumerate(features.channels.shape[1:]) if i != axis)
        for n in (rows, columns):
            if 2 * self.window >= 2 * n or (features.periodic and 2 * self.window > n):
                raise ValueError(f"window: expected lags that fit into {rows} x {columns} sections; got {self.window}")
        values = sections_first(features.channels, axis)
        if features.mask is None:
            sums = self._lag_sums(values, rows, columns, group, padded=not features.periodic)
            return sums / (rows * columns)
        mask = sections_first(features.mask[None], axis)
        padded = not features.periodic
        sums = self._lag_sums(values * mask, rows, columns, group, padded)
        counts = TwoPoint(self.window, cross=False)._lag_sums(mask, rows, columns, group, padded)
        counts = counts if not self.cross else counts[:, None]
        return sums / tf.maximum(counts, 0.5)

    def _lag_sums(self, values: tf.Tensor, rows: int, columns: int, group: int | None, padded: bool) -> tf.Tensor:
        """Sums over a section of products at each lag, averaged over the sections of a group."""
        count, sections = int(values.shape[0]), int(values.shape[1])
        group = sections if group is None else group
        if sections % group:
            raise ValueError(f"pooling: expected a divisor of the {sections} sections; got groups of {group}")
        n, m = (rows + self.window, columns + self.window) if padded else (rows, columns)
        spectrum = tf.signal.rfft2d(values, fft_length=(n, m))
        half = m // 2 + 1
        spectrum = tf.reshape(spectrum, (count, sections // group, group, n * half))
        if self.cross:
            spectrum = tf.transpose(spectrum, (1, 3, 0, 2))
            power = tf.matmul(tf.math.conj(spectrum), spectrum, transpose_b=True)
            power = tf.reshape(tf.transpose(power, (0, 2, 3, 1)), (-1, n, half))
        else:
            power = tf.reduce_sum(tf.math.conj(spectrum) * spectrum, 2)
            power = tf.reshape(tf.transpose(power, (1, 0, 2)), (-1, n, half))
        lags = tf.matmul(
            tf.einsum("rk,pkh->prh", _waves(np.arange(self.window + 1), np.arange(n), n, power.dtype), power),
            _waves(np.arange(half), np.arange(-self.window, self.window + 1), m, power.dtype)
            * tf.constant(_multiplicity(m)[:, None], power.dtype),
        )
        lags = tf.math.real(lags) / (n * m * group)
        extent = (self.window + 1, 2 * self.window + 1)
        return tf.reshape(lags, (sections // group, *((count, count) if self.cross else (count,)), *extent))


def _waves(a: np.ndarray, b: np.ndarray, n: int, dtype: Any) -> tf.Tensor:
    return tf.constant(np.exp(2j * np.pi * np.outer(a, b) / n), dtype)


def _multiplicity(m: int) -> np.ndarray:
    """How often a column of the half spectrum stands in the whole one."""
    weights = np.full(m // 2 + 1, 2.0)
    weights[0] = 1.0
    if m % 2 == 0:
        weights[-1] = 1.0
    return weights
