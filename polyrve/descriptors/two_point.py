r"""Two-point correlations of all pairs of channels (arXiv 2605.14898, eq. 19).

With F the Fourier transform of a section of n x m points, the sum over all points at lag (r, s) is

.. math:: \sum_x f_c(x) f_d(x + (r, s)) = \frac{1}{nm} \sum_{kl} \overline{F_c} F_d \, e^{2 \pi i (kr/n + ls/m)},

which few lags need of: two matrix products, first over l of half the spectrum, then over k, instead of an inverse
transform for each pair. Blocks of sections pass through one after another; the backward pass transforms them again, so
that no spectra of pairs are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from polyrve.descriptors.pair_means import divisor, sections_first
from polyrve.descriptors.protocol import group_size
from polyrve.local_state import Features

_BLOCK_BYTES = 8_000_000
_POOLED_BYTES = 16_000_000


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
            if self.window >= n or (features.periodic and 2 * self.window > n):
                raise ValueError(f"window: expected lags that fit into {rows} x {columns} sections; got {self.window}")
        values, padded = sections_first(features.channels, axis), not features.periodic
        if features.mask is None:
            return lag_means(values, self.window, self.cross, group, padded)
        mask = sections_first(features.mask[None], axis)
        sums = lag_means(values * mask, self.window, self.cross, group, padded)
        counts = lag_means(mask, self.window, False, group, padded)
        counts = counts if not self.cross else counts[:, None]
        return sums / tf.maximum(counts, 0.5 / (rows * columns))


def lag_means(values: tf.Tensor, window: int, cross: bool, group: int | None, padded: bool) -> tf.Tensor:
    """Sums of products at each lag over the points of a section, per point, averaged over the sections of a group.

    Parameters
    ----------
    values : tf.Tensor, shape (C, sections, rows, columns)
    window : int
    cross : bool
    group : int, optional
        Number of neighbouring sections that one mean is taken over; default all.
    padded : bool
        Whether sections end at their edges instead of continuing periodically.

    Returns
    -------
    tf.Tensor, shape (groups, C, C, window + 1, 2 window + 1), or (groups, C, ...) without cross terms
    """
    channels, sections, rows, columns = (int(n) for n in values.shape)
    group = group_size(sections, group)
    size = (rows + window, columns + window) if padded else (rows, columns)
    layout = _Layout(channels, window, cross, size, area=rows * columns)
    spectrum_bytes = 2 * values.dtype.size * channels * size[0] * layout.half
    pair_bytes = values.dtype.size * size[0] * len(layout.pairs[0]) * layout.parts
    each = divisor(group, max(1, _POOLED_BYTES // spectrum_bytes))
    block = each * divisor(sections // each, max(1, _BLOCK_BYTES // (each * spectrum_bytes + pair_bytes)))
    means = _kernel(layout, each, block)(values)
    return tf.reduce_mean(tf.reshape(means, (sections // group, group // each, *means.shape[1:])), 1)


@dataclass(frozen=True)
class _Layout:
    """The pairs of channels, and the matrices that take their spectra to lags.

    Attributes
    ----------
    channels, window : int
    cross : bool
    size : (int, int)
        Points of the transform along rows and columns.
    area : int
        Points of a section.
    """

    channels: int
    window: int
    cross: bool
    size: tuple[int, int]
    area: int

    @property
    def half(self) -> int:
        """Columns of half the spectrum."""
        return self.size[1] // 2 + 1

    @property
    def parts(self) -> int:
        """Numbers along the columns of a pair's spectrum: real and imaginary parts, the latter none without cross."""
        return (1 + self.cross) * self.half

    @property
    def distances(self) -> range:
        """Distances d of the channels of a pair (c, c + d)."""
        return range(self.channels if self.cross else 1)

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """First and second channel of each pair, second >= first."""
        first = np.concatenate([np.arange(self.channels - d) for d in self.distances])
        return first, first + np.repeat(self.distances, [self.channels - d for d in self.distances])

    def over_columns(self, weighted: bool) -> tuple[np.ndarray, np.ndarray]:
        """From spectra (parts) to the real and the imaginary part at column lags, (parts, 2 window + 1) each.

        Weighted, a column counts as often as it stands in the whole spectrum.
        """
        angle = 2 * np.pi / self.size[1] * np.outer(np.arange(self.half), np.arange(-self.window, self.window + 1))
        single = np.isin(np.arange(self.half), (0, self.size[1] / 2)) | (not weighted)
        cosine, sine = (np.where(single, 1.0, 2.0)[:, None] * wave for wave in (np.cos(angle), np.sin(angle)))
        if not self.cross:
            return cosine, sine
        return np.concatenate([cosine, -sine]), np.concatenate([sine, cosine])

    def over_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """From the real and the imaginary part of rows of the spectrum to row lags, (lags, rows) each.

        Lags start at -window with cross terms, and at 0 without.
        """
        lags = np.arange(-self.window if self.cross else 0, self.window + 1)
        angle = 2 * np.pi / self.size[0] * np.outer(lags, np.arange(self.size[0]))
        scale = 1.0 / (self.size[0] * self.size[1] * self.area)
        return scale * np.cos(angle), -scale * np.sin(angle)


@lru_cache(maxsize=64)
def _kernel(layout: _Layout, each: int, block: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Values (C, sections, rows, columns) to means over ``each`` sections, in blocks of ``block`` sections."""
    n, channels, window = layout.size[0], layout.channels, layout.window
    first, second = layout.pairs
    count, widths = len(first), 2 * window + 1
    products, products_gradient = _of_each(layout) if each == 1 else _of_several(layout, each)

    def matrices(pair: tuple[np.ndarray, np.ndarray], dtype: tf.DType) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.constant(pair[0], dtype), tf.constant(pair[1], dtype)

    def ordered(lags: tf.Tensor) -> tf.Tensor:
        """Lags (groups, pairs, row lags, column lags) of the pairs to those of all ordered pairs, rows >= 0."""
        if not layout.cross:
            return lags
        both = tf.concat([lags[:, :, window:], tf.reverse(lags, [2, 3])[:, :, window:]], 1)
        index = np.empty((channels, channels), dtype=np.int32)
        index[second, first], index[first, second] = count + np.arange(count), np.arange(count)
        return tf.gather(both, index, axis=1)

    def ordered_gradient(upstream: tf.Tensor) -> tf.Tensor:
        if not layout.cross:
            return upstream
        flat = tf.reshape(upstream, (-1, channels**2, window + 1, widths))
        forth = tf.gather(flat, first * channels + second, axis=1)
        back = tf.gather(flat, second * channels + first, axis=1)
        back *= tf.constant((first != second)[:, None, None], flat.dtype)
        low, high = ([(0, 0), (0, 0), pad, (0, 0)] for pad in ((window, 0), (0, window)))
        return tf.pad(forth, low) + tf.pad(tf.reverse(back, [2, 3]), high)

    def forward(part: tf.Tensor) -> tf.Tensor:
        real, imaginary = matrices(layout.over_columns(True), part.dtype)
        cosine, sine = matrices(layout.over_rows(), part.dtype)
        spectra = tf.reshape(products(tf.signal.rfft2d(part, layout.size)), (-1, layout.parts))
        lags = tf.matmul(cosine, tf.reshape(tf.matmul(spectra, real), (n, -1)))
        lags += tf.matmul(sine, tf.reshape(tf.matmul(spectra, imaginary), (n, -1)))
        return ordered(tf.transpose(tf.reshape(lags, (-1, block // each, count, widths)), (1, 2, 0, 3)))

    def backward(part: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        real, imaginary = matrices(layout.over_columns(False), part.dtype)
        cosine, sine = matrices(layout.over_rows(), part.dtype)
        lags = tf.transpose(ordered_gradient(upstream), (2, 0, 1, 3))
        lags = tf.reshape(lags, (lags.shape[0], -1))
        spectra = tf.matmul(tf.reshape(tf.matmul(cosine, lags, transpose_a=True), (-1, widths)), real, transpose_b=True)
        odd = tf.reshape(tf.matmul(sine, lags, transpose_a=True), (-1, widths))
        spectra += tf.matmul(odd, imaginary, transpose_b=True)
        spectra = tf.reshape(spectra, (n, block // each, count, layout.parts))
        gradient = products_gradient(tf.signal.rfft2d(part, layout.size), spectra)
        field = tf.signal.irfft2d(gradient, layout.size)[:, :, : part.shape[2], : part.shape[3]]
        return field * float(layout.size[0] * layout.size[1])

    def cut(values: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        return tf.slice(values, tf.stack([0, i * block, 0, 0]), (channels, block, *values.shape[2:]))

    def joined(function: Callable[[tf.Tensor], tf.Tensor], blocks: int, dtype: tf.DType) -> tf.Tensor:
        return tf.map_fn(function, tf.range(blocks), fn_output_signature=dtype)

    @tf.custom_gradient
    def means(values: tf.Tensor) -> Any:
        values = tf.stop_gradient(values)
        blocks = int(values.shape[1]) // block
        found = joined(lambda i: forward(cut(values, i)), blocks, values.dtype)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            upstream = tf.reshape(upstream, found.shape)
            parts = joined(lambda i: backward(cut(values, i), upstream[i]), blocks, values.dtype)
            return tf.reshape(tf.transpose(parts, (1, 0, 2, 3, 4)), values.shape)

        return tf.reshape(found, (-1, *found.shape[2:])), gradient

    return means


def _of_each(layout: _Layout) -> tuple[Callable[..., tf.Tensor], ...]:
    """Spectra of the pairs of single sections, and the gradient: each pair once, in one compiled pass.

    Returns
    -------
    products : callable
        Spectra (C, sections, n, half) to those of pairs, (n, sections, pairs, parts).
    gradient : callable
        Spectra and the gradient of their pairs to the gradient of their real and imaginary parts, as a complex number.
    """
    channels, half = layout.channels, layout.half

    def by_rows(spectrum: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.transpose(spectrum, (2, 1, 0, 3))
        return tf.math.real(rows), tf.math.imag(rows)

    @tf.function(jit_compile=True, autograph=False)
    def products(spectrum: tf.Tensor) -> tf.Tensor:
        re, im = by_rows(spectrum)
        found = []
        for d in layout.distances:
            a, b, x, y = (part[:, :, s] for s in (slice(channels - d), slice(d, None)) for part in (re, im))
            parts = [a * x + b * y, a * y - b * x]
            found.append(tf.concat(parts[: 1 + layout.cross], -1))
        return tf.concat(found, 2)

    @tf.function(jit_compile=True, autograph=False)
    def gradient(spectrum: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        re, im = by_rows(spectrum)
        zero = tf.zeros_like(re[:, :, 0])
        found = [(zero, zero)] * channels
        for row, (c, d) in enumerate(zip(*layout.pairs, strict=True)):
            x = upstream[:, :, row, :half]
            y = upstream[:, :, row, half:] if layout.cross else zero
            for one, other, sign in ((c, d, 1.0), (d, c, -1.0)):
                a, b, w = re[:, :, other], im[:, :, other], sign * y
                found[one] = found[one][0] + x * a + w * b, found[one][1] + x * b - w * a
        return tf.transpose(tf.stack([tf.complex(*parts) for parts in found]), (0, 2, 1, 3))

    return products, gradient


def _of_several(layout: _Layout, each: int) -> tuple[Callable[..., tf.Tensor], ...]:
    """As :func:`_of_each` for means over ``each`` neighbouring sections: a product of matrices for each frequency."""
    channels, n, half = layout.channels, layout.size[0], layout.half
    first, second = layout.pairs
    index = np.zeros((channels, channels), dtype=np.int32)
    index[first, second] = index[second, first] = np.arange(len(first))
    among = np.zeros((channels, channels))
    among[first, second] = 1.0

    def by_frequency(spectrum: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(spectrum, (2, 3, 1, 0)), (n * half, -1, each, channels))

    def products(spectrum: tf.Tensor) -> tf.Tensor:
        values = by_frequency(spectrum)
        power = tf.reshape(tf.matmul(values, values, adjoint_a=True), (n, half, -1, channels**2))
        power = tf.transpose(tf.gather(power, first * channels + second, axis=3), (0, 2, 3, 1))
        parts = [tf.math.real(power), tf.math.imag(power)]
        return tf.concat(parts[: 1 + layout.cross], -1) / each

    def gradient(spectrum: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        x = upstream[..., :half] / each
        y = upstream[..., half:] / each if layout.cross else tf.zeros_like(x)
        slope = tf.transpose(tf.gather(tf.complex(x, y), index, axis=2), (0, 4, 1, 2, 3))
        slope = tf.math.conj(slope) * tf.constant(among, slope.dtype) + slope * tf.constant(among.T, slope.dtype)
        values = by_frequency(spectrum)
        found = tf.matmul(values, tf.reshape(slope, (n * half, -1, channels, channels)), transpose_b=True)
        return tf.transpose(tf.reshape(found, (n, half, -1, channels)), (3, 2, 0, 1))

    return products, gradient
