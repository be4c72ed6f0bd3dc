"""L-BFGS-B, TNC and CG of SciPy: float64 on the host, where field and gradient are copied at each evaluation.

On a busy machine a multi-threaded OpenBLAS can stall these methods for minutes, its threads spinning in ``ddot``;
set ``OPENBLAS_NUM_THREADS=1`` before NumPy is imported. SciPy does not hand out its curvature, so a continued run
starts from the saved position without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import optimize

from polyrve.backend.tensorflow import tf
from polyrve.optimizers.evaluation import Evaluation
from polyrve.optimizers.result import State, Status, Watch

_ENDLESS: dict[str, dict[str, Any]] = {
    "L-BFGS-B": {"maxiter": 10**9, "maxfun": 10**9, "ftol": 0.0, "gtol": 0.0},
    "TNC": {"maxfun": 2**31 - 1, "ftol": 0.0, "gtol": 0.0, "xtol": 0.0},
    "CG": {"maxiter": 10**9, "gtol": 0.0},
}


def scipy(
    evaluate: Callable[[tf.Tensor], Evaluation],
    start: tf.Tensor,
    watch: Watch,
    state: State | None,
    *,
    name: str,
    **options: Any,
) -> Status:
    """Minimise by ``scipy.optimize.minimize``.

    Parameters
    ----------
    evaluate : callable
        Position to :class:`polyrve.optimizers.evaluation.Evaluation`.
    start : tf.Tensor
    watch : Watch
    state : mapping or None
    name : str
        ``"L-BFGS-B"``, ``"TNC"`` or ``"CG"``.
    **options
        SciPy's options of that method. Its own limits are off unless given here; the watch ends the run.

    Returns
    -------
    Status
        Why the method cannot go on.

    Raises
    ------
    Stop
        If the watch ends the run.
    """
    shape, dtype = tuple(start.shape), start.dtype
    latest: dict[str, Any] = {}

    def loss(x: np.ndarray) -> tuple[float, np.ndarray]:
        position = tf.constant(x.reshape(shape), dtype)
        value, gradient, terms = evaluate(position)
        gradient = gradient.numpy().astype(np.float64).ravel()
        latest.update(x=x.copy(), position=position, value=float(value), terms=terms.numpy(), gradient=gradient)
        return float(value), gradient

    def report(x: np.ndarray) -> None:
        if not np.array_equal(x, latest["x"]):
            loss(x)
        watch.report(
            latest["position"], latest["value"], latest["terms"], float(np.linalg.norm(latest["gradient"])),
            lambda: {"position": latest["position"].numpy()},
        )  # fmt: skip

    x = start.numpy().astype(np.float64).ravel()
    if state is None:
        loss(x)
        report(x)
    optimize.minimize(loss, x, jac=True, method=name, callback=report, options={**_ENDLESS[name], **options})
    return Status.NO_DESCENT
