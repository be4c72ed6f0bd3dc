"""Grains: maps and volumes cut into grains, and their mean orientations.

A *grain* is a set of face-connected points of one phase; each link joins two points whose disorientation does not
exceed a threshold. The default is 5 degrees, EDAX's and that of ASTM E2627; MTEX takes 10 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume


@dataclass(frozen=True, eq=False)
class _GrainField:
    field: OrientationField
    grain_ids: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray

    def __post_init__(self) -> None:
        grain_ids = np.array(self.grain_ids, dtype=np.int32, order="C")
        quaternions = np.array(self.quaternions, dtype=np.float64).reshape(-1, 4)
        phase_ids = np.array(self.phase_ids, dtype=np.int32).reshape(-1)
        if grain_ids.shape != self.field.shape:
            raise ValueError(f"grain_ids: expected shape {self.field.shape}; got {grain_ids.shape}")
        if len(quaternions) != len(phase_ids):
            raise ValueError(
                f"grains: expected one orientation and one phase each; "
                f"got {len(quaternions)} orientations and {len(phase_ids)} phases"
            )
        count = np.bincount(grain_ids.ravel(), minlength=1) if grain_ids.min() >= 0 else None
        if count is None or len(count) != len(quaternions) + 1 or (count[1:] == 0).any():
            raise ValueError(
                f"grain_ids: expected every id 1 ... {len(quaternions)} at least once, and 0 for no grain; "
                f"got {grain_ids.min()} ... {grain_ids.max()} with {len(np.unique(grain_ids))} different ids"
            )
        if len(phase_ids) and (phase_ids.min() < 1 or phase_ids.max() > len(self.field.phases)):
            raise ValueError(
                f"phase_ids of grains: expected 1 ... {len(self.field.phases)}; "
                f"got {phase_ids.min()} ... {phase_ids.max()}"
            )
        for name, value in (("grain_ids", grain_ids), ("quaternions", quaternions), ("phase_ids", phase_ids)):
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @property
    def number_of_grains(self) -> int:
        """Number of grains N."""
        return len(self.quaternions)


@dataclass(frozen=True, eq=False)
class GrainMap(_GrainField):
    """A segmented orientation map.

    Attributes
    ----------
    field : OrientationMap
        The orientations; where the clean-up of :func:`segment` gave a point to another grain, that grain's.
    grain_ids : ndarray, shape (ny, nx), int32
        1 ... N; 0 where no grain (not indexed).
    quaternions : ndarray, shape (N, 4), float64
        Mean orientation of grain i at row i - 1.
    phase_ids : ndarray, shape (N,), int32
        Phase of grain i at row i - 1, as in ``field.phase_ids``.

    Raises
    ------
    ValueError
        If shapes disagree or an id between 1 and N is missing.
    """

    field: OrientationMap


@dataclass(frozen=True, eq=False)
class GrainVolume(_GrainField):
    """A segmented orientation volume; attributes as in :class:`GrainMap`, arrays of shape (nz, ny, nx)."""

    field: OrientationVolume


def mean_orientations(
    quaternions: np.ndarray, grain_ids: np.ndarray, grain_phases: np.ndarray, phases: tuple[Phase, ...]
) -> np.ndarray:
    """Mean orientation of each grain.

    The points are brought to the symmetric equivalent nearest to a reference, at first the grain's first point,
    and averaged; the average is the next reference, until it stays. The average is the dominant eigenvector of
    the sum of ``q q^T``, the quaternion closest to all in the least-squares sense.

    Parameters
    ----------
    quaternions : ndarray, shape (n, 4)
    grain_ids : ndarray, shape (n,), int
        1 ... N, each at least once.
    grain_phases : ndarray, shape (N,), int
        Phase of each grain, an index to ``phases`` from 1.
    phases : tuple of Phase

    Returns
    -------
    ndarray, shape (N, 4), float64
        With w >= 0.

    References
    ----------
    F. L. Markley et al., J. Guid. Control Dyn. 30 (2007) 1193, doi:10.2514/1.28949, eq. 13.
    """
    mean = np.empty((len(grain_phases), 4))
    for phase_id, phase in enumerate(phases, start=1):
        members = np.flatnonzero(grain_phases == phase_id)
        if not len(members):
            continue
        row = np.zeros(len(grain_phases) + 1, dtype=np.int64)
        row[members + 1] = np.arange(1, len(members) + 1)
        of_grain = row[grain_ids] - 1
        q, of_grain = quaternions[of_grain >= 0], of_grain[of_grain >= 0]
        first = np.full(len(members), len(q))
        np.minimum.at(first, of_grain, np.arange(len(q)))
        reference = q[first]
        for _ in range(20):
            nearest = rotation.nearest_equivalent(q, reference[of_grain], phase.symmetry)
            products = np.empty((len(members), 4, 4))
            for i in range(4):
                for j in range(i, 4):
                    products[:, i, j] = products[:, j, i] = np.bincount(
                        of_grain, nearest[:, i] * nearest[:, j], minlength=len(members)
                    )
            average = np.linalg.eigh(products)[1][..., -1]
            moved = rotation.disorientation_angle(average, reference, phase.symmetry)
            reference = average
            if (moved < 1e-7).all():
                break
        mean[members] = reference
    return np.where(mean[:, :1] < 0, -mean, mean)


def grain_wise(grains: GrainMap | GrainVolume) -> OrientationMap | OrientationVolume:
    """Give every point its grain's mean orientation; ``grains.field`` is the voxel-wise field.

    Points of no grain are left as they are.
    """
    inside = grains.grain_ids > 0
    quaternions = np.array(grains.field.quaternions)
    quaternions[inside] = grains.quaternions[grains.grain_ids[inside] - 1]
    return grains.field.evolve(quaternions=quaternions)
