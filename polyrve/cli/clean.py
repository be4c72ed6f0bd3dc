"""``polyrve clean``: the steps of :mod:`polyrve.microstructure.cleaning` on a file, always in the same order."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.messages import times
from polyrve.cli.options import (
    DropPhaseOption,
    ForceOption,
    FormatOption,
    FrameOption,
    MinGrainOption,
    ReadOptions,
    ThresholdOption,
    WriterOptions,
)

if TYPE_CHECKING:
    from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_Step = Callable[[Any], Any]


def clean(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="The map or volume to clean.")],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write; its suffix says the format.")],
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="Y0:Y1,X0:X1",
            help="Cut out rows Y0 to Y1 and columns X0 to X1, the last not among them; of a volume Z0:Z1 first; an end "
            "that is left out is that of the map.",
        ),
    ] = None,
    drop_phase: DropPhaseOption = None,
    minimum: Annotated[
        list[str] | None,
        typer.Option(
            "--min", metavar="NAME=VALUE", help="Unindex points below, or without, a value, as CI=0.1; may be repeated."
        ),
    ] = None,
    maximum: Annotated[
        list[str] | None,
        typer.Option(
            "--max",
            metavar="NAME=VALUE",
            help="Unindex points above, or without, a value, as MAD=1; may be repeated.",
        ),
    ] = None,
    zero_solutions: Annotated[
        bool, typer.Option("--zero-solutions", help="Unindex points whose angles are all exactly zero.")
    ] = False,
    spikes: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Unindex single points that differ by more from all their neighbours."),
    ] = None,
    min_grain: MinGrainOption = None,
    coarsen: Annotated[
        str | None,
        typer.Option(metavar="DY,DX", help="Bring it to larger steps in um; one number is for all axes."),
    ] = None,
    threshold: ThresholdOption = 5.0,
    to: FormatOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
    options: WriterOptions = None,
) -> None:
    """Clean a map or volume by the steps asked for.

    Their order is always that of the options here: --crop, --drop-phase, --min and --max with --zero-solutions,
    --spikes, --min-grain, --coarsen. Each says what it removed; formats that hold provenance keep that.
    """
    from polyrve.adapters import registry
    from polyrve.microstructure import cleaning

    row = outputs.check_target(target, to, force)
    chosen = inputs.checked(row.load().write, options)
    least, most = _bounds(minimum, "--min"), _bounds(maximum, "--max")
    steps: list[tuple[str, _Step]] = []
    if crop is not None:
        steps.append(("--crop", lambda field: cleaning.crop(field, *_box(crop, field.shape))))
    steps += [("--drop-phase", partial(cleaning.drop_phase, name=name)) for name in drop_phase or ()]
    if least or most or zero_solutions:
        bounds: dict[str, Any] = {"minimum": least, "maximum": most, "zero_solutions": zero_solutions}
        flag = "--min" if least else "--max" if most else "--zero-solutions"
        steps.append((flag, partial(cleaning.unindex, **bounds)))
    if spikes is not None:
        steps.append(("--spikes", partial(cleaning.remove_spikes, threshold=spikes)))
    if min_grain is not None:
        small: dict[str, Any] = {"min_points": min_grain, "threshold": threshold}
        steps.append(("--min-grain", partial(cleaning.absorb_small_grains, **small)))
    if coarsen is not None:
        steps.append(("--coarsen", lambda field: cleaning.coarsen(field, _lengths(coarsen, field))))
    if not steps:
        raise ValueError(
            "clean: expected one of --crop, --drop-phase, --min, --max, --zero-solutions, --spikes, --min-grain, "
            "--coarsen; got none: polyrve convert changes the format alone"
        )
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        field = inputs.read_field(source, frame, read)
        done = [_state(field)]
        for flag, step in steps:
            reporter.step("comparing", f"cleaning: {flag}")
            try:
                cleaned = step(field)
            except ValueError as error:
                raise ValueError(f"{flag}: {str(error).removeprefix(f'{flag}: ')}") from None
            done.append(f"  {cleaned.provenance['steps'][-1]}")
            kept = {name: values for name, values in cleaned.properties.items() if name != "FeatureIds"}
            field = cleaned.evolve(properties=kept)
        outputs.check_section(row, target, field, chosen)
        reporter.step("writing", f"writing {target}")
        registry.write(field, target, format=row.name, force=force, **chosen)
    typer.echo(f"{source}: {done[0]}")
    for sentence in done[1:]:
        typer.echo(sentence)
    typer.echo(f"{target}: {_state(field)}, {row.name}")


def _state(field: OrientationMap | OrientationVolume) -> str:
    return f"{times(field.shape)} points, {100 * field.indexed.mean():.2f} % indexed"


def _bounds(given: list[str] | None, flag: str) -> dict[str, float]:
    """Bounds by the name of the property, which keeps its letters."""
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise ValueError(f"{flag}: expected NAME=VALUE with a number, such as CI=0.1; got {text!r}")
    return found


def _box(text: str, shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """First points and those beyond the last, of ``Y0:Y1,X0:X1``."""
    parts = text.split(",")
    start, stop = [], []
    for part, length in zip(parts, shape, strict=False):
        first, colon, last = part.partition(":")
        try:
            start.append(int(first) if first.strip() else 0)
            stop.append(int(last) if last.strip() else length)
        except ValueError:
            colon = ""
        if not colon:
            break
    if len(parts) != len(shape) or not len(start) == len(stop) == len(shape):
        usual = "Y0:Y1,X0:X1" if len(shape) == 2 else "Z0:Z1,Y0:Y1,X0:X1"
        raise ValueError(f"expected {usual} of a {'map' if len(shape) == 2 else 'volume'}; got {text!r}")
    return start, stop


def _lengths(text: str, field: OrientationMap | OrientationVolume) -> list[float]:
    """Lengths of ``DY,DX``, or one for all axes."""
    try:
        lengths = [float(part) for part in text.split(",")]
    except ValueError:
        lengths = []
    number = len(field.shape)
    if len(lengths) == 1:
        lengths *= number
    along = "y, x" if number == 2 else "z, y, x"
    if len(lengths) != number:
        raise ValueError(f"expected one length in um, or one along each of {along}; got {text!r}")
    return lengths
