"""Runs of DAMASK's grid solver: what they will take, how far they are, and why they failed.

The program is not part of polyrve; it runs as a process of its own in the folder that the export wrote. What it prints
is kept in ``damask.log`` beside its results, and is the record from which a run that stopped goes on.

DAMASK answers to signals at the end of an increment: SIGUSR2 makes it write its restart file, SIGINT makes it stop.
"""

from __future__ import annotations

import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import numpy as np

PROGRAMS = ("damask_grid", "DAMASK_grid")
"""Names of the solver: after 3.1, and until then."""

LOG, JOB = "damask.log", "job"

_BYTES = 8192
"""Of memory per voxel; 7 to 9 kB were seen with phenopowerlaw and up to 18 systems (3.0.2)."""
_START = 90e6
"""Bytes of memory before the first voxel."""
_SECONDS = 61e-6
"""Per voxel and iteration on one core, seen with copper and aluminium (3.0.2)."""
_ITERATIONS = 6.0
"""Per increment, 4.6 to 7.4 seen in tension to 5 %; of those of a run itself as soon as one is known."""
_STORED = 8
"""Bytes of a number."""
_NUMBERS = {"F": 9, "P": 9, "F_e": 9, "F_p": 9, "F_i": 9, "L_p": 9, "L_i": 9, "S": 9, "O": 4}
_GEOMETRY = 6
"""Numbers per voxel of the displacements of nodes and points."""
_SYSTEMS = 18
"""Numbers per voxel of a field of a law; 12 to 24 slip systems."""
_GRACE = 600.0
"""Seconds that an interrupted run is given to end its increment, before it is ended at once."""

_STEP = re.compile(r"Increment (\d+)/(\d+)-(\d+)/(\d+) @ Iteration (\d+)≤(\d+)≤(\d+)")
_DONE = re.compile(r"^ *increment +(\d+) converged", re.IGNORECASE)
_ERROR = re.compile(r"error +(\d+) *│")
_MEAN = re.compile(r"deformation gradient aim +=|Piola--Kirchhoff stress +/ MPa =")
_RESTART = re.compile(r"(?:saving|writing) .*restart", re.IGNORECASE)


class SolverError(ValueError):
    """A run that ended before its load did; the message says why."""


@dataclass(frozen=True)
class Forecast:
    """What a run will take.

    Attributes
    ----------
    voxels, increments : int
    seconds : float
        On one core.
    memory, disk : float, bytes
    """

    voxels: int
    increments: int
    seconds: float
    memory: float
    disk: float

    def __str__(self) -> str:
        return (
            f"{self.voxels} voxels, {self.increments} increments: about {_duration(self.seconds)} on one core, "
            f"{_size(self.memory)} of memory and {_size(self.disk)} of disk"
        )


@dataclass(frozen=True)
class State:
    """How far a run is.

    Attributes
    ----------
    increment, increments : int
        Increments done, and all.
    iteration : int
        Of the increment that is computed.
    cutbacks : int
        How often the increment was halved.
    seconds : float
        Since the run began.
    left : float
        Seconds until its end; NaN before the first increment is done.
    """

    increment: int
    increments: int
    iteration: int
    cutbacks: int
    seconds: float
    left: float

    def __str__(self) -> str:
        halved = f", cut back {self.cutbacks} times" if self.cutbacks else ""
        rest = "" if math.isnan(self.left) else f", about {_duration(self.left)} left"
        now = f", iteration {self.iteration} of the next" if self.increment < self.increments else ""
        return f"increment {self.increment} of {self.increments}{now}{halved}{rest}"


def forecast(folder: str | Path) -> Forecast:
    """Say what a run will take, from the files of its folder.

    Parameters
    ----------
    folder : path-like
        As the export to DAMASK writes it.

    Returns
    -------
    Forecast
        Memory within a third; the time within a factor of two for metals in monotonic loading.

    Raises
    ------
    ValueError
        If the folder is no such folder.
    """
    import yaml

    folder = Path(folder)
    try:
        with (folder / "grid.vti").open("rb") as file:
            extent = re.search(rb'WholeExtent="0 (\d+) 0 (\d+) 0 (\d+)"', file.read(4096))
        load = yaml.safe_load((folder / "load.yaml").read_text(encoding="utf-8"))
        material = (folder / "material.yaml").read_text(encoding="utf-8").split("\nmaterial:")[0]
    except OSError as error:
        raise ValueError(f"{folder}: expected a folder for DAMASK; {error.filename} cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{folder}: expected a load.yaml of DAMASK; got {' '.join(str(error).split())}") from None
    try:
        steps = [(int(step["discretization"]["N"]), int(step.get("f_out", 1))) for step in load["loadstep"]]
    except (KeyError, TypeError, ValueError, AttributeError):
        steps = []
    if extent is None or not steps:
        raise ValueError(f"{folder}: expected a grid.vti and a load.yaml of DAMASK; got others")
    return expected(math.prod(int(n) for n in extent.groups()), steps, material)


def expected(voxels: int, steps: Sequence[tuple[int, int]], material: str) -> Forecast:
    """Say what a run of so many voxels will take.

    Parameters
    ----------
    voxels : int
    steps : sequence of (int, int)
        Increments of each load step, and every how manyth is stored.
    material : str
        YAML of the phase definitions, which say what is stored.

    Returns
    -------
    Forecast

    Examples
    --------
    >>> print(expected(32**3, [(100, 10)], "output: [F, P]"))
    32768 voxels, 100 increments: about 20 min on one core, 358 MB of memory and 69 MB of disk
    """
    increments, states = sum(n for n, _ in steps), 1 + sum(n // f for n, f in steps)
    names = [name.strip() for found in re.findall(r"output: \[(.*?)\]", material) for name in found.split(",")]
    phases = max(1, material.count("elastic:"))
    numbers = _GEOMETRY + sum(_NUMBERS.get(name, _SYSTEMS) for name in names) / phases
    return Forecast(
        voxels,
        increments,
        _SECONDS * _ITERATIONS * voxels * increments,
        _START + _BYTES * voxels,
        states * voxels * numbers * _STORED,
    )


def find_solver(given: str | None = None) -> list[str]:
    """Return the words of the command that starts the solver.

    Parameters
    ----------
    given : str, optional
        As in a shell, such as ``"mpirun -n 4 damask_grid"`` or ``"docker run ... damask_grid"``; by default the program
        on the PATH.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    words = shlex.split(given) if given is not None else next(([p] for p in PROGRAMS if shutil.which(p)), [])
    if not words or shutil.which(words[0]) is None:
        missing = f"no program {words[0]!r}" if words else f"neither {' nor '.join(PROGRAMS)} on the PATH"
        raise FileNotFoundError(f"solver: expected DAMASK's grid solver; got {missing}")
    return words


def command(solver: Sequence[str], restart: int | None = None) -> list[str]:
    """Return the words of a run in its folder, from an increment on where it goes on."""
    files = "--geom grid.vti --load load.yaml --material material.yaml --numerics numerics.yaml".split()
    again = [] if restart is None else ["--restart", str(restart)]
    return [*solver, *files, "--jobname", JOB, *again]


def restart_of(folder: str | Path) -> int | None:
    """Return the increment that a stopped run can go on from; None where it has to begin anew."""
    folder = Path(folder)
    if not (folder / f"{JOB}_restart.hdf5").exists() or not (folder / LOG).exists():
        return None
    done, kept = 0, None
    for line in (folder / LOG).read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _DONE.match(line):
            done = int(found[1])
        elif _RESTART.search(line) and done:
            kept = done
    return kept


def simulate(
    folder: str | Path,
    solver: Sequence[str],
    *,
    resume: bool = False,
    threads: int = 1,
    saturation: float | None = None,
    told: Callable[[State], object] = lambda state: None,
) -> State:
    """Run DAMASK in a folder until its load is done, or its cycles no longer change.

    Parameters
    ----------
    folder : path-like
        As the export to DAMASK writes it.
    solver : sequence of str
        Words that start the program, see :func:`find_solver`.
    resume : bool
        Whether a run that stopped goes on from its last restart file; where it left none, it begins anew.
    threads : int
        Of OpenMP; with MPI each process has so many.
    saturation : float, optional
        Ends a cyclic load after the first cycle whose stress amplitude differs by less than this share from that of the
        cycle before.
    told : callable
        Called with a :class:`State` for every iteration.

    Returns
    -------
    State
        The last.

    Raises
    ------
    SolverError
        If the program ended before the load did.
    KeyboardInterrupt
        If it was interrupted: then the increment was ended and a restart file written, if there was time.
    """
    if os.name != "posix":
        raise SolverError("simulate: expected a Unix system, which DAMASK runs on; run the folder on one")
    folder = Path(folder)
    restart = restart_of(folder) if resume else None
    if restart is not None:
        _cut_after(folder / f"{JOB}.hdf5", restart)
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    reader = _Reader(time.monotonic(), restart or 0)
    saturated = False
    with (folder / LOG).open("w" if restart is None else "a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command(solver, restart), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", start_new_session=True, preexec_fn=_large_stack,
        )  # fmt: skip
        try:
            for line in _lines(process, log):
                if reader.take(line):
                    told(reader.state())
                if saturation is not None and not saturated and reader.saturated(saturation):
                    saturated = True
                    _signal(process.pid, signal.SIGINT)
        except KeyboardInterrupt:
            _end(process, log)
            raise
        code = process.wait()
    state = reader.state()
    if code != 0 or not state.increments or (state.increment < state.increments and not saturated):
        raise SolverError(_reason(code, reader, folder))
    return state


@dataclass
class _Reader:
    """What the lines of a run say."""

    began: float
    done: int = 0
    total: int = 0
    iteration: int = 0
    parts: int = 1
    iterations: int = 0
    first: int = -1
    means: list[tuple[float, float]] = field(default_factory=list)
    last: deque[str] = field(default_factory=lambda: deque(maxlen=60))
    _seen: tuple[str, ...] = ()
    _rows: dict[str, list[list[float]]] = field(default_factory=dict)
    _open: list[list[float]] | None = None
    _component: tuple[Any, ...] = (0, 0)

    def take(self, line: str) -> bool:
        """Take a line; True where it tells of an iteration or of an increment that is done."""
        self.last.append(line)
        if _MEAN.search(line):
            self._open = self._rows[line.split()[0]] = []
        elif self._open is not None and len(self._open) < 3:
            self._open.append([float(number) for number in line.split()])
        if found := _STEP.search(line):
            if self.first < 0:
                self.first = int(found[1]) - 1
                self.done = self.first
            self.total, self.parts, self.iteration = int(found[2]), int(found[4]), int(found[6])
            self.iterations += found.groups() != self._seen
            self._seen = found.groups()
            return True
        if found := _DONE.match(line):
            self.done = int(found[1])
            self._keep()
            return True
        return False

    def _keep(self) -> None:
        """Keep strain and stress of an increment along the component that is strained most."""
        if {len(rows) for rows in self._rows.values()} == {3} and len(self._rows) == 2:
            F, P = (np.array(self._rows[name]) for name in ("deformation", "Piola--Kirchhoff"))
            at = np.unravel_index(np.argmax(np.abs(F - np.eye(3))), (3, 3)) if not self.means else self._component
            self._component = at
            self.means.append((float(F[at] - (at[0] == at[1])), float(P[at])))

    def saturated(self, change: float) -> bool:
        """Whether the amplitude of the last whole cycle differs by less than a share from that before."""
        amplitudes = _amplitudes([(0.0, 0.0), *self.means])
        return len(amplitudes) > 1 and abs(amplitudes[-1] / amplitudes[-2] - 1.0) < change

    def state(self) -> State:
        """Return how far the run is."""
        now = time.monotonic() - self.began
        made = self.done - max(self.first, 0)
        left = now / made * (self.total - self.done) if made > 0 else math.nan
        return State(self.done, self.total, self.iteration, round(math.log2(self.parts)), now, left)


def _amplitudes(curve: Sequence[tuple[float, float]]) -> list[float]:
    """Stress amplitudes of the whole cycles of a curve of strain and stress, each from one upper turn to the next."""
    turns = [
        stress for (before, _), (strain, stress), (after, _) in zip(curve, curve[1:], curve[2:], strict=False)
        if (strain - before) * (after - strain) < 0
    ]  # fmt: skip
    return [abs(upper - lower) / 2.0 for lower, upper in zip(turns[1::2], turns[2::2], strict=False)]


def finished(folder: str | Path) -> bool:
    """Tell whether the run in a folder came to the end of its load."""
    log = Path(folder) / LOG
    if not log.exists():
        return False
    done = total = 0
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if found := _STEP.search(line):
            total = int(found[2])
        elif found := _DONE.match(line):
            done = int(found[1])
    return total > 0 and done == total


def _lines(process: subprocess.Popen[str], log: TextIO) -> Iterator[str]:
    """Yield what a run prints, line by line, and keep it."""
    for line in process.stdout or ():
        log.write(line)
        yield line


def _end(process: subprocess.Popen[str], log: TextIO) -> None:
    """Ask a run to write its restart file and to stop after the increment; end it when it takes too long."""
    for number in (signal.SIGUSR2, signal.SIGINT):
        _signal(process.pid, number)
    deadline = time.monotonic() + _GRACE
    try:
        for _ in _lines(process, log):
            if time.monotonic() > deadline:
                break
        process.wait(timeout=10.0)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _signal(number: int, sent: signal.Signals) -> None:
    """Send a signal to the solver itself: mpirun would end it, and Open MPI's own children do not hand it on."""
    import psutil  # type: ignore[import-untyped]

    with suppress(psutil.NoSuchProcess):
        starter = psutil.Process(number)
        every = [starter, *starter.children(recursive=True)]
        solvers = [process for process in every if "damask" in _name(process)]
        for process in solvers or [starter]:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(sent)


def _name(process: Any) -> str:
    import psutil

    with suppress(psutil.NoSuchProcess):
        return str(process.name()).lower()
    return ""


def _large_stack() -> None:
    """DAMASK keeps material.yaml on the stack while it reads it."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (hard, hard))


def _cut_after(path: Path, increment: int) -> None:
    """Take away the states after an increment: DAMASK stops where it finds them already there."""
    import h5py

    try:
        with h5py.File(path, "a") as file:
            for name in [key for key in file if key.startswith("increment_") and int(key[10:]) > increment]:
                del file[name]
    except OSError as error:
        raise SolverError(
            f"{path}: expected the results so far; got a broken file ({error}): --force begins anew"
        ) from None


def _reason(code: int, reader: _Reader, folder: Path) -> str:
    """Why a run ended, in one sentence."""
    lines = [line.strip() for line in reader.last]
    where = f"after increment {reader.done} of {reader.total}" if reader.total else "before its first increment"
    boxed = next((i for i in range(len(lines) - 1, -1, -1) if _ERROR.search(lines[i])), None)
    look = f"({folder / LOG} has all that it printed)"
    if boxed is not None:
        found = _ERROR.search(lines[boxed])
        words = [line.strip("│ ") for line in lines[boxed + 1 :] if line.startswith("│")]
        text = ", ".join(word for word in words if word)
        remedy = ": more increments (--increments) make smaller steps" if found and found[1] == "950" else ""
        return f"DAMASK stopped {where} with error {found and found[1]}, {text}{remedy} {look}"
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        needed = _size(forecast(folder).memory)
        return f"DAMASK was killed {where}, as systems do that run out of memory; about {needed} are needed {look}"
    if code in (-signal.SIGSEGV, 128 + signal.SIGSEGV):
        return f"DAMASK ended {where} in a segmentation fault: ulimit -s unlimited gives it a larger stack {look}"
    if code < 0:
        return f"DAMASK was ended {where} by signal {-code}; --resume goes on {look}"
    text = next((line for line in reversed(lines) if line), "it printed nothing")
    return f"DAMASK ended {where} with exit code {code}: {text} {look}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def _size(count: float) -> str:
    if not np.isfinite(count):
        return "an unknown number of bytes"
    return f"{count / 1e6:.0f} MB" if count < 1e9 else f"{count / 1e9:.1f} GB"
