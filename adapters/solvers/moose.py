"""MOOSE: the EBSD text that EBSDMeshGenerator and EBSDReader read, and Exodus meshes with a block per grain (.e).

Formats: https://mooseframework.inl.gov/source/meshgenerators/EBSDMeshGenerator.html and
userobjects/EBSDReader.html; Exodus II through meshio.

The angles are Bunge's, from sample to crystal axes. MOOSE's ``ComputeElasticityTensorCP``, which the crystal plasticity
has, takes them so. Its ``GrainTrackerElasticity`` and ``ComputeElasticityTensor`` turn the stiffness by the matrix of
the angles itself, not by its transpose: to them these are the angles of the inverse orientation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.ebsd.tsl import NUMBER_OF_LAUE
from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.crystallography.rotation import to_euler
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

_EXODUS = (".e", ".exo", ".ex2")


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the grains; lengths in um.

    The text has a line per voxel: phi1 PHI phi2 (Bunge, rad, mean of the grain, as the reader averages angles), x y z
    of the voxel's centre, grain, phase, TSL symmetry number. One layer is written as a two-dimensional map.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        .e, .exo or .ex2 for Exodus: hexahedra in blocks by grain, node sets x0 ... z1; any other suffix for the text.
    force : bool
        Whether an existing file may be replaced.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ValueError
        If voxels have no grain, or netCDF4, which Exodus needs, is not installed.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, fill=fill, min_grain=min_grain)
    with replacing(path, force=force) as partial:
        if partial.suffix.lower() in _EXODUS:
            _write_exodus(partial, whole)
        else:
            _write_text(partial, whole)


def _write_text(path: Path, whole: MaterialGrid) -> None:
    ids = whole.ids.ravel()
    angles = to_euler(whole.quaternions)
    symmetry = np.array([NUMBER_OF_LAUE[phase.laue] for phase in whole.phases])[whole.phase_ids - 1]
    steps, low = whole.spacing[::-1], whole.origin[::-1]
    number = list(whole.shape[::-1])
    if number[2] == 1:
        number[2], steps = 0, (*steps[:2], 0.0)
    lines = ["# EBSD data for EBSDMeshGenerator and EBSDReader"]
    lines += [f"# {axis}_STEP: {value!r}" for axis, value in zip("XYZ", steps, strict=True)]
    lines += [f"# {axis}_MIN: {value!r}" for axis, value in zip("XYZ", low, strict=True)]
    lines += [f"# {a}_MAX: {o + d * n!r}" for a, o, d, n in zip("XYZ", low, steps, number, strict=True)]
    lines += [f"# {axis}_DIM: {value}" for axis, value in zip("XYZ", number, strict=True)]
    for i, phase in enumerate(whole.phases, start=1):
        features = int((whole.phase_ids == i).sum())
        lines += [f"# Phase_{i}: {phase.name}", f"# Symmetry_{i}: {NUMBER_OF_LAUE[phase.laue]}"]
        lines.append(f"# Features_{i}: {features}")
    lines += [f"# Num_Features: {len(whole.quaternions)}", "# phi1 PHI phi2 x y z FeatureId PhaseId Symmetry"]
    axes = [o + d * (np.arange(n) + 0.5) for o, d, n in zip(whole.origin, whole.spacing, whole.shape, strict=True)]
    if whole.shape[0] == 1:
        axes[0] = np.array(whole.origin[:1])
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
        for rows in blocks(ids.size):
            index = np.unravel_index(np.arange(rows.start, rows.stop), whole.shape)
            z, y, x = (axis[i] for axis, i in zip(axes, index, strict=True))
            material = ids[rows] - 1
            columns = [*angles[material].T, x, y, z, ids[rows], whole.phase_ids[material], symmetry[material]]
            write_rows(file, "%.9f %.9f %.9f %.9g %.9g %.9g %d %d %d", columns)


def _write_exodus(path: Path, whole: MaterialGrid) -> None:
    import meshio

    hexes = hexahedra.connectivity(whole.shape)
    blocks = [("hexahedron", hexes[members]) for members in whole.members()]
    sets = {name: np.unique(quads) for name, quads in hexahedra.faces(whole.shape).items()}
    points = hexahedra.nodes(whole.shape, whole.spacing, whole.origin)
    write_exodus(path, meshio.Mesh(points, blocks, point_sets=sets))


def write_exodus(path: Path, mesh: Any) -> None:
    """Write a mesh by meshio, and number blocks and sets from 1: Exodus forbids the 0 that meshio starts at.

    Parameters
    ----------
    path : path-like
    mesh : meshio.Mesh

    Raises
    ------
    ValueError
        If netCDF4 is not installed.
    """
    try:
        import netCDF4
    except ImportError:
        raise ValueError("Exodus needs netCDF4: pip install netCDF4") from None
    import meshio

    meshio.write(path, mesh, file_format="exodus")
    with netCDF4.Dataset(path, "r+") as file:
        for kind in ("eb", "ns"):
            ids = file[f"{kind}_prop1"]
            ids[:] = np.arange(1, len(ids) + 1)
            ids.setncattr("name", "ID")
