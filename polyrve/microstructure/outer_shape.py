"""A volume of any outer shape: what lies outside becomes a phase of its own, which solvers take for empty."""

from __future__ import annotations

import numpy as np

from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume


def fill_shape(grains: GrainVolume, inside: np.ndarray, phase: Phase, *, margin: int = 1) -> GrainVolume:
    """Fill a shape with a volume.

    A periodic volume is repeated where the shape is larger; the shape and the volume begin at one corner. The result is
    not periodic. Its outside is one grain of the phase.

    Parameters
    ----------
    grains : GrainVolume
    inside : ndarray, shape (nz, ny, nx), bool
        Voxels of the shape, of the size of those of the volume.
    phase : Phase
        Of the outside, e.g. ``Phase("Void")``.
    margin : int
        Voxels of the outside that are added all around, so that a solver that repeats the volume finds a free surface.

    Returns
    -------
    GrainVolume

    Raises
    ------
    ValueError
        If the shape is empty, or larger than a volume that is not periodic.

    Examples
    --------
    >>> from polyrve.microstructure.synthetic import make_specimen
    >>> ball = np.sum((np.indices((9, 9, 9)) - 4) ** 2, axis=0) <= 16
    >>> made = fill_shape(make_specimen((6, 6, 6), grain_size=4.0), ball, Phase("Void"))
    >>> made.field.shape, bool(((made.field.phase_ids == 2) == ~np.pad(ball, 1)).all())
    ((11, 11, 11), True)
    """
    inside = np.pad(np.asarray(inside, dtype=bool), margin)
    field = grains.field
    if not inside.any():
        raise ValueError("shape: expected a mask with voxels inside; all are outside")
    if phase.name in {known.name for known in field.phases}:
        raise ValueError(f"phase: expected a name that the volume does not have; got {phase.name!r}")
    size = tuple(n - 2 * margin for n in inside.shape)
    if not field.periodic and any(n > m for n, m in zip(size, field.shape, strict=True)):
        raise ValueError(
            f"shape: expected at most {' x '.join(map(str, field.shape))} voxels, those of a volume that is not "
            f"periodic; got {' x '.join(map(str, size))}"
        )
    at = np.ix_(*((np.arange(n) - margin) % m for n, m in zip(inside.shape, field.shape, strict=True)))
    outside = len(field.phases) + 1
    ids = np.where(inside, grains.grain_ids[at], grains.number_of_grains + 1)
    used, ids = np.unique(ids, return_inverse=True)
    identity = np.array([[1.0, 0.0, 0.0, 0.0]])
    quaternions = np.where(inside[..., None], field.quaternions[at], identity)
    made = OrientationVolume(
        quaternions=quaternions,
        phase_ids=np.where(inside, field.phase_ids[at], outside),
        phases=(*field.phases, phase),
        spacing=field.spacing,
        origin=tuple(o - margin * d for o, d in zip(field.origin, field.spacing, strict=True)),
        frame=field.frame,
        periodic=False,
        provenance={**field.provenance, "outer_shape": {"phase": phase.name, "share": float(inside.mean())}},
    )
    return GrainVolume(
        field=made,
        grain_ids=ids.reshape(inside.shape) + 1,
        quaternions=np.concatenate([grains.quaternions, identity])[used - 1],
        phase_ids=np.append(grains.phase_ids, outside)[used - 1],
    )
