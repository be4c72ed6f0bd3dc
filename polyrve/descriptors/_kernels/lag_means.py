r"""Sums of products of channels at each lag, by way of the spectra of blocks of sections.

With F the Fourier transform of a section of n x m points, the sum over all points at lag (r, s) is

.. math:: \sum_x f_c(x) f_d(x + (r, s)) = \frac{1}{nm} \sum_{kl} \overline{F_c} F_d \, e^{2 \pi i (kr/n + ls/m)},

which few lags need of: two matrix products, first over l of half the spectrum, then over k, instead of an inverse
transform for each pair. Blocks of sections pass through one after another; the backward pass transforms them again, so
that no spectra of pairs are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from polyrve.backend.custom_gradients import with_gradient
from polyrve.backend.strategy import Strategy
from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels.half_spectrum import SIGNS, STARTS, column_lags, half_columns, times
from polyrve.descriptors.protocol import group_size

BLOCK_BYTES = 4_000_000
"""Spectra and pairs of a block of sections, which stay in cache."""
POOLED_BYTES = 16_000_000
"""Spectra of sections that one product of matrices pools: so many that its start does not count."""
PAIR_BYTES = 64_000_000
"""Pairs of channels of a large map that are formed at once, in a strip of its spectrum."""


def lag_means(
    values: tf.Tensor, largest_lag: int, cross: bool, group: int | None, padded: bool, strategy: Strategy
) -> tf.Tensor:
    """Return sums of products at each lag over the points of a section, per point, averaged over groups of sections.

    Parameters
    ----------
    values : tf.Tensor, shape (C, sections, rows, columns)
    largest_lag : int
    cross : bool
    group : int, optional
        Number of neighbouring sections that one mean is taken over; default all.
    padded : bool
        Whether sections end at their edges instead of continuing periodically.
    strategy : Strategy
        How the device works on them.

    Returns
    -------
    tf.Tensor, shape (groups, C, C, largest_lag + 1, 2 * largest_lag + 1)
        Of shape (groups, C, ...) without cross terms.
    """
    channels, sections, rows, columns = (int(n) for n in values.shape)
    group = group_size(sections, group)
    size = (rows + largest_lag, columns + largest_lag) if padded else (rows, columns)
    layout = _Layout(channels, largest_lag, cross, size, area=rows * columns)
    spectrum_bytes = 2 * values.dtype.size * channels * size[0] * layout.half
    pair_bytes = values.dtype.size * size[0] * len(layout.pairs[0]) * (1 + cross) * layout.half
    each = strategy.at_once(group, spectrum_bytes, POOLED_BYTES)
    block = each * strategy.at_once(sections // each, each * spectrum_bytes + pair_bytes, BLOCK_BYTES)
    strips = 1 if each > 1 else -(-block * pair_bytes // strategy.bytes_at_once(PAIR_BYTES))
    means = _kernel(layout, each, block, strips, tuple(values.shape), values.dtype, strategy.loops)(values)
    return tf.reduce_mean(tf.reshape(means, (sections // group, group // each, *means.shape[1:])), 1)


@dataclass(frozen=True)
class _Layout:
    """The pairs of channels, and the matrices that take their spectra to lags.

    Attributes
    ----------
    channels, largest_lag : int
    cross : bool
    size : (int, int)
        Points of the transform along rows and columns.
    area : int
        Points of a section.
    """

    channels: int
    largest_lag: int
    cross: bool
    size: tuple[int, int]
    area: int

    @property
    def half(self) -> int:
        """Columns of half the spectrum."""
        return half_columns(self.size[1])

    @property
    def even(self) -> int:
        """Rows k of the sums P(k) + P(-k)."""
        return self.size[0] // 2 + 1

    @property
    def odd(self) -> int:
        """Rows k > 0 of the differences P(k) - P(-k)."""
        return (self.size[0] - 1) // 2

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """First and second channel of each pair (c, c + d), second >= first."""
        distances = range(self.channels if self.cross else 1)
        first = np.concatenate([np.arange(self.channels - d) for d in distances])
        return first, first + np.repeat(distances, [self.channels - d for d in distances])

    def ordered(self) -> tuple[np.ndarray, np.ndarray]:
        """Return, per ordered pair of channels, (C, C), the pair that it belongs to, and 1 where it is that pair."""
        first, second = self.pairs
        index = np.zeros((self.channels, self.channels), dtype=np.int32)
        index[first, second] = index[second, first] = np.arange(len(first))
        among = np.zeros((self.channels, self.channels))
        among[first, second] = 1.0
        return index, among

    def over_columns(self, weighted: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines and sines from columns of the spectrum to column lags.

        They are (half, largest_lag + 1) and (half, largest_lag). Weighted, a column counts as often as it stands in the
        whole spectrum.
        """
        weight = times(self.size[1])[:, None] if weighted else 1.0
        cosines, sines = column_lags(self.size[1], self.largest_lag)
        return weight * cosines, weight * sines

    def over_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return cosines and sines from rows of the spectrum to row lags.

        They are (largest_lag + 1, even) and (largest_lag, odd).
        """
        angle = 2 * np.pi / self.size[0] * np.outer(np.arange(self.largest_lag + 1), np.arange(self.even))
        scale = 1.0 / (self.size[0] * self.size[1] * self.area)
        return scale * np.cos(angle), scale * np.sin(angle[1:, 1 : self.odd + 1])


@lru_cache(maxsize=64)
def _kernel(
    layout: _Layout,
    each: int,
    block: int,
    strips: int,
    shape: tuple[int, int, int, int],
    dtype: tf.DType,
    loops: bool,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return values (C, sections, rows, columns) to means over ``each`` sections, in blocks of ``block`` sections.

    Pairs of large maps are formed for a strip of the columns of the spectrum at a time, and summed over these. Without
    `loops` the gradient takes all pairs of channels at once, as a GPU does.
    """
    channels, count = layout.channels, len(layout.pairs[0])
    products, products_gradient = _of_each(layout, loops) if each == 1 else _of_several(layout, each)

    def matrices(weighted: bool, dtype: tf.DType) -> list[tuple[tf.Tensor, tf.Tensor]]:
        """Return matrices over rows and columns, for sums and differences of real, then of imaginary parts."""
        (even, odd), (cosine, sine) = layout.over_rows(), layout.over_columns(weighted)
        ways = [(even, cosine), (odd, sine), (even, sine), (odd, cosine)][: 4 if layout.cross else 2]
        return [(tf.constant(rows, dtype), tf.constant(columns, dtype)) for rows, columns in ways]

    width = -(-layout.half // strips)

    def strip_of(values: tf.Tensor, i: tf.Tensor | int) -> tf.Tensor:
        """Return the columns of a spectrum in one strip, filled up with zeros."""
        if strips == 1:
            return values
        at = [0] * (values.shape.rank - 1)
        filled = tf.pad(values, [*[(0, 0)] * len(at), (0, strips * width - layout.half)])
        return tf.slice(filled, tf.stack([*at, i * width]), (*values.shape[:-1], width))

    def forward(part: tf.Tensor) -> tf.Tensor:
        spectrum, ways = tf.signal.rfft2d(part, layout.size), matrices(True, part.dtype)

        def over_columns(i: tf.Tensor | int) -> list[tf.Tensor]:
            parts = zip(products(strip_of(spectrum, i)), ways, strict=True)
            return [
                tf.matmul(tf.reshape(pairs, (-1, width)), strip_of(tf.transpose(columns), i), transpose_b=True)
                for pairs, (_, columns) in parts
            ]

        sums = over_columns(0)
        if strips > 1:
            rest = tf.range(1, strips)
            sums = tf.foldl(lambda sums, i: [a + b for a, b in zip(sums, over_columns(i), strict=True)], rest, sums, 1)
        lags = []
        for one, (rows, columns) in zip(sums, ways, strict=True):
            over_rows = tf.matmul(rows, tf.reshape(one, (rows.shape[1], -1)))
            lags.append(tf.reshape(over_rows, (rows.shape[0], block // each, count, columns.shape[1])))
        return _ordered(layout)(lags)

    def backward(part: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        spectra = []
        slopes = _ordered_gradient(layout)(upstream)
        for slope, (rows, columns) in zip(slopes, matrices(False, part.dtype), strict=True):
            over_rows = tf.matmul(rows, tf.reshape(slope, (rows.shape[0], -1)), transpose_a=True)
            both = tf.matmul(tf.reshape(over_rows, (-1, columns.shape[1])), columns, transpose_b=True)
            spectra.append(tf.reshape(both, (rows.shape[1], block // each, count, layout.half)))
        gradient = products_gradient(tf.signal.rfft2d(part, layout.size), *spectra)
        field = tf.signal.irfft2d(gradient, layout.size)[:, :, : part.shape[2], : part.shape[3]]
        return field * float(layout.size[0] * layout.size[1])

    def cut(values: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        return tf.slice(values, tf.stack([0, i * block, 0, 0]), (channels, block, *values.shape[2:]))

    def joined(function: Callable[[tf.Tensor], tf.Tensor], blocks: int, dtype: tf.DType) -> tf.Tensor:
        return tf.map_fn(function, tf.range(blocks), fn_output_signature=dtype)

    def means(values: tf.Tensor) -> Any:
        blocks = shape[1] // block
        found = joined(lambda i: forward(cut(values, i)), blocks, values.dtype)

        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            upstream = tf.reshape(upstream, found.shape)
            parts = joined(lambda i: backward(cut(values, i), upstream[i]), blocks, values.dtype)
            return tf.reshape(tf.transpose(parts, (1, 0, 2, 3, 4)), shape)

        return tf.reshape(found, (-1, *found.shape[2:])), gradient

    return with_gradient(means, tf.TensorSpec(shape, dtype))


@lru_cache(maxsize=64)
def _ordered(layout: _Layout) -> Callable[[list[tf.Tensor]], tf.Tensor]:
    """Return parts of lags, each (row lags, groups, pairs, column lags), to those of all ordered pairs, rows >= 0."""
    channels, largest_lag = layout.channels, layout.largest_lag
    first, second = layout.pairs
    index = np.empty((channels, channels), dtype=np.int32)
    index[second, first], index[first, second] = len(first) + np.arange(len(first)), np.arange(len(first))

    @tf.function(jit_compile=True, autograph=False)
    def joined(parts: list[tf.Tensor]) -> tf.Tensor:
        whole = []
        for part in parts:
            rows, columns = (largest_lag + 1 - int(part.shape[axis]) for axis in (0, 3))
            whole.append(tf.transpose(tf.pad(part, [(rows, 0), (0, 0), (0, 0), (columns, 0)]), (1, 2, 0, 3)))
        sides = [
            tf.add_n([sign * part for sign, part in zip(signs, whole, strict=True)])
            for signs in SIGNS[: 2 * (1 + layout.cross), : len(parts)]
        ]
        pairs = zip(sides[::2], sides[1::2], strict=True)
        return tf.concat([tf.concat([tf.reverse(low[..., 1:], [3]), high], 3) for high, low in pairs], 1)

    return lambda parts: tf.gather(joined(parts), index, axis=1) if layout.cross else joined(parts)


@lru_cache(maxsize=64)
def _ordered_gradient(layout: _Layout) -> Callable[[tf.Tensor], list[tf.Tensor]]:
    """Return the transpose of :func:`_ordered`."""
    channels, largest_lag = layout.channels, layout.largest_lag
    first, second = layout.pairs

    @tf.function(jit_compile=True, autograph=False)
    def split(lags: list[tf.Tensor]) -> list[tf.Tensor]:
        sides = []
        for values in lags:
            rows = tf.transpose(values, (2, 0, 1, 3))
            low = tf.pad(tf.reverse(rows[..., :largest_lag], [3]), [(0, 0), (0, 0), (0, 0), (1, 0)])
            sides += [rows[..., largest_lag:], low]
        found = []
        for (row, column), signs in zip(STARTS[: 4 if layout.cross else 2], SIGNS.T, strict=False):
            terms = [sign * side for sign, side in zip(signs[: len(sides)], sides, strict=True)]
            found.append(tf.add_n(terms)[row:, ..., column:])
        return found

    def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
        if not layout.cross:
            return split([upstream])
        flat = tf.reshape(upstream, (-1, channels**2, largest_lag + 1, 2 * largest_lag + 1))
        forth = tf.gather(flat, first * channels + second, axis=1)
        back = tf.gather(flat, second * channels + first, axis=1)
        return split([forth, back * tf.constant((first != second)[:, None, None], flat.dtype)])

    return gradient


def _folded(ahead: tf.Tensor, behind: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return sums and differences of rows k >= 0 and rows -1, -2, ... of spectra."""
    n = int(behind.shape[0])
    return tf.concat([ahead[:1], ahead[1 : n + 1] + behind, ahead[n + 1 :]], 0), ahead[1 : n + 1] - behind


def _unfolded(even: tf.Tensor, odd: tf.Tensor) -> tf.Tensor:
    """Return all rows of spectra in their order, the transpose of :func:`_folded`."""
    n = int(odd.shape[0])
    inner = even[1 : n + 1]
    return tf.concat([even[:1], inner + odd, even[n + 1 :], tf.reverse(inner - odd, [0])], 0)


def _of_each(layout: _Layout, loops: bool) -> tuple[Callable[..., Any], ...]:
    """Return spectra of the pairs of single sections, and the gradient: each pair once, in one compiled pass.

    Returns
    -------
    products : callable
        Spectra (C, sections, n, half) to the sums and differences of the real parts of pairs, and, with cross terms,
        those of the imaginary parts: (even, sections, pairs, half) and (odd, sections, pairs, half).
    gradient : callable
        Spectra and the gradients of those parts to the gradient of the real and imaginary parts of the spectra, as a
        complex number.
    """
    channels = layout.channels

    def by_rows(spectrum: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        rows = tf.transpose(spectrum, (2, 1, 0, 3))
        return tf.math.real(rows), tf.math.imag(rows)

    @tf.function(jit_compile=True, autograph=False)
    def products(spectrum: tf.Tensor) -> list[tf.Tensor]:
        re, im = by_rows(spectrum)
        distances = range(channels if layout.cross else 1)

        def of_pairs(re: tf.Tensor, im: tf.Tensor) -> list[tf.Tensor]:
            real, imaginary = [], []
            for d in distances:
                a, b, x, y = (part[:, :, s] for s in (slice(channels - d), slice(d, None)) for part in (re, im))
                real.append(a * x + b * y)
                imaginary.append(a * y - b * x)
            return [tf.concat(parts, 2) for parts in (real, imaginary)[: 1 + layout.cross]]

        ahead = of_pairs(re[: layout.even], im[: layout.even])
        behind = of_pairs(*(tf.reverse(part[layout.even :], [0]) for part in (re, im)))
        return [half for pair in zip(ahead, behind, strict=True) for half in _folded(*pair)]

    @tf.function(jit_compile=True, autograph=False)
    def gradient(spectrum: tf.Tensor, *upstream: tf.Tensor) -> tf.Tensor:
        re, im = by_rows(spectrum)
        real = _unfolded(*upstream[:2])
        imaginary = _unfolded(*upstream[2:]) if layout.cross else None
        if not loops:
            return _gradient_at_once(layout, re, im, real, imaginary)
        zero = tf.zeros_like(re[:, :, 0])
        found = [(zero, zero)] * channels
        for row, (c, d) in enumerate(zip(*layout.pairs, strict=True)):
            x = real[:, :, row]
            y = zero if imaginary is None else imaginary[:, :, row]
            for one, other, sign in ((c, d, 1.0), (d, c, -1.0)):
                a, b, w = re[:, :, other], im[:, :, other], sign * y
                found[one] = found[one][0] + x * a + w * b, found[one][1] + x * b - w * a
        return tf.transpose(tf.stack([tf.complex(*parts) for parts in found]), (0, 2, 1, 3))

    return products, gradient


def _gradient_at_once(
    layout: _Layout, re: tf.Tensor, im: tf.Tensor, real: tf.Tensor, imaginary: tf.Tensor | None
) -> tf.Tensor:
    """Return the gradient of :func:`_of_each` for all pairs at once, in a few kernels of a GPU.

    Spectra are (n, sections, C, half), slopes of their products (n, sections, pairs, half).
    """
    index, among = layout.ordered()
    x = tf.gather(real, index, axis=2) * tf.constant((among + among.T)[:, :, None], re.dtype)
    of_re, of_im = x * re[:, :, None], x * im[:, :, None]
    if imaginary is not None:
        w = tf.gather(imaginary, index, axis=2) * tf.constant((among - among.T)[:, :, None], re.dtype)
        of_re, of_im = of_re + w * im[:, :, None], of_im - w * re[:, :, None]
    return tf.transpose(tf.complex(*(tf.reduce_sum(part, 3) for part in (of_re, of_im))), (2, 1, 0, 3))


def _of_several(layout: _Layout, each: int) -> tuple[Callable[..., Any], ...]:
    """Do as :func:`_of_each` for means over neighbouring sections, by a product of matrices for each frequency."""
    channels, n, half = layout.channels, layout.size[0], layout.half
    first, second = layout.pairs
    index, among = layout.ordered()

    def by_frequency(spectrum: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(spectrum, (2, 3, 1, 0)), (n * half, -1, each, channels))

    def products(spectrum: tf.Tensor) -> list[tf.Tensor]:
        values = by_frequency(spectrum)
        power = tf.reshape(tf.matmul(values, values, adjoint_a=True), (n, half, -1, channels**2))
        power = tf.transpose(tf.gather(power, first * channels + second, axis=3), (0, 2, 3, 1))
        parts = [tf.math.real(power) / each, tf.math.imag(power) / each][: 1 + layout.cross]
        return [part for whole in parts
                for part in _folded(whole[: layout.even], tf.reverse(whole[layout.even :], [0]))]  # fmt: skip

    def gradient(spectrum: tf.Tensor, *upstream: tf.Tensor) -> tf.Tensor:
        x = _unfolded(*upstream[:2]) / each
        y = _unfolded(*upstream[2:]) / each if layout.cross else tf.zeros_like(x)
        slope = tf.transpose(tf.gather(tf.complex(x, y), index, axis=2), (0, 4, 1, 2, 3))
        slope = tf.math.conj(slope) * tf.constant(among, slope.dtype) + slope * tf.constant(among.T, slope.dtype)
        values = by_frequency(spectrum)
        found = tf.matmul(values, tf.reshape(slope, (n * half, -1, channels, channels)), transpose_b=True)
        return tf.transpose(tf.reshape(found, (n, half, -1, channels)), (3, 2, 0, 1))

    return products, gradient
