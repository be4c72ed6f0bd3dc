"""The commands that run the engine."""

import inspect
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from polyrve.adapters import registry
from polyrve.adapters.volumes import dream3d
from polyrve.backend import quiet_import
from polyrve.cli import inputs, progress
from polyrve.cli.reconstruct import reconstruct
from polyrve.cli.validate import validate
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction import run as running
from polyrve.reconstruction.problem import Problem
from polyrve.settings import ReconstructionSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

QUICK = ("--set", "weights={two_point=1, texture=0, disorientation=0, variogram=0}", "--set", "sharpen=false")
DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def truth():
    return make_specimen((28, 30, 32), grain_size=6.0, seed=1)


@pytest.fixture
def scan(tmp_path, truth):
    path = tmp_path / "scan.ang"
    registry.write(simulate_scan(truth, 0, 2), path)
    return path


def same_orientations(first, second):
    """Tell whether two runs gave the same; to the bit they do where XLA compiles, as in the tests of reconstruction."""
    a, b = registry.read(first), registry.read(second)
    angle = rotation.disorientation_angle(a.quaternions, b.quaternions, a.phases[0].symmetry)
    return a.shape == b.shape and np.rad2deg(angle).max() < 0.1


def test_reconstruct_writes_a_segmented_volume_with_its_settings(run, scan, tmp_path):
    target = tmp_path / "new" / "rve.dream3d"
    code, out, err = run("reconstruct", scan, "--shape", 9, 10, 12, "-o", target, "--iterations", 3, "--seed", 5)
    assert code == 0, err
    assert "9 x 10 x 12 voxels" in out
    rve = dream3d.read_grains(target)
    assert rve.field.shape == (9, 10, 12)
    assert rve.field.spacing == (1.0, 1.0, 1.0)
    assert rve.field.periodic
    settings = rve.field.provenance["settings"]
    assert (settings["seed"], settings["iterations"], settings["shape"]) == (5, 3, [9, 10, 12])
    assert f"{rve.number_of_grains} grains" in out
    assert "iteration 3/3: loss" in err
    loss = rve.field.provenance["loss"]
    assert "shape: 9 x 10 x 12 voxels have room for about" in err
    assert f"loss {loss['minimised']:.3e} after 3 iterations, {loss['volume']:.3e} as written" in out
    assert not list(target.parent.glob("*checkpoint*"))


def test_progress_for_programs(run, scan, tmp_path):
    target = tmp_path / "rve.dream3d"
    arguments = ["reconstruct", scan, *QUICK, "--shape", "1", "12", "14", "-o", target, "--progress", "json"]
    code, out, err = run(*arguments, "--set", "initial=polycrystal", "--iterations", 3, "--min-grain", 4)
    assert (code, err) == (0, "")
    told = [json.loads(line) for line in out.splitlines()]
    assert {item["event"] for item in told} == {"step", "progress", "warning", "result"}
    stages = [*dict.fromkeys(item["stage"] for item in told if item["event"] == "step")]
    assert stages == ["reading", "preparing", "minimising", "segmenting", "writing"]
    iterations = [item for item in told if "iteration" in item]
    assert [*dict.fromkeys(item["iteration"] for item in iterations)] == [0, 1, 2, 3]
    assert all(sum(item["terms"].values()) == pytest.approx(item["loss"], rel=1e-5) for item in iterations)
    result = told[-1]
    rve = dream3d.read_grains(target)
    assert result["status"] == "ITERATIONS"
    assert result["text"] == rve.field.provenance["status"]
    assert (result["loss"], result["volume_loss"]) == tuple(rve.field.provenance["loss"].values())
    assert (result["output"], result["shape"], result["interrupted"]) == (str(target), [1, 12, 14], False)
    assert result["grains"] == rve.number_of_grains
    assert rve.field.provenance["segmentation"]["min_points"] == 4
    assert np.bincount(rve.grain_ids.ravel())[1:].min() >= 4
    code, out, err = run(*arguments)
    assert code == 2
    assert [json.loads(line) for line in out.splitlines()] == [
        {"event": "error", "text": err.removeprefix("polyrve: ").strip(), "code": 2}
    ]
    assert "exists already" in err


def test_a_volume_without_grains_so_large_is_written_all_the_same(run, scan, tmp_path):
    target = tmp_path / "rve.dream3d"
    arguments = ["reconstruct", scan, *QUICK, "--shape", 1, 12, 14, "-o", target, "--set", "initial=random"]
    code, _, err = run(*arguments, "--iterations", 0, "--min-grain", 169)
    assert code == 0, err
    assert "--min-grain 169: no grain is given to others" in err
    assert dream3d.read_grains(target).field.shape == (12, 14)


def test_force_keeps_the_state_of_a_run_until_maps_are_read(run, tmp_path):
    checkpoint = tmp_path / "rve.dream3d.checkpoint"
    checkpoint.write_bytes(b"state")
    code, _, err = run(
        "reconstruct", tmp_path / "no.ang", "--shape", 8, 8, 8, "-o", tmp_path / "rve.dream3d", "--force"
    )
    assert code == 2
    assert "no.ang: no such file" in err
    assert checkpoint.read_bytes() == b"state"


def test_same_seed_same_volume_and_the_command_line_wins_over_the_file(run, scan, tmp_path):
    config = tmp_path / "run.toml"
    config.write_text("shape = [1, 12, 14]\niterations = 2\nseed = 1\n")
    for name in "ab":
        arguments = ["reconstruct", scan, "--config", config, "-o", tmp_path / f"{name}.dream3d", "--seed", 7]
        code, _, err = run(*arguments, "--set", "initial=random", *QUICK)
        assert code == 0, err
    assert same_orientations(tmp_path / "a.dream3d", tmp_path / "b.dream3d")
    settings = registry.read(tmp_path / "a.dream3d").provenance["settings"]
    assert (settings["seed"], settings["initial"], settings["iterations"]) == (7, "random", 2)


def test_three_maps(run, truth, tmp_path):
    paths = []
    for axis in (2, 1, 0):
        paths.append(tmp_path / f"normal_{'zyx'[axis]}.ctf")
        registry.write(simulate_scan(truth, axis, 3), paths[-1])
    target = tmp_path / "rve.dream3d"
    code, _, err = run("reconstruct", *paths, "--shape", 8, 9, 10, "-o", target, "--iterations", 1, *QUICK)
    assert code == 0, err
    assert registry.read(target).shape == (8, 9, 10)
    code, _, err = run("reconstruct", *paths[:2], "--shape", 8, 9, 10, "-o", target, "--force")
    assert code == 2
    assert "three normal to x, y and z; got 2: --normals says" in err
    assert "warning" not in err
    two = ["reconstruct", paths[2], paths[0], "--shape", 8, 9, 10, "--iterations", 0, "--set", "initial=random", *QUICK]
    code, _, err = run(*two, "--normals", "zx", "-o", tmp_path / "two.dream3d")
    assert code == 0, err
    assert set(registry.read(tmp_path / "two.dream3d").provenance["maps"]) == {"z", "x"}
    code, _, err = run(*two, "--normals", "zz", "-o", tmp_path / "none.dream3d")
    assert code == 2
    assert "--normals: expected 2 different letters of xyz" in err


def test_one_longitudinal_section(run, tmp_path):
    made = make_specimen((1, 40, 48), grain_size=5.0, elongation=(1.0, 1.0, 2.5), seed=3)
    path, target = tmp_path / "long.ang", tmp_path / "rve.dream3d"
    registry.write(simulate_scan(made, 0, 0), path)
    short = [
        "reconstruct",
        path,
        "--shape",
        10,
        10,
        12,
        "--iterations",
        0,
        "-o",
        target,
        "--set",
        "initial=random",
        *QUICK,
    ]
    code, _, err = run(*short)
    assert code == 0, err
    assert "times as long along x as along y" in err
    code, _, err = run(*short, "--axisymmetric", "x", "--force")
    assert code == 0, err
    assert "as long along" not in err
    assert set(registry.read(target).provenance["maps"]) == {"z", "y"}
    code, out, err = run("validate", target, "--against", path, "--axis", "x")
    assert code == 0, err
    assert "metrics pass" in out
    assert "--axis: this name goes with the next release; use --axisymmetric" in err
    for wrong, got in (
        (["--axisymmetric", "z"], "got 'z'"),
        (["--axisymmetric", "x", "--normals", "z"], "got 1 map with --normals z"),
        (["--axisymmetric", "x", "--axis", "y"], "got 'x' and --axis 'y'"),
    ):
        code, _, err = run(*short, *wrong, "--force")
        assert code == 2
        assert "--axisymmetric: expected" in err
        assert got in err


def test_interrupted_run_is_written_and_resumed(run, scan, tmp_path, monkeypatch):
    target = tmp_path / "rve.dream3d"
    arguments = ["reconstruct", scan, *QUICK, "--shape", 1, 12, 14, "-o", target, "--iterations", 6]
    show = progress.Reporter.__call__

    def interrupt(self, record):
        show(self, record)
        if record.iteration == 3:
            raise KeyboardInterrupt

    arguments += ["--checkpoint-interval", 0]
    monkeypatch.setattr(progress.Reporter, "__call__", interrupt)
    code, out, err = run(*arguments)
    assert code == 130, err
    assert "best" in out
    assert registry.read(target).shape == (12, 14)
    checkpoint = tmp_path / "rve.dream3d.checkpoint"
    assert checkpoint.exists()
    monkeypatch.setattr(progress.Reporter, "__call__", show)

    code, _, err = run(*arguments, "--seed", 9, "--resume")
    assert code == 2
    assert "settings" in err
    target.unlink()
    target.with_suffix(".xdmf").unlink()
    code, _, err = run(*arguments)
    assert code == 2
    assert "--resume continues it" in err
    code, out, err = run(*arguments, "--resume")
    assert code == 0, err
    assert "after 6 iterations" in out
    assert not checkpoint.exists()

    straight = tmp_path / "straight.dream3d"
    assert run(*(straight if word == target else word for word in arguments))[0] == 0
    a, b = registry.read(target), registry.read(straight)
    angle = rotation.disorientation_angle(a.quaternions, b.quaternions, a.phases[0].symmetry)
    assert np.rad2deg(angle).max() < 0.1


def test_interrupted_while_the_start_is_put_together(run, scan, tmp_path, monkeypatch):
    target = tmp_path / "rve.dream3d"
    before = sorted(tmp_path.iterdir())

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    arguments = ["reconstruct", scan, *QUICK, "--shape", 1, 12, 14, "-o", target, "--iterations", 1]
    with monkeypatch.context() as patch:
        patch.setattr(Problem, "initial_field", interrupt)
        code, out, err = run(*arguments)
    assert (code, out) == (130, "")
    assert "making the initial field" in err.splitlines()
    assert err.splitlines()[-1] == "polyrve: interrupted before the first iteration: no volume is written"
    assert sorted(tmp_path.iterdir()) == before
    with monkeypatch.context() as patch:
        patch.setattr(running, "minimize", interrupt)
        code, out, err = run(*arguments)
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == (
        "polyrve: interrupted before the first iteration: no volume is written; --resume continues it"
    )
    assert run(*arguments, "--resume")[0] == 0


def test_interrupted_while_sharpening(run, scan, tmp_path, monkeypatch):
    target = tmp_path / "rve.dream3d"
    voxels = ("--set", "sharpen=true", "--set", "unknowns=voxels")
    arguments = ["reconstruct", scan, *QUICK, *voxels, "--shape", 1, 12, 14, "--iterations", 2]

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Problem, "sharpened", interrupt)
        code, out, err = run(*arguments, "-o", target)
    assert code == 130, err
    assert "sharpening" in err
    assert "Interrupted from the keyboard" in out
    blunt = registry.read(target)
    assert blunt.provenance["status"].startswith("Interrupted")
    code, _, err = run(*arguments, "-o", target, "--resume")
    assert code == 0, err
    assert "iteration" not in err
    assert not target.with_name("rve.dream3d.checkpoint").exists()
    straight = tmp_path / "straight.dream3d"
    assert run(*arguments, "-o", straight)[0] == 0
    assert same_orientations(target, straight)
    assert not np.array_equal(blunt.quaternions, registry.read(straight).quaternions)


def test_several_grids_bring_no_warning_of_tensorflow(run, scan, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(quiet_import, "load_tensorflow", lambda: None)
    arguments = ["reconstruct", scan, "--shape", 1, 32, 32, "-o", tmp_path / "rve.dream3d", "--iterations", 0]
    settings = ["levels=2", "initial=random", "sharpen=false", "largest_lag=2", QUICK[1]]
    with caplog.at_level("WARNING", logger="tensorflow"):
        code, _, err = run(*arguments, *(part for setting in settings for part in ("--set", setting)))
    assert code == 0, err
    told = [line.partition(":")[0].partition(",")[0] for line in err.splitlines()]
    quick = ("loading", "measuring", "separating", "compiling", "writing", "polyrve")
    assert [line for line in dict.fromkeys(told) if not line.startswith(quick)] == [
        "making the initial field", "initial field", "grid 1/2", "grid 2/2"
    ]  # fmt: skip
    assert caplog.text == ""


def test_resume_without_an_interrupted_run(run, scan, tmp_path):
    code, _, err = run("reconstruct", scan, "--shape", 8, 8, 8, "-o", tmp_path / "rve.dream3d", "--resume")
    assert code == 2
    assert "interrupted run" in err


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_keeps_the_best_state(scan, tmp_path):
    target = tmp_path / "rve.dream3d"
    command = [sys.executable, "-m", "polyrve", "reconstruct", scan, "--shape", "1", "12", "14", "-o", target]
    process = subprocess.Popen(
        [*map(str, command), "--iterations", "100000", "--set", "tolerance=0", *QUICK],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in process.stderr:
        if "iteration 0/" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Interrupted" in out
    assert registry.read(target).shape == (12, 14)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--shape"),
        (["--shape", 4, 4, 4], "at least 8"),
        (["--shape", 20000, 20000, 20000], "GiB"),
        (["--shape", 16, 16, 16, "--set", "colour=red"], "got 'colour'"),
        (["--shape", 16, 16, 16, "--set", "optimizer=newton"], "optimizer"),
        (["--shape", 16, 16, 16, "--set", "iterations=many"], "iterations"),
        (["--shape", 16, 16, 16, "--set", "largest_lag=40"], "largest_lag"),
        (["--shape", 16, 16, 16, "--spacing", -1, 1, 1], "spacing"),
        (["--shape", 16, 16, 16, "--spacing", 1e-6, 1e-6, 1e-6], "spacing: expected at least 0.1 along z"),
        (["--shape", 16, 16, 16, "--seed", -1], "seed"),
        (["--shape", 16, 16, 16, "--threshold", -5], "--threshold: expected degrees between 0 and 180; got -5"),
        (["--shape", 16, 16, 16, "--checkpoint-interval", -1], "--checkpoint-interval: expected seconds, 0 or more"),
        (["--shape", 16, 16, 16, "--progress", "xml"], "--progress: expected auto, lines or json; got 'xml'"),
        (["--shape", 16, 16, 16, "--set", "optimiser=adam"], "did you mean 'optimizer'?"),
        (["--set", "shape=16,16,4"], "shape: expected at least 8 voxels along each axis, or nz = 1; got (16, 16, 4)"),
        (["--config", "none.toml"], "none.toml: no such file"),
        (["--config", "."], "--config .: expected a TOML file, as polyrve settings prints; got a folder"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(run, scan, tmp_path, arguments, message):
    code, _, err = run("reconstruct", scan, "-o", tmp_path / "rve.dream3d", *arguments)
    assert code == 2
    said = [line for line in err.splitlines() if line.startswith("polyrve: ")]
    (sentence,) = [line for line in said if not line.startswith("polyrve: warning:")]
    assert message in sentence
    assert "Traceback" not in err
    assert not (tmp_path / "rve.dream3d").exists()


def test_a_target_that_cannot_hold_the_volume_is_refused_before_the_run(run, tmp_path):
    missing, target = tmp_path / "missing.ang", tmp_path / "rve.ang"
    code, _, err = run("reconstruct", missing, "--shape", 8, 9, 10, "-o", target)
    assert code == 2
    assert err == (
        f"polyrve: {target}: expected a file that holds a volume of 8 x 9 x 10 voxels, such as a .dream3d; "
        "format 'ang' holds maps only\n"
    )


def test_a_target_that_cannot_be_validated_is_warned_of_before_the_run(run, tmp_path):
    name = "rve.ctf"
    _, _, err = run("reconstruct", tmp_path / "missing.ang", "--shape", 1, 9, 10, "-o", tmp_path / name)
    warning, refusal = err.splitlines()
    assert f"{name}: polyrve cannot open it as a volume again" in warning
    assert "no such file" in refusal


@pytest.mark.parametrize("content", [b"shape = [8, 8", bytes(range(256)), b"\x89HDF"])
def test_broken_config_is_refused(run, scan, tmp_path, content):
    config = tmp_path / "run.toml"
    config.write_bytes(content)
    code, _, err = run("reconstruct", scan, "-o", tmp_path / "rve.dream3d", "--config", config)
    assert code == 2
    assert err.startswith(f"polyrve: --config {config}: expected a TOML file")


def test_volume_in_place_of_a_map(run, truth, tmp_path):
    registry.write(truth, tmp_path / "truth.dream3d")
    target, other = tmp_path / "rve.dream3d", tmp_path / "other.dream3d"
    start = ["--iterations", 0, "--set", "initial=random", *QUICK]
    code, _, err = run("reconstruct", tmp_path / "truth.dream3d", "--shape", 8, 9, 10, "-o", target, *start)
    assert code == 0, err
    assert list(registry.read(target).provenance["maps"]) == ["z", "y", "x"]
    one = ["--map", f"y:{tmp_path / 'truth.dream3d'}", "--shape", 8, 9, 10, "-o", other, *start]
    code, _, err = run("reconstruct", *one)
    assert code == 0, err
    assert run("validate", other, "--map", f"y:{tmp_path / 'truth.dream3d'}")[0] == 0
    code, _, err = run("reconstruct", *[tmp_path / "truth.dream3d"] * 3, "--shape", 8, 9, 10, "-o", target, "--force")
    assert code == 2
    assert "expected a planar map; got a volume of 28 x 30 x 32 voxels: give it alone, or with --map" in err


def test_lists_of_maps_by_axis(run, truth, tmp_path):
    names = []
    for axis, index in ((0, 2), (0, 9), (2, 5)):
        names.append(f"{'zyx'[axis]}{index}.ang")
        registry.write(simulate_scan(truth, axis, index, seed=index), tmp_path / names[-1])
    given = [f"{name[0]}:{tmp_path / name}" for name in names]
    config, target = tmp_path / "run.toml", tmp_path / "rve.dream3d"
    config.write_text(f'maps = {{z = ["{names[0]}", "{names[1]}"], x = "{names[2]}"}}\nshape = [8, 9, 10]\n')
    start = ["--iterations", 0, "--set", "initial=random", *QUICK]
    by_map = [part for one in given for part in ("--map", one)]
    code, _, err = run("reconstruct", "--shape", 8, 9, 10, "-o", target, *by_map, *start)
    assert code == 0, err
    record = registry.read(target).provenance["maps"]
    assert [one["source"] for one in record["z"]] == names[:2]
    assert record["x"]["source"] == names[2]
    again = tmp_path / "again.dream3d"
    code, _, err = run("reconstruct", "--config", config, "-o", again, *start)
    assert code == 0, err
    assert same_orientations(target, again)
    code, out, err = run("validate", target, *by_map, "--report", tmp_path / "report.html")
    assert code == 0, err
    assert "Maps normal to z, as means over them: orientation distribution, misplaced volume: maps differ by" in out
    assert "warning" not in err
    assert "Map 2 normal to z" in (tmp_path / "report.html").read_text(encoding="utf-8")
    code, out, _ = run("info", *(tmp_path / name for name in names[:2]))
    assert code == 0
    assert "2 maps of one plane:\n  orientation distribution, misplaced volume: maps differ by" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--map", "a.ang"], "--map: expected an axis, or all, and a file, such as z:a.ang; got 'a.ang'"),
        (["--map", "z:a.ang", "--map", "z:a.ang"], "--map: expected another file each time; got 'z:a.ang' twice"),
        (["scan.ang", "--map", "z:a.ang"], "--map: expected all maps to be given so; got 1 map without it"),
        (["--map", "z:a.ang", "--normals", "z"], "--map: expected all maps to be given so; got --normals z"),
        (["--map", "x:a.ang", "--axisymmetric", "x"], "--axisymmetric: expected maps normal to z alone; got x"),
        ([], "maps: expected at least one, or --map with its axis; got none"),
    ],
)
def test_wrong_lists_of_maps(run, tmp_path, arguments, message):
    code, _, err = run("reconstruct", *arguments, "--shape", 8, 9, 10, "-o", tmp_path / "rve.dream3d")
    assert (code, err.count("\n")) == (2, 1), err
    assert message in err


def test_the_same_area_in_two_files_is_refused(run, truth, tmp_path):
    for name in ("a.ang", "b.ang"):
        registry.write(simulate_scan(truth, 0, 2), tmp_path / name)
    both = ["--map", f"z:{tmp_path / 'a.ang'}", "--map", f"z:{tmp_path / 'b.ang'}"]
    code, _, err = run("reconstruct", *both, "--shape", 8, 9, 10, "-o", tmp_path / "rve.dream3d")
    assert (code, err.count("\n")) == (2, 1), err
    assert "maps normal to z: expected another area in each; got the same points in map 1 and map 2" in err


def test_phase_without_points_is_dropped_on_request(run, truth, tmp_path):
    listed = simulate_scan(truth, 0, 2)
    listed = listed.evolve(phases=(*listed.phases, Phase("Nothing", "6/mmm")))
    registry.write(listed, tmp_path / "listed.ang")
    code, _, err = run("reconstruct", tmp_path / "listed.ang", "--shape", 9, 10, 12, "-o", tmp_path / "rve.dream3d")
    assert (code, sum(line.startswith("polyrve: ") for line in err.splitlines())) == (2, 1)
    assert "phase 'Nothing': expected indexed points; got none: --drop-phase" in err
    kept = inputs.read_map(tmp_path / "listed.ang", None, None, ["Nothing"])
    assert [phase.name for phase in kept.phases] == [phase.name for phase in truth.field.phases]
    assert "drop_phase" in inspect.signature(validate).parameters


def test_options_are_the_settings():
    options = set(inspect.signature(reconstruct).parameters)
    shared = options & set(ReconstructionSettings.model_fields)
    assert shared == {"shape", "spacing", "seed", "iterations"}
    beside = {"maps", "output", "config", "options", "frame", "normals", "threshold", "resume", "force"}
    beside |= {"seeds", "scheduler", "drop_phase", "axisymmetric", "former_axis", "read", "min_grain"}
    beside |= {"checkpoint_interval", "show", "by_axis", "solid", "scale", "workers"}
    assert options == shared | beside


def test_settings_prints_a_file_of_the_defaults(run, tmp_path):
    code, out, _ = run("settings")
    assert code == 0
    assert all(f"{name} = " in out for name in ReconstructionSettings.model_fields)
    path = tmp_path / "run.toml"
    path.write_text(out)
    assert ReconstructionSettings.from_toml(path) == ReconstructionSettings()
    assert tomllib.loads(out)["iterations"] == ReconstructionSettings().iterations


def test_one_warning_names_all_maps_without_a_frame(run, truth, tmp_path):
    paths = []
    for axis in (2, 1, 0):
        paths.append(tmp_path / f"normal_{'zyx'[axis]}.ctf")
        registry.write(simulate_scan(truth, axis, 3), paths[-1], frame="oxford-cs0")
        paths[-1].write_text(paths[-1].read_text().replace("polyrve frame", "frame"))
    _, _, err = run(
        "reconstruct", *paths, "--shape", 8, 8, 8, "--set", "largest_lag=40", "-o", tmp_path / "rve.dream3d"
    )
    (warning,) = [line for line in err.splitlines() if "vendor's default" in line]
    assert all(str(path) in warning for path in paths)
    assert "--frame" in warning


def test_options_of_the_readers_of_volume_and_maps_are_apart(run, truth, scan, tmp_path):
    volume = tmp_path / "truth.dream3d"
    registry.write(truth, volume)
    code, _, err = run("validate", volume, "--against", scan, "--read-volume", "geometry=Other")
    assert code == 2
    assert "Other" in err
    code, _, err = run("validate", volume, "--against", scan, "--read", "geometry=Other")
    assert code == 2
    assert "got 'geometry'" in err


def test_validate_and_report(run, truth, scan, tmp_path):
    volume = tmp_path / "truth.dream3d"
    registry.write(truth, volume)
    code, out, err = run("validate", volume, "--against", scan, "--report", tmp_path / "report.html")
    assert code == 0, err
    assert "metrics pass" in out
    assert (tmp_path / "report.html").stat().st_size > 10_000
    assert (tmp_path / "report.json").exists()
    code, _, err = run(
        "validate", tmp_path / "missing.dream3d", "--against", scan, "--report", tmp_path / "report.html"
    )
    assert code == 2
    assert "report.html: exists already" in err
    code, _, err = run("validate", scan, "--against", scan)
    assert code == 2
    assert "expected a volume" in err
    assert run("report", volume, "-o", tmp_path / "page.txt")[0] == 2


def test_a_planar_reconstruction_is_judged_and_drawn(run, scan, tmp_path):
    target = tmp_path / "rve.dream3d"
    arguments = ["reconstruct", scan, "--shape", 1, 24, 26, "-o", target, "--iterations", 0, "--set", "initial=random"]
    code, _, err = run(*arguments, *QUICK)
    assert code == 0, err
    code, out, err = run("validate", target, "--against", scan)
    assert code == 0, err
    assert "metrics pass" in out
    code, _, err = run("report", target, "-o", tmp_path / "drawn.html")
    assert code == 0, err


@pytest.mark.slow
def test_demo_runs_the_whole_chain(run, tmp_path):
    """Left to the check of the installed wheel, ``.ci/smoke.py``."""
    import damask

    folder = tmp_path / "demo"
    code, out, err = run("demo", "--quick", "-o", folder)
    assert code == 0, err
    assert "metrics pass" in out
    assert str(folder) in out
    for name in ("truth.dream3d", "scan.ang", "scan.ctf", "rve.dream3d", "rve.vti", "report.html"):
        assert (folder / name).stat().st_size > 1000, name
        assert name in out
    told = {line.split()[0].rstrip("/") for line in out.split("Written to")[1].splitlines()[1:]}
    assert told == {path.name for path in folder.iterdir()}
    rve = dream3d.read_grains(folder / "rve.dream3d")
    (grid,) = (folder / "damask").glob("*.vti")
    grid = damask.GeomGrid.load(grid)
    material = damask.ConfigMaterial.load(folder / "damask" / "material.yaml")
    assert tuple(grid.cells) == rve.field.shape[::-1]
    assert len(material["material"]) == rve.number_of_grains
    ang, ctf = (registry.read(folder / f"scan.{suffix}") for suffix in ("ang", "ctf"))
    both = ang.indexed & ctf.indexed
    angle = rotation.disorientation_angle(ang.quaternions, ctf.quaternions, ang.phases[0].symmetry)[both]
    assert np.rad2deg(angle).max() < 0.01
    code, _, err = run("demo", "--quick", "-o", folder)
    assert code == 2
    assert "--force" in err


@pytest.mark.skipif(not DATA.exists(), reason="the data of other projects lie outside this repository")
@pytest.mark.parametrize("name", ["ebsd_316L_500x500.ang", "twins.ctf"])
def test_real_maps_reconstruct(run, name, tmp_path):
    target = tmp_path / "rve.dream3d"
    code, _, err = run("reconstruct", DATA / name, "--shape", 1, 16, 20, "-o", target, "--iterations", 1, *QUICK)
    assert code == 0, err
    assert registry.read(target).shape == (16, 20)


def test_a_body_is_written_with_empty_space_around(run, scan, tmp_path):
    target, mask = tmp_path / "rve.dream3d", np.ones((1, 12, 14), dtype=bool)
    mask[0, :3, :4] = False
    np.save(tmp_path / "mask.npy", mask)
    arguments = ["reconstruct", scan, *QUICK, "-o", target, "--iterations", 0]
    code, _, err = run(*arguments, "--solid", tmp_path / "mask.npy")
    assert code == 0, err
    made = registry.read(target)
    assert [phase.name for phase in made.phases] == ["Aluminium", "Void"]
    np.testing.assert_array_equal(np.squeeze(made.phase_ids) == 1, np.pad(mask[0], 1))
    code, _, err = run(*arguments, "--solid", tmp_path / "mask.npy", "--shape", 1, 12, 16, "--force")
    assert code == 2
    assert "shape: expected that of the body" in err
    code, _, err = run(*arguments, "--force")
    assert code == 2
    assert "--shape: expected NZ NY NX" in err
