import numpy as np
import pytest

from polyrve import make_specimen, simulate_scan
from polyrve.microstructure.lags import half_space
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.map_placement import axisymmetric, by_normal, common_phases, largest_lag, voxel_size
from polyrve.microstructure.map_scatter import map_scatter
from polyrve.microstructure.montage import montage
from polyrve.microstructure.section_measures import SectionMeasures, distances
from polyrve.validation.section_statistics import section_stacks, stack_of, together


@pytest.fixture(scope="module")
def specimen():
    return make_specimen((30, 40, 52), grain_size=6.0, seed=1).field


@pytest.fixture(scope="module")
def scans(specimen):
    whole = [simulate_scan(specimen, index=index, seed=index) for index in (4, 20)]
    return [whole[0], whole[1][5:38, 7:36]]


def test_several_maps_of_a_normal_are_placed_in_their_order(scans):
    found = by_normal({"z": scans, "x": scans[0][:30, :30]})
    assert [field.shape for field in found[0]] == [(40, 52), (33, 29)]
    assert len(found[2]) == 1
    np.testing.assert_array_equal(found[0][1].phase_ids, scans[1].phase_ids)
    assert {name: len(some) for name, some in axisymmetric(scans, "y").items()} == {"z": 2, "x": 2}


def test_several_maps_stand_for_all_axes_together(scans):
    found = by_normal({"all": scans})
    assert found[0] is found[1] is found[2]
    assert found[0] == tuple(scans)
    assert by_normal({"all": scans[0]})[2] == (scans[0],)
    with pytest.raises(ValueError, match="expected normals out of x, y, z; got 'all', 'x'"):
        by_normal({"all": scans, "x": scans[0]})


def test_a_volume_stands_for_all_of_its_sections(specimen):
    found = by_normal(specimen)
    assert {axis: len(some) for axis, some in found.items()} == {0: 30, 1: 40, 2: 52}
    np.testing.assert_array_equal(found[1][3].quaternions, specimen.quaternions[:, 3])
    assert list(by_normal({"y": specimen})) == [1]


def test_bad_lists_are_refused_in_one_sentence(scans):
    with pytest.raises(ValueError, match="maps normal to z: expected another area in each; got the same points in map"):
        by_normal({"z": [scans[0], scans[1], scans[0]]})
    with pytest.raises(ValueError, match="map normal to z: expected an OrientationMap; got an empty list"):
        by_normal({"z": []})
    with pytest.raises(ValueError, match=r"got 2: a mapping from normals takes any number"):
        by_normal(scans)
    other = scans[1].evolve(phases=tuple(type(p)("other", p.laue) for p in scans[1].phases))
    with pytest.raises(ValueError, match="expected the same phases in each"):
        common_phases(by_normal({"z": [scans[0], other]}))
    far = scans[1].evolve(spacing=(12.0, 12.0))
    with pytest.raises(ValueError, match="maps normal to z: expected steps that differ by less than a factor of 10"):
        voxel_size(by_normal({"z": [scans[0], far]}))


def test_the_coarsest_of_several_maps_gives_the_step_and_the_largest_the_lag(scans):
    both = by_normal({"z": [scans[0], scans[1].evolve(spacing=(1.5, 2.0))]})
    assert voxel_size(both) == (2.0, 2.0, 2.0)
    assert largest_lag(by_normal({"z": [scans[0], scans[1][:6, :6]]}), (40, 40, 40)) == 16


def counted(field, row, column):
    """Pairs of indexed points at a lag, and the share of them that a boundary separates, point by point."""
    pairs = apart = 0
    ids = analyse(field).grain_ids
    for y in range(field.shape[0]):
        for x in range(field.shape[1]):
            other = y + row, x + column
            if 0 <= other[0] < field.shape[0] and 0 <= other[1] < field.shape[1]:
                both = field.indexed[y, x] and field.indexed[other]
                pairs += both
                apart += both and ids[y, x] != ids[other]
    return pairs, apart


def test_a_montage_holds_the_pairs_of_its_maps_and_no_others(scans):
    small = [scans[0][:9, :14], scans[1][:7, :8]]
    whole = montage(small, gap=4)
    for lag in ((0, 1), (1, -1), (4, 0), (-3, 4)):
        assert counted(whole, *lag)[0] == sum(counted(one, *lag)[0] for one in small)
    assert montage(small[:1], gap=4) is small[0]
    assert min(whole.shape) == 9


def test_grains_and_chords_of_several_maps_are_those_of_each(scans):
    parts = [analyse(one).sections for one in scans]
    whole = SectionMeasures.together(parts)
    assert whole.number_of_grains == sum(part.number_of_grains for part in parts)
    for name in ("points", "size", "aspect_ratio", "weight"):
        np.testing.assert_allclose(
            np.sort(getattr(whole.shapes, name)), np.sort(np.concatenate([getattr(p.shapes, name) for p in parts]))
        )
    for axis, chords in enumerate(whole.chords):
        for i, values in enumerate(chords):
            np.testing.assert_allclose(np.sort(values), np.sort(np.concatenate([p.chords[axis][i] for p in parts])))
    crossed = [(p.known[1] & ~p.joined[1]).sum() for p in parts]
    assert whole.boundary_shares[0] == pytest.approx(sum(crossed) / sum(p.known[1].sum() for p in parts))
    assert (distances(whole, parts[0])[:4] < distances(parts[1], parts[0])[:4] + 1e-12).all()
    assert SectionMeasures.together(parts[:1]) is parts[0]


def test_statistics_of_several_maps_are_pooled_by_pairs(scans):
    stacks = [stack_of(one, DEFAULT_THRESHOLD) for one in scans]
    whole = together(stacks)
    assert whole.points == sum(one.phase_ids.size for one in scans)
    np.testing.assert_array_equal(whole.contacts, stacks[0].contacts + stacks[1].contacts)
    at = 3
    lags = [one.madogram(4)[at] for one in stacks]
    row, column = half_space(2, 4)[at]
    pairs = [counted(one, row, column)[0] for one in scans]
    np.testing.assert_allclose(whole.madogram(4)[at], np.average(lags, axis=0, weights=pairs), rtol=1e-5)
    assert len(whole.grains.points) == sum(len(one.grains.points) for one in stacks)
    assert len(whole.straight_runs[0]) == sum(len(one.straight_runs[0]) for one in stacks)
    assert len(whole.triple_points.grains) == sum(len(one.triple_points.grains) for one in stacks)


def test_sections_of_a_volume_as_maps_have_the_statistics_of_its_section_stack(specimen):
    fields = by_normal(specimen.evolve(periodic=False))[0]
    whole = together([stack_of(one, DEFAULT_THRESHOLD) for one in fields])
    expected = section_stacks(specimen.evolve(periodic=False), DEFAULT_THRESHOLD, most=100)[0]
    np.testing.assert_allclose(whole.madogram(3), expected.madogram(3), rtol=1e-5)
    np.testing.assert_allclose(np.sort(whole.grains.size), np.sort(expected.grains.size))
    assert whole.boundary_spread_of_bands == pytest.approx(expected.boundary_spread_of_bands)
    assert whole.channel_spread_of_bands == pytest.approx(expected.channel_spread_of_bands, rel=1e-5)


def test_maps_tell_how_far_they_differ_and_are_off(specimen, scans):
    found = {one.name.split(",")[0]: one for one in map_scatter(scans)}
    chord = found["mean chord"]
    expected = [np.mean(analyse(one).sections.mean_chords) for one in scans]
    assert chord.values == pytest.approx(expected)
    assert 0.0 < chord.error < 0.3
    texture = found["orientation distribution"]
    assert 0.0 < texture.error < texture.between < 1.0
    (alone, *_) = map_scatter(scans[:1])
    assert np.isnan(alone.between)
    assert alone.error > texture.error
    with pytest.raises(ValueError, match="maps: expected at least one, each with indexed points; got 0"):
        map_scatter([])
