import re
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.cli import messages
from polyrve.crystallography import rotation
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def truth():
    return make_specimen((6, 20, 24), grain_size=6.0, seed=1)


@pytest.fixture
def scan(tmp_path, truth):
    path = tmp_path / "scan.ang"
    registry.write(simulate_scan(truth, 0, 2), path)
    return path


@pytest.fixture
def volume(tmp_path, truth):
    path = tmp_path / "rve.dream3d"
    registry.write(truth, path)
    return path


def refused(result):
    """The one sentence of a refusal."""
    code, _, err = result
    assert code == 2, result
    sentences = [line for line in err.splitlines() if not line.startswith("polyrve: warning:")]
    assert len(sentences) == 1, err
    assert sentences[0].startswith("polyrve: ")
    assert "Traceback" not in err
    return sentences[0]


def test_version(run):
    assert run("--version")[:2] == (0, f"{polyrve.__version__}\n")


def test_info_names_shape_frame_phase_and_what_looks_wrong(run, scan):
    code, out, err = run("info", scan)
    assert code == 0
    assert err == ""
    assert "20 x 24 (ny, nx), 480 points" in out
    assert "Aluminium, Laue group m-3m" in out
    assert "none (file)" in out
    assert "looks wrong: " in out
    assert "edax-3 (user)" in run("info", scan, "--frame", "edax-3")[1]


def test_info_draws_where_it_is_told_and_looks_first_whether_it_may(run, scan, tmp_path):
    picture = tmp_path / "check.png"
    code, out, err = run("info", scan, "--plot", picture)
    assert code == 0, err
    assert out.endswith(f"drawn: {picture}\n")
    missing = tmp_path / "missing.ang"
    assert "check.png: exists already" in refused(run("info", missing, "--plot", picture))
    for name, got in (("check.xyz", ".xyz"), ("check", "no suffix")):
        said = refused(run("info", missing, "--plot", tmp_path / name))
        assert "ends in .png" in said
        assert said.endswith(f"got {got}")
    bare = registry.read(scan)
    registry.write(bare.evolve(phase_ids=np.zeros(bare.shape)), tmp_path / "bare.ang")
    assert "none.png: nothing to draw" in refused(run("info", tmp_path / "bare.ang", "--plot", tmp_path / "none.png"))


def test_help_says_what_is_there(run):
    from polyrve.crystallography.reference_frames import PRESETS

    for command in ("info", "convert", "reconstruct", "validate"):
        shown = re.sub(r"-\n +", "-", run(command, "--help")[1])
        assert all(name in shown for name in PRESETS), command
    assert "Dask" in run("reconstruct", "--help")[1]
    assert "..." not in run("--help")[1].split("Commands")[1]


@pytest.mark.parametrize(("words", "sentence"), [
    (["reconstruct", "a.ang", "--shape", 24, 24, "-o", "b.dream3d"], "'-o'"),
    (["reconstruct", "a.ang", "-o", "b.dream3d", "--shape", 24, 24], "'--shape' requires 3 arguments"),
    (["info", "a.ang", "--threshold", "wide"], "'wide'"),
    (["convert", "a.ang", "-o", "b.ctf"], "convert SOURCE TARGET"),
    (["infos"], "id you mean 'info'?"),
    (["validat", "a.dream3d"], "id you mean 'validate'?"),
])  # fmt: skip
def test_wrong_words_are_named_and_the_help_with_them(run, words, sentence):
    said = refused(run(*words))
    assert sentence in said
    assert "--help shows how" in said


def test_formats_lists_every_format_and_the_options_of_one(run):
    code, out, _ = run("formats")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [row.name for row in registry.formats()]
    code, out, _ = run("formats", "damask")
    assert "  by='grain'\n      One material per grain with its mean orientation, or one per voxel" in out
    assert "--set NAME=VALUE" in out
    assert "`" not in out
    assert "fortran" in refused(run("formats", "fortran"))
    assert refused(run("formats", "damsk")).endswith("got 'damsk': did you mean 'damask'?")


def test_convert_keeps_the_orientations(run, scan, tmp_path):
    target = tmp_path / "scan.dream3d"
    assert run("convert", scan, target, "--frame", "none")[0] == 0
    a, b = registry.read(scan, frame="none"), registry.read(target)
    assert a.shape == b.shape == (20, 24)
    np.testing.assert_array_equal(a.indexed, b.indexed)
    angle = rotation.disorientation_angle(a.quaternions, b.quaternions, a.phases[0].symmetry)
    assert angle.max() < 1e-6


def test_export_takes_the_grains_of_the_file(run, volume, truth, tmp_path):
    code, out, err = run("export", volume, tmp_path / "job", "--to", "damask", "--set", "mirror=x")
    assert code == 0, err
    assert "damask, 12 x 20 x 24 voxels of 6 x 20 x 24 in the source" not in out
    assert "damask, 6 x 20 x 48 voxels of 6 x 20 x 24 in the source" in out
    assert f"{truth.number_of_grains} grains" in out
    assert (tmp_path / "job" / "material.yaml").exists()


@pytest.mark.parametrize("case", ["skipping", "without feature data"])
def test_export_takes_feature_ids_that_have_no_feature_data(run, volume, truth, tmp_path, case):
    import h5py

    with h5py.File(volume, "r+") as file:
        container = file["DataStructure/DataContainer"]
        if case == "skipping":
            ids = container["CellData/FeatureIds"]
            ids[...] = np.where(ids[()] == 2, truth.number_of_grains + 3, ids[()])
        else:
            del container["CellFeatureData"]
    code, out, err = run("export", volume, tmp_path / "job", "--to", "damask", "--threshold", "60")
    assert code == 0
    assert "are found anew" not in err
    assert "--threshold 60: not used" in err
    assert f"{truth.number_of_grains} grains" in out


def test_export_finds_grains_anew_where_a_feature_has_several_phases(run, tmp_path):
    from polyrve.crystallography.phase import Phase

    phases = (Phase("a", "m-3m"), Phase("b", "6/mmm"))
    rve = make_specimen((4, 10, 12), grain_size=5.0, seed=2, phases=phases, phase_fractions=(0.5, 0.5))
    ids = np.ones(rve.field.shape, dtype=np.int32)
    registry.write(rve.field.evolve(properties={"FeatureIds": ids}), tmp_path / "mixed.dream3d")
    code, _, err = run("export", tmp_path / "mixed.dream3d", tmp_path / "rve.vti")
    assert code == 0
    assert "grains are found anew: FeatureIds: expected one phase per grain" in err


def test_export_finds_grains_where_there_are_none(run, truth, tmp_path):
    registry.write(truth.field, tmp_path / "bare.dream3d")
    code, _, err = run("export", tmp_path / "bare.dream3d", tmp_path / "rve.vti", "--threshold", "3")
    assert code == 0, err
    assert (tmp_path / "rve.vti").exists()


def test_export_passes_options_on(run, volume, tmp_path):
    assert run("export", volume, tmp_path / "job", "--to", "damask", "--set", "by=voxel")[0] == 0
    assert (tmp_path / "job" / "material.yaml").read_text().count(" O: [") == 6 * 20 * 24
    assert "colour" in refused(run("export", volume, tmp_path / "other", "--to", "damask", "--set", "colour=red"))
    assert "name=value" in refused(run("export", volume, tmp_path / "other", "--to", "damask", "--set", "colour"))
    assert not (tmp_path / "other").exists()


def test_export_says_what_is_written_and_how_it_is_run(run, volume, tmp_path):
    code, out, err = run(
        "export", volume, tmp_path / "job", "--to", "damask", "--set", "resolution=5,10,12", "--min-grain", 2,
        "--set", "load=tension,cyclic",
    )  # fmt: skip
    assert code == 0, err
    assert out.startswith(f"{tmp_path / 'job'}: damask, 5 x 10 x 12 voxels of 6 x 20 x 24 in the source, ")
    assert f"cd {tmp_path / 'job'} && OMP_NUM_THREADS=" in out
    assert "DAMASK_grid --load load.yaml --geom grid.vti --material material.yaml --numerics numerics.yaml" in out
    for named in ("load.yaml", "grid.vti", "material.yaml", "numerics.yaml", "load_cyclic.yaml"):
        assert (tmp_path / "job" / named).exists()
    assert "DAMASK" not in run("export", volume, tmp_path / "rve.vti")[1]


@pytest.mark.parametrize(("asked", "shape"), [("12", (3, 10, 12)), ("3,10,6", (3, 10, 6)), ("48", (12, 40, 48))])
def test_export_at_another_resolution(run, volume, tmp_path, asked, shape):
    code, out, err = run("export", volume, tmp_path / "coarse.dream3d", "--resolution", asked)
    assert code == 0, err
    assert "voxels of 6 x 20 x 24 in the source" in out
    whole, written = registry.read(volume), polyrve.read_grains(tmp_path / "coarse.dream3d")
    assert written.field.shape == shape
    assert [n * s for n, s in zip(shape, written.field.spacing, strict=True)] == pytest.approx(
        [n * s for n, s in zip(whole.shape, whole.spacing, strict=True)]
    )
    own = {tuple(q) for q in np.round(whole.quaternions.reshape(-1, 4), 5)}
    assert all(tuple(q) in own for q in np.round(written.field.quaternions.reshape(-1, 4), 5))


@pytest.mark.parametrize("asked", ["0", "many", "4,5", "4,5,-6"])
def test_export_at_a_resolution_that_cannot_be(run, volume, tmp_path, asked):
    assert "--resolution: expected a number of voxels" in refused(
        run("export", volume, tmp_path / "rve.vti", "--resolution", asked)
    )


def test_export_gives_small_grains_to_their_neighbours(run, volume, tmp_path):
    import damask

    for name, more in (("all", ()), ("large", ("--min-grain", 40))):
        code, _, err = run("export", volume, tmp_path / name, "--to", "damask", *more)
        assert code == 0, err
    sizes = {
        name: np.bincount(damask.GeomGrid.load(tmp_path / name / "grid.vti").material.ravel())
        for name in ("all", "large")
    }
    assert sizes["all"].min() < 40 <= sizes["large"].min()


def test_a_volume_in_a_format_of_maps_is_told_how_to_take_a_section(run, volume, tmp_path):
    for command in ("convert", "export"):
        target = tmp_path / f"{command}.ang"
        assert "--set section=z:3 takes that layer" in refused(run(command, volume, target))
        assert run(command, volume, target, "--set", "section=z:3")[0] == 0
        assert registry.read(target).shape == (20, 24)


def test_export_reads_a_map_in_the_frame_asked_for(run, scan, tmp_path):
    given = ["export", scan, tmp_path / "rve.dream3d", "--set", "xdmf=false"]
    code, _, err = run(*given, "--frame", "edax-3")
    assert code == 0, err
    assert registry.read(tmp_path / "rve.dream3d").frame.name == "edax-3"


def test_phase_needs_a_format_that_has_definitions(run, volume, tmp_path):
    assert "--phase: expected a format with" in refused(run("export", volume, tmp_path / "a.vti", "--phase", "Al"))


def test_export_takes_false_for_false(run, volume, tmp_path):
    import h5py

    assert run("export", volume, tmp_path / "plain.dream3d", "--set", "compress=False")[0] == 0
    with h5py.File(tmp_path / "plain.dream3d") as file:
        assert file["DataStructure/DataContainer/CellData/Quats"].compression is None


@pytest.mark.parametrize(("target", "option", "words"), [
    ("job", "strain=a", "option strain"), ("job", "rate=x", "option rate"), ("job", "columns=two", "option columns"),
    ("job", "columns=2.5", "option columns"), ("job", "resolution=5", "option resolution"), ("job", "axes=1", "axes"),
    ("job", "buffer=x", "option buffer"), ("job", "mirror=1", "mirror: expected axes"), ("job", "load=3", "load: "),
    ("job", "load=[]", "load: expected one or more of tension"), ("a.vtp", "smooth=abc", "option smooth"),
    ("a.ang", "section=3", "section: "), ("a.vti", "direction=[0,0,0]", "direction: expected three numbers"),
    ("a.vti", "direction=[1,0]", "direction: expected three numbers"),
])  # fmt: skip
def test_export_refuses_options_of_another_type(run, volume, tmp_path, target, option, words):
    target = tmp_path / target
    to = ("--to", "damask") if not target.suffix else ()
    assert words in refused(run("export", volume, target, *to, "--set", option))
    assert not target.exists()


@pytest.fixture
def two_volumes(volume):
    """A file with another, smaller geometry beside the first."""
    import h5py

    with h5py.File(volume, "r+") as file:
        first = file["DataStructure/DataContainer"]
        file.copy(first, "DataStructure/Small")
        small = file["DataStructure/Small"]
        small.attrs["_DIMENSIONS"] = np.array([5, 20, 6], dtype=np.uint64)
        for name, item in list(small["CellData"].items()):
            cropped, attributes = item[:, :, :5], dict(item.attrs)
            del small["CellData"][name]
            small["CellData"][name] = cropped
            small[f"CellData/{name}"].attrs.update(attributes)
    return volume


def test_one_of_several_geometries_is_named_by_read(run, two_volumes, tmp_path):
    assert "name one by the option geometry" in refused(run("info", two_volumes))
    assert "6 x 20 x 5" in run("info", two_volumes, "--read", "geometry=Small")[1]
    code, out, err = run("convert", two_volumes, tmp_path / "a.dream3d", "--read", "geometry=Small")
    assert (code, out) == (0, f"{tmp_path / 'a.dream3d'}: dream3d, from 6 x 20 x 5 points\n"), err
    code, out, err = run("export", two_volumes, tmp_path / "a.vti", "--read", "geometry=DataContainer")
    assert code == 0, err
    assert "vti, 6 x 20 x 24 voxels, " in out
    assert "option volume" in refused(run("info", two_volumes, "--read", "volume=perhaps"))
    assert "--read: expected name=value" in refused(run("info", two_volumes, "--read", "geometry"))
    assert "got 'colour'" in refused(run("reconstruct", two_volumes, "--read", "colour=1", "--shape", 8, 8, 8,
                                         "-o", tmp_path / "b.dream3d"))  # fmt: skip


def test_laue_group_of_the_maps_is_set_by_read(run, scan, volume, tmp_path):
    import h5py

    registry.write(registry.read(scan), tmp_path / "map.dream3d")
    with h5py.File(tmp_path / "map.dream3d", "r+") as file:
        del file["DataStructure/DataContainer/CellEnsembleData"]
    said = run("validate", volume, "--against", tmp_path / "map.dream3d", "--read", "laue=6/mmm")
    assert "6/mmm" in refused(said)


def truncated(tmp_path, scan, volume):
    path = tmp_path / "short.ang"
    path.write_bytes(scan.read_bytes()[: scan.stat().st_size * 2 // 3])
    return path


def empty(tmp_path, scan, volume):
    path = tmp_path / "empty.ang"
    path.touch()
    return path


def without_orientations(tmp_path, scan, volume):
    import h5py

    path = tmp_path / "bare.dream3d"
    path.write_bytes(volume.read_bytes())

    def strip(name, item):
        if isinstance(item, h5py.Group):
            for key in list(item):
                if key.startswith(("Quats", "Euler", "AvgQuats", "AvgEuler")):
                    del item[key]

    with h5py.File(path, "a") as file:
        file.visititems(strip)
    return path


def cut_hdf5(tmp_path, scan, volume):
    path = tmp_path / "cut.dream3d"
    path.write_bytes(volume.read_bytes()[:3000])
    return path


def missing(tmp_path, scan, volume):
    return tmp_path / "missing.ang"


def unknown_suffix(tmp_path, scan, volume):
    path = tmp_path / "scan.xyz"
    path.write_bytes(scan.read_bytes())
    return path


def folder(tmp_path, scan, volume):
    return tmp_path


def noise(tmp_path, scan, volume):
    path = tmp_path / "noise.ang"
    path.write_bytes(np.random.default_rng(0).bytes(2000))
    return path


BAD_FILES = [
    (missing, "no such file"),
    (empty, "empty"),
    (truncated, "expected"),
    (unknown_suffix, ".xyz"),
    (folder, "folder"),
    (noise, "expected"),
    (without_orientations, "orientations"),
    (cut_hdf5, "cut.dream3d"),
]


@pytest.mark.parametrize(("make", "message"), BAD_FILES, ids=[make.__name__ for make, _ in BAD_FILES])
@pytest.mark.parametrize("command", ["info", "convert", "export", "reconstruct"])
def test_bad_files_are_refused_in_one_sentence(run, command, make, message, scan, volume, tmp_path):
    path = make(tmp_path, scan, volume)
    target = tmp_path / "out" / "target.dream3d"
    arguments = {
        "info": [path],
        "convert": [path, target],
        "export": [path, target],
        "reconstruct": [path, "--shape", 8, 8, 8, "-o", target],
    }[command]
    assert message in refused(run(command, *arguments))
    assert not target.parent.exists()


@pytest.mark.parametrize("command", ["convert", "export", "reconstruct"])
@pytest.mark.parametrize(
    ("target", "message"),
    [("there.dream3d", "--force"), ("a.xyz", ".xyz"), ("a.h5oina", "read, not written"), ("file/a.dream3d", "file")],
)
def test_bad_targets_are_refused_before_anything_is_read(run, command, target, message, tmp_path):
    (tmp_path / "there.dream3d").write_text("keep me")
    (tmp_path / "file").write_text("not a folder")
    before = sorted(tmp_path.rglob("*"))
    missing_source = tmp_path / "missing.dream3d"
    arguments = [missing_source, tmp_path / target]
    if command == "reconstruct":
        arguments = [missing_source, "--shape", 8, 8, 8, "-o", tmp_path / target]
    assert message in refused(run(command, *arguments))
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "there.dream3d").read_text() == "keep me"


def test_a_target_that_names_no_format_is_told_which_there_are(run, volume, tmp_path):
    said = refused(run("export", volume, tmp_path / "job"))
    assert ".h5oina" not in said
    assert "--to (format=) names one of folders, damask, " in said
    assert "--to" not in refused(run("export", volume, tmp_path / "a.xyz"))
    said = refused(run("reconstruct", volume, "--shape", 8, 8, 8, "-o", tmp_path / "job"))
    assert "usually a .dream3d" in said
    assert "--to" not in said


def test_a_dream3d_file_is_read_once_for_its_grains(run, volume, tmp_path, monkeypatch):
    from polyrve.adapters.volumes import dream3d

    reads, read = [], dream3d._read_field
    monkeypatch.setattr(dream3d, "_read_field", lambda *given, **more: reads.append(1) or read(*given, **more))
    assert run("export", volume, tmp_path / "rve.tesr")[0] == 0
    assert len(reads) == 1


def test_force_replaces(run, scan, tmp_path):
    target = tmp_path / "scan.ctf"
    assert run("convert", scan, target)[0] == 0
    refused(run("convert", scan, target))
    assert run("convert", scan, target, "--force")[0] == 0


def test_unknown_frame_is_refused(run, scan):
    said = refused(run("info", scan, "--frame", "edax2"))
    assert said.startswith("polyrve: --frame: expected one of none, edax-1, ")
    assert said.endswith("got 'edax2': did you mean 'edax-2'?")


def test_a_fault_of_polyrve_is_one_sentence_too(run, scan, monkeypatch):
    def broken(*_, **__):
        raise KeyError("surprise")

    monkeypatch.setattr(registry, "read", broken)
    code, _, err = run("info", scan)
    assert code == 1
    assert sum(line.startswith("polyrve: ") for line in err.splitlines()) == 1
    assert "please report" in err


@pytest.mark.skipif(not DATA.exists(), reason="the data of other projects lie outside this repository")
@pytest.mark.parametrize(
    ("name", "shape"),
    [("ebsd_316L_500x500.ang", "169 x 169"), ("twins.ctf", "137 x 167"), ("small_in100_slice_v7.dream3d", "101 x 201")],
)
def test_info_on_real_files(run, name, shape):
    code, out, _ = run("info", DATA / name)
    assert code == 0
    assert shape in out


@pytest.mark.parametrize(
    ("error", "text", "code"),
    [
        (SystemError("error return without exception set"), "not enough memory: choose a smaller shape", 2),
        (RuntimeError("can't start new thread"), "not enough memory: choose a smaller shape", 2),
        (RuntimeError("something else"), "this is a fault of polyrve, please report it: RuntimeError: something", 1),
    ],
)
def test_no_memory_is_said_in_whatever_way_python_says_it(error, text, code):
    told = messages.told_of(error)
    assert told is not None
    assert told[0].startswith(text)
    assert told[1] == code
