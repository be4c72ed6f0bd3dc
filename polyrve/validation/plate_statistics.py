"""What sections show of plates in a special relation: share of boundaries, coherence, thickness, variants, parents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import planar
from polyrve.microstructure.cleaning import crop
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.parents import find_parents
from polyrve.microstructure.special_boundaries import boundary_pairs
from polyrve.microstructure.stereology import SHAPED, SPECK, window_shape


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
        Number of plates over that of grains.
    thickness : float, um
        Mean of plates of ten points or more that have their host on both sides.
    free_ends : float
        Mean number of ends of a plate that lie within its parent.
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
    points = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[1:]
    large = points[plates.grain - 1] > SPECK
    through = plates.thickness[plates.through & (points[plates.grain - 1] >= SHAPED)]
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
        plates_per_grain=float(large.sum() / max((points > SPECK).sum(), 1)),
        thickness=float(through.mean()) if len(through) else np.nan,
        free_ends=float(plates.free_ends[large].mean()) if large.any() else np.nan,
        planes_per_parent=float(np.mean([len(one) for one in planes.values()])) if planes else np.nan,
        parent_chord=float(np.mean(chords)),
    )


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
