"""Pixel swap: single pixels are swapped until a volume has the pair statistics of its maps; none is ever changed.

The energy is the mismatch of four statistics of the sections: the madogram of the channels (relative errors), the
distribution of disorientation at short lags, the number of like neighbours, which tells specks and rough boundaries,
and the texture. A voxel may take a pixel from near a neighbour's place in the map, or any pixel. The change of energy
is linear in the statistics for small changes, so that many voxels are tried at once; the best of them are accepted
together as long as the energy falls, more of them after each success and fewer after each failure. A batch is a small
part of the volume: what is right for many voxels depends on what the others have done.

References
----------
C. L. Y. Yeong, S. Torquato, Physical Review E 57 (1998) 495, doi:10.1103/PhysRevE.57.495, for the swap of pixels
under correlation functions; here without a temperature, many at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.initial.exemplar import Exemplar, Plane
from polyrve.microstructure.axes import extended, in_plane
from polyrve.microstructure.lags import Lag, half_plane, rings

_TRIED, _FEWEST_TRIED = 0.05, 128
"""Share of the voxels that are tried at once, and the least number of them.

What is right for one voxel depends on the others: of larger batches fewer swaps stand together, smaller ones take more
of them.
"""

_TRIES_PER_VOXEL, _FEWEST_BATCHES = 40, 500
"""Swaps that are tried of each voxel, and the least number of batches.

Time grows with them, and the energy falls ever slower.
"""

_ANY_PIXEL = 0.1
"""Share of the swaps that take any pixel of the maps; the others take one from near a neighbour's place.

With 0 orientations that the volume has lost never come back; with more most swaps are in vain, since a pixel from
anywhere seldom fits.
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

_CHUNK = 2048
"""Voxels whose changes are formed at once, so that they stay in the processor's cache."""

_STEPS = 4096
"""Equal steps of the distance of channels, by which classes are looked up; of 0.01 degrees."""

Step = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Statistics:
    """Sums over a volume.

    Absolute differences per long lag and channel, pairs per short lag and class of disorientation, voxels per plane and
    number of like neighbours, and texture.
    """

    differences: np.ndarray
    classes: np.ndarray
    likes: np.ndarray
    texture: np.ndarray

    def plus(self, other: _Statistics) -> _Statistics:
        return _Statistics(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))


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
    share, tried = 0.2, min(len(pixels), max(_FEWEST_TRIED, int(_TRIED * len(pixels))))
    matching = _Matching(source, pixels, shape)
    for _ in range(max(_FEWEST_BATCHES, _TRIES_PER_VOXEL * len(pixels) // tried)):
        between()
        voxels, proposed = matching.proposals(tried, rng)
        change = matching.linear_change(voxels, proposed)
        better = np.flatnonzero(change < 0)
        share = max(share, 3 / len(voxels))
        best = better[np.argsort(change[better], kind="stable")][: max(1, int(share * len(voxels)))]
        taken = np.sort(best)
        accepted = taken.size > 0 and matching.accept(voxels[taken], proposed[taken])
        share = min(1.2 * share, 0.5) if accepted else 0.5 * share


class _Matching:
    """A volume of pixels, its statistics and those wanted."""

    def __init__(self, source: Exemplar, pixels: np.ndarray, shape: tuple[int, int, int]) -> None:
        self.source, self.pixels, self.shape, self.size = source, pixels, shape, len(pixels)
        self.values = source.channels[pixels]
        self.rows = [
            (np.arange(-n, 2 * n) % n) * stride
            for n, stride in zip(shape, (shape[1] * shape[2], shape[2], 1), strict=True)
        ]
        self.indexed = np.flatnonzero(source.indexed)
        self.step = np.float32(_ACROSS[-1] / _STEPS)
        self.classes = self._class_of_steps()
        longest = (min(n for n in shape if n > 1) - 1) // 2
        lags = dict.fromkeys((*half_plane(2), *rings(_RADII, 4)))
        long = [lag for lag in lags if max(abs(lag[0]), abs(lag[1])) <= longest]
        self.long, self.wanted_differences = self._wanted(long, self._differences)
        self.short, self.wanted_classes = self._wanted(_SHORT, self._classes)
        weight = np.array([_NEXT if sum(map(abs, step)) == 1 else 1.0 for step in self.short])
        self.class_weights = (weight / weight.sum())[:, None]
        self.wanted_likes = np.stack([self._likes_of(plane) for _, plane in sorted(source.planes.items())])
        self.crosses = [
            [step for axis in in_plane(normal) for step in (_unit(axis, 1), _unit(axis, -1))]
            for normal in sorted(source.planes)
        ]
        self.scale = np.maximum(self.wanted_differences, max(0.02 * self.wanted_differences.max(), _ROUNDING**2))
        self.like_counts = [self._like_count(cross, np.arange(self.size)) for cross in self.crosses]
        self.target = source.texture_target
        everywhere = np.arange(self.size)
        self.steps = [*dict.fromkeys((*self.long, *self.short))]
        differences, classes = self._pair_sums(everywhere, self.values, np.ones(self.size, dtype=bool))
        likes = np.stack([np.bincount(count, minlength=5) for count in self.like_counts]).astype(np.float64)
        texture = source.texture[pixels].sum(axis=0, dtype=np.float64)
        self.sums = _Statistics(differences, classes, likes, texture)
        self.energy = self._energy(self.sums)

    def proposals(self, number: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Propose voxels, each once and in order, and a pixel for each."""
        voxels = np.sort(rng.permutation(self.size)[:number])
        units = np.array([_unit(axis, sign) for axis in extended(self.shape) for sign in (1, -1)])
        place = np.stack(np.unravel_index(voxels, self.shape), axis=1) + units[rng.integers(len(units), size=number)]
        neighbour = self.pixels[np.ravel_multi_index(tuple((place % self.shape).T), self.shape)]
        proposed = neighbour.copy()
        for plane in {id(plane): plane for plane in self.source.planes.values()}.values():
            rows, columns = np.divmod(neighbour - plane.first, plane.shape[1])
            inside = (rows >= 0) & (rows < plane.shape[0])
            moved = rng.integers(-_REACH, _REACH + 1, (2, number))
            rows = np.clip(rows + moved[0], 0, plane.shape[0] - 1)
            columns = np.clip(columns + moved[1], 0, plane.shape[1] - 1)
            proposed = np.where(inside, plane.first + rows * plane.shape[1] + columns, proposed)
        far = _square(self.source.channels[proposed] - self.source.channels[neighbour]) > _ALIKE**2
        proposed = np.where(far | ~self.source.indexed[proposed], neighbour, proposed)
        drawn = rng.choice(self.indexed, number)
        proposed = np.where(rng.random(number) < _ANY_PIXEL, drawn, proposed)
        new = proposed != self.pixels[voxels]
        return voxels[new], proposed[new]

    def linear_change(self, voxels: np.ndarray, proposed: np.ndarray) -> np.ndarray:
        """Return the change of energy by each proposal alone, to first order in the statistics."""
        gradient = self._gradient()
        chunks = [slice(begin, begin + _CHUNK) for begin in range(0, len(voxels), _CHUNK)]
        return np.concatenate([self._change(voxels[chunk], proposed[chunk], gradient) for chunk in chunks])

    def _change(self, voxels: np.ndarray, proposed: np.ndarray, gradient: _Statistics) -> np.ndarray:
        old, new = self.values[voxels], self.source.channels[proposed]
        change = (self.source.texture[proposed] - self.source.texture[self.pixels[voxels]]) @ gradient.texture
        place = self._place(voxels)
        by_difference = dict(zip(self.long, gradient.differences.astype(np.float32), strict=True))
        by_class = dict(zip(self.short, gradient.classes, strict=True))
        for step in self.steps:
            for sign in (1, -1):
                other = self.values.take(self._moved(place, step, sign), axis=0)
                after, before = new - other, old - other
                if step in by_class:
                    weight = by_class[step]
                    change += weight.take(self._class(after)) - weight.take(self._class(before))
                if step in by_difference:
                    after, before = np.abs(after, out=after), np.abs(before, out=before)
                    change += np.einsum("vc,c->v", np.subtract(after, before, out=after), by_difference[step])
        for cross, weight, count in zip(self.crosses, gradient.likes, self.like_counts, strict=True):
            own = np.zeros(len(voxels), dtype=np.int64)
            for step in cross:
                near = self._moved(place, step)
                like = _square(new - self.values[near]) < _ALIKE**2
                was = _square(old - self.values[near]) < _ALIKE**2
                own += like
                change += weight[np.clip(count[near] + like.astype(np.int64) - was, 0, 4)] - weight[count[near]]
            change += weight[own] - weight[count[voxels]]
        return change

    def accept(self, voxels: np.ndarray, proposed: np.ndarray) -> bool:
        """Make the changes if the energy falls, and tell whether it did."""
        old, new = self.values[voxels], self.source.channels[proposed]
        changed = np.zeros(self.size, dtype=bool)
        changed[voxels] = True
        before = self._pair_sums(voxels, old, changed)
        self.values[voxels] = new
        after = self._pair_sums(voxels, new, changed)
        place = self._place(voxels)
        counts, likes = [], np.zeros_like(self.wanted_likes)
        for i, cross in enumerate(self.crosses):
            near = np.unique(np.concatenate([voxels, *(self._moved(place, step) for step in cross)]))
            count = self._like_count(cross, near)
            likes[i] = np.bincount(count, minlength=5) - np.bincount(self.like_counts[i][near], minlength=5)
            counts.append((near, count))
        texture = (self.source.texture[proposed] - self.source.texture[self.pixels[voxels]]).sum(axis=0, dtype=float)
        sums = self.sums.plus(_Statistics(after[0] - before[0], after[1] - before[1], likes, texture))
        energy = self._energy(sums)
        if energy >= self.energy:
            self.values[voxels] = old
            return False
        self.sums, self.energy = sums, energy
        self.pixels[voxels] = proposed
        for kept, (near, count) in zip(self.like_counts, counts, strict=True):
            kept[near] = count
        return True

    def _residuals(self, sums: _Statistics) -> _Statistics:
        return _Statistics(
            sums.differences / self.size - self.wanted_differences,
            sums.classes / self.size - self.wanted_classes,
            sums.likes / self.size - self.wanted_likes,
            sums.texture / self.size - self.target,
        )

    def _energy(self, sums: _Statistics) -> float:
        left = self._residuals(sums)
        return float(
            ((left.differences / self.scale) ** 2).mean()
            + (self.class_weights * left.classes**2 / (self.wanted_classes + _ROUNDING)).sum()
            + (left.likes**2 / (self.wanted_likes + _ROUNDING)).sum(axis=1).mean()
            + _TEXTURE_WEIGHT * (left.texture**2).sum()
        )

    def _gradient(self) -> _Statistics:
        """Return the derivative of the energy with respect to each sum."""
        left = self._residuals(self.sums)
        return _Statistics(
            2 * left.differences / self.scale**2 / left.differences.size / self.size,
            2 * self.class_weights * left.classes / (self.wanted_classes + _ROUNDING) / self.size,
            2 * left.likes / (self.wanted_likes + _ROUNDING) / len(left.likes) / self.size,
            2 * _TEXTURE_WEIGHT * left.texture / self.size,
        )

    def _pair_sums(self, voxels: np.ndarray, values: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return sums over the pairs that voxels with some values are in, those between two of them once.

        `among`, shape (size,), bool, tells the voxels from others.
        """
        place, everywhere = self._place(voxels), len(voxels) == self.size

        differences, classes = {}, {}
        for step in self.steps:
            apart = values - self.values.take(self._moved(place, step), axis=0)
            if not everywhere:
                behind = self._moved(place, step, -1)
                others = ~among.take(behind)
                back = self.values.take(behind[others], axis=0) - values[others]
                apart = np.concatenate([apart, back])
            if step in self.short:
                classes[step] = self._counts(apart)
            if step in self.long:
                differences[step] = _sum_of_rows(np.abs(apart, out=apart))
        return np.stack([differences[step] for step in self.long]), np.stack([classes[step] for step in self.short])

    def _like_count(self, cross: Sequence[Step], voxels: np.ndarray) -> np.ndarray:
        count = np.zeros(len(voxels), dtype=np.int64)
        for step in cross:
            count += _square(self._apart(voxels, step)) < _ALIKE**2
        return count

    def _apart(self, voxels: np.ndarray, step: Step) -> np.ndarray:
        other = self._moved(self._place(voxels), step)
        return self.values.take(voxels, axis=0) - self.values.take(other, axis=0)

    def _place(self, voxels: np.ndarray) -> tuple[np.ndarray, ...]:
        return np.unravel_index(voxels, self.shape)

    def _moved(self, place: Sequence[np.ndarray], step: Step, sign: int = 1) -> np.ndarray:
        """Return the voxels at a step from others, across the faces."""
        parts = [
            table[sign * length + n :].take(i)
            for table, length, n, i in zip(self.rows, step, self.shape, place, strict=True)
        ]
        return parts[0] + parts[1] + parts[2]

    def _wanted(
        self, lags: Sequence[Lag], statistic: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[list[Step], np.ndarray]:
        """Return steps in the volume and the mean of a statistic over the maps that show them."""
        found: dict[Step, list[np.ndarray]] = {}
        for normal, plane in sorted(self.source.planes.items()):
            for lag in lags:
                first, second = self._pairs(plane, lag)
                if len(first) >= _FEWEST_PAIRS:
                    step = [0, 0, 0]
                    for axis, length in zip(in_plane(normal), lag, strict=True):
                        step[axis] = length
                    apart = self.source.channels[first] - self.source.channels[second]
                    found.setdefault((step[0], step[1], step[2]), []).append(statistic(apart))
        return list(found), np.stack([np.mean(values, axis=0) for values in found.values()])

    @staticmethod
    def _differences(apart: np.ndarray) -> np.ndarray:
        return np.abs(apart).mean(axis=0, dtype=np.float64)

    def _classes(self, apart: np.ndarray) -> np.ndarray:
        return self._counts(apart) / len(apart)

    def _counts(self, apart: np.ndarray) -> np.ndarray:
        return np.bincount(self._class(apart), minlength=self.classes[-1] + 1)

    def _class(self, apart: np.ndarray) -> np.ndarray:
        return self.classes.take((np.sqrt(_square(apart)) / self.step).astype(np.intp), mode="clip")

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
        return np.searchsorted(np.unique(np.ceil(edges / self.step)), np.arange(_STEPS + 1), side="right")

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


def _square(apart: np.ndarray) -> np.ndarray:
    return np.einsum("...c,...c->...", apart, apart)


def _sum_of_rows(values: np.ndarray) -> np.ndarray:
    """Add rows, shape (n, C), in float64; many at once, since short rows are slow to add one by one."""
    many = len(values) // 32 * 32
    total = values[:many].reshape(-1, 32 * values.shape[1]).sum(axis=0, dtype=np.float64)
    return np.asarray(total.reshape(32, -1).sum(axis=0) + values[many:].sum(axis=0, dtype=np.float64))
