"""Orientation maps and volumes: what every reader returns and every writer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, TypeVar

import numpy as np

from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.axes import in_plane

_Field = TypeVar("_Field", bound="OrientationField")
_IDENTITY = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, eq=False)
class OrientationField:
    """A regular grid of orientations; see :class:`OrientationMap` and :class:`OrientationVolume`.

    Quaternions and phase ids are copied, unless they are read-only, as those of another field are.

    Attributes
    ----------
    quaternions : ndarray, shape (*shape, 4), float64
        Unit quaternions, scalar first, passive, sample to crystal (:mod:`polyrve.crystallography.rotation`), in the map frame.
        Points that are not indexed hold the identity.
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
        """A copy with some attributes replaced, validated again."""
        return replace(self, **changes)


@dataclass(frozen=True, eq=False)
class OrientationMap(OrientationField):
    """A planar orientation map, array axes (y, x); attributes as in :class:`OrientationField`."""

    _ndim: ClassVar[int] = 2


@dataclass(frozen=True, eq=False)
class OrientationVolume(OrientationField):
    """An orientation volume, array axes (z, y, x); attributes as in :class:`OrientationField`."""

    _ndim: ClassVar[int] = 3

    def section(self, axis: int, index: int) -> OrientationMap:
        """The planar section normal to an array axis.

        The remaining axes keep their order (:mod:`polyrve.microstructure.axes`). The orientations stay in the volume's
        sample frame.

        Parameters
        ----------
        axis : int
            0 for z, 1 for y, 2 for x.
        index : int
            Position along that axis.

        Returns
        -------
        OrientationMap
        """
        return OrientationMap(
            quaternions=np.take(self.quaternions, index, axis=axis),
            phase_ids=np.take(self.phase_ids, index, axis=axis),
            phases=self.phases,
            spacing=tuple(self.spacing[i] for i in in_plane(axis)),
            origin=tuple(self.origin[i] for i in in_plane(axis)),
            frame=self.frame,
            periodic=self.periodic,
            properties={name: np.take(values, index, axis=axis) for name, values in self.properties.items()},
            provenance=self.provenance,
        )


def _unchanging(values: Any, kind: type) -> np.ndarray:
    """The values, C-contiguous, themselves where neither they nor the array that owns their memory can be written."""
    owner = values.base if isinstance(values, np.ndarray) and values.base is not None else values
    read_only = isinstance(owner, np.ndarray) and owner.flags.owndata and not owner.flags.writeable
    if read_only and values.dtype == kind and values.flags.c_contiguous and not values.flags.writeable:
        return np.asarray(values)
    return np.array(values, dtype=kind, order="C")
