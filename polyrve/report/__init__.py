"""The room that draws: the report of a volume, and the check plots of a map's frame."""

from polyrve.report.html import report

__all__ = ["report"]
