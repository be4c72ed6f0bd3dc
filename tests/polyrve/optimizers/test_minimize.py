import numpy as np
import pytest
import tensorflow as tf

from polyrve.optimizers import METHODS, Status, minimize

ON_DEVICE = [name for name in METHODS if not name.startswith("scipy")]
SECOND_ORDER = ["lbfgs", "barzilai-borwein", "scipy-lbfgsb", "scipy-tnc", "scipy-cg"]


def bowl(x):
    return tf.reduce_sum((x - 0.5) ** 2) + 0.1 * tf.reduce_sum(x**4)


class Terms:
    """Differentiates itself; three terms."""

    def __init__(self):
        self.calls = 0

    def value_and_gradient(self, position):
        self.calls += 1
        terms = tf.reduce_sum((position - 1.0) ** 2, axis=-1)
        return tf.reduce_sum(terms), 2.0 * (position - 1.0), terms


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_lowers_the_loss_and_keeps_shape_and_dtype(method, dtype):
    start = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(dtype)
    minimum = minimize(bowl, start, method=method, max_iterations=40)
    assert minimum.position.shape == (3, 4, 5)
    assert minimum.position.dtype == dtype
    assert minimum.value < 0.9 * minimum.history.value[0]
    assert minimum.value == minimum.history.value.min()
    assert minimum.value == pytest.approx(float(bowl(minimum.position)), rel=1e-5)


@pytest.mark.parametrize("method", SECOND_ORDER)
def test_finds_the_minimum(method, rosenbrock):
    minimum = minimize(rosenbrock, np.array([-1.2, 1.0, 0.7]), method=method, gradient_tolerance=1e-7, tolerance=0.0)
    assert minimum.status is Status.STATIONARY
    assert np.allclose(minimum.position, 1.0, atol=1e-6)


@pytest.mark.parametrize("method", ["adam", "adamax", "adagrad", "rmsprop", "sgd"])
def test_learning_rate_option(method):
    start = np.random.default_rng(2).standard_normal((3, 4, 5))
    slow, fast = (
        minimize(bowl, start, method=method, learning_rate=rate, max_iterations=100).value for rate in (1e-3, 0.1)
    )
    assert fast < 0.5 * slow


def test_options_reach_keras_and_scipy():
    plain = minimize(bowl, np.zeros((3, 4)), method="sgd", max_iterations=20)
    momentum = minimize(bowl, np.zeros((3, 4)), method="sgd", max_iterations=20, momentum=0.9)
    assert momentum.history.value[-1] != plain.history.value[-1]
    loose = minimize(bowl, np.zeros((3, 4)), method="scipy-lbfgsb", gtol=10.0)
    assert len(loose.history) == 1


@pytest.mark.parametrize("method", METHODS)
def test_terms_are_recorded(method):
    objective = Terms()
    minimum = minimize(objective, np.zeros((3, 4)), method=method, max_iterations=4, graph=False)
    assert minimum.history.terms.shape == (len(minimum.history), 3)
    assert np.allclose(minimum.history.terms.sum(axis=1), minimum.history.value)
    assert minimum.history.evaluations[-1] <= objective.calls


def test_function_with_terms():
    minimum = minimize(lambda x: (tf.reduce_sum(x * x), tf.stack([x[0] ** 2, x[1] ** 2])), np.array([1.0, 2.0]))
    assert np.array_equal(minimum.history.terms[0], [1.0, 4.0])


@pytest.mark.parametrize("method", METHODS)
def test_callback_sees_every_iteration_and_stops(method, rosenbrock):
    seen = []

    def callback(iteration):
        seen.append(iteration)
        return iteration.iteration == 5

    minimum = minimize(rosenbrock, np.array([-1.2, 1.0, 0.4]), method=method, callback=callback, tolerance=0.0)
    assert minimum.status is Status.CALLBACK
    assert [i.iteration for i in seen] == list(range(6))
    for column in ("value", "gradient_norm", "evaluations", "seconds"):
        assert [getattr(i, column) for i in seen] == list(getattr(minimum.history, column))
    for i in seen:
        assert i.value == pytest.approx(float(rosenbrock(i.position)), rel=1e-12)
    assert np.all(np.diff(minimum.history.seconds) > 0.0)
    assert minimum.history.evaluations[0] == 1


@pytest.mark.parametrize("method", METHODS)
def test_interrupt_keeps_the_best(method, rosenbrock):
    class Interrupted:
        calls = 0

        def value_and_gradient(self, position):
            self.calls += 1
            if self.calls == 12:
                raise KeyboardInterrupt
            with tf.GradientTape() as tape:
                tape.watch(position)
                value = rosenbrock(position)
            return value, tape.gradient(value, position)

    minimum = minimize(Interrupted(), np.array([-1.2, 1.0, 0.4]), method=method, graph=False, tolerance=0.0)
    assert minimum.status is Status.INTERRUPTED
    assert minimum.value == minimum.history.value.min() == float(rosenbrock(minimum.position))


def test_interrupt_before_the_first_evaluation_is_raised():
    def objective(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        minimize(objective, np.ones(3), graph=False)


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"max_iterations": 3}, Status.ITERATIONS),
        ({"max_iterations": 0}, Status.ITERATIONS),
        ({"target": 50.0}, Status.TARGET),
        ({"gradient_tolerance": 1.0}, Status.STATIONARY),
        ({"tolerance": 0.5, "patience": 3}, Status.CONVERGED),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_limits(method, limits, status):
    start = np.random.default_rng(4).uniform(2.5, 3.5, (3, 4))
    minimum = minimize(bowl, start, method=method, **{"max_iterations": 2000, "tolerance": 0.0, **limits})
    assert minimum.status is status
    assert minimum.status.converged is (status is not Status.ITERATIONS)
    if status is Status.ITERATIONS:
        assert len(minimum.history) == limits["max_iterations"] + 1


def test_statuses_are_sentences_with_a_remedy():
    for status in Status:
        assert str(status)[0].isupper()
        assert str(status).endswith(".")
        assert len(str(status).split()) > 8
    assert "max_iterations" not in str(Status.ITERATIONS), "the command line has no such option"


@pytest.mark.parametrize("method", ON_DEVICE)
def test_resume_to_the_bit(method, quaternion_field):
    loss, start = quaternion_field((3, 4, 5), tf.float32, 11)
    states = {}

    def save(iteration):
        if iteration.iteration in (0, 6, 13):
            states[iteration.iteration] = iteration.state()

    whole = minimize(loss, start, method=method, max_iterations=20, tolerance=0.0, callback=save)
    for state in states.values():
        resumed = minimize(loss, method=method, state=state, max_iterations=20, tolerance=0.0)
        assert np.array_equal(resumed.position, whole.position)
        assert np.array_equal(resumed.history.value, whole.history.value)
        assert resumed.status is whole.status
        assert resumed.history.seconds[-1] > float(state["history/seconds"][-1])


@pytest.mark.parametrize("method", ["scipy-lbfgsb", "scipy-tnc", "scipy-cg"])
def test_scipy_resumes_from_the_position(method, quaternion_field):
    loss, start = quaternion_field((3, 4, 5), tf.float64, 11)
    states = []
    minimize(loss, start, method=method, max_iterations=6, callback=lambda i: states.append(i.state()))
    resumed = minimize(loss, method=method, state=states[-1], max_iterations=12)
    assert len(resumed.history) == 13
    assert resumed.value < states[-1]["best/value"]


def test_resume_at_the_limit_returns_the_best():
    states = []
    minimum = minimize(bowl, np.ones(4), method="adam", max_iterations=5, callback=lambda i: states.append(i.state()))
    again = minimize(bowl, method="adam", state=states[-1], max_iterations=5)
    assert again.status is Status.ITERATIONS
    assert np.array_equal(again.position, minimum.position)


def test_first_order_ends_when_the_loss_explodes():
    minimum = minimize(bowl, np.full((3, 4), 2.0), method="sgd", learning_rate=1e3)
    assert minimum.status is Status.NOT_FINITE
    assert np.isfinite(minimum.position).all()
    assert minimum.value == minimum.history.value[0]


def test_barzilai_borwein_beats_plain_gradient_descent(quadratic):
    loss = quadratic(1e3, 50, tf.float64)
    minimum = minimize(loss, np.ones(50), method="barzilai-borwein", target=1e-8, tolerance=0.0)
    assert minimum.status is Status.TARGET
    assert len(minimum.history) < 300


@pytest.mark.parametrize("method", METHODS)
def test_not_finite_start(method):
    start = np.ones((3, 4))
    start[1, 2] = np.nan
    with pytest.raises(ValueError, match="start: expected finite numbers; got 1 "):
        minimize(bowl, start, method=method)
    with pytest.raises(ValueError, match="expected a finite loss at the start; got nan"):
        minimize(lambda x: tf.reduce_sum(tf.math.log(x)), -np.ones(3), method=method)
    with pytest.raises(ValueError, match="expected a finite gradient at the start"):
        minimize(lambda x: tf.reduce_sum(tf.sqrt(x)), np.zeros(3), method=method)


@pytest.mark.parametrize("graph", [True, False])
def test_loss_that_does_not_depend_on_the_position(graph):
    with pytest.raises(ValueError, match="depends on the position"):
        minimize(lambda x: tf.constant(1.0), np.ones(3), graph=graph)


def test_unknown_method_is_named():
    with pytest.raises(ValueError, match=r"method: expected one of lbfgs, .*; got 'newton'"):
        minimize(bowl, np.ones(3), method="newton")


@pytest.mark.parametrize("start", [np.ones(3, dtype=int), np.ones((0, 4)), np.ones(3, dtype=np.float16)])
def test_start_of_wrong_type(start):
    with pytest.raises(ValueError, match="start: expected float32 or float64"):
        minimize(bowl, start)


def test_other_mistakes():
    with pytest.raises(ValueError, match="got neither"):
        minimize(bowl)
    with pytest.raises(ValueError, match="scalar loss; got shape"):
        minimize(lambda x: x * x, np.ones(3))
    with pytest.raises(TypeError, match="got int"):
        minimize(3, np.ones(3))
    with pytest.raises(TypeError, match="colour"):
        minimize(bowl, np.ones(3), colour="red")
    with pytest.raises(ValueError, match="max_iterations"):
        minimize(bowl, np.ones(3), max_iterations=-1)

    class Wrong:
        def value_and_gradient(self, position):
            return tf.reduce_sum(position), tf.ones([2])

    with pytest.raises(ValueError, match=r"gradient of shape \(3,\), float64; got \(2,\), float32"):
        minimize(Wrong(), np.ones(3))
    states = []
    minimize(bowl, np.ones(3), max_iterations=1, callback=lambda i: states.append(i.state()))
    with pytest.raises(ValueError, match="state: expected one of method 'adam'; got one of 'lbfgs'"):
        minimize(bowl, state=states[0], method="adam")
