"""A polycrystal without a map: from numbers for the sizes and shapes of its grains, and a texture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy.stats import kstest

from polyrve.crystallography.phase import Phase
from polyrve.crystallography.texture import Texture, TextureSample, WeightedOrientations, components_of, sample_texture
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.laguerre import voxel_centres
from polyrve.microstructure.sized_cells import CellSizes, sized_tessellation

_FEWEST_ACROSS = 4.0
"""Voxels along the diameter of the mean grain, below which its shape is not seen and small grains have no voxel."""


@dataclass(frozen=True, eq=False)
class Generated:
    """A polycrystal and how near it is to what was asked for; made by :func:`generate`.

    Attributes
    ----------
    grains : GrainVolume
    texture : TextureSample
    asked, found : tuple of float
        Mean and standard deviation of the logarithm of the grains' diameters in um.
    size_distance : float
        Largest difference of the two cumulative distributions of diameters (Kolmogorov-Smirnov).
    """

    grains: GrainVolume
    texture: TextureSample
    asked: tuple[float, float]
    found: tuple[float, float]
    size_distance: float


def lognormal(mean: float, deviation: float) -> tuple[float, float]:
    """Return mean and standard deviation of the logarithm of a log-normal distribution.

    Parameters
    ----------
    mean, deviation : float
        Of the diameters themselves, as in Neper's ``diameq:lognormal(mean,deviation)``.

    Returns
    -------
    tuple of float
        As :func:`generate` and DREAM.3D take them.

    Raises
    ------
    ValueError
        If the mean is not positive, or the deviation is negative.

    Examples
    --------
    >>> mu, sigma = lognormal(10.0, 3.5)
    >>> round(mu, 4), round(sigma, 4)
    (2.2448, 0.3399)
    """
    if not (mean > 0 and deviation >= 0 and np.isfinite(mean + deviation)):
        raise ValueError(f"diameter: expected a positive mean and a deviation not below 0; got {mean:g}, {deviation:g}")
    variance = float(np.log1p((deviation / mean) ** 2))
    return float(np.log(mean)) - 0.5 * variance, float(np.sqrt(variance))


def generate(
    number: int = 500,
    *,
    size_lognormal: tuple[float, float] = (2.0, 0.35),
    aspect: tuple[float, float, float] = (1.0, 1.0, 1.0),
    shape: tuple[int, int, int] = (64, 64, 64),
    phase: Phase | None = None,
    texture: str | Texture = "random",
    seed: int = 0,
) -> Generated:
    """Make a periodic polycrystal of a number of grains.

    The box has the volume of all grains, cubic voxels and the proportions of `shape`, so that the size of the voxels
    follows. The grains are Laguerre cells that have their volumes, at equal steps of the distribution. The orientations
    have the texture, each weighed with the volume of its grain.

    Parameters
    ----------
    number : int
        Grains.
    size_lognormal : tuple of float
        Mean and standard deviation of the natural logarithm of the diameter in um of the sphere of a grain's volume, as
        in DREAM.3D's StatsGenerator.
    aspect : tuple of float
        Lengths of the grains along x, y, z relative to each other.
    shape : tuple of int
        Voxels (nz, ny, nx).
    phase : Phase, optional
        By default aluminium.
    texture : str, sequence of Component or WeightedOrientations
        A key of :data:`polyrve.crystallography.texture.TEXTURES`, components, or orientations with weights.
    seed : int

    Returns
    -------
    Generated

    Raises
    ------
    ValueError
        If an argument is out of its range, or the voxels are too large for the grains.

    Warns
    -----
    UserWarning
        If small grains have no voxel.

    See Also
    --------
    polyrve.make_specimen : A specimen with orientation scatter and twins, for a scan.

    Examples
    --------
    >>> made = generate(40, size_lognormal=(1.0, 0.2), shape=(16, 18, 20), texture="strong")
    >>> made.grains.number_of_grains, made.grains.field.shape
    (40, (16, 18, 20))
    """
    phase = phase or Phase("Aluminium", "m-3m", (4.05, 4.05, 4.05, 90.0, 90.0, 90.0), 225)
    _check(number, size_lognormal, aspect, shape)
    parts = texture if isinstance(texture, WeightedOrientations) else components_of(texture)
    mean, spread = size_lognormal
    rng = np.random.default_rng(seed)
    relative, _ = CellSizes(spread).diameters(number)
    standard = np.exp(np.mean(np.log(relative)))
    diameters = relative * np.exp(mean) / standard
    voxel = float(np.cbrt(np.sum(np.pi / 6.0 * diameters**3) / np.prod(shape)))
    extent = np.array(shape) * voxel
    mean_volume = float(np.mean(diameters**3)) ** (1.0 / 3.0)
    lengths = mean_volume * np.array(aspect[::-1]) / np.cbrt(np.prod(aspect))
    across = float(lengths.min() / voxel)
    if across < _FEWEST_ACROSS:
        raise ValueError(
            f"shape: expected voxels of which {_FEWEST_ACROSS:g} or more lie across the mean grain; got {across:.1f} "
            f"with {' x '.join(map(str, shape))} for {number} grains: choose more voxels or fewer grains"
        )
    if (lengths > 0.5 * extent).any():
        raise ValueError(
            f"shape: expected a box at least two grains wide along every axis; got grains of "
            f"{' x '.join(f'{v:.3g}' for v in lengths[::-1])} um in {' x '.join(f'{v:.3g}' for v in extent[::-1])} um "
            "(x, y, z): choose more grains or other proportions"
        )
    tessellation = sized_tessellation(extent.tolist(), lengths.tolist(), CellSizes(spread), rng, order="packed")
    cells = tessellation.cells(voxel_centres(shape, (voxel,) * 3))
    occupied, ids = np.unique(cells, return_inverse=True)
    ids = ids.reshape(shape)
    lost = len(tessellation.radii) - len(occupied)
    if lost:
        warnings.warn(
            f"shape: {lost} of {number} grains are smaller than a voxel of {voxel:.3g} um and are left out: choose "
            "more voxels",
            stacklevel=2,
        )
    volumes = np.bincount(ids.ravel()) * voxel**3
    sample = sample_texture(parts, phase.laue, len(occupied), rng, weights=volumes)
    logarithms = np.log(np.cbrt(6.0 / np.pi * volumes))
    field = OrientationVolume(
        quaternions=sample.quaternions[ids],
        phase_ids=np.ones(shape, dtype=np.int32),
        phases=(phase,),
        spacing=(voxel,) * 3,
        periodic=True,
        provenance={
            "source": "polyrve.microstructure.generation.generate",
            "grains": number,
            "size_lognormal": list(size_lognormal),
            "aspect": list(aspect),
            "texture": _told(parts),
            "texture_exact_degree": sample.exact_degree,
            "seed": seed,
        },
    )
    ones = np.ones(len(occupied), dtype=np.int32)
    return Generated(
        grains=GrainVolume(field=field, grain_ids=ids + 1, quaternions=sample.quaternions, phase_ids=ones),
        texture=sample,
        asked=(mean, spread),
        found=(float(logarithms.mean()), float(logarithms.std())),
        size_distance=float(kstest(logarithms, "norm", args=(mean, max(spread, 1e-9))).statistic),
    )


def _told(parts: Texture) -> object:
    if isinstance(parts, WeightedOrientations):
        return f"{len(parts.weights)} weighted orientations"
    return [asdict(component) for component in parts]


def _check(number: int, size_lognormal: Sequence[float], aspect: Sequence[float], shape: Sequence[int]) -> None:
    if number < 1:
        raise ValueError(f"number: expected 1 or more grains; got {number}")
    if len(size_lognormal) != 2 or not np.isfinite(size_lognormal).all() or size_lognormal[1] < 0:
        raise ValueError(
            f"size_lognormal: expected a mean and a standard deviation not below 0 of ln(diameter/um); got "
            f"{size_lognormal}"
        )
    if len(aspect) != 3 or not all(np.isfinite(value) and value > 0 for value in aspect):
        raise ValueError(f"aspect: expected three positive lengths along x, y, z; got {aspect}")
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape: expected three positive numbers of voxels nz, ny, nx; got {shape}")
