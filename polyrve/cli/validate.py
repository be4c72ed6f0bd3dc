"""``polyrve validate`` and ``report``: a volume against its maps, and a page of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.options import (
    AxisymmetricOption,
    DropPhaseOption,
    ForceOption,
    FormerAxisOption,
    FrameOption,
    MapOption,
    NormalsOption,
    PhaseOption,
    ReadOptions,
    ThresholdOption,
)

_COSTS = {"pole_figures": 22, "number_of_grains": 8, "madogram_within_1": 57, "two_point_within_1": 19}
_CHEAP = 1
"""Relative times of metrics, by which the time left is told; measured at 40^3 voxels, a map of 137 x 167 points."""


def validate(
    path: Annotated[Path, typer.Argument(metavar="VOLUME", help="A volume, usually the .dream3d of a reconstruction.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="The map it was made from; --against again for each map more.")
    ] = None,
    by_axis: MapOption = None,
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
    axisymmetric: AxisymmetricOption = None,
    former_axis: FormerAxisOption = None,
    threshold: ThresholdOption = 5.0,
    phase: PhaseOption = None,
    force: ForceOption = False,
) -> None:
    """Compare a volume with the map that it was made from.

    Every metric has a verdict, pass or warn. With --phase, stiffness and yield stress by bounds are compared too.
    """
    if report is not None:
        outputs.check_report(report, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {path}")
        sampled = None
        if report is None and phase is None and not read_volume and path.suffix.lower() == ".dream3d":
            from polyrve.adapters.volumes import dream3d

            sampled = dream3d.read_sampled(path)
        whole = inputs.read_volume(path, threshold, read_volume) if sampled is None else None
        from polyrve.settings import maps_by_axis

        listed = maps_by_axis(by_axis)
        scans = inputs.read_maps(against or [], frame, read, drop_phase, normals, axisymmetric, former_axis, listed)
        crystals = () if phase is None or whole is None else inputs.crystals(whole.field, phase)
        reporter.step("comparing", "comparing the sections of the volume with the maps")
        between = _counted(reporter, report)
        if whole is None or report is None:
            from polyrve.validation import run

            rve = sampled if whole is None else whole
            if rve is None:
                raise ValueError(f"{path}: expected a volume; got none")
            found = run.validate(scans, rve, threshold=threshold, between=between, crystals=crystals)
        else:
            from polyrve.report import write_report

            made = write_report(whole, scans, report, threshold=threshold, between=between, crystals=crystals)
            if made is None:
                raise ValueError(f"{report}: expected a validation; got none")
            found = made
    typer.echo(str(found))
    if report is not None:
        typer.echo(f"{report}: written, and {report.with_suffix('.json').name} beside it")


def report(
    path: Annotated[Path, typer.Argument(metavar="VOLUME", help="A volume, usually the .dream3d of a reconstruction.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML file.")] = Path("report.html"),
    threshold: ThresholdOption = 5.0,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Draw a volume as an HTML page.

    polyrve validate --report compares it with its maps as well.
    """
    from polyrve.report import write_report

    outputs.check_report(output, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {path}")
        rve = inputs.read_volume(path, threshold, read, frame)
        reporter.step("drawing", f"drawing {output}")
        write_report(rve, path=output, threshold=threshold)
    typer.echo(f"{output}: written, and {output.with_suffix('.json').name} beside it")


def _counted(reporter: progress.Reporter, report: Path | None) -> Callable[[], None]:
    """Return what a validation calls before each metric; with the last, which is quick, drawing begins."""
    from polyrve.validation.metrics import metrics

    costs = [_COSTS.get(metric.key, _CHEAP) for metric in metrics()]
    parts = itertools.accumulate(costs[:-1], initial=0)

    def between() -> None:
        part = next(parts, sum(costs))
        if report is not None and part >= sum(costs[:-1]):
            reporter.step("drawing", f"drawing {report}")
        else:
            reporter.share("validating", part, sum(costs))

    return between
