"""Orientation maps and volumes: validation, immutability and sections."""

import dataclasses

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

PHASES = (Phase("Ni", "m-3m"), Phase("Ti", "6/mmm"))
SHAPE = (3, 4, 5)


def fields(shape=SHAPE, **changes):
    rng = np.random.default_rng(0)
    values = {
        "quaternions": rotation.random_orientations(shape, rng),
        "phase_ids": rng.integers(1, 3, shape),
        "phases": PHASES,
        "spacing": (0.3, 0.4, 0.5)[-len(shape) :],
        "origin": (1.0, 2.0, 3.0)[-len(shape) :],
        "properties": {"CI": rng.random(shape), "pattern": rng.random((*shape, 2))},
        "provenance": {"source": "made"},
    }
    return {**values, **changes}


def volume(**changes):
    return OrientationVolume(**fields(**changes))


def test_keeps_what_it_is_given():
    given = fields()
    made = OrientationVolume(**given)
    assert made.shape == SHAPE
    assert (made.quaternions.dtype, made.phase_ids.dtype) == (np.float64, np.int32)
    np.testing.assert_allclose(made.quaternions, given["quaternions"], rtol=0, atol=1e-15)
    assert (made.spacing, made.origin) == ((0.3, 0.4, 0.5), (1.0, 2.0, 3.0))
    assert made.indexed.all()
    assert OrientationMap(**fields((4, 5), origin=())).origin == (0.0, 0.0)


def test_points_that_are_not_indexed_hold_the_identity():
    phase_ids = np.ones(SHAPE, dtype=int)
    phase_ids[1, 2, 3] = 0
    quaternions = fields()["quaternions"]
    quaternions[1, 2, 3] = np.nan
    made = volume(phase_ids=phase_ids, quaternions=quaternions)
    np.testing.assert_array_equal(made.quaternions[1, 2, 3], [1, 0, 0, 0])
    assert not made.indexed[1, 2, 3]
    assert made.indexed.sum() == 59


def test_quaternions_are_normalised_and_copied():
    given = fields()["quaternions"]
    made = volume(quaternions=given * 1.0005)
    np.testing.assert_allclose(np.linalg.norm(made.quaternions, axis=-1), 1.0, rtol=0, atol=4e-16)
    before = made.quaternions.copy()
    given[:] = 0
    np.testing.assert_array_equal(made.quaternions, before)


def test_is_read_only():
    made = volume()
    with pytest.raises(ValueError, match="read-only"):
        made.quaternions[0, 0, 0] = 0
    with pytest.raises(ValueError, match="read-only"):
        made.phase_ids[0, 0, 0] = 1
    with pytest.raises(TypeError):
        made.properties["CI"] = 0
    with pytest.raises(TypeError):
        made.provenance["source"] = "other"
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.spacing = (1, 1, 1)


def test_evolve_validates_again():
    made = volume()
    assert made.evolve(spacing=(1, 2, 3)).spacing == (1.0, 2.0, 3.0)
    assert isinstance(made.evolve(periodic=True), OrientationVolume)
    with pytest.raises(ValueError, match="spacing"):
        made.evolve(spacing=(1, 2))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quaternions": np.zeros((3, 4, 5, 3))}, r"quaternions of OrientationVolume: .* got \(3, 4, 5, 3\)"),
        ({"quaternions": np.zeros((4, 5, 4))}, r"expected shape \(n, n, n, 4\)"),
        ({"quaternions": np.zeros((0, 4, 5, 4)), "phase_ids": np.zeros((0, 4, 5))}, "none of them 0"),
        ({"phase_ids": np.ones((3, 5, 4))}, r"phase_ids: expected shape \(3, 4, 5\); got \(3, 5, 4\)"),
        ({"phase_ids": np.full(SHAPE, 3)}, r"expected 0 \(not indexed\) ... 2 \(number of phases\); got 3 ... 3"),
        ({"phase_ids": np.full(SHAPE, -1)}, "got -1 ... -1"),
        ({"phases": ()}, r"... 0 \(number of phases\)"),
        ({"quaternions": np.zeros((*SHAPE, 4))}, r"unit norm at every indexed point; got norm 0 at \(0, 0, 0\) and 60"),
        ({"quaternions": np.full((*SHAPE, 4), np.nan)}, "got norm nan"),
        ({"spacing": (0.3, 0.4)}, "spacing: expected 3 positive lengths in um"),
        ({"spacing": (0.3, 0.0, 0.4)}, "spacing: expected 3 positive lengths in um"),
        ({"spacing": (0.3, np.inf, 0.4)}, "spacing: expected 3 positive lengths in um"),
        ({"origin": (0.0, 0.0)}, "origin: expected 3 finite lengths"),
        ({"origin": (0.0, 0.0, np.nan)}, "origin: expected 3 finite lengths"),
        ({"properties": {"CI": np.zeros((5, 4, 3))}}, r"property 'CI': expected a shape that starts with \(3, 4, 5\)"),
    ],
)
def test_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        volume(**changes)


def test_map_refuses_a_volume():
    with pytest.raises(ValueError, match=r"quaternions of OrientationMap: expected shape \(n, n, 4\)"):
        OrientationMap(**fields())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_section_keeps_the_order_of_the_other_axes(axis):
    made = volume(periodic=True)
    section = made.section(axis, 1)
    keep = [i for i in range(3) if i != axis]
    assert isinstance(section, OrientationMap)
    assert section.shape == tuple(SHAPE[i] for i in keep)
    assert section.spacing == tuple((0.3, 0.4, 0.5)[i] for i in keep)
    assert section.origin == tuple((1.0, 2.0, 3.0)[i] for i in keep)
    assert section.periodic
    index = [2, 2, 2]
    index[axis] = 1
    at = tuple(index[i] for i in keep)
    np.testing.assert_array_equal(section.quaternions[at], made.quaternions[tuple(index)])
    assert section.phase_ids[at] == made.phase_ids[tuple(index)]
    assert section.properties["CI"][at] == made.properties["CI"][tuple(index)]
    assert section.properties["pattern"].shape == (*section.shape, 2)
    assert section.phases == PHASES


def test_section_normal_to_z_is_y_x():
    assert volume().section(0, 0).shape == (4, 5)
    assert volume().section(1, 0).shape == (3, 5)
    assert volume().section(2, 0).shape == (3, 4)


def test_arrays_that_nobody_can_write_are_shared():
    own, writable = (np.tile([0.6, 0.0, 0.8, 0.0], (2, 3, 1)).copy() for _ in range(2))
    view = writable[:]
    own.setflags(write=False)
    view.setflags(write=False)
    made = {"phase_ids": np.ones((2, 3)), "phases": PHASES, "spacing": (1.0, 1.0)}
    assert OrientationMap(quaternions=own, **made).quaternions is own
    kept = OrientationMap(quaternions=view, **made)
    writable[:] = 0.0
    np.testing.assert_array_equal(kept.quaternions, own)
    changed = kept.evolve(properties={"IQ": np.zeros((2, 3))})
    assert changed.quaternions is kept.quaternions
    assert changed.phase_ids is kept.phase_ids


def test_arrays_that_nobody_can_write_are_not_changed():
    rough, ids = np.tile([0.60001, 0.0, 0.8, 0.0], (2, 3, 1)).copy(), np.ones((2, 3))
    ids[0, 1] = 0
    rough.setflags(write=False)
    field = OrientationMap(quaternions=rough, phase_ids=ids, phases=PHASES, spacing=(1.0, 1.0))
    np.testing.assert_array_equal(rough, np.tile([0.60001, 0.0, 0.8, 0.0], (2, 3, 1)))
    np.testing.assert_allclose(np.linalg.norm(field.quaternions, axis=-1), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(field.quaternions[0, 1], [1.0, 0.0, 0.0, 0.0])
