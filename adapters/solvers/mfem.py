"""MFEM meshes (.mesh, version 1.0), and the orientations that ExaConstit takes with them.

Formats: https://mfem.org/mesh-format-v1.0/ and the options of https://github.com/LLNL/ExaConstit. The attribute of an
element is its grain, from 1. The attributes of the faces of the box are those of ExaConstit's own mesh generator: 1 z
lower, 2 x lower, 3 y lower, 4 z upper, 5 x upper, 6 y upper; 7 is the surface of voids. Beside NAME.mesh there are
NAME.ori, a unit quaternion w, x, y, z per grain that turns from crystal to specimen axes, and NAME.toml, the lines of
ExaConstit's options that name both.
"""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing
from polyrve.adapters.solvers.abaqus import empty_materials
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.crystallography.rotation import conjugate
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

FACE_ATTRIBUTES = {"z0": 1, "x0": 2, "y0": 3, "z1": 4, "x1": 5, "y1": 6}
"""Attributes of the faces of the box."""
FREE_SURFACE = 7
"""Attribute of the surface of voids."""
_GEOMETRY = {3: 2, 4: 3, 8: 5}
"""MFEM's number of a geometry, by its nodes; four are a square on the surface."""
_TETRAHEDRON = 4


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    empty: str | None = "Void",
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the voxels as cubes; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        NAME.mesh; NAME.ori and NAME.toml are written beside it.
    force : bool
        Whether existing files may be replaced.
    empty : str, optional
        Name of a phase that is no matter: its voxels are no elements.
    by : {"grain", "voxel"}
        What has an orientation of its own.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is not given.
    ValueError
        If voxels have no grain, or all of them are empty.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    void = empty_materials(whole, empty)[whole.ids - 1]
    solid = np.flatnonzero(~void.ravel())
    squares, attributes = _surface(whole, void)
    points = hexahedra.nodes(whole.shape, whole.spacing, whole.origin)
    cubes = hexahedra.connectivity(whole.shape, solid)
    if void.any():
        used, cubes = np.unique(cubes, return_inverse=True)
        cubes = cubes.reshape(-1, 8)
        points, squares = points[used], np.searchsorted(used, squares)
    write_mesh(path, whole, points, cubes, whole.ids.ravel()[solid], squares, attributes, force=force)


def _surface(whole: MaterialGrid, void: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Squares of the surface, nodes from 0, and their attributes."""
    squares, attributes = [], []
    for name, quads in hexahedra.faces(whole.shape).items():
        axis = "zyx".index(name[0])
        kept = ~np.take(void, -int(name[1]), axis=axis).ravel()
        squares.append(quads[kept])
        attributes.append(np.full(int(kept.sum()), FACE_ATTRIBUTES[name]))
    squares.append(hexahedra.inner_faces(void))
    attributes.append(np.full(len(squares[-1]), FREE_SURFACE))
    return np.concatenate(squares), np.concatenate(attributes)


def write_mesh(
    path: str | Path,
    whole: MaterialGrid,
    points: np.ndarray,
    elements: np.ndarray,
    grains: np.ndarray,
    faces: np.ndarray,
    attributes: np.ndarray,
    *,
    force: bool = False,
) -> None:
    """Write a mesh of cubes or linear tetrahedra, and the orientations of its grains.

    Parameters
    ----------
    path : path-like
    whole : MaterialGrid
        Whose materials the grains are.
    points : ndarray, shape (n, 3), um
        x, y, z.
    elements : ndarray, shape (m, 8) or (m, 4), int
    grains : ndarray, shape (m,), int
        From 1.
    faces : ndarray, shape (k, 4) or (k, 3), int
        Of the surface.
    attributes : ndarray, shape (k,), int
    force : bool
        Whether existing files may be replaced.
    """
    solid = 4 if elements.shape[1] == _TETRAHEDRON else _GEOMETRY[elements.shape[1]]
    target = Path(path)
    with (
        replacing(target.with_suffix(".toml"), force=force) as options,
        replacing(target.with_suffix(".ori"), force=force) as orientations,
        replacing(target, force=force) as partial,
    ):
        with open(partial, "w", encoding="ascii") as file:
            file.write(f"MFEM mesh v1.0\n\ndimension\n3\n\nelements\n{len(elements)}\n")
            _rows(file, grains, solid, elements)
            file.write(f"\nboundary\n{len(faces)}\n")
            _rows(file, attributes, _GEOMETRY[faces.shape[1]], faces)
            file.write(f"\nvertices\n{len(points)}\n3\n")
            for rows in blocks(len(points)):
                write_rows(file, "%.12g %.12g %.12g", list(points[rows].T))
        with open(orientations, "w", encoding="ascii") as file:
            write_rows(file, "%.16e %.16e %.16e %.16e", list(conjugate(whole.quaternions).T))
        options.write_text(
            f"# lines of ExaConstit's options; lengths in um; phases: {_phases(whole)}\n"
            '[Properties.Grain]\n    ori_type = "quat"\n    ori_stride = 4\n'
            f'    num_grains = {len(whole.quaternions)}\n    ori_floc = "{target.stem}.ori"\n'
            f'[Mesh]\n    type = "other"\n    floc = "{target.name}"\n',
            encoding="utf-8",
        )


def _rows(file: TextIO, attributes: np.ndarray, geometry: int, nodes: np.ndarray) -> None:
    line = " ".join(["%d"] * (nodes.shape[1] + 2))
    for rows in blocks(len(nodes)):
        part = nodes[rows]
        write_rows(file, line, [attributes[rows], np.full(len(part), geometry), *part.T])


def _phases(whole: MaterialGrid) -> str:
    """Which grains are of which phase, in ranges."""
    texts = []
    for i, phase in enumerate(whole.phases, start=1):
        members = np.flatnonzero(whole.phase_ids == i) + 1
        if len(members):
            parts = np.split(members, np.flatnonzero(np.diff(members) > 1) + 1)
            ranges = ", ".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else f"{p[0]}" for p in parts)
            texts.append(f"{phase.name} grains {ranges}")
    return "; ".join(texts)
