"""Grains: maps and volumes cut into grains, and their mean orientations.

A *grain* is a set of face-connected points of one phase; each link joins two points whose disorientation does not
exceed a threshold. The default is 5 degrees, EDAX's and that of ASTM E2627; MTEX takes 10 degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve import _face
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import summary
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from orix.crystal_map import CrystalMap


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        return summary.text(self.field, type(self).__name__, self.grain_ids, self.phase_ids)

    def _repr_html_(self) -> str:
        return summary.html(repr(self), _face.thumbnail(self.field))

    def to_dataframe(self) -> pd.DataFrame:
        """Measure all grains.

        Returns
        -------
        pandas.DataFrame
            One row per grain, indexed by its id, with the columns ``phase``, ``phase_id``, ``points``, ``size_um2`` or
            ``size_um3``, ``equivalent_diameter_um``, the centroid ``x_um``, ``y_um`` and of volumes ``z_um``, the mean
            orientation as Bunge's ``phi1_deg``, ``Phi_deg``, ``phi2_deg``, ``aspect_ratio``,
            ``orientation_spread_deg`` (GOS), ``neighbours`` and ``touches_border``.

        See Also
        --------
        polyrve.microstructure.grain_properties.measure_grains : Measure grains as arrays, with their axes.

        Examples
        --------
        >>> import polyrve
        >>> table = polyrve.data.load("truth").to_dataframe()
        >>> len(table), int(table.points.sum())
        (367, 98304)
        """
        from polyrve.microstructure import grain_table

        return grain_table.table(self)  # type: ignore[arg-type]

    def write(self, path: str | Path, *, format: str | None = None, force: bool = False, **options: Any) -> None:
        """Write to a file or folder of any known format, as :func:`polyrve.write` does.

        Parameters
        ----------
        path : path-like
        format : str, optional
            Name of the format, such as ``"damask"``; by default from the suffix.
        force : bool
            Whether existing files may be replaced.
        **options
            Further arguments of the format's own ``write``.

        See Also
        --------
        polyrve.write : The same as a function, with the errors it raises.

        Examples
        --------
        >>> import polyrve, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> polyrve.data.load("truth").write(f"{folder.name}/truth.dream3d")
        >>> polyrve.read_grains(f"{folder.name}/truth.dream3d").number_of_grains
        367
        """
        _face.write(self, path, format, force, options)


@dataclass(frozen=True, eq=False, repr=False)
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

    See Also
    --------
    polyrve.segment : Cut an orientation map into grains.
    polyrve.read_grains : Read the grains of a file.

    Examples
    --------
    >>> import polyrve
    >>> grains = polyrve.segment(polyrve.data.load("scan"))
    >>> grains.grain_ids.shape == grains.field.shape, grains.quaternions.shape == (grains.number_of_grains, 4)
    (True, True)
    """

    field: OrientationMap

    def plot(self, kind: str = "ipf", *, direction: Any = "z", ax: Axes | None = None, threshold: float = 5.0) -> Axes:
        """Draw the map with the boundaries of its grains.

        Parameters
        ----------
        kind : str
            As for :meth:`OrientationMap.plot`; also ``"grains"``, ``"points"``, ``"equivalent_diameter"``,
            ``"aspect_ratio"``, ``"orientation_spread"``, ``"number_of_neighbours"``.
        direction, ax, threshold : optional
            As for :meth:`OrientationMap.plot`.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> import polyrve
        >>> grains = polyrve.data.load("scan").segment(min_points=3)
        >>> grains.plot("orientation_spread").get_ylabel()
        'y (µm)'
        """
        return _face.plot_map(self, kind, direction, ax, threshold)

    def to_orix(self) -> CrystalMap:
        """Return an orix crystal map of the orientations; see :meth:`OrientationMap.to_orix`.

        Returns
        -------
        orix.crystal_map.CrystalMap

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").segment().to_orix().shape
        (64, 64)
        """
        return _face.to_orix(self)


@dataclass(frozen=True, eq=False, repr=False)
class GrainVolume(_GrainField):
    """A segmented orientation volume.

    Attributes
    ----------
    field : OrientationVolume
        The orientations; where the clean-up of :func:`segment` gave a point to another grain, that grain's.
    grain_ids : ndarray, shape (nz, ny, nx), int32
        1 ... N; 0 where no grain (not indexed).
    quaternions : ndarray, shape (N, 4), float64
        Mean orientation of grain i at row i - 1.
    phase_ids : ndarray, shape (N,), int32
        Phase of grain i at row i - 1, as in ``field.phase_ids``.

    See Also
    --------
    polyrve.segment : Cut an orientation volume into grains.
    polyrve.read_grains : Read the grains of a file.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.data.load("truth")
    GrainVolume: 24 x 64 x 64 voxels (z, y, x), step 1 x 1 x 1 um, extent 24 x 64 x 64 um, periodic
    Grains: 367, a mean one is 8 um wide; 0.00 % of the points are in none
    Phase  Name         Laue group  Grains  Points     Share
    1      Aluminium    m-3m           367   98304  100.00 %
    -      not indexed                           0    0.00 %
    Frame: none (polyrve)
    Source: polyrve.microstructure.synthetic.make_specimen
    """

    field: OrientationVolume

    def plot(
        self,
        kind: str = "ipf",
        *,
        direction: Any = "z",
        at: Sequence[int] | None = None,
        threshold: float = 5.0,
        backend: str = "matplotlib",
    ) -> Any:
        """Draw the three planar sections with the boundaries of the grains, or the volume in three dimensions.

        Parameters
        ----------
        kind : str
            As for :meth:`OrientationVolume.plot`; also ``"grains"``, ``"points"``, ``"equivalent_diameter"``,
            ``"aspect_ratio"``, ``"orientation_spread"``, ``"number_of_neighbours"``.
        direction, at, threshold, backend : optional
            As for :meth:`OrientationVolume.plot`.

        Returns
        -------
        ndarray of matplotlib.axes.Axes, or pyvista.Plotter

        Examples
        --------
        >>> import polyrve
        >>> len(polyrve.data.load("truth").plot("grains"))
        3
        """
        return _face.plot_volume(self, kind, direction, at, threshold, backend)


def mean_orientations(
    quaternions: np.ndarray,
    grain_ids: np.ndarray,
    grain_phases: np.ndarray,
    phases: tuple[Phase, ...],
    *,
    weights: np.ndarray | None = None,
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
    weights : ndarray, shape (n,), optional
        Of the points; by default they count alike.

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
        inside = of_grain >= 0
        q, of_grain = quaternions[inside], of_grain[inside]
        weight = 1.0 if weights is None else weights[inside]
        first = np.full(len(members), len(q))
        np.minimum.at(first, of_grain, np.arange(len(q)))
        reference = q[first]
        for _ in range(20):
            nearest = rotation.nearest_equivalent(q, reference[of_grain], phase.symmetry)
            products = np.empty((len(members), 4, 4))
            for i in range(4):
                for j in range(i, 4):
                    products[:, i, j] = products[:, j, i] = np.bincount(
                        of_grain, weight * nearest[:, i] * nearest[:, j], minlength=len(members)
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
