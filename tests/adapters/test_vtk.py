"""The writers for ParaView, read back by vtk: vti, vtkhdf, vtp."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.volumes import dream3d, vti, vtkhdf, vtp
from polyrve.crystallography import rotation
from polyrve.microstructure import grain_properties, grains

vtk = pytest.importorskip("vtk")
from vtk.util.numpy_support import vtk_to_numpy  # noqa: E402


def read(path):
    reader = {".vti": vtk.vtkXMLImageDataReader, ".vtkhdf": vtk.vtkHDFReader, ".vtp": vtk.vtkXMLPolyDataReader}[
        path.suffix
    ]()
    reader.SetFileName(str(path))
    reader.Update()
    output = reader.GetOutput()
    data = output.GetCellData()
    arrays = {data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)) for i in range(data.GetNumberOfArrays())}
    return output, arrays


IMAGES = [(vti, "a.vti", False), (vti, "a.vti", True), (vtkhdf, "a.vtkhdf", False), (vtkhdf, "a.vtkhdf", True)]


@pytest.mark.parametrize(("module", "name", "compress"), IMAGES)
def test_image_value_by_value(tmp_path, two_phase_grains, module, name, compress):
    module.write(two_phase_grains, tmp_path / name, compress=compress)
    image, arrays = read(tmp_path / name)
    field = two_phase_grains.field
    assert image.GetDimensions() == (6, 5, 4)
    assert image.GetSpacing() == (1.1, 0.35, 0.7)
    assert image.GetOrigin() == (3.1, -2.0, 1.0)

    def expect(key, values, **tolerance):
        np.testing.assert_allclose(arrays[key].reshape(values.shape), values, **tolerance)

    expect("FeatureIds", two_phase_grains.grain_ids)
    mean = two_phase_grains.quaternions[two_phase_grains.grain_ids - 1]
    expect("AvgQuats", mean, atol=1e-7)
    expect("Boundary", grain_properties.boundary_points(two_phase_grains))
    expect("Phases", field.phase_ids)
    expect("IPFColors", ipf_colors(field.quaternions, field.phase_ids, field.phases))
    expect("Quats", field.quaternions, atol=1e-7)
    expect("EulerAngles", np.rad2deg(rotation.to_euler(field.quaternions)), rtol=1e-6)
    expect("KAM", np.nan_to_num(grain_properties.kernel_average_misorientation(field)), atol=1e-5)
    spread = grain_properties.measure_grains(two_phase_grains).orientation_spread
    expect("GOS", spread[two_phase_grains.grain_ids - 1], rtol=1e-6)
    expect("CI", field.properties["CI"])
    expect("strain", field.properties["strain"])
    assert arrays["strain"].shape == (60, 6)


@pytest.mark.parametrize(("module", "name"), [(vti, "a.vti"), (vtkhdf, "a.vtkhdf")])
def test_voxels_at_a_boundary_and_the_mean_of_their_grain(tmp_path, halves, module, name):
    module.write(halves, tmp_path / name)
    _, arrays = read(tmp_path / name)
    np.testing.assert_array_equal(arrays["Boundary"].reshape(3, 4, 6), np.broadcast_to([0, 0, 1, 1, 0, 0], (3, 4, 6)))
    mean = rotation.from_axis_angle([0.0, 0.0, 1.0], np.repeat([0.01, 0.51], 3))
    np.testing.assert_allclose(arrays["AvgQuats"].reshape(3, 4, 6, 4), np.broadcast_to(mean, (3, 4, 6, 4)), atol=1e-6)


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_kam_by_layers_is_that_of_the_whole(monkeypatch, two_phase_grains, periodic, layers):
    field = two_phase_grains.field.evolve(periodic=periodic)
    monkeypatch.setattr(vti, "_LAYERS", layers)
    arrays = dict(vti.cell_arrays(field))
    expected = np.nan_to_num(grain_properties.kernel_average_misorientation(field))
    np.testing.assert_allclose(arrays["KAM"], expected, atol=1e-5)


@pytest.mark.parametrize(("module", "name", "compress"), IMAGES)
def test_image_of_a_map(tmp_path, two_phase_grains, module, name, compress):
    layer = two_phase_grains.field.section(0, 1)
    module.write(layer, tmp_path / name, compress=compress)
    image, arrays = read(tmp_path / name)
    assert image.GetDimensions() == (6, 5, 2)
    np.testing.assert_array_equal(arrays["Phases"].reshape(4, 5), layer.phase_ids)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 1 << 20])
@pytest.mark.parametrize("compress", [False, True])
def test_base64_of_every_length(tmp_path, size, compress):
    values = np.random.default_rng(0).integers(0, 255, (1, 1, size)).astype(np.uint8)
    vti.write_image(tmp_path / "a.vti", (1, 1, size), (1.0,) * 3, (0.0,) * 3, [("a", values)], compress=compress)
    np.testing.assert_array_equal(read(tmp_path / "a.vti")[1]["a"], values.ravel())


def test_more_than_one_block(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (2, 700, 700)).astype(np.int64)
    for compress in (True, False):
        vti.write_image(tmp_path / "a.vti", values.shape, (1.0,) * 3, (0.0,) * 3, [("a", values)], compress=compress)
        np.testing.assert_array_equal(read(tmp_path / "a.vti")[1]["a"], values.ravel())


def voxel_faces(ids):
    return {
        axis: np.argwhere(
            np.take(ids, range(ids.shape[axis] - 1), axis) != np.take(ids, range(1, ids.shape[axis]), axis)
        )
        for axis in range(3)
    }


def test_boundary_along_the_voxel_faces(tmp_path, two_phase_grains):
    vtp.write(two_phase_grains, tmp_path / "a.vtp", smooth=0)
    surface, arrays = read(tmp_path / "a.vtp")
    faces = voxel_faces(two_phase_grains.grain_ids)
    spacing = np.array(two_phase_grains.field.spacing)
    areas = [len(at) * np.prod(np.delete(spacing, axis)) for axis, at in faces.items()]
    assert surface.GetNumberOfCells() == 2 * sum(map(len, faces.values()))
    properties = vtk.vtkMassProperties()
    properties.SetInputData(surface)
    properties.Update()
    assert properties.GetSurfaceArea() == pytest.approx(sum(areas), rel=1e-5)
    pairs = {tuple(sorted(pair)) for pair in arrays["GrainIds"].tolist()}
    expected, _ = grain_properties.neighbours(_open(two_phase_grains))
    assert pairs == {tuple(pair) for pair in expected.tolist()}


def _open(data):
    return grains.GrainVolume(data.field.evolve(periodic=False), data.grain_ids, data.quaternions, data.phase_ids)


def test_boundary_data(tmp_path, two_phase_grains):
    vtp.write(two_phase_grains, tmp_path / "a.vtp")
    _, arrays = read(tmp_path / "a.vtp")
    phases, q = two_phase_grains.phase_ids, two_phase_grains.quaternions
    for (a, b), both, angle in zip(arrays["GrainIds"], arrays["Phases"], arrays["Disorientation"], strict=True):
        assert both.tolist() == [phases[a - 1], phases[b - 1]]
        expected = 180.0
        if both[0] == both[1]:
            symmetry = two_phase_grains.field.phases[both[0] - 1].symmetry
            expected = np.rad2deg(rotation.disorientation_angle(q[a - 1], q[b - 1], symmetry))
        assert angle == pytest.approx(expected, rel=1e-6)


def test_one_grain_has_no_boundary(tmp_path, two_phase_grains):
    field = two_phase_grains.field
    one = grains.GrainVolume(
        field.evolve(phase_ids=np.ones(field.shape, dtype=int)), np.ones(field.shape, dtype=int), [[1.0, 0, 0, 0]], [1]
    )
    vtp.write(one, tmp_path / "a.vtp")
    surface, arrays = read(tmp_path / "a.vtp")
    assert surface.GetNumberOfCells() == len(arrays["Disorientation"]) == 0


def test_boundary_of_one_layer_is_refused(tmp_path, two_phase_grains):
    with pytest.raises(ValueError, match="two or more"):
        vtp.write(two_phase_grains.field.section(0, 0), tmp_path / "a.vtp")


@pytest.mark.parametrize(("module", "name"), [(vti, "a.vti"), (vtkhdf, "a.vtkhdf"), (vtp, "a.vtp")])
def test_existing_file_is_kept_without_force(tmp_path, two_phase_grains, module, name):
    (tmp_path / name).write_text("old")
    with pytest.raises(FileExistsError):
        module.write(two_phase_grains, tmp_path / name)
    assert (tmp_path / name).read_text() == "old"
    module.write(two_phase_grains, tmp_path / name, force=True)


@pytest.mark.parametrize(
    ("module", "name", "shown"),
    [(vti, "a.vti", "IPFColors"), (vtkhdf, "a.vtkhdf", "IPFColors"), (vtp, "a.vtp", "Disorientation")],
)
def test_viewers_have_an_array_to_colour_by(tmp_path, two_phase_grains, module, name, shown):
    module.write(two_phase_grains, tmp_path / name)
    output, _ = read(tmp_path / name)
    assert output.GetCellData().GetScalars().GetName() == shown


@pytest.mark.parametrize("name", ["rve", "a & b <c>'\"", "größe"])
def test_xdmf_shows_every_array_by_scalars_and_vectors_at_a_time(tmp_path, two_phase_grains, name):
    xdmf = pytest.importorskip("vtkmodules.vtkIOXdmf2")
    path = tmp_path / f"{name}.dream3d"
    field = two_phase_grains.field.evolve(
        properties={**two_phase_grains.field.properties, "q & <r>": np.ones((3, 4, 5))}
    )
    grained = grains.GrainVolume(
        field, two_phase_grains.grain_ids, two_phase_grains.quaternions, two_phase_grains.phase_ids
    )
    dream3d.write(grained, path)
    ElementTree.parse(path.with_suffix(".xdmf"))
    reader = xdmf.vtkXdmfReader()
    reader.SetFileName(str(path.with_suffix(".xdmf")))
    reader.UpdateInformation()
    steps = vtk.vtkStreamingDemandDrivenPipeline.TIME_STEPS()
    assert reader.GetOutputInformation(0).Get(steps) == (0.0,)
    reader.Update()
    data = reader.GetOutputDataObject(0).GetCellData()
    assert data.GetScalars().GetName() == "FeatureIds"
    values = {data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)) for i in range(data.GetNumberOfArrays())}
    for i, letter in enumerate("xyzw"):
        expected = np.roll(field.quaternions, -1, axis=-1)[..., i]
        np.testing.assert_allclose(values[f"Quats_{letter}"].reshape(3, 4, 5), expected, atol=1e-7)
    np.testing.assert_array_equal(values["strain_5"].reshape(3, 4, 5), field.properties["strain"][..., 5])
    np.testing.assert_array_equal(values["q & <r>"], 1.0)
