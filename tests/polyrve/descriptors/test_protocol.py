import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography.phase import Phase
from polyrve.descriptors import SETS, Descriptor, descriptor_set, named_set
from polyrve.descriptors.local_state import LocalState
from polyrve.descriptors.protocol import average_groups
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.lags import half_plane, rings
from polyrve.reconstruction.objective import describe

STATE = LocalState.of((Phase("Al", "m-3m"),))
SHAPE = (10, 12, 14)


def test_sections_are_averaged_in_groups_of_neighbours():
    per_section = np.arange(24.0).reshape(2, 2, 6)
    np.testing.assert_array_equal(average_groups(tf.constant(per_section), 1), np.moveaxis(per_section, -1, 0))
    expected = [per_section[..., :3].mean(-1), per_section[..., 3:].mean(-1)]
    np.testing.assert_allclose(average_groups(tf.constant(per_section), 3), expected)
    np.testing.assert_allclose(average_groups(tf.constant(per_section), 6), per_section.mean(-1)[None])
    with pytest.raises(ValueError, match="sections_per_group: expected a divisor of the 6 sections; got groups of 4"):
        average_groups(tf.constant(per_section), 4)


def test_half_planes_and_rings_hold_one_of_each_pair():
    for lags in (half_plane(2), rings((3, 4.5), 8)):
        assert (0, 0) not in lags
        assert len(lags) == len(set(lags))
        assert not {(-row, -column) for row, column in lags} & set(lags)
    assert len(half_plane(2)) == (5 * 5 - 1) // 2
    radii = np.array([np.hypot(*lag) for lag in rings((4.5,), 8)])
    assert np.all(np.abs(radii - 4.5) < 0.71)


@pytest.mark.parametrize("name", SETS)
def test_named_sets_hold_their_descriptors(name):
    chosen = descriptor_set(named_set(name, STATE), STATE, 4, SHAPE)
    assert {descriptor.name: weight for descriptor, weight in chosen} == SETS[name]
    assert all(isinstance(descriptor, Descriptor) for descriptor, _ in chosen)


def test_sets_tell_two_phases_from_their_exchange():
    phases = (Phase("a", "m-3m"), Phase("b", "m-3m"))
    state = LocalState.of(phases, orientations=False)
    first = np.random.default_rng(0).random((12, 12)) < 0.3
    for name in SETS:
        kinds = [kind for kind, _ in descriptor_set(named_set(name, state), state, 4, (1, 12, 12))]
        fields = [
            OrientationMap(np.tile([1.0, 0.0, 0.0, 0.0], (12, 12, 1)), ids, phases, (1.0, 1.0))
            for ids in (np.where(first, 1, 2), np.where(first, 2, 1))
        ]
        one, other = (describe(state, kinds, field) for field in fields)
        assert max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True)) > 0.1, name


def test_no_lag_is_larger_than_the_window():
    for largest_lag in (2, 5):
        for descriptor, _ in descriptor_set(
            dict.fromkeys((*SETS["paper"], *SETS["default"]), 1.0), STATE, largest_lag, SHAPE
        ):
            for lag in getattr(descriptor, "lags", ()):
                assert max(map(abs, lag)) <= largest_lag, descriptor.name


def test_weight_zero_leaves_a_descriptor_out():
    chosen = descriptor_set({"two_point": 0.0, "variation": 2.0}, STATE, 4, SHAPE)
    assert [(descriptor.name, weight) for descriptor, weight in chosen] == [("variation", 2.0)]


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ({"tow_point": 1.0}, "descriptor: expected one of .*two_point.*; got 'tow_point'"),
        ({"variation": -1.0}, r"weight of descriptor variation: expected a finite number >= 0; got -1\.0"),
        ({"variation": float("nan")}, "weight of descriptor variation: expected a finite number >= 0; got nan"),
        ({"variation": 0.0}, "descriptors: expected at least one with a weight above zero; got none"),
    ],
)
def test_bad_sets(weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        descriptor_set(weights, STATE, 4, SHAPE)
