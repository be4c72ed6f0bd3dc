"""A polycrystal drawn from maps: Laguerre cells with the maps' sizes, orientations and scatter within grains.

Cells come from :mod:`polyrve.initial.laguerre_fit`. Each takes the orientation of a pixel of the maps, chosen so that
the texture (the volume-weighted means of the harmonics) and the disorientations across the faces of cells are the
maps'. A random field with the maps' orientation scatter is laid over all cells, and misindexed points are strewn in as
the maps have them. After an optimisation :func:`turn_grains` keeps what it did to grains as a whole. "Cell" is a
Laguerre cell throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import degrees_up_to, number_of_invariants, symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation
from polyrve.initial.laguerre_fit import CellFit, draw_cells, fit_cells
from polyrve.initial.plates import set_plates
from polyrve.microstructure.cell_measures import cell_faces, cell_volumes, section_areas
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume, mean_orientations
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.orientation_scatter import fit_scatter
from polyrve.microstructure.parents import Parents, families
from polyrve.microstructure.placed import Given, distinct
from polyrve.microstructure.scatter_field import ScatterField
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.stereology import SPECK

_POOL = 1500
"""Pixels that cells choose from: their disorientations, pair by pair, take 2 MB, and memory grows with their square.

With fewer pixels than cells orientations are used more than once.
"""

_TARGET = 6000
"""Pixels whose mean is the wanted texture; its error is that of 6000 draws, 1 % of a channel's spread."""

_VISITS, _MOST_SWEEPS = 2500, 4
"""Choices of a pixel in all, and the most for one cell; each sweep lowers the mismatch by less than the last."""

_TRIED = 12
"""Pixels, the best by the linear change of the mismatch, whose exact mismatch is formed; more take longer."""

_BIN = np.deg2rad(2.5)
_BINS = 73
"""Classes of disorientation of 2.5 degrees to 182.5 for each phase, beside one for each pair of phases.

The width is that of the histogram that :mod:`polyrve.validation.metrics` compares; wider classes mix twins with what is
near them.
"""

_SIZE_SHARES = (0.05, 0.1, 0.2, 0.3, 0.35)
"""Shares by area of the classes of section size in which phases and texture are matched, small grains first.

Small grains have the narrow classes, since they are often of a phase of their own that is a small part of the area.
"""

_SIZE_WEIGHT = 0.25
"""Weight of the mismatch in a class of sizes, in units of its share, beside that of the whole.

A class holds a part of the map's grains, so that its own mean is less certain than that of all.
"""

_WINDOW_WEIGHT = 1.0
"""The same for windows along a graded axis: each is to have its own texture, as the whole."""

_RAREST = 1e-3
"""Shares of a phase below it weigh as this one; else a single grain would weigh without bound."""

_ROUNDING = 0.003
"""Shares of boundaries below it weigh as this one; else a class that the map lacks would weigh without bound."""

_PHASE_WEIGHT = 10.0
"""Weight of the phases' shares beside the channels of the texture, which are of order 1: fractions come first."""

_TEXTURE_DEGREE = 32
"""Highest degree of the texture channels, those divisible by four: order 16, features of 180/16 = 11 degrees.

A higher degree takes time in proportion to its square and tells apart what the scatter within grains blurs.
"""


def polycrystal(
    maps: Given[OrientationMap | MapAnalysis],
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
    cells: CellFit | None = None,
    *,
    noise: bool = True,
    parents: Sequence[Parents] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a polycrystal of Laguerre cells with the statistics of some maps.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to; pixels of the voxels' size, in one sample frame.
    shape : tuple of int
        (nz, ny, nx); one voxel along an axis gives a plane through three-dimensional cells.
    spacing : sequence of float, um
        (dz, dy, dx).
    periodic : bool
    rng : numpy.random.Generator
    cells : CellFit, optional
        By default fitted to the maps.
    noise : bool
        Whether measuring noise and misindexed points of the maps are drawn too; without them the volume is the
        material.
    parents : sequence of Parents
        Whose plates are set into the cells; `maps` are then the maps of the parents.

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32

    See Also
    --------
    polyrve.initial.exemplar_synthesis.synthesize : A volume of the maps' own pixels.
    """
    maps = analyse_all(maps)
    cells = fit_cells(maps, shape, spacing, rng) if cells is None else cells
    labels = draw_cells(cells, maps, shape, spacing, periodic, rng)
    analyses = distinct(maps)
    grains = [one.grains for one in analyses]
    quaternions, phase_ids = draw_orientations(labels, analyses, cells, rng)
    if parents:
        labels, quaternions, phase_ids = set_plates(labels, quaternions, phase_ids, parents, spacing, periodic, rng)
    away = rotation.from_rotation_vector(fit_scatter(grains, SPECK + 1).field(shape, spacing, rng, noise=noise))
    quaternions, phase_ids = rotation.multiply(quaternions[labels], away), phase_ids[labels].astype(np.int32)
    if noise:
        _strew(quaternions, phase_ids, grains, cells.misindexed, rng)
    return quaternions, phase_ids


def cells_of_polycrystal(
    maps: Given[OrientationMap | MapAnalysis],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    periodic: bool,
    rng: np.random.Generator,
    cells: CellFit,
) -> CellVolume:
    """Draw a polycrystal as :func:`polycrystal` does, kept as cells: without measuring noise and plates.

    Parameters
    ----------
    maps, shape, spacing, periodic, rng
        As for :func:`polycrystal`.
    cells : CellFit
        Fitted to the maps.

    Returns
    -------
    CellVolume
    """
    maps = analyse_all(maps)
    analyses = distinct(maps)
    labels = draw_cells(cells, maps, shape, spacing, periodic, rng, large=True)
    quaternions, phase_ids = draw_orientations(labels, analyses, cells, rng)
    scatter = fit_scatter([one.grains for one in analyses], SPECK + 1)
    field = ScatterField(scatter, shape, spacing, int(rng.integers(2**32)))
    phases = analyses[0].field.phases
    return CellVolume(labels, quaternions, phase_ids, phases, spacing, field, periodic=periodic)


TOGETHER = 3.0
"""Degrees by which grains of a volume may deviate from a special relation that they keep when they are turned.

Plates are set in it exactly, and the scatter within grains moves their means by some tenths of a degree. A larger
number ties grains that stand in it by chance.
"""


def turn_grains(
    initial: OrientationVolume, optimised: OrientationVolume, relations: Sequence[Relation] = ()
) -> OrientationVolume:
    """Turn each grain of an initial field by the mean rotation that an optimisation gave to its points.

    Boundaries and orientation scatter are those of the initial field. Grains that stand in special relations are turned
    by one rotation, so that they stay in them.

    Parameters
    ----------
    initial, optimised : OrientationVolume
        Of one shape.
    relations : sequence of Relation

    Returns
    -------
    OrientationVolume
    """
    grains = segment(initial)
    ids = grains.grain_ids.ravel()
    before, after = initial.quaternions.reshape(-1, 4), optimised.quaternions.reshape(-1, 4)
    means = mean_orientations(after, ids, grains.phase_ids, initial.phases)
    if relations:
        means = _turned_together(grains, means, families(grains, relations, TOGETHER))
    turned = before.copy()
    for phase_id, phase in enumerate(initial.phases, start=1):
        points = grains.phase_ids[ids - 1] == phase_id
        mean = grains.quaternions[ids[points] - 1]
        nearest = rotation.nearest_equivalent(before[points], mean, phase.symmetry)
        away = rotation.multiply(rotation.conjugate(mean), nearest)
        turned[points] = rotation.multiply(means[ids[points] - 1], away)
    return optimised.evolve(quaternions=turned.reshape(initial.quaternions.shape), phase_ids=initial.phase_ids)


def _turned_together(grains: GrainVolume, means: np.ndarray, family: np.ndarray) -> np.ndarray:
    """Return the mean orientations of grains that families turn by the mean rotation of their members."""
    points = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[1:]
    turn = np.empty_like(means)
    for phase_id, phase in enumerate(grains.field.phases, start=1):
        of_phase = grains.phase_ids == phase_id
        before = grains.quaternions[of_phase]
        nearest = rotation.nearest_equivalent(means[of_phase], before, phase.symmetry)
        turn[of_phase] = rotation.multiply(rotation.conjugate(before), nearest)
    products = np.zeros((int(family.max()) + 1, 4, 4))
    np.add.at(products, family, points[:, None, None] * turn[:, :, None] * turn[:, None])
    return rotation.multiply(grains.quaternions, np.linalg.eigh(products)[1][..., -1][family])


Classes = tuple[np.ndarray, Sequence[np.ndarray], np.ndarray]
"""Share of each cell in each class, shape (N, classes); that of each point of each map, shape (ny, nx, classes); and
the share of the volume in each class, shape (classes,)."""


def draw_orientations(
    labels: np.ndarray,
    analyses: Sequence[MapAnalysis],
    cells: CellFit,
    rng: np.random.Generator,
    *,
    classes: Classes | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose orientation and phase of each cell: pixels that together give the texture and boundaries of the maps.

    Texture and phases are matched as a whole and for the small, middle and large grains of the sections apart, so that
    sizes belong to phases and orientations as in the maps. A cell counts in the classes that its own sections are in.
    Where cells stand for the grains of the maps, no two that meet may be alike; where they were not compared with the
    maps, texture alone counts.
    Cell by cell, the largest first, the pixel is taken that lowers the mismatch most, given all other cells.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
        Cell of each voxel, 0 ... N - 1.
    analyses : sequence of MapAnalysis
        Of the maps, each once.
    cells : CellFit
        Fitted to them.
    rng : numpy.random.Generator
    classes : Classes, optional
        In which phases and texture are matched, in place of those of size.

    Returns
    -------
    quaternions : ndarray, shape (N, 4)
    phase_ids : ndarray, shape (N,), int
    """
    grains = [one.grains for one in analyses]
    phases = grains[0].field.phases
    of_points = None if classes is None else classes[1]
    quaternions, phase_ids, sizes = _pixels(grains, specks=False, classes=of_points)
    if len(quaternions) == 0:
        quaternions, phase_ids, sizes = _pixels(grains, specks=True, classes=of_points)
    shares = np.maximum(np.bincount(phase_ids, minlength=len(phases) + 1)[1:] / len(phase_ids), _RAREST)
    sampled = rng.choice(len(quaternions), min(_TARGET, len(quaternions)), replace=False)
    target = (
        sizes[sampled].T @ _texture_channels(quaternions[sampled], phase_ids[sampled], phases, shares) / len(sampled)
    )
    pool, odds = _pool(phase_ids, rng)
    quaternions, phase_ids = quaternions[pool], phase_ids[pool]
    channels = _texture_channels(quaternions, phase_ids, phases, shares)
    bins = _boundary_classes(quaternions, phase_ids, phases)
    wanted = _boundary_shares(analyses, bins, odds, cells.alike)
    scale = float(bool(cells.limits)) / (wanted + _ROUNDING)
    square = (channels**2).sum(axis=1)

    number = int(labels.max()) + 1
    volumes = cell_volumes(labels, number) / labels.size
    first, second, count = cell_faces(labels, number)
    area = count / max(count.sum(), 1)
    order = np.argsort(np.concatenate([first, second]), kind="stable")
    neighbours = np.concatenate([second, first])[order]
    areas = np.concatenate([area, area])[order]
    begin = np.searchsorted(np.concatenate([first, second])[order], np.arange(number + 1))

    chosen, tried = rng.choice(len(pool), size=number, p=odds), min(_TRIED, len(pool) - 1)
    if classes is None:
        in_class = _size_classes(labels, [normal for normal, n in enumerate(labels.shape) if n == 1] or range(3))
        metric = 1.0 + np.diag(_SIZE_WEIGHT / np.array(_SIZE_SHARES))
    else:
        in_class = classes[0]
        metric = 1.0 + np.diag(_WINDOW_WEIGHT / classes[2])
    mean = (volumes[:, None] * in_class).T @ channels[chosen]
    shares = np.bincount(bins[chosen[first], chosen[second]], area, minlength=len(wanted))
    towards = np.ascontiguousarray(bins.T)
    for _ in range(int(np.clip(_VISITS // number, 1, _MOST_SWEEPS))):
        for cell in np.argsort(-volumes, kind="stable"):
            around, weight = slice(begin[cell], begin[cell + 1]), volumes[cell] * in_class[cell]
            old, across = chosen[cell], towards[chosen[neighbours[around]]]
            others = shares - np.bincount(across[:, old], areas[around], minlength=len(wanted))
            rest = mean - weight[:, None] * channels[old] - target
            by_texture = channels @ (2.0 * (weight @ metric) @ rest) + (weight @ metric @ weight) * square
            slope = 2.0 * (others - wanted) * scale
            by_face = areas[around] @ slope[across]
            likely = np.append(np.argpartition(by_texture + by_face, tried)[:tried], old)
            added = np.zeros((len(likely), len(wanted)))
            np.add.at(added, (np.arange(len(likely))[:, None], across[:, likely].T), areas[around])
            mismatch = by_texture[likely] + ((others + added - wanted) ** 2 * scale).sum(axis=1)
            best = int(np.argmin(mismatch))
            chosen[cell] = likely[best]
            mean = mean + weight[:, None] * (channels[chosen[cell]] - channels[old])
            shares = others + added[best]
    return quaternions[chosen], phase_ids[chosen]


def _pool(phase_ids: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw the pixels that cells choose from, rare phases more often, and the odds that make up for it."""
    number = np.bincount(phase_ids)
    weight = np.sqrt(1.0 / number[phase_ids])
    pool = rng.choice(len(phase_ids), min(_POOL, len(phase_ids)), replace=False, p=weight / weight.sum())
    drawn = np.bincount(phase_ids[pool], minlength=len(number))
    odds = (number / np.maximum(drawn, 1))[phase_ids[pool]]
    return pool, odds / odds.sum()


def _size_classes(labels: np.ndarray, normals: Iterable[int]) -> np.ndarray:
    """Return the share of each cell that lies in sections of each class of area, shape (N, classes)."""
    number = int(labels.max()) + 1
    found = np.zeros((number, len(_SIZE_SHARES)))
    for cells, area in section_areas(labels, number, normals):
        for k, members in enumerate(_by_rank(area).T):
            found[:, k] += np.bincount(cells, area * members, minlength=number)
    return found / found.sum(axis=1, keepdims=True)


def _by_rank(area: np.ndarray) -> np.ndarray:
    """Return the share of each of some grains in each class of area, shape (n, classes); areas that tie share alike."""
    which = np.unique(area, return_inverse=True)[1].ravel()
    end = np.cumsum(np.bincount(which, area)) / area.sum()
    begin = np.append(0.0, end[:-1])
    edges = np.append(0.0, np.cumsum(_SIZE_SHARES))
    overlap = np.minimum(end[:, None], edges[1:]) - np.maximum(begin[:, None], edges[:-1])
    overlap = np.maximum(overlap, 0.0)
    return np.asarray((overlap / overlap.sum(axis=1, keepdims=True))[which])


def _pixels(
    grains: Sequence[GrainMap], *, specks: bool, classes: Sequence[np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return orientations, phases and classes of the pixels in specks, or of those in grains; by area if not given."""
    found = []
    for number, one in enumerate(grains):
        points = np.bincount(one.grain_ids.ravel(), minlength=1)
        points[0] = 0
        kept = (points > 0) & ((points <= SPECK) == specks)
        inside = kept[one.grain_ids]
        if classes is None:
            of_grain = np.zeros((len(points), len(_SIZE_SHARES)))
            if kept.any():
                of_grain[kept] = _by_rank(points[kept])
            of_pixel = of_grain[one.grain_ids[inside]]
        else:
            of_pixel = classes[number][inside]
        found.append((one.field.quaternions[inside], one.field.phase_ids[inside], of_pixel))
    quaternions, phase_ids, sizes = (np.concatenate(values) for values in zip(*found, strict=True))
    return quaternions, phase_ids, sizes


def _boundary_classes(quaternions: np.ndarray, phase_ids: np.ndarray, phases: Sequence[Phase]) -> np.ndarray:
    """Return the class of the boundary between each two pixels, shape (P, P)."""
    bins = _between(phase_ids[:, None], phase_ids, len(phases))
    for phase_id, phase in enumerate(phases, start=1):
        of_phase = np.flatnonzero(phase_ids == phase_id)
        q = quaternions[of_phase]
        cosine = np.zeros((len(q),) * 2, dtype=np.float32)
        for operation in phase.symmetry:
            turned = rotation.multiply(operation, q).astype(np.float32)
            np.maximum(cosine, np.abs(turned @ q.T.astype(np.float32)), out=cosine)
        angle = 2.0 * np.arccos(np.minimum(cosine, 1.0))
        bins[np.ix_(of_phase, of_phase)] += np.minimum(angle / _BIN, _BINS - 1).astype(bins.dtype)
    return bins


def _between(first: np.ndarray, second: np.ndarray, number: int) -> np.ndarray:
    """Return the class of a boundary between phases, the first one of a phase with itself."""
    low, high = np.minimum(first, second) - 1, np.maximum(first, second) - 1
    pair = high * (high - 1) // 2 + low
    return np.where(low == high, low * _BINS, number * _BINS + pair).astype(np.uint16)


def _boundary_shares(analyses: Sequence[MapAnalysis], bins: np.ndarray, odds: np.ndarray, apart: bool) -> np.ndarray:
    """Return the shares of the classes of boundaries wanted among the faces of cells.

    Above the threshold they are those of the maps' neighbours. Faces below it join two cells to one grain: none where
    cells are to be `apart`, else as many as pairs of pixels drawn at random.
    """
    phases = len(analyses[0].field.phases)
    shares = np.zeros(phases * _BINS + phases * (phases - 1) // 2)
    for one in analyses:
        large = (np.bincount(one.grain_ids.ravel()) > SPECK)[one.grain_ids] & (one.grain_ids > 0)
        for axis, angles in one.angles.items():
            both = large & np.roll(large, -1, axis=axis) & (angles > np.deg2rad(DEFAULT_THRESHOLD))
            classes = _between(one.field.phase_ids[both], np.roll(one.field.phase_ids, -1, axis=axis)[both], phases)
            of_phase = np.isfinite(angles[both])
            classes[of_phase] += np.minimum(angles[both][of_phase] / _BIN, _BINS - 1).astype(classes.dtype)
            shares += np.bincount(classes, minlength=len(shares))
    pairs = np.triu_indices(len(bins), 1)
    counts = np.bincount(bins[pairs], odds[pairs[0]] * odds[pairs[1]], minlength=len(shares))
    at_random = counts / max(float(counts.sum()), np.finfo(float).tiny)
    if not shares.sum():
        return at_random
    shares /= shares.sum()
    if apart:
        return shares
    low = np.zeros(len(shares), dtype=bool)
    low[: phases * _BINS].reshape(phases, _BINS)[:, : round(np.deg2rad(DEFAULT_THRESHOLD) / _BIN)] = True
    shares *= 1.0 - at_random[low].sum()
    shares[low] = at_random[low]
    return shares


def _texture_channels(q: np.ndarray, phase_ids: np.ndarray, phases: Sequence[Phase], shares: np.ndarray) -> np.ndarray:
    """Evaluate indicator and harmonics of each phase, over the root of its share.

    The error of a mean over grains of a phase grows as this root, so that a rare phase counts by what is known of it.
    """
    parts = []
    for i, phase in enumerate(phases, start=1):
        of_phase = (phase_ids == i).astype(np.float64)
        terms = tuple(
            (n, k)
            for n in degrees_up_to(phase.laue, _TEXTURE_DEGREE)
            if n % 4 == 0
            for k in range(number_of_invariants(phase.laue, n))
        )
        values = symmetrized_harmonics(phase.laue, terms).evaluate(q)
        scaled = of_phase / np.sqrt(shares[i - 1])
        parts.append(np.concatenate([_PHASE_WEIGHT * scaled[None], values * scaled]))
    return np.concatenate(parts).T


def _strew(
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    grains: Sequence[GrainMap],
    share: float,
    rng: np.random.Generator,
) -> None:
    """Give a share of the voxels orientations and phases of the maps' specks; in place."""
    specks, their_phases, _ = _pixels(grains, specks=True)
    voxels = np.flatnonzero(rng.random(phase_ids.size) < share)
    if len(specks) and len(voxels):
        drawn = rng.integers(len(specks), size=len(voxels))
        quaternions.reshape(-1, 4)[voxels] = specks[drawn]
        phase_ids.ravel()[voxels] = their_phases[drawn]
