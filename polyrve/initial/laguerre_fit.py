"""Laguerre cells fitted to maps, so that their sections have the maps' grain sizes, aspect ratios and chords.

A section is compared with a section: cells are cut by planes at the voxels' size, misindexed points are strewn in as
the map has them, and both sides are measured alike (:mod:`polyrve.microstructure.section_measures`). A tessellation
stands for the grains of the maps where its sections are as like the maps as windows of the maps are. "Cell" is a
Laguerre cell throughout.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.laguerre import Tessellation, laguerre_tessellation, voxel_centres
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.section_measures import DISTANCES, SectionMeasures, distances
from polyrve.microstructure.stereology import QUANTILE, window_shape

_FEWEST_GRAINS = 5
"""A map with fewer whole grains gives no limits, and cells are never taken for its grains.

Windows of such a map hold one or two grains, and any two of them differ; as in :mod:`polyrve.validation.run`.
"""

_CELLS_PER_SIDE = 9
"""Side of the box of cells that sections are cut from, in lengths of a cell: some 1400 cells.

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

_FIRST_SPREAD, _SPREAD_STEPS, _LARGEST_SPREAD = 0.3, (0.15, -0.15, 0.05, -0.05), 0.9
"""Spread of sizes that the search begins with, its steps, and its end.

Lognormal fits to grain diameters have spreads about the first. The fit is exact to the smallest step, 0.05; beyond the
last few large cells fill the box, and the sections of one box no longer tell the tessellation.
"""

_SCALE_STEPS = 1.0 / 1.04, 1.04, 1.0 / 1.02, 1.02
"""Steps of the scale of the lengths, the fit of which is exact to the smallest, 2 %."""

_CHORD_TOLERANCE = 0.02
"""Relative error of the chords to which lengths are corrected before a trial is compared: the smallest scale step."""

_MARGIN = 1.5
"""Distances may be so many times those of 95 of 100 windows.

Fits to maps of Laguerre specimens, 128 x 128 points, come to 0.6 to 0.9 times the limit of the worst distance, to maps
with 30, 60 and 100 % of the grains twinned to 0.8, 2.5 and 3.4 times. With a margin of 3 many twins pass for convex
cells.
"""

_SMALLEST_LIMIT = 0.05
"""Limits below it count as this: large maps, whose windows hardly differ, would else ask for more than cells can give.

Limits of chords and boundaries are 0.04 for a map of some 250 grains and shrink with its size. With the margin 0.075 is
allowed on any map; a smaller number turns large equiaxed maps over to the exemplar.
"""

_SAMPLES, _CONFIDENCE = 40, 0.95
"""Maps cut from the fitted cells, and the share of them that are to pass for such maps."""

_CHORD_PER_LENGTH = 0.62
"""Mean chord of regular cells over their length, to begin with.

Measured: 0.58, 0.60 and 0.63 for spreads of 0, 0.3 and 0.6, and 0.02 less for independent centres. For those and a
spread of 0 the surface of Poisson-Voronoi cells, 5.821 V^(2/3), gives 4 V / S = 0.554. :func:`fit_cells` corrects it;
:func:`cells_of_chords` does not, and makes cells longer in proportion where it is smaller.
"""

_DRAWS = 3
"""Tessellations that are drawn until one is within its limits; time grows with them where none is."""

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
    size_spread : float
        Of the logarithm of the radii that weigh the cells.
    regular : bool
        Whether the centres keep away from each other.
    misindexed : float
        Share of single points that differ from their surroundings.
    distances, limits : tuple of float
        Distances between maps and sections, for the worst map, by
        :data:`polyrve.microstructure.section_measures.DISTANCES`; and what 95 of 100 windows of the maps keep.
    by_chance : tuple of float
        Distances that 95 of 100 maps of as many grains keep, all six, if they are sections of these cells. Empty where
        there are no limits.
    """

    lengths: tuple[float, float, float]
    size_spread: float
    regular: bool
    misindexed: float
    distances: tuple[float, ...]
    limits: tuple[float, ...]
    by_chance: tuple[float, ...] = ()

    @property
    def alike(self) -> bool:
        """Whether sections of the cells are about as like the maps as windows of them are, and as chance has them."""
        found = zip(self.distances, self.limits, self.by_chance, strict=True)
        return any(self.limits) and all(
            distance <= min(_MARGIN * max(limit, _SMALLEST_LIMIT), max(chance, _MARGIN * _SMALLEST_LIMIT))
            for distance, limit, chance in found
        )


def cells_of_chords(
    maps: Mapping[int, OrientationMap | MapAnalysis], shape: Sequence[int], spacing: Sequence[float]
) -> CellFit:
    """Choose regular cells of moderate spread whose chords are about the maps', without comparing them.

    Parameters
    ----------
    maps, shape, spacing
        As for :func:`fit_cells`.

    Returns
    -------
    CellFit
        Without distances and limits.
    """
    chord = _mean_chords(_sections_of(analyse_all(maps)), float(np.max(np.array(shape) * np.array(spacing))))
    return CellFit(_triple(chord / _CHORD_PER_LENGTH), _FIRST_SPREAD, True, 0.0, (), ())


def fit_cells(
    maps: Mapping[int, OrientationMap | MapAnalysis],
    shape: Sequence[int],
    spacing: Sequence[float],
    rng: np.random.Generator,
) -> CellFit:
    """Fit lengths, spread of sizes and regularity of Laguerre cells to maps.

    Mean chords give the lengths: cells are stretched until theirs are the maps' times a scale. The spread of the sizes
    and the scale, near 1, are searched for in steps, regular centres before independent ones.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or MapAnalysis
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
    analyses = analyse_all(maps)
    wanted = _sections_of(analyses)
    limits = np.min([_limits(one, size, rng) for one, size in _windows(analyses, shape)], axis=0)
    chord = _mean_chords(wanted, float(np.max(np.array(shape) * np.array(spacing))))
    specks = float(np.mean([sections.speck_share for sections in wanted.values()]))
    seed = int(rng.integers(2**32))

    @cache
    def unit(size_spread: float, regular: bool) -> Tessellation:
        """Draw cells of length 1 in a box of :data:`_CELLS_PER_SIDE`."""
        rng = np.random.default_rng(seed)
        return laguerre_tessellation((_CELLS_PER_SIDE,) * 3, (1.0, 1.0, 1.0), size_spread, rng, regular=regular)

    def tried(cells: CellFit, scale: float) -> CellFit:
        """Stretch cells until their chords are the maps' times a scale, and compare their sections."""
        for _ in range(2):
            lengths, sections = _cut(cells, unit(cells.size_spread, cells.regular), wanted, spacing, seed)
            ratio = scale * chord / _mean_chords(sections, np.inf)
            cells = replace(cells, lengths=_triple(lengths * ratio))
            if np.all(np.abs(ratio - 1.0) < _CHORD_TOLERANCE):
                break
        return replace(cells, distances=_distances(wanted, sections))

    first = CellFit(_triple(chord / _CHORD_PER_LENGTH), _FIRST_SPREAD, True, 0.0, (), tuple(limits.tolist()))
    sections = _cut(first, unit(first.size_spread, first.regular), wanted, spacing, seed)[1]
    slivers = float(np.mean([one.speck_share for one in sections.values()]))
    best, scale = tried(replace(first, misindexed=max(0.0, specks - slivers)), 1.0), 1.0
    for regular in (True, False):
        found = best if regular else tried(replace(best, regular=False), scale)
        if _score(found) > _score(best):
            continue
        best = found
        for step in _SPREAD_STEPS:
            while 0.0 <= (spread := round(best.size_spread + step, 6)) <= _LARGEST_SPREAD:
                found = tried(replace(best, size_spread=spread), scale)
                if _score(found) >= _score(best):
                    break
                best = found
        for step in _SCALE_STEPS:
            while True:
                found = tried(replace(best, lengths=_triple(step * np.array(best.lengths))), scale * step)
                if _score(found) >= _score(best):
                    break
                best, scale = found, scale * step
    if not any(best.limits):
        return best
    tessellation = unit(best.size_spread, best.regular)
    sections = _cut(best, tessellation, wanted, spacing, int(rng.integers(2**32)), _FINAL_POINTS)[1]
    chance = _by_chance(sections, analyses, rng)
    return replace(best, distances=_distances(wanted, sections), by_chance=chance)


def draw_cells(
    cells: CellFit,
    maps: Mapping[int, OrientationMap | MapAnalysis],
    shape: Sequence[int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
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

    Returns
    -------
    ndarray, shape (nz, ny, nx), int64
        0 ... N - 1.
    """
    size, lengths = np.array(shape) * np.array(spacing), np.array(cells.lengths)
    extent = np.where(np.array(shape) == 1, _THICKNESS * lengths, size if periodic else size + lengths)
    wanted = _sections_of(analyse_all(maps)) if cells.limits else {}
    drawn: list[tuple[float, np.ndarray]] = []
    for _ in range(_DRAWS):
        tessellation = laguerre_tessellation(
            extent.tolist(), cells.lengths, cells.size_spread, rng, regular=cells.regular
        )
        labels = tessellation.cells(voxel_centres(shape, spacing))
        if not wanted:
            drawn.append((0.0, labels))
            break
        sections = {}
        for normal in wanted:
            planes = np.moveaxis(labels, normal, 0)
            chosen = np.unique(np.linspace(0, len(planes), min(len(planes), _MOST_PLANES), endpoint=False).astype(int))
            sections[normal] = _strewn(planes[chosen], cells.misindexed, normal, spacing, periodic, rng)
        found = replace(cells, distances=_distances(wanted, sections))
        drawn.append((_score(found), labels))
        if np.all(np.array(found.distances) <= found.limits):
            break
    labels = min(drawn, key=lambda one: one[0])[1]
    return np.unique(labels, return_inverse=True)[1].reshape(shape)


def _sections_of(analyses: Mapping[int, MapAnalysis]) -> dict[int, SectionMeasures]:
    return {normal: one.sections for normal, one in analyses.items()}


def _distances(wanted: Mapping[int, SectionMeasures], sections: Mapping[int, SectionMeasures]) -> tuple[float, ...]:
    """Return the distances of the worst map; infinite where they cannot be told."""
    found = np.max([distances(wanted[normal], sections[normal]) for normal in wanted], axis=0)
    return tuple(float(x) for x in np.nan_to_num(found, nan=np.inf))


def _score(cells: CellFit) -> float:
    """Tell how far cells are from the maps: much where one distance exceeds its limit, whatever the others.

    The fourth power makes the worst distance decide; with the square three good ones outweigh it.
    """
    return float(np.sum((np.array(cells.distances) / np.maximum(cells.limits, _SMALLEST_IN_SCORE)) ** 4))


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
    sections: Mapping[int, SectionMeasures], analyses: Mapping[int, MapAnalysis], rng: np.random.Generator
) -> tuple[float, ...]:
    """Return what maps of these sizes keep of the distances from sections of cells, if they are such sections.

    A map that reaches beyond the box of cells has distances in proportion to the inverse root of its area.
    """
    normals_of: dict[int, list[int]] = {}
    for normal, one in analyses.items():
        normals_of.setdefault(id(one), []).append(normal)
    found = []
    for _ in range(_SAMPLES):
        worst = np.zeros(len(DISTANCES))
        for normals in normals_of.values():
            planes, shape = sections[normals[0]], analyses[normals[0]].field.shape
            size = np.minimum(shape, planes.indexed.shape[1:])
            corner = [
                int(rng.integers(n - length + 1)) for n, length in zip(planes.indexed.shape[1:], size, strict=True)
            ]
            window = planes.window(corner, size.tolist(), int(rng.integers(len(planes.indexed))))
            apart = [distances(window, sections[normal]) for normal in normals]
            worst = np.maximum(worst, np.max(apart, axis=0) * np.sqrt(np.prod(size) / np.prod(shape)))
        if np.isfinite(worst).all():
            found.append(worst)
    if not found:
        return (np.inf,) * len(DISTANCES)
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


def _windows(analyses: Mapping[int, MapAnalysis], shape: Sequence[int]) -> list[tuple[MapAnalysis, tuple[int, ...]]]:
    """List the maps with the shape of the windows in them that stand for sections, each pair once."""
    found = {}
    for normal, one in sorted(analyses.items()):
        size = window_shape([shape[axis] for axis in in_plane(normal)], one.field.shape)
        found[id(one), size] = one, size
    return list(found.values())


def _limits(analysis: MapAnalysis, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return what 95 of 100 windows of a map keep of the distances; 0 where it has too few grains."""
    whole = analysis.sections
    if whole.number_of_grains < _FEWEST_GRAINS:
        return np.zeros(len(DISTANCES))
    found = []
    for _ in range(_WINDOWS):
        corner = [int(rng.integers(n - length + 1)) for n, length in zip(analysis.field.shape, size, strict=True)]
        apart = distances(whole, whole.window(corner, size))
        if np.isfinite(apart).all():
            found.append(apart)
    return np.quantile(found, QUANTILE, axis=0) if found else np.zeros(len(DISTANCES))
