"""The instrument: what an EBSD measurement makes of a material.

A map is a material seen through an instrument: orientations with angular noise, points that are not indexed and single
points that are misindexed, at steps as wide as the voxels.
:func:`polyrve.microstructure.instrument_estimate.estimate_instrument` tells them from the grains of a map, and
:func:`measured` looks at a volume in the same way, so that its sections can be compared with the map like with like.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyrve.crystallography import rotation
from polyrve.microstructure.axes import volume_of_map
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD, neighbour_disorientation

_BOUNDARY = np.deg2rad(DEFAULT_THRESHOLD)
_BOUNDARY_PREFERENCE = 5.0
"""How much more often a point next to a boundary is unindexed or misindexed than one inside a grain.

Patterns of two grains overlap there. An assumption for simulated scans, and for maps with too few such points to tell:
with 1 they are strewn evenly, with more they gather at boundaries, where they hide more of the neighbours'
disorientations and cut more chords.
"""


@dataclass(frozen=True)
class Instrument:
    """What a measurement adds to a material.

    Attributes
    ----------
    noise : float, degrees
        Root mean square angle of the error of an indexed point.
    unindexed, misindexed : float
        Shares of the points without an orientation and with a wrong one.
    preference : float or None
        How many times as often these points lie next to a boundary as inside a grain; None where they are too few to
        tell, and are taken to lie there five times as often.
    """

    noise: float = 0.0
    unindexed: float = 0.0
    misindexed: float = 0.0
    preference: float | None = None

    def less(self, other: Instrument) -> Instrument:
        """Return what this instrument adds beyond another; variances of the noise add up, and shares do."""
        return Instrument(
            noise=float(np.sqrt(max(0.0, self.noise**2 - other.noise**2))),
            unindexed=max(0.0, self.unindexed - other.unindexed),
            misindexed=max(0.0, self.misindexed - other.misindexed),
            preference=self.preference,
        )


def measured(volume: OrientationVolume, instrument: Instrument, rng: np.random.Generator) -> OrientationVolume:
    """Look at a volume through an instrument, every voxel being a point of a scan.

    Parameters
    ----------
    volume : OrientationVolume
    instrument : Instrument
        Points are unindexed and misindexed more often next to boundaries, by its preference.
    rng : numpy.random.Generator

    Returns
    -------
    OrientationVolume
    """
    quaternions, phase_ids = volume.quaternions.copy(), volume.phase_ids.copy()
    if instrument.noise > 0.0:
        error = rng.standard_normal((*volume.shape, 3)) * (np.deg2rad(instrument.noise) / np.sqrt(3.0))
        quaternions = rotation.multiply(rotation.from_rotation_vector(error), quaternions)
    indexed = np.flatnonzero(volume.indexed)
    holes, wrong = (round(share * phase_ids.size) for share in (instrument.unindexed, instrument.misindexed))
    if holes + wrong > 0:
        preference = np.where(_next_to_boundary(volume), instrument.preference or _BOUNDARY_PREFERENCE, 1.0).ravel()[
            indexed
        ]
        number = min(holes + wrong, len(indexed))
        chosen = rng.permutation(rng.choice(indexed, number, replace=False, p=preference / preference.sum()))
        phase_ids.flat[chosen[:holes]] = 0
        quaternions.reshape(-1, 4)[chosen[holes:]] = rotation.random_orientations(len(chosen[holes:]), rng)
    return volume.evolve(quaternions=quaternions, phase_ids=phase_ids)


def simulate_scan(
    volume: OrientationVolume | GrainVolume,
    axis: int = 0,
    index: int = 0,
    *,
    noise: float = 0.3,
    unindexed: float = 0.02,
    misindexed: float = 0.005,
    seed: int = 0,
) -> OrientationMap:
    """Measure a planar section of a volume as an EBSD instrument would.

    Orientations are reduced to the symmetric equivalent nearest to the identity, as indexing software reports them, and
    refer to the section's own frame (:mod:`polyrve.microstructure.axes`).

    Parameters
    ----------
    volume : OrientationVolume or GrainVolume
    axis, index : int
        The section: 0 for z, 1 for y, 2 for x, and the position along that axis.
    noise : float, degrees
        Measuring noise: root mean square angle of the error of an indexed point.
    unindexed, misindexed : float
        Shares of the points without an orientation and with a random one; both are more frequent, by a factor
        of five, next to a boundary of more than 5 degrees.
    seed : int

    Returns
    -------
    OrientationMap
        With the confidence index in ``properties["CI"]``: about 0.7, below 0.1 where misindexed, -1 where
        unindexed.

    Raises
    ------
    ValueError
        If the section does not exist or a share is out of range.

    See Also
    --------
    polyrve.microstructure.synthetic.make_specimen : A volume to be measured.
    polyrve.microstructure.fields.OrientationVolume.section : The section as it is, in the frame of the volume.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> scan = simulate_scan(make_specimen((8, 20, 25), grain_size=5.0, seed=1), axis=0, index=3, unindexed=0.02)
    >>> scan.shape, int((~scan.indexed).sum()), sorted(scan.properties)
    ((20, 25), 10, ['CI'])
    """
    field = volume.field if isinstance(volume, GrainVolume) else volume
    if not isinstance(field, OrientationVolume):
        raise ValueError(f"volume: expected an OrientationVolume or a GrainVolume; got {type(field).__name__}")
    if axis not in (0, 1, 2) or not -field.shape[axis] <= index < field.shape[axis]:
        raise ValueError(
            f"section: expected axis 0, 1 or 2 and an index within shape {field.shape}; got axis {axis}, index {index}"
        )
    if not (noise >= 0 and unindexed >= 0 and misindexed >= 0 and unindexed + misindexed < 1):
        raise ValueError(
            "noise, unindexed, misindexed: expected a noise not negative and shares that add up to less "
            f"than 1; got {noise}, {unindexed}, {misindexed}"
        )
    section = field.section(axis, index)
    rng = np.random.default_rng(seed)
    volume_of_section = rotation.from_matrix(volume_of_map(axis))
    quaternions, phase_ids = rotation.multiply(section.quaternions, volume_of_section), section.phase_ids.copy()
    error = rng.standard_normal((*section.shape, 3)) * (np.deg2rad(noise) / np.sqrt(3.0))
    quaternions = rotation.multiply(rotation.from_rotation_vector(error), quaternions)
    confidence = np.clip(rng.normal(0.7, 0.1, section.shape), 0.15, 1.0)

    number = phase_ids.size
    preference = np.where(_next_to_boundary(section), _BOUNDARY_PREFERENCE, 1.0).ravel()
    holes, wrong = round(unindexed * number), round(misindexed * number)
    chosen = rng.choice(number, size=holes + wrong, replace=False, p=preference / preference.sum())
    chosen = rng.permutation(chosen)
    hole_points = np.unravel_index(chosen[:holes], section.shape)
    wrong_points = np.unravel_index(chosen[holes:], section.shape)
    phase_ids[hole_points] = 0
    confidence[hole_points] = -1.0
    quaternions[wrong_points] = rotation.random_orientations(wrong, rng)
    confidence[wrong_points] = rng.uniform(0.0, 0.1, wrong)
    for i, phase in enumerate(section.phases, start=1):
        here = phase_ids == i
        quaternions[here] = rotation.nearest_equivalent(
            quaternions[here], np.array([1.0, 0.0, 0.0, 0.0]), phase.symmetry
        )
    return section.evolve(
        quaternions=quaternions,
        phase_ids=phase_ids,
        periodic=False,
        properties={"CI": confidence},
        provenance={
            **section.provenance,
            "section": {"axis": axis, "index": index},
            "noise": noise,
            "unindexed": unindexed,
            "misindexed": misindexed,
            "measure_seed": seed,
        },
    )


def _next_to_boundary(field: OrientationField) -> np.ndarray:
    """Find the points with a boundary at one of their sides."""
    field = field.evolve(periodic=False)
    next_to = np.zeros(field.shape, dtype=bool)
    for axis in range(len(field.shape)):
        boundary = neighbour_disorientation(field, axis) > _BOUNDARY
        next_to |= boundary | np.roll(boundary, 1, axis=axis)
    return next_to
