import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography.rotation import conjugate, multiply, normalize
from polyrve.optimizers import minimize
from polyrve.optimizers.spectral_preconditioner import (
    PAIRS,
    FrequencyScales,
    frequency_shells,
    from_rotations,
    rotations,
)

SHAPES = [(3, 4, 5), (1, 6, 7), (4, 4, 4)]


def _field(shape, seed, unknowns=4):
    return np.random.default_rng(seed).standard_normal((*shape, unknowns))


class Oriented:
    """Differentiates a function of a field of orientations."""

    orientations = True

    def __init__(self, loss):
        self._loss = loss

    def value_and_gradient(self, position):
        with tf.GradientTape() as tape:
            tape.watch(position)
            value = self._loss(position)
        return value, tape.gradient(value, position)


@pytest.mark.parametrize("shape", SHAPES)
def test_shells_cover_the_whole_transform_once(shape):
    shells, twice = frequency_shells(shape)
    whole = np.meshgrid(*(np.fft.fftfreq(n) for n in shape), indexing="ij")
    assert np.broadcast_to(twice, shells.shape).sum() == np.prod(shape)
    assert (shells == 0).sum() == 1
    assert shells[0, 0, 0] == 0
    assert set(shells.ravel()) == set(range(shells.max() + 1))
    length = np.sqrt(sum(f * f for f in whole))[..., : shape[2] // 2 + 1]
    for shell in range(1, shells.max() + 1):
        inside = length[shells == shell]
        assert inside.max() < np.sqrt(2.0) * inside.min() * (1.0 + 1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_rotations_are_those_of_the_quaternion_product(shape):
    q, v = _field(shape, 1), _field(shape, 2, 5)
    expected = multiply(conjugate(normalize(q)), v[..., :4])[..., 1:]
    assert np.allclose(rotations(tf.constant(q), tf.constant(v)), np.moveaxis(expected, -1, 0), rtol=0.0, atol=1e-13)


def test_rotations_do_not_depend_on_the_equivalent():
    """A symmetry operation acts on quaternion and change from the left and cancels."""
    q, v = _field((2, 3, 4), 1), _field((2, 3, 4), 2)
    s = normalize(_field((2, 3, 4), 3))
    turned = rotations(tf.constant(multiply(s, q)), tf.constant(multiply(s, v)))
    assert np.allclose(turned, rotations(tf.constant(q), tf.constant(v)), rtol=0.0, atol=1e-13)


def test_from_rotations_is_the_transpose_and_stays_tangential():
    q, v, r = _field((2, 3, 4), 1, 6), _field((2, 3, 4), 2, 6), np.moveaxis(_field((2, 3, 4), 3, 3), -1, 0)
    q, v, r = map(tf.constant, (q, v, r))
    back = from_rotations(q, r)
    assert float(tf.reduce_sum(back * v)) == pytest.approx(float(tf.reduce_sum(r * rotations(q, v))), rel=1e-12)
    assert np.allclose(tf.reduce_sum(back * q, -1), 0.0, atol=1e-13)
    assert np.allclose(rotations(q, back), r, rtol=0.0, atol=1e-13)


@pytest.mark.parametrize("unknowns", [4, 6])
@pytest.mark.parametrize("shape", SHAPES)
def test_matrix_is_symmetric_positive_and_meets_the_newest_pair(shape, unknowns):
    q = tf.constant(_field(shape, 1, unknowns))
    metric = FrequencyScales((*shape, unknowns), q.dtype, None)
    for seed in range(5):
        y = from_rotations(q, rotations(q, tf.constant(_field(shape, 20 + seed, unknowns))))
        s = 2.0 * y + 0.1 * from_rotations(q, rotations(q, tf.constant(_field(shape, 30 + seed, unknowns))))
        metric.learn(q, s, y)
    assert np.sum(y * metric.apply(q, y, 0.7)) == pytest.approx(np.sum(s * y), rel=1e-12)
    eye = np.eye(np.prod(q.shape)).reshape(-1, *q.shape)
    matrix = np.array([metric.apply(q, tf.constant(row), 0.7).numpy().ravel() for row in eye])
    assert np.allclose(matrix, matrix.T, rtol=0.0, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0.1
    radial = tf.concat([q[..., :4], 0.0 * q[..., 4:]], -1)
    assert np.allclose(metric.apply(q, radial, 0.7), 0.7 * radial, rtol=0.0, atol=1e-12)


def test_scales_of_a_quadratic_in_frequency_are_its_inverse():
    shape = (1, 16, 16)
    q = tf.constant(_field(shape, 1))
    shells, _ = frequency_shells(shape)
    curvature = 4.0 ** np.arange(shells.max() + 1)
    metric = FrequencyScales((*shape, 4), q.dtype, None)
    for seed in range(3):
        r = np.moveaxis(_field(shape, 5 + seed, 3), -1, 0)
        bent = np.fft.irfftn(np.fft.rfftn(r, axes=(1, 2, 3)) * curvature[shells], shape, axes=(1, 2, 3))
        metric.learn(q, from_rotations(q, tf.constant(r)), from_rotations(q, tf.constant(bent)))
    assert np.allclose(metric.scales() * curvature, 1.0, rtol=1e-10)


def test_window_and_pairs_without_curvature():
    q = tf.constant(_field((2, 3, 4), 1))
    metric = FrequencyScales((2, 3, 4, 4), q.dtype, None)
    v = from_rotations(q, rotations(q, tf.constant(_field((2, 3, 4), 2))))
    metric.learn(q, v, -v)
    assert metric.scales() is None
    for _ in range(PAIRS + 3):
        metric.learn(q, v, v)
    assert metric.export()["shells"].shape[:2] == (PAIRS, 3)
    metric.forget()
    assert np.allclose(metric.apply(q, v, 0.3), 0.3 * v)


def _smooth_target(shape):
    """Mean squared increments against lower ones: coarse waves bend the loss little, fine ones much."""

    def loss(position):
        q = position[..., :4] / tf.norm(position[..., :4], axis=-1, keepdims=True)
        increments = [tf.reduce_sum((q - tf.roll(q, 1, axis)) ** 2, -1) for axis in range(3)]
        return tf.add_n([tf.reduce_mean((i - 0.01) ** 2) for i in increments])

    return Oriented(loss)


def test_fewer_iterations_than_one_scale():
    shape = (3, 14, 15)
    start = tf.constant(_field(shape, 4))
    objective = _smooth_target(shape)
    limits = {"tolerance": 0.0, "target": 1e-4, "max_iterations": 500}
    plain, scaled = (minimize(objective, start, orientations=on, **limits) for on in (False, True))
    assert scaled.value <= 1e-4
    assert len(scaled.history) < 0.8 * len(plain.history)


@pytest.mark.parametrize("unknowns", [4, 6])
def test_repeats_and_continues_to_the_bit(unknowns):
    start = tf.constant(_field((3, 4, 5), 4, unknowns), tf.float32)
    loss = _smooth_target((3, 4, 5))
    objective = Oriented(lambda p: loss._loss(p) + 1e-3 * tf.reduce_sum(p[..., 4:] ** 2))
    states = []
    whole, again = (
        minimize(objective, start, max_iterations=30, tolerance=0.0, callback=lambda i: states.append(i.state()))
        for _ in range(2)
    )
    assert np.array_equal(whole.position, again.position)
    for k in (0, 1, 12, 27):
        resumed = minimize(objective, state=states[k], max_iterations=30, tolerance=0.0)
        assert np.array_equal(resumed.position, whole.position)
        assert np.array_equal(resumed.history.value, whole.history.value)


def test_position_of_another_shape():
    with pytest.raises(ValueError, match=r"expected orientations of shape .*; got \(3,\)"):
        minimize(Oriented(lambda x: tf.reduce_sum(x * x)), np.ones(3))
