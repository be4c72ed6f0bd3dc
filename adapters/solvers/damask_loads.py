"""Loads for DAMASK's grid solver: load.yaml with strain paths, fine first increments and what is stored.

Deformation is prescribed along the directions of a load, at a constant rate of F; the other directions are held, or
free of stress. DAMASK accepts no stress beside a strain of the same component.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from polyrve.adapters.solvers.loads import Load, Path

_FINE, _FEW = 1e-5, 4
"""Strain of the first increment, and the number of increments from which on a load begins with fine ones.

Stresses of 0.7 (aluminium) to 2 MPa (steel) are elastic in every definition of the library, the softest of which,
copper, slips at 1.6 MPa on a system.
"""

_SOLVER = "spectral_basic"
_SOLVER_OF_VOIDS = "spectral_polarization"
"""Solvers of DAMASK: with 5 % of voids in 12^3 voxels of aluminium, the basic one stopped at a strain of 0.7 %."""


@dataclass(frozen=True)
class _Increments:
    """Part of a path: strain, number of increments, ratio of each to the one before, how often one is stored."""

    strain: float
    number: int
    ratio: float = 1.0
    f_out: int = 1


def load_case(
    load: Load,
    *,
    f_out: int | None = None,
    f_restart: int | None = None,
    voids: bool = False,
    temperature: float | None = None,
) -> str:
    """Return the text of a load.yaml.

    Parameters
    ----------
    load : Load
    f_out, f_restart
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
    for name, number in (("f_out", f_out), ("f_restart", f_restart)):
        if number is not None and not (number == int(number) and number >= 1):
            raise ValueError(f"{name}: expected 1 or more increments; got {number}")
    if temperature is not None and not temperature > 0.0:
        raise ValueError(f"temperature: expected kelvins above 0; got {temperature}")
    steps = [
        _step(path, part, load.rate, f_out, f_restart)
        for path in load.paths()
        for part in _increments(path.times * load.strain, max(1, round(path.times * load.increments)))
    ]
    thermal = "" if temperature is None else "thermal: spectral, "
    head = [
        f"# {load.title}; strain {load.strain:g} at {load.rate:g} 1/s",
        "# damask_grid --geom grid.vti --load load.yaml --material material.yaml --numerics numerics.yaml",
        "# (DAMASK 3.0 has it under the name DAMASK_grid; MPI ranks: no more than there are voxels along z)",
        "# a segmentation fault while it reads material.yaml: ulimit -s unlimited gives it a larger stack",
        *(["# the basic scheme does not converge with voids"] if voids else []),
        f"solver: {{{thermal}mechanical: {_SOLVER_OF_VOIDS if voids else _SOLVER}}}",
        "loadstep:",
    ]
    return "\n".join([*head, *steps]) + "\n"


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
