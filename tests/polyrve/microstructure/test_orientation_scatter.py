import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.microstructure.orientation_scatter import OrientationScatter, fit_scatter
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen


def structure(vectors, lag):
    return np.mean(np.sum((vectors - np.roll(vectors, -lag, axis=0)) ** 2, axis=-1))


def test_a_field_has_the_structure_function_it_was_made_with():
    scatter = OrientationScatter(noise=0.1, parts=np.array([0.5, 1.0]), scales=np.array([1.5, 3.0]))
    vectors = scatter.field((48, 40, 36), (1.0, 1.0, 1.0), np.random.default_rng(0))
    for lag in (1, 2, 4):
        expected = 0.1 + np.sum(scatter.parts * (1 - np.exp(-(lag**2) / (2 * scatter.scales**2))))
        assert structure(vectors, lag) == pytest.approx(expected, rel=0.1)


def test_lengths_count_in_micrometres():
    scatter = OrientationScatter(noise=0.0, parts=np.array([1.0]), scales=np.array([2.0]))
    vectors = scatter.field((64, 40, 36), (0.5, 1.0, 1.0), np.random.default_rng(0))
    assert structure(vectors, 4) == pytest.approx(1 - np.exp(-0.5), rel=0.1)


def test_the_scatter_of_a_map_is_found_and_equivalent_orientations_share_it():
    truth = make_specimen((24, 96, 96), grain_size=12.0, scatter=1.0, seed=3)
    field = truth.field.section(0, 0).evolve(periodic=False)
    rng = np.random.default_rng(0)
    operations = ALUMINIUM.symmetry[rng.integers(24, size=field.shape)]
    found = [
        fit_scatter([segment(one)], 3)
        for one in (field, field.evolve(quaternions=rotation.multiply(operations, field.quaternions)))
    ]
    assert found[1].noise == pytest.approx(found[0].noise, rel=1e-3, abs=1e-12)
    np.testing.assert_allclose(found[1].parts, found[0].parts, rtol=1e-3, atol=1e-9)
    for lag in (1, 3):
        far = np.roll(truth.field.quaternions, -lag, axis=0)
        same = truth.grain_ids == np.roll(truth.grain_ids, -lag, axis=0)
        angles = rotation.disorientation_angle(truth.field.quaternions[same], far[same], ALUMINIUM.symmetry)
        expected = found[0].noise + np.sum(found[0].parts * (1 - np.exp(-(lag**2) / (2 * found[0].scales ** 2))))
        assert np.mean(angles**2) == pytest.approx(expected, rel=0.25)


def test_a_map_without_pairs_within_grains_has_no_scatter():
    field = make_specimen((1, 8, 8), grain_size=1.0, scatter=0.0, seed=3).field.section(0, 0).evolve(periodic=False)
    scatter = fit_scatter([segment(field)], 3)
    assert scatter.noise == 0.0
    assert not scatter.parts.any()
