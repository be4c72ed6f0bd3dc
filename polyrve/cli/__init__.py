"""The command line."""

from polyrve.cli.app import main

__all__ = ["main"]
