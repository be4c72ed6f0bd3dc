from dataclasses import replace

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.initial.laguerre_fit import cells_of_chords, draw_cells, fit_cells
from polyrve.initial.polycrystal import polycrystal, turn_grains
from polyrve.initial.random import random_field
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

SHAPE, SPACING = (26, 28, 30), (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def scan():
    volume = make_specimen((1, 60, 64), grain_size=6.0, texture="strong", seed=1).field
    return volume.section(0, 0).evolve(periodic=False)


def boundary_density(field, axis):
    angles = neighbour_disorientation(field, axis)
    return np.mean(angles[np.isfinite(angles)] > np.deg2rad(5.0))


def test_random_field_is_uniform_and_its_seed_decides():
    q, phase_ids = random_field((9, 10, 11), 2, np.random.default_rng(3))
    again = random_field((9, 10, 11), 2, np.random.default_rng(3))
    np.testing.assert_array_equal(q, again[0])
    np.testing.assert_array_equal(phase_ids, again[1])
    assert set(np.unique(phase_ids)) == {1, 2}
    means = symmetrized_harmonics("m-3m").evaluate(q).mean(axis=(1, 2, 3))
    assert np.all(np.abs(means) < 5 / np.sqrt(990))


def test_polycrystal_has_the_intercepts_of_the_map(scan):
    maps = dict.fromkeys(range(3), scan)
    q, phase_ids = polycrystal(maps, SHAPE, SPACING, True, np.random.default_rng(0))
    assert q.shape == (*SHAPE, 4)
    assert np.all(phase_ids == 1)
    volume = make_specimen(SHAPE, seed=0).field.evolve(quaternions=q)
    for axis in range(3):
        assert boundary_density(volume, axis) == pytest.approx(boundary_density(scan, 0), rel=0.3)


@pytest.fixture(scope="module")
def fine_maps():
    truth = make_specimen((8, 80, 80), grain_size=6.0, texture="strong", seed=3).field
    return dict.fromkeys(range(3), truth.section(0, 0).evolve(periodic=False))


def test_cells_that_stand_for_grains_are_grains(fine_maps):
    maps = fine_maps
    cells = replace(fit_cells(maps, SHAPE, SPACING, np.random.default_rng(0)), misindexed=0.0)
    assert cells.alike
    labels = draw_cells(cells, maps, SHAPE, SPACING, True, np.random.default_rng(1))
    numbers = []
    for given in (cells, replace(cells, distances=(1.0,) * len(cells.limits))):
        q, phase_ids = polycrystal(maps, SHAPE, SPACING, True, np.random.default_rng(1), given)
        grains = segment(OrientationVolume(q, phase_ids, maps[0].phases, SPACING, periodic=True))
        numbers.append((np.bincount(grains.grain_ids.ravel())[1:] > 2).sum())
    assert numbers[0] > numbers[1]
    assert numbers[0] >= 0.9 * (np.bincount(labels.ravel()) > 2).sum()


def test_cells_of_chords_are_drawn_for_their_texture(fine_maps):
    maps = fine_maps
    cells = cells_of_chords(maps, SHAPE, SPACING)
    assert not cells.alike
    q, phase_ids = polycrystal(maps, SHAPE, SPACING, True, np.random.default_rng(0), cells)
    harmonics = symmetrized_harmonics("m-3m")
    target, made = (harmonics.evaluate(values.reshape(-1, 4)).mean(axis=1) for values in (maps[0].quaternions, q))
    assert np.abs(made - target).max() < 0.1
    assert set(np.unique(phase_ids)) == {1}


def test_texture_is_closer_to_the_map_than_a_random_draw_of_its_pixels(scan):
    harmonics = symmetrized_harmonics("m-3m")
    target = harmonics.evaluate(scan.quaternions).mean(axis=(1, 2))
    rng = np.random.default_rng(0)
    q, _ = polycrystal({0: scan}, (1, 90, 96), SPACING, True, rng)
    found = harmonics.evaluate(q).mean(axis=(1, 2, 3))
    draws = [harmonics.evaluate(rng.choice(scan.quaternions.reshape(-1, 4), 60)).mean(axis=1) for _ in range(50)]
    drawn = np.median(np.linalg.norm(np.array(draws) - target, axis=1))
    assert np.linalg.norm(found - target) < 0.4 * drawn


def test_equivalent_orientations_give_the_same_polycrystal(scan):
    rng = np.random.default_rng(0)
    operations = ALUMINIUM.symmetry
    q = rotation.multiply(operations[rng.integers(len(operations), size=scan.shape)], scan.quaternions)
    found = [
        polycrystal({0: field}, (1, 20, 24), SPACING, True, np.random.default_rng(5))[0]
        for field in (scan, scan.evolve(quaternions=-q))
    ]
    np.testing.assert_allclose(rotation.disorientation_angle(*found, operations), 0.0, atol=1e-6)


def test_elongated_grains_stay_elongated():
    volume = make_specimen((1, 80, 84), grain_size=6.0, elongation=(1, 1, 3), seed=1).field
    field = volume.section(0, 0).evolve(periodic=False)
    q, _ = polycrystal({0: field}, (1, 60, 64), SPACING, True, np.random.default_rng(0))
    made = volume.evolve(quaternions=np.pad(q, ((0, 0), (0, 20), (0, 20), (0, 0)), mode="wrap")).section(0, 0)
    assert boundary_density(made, 0) > 1.7 * boundary_density(made, 1)


def test_phases_have_the_shares_of_the_map():
    volume = make_specimen(
        (1, 60, 64), grain_size=5.0, phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.7, 0.3), seed=2
    ).field
    field = volume.section(0, 0).evolve(periodic=False)
    _, phase_ids = polycrystal({0: field}, (1, 40, 44), SPACING, True, np.random.default_rng(0))
    assert np.mean(phase_ids == 1) == pytest.approx(np.mean(field.phase_ids == 1), abs=0.03)


def test_cells_wrap_around_a_periodic_volume_alone(scan):
    across = []
    for periodic in (True, False):
        q, _ = polycrystal({0: scan}, (1, 60, 64), SPACING, periodic, np.random.default_rng(0))
        angles = rotation.disorientation_angle(q[:, 0], q[:, -1], ALUMINIUM.symmetry)
        across.append(np.mean(angles > np.deg2rad(5.0)))
    assert across[0] < 0.6 < 0.8 < across[1]


def test_points_that_are_not_indexed_are_not_drawn(scan):
    phase_ids = np.array(scan.phase_ids)
    phase_ids[:, :32] = 0
    q, _ = polycrystal({0: scan.evolve(phase_ids=phase_ids)}, (1, 20, 24), SPACING, True, np.random.default_rng(0))
    identity = rotation.disorientation_angle(q, np.array([1.0, 0, 0, 0]), ALUMINIUM.symmetry)
    assert np.mean(identity < 1e-3) < 0.01


def test_disorientations_across_faces_are_those_of_the_map_not_of_random_pairs():
    truth = make_specimen((8, 96, 96), grain_size=7.0, twins=1.0, scatter=0.5, seed=3).field
    field = truth.section(0, 0).evolve(periodic=False)
    q, _ = polycrystal(dict.fromkeys(range(3), field), (28, 28, 28), SPACING, True, np.random.default_rng(0))
    volume = make_specimen((28, 28, 28), seed=0).field.evolve(quaternions=q)
    twins = []
    for one in (field, volume):
        angles = np.rad2deg(neighbour_disorientation(one, 0))
        twins.append(np.mean(angles[angles > 5.0] > 57.5))
    assert twins[0] > 0.15
    assert twins[1] > 0.6 * twins[0]


def test_grains_turn_as_a_whole():
    rng = np.random.default_rng(0)
    initial = make_specimen((12, 14, 16), grain_size=6.0, scatter=1.0, seed=5)
    turn = rotation.from_rotation_vector(np.deg2rad(rng.uniform(-4, 4, (initial.number_of_grains, 3))))
    bent = rotation.from_rotation_vector(np.deg2rad(rng.standard_normal((*initial.field.shape, 3)) * 0.3))
    operations = ALUMINIUM.symmetry[rng.integers(24, size=initial.field.shape)]
    wanted = rotation.multiply(turn[initial.grain_ids - 1], initial.field.quaternions)
    optimised = initial.field.evolve(quaternions=rotation.multiply(operations, rotation.multiply(bent, wanted)))
    found = turn_grains(initial.field, optimised)
    angle = rotation.disorientation_angle(found.quaternions, wanted, ALUMINIUM.symmetry)
    assert np.rad2deg(np.median(angle)) < 0.1
    within = [np.sort(neighbour_disorientation(one, 2)[initial.grain_ids == 1]) for one in (initial.field, found)]
    np.testing.assert_allclose(within[0][0], within[1][0], atol=1e-6)


@pytest.fixture(scope="module")
def two_phases():
    volume = make_specimen(
        (24, 88, 92),
        grain_size=(9.0, 5.0),
        phases=(ALUMINIUM, MAGNESIUM),
        phase_fractions=(0.8, 0.2),
        scatter=0.0,
        seed=3,
    )
    return volume.field


def sizes_by_phase(sections):
    """Mean area of the grains of each phase."""
    found = []
    for section in sections:
        grains = segment(section)
        points = np.bincount(grains.grain_ids.ravel())[1:]
        found.append([points[(points > 2) & (grains.phase_ids == phase)].mean() for phase in (1, 2)])
    return np.mean(found, axis=0)


def test_phases_have_their_sizes_and_meet_as_often_as_in_the_map(two_phases):
    field = two_phases.section(0, 0).evolve(periodic=False)
    maps = dict.fromkeys(range(3), field)
    q, ids = polycrystal(maps, (40, 42, 44), SPACING, True, np.random.default_rng(0), noise=False)
    volume = OrientationVolume(q, ids, field.phases, SPACING, periodic=True)
    found = sizes_by_phase([volume.section(0, i) for i in range(0, 40, 4)])
    wanted = sizes_by_phase([two_phases.section(0, i) for i in range(0, 24, 4)])
    assert wanted[0] / wanted[1] > 2.0
    np.testing.assert_allclose(found, wanted, rtol=0.25)
    assert np.mean(ids == 2) == pytest.approx(np.mean(field.phase_ids == 2), abs=0.02)
    shares = []
    for one in (field, volume):
        angles = neighbour_disorientation(one, 0)
        shares.append(np.isinf(angles).sum() / (angles > np.deg2rad(5.0)).sum())
    assert shares[1] == pytest.approx(shares[0], abs=0.05)


def test_sizes_belong_to_orientations(scan):
    """Large grains of the map are made cube-oriented; those of the polycrystal are so, too."""
    grains = segment(scan)
    points = np.bincount(grains.grain_ids.ravel())[grains.grain_ids]
    large = points > np.quantile(points, 0.6)
    q = np.where(large[..., None], [1.0, 0.0, 0.0, 0.0], scan.quaternions)
    turned = rotation.multiply(rotation.from_axis_angle(np.array([1.0, 0, 0]), 0.6), q)
    keep = rotation.disorientation_angle(scan.quaternions, np.array([1.0, 0, 0, 0]), ALUMINIUM.symmetry) > 0.3
    small = ~large & keep
    field = scan.evolve(quaternions=np.where(small[..., None], scan.quaternions, np.where(large[..., None], q, turned)))
    made, _ = polycrystal({0: field}, (1, 60, 64), SPACING, True, np.random.default_rng(0), noise=False)
    volume = OrientationVolume(made, np.ones(made.shape[:3], np.int32), scan.phases, SPACING, periodic=True)
    found = segment(volume.section(0, 0))
    area = np.bincount(found.grain_ids.ravel())[1:]
    cube = rotation.disorientation_angle(found.quaternions, np.array([1.0, 0, 0, 0]), ALUMINIUM.symmetry) < 0.1
    assert area[cube].mean() > 1.3 * area[~cube].mean()
