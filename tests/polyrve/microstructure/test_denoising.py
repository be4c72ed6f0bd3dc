import numpy as np
import pytest
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.denoising import denoise, material, without_small_holes
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.segmentation import segment

NOISE = 0.3
MEAN = rotation.from_euler(np.array([0.3, 0.5, 0.2]))


def crystal(vectors, laue="m-3m"):
    """A crystal whose points are turned by rotation vectors in degrees."""
    turns = rotation.from_rotation_vector(np.deg2rad(vectors))
    phases = (Phase("crystal", laue),)
    return OrientationMap(rotation.multiply(MEAN, turns), np.ones(vectors.shape[:2], dtype=int), phases, (1.0, 1.0))


def measured(truth, seed=0):
    error = np.random.default_rng(seed).standard_normal((*truth.shape, 3)) * np.deg2rad(NOISE) / np.sqrt(3.0)
    return truth.evolve(quaternions=rotation.multiply(truth.quaternions, rotation.from_rotation_vector(error)))


def error(field, truth):
    angles = rotation.disorientation_angle(field.quaternions, truth.quaternions, truth.phases[0].symmetry)
    return float(np.rad2deg(np.sqrt((angles**2).mean())))


def filtered(field, truth, function):
    """Error after a 3 x 3 filter of the rotation vectors."""
    away = rotation.multiply(rotation.conjugate(MEAN), field.quaternions)
    vectors = 2.0 * away[..., 1:] * np.where(away[..., :1] < 0, -1.0, 1.0)
    smooth = np.stack([function(vectors[..., i], 3, mode="nearest") for i in range(3)], axis=-1)
    quaternions = rotation.multiply(MEAN, rotation.from_rotation_vector(smooth))
    return error(field.evolve(quaternions=quaternions), truth)


def wall():
    vectors = np.zeros((40, 48, 3))
    vectors[:, 24:, 2] = 1.0
    return vectors


def gradient():
    vectors = np.zeros((40, 48, 3))
    vectors[..., 0] = 0.1 * np.abs(np.arange(48) - 24)
    return vectors


@pytest.mark.parametrize("laue", ["m-3m", "6/mmm"])
@pytest.mark.parametrize("vectors", [wall(), gradient()], ids=["wall", "gradient"])
def test_walls_and_gradients_survive_better_than_in_mean_and_median(vectors, laue):
    truth = crystal(vectors, laue)
    scan = measured(truth)
    after = error(denoise(segment(scan), NOISE), truth)
    assert error(scan, truth) == pytest.approx(NOISE, rel=0.05)
    assert after < 0.25 * NOISE
    assert after < filtered(scan, truth, ndimage.uniform_filter)
    assert after < filtered(scan, truth, ndimage.median_filter)


def test_step_of_a_wall_stays():
    truth = crystal(wall())
    clean = denoise(segment(measured(truth)), NOISE)
    away = rotation.multiply(rotation.conjugate(MEAN), clean.quaternions)
    profile = np.rad2deg(2.0 * away[..., 3]).mean(axis=0)
    assert profile[28] - profile[19] == pytest.approx(1.0, abs=0.1)
    assert profile[25] - profile[22] > 0.75


def test_grains_and_points_of_none_stay_apart():
    vectors = np.zeros((24, 30, 3))
    vectors[:, 15:, 2] = 40.0
    truth = crystal(vectors)
    scan = measured(truth)
    scan = scan.evolve(phase_ids=np.where(np.random.default_rng(1).random(scan.shape) < 0.1, 0, scan.phase_ids))
    clean = denoise(segment(scan), NOISE)
    np.testing.assert_array_equal(clean.phase_ids, scan.phase_ids)
    apart = rotation.disorientation_angle(clean.quaternions[:, 14], clean.quaternions[:, 15], truth.phases[0].symmetry)
    known = (clean.phase_ids[:, 14] > 0) & (clean.phase_ids[:, 15] > 0)
    np.testing.assert_allclose(np.rad2deg(apart[known]), 40.0, atol=3 * NOISE)
    assert clean.provenance["denoising"]["noise_degrees"] == NOISE


def test_without_noise_nothing_changes():
    scan = crystal(wall())
    np.testing.assert_array_equal(denoise(segment(scan), 0.0).quaternions, scan.quaternions)


@pytest.mark.parametrize("noise", [-0.1, np.nan, np.inf])
def test_noise_out_of_range_is_refused(noise):
    with pytest.raises(ValueError, match="noise: expected an angle in degrees, not negative; got"):
        denoise(segment(crystal(wall())), noise)


def test_small_holes_take_the_nearest_orientation():
    vectors = np.zeros((9, 12, 3))
    vectors[:, 6:, 2] = 40.0
    scan = crystal(vectors)
    ids = np.ones((9, 12), dtype=int)
    ids[4, 5:7] = ids[0, 0] = 0
    ids[6:9, 9:12] = 0
    filled = without_small_holes(scan.evolve(phase_ids=ids))
    np.testing.assert_array_equal(np.argwhere(~filled.indexed), [[7, 10], [7, 11], [8, 10], [8, 11]])
    np.testing.assert_array_equal(filled.quaternions[4], scan.quaternions[4])
    assert without_small_holes(scan) is scan


def test_spikes_in_a_grain_go_and_those_between_grains_stay_where_asked():
    vectors = np.zeros((9, 12, 3))
    vectors[:, 6:, 2] = 40.0
    vectors[2, 2] = vectors[5, 5:7] = [0.0, 25.0, 10.0]
    grains = segment(crystal(vectors))
    assert np.argwhere(~material(grains, 0.0).indexed).tolist() == [[2, 2], [5, 5], [5, 6]]
    kept = material(grains, 0.0, specks=True)
    assert np.argwhere(~kept.indexed).tolist() == [[2, 2]]
    np.testing.assert_array_equal(kept.quaternions[5], grains.field.quaternions[5])
