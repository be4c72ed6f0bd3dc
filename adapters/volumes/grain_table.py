"""Volumes of files that have a grain number per voxel and a table of the grains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_MOST = 1 << 31


@dataclass(frozen=True, eq=False)
class GrainTable:
    """Grains of a file.

    Attributes
    ----------
    numbers : ndarray, shape (N,), int
        As the voxels name them, each once.
    quaternions : ndarray, shape (N, 4), float64
    phase_ids : ndarray, shape (N,), int
        i for ``phases[i - 1]``.
    phases : sequence of Phase
    """

    numbers: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: Sequence[Phase]


def assemble(
    path: Path,
    format_name: str,
    ids: np.ndarray,
    table: GrainTable,
    spacing: Sequence[float],
    origin: Sequence[float],
    *,
    frame: str | reference_frames.Frame | None = None,
    x_axis: str | Sequence[str] = "a",
    properties: Mapping[str, np.ndarray] | None = None,
    steps: Sequence[str] = (),
) -> OrientationMap | OrientationVolume:
    """Make the volume of voxels and a table of their grains.

    Parameters
    ----------
    path, format_name
        For provenance and errors.
    ids : ndarray, shape (nz, ny, nx), int
        Number of the grain of each voxel.
    table : GrainTable
        Voxels of other numbers are in no grain.
    spacing, origin : sequence of float, um
        z, y, x.
    frame : str or Frame, optional
        What turns the orientations; none by default, since such files have them in the axes of the volume.
    x_axis, properties, steps
        As in :func:`polyrve.adapters.ebsd.scan.assemble`; properties have the shape of `ids`.

    Returns
    -------
    OrientationVolume
        With the grains as ``properties["FeatureIds"]``, as the file names them, and 0 for none; by their place in the
        table, from 1, where the file has numbers below 1.

    Raises
    ------
    FormatError
        If there is no grain, a grain occurs twice, or the data make no valid volume.
    """
    order = np.argsort(table.numbers, kind="stable")
    known = np.asarray(table.numbers)[order]
    if not len(known):
        raise FormatError(path, "expected grains; there are none")
    if (np.diff(known) == 0).any():
        raise FormatError(path, f"expected each grain once; {known[np.argmax(np.diff(known) == 0)]} occurs twice")
    place = np.minimum(np.searchsorted(known, ids.ravel()), len(known) - 1)
    rows = np.where(known[place] == ids.ravel(), order[place], -1)
    inside = rows >= 0
    if not inside.any():
        raise FormatError(path, "expected voxels of grains that the file describes; there are none")
    features = ids.ravel() if known[0] > 0 else rows + 1
    return scan.assemble(
        path, format_name,
        quaternions=np.array(table.quaternions, dtype=np.float64)[rows],
        phase_ids=np.where(inside, np.asarray(table.phase_ids, dtype=np.int32)[rows], 0),
        phases=table.phases, shape=ids.shape, spacing=tuple(spacing), origin=tuple(origin),
        frame=as_in_the_file(frame, path), x_axis=x_axis, steps=steps,
        properties={"FeatureIds": np.where(inside, features, 0).astype(np.int32)}
        | {name: values.reshape(-1, *values.shape[3:]) for name, values in (properties or {}).items()},
    )  # fmt: skip


def as_in_the_file(frame: str | reference_frames.Frame | None, path: Path) -> reference_frames.Frame:
    """Return the frame that was asked for; none, as the file states, where none was."""
    return reference_frames.choose(frame, reference_frames.Frame("none", source="file"), "none", str(path))


def oriented_at_random(path: Path, numbers: np.ndarray, laue: str | Sequence[str] | None, seed: int) -> GrainTable:
    """Give each grain of a file without orientations one at random, with a warning.

    Parameters
    ----------
    path : Path
    numbers : ndarray, shape (N,), int
    laue : str or sequence of str, optional
        As in :func:`polyrve.adapters.ebsd.scan.unsaid_phases`.
    seed : int
    """
    warn(f"{path}: the file has no orientations; each grain has one at random, by the option seed={seed}")
    q = rotation.random_orientations(len(numbers), np.random.default_rng(seed))
    return GrainTable(numbers, q, np.ones(len(numbers), dtype=np.int32), scan.unsaid_phases(path, 1, (), laue))


def whole_numbers(path: Path, values: np.ndarray, what: str) -> np.ndarray:
    """Return numbers as int64; FormatError where they are not whole."""
    if values.dtype.kind in "iub":
        return values.astype(np.int64)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0.0) >= _MOST or (values != np.round(values)).any():
        raise FormatError(path, "expected whole numbers", what)
    return values.astype(np.int64)
