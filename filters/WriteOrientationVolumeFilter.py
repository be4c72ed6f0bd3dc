"""Write Orientation Volume: every format that polyrve writes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrve.adapters.replacing import require_writable
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
        parameters.insert_linkable_parameter(
            nx.BoolParameter("to_folder", "Write a Folder", "For a format that is a folder, such as damask.", False)
        )
        parameters.insert(
            nx.FileSystemPathParameter(
                "file",
                "Output File",
                "Its suffix says the format; for a format that is a folder, the name of a new folder.",
                "",
                structure.suffixes(reading=False),
                nx.FileSystemPathParameter.PathType.OutputFile,
                True,
            )
        )
        parameters.link_parameters("to_folder", "file", False)
        parameters.insert(
            nx.FileSystemPathParameter(
                "folder",
                "Output Folder",
                "New, or one that is there already.",
                "",
                set(),
                nx.FileSystemPathParameter.PathType.OutputDir,
            )
        )
        parameters.link_parameters("to_folder", "folder", True)
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
        row, path = _format(args), _target(args)
        _options(row, args["options"])
        if row.suffixes and args["to_folder"]:
            raise ValueError(
                f"format {row.name}: expected one that is a folder; it is a file, switch Write a Folder off"
            )
        if not row.suffixes and path.is_file():
            raise NotADirectoryError(f"{path}: expected the name of a folder; it is a file")
        occupied = any(path.iterdir()) if path.is_dir() else path.exists()
        if occupied and not args["force"]:
            raise FileExistsError(f"{path}: exists already; Replace Existing Files replaces it")
        require_writable(path.parent if row.suffixes else path)
        return {"Volume": f"{nx} x {ny} x {nz} voxels", "Format": f"{row.name}: {row.description}"}

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Write the file."""
        from polyrve.adapters import registry

        row = _format(args)
        volume = structure.read_grains(data, args)
        if cancelled():
            return
        options = _options(row, args["options"])
        registry.write(volume, _target(args), format=row.name, force=bool(args["force"]), **options)
        say(f"{_target(args)}: {volume.number_of_grains} grains as {row.name}")


def _formats() -> list[str]:
    from polyrve.adapters import registry

    return [row.name for row in registry.formats() if row.writes]


def _format(args: Mapping[str, Any]) -> Any:
    from polyrve.adapters import registry

    return registry.writer(_target(args), args["format"].strip() or None)


def _target(args: Mapping[str, Any]) -> Path:
    """A file, or a folder, which simplnx takes for no file where it exists already."""
    return Path(args["folder" if args["to_folder"] else "file"])


def _options(row: Any, text: str) -> dict[str, Any]:
    from polyrve.adapters import registry

    return registry.checked_options(row.load().write, dict(assignments(text, "options")))
