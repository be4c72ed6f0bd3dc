r"""Denoising: orientations of a map without the instrument's angular noise, walls and gradients within grains kept.

Within each grain the deviations ``d`` of the points from the grain's mean, rotation vectors, are replaced by the field
``v`` that minimises

.. math:: \sum_x |v(x) - d(x)|^2 + \alpha \sum_{x \sim y} w_{xy} \sqrt{|v(x) - v(y)|^2 + \varepsilon^2}

over neighbours ``x ~ y`` of one grain, faces and diagonals [1]_. The sum of the roots lets a step of a subgrain wall
stand, which a linear filter smears out; where ``epsilon`` is large the filter is linear, as smooth bending asks for.
Both ``alpha`` and ``epsilon`` are those of least error, which Stein's unbiased estimate tells from the map alone once
the measuring noise is known [2]_.

References
----------
.. [1] R. Bergmann et al., SIAM J. Imaging Sci. 9 (2016) 901, doi:10.1137/15M101988X: half-quadratic minimisation for
   manifold-valued images; here in the tangent space at the grain's mean.
.. [2] C. M. Stein, Ann. Stat. 9 (1981) 1135, doi:10.1214/aos/1176345632; the divergence by one random probe, S. Ramani
   et al., IEEE Trans. Image Process. 17 (2008) 1540, doi:10.1109/TIP.2008.2001404.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import overload

import numpy as np
from scipy import ndimage
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import cg

from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.orientation_scatter import fit_scatter
from polyrve.microstructure.segmentation import labelled
from polyrve.microstructure.stereology import SPECK
from polyrve.steps import announced

_ROUNDS = 6
"""Solutions of the reweighted linear system; the change of the last is below a tenth of the noise."""

_SOFT = (0.1, 0.6, 6.0)
"""Values of epsilon that are tried, over the noise of one link: a filter for walls, one between, and a linear one."""

_WEIGHTS = np.geomspace(0.2, 12.0, 7)
"""Values of alpha that are tried, over the noise."""

_MOST_TRIED = 5_000
"""Points of the grains that the two are chosen on; a filter's error hardly differs between parts of that size."""

_DIAGONAL = 1.5
"""Points between the distance of the next point along a diagonal and that of the next but one along an axis."""


@overload
def denoise(grains: GrainMap, noise: float) -> OrientationMap: ...


@overload
def denoise(grains: GrainVolume, noise: float) -> OrientationVolume: ...


def denoise(grains: GrainMap | GrainVolume, noise: float) -> OrientationMap | OrientationVolume:
    """Remove the measuring noise within the grains of a map or volume.

    Parameters
    ----------
    grains : GrainMap or GrainVolume
    noise : float, degrees
        Root mean square angle of the measuring error of a point, such as
        :attr:`polyrve.microstructure.orientation_scatter.OrientationScatter.noise_degrees` estimates.

    Returns
    -------
    OrientationMap or OrientationVolume
        The field of `grains`; points of no grain as they were. ``provenance["denoising"]`` records what was done.

    Raises
    ------
    ValueError
        If the noise is negative or not finite.
    """
    if not 0.0 <= noise < np.inf:
        raise ValueError(f"noise: expected an angle in degrees, not negative; got {noise}")
    field, ids = grains.field, grains.grain_ids
    square = np.deg2rad(noise) ** 2
    first, second, weight = _links(ids, field.spacing, field.periodic)
    linked = np.zeros(ids.size, dtype=bool)
    linked[first] = linked[second] = True
    if square == 0.0 or not linked.any():
        return field
    mean, deviations = _deviations(grains)
    data = deviations.reshape(-1, 3)
    alpha, epsilon = _chosen(data, first, second, weight, square)
    smooth = _minimised(data, first, second, weight, alpha, epsilon)
    inside = ids > 0
    vectors = smooth.reshape(deviations.shape)[inside]
    quaternions = field.quaternions.copy()
    quaternions[inside] = rotation.multiply(mean[inside], rotation.from_rotation_vector(vectors))
    removed = float(np.rad2deg(np.sqrt(((smooth - data)[linked] ** 2).sum(axis=1).mean())))
    record = {
        "noise_degrees": float(noise),
        "removed_degrees": removed,
        "alpha": float(alpha),
        "epsilon": float(epsilon),
    }
    return field.evolve(quaternions=quaternions, provenance={**field.provenance, "denoising": record})


def _deviations(grains: GrainMap | GrainVolume) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each point's grain, and the rotation vector from it in the sample frame; identity and 0 outside."""
    field, ids = grains.field, grains.grain_ids
    mean = np.broadcast_to([1.0, 0.0, 0.0, 0.0], (*ids.shape, 4)).copy()
    vectors = np.zeros((*ids.shape, 3))
    for phase_id, phase in enumerate(field.phases, start=1):
        inside = (ids > 0) & (field.phase_ids == phase_id)
        if not inside.any():
            continue
        mean[inside] = grains.quaternions[ids[inside] - 1]
        nearest = rotation.nearest_equivalent(field.quaternions[inside], mean[inside], phase.symmetry)
        away = rotation.multiply(rotation.conjugate(mean[inside]), nearest)
        away = np.where(away[:, :1] < 0, -away, away)
        sine = np.linalg.norm(away[:, 1:], axis=1, keepdims=True)
        angle = 2.0 * np.arctan2(sine, away[:, :1])
        vectors[inside] = away[:, 1:] * np.divide(angle, sine, out=np.full_like(sine, 2.0), where=sine > 1e-12)
    return mean, vectors


def _links(ids: np.ndarray, spacing: Sequence[float], periodic: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of neighbours in one grain, and their weights, the inverse distances relative to the shortest step."""
    index = np.arange(ids.size).reshape(ids.shape)
    d = ids.ndim
    steps = [step for step in np.ndindex(*(3,) * d)]
    first, second, weights = [], [], []
    for step in steps:
        lag = tuple(i - 1 for i in step)
        if lag <= (0,) * d or sum(map(abs, lag)) > 2:
            continue
        there = np.roll(index, tuple(-i for i in lag), axis=tuple(range(d)))
        valid = ids > 0
        if not periodic:
            for axis, i in enumerate(lag):
                edge = [slice(None)] * d
                if i:
                    edge[axis] = slice(-1, None) if i > 0 else slice(0, 1)
                    valid = valid.copy()
                    valid[tuple(edge)] = False
        same = valid & (ids == ids.ravel()[there])
        first.append(index[same])
        second.append(there[same])
        distance = np.sqrt(sum((i * s) ** 2 for i, s in zip(lag, spacing, strict=True))) / min(spacing)
        weights.append(np.full(int(same.sum()), 1.0 / distance))
    return np.concatenate(first), np.concatenate(second), np.concatenate(weights)


def _chosen(
    data: np.ndarray, first: np.ndarray, second: np.ndarray, weight: np.ndarray, square: float
) -> tuple[float, float]:
    """Alpha and epsilon of least error, by Stein's estimate on part of the points."""
    linked = np.unique(np.concatenate([first, second]))
    part = np.zeros(len(data), dtype=bool)
    part[linked[:_MOST_TRIED]] = True
    row = np.cumsum(part) - 1
    kept = part[first] & part[second]
    links = row[first[kept]], row[second[kept]], weight[kept]
    values = data[part]
    probe = np.random.default_rng(0).choice([-1.0, 1.0], values.shape)
    size = 0.1 * np.sqrt(square / 3.0)

    @cache
    def risk(soft: float, place: int) -> float:
        alpha, epsilon = parameters(soft, place)
        smooth = _minimised(values, *links, alpha, epsilon)
        moved = _minimised(values + size * probe, *links, alpha, epsilon)
        divergence = (probe * (moved - smooth)).sum() / size / len(values)
        return float(((smooth - values) ** 2).sum() / len(values) + 2.0 * square / 3.0 * divergence)

    def parameters(soft: float, place: int) -> tuple[float, float]:
        return float(_WEIGHTS[place] * np.sqrt(square) * max(1.0, soft)), float(soft * np.sqrt(2.0 * square))

    found, place = [], len(_WEIGHTS) // 2
    for soft in announced(_SOFT, "separating noise from the maps"):
        for step in (1, -1):
            while 0 <= place + step < len(_WEIGHTS) and risk(soft, place + step) < risk(soft, place):
                place += step
        found.append((risk(soft, place), soft, place))
    return parameters(*min(found)[1:])


def _minimised(
    data: np.ndarray, first: np.ndarray, second: np.ndarray, weight: np.ndarray, alpha: float, soft: float
) -> np.ndarray:
    """Minimiser of the sum in the module's text, by iterated reweighting."""
    smooth, size = data, len(data)
    for _ in range(_ROUNDS):
        step = np.sqrt(((smooth[first] - smooth[second]) ** 2).sum(axis=1) + soft**2)
        strength = alpha * weight / (2.0 * step)
        off = coo_array((-strength, (first, second)), shape=(size, size))
        degree = np.bincount(first, strength, size) + np.bincount(second, strength, size)
        system = (diags_array(1.0 + degree) + off + off.T).tocsr()
        jacobi = diags_array(1.0 / (1.0 + degree))
        columns = [cg(system, data[:, i], x0=smooth[:, i], rtol=1e-4, maxiter=100, M=jacobi)[0] for i in range(3)]
        smooth = np.stack(columns, axis=1)
    return smooth


def material(grains: GrainMap, noise: float | None = None) -> OrientationMap:
    """Return a map without what the instrument added to the material.

    Parameters
    ----------
    grains : GrainMap
        Points in grains of one or two points become unindexed: they are misindexed, or too few to tell.
    noise : float, degrees, optional
        As for :func:`denoise`; by default estimated, see
        :func:`polyrve.microstructure.orientation_scatter.fit_scatter`.

    Returns
    -------
    OrientationMap
    """
    sizes = np.bincount(grains.grain_ids.ravel(), minlength=1)
    kept = (sizes > SPECK)[grains.grain_ids] & (grains.grain_ids > 0)
    if not kept.any():
        return grains.field
    field = grains.field.evolve(phase_ids=np.where(kept, grains.field.phase_ids, 0))
    if noise is None:
        noise = fit_scatter([grains], SPECK + 1).noise_degrees
    number = np.concatenate([[0], np.cumsum(sizes[1:] > SPECK)])
    return denoise(labelled(field, np.where(kept, number[grains.grain_ids], 0)), noise)


def without_small_holes(field: OrientationMap) -> OrientationMap:
    """Return a map whose unindexed points beside indexed ones, faces and diagonals, have the nearest orientation.

    Small holes and removed spikes lie at boundaries more often than elsewhere; left open, a boundary would be missing
    among the neighbourhoods without holes that an exemplar is made of.

    Parameters
    ----------
    field : OrientationMap

    Returns
    -------
    OrientationMap
    """
    if field.indexed.all() or not field.indexed.any():
        return field
    distance, nearest = ndimage.distance_transform_edt(~field.indexed, return_indices=True)
    source = tuple(np.where(distance < _DIAGONAL, nearest, np.indices(field.shape)))
    return field.evolve(quaternions=field.quaternions[source], phase_ids=field.phase_ids[source])
