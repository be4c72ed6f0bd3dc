r"""Special orientation relations between two crystals: twins, coincidence boundaries, relations between phases.

A relation is a rotation ``r`` from the coordinates of the first crystal to those of the second,
``v_second = to_matrix(r) @ v_first``. Two orientations ``q_1``, ``q_2`` (:mod:`polyrve.crystallography.rotation`) stand
in it where their misorientation ``q_2 q_1*`` is one of its *variants*, ``s_2 r s_1`` for all symmetry operations of
both crystals; between crystals of one phase the inverse ``r*`` counts as well, since neither of the two is the first.

A twin is told by its plane or its direction: the crystals are turned by 180 degrees about it. A relation between two
phases is told by parallel planes and directions.

References
----------
.. [1] D. G. Brandon, Acta Metall. 14 (1966) 1479, doi:10.1016/0001-6160(66)90168-4: tolerance 15 / sqrt(Sigma) degrees.
.. [2] J. W. Christian, S. Mahajan, Prog. Mater. Sci. 39 (1995) 1, doi:10.1016/0079-6425(94)00007-7: twins of hcp
   metals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase

TOLERANCE = 5.0
"""Degrees by which a boundary may deviate from a relation whose coincidence number is not known."""

_ROWS = 256
"""Misorientations that are compared with all variants at once; the products, up to 1152 each, stay in cache."""


@dataclass(frozen=True, eq=False)
class Relation:
    """A special orientation relation.

    Attributes
    ----------
    name : str
    first, second : Phase
        The phases of the two crystals; the same for twins.
    rotation : ndarray, shape (4,), float64
        Unit quaternion from the first crystal's coordinates to the second's.
    tolerance : float, degrees
        Largest deviation of a boundary that counts.
    plane : ndarray, shape (3,), or None
        Unit normal of the habit plane in the first crystal's Cartesian coordinates; None where there is none.
    """

    name: str
    first: Phase
    second: Phase
    rotation: np.ndarray
    tolerance: float = TOLERANCE
    plane: np.ndarray | None = None

    @property
    def twin(self) -> bool:
        """Whether both crystals are of one phase."""
        return self.first == self.second

    @cached_property
    def variants(self) -> np.ndarray:
        """All different misorientations of the relation, shape (n, 4), w >= 0."""
        rotations = [self.rotation, rotation.conjugate(self.rotation)] if self.twin else [self.rotation]
        found = np.concatenate(
            [
                rotation.multiply(
                    rotation.multiply(self.second.symmetry[:, None], one), self.first.symmetry[None]
                ).reshape(-1, 4)
                for one in rotations
            ]
        )
        return _distinct(found)

    @cached_property
    def planes(self) -> np.ndarray:
        """Normal of the habit plane of each variant in the first crystal's coordinates, shape (n, 3); NaN without one.

        For a twin whose variant is reached from both sides, the normal in the crystal that is taken as the first.
        """
        normals = np.full((len(self.variants), 3), np.nan)
        if self.plane is None:
            return normals
        for operation in self.first.symmetry:
            turned = rotation.multiply(self.rotation, operation)
            normal = rotation.rotate(rotation.conjugate(operation), self.plane)
            of_variant = (
                np.abs(rotation.multiply(self.second.symmetry, turned) @ self.variants.T).max(axis=0) > 1 - 1e-9
            )
            normals[of_variant] = normal
        return normals

    @property
    def angle_and_axis(self) -> tuple[float, np.ndarray]:
        """Smallest angle of the variants in degrees, and its axis in the first crystal, a unit vector."""
        least = self.variants[np.argmax(self.variants[:, 0])]
        vector = least[1:]
        length = float(np.linalg.norm(vector))
        axis = vector / length if length > 0 else np.array([0.0, 0.0, 1.0])
        return float(np.rad2deg(2.0 * np.arctan2(length, least[0]))), axis

    def deviation(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Return how far pairs of orientations are from the relation.

        Parameters
        ----------
        first, second : ndarray, shape (n, 4)
            Orientations of the two phases.

        Returns
        -------
        ndarray, shape (n,), degrees
        """
        cosines = [np.empty(0)]
        for block in _blocks(_misorientation(first, second)):
            dots = block @ self.variants.T
            cosines.append(np.maximum(dots.max(axis=1), -dots.min(axis=1)))
        return _degrees(np.concatenate(cosines))

    def nearest(self, first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the deviation from the nearest variant in degrees, and the variant's row; each of shape (n,)."""
        cosines, rows = [np.empty(0)], [np.empty(0, dtype=np.int64)]
        for block in _blocks(_misorientation(first, second)):
            dots = np.abs(block @ self.variants.T)
            rows.append(np.argmax(dots, axis=1))
            cosines.append(dots[np.arange(len(dots)), rows[-1]])
        return _degrees(np.concatenate(cosines)), np.concatenate(rows)


def _misorientation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return rotation.multiply(np.asarray(second), rotation.conjugate(first)).reshape(-1, 4)


def _blocks(rows: np.ndarray) -> list[np.ndarray]:
    return [rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)]


def _degrees(cosine: np.ndarray) -> np.ndarray:
    """Angles of rotations from the cosines of their halves."""
    return np.rad2deg(2.0 * np.arccos(np.minimum(cosine, 1.0)))


def _distinct(quaternions: np.ndarray) -> np.ndarray:
    """Quaternions of different rotations, one each, with w >= 0; ties of w = 0 by the first component that is not 0."""
    q = np.where(np.abs(quaternions) < 1e-12, 0.0, quaternions)
    first = np.take_along_axis(q, np.argmax(np.abs(q) > 1e-9, axis=1)[:, None], axis=1)
    q = np.where(first < 0, -q, q)
    _, kept = np.unique(np.round(q, 7) + 0.0, axis=0, return_index=True)
    return q[np.sort(kept)]


def basis(phase: Phase) -> np.ndarray:
    """Return the lattice vectors of a phase.

    Parameters
    ----------
    phase : Phase
        Of a known lattice; without lengths, cubes for cubic phases and an ideal c/a for hexagonal ones.

    Returns
    -------
    ndarray, shape (3, 3), angstrom
        Rows a, b, c in the Cartesian crystal frame, x || a and z || c*.

    Raises
    ------
    ValueError
        If the lattice is not known and does not follow from the Laue group.
    """
    a, b, c, *degrees = phase.lattice
    if min(a, b, c) <= 0.0:
        if phase.laue in ("m-3", "m-3m"):
            return np.eye(3)
        if phase.laue not in ("6/m", "6/mmm"):
            raise ValueError(
                f"lattice of phase {phase.name!r}: expected lengths a, b, c above 0; got {phase.lattice[:3]}"
            )
        a, b, c, degrees = 1.0, 1.0, float(np.sqrt(8.0 / 3.0)), [90.0, 90.0, 120.0]
    alpha, beta, gamma = np.deg2rad(degrees)
    first = np.array([a, 0.0, 0.0])
    second = b * np.array([np.cos(gamma), np.sin(gamma), 0.0])
    cx = np.cos(beta)
    cy = (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    third = c * np.array([cx, cy, np.sqrt(max(1.0 - cx**2 - cy**2, 0.0))])
    return np.stack([first, second, third])


def direction(phase: Phase, uvw: Sequence[float]) -> np.ndarray:
    """Return the unit vector along a lattice direction [uvw] or [uvtw] in Cartesian crystal coordinates.

    Examples
    --------
    >>> direction(Phase("Mg", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120)), (1, 1, -2, 0)).round(3)
    array([0.5  , 0.866, 0.   ])
    """
    if len(uvw) == 4:
        u, v, t, w = uvw
        uvw = (u - t, v - t, w)
    vector = np.asarray(uvw, dtype=np.float64) @ basis(phase)
    return vector / np.linalg.norm(vector)


def plane_normal(phase: Phase, hkl: Sequence[float]) -> np.ndarray:
    """Return the unit normal of a lattice plane (hkl) or (hkil) in Cartesian crystal coordinates.

    Examples
    --------
    >>> plane_normal(Phase("Mg", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120)), (0, 0, 0, 1)).round(3)
    array([0., 0., 1.])
    """
    if len(hkl) == 4:
        hkl = (hkl[0], hkl[1], hkl[3])
    vector = np.linalg.inv(basis(phase)) @ np.asarray(hkl, dtype=np.float64)
    return vector / np.linalg.norm(vector)


def twin(
    phase: Phase,
    *,
    plane: Sequence[float] | None = None,
    about: Sequence[float] | None = None,
    name: str = "",
    tolerance: float = TOLERANCE,
) -> Relation:
    """Make the relation of a twin: 180 degrees about the normal of a plane, or about a direction.

    Parameters
    ----------
    phase : Phase
    plane : sequence of int, optional
        Miller (or Miller-Bravais) indices of the twin plane, which is the habit plane too.
    about : sequence of int, optional
        Indices of a direction to turn about instead.
    name : str
    tolerance : float, degrees

    Returns
    -------
    Relation

    Raises
    ------
    ValueError
        If neither or both are given, or the rotation is a symmetry of the crystal.

    Examples
    --------
    >>> sigma_3 = twin(Phase("Ni", "m-3m"), plane=(1, 1, 1))
    >>> angle, axis = sigma_3.angle_and_axis
    >>> round(angle, 6)
    60.0
    """
    if (plane is None) == (about is None):
        raise ValueError("twin: expected a plane or a direction to turn about; got " + ("both" if plane else "neither"))
    axis = plane_normal(phase, plane) if plane is not None else direction(phase, about or ())
    made = Relation(
        name or f"twin {'' if plane is None else tuple(plane)}",
        phase,
        phase,
        np.array([0.0, *axis]),
        tolerance,
        axis if plane is not None else None,
    )
    if made.angle_and_axis[0] < 1.0:
        raise ValueError(f"twin: expected a rotation that is no symmetry of {phase.name!r}; got {plane or about}")
    return made


def axis_angle(
    phase: Phase, axis: Sequence[float], degrees: float, *, name: str = "", tolerance: float = TOLERANCE
) -> Relation:
    """Make a relation within a phase from a rotation about a lattice direction.

    Parameters
    ----------
    phase : Phase
    axis : sequence of int
        Indices of the direction.
    degrees : float
    name : str
    tolerance : float, degrees

    Returns
    -------
    Relation
    """
    turn = rotation.from_axis_angle(direction(phase, axis), np.deg2rad(degrees))
    return Relation(name or f"{degrees:g} deg about {tuple(axis)}", phase, phase, turn, tolerance)


def parallel(
    first: Phase,
    second: Phase,
    planes: tuple[Sequence[float], Sequence[float]],
    directions: tuple[Sequence[float], Sequence[float]],
    *,
    name: str = "",
    tolerance: float = TOLERANCE,
) -> Relation:
    """Make a relation between two phases from parallel planes and parallel directions within them.

    Parameters
    ----------
    first, second : Phase
    planes : pair of sequences of int
        Indices of the plane in each crystal; the first is the habit plane.
    directions : pair of sequences of int
        Indices of the direction in each crystal, within the planes.
    name : str
    tolerance : float, degrees

    Returns
    -------
    Relation

    Raises
    ------
    ValueError
        If a direction does not lie within its plane, to 1 degree.

    Examples
    --------
    >>> gamma, alpha = Phase("austenite", "m-3m"), Phase("ferrite", "m-3m")
    >>> ks = parallel(gamma, alpha, ((1, 1, 1), (0, 1, 1)), ((1, 0, -1), (1, 1, -1)), name="Kurdjumov-Sachs")
    >>> len(ks.variants), round(ks.angle_and_axis[0], 2)
    (576, 42.85)
    """
    frames = []
    for phase, hkl, uvw in zip((first, second), planes, directions, strict=True):
        normal, along = plane_normal(phase, hkl), direction(phase, uvw)
        if abs(normal @ along) > np.sin(np.deg2rad(1.0)):
            raise ValueError(f"relation: expected a direction within the plane {tuple(hkl)}; got {tuple(uvw)}")
        along = along - (along @ normal) * normal
        along /= np.linalg.norm(along)
        frames.append(np.stack([along, np.cross(normal, along), normal], axis=1))
    turn = rotation.from_matrix(frames[1] @ frames[0].T)
    return Relation(
        name or f"{tuple(planes[0])} || {tuple(planes[1])}",
        first,
        second,
        turn,
        tolerance,
        plane_normal(first, planes[0]),
    )


_SIGMAS: tuple[tuple[int, tuple[int, int, int], float], ...] = (
    (5, (1, 0, 0), 36.8699), (7, (1, 1, 1), 38.2132), (9, (1, 1, 0), 38.9424), (11, (1, 1, 0), 50.4788),
    (13, (1, 0, 0), 22.6199), (27, (1, 1, 0), 31.5863),
)  # fmt: skip
"""Coincidence number, axis and angle in degrees of cubic coincidence boundaries beside Sigma 3 (Grimmer 1984)."""

_HCP_TWINS: tuple[tuple[int, int, int, int], ...] = ((1, 0, -1, 2), (1, 0, -1, 1), (1, 1, -2, 1), (1, 1, -2, 2))


def known_relations(phases: Sequence[Phase]) -> tuple[Relation, ...]:
    """Return the special relations that materials of some phases are known for.

    Cubic phases have Sigma 3 and further coincidence boundaries up to Sigma 27, hexagonal ones the twins of hcp metals,
    trigonal ones the Dauphine twin. Two cubic phases may stand in the relations of Kurdjumov-Sachs or
    Nishiyama-Wassermann, a cubic and a hexagonal one in Burgers'.

    Parameters
    ----------
    phases : sequence of Phase

    Returns
    -------
    tuple of Relation
    """
    found = []
    for phase in phases:
        if phase.laue == "m-3m":
            found.append(twin(phase, plane=(1, 1, 1), name="Sigma 3", tolerance=15.0 / np.sqrt(3.0)))
            for sigma, axis, degrees in _SIGMAS:
                found.append(
                    axis_angle(phase, axis, degrees, name=f"Sigma {sigma}", tolerance=float(15.0 / np.sqrt(sigma)))
                )
        elif phase.laue == "6/mmm":
            for plane in _HCP_TWINS:
                indices = "".join(f"-{-i}" if i < 0 else str(i) for i in plane)
                found.append(twin(phase, plane=plane, name=f"{{{indices}}} twin"))
        elif phase.laue in ("-3m", "-3"):
            about_c = rotation.from_axis_angle(np.array([0.0, 0.0, 1.0]), np.deg2rad(60.0))
            found.append(Relation("Dauphine twin", phase, phase, about_c))
    cubic = [phase for phase in phases if phase.laue == "m-3m"]
    for i, first in enumerate(cubic):
        for second in cubic[i + 1 :]:
            found += [
                parallel(
                    first, second, ((1, 1, 1), (0, 1, 1)), ((1, 0, -1), (1, 1, -1)), name="Kurdjumov-Sachs"
                ),
                parallel(
                    first, second, ((1, 1, 1), (0, 1, 1)), ((1, 1, -2), (0, 1, -1)), name="Nishiyama-Wassermann"
                ),
            ]  # fmt: skip
        for second in phases:
            if second.laue == "6/mmm":
                found.append(
                    parallel(first, second, ((1, 1, 0), (0, 0, 0, 1)), ((1, -1, 1), (1, 1, -2, 0)), name="Burgers")
                )
    return tuple(found)
