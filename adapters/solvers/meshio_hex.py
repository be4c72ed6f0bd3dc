"""Voxel meshes in the formats that meshio writes: hexahedra, with grain and phase as cell data and cell sets.

meshio: https://github.com/nschloe/meshio. Which of the data and sets a file keeps is up to its format.
"""

from __future__ import annotations

import contextlib
import io
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.volumes import grain_table, voxel_mesh
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import to_euler
from polyrve.meshing import hexahedra
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_FAILURES = (KeyError, TypeError, NotImplementedError, UnboundLocalError, AssertionError)
"""What else meshio raises for a mesh that a format cannot hold."""
_WITH_SETS = ("abaqus", "flac3d")
"""Formats in which meshio writes sets of cells; of sets in others it makes cell data under one very long name."""


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    file_format: str | None = None,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
    **options: Any,
) -> None:
    """Write the voxels as hexahedra; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        The suffix says the format: .vtu, .xdmf, .msh (Gmsh 2.2), .bdf, .med, .e and others.
    force : bool
        Whether existing files may be replaced.
    file_format : str, optional
        meshio's name of the format where the suffix is not enough.
    by : {"grain", "voxel"}
        What the cell sets are.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.
    **options
        Further arguments of meshio's writer.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is not given.
    ValueError
        If voxels have no grain, or meshio has no such format or cannot write the mesh in it.
    OSError
        If the disk is full.
    """
    import meshio

    if file_format is None:
        suffix = Path(path).suffix.lower()
        known = meshio.extension_to_filetypes.get(suffix, [""])
        file_format = "gmsh22" if suffix == ".msh" else known[0] or None
    mesh = to_mesh(material_grid(data, by=by, fill=fill, min_grain=min_grain), sets=file_format in _WITH_SETS)
    if (file_format or "").startswith("gmsh"):
        mesh.cell_data |= {"gmsh:physical": mesh.cell_data["grain"], "gmsh:geometrical": mesh.cell_data["grain"]}
    if file_format == "nastran":
        mesh.cell_data["nastran:ref"] = mesh.cell_data["grain"]
    with replacing(path, force=force) as partial:
        try:
            meshio.write(partial, mesh, file_format=file_format, **options)
        except meshio.ReadError:
            raise ValueError(
                f"{Path(path).name}: meshio knows no format of this suffix; name one by file_format"
            ) from None
        except (meshio.WriteError, *_FAILURES) as error:
            raise ValueError(f"{Path(path).name}: meshio cannot write this mesh ({error!r})") from None


def to_mesh(whole: MaterialGrid, *, sets: bool = True) -> Any:
    """Return the voxels as a mesh.

    Parameters
    ----------
    whole : MaterialGrid
    sets : bool
        Whether the mesh has cell sets.

    Returns
    -------
    meshio.Mesh
        Cell data ``grain``, ``phase`` and ``euler_angles`` (degrees, float32); cell sets ``grain_<id>`` and
        ``phase_<name>``.
    """
    import meshio

    ids = whole.ids.ravel()
    phases = whole.phase_ids[ids - 1]
    angles = np.rad2deg(to_euler(whole.quaternions)).astype(np.float32)
    return meshio.Mesh(
        hexahedra.nodes(whole.shape, whole.spacing, whole.origin),
        [("hexahedron", hexahedra.connectivity(whole.shape))],
        cell_data={"grain": [ids], "phase": [phases], "euler_angles": [angles[ids - 1]]},
        cell_sets=_sets(whole, phases) if sets else None,
    )


def _sets(whole: MaterialGrid, phases: np.ndarray) -> dict[str, list[np.ndarray]]:
    """MaterialGrid of each grain (or voxel) and of each phase; `phases` of the cells."""
    sets = {f"{whole.by}_{i}": [members] for i, members in enumerate(whole.members(), start=1)}
    return sets | {
        re.sub(r"\W+", "_", f"phase_{phase.name}"): [np.flatnonzero(phases == i)]
        for i, phase in enumerate(whole.phases, start=1)
    }


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | Sequence[str] | None = None, seed: int = 0
) -> OrientationMap | OrientationVolume:
    """Read hexahedra that are voxels, in any format of meshio's, with the cell data that :func:`write` makes.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each; m-3m by default, with a warning.
    seed : int
        Of the orientations, where the file has no ``euler_angles``; see the warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If meshio cannot read it, or it has other elements than voxels, or no numbers of grains.
    """
    import meshio

    path = Path(path)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            mesh = meshio.read(path)
    except FileNotFoundError:
        raise
    except (Exception, SystemExit) as error:
        raise FormatError(path, f"expected a mesh that meshio reads; got: {error!r}") from None
    blocks = [i for i, block in enumerate(mesh.cells) if block.type == "hexahedron"]
    solids = {block.type for block in mesh.cells} - {"vertex", "line", "quad", "triangle"}
    if not blocks or solids != {"hexahedron"}:
        raise FormatError(path, f"expected hexahedra; got {', '.join(sorted(solids)) or 'no volumes'}")

    def data(*names: str) -> np.ndarray | None:
        name = next((name for name in names if name in mesh.cell_data), None)
        return None if name is None else np.concatenate([np.asarray(mesh.cell_data[name][i]) for i in blocks])

    grain = data("grain", "gmsh:physical", "nastran:ref", "cell_tags")
    if grain is None:
        raise FormatError(path, f"expected numbers of grains per cell; got {', '.join(mesh.cell_data) or 'none'}")
    ids = grain_table.whole_numbers(path, grain.ravel(), "grain")
    found = voxel_mesh.voxels(path, mesh.points, np.concatenate([mesh.cells[i].data for i in blocks]), ids)
    numbers, first = np.unique(ids, return_index=True)
    angles, phases = data("euler_angles"), data("phase")
    if angles is None:
        table = grain_table.oriented_at_random(path, numbers, laue, seed)
    else:
        phase_ids = np.ones(len(numbers), dtype=np.int64)
        if phases is not None:
            phase_ids = grain_table.whole_numbers(path, phases.ravel()[first], "phase")
        if angles.shape != (len(ids), 3) or phase_ids.min() < 1 or phase_ids.max() > 1000:
            raise FormatError(path, "expected three angles and a phase 1 ... 1000 for each cell")
        radians = np.deg2rad(angles[first].astype(np.float64))
        q = scan.from_angles(path, radians, np.ones(len(numbers), dtype=bool), "euler_angles")
        named = scan.unsaid_phases(path, int(phase_ids.max()), (), laue)
        table = grain_table.GrainTable(numbers, q, phase_ids.astype(np.int32), named)
    return grain_table.assemble(path, "meshio", found.ids, table, found.spacing, found.origin, frame=frame)
