"""Between the arrays of a DataStructure and polyrve's maps and volumes; NumPy alone, no simplnx.

Arrays are (z, y, x, component); quaternions x, y, z, w; Euler angles Bunge's in rad; lengths, as in DREAM3D-NX's EBSD
readers, in um.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.volumes.dream3d import CRYSTAL_STRUCTURES
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure import cleaning
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.map_placement import axisymmetric, by_normal, voxel_size

AS_IT_IS = Frame("none", source="file")
"""The orientations refer to the axes of the geometry already."""

UNKNOWN = 999
"""DREAM.3D's number of an unknown crystal structure and phase type."""


@dataclass(frozen=True)
class Column:
    """An array to be created: name, data type, number of components."""

    name: str
    dtype: str
    components: int = 1


CELL_COLUMNS: tuple[Column, ...] = (
    Column("Quats", "float32", 4),
    Column("EulerAngles", "float32", 3),
    Column("Phases", "int32"),
    Column("Mask", "bool"),
    Column("IPFColors", "uint8", 3),
)
GRAIN_CELL_COLUMNS: tuple[Column, ...] = (*CELL_COLUMNS, Column("FeatureIds", "int32"))
ENSEMBLE_COLUMNS: tuple[Column, ...] = (
    Column("CrystalStructures", "uint32"),
    Column("PhaseTypes", "uint32"),
    Column("LatticeConstants", "float32", 6),
)
FEATURE_COLUMNS: tuple[Column, ...] = (
    Column("AvgQuats", "float32", 4),
    Column("AvgEulerAngles", "float32", 3),
    Column("Phases", "int32"),
    Column("NumElements", "int32"),
    Column("Volumes", "float32"),
    Column("EquivalentDiameters", "float32"),
    Column("Centroids", "float32", 3),
    Column("AxisLengths", "float32", 3),
    Column("NumNeighbors", "int32"),
    Column("GOS", "float32"),
)


def phases_of(
    structures: np.ndarray, names: Sequence[str] | None = None, lattices: np.ndarray | None = None
) -> tuple[Phase, ...]:
    """Phases of ensemble arrays, whose row 0 belongs to no phase.

    Parameters
    ----------
    structures : ndarray, shape (n + 1, ...), uint32
        DREAM.3D's crystal structure numbers.
    names : sequence of str, length n + 1, optional
    lattices : ndarray, shape (n + 1, 6), optional
        a, b, c in angstrom; alpha, beta, gamma in degrees.

    Raises
    ------
    ValueError
        If there is no phase, or a number is no crystal structure.
    """
    numbers = np.asarray(structures).ravel()[1:]
    if not len(numbers):
        raise ValueError("crystal structures: expected two or more rows, row 0 of which belongs to no phase; got one")
    phases = []
    for i, number in enumerate(numbers.tolist(), start=1):
        if not 0 <= number < len(CRYSTAL_STRUCTURES):
            raise ValueError(
                f"crystal structure of phase {i}: expected 0 ... {len(CRYSTAL_STRUCTURES) - 1}; got {number}"
            )
        name = names[i].strip() if names is not None and len(names) > i else ""
        phase = Phase(name or f"Phase {i}", CRYSTAL_STRUCTURES[number])
        if lattices is not None and len(lattices) > i and np.isfinite(lattices[i]).all():
            phase = Phase(phase.name, phase.laue, tuple(np.abs(lattices[i]).tolist()))
        phases.append(phase)
    return tuple(phases)


def volume_of(
    orientations: np.ndarray,
    phase_ids: np.ndarray,
    phases: tuple[Phase, ...],
    spacing: Sequence[float],
    origin: Sequence[float] = (),
    *,
    mask: np.ndarray | None = None,
    feature_ids: np.ndarray | None = None,
    frame: Frame = AS_IT_IS,
    periodic: bool = False,
    provenance: Mapping[str, Any] | None = None,
) -> OrientationVolume:
    """An orientation volume of cell arrays.

    Parameters
    ----------
    orientations : ndarray, shape (nz, ny, nx, 4) or (nz, ny, nx, 3)
        Quaternions x, y, z, w, or Euler angles in rad.
    phase_ids : ndarray, shape (nz, ny, nx, 1), int
        Ids below 1 are taken as not indexed.
    phases : tuple of Phase
    spacing, origin : sequence of float, um
        x, y, z.
    mask : ndarray, shape (nz, ny, nx, 1), bool, optional
        False points are taken as not indexed.
    feature_ids : ndarray, shape (nz, ny, nx, 1), int, optional
    frame : Frame
        Relation of the Euler frame to the map.
    periodic : bool
    provenance : mapping, optional

    Raises
    ------
    ValueError
        If shapes disagree, an indexed point has no orientation, or a phase id has no phase.
    """
    shape = tuple(orientations.shape[:3])
    ids = np.maximum(np.asarray(phase_ids).reshape(shape), 0).astype(np.int32)
    if mask is not None:
        ids = np.where(np.asarray(mask).reshape(shape).astype(bool), ids, 0)
    values = np.asarray(orientations, dtype=np.float64)
    indexed = ids > 0
    if values.shape[-1] == 4:
        quaternions = np.roll(values, 1, axis=-1)
    else:
        largest = float(np.abs(values[indexed]).max(initial=0.0))
        if largest > 4 * np.pi + 1e-3:
            raise ValueError(f"Euler angles: expected rad, at most 4 pi at an indexed point; got {largest:.6g}")
        quaternions = rotation.from_euler(np.where(indexed[..., None], values, 0.0))
    quaternions = np.where(indexed[..., None], quaternions, (1.0, 0.0, 0.0, 0.0))
    properties = {} if feature_ids is None else {"FeatureIds": np.asarray(feature_ids).reshape(shape)}
    return OrientationVolume(
        quaternions=frame.apply(quaternions),
        phase_ids=ids,
        phases=phases,
        spacing=tuple(spacing)[::-1],
        origin=tuple(origin)[::-1],
        frame=frame,
        periodic=periodic,
        properties=properties,
        provenance=provenance or {},
    )


def map_of(volume: OrientationVolume) -> OrientationMap:
    """The only layer of a volume.

    Raises
    ------
    ValueError
        If there are several layers, or no point is indexed.
    """
    if volume.shape[0] != 1:
        raise ValueError(f"map: expected one layer along z; got {volume.shape[0]}")
    if not volume.indexed.any():
        raise ValueError("map: expected indexed points; got none, every phase id is 0 or masked")
    return volume.section(0, 0)


def voxel_size_of(steps: Mapping[str, Sequence[float]], axis: str = "none") -> tuple[float, float, float]:
    """Voxel size (dz, dy, dx) in um that maps give, from their steps (dy, dx) by normal alone.

    Parameters
    ----------
    steps : mapping of str to sequence of float, um
        The one normal to z alone serves all directions.
    axis : str
        ``"x"`` or ``"y"`` where that one is of an axisymmetric specimen, see
        :func:`polyrve.microstructure.map_placement.axisymmetric`.

    Raises
    ------
    ValueError
        If two maps have different steps along one axis.
    """
    point = OrientationMap(np.array([[[1.0, 0.0, 0.0, 0.0]]]), np.ones((1, 1)), (Phase("any", "-1"),), (1.0, 1.0))
    maps = {normal: point.evolve(spacing=tuple(step)) for normal, step in steps.items()}
    if axis != "none":
        maps = axisymmetric(maps["z"], axis)
    return voxel_size(by_normal(maps["z"] if set(maps) == {"z"} else maps))


def used_phases(given: Mapping[str, OrientationMap | list[OrientationMap]]) -> list[int]:
    """Ids of the phases that have a point in any map.

    Raises
    ------
    ValueError
        If the maps list different phases.

    Warns
    -----
    UserWarning
        If a phase has none.
    """
    maps = [(name, one) for name, some in given.items() for one in (some if isinstance(some, list) else [some])]
    first = maps[0][1].phases
    for name, field in maps:
        if [(p.name, p.laue) for p in field.phases] != [(p.name, p.laue) for p in first]:
            raise ValueError(
                f"map normal to {name}: expected the phases of the other maps, {[p.name for p in first]}; "
                f"got {[p.name for p in field.phases]}"
            )
    used = [i for i in range(1, len(first) + 1) if any((field.phase_ids == i).any() for _, field in maps)]
    if len(used) < len(first):
        left_out = [phase.name for i, phase in enumerate(first, start=1) if i not in used]
        warnings.warn(f"no point is of phase {', '.join(left_out)}: left out", stacklevel=2)
    return used


def with_phases(field: OrientationMap, used: Sequence[int]) -> OrientationMap:
    """A map that lists some of its phases alone, shape kept; points of the others are not indexed."""
    new_ids = np.zeros(len(field.phases) + 1, dtype=np.int32)
    new_ids[list(used)] = np.arange(1, len(used) + 1)
    return field.evolve(phase_ids=new_ids[field.phase_ids], phases=tuple(field.phases[i - 1] for i in used))


def without_phases(field: OrientationMap, names: Sequence[str]) -> OrientationMap:
    """A map whose points of some phases are not indexed; the phases stay listed.

    Raises
    ------
    ValueError
        As :func:`polyrve.microstructure.cleaning.drop_phase`.
    """
    kept = field
    for name in names:
        kept = cleaning.drop_phase(kept, name)
    return kept.evolve(phase_ids=np.where(kept.indexed, field.phase_ids, 0), phases=field.phases)


def among_phases(grains: GrainVolume, used: Sequence[int], phases: tuple[Phase, ...]) -> GrainVolume:
    """A volume whose phases take their places in a longer list; the inverse of :func:`with_phases`."""
    ids = np.array([0, *used], dtype=np.int32)
    field = grains.field.evolve(phase_ids=ids[grains.field.phase_ids], phases=phases)
    return GrainVolume(field, grains.grain_ids, grains.quaternions, ids[grains.phase_ids])


def cell_arrays(field: OrientationVolume, grains: GrainVolume | None = None) -> dict[str, np.ndarray]:
    """Values of :data:`CELL_COLUMNS`, with grains of :data:`GRAIN_CELL_COLUMNS`; shape (nz, ny, nx, components)."""
    values = {
        "Quats": np.roll(field.quaternions, -1, axis=-1),
        "EulerAngles": rotation.to_euler(field.quaternions),
        "Phases": field.phase_ids[..., None],
        "Mask": field.indexed[..., None],
        "IPFColors": ipf_colors(field.quaternions, field.phase_ids, field.phases),
    }
    if grains is not None:
        values["FeatureIds"] = grains.grain_ids[..., None]
    return values


def ensemble_arrays(field: OrientationField) -> dict[str, np.ndarray]:
    """Values of :data:`ENSEMBLE_COLUMNS`, shape (number of phases + 1, components)."""
    numbers = [UNKNOWN, *(CRYSTAL_STRUCTURES.index(phase.laue) for phase in field.phases)]
    return {
        "CrystalStructures": np.array(numbers)[:, None],
        "PhaseTypes": np.array([UNKNOWN] + [0] * len(field.phases))[:, None],
        "LatticeConstants": np.array([(0.0,) * 6, *(phase.lattice for phase in field.phases)]),
    }


def phase_names(field: OrientationField) -> list[str]:
    """Names of the ensemble, row 0 first."""
    return ["Invalid Phase", *(phase.name for phase in field.phases)]


def feature_arrays(grains: GrainVolume) -> dict[str, np.ndarray]:
    """Values of :data:`FEATURE_COLUMNS`, shape (number of grains + 1, components); row 0 belongs to no grain."""
    found = measure_grains(grains)
    rows = {
        "AvgQuats": np.roll(grains.quaternions, -1, axis=-1),
        "AvgEulerAngles": rotation.to_euler(grains.quaternions),
        "Phases": grains.phase_ids,
        "NumElements": found.points,
        "Volumes": found.size,
        "EquivalentDiameters": found.equivalent_diameter,
        "Centroids": found.centroid[:, ::-1],
        "AxisLengths": found.axis_lengths,
        "NumNeighbors": found.number_of_neighbours,
        "GOS": found.orientation_spread,
    }
    return {
        name: np.concatenate([np.zeros((1, *np.shape(values)[1:])), values]).reshape(len(values) + 1, -1)
        for name, values in rows.items()
    }
