"""The engine, in this process or in another Python."""

from __future__ import annotations

import importlib.util
import json
import os
import queue
import re
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
from polyrve.settings import ReconstructionSettings

VARIABLE = "POLYRVE_PYTHON"
"""Environment variable that names the Python of the engine."""

_START = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "hasattr(signal, 'SIGBREAK') and signal.signal(signal.SIGBREAK, signal.default_int_handler); "
    "from polyrve.cli import main; main()"
)
_LINE = re.compile(r"grid (\d+)/(\d+), .*iteration (\d+)/(\d+): (loss .*?)(?: \(.*\))?$")
_WARNING = "polyrve: warning: "
_SECONDS_BETWEEN_MESSAGES = 0.5
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
    maps: Mapping[str, OrientationMap],
    settings: ReconstructionSettings,
    *,
    python: Path | None,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    """Reconstruct a volume.

    Parameters
    ----------
    maps : mapping of str to OrientationMap
        By normal; the one normal to z alone stands for all directions.
    settings : ReconstructionSettings
    python : Path or None
        Another Python to run in.
    say : callable
        Shows messages and progress.
    cancelled : callable
        Says whether the user cancelled; asked once per iteration, and between the sweeps of start and sharpening. The
        best state so far is returned then.

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
    maps: Mapping[str, OrientationMap],
    settings: ReconstructionSettings,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    say("loading TensorFlow", 0)
    from polyrve.reconstruction.run import Progress, reconstruct

    show = _Progress(say)

    def report(record: Progress) -> bool:
        show(record.level, record.levels, record.iteration, record.iterations, f"loss {record.loss:.3e}")
        return cancelled()

    def heed() -> None:
        if cancelled():
            raise KeyboardInterrupt

    def tell(text: str) -> None:
        heed()
        say(text)

    given = maps["z"] if set(maps) == {"z"} else maps
    try:
        result = reconstruct(given, settings, progress=report, say=tell, between=heed)
    except KeyboardInterrupt:
        if not cancelled():
            raise
        raise Cancelled("cancelled before the first iteration") from None
    return Grown(result.volume, str(result.status))


def _elsewhere(
    maps: Mapping[str, OrientationMap],
    settings: ReconstructionSettings,
    python: Path,
    say: Say,
    cancelled: Callable[[], bool],
) -> Grown:
    with tempfile.TemporaryDirectory(prefix="polyrve-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for normal, field in maps.items():
            dream3d.write(field, folder / f"{normal}.dream3d", xdmf=False)
        (folder / "run.toml").write_text(toml(settings), encoding="utf-8")
        output = folder / "rve.dream3d"
        command = [
            str(python), "-c", _START, "reconstruct", *(str(folder / f"{normal}.dream3d") for normal in maps),
            "--output", str(output), "--config", str(folder / "run.toml"),
        ]  # fmt: skip
        if set(maps) != {"z"}:
            command += ["--normals", "".join(maps)]
        say(f"starting {python}", 0)
        code, lines = _supervise(command, folder, say, cancelled)
        if code not in (0, _INTERRUPTED) or (code == 0 and not output.exists()):
            last = next((line for line in reversed(lines) if line.strip()), "it printed nothing")
            raise RuntimeError(f"the engine in {python} ended with exit code {code}: {last.removeprefix('polyrve: ')}")
        if not output.exists():
            raise Cancelled("cancelled before the first iteration")
        volume = dream3d.read(output, volume=True)
        if not isinstance(volume, OrientationVolume):
            raise RuntimeError(f"the engine in {python} wrote a map: expected a volume")
        return Grown(volume.evolve(properties={}), str(volume.provenance.get("status", "")))


def toml(settings: ReconstructionSettings) -> str:
    """The settings as the file that ``polyrve reconstruct --config`` takes."""
    lines = []
    for name, value in settings.model_dump(mode="json").items():
        if isinstance(value, dict):
            pairs = ", ".join(f"{json.dumps(key)} = {json.dumps(item)}" for key, item in value.items())
            lines.append(f"{name} = {{{pairs}}}")
        elif value is not None:
            lines.append(f"{name} = {json.dumps(value)}")
    return "\n".join(lines) + "\n"


def child_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment for another Python: without the variables that tie a Python to this process's libraries."""
    tied = ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__")
    kept = {name: value for name, value in environment.items() if name not in tied}
    return {"TF_CPP_MIN_LOG_LEVEL": "3", **kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def _supervise(command: list[str], folder: Path, say: Say, cancelled: Callable[[], bool]) -> tuple[int, list[str]]:
    """Run a command, pass its progress on, and interrupt it when the user cancels; exit code and other lines.

    Its warnings are warnings here; lines about files in the folder, which is gone afterwards, are not shown.
    """
    windows = sys.platform == "win32"
    options: dict[str, Any] = {"creationflags": 0x200} if windows else {"start_new_session": True}
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=child_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        **options,
    )
    if child.stdout is None:
        raise RuntimeError(f"{command[0]}: expected a pipe from its output; got none")
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=_pass_on, args=(child.stdout, lines), daemon=True)
    reader.start()
    show, others, interrupted = _Progress(say), [], False
    try:
        while reader.is_alive() or not lines.empty():
            if not interrupted and cancelled():
                say("cancelled: the other Python writes its best state")
                child.send_signal(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT) if windows else signal.SIGINT)
                interrupted = True
            try:
                line = lines.get(timeout=0.1)
            except queue.Empty:
                continue
            match = _LINE.match(line)
            if match is None:
                others.append(line)
                if line.startswith(_WARNING):
                    warnings.warn(line.removeprefix(_WARNING), stacklevel=2)
                elif line and str(folder) not in line:
                    say(line)
            else:
                level, levels, iteration, iterations = map(int, match.groups()[:4])
                show(level, levels, iteration, iterations, match[5])
        return child.wait(), others
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        child.stdout.close()


def _pass_on(stream: IO[str], lines: queue.Queue[str]) -> None:
    for line in stream:
        lines.put(line.rstrip())


class _Progress:
    """Progress in percent, not more often than twice a second."""

    def __init__(self, say: Say) -> None:
        self._say, self._last, self._start = say, -float("inf"), time.monotonic()

    def __call__(self, level: int, levels: int, iteration: int, iterations: int, numbers: str) -> None:
        now = time.monotonic()
        if iteration not in (0, iterations) and now - self._last < _SECONDS_BETWEEN_MESSAGES:
            return
        self._last = now
        percent = int(100 * (level - 1 + iteration / max(iterations, 1)) / levels)
        grid = f"grid {level}/{levels}, " if levels > 1 else ""
        self._say(f"{grid}iteration {iteration}/{iterations}: {numbers}", min(percent, 100))
