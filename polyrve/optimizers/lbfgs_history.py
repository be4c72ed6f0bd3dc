"""The history of L-BFGS: pairs of steps and gradient differences, and the direction that they give.

The pairs (s, y) are one variable of b * 2 m rows of k elements (:mod:`polyrve.optimizers.blocks`): per row of the
field the m steps, then the m gradient differences, each divided by its root mean square, so that large fields can
keep them in half precision (:func:`kept_precision`). It is read by compiled functions alone, for TensorFlow copies
a variable that is written in parts whenever another operation reads it.

The two loops run on coefficients: every vector in them is a combination of the gradient and the pairs. With the
inner products of these at hand the history is read twice per iteration, for the products with the newest y and
for the direction, where the loops on vectors read it five times. The products with the gradient follow from those
with y by addition. An initial matrix other than a number times 1 is applied to a vector between the loops, and half
of the history, the gradient differences, is read twice more.

References
----------
.. [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., Springer 2006, Algorithm 7.4, eq. (7.20).
.. [2] W. Chen, Z. Wang, J. Zhou, Large-scale L-BFGS using MapReduce, NeurIPS 2014: the loops on coefficients.
.. [3] D.-H. Li, M. Fukushima, SIAM J. Optim. 11 (2001) 1054-1064, doi:10.1137/S1052623499354242: cautious
   update.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from polyrve.backend.strategy import Strategy
from polyrve.backend.tensorflow import tf
from polyrve.optimizers.blocks import dot
from polyrve.optimizers.result import State

FEWEST = 10
"""Pairs kept at the least; twice as many end within a few per cent of the same loss (``docs/studies.md``)."""
_HISTORY, _MOST = 2**24, 20
"""Bytes of a history that are few beside the 500 MB of the program itself, and pairs kept at the most."""


def default_memory(unknowns: int, size: int = 4) -> int:
    """Return how many pairs L-BFGS keeps for a field of orientations: what 16 MiB hold, but 10 to 20.

    Parameters
    ----------
    unknowns : int
    size : int, byte
        Size of each.

    Returns
    -------
    int

    Examples
    --------
    >>> default_memory(4 * 128**2), default_memory(4 * 512**2)
    (20, 10)
    """
    return min(max(_HISTORY // (2 * unknowns * size), FEWEST), _MOST)


def kept_precision(unknowns: int, dtype: tf.DType) -> tf.DType:
    """Return the precision of the pairs that L-BFGS keeps: half where 10 pairs in float32 take more than 16 MiB.

    In fields so large the errors of rounding cancel in the inner products, which are all that the loops see of them.

    Parameters
    ----------
    unknowns : int
    dtype : tf.DType
        Of the field.

    Returns
    -------
    tf.DType

    Examples
    --------
    >>> kept_precision(4 * 32**3, tf.float32).name, kept_precision(4 * 64**3, tf.float32).name
    ('float32', 'float16')
    """
    large = 2 * FEWEST * unknowns * dtype.size > _HISTORY
    return tf.float16 if large and dtype == tf.float32 else dtype


def two_loops(
    order: list[int], sy: np.ndarray, yy: np.ndarray, sg: np.ndarray, yg: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the weights of Algorithm 7.4 of [1]_ on coefficients [2]_: H g = a S + b Y + c g.

    Parameters
    ----------
    order : list of int
        Slots of the pairs, oldest first; empty for H = 1.
    sy, yy : ndarray, shape (m, m), float64
        Inner products s_i y_j (needed where i is not newer than j) and y_i y_j.
    sg, yg : ndarray, shape (m,), float64
        Inner products with the gradient.

    Returns
    -------
    a, b : ndarray, shape (m,), float64
    c : float
    """
    alpha = first_loop(order, sy, sg)
    c = sy[order[-1], order[-1]] / yy[order[-1], order[-1]] if order else 1.0
    return second_loop(order, sy, alpha, c * (yg - yy @ alpha)), -c * alpha, c


def first_loop(order: list[int], sy: np.ndarray, sg: np.ndarray) -> np.ndarray:
    """Return the weights alpha, shape (m,), of the first loop of Algorithm 7.4, which leaves g - alpha Y."""
    alpha = np.zeros_like(sg)
    for i in reversed(order):
        newer = order[order.index(i) + 1 :]
        alpha[i] = (sg[i] - sy[i, newer] @ alpha[newer]) / sy[i, i]
    return alpha


def second_loop(order: list[int], sy: np.ndarray, alpha: np.ndarray, yr: np.ndarray) -> np.ndarray:
    """Return the weights a, shape (m,), of the second loop, which leaves r + a S.

    `yr`, shape (m,), are the products y_i r with r, the initial matrix times what the first loop left.
    """
    a = np.zeros_like(alpha)
    for i in order:
        a[i] = alpha[i] - (yr[i] + a @ sy[:, i]) / sy[i, i]
    return a


class Pairs:
    """The m newest pairs on the device and their inner products on the host.

    Parameters
    ----------
    like : tf.Tensor, shape (b, k)
        A field as rows.
    memory : int
        Pairs kept, m.
    kept : tf.DType
        Precision that they are kept in.
    state : mapping or None
        What :meth:`export` returned.
    strategy : Strategy
        How the device forms inner products.

    Raises
    ------
    ValueError
        If the state holds another number of pairs, or pairs of another precision.
    """

    def __init__(self, like: tf.Tensor, memory: int, kept: tf.DType, state: State | None, strategy: Strategy) -> None:
        rows, length = like.shape
        self._memory, self._strategy = memory, strategy
        if state is None:
            self.order: list[int] = []
            self._sy, self._yy = np.zeros((memory, memory)), np.zeros((memory, memory))
            self._sg, self._yg = np.zeros(memory), np.zeros(memory)
            self._sizes = np.ones(2 * memory)
            initial = tf.zeros([rows * 2 * memory, length], kept)
        else:
            wanted = (rows * 2 * memory, length), kept.name
            found = state["pairs"].shape, state["pairs"].dtype.name
            if found != wanted:
                raise ValueError(
                    f"state: expected pairs of shape {wanted[0]} in {wanted[1]} for memory = {memory}; "
                    f"got {found[0]} in {found[1]}"
                )
            self.order = [int(i) for i in state["order"]]
            self._sy, self._yy = np.array(state["sy"]), np.array(state["yy"])
            self._sg, self._yg = np.array(state["sg"]), np.array(state["yg"])
            self._sizes = np.array(state.get("sizes", np.ones(2 * memory)))
            initial = tf.constant(state["pairs"])
        self._pairs = tf.Variable(initial, trainable=False)

    def export(self) -> dict[str, np.ndarray]:
        """Return arrays that continue with the same pairs.

        Returns
        -------
        dict of str to ndarray
        """
        return {
            "pairs": self._pairs.numpy(), "order": np.array(self.order, dtype=np.int64),
            "sy": self._sy.copy(), "yy": self._yy.copy(), "sg": self._sg.copy(), "yg": self._yg.copy(),
            "sizes": self._sizes.copy(),
        }  # fmt: skip

    def forget(self) -> None:
        """Leave all pairs out from now on."""
        self.order = []

    def direction(
        self, gradient: tf.Tensor, square: float, initial: Callable[[tf.Tensor, float], tf.Tensor] | None
    ) -> tuple[tf.Tensor, float]:
        """Return the direction -H g and the slope of the loss along it.

        Parameters
        ----------
        gradient : tf.Tensor, shape (b, k)
        square : float
            Inner product of the gradient with itself.
        initial : callable or None
            Vector and gamma to the initial matrix times the vector; gamma times 1 by default.

        Returns
        -------
        direction : tf.Tensor, shape (b, k)
        slope : float
        """
        if not self.order:
            return -gradient, -square
        m = self._memory
        if initial is not None:
            alpha = first_loop(self.order, self._sy, self._sg)
            weights = np.append(-alpha * self._sizes[m:], 1.0)
            left = _combine_half(self._pairs, gradient, tf.constant(weights, gradient.dtype), True)
            newest = self.order[-1]
            r = initial(left, self._sy[newest, newest] / self._yy[newest, newest])
            yr: np.ndarray = self._sizes[m:] * _products(self._pairs, r, True, self._strategy).numpy()
            a = second_loop(self.order, self._sy, alpha, yr)
            slope = -float(a @ self._sg + float(dot(r, gradient)))
            weights = -np.append(a * self._sizes[:m], 1.0)
            return _combine_half(self._pairs, r, tf.constant(weights, gradient.dtype), False), slope
        a, b, c = two_loops(self.order, self._sy, self._yy, self._sg, self._yg)
        slope = -float(a @ self._sg + b @ self._yg + c * square)
        weights = -np.append(np.concatenate([a, b]) * self._sizes, c)
        return _combine(self._pairs, gradient, tf.constant(weights, gradient.dtype)), slope

    def add(
        self,
        step: float,
        direction: tf.Tensor,
        gradient: tf.Tensor,
        next_gradient: tf.Tensor,
        slopes: tuple[float, float],
        squares: tuple[float, float],
    ) -> bool:
        """Take in s = step * direction and y, the change of the gradient, and bring the products up to date.

        Parameters
        ----------
        step : float
        direction, gradient, next_gradient : tf.Tensor, shape (b, k)
        slopes, squares : (float, float)
            Slope along the direction, and square of the gradient, before and after the step.

        Returns
        -------
        bool
            False where the curvature s y is lost in rounding, and the pair left out [3]_.
        """
        m = self._memory
        curved = slopes[1] - slopes[0] > np.finfo(direction.dtype.as_numpy_dtype).eps * abs(slopes[0])
        slot = (self.order[-1] + 1) % m if self.order else 0
        if curved:
            rows = slot + m * np.arange(2)[:, None] + 2 * m * np.arange(direction.shape[0])
            numbers = _take_in(
                self._pairs, tf.constant(rows), direction, gradient, next_gradient, self._strategy
            ).numpy()
            sizes, products = numbers[:2], numbers[2:]
            self._sizes[[slot, m + slot]] = sizes * (step, 1.0)
            self.order = [i for i in self.order if i != slot]
        else:
            products = _all_products(self._pairs, next_gradient - gradient, self._strategy).numpy()
        sy, yy = np.split(self._sizes * products, 2)
        self._sg += sy
        self._yg += yy
        curved = bool(curved and sy[slot] > 0.0)
        if curved:
            self._sg[slot] = step * slopes[1]
            self._yg[slot] = 0.5 * (yy[slot] + squares[1] - squares[0])
            self._sy[:, slot] = sy
            self._yy[:, slot] = self._yy[slot] = yy
            self.order.append(slot)
        return curved


@tf.function(autograph=False)
def _take_in(
    pairs: tf.Variable, rows: tf.Tensor, s: tf.Tensor, before: tf.Tensor, after: tf.Tensor, strategy: Strategy
) -> tf.Tensor:
    """Put a multiple of s and the change y of the gradient in their rows, divided by their root mean squares.

    Return these two, and the 2 m products of what is kept with y, in one array, which is read at once.
    """
    y = after - before
    sizes = []
    for vector, slots in zip((s, y), tf.unstack(rows), strict=True):
        sizes.append(tf.sqrt(dot(vector, vector) / math.prod(vector.shape)))
        pairs.scatter_update(tf.IndexedSlices(tf.cast(vector / tf.cast(sizes[-1], y.dtype), pairs.dtype), slots))
    return tf.concat([tf.stack(sizes), _all_products(pairs, y, strategy)], 0)


@tf.function(autograph=False)
def _all_products(pairs: tf.Variable, vector: tf.Tensor, strategy: Strategy) -> tf.Tensor:
    """Return products of all s, then of all y, with a vector, shape (2 m,), float64; the halves run side by side."""
    return tf.concat([_products(pairs, vector, differences, strategy) for differences in (False, True)], 0)


@tf.function(jit_compile=True, autograph=False)
def _products(pairs: tf.Variable, vector: tf.Tensor, differences: bool, strategy: Strategy) -> tf.Tensor:
    """Return products of either half of the history with a vector, shape (m,), float64."""
    halves = _halves(pairs, vector)
    products = strategy.products_by_row(lambda i: tf.cast(halves[i, int(differences)], vector.dtype), vector)
    return tf.reduce_sum(tf.cast(products, tf.float64), axis=0)


@tf.function(jit_compile=True, autograph=False)
def _combine(pairs: tf.Variable, gradient: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    blocks = tf.cast(tf.reshape(pairs, [gradient.shape[0], -1, gradient.shape[1]]), gradient.dtype)
    return weights[-1] * gradient + tf.reduce_sum(blocks * weights[:-1, None], axis=1)


@tf.function(jit_compile=True, autograph=False)
def _combine_half(pairs: tf.Variable, vector: tf.Tensor, weights: tf.Tensor, differences: bool) -> tf.Tensor:
    """Return either half of the history, and a vector behind it, times their weights."""
    half = tf.cast(_halves(pairs, vector)[:, int(differences)], vector.dtype)
    return weights[-1] * vector + tf.reduce_sum(half * weights[:-1, None], axis=1)


def _halves(pairs: tf.Variable, like: tf.Tensor) -> tf.Tensor:
    """Return the steps and the gradient differences, shape (b, 2, m, k)."""
    return tf.reshape(pairs, [like.shape[0], 2, -1, like.shape[1]])
