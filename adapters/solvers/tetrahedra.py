"""Tetrahedra along grain boundaries: Abaqus (.inp), Gmsh (.msh 4.1 or 2.2), VTK (.vtu), Exodus (.e), MFEM (.mesh), STL.

Formats: Abaqus Keywords Reference Guide; https://gmsh.info/doc/texinfo/gmsh.html#MSH-file-format, 4.1 written by Gmsh;
VTK and Exodus II through meshio; MFEM as in :mod:`polyrve.adapters.solvers.mfem`. Lengths are in um.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing, replacing_folder
from polyrve.adapters.solvers import abaqus, mfem, moose
from polyrve.adapters.text_rows import write_numbers, write_rows
from polyrve.crystallography.rotation import to_euler
from polyrve.meshing.tetrahedra import FACES, TetrahedralMesh, gmsh_model, mesh_grains
from polyrve.microstructure.fields import OrientationField, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

SUFFIXES = (".inp", ".msh", ".vtu", ".e", ".exo", ".mesh")
MSH_VERSIONS = ("4.1", "2.2")
_PER_LINE = 16
_LINEAR = 4
_GMSH = {3: 2, 6: 9, 4: 4, 10: 11}
"""Gmsh's element types by the number of nodes."""
_GMSH_ORDER = [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]
"""Gmsh's order of the ten nodes of a tetrahedron, in that of Abaqus."""


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    size: float | None = None,
    quadratic: bool = False,
    periodic: bool | None = None,
    improve: bool = True,
    materials: str = "orientation",
    empty: str | None = "Void",
    cohesive: bool = False,
    version: str = "4.1",
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the grains as smooth bodies of tetrahedra.

    Parameters
    ----------
    data : OrientationVolume or GrainVolume
    path : path-like
        .inp for Abaqus and CalculiX, .msh for Gmsh, .vtu for VTK, .e or .exo for Exodus.
    force : bool
        Whether an existing file may be replaced.
    size : float, um, optional
        Of the elements; by default a sixth of the diameter of the mean grain, at least a voxel.
    quadratic : bool
        Whether elements have nodes in the middles of their edges.
    periodic : bool, optional
        Whether opposite faces have the same nodes, and are tied in .inp as in :func:`polyrve.adapters.solvers.abaqus
        .write`; by default as the volume is.
    improve : bool
        Whether badly shaped tetrahedra are improved, which takes most of the time.
    materials : {"orientation", "user"}
        Of an .inp, as in :func:`polyrve.adapters.solvers.abaqus.write`.
    empty : str, optional
        Name of a phase that is no matter: it has no elements.
    cohesive : bool
        Whether an .inp has a cohesive element (COH3D6) at each boundary triangle; for linear elements and free faces.
    version : {"4.1", "2.2"}
        Of a .msh. Neper and older programs read 2.2, in which an element has one physical group, its grain or face.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ImportError
        If Gmsh is not installed.
    ValueError
        If voxels have no grain, elements are larger than the grains, or the suffix is none of these.
    OSError
        If the disk is full.
    """
    check(path, materials, quadratic=quadratic, cohesive=cohesive, version=version)
    whole = material_grid(data, fill=fill, min_grain=min_grain)
    mesh = mesh_of(data, whole, size=size, quadratic=quadratic, periodic=periodic, improve=improve)
    write_mesh(mesh, whole, path, force=force, materials=materials, empty=empty, cohesive=cohesive, version=version)


def check(
    path: str | Path,
    materials: str = "orientation",
    *,
    quadratic: bool = False,
    cohesive: bool = False,
    version: str = "4.1",
) -> None:
    """Refuse what :func:`write` cannot write, before a mesh is made.

    Parameters
    ----------
    path : path-like
    materials : str
    quadratic, cohesive : bool
    version : str
        As in :func:`write`.

    Raises
    ------
    ValueError
        If the suffix, `materials` or `version` is not known, or the file cannot hold such elements.
    """
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(
            f"{name}: expected a file name that ends in {', '.join(SUFFIXES)}; got {Path(path).suffix or 'no suffix'}"
        )
    if materials not in ("orientation", "user"):
        raise ValueError(f"materials: expected 'orientation' or 'user'; got {materials!r}")
    if version not in MSH_VERSIONS:
        raise ValueError(f"version: expected {' or '.join(MSH_VERSIONS)} for a .msh; got {version!r}")
    if suffix == ".mesh" and quadratic:
        raise ValueError(f"{name}: expected linear elements in an MFEM mesh; got quadratic ones: use .msh for these")
    if cohesive and (suffix != ".inp" or quadratic):
        what = "quadratic ones" if quadratic else f"a file {suffix}"
        raise ValueError(f"cohesive: expected linear elements in an .inp; got {what}")


def mesh_of(
    data: OrientationField | GrainMap | GrainVolume,
    whole: MaterialGrid,
    *,
    size: float | None = None,
    quadratic: bool = False,
    periodic: bool | None = None,
    improve: bool = True,
) -> TetrahedralMesh:
    """Mesh the materials of a volume; options as in :func:`write`.

    Parameters
    ----------
    data : OrientationVolume or GrainVolume
    whole : MaterialGrid
        Made of it.
    size, quadratic, periodic, improve
        As in :func:`write`.

    Returns
    -------
    TetrahedralMesh

    Raises
    ------
    ValueError
        If it is a map, or asked to be periodic and is not.
    """
    field = data.field if isinstance(data, (GrainMap, GrainVolume)) else data
    if not isinstance(field, OrientationVolume):
        raise ValueError(f"tetrahedra: expected a volume; got a map of {' x '.join(map(str, field.shape))} points")
    if periodic and not field.periodic:
        raise ValueError("periodic: expected a periodic volume; the opposite faces of this one do not fit")
    return mesh_grains(
        whole.ids,
        whole.spacing,
        origin=whole.origin,
        size=size,
        quadratic=quadratic,
        periodic=field.periodic if periodic is None else periodic,
        improve=improve,
    )


def write_mesh(
    mesh: TetrahedralMesh,
    whole: MaterialGrid,
    path: str | Path,
    *,
    force: bool = False,
    materials: str = "orientation",
    empty: str | None = "Void",
    cohesive: bool = False,
    version: str = "4.1",
) -> None:
    """Write a mesh.

    Parameters
    ----------
    mesh : TetrahedralMesh
    whole : MaterialGrid
        What its grains are.
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    materials : {"orientation", "user"}
        As in :func:`write`.
    empty : str, optional
        As in :func:`write`.
    cohesive : bool
        As in :func:`write`.
    version : {"4.1", "2.2"}
        As in :func:`write`.

    Raises
    ------
    ValueError
        If the mesh cannot be written so.
    """
    check(path, materials, quadratic=mesh.tetrahedra.shape[1] != _LINEAR, cohesive=cohesive, version=version)
    void = abaqus.empty_materials(whole, empty)
    mesh = mesh.without(np.flatnonzero(void) + 1) if void.any() else mesh
    if Path(path).suffix.lower() == ".mesh":
        _write_mfem(Path(path), mesh, whole, force)
        return
    mesh, joints = mesh.split() if cohesive else (mesh, np.empty((0, 6), dtype=np.int64))
    with replacing(path, force=force) as partial:
        suffix = partial.suffix.lower()
        if suffix == ".inp":
            _write_abaqus(partial, mesh, whole, materials, empty, joints)
        elif suffix == ".msh" and version == "2.2":
            _write_gmsh_2(partial, mesh)
        elif suffix == ".msh":
            _write_gmsh(partial, mesh, whole)
        elif suffix == ".vtu":
            _write_vtu(partial, mesh, whole)
        else:
            moose.write_exodus(partial, _by_grain(mesh))


def write_stl(mesh: TetrahedralMesh, folder: str | Path, *, force: bool = False) -> None:
    """Write the closed surface of each grain as a binary STL file, ``grain_<id>.stl``.

    Parameters
    ----------
    mesh : TetrahedralMesh
    folder : path-like
    force : bool
        Whether its files may be replaced.

    Raises
    ------
    FileExistsError
        If the folder holds files and `force` is not given.
    """
    number = len(str(len(mesh.target)))
    with replacing_folder(folder, force=force) as partial:
        for grain in range(1, len(mesh.target) + 1):
            outwards = mesh.triangles[mesh.sides[:, 0] == grain, :3]
            inwards = mesh.triangles[mesh.sides[:, 1] == grain, :3]
            corners = mesh.points[np.concatenate([outwards, inwards[:, ::-1]])]
            normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            rows = np.zeros(len(corners), dtype=[("values", "<f4", (4, 3)), ("attribute", "<u2")])
            rows["values"][:, 0] = normal / np.linalg.norm(normal, axis=1, keepdims=True)
            rows["values"][:, 1:] = corners
            head = f"polyrve grain {grain}, um".ljust(80).encode("ascii")
            size = np.uint32(len(rows)).astype("<u4").tobytes()
            (partial / f"grain_{grain:0{number}d}.stl").write_bytes(head + size + rows.tobytes())


def _members(mesh: TetrahedralMesh) -> Iterator[tuple[int, np.ndarray]]:
    """Each grain that has tetrahedra, with their numbers."""
    order = np.argsort(mesh.grains, kind="stable")
    used, starts = np.unique(mesh.grains[order], return_index=True)
    yield from zip(used.tolist(), np.split(order, starts[1:]), strict=True)


def _write_mfem(path: Path, mesh: TetrahedralMesh, whole: MaterialGrid, force: bool) -> None:
    numbers = np.array([0, *(mfem.FACE_ATTRIBUTES[face.lower()] for face in FACES)])
    outside = (mesh.faces > 0) | (mesh.sides == 0).any(axis=1)
    attributes = np.where(mesh.faces > 0, numbers[mesh.faces], mfem.FREE_SURFACE)
    mfem.write_mesh(
        path,
        whole,
        mesh.points,
        mesh.tetrahedra,
        mesh.grains,
        mesh.triangles[outside],
        attributes[outside],
        force=force,
    )


def _write_cohesive(file: TextIO, joints: np.ndarray, first: int) -> None:
    """Elements between the grains, and a section whose law is to be filled in."""
    file.write("*Element, type=COH3D6, elset=COHESIVE\n")
    write_rows(file, ", ".join(["%d"] * 7), [np.arange(first, first + len(joints)), *(joints + 1).T])
    file.write(
        "*Cohesive Section, elset=COHESIVE, material=BOUNDARY, response=TRACTION SEPARATION\n,\n"
        "*Material, name=BOUNDARY\n** fill in the law of the boundaries: *Elastic, type=TRACTION, *Damage Initiation\n"
    )


def _write_abaqus(
    path: Path, mesh: TetrahedralMesh, whole: MaterialGrid, materials: str, empty: str | None, joints: np.ndarray
) -> None:
    count = len(mesh.points)
    references = {axis: count + i for i, axis in enumerate("XYZ", start=1)} if mesh.periodic else {}
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(
            f"*Heading\n polyrve: {len(mesh.tetrahedra)} tetrahedra, {len(mesh.target)} grains; um, MPa\n*Node\n"
        )
        write_rows(file, "%d, %.12g, %.12g, %.12g", [np.arange(1, count + 1), *mesh.points.T])
        for i, number in enumerate(references.values()):
            at = mesh.box[0] + 1.1 * (mesh.box[1] - mesh.box[0]) * np.eye(3)[i]
            file.write(f"{number}, {', '.join(f'{value:.9g}' for value in at)}\n")
        nodes = mesh.tetrahedra.shape[1]
        file.write(f"*Element, type=C3D{nodes}, elset=ALL\n")
        columns = [np.arange(1, len(mesh.tetrahedra) + 1), *(mesh.tetrahedra + 1).T]
        write_rows(file, ", ".join(["%d"] * (nodes + 1)), columns)
        for grain, members in _members(mesh):
            file.write(f"*Elset, elset=GRAIN-{grain}\n")
            write_numbers(file, members + 1, _PER_LINE, ", ")
        phases = whole.phase_ids[mesh.grains - 1]
        for i, name in enumerate(abaqus.phase_names(whole), start=1):
            if (phases == i).any():
                file.write(f"*Elset, elset=PHASE-{name}\n")
                write_numbers(file, np.flatnonzero(phases == i) + 1, _PER_LINE, ", ")
        for name, members in _node_sets(mesh):
            file.write(f"*Nset, nset={name}\n")
            write_numbers(file, members + 1, _PER_LINE, ", ")
        file.write("*Nset, nset=BOUNDARIES\n")
        write_numbers(file, np.unique(mesh.triangles[mesh.faces == 0]) + 1, _PER_LINE, ", ")
        free = (mesh.faces == 0) & (mesh.sides == 0).any(axis=1)
        if free.any():
            file.write("*Nset, nset=FREE-SURFACE\n")
            write_numbers(file, np.unique(mesh.triangles[free]) + 1, _PER_LINE, ", ")
        for axis, number in references.items():
            file.write(f"*Nset, nset=REF-{axis}\n{number}\n")
        abaqus.write_materials(file, whole, materials, empty)
        if len(joints):
            _write_cohesive(file, joints, len(mesh.tetrahedra) + 1)
        if mesh.periodic:
            file.write("*Equation\n")
            for shifts, upper, images in mesh.images():
                shifted = [references[axis] for axis, shift in zip("XYZ", shifts, strict=True) if shift]
                abaqus.write_ties(file, upper + 1, images + 1, shifted)


def _node_sets(mesh: TetrahedralMesh) -> Iterator[tuple[str, np.ndarray]]:
    """Faces ``X0``, edges ``X0-Y0`` and corners ``X0-Y0-Z0``, each with all its nodes."""
    on = {face: mesh.nodes_on(face) for face in FACES}
    for number in (1, 2, 3):
        for faces in itertools.combinations(FACES, number):
            if len({face[0] for face in faces}) == number:
                yield "-".join(faces), reduce(np.intersect1d, [on[face] for face in faces])


def _patches(mesh: TetrahedralMesh) -> tuple[np.ndarray, np.ndarray]:
    """Both grains and the face of the box of each patch of triangles, and the patch of each triangle."""
    key = np.concatenate([np.sort(mesh.sides, axis=1), mesh.faces[:, None]], axis=1)
    kinds, of = np.unique(key, axis=0, return_inverse=True)
    return kinds, of.ravel()


def _write_gmsh(path: Path, mesh: TetrahedralMesh, whole: MaterialGrid) -> None:
    """One entity per grain, per pair of grains, and per grain on a face of the box; physical groups of all kinds."""
    kinds, of = _patches(mesh)
    order = np.argsort(of, kind="stable")
    patches = np.split(order, np.cumsum(np.bincount(of))[:-1])
    grains, used = len(mesh.target), np.unique(mesh.grains)
    with gmsh_model() as gmsh:
        model = gmsh.model
        for tag in range(1, len(kinds) + 1):
            model.addDiscreteEntity(2, tag)
        for grain in used.tolist():
            shell = np.flatnonzero((kinds[:, :2] == grain).any(axis=1)) + 1
            model.addDiscreteEntity(3, grain, shell.tolist())
        model.mesh.addNodes(3, 1, np.arange(1, len(mesh.points) + 1), mesh.points.ravel())
        for tag, patch in enumerate(patches, start=1):
            model.mesh.addElementsByType(tag, _GMSH[mesh.triangles.shape[1]], [], (mesh.triangles[patch] + 1).ravel())
        nodes = mesh.tetrahedra.shape[1]
        for grain, members in _members(mesh):
            elements = mesh.tetrahedra[members][:, _GMSH_ORDER[:nodes]] + 1
            model.mesh.addElementsByType(grain, _GMSH[nodes], [], elements.ravel())
        model.mesh.reclassifyNodes()
        for grain in used.tolist():
            model.addPhysicalGroup(3, [grain], grain, f"GRAIN-{grain}")
        for i, name in enumerate(abaqus.phase_names(whole), start=1):
            members = used[whole.phase_ids[used - 1] == i]
            if len(members):
                model.addPhysicalGroup(3, members.tolist(), grains + i, f"PHASE-{name}")
        for i, face in enumerate(FACES, start=1):
            model.addPhysicalGroup(2, (np.flatnonzero(kinds[:, 2] == i) + 1).tolist(), i, face)
        within, free = kinds[:, 2] == 0, (kinds[:, 2] == 0) & (kinds[:, 0] == 0)
        for i, (name, chosen) in enumerate((("BOUNDARIES", within & ~free), ("FREE-SURFACE", free)), len(FACES) + 1):
            if chosen.any():
                model.addPhysicalGroup(2, (np.flatnonzero(chosen) + 1).tolist(), i, name)
        gmsh.option.setNumber("Mesh.MshFileVersion", 4.1)
        gmsh.option.setNumber("Mesh.Binary", 0)
        gmsh.write(str(path))


def _write_gmsh_2(path: Path, mesh: TetrahedralMesh) -> None:
    """The entities of :func:`_write_gmsh`; a physical group per grain, face of the box, boundaries and free surface.

    Each element has three tags, group, entity and no partitions: Neper's reader (``neut_mesh_fscanf_msh4.c``) takes the
    second for the set of elements, and expects the third. Topology 0 keeps it from looking for edges and vertices of
    the surfaces, where it aborts; Gmsh ignores this section.
    """
    free = (mesh.faces == 0) & (mesh.sides == 0).any(axis=1)
    patches = _patches(mesh)[1] + 1
    names = dict(enumerate((*FACES, "BOUNDARIES", "FREE-SURFACE"), start=1))
    surfaces = np.where(free, len(FACES) + 2, np.where(mesh.faces > 0, mesh.faces, len(FACES) + 1))
    used = [(2, tag, names[tag]) for tag in np.unique(surfaces).tolist()]
    used += [(3, grain, f"GRAIN-{grain}") for grain in np.unique(mesh.grains).tolist()]
    nodes = mesh.tetrahedra.shape[1]
    tetrahedra = mesh.tetrahedra[:, _GMSH_ORDER[:nodes]]
    with open(path, "w", encoding="ascii") as file:
        file.write(f"$MeshFormat\n2.2 0 8\n$EndMeshFormat\n$Topology\n0\n$EndTopology\n$PhysicalNames\n{len(used)}\n")
        file.writelines(f'{dimension} {tag} "{name}"\n' for dimension, tag, name in used)
        file.write(f"$EndPhysicalNames\n$Nodes\n{len(mesh.points)}\n")
        write_rows(file, "%d %.16g %.16g %.16g", [np.arange(1, len(mesh.points) + 1), *mesh.points.T])
        file.write(f"$EndNodes\n$Elements\n{len(surfaces) + len(tetrahedra)}\n")
        first = 1
        for tags, entities, elements in ((surfaces, patches, mesh.triangles), (mesh.grains, mesh.grains, tetrahedra)):
            order = np.argsort(entities, kind="stable")
            numbers = np.arange(first, first + len(tags))
            first += len(tags)
            corners = elements.shape[1]
            row = f"%d {_GMSH[corners]} 3 %d %d 0 {' '.join(['%d'] * corners)}"
            write_rows(file, row, [numbers, tags[order], entities[order], *(elements[order] + 1).T])
        file.write("$EndElements\n")


def _write_vtu(path: Path, mesh: TetrahedralMesh, whole: MaterialGrid) -> None:
    import meshio

    angles = np.rad2deg(to_euler(whole.quaternions)).astype(np.float32)
    data = {"grain": mesh.grains, "phase": whole.phase_ids[mesh.grains - 1], "euler_angles": angles[mesh.grains - 1]}
    cells = [(_kind(mesh), mesh.tetrahedra)]
    made = meshio.Mesh(mesh.points, cells, cell_data={name: [values] for name, values in data.items()})
    meshio.write(path, made, file_format="vtu")


def _by_grain(mesh: TetrahedralMesh) -> Any:
    """A mesh with a block per grain, and node sets of the faces."""
    import meshio

    blocks = [(_kind(mesh), mesh.tetrahedra[members]) for _, members in _members(mesh)]
    return meshio.Mesh(mesh.points, blocks, point_sets={face.lower(): mesh.nodes_on(face) for face in FACES})


def _kind(mesh: TetrahedralMesh) -> str:
    """Meshio's name of the elements."""
    return "tetra" if mesh.tetrahedra.shape[1] == 4 else "tetra10"
