"""The analysis of a map: what all who use it need of it, formed once and handed on.

A run is prepared with one :class:`MapAnalysis` for each map. Input checks, the fit of Laguerre cells, the initial field
and the validation take it, so that a map is cut into grains once, however often its grains are asked for. Each part is
formed when it is first asked for and kept as long as the analysis lives; nothing else keeps it. A
:class:`VolumeAnalysis` is the same for a volume that is validated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, TypeVar, overload

import numpy as np

from polyrve.microstructure.cleaning import crop
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume, require_field
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD, bridge_holes, connect, neighbour_disorientation
from polyrve.microstructure.placed import Given, once, placed
from polyrve.microstructure.resampling import resample
from polyrve.microstructure.section_measures import SectionMeasures
from polyrve.microstructure.segmentation import labelled
from polyrve.microstructure.stereology import SPECK

_CENTRAL = 500
"""Points along a side of the central part of a map.

It holds some hundred grains wherever grains are resolved and the map is worth a run; the extent of grains is then known
to some per cent. A smaller part is less exact, a larger one takes longer.
"""

_Analysis = TypeVar("_Analysis", bound="FieldAnalysis")


@dataclass(frozen=True, eq=False)
class FieldAnalysis:
    """What :class:`MapAnalysis` and :class:`VolumeAnalysis` share.

    Attributes
    ----------
    field : OrientationMap or OrientationVolume
    threshold : float, degrees
        Smallest disorientation of a boundary.
    same_points : FieldAnalysis or None
        An analysis of the same points, with another threshold or another unit of length, whose neighbour angles hold.
    """

    field: OrientationField
    threshold: float = DEFAULT_THRESHOLD
    same_points: FieldAnalysis | None = None

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold < 180.0:
            raise ValueError(f"threshold: expected degrees between 0 and 180; got {self.threshold}")

    def __getstate__(self) -> dict[str, Any]:
        return {each.name: getattr(self, each.name) for each in fields(self)}

    @cached_property
    def angles(self) -> dict[int, np.ndarray]:
        """Disorientation of each point from the next, by array axis, shape (*field.shape), rad.

        See :func:`polyrve.microstructure.links.neighbour_disorientation`.
        """
        if self.same_points is not None:
            return self.same_points.angles
        return {axis: neighbour_disorientation(self.field, axis) for axis in range(len(self.field.shape))}

    @cached_property
    def grain_ids(self) -> np.ndarray:
        """Grains as :func:`polyrve.microstructure.segmentation.segment` cuts them, shape (*field.shape), int32."""
        links = {axis: angles <= np.deg2rad(self.threshold) for axis, angles in self.angles.items()}
        return connect(links, self.field.indexed)

    @cached_property
    def steps(self) -> dict[int, np.ndarray]:
        """The angles along lines that go on across small holes, by array axis from 1, shape (1, *field.shape), rad.

        The field is a stack of one section; see :func:`polyrve.microstructure.links.bridge_holes`.
        """
        field, angles = self.field, {axis + 1: values[None] for axis, values in self.angles.items()}
        q, ids = field.quaternions[None], field.phase_ids[None]
        return bridge_holes(angles, q, ids, field.phases, field.periodic, self.threshold)

    @cached_property
    def sections(self) -> SectionMeasures:
        """Grains, chords and boundaries of the field as one section, small holes bridged."""
        field = self.field
        return SectionMeasures.of_steps(self.steps, field.indexed[None], field.spacing, field.periodic, self.threshold)

    def with_threshold(self: _Analysis, threshold: float) -> _Analysis:
        """Return the analysis with another threshold; the angles between neighbours stay."""
        if threshold == self.threshold:
            return self
        return type(self)(self.field, threshold, self)


@dataclass(frozen=True, eq=False)
class MapAnalysis(FieldAnalysis):
    """The analysis of a map; made by :func:`analyse`, for several maps by :func:`analyse_all`.

    Attributes
    ----------
    field : OrientationMap
    threshold : float, degrees
        Smallest disorientation of a boundary.
    same_points : FieldAnalysis or None
        See :class:`FieldAnalysis`.
    """

    field: OrientationMap

    @cached_property
    def grains(self) -> GrainMap:
        """The grains with their phases and mean orientations."""
        return labelled(self.field, self.grain_ids)

    def at(self, spacing: Sequence[float]) -> MapAnalysis:
        """Return the analysis of the map at another point distance; see :mod:`polyrve.microstructure.resampling`.

        Parameters
        ----------
        spacing : sequence of float, um
            (dy, dx).

        Returns
        -------
        MapAnalysis
            Itself where the distances are the map's; else one that is kept, so that the map is resampled once.
        """
        steps = tuple(float(step) for step in spacing)
        if steps == self.field.spacing:
            return self
        if steps not in self._resampled:
            field = resample(self.field, steps)
            same = field.quaternions is self.field.quaternions and field.phase_ids is self.field.phase_ids
            self._resampled[steps] = MapAnalysis(field, self.threshold, self if same else None)
        return self._resampled[steps]

    @cached_property
    def _resampled(self) -> dict[tuple[float, ...], MapAnalysis]:
        return {}

    @cached_property
    def central(self) -> MapAnalysis:
        """The analysis of the middle 500 x 500 points, or itself for a smaller map.

        They tell the sizes of the grains well enough, and a large map is not analysed for them as a whole.
        """
        if max(self.field.shape) <= _CENTRAL:
            return self
        first = [max(0, (n - _CENTRAL) // 2) for n in self.field.shape]
        last = [min(a + _CENTRAL, n) for a, n in zip(first, self.field.shape, strict=True)]
        return MapAnalysis(crop(self.field, first, last), self.threshold)

    @cached_property
    def elongation(self) -> float:
        """Mean distance of boundaries along y over that along x in the central part; NaN where an axis has none."""
        rates = []
        for axis, step in enumerate(self.field.spacing):
            angles = self.central.angles[axis]
            angles = angles[~np.isnan(angles)]
            rates.append((angles > np.deg2rad(self.threshold)).mean() / step if len(angles) else 0.0)
        return float(rates[1] / rates[0]) if min(rates) > 0.0 else math.nan

    @cached_property
    def mean_grain_area(self) -> float:
        """Mean area of the grains of the central part, um^2, specks left out; NaN where it has none.

        Grains that the edges cut count as halves.
        """
        field, ids = self.central.field, self.central.grain_ids
        grains = np.bincount(ids.ravel(), minlength=1) > SPECK
        grains[0] = False
        edge = np.unique(np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]]))
        cut = 0 if field.periodic else grains[edge].sum()
        number = grains.sum() - 0.5 * cut
        return float(field.indexed.sum() * math.prod(field.spacing) / number) if number else math.nan


@dataclass(frozen=True, eq=False)
class VolumeAnalysis(FieldAnalysis):
    """The analysis of a volume; made by :func:`analyse`.

    Attributes
    ----------
    field : OrientationVolume
    threshold : float, degrees
        Smallest disorientation of a boundary.
    same_points : FieldAnalysis or None
        See :class:`FieldAnalysis`.
    """

    field: OrientationVolume

    @cached_property
    def grains(self) -> GrainVolume:
        """The grains with their phases and mean orientations: those that came in, where the threshold is theirs."""
        return labelled(self.field, self.grain_ids)


@overload
def analyse(field: OrientationMap | GrainMap | MapAnalysis, threshold: float = ...) -> MapAnalysis: ...


@overload
def analyse(field: OrientationVolume | GrainVolume | VolumeAnalysis, threshold: float = ...) -> VolumeAnalysis: ...


@overload
def analyse(field: OrientationField | FieldAnalysis, threshold: float = ...) -> FieldAnalysis: ...


def analyse(field: Any, threshold: float = DEFAULT_THRESHOLD) -> FieldAnalysis:
    """Begin the analysis of a map or volume; nothing is computed before it is asked for.

    Parameters
    ----------
    field : OrientationMap, OrientationVolume, GrainMap, GrainVolume or an analysis of one
        Grains that were cut with the same threshold are taken as they are; ``field.provenance["segmentation"]`` says
        so. An analysis is returned as it is, or with another threshold, its neighbour angles kept.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    MapAnalysis or VolumeAnalysis

    Raises
    ------
    ValueError
        If it is neither a map nor a volume, or the threshold is not between 0 and 180 degrees.

    See Also
    --------
    analyse_all : Several maps, each analysed once.
    polyrve.microstructure.segmentation.segment : The grains alone, small ones given to their neighbours on request.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> scan = simulate_scan(make_specimen((8, 40, 48), grain_size=8.0, seed=1), seed=1)
    >>> found = analyse(scan)
    >>> found.grain_ids.shape, found.grains.number_of_grains == int(found.grain_ids.max())
    ((40, 48), True)
    >>> round(found.elongation, 1)
    1.0
    """
    if isinstance(field, FieldAnalysis):
        return field.with_threshold(threshold)
    grains = field if isinstance(field, (GrainMap, GrainVolume)) else None
    whole = require_field("field", field.field if isinstance(field, (GrainMap, GrainVolume)) else field)
    found = MapAnalysis(whole, threshold) if isinstance(whole, OrientationMap) else VolumeAnalysis(whole, threshold)
    if grains is not None and _cut_with(grains, threshold):
        vars(found).update(grains=grains, grain_ids=grains.grain_ids)
    return found


def _cut_with(grains: GrainMap | GrainVolume, threshold: float) -> bool:
    """Whether grains were cut with a threshold, as their record says."""
    record = grains.field.provenance.get("segmentation")
    return isinstance(record, Mapping) and record.get("threshold_degrees") == float(threshold)


def analyse_all(
    maps: Given[OrientationMap | MapAnalysis], threshold: float = DEFAULT_THRESHOLD
) -> dict[int, tuple[MapAnalysis, ...]]:
    """Begin the analysis of maps, one for each map, however many normals it stands for.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to, in one sample frame, as from
        :func:`polyrve.microstructure.map_placement.by_normal`.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    dict of int to tuple of MapAnalysis
        Analyses that are given are handed on.

    See Also
    --------
    polyrve.microstructure.map_placement.analyse_maps : From maps as a user gives them.
    """
    return once(lambda one: analyse(one, threshold), placed(maps))
