"""What is measured on planar sections: the numbers behind the metrics of :mod:`polyrve.validation.run`.

A :class:`SectionStack` is a stack of parallel sections, a single map, a window of a map or a whole volume. The same
estimators serve all of them: a field that is not periodic is treated as a window of something larger, so pairs are
counted within it, and grains and chords that its border cuts are left out (:mod:`polyrve.microstructure.stereology`).
Grains and chords are those of :class:`polyrve.microstructure.section_measures.SectionMeasures`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from scipy import fft

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.odf import OdfBins, odf_bins
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.boundary_geometry import (
    Surfaces,
    TriplePoints,
    elongation,
    spurs,
    straight_runs,
    surfaces,
    triple_points,
)
from polyrve.microstructure.boundary_relations import BoundaryRelations, relate
from polyrve.microstructure.copies import repeated_triples
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import mean_of_links
from polyrve.microstructure.grains import mean_orientations
from polyrve.microstructure.lags import half_space
from polyrve.microstructure.links import bridge_holes
from polyrve.microstructure.map_analysis import FieldAnalysis, MapAnalysis, VolumeAnalysis, analyse
from polyrve.microstructure.section_measures import SectionMeasures, in_one_stack
from polyrve.microstructure.stereology import SPECK, Chords, GrainShapes

RARE = 0.02
"""A phase of a smaller share has no correlations worth comparing.

In a section of 64 x 64 points it has 80, in a few grains. A larger share leaves phases of a tenth out, a smaller one
lets errors of single grains decide.
"""

_MOST_TEXTURE_POINTS = 150_000
"""Points of a texture, evenly chosen from larger fields; the error of a mass of 1 % is then 2.5 % of it.

More points take longer in proportion, and neighbours within a grain add little.
"""

_RANDOM_PAIRS = 20_000
"""Pairs of points drawn at random; the share of a bin of the histogram is then known to 0.35 % at worst."""

_BANDS = 4
"""Bands of a section that are told from each other; of more, each holds few grains, of two only a slope is seen."""


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
class PooledOrientations:
    """Points without regard to where they lie, and what is measured on them: the one-point statistics.

    Attributes
    ----------
    quaternions : ndarray, shape (*points, 4)
    phase_ids : ndarray, shape (*points,), int32
    phases : tuple of Phase
    threshold : float, degrees
        Of grain boundaries.
    bins : tuple of OdfBins
        For each phase.
    bin_ids : ndarray, shape (*points,), int64
        ODF bin of each point among those of its phase; -1 where not indexed or left out to save time.
    """

    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    threshold: float
    bins: tuple[OdfBins, ...]
    bin_ids: np.ndarray

    @cached_property
    def random_angles(self) -> np.ndarray:
        """Disorientation of points drawn at random, shape (n,), degrees; infinite between phases."""
        rng = np.random.default_rng(0)
        inside = np.flatnonzero(self.phase_ids.ravel())
        if not len(inside):
            return np.zeros(0)
        first, second = rng.choice(inside, (2, _RANDOM_PAIRS))
        q, ids = self.quaternions.reshape(-1, 4), self.phase_ids.ravel()
        angles = np.full(len(first), np.inf)
        for phase_id, phase in enumerate(self.phases, start=1):
            pairs = (ids[first] == phase_id) & (ids[second] == phase_id)
            angles[pairs] = rotation.disorientation_angle(q[first[pairs]], q[second[pairs]], phase.symmetry)
        return np.rad2deg(angles)

    @cached_property
    def phase_shares(self) -> np.ndarray:
        """Share of each phase of the indexed points, shape (number of phases,)."""
        counts = np.bincount(self.phase_ids.ravel(), minlength=len(self.phases) + 1)[1:]
        return counts / max(counts.sum(), 1)

    def _bin_weights(self) -> Iterator[tuple[OdfBins, np.ndarray]]:
        total = max(int((self.bin_ids >= 0).sum()), 1)
        for phase_id, bins in enumerate(self.bins, start=1):
            of_phase = self.bin_ids[(self.phase_ids == phase_id) & (self.bin_ids >= 0)]
            yield bins, np.bincount(of_phase, minlength=len(bins.centres)) / total

    def odf(self, halfwidth: float = 5.0) -> np.ndarray:
        """Masses of phases and orientations, one after the other, sum 1; see :mod:`polyrve.crystallography.odf`."""
        return np.concatenate([bins.odf(weights, halfwidth) for bins, weights in self._bin_weights()])

    @cached_property
    def odf_5(self) -> np.ndarray:
        """The distribution with a kernel of 5 degrees."""
        return self.odf(5.0)

    @cached_property
    def odf_7(self) -> np.ndarray:
        """The distribution with a kernel of 7.5 degrees."""
        return self.odf(7.5)

    @cached_property
    def texture_index(self) -> float:
        """Mean square of the orientation density with a kernel of 5 degrees, weighted by the phases' shares."""
        index = 0.0
        for bins, weights in self._bin_weights():
            masses = bins.odf(weights, 5.0)
            if masses.sum() > 0:
                index += float((masses**2).sum() * len(masses) / masses.sum())
        return index

    @cached_property
    def pole_figures(self) -> list[dict[str, np.ndarray]]:
        """Masses of the pole figures of each phase; each adds up to the share of the phase."""
        return [bins.poles(weights) for bins, weights in self._bin_weights()]


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
        The maps that the stack was put together from by :func:`together`, of any size; empty for one map.
    related : BoundaryRelations or None
        Special relations of the boundaries; None where none are asked for.
    """

    spacing: tuple[float, ...]
    periodic: bool
    angles: dict[int, np.ndarray]
    channels: np.ndarray
    analysis: FieldAnalysis | None = None
    related: BoundaryRelations | None = None
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
        """Standard deviation over the mean of the share of boundaries in four bands, along the worse axis."""
        worst = 0.0
        for along in range(1, len(self.shape) + 1):
            crossed, known = (
                sum(_of_bands(values, along) for part in self.maps for values in part.links[name].values())
                for name in ("boundary", "known")
            )
            shares = crossed / np.maximum(known, 1)
            worst = max(worst, float(shares.std() / shares.mean())) if shares.any() else np.nan
        return worst

    @cached_property
    def channel_spread_of_bands(self) -> float:
        """Root mean square deviation of the mean harmonics and phases of four bands, along the worse axis.

        Relative to the root mean square of the harmonics.
        """
        if not (self.phase_ids > 0).any():
            return np.nan
        parts = [part.seen for part in self.maps]
        number_indexed = sum(np.count_nonzero(indexed) for indexed, _ in parts)
        squares = sum((channels[:, indexed].astype(np.float64) ** 2).sum(axis=1) for indexed, channels in parts)
        scale = float((squares / number_indexed).sum())
        worst = 0.0
        for along in range(1, len(self.shape) + 1):
            number = np.maximum(sum(_of_bands(indexed, along) for indexed, _ in parts), 1)
            sums = sum(np.stack([_of_bands(channel, along) for channel in channels]) for _, channels in parts)
            means = sums / number
            worst = max(worst, float(np.sqrt(means.var(axis=1).sum() / scale)))
        return worst

    @property
    def links(self) -> dict[str, Mapping[int, np.ndarray]]:
        """Known links between neighbours along each axis, and those of them that cross a boundary."""
        return {"boundary": self.boundary, "known": self.measures.known}

    @property
    def seen(self) -> tuple[np.ndarray, np.ndarray]:
        """Which points are indexed, and their harmonics and phases, shape (K, m, *shape)."""
        of_phases = [(self.phase_ids == number + 1).astype(np.float32) for number in range(len(self.phases))]
        return self.phase_ids > 0, np.concatenate([self.channels, np.stack(of_phases)])

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
        """Return the first-order variogram of the harmonics at all lags up to a largest one.

        Parameters
        ----------
        reach : int
            Largest lag along each axis, points.

        Returns
        -------
        ndarray, shape (number of lags, C), float64
            ``1/2 <abs(f_c(x) - f_c(x + r))>`` over pairs of one phase, for the lags of :func:`half_space`; NaN where
            no pair.
        """
        if ("madogram", reach) not in self._kept:
            self._kept["madogram", reach] = self._madogram(reach)
        return self._kept["madogram", reach]

    def _madogram(self, reach: int) -> np.ndarray:
        values = []
        start = 0
        for phase_id, phase in enumerate(self.phases, start=1):
            count = symmetrized_harmonics(phase.laue).count
            f = self.channels[start : start + count]
            start += count
            inside = self.phase_ids == phase_id
            everywhere = bool(inside.all())
            rows = []
            for lag in half_space(len(self.shape), reach):
                a, b = self._pair(f, lag)
                difference = np.abs(a - b)
                axes = tuple(range(1, difference.ndim))
                if everywhere:
                    rows.append(difference.mean(axis=axes, dtype=np.float64) / 2.0)
                    continue
                both = np.logical_and(*self._pair(inside[None], lag))
                pairs = both.sum()
                total = np.where(both, difference, 0.0).sum(axis=axes, dtype=np.float64)
                rows.append(total / pairs / 2.0 if pairs else np.full(count, np.nan))
            values.append(np.array(rows))
        return np.concatenate(values, axis=1)

    def _pair(self, values: np.ndarray, lag: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return values, axes (c, m, *shape), at the two ends of a lag."""
        axes = tuple(range(2, values.ndim))
        if self.periodic:
            return values, np.roll(values, tuple(-step for step in lag), axis=axes)
        tail: list[slice] = [slice(None)] * 2
        head: list[slice] = [slice(None)] * 2
        for step, n in zip(lag, self.shape, strict=True):
            tail.append(slice(max(0, -step), n - max(0, step)))
            head.append(slice(max(0, step), n + min(0, step)))
        return values[tuple(tail)], values[tuple(head)]

    def two_point(self, reach: int) -> np.ndarray:
        """Return the two-point correlations of all pairs of harmonics at all lags up to a largest one.

        Parameters
        ----------
        reach : int
            Largest lag along each axis, points.

        Returns
        -------
        ndarray, shape (number of lags, C, C), float64
            ``<f_c(x) f_d(x + r)>`` over indexed points, for the lags of :func:`half_space`.
        """
        if ("two_point", reach) not in self._kept:
            self._kept["two_point", reach] = self._two_point(reach)
        return self._kept["two_point", reach]

    def _two_point(self, reach: int) -> np.ndarray:
        d = len(self.shape)
        axes = tuple(range(-d, 0))
        size = self.shape if self.periodic else tuple(fft.next_fast_len(n + reach, real=True) for n in self.shape)
        count = len(self.channels)
        products = np.zeros((count, count, *size[:-1], size[-1] // 2 + 1), dtype=np.complex128)
        pairs = np.zeros(products.shape[2:])
        for section in range(len(self.phase_ids)):
            spectrum = fft.rfftn(self.channels[:, section].astype(np.float64), size, axes=axes)
            products += spectrum.conj()[:, None] * spectrum[None]
            mask = fft.rfftn((self.phase_ids[section] > 0).astype(np.float64), size, axes=axes)
            pairs += np.abs(mask) ** 2
        at = tuple(np.array(half_space(d, reach)).T)
        correlation = np.moveaxis(fft.irfftn(products, size, axes=axes), (0, 1), (-2, -1))[at]
        number = fft.irfftn(pairs, size, axes=axes)[at]
        return correlation / np.maximum(number, 0.5)[:, None, None]


def _of_bands(values: np.ndarray, along: int) -> np.ndarray:
    """Sums over the bands across an axis, shape (4,), float64."""
    profile = values.sum(axis=tuple(axis for axis in range(values.ndim) if axis != along), dtype=np.float64)
    return np.array([band.sum() for band in np.array_split(profile, _BANDS)])


def _channels(quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]) -> np.ndarray:
    parts = []
    for phase_id, phase in enumerate(phases, start=1):
        harmonics = symmetrized_harmonics(phase.laue)
        of_phase = phase_ids == phase_id
        values = np.zeros((harmonics.count, *phase_ids.shape), dtype=np.float32)
        if of_phase.any():
            values[:, of_phase] = harmonics.evaluate(quaternions[of_phase])
        parts.append(values)
    return np.concatenate(parts)


def _sorted_into_bins(
    quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]
) -> tuple[tuple[OdfBins, ...], np.ndarray]:
    bin_ids = np.full(phase_ids.size, -1, dtype=np.int64)
    step = -(-phase_ids.size // _MOST_TEXTURE_POINTS)
    step += 1 if step > 1 and step % 2 == 0 else 0
    chosen = np.zeros(phase_ids.size, dtype=bool)
    chosen[::step] = True
    flat, ids = quaternions.reshape(-1, 4), phase_ids.ravel()
    bins = []
    for phase_id, phase in enumerate(phases, start=1):
        of_phase = (ids == phase_id) & chosen
        bins.append(odf_bins(flat[of_phase], phase.laue))
        bin_ids[of_phase] = bins[-1].of_point
    return tuple(bins), bin_ids.reshape(phase_ids.shape)


def stack_of(
    field: OrientationField | FieldAnalysis, threshold: float, relations: Sequence[Relation] = ()
) -> SectionStack:
    """Take a map, or a whole volume, as a stack of one section.

    Parameters
    ----------
    field : OrientationMap, OrientationVolume or the analysis of one
    threshold : float, degrees
        Smallest disorientation of a boundary.
    relations : sequence of Relation
        Special relations that its boundaries are tested for.

    Returns
    -------
    SectionStack

    See Also
    --------
    section_stacks : The planar sections of a volume.
    """
    analysis = analyse(field, threshold)
    field = analysis.field
    bins, bin_ids = _sorted_into_bins(field.quaternions, field.phase_ids, field.phases)
    angles = {axis + 1: values[None] for axis, values in analysis.angles.items()}
    q, ids = field.quaternions[None], field.phase_ids[None]
    return SectionStack(
        quaternions=field.quaternions[None],
        phase_ids=field.phase_ids[None],
        phases=field.phases,
        spacing=field.spacing,
        periodic=field.periodic,
        threshold=threshold,
        angles=angles,
        channels=_channels(field.quaternions, field.phase_ids, field.phases)[:, None],
        bins=bins,
        bin_ids=bin_ids[None],
        analysis=analysis,
        related=relate(q, ids, field.phases, angles, threshold, relations) if relations else None,
    )


def together(stacks: Sequence[SectionStack]) -> SectionStack:
    """Put maps of any size into one stack, so that each statistic is pooled over the pairs and grains of all.

    Parameters
    ----------
    stacks : sequence of SectionStack
        Of one spacing, threshold and list of phases, without special relations or with the same ones.

    Returns
    -------
    SectionStack
        A single one as it is; smaller maps are filled up with points that are not indexed.

    See Also
    --------
    pool : Points of maps of several normals.
    """
    first, *others = stacks
    if not others:
        return first
    phase_ids = in_one_stack([stack.phase_ids for stack in stacks])
    quaternions = in_one_stack([stack.quaternions.reshape(*stack.phase_ids.shape, 4) for stack in stacks])
    quaternions[phase_ids == 0] = (1.0, 0.0, 0.0, 0.0)
    bins, bin_ids = _sorted_into_bins(quaternions, phase_ids, first.phases)
    channels = [in_one_stack([stack.channels[i] for stack in stacks]) for i in range(len(first.channels))]
    angles = {
        axis: in_one_stack([_ended(stack.angles[axis], axis, stack.periodic) for stack in stacks], np.nan)
        for axis in first.angles
    }
    relations = () if first.related is None else first.related.relations
    related = relate(quaternions, phase_ids, first.phases, angles, first.threshold, relations) if relations else None
    return SectionStack(
        quaternions=quaternions,
        phase_ids=phase_ids,
        phases=first.phases,
        threshold=first.threshold,
        bins=bins,
        bin_ids=bin_ids,
        spacing=first.spacing,
        periodic=False,
        angles=angles,
        channels=np.stack(channels),
        related=related,
        parts=tuple(
            stack if not stack.periodic else stack.window((0,) * len(stack.shape), stack.shape) for stack in stacks
        ),
    )


def _ended(angles: np.ndarray, axis: int, periodic: bool) -> np.ndarray:
    """Return the angles between neighbours of a map that is not taken to go on across its faces."""
    if not periodic:
        return angles
    angles = angles.copy()
    angles[(slice(None),) * axis + (-1,)] = np.nan
    return angles


def pool(stacks: Sequence[SectionStack]) -> PooledOrientations:
    """Put the points of several section stacks together, each counting alike.

    Parameters
    ----------
    stacks : sequence of SectionStack
        Of the same phases and threshold.

    Returns
    -------
    PooledOrientations
        Sorted into ODF bins of their own, so that no stack is thinned out more than another.
    """
    quaternions = np.concatenate([stack.quaternions.reshape(-1, 4) for stack in stacks])
    phase_ids = np.concatenate([stack.phase_ids.ravel() for stack in stacks])
    bins, bin_ids = _sorted_into_bins(quaternions, phase_ids, stacks[0].phases)
    return PooledOrientations(quaternions, phase_ids, stacks[0].phases, stacks[0].threshold, bins, bin_ids)


def section_stacks(
    volume: OrientationVolume | VolumeAnalysis, threshold: float, most: int = 32, relations: Sequence[Relation] = ()
) -> dict[int, SectionStack]:
    """Cut a volume into the sections normal to each array axis that has sections.

    Parameters
    ----------
    volume : OrientationVolume or VolumeAnalysis
    threshold : float, degrees
        Smallest disorientation of a boundary.
    most : int
        Number of sections for each axis, evenly spaced.
    relations : sequence of Relation
        Special relations that boundaries are tested for.

    Returns
    -------
    dict of int to SectionStack
        By array axis; axes with a section of a single row are left out.

    See Also
    --------
    stack_of : A map, or the volume as a whole.
    """
    analysis = analyse(volume, threshold)
    field, angles = analysis.field, analysis.angles
    channels = _channels(field.quaternions, field.phase_ids, field.phases)
    bins, bin_ids = _sorted_into_bins(field.quaternions, field.phase_ids, field.phases)
    related = relate(field.quaternions, field.phase_ids, field.phases, angles, threshold, relations)
    stacks = {}
    for axis in planar(field.shape):
        plane = in_plane(axis)
        n = field.shape[axis]
        chosen = np.unique(np.linspace(0, n, min(n, most), endpoint=False).astype(int))

        def stack(values: np.ndarray, axis: int = axis, chosen: np.ndarray = chosen) -> np.ndarray:
            return np.moveaxis(values, axis, 0)[chosen]

        stacks[axis] = SectionStack(
            quaternions=stack(field.quaternions),
            phase_ids=stack(field.phase_ids),
            phases=field.phases,
            spacing=tuple(field.spacing[i] for i in plane),
            periodic=field.periodic,
            threshold=threshold,
            angles={position: stack(angles[i]) for position, i in enumerate(plane, start=1)},
            channels=np.moveaxis(channels, axis + 1, 1)[:, chosen],
            bins=bins,
            bin_ids=stack(bin_ids),
            related=related.along(plane, stack) if relations else None,
        )
    return stacks


def at_spacing(field: OrientationMap | MapAnalysis, spacing: tuple[float, ...]) -> MapAnalysis:
    """Return the analysis of a map at the point distance of the sections that it is compared with.

    Parameters
    ----------
    field : OrientationMap or MapAnalysis
    spacing : tuple of float, um
        New (dy, dx).

    Returns
    -------
    MapAnalysis
        Itself where the distance is the same to 0.1 %, as after a file that keeps it in single precision; else that of
        :meth:`polyrve.microstructure.map_analysis.MapAnalysis.at`.
    """
    analysis = field if isinstance(field, MapAnalysis) else analyse(field)
    return analysis if np.allclose(spacing, analysis.field.spacing, rtol=1e-3) else analysis.at(spacing)
