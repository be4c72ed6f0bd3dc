"""Texture: the means of the symmetrized harmonics up to a high degree, the coefficients of the ODF.

Departs from the paper: there the ODF is left to the degree of the spatial descriptors, which is 8 for cubic crystals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from polyrve.harmonics import (
    SymmetrizedHarmonics,
    degrees_up_to,
    number_of_invariants,
    symmetrized_harmonics,
)
from polyrve.local_state import Features


@dataclass(frozen=True, eq=False)
class Texture:
    """Mean of each harmonic times its phase's indicator, so that a rare phase counts little.

    Attributes
    ----------
    harmonics : tuple of SymmetrizedHarmonics or None
        One per phase.
    stride : int
        Take every so-manieth voxel along each axis of a periodic volume; grains are larger than a few voxels.
    """

    harmonics: tuple[SymmetrizedHarmonics | None, ...]
    stride: int = field(default=1, repr=False)
    name: str = field(default="texture")

    @classmethod
    def up_to(cls, laue_groups: tuple[str, ...], degree: int, stride: int = 1) -> Texture:
        """Harmonics of even order l up to a degree n = 2 l, and those of the default set, for each Laue group."""
        harmonics = []
        for laue in laue_groups:
            terms = [(n, k) for n in degrees_up_to(laue, degree) if n % 4 == 0
                     for k in range(number_of_invariants(laue, n))]  # fmt: skip
            terms += [term for term in symmetrized_harmonics(laue).terms if term not in terms]
            harmonics.append(symmetrized_harmonics(laue, tuple(terms)))
        return cls(tuple(harmonics), stride)

    def estimate(self, features: Features, axes: tuple[int, ...], group: int | None) -> tuple[tf.Tensor, ...]:
        """Shape (1, K) for each axis, the same for all: the texture is one-point, sections do not enter."""
        means = []
        step = self.stride if features.periodic else 1
        orientation = features.orientation[:, ::step, ::step, ::step]
        ones = tf.ones(orientation.shape[1:], orientation.dtype)
        mask = ones if features.mask is None else features.mask[::step, ::step, ::step]
        indicators = [ones]
        if features.indicators is not None:
            indicators = tf.unstack(features.indicators[:, ::step, ::step, ::step])
        for indicator, harmonics in zip(indicators, self.harmonics, strict=True):
            if harmonics is not None:
                means.append(_weighted_sums(harmonics, orientation, indicator * mask))
        return (tf.concat(means, 0)[None] / tf.reduce_sum(mask),) * len(axes)

    def misfit(self, estimate: tf.Tensor, target: Any) -> tf.Tensor:
        """Mean squared residual."""
        return tf.reduce_mean((estimate - tf.cast(target, estimate.dtype)) ** 2)


def _weighted_sums(harmonics: SymmetrizedHarmonics, orientation: tf.Tensor, weight: tf.Tensor) -> tf.Tensor:
    """Weighted sums of the harmonics, through the moments < (x + i y)^m T_k(z) > of the crystal directions.

    A spherical harmonic is a polynomial in z, here in the Chebyshev basis, times the real or imaginary part of
    (x + i y)^m; its sum is linear in the moments, which are matrix products over blocks of voxels.
    """
    directions, coefficients = harmonics.moment_coefficients()
    highest = coefficients.shape[3] - 1
    voxels = int(np.prod(orientation.shape[1:]))
    blocks = next(n for n in range(max(voxels // _BLOCK, 1), 0, -1) if voxels % n == 0)
    axes = tf.constant(directions, orientation.dtype)

    def moments(q: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        x, y, z = _in_sample(axes, q)
        cosines, sines, chebyshev = [tf.ones_like(x), x], [y], [tf.ones_like(z), z]
        for _ in range(1, highest):
            cosines.append(x * cosines[-1] - y * sines[-1])
            sines.append(x * sines[-1] + y * cosines[-2])
            chebyshev.append(2.0 * z * chebyshev[-1] - chebyshev[-2])
        return tf.matmul(tf.stack([*cosines, *sines], 1) * w, tf.stack(chebyshev, 1), transpose_b=True)

    def blocked(values: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(values, (-1, blocks, voxels // blocks)), (1, 0, 2))

    def unblocked(values: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.transpose(values, (1, 0, 2)), like.shape)

    @tf.custom_gradient
    def sums(q: tf.Tensor, w: tf.Tensor) -> Any:
        q_blocks, w_blocks = blocked(q), blocked(w)
        shape = (len(directions), 2 * highest + 1, highest + 1)
        total = tf.foldl(
            lambda a, b: a + moments(*b), (q_blocks, w_blocks), tf.zeros(shape, q.dtype), parallel_iterations=1
        )

        def backward(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            def block(inputs: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
                with tf.GradientTape() as tape:
                    tape.watch(inputs)
                    value = tf.reduce_sum(upstream * moments(*inputs))
                return tape.gradient(value, inputs)

            dq, dw = tf.map_fn(
                block, (q_blocks, w_blocks), fn_output_signature=(q.dtype, w.dtype), parallel_iterations=1
            )
            return unblocked(dq, q), unblocked(dw, w)

        return total, backward

    return tf.einsum("cdmk,dmk->c", tf.constant(coefficients, orientation.dtype), sums(orientation, weight))


def _in_sample(axes: tf.Tensor, q: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Crystal directions (D, 3) in sample coordinates at unit quaternions (4, n), three tensors (D, n)."""
    w, x, y, z = tf.unstack(q)
    columns = (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )
    return tuple(tf.matmul(axes, tf.stack(column)) for column in columns)  # type: ignore[return-value]


_BLOCK = 4096
