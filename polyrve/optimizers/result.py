"""What a minimisation hands out: one record per iteration, the history, the minimum and why it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from polyrve.backend.tensorflow import tf


class Status(Enum):
    """Why a minimisation ended, and what to do about it.

    Examples
    --------
    >>> Status.TARGET.converged, str(Status.TARGET)
    (True, 'The loss has reached the target. Lower `target` to go on.')
    """

    CONVERGED = (
        "Converged: the loss has fallen by less than the tolerance over the last iterations. "
        "Lower `tolerance` or raise `patience` to go on."
    )
    STATIONARY = (
        "Converged: the gradient norm is not above `gradient_tolerance`. Lower it to go on; "
        "if the loss is still high, this is a local minimum: start from another position."
    )
    TARGET = "The loss has reached the target. Lower `target` to go on."
    ITERATIONS = "All iterations that were asked for are done; more of them may lower the loss."
    CALLBACK = "Stopped by the callback; the best position is kept. Continue from a saved state or from the position."
    INTERRUPTED = (
        "Interrupted from the keyboard; the best position is kept. Continue from a saved state or from the position."
    )
    NO_DESCENT = (
        "No step along the search direction lowers the loss; the best position is kept. "
        "Usually the loss is at the rounding level of its dtype: use float64 to go on. "
        "Far from a minimum, check the gradient against finite differences."
    )
    NOT_FINITE = (
        "The loss or its gradient became infinite or nan; the best position is kept. "
        "Lower the learning rate, or check the objective near this position."
    )

    def __str__(self) -> str:
        return self.value

    @property
    def converged(self) -> bool:
        """Whether the minimisation ended because there was nothing left to do."""
        return self in (Status.CONVERGED, Status.STATIONARY, Status.TARGET)


State = Mapping[str, np.ndarray]
"""Arrays by name that continue a minimisation; :attr:`Iteration.state` returns them."""


@dataclass(frozen=True, eq=False)
class Iteration:
    """What a callback gets after each iteration; iteration 0 is the start.

    Attributes
    ----------
    iteration : int
    value : float
        Loss at `position`.
    terms : ndarray, shape (t,), float64
        Terms of the loss where the objective gives them, else of shape (0,).
    gradient_norm : float
        Euclidean norm of the gradient.
    evaluations : int
        Evaluations of the objective so far.
    seconds : float
        Wall time so far, earlier runs of a continued minimisation included.
    position : tf.Tensor
        On the device of the start; may be kept.
    state : callable
        ``state()`` copies everything that continues the minimisation to the host, a dict of arrays. It is
        valid during the callback alone.
    """

    iteration: int
    value: float
    terms: np.ndarray
    gradient_norm: float
    evaluations: int
    seconds: float
    position: tf.Tensor
    state: Callable[[], dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class History:
    """The course of a minimisation; entry i belongs to iteration i, entry 0 to the start.

    Attributes
    ----------
    value : ndarray, shape (k,), float64
    terms : ndarray, shape (k, t), float64
    gradient_norm : ndarray, shape (k,), float64
    evaluations : ndarray, shape (k,), int64
    seconds : ndarray, shape (k,), float64, s
    """

    value: np.ndarray
    terms: np.ndarray
    gradient_norm: np.ndarray
    evaluations: np.ndarray
    seconds: np.ndarray

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, eq=False)
class Minimum:
    """The best position of a minimisation.

    Attributes
    ----------
    position : tf.Tensor
        Shape and dtype of the start.
    value : float
        Loss at `position`, the lowest of all iterations.
    status : Status
        Why it ended; ``str(status)`` is a sentence with a remedy.
    history : History
    """

    position: tf.Tensor
    value: float
    status: Status
    history: History


class Stop(Exception):
    """Ends a minimisation from within; carries its :class:`Status`."""

    def __init__(self, status: Status) -> None:
        super().__init__(str(status))
        self.status = status


@dataclass(frozen=True)
class Limits:
    """When a minimisation ends.

    Attributes
    ----------
    max_iterations : int
        Iterations, those of a continued run included.
    tolerance, patience : float, int
        The run ends when the lowest loss has fallen by less than this fraction in so many iterations.
    gradient_tolerance : float
        The run ends when the Euclidean norm of the gradient is not above it.
    target : float
        The run ends when the loss is not above it.

    Raises
    ------
    ValueError
        If a limit is out of its range.

    See Also
    --------
    Status : Which of them ended a run.

    Examples
    --------
    >>> Limits(max_iterations=100, tolerance=1e-6, patience=0, gradient_tolerance=0.0, target=0.0)
    Traceback (most recent call last):
    ValueError: max_iterations, patience: expected at least 0 and 1; got 100, 0
    """

    max_iterations: int
    tolerance: float
    patience: int
    gradient_tolerance: float
    target: float

    def __post_init__(self) -> None:
        if self.max_iterations < 0 or self.patience < 1:
            raise ValueError(
                f"max_iterations, patience: expected at least 0 and 1; got {self.max_iterations}, {self.patience}"
            )
        if not (self.tolerance >= 0 and self.gradient_tolerance >= 0):
            raise ValueError(
                f"tolerance, gradient_tolerance: expected numbers >= 0; got {self.tolerance}, {self.gradient_tolerance}"
            )


class Watch:
    """Records the iterations of a method, keeps the best position and ends the run by :class:`Stop`.

    Parameters
    ----------
    limits : Limits
    callback : callable or None
    method : str
    state : mapping or None
        State of an earlier run to continue.
    """

    def __init__(
        self, limits: Limits, callback: Callable[[Iteration], Any] | None, method: str, state: State | None
    ) -> None:
        self._limits, self._callback, self._method = limits, callback, method
        self._columns: dict[str, list] = {
            name: [] if state is None else list(state[f"history/{name}"])
            for name in ("value", "terms", "gradient_norm", "evaluations", "seconds")
        }
        self.evaluations = 0 if state is None else int(state["history/evaluations"][-1])
        self._clock = time.perf_counter() - (0.0 if state is None else float(state["history/seconds"][-1]))
        self.position: tf.Tensor = None if state is None else tf.constant(state["best/position"])
        self.value = np.inf if state is None else float(state["best/value"])

    @property
    def values(self) -> list[float]:
        """Losses so far, one per iteration."""
        return self._columns["value"]

    def history(self) -> History:
        """Return the columns so far.

        Returns
        -------
        History
        """
        return History(
            value=np.array(self._columns["value"], dtype=np.float64),
            terms=np.array(self._columns["terms"], dtype=np.float64),
            gradient_norm=np.array(self._columns["gradient_norm"], dtype=np.float64),
            evaluations=np.array(self._columns["evaluations"], dtype=np.int64),
            seconds=np.array(self._columns["seconds"], dtype=np.float64),
        )

    def report(
        self,
        position: tf.Tensor,
        value: float,
        terms: np.ndarray,
        gradient_norm: float,
        state: Callable[[], dict[str, np.ndarray]],
    ) -> None:
        """Record one iteration.

        Parameters
        ----------
        position : tf.Tensor
        value : float
        terms : ndarray, shape (t,)
        gradient_norm : float
        state : callable
            Arrays of the method by name.

        Raises
        ------
        Stop
            If the run is to end.
        """
        if not (np.isfinite(value) and np.isfinite(gradient_norm)):
            raise Stop(Status.NOT_FINITE)
        if value < self.value:
            self.position, self.value = position, value
        iteration = len(self.values)
        seconds = time.perf_counter() - self._clock
        for name, entry in (
            ("value", value), ("terms", terms), ("gradient_norm", gradient_norm),
            ("evaluations", self.evaluations), ("seconds", seconds),
        ):  # fmt: skip
            self._columns[name].append(entry)
        if self._callback is not None and self._callback(
            Iteration(
                iteration,
                value,
                terms,
                gradient_norm,
                self.evaluations,
                seconds,
                position,
                lambda: self._export(state()),
            )
        ):
            raise Stop(Status.CALLBACK)
        self.check()

    def check(self) -> None:
        """End the run if the last iteration met a limit.

        Raises
        ------
        Stop
            With the status of that limit.
        """
        limits, values = self._limits, self.values
        if self.value <= limits.target:
            raise Stop(Status.TARGET)
        if self._columns["gradient_norm"][-1] <= limits.gradient_tolerance:
            raise Stop(Status.STATIONARY)
        if len(values) > limits.patience:
            before = min(values[: -limits.patience])
            if before - self.value < limits.tolerance * abs(before):
                raise Stop(Status.CONVERGED)
        if len(values) > limits.max_iterations:
            raise Stop(Status.ITERATIONS)

    def _export(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {
            **arrays,
            **{f"history/{name}": column for name, column in vars(self.history()).items()},
            "best/position": self.position.numpy(),
            "best/value": np.float64(self.value),
            "method": np.bytes_(self._method.encode()),
        }
