"""The specimen with plates: a synthetic polycrystal with twins or a second phase in its grains, whose truth is known.

The grains of :func:`polyrve.microstructure.synthetic.make_specimen` are the parents. Plates lie on the habit plane of a
variant of one relation; a section shows them under every angle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation, twin
from polyrve.microstructure.grain_properties import unwrapped_points
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.plates import least_thickness, plate
from polyrve.microstructure.synthetic import make_specimen, scatter_field

NICKEL = Phase("Nickel", "m-3m", (3.52, 3.52, 3.52, 90.0, 90.0, 90.0), 225)

_TRIALS = 20
"""Positions that are tried for a plate, some of which lie too near to another of its variant."""


@dataclass(frozen=True, eq=False, repr=False)
class TwinnedSpecimen:
    """A volume with plates, and what is known of them; row i - 1 is grain i.

    Attributes
    ----------
    grains : GrainVolume
        Parents, cut to pieces by plates or not, and plates.
    relation : Relation
    parent : ndarray, shape (N,), int
        Id of the parent that a grain is, or lies in.
    normal : ndarray, shape (N, 3)
        Of a plate's habit plane along the array axes; NaN for parents.
    thickness : ndarray, shape (N,), um
        Of plates; NaN for parents.
    """

    grains: GrainVolume
    relation: Relation
    parent: np.ndarray
    normal: np.ndarray
    thickness: np.ndarray

    def __repr__(self) -> str:
        plates = np.isfinite(self.thickness)
        median = f", median thickness {np.median(self.thickness[plates]):.3g} um" if plates.any() else ""
        return f"TwinnedSpecimen: {plates.sum()} plates of {self.relation.name}{median}\n{self.grains!r}"


def make_twinned_specimen(
    shape: tuple[int, int, int] = (64, 64, 64),
    *,
    relation: Relation | None = None,
    plates_per_grain: float = 1.5,
    thickness: float = 3.0,
    thickness_spread: float = 0.3,
    free_ends: float = 0.0,
    scatter: float = 0.5,
    seed: int = 0,
    **of_parents: Any,
) -> TwinnedSpecimen:
    """Make a specimen with plates in its grains, whose truth is known.

    Parameters
    ----------
    shape : tuple of int
        Voxels (nz, ny, nx).
    relation : Relation, optional
        With a habit plane, a twin or a relation to a second phase, which the plates then are of; by default Sigma 3 on
        {111} in nickel.
    plates_per_grain : float
        Mean number in a grain of the mean volume, in proportion to volume to the power 1/3 in others.
    thickness : float, um
        Median of the plates.
    thickness_spread : float
        Standard deviation of its logarithm.
    free_ends : float
        Share of the plates that end within their grain, at half of its width.
    scatter : float, degrees
        As for :func:`polyrve.microstructure.synthetic.make_specimen`.
    seed : int
    **of_parents
        Further arguments of ``make_specimen``: ``grain_size``, ``size_spread``, ``texture`` ...

    Returns
    -------
    TwinnedSpecimen

    Raises
    ------
    ValueError
        If an argument is out of its range.

    See Also
    --------
    polyrve.microstructure.synthetic.make_specimen : The parents.

    Examples
    --------
    >>> specimen = make_twinned_specimen((12, 14, 16), grain_size=10.0, seed=1)
    >>> print(repr(specimen).splitlines()[0])
    TwinnedSpecimen: 4 plates of Sigma 3, median thickness 3.18 um
    >>> plates = np.isfinite(specimen.thickness)
    >>> bool((specimen.parent[plates] <= (~plates).sum()).all())
    True
    """
    numbers = {"plates_per_grain": plates_per_grain, "thickness_spread": thickness_spread, "free_ends": free_ends}
    for name, value in {**numbers, "thickness": thickness}.items():
        if not (np.isfinite(value) and value >= 0) or (name == "thickness" and value == 0) or free_ends > 1:
            raise ValueError(f"{name}: expected a number of at least 0, shares of at most 1; got {value}")
    relation = twin(NICKEL, plane=(1, 1, 1), name="Sigma 3", tolerance=8.66) if relation is None else relation
    if relation.plane is None:
        raise ValueError(f"relation: expected one with a habit plane; got {relation.name!r}")
    given = {"texture": "random", **of_parents, "phases": (relation.first,), "scatter": 0.0, "seed": seed}
    cells = make_specimen(shape, **given)
    rng = np.random.default_rng(seed + 1)
    step = np.array(cells.field.spacing)
    labels = cells.grain_ids.ravel() - 1
    points = unwrapped_points(cells.grain_ids, (0, 1, 2)) * step
    number = cells.number_of_grains
    quaternions = list(cells.quaternions)
    parent, normals, thicknesses = list(range(number)), [np.full(3, np.nan)] * number, [np.nan] * number
    volumes = np.bincount(labels, minlength=number)
    order = np.argsort(labels, kind="stable")
    for cell, voxels in enumerate(np.split(order, np.cumsum(volumes)[:-1])):
        middles: list[tuple[np.ndarray, float]] = []
        for _ in range(rng.poisson(plates_per_grain * np.cbrt(volumes[cell] / volumes.mean()))):
            variant = int(rng.integers(len(relation.variants)))
            normal = rotation.rotate(rotation.conjugate(cells.quaternions[cell]), relation.planes[variant])[::-1]
            drawn = thickness * float(np.exp(thickness_spread * rng.standard_normal()))
            free = voxels[labels[voxels] == cell]
            height = points[free] @ normal
            low, high = height.min() + drawn / 2.0, height.max() - drawn / 2.0
            for _ in range(_TRIALS if low < high else 0):
                offset = float(rng.uniform(low, high))
                gap = 2.0 * least_thickness(normal, step) + drawn / 2.0
                parallel = [
                    (middle @ normal, half)
                    for middle, half in middles
                    if abs(middle @ normal) > 0.999 * abs(middle @ middle) ** 0.5
                ]
                if any(abs(offset - middle) < gap + half for middle, half in parallel):
                    continue
                ends = int(rng.random() < free_ends)
                inside = plate(points[free], normal, offset, drawn, rng, length=0.5, free_ends=ends)
                if inside.any() and not inside.all():
                    labels[free[inside]] = len(quaternions)
                    quaternions.append(rotation.multiply(relation.variants[variant], cells.quaternions[cell]))
                    parent.append(cell)
                    normals.append(normal)
                    thicknesses.append(drawn)
                    middles.append((offset * normal, drawn / 2.0))
                break
    kept, ids = np.unique(labels, return_inverse=True)
    ids = ids.reshape(shape)
    length = float(given.get("grain_size", 8.0)) / 4.0
    away = rotation.from_rotation_vector(scatter_field(ids, step, np.deg2rad(scatter), length, rng))
    q = np.array(quaternions)[kept]
    phases = (relation.first,) if relation.twin else (relation.first, relation.second)
    phase_ids = np.where(np.isnan(np.array(thicknesses)[kept]), 1, len(phases)).astype(np.int32)
    record = {**numbers, "thickness": thickness, "relation": relation.name, "scatter": scatter}
    field = cells.field.evolve(
        quaternions=rotation.multiply(away, q[ids]),
        phase_ids=phase_ids[ids],
        phases=phases,
        provenance={
            **cells.field.provenance, **record, "source": "polyrve.microstructure.twinned.make_twinned_specimen",
        },
    )  # fmt: skip
    return TwinnedSpecimen(
        grains=GrainVolume(field=field, grain_ids=ids + 1, quaternions=q, phase_ids=phase_ids),
        relation=relation,
        parent=np.searchsorted(kept, np.array(parent)[kept]) + 1,
        normal=np.array(normals)[kept],
        thickness=np.array(thicknesses)[kept],
    )
