import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.microstructure import resampling
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen


def grid_map(shape, spacing=(1.0, 1.0), seed=0):
    q = rotation.random_orientations(shape, np.random.default_rng(seed))
    return OrientationMap(q, np.ones(shape), (ALUMINIUM, MAGNESIUM), spacing, properties={"CI": np.zeros(shape)})


def test_same_step_changes_nothing():
    field = grid_map((4, 5))
    same = resampling.resample(field, (1.0, 1.0))
    np.testing.assert_array_equal(same.quaternions, field.quaternions)
    assert dict(same.properties) == {}


def test_coarse_cells_hold_a_measured_orientation_of_their_own():
    field = grid_map((6, 9), (0.5, 1.0))
    coarse = resampling.resample(field, (1.0, 3.0))
    assert (coarse.shape, coarse.spacing) == ((3, 3), (1.0, 3.0))
    for i, j in np.ndindex(3, 3):
        block = field.quaternions[2 * i : 2 * i + 2, 3 * j : 3 * j + 3].reshape(-1, 4)
        assert np.any(np.all(np.isclose(block, coarse.quaternions[i, j], atol=1e-12), axis=1))


def test_majority_of_a_cell_wins_whatever_the_equivalents():
    """Three of four points belong to one grain in other equivalents: the coarse cell is of that grain."""
    rng = np.random.default_rng(1)
    grain, other = rotation.random_orientations(2, rng)
    operations = ALUMINIUM.symmetry
    q = np.empty((4, 6, 4))
    for i, j in np.ndindex(4, 6):
        minority = (i % 2, j % 2) == (0, 0)
        q[i, j] = rotation.multiply(operations[rng.integers(len(operations))], other if minority else grain)
    coarse = resampling.resample(OrientationMap(q, np.ones((4, 6)), (ALUMINIUM,), (1, 1)), (2.0, 2.0))
    angles = rotation.disorientation_angle(coarse.quaternions, grain, operations)
    np.testing.assert_allclose(angles, 0.0, atol=1e-6)


def test_majority_phase_and_unindexed_cells():
    field = grid_map((2, 6))
    phase_ids = np.array([[1, 2, 0, 0, 2, 0], [2, 2, 0, 0, 1, 2]])
    coarse = resampling.resample(field.evolve(phase_ids=phase_ids), (2.0, 2.0))
    np.testing.assert_array_equal(coarse.phase_ids, [[2, 0, 2]])


def test_remainder_is_left_out_and_finer_cells_repeat():
    field = grid_map((5, 7))
    assert resampling.resample(field, (2.0, 3.0)).shape == (2, 2)
    fine = resampling.resample(field, (0.5, 1.0))
    assert fine.shape == (10, 7)
    np.testing.assert_array_equal(fine.quaternions, np.repeat(field.quaternions, 2, axis=0))


def test_steps_that_are_no_multiples():
    field = grid_map((12, 15), (0.7, 0.7))
    coarse = resampling.resample(field, (1.0, 1.0))
    assert coarse.shape == (8, 10)
    assert coarse.indexed.all()


def test_volumes_too():
    volume = make_specimen((4, 6, 8), grain_size=3.0, seed=2).field
    coarse = resampling.resample(volume, (2.0, 2.0, 2.0))
    assert (coarse.shape, coarse.periodic) == ((2, 3, 4), True)


@pytest.mark.parametrize(
    ("spacing", "sentence"),
    [
        ((0.0, 1.0), "expected positive lengths in um"),
        ((10.0, 1.0), "spacing: .* extent of 4 um; got 10"),
    ],
)
def test_bad_spacing(spacing, sentence):
    with pytest.raises(ValueError, match=sentence):
        resampling.resample(grid_map((4, 5)), spacing)


def test_refinement_repeats_cells():
    coarse = np.random.default_rng(0).standard_normal((1, 3, 4, 4))
    fine = resampling.refine(coarse, (1, 6, 8))
    np.testing.assert_array_equal(fine, coarse.repeat(2, axis=1).repeat(2, axis=2))
    np.testing.assert_array_equal(resampling.refine(coarse, (1, 3, 4)), coarse)


def test_levels_halve_down_to_a_smallest_grid():
    assert resampling.levels((64, 32, 48), 2) == [(32, 16, 24), (64, 32, 48)]
    assert resampling.levels((64, 32, 48), 5) == [(32, 16, 24), (64, 32, 48)]
    assert resampling.levels((1, 64, 64), 3) == [(1, 16, 16), (1, 32, 32), (1, 64, 64)]
    assert resampling.levels((33, 64, 64), 3) == [(33, 64, 64)]
