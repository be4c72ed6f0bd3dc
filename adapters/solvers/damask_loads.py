"""Loads for DAMASK's grid solver: load.yaml with strain paths, fine first increments and what is stored.

Deformation is prescribed along the directions of a load, at a constant rate of F; the other directions are held, or
free of stress. DAMASK accepts no stress beside a strain of the same component.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from polyrve.microstructure.axes import in_plane

_FINE, _FEW = 1e-5, 4
"""Strain of the first increment, and the number of increments from which on a load begins with fine ones.

Stresses of 0.7 (aluminium) to 2 MPa (steel) are elastic in every definition of the library, the softest of which,
copper, slips at 1.6 MPa on a system.
"""

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

_SOLVER = "spectral_basic"
_SOLVER_OF_VOIDS = "spectral_polarization"
"""Solvers of DAMASK: with 5 % of voids in 12^3 voxels of aluminium, the basic one stopped at a strain of 0.7 %."""


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
class _Increments:
    """Part of a path: strain, number of increments, ratio of each to the one before, how often one is stored."""

    strain: float
    number: int
    ratio: float = 1.0
    f_out: int = 1


def load_case(
    case: str,
    *,
    axes: str | None = None,
    strain: float | None = None,
    rate: float = 1e-3,
    increments: int | None = None,
    f_out: int | None = None,
    f_restart: int | None = None,
    ratio: float = -1.0,
    cycles: int = 1,
    angle: float = 45.0,
    voids: bool = False,
    temperature: float | None = None,
) -> str:
    """Return the text of a load.yaml.

    Parameters
    ----------
    case, axes, strain, rate, increments, f_out, f_restart, ratio, cycles, angle
        As for :func:`polyrve.adapters.solvers.damask.write`.
    voids : bool
        Whether a phase is empty: the solver is then one that converges with it.
    temperature : float, K, optional
        Whether temperature is a field of the run; its value stands in the grid.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a value is out of its range.
    """
    axes, strain, n = check_load(
        case, axes=axes, strain=strain, rate=rate, increments=increments, ratio=ratio, cycles=cycles, angle=angle
    )
    for name, number in (("f_out", f_out), ("f_restart", f_restart)):
        if number is not None and not (number == int(number) and number >= 1):
            raise ValueError(f"{name}: expected 1 or more increments; got {number}")
    if temperature is not None and not temperature > 0.0:
        raise ValueError(f"temperature: expected kelvins above 0; got {temperature}")
    steps = [
        _step(path, part, rate, f_out, f_restart)
        for path in load_paths(case, axes, rate, ratio, int(cycles), angle)
        for part in _increments(path.times * strain, max(1, round(path.times * n)))
    ]
    meaning = LOAD_CASES[case][3]
    detail = {
        "cyclic": f", {int(cycles)} with the ratio {ratio:g} of smallest to largest strain",
        "biaxial": f", {angle:g} degrees from the first",
    }.get(case, "")
    thermal = "" if temperature is None else "thermal: spectral, "
    head = [
        f"# {meaning.format(*axes)}{detail}; strain {strain:g} at {rate:g} 1/s",
        "# damask_grid --geom grid.vti --load load.yaml --material material.yaml --numerics numerics.yaml",
        "# (DAMASK 3.0 has it under the name DAMASK_grid; MPI ranks: no more than there are voxels along z)",
        "# a segmentation fault while it reads material.yaml: ulimit -s unlimited gives it a larger stack",
        *(["# the basic scheme does not converge with voids"] if voids else []),
        f"solver: {{{thermal}mechanical: {_SOLVER_OF_VOIDS if voids else _SOLVER}}}",
        "loadstep:",
    ]
    return "\n".join([*head, *steps]) + "\n"


def check_load(
    case: str,
    *,
    axes: str | None,
    strain: float | None,
    rate: float,
    increments: int | None,
    ratio: float,
    cycles: int,
    angle: float,
) -> tuple[str, float, int]:
    """Return axes, strain and number of increments of a load, the usual ones where none is given.

    Raises
    ------
    ValueError
        If a value is out of its range.
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
    return axes, strain, int(increments)


def load_paths(case: str, axes: str, rate: float, ratio: float, cycles: int, angle: float) -> list[Path]:
    """Return the parts of a load, one after the other; arguments as checked by :func:`check_load`."""
    first, last = "xyz".index(axes[0]), "xyz".index(axes[-1])
    if case == "shear":
        return [Path({(first, last): rate}, ())]
    if case == "plane-strain":
        return [Path({(first, first): rate}, (last,))]
    if case == "rolling":
        return [Path({(last, last): -rate}, (first,))]
    if case == "biaxial":
        along = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        along = tuple(0.0 if abs(part) < 1e-12 else part for part in along)  # type: ignore[assignment]
        third = 3 - first - last
        return [Path({(first, first): rate * along[0], (last, last): rate * along[1]}, (third,))]
    signs = {"tension": [(1, 1.0)], "compression": [(-1, 1.0)]}.get(
        case, [(1, 1.0), *[(-1, 1.0 - ratio), (1, 1.0 - ratio)] * cycles]
    )
    return [Path({(first, first): sign * rate}, tuple(in_plane(first)), times) for sign, times in signs]


def _every(n: int) -> int:
    """Every how manyth of `n` increments is stored: the last is one of those, and ten or more are."""
    return max(k for k in range(1, max(1, n // 10) + 1) if n % k == 0)


def _increments(strain: float, n: int) -> list[_Increments]:
    """Fine increments that grow, each stored, and those of equal size after them, or these alone where n is small."""
    usual = strain / n
    few = max(n // 10, min(5, n // 2))
    if n < _FEW or usual <= _FINE:
        return [_Increments(strain, n, f_out=_every(n))]
    ratio = round((usual / _FINE) ** (1.0 / (few - 1)), 6)
    fine = _FINE * few if ratio == 1.0 else _FINE * (ratio**few - 1.0) / (ratio - 1.0)
    rest = n - few
    return [_Increments(fine, few, ratio), _Increments(strain - fine, rest, f_out=_every(rest))]


def _step(path: Path, part: _Increments, rate: float, f_out: int | None, f_restart: int | None) -> str:
    """A load step: rates of F, all others 0, but stress-free on the diagonal where the path is free."""
    free: Iterable[int] = path.free
    rows: dict[str, list[str]] = {"dot_F": [], "P": []}
    for i in range(3):
        F = [repr(float(path.rates.get((i, j), 0.0))) if i != j or i not in free else "x" for j in range(3)]
        P = ["0.0" if i == j and i in free else "x" for j in range(3)]
        rows["dot_F"].append(f"[{', '.join(F)}]")
        rows["P"].append(f"[{', '.join(P)}]")
    lines = ["  - boundary_conditions:", "      mechanical:"]
    lines += [f"        {key}: [{', '.join(value)}]" for key, value in rows.items()]
    r = f", r: {part.ratio!r}" if part.ratio != 1.0 else ""
    lines += [f"    discretization: {{t: {part.strain / rate!r}, N: {part.number}{r}}}"]
    lines += [f"    f_out: {part.f_out if f_out is None else int(f_out)}"]
    lines += [] if f_restart is None else [f"    f_restart: {int(f_restart)}"]
    return "\n".join(lines)
