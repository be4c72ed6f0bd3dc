"""Whether a map is the same everywhere, and the windows in which one that is not is taken apart.

A map is cut into bands across an axis, and each band into blocks along it. What blocks of one band differ by is chance;
where bands differ by more, the map changes along the axis. The ratio of the two variances is compared with those of the
same blocks dealt to bands at random, so that no distribution is assumed (a permutation test).

Windows overlap by half, and the weights of a point in the windows that hold it add up to one, so that what is made of
the windows goes over from one into the next.

References
----------
M. J. Anderson, Austral Ecology 26 (2001) 32, doi:10.1111/j.1442-9993.2001.01070.pp.x: the test, for vectors too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.map_analysis import MapAnalysis
from polyrve.microstructure.placed import Given, made_for, placed

_BLOCK = 3.0
"""Least side of a block in mean chords: neighbouring blocks then share few grains, and differ by chance alone."""

_MOST_BANDS, _FEWEST_BLOCKS = 8, 3
"""Bands of a map, and blocks of each that tell what chance does."""

_DEALS = 999
"""Deals of the blocks to bands at random; the least share that can be told is then a thousandth."""

SIGNIFICANT = 0.003
"""Share of the deals that differ as much, below which a map is not the same everywhere: 0.02 over the two axes and the
three quantities of a map."""

_LEAST = 0.15
"""Spread over bands beyond chance, relative to the mean or to all that orientations vary by, below which it is left at
that: large maps tell differences that no volume could hold."""

_LEAST_IN_LAYERS = 0.1
"""The same for layers, by the median of the bands: between two layers it is seen in part."""

WIDTH = 5.0
"""Width of a window in mean chords along the axis: with narrower ones grains lie in several, wider ones smear more."""

FEWEST = 3
"""Windows along a graded axis; with fewer a gradient is a difference of two halves."""


@dataclass(frozen=True)
class Trend:
    """How a quantity of a map changes along an axis; made by :func:`trends`.

    Attributes
    ----------
    quantity : str
    axis : str
        ``"y"``, down the rows, or ``"x"``, along them.
    profile : tuple of float
        Of the bands, for a quantity that is one number; else how far each band is from the mean.
    spread : float
        Standard deviation over the bands beyond chance, relative as told for the threshold of it.
    chance : float
        Share of random deals of the blocks to bands that differ as much.
    """

    quantity: str
    axis: str
    profile: tuple[float, ...]
    spread: float
    chance: float

    @property
    def found(self) -> bool:
        """Whether the map changes by more than chance, and by so much that it matters."""
        return self.chance < SIGNIFICANT and self.spread > _LEAST

    def __str__(self) -> str:
        numbers = " ".join(f"{value:.2g}" for value in self.profile)
        return f"{self.quantity} changes along {self.axis} by {100 * self.spread:.0f} % ({numbers} in bands)"


def trends(analysis: MapAnalysis, seed: int = 0) -> tuple[Trend, ...]:
    """Test whether boundaries, orientations and phases of a map are the same everywhere along each of its axes.

    Parameters
    ----------
    analysis : MapAnalysis
    seed : int
        Of the random deals.

    Returns
    -------
    tuple of Trend
        Those that can be told; none of a map too small for blocks.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> from polyrve.microstructure.map_analysis import analyse
    >>> scan = simulate_scan(make_specimen((4, 96, 100), grain_size=6.0, seed=1), seed=1)
    >>> [trend.quantity for trend in trends(analyse(scan)) if trend.found]
    []
    """
    rng = np.random.default_rng(seed)
    found = []
    for axis, name in enumerate("yx"):
        sizes = _blocks(analysis, axis)
        if sizes is None:
            continue
        for quantity, blocks in _quantities(analysis, axis, *sizes):
            trend = _trend(quantity, name, blocks, rng)
            if trend is not None:
                found.append(trend)
    return tuple(found)


def layered(analysis: MapAnalysis, axis: int, width: int, seed: int = 0) -> str:
    """Say which quantity of a map changes within windows along an axis, as in layers finer than these.

    Parameters
    ----------
    analysis : MapAnalysis
    axis : int
        0 for layers along rows, that follow each other down the map; 1 for those along columns.
    width : int
        Of the windows, points.
    seed : int

    Returns
    -------
    str
        Empty where none does.
    """
    chords = _chords(analysis)
    if chords is None:
        return ""
    thin = max(2, round(chords[axis]))
    bands, blocks = (
        analysis.field.shape[axis] // thin,
        int(analysis.field.shape[1 - axis] // (_BLOCK * chords[1 - axis])),
    )
    if bands < 2 * width // thin or blocks < _FEWEST_BLOCKS:
        return ""
    rng = np.random.default_rng(seed)
    reach = max(1, round(width / thin))
    kernel = 1.0 - np.abs(np.arange(-reach + 1, reach)) / reach
    for quantity, values in _quantities(analysis, axis, bands, blocks):
        smooth = np.apply_along_axis(lambda line: _smoothed(line, kernel), 0, values.mean(axis=1))
        scale = _scale(quantity, values)
        rest = (values - smooth[:, None]).reshape(bands * blocks, -1)

        def typical(points: np.ndarray) -> float:
            # The median: a single step is seen in few bands, layers in most of them.
            return float(np.median((points.reshape(bands, blocks, -1).mean(axis=1) ** 2).sum(axis=-1)))

        told = typical(rest)
        dealt = np.array([typical(rest[rng.permutation(len(rest))]) for _ in range(_DEALS)])
        chance = (1 + (dealt >= told).sum()) / (1 + _DEALS)
        if chance < SIGNIFICANT and scale > 0 and max(0.0, told - np.median(dealt)) > _LEAST_IN_LAYERS**2 * scale:
            return quantity
    return ""


def _scale(quantity: str, values: np.ndarray) -> float:
    """What variances are relative to: the squared mean of one number, the variance 1 of each harmonic or share."""
    if quantity == "boundary share":
        return float(values.mean() ** 2)
    return float(values.shape[-1]) if quantity == "texture" else 1.0


def _smoothed(line: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    return np.convolve(line, kernel, mode="same") / np.convolve(np.ones(len(line)), kernel, mode="same")


def _chords(analysis: MapAnalysis) -> tuple[float, float] | None:
    """Mean chords in points along y and x; None where there are none."""
    steps = [chord / step for chord, step in zip(analysis.sections.mean_chords, analysis.field.spacing, strict=True)]
    return (steps[0], steps[1]) if np.isfinite(steps).all() else None


def _blocks(analysis: MapAnalysis, axis: int) -> tuple[int, int] | None:
    """Numbers of bands, and of blocks in each."""
    chords = _chords(analysis)
    if chords is None:
        return None
    along, across = (int(analysis.field.shape[i] // (_BLOCK * chords[i])) for i in (axis, 1 - axis))
    return (min(along, _MOST_BANDS), across) if along >= FEWEST and across >= _FEWEST_BLOCKS else None


def _means(values: np.ndarray, counts: np.ndarray, axis: int, bands: int, blocks: int) -> np.ndarray:
    """Means of values (k, ny, nx) over the counted points of each block, shape (bands, blocks, k)."""
    values, counts = (
        np.moveaxis(array, 1 + axis, 1) for array in (values * counts, np.broadcast_to(counts, values.shape))
    )
    rows, columns = (
        np.linspace(0, n, parts + 1).astype(int) for n, parts in zip(values.shape[1:], (bands, blocks), strict=True)
    )

    def summed(array: np.ndarray) -> np.ndarray:
        total = np.add.reduceat(np.add.reduceat(array, rows[:-1], axis=1), columns[:-1], axis=2)
        return np.moveaxis(total, 0, -1)

    return summed(values.astype(float)) / np.maximum(summed(counts.astype(float)), 1.0)


def _quantities(analysis: MapAnalysis, axis: int, bands: int, blocks: int) -> list[tuple[str, np.ndarray]]:
    """What is compared: values of the blocks, shape (bands, blocks, k)."""
    field, measures = analysis.field, analysis.sections
    crossed = sum(measures.known[i][0] & ~measures.joined[i][0] for i in (1, 2)).astype(float)
    known = sum(measures.known[i][0].astype(float) for i in (1, 2))
    rate = np.divide(crossed, known, out=np.zeros(field.shape), where=known > 0)
    found = [("boundary share", _means(rate[None], known[None], axis, bands, blocks))]
    channels = []
    for number, phase in enumerate(field.phases, start=1):
        of_phase = field.phase_ids == number
        values = np.zeros((symmetrized_harmonics(phase.laue).count, *field.shape))
        values[:, of_phase] = symmetrized_harmonics(phase.laue).evaluate(field.quaternions[of_phase])
        channels.append(values)
    indexed = field.indexed[None].astype(float)
    found.append(("texture", _means(np.concatenate(channels), indexed, axis, bands, blocks)))
    if len(field.phases) > 1:
        shares = np.stack([field.phase_ids == number for number in range(1, len(field.phases) + 1)]).astype(float)
        found.append(("phase fractions", _means(shares, indexed, axis, bands, blocks)))
    return found


def _trend(quantity: str, axis: str, values: np.ndarray, rng: np.random.Generator) -> Trend | None:
    """Compare the variance over bands with that of random deals of the blocks, shape (bands, blocks, k)."""
    bands, blocks, _ = values.shape
    flat = values.reshape(bands * blocks, -1)
    mean = values.mean(axis=(0, 1))
    scale = _scale(quantity, values)
    if not scale > 0.0:
        return None

    def over_bands(points: np.ndarray) -> float:
        return float(points.reshape(bands, blocks, -1).mean(axis=1).var(axis=0).sum())

    told = over_bands(flat)
    dealt = np.array([over_bands(flat[rng.permutation(len(flat))]) for _ in range(_DEALS)])
    within = float(values.var(axis=1, ddof=1).sum(axis=-1).mean()) / blocks * (1.0 - 1.0 / bands)
    spread = math.sqrt(max(0.0, told - within) / scale)
    chance = float((1 + (dealt >= told).sum()) / (1 + _DEALS))
    of_bands = values.mean(axis=1)
    profile = of_bands[:, 0] if quantity == "boundary share" else np.sqrt(((of_bands - mean) ** 2).sum(axis=1) / scale)
    return Trend(quantity, axis, tuple(float(value) for value in profile), spread, chance)


@dataclass(frozen=True)
class Windows:
    """Overlapping windows along an axis; made by :func:`windows_along`.

    Attributes
    ----------
    length : int
        Points along the axis.
    bounds : tuple of (int, int)
        First point of each window, and the one behind its last.
    """

    length: int
    bounds: tuple[tuple[int, int], ...]

    @property
    def weights(self) -> np.ndarray:
        """Weight of each point in each window, shape (windows, length); those of a point add up to 1."""
        at = np.arange(self.length) + 0.5
        middles = np.array([(first + last) / 2.0 for first, last in self.bounds])
        return np.stack([np.interp(at, middles, row) for row in np.eye(len(middles))])


def windows_along(length: int, chord: float, axis: str, least: int = 8) -> Windows:
    """Divide an axis into windows that overlap by half.

    Parameters
    ----------
    length : int
        Points along the axis.
    chord : float
        Mean chord along it, points.
    axis : str
        Its name.
    least : int
        Points that a window holds at least.

    Returns
    -------
    Windows

    Raises
    ------
    ValueError
        If there are fewer than :data:`FEWEST` of them.

    Examples
    --------
    >>> windows_along(40, 4.0, "y").bounds
    ((0, 20), (10, 30), (20, 40))
    """
    width = max(least, math.ceil(WIDTH * chord))
    number = 2 * (length // width) - 1
    if number < FEWEST:
        raise ValueError(
            f"grade: expected at least {FEWEST} windows that overlap by half along {axis}, of {width} voxels, "
            f"{WIDTH:g} mean chords, each; got {length} voxels along it: give a map that reaches farther"
        )
    edges = np.linspace(0, length, number + 2).round().astype(int)
    return Windows(length, tuple((int(edges[i]), int(edges[i + 2])) for i in range(number)))


def crop_along(one: OrientationMap, normal: int, axis: int, bounds: tuple[int, int]) -> OrientationMap:
    """Cut a window out of a map.

    Parameters
    ----------
    one : OrientationMap
        At the voxels' size.
    normal : int
        Array axis that it is normal to.
    axis : int
        Array axis that the window is a part of.
    bounds : tuple of int
        First point, and the one behind the last.

    Returns
    -------
    OrientationMap
    """
    part = [slice(None)] * 2
    part[in_plane(normal).index(axis)] = slice(*bounds)
    return one[tuple(part)].evolve(periodic=False)


def in_window(maps: Given[OrientationMap], axis: int, bounds: tuple[int, int]) -> dict[int, tuple[OrientationMap, ...]]:
    """Cut a window out of each map; see :func:`crop_along`."""
    cut: dict[tuple[int, int], OrientationMap] = {}

    def of(normal: int, one: OrientationMap) -> OrientationMap:
        key = id(one), in_plane(normal).index(axis)
        if key not in cut:
            cut[key] = crop_along(one, normal, axis, bounds)
        return cut[key]

    return made_for(of, placed(maps))
