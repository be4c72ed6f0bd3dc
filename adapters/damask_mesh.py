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

from polyrve.adapters import hexahedra
from polyrve.adapters.cells import Cells, cells
from polyrve.adapters.damask import write_material
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.text_rows import write_rows
from polyrve.grains import GrainMap, GrainVolume
from polyrve.orientation import OrientationField

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
        Definitions of the phases, as in :func:`polyrve.adapters.damask.write`.
    element : {"tetrahedron", "hexahedron"}
        Hexahedra need DAMASK 3.1.
    strain, rate, increments
        Of the tension along z in load.yaml: the lower face is held, the upper one moves.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.

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
    whole = cells(data, by=by, fill=fill)
    with replacing_folder(path, force=force) as folder:
        with open(folder / "mesh.msh", "w", encoding="ascii") as file:
            _write_mesh(file, whole, element)
        write_material(folder / "material.yaml", whole, phase)
        speed = rate * whole.size[0] * _UM
        (folder / "load.yaml").write_text(
            f"# tension along z, strain {strain:g} at {rate:g} 1/s; tags: 5 lower, 6 upper face\n"
            "# DAMASK_mesh --geom mesh.msh --load load.yaml --material material.yaml\n"
            "loadstep:\n  - boundary_conditions:\n      mechanical:\n"
            f"        - {{dot_u: ['x', 'x', {speed!r}], tag: 6}}\n"
            "        - {dot_u: [0.0, 0.0, 0.0], tag: 5}\n"
            f"    discretization: {{t: {strain / rate!r}, N: {int(increments)}}}\n    f_out: 10\n",
            encoding="ascii",
        )


def _write_mesh(file: TextIO, whole: Cells, element: str) -> None:
    """Gmsh 4.1: one entity per face of the volume and per material."""
    points = hexahedra.nodes(whole.shape, [d * _UM for d in whole.spacing], [o * _UM for o in whole.origin])
    hexes, ids = hexahedra.connectivity(whole.shape), whole.ids.ravel()
    order = np.argsort(ids, kind="stable")
    counts = np.bincount(ids)[1:]
    surfaces = list(hexahedra.faces(whole.shape).values())
    if element == "tetrahedron":
        layers = hexes.reshape(*whole.shape, 8)
        surfaces = [
            _triangles(quads, np.take(layers, -end, axis=axis).reshape(-1, 8))
            for quads, (axis, end) in zip(surfaces, [(a, e) for a in (2, 1, 0) for e in (0, 1)], strict=True)
        ]
        kinds, per_voxel = (_TRIANGLE, _TETRAHEDRON), 6
    else:
        kinds, per_voxel = (_QUADRILATERAL, _HEXAHEDRON), 1
    low, high = (" ".join(f"{value:.9e}" for value in values) for values in (points.min(0), points.max(0)))
    file.write("$MeshFormat\n4.1 0 8\n$EndMeshFormat\n$Entities\n")
    file.write(f"0 0 {len(surfaces)} {len(counts)}\n")
    for i in (*range(1, len(surfaces) + 1), *range(1, len(counts) + 1)):
        file.write(f"{i} {low} {high} 1 {i} 0\n")
    file.write(f"$EndEntities\n$Nodes\n1 {len(points)} 1 {len(points)}\n3 1 0 {len(points)}\n")
    write_rows(file, "%d", [np.arange(1, len(points) + 1)])
    write_rows(file, "%.16e %.16e %.16e", list(points.T))
    total = sum(map(len, surfaces)) + per_voxel * len(hexes)
    file.write(f"$EndNodes\n$Elements\n{len(surfaces) + len(counts)} {total} 1 {total}\n")
    start = 1
    for i, face in enumerate(surfaces, start=1):
        start = _write_block(file, (2, i, kinds[0]), face, start)
    for i, members in enumerate(np.split(order, np.cumsum(counts)[:-1]), start=1):
        block = hexes[members]
        start = _write_block(file, (3, i, kinds[1]), hexahedra.tetrahedra(block) if per_voxel > 1 else block, start)
    file.write("$EndElements\n")


def _write_block(file: TextIO, head: tuple[int, int, int], block: np.ndarray, start: int) -> int:
    """Write elements of one entity (dimension, tag, kind), numbered from `start`; the next number."""
    file.write(f"{head[0]} {head[1]} {head[2]} {len(block)}\n")
    numbers = np.arange(start, start + len(block))
    write_rows(file, " ".join(["%d"] * (block.shape[1] + 1)), [numbers, *(block + 1).T])
    return start + len(block)


def _triangles(quads: np.ndarray, hexes: np.ndarray) -> np.ndarray:
    """Triangles of the tetrahedra that make up quadrilaterals on a face of hexahedra, shape (2 n, 3)."""
    tetrahedra = hexahedra.tetrahedra(hexes)
    on_face = np.isin(tetrahedra, quads)
    three = on_face.sum(axis=1) == 3
    return tetrahedra[three][on_face[three]].reshape(-1, 3)
