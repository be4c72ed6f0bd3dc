"""Grain maps of ImageD11 (.h5): three-dimensional X-ray diffraction, point by point or from sinograms.

Specification: ``TensorMap.to_h5`` of https://github.com/FABLE-3DXRD/ImageD11. The group ``TensorMap`` has ``maps``
with arrays (z, y, x, ...): ``UBI``, the real lattice vectors of the crystal as rows in the axes of the specimen (nan
where not indexed), ``phase_ids`` (-1 where not indexed) and ``labels`` (-1 for none); ``phases``, a text per phase of
its lattice and its centring or space group; and ``step`` (z, y, x) in um. Lattice vectors leave no choice of axes.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import scan
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import grain_table
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase, laue_group_of_space_group
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_CLOSE = 1e-3
_READ = ("UBI", "phase_ids", "labels", "UB", "U", "B", "mt", "unitcell", "euler")


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | None = None
) -> OrientationMap | OrientationVolume:
    """Read a grain map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default, since they refer to the axes of the volume.
    laue : str, optional
        Laue group of all phases; by default that of the space group, or the highest that the lattice has.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``; other maps of a number per voxel under their own names.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        group = hdf5.group(path, file, "TensorMap")
        maps = hdf5.group(path, group, "maps")
        vectors = hdf5.array(path, maps, "UBI")
        if vectors.ndim != 5 or vectors.shape[3:] != (3, 3) or 0 in vectors.shape:
            raise FormatError(path, f"expected an array (z, y, x, 3, 3); got shape {vectors.shape}", "UBI")
        shape = vectors.shape[:3]
        vectors = vectors.reshape(-1, 3, 3).astype(np.float64)
        indexed = np.isfinite(vectors).all(axis=(1, 2))
        numbers = np.zeros(len(vectors), dtype=np.int64)
        if hdf5.has(maps, "phase_ids"):
            numbers = grain_table.whole_numbers(path, hdf5.array(path, maps, "phase_ids", shape).ravel(), "phase_ids")
        labels = hdf5.array(path, maps, "labels", shape).ravel() if hdf5.has(maps, "labels") else None
        spacing = hdf5.array(path, group, "step", (3,)).astype(float).tolist()
        known = _phases(path, group, laue)
        properties = hdf5.of_shape(path, maps, shape, _READ)
    indexed &= numbers >= 0
    place = {number: i for i, number in enumerate(known, start=1)}
    unknown = set(np.unique(numbers[indexed]).tolist()) - set(place)
    if unknown:
        raise FormatError(path, f"expected a phase of {', '.join(map(str, place))}; got {min(unknown)}", "phase_ids")
    phase_ids = np.array([place.get(number, 0) for number in range(int(numbers.max(initial=0)) + 1)])[
        np.maximum(numbers, 0)
    ]
    if labels is not None:
        grains = grain_table.whole_numbers(path, labels, "labels")
        properties["FeatureIds"] = np.where(indexed & (grains >= 0), grains + 1, 0).astype(np.int32)
    return scan.assemble(
        path, "3dxrd", quaternions=_quaternions(path, vectors, indexed),
        phase_ids=np.where(indexed, phase_ids, 0).astype(np.int32), phases=list(known.values()), shape=shape,
        spacing=tuple(spacing), origin=(0.0,) * 3, frame=grain_table.as_in_the_file(frame, path),
        properties=properties,
    )  # fmt: skip


def _quaternions(path: Path, vectors: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    """Orientations of lattice vectors a, b, c (rows): x along a, z along c* of the unstrained axes."""
    axes = np.where(indexed[:, None, None], vectors, np.eye(3))
    x, z = axes[:, 0], np.cross(axes[:, 0], axes[:, 1])
    lengths = np.linalg.norm(x, axis=1), np.linalg.norm(z, axis=1)
    right = np.einsum("ij,ij->i", z, axes[:, 2]) > 0
    if not ((lengths[0] > 1e-6) & (lengths[1] > 1e-6) & right).all():
        raise FormatError(path, "expected right-handed lattice vectors", "UBI")
    x, z = x / lengths[0][:, None], z / lengths[1][:, None]
    return rotation.from_matrix(np.stack([x, np.cross(z, x), z], axis=1))


def _phases(path: Path, group: h5py.Group, laue: str | None) -> dict[int, Phase]:
    parent = hdf5.get(group, "phases")
    if not isinstance(parent, h5py.Group):
        return {0: scan.unsaid_phases(path, 1, (), laue)[0]}
    found = {}
    for name in sorted(hdf5.names(parent)):
        words = hdf5.text(path, parent, name).split()
        try:
            number, lattice = int(name), [float(word) for word in words[:6]]
        except ValueError:
            number, lattice = -1, []
        if number < 0 or number > 1000 or len(lattice) != 6:
            raise FormatError(path, "expected a number and six lattice constants", f"{parent.name}/{name}")
        centring = words[6] if len(words) > 6 else "P"
        space_group = int(centring) if centring.isdecimal() and 1 <= int(centring) <= 230 else 0
        symbol = laue or (laue_group_of_space_group(space_group) if space_group else _highest(lattice))
        item = hdf5.get(parent, name)
        label = hdf5.attribute_text(item, "phase_name") if item is not None else ""
        constants = [*lattice[:3], *lattice[3:]]
        found[number] = scan.make_phase(path, label or f"phase {number}", symbol, constants, space_group, parent.name)
    if not found:
        raise FormatError(path, "expected a phase; there is none", parent.name)
    return found


def _highest(lattice: list[float]) -> str:
    """The highest Laue group that a lattice has."""
    a, b, c, *angles = lattice
    right = [abs(angle - 90.0) < _CLOSE * 90.0 for angle in angles]
    alike = abs(a - b) < _CLOSE * a, abs(a - c) < _CLOSE * a
    if all(right):
        return "m-3m" if all(alike) else "4/mmm" if alike[0] else "mmm"
    if alike[0] and right[:2] == [True, True] and abs(angles[2] - 120.0) < _CLOSE * 120.0:
        return "6/mmm"
    return "2/m" if right == [True, False, True] else "-1"
