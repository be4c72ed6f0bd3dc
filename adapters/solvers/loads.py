"""Loads of a volume, alike for every solver: directions, strain, rate, and the parts that they are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from polyrve.microstructure.axes import in_plane

LOAD_CASES: dict[str, tuple[str, float, int, str]] = {
    "tension": ("x", 0.05, 100, "uniaxial tension along {0}"),
    "compression": ("x", 0.05, 100, "uniaxial compression along {0}"),
    "shear": ("xy", 0.05, 100, "simple shear of the {1} planes along {0}"),
    "plane-strain": (
        "xz",
        0.05,
        100,
        "plane-strain tension along {0}, free along {1}, the third direction held",
    ),
    "rolling": (
        "xz",
        0.2,
        200,
        "plane-strain compression along {1} (ND), free along {0} (RD), the third (TD) held",
    ),
    "biaxial": (
        "xy",
        0.05,
        100,
        "biaxial path in the plane of {0} and {1}, free along the third direction",
    ),
    "cyclic": ("x", 0.01, 20, "cycles along {0}, tension first"),
}
"""Load cases: usual directions, strain, increments (for cyclic, of each quarter), and what they are."""


@dataclass(frozen=True)
class Path:
    """A part of a load.

    Attributes
    ----------
    rates : mapping of (int, int) to float, 1/s
        Of components of the deformation gradient; the others stay as they are.
    free : tuple of int
        Axes along which the normal stress is zero.
    times : float
        How many times the strain of the load it covers.
    """

    rates: Mapping[tuple[int, int], float]
    free: tuple[int, ...]
    times: float = 1.0


@dataclass(frozen=True)
class Load:
    """A load of a volume, as :func:`load_of` makes it.

    Attributes
    ----------
    case : str
        One of ``LOAD_CASES``.
    axes : str
        Its directions.
    strain : float
        The largest one.
    rate : float, 1/s
    increments : int
        Of a part that covers the strain once.
    ratio : float
        Of cycles, smallest over largest strain.
    cycles : int
    angle : float, degrees
        Of biaxial loads, the direction of the path in the plane of the two strains.
    """

    case: str
    axes: str
    strain: float
    rate: float
    increments: int
    ratio: float
    cycles: int
    angle: float

    @property
    def title(self) -> str:
        """What the load is, in words."""
        return LOAD_CASES[self.case][3].format(*self.axes) + {
            "cyclic": f", {self.cycles} with the ratio {self.ratio:g} of smallest to largest strain",
            "biaxial": f", {self.angle:g} degrees from the first",
        }.get(self.case, "")

    def paths(self) -> list[Path]:
        """Return the parts of the load, one after the other."""
        first, last = "xyz".index(self.axes[0]), "xyz".index(self.axes[-1])
        if self.case == "shear":
            return [Path({(first, last): self.rate}, ())]
        if self.case == "plane-strain":
            return [Path({(first, first): self.rate}, (last,))]
        if self.case == "rolling":
            return [Path({(last, last): -self.rate}, (first,))]
        if self.case == "biaxial":
            along = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
            along = tuple(0.0 if abs(part) < 1e-12 else part for part in along)  # type: ignore[assignment]
            third = 3 - first - last
            return [Path({(first, first): self.rate * along[0], (last, last): self.rate * along[1]}, (third,))]
        signs = {"tension": [(1, 1.0)], "compression": [(-1, 1.0)]}.get(
            self.case, [(1, 1.0), *[(-1, 1.0 - self.ratio), (1, 1.0 - self.ratio)] * self.cycles]
        )
        return [Path({(first, first): sign * self.rate}, tuple(in_plane(first)), times) for sign, times in signs]


def load_of(
    case: str,
    *,
    axes: str | None = None,
    strain: float | None = None,
    rate: float = 1e-3,
    increments: int | None = None,
    ratio: float = -1.0,
    cycles: int = 1,
    angle: float = 45.0,
) -> Load:
    """Return a load, with what is usual for its case where nothing is given.

    Parameters
    ----------
    case, axes, strain, rate, increments, ratio, cycles, angle
        As for :class:`Load`.

    Raises
    ------
    ValueError
        If a value is out of its range.

    Examples
    --------
    >>> load_of("cyclic", strain=0.01).title
    'cycles along x, tension first, 1 with the ratio -1 of smallest to largest strain'
    """
    if case not in LOAD_CASES:
        raise ValueError(f"load: expected one of {', '.join(LOAD_CASES)}; got {case!r}")
    usual_axes, usual_strain, usual_increments, _ = LOAD_CASES[case]
    axes = usual_axes if axes is None else axes
    strain = usual_strain if strain is None else strain
    increments = usual_increments if increments is None else increments
    if len(axes) != len(usual_axes) or set(axes) - set("xyz") or len(set(axes)) != len(axes):
        raise ValueError(f"axes of load {case!r}: expected {len(usual_axes)} different letters of xyz; got {axes!r}")
    if not (strain > 0 and rate > 0 and int(increments) == increments and increments >= 1):
        raise ValueError(
            f"load {case!r}: expected positive strain, rate and increments; got {strain}, {rate}, {increments}"
        )
    if not (cycles == int(cycles) and cycles >= 1):
        raise ValueError(f"cycles: expected 1 or more; got {cycles}")
    if not (math.isfinite(ratio) and ratio < 1.0):
        raise ValueError(f"ratio: expected the smallest strain over the largest, below 1; got {ratio}")
    if not math.isfinite(angle):
        raise ValueError(f"angle: expected degrees; got {angle}")
    return Load(case, axes, strain, rate, int(increments), ratio, int(cycles), angle)
