"""The command line: ``polyrve --help``.

Whatever the user can cause is one sentence on stderr and exit code 2; heavy packages are imported by the commands
that need them.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from polyrve.cli import messages
from polyrve.cli.bounds import bounds
from polyrve.cli.clean import clean
from polyrve.cli.demo import demo
from polyrve.cli.formats import convert, export, formats
from polyrve.cli.generate import generate
from polyrve.cli.info import info
from polyrve.cli.insert import insert, shape
from polyrve.cli.mesh import mesh
from polyrve.cli.reconstruct import reconstruct
from polyrve.cli.response import response
from polyrve.cli.results import results
from polyrve.cli.settings import settings
from polyrve.cli.simulate import simulate
from polyrve.cli.validate import report, validate

app = typer.Typer(
    name="polyrve",
    help="EBSD maps in, simulation-ready 3D polycrystal volumes out.",
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point ``polyrve``."""
    warnings.showwarning = messages.show_warning
    try:
        sys.exit(app(standalone_mode=False))
    except (Exception, KeyboardInterrupt) as error:
        text, code = messages.told_of(error) or ("", 1)
        if code == 1 and os.environ.get("POLYRVE_TRACEBACK"):
            raise
        messages.fail(text, code)


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


for _command in (
    info,
    clean,
    reconstruct,
    validate,
    report,
    bounds,
    simulate,
    response,
    results,
    export,
    mesh,
    generate,
    insert,
    shape,
    convert,
    demo,
    formats,
    settings,
):
    app.command()(_command)
