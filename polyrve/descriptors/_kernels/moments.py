"""Weighted sums of symmetrized harmonics over many orientations, by way of moments of crystal directions.

A spherical harmonic is a polynomial in z, here in the Chebyshev basis, times the real or imaginary part of
(x + i y)^m. Its sum is linear in the moments < (x + i y)^m T_k(z) > of the crystal directions (x, y, z) in sample
coordinates, which are products of matrices over blocks of voxels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev

from polyrve.backend.custom_gradients import with_gradient
from polyrve.backend.strategy import Strategy
from polyrve.backend.tensorflow import tf
from polyrve.crystallography.harmonics import SymmetrizedHarmonics

BLOCK = 4096
"""Voxels of a block on a processor, whose powers and polynomials stay in cache."""


def weighted_sums(
    harmonics: SymmetrizedHarmonics, orientation: tf.Tensor, weight: tf.Tensor, strategy: Strategy
) -> tf.Tensor:
    """Return the weighted sums of harmonics over all points, differentiable.

    The last block of points is filled up with points of no weight.

    Parameters
    ----------
    harmonics : SymmetrizedHarmonics
        K functions.
    orientation : tf.Tensor, shape (4, ...)
        Unit quaternions.
    weight : tf.Tensor, shape (...)
    strategy : Strategy
        How the device works on them.

    Returns
    -------
    tf.Tensor, shape (K,)
    """
    directions, coefficients = harmonics.moment_coefficients()
    voxels, dtype = int(np.prod(weight.shape)), orientation.dtype
    voxel_bytes = dtype.size * len(directions) * (3 * coefficients.shape[3] - 1)
    blocks = -(-voxels // max(strategy.bytes_at_once(BLOCK * voxel_bytes) // voxel_bytes, 1))
    size = -(-voxels // blocks)

    def blocked(values: tf.Tensor) -> tf.Tensor:
        filled = tf.pad(tf.reshape(values, (-1, voxels)), [(0, 0), (0, blocks * size - voxels)])
        return tf.transpose(tf.reshape(filled, (-1, blocks, size)), (1, 0, 2))

    moments = _moments(harmonics, blocks, size, dtype)(blocked(orientation), blocked(weight))
    return strategy.matvec(tf.constant(coefficients.reshape(len(coefficients), -1), dtype), tf.reshape(moments, [-1]))


@lru_cache(maxsize=64)
def _moments(
    harmonics: SymmetrizedHarmonics, blocks: int, size: int, dtype: tf.DType
) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """Return quaternions (blocks, 4, size) and weights (blocks, 1, size) to moments (D, 2 L + 1, L + 1)."""
    directions, coefficients = harmonics.moment_coefficients()
    highest = coefficients.shape[3] - 1
    axes, derivative = (a.astype(dtype.as_numpy_dtype) for a in (directions, _chebyshev_derivative(highest)))
    compiled = partial(_compiled, size=(len(directions), size), dtype=dtype)

    def polynomials(z: tf.Tensor) -> tf.Tensor:
        values = [tf.ones_like(z), z]
        for _ in range(1, highest):
            values.append(2.0 * z * values[-1] - values[-2])
        return tf.stack(values[: highest + 1], 1)

    def of_block(q: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        x, y, z = tf.unstack(tf.matmul(axes, compiled(_in_sample)(q)))
        cosines, sines = [tf.ones_like(x), x], [y]
        for _ in range(1, highest):
            cosines.append(x * cosines[-1] - y * sines[-1])
            sines.append(x * sines[-1] + y * cosines[-2])
        return tf.matmul(tf.stack([*cosines, *sines], 1) * w, polynomials(z), transpose_b=True)

    def slopes(block: tuple[tf.Tensor, tf.Tensor], factors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return derivatives of sum(upstream * moments); factors (D, 4 L + 2, K) are upstream for T_k and for T_k'."""
        q, w = block
        directed = tf.matmul(axes, compiled(_in_sample)(q))
        *by_direction, value = compiled(_slopes(highest))(directed, tf.matmul(factors, polynomials(directed[2])), w)
        dq = compiled(_turned_back)(q, tf.matmul(axes, tf.stack(by_direction), transpose_a=True))
        return dq, tf.reduce_sum(value, 0, keepdims=True)

    def moments(q: tf.Tensor, w: tf.Tensor) -> Any:
        nothing = tf.zeros((len(directions), 2 * highest + 1, highest + 1), dtype)
        total = tf.foldl(lambda a, b: a + of_block(*b), (q, w), nothing, parallel_iterations=1)

        def backward(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            factors = tf.concat([upstream, tf.matmul(upstream, derivative)], 1)
            return tf.map_fn(lambda block: slopes(block, factors), (q, w), fn_output_signature=(dtype, dtype))

        return total, backward

    return with_gradient(moments, tf.TensorSpec((blocks, 4, size), dtype), tf.TensorSpec((blocks, 1, size), dtype))


@lru_cache(maxsize=64)
def _compiled(function: Callable[..., Any], size: tuple[int, int], dtype: tf.DType) -> Callable[..., Any]:
    """Return a function compiled for one shape: TensorFlow warns of one that is traced for many."""
    return tf.function(function, jit_compile=True, autograph=False)


def _in_sample(q: tf.Tensor) -> tf.Tensor:
    """Return the matrices that take crystal directions to sample coordinates at unit quaternions (4, n), (3, 3, n).

    The first index is the sample's coordinate, the second the crystal's.
    """
    w, x, y, z = tf.unstack(q)
    return tf.stack(
        [
            tf.stack([1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)]),
            tf.stack([2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)]),
            tf.stack([2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)]),
        ]
    )


def _turned_back(q: tf.Tensor, upstream: tf.Tensor) -> tf.Tensor:
    """Return derivatives (4, n) of sum(upstream * _in_sample(q))."""
    with tf.GradientTape() as tape:
        tape.watch(q)
        matrices = _in_sample(q)
    return tape.gradient(matrices, q, upstream)


@cache
def _slopes(highest: int) -> Callable[..., tuple[tf.Tensor, ...]]:
    """Return a function to slopes of directions, of sums over k of upstream T_k and upstream T_k', and of weights.

    They are (3, D, n), (D, 4 L + 2, n) and (1, n).

    With h(Z) = sum_m (a_m - i b_m) Z^m, Z = x + i y, sum(upstream * moments) is the weighted sum of Re h, whose
    derivatives with respect to x and y are Re h' and -Im h'; Horner's scheme gives h and h' without powers of Z.
    """

    def horner(x: tf.Tensor, y: tf.Tensor, factors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        re, im = factors[:, highest], -factors[:, 2 * highest]
        d_re, d_im = re * 0.0, im * 0.0
        for m in range(highest - 1, -1, -1):
            d_re, d_im = d_re * x - d_im * y + re, d_re * y + d_im * x + im
            b = factors[:, highest + m] if m else 0.0
            re, im = re * x - im * y + factors[:, m], re * y + im * x - b
        return re, d_re, d_im

    def slopes(directed: tf.Tensor, factors: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, ...]:
        x, y, _ = tf.unstack(directed)
        value, d_re, d_im = horner(x, y, factors[:, : 2 * highest + 1])
        along_z = horner(x, y, factors[:, 2 * highest + 1 :])[0]
        return d_re * w, -d_im * w, along_z * w, value

    return slopes


def _chebyshev_derivative(highest: int) -> np.ndarray:
    """Return the matrix (K, K) of T_k' = sum_j matrix[k, j] T_j."""
    matrix = np.zeros((highest + 1, highest + 1))
    for k in range(1, highest + 1):
        row = chebyshev.chebder(np.eye(highest + 1)[k])
        matrix[k, : len(row)] = row
    return matrix
