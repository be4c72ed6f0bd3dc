"""Reconstruct Orientation Volume: one to three maps in, a volume with their statistics out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrve.filters import structure
from polyrve.filters.files import check_file
from polyrve.filters.filter import Filter, Say, error_sentence


class ReconstructOrientationVolumeFilter(Filter):
    """Grow a volume whose sections have the statistics of one to three orientation maps."""

    identifier = "d3fc0140-414c-4e7b-878b-d614e7df099d"
    title = "Reconstruct Orientation Volume (polyrve)"
    tags = ("synthetic", "builder", "reconstruction", "EBSD", "microstructure", "RVE", "generate")
    number = 2

    def parameters(self) -> Any:
        """Maps, settings of the reconstruction, engine and names of what is created."""
        import simplnx as nx

        from polyrve.filters.arrays import GRAIN_CELL_COLUMNS
        from polyrve.filters.parameters import insert_settings

        parameters = nx.Parameters()
        structure.insert_maps(parameters)
        insert_settings(parameters)
        parameters.insert(nx.Parameters.Separator("Grains"))
        parameters.insert(
            nx.Float64Parameter(
                "threshold", "Misorientation Tolerance (Degrees)", "Smallest disorientation of a grain boundary.", 5.0
            )
        )
        parameters.insert(
            nx.Int32Parameter(
                "smallest",
                "Smallest Grain (Voxels)",
                "Grains of fewer voxels are given to their neighbours; 1 leaves the volume as it is.",
                1,
            )
        )
        parameters.insert(nx.Parameters.Separator("Engine"))
        parameters.insert_linkable_parameter(
            nx.ChoicesParameter(
                "engine",
                "Run In",
                "The engine needs TensorFlow. Where this Python does not have it, a separate Python is taken anyway.",
                0,
                ["This process", "Separate Python"],
            )
        )
        parameters.insert(
            nx.StringParameter(
                "python",
                "Python Executable",
                "A Python that has polyrve and TensorFlow; empty for the one that POLYRVE_PYTHON names.",
                "",
            )
        )
        parameters.link_parameters("engine", "python", 1)
        parameters.insert_linkable_parameter(
            nx.BoolParameter(
                "save", "Write Result to File", "Write the volume to a .dream3d file too, also when cancelled.", False
            )
        )
        parameters.insert(
            nx.FileSystemPathParameter(
                "file",
                "Result File",
                "An existing file is replaced.",
                "reconstructed.dream3d",
                {".dream3d"},
                nx.FileSystemPathParameter.PathType.OutputFile,
            )
        )
        parameters.link_parameters("save", "file", True)
        parameters.insert(nx.Parameters.Separator("Output Data Objects"))
        parameters.insert(
            nx.DataGroupCreationParameter(
                "output_geometry",
                "Created Image Geometry",
                f"Its cell data: {', '.join(column.name for column in GRAIN_CELL_COLUMNS)}.",
                nx.DataPath(["Reconstructed Volume"]),
            )
        )
        structure.insert_names(parameters, features=True)
        return parameters

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check maps and settings by their shapes, and forecast memory and time."""
        from polyrve.filters import arrays, engine, forecast
        from polyrve.filters.parameters import settings_of

        shapes = structure.check_maps(data, args)
        structure.warn_of_turned_maps(data, args)
        settings = settings_of(args)
        if not 0.0 < args["threshold"] < 180.0:
            raise ValueError(f"threshold: expected degrees between 0 and 180; got {args['threshold']}")
        if args["smallest"] < 1:
            raise ValueError(f"smallest grain: expected at least 1 voxel; got {args['smallest']}")
        if args["save"]:
            check_file(Path(args["file"]), ".dream3d", ".xdmf")
        python = engine.other_python(bool(args["engine"]), args["python"], os.environ)
        spacing = settings.spacing or structure.spacing_of_maps(data, args)
        phases = structure.number_of_phases(data, args)
        needed, seconds = forecast.sizes(settings, phases, structure.pixels_of_maps(data, args, shapes, spacing))
        forecast.refuse_too_large(needed, settings.shape)
        structure.plan_field(
            actions,
            args["output_geometry"],
            structure.names_of(args),
            settings.shape,
            spacing,
            (0.0, 0.0, 0.0),
            arrays.GRAIN_CELL_COLUMNS,
            phases,
        )
        matrix = args["output_geometry"].create_child_path(args["feature_matrix"])
        structure.plan_rows(actions, matrix, 1, arrays.FEATURE_COLUMNS)
        nz, ny, nx = settings.shape
        return {
            "Maps": structure.maps_text(args, shapes),
            "Volume": f"{nx} x {ny} x {nz} voxels of " + " x ".join(f"{step:.4g}" for step in spacing[::-1]) + " um",
            "Engine": "this process" if python is None else str(python),
            **forecast.as_text(needed, seconds),
        }

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Reconstruct; when cancelled the best state so far is filled in."""
        from polyrve.adapters.volumes import dream3d
        from polyrve.filters import arrays, engine
        from polyrve.filters.parameters import settings_of
        from polyrve.microstructure.segmentation import segment

        settings = settings_of(args)
        spacing = settings.spacing or structure.spacing_of_maps(data, args)
        maps = structure.read_maps(data, args)
        first = next(iter(maps.values()))
        phases = (first[0] if isinstance(first, list) else first).phases
        used = arrays.used_phases(maps)
        grown = engine.grow(
            {
                normal: [arrays.with_phases(field, used) for field in some]
                if isinstance(some, list)
                else arrays.with_phases(some, used)
                for normal, some in maps.items()
            },
            settings.model_copy(update={"spacing": spacing}),
            python=engine.other_python(bool(args["engine"]), args["python"], os.environ),
            say=say,
            cancelled=cancelled,
        )
        say(grown.status)
        grains = arrays.among_phases(
            segment(grown.volume, args["threshold"], min_points=args["smallest"]), used, phases
        )
        geometry = args["output_geometry"]
        structure.fill_field(
            data, geometry, structure.names_of(args), grains.field, arrays.cell_arrays(grains.field, grains)
        )
        structure.fill_rows(data, geometry.create_child_path(args["feature_matrix"]), arrays.feature_arrays(grains))
        if args["save"]:
            try:
                dream3d.write(grains, Path(args["file"]), force=True)
            except OSError as error:
                warnings.warn(
                    f"{error_sentence(error)}: not written; the volume is in {structure.text_of(geometry)}",
                    stacklevel=1,
                )
        say(f"{grains.number_of_grains} grains")
