"""``polyrve results``: what a run of DAMASK gave."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.options import ForceOption, WriterOptions


def results(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or the HDF5 file DAMASK wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The HTML page.")] = Path("response.html"),
    increment: Annotated[
        int | None, typer.Option(min=0, help="Increment whose fields are shown; by default the last stored.")
    ] = None,
    fields: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Write the grains with orientations, stress and strain of the state to a .dream3d, .vti, .vtkhdf, "
            ".ang or .ctf (those two with --set section=z:0); KAM and GOS come with it; may be repeated.",
        ),
    ] = None,
    options: WriterOptions = None,
    force: ForceOption = False,
) -> None:
    """Make a page of one or several DAMASK runs.

    It shows the curve, averages, hot spots and fields, or the yield locus or the curves by rate or temperature; its
    numbers stand in files beside it.
    """
    from polyrve.adapters import registry
    from polyrve.report.response_page import stress_text, write_response
    from polyrve.response.family import is_family
    from polyrve.response.results import read_fields

    outputs.check_report(output, force)
    if is_family(path):
        from polyrve.report.family_page import write_family_page

        if fields or increment is not None:
            raise ValueError("--fields, --increment: expected the folder of one run; got one of several")
        write_family_page(path, output, force=force)
        typer.echo(f"{output}: written, with {output.stem}.csv and .png beside it")
        return
    rows = [(target, outputs.check_target(target, None, force)) for target in fields or ()]
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {path}")
        found = write_response(path, output, increment=increment, force=force)
        if rows:
            grains = read_fields(path, increment).grains
            for target, row in rows:
                chosen = inputs.checked(row.load().write, options if row.maps_only else None)
                outputs.check_section(row, target, grains.field, chosen)
                reporter.step("writing", f"writing {target}")
                registry.write(grains, target, format=row.name, force=force, **chosen)
    for name, value in found.figures.items():
        if value == value:
            typer.echo(f"{name.replace('_', ' ').replace(' percent', ' %'):24} {stress_text(value):>12}")
    typer.echo(f"{output}: written, with {output.stem}.json and {output.stem}_curve.csv, .png and .svg beside it")
    for target, _ in rows:
        typer.echo(f"{target}: written")
