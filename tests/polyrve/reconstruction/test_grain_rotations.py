import numpy as np
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction.grain_rotations import GrainField, GrainObjective


class _Quadratic:
    """A loss of the voxels whose slope is known: half of the squared distance from random numbers."""

    def __init__(self, shape):
        self.goal = tf.constant(np.random.default_rng(5).standard_normal(shape), tf.float64)

    def value_and_gradient(self, position):
        slope = position - self.goal
        return tf.reduce_sum(slope**2) / 2.0, slope, tf.zeros(1, position.dtype)


def test_slope_is_that_of_finite_differences():
    rng = np.random.default_rng(0)
    initial = rotation.random_orientations((3, 4, 5), rng)
    initial = np.concatenate([initial, rng.standard_normal((3, 4, 5, 2))], axis=-1)
    objective = GrainObjective(
        _Quadratic(initial.shape), GrainField(initial, rng.integers(0, 6, (3, 4, 5)).astype(np.int32))
    )
    rotations = rng.standard_normal((objective.field.number, 4))
    _, slope, _ = objective.value_and_gradient(tf.constant(rotations))
    step = 1e-5
    for row, column in ((0, 0), (1, 3), (4, 2), (5, 1)):
        ends = []
        for sign in (1.0, -1.0):
            moved = rotations.copy()
            moved[row, column] += sign * step
            ends.append(float(objective.value_and_gradient(tf.constant(moved))[0]))
        assert abs((ends[0] - ends[1]) / (2 * step) - float(slope[row, column])) < 1e-6


def test_grains_turn_as_wholes():
    truth = make_specimen((8, 9, 10), grain_size=5.0, seed=2)
    grains = segment(truth.field)
    rng = np.random.default_rng(3)
    initial = truth.field.quaternions
    field = GrainField(initial, grains.grain_ids - 1)
    turns = rng.standard_normal((field.number, 4))
    turned = field.turned(tf.constant(turns)).numpy()
    before = rotation.multiply(initial[:, :, 1:], rotation.conjugate(initial[:, :, :-1]))
    after = rotation.multiply(turned[:, :, 1:], rotation.conjugate(turned[:, :, :-1]))
    within = grains.grain_ids[:, :, 1:] == grains.grain_ids[:, :, :-1]
    np.testing.assert_allclose(after[within], before[within], atol=1e-12)
    np.testing.assert_array_equal(field.turned(tf.constant(field.start())), initial)
