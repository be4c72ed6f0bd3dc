import warnings

import numpy as np
import pytest

from polyrve.adapters import material_grid, registry
from polyrve.adapters.solvers import (
    abaqus,
    amitex,
    damask,
    damask_mesh,
    los_alamos,
    meshio_hex,
    moose,
    prisms,
    spparks,
    tesr,
)
from polyrve.adapters.volumes import vtp
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume


def test_grains_and_voxels(two_phase_grains):
    whole = material_grid.material_grid(two_phase_grains)
    np.testing.assert_array_equal(whole.ids, two_phase_grains.grain_ids)
    np.testing.assert_array_equal(whole.quaternions, two_phase_grains.quaternions)
    voxels = material_grid.material_grid(two_phase_grains, by="voxel")
    np.testing.assert_array_equal(voxels.ids.ravel(), np.arange(1, 61))
    np.testing.assert_array_equal(voxels.quaternions.reshape(3, 4, 5, 4), two_phase_grains.field.quaternions)
    np.testing.assert_array_equal(voxels.phase_ids.reshape(3, 4, 5), two_phase_grains.field.phase_ids)


def test_seams_are_where_faces_neither_go_on_nor_are_kept_apart(two_phase_grains):
    field = two_phase_grains.field
    whole = material_grid.material_grid(field, by="voxel")
    assert whole.seams == ("" if field.periodic else "xyz")
    assert material_grid.material_grid(field.evolve(periodic=True), by="voxel").seams == ""
    open_ = material_grid.material_grid(field.evolve(periodic=False), by="voxel")
    assert open_.seams == "xyz"
    assert material_grid.mirror(open_, "xz").seams == "y"
    assert material_grid.buffer(open_, 2, "y").seams == "xz"
    layer = material_grid.material_grid(field.evolve(periodic=False).section(0, 1), by="voxel")
    assert material_grid.columns(layer, 4).seams == "xy"


@pytest.mark.parametrize(
    ("name", "target", "options"),
    [
        ("damask", "job", {"phase": {"Al": "Al", "Mg (alpha)": "Mg"}}),
        ("amitex", "job", {}),
        ("los-alamos", "rve.txt", {}),
        ("abaqus", "rve.inp", {"periodic": True}),
    ],
)
def test_periodic_solvers_warn_of_seams(two_phase_grains, tmp_path, name, target, options):
    ids, q, phases = (getattr(two_phase_grains, key) for key in ("grain_ids", "quaternions", "phase_ids"))
    for periodic in (False, True):
        rve = GrainVolume(two_phase_grains.field.evolve(periodic=periodic), ids, q, phases)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            registry.write(rve, tmp_path / target, format=name, force=True, **options)
        told = [str(warning.message) for warning in caught]
        assert len(told) == (0 if periodic else 1)
        assert all("do not fit along x, y, z" in text for text in told)


def test_solvers_without_periodicity_do_not_warn(two_phase_grains, tmp_path):
    field = two_phase_grains.field.evolve(periodic=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*grains have one or two voxels")
        registry.write(field, tmp_path / "rve.inp", fill=True)
        registry.write(field, tmp_path / "job", format="prisms")


def test_members(two_phase_grains):
    whole = material_grid.material_grid(two_phase_grains)
    members = list(whole.members())
    assert len(members) == len(whole.quaternions)
    for i, voxels in enumerate(members, start=1):
        np.testing.assert_array_equal(voxels, np.flatnonzero(whole.ids.ravel() == i))


def test_feature_ids_that_skip_are_numbered_anew(two_phase_grains):
    ids = two_phase_grains.grain_ids * 10 + 7
    field = two_phase_grains.field.evolve(properties={"FeatureIds": ids})
    whole = material_grid.material_grid(field)
    np.testing.assert_array_equal(whole.ids, two_phase_grains.grain_ids)
    np.testing.assert_array_equal(whole.phase_ids, two_phase_grains.phase_ids)
    for i, phase in enumerate(two_phase_grains.phase_ids, start=1):
        symmetry = field.phases[phase - 1].symmetry
        here = two_phase_grains.grain_ids == i
        angle = rotation.disorientation_angle(whole.quaternions[i - 1], field.quaternions[here], symmetry)
        assert np.rad2deg(angle).max() < 3


def test_feature_ids_of_mixed_phases_are_refused(two_phase_grains):
    field = two_phase_grains.field.evolve(properties={"FeatureIds": np.ones((3, 4, 5), dtype=int)})
    with pytest.raises(ValueError, match="one phase per grain"):
        material_grid.material_grid(field)


def test_grain_ids_that_skip_cannot_be_made(two_phase_grains):
    with pytest.raises(ValueError, match="grain_ids"):
        GrainVolume(
            two_phase_grains.field,
            two_phase_grains.grain_ids + 1,
            two_phase_grains.quaternions,
            two_phase_grains.phase_ids,
        )


def test_field_without_grains_is_segmented():
    q = np.zeros((3, 4, 6, 4))
    q[..., :3, :] = (1, 0, 0, 0)
    q[..., 3:, :] = rotation.from_axis_angle(np.array([0, 0, 1.0]), 0.5)
    field = OrientationVolume(q, np.ones((3, 4, 6)), (Phase("Al"),), (1.0, 1.0, 1.0))
    whole = material_grid.material_grid(field)
    assert len(whole.quaternions) == 2
    assert (whole.ids[..., :3] == 1).all()
    assert (whole.ids[..., 3:] == 2).all()


@pytest.fixture
def with_holes(two_phase_grains):
    ids = np.array(two_phase_grains.grain_ids)
    field = two_phase_grains.field
    phase_ids = np.array(field.phase_ids)
    counts = np.bincount(ids.ravel())
    hole = np.argwhere(counts[ids] > 2)[0]
    ids[tuple(hole)] = phase_ids[tuple(hole)] = 0
    field = field.evolve(phase_ids=phase_ids)
    return GrainVolume(field, ids, two_phase_grains.quaternions, two_phase_grains.phase_ids), tuple(hole)


@pytest.mark.parametrize("by", ["grain", "voxel"])
def test_voxels_without_grain_are_refused_or_filled(with_holes, by):
    grains, hole = with_holes
    with pytest.raises(ValueError, match=r"1 of 60 are not indexed.*fill"):
        material_grid.material_grid(grains, by=by)
    whole = material_grid.material_grid(grains, by=by, fill=True)
    assert whole.ids.min() == 1
    assert len(np.unique(whole.ids)) == len(whole.quaternions) == (8 if by == "grain" else 59)
    z, y, x = hole
    nearest = {whole.ids[z, (y + d) % 4, x] for d in (-1, 1)}
    assert whole.ids[hole] in nearest, "the nearest voxels are those along the shortest edge"


def test_nothing_indexed_cannot_be_filled():
    field = OrientationVolume(np.zeros((2, 2, 2, 4)), np.zeros((2, 2, 2)), (Phase("Al"),), (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="none is indexed"):
        material_grid.material_grid(field, by="voxel", fill=True)


def test_mirror_is_symmetric_and_seamless(two_phase_grains):
    whole = material_grid.mirror(material_grid.material_grid(two_phase_grains), "xz")
    assert whole.shape == (6, 4, 10)
    np.testing.assert_array_equal(whole.ids, whole.ids[::-1, :, ::-1])
    np.testing.assert_array_equal(whole.ids[0], whole.ids[-1])
    assert whole.spacing == two_phase_grains.field.spacing


def test_columns(two_phase_grains):
    layer = two_phase_grains.field.section(0, 0)
    whole = material_grid.columns(material_grid.material_grid(layer, by="voxel"), 4)
    assert whole.shape == (4, 4, 5)
    assert (whole.ids == whole.ids[0]).all()
    assert whole.spacing == (0.35, 0.35, 1.1)


def test_buffer(two_phase_grains):
    whole = material_grid.buffer(material_grid.material_grid(two_phase_grains), 2, "zx", Phase("buffer", "m-3m"))
    assert whole.shape == (5, 4, 7)
    np.testing.assert_array_equal(whole.ids[:3, :, :5], two_phase_grains.grain_ids)
    layer = np.ones(whole.shape, dtype=bool)
    layer[:3, :, :5] = False
    assert (whole.ids[layer] > 8).all()
    assert (whole.phase_ids[whole.ids[layer] - 1] == 3).all()
    assert sorted(np.unique(whole.ids)) == list(range(1, len(whole.quaternions) + 1))


def test_other_resolution_keeps_size_and_shape_of_grains(two_phase_grains):
    whole = material_grid.material_grid(two_phase_grains)
    finer = material_grid.resample(whole, (6, 12, 10))
    np.testing.assert_array_equal(finer.ids, whole.ids.repeat(2, 0).repeat(3, 1).repeat(2, 2))
    assert finer.size == pytest.approx(whole.size)
    np.testing.assert_array_equal(material_grid.resample(finer, (3, 4, 5)).ids, whole.ids)
    coarser = material_grid.resample(whole, (1, 2, 2))
    assert sorted(np.unique(coarser.ids)) == list(range(1, len(coarser.quaternions) + 1))


@pytest.mark.parametrize(("function", "arguments", "words"), [
    (material_grid.mirror, ("xx",), "mirror"), (material_grid.mirror, ("a",), "xyz"),
    (material_grid.columns, (0,), "columns"), (material_grid.buffer, (0, "x"), "buffer"),
    (material_grid.buffer, (2, ""), "axes"), (material_grid.resample, ((0, 1, 1),), "resolution"),
])  # fmt: skip
def test_bad_options(two_phase_grains, function, arguments, words):
    with pytest.raises(ValueError, match=words):
        function(material_grid.material_grid(two_phase_grains), *arguments)


def test_spacing_in_metres_is_refused(two_phase_grains):
    field = two_phase_grains.field.evolve(spacing=(7e-7, 3.5e-7, 1.1e-6))
    with pytest.raises(ValueError, match="metres"):
        material_grid.material_grid(field, by="voxel")


def test_bad_by(two_phase_grains):
    with pytest.raises(ValueError, match="'grain' or 'voxel'"):
        material_grid.material_grid(two_phase_grains, by="point")


@pytest.fixture
def speckled():
    """Two halves of (3, 4, 6) voxels along x, a grain of one voxel in the left and one of two in the right."""
    ids = np.ones((3, 4, 6), dtype=int)
    ids[:, :, 3:] = 2
    ids[1, 2, 1], ids[1, 1, 4], ids[1, 2, 4] = 3, 4, 4
    q = rotation.random_orientations(4, np.random.default_rng(0))
    field = OrientationVolume(q[ids - 1], np.ones(ids.shape, dtype=int), (Phase("Al"),), (1.0, 1.0, 1.0))
    return GrainVolume(field, ids, q, [1, 1, 1, 1])


@pytest.mark.parametrize(("smallest", "left"), [(1, 4), (2, 3), (3, 2), (36, 2)])
def test_small_grains_are_dissolved_where_asked_for(speckled, smallest, left):
    if smallest == 36:
        with pytest.raises(ValueError, match=r"min_grain: expected at most 35.*got 36"):
            material_grid.material_grid(speckled, min_grain=smallest)
        return
    whole = material_grid.material_grid(speckled, min_grain=smallest)
    assert len(whole.quaternions) == left == whole.ids.max()
    expected = np.where(np.arange(6) < 3, 1, 2) * np.ones((3, 4, 6), dtype=int)
    if left == 2:
        np.testing.assert_array_equal(whole.ids, expected)
    np.testing.assert_array_equal(whole.quaternions[:2], speckled.quaternions[:2])


def test_min_grain_does_not_go_with_voxels(speckled):
    with pytest.raises(ValueError, match="min_grain"):
        material_grid.material_grid(speckled, by="voxel", min_grain=2)
    with pytest.raises(ValueError, match="min_grain"):
        material_grid.material_grid(speckled, min_grain=0)


def test_many_grains_of_one_voxel_are_said(speckled):
    ids = np.arange(72).reshape(3, 4, 6) + 1
    q = rotation.random_orientations(72, np.random.default_rng(0))
    many = GrainVolume(speckled.field, ids, q, np.ones(72, dtype=int))
    with pytest.warns(UserWarning, match=r"72 of 72 grains have one or two voxels.*min_grain"):
        material_grid.material_grid(many)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        material_grid.material_grid(speckled)


@pytest.mark.parametrize(
    "module", [abaqus, amitex, damask, damask_mesh, los_alamos, meshio_hex, moose, prisms, spparks, tesr, vtp]
)
def test_every_writer_of_grains_takes_min_grain(tmp_path, speckled, module):
    with pytest.raises(ValueError, match="min_grain: expected at most 35"):
        module.write(speckled, tmp_path / "a.vtu", min_grain=36)
