"""``polyrve simulate``: a volume under load, by DAMASK's grid solver."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.lock import locked
from polyrve.cli.messages import Interrupted
from polyrve.cli.options import (
    ForceOption,
    FrameOption,
    GivenThresholdOption,
    MinGrainOption,
    PhaseOption,
    ReadOptions,
    ResolutionOption,
)
from polyrve.cli.reconstruct import terminated_as_interrupted

if TYPE_CHECKING:
    from polyrve.response.simulate import State

_RESTARTS = 10
"""Restart files over a run: a run that is ended from outside loses a tenth of it at most."""


def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder of the run.")],
    source: Annotated[
        Path | None, typer.Argument(metavar="VOLUME", help="A volume, usually the .dream3d of a reconstruction.")
    ] = None,
    phase: PhaseOption = None,
    load: Annotated[
        str, typer.Option(metavar="CASE", help="tension, compression, shear, plane-strain, rolling or cyclic.")
    ] = "tension",
    axis: Annotated[
        str | None, typer.Option("--axis", metavar="AXES", help="Direction of the load, such as x, or xz for two.")
    ] = None,
    strain: Annotated[
        float | None, typer.Option(help="Largest strain, such as 0.01; by default that of the load.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Strain rate, 1/s.")] = 1e-3,
    increments: Annotated[int | None, typer.Option(min=1, help="Number of increments.")] = None,
    resolution: ResolutionOption = None,
    store: Annotated[
        str, typer.Option(metavar="WHAT", help="curve: F and P alone; or fields: all that results can show.")
    ] = "curve",
    solver: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help='How the solver is started, such as "mpirun -n 4 damask_grid"; by default damask_grid or DAMASK_grid '
            "on the PATH.",
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the solver, or of each of its processes.")] = 1,
    prepare: Annotated[
        bool, typer.Option("--prepare", help="Write the folder and say what it takes; run nothing.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in the folder.")] = False,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Further options of the export (polyrve formats damask)."),
    ] = None,
    threshold: GivenThresholdOption = None,
    min_grain: MinGrainOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Load a volume with DAMASK's grid solver.

    The folder is written first, and what the run will take is said before it starts. Ctrl-C ends it after the increment
    that is being computed; --resume goes on. polyrve results FOLDER reads what it gave.
    """
    from polyrve.response import simulate as runs

    if store not in ("curve", "fields"):
        raise ValueError(f"--store: expected curve or fields; got {store!r}")
    if resume and source is not None:
        raise ValueError("--resume: expected the folder alone, as it was written; got a volume too")
    if not resume:
        if source is None:
            raise ValueError("VOLUME: expected a volume to be loaded, or --resume; got neither")
        outputs.check_folder(output, force)
        given = {"axes": axis, "strain": strain, "increments": increments}
        chosen = {name: value for name, value in given.items() if value is not None}
        _write(source, output, {**chosen, "phase": phase, "load": load, "rate": rate}, store, options,
               (threshold, min_grain, frame, read, resolution), force)  # fmt: skip
    typer.echo(f"{output}: {runs.forecast(output)}")
    try:
        words = runs.find_solver(solver)
    except FileNotFoundError as error:
        if prepare:
            typer.echo(_elsewhere(output))
            return
        raise FileNotFoundError(f"{error}: {_elsewhere(output)}, or --solver says how to start it") from None
    if prepare:
        typer.echo(_elsewhere(output, words))
        return
    with progress.reporter() as reporter, terminated_as_interrupted(), locked(output / "run"):
        reporter.step("simulating", "starting DAMASK")
        try:
            state = runs.simulate(output, words, resume=resume, threads=threads, told=_told(reporter))
        except KeyboardInterrupt:
            kept = runs.restart_of(output)
            remedy = f"polyrve simulate -o {shlex.quote(str(output))} --resume goes on from increment {kept}"
            raise Interrupted(f"interrupted; {remedy if kept else 'no increment was finished'}") from None
    typer.echo(f"{output}: {state.increments} increments in {progress.clock(state.seconds)}")
    typer.echo(f"polyrve results {shlex.quote(str(output))} -o response.html shows them")


def _write(
    source: Path,
    output: Path,
    given: dict[str, Any],
    store: str,
    options: list[str] | None,
    reading: tuple[float | None, int | None, str | None, list[str] | None, str | None],
    force: bool,
) -> None:
    from polyrve.adapters.solvers import damask

    threshold, min_grain, frame, read, resolution = reading
    chosen = {**given, **inputs.checked(damask.write, options)}
    number = chosen.get("increments") or damask.LOAD_CASES.get(chosen["load"], ("", 0.0, 100, ""))[2]
    stored = {} if store == "fields" or "output" in chosen else {"output": "F,P"}
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_grains(source, threshold, read, frame, min_grain=min_grain, tell=True)
        data = inputs.at_resolution(data, resolution)
        reporter.step("writing", f"writing {output}")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*outgrows the usual stack")
            damask.write(
                data, output, force=force, **{"f_restart": max(1, number // _RESTARTS), **stored, **chosen}
            )  # fmt: skip


def _told(reporter: progress.Reporter) -> Any:
    """Return what a run calls with its state."""
    first = [True]

    def tell(state: State) -> None:
        cutbacks = f", cut back {state.cutbacks} times" if state.cutbacks else ""
        reporter.share(
            "DAMASK", state.increment, state.increments,
            f"increment {state.increment} of {state.increments}, iteration {state.iteration}{cutbacks}",
        )  # fmt: skip
        if first[0] and state.increment and state.left == state.left:
            first[0] = False
            typer.echo(f"by its first increments the run takes about {progress.clock(state.left)} more", err=True)

    return tell


def _elsewhere(folder: Path, words: list[str] | None = None) -> str:
    from polyrve.response import simulate as runs

    said = shlex.join(runs.command(words or ["damask_grid"]))
    return f"run it by: cd {shlex.quote(str(folder))} && ulimit -s unlimited && {said}"
