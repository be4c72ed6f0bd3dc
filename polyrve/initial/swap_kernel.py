"""Single swaps of pixels, one after the other, each by its exact change of energy; compiled by Numba.

Values around a voxel are gathered by channel, so that each channel of all neighbours is computed at once. Import it
when swaps begin: Numba takes long to load.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from polyrve.backend.compilation import compiled


@njit
def _square(one, i, other, j):
    """Return the squared distance of two rows."""
    square = np.float32(0.0)
    for c in range(one.shape[1]):
        square += (one[i, c] - other[j, c]) ** 2
    return square


@njit(fastmath={"reassoc", "contract"})
def _of_squares(change, slope, curvature):
    """Return the change of a weighted sum of squares."""
    total = 0.0
    for i in range(len(change)):
        total += (slope[i] + curvature[i] * change[i]) * change[i]
    return total


@njit(fastmath={"reassoc", "contract"})
def _length(vector):
    square = 0.0
    for value in vector:
        square += value * value
    return np.sqrt(square)


@njit(fastmath={"reassoc", "contract"})
def _stepped(slope, curvature, change, totals):
    """Move a slope, per channel and step, by changes of what is squared; write twice its absolute sums per channel."""
    for c in range(len(slope)):
        total = 0.0
        for s in range(slope.shape[1]):
            slope[c, s] += 2.0 * curvature[c, s] * change[c, s]
            total += abs(slope[c, s])
        totals[c] = 2.0 * total


@njit
def _gather(values, rows, z, y, x, voxels, around):
    """Write the voxels at steps ahead, then behind, across the faces, and their values by channel."""
    for k in range(len(voxels)):
        voxels[k] = rows[0, z, k] + rows[1, y, k] + rows[2, x, k]
    for k in range(len(voxels)):
        voxel = voxels[k]
        for c in range(len(around)):
            around[c, k] = values[voxel, c]


@njit
def _classes(one, i, around, class_of_step, per_step, squares, classes):
    """Write the squared distances of the values around from a row, and their classes."""
    squares[:] = np.float32(0.0)
    for c in range(len(around)):
        own, row = one[i, c], around[c]
        for k in range(len(squares)):
            squares[k] += (own - row[k]) * (own - row[k])
    last = np.float32(len(class_of_step) - 1)
    for k in range(len(squares)):
        classes[k] = np.int32(min(np.sqrt(squares[k]) * per_step, last))
    for k in range(len(squares)):
        classes[k] = class_of_step[classes[k]]


@njit
def _differences(new, i, old, j, around, change):
    """Write the change of the absolute differences per channel and step."""
    number = change.shape[1]
    for c in range(len(around)):
        after, before, row, out = new[i, c], old[j, c], around[c], change[c]
        for s in range(number):
            out[s] = abs(after - row[s]) - abs(before - row[s])
        for s in range(number):
            out[s] += abs(after - row[number + s]) - abs(before - row[number + s])


@njit
def _recounted(counts, slope, curvature, row, k, by):
    """Change a count by one up or down, and return the change of the energy."""
    change = by * slope[row, k] + curvature[row, k]
    counts[row, k] += by
    slope[row, k] += 2.0 * by * curvature[row, k]
    return change


@njit
def _first_order(new, old, slope):
    """Return the change of the energy by other classes of the pairs around, to first order: it is no less."""
    total = 0.0
    for side in range(2):
        for s in range(len(slope)):
            k = side * len(slope) + s
            total += slope[s, new[k]] - slope[s, old[k]]
    return total


@njit
def _reclassed(new, old, counts, slope, curvature):
    """Count other classes of the pairs around a voxel, and return the change of the energy."""
    total = 0.0
    for k in range(len(new)):
        if new[k] != old[k]:
            total += _recounted(counts, slope, curvature, k % len(counts), new[k], 1)
            total += _recounted(counts, slope, curvature, k % len(counts), old[k], -1)
    return total


@njit
def _turned(new, old, alike, voxel, near, crosses, own, counts, slope, curvature, make):
    """Return the change of the energy by other like neighbours; to first order, or make it."""
    total = 0.0
    for p in range(len(own)):
        mine = own[p, voxel]
        for side in crosses[p]:
            if side >= 0 and (new[side] < alike) != (old[side] < alike):
                by = 1 if new[side] < alike else -1
                count = own[p, near[side]]
                if make:
                    total += _recounted(counts, slope, curvature, p, count + by, 1)
                    total += _recounted(counts, slope, curvature, p, count, -1)
                    own[p, near[side]] += by
                else:
                    total += slope[p, count + by] - slope[p, count]
                mine += by
        count = own[p, voxel]
        if make and mine != count:
            total += _recounted(counts, slope, curvature, p, mine, 1)
            total += _recounted(counts, slope, curvature, p, count, -1)
            own[p, voxel] = mine
        else:
            total += slope[p, mine] - slope[p, count]
    return total


@njit
def _proposal(neighbour, row_step, column_step, channels, indexed, planes, alike):
    """Return the pixel at a step from a neighbour's, or the neighbour's where that lies in another grain."""
    for p in range(len(planes)):
        first, rows, columns = planes[p]
        if first <= neighbour < first + rows * columns:
            row = min(max((neighbour - first) // columns + row_step, 0), rows - 1)
            column = min(max((neighbour - first) % columns + column_step, 0), columns - 1)
            pixel = first + row * columns + column
            return pixel if indexed[pixel] and _square(channels, pixel, channels, neighbour) <= alike else neighbour
    return neighbour


@compiled(
    "void(i8[::1], f4[:, ::1], i4[:, :, ::1], f8[:, ::1], i4[:, :, ::1], i8[:, ::1], i4[::1], f4, i4[:, ::1],"
    "i1[:, ::1], i8[:, ::1], f4)"
)
def measure(shape, values, far, differences, near, classes, class_of_step, per_step, crosses, own, likes, alike):
    """Add the absolute differences of all pairs at the far steps; count classes at the near ones, and like neighbours.

    Arguments as for :func:`swap`; sums are added to what they hold.
    """
    width, voxel = values.shape[1], 0
    voxels_far, around_far = np.empty(far.shape[2], dtype=np.int32), np.empty((width, far.shape[2]), dtype=np.float32)
    voxels_near, around_near = np.empty(near.shape[2], np.int32), np.empty((width, near.shape[2]), np.float32)
    squares, found = np.empty(near.shape[2], dtype=np.float32), np.empty(near.shape[2], dtype=np.int32)
    for z in range(shape[0]):
        for y in range(shape[1]):
            for x in range(shape[2]):
                _gather(values, far, z, y, x, voxels_far, around_far)
                for c in range(width):
                    for s in range(differences.shape[1]):
                        differences[c, s] += abs(values[voxel, c] - around_far[c, s])
                _gather(values, near, z, y, x, voxels_near, around_near)
                _classes(values, voxel, around_near, class_of_step, per_step, squares, found)
                for s in range(len(classes)):
                    classes[s, found[s]] += 1
                for p in range(len(crosses)):
                    count = 0
                    for side in crosses[p]:
                        count += side < 0 or squares[side] < alike
                    own[p, voxel] = count
                    likes[p, count] += 1
                voxel += 1


@compiled(
    "i8(i8[::1], i8[::1], i4[::1], i8[:, ::1], i8[::1], i8[::1], f4[:, ::1], f4[:, ::1], f4[:, ::1], f8[::1], b1[::1],"
    "i8[:, ::1], i4[:, :, ::1], f8[:, ::1], f8[:, ::1], f8[:, ::1], i4[:, :, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1],"
    "i4[::1], f4, i4[:, ::1], i1[:, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], f8[::1], f8, f4, f8)"
)
def swap(
    shape, voxels, sides, moves, drawn, pixels, values, channels, texture, lengths, indexed,
    planes, far, differences, wanted_differences, weights_differences, near, classes, wanted_classes, weights_classes,
    class_of_step, per_step, crosses, own, likes, wanted_likes, weights_likes, textures, wanted_texture, weight_texture,
    alike, hope,
):  # fmt: skip
    """Try a swap of each of some voxels, and make those that lower the energy; return how many.

    The energy is the sum of weighted squares of what sums over the volume, divided by its size, differ from those
    wanted by. What a swap changes at the near steps is found first, to first order, which is no more than all of it;
    the rest is found where it can be hoped to make up for that.

    Parameters
    ----------
    shape : (nz, ny, nx)
    voxels : (B,), in the order in which they are tried
    sides : (B,), the near step that leads to a neighbour; moves : (B, 2), rows and columns from its pixel in the map
    drawn : (B,), a pixel in place of such a one, or -1
    pixels : (N,); values : (N, C), of their channels; both follow the swaps
    channels : (P, C); texture : (P, T); lengths : (P,), of the latter; indexed : (P,)
    planes : (planes, 3), first pixel, rows and columns of a map
    far : (3, n, 2 S), for the coordinates along each axis, parts of the voxels S steps ahead, then behind
    differences : (C, S), sums, wanted ones and weights
    near : the same for s steps; classes : (s, K), counts, wanted shares and weights
    class_of_step : (D,), class by distance, in steps; per_step : how many of them are one unit of distance
    crosses : (A, 4), the near steps to the four neighbours in planes normal to an axis, -1 where that is the voxel
    own : (A, N), like neighbours of each voxel; likes : (A, 5), counts, wanted shares and weights
    textures : (T,), sums, wanted ones and their weight
    alike : square of the distance below which neighbours are alike
    hope : share of the largest changes of differences and texture that is hoped for; with 1 no swap is missed
    """
    size, width = len(pixels), values.shape[1]
    slope = 2.0 * weights_differences * (differences / size - wanted_differences) / size
    curvature = weights_differences / size / size
    change, steepest = np.zeros(differences.shape, dtype=np.float32), np.empty(width)
    _stepped(slope, curvature, change, steepest)
    slope_classes = 2.0 * weights_classes * (classes / size - wanted_classes) / size
    curvature_classes = weights_classes / size / size
    slope_likes = 2.0 * weights_likes * (likes / size - wanted_likes) / size
    curvature_likes = weights_likes / size / size
    slope_texture = 2.0 * weight_texture * (textures / size - wanted_texture) / size
    curvature_texture = np.full_like(textures, weight_texture / size / size)
    change_texture, steepest_texture = np.zeros(len(textures), dtype=np.float32), _length(slope_texture)
    voxels_far, around_far = np.empty(far.shape[2], dtype=np.int32), np.empty((width, far.shape[2]), dtype=np.float32)
    voxels_near, around_near = np.empty(near.shape[2], np.int32), np.empty((width, near.shape[2]), np.float32)
    squares_new, squares_old = np.empty(near.shape[2], np.float32), np.empty(near.shape[2], np.float32)
    new, old = np.empty(near.shape[2], dtype=np.int32), np.empty(near.shape[2], dtype=np.int32)
    made = 0
    for trial in range(len(voxels)):
        voxel, side, pixel = voxels[trial], sides[trial], drawn[trial]
        z, y, x = voxel // (shape[1] * shape[2]), voxel // shape[2] % shape[1], voxel % shape[2]
        if pixel < 0:
            beside = pixels[near[0, z, side] + near[1, y, side] + near[2, x, side]]
            pixel = _proposal(beside, moves[trial, 0], moves[trial, 1], channels, indexed, planes, alike)
        was = pixels[voxel]
        if pixel == was:
            continue
        _gather(values, near, z, y, x, voxels_near, around_near)
        _classes(channels, pixel, around_near, class_of_step, per_step, squares_new, new)
        _classes(values, voxel, around_near, class_of_step, per_step, squares_old, old)
        first = _first_order(new, old, slope_classes)
        first += _turned(
            squares_new,
            squares_old,
            alike,
            voxel,
            voxels_near,
            crosses,
            own,
            likes,
            slope_likes,
            curvature_likes,
            False,
        )
        least = first - hope * steepest_texture * (lengths[pixel] + lengths[was])
        for c in range(width):
            least -= hope * steepest[c] * abs(channels[pixel, c] - values[voxel, c])
        if least >= 0.0:
            continue
        for i in range(len(textures)):
            change_texture[i] = texture[pixel, i] - texture[was, i]
        energy = _of_squares(change_texture, slope_texture, curvature_texture)
        _gather(values, far, z, y, x, voxels_far, around_far)
        _differences(channels, pixel, values, voxel, around_far, change)
        energy += _of_squares(change.ravel(), slope.ravel(), curvature.ravel())
        if energy + first >= 0.0:
            continue
        energy += _reclassed(new, old, classes, slope_classes, curvature_classes)
        energy += _turned(
            squares_new, squares_old, alike, voxel, voxels_near, crosses, own, likes, slope_likes, curvature_likes, True
        )
        if energy >= 0.0:
            _reclassed(old, new, classes, slope_classes, curvature_classes)
            _turned(
                squares_old, squares_new, alike, voxel, voxels_near, crosses, own, likes, slope_likes, curvature_likes,
                True,
            )  # fmt: skip
            continue
        _stepped(slope, curvature, change, steepest)
        for c in range(width):
            values[voxel, c] = channels[pixel, c]
            for s in range(differences.shape[1]):
                differences[c, s] += change[c, s]
        for i in range(len(textures)):
            textures[i] += change_texture[i]
            slope_texture[i] += 2.0 * curvature_texture[i] * change_texture[i]
        steepest_texture = _length(slope_texture)
        pixels[voxel] = pixel
        made += 1
    return made
