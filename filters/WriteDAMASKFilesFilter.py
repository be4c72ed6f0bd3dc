"""Write DAMASK Files: a folder with all that DAMASK's grid solver asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrve.adapters.replacing import require_writable
from polyrve.filters import structure
from polyrve.filters.filter import Filter, Say
from polyrve.filters.parameters import assignments

LOADS: tuple[str, ...] = ("tension", "compression", "shear", "plane-strain", "rolling", "cyclic", "biaxial")
"""Load cases; new ones are appended, for pipelines store the index."""


class WriteDAMASKFilesFilter(Filter):
    """Write grid, material, load and numerics of a volume for DAMASK 3."""

    identifier = "47b30ab6-fe5e-43d2-b7e3-122a427a4870"
    title = "Write DAMASK Files (polyrve)"
    tags = ("write", "export", "DAMASK", "crystal plasticity", "simulation", "RVE")
    number = 3

    def parameters(self) -> Any:
        """Volume, folder and what is written into it."""
        import simplnx as nx

        parameters = nx.Parameters()
        parameters.insert(nx.Parameters.Separator("Output Folder"))
        parameters.insert(
            nx.FileSystemPathParameter(
                "folder",
                "Output Folder",
                "For grid.vti, material.yaml, load.yaml and numerics.yaml.",
                "",
                set(),
                nx.FileSystemPathParameter.PathType.OutputDir,
            )
        )
        parameters.insert(nx.BoolParameter("force", "Replace Existing Files", "Other files in the folder stay.", False))
        parameters.insert(nx.Parameters.Separator("Material"))
        parameters.insert(
            nx.ChoicesParameter(
                "by",
                "One Material per",
                "Grain: its mean orientation. Voxel: its own orientation.",
                0,
                ["Grain", "Voxel"],
            )
        )
        parameters.insert(
            nx.StringParameter(
                "definitions",
                "Phase Definitions",
                "name=definition, name=definition: a metal of the library (Al, Cu, Ni, Fe, 316L, Mg, Ti), a YAML file, "
                "or template. With one phase the definition alone will do; empty: by the names of the phases.",
                "",
            )
        )
        parameters.insert(
            nx.BoolParameter("fill", "Fill Vacant Voxels", "Give voxels in no grain to the nearest grain.", False)
        )
        parameters.insert(nx.Parameters.Separator("Load"))
        parameters.insert(
            nx.ChoicesParameter(
                "load",
                "Load Case",
                "Written to load.yaml. Write Orientation Volume with format damask takes several, their directions and "
                "increments, as options.",
                0,
                list(LOADS),
            )
        )
        parameters.insert_linkable_parameter(
            nx.BoolParameter("set_strain", "Set Strain", "Change the usual strain of the load case.", False)
        )
        parameters.insert(
            nx.Float64Parameter("strain", "Strain", "Largest change of the prescribed component of F.", 0.05)
        )
        parameters.link_parameters("set_strain", "strain", True)
        parameters.insert(nx.Float64Parameter("rate", "Rate (1/s)", "Rate of that component.", 1e-3))
        structure.insert_volume(parameters)
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check volume, folder and load."""
        import yaml

        from polyrve.adapters.solvers import damask_phases
        from polyrve.adapters.solvers.damask_loads import load_case
        from polyrve.adapters.solvers.loads import load_of
        from polyrve.response.simulate import expected

        nz, ny, nx = structure.check_field(data, args)
        folder = Path(args["folder"])
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder}: expected the name of a folder; it is a file")
        if folder.is_dir() and any(folder.iterdir()) and not args["force"]:
            raise FileExistsError(f"{folder}: holds files already; Replace Existing Files replaces those of DAMASK")
        require_writable(folder)
        if nx < 2:
            raise ValueError(f"volume: expected two or more voxels along x, as DAMASK needs them; got {nx}")
        load = load_of(LOADS[args["load"]], **_load(args))
        steps = yaml.safe_load(load_case(load))["loadstep"]
        counts = [(int(step["discretization"]["N"]), int(step.get("f_out", 1))) for step in steps]
        if "=" in args["definitions"]:
            dict(assignments(args["definitions"], "phase definitions"))
        return {
            "Grid": f"{nx} x {ny} x {nz} voxels",
            "Run in DAMASK_grid": str(expected(nx * ny * nz, counts, damask_phases.LIBRARY["Al"].yaml())),
            "Load": load.title,
        }

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Write the folder."""
        from polyrve.adapters.solvers import damask

        by = ("grain", "voxel")[args["by"]]
        volume = structure.read_grains(data, args) if by == "grain" else structure.read_volume(data, args)
        if cancelled():
            return
        damask.write(
            volume,
            Path(args["folder"]),
            force=bool(args["force"]),
            by=by,
            phase=args["definitions"].strip() or None,
            load=LOADS[args["load"]],
            fill=bool(args["fill"]),
            **_load(args),
        )
        say(f"{args['folder']}: grid.vti, material.yaml, load.yaml, numerics.yaml")


def _load(args: Mapping[str, Any]) -> dict[str, Any]:
    return {"strain": float(args["strain"]) if args["set_strain"] else None, "rate": float(args["rate"])}
