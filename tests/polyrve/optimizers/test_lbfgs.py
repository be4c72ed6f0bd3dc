import io
import sys

import numpy as np
import pytest
import tensorflow as tf

from polyrve.optimizers import Status, default_memory, minimize
from polyrve.optimizers.lbfgs_history import kept_precision, two_loops


def _dense(pairs):
    """Inverse Hessian by the BFGS update (Nocedal & Wright, eq. 6.17) of dense matrices, from gamma times 1."""
    s, y = pairs[-1]
    size = len(s)
    inverse = (s @ y) / (y @ y) * np.eye(size)
    for s, y in pairs:
        rho = 1.0 / (s @ y)
        left = np.eye(size) - rho * np.outer(s, y)
        inverse = left @ inverse @ left.T + rho * np.outer(s, s)
    return inverse


@pytest.mark.parametrize("newest", [2, 4])
def test_two_loops_are_the_dense_bfgs_matrix(newest):
    rng = np.random.default_rng(newest)
    hessian = rng.standard_normal((12, 12))
    hessian = hessian @ hessian.T + np.eye(12)
    s = rng.standard_normal((5, 12))
    y = s @ hessian
    g = rng.standard_normal(12)
    order = [(newest + 1 + i) % 5 for i in range(5)]
    sy = s @ y.T
    for i in range(5):
        for j in range(5):
            if order.index(i) > order.index(j):
                sy[i, j] = 1e300
    a, b, c = two_loops(order, sy, y @ y.T, s @ g, y @ g)
    expected = _dense([(s[i], y[i]) for i in order]) @ g
    assert np.allclose(a @ s + b @ y + c * g, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("memory", [1, 3, 10, 40])
def test_every_step_is_along_the_dense_bfgs_direction(rosenbrock, memory):
    start = np.array([-1.2, 1.0, -0.5, 0.8, 1.5, -1.0, 0.3])
    positions = []
    minimize(
        rosenbrock,
        start,
        memory=memory,
        max_iterations=30,
        tolerance=0.0,
        callback=lambda i: positions.append(i.position),
    )
    gradients = []
    for position in positions:
        with tf.GradientTape() as tape:
            tape.watch(position)
            value = rosenbrock(position)
        gradients.append(tape.gradient(value, position).numpy())
    x, g = np.array(positions), np.array(gradients)
    for k in range(1, len(x) - 1):
        pairs = [(x[i + 1] - x[i], g[i + 1] - g[i]) for i in range(max(0, k - memory), k)]
        direction, step = -_dense(pairs) @ g[k], x[k + 1] - x[k]
        cosine = direction @ step / (np.linalg.norm(direction) * np.linalg.norm(step))
        assert cosine == pytest.approx(1.0, abs=1e-8), k


def test_large_memory_ends_a_quadratic_in_few_steps(quadratic):
    minimum = minimize(
        quadratic(100.0, 12, tf.float64), np.ones(12), memory=30, curvature=0.1, tolerance=0.0, target=1e-14
    )
    assert minimum.status is Status.TARGET
    assert len(minimum.history) - 1 <= 30


def _problems(rosenbrock, quadratic, quaternion_field, dtype):
    yield "rosenbrock of 2", rosenbrock, tf.constant([-1.2, 1.0], dtype), 32
    yield "rosenbrock of 10", rosenbrock, tf.constant([-1.2, 1.0] * 5, dtype), 60
    yield "condition 1e3", quadratic(1e3, 200, dtype), tf.ones([200], dtype), 60
    yield "condition 1e6", quadratic(1e6, 60, dtype), tf.ones([60], dtype), 80
    for seed in range(2):
        yield f"field {seed}", *quaternion_field((5, 6, 7), dtype, seed), 80


@pytest.mark.parametrize(("dtype", "first"), [(tf.float32, 0), (tf.float64, 1)])
def test_against_scipy(rosenbrock, quadratic, quaternion_field, dtype, first):
    """With SciPy's own ten pairs on a par; with twenty at its loss on the fields in no more iterations."""
    ratios = {10: [], 20: []}
    problems = list(_problems(rosenbrock, quadratic, quaternion_field, dtype))
    for name, loss, start, iterations in problems[first::2]:
        twin = minimize(loss, start, method="scipy-lbfgsb", max_iterations=iterations, tolerance=0.0)
        for memory, entries in ratios.items():
            minimum = minimize(
                loss, start, memory=memory, max_iterations=2 * iterations, tolerance=0.0, target=twin.value
            )
            assert minimum.status is Status.TARGET, (name, memory, minimum.value, twin.value)
            assert minimum.history.evaluations[-1] <= 1.3 * len(minimum.history) + 5, name
            entries.append((len(minimum.history) - 1) / (len(twin.history) - 1))
    assert np.exp(np.mean(np.log(ratios[10]))) < 1.05, ratios
    assert max(ratios[10]) < 1.25, ratios
    assert np.exp(np.mean(np.log(ratios[20]))) < 1.0, ratios
    assert ratios[20][-1] <= 1.0, ratios


def test_one_evaluation_per_iteration(quaternion_field):
    loss, start = quaternion_field((6, 7, 8), tf.float32, 4)
    evaluations = minimize(loss, start, max_iterations=60).history.evaluations
    assert evaluations[-1] - evaluations[5] <= 1.15 * (len(evaluations) - 6)


def test_float32_gets_close_to_float64(quaternion_field):
    values = [
        minimize(*quaternion_field((5, 6, 7), dtype, 2), max_iterations=60).value for dtype in (tf.float32, tf.float64)
    ]
    assert max(values) < 4.0 * min(values)


@pytest.mark.parametrize("shape", [(3, 4, 5), (9, 11, 13), (8, 16, 8)])
@pytest.mark.parametrize("graph", [True, False])
def test_repeats_to_the_bit(quaternion_field, shape, graph):
    loss, start = quaternion_field(shape, tf.float32, 5)
    one, two = (minimize(loss, start, max_iterations=15, graph=graph) for _ in range(2))
    assert np.array_equal(one.history.value, two.history.value)
    assert np.array_equal(one.position, two.position)


def test_graph_is_eager(quaternion_field):
    """Up to the rounding of the loss itself, which the graph may reorder."""
    loss, start = quaternion_field((3, 4, 5), tf.float64, 5)
    graph, eager = (minimize(loss, start, max_iterations=20, graph=graph) for graph in (True, False))
    assert np.allclose(graph.history.value, eager.history.value, rtol=1e-9, atol=0.0)
    assert np.allclose(graph.position, eager.position, rtol=0.0, atol=1e-9)
    assert np.array_equal(graph.history.evaluations, eager.history.evaluations)


def test_monotone(quaternion_field):
    loss, start = quaternion_field((4, 5, 6), tf.float32, 6)
    minimum = minimize(loss, start, max_iterations=200, tolerance=0.0)
    assert np.all(np.diff(minimum.history.value) <= 0.0)
    assert minimum.value == pytest.approx(float(loss(minimum.position)), rel=1e-3)


def test_no_field_reaches_the_host(quaternion_field, monkeypatch):
    loss, start = quaternion_field((6, 7, 8), tf.float32, 7)
    base = next(c for c in type(start).__mro__ if "numpy" in vars(c))
    sizes = []
    for name in ("numpy", "__array__"):
        original = getattr(base, name)

        def recorded(self, *args, _original=original, **options):
            sizes.append(int(np.prod(self.shape)))
            return _original(self, *args, **options)

        monkeypatch.setattr(base, name, recorded)
    minimize(loss, start, max_iterations=12, callback=lambda iteration: None)
    monkeypatch.undo()
    assert max(sizes) < 100 < start.numpy().size
    assert len(sizes) > 12


def test_rounding_level_ends_with_a_remedy(quadratic):
    """One and half of w x^2: what is below the rounding of one is not seen."""
    bowl = quadratic(100.0, 12, tf.float32)
    minimum = minimize(lambda x: 1.0 + bowl(x), np.ones(12, np.float32), max_iterations=1000, tolerance=0.0)
    assert minimum.status is Status.NO_DESCENT
    assert "float64" in str(minimum.status)
    rounding = np.finfo(np.float32).eps
    assert abs(minimum.value - 1.0) <= rounding
    assert 0.0 < np.abs(minimum.position).max() < np.sqrt(2.0 * rounding)


def test_wrong_gradient_is_no_descent():
    class Uphill:
        def value_and_gradient(self, position):
            return tf.reduce_sum(position**2), -2.0 * position

    minimum = minimize(Uphill(), np.ones((3, 4)))
    assert minimum.status is Status.NO_DESCENT
    assert minimum.value == 12.0


def test_negative_curvature_is_survived():
    loss = lambda x: tf.reduce_sum(tf.cos(x) + 0.01 * x * x)  # noqa: E731
    minimum = minimize(loss, np.linspace(-0.3, 0.4, 12).reshape(3, 4), gradient_tolerance=1e-8)
    assert minimum.status is Status.STATIONARY
    assert minimum.value == pytest.approx(12 * (np.cos(3.0801) + 0.01 * 3.0801**2), abs=1e-3)


def test_options_out_of_range():
    with pytest.raises(ValueError, match="expected memory >= 1"):
        minimize(lambda x: tf.reduce_sum(x * x), np.ones(3), memory=0)


def test_state_of_another_memory():
    states = []
    loss = lambda x: tf.reduce_sum(x**4)  # noqa: E731
    minimize(loss, np.ones(3), max_iterations=2, callback=lambda i: states.append(i.state()))
    with pytest.raises(ValueError, match="memory = 5"):
        minimize(loss, state=states[-1], memory=5)


def test_state_survives_a_file(quaternion_field):
    loss, start = quaternion_field((3, 4, 5), tf.float32, 9)
    files = {}

    def save(iteration):
        files[iteration.iteration] = io.BytesIO()
        np.savez(files[iteration.iteration], **iteration.state())

    whole = minimize(loss, start, max_iterations=25, tolerance=0.0, callback=save)
    for k in (0, 1, 9, 14):
        files[k].seek(0)
        with np.load(files[k]) as state:
            resumed = minimize(loss, state=dict(state), max_iterations=25, tolerance=0.0)
        assert np.array_equal(resumed.position, whole.position)
        assert np.array_equal(resumed.history.value, whole.history.value)
        assert np.array_equal(resumed.history.evaluations, whole.history.evaluations)


def test_pairs_in_half_precision_lead_as_far(quaternion_field, monkeypatch):
    loss, start = quaternion_field((12, 10, 14), tf.float32, 3)
    single = minimize(loss, start, memory=10, max_iterations=80, tolerance=0.0)
    monkeypatch.setattr(sys.modules[default_memory.__module__], "_HISTORY", 0)
    states = []
    half = minimize(
        loss, start, max_iterations=100, tolerance=0.0, target=single.value, callback=lambda i: states.append(i.state())
    )
    assert half.status is Status.TARGET
    assert len(half.history) < 1.15 * len(single.history)
    state = states[len(states) // 2]
    assert state["pairs"].dtype == np.float16
    pairs = state["pairs"].astype(float).reshape(-1, 20, state["pairs"].shape[1])
    np.testing.assert_allclose(np.mean(pairs**2, axis=(0, 2)), 1.0, rtol=1e-3)
    resumed = minimize(loss, state=state, max_iterations=100, tolerance=0.0, target=single.value)
    assert np.array_equal(resumed.position, half.position)


def test_large_fields_keep_pairs_in_half_precision():
    assert kept_precision(32**3 * 4, tf.float32) == tf.float32
    assert kept_precision(48**3 * 4, tf.float32) == tf.float16
    assert kept_precision(48**3 * 4, tf.float64) == tf.float64


def test_default_memory():
    assert default_memory(64 * 64 * 4) == 20
    assert default_memory(32**3 * 4) == 16
    assert default_memory(64**3 * 4) == default_memory(256**3 * 4) == 10
    states = []
    minimize(lambda x: tf.reduce_sum(x**4), np.ones(3), max_iterations=1, callback=lambda i: states.append(i.state()))
    assert len(states[-1]["sg"]) == 10
