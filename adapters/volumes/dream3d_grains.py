"""Grains of a .dream3d file: its feature data, held against the voxels."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import dream3d_tree as tree
from polyrve.adapters.volumes.dream3d_write import DOUBLE_GRAIN
from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume, mean_orientations

_CLEAR = np.deg2rad(1.0)
_SINGLE_PRECISION = 2e-3
"""Angle, rad, that two orientations in single precision may seem to differ by where they are the same."""


def grains(
    file: h5py.File,
    path: Path,
    field: OrientationMap | OrientationVolume,
    image: tree.Image,
    applied: Frame,
    feature_data: str | None = None,
    *,
    degrees: bool,
) -> GrainMap | GrainVolume:
    """Return the grains of a field that was read from a file.

    Parameters
    ----------
    file : h5py.File
    path : Path
        For messages.
    field : OrientationMap or OrientationVolume
        With the feature ids as a property.
    image : Image
        Its geometry in the file.
    applied : Frame
        What the orientations of the field were turned by.
    feature_data : str, optional
        Name of the attribute matrix of features.
    degrees : bool
        Whether Euler angles are in degrees.

    Returns
    -------
    GrainMap or GrainVolume

    Raises
    ------
    FormatError
        If there are no feature ids or no feature data, or ids without a point.

    Warns
    -----
    UserWarning
        If orientations or phases of the feature data do not fit those of the points; then those of the points are
        taken.
    """
    if "FeatureIds" not in field.properties:
        usual = tree.USUAL["feature_ids"]
        raise FormatError(path, f"expected feature ids (one of {', '.join(usual)}); got none", image.path)
    ids = field.properties["FeatureIds"]
    count = int(ids.max(initial=0)) + 1
    matrix = tree.feature_matrix(file, path, image, count, feature_data)
    stored, name = _stored_orientations(path, matrix, degrees)
    stored = applied.apply(stored)
    ids = np.where(field.indexed, ids, 0).astype(np.int32)
    properties = {name: values for name, values in field.properties.items() if name != "FeatureIds"}
    field = field.evolve(properties=properties)
    kind = GrainMap if isinstance(field, OrientationMap) else GrainVolume
    try:
        if ids.min(initial=0) < 0:
            raise ValueError(f"FeatureIds: expected 0 or more; got {ids.min()}")
        numbers = _phases(path, matrix, field, ids, count)
        mean = _checked(path, matrix, field, ids, numbers, stored, name)
        return kind(field, ids, mean, numbers)  # type: ignore[arg-type]
    except ValueError as error:
        raise FormatError(path, str(error), matrix.name) from None


def linked_features(file: h5py.File, image: tree.Image) -> bool:
    """Say whether orientations or phases of the features are links to other files."""
    known = (*tree.USUAL["grain_quaternions"], *tree.USUAL["grain_eulers"])
    return any(
        tree.linked(group, known)
        for group in tree.matrices(file, image)
        if group.name.rsplit("/", 1)[-1] not in image.cells
    )


def phases_of_features(file: h5py.File, path: Path, image: tree.Image, ids: np.ndarray) -> np.ndarray | None:
    """Return the phase of every point by the phases of the features; None where the file has no such array."""
    count = int(ids.max(initial=0)) + 1
    for matrix in tree.matrices(file, image):
        name = tree.find(matrix, tree.USUAL["phases"])
        item = (
            hdf5.get(matrix, name) if name is not None and matrix.name.rsplit("/", 1)[-1] not in image.cells else None
        )
        if isinstance(item, h5py.Dataset) and item.size == count and item.dtype.kind in "iu" and ids.min() >= 0:
            return np.ravel(hdf5.contents(path, item))[ids].astype(np.int32)
    return None


def _stored_orientations(path: Path, matrix: h5py.Group, degrees: bool) -> tuple[np.ndarray, str]:
    """Orientations of the features from 1, and the name of their array."""
    name = tree.find(matrix, tree.USUAL["grain_quaternions"])
    if name is not None:
        double = tree.double(path, matrix, name, DOUBLE_GRAIN)
        if double is not None:
            return double[1:], name
        return tree.scalar_first(hdf5.array(path, matrix, name, (None, 4))[1:]), name
    name = tree.find(matrix, tree.USUAL["grain_eulers"])
    if name is None:
        raise FormatError(path, "expected AvgQuats or AvgEulerAngles; got neither", matrix.name)
    angles = hdf5.array(path, matrix, name, (None, 3))[1:].astype(np.float64)
    return rotation.from_euler(np.deg2rad(angles) if degrees else angles), name


def _phases(path: Path, matrix: h5py.Group, field: OrientationField, ids: np.ndarray, count: int) -> np.ndarray:
    """Phases of the features from 1; of the points where the file has none, or where none of a feature's has it."""
    columns = len(field.phases) + 1
    table = np.bincount(ids.ravel().astype(np.int64) * columns + field.phase_ids.ravel(), minlength=count * columns)
    table = table[: count * columns].reshape(count, columns)
    of_points = table[:, 1:].argmax(axis=1) + 1
    name = tree.find(matrix, tree.USUAL["phases"])
    if name is None:
        if place := tree.linked(matrix, tree.USUAL["phases"]):
            warn(f"{path}, {matrix.name}: {place}, which is not followed; phases of the voxels taken")
        return of_points[1:]
    numbers = np.asarray(hdf5.array(path, matrix, name, (count,)))
    known = (numbers > 0) & (numbers < columns)
    has_it = table[np.arange(count), np.where(known, numbers, 0).astype(np.int64)] > 0
    wrong = np.flatnonzero(known & ~has_it & (table[:, 1:].sum(axis=1) > 0))
    wrong = wrong[wrong > 0]
    if len(wrong):
        warn(
            f"{path}, {matrix.name}: {name} of {len(wrong)} of {count - 1} features is that of none of their voxels "
            f"(the first is feature {wrong[0]}); the phases of the voxels are taken"
        )
        return of_points[1:]
    return numbers[1:]


def _checked(
    path: Path,
    matrix: h5py.Group,
    field: OrientationField,
    ids: np.ndarray,
    numbers: np.ndarray,
    stored: np.ndarray,
    name: str,
) -> np.ndarray:
    """The stored orientations of the grains, or the means of their voxels where the two do not fit.

    A mean lies no further from that of the voxels than the furthest of the voxels does.
    """
    inside = (ids > 0) & (field.phase_ids == np.concatenate([[0], numbers])[ids])
    members, q = ids[inside] - 1, field.quaternions[inside]
    furthest = _furthest(q, stored, members, numbers, field)
    doubtful = np.flatnonzero(~(furthest <= _CLEAR))
    if not len(doubtful):
        return stored
    place = np.full(len(stored), -1)
    place[doubtful] = np.arange(len(doubtful))
    mine = place[members] >= 0
    part, of_part, phases = q[mine], place[members[mine]], numbers[doubtful]
    mean = mean_orientations(part, of_part + 1, phases, field.phases)
    spread = _furthest(part, mean, of_part, phases, field)
    apart = _angles(stored[doubtful], mean, phases, field)
    wrong = ~(apart <= spread + _SINGLE_PRECISION)
    if not wrong.any():
        return stored
    voxels = np.bincount(members, minlength=len(stored))[doubtful[wrong]].sum() / max(len(members), 1)
    largest = np.rad2deg(np.nan_to_num(apart[wrong], nan=np.pi).max())
    warn(
        f"{path}, {matrix.name}: {name} of {int(wrong.sum())} of {len(stored)} features ({100 * voxels:.1f} % of their "
        f"voxels) disagree with the orientations of their voxels, by up to {largest:.1f} degrees; the means of the "
        "voxels are taken"
    )
    used, place = np.unique(members, return_inverse=True)
    result = stored.copy()
    result[used] = mean_orientations(q, place + 1, numbers[used], field.phases)
    return result


def _angles(a: np.ndarray, b: np.ndarray, numbers: np.ndarray, field: OrientationField) -> np.ndarray:
    """Disorientation angles, rad, of orientations of the phases `numbers`; NaN where one is no orientation."""
    angles = np.full(len(a), np.nan)
    for number, phase in enumerate(field.phases, start=1):
        here = numbers == number
        with np.errstate(invalid="ignore"):
            angles[here] = rotation.disorientation_angle(a[here], b[here], phase.symmetry)
    norm = np.linalg.norm(a, axis=-1)
    return np.where(np.abs(norm - 1.0) < _SINGLE_PRECISION, angles, np.nan)


def _furthest(
    q: np.ndarray, mean: np.ndarray, members: np.ndarray, numbers: np.ndarray, field: OrientationField
) -> np.ndarray:
    """Largest angle, rad, between a grain's points and its mean; pi where that is no orientation."""
    result = np.zeros(len(mean))
    for start in range(0, len(q), 1 << 20):
        part = members[start : start + (1 << 20)]
        angles = _angles(mean[part], q[start : start + (1 << 20)], numbers[part], field)
        np.maximum.at(result, part, np.nan_to_num(angles, nan=np.pi))
    return result
