"""A line search for the strong Wolfe conditions on scalars.

References
----------
.. [1] J. Nocedal, S. J. Wright, Numerical Optimization, 2nd ed., Springer 2006, Algorithms 3.5 and 3.6,
   eq. (3.59).
.. [2] W. W. Hager, H. Zhang, SIAM J. Optim. 16 (2005) 170-192, doi:10.1137/030601880, "approximate Wolfe
   conditions": close to a minimum the decrease of the loss is lost in rounding and is judged by the slopes.
.. [3] J. J. More, D. J. Thuente, ACM Trans. Math. Softw. 20 (1994) 286-307, doi:10.1145/192115.192132: how far a
   trial step may extrapolate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, eq=False)
class Trial:
    """The loss along a search direction.

    Attributes
    ----------
    step : float
    value : float
        Loss at that step.
    slope : float
        Its derivative along the direction.
    point : object
        What the caller wants back with the step it takes.
    """

    step: float
    value: float
    slope: float
    point: Any = None


def strong_wolfe(
    along: Callable[[float], Trial],
    start: Trial,
    first_step: float,
    *,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    rounding: float = 1e-14,
    max_trials: int = 20,
) -> Trial | None:
    """Return a step that satisfies the strong Wolfe conditions [1]_.

    Parameters
    ----------
    along : callable
        Step to :class:`Trial`.
    start : Trial
        Step 0, with a negative slope.
    first_step : float
    decrease, curvature : float
        c1 and c2 of the conditions; 1e-4 and 0.9 are those of [1]_ for quasi-Newton methods.
    rounding : float
        Relative error of the loss: where it falls by less, the slopes decide [2]_.
    max_trials : int
        Evaluations at most.

    Returns
    -------
    Trial or None
        After `max_trials` the lowest trial below the start, or None if there is none.

    Examples
    --------
    >>> def along(step):
    ...     return Trial(step, value=(step - 3.0) ** 2, slope=2.0 * (step - 3.0))
    >>> strong_wolfe(along, along(0.0), first_step=1.0, curvature=0.1).step
    3.0
    """
    low, high, before = start, None, start
    step = first_step
    for _ in range(max_trials):
        trial = along(step)
        finite = math.isfinite(trial.value) and math.isfinite(trial.slope)
        enough = trial.value <= start.value + decrease * step * start.slope or (
            0.0 <= start.value - trial.value <= rounding * abs(start.value)
            and trial.slope <= (2.0 * decrease - 1.0) * start.slope
        )
        if not (finite and enough) or (trial.value >= low.value and low is not start):
            high = replace(trial, point=None)
        elif abs(trial.slope) <= -curvature * start.slope:
            return trial
        else:
            outwards = 1.0 if high is None or high.step > low.step else -1.0
            before = replace(low, point=None)
            if trial.slope * outwards >= 0.0:
                high = before
            low = trial
        step = _beyond(before, low) if high is None else _between(low, high)
        if step == low.step:
            break
    return low if low.value < start.value else None


def _cubic(a: Trial, b: Trial) -> float:
    """Return the minimiser of the cubic through two trials, eq. (3.59) of [1]_; nan where there is none."""
    d1 = a.slope + b.slope - 3.0 * (a.value - b.value) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0.0:
        return math.nan
    d2 = math.copysign(math.sqrt(square), b.step - a.step)
    denominator = b.slope - a.slope + 2.0 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / denominator if denominator else math.nan


def _between(low: Trial, high: Trial) -> float:
    width = high.step - low.step
    if not math.isfinite(high.value) or not math.isfinite(high.slope):
        return low.step + 0.2 * width
    fraction = (_cubic(low, high) - low.step) / width
    return low.step + width * (min(max(fraction, 0.1), 0.9) if math.isfinite(fraction) else 0.5)


def _beyond(before: Trial, low: Trial) -> float:
    width = low.step - before.step
    factor = (_cubic(before, low) - low.step) / width
    return low.step + width * (min(max(factor, 1.1), 4.0) if factor > 0.0 else 4.0)
