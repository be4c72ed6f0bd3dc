"""DAMASK's materials (material.yaml) and the grid that names them, as volumes.

Format: https://damask-multiphysics.org/documentation/file_formats/materialpoint.html and grid_solver.html. Orientations
are quaternions w, x, y, z from the crystal's axes to those of the volume; lengths are in m.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import grain_table
from polyrve.adapters.volumes.grain_table import GrainTable
from polyrve.adapters.volumes.vtk_image import VtkImage
from polyrve.adapters.warned import warn
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import conjugate
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_UM = 1e-6
LAUE_OF_LATTICE = {"cF": "m-3m", "cI": "m-3m", "cP": "m-3m", "hP": "6/mmm", "tI": "4/mmm", "tP": "4/mmm"}
"""Laue group of phases by DAMASK's key ``lattice``."""


def read_grid(
    path: Path, image: VtkImage, material: str | None, *, frame: str | Frame | None
) -> OrientationMap | OrientationVolume:
    """Return the volume of a grid of DAMASK_grid.

    Parameters
    ----------
    path : Path
        The grid.
    image : VtkImage
    material : str or None
        The file of materials; by default material.yaml beside the grid.
    frame : str, Frame or None

    Raises
    ------
    FileNotFoundError
        If there is no file of materials.
    FormatError
        If it is none.
    """
    beside = path.parent / "material.yaml" if material is None else Path(material)
    if not beside.is_file():
        raise FileNotFoundError(
            f"{beside}: no such file; {path.name} names materials, and their orientations are in material.yaml: say "
            "where by material (--read material=FILE)"
        )
    ids = grain_table.whole_numbers(path, image.array("material"), "material")
    table = read_materials(beside)
    if ids.min() < 0 or ids.max() >= len(table.numbers):
        raise FormatError(
            path, f"expected materials 0 ... {len(table.numbers) - 1} of {beside.name}; got {ids.min()} ... {ids.max()}"
        )
    spacing, origin = ([value / _UM for value in values] for values in (image.spacing, image.origin))
    return grain_table.assemble(path, "vti", ids, table, spacing, origin, frame=frame)


def read_materials(path: Path) -> GrainTable:
    """Read the materials of a material.yaml, numbered from 0.

    Parameters
    ----------
    path : Path

    Returns
    -------
    GrainTable

    Raises
    ------
    FormatError
        If it is none, or a material has several constituents.

    Warns
    -----
    UserWarning
        If a phase has no lattice.
    """
    import yaml

    try:
        found = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise FormatError(path, f"expected YAML; got: {str(error).splitlines()[0]}") from None
    if not isinstance(found, dict) or not isinstance(found.get("material"), list) or not found["material"]:
        raise FormatError(path, "expected a list of materials under the key material; there is none")
    names = [_constituent(path, number, item) for number, item in enumerate(found["material"])]
    phases = list(dict.fromkeys(name for name, _ in names))
    phase = found.get("phase")
    known = phase if isinstance(phase, dict) else {}
    q = conjugate(np.array([orientation for _, orientation in names], dtype=np.float64))
    return GrainTable(
        np.arange(len(names)),
        q,
        np.array([phases.index(name) + 1 for name, _ in names], dtype=np.int32),
        [_phase(path, name, known.get(name)) for name in phases],
    )


def _constituent(path: Path, number: int, item: Any) -> tuple[str, list[float]]:
    parts = item.get("constituents") if isinstance(item, dict) else None
    where = f"material {number}"
    if not isinstance(parts, list) or len(parts) != 1 or not isinstance(parts[0], dict):
        count = len(parts) if isinstance(parts, list) else 0
        raise FormatError(path, f"expected one constituent per material; got {count}", where)
    try:
        q = [float(value) for value in parts[0]["O"]]
    except (KeyError, TypeError, ValueError):
        q = []
    length = float(np.linalg.norm(q)) if len(q) == 4 else 0.0
    if not abs(length - 1.0) < 1e-3:
        raise FormatError(path, "expected an orientation O of four numbers and length 1", where)
    return str(parts[0].get("phase", "phase")), [value / length for value in q]


def _phase(path: Path, name: str, definition: Any) -> Phase:
    lattice = definition.get("lattice") if isinstance(definition, dict) else None
    if lattice not in LAUE_OF_LATTICE:
        warn(f"{path}: phase {name} has no lattice that DAMASK knows; m-3m is taken")
    ratio = definition.get("c/a") if isinstance(definition, dict) else None
    laue = LAUE_OF_LATTICE.get(str(lattice), "m-3m")
    c = float(ratio) if isinstance(ratio, (int, float)) and 0 < ratio < 100 else 0.0
    gamma = 120.0 if laue == "6/mmm" else 90.0
    return Phase(name.strip() or "phase", laue, (1.0 if c else 0.0,) * 2 + (c, 90.0, 90.0, gamma))
