"""Validate Orientation Volume: metrics of a volume's sections against the maps, each with its acceptance floor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.filters import structure
from polyrve.filters.files import check_file
from polyrve.filters.filter import Cancelled, Filter, Say

if TYPE_CHECKING:
    from polyrve.validation.run import Validation

TEXTS: tuple[str, ...] = ("Metric", "Title", "Group", "Unit", "Verdict", "Reason")
VERDICTS: tuple[str, ...] = ("not compared", "pass", "warn")
"""Verdicts by their number in the array VerdictNumber."""


class ValidateOrientationVolumeFilter(Filter):
    """Compare a volume with the maps that it was made from, as arrays and as an HTML report."""

    identifier = "eb9b89dd-fd04-4646-b572-308d47632451"
    title = "Validate Orientation Volume (polyrve)"
    tags = (
        "validate",
        "RVE statistics",
        "statistics",
        "compare",
        "report",
        "texture",
        "grain size",
        "disorientation",
        "RVE",
    )
    number = 5

    def parameters(self) -> Any:
        """Volume, maps, report and names of what is created."""
        import simplnx as nx

        parameters = nx.Parameters()
        structure.insert_volume(parameters)
        structure.insert_maps(parameters)
        parameters.insert(nx.Parameters.Separator("Acceptance Floor"))
        parameters.insert(
            nx.Int32Parameter("windows", "Windows", "Random windows of the map that give each metric its floor.", 40)
        )
        parameters.insert(nx.Int32Parameter("seed", "Seed", "Of the windows.", 0))
        parameters.insert(nx.Parameters.Separator("Report"))
        parameters.insert_linkable_parameter(
            nx.BoolParameter(
                "write_report", "Write Report", "One HTML file, and the same numbers as JSON beside it.", True
            )
        )
        parameters.insert(
            nx.FileSystemPathParameter(
                "report",
                "Report File",
                "An existing file is replaced.",
                "report.html",
                {".html"},
                nx.FileSystemPathParameter.PathType.OutputFile,
            )
        )
        parameters.link_parameters("write_report", "report", True)
        parameters.insert(nx.Parameters.Separator("Output Data Objects"))
        parameters.insert(
            nx.DataObjectNameParameter(
                "output_matrix",
                "Created Attribute Matrix",
                "Within the volume's geometry; a row per metric.",
                "Validation",
            )
        )
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check volume and maps by their shapes, and plan the table."""
        from polyrve.validation.metrics import metrics

        nz, ny, nx = structure.check_field(data, args)
        shapes = structure.check_maps(data, args)
        structure.warn_of_turned_maps(data, args)
        if not 0.0 < args["threshold"] < 180.0:
            raise ValueError(f"threshold: expected degrees between 0 and 180; got {args['threshold']}")
        if args["windows"] < 1:
            raise ValueError(f"windows: expected at least 1; got {args['windows']}")
        if args["seed"] < 0:
            raise ValueError(f"seed: expected 0 or more; got {args['seed']}")
        if args["write_report"]:
            check_file(Path(args["report"]), ".html", ".json")
        matrix = args["geometry"].create_child_path(args["output_matrix"])
        structure.plan_rows(actions, matrix, len(metrics()) + 1, columns_of(), TEXTS)
        return {
            "Volume": f"{nx} x {ny} x {nz} voxels",
            "Maps": structure.maps_text(args, shapes),
        }

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Validate the volume, fill the table and write the report."""
        from polyrve.validation.run import validate

        maps = structure.read_maps(data, args)
        against = {"all": maps["z"]} if set(maps) == {"z"} else maps
        volume = structure.read_grains(data, args)

        def heed() -> None:
            if cancelled():
                raise Cancelled("cancelled before the last metric")

        heed()
        options = {"threshold": args["threshold"], "windows": args["windows"], "seed": args["seed"], "between": heed}
        validation = None
        if args["write_report"]:
            from polyrve.report import write_report

            Path(args["report"]).parent.mkdir(parents=True, exist_ok=True)
            validation = write_report(volume, against, args["report"], **options)
            say(f"{args['report']}: written")
        if validation is None:
            validation = validate(against, volume, **options)
        numbers, texts = table(validation)
        structure.fill_rows(data, args["geometry"].create_child_path(args["output_matrix"]), numbers, texts)
        for line in str(validation).splitlines():
            say(line)


def columns_of() -> tuple[Any, ...]:
    """Number columns of the table."""
    from polyrve.filters.arrays import Column

    return (
        Column("Value", "float32"),
        Column("ValuePerAxis", "float32", 3),
        Column("Floor", "float32"),
        Column("Limit", "float32"),
        Column("Reference", "float32"),
        Column("Measured", "float32"),
        Column("VerdictNumber", "int32"),
        Column("Decisive", "bool"),
    )


def table(validation: Validation) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Metrics as columns of numbers and of texts, one row each; NaN where a number cannot be told.

    Parameters
    ----------
    validation : Validation

    Returns
    -------
    numbers : dict of str to ndarray, shape (n, components)
        ``ValuePerAxis`` is by the normals x, y, z of the sections.
    texts : dict of str to list of str
    """
    rows = validation.results

    def column(values: list[Any]) -> np.ndarray:
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)[:, None]

    per_axis = [[np.nan if (value := row.per_axis.get(axis)) is None else value for axis in "xyz"] for row in rows]
    numbers = {
        "Value": column([row.value for row in rows]),
        "ValuePerAxis": np.array(per_axis, dtype=np.float64),
        "Floor": column([row.floor for row in rows]),
        "Limit": column([row.limit for row in rows]),
        "Reference": column([row.reference for row in rows]),
        "Measured": column([row.measured for row in rows]),
        "VerdictNumber": np.array([VERDICTS.index(row.verdict) for row in rows])[:, None],
        "Decisive": np.array([row.decisive for row in rows], dtype=bool)[:, None],
    }
    texts = {
        "Metric": [row.key for row in rows],
        "Title": [row.title for row in rows],
        "Group": [row.group for row in rows],
        "Unit": [row.unit for row in rows],
        "Verdict": [row.verdict for row in rows],
        "Reason": [row.reason for row in rows],
    }
    return numbers, texts
