"""The command line."""

from polyrve.cli.app import app, main

__all__ = ["app", "main"]
