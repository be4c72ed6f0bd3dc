"""The loss of a volume of cells as sums over batches of its sections, and its slope as sums for each cell.

Descriptors are pooled over sections, so that a part of the sections tells of all. Sections are taken in batches of one
shape. A first pass adds up what the descriptors are in each batch; from the sums follow the misfits and the slope of
each with respect to the sums, a few thousand numbers; a second pass turns these into the slope of each batch with
respect to the orientations of the cells. Neither pass holds more than a batch, and batches may be on other machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.crystallography import rotation
from polyrve.descriptors.local_state import LocalState
from polyrve.descriptors.protocol import Descriptor
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationVolume
from polyrve.reconstruction.face_disorientations import FaceDisorientations, product
from polyrve.reconstruction.grain_rotations import across_faces, of_any_length
from polyrve.reconstruction.objective import Targets

_POINTS = 2**20
"""Points of a batch at most, where a section has fewer: some 300 MB of channels, increments and slopes."""

_MOST_SECTIONS = 8
"""Sections of a batch at most: the parts that run side by side, see :data:`polyrve.backend.strategy.PARTS`."""


class Batch(NamedTuple):
    """Parallel sections of a volume.

    Attributes
    ----------
    axis : int
        Array axis that they are normal to.
    indices : tuple of int
    """

    axis: int
    indices: tuple[int, ...]


def draw_batches(
    shape: Sequence[int], axes: Sequence[int], apart: float, rng: np.random.Generator
) -> tuple[Batch, ...]:
    """Draw sections at random, one out of each of some equal parts of an axis, so that all are as likely.

    Parameters
    ----------
    shape : sequence of int
        (nz, ny, nx).
    axes : sequence of int
        That sections are normal to.
    apart : float
        Mean distance of neighbouring sections in voxels; the next smaller one that fills batches is taken.
    rng : numpy.random.Generator

    Returns
    -------
    tuple of Batch

    Examples
    --------
    >>> drawn = draw_batches((16, 16, 16), (0, 2), 4.0, np.random.default_rng(0))
    >>> [(batch.axis, len(batch.indices)) for batch in drawn]
    [(0, 8), (2, 8)]
    """
    batches = []
    for axis in axes:
        n = shape[axis]
        size = sections_at_once(shape, axis)
        number = min(-(-n // size), max(1, round(n / apart / size) or 1)) * size
        if number >= n:
            number = n // size * size
        edges = np.linspace(0, n, number + 1)
        drawn = np.minimum(edges[:-1] + rng.random(number) * np.diff(edges), n - 1).astype(int)
        # Batches of sections far apart differ least from each other.
        batches += [Batch(axis, tuple(drawn[i :: number // size].tolist())) for i in range(number // size)]
    return tuple(batches)


def sections_at_once(shape: Sequence[int], axis: int) -> int:
    """Return how many sections normal to an axis make a batch: a power of 2, the same for sections of one shape."""
    rows, columns = (shape[i] for i in in_plane(axis))
    most = max(1, min(_MOST_SECTIONS, _POINTS // (rows * columns), shape[axis]))
    return int(2 ** int(np.log2(most)))


def labels_of(volume: CellVolume, batch: Batch) -> np.ndarray:
    """Return the cells of the points of a batch, shape (sections, rows, columns), int32."""
    return np.stack([np.take(volume.labels, i, axis=batch.axis) for i in batch.indices]).astype(np.int32)


_WHOLE = 2.0**52
"""Slopes are added up as whole numbers of 1 / _WHOLE, so that their sum is the same to the bit in whatever order, by
however many machines they are added; slopes are far below 1, and sums up to 2^11 have room."""


def in_whole_numbers(slope: np.ndarray) -> np.ndarray:
    """Return slopes as whole numbers, int64, that can be added up in any order."""
    return np.rint(slope.astype(np.float64) * _WHOLE).astype(np.int64)


class Sections(Protocol):
    """Batches of sections on this machine or on others."""

    def estimates(self, orientations: np.ndarray) -> Iterable[tuple[Batch, tuple[np.ndarray, ...]]]:
        """Return the descriptors of each batch, in any order."""

    def slope(self, orientations: np.ndarray, upstream: dict[int, tuple[np.ndarray, ...]]) -> np.ndarray:
        """Return the slope of all batches with respect to unit orientations of the cells, shape (N, 4), int64.

        In the units of :func:`in_whole_numbers`. `upstream` has for each axis the slope with respect to the descriptors
        of one of its batches.
        """


@dataclass(frozen=True, eq=False)
class SectionKernels:
    """What is computed on a batch of sections.

    Attributes
    ----------
    state : LocalState
    descriptors : tuple of Descriptor
    periodic : bool
        Whether sections repeat across their edges.
    """

    state: LocalState
    descriptors: tuple[Descriptor, ...]
    periodic: bool

    def unknowns(self, volume: CellVolume, batch: Batch, labels: np.ndarray) -> np.ndarray:
        """Return the unknowns of the points of a batch, rotations of the scatter first.

        Parameters
        ----------
        volume : CellVolume
            Its own labels do not count.
        batch : Batch
        labels : ndarray, shape (sections, rows, columns), int
            Cells of the points.

        Returns
        -------
        ndarray, shape (sections, rows, columns, k), float32
        """
        away = np.zeros((*labels.shape, 4))
        away[..., 0] = 1.0
        if volume.scatter is not None:
            for section, i in zip(away, batch.indices, strict=True):
                section[...] = rotation.from_rotation_vector(volume.scatter.section(batch.axis, i))
        if len(volume.phases) == 1:
            return away.astype(np.float32)
        phase_ids = volume.phase_ids[labels].astype(np.int32)
        spacing = (1.0, *(volume.spacing[i] for i in in_plane(batch.axis)))
        return self.state.position(OrientationVolume(away, phase_ids, volume.phases, spacing))

    @tf.function(autograph=False, reduce_retracing=False)
    def estimates(self, orientations: tf.Tensor, labels: tf.Tensor, unknowns: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Return the descriptors of a batch of points whose cells have some unit orientations, shape (N, 4)."""
        return self._estimates(_oriented(orientations, labels, unknowns))

    @tf.function(autograph=False, reduce_retracing=False)
    def slope(
        self, orientations: tf.Tensor, labels: tf.Tensor, unknowns: tf.Tensor, upstream: tuple[tf.Tensor, ...]
    ) -> tf.Tensor:
        """Return the slope of sum(upstream * estimates) with respect to the unit orientations, shape (N, 4)."""
        position = _oriented(orientations, labels, unknowns)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(position)
            found = self._estimates(position)
        of_points = tape.gradient(found, position, output_gradients=list(upstream))
        back = product(of_points[..., :4], unknowns[..., :4] * tf.constant([1.0, -1.0, -1.0, -1.0], unknowns.dtype))
        number = tf.shape(orientations)[0]
        return tf.math.unsorted_segment_sum(tf.reshape(back, (-1, 4)), tf.reshape(labels, (-1,)), number)

    def _estimates(self, position: tf.Tensor) -> tuple[tf.Tensor, ...]:
        channels = self.state.channels(position, periodic=self.periodic).cut((0,))
        return tuple(kind.estimate(channels, (0,), None)[0][0] for kind in self.descriptors)


def _oriented(orientations: tf.Tensor, labels: tf.Tensor, unknowns: tf.Tensor) -> tf.Tensor:
    turned = product(tf.gather(orientations, labels), unknowns[..., :4])
    return tf.concat([turned, unknowns[..., 4:]], -1)


@dataclass(frozen=True, eq=False)
class SectionsHere:
    """Batches of sections in this process.

    Attributes
    ----------
    kernels : SectionKernels
    volume : CellVolume
    batches : tuple of Batch
    keep : bool
        Whether the points of batches are kept, 20 bytes each, or drawn each time.
    """

    kernels: SectionKernels
    volume: CellVolume
    batches: tuple[Batch, ...]
    keep: bool = True

    def estimates(self, orientations: np.ndarray) -> Iterator[tuple[Batch, tuple[np.ndarray, ...]]]:
        """See :class:`Sections`."""
        held = tf.constant(orientations)
        for batch in self.batches:
            yield batch, tuple(one.numpy() for one in self.kernels.estimates(held, *self._points(batch)))

    def slope(self, orientations: np.ndarray, upstream: dict[int, tuple[np.ndarray, ...]]) -> np.ndarray:
        """See :class:`Sections`."""
        held, total = tf.constant(orientations), np.zeros(orientations.shape, dtype=np.int64)
        factors = {axis: tuple(map(tf.constant, values)) for axis, values in upstream.items()}
        for batch in self.batches:
            total += in_whole_numbers(self.kernels.slope(held, *self._points(batch), factors[batch.axis]).numpy())
        return total

    def _points(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        if batch in self._kept:
            return self._kept[batch]
        labels = labels_of(self.volume, batch)
        points = labels, self.kernels.unknowns(self.volume, batch, labels)
        if self.keep:
            self._kept[batch] = points
        return points

    @cached_property
    def _kept(self) -> dict[Batch, tuple[np.ndarray, np.ndarray]]:
        return {}


@dataclass(frozen=True, eq=False)
class SumsObjective:
    """The loss of a volume of cells as a function of their orientations.

    Attributes
    ----------
    sections : Sections
    descriptors : tuple of (Descriptor, float)
        Descriptors and weights.
    targets : mapping of int to sequence of ndarray
        For each array axis whose normal sections count, the target of each descriptor.
    faces : tuple of FaceDisorientations
        What is wanted across the faces of cells, for each phase.
    """

    sections: Sections
    descriptors: tuple[tuple[Descriptor, float], ...]
    targets: Targets
    faces: tuple[FaceDisorientations, ...] = ()

    def value_and_gradient(self, orientations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the loss, its gradient with respect to orientations of any length, shape (N, 4), and the terms."""
        unit = tf.math.l2_normalize(orientations, axis=-1)
        means, counts = self._means(unit.numpy())
        values, slopes = self._misfits(means)
        upstream = {axis: tuple(slope / counts[axis] for slope in found) for axis, found in slopes.items()}
        slope = self.sections.slope(unit.numpy(), upstream) / _WHOLE
        gradient = of_any_length(orientations, tf.constant(slope, tf.float32))
        if not self.faces:
            return tf.constant(values.sum()), gradient, tf.constant(values)
        mismatch, by_faces = self._across_faces(orientations)
        terms = np.append(values, float(mismatch))
        return tf.constant(terms.sum()), gradient + by_faces, tf.constant(terms)

    def terms(self, orientations: np.ndarray) -> np.ndarray:
        """Return the weighted loss of each descriptor, shape (D,), float64; faces left out."""
        return self._misfits(self._means(np.asarray(orientations, dtype=np.float32))[0])[0]

    def _means(self, unit: np.ndarray) -> tuple[dict[int, list[np.ndarray]], dict[int, int]]:
        """Return the descriptors by axis, the means of its batches, and how many batches it has."""
        found: dict[Batch, tuple[np.ndarray, ...]] = dict(self.sections.estimates(unit))
        means: dict[int, list[np.ndarray]] = {}
        counts: dict[int, int] = {}
        for axis in self.targets:
            # In the order of the sections: sums are then the same to the bit, whoever was ready first.
            batches = [found[batch] for batch in sorted(found) if batch.axis == axis]
            counts[axis] = len(batches)
            means[axis] = [
                np.asarray(np.mean(values, axis=0, dtype=np.float64)) for values in zip(*batches, strict=True)
            ]
        for i in self._one_point:
            of_all = np.mean([of_axis[i] for of_axis in means.values()], axis=0)
            for of_axis in means.values():
                of_axis[i] = of_all
        return means, counts

    @property
    def _one_point(self) -> list[int]:
        """Descriptors that do not ask where points lie: sections of all normals tell them together."""
        return [i for i, (kind, _) in enumerate(self.descriptors) if getattr(kind, "one_point", False)]

    def _misfits(self, means: dict[int, list[np.ndarray]]) -> tuple[np.ndarray, dict[int, tuple[np.ndarray, ...]]]:
        """Return the weighted misfit of each descriptor, and for each axis its slopes with respect to the means."""
        values = np.zeros(len(self.descriptors))
        slopes: dict[int, list[np.ndarray]] = {}
        for axis, targets in self.targets.items():
            of_axis: list[np.ndarray] = []
            for i, (kind, weight) in enumerate(self.descriptors):
                estimate = tf.constant(means[axis][i][None], tf.float32)
                with tf.GradientTape(watch_accessed_variables=False) as tape:
                    tape.watch(estimate)
                    misfit = weight / len(self.targets) * kind.misfit(estimate, targets[i])
                values[i] += float(misfit)
                of_axis.append(tape.gradient(misfit, estimate)[0].numpy())
            slopes[axis] = of_axis
        for i in self._one_point:
            of_all = np.mean([of_axis[i] for of_axis in slopes.values()], axis=0)
            for of_axis in slopes.values():
                of_axis[i] = of_all
        return values, {axis: tuple(of_axis) for axis, of_axis in slopes.items()}

    @tf.function(autograph=False)
    def _across_faces(self, orientations: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return across_faces(self.faces, orientations)


def whole_loss(
    kernels: SectionKernels, volume: CellVolume, objective: SumsObjective, batches: Sequence[Batch]
) -> float:
    """Return the loss of a volume in some of its sections, which are drawn one batch after the other.

    Parameters
    ----------
    kernels : SectionKernels
    volume : CellVolume
    objective : SumsObjective
        With the targets; its sections and faces do not count.
    batches : sequence of Batch

    Returns
    -------
    float
    """
    sections = SectionsHere(kernels, volume, tuple(batches), keep=False)
    measured = SumsObjective(sections, objective.descriptors, objective.targets)
    return float(measured.terms(volume.quaternions).sum())
