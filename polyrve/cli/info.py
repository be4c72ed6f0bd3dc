"""``polyrve info``: what is in a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.options import ForceOption, FrameOption, ReadOptions, ThresholdOption

if TYPE_CHECKING:
    from polyrve.microstructure.fields import OrientationMap, OrientationVolume


def info(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="An EBSD map or a volume; several maps of one plane are also compared."),
    ],
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
    """Say what is in a file, in which frame, and what looks wrong.

    Of several maps also how far they differ.
    """
    from polyrve.crystallography.reference_frames import DefaultFrameWarning
    from polyrve.microstructure.fields import OrientationMap

    if plot is not None and len(paths) > 1:
        raise ValueError(f"--plot: expected one file with it; got {len(paths)}")
    if plot is not None:
        from polyrve.report.frame_check import draw_check, require_image_name

        require_image_name(plot)
        outputs.check_file(plot, force)
    warnings.simplefilter("ignore", DefaultFrameWarning)
    fields = []
    for path in paths:
        if len(paths) > 1:
            typer.echo(f"{path}:")
        fields.append(_tell(path, frame, read, threshold, min_points))
    if len(paths) > 1:
        if not all(isinstance(field, OrientationMap) for field in fields):
            raise ValueError("info: expected maps where there are several files; got a volume among them")
        _compare([field for field in fields if isinstance(field, OrientationMap)], threshold)
    if plot is not None:
        with progress.reporter() as reporter:
            reporter.step("drawing", f"drawing {plot}")
            draw_check(fields[0], plot, force=force)
        typer.echo(f"drawn: {plot}")


def _tell(
    path: Path, frame: str | None, read: list[str] | None, threshold: float, min_points: int
) -> OrientationMap | OrientationVolume:
    """Say what is in one file."""
    from polyrve.microstructure.quality import inspect

    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {path}")
        field = inputs.read_field(path, frame, read)
        reporter.step("comparing", "looking at points and grains")
        found = inspect(field, path, threshold=threshold, min_points=min_points)
    width = max(map(len, found.facts))
    for name, value in found.facts.items():
        typer.echo(f"{name:<{width}}  {value}")
    for sentence in found.suspicions:
        typer.secho(f"looks wrong: {sentence}", fg=typer.colors.YELLOW)
    return field


def _compare(fields: list[OrientationMap], threshold: float) -> None:
    """Say how far maps differ, taken as maps normal to one axis."""
    from polyrve.microstructure.map_placement import by_normal, common_phases
    from polyrve.microstructure.map_scatter import map_scatter

    maps = by_normal({"z": fields})
    common_phases(maps)
    typer.echo(f"{len(fields)} maps of one plane:")
    for one in map_scatter(maps[0], threshold):
        typer.echo(f"  {one}")
