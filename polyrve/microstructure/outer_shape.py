"""Volumes of any outer shape: what lies outside is a phase of its own, which solvers take for empty."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import ndimage

from polyrve.crystallography.phase import VOID, Phase
from polyrve.microstructure.cleaning import drop_phase
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
        Voxels of the outside that are added all around, but not along an axis of one voxel, so that a solver that
        repeats the volume finds a free surface.

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
    margins = [margin if n > 1 else 0 for n in np.shape(inside)]
    inside = np.pad(np.asarray(inside, dtype=bool), [(m, m) for m in margins])
    field = grains.field
    if not inside.any():
        raise ValueError("shape: expected a mask with voxels inside; all are outside")
    if phase.name in {known.name for known in field.phases}:
        raise ValueError(f"phase: expected a name that the volume does not have; got {phase.name!r}")
    size = tuple(n - 2 * m for n, m in zip(inside.shape, margins, strict=True))
    if not field.periodic and any(n > m for n, m in zip(size, field.shape, strict=True)):
        raise ValueError(
            f"shape: expected at most {' x '.join(map(str, field.shape))} voxels, those of a volume that is not "
            f"periodic; got {' x '.join(map(str, size))}"
        )
    at = np.ix_(*((np.arange(n) - m) % old for n, m, old in zip(inside.shape, margins, field.shape, strict=True)))
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
        origin=tuple(o - m * d for o, m, d in zip(field.origin, margins, field.spacing, strict=True)),
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


def material_of(volume: OrientationVolume) -> OrientationVolume:
    """Return what of a volume statistics can count: no empty space, and of a body the largest box within it.

    Grains at a free surface are cut, as those at the edge of a window are, but along a surface of any shape; within a
    box they are cut as in a map.

    Parameters
    ----------
    volume : OrientationVolume
        Of an outer shape as its record says, or as its outermost voxels do, which are all empty; or with voids, which
        become voxels that are not indexed.

    Returns
    -------
    OrientationVolume
        Itself where all of it is material.

    Examples
    --------
    >>> from polyrve.microstructure.synthetic import make_specimen
    >>> ball = np.sum((np.indices((9, 9, 9)) - 4) ** 2, axis=0) <= 16
    >>> made = fill_shape(make_specimen((9, 9, 9), grain_size=4.0), ball, Phase("Void"))
    >>> material_of(made.field).shape
    (5, 5, 5)
    """
    shaped = "outer_shape" in volume.provenance
    if VOID in {phase.name for phase in volume.phases[1:]}:
        volume = drop_phase(volume, VOID)
    solid = volume.indexed
    border = np.ones(solid.shape, dtype=bool)
    border[tuple(slice(1, -1) if n > 1 else slice(None) for n in solid.shape)] = False
    if solid.any() and (shaped or not solid[border].any()):
        outside = ndimage.label(~solid)[0]
        at_border = np.unique(outside[border])
        return volume[largest_box(~np.isin(outside, at_border[at_border > 0]))].evolve(periodic=False)
    return volume


def largest_box(inside: np.ndarray) -> Any:
    """Return a large box within a body: the largest cube, grown at each of its faces in turn.

    Parameters
    ----------
    inside : ndarray, shape (nz, ny, nx), bool
        Some of it True.

    Returns
    -------
    tuple of slice

    Examples
    --------
    >>> inside = np.zeros((1, 7, 9), dtype=bool)
    >>> inside[0, 1:6, 2:], inside[0, 2, :] = True, True
    >>> largest_box(inside)
    (slice(0, 1, None), slice(1, 6, None), slice(2, 9, None))
    """
    deep = [(int(n > 1),) * 2 for n in inside.shape]
    padded = np.pad(inside, deep)
    flat = tuple(0 if n == 1 else slice(None) for n in inside.shape)
    distance = ndimage.distance_transform_cdt(padded[flat], "chessboard")
    centre = np.argwhere(distance.reshape(padded.shape) == distance.max())
    centre = centre[len(centre) // 2] - [one for one, _ in deep]
    reach = np.where(np.array(inside.shape) > 1, int(distance.max()) - 1, 0)
    low, high = centre - reach, centre + reach + 1
    sides = [(axis, end) for axis in range(inside.ndim) for end in (0, 1)]
    while sides:
        for axis, end in list(sides):
            ends = [slice(a, b) for a, b in zip(low, high, strict=True)]
            next_layer = high[axis] if end else low[axis] - 1
            ends[axis] = slice(next_layer, next_layer + 1)
            if not 0 <= next_layer < inside.shape[axis] or not inside[tuple(ends)].all():
                sides.remove((axis, end))
                continue
            (high if end else low)[axis] += 1 if end else -1
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
