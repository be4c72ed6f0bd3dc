"""Adam, Adamax, Adagrad, RMSprop and SGD of Keras, https://keras.io/api/optimizers/."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.optimizers.blocks import dot, to_blocks
from polyrve.optimizers.evaluation import Evaluation
from polyrve.optimizers.result import State, Status, Watch

LEARNING_RATES: dict[str, float | None] = {
    "Adam": 0.01, "Adamax": 0.02, "Adagrad": 0.1, "RMSprop": 0.005, "SGD": None,
}  # fmt: skip
"""Default learning rates, for positions whose components are of order one: steps of about a hundredth, like the first
step of L-BFGS. Adagrad's steps shrink as it goes on and begin larger. The step of SGD alone scales with the gradient;
its default makes the first step change the position by 1 % of its norm."""


def first_order(
    evaluate: Callable[[tf.Tensor], Evaluation],
    start: tf.Tensor,
    watch: Watch,
    state: State | None,
    *,
    name: str,
    learning_rate: float | None = None,
    **options: Any,
) -> Status:
    """Minimise by one of Keras' optimizers.

    Parameters
    ----------
    evaluate : callable
        Position to :class:`polyrve.optimizers.evaluation.Evaluation`.
    start : tf.Tensor
    watch : Watch
    state : mapping or None
    name : str
        One of :data:`LEARNING_RATES`.
    learning_rate : float, optional
        By default that of :data:`LEARNING_RATES`.
    **options
        Further arguments of the class in ``keras.optimizers``.

    Returns
    -------
    Status
        Never; the watch ends the run.

    Raises
    ------
    Stop
        If the watch ends the run.
    ValueError
        If Keras runs on another backend than TensorFlow.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"{name}: expected Keras on the TensorFlow backend; got {keras.backend.backend()!r}. "
            "Unset the environment variable KERAS_BACKEND"
        )
    value, gradient, terms = evaluate(start)
    if learning_rate is None:
        learning_rate = LEARNING_RATES[name]
    if state is not None:
        learning_rate = float(state["learning_rate"])
    if learning_rate is None:
        norms = [math.sqrt(float(dot(rows, rows))) for rows in (to_blocks(start), to_blocks(gradient))]
        learning_rate = 0.01 * max(norms[0], 1.0) / max(norms[1], np.finfo(np.float64).tiny)
    variable = keras.Variable(start, dtype=start.dtype.name, trainable=True)
    optimizer = getattr(keras.optimizers, name)(learning_rate=learning_rate, **options)
    optimizer.build([variable])
    if state is not None:
        for i, slot in enumerate(optimizer.variables):
            slot.assign(state[f"optimizer/{i}"])
    update = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))

    def export() -> dict[str, np.ndarray]:
        return {
            "position": variable.value.numpy(),
            "learning_rate": np.float64(learning_rate),
            **{f"optimizer/{i}": slot.value.numpy() for i, slot in enumerate(optimizer.variables)},
        }

    position, reported = start, state is not None
    while True:
        if not reported:
            rows = to_blocks(gradient)
            watch.report(position, float(value), terms.numpy(), math.sqrt(float(dot(rows, rows))), export)
        reported = False
        update(gradient)
        position = tf.identity(variable.value)
        value, gradient, terms = evaluate(position)
