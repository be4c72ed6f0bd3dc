r"""Means over all pairs of points at given lags, with gradients that recompute instead of storing.

For a lag l and a transform h of the increment d = f(x) - f(x + l),

.. math:: v_l = \frac{\sum_x m(x) m(x + l)\, h(f(x) - f(x + l))}{\sum_x m(x) m(x + l)}

with m the mask. Since h is even, the derivative with respect to f(x) is a sum over +l and -l of the same slope, so
that the backward pass reads shifted fields and never scatters. Both passes loop over blocks of neighbouring sections
that stay in cache, and within a block over the lags, inside one compiled kernel; nothing per lag is kept. A GPU takes
all lags at once (:mod:`polyrve.descriptors._kernels.lags_at_once`). One kernel
serves all axes whose sections have the same shape, and the sections of an axis run in several parts side by side.

Sums run over rows first, along whole vectors of columns: compilers do not reorder a sum along contiguous numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from polyrve.backend.custom_gradients import with_gradient
from polyrve.backend.strategy import divisor
from polyrve.backend.tensorflow import tf
from polyrve.descriptors._kernels import lags_at_once
from polyrve.descriptors._kernels.loops import added, rows_added, stacked
from polyrve.descriptors._kernels.surroundings import Block, Layout, reach_of, total
from polyrve.descriptors._kernels.transforms import Isotropic, Separable, Transform
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.protocol import average_groups
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.lags import Lag

STRIPS = 4
"""Strips of rows that a section is summed over at most: the sum over their rows then reads a quarter of the section."""


def section_pair_means(
    channels: Channels, lags: Sequence[Lag], transform: Separable | Isotropic, axes: tuple[int, ...], group: int | None
) -> tuple[tf.Tensor, ...]:
    """Return means of a transform of the increments, averaged over groups of sections.

    Two families of sections share the displacements along the axis that both contain. Where all sections of a periodic
    field without holes are averaged, these means agree and are computed once.

    Parameters
    ----------
    channels : Channels
        Channels of shape (C, nz, ny, nx).
    lags : sequence of (int, int)
        Rows and columns in the sections, in voxels.
    transform : Separable or Isotropic
    axes : tuple of int
        Array axes that the sections are normal to.
    group : int, optional
        Number of neighbouring sections; default all.

    Returns
    -------
    tuple of tf.Tensor, shape (groups, L, V)
        One per axis.
    """
    if group is not None or channels.mask is not None or not channels.periodic:
        body = channels.body
        counts = [None if body is None else body.pairs(axis, lags)[:, None] for axis in axes]
        means = (pair_means(channels, lags, transform, axis) for axis in axes)
        return tuple(average_groups(of_axis, group, count) for of_axis, count in zip(means, counts, strict=True))
    owners = {(axis, lag): _owner(axis, lag, axes) for axis in axes for lag in lags}
    own = {axis: [*dict.fromkeys(lag for owner, lag in owners.values() if owner == axis)] for axis in axes}
    reach = reach_of([lag for found in own.values() for lag in found])
    joined = tf.concat(
        [average_groups(pair_means(channels, own[axis], transform, axis, reach), None) for axis in axes if own[axis]],
        1,
    )
    rows = [(axis, lag) for axis in axes for lag in own[axis]]
    return tuple(tf.gather(joined, [rows.index(owners[axis, lag]) for lag in lags], axis=1) for axis in axes)


def _owner(axis: int, lag: Lag, axes: tuple[int, ...]) -> tuple[int, Lag]:
    """Return the family of sections, and the lag in it, that computes a lag of the sections normal to an axis."""
    if 0 not in lag:
        return axis, lag
    along = in_plane(axis)[0 if lag[1] == 0 else 1]
    owner = next(a for a in ((along + 1) % 3, (along + 2) % 3) if a in axes)
    length = abs(lag[0] + lag[1])
    return owner, (length, 0) if along == in_plane(owner)[0] else (0, length)


def pair_means(
    channels: Channels, lags: Sequence[Lag], transform: Separable | Isotropic, axis: int, reach: Lag | None = None
) -> tf.Tensor:
    """Return means of a transform of the increments in the sections normal to an axis.

    Parameters
    ----------
    channels : Channels
        Channels of shape (C, nz, ny, nx).
    lags : sequence of (int, int)
        Rows and columns in the sections, in voxels.
    transform : Separable or Isotropic
    axis : int
        Array axis.
    reach : (int, int), optional
        Rows and columns by which sections are continued; default what the lags need.

    Returns
    -------
    tf.Tensor, shape (L, V, sections)
    """
    parts = channels.parts(axis)
    sections, count, rows, columns = (int(n) for n in parts[0].shape)
    dtype, masked, reach = parts[0].dtype, channels.mask is not None, reach or reach_of(lags)
    strategy = channels.strategy
    kept = 2 * len(lags) if not strategy.loops and (masked or isinstance(transform, Isotropic)) else 0
    section_bytes = dtype.size * (count + masked + kept) * (rows + 2 * reach[0]) * (columns + 2 * reach[1])
    block = strategy.at_once(sections, section_bytes, transform.block_bytes)
    shape = sections, count, rows, columns
    layout = Layout(shape, block, len(lags), reach, masked, channels.periodic, dtype)
    kernel = _kernel(transform, layout, strategy.loops)
    offsets = tf.constant(np.array(lags, dtype=np.int32))
    return tf.concat([kernel(*part, offsets) for part in zip(parts, channels.masks(axis), strict=True)], 2)


@lru_cache(maxsize=64)
def _kernel(
    transform: Separable | Isotropic, layout: Layout, loops: bool
) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return values (sections, C, rows, columns), mask and lags to the means of the lags, (L, V, sections)."""
    of_values, of_means = (_means, _slopes) if loops else (lags_at_once.means, lags_at_once.slopes)

    @tf.function(jit_compile=True, autograph=False)
    def forward(values: tf.Tensor, mask: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
        return of_values(transform, layout, values, mask, offsets)

    @tf.function(jit_compile=True, autograph=False)
    def backward(values: tf.Tensor, mask: tf.Tensor, offsets: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
        return of_means(transform, layout, values, mask, offsets, upstream)

    def means(values: tf.Tensor, mask: tf.Tensor, offsets: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None, None]:
            return backward(values, mask, offsets, upstream), None, None

        return forward(values, mask, offsets), gradient

    sections, _, rows, columns = layout.shape
    one_mask = (sections, 1, rows, columns) if layout.masked else (1, 1, 1, 1)
    specs = tf.TensorSpec(layout.shape, layout.dtype), tf.TensorSpec(one_mask, layout.dtype)
    return with_gradient(means, *specs, tf.TensorSpec((layout.lags, 2), tf.int32))


def _means(transform: Transform, layout: Layout, values: tf.Tensor, mask: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return means of the lags, (L, V, sections), block by block."""
    sections, channels, rows, columns = layout.shape
    strip = rows // divisor(rows, STRIPS)
    left = (transform.count(channels), layout.block, transform.rows_left(strip), columns)

    def of_block(i: tf.Tensor) -> tf.Tensor:
        block = layout.cut(values, mask, i, layout.lags)
        here = tf.split(block.here, rows // strip, -2)

        def of_lag(lag: tf.Tensor) -> tf.Tensor:
            increments = [a - b for a, b in zip(here, block.strips(lag, strip), strict=True)]
            weights = [] if block.mask is None else [w[0] for w in tf.split(block.counted(lag), len(here), -2)]
            return transform.summed(block.increment(lag), increments, weights)

        sums = total(rows_added(of_lag, offsets, tf.TensorSpec(left, layout.dtype)))
        if block.mask is None:
            return sums / float(block.area)
        return sums / stacked(lambda lag, _: block.pairs(lag), offsets, tf.zeros((1, layout.block), layout.dtype))

    means = layout.over_blocks(of_block)
    return tf.reshape(tf.transpose(means, (1, 2, 0, 3)), (layout.lags, -1, sections))


def _slopes(
    transform: Separable | Isotropic,
    layout: Layout,
    values: tf.Tensor,
    mask: tf.Tensor,
    offsets: tf.Tensor,
    upstream: tf.Tensor,
) -> tf.Tensor:
    """Return derivatives of sum(upstream * means) with respect to the values, block by block."""
    loops = layout.lags // divisor(layout.lags, transform.lags_at_once)

    def of_block(i: tf.Tensor) -> tf.Tensor:
        block = layout.cut(values, mask, i, loops)
        share = tf.slice(upstream, tf.stack([0, 0, i * layout.block]), (*upstream.shape[:2], layout.block))
        if isinstance(transform, Isotropic):
            return _isotropic_slope(transform, layout, block, share, offsets)
        if block.mask is None:
            return _separable_slope(transform, block, share, offsets)
        return _masked_separable_slope(transform, block, share, offsets)

    return tf.reshape(tf.transpose(layout.over_blocks(of_block), (0, 2, 1, 3, 4)), layout.shape)


def _isotropic_slope(
    transform: Isotropic, layout: Layout, block: Block, share: tf.Tensor, offsets: tf.Tensor
) -> tf.Tensor:
    """Return each pair's factor times its increment, at either end; factors are formed once, and read at both."""

    def factor(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        value = transform.factor(block.increment(lag), _per_pair(block, share, lag, i))
        return layout.extended(value if block.mask is None else value * block.counted(lag))

    factors = stacked(factor, offsets, tf.zeros((1, *block.around.shape[1:]), layout.dtype))

    def slope(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        ahead = block.increment(lag) * block.centre(factors[i])
        return ahead + block.increment(-lag) * block.moved(factors[i], -lag)

    return added(slope, offsets, transform.lags_at_once, block.here)


def _separable_slope(transform: Separable, block: Block, share: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return the stiffness of all pairs alike, times the way to their aims."""
    stiffness = transform.stiffness(share / float(block.area))[..., None, None]

    def aims(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        ahead, behind = (transform.aim(block.here, block.there(way)) for way in (lag, -lag))
        return stiffness[i] * (ahead + behind)

    summed = added(aims, offsets, transform.lags_at_once, block.here)
    return 2.0 * tf.reduce_sum(stiffness, 0) * block.here - summed


def _masked_separable_slope(transform: Separable, block: Block, share: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return the stiffness of the pairs that count, times the way to their aims."""

    def away(lag: tf.Tensor) -> tf.Tensor:
        return block.counted(lag) * (block.here - transform.aim(block.here, block.there(lag)))

    def slope(lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
        return transform.stiffness(_per_pair(block, share, lag, i)) * tf.add_n([away(lag), away(-lag)])

    return added(slope, offsets, transform.lags_at_once, block.here)


def _per_pair(block: Block, share: tf.Tensor, lag: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
    """Return the derivative with respect to h at one pair of a lag, (V, n, 1, 1)."""
    return (share[i] / block.pairs(lag))[:, :, None, None]
