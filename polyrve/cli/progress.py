"""What runs, how far it is and how long it will take: on a terminal, as lines, or as JSON for a program.

With ``--progress json`` each line on stdout is one JSON object; stderr has the sentence of an error alone. Its key
``event`` says what it is:

=============  ======================================================================================================
event          further keys
=============  ======================================================================================================
``step``       ``stage``, ``text``: something begins
``progress``   ``stage``, ``text``, ``seconds`` since the step began, ``done`` (share of the step, from 0 to 1) and
               ``left`` (seconds until its end), both null where they are not known; of a minimisation also ``level``,
               ``levels``, ``shape``, ``iteration``, ``iterations``, ``loss`` and ``terms``
``member``     ``seed``, ``loss``, ``seconds``, ``status`` and ``attempts`` of a run of many
``warning``    ``text``
``error``      ``text``, ``code``: the exit code that follows
``result``     ``status`` (the name of a :class:`polyrve.optimizers.Status`) and its ``text``, ``loss``,
               ``volume_loss``, ``iterations``, ``output``, ``shape``, ``grains``, ``interrupted``
=============  ======================================================================================================

The event ``progress`` comes again where nothing has been done for some seconds. Stages are ``reading``, ``preparing``
(all before the first iteration), ``minimising``, ``finishing`` (sharpening, and the loss of the volume as written),
``segmenting``, ``writing`` and ``realising`` (many runs). Keys and stages may be added; those above stay.
"""

from __future__ import annotations

import json
import math
import threading
import time
import warnings
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Protocol

from polyrve.cli import messages
from polyrve.steps import listening

if TYPE_CHECKING:
    from types import TracebackType

    from rich.console import Console

    from polyrve.reconstruction import progress as run_progress

SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_EVENTS = 0.5
_SECONDS_UNTIL_SHOWN = 1.0
_SECONDS_BETWEEN_LOOKS = 0.25
_FEWEST_INTERVALS = 2
_STDERR = 2
_SKIPPED_ITERATIONS = 2


class Pace:
    """How long the rest of a step takes, from the times at which its parts were done.

    Parameters
    ----------
    skipped : int
        Number of first times that are left out: until then TensorFlow compiles.
    """

    def __init__(self, skipped: int = 0) -> None:
        self._skipped = skipped
        self._done: list[float] = []
        self._seconds: list[float] = []

    def add(self, done: float, seconds: float) -> None:
        """Note that so much was done at a time."""
        if self._skipped:
            self._skipped -= 1
        elif not self._done or done > self._done[-1]:
            self._done.append(done)
            self._seconds.append(seconds)

    def left(self, total: float, seconds: float) -> float | None:
        """Return the seconds left at a time, by the later half of what was done; None where it is too early."""
        if len(self._done) <= _FEWEST_INTERVALS:
            return None
        middle = (self._done[0] + self._done[-1]) / 2
        first = min(bisect_left(self._done, middle), len(self._done) - 1 - _FEWEST_INTERVALS)
        each = (self._seconds[-1] - self._seconds[first]) / (self._done[-1] - self._done[first])
        return max(0.0, each * (total - self._done[-1]) - (seconds - self._seconds[-1]))


@dataclass(eq=False)
class Step:
    """Something that takes a while.

    Attributes
    ----------
    stage : str
        See the module.
    text : str
        What is done, as a person should know it.
    began : float, s
    told : bool
        Whether a person knows of it already.
    done, total : int
        Parts of it; a total of 0 where their number is not known.
    pace : Pace
    record : Progress or None
        The last iteration of a minimisation.
    detail : str
        What else a person should know of the part that is being done.
    """

    stage: str
    text: str
    began: float
    told: bool = False
    done: int = 0
    total: int = 0
    pace: Pace = field(default_factory=Pace)
    record: run_progress.Progress | None = None
    detail: str = ""

    def left(self, now: float) -> float | None:
        """Return the seconds that are left; None where they are not known."""
        return self.pace.left(self.total, now - self.began) if self.total else None


class Display(Protocol):
    """What a :class:`Reporter` shows steps on."""

    def begin(self, step: Step) -> None:
        """Show that a step has begun."""

    def update(self, step: Step, now: float) -> None:
        """Show that a part of a step is done."""

    def look(self, step: Step, now: float) -> None:
        """Show that a step goes on; called several times a second."""

    def end(self, error: BaseException | None) -> None:
        """Show nothing any more."""


class Reporter:
    """Shows steps, and is the callbacks of :func:`polyrve.reconstruct`; a context manager.

    Within it, loops that announce themselves (:mod:`polyrve.steps`) are shown too.

    Parameters
    ----------
    display : Display
    """

    def __init__(self, display: Display) -> None:
        self.display = display
        self._step: Step | None = None
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._listening: AbstractContextManager[None] = listening(self.share)

    def __enter__(self) -> Reporter:
        self._listening.__enter__()
        if isinstance(self.display, JsonLines):
            self.display.take_warnings()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        self._listening.__exit__(None, None, None)
        self.display.end(error)

    def step(self, stage: str, text: str, *, told: bool = False) -> None:
        """Begin a step; a person hears of it once it has taken a second, unless `told` says that this has been done."""
        with self._lock:
            self._step = Step(stage, text, time.monotonic(), told)
            self.display.begin(self._step)

    def say(self, text: str) -> None:
        """Begin a step of a reconstruction, before or after its iterations, and tell of it at once."""
        with self._lock:
            stage = "preparing" if self._step is None else self._step.stage
            stage = "finishing" if stage == "minimising" else stage
            self._step = Step(stage, text, time.monotonic())
            self.display.begin(self._step)
            self.display.update(self._step, self._step.began)

    def share(self, text: str, done: int, total: int, detail: str = "") -> None:
        """Show how much of a step is done, and details of it; another text begins another step of the same stage."""
        with self._lock:
            now, step = time.monotonic(), self._step
            if step is None or step.text != text or done < step.done:
                step = self._step = Step("" if step is None else step.stage, text, now)
                self.display.begin(step)
            step.done, step.total, step.detail = done, total, detail
            step.pace.add(done, now - step.began)
            self.display.update(step, now)

    def __call__(self, record: run_progress.Progress) -> None:
        """Show an iteration."""
        text = f"grid {record.level}/{record.levels}, {' x '.join(map(str, record.shape))}"
        with self._lock:
            now, step = time.monotonic(), self._step
            if step is None or step.record is None or step.record.level != record.level:
                pace = Pace(_SKIPPED_ITERATIONS)
                step = self._step = Step("minimising", text, now - record.seconds, True, pace=pace, record=record)
                self.display.begin(step)
            step.record, step.done, step.total = record, record.iteration, record.iterations
            step.pace.add(record.iteration, now - step.began)
            self.display.update(step, now)

    def _watch(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_LOOKS):
            with self._lock:
                if self._step is not None:
                    self.display.look(self._step, time.monotonic())


class Lines:
    """A line when a step begins that takes a while, and every few seconds: for a file or a pipe.

    Parameters
    ----------
    write : callable
        Writes a line.
    """

    def __init__(self, write: Callable[[str], Any]) -> None:
        self._write = write
        self._last = -math.inf

    def begin(self, step: Step) -> None:
        """Show nothing yet."""
        self._last = step.began

    def update(self, step: Step, now: float) -> None:
        """Write a line for a step told at once, for first and last iterations, and every few seconds."""
        ends = step.record is not None and step.done in (0, step.total)
        if ends or (not step.total and not step.told) or now - self._last > _pause(step, now):
            self._show(step, now)

    def look(self, step: Step, now: float) -> None:
        """Write a line where a step has taken a second unnoticed, or nothing has been written for some seconds."""
        begins = not step.told and now - step.began > _SECONDS_UNTIL_SHOWN
        if begins or now - self._last > _pause(step, now):
            self._show(step, now)

    def end(self, error: BaseException | None) -> None:
        """Show nothing."""

    def _show(self, step: Step, now: float) -> None:
        self._write(_line(step, now))
        self._last, step.told = now, True


class Terminal:
    """Bars that are kept up to date; those of grids stay, those of other steps go with them.

    Parameters
    ----------
    console : rich.console.Console
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[numbers]}"))
        self._grids = Progress(*columns, console=console)
        self._others = Progress(SpinnerColumn(), *columns, console=console)
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._tasks: dict[int, Any] = {}
        self._started = False

    def begin(self, step: Step) -> None:
        """Take the bar of the step before away."""
        for task in list(self._others.task_ids):
            self._others.remove_task(task)
        if self._started:
            self._draw(step, step.began)

    def update(self, step: Step, now: float) -> None:
        """Draw the bar anew; from the first iteration or announced step on there is one."""
        if step.record is not None or (not step.total and not step.told):
            self._start()
        if self._started:
            self._draw(step, now)

    def look(self, step: Step, now: float) -> None:
        """Draw the bar anew, for time goes on."""
        if now - step.began > _SECONDS_UNTIL_SHOWN:
            self._start()
        if self._started:
            self._draw(step, now)

    def end(self, error: BaseException | None) -> None:
        """Leave the bars of the grids as they are."""
        if self._started:
            self._live.update(self._grids, refresh=True)
            self._live.stop()

    def _start(self) -> None:
        if not self._started:
            self._live.start()
            self._started = True

    def _draw(self, step: Step, now: float) -> None:
        from rich.console import Group
        from rich.text import Text

        if step.record is not None:
            level = step.record.level
            if level not in self._tasks:
                self._tasks[level] = self._grids.add_task(step.text, total=step.total, numbers="")
            self._grids.update(self._tasks[level], completed=step.done, numbers=_numbers(step, now))
            self._live.update(Group(self._grids, Text(_terms(step.record.terms), style="dim")), refresh=True)
            return
        if not self._others.task_ids:
            self._others.add_task(step.text, total=step.total or None, numbers="")
        (task,) = self._others.task_ids
        self._others.update(task, completed=step.done, total=step.total or None, numbers=_numbers(step, now))
        self._live.update(Group(self._grids, self._others), refresh=True)


class JsonLines:
    """One JSON object per line, as the module says.

    Parameters
    ----------
    stream : text stream
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._last = -math.inf
        self._former_warnings: Any = None

    def begin(self, step: Step) -> None:
        """Write the event ``step``."""
        self._last = step.began
        self.event("step", stage=step.stage, text=step.text)

    def update(self, step: Step, now: float) -> None:
        """Write the event ``progress``: each iteration, and others not more often than twice a second."""
        if step.record is not None or step.done == step.total or now - self._last >= _SECONDS_BETWEEN_EVENTS:
            self._progress(step, now)

    def look(self, step: Step, now: float) -> None:
        """Write the event ``progress`` where there has been none for some seconds."""
        if now - self._last > SECONDS_BETWEEN_LINES:
            self._progress(step, now)

    def end(self, error: BaseException | None) -> None:
        """Write the event ``error`` where there is one, and take no more warnings."""
        if self._former_warnings is not None:
            warnings.showwarning = self._former_warnings
        found = None if error is None else messages.told_of(error)
        if found is not None:
            self.event("error", text=found[0], code=found[1])

    def event(self, kind: str, **values: Any) -> None:
        """Write an event; numbers that are not finite are null."""
        self._stream.write(json.dumps(_plain({"event": kind, **values}), allow_nan=False) + "\n")
        self._stream.flush()

    def take_warnings(self) -> None:
        """Write warnings as events from now on."""

        def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
            if messages.is_told(category):
                self.event("warning", text=messages.one_line(str(message)))

        self._former_warnings, warnings.showwarning = warnings.showwarning, show  # type: ignore[assignment]

    def _progress(self, step: Step, now: float) -> None:
        self._last = now
        record = step.record
        grid: dict[str, Any] = {}
        if record is not None:
            names = ("level", "levels", "shape", "iteration", "iterations", "loss", "terms")
            grid = {name: getattr(record, name) for name in names}
        done = step.done / step.total if step.total else None
        self.event(
            "progress", stage=step.stage, text=step.text, **grid, seconds=round(now - step.began, 3), done=done,
            left=step.left(now),
        )  # fmt: skip


def reporter(kind: str = "auto") -> Reporter:
    """Return a reporter on stderr, or with ``"json"`` on stdout.

    Parameters
    ----------
    kind : {"auto", "lines", "json"}
        ``"auto"`` is bars on a terminal, else lines.

    Raises
    ------
    ValueError
        If the kind is none of those.
    """
    import sys

    if kind not in ("auto", "lines", "json"):
        raise ValueError(f"--progress: expected auto, lines or json; got {kind!r}")
    if kind == "json":
        return Reporter(JsonLines(sys.stdout))
    own = _own_stderr()
    if kind == "auto" and sys.stderr.isatty():
        from rich.console import Console

        return Reporter(Terminal(Console(stderr=True, file=own)))
    import typer

    return Reporter(Lines(lambda text: typer.echo(text, own, err=True)))


def _own_stderr() -> IO[str] | None:
    """Return stderr by another descriptor, which shows lines while that of stderr is caught to load TensorFlow."""
    import os
    import sys

    try:
        if sys.stderr.fileno() != _STDERR:
            return None
        return os.fdopen(os.dup(_STDERR), "w", 1, sys.stderr.encoding, sys.stderr.errors)
    except (OSError, ValueError, AttributeError):
        return None


def clock(seconds: float) -> str:
    """Return a duration as ``"0:05"``, ``"1:02:03"`` or ``"2 d 3 h"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24} d {hours % 24} h"
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _line(step: Step, now: float) -> str:
    numbers = _numbers(step, now)
    if step.record is not None:
        record = step.record
        return f"{step.text}, iteration {record.iteration}/{record.iterations}: {numbers} ({_terms(record.terms)})"
    if step.total:
        return f"{step.text}: {numbers}"
    return f"{step.text}: {numbers}" if step.told else step.text


def _numbers(step: Step, now: float) -> str:
    """How far a step is, and what is left."""
    left = step.left(now)
    rest = f", about {clock(left)} left" if left is not None and left >= 1.0 and step.done < step.total else ""
    if step.record is None:
        if not rest and step.done < step.total and now - step.began > SECONDS_BETWEEN_LINES:
            rest = f", {clock(now - step.began)} so far"
        share = 100 * step.done / max(step.total, 1)
        detail = f" ({step.detail})" if step.detail else ""
        return f"{share:.0f} %{detail}{rest}" if step.total else f"{clock(now - step.began)} so far"
    return f"loss {step.record.loss:.3e}{rest}"


def _terms(terms: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.2e}" for name, value in terms.items())


def _pause(step: Step, now: float) -> float:
    """Seconds between two lines; fewer lines are written the longer it takes, and where they tell the time alone."""
    return max(SECONDS_BETWEEN_LINES, (0.05 if step.total else 0.25) * (now - step.began))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
