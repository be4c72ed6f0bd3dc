"""Abaqus input files (.inp): voxel hexahedra with sets, sections and orientations per grain, periodic equations.

Format: Abaqus Keywords Reference Guide. Lengths are in um, so that stresses in MPa go with forces in uN. Node and
element numbers start at 1, x varies fastest.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid, warn_of_seams
from polyrve.adapters.replacing import replacing
from polyrve.adapters.solvers import damask, damask_phases
from polyrve.adapters.solvers.abaqus_read import PHASE_MARK, read
from polyrve.adapters.solvers.abaqus_steps import DIALECTS, write_steps
from polyrve.adapters.solvers.loads import load_of
from polyrve.adapters.text_rows import blocks, write_numbers, write_rows
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.rotation import to_euler, to_matrix
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume

__all__ = ["read", "write"]

_PER_LINE = 16


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    element: str = "C3D8",
    materials: str = "orientation",
    periodic: bool = False,
    split: bool = False,
    empty: str | None = "Void",
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    dialect: str = "abaqus",
    load: str | None = None,
    axes: str | None = None,
    strain: float | None = None,
    rate: float = 1e-3,
    increments: int | None = None,
    ratio: float = -1.0,
    cycles: int = 1,
    angle: float = 45.0,
    constants: Sequence[float] = (),
    depvar: int = 1,
) -> None:
    """Write a model, with the steps of a load where one is named.

    Element sets: ``GRAIN-<id>``, ``PHASE-<name>``, ``ALL``. Node sets: faces ``X0`` ... ``Z1``, edges ``X0-Y0`` ...,
    corners ``X0-Y0-Z0`` ....

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
    force : bool
        Whether existing files may be replaced.
    element : str
        ``"C3D8"``, ``"C3D8R"`` or another eight-node type.
    materials : {"orientation", "user"}
        A material per phase and an ``*Orientation`` per grain, the crystal's x and y axes; elastic constants where
        `phase` or the phase's name has a definition. Or a ``*User Material`` per grain with the constants grain, phase,
        phi1, Phi, phi2 (Bunge, degrees) and those that are given.
    periodic : bool
        Whether the nodes of opposite faces are tied by ``*Equation`` through three reference nodes (sets ``REF-X``,
        ``REF-Y``, ``REF-Z``), whose displacements are the columns of the mean displacement gradient times the edge
        lengths.
    split : bool
        Whether nodes, elements, sets, materials and equations are files of their own, taken in by ``*Include``.
    empty : str, optional
        Name of a phase that is no matter: its voxels are no elements, and nodes of no element are left out.
    by : {"grain", "voxel"}
        What has a section of its own.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.
    phase : str, sequence of str or mapping, optional
        Definition of each phase, whose elastic constants are taken, as for
        :func:`polyrve.adapters.solvers.damask.write`.
    dialect : {"abaqus", "calculix"}
        The program. CalculiX asks for other names of user materials, and for the mean stress the stress of all points
        is printed, since it tells no force of the reference nodes.
    load : str, optional
        Adds the steps of a load case of the export to DAMASK (:data:`polyrve.adapters.solvers.damask_loads.LOAD_CASES`)
        with boundary conditions and output requests, so that the deck runs as it is. Periodic decks are loaded through
        their reference nodes, the others by their faces.
    axes, strain, rate, increments, ratio, cycles, angle
        Of the load, as for :func:`polyrve.adapters.solvers.damask.write`.
    constants : sequence of float
        Further constants of the user material, after the five of the grain.
    depvar : int
        Number of state variables of the user material.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is not given.
    ValueError
        If voxels have no grain, or an option is out of its range.
    OSError
        If the disk is full.
    """
    if not re.fullmatch(r"C3D8\w*", element):
        raise ValueError(f"element: expected an eight-node type such as C3D8 or C3D8R; got {element!r}")
    if materials not in ("orientation", "user"):
        raise ValueError(f"materials: expected 'orientation' or 'user'; got {materials!r}")
    if dialect not in DIALECTS:
        raise ValueError(f"dialect: expected {' or '.join(DIALECTS)}; got {dialect!r}")
    if depvar < 1:
        raise ValueError(f"depvar: expected 1 or more state variables; got {depvar}")
    whole = material_grid(data, by=by, fill=fill, min_grain=min_grain)
    solid = _solid(whole, empty)
    used = _used_nodes(whole, solid)
    parts = {
        "nodes": lambda file: _write_nodes(file, whole, used, periodic),
        "elements": lambda file: _write_elements(file, whole, solid, element),
        "sets": lambda file: _write_sets(file, whole, solid, used, periodic),
        "materials": lambda file: write_materials(
            file, whole, materials, empty, phase=phase, dialect=dialect, constants=constants, depvar=depvar
        ),
    }
    if periodic:
        warn_of_seams(whole, path)
        parts["equations"] = lambda file: _write_equations(file, whole, used)
    if load is not None:
        chosen = load_of(
            load, axes=axes, strain=strain, rate=rate, increments=increments, ratio=ratio, cycles=cycles, angle=angle
        )
        steps = partial(
            write_steps, whole=whole, load=chosen, periodic=periodic, large=materials == "user",
            states=materials == "user", dialect=dialect,
        )  # fmt: skip
        steps(io.StringIO())
        parts["steps"] = steps
    nz, ny, nx = whole.shape
    with replacing(path, force=force) as unfinished, open(unfinished, "w", encoding="ascii", errors="replace") as main:
        main.write(f"*Heading\n polyrve: {nx} x {ny} x {nz} voxels, {len(whole.quaternions)} {whole.by}s; um, MPa\n")
        for name, one in zip(phase_names(whole), whole.phases, strict=True):
            lattice = " ".join(f"{value:.9g}" for value in one.lattice)
            words = name, one.name.replace(";", ","), one.laue, lattice, str(one.space_group)
            main.write(f"{PHASE_MARK}{'; '.join(words)}\n")
        for name, write_part in parts.items():
            if not split:
                write_part(main)
                continue
            include = f"{unfinished.stem}_{name}.inp"
            with open(unfinished.with_name(include), "w", encoding="ascii", errors="replace") as file:
                write_part(file)
            main.write(f"*Include, input={include}\n")


def empty_materials(whole: MaterialGrid, empty: str | None) -> np.ndarray:
    """Return whether each material is of the phase that is no matter, shape (N,).

    Parameters
    ----------
    whole : MaterialGrid
    empty : str or None
        Name of the phase.

    Raises
    ------
    ValueError
        If all of them are.
    """
    void = np.array([phase.name == empty for phase in whole.phases], dtype=bool)[whole.phase_ids - 1]
    if void.all():
        raise ValueError(f"empty: expected a phase that some of the volume does not have; all of it is {empty}")
    return np.asarray(void)


def _solid(whole: MaterialGrid, empty: str | None) -> np.ndarray:
    """Numbers of the voxels that are elements."""
    return np.flatnonzero(~empty_materials(whole, empty)[whole.ids.ravel() - 1])


def _used_nodes(whole: MaterialGrid, solid: np.ndarray) -> np.ndarray:
    """Whether each node belongs to an element."""
    used = np.zeros(int(np.prod([n + 1 for n in whole.shape])), dtype=bool)
    if len(solid) == whole.ids.size:
        used[:] = True
        return used
    for rows in blocks(len(solid)):
        used[hexahedra.connectivity(whole.shape, solid[rows])] = True
    return used


def phase_names(whole: MaterialGrid) -> list[str]:
    """Return names of the phases fit for sets and materials, unlike each other."""
    names: list[str] = []
    for phase in whole.phases:
        name = re.sub(r"\W+", "_", phase.name, flags=re.ASCII).strip("_").upper() or "PHASE"
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    return names


def _reference_nodes(whole: MaterialGrid) -> dict[str, int]:
    count = int(np.prod([n + 1 for n in whole.shape]))
    return {axis: count + i for i, axis in enumerate("XYZ", start=1)}


def _write_nodes(file: TextIO, whole: MaterialGrid, used: np.ndarray, periodic: bool) -> None:
    file.write("*Node\n")
    end = 0
    for points in hexahedra.node_layers(whole.shape, whole.spacing, whole.origin):
        start, end = end, end + len(points)
        kept = used[start:end]
        write_rows(file, "%d, %.9g, %.9g, %.9g", [np.flatnonzero(kept) + start + 1, *points[kept].T])
    if periodic:
        low, size = np.array(whole.origin[::-1]), np.array(whole.size[::-1])
        for i, number in enumerate(_reference_nodes(whole).values()):
            x, y, z = low + size * np.eye(3)[i] * 1.1
            file.write(f"{number}, {x:.9g}, {y:.9g}, {z:.9g}\n")


def _write_elements(file: TextIO, whole: MaterialGrid, solid: np.ndarray, element: str) -> None:
    file.write(f"*Element, type={element}, elset=ALL\n")
    for rows in blocks(len(solid)):
        voxels = solid[rows]
        hexes = hexahedra.connectivity(whole.shape, voxels)
        write_rows(file, ", ".join(["%d"] * 9), [voxels + 1, *(hexes + 1).T])


def _write_sets(file: TextIO, whole: MaterialGrid, solid: np.ndarray, used: np.ndarray, periodic: bool) -> None:
    is_element = np.zeros(whole.ids.size, dtype=bool)
    is_element[solid] = True
    for i, members in enumerate(whole.members(), start=1):
        if not is_element[members[0]]:
            continue
        file.write(f"*Elset, elset=GRAIN-{i}\n")
        write_numbers(file, members + 1, _PER_LINE, ", ")
    phases = np.where(is_element, whole.phase_ids[whole.ids.ravel() - 1], 0)
    for i, name in enumerate(phase_names(whole), start=1):
        if (phases == i).any():
            file.write(f"*Elset, elset=PHASE-{name}\n")
            write_numbers(file, np.flatnonzero(phases == i) + 1, _PER_LINE, ", ")
    for name, members in _node_sets(whole.shape):
        file.write(f"*Nset, nset={name}\n")
        write_numbers(file, members[used[members - 1]], _PER_LINE, ", ")
    free = np.unique(hexahedra.inner_faces(~is_element.reshape(whole.shape)))
    if len(free):
        file.write("*Nset, nset=FREE-SURFACE\n")
        write_numbers(file, free + 1, _PER_LINE, ", ")
    if periodic:
        for axis, number in _reference_nodes(whole).items():
            file.write(f"*Nset, nset=REF-{axis}\n{number}\n")


def _node_sets(shape: Sequence[int]) -> Iterator[tuple[str, np.ndarray]]:
    """Faces, edges and corners, each with all its nodes; numbers from 1."""
    nodes = tuple(n + 1 for n in shape)
    number = np.arange(1, int(np.prod(nodes)) + 1).reshape(nodes)
    ends = {"0": 0, "1": -1}
    free = slice(None)
    for axes in ("X", "Y", "Z", "XY", "XZ", "YZ", "XYZ"):
        for digits in np.ndindex(*(2,) * len(axes)):
            chosen = dict(zip(axes, (str(d) for d in digits), strict=True))
            index = tuple(ends[chosen[axis]] if axis in chosen else free for axis in "ZYX")
            yield "-".join(f"{axis}{digit}" for axis, digit in chosen.items()), np.ravel(number[index])


def write_materials(
    file: TextIO,
    whole: MaterialGrid,
    materials: str,
    empty: str | None = None,
    *,
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    dialect: str = "abaqus",
    constants: Sequence[float] = (),
    depvar: int = 1,
) -> None:
    """Write a section per material, to the set ``GRAIN-<id>``, with what it is made of.

    Parameters
    ----------
    file : text file, open for writing
    whole : MaterialGrid
    materials : {"orientation", "user"}
        As in :func:`write`.
    empty : str, optional
        As in :func:`write`; its materials have no section.
    phase, dialect, constants, depvar
        As in :func:`write`.
    """
    names = phase_names(whole)
    numbers = np.flatnonzero(~empty_materials(whole, empty)) + 1
    if materials == "user":
        prefix = "ABAQUSNL-" if dialect == "calculix" else ""
        for rows in blocks(len(numbers)):
            chosen = numbers[rows]
            angles = np.rad2deg(to_euler(whole.quaternions[chosen - 1]))
            for i, number, (phi1, Phi, phi2) in zip(chosen, whole.phase_ids[chosen - 1], angles, strict=True):
                words = [f"{i}.", f"{number}.", *(f"{value:.9g}" for value in (phi1, Phi, phi2, *constants))]
                lines = ",\n ".join(", ".join(words[k : k + 8]) for k in range(0, len(words), 8))
                file.write(
                    f"*Solid Section, elset=GRAIN-{i}, material={prefix}GRAIN-{i}\n,\n"
                    f"*Material, name={prefix}GRAIN-{i}\n*Depvar\n {depvar}\n"
                    f"*User Material, constants={len(words)}\n {lines}\n"
                )
        return
    for rows in blocks(len(numbers)):
        chosen = numbers[rows]
        axes = to_matrix(whole.quaternions[chosen - 1])[:, :2].reshape(-1, 6).tolist()
        for i, number, values in zip(chosen, whole.phase_ids[chosen - 1], axes, strict=True):
            file.write(
                f"*Orientation, name=ORI-{i}\n {', '.join(f'{value:.12f}' for value in values)}\n 3, 0.\n"
                f"*Solid Section, elset=GRAIN-{i}, material={names[number - 1]}, orientation=ORI-{i}\n,\n"
            )
    for i in np.unique(whole.phase_ids[numbers - 1]):
        file.write(f"*Material, name={names[i - 1]}\n")
        elastic, source = _elastic(whole.phases[i - 1], int(i), whole.phases, phase)
        if elastic is None:
            file.write(f"** elastic constants of {whole.phases[i - 1].name}: to be filled in\n")
            continue
        file.writelines(f"** {line}\n" for line in source.splitlines())
        file.write("*Elastic, type=ORTHOTROPIC\n")
        numbers_MPa = [f"{value / 1e6:.9g}" for value in _orthotropic(elastic)]
        file.write(f" {', '.join(numbers_MPa[:8])}\n {numbers_MPa[8]}\n")


def _elastic(
    phase: Phase, number: int, phases: Sequence[Phase], given: str | Sequence[str] | Mapping[str, str] | None
) -> tuple[Mapping[str, float] | None, str]:
    """Elastic constants of a phase, and where they are from."""
    if given is None:
        known = damask_phases.find(phase.name)
        return (None, "") if known is None else (known.elastic, known.elastic_source)
    import yaml

    found = yaml.safe_load(damask.definitions(phases, [number], given)[number])
    elastic = found["mechanical"]["elastic"]
    constants = {name: float(value) for name, value in elastic.items() if re.fullmatch(r"C_\d\d", name)}
    return constants, f"elastic constants of {given if isinstance(given, str) else 'the definition given'}"


def _orthotropic(c: Mapping[str, float]) -> list[float]:
    """D1111, D1122, D2222, D1133, D2233, D3333, D1212, D1313, D2323 in Pa; cubic, hexagonal or tetragonal."""
    c33, c13 = c.get("C_33", c["C_11"]), c.get("C_13", c["C_12"])
    c66 = c.get("C_66", (c["C_11"] - c["C_12"]) / 2.0 if "C_33" in c else c["C_44"])
    return [c["C_11"], c["C_12"], c["C_11"], c13, c13, c33, c66, c["C_44"], c["C_44"]]


def _write_equations(file: TextIO, whole: MaterialGrid, used: np.ndarray) -> None:
    """One equation per degree of freedom of every node on an upper face: u(node) - u(image) - u(references) = 0.

    The image lies on the lower faces, where no node is eliminated, so that no constraint is doubled.
    """
    nodes = tuple(n + 1 for n in whole.shape)
    number = np.arange(1, int(np.prod(nodes)) + 1).reshape(nodes)
    references = _reference_nodes(whole)
    file.write("*Equation\n")
    for upper in np.ndindex(2, 2, 2):
        if not any(upper):
            continue
        index = tuple(slice(-1, None) if up else slice(0, -1) for up in upper)
        image = tuple(slice(0, 1) if up else slice(0, -1) for up in upper)
        shifted = [references[axis] for axis, up in zip("ZYX", upper, strict=True) if up]
        columns = [number[index].ravel(), number[image].ravel()]
        both = used[columns[0] - 1] & used[columns[1] - 1]
        write_ties(file, columns[0][both], columns[1][both], shifted)


def write_ties(file: TextIO, nodes: np.ndarray, images: np.ndarray, references: Sequence[int]) -> None:
    """Write the data lines of u(node) - u(image) - u(references) = 0, for each degree of freedom.

    Parameters
    ----------
    file : text file, open for writing
    nodes, images : ndarray, shape (n,), int
        Numbers of the nodes, from 1.
    references : sequence of int
    """
    for dof in (1, 2, 3):
        terms = [f"%d, {dof}, 1.", f"%d, {dof}, -1.", *(f"{node}, {dof}, -1." for node in references)]
        lines = [", ".join(terms[i : i + 4]) for i in range(0, len(terms), 4)]
        write_rows(file, f"{len(terms)}\n" + "\n".join(lines), [nodes, images])
