"""``polyrve formats``, ``convert`` and ``export``: files from one format to another."""

from __future__ import annotations

import itertools
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.messages import grains_of, times
from polyrve.cli.options import (
    ForceOption,
    FormatOption,
    FrameOption,
    GivenThresholdOption,
    MinGrainOption,
    MtexOption,
    ReadOptions,
    ResolutionOption,
    WriterOptions,
)


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
    row = outputs.check_format(name)
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


def convert(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The file to read.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; its suffix says the format.")],
    to: FormatOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
    mtex: MtexOption = False,
    options: WriterOptions = None,
) -> None:
    """Write a map or volume in another format."""
    from polyrve.adapters import registry

    row = outputs.check_target(target, to, force)
    chosen = inputs.checked(row.load().write, options)
    outputs.check_mtex(mtex, target, chosen, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_field(source, frame, read)
        outputs.check_section(row, target, data, chosen)
        reporter.step("writing", f"writing {target}")
        registry.write(data, target, format=row.name, force=force, **chosen)
        outputs.write_mtex(mtex, target, data, chosen, force)
    typer.echo(f"{target}: {row.name}, from {times(data.shape)} points")


def export(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A volume, usually the .dream3d of a reconstruction.")
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file or folder to write.")],
    to: FormatOption = None,
    phase: Annotated[
        str | None, typer.Option(help="Phase definition of the target, e.g. Al for DAMASK; by default from the names.")
    ] = None,
    threshold: GivenThresholdOption = None,
    min_grain: MinGrainOption = None,
    resolution: ResolutionOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
    mtex: MtexOption = False,
    options: WriterOptions = None,
) -> None:
    """Write a volume for a solver or a viewer.

    Grains are found first where the source has none.
    """
    from polyrve.adapters import registry

    row = outputs.check_target(target, to, force)
    write = row.load().write
    if phase is not None and "phase" not in registry.options_of(write):
        raise ValueError(f"--phase: expected a format with phase definitions, such as damask; got {row.name}")
    chosen = inputs.checked(write, [*(options or []), *([f"phase={phase}"] if phase else [])])
    outputs.check_mtex(mtex, target, chosen, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_grains(source, threshold, read, frame, min_grain=min_grain, tell=True)
        before = tuple(data.field.shape)
        data = inputs.at_resolution(data, resolution)
        outputs.check_section(row, target, data.field, chosen)
        reporter.step("writing", f"writing {target}")
        registry.write(data, target, format=row.name, force=force, **chosen)
        outputs.write_mtex(mtex, target, data.field, chosen, force)
    shape = outputs.shape_written(target, data.field.shape)
    source_shape = "" if shape == before else f" of {times(before)} in the source"
    typer.echo(f"{target}: {row.name}, {times(shape)} voxels{source_shape}, {grains_of(data)}")
    if row.name == "damask":
        typer.echo(outputs.how_to_run(target, shape[0]))
