"""``polyrve demo``: the whole chain on a specimen whose true volume is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polyrve.cli import outputs, progress
from polyrve.cli.options import ForceOption


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for everything it makes.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="Tiny: a try of the installation, not the method.")] = False,
    force: ForceOption = False,
) -> None:
    """Run the whole chain on a specimen whose true volume is known."""
    outputs.check_folder(output, force)
    with progress.reporter() as reporter:
        reporter.step("preparing", "loading TensorFlow")
        from polyrve.backend.quiet_import import load_tensorflow

        load_tensorflow()
        from polyrve.demo import run

        def say(text: str) -> None:
            typer.echo(text)
            reporter.step("preparing", text.partition("] ")[2] or text, told=True)

        made = run(output, quick=quick, force=force, say=say, progress=reporter)
    typer.echo("\nSections of the volume against the section that it was made from:\n")
    typer.echo(str(made.against_scan))
    typer.echo("\nThe whole volume against the true one, which it never saw:\n")
    typer.echo(str(made.against_truth))
    typer.echo(f"\nWritten to {output.absolute()}:")
    names = {f"{path.name}{'/' * path.is_dir()}": what for path, what in made.files.items()}
    for name, what in names.items():
        typer.echo(f"  {name:<{max(map(len, names))}}  {what}")
