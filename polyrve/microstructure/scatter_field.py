"""The orientation scatter of a volume, any part of which can be drawn alone.

Each Gaussian part of the structure function is white noise on a lattice, filtered along one axis after the other. The
noise at a place of the lattice follows from the seed and the place (:mod:`polyrve.microstructure.cell_kernels`). Long
parts have a coarse lattice. A plane of voxels is filtered by products of matrices of the same shapes in whatever slab
it is drawn, so that slabs of any thickness give the same numbers to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.orientation_scatter import OrientationScatter

_LATTICE = 0.8
"""Distance of lattice places over the standard deviation of the filter: the variance then changes by 4e-7 from place to
place, 2 exp(-(pi / 0.8)^2); a wider one shows the lattice."""

_NEGLIGIBLE = 1e-4
"""Factors of a filter below it, relative to the largest, count as 0: a filter then reaches four deviations."""


@dataclass(frozen=True, eq=False)
class ScatterField:
    """A periodic Gaussian field of rotation vectors with the structure function of an :class:`OrientationScatter`.

    Measuring noise is no part of it.

    Attributes
    ----------
    scatter : OrientationScatter
    shape : tuple of int
        (nz, ny, nx).
    spacing : tuple of float, um
    seed : int

    Examples
    --------
    >>> scatter = OrientationScatter(0.0, np.array([1e-4]), np.array([3.0]))
    >>> field = ScatterField(scatter, (12, 14, 16), (1.0, 1.0, 1.0), seed=1)
    >>> bool((field.planes(4, 6)[1] == field.planes(5, 9)[0]).all())
    True
    """

    scatter: OrientationScatter
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    seed: int

    def planes(self, first: int, last: int) -> np.ndarray:
        """Return the rotation vectors of some planes of voxels normal to z, shape (last - first, ny, nx, 3), rad."""
        vectors = np.zeros((last - first, *self.shape[1:], 3), dtype=np.float32)
        for part in self._parts:
            needed = np.flatnonzero(part.filters[0][first:last].any(axis=0))
            noise = part.noise(needed, 0)
            for row, z in enumerate(range(first, last)):
                own = np.flatnonzero(part.filters[0][z])
                vectors[row] += part.plane(noise[:, np.searchsorted(needed, own)], part.filters[0][z, own], 0)
        return vectors

    def section(self, axis: int, index: int) -> np.ndarray:
        """Return the rotation vectors of the section normal to an array axis, shape (rows, columns, 3), rad.

        Where it crosses :meth:`planes` it agrees with them to rounding.
        """
        rows, columns = (self.shape[i] for i in in_plane(axis))
        vectors = np.zeros((rows, columns, 3), dtype=np.float32)
        for part in self._parts:
            own = np.flatnonzero(part.filters[axis][index])
            vectors += part.plane(part.noise(own, axis), part.filters[axis][index, own], axis)
        return vectors

    @cached_property
    def _parts(self) -> tuple[_Part, ...]:
        found = []
        for number, (sill, scale) in enumerate(zip(self.scatter.parts, self.scatter.scales, strict=True)):
            if sill > 0.0:
                filters = [_filter(n, step, float(scale)) for n, step in zip(self.shape, self.spacing, strict=True)]
                seed = np.random.SeedSequence([self.seed, number]).generate_state(1, np.uint64)[0]
                found.append(_Part(float(np.sqrt(sill / 6.0)), tuple(filters), seed))
        return tuple(found)


@dataclass(frozen=True, eq=False)
class _Part:
    """White noise on a lattice and what filters it: for each axis a matrix (voxels, lattice places)."""

    deviation: float
    filters: tuple[np.ndarray, ...]
    seed: np.uint64

    def noise(self, places: np.ndarray, axis: int) -> np.ndarray:
        """Return the noise at some places along an axis, shape (3, len(places), rows, columns) of lattice planes."""
        from polyrve.microstructure.cell_kernels import white_noise

        lattice = np.array([one.shape[1] for one in self.filters])
        at = [np.arange(n) for n in lattice]
        at[axis] = places
        values = np.empty((3, len(places), *(lattice[i] for i in in_plane(axis))), dtype=np.float32)
        white_noise(self.seed, lattice, *at, np.moveaxis(values, 1, axis + 1))
        return values

    def plane(self, noise: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
        """Filter noise (3, m, rows, columns) of the lattice planes around a plane of voxels, (rows, columns, 3)."""
        rows, columns = (self.filters[i] for i in in_plane(axis))
        summed = np.zeros((3, *noise.shape[2:]), dtype=np.float32)
        for i, weight in enumerate(weights):
            summed += weight * noise[:, i]
        filtered = rows @ (summed @ columns.T)
        return np.moveaxis(self.deviation * filtered, 0, -1)


def _filter(voxels: int, step: float, scale: float) -> np.ndarray:
    """Return the matrix (voxels, lattice places) that makes white noise a field of unit variance, Gaussian covariance.

    On a lattice of the voxels themselves it is the symmetric root of the covariance; on a coarser one the Gaussian
    whose convolution with itself is the covariance.
    """
    deviation = scale / np.sqrt(2.0)
    places = int(np.ceil(voxels * step / (_LATTICE * deviation)))
    if places >= voxels:
        distance = np.minimum(np.arange(voxels), voxels - np.arange(voxels)) * step
        spectrum = np.fft.rfft(np.exp(-(distance**2) / (2.0 * scale**2))).real
        row = np.fft.irfft(np.sqrt(np.maximum(spectrum, 0.0)), voxels)
        matrix = row[(np.arange(voxels)[:, None] - np.arange(voxels)) % voxels]
    else:
        length = voxels * step
        apart = (np.arange(voxels)[:, None] + 0.5) * step - (np.arange(places) + 0.5) * length / places
        images = [np.exp(-((apart + shift * length) ** 2) / (2.0 * deviation**2)) for shift in (-1, 0, 1)]
        matrix = np.sum(images, axis=0)
    matrix[np.abs(matrix) < _NEGLIGIBLE * matrix.max()] = 0.0
    return np.asarray(matrix / np.sqrt((matrix**2).sum(axis=1, keepdims=True)), dtype=np.float32)
