"""The command line: ``polyrve --help``.

Whatever the user can cause is one sentence on stderr and exit code 2; heavy packages are imported by the commands
that need them.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import textwrap
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from polyrve.adapters.registry import Format
    from polyrve.microstructure.fields import OrientationMap, OrientationVolume
    from polyrve.microstructure.grains import GrainMap, GrainVolume
    from polyrve.microstructure.map_placement import Maps
    from polyrve.reconstruction.checkpoint import Checkpoint
    from polyrve.reconstruction.run import Reconstruction
    from polyrve.settings import ReconstructionSettings

app = typer.Typer(
    name="polyrve",
    help="EBSD maps in, simulation-ready 3D polycrystal volumes out.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _check_threshold(degrees: float) -> float:
    if not 0.0 < degrees < 180.0:
        raise ValueError(f"--threshold: expected degrees between 0 and 180; got {degrees:g}")
    return degrees


FrameOption = Annotated[
    str | None,
    typer.Option(
        help="Frame of the Euler angles: none, edax-1, edax-2, edax-3, edax-4, oxford-cs0, oxford-cs1, bruker or "
        "bruker-5; by default what the file says, else the vendor's default with a warning.",
        metavar="NAME",
    ),
]
DropPhaseOption = Annotated[
    list[str] | None,
    typer.Option("--drop-phase", metavar="NAME", help="Leave a phase of the maps out; may be repeated."),
]
NormalsOption = Annotated[
    str | None,
    typer.Option(metavar="AXES", help="Axes that the maps are normal to, in their order, e.g. zx; xyz for three."),
]
AxisOption = Annotated[
    str | None,
    typer.Option(
        metavar="x|y",
        help="One map alone: the axis within it that the material is alike around, as a wire, an extrusion or a build.",
    ),
]
ThresholdOption = Annotated[
    float, typer.Option(callback=_check_threshold, help="Degrees between neighbours of a grain.")
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
WriterOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="Option of the target's writer (polyrve formats NAME); may be repeated."
    ),
]
ReadOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="NAME=VALUE",
        help="Option of the source's reader (polyrve formats NAME), such as slice_name=2, geometry=Small or "
        "laue=6/mmm; may be repeated.",
    ),
]


def main() -> None:
    """Run the command line; the entry point ``polyrve``."""
    warnings.showwarning = _show_warning
    try:
        sys.exit(app(standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except (ValueError, OSError, MemoryError, ImportError) as error:
        _fail(_sentence(error), 2)
    except Exception as error:
        if hasattr(error, "format_message"):
            _fail(_misuse(error), 2)
        if os.environ.get("POLYRVE_TRACEBACK"):
            raise
        _fail(
            f"this is a fault of polyrve, please report it: {type(error).__name__}: {_sentence(error)} "
            "(POLYRVE_TRACEBACK=1 shows where)",
            1,
        )


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from polyrve import __version__

        typer.echo(__version__)
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def info(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="An EBSD map or a volume.")],
    frame: FrameOption = None,
    read: ReadOptions = None,
    threshold: ThresholdOption = 5.0,
    min_points: Annotated[
        int, typer.Option(metavar="N", min=1, help="Grains of at least so many points are counted apart.")
    ] = 3,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw IPF maps, pole figures and crystal shapes, to check the frame by eye."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Say what is in a file, in which frame, and what looks wrong."""
    from polyrve.crystallography.reference_frames import DefaultFrameWarning
    from polyrve.microstructure.quality import inspect

    if plot is not None:
        from polyrve.report.frame_check import draw_check, require_image_name

        require_image_name(plot)
        _check_file(plot, force)
    warnings.simplefilter("ignore", DefaultFrameWarning)
    field = _read(path, frame, read)
    found = inspect(field, path, threshold=threshold, min_points=min_points)
    width = max(map(len, found.facts))
    for name, value in found.facts.items():
        typer.echo(f"{name:<{width}}  {value}")
    for sentence in found.suspicions:
        typer.secho(f"looks wrong: {sentence}", fg=typer.colors.YELLOW)
    if plot is not None:
        draw_check(field, plot, force=force)
        typer.echo(f"drawn: {plot}")


@app.command()
def formats(
    name: Annotated[
        str | None, typer.Argument(metavar="FORMAT", help="A format, to see the options of its reader and writer.")
    ] = None,
) -> None:
    """List the file formats, or the options of one."""
    from polyrve.adapters import registry

    if name is None:
        rows = registry.formats()
        width = max(len(" ".join(row.suffixes)) for row in rows)
        for row in rows:
            does = f"{'read' if row.reads else '':4} {'write' if row.writes else '':5}"
            typer.echo(f"{row.name:<14} {does}  {' '.join(row.suffixes) or 'folder':<{width}}  {row.description}")
        return
    named = {row.name: row for row in registry.formats()}
    if name not in named:
        raise ValueError(f"format: expected one of {', '.join(named)}; got {name!r}")
    row = named[name]
    typer.echo(f"{row.name}: {row.description}")
    for can, verb, flag in ((row.reads, "read", "--read"), (row.writes, "write", "--set")):
        if not can:
            continue
        function = getattr(row.load(), verb)
        options, told = registry.options_of(function), registry.descriptions_of(function)
        texts = {option: told.get(option, "") for option in options}
        typer.echo(f"\n{verb}: {f'options by {flag} NAME=VALUE' if options else 'no options'}")
        for text, alike in itertools.groupby(options, texts.__getitem__):
            typer.echo(f"  {', '.join(f'{option}={options[option]!r}' for option in alike)}")
            if text:
                typer.echo(textwrap.fill(text, 80, initial_indent=" " * 6, subsequent_indent=" " * 6))


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The file to read.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; its suffix says the format.")],
    to: Annotated[str | None, typer.Option(help="Format of the target, where the suffix does not say it.")] = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
    options: WriterOptions = None,
) -> None:
    """Write a map or volume in another format."""
    from polyrve.adapters import registry

    row = _check_target(target, to, force)
    chosen = _options(row.load().write, options)
    data = _read(source, frame, read)
    _check_section(row, target, data, chosen)
    registry.write(data, target, format=row.name, force=force, **chosen)
    typer.echo(f"{target}: {row.name}, from {_times(data.shape)} points")


@app.command()
def reconstruct(
    maps: Annotated[
        list[Path],
        typer.Argument(metavar="MAP", help="One map for all directions, or three: normal to x, y and z (RD, TD, ND)."),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The volume to write, usually a .dream3d.")],
    shape: Annotated[
        tuple[int, int, int] | None,
        typer.Option(metavar="NZ NY NX", help="Voxels in array order, z first; NZ = 1 reconstructs in 2D."),
    ] = None,
    spacing: Annotated[
        tuple[float, float, float] | None,
        typer.Option(metavar="DZ DY DX", help="Voxel size in um, z first; by default the step of the map."),
    ] = None,
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
    axis: AxisOption = None,
    threshold: ThresholdOption = 5.0,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Run so many seeds and keep the best (needs polyrve[ensemble]).")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler for --seeds, or slurm; by default processes here."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run with this output.")] = False,
    force: ForceOption = False,
) -> None:
    """Grow a volume that has the statistics of one or three maps.

    Ctrl-C ends the run; the best state so far is written and the exit code is 130.
    """
    from polyrve.adapters import registry
    from polyrve.microstructure import segmentation

    if not output.suffix:
        raise ValueError(
            f"{output}: expected the name of a file, usually a .dream3d, from which polyrve export writes folders; "
            "got no suffix"
        )
    row = _check_target(output, None, force or resume)
    given = {"shape": shape, "spacing": spacing, "seed": seed, "iterations": iterations}
    settings = _settings(config, {name: value for name, value in given.items() if value is not None}, options)
    _check_holds_volume(row, output, settings.shape)
    if seeds is None and scheduler is not None:
        raise ValueError("--scheduler: expected --seeds with it; got none")
    if seeds is not None and resume:
        raise ValueError("--resume: expected a single run; got --seeds")
    checkpoint = _checkpoint(output, resume, force)
    scans = _read_maps(maps, frame, read, drop_phase, normals, axis)

    if seeds is None:
        result, interrupted = _run(scans, settings, checkpoint)
    else:
        result, interrupted = _run_many(scans, settings, seeds, scheduler)
    rve = segmentation.segment(result.volume, threshold)
    registry.write(rve, output, force=force or resume)
    typer.echo(
        f"{result.status}\nloss {result.loss:.3e} after {len(result.history) - 1} iterations, {_written(result)}"
    )
    typer.echo(f"{output}: {_times(rve.field.shape)} voxels, {_grains(rve)}")
    if interrupted:
        raise typer.Exit(130)
    checkpoint.remove()


@app.command()
def settings() -> None:
    """Print all settings of a reconstruction with their defaults.

    The output is a file for polyrve reconstruct --config.
    """
    from polyrve.settings import ReconstructionSettings

    for name, field in ReconstructionSettings.model_fields.items():
        typer.echo(f"# {field.description}")
        default = _toml(field.default)
        typer.echo(f"{'# ' if default is None else ''}{name} = {default or '...'}\n")


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(metavar="VOLUME", help="A volume, usually the .dream3d of a reconstruction.")],
    against: Annotated[list[Path], typer.Option(help="The map it was made from; --against again for each map more.")],
    report: Annotated[Path | None, typer.Option(metavar="REPORT.HTML", help="Write a report, and its JSON.")] = None,
    read_volume: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="Option of the volume's reader, as --read for the maps; may be repeated."
        ),
    ] = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    drop_phase: DropPhaseOption = None,
    normals: NormalsOption = None,
    axis: AxisOption = None,
    threshold: ThresholdOption = 5.0,
    force: ForceOption = False,
) -> None:
    """Compare a volume with the map that it was made from.

    Every figure has a verdict, pass or warn.
    """
    from polyrve.validation import run

    if report is not None:
        _check_report(report, force)
    rve = _read_volume(path, threshold, read_volume)
    scans = _read_maps(against, frame, read, drop_phase, normals, axis)
    if report is None:
        typer.echo(str(run.validate(scans, rve, threshold=threshold)))
        return
    from polyrve.report import write_report as write_report

    typer.echo(str(write_report(rve, scans, report, threshold=threshold)))
    typer.echo(f"{report}: written, and {report.with_suffix('.json').name} beside it")


@app.command("report")
def show(
    path: Annotated[Path, typer.Argument(metavar="VOLUME", help="A volume, usually the .dream3d of a reconstruction.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    threshold: ThresholdOption = 5.0,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Draw a volume as an HTML page.

    polyrve validate --report judges it as well.
    """
    from polyrve.report import write_report

    _check_report(output, force)
    write_report(_read_volume(path, threshold, read, frame), path=output, threshold=threshold)
    typer.echo(f"{output}: written, and {output.with_suffix('.json').name} beside it")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for everything it makes.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Tiny: a try of the installation, not the method.")] = False,
    force: ForceOption = False,
) -> None:
    """Run the whole chain on a specimen whose true volume is known."""
    _check_folder(output, force)
    from rich.console import Console

    from polyrve.backend.quiet_import import load_tensorflow

    load_tensorflow()
    from polyrve.cli.progress import Reporter
    from polyrve.demo import run

    with Reporter(Console(stderr=True)) as reporter:
        made = run(output, quick=quick, force=force, say=typer.echo, progress=reporter)
    typer.echo("\nSections of the volume against the section that it was made from:\n")
    typer.echo(str(made.against_scan))
    typer.echo("\nThe whole volume against the true one, which it never saw:\n")
    typer.echo(str(made.against_truth))
    typer.echo(f"\nWritten to {output.absolute()}:")
    names = {f"{path.name}{'/' * path.is_dir()}": what for path, what in made.files.items()}
    for name, what in names.items():
        typer.echo(f"  {name:<{max(map(len, names))}}  {what}")


@app.command()
def export(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A volume, usually the .dream3d of a reconstruction.")
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file or folder to write.")],
    to: Annotated[str | None, typer.Option(help="Format, e.g. damask; by default from the target's suffix.")] = None,
    phase: Annotated[
        str | None, typer.Option(help="Phase definition of the target, e.g. Al for DAMASK; by default from the names.")
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            callback=_check_threshold,
            help="Degrees between neighbours of a grain, for a source that has no grains yet.",
        ),
    ] = 5.0,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
    options: WriterOptions = None,
) -> None:
    """Write a volume for a solver or a viewer.

    Grains are found first where the source has none.
    """
    from polyrve.adapters import registry

    row = _check_target(target, to, force)
    write = row.load().write
    if phase is not None and "phase" not in registry.options_of(write):
        raise ValueError(f"--phase: expected a format with phase definitions, such as damask; got {row.name}")
    chosen = _options(write, [*(options or []), *([f"phase={phase}"] if phase else [])])
    data = _read_grains(source, threshold, read, frame=frame)
    _check_section(row, target, data.field, chosen)
    registry.write(data, target, format=row.name, force=force, **chosen)
    typer.echo(f"{target}: {row.name}, from {_times(data.field.shape)} voxels, {_grains(data)}")


def _settings(config: Path | None, given: dict[str, Any], options: list[str] | None) -> ReconstructionSettings:
    from polyrve.settings import ReconstructionSettings

    values = {**dict(map(_assignment, options or [])), **given}
    if config is None and "shape" not in values:
        raise ValueError("--shape: expected NZ NY NX, the number of voxels, here or in --config; got none")
    if config is None:
        return ReconstructionSettings.create(**values)
    if config.is_dir():
        raise IsADirectoryError(f"--config {config}: expected a TOML file, as polyrve settings prints; got a folder")
    if not config.exists():
        raise FileNotFoundError(f"--config {config}: no such file")
    return ReconstructionSettings.from_toml(config, **values)


def _checkpoint(output: Path, resume: bool, force: bool) -> Checkpoint:
    """The checkpoint beside an output; an interrupted run's is continued or replaced on request only."""
    from polyrve.reconstruction.checkpoint import Checkpoint

    checkpoint = Checkpoint(output.with_name(f"{output.name}.checkpoint"))
    there = checkpoint.path.exists()
    if resume and not there:
        raise FileNotFoundError(f"{checkpoint.path}: expected the state of an interrupted run; there is no such file")
    if there and not resume and not force:
        raise FileExistsError(
            f"{checkpoint.path}: a run with this output was interrupted; --resume continues it, --force starts anew"
        )
    if there and not resume:
        checkpoint.remove()
    return checkpoint


def _read(path: Path, frame: str | None, options: list[str] | None, **more: Any) -> OrientationMap | OrientationVolume:
    from polyrve.adapters import registry

    row = registry.reader(path)
    chosen = {"frame": frame, **more, **_options(row.load().read, options, "--read")}
    return registry.read(path, format=row.name, **chosen)


def _read_maps(
    paths: list[Path],
    frame: str | None,
    options: list[str] | None,
    drop_phase: list[str] | None,
    normals: str | None,
    axis: str | None,
) -> Maps:
    """The maps, placed as the options say; those are checked before anything is read."""
    from polyrve.microstructure.map_placement import axisymmetric

    if axis is not None and (len(paths) != 1 or normals is not None):
        raise ValueError(f"--axis: expected one map without --normals; got {_counted(len(paths), 'map')}")
    if axis is None and normals is None and len(paths) not in (1, 3):
        remedy = ": --normals says what they are normal to, such as --normals zx" if len(paths) == 2 else ""
        raise ValueError(f"maps: expected one, or three normal to x, y and z; got {len(paths)}{remedy}")
    if normals is not None and (len(normals) != len(paths) or len(set(normals) & set("xyz")) != len(paths)):
        raise ValueError(
            f"--normals: expected {_counted(len(paths), 'different letter')} of xyz, one per map; got {normals!r}"
        )
    with _one_warning_of_frames():
        scans = [_read_map(path, frame, options, drop_phase) for path in paths]
    if axis is not None:
        return axisymmetric(scans[0], axis)
    return scans if normals is None else dict(zip(normals, scans, strict=True))


def _read_map(path: Path, frame: str | None, options: list[str] | None, drop_phase: list[str] | None) -> OrientationMap:
    from polyrve.microstructure import cleaning
    from polyrve.microstructure.fields import OrientationMap

    field = _read(path, frame, options)
    if not isinstance(field, OrientationMap):
        raise ValueError(f"{path}: expected a planar map; got a volume of {_times(field.shape)} voxels")
    for name in drop_phase or ():
        field = cleaning.drop_phase(field, name)
    return field


@contextmanager
def _one_warning_of_frames() -> Iterator[None]:
    """One warning of the vendor's default frame for all maps that are read within; others as they are."""
    from polyrve.crystallography.reference_frames import DefaultFrameWarning

    assumed: dict[str, list[str]] = {}
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    finally:
        for warning in caught:
            if isinstance(warning.message, DefaultFrameWarning):
                assumed.setdefault(warning.message.frame, []).extend(warning.message.files)
            else:
                _show_warning(warning.message, warning.category, warning.filename, warning.lineno)
        for frame, files in assumed.items():
            warnings.warn(DefaultFrameWarning(list(dict.fromkeys(files)), frame), stacklevel=2)


def _run(scans: Maps, settings: ReconstructionSettings, checkpoint: Checkpoint) -> tuple[Reconstruction, bool]:
    from rich.console import Console

    from polyrve.backend.quiet_import import load_tensorflow

    load_tensorflow()
    from polyrve.cli.progress import Reporter
    from polyrve.optimizers import Status
    from polyrve.reconstruction.run import reconstruct

    try:
        with Reporter(Console(stderr=True)) as reporter:
            result = reconstruct(scans, settings, progress=reporter, say=reporter.say, checkpoint=checkpoint)
    except KeyboardInterrupt:
        saved = "; --resume continues it" if checkpoint.path.exists() else ""
        _fail(f"interrupted before the first iteration: no volume is written{saved}", 130)
    return result, result.status is Status.INTERRUPTED


def _run_many(
    scans: Maps, settings: ReconstructionSettings, seeds: int, scheduler: str | None
) -> tuple[Reconstruction, bool]:
    from polyrve.backend.quiet_import import load_tensorflow

    load_tensorflow()
    from polyrve.reconstruction.ensemble import Member, reconstruct_many

    done = []

    def show(member: Member) -> None:
        done.append(member)
        typer.echo(f"seed {member.seed}: loss {member.loss:.3e}, {member.seconds:.0f} s: {member.status}", err=True)

    try:
        made = reconstruct_many(scans, settings, seeds=seeds, scheduler=scheduler, progress=show)
    except KeyboardInterrupt:
        _fail(f"interrupted before one of {seeds} runs was done: no volume is written", 130)
    if made.interrupted:
        typer.echo(f"interrupted: the best of {len(done)} runs of {seeds} is written", err=True)
    return made.best, made.interrupted


def _written(result: Reconstruction) -> str:
    loss = result.volume_loss
    return "not sharpened" if math.isnan(loss) else f"{loss:.3e} as written"


def _read_grains(
    source: Path, threshold: float, options: list[str] | None = None, frame: str | None = None, **more: Any
) -> GrainMap | GrainVolume:
    """The grains of the file, by its feature data or else its feature ids; a segmentation where it has none."""
    from polyrve.adapters import material_grid, registry
    from polyrve.adapters.volumes import dream3d
    from polyrve.microstructure import segmentation
    from polyrve.microstructure.grains import GrainMap, GrainVolume

    if registry.reader(source).name == "dream3d":
        found = dream3d.read_segmented(source, **{"frame": frame, **more, **_options(dream3d.read, options, "--read")})
    else:
        found = _read(source, frame, options, **more)
    if isinstance(found, (GrainMap, GrainVolume)):
        return found
    if "FeatureIds" in found.properties:
        try:
            return material_grid.by_feature_ids(found)
        except ValueError as error:
            warnings.warn(f"grains are found anew: {error}", stacklevel=2)
    return segmentation.segment(found, threshold)


def _read_volume(
    source: Path, threshold: float, options: list[str] | None = None, frame: str | None = None
) -> GrainVolume:
    from polyrve.microstructure.grains import GrainVolume

    more = {"volume": True} if source.suffix.lower() == ".dream3d" else {}
    found = _read_grains(source, threshold, options, frame, **more)
    if not isinstance(found, GrainVolume):
        raise ValueError(f"{source}: expected a volume; got a map of {_times(found.field.shape)} points")
    return found


def _check_target(target: Path, to: str | None, force: bool) -> Format:
    """The format to be written, after a check that the target can be."""
    from polyrve.adapters import registry

    row = registry.writer(target, to)
    if row.suffixes:
        _check_file(target, force)
        if ".dream3d" in row.suffixes:
            _check_file(target.with_suffix(".xdmf"), force)
    else:
        _check_folder(target, force)
    return row


def _check_section(
    row: Format, target: Path, field: OrientationMap | OrientationVolume, options: Mapping[str, Any]
) -> None:
    if row.maps_only and len(field.shape) == 3 and field.shape[0] > 1 and "section" not in options:
        raise ValueError(
            f"{target}: format {row.name!r} holds maps only; got a volume of {_times(field.shape)} voxels: "
            f"--set section=z:{field.shape[0] // 2} takes that layer"
        )


def _check_holds_volume(row: Format, target: Path, shape: tuple[int, int, int]) -> None:
    if row.maps_only and shape[0] > 1:
        raise ValueError(
            f"{target}: expected a file that holds a volume of {_times(shape)} voxels, such as a .dream3d; "
            f"format {row.name!r} holds maps only"
        )
    if row.maps_only or not row.reads:
        warnings.warn(
            f"{target}: polyrve cannot open it as a volume again, to validate or export it; a .dream3d it can",
            stacklevel=2,
        )


def _check_file(target: Path, force: bool) -> None:
    from polyrve.adapters.replacing import require_writable

    if target.is_dir():
        raise IsADirectoryError(f"{target}: expected the name of a file; it is a folder")
    if target.exists() and not force:
        raise FileExistsError(f"{target}: exists already; --force replaces it")
    require_writable(target.parent)


def _check_report(target: Path, force: bool) -> None:
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{target}: expected a file name that ends in .html; got {target.suffix or 'no suffix'}")
    for path in (target, target.with_suffix(".json")):
        _check_file(path, force)


def _check_folder(target: Path, force: bool) -> None:
    from polyrve.adapters.replacing import require_writable

    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target}: expected the name of a folder; it is a file")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise FileExistsError(f"{target}: is not empty; --force replaces what is written")
    require_writable(target)


def _options(function: Any, given: list[str] | None, flag: str = "--set") -> dict[str, Any]:
    from polyrve.adapters import registry

    try:
        return registry.checked_options(function, dict(_assignment(text, flag) for text in given or []))
    except ValueError as error:
        raise ValueError(f"{flag}: {str(error).removeprefix(f'{flag}: ')}") from None


def _assignment(text: str, flag: str = "--set") -> tuple[str, Any]:
    """Name and value of ``name=value``; the value as in TOML, and any other text as a string."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise ValueError(f"{flag}: expected name=value; got {text!r}")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value
    return name.strip().replace("-", "_"), parsed


def _toml(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(str(_toml(item)) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _grains(data: GrainMap | GrainVolume) -> str:
    from polyrve.microstructure.stereology import SPECK, count_grains

    return f"{_counted(data.number_of_grains, 'grain')}, {count_grains(data.grain_ids)} of {SPECK + 1} points or more"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _times(values: Any) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    if not issubclass(category, (DeprecationWarning, PendingDeprecationWarning)):
        typer.secho(f"polyrve: warning: {_one_line(str(message))}", fg=typer.colors.YELLOW, err=True)


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {_one_line(str(error)) or 'choose a smaller shape'}"
    if hasattr(error, "errors") and callable(error.errors):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}; got {e['input']!r}" for e in error.errors())
    return _one_line(str(error)) or type(error).__name__


def _misuse(error: Any) -> str:
    """What is wrong with the words of a command, an error of click."""
    context = getattr(error, "ctx", None)
    help_of = context.command_path if context else "polyrve"
    sentence = _one_line(error.format_message()).rstrip(".")
    if hasattr(error.__cause__, "errors"):
        found, option = error.__cause__.errors()[0], error.param
        kind = found["msg"].split(",")[0].removeprefix("Input should be ")
        expected = f"{option.metavar}, each {kind}" if option.nargs > 1 else kind
        sentence = f"{option.opts[0]}: expected {expected}; got {found['input']!r}"
    return f"{sentence} ({help_of} --help shows how)"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fail(sentence: str, code: int) -> NoReturn:
    typer.secho(f"polyrve: {sentence}", fg=typer.colors.RED, err=True)
    sys.exit(code)
