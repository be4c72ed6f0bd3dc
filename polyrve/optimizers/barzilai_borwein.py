"""Barzilai-Borwein steps with a non-monotone line search, on the device of the field.

References
----------
.. [1] J. Barzilai, J. M. Borwein, IMA J. Numer. Anal. 8 (1988) 141-148, doi:10.1093/imanum/8.1.141.
.. [2] M. Raydan, SIAM J. Optim. 7 (1997) 26-33, doi:10.1137/S1052623494266365: the global algorithm.
.. [3] B. Zhou, L. Gao, Y.-H. Dai, Comput. Optim. Appl. 35 (2006) 69-86, doi:10.1007/s10589-006-6446-0: the
   choice between the two steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.optimizers.blocks import dot, from_blocks, to_blocks
from polyrve.optimizers.evaluation import Evaluation
from polyrve.optimizers.result import State, Status, Watch


def barzilai_borwein(
    evaluate: Callable[[tf.Tensor], Evaluation],
    start: tf.Tensor,
    watch: Watch,
    state: State | None,
    *,
    first_step: float | None = None,
    remembered: int = 10,
    decrease: float = 1e-4,
    switch: float = 0.15,
    max_trials: int = 20,
) -> Status:
    """Minimise by gradient steps of Barzilai and Borwein's lengths [1]_.

    Parameters
    ----------
    evaluate : callable
        Position to :class:`polyrve.optimizers.evaluation.Evaluation`.
    start : tf.Tensor
    watch : Watch
    state : mapping or None
    first_step : float, optional
        Euclidean length of the first step; by default 1, or 1 % of the start's norm where that is more.
    remembered : int
        A step has to stay below the largest of so many last losses; 10 is the M of [2]_.
    decrease : float
        Armijo's constant; 1e-4 is the gamma of [2]_.
    switch : float
        The short step is taken where it is below so much of the long one, the kappa of [3]_; a smaller one takes it
        less often.
    max_trials : int
        Evaluations per iteration at most; each cuts the step to a half or less, so that 20 reach a millionth of it.

    Returns
    -------
    Status
        Why the method cannot go on.

    Raises
    ------
    Stop
        If the watch ends the run.
    """
    shape = tuple(start.shape)
    position = to_blocks(start)
    if state is None:
        value, gradient, terms = evaluate(start)
        value, gradient = float(value), to_blocks(gradient)
        square = float(dot(gradient, gradient))
        length = first_step or max(1.0, 0.01 * math.sqrt(float(dot(position, position))))
        step = length / math.sqrt(square) if square > 0.0 else 0.0
    else:
        gradient = to_blocks(tf.constant(state["gradient"]))
        square, step = float(state["square"]), float(state["step"])

    def export() -> dict[str, np.ndarray]:
        return {
            "position": from_blocks(position, shape).numpy(),
            "gradient": from_blocks(gradient, shape).numpy(),
            "square": np.float64(square),
            "step": np.float64(step),
        }

    if state is None:
        watch.report(start, value, terms.numpy(), math.sqrt(square), export)
    while True:
        bound = max(watch.values[-remembered:])
        for _ in range(max_trials):
            moved = _step(position, gradient, tf.constant(step, tf.float64))
            next_value, next_gradient, terms = evaluate(from_blocks(moved, shape))
            value = float(next_value)
            if value <= bound - decrease * step * square:
                break
            fall = value - watch.values[-1] + step * square
            step *= min(max(0.5 * step * square / fall, 0.1), 0.5) if math.isfinite(fall) and fall > 0.0 else 0.1
        else:
            return Status.NO_DESCENT
        next_gradient = to_blocks(next_gradient)
        across, next_square = (float(product) for product in _products(gradient, next_gradient))
        curvature = square - across
        change = next_square - 2.0 * across + square
        if curvature > 0.0 and change > 0.0:
            long, short = step * square / curvature, step * curvature / change
            step = short if short < switch * long else long
        else:
            step *= 4.0
        position, gradient, square = moved, next_gradient, next_square
        watch.report(from_blocks(position, shape), value, terms.numpy(), math.sqrt(square), export)


@tf.function(autograph=False)
def _step(position: tf.Tensor, gradient: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    return position - tf.cast(step, position.dtype) * gradient


@tf.function(autograph=False)
def _products(a: tf.Tensor, b: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return dot(a, b), dot(b, b)
