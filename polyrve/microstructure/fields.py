"""Orientation maps and volumes: what every reader returns and every writer takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from polyrve import _face
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure import summary
from polyrve.microstructure.axes import in_plane

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from orix.crystal_map import CrystalMap

    from polyrve.microstructure.grains import GrainMap, GrainVolume

_Field = TypeVar("_Field", bound="OrientationField")
_IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False, repr=False)
class OrientationField:
    """A regular grid of orientations; see :class:`OrientationMap` and :class:`OrientationVolume`.

    Quaternions and phase ids are copied, unless they are read-only, as those of another field are.

    Attributes
    ----------
    quaternions : ndarray, shape (*shape, 4), float64
        Unit quaternions, scalar first, passive, sample to crystal (:mod:`polyrve.crystallography.rotation`), in the map
        frame. Points that are not indexed hold the identity.
    phase_ids : ndarray, shape (*shape), int32
        0 where not indexed, else i for ``phases[i - 1]``.
    phases : tuple of Phase
    spacing : tuple of float, um
        Distance of neighbouring points along each array axis: (dy, dx) or (dz, dy, dx).
    origin : tuple of float, um
        Corner of the first cell, in the order of the array axes.
    frame : Frame
        The frame that the source was read in.
    periodic : bool
        Whether the field repeats across its faces.
    properties : mapping of str to ndarray, shape (*shape, ...)
        Further data per point under the names of the source, such as ``"CI"``, ``"MAD"`` or ``"FeatureIds"``.
    provenance : mapping
        Where the data is from and what was done to it; JSON types alone.

    Raises
    ------
    ValueError
        If shapes disagree, a quaternion of an indexed point is not finite or not of unit norm (to 1e-3; it is then
        normalised), a phase id has no phase, or the spacing is not positive and finite.
    """

    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...] = ()
    frame: Frame = Frame()
    periodic: bool = False
    properties: Mapping[str, np.ndarray] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)

    _ndim: ClassVar[int] = 0

    def __post_init__(self) -> None:
        quaternions = _unchanging(self.quaternions, np.float64)
        phase_ids = _unchanging(self.phase_ids, np.int32)
        kind, ndim = type(self).__name__, self._ndim
        if quaternions.ndim != ndim + 1 or quaternions.shape[-1] != 4 or 0 in quaternions.shape:
            raise ValueError(
                f"quaternions of {kind}: expected shape ({'n, ' * ndim}4), none of them 0; got {quaternions.shape}"
            )
        if phase_ids.shape != quaternions.shape[:-1]:
            raise ValueError(f"phase_ids: expected shape {quaternions.shape[:-1]}; got {phase_ids.shape}")
        if phase_ids.min() < 0 or phase_ids.max() > len(self.phases):
            raise ValueError(
                f"phase_ids: expected 0 (not indexed) ... {len(self.phases)} (number of phases); "
                f"got {phase_ids.min()} ... {phase_ids.max()}"
            )
        indexed = phase_ids > 0
        norm = np.einsum("...i,...i", quaternions, quaternions)
        np.sqrt(norm, out=norm)
        deviation = norm - 1.0
        np.abs(deviation, out=deviation)
        wrong = indexed & ~(deviation < 1e-3)
        if wrong.any():
            at = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"quaternions: expected unit norm at every indexed point; got norm {norm[at]:.6g} at {at} "
                f"and {int(wrong.sum())} such points in all"
            )
        inexact = indexed & ~(deviation < 4 * np.finfo(np.float64).eps)
        if inexact.any() or (quaternions[~indexed] != _IDENTITY).any():
            quaternions = quaternions if quaternions.flags.writeable else quaternions.copy()
            quaternions[~indexed] = _IDENTITY
            quaternions[inexact] /= norm[inexact][:, None]
        spacing = tuple(float(value) for value in self.spacing)
        if len(spacing) != ndim or not all(np.isfinite(value) and value > 0 for value in spacing):
            raise ValueError(f"spacing: expected {ndim} positive lengths in um; got {self.spacing}")
        origin = tuple(float(value) for value in self.origin) or (0.0,) * ndim
        if len(origin) != ndim or not all(np.isfinite(value) for value in origin):
            raise ValueError(f"origin: expected {ndim} finite lengths in um; got {self.origin}")
        properties = {}
        for name, values in self.properties.items():
            values = np.asarray(values)
            if values.shape[:ndim] != phase_ids.shape:
                raise ValueError(
                    f"property {name!r}: expected a shape that starts with {phase_ids.shape}; got {values.shape}"
                )
            properties[name] = values
        quaternions.setflags(write=False)
        phase_ids.setflags(write=False)
        for name, value in (
            ("quaternions", quaternions), ("phase_ids", phase_ids), ("phases", tuple(self.phases)),
            ("spacing", spacing), ("origin", origin), ("properties", MappingProxyType(properties)),
            ("provenance", MappingProxyType(dict(self.provenance))),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    def __reduce__(self) -> tuple[Any, ...]:
        values = {**vars(self), "properties": dict(self.properties), "provenance": dict(self.provenance)}
        return partial(type(self), **values), ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of points along each array axis."""
        return self.phase_ids.shape

    @property
    def indexed(self) -> np.ndarray:
        """Points that have an orientation, shape (*shape), bool."""
        return self.phase_ids > 0

    def evolve(self: _Field, **changes: Any) -> _Field:
        """Return a copy with some attributes replaced, validated again.

        Parameters
        ----------
        **changes
            Attributes by name.

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("scan")
        >>> scan.evolve(spacing=(0.5, 0.5)).spacing
        (0.5, 0.5)
        """
        return replace(self, **changes)

    def __repr__(self) -> str:
        return summary.text(self, type(self).__name__)

    def _repr_html_(self) -> str:
        return summary.html(repr(self), _face.thumbnail(self))

    def __getitem__(self: _Field, key: str | slice | tuple[slice, ...]) -> _Field:
        """Return a part: a box by slices, in the order of the array axes, or one phase by its name.

        Parameters
        ----------
        key : slice, tuple of slice, or str
            Slices of points without a step, such as ``scan[10:50, 20:80]`` (y, x) or ``volume[:16]`` (z). The name of
            a phase: points of all others become not indexed, as in orix; the list of phases stays.

        Returns
        -------
        OrientationMap or OrientationVolume
            With the properties of its points, the origin of its corner, and what was done in
            ``provenance["steps"]``.

        Raises
        ------
        TypeError
            If an index is no slice.
        ValueError
            If a slice has a step or is empty, or there are more of them than axes.
        KeyError
            If there is no phase of that name.

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("two_phases")
        >>> part = scan[10:34, 20:]
        >>> part.shape, part.origin
        ((24, 44), (10.0, 20.0))
        >>> sorted(set(scan["Magnesium"].phase_ids.ravel().tolist()))
        [0, 2]
        """
        if isinstance(key, str):
            return self._of_phase(key)
        index = key if isinstance(key, tuple) else (key,)
        for item in index:
            if not isinstance(item, slice):
                remedy = ": volume.section(axis, index) cuts a plane" if self._ndim == 3 else ""
                raise TypeError(f"index: expected slices such as 10:50, or a phase's name; got {item!r}{remedy}")
            if item.step not in (None, 1):
                raise ValueError(
                    f"index: expected slices without a step; got {item.step}: coarsen() makes larger points"
                )
        if len(index) > self._ndim:
            raise ValueError(f"index: expected at most {self._ndim} slices; got {len(index)}")
        ranges = [item.indices(n) for item, n in zip(index, self.shape, strict=False)]
        start, stop = ([r[end] for r in ranges] for end in (0, 1))
        return self.crop((*start, *(0,) * (self._ndim - len(index))), (*stop, *self.shape[len(index) :]))

    def _of_phase(self: _Field, name: str) -> _Field:
        numbers = [number for number, phase in enumerate(self.phases, start=1) if phase.name == name]
        if not numbers:
            known = ", ".join(phase.name for phase in self.phases) or "none"
            raise KeyError(f"phase: expected one of {known}; got {name!r}")
        kept = np.isin(self.phase_ids, numbers)
        steps = [*self.provenance.get("steps", []), f"phases other than {name} not indexed"]
        provenance = {**self.provenance, "steps": steps}
        return self.evolve(phase_ids=np.where(kept, self.phase_ids, 0), provenance=provenance)

    def write(self, path: str | Path, *, format: str | None = None, force: bool = False, **options: Any) -> None:
        """Write to a file of any known format, as :func:`polyrve.write` does.

        Parameters
        ----------
        path : path-like
        format : str, optional
            Name of the format; by default from the suffix.
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
        >>> polyrve.data.load("scan").write(f"{folder.name}/scan.ctf", frame="oxford-cs0")
        >>> polyrve.read_map(f"{folder.name}/scan.ctf").shape
        (64, 64)
        """
        _face.write(self, path, format, force, options)

    def unindex(
        self: _Field,
        *,
        minimum: Mapping[str, float] | None = None,
        maximum: Mapping[str, float] | None = None,
        zero_solutions: bool = False,
        points: np.ndarray | None = None,
    ) -> _Field:
        """Mark points as not indexed; see :func:`polyrve.microstructure.cleaning.unindex`.

        Parameters
        ----------
        minimum, maximum : mapping of str to float, optional
            Bounds of properties: points below or above, or without a value, are marked.
        zero_solutions : bool
            Whether points whose angles are all exactly zero are marked.
        points : ndarray, shape (*shape), bool, optional
            Further points to be marked.

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("scan")
        >>> cleaned = scan.unindex(minimum={"CI": 0.1})
        >>> int(scan.indexed.sum() - cleaned.indexed.sum())
        20
        """
        from polyrve.microstructure import cleaning

        return cleaning.unindex(
            self, minimum=minimum, maximum=maximum, zero_solutions=zero_solutions, points=points
        )  # fmt: skip

    def drop_phase(self: _Field, name: str) -> _Field:
        """Leave a phase out; see :func:`polyrve.microstructure.cleaning.drop_phase`.

        Parameters
        ----------
        name : str

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("two_phases").drop_phase("Magnesium")
        >>> [phase.name for phase in scan.phases]
        ['Aluminium']
        """
        from polyrve.microstructure import cleaning

        return cleaning.drop_phase(self, name)

    def remove_spikes(self: _Field, threshold: float = 5.0) -> _Field:
        """Mark wild spikes as not indexed; see :func:`polyrve.microstructure.cleaning.remove_spikes`.

        Parameters
        ----------
        threshold : float, degrees
            Smallest disorientation that counts as different.

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").remove_spikes().provenance["steps"]
        ['wild spikes (5 degrees) not indexed: 43 points']
        """
        from polyrve.microstructure import cleaning

        return cleaning.remove_spikes(self, threshold)

    def absorb_small_grains(self: _Field, min_points: int, threshold: float = 5.0) -> _Field:
        """Give small grains to their neighbours; see :func:`polyrve.microstructure.cleaning.absorb_small_grains`.

        Parameters
        ----------
        min_points : int
            Grains with fewer points are absorbed.
        threshold : float, degrees
            Smallest disorientation of a boundary.

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("scan").absorb_small_grains(3)
        >>> int(scan.segment().to_dataframe().points.min())
        3
        """
        from polyrve.microstructure import cleaning

        return cleaning.absorb_small_grains(self, min_points, threshold)  # type: ignore[type-var]

    def crop(self: _Field, start: Sequence[int], stop: Sequence[int]) -> _Field:
        """Cut out a box; see :func:`polyrve.microstructure.cleaning.crop`.

        Parameters
        ----------
        start, stop : sequence of int
            First point, and one beyond the last, along each array axis: (y, x) or (z, y, x).

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").crop((10, 20), (50, 60)).shape
        (40, 40)
        """
        from polyrve.microstructure import cleaning

        return cleaning.crop(self, start, stop)

    def coarsen(self: _Field, spacing: Sequence[float]) -> _Field:
        """Bring the field to larger points without averaging; see :func:`polyrve.microstructure.cleaning.coarsen`.

        Parameters
        ----------
        spacing : sequence of float, um
            In the order of the array axes.

        Returns
        -------
        OrientationMap or OrientationVolume

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").coarsen((2.0, 2.0)).shape
        (32, 32)
        """
        from polyrve.microstructure import cleaning

        return cleaning.coarsen(self, spacing)


@dataclass(frozen=True, eq=False, repr=False)
class OrientationMap(OrientationField):
    """A planar orientation map, array axes (y, x); attributes as in :class:`OrientationField`.

    See Also
    --------
    polyrve.read_map : Read one from a file.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.data.load("two_phases")
    OrientationMap: 64 x 64 points (y, x), step 1 x 1 um, extent 64 x 64 um
    Phase  Name         Laue group  Points    Share
    1      Aluminium    m-3m          2785  67.99 %
    2      Magnesium    6/mmm         1229  30.00 %
    -      not indexed                  82   2.00 %
    Properties: IQ, CI, SEM, Fit
    Frame: edax-2 (file)
    Source: two_phases.ang
    """

    _ndim: ClassVar[int] = 2

    def plot(self, kind: str = "ipf", *, direction: Any = "z", ax: Axes | None = None, threshold: float = 5.0) -> Axes:
        """Draw the map.

        Parameters
        ----------
        kind : str
            ``"ipf"``, ``"phase"``, ``"boundaries"`` (sides of points in the colour of their disorientation), or the
            name of a property.
        direction : {"x", "y", "z"} or sequence of float
            Sample direction of the IPF colours.
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure, with the keys of the IPF colours.
        threshold : float, degrees
            Smallest disorientation of a boundary.

        Returns
        -------
        matplotlib.axes.Axes
            ``.figure.savefig("scan.png")`` saves the drawing.

        Raises
        ------
        ValueError
            If `kind` or `direction` is unknown.

        Examples
        --------
        >>> import polyrve
        >>> scan = polyrve.data.load("scan")
        >>> scan.plot("CI").get_xlabel()
        'x (µm)'
        """
        return _face.plot_map(self, kind, direction, ax, threshold)

    def segment(self, threshold: float = 5.0, *, min_points: int = 1, fill: bool = False) -> GrainMap:
        """Cut the map into grains; see :func:`polyrve.segment`.

        Parameters
        ----------
        threshold : float, degrees
            Smallest disorientation of a boundary.
        min_points : int
            Grains with fewer points are given to their neighbours.
        fill : bool
            Whether points that are not indexed are given to grains.

        Returns
        -------
        GrainMap

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").segment(min_points=3).number_of_grains
        149
        """
        from polyrve.microstructure import segmentation

        return segmentation.segment(self, threshold, min_points=min_points, fill=fill)

    def to_orix(self) -> CrystalMap:
        """Return an orix crystal map; see :func:`polyrve.adapters.ebsd.orix_bridge.to_orix`.

        Returns
        -------
        orix.crystal_map.CrystalMap
            Points that are not indexed have the phase id -1, others their place in ``phases``, from 0.

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("scan").to_orix().shape
        (64, 64)
        """
        return _face.to_orix(self)


@dataclass(frozen=True, eq=False, repr=False)
class OrientationVolume(OrientationField):
    """An orientation volume, array axes (z, y, x); attributes as in :class:`OrientationField`.

    See Also
    --------
    polyrve.read_volume : Read one from a file.

    Examples
    --------
    >>> import polyrve
    >>> volume = polyrve.data.load("truth").field
    >>> volume[:8, :, 10:30].shape
    (8, 64, 20)
    """

    _ndim: ClassVar[int] = 3

    def section(self, axis: int | str, index: int | None = None) -> OrientationMap:
        """Return the planar section normal to an array axis.

        The remaining axes keep their order (:mod:`polyrve.microstructure.axes`). The orientations stay in the volume's
        sample frame.

        Parameters
        ----------
        axis : {"z", "y", "x"} or {0, 1, 2}
            The axis, by name or by its place in the array.
        index : int, optional
            Position along that axis, from the end where it is negative; by default the middle.

        Returns
        -------
        OrientationMap

        Raises
        ------
        ValueError
            If there is no such axis.
        IndexError
            If there is no such position.

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("truth").field.section("y", 5).shape
        (24, 64)
        """
        number = {"z": 0, "y": 1, "x": 2, 0: 0, 1: 1, 2: 2}.get(axis)
        if number is None:
            raise ValueError(f"axis: expected 'z', 'y', 'x' or 0, 1, 2; got {axis!r}")
        at = self.shape[number] // 2 if index is None else index
        if not -self.shape[number] <= at < self.shape[number]:
            n = self.shape[number]
            raise IndexError(f"index: expected {-n} ... {n - 1} along {'zyx'[number]}; got {at}")
        return OrientationMap(
            quaternions=np.take(self.quaternions, at, axis=number),
            phase_ids=np.take(self.phase_ids, at, axis=number),
            phases=self.phases,
            spacing=tuple(self.spacing[i] for i in in_plane(number)),
            origin=tuple(self.origin[i] for i in in_plane(number)),
            frame=self.frame,
            periodic=self.periodic,
            properties={name: np.take(values, at, axis=number) for name, values in self.properties.items()},
            provenance=self.provenance,
        )

    def plot(
        self,
        kind: str = "ipf",
        *,
        direction: Any = "z",
        at: Sequence[int] | None = None,
        threshold: float = 5.0,
        backend: str = "matplotlib",
    ) -> Any:
        """Draw the three planar sections, or the volume in three dimensions.

        Parameters
        ----------
        kind : str
            ``"ipf"``, ``"phase"``, ``"boundaries"`` (sides of points in the colour of their disorientation), or the
            name of a property.
        direction : {"x", "y", "z"} or sequence of float
            Sample direction of the IPF colours.
        at : sequence of int, optional
            Where the sections lie along z, y and x; by default in the middle.
        threshold : float, degrees
            Smallest disorientation of a boundary.
        backend : {"matplotlib", "cutaway", "pyvista"}
            Three sections; a picture in three dimensions whose near corner is cut away; or a window in which it can be
            turned, for which pyvista is needed: ``pip install pyvista``.

        Returns
        -------
        ndarray of matplotlib.axes.Axes, matplotlib.axes.Axes or pyvista.Plotter
            Axes of the sections normal to z, y and x, or of the picture; a plotter's ``show()`` opens a window.

        Raises
        ------
        ValueError
            If `kind`, `direction`, `at` or `backend` is unknown or out of range.
        ModuleNotFoundError
            If pyvista is asked for and not installed.

        Examples
        --------
        >>> import polyrve
        >>> volume = polyrve.data.load("truth").field
        >>> [axis.get_ylabel() for axis in volume.plot(direction="x")]
        ['y (µm)', 'z (µm)', 'z (µm)']
        """
        return _face.plot_volume(self, kind, direction, at, threshold, backend)

    def segment(self, threshold: float = 5.0, *, min_points: int = 1, fill: bool = False) -> GrainVolume:
        """Cut the volume into grains; see :func:`polyrve.segment`.

        Parameters
        ----------
        threshold : float, degrees
            Smallest disorientation of a boundary.
        min_points : int
            Grains with fewer points are given to their neighbours.
        fill : bool
            Whether points that are not indexed are given to grains.

        Returns
        -------
        GrainVolume

        Examples
        --------
        >>> import polyrve
        >>> polyrve.data.load("truth").field.segment(min_points=3).number_of_grains
        359
        """
        from polyrve.microstructure import segmentation

        return segmentation.segment(self, threshold, min_points=min_points, fill=fill)


def require_field(name: str, data: Any) -> OrientationMap | OrientationVolume:
    """Return a map or volume that a caller gives, after a check that it is one.

    Parameters
    ----------
    name : str
        Of the argument, for the error.
    data : object

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    ValueError
        If it is something else.
    """
    if not isinstance(data, (OrientationMap, OrientationVolume)):
        remedy = ": polyrve.read reads a file" if isinstance(data, (str, Path)) else ""
        raise ValueError(f"{name}: expected an orientation map or volume; got {type(data).__name__}{remedy}")
    return data


def _unchanging(values: Any, kind: type) -> np.ndarray:
    """The values, C-contiguous, themselves where neither they nor the array that owns their memory can be written."""
    owner = values.base if isinstance(values, np.ndarray) and values.base is not None else values
    read_only = isinstance(owner, np.ndarray) and owner.flags.owndata and not owner.flags.writeable
    if read_only and values.dtype == kind and values.flags.c_contiguous and not values.flags.writeable:
        return np.asarray(values)
    return np.array(values, dtype=kind, order="C")
