import numpy as np
import pytest

from polyrve.microstructure.resolution import at_resolution, majority
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen


@pytest.fixture(scope="module")
def truth():
    return make_specimen((12, 15, 18), grain_size=5.0, seed=1)


def _by_counting(labels, factor):
    """The most frequent label of each block, of equals that of the point at the centre: the slow way."""
    shape = tuple(n // f for n, f in zip(labels.shape, factor, strict=True))
    found = np.empty(shape, dtype=labels.dtype)
    for place in np.ndindex(shape):
        block = labels[tuple(slice(i * f, (i + 1) * f) for i, f in zip(place, factor, strict=True))]
        values, counts = np.unique(block, return_counts=True)
        most = values[counts == counts.max()]
        centre = block[tuple(f // 2 for f in factor)]
        found[place] = centre if centre in most else most[0]
    return found


@pytest.mark.parametrize("factor", [(2, 3, 2), (3, 1, 6), (4, 5, 3)])
def test_coarser_points_have_the_label_of_most_points(truth, factor):
    shape = tuple(n // f for n, f in zip(truth.field.shape, factor, strict=True))
    labels = truth.grain_ids
    np.testing.assert_array_equal(labels.ravel()[majority(labels, shape)], _by_counting(labels, factor))


def test_parts_of_points_count_by_their_share():
    labels = np.array([[1, 1, 2, 2, 2]])
    assert labels.ravel()[majority(labels, (1, 2))].tolist() == [[1, 2]]
    assert labels.ravel()[majority(labels, (2, 3))].tolist() == [[1, 2, 2]] * 2
    assert labels.ravel()[majority(labels, (1, 1))].tolist() == [[2]]


def test_finer_voxels_are_the_same_volume_and_come_back(truth):
    fine = at_resolution(truth, (24, 45, 36))
    repeated = truth.grain_ids.repeat(2, 0).repeat(3, 1).repeat(2, 2)
    np.testing.assert_array_equal(fine.grain_ids, repeated)
    assert fine.field.spacing == pytest.approx((0.5, 1 / 3, 0.5))
    back = at_resolution(fine, truth.field.shape)
    np.testing.assert_array_equal(back.grain_ids, truth.grain_ids)
    np.testing.assert_array_equal(back.field.quaternions, truth.field.quaternions)


def test_orientations_are_those_of_voxels_of_the_grain(truth):
    coarse = at_resolution(truth, (5, 7, 8))
    of_grain = coarse.quaternions[coarse.grain_ids - 1]
    own = {tuple(q) for q in truth.field.quaternions.reshape(-1, 4)}
    assert all(tuple(q) in own for q in coarse.field.quaternions.reshape(-1, 4))
    cosine = np.abs((coarse.field.quaternions * of_grain).sum(-1))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-3)
    assert coarse.number_of_grains == len(np.unique(coarse.grain_ids)) <= truth.number_of_grains


def test_grains_without_a_majority_go(truth):
    ids = np.array(truth.grain_ids)
    tiny = truth.number_of_grains + 1
    ids[3, 3, 3] = tiny
    grains = type(truth)(
        truth.field, ids, np.vstack([truth.quaternions, [[1.0, 0, 0, 0]]]), np.append(truth.phase_ids, 1)
    )
    coarse = at_resolution(grains, (6, 5, 9))
    assert tiny not in coarse.grain_ids
    assert coarse.grain_ids.max() == coarse.number_of_grains


def test_maps_and_points_without_a_grain(truth):
    section = truth.field.section(0, 2)
    grains = segment(section.evolve(phase_ids=np.where(np.arange(18) < 9, section.phase_ids, 0)))
    coarse = at_resolution(grains, (5, 6))
    assert coarse.field.spacing == (3.0, 3.0)
    assert (coarse.grain_ids[:, :3] > 0).all()
    assert (coarse.grain_ids[:, 3:] == 0).all()


@pytest.mark.parametrize("shape", [(3, 4), (0, 4, 4), (3, 4, 5, 6)])
def test_shapes_that_cannot_be(truth, shape):
    with pytest.raises(ValueError, match=r"resolution: expected positive numbers of points nz, ny, nx"):
        at_resolution(truth, shape)
