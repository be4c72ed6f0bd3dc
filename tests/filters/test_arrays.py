import numpy as np
import pytest

from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.filters import arrays
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.segmentation import segment

SHAPE = (3, 4, 5)
PHASES = (Phase("Al", "m-3m", (4.05, 4.05, 4.05, 90, 90, 90)), Phase("Mg", "6/mmm"))


@pytest.fixture
def volume():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, SHAPE).astype(np.int32)
    return OrientationVolume(
        rotation.random_orientations(SHAPE, rng), ids, PHASES, (0.5, 1.0, 2.0), (3.0, 2.0, 1.0), periodic=True
    )


@pytest.mark.parametrize("name", ["Quats", "EulerAngles"])
def test_cell_arrays_and_back(volume, name):
    cells = {
        column.name: values.astype(column.dtype)
        for column, values in zip(arrays.CELL_COLUMNS, arrays.cell_arrays(volume).values(), strict=True)
    }
    assert all(cells[column.name].shape == (*SHAPE, column.components) for column in arrays.CELL_COLUMNS)
    ensemble = arrays.ensemble_arrays(volume)
    phases = arrays.phases_of(ensemble["CrystalStructures"], arrays.phase_names(volume), ensemble["LatticeConstants"])
    back = arrays.volume_of(
        cells[name],
        cells["Phases"],
        phases,
        volume.spacing[::-1],
        volume.origin[::-1],
        mask=cells["Mask"],
        periodic=True,
    )
    assert back.phases == volume.phases
    assert (back.spacing, back.origin, back.periodic) == (volume.spacing, volume.origin, True)
    np.testing.assert_array_equal(back.phase_ids, volume.phase_ids)
    np.testing.assert_allclose(
        rotation.to_matrix(back.quaternions), rotation.to_matrix(volume.quaternions), rtol=0, atol=2e-6
    )


def test_quaternions_are_stored_as_dream3d_does():
    """A known point of a file of DREAM.3D: Euler angles and the quaternion that it stores for them."""
    angles = np.array([2.0309, 0.2741, 2.3042]).reshape(1, 1, 1, 3)
    volume = arrays.volume_of(angles, np.ones((1, 1, 1, 1), np.int32), PHASES, (1, 1, 1))
    stored = arrays.cell_arrays(volume)["Quats"].ravel()
    np.testing.assert_allclose(stored, [0.13535, -0.01861, 0.81939, 0.55672], atol=5e-5)


def test_masked_points_and_phases_below_one_are_not_indexed(volume):
    values = arrays.cell_arrays(volume)
    phases = np.where(values["Phases"] == 2, -1, values["Phases"])
    mask = np.ones(SHAPE, np.uint8)
    mask[0] = 0
    nan = np.where(phases > 0, values["Quats"], np.nan)
    back = arrays.volume_of(nan, phases, PHASES, (1, 1, 1), mask=mask)
    np.testing.assert_array_equal(back.indexed, (volume.phase_ids == 1) & (mask == 1))


def test_frame_is_applied(volume):
    values = arrays.cell_arrays(volume)
    frame = reference_frames.named("edax-2")
    turned = arrays.volume_of(values["Quats"], values["Phases"], PHASES, (1, 1, 1), frame=frame)
    expected = np.where(volume.indexed[..., None], frame.apply(volume.quaternions), (1, 0, 0, 0))
    np.testing.assert_allclose(rotation.to_matrix(turned.quaternions), rotation.to_matrix(expected), rtol=0, atol=1e-12)


def test_degrees_are_refused():
    with pytest.raises(ValueError, match="rad"):
        arrays.volume_of(np.full((1, 2, 2, 3), 90.0), np.ones((1, 2, 2, 1), np.int32), PHASES, (1, 1, 1))


@pytest.mark.parametrize(
    ("numbers", "words"), [([999], "two or more rows"), ([999, 11], "phase 1"), ([999, 1, 999], "phase 2")]
)
def test_unknown_crystal_structures_are_refused(numbers, words):
    with pytest.raises(ValueError, match=words):
        arrays.phases_of(np.array(numbers, np.uint32)[:, None])


def test_several_layers_are_no_map(volume):
    with pytest.raises(ValueError, match="one layer"):
        arrays.map_of(volume)


def planar(ids, phases=PHASES):
    ids = np.array(ids, np.int32)
    q = rotation.random_orientations(ids.shape, np.random.default_rng(1))
    return OrientationMap(q, ids, phases, (1.0, 1.0))


def test_unused_phases_are_left_out_and_come_back():
    phases = (*PHASES, Phase("Ti", "6/mmm"))
    maps = {"z": planar([[0, 3], [1, 1]], phases), "x": planar([[1, 1, 0]], phases)}
    with pytest.warns(UserWarning, match="Mg"):
        used = arrays.used_phases(maps)
    assert used == [1, 3]
    short = arrays.with_phases(maps["z"], used)
    np.testing.assert_array_equal(short.phase_ids, [[0, 2], [1, 1]])
    assert [phase.name for phase in short.phases] == ["Al", "Ti"]
    field = OrientationVolume(short.quaternions[None], short.phase_ids[None], short.phases, (1.0, 1.0, 1.0))
    back = arrays.among_phases(segment(field), used, phases)
    np.testing.assert_array_equal(back.field.phase_ids[0], maps["z"].phase_ids)
    assert set(back.phase_ids) == {1, 3}


def test_maps_of_different_phases_are_refused():
    with pytest.raises(ValueError, match="normal to x"):
        arrays.used_phases({"z": planar([[1]]), "x": planar([[1]], PHASES[::-1])})


def test_feature_arrays_have_a_row_for_no_grain():
    ids = np.ones(SHAPE, np.int32)
    ids[:, :, 3:] = 2
    q = rotation.random_orientations((2,), np.random.default_rng(3))
    field = OrientationVolume(q[ids - 1], np.ones(SHAPE), PHASES[:1], (1.0, 2.0, 3.0))
    grains = GrainVolume(field, ids, q, [1, 1])
    rows = arrays.feature_arrays(grains)
    for column in arrays.FEATURE_COLUMNS:
        assert rows[column.name].shape == (3, column.components), column
        assert not rows[column.name][0].any()
    np.testing.assert_array_equal(rows["NumElements"][1:, 0], [36, 24])
    np.testing.assert_allclose(rows["Volumes"][1:, 0], [36 * 6.0, 24 * 6.0])
    np.testing.assert_allclose(rows["Centroids"][1:], [[4.5, 4.0, 1.5], [12.0, 4.0, 1.5]])
    np.testing.assert_allclose(rows["AvgQuats"][1:], np.roll(q, -1, axis=-1))


def test_voxel_size_of_maps():
    assert arrays.voxel_size_of({"z": (1.0, 2.0)}) == (2.0, 2.0, 2.0)
    assert arrays.voxel_size_of({"z": (1.0, 2.0), "x": (3.0, 1.0)}) == (3.0, 1.0, 2.0)
    with pytest.raises(ValueError, match="one step along y"):
        arrays.voxel_size_of({"z": (1.0, 2.0), "x": (3.0, 1.5)})
