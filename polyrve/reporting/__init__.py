"""The room that draws: the report of a volume, and the check plots of a map's frame."""

from polyrve.reporting.page import report

__all__ = ["report"]
