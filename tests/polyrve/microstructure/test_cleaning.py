import json

import numpy as np
import pytest

from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import cleaning
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

NICKEL, MAGNESIUM = Phase("Nickel", "m-3m"), Phase("Magnesium", "6/mmm")


def bicrystal(shape=(6, 8)):
    """Two grains, left and right, 40 degrees apart."""
    q = np.zeros((*shape, 4))
    q[...] = rotation.from_euler(np.deg2rad([10.0, 20.0, 30.0]))
    q[..., shape[-1] // 2 :, :] = rotation.from_euler(np.deg2rad([50.0, 20.0, 30.0]))
    kind = OrientationMap if len(shape) == 2 else OrientationVolume
    ci = np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape)
    return kind(
        q, np.ones(shape, int), (NICKEL,), (0.25, 0.5, 1.0)[-len(shape) :], properties={"CI": ci, "MAD": 1.0 - ci},
        provenance={"source": "x.ang", "steps": ["before"]},
    )  # fmt: skip


def changed(field, at, angles, phase=1):
    q, ids = np.array(field.quaternions), np.array(field.phase_ids)
    q[at], ids[at] = rotation.from_euler(np.deg2rad(angles)), phase
    return field.evolve(quaternions=q, phase_ids=ids)


def steps(field):
    assert json.loads(json.dumps(dict(field.provenance)))["steps"][0] == "before"
    return field.provenance["steps"][1:]


@pytest.mark.parametrize("shape", [(6, 8), (3, 4, 6)])
def test_bounds(shape):
    field = bicrystal(shape)
    cleaned = cleaning.unindex(field, minimum={"CI": 0.2}, maximum={"MAD": 0.5})
    np.testing.assert_array_equal(cleaned.indexed, field.properties["CI"] >= 0.5)
    gone = int((~cleaned.indexed).sum())
    assert steps(cleaned) == [f"not indexed where CI < 0.2 or MAD > 0.5: {gone} points"]
    assert field.indexed.all()


def test_points_without_a_value_are_marked():
    field = bicrystal()
    ci = np.array(field.properties["CI"])
    ci[2, 3] = np.nan
    cleaned = cleaning.unindex(field.evolve(properties={"CI": ci}), minimum={"CI": -1.0})
    assert np.argwhere(~cleaned.indexed).tolist() == [[2, 3]]


def test_zero_solutions_in_any_frame_and_crystal_frame():
    for name in ("none", "edax-2", "oxford-cs0"):
        frame = reference_frames.named(name)
        for phase, x_axis in ((NICKEL, "a"), (MAGNESIUM, "a"), (MAGNESIUM, "a*")):
            q = np.tile(rotation.from_euler(np.array([0.1, 0.2, 0.3])), (2, 3, 1))
            q[1, 2] = (1.0, 0, 0, 0)
            q = reference_frames.crystal_frame(frame.apply(q), phase, x_axis)
            field = OrientationMap(q, np.ones((2, 3), int), (phase,), (1, 1), frame=frame)
            cleaned = cleaning.unindex(field, zero_solutions=True)
            assert np.argwhere(~cleaned.indexed).tolist() == [[1, 2]], (name, phase.name, x_axis)


def test_given_points_and_wrong_arguments():
    field = bicrystal()
    points = np.zeros(field.shape, dtype=bool)
    points[1, 1] = True
    assert np.argwhere(~cleaning.unindex(field, points=points).indexed).tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="property: expected one of CI, MAD; got 'BC'"):
        cleaning.unindex(field, minimum={"BC": 1.0})
    with pytest.raises(ValueError, match=r"points: expected shape \(6, 8\)"):
        cleaning.unindex(field, points=points[1:])


@pytest.mark.parametrize("shape", [(6, 8), (3, 6, 8)])
def test_wild_spikes(shape):
    field = bicrystal(shape)
    at = (1,) * len(shape)
    spiked = changed(field, at, (80.0, 60.0, 10.0))
    cleaned = cleaning.remove_spikes(spiked)
    assert np.argwhere(~cleaned.indexed).tolist() == [list(at)]
    assert steps(cleaned) == ["wild spikes (5 degrees) not indexed: 1 points"]
    np.testing.assert_array_equal(cleaned.quaternions[cleaned.indexed], spiked.quaternions[cleaned.indexed])
    assert cleaning.remove_spikes(field).indexed.all()


def test_spikes_at_the_border_do_not_wrap():
    field = changed(bicrystal(), (0, 0), (80.0, 60.0, 10.0))
    assert np.argwhere(~cleaning.remove_spikes(field).indexed).tolist() == [[0, 0]]
    pair = changed(changed(bicrystal(), (0, 0), (80.0, 60.0, 10.0)), (5, 0), (80.0, 60.0, 10.0))
    assert cleaning.remove_spikes(pair).indexed.sum() == 46
    assert cleaning.remove_spikes(pair.evolve(periodic=True)).indexed.all()


def test_small_grains_are_absorbed():
    field = changed(changed(bicrystal(), (1, 1), (80.0, 60.0, 10.0)), (1, 2), (80.0, 60.0, 10.0))
    field = changed(field, (4, 5), (0.0, 0.0, 0.0), phase=0)
    cleaned = cleaning.absorb_small_grains(field, 3)
    expected = bicrystal()
    keep = cleaned.indexed
    assert np.argwhere(~keep).tolist() == [[4, 5]]
    np.testing.assert_allclose(cleaned.quaternions[keep], expected.quaternions[keep], atol=1e-15)
    assert len(steps(cleaned)) == 1
    assert "1 grains" in steps(cleaned)[0]
    assert cleaned.properties["CI"] is not None


@pytest.mark.parametrize(("start", "stop"), [((1, 2), (4, 7)), ((0, 1, 2), (2, 3, 6))])
def test_crop(start, stop):
    field = bicrystal((6, 8) if len(start) == 2 else (3, 4, 6))
    cropped = cleaning.crop(field, start, stop)
    assert cropped.shape == tuple(b - a for a, b in zip(start, stop, strict=True))
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    np.testing.assert_array_equal(cropped.quaternions, field.quaternions[box])
    np.testing.assert_array_equal(cropped.properties["CI"], field.properties["CI"][box])
    assert cropped.origin == pytest.approx([a * d for a, d in zip(start, field.spacing, strict=True)])
    with pytest.raises(ValueError, match="box: expected"):
        cleaning.crop(field, start, start)


def test_coarsen():
    field = bicrystal((6, 8))
    coarse = cleaning.coarsen(field, (1.0, 2.0))
    assert coarse.shape == (3, 4)
    assert coarse.spacing == (1.0, 2.0)
    np.testing.assert_allclose(coarse.quaternions[:, :2], field.quaternions[:3, :2])
    np.testing.assert_allclose(coarse.quaternions[:, 2:], field.quaternions[:3, 6:])
    assert steps(coarse) == ["coarsened from 0.5 x 1 to 1 x 2 um"]


def test_steps_add_up():
    field = cleaning.remove_spikes(cleaning.unindex(bicrystal(), minimum={"CI": 0.1}))
    assert [step.split()[0] for step in steps(field)] == ["not", "wild"]


def test_drop_phase():
    phases = (Phase("Al"), Phase("Mg", "6/mmm"), Phase("Fe"))
    q = rotation.random_orientations((2, 3), np.random.default_rng(0))
    scan = OrientationMap(q, [[1, 2, 3], [0, 3, 3]], phases, (1.0, 1.0), properties={"CI": np.ones((2, 3))})
    cleaned = cleaning.drop_phase(scan, "Mg")
    assert [phase.name for phase in cleaned.phases] == ["Al", "Fe"]
    assert cleaned.phase_ids.tolist() == [[1, 0, 2], [0, 2, 2]]
    assert cleaned.provenance["steps"] == ["phase Mg dropped: 1 points"]
    np.testing.assert_array_equal(cleaned.quaternions[cleaned.indexed], scan.quaternions[cleaned.indexed])
    with pytest.raises(ValueError, match="expected one of Al, Fe; got 'Mg'"):
        cleaning.drop_phase(cleaned, "Mg")
    with pytest.raises(ValueError, match="the only phase cannot be dropped; got 'Al'"):
        cleaning.drop_phase(cleaning.drop_phase(cleaned, "Fe"), "Al")
