"""What is told of a run: how far it is, and how long it will take."""

import io
import json
import subprocess
import sys
import warnings

import pytest
from rich.console import Console

from polyrve.cli import progress
from polyrve.cli.messages import Interrupted
from polyrve.cli.progress import JsonLines, Lines, Pace, Reporter, Step, Terminal, clock
from polyrve.reconstruction.run import Progress
from polyrve.steps import announced, listening

COMPILING = (37.5, 41.9, 43.3)
"""Seconds at iterations 0, 1, 2 of a run of 40^3 voxels on a busy machine; each later one took about half a second."""


class Clock:
    """Stands for the module ``time``."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def record(iteration, seconds, *, level=1, levels=1, iterations=30, loss=0.1):
    return Progress(level, levels, (8, 9, 10), iteration, iterations, loss, {"texture": 0.1}, seconds)


def events(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_time_left_does_not_count_compilation():
    pace = Pace(2)
    seconds = {i: at for i, at in enumerate(COMPILING)} | {i: COMPILING[-1] + 0.5 * (i - 2) for i in range(3, 31)}
    told = {}
    for iteration, at in seconds.items():
        pace.add(iteration, at)
        told[iteration] = pace.left(30, at)
    assert all(told[i] is None for i in range(4))
    for iteration in range(4, 30):
        assert told[iteration] == pytest.approx(0.5 * (30 - iteration))
    first = Pace(2)
    first.add(0, 27.0)
    assert first.left(100_000, 27.0) is None


@pytest.mark.parametrize("cost", [lambda i: 1.0, lambda i: 1.0 + i % 3, lambda i: 2.0 - i / 60, lambda i: 0.5 + i / 60])
def test_time_left_is_right_within_a_factor_of_two_after_a_tenth(cost):
    pace, at, whole = Pace(), 0.0, sum(cost(i) for i in range(60))
    for part in range(60):
        pace.add(part, at)
        left = pace.left(60, at)
        if part >= 6:
            assert whole - at < 2 * left < 4 * (whole - at)
        at += cost(part)


def test_time_left_falls_between_two_parts():
    pace = Pace()
    for part in range(4):
        pace.add(part, 10.0 * part)
    assert [pace.left(10, 30.0 + wait) for wait in (0.0, 4.0, 100.0)] == [70.0, 66.0, 0.0]
    pace.add(3, 99.0)
    assert pace.left(10, 30.0) == 70.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0:00"), (65, "1:05"), (3600, "1:00:00"), (86399, "23:59:59"), (16_228_223, "187 d 19 h")],
)
def test_clock(seconds, text):
    assert clock(seconds) == text


def test_a_line_is_written_when_a_step_has_taken_a_second_and_every_five(time):
    lines = []
    display = Lines(lines.append)
    step = Step("reading", "reading a.ang", time.now)
    display.begin(step)
    for after in (0.25, 0.5, 0.75, 1.25, 2.0, 6.0, 6.5, 7.0):
        display.look(step, time.now + after)
    assert lines == ["reading a.ang", "reading a.ang: 0:06 so far"]


@pytest.mark.parametrize(("total", "number"), [(0, 24), (1000, 100)])
def test_lines_become_fewer_the_longer_a_step_takes(time, total, number):
    """Every 5 s at first, then at times that grow by 1 / 0.75 or 1 / 0.95: 4 + ln(7200 / 20) / ln(1 / 0.75)."""
    lines = []
    display, step = Lines(lines.append), Step("reading", "a", time.now, told=True, total=total)
    display.begin(step)
    for after in range(7200):
        display.look(step, time.now + after)
    assert len(lines) == pytest.approx(number, rel=0.15)


def test_steps_of_a_reconstruction_are_told_at_once_and_iterations_by_the_first_and_last(time):
    lines = []
    reporter = Reporter(Lines(lines.append))
    reporter.step("reading", "reading a.ang")
    reporter.say("putting the start together")
    for iteration in range(31):
        time.now += 0.5
        reporter(record(iteration, 40.0 + 0.5 * iteration))
    reporter.say("sharpening")
    assert lines[0] == "putting the start together"
    assert lines[1] == "grid 1/1, 8 x 9 x 10, iteration 0/30: loss 1.000e-01 (texture 1.00e-01)"
    assert lines[-2] == "grid 1/1, 8 x 9 x 10, iteration 30/30: loss 1.000e-01 (texture 1.00e-01)"
    assert lines[-1] == "sharpening"
    assert "iteration 11/30: loss 1.000e-01, about 0:10 left" in lines[2]
    assert len(lines) == 6


def test_announced_work_is_told_with_what_is_left(time):
    lines = []
    reporter = Reporter(Lines(lines.append))
    reporter.step("preparing", "measuring the maps")
    with listening(reporter.share):
        for _ in announced(range(40), "pixel swap"):
            time.now += 1.0
    assert lines[0] == "pixel swap: 15 %, about 0:34 left"


def test_json_lines(time):
    told = io.StringIO()

    def run(reporter):
        reporter.step("preparing", "measuring the maps")
        reporter.say("putting the start together")
        for done in range(11):
            reporter.share("pixel swap", done, 10)
            time.now += 1.0
        for level in (1, 2):
            for iteration in range(6):
                time.now += 2.0
                reporter(record(iteration, 2.0 * iteration + 2.0, level=level, levels=2, iterations=5))
        reporter(record(5, 12.0, level=2, levels=2, iterations=5, loss=float("inf")))
        reporter.say("sharpening")
        warnings.warn("too small\nfor it", stacklevel=1)
        warnings.warn("former", DeprecationWarning, stacklevel=1)
        raise Interrupted("interrupted before the first iteration")

    with pytest.raises(Interrupted), Reporter(JsonLines(told)) as reporter:
        run(reporter)
    found = events(told)
    steps = [(item["stage"], item["text"]) for item in found if item["event"] == "step"]
    assert steps == [
        ("preparing", "measuring the maps"), ("preparing", "putting the start together"), ("preparing", "pixel swap"),
        ("minimising", "grid 1/2, 8 x 9 x 10"), ("minimising", "grid 2/2, 8 x 9 x 10"), ("finishing", "sharpening"),
    ]  # fmt: skip
    swaps = [item for item in found if item["event"] == "progress" and item["text"] == "pixel swap"]
    assert [item["done"] for item in swaps] == [i / 10 for i in range(1, 11)]
    assert [item["left"] for item in swaps[:4]] == [None, 8.0, 7.0, 6.0]
    iterations = [item for item in found if "iteration" in item]
    assert [(item["level"], item["iteration"]) for item in iterations] == [
        (level, i) for level in (1, 2) for i in range(6)
    ] + [(2, 5)]
    assert iterations[4] == {
        "event": "progress", "stage": "minimising", "text": "grid 1/2, 8 x 9 x 10", "level": 1, "levels": 2,
        "shape": [8, 9, 10], "iteration": 4, "iterations": 5, "loss": 0.1, "terms": {"texture": 0.1}, "seconds": 10.0,
        "done": 0.8, "left": 2.0,
    }  # fmt: skip
    assert iterations[-1]["loss"] is None
    assert [item for item in found if item["event"] == "warning"] == [{"event": "warning", "text": "too small for it"}]
    assert found[-1] == {"event": "error", "text": "interrupted before the first iteration", "code": 130}
    with pytest.warns(UserWarning, match="later"):
        warnings.warn("later", stacklevel=1)
    assert events(told) == found


def test_a_step_that_goes_on_is_told_in_json(time):
    told = io.StringIO()
    display, step = JsonLines(told), Step("preparing", "measuring the maps", time.now)
    display.begin(step)
    for after in (1.0, 4.0, 6.0, 7.0, 12.0):
        display.look(step, time.now + after)
    assert [item.get("seconds") for item in events(told)] == [None, 6.0, 12.0]


def test_the_thread_shows_steps_by_itself():
    lines = []

    class Eager(Lines):
        def look(self, step, now):
            lines.append(step.text)

    with Reporter(Eager(lines.append)) as reporter:
        reporter.step("reading", "reading a.ang")
        while not lines:
            pass
    assert set(lines) == {"reading a.ang"}


def test_steps_and_grids_are_shown_on_a_terminal(time):
    text = io.StringIO()
    reporter = Reporter(Terminal(Console(file=text, force_terminal=True, width=100)))
    reporter.say("putting the start together")
    for done in range(3):
        reporter.share("pixel swap", done, 2)
    for iteration in range(3):
        reporter(record(iteration, 1.0, iterations=2))
    reporter.say("sharpening")
    reporter.display.end(None)
    shown = text.getvalue()
    for words in ("putting the start together", "pixel swap", "50 %", "grid 1/1", "texture 1.00e-01", "sharpening"):
        assert words in shown, words
    last = shown.rsplit("sharpening", 1)[1]
    assert "grid 1/1" in last


def test_a_quick_step_leaves_no_trace(time):
    text = io.StringIO()
    display = Terminal(Console(file=text, force_terminal=True, width=100))
    reporter = Reporter(display)
    reporter.step("reading", "reading a.ang")
    display.look(Step("reading", "reading a.ang", time.now), time.now + 0.5)
    display.end(None)
    assert text.getvalue() == ""


def test_kinds(capsys):
    with pytest.raises(ValueError, match="--progress: expected auto, lines or json; got 'xml'"):
        progress.reporter("xml")
    with progress.reporter("json") as reporter:
        reporter.step("reading", "a")
    with progress.reporter("lines") as reporter:
        reporter.say("b")
    assert isinstance(progress.reporter("auto").display, Lines)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "step", "stage": "reading", "text": "a"}
    assert err == "b\n"


def test_lines_are_shown_while_the_descriptor_of_stderr_is_caught():
    """As while TensorFlow is loaded, which takes seconds (polyrve.backend.quiet_import)."""
    code = (
        "import os, time\n"
        "from polyrve.backend.quiet_import import quiet\n"
        "from polyrve.cli import progress\n"
        "with progress.reporter('lines') as reporter, quiet():\n"
        "    reporter.step('preparing', 'loading')\n"
        "    reporter.say('still loading')\n"
        "    os.write(2, b'2026-01-01 00:00:00.0: I caught.cc:1] caught\\n')\n"
        "    os._exit(0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.stderr == "still loading\n"


def test_a_share_that_stands_still_is_told_with_its_time(time):
    lines = []
    display = Lines(lines.append)
    step = Step("writing", "writing", time.now, total=2)
    step.done = 1
    display.begin(step)
    for _ in range(2):
        time.now += 6.0
        display.look(step, time.now)
    assert lines == ["writing: 50 %, 0:06 so far", "writing: 50 %, 0:12 so far"]
