"""The plugin in simplnx, or where that is not installed in what plays it."""

import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve.filters
from polyrve.adapters import registry
from polyrve.adapters.volumes import dream3d
from polyrve.crystallography import rotation
from polyrve.filters import structure
from polyrve.filters.parameters import settings_list
from polyrve.filters.Plugin import FILTERS
from polyrve.filters.ReconstructOrientationVolumeFilter import ReconstructOrientationVolumeFilter
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen

try:
    import simplnx as nx
except ImportError as error:
    import played_simplnx as nx

    warnings.warn(f"simplnx, which comes from conda alone, is played: {error}", stacklevel=1)

REAL = nx.__name__ == "simplnx"
PIPELINES = Path(__file__).resolve().parents[2] / "examples" / "pipelines"
VOLUME = "Reconstructed Volume"
MAP_ALONE = {"use_z_map": True, "use_x_map": False, "use_y_map": False, "z_use_mask": False}
MAP_ALONE |= {"axis": 0, "drop_phase": "", "further_maps": ""}


@pytest.fixture(scope="module", autouse=True)
def plugin():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "simplnx", nx)
        nx.load_python_plugin(polyrve.filters)
        yield
        nx.unload_python_plugins()


@pytest.fixture(scope="module")
def scan():
    return simulate_scan(make_specimen((4, 40, 44), grain_size=8.0, seed=1), 0, 1)


@pytest.fixture(scope="module")
def source(tmp_path_factory, scan):
    path = tmp_path_factory.mktemp("source") / "specimen.ang"
    registry.write(scan, path, frame="edax-2")
    return path


@pytest.fixture
def file(tmp_path, source):
    """A copy of the map's file that a test may change."""
    return Path(shutil.copy(source, tmp_path / "specimen.ang"))


def named(name):
    (kind,) = (kind for kind in FILTERS if kind.__name__ == name)
    return nx.PyFilter(kind())


def execute(name, data, **args):
    result = named(name).execute2(data_structure=data, **args)
    return [(error.code, error.message) for error in result.errors], [item.message for item in result.warnings]


def field_args(prefix, geometry, orientations="Quats"):
    return {
        f"{prefix}geometry": nx.DataPath(geometry),
        f"{prefix}orientations": nx.DataPath(f"{geometry}/Cell Data/{orientations}"),
        f"{prefix}phases": nx.DataPath(f"{geometry}/Cell Data/Phases"),
        f"{prefix}crystal_structures": nx.DataPath(f"{geometry}/Cell Ensemble Data/CrystalStructures"),
    }


@pytest.fixture
def data(source):
    """A DataStructure with the map."""
    return read(source)


def read(path):
    found = nx.DataStructure()
    assert execute("ReadEBSDFilter", found, file=path) == ([], [])
    return found


@pytest.fixture(scope="module")
def grown(source, play):
    """A DataStructure with map and volume, the engine played."""
    data = read(source)
    errors, _ = execute(
        "ReconstructOrientationVolumeFilter", data, **field_args("z_", "EBSD"),
        shape=[10, 9, 8], engine=1, python=str(play("volume()")),
    )  # fmt: skip
    assert errors == []
    return data


def volume_args():
    return field_args("", VOLUME) | {"feature_ids": nx.DataPath(f"{VOLUME}/Cell Data/FeatureIds")}


def test_every_filter_is_there():
    assert {str(identifier) for identifier in nx.get_python_filter_ids()} == {kind.identifier for kind in FILTERS}


def test_loading_twice_is_refused():
    with pytest.raises(RuntimeError, match="already exists"):
        nx.load_python_plugin(polyrve.filters)


@pytest.mark.parametrize("kind", FILTERS)
def test_defaults_make_a_pipeline_that_is_read_again(kind, tmp_path):
    pipeline = nx.Pipeline("one")
    pipeline.append(nx.PyFilter(kind()))
    pipeline.to_file(tmp_path / "one.d3dpipeline")
    assert nx.Pipeline.from_file(tmp_path / "one.d3dpipeline")[0].name() == kind.__name__


def test_a_pipeline_with_a_former_name_of_a_filter_is_read(tmp_path):
    """The name is for people; the UUID decides."""
    pipeline = nx.Pipeline("one")
    pipeline.append(named("ValidateOrientationVolumeFilter"), {"windows": 7})
    pipeline.to_file(tmp_path / "one.d3dpipeline")
    text = (tmp_path / "one.d3dpipeline").read_text()
    assert text.count("ValidateOrientationVolumeFilter") == 1
    former = text.replace("ValidateOrientationVolumeFilter", "ComputeRVEStatisticsFilter")
    (tmp_path / "former.d3dpipeline").write_text(former)
    found = nx.Pipeline.from_file(tmp_path / "former.d3dpipeline")[0]
    assert (found.name(), found.get_args()["windows"]) == ("ValidateOrientationVolumeFilter", 7)


def completed(name, args, folder):
    """Arguments with the defaults of the others, as execute_impl gets them."""
    pipeline = nx.Pipeline("one")
    pipeline.append(named(name), args)
    pipeline.to_file(folder / "one.d3dpipeline")
    return nx.Pipeline.from_file(folder / "one.d3dpipeline")[0].get_args()


def test_settings_are_parameters(tmp_path):
    args = completed("ReconstructOrientationVolumeFilter", {}, tmp_path)
    for setting in settings_list():
        assert args[setting.key] == setting.default, setting
        assert not setting.switch or args[setting.switch] is False


def test_map_is_read_as_polyrve_reads_it(data, file):
    expected = registry.read(file)
    args = MAP_ALONE | {"frame": 0}
    for orientations in ("Quats", "EulerAngles"):
        args |= field_args("z_", "EBSD", orientations)
        field = structure.read_maps(data, args)["z"]
        np.testing.assert_array_equal(field.phase_ids, expected.phase_ids)
        np.testing.assert_allclose(
            rotation.to_matrix(field.quaternions), rotation.to_matrix(expected.quaternions), rtol=0, atol=2e-6
        )
    assert (field.shape, field.spacing) == (expected.shape, expected.spacing)
    assert field.frame == expected.frame
    again = structure.read_maps(data, args | {"frame": structure.FRAMES.index("edax-2")})["z"]
    np.testing.assert_array_equal(again.quaternions, field.quaternions)
    assert again.frame == expected.frame
    assert [(p.name, p.laue) for p in field.phases] == [(p.name, p.laue) for p in expected.phases]
    assert field.provenance["source"] == "specimen.ang"
    assert data["EBSD/Cell Data/CI"].npview().shape == (1, *expected.shape, 1)


def test_own_reader_and_dream3d_nx_reader_agree(data, file, scan):
    oa = pytest.importorskip("orientationanalysis")
    result = oa.ReadAngDataFilter.execute(data_structure=data, input_file=file)
    assert not result.errors
    args = MAP_ALONE | {"frame": structure.FRAMES.index("edax-2")}
    theirs = structure.read_maps(data, args | field_args("z_", "ImageGeom", "EulerAngles"))["z"]
    inside = scan.indexed
    angle = rotation.disorientation_angle(theirs.quaternions[inside], scan.quaternions[inside], scan.phases[0].symmetry)
    assert angle.max() < 1e-5
    assert [(p.name, p.laue) for p in theirs.phases] == [(p.name, p.laue) for p in scan.phases]


def test_frame_is_chosen_by_name_and_default_is_warned_of(file):
    lines = [line for line in file.read_text().splitlines() if "polyrve frame" not in line]
    file.write_text("\n".join(lines) + "\n")
    errors, warned = execute("ReadEBSDFilter", nx.DataStructure(), file=file)
    assert errors == []
    assert any("edax-2" in text for text in warned)
    read = {}
    for frame in ("edax-2", "edax-4"):
        found = nx.DataStructure()
        assert execute("ReadEBSDFilter", found, file=file, frame=structure.FRAMES.index(frame)) == ([], [])
        read[frame] = np.array(found["EBSD/Cell Data/EulerAngles"].npview())
    assert np.abs(read["edax-2"] - read["edax-4"]).max() > 0.1


def test_volume_in_the_data_structure(grown):
    shape = (8, 9, 10)
    ids = grown[f"{VOLUME}/Cell Data/FeatureIds"].npview()
    quats = grown[f"{VOLUME}/Cell Data/Quats"].npview()
    assert ids.shape == (*shape, 1)
    np.testing.assert_allclose(np.linalg.norm(quats, axis=-1), 1.0, atol=1e-6)
    assert tuple(grown[VOLUME].dimensions) == shape[::-1]
    rows = grown[f"{VOLUME}/Cell Feature Data/AvgQuats"].npview()
    assert len(rows) == ids.max() + 1
    assert tuple(grown[f"{VOLUME}/Cell Feature Data"].tuple_shape) == (len(rows),)
    assert grown[f"{VOLUME}/Cell Ensemble Data/PhaseName"][0] == "Invalid Phase"
    assert grown[f"{VOLUME}/Cell Data/IPFColors"].npview().any()


@pytest.mark.skipif(not REAL, reason="simplnx is played")
def test_written_by_simplnx_and_read_by_polyrve(grown, tmp_path):
    path = tmp_path / "by_simplnx.dream3d"
    result = nx.WriteDREAM3DFilter.execute(data_structure=grown, export_file_path=path, write_xdmf_file=False)
    assert not result.errors
    grains = dream3d.read_grains(path, geometry=VOLUME)
    assert grains.field.shape == (8, 9, 10)
    assert grains.field.periodic
    assert grains.number_of_grains == grown[f"{VOLUME}/Cell Data/FeatureIds"].npview().max()
    assert grains.field.provenance["status"] == "played"


def test_downstream_filters(grown, tmp_path):
    args = volume_args()
    errors, _ = execute("WriteDAMASKFilesFilter", grown, folder=tmp_path / "job", fill=True, **args)
    assert errors == []
    assert {path.name for path in (tmp_path / "job").iterdir()} == {
        "grid.vti", "material.yaml", "load.yaml", "numerics.yaml",
    }  # fmt: skip
    errors, _ = execute(
        "WriteOrientationVolumeFilter", grown, file=tmp_path / "old.dream3d", options="version=7.0", **args
    )
    assert errors == []
    assert dream3d.read(tmp_path / "old.dream3d").shape == (8, 9, 10)
    errors, _ = execute(
        "ValidateOrientationVolumeFilter", grown, write_report=False, windows=6, **args, **field_args("z_", "EBSD")
    )
    assert errors == []
    table = grown[f"{VOLUME}/Validation"]
    names = list(grown[f"{VOLUME}/Validation/Metric"])
    assert len(names) == table.tuple_shape[0] > 10
    assert set(grown[f"{VOLUME}/Validation/VerdictNumber"].npview().ravel()) <= {0, 1, 2}
    verdicts = np.array(list(grown[f"{VOLUME}/Validation/Verdict"]))
    assert not grown[f"{VOLUME}/Validation/Decisive"].npview().ravel()[verdicts == "not compared"].any()
    values = grown[f"{VOLUME}/Validation/Value"].npview().ravel()
    assert np.isfinite(values).sum() > 5


def test_response_bounds_are_those_of_the_command_line(grown):
    import polyrve
    from polyrve.filters import structure as of_filters

    args = volume_args() | {"definitions": "Al"}
    errors, _ = execute("ComputeResponseBoundsFilter", grown, **args)
    assert errors == []
    table = f"{VOLUME}/ResponseBounds"
    assert list(grown[f"{table}/Axis"]) == ["x", "y", "z"]
    expected = polyrve.bounds(
        of_filters.read_grains(grown, args | {"use_feature_ids": True, "drop_phase": "", "threshold": 5.0}), "Al"
    )
    for name, values in (("Voigt", expected.voigt), ("Hill", expected.hill), ("TaylorFactor", expected.taylor)):
        np.testing.assert_allclose(grown[f"{table}/{name}"].npview().ravel(), values, rtol=1e-6)
    errors, _ = execute(
        "ComputeResponseBoundsFilter", grown, **volume_args(), definitions="Unobtainium", output_matrix="B"
    )
    assert errors
    assert errors[0][0] == -86601


def test_a_folder_is_written_again(grown, tmp_path):
    args = volume_args() | {"format": "damask", "options": "fill=true"}
    for force in (False, True):
        more = {"to_folder": True, "folder": tmp_path / "job", "force": force}
        assert execute("WriteOrientationVolumeFilter", grown, **args, **more)[0] == []
    assert (tmp_path / "job" / "grid.vti").stat().st_size > 0
    for wrong, code, words in (
        ({"file": tmp_path / "job", "force": True}, -8, "is a directory"),
        ({"to_folder": True, "folder": tmp_path / "job"}, -86402, "exists already"),
        ({"to_folder": True, "folder": tmp_path / "job" / "grid.vti", "force": True}, -86402, "it is a file"),
        ({"to_folder": True, "folder": tmp_path / "a", "format": "vti", "options": ""}, -86401, "one that is a folder"),
    ):
        ((found, text),) = execute("WriteOrientationVolumeFilter", grown, **args | wrong)[0]
        assert (found, words in text) == (code, True), text


def test_a_frame_on_top_of_the_one_that_polyrve_applied_is_warned_of(grown):
    """The same one is not applied again; at preflight of a pipeline nobody knows which it was."""
    args = field_args("z_", "EBSD") | volume_args() | {"write_report": False, "windows": 6, "use_feature_ids": True}
    for frame, words in (
        ("as it is", None),
        ("none", None),
        ("edax-2", None),
        ("edax-4", "'edax-4' is applied on top"),
    ):
        more = {"frame": structure.FRAMES.index(frame), "output_matrix": f"In {frame}"}
        errors, warned = execute("ValidateOrientationVolumeFilter", grown, **args, **more)
        assert errors == []
        assert len(warned) == (words is not None)
        assert all(words in text and "from frame 'edax-2' into its own" in text for text in warned)
    values = [np.array(grown[f"{VOLUME}/In {frame}/Value"].npview()) for frame in ("as it is", "edax-2", "edax-4")]
    np.testing.assert_array_equal(values[0], values[1])
    assert np.nanmax(np.abs(values[0] - values[2])) > 1e-3


def test_preflight_is_instant_and_says_what_it_will_cost(data):
    args = field_args("z_", "EBSD") | {"shape": [64, 64, 64]}
    before = "tensorflow" in sys.modules
    result = named("ReconstructOrientationVolumeFilter").preflight2(data, **args)
    assert result.get_result() == []
    values = {item.name: item.value for item in result.output_values}
    assert "GiB" in values["Memory (forecast)"]
    assert "about" in values["Time (rough forecast)"]
    assert values["Volume"].startswith("64 x 64 x 64 voxels of 1 x 1 x 1 um")
    assert ("tensorflow" in sys.modules) == before


@pytest.mark.parametrize(
    ("name", "args", "code", "words"),
    [
        ("ReadEBSDFilter", {"file": "nowhere.ang"}, -2, "does not exist"),
        ("ReadEBSDFilter", {"file": __file__}, -86102, "expected a file name that ends in"),
        ("ReconstructOrientationVolumeFilter", {"shape": [4, 4, 4]}, -86201, "at least 8 voxels"),
        ("ReconstructOrientationVolumeFilter", {"shape": [4000, 4000, 4000]}, -86203, "free memory"),
        ("ReconstructOrientationVolumeFilter", {"engine": 1, "python": "/no/python"}, -86202, "no such program"),
        ("ReconstructOrientationVolumeFilter", {"threshold": 0.0}, -86201, "threshold"),
        ("ReconstructOrientationVolumeFilter", {"smallest": 0}, -86201, "smallest grain"),
        ("WriteDAMASKFilesFilter", {"folder": __file__ + ".d", "rate": -1.0}, -86301, "positive strain, rate"),
        ("WriteDAMASKFilesFilter", {"folder": Path(__file__).parent}, -86302, "holds files already"),
        ("WriteDAMASKFilesFilter", {"folder": Path(__file__, "below")}, -86302, "cannot be written"),
        ("WriteOrientationVolumeFilter", {"file": Path(__file__, "below.vti")}, -86402, "cannot be written"),
        ("WriteOrientationVolumeFilter", {"file": "rve.unknown"}, -86402, "expected a file name that ends in"),
        ("WriteOrientationVolumeFilter", {"file": "a.vti", "options": "colour=red"}, -86401, "got 'colour'"),
        ("WriteOrientationVolumeFilter", {"file": __file__, "format": "vti"}, -86402, "exists already"),
        ("ValidateOrientationVolumeFilter", {"windows": 0, "write_report": False}, -86501, "windows"),
    ],
)
def test_wrong_arguments_are_refused_at_preflight(name, args, code, words, grown):
    if name != "ReadEBSDFilter":
        args = field_args("z_", "EBSD") | args
    if name not in ("ReadEBSDFilter", "ReconstructOrientationVolumeFilter"):
        args = volume_args() | args
    args["output_geometry"] = nx.DataPath("Another")
    errors, _ = execute(name, grown, **args)
    assert [found for found, _ in errors] == [code], errors
    assert words in errors[0][1]


def test_wrong_arrays_are_refused(grown):
    args = field_args("z_", "EBSD") | {"output_geometry": nx.DataPath("Another")}
    missing = args | {"z_phases": nx.DataPath("EBSD/Cell Data/Nothing")}
    errors, _ = execute("ReconstructOrientationVolumeFilter", grown, **missing)
    assert len(errors) == 1
    assert "Object does not exist at path 'EBSD/Cell Data/Nothing'" in errors[0][1]
    other = args | {"z_phases": nx.DataPath(f"{VOLUME}/Cell Data/Phases")}
    errors, _ = execute("ReconstructOrientationVolumeFilter", grown, **other)
    assert errors[0][0] == -86201
    assert "expected the 44 x 40 x 1 cells" in errors[0][1]
    errors, _ = execute("ReconstructOrientationVolumeFilter", grown, **(args | field_args("z_", VOLUME)))
    assert errors[0][0] == -86201
    assert "one layer along z" in errors[0][1]
    errors, _ = execute("ReconstructOrientationVolumeFilter", grown, **args, use_z_map=False)
    assert errors[0][0] == -86201
    assert "got none" in errors[0][1]
    for key in ("z_phases", "z_crystal_structures"):
        texts = args | {key: nx.DataPath("EBSD/Cell Ensemble Data/PhaseName")}
        ((code, text),) = execute("ReconstructOrientationVolumeFilter", grown, **texts)[0]
        assert (code, "expected an array of numbers; got a StringArray" in text) == (-86201, True), text
    ((code, text),) = execute("ReconstructOrientationVolumeFilter", grown, **args, drop_phase="Nothing")[0]
    assert (code, "phase to be dropped: expected one of " in text) == (-86201, True), text
    assert not grown.exists("Another")
    structures = grown["EBSD/Cell Ensemble Data/CrystalStructures"].npview()
    structures[1] = 77
    errors, _ = execute("ReconstructOrientationVolumeFilter", grown, **args)
    structures[1] = 1
    assert errors[0][0] == -86201
    assert "crystal structure of phase 1" in errors[0][1]


def test_failure_of_the_other_python_has_its_own_code(data, play):
    python = str(play('print("polyrve: no luck", file=sys.stderr); sys.exit(2)'))
    errors, _ = execute("ReconstructOrientationVolumeFilter", data, **field_args("z_", "EBSD"), engine=1, python=python)
    assert [code for code, _ in errors] == [-86205]
    assert errors[0][1].endswith("exit code 2: no luck")


class Flag:
    """Stands for simplnx's should_cancel: set once an iteration has been shown."""

    def __init__(self):
        self.messages = []

    def __bool__(self):
        shown = [message.message for message in self.messages if message.message.startswith("iteration")]
        return any(not message.startswith("iteration 0/") for message in shown)


def test_cancel_returns_the_best_state_of_the_engine_in_this_process(grown, tmp_path):
    """A run of thousands of iterations that is cancelled after the first."""
    args = field_args("z_", "EBSD") | {"shape": [10, 9, 8], "iterations": 5000, "tolerance": 0.0}
    args |= {"save": True, "file": tmp_path / "best.dream3d", "start": 3, "sharpen": False, "set_window": True}
    args |= {"window": 3, "weights": "two_point=0.1, disorientation=0, variogram=0, texture=0"}
    flag = Flag()
    grown[f"{VOLUME}/Cell Data/Quats"].npview()[...] = 0.0
    args = completed("ReconstructOrientationVolumeFilter", args, tmp_path)
    result = ReconstructOrientationVolumeFilter().execute_impl(grown, args, flag.messages.append, flag)
    assert result.valid(), result.errors
    iterations = [item.message for item in flag.messages if item.message.startswith("iteration")]
    assert len(iterations) <= 3
    norm = np.linalg.norm(grown[f"{VOLUME}/Cell Data/Quats"].npview(), axis=-1)
    np.testing.assert_allclose(norm, 1.0, atol=1e-6)
    saved = dream3d.read_grains(tmp_path / "best.dream3d")
    assert saved.field.provenance["status"].startswith("Stopped by the callback")


@pytest.mark.parametrize("path", sorted(PIPELINES.glob("*.d3dpipeline")), ids=lambda path: path.stem)
def test_example_pipelines_name_parameters_that_exist(path):
    if not REAL:
        pytest.skip("simplnx is played")
    loaded = nx.Pipeline.from_file(path)
    for i, item in enumerate(json.loads(path.read_text())["pipeline"]):
        assert set(item["args"]) - {"parameters_version"} <= set(loaded[i].get_args())
        for argument in item["args"].values():
            value = argument["value"] if isinstance(argument, dict) else argument
            assert not (isinstance(value, str) and Path(value).is_absolute())


def test_example_pipelines_run(file, play, tmp_path, monkeypatch):
    pytest.importorskip("orientationanalysis")
    monkeypatch.chdir(tmp_path)
    python = str(play("volume()"))
    for name in ("ebsd_to_damask", "dream3d_nx_reads_ang", "from_dream3d"):
        pipeline = nx.Pipeline.from_file(PIPELINES / f"{name}.d3dpipeline")
        for i in range(len(pipeline)):
            small = {"ReconstructOrientationVolumeFilter": {"shape": [10, 9, 8], "engine": 1, "python": python},
                     "WriteDAMASKFilesFilter": {"fill": True},
                     "ValidateOrientationVolumeFilter": {"windows": 6}}.get(pipeline[i].name(), {})  # fmt: skip
            pipeline[i].set_args(pipeline[i].get_args() | small)
        result = pipeline.execute(nx.DataStructure())
        assert result.valid(), result.errors
    assert dream3d.read_grains("rve.dream3d", geometry=VOLUME).field.shape == (8, 9, 10)
    for made in ("damask/grid.vti", "damask/material.yaml", "rve.vti", "report.html", "validated.dream3d"):
        assert (tmp_path / made).stat().st_size > 0
