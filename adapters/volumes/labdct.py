"""Grain maps of GrainMapper3D (.h5): laboratory diffraction contrast tomography (LabDCT).

Specification: simplnx's ReadGrainMapper3D (https://github.com/BlueQuartzSoftware/simplnx), for files of versions 4 and
5. ``LabDCT/Data`` has arrays (z, y, x): ``PhaseId``, ``GrainId``, ``Mask`` and an orientation as ``Quaternion``
(w, x, y, z), ``Rodrigues`` or ``EulerZXZ`` (Bunge, rad). Quaternions and Rodrigues vectors turn from crystal to
specimen, as MTEX has them. ``LabDCT/Spacing`` and ``Center`` are in mm; ``PhaseInfo/Phase01`` has ``Name``,
``SpaceGroup`` and ``UnitCell``.

What lies along x of the axes of a hexagonal crystal is not published: the option ``x_axis`` says it, a by default with
a warning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import scan
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import grain_table
from polyrve.adapters.warned import warn
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase, laue_group_of_space_group
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_UM_OF_MM = 1e3
_ORIENTATIONS = {"Quaternion": 4, "Rodrigues": 3, "EulerZXZ": 3}
_READ = ("PhaseId", "GrainId", "Mask", "EulerZYZ", "IPF001", "IPF010", "IPF100", *_ORIENTATIONS)


def read(
    path: str | Path,
    *,
    frame: str | reference_frames.Frame | None = None,
    x_axis: Literal["a", "a*"] | None = None,
) -> OrientationMap | OrientationVolume:
    """Read a grain map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default, since they refer to the axes of the volume.
    x_axis : {"a", "a*"}, optional
        Along x of the axes of hexagonal and trigonal crystals; a by default, with a warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        The grains as ``properties["FeatureIds"]``; ``Completeness`` and other arrays of a number per voxel under their
        own names. Voxels of phase 0, outside of the mask or without a grain are not indexed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or has no orientations.

    Warns
    -----
    UserWarning
        If `x_axis` is not said for crystals that need it.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        dct = hdf5.group(path, file, "LabDCT")
        data = hdf5.group(path, dct, "Data")
        spacing = hdf5.array(path, dct, "Spacing", (3,)).astype(np.float64) * _UM_OF_MM
        centre = hdf5.array(path, dct, "Center", (3,)) * _UM_OF_MM if hdf5.has(dct, "Center") else np.zeros(3)
        phase_ids = hdf5.array(path, data, "PhaseId")
        if phase_ids.ndim != 3 or 0 in phase_ids.shape:
            raise FormatError(path, f"expected an array (z, y, x); got shape {phase_ids.shape}", "PhaseId")
        shape = phase_ids.shape
        chosen = next((name for name in _ORIENTATIONS if hdf5.has(data, name)), None)
        if chosen is None:
            raise FormatError(path, f"expected one of {', '.join(_ORIENTATIONS)}; there is none", data.name)
        values = hdf5.array(path, data, chosen, (*shape, _ORIENTATIONS[chosen])).reshape(-1, _ORIENTATIONS[chosen])
        grains = hdf5.array(path, data, "GrainId", shape) if hdf5.has(data, "GrainId") else None
        mask = hdf5.array(path, data, "Mask", shape) if hdf5.has(data, "Mask") else None
        properties = hdf5.of_shape(path, data, shape, _READ)
        phases = _phases(path, file)
    ids = grain_table.whole_numbers(path, phase_ids.ravel(), "PhaseId")
    if ids.min() < 0 or ids.max() > len(phases):
        raise FormatError(path, f"expected phases 0 ... {len(phases)}; got {ids.min()} ... {ids.max()}", "PhaseId")
    if mask is not None:
        ids = np.where(mask.ravel() > 0, ids, 0)
    if grains is not None:
        features = np.maximum(grain_table.whole_numbers(path, grains.ravel(), "GrainId"), 0)
        ids = np.where(features > 0, ids, 0)
        properties["FeatureIds"] = features.astype(np.int32)
    if x_axis is None and any(reference_frames.turns_crystal(phase, "a*") for phase in phases):
        warn(f"{path}: the file does not say what lies along x of its crystal axes; a is taken (--read x_axis=a*)")
    return scan.assemble(
        path, "labdct", quaternions=_quaternions(path, chosen, values.astype(np.float64), ids > 0),
        phase_ids=ids.astype(np.int32), phases=phases, shape=shape, spacing=tuple(spacing[::-1].tolist()),
        origin=tuple((centre - 0.5 * spacing * shape[::-1])[::-1].tolist()),
        frame=grain_table.as_in_the_file(frame, path), x_axis=x_axis or "a", properties=properties,
    )  # fmt: skip


def _quaternions(path: Path, kind: str, values: np.ndarray, indexed: np.ndarray) -> np.ndarray:
    if kind == "EulerZXZ":
        return scan.from_angles(path, values, indexed, kind)
    q = values if kind == "Quaternion" else np.column_stack([np.ones(len(values)), values])
    length = np.linalg.norm(q, axis=1)
    if not ((length > 1e-6) & (length < 1e12))[indexed].all():
        raise FormatError(path, "expected finite orientations that are not zero", kind)
    q = np.where(indexed[:, None], q, (1.0, 0.0, 0.0, 0.0)) / np.where(indexed, length, 1.0)[:, None]
    return rotation.conjugate(q)


def _phases(path: Path, file: h5py.File) -> list[Phase]:
    parent = hdf5.group(path, file, "PhaseInfo")
    found = {name: item for name, item in hdf5.members(parent).items() if isinstance(item, h5py.Group)}
    phases = []
    for number, name in enumerate(sorted(found), start=1):
        item = found[name]
        group = int(hdf5.number(path, item, "SpaceGroup"))
        if not 1 <= group <= 230:
            raise FormatError(path, f"expected a space group 1 ... 230; got {group}", item.name)
        lattice = hdf5.array(path, item, "UnitCell", (6,)).astype(float).tolist()
        label = hdf5.text(path, item, "Name", f"phase {number}")
        phases.append(scan.make_phase(path, label, laue_group_of_space_group(group), lattice, group, item.name))
    if not phases:
        raise FormatError(path, "expected groups Phase01, ...; there are none", parent.name)
    return phases
