"""Grains, chords and boundaries of sections, measured once, and how far those of two stacks of sections lie apart.

Maps, windows of maps, sections of volumes and planes through Laguerre cells are measured alike, and a section is
compared with a section alone, never a size in three dimensions with one in two. The fit of Laguerre cells
(:mod:`polyrve.initial.laguerre_fit`) and the metrics of a validation (:mod:`polyrve.validation.metrics`) both take
what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from polyrve.microstructure.links import connect
from polyrve.microstructure.stereology import (
    SHAPED,
    SPECK,
    Chords,
    GrainShapes,
    chords,
    grain_shapes,
    kolmogorov_smirnov,
    speck_share,
)


@dataclass(frozen=True, eq=False)
class SectionMeasures:
    """A stack of parallel sections by the links between its points; each measure is formed when it is asked for.

    A whole volume is a stack of one "section" with three axes.

    Attributes
    ----------
    joined : mapping of int to ndarray, shape (m, *shape), bool
        Per array axis from 1, whether a point and the next along it lie in one grain; the next after the last is the
        first.
    known : mapping of int to ndarray, shape (m, *shape), bool
        Whether that can be told.
    indexed : ndarray, shape (m, *shape), bool
        Points that have an orientation.
    spacing : tuple of float, um
        One for each axis of ``shape``.
    periodic : bool
        Whether the sections go on across their faces.
    extents : ndarray, shape (m, d), int, or None
        Points of each section along its axes, from the first on, where some are smaller than ``shape``; beyond them
        nothing is indexed or known.
    """

    joined: Mapping[int, np.ndarray]
    known: Mapping[int, np.ndarray]
    indexed: np.ndarray
    spacing: tuple[float, ...]
    periodic: bool
    extents: np.ndarray | None = None

    @classmethod
    def of_steps(
        cls,
        steps: Mapping[int, np.ndarray],
        indexed: np.ndarray,
        spacing: Sequence[float],
        periodic: bool,
        threshold: float,
    ) -> SectionMeasures:
        """Take the disorientations between neighbours for links.

        Parameters
        ----------
        steps : mapping of int to ndarray, shape (m, *shape), rad
            Per array axis from 1, as from :func:`polyrve.microstructure.links.bridge_holes`.
        indexed, spacing, periodic
            As the attributes.
        threshold : float, degrees
            Largest disorientation of two points of one grain.

        Returns
        -------
        SectionMeasures
        """
        joined = {axis: values <= np.deg2rad(threshold) for axis, values in steps.items()}
        known = {axis: ~np.isnan(values) for axis, values in steps.items()}
        return cls(joined, known, indexed, tuple(spacing), periodic)

    @classmethod
    def of_labels(cls, labels: np.ndarray, spacing: Sequence[float], periodic: bool) -> SectionMeasures:
        """Take labels for links: points of one label that meet lie in one grain, and all points are indexed.

        Parameters
        ----------
        labels : ndarray, shape (m, *shape), int
        spacing, periodic
            As the attributes.

        Returns
        -------
        SectionMeasures
        """
        axes = range(1, labels.ndim)
        joined = {axis: labels == np.roll(labels, -1, axis=axis) for axis in axes}
        known = {axis: np.ones(labels.shape, dtype=bool) for axis in axes}
        if not periodic:
            _end_at_the_border(joined, known)
        return cls(joined, known, np.ones(labels.shape, dtype=bool), tuple(spacing), periodic)

    @classmethod
    def together(cls, parts: Sequence[SectionMeasures]) -> SectionMeasures:
        """Put stacks of sections of any size into one, so that each of its measures is that of all sections.

        Grains count by their number and boundaries by their length, whichever section they lie in.

        Parameters
        ----------
        parts : sequence of SectionMeasures
            Of one spacing.

        Returns
        -------
        SectionMeasures
            A single part as it is.
        """
        if len(parts) == 1:
            return parts[0]
        shapes = [part.indexed.shape[1:] for part in parts]
        periodic = len(set(shapes)) == 1 and all(part.periodic for part in parts)
        if not periodic:
            parts = [
                part.window((0,) * len(shape), shape) if part.periodic else part
                for part, shape in zip(parts, shapes, strict=True)
            ]

        def joined(name: str, axis: int) -> np.ndarray:
            return in_one_stack([getattr(part, name)[axis] for part in parts])

        axes = parts[0].joined
        return cls(
            {axis: joined("joined", axis) for axis in axes},
            {axis: joined("known", axis) for axis in axes},
            in_one_stack([part.indexed for part in parts]),
            parts[0].spacing,
            periodic,
            None if len(set(shapes)) == 1 else extents_of([part.indexed for part in parts]),
        )

    def window(self, corner: Sequence[int], shape: Sequence[int], section: int | None = None) -> SectionMeasures:
        """Cut a window out of the sections, or of one of them, with links as they are in the whole.

        Parameters
        ----------
        corner, shape : sequence of int
            First point and number of points along each axis of a section.
        section : int, optional
            Number of the one section; by default the window is cut out of each.

        Returns
        -------
        SectionMeasures
            Not periodic.
        """
        sections = slice(None) if section is None else slice(section, section + 1)
        cut = (sections, *(slice(a, a + n) for a, n in zip(corner, shape, strict=True)))
        joined, known = (
            {axis: values[cut].copy() for axis, values in links.items()} for links in (self.joined, self.known)
        )
        _end_at_the_border(joined, known)
        return SectionMeasures(joined, known, self.indexed[cut], self.spacing, False)

    @cached_property
    def grain_ids(self) -> np.ndarray:
        """Grains of each section, shape (m, *shape), int32: 1 ... N, 0 where no grain."""
        return connect(self.joined, self.indexed)

    @cached_property
    def shapes(self) -> GrainShapes:
        """Sizes and shapes of the grains; those that the border cuts have weight 0."""
        return grain_shapes(self.grain_ids, self.spacing, self.periodic, self.extents)

    @cached_property
    def chords(self) -> list[Chords]:
        """Lengths in um and weights of the chords between boundaries, along each axis of a section."""
        return chords(self.joined, self.known, self.spacing, self.periodic, self.extents)

    @cached_property
    def mean_chords(self) -> list[float]:
        """Mean length of the chords along each axis of a section, um; NaN where there is none."""
        return [float(np.average(length, weights=weight)) if len(length) else np.nan for length, weight in self.chords]

    @cached_property
    def boundary_shares(self) -> np.ndarray:
        """Share of the known links along each axis that cross a boundary, shape (d,)."""
        crossed = [(self.known[axis] & ~joined).sum() for axis, joined in self.joined.items()]
        number = [max(known.sum(), 1) for known in self.known.values()]
        return np.array(crossed) / np.array(number)

    @cached_property
    def speck_share(self) -> float:
        """Share of the indexed points in grains of one or two points."""
        return speck_share(self.shapes.points)

    @cached_property
    def number_of_grains(self) -> int:
        """Number of grains that the border does not cut, specks left out."""
        return int(((self.shapes.weight > 0) & (self.shapes.points > SPECK)).sum())

    @cached_property
    def grains_per_point(self) -> float:
        """Grains per indexed point, specks left out."""
        return float(self.shapes.weight[self.shapes.points > SPECK].sum() / max(int(self.indexed.sum()), 1))


def in_one_stack(stacks: Sequence[np.ndarray], fill: Any = 0) -> np.ndarray:
    """Put stacks of sections of any size into one, smaller sections filled up behind their last points.

    Parameters
    ----------
    stacks : sequence of ndarray, shape (m, *shape)
    fill : scalar

    Returns
    -------
    ndarray, shape (sum of m, *largest shape)

    Examples
    --------
    >>> in_one_stack([np.ones((1, 1, 2), dtype=int), np.ones((1, 2, 1), dtype=int)]).tolist()
    [[[1, 1], [0, 0]], [[1, 0], [1, 0]]]
    """
    largest = np.max([stack.shape[1:] for stack in stacks], axis=0)
    whole = np.full((sum(map(len, stacks)), *largest), fill, dtype=stacks[0].dtype)
    first = 0
    for stack in stacks:
        place = (slice(first, first + len(stack)), *map(slice, stack.shape[1:]))
        whole[place] = stack
        first += len(stack)
    return whole


def extents_of(stacks: Sequence[np.ndarray]) -> np.ndarray:
    """Return the points of each section of stacks along its axes, shape (sum of m, d)."""
    return np.concatenate([np.tile(stack.shape[1:], (len(stack), 1)) for stack in stacks])


def grain_size_distance(first: GrainShapes, second: GrainShapes, *, by_area: bool) -> float:
    """Compare the sizes of grains, specks left out.

    Parameters
    ----------
    first, second : GrainShapes
    by_area : bool
        Whether a grain counts by its size; else each counts alike.

    Returns
    -------
    float
        Kolmogorov-Smirnov distance, 0 ... 1; NaN where one side has no grain.
    """
    a, b = (grains.points > SPECK for grains in (first, second))
    weights = [grains.weight * grains.size if by_area else grains.weight for grains in (first, second)]
    return kolmogorov_smirnov(first.size[a], second.size[b], weights[0][a], weights[1][b])


def aspect_ratio_distance(first: GrainShapes, second: GrainShapes) -> float:
    """Compare the aspect ratios of grains that have a shape; see :func:`grain_size_distance`."""
    a, b = (grains.points >= SHAPED for grains in (first, second))
    return kolmogorov_smirnov(first.aspect_ratio[a], second.aspect_ratio[b], first.weight[a], second.weight[b])


def chord_distances(first: Sequence[Chords], second: Sequence[Chords]) -> list[float]:
    """Compare chords along each axis.

    Parameters
    ----------
    first, second : sequence of (ndarray, ndarray)
        Lengths and weights for each axis.

    Returns
    -------
    list of float
        Kolmogorov-Smirnov distances, 0 ... 1; NaN where one side has no chord.
    """
    return [kolmogorov_smirnov(a[0], b[0], a[1], b[1]) for a, b in zip(first, second, strict=True)]


DISTANCES = (
    "grain size by number",
    "grain size by area",
    "aspect ratio",
    "chord length",
    "share of boundaries",
    "grains per area",
)
"""What :func:`distances` compares, in its order."""


def distances(reference: SectionMeasures, sections: SectionMeasures) -> np.ndarray:
    """Compare sections with those that they stand for.

    Parameters
    ----------
    reference, sections : SectionMeasures

    Returns
    -------
    ndarray, shape (6,)
        By :data:`DISTANCES`: four Kolmogorov-Smirnov distances and two relative errors, chords and boundaries along
        the worse axis. NaN where one side has no grain, shape or chord.
    """
    a, b = reference.shapes, sections.shapes
    boundaries = np.abs(sections.boundary_shares / np.maximum(reference.boundary_shares, _NO_SHARE) - 1.0)
    number = abs(sections.grains_per_point / max(reference.grains_per_point, _NO_SHARE) - 1.0)
    return np.array(
        [
            grain_size_distance(a, b, by_area=False),
            grain_size_distance(a, b, by_area=True),
            aspect_ratio_distance(a, b),
            max(chord_distances(reference.chords, sections.chords)),
            np.max(boundaries),
            number,
        ]
    )


_NO_SHARE = 1e-9
"""Stands for a share of 0 in a reference, so that relative errors stay finite; no map has 1e9 points."""


def _end_at_the_border(joined: Mapping[int, np.ndarray], known: Mapping[int, np.ndarray]) -> None:
    """Cut the links of the last points along each axis, in place: they have no next."""
    for links in (joined, known):
        for axis, values in links.items():
            np.moveaxis(values, axis, 0)[-1] = False
