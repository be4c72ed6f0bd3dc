"""The engine in another Python, played by a script that writes the events of the command line."""

import io
import itertools
import os
import sys

import pytest

from polyrve.cli.progress import JsonLines, Reporter
from polyrve.filters import engine, forecast
from polyrve.filters.filter import Cancelled
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.map_placement import axisymmetric
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction.run import Progress
from polyrve.settings import ReconstructionSettings
from polyrve.steps import announced

LINES = 'tell(event="progress", stage="minimising", level=1, levels=1, iteration=i, iterations=50, loss=1.0)'


@pytest.fixture
def scan():
    return simulate_scan(make_specimen((4, 16, 18), grain_size=6.0, seed=1), 0, 1)


class Heard(list):
    def __call__(self, text, percent=None, /):
        self.append((percent, text))


def grow(maps, python, *, cancelled=lambda: False, heard=None, **settings):
    return engine.grow(
        maps,
        ReconstructionSettings(**{"shape": (8, 9, 10), **settings}),
        python=python,
        say=Heard() if heard is None else heard,
        cancelled=cancelled,
    )


def test_result_and_progress_come_back(play, scan):
    heard = Heard()
    python = play(f"for i in (0, 50):\n    {LINES}\nvolume()")
    grown = grow({"z": scan}, python, heard=heard, spacing=(1.0, 2.0, 3.0), weights={"texture": 2.0})
    assert grown.volume.shape == (8, 9, 10)
    assert grown.volume.spacing == (1.0, 2.0, 3.0)
    assert grown.status == "played"
    assert [percent for percent, _ in heard] == [0, 0, 100]
    assert heard[-1][1].startswith("iteration 50/50: loss 1.000e+00")
    assert "--normals" not in grown.volume.provenance["arguments"]


def test_what_has_no_iterations_is_shown_too(play, scan):
    """What the command line writes for programs is what the engine reads."""
    heard, told = Heard(), io.StringIO()
    with Reporter(JsonLines(told)) as reporter:
        reporter.step("reading", "reading z.dream3d")
        reporter.step("preparing", "measuring the maps")
        reporter.say("putting the start together")
        for done in range(3):
            reporter.share("pixel swap", done, 2)
        reporter(Progress(1, 2, (16, 18, 20), 0, 300, 0.123, {"texture": 0.1, "variogram": 0.02}, 0.0))
        reporter(Progress(2, 2, (32, 36, 40), 300, 300, float("nan"), {"texture": 0.01}, 600.0))
        reporter.say("sharpening")
        reporter.step("writing", "writing rve.dream3d")
    grow({"z": scan}, play(f"print({told.getvalue()!r})\nvolume()"), heard=heard)
    shown = [item for item in heard[1:] if not item[1].endswith("%")]
    assert shown == [
        (None, "measuring the maps"), (None, "putting the start together"), (None, "pixel swap"),
        (0, "grid 1/2, iteration 0/300: loss 1.230e-01"), (100, "grid 2/2, iteration 300/300: loss nan"),
        (None, "sharpening"),
    ]  # fmt: skip


def test_warnings_are_warnings_here_and_files_are_not_shown(play, scan):
    heard = Heard()
    python = play('tell(event="warning", text="too small"); print(f"{output}: 8 x 9 x 10 voxels"); volume()')
    with pytest.warns(UserWarning, match=r"^too small$"):
        grow({"z": scan}, python, heard=heard)
    assert [text for _, text in heard[1:]] == []


def test_announced_work_is_shown_in_this_process(scan, monkeypatch):
    from polyrve.reconstruction import run

    def work(*_, **__):
        list(announced("abcd", "pixel swap"))
        raise ValueError("the end")

    heard = Heard()
    monkeypatch.setattr(run, "reconstruct", work)
    with pytest.raises(ValueError, match="the end"):
        grow({"z": scan}, None, heard=heard)
    assert heard[1:] == [(None, "pixel swap: 0 %")]


def test_normals_are_named(play, scan):
    arguments = grow({"x": scan, "y": scan}, play("volume()")).volume.provenance["arguments"]
    assert arguments[arguments.index("--normals") + 1] == "xy"
    assert [name.rsplit("/", 1)[1] for name in arguments[:2]] == ["x.dream3d", "y.dream3d"]


def test_lists_of_maps_go_by_their_axes(play, scan):
    more = scan.evolve(quaternions=scan.quaternions[:, ::-1])
    arguments = grow({"z": [scan, more]}, play("volume()")).volume.provenance["arguments"]
    named = [arguments[i + 1] for i, name in enumerate(arguments) if name == "--map"]
    assert [name.partition(":")[0] for name in named] == ["all", "all"]
    assert [name.rsplit("/", 1)[1] for name in named] == ["z.dream3d", "z1.dream3d"]


def test_an_axisymmetric_map_goes_by_its_normals(play, scan):
    arguments = grow(axisymmetric(scan, "y"), play("volume()")).volume.provenance["arguments"]
    assert arguments[arguments.index("--normals") + 1] == "zx"
    assert [name.rsplit("/", 1)[1] for name in arguments[:2]] == ["z.dream3d", "x.dream3d"]


@pytest.mark.parametrize(
    "body",
    [
        'print("polyrve: window: expected less", file=sys.stderr)',
        'tell(event="error", text="window: expected less", code=2); print("noise of a library", file=sys.stderr)',
    ],
)
def test_a_failure_is_one_sentence(play, scan, body):
    with pytest.raises(RuntimeError, match=r"exit code 2: window: expected less$"):
        grow({"z": scan}, play(f"{body}; sys.exit(2)"))


def test_cancel_interrupts_and_brings_the_best_state(play, scan):
    """A program that is not interrupted ends without a volume, which is an error."""
    heard = Heard()
    body = f"""
        try:
            for i in range(1000):
                {LINES.replace("50", "1000")}
                time.sleep(0.05)
        except KeyboardInterrupt:
            volume()
            sys.exit(130)
    """
    grown = grow({"z": scan}, play(body), cancelled=lambda: len(heard) > 3, heard=heard)
    assert grown.volume.shape == (8, 9, 10)


CHEAP = {"largest_lag": 3, "weights": {"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0, "texture": 0.0}}


@pytest.mark.parametrize("asks", [1, 3, 40])
def test_cancel_is_answered_within_the_start_in_this_process(scan, asks):
    """At once, between two sweeps, between two batches of exchanges."""
    heard, asked = Heard(), itertools.count(1)
    with pytest.raises(Cancelled):
        grow({"z": scan}, None, cancelled=lambda: next(asked) >= asks, heard=heard, initial="exemplar")
    assert [text for _, text in heard] == ["loading TensorFlow", "making the initial field"][:asks]
    assert next(asked) <= asks + 3


def test_cancel_while_sharpening_keeps_the_minimum(scan):
    heard, asked = Heard(), itertools.count(1)

    def cancelled():
        return heard[-1][1] == "sharpening" and next(asked) >= 3

    settings = {"shape": (1, 12, 14), "initial": "random", "iterations": 0, **CHEAP}
    grown = grow({"z": scan}, None, cancelled=cancelled, heard=heard, **settings)
    blunt = grow({"z": scan}, None, **settings, sharpen=False)
    assert grown.volume.quaternions.tobytes() == blunt.volume.quaternions.tobytes()
    assert grown.status.startswith("Interrupted")
    assert next(asked) <= 5


def test_an_interrupt_from_the_keyboard_is_no_cancel(scan):
    def interrupt(text, percent=None, /):
        if percent is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grow({"z": scan}, None, heard=interrupt)


def test_cancel_before_there_is_a_state(play, scan):
    heard = Heard()
    body = """
        try:
            tell(event="step", stage="preparing", text="measuring the maps")
            time.sleep(60)
        except KeyboardInterrupt:
            sys.exit(130)
    """
    with pytest.raises(Cancelled):
        grow({"z": scan}, play(body), cancelled=lambda: len(heard) > 1, heard=heard)


def test_nothing_stays_in_the_temporary_folder(play, scan, tmp_path, monkeypatch):
    monkeypatch.setattr(engine.tempfile, "tempdir", str(tmp_path / "t"))
    (tmp_path / "t").mkdir()
    grow({"z": scan}, play("volume()"))
    assert not list((tmp_path / "t").iterdir())


def test_other_python(tmp_path, monkeypatch):
    assert engine.other_python(False, "", {}) is None
    assert engine.other_python(True, sys.executable, {}).samefile(sys.executable)
    assert engine.other_python(True, "", {engine.VARIABLE: sys.executable}).samefile(sys.executable)
    with pytest.raises(FileNotFoundError, match="no such program"):
        engine.other_python(True, str(tmp_path / "python"), {})
    with pytest.raises(FileNotFoundError, match="asked for"):
        engine.other_python(True, " ", {})
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    assert engine.other_python(False, sys.executable, {}) is not None
    with pytest.raises(FileNotFoundError, match="TensorFlow is not installed"):
        engine.other_python(False, "", {})


def test_another_python_is_not_tied_to_this_one():
    found = engine.child_environment({"PYTHONHOME": "/a", "PYTHONPATH": "/b", "PATH": os.environ["PATH"]})
    assert "PYTHONHOME" not in found
    assert "PYTHONPATH" not in found
    assert found["PATH"] == os.environ["PATH"]


def test_forecast_grows_with_the_volume():
    small = forecast.sizes(ReconstructionSettings(shape=(16, 18, 20)), 1)
    large = forecast.sizes(ReconstructionSettings(shape=(32, 36, 40)), 1)
    two = forecast.sizes(ReconstructionSettings(shape=(32, 36, 40)), 2)
    planar = forecast.sizes(ReconstructionSettings(shape=(1, 36, 40)), 1)
    assert small[0] < large[0] < two[0]
    assert small[1] < large[1] < two[1]
    assert planar[0] < small[0]
    assert forecast.sizes(ReconstructionSettings(shape=(16, 18, 20)), 1, [10**6])[0] > small[0] + 300_000_000
    assert forecast.sizes(ReconstructionSettings(shape=(32, 36, 40), iterations=600), 1)[1] > 1.5 * large[1]
    rows = forecast.as_text(*large)
    assert "GiB" in rows["Memory (forecast)"]
    assert "about" in rows["Time (rough forecast)"]


def test_a_volume_that_does_not_fit_is_refused():
    needed, _ = forecast.sizes(ReconstructionSettings(shape=(4096, 4096, 4096)), 1)
    with pytest.raises(MemoryError, match="free memory"):
        forecast.refuse_too_large(needed, (4096, 4096, 4096))
