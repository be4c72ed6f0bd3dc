"""Orientation scatter within grains: how it grows with distance in maps, and a random field that grows alike.

The deviation of a point from its grain's mean is a rotation vector in the sample frame, which symmetrically equivalent
orientations share. The measuring noise is what second differences along rows and columns at once keep, extrapolated to
a distance of 0: smooth bending, and walls along either, leave them zero [1]_. The rest of the structure function
S(r) = <abs(v(x) - v(x + r))^2> over pairs in one grain is fitted by Gaussian parts, which are positive definite in any
dimension. Medians keep out the boundaries below the threshold that grains of a strong texture hold [2]_.

References
----------
.. [1] J. Immerkaer, Computer Vision and Image Understanding 64 (1996) 300, doi:10.1006/cviu.1996.0060: the variance of
   the noise of pictures.
.. [2] N. Cressie, Statistics for Spatial Data (1993), section 2.4.3, for the median as a robust estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import nnls

from polyrve.crystallography import rotation
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.lags import half_plane, rings

_LAGS = tuple(dict.fromkeys((*half_plane(2), *rings((3, 4, 5, 6, 8, 10, 12), 8))))
"""Distances in points at which the structure function is measured, up to the width of a well resolved grain.

Beyond it pairs in one grain become few, and grains of the large ones alone.
"""

_SCALES = np.array([0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0])
"""Standard deviations, in points, of the Gaussian parts that are fitted: from one that is white beyond the first
neighbour to the longest lag, about 1.4 times apart, which is as fine as sums of Gaussians can be told from each other.
"""

_FEWEST_PAIRS = 50
"""Pairs of points that tell a median; its error is then 18 % of the spread. Fewer let single grains decide."""

_STRIDES = (1, 2, 3)
"""Points between those of second differences: as wide as grains of seven points allow."""

_POWERS = np.linspace(1.0, 8.0, 15)
"""Powers of the stride with which second differences of the material may grow: from a random walk's to smooth."""

_ERROR = 2.4
"""Relative standard error of a mean square from a median, times the root of their number, as 3 x 3 points overlap.

Measured on specimens: 4.4 % of 2900.
"""

_SECOND = np.multiply.outer((1.0, -2.0, 1.0), (1.0, -2.0, 1.0))
"""Second differences along rows and columns at once."""

_SQUARE_OF_MEDIAN = 3.0 / 1.5381722**2
"""Mean square over squared median of the length of a Gaussian vector in three dimensions: 3 over the square of the
median of a chi distribution with three degrees of freedom.
"""


@dataclass(frozen=True, eq=False)
class OrientationScatter:
    """Structure function of the deviations within grains; made by :func:`fit_scatter`.

    Attributes
    ----------
    noise : float, rad^2
        Part that is the same at all distances: the measuring noise.
    parts : ndarray, shape (K,), rad^2
        ``parts[k] * (1 - exp(-r^2 / (2 scales[k]^2)))``.
    scales : ndarray, shape (K,), um
    """

    noise: float
    parts: np.ndarray
    scales: np.ndarray

    @property
    def noise_degrees(self) -> float:
        """Root mean square angle of the measuring error of a point, degrees."""
        return float(np.rad2deg(np.sqrt(self.noise / 2.0)))

    def field(
        self, shape: Sequence[int], spacing: Sequence[float], rng: np.random.Generator, *, noise: bool = True
    ) -> np.ndarray:
        """Draw a periodic Gaussian field of rotation vectors with this structure function.

        Parameters
        ----------
        shape : sequence of int
        spacing : sequence of float, um
        rng : numpy.random.Generator
        noise : bool
            Whether the measuring noise is part of the field; without it the field is the material's.

        Returns
        -------
        ndarray, shape (*shape, 3), rad
        """
        square = np.zeros(shape)
        for axis, (n, step) in enumerate(zip(shape, spacing, strict=True)):
            distance = np.minimum(np.arange(n), n - np.arange(n)) * step
            square = square + (distance**2).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        covariance = np.zeros(shape)
        for part, scale in zip(self.parts, self.scales, strict=True):
            covariance += part / 2.0 * np.exp(-square / (2.0 * scale**2))
        filtering = np.sqrt(np.maximum(np.fft.rfftn(covariance).real, 0.0) / 3.0)
        axes = tuple(range(len(shape)))
        smooth = [np.fft.irfftn(np.fft.rfftn(rng.standard_normal(shape)) * filtering, shape, axes) for _ in range(3)]
        field = np.stack(smooth, axis=-1)
        return field + rng.standard_normal((*shape, 3)) * np.sqrt(self.noise / 6.0) if noise else field


def fit_scatter(grains: Iterable[GrainMap], smallest: int) -> OrientationScatter:
    """Fit the orientation scatter within the grains of some maps.

    Parameters
    ----------
    grains : iterable of GrainMap
    smallest : int
        Points of the smallest grains that count.

    Returns
    -------
    OrientationScatter
        Without any where no lag has 50 pairs of points in one grain.

    See Also
    --------
    polyrve.microstructure.map_analysis.MapAnalysis.grains : The grains of a map.

    Examples
    --------
    >>> from polyrve import make_specimen, segment, simulate_scan
    >>> specimen = make_specimen((8, 64, 64), grain_size=12.0, scatter=0.0, seed=1)
    >>> scan = simulate_scan(specimen, noise=0.5, unindexed=0.0, misindexed=0.0)
    >>> found = fit_scatter([segment(scan)], smallest=3)
    >>> round(float(np.rad2deg(np.sqrt(found.noise / 2.0))), 1)
    0.5
    """
    distance, middle, pairs = [], [], []
    bent: dict[int, list[np.ndarray]] = {step: [] for step in _STRIDES}
    step = 0.0
    for one in grains:
        vectors = _deviations(one)
        large = (np.bincount(one.grain_ids.ravel()) >= smallest) & (np.arange(one.number_of_grains + 1) > 0)
        ids = np.where(large[one.grain_ids], one.grain_ids, 0)
        step = max(step, *one.field.spacing)
        for stride, lengths in bent.items():
            lengths.append(_bent(vectors, ids, stride))
        for row, column in _LAGS:
            if max(abs(row), abs(column)) >= min(ids.shape):
                continue
            here, there = _ends(ids.shape, (row, column))
            same = (ids[here] == ids[there]) & (ids[here] > 0)
            apart = np.linalg.norm(vectors[here][same] - vectors[there][same], axis=-1)
            if len(apart) >= _FEWEST_PAIRS:
                distance.append(np.hypot(row * one.field.spacing[0], column * one.field.spacing[1]))
                middle.append(_mean_square(apart))
                pairs.append(len(apart))
    scales = _SCALES * step
    if not distance:
        return OrientationScatter(0.0, np.zeros(len(scales)), scales)
    r, found = np.array(distance), np.maximum(middle, 1e-16)
    shapes = 1.0 - np.exp(-((r[:, None] / scales) ** 2) / 2.0)
    weight = np.sqrt(pairs) / found
    white = _white({stride: np.concatenate(lengths) for stride, lengths in bent.items()})
    if white is None:
        sills, _ = nnls(np.insert(shapes, 0, 1.0, axis=1) * weight[:, None], found * weight)
        return OrientationScatter(float(sills[0]), sills[1:], scales)
    noise = min(white, float(found.min()))
    sills, _ = nnls(shapes * weight[:, None], (found - noise) * weight)
    return OrientationScatter(noise, sills, scales)


def _mean_square(lengths: np.ndarray) -> float:
    """Return the mean square of the lengths of Gaussian vectors, from their median."""
    return float(np.median(lengths) ** 2 * _SQUARE_OF_MEDIAN)


def _bent(vectors: np.ndarray, ids: np.ndarray, stride: int) -> np.ndarray:
    """Return the lengths of the second differences along rows and columns at once, within grains."""
    width = 2 * stride + 1
    if min(ids.shape) < width:
        return np.zeros(0)
    around = sliding_window_view(ids, (width, width))
    middle = around[..., stride, stride]
    inside = (around == middle[..., None, None]).all(axis=(2, 3)) & (middle > 0)
    points = sliding_window_view(vectors, (width, width), (0, 1))[..., ::stride, ::stride]
    return np.linalg.norm(np.einsum("rcvij,ij->rcv", points, _SECOND)[inside], axis=-1)


def _white(bent: Mapping[int, np.ndarray]) -> float | None:
    """Return the white noise of second differences at some strides, rad^2 as in structure functions; None of too few.

    Their mean square is fitted by noise and a power of the stride, the highest that is not two standard errors off.
    """
    told = {stride: lengths for stride, lengths in bent.items() if len(lengths) >= _FEWEST_PAIRS}
    if not told:
        return None
    square = np.maximum([_mean_square(lengths) for lengths in told.values()], 1e-16)
    weight = np.sqrt([len(lengths) for lengths in told.values()]) / square
    fits = []
    for power in _POWERS if len(told) > 1 else _POWERS[-1:]:
        shapes = np.stack([np.ones(len(told)), np.power(list(told), power)], axis=1)
        parts, misfit = nnls(shapes * weight[:, None], square * weight)
        fits.append((misfit**2, float(parts[0])))
    likely = min(fits)[0] + (2.0 * _ERROR) ** 2
    smoothest = [square for misfit, square in fits if misfit <= likely][-1]
    return 2.0 * smoothest / float((_SECOND**2).sum())


def _deviations(grains: GrainMap) -> np.ndarray:
    """Return rotation vectors from the grains' means, in the sample frame, shape (ny, nx, 3), rad; 0 in no grain."""
    field, ids = grains.field, grains.grain_ids
    vectors = np.zeros((*ids.shape, 3))
    for phase_id, phase in enumerate(field.phases, start=1):
        inside = (ids > 0) & (field.phase_ids == phase_id)
        mean = grains.quaternions[ids[inside] - 1]
        nearest = rotation.nearest_equivalent(field.quaternions[inside], mean, phase.symmetry)
        away = rotation.multiply(rotation.conjugate(mean), nearest)
        vectors[inside] = 2.0 * away[:, 1:] * np.where(away[:, :1] < 0, -1.0, 1.0)
    return vectors


def _ends(shape: Sequence[int], lag: Sequence[int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the parts of an array at the two ends of a lag."""
    here = tuple(slice(max(0, -length), n - max(0, length)) for n, length in zip(shape, lag, strict=True))
    there = tuple(slice(max(0, length), n + min(0, length)) for n, length in zip(shape, lag, strict=True))
    return here, there
