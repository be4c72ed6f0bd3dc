"""What a map tells about the instrument: measuring noise, unindexed and misindexed points.

The noise is the part of the orientation scatter within grains that is the same at all distances
(:mod:`polyrve.microstructure.orientation_scatter`); a material that varies from point to point without memory cannot be
told from it. Points in grains of one or two are misindexed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.special import stdtrit

from polyrve.crystallography import rotation
from polyrve.crystallography.special_relations import TOLERANCE, Relation, known_relations
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.instrument import Instrument
from polyrve.microstructure.orientation_scatter import fit_scatter
from polyrve.microstructure.segmentation import labelled
from polyrve.microstructure.special_boundaries import densest_relation
from polyrve.microstructure.stereology import SPECK

_TILES = 3
"""Tiles along each side of a map whose estimates of the noise tell its interval: nine, each of some grains.

With more of them the spread is better known, but tiles of few grains have no pairs far apart and their estimates
scatter more than the map's.
"""

_FEWEST_BAD = 30
"""Unindexed and misindexed points that tell where they lie; of fewer the ratio is off by a third by chance."""

_PREFERENCES = 0.2, 20.0
"""Least and largest preference for boundaries: holes that are all at boundaries, or all inside, give no ratio."""

_FEWEST_SPIKES = 10
"""Spikes of a phase that tell a pseudo-symmetry."""

_RANDOM = 2000
"""Random orientations that tell how many spikes lie near a relation by chance, to a tenth of a per cent."""


def estimate_instrument(grains: Sequence[GrainMap]) -> Instrument:
    """Estimate what an instrument added to the material that some maps show.

    Parameters
    ----------
    grains : sequence of GrainMap
        Of maps by one instrument.

    Returns
    -------
    Instrument

    See Also
    --------
    polyrve.microstructure.instrument.measured : A volume seen through the instrument.
    noise_interval : How well the noise is known.

    Examples
    --------
    >>> from polyrve import make_specimen, segment, simulate_scan
    >>> specimen = make_specimen((8, 64, 64), grain_size=12.0, seed=1)
    >>> scan = simulate_scan(specimen, noise=0.4, unindexed=0.02, misindexed=0.01)
    >>> found = estimate_instrument([segment(scan)])
    >>> round(found.noise, 1), round(found.unindexed, 2), round(found.misindexed, 2)
    (0.4, 0.02, 0.01)
    """
    points = specks = holes = 0
    for one in grains:
        sizes = np.bincount(one.grain_ids.ravel(), minlength=1)
        points += one.grain_ids.size
        holes += int(sizes[0])
        specks += int(sizes[1:][sizes[1:] <= SPECK].sum())
    return Instrument(
        noise=fit_scatter(grains, SPECK + 1).noise_degrees,
        unindexed=holes / max(points, 1),
        misindexed=specks / max(points, 1),
        preference=_boundary_preference(grains),
    )


def noise_interval(grains: GrainMap) -> tuple[float, float] | None:
    """Return the 95 % interval of the measuring noise of a map, degrees, by how far parts of the map differ.

    Parameters
    ----------
    grains : GrainMap

    Returns
    -------
    tuple of float, or None
        None where fewer than three parts of the map tell the noise.

    See Also
    --------
    estimate_instrument : The noise itself.
    """
    found = []
    for rows in np.array_split(np.arange(grains.field.shape[0]), _TILES):
        for columns in np.array_split(np.arange(grains.field.shape[1]), _TILES):
            if not len(rows) or not len(columns):
                continue
            part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            ids = grains.grain_ids[part]
            numbers = np.searchsorted(np.unique(ids[ids > 0]), ids) + 1
            field = grains.field.evolve(
                quaternions=grains.field.quaternions[part], phase_ids=grains.field.phase_ids[part], properties={}
            )
            scatter = fit_scatter([labelled(field, np.where(ids > 0, numbers, 0))], SPECK + 1)
            if scatter.noise > 0.0 or scatter.parts.any():
                found.append(scatter.noise)
    if len(found) < 3:
        return None
    whole = fit_scatter([grains], SPECK + 1).noise
    reach = float(stdtrit(len(found) - 1, 0.975) * np.std(found, ddof=1) / np.sqrt(len(found)))
    low, high = (float(np.rad2deg(np.sqrt(max(0.0, square) / 2.0))) for square in (whole - reach, whole + reach))
    return low, high


@dataclass(frozen=True)
class PseudoSymmetry:
    """A wrong solution that an indexing takes again and again.

    Attributes
    ----------
    relation : Relation
        From the grain to the spike in it.
    spikes, of : int
        Spikes in that relation, and all spikes of the phase.
    """

    relation: Relation
    spikes: int
    of: int


def pseudo_symmetries(grains: GrainMap) -> dict[int, PseudoSymmetry]:
    """Find the relation that most spikes of a phase have to the grain around them.

    Parameters
    ----------
    grains : GrainMap

    Returns
    -------
    dict of int to PseudoSymmetry
        By the index of the phases in which more spikes than chance explains, and at least a fifth, share a relation.
        Twins that are no wider than two points look the same.
    """
    host = _surrounding(grains)
    sizes = np.bincount(grains.grain_ids.ravel(), minlength=1)
    field = grains.field
    spike = (sizes <= SPECK)[grains.grain_ids] & (grains.grain_ids > 0) & (host > 0)
    found = {}
    for number, phase in enumerate(field.phases, start=1):
        rows = spike & (field.phase_ids == number)
        rows[rows] = grains.phase_ids[host[rows] - 1] == number
        if rows.sum() < _FEWEST_SPIKES:
            continue
        around, inside = grains.quaternions[host[rows] - 1], field.quaternions[rows]
        relation = densest_relation(around, inside, (phase, phase))
        near = relation.deviation(around, inside) <= relation.tolerance
        others = rotation.random_orientations(_RANDOM, np.random.default_rng(0))
        origin = np.broadcast_to([1.0, 0.0, 0.0, 0.0], others.shape)
        chance = float((relation.deviation(origin, others) <= relation.tolerance).mean())
        count, of = int(near.sum()), len(inside)
        if count >= 0.2 * of and count - chance * of >= 5.0 * np.sqrt(max(chance * of, 1.0)):
            found[number - 1] = PseudoSymmetry(_named(relation, around[near], inside[near]), count, of)
    return found


def _named(relation: Relation, first: np.ndarray, second: np.ndarray) -> Relation:
    """Return the known relation that some pairs stand in, or the one that was found where none is."""
    phase = relation.first
    known = known_relations((phase,)) if min(phase.lattice[:3]) > 0.0 else ()
    return next((one for one in known if one.deviation(first, second).mean() < TOLERANCE / 2.0), relation)


def _surrounding(grains: GrainMap) -> np.ndarray:
    """Return the nearest grain of more than two points for each point; 0 where there is none."""
    sizes = np.bincount(grains.grain_ids.ravel(), minlength=1)
    bad = (grains.grain_ids == 0) | (sizes <= SPECK)[grains.grain_ids]
    if bad.all():
        return np.zeros_like(grains.grain_ids)
    nearest = ndimage.distance_transform_edt(bad, return_distances=False, return_indices=True)
    return np.asarray(grains.grain_ids[tuple(nearest)])


def _boundary_preference(grains: Sequence[GrainMap]) -> float | None:
    """Tell how many times as often points next to a boundary are bad; None where too few are, or no point is inside."""
    bad_points, points = np.zeros(2), np.zeros(2)
    for one in grains:
        filled = _surrounding(one)
        sizes = np.bincount(one.grain_ids.ravel(), minlength=1)
        bad = (one.grain_ids == 0) | (sizes <= SPECK)[one.grain_ids]
        next_to = np.zeros(bad.shape, dtype=bool)
        for axis in (0, 1):
            across = np.diff(filled, axis=axis) != 0
            before, behind = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
            before[axis], behind[axis] = (0, 1), (1, 0)
            next_to |= np.pad(across, before) | np.pad(across, behind)
        for i, where in enumerate((next_to, ~next_to)):
            bad_points[i] += np.count_nonzero(bad & where)
            points[i] += np.count_nonzero(where)
    if bad_points.sum() < _FEWEST_BAD or not points.all():
        return None
    near, inside = (bad_points + 0.5) / points
    return float(np.clip(near / inside, *_PREFERENCES))
