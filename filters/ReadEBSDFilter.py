"""Read EBSD: any map or volume that polyrve reads, in a frame chosen by name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.filters import structure
from polyrve.filters.filter import Filter, Say
from polyrve.filters.parameters import assignments
from polyrve.microstructure.fields import OrientationField, OrientationVolume

AS_THE_FILE_SAYS = "as the file says"


class ReadEBSDFilter(Filter):
    """Read an EBSD file into an image geometry whose orientations refer to its own axes."""

    identifier = "a57f58da-2a0c-4329-9166-ea376bcfdc53"
    title = "Read EBSD (polyrve)"
    tags = ("read", "import", "EBSD", "ang", "ctf", "h5oina", "EDAX", "Oxford", "Bruker", "orientation")
    number = 1

    def parameters(self) -> Any:
        """File, frame, and names of what is created."""
        import simplnx as nx

        parameters = nx.Parameters()
        parameters.insert(nx.Parameters.Separator("Input Parameters"))
        parameters.insert(
            nx.FileSystemPathParameter(
                "file",
                "Input File",
                "An EBSD map or volume; its suffix and content say the format.",
                "",
                structure.suffixes(reading=True),
                nx.FileSystemPathParameter.PathType.InputFile,
                True,
            )
        )
        parameters.insert(
            nx.ChoicesParameter(
                "frame",
                "Frame of the Euler Angles",
                "How the axes of the angles lie in the map. Where the file does not say it, the vendor's default is "
                "taken with a warning.",
                0,
                [AS_THE_FILE_SAYS, *structure.FRAMES[1:]],
            )
        )
        parameters.insert(
            nx.BoolParameter(
                "properties", "Read Further Arrays", "Confidence index, band contrast and what else the file has.", True
            )
        )
        parameters.insert(
            nx.StringParameter(
                "options",
                "Options",
                "Options of the format as name=value, name=value (polyrve formats NAME), such as slice_name=2.",
                "",
            )
        )
        parameters.insert(nx.Parameters.Separator("Output Data Objects"))
        parameters.insert(
            nx.DataGroupCreationParameter(
                "output_geometry", "Created Image Geometry", "Lengths in um.", nx.DataPath(["EBSD"])
            )
        )
        structure.insert_names(parameters)
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Read the file, which is kept for the run, and plan a geometry of its shape."""
        field, texts = read(Path(args["file"]), int(args["frame"]), args["options"])
        for text in texts:
            warnings.warn(text, stacklevel=1)
        structure.plan_field(
            actions,
            args["output_geometry"],
            structure.names_of(args),
            field.shape,
            field.spacing,
            field.origin,
            [*_columns(), *(column for column, _ in _further(field, args))],
            len(field.phases),
        )
        nz, ny, nx = field.shape
        return {
            "Points": f"{nx} x {ny} x {nz}",
            "Spacing": " x ".join(f"{step:.6g}" for step in field.spacing[::-1]) + " um",
            "Indexed": f"{100 * field.indexed.mean():.2f} %",
            "Phases": ", ".join(f"{phase.name} ({phase.laue})" for phase in field.phases),
            "Frame": f"{field.frame.name} ({field.frame.source})",
        }

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Fill the geometry; nothing of the file is kept any longer."""
        from polyrve.filters import arrays

        try:
            field, _ = read(Path(args["file"]), int(args["frame"]), args["options"])
            cells = arrays.cell_arrays(field)
            cells |= {column.name: values for column, values in _further(field, args)}
            structure.fill_field(data, args["output_geometry"], structure.names_of(args), field, cells)
        finally:
            _read.cache_clear()


def read(path: Path, frame: int, options: str = "") -> tuple[OrientationVolume, tuple[str, ...]]:
    """A file as a volume, a map with one layer, and the warnings that reading it gave.

    A file is read once as long as it does not change: preflight and run share what was read, until the run has ended.

    Parameters
    ----------
    path : Path
    frame : int
        Index of the choice of frames; 0 is what the file says.
    options : str
        Options of the format's reader as name=value, name=value.

    Raises
    ------
    FileNotFoundError, FormatError
        As :func:`polyrve.read`.
    ValueError
        If the format has no such option, or the value is not of its type.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    state = path.stat()
    return _read(str(path.absolute()), frame, options, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=2)
def _read(path: str, frame: int, options: str, changed: int, size: int) -> tuple[OrientationVolume, tuple[str, ...]]:
    from polyrve.adapters import registry
    from polyrve.adapters.material_grid import as_volume

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        row = registry.reader(path)
        chosen: dict[str, Any] = {} if frame == 0 else {"frame": structure.FRAMES[frame]}
        chosen |= registry.checked_options(row.load().read, dict(assignments(options, "options")))
        field = registry.read(path, format=row.name, **chosen)
    texts = dict.fromkeys(str(item.message) for item in caught if issubclass(item.category, UserWarning))
    return as_volume(field), tuple(texts)


def _columns() -> tuple[Any, ...]:
    from polyrve.filters.arrays import CELL_COLUMNS

    return CELL_COLUMNS


def _further(field: OrientationField, args: Mapping[str, Any]) -> list[tuple[Any, np.ndarray]]:
    """Properties of the source as columns; names without a slash, none twice."""
    from polyrve.filters.arrays import CELL_COLUMNS, Column

    taken = {column.name for column in CELL_COLUMNS}
    columns = []
    for name, values in field.properties.items() if args["properties"] else ():
        name = re.sub(r"[/\\]", "_", name).strip() or "Property"
        if name in taken or values.dtype.kind not in "biuf" or values.dtype.itemsize > 8:
            continue
        taken.add(name)
        dtype = "float32" if values.dtype == np.float16 else values.dtype.name
        columns.append((Column(name, dtype, int(np.prod(values.shape[3:], dtype=int))), values))
    return columns
