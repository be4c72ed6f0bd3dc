"""Laguerre tessellations of a periodic box: convex cells of a given length along each axis and spread of sizes.

References
----------
F. Aurenhammer, SIAM J. Comput. 16 (1987) 78, doi:10.1137/0216006 (power diagrams);
A. Lyckegaard et al., Adv. Eng. Mater. 13 (2011) 165, doi:10.1002/adem.201000258 (Laguerre cells as grains).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from polyrve.backend import processors
from polyrve.microstructure.axes import in_plane

_CANDIDATES = 20
"""Random positions, the roomiest of which a sphere takes: with 1 the centres are independent, with more they keep away
from each other and cells become more alike in size; time grows in proportion.
"""

_PACKING = 0.3
"""Volume of the spheres over that of the box, which sets how much radii weigh against distances.

Dense enough that large spheres have large cells, loose enough that random positions still leave gaps (random sequential
addition jams at 0.38); towards 0 the cells become those of Voronoi.
"""

_FAR, _REACH, _MOST_BRICKS = 1.2, 0.9, 16
"""Distances, in cubic roots of the volume per centre, within which centres are looked for first, and bricks per side.

They decide about time alone: where a nearest centre may lie farther away, all are looked at.
"""


@dataclass(frozen=True, eq=False)
class Tessellation:
    """Laguerre cells of a periodic box, equiaxed once the box is shrunk along the elongation.

    Made by :func:`laguerre_tessellation`.

    With a fourth coordinate sqrt(max(r^2) - r_i^2) the power distance |x - c_i|^2 - r_i^2 is, up to a constant, a
    squared Euclidean distance: the cell of a point is its nearest neighbour among the centres, periodic in three
    coordinates. For points of one plane the fourth and the offset from the plane are one coordinate.

    Attributes
    ----------
    centres : ndarray, shape (N, 3), um
        (z, y, x) in the shrunk box.
    radii : ndarray, shape (N,), um
        Descending.
    box : ndarray, shape (3,), um
        Lengths of the shrunk box.
    stretch : ndarray, shape (3,)
        From the shrunk box to the real one; product 1.
    kinds : ndarray, shape (N,), int, or None
        Kind of each cell where they are of several, as in :class:`polyrve.microstructure.sized_cells.CellSizes`.
    """

    centres: np.ndarray
    radii: np.ndarray
    box: np.ndarray
    stretch: np.ndarray
    kinds: np.ndarray | None = None

    def cells(self, coordinates: Sequence[np.ndarray]) -> np.ndarray:
        """Find the cell of each point of a rectangular grid.

        Parameters
        ----------
        coordinates : sequence of three ndarray, um
            Of the points along z, y and x.

        Returns
        -------
        ndarray, shape (nz, ny, nx), int
            0 ... N - 1.
        """
        axes = [values / s % period for values, s, period in zip(coordinates, self.stretch, self.box, strict=True)]
        normal = int(np.argmin([len(values) for values in axes]))
        plane = np.stack(np.meshgrid(*axes[:normal], *axes[normal + 1 :], [0.0], indexing="ij"), axis=-1)
        with ThreadPoolExecutor(processors.count()) as pool:
            cells = list(pool.map(lambda height: self._cut(normal, height, plane.reshape(-1, 3)), axes[normal]))
        return np.stack([values.reshape(plane.shape[:2]) for values in cells], axis=normal)

    def labels(self, shape: Sequence[int], spacing: Sequence[float]) -> np.ndarray:
        """Find the cell of each voxel of a volume in compiled bricks, which pays for large ones.

        Parameters
        ----------
        shape : sequence of int
            (nz, ny, nx).
        spacing : sequence of float, um

        Returns
        -------
        ndarray, shape (nz, ny, nx), uint32
            As :meth:`cells`, but for ties.
        """
        from polyrve.microstructure.cell_kernels import BRICK, nearest_cells

        box = np.ascontiguousarray(self.box, dtype=np.float64)
        size = np.cbrt(np.prod(box) / len(self.radii))
        sides = np.maximum(np.round(box / size), 1).astype(np.int64)
        centres = np.ascontiguousarray(self.centres % box)
        at = np.minimum(centres / (box / sides), sides - 1).astype(np.int64)
        flat = (at[:, 0] * sides[1] + at[:, 1]) * sides[2] + at[:, 2]
        members = np.argsort(flat, kind="stable").astype(np.int64)
        begin = np.searchsorted(flat[members], np.arange(np.prod(sides) + 1)).astype(np.int64)
        centred = voxel_centres(shape, spacing)
        z, y, x = (values / s % period for values, s, period in zip(centred, self.stretch, box, strict=True))
        found = np.empty(tuple(shape), dtype=np.uint32)

        def slab(first: int) -> None:
            part = slice(first, first + BRICK)
            nearest_cells(centres, self.radii**2, box, sides, begin, members, z[part].copy(), y, x, found[part])

        with ThreadPoolExecutor(processors.count()) as pool:
            list(pool.map(slab, range(0, shape[0], BRICK)))
        return found

    def _cut(self, normal: int, height: float, points: np.ndarray) -> np.ndarray:
        """Find the cells of points of a plane, shape (n, 3), third coordinate 0; far centres are left out at first."""
        across = list(in_plane(normal))
        offset = np.abs(height - self.centres[:, normal]) % self.box[normal]
        offset = np.minimum(offset, self.box[normal] - offset)
        third = np.sqrt(offset**2 + self.radii[0] ** 2 - self.radii**2)
        shifts = np.array([(i, j, 0) for i in (-1, 0, 1) for j in (-1, 0, 1)]) * [*self.box[across], 0.0]
        images = np.array([*self.centres[:, across].T, third])[:, None] + shifts.T[:, :, None]
        images = images.reshape(3, -1)
        low, high = points.min(axis=0)[:, None], points.max(axis=0)[:, None]
        farthest = np.hypot(self.radii[0], _FAR * np.cbrt(np.prod(self.box) / len(self.radii)))
        for reach in (farthest, 1.5 * farthest, np.inf):
            kept = np.flatnonzero(((images >= low - reach) & (images <= high + reach)).all(axis=0))
            distance, nearest = cKDTree(images[:, kept].T, balanced_tree=False, compact_nodes=False).query(points)
            if distance.max() <= reach:
                break
        return kept[nearest] % len(third)


def laguerre_tessellation(
    extent: Sequence[float],
    lengths: Sequence[float],
    size_spread: float,
    rng: np.random.Generator,
    *,
    regular: bool = True,
) -> Tessellation:
    """Draw Laguerre cells that fill a periodic box.

    Parameters
    ----------
    extent : sequence of float, um
        Of the box along z, y, x.
    lengths : sequence of float, um
        Of the cells along z, y, x: of the ellipsoid that has the mean cell volume.
    size_spread : float
        Standard deviation of the logarithm of the radii that weigh the cells; 0 for a Voronoi tessellation.
    rng : numpy.random.Generator
    regular : bool
        Whether centres keep away from each other; if not, they are independent of each other.

    Returns
    -------
    Tessellation

    Examples
    --------
    >>> made = laguerre_tessellation((8.0, 9.0, 10.0), (4.0, 4.0, 4.0), 0.3, np.random.default_rng(0))
    >>> len(made.radii), made.cells(voxel_centres((8, 9, 10), (1.0, 1.0, 1.0))).shape
    (21, (8, 9, 10))
    """
    size = np.cbrt(np.prod(lengths))
    stretch = np.array(lengths) / size
    box = np.array(extent) / stretch
    number = max(1, round(float(np.prod(box)) / (np.pi / 6.0 * size**3)))
    radii = np.sort(rng.lognormal(0.0, size_spread, number))[::-1]
    radii *= (_PACKING * np.prod(box) / (4.0 / 3.0 * np.pi * np.sum(radii**3))) ** (1.0 / 3.0)
    centres = pack(radii, box, rng) if regular else rng.random((number, 3)) * box
    return Tessellation(centres, radii, box, stretch)


def pack(radii: np.ndarray, box: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Place spheres in a periodic box, each at the roomiest of some random positions, large ones first.

    Bricks of the box list the spheres whose surfaces may lie within reach of points in them. Smaller gaps than the
    reach are found among these; where the roomiest position has a larger one, all spheres are looked at.

    Parameters
    ----------
    radii : ndarray, shape (N,), um
        Descending.
    box : ndarray, shape (3,), um
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (N, 3), um
    """
    number = len(radii)
    candidates = rng.random((number, _CANDIDATES, 3)) * box
    length = np.cbrt(np.prod(box) / number)
    bricks = np.clip(np.round(box / length), 1, _MOST_BRICKS).astype(int)
    side, ends = box / bricks, np.cumsum(bricks)
    middles = np.concatenate([(np.arange(n) + 0.5) * step for n, step in zip(bricks, side, strict=True)])
    periods, halves = np.repeat(box, bricks), np.repeat(side / 2.0, bricks)
    brick = np.minimum(candidates / side, bricks - 1).astype(int) @ [bricks[1] * bricks[2], bricks[2], 1]
    candidates = np.moveaxis(candidates, -1, 1)[..., None].copy()
    reach = _REACH * length

    centres, sizes = np.zeros((3, 1, number + 1)), np.append(radii, -np.inf)
    listed, count, longest = np.full((np.prod(bricks), 8), number), np.zeros(np.prod(bricks), dtype=int), 0
    for i, radius in enumerate(radii):
        near = listed[brick[i], :longest]
        gap = _gaps(candidates[i], centres[:, 0, near], sizes[near], box)
        if gap.max() > reach:
            gap = _gaps(candidates[i], centres[:, :, :i], radii[:i], box)
        centres[:, 0, i] = candidates[i, :, np.argmax(gap), 0]
        apart = np.abs(middles - np.repeat(centres[:, 0, i], bricks))
        apart = np.maximum(np.minimum(apart, periods - apart) - halves, 0.0) ** 2
        z, y, x = apart[: ends[0], None, None], apart[ends[0] : ends[1], None], apart[ends[1] :]
        around = np.flatnonzero(z + y + x < (radius + reach) ** 2)
        last = count[around]
        longest = max(longest, int(last.max()) + 1)
        if longest > listed.shape[1]:
            listed = np.append(listed, np.full_like(listed, number), axis=1)
        listed[around, last] = i
        count[around] += 1
    return centres[:, 0, :number].T.copy()


def _gaps(points: np.ndarray, centres: np.ndarray, radii: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Measure the distances of n points, shape (3, n, 1), from the nearest of spheres, centres (3, n or 1, m)."""
    distance = np.abs(points - centres)
    np.minimum(distance, box[:, None, None] - distance, out=distance)
    z, y, x = distance * distance
    return (np.sqrt(z + y + x) - radii).min(axis=1, initial=np.inf)


def voxel_centres(shape: Sequence[int], spacing: Sequence[float]) -> list[np.ndarray]:
    """Return the coordinates of the voxels of a box along each axis, um."""
    return [(np.arange(n) + 0.5) * step for n, step in zip(shape, spacing, strict=True)]
