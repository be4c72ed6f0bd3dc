"""``polyrve info``: what is in a file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.options import ForceOption, FrameOption, ReadOptions, ThresholdOption


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
        outputs.check_file(plot, force)
    warnings.simplefilter("ignore", DefaultFrameWarning)
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
    if plot is not None:
        with progress.reporter() as reporter:
            reporter.step("drawing", f"drawing {plot}")
            draw_check(field, plot, force=force)
        typer.echo(f"drawn: {plot}")
