"""A volume kept as cells: labels, an orientation for each cell and a field of scatter, drawn slab by slab.

At any time a slab or a section of voxels has its orientations; the volume as a whole takes four bytes per voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from polyrve import _face
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure import summary
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_measures import cell_faces, cell_volumes, slabs
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume, mean_orientations
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.scatter_field import ScatterField


@dataclass(frozen=True, eq=False, repr=False)
class CellVolume:
    """A polycrystal of cells that turn as wholes, with orientation scatter within them.

    A voxel has the orientation of its cell times the rotation that the scatter has at its place.

    Attributes
    ----------
    labels : ndarray, shape (nz, ny, nx), uint32
        Cell of each voxel, 0 ... N - 1, each at least once.
    quaternions : ndarray, shape (N, 4)
        Orientation of each cell.
    phase_ids : ndarray, shape (N,), int
        Phase of each cell, from 1.
    phases : tuple of Phase
    spacing : tuple of float, um
        (dz, dy, dx).
    scatter : ScatterField or None
    frame : Frame
    periodic : bool
        Whether it repeats across its faces.
    provenance : mapping

    See Also
    --------
    polyrve.reconstruct : Makes one where a volume is large.
    polyrve.OrientationVolume : A volume with an orientation for each voxel in memory.

    Examples
    --------
    >>> labels = np.repeat(np.arange(2, dtype=np.uint32), 8 * 9 * 5).reshape(2 * 8, 9, 5)
    >>> turned = rotation.from_euler(np.deg2rad([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0]]))
    >>> volume = CellVolume(labels, turned, np.ones(2, int), (Phase("Al", "m-3m"),), (1.0, 1.0, 1.0))
    >>> volume
    CellVolume: 16 x 9 x 5 voxels (z, y, x), step 1 x 1 x 1 um, extent 16 x 9 x 5 um, periodic
    Grains: 2
    Phases: Al (m-3m)
    >>> volume.section("z", 9).shape, volume.planes(4, 8).shape
    ((9, 5), (4, 9, 5))
    """

    labels: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    spacing: tuple[float, float, float]
    scatter: ScatterField | None = None
    frame: Frame = field(default_factory=Frame)
    periodic: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels (nz, ny, nx)."""
        nz, ny, nx = self.labels.shape
        return (nz, ny, nx)

    @property
    def origin(self) -> tuple[float, float, float]:
        """Corner of the first voxel, um."""
        return (0.0, 0.0, 0.0)

    def evolve(self, **changes: Any) -> CellVolume:
        """Return the volume with some attributes changed."""
        return replace(self, **changes)

    def planes(self, first: int, last: int) -> OrientationVolume:
        """Return some planes normal to z as a volume that does not repeat.

        Parameters
        ----------
        first, last : int
            First plane and one beyond the last.
        """
        away = None if self.scatter is None else self.scatter.planes(first, last)
        quaternions, phase_ids = self._oriented(self.labels[first:last], away)
        return OrientationVolume(
            quaternions, phase_ids, self.phases, self.spacing, (first * self.spacing[0], 0.0, 0.0), self.frame,
            periodic=False, provenance=self.provenance,
        )  # fmt: skip

    def section(self, axis: int | str, index: int | None = None) -> OrientationMap:
        """Return the section normal to an array axis; see :meth:`polyrve.OrientationVolume.section`.

        Parameters
        ----------
        axis : {"z", "y", "x"} or {0, 1, 2}
        index : int, optional
            By default the middle.

        Raises
        ------
        ValueError
            If there is no such axis.
        IndexError
            If there is no such position.
        """
        number = {"z": 0, "y": 1, "x": 2, 0: 0, 1: 1, 2: 2}.get(axis)
        if number is None:
            raise ValueError(f"axis: expected 'z', 'y', 'x' or 0, 1, 2; got {axis!r}")
        n = self.shape[number]
        at = n // 2 if index is None else index
        if not -n <= at < n:
            raise IndexError(f"index: expected {-n} ... {n - 1} along {'zyx'[number]}; got {at}")
        away = None if self.scatter is None else self.scatter.section(number, at % n)
        quaternions, phase_ids = self._oriented(np.take(self.labels, at, axis=number), away)
        return OrientationMap(
            quaternions, phase_ids, self.phases, tuple(self.spacing[i] for i in in_plane(number)),
            frame=self.frame, periodic=self.periodic, provenance=self.provenance,
        )  # fmt: skip

    def _oriented(self, labels: np.ndarray, away: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        quaternions = self.quaternions[labels]
        if away is not None:
            quaternions = rotation.multiply(quaternions, rotation.from_rotation_vector(away))
        return np.where(quaternions[..., :1] < 0, -quaternions, quaternions), self.phase_ids[labels].astype(np.int32)

    @cached_property
    def volumes(self) -> np.ndarray:
        """Voxels of each cell, shape (N,)."""
        return cell_volumes(self.labels, len(self.quaternions))

    @cached_property
    def grain_of_cell(self) -> np.ndarray:
        """Grain of each cell, 1 ... M, shape (N,), int32: cells that meet within 5 degrees are one grain."""
        first, second, _ = cell_faces(self.labels, len(self.quaternions), periodic=self.periodic)
        joined = self.phase_ids[first] == self.phase_ids[second]
        for number, phase in enumerate(self.phases, start=1):
            same = np.flatnonzero(joined & (self.phase_ids[first] == number))
            angle = rotation.disorientation_angle(
                self.quaternions[first[same]], self.quaternions[second[same]], phase.symmetry
            )
            joined[same] = angle <= np.deg2rad(DEFAULT_THRESHOLD)
        size = (len(self.quaternions),) * 2
        graph = coo_array((np.ones(int(joined.sum()), dtype=bool), (first[joined], second[joined])), shape=size)
        return np.asarray(connected_components(graph, directed=False)[1] + 1, dtype=np.int32)

    @property
    def number_of_grains(self) -> int:
        """Number of grains M."""
        return int(self.grain_of_cell.max())

    @cached_property
    def grain_phases(self) -> np.ndarray:
        """Phase of each grain, shape (M,), int32."""
        phases = np.zeros(self.number_of_grains, dtype=np.int32)
        phases[self.grain_of_cell - 1] = self.phase_ids
        return phases

    @cached_property
    def grain_quaternions(self) -> np.ndarray:
        """Mean orientation of each grain, shape (M, 4): of its cells with their mean scatter, by their volumes."""
        means = rotation.multiply(self.quaternions, rotation.from_rotation_vector(self._mean_scatter))
        return mean_orientations(means, self.grain_of_cell, self.grain_phases, self.phases, weights=self.volumes)

    @cached_property
    def _mean_scatter(self) -> np.ndarray:
        """Mean rotation vector of the scatter in each cell, shape (N, 3), rad."""
        total = np.zeros((3, len(self.quaternions)))
        if self.scatter is None:
            return total.T
        for first, last in slabs(self.shape):
            labels = self.labels[first:last].ravel()
            vectors = self.scatter.planes(first, last).reshape(-1, 3)
            total += [np.bincount(labels, one, minlength=total.shape[1]) for one in vectors.T]
        return (total / self.volumes).T

    def grain_ids(self, first: int, last: int) -> np.ndarray:
        """Return the grain of each voxel of some planes normal to z, shape (last - first, ny, nx), int32."""
        return self.grain_of_cell[self.labels[first:last]]

    def whole(self) -> GrainVolume:
        """Return the volume with an orientation for each voxel in memory, about 100 bytes per voxel for its time."""
        field = self.planes(0, len(self.labels)).evolve(periodic=self.periodic)
        ids = self.grain_ids(0, len(self.labels))
        return GrainVolume(field, ids, self.grain_quaternions, self.grain_phases)

    def __repr__(self) -> str:
        lines = [f"CellVolume: {summary.size(self)}{', periodic' * self.periodic}"]
        lines.append(f"Grains: {self.number_of_grains}")
        lines.append(f"Phases: {', '.join(f'{summary.plain(p.name)} ({p.laue})' for p in self.phases[:8])}")
        return "\n".join(lines)

    def write(self, path: str | Path, *, format: str | None = None, force: bool = False, **options: Any) -> None:
        """Write it slab by slab, as :func:`polyrve.write` does, to a format that can.

        Parameters
        ----------
        path : path-like
        format : str, optional
            By default from the suffix.
        force : bool
            Whether existing files may be replaced.
        **options
            Further arguments of the format's own ``write``.
        """
        _face.write(self, path, format, force, options)
