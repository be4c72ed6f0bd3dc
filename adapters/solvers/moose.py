"""MOOSE: the EBSD text that EBSDMeshGenerator and EBSDReader read, and Exodus meshes with a block per grain (.e).

An Exodus file of polyrve has orientations, phases and their descriptions as variables of its own, which others pass
over.

Formats: https://mooseframework.inl.gov/source/meshgenerators/EBSDMeshGenerator.html and
userobjects/EBSDReader.html; Exodus II through meshio.

The angles are Bunge's, from sample to crystal axes. MOOSE's ``ComputeElasticityTensorCP``, which the crystal plasticity
has, takes them so. Its ``GrainTrackerElasticity`` and ``ComputeElasticityTensor`` turn the stiffness by the matrix of
the angles itself, not by its transpose: to them these are the angles of the inverse orientation.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.ebsd.tsl import NUMBER_OF_LAUE
from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import blocks, write_rows
from polyrve.adapters.volumes import grain_table, voxel_mesh
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import to_euler
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
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
    import netCDF4

    with netCDF4.Dataset(path, "r+") as file:
        file.createDimension("polyrve_five", 5)
        table = file.createVariable("polyrve_grains", "f8", ("num_el_blk", "polyrve_five"))
        table[:] = np.column_stack([whole.quaternions, whole.phase_ids])
        table.setncattr("phases", json.dumps([asdict(phase) for phase in whole.phases]))


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


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    laue: str | Sequence[str] | None = None,
    seed: int = 0,
) -> OrientationMap | OrientationVolume:
    """Read the EBSD text, or the hexahedra of an Exodus file whose blocks are grains.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of the grains of an Exodus file that another program wrote; m-3m by default, with a warning.
    seed : int
        Of the orientations, where an Exodus file has none; see the warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``. A text in two dimensions is a map.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such text, or its hexahedra are no voxels.
    """
    path = Path(path)
    if path.suffix.lower() in _EXODUS:
        return _read_exodus(path, frame, laue, seed)
    data = path.read_bytes()
    lines = data.split(b"\n", 200)
    head = [line.decode("utf-8", "replace").lstrip("# ") for line in lines if line.startswith(b"#")]
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in head)}
    numbers = {
        key: _number(path, told, key) for axis in "XYZ" for key in (f"{axis}_STEP", f"{axis}_DIM", f"{axis}_MIN")
    }
    start = data.find(b"\n", data.rfind(b"\n#") + 1) + 1
    values = read_table(data, path, data[:start].count(b"\n") + 1, start, least=9)
    planar = numbers["Z_DIM"] == 0
    axes = "YX" if planar else "ZYX"
    shape = tuple(int(min(numbers[f"{axis}_DIM"], 1e6)) for axis in axes)
    spacing = tuple(numbers[f"{axis}_STEP"] for axis in axes)
    low = tuple(numbers[f"{axis}_MIN"] for axis in axes)
    if min(shape) < 1 or min(spacing) <= 0 or int(np.prod([float(n) for n in shape])) != len(values):
        raise FormatError(path, f"expected {' x '.join(map(str, shape))} lines, as the header says; got {len(values)}")
    columns = [5, 4, 3][-len(axes) :]
    index = [
        np.floor((values[:, column] - start_) / step).astype(np.int64)
        for column, start_, step in zip(columns, low, spacing, strict=True)
    ]
    if any((i < 0).any() or (i >= n).any() for i, n in zip(index, shape, strict=True)):
        raise FormatError(path, "expected points within the box of the header")
    cells = np.ravel_multi_index(index, shape)
    if (np.bincount(cells, minlength=len(values)) != 1).any():
        raise FormatError(path, "expected each voxel once")
    whole = grain_table.whole_numbers(path, values[:, 6:9], "columns 7 to 9")
    grains, phase_ids, symmetry = whole.T
    if phase_ids.min() < 0 or phase_ids.max() > 1000:
        raise FormatError(path, f"expected phases 0 ... 1000; got {phase_ids.min()} ... {phase_ids.max()}")
    laues = {number: laue for laue, number in NUMBER_OF_LAUE.items()}
    phases = []
    for i in range(1, int(phase_ids.max()) + 1):
        of_points = symmetry[phase_ids == i][:1].tolist()
        said = told.get(f"Symmetry_{i}", "")
        number = of_points[0] if of_points else int(said) if said.isdecimal() else 43
        if number not in laues:
            raise FormatError(path, f"expected a symmetry number of {', '.join(map(str, laues))}; got {number}")
        phases.append(scan.make_phase(path, told.get(f"Phase_{i}") or f"phase {i}", laues[number]))
    return scan.assemble(
        path, "moose", quaternions=scan.from_angles(path, values[:, :3], phase_ids > 0),
        phase_ids=phase_ids.astype(np.int32), phases=phases or scan.unsaid_phases(path, 1), shape=shape,
        spacing=spacing, origin=low, frame=grain_table.as_in_the_file(frame, path), cells=cells,
        properties={"FeatureIds": np.maximum(grains, 0).astype(np.int32)},
    )  # fmt: skip


def _number(path: Path, told: dict[str, str], key: str) -> float:
    try:
        value = float(told[key])
    except (KeyError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise FormatError(path, f"expected '# {key}: number' in the header; got {told.get(key, 'none')!r}")
    return value


def _read_exodus(
    path: Path, frame: str | Frame | None, laue: str | Sequence[str] | None, seed: int
) -> OrientationMap | OrientationVolume:
    try:
        import netCDF4
    except ImportError:
        raise FormatError(path, "Exodus needs netCDF4: pip install polyrve[exodus]") from None
    try:
        with netCDF4.Dataset(path) as file:
            variables = file.variables
            if "coordx" in variables:
                points = np.column_stack([np.asarray(variables[f"coord{axis}"][:]) for axis in "xyz"])
            else:
                points = np.asarray(variables["coord"][:]).T
            numbers = np.asarray(variables["eb_prop1"][:], dtype=np.int64)
            blocks_ = [np.asarray(variables[f"connect{i}"][:], dtype=np.int64) for i in range(1, len(numbers) + 1)]
            known = variables.get("polyrve_grains")
            rows = None if known is None else np.asarray(known[:], dtype=np.float64)
            phases = [] if known is None else [Phase(**item) for item in json.loads(known.getncattr("phases"))]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise FormatError(path, f"expected an Exodus file with coordinates and element blocks; got: {error}") from None
    if any(block.ndim != 2 or block.shape[1] != 8 for block in blocks_):
        raise FormatError(path, "expected hexahedra of eight nodes in every block")
    ids = np.repeat(numbers, [len(block) for block in blocks_])
    mesh = voxel_mesh.voxels(path, points, np.concatenate(blocks_) - 1, ids)
    if rows is None:
        table = grain_table.oriented_at_random(path, np.unique(numbers), laue, seed)
    elif rows.shape != (len(numbers), 5) or not phases or not (np.abs(rows[:, :4]).max(axis=1) > 0.4).all():
        raise FormatError(path, "expected an orientation and a phase for each block", "polyrve_grains")
    else:
        q = rows[:, :4] / np.linalg.norm(rows[:, :4], axis=1, keepdims=True)
        table = grain_table.GrainTable(numbers, q, rows[:, 4].astype(np.int32), phases)
    return grain_table.assemble(path, "moose", mesh.ids, table, mesh.spacing, mesh.origin, frame=frame)
