from collections import deque
from itertools import product

import numpy as np
import pytest
from orix.quaternion import Orientation, symmetry

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import (
    boundary_points,
    disorientation_from_mean,
    kernel_average_misorientation,
    measure_grains,
    neighbours,
)
from polyrve.microstructure.grains import grain_wise
from polyrve.microstructure.links import connect, neighbour_disorientation
from polyrve.microstructure.segmentation import segment

ORIX_GROUPS = {
    "-1": symmetry.C1, "2/m": symmetry.C2y, "mmm": symmetry.D2, "4/m": symmetry.C4, "4/mmm": symmetry.D4,
    "-3": symmetry.C3, "-3m": symmetry.D3, "6/m": symmetry.C6, "6/mmm": symmetry.D6, "m-3": symmetry.T,
    "m-3m": symmetry.O,
}  # fmt: skip


def about_z(degrees):
    return rotation.from_axis_angle([0.0, 0.0, 1.0], np.deg2rad(np.asarray(degrees, dtype=float)))


def volume(quaternions, laue="m-3m", periodic=True, spacing=(1.0, 1.0, 1.0), phase_ids=None):
    shape = quaternions.shape[:-1]
    phase_ids = np.ones(shape, dtype=int) if phase_ids is None else phase_ids
    phases = tuple(Phase(f"phase {i}", laue) for i in range(1, max(phase_ids.max(), 1) + 1))
    kind = OrientationVolume if len(shape) == 3 else OrientationMap
    return kind(quaternions, phase_ids, phases, spacing[: len(shape)], periodic=periodic)


def disguised(quaternions, laue, rng):
    """The same orientations, each written as a random symmetric equivalent of random sign."""
    operations = Phase("x", laue).symmetry
    shape = quaternions.shape[:-1]
    signs = rng.choice([-1.0, 1.0], shape)[..., None]
    return rotation.multiply(operations[rng.integers(len(operations), size=shape)], quaternions) * signs


def flood_fill(field, threshold):
    """Slow twin of segment: breadth-first over face neighbours."""
    ids, number = np.zeros(field.shape, dtype=int), 0
    for start in product(*(range(n) for n in field.shape)):
        if ids[start] or not field.phase_ids[start]:
            continue
        number += 1
        ids[start] = number
        queue = deque([start])
        while queue:
            here = queue.popleft()
            for axis, step in product(range(len(field.shape)), (-1, 1)):
                there = list(here)
                there[axis] += step
                if field.periodic:
                    there[axis] %= field.shape[axis]
                elif not 0 <= there[axis] < field.shape[axis]:
                    continue
                there = tuple(there)
                if ids[there] or field.phase_ids[there] != field.phase_ids[here]:
                    continue
                operations = field.phases[field.phase_ids[here] - 1].symmetry
                angle = rotation.disorientation_angle(field.quaternions[here], field.quaternions[there], operations)
                if angle <= np.deg2rad(threshold):
                    ids[there] = number
                    queue.append(there)
    return ids


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_neighbour_disorientation_is_that_of_orix(laue):
    rng = np.random.default_rng(3)
    q = rotation.random_orientations((3, 4, 5), rng)
    angles = neighbour_disorientation(volume(q, laue), 1)
    group = ORIX_GROUPS[laue]
    expected = Orientation(q, group).angle_with(Orientation(np.roll(q, -1, axis=1), group))
    np.testing.assert_allclose(angles, expected, atol=1e-6)


def test_neighbour_disorientation_at_borders_phases_and_unindexed_points():
    q = about_z([[0.0, 10.0, 20.0, 50.0]])
    field = volume(q, periodic=False, phase_ids=np.array([[1, 1, 2, 0]]))
    np.testing.assert_allclose(neighbour_disorientation(field, 1), [[np.deg2rad(10.0), np.inf, np.nan, np.nan]])
    assert np.isnan(neighbour_disorientation(field, 0)).all()


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_grains_of_every_laue_group_whatever_equivalent_is_written(laue):
    rng = np.random.default_rng(5)
    truth = np.array([[1, 1, 1, 2, 2], [1, 1, 3, 2, 2], [3, 3, 3, 3, 2], [3, 3, 3, 2, 2]])
    centres = about_z([0.0, 14.0, 29.0]) if laue in ("6/m", "6/mmm") else about_z([0.0, 20.0, 41.0])
    centres = rotation.multiply(centres, rotation.random_orientations(1, rng))
    wobble = rotation.from_axis_angle(rng.standard_normal((4, 5, 3)), np.deg2rad(rng.uniform(0, 1.0, (4, 5))))
    q = disguised(rotation.multiply(wobble, centres[truth - 1]), laue, rng)
    grains = segment(volume(q, laue, periodic=False), 5.0)
    np.testing.assert_array_equal(grains.grain_ids, truth)
    away = rotation.disorientation_angle(grains.quaternions, centres, Phase("x", laue).symmetry)
    assert np.rad2deg(away).max() < 1.0
    assert np.nanmax(disorientation_from_mean(grains)) < 2.0


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("laue", ["-1", "6/mmm", "m-3m"])
def test_segment_agrees_with_a_flood_fill(laue, periodic):
    rng = np.random.default_rng(11)
    q = rotation.from_axis_angle(rng.standard_normal((3, 4, 5, 3)), np.deg2rad(rng.uniform(0, 9.0, (3, 4, 5))))
    field = volume(disguised(q, laue, rng), laue, periodic, phase_ids=rng.integers(0, 3, (3, 4, 5)))
    for threshold in (4.0, 6.0):
        grains = segment(field, threshold)
        np.testing.assert_array_equal(grains.grain_ids, flood_fill(field, threshold))
        assert grains.number_of_grains > 2
        starts = [np.argwhere(grains.grain_ids == i)[0] for i in range(1, grains.number_of_grains + 1)]
        np.testing.assert_array_equal(grains.phase_ids, [field.phase_ids[tuple(at)] for at in starts])


def connect_slow(links, points):
    """Each point takes the smallest index that it is joined to, until none changes; others pass it on per axis."""
    index = np.arange(points.size).reshape(points.shape)
    ids = {axis: np.where(points, index, index + points.size) for axis in links}
    while True:
        before = {axis: values.copy() for axis, values in ids.items()}
        for axis, joined in links.items():
            there = np.where(joined, np.roll(ids[axis], -1, axis=axis), points.size * 2)
            back = np.where(np.roll(joined, 1, axis=axis), np.roll(ids[axis], 1, axis=axis), points.size * 2)
            ids[axis] = np.minimum(ids[axis], np.minimum(there, back))
        least = np.min(list(ids.values()), axis=0)
        ids = {axis: np.where(points, np.minimum(values, least), values) for axis, values in ids.items()}
        if all(np.array_equal(before[axis], ids[axis]) for axis in links):
            break
    labels = np.zeros(points.shape, dtype=int)
    labels[points] = np.unique(least[points], return_inverse=True)[1].ravel() + 1
    return labels


@pytest.mark.parametrize("share", [0.0, 0.7, 1.0])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [((9,), (0,)), ((7, 8), (0, 1)), ((3, 6, 7), (1, 2)), ((5, 4, 6), (0, 1)), ((4, 5, 6), (2, 0, 1))],
)
def test_connected_points_are_those_that_links_reach(shape, axes, share):
    rng = np.random.default_rng(7)
    for _ in range(10):
        links = {axis: rng.random(shape) < 0.5 for axis in axes}
        points = rng.random(shape) < share
        np.testing.assert_array_equal(connect(links, points), connect_slow(links, points))


def test_a_chain_of_small_steps_is_one_grain():
    grains = segment(volume(about_z(np.arange(8) * 4.0).reshape(1, 8, 4), periodic=False), 5.0)
    assert grains.number_of_grains == 1
    assert segment(volume(about_z(np.arange(8) * 4.0).reshape(1, 8, 4), periodic=False), 3.0).number_of_grains == 8


def test_mean_orientation_of_points_spread_evenly_about_a_centre():
    centre = rotation.from_euler(np.deg2rad([44.0, 54.0, 46.0]))
    steps = rotation.from_axis_angle(
        np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], dtype=float), np.deg2rad(4.0)
    )
    q = disguised(rotation.multiply(steps, centre), "m-3m", np.random.default_rng(0)).reshape(2, 3, 4)
    grains = segment(volume(q, periodic=False), 10.0)
    assert grains.number_of_grains == 1
    away = rotation.disorientation_angle(grains.quaternions[0], centre, Phase("x").symmetry)
    assert away < 1e-7
    np.testing.assert_allclose(measure_grains(grains).orientation_spread, [4.0], atol=1e-6)
    np.testing.assert_allclose(disorientation_from_mean(grains), 4.0, atol=1e-6)


def test_grain_across_the_faces_of_a_periodic_volume():
    angle = np.full((3, 6, 5), 30.0)
    angle[0, :, 0] = angle[0, :, 4] = angle[2, :, 0] = angle[2, :, 4] = 0.0
    open_grains = segment(volume(about_z(angle), periodic=False))
    assert open_grains.number_of_grains == 5
    grains = segment(volume(about_z(angle), spacing=(1.0, 2.0, 3.0)))
    assert grains.number_of_grains == 2
    corner = grains.grain_ids[0, 0, 0] - 1
    properties = measure_grains(grains)
    np.testing.assert_array_equal(properties.points[[corner, 1 - corner]], [24, 66])
    np.testing.assert_allclose(properties.size[corner], 24 * 6.0)
    np.testing.assert_allclose(properties.centroid[corner, [0, 2]] % (3.0, 15.0), [0.0, 0.0], atol=1e-12)
    lengths = np.array([2.0, 12.0, 6.0])
    expected = 2.0 * np.sqrt(5.0 * lengths**2 / 12.0)
    np.testing.assert_allclose(properties.axis_lengths[corner], np.sort(expected)[::-1])
    np.testing.assert_allclose(np.abs(properties.axes[corner]), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-12)
    assert not properties.touches_border.any()


def test_diagonal_grain_over_an_edge_of_a_periodic_map_is_one_piece():
    angle = np.full((9, 9), 30.0)
    for i in range(6):
        angle[(7 + i) % 9, (6 + i) % 9] = angle[(7 + i) % 9, (7 + i) % 9] = 0.0
    grains = segment(volume(about_z(angle)))
    moved = segment(volume(about_z(np.roll(angle, (2, 3), axis=(0, 1))), periodic=False))
    wrapped = measure_grains(grains).aspect_ratio[grains.grain_ids[7, 6] - 1]
    expected = measure_grains(moved).aspect_ratio[moved.grain_ids[0, 0] - 1]
    np.testing.assert_allclose(wrapped, expected)
    assert wrapped > 3.0


def test_neighbours_boundaries_and_sizes_of_two_bands():
    angle = np.zeros((4, 6))
    angle[:, 2:5] = 30.0
    grains = segment(volume(about_z(angle), spacing=(0.5, 2.0)))
    pairs, contact = neighbours(grains)
    np.testing.assert_array_equal(pairs, [[1, 2]])
    np.testing.assert_allclose(contact, [2 * 4 * 0.5])
    np.testing.assert_array_equal(boundary_points(grains)[0], [False, True, True, False, True, True])
    properties = measure_grains(grains)
    np.testing.assert_allclose(properties.size, [12.0, 12.0])
    np.testing.assert_allclose(properties.equivalent_diameter, np.sqrt(48.0 / np.pi))
    np.testing.assert_array_equal(properties.number_of_neighbours, [1, 1])
    open_grains = segment(volume(about_z(angle), periodic=False))
    assert len(neighbours(open_grains)[0]) == 2
    assert boundary_points(open_grains)[0].tolist() == [False, True, True, False, True, True]
    assert measure_grains(open_grains).touches_border.all()


def test_aspect_ratio_and_direction_of_an_ellipse():
    y, x = np.indices((80, 100)) - np.array([39.5, 49.5])[:, None, None]
    u, v = (x + y) / np.sqrt(2.0), (y - x) / np.sqrt(2.0)
    angle = np.where((u / 30.0) ** 2 + (v / 10.0) ** 2 <= 1.0, 0.0, 30.0)
    grains = segment(volume(about_z(angle), periodic=False))
    i = grains.grain_ids[40, 50] - 1
    properties = measure_grains(grains)
    np.testing.assert_allclose(properties.axis_lengths[i], [60.0, 20.0], rtol=0.01)
    np.testing.assert_allclose(properties.aspect_ratio[i], 3.0, rtol=0.02)
    np.testing.assert_allclose(np.abs(properties.axes[i, 0]), np.sqrt([0.5, 0.5]), atol=0.01)
    np.testing.assert_allclose(properties.centroid[i], [40.0, 50.0])


def test_kernel_average_misorientation_of_a_gradient():
    field = volume(about_z([[0.0, 1.0, 3.0, 43.0]]), periodic=False)
    np.testing.assert_allclose(kernel_average_misorientation(field), [[1.0, 1.5, 2.0, np.nan]], atol=1e-6)


def test_clean_up_removes_specks_and_reports_them():
    rng = np.random.default_rng(2)
    angle = np.zeros((6, 7, 8))
    angle[:, :, 4:] = 30.0
    angle[1, 2, 1] = angle[4, 4, 6] = angle[4, 5, 6] = 17.0
    phase_ids = np.ones(angle.shape, dtype=int)
    phase_ids[3, 3, 2] = 0
    field = volume(disguised(about_z(angle), "m-3m", rng), phase_ids=phase_ids)
    assert segment(field).number_of_grains == 4
    grains = segment(field, min_points=3)
    record = grains.field.provenance["segmentation"]
    assert grains.number_of_grains == 2
    assert record["removed_grains"] == 2
    assert record["removed_share"] == pytest.approx(3 / (6 * 7 * 8 - 1))
    assert grains.grain_ids[1, 2, 1] == grains.grain_ids[0, 0, 0]
    assert grains.grain_ids[4, 5, 6] == grains.grain_ids[0, 0, 7]
    assert grains.grain_ids[3, 3, 2] == 0
    assert grains.field.phase_ids[3, 3, 2] == 0
    again = segment(grains.field, min_points=3)
    np.testing.assert_array_equal(again.grain_ids, grains.grain_ids)
    filled = segment(field, min_points=3, fill=True)
    assert filled.field.indexed.all()
    assert filled.grain_ids[3, 3, 2] == filled.grain_ids[0, 0, 0]
    assert filled.field.provenance["segmentation"]["filled_share"] == pytest.approx(1 / (6 * 7 * 8))


def test_grain_wise_and_voxel_wise_volumes():
    rng = np.random.default_rng(4)
    q = rotation.multiply(
        rotation.from_axis_angle(rng.standard_normal((3, 4, 5, 3)), np.deg2rad(rng.uniform(0, 1.0, (3, 4, 5)))),
        about_z(np.broadcast_to([0.0, 0.0, 30.0, 30.0, 30.0], (3, 4, 5))),
    )
    grains = segment(volume(q))
    np.testing.assert_allclose(grains.field.quaternions, q)
    flat = grain_wise(grains)
    assert len(np.unique(flat.quaternions.reshape(-1, 4), axis=0)) == 2
    np.testing.assert_allclose(flat.quaternions[0, 0, 0], grains.quaternions[grains.grain_ids[0, 0, 0] - 1])


def test_no_indexed_points_give_no_grains():
    field = volume(about_z(np.zeros((3, 4))), phase_ids=np.zeros((3, 4), dtype=int))
    field = field.evolve(phases=(Phase("Ni"),))
    grains = segment(field, min_points=5, fill=True)
    assert grains.number_of_grains == 0
    assert len(measure_grains(grains).size) == 0
    assert np.isnan(kernel_average_misorientation(field)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"threshold": 0.0}, "threshold: expected degrees between 0 and 180; got 0.0"),
        ({"min_points": 0}, "min_points: expected at least 1; got 0"),
        ({"min_points": 13}, "min_points: expected at most 12"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        segment(volume(about_z(np.zeros((3, 4)))), **arguments)
