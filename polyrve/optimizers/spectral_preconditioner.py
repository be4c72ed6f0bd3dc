"""The initial matrix of L-BFGS for a field of orientations: one scale per shell of spatial frequency.

What holds a descriptor back differs by two decades between coarse and fine waves of the same field: a turn shared by
a whole grain changes the increments at its boundary alone, one that alternates from voxel to voxel changes all. The
usual initial matrix, one scale for all unknowns, fits the finest waves. Here the changes of position and of gradient
are turned into rotation vectors in the sample frame, which do not depend on which equivalent of an orientation a
voxel holds, and each shell half an octave wide has a scale of its own, learnt from the pairs.

References
----------
.. [1] J. C. Gilbert, C. Lemarechal, Math. Program. 45 (1989) 407-435, doi:10.1007/BF01589113: initial matrices with
   several scales, learnt from the pairs.
.. [2] J. W. Neuberger, Sobolev Gradients and Differential Equations, 2nd ed., Springer 2010,
   doi:10.1007/978-3-642-04041-2: gradients in a metric of frequencies.

Departs from [1]_: scales belong to frequencies instead of unknowns and are the geometric mean of the two quotients
s s / s y and s y / y y, summed over the last pairs.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.optimizers.result import State

PAIRS = 20
"""Pairs that the scales are learnt from. They take a few numbers each, so that there are as many as L-BFGS keeps at the
most."""


class FrequencyScales:
    """Scales per shell of frequency, and their application to a vector.

    Parameters
    ----------
    shape : (int, int, int, int)
        Of the position (nz, ny, nx, k), whose first four components are quaternions, not normalised.
    dtype : tf.DType
    state : mapping, optional
        What :meth:`export` returned.
    """

    def __init__(self, shape: tuple[int, ...], dtype: tf.DType, state: State | None) -> None:
        shells, twice = frequency_shells(shape[:3])
        self._count = int(shells.max()) + 1
        self._shells, self._twice = tf.constant(shells), tf.constant(twice, dtype)
        self._products = np.zeros((0, 3, self._count)) if state is None else np.array(state["shells"])

    def export(self) -> dict[str, np.ndarray]:
        """Return arrays that continue them: s s, s y and y y per shell over s y of all, of the last pairs.

        Returns
        -------
        dict of str to ndarray
        """
        return {"shells": self._products.copy()}

    def forget(self) -> None:
        """Start anew."""
        self._products = self._products[:0]

    def learn(self, position: tf.Tensor, s: tf.Tensor, y: tf.Tensor) -> None:
        """Take in a pair at the position that it led to.

        Parameters
        ----------
        position, s, y : tf.Tensor, shape (nz, ny, nx, k)
            The position, the step to it and the change of the gradient.
        """
        products = _shell_products(position, s, y, self._shells, self._twice, self._count).numpy()
        total = products[1].sum()
        if total > 0.0 and np.all(products[::2] > 0.0):
            self._products = np.concatenate([self._products, products[None] / total])[-PAIRS:]

    def scales(self) -> np.ndarray | None:
        """Return a scale per shell, such that the newest pair has the curvature that it was seen with.

        Returns
        -------
        ndarray, shape (shells,), float64, or None
            None before the first pair.
        """
        if not len(self._products):
            return None
        ss, _, yy = self._products.sum(0)
        scales = np.sqrt(ss / yy)
        return scales / (scales @ self._products[-1, 2])

    def apply(self, position: tf.Tensor, vector: tf.Tensor, gamma: float) -> tf.Tensor:
        """Return the initial matrix times a vector.

        Parameters
        ----------
        position, vector : tf.Tensor, shape (nz, ny, nx, k)
        gamma : float
            Scale of what does not turn an orientation.

        Returns
        -------
        tf.Tensor, shape (nz, ny, nx, k)
        """
        scales = self.scales()
        if scales is None:
            return tf.cast(gamma, vector.dtype) * vector
        numbers = (tf.constant(values, vector.dtype) for values in (gamma, scales - gamma))
        return _scaled(position, vector, self._shells, *numbers)


def frequency_shells(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return shells half an octave wide of the frequencies of a real transform, none of them empty.

    Parameters
    ----------
    shape : (int, int, int)

    Returns
    -------
    shells : ndarray, shape (nz, ny, nx // 2 + 1), int32
        Shell 0 is the mean.
    twice : ndarray, shape (nx // 2 + 1,), float64
        How often each column occurs in the whole transform.

    Examples
    --------
    >>> frequency_shells((1, 1, 8))[0].ravel()
    array([0, 1, 2, 3, 4], dtype=int32)
    """
    *rest, last = shape
    axes = [*(np.fft.fftfreq(n) for n in rest), np.fft.rfftfreq(last)]
    square = sum(a * a for a in np.meshgrid(*axes, indexing="ij"))
    octaves = np.log2(np.maximum(square * max(shape) ** 2, 0.5))
    shells = np.where(square == 0.0, -1, np.floor(octaves + 1e-9)).astype(np.int64)
    twice = np.where((axes[-1] == 0.0) | (axes[-1] == 0.5), 1.0, 2.0)
    return np.unique(shells, return_inverse=True)[1].reshape(square.shape).astype(np.int32), twice


def rotations(position: tf.Tensor, vector: tf.Tensor) -> tf.Tensor:
    """Return the vector part of conj(q) v at the unit quaternions q of a position.

    It spans what changes the orientation, and is half a rotation vector in the sample frame.

    Parameters
    ----------
    position, vector : tf.Tensor, shape (nz, ny, nx, k)

    Returns
    -------
    tf.Tensor, shape (3, nz, ny, nx)
    """
    w, x, y, z = _unit(position)
    a, b, c, d = tf.unstack(vector[..., :4], axis=-1)
    return tf.stack([w * b - x * a - y * d + z * c, w * c - y * a - z * b + x * d, w * d - z * a - x * c + y * b])


def from_rotations(position: tf.Tensor, turned: tf.Tensor) -> tf.Tensor:
    """Return q (0, r) with zeros behind it, the transpose of :func:`rotations`.

    Parameters
    ----------
    position : tf.Tensor, shape (nz, ny, nx, k)
    turned : tf.Tensor, shape (3, nz, ny, nx)

    Returns
    -------
    tf.Tensor, shape (nz, ny, nx, k)
    """
    w, x, y, z = _unit(position)
    b, c, d = tf.unstack(turned)
    parts = [-x * b - y * c - z * d, w * b + y * d - z * c, w * c + z * b - x * d, w * d + x * c - y * b]
    return tf.pad(tf.stack(parts, -1), [[0, 0]] * 3 + [[0, position.shape[-1] - 4]])


def _unit(position: tf.Tensor) -> list[tf.Tensor]:
    quaternion = position[..., :4]
    return tf.unstack(quaternion * tf.math.rsqrt(tf.reduce_sum(quaternion**2, -1, keepdims=True)), axis=-1)


# The transforms stay outside the compiled functions: on a processor a compiled one is many times slower.
_compiled = partial(tf.function, jit_compile=True, autograph=False)
_rotations, _from_rotations = _compiled(rotations), _compiled(from_rotations)


@tf.function(autograph=False)
def _shell_products(
    position: tf.Tensor, s: tf.Tensor, y: tf.Tensor, shells: tf.Tensor, twice: tf.Tensor, count: int
) -> tf.Tensor:
    """Return sums of s s, s y and y y over each shell, shape (3, count), float64."""
    return _sums(*(tf.signal.rfft3d(_rotations(position, vector)) for vector in (s, y)), shells, twice, count)


@partial(tf.function, jit_compile=True, autograph=False)
def _sums(s: tf.Tensor, y: tf.Tensor, shells: tf.Tensor, twice: tf.Tensor, count: int) -> tf.Tensor:
    def of_shells(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        product = twice * tf.reduce_sum(tf.math.real(a) * tf.math.real(b) + tf.math.imag(a) * tf.math.imag(b), 0)
        parts = [tf.reduce_sum(tf.where(shells == shell, product, 0.0), -1) for shell in range(count)]
        return tf.reduce_sum(tf.cast(tf.stack(parts), tf.float64), [1, 2])

    return tf.stack([of_shells(s, s), of_shells(s, y), of_shells(y, y)])


@tf.function(autograph=False)
def _scaled(
    position: tf.Tensor, vector: tf.Tensor, shells: tf.Tensor, gamma: tf.Tensor, beyond: tf.Tensor
) -> tf.Tensor:
    waves = tf.signal.rfft3d(_rotations(position, vector))
    factors = tf.gather(beyond, shells)
    turned = tf.signal.irfft3d(waves * tf.cast(factors, waves.dtype), vector.shape[:3])
    return gamma * vector + _from_rotations(position, turned)
