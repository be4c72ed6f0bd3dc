"""Voids, inclusions and precipitates, set into the grains of a polycrystal without overlap.

Particles are placed one by one, the largest first, at random sequential addition [1]_: a centre is drawn from the
places that are asked for, and kept where the particle touches no other. Volumes are those of the shapes; in voxels they
are exact in the mean, since centres lie anywhere within a voxel.

References
----------
.. [1] S. Torquato, Random Heterogeneous Materials (2002), 3.4, doi:10.1007/978-1-4757-6355-3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation, direction
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.sized_cells import CellSizes

Place = Literal["anywhere", "grains", "boundaries", "triple-lines", "quadruple-points"]
PLACES: tuple[Place, ...] = ("anywhere", "grains", "boundaries", "triple-lines", "quadruple-points")
"""Where centres lie; within grains the whole particle does."""

ASPECTS: dict[str, tuple[float, float, float]] = {
    "sphere": (1.0, 1.0, 1.0),
    "needle": (5.0, 1.0, 1.0),
    "plate": (5.0, 5.0, 1.0),
}
"""Lengths of named shapes along their own axes."""

_TRIES, _LOOKS = 60, 6
"""Random centres that are tried for a particle, and how often those with room for it are looked for after that."""
_MOST = 200_000
"""Particles at most; more are a mistake in the size."""
_FINE = 48
"""Points along the longest side of a shape from a surface, by which it is looked up."""


@dataclass(frozen=True, eq=False)
class Shape:
    """A shape of volume pi / 6, as a sphere of diameter 1 has.

    Attributes
    ----------
    half : ndarray, shape (3,)
        Half of the lengths of its bounding box along its own axes, which is centred.
    inside : callable
        Takes points, shape (n, 3), in its own axes; returns whether each is inside.
    special : int
        Its own axis that a direction is asked for of: the long one of a needle, the short one of a plate.
    """

    half: np.ndarray
    inside: Callable[[np.ndarray], np.ndarray]
    special: int

    @property
    def thickness(self) -> float:
        """Shortest side of its bounding box."""
        return float(2.0 * self.half.min())


def ellipsoid(aspect: Sequence[float]) -> Shape:
    """Return an ellipsoid.

    Parameters
    ----------
    aspect : sequence of float, length 3
        Lengths of its axes relative to each other.

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        If a length is not positive.

    Examples
    --------
    >>> ellipsoid((8.0, 1.0, 1.0)).half.round(2)
    array([2.  , 0.25, 0.25])
    """
    lengths = np.array(aspect, dtype=float)
    if lengths.shape != (3,) or not (np.isfinite(lengths).all() and lengths.min() > 0):
        raise ValueError(f"aspect: expected three positive lengths; got {tuple(aspect)}")
    half = 0.5 * lengths / np.cbrt(np.prod(lengths))
    apart = np.abs(np.log(lengths) - np.log(np.median(lengths)))
    return Shape(half, lambda points: np.sum((points / half) ** 2, axis=-1) < 1.0, int(np.argmax(apart)))


def from_mask(mask: np.ndarray) -> Shape:
    """Return the shape of a body in voxels.

    Parameters
    ----------
    mask : ndarray, shape (nx, ny, nz), bool
        Cubes of the body, the array axes its own axes.

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        If it is empty.
    """
    places = np.argwhere(mask)
    if not len(places):
        raise ValueError("shape: expected a body with a volume; got none")
    low, high = places.min(axis=0), places.max(axis=0) + 1
    body = mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    step = np.cbrt(np.pi / 6.0 / body.sum())
    size = np.array(body.shape)

    def inside(points: np.ndarray) -> np.ndarray:
        at = np.floor(points / step + 0.5 * size).astype(int)
        known = ((at >= 0) & (at < size)).all(axis=-1)
        return np.asarray(known & body[tuple(np.clip(at, 0, size - 1).T)])

    return Shape(0.5 * step * size, inside, int(np.argmax(size)))


def from_body(mask: np.ndarray) -> Shape:
    """Return the shape of a body in voxels, its own axes those of its inertia.

    Parameters
    ----------
    mask : ndarray, shape (nx, ny, nz), bool
        Cubes of the body.

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        If it is empty.

    See Also
    --------
    from_section : The shape of a body of which there is a section.
    """
    places = np.argwhere(mask)
    if not len(places):
        raise ValueError("shape: expected a body with a volume; got none")
    centre = places.mean(axis=0)
    values, axes = np.linalg.eigh((places - centre).T @ (places - centre) / len(places) + np.eye(3) / 12.0)
    axes = axes[:, ::-1] * (1.0, 1.0, np.sign(np.linalg.det(axes[:, ::-1])))
    lengths = np.sqrt(values[::-1])
    along = (places - centre) @ axes
    reach = 0.5 * np.abs(axes).sum(axis=0)
    low, high = along.min(axis=0) - reach, along.max(axis=0) + reach
    step = np.cbrt(np.pi / 6.0 / len(places))
    origin, size = centre + axes @ (0.5 * (low + high)), np.array(mask.shape)

    def inside(points: np.ndarray) -> np.ndarray:
        at = np.floor(points / step @ axes.T + origin + 0.5).astype(int)
        known = ((at >= 0) & (at < size)).all(axis=-1)
        return np.asarray(known & mask[tuple(np.clip(at, 0, size - 1).T)])

    apart = np.abs(np.log(lengths) - np.log(lengths[1]))
    return Shape(0.5 * step * (high - low), inside, int(np.argmax(apart)))


def from_section(mask: np.ndarray) -> Shape:
    """Return the body of revolution about the long axis of a section of a particle, which has the same widths.

    Sections are on average smaller and rounder than their bodies, so that this is a likeness and no reconstruction.

    Parameters
    ----------
    mask : ndarray, shape (nx, ny), bool
        Squares of the section.

    Returns
    -------
    Shape

    Raises
    ------
    ValueError
        If it is empty.

    See Also
    --------
    from_body : The shape of a body in voxels.
    """
    places = np.argwhere(mask)
    if not len(places):
        raise ValueError("shape: expected a section with an area; got none")
    centred = places - places.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    along = centred @ axes[:, 1]
    first = along.min() - 0.5
    radius = 0.5 * np.bincount((along - first).astype(int)).astype(float)
    step = np.cbrt(np.pi / 6.0 / (np.pi * np.sum(radius**2)))

    def inside(points: np.ndarray) -> np.ndarray:
        at = np.floor(points[:, 0] / step + 0.5 * len(radius)).astype(int)
        known = (at >= 0) & (at < len(radius))
        across = np.hypot(points[:, 1], points[:, 2]) / step
        return np.asarray(known & (across < radius[np.clip(at, 0, len(radius) - 1)]))

    return Shape(step * np.array([0.5 * len(radius), radius.max(), radius.max()]), inside, 0)


def shapes_of_phase(data: GrainMap | GrainVolume, phase: str, *, least: int = 8) -> tuple[Shape, ...]:
    """Return the shapes of the particles of a phase, those that are cut by the border left out.

    Parameters
    ----------
    data : GrainMap or GrainVolume
        Of a map, the shapes are those of :func:`from_section`.
    phase : str
        Its name.
    least : int
        Points that a particle has at least; smaller ones have no shape.

    Returns
    -------
    tuple of Shape

    Raises
    ------
    ValueError
        If there is no such phase, or no whole particle of it.

    Examples
    --------
    >>> from polyrve.microstructure.synthetic import make_specimen
    >>> grains = make_specimen((16, 16, 16), grain_size=5.0, scatter=0.0)
    >>> len(shapes_of_phase(grains, "Aluminium")) > 5
    True
    """
    names = [known.name for known in data.field.phases]
    if phase not in names:
        raise ValueError(f"phase: expected one of {', '.join(names)}; got {phase!r}")
    made = []
    for number, box in enumerate(ndimage.find_objects(data.grain_ids), start=1):
        if box is None or data.phase_ids[number - 1] != names.index(phase) + 1:
            continue
        body = data.grain_ids[box] == number
        cut = any(part.start == 0 or part.stop == n for part, n in zip(box, data.grain_ids.shape, strict=True))
        if not cut and body.sum() >= least:
            made.append(from_body(body.transpose(2, 1, 0)) if body.ndim == 3 else from_section(body.T))
    if not made:
        raise ValueError(f"phase: expected whole particles of {phase} of {least} points or more; there are none")
    return tuple(made)


@dataclass(frozen=True)
class Particles:
    """What is to be inserted.

    Attributes
    ----------
    phase : Phase
    fraction : float
        Share of the volume, 0 ... 1.
    diameter : float, um
        Of the sphere of the mean volume.
    spread : float
        Standard deviation of the logarithm of the diameters.
    shape : Shape or sequence of Shape
        Of several, each particle has one at random.
    place : {"anywhere", "grains", "boundaries", "triple-lines", "quadruple-points"}
    along : tuple of float, length 3, or None
        Sample direction x, y, z of the special axis of the shape; at random where neither this nor `habit` is given.
    habit : tuple of float or None
        Crystal direction of the grain around it, or one alike by symmetry, along the special axis.
    orientation : {"random", "parent"} or Relation
        Crystal orientation: at random, that of the grain around it, or one by a relation to that grain.
    gap : int
        Voxels that stay free between particles at least.
    """

    phase: Phase
    fraction: float
    diameter: float
    shape: Shape | Sequence[Shape]
    spread: float = 0.0
    place: Place = "anywhere"
    along: tuple[float, float, float] | None = None
    habit: tuple[float, ...] | None = None
    orientation: Literal["random", "parent"] | Relation = "random"
    gap: int = 1


def insert_particles(grains: GrainVolume, particles: Particles, *, seed: int = 0) -> GrainVolume:
    """Set particles of a further phase into a volume.

    Each particle is a grain of its own; what is left of the grains keeps their orientations. Where the volume is
    periodic, so are the particles.

    Parameters
    ----------
    grains : GrainVolume
        Of cubic voxels, each with a grain.
    particles : Particles
    seed : int

    Returns
    -------
    GrainVolume

    Raises
    ------
    ValueError
        If a number is out of its range, particles are thinner than a voxel or larger than the volume, or so many cannot
        be packed.

    Examples
    --------
    >>> from polyrve.microstructure.synthetic import make_specimen
    >>> rve = make_specimen((20, 20, 20), grain_size=10.0)
    >>> voids = Particles(Phase("Void"), 0.05, 5.0, ellipsoid((1, 1, 1)), place="boundaries")
    >>> made = insert_particles(rve, voids)
    >>> made.field.phases[1].name, round(float((made.field.phase_ids == 2).mean()), 2)
    ('Void', 0.05)
    """
    diameters = _diameters(grains, particles)
    rng = np.random.default_rng(seed)
    field, shape = grains.field, np.array(grains.field.shape)
    voxel = field.spacing[0]
    inserted = np.zeros(grains.field.shape, dtype=np.int32)
    taken = np.zeros(grains.field.shape, dtype=bool)
    places = _places(grains.grain_ids, particles.place, field.periodic)
    shapes = _shapes(particles)
    parents: list[int] = []
    for diameter in diameters:
        form, placed = shapes[rng.integers(len(shapes)) if len(shapes) > 1 else 0], False
        for attempt in range(_TRIES + _LOOKS * _TRIES):
            if attempt % _TRIES == 0:
                open_places = (
                    places[~taken.ravel()[places]]
                    if attempt < _TRIES
                    else _roomy(places, taken, form.half.min() * diameter / voxel, field.periodic)
                )
            if not len(open_places):
                break
            centre = np.unravel_index(open_places[rng.integers(len(open_places))], inserted.shape)
            parent = int(grains.grain_ids[centre])
            turn = _turn(grains, particles, form, parent, rng)
            voxels = _voxels(np.array(centre) + rng.random(3), diameter / voxel, turn, form, shape, field.periodic)
            if voxels is None or taken[voxels].any():
                continue
            if particles.place == "grains" and (grains.grain_ids[voxels] != parent).any():
                continue
            parents.append(parent)
            inserted[voxels] = len(parents)
            taken[voxels] = True
            _keep_apart(taken, voxels, particles.gap, field.periodic)
            placed = True
            break
        if not placed:
            raise ValueError(
                f"fraction: expected particles that can be packed; {len(parents)} of {len(diameters)} found room "
                f"(place: {particles.place}), a fraction of {np.mean(inserted > 0):.3g} instead of "
                f"{particles.fraction:g}: choose a smaller fraction, smaller particles or another place"
            )
    return _joined(grains, particles, inserted, np.array(parents, dtype=int), rng)


def _diameters(grains: GrainVolume, particles: Particles) -> np.ndarray:
    """Diameters in um, descending."""
    field = grains.field
    voxel = field.spacing[0]
    if max(field.spacing) > voxel * (1 + 1e-6) or min(field.spacing) < voxel * (1 - 1e-6):
        raise ValueError(f"particles: expected cubic voxels; got {field.spacing} um")
    if (grains.grain_ids == 0).any():
        raise ValueError("particles: expected a grain at every voxel; some have none: fill them first")
    if not 0.0 < particles.fraction < 1.0:
        raise ValueError(f"fraction: expected more than 0 and less than 1; got {particles.fraction:g}")
    if not (np.isfinite(particles.diameter) and particles.diameter > 0 and particles.spread >= 0):
        raise ValueError(
            f"size: expected a positive diameter in um and a spread not below 0; got {particles.diameter:g} and "
            f"{particles.spread:g}"
        )
    if particles.place not in PLACES:
        raise ValueError(f"place: expected one of {', '.join(PLACES)}; got {particles.place!r}")
    if particles.phase.name in {phase.name for phase in field.phases}:
        raise ValueError(f"phase: expected a name that the volume does not have; got {particles.phase.name!r}")
    total = particles.fraction * field.phase_ids.size * voxel**3
    number = round(total / (np.pi / 6.0 * particles.diameter**3))
    if number < 1:
        raise ValueError(
            f"size: expected at least one particle in the volume; a fraction of {particles.fraction:g} is "
            f"{total:.3g} um^3, less than half of one of {particles.diameter:g} um: choose smaller particles"
        )
    if number > _MOST:
        raise ValueError(f"size: expected at most {_MOST} particles; {particles.diameter:g} um makes {number}")
    diameters = CellSizes(particles.spread).diameters(number)[0] * np.cbrt(total / (np.pi / 6.0 * number))
    thinnest = min(shape.thickness for shape in _shapes(particles)) * diameters.min()
    if thinnest < voxel:
        raise ValueError(
            f"size: expected particles at least a voxel thick; the thinnest is {thinnest:.3g} um in voxels of "
            f"{voxel:.3g} um: choose larger particles or smaller voxels"
        )
    return np.asarray(diameters)


def _shapes(particles: Particles) -> tuple[Shape, ...]:
    return (particles.shape,) if isinstance(particles.shape, Shape) else tuple(particles.shape)


def _places(grain_ids: np.ndarray, place: Place, periodic: bool) -> np.ndarray:
    """Flat indices of the voxels that may hold a centre."""
    if place in ("anywhere", "grains"):
        return np.arange(grain_ids.size)
    different = np.zeros(grain_ids.shape, dtype=np.int8)
    first = grain_ids
    seen = [first]
    for shift in np.ndindex(2, 2, 2):
        if not any(shift):
            continue
        other = np.roll(grain_ids, [-s for s in shift], axis=(0, 1, 2))
        if not periodic:
            for axis, step in enumerate(shift):
                if step:
                    edge = [slice(None)] * 3
                    edge[axis] = slice(-1, None)
                    other[tuple(edge)] = grain_ids[tuple(edge)]
        different += np.all([other != known for known in seen], axis=0)
        seen.append(other)
    least = {"boundaries": 1, "triple-lines": 2, "quadruple-points": 3}[place]
    found = np.flatnonzero(different >= least)
    if not len(found):
        raise ValueError(f"place: expected a volume with {place}; this one has none")
    return found


def _roomy(places: np.ndarray, taken: np.ndarray, radius: float, periodic: bool) -> np.ndarray:
    """Places that are farther from what is taken than the particle is thin."""
    margin = min(int(np.ceil(radius)) + 1, *taken.shape) if periodic else 0
    padded = np.pad(taken, margin, mode="wrap")
    inner = tuple(slice(margin, margin + n) for n in taken.shape)
    distance = ndimage.distance_transform_edt(~padded)[inner]
    return places[distance.ravel()[places] > radius]


def _turn(grains: GrainVolume, particles: Particles, form: Shape, parent: int, rng: np.random.Generator) -> np.ndarray:
    """Matrix from sample axes to the particle's own, its special axis along the direction that is asked for."""
    matrix = rotation.to_matrix(rotation.random_orientations(1, rng)[0])
    if particles.along is not None:
        wanted = np.array(particles.along, dtype=float)
    elif particles.habit is not None:
        phase = grains.field.phases[grains.phase_ids[parent - 1] - 1]
        alike = rotation.rotate(phase.symmetry[rng.integers(len(phase.symmetry))], direction(phase, particles.habit))
        wanted = rotation.rotate(rotation.conjugate(grains.quaternions[parent - 1]), alike)
    else:
        return np.asarray(matrix)
    length = np.linalg.norm(wanted)
    if not length > 0:
        raise ValueError("direction: expected one that is not zero; got zero")
    special = form.special
    axis = wanted / length
    side = matrix[(special + 1) % 3] - (matrix[(special + 1) % 3] @ axis) * axis
    side /= np.linalg.norm(side)
    turned = np.empty((3, 3))
    turned[special], turned[(special + 1) % 3], turned[(special + 2) % 3] = axis, side, np.cross(axis, side)
    return turned


def _voxels(
    centre: np.ndarray, diameter: float, turn: np.ndarray, shape: Shape, size: np.ndarray, periodic: bool
) -> tuple[np.ndarray, ...] | None:
    """Voxels whose centres a particle holds; None where it leaves the volume, meets itself, or holds none."""
    half = diameter * (np.abs(turn.T) @ shape.half)[::-1]
    low, high = np.floor(centre - half).astype(int), np.ceil(centre + half).astype(int)
    if (high - low > size).any() or (not periodic and ((low < 0) | (high > size)).any()):
        return None
    places = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
    inside = shape.inside((places + 0.5 - centre)[:, ::-1] @ turn.T / diameter)
    if not inside.any():
        return None
    return tuple((places[inside] % size).T)


def _keep_apart(taken: np.ndarray, voxels: tuple[np.ndarray, ...], gap: int, periodic: bool) -> None:
    """Also take the voxels within a number of faces of a particle."""
    at = np.stack(voxels, axis=1)
    for _ in range(gap):
        around = np.concatenate([at] + [at + sign * step for step in np.eye(3, dtype=int) for sign in (1, -1)])
        if periodic:
            around %= taken.shape
        else:
            around = around[((around >= 0) & (around < taken.shape)).all(axis=1)]
        at = np.unique(around, axis=0)
    taken[tuple(at.T)] = True


def _joined(
    grains: GrainVolume, particles: Particles, inserted: np.ndarray, parents: np.ndarray, rng: np.random.Generator
) -> GrainVolume:
    """Grains and particles as one volume; grains that particles cover altogether are gone."""
    field, number = grains.field, len(parents)
    q = rotation.random_orientations(number, rng)
    if particles.orientation == "parent":
        q = grains.quaternions[parents - 1]
    elif isinstance(particles.orientation, Relation):
        variants = particles.orientation.variants
        q = rotation.multiply(variants[rng.integers(len(variants), size=number)], grains.quaternions[parents - 1])
    ids = np.where(inserted > 0, grains.number_of_grains + inserted, grains.grain_ids)
    used, ids = np.unique(ids, return_inverse=True)
    every = np.concatenate([grains.quaternions, q])[used - 1]
    phase = len(field.phases) + 1
    phase_ids = np.concatenate([grains.phase_ids, np.full(number, phase, dtype=np.int32)])[used - 1]
    own = inserted > 0
    quaternions = np.array(field.quaternions)
    quaternions[own] = q[inserted[own] - 1]
    record = {
        "phase": particles.phase.name,
        "number": number,
        "fraction": float(own.mean()),
        "diameter": particles.diameter,
        "spread": particles.spread,
        "place": particles.place,
    }
    made = OrientationVolume(
        quaternions=quaternions,
        phase_ids=np.where(own, phase, field.phase_ids),
        phases=(*field.phases, particles.phase),
        spacing=field.spacing,
        origin=field.origin,
        frame=field.frame,
        periodic=field.periodic,
        provenance={**field.provenance, "particles": [*field.provenance.get("particles", []), record]},
    )
    return GrainVolume(made, ids.reshape(field.shape) + 1, every, phase_ids)
