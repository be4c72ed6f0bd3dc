"""``polyrve simulate``: a volume under load, by DAMASK's grid solver."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
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
        str,
        typer.Option(
            metavar="CASE",
            help="tension, compression, shear, plane-strain, rolling, biaxial or cyclic; or yield-locus, biaxial paths "
            "all around.",
        ),
    ] = "tension",
    axis: Annotated[
        str | None, typer.Option("--axis", metavar="AXES", help="Direction of the load, such as x, or xz for two.")
    ] = None,
    strain: Annotated[
        float | None, typer.Option(help="Largest strain, such as 0.01; by default that of the load.")
    ] = None,
    rate: Annotated[
        str, typer.Option(metavar="RATE[,RATE...]", help="Strain rate, 1/s; a run for each where there are several.")
    ] = "0.001",
    temperature: Annotated[
        str | None,
        typer.Option(
            metavar="KELVIN[,...]",
            help="Temperature, of definitions from files that depend on it; a run for each where there are several.",
        ),
    ] = None,
    ratio: Annotated[float, typer.Option(help="R-ratio of cyclic: smallest over largest strain.")] = -1.0,
    cycles: Annotated[int, typer.Option(min=1, help="Number of cycles of cyclic.")] = 1,
    saturation: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT", help="End cyclic after a cycle whose stress amplitude changes by less than this."
        ),
    ] = None,
    angle: Annotated[
        float, typer.Option(help="Degrees of the biaxial path from the first axis: 45 is equibiaxial.")
    ] = 45.0,
    points: Annotated[int, typer.Option(min=4, help="Paths of yield-locus.")] = 12,
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
    from polyrve.response import family as families
    from polyrve.response import simulate as runs

    if store not in ("curve", "fields"):
        raise ValueError(f"--store: expected curve or fields; got {store!r}")
    if resume and source is not None:
        raise ValueError("--resume: expected the folder alone, as it was written; got a volume too")
    if not resume:
        if source is None:
            raise ValueError("VOLUME: expected a volume to be loaded, or --resume; got neither")
        if not force and (output / "load.yaml").exists():
            raise FileExistsError(f"{output}: holds a job of DAMASK; {_again(output)} runs it, --force writes it anew")
        outputs.check_folder(output, force)
        given = {"axes": axis, "strain": strain, "increments": increments}
        chosen: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        chosen |= {"phase": phase, "load": load}
        if load == "cyclic":
            chosen |= {"ratio": ratio, "cycles": cycles}
        if load == "biaxial":
            chosen["angle"] = angle
        kind, values, single = _family(load, points, _numbers("--rate", rate), _numbers("--temperature", temperature))
        _write(source, output, {**chosen, **single}, store, options,
               (threshold, min_grain, frame, read, resolution), force, (kind, values) if kind else None)  # fmt: skip
    folders = families.read_family(output).folders if families.is_family(output) else (output,)
    several = f"{len(folders)} runs, each of " if len(folders) > 1 else ""
    typer.echo(f"{output}: {several}{runs.forecast(folders[0])}")
    try:
        words = runs.find_solver(solver)
    except FileNotFoundError as error:
        if prepare:
            typer.echo(_elsewhere(folders))
            return
        remedy = f"with a solver, or with --solver COMMAND, {_again(output)} runs the folder; elsewhere"
        raise FileNotFoundError(f"{error}: {remedy} {_elsewhere(folders)}") from None
    if prepare:
        typer.echo(_elsewhere(folders, words))
        return
    told_share = None if saturation is None else saturation / 100.0
    with progress.reporter() as reporter, terminated_as_interrupted(), locked(output / "run"):
        reporter.step("simulating", "starting DAMASK")
        try:
            if families.is_family(output):
                _run_family(output, words, threads, reporter)
                return
            state = runs.simulate(
                output, words, resume=resume, threads=threads, saturation=told_share, told=_told(reporter)
            )
        except KeyboardInterrupt:
            kept = sum(map(runs.finished, folders)) if len(folders) > 1 else runs.restart_of(output)
            where = f"run {kept} of {len(folders)}" if len(folders) > 1 else f"increment {kept}"
            remedy = f"{_again(output)} goes on from {where}"
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
    family: tuple[str, list[float]] | None = None,
) -> None:
    from polyrve.adapters.solvers import damask, loads
    from polyrve.response.family import write_family

    threshold, min_grain, frame, read, resolution = reading
    chosen = {**given, **inputs.checked(damask.write, options)}
    number = chosen.get("increments") or loads.LOAD_CASES.get(chosen["load"], ("", 0.0, 100, ""))[2]
    stored = {} if store == "fields" or "output" in chosen else {"output": "F,P"}
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_grains(source, threshold, read, frame, min_grain=min_grain, tell=True)
        data = inputs.at_resolution(data, resolution)
        reporter.step("writing", f"writing {output}")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(?s).*outgrows the usual stack")
            every = {"f_restart": max(1, number // _RESTARTS), **stored, **chosen}
            if family is None:
                damask.write(data, output, force=force, **every)
            else:
                write_family(data, output, *family, force=force, **every)


def _run_family(output: Path, words: list[str], threads: int, reporter: progress.Reporter) -> None:
    from polyrve.response import family as families

    found = families.read_family(output)

    def tell(run: int, state: State) -> None:
        done = run * state.increments + state.increment
        text = f"run {run + 1} of {len(found.folders)}, increment {state.increment} of {state.increments}"
        reporter.share("DAMASK", done, len(found.folders) * state.increments, text)

    families.simulate_family(found, words, threads=threads, told=tell)
    typer.echo(f"{output}: {len(found.folders)} runs")
    typer.echo(f"polyrve results {shlex.quote(str(output))} -o response.html shows them")


def _numbers(flag: str, text: str | None) -> list[float]:
    try:
        return [float(word) for word in (text or "").split(",") if word.strip()]
    except ValueError:
        raise ValueError(f"{flag}: expected numbers such as 0.001,0.1; got {text!r}") from None


def _family(
    load: str, points: int, rates: list[float], temperatures: list[float]
) -> tuple[str, list[float], dict[str, Any]]:
    """Kind and values of the runs that belong together, an empty kind for one alone, and what they share."""
    several = [
        (kind, values) for kind, values in (
            ("yield-locus", [360.0 * n / points for n in range(points)] if load == "yield-locus" else []),
            ("rates", rates), ("temperatures", temperatures),
        ) if len(values) > 1
    ]  # fmt: skip
    if len(several) > 1:
        raise ValueError(
            f"--load, --rate, --temperature: expected one of them to vary; got {' and '.join(k for k, _ in several)}"
        )
    single = {name: values[0] for name, values in (("rate", rates), ("temperature", temperatures)) if len(values) == 1}
    return (*several[0], single) if several else ("", [], single)


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


def _again(folder: Path) -> str:
    return f"polyrve simulate -o {shlex.quote(str(folder))} --resume"


def _elsewhere(folders: Sequence[Path], words: list[str] | None = None) -> str:
    from polyrve.response import simulate as runs

    said = shlex.join(runs.command(words or ["damask_grid"]))
    more = f", and so in the {len(folders) - 1} folders beside it" if len(folders) > 1 else ""
    return f"run it by: cd {shlex.quote(str(folders[0]))} && ulimit -s unlimited && {said}{more}"
