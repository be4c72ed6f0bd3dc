"""The command line: ``polyrve --help``.

Whatever the user can cause is one sentence on stderr and exit code 2; heavy packages are imported by the commands
that need them.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from polyrve.adapters.registry import Format
    from polyrve.checkpoint import Checkpoint
    from polyrve.grains import GrainMap, GrainVolume
    from polyrve.orientation import OrientationMap, OrientationVolume
    from polyrve.reconstruction import Reconstruction
    from polyrve.sections import Maps
    from polyrve.settings import ReconstructionSettings

app = typer.Typer(
    name="polyrve",
    help="EBSD maps in, simulation-ready 3D polycrystal volumes out.",
    add_completion=False,
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
        help="Frame of the Euler angles: none, edax-1 ... edax-4, oxford-cs0, oxford-cs1, bruker; "
        "by default what the file says, else the vendor's default with a warning.",
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
            _fail(f"{_one_line(error.format_message())} (polyrve --help shows how)", 2)
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
    path: Annotated[Path, typer.Argument(help="An EBSD map or a volume.")],
    frame: FrameOption = None,
    read: ReadOptions = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="PNG", help="Draw IPF maps, pole figures and crystal shapes, to check the frame by eye."),
    ] = None,
    force: ForceOption = False,
) -> None:
    """Say what is in a file, in which frame, and what looks wrong."""
    from polyrve.frames import FrameWarning
    from polyrve.inspection import inspect

    warnings.simplefilter("ignore", FrameWarning)
    field = _read(path, frame, read)
    found = inspect(field, path)
    width = max(map(len, found.facts))
    for name, value in found.facts.items():
        typer.echo(f"{name:<{width}}  {value}")
    for sentence in found.suspicions:
        typer.secho(f"looks wrong: {sentence}", fg=typer.colors.YELLOW)
    if plot is not None:
        from polyrve.reporting.check import draw_check

        draw_check(field, plot, force=force)
        typer.echo(f"drawn: {plot}")


@app.command()
def formats(
    name: Annotated[str | None, typer.Argument(help="A format, to see the options of its reader and writer.")] = None,
) -> None:
    """List the file formats, or the options of one."""
    from polyrve.adapters import registry

    if name is None:
        for row in registry.formats():
            does = f"{'read' if row.reads else '':4} {'write' if row.writes else '':5}"
            typer.echo(f"{row.name:<14} {does}  {' '.join(row.suffixes) or 'folder':<24} {row.description}")
        return
    rows = {row.name: row for row in registry.formats()}
    if name not in rows:
        raise ValueError(f"format: expected one of {', '.join(rows)}; got {name!r}")
    row = rows[name]
    typer.echo(f"{row.name}: {row.description}")
    for can, verb in ((row.reads, "read"), (row.writes, "write")):
        if can:
            options = registry.options_of(getattr(row.load(), verb))
            shown = ", ".join(f"{option}={default!r}" for option, default in options.items())
            typer.echo(f"{verb}: {shown or 'no options'}")


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(help="The file to read.")],
    target: Annotated[Path, typer.Argument(help="The file to write; its suffix says the format.")],
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
    registry.write(data, target, format=row.name, force=force, **chosen)
    typer.echo(f"{target}: {_times(data.shape)} points as {row.name}")


@app.command()
def reconstruct(
    maps: Annotated[
        list[Path],
        typer.Argument(help="One map for all directions, or three: normal to x, y and z (RD, TD, ND)."),
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
    """Grow a 3D volume with the statistics of one map, or of three orthogonal ones.

    Ctrl-C ends the run; the best state so far is written and the exit code is 130.
    """
    from polyrve import grains
    from polyrve.adapters import registry

    row = _check_target(output, None, force or resume)
    given = {"shape": shape, "spacing": spacing, "seed": seed, "iterations": iterations}
    settings = _settings(config, {name: value for name, value in given.items() if value is not None}, options)
    _check_holds_volume(row, output, settings.shape)
    if seeds is None and scheduler is not None:
        raise ValueError("--scheduler: expected --seeds with it; got none")
    if seeds is not None and resume:
        raise ValueError("--resume: expected a single run; got --seeds")
    checkpoint = _checkpoint(output, resume, force)
    scans = _by_normal([_read_map(path, frame, read, drop_phase) for path in maps], normals, axis)

    if seeds is None:
        result, interrupted = _run(scans, settings, checkpoint)
    else:
        result, interrupted = _run_many(scans, settings, seeds, scheduler)
    rve = grains.segment(result.volume, threshold)
    registry.write(rve, output, force=force or resume)
    typer.echo(
        f"{result.status}\nloss {result.loss:.3e} after {len(result.history) - 1} iterations, {_written(result)}"
    )
    typer.echo(f"{output}: {_times(rve.field.shape)} voxels, {rve.number_of_grains} grains")
    if interrupted:
        raise typer.Exit(130)
    checkpoint.remove()


@app.command()
def settings() -> None:
    """Print all settings of a reconstruction with their defaults, as a file for --config."""
    from polyrve.settings import ReconstructionSettings

    for name, field in ReconstructionSettings.model_fields.items():
        typer.echo(f"# {field.description}")
        default = _toml(field.default)
        typer.echo(f"{'# ' if default is None else ''}{name} = {default or '...'}\n")


@app.command()
def validate(
    path: Annotated[Path, typer.Argument(help="A volume, usually the .dream3d of a reconstruction.")],
    against: Annotated[list[Path], typer.Option(help="The map it was made from; --against again for each map more.")],
    report: Annotated[Path | None, typer.Option(metavar="REPORT.HTML", help="Write a report, and its JSON.")] = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    drop_phase: DropPhaseOption = None,
    normals: NormalsOption = None,
    axis: AxisOption = None,
    threshold: ThresholdOption = 5.0,
    force: ForceOption = False,
) -> None:
    """Compare a volume with the map that it was made from, figure by figure, each with pass or warn."""
    from polyrve import statistics

    if report is not None:
        _check_report(report, force)
    rve = _read_volume(path, threshold)
    scans = _by_normal([_read_map(scan, frame, read, drop_phase) for scan in against], normals, axis)
    if report is None:
        typer.echo(str(statistics.judge(scans, rve, threshold=threshold)))
        return
    from polyrve.reporting import report as write_report

    typer.echo(str(write_report(rve, scans, report, threshold=threshold)))
    typer.echo(f"{report}: written, and {report.with_suffix('.json').name} beside it")


@app.command("report")
def show(
    path: Annotated[Path, typer.Argument(help="A volume, usually the .dream3d of a reconstruction.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    threshold: ThresholdOption = 5.0,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Draw a volume as an HTML page; polyrve validate --report judges it as well."""
    from polyrve.reporting import report

    _check_report(output, force)
    report(_read_volume(path, threshold, read), path=output, threshold=threshold)
    typer.echo(f"{output}: written, and {output.with_suffix('.json').name} beside it")


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for everything it makes.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Tiny: a try of the installation, not the method.")] = False,
    force: ForceOption = False,
) -> None:
    """Run the whole chain on a synthetic specimen whose true 3D volume is known."""
    _check_folder(output, force)
    _load_tensorflow()
    from rich.console import Console

    from polyrve.demo import run
    from polyrve.progress import Reporter

    with Reporter(Console(stderr=True)) as reporter:
        made = run(output, quick=quick, force=force, say=typer.echo, progress=reporter)
    typer.echo("\nSections of the volume against the section that it was made from:\n")
    typer.echo(str(made.against_scan))
    typer.echo("\nThe whole volume against the true one, which it never saw:\n")
    typer.echo(str(made.against_truth))
    typer.echo(f"\nWritten to {output.absolute()}:")
    width = max(len(path.name) for path in made.files)
    for path, what in made.files.items():
        typer.echo(f"  {path.name:<{width}}  {what}")


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="A volume, usually the .dream3d of a reconstruction.")],
    target: Annotated[Path, typer.Argument(help="The file or folder to write.")],
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
    read: ReadOptions = None,
    force: ForceOption = False,
    options: WriterOptions = None,
) -> None:
    """Write a volume for a solver or a viewer; grains are found first where the source has none."""
    from polyrve.adapters import registry

    row = _check_target(target, to, force)
    chosen = _options(row.load().write, [*(options or []), *([f"phase={phase}"] if phase else [])])
    data = _read_grains(source, threshold, read)
    registry.write(data, target, format=row.name, force=force, **chosen)
    typer.echo(f"{target}: {_times(data.field.shape)} voxels, {data.number_of_grains} grains as {row.name}")


def _settings(config: Path | None, given: dict[str, Any], options: list[str] | None) -> ReconstructionSettings:
    from polyrve.settings import ReconstructionSettings

    values = {**dict(map(_assignment, options or [])), **given}
    if config is None and "shape" not in values:
        raise ValueError("--shape: expected NZ NY NX, the number of voxels, here or in --config; got none")
    if config is None:
        return ReconstructionSettings.create(**values)
    if not config.is_file():
        raise FileNotFoundError(f"{config}: no such file")
    return ReconstructionSettings.from_toml(config, **values)


def _checkpoint(output: Path, resume: bool, force: bool) -> Checkpoint:
    """The checkpoint beside an output; an interrupted run's is continued or replaced on request only."""
    from polyrve.checkpoint import Checkpoint

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


def _read_map(path: Path, frame: str | None, options: list[str] | None, drop_phase: list[str] | None) -> OrientationMap:
    from polyrve import cleaning
    from polyrve.orientation import OrientationMap

    field = _read(path, frame, options)
    if not isinstance(field, OrientationMap):
        raise ValueError(f"{path}: expected a planar map; got a volume of {_times(field.shape)} voxels")
    for name in drop_phase or ():
        field = cleaning.drop_phase(field, name)
    return field


def _by_normal(scans: list[OrientationMap], normals: str | None, axis: str | None) -> Maps:
    from polyrve.sections import around

    if axis is not None:
        if len(scans) != 1 or normals is not None:
            raise ValueError(f"--axis: expected one map without --normals; got {len(scans)} maps")
        return around(scans[0], axis)
    if normals is None:
        return scans
    if len(normals) != len(scans) or len(set(normals)) != len(normals):
        raise ValueError(f"--normals: expected {len(scans)} different letters of xyz, one per map; got {normals!r}")
    return dict(zip(normals, scans, strict=True))


def _run(scans: Maps, settings: ReconstructionSettings, checkpoint: Checkpoint) -> tuple[Reconstruction, bool]:
    _load_tensorflow()
    from rich.console import Console

    from polyrve.optimizers import Status
    from polyrve.progress import Reporter
    from polyrve.reconstruction import reconstruct

    try:
        with Reporter(Console(stderr=True)) as reporter:
            result = reconstruct(scans, settings, progress=reporter, say=reporter.say, checkpoint=checkpoint)
    except KeyboardInterrupt:
        saved = "; --resume continues it" if checkpoint.path.exists() else ""
        _fail(f"interrupted before the first iteration: no volume is written{saved}", 130)
    return result, result.status == str(Status.INTERRUPTED)


def _run_many(
    scans: Maps, settings: ReconstructionSettings, seeds: int, scheduler: str | None
) -> tuple[Reconstruction, bool]:
    _load_tensorflow()
    from polyrve.ensemble import Member, reconstruct_many

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


def _load_tensorflow() -> None:
    """Import TensorFlow without what its libraries print to stderr while they load."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    tensorflow.get_logger().setLevel("ERROR")


def _read_grains(
    source: Path, threshold: float, options: list[str] | None = None, **more: Any
) -> GrainMap | GrainVolume:
    """The grains of the file, by its feature data or else its feature ids; a segmentation where it has none."""
    from polyrve import grains
    from polyrve.adapters import cells, dream3d, registry

    field = _read(source, None, options, **more)
    if "FeatureIds" in field.properties:
        try:
            if source.suffix.lower() == ".dream3d":
                return dream3d.read_grains(source, **_options(dream3d.read, options, "--read"), **more)
        except registry.FormatError:
            pass
        try:
            return cells.by_feature_ids(field)
        except ValueError as error:
            warnings.warn(f"grains are found anew: {error}", stacklevel=2)
    return grains.segment(field, threshold)


def _read_volume(source: Path, threshold: float, options: list[str] | None = None) -> GrainVolume:
    from polyrve.grains import GrainVolume

    more = {"volume": True} if source.suffix.lower() == ".dream3d" else {}
    found = _read_grains(source, threshold, options, **more)
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

    return registry.checked_options(function, dict(_assignment(text, flag) for text in given or []))


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


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fail(sentence: str, code: int) -> NoReturn:
    typer.secho(f"polyrve: {sentence}", fg=typer.colors.RED, err=True)
    sys.exit(code)
