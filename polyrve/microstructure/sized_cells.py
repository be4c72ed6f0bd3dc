"""Laguerre cells of given volumes: the distribution of the sizes of grains in three dimensions is what is asked for.

Radii alone do not set the volumes of cells: spheres that fill a third of a box leave cells that are more alike than
they are, whatever the radii. Here spheres are pushed apart until they hardly overlap, and the weights of the power
diagram are corrected until the cells have their volumes.

References
----------
D. P. Bourne et al., Phil. Mag. 100 (2020) 2677, doi:10.1080/14786435.2020.1790053: Laguerre cells of given volumes;
F. Aurenhammer, F. Hoffmann, B. Aronov, Algorithmica 20 (1998) 61, doi:10.1007/PL00009187: that weights for them exist.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree
from scipy.special import ndtri

from polyrve.backend import processors
from polyrve.microstructure.laguerre import Tessellation, pack

Order = Literal["packed", "relaxed", "placed", "random"]
"""How centres lie, the most regular first: at roomy places and then pushed apart, at random and then pushed apart, at
roomy places alone, or at random and pushed apart just a little."""

_FILLED = 0.65
"""Volume of the spheres over that of the box while they are pushed apart: nearly as dense as spheres pack at random."""

_ROOM = 0.3
"""The same while they are placed one by one, as in :func:`polyrve.microstructure.laguerre.laguerre_tessellation`."""

_PUSHES: dict[Order, int] = {"packed": 15, "relaxed": 15, "placed": 0, "random": 3}
_LISTED_FOR = 8
"""Steps in which spheres push each other, and steps for which a list of near ones holds.

More steps make cells rounder: their sections have a mean aspect ratio of 1.70 without, 1.46 with 5, 1.36 with 15.
"""

_NEAR = 1.3
"""Sums of radii within which spheres are listed as near."""

_CORRECTIONS, _DAMPING = 3, 0.8
"""Corrections of the weights, and their share of what isolated spheres would need.

Afterwards diameters differ from the wanted ones by some per cent, their distribution by less.
"""

_SAMPLES = 16
"""Points per cell that measure its volume, moved at random at each correction; time grows with them."""

_SMALLEST = 0.1
"""Smallest diameter over the mean one; a normal distribution would else go below 0."""

_FAR = 1.3
"""Distance, in cubic roots of the volume per centre, within which periodic images of centres are looked at first."""

_AT_ONCE = 2**17
"""Points that are looked up at once, so that memory stays small."""


@dataclass(frozen=True)
class CellSizes:
    """A distribution of the diameters of cells: of the spheres of their volumes.

    Attributes
    ----------
    spread : float
        Standard deviation of the diameters of a kind over their mean, or of their logarithm.
    lognormal : bool
        Whether the logarithms of the diameters are distributed normally, as after recrystallisation; else the diameters
        are, with more small and fewer large ones, as in normal grain growth.
    kinds : tuple of (float, float)
        Share by number and relative mean diameter of each kind of cells, such as those of a phase.

    Examples
    --------
    >>> CellSizes(0.3).diameters(5)[0].round(2).tolist()
    [1.33, 1.06, 0.91, 0.77, 0.62]
    """

    spread: float
    lognormal: bool = True
    kinds: tuple[tuple[float, float], ...] = ((1.0, 1.0),)

    def diameters(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return diameters at equal steps of probability, descending, so that a few have the whole distribution.

        Each kind that has a cell has its share of the volume, however few they are.

        Parameters
        ----------
        number : int

        Returns
        -------
        diameters : ndarray, shape (number,)
            Their mean cube is 1.
        kinds : ndarray, shape (number,), int
            0 ... number of kinds - 1.
        """
        share, size = np.array(self.kinds).T
        wanted = share / share.sum() * number
        volume = wanted * size**3
        counts = np.maximum(np.round(wanted), 2.0 * volume >= volume.sum() / number).astype(int)
        while counts.sum() > number:
            counts[np.lexsort((volume, -counts))[0]] -= 1
        counts[np.argmax(counts)] += number - counts.sum()
        parts = []
        for count, of_kind in zip(counts, volume, strict=True):
            standard = ndtri((np.arange(count) + 0.5) / max(count, 1))
            relative = np.exp(self.spread * standard) if self.lognormal else 1.0 + self.spread * standard
            relative = np.maximum(relative, _SMALLEST)
            parts.append(relative * np.cbrt(of_kind / max(float(np.sum(relative**3)), _SMALLEST)))
        found, kinds = np.concatenate(parts), np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        order = np.argsort(-found, kind="stable")
        return found[order] / np.cbrt(np.mean(found**3)), kinds[order]


def sized_tessellation(
    extent: Sequence[float], lengths: Sequence[float], sizes: CellSizes, rng: np.random.Generator, *, order: Order
) -> Tessellation:
    """Draw Laguerre cells whose volumes have a given distribution.

    Parameters
    ----------
    extent : sequence of float, um
        Of the periodic box along z, y, x.
    lengths : sequence of float, um
        Of the cells along z, y, x: of the ellipsoid that has the mean cell volume.
    sizes : CellSizes
    rng : numpy.random.Generator
    order : {"packed", "relaxed", "placed", "random"}
        How regularly the centres lie.

    Returns
    -------
    Tessellation

    See Also
    --------
    polyrve.microstructure.laguerre.laguerre_tessellation : Cells by the radii of spheres, with volumes more alike.

    Examples
    --------
    >>> from polyrve.microstructure.laguerre import voxel_centres
    >>> rng = np.random.default_rng(0)
    >>> made = sized_tessellation((8.0, 9.0, 10.0), (4.0, 4.0, 4.0), CellSizes(0.4), rng, order="packed")
    >>> made.cells(voxel_centres((8, 9, 10), (1.0, 1.0, 1.0))).shape
    (8, 9, 10)
    """
    size = np.cbrt(np.prod(lengths))
    stretch = np.array(lengths) / size
    box = np.array(extent) / stretch
    number = max(1, round(float(np.prod(box)) / (np.pi / 6.0 * size**3)))
    diameters, kinds = sizes.diameters(number)
    volumes = diameters**3 * np.prod(box) / number
    radii = np.cbrt(3.0 / (4.0 * np.pi) * volumes)
    centres = pack(radii * np.cbrt(_ROOM), box, rng) if order in ("packed", "placed") else rng.random((number, 3)) * box
    centres = _pushed_apart(centres, radii * np.cbrt(_FILLED), box, _PUSHES[order])
    return _weighted(centres, volumes, box, stretch, kinds, rng)


def _weighted(
    centres: np.ndarray, volumes: np.ndarray, box: np.ndarray, stretch: np.ndarray, kinds: np.ndarray,
    rng: np.random.Generator,
) -> Tessellation:  # fmt: skip
    """Weigh centres until their cells have some volumes."""
    number, radii = len(volumes), np.cbrt(3.0 / (4.0 * np.pi) * volumes)
    squares = radii**2
    sides = np.maximum(np.round(np.cbrt(_SAMPLES * number / np.prod(box)) * box), 1).astype(int)
    points = (np.indices(sides).reshape(3, -1).T + 0.5) * box / sides
    for _ in range(_CORRECTIONS):
        nearest = _cells(centres, squares, box, (points + rng.random(3) * box) % box)
        found = np.bincount(nearest, minlength=number) * (np.prod(box) / len(points))
        squares = squares + _DAMPING * (volumes - found) / (np.pi * radii)
    descending = np.argsort(-squares, kind="stable")
    weights = np.sqrt(squares - squares.min())
    return Tessellation(centres[descending], weights[descending], box, stretch, kinds[descending])


def graded_tessellation(
    extent: Sequence[float],
    axis: int,
    sizes_along: np.ndarray,
    sizes: CellSizes,
    rng: np.random.Generator,
    *,
    order: Order,
) -> Tessellation:
    """Draw Laguerre cells whose mean size changes along one axis.

    Parameters
    ----------
    extent : sequence of float, um
        Of the periodic box along z, y, x.
    axis : int
        Array axis along which sizes change.
    sizes_along : ndarray, shape (n,), um
        Diameters of the sphere of the mean cell volume at the middles of n equal parts of the axis.
    sizes : CellSizes
        Distribution of the diameters relative to the mean ones.
    rng : numpy.random.Generator
    order : {"packed", "relaxed", "placed", "random"}
        How regularly the centres lie; "packed" counts as "relaxed" and "placed" as "random", as roomy places depend on
        the size.

    Returns
    -------
    Tessellation
        Its cells are not stretched.

    See Also
    --------
    sized_tessellation : Cells of one mean size.
    """
    box = np.array(extent, dtype=float)
    part = box[axis] / len(sizes_along)
    per_part = np.prod(box) / box[axis] * part / (np.pi / 6.0 * sizes_along**3)
    number = max(1, round(float(per_part.sum())))
    relative, kinds = sizes.diameters(number)
    mixed = rng.permutation(number)
    relative, kinds = relative[mixed], kinds[mixed]
    cumulated = np.append(0.0, np.cumsum(per_part))
    centres = rng.random((number, 3)) * box
    shares = (np.arange(number) + rng.random(number)) * cumulated[-1] / number
    centres[:, axis] = np.interp(shares, cumulated, np.arange(len(cumulated)) * part)
    middles = (np.arange(len(sizes_along)) + 0.5) * part

    def volumes_at(places: np.ndarray) -> np.ndarray:
        volumes = (relative * np.interp(places, middles, sizes_along)) ** 3
        return np.asarray(volumes * np.prod(box) / volumes.sum())

    radii = np.cbrt(3.0 / (4.0 * np.pi) * volumes_at(centres[:, axis]))
    descending = np.argsort(-radii, kind="stable")
    centres, radii = centres[descending], radii[descending]
    relative, kinds = relative[descending], kinds[descending]
    steps = _PUSHES["relaxed"] if order in ("packed", "relaxed") else _PUSHES["random"]
    centres = _pushed_apart(centres, radii * np.cbrt(_FILLED), box, steps)
    return _weighted(centres, volumes_at(centres[:, axis]), box, np.ones(3), kinds, rng)


def _pushed_apart(centres: np.ndarray, radii: np.ndarray, box: np.ndarray, steps: int) -> np.ndarray:
    """Move spheres that overlap along the line of their centres, large ones less; radii descend."""
    centres = centres.copy()
    for step in range(steps):
        if step % _LISTED_FOR == 0:
            first, second = _near(centres, radii, box)
            total = radii[first] + radii[second]
            share = radii[second] ** 2 / (radii[first] ** 2 + radii[second] ** 2)
        apart = centres[first] - centres[second]
        apart -= box * np.round(apart / box)
        distance = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        push = 0.5 * np.maximum(total - distance, 0.0) / np.maximum(distance, 1e-9 * radii[0])
        for axis in range(3):
            along = push * apart[:, axis]
            centres[:, axis] += np.bincount(first, share * along, len(radii))
            centres[:, axis] -= np.bincount(second, (1.0 - share) * along, len(radii))
    return np.asarray(centres % box)


def _near(centres: np.ndarray, radii: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """List each pair of spheres that nearly touch, the larger first; spheres of one octave of radii at a time."""
    firsts, seconds, begin = [], [], 0
    inside = np.minimum(centres % box, np.nextafter(box, 0.0))
    while begin < len(radii):
        end = int(np.searchsorted(-radii, -radii[begin] / 2.0, side="right"))
        large = cKDTree(inside[begin:end], boxsize=box)
        pairs = large.sparse_distance_matrix(
            cKDTree(inside[begin:], boxsize=box), 2.0 * _NEAR * radii[begin], output_type="ndarray"
        )
        first, second = pairs["i"] + begin, pairs["j"] + begin
        kept = (first < second) & (pairs["v"] < _NEAR * (radii[first] + radii[second]))
        order = np.lexsort((second[kept], first[kept]))
        firsts.append(first[kept][order])
        seconds.append(second[kept][order])
        begin = end
    return np.concatenate(firsts), np.concatenate(seconds)


def _cells(centres: np.ndarray, squares: np.ndarray, box: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Find the cell of each point inside the box, shape (n, 3), as :class:`Tessellation` does."""
    fourth = np.sqrt(squares.max() - squares)
    shifts = np.array(list(itertools.product((-1, 0, 1), repeat=3))) * box
    images = (centres + shifts[:, None]).reshape(-1, 3)
    fourth, cell = np.tile(fourth, len(shifts)), np.tile(np.arange(len(centres)), len(shifts))
    reach = np.hypot(np.sqrt(np.ptp(squares)), _FAR * np.cbrt(np.prod(box) / len(centres)))
    for far in (reach, np.inf):
        kept = ((images >= -far) & (images <= box + far)).all(axis=1)
        tree = cKDTree(np.column_stack([images[kept], fourth[kept]]), balanced_tree=False, compact_nodes=False)
        parts = np.array_split(points, -(-len(points) // _AT_ONCE))
        found = [tree.query(np.column_stack([p, np.zeros(len(p))]), workers=processors.count()) for p in parts]
        if max(distance.max() for distance, _ in found) <= far:
            break
    return cell[kept][np.concatenate([index for _, index in found])]
