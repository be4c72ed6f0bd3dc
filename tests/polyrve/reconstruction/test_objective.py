import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.descriptors import DisorientationSpectrum, Texture, ThreePoint, TwoPoint, Variation, Variogram
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.reconstruction.objective import SectionObjective, describe

SHAPE = (6, 8, 10)
LAGS = ((0, 1), (1, 0), (1, -1))
DESCRIPTORS = (
    (TwoPoint(2), 1.0),
    (Variogram(LAGS), 1.0),
    (ThreePoint(LAGS), 0.5),
    (Variation(), 0.1),
    (DisorientationSpectrum(LAGS, (0.3, 1.5, 3.0)), 1.0),
    (Texture.up_to(("m-3m",), 12), 3.0),
)


@pytest.fixture(scope="module")
def volume():
    return make_specimen(SHAPE, grain_size=4.0, seed=3).field


@pytest.fixture(scope="module")
def state(volume):
    return LocalState.of(volume.phases)


def own_targets(state, kinds, volume, axes=(0, 1, 2)):
    channels = state.reference(volume, tf.float64)
    estimates = [descriptor.estimate(channels, axes, None) for descriptor in kinds]
    return {axis: [estimate[i][0].numpy() for estimate in estimates] for i, axis in enumerate(axes)}


@pytest.fixture(scope="module")
def objective(state, volume):
    """All descriptors, normal to y and z, with the targets of a volume."""
    return SectionObjective(state, DESCRIPTORS, own_targets(state, [d for d, _ in DESCRIPTORS], volume, (0, 1)))


@pytest.fixture(scope="module")
def evaluate(objective):
    return tf.function(objective.value_and_gradient, autograph=False)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_periodic_volume_has_no_loss_on_its_own_descriptors(evaluate, state, volume, dtype):
    value, gradient, terms = evaluate(tf.constant(state.position(volume).astype(dtype)))
    assert value.dtype == gradient.dtype == terms.dtype == dtype
    assert terms.shape == (len(DESCRIPTORS),)
    assert float(value) < 1e-9
    away = tf.constant(rotation.random_orientations(SHAPE, np.random.default_rng(0)).astype(dtype))
    assert float(evaluate(away)[0]) > 0.1


@pytest.mark.parametrize(
    ("axis", "angle"),
    [(None, None), ((1, 2, 3), 1e-4), ((0, 0, 1), np.pi / 4)],
    ids=["random", "identity", "zone face"],
)
def test_gradient_of_the_loss(evaluate, axis, angle):
    rng = np.random.default_rng(0)
    q = rotation.random_orientations(SHAPE, rng)
    if axis is not None:
        scatter = rotation.from_axis_angle(rng.standard_normal((*SHAPE, 3)), 0.05 * rng.random(SHAPE))
        q = rotation.multiply(scatter, rotation.from_axis_angle(np.array(axis, dtype=float), angle))
    position = tf.constant(1.3 * q)
    gradient = evaluate(position)[1].numpy()
    for seed in range(2):
        direction = np.random.default_rng(seed).standard_normal(q.shape)
        step = 1e-6
        ends = [float(evaluate(position + sign * step * direction)[0]) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        assert slope == pytest.approx(np.sum(gradient * direction), rel=1e-4, abs=1e-7)


def test_eager_is_graph(state):
    field = make_specimen((1, 8, 10), grain_size=4.0, seed=4).field
    descriptors = DESCRIPTORS[:3]
    objective = SectionObjective(state, descriptors, {0: describe(state, [d for d, _ in descriptors], field)})
    position = tf.constant(rotation.random_orientations((1, 8, 10), np.random.default_rng(0)))
    eager = objective.value_and_gradient(position)
    graph = tf.function(objective.value_and_gradient)(position)
    for a, b in zip(eager, graph, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_terms_are_weighted_means_over_the_axes(state, volume):
    kinds = [Variation(), TwoPoint(2)]
    targets = own_targets(state, kinds, volume)
    position = tf.constant(rotation.random_orientations(SHAPE, np.random.default_rng(0)))
    alone = [
        SectionObjective(state, [(kind, 1.0) for kind in kinds], {axis: targets[axis]}).terms(position).numpy()
        for axis in range(3)
    ]
    both = SectionObjective(state, [(kinds[0], 2.0), (kinds[1], 0.5)], targets)
    np.testing.assert_allclose(both.terms(position), np.mean(alone, axis=0) * [2.0, 0.5], rtol=1e-10)
    assert both.names == ("variation", "two_point")


def test_sections_apart_cost_more_than_their_mean(state, volume):
    kinds = [Variation()]
    targets = own_targets(state, kinds, volume)
    position = tf.constant(state.position(volume))
    pooled, grouped, apart = (
        float(SectionObjective(state, [(kinds[0], 1.0)], targets, group).terms(position)[0]) for group in (None, 2, 1)
    )
    assert pooled < 1e-9 < grouped < apart


def test_equivalent_orientations_change_no_descriptor(state, volume):
    rng = np.random.default_rng(0)
    operations = ALUMINIUM.symmetry
    q = rotation.multiply(operations[rng.integers(len(operations), size=volume.shape)], volume.quaternions)
    other = volume.evolve(quaternions=q * rng.choice([-1.0, 1.0], size=(*volume.shape, 1)))
    kinds = [TwoPoint(2), Texture.up_to(("m-3m",), 24)]
    for axis in range(3):
        for first, second in zip(
            describe(state, kinds, volume.section(axis, 1)), describe(state, kinds, other.section(axis, 1)), strict=True
        ):
            np.testing.assert_allclose(first, second, atol=1e-4)


def test_holes_do_not_count(state):
    """Whatever stands at points that are not indexed, and far from all lags, the descriptors are the same."""
    section = make_specimen((1, 10, 12), grain_size=4.0, seed=5).field.section(0, 0).evolve(periodic=False)
    kinds = [d for d, _ in DESCRIPTORS]
    cut = section.evolve(quaternions=section.quaternions[:, :8], phase_ids=section.phase_ids[:, :8])
    masked = np.array(section.phase_ids)
    masked[:, 8:] = 0
    for first, second in zip(
        describe(state, kinds, cut), describe(state, kinds, section.evolve(phase_ids=masked)), strict=True
    ):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=1e-6)


def test_phases_correlate():
    """Two phases of one volume: the loss is zero at home, and exchanging the phases costs."""
    volume = make_specimen(
        SHAPE, grain_size=4.0, phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.6, 0.4), seed=1
    ).field
    state = LocalState.of(volume.phases)
    kinds = (TwoPoint(2), Texture.up_to(("m-3m", "6/mmm"), 8))
    targets = own_targets(state, kinds, volume)
    evaluate = tf.function(SectionObjective(state, [(kind, 1.0) for kind in kinds], targets).terms, autograph=False)
    position = state.position(volume)
    position[..., 4:] *= 10.0
    assert float(tf.reduce_sum(evaluate(position))) < 1e-9
    position[..., 4:] *= -1.0
    assert np.all(evaluate(position).numpy() > 1e-3)


def test_target_of_another_shape_is_refused(state, volume):
    targets = own_targets(state, [TwoPoint(2)], volume)
    objective = SectionObjective(state, [(TwoPoint(3), 1.0)], targets)
    with pytest.raises(ValueError, match=r"two_point: expected a target of shape \(9, 9, 4, 7\); got \(9, 9, 3, 5\)"):
        objective.terms(tf.constant(state.position(volume)))


def test_open_volume_is_compared_without_pairs_across_its_faces(state):
    """Two halves: only a periodic estimate sees the second boundary between them."""
    q = np.empty((8, 8, 8, 4))
    q[:, :, :4] = [1.0, 0.0, 0.0, 0.0]
    q[:, :, 4:] = rotation.from_axis_angle(np.array([1.0, 1.0, 1.0]), 0.6)
    halves = OrientationVolume(q, np.ones((8, 8, 8)), (Phase("Al", "m-3m"),), (1, 1, 1))
    found = [
        Variation().estimate(state.channels(tf.constant(q), periodic=periodic), (0,), None)[0].numpy().item()
        for periodic in (True, False)
    ]
    assert found[0] / found[1] == pytest.approx((2 / 8) / (1 / 7))
    (target,) = describe(state, [Variation()], halves.section(0, 0))
    assert found[1] == pytest.approx(float(target), rel=1e-5)
