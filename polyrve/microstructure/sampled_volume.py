"""Some sections of a volume in place of the whole, for what is told of sections alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.cell_measures import slabs
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.instrument import Instrument, measured
from polyrve.steps import announced

_POINTS = 2**20
"""Points of the sections normal to each axis: 16 sections of 256 x 256, or 4 of 512 x 512. Metrics of as many points of
sections far apart differ by less than windows of a map do, and take some minutes."""

_FEWEST = 4
"""Sections of each axis at least, so that one of them does not decide."""


def sections_sampled(shape: Sequence[int]) -> dict[int, np.ndarray]:
    """Choose sections normal to each axis, evenly spaced.

    Parameters
    ----------
    shape : sequence of int
        (nz, ny, nx).

    Returns
    -------
    dict of int to ndarray of int
        By array axis.

    Examples
    --------
    >>> {axis: len(chosen) for axis, chosen in sections_sampled((512, 512, 512)).items()}
    {0: 4, 1: 4, 2: 4}
    """
    chosen = {}
    for axis in planar(shape):
        area = int(np.prod([shape[i] for i in in_plane(axis)]))
        most = min(shape[axis], max(_FEWEST, _POINTS // area))
        chosen[axis] = np.unique(np.linspace(0, shape[axis], most, endpoint=False).astype(int))
    return chosen


@dataclass(frozen=True, eq=False)
class SampledVolume:
    """Sections of a volume; made by :func:`sample`.

    Attributes
    ----------
    shape : tuple of int
        Of the volume, (nz, ny, nx).
    spacing : tuple of float, um
    phases : tuple of Phase
    sections : mapping of int to tuple of OrientationMap
        By the array axis that they are normal to.
    indices : mapping of int to ndarray of int
        Where they lie along that axis.
    number_of_grains : int
        Of the volume.
    frame : Frame
    periodic : bool
        Whether the volume repeats across its faces.
    provenance : mapping
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, ...]
    phases: tuple[Phase, ...]
    sections: Mapping[int, tuple[OrientationMap, ...]]
    indices: Mapping[int, np.ndarray]
    number_of_grains: int
    frame: Frame = field(default_factory=Frame)
    periodic: bool = True
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def any_indexed(self) -> bool:
        """Whether a point of the sections is indexed."""
        return any(bool(one.indexed.any()) for some in self.sections.values() for one in some)

    def measured(self, instrument: Instrument, rng: np.random.Generator) -> SampledVolume:
        """Look at the sections through an instrument, each as a scan."""
        seen = {}
        for axis, some in self.sections.items():
            spacing = (1.0, *(self.spacing[i] for i in in_plane(axis)))
            through = []
            for one in some:
                alone = OrientationVolume(
                    one.quaternions[None], one.phase_ids[None], one.phases, spacing, periodic=one.periodic
                )
                found = measured(alone, instrument, rng)
                through.append(one.evolve(quaternions=found.quaternions[0], phase_ids=found.phase_ids[0]))
            seen[axis] = tuple(through)
        return replace(self, sections=seen)


Planes = Callable[[int, int], OrientationVolume]
"""First plane normal to z and one beyond the last to a volume of these."""


def sample(volume: CellVolume) -> SampledVolume:
    """Take some sections of a volume that is kept as cells.

    Parameters
    ----------
    volume : CellVolume

    Returns
    -------
    SampledVolume
    """
    indices = sections_sampled(volume.shape)
    sections = {axis: tuple(volume.section(axis, int(i)) for i in chosen) for axis, chosen in indices.items()}
    return SampledVolume(
        volume.shape, volume.spacing, volume.phases, sections, indices, volume.number_of_grains, volume.frame,
        volume.periodic, volume.provenance,
    )  # fmt: skip


def sample_planes(planes: Planes, shape: tuple[int, int, int], periodic: bool) -> SampledVolume:
    """Take some sections of a volume that is read plane by plane.

    Parameters
    ----------
    planes : callable
    shape : tuple of int
    periodic : bool

    Returns
    -------
    SampledVolume
        Of an unknown number of grains, 0.
    """
    indices = sections_sampled(shape)
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {axis: [] for axis in indices}
    for first, last in announced(list(slabs(shape)), "reading"):
        part = planes(first, last)
        for axis, chosen in indices.items():
            at = chosen[(chosen >= first) & (chosen < last)] - first if axis == 0 else chosen
            found[axis].append((np.take(part.quaternions, at, axis), np.take(part.phase_ids, at, axis)))
    sections = {}
    for axis, parts in found.items():
        quaternions, phase_ids = (np.concatenate(values) for values in zip(*parts, strict=True))
        plane = in_plane(axis)
        sections[axis] = tuple(
            OrientationMap(
                np.take(quaternions, i, axis), np.take(phase_ids, i, axis), part.phases,
                tuple(part.spacing[k] for k in plane), frame=part.frame, periodic=periodic,
            )
            for i in range(len(indices[axis]))
        )  # fmt: skip
    return SampledVolume(shape, part.spacing, part.phases, sections, indices, 0, part.frame, periodic, part.provenance)
