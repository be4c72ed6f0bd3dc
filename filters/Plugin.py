"""The plugin record that simplnx reads."""

from __future__ import annotations

from typing import Any

from polyrve.filters.ComputeResponseBoundsFilter import ComputeResponseBoundsFilter
from polyrve.filters.ReadEBSDFilter import ReadEBSDFilter
from polyrve.filters.ReconstructOrientationVolumeFilter import ReconstructOrientationVolumeFilter
from polyrve.filters.ValidateOrientationVolumeFilter import ValidateOrientationVolumeFilter
from polyrve.filters.WriteDAMASKFilesFilter import WriteDAMASKFilesFilter
from polyrve.filters.WriteOrientationVolumeFilter import WriteOrientationVolumeFilter

FILTERS = (
    ReadEBSDFilter,
    ReconstructOrientationVolumeFilter,
    WriteDAMASKFilesFilter,
    WriteOrientationVolumeFilter,
    ValidateOrientationVolumeFilter,
    ComputeResponseBoundsFilter,
)
"""The filters of the plugin, in the order of a pipeline."""


class Plugin:
    """polyrve in DREAM3D-NX."""

    def id(self) -> Any:
        """Identifier of the plugin, for ever the same."""
        import simplnx as nx

        return nx.Uuid("72f2d83f-ca90-4217-8d26-c2a9d7f01ba7")

    def name(self) -> str:
        """Name of the plugin."""
        return "polyrve"

    def description(self) -> str:
        """One line about the plugin."""
        return "EBSD maps in, simulation-ready 3D polycrystal volumes out"

    def vendor(self) -> str:
        """Who makes the plugin."""
        return "The polyrve developers"

    def get_filters(self) -> list[type]:
        """Classes of the filters."""
        return list(FILTERS)
