"""Where a reconstruction starts: random orientations, or a quick polycrystal drawn from the map.

The polycrystal is a Voronoi tessellation with the map's mean intercept lengths. Its orientations are pixels of the
map, chosen so that the volume-weighted means of the harmonics, the coefficients of the ODF, come as close to the
map's as the number of cells allows.

References
----------
J. Ohser, F. Muecklich, Statistical Analysis of Microstructures in Materials Science (2000), for the mean intercepts of
Poisson-Voronoi tessellations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.spatial import cKDTree

from polyrve import rotation
from polyrve.grains import neighbour_disorientation
from polyrve.harmonics import degrees_up_to, number_of_invariants, symmetrized_harmonics
from polyrve.orientation import OrientationMap

_BOUNDARY = np.deg2rad(5.0)
_POOL = 3000
_SWEEPS = 3


def random_field(
    shape: tuple[int, int, int], number_of_phases: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Uncorrelated uniform orientations and phases.

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32
    """
    phase_ids = rng.integers(1, number_of_phases + 1, shape).astype(np.int32)
    return rotation.random_orientations(shape, rng), phase_ids


def polycrystal(
    maps: Mapping[int, OrientationMap],
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A Voronoi polycrystal with the intercept lengths and the texture of some maps.

    Parameters
    ----------
    maps : mapping of int to OrientationMap
        By the array axis that they are normal to; pixels of any size.
    shape : tuple of int
        (nz, ny, nx).
    spacing : sequence of float, um
        (dz, dy, dx).
    periodic : bool
    rng : numpy.random.Generator

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32
    """
    active = [axis for axis in range(3) if shape[axis] > 1]
    intercepts = _intercepts(maps, active, shape, spacing)
    extent = np.array([shape[axis] * spacing[axis] / intercepts[axis] for axis in active])
    density = 0.6873**3 if len(active) == 3 else (np.pi / 4) ** 2
    number = max(4, round(density * float(np.prod(extent))))
    seeds = rng.random((number, len(active))) * extent
    centres = np.stack(
        np.meshgrid(
            *((np.arange(shape[axis]) + 0.5) * spacing[axis] / intercepts[axis] for axis in active), indexing="ij"
        ),
        axis=-1,
    )
    tree = cKDTree(seeds, boxsize=extent if periodic else None)
    cells = tree.query(centres.reshape(-1, len(active)))[1].reshape(shape)
    volumes = np.bincount(cells.ravel(), minlength=number) / cells.size
    quaternions, phase_ids = _matched_draw(maps, volumes, rng)
    scatter = _scatter_angle(maps)
    noise = rotation.from_axis_angle(
        rng.standard_normal((*shape, 3)), scatter * rng.standard_normal(shape) / np.sqrt(2.0)
    )
    return rotation.multiply(quaternions[cells], noise), phase_ids[cells]


def _intercepts(
    maps: Mapping[int, OrientationMap], active: Sequence[int], shape: Sequence[int], spacing: Sequence[float]
) -> dict[int, float]:
    """Mean distance of boundaries along each volume axis, um, averaged over the maps that show the axis."""
    found: dict[int, list[float]] = {axis: [] for axis in active}
    for normal, field in maps.items():
        for array_axis, volume_axis in enumerate(axis for axis in range(3) if axis != normal):
            if volume_axis in found:
                angles = neighbour_disorientation(field, array_axis)
                pairs = ~np.isnan(angles)
                boundaries = int((angles[pairs] > _BOUNDARY).sum())
                length = int(pairs.sum()) * field.spacing[array_axis]
                found[volume_axis].append(length / max(boundaries, 1))
    longest = max(shape[axis] * spacing[axis] for axis in active)
    known = [value for values in found.values() for value in values] or [longest]
    return {
        axis: min(float(np.mean(values)) if values else float(np.mean(known)), longest)
        for axis, values in found.items()
    }


def _matched_draw(
    maps: Mapping[int, OrientationMap], volumes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    fields = list({id(field): field for field in maps.values()}.values())
    quaternions = np.concatenate([field.quaternions[field.indexed] for field in fields])
    phase_ids = np.concatenate([field.phase_ids[field.indexed] for field in fields])
    pool = rng.choice(len(quaternions), min(_POOL, len(quaternions)), replace=False)
    phases = fields[0].phases
    features = _texture_features(quaternions[pool], phase_ids[pool], phases)
    target = features.mean(axis=0)
    chosen = rng.integers(len(pool), size=len(volumes))
    mean = volumes @ features[chosen]
    square = (features**2).sum(axis=1)
    order = np.argsort(-volumes, kind="stable")
    for _ in range(_SWEEPS):
        for cell in order:
            weight = volumes[cell]
            if weight == 0:
                continue
            rest = mean - weight * features[chosen[cell]] - target
            best = int(np.argmin(2.0 * (features @ rest) + weight * square))
            mean = mean + weight * (features[best] - features[chosen[cell]])
            chosen[cell] = best
    return quaternions[pool[chosen]], phase_ids[pool[chosen]]


def _texture_features(q: np.ndarray, phase_ids: np.ndarray, phases: Sequence) -> np.ndarray:
    parts = []
    for i, phase in enumerate(phases, start=1):
        of_phase = (phase_ids == i).astype(np.float64)
        terms = tuple(
            (n, k)
            for n in degrees_up_to(phase.laue, 32)
            if n % 4 == 0
            for k in range(number_of_invariants(phase.laue, n))
        )
        values = symmetrized_harmonics(phase.laue, terms).evaluate(q)
        parts.append(np.concatenate([3.0 * of_phase[None], values * of_phase]))
    return np.concatenate(parts).T


def _scatter_angle(maps: Mapping[int, OrientationMap]) -> float:
    small = []
    for field in maps.values():
        for axis in range(2):
            angles = neighbour_disorientation(field, axis)
            small.append(angles[np.isfinite(angles) & (angles < _BOUNDARY)])
    angles = np.concatenate(small)
    return float(angles.mean()) if angles.size else 0.0
