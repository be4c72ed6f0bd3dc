import numpy as np
import pytest
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import known_relations
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.particles import (
    ASPECTS,
    Particles,
    ellipsoid,
    from_mask,
    from_section,
    insert_particles,
    shapes_of_phase,
)
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen

VOID = Phase("Void", "m-3m")


@pytest.fixture(scope="module")
def rve():
    return make_specimen((30, 32, 34), grain_size=10.0, texture="random", scatter=0.0, seed=1)


def one(phase=None, orientation=(0.0, 0.0, 0.0)):
    """A single crystal."""
    q = rotation.from_euler(np.deg2rad(np.array([orientation])))
    shape = (30, 30, 30)
    field = OrientationVolume(
        np.broadcast_to(q, (*shape, 4)).copy(), np.ones(shape), (phase or Phase("Al"),), (0.5,) * 3, periodic=True
    )
    return GrainVolume(field, np.ones(shape), q, [1])


def particles_of(made, phase=2):
    """Whole bodies of a periodic volume: each particle grain, unwrapped about its first voxel."""
    shape = np.array(made.field.shape)
    for grain in np.flatnonzero(made.phase_ids == phase) + 1:
        places = np.argwhere(made.grain_ids == grain)
        yield places[0] + (places - places[0] + shape // 2) % shape - shape // 2


@pytest.mark.parametrize("place", ["anywhere", "boundaries", "triple-lines"])
def test_fraction_number_and_places(rve, place):
    made = insert_particles(rve, Particles(VOID, 0.06, 5.0, ellipsoid((1, 1, 1)), place=place), seed=2)
    share = (made.field.phase_ids == 2).mean()
    number = (made.phase_ids == 2).sum()
    assert share == pytest.approx(0.06, rel=0.05)
    assert number == round(0.06 * made.field.phase_ids.size / (np.pi / 6 * 125))
    assert made.number_of_grains == rve.number_of_grains + number
    distance = [
        len(np.unique(rve.grain_ids[tuple((p.round().astype(int) % rve.field.shape).T)])) for p in particles_of(made)
    ]
    least = {"anywhere": 1, "boundaries": 2, "triple-lines": 3}[place]
    assert min(distance) >= least


def test_particles_do_not_touch_and_continue_across_the_faces(rve):
    made = insert_particles(rve, Particles(VOID, 0.15, 5.0, ellipsoid((1, 1, 1))), seed=3)
    ids = np.where(made.field.phase_ids == 2, made.grain_ids, 0)
    for axis in range(3):
        beside = np.roll(ids, 1, axis=axis)
        assert not ((ids != beside) & (ids > 0) & (beside > 0)).any()
    assert any((np.ptp(np.argwhere(ids == grain), axis=0) > 15).any() for grain in np.unique(ids[ids > 0]))


def test_within_grains_the_whole_particle_is(rve):
    made = insert_particles(rve, Particles(VOID, 0.03, 3.0, ellipsoid((1, 1, 1)), place="grains"), seed=4)
    for body in particles_of(made):
        assert len(np.unique(rve.grain_ids[tuple((body % rve.field.shape).T)])) == 1


def test_sizes_are_distributed(rve):
    made = insert_particles(rve, Particles(VOID, 0.12, 5.0, ellipsoid((1, 1, 1)), spread=0.35, gap=0), seed=5)
    sizes = np.log(np.cbrt(np.bincount(made.grain_ids.ravel())[1:][made.phase_ids == 2]))
    assert len(sizes) > 40
    assert sizes.std() == pytest.approx(0.35, abs=0.08)


@pytest.mark.parametrize(("shape", "special"), [("needle", 0), ("plate", 2)])
def test_habit_is_a_crystal_direction_of_the_grain_around(shape, special):
    crystal = one(orientation=(20.0, 40.0, 10.0))
    made = insert_particles(crystal, Particles(VOID, 0.03, 3.5, ellipsoid(ASPECTS[shape]), habit=(1, 1, 1)), seed=6)
    family = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]]) / np.sqrt(3)
    wanted = rotation.rotate(rotation.conjugate(crystal.quaternions[0]), family)
    for body in particles_of(made):
        centred = (body - body.mean(axis=0))[:, ::-1]
        values, axes = np.linalg.eigh(centred.T @ centred)
        axis = axes[:, np.argmax(values) if shape == "needle" else np.argmin(values)]
        assert np.abs(wanted @ axis).max() > np.cos(np.deg2rad(8.0))
    assert ellipsoid(ASPECTS[shape]).special == special


def test_direction_is_one_of_the_specimen():
    made = insert_particles(one(), Particles(VOID, 0.03, 3.5, ellipsoid((6, 1, 1)), along=(0, 0, 1)), seed=7)
    for body in particles_of(made):
        assert np.ptp(body[:, 0]) > 2 * np.ptp(body[:, 1:], axis=0).max()


def test_orientations_of_the_particles():
    crystal = one(Phase("Austenite", "m-3m", (3.6, 3.6, 3.6, 90, 90, 90)), (20.0, 40.0, 10.0))
    ferrite = Phase("Ferrite", "m-3m", (2.87, 2.87, 2.87, 90, 90, 90))
    wanted = {"phase": ferrite, "fraction": 0.03, "diameter": 3.5, "shape": ellipsoid((1, 1, 1))}
    alike = insert_particles(crystal, Particles(**wanted, orientation="parent"))
    np.testing.assert_allclose(np.abs(alike.quaternions @ crystal.quaternions[0]), 1.0)
    relation = next(r for r in known_relations((*crystal.field.phases, ferrite)) if r.name == "Kurdjumov-Sachs")
    made = insert_particles(crystal, Particles(**wanted, orientation=relation))
    q = made.quaternions[made.phase_ids == 2]
    assert relation.deviation(np.repeat(crystal.quaternions, len(q), axis=0), q).max() < 0.01
    inside = made.field.phase_ids == 2
    np.testing.assert_allclose(made.field.quaternions[inside], made.quaternions[made.grain_ids[inside] - 1])


def test_a_shape_by_voxels_keeps_its_proportions():
    mask = np.zeros((20, 12, 8), dtype=bool)
    mask[2:18, 3:9, 4:8] = True
    shape = from_mask(mask)
    np.testing.assert_allclose(shape.half / shape.half[2], [4.0, 1.5, 1.0])
    assert 8 * np.prod(shape.half) == pytest.approx(np.pi / 6)
    made = insert_particles(one(), Particles(VOID, 0.05, 5.0, shape, along=(1, 0, 0), gap=0), seed=1)
    for body in particles_of(made):
        length = np.ptp(body[:, 2]) + 1
        assert length == pytest.approx(2 * shape.half[0] * 10.0, abs=1.5)


def test_a_ball_has_the_volume_of_its_voxels_in_the_mean():
    made = insert_particles(one(), Particles(VOID, 0.1, 2.0, ellipsoid((1, 1, 1)), gap=0), seed=8)
    labels, number = ndimage.label(made.field.phase_ids == 2)
    assert labels.max() == number
    assert (made.field.phase_ids == 2).mean() == pytest.approx(0.1, rel=0.02)


@pytest.mark.parametrize(("options", "told"), [
    ({"fraction": 0.8}, "can be packed"),
    ({"fraction": 1.2}, "fraction: expected more than 0"),
    ({"diameter": 0.4}, "at least a voxel thick; the thinnest is 0.4"),
    ({"diameter": 2.0, "shape": ellipsoid((9, 9, 1))}, "at least a voxel thick"),
    ({"diameter": -1.0}, "size: expected a positive"),
    ({"diameter": 90.0}, "at least one particle"),
    ({"place": "edges"}, "place: expected one of"),
    ({"phase": Phase("Aluminium")}, "phase: expected a name"),
    ({"along": (0, 0, 0)}, "not zero"),
])  # fmt: skip
def test_what_cannot_be_inserted(rve, options, told):
    wanted = {"phase": VOID, "fraction": 0.05, "diameter": 4.0, "shape": ellipsoid((1, 1, 1))} | options
    with pytest.raises(ValueError, match=told):
        insert_particles(rve, Particles(**wanted))


def test_a_single_crystal_has_no_boundaries():
    with pytest.raises(ValueError, match="place: expected a volume with boundaries; this one has none"):
        insert_particles(one(), Particles(VOID, 0.05, 2.0, ellipsoid((1, 1, 1)), place="boundaries"))
    with pytest.raises(ValueError, match="aspect: expected three positive"):
        ellipsoid((1, 0, 1))
    with pytest.raises(ValueError, match="shape: expected a body"):
        from_mask(np.zeros((2, 2, 2), dtype=bool))


def test_quadruple_points_have_four_grains(rve):
    made = insert_particles(rve, Particles(VOID, 0.03, 5.0, ellipsoid((1, 1, 1)), place="quadruple-points"), seed=2)
    for body in particles_of(made):
        assert len(np.unique(rve.grain_ids[tuple((body % rve.field.shape).T)])) >= 4


def test_shapes_of_a_phase_are_taken_over():
    """Bars of 12 x 4 x 2 voxels along a diagonal of the axes give bars of these proportions."""
    shape = (40, 40, 40)
    along = np.array([[1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, np.sqrt(2)]]) / np.sqrt(2)
    z, y, x = np.indices(shape)
    local = (np.stack([x, y, z], axis=-1) - 19.6) @ along.T
    bar = (np.abs(local) < [9.0, 3.0, 1.6]).all(axis=-1)
    ids = np.where(bar, 2, 1)
    q = rotation.random_orientations(2, np.random.default_rng(0))
    field = OrientationVolume(q[ids - 1], ids, (Phase("Al"), VOID), (1.0,) * 3)
    (taken,) = shapes_of_phase(GrainVolume(field, ids, q, [1, 2]), "Void")
    np.testing.assert_allclose(taken.half / taken.half[1], np.array([9.0, 3.0, 1.5]) / 3.0, rtol=0.25)
    made = insert_particles(one(), Particles(VOID, 0.03, 6.0, [taken], along=(0, 1, 0), gap=0), seed=1)
    for body in particles_of(made):
        assert np.ptp(body[:, 1]) > 2 * max(np.ptp(body[:, 0]), np.ptp(body[:, 2])) * 0.8
    assert (made.field.phase_ids == 2).mean() == pytest.approx(0.03, rel=0.15)


def test_a_section_is_revolved_about_its_long_axis():
    y, x = np.indices((20, 40))
    shape = from_section(((x - 20) ** 2 / 15.0**2 + (y - 10) ** 2 / 5.0**2 < 1.0).T)
    np.testing.assert_allclose(shape.half / shape.half[1], [3.0, 1.0, 1.0], rtol=0.1)
    points = np.random.default_rng(0).uniform(-1, 1, (40000, 3)) * shape.half
    assert shape.inside(points).mean() * 8 * np.prod(shape.half) == pytest.approx(np.pi / 6, rel=0.02)
    field = OrientationMap(np.tile([1.0, 0, 0, 0], (20, 40, 1)), np.ones((20, 40)), (Phase("Al"),), (1.0, 1.0))
    with pytest.raises(ValueError, match="phase: expected one of Al; got 'Void'"):
        shapes_of_phase(segment(field), "Void")
    with pytest.raises(ValueError, match="expected whole particles of Al"):
        shapes_of_phase(segment(field), "Al")
