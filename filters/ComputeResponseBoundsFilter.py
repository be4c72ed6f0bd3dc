"""Compute Response Bounds: stiffness and yield stress of a volume without a solver."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from polyrve.filters import structure
from polyrve.filters.arrays import Column
from polyrve.filters.filter import Filter, Say
from polyrve.filters.parameters import assignments

COLUMNS = (
    Column("Voigt", "float32"),
    Column("Reuss", "float32"),
    Column("Hill", "float32"),
    Column("HillError", "float32"),
    Column("TaylorFactor", "float32"),
    Column("TaylorError", "float32"),
    Column("YieldStress", "float32"),
    Column("Contraction", "float32"),
)


class ComputeResponseBoundsFilter(Filter):
    """Bound Young's moduli and yield stresses of a volume along x, y and z."""

    identifier = "3cc929b9-1a31-4cfa-81a3-091746ca67ae"
    title = "Compute Response Bounds (polyrve)"
    tags = ("stiffness", "Young's modulus", "Voigt", "Reuss", "Hill", "Taylor factor", "yield stress", "DAMASK", "RVE")
    number = 6

    def parameters(self) -> Any:
        """Volume, phase definitions and the name of the table."""
        import simplnx as nx

        parameters = nx.Parameters()
        parameters.insert(nx.Parameters.Separator("Material"))
        parameters.insert(
            nx.StringParameter(
                "definitions",
                "Phase Definitions",
                "As for Write DAMASK Files: name=definition, name=definition; with one phase the definition alone will "
                "do; empty: by the names of the phases.",
                "",
            )
        )
        parameters.insert(
            nx.BoolParameter(
                "compression", "Compression", "Yield in compression; twins make it differ from tension.", False
            )
        )
        structure.insert_volume(parameters)
        parameters.insert(nx.Parameters.Separator("Output Data Objects"))
        parameters.insert(
            nx.DataObjectNameParameter(
                "output_matrix",
                "Created Attribute Matrix",
                "Within the volume's geometry; a row for each of x, y and z.",
                "ResponseBounds",
            )
        )
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check volume and definitions, and plan the table."""
        nz, ny, nx = structure.check_field(data, args)
        if "=" in args["definitions"]:
            dict(assignments(args["definitions"], "phase definitions"))
        matrix = args["geometry"].create_child_path(args["output_matrix"])
        structure.plan_rows(actions, matrix, 3, COLUMNS, ("Axis",))
        return {"Volume": f"{nx} x {ny} x {nz} voxels"}

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Compute the bounds and fill the table."""
        from polyrve.response.bounds import bounds

        grains = structure.read_grains(data, args)
        if cancelled():
            return
        found = bounds(grains, args["definitions"].strip() or None, compression=bool(args["compression"]))
        numbers = {
            "Voigt": found.voigt,
            "Reuss": found.reuss,
            "Hill": found.hill,
            "HillError": found.hill_error,
            "TaylorFactor": found.taylor,
            "TaylorError": found.taylor_error,
            "YieldStress": found.flow_stress,
            "Contraction": found.contraction,
        }
        structure.fill_rows(
            data,
            args["geometry"].create_child_path(args["output_matrix"]),
            {name: np.asarray(values, dtype=np.float64)[:, None] for name, values in numbers.items()},
            {"Axis": ["x", "y", "z"]},
        )
        for line in str(found).splitlines():
            say(line)
