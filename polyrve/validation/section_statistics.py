"""What is measured on planar sections: the numbers behind the metrics of :mod:`polyrve.validation.run`.

A :class:`SectionStack` is a stack of parallel sections, a single map, a window of a map or a whole volume. The same
estimators serve all of them: a field that is not periodic is treated as a window of something larger, so pairs are
counted within it, and grains and chords that its border cuts are left out (:mod:`polyrve.microstructure.stereology`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import fft

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.odf import OdfBins, odf_bins
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import mean_of_links
from polyrve.microstructure.grains import mean_orientations
from polyrve.microstructure.lags import half_space
from polyrve.microstructure.links import bridge_holes, connect, neighbour_disorientation
from polyrve.microstructure.resampling import resample
from polyrve.microstructure.stereology import SPECK, chords, grain_shapes

RARE = 0.02
"""A phase of a smaller share has no correlations worth comparing."""

_MOST_TEXTURE_POINTS = 150_000


@dataclass(frozen=True, eq=False)
class GrainTable:
    """Grains of a sample that its border does not cut; each row is a grain.

    Attributes
    ----------
    points : ndarray, shape (N,), int64
    size : ndarray, shape (N,), um^d
    aspect_ratio : ndarray, shape (N,)
    spread : ndarray, shape (N,), degrees
        GOS.
    weight : ndarray, shape (N,)
        Inverse chance to lie inside the border; 1 in a periodic sample.
    """

    points: np.ndarray
    size: np.ndarray
    aspect_ratio: np.ndarray
    spread: np.ndarray
    weight: np.ndarray


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
    cells : tuple of OdfBins
        For each phase.
    cell_ids : ndarray, shape (*points,), int64
        Cell of each point among those of its phase; -1 where not indexed or left out to save time.
    """

    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    threshold: float
    cells: tuple[OdfBins, ...]
    cell_ids: np.ndarray

    @cached_property
    def random_angles(self) -> np.ndarray:
        """Disorientation of points drawn at random, shape (n,), degrees; infinite between phases."""
        rng = np.random.default_rng(0)
        inside = np.flatnonzero(self.phase_ids.ravel())
        if not len(inside):
            return np.zeros(0)
        first, second = rng.choice(inside, (2, 20_000))
        q, ids = self.quaternions.reshape(-1, 4), self.phase_ids.ravel()
        angles = np.full(len(first), np.inf)
        for phase_id, phase in enumerate(self.phases, start=1):
            pairs = (ids[first] == phase_id) & (ids[second] == phase_id)
            angles[pairs] = rotation.disorientation_angle(q[first[pairs]], q[second[pairs]], phase.symmetry)
        return np.rad2deg(angles)

    def _cell_weights(self) -> Iterator[tuple[OdfBins, np.ndarray]]:
        total = max(int((self.cell_ids >= 0).sum()), 1)
        for phase_id, cells in enumerate(self.cells, start=1):
            of_phase = self.cell_ids[(self.phase_ids == phase_id) & (self.cell_ids >= 0)]
            yield cells, np.bincount(of_phase, minlength=len(cells.centres)) / total

    def odf(self, halfwidth: float = 5.0) -> np.ndarray:
        """Masses of phases and orientations, one after the other, sum 1; see :mod:`polyrve.crystallography.odf`."""
        return np.concatenate([cells.odf(weights, halfwidth) for cells, weights in self._cell_weights()])

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
        for cells, weights in self._cell_weights():
            masses = cells.odf(weights, 5.0)
            if masses.sum() > 0:
                index += float((masses**2).sum() * len(masses) / masses.sum())
        return index

    @cached_property
    def pole_figures(self) -> list[dict[str, np.ndarray]]:
        """Masses of the pole figures of each phase; each adds up to the share of the phase."""
        return [cells.poles(weights) for cells, weights in self._cell_weights()]


@dataclass(frozen=True, eq=False)
class SectionStack(PooledOrientations):
    """A stack of sections and what is measured on it.

    Attributes
    ----------
    quaternions : ndarray, shape (m, *shape, 4)
        m sections.
    phase_ids : ndarray, shape (m, *shape), int32
    phases, threshold, cells, cell_ids
        As in :class:`PooledOrientations`.
    spacing : tuple of float, um
        One for each axis of ``shape``.
    periodic : bool
    angles : mapping of int to ndarray, shape (m, *shape), rad
        Disorientation from the next point along array axes 1 ..., as in
        :func:`polyrve.microstructure.links.neighbour_disorientation`.
    channels : ndarray, shape (C, m, *shape), float32
        Symmetrized harmonics of each phase in turn; 0 in other phases.
    """

    spacing: tuple[float, ...]
    periodic: bool
    angles: dict[int, np.ndarray]
    channels: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """Points along the axes of one section."""
        return self.phase_ids.shape[1:]

    def as_map(self) -> OrientationMap:
        """The first section as a map."""
        return OrientationMap(self.quaternions[0], self.phase_ids[0], self.phases, self.spacing, periodic=self.periodic)

    def window(self, start: tuple[int, ...], shape: tuple[int, ...]) -> SectionStack:
        """Part of a sample, not periodic.

        Parameters
        ----------
        start, shape : tuple of int
            First point and number of points along each axis of a section.

        Returns
        -------
        SectionStack
        """
        cut: tuple[slice, ...] = (slice(None), *(slice(a, a + n) for a, n in zip(start, shape, strict=True)))
        angles = {}
        for axis, values in self.angles.items():
            values = values[cut].copy()
            values[(slice(None),) * axis + (-1,)] = np.nan
            angles[axis] = values
        return SectionStack(
            quaternions=self.quaternions[cut],
            phase_ids=self.phase_ids[cut],
            phases=self.phases,
            threshold=self.threshold,
            cells=self.cells,
            cell_ids=self.cell_ids[cut],
            spacing=self.spacing,
            periodic=False,
            angles=angles,
            channels=np.stack([channel[cut] for channel in self.channels]),
        )

    @cached_property
    def main_channels(self) -> np.ndarray:
        """Channels of the phases that are not rare, shape (C,), bool."""
        share = np.bincount(self.phase_ids.ravel(), minlength=len(self.phases) + 1)[1:] / self.phase_ids.size
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
        """``angles`` on lines that go on across small holes; see :func:`polyrve.microstructure.links.bridge_holes`."""
        return bridge_holes(self.angles, self.quaternions, self.phase_ids, self.phases, self.periodic, self.threshold)

    def boundary_share(self, threshold: float) -> float:
        """Share of the steps along the axes that cross a boundary above a threshold in degrees; NaN without steps."""
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
    def grain_ids(self) -> np.ndarray:
        """Grains of each section, shape (m, *shape), int32."""
        links = {axis: values <= np.deg2rad(self.threshold) for axis, values in self.steps.items()}
        return connect(links, self.phase_ids > 0)

    @cached_property
    def speck_share(self) -> float:
        """Share of the indexed points in grains of one or two points."""
        points = np.bincount(self.grain_ids.ravel(), minlength=1)[1:]
        return float(points[points <= SPECK].sum() / max(points.sum(), 1))

    @cached_property
    def grains(self) -> GrainTable:
        """Grains that the border does not cut."""
        ids = self.grain_ids
        inside = ids > 0
        shapes = grain_shapes(ids, self.spacing, self.periodic)
        number = len(shapes.points)
        grain_phases = np.zeros(number, dtype=np.int64)
        grain_phases[ids[inside] - 1] = self.phase_ids[inside]
        q = self.quaternions[inside]
        mean = mean_orientations(q, ids[inside], grain_phases, self.phases)
        total = np.zeros(number)
        for phase_id, phase in enumerate(self.phases, start=1):
            of_phase = self.phase_ids[inside] == phase_id
            of_grain = ids[inside][of_phase] - 1
            angle = rotation.disorientation_angle(q[of_phase], mean[of_grain], phase.symmetry)
            total += np.bincount(of_grain, angle, minlength=number)
        kept = shapes.weight > 0
        return GrainTable(
            points=shapes.points[kept],
            size=shapes.points[kept] * float(np.prod(self.spacing)),
            aspect_ratio=shapes.aspect_ratio[kept],
            spread=np.rad2deg(total[kept] / shapes.points[kept]),
            weight=shapes.weight[kept],
        )

    @cached_property
    def grains_per_size(self) -> float:
        """Grains, specks left out, per area or volume, 1/um^d."""
        grains = self.grains
        size = (self.phase_ids > 0).sum() * float(np.prod(self.spacing))
        return float(grains.weight[grains.points > SPECK].sum() / size) if size else np.nan

    @cached_property
    def chords(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Lengths in um and weights of the chords between boundaries, along each axis of a section."""
        joined = {axis: values <= np.deg2rad(self.threshold) for axis, values in self.steps.items()}
        known = {axis: ~np.isnan(values) for axis, values in self.steps.items()}
        return chords(joined, known, self.spacing, self.periodic)

    @cached_property
    def _kept(self) -> dict[tuple[str, int], np.ndarray]:
        return {}

    def madogram(self, reach: int) -> np.ndarray:
        """First-order variogram of the harmonics at all lags up to a largest one.

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
        """Values, axes (c, m, *shape), at the two ends of a lag."""
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
        """Two-point correlations of all pairs of harmonics at all lags up to a largest one.

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


def _cells(
    quaternions: np.ndarray, phase_ids: np.ndarray, phases: tuple[Phase, ...]
) -> tuple[tuple[OdfBins, ...], np.ndarray]:
    cell_ids = np.full(phase_ids.size, -1, dtype=np.int64)
    step = -(-phase_ids.size // _MOST_TEXTURE_POINTS)
    step += 1 if step > 1 and step % 2 == 0 else 0
    chosen = np.zeros(phase_ids.size, dtype=bool)
    chosen[::step] = True
    flat, ids = quaternions.reshape(-1, 4), phase_ids.ravel()
    cells = []
    for phase_id, phase in enumerate(phases, start=1):
        of_phase = (ids == phase_id) & chosen
        cells.append(odf_bins(flat[of_phase], phase.laue))
        cell_ids[of_phase] = cells[-1].of_point
    return tuple(cells), cell_ids.reshape(phase_ids.shape)


def stack_of(field: OrientationField, threshold: float) -> SectionStack:
    """A map or a whole volume as one sample.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    threshold : float, degrees
        Of grain boundaries.

    Returns
    -------
    SectionStack
    """
    cells, cell_ids = _cells(field.quaternions, field.phase_ids, field.phases)
    return SectionStack(
        quaternions=field.quaternions[None],
        phase_ids=field.phase_ids[None],
        phases=field.phases,
        spacing=field.spacing,
        periodic=field.periodic,
        threshold=threshold,
        angles={axis + 1: neighbour_disorientation(field, axis)[None] for axis in range(len(field.shape))},
        channels=_channels(field.quaternions, field.phase_ids, field.phases)[:, None],
        cells=cells,
        cell_ids=cell_ids[None],
    )


def pool(samples: Sequence[SectionStack]) -> PooledOrientations:
    """The points of several samples together, each counting alike.

    Parameters
    ----------
    samples : sequence of SectionStack
        Of the same phases and threshold.

    Returns
    -------
    PooledOrientations
        Sorted into cells of their own, so that no sample is thinned out more than another.
    """
    quaternions = np.concatenate([sample.quaternions.reshape(-1, 4) for sample in samples])
    phase_ids = np.concatenate([sample.phase_ids.ravel() for sample in samples])
    cells, cell_ids = _cells(quaternions, phase_ids, samples[0].phases)
    return PooledOrientations(quaternions, phase_ids, samples[0].phases, samples[0].threshold, cells, cell_ids)


def section_stacks(volume: OrientationVolume, threshold: float, most: int = 32) -> dict[int, SectionStack]:
    """The sections of a volume normal to each array axis that has sections.

    Parameters
    ----------
    volume : OrientationVolume
    threshold : float, degrees
        Of grain boundaries.
    most : int
        Number of sections for each axis, evenly spaced.

    Returns
    -------
    dict of int to SectionStack
        By array axis; axes with a section of a single row are left out.
    """
    angles = [neighbour_disorientation(volume, axis) for axis in range(3)]
    channels = _channels(volume.quaternions, volume.phase_ids, volume.phases)
    cells, cell_ids = _cells(volume.quaternions, volume.phase_ids, volume.phases)
    samples = {}
    for axis in planar(volume.shape):
        plane = in_plane(axis)
        n = volume.shape[axis]
        chosen = np.unique(np.linspace(0, n, min(n, most), endpoint=False).astype(int))

        def stack(values: np.ndarray, axis: int = axis, chosen: np.ndarray = chosen) -> np.ndarray:
            return np.moveaxis(values, axis, 0)[chosen]

        samples[axis] = SectionStack(
            quaternions=stack(volume.quaternions),
            phase_ids=stack(volume.phase_ids),
            phases=volume.phases,
            spacing=tuple(volume.spacing[i] for i in plane),
            periodic=volume.periodic,
            threshold=threshold,
            angles={position: stack(angles[i]) for position, i in enumerate(plane, start=1)},
            channels=np.moveaxis(channels, axis + 1, 1)[:, chosen],
            cells=cells,
            cell_ids=stack(cell_ids),
        )
    return samples


def at_spacing(field: OrientationMap, spacing: tuple[float, ...]) -> OrientationMap:
    """A map at another spacing, as :func:`polyrve.microstructure.resampling.resample` makes it.

    Parameters
    ----------
    field : OrientationMap
    spacing : tuple of float, um
        New (dy, dx).

    Returns
    -------
    OrientationMap
        ``field`` itself if the spacing is the same to 0.1 %.
    """
    if np.allclose(spacing, field.spacing, rtol=1e-3):
        return field
    return resample(field, spacing)
