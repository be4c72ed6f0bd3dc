"""Whether a map is the same everywhere, and windows along it."""

import numpy as np
import pytest

from polyrve import make_specimen
from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.gradients import layered, trends, windows_along
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.quality import inspect
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM

COLUMNS = 100


def below_each_other(parts):
    fields = [part.field.section(0, 1) for part in parts]
    q, ids = (np.concatenate([getattr(field, name) for field in fields]) for name in ("quaternions", "phase_ids"))
    return OrientationMap(q, ids, fields[0].phases, fields[0].spacing)


def specimen(rows, size, seed, **options):
    return make_specimen((4, rows, COLUMNS), grain_size=size, seed=seed, **options)


@pytest.mark.parametrize(("seed", "texture"), [(1, "weak"), (2, "strong"), (3, "weak"), (4, "strong")])
def test_a_map_that_is_the_same_everywhere_is_taken_for_one(seed, texture):
    analysis = analyse(specimen(96, 6.0, seed, texture=texture).field.section(0, 0).evolve(periodic=False))
    found = trends(analysis)
    assert {trend.axis for trend in found} == {"x", "y"}
    assert {trend.quantity for trend in found} == {"boundary share", "texture"}
    assert not any(trend.found for trend in found)
    assert [layered(analysis, axis, 24) for axis in (0, 1)] == ["", ""]


def test_two_halves_of_other_grains_are_told_along_their_axis_alone():
    field = below_each_other([specimen(48, 4.0, 1), specimen(48, 12.0, 2)])
    found = [trend for trend in trends(analyse(field)) if trend.found]
    assert [(trend.quantity, trend.axis) for trend in found] == [("boundary share", "y")]
    bands = np.array(found[0].profile)
    assert bands[: len(bands) // 2].min() > 2.0 * bands[-(len(bands) // 2) :].max()
    assert layered(analyse(field), 0, 24) == ""
    (sentence,) = [text for text in inspect(field).suspicions if "not the same everywhere" in text]
    assert sentence.startswith("boundary share changes along y by")
    turned = OrientationMap(np.swapaxes(field.quaternions, 0, 1), field.phase_ids.T, field.phases, field.spacing)
    assert [trend.axis for trend in trends(analyse(turned)) if trend.found] == ["x"]


def test_a_texture_that_turns_and_phases_that_change_are_told():
    part = specimen(48, 5.0, 1, texture="strong").field
    turn = rotation.from_rotation_vector(np.array([0.0, 0.0, np.pi / 4]))
    turned = part.evolve(quaternions=rotation.multiply(part.quaternions, turn))
    q = np.concatenate([part.quaternions[1], turned.quaternions[2]])
    found = [t for t in trends(analyse(OrientationMap(q, np.ones(q.shape[:2], int), part.phases, (1, 1)))) if t.found]
    assert [(trend.quantity, trend.axis) for trend in found] == [("texture", "y")]
    two = {"phases": (ALUMINIUM, MAGNESIUM)}
    field = below_each_other(
        [specimen(48, 5.0, i, phase_fractions=f, **two) for i, f in ((1, (0.9, 0.1)), (2, (0.4, 0.6)))]
    )
    assert ("phase fractions", "y") in [(t.quantity, t.axis) for t in trends(analyse(field)) if t.found]


def test_layers_finer_than_windows_are_named():
    field = below_each_other([specimen(12, size, i) for i, size in enumerate((3.5, 8.0) * 5)])
    assert layered(analyse(field), 0, 30) == "boundary share"
    assert layered(analyse(field), 1, 30) == ""


def test_windows_overlap_by_half_and_their_weights_add_up():
    found = windows_along(96, 4.0, "y")
    assert found.bounds[0] == (0, 24)
    assert found.bounds[-1] == (72, 96)
    assert [b[0] for b in found.bounds] == list(range(0, 73, 12))
    np.testing.assert_allclose(found.weights.sum(axis=0), 1.0)
    assert found.weights[2, 35] > 0.9
    assert found.weights[2, :18].max() == 0.0
    with pytest.raises(
        ValueError, match=r"grade: expected at least 3 windows .* along x, of 20 voxels.* got 39 voxels"
    ):
        windows_along(39, 4.0, "x")


def test_a_map_too_small_for_blocks_tells_nothing():
    assert trends(analyse(specimen(12, 6.0, 1).field.section(0, 0)[:12, :14])) == ()
