"""``polyrve settings``: all settings of a reconstruction."""

from __future__ import annotations

import typer


def settings() -> None:
    """Print all settings of a reconstruction with their defaults.

    The output is a file for polyrve reconstruct --config.
    """
    from polyrve.settings import ReconstructionSettings

    typer.echo(ReconstructionSettings.create().to_toml(explained=True))
