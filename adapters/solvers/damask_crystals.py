"""Crystals with elasticity and slip from phase definitions of DAMASK, as its export writes them.

Slip and twin systems come from :class:`damask.Crystal`, in the families and the order that ``N_sl`` and ``N_tw`` count.
Resistances are the initial ones of the law: ``xi_0_sl`` and ``xi_0_tw`` of phenopowerlaw, ``xi_0`` of kinehardening.
Other laws compose them of parameters that depend on temperature and rate: there all systems resist alike, which is
exact where there is one family, and no stress is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from polyrve.adapters.solvers import damask, damask_phases
from polyrve.crystallography.crystal import CONSTANTS, Crystal, stiffness
from polyrve.crystallography.phase import Phase

_RESISTANCES = {"phenopowerlaw": ("xi_0_sl", "xi_0_tw"), "kinehardening": ("xi_0", "")}


def crystal(name: str) -> Crystal:
    """Return the crystal of a definition of the library.

    Parameters
    ----------
    name : str
        Name or alias in :data:`polyrve.adapters.solvers.damask_phases.LIBRARY`.

    Raises
    ------
    ValueError
        If there is none.

    Examples
    --------
    >>> aluminium = crystal("Al")
    >>> aluminium.schmid.shape, aluminium.vertices.shape
    ((12, 3, 3), (56, 6))
    """
    known = damask_phases.find(name)
    if known is None:
        raise ValueError(f"phase: expected one of {', '.join(damask_phases.LIBRARY)}; got {name!r}")
    return from_yaml(known.yaml(), known.name)


def crystals(
    phases: Sequence[Phase], used: Iterable[int], phase: str | Sequence[str] | Mapping[str, str] | None = None
) -> tuple[Crystal, ...]:
    """Return the crystals of phases by their definitions.

    Parameters
    ----------
    phases : sequence of Phase
    used : iterable of int
        Numbers from 1 of the phases that have a point; the others' crystals are without stiffness.
    phase : str, sequence of str or mapping, optional
        As for :func:`polyrve.adapters.solvers.damask.write`.

    Returns
    -------
    tuple of Crystal
        One for each phase.

    Raises
    ------
    ValueError
        If a phase has no definition, or it lacks an elastic constant.
    """
    texts = damask.definitions(phases, used, phase)
    none = Crystal("none", np.full((6, 6), np.nan), np.zeros((0, 3, 3)), np.zeros(0), np.zeros(0, dtype=bool))
    return tuple(
        from_yaml(texts[n], one.name) if n in texts else none for n, one in enumerate(phases, start=1)
    )  # fmt: skip


def from_yaml(text: str, name: str) -> Crystal:
    """Return the crystal of a definition in YAML.

    Parameters
    ----------
    text : str
        A phase as in material.yaml.
    name : str

    Raises
    ------
    ValueError
        If it is no definition with elasticity by Hooke's law, or lacks a constant.
    """
    import yaml

    try:
        found = yaml.safe_load(text)
        lattice, mechanical = found["lattice"], found["mechanical"]
        elastic = {key: float(mechanical["elastic"][key]) for key in CONSTANTS[lattice] if key in mechanical["elastic"]}
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        message = f"definition of phase {name!r}: expected lattice and elastic constants; got {reason}"
        raise ValueError(message) from None
    try:
        systems = _systems(lattice, found.get("c/a"), mechanical.get("plastic") or {})
        return Crystal(name, stiffness(lattice, elastic), *systems)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"definition of phase {name!r}: {' '.join(str(error).split())}") from None


def _systems(lattice: str, ratio: Any, plastic: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Schmid tensors, resistances, whether they are one-sided, and whether resistances are known."""
    import damask as reference

    cell = {"a": 1.0, "c": float(ratio)} if lattice in ("hP", "tI") else {}
    made = reference.Crystal(lattice=lattice, **cell)
    known = _RESISTANCES.get(plastic.get("type", ""))
    schmid, resistance, one_sided = [np.zeros((0, 3, 3))], [np.zeros(0)], [np.zeros(0, dtype=bool)]
    for kind, number, twins in (("N_slip", "N_sl", False), ("N_twin", "N_tw", True)):
        families = [int(n) for n in np.atleast_1d(plastic.get(number, []))]
        if not sum(families):
            continue
        key = known[twins] if known else ""
        values = [float(x) for x in np.atleast_1d(plastic[key])] if key else [1.0] * len(families)
        if len(values) != len(families):
            raise ValueError(f"{key}: expected a value for each of {len(families)} families; got {len(values)}")
        schmid.append(made.Schmid(**{kind: families}))
        resistance.append(np.repeat(values, families))
        one_sided.append(np.full(sum(families), twins))
    resistances = np.concatenate(resistance)
    if not (resistances > 0).all():
        raise ValueError("resistances: expected positive ones of the families that have systems; got zero or less")
    return np.concatenate(schmid), resistances, np.concatenate(one_sided), known is not None
