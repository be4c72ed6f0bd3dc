"""Texture synthesis, as of pictures: a volume put together from pixels of maps, so that its sections look like them.

From coarse to fine two steps alternate. The *search* finds, for each voxel and each section through it, the
neighbourhood of the map that is most like the voxel's own. The *update* lets all neighbourhoods that overlap a voxel
propose the pixel that they would put there, and takes the proposal that agrees best with the others. At the end
:mod:`polyrve.initial.pixel_swap` swaps single pixels until the pair statistics are those of the map. Orientations are
never averaged: grains stay as sharp, and the scatter within them as wide, as they were measured. Orientations that the
volume has too much of, and neighbourhoods that were used too often, are held back.

References
----------
J. Kopf et al., ACM Transactions on Graphics 26 (2007) 2, doi:10.1145/1275808.1276380: search and update on the sections
of a volume. J. Chen, B. Wang, The Visual Computer 26 (2010) 253: pixels in place of colours, balance of their use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter

from polyrve.initial.exemplar import (
    FEWEST,
    NEIGHBOURHOOD,
    Exemplar,
    Plane,
    exemplar,
    scaled_channels,
    usable_neighbourhoods,
)
from polyrve.initial.laguerre_fit import cells_of_chords
from polyrve.initial.pixel_swap import swap_pixels
from polyrve.initial.polycrystal import polycrystal
from polyrve.microstructure.axes import extended, in_plane, planar
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.map_placement import at_voxel_size
from polyrve.microstructure.montage import montage
from polyrve.microstructure.placed import Given, once, placed
from polyrve.steps import announced

_SMALLEST_GRID = 16
"""Voxels along a side of the coarsest grid, at least: three neighbourhoods, so that they can disagree."""

_SWEEPS_COARSE, _SWEEPS_FINE = 10, 4
"""Sweeps of search and update on a coarse grid, where grains find their places, and on the finest, where boundaries do.

Time grows with them; the finest grid takes most of it.
"""

_SEARCHED = 6000
"""Neighbourhoods of the map, drawn anew for each block of voxels, that a voxel's own is compared with.

A larger number takes longer in proportion; neighbourhoods next to the neighbours' are always compared as well.
"""

_SEARCH_BLOCK, _COMPARED_AT_ONCE, _UPDATE_BLOCK = 4096, 256, 2048
"""Voxels that are searched for, compared and updated at once; they decide about time and memory, and between blocks the
balance of what was used is drawn.
"""

_NEAREST_BYTES = 2**23
"""Memory of the distances from voxels to all pixels that are formed at once."""

_ALIKE = np.deg2rad(5.2)
"""Distance of channels below which two pixels lie in one grain: a disorientation of 5 degrees in every Laue group."""

_SAME = np.deg2rad(2.9)
"""Distance of channels below which proposals agree as well as they can.

Chosen: about what points of one grain scatter by. Halved or doubled, it or the next leave 24 to 26 of 28 metrics of a
section of Small IN100, 40 x 40 points, within their limits, and 25.5 as they are (means of two seeds).
"""

_OTHER = np.deg2rad(7.4)
"""Distance of channels above which proposals disagree as much as they can, in the last sweep: two grains."""

_OTHER_AT_FIRST = np.deg2rad(21.0)
"""The same in the first sweep, where proposals that are not far off still draw a voxel their way."""

_BALANCE = 0.5
"""Weight of what the volume has too much of, in units of the largest disagreement."""

_VOTERS = 2.0
"""Distance in pixels within which neighbourhoods propose a voxel's pixel: 13 of 25 in each section."""

_MARGIN = 4
"""Voxels by which a volume that does not repeat is cut out of one that does: beyond the neighbourhoods' width."""


_BETWEEN_MAPS = 4 * NEIGHBOURHOOD
"""Pixels between maps of one normal, so that on coarse grids, too, no neighbourhood lies in two of them."""


def _as_one(maps: Given[OrientationMap]) -> dict[int, OrientationMap]:
    """Put the maps of each normal into one exemplar."""
    lists = placed(maps)
    whole = {id(some): montage(some, _BETWEEN_MAPS) for some in lists.values()}
    return {normal: whole[id(some)] for normal, some in lists.items()}


def possible(maps: Given[OrientationMap], shape: Sequence[int]) -> bool:
    """Tell whether maps are large enough and show every axis of a volume.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.
    shape : sequence of int
        (nz, ny, nx).

    Returns
    -------
    bool
    """
    shown = {axis for normal in maps for axis in in_plane(normal)}
    return set(extended(shape)) <= shown and all(
        usable_neighbourhoods(field) >= FEWEST for field in _as_one(maps).values()
    )


def synthesize(
    maps: Given[OrientationMap | MapAnalysis],
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    periodic: bool,
    rng: np.random.Generator,
    between: Callable[[], object] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Put a volume together from measured pixels, so that its sections look like some maps.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to; pixels of the voxels' size, in one sample frame.
    shape : tuple of int
        (nz, ny, nx); nz = 1 for a planar one.
    spacing : sequence of float, um
        (dz, dy, dx).
    periodic : bool
        Whether the volume repeats; if not, a part of a larger one that does is returned.
    rng : numpy.random.Generator
    between : callable, optional
        Called before each sweep and each batch of swaps; what it raises ends the texture synthesis.

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32

    Raises
    ------
    ValueError
        If a map has hardly a usable neighbourhood, or an axis of the volume is shown by no map.
    """
    analyses = analyse_all({axis: one for axis, one in maps.items() if axis in planar(shape)})
    fields = _as_one(once(lambda one: one.field, analyses))
    shown = {axis for normal in fields for axis in in_plane(normal)}
    hidden = [axis for axis in extended(shape) if axis not in shown]
    if hidden:
        names = ", ".join("zyx"[axis] for axis in hidden)
        raise ValueError(f"maps: expected one that shows each axis of a volume of {tuple(shape)}; got none for {names}")
    full = _triple(n if n == 1 or periodic else n + _MARGIN for n in shape)
    coarsest, *finer = [(factor, _triple(-(-n // factor) for n in full)) for factor in _factors(fields, full)]
    factor, grid = coarsest
    source = exemplar(_coarse(fields, spacing, factor), rng)
    step = tuple(length * n / m for length, n, m in zip(spacing, full, grid, strict=True))
    cells = cells_of_chords(analyses, grid, step)
    pixels = _nearest(source, *polycrystal(analyses, grid, step, True, rng, cells))
    _grow(source, pixels, grid, not finer, rng, between)
    for factor, fine_grid in finer:
        fine = exemplar(_coarse(fields, spacing, factor), rng)
        pixels = _refined(pixels, source, grid, fine, fine_grid, rng)
        source, grid = fine, fine_grid
        _grow(source, pixels, grid, factor == 1, rng, between)
    swap_pixels(source, pixels, full, rng, between)
    kept = tuple(slice(n) for n in shape)
    return (
        source.quaternions[pixels].reshape(*full, 4)[kept].copy(),
        source.phase_ids[pixels].reshape(full)[kept].astype(np.int32),
    )


def sharpen(
    maps: Given[OrientationMap],
    quaternions: np.ndarray,
    phase_ids: np.ndarray,
    rng: np.random.Generator,
    between: Callable[[], object] = lambda: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a periodic volume back to measured pixels.

    Each voxel takes the pixel with the nearest orientation, and :func:`polyrve.initial.pixel_swap.swap_pixels` restores
    the scatter within grains and sharp boundaries.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to; pixels of the voxels' size, in one sample frame.
    quaternions : ndarray, shape (nz, ny, nx, 4)
    phase_ids : ndarray, shape (nz, ny, nx), int
    rng : numpy.random.Generator
    between : callable, optional
        Called before each batch of swaps; what it raises ends them.

    Returns
    -------
    quaternions : ndarray, shape (nz, ny, nx, 4)
    phase_ids : ndarray, shape (nz, ny, nx), int32

    Raises
    ------
    ValueError
        If a map has hardly a usable neighbourhood.
    """
    shape = _triple(phase_ids.shape)
    source = exemplar(_as_one(maps), rng)
    pixels = _nearest(source, quaternions, phase_ids)
    swap_pixels(source, pixels, shape, rng, between)
    return source.quaternions[pixels].reshape(*shape, 4), source.phase_ids[pixels].reshape(shape).astype(np.int32)


def _triple(values: Iterable[int]) -> tuple[int, int, int]:
    nz, ny, nx = values
    return (nz, ny, nx)


def _grow(
    source: Exemplar,
    pixels: np.ndarray,
    grid: tuple[int, int, int],
    finest: bool,
    rng: np.random.Generator,
    between: Callable[[], object],
) -> None:
    """Sweeps of search and update on one grid; in place."""
    sweeps = _SWEEPS_FINE if finest else _SWEEPS_COARSE
    for sweep in announced(range(sweeps), f"texture synthesis, grid of {' x '.join(map(str, grid))}"):
        between()
        last = sweep == sweeps - 1
        progress = 1.0 if last else min(1.0, sweep / max(1, sweeps - 2))
        other = _OTHER_AT_FIRST * (_OTHER / _OTHER_AT_FIRST) ** progress
        matches = {axis: _search(source, axis, pixels, grid, rng) for axis in sorted(source.planes)}
        _update(source, matches, pixels, grid, other, last and finest and len(matches) > 1, rng)


def _factors(maps: Mapping[int, OrientationMap], shape: Sequence[int]) -> list[int]:
    """Return the ratios of coarse voxels to fine ones, the coarsest first."""
    room = min(n for n in shape if n > 1) // _SMALLEST_GRID
    room = min(room, *(min(field.shape) // (2 * NEIGHBOURHOOD) for field in maps.values()))
    factors = [1]
    while 2 * factors[0] <= room:
        factors.insert(0, 2 * factors[0])
    return factors


def _coarse(maps: Mapping[int, OrientationMap], spacing: Sequence[float], factor: int) -> dict[int, OrientationMap]:
    if factor == 1:
        return dict(maps)
    resampled = at_voxel_size(maps, [factor * step for step in spacing])
    coarse = {axis: field for axis, (field,) in resampled.items()}
    usable = all(usable_neighbourhoods(field) >= FEWEST for field in coarse.values())
    return coarse if usable else dict(maps)


def _nearest(source: Exemplar, quaternions: np.ndarray, phase_ids: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(source.indexed)
    known_channels = source.channels[known]
    square = (known_channels**2).sum(axis=1) / 2
    wanted = scaled_channels(quaternions.reshape(-1, 4), phase_ids.ravel(), source.phases)
    different, where = np.unique(wanted.round(2), axis=0, return_inverse=True)
    number = min(len(different), -(-len(different) * square.nbytes // _NEAREST_BYTES))
    blocks = np.array_split(different, number)
    found = np.concatenate([known[np.argmin(square - block @ known_channels.T, axis=1)] for block in blocks])
    return found[where.ravel()]


def _refined(
    pixels: np.ndarray,
    coarse: Exemplar,
    coarse_grid: Sequence[int],
    fine: Exemplar,
    grid: Sequence[int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Return the pixels of a finer exemplar at the same places, each coarse voxel divided as its coarse pixel is.

    A smooth random shift of half a coarse voxel frees the boundaries from the faces of the coarse voxels.
    """
    index = np.indices(grid).reshape(3, -1)
    ratio = np.array([2 if n > m else 1 for n, m in zip(grid, coarse_grid, strict=True)])[:, None]
    place = (index + (ratio - 1) * _shifts(grid, rng)) // ratio
    parent = pixels[np.ravel_multi_index(tuple(place % np.array(coarse_grid)[:, None]), tuple(coarse_grid))]
    child = index - ratio * place
    refined = np.full(len(parent), -1)
    for normal in sorted(coarse.planes):
        old, new = coarse.planes[normal], fine.planes[normal]
        inside = (refined < 0) & (parent >= old.first) & (parent < old.first + old.shape[0] * old.shape[1])
        rows, columns = np.divmod(parent[inside] - old.first, old.shape[1])
        axis, other = in_plane(normal)
        factor = 1 if old.shape == new.shape else 2
        rows = np.clip(factor * rows + child[axis][inside], 0, new.shape[0] - 1)
        columns = np.clip(factor * columns + child[other][inside], 0, new.shape[1] - 1)
        refined[inside] = new.first + rows * new.shape[1] + columns
    lost = ~fine.indexed[refined]
    refined[lost] = rng.choice(np.flatnonzero(fine.indexed), int(lost.sum()))
    return refined


def _shifts(grid: Sequence[int], rng: np.random.Generator) -> np.ndarray:
    """Draw smooth fields of -1, 0 and 1 (one half of the voxels 0), one per axis, shape (3, number of voxels)."""
    noise = [gaussian_filter(rng.standard_normal(tuple(grid)), 2.0, mode="wrap").ravel() for _ in range(3)]
    return np.stack([np.searchsorted(np.quantile(values, (0.25, 0.75)), values) - 1 for values in noise])


def _around(voxels: np.ndarray, grid: Sequence[int], normal: int, offsets: np.ndarray) -> np.ndarray:
    """Return the voxels at offsets in the section normal to an axis, across the faces, shape (B, K)."""
    place = np.unravel_index(voxels, tuple(grid))
    axis, other = in_plane(normal)
    index = [coordinate[:, None] for coordinate in place]
    index[axis] = (index[axis] + offsets[:, 0]) % grid[axis]
    index[other] = (index[other] + offsets[:, 1]) % grid[other]
    return np.ravel_multi_index(np.broadcast_arrays(*index), tuple(grid))


def _search(
    source: Exemplar, normal: int, pixels: np.ndarray, grid: Sequence[int], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Find the centre of the best neighbourhood of each voxel, and its distance."""
    plane = source.planes[normal]
    match, distance = np.empty(len(pixels), dtype=np.int64), np.empty(len(pixels), dtype=np.float32)
    used = np.zeros(plane.shape)
    surplus = np.zeros(len(plane.centres))
    square = np.einsum("mr,mr->m", plane.reduced, plane.reduced) / 2
    scale = done = 0.0
    for block in np.array_split(rng.permutation(len(pixels)), max(4, len(pixels) // _SEARCH_BLOCK)):
        if done:
            smooth = uniform_filter(used, NEIGHBOURHOOD).ravel()[plane.centres - plane.first]
            surplus = np.clip(smooth * len(plane.centres) / done / plane.due - 1.0, -1.0, 2.0)
        penalty = (square + _BALANCE * scale * surplus).astype(np.float32)
        around = _around(block, grid, normal, plane.offsets)
        wanted = source.channels[pixels[around]].reshape(len(block), -1) @ plane.basis
        rows = np.arange(len(plane.centres))
        if len(rows) > _SEARCHED:
            rows = rng.choice(rows, _SEARCHED, replace=False)
        best = rows[_most_alike(wanted, plane.reduced[rows], penalty[rows])]
        best = _coherent(plane, pixels[around], wanted, penalty, best)
        match[block] = plane.centres[best]
        distance[block] = np.sqrt(np.maximum(((wanted - plane.reduced[best]) ** 2).sum(axis=1), 0.0))
        scale = float((distance[block] ** 2).mean()) / 2
        np.add.at(used.reshape(-1), match[block] - plane.first, 1.0)
        done += len(block)
    return match, distance


def _most_alike(wanted: np.ndarray, neighbourhoods: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Find the neighbourhood, (M, R), with the largest product less penalty, (M,), for each one wanted, (B, R)."""
    with_penalty = np.concatenate([neighbourhoods, -penalty[:, None]], axis=1).T.copy()
    with_one = np.concatenate([wanted, np.ones_like(wanted[:, :1])], axis=1)
    parts = np.array_split(with_one, -(-len(wanted) // _COMPARED_AT_ONCE))
    return np.concatenate([np.argmax(part @ with_penalty, axis=1) for part in parts])


def _coherent(
    plane: Plane, pixels: np.ndarray, wanted: np.ndarray, penalty: np.ndarray, best: np.ndarray
) -> np.ndarray:
    """Return the best neighbourhood so far, or a better one that continues what a neighbour holds."""
    near = np.flatnonzero((plane.offsets**2).sum(axis=1) <= 2)
    continued = np.clip(pixels[:, near] - plane.steps[near], 0, len(plane.row_of) - 1)
    rows = np.concatenate([best[:, None], plane.row_of[continued]], axis=1)
    cost = penalty[rows] - np.einsum("bkr,br->bk", plane.reduced[rows], wanted)
    cost[rows < 0] = np.inf
    return rows[np.arange(len(rows)), np.argmin(cost, axis=1)]


def _update(
    source: Exemplar,
    matches: Mapping[int, tuple[np.ndarray, np.ndarray]],
    pixels: np.ndarray,
    grid: Sequence[int],
    other: float,
    scatter: bool,
    rng: np.random.Generator,
) -> None:
    """Give each voxel the pixel on which the neighbourhoods around it agree best; in place.

    With `scatter` it is any of the proposals like that one: sections that disagree would else thin the scatter out.
    """
    from polyrve.initial.update_kernel import disagree

    typical = float(np.mean([np.median(distance) for _, distance in matches.values()]))
    mean = source.texture[pixels].sum(axis=0, dtype=np.float64)
    for block in np.array_split(rng.permutation(len(pixels)), max(4, len(pixels) // _UPDATE_BLOCK)):
        proposed, votes = [], []
        for normal, (match, distance) in matches.items():
            plane = source.planes[normal]
            voters = np.flatnonzero((plane.offsets**2).sum(axis=1) <= _VOTERS**2)
            around = _around(block, grid, normal, -plane.offsets[voters])
            proposed.append(match[around] + plane.steps[voters])
            votes.append(plane.weights[voters] * (distance[around] + 0.1 * typical + 1e-4) ** -1.2)
        candidates, weights = np.concatenate(proposed, axis=1), np.concatenate(votes, axis=1)
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        cost = np.empty_like(weights)
        disagree(source.channels, candidates, weights, np.float32(_SAME**2), np.float32(other**2), cost)
        surplus = source.excess((mean / len(pixels)).astype(np.float32))
        cost += other**2 * (_BALANCE * surplus[candidates] - 1e-3 * weights / weights.max(axis=1, keepdims=True))
        rows = np.arange(len(block))
        best = np.argmin(cost, axis=1)
        if scatter:
            apart = source.channels[candidates] - source.channels[candidates[rows, best], None]
            alike = np.einsum("bkc,bkc->bk", apart, apart) < _ALIKE**2
            alike[rows, best] = True
            best = np.argmax(alike * rng.random(alike.shape), axis=1)
        chosen = candidates[rows, best]
        change = source.texture[chosen].sum(axis=0, dtype=np.float64)
        mean += change - source.texture[pixels[block]].sum(axis=0, dtype=np.float64)
        pixels[block] = chosen
