"""The running reconstruction on the terminal: a live bar, or plain lines where there is no terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.spinner import Spinner
from rich.text import Text

if TYPE_CHECKING:
    from types import TracebackType

    from polyrve.reconstruction import run

_SECONDS_BETWEEN_LINES = 5.0


class Reporter:
    """Shows each record of :func:`polyrve.reconstruct`; a context manager and its two callbacks.

    Parameters
    ----------
    console : rich.console.Console
        On a terminal a bar with the loss per descriptor is kept up to date, elsewhere a line is printed every five
        seconds and at the end of each grid.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[numbers]}"),
            console=console,
        )
        self._live = Live(console=console, refresh_per_second=4, transient=False) if console.is_terminal else None
        self._tasks: dict[int, TaskID] = {}
        self._last_line = -float("inf")

    def __enter__(self) -> Reporter:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def say(self, text: str) -> None:
        """Show what is being done before there is a record of it."""
        if self._live is not None:
            self._live.update(Group(self._bar, Spinner("dots", Text(text))))
        else:
            self._console.print(text, soft_wrap=True, highlight=False, markup=False)

    def __call__(self, record: run.Progress) -> None:
        """Show a record."""
        grid = f"grid {record.level}/{record.levels}, {' x '.join(map(str, record.shape))}"
        numbers = f"loss {record.loss:.3e}"
        if record.iteration and record.seconds > 0:
            rate = record.iteration / record.seconds
            left = (record.iterations - record.iteration) / rate
            numbers += f", {_rate(rate)}, at most {_clock(left)} left"
        terms = "  ".join(f"{name} {value:.2e}" for name, value in record.terms.items())
        if self._live is not None:
            if record.level not in self._tasks:
                self._tasks[record.level] = self._bar.add_task(grid, total=record.iterations, numbers=numbers)
            self._bar.update(self._tasks[record.level], completed=record.iteration, numbers=numbers)
            self._live.update(Group(self._bar, Text(terms, style="dim")))
            return
        now = time.monotonic()
        if record.iteration in (0, record.iterations) or now - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = now
            self._console.print(
                f"{grid}, iteration {record.iteration}/{record.iterations}: {numbers} ({terms})",
                soft_wrap=True,
                highlight=False,
                markup=False,
            )


def _rate(per_second: float) -> str:
    return f"{per_second:.1f} iterations/s" if per_second >= 1 else f"{1 / per_second:.1f} s/iteration"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
