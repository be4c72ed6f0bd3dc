import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.microstructure.grain_properties import neighbours
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.reconstruction.face_disorientations import FaceDisorientations, face_disorientations
from polyrve.reconstruction.grain_rotations import GrainField, GrainObjective


@pytest.fixture(scope="module")
def volume():
    return segment(make_specimen((8, 20, 22), grain_size=6.0, scatter=0.0, seed=2).field)


@pytest.fixture(scope="module")
def section():
    return segment(make_specimen((8, 70, 72), grain_size=6.0, scatter=0.0, seed=3).field.section(0, 0))


def at(faces, rotations):
    return float(faces.mismatch(tf.math.l2_normalize(tf.constant(rotations), axis=-1)))


def test_shares_are_those_of_the_disorientations_across_faces(volume, section):
    (faces,) = face_disorientations(volume, [section])
    pairs, area = neighbours(volume)
    turns = rotation.random_orientations(volume.number_of_grains, np.random.default_rng(0))
    q = rotation.multiply(volume.quaternions, turns)[pairs - 1]
    angles = np.rad2deg(rotation.disorientation_angle(q[:, 0], q[:, 1], ALUMINIUM.symmetry))
    centres = np.arange(5.0, 182.5, 2.5)
    part = np.exp(-(((angles[:, None] - centres) / 2.5) ** 2) / 2)
    shares = (part / part.sum(axis=1, keepdims=True)).T @ (area / area.sum())
    expected = ((shares - faces.wanted) ** 2 / (faces.wanted + 0.003)).sum()
    assert at(faces, turns) == pytest.approx(expected, rel=1e-9)
    assert faces.wanted.sum() == pytest.approx(1.0)
    own = face_disorientations(volume, [section])[0]
    same = FaceDisorientations(own.means, own.families, own.pairs, own.area, shares, own.symmetry)
    assert at(same, turns) == pytest.approx(0.0, abs=1e-12)


def test_equivalent_orientations_and_common_turns_change_nothing(volume, section):
    (faces,) = face_disorientations(volume, [section])
    rng = np.random.default_rng(1)
    start = np.tile([1.0, 0.0, 0.0, 0.0], (volume.number_of_grains, 1))
    operations = ALUMINIUM.symmetry[rng.integers(24, size=volume.number_of_grains)]
    other = FaceDisorientations(
        rotation.multiply(operations, faces.means),
        faces.families,
        faces.pairs,
        faces.area,
        faces.wanted,
        faces.symmetry,
    )
    assert at(other, start) == pytest.approx(at(faces, start), rel=1e-9)
    common = np.tile(rotation.random_orientations(1, rng), (volume.number_of_grains, 1))
    assert at(faces, common) == pytest.approx(at(faces, start), rel=1e-9)


def test_families_turn_as_one(volume, section):
    families = np.arange(volume.number_of_grains) // 3
    turns = rotation.random_orientations(int(families.max()) + 1, np.random.default_rng(2))
    (alone,) = face_disorientations(volume, [section])
    (together,) = face_disorientations(volume, [section], families)
    assert at(together, turns) == pytest.approx(at(alone, turns[families]), rel=1e-12)


def test_slope_is_that_of_finite_differences(volume, section):
    faces = face_disorientations(volume, [section])

    class Nothing:
        def value_and_gradient(self, position):
            return tf.zeros([], position.dtype), tf.zeros_like(position), tf.zeros(1, position.dtype)

    initial = np.zeros((*volume.field.shape, 4))
    initial[..., 0] = 1.0
    objective = GrainObjective(Nothing(), GrainField(initial, volume.grain_ids - 1), faces)
    rotations = np.random.default_rng(4).standard_normal((volume.number_of_grains, 4)) * 0.1 + [1.0, 0.0, 0.0, 0.0]
    value, slope, terms = objective.value_and_gradient(tf.constant(rotations))
    assert float(terms[-1]) == pytest.approx(float(value))
    for row, column in ((0, 1), (3, 0), (5, 2)):
        ends = []
        for sign in (1.0, -1.0):
            moved = rotations.copy()
            moved[row, column] += sign * 1e-6
            ends.append(float(objective.value_and_gradient(tf.constant(moved))[0]))
        assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(float(slope[row, column]), rel=1e-3, abs=1e-7)


def test_phases_count_apart_and_few_pairs_tell_nothing(section):
    two = {"phases": (ALUMINIUM, MAGNESIUM), "phase_fractions": (0.6, 0.4), "grain_size": 5.0, "scatter": 0.0}
    volume = segment(make_specimen((8, 20, 22), seed=1, **two).field)
    scan = segment(make_specimen((8, 60, 60), seed=2, **two).field.section(0, 0))
    found = face_disorientations(volume, [scan])
    assert [len(one.symmetry) for one in found] == [24, 12]
    for number, one in enumerate(found, start=1):
        assert (volume.phase_ids[one.pairs] == number).all()
        assert one.area.sum() == pytest.approx(1.0)
    few = segment(make_specimen((8, 9, 10), grain_size=6.0, seed=1).field)
    assert face_disorientations(few, [section]) == ()
