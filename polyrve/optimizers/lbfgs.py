"""Limited-memory BFGS on the device of the field.

Fields never leave the device. An evaluation sends the loss, a slope, a norm and the terms to the host, at once; an
iteration further 2 m inner products, from which the host finds the weights of the next search direction.

:mod:`polyrve.optimizers.lbfgs_history` keeps the pairs of steps and gradient differences and finds the direction. For a
field of orientations the initial matrix has a scale per spatial frequency
(:mod:`polyrve.optimizers.spectral_preconditioner`).

References
----------
.. [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., Springer 2006, Algorithm 7.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from polyrve.backend.device import current
from polyrve.backend.memory import give_back
from polyrve.backend.tensorflow import tf
from polyrve.optimizers.blocks import dot, from_blocks, to_blocks
from polyrve.optimizers.evaluation import Evaluation
from polyrve.optimizers.lbfgs_history import FEWEST, Pairs, default_memory, kept_precision
from polyrve.optimizers.line_search import Trial, strong_wolfe
from polyrve.optimizers.result import State, Status, Watch
from polyrve.optimizers.spectral_preconditioner import FrequencyScales


def lbfgs(
    evaluate: Callable[[tf.Tensor], Evaluation],
    start: tf.Tensor,
    watch: Watch,
    state: State | None,
    *,
    memory: int | None = None,
    first_step: float | None = None,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    max_trials: int = 20,
    orientations: bool = False,
) -> Status:
    """Minimise by L-BFGS, Algorithm 7.5 of [1]_.

    Parameters
    ----------
    evaluate : callable
        Position to :class:`polyrve.optimizers.evaluation.Evaluation`.
    start : tf.Tensor
    watch : Watch
    state : mapping or None
    memory : int, optional
        Pairs kept, m; by default 10, for fields of orientations those of :func:`default_memory`.
    first_step : float, optional
        Euclidean length of the first trial step; by default 1, or 1 % of the start's norm where that is more.
    decrease, curvature : float
        c1 and c2 of the strong Wolfe conditions, see :func:`polyrve.optimizers.line_search.strong_wolfe`.
    max_trials : int
        Evaluations per iteration at most.
    orientations : bool
        Whether the start is a field (nz, ny, nx, k) whose first four components are quaternions; the default where
        it is no volume and the objective says so, see :class:`polyrve.optimizers.evaluation.Objective`.

    Returns
    -------
    Status
        Why the method cannot go on.

    Raises
    ------
    Stop
        If the watch ends the run.
    ValueError
        If an option is out of its range.
    """
    shape = tuple(start.shape)
    kept = kept_precision(math.prod(shape), start.dtype)
    if memory is None:
        memory = default_memory(math.prod(shape), kept.size) if orientations else FEWEST
    if memory < 1 or not 0.0 < decrease < 0.5 or not decrease < curvature < 1.0 or max_trials < 1:
        raise ValueError(
            "L-BFGS: expected memory >= 1, max_trials >= 1 and 0 < decrease < 0.5, decrease < curvature < 1; "
            f"got {memory}, {max_trials}, {decrease}, {curvature}"
        )
    if orientations and (len(shape) != 4 or shape[3] < 4):
        raise ValueError(f"L-BFGS: expected orientations of shape (nz, ny, nx, 4 or more); got {shape}")
    metric = FrequencyScales(shape, start.dtype, state) if orientations else None
    if state is None:
        position = to_blocks(start)
        gradient, value, _, square, terms = _measured(evaluate(start), position)
        give_back()
    else:
        position, gradient = to_blocks(start), to_blocks(tf.constant(state["gradient"]))
        value, square, terms = watch.values[-1], float(state["square"]), state["history/terms"][-1]
    pairs = Pairs(position, memory, kept, state, current())

    def export() -> dict[str, np.ndarray]:
        return {
            "position": from_blocks(position, shape).numpy(),
            "gradient": from_blocks(gradient, shape).numpy(),
            "square": np.float64(square),
            **pairs.export(),
            **(metric.export() if metric is not None else {}),
        }

    def initial(vector: tf.Tensor, gamma: float) -> tf.Tensor:
        if metric is None:
            return tf.cast(gamma, vector.dtype) * vector
        return to_blocks(metric.apply(from_blocks(position, shape), from_blocks(vector, shape), gamma))

    if state is None:
        watch.report(start, value, terms, math.sqrt(square), export)
    while True:
        direction, slope = pairs.direction(gradient, square, None if metric is None else initial)

        def along(step: float) -> Trial:
            moved = position + (direction if step == 1.0 else tf.cast(step, direction.dtype) * direction)  # noqa: B023
            field = from_blocks(moved, shape)
            gradient, value, slope, square, terms = _measured(evaluate(field), direction)  # noqa: B023
            return Trial(step, value, slope, (moved, field, gradient, square, terms))

        step = 1.0
        if not pairs.order:
            length = first_step or max(1.0, 0.01 * math.sqrt(float(dot(position, position))))
            step = length / math.sqrt(square)
        trial = None
        if slope < 0.0:
            trial = strong_wolfe(
                along,
                Trial(0.0, value, slope),
                step,
                decrease=decrease,
                curvature=curvature,
                rounding=8.0 * np.finfo(start.dtype.as_numpy_dtype).eps,
                max_trials=max_trials,
            )
        if trial is None:
            if not pairs.order:
                return Status.NO_DESCENT
            pairs.forget()
            if metric is not None:
                metric.forget()
            continue
        moved, field, next_gradient, next_square, next_terms = trial.point
        added = pairs.add(trial.step, direction, gradient, next_gradient, (slope, trial.slope), (square, next_square))
        if added and len(pairs.order) == 1:
            give_back()
        if metric is not None and added:
            length = tf.cast(trial.step, start.dtype)
            metric.learn(field, from_blocks(length * direction, shape), from_blocks(next_gradient - gradient, shape))
        position, gradient, value, square = moved, next_gradient, trial.value, next_square
        watch.report(field, value, next_terms, math.sqrt(square), export)


def _measured(found: Evaluation, direction: tf.Tensor) -> tuple[tf.Tensor, float, float, float, np.ndarray]:
    """Return the gradient as rows, the loss, its slope along a direction, the gradient's square and the terms."""
    gradient, numbers = _measure(*found, direction)
    value, slope, square, *_ = host = numbers.numpy()
    return gradient, float(value), float(slope), float(square), host[3:]


@tf.function(autograph=False)
def _measure(
    value: tf.Tensor, gradient: tf.Tensor, terms: tf.Tensor, direction: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the gradient as rows, and all numbers in one array, which is read at once."""
    rows = to_blocks(gradient)
    return rows, tf.concat([tf.stack([value, dot(rows, direction), dot(rows, rows)]), terms], 0)
