"""Laguerre cells fitted to maps, so that their sections have the maps' grain sizes, aspect ratios and chords.

A section is compared with a section: cells are cut by planes at the voxels' size, points of noise are strewn in as the
map has them, and both sides are measured alike. A tessellation stands for the grains of the maps where its sections are
as like the maps as windows of the maps are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyrve.grains import DEFAULT_THRESHOLD, connect, neighbour_disorientation
from polyrve.orientation import OrientationMap
from polyrve.shapes import SHAPED, SPECK, GrainShapes, chords, grain_shapes, kolmogorov_smirnov
from polyrve.tessellation import laguerre, voxel_centres

_FEWEST_GRAINS = 5
_CELLS_PER_SIDE = 7
_POINTS, _FEWEST_PLANES, _MOST_PLANES = 16_000, 4, 16
_WINDOWS, _QUANTILE, _LARGEST_WINDOW = 30, 0.95, 0.7
_FIRST_SPREAD, _SPREAD_STEP, _LARGEST_SPREAD = 0.3, 0.15, 0.9
_SCALE_STEP = 1.04
_MARGIN, _SMALLEST_LIMIT, _LARGEST_DISTANCE = 1.5, 0.05, 0.2
_CHORD_PER_LENGTH = 0.62


@dataclass(frozen=True)
class CellFit:
    """Cells whose sections are like maps.

    Attributes
    ----------
    lengths : tuple of float, um
        Of the cells along z, y, x.
    size_spread : float
        Of the logarithm of the radii that weigh the cells.
    regular : bool
        Whether the centres keep away from each other.
    noise : float
        Share of single points that differ from their surroundings.
    distances, limits : tuple of float
        Kolmogorov-Smirnov distances of grain size by number and by area, aspect ratio and chord length between sections
        and maps, and the relative error of the share of boundaries; and what 95 of 100 windows of the maps keep.
    """

    lengths: tuple[float, float, float]
    size_spread: float
    regular: bool
    noise: float
    distances: tuple[float, ...]
    limits: tuple[float, ...]

    @property
    def alike(self) -> bool:
        """Whether sections of the cells are about as like the maps as windows of them are, and not far away."""
        pairs = zip(self.distances, self.limits, strict=True)
        return all(found <= min(_MARGIN * max(limit, _SMALLEST_LIMIT), _LARGEST_DISTANCE) for found, limit in pairs)


@dataclass(frozen=True, eq=False)
class _Sections:
    """What is measured on a stack of sections."""

    grains: GrainShapes
    area: float
    chords: list[tuple[np.ndarray, np.ndarray]]
    boundaries: np.ndarray

    @classmethod
    def of(
        cls,
        joined: Mapping[int, np.ndarray],
        known: Mapping[int, np.ndarray],
        points: np.ndarray,
        spacing: Sequence[float],
        periodic: bool,
    ) -> _Sections:
        shapes = grain_shapes(connect(joined, points), spacing, periodic)
        shares = [(known[axis] & ~joined[axis]).sum() / max(known[axis].sum(), 1) for axis in joined]
        return cls(shapes, float(np.prod(spacing)), chords(joined, known, spacing, periodic), np.array(shares))

    @property
    def specks(self) -> float:
        """Share of the points in grains of one or two."""
        points = self.grains.points
        return float(points[points <= SPECK].sum() / max(points.sum(), 1))

    @property
    def number(self) -> int:
        """Number of grains that the border does not cut, specks left out."""
        return int(((self.grains.weight > 0) & (self.grains.points > SPECK)).sum())

    def mean_chords(self) -> list[float]:
        """Mean length of the chords along each axis, um; NaN where there is none."""
        return [float(np.average(length, weights=weight)) if len(length) else np.nan for length, weight in self.chords]

    def distances(self, other: _Sections) -> np.ndarray:
        """Size by number and by area, aspect ratio, chords and share of boundaries in the worse direction."""
        sides = []
        for one in (self, other):
            grain, shaped = one.grains.points > SPECK, one.grains.points >= SHAPED
            size, weight = one.grains.points * one.area, one.grains.weight
            sides.append(
                (size[grain], weight[grain], (weight * size)[grain], one.grains.aspect_ratio[shaped], weight[shaped])
            )
        a, b = sides
        pairs = zip(self.chords, other.chords, strict=True)
        return np.array(
            [
                kolmogorov_smirnov(a[0], b[0], a[1], b[1]),
                kolmogorov_smirnov(a[0], b[0], a[2], b[2]),
                kolmogorov_smirnov(a[3], b[3], a[4], b[4]),
                max(kolmogorov_smirnov(mine[0], its[0], mine[1], its[1]) for mine, its in pairs),
                np.max(np.abs(other.boundaries / np.maximum(self.boundaries, 1e-9) - 1.0)),
            ]
        )


def fit_cells(
    maps: Mapping[int, OrientationMap], shape: Sequence[int], spacing: Sequence[float], rng: np.random.Generator
) -> CellFit:
    """Fit lengths, spread of sizes and regularity of Laguerre cells to maps.

    Mean chords give the lengths: cells are stretched until theirs are the maps' times a scale. The spread of the sizes
    and the scale, near 1, are searched for in steps, regular centres before independent ones.

    Parameters
    ----------
    maps : mapping of int to OrientationMap
        By the array axis that they are normal to; pixels of the voxels' size.
    shape : sequence of int
        (nz, ny, nx) of the volume, for the size of the windows.
    spacing : sequence of float, um
        (dz, dy, dx).
    rng : numpy.random.Generator

    Returns
    -------
    CellFit
    """
    fields = {id(field): field for field in maps.values()}
    measured = {key: _Sections.of(*_links(field), field.spacing, field.periodic) for key, field in fields.items()}
    wanted = {normal: measured[id(field)] for normal, field in maps.items()}
    limits = np.min([_limits(maps[normal], normal, shape, rng) for normal in sorted(maps)], axis=0)
    chord = _mean_chords(wanted, float(np.max(np.array(shape) * np.array(spacing))))
    specks = float(np.mean([sections.specks for sections in wanted.values()]))
    seed = int(rng.integers(2**32))

    def tried(cells: CellFit, scale: float) -> CellFit:
        """Cells whose chords are the maps' times a scale, with the distances of their sections."""
        for _ in range(2):
            sections = _cut(cells, wanted, spacing, seed)
            ratio = scale * chord / _mean_chords(sections, np.inf)
            cells = replace(cells, lengths=_triple(np.array(cells.lengths) * ratio))
            if np.all(np.abs(ratio - 1.0) < 0.02):
                break
        found = np.mean([wanted[normal].distances(sections[normal]) for normal in wanted], axis=0)
        return replace(cells, distances=tuple(float(x) for x in np.nan_to_num(found, nan=np.inf)))

    def score(cells: CellFit) -> float:
        return float(np.sum(np.array(cells.distances) / np.maximum(cells.limits, 1e-3)))

    first = CellFit(_triple(chord / _CHORD_PER_LENGTH), _FIRST_SPREAD, True, 0.0, (), tuple(limits.tolist()))
    slivers = float(np.mean([sections.specks for sections in _cut(first, wanted, spacing, seed).values()]))
    best, scale = tried(replace(first, noise=max(0.0, specks - slivers)), 1.0), 1.0
    for regular in (True, False):
        found = best if regular else tried(replace(best, regular=False), scale)
        if score(found) > score(best):
            continue
        best = found
        for step in (_SPREAD_STEP, -_SPREAD_STEP):
            while 0.0 <= (spread := round(best.size_spread + step, 6)) <= _LARGEST_SPREAD:
                found = tried(replace(best, size_spread=spread), scale)
                if score(found) >= score(best):
                    break
                best = found
        for step in (1.0 / _SCALE_STEP, _SCALE_STEP):
            while True:
                found = tried(best, scale * step)
                if score(found) >= score(best):
                    break
                best, scale = found, scale * step
    return best


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    z, y, x = values.tolist()
    return (z, y, x)


def _links(field: OrientationMap) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray], np.ndarray]:
    """Which points of a map are joined to the next along each axis, which of the pairs and which points are indexed."""
    angles = {axis + 1: neighbour_disorientation(field, axis)[None] for axis in range(2)}
    joined = {axis: values <= np.deg2rad(DEFAULT_THRESHOLD) for axis, values in angles.items()}
    known = {axis: ~np.isnan(values) for axis, values in angles.items()}
    return joined, known, field.indexed[None]


def _mean_chords(sections: Mapping[int, _Sections], longest: float) -> np.ndarray:
    """Mean chord along each axis of a volume, um, over the sections that show it."""
    found: list[list[float]] = [[], [], []]
    for normal, one in sections.items():
        for axis, length in zip((i for i in range(3) if i != normal), one.mean_chords(), strict=True):
            if np.isfinite(length):
                found[axis].append(min(length, longest))
    known = [length for lengths in found for length in lengths] or [longest]
    return np.array([np.mean(lengths or known) for lengths in found])


def _cut(cells: CellFit, normals: Iterable[int], spacing: Sequence[float], seed: int) -> dict[int, _Sections]:
    """Sections of cells as a map would show them, with their noise."""
    rng = np.random.default_rng(seed)
    step = np.array(spacing)
    size = np.maximum(np.ceil(_CELLS_PER_SIDE * np.array(cells.lengths) / step), 2 * _CELLS_PER_SIDE).astype(int)
    tessellation = laguerre(size * step, cells.lengths, cells.size_spread, rng, regular=cells.regular)
    sections = {}
    for normal in normals:
        coordinates = voxel_centres(size, spacing)
        area = int(np.prod(size)) // int(size[normal])
        planes = int(np.clip(_POINTS // area, _FEWEST_PLANES, _MOST_PLANES))
        coordinates[normal] = (np.arange(planes) + 0.5) * size[normal] * step[normal] / planes
        ids = np.moveaxis(tessellation.cells(coordinates), normal, 0).copy()
        strewn = rng.random(ids.shape) < cells.noise
        ids[strewn] = ids.max() + 1 + np.arange(strewn.sum())
        sections[normal] = _of_labels(ids, normal, spacing)
    return sections


def _of_labels(ids: np.ndarray, normal: int, spacing: Sequence[float]) -> _Sections:
    joined = {axis: ids == np.roll(ids, -1, axis=axis) for axis in (1, 2)}
    known = {axis: np.ones(ids.shape, dtype=bool) for axis in (1, 2)}
    plane = [spacing[axis] for axis in range(3) if axis != normal]
    return _Sections.of(joined, known, np.ones(ids.shape, dtype=bool), plane, True)


def _limits(field: OrientationMap, normal: int, shape: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """What 95 of 100 windows of a map, of a section's size, keep of the distances; 0 where it has too few grains."""
    joined, known, points = _links(field)
    whole = _Sections.of(joined, known, points, field.spacing, field.periodic)
    if whole.number < _FEWEST_GRAINS:
        return np.zeros(5)
    size = [
        min(shape[axis], max(4, int(_LARGEST_WINDOW * n)))
        for axis, n in zip((i for i in range(3) if i != normal), field.shape, strict=True)
    ]
    found = []
    for _ in range(_WINDOWS):
        corner = [int(rng.integers(n - length + 1)) for n, length in zip(field.shape, size, strict=True)]
        part = (slice(None), *(slice(start, start + length) for start, length in zip(corner, size, strict=True)))
        linked, paired = ({axis: values[part].copy() for axis, values in links.items()} for links in (joined, known))
        for links in (linked, paired):
            links[1][:, -1] = links[2][:, :, -1] = False
        window = _Sections.of(linked, paired, points[part], field.spacing, False)
        distances = whole.distances(window)
        if np.isfinite(distances).all():
            found.append(distances)
    return np.quantile(found, _QUANTILE, axis=0) if found else np.zeros(5)
