import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import map_placement
from polyrve.microstructure.axes import NORMALS
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

X_AND_Y_OF_MAP = {0: ("x", "y"), 1: ("x", "z"), 2: ("y", "z")}
"""Sample directions along the columns and rows of a section, by the array axis that it is normal to."""
SAMPLE = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0]), "z": np.array([0, 0, 1.0])}


@pytest.fixture(scope="module")
def volume():
    return make_specimen((8, 9, 10), grain_size=4.0, spacing=(1.5, 1.0, 0.5), seed=1).field


def in_own_frame(volume, axis, index):
    """A section whose orientations refer to its own axes: x along columns, y down rows, z their cross product."""
    section = volume.section(axis, index)
    x, y = (SAMPLE[name] for name in X_AND_Y_OF_MAP[axis])
    axes = np.stack([x, y, np.cross(x, y)], axis=1)
    matrices = rotation.to_matrix(section.quaternions) @ axes
    return section.evolve(quaternions=rotation.from_matrix(matrices), periodic=False)


def test_sections_in_their_own_frames_are_turned_into_the_sample_frame(volume):
    maps = {"zyx"[axis]: in_own_frame(volume, axis, 3) for axis in range(3)}
    found = map_placement.by_normal(maps)
    for axis in range(3):
        expected = rotation.to_matrix(volume.section(axis, 3).quaternions)
        np.testing.assert_allclose(rotation.to_matrix(found[axis][0].quaternions), expected, atol=1e-12)
    listed = map_placement.by_normal([maps["x"], maps["y"], maps["z"]])
    for axis in range(3):
        np.testing.assert_array_equal(listed[axis][0].quaternions, found[axis][0].quaternions)


def test_maps_in_the_wrong_order_are_noticed(volume):
    maps = [in_own_frame(volume, axis, 3) for axis in (2, 1, 0)]
    right, wrong = map_placement.by_normal(maps), map_placement.by_normal([maps[1], maps[0], maps[2]])
    differ = rotation.disorientation_angle(
        right[1][0].quaternions[:8, :8], wrong[1][0].quaternions[:8, :8], ALUMINIUM.symmetry
    )
    assert np.median(differ) > 0.1


def test_one_map_stands_for_all_axes(volume):
    scan = volume.section(0, 0)
    assert list(map_placement.by_normal(scan)) == [0, 1, 2]
    assert all(fields == (scan,) for fields in map_placement.by_normal([scan]).values())


@pytest.mark.parametrize(("axis", "other", "index"), [("x", "y", 0), ("y", "x", 1)])
def test_a_longitudinal_section_looks_the_same_along_the_symmetry_axis_in_both_normals(volume, axis, other, index):
    scan = volume.section(0, 0).evolve(periodic=False)
    given = map_placement.axisymmetric(scan, axis)
    assert set(given) == {"z", other}
    found = map_placement.by_normal(given)
    number = NORMALS[other]
    along = [i for i in range(3) if i != number].index(2 - index)
    aligned = np.moveaxis(found[number][0].quaternions, along, 1 - index)
    across = np.flip(aligned, axis=index) if axis == "y" else aligned
    seen, expected = (rotation.rotate(q, SAMPLE[axis]) for q in (across, scan.quaternions))
    np.testing.assert_allclose(seen, expected, atol=1e-12)
    assert found[number][0].spacing[along] == scan.spacing[1 - index]
    turn = rotation.multiply(rotation.conjugate(across), scan.quaternions)
    assert np.ptp(turn.reshape(-1, 4), axis=0).max() < 1e-12
    assert abs(rotation.rotate(turn[0, 0], SAMPLE["z"]) @ SAMPLE[other]) == pytest.approx(1.0)


def test_an_axis_across_the_map_is_refused(volume):
    with pytest.raises(ValueError, match="axis: expected x or y, an axis within the map; got 'z'"):
        map_placement.axisymmetric(volume.section(0, 0), "z")


def test_steps_give_the_voxel_size(volume):
    three = map_placement.by_normal([in_own_frame(volume, axis, 0) for axis in (2, 1, 0)])
    assert map_placement.voxel_size(three) == (1.5, 1.0, 0.5)
    assert map_placement.voxel_size(map_placement.by_normal(volume.section(2, 0))) == (1.5, 1.5, 1.5)
    two = {axis: field for axis, field in three.items() if axis != 1}
    assert map_placement.voxel_size(two) == (1.5, 1.0, 0.5)


@pytest.mark.parametrize("steps", [(1.0, 0.5), (0.5, 1.0)])
def test_one_map_gives_cubes_whichever_normals_it_stands_for(volume, steps):
    field = volume.section(0, 0).evolve(spacing=steps)
    copies = [field, field.evolve(spacing=steps), field.evolve(spacing=steps)]
    for maps in (
        field,
        copies,
        {"z": field},
        map_placement.axisymmetric(field, "x"),
        map_placement.axisymmetric(field, "y"),
    ):
        assert map_placement.voxel_size(map_placement.by_normal(maps)) == (1.0, 1.0, 1.0)


def test_maps_are_brought_to_the_voxels(volume):
    three = map_placement.by_normal([in_own_frame(volume, axis, 0) for axis in (2, 1, 0)])
    found = map_placement.at_voxel_size(three, (3.0, 1.0, 1.0))
    assert {axis: field.spacing for axis, (field,) in found.items()} == {0: (1.0, 1.0), 1: (3.0, 1.0), 2: (3.0, 1.0)}
    assert {axis: field.shape for axis, (field,) in found.items()} == {0: (9, 5), 1: (4, 5), 2: (4, 9)}
    one = map_placement.at_voxel_size(map_placement.by_normal(volume.section(0, 0)), (1.0, 1.0, 1.0))
    assert one[0] is one[1] is one[2]


def test_steps_that_disagree(volume):
    maps = [in_own_frame(volume, axis, 0) for axis in (2, 1, 0)]
    maps[2] = maps[2].evolve(spacing=(1.0, 0.7))
    with pytest.raises(
        ValueError, match=r"maps: expected one step along x; got 0\.\d, 0\.\d um: name a voxel size with spacing"
    ):
        map_placement.voxel_size(map_placement.by_normal(maps))


def test_number_and_names_of_maps(volume):
    scan = volume.section(0, 0)
    with pytest.raises(ValueError, match="expected one map, or three normal to x, y and z; got 2"):
        map_placement.by_normal([scan, scan])
    with pytest.raises(ValueError, match="expected normals out of x, y, z; got 'nd'"):
        map_placement.by_normal({"nd": scan})
    with pytest.raises(ValueError, match="expected normals out of x, y, z; got none"):
        map_placement.by_normal({})
    with pytest.raises(ValueError, match="map normal to y: expected an OrientationMap; got str"):
        map_placement.by_normal({"y": "scan.ang"})


def test_phases_of_all_maps(volume):
    scan = volume.section(0, 0)
    assert map_placement.common_phases({0: scan}) == scan.phases
    with pytest.raises(ValueError, match="expected the same phases in each"):
        map_placement.common_phases({0: scan, 1: scan.evolve(phases=(MAGNESIUM,))})
    with pytest.raises(ValueError, match="phase 'Magnesium': expected indexed points; got none: --drop-phase"):
        map_placement.common_phases({0: scan.evolve(phases=(*scan.phases, MAGNESIUM))})
    empty = scan.evolve(phase_ids=np.zeros(scan.shape, dtype=int))
    with pytest.raises(ValueError, match=r"^the map has no indexed points$"):
        map_placement.common_phases(dict.fromkeys(range(3), empty))
    with pytest.raises(ValueError, match=r"^the map normal to x has no indexed points$"):
        map_placement.common_phases({0: scan, 2: empty})


def test_each_map_is_analysed_once_and_handed_on(volume):
    scan = volume.section(0, 0)
    found = map_placement.analyse_maps(scan)
    assert list(found) == [0, 1, 2]
    assert found[0] is found[1] is found[2]
    assert found[0][0].field is scan
    again = map_placement.analyse_maps(found)
    assert all(again[normal] == found[normal] for normal in range(3))
    assert all(fields == (scan,) for fields in map_placement.by_normal(found).values())
    three = map_placement.analyse_maps([in_own_frame(volume, axis, 0) for axis in (2, 1, 0)])
    assert len({id(one) for (one,) in three.values()}) == 3
    stricter = map_placement.analyse_maps(found, 3.0)
    assert stricter[0][0].threshold == 3.0
    assert stricter[0][0].angles is found[0][0].angles


def flat_map(rows, columns):
    return OrientationMap(
        np.tile([1.0, 0, 0, 0], (rows, columns, 1)), np.ones((rows, columns)), (Phase("A", "m-3m"),), (1, 1)
    )


def test_largest_lag_has_room_in_volume_and_map():
    assert map_placement.largest_lag({0: flat_map(64, 80)}, (64, 64, 64)) == 16
    assert map_placement.largest_lag({0: flat_map(64, 80)}, (64, 64, 64), 24) == 24
    assert map_placement.largest_lag({0: flat_map(64, 80)}, (16, 20, 24)) == 7
    assert map_placement.largest_lag({0: flat_map(11, 80)}, (64, 64, 64)) == 5
    assert map_placement.largest_lag({0: flat_map(64, 80)}, (1, 16, 20)) == 7
    with pytest.raises(
        ValueError, match=r"largest_lag: expected lags up to 8 voxels to fit twice.*normal to z, a map of \(12, 80\)"
    ):
        map_placement.largest_lag({0: flat_map(12, 80)}, (64, 64, 64), 8)
    with pytest.raises(ValueError, match=r"at least 2 .*a map of \(3, 80\)"):
        map_placement.largest_lag({0: flat_map(3, 80)}, (64, 64, 64))
