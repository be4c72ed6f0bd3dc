"""Textures without a map: by components, fibres or weighted orientations, and few orientations that have them.

A texture is known by its coefficients, the means of the symmetrized harmonics of
:mod:`polyrve.crystallography.harmonics`. Those of a component are the harmonics of its preferred orientation, times a
factor for its spread [1]_. A few hundred orientations that are drawn at random have coefficients with an error of one
over the root of their number. Here they are drawn evenly and then rotated, by as little as possible, until all
coefficients up to a degree are those of the texture; the degree rises with their number.

References
----------
.. [1] H.-J. Bunge, Texture Analysis in Materials Science (1982), 4.7; D. I. Nikolayev, T. I. Savyolova, Textures
   Microstruct. 29 (1997) 201, doi:10.1155/TSM.29.201 (normal distributions on SO(3)).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import SymmetrizedHarmonics, degrees_up_to, symmetrized_harmonics
from polyrve.crystallography.odf import rotation_vectors, to_fundamental_zone, uniform_orientations
from polyrve.crystallography.phase import Phase, symmetry_operations
from polyrve.crystallography.special_relations import direction

_HIGHEST = 32
"""Highest degree that is matched: the harmonics of 32 are as wide as 11 degrees, a usual width of a component."""
_SHARE = 0.1
"""Coefficients that are matched, over the angles of the orientations. With a quarter more degrees are exact, but
orientations move farther, and the degrees above become worse than those of a random draw."""
_ITERATIONS, _CLOSE, _LONGEST = 60, 1e-10, np.deg2rad(5.0)
"""Steps at most, largest error of a coefficient at the end, and longest rotation in one step, rad."""
_RADII = 400
"""Angles at which the distribution of the rotation angle is integrated."""


@dataclass(frozen=True)
class Component:
    """A texture component: orientations scattered about a preferred one.

    Attributes
    ----------
    bunge : tuple of float, length 3
        phi1, Phi, phi2 of the preferred orientation in degrees.
    fraction : float
        Share of the grains, 0 ... 1.
    spread : float
        Standard deviation of each component of the rotation vector from the preferred orientation, degrees.
    fibre : tuple of float, length 3, or None
        Sample direction (x, y, z) about which the component is rotated freely; None for a point component.
    orthorhombic : bool
        Whether its four variants under orthorhombic sample symmetry (two-fold axes x, y, z) occur alike.
    """

    bunge: tuple[float, float, float]
    fraction: float
    spread: float = 8.0
    fibre: tuple[float, float, float] | None = None
    orthorhombic: bool = False


@dataclass(frozen=True, eq=False)
class WeightedOrientations:
    """A texture by many orientations with weights, as a file holds them.

    Attributes
    ----------
    quaternions : ndarray, shape (n, 4), float64
    weights : ndarray, shape (n,), float64
        Not negative, with the sum 1.
    spread : float
        Standard deviation of each component of the rotation vector about each orientation, degrees; 0 for the
        orientations themselves.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or all are zero.
    """

    quaternions: np.ndarray
    weights: np.ndarray
    spread: float = 0.0

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.float64)
        if not np.isfinite(weights).all() or weights.min(initial=0.0) < 0.0:
            raise ValueError(
                f"texture: expected an ODF that is nowhere below zero; its lowest value is {weights.min():g}: "
                "set such weights to zero"
            )
        if not weights.sum() > 0.0:
            raise ValueError("texture: expected an ODF that is above zero somewhere; all its values are zero")
        object.__setattr__(self, "weights", weights / weights.sum())


Texture = Sequence[Component] | WeightedOrientations


def rolled(share: float, spread: float) -> tuple[Component, ...]:
    """Return cube, Goss, copper, brass and S of a rolled fcc sheet, x the rolling and z the normal direction.

    Parameters
    ----------
    share : float
        Of all of them together, 0 ... 1.
    spread : float, degrees
    """
    parts = (
        ((0.0, 0.0, 0.0), 0.3),
        ((0.0, 45.0, 0.0), 0.1),
        ((90.0, 35.26, 45.0), 0.2),
        ((35.26, 45.0, 0.0), 0.2),
        ((58.98, 36.70, 63.43), 0.2),
    )
    return tuple(Component(bunge, share * part, spread, orthorhombic=True) for bunge, part in parts)


TEXTURES: dict[str, tuple[Component, ...]] = {
    "random": (),
    "weak": rolled(0.6, 8.0),
    "strong": rolled(0.95, 5.0),
    "fibre": (Component((0.0, 54.74, 45.0), 0.8, 8.0, fibre=(0.0, 0.0, 1.0)),),
    "basal": (Component((0.0, 0.0, 0.0), 0.8, 12.0, fibre=(0.0, 0.0, 1.0)),),
}
"""Named textures; what the components leave of the grains is oriented at random.

``weak`` and ``strong`` are cube, Goss, copper, brass and S of a rolled fcc sheet (x rolling, z normal
direction); ``fibre`` is <111> along z in a cubic crystal, ``basal`` is the c axis along z.
"""


def fibre(
    phase: Phase, uvw: Sequence[float], along: Sequence[float], fraction: float, spread: float = 8.0
) -> Component:
    """Return a fibre: a crystal direction along a sample direction, all rotations about it alike.

    Parameters
    ----------
    phase : Phase
    uvw : sequence of float, length 3 or 4
        Of the crystal direction.
    along : sequence of float, length 3
        Sample direction x, y, z.
    fraction : float
        Share of the grains, 0 ... 1.
    spread : float, degrees

    Returns
    -------
    Component

    Examples
    --------
    >>> made = fibre(Phase("Al"), (1, 1, 1), (0, 0, 1), 0.8)
    >>> q = rotation.from_euler(np.deg2rad(made.bunge))
    >>> rotation.rotate(q, np.array([0.0, 0.0, 1.0])).round(6)
    array([0.57735, 0.57735, 0.57735])
    """
    length = float(np.linalg.norm(np.array(along, dtype=float)))
    if not length > 0 or not np.isfinite(length):
        raise ValueError(f"fibre: expected a sample direction that is not zero; got {tuple(along)}")
    sample = np.array(along, dtype=float) / length
    crystal = np.array(direction(phase, uvw), dtype=float)
    axis, cosine = np.cross(sample, crystal), float(sample @ crystal)
    if np.linalg.norm(axis) < 1e-12:
        axis = np.cross(sample, np.eye(3)[np.argmin(np.abs(sample))])
    turned = rotation.from_axis_angle(axis / np.linalg.norm(axis), np.arccos(np.clip(cosine, -1.0, 1.0)))
    candidates = np.stack([turned, rotation.conjugate(turned)])
    off = np.linalg.norm(rotation.rotate(candidates, sample) - crystal, axis=1)
    phi1, Phi, phi2 = np.rad2deg(rotation.to_euler(candidates[np.argmin(off)])).tolist()
    return Component((phi1, Phi, phi2), fraction, spread, fibre=tuple(sample.tolist()))


def components_of(texture: str | Sequence[Component]) -> tuple[Component, ...]:
    """Return the components of a texture by name or as they are.

    Parameters
    ----------
    texture : str or sequence of Component
        A key of :data:`TEXTURES` or components.

    Returns
    -------
    tuple of Component

    Raises
    ------
    ValueError
        If there is no such name, or fractions or spreads are out of their range.
    """
    if isinstance(texture, str):
        if texture not in TEXTURES:
            raise ValueError(f"texture: expected one of {', '.join(TEXTURES)} or components; got {texture!r}")
        return TEXTURES[texture]
    total = sum(component.fraction for component in texture)
    if any(component.fraction < 0 or component.spread < 0 for component in texture) or total > 1 + 1e-12:
        raise ValueError(
            f"texture: expected fractions and spreads not negative, and fractions of at most 1 in all; got {texture}"
        )
    return tuple(texture)


def draw(components: Sequence[Component], number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw orientations of a texture at random, independent of each other.

    Parameters
    ----------
    components : sequence of Component
        What they leave is oriented at random.
    number : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (number, 4), float64

    See Also
    --------
    sample_texture : Orientations that have the texture as nearly as so many can.

    Examples
    --------
    >>> draw(TEXTURES["strong"], 5, np.random.default_rng(0)).shape
    (5, 4)
    """
    quaternions = rotation.random_orientations(number, rng)
    chosen = rng.random(number)
    start = 0.0
    two_fold = np.eye(4)
    for component in components:
        here = (chosen >= start) & (chosen < start + component.fraction)
        start += component.fraction
        drawn = np.broadcast_to(rotation.from_euler(np.deg2rad(component.bunge)), (int(here.sum()), 4))
        if component.fibre is not None:
            drawn = rotation.multiply(
                drawn, rotation.from_axis_angle(np.array(component.fibre), rng.random(len(drawn)) * 2 * np.pi)
            )
        if component.orthorhombic:
            drawn = rotation.multiply(drawn, two_fold[rng.integers(4, size=len(drawn))])
        away = rng.standard_normal((len(drawn), 3)) * np.deg2rad(component.spread)
        quaternions[here] = rotation.multiply(rotation.from_rotation_vector(away), drawn)
    return quaternions


def texture_coefficients(texture: Texture, harmonics: SymmetrizedHarmonics) -> np.ndarray:
    """Return the means of symmetrized harmonics over a texture.

    Parameters
    ----------
    texture : sequence of Component or WeightedOrientations
    harmonics : SymmetrizedHarmonics

    Returns
    -------
    ndarray, shape (C,), float64

    Examples
    --------
    >>> harmonics = symmetrized_harmonics("m-3m")
    >>> float(np.abs(texture_coefficients(TEXTURES["random"], harmonics)).max())
    0.0
    """
    orders = np.repeat([degree // 2 for degree, _ in harmonics.terms], [degree + 1 for degree, _ in harmonics.terms])
    if isinstance(texture, WeightedOrientations):
        return np.asarray(harmonics.evaluate(texture.quaternions) @ texture.weights) * _factors(texture.spread, orders)
    total = np.zeros(harmonics.count)
    for component in components_of(texture):
        q = rotation.from_euler(np.deg2rad(component.bunge))[None]
        if component.fibre is not None:
            angles = np.arange(2 * orders.max() + 2) / (2 * orders.max() + 2) * 2 * np.pi
            q = rotation.multiply(q, rotation.from_axis_angle(np.array(component.fibre), angles))
        if component.orthorhombic:
            q = rotation.multiply(q[:, None], np.eye(4)).reshape(-1, 4)
        mean = harmonics.evaluate(q).mean(axis=1)
        total += component.fraction * _factors(component.spread, orders) * mean
    return total


def _factors(spread: float, orders: np.ndarray) -> np.ndarray:
    """What harmonics of order l lose by a normal distribution of the rotation vector: its mean of the character."""
    if spread == 0.0:
        return np.ones(len(orders))
    sigma = np.deg2rad(spread)
    angle = (np.arange(_RADII) + 0.5) * 6.0 * sigma / _RADII
    density = angle**2 * np.exp(-0.5 * (angle / sigma) ** 2)
    used, place = np.unique(orders, return_inverse=True)
    half = 0.5 * angle
    character = np.sin((2 * used[:, None] + 1) * half) / ((2 * used[:, None] + 1) * np.sin(half))
    return np.asarray((character @ (density / density.sum()))[place])


@dataclass(frozen=True, eq=False)
class TextureSample:
    """Orientations that have a texture; made by :func:`sample_texture`.

    Attributes
    ----------
    quaternions : ndarray, shape (N, 4), float64
    exact_degree : int
        Up to this degree all coefficients are those of the texture; 0 where none is.
    error : float
        Largest difference of these coefficients.
    moved : float, degrees
        Mean rotation from where the orientations were drawn.
    """

    quaternions: np.ndarray
    exact_degree: int
    error: float
    moved: float


def sample_texture(
    texture: str | Texture,
    laue: str,
    number: int,
    rng: np.random.Generator,
    *,
    weights: np.ndarray | None = None,
) -> TextureSample:
    """Choose a given number of orientations whose texture is the one asked for.

    Parameters
    ----------
    texture : str, sequence of Component or WeightedOrientations
        A key of :data:`TEXTURES`, components, or orientations with weights.
    laue : str
        Laue group of the crystals.
    number : int
    rng : numpy.random.Generator
    weights : ndarray, shape (number,), optional
        Volumes of the grains that have them; by default they are alike.

    Returns
    -------
    TextureSample

    Raises
    ------
    ValueError
        If the number is not positive, or a texture is out of its range.

    See Also
    --------
    draw : Independent orientations.

    Examples
    --------
    >>> made = sample_texture("strong", "m-3m", 200, np.random.default_rng(0))
    >>> made.exact_degree, made.error < 1e-9
    (18, True)
    """
    if number < 1:
        raise ValueError(f"number: expected 1 or more orientations; got {number}")
    parts: Texture = texture if isinstance(texture, WeightedOrientations) else components_of(texture)
    share = np.full(number, 1.0 / number) if weights is None else np.asarray(weights, dtype=float) / np.sum(weights)
    begun = rng.permutation(_even(parts, laue, number, rng))
    degrees = degrees_up_to(laue, _HIGHEST)
    counts = np.cumsum([symmetrized_harmonics(laue, (degree,)).count for degree in degrees])
    for last in range(int(np.searchsorted(counts, _SHARE * 3 * number, side="right")), 0, -1):
        harmonics = symmetrized_harmonics(laue, degrees[:last])
        found, error = _matched(begun, share, harmonics, texture_coefficients(parts, harmonics))
        if error < _CLOSE:
            away = rotation.disorientation_angle(found, begun, symmetry_operations(laue))
            return TextureSample(found, degrees[last - 1], error, float(np.rad2deg(away.mean())))
    return TextureSample(begun, 0, np.inf, 0.0)


def _even(texture: Texture, laue: str, number: int, rng: np.random.Generator) -> np.ndarray:
    """Orientations spread evenly over a texture."""
    if isinstance(texture, WeightedOrientations):
        vectors = rotation_vectors(to_fundamental_zone(texture.quaternions, symmetry_operations(laue)))
        order = np.argsort(_along_a_curve(vectors), kind="stable")
        ends = np.cumsum(texture.weights[order])
        at = np.searchsorted(ends, (np.arange(number) + rng.random()) / number * ends[-1], side="right")
        chosen = texture.quaternions[order[np.minimum(at, len(order) - 1)]]
        away = rng.standard_normal((number, 3)) * np.deg2rad(texture.spread)
        return np.asarray(rotation.multiply(rotation.from_rotation_vector(away), chosen))
    shares = np.array([component.fraction for component in texture] + [1.0])
    shares[-1] = max(0.0, 1.0 - shares[:-1].sum())
    ends = np.round(np.cumsum(shares) / shares.sum() * number).astype(int)
    parts = []
    for component, count in zip(texture, np.diff(ends, prepend=0)[:-1], strict=True):
        even = qmc.Sobol(5, rng=rng).random_base2(int(np.ceil(np.log2(max(count, 1)))))[:count]
        drawn = np.broadcast_to(rotation.from_euler(np.deg2rad(component.bunge)), (count, 4))
        if component.fibre is not None:
            drawn = rotation.multiply(
                drawn, rotation.from_axis_angle(np.array(component.fibre), even[:, 3] * 2 * np.pi)
            )
        if component.orthorhombic:
            drawn = rotation.multiply(drawn, np.eye(4)[np.minimum(4.0 * even[:, 4], 3.0).astype(int)])
        away = ndtri(np.clip(even[:, :3], 1e-9, 1.0 - 1e-9)) * np.deg2rad(component.spread)
        parts.append(rotation.multiply(rotation.from_rotation_vector(away), drawn))
    rest = number - int(ends[-2]) if len(ends) > 1 else number
    turn = rotation.random_orientations(1, rng)
    parts.append(rotation.multiply(uniform_orientations(rest), turn))
    return np.concatenate(parts)


def _along_a_curve(vectors: np.ndarray) -> np.ndarray:
    """Places of points on a curve that fills space (Z order of 1024 steps a side): near ones have near places."""
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    steps = ((vectors - low) / np.maximum(high - low, 1e-12) * 1023.0).astype(np.int64)
    place = np.zeros(len(vectors), dtype=np.int64)
    for bit in range(10):
        for axis in range(3):
            place |= (steps[:, axis] >> bit & 1) << (3 * bit + axis)
    return place


def _matched(
    begun: np.ndarray, share: np.ndarray, harmonics: SymmetrizedHarmonics, target: np.ndarray
) -> tuple[np.ndarray, float]:
    """Rotate orientations by as little as possible until their coefficients are the target; the largest error."""
    quaternions, damping = begun, 1e-6
    error = harmonics.evaluate(quaternions) @ share - target
    for _ in range(_ITERATIONS):
        if np.abs(error).max() < _CLOSE:
            break
        slope = _slopes(quaternions, harmonics) * share[:, None]
        slope = slope.reshape(len(target), -1)
        square = slope @ slope.T
        scale = np.trace(square) / len(target)
        step = -slope.T @ np.linalg.solve(square + damping * scale * np.eye(len(target)), error)
        vectors = step.reshape(-1, 3)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        vectors = vectors * np.minimum(1.0, _LONGEST / np.maximum(length, 1e-12))
        trial = rotation.multiply(rotation.from_rotation_vector(vectors), quaternions)
        left = harmonics.evaluate(trial) @ share - target
        if np.linalg.norm(left) < np.linalg.norm(error):
            quaternions, error, damping = trial, left, max(damping / 10.0, 1e-14)
        else:
            damping = max(damping * 30.0, 1e-12)
    return rotation.normalize(quaternions), float(np.abs(error).max())


def _slopes(quaternions: np.ndarray, harmonics: SymmetrizedHarmonics) -> np.ndarray:
    """Derivatives with respect to a rotation on the crystal's side, shape (C, N, 3), by a complex step."""
    step = 1e-20
    slopes = []
    for axis in np.eye(3):
        turned = rotation.multiply(np.array([1.0, *(0.5 * axis)]) - [1.0, 0.0, 0.0, 0.0], quaternions)
        moved = quaternions + 1j * step * turned
        slopes.append(np.imag(np.stack(harmonics.channels(*moved.T))) / step)
    return np.stack(slopes, axis=-1)
