"""Crystallographic phases and the eleven Laue groups.

A *crystal symmetry operation* is a proper rotation written as a unit quaternion, scalar first. It acts from the
left on an orientation (see :mod:`polyrve.crystallography.rotation`). The operations are computed here from the axes of
each group; tests hold them equal to orix's. The crystal frame is orthonormal with ``x || a`` and ``z || c*`` for every
lattice; the two-fold axis of 2/m is b (``y``), those of -3m include a (``x``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np

LAUE_GROUPS: tuple[str, ...] = (
    "-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m",
)  # fmt: skip
"""Hermann-Mauguin symbols of the eleven Laue groups, in the order of the .ctf format (1 ... 11)."""

VOID = "Void"
"""Name of the phase that is empty space: solvers leave it out, and statistics do not count it."""

_LAUE_OF_POINT_GROUP: dict[str, str] = {
    "1": "-1", "-1": "-1",
    "2": "2/m", "m": "2/m", "2/m": "2/m", "121": "2/m", "12/m1": "2/m", "1m1": "2/m", "112": "2/m", "112/m": "2/m",
    "211": "2/m", "2/m11": "2/m", "m11": "2/m", "11m": "2/m",
    "222": "mmm", "mm2": "mmm", "mmm": "mmm", "2mm": "mmm", "m2m": "mmm",
    "4": "4/m", "-4": "4/m", "4/m": "4/m",
    "422": "4/mmm", "4mm": "4/mmm", "-42m": "4/mmm", "-4m2": "4/mmm", "4/mmm": "4/mmm",
    "3": "-3", "-3": "-3",
    "32": "-3m", "3m": "-3m", "-3m": "-3m", "321": "-3m", "3m1": "-3m", "-3m1": "-3m", "312": "-3m", "31m": "-3m",
    "-31m": "-3m",
    "6": "6/m", "-6": "6/m", "6/m": "6/m",
    "622": "6/mmm", "6mm": "6/mmm", "-6m2": "6/mmm", "-62m": "6/mmm", "6/mmm": "6/mmm",
    "23": "m-3", "m-3": "m-3", "m3": "m-3",
    "432": "m-3m", "-43m": "m-3m", "m-3m": "m-3m", "m3m": "m-3m",
}  # fmt: skip


OTHER_SETTINGS: dict[str, str] = {
    **dict.fromkeys(("112", "112/m", "11m"), "c"), **dict.fromkeys(("211", "2/m11", "m11"), "a"),
    **dict.fromkeys(("312", "31m", "-31m"), "across a"),
}  # fmt: skip
"""Where the two-fold axes are (those of 2/m: not b; those of -3m: not a) in point groups of another setting."""


def laue_group(point_group: str) -> str:
    """Return the Laue group of a crystallographic point group.

    A symbol of another setting (:data:`OTHER_SETTINGS`) gives the Laue group as well, whose operations stay about the
    axes of the frame above: bring such orientations to that setting first.

    Parameters
    ----------
    point_group : str
        Hermann-Mauguin symbol, e.g. ``"m-3m"``, ``"432"``, ``"6mm"``, with or without blanks.

    Returns
    -------
    str
        One of :data:`LAUE_GROUPS`.

    Raises
    ------
    ValueError
        If the symbol names no crystallographic point group.

    See Also
    --------
    laue_group_of_space_group : By the number of a space group.
    polyrve.crystallography.reference_frames.standard_setting : Brings monoclinic orientations to the setting used here.

    Examples
    --------
    >>> laue_group("432"), laue_group("6 m m")
    ('m-3m', '6/mmm')
    """
    try:
        return _LAUE_OF_POINT_GROUP[point_group.replace(" ", "")]
    except KeyError:
        raise ValueError(
            f"point group: expected a Hermann-Mauguin symbol such as {', '.join(LAUE_GROUPS)}; got {point_group!r}"
        ) from None


def laue_group_of_space_group(number: int) -> str:
    """Return the Laue group of a space group, by its international number.

    Parameters
    ----------
    number : int
        1 ... 230.

    Returns
    -------
    str
        One of :data:`LAUE_GROUPS`.

    Raises
    ------
    ValueError
        If the number is not 1 ... 230.

    Examples
    --------
    >>> laue_group_of_space_group(225)
    'm-3m'
    """
    if not 1 <= number <= 230:
        raise ValueError(f"space group: expected 1 ... 230; got {number}")
    last = (
        (2, "-1"), (15, "2/m"), (74, "mmm"), (88, "4/m"), (142, "4/mmm"), (148, "-3"), (167, "-3m"), (176, "6/m"),
        (194, "6/mmm"), (206, "m-3"), (230, "m-3m"),
    )  # fmt: skip
    return next(laue for end, laue in last if number <= end)


@cache
def symmetry_operations(laue: str) -> np.ndarray:
    """Return the proper rotations of a Laue group.

    Parameters
    ----------
    laue : str
        One of :data:`LAUE_GROUPS`.

    Returns
    -------
    ndarray, shape (n, 4), float64, read-only
        Unit quaternions, scalar first, identity first; one of each pair ``(s, -s)``.

    Raises
    ------
    ValueError
        If the symbol names no crystallographic point group.

    Examples
    --------
    >>> {laue: len(symmetry_operations(laue)) for laue in ("-1", "2/m", "6/mmm", "m-3m")}
    {'-1': 1, '2/m': 2, '6/mmm': 12, 'm-3m': 24}
    """
    laue = laue_group(laue)
    quaternions = _tetrahedral_or_octahedral(laue) if laue.startswith("m-3") else _cyclic_or_dihedral(laue)
    quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
    quaternions[np.abs(quaternions) < 1e-15] = 0.0
    quaternions.setflags(write=False)
    return quaternions


def _cyclic_or_dihedral(laue: str) -> np.ndarray:
    """Return rotations about z by multiples of 360 degrees / n and, in a dihedral group, n two-fold axes from x on."""
    if laue == "2/m":
        return np.array([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]])
    n, dihedral = {
        "-1": (1, False), "mmm": (2, True), "4/m": (4, False), "4/mmm": (4, True), "-3": (3, False), "-3m": (3, True),
        "6/m": (6, False), "6/mmm": (6, True),
    }[laue]  # fmt: skip
    half = np.pi * np.arange(n) / n
    cosine, sine, zero = np.cos(half), np.sin(half), np.zeros(n)
    about_z = np.stack([cosine, zero, zero, sine], axis=1)
    return np.concatenate([about_z, np.stack([zero, cosine, sine, zero], axis=1)]) if dihedral else about_z


def _tetrahedral_or_octahedral(laue: str) -> np.ndarray:
    """Return rotations about two-fold axes <100> and three-fold <111>; in m-3m also four-fold <100>, two-fold <110>."""
    unit = np.eye(4)
    rotations = [*unit, *((1.0, *signs) for signs in product((1.0, -1.0), repeat=3))]
    if laue == "m-3m":
        rotations += [unit[i] + sign * unit[j] for i, j in combinations(range(4), 2) for sign in (1.0, -1.0)]
    return np.array(rotations)


@dataclass(frozen=True)
class Phase:
    """A crystallographic phase.

    Attributes
    ----------
    name : str
        Mineral or alloy name, not empty.
    laue : str
        One of :data:`LAUE_GROUPS`; any point group symbol is accepted and reduced to its Laue group.
    lattice : tuple of float, length 6
        a, b, c in angstrom; alpha, beta, gamma in degrees. Zeros where the file does not know them.
    space_group : int
        International number 1 ... 230, or 0 where unknown.

    Raises
    ------
    ValueError
        If a field is out of its range.

    See Also
    --------
    laue_group : How point groups are reduced.

    Examples
    --------
    >>> phase = Phase("Ti-alpha", "6mm", lattice=(2.95, 2.95, 4.68, 90, 90, 120))
    >>> phase.laue, phase.symmetry.shape
    ('6/mmm', (12, 4))
    """

    name: str
    laue: str = "m-3m"
    lattice: tuple[float, float, float, float, float, float] = (0.0, 0.0, 0.0, 90.0, 90.0, 90.0)
    space_group: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("phase name: expected a non-empty text; got an empty one")
        object.__setattr__(self, "laue", laue_group(self.laue))
        lattice = tuple(float(value) for value in self.lattice)
        if len(lattice) != 6 or not all(math.isfinite(value) and value >= 0 for value in lattice):
            raise ValueError(
                f"lattice of phase {self.name!r}: expected a, b, c (angstrom) and alpha, beta, gamma (degrees), "
                f"finite and not negative; got {self.lattice}"
            )
        object.__setattr__(self, "lattice", lattice)
        if not 0 <= self.space_group <= 230:
            raise ValueError(f"space group of phase {self.name!r}: expected 0 ... 230; got {self.space_group}")

    @property
    def symmetry(self) -> np.ndarray:
        """Proper rotations of the Laue group, shape (n, 4), scalar first."""
        return symmetry_operations(self.laue)
