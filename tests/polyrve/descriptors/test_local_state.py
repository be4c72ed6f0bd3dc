import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.phase import LAUE_GROUPS, Phase, symmetry_operations
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

CUBIC, HEXAGONAL = Phase("Al", "m-3m"), Phase("Mg", "6/mmm")
SHAPE = (3, 4, 5)


def field(phases=(CUBIC,), shape=SHAPE, holes=False, periodic=True, seed=0):
    rng = np.random.default_rng(seed)
    phase_ids = rng.integers(0 if holes else 1, len(phases) + 1, shape)
    kind = OrientationMap if len(shape) == 2 else OrientationVolume
    return kind(rotation.random_orientations(shape, rng), phase_ids, phases, (1.0,) * len(shape), periodic=periodic)


def equivalents(volume, seed=0):
    """The same orientations by other symmetry operations of their phases, and other signs."""
    rng = np.random.default_rng(seed)
    q = np.array(volume.quaternions)
    for i, phase in enumerate(volume.phases, start=1):
        here, operations = volume.phase_ids == i, symmetry_operations(phase.laue)
        chosen = operations[rng.integers(len(operations), size=int(here.sum()))]
        q[here] = rotation.multiply(chosen, q[here]) * rng.choice([-1.0, 1.0], size=(len(chosen), 1))
    return volume.evolve(quaternions=q)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_one_phase_has_its_harmonics(laue):
    volume = field((Phase("A", laue),))
    state = LocalState.of(volume.phases)
    channels = state.reference(volume, tf.float64)
    expected = symmetrized_harmonics(laue).evaluate(volume.quaternions)
    assert state.count == len(expected)
    assert channels.indicators is None
    assert channels.mask is None
    np.testing.assert_allclose(channels.values, expected, atol=1e-12)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_equivalent_orientations_have_the_same_channels(laue):
    volume = field((Phase("A", laue), CUBIC))
    state = LocalState.of(volume.phases)
    for dtype in (tf.float32, tf.float64):
        first, second = (state.reference(v, dtype).values for v in (volume, equivalents(volume)))
        np.testing.assert_allclose(first, second, atol=1000 * np.finfo(dtype.as_numpy_dtype).eps)


def test_phases_have_indicators_and_their_harmonics():
    volume = field((CUBIC, HEXAGONAL), holes=True)
    state = LocalState.of(volume.phases)
    channels = state.reference(volume, tf.float64)
    indicators = np.stack([volume.phase_ids == 1, volume.phase_ids == 2])
    expected = [
        indicators,
        indicators[0] * symmetrized_harmonics("m-3m").evaluate(volume.quaternions),
        indicators[1] * symmetrized_harmonics("6/mmm").evaluate(volume.quaternions),
    ]
    assert (state.count, state.unknowns) == (2 + 9 + 18, 6)
    np.testing.assert_allclose(channels.values, np.concatenate(expected), atol=1e-12)
    np.testing.assert_array_equal(channels.indicators, indicators)
    np.testing.assert_array_equal(channels.mask, volume.indexed)


def test_indicators_alone():
    image = field((CUBIC, HEXAGONAL), shape=(4, 5), periodic=False)
    state = LocalState.of(image.phases, orientations=False)
    channels = state.reference(image)
    assert state.count == 2
    np.testing.assert_array_equal(channels.values[:, 0], np.stack([image.phase_ids == 1, image.phase_ids == 2]))
    np.testing.assert_array_equal(channels.mask, np.ones((1, 4, 5)))
    with pytest.raises(ValueError, match="expected orientations or at least two phases; got neither"):
        LocalState.of((CUBIC,), orientations=False).reference(field())


@pytest.mark.parametrize("phases", [(CUBIC,), (CUBIC, HEXAGONAL)])
def test_position_and_back(phases):
    volume = field(phases)
    state = LocalState.of(phases)
    position = state.position(volume)
    assert (position.shape, position.dtype) == ((*SHAPE, state.unknowns), np.float32)
    np.testing.assert_array_equal(state.phase_ids(position), volume.phase_ids)
    scale = np.random.default_rng(0).uniform(-3.0, 3.0, (*SHAPE, 1))
    position[..., :4] *= scale
    q = state.quaternions(position)
    assert q.dtype == np.float64
    assert np.all(q[..., 0] >= 0)
    np.testing.assert_allclose(np.abs(np.sum(q * volume.quaternions, -1)), 1.0, rtol=1e-6)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_unknowns_and_reference_have_the_same_features(dtype):
    volume = field((CUBIC, HEXAGONAL))
    state = LocalState.of(volume.phases)
    position = state.position(volume).astype(dtype.as_numpy_dtype)
    position[..., :4] *= 2.5
    position[..., 4:] *= 20.0
    channels, reference = state.channels(tf.constant(position)), state.reference(volume, dtype)
    assert channels.values.dtype == channels.orientation.dtype == channels.indicators.dtype == dtype
    assert channels.mask is None
    np.testing.assert_allclose(channels.values, reference.values, atol=1e-5)
    np.testing.assert_allclose(channels.indicators, reference.indicators, atol=1e-12)
    np.testing.assert_array_equal(state.channels(tf.constant(position), periodic=False).mask, np.ones(SHAPE))


@pytest.fixture(scope="module")
def combination():
    """A random combination of all that channels hold, of two phases, compiled once."""
    state = LocalState.of((CUBIC, HEXAGONAL))
    rng = np.random.default_rng(3)
    weights = [rng.standard_normal((n, *SHAPE)) for n in (state.count, 4, 2)]

    @tf.function(autograph=False)
    def value_and_gradient(position):
        with tf.GradientTape() as tape:
            tape.watch(position)
            channels = state.channels(position)
            parts = (channels.values, channels.orientation, channels.indicators)
            value = tf.add_n([tf.reduce_sum(w * part) for w, part in zip(weights, parts, strict=True)])
        return value, tape.gradient(value, position)

    return value_and_gradient


@pytest.mark.parametrize(
    ("axis", "angle"),
    [(None, None), ((1, 2, 3), 1e-5), ((0, 0, 1), np.pi / 4), ((1, 1, 1), np.pi / 3), ((0, 0, 1), np.pi / 6)],
    ids=["random", "identity", "face of the cubic zone", "corner of the cubic zone", "face of the hexagonal zone"],
)
def test_gradient(combination, axis, angle):
    rng = np.random.default_rng(5)
    q = rotation.random_orientations(SHAPE, rng)
    if axis is not None:
        q = np.broadcast_to(rotation.from_axis_angle(np.array(axis, dtype=float), angle), q.shape)
    position = tf.constant(np.concatenate([0.7 * q, rng.standard_normal((*SHAPE, 2))], axis=-1))
    gradient = combination(position)[1].numpy()
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(position.shape)
        step = 3e-6
        ends = [float(combination(position + sign * step * direction)[0]) for sign in (1, -1)]
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(np.sum(gradient * direction), abs=1e-5)


def test_norm_of_the_unknowns_does_not_count(combination):
    q = rotation.random_orientations(SHAPE, np.random.default_rng(1))
    position = tf.constant(np.concatenate([q, np.zeros((*SHAPE, 2))], axis=-1))
    gradient = combination(position)[1].numpy()
    np.testing.assert_allclose(np.sum(gradient[..., :4] * q, axis=-1), 0.0, atol=1e-12)


def test_map_is_a_volume_of_one_section():
    image = field((CUBIC, HEXAGONAL), shape=(4, 5), holes=True, periodic=False)
    volume = OrientationVolume(image.quaternions[None], image.phase_ids[None], image.phases, (1, 1, 1))
    state = LocalState.of(image.phases)
    np.testing.assert_array_equal(state.position(image), state.position(volume))
    np.testing.assert_array_equal(state.reference(image).values, state.reference(volume).values)
