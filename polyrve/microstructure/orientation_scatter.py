"""Orientation scatter within grains: how it grows with distance in maps, and a random field that grows alike.

The deviation of a point from its grain's mean is a rotation vector in the sample frame, which symmetrically equivalent
orientations share. Its structure function S(r) = <abs(v(x) - v(x + r))^2> over pairs in one grain is fitted by white
noise and Gaussian parts, which are positive definite in any dimension. Medians keep out the boundaries below
the threshold that grains of a strong texture hold.

References
----------
N. Cressie, Statistics for Spatial Data (1993), section 2.4.3, for the median as a robust estimate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
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
    step = 0.0
    for one in grains:
        ids = one.grain_ids
        vectors = _deviations(one)
        large = (np.bincount(ids.ravel()) >= smallest) & (np.arange(one.number_of_grains + 1) > 0)
        step = max(step, *one.field.spacing)
        for row, column in _LAGS:
            if max(abs(row), abs(column)) >= min(ids.shape):
                continue
            here, there = _ends(ids.shape, (row, column))
            same = (ids[here] == ids[there]) & large[ids[here]]
            apart = np.linalg.norm(vectors[here][same] - vectors[there][same], axis=-1)
            if len(apart) >= _FEWEST_PAIRS:
                distance.append(np.hypot(row * one.field.spacing[0], column * one.field.spacing[1]))
                middle.append(np.median(apart))
                pairs.append(len(apart))
    scales = _SCALES * step
    if not distance:
        return OrientationScatter(0.0, np.zeros(len(scales)), scales)
    r, found = np.array(distance), np.maximum(np.array(middle) ** 2 * _SQUARE_OF_MEDIAN, 1e-16)
    shapes = np.concatenate([np.ones((len(r), 1)), 1.0 - np.exp(-((r[:, None] / scales) ** 2) / 2.0)], axis=1)
    weight = np.sqrt(pairs) / found
    sills, _ = nnls(shapes * weight[:, None], found * weight)
    return OrientationScatter(float(sills[0]), sills[1:], scales)


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
