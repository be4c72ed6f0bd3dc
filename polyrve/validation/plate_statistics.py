"""What sections show of plates in a special relation: share of boundaries, coherence, thickness, variants, parents.

A section with borders is a window of something larger: plates and parents that its border cuts are left out of numbers,
thicknesses, sizes and ends, and the others are weighted by the inverse of their chance to lie inside, as grains are
(:mod:`polyrve.microstructure.stereology`). A cut plate would be too thin and its end not an end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import planar
from polyrve.microstructure.cleaning import crop
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.parents import find_parents
from polyrve.microstructure.special_boundaries import boundary_pairs
from polyrve.microstructure.stereology import SPECK, GrainShapes, grain_shapes, window_shape


@dataclass(frozen=True, eq=False)
class SectionPlates:
    """Plates and parents on sections, as the metrics compare them.

    Attributes
    ----------
    deviations : ndarray, shape (F,), degrees
        Angle between the boundary of a plate with its host and the trace of its habit plane, at each point face.
    per_size : float, 1/um^2
        Plates of three points or more, per indexed area.
    thickness : ndarray, shape (K,), um
        Of plates of which the sections tell it (:class:`polyrve.microstructure.parents.Plates`).
    weight : ndarray, shape (K,), um
        Length of its trace times the inverse chance to lie inside the border; 0 where that cuts the plate. Short pieces
        of plates, which others cut to wedges, come out too thin and count little.
    parents : GrainShapes
        Of grains merged with their plates.
    """

    deviations: np.ndarray
    per_size: float
    thickness: np.ndarray
    weight: np.ndarray
    parents: GrainShapes


def section_plates(
    sections: Sequence[GrainMap], weights: Sequence[np.ndarray], relations: Sequence[Relation], normal: int
) -> SectionPlates:
    """Measure plates and parents on sections of one shape.

    Parameters
    ----------
    sections : sequence of GrainMap
        Parallel, in the frame of the volume.
    weights : sequence of ndarray, shape (N,)
        Of the grains of each; see :class:`polyrve.microstructure.stereology.GrainShapes`.
    relations : sequence of Relation
        With habit planes.
    normal : int
        Array axis of the volume that the sections are normal to.

    Returns
    -------
    SectionPlates
    """
    indexed, first, number = 0, 0, 0.0
    deviations: list[np.ndarray] = []
    labels, thickness, weight = [], [], []
    for grains, of_grain in zip(sections, weights, strict=True):
        found = find_parents(grains, relations, normal)
        plates = found.plates
        deviations += found.deviations
        indexed += int((grains.grain_ids > 0).sum())
        points = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[plates.grain]
        number += float(of_grain[plates.grain - 1][points > SPECK].sum())
        thickness.append(plates.thickness[plates.told])
        weight.append((of_grain[plates.grain - 1] * plates.trace)[plates.told])
        labels.append(np.append(0, found.parent + first + 1)[grains.grain_ids])
        first += len(found.area)
    field = sections[0].field
    return SectionPlates(
        deviations=np.concatenate(deviations),
        per_size=number / (indexed * float(np.prod(field.spacing))) if indexed else np.nan,
        thickness=np.concatenate(thickness),
        weight=np.concatenate(weight),
        parents=grain_shapes(np.stack(labels), field.spacing, field.periodic),
    )


@dataclass(frozen=True)
class PlateStatistics:
    """Plates on a section; NaN where there are none.

    Attributes
    ----------
    special_share : float
        Share of the boundary that stands in the relation.
    coherence : float
        Share of the boundary between plates and hosts along the traces of the habit planes.
    plate_share : float
        Share of the area that lies in plates.
    plates_per_grain : float
        Number of plates over that of grains, both of three points or more.
    thickness : float, um
        Mean of plates of which the section tells it, by the length of their traces.
    free_ends : float
        Mean number of ends of a plate that lie within its host.
    planes_per_parent : float
        Mean number of habit planes in a parent that has plates.
    parent_chord : float, um
        Mean chord of the parents.
    """

    special_share: float
    coherence: float
    plate_share: float
    plates_per_grain: float
    thickness: float
    free_ends: float
    planes_per_parent: float
    parent_chord: float


def plate_statistics(section: OrientationMap, relation: Relation, normal: int = 0) -> PlateStatistics:
    """Measure the plates that a map or section shows.

    Parameters
    ----------
    section : OrientationMap
        In the frame of the volume.
    relation : Relation
        With a habit plane.
    normal : int
        Array axis of the volume that the section is normal to.

    Returns
    -------
    PlateStatistics

    Examples
    --------
    >>> from polyrve import make_twinned_specimen
    >>> specimen = make_twinned_specimen((4, 48, 48), grain_size=20.0, seed=1)
    >>> found = plate_statistics(specimen.grains.field.section(0, 0), specimen.relation)
    >>> 0.0 < found.special_share < 1.0
    True
    """
    whole = analyse(section.evolve(periodic=False) if section.periodic else section)
    field, grains = whole.field, whole.grains
    pairs = boundary_pairs(field.quaternions, field.phase_ids, field.phases, whole.angles, whole.threshold)
    parents = find_parents(grains, (relation,), normal)
    plates = parents.plates
    shapes = grain_shapes(grains.grain_ids[None], field.spacing, periodic=False)
    points, weight = shapes.points, shapes.weight[plates.grain - 1]
    large = points[plates.grain - 1] > SPECK
    planes: dict[int, list[np.ndarray]] = {}
    for parent, plane in zip(plates.parent[large], plates.normal[large], strict=True):
        known = planes.setdefault(int(parent), [])
        if all(abs(plane @ one) < 1.0 - 1e-6 for one in known):
            known.append(plane)
    chords = analyse(parents.field).sections.mean_chords
    return PlateStatistics(
        special_share=pairs.share(relation),
        coherence=parents.coherence[0],
        plate_share=float(points[plates.grain - 1].sum() / max(points.sum(), 1)),
        plates_per_grain=_ratio(weight[large], shapes.weight[points > SPECK]),
        thickness=_ratio((weight * plates.trace * plates.thickness)[plates.told], (weight * plates.trace)[plates.told]),
        free_ends=_ratio((weight * plates.free_ends)[large], weight[large]),
        planes_per_parent=float(np.mean([len(one) for one in planes.values()])) if planes else np.nan,
        parent_chord=float(np.mean(chords)),
    )


def _ratio(first: np.ndarray, second: np.ndarray) -> float:
    total = float(second.sum())
    return float(first.sum()) / total if total else np.nan


def of_sections(volume: OrientationVolume, relation: Relation, most: int = 8) -> list[PlateStatistics]:
    """Measure the plates on evenly spaced sections normal to all axes of a volume.

    Parameters
    ----------
    volume : OrientationVolume
    relation : Relation
    most : int
        Sections normal to each axis.

    Returns
    -------
    list of PlateStatistics
    """
    found = []
    for axis in planar(volume.shape):
        chosen = np.linspace(0, volume.shape[axis], min(most, volume.shape[axis]), endpoint=False).astype(int)
        found += [plate_statistics(volume.section(axis, int(i)), relation, axis) for i in np.unique(chosen)]
    return found


def of_windows(
    field: OrientationMap, relation: Relation, shape: Sequence[int], windows: int = 20, seed: int = 0
) -> list[PlateStatistics]:
    """Measure the plates on random windows of a map.

    Parameters
    ----------
    field : OrientationMap
    relation : Relation
    shape : sequence of int
        Of a section of the volume; windows are no larger than 0.7 of the map.
    windows, seed : int

    Returns
    -------
    list of PlateStatistics
    """
    rng = np.random.default_rng(seed)
    size = window_shape(shape, field.shape)
    found = []
    for _ in range(windows):
        corner = [int(rng.integers(n - length + 1)) for n, length in zip(field.shape, size, strict=True)]
        window = crop(field, corner, [a + length for a, length in zip(corner, size, strict=True)])
        found.append(plate_statistics(window, relation))
    return found


def mean_statistics(found: Sequence[PlateStatistics]) -> PlateStatistics:
    """Average over sections, those without plates left out where a number needs one."""
    values = {one.name: np.array([getattr(row, one.name) for row in found]) for one in fields(PlateStatistics)}
    known = {name: column[np.isfinite(column)] for name, column in values.items()}
    return PlateStatistics(**{name: float(column.mean()) if len(column) else np.nan for name, column in known.items()})
