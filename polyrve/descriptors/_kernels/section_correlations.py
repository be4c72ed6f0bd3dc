r"""Two-point correlations of single sections compared with a target: misfit and slope in one pass.

With R + i I the Fourier transform of a section of n x m points, the correlations of channels c and d have the spectrum
:math:`P = R_c R_d + I_c I_d + i (R_c I_d - I_c R_d)`, and the correlation at lag (r, s) is a sum of four parts, each
even or odd in r and in s:

.. math:: S(r, s) \propto \sum_{kl} \mathrm{Re} P \, (\cos kr \cos ls - \sin kr \sin ls)
                          - \mathrm{Im} P \, (\cos kr \sin ls + \sin kr \cos ls).

Residuals are taken in these parts: the squares at (r, s), (r, -s) and both of the reversed pair (d, c) add up to four
times those of the parts. Few lags need no inverse transform: both sums are products with matrices. Pairs of channels
are counted around, (c, c + distance mod C), so that at each distance all channels meet one partner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from polyrve.backend.custom_gradients import with_slope
from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.half_spectrum import SIGNS, STARTS, column_lags, half_columns, times
from polyrve.descriptors._kernels.xla_operations import replaced


@dataclass(frozen=True)
class SectionCorrelations:
    """Correlations of all pairs of channels, or of each with itself, in one periodic section.

    Attributes
    ----------
    channels, largest_lag : int
    cross : bool
    shape : (int, int)
        Rows and columns of a section.
    """

    channels: int
    largest_lag: int
    cross: bool
    shape: tuple[int, int]

    @property
    def distances(self) -> int:
        """Number of distances between the channels of pairs, from 0."""
        return self.channels // 2 + 1 if self.cross else 1

    @property
    def half(self) -> int:
        """Columns of half the spectrum."""
        return half_columns(self.shape[1])

    def row_lags(self) -> np.ndarray:
        """Return cosines at lags 0 ... largest_lag, then sines at 1 ... largest_lag, of the rows of a spectrum.

        Returns
        -------
        ndarray, shape (2 * largest_lag + 1, n)
        """
        n, m = self.shape
        angle = 2 * np.pi / n * np.outer(np.arange(self.largest_lag + 1), np.arange(n))
        return np.concatenate([np.cos(angle), np.sin(angle[1:])]) / (n * m) ** 2

    def parts(self, target: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return the four parts of correlations, in the order of the kernel.

        Parameters
        ----------
        target : ndarray, shape (C, C, largest_lag + 1, 2 * largest_lag + 1)
            Of shape (C, ...) without cross terms.

        Returns
        -------
        tuple of ndarray, shape (distances, row lags, C, column lags)
            Even and odd in both lags, odd in columns, odd in rows; the first two without cross terms.
        """
        first = np.arange(self.channels)
        second = (first + np.arange(self.distances)[:, None]) % self.channels
        forth, back = (target[first, second], target[second, first]) if self.cross else (target[None], target[None])
        ahead = slice(self.largest_lag, None), slice(self.largest_lag, None, -1)
        a, b, c, d = forth[..., ahead[0]], forth[..., ahead[1]], back[..., ahead[0]], back[..., ahead[1]]
        ways = [sum(sign * side for sign, side in zip(signs, (a, b, c, d), strict=True)) for signs in SIGNS.T]
        whole = [np.swapaxes(way / 4, 1, 2)[:, i:, :, j:] for way, (i, j) in zip(ways, STARTS, strict=True)]
        return tuple(whole if self.cross else whole[:2])

    def part_shapes(self) -> list[tuple[int, int, int, int]]:
        """Return the shapes of :meth:`parts`."""
        lags = self.largest_lag + 1
        starts = STARTS if self.cross else STARTS[:2]
        return [(self.distances, lags - row, self.channels, lags - column) for row, column in starts]

    def weights(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return how often a square counts in the mean: by distance, by column lag >= 0 and by column lag > 0."""
        of_distances = np.full(self.distances, 2.0)
        of_distances[0] = 1.0
        if self.cross and self.channels % 2 == 0:
            of_distances[-1] = 1.0
        count = (
            self.channels * (self.channels if self.cross else 1) * (self.largest_lag + 1) * (2 * self.largest_lag + 1)
        )
        of_columns = np.full(self.largest_lag + 1, 2.0)
        of_columns[0] = 1.0
        return of_distances / count, of_columns, of_columns[1:]

    def beyond(self, target: np.ndarray) -> float:
        """Return the mean square of what no correlations have: differences at lags that are one another reversed."""
        of_distances, *of_columns = self.weights()
        squares = [np.einsum("drcs->ds", part**2) for part in self.parts(target)]
        columns = [of_columns[i] for i in (0, 1, 1, 0)]
        held = sum(of_distances @ square @ column for square, column in zip(squares, columns, strict=False))
        return float(np.mean(target**2) - held)


@lru_cache(maxsize=64)
def misfit_kernel(layout: SectionCorrelations, sections: int, dtype: tf.DType) -> Callable[..., tf.Tensor]:
    """Return values (sections, C, n, m) and the parts of a target to the sum of mean squared residuals."""
    channels, largest_lag, half = layout.channels, layout.largest_lag, layout.half
    n, m = layout.shape
    width = channels * half
    around = (layout.distances - 1) * half
    # Arguments of the kernel: compilers take products with constants and joined terms apart.
    often = times(m)
    of_columns = [often[:, None] * lags for lags in column_lags(m, largest_lag)]
    constants = (often, layout.row_lags(), layout.row_lags().T, *of_columns, *layout.weights())

    @tf.function(jit_compile=True, autograph=False)
    def kernel(values: tf.Tensor, aims: list[tf.Tensor], matrices: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        often, row_lags, lag_rows, *rest = matrices
        of_columns, weights, column_weights = rest[:2], rest[2], rest[3:]

        def transform(section: tf.Tensor) -> list[tf.Tensor]:
            """Return real and imaginary parts of half the spectrum of (C, n, m), (n, C half) each."""
            spectrum = tf.transpose(tf.signal.rfft2d(section), (1, 0, 2))
            return [tf.reshape(part, (n, width)) for part in (tf.math.real(spectrum), tf.math.imag(spectrum))]

        def transposed(*slopes: tf.Tensor) -> tf.Tensor:
            """Return the transpose of :func:`transform`."""
            parts = [tf.transpose(tf.reshape(slope, (n, channels, half)) / often, (1, 0, 2)) for slope in slopes]
            return tf.signal.irfft2d(tf.complex(*parts), (n, m)) * float(n * m)

        def compare(part: tf.Tensor, sines: tuple[int, int], aims: list[tf.Tensor], weight: tf.Tensor) -> Any:
            """Return squares with cosines and sines over columns, (C, column lags), slopes of products, (n, C half).

            ``sines`` says which of the two goes with even row lags and which with odd ones.
            """
            over_rows = tf.split(tf.matmul(row_lags, part), [largest_lag + 1, largest_lag])
            squares, slopes = {}, []
            for over, sine, aim in zip(over_rows, sines, aims, strict=True):
                lags = tf.matmul(tf.reshape(over, (-1, half)), of_columns[sine])
                residual = tf.reshape(lags, aim.shape) - aim
                weighted = residual * (weight * column_weights[sine])
                squares[sine] = tf.reduce_sum(residual * weighted, 0)
                slope = tf.reshape(2.0 * weighted, (-1, largest_lag + 1 - sine))
                slopes.append(tf.reshape(tf.matmul(slope, of_columns[sine], transpose_b=True), (-1, width)))
            return squares[0], squares[1], tf.matmul(lag_rows, tf.concat(slopes, 0))

        def of_section(i: tf.Tensor) -> tuple[tf.Tensor, ...]:
            real, imaginary = transform(tf.slice(values, tf.stack([i, 0, 0, 0]), (1, channels, n, m))[0])
            power = real * real + imaginary * imaginary
            cosines, sines, slope = compare(power, (0, 1), [aims[0][0], aims[1][0]], weights[0])
            slopes = 2.0 * slope * real, 2.0 * slope * imaginary
            if layout.distances == 1:
                return cosines, sines, transposed(*slopes)
            others = [tf.concat([part, part[:, :around]], 1) for part in (real, imaginary)]

            def of_distance(d: tf.Tensor, cosines: Any, sines: Any, re: Any, im: Any, re_far: Any, im_far: Any) -> Any:
                at = tf.stack([0, d * half])
                x, y = (tf.slice(other, at, (n, width)) for other in others)

                def added(whole: tf.Tensor, part: tf.Tensor) -> tf.Tensor:
                    return replaced(whole, tf.slice(whole, at, (n, width)) + part, at)

                a, b, e = compare(real * x + imaginary * y, (0, 1), [aims[0][d], aims[1][d]], weights[d])
                p, q, f = compare(real * y - imaginary * x, (1, 0), [aims[2][d], aims[3][d]], weights[d])
                far = added(re_far, e * real - f * imaginary), added(im_far, e * imaginary + f * real)
                return d + 1, cosines + a + p, sines + b + q, re + e * x + f * y, im + e * y - f * x, *far

            far = tf.zeros((n, width + around), dtype)
            start = (1, cosines, sines, *slopes, far, far)
            found = tf.while_loop(lambda d, *_: d < layout.distances, of_distance, start)
            ends = [tf.concat([far[:, :around] + far[:, width:], far[:, around:width]], 1) for far in found[5:]]
            return found[1], found[2], transposed(found[3] + ends[0], found[4] + ends[1])

        cosines, sines, slopes = tf.map_fn(of_section, tf.range(sections), fn_output_signature=(dtype,) * 3)
        return tf.reduce_sum(cosines) + tf.reduce_sum(sines), slopes

    def misfit(values: tf.Tensor, *aims: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return kernel(values, list(aims), [tf.constant(constant, dtype) for constant in constants])

    aims = [tf.TensorSpec(shape, dtype) for shape in layout.part_shapes()]
    return with_slope(misfit, tf.TensorSpec((sections, channels, n, m), dtype), *aims)
