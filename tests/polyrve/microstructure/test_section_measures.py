"""Sections of known grains, and the distances between them."""

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.section_measures import (
    DISTANCES,
    SectionMeasures,
    aspect_ratio_distance,
    chord_distances,
    distances,
    grain_size_distance,
)
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen
from polyrve.validation.metrics import metrics
from polyrve.validation.stacks import stack_of

ROUNDING = 1e-12
"""Cumulative sums of at most 500 weights, each rounded to 2e-16."""


def bricks(shape, rows, columns):
    """Labels of bricks of some rows and columns, shape (1, *shape)."""
    row, column = np.indices(shape)
    return (row // rows * shape[1] + column // columns)[None]


def map_of(labels):
    """A map with an orientation, far from the others', for each label."""
    q = rotation.random_orientations(int(labels.max()) + 1, np.random.default_rng(1))
    return OrientationMap(q[labels[0]], np.ones(labels.shape[1:], int), (ALUMINIUM,), (2.0, 0.5), periodic=True)


def test_measures_of_bricks():
    found = SectionMeasures.of_labels(bricks((12, 20), 3, 5), (2.0, 0.5), True)
    assert found.number_of_grains == 16
    assert set(found.shapes.points) == {15}
    assert set(found.shapes.size) == {15.0}
    assert found.mean_chords == [6.0, 2.5]
    np.testing.assert_allclose(found.boundary_shares, [1 / 3, 1 / 5])
    assert found.grains_per_point == pytest.approx(1 / 15)
    assert found.speck_share == 0.0


def test_a_map_is_measured_as_labels_are():
    labels = bricks((12, 20), 4, 5)
    found, expected = analyse(map_of(labels)).sections, SectionMeasures.of_labels(labels, (2.0, 0.5), True)
    np.testing.assert_array_equal(found.grain_ids, expected.grain_ids)
    np.testing.assert_allclose(distances(expected, found), 0.0, atol=ROUNDING)


def test_a_window_has_the_links_of_the_whole_and_no_next_at_its_border():
    whole = SectionMeasures.of_labels(bricks((12, 20), 3, 5), (1.0, 1.0), True)
    window = whole.window((2, 4), (9, 13))
    assert window.grain_ids.shape == (1, 9, 13)
    assert not window.periodic
    for axis in (1, 2):
        np.testing.assert_array_equal(
            np.delete(window.joined[axis], -1, axis=axis),
            np.delete(whole.joined[axis][:, 2:11, 4:17], -1, axis=axis),
        )
        assert not np.take(window.known[axis], -1, axis=axis).any()
    assert whole.known[1].all()
    assert window.number_of_grains == 2 * 2
    assert window.mean_chords == [3.0, 5.0]


def test_what_each_distance_tells():
    """Along the columns bricks are alike, so that chords differ along the other axis alone."""
    square, long = (SectionMeasures.of_labels(bricks((24, 24), 4, n), (1.0, 1.0), True) for n in (4, 8))
    found = dict(zip(DISTANCES, distances(square, long), strict=True))
    assert found == {
        "grain size by number": pytest.approx(1.0, abs=ROUNDING),
        "grain size by area": pytest.approx(1.0, abs=ROUNDING),
        "aspect ratio": pytest.approx(1.0, abs=ROUNDING),
        "chord length": pytest.approx(1.0, abs=ROUNDING),
        "share of boundaries": pytest.approx(0.5),
        "grains per area": pytest.approx(0.5),
    }
    assert chord_distances(square.chords, long.chords) == pytest.approx([0.0, 1.0], abs=ROUNDING)


def test_fit_and_validation_measure_the_same_distance():
    fields = [make_specimen((2, 60, 66), grain_size=size, seed=3).field.section(0, 0) for size in (6.0, 9.0)]
    a, b = (analyse(field).sections for field in fields)
    first, second = (stack_of(field, 5.0) for field in fields)
    by_key = {metric.key: metric.compare(first, second) for metric in metrics(3)}
    assert by_key["grain_size_number"] == pytest.approx(grain_size_distance(a.shapes, b.shapes, by_area=False))
    assert by_key["grain_size_area"] == pytest.approx(grain_size_distance(a.shapes, b.shapes, by_area=True))
    assert by_key["aspect_ratio"] == pytest.approx(aspect_ratio_distance(a.shapes, b.shapes))
    assert by_key["chord_length"] == max(chord_distances(a.chords, b.chords))
    assert by_key["number_of_grains"] == pytest.approx(distances(a, b)[DISTANCES.index("grains per area")])
    assert by_key["specks"] == abs(a.speck_share - b.speck_share)


def test_one_grain_has_no_distance():
    one = SectionMeasures.of_labels(np.zeros((1, 9, 10), int), (1.0, 1.0), False)
    many = SectionMeasures.of_labels(bricks((9, 10), 3, 2), (1.0, 1.0), False)
    assert one.number_of_grains == 0
    assert np.isnan(distances(one, many)[:4]).all()
    assert np.isfinite(distances(one, many)[4:]).all()
