"""``polyrve reconstruct``: maps in, a volume out."""

from __future__ import annotations

import itertools
import math
import signal
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.lock import locked
from polyrve.cli.messages import Interrupted, grains_of, times
from polyrve.cli.options import (
    AxisymmetricOption,
    DropPhaseOption,
    ForceOption,
    FormerAxisOption,
    FrameOption,
    MapOption,
    MinGrainOption,
    NormalsOption,
    ReadOptions,
    ScaleOption,
    SolidOption,
    ThresholdOption,
)

if TYPE_CHECKING:
    from types import FrameType

    import numpy as np

    from polyrve.microstructure.cell_volume import CellVolume
    from polyrve.microstructure.fields import OrientationVolume
    from polyrve.microstructure.grains import GrainVolume
    from polyrve.microstructure.map_placement import Maps
    from polyrve.reconstruction.checkpoint import Checkpoint
    from polyrve.reconstruction.ensemble import Member
    from polyrve.reconstruction.run import Reconstruction
    from polyrve.settings import ReconstructionSettings


def reconstruct(
    output: Annotated[Path, typer.Option("--output", "-o", help="The volume to write, usually a .dream3d.")],
    maps: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MAP]...",
            help="One map for all directions, or three: normal to x, y and z (RD, TD, ND).",
            show_default=False,
        ),
    ] = None,
    by_axis: MapOption = None,
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="NZ NY NX", help="Voxels in array order, z first; NZ = 1 reconstructs in 2D."),
    ] = None,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="DZ DY DX", help="Voxel size in um, z first; by default the step of the map."),
    ] = None,
    solid: SolidOption = None,
    scale: ScaleOption = 1.0,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    iterations: Annotated[int | None, typer.Option(help="Largest number of iterations on the finest grid.")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="RUN.TOML", help="File of settings; polyrve settings prints one.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any other setting (polyrve settings); may be repeated."),
    ] = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    drop_phase: DropPhaseOption = None,
    normals: NormalsOption = None,
    axisymmetric: AxisymmetricOption = None,
    former_axis: FormerAxisOption = None,
    threshold: ThresholdOption = 5.0,
    min_grain: MinGrainOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Run so many seeds and keep the best (needs Dask).")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Dask scheduler for --seeds or --workers, or slurm; by default processes here."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share the sections of one large volume (needs Dask)."),
    ] = None,
    checkpoint_interval: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Seconds between two writes of the state that --resume continues."),
    ] = 60.0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run with this output.")] = False,
    show: Annotated[
        str,
        typer.Option(
            "--progress",
            metavar="KIND",
            help="auto: bars on a terminal, else lines; lines; or json: an object per line on stdout, for programs.",
        ),
    ] = "auto",
    force: ForceOption = False,
) -> None:
    """Grow a volume that has the statistics of one or three maps.

    Ctrl-C ends the run; the best state so far is written and the exit code is 130. SIGTERM, which batch systems send
    before a job is ended, does the same with the exit code 143.
    """
    with progress.reporter(show) as reporter, terminated_as_interrupted() as (ended, finished):
        if not output.suffix:
            raise ValueError(
                f"{output}: expected the name of a file, usually a .dream3d, from which polyrve export writes folders; "
                "got no suffix"
            )
        if not 0.0 <= checkpoint_interval < math.inf:
            raise ValueError(f"--checkpoint-interval: expected seconds, 0 or more; got {checkpoint_interval}")
        row = outputs.check_target(output, None, force or resume)
        given = {"shape": shape, "spacing": spacing, "seed": seed, "iterations": iterations}
        chosen = {name: value for name, value in given.items() if value is not None}
        settings = settings_of(config, chosen, options, shape_known=solid is not None)
        outputs.check_holds_volume(row, output, settings.shape)
        if seeds is None and workers is None and scheduler is not None:
            raise ValueError("--scheduler: expected --seeds or --workers with it; got none")
        if seeds is not None and workers is not None:
            raise ValueError("--workers: expected one volume; got --seeds, each of which is run by one process")
        if seeds is not None and resume:
            raise ValueError("--resume: expected a single run; got --seeds")
        checkpoint = _checkpoint(output, resume, force, checkpoint_interval)
        from polyrve.crystallography.phase import VOID, Phase
        from polyrve.microstructure.cell_volume import CellVolume
        from polyrve.microstructure.outer_shape import fill_shape
        from polyrve.settings import maps_by_axis

        listed = maps_by_axis(by_axis) or ([] if maps else maps_of(config))
        files = [*(maps or []), *(path for _, path in listed)]
        reporter.step("reading", f"reading {', '.join(map(str, files))}")
        scans = inputs.read_maps(maps or [], frame, read, drop_phase, normals, axisymmetric, former_axis, listed)
        inside = None if solid is None else _body(solid, scale, scans, settings.spacing)
        with locked(output):
            if seeds is None:
                result, interrupted = _run(scans, settings, inside, checkpoint, reporter, scheduler, workers)
            else:
                result, interrupted = _run_many(scans, settings, inside, seeds, scheduler, reporter)
            finished.set()
            reporter.step("segmenting", "cutting the volume into grains")
            rve = _segmented(result.made, threshold, min_grain)
            if inside is not None and not isinstance(rve, CellVolume):
                rve = fill_shape(rve, inside, Phase(VOID))
            reporter.step("writing", f"writing {output}")
            output = _write(rve, output, force or resume)
            if not interrupted:
                checkpoint.remove()
        if isinstance(reporter.display, progress.JsonLines):
            reporter.display.event("result", **_record(result, rve, output, interrupted))
    if not isinstance(reporter.display, progress.JsonLines):
        typer.echo(
            f"{result.status}\nloss {result.loss:.3e} after {len(result.history) - 1} iterations, {_written(result)}"
        )
        typer.echo(f"{output}: {times(result.made.shape)} voxels, {grains_of(rve)}")
    if interrupted:
        raise typer.Exit(143 if ended.is_set() else 130)


def _body(solid: Path, scale: float, scans: Maps, spacing: tuple[float, float, float] | None) -> np.ndarray:
    """The voxels of a solid, of the size that the volume's will have."""
    from polyrve.adapters import solids
    from polyrve.microstructure.map_placement import by_normal, voxel_size

    step = spacing or voxel_size(by_normal(scans))
    return solids.read_solid(solid, solids.cube_edge(step, str(solid)), scale=scale)


def settings_of(
    config: Path | None, given: dict[str, Any], options: list[str] | None, *, shape_known: bool = False
) -> ReconstructionSettings:
    """Return the settings of a file, texts name=value and options, of which the last win.

    Parameters
    ----------
    config : Path or None
    given : dict
    options : list of str or None
    shape_known : bool
        Whether no shape need be said.

    Raises
    ------
    ValueError
        If the file is no TOML, a setting is unknown or out of its range, or no shape is given.
    OSError
        If there is no such file.
    """
    from polyrve.settings import ReconstructionSettings

    kinds = {name: field.annotation for name, field in ReconstructionSettings.model_fields.items()}
    values = {**inputs.with_lists(inputs.assignments(options), kinds), **given}
    if config is None and "shape" not in values and not shape_known:
        raise ValueError("--shape: expected NZ NY NX, the number of voxels, here or in --config; got none")
    if config is None:
        return ReconstructionSettings.create(**values)
    if config.is_dir():
        raise IsADirectoryError(f"--config {config}: expected a TOML file, as polyrve settings prints; got a folder")
    if not config.exists():
        raise FileNotFoundError(f"--config {config}: no such file")
    try:
        return ReconstructionSettings.from_toml(config, **values)
    except ValueError as error:
        raise ValueError(f"--config {error}") from None


def maps_of(config: Path | None) -> list[tuple[str, Path]]:
    """Return the maps that a TOML file of settings names in its table ``maps``, by the axes that they are normal to.

    Raises
    ------
    ValueError
        If the table holds something else than names of files by axis.
    """
    from polyrve.settings import maps_by_axis, maps_table

    if config is None:
        return []
    texts = [f"{axis}:{name}" for axis, names in maps_table(config).items() for name in names]
    return maps_by_axis(texts, f"{config}: maps", config.parent)


def _checkpoint(output: Path, resume: bool, force: bool, interval: float) -> Checkpoint:
    """The checkpoint beside an output; an interrupted run's is continued or replaced on request only."""
    from polyrve.reconstruction.checkpoint import Checkpoint

    checkpoint = Checkpoint(output.with_name(f"{output.name}.checkpoint"), interval, fresh=not resume)
    there = checkpoint.path.exists()
    if resume and not there:
        raise FileNotFoundError(f"{checkpoint.path}: expected the state of an interrupted run; there is no such file")
    if there and not resume and not force:
        raise FileExistsError(
            f"{checkpoint.path}: a run with this output was interrupted; --resume continues it, --force starts anew"
        )
    return checkpoint


def _run(
    scans: Maps,
    settings: ReconstructionSettings,
    inside: np.ndarray | None,
    checkpoint: Checkpoint,
    reporter: progress.Reporter,
    scheduler: str | None,
    workers: int | None,
) -> tuple[Reconstruction, bool]:
    reporter.step("preparing", "loading TensorFlow")
    from polyrve.backend.quiet_import import load_tensorflow

    load_tensorflow()
    from polyrve.optimizers import Status
    from polyrve.reconstruction.run import reconstruct

    reporter.step("preparing", "measuring the maps")
    try:
        result = reconstruct(
            scans, settings, inside=inside, progress=reporter, say=reporter.say, checkpoint=checkpoint,
            scheduler=scheduler, workers=workers,
        )  # fmt: skip
    except KeyboardInterrupt:
        saved = "; --resume continues it" if checkpoint.path.exists() else ""
        raise Interrupted(f"interrupted before the first iteration: no volume is written{saved}") from None
    return result, result.status is Status.INTERRUPTED


def _run_many(
    scans: Maps,
    settings: ReconstructionSettings,
    inside: np.ndarray | None,
    seeds: int,
    scheduler: str | None,
    reporter: progress.Reporter,
) -> tuple[Reconstruction, bool]:
    reporter.step("preparing", "loading TensorFlow")
    from polyrve.backend.quiet_import import load_tensorflow

    load_tensorflow()
    from polyrve.reconstruction.ensemble import reconstruct_many

    done = itertools.count(1)

    def show(member: Member) -> None:
        if isinstance(reporter.display, progress.JsonLines):
            reporter.display.event("member", **vars(member))
        else:
            typer.echo(f"seed {member.seed}: loss {member.loss:.3e}, {member.seconds:.0f} s: {member.status}", err=True)
        reporter.share(text, next(done), seeds)

    text = f"runs of {seeds} seeds"
    reporter.step("realising", text)
    reporter.share(text, 0, seeds)
    try:
        made = reconstruct_many(scans, settings, inside=inside, seeds=seeds, scheduler=scheduler, progress=show)
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted before one of {seeds} runs was done: no volume is written") from None
    if made.interrupted:
        known = sum(math.isfinite(member.loss) for member in made.members)
        warnings.warn(f"interrupted: the best of {known} runs of {seeds} is written", stacklevel=2)
    return made.best, made.interrupted


def _segmented(
    volume: OrientationVolume | CellVolume, threshold: float, min_grain: int | None
) -> GrainVolume | CellVolume:
    """The grains of a volume, which is not lost where none has so many points as are asked for.

    A large one has grains already, its cells.
    """
    from polyrve.microstructure.cell_volume import CellVolume
    from polyrve.microstructure.links import DEFAULT_THRESHOLD
    from polyrve.microstructure.segmentation import segment

    if isinstance(volume, CellVolume):
        if threshold != DEFAULT_THRESHOLD or min_grain:
            warnings.warn("--threshold, --min-grain: a large volume keeps its cells as grains", stacklevel=2)
        return volume
    try:
        return segment(volume, threshold, min_points=min_grain or 1)
    except ValueError as error:
        warnings.warn(f"--min-grain {min_grain}: no grain is given to others: {error}", stacklevel=2)
        return segment(volume, threshold)


def _write(rve: GrainVolume | CellVolume, output: Path, force: bool) -> Path:
    """Write the volume, under another name where its own cannot be written; return the file that holds it."""
    from polyrve.adapters import registry

    try:
        registry.write(rve, output, force=force)
    except OSError as error:
        reason = error.strerror or str(error)
        for other in _other_names(output):
            try:
                registry.write(rve, other)
            except OSError:
                continue
            warnings.warn(f"{output}: cannot be written: {reason}; the volume is in {other}", stacklevel=2)
            return other
        raise OSError(
            f"{output}: cannot be written: {reason}, and no other place can; --resume writes it again"
        ) from None
    return output


def _other_names(output: Path) -> Iterator[Path]:
    """Names beside an output that nothing has, then one among temporary files."""
    free = (output.with_name(f"{output.stem}-{i}{output.suffix}") for i in itertools.count(1))
    yield next(path for path in free if not path.exists())
    yield Path(tempfile.mkdtemp(prefix="polyrve-")) / output.name


@contextmanager
def terminated_as_interrupted() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Let SIGTERM end a run as Ctrl-C does, once, unless the run is over and its volume is being written.

    Yields
    ------
    ended : threading.Event
        Tells that the signal came.
    finished : threading.Event
        To be set when the run is over.
    """
    ended, finished = threading.Event(), threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        if not ended.is_set():
            ended.set()
            if not finished.is_set():
                raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield ended, finished
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield ended, finished
    finally:
        signal.signal(signal.SIGTERM, before)


def _written(result: Reconstruction) -> str:
    loss = result.volume_loss
    return "not sharpened" if math.isnan(loss) else f"{loss:.3e} as written"


def _record(result: Reconstruction, rve: GrainVolume | CellVolume, output: Path, interrupted: bool) -> dict[str, Any]:
    """What the event of the result holds."""
    return {
        "status": result.status.name,
        "text": str(result.status),
        "loss": result.loss,
        "volume_loss": result.volume_loss,
        "iterations": len(result.history) - 1,
        "output": str(output),
        "shape": list(result.made.shape),
        "grains": rve.number_of_grains,
        "interrupted": interrupted,
    }
