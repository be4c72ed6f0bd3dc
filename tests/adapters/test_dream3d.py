import json
import os
import warnings
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import dream3d
from polyrve.adapters.volumes.dream3d_pipeline import turning_filters
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.grains import GrainMap, GrainVolume, grain_wise

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
SAMPLES = [
    "small_in100_slice_v7.dream3d", "small_in100_slice_v8.dream3d",
    "two_phase_synthetic_v7.dream3d", "two_phase_synthetic_v8.dream3d",
]  # fmt: skip
VERSIONS = ["7.0", "8.0"]
CELLS = {"7.0": "DataContainers/DataContainer/CellData", "8.0": "DataStructure/DataContainer/CellData"}


def sample(name):
    if not (DATA / name).exists():
        pytest.skip("the sample data is not here")
    return DATA / name


def assert_same_field(a, b):
    assert type(a) is type(b)
    np.testing.assert_array_equal(a.quaternions, b.quaternions)
    np.testing.assert_array_equal(a.phase_ids, b.phase_ids)
    assert (a.phases, a.spacing, a.origin, a.periodic) == (b.phases, b.spacing, b.origin, b.periodic)
    assert a.frame == b.frame
    assert json.dumps(dict(a.provenance)) == json.dumps(dict(b.provenance))
    assert sorted(a.properties) == sorted(b.properties)
    for name, values in a.properties.items():
        np.testing.assert_array_equal(values, b.properties[name])


def test_another_frame_than_its_own_turns_a_written_volume_with_a_warning(tmp_path, two_phase_grains):
    path, own = tmp_path / "rve.dream3d", reference_frames.named("edax-2", "vendor default")
    dream3d.write(two_phase_grains.field.evolve(frame=own), path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain, same = polyrve.read(path), polyrve.read(path, frame="edax-2")
    np.testing.assert_array_equal(plain.quaternions, same.quaternions)
    assert same.frame == own
    with pytest.warns(UserWarning, match=r"brought from frame .edax-2.* frame .edax-3. is applied on top of that"):
        other = polyrve.read(path, frame="edax-3")
    expected = reference_frames.named("edax-3").apply(plain.quaternions)
    np.testing.assert_allclose(other.quaternions[plain.indexed], expected[plain.indexed], atol=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("compress", [False, True])
def test_written_grains_come_back_exactly(tmp_path, two_phase_grains, version, compress):
    path = tmp_path / "rve.dream3d"
    dream3d.write(two_phase_grains, path, version=version, compress=compress)
    back = dream3d.read_grains(path)
    assert isinstance(back, GrainVolume)
    np.testing.assert_array_equal(back.grain_ids, two_phase_grains.grain_ids)
    np.testing.assert_array_equal(back.quaternions, two_phase_grains.quaternions)
    np.testing.assert_array_equal(back.phase_ids, two_phase_grains.phase_ids)
    assert_same_field(back.field, two_phase_grains.field)
    field = polyrve.read(path)
    np.testing.assert_array_equal(field.properties["FeatureIds"], two_phase_grains.grain_ids)


@pytest.mark.parametrize("version", VERSIONS)
def test_volume_without_a_grain(tmp_path, two_phase_grains, version):
    field = two_phase_grains.field.evolve(phase_ids=np.zeros(two_phase_grains.field.shape, dtype=np.int32))
    empty = GrainVolume(field, np.zeros(field.shape, dtype=np.int32), np.zeros((0, 4)), np.zeros(0, dtype=np.int32))
    dream3d.write(empty, tmp_path / "a.dream3d", version=version)
    np.testing.assert_array_equal(dream3d.read(tmp_path / "a.dream3d").phase_ids, 0)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_double_precision_the_rounding_is_that_of_float32(tmp_path, two_phase_grains, version):
    path = tmp_path / "rve.dream3d"
    dream3d.write(two_phase_grains, path, version=version, exact=False)
    with h5py.File(path) as file:
        assert "polyrve" not in file
    error = rotation.to_matrix(polyrve.read(path).quaternions) - rotation.to_matrix(two_phase_grains.field.quaternions)
    assert 0 < np.abs(error).max() < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_changed_quaternions_are_not_overruled_by_the_double_ones(tmp_path, two_phase_grains, version):
    path = tmp_path / "rve.dream3d"
    dream3d.write(two_phase_grains, path, version=version)
    with h5py.File(path, "r+") as file:
        cells = file[CELLS[version]]
        cells["Quats"][0, 0, 0] = (0.0, 0.0, 0.0, 1.0)
        cells["EulerAngles"][0, 0, 0] = 0.0
    np.testing.assert_allclose(polyrve.read(path).quaternions[0, 0, 0], (1, 0, 0, 0), atol=1e-12)


@pytest.mark.parametrize("version", VERSIONS)
def test_map_and_layer(tmp_path, two_phase_grains, version):
    layer = two_phase_grains.field.section(0, 1)
    path = tmp_path / "map.dream3d"
    dream3d.write(layer, path, version=version)
    back = dream3d.read(path)
    assert isinstance(back, OrientationMap)
    assert_same_field(back, layer)
    volume = dream3d.read(path, volume=True)
    assert isinstance(volume, OrientationVolume)
    assert volume.shape == (1, 4, 5)
    ids = np.unique(two_phase_grains.grain_ids[1], return_inverse=True)
    kept = ids[0] - 1
    grains = GrainMap(
        layer,
        ids[1].reshape(4, 5) + 1,
        two_phase_grains.quaternions[kept],
        two_phase_grains.phase_ids[kept],
    )
    dream3d.write(grains, path, version=version, force=True)
    again = dream3d.read_grains(path)
    assert isinstance(again, GrainMap)
    np.testing.assert_array_equal(again.grain_ids, grains.grain_ids)


@pytest.mark.parametrize("version", VERSIONS)
def test_unindexed_points_are_masked(tmp_path, version):
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    ids = np.ones((3, 4, 5), dtype=int)
    ids[0, 1, 2] = ids[2, 3, 4] = 0
    field = OrientationVolume(q, ids, (Phase("Al"),), (1.0, 1.0, 1.0))
    dream3d.write(field, tmp_path / "a.dream3d", version=version)
    with h5py.File(tmp_path / "a.dream3d") as file:
        cells = file[CELLS[version]]
        np.testing.assert_array_equal(cells["Mask"][..., 0].astype(bool), ids > 0)
        np.testing.assert_array_equal(cells["IPFColors"][0, 1, 2], 0)
    np.testing.assert_array_equal(dream3d.read(tmp_path / "a.dream3d").phase_ids, ids)


def test_mask_is_applied_unless_told_otherwise(tmp_path, two_phase_grains):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains.field, path)
    with h5py.File(path, "r+") as file:
        file[CELLS["8.0"]]["Mask"][1, 2, 3] = 0
    assert dream3d.read(path).phase_ids[1, 2, 3] == 0
    assert dream3d.read(path, mask=False).phase_ids[1, 2, 3] > 0
    with pytest.raises(FormatError, match="'Nothing'"):
        dream3d.read(path, mask="Nothing")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_laue_group(tmp_path, version):
    phases = tuple(Phase(f"phase {i}", laue, (1 + i, 2, 3, 90, 90, 90)) for i, laue in enumerate(LAUE_GROUPS))
    ids = (np.arange(60) % 11 + 1).reshape(3, 4, 5)
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(0))
    dream3d.write(OrientationVolume(q, ids, phases, (1.0, 2.0, 3.0)), tmp_path / "a.dream3d", version=version)
    assert dream3d.read(tmp_path / "a.dream3d").phases == phases


def test_layout_of_version_8(tmp_path, two_phase_grains):
    dream3d.write(two_phase_grains, tmp_path / "rve.dream3d", shapes=True)
    with h5py.File(tmp_path / "rve.dream3d") as file:
        assert file.attrs["FileVersion"] == b"8.0"
        ids, kinds = [], {}

        def visit(name, item):
            kind = item.attrs["ObjectType"]
            assert isinstance(kind, np.bytes_), f"{name}: string attributes must be of fixed length"
            assert item.attrs["Importable"] == 1
            ids.append(int(item.attrs["ObjectId"][0]))
            kinds[name] = kind.decode()
            if isinstance(item, h5py.Dataset) and kinds[name] != "StringArray":
                tuples, components = tuple(item.attrs["TupleDimensions"]), tuple(item.attrs["ComponentDimensions"])
                assert item.shape == (*tuples, *components)
                assert item.chunks is None

        file["DataStructure"].visititems(visit)
        assert len(set(ids)) == len(ids)
        assert file["DataStructure"].attrs["NextObjectId"][0] == max(ids) + 1
        geometry = file["DataStructure/DataContainer"]
        np.testing.assert_array_equal(geometry.attrs["_DIMENSIONS"], (5, 4, 3))
        np.testing.assert_array_equal(geometry.attrs["_SPACING"], np.float32((1.1, 0.35, 0.7)))
        np.testing.assert_array_equal(geometry.attrs["_ORIGIN"], np.float32((3.1, -2.0, 1.0)))
        assert geometry.attrs["Units"] == 6
        assert geometry.attrs["Cell Data ID"] == geometry["CellData"].attrs["ObjectId"]
        np.testing.assert_array_equal(geometry["CellData"].attrs["TupleDims"], (3, 4, 5))
        expected = {
            "EulerAngles": "DataArray<float32>", "Quats": "DataArray<float32>", "Phases": "DataArray<int32>",
            "FeatureIds": "DataArray<int32>", "Mask": "DataArray<bool>", "IPFColors": "DataArray<uint8>",
            "AvgQuats": "DataArray<float32>", "Boundary": "DataArray<bool>",
        }  # fmt: skip
        for name, kind in expected.items():
            assert kinds[f"DataContainer/CellData/{name}"] == kind
        pipeline = file["Pipeline/Pipeline"]
        assert (pipeline.shape, pipeline.dtype.kind) == ((), "S")
        assert json.loads(pipeline[()])["pipeline"] == []
        names = geometry["CellEnsembleData/PhaseName"]
        assert h5py.check_string_dtype(names.dtype).length is None
        assert [name.decode() for name in names] == ["Invalid Phase", "Al", "Mg (alpha)"]
        assert geometry["CellEnsembleData/CrystalStructures"][:, 0].tolist() == [999, 1, 0]


def test_layout_of_version_7(tmp_path, two_phase_grains):
    dream3d.write(two_phase_grains, tmp_path / "rve.dream3d", version=7)
    with h5py.File(tmp_path / "rve.dream3d") as file:
        assert file.attrs["FileVersion"] == b"7.0"
        container = file["DataContainers/DataContainer"]
        image = container["_SIMPL_GEOMETRY"]
        assert image["DIMENSIONS"][()].tolist() == [5, 4, 3]
        assert image["DIMENSIONS"].dtype == np.int64
        np.testing.assert_array_equal(image["SPACING"][()], np.float32((1.1, 0.35, 0.7)))
        assert [container[name].attrs["AttributeMatrixType"][0] for name in (
            "CellData", "CellEnsembleData", "CellFeatureData")] == [3, 11, 7]  # fmt: skip
        for matrix in (container["CellData"], container["CellFeatureData"], container["CellEnsembleData"]):
            for item in matrix.values():
                assert {"ObjectType", "TupleDimensions", "ComponentDimensions", "DataArrayVersion"} <= set(item.attrs)
                shape = tuple(item.attrs["TupleDimensions"][::-1])
                assert item.shape[: len(shape)] == shape
        kinds = {name: item.attrs["ObjectType"].decode() for name, item in container["CellData"].items()}
        assert kinds["Quats"] == "DataArray<float>"
        assert kinds["CI"] == "DataArray<double>"
        assert kinds["FeatureIds"] == "DataArray<int32_t>"
        assert kinds["Mask"] == "DataArray<bool>"


@pytest.mark.parametrize("version", VERSIONS)
def test_cells_hold_the_mean_of_their_grain_and_whether_they_lie_at_a_boundary(tmp_path, halves, version):
    path = tmp_path / "rve.dream3d"
    dream3d.write(halves, path, version=version)
    boundary = np.broadcast_to([False, False, True, True, False, False], (3, 4, 6))
    mean = rotation.from_axis_angle([0.0, 0.0, 1.0], np.repeat([0.01, 0.51], 3))
    with h5py.File(path) as file:
        cells = file[CELLS[version]]
        np.testing.assert_array_equal(cells["Boundary"][..., 0], boundary)
        xyzw = np.broadcast_to(np.roll(mean, -1, axis=1), (3, 4, 6, 4))
        np.testing.assert_allclose(cells["AvgQuats"][()], xyzw, atol=1e-6)
        of_grain = np.roll(cells["AvgQuats"][()], 1, axis=-1)
    np.testing.assert_allclose(of_grain, grain_wise(halves).quaternions, atol=1e-6)
    assert not {"AvgQuats", "Boundary"} & set(dream3d.read_grains(path).field.properties)
    field = halves.field.evolve(properties={"Boundary": boundary})
    dream3d.write(field, tmp_path / "field.dream3d", version=version)
    np.testing.assert_array_equal(polyrve.read(tmp_path / "field.dream3d").properties["Boundary"], boundary)


@pytest.mark.parametrize("version", VERSIONS)
def test_values_of_the_feature_data(tmp_path, two_phase_grains, version):
    dream3d.write(two_phase_grains, tmp_path / "rve.dream3d", version=version, shapes=True)
    measured = measure_grains(two_phase_grains)
    with h5py.File(tmp_path / "rve.dream3d") as file:
        features = file[CELLS[version].replace("CellData", "CellFeatureData")]
        assert all(len(item) == 9 for item in features.values())
        q = np.roll(features["AvgQuats"][1:], 1, axis=1)
        np.testing.assert_allclose(q, two_phase_grains.quaternions, atol=1e-7)
        angles = features["AvgEulerAngles"][1:].astype(float)
        expected = rotation.to_matrix(two_phase_grains.quaternions)
        np.testing.assert_allclose(rotation.to_matrix(rotation.from_euler(angles)), expected, atol=3e-6)
        np.testing.assert_array_equal(features["NumCells"][1:, 0], np.bincount(two_phase_grains.grain_ids.ravel())[1:])
        np.testing.assert_allclose(features["Volumes"][1:, 0], measured.size, rtol=1e-6)
        np.testing.assert_allclose(features["EquivalentDiameters"][1:, 0], measured.equivalent_diameter, rtol=1e-6)
        np.testing.assert_allclose(features["GOS"][1:, 0], measured.orientation_spread, rtol=1e-6)
        assert features["Phases"][1:, 0].tolist() == two_phase_grains.phase_ids.tolist()


@pytest.mark.parametrize("periodic", [True, False])
def test_centroids(tmp_path, periodic):
    ids = np.ones((4, 6, 10), dtype=int)
    ids[1:3, 2:4, :] = np.where((np.arange(10) < 2) | (np.arange(10) > 7), 2, 1)
    q = np.zeros((2, 4))
    q[:, 0] = 1
    field = OrientationVolume(
        q[ids - 1], np.ones(ids.shape, dtype=int), (Phase("Al"),), (1.0, 2.0, 0.5), (10.0, 0.0, 0.0), periodic=periodic
    )
    dream3d.write(GrainVolume(field, ids, q, [1, 1]), tmp_path / "a.dream3d")
    with h5py.File(tmp_path / "a.dream3d") as file:
        x, y, z = file["DataStructure/DataContainer/CellFeatureData/Centroids"][2]
    assert (y, z) == (6.0, 12.0)
    assert min(abs(x), abs(x - 5.0)) < 1e-6 if periodic else abs(x - 2.5) < 1e-6


@pytest.mark.parametrize("version", VERSIONS)
def test_damask_loads_it(tmp_path, two_phase_grains, version):
    damask = pytest.importorskip("damask")
    path = tmp_path / "rve.dream3d"
    dream3d.write(two_phase_grains, path, version=version)
    grid = damask.GeomGrid.load_DREAM3D(path, "FeatureIds")
    np.testing.assert_array_equal(grid.material, two_phase_grains.grain_ids.T)
    config = damask.ConfigMaterial.load_DREAM3D(path, "CellFeatureData")
    stored = damask.Rotation([m["constituents"][0]["O"] for m in config["material"]][1:]).as_matrix()
    np.testing.assert_allclose(stored, rotation.to_matrix(two_phase_grains.quaternions), atol=3e-6)
    assert [m["constituents"][0]["phase"] for m in config["material"]][1:] == [
        two_phase_grains.field.phases[i - 1].name for i in two_phase_grains.phase_ids
    ]
    assert damask.GeomGrid.load_DREAM3D(path).material.shape == (5, 4, 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_xdmf_points_at_the_arrays(tmp_path, two_phase_grains, version):
    dream3d.write(two_phase_grains, tmp_path / "rve.dream3d", version=version)
    grid = ElementTree.parse(tmp_path / "rve.xdmf").getroot().find("Domain/Grid")
    assert grid.find("Topology").get("Dimensions") == "4 5 6"
    origin, spacing = ([float(v) for v in item.text.split()] for item in grid.findall("Geometry/DataItem"))
    assert (origin, spacing) == ([1.0, -2.0, 3.1], [0.7, 0.35, 1.1])
    names = []
    with h5py.File(tmp_path / "rve.dream3d") as file:
        for attribute in grid.findall("Attribute"):
            [item] = [item for item in attribute.iter("DataItem") if item.get("Format") == "HDF"]
            name, _, dataset = item.text.partition(":")
            assert name == "rve.dream3d"
            assert file[dataset].shape == tuple(int(n) for n in item.get("Dimensions").split())
            assert file[dataset].dtype.itemsize == int(item.get("Precision"))
            names.append(attribute.get("Name"))
    assert {"IPFColors", "FeatureIds", "Phases", "EulerAngles", "Mask"} <= set(names)


def test_existing_files_are_kept_without_force(tmp_path, two_phase_grains):
    path = tmp_path / "rve.dream3d"
    dream3d.write(two_phase_grains, path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        dream3d.write(two_phase_grains.field, path)
    assert path.read_bytes() == before
    path.unlink()
    with pytest.raises(FileExistsError, match="xdmf"):
        dream3d.write(two_phase_grains.field, path)
    assert sorted(os.listdir(tmp_path)) == ["rve.xdmf"]
    dream3d.write(two_phase_grains.field, path, force=True)


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        field = dream3d.read(sample(name))
    if name.startswith("small"):
        assert isinstance(field, OrientationMap)
        assert field.shape == (101, 201)
        assert field.spacing == pytest.approx((0.35, 0.35))
        assert np.unique(field.phase_ids).tolist() == [1, 2]
    else:
        assert field.shape == (10, 8, 13)
        assert [phase.laue for phase in field.phases] == ["m-3m", "6/mmm"]
        assert [phase.name for phase in field.phases] == ["Primary", "Precipitate"]
    with h5py.File(sample(name)) as file:
        paths = []
        file.visit(lambda path: paths.append(path) if path.endswith("Data/EulerAngles") else None)
        cells = next(file[path] for path in paths if file[path].ndim == 4)
        expected = rotation.to_matrix(rotation.from_euler(cells[()].astype(float))).reshape(*field.shape, 3, 3)
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions), expected, atol=2e-6)


def test_both_versions_of_a_sample_agree():
    for stem in ("small_in100_slice", "two_phase_synthetic"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a, b = (dream3d.read(sample(f"{stem}_{v}.dream3d")) for v in ("v7", "v8"))
        np.testing.assert_array_equal(a.quaternions, b.quaternions)
        np.testing.assert_array_equal(a.properties["FeatureIds"], b.properties["FeatureIds"])
        assert a.phases == b.phases


@pytest.mark.parametrize("version", ["v7", "v8"])
def test_grains_of_another_program(version):
    grains = dream3d.read_grains(sample(f"two_phase_synthetic_{version}.dream3d"))
    assert grains.number_of_grains == 18
    means = grains.quaternions[grains.grain_ids - 1]
    for number, phase in enumerate(grains.field.phases, start=1):
        here = grains.field.phase_ids == number
        angle = rotation.disorientation_angle(means[here], grains.field.quaternions[here], phase.symmetry)
        assert np.rad2deg(angle).max() < 0.1


def degrees_from_means(grains):
    """Largest angle in degrees between a point and the mean of its grain."""
    inside = grains.grain_ids > 0
    ids, q = grains.grain_ids[inside], grains.field.quaternions[inside]
    return np.rad2deg(rotation.disorientation_angle(q, grains.quaternions[ids - 1], np.eye(1, 4)).max())


@pytest.mark.parametrize("version", VERSIONS)
def test_means_are_turned_with_the_field(tmp_path, two_phase_grains, version):
    dream3d.write(two_phase_grains, tmp_path / "a.dream3d", version=version)
    turned = dream3d.read_grains(tmp_path / "a.dream3d", frame="edax-2")
    assert degrees_from_means(turned) == pytest.approx(degrees_from_means(two_phase_grains), abs=1e-6)


def test_means_follow_the_field_where_the_frame_is_the_files_own(tmp_path, two_phase_grains):
    field = two_phase_grains.field.evolve(frame=reference_frames.named("edax-2", "vendor default"))
    grains = GrainVolume(field, two_phase_grains.grain_ids, two_phase_grains.quaternions, two_phase_grains.phase_ids)
    dream3d.write(grains, tmp_path / "a.dream3d")
    back = dream3d.read_grains(tmp_path / "a.dream3d", frame="edax-2")
    assert degrees_from_means(back) == pytest.approx(degrees_from_means(grains), abs=1e-6)


def test_means_in_degrees(tmp_path, two_phase_grains):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains, path, exact=False)
    with h5py.File(path, "r+") as file:
        for group in (file[CELLS["8.0"]], file["DataStructure/DataContainer/CellFeatureData"]):
            for name in ("Quats", "AvgQuats", "EulerAngles", "AvgEulerAngles"):
                if name.endswith("Quats") and name in group:
                    del group[name]
                elif name in group:
                    group[name][...] = np.rad2deg(group[name][()])
    back = dream3d.read_grains(path, degrees=True)
    assert degrees_from_means(back) == pytest.approx(degrees_from_means(two_phase_grains), abs=1e-3)


def test_masked_points_are_in_no_grain(tmp_path, two_phase_grains):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains, path)
    largest = np.bincount(two_phase_grains.grain_ids.ravel()).argmax()
    out = tuple(np.argwhere(two_phase_grains.grain_ids == largest)[0])
    with h5py.File(path, "r+") as file:
        file[CELLS["8.0"]]["Mask"][(*out, 0)] = 0
    back = dream3d.read_grains(path)
    assert back.grain_ids[out] == back.field.phase_ids[out] == 0
    assert (back.grain_ids == 0).sum() == 1
    assert (dream3d.read_grains(path, mask=False).grain_ids == two_phase_grains.grain_ids).all()


def test_missing_crystal_structures_warn_and_can_be_set():
    with pytest.warns(UserWarning, match="no crystal structures"):
        dream3d.read(sample(SAMPLES[1]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = dream3d.read(sample(SAMPLES[1]), laue=["m-3m", "6/mmm"])
    assert [phase.laue for phase in field.phases] == ["m-3m", "6/mmm"]


def make_old(path, spacing_name="RESOLUTION", version="6.0"):
    """A minimal file as DREAM.3D 6.0 wrote it, Euler angles alone."""
    angles = np.random.default_rng(0).random((3, 4, 5, 3)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["FileVersion"] = np.bytes_(version)
        container = file.create_group("DataContainers/ImageDataContainer")
        image = container.create_group("_SIMPL_GEOMETRY")
        image.attrs["GeometryTypeName"] = np.bytes_("ImageGeometry")
        image["DIMENSIONS"] = np.array([5, 4, 3])
        image[spacing_name] = np.float32([1.0, 0.5, 0.25])
        image["ORIGIN"] = np.zeros(3, dtype=np.float32)
        container["CellData/EulerAngles"] = angles
        container["CellData/Phases"] = np.ones((3, 4, 5, 1), dtype=np.int32)
        container["CellEnsembleData/CrystalStructures"] = np.uint32([[999], [1]])
        container["CellEnsembleData/PhaseName"] = np.array([b"Unknown", b"Nickel"])
    return angles


def test_version_6(tmp_path):
    angles = make_old(tmp_path / "old.dream3d")
    field = dream3d.read(tmp_path / "old.dream3d")
    assert field.spacing == (0.25, 0.5, 1.0)
    assert field.phases == (Phase("Nickel"),)
    expected = rotation.to_matrix(rotation.from_euler(angles.astype(float)))
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions), expected, atol=1e-12)


def test_a_phase_without_structure_is_refused_only_where_a_point_has_it(tmp_path):
    path = tmp_path / "old.dream3d"
    make_old(path)
    with h5py.File(path, "r+") as file:
        container = file["DataContainers/ImageDataContainer"]
        container["CellData/Phases"][...] = 2
        del container["CellEnsembleData"]
        container["CellEnsembleData/CrystalStructures"] = np.uint32([[999], [999], [1]])
        container["CellEnsembleData/PhaseName"] = np.array([b"Unknown", b"Void", b"Nickel"])
    field = dream3d.read(path)
    assert [phase.name for phase in field.phases] == ["Void", "Nickel"]
    assert (field.phase_ids == 2).all()
    with h5py.File(path, "r+") as file:
        file["DataContainers/ImageDataContainer/CellData/Phases"][0, 0, 0] = 1
    with pytest.raises(FormatError, match=r"crystal structure 0 \.\.\. 10 of phase 1; got 999"):
        dream3d.read(path)


def test_degrees_are_refused_unless_told(tmp_path):
    angles = make_old(tmp_path / "old.dream3d")
    with h5py.File(tmp_path / "old.dream3d", "r+") as file:
        file["DataContainers/ImageDataContainer/CellData/EulerAngles"][...] = np.rad2deg(angles)
    with pytest.raises(FormatError, match="rad"):
        dream3d.read(tmp_path / "old.dream3d")
    field = dream3d.read(tmp_path / "old.dream3d", degrees=True)
    expected = rotation.to_matrix(rotation.from_euler(angles.astype(float)))
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions), expected, atol=1e-6)


def test_disagreeing_arrays_warn_and_eulers_win(tmp_path):
    angles = make_old(tmp_path / "old.dream3d")
    with h5py.File(tmp_path / "old.dream3d", "r+") as file:
        file["DataContainers/ImageDataContainer/CellData/Quats"] = np.float32(
            np.roll(rotation.random_orientations((3, 4, 5), np.random.default_rng(1)), -1, axis=-1)
        )
    expected = rotation.to_matrix(rotation.from_euler(angles.astype(float)))
    with pytest.warns(UserWarning, match="disagree"):
        field = dream3d.read(tmp_path / "old.dream3d")
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions), expected, atol=1e-12)
    chosen = dream3d.read(tmp_path / "old.dream3d", quaternions="Quats")
    assert np.abs(rotation.to_matrix(chosen.quaternions) - expected).max() > 0.1


@pytest.mark.parametrize(("units", "spacing", "expected"), [
    (10, 0.5, 0.5), (6, 0.5, 0.5), (5, 500.0, 0.5), (7, 0.5, 500.0), (10, 5e-7, 0.5), (None, 5e-7, 0.5),
])  # fmt: skip
def test_units_of_length(tmp_path, units, spacing, expected):
    q = np.zeros((2, 2, 2, 4))
    q[..., 0] = 1
    path = tmp_path / "a.dream3d"
    dream3d.write(OrientationVolume(q, np.ones((2, 2, 2)), (Phase("Al"),), (1.0, 1.0, 1.0)), path)
    with h5py.File(path, "r+") as file:
        del file["DataStructure/polyrve"]
        geometry = file["DataStructure/DataContainer"]
        geometry.attrs["_SPACING"] = np.float32([spacing] * 3)
        del geometry.attrs["Units"]
        if units is not None:
            geometry.attrs["Units"] = np.uint32([units])
    assert dream3d.read(path).spacing == pytest.approx((expected,) * 3, rel=1e-6)


def test_several_geometries_need_a_choice(tmp_path):
    angles = make_old(tmp_path / "old.dream3d", "SPACING", "7.0")
    with h5py.File(tmp_path / "old.dream3d", "r+") as file:
        file.copy("DataContainers/ImageDataContainer", "DataContainers/Second")
        file["DataContainers/Second/CellData/Phi"] = file["DataContainers/Second/CellData/EulerAngles"][()] * 0.5
    with pytest.raises(FormatError, match="ImageDataContainer, Second"):
        dream3d.read(tmp_path / "old.dream3d")
    field = dream3d.read(tmp_path / "old.dream3d", geometry="Second", eulers="Phi")
    expected = rotation.to_matrix(rotation.from_euler(angles.astype(float) * 0.5))
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions), expected, atol=1e-6)
    with pytest.raises(FormatError, match="'Third'"):
        dream3d.read(tmp_path / "old.dream3d", geometry="Third")


def add_foreign_map(path):
    """Another program's map beside a volume, without crystal structures."""
    q = np.float32(np.roll(rotation.random_orientations((1, 4, 5), np.random.default_rng(3)), -1, axis=-1))
    with h5py.File(path, "r+") as file:
        group = file.create_group("DataStructure/Foreign")
        group.attrs["ObjectType"] = np.bytes_("ImageGeom")
        group.attrs["_DIMENSIONS"] = np.uint64([5, 4, 1])
        group.attrs["_SPACING"], group.attrs["_ORIGIN"] = np.float32([1, 1, 1]), np.float32([0, 0, 0])
        group["Cells/Quats"] = q
        group["Cells/Phases"] = np.ones((1, 4, 5, 1), dtype=np.int32)


def test_a_foreign_geometry_has_nothing_of_polyrves_note(tmp_path, two_phase_grains):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains, path)
    add_foreign_map(path)
    with pytest.warns(UserWarning, match="no crystal structures of /DataStructure/Foreign"):
        foreign = dream3d.read(path, geometry="Foreign")
    assert not foreign.periodic
    assert foreign.frame.source == "file"
    assert foreign.provenance["geometry"] == "/DataStructure/Foreign"
    assert foreign.phases == (Phase("Phase 1"),)
    named = dream3d.read(path, geometry="Foreign", ensemble="CellEnsembleData")
    assert [phase.name for phase in named.phases] == ["Al", "Mg (alpha)"]
    assert_same_field(dream3d.read_grains(path, geometry="DataContainer").field, two_phase_grains.field)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_cropped_volume_is_not_periodic(tmp_path, two_phase_grains, version):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains.field, path, version=version)
    with h5py.File(path, "r+") as file:
        cells = file[CELLS[version]]
        for name in list(cells):
            cropped, attributes = cells[name][:, :, :4], dict(cells[name].attrs)
            del cells[name]
            cells[name] = cropped
            cells[name].attrs.update(attributes)
        if version == "8.0":
            cells.parent.attrs["_DIMENSIONS"] = np.uint64([4, 4, 3])
        else:
            cells.parent["_SIMPL_GEOMETRY/DIMENSIONS"][...] = [4, 4, 3]
    cropped = dream3d.read(path)
    assert cropped.shape == (3, 4, 4)
    assert not cropped.periodic
    assert cropped.phases == two_phase_grains.field.phases
    assert cropped.spacing == two_phase_grains.field.spacing


def damage(file, case):
    cells = file[CELLS["8.0"]]
    if case == "version":
        file.attrs["FileVersion"] = np.bytes_("5.0")
    elif case == "no version":
        del file.attrs["FileVersion"]
    elif case == "no geometry":
        del file["DataStructure/DataContainer"]
    elif case == "no orientations":
        del cells["Quats"], cells["EulerAngles"]
    elif case == "phase out of range":
        cells["Phases"][0, 0, 0] = 7
    elif case == "nan":
        del cells["Quats"]
        cells["EulerAngles"][0, 0, 0] = np.nan
    elif case == "unknown structure":
        file["DataStructure/DataContainer/CellEnsembleData/CrystalStructures"][1] = 999
        del file["DataStructure/polyrve"]


@pytest.mark.parametrize(("case", "words"), [
    ("version", "FileVersion"), ("no version", "FileVersion"), ("no geometry", "image geometry"),
    ("no orientations", "orientations per cell"), ("phase out of range", "phases 0"), ("nan", "finite"),
    ("unknown structure", "crystal structure"),
])  # fmt: skip
def test_bad_files_are_refused_with_the_reason(tmp_path, two_phase_grains, case, words):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains, path)
    with h5py.File(path, "r+") as file:
        damage(file, case)
    with pytest.raises(FormatError, match=words) as caught:
        dream3d.read(path)
    assert str(path) in str(caught.value)


def test_what_is_no_hdf5_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        dream3d.read(tmp_path / "absent.dream3d")
    (tmp_path / "text.dream3d").write_text("not HDF5")
    with pytest.raises(FormatError, match="HDF5"):
        dream3d.read(tmp_path / "text.dream3d")


def test_truncated_file(tmp_path, two_phase_grains):
    path = tmp_path / "a.dream3d"
    dream3d.write(two_phase_grains, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FormatError):
        dream3d.read(path)


def test_grains_without_ids_are_refused(tmp_path, two_phase_grains):
    dream3d.write(two_phase_grains.field, tmp_path / "a.dream3d")
    with pytest.raises(FormatError, match="feature ids"):
        dream3d.read_grains(tmp_path / "a.dream3d")


def test_bad_version_on_writing(tmp_path, two_phase_grains):
    with pytest.raises(ValueError, match=r"8\.0 or 7\.0"):
        dream3d.write(two_phase_grains, tmp_path / "a.dream3d", version="6.0")
    assert os.listdir(tmp_path) == []


FEATURES = {version: cells.replace("CellData", "CellFeatureData") for version, cells in CELLS.items()}


@pytest.fixture
def foreign(tmp_path, two_phase_grains):
    """Writes a file as another program does: no note of polyrve's, orientations in single precision alone."""

    def make(version="7.0", data=two_phase_grains):
        path = tmp_path / "foreign.dream3d"
        dream3d.write(data, path, version=version, exact=False, force=True)
        with h5py.File(path, "r+") as file:
            del file[CELLS[version].rsplit("/", 1)[0] + "/polyrve" if version == "7.0" else "DataStructure/polyrve"]
            cells = file[CELLS[version]]
            for name in ("AvgQuats", "Boundary"):
                del cells[name]
        return path

    return make


@pytest.mark.parametrize("version", VERSIONS)
def test_means_that_are_not_those_of_the_voxels_are_replaced_with_a_warning(foreign, two_phase_grains, version):
    path = foreign(version)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = dream3d.read_grains(path)
    np.testing.assert_allclose(stored.quaternions, two_phase_grains.quaternions, atol=1e-7)
    turn = rotation.from_axis_angle([0.0, 0.0, 1.0], np.deg2rad(40.0))
    with h5py.File(path, "r+") as file:
        means = file[FEATURES[version]]["AvgQuats"]
        means[3] = np.roll(rotation.multiply(turn, two_phase_grains.quaternions[2]), -1)
    with pytest.warns(
        UserWarning, match=r"AvgQuats of 1 of 8 features .* by up to (39|4[0-9])\.\d degrees.*means of the"
    ):
        grained = dream3d.read_grains(path)
    field = two_phase_grains.field
    for grain in range(1, 9):
        here = two_phase_grains.grain_ids == grain
        symmetry = field.phases[two_phase_grains.phase_ids[grain - 1] - 1].symmetry
        angles = rotation.disorientation_angle(field.quaternions[here], grained.quaternions[grain - 1], symmetry)
        assert angles.max() < 0.06


def test_symmetric_equivalents_of_a_mean_agree_with_the_voxels(foreign, two_phase_grains):
    path = foreign()
    with h5py.File(path, "r+") as file:
        means = file[FEATURES["7.0"]]["AvgQuats"]
        for grain, q in enumerate(two_phase_grains.quaternions, start=1):
            symmetry = two_phase_grains.field.phases[two_phase_grains.phase_ids[grain - 1] - 1].symmetry
            means[grain] = np.roll(rotation.multiply(symmetry[-1], q), -1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grained = dream3d.read_grains(path)
    assert np.abs(np.sum(grained.quaternions * two_phase_grains.quaternions, axis=1)).min() < 0.99


def test_means_that_are_no_orientations_are_replaced(foreign):
    path = foreign()
    with h5py.File(path, "r+") as file:
        file[FEATURES["7.0"]]["AvgQuats"][2] = np.nan
    with pytest.warns(UserWarning, match="AvgQuats of 1 of 8 features"):
        assert np.isfinite(dream3d.read_grains(path).quaternions).all()


def test_euler_angles_of_features_are_held_against_the_voxels_too(foreign, two_phase_grains):
    path = foreign()
    with h5py.File(path, "r+") as file:
        features = file[FEATURES["7.0"]]
        del features["AvgQuats"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dream3d.read_grains(path)
    with h5py.File(path, "r+") as file:
        for name in ("AvgEulerAngles", "EulerAngles"):
            file[FEATURES["7.0"]][name][...] = np.rad2deg(file[FEATURES["7.0"]][name][()])
    with pytest.warns(UserWarning, match="AvgEulerAngles of . of 8 features"):
        grained = dream3d.read_grains(path)
    error = rotation.to_matrix(grained.quaternions) - rotation.to_matrix(two_phase_grains.quaternions)
    assert np.abs(error).max() < 0.1


def test_phases_of_features_that_are_not_those_of_the_voxels(foreign, two_phase_grains):
    path = foreign()
    with h5py.File(path, "r+") as file:
        file[FEATURES["7.0"]]["Phases"][...] = 1
    with pytest.warns(UserWarning, match="Phases of 4 of 8 features"):
        grained = dream3d.read_grains(path)
    np.testing.assert_array_equal(grained.phase_ids, two_phase_grains.phase_ids)


@pytest.mark.parametrize("version", VERSIONS)
def test_phases_of_the_points_by_their_features(foreign, two_phase_grains, version):
    path = foreign(version)
    with h5py.File(path, "r+") as file:
        del file[CELLS[version]]["Phases"]
    with pytest.warns(UserWarning, match="those of the features"):
        field = dream3d.read(path)
    np.testing.assert_array_equal(field.phase_ids, two_phase_grains.field.phase_ids)
    with h5py.File(path, "r+") as file:
        del file[FEATURES[version]]["Phases"]
    with pytest.raises(FormatError, match=r"2 phases.*option phases"):
        dream3d.read(path)
    assert (dream3d.read(path, phases="2").phase_ids == 2).all()
    assert (dream3d.read(path, phases=1).phase_ids == 1).all()
    with pytest.raises(FormatError, match="phases 0"):
        dream3d.read(path, phases=3)
    with pytest.raises(FormatError, match="'Kinds'"):
        dream3d.read(path, phases="Kinds")


def test_one_phase_needs_no_array(foreign, two_phase_grains):
    ids, q = two_phase_grains.grain_ids, two_phase_grains.quaternions
    field = two_phase_grains.field.evolve(phase_ids=np.ones((3, 4, 5), dtype=int), phases=(Phase("Al"),))
    path = foreign("8.0", GrainVolume(field, ids, q, np.ones(8, dtype=int)))
    with h5py.File(path, "r+") as file:
        del file[CELLS["8.0"]]["Phases"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (dream3d.read(path).phase_ids == 1).all()


@pytest.mark.parametrize(("name", "option"), [("Phases", "phases"), ("Mask", "mask")])
def test_arrays_in_another_file_are_refused_with_the_way_out(foreign, name, option):
    path = foreign()
    with h5py.File(path, "r+") as file:
        cells = file[CELLS["7.0"]]
        cells.copy(name, "Mine")
        del cells[name]
        cells[name] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FormatError, match=rf"{name} is a link to 'other\.h5'.*option {option}"):
        dream3d.read(path)
    with pytest.warns(UserWarning, match="left out"):
        field = dream3d.read(path, **{option: "Mine"})
    assert field.indexed.all()


def test_orientations_in_another_file(foreign):
    path = foreign()
    with h5py.File(path, "r+") as file:
        cells = file[CELLS["7.0"]]
        del cells["Quats"]
        cells["Quats"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.warns(UserWarning, match=r"left out: Quats \(a link to 'other\.h5'\)"):
        dream3d.read(path)
    with h5py.File(path, "r+") as file:
        del file[CELLS["7.0"]]["EulerAngles"]
    with pytest.raises(FormatError, match=r"orientations per cell.*Quats is a link to 'other\.h5'"):
        dream3d.read(path)


def test_feature_data_in_another_file(foreign):
    path = foreign()
    with h5py.File(path, "r+") as file:
        features = file[FEATURES["7.0"]]
        for name in ("AvgQuats", "AvgEulerAngles", "EulerAngles"):
            del features[name]
            features[name] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FormatError, match=r"feature data.*AvgQuats is a link to 'other\.h5'"):
        dream3d.read_grains(path)
    with pytest.warns(UserWarning, match=r"AvgQuats is a link to 'other\.h5'.*the grains are left out"):
        assert isinstance(dream3d.read_segmented(path), OrientationVolume)


def test_crystal_structures_in_another_file(foreign):
    path = foreign()
    with h5py.File(path, "r+") as file:
        ensemble = file[CELLS["7.0"].replace("CellData", "CellEnsembleData")]
        del ensemble["CrystalStructures"]
        ensemble["CrystalStructures"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(FormatError, match=r"CrystalStructures is a link to 'other\.h5'"):
        dream3d.read(path)


def test_angles_beyond_those_of_rad_are_doubted(tmp_path):
    make_old(tmp_path / "old.dream3d")
    with h5py.File(tmp_path / "old.dream3d", "r+") as file:
        file["DataContainers/ImageDataContainer/CellData/EulerAngles"][...] = (0.3, 5.0, 12.0)
    with pytest.warns(UserWarning, match=r"rad, at most 2 pi, pi, 2 pi; got up to 0\.3, 5, 12.*degrees=true"):
        dream3d.read(tmp_path / "old.dream3d")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = dream3d.read(tmp_path / "old.dream3d", degrees=True)
    expected = rotation.from_euler(np.deg2rad([0.3, 5.0, 12.0]))
    np.testing.assert_allclose(field.quaternions, np.broadcast_to(expected, (3, 4, 5, 4)), atol=1e-7)
    make_old(tmp_path / "rad.dream3d")
    with pytest.warns(UserWarning, match="angles in degrees; got up to .*degrees=false"):
        dream3d.read(tmp_path / "rad.dream3d", degrees=True)


def test_lattice_angles_below_two_pi_are_in_rad(foreign, two_phase_grains):
    path = foreign("8.0")
    with h5py.File(path, "r+") as file:
        constants = file[CELLS["8.0"].replace("CellData", "CellEnsembleData")]["LatticeConstants"]
        constants[1:, 3:] = np.deg2rad(constants[1:, 3:])
    with pytest.warns(UserWarning, match=r"lattice angles in degrees; got 1\.57.*taken as rad"):
        field = dream3d.read(path)
    for phase, expected in zip(field.phases, two_phase_grains.field.phases, strict=True):
        assert phase.lattice == pytest.approx(expected.lattice, rel=1e-6)


def test_points_marked_by_four_pi_are_not_indexed_where_there_is_no_mask(tmp_path):
    path = tmp_path / "old.dream3d"
    make_old(path)
    with h5py.File(path, "r+") as file:
        cells = file["DataContainers/ImageDataContainer/CellData"]
        cells["EulerAngles"][1, 2, :3] = 4 * np.pi
        cells["CI"] = np.full((3, 4, 5, 1), 0.5, dtype=np.float32)
        cells["CI"][1, 2, :5] = -1.0
    with pytest.warns(UserWarning, match="4 pi|below 0") as caught:
        field = dream3d.read(path)
    told = " ".join(str(item.message) for item in caught)
    assert "3 of 60 points have angles of 4 pi" in told
    assert "2 of 60 points have CI below 0" in told
    assert np.argwhere(field.phase_ids == 0).tolist() == [[1, 2, 0], [1, 2, 1], [1, 2, 2]]


PIPELINES = {
    "the two that turn": (
        {"pipeline": [{"filter": {"name": "nx::core::RotateEulerRefFrameFilter"}, "args": {}},
                      {"filter": {"name": "nx::core::RotateSampleRefFrameFilter"}, "args": {}, "isDisabled": True}]},
        ["RotateEulerRefFrame"],
    ),
    "a reader that turns": (
        {"pipeline": [{"filter": {"name": "nx::core::ReadH5EbsdFilter"},
                       "args": {"read_h5_ebsd_object": {"value": {"use_recommended_transform": True}}}}]},
        ["ReadH5Ebsd (use_recommended_transform)"],
    ),
    "a reader that does not": (
        {"pipeline": [{"filter": {"name": "nx::core::ReadCtfDataFilter"},
                       "args": {"degrees_to_radians": {"value": True}, "edax_hexagonal_alignment": {"value": True}}},
                      {"filter": {"name": "nx::core::ReadH5EbsdFilter"},
                       "args": {"read_h5_ebsd_object": {"value": {"use_recommended_transform": False}}}}]},
        [],
    ),
    "readers to come": (
        {"pipeline": [{"filter": {"name": "nx::core::ReadAngDataFilter"},
                       "args": {"reference_frame_transform": {"value": 1, "version": 1}}},
                      {"filter": {"name": "nx::core::ReadCtfDataFilter"},
                       "args": {"transform": {"value": "Vendor Standard"}}},
                      {"filter": {"name": "nx::core::ReadH5OinaDataFilter"},
                       "args": {"transform": {"value": "No Transform"}}}]},
        ["ReadAngData (reference_frame_transform)", "ReadCtfData (transform)"],
    ),
    "check boxes with axis and angle": (
        {"pipeline": [{"filter": {"name": "nx::core::ReadH5OimDataFilter"},
                       "args": {"parameters_version": 2,
                                "use_sample_reference_frame": {"value": True, "version": 1},
                                "sample_transform_axis_angle": {"value": [0.0, 1.0, 0.0, 180.0], "version": 1},
                                "use_euler_reference_frame": {"value": False, "version": 1},
                                "euler_transform_axis_angle": {"value": [0.0, 0.0, 1.0, 90.0], "version": 1}}},
                      {"filter": {"name": "nx::core::ReadCtfDataFilter"},
                       "args": {"apply_vendor_standard": {"value": False}, "euler_axis_angle": {"value": [0, 0, 1]}}}]},
        ["ReadH5OimData (use_sample_reference_frame)"],
    ),
    "rotations of the geometry": (
        {"pipeline": [{"filter": {"name": "nx::core::ApplyTransformationToGeometryFilter"},
                       "args": {"transformation_type_index": {"value": 3, "version": 1},
                                "rotation": {"value": [0.0, 1.0, 0.0, 180.0], "version": 1}}},
                      {"filter": {"name": "nx::core::ApplyTransformationToGeometryFilter"},
                       "args": {"transformation_type_index": {"value": 5, "version": 1}}}]},
        ["ApplyTransformationToGeometry"],
    ),
    "DREAM.3D 6.5": (
        {"0": {"Filter_Name": "ReadH5Ebsd", "UseTransformations": 1, "RefFrameZDir": 1, "Filter_Enabled": True},
         "1": {"Filter_Name": "RotateSampleRefFrame", "Filter_Enabled": False},
         "PipelineBuilder": {"Name": "x", "Number_Filters": 2}},
        ["ReadH5Ebsd (UseTransformations)"],
    ),
    "text": ("not JSON", []),
}  # fmt: skip


@pytest.mark.parametrize("case", PIPELINES)
def test_what_a_pipeline_turned(case):
    steps, expected = PIPELINES[case]
    assert turning_filters(steps if isinstance(steps, str) else json.dumps(steps)) == expected


@pytest.mark.parametrize("case", PIPELINES)
def test_a_frame_on_top_of_a_pipeline_that_turned_is_said(foreign, case):
    steps, expected = PIPELINES[case]
    path = foreign("8.0")
    with h5py.File(path, "r+") as file:
        del file["Pipeline/Pipeline"]
        text = steps if isinstance(steps, str) else json.dumps(steps)
        file["Pipeline"].create_dataset("Pipeline", data=np.bytes_(text.encode()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        field = dream3d.read(path)
        assert field.provenance.get("turned by", []) == expected
        if not expected:
            dream3d.read(path, frame="edax-2")
    if expected:
        with pytest.warns(UserWarning, match=r"turned the map already .*frame 'edax-2' is applied on top"):
            dream3d.read(path, frame="edax-2")


@pytest.mark.parametrize(
    ("lattice", "alignment", "scans", "laue", "expected"),
    [
        ("rad", True, 1, "6/mmm", ["phi2 of the hexagonal phases is wrong by 30 rad - 30 degrees"]),
        ("rad", None, 2, "6/mmm", ["phi2 of the hexagonal", "the angles of 2 scans were written over each other"]),
        ("rad", False, 1, "6/mmm", []),
        ("rad", True, 1, "m-3m", []),
        ("degrees", True, 2, "6/mmm", []),
    ],
)
def test_what_dream3d_nx_misread_from_h5oina_is_said(foreign, lattice, alignment, scans, laue, expected):
    """Deviations D1, D2 and D6 of the reader in simplnx: wrong in releases whose lattice angles are in rad."""
    field = OrientationVolume(
        rotation.from_euler(np.full((3, 4, 5, 3), 0.5)), np.ones((3, 4, 5), dtype=int),
        (Phase("Ti", laue, (2.95, 2.95, 4.68, 90, 90, 120 if laue == "6/mmm" else 90)),), (1.0, 1.0, 1.0),
    )  # fmt: skip
    path = foreign("8.0", GrainVolume(field, np.ones((3, 4, 5), dtype=int), field.quaternions[0, 0, :1], [1]))
    arguments = {"selected_scan_names": {"value": {"scan_names": ["1", "2"][:scans], "stacking_order": 0}}}
    if alignment is not None:
        arguments["edax_hexagonal_alignment"] = {"value": alignment, "version": 1}
    steps = {"pipeline": [{"filter": {"name": "nx::core::ReadH5OinaDataFilter"}, "args": arguments}]}
    with h5py.File(path, "r+") as file:
        del file["Pipeline/Pipeline"]
        file["Pipeline"].create_dataset("Pipeline", data=np.bytes_(json.dumps(steps).encode()))
        constants = file[CELLS["8.0"].replace("CellData", "CellEnsembleData")]["LatticeConstants"]
        if lattice == "rad":
            constants[1:, 3:] = np.deg2rad(constants[1:, 3:])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        dream3d.read(path)
    told = [
        str(item.message) for item in caught if "DREAM3D-NX 7.0 to 7.4 read it from an .h5oina" in str(item.message)
    ]
    assert len(told) == len(expected)
    assert all(text in found for text, found in zip(expected, told, strict=True))
