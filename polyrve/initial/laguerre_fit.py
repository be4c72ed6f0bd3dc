"""Laguerre cells fitted to maps, so that their sections have the maps' grain sizes, aspect ratios and chords.

A section is compared with a section: cells are cut by planes at the voxels' size, points of noise are strewn in as the
map has them, and both sides are measured alike. A tessellation stands for the grains of the maps where its sections are
as like the maps as windows of the maps are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.laguerre import Tessellation, laguerre_tessellation, voxel_centres
from polyrve.microstructure.links import DEFAULT_THRESHOLD, bridge_holes, connect, neighbour_disorientation
from polyrve.microstructure.stereology import (
    QUANTILE,
    SHAPED,
    SPECK,
    GrainShapes,
    chords,
    grain_shapes,
    kolmogorov_smirnov,
    window_shape,
)

_FEWEST_GRAINS = 5
_CELLS_PER_SIDE = 9
_POINTS, _FEWEST_PLANES, _MOST_PLANES = 30_000, 2, 16
_WINDOWS = 30
_FIRST_SPREAD, _SPREAD_STEPS, _LARGEST_SPREAD = 0.3, (0.15, -0.15, 0.05, -0.05), 0.9
_SCALE_STEPS = 1.0 / 1.04, 1.04, 1.0 / 1.02, 1.02
_MARGIN, _SMALLEST_LIMIT, _LARGEST_DISTANCE = 1.5, 0.05, 0.2
_CHORD_PER_LENGTH = 0.62
_DRAWS, _THICKNESS = 3, 6.0


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
        and maps, and relative errors of the share of boundaries and of the number of grains per area, each for the
        worst map; and what 95 of 100 windows of the maps keep.
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
        return bool(self.distances) and all(
            found <= min(_MARGIN * max(limit, _SMALLEST_LIMIT), _LARGEST_DISTANCE) for found, limit in pairs
        )


@dataclass(frozen=True, eq=False)
class _Links:
    """A stack of sections as what lies between its points and the next along each axis, small holes bridged.

    Attributes
    ----------
    joined : mapping of int to ndarray, shape (m, rows, columns), bool
        Whether both lie in one grain.
    known : mapping of int to ndarray, shape (m, rows, columns), bool
        Whether that can be told.
    points : ndarray, shape (m, rows, columns), bool
        Indexed points.
    """

    joined: dict[int, np.ndarray]
    known: dict[int, np.ndarray]
    points: np.ndarray

    @classmethod
    def of(cls, field: OrientationMap) -> _Links:
        angles = {axis + 1: neighbour_disorientation(field, axis)[None] for axis in range(2)}
        steps = bridge_holes(angles, field.quaternions[None], field.phase_ids[None], field.phases, field.periodic)
        joined = {axis: values <= np.deg2rad(DEFAULT_THRESHOLD) for axis, values in steps.items()}
        return cls(joined, {axis: ~np.isnan(values) for axis, values in steps.items()}, field.indexed[None])

    def window(self, part: tuple[slice, ...]) -> _Links:
        """A part of it, whose last rows and columns have no next."""
        cut = []
        for links in (self.joined, self.known):
            cut.append({axis: values[part].copy() for axis, values in links.items()})
            cut[-1][1][:, -1] = cut[-1][2][:, :, -1] = False
        return _Links(cut[0], cut[1], self.points[part])


@dataclass(frozen=True, eq=False)
class _Sections:
    """What is measured on a stack of sections."""

    grains: GrainShapes
    points: int
    area: float
    chords: list[tuple[np.ndarray, np.ndarray]]
    boundaries: np.ndarray

    @classmethod
    def of(cls, links: _Links, spacing: Sequence[float], periodic: bool) -> _Sections:
        shapes = grain_shapes(connect(links.joined, links.points), spacing, periodic)
        joined, known = links.joined, links.known
        shares = [(known[axis] & ~joined[axis]).sum() / max(known[axis].sum(), 1) for axis in joined]
        points, area = int(links.points.sum()), float(np.prod(spacing))
        return cls(shapes, points, area, chords(joined, known, spacing, periodic), np.array(shares))

    @property
    def specks(self) -> float:
        """Share of the points in grains of one or two."""
        points = self.grains.points
        return float(points[points <= SPECK].sum() / max(points.sum(), 1))

    @property
    def number(self) -> int:
        """Number of grains that the border does not cut, specks left out."""
        return int(((self.grains.weight > 0) & (self.grains.points > SPECK)).sum())

    @property
    def per_area(self) -> float:
        """Grains, specks left out, per point."""
        return float(self.grains.weight[self.grains.points > SPECK].sum() / max(self.points, 1))

    def mean_chords(self) -> list[float]:
        """Mean length of the chords along each axis, um; NaN where there is none."""
        return [float(np.average(length, weights=weight)) if len(length) else np.nan for length, weight in self.chords]

    def distances(self, other: _Sections) -> np.ndarray:
        """As :attr:`CellFit.distances`, chords and boundaries in the worse direction."""
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
                abs(other.per_area / max(self.per_area, 1e-9) - 1.0),
            ]
        )


def cells_of_chords(maps: Mapping[int, OrientationMap], shape: Sequence[int], spacing: Sequence[float]) -> CellFit:
    """Regular cells of moderate spread whose chords are about the maps', not compared with them.

    Parameters
    ----------
    maps, shape, spacing
        As for :func:`fit_cells`.

    Returns
    -------
    CellFit
        Without distances and limits.
    """
    chord = _mean_chords(_measured(maps), float(np.max(np.array(shape) * np.array(spacing))))
    return CellFit(_triple(chord / _CHORD_PER_LENGTH), _FIRST_SPREAD, True, 0.0, (), ())


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
    wanted = _measured(maps)
    limits = np.min([_limits(field, size, rng) for field, size in _windows(maps, shape)], axis=0)
    chord = _mean_chords(wanted, float(np.max(np.array(shape) * np.array(spacing))))
    specks = float(np.mean([sections.specks for sections in wanted.values()]))
    seed = int(rng.integers(2**32))

    @cache
    def unit(size_spread: float, regular: bool) -> Tessellation:
        """Cells of length 1 in a box of :data:`_CELLS_PER_SIDE`."""
        rng = np.random.default_rng(seed)
        return laguerre_tessellation((_CELLS_PER_SIDE,) * 3, (1.0, 1.0, 1.0), size_spread, rng, regular=regular)

    def tried(cells: CellFit, scale: float) -> CellFit:
        """Cells whose chords are the maps' times a scale, with the distances of their sections."""
        for _ in range(2):
            lengths, sections = _cut(cells, unit(cells.size_spread, cells.regular), wanted, spacing, seed)
            ratio = scale * chord / _mean_chords(sections, np.inf)
            cells = replace(cells, lengths=_triple(lengths * ratio))
            if np.all(np.abs(ratio - 1.0) < 0.02):
                break
        return replace(cells, distances=_distances(wanted, sections))

    first = CellFit(_triple(chord / _CHORD_PER_LENGTH), _FIRST_SPREAD, True, 0.0, (), tuple(limits.tolist()))
    sections = _cut(first, unit(first.size_spread, first.regular), wanted, spacing, seed)[1]
    slivers = float(np.mean([one.specks for one in sections.values()]))
    best, scale = tried(replace(first, noise=max(0.0, specks - slivers)), 1.0), 1.0
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
    return best


def draw_cells(
    cells: CellFit,
    maps: Mapping[int, OrientationMap],
    shape: Sequence[int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """Cell of each voxel of a volume, whose own sections are as like the maps as windows of the maps are.

    Up to some tessellations are drawn until one is; otherwise the best of them is taken.

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
    wanted = _measured(maps) if cells.limits else {}
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
            sections[normal] = _strewn(planes[chosen], cells.noise, normal, spacing, periodic, rng)
        found = replace(cells, distances=_distances(wanted, sections))
        drawn.append((_score(found), labels))
        if np.all(np.array(found.distances) <= found.limits):
            break
    labels = min(drawn, key=lambda one: one[0])[1]
    return np.unique(labels, return_inverse=True)[1].reshape(shape)


def _measured(maps: Mapping[int, OrientationMap]) -> dict[int, _Sections]:
    fields = {id(field): field for field in maps.values()}
    measured = {key: _Sections.of(_Links.of(field), field.spacing, field.periodic) for key, field in fields.items()}
    return {normal: measured[id(field)] for normal, field in maps.items()}


def _distances(wanted: Mapping[int, _Sections], sections: Mapping[int, _Sections]) -> tuple[float, ...]:
    found = np.max([wanted[normal].distances(sections[normal]) for normal in wanted], axis=0)
    return tuple(float(x) for x in np.nan_to_num(found, nan=np.inf))


def _score(cells: CellFit) -> float:
    """High where one distance exceeds its limit, whatever the others."""
    return float(np.sum((np.array(cells.distances) / np.maximum(cells.limits, 1e-3)) ** 4))


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    z, y, x = values.tolist()
    return (z, y, x)


def _mean_chords(sections: Mapping[int, _Sections], longest: float) -> np.ndarray:
    """Mean chord along each axis of a volume, um, over the sections that show it."""
    found: list[list[float]] = [[], [], []]
    for normal, one in sections.items():
        for axis, length in zip(in_plane(normal), one.mean_chords(), strict=True):
            if np.isfinite(length):
                found[axis].append(min(length, longest))
    known = [length for lengths in found for length in lengths] or [longest]
    return np.array([np.mean(lengths or known) for lengths in found])


def _cut(
    cells: CellFit, unit: Tessellation, normals: Iterable[int], spacing: Sequence[float], seed: int
) -> tuple[np.ndarray, dict[int, _Sections]]:
    """Lengths, rounded so that whole voxels fill the box, and sections as a map would show them, noise included."""
    rng = np.random.default_rng(seed)
    step = np.array(spacing)
    size = np.maximum(np.round(_CELLS_PER_SIDE * np.array(cells.lengths) / step), 2 * _CELLS_PER_SIDE).astype(int)
    tessellation = replace(unit, stretch=size * step / _CELLS_PER_SIDE)
    sections = {}
    for normal in normals:
        coordinates = voxel_centres(size, spacing)
        area = int(np.prod(size)) // int(size[normal])
        planes = int(np.clip(_POINTS // area, _FEWEST_PLANES, _MOST_PLANES))
        coordinates[normal] = (np.arange(planes) + 0.5) * size[normal] * step[normal] / planes
        ids = np.moveaxis(tessellation.cells(coordinates), normal, 0)
        sections[normal] = _strewn(ids, cells.noise, normal, spacing, True, rng)
    return size * step / _CELLS_PER_SIDE, sections


def _strewn(
    ids: np.ndarray, noise: float, normal: int, spacing: Sequence[float], periodic: bool, rng: np.random.Generator
) -> _Sections:
    """Planes of cells with points of noise, measured."""
    ids = ids.copy()
    strewn = rng.random(ids.shape) < noise
    ids[strewn] = ids.max() + 1 + np.arange(strewn.sum())
    joined = {axis: ids == np.roll(ids, -1, axis=axis) for axis in (1, 2)}
    known = {axis: np.ones(ids.shape, dtype=bool) for axis in (1, 2)}
    if not periodic:
        for links in (joined, known):
            links[1][:, -1] = links[2][:, :, -1] = False
    plane = [spacing[axis] for axis in in_plane(normal)]
    return _Sections.of(_Links(joined, known, np.ones(ids.shape, dtype=bool)), plane, periodic)


def _windows(maps: Mapping[int, OrientationMap], shape: Sequence[int]) -> list[tuple[OrientationMap, tuple[int, ...]]]:
    """Maps and the size of the windows in them that are as large as sections, each pair once."""
    found = {}
    for normal, field in sorted(maps.items()):
        size = window_shape([shape[axis] for axis in in_plane(normal)], field.shape)
        found[id(field), size] = field, size
    return list(found.values())


def _limits(field: OrientationMap, size: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """What 95 of 100 windows of a map keep of the distances; 0 where it has too few grains."""
    links = _Links.of(field)
    whole = _Sections.of(links, field.spacing, field.periodic)
    if whole.number < _FEWEST_GRAINS:
        return np.zeros(6)
    found = []
    for _ in range(_WINDOWS):
        corner = [int(rng.integers(n - length + 1)) for n, length in zip(field.shape, size, strict=True)]
        part = (slice(None), *(slice(start, start + length) for start, length in zip(corner, size, strict=True)))
        window = _Sections.of(links.window(part), field.spacing, False)
        distances = whole.distances(window)
        if np.isfinite(distances).all():
            found.append(distances)
    return np.quantile(found, QUANTILE, axis=0) if found else np.zeros(6)
