"""The analysis of a map: each part once, and the same as when it is formed anew."""

import pickle
from collections import Counter

import numpy as np
import pytest

from polyrve.crystallography.rotation import from_euler
from polyrve.microstructure import map_analysis
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.map_analysis import analyse, analyse_all
from polyrve.microstructure.placed import distinct
from polyrve.microstructure.resampling import resample
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen


@pytest.fixture
def counted(monkeypatch):
    """Calls of what forms the parts of an analysis."""
    calls = Counter()
    for name in ("neighbour_disorientation", "bridge_holes", "connect", "labelled", "resample", "crop"):
        original = getattr(map_analysis, name)

        def call(*arguments, name=name, original=original, **named):
            calls[name] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(map_analysis, name, call)
    return calls


@pytest.fixture(scope="module")
def specimen():
    phases = (ALUMINIUM, MAGNESIUM)
    return make_specimen((6, 40, 50), grain_size=7.0, phases=phases, phase_fractions=(0.6, 0.4), seed=1)


@pytest.fixture
def scan(specimen):
    return simulate_scan(specimen, 0, 2, unindexed=0.04, seed=1)


def squares(shape, side, step=0.5):
    """Square grains of a side in points, in a map of another number along y than along x."""
    rows, columns = np.indices(shape) // side
    angles = np.stack([0.3 * (rows % 3) + 0.9 * (columns % 3), 0.4 * (columns % 2), 0.0 * rows], axis=-1)
    return OrientationMap(from_euler(angles), np.ones(shape, int), (ALUMINIUM,), (step, step))


def test_nothing_is_computed_before_it_is_asked_for(scan, counted):
    analyse(scan)
    assert not counted


def test_each_part_is_formed_once(scan, counted):
    maps = analyse_all(dict.fromkeys(range(3), scan))
    for _ in range(2):
        for (one,) in maps.values():
            assert one.grains.number_of_grains == one.grain_ids.max()
            assert one.sections.grain_ids.shape == (1, *scan.shape)
            assert one.elongation > 0.0
            assert one.mean_grain_area > 0.0
            assert one.at((2.0, 2.0)).grains.number_of_grains > 0
    assert counted == {"neighbour_disorientation": 4, "bridge_holes": 1, "connect": 2, "labelled": 2, "resample": 1}
    assert [one.field for one in distinct(maps)] == [scan]


def test_parts_are_those_of_the_functions_that_form_them(scan):
    found, expected = analyse(scan, 7.0), segment(scan, 7.0)
    np.testing.assert_array_equal(found.grain_ids, expected.grain_ids)
    np.testing.assert_array_equal(found.grains.quaternions, expected.quaternions)
    np.testing.assert_array_equal(found.grains.phase_ids, expected.phase_ids)
    for axis in (0, 1):
        np.testing.assert_array_equal(found.angles[axis], neighbour_disorientation(scan, axis))
    np.testing.assert_array_equal(found.at((3.0, 2.0)).field.quaternions, resample(scan, (3.0, 2.0)).quaternions)


def test_holes_are_bridged_in_sections_and_not_in_grains():
    """A line of holes cuts a grain of a segmentation; it is small enough to be crossed by sections."""
    field = squares((12, 15), 15)
    phase_ids = np.ones((12, 15), int)
    phase_ids[5] = 0
    found = analyse(field.evolve(phase_ids=phase_ids))
    assert found.grain_ids.max() == 2
    assert found.sections.grain_ids.max() == 1


def test_another_threshold_keeps_the_angles(scan, counted):
    found = analyse(scan)
    finer = analyse(found, 0.3)
    assert finer.threshold == 0.3
    assert finer.grain_ids.max() > found.grain_ids.max()
    assert counted["neighbour_disorientation"] == 2
    assert analyse(found) is found


def test_another_unit_of_length_keeps_the_angles_and_another_size_does_not(scan):
    found = analyse(scan)
    assert found.at(scan.spacing) is found
    nearly = found.at(np.array(scan.spacing) * (1.0 + 1e-9))
    assert nearly is not found
    assert nearly.field.spacing != scan.spacing
    assert nearly.angles is found.angles
    assert found.at((2.0, 2.0)).angles[0].shape == (20, 25)


@pytest.mark.parametrize("kind", [lambda volume: volume, lambda volume: volume.section(0, 1)])
def test_grains_that_come_in_are_taken_where_the_threshold_is_theirs(specimen, kind):
    grains = segment(kind(specimen.field), 4.0, min_points=5)
    assert analyse(grains, 4.0).grains is grains
    assert analyse(grains, 4.0).grain_ids is grains.grain_ids
    assert analyse(grains, 4.0).field is grains.field
    assert analyse(grains, 5.0).grains is not grains
    assert type(analyse(grains, 5.0).grains) is type(grains)


def test_grains_without_a_record_are_cut_anew():
    field = squares((9, 10), 3)
    one = GrainMap(field, np.ones(field.shape, int), field.quaternions[0, :1], [1])
    assert analyse(one).grain_ids.max() > 1


def test_area_of_square_grains():
    """7 x 9 grains, of which those cut by the edges count as halves: all that lie on them."""
    assert analyse(squares((35, 45), 5)).mean_grain_area == pytest.approx(35 * 45 * 0.25 / (63 - 28 / 2))


@pytest.mark.parametrize("columns", [501, 1400])
def test_only_the_middle_of_large_maps_counts(columns, counted):
    large, middle = squares((20, columns), 10), squares((20, 500), 10)
    assert analyse(large).mean_grain_area == analyse(middle).mean_grain_area
    assert counted["crop"] == 1
    assert analyse(middle).central.field is middle


def test_elongation_of_long_grains_and_of_a_single_one():
    truth = make_specimen((1, 60, 90), grain_size=6.0, elongation=(1.0, 2.0, 1.0), seed=2).field.section(0, 0)
    assert analyse(truth).elongation == pytest.approx(2.0, rel=0.2)
    single = truth.evolve(quaternions=np.broadcast_to([1.0, 0.0, 0.0, 0.0], truth.quaternions.shape))
    assert np.isnan(analyse(single).elongation)
    assert np.isnan(analyse(squares((9, 10), 1)).mean_grain_area)


def test_a_pickle_holds_the_map_alone(scan):
    found = analyse(scan)
    assert found.grains.number_of_grains > 0
    again = pickle.loads(pickle.dumps(found))
    assert set(vars(again)) == {"field", "threshold", "same_points"}
    np.testing.assert_array_equal(again.grain_ids, found.grain_ids)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 180.0, float("nan")])
def test_thresholds_that_are_none(scan, threshold):
    with pytest.raises(ValueError, match=f"threshold: .*{threshold}"):
        analyse(scan, threshold)
