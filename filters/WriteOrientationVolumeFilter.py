"""Write Orientation Volume: every format that polyrve writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrve.filters import structure
from polyrve.filters.filter import Filter, Say
from polyrve.filters.parameters import assignments


class WriteOrientationVolumeFilter(Filter):
    """Write a volume with its grains for a solver or a viewer."""

    identifier = "3a0efeb8-0f16-4025-9cdc-5d488fc1e467"
    title = "Write Orientation Volume (polyrve)"
    tags = ("write", "export", "VTK", "Abaqus", "Neper", "MOOSE", "ParaView", "RVE", "mesh")
    number = 4

    def parameters(self) -> Any:
        """Volume, file and format."""
        import simplnx as nx

        parameters = nx.Parameters()
        parameters.insert(nx.Parameters.Separator("Output File"))
        parameters.insert(
            nx.FileSystemPathParameter(
                "file",
                "Output File",
                "Its suffix says the format; for a format that is a folder, the folder's name.",
                "",
                structure.suffixes(reading=False),
                nx.FileSystemPathParameter.PathType.OutputFile,
                True,
            )
        )
        parameters.insert(
            nx.StringParameter(
                "format",
                "Format",
                f"Where the suffix does not say it, one of: {', '.join(sorted(_formats()))}.",
                "",
            )
        )
        parameters.insert(
            nx.StringParameter(
                "options", "Options", "Options of the format as name=value, name=value (polyrve formats NAME).", ""
            )
        )
        parameters.insert(nx.BoolParameter("force", "Replace Existing Files", "Otherwise they are refused.", False))
        structure.insert_volume(parameters)
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check volume, format, options and file."""
        nz, ny, nx = structure.check_field(data, args)
        row, path = _format(args), Path(args["file"])
        _options(row, args["options"])
        if row.suffixes and path.is_dir():
            raise IsADirectoryError(f"{path}: expected the name of a file; it is a folder")
        occupied = any(path.iterdir()) if path.is_dir() else path.exists()
        if occupied and not args["force"]:
            raise FileExistsError(f"{path}: exists already; Replace Existing Files replaces it")
        return {"Volume": f"{nx} x {ny} x {nz} cells", "Format": f"{row.name}: {row.description}"}

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Write the file."""
        from polyrve.adapters import registry

        row = _format(args)
        volume = structure.read_grains(data, args)
        if cancelled():
            return
        options = _options(row, args["options"])
        registry.write(volume, Path(args["file"]), format=row.name, force=bool(args["force"]), **options)
        say(f"{args['file']}: {volume.number_of_grains} grains as {row.name}")


def _formats() -> list[str]:
    from polyrve.adapters import registry

    return [row.name for row in registry.formats() if row.writes]


def _format(args: Mapping[str, Any]) -> Any:
    from polyrve.adapters import registry

    return registry.writer(Path(args["file"]), args["format"].strip() or None)


def _options(row: Any, text: str) -> dict[str, Any]:
    from polyrve.adapters import registry

    return registry.checked_options(row.load().write, dict(assignments(text, "options")))
