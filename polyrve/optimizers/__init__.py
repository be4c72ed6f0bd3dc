"""Minimisation of a loss over a field: one call, several methods.

L-BFGS, the default, and Barzilai-Borwein keep the field on its device. The first-order methods are those of Keras, the
last three those of SciPy, which work in float64 on the host.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.optimizers.barzilai_borwein import barzilai_borwein
from polyrve.optimizers.evaluation import Evaluation, Objective, evaluation
from polyrve.optimizers.first_order import first_order
from polyrve.optimizers.lbfgs import lbfgs
from polyrve.optimizers.lbfgs_history import default_memory
from polyrve.optimizers.result import History, Iteration, Limits, Minimum, State, Status, Stop, Watch
from polyrve.optimizers.scipy_methods import scipy

__all__ = [
    "METHODS", "Evaluation", "History", "Iteration", "Minimum", "Objective", "State", "Status", "default_memory",
    "minimize",
]  # fmt: skip

METHODS: dict[str, Callable[..., Status]] = {
    "lbfgs": lbfgs,
    "barzilai-borwein": barzilai_borwein,
    "adam": partial(first_order, name="Adam"),
    "adamax": partial(first_order, name="Adamax"),
    "adagrad": partial(first_order, name="Adagrad"),
    "rmsprop": partial(first_order, name="RMSprop"),
    "sgd": partial(first_order, name="SGD"),
    "scipy-lbfgsb": partial(scipy, name="L-BFGS-B"),
    "scipy-tnc": partial(scipy, name="TNC"),
    "scipy-cg": partial(scipy, name="CG"),
}
"""The methods of :func:`minimize`; each documents its own options."""


def minimize(
    objective: Objective | Callable[[tf.Tensor], Any],
    start: tf.Tensor | np.ndarray | None = None,
    *,
    method: str = "lbfgs",
    max_iterations: int = 1000,
    tolerance: float = 1e-6,
    patience: int = 50,
    gradient_tolerance: float = 0.0,
    target: float = -np.inf,
    callback: Callable[[Iteration], Any] | None = None,
    state: State | None = None,
    graph: bool = True,
    **options: Any,
) -> Minimum:
    """Minimise a loss.

    Parameters
    ----------
    objective : Objective or callable
        An object with the method ``value_and_gradient(position) -> (value, gradient[, terms])``, or a
        differentiable function of the position that returns the loss or ``(loss, terms)``.
    start : tf.Tensor, shape (...), float32 or float64
        Not needed where `state` is given.
    method : str
        One of :data:`METHODS`.
    max_iterations : int
        Those of a continued run included.
    tolerance, patience : float, int
        The run ends when the lowest loss has fallen by less than this fraction in so many iterations.
    gradient_tolerance : float
        The run ends when the Euclidean norm of the gradient is not above it.
    target : float
        The run ends when the loss is not above it.
    callback : callable, optional
        Called with an :class:`Iteration` at the start and after each iteration; the run ends when it returns
        True.
    state : mapping of str to ndarray, optional
        What :attr:`Iteration.state` returned in an earlier run with the same objective, method and options. That
        run is continued, to the bit (SciPy's methods: from its position); its start stays iteration 0.
    graph : bool
        Whether to trace the objective into one graph. False for an objective that orders its own graphs.
    **options
        Options of the method.

    Returns
    -------
    Minimum
        The best position of all iterations. An interrupt from the keyboard ends the run and keeps it too.

    Raises
    ------
    ValueError
        If the method is unknown, if the start, or the loss or its gradient there, is not finite, if the loss does not
        depend on the position, if a limit is out of its range, or if the state is of another method.
    TypeError
        If the objective is neither of the two forms, or the method does not have an option.

    See Also
    --------
    METHODS : The methods by name.
    Status : Why a minimisation ended.

    Examples
    --------
    >>> minimum = minimize(lambda x: tf.reduce_sum((x - 2.0) ** 2), tf.zeros([3, 4]))
    >>> minimum.value, minimum.status.converged
    (0.0, True)

    A run that was stopped goes on from its state:

    >>> saved = []
    >>> steep = lambda x: tf.reduce_sum((x - 2.0) ** 4)
    >>> stopped = minimize(steep, tf.zeros([3, 4]), callback=lambda it: saved.append(it.state()) or it.iteration == 2)
    >>> stopped.status.name, len(minimize(steep, state=saved[-1], max_iterations=5).history)
    ('CALLBACK', 6)
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}; got {method!r}")
    limits = Limits(max_iterations, tolerance, patience, gradient_tolerance, target)
    if state is not None:
        saved = bytes(np.asarray(state["method"])).rstrip(b"\0").decode()
        if saved != method:
            raise ValueError(f"state: expected one of method {method!r}; got one of {saved!r}")
        start = state["position"]
    position = _start(start)
    if method == "lbfgs":
        # In a volume the transforms of the scales cost a sixth of an evaluation, more than a step may take beyond it.
        volume = position.shape.rank == 4 and position.shape[0] > 1
        options = {"orientations": getattr(objective, "orientations", False) and not volume, **options}
    evaluate = evaluation(objective)
    traced = None if graph else evaluate
    watch = Watch(limits, callback, method, state)

    def counted(position: tf.Tensor) -> Evaluation:
        nonlocal traced
        if traced is None:
            # For this shape alone: TensorFlow takes the objectives of many short runs for one traced anew, and warns.
            traced = tf.function(evaluate).get_concrete_function(position)
        watch.evaluations += 1
        result = traced(position)
        if watch.evaluations == 1 and not np.isfinite(float(result.value)):
            raise ValueError(f"objective: expected a finite loss at the start; got {float(result.value)}")
        if watch.evaluations == 1 and not bool(tf.reduce_all(tf.math.is_finite(result.gradient))):
            raise ValueError("objective: expected a finite gradient at the start; got one that is not")
        return result

    try:
        if state is not None:
            watch.check()
        status = METHODS[method](counted, position, watch, state, **options)
    except Stop as stop:
        status = stop.status
    except KeyboardInterrupt:
        if watch.position is None:
            raise
        status = Status.INTERRUPTED
    return Minimum(watch.position, watch.value, status, watch.history())


def _start(start: tf.Tensor | np.ndarray | None) -> tf.Tensor:
    if start is None:
        raise ValueError("start: expected a position, or a state to continue; got neither")
    position = tf.convert_to_tensor(start)
    if position.dtype not in (tf.float32, tf.float64) or 0 in position.shape:
        raise ValueError(
            f"start: expected float32 or float64 and at least one element; "
            f"got {position.dtype.name} of shape {tuple(position.shape)}"
        )
    wrong = int(tf.math.count_nonzero(~tf.math.is_finite(position)))
    if wrong:
        raise ValueError(f"start: expected finite numbers; got {wrong} that are nan or infinite")
    return position
