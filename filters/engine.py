"""The engine, in this process or in another Python."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from polyrve.adapters.volumes import dream3d
from polyrve.filters.filter import Cancelled, Say
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.settings import ReconstructionSettings
from polyrve.steps import listening

VARIABLE = "POLYRVE_PYTHON"
"""Environment variable that names the Python of the engine."""

_START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "hasattr(signal, 'SIGBREAK') and signal.signal(signal.SIGBREAK, signal.default_int_handler); "
    "from polyrve.cli import main; main()"
)
_SECONDS_BETWEEN_MESSAGES = 0.5
_PLACE = ("level", "levels", "iteration", "iterations")
_SHOWN = ("preparing", "finishing", "segmenting")
_INTERRUPTED = 130


@dataclass(frozen=True, eq=False)
class Grown:
    """What the engine returns.

    Attributes
    ----------
    volume : OrientationVolume
        The best state.
    status : str
        Why the run ended, with a remedy.
    """

    volume: OrientationVolume
    status: str


def has_tensorflow() -> bool:
    """Whether TensorFlow can be imported in this process."""
    return importlib.util.find_spec("tensorflow") is not None


def other_python(asked: bool, path: str, environment: Mapping[str, str]) -> Path | None:
    """The Python that the engine runs in; None for this process.

    Parameters
    ----------
    asked : bool
        Whether the user wants another Python though TensorFlow may be here.
    path : str
        The Python; where empty, the environment says it.
    environment : mapping of str to str

    Raises
    ------
    FileNotFoundError
        If another Python is needed and none is named, or the one named is not there.
    """
    if not asked and has_tensorflow():
        return None
    named = path.strip() or environment.get(VARIABLE, "").strip()
    if not named:
        reason = "a separate Python is asked for" if asked else "TensorFlow is not installed in this Python"
        raise FileNotFoundError(
            f"{reason}: expected the path of a Python that has polyrve, as a parameter or in the environment variable "
            f"{VARIABLE}; got none"
        )
    found = shutil.which(os.path.expanduser(named))
    if found is None:
        raise FileNotFoundError(f"{named}: expected the path of a Python that has polyrve; there is no such program")
    return Path(found)


def grow(
    maps: Mapping[str, OrientationMap | list[OrientationMap]],
    settings: ReconstructionSettings,
    *,
    python: Path | None,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    """Reconstruct a volume.

    Parameters
    ----------
    maps : mapping of str to OrientationMap or list of OrientationMap
        By normal; the one normal to z alone stands for all directions.
    settings : ReconstructionSettings
    python : Path or None
        Another Python to run in.
    say : callable
        Shows messages and progress.
    cancelled : callable
        Says whether the user cancelled; asked once per iteration, and between the sweeps of initial field and
        sharpening. The best state so far is returned then.

    Returns
    -------
    Grown

    Raises
    ------
    Cancelled
        If the user cancelled before the first iteration.
    RuntimeError
        If the other Python failed; the message is its last line.
    ValueError, MemoryError
        As :func:`polyrve.reconstruct`.
    """
    if python is None:
        return _here(maps, settings, say, cancelled)
    return _elsewhere(maps, settings, python, say, cancelled)


def _here(
    maps: Mapping[str, OrientationMap | list[OrientationMap]],
    settings: ReconstructionSettings,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    say("loading TensorFlow", 0)
    from polyrve.reconstruction.progress import Progress
    from polyrve.reconstruction.run import reconstruct

    show = _Progress(say)

    def report(record: Progress) -> bool:
        show.iteration(vars(record))
        return cancelled()

    def heed() -> None:
        if cancelled():
            raise KeyboardInterrupt

    def tell(text: str) -> None:
        heed()
        say(text)

    given: Any = {"all": maps["z"]} if set(maps) == {"z"} else maps
    try:
        with listening(show.share):
            result = reconstruct(given, settings, progress=report, say=tell, between=heed)
    except KeyboardInterrupt:
        if not cancelled():
            raise
        raise Cancelled("cancelled before the first iteration") from None
    return Grown(result.volume, str(result.status))


def _elsewhere(
    maps: Mapping[str, OrientationMap | list[OrientationMap]],
    settings: ReconstructionSettings,
    python: Path,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    with tempfile.TemporaryDirectory(prefix="polyrve-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        files = []
        for normal, some in maps.items():
            for number, field in enumerate(some if isinstance(some, list) else [some]):
                files.append((normal, folder / f"{normal}{number or ''}.dream3d"))
                dream3d.write(field, files[-1][1], xdmf=False)
        alone = set(maps) == {"z"}
        if len(files) > len(maps):
            given = [part for normal, file in files for part in ("--map", f"{'all' if alone else normal}:{file}")]
        else:
            given = [*(str(file) for _, file in files), *([] if alone else ["--normals", "".join(maps)])]
        (folder / "run.toml").write_text(settings.to_toml(), encoding="utf-8")
        output = folder / "rve.dream3d"
        command = [
            str(python), "-c", _START, "reconstruct", *given,
            "--output", str(output), "--config", str(folder / "run.toml"), "--progress", "json",
        ]  # fmt: skip
        say(f"starting {python}", 0)
        code, status, failure = _supervise(command, folder, say, cancelled)
        if code not in (0, _INTERRUPTED) or (code == 0 and not output.exists()):
            raise RuntimeError(f"the engine in {python} ended with exit code {code}: {failure or 'it said nothing'}")
        if not output.exists():
            raise Cancelled("cancelled before the first iteration")
        found = dream3d.read(output, volume=True)
        volume = found.field if isinstance(found, GrainVolume) else found
        if not isinstance(volume, OrientationVolume):
            raise RuntimeError(f"the engine in {python} wrote a map: expected a volume")
        return Grown(volume.evolve(properties={}), status)


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment for another Python: without the variables that tie a Python to this process's libraries."""
    tied = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in environment.items() if name not in tied}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def _supervise(command: list[str], folder: Path, say: Say, cancelled: Callable[[], bool]) -> tuple[int, str, str]:
    """Run a command of ``--progress json``, show its events, and interrupt it when the user cancels.

    Its warnings are warnings here.

    Returns
    -------
    code : int
    status : str
        Why the run ended.
    failure : str
        Why it failed: the event of an error, or else the last line on stderr.
    """
    windows = sys.platform == "win32"
    options: dict[str, Any] = {"creationflags": 0x200} if windows else {"start_new_session": True}
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=child_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **options,
    )
    if child.stdout is None or child.stderr is None:
        raise RuntimeError(f"{command[0]}: expected pipes from its output; got none")
    lines: queue.Queue[tuple[bool, str]] = queue.Queue()
    readers = [
        threading.Thread(target=_pass_on, args=(stream, stream is child.stdout, lines), daemon=True)
        for stream in (child.stdout, child.stderr)
    ]
    for reader in readers:
        reader.start()
    show, status, failure, last, interrupted = _Progress(say), "", "", "", False
    try:
        while any(reader.is_alive() for reader in readers) or not lines.empty():
            if not interrupted and cancelled():
                say("cancelled: the other Python writes its best state")
                child.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT) if windows else signal.SIGINT)
                interrupted = True
            try:
                of_stdout, line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            event = _event(line) if of_stdout else None
            if event is None:
                last = line.removeprefix("polyrve: ").strip() or last
            elif event["event"] == "error":
                failure = str(event.get("text", ""))
            elif event["event"] == "warning":
                warnings.warn(str(event.get("text", "")), stacklevel=2)
            elif event["event"] == "result":
                status = str(event.get("text", ""))
            else:
                show.event(event)
        return child.wait(), status, failure or last
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()
        child.stderr.close()


def _pass_on(stream: IO[str], of_stdout: bool, lines: queue.Queue[tuple[bool, str]]) -> None:
    for line in stream:
        lines.put((of_stdout, line.rstrip()))


def _event(line: str) -> dict[str, Any] | None:
    """The event that a line is; None for any other line."""
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("event"), str) else None


class _Progress:
    """Messages and progress in percent, those of one kind not more often than twice a second."""

    def __init__(self, say: Say) -> None:
        self._say, self._last, self._told = say, -float("inf"), ""

    def event(self, event: Mapping[str, Any]) -> None:
        """Show an event of ``polyrve reconstruct --progress json``; its reading and writing of files are not shown."""
        if event["event"] == "progress" and "iteration" in event:
            self.iteration(event)
        elif event["event"] in ("step", "progress") and event.get("stage") in _SHOWN:
            text, done = str(event.get("text", "")), event.get("done")
            if text != self._told:
                self._told = text
                self._say(text)
            elif done is not None and self._due():
                self._say(f"{text}: {100 * done:.0f} %")

    def iteration(self, record: Mapping[str, Any]) -> None:
        """Show an iteration, a record or an event of it."""
        level, levels, iteration, iterations = (record[name] for name in _PLACE)
        if iteration not in (0, iterations) and not self._due():
            return
        percent = int(100 * (level - 1 + iteration / max(iterations, 1)) / levels)
        grid = f"grid {level}/{levels}, " if levels > 1 else ""
        loss = float("nan") if record["loss"] is None else record["loss"]
        self._say(f"{grid}iteration {iteration}/{iterations}: loss {loss:.3e}", min(percent, 100))

    def share(self, text: str, done: int, total: int) -> None:
        """Show how far announced work is (:mod:`polyrve.steps`)."""
        if self._due():
            self._say(f"{text}: {100 * done / max(total, 1):.0f} %")

    def _due(self) -> bool:
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_MESSAGES:
            return False
        self._last = now
        return True
