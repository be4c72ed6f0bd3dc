"""Cells and noise of large volumes, point by point; compiled by Numba, which is slow to load.

What is random at a point follows from a seed and from its place, so that any part of a volume can be drawn alone.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from polyrve.backend.compilation import compiled

BRICK = 8
"""Points along each side of the bricks that share a list of cells: longer lists for larger ones, more lists for smaller
ones; measured with cells of 8 to 12 points across."""


@compiled("u8(u8)")
def mixed(number: Any) -> Any:
    """Return 64 bits that tell nothing of the number but that it is the same (splitmix64, D. Lea et al. 2014)."""
    number = number + np.uint64(0x9E3779B97F4A7C15)
    number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    number = (number ^ (number >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return number ^ (number >> np.uint64(31))


@compiled("void(u8, i8[::1], i8[::1], i8[::1], i8[::1], f4[:, :, :, :])")
def white_noise(seed: Any, shape: Any, z: Any, y: Any, x: Any, values: Any) -> Any:
    """Write three independent numbers of mean 0 and variance 1 for each point of a lattice that is asked for.

    Each is a sum of four whole numbers of 16 bits. What is filtered from them is as Gaussian as if they were: sums of
    four have an excess kurtosis of -0.3, and a filter adds up dozens of them.

    Parameters
    ----------
    seed : of all points
    shape : (3,), of the lattice
    z, y, x : indices of the points along each axis
    values : (3, len(z), len(y), len(x)), what is written
    """
    middle = np.float32(2.0 * 65535.0)
    scale = np.float32(1.0 / math.sqrt((65536.0**2 - 1.0) / 3.0))
    low = np.uint64(0xFFFF)
    for i in range(len(z)):
        for j in range(len(y)):
            row = seed + np.uint64(3) * np.uint64((z[i] * shape[1] + y[j]) * shape[2])
            for k in range(len(x)):
                for c in range(3):
                    bits = mixed(row + np.uint64(3 * x[k] + c))
                    whole = (bits & low) + ((bits >> np.uint64(16)) & low) + ((bits >> np.uint64(32)) & low)
                    values[c, i, j, k] = (np.float32(whole + (bits >> np.uint64(48))) - middle) * scale


@compiled("void(f8[:, ::1], f8[::1], f8[::1], i8[::1], i8[::1], i8[::1], f8[::1], f8[::1], f8[::1], u4[:, :, ::1])")
def nearest_cells(
    centres: Any, squares: Any, box: Any, sides: Any, begin: Any, members: Any, z: Any, y: Any, x: Any, cells: Any
) -> Any:
    """Write the cell of each point of a grid: the centre whose power distance is least, periodic.

    Parameters
    ----------
    centres : (N, 3), in the box
    squares : (N,), of the radii
    box : (3,), periods
    sides : (3,), numbers of bins that the box is cut into
    begin, members : centres in bin b, in flat order: members[begin[b]:begin[b + 1]]
    z, y, x : coordinates along each axis, in the box
    cells : (len(z), len(y), len(x)), what is written
    """
    number, largest = len(squares), squares.max()
    list_of, lower = np.empty(number, np.int64), np.empty(number)
    middle, half, first, count = np.empty(3), np.empty(3), np.empty(3, np.int64), np.empty(3, np.int64)
    for z0 in range(0, len(z), BRICK):
        z1 = min(z0 + BRICK, len(z))
        for y0 in range(0, len(y), BRICK):
            y1 = min(y0 + BRICK, len(y))
            for x0 in range(0, len(x), BRICK):
                x1 = min(x0 + BRICK, len(x))
                middle[0], half[0] = (z[z0:z1].max() + z[z0:z1].min()) / 2.0, (z[z0:z1].max() - z[z0:z1].min()) / 2.0
                middle[1], half[1] = (y[y0:y1].max() + y[y0:y1].min()) / 2.0, (y[y0:y1].max() - y[y0:y1].min()) / 2.0
                middle[2], half[2] = (x[x0:x1].max() + x[x0:x1].min()) / 2.0, (x[x0:x1].max() - x[x0:x1].min()) / 2.0
                around = math.sqrt(half[0] ** 2 + half[1] ** 2 + half[2] ** 2)
                bound, reach, found = np.inf, 0.0, 0
                ring = 0
                while True:
                    for a in range(3):
                        size = box[a] / sides[a]
                        if bound == np.inf:
                            low, high = int(middle[a] / size) - ring, int(middle[a] / size) + ring
                        else:
                            low = math.floor((middle[a] - reach) / size)
                            high = math.floor((middle[a] + reach) / size)
                        first[a], count[a] = low, min(high - low + 1, sides[a])
                    last = bound < np.inf
                    found = 0
                    for i in range(count[0]):
                        bz = ((first[0] + i) % sides[0]) * sides[1]
                        for j in range(count[1]):
                            by = (bz + (first[1] + j) % sides[1]) * sides[2]
                            for k in range(count[2]):
                                b = by + (first[2] + k) % sides[2]
                                for m in range(begin[b], begin[b + 1]):
                                    c = members[m]
                                    square = 0.0
                                    for a in range(3):
                                        apart = abs(middle[a] - centres[c, a])
                                        apart = min(apart, box[a] - apart)
                                        square += apart * apart
                                    distance = math.sqrt(square)
                                    if last:
                                        near = max(distance - around, 0.0)
                                        near = near * near - squares[c]
                                        if near <= bound:
                                            list_of[found], lower[found] = c, near
                                            found += 1
                                    else:
                                        found += 1
                                        bound = min(bound, (distance + around) ** 2 - squares[c])
                    if last:
                        break
                    if found:
                        reach = math.sqrt(max(bound + largest, 0.0)) + around
                    ring += 1
                for i in range(z0, z1):
                    for j in range(y0, y1):
                        for k in range(x0, x1):
                            best, nearest = np.inf, np.int64(0)
                            for m in range(found):
                                c = list_of[m]
                                if lower[m] > best:
                                    continue
                                dz, dy, dx = (
                                    abs(z[i] - centres[c, 0]),
                                    abs(y[j] - centres[c, 1]),
                                    abs(x[k] - centres[c, 2]),
                                )
                                dz, dy, dx = min(dz, box[0] - dz), min(dy, box[1] - dy), min(dx, box[2] - dx)
                                power = dz * dz + dy * dy + dx * dx - squares[c]
                                if power < best:
                                    best, nearest = power, c
                            cells[i, j, k] = nearest


@compiled("void(u4[:, :, ::1], u8, i8, i8, i8, i8)")
def round_colour(labels: Any, seed: Any, colour: Any, first: Any, last: Any, least: Any) -> Any:
    """Let voxels of one of eight colours take the label of a neighbour if unlike pairs become fewer; in place.

    Voxels of a colour are no neighbours, but across the faces of odd sides.

    Parameters
    ----------
    labels : (nz, ny, nx), of a volume that repeats across its faces
    seed : of the neighbours that are proposed
    colour : 0 ... 7: whether z, y and x are odd
    first, last : rows along z
    least : unlike pairs of 26 that must be saved
    """
    nz, ny, nx = labels.shape
    around = np.empty(27, np.uint32)
    for z in range(first + (first % 2 != colour // 4), last, 2):
        for y in range((colour // 2) % 2, ny, 2):
            for x in range(colour % 2, nx, 2):
                own, unlike, n = labels[z, y, x], False, 0
                for i in range(-1, 2):
                    zi = (z + i + nz) % nz
                    for j in range(-1, 2):
                        yj = (y + j + ny) % ny
                        for k in range(-1, 2):
                            other = labels[zi, yj, (x + k + nx) % nx]
                            around[n] = other
                            unlike |= other != own
                            n += 1
                if not unlike:
                    continue
                drawn = mixed(seed ^ mixed(np.uint64((z * ny + y) * nx + x))) % np.uint64(26)
                chosen = np.int64(drawn)
                proposed = around[chosen + (chosen >= 13)]
                if proposed == own:
                    continue
                saved = 0
                for n in range(27):
                    if n != 13:
                        saved += (around[n] == proposed) - np.int64(around[n] == own)
                if saved >= least:
                    labels[z, y, x] = proposed
