import numpy as np
import pytest

from polyrve import segment
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_measures import cell_faces, cell_volumes, section_areas, slabs
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.grain_growth import round_faces_by_place
from polyrve.microstructure.laguerre import voxel_centres
from polyrve.microstructure.orientation_scatter import OrientationScatter
from polyrve.microstructure.scatter_field import ScatterField
from polyrve.microstructure.sized_cells import CellSizes, sized_tessellation

SHAPE = (20, 22, 24)
SPACING = (0.5, 1.0, 1.5)


@pytest.fixture(scope="module")
def tessellation():
    extent = np.array(SHAPE) * SPACING
    return sized_tessellation(extent, (4.0, 5.0, 6.0), CellSizes(0.3), np.random.default_rng(0), order="relaxed")


@pytest.fixture(scope="module")
def volume(tessellation):
    labels = np.unique(tessellation.labels(SHAPE, SPACING), return_inverse=True)[1].reshape(SHAPE).astype(np.uint32)
    number = int(labels.max()) + 1
    q = rotation.random_orientations(number, np.random.default_rng(1))
    q[1] = rotation.multiply(q[0], rotation.from_rotation_vector([0.0, 0.02, 0.0]))
    phase_ids = np.arange(number) % 2 + 1
    phase_ids[:2] = 1
    scatter = ScatterField(OrientationScatter(0.0, np.array([1e-4, 2e-4]), np.array([0.9, 3.0])), SHAPE, SPACING, 3)
    return CellVolume(labels, q, phase_ids, (Phase("Al"), Phase("Mg", "6/mmm")), SPACING, scatter)


def test_compiled_bricks_find_the_cells_of_trees(tessellation):
    found, slow = tessellation.labels(SHAPE, SPACING), tessellation.cells(voxel_centres(SHAPE, SPACING))
    np.testing.assert_array_equal(found, slow)


def test_slabs_of_any_thickness_have_the_same_bits(volume):
    whole = volume.planes(0, SHAPE[0]).quaternions
    parts = np.concatenate([volume.planes(a, b).quaternions for a, b in slabs(SHAPE, 3 * 22 * 24)])
    np.testing.assert_array_equal(parts, whole)
    for axis in range(3):
        section = volume.section(axis, 7)
        assert section.spacing == tuple(SPACING[i] for i in in_plane(axis))
        np.testing.assert_allclose(section.quaternions, np.take(whole, 7, axis), atol=1e-7)


def test_the_scatter_grows_with_distance_as_asked_for():
    scatter = OrientationScatter(0.0, np.array([1e-4, 2e-4, 3e-4]), np.array([0.75, 1.5, 5.0]))
    field = ScatterField(scatter, (60, 64, 66), (1.0, 1.0, 1.0), 0).planes(0, 60)
    for axis in range(3):
        for lag in (1, 2, 4, 8):
            apart = ((field - np.roll(field, lag, axis)) ** 2).sum(-1).mean()
            expected = sum(
                p * (1 - np.exp(-(lag**2) / (2 * s**2))) for p, s in zip(scatter.parts, scatter.scales, strict=True)
            )
            # 60^3 voxels hold some 200 independent volumes of the longest part.
            assert abs(apart / expected - 1.0) < 0.08
    assert not np.array_equal(field, ScatterField(scatter, (60, 64, 66), (1.0, 1.0, 1.0), 1).planes(0, 60))


def test_cells_measured_by_slabs_are_those_of_the_whole(volume, monkeypatch):
    number = len(volume.quaternions)
    whole = cell_faces(volume.labels, number), cell_volumes(volume.labels, number)
    pairs = [
        np.sort(np.stack([volume.labels.ravel(), np.roll(volume.labels, -1, axis).ravel()], 1), axis=1)
        for axis in range(3)
    ]
    pairs = np.concatenate(pairs)
    unique, count = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0, return_counts=True)
    np.testing.assert_array_equal(np.stack(whole[0][:2], 1), unique)
    np.testing.assert_array_equal(whole[0][2], count)
    np.testing.assert_array_equal(whole[1], np.bincount(volume.labels.ravel()))
    monkeypatch.setattr("polyrve.microstructure.cell_measures._SLAB", 22 * 24)
    monkeypatch.setattr(slabs, "__defaults__", (22 * 24 * 3,))
    for one, other in zip(
        (*whole[0], whole[1]), (*cell_faces(volume.labels, number), cell_volumes(volume.labels, number)), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    (cells, area), *_ = section_areas(volume.labels, number, (1,))
    np.testing.assert_array_equal(np.bincount(cells, area), whole[1])


def test_a_volume_that_does_not_repeat_has_no_faces_across_its_edges(volume):
    number = len(volume.quaternions)
    *_, contact = cell_faces(volume.labels, number, periodic=False, areas=(1.0, 10.0, 100.0))
    differ = [np.diff(volume.labels.astype(int), axis=axis) != 0 for axis in range(3)]
    assert contact.sum() == sum(found.sum() * area for found, area in zip(differ, (1.0, 10.0, 100.0), strict=True))


def test_cells_that_meet_within_the_threshold_are_one_grain():
    labels = np.repeat(np.arange(3, dtype=np.uint32), 6 * 9 * 5).reshape(18, 9, 5)
    q = rotation.from_rotation_vector(np.deg2rad([[0.0, 0.0, 0.0], [0.0, 0.0, 4.0], [0.0, 0.0, 20.0]]))
    volume = CellVolume(labels, q, np.ones(3, int), (Phase("Al"),), (1.0, 1.0, 1.0))
    assert volume.number_of_grains == segment(volume.planes(0, 18)).number_of_grains == 2
    angle = 2.0 * np.arccos(abs(np.sum(volume.grain_quaternions[0] * q[0])))
    np.testing.assert_allclose(np.rad2deg(angle), 2.0, atol=1e-6)


def test_mean_orientations_are_those_of_the_voxels(volume):
    grains = volume.whole()
    inside = grains.grain_ids > 0
    for number in (1, 5, 9):
        mine = (grains.grain_ids == number) & inside
        phase = volume.phases[grains.phase_ids[number - 1] - 1]
        angle = rotation.disorientation_angle(
            grains.field.quaternions[mine], grains.quaternions[number - 1], phase.symmetry
        )
        nearest = rotation.nearest_equivalent(
            grains.field.quaternions[mine], grains.quaternions[number - 1], phase.symmetry
        )
        mean = nearest.sum(axis=0) / np.linalg.norm(nearest.sum(axis=0))
        off = rotation.disorientation_angle(mean, grains.quaternions[number - 1], phase.symmetry)
        assert off < 0.02 * angle.mean()


@pytest.mark.parametrize("shape", [(16, 18, 20), (15, 17, 19)])
def test_faces_curve_the_same_whatever_the_threads(shape, monkeypatch):
    labels = np.random.default_rng(0).integers(6, size=tuple(-(-n // 4) for n in shape)).astype(np.uint32)
    blocks = np.kron(labels, np.ones((4, 4, 4), dtype=np.uint32))[: shape[0], : shape[1], : shape[2]]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("polyrve.microstructure.grain_growth.processors.count", lambda n=threads: n)
        rounded = np.ascontiguousarray(blocks).copy()
        round_faces_by_place(rounded, 3, seed=2)
        found.append(rounded)
    np.testing.assert_array_equal(*found)
    assert 0.0 < (found[0] != blocks).mean() < 0.3
    steps = [step for step in np.ndindex(3, 3, 3) if step != (1, 1, 1)]
    unlike = [
        sum((one != np.roll(one, np.subtract(step, 1), (0, 1, 2))).sum() for step in steps)
        for one in (blocks, found[0])
    ]
    assert unlike[1] < unlike[0]
