import math

import pytest

from polyrve.optimizers.line_search import Trial, strong_wolfe

FUNCTIONS = {
    "parabola": (lambda t: (t - 1.0) ** 2, lambda t: 2.0 * (t - 1.0)),
    "quartic": (lambda t: t**4 - t, lambda t: 4.0 * t**3 - 1.0),
    "rational": (lambda t: -t / (t * t + 2.0), lambda t: (t * t - 2.0) / (t * t + 2.0) ** 2),
    "wave": (lambda t: -t + 0.9 * math.sin(3.0 * t) + 0.1 * t * t, lambda t: -1.0 + 2.7 * math.cos(3.0 * t) + 0.2 * t),
}


def _search(function, slope, first, **options):
    steps = []

    def along(step):
        steps.append(step)
        return Trial(step, function(step), slope(step))

    start = Trial(0.0, function(0.0), slope(0.0))
    return start, strong_wolfe(along, start, first, **options), steps


@pytest.mark.parametrize("name", ["parabola", "quartic", "rational"])
@pytest.mark.parametrize("first", [1e-3, 0.1, 1.0, 10.0, 1e3])
@pytest.mark.parametrize("curvature", [0.9, 0.1])
def test_step_satisfies_the_strong_wolfe_conditions(name, first, curvature):
    start, trial, _ = _search(*FUNCTIONS[name], first, curvature=curvature)
    assert trial.value <= start.value + 1e-4 * trial.step * start.slope
    assert abs(trial.slope) <= curvature * abs(start.slope)


def test_many_minima():
    function, slope = FUNCTIONS["wave"]
    start, trial, _ = _search(lambda t: function(t + 0.5), lambda t: slope(t + 0.5), 20.0, curvature=0.1)
    assert trial.value < start.value
    assert abs(trial.slope) <= 0.1 * abs(start.slope)


def test_good_first_step_costs_one_trial():
    _, trial, steps = _search(*FUNCTIONS["parabola"], 0.9)
    assert steps == [0.9]
    assert trial.step == 0.9


def test_cubic_finds_the_minimum_of_a_parabola_in_one_interpolation():
    _, trial, steps = _search(*FUNCTIONS["parabola"], 3.0, curvature=1e-3)
    assert len(steps) == 2
    assert trial.step == pytest.approx(1.0, abs=1e-14)


def test_retreats_from_a_loss_that_is_not_finite():
    start, trial, _ = _search(
        lambda t: t * t - t if t < 0.7 else math.nan, lambda t: 2.0 * t - 1.0 if t < 0.7 else math.inf, 50.0
    )
    assert trial.value < start.value


def test_no_lower_value_gives_none():
    assert _search(lambda t: t, lambda t: -1.0, 1.0)[1] is None


def test_rounding_level_is_judged_by_the_slopes():
    """Equal values, as float32 gives them near a minimum, and slopes that still fall."""
    _, trial, steps = _search(lambda t: 1.0, lambda t: 1e-6 * (t - 1.0), 0.8)
    assert trial.step == 0.8
    assert len(steps) == 1
