"""Stacks of sections: maps, whole volumes, the sections of a volume, and the points of several maps together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.boundary_relations import relate
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.map_analysis import FieldAnalysis, MapAnalysis, VolumeAnalysis, analyse
from polyrve.microstructure.sampled_volume import SampledVolume
from polyrve.microstructure.section_measures import in_one_stack
from polyrve.validation.pooled_orientations import PooledOrientations, sorted_into_bins
from polyrve.validation.section_stack import SectionStack


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


def stack_of(
    field: OrientationField | FieldAnalysis,
    threshold: float,
    relations: Sequence[Relation] = (),
    plated: Sequence[Relation] = (),
    normal: int = 0,
) -> SectionStack:
    """Take a map, or a whole volume, as a stack of one section.

    Parameters
    ----------
    field : OrientationMap, OrientationVolume or the analysis of one
    threshold : float, degrees
        Smallest disorientation of a boundary.
    relations : sequence of Relation
        Special relations that its boundaries are tested for.
    plated : sequence of Relation
        Those that have plates.
    normal : int
        Array axis of a volume that a map is normal to.

    Returns
    -------
    SectionStack

    See Also
    --------
    section_stacks : The planar sections of a volume.
    """
    analysis = analyse(field, threshold)
    field = analysis.field
    bins, bin_ids = sorted_into_bins(field.quaternions, field.phase_ids, field.phases)
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
        plated=tuple(plated),
        normal=normal,
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
    bins, bin_ids = sorted_into_bins(quaternions, phase_ids, first.phases)
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
        plated=first.plated,
        normal=first.normal,
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
    bins, bin_ids = sorted_into_bins(quaternions, phase_ids, stacks[0].phases)
    return PooledOrientations(quaternions, phase_ids, stacks[0].phases, stacks[0].threshold, bins, bin_ids)


def section_stacks(
    volume: OrientationVolume | VolumeAnalysis | SampledVolume,
    threshold: float,
    most: int = 32,
    relations: Sequence[Relation] = (),
    plated: Sequence[Relation] = (),
) -> dict[int, SectionStack]:
    """Cut a volume into the sections normal to each array axis that has sections.

    Parameters
    ----------
    volume : OrientationVolume, VolumeAnalysis or SampledVolume
    threshold : float, degrees
        Smallest disorientation of a boundary.
    most : int
        Number of sections for each axis, evenly spaced; of a sampled volume all that were taken.
    relations : sequence of Relation
        Special relations that boundaries are tested for.
    plated : sequence of Relation
        Those that have plates.

    Returns
    -------
    dict of int to SectionStack
        By array axis; axes with a section of a single row are left out.

    See Also
    --------
    stack_of : A map, or the volume as a whole.
    """
    if isinstance(volume, SampledVolume):
        return {axis: _sampled(some, axis, threshold, relations, plated) for axis, some in volume.sections.items()}
    analysis = analyse(volume, threshold)
    field, angles = analysis.field, analysis.angles
    channels = _channels(field.quaternions, field.phase_ids, field.phases)
    bins, bin_ids = sorted_into_bins(field.quaternions, field.phase_ids, field.phases)
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
            plated=tuple(plated),
            normal=axis,
        )
    return stacks


def _sampled(
    sections: Sequence[OrientationMap],
    axis: int,
    threshold: float,
    relations: Sequence[Relation],
    plated: Sequence[Relation],
) -> SectionStack:
    """Put sections of a volume, normal to an axis, into one stack."""
    first = sections[0]
    q, ids = np.stack([one.quaternions for one in sections]), np.stack([one.phase_ids for one in sections])
    angles = {1 + i: np.stack([neighbour_disorientation(one, i) for one in sections]) for i in (0, 1)}
    channels = [_channels(one.quaternions, one.phase_ids, one.phases) for one in sections]
    bins, bin_ids = sorted_into_bins(q, ids, first.phases)
    return SectionStack(
        quaternions=q,
        phase_ids=ids,
        phases=first.phases,
        spacing=first.spacing,
        periodic=first.periodic,
        threshold=threshold,
        angles=angles,
        channels=np.stack(channels, axis=1),
        bins=bins,
        bin_ids=bin_ids,
        related=relate(q, ids, first.phases, angles, threshold, relations) if relations else None,
        plated=tuple(plated),
        normal=axis,
    )


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
