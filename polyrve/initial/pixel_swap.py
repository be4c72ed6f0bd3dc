"""Pixel swap: single pixels are swapped until a volume has the pair statistics of its maps; none is ever changed.

The energy is the mismatch of four statistics of the sections: the madogram of the channels (relative errors), the
distribution of disorientation at short lags, the number of like neighbours, which tells specks and rough boundaries,
and the texture. Voxels are visited in random order, on all processors. One may take a pixel from near a neighbour's
place in the map, or any pixel, and takes it if the energy falls (:mod:`polyrve.initial.swap_kernel`).

References
----------
C. L. Y. Yeong, S. Torquato, Physical Review E 57 (1998) 495, doi:10.1103/PhysRevE.57.495, for the swap of pixels
under correlation functions; here without a temperature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from polyrve.backend import processors
from polyrve.initial.exemplar import Exemplar, Plane
from polyrve.microstructure.axes import extended, in_plane
from polyrve.microstructure.lags import Lag, half_plane, rings
from polyrve.steps import announced

_SWEEPS, _BATCH = 36, 2**15
"""How often each voxel is tried, and the voxels that are tried between two calls of `between`.

Time grows with the sweeps. The energy falls ever slower: of a volume of Small IN100 from 5.4 to 0.50 after 5 of them,
0.15 after 20 and 0.11 after 30, where as many metrics of it pass as after 40.
"""

_TOGETHER, _PART = 1024, 128
"""Voxels that are tried in one state, and those of them that one thread tries at once."""

_ANY_PIXEL = 0.02
"""Share of the swaps that take any pixel of the maps; the others take one from near a neighbour's place.

With 0 orientations that the volume has lost never come back; a pixel from anywhere seldom fits: of 100 that are tried
in a rough volume one is taken, of those near a neighbour's 24.
"""

_HOPE = 0.05
"""Share of the largest change of madogram and texture by a swap that is hoped for.

With 1 all of a swap is always computed, and the energy is 5 % lower after as many sweeps, which take twice as long.
"""

_REACH = 2
"""Pixels from a neighbour's place in the map, along rows and columns, that a proposal may come from."""

_ALIKE = np.deg2rad(5.2)
"""Distance of channels below which two pixels lie in one grain: a disorientation of 5 degrees in every Laue group."""

_ROUNDING = 0.003
"""Shares below it weigh as this one in the energy; else a class that the map lacks would weigh without bound."""

_TEXTURE_WEIGHT = 0.02
"""Weight of the texture in the energy, beside relative errors of order 1.

As small as keeps the texture from drifting: the pixels are the map's already.
"""

_NEXT = 10.0
"""Weight of the disorientations of nearest neighbours over those at longer lags: they tell boundaries and KAM."""

_SHORT: tuple[Lag, ...] = ((0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (0, 4), (4, 0), (3, 3), (3, -3))
"""Lags whose distribution of disorientations is matched: those within a grain and to its neighbour."""

_RADII = (3, 4.5, 6, 8, 10, 12, 15)
"""Radii of the lags of the madogram beyond the nearest ones, in points, up to the largest lag of a reconstruction."""

_IN_GRAIN = np.deg2rad(7.5)
"""Distance of channels up to which classes of disorientation hold equal numbers of the map's neighbours.

Where spread within grains ends; beyond it classes are equally wide.
"""

_SHARES = np.arange(0.08, 0.99, 0.08)
_ACROSS = np.deg2rad(np.arange(7.5, 45.0, 1.85))
"""Edges of the classes: shares of the neighbours within grains, and distances across boundaries.

45 is beyond the largest distance of channels of cubic and hexagonal crystals. Classes are as narrow as a map of some
thousand points fills; wider ones mix twins with what is near them.
"""

_FEWEST_PAIRS = 50
"""Pairs of pixels that tell a statistic at a lag; fewer leave the lag out."""

_STEPS = 4096
"""Equal steps of the distance of channels, by which classes are looked up; of 0.01 degrees."""

Step = tuple[int, int, int]


def swap_pixels(
    source: Exemplar,
    pixels: np.ndarray,
    shape: tuple[int, int, int],
    rng: np.random.Generator,
    between: Callable[[], object] = lambda: None,
) -> None:
    """Swap pixels of a periodic volume until its pair statistics are those of the maps; in place.

    Parameters
    ----------
    source : Exemplar
    pixels : ndarray, shape (nz * ny * nx,), int
        Pixel of the exemplar that each voxel holds.
    shape : tuple of int
        (nz, ny, nx).
    rng : numpy.random.Generator
    between : callable, optional
        Called before each batch; what it raises ends the pixel swap.

    See Also
    --------
    polyrve.initial.exemplar_synthesis.synthesize : Makes the volume.
    """
    matching = _Matching(source, pixels, shape)
    with ThreadPoolExecutor(processors.count()) as threads:
        for _ in announced(range(_SWEEPS), "pixel swap"):
            order = rng.permutation(matching.size)
            for voxels in np.array_split(order, -(-len(order) // _BATCH)):
                between()
                matching.swap(voxels, rng, threads.map)
    pixels[:] = matching.pixels


class _Matching:
    """A volume of pixels, its statistics and those wanted.

    Statistics are sums over the volume: absolute differences per far step and channel, pairs per near step and class of
    disorientation, voxels per plane and number of like neighbours, and texture.
    """

    def __init__(self, source: Exemplar, pixels: np.ndarray, shape: tuple[int, int, int]) -> None:
        from polyrve.initial import swap_kernel

        self.kernel, self.source, self.shape, self.size = swap_kernel, source, np.array(shape), len(pixels)
        self.pixels = pixels.astype(np.int32)
        told = [values.any(axis=0) for values in (source.channels, source.texture)]  # None of phases that are absent.
        self.channels = np.ascontiguousarray(source.channels[:, told[0]])
        self.texture = np.ascontiguousarray(source.texture[:, told[1]])
        self.lengths = np.sqrt(np.einsum("pt,pt->p", self.texture, self.texture, dtype=np.float64))
        self.indexed = source.indexed
        self.drawn_from = np.flatnonzero(self.indexed)
        self.planes = np.array(sorted({(one.first, *one.shape) for one in source.planes.values()}))
        self.per_step = np.float32(_STEPS / _ACROSS[-1])
        self.class_of_step = self._class_of_steps()
        longest = max(1, (min(n for n in shape if n > 1) - 1) // 2)
        lags = dict.fromkeys((*half_plane(2), *rings(_RADII, 4)))
        far, differences = self._wanted(
            [lag for lag in lags if max(abs(lag[0]), abs(lag[1])) <= longest], self._differences
        )
        scale = np.maximum(differences, max(0.02 * differences.max(), _ROUNDING**2))
        self.wanted_differences = np.ascontiguousarray(differences[:, told[0]].T)
        self.difference_weights = np.ascontiguousarray(1.0 / scale[:, told[0]].T ** 2 / scale.size)
        near, wanted_classes = self._wanted(_SHORT, self._classes)
        weight = np.array([_NEXT if sum(map(abs, step)) == 1 else 1.0 for step in near])
        class_weights = (weight / weight.sum())[:, None] / (wanted_classes + _ROUNDING)
        near += [step for step in (_unit(axis, 1) for axis in extended(shape)) if step not in near]
        unseen = ((0, len(near) - len(wanted_classes)), (0, 0))
        self.wanted_classes, self.class_weights = np.pad(wanted_classes, unseen), np.pad(class_weights, unseen)
        self.wanted_likes = np.stack([self._likes_of(plane) for _, plane in sorted(source.planes.items())])
        self.like_weights = 1.0 / (self.wanted_likes + _ROUNDING) / len(self.wanted_likes)
        self.wanted_texture = source.texture_target[told[1]].astype(np.float64)
        self.far, self.near = self._rows([*far, *map(_reversed, far)]), self._rows([*near, *map(_reversed, near)])
        side_of = {step: i for i, step in enumerate([*near, *map(_reversed, near)])}
        self.sides = np.array([side_of[_unit(axis, sign)] for axis in extended(shape) for sign in (1, -1)], np.int32)
        self.crosses = np.array(
            [
                [side_of.get(_unit(axis, sign), -1) for axis in in_plane(normal) for sign in (1, -1)]
                for normal in sorted(source.planes)
            ],
            dtype=np.int32,
        )
        self.differences = np.zeros_like(self.wanted_differences)
        self.classes = np.zeros(self.wanted_classes.shape, dtype=np.int64)
        self.likes = np.zeros(self.wanted_likes.shape, dtype=np.int64)
        self.own_likes = np.zeros((len(self.crosses), self.size), dtype=np.int8)
        self.textures = self.texture[self.pixels].sum(axis=0, dtype=np.float64)
        weights = (self.difference_weights, self.class_weights, self.like_weights)
        self.curvatures = (*(one / self.size**2 for one in weights), _TEXTURE_WEIGHT / self.size**2)
        self.found = (
            np.empty(_TOGETHER, dtype=np.int64),
            np.empty((_TOGETHER, *self.differences.shape), dtype=np.float32),
            np.empty((_TOGETHER, len(self.differences)), dtype=bool),
            np.empty((_TOGETHER, 2, self.near.shape[2]), dtype=np.float32),
            np.empty((_TOGETHER, 2, self.near.shape[2]), dtype=np.int32),
        )
        self.touched = np.zeros(self.size, dtype=bool)
        self.kernel.measure(
            self.shape, self.pixels, self.channels, self.far, self.differences, self.near, self.classes,
            self.class_of_step, self.per_step, self.crosses, self.own_likes, self.likes, np.float32(_ALIKE**2),
        )  # fmt: skip

    def swap(self, voxels: np.ndarray, rng: np.random.Generator, over: Callable[..., Iterable[object]] = map) -> int:
        """Propose a pixel to each of some voxels, and let it take the pixel if the energy falls; return how many do.

        Voxels are tried side by side, `_TOGETHER` of them in one state, by a ``map`` that may use threads, and swapped
        one after the other; any number of threads gives the same volume.
        """
        number = len(voxels)
        sides = rng.choice(self.sides, number)
        moves = rng.integers(-_REACH, _REACH + 1, (number, 2))
        drawn = np.where(rng.random(number) < _ANY_PIXEL, rng.choice(self.drawn_from, number), -1)
        made = 0
        for first in range(0, number, _TOGETHER):
            some = slice(first, first + _TOGETHER)
            made += self._swap(voxels[some], sides[some], moves[some], drawn[some], over)
        return made

    def _swap(
        self, voxels: np.ndarray, sides: np.ndarray, moves: np.ndarray, drawn: np.ndarray,
        over: Callable[..., Iterable[object]],
    ) -> int:  # fmt: skip
        slope = 2.0 * self.difference_weights * (self.differences / self.size - self.wanted_differences) / self.size
        slope_classes = 2.0 * self.class_weights * (self.classes / self.size - self.wanted_classes) / self.size
        slope_likes = 2.0 * self.like_weights * (self.likes / self.size - self.wanted_likes) / self.size
        slope_texture = 2.0 * _TEXTURE_WEIGHT * (self.textures / self.size - self.wanted_texture) / self.size
        curvature, curvature_classes, curvature_likes, curvature_texture = self.curvatures
        found, alike = self.found, np.float32(_ALIKE**2)

        def try_part(first: int) -> None:
            part = slice(first, min(first + _PART, len(voxels)))
            self.kernel.try_swaps(
                self.shape, voxels[part], sides[part], moves[part], drawn[part], self.pixels, self.channels,
                self.texture, self.lengths, self.indexed, self.planes, self.far, slope, curvature,
                self.near, slope_classes, self.class_of_step, self.per_step, self.crosses, self.own_likes, self.likes,
                slope_likes, curvature_likes, slope_texture, curvature_texture, alike, _HOPE,
                *(one[part] for one in found),
            )  # fmt: skip

        list(over(try_part, range(0, len(voxels), _PART)))
        proposed, change, moved, squares, classes = found
        return self.kernel.make_swaps(
            self.shape, voxels, proposed, self.pixels, self.channels, self.texture, self.far,
            self.differences, slope, curvature, self.near, self.classes, slope_classes, curvature_classes,
            self.class_of_step, self.per_step, self.crosses, self.own_likes, self.likes, slope_likes, curvature_likes,
            self.textures, slope_texture, curvature_texture, alike, change, moved, squares, classes, self.touched,
        )  # fmt: skip

    @property
    def energy(self) -> float:
        """Mismatch of the statistics: what swaps lower."""
        return float(
            (self.difference_weights * (self.differences / self.size - self.wanted_differences) ** 2).sum()
            + (self.class_weights * (self.classes / self.size - self.wanted_classes) ** 2).sum()
            + (self.like_weights * (self.likes / self.size - self.wanted_likes) ** 2).sum()
            + _TEXTURE_WEIGHT * ((self.textures / self.size - self.wanted_texture) ** 2).sum()
        )

    def _rows(self, steps: Sequence[Step]) -> np.ndarray:
        """Return the parts of the voxels at some steps from another, across the faces, by axis and its coordinate."""
        rows = np.zeros((3, max(self.shape), len(steps)), dtype=np.int32)
        strides = (self.shape[1] * self.shape[2], self.shape[2], 1)
        for axis, length in enumerate(self.shape):
            places = np.arange(length)[:, None] + np.array(steps)[:, axis]
            rows[axis, :length] = places % length * strides[axis]
        return rows

    def _wanted(
        self, lags: Sequence[Lag], statistic: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[list[Step], np.ndarray]:
        """Return steps in the volume and the mean of a statistic over the maps that show them."""
        found: dict[Step, list[np.ndarray]] = {}
        known: dict[tuple[int, Lag], np.ndarray | None] = {}
        for normal, plane in sorted(self.source.planes.items()):
            for lag in lags:
                step = [0, 0, 0]
                for axis, length in zip(in_plane(normal), lag, strict=True):
                    step[axis] = length
                if not any(length % n for length, n in zip(step, self.shape, strict=True)):
                    continue
                if (plane.first, lag) not in known:
                    first, second = self._pairs(plane, lag)
                    apart = self.source.channels[first] - self.source.channels[second]
                    known[plane.first, lag] = statistic(apart) if len(first) >= _FEWEST_PAIRS else None
                value = known[plane.first, lag]
                if value is not None:
                    found.setdefault((step[0], step[1], step[2]), []).append(value)
        return list(found), np.stack([np.mean(values, axis=0) for values in found.values()])

    @staticmethod
    def _differences(apart: np.ndarray) -> np.ndarray:
        return np.abs(apart).mean(axis=0, dtype=np.float64)

    def _classes(self, apart: np.ndarray) -> np.ndarray:
        return self._counts(apart) / len(apart)

    def _counts(self, apart: np.ndarray) -> np.ndarray:
        return np.bincount(self._class(apart), minlength=self.class_of_step[-1] + 1)

    def _class(self, apart: np.ndarray) -> np.ndarray:
        return self.class_of_step.take((np.sqrt(_square(apart)) * self.per_step).astype(np.intp), mode="clip")

    def _class_of_steps(self) -> np.ndarray:
        """Return the class of each step of distance; within grains each class has as many neighbours of the map."""
        apart = [
            self.source.channels[first] - self.source.channels[second]
            for plane in self.source.planes.values()
            for first, second in (self._pairs(plane, lag) for lag in ((0, 1), (1, 0)))
        ]
        square = _square(np.concatenate(apart))
        within = np.sqrt(square[square < _IN_GRAIN**2])
        edges = np.concatenate([np.quantile(within, _SHARES) if len(within) else [], _ACROSS])
        steps = np.unique(np.ceil(edges * self.per_step))
        return np.searchsorted(steps, np.arange(_STEPS + 1), side="right").astype(np.int32)

    def _pairs(self, plane: Plane, lag: Lag) -> tuple[np.ndarray, np.ndarray]:
        """Return the measured pixels of a map that are a lag apart."""
        pixels = plane.first + np.arange(plane.shape[0] * plane.shape[1]).reshape(plane.shape)
        first, second = pixels, pixels
        for axis, length in enumerate(lag):
            stop = first.shape[axis] - abs(length)
            low, high = np.arange(max(stop, 0)), np.arange(max(stop, 0)) + abs(length)
            low, high = (low, high) if length >= 0 else (high, low)
            first, second = np.take(first, low, axis), np.take(second, high, axis)
        both = self.source.measured[first] & self.source.measured[second]
        return first[both], second[both]

    def _likes_of(self, plane: Plane) -> np.ndarray:
        """Return the shares of pixels by number of like neighbours, among those with four indexed ones."""
        like, known = (np.zeros(len(self.source.channels), dtype=np.int64) for _ in range(2))
        for lag in ((0, 1), (1, 0)):
            first, second = self._pairs(plane, lag)
            alike = _square(self.source.channels[first] - self.source.channels[second]) < _ALIKE**2
            for side in (first, second):
                np.add.at(like, side, alike)
                np.add.at(known, side, 1)
        whole = known == 4
        return np.bincount(like[whole], minlength=5) / max(int(whole.sum()), 1)


def _unit(axis: int, sign: int) -> Step:
    step = [0, 0, 0]
    step[axis] = sign
    return (step[0], step[1], step[2])


def _reversed(step: Step) -> Step:
    return (-step[0], -step[1], -step[2])


def _square(apart: np.ndarray) -> np.ndarray:
    return np.einsum("...c,...c->...", apart, apart)
