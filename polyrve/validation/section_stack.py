"""A stack of sections and what is measured on it: the numbers behind the metrics of :mod:`polyrve.validation.run`.

A :class:`SectionStack` is a stack of parallel sections, a single map, a window of a map or a whole volume. The same
estimators serve all of them: a field that is not periodic is treated as a window of something larger, so pairs are
counted within it, and grains and chords that its border cuts are left out (:mod:`polyrve.microstructure.stereology`).
Grains and chords are those of :class:`polyrve.microstructure.section_measures.SectionMeasures`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.boundary_geometry import (
    Surfaces,
    TriplePoints,
    elongation,
    spurs,
    straight_runs,
    surfaces,
    triple_points,
)
from polyrve.microstructure.boundary_relations import BoundaryRelations
from polyrve.microstructure.copies import repeated_triples
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grain_properties import mean_of_links
from polyrve.microstructure.grains import GrainMap, mean_orientations
from polyrve.microstructure.links import bridge_holes
from polyrve.microstructure.map_analysis import FieldAnalysis
from polyrve.microstructure.section_measures import SectionMeasures, in_one_stack
from polyrve.microstructure.stereology import SPECK, Chords, GrainShapes
from polyrve.validation.bands import boundary_spread, channel_spread
from polyrve.validation.correlations import madogram, two_point
from polyrve.validation.plate_statistics import SectionPlates, section_plates
from polyrve.validation.pooled_orientations import PooledOrientations

RARE = 0.02
"""A phase of a smaller share has no correlations worth comparing.

In a section of 64 x 64 points it has 80, in a few grains. A larger share leaves phases of a tenth out, a smaller one
lets errors of single grains decide.
"""

_PLATE_SECTIONS = 8
"""Sections of a stack on which plates are measured, evenly spaced: neighbouring sections show the same plates."""


@dataclass(frozen=True, eq=False)
class GrainTable(GrainShapes):
    """Grains of sections that the border does not cut; each row is a grain.

    Attributes
    ----------
    points, size, aspect_ratio, weight
        As in :class:`polyrve.microstructure.stereology.GrainShapes`.
    spread : ndarray, shape (N,), degrees
        GOS: mean disorientation of the points from the grain's mean orientation.
    phase : ndarray, shape (N,), int
        Number of the phase, from 1.
    number : ndarray, shape (N,), int
        Number of the grain in :attr:`SectionStack.grain_ids`.
    """

    spread: np.ndarray
    phase: np.ndarray
    number: np.ndarray

    def of_phase(self, phase: int) -> GrainTable:
        """Return the grains of a phase, numbered from 1."""
        kept = self.phase == phase
        return GrainTable(**{each.name: getattr(self, each.name)[kept] for each in fields(self)})


@dataclass(frozen=True, eq=False)
class SectionStack(PooledOrientations):
    """A stack of sections and what is measured on it.

    Attributes
    ----------
    quaternions : ndarray, shape (m, *shape, 4)
        m sections.
    phase_ids : ndarray, shape (m, *shape), int32
    phases, threshold, bins, bin_ids
        As in :class:`PooledOrientations`.
    spacing : tuple of float, um
        One for each axis of ``shape``.
    periodic : bool
    angles : mapping of int to ndarray, shape (m, *shape), rad
        Disorientation from the next point along array axes 1 ..., as in
        :func:`polyrve.microstructure.links.neighbour_disorientation`.
    channels : ndarray, shape (C, m, *shape), float32
        Symmetrized harmonics of each phase in turn; 0 in other phases.
    analysis : FieldAnalysis or None
        Of the map or volume, where the stack is the whole of it.
    parts : tuple of SectionStack
        The maps that the stack was put together from by :func:`polyrve.validation.stacks.together`, of any size; empty
        for one map.
    related : BoundaryRelations or None
        Special relations of the boundaries; None where none are asked for.
    plated : tuple of Relation
        Those of the relations whose boundaries lie along the traces of their habit planes.
    normal : int
        Array axis of the volume that the sections are normal to.
    """

    spacing: tuple[float, ...]
    periodic: bool
    angles: dict[int, np.ndarray]
    channels: np.ndarray
    analysis: FieldAnalysis | None = None
    related: BoundaryRelations | None = None
    plated: tuple[Relation, ...] = ()
    normal: int = 0
    parts: tuple[SectionStack, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along the axes of one section."""
        return self.phase_ids.shape[1:]

    @property
    def maps(self) -> tuple[SectionStack, ...]:
        """The maps that the stack was put together from; itself where it is one."""
        return self.parts or (self,)

    @cached_property
    def points(self) -> int:
        """Number of points, of maps of several sizes those within each."""
        return sum(part.points for part in self.parts) or self.phase_ids.size

    def as_map(self) -> OrientationMap:
        """Return the first section as a map."""
        return OrientationMap(self.quaternions[0], self.phase_ids[0], self.phases, self.spacing, periodic=self.periodic)

    def window(self, corner: tuple[int, ...], shape: tuple[int, ...]) -> SectionStack:
        """Cut a window out of the sections.

        Holes are bridged anew within it, as in a map of its size.

        Parameters
        ----------
        corner, shape : tuple of int
            First point and number of points along each axis of a section.

        Returns
        -------
        SectionStack
            Not periodic.
        """
        cut: tuple[slice, ...] = (slice(None), *(slice(a, a + n) for a, n in zip(corner, shape, strict=True)))

        def ended(values: np.ndarray, axis: int) -> np.ndarray:
            values = values[cut].copy()
            values[(slice(None),) * axis + (-1,)] = np.nan if values.dtype.kind == "f" else 0
            return values

        return SectionStack(
            quaternions=self.quaternions[cut],
            phase_ids=self.phase_ids[cut],
            phases=self.phases,
            threshold=self.threshold,
            bins=self.bins,
            bin_ids=self.bin_ids[cut],
            spacing=self.spacing,
            periodic=False,
            angles={axis: ended(values, axis) for axis, values in self.angles.items()},
            channels=np.stack([channel[cut] for channel in self.channels]),
            related=None if self.related is None else self.related.cut(ended),
            plated=self.plated,
            normal=self.normal,
        )

    @cached_property
    def main_channels(self) -> np.ndarray:
        """Channels of the phases that are not rare, shape (C,), bool."""
        share = np.bincount(self.phase_ids.ravel(), minlength=len(self.phases) + 1)[1:] / self.points
        counts = [symmetrized_harmonics(phase.laue).count for phase in self.phases]
        return np.repeat(share >= RARE, counts)

    @cached_property
    def channel_scale(self) -> np.ndarray:
        """Root mean square of each channel over the indexed points, shape (C,), float64."""
        values = self.channels[:, self.phase_ids > 0]
        return np.sqrt(np.mean(values.astype(np.float64) ** 2, axis=1))

    @cached_property
    def neighbour_angles(self) -> np.ndarray:
        """Disorientation of all neighbouring points, shape (n,), degrees; infinite between phases."""
        pooled = np.concatenate([values.ravel() for values in self.angles.values()])
        return np.rad2deg(pooled[~np.isnan(pooled)])

    @cached_property
    def steps(self) -> dict[int, np.ndarray]:
        """The angles along lines that go on across small holes (:func:`polyrve.microstructure.links.bridge_holes`)."""
        if self.analysis is not None:
            return self.analysis.steps
        if self.parts:
            return {axis: in_one_stack([part.steps[axis] for part in self.parts], np.nan) for axis in self.angles}
        return bridge_holes(self.angles, self.quaternions, self.phase_ids, self.phases, self.periodic, self.threshold)

    def boundary_share(self, threshold: float) -> float:
        """Return the share of the steps that cross a boundary above a threshold in degrees; NaN without steps."""
        pooled = np.concatenate([values[~np.isnan(values)] for values in self.steps.values()])
        return float((pooled > np.deg2rad(threshold)).mean()) if len(pooled) else np.nan

    @cached_property
    def boundary_per_size(self) -> float:
        """Boundary length per area (or area per volume), 1/um, of boundaries above the threshold.

        Crofton's formula from the crossings along the axes, exact for boundaries without preferred direction.
        """
        crossings = 0.0
        for axis, values in self.steps.items():
            known = ~np.isnan(values)
            if not known.any():
                return np.nan
            crossings += (values[known] > np.deg2rad(self.threshold)).mean() / self.spacing[axis - 1]
        return float(crossings * (np.pi / 4.0 if len(self.shape) == 2 else 2.0 / 3.0))

    @cached_property
    def kernel_average(self) -> np.ndarray:
        """KAM of the points, shape (n,), degrees."""
        values = mean_of_links(self.angles, self.threshold)
        return values[np.isfinite(values)]

    @cached_property
    def measures(self) -> SectionMeasures:
        """Grains, chords and boundaries, small holes bridged."""
        if self.analysis is not None:
            return self.analysis.sections
        if self.parts:
            return SectionMeasures.together([part.measures for part in self.parts])
        return SectionMeasures.of_steps(self.steps, self.phase_ids > 0, self.spacing, self.periodic, self.threshold)

    @property
    def grain_ids(self) -> np.ndarray:
        """Grains of each section, shape (m, *shape), int32."""
        return self.measures.grain_ids

    @property
    def chords(self) -> list[Chords]:
        """Lengths in um and weights of the chords between boundaries, along each axis of a section."""
        return self.measures.chords

    @property
    def speck_share(self) -> float:
        """Share of the indexed points in grains of one or two points."""
        return self.measures.speck_share

    @cached_property
    def grains(self) -> GrainTable:
        """Grains that the border does not cut."""
        ids, shapes = self.grain_ids, self.measures.shapes
        inside = ids > 0
        grain_phases, mean = self.grain_orientations
        number, q = len(grain_phases), self.quaternions[inside]
        total = np.zeros(number)
        for phase_id, phase in enumerate(self.phases, start=1):
            of_phase = self.phase_ids[inside] == phase_id
            of_grain = ids[inside][of_phase] - 1
            angle = rotation.disorientation_angle(q[of_phase], mean[of_grain], phase.symmetry)
            total += np.bincount(of_grain, angle, minlength=number)
        kept = shapes.weight > 0
        return GrainTable(
            points=shapes.points[kept],
            size=shapes.size[kept],
            aspect_ratio=shapes.aspect_ratio[kept],
            weight=shapes.weight[kept],
            spread=np.rad2deg(total[kept] / shapes.points[kept]),
            phase=grain_phases[kept],
            number=np.flatnonzero(kept) + 1,
        )

    @cached_property
    def grain_orientations(self) -> tuple[np.ndarray, np.ndarray]:
        """Phase and mean orientation of each grain, shape (N,) and (N, 4); also of grains that the border cuts."""
        inside = self.grain_ids > 0
        ids = self.grain_ids[inside]
        grain_phases = np.zeros(len(self.measures.shapes.points), dtype=np.int64)
        grain_phases[ids - 1] = self.phase_ids[inside]
        return grain_phases, mean_orientations(self.quaternions[inside], ids, grain_phases, self.phases)

    @cached_property
    def plates(self) -> SectionPlates:
        """Plates and parents on some of the sections, which have two axes."""
        number = len(self.phase_ids)
        chosen = np.unique(np.linspace(0, number, min(number, _PLATE_SECTIONS), endpoint=False).astype(int))
        grain_phases, mean = self.grain_orientations
        sections, weights = [], []
        for i in chosen:
            used, ids = np.unique(self.grain_ids[i], return_inverse=True)
            rows = used[used > 0] - 1
            field = OrientationMap(
                self.quaternions[i], self.phase_ids[i], self.phases, self.spacing, periodic=self.periodic
            )
            ids = ids.reshape(self.shape) + (used[0] > 0)
            sections.append(GrainMap(field, ids.astype(np.int32), mean[rows], grain_phases[rows]))
            weights.append(self.measures.shapes.weight[rows])
        return section_plates(sections, weights, self.plated, self.normal)

    @cached_property
    def boundary(self) -> dict[int, np.ndarray]:
        """Whether a boundary lies between a point and the next along each axis, small holes bridged."""
        return {axis: self.measures.known[axis] & ~joined for axis, joined in self.measures.joined.items()}

    @cached_property
    def straight_runs(self) -> Chords:
        """Numbers of steps and weights of the straight runs of boundaries."""
        if self.parts:
            lengths, weights = zip(*(part.straight_runs for part in self.parts), strict=True)
            return np.concatenate(lengths), np.concatenate(weights)
        return straight_runs(self.boundary, self.periodic)

    @cached_property
    def spurs(self) -> float:
        """Points that stick out of boundaries, per step of these; NaN without boundaries."""
        return spurs(self.boundary)

    @cached_property
    def triple_points(self) -> TriplePoints:
        """Places where three grains meet in a plane of two axes."""
        return triple_points(self.grain_ids, self.periodic)

    @cached_property
    def triples_per_size(self) -> float:
        """Triple points per area, 1/um^2; or length of triple lines per volume, of lines without preferred direction.

        Steps along the axes are 3/2 as long as a line of any direction on average.
        """
        size = int((self.phase_ids > 0).sum()) * float(np.prod(self.spacing))
        if len(self.shape) == 2:
            return len(self.triple_points.grains) / size if size else np.nan
        normal = 6 - self.triple_points.plane.sum(axis=1)
        length = float(np.array(self.spacing)[normal - 1].sum())
        return float(2.0 / 3.0 * length / size) if size else np.nan

    @cached_property
    def elongation(self) -> np.ndarray:
        """See :func:`polyrve.microstructure.boundary_geometry.elongation`."""
        return elongation(self.grain_ids, self.periodic)

    @cached_property
    def surfaces(self) -> Surfaces:
        """Surfaces and neighbours of the grains."""
        return surfaces(self.grain_ids, self.spacing, self.periodic)

    @cached_property
    def contacts(self) -> np.ndarray:
        """Steps of boundaries by the phases that meet, shape (p, p), int64; the lower phase first."""
        number = len(self.phases)
        counts = np.zeros((number + 1) ** 2, dtype=np.int64)
        for axis, values in self.angles.items():
            boundary = values > np.deg2rad(self.threshold)
            here, there = self.phase_ids[boundary], np.roll(self.phase_ids, -1, axis=axis)[boundary]
            low, high = np.minimum(here, there), np.maximum(here, there)
            counts += np.bincount(low * (number + 1) + high, minlength=len(counts))
        return counts.reshape(number + 1, number + 1)[1:, 1:]

    def boundary_angles_within(self, phase: int) -> np.ndarray:
        """Return the disorientations of the boundaries within a phase, from 1, shape (n,), degrees."""
        parts = []
        for values in self.angles.values():
            inside = (values > np.deg2rad(self.threshold)) & np.isfinite(values) & (self.phase_ids == phase)
            parts.append(np.rad2deg(values[inside]))
        return np.concatenate(parts)

    @cached_property
    def boundary_spread_of_bands(self) -> float:
        """See :func:`polyrve.validation.bands.boundary_spread`."""
        return boundary_spread([(part.boundary, part.measures.known) for part in self.maps])

    @cached_property
    def channel_spread_of_bands(self) -> float:
        """See :func:`polyrve.validation.bands.channel_spread`."""
        return channel_spread([(part.channels, part.phase_ids) for part in self.maps], len(self.phases))

    @cached_property
    def repeated_share(self) -> float:
        """Share of the triples of grains that meet again in their section; NaN where no three grains meet."""
        triples = np.unique(self.triple_points.grains, axis=0) - 1
        if not len(triples):
            return np.nan
        phases, quaternions = self.grain_orientations
        section = np.zeros(len(phases), dtype=np.int64)
        inside = self.grain_ids > 0
        section[self.grain_ids[inside] - 1] = np.nonzero(inside)[0]
        return float(repeated_triples(triples, section, quaternions, phases, self.phases).mean())

    @cached_property
    def grains_per_size(self) -> float:
        """Grains, specks left out, per area or volume, 1/um^d."""
        grains = self.grains
        size = (self.phase_ids > 0).sum() * float(np.prod(self.spacing))
        return float(grains.weight[grains.points > SPECK].sum() / size) if size else np.nan

    @cached_property
    def _kept(self) -> dict[tuple[str, int], np.ndarray]:
        return {}

    def madogram(self, reach: int) -> np.ndarray:
        """See :func:`polyrve.validation.correlations.madogram`."""
        if ("madogram", reach) not in self._kept:
            self._kept["madogram", reach] = madogram(self.channels, self.phase_ids, self.phases, reach, self.periodic)
        return self._kept["madogram", reach]

    def two_point(self, reach: int) -> np.ndarray:
        """See :func:`polyrve.validation.correlations.two_point`."""
        if ("two_point", reach) not in self._kept:
            self._kept["two_point", reach] = two_point(self.channels, self.phase_ids, reach, self.periodic)
        return self._kept["two_point", reach]
