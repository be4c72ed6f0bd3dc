"""The embedded specimen: a synthetic polycrystal whose three-dimensional truth is known.

:func:`make_specimen` grows a periodic volume of Laguerre cells with a texture and an orientation scatter within the
grains. :func:`polyrve.microstructure.instrument.simulate_scan` measures a planar section of it; a reconstruction that
saw the section alone is compared with the volume.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.texture import Component, components_of, draw
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grain_growth import grow
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.laguerre import Tessellation, laguerre_tessellation, voxel_centres
from polyrve.microstructure.sized_cells import CellSizes, sized_tessellation

ALUMINIUM = Phase("Aluminium", "m-3m", (4.05, 4.05, 4.05, 90.0, 90.0, 90.0), 225)
MAGNESIUM = Phase("Magnesium", "6/mmm", (3.209, 3.209, 5.211, 90.0, 90.0, 120.0), 194)


def make_specimen(
    shape: tuple[int, int, int] = (64, 64, 64),
    *,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    grain_size: float | Sequence[float] = 8.0,
    size_spread: float = 0.35,
    elongation: tuple[float, float, float] = (1.0, 1.0, 1.0),
    phases: Sequence[Phase] = (ALUMINIUM,),
    phase_fractions: Sequence[float] = (1.0,),
    texture: str | Sequence[Component] = "weak",
    scatter: float = 1.0,
    scatter_length: float | None = None,
    twins: float = 0.0,
    twin_normal: tuple[float, float, float] = (1.0, 1.0, 1.0),
    growth: bool = False,
    seed: int = 0,
) -> GrainVolume:
    """Make a specimen whose truth is known: a periodic polycrystal of Laguerre cells, or of grains that have grown.

    Parameters
    ----------
    shape : tuple of int
        Voxels (nz, ny, nx).
    spacing : tuple of float, um
        Voxel size (dz, dy, dx).
    grain_size : float or sequence of float, um
        Diameter of the sphere of the mean cell volume, before twins divide cells; for all phases or one for each.
    size_spread : float
        Standard deviation of the logarithm of the radii that weigh the cells; 0 for a Voronoi tessellation. With a size
        for each phase, or growth, of the logarithm of the diameters of the cells of a phase, before they grow.
    elongation : tuple of float
        Lengths of the grains along (z, y, x) relative to each other, e.g. ``(1, 1, 3)``.
    phases : sequence of Phase
    phase_fractions : sequence of float
        Share of the volume that each phase has in the mean, adding up to 1.
    texture : str or sequence of Component
        Of the first phase: a key of :data:`polyrve.crystallography.texture.TEXTURES` or components. Further phases
        are oriented at random.
    scatter : float, degrees
        Root mean square angle between the orientation of a voxel and that of its grain. Nearly all of it is
        smooth over `scatter_length`; a hundredth of the variance is white noise.
    scatter_length : float, um, optional
        Standard deviation of the Gaussian that smooths the scatter; a quarter of the grain size by default.
    twins : float
        Share of the cells of the first phase that one twin lamella crosses.
    twin_normal : tuple of float
        Normal of the twin plane in the crystal frame, one variant of it; the twin is rotated by 180 degrees
        about it.
    growth : bool
        Whether the grains of the first phase come from Monte Carlo grain growth
        (:func:`polyrve.microstructure.grain_growth.grow`): they begin at half their size and grow around the cells of
        the other phases, which then lie at boundaries and triple lines. Where these pin the growth, grains stay smaller
        than asked for.
    seed : int

    Returns
    -------
    GrainVolume
        The truth; each grain is one convex cell or part of a cell divided by a lamella, or a grain that has grown.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    See Also
    --------
    polyrve.microstructure.instrument.simulate_scan : A section of it as an instrument would measure it.
    polyrve.validation.validate : Compares a volume with it.

    Examples
    --------
    >>> make_specimen((8, 10, 12), grain_size=5.0, seed=1).field.shape
    (8, 10, 12)
    """
    components = components_of(texture)
    diameters = (float(grain_size),) if isinstance(grain_size, (int, float)) else tuple(grain_size)
    _check(shape, spacing, diameters, size_spread, elongation, phases, phase_fractions, scatter, twins, growth)
    length = diameters[0] / 4.0 if scatter_length is None else scatter_length
    if not length > 0:
        raise ValueError(f"scatter_length: expected a positive length in um; got {scatter_length}")
    rng = np.random.default_rng(seed)
    shares = np.array(phase_fractions) / np.sum(phase_fractions)
    if len(diameters) == 1 and not growth:
        lengths = diameters[0] * np.array(elongation) / np.cbrt(np.prod(elongation))
        tessellation = laguerre_tessellation(np.array(shape) * np.array(spacing), lengths, size_spread, rng)
        cells = tessellation.cells(voxel_centres(shape, spacing))
    else:
        tessellation, cells = _by_phase(shape, spacing, diameters, size_spread, elongation, shares, growth, rng)
    occupied, cells = np.unique(cells, return_inverse=True)
    cells = cells.reshape(shape)
    centres = tessellation.centres[occupied] * tessellation.stretch
    number = len(centres)
    if tessellation.kinds is None:
        phase_ids = 1 + rng.choice(len(phases), size=number, p=shares)
    else:
        phase_ids = 1 + tessellation.kinds[occupied]
    quaternions = rotation.random_orientations(number, rng)
    quaternions[phase_ids == 1] = draw(components, int((phase_ids == 1).sum()), rng)
    if twins > 0:
        cells, quaternions, phase_ids = _insert_twins(
            cells,
            centres,
            quaternions,
            phase_ids,
            np.array(spacing),
            phases[0],
            twins,
            np.array(twin_normal),
            rng,
        )
    away = rotation.from_rotation_vector(scatter_field(cells, np.array(spacing), np.deg2rad(scatter), length, rng))
    field = OrientationVolume(
        quaternions=rotation.multiply(away, quaternions[cells]),
        phase_ids=phase_ids[cells],
        phases=tuple(phases),
        spacing=spacing,
        periodic=True,
        provenance={
            "source": "polyrve.microstructure.synthetic.make_specimen",
            "grain_size": list(diameters) if len(diameters) > 1 else diameters[0],
            "growth": growth,
            "size_spread": size_spread,
            "elongation": list(elongation),
            "phase_fractions": list(phase_fractions),
            "texture": [asdict(component) for component in components],
            "scatter": scatter,
            "scatter_length": length,
            "twins": twins,
            "seed": seed,
        },
    )
    return GrainVolume(field=field, grain_ids=cells + 1, quaternions=quaternions, phase_ids=phase_ids)


def _check(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    diameters: tuple[float, ...],
    size_spread: float,
    elongation: tuple[float, ...],
    phases: Sequence[Phase],
    phase_fractions: Sequence[float],
    scatter: float,
    twins: float,
    growth: bool,
) -> None:
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"shape: expected three positive numbers of voxels (nz, ny, nx); got {shape}")
    if len(diameters) not in (1, len(phases)):
        raise ValueError(f"grain_size: expected one diameter, or one for each of {len(phases)} phases; got {diameters}")
    positive = {"spacing": (3, spacing), "elongation": (3, elongation), "grain_size": (len(diameters), diameters)}
    for name, (number, lengths) in positive.items():
        if len(lengths) != number or not all(np.isfinite(length) and length > 0 for length in lengths):
            raise ValueError(f"{name}: expected positive finite lengths; got {lengths}")
    if not (size_spread >= 0 and scatter >= 0 and 0 <= twins <= 1):
        raise ValueError(
            "size_spread, scatter, twins: expected values not negative, and twins at most 1; "
            f"got {size_spread}, {scatter}, {twins}"
        )
    if growth and (len(set(spacing)) > 1 or len(set(elongation)) > 1):
        raise ValueError(
            f"growth: expected cubic voxels and elongation 1, since grains grow alike along all axes of the grid; got "
            f"spacing {spacing} and elongation {elongation}"
        )
    if not phases or len(phases) != len(phase_fractions) or abs(sum(phase_fractions) - 1) > 1e-9:
        raise ValueError(
            f"phase_fractions: expected one share for each of {len(phases)} phases, adding up to 1; "
            f"got {tuple(phase_fractions)}"
        )


def _by_phase(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    diameters: tuple[float, ...],
    size_spread: float,
    elongation: tuple[float, float, float],
    shares: np.ndarray,
    growth: bool,
    rng: np.random.Generator,
) -> tuple[Tessellation, np.ndarray]:
    """Draw cells whose size is that of their phase, the kind of a cell, and the cell of each voxel after growth."""
    extent = np.array(shape) * np.array(spacing)
    sizes = np.array(diameters if len(diameters) == len(shares) else diameters * len(shares))
    first = sizes * np.where((np.arange(len(sizes)) == 0) & growth, 0.5, 1.0)
    numbers = shares / first**3
    mean = np.cbrt(1.0 / numbers.sum())
    lengths = mean * np.array(elongation) / np.cbrt(np.prod(elongation))
    kinds = tuple(zip((numbers / numbers.sum()).tolist(), first.tolist(), strict=True))
    tessellation = sized_tessellation(
        extent.tolist(), lengths.tolist(), CellSizes(size_spread, kinds=kinds), rng, order="packed"
    )
    cells = tessellation.cells(voxel_centres(shape, spacing))
    if growth and tessellation.kinds is not None:
        wanted = max(1, round(float(shares[0] * np.prod(extent) / (np.pi / 6.0 * sizes[0] ** 3))))
        cells = grow(cells, tessellation.kinds[cells] > 0, wanted, rng)
    return tessellation, cells


def _insert_twins(
    cells: np.ndarray,
    centres: np.ndarray,
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    spacing: np.ndarray,
    phase: Phase,
    share: float,
    normal: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Insert lamellae of 15 to 35 % of the cell's diameter near its centre, which divide the rest of it in two."""
    number = len(centres)
    box = np.array(cells.shape) * spacing
    axes = [(np.arange(n) + 0.5) * d for n, d in zip(cells.shape, spacing, strict=True)]
    offset = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - centres[cells]
    offset -= box * np.round(offset / box)

    variants = rotation.rotate(phase.symmetry[rng.integers(len(phase.symmetry), size=number)], normal)
    law = rotation.from_axis_angle(variants, np.full(number, np.pi))
    plane = rotation.rotate(rotation.conjugate(quaternions), variants / np.linalg.norm(normal))[:, ::-1]
    volume = np.bincount(cells.ravel(), minlength=number) * np.prod(spacing)
    diameter = np.cbrt(6.0 / np.pi * volume)
    half = rng.uniform(0.15, 0.35, number) * diameter / 2.0
    shift = rng.uniform(-0.15, 0.15, number) * diameter
    twinned = (rng.random(number) < share) & (phase_ids == 1)

    height = np.einsum("zyxi,zyxi->zyx", offset, plane[cells]) - shift[cells]
    part = np.where(np.abs(height) < half[cells], 1, np.where(height < 0, 0, 2)) * twinned[cells]
    occupied, divided = np.unique(cells * 3 + part, return_inverse=True)
    cell, is_twin = occupied // 3, (occupied % 3 == 1) & twinned[occupied // 3]
    return (
        divided.reshape(cells.shape),
        np.where(is_twin[:, None], rotation.multiply(law[cell], quaternions[cell]), quaternions[cell]),
        phase_ids[cell],
    )


def scatter_field(
    cells: np.ndarray, spacing: np.ndarray, level: float, length: float, rng: np.random.Generator
) -> np.ndarray:
    """Draw rotation vectors from the grain's orientation, shape (*shape, 3), rad, of mean zero in each grain."""
    white = rng.standard_normal((3, *cells.shape))
    smooth = np.stack([ndimage.gaussian_filter(w, length / spacing, mode="wrap") for w in white])
    smooth = _without_mean(smooth, cells)
    rough = _without_mean(rng.standard_normal((3, *cells.shape)), cells)
    size = [np.sqrt(np.mean(np.sum(part**2, axis=0))) for part in (smooth, rough)]
    if 0.0 in size or level == 0.0:
        return np.zeros((*cells.shape, 3))
    vectors = np.sqrt(0.99) * smooth / size[0] + 0.1 * rough / size[1]
    vectors *= level / np.sqrt(np.mean(np.sum(vectors**2, axis=0)))
    return np.moveaxis(vectors, 0, -1)


def _without_mean(vectors: np.ndarray, cells: np.ndarray) -> np.ndarray:
    number = np.bincount(cells.ravel())
    return np.stack([v - (np.bincount(cells.ravel(), v.ravel()) / number)[cells] for v in vectors])
