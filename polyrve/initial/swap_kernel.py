"""Swaps of single pixels: many are tried side by side, then made one after the other; compiled by Numba.

:func:`tried` finds what each of some swaps would change, all in the same state, so that threads can share them.
:func:`made` then makes those that lower the energy, in their order and by their exact change of energy; what a swap
before it has touched is found anew. So any number of threads gives the same volume. Import it when swaps begin: Numba
takes long to load.
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
def _length(vector):
    square = 0.0
    for value in vector:
        square += value * value
    return np.sqrt(square)


@njit(fastmath={"reassoc", "contract"})
def _absolute(vector):
    total = 0.0
    for value in vector:
        total += abs(value)
    return total


@njit(fastmath={"reassoc", "contract"})
def _of_texture(texture, new, old, slope, curvature):
    """Return the change of the energy by the texture of one pixel in place of another's."""
    total = 0.0
    for i in range(len(slope)):
        change = texture[new, i] - texture[old, i]
        total += (slope[i] + curvature * change) * change
    return total


@njit
def _differences(channels, pixel, was, around, change, moved):
    """Write which channels move, and for these the change of the absolute differences per step ahead and behind."""
    number = change.shape[1]
    for c in range(len(change)):
        after, before, out = channels[pixel, c], channels[was, c], change[c]
        moved[c] = after != before
        if moved[c]:
            for s in range(number):
                ahead, behind = channels[around[s], c], channels[around[number + s], c]
                out[s] = abs(after - ahead) - abs(before - ahead) + (abs(after - behind) - abs(before - behind))


@njit(fastmath={"reassoc", "contract"})
def _of_differences(change, moved, slope, curvature):
    """Return the change of the energy by the absolute differences."""
    total = 0.0
    for c in range(len(change)):
        if moved[c]:
            for s in range(change.shape[1]):
                total += (slope[c, s] + curvature[c, s] * change[c, s]) * change[c, s]
    return total


@njit
def _places(rows, voxel, shape, voxels):
    """Write the voxels at steps ahead, then behind, across the faces."""
    z, y, x = voxel // (shape[1] * shape[2]), voxel // shape[2] % shape[1], voxel % shape[2]
    for k in range(len(voxels)):
        voxels[k] = np.uint32(rows[0, z, k] + rows[1, y, k] + rows[2, x, k])


@njit
def _held(pixels, voxels, held):
    """Write the pixels that some voxels hold."""
    for k in range(len(voxels)):
        held[k] = np.uint32(pixels[voxels[k]])


@njit
def _gather(channels, held, around):
    """Write the values of some pixels by channel, so that each channel of all of them is computed at once."""
    for k in range(len(held)):
        for c in range(len(around)):
            around[c, k] = channels[held[k], c]


@njit
def _classes(channels, pixel, around, class_of_step, per_step, squares, classes):
    """Write the squared distances of the values around from a pixel's, and their classes."""
    squares[:] = np.float32(0.0)
    for c in range(len(around)):
        own, row = channels[pixel, c], around[c]
        for k in range(len(squares)):
            squares[k] += (own - row[k]) * (own - row[k])
    last = np.float32(len(class_of_step) - 1)
    for k in range(len(squares)):
        classes[k] = np.int32(min(np.sqrt(squares[k]) * per_step, last))
    for k in range(len(squares)):
        classes[k] = class_of_step[classes[k]]


@njit
def _recounted(counts, slope, curvature, row, k, by):
    """Change a count by one up or down, and return the change of the energy."""
    change = by * slope[row, k] + curvature[row, k]
    counts[row, k] += by
    slope[row, k] += 2.0 * by * curvature[row, k]
    return change


@njit
def _first_order(classes, slope):
    """Return the change of the energy by other classes of the pairs around, to first order: it is no less."""
    total = 0.0
    for side in range(2):
        for s in range(len(slope)):
            k = side * len(slope) + s
            total += slope[s, classes[0, k]] - slope[s, classes[1, k]]
    return total


@njit
def _reclassed(classes, counts, slope, curvature):
    """Count other classes of the pairs around a voxel, and return the change of the energy."""
    total = 0.0
    for k in range(classes.shape[1]):
        if classes[0, k] != classes[1, k]:
            total += _recounted(counts, slope, curvature, k % len(counts), classes[0, k], 1)
            total += _recounted(counts, slope, curvature, k % len(counts), classes[1, k], -1)
    return total


@njit
def _any(told, voxels):
    for voxel in voxels:
        if told[voxel]:
            return True
    return False


@njit
def _turned(squares, alike, voxel, near, crosses, own, counts, slope, curvature, make):
    """Return the change of the energy by other like neighbours; to first order, or make it."""
    total = 0.0
    for p in range(len(own)):
        mine = own[p, voxel]
        for side in crosses[p]:
            if side >= 0 and (squares[0, side] < alike) != (squares[1, side] < alike):
                by = 1 if squares[0, side] < alike else -1
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
    "void(i8[::1], i4[::1], f4[:, ::1], i4[:, :, ::1], f8[:, ::1], i4[:, :, ::1], i8[:, ::1], i4[::1], f4, i4[:, ::1],"
    "i1[:, ::1], i8[:, ::1], f4)"
)
def measure(
    shape, pixels, channels, far, differences, near, counts, class_of_step, per_step, crosses, own, likes, alike
):
    """Add the absolute differences of all pairs at the far steps; count classes at the near ones, and like neighbours.

    Arguments as for :func:`try_swaps` and :func:`make_swaps`; sums are added to what they hold.
    """
    width, steps = channels.shape[1], near.shape[2]
    around_far, around_near = np.empty(far.shape[2], dtype=np.uint32), np.empty(steps, dtype=np.uint32)
    held_far, held_near = np.empty_like(around_far), np.empty_like(around_near)
    gathered = np.empty((width, steps), dtype=np.float32)
    squares, classes = np.empty(steps, dtype=np.float32), np.empty(steps, dtype=np.int32)
    for voxel in range(len(pixels)):
        pixel = pixels[voxel]
        _places(far, voxel, shape, around_far)
        _held(pixels, around_far, held_far)
        for c in range(width):
            for s in range(differences.shape[1]):
                differences[c, s] += abs(channels[pixel, c] - channels[held_far[s], c])
        _places(near, voxel, shape, around_near)
        _held(pixels, around_near, held_near)
        _gather(channels, held_near, gathered)
        _classes(channels, pixel, gathered, class_of_step, per_step, squares, classes)
        for s in range(len(counts)):
            counts[s, classes[s]] += 1
        for p in range(len(crosses)):
            count = 0
            for side in crosses[p]:
                count += side < 0 or squares[side] < alike
            own[p, voxel] = count
            likes[p, count] += 1


@compiled(
    "void(i8[::1], i8[::1], i4[::1], i8[:, ::1], i8[::1], i4[::1], f4[:, ::1], f4[:, ::1], f8[::1], b1[::1],"
    "i8[:, ::1], i4[:, :, ::1], f8[:, ::1], f8[:, ::1], i4[:, :, ::1], f8[:, ::1], i4[::1], f4, i4[:, ::1],"
    "i1[:, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1], f8[::1], f8, f4, f8, i8[::1], f4[:, :, ::1], b1[:, ::1],"
    "f4[:, :, ::1], i4[:, :, ::1])"
)
def try_swaps(
    shape, voxels, sides, moves, drawn, pixels, channels, texture, lengths,
    indexed, planes, far, slope, curvature, near, slope_classes, class_of_step, per_step, crosses,
    own, likes, slope_likes, curvature_likes, slope_texture, curvature_texture, alike, hope, proposed, change, moved,
    squares, classes,
):  # fmt: skip
    """Propose a pixel to each of some voxels, and find what taking it would change; nothing of the volume is written.

    What a swap changes at the near steps is found first, to first order, which is no more than all of it; the rest is
    found where it can be hoped to make up for that.

    Parameters
    ----------
    shape : (nz, ny, nx)
    voxels : (B,)
    sides : (B,), the near step that leads to a neighbour; moves : (B, 2), rows and columns from its pixel in the map
    drawn : (B,), a pixel in place of such a one, or -1
    pixels : (N,)
    channels : (P, C); texture : (P, T); lengths : (P,), of the latter; indexed : (P,)
    planes : (planes, 3), first pixel, rows and columns of a map
    far : (3, n, 2 S), for the coordinates along each axis, parts of the voxels S steps ahead, then behind
    slope, curvature : (C, S), of the energy with the sums of absolute differences
    near : the same for s steps; slope_classes : (s, K), with the counts of classes
    class_of_step : (D,), class by distance, in steps; per_step : how many of them are one unit of distance
    crosses : (A, 4), the near steps to the four neighbours in planes normal to an axis, -1 where that is the voxel
    own : (A, N), like neighbours of each voxel; likes, slope_likes, curvature_likes : (A, 5), with their counts
    slope_texture : (T,), with the sums of the texture; curvature_texture : the same for all
    alike : square of the distance below which neighbours are alike
    hope : share of the largest changes of differences and texture that is hoped for; with 1 no swap is missed
    proposed : (B,), written: a pixel that lowers the energy, or -1
    change : (B, C, S), written: of the absolute differences, of the channels that are moved, (B, C)
    squares, classes : (B, 2, 2 s), written: of the distances to the voxels around, after and before
    """
    width = channels.shape[1]
    steepest, steepest_texture = np.empty(width), _length(slope_texture)
    for c in range(width):
        steepest[c] = 2.0 * _absolute(slope[c])
    around_far, around_near = np.empty(far.shape[2], dtype=np.uint32), np.empty(near.shape[2], dtype=np.uint32)
    held_far, held_near = np.empty_like(around_far), np.empty_like(around_near)
    gathered = np.empty((width, near.shape[2]), dtype=np.float32)
    for trial in range(len(voxels)):
        voxel, pixel = voxels[trial], drawn[trial]
        proposed[trial] = -1
        _places(near, voxel, shape, around_near)
        if pixel < 0:
            beside = pixels[around_near[sides[trial]]]
            pixel = _proposal(beside, moves[trial, 0], moves[trial, 1], channels, indexed, planes, alike)
        was = pixels[voxel]
        if pixel == was:
            continue
        _held(pixels, around_near, held_near)
        _gather(channels, held_near, gathered)
        _classes(channels, pixel, gathered, class_of_step, per_step, squares[trial, 0], classes[trial, 0])
        _classes(channels, was, gathered, class_of_step, per_step, squares[trial, 1], classes[trial, 1])
        energy = _first_order(classes[trial], slope_classes)
        energy += _turned(
            squares[trial], alike, voxel, around_near, crosses, own, likes, slope_likes, curvature_likes, False
        )
        least = energy - hope * steepest_texture * (lengths[pixel] + lengths[was])
        for c in range(width):
            least -= hope * steepest[c] * abs(channels[pixel, c] - channels[was, c])
        if least >= 0.0:
            continue
        energy += _of_texture(texture, pixel, was, slope_texture, curvature_texture)
        _places(far, voxel, shape, around_far)
        _held(pixels, around_far, held_far)
        _differences(channels, pixel, was, held_far, change[trial], moved[trial])
        if energy + _of_differences(change[trial], moved[trial], slope, curvature) < 0.0:
            proposed[trial] = pixel


@compiled(
    "i8(i8[::1], i8[::1], i8[::1], i4[::1], f4[:, ::1], f4[:, ::1], i4[:, :, ::1], f8[:, ::1], f8[:, ::1],"
    "f8[:, ::1], i4[:, :, ::1], i8[:, ::1], f8[:, ::1], f8[:, ::1], i4[::1], f4, i4[:, ::1], i1[:, ::1], i8[:, ::1],"
    "f8[:, ::1], f8[:, ::1], f8[::1], f8[::1], f8, f4, f4[:, :, ::1], b1[:, ::1], f4[:, :, ::1], i4[:, :, ::1],"
    "b1[::1])"
)
def make_swaps(
    shape, voxels, proposed, pixels, channels, texture, far, differences, slope,
    curvature, near, counts, slope_classes, curvature_classes, class_of_step, per_step, crosses, own, likes,
    slope_likes, curvature_likes, textures, slope_texture, curvature_texture, alike, change, moved, squares, classes,
    touched,
):  # fmt: skip
    """Make the swaps that lower the energy, one after the other; return how many.

    Pixels, sums and slopes follow the swaps.

    Parameters
    ----------
    differences : (C, S), sums; counts : (s, K), of the classes; textures : (T,), sums
    touched : (N,), all False, before and after: voxels whose pixel has been swapped
    Others as for :func:`try_swaps`.
    """
    around_far, around_near = np.empty(far.shape[2], dtype=np.uint32), np.empty(near.shape[2], dtype=np.uint32)
    held_far, held_near = np.empty_like(around_far), np.empty_like(around_near)
    gathered, made = np.empty((channels.shape[1], near.shape[2]), dtype=np.float32), 0
    for trial in range(len(voxels)):
        voxel, pixel = voxels[trial], proposed[trial]
        if pixel < 0:
            continue
        was, by, moves = pixels[voxel], change[trial], moved[trial]
        _places(near, voxel, shape, around_near)
        if _any(touched, around_near):
            _held(pixels, around_near, held_near)
            _gather(channels, held_near, gathered)
            _classes(channels, pixel, gathered, class_of_step, per_step, squares[trial, 0], classes[trial, 0])
            _classes(channels, was, gathered, class_of_step, per_step, squares[trial, 1], classes[trial, 1])
        _places(far, voxel, shape, around_far)
        if _any(touched, around_far):
            _held(pixels, around_far, held_far)
            _differences(channels, pixel, was, held_far, by, moves)
        energy = _of_texture(texture, pixel, was, slope_texture, curvature_texture)
        energy += _of_differences(by, moves, slope, curvature)
        energy += _reclassed(classes[trial], counts, slope_classes, curvature_classes)
        energy += _turned(
            squares[trial], alike, voxel, around_near, crosses, own, likes, slope_likes, curvature_likes, True
        )
        if energy >= 0.0:
            _reclassed(classes[trial, ::-1], counts, slope_classes, curvature_classes)
            _turned(
                squares[trial, ::-1], alike, voxel, around_near, crosses, own, likes, slope_likes, curvature_likes, True
            )
            continue
        for c in range(len(by)):
            if moves[c]:
                for s in range(by.shape[1]):
                    differences[c, s] += by[c, s]
                    slope[c, s] += 2.0 * curvature[c, s] * by[c, s]
        for i in range(len(textures)):
            more = texture[pixel, i] - texture[was, i]
            textures[i] += more
            slope_texture[i] += 2.0 * curvature_texture * more
        pixels[voxel] = pixel
        touched[voxel] = True
        made += 1
    for voxel in voxels:
        touched[voxel] = False
    return made
