"""Laguerre cells fitted to maps, so that their sections have the maps' grain sizes, aspect ratios and chords.

A section is compared with a section: cells are cut by planes at the voxels' size, misindexed points are strewn in as
the map has them, and both sides are measured alike (:mod:`polyrve.microstructure.section_measures`). A tessellation
stands for the grains of the maps where its sections are as like the maps as windows of the maps are. "Cell" is a
Laguerre cell throughout.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate

import numpy as np

from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_measures import cell_volumes, slabs
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grain_growth import round_faces, round_faces_by_place
from polyrve.microstructure.laguerre import Tessellation, voxel_centres
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.placed import Given, Placed, distinct
from polyrve.microstructure.section_measures import DISTANCES, SectionMeasures, distances
from polyrve.microstructure.sized_cells import CellSizes, Order, sized_tessellation
from polyrve.microstructure.stereology import QUANTILE, SHAPED, SPECK, window_shape
from polyrve.steps import announce

_FEWEST_GRAINS = 5
"""A map with fewer whole grains gives no limits, and cells are never taken for its grains.

Windows of such a map hold one or two grains, and any two of them differ; as in :mod:`polyrve.validation.run`.
"""

_CELLS_PER_SIDE = 8
"""Side of the box of cells that sections are cut from, in lengths of a cell: some 1000 cells.

With a smaller box the sections are noisier and the search stops at chance minima; time grows with its cube.
"""

_POINTS = 30_000
"""Points of the planes that are cut for one trial, which a larger number makes less noisy and slower."""

_FINAL_POINTS = 1_000_000
"""Points of the planes that are compared with the maps at last: 16 planes where cells have at most 27 voxels across."""

_FEWEST_PLANES, _MOST_PLANES = 2, 16
"""Planes of one trial: two, so that not a single one decides, and no more than lie about half a cell apart."""

_WINDOWS = 30
"""Windows of a map that give a limit; of 30 the quantile of 95 % is between the two that differ most."""

_FIRST_SPREAD, _SPREAD_STEPS, _LARGEST_SPREAD = 0.3, (0.1, -0.1, 0.05, -0.05), 0.6
"""Spread of sizes that the search begins with, its steps, and its end.

Lognormal fits to grain diameters have spreads about the first. The fit is exact to the smallest step, 0.05; beyond the
last cells of a tenth of the mean diameter vanish between large ones.
"""

_SWEEPS, _OF_VOXELS, _FEWEST_VOXELS, _MOST_SWEEPS = 3, 8.0, 6.0, 6
"""Sweeps that curve the faces of cells of so many voxels across; the least voxels for any, and the most sweeps.

Flat faces leave a sphericity 1 to 2 % below that of grain growth, of which one sweep takes 0.7 %, three take 1.5 %,
where cells are 8 voxels across; the same curvature takes sweeps in proportion to the square. Cells 4 voxels across
vanish instead: 6 % of them in one sweep, 20 % in three. One section of some hundred grains does not tell flat faces
from curved ones.
"""

_SCALE_STEPS = 1.0 / 1.04, 1.04, 1.0 / 1.02, 1.02
"""Steps of the scale of the lengths, the fit of which is exact to the smallest, 2 %."""

_COSTS = (3, *(4, 3, 2, 2), 1, *(1, 1, 1, 1), 6)
"""Tenths of a second that a core takes at 48 x 48 x 48 voxels: first cells, each step of the spread, normal sizes, each
step of the scale, and what chance does."""

_CHORD_TOLERANCE = 0.02
"""Relative error of the chords to which lengths are corrected before a trial is compared: the smallest scale step."""

_NEAR = 0.075
"""Distances that are near on any map: those of large maps are significant however small they are.

Fits to Laguerre specimens come to 0.05 with 1800 grains; maps with 30 and 60 % of the grains twinned to 0.19 and 0.31.
"""

_SAMPLES, _CONFIDENCE = 40, 0.95
"""Maps cut from the fitted cells, and the share of them that are to pass for such maps."""

_MOST_SAMPLED = 8
"""Maps of one normal that are cut from the cells for each sample; of more, as of the sections of a volume, so many are
cut, and distances shrink with the root of the area as for maps that reach beyond the box."""

_CHORD_PER_LENGTH = 0.64
"""Mean chord of cells over their length, to begin with.

Measured: 0.59, 0.64 and 0.75 for spreads of 0, 0.3 and 0.5, 0.01 more for packed centres and 0.02 less for random
ones. :func:`fit_cells` corrects it; :func:`cells_of_chords` does not, and makes cells longer in proportion where it is
smaller.
"""

_DRAWS = 3
"""Tessellations that are drawn until one is within its limits; time grows with them where none is."""

_LARGEST_DRAWN = 2**22
"""Points of the sections of each normal in which a drawn volume is compared with the maps: 16 sections of 512 x 512."""

_THICKNESS = 6.0
"""Thickness in cells of the box that a planar volume is cut from, so that its periodic images are not seen."""

_SMALLEST_IN_SCORE = 1e-3
"""Limits below it count as this in the score, which divides by them; a map of too few grains has limits of 0."""


@dataclass(frozen=True)
class CellFit:
    """Laguerre cells whose sections are like maps; made by :func:`fit_cells`.

    Attributes
    ----------
    lengths : tuple of float, um
        Of the cells along z, y, x.
    sizes : CellSizes
        Distribution of their diameters; of several phases, a kind of cells for each.
    order : {"packed", "relaxed", "placed", "random"}
        How regularly their centres lie.
    misindexed : float
        Share of single points that differ from their surroundings.
    distances, limits : tuple of float
        Distances between maps and sections, for the worst map, by
        :data:`polyrve.microstructure.section_measures.DISTANCES`; and what 95 of 100 windows of the maps keep.
    by_chance : tuple of float
        Distances that 95 of 100 maps of as many grains keep, all six, if they are sections of these cells. Empty where
        that cannot be told, as of maps with a handful of grains.
    """

    lengths: tuple[float, float, float]
    sizes: CellSizes
    order: Order
    misindexed: float
    distances: tuple[float, ...]
    limits: tuple[float, ...]
    by_chance: tuple[float, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether the maps lie as near to sections of the cells as chance lets maps of so many grains lie."""
        found = zip(self.distances, self.by_chance, strict=True) if self.by_chance else ()
        return bool(self.by_chance) and all(distance <= max(chance, _NEAR) for distance, chance in found)


def cells_of_chords(
    maps: Given[OrientationMap | MapAnalysis], shape: Sequence[int], spacing: Sequence[float]
) -> CellFit:
    """Choose cells of moderate spread whose chords are about the maps', without comparing them.

    Parameters
    ----------
    maps, shape, spacing
        As for :func:`fit_cells`.

    Returns
    -------
    CellFit
        Without distances and limits.
    """
    analyses = analyse_all(maps)
    chord = _mean_chords(_sections_of(analyses), float(np.max(np.array(shape) * np.array(spacing))))
    sizes = CellSizes(_FIRST_SPREAD, kinds=kinds_of_phases(analyses))
    return CellFit(_triple(chord / _CHORD_PER_LENGTH), sizes, "relaxed", 0.0, (), ())


def fit_cells(
    maps: Given[OrientationMap | MapAnalysis],
    shape: Sequence[int],
    spacing: Sequence[float],
    rng: np.random.Generator,
) -> CellFit:
    """Fit lengths, sizes in three dimensions and regularity of Laguerre cells to maps.

    Mean chords give the lengths: cells are stretched until theirs are the maps' times a scale. The spread of the
    diameters and the scale, near 1, are searched for in steps; lognormal diameters are tried before normal ones, and
    rounder or less round cells where those of the maps are. Sections tell the spread in three dimensions because each
    trial has it: no section is unfolded.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to; points of the voxels' size.
    shape : sequence of int
        (nz, ny, nx) of the volume, for the size of the windows.
    spacing : sequence of float, um
        (dz, dy, dx).
    rng : numpy.random.Generator

    Returns
    -------
    CellFit
    """
    passed = accumulate(_COSTS, initial=0)

    def tell() -> None:
        announce("fitting cells to the maps", next(passed), sum(_COSTS))

    tell()
    analyses = analyse_all(maps)
    wanted = _sections_of(analyses)
    limits = np.min([_limits(*pair, rng) for pair in _windows(analyses, shape)], axis=0)
    chord = _mean_chords(wanted, float(np.max(np.array(shape) * np.array(spacing))))
    specks = float(np.mean([sections.speck_share for sections in wanted.values()]))
    seed = int(rng.integers(2**32))

    @cache
    def unit(sizes: CellSizes, order: Order) -> Tessellation:
        """Draw cells of length 1 in a box of :data:`_CELLS_PER_SIDE`."""
        rng = np.random.default_rng(seed)
        return sized_tessellation((_CELLS_PER_SIDE,) * 3, (1.0, 1.0, 1.0), sizes, rng, order=order)

    def tried(cells: CellFit, scale: float) -> tuple[CellFit, float]:
        """Stretch cells until their chords are the maps' times a scale, and compare their sections."""
        for _ in range(2):
            lengths, sections = _cut(cells, unit(cells.sizes, cells.order), wanted, spacing, seed)
            ratio = scale * chord / _mean_chords(sections, np.inf)
            cells = replace(cells, lengths=_triple(lengths * ratio))
            if np.all(np.abs(ratio - 1.0) < _CHORD_TOLERANCE):
                break
        return replace(cells, distances=_distances(wanted, sections)), _mean_aspect_ratio(sections)

    sizes = CellSizes(_FIRST_SPREAD, kinds=kinds_of_phases(analyses))
    first = CellFit(_triple(chord / _CHORD_PER_LENGTH), sizes, "relaxed", 0.0, (), tuple(limits.tolist()))
    sections = _cut(first, unit(first.sizes, first.order), wanted, spacing, seed)[1]
    slivers = float(np.mean([one.speck_share for one in sections.values()]))
    best, aspect = tried(replace(first, misindexed=max(0.0, specks - slivers)), 1.0)
    scale = 1.0

    def better(trial: CellFit, scale: float) -> bool:
        nonlocal best
        found = tried(trial, scale)[0]
        if _score(found) >= _score(best):
            return False
        best = found
        return True

    orders: tuple[Order, ...] = ("packed",) if _mean_aspect_ratio(wanted) < aspect else ("placed", "random")
    for order in orders if np.argmax(best.distances) == _ASPECT_RATIO else ():
        found = tried(replace(best, order=order), scale)[0]
        if found.distances[_ASPECT_RATIO] >= best.distances[_ASPECT_RATIO]:
            break
        best = found
    for step in _SPREAD_STEPS:
        tell()
        while 0.0 <= (spread := round(best.sizes.spread + step, 6)) <= _LARGEST_SPREAD:
            if not better(replace(best, sizes=replace(best.sizes, spread=spread)), scale):
                break
    tell()
    better(replace(best, sizes=replace(best.sizes, lognormal=False)), scale)
    for step in _SCALE_STEPS:
        tell()
        while better(replace(best, lengths=_triple(step * np.array(best.lengths))), scale * step):
            scale *= step
    tell()
    if not any(best.limits):
        return best
    tessellation = unit(best.sizes, best.order)
    sections = _cut(best, tessellation, wanted, spacing, int(rng.integers(2**32)), _FINAL_POINTS)[1]
    chance = _by_chance(sections, analyses, rng)
    return replace(best, distances=_distances(wanted, sections), by_chance=chance)


def kinds_of_phases(maps: Placed[MapAnalysis]) -> tuple[tuple[float, float], ...]:
    """Tell how many cells each phase of some maps has, and how large they are, from its share and its mean chord.

    Parameters
    ----------
    maps : mapping of int to tuple of MapAnalysis
        By the array axis that they are normal to.

    Returns
    -------
    tuple of (float, float)
        Share by number and relative diameter of each phase that the maps show. A phase of fewer than five grains counts
        with the chord of all.
    """
    sides, ends, grains = np.zeros((3, len(distinct(maps)[0].field.phases) + 1))
    for one in distinct(maps):
        points = np.bincount(one.grain_ids.ravel())
        large = (points > SPECK)[one.grain_ids] & (one.grain_ids > 0)
        phase_ids = np.where(large, one.field.phase_ids, 0)
        grains += np.bincount(one.grains.phase_ids[points[1:] > SPECK], minlength=len(grains))
        for axis, angles in one.angles.items():
            known = large & np.roll(large, -1, axis=axis) & ~np.isnan(angles)
            crossed = known & (angles > np.deg2rad(one.threshold))
            for side in (phase_ids, np.roll(phase_ids, -1, axis=axis)):
                sides += np.bincount(side[known], minlength=len(sides))
                ends += np.bincount(side[crossed], minlength=len(sides))
    shown = np.flatnonzero((sides > 0) & (np.arange(len(sides)) > 0))
    if len(shown) < 2 or not ends.sum():
        return ((1.0, 1.0),)
    told = (grains[shown] >= _FEWEST_GRAINS) & (ends[shown] > 0)
    chord = np.where(told, sides[shown] / np.maximum(ends[shown], 1), sides.sum() / ends.sum())
    number = sides[shown] / chord**3
    return tuple((float(share), float(size)) for share, size in zip(number / number.sum(), chord, strict=True))


def draw_cells(
    cells: CellFit,
    maps: Given[OrientationMap | MapAnalysis],
    shape: Sequence[int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
    *,
    large: bool = False,
) -> np.ndarray:
    """Draw the Laguerre cell of each voxel of a volume whose own sections are like the maps.

    Up to three tessellations are drawn until one keeps the limits; otherwise the best of them is taken.

    Parameters
    ----------
    cells : CellFit
        Fitted to the maps; drawn once if they have no limits.
    maps, shape, spacing, rng
        As for :func:`fit_cells`; one voxel along an axis gives a plane through three-dimensional cells.
    periodic : bool
    large : bool
        Whether cells are found and their faces are curved in little memory, by compiled code that takes a second to
        load; faces then differ in single voxels.

    Returns
    -------
    ndarray, shape (nz, ny, nx), int64 or, of a large volume, uint32
        0 ... N - 1.
    """
    size, lengths = np.array(shape) * np.array(spacing), np.array(cells.lengths)
    extent = np.where(np.array(shape) == 1, _THICKNESS * lengths, size if periodic else size + lengths)
    wanted = _sections_of(analyse_all(maps)) if cells.limits else {}
    drawn: list[tuple[float, np.ndarray]] = []
    for _ in range(_DRAWS):
        tessellation = sized_tessellation(extent.tolist(), cells.lengths, cells.sizes, rng, order=cells.order)
        if large:
            labels = tessellation.labels(shape, spacing)
            round_faces_by_place(labels, _sweeps(cells, spacing), int(rng.integers(2**32)))
        else:
            labels = tessellation.cells(voxel_centres(shape, spacing))
            if min(shape) > 1:
                labels = faces_rounded(labels, cells, spacing, rng)
        if not wanted:
            drawn.append((0.0, labels))
            break
        sections = {}
        for normal in wanted:
            planes = np.moveaxis(labels, normal, 0)
            most = min(len(planes), _MOST_PLANES, max(_FEWEST_PLANES, _LARGEST_DRAWN // planes[0].size))
            chosen = np.unique(np.linspace(0, len(planes), most, endpoint=False).astype(int))
            sections[normal] = _strewn(planes[chosen], cells.misindexed, normal, spacing, periodic, rng)
        found = replace(cells, distances=_distances(wanted, sections))
        drawn.append((_score(found), labels))
        if np.all(np.array(found.distances) <= found.limits):
            break
        drawn = [min(drawn, key=lambda one: one[0])]
    labels = min(drawn, key=lambda one: one[0])[1]
    if not large:
        return np.unique(labels, return_inverse=True)[1].reshape(shape)
    used = cell_volumes(labels, int(labels.max()) + 1) > 0
    renumbered = (np.cumsum(used) - 1).astype(np.uint32)
    for first, last in slabs(labels.shape):
        labels[first:last] = renumbered[labels[first:last]]
    return labels


def faces_rounded(labels: np.ndarray, cells: CellFit, spacing: Sequence[float], rng: np.random.Generator) -> np.ndarray:
    """Curve the faces of cells as grain growth does, where they are resolved.

    Parameters
    ----------
    labels : ndarray, shape (nz, ny, nx), int
    cells : CellFit
    spacing : sequence of float, um
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (nz, ny, nx), int
    """
    return round_faces(labels, _sweeps(cells, spacing), rng)


def _sweeps(cells: CellFit, spacing: Sequence[float]) -> int:
    """Return the sweeps that curve the faces of cells, by the voxels across the smallest kind."""
    share, size = np.array(cells.sizes.kinds).T
    across = min(np.array(cells.lengths) / spacing) * min(size) / np.cbrt(np.average(size**3, weights=share))
    return min(_MOST_SWEEPS, int(_SWEEPS * (across / _OF_VOXELS) ** 2)) if across >= _FEWEST_VOXELS else 0


def _sections_of(analyses: Placed[MapAnalysis]) -> dict[int, SectionMeasures]:
    """Put the maps of each normal into one stack of sections."""
    stacks = {id(some): SectionMeasures.together([one.sections for one in some]) for some in analyses.values()}
    return {normal: stacks[id(some)] for normal, some in analyses.items()}


def _distances(wanted: Mapping[int, SectionMeasures], sections: Mapping[int, SectionMeasures]) -> tuple[float, ...]:
    """Return the distances of the worst map; infinite where they cannot be told."""
    found = np.max([distances(wanted[normal], sections[normal]) for normal in wanted], axis=0)
    return tuple(float(x) for x in np.nan_to_num(found, nan=np.inf))


def _score(cells: CellFit) -> float:
    """Tell how far cells are from the maps: much where one distance exceeds its limit, whatever the others.

    The fourth power makes the worst distance decide; with the square three good ones outweigh it.
    """
    return float(np.sum((np.array(cells.distances) / np.maximum(cells.limits, _SMALLEST_IN_SCORE)) ** 4))


_ASPECT_RATIO = DISTANCES.index("aspect ratio")
"""The distance that tells how regularly centres lie, whatever the sizes."""


def _mean_aspect_ratio(sections: Mapping[int, SectionMeasures]) -> float:
    """Average the aspect ratios of the grains that have a shape, over all sections; NaN where there is none."""
    shapes = [one.shapes for one in sections.values()]
    ratio, weight = (
        np.concatenate([getattr(one, name)[one.points >= SHAPED] for one in shapes])
        for name in ("aspect_ratio", "weight")
    )
    return float(np.average(ratio, weights=weight)) if weight.sum() else np.nan


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    z, y, x = values.tolist()
    return (z, y, x)


def _mean_chords(sections: Mapping[int, SectionMeasures], longest: float) -> np.ndarray:
    """Average the mean chords along each axis of a volume, um, over the sections that show it."""
    found: list[list[float]] = [[], [], []]
    for normal, one in sections.items():
        for axis, length in zip(in_plane(normal), one.mean_chords, strict=True):
            if np.isfinite(length):
                found[axis].append(min(length, longest))
    known = [length for lengths in found for length in lengths] or [longest]
    return np.array([np.mean(lengths or known) for lengths in found])


_MOST_POINTS = 20_000_000
"""Points of one section through cells that are fitted, 500 voxels across each; larger sections would take the memory
that the volume needs."""


def _cut(
    cells: CellFit,
    unit: Tessellation,
    normals: Iterable[int],
    spacing: Sequence[float],
    seed: int,
    points: int = _POINTS,
) -> tuple[np.ndarray, dict[int, SectionMeasures]]:
    """Cut sections as a map would show them, misindexed points included; lengths are rounded to whole voxels."""
    rng = np.random.default_rng(seed)
    step = np.array(spacing)
    size = np.maximum(np.round(_CELLS_PER_SIDE * np.array(cells.lengths) / step), 2 * _CELLS_PER_SIDE).astype(int)
    tessellation = replace(unit, stretch=size * step / _CELLS_PER_SIDE)
    sections = {}
    for normal in normals:
        coordinates = voxel_centres(size, spacing)
        area = int(np.prod(size)) // int(size[normal])
        if area > _MOST_POINTS:
            raise ValueError(
                f"map: expected grains whose sections can be cut at the voxels' size; got cells of "
                f"{' x '.join(f'{length:.3g}' for length in cells.lengths)} um with voxels of "
                f"{' x '.join(f'{length:.3g}' for length in spacing)} um: name a coarser spacing"
            )
        planes = int(np.clip(points // area, _FEWEST_PLANES, _MOST_PLANES))
        coordinates[normal] = (np.arange(planes) + 0.5) * size[normal] * step[normal] / planes
        ids = np.moveaxis(tessellation.cells(coordinates), normal, 0)
        sections[normal] = _strewn(ids, cells.misindexed, normal, spacing, True, rng)
    return size * step / _CELLS_PER_SIDE, sections


def _by_chance(
    sections: Mapping[int, SectionMeasures], analyses: Placed[MapAnalysis], rng: np.random.Generator
) -> tuple[float, ...]:
    """Return what maps of these sizes keep of the distances from sections of cells, if they are such sections.

    A map that reaches beyond the box of cells has distances in proportion to the inverse root of its area.
    """
    found = []
    for _ in range(_SAMPLES):
        worst = np.zeros(len(DISTANCES))
        for normal, planes in sections.items():
            whole = planes.indexed.shape[1:]
            windows, areas = [], []
            for one in analyses[normal][:_MOST_SAMPLED]:
                size = np.minimum(one.field.shape, whole)
                corner = [int(rng.integers(n - length + 1)) for n, length in zip(whole, size, strict=True)]
                windows.append(planes.window(corner, size.tolist(), int(rng.integers(len(planes.indexed)))))
                areas.append(np.prod(size))
            beyond = sum(areas) / sum(np.prod(one.field.shape) for one in analyses[normal])
            worst = np.maximum(worst, distances(SectionMeasures.together(windows), planes) * np.sqrt(beyond))
        if np.isfinite(worst).all():
            found.append(worst)
    if not found:
        return ()
    each = np.quantile(found, _CONFIDENCE, axis=0)
    together = np.quantile(np.max(found / np.maximum(each, _SMALLEST_IN_SCORE), axis=1), _CONFIDENCE)
    return tuple((each * together).tolist())


def _strewn(
    ids: np.ndarray, share: float, normal: int, spacing: Sequence[float], periodic: bool, rng: np.random.Generator
) -> SectionMeasures:
    """Strew a share of misindexed points into planes of cells, shape (m, rows, columns), and measure them."""
    ids = ids.copy()
    strewn = rng.random(ids.shape) < share
    ids[strewn] = ids.max() + 1 + np.arange(strewn.sum())
    return SectionMeasures.of_labels(ids, [spacing[axis] for axis in in_plane(normal)], periodic)


_Windows = tuple[tuple[MapAnalysis, ...], tuple[tuple[int, ...], ...]]


def _windows(analyses: Placed[MapAnalysis], shape: Sequence[int]) -> list[_Windows]:
    """List the maps of each normal with the shapes of the windows in them that stand for sections, each pair once."""
    found = {}
    for normal, some in sorted(analyses.items()):
        section = [shape[axis] for axis in in_plane(normal)]
        sizes = tuple(window_shape(section, one.field.shape) for one in some)
        found[id(some), sizes] = some, sizes
    return list(found.values())


def _limits(maps: Sequence[MapAnalysis], sizes: Sequence[tuple[int, ...]], rng: np.random.Generator) -> np.ndarray:
    """Return what 95 of 100 windows of some maps keep of the distances from all; 0 where there are too few grains.

    Windows are drawn from each map in turn, large ones more often.
    """
    whole = SectionMeasures.together([one.sections for one in maps])
    if whole.number_of_grains < _FEWEST_GRAINS:
        return np.zeros(len(DISTANCES))
    found = []
    areas = np.array([math.prod(one.field.shape) for one in maps])
    for turn in range(_WINDOWS):
        at = int(np.searchsorted(np.cumsum(areas) / areas.sum(), (turn + 0.5) / _WINDOWS))
        one, size = maps[at], sizes[at]
        corner = [int(rng.integers(n - length + 1)) for n, length in zip(one.field.shape, size, strict=True)]
        apart = distances(whole, one.sections.window(corner, size))
        if np.isfinite(apart).all():
            found.append(apart)
    return np.quantile(found, QUANTILE, axis=0) if found else np.zeros(len(DISTANCES))
