"""DAMASK_mesh: a folder with mesh.msh (Gmsh 4.1, physical groups = materials), material.yaml and load.yaml.

Formats: https://gmsh.info/doc/texinfo/gmsh.html#MSH-file-format and DAMASK's documentation/file_formats/mesh_solver.
Materials are the physical volumes, from 1; the faces of the volume are the physical surfaces 1 ... 6 (x0, x1, y0, y1,
z0, z1). Tetrahedra by default, because DAMASK 3.0 integrates simplices alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.solvers.damask import write_material
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

_UM = 1e-6
_TRIANGLE, _QUADRILATERAL, _TETRAHEDRON, _HEXAHEDRON = 2, 3, 4, 5


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    by: str = "grain",
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    element: str = "tetrahedron",
    strain: float = 0.02,
    rate: float = 1e-3,
    increments: int = 100,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write a folder for DAMASK_mesh; lengths in m.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        The folder.
    force : bool
        Whether its files may be replaced.
    by : {"grain", "voxel"}
        One material per grain or per voxel.
    phase : str, sequence of str or mapping, optional
        Definitions of the phases, as in :func:`polyrve.adapters.solvers.damask.write`.
    element : {"tetrahedron", "hexahedron"}
        Hexahedra need DAMASK 3.1.
    strain, rate, increments
        Of the tension along z in load.yaml: the lower face is held, the upper one moves.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the folder holds files and `force` is not given.
    ValueError
        If voxels have no grain, a phase has no definition, or an option is out of its range.
    OSError
        If the disk is full.
    """
    if element not in ("tetrahedron", "hexahedron"):
        raise ValueError(f"element: expected 'tetrahedron' or 'hexahedron'; got {element!r}")
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    with replacing_folder(path, force=force) as folder:
        with open(folder / "mesh.msh", "w", encoding="ascii") as file:
            _write_mesh(file, whole, element)
        write_material(folder / "material.yaml", whole, phase)
        speed = rate * whole.size[0] * _UM
        (folder / "load.yaml").write_text(
            f"# tension along z, strain {strain:g} at {rate:g} 1/s; tags: 5 lower, 6 upper face\n"
            "# damask_mesh --geom mesh.msh --load load.yaml --material material.yaml\n"
            "# (DAMASK 3.0 has it under the name DAMASK_mesh)\n"
            "loadstep:\n  - boundary_conditions:\n      mechanical:\n"
            f"        - {{dot_u: ['x', 'x', {speed!r}], tag: 6}}\n"
            "        - {dot_u: [0.0, 0.0, 0.0], tag: 5}\n"
            f"    discretization: {{t: {strain / rate!r}, N: {int(increments)}}}\n    f_out: 10\n",
            encoding="ascii",
        )


def _write_mesh(file: TextIO, whole: MaterialGrid, element: str) -> None:
    """Gmsh 4.1: one entity per face of the volume and per material."""
    spacing, origin = ([value * _UM for value in values] for values in (whole.spacing, whole.origin))
    if element == "tetrahedron":
        surfaces, kinds, per_voxel = _triangles(whole.shape), (_TRIANGLE, _TETRAHEDRON), 6
    else:
        surfaces, kinds, per_voxel = list(hexahedra.faces(whole.shape).values()), (_QUADRILATERAL, _HEXAHEDRON), 1
    materials = len(whole.quaternions)
    bounds = [[o + d * n for n, d, o in zip(ns, spacing, origin, strict=True)] for ns in ((0, 0, 0), whole.shape)]
    box = " ".join(f"{value:.9e}" for corner in bounds for value in corner[::-1])
    file.write("$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Entities\n")
    file.write(f"0 0 {len(surfaces)} {materials}\n")
    for i in (*range(1, len(surfaces) + 1), *range(1, materials + 1)):
        file.write(f"{i} {box} 1 {i} 0\n")
    nodes = int(np.prod([n + 1 for n in whole.shape]))
    file.write(f"$EndEntities\n$Nodes\n1 {nodes} 1 {nodes}\n3 1 0 {nodes}\n")
    for rows in blocks(nodes):
        write_rows(file, "%d", [np.arange(rows.start, rows.stop) + 1])
    for points in hexahedra.node_layers(whole.shape, spacing, origin):
        write_rows(file, "%.16e %.16e %.16e", list(points.T))
    total = sum(map(len, surfaces)) + per_voxel * whole.ids.size
    file.write(f"$EndNodes\n$Elements\n{len(surfaces) + materials} {total} 1 {total}\n")
    start = 1
    for i, face in enumerate(surfaces, start=1):
        file.write(f"2 {i} {kinds[0]} {len(face)}\n")
        start = _write_elements(file, face, start)
    for i, members in enumerate(whole.members(), start=1):
        file.write(f"3 {i} {kinds[1]} {per_voxel * len(members)}\n")
        for rows in blocks(len(members)):
            hexes = hexahedra.connectivity(whole.shape, members[rows])
            start = _write_elements(file, hexahedra.tetrahedra(hexes) if per_voxel > 1 else hexes, start)
    file.write("$EndElements\n")


def _write_elements(file: TextIO, elements: np.ndarray, start: int) -> int:
    """Write elements, numbered from `start`; the next number."""
    numbers = np.arange(start, start + len(elements))
    write_rows(file, " ".join(["%d"] * (elements.shape[1] + 1)), [numbers, *(elements + 1).T])
    return start + len(elements)


def _triangles(shape: Sequence[int]) -> list[np.ndarray]:
    """Triangles of the tetrahedra on the six faces of the volume, each of shape (2 n, 3)."""
    numbers = np.arange(np.prod(shape)).reshape(shape)
    ends = (np.take(numbers, -end, axis=axis).ravel() for axis in (2, 1, 0) for end in (0, 1))
    surfaces = []
    for quads, voxels in zip(hexahedra.faces(shape).values(), ends, strict=True):
        tetrahedra = hexahedra.tetrahedra(hexahedra.connectivity(shape, voxels))
        on_face = np.isin(tetrahedra, quads)
        three = on_face.sum(axis=1) == 3
        surfaces.append(tetrahedra[three][on_face[three]].reshape(-1, 3))
    return surfaces
