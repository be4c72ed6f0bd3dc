"""What maps know of the material's stiffness and yield stress: the part of an error bar that no volume can lower.

Modulus and yield stress of a volume follow those of Hill and Taylor, which need the orientations alone. How far a map
is off the material in these is told thrice: from grain to grain, as if each had been drawn by itself; from window to
window; and where there are several, from map to map. The first is the surest, since grains are many. Where the others
are larger than chance lets them be (F test at 5 %), grains are not independent, or the material is not the same
everywhere, and the larger one holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from polyrve.adapters.solvers import damask_crystals
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.response_bounds import ResponseBounds, response_bounds
from polyrve.microstructure.segmentation import segment

_CHANCE = 0.05
_WINDOWS = 2
"""Windows of a map along each of its axes."""


@dataclass(frozen=True)
class Part:
    """An estimate of the standard error of a figure.

    Attributes
    ----------
    source : str
        ``"grains"``, ``"windows"`` or ``"maps"``.
    groups : int
        How many of them.
    error : float
        Relative to the figure.
    """

    source: str
    groups: int
    error: float

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval, relative; Student's t for the groups."""
        return float(stats.t.ppf(0.975, max(self.groups - 1, 1)) * self.error)


@dataclass(frozen=True, eq=False)
class MapError:
    """What maps know together.

    Attributes
    ----------
    bounds : ResponseBounds
        Of all points.
    modulus, stress : tuple of tuple of Part
        For x, y and z the estimates for Hill's modulus and Taylor's yield stress, that of the grains first.
    """

    bounds: ResponseBounds
    modulus: tuple[tuple[Part, ...], ...]
    stress: tuple[tuple[Part, ...], ...]

    def part(self, figure: str, axis: int) -> Part:
        """Return the estimate that holds for a figure, ``"modulus"`` or a stress."""
        return decisive((self.modulus if figure == "modulus" else self.stress)[axis])


def decisive(parts: Sequence[Part]) -> Part:
    """Return the first estimate, or the largest of those that differ from it by more than chance."""
    grains = parts[0]
    larger = [
        part for part in parts[1:]
        if part.groups > 1 and part.error**2 > grains.error**2 * stats.f.ppf(1.0 - _CHANCE, part.groups - 1, max(
            grains.groups - 1, 1))
    ]  # fmt: skip
    return max(larger, key=lambda part: part.error, default=grains)


def map_error(
    maps: Sequence[OrientationMap],
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    compression: bool = False,
    copies: float = 1.0,
) -> MapError:
    """Tell stiffness and yield stress of maps without a solver, and how far they may be off the material.

    Parameters
    ----------
    maps : sequence of OrientationMap
        In one sample frame, of the same phases.
    phase : str, sequence of str or mapping, optional
        As for :func:`polyrve.bounds`.
    compression : bool
        As for :func:`polyrve.bounds`.
    copies : float
        How often each measured map is in `maps`: two where one longitudinal section stands for both normals.

    Returns
    -------
    MapError

    Raises
    ------
    ValueError
        If there is no map, nothing is indexed, or a phase has no definition.

    Examples
    --------
    >>> import polyrve
    >>> scan = polyrve.data.load("scan")
    >>> found = map_error([scan], "Cu")
    >>> part = found.part("modulus", 0)
    >>> part.source, round(100 * part.error, 1)
    ('grains', 3.3)
    """
    if not maps:
        raise ValueError("maps: expected at least one; got none")
    rows = [_of_map(field, number) for number, field in enumerate(maps)]
    q, phase_ids, grains, windows, numbers = (np.concatenate(parts) for parts in zip(*rows, strict=True))
    if not len(q):
        raise ValueError("orientations: expected an indexed point; got none")
    crystals = damask_crystals.crystals(maps[0].phases, np.unique(phase_ids), phase)
    groups = {"grains": grains, "windows": windows, "maps": numbers}
    found = {
        name: response_bounds(q, phase_ids, crystals, _numbered(of_point), compression=compression)
        for name, of_point in groups.items() if name != "maps" or len(maps) > copies
    }  # fmt: skip
    more = float(np.sqrt(copies))

    def parts(of: str) -> tuple[tuple[Part, ...], ...]:
        return tuple(
            tuple(
                Part(name, max(2, round(one.grains / copies)), more * float(getattr(one, of)[axis]))
                for name, one in found.items() if np.isfinite(getattr(one, of)[axis])
            )
            for axis in range(3)
        )  # fmt: skip

    return MapError(found["grains"], parts("hill_error"), parts("taylor_error"))


def _of_map(field: OrientationMap, number: int) -> tuple[np.ndarray, ...]:
    """Orientation, phase, grain, window and map of each point that is in a grain."""
    grains = segment(field)
    inside = grains.grain_ids > 0
    places = np.indices(field.shape)
    edges = [_WINDOWS * place // n for place, n in zip(places, field.shape, strict=True)]
    window = edges[0] * _WINDOWS + edges[1]
    count = int(inside.sum())
    base = np.full(count, number)
    return (
        field.quaternions[inside], field.phase_ids[inside],
        np.stack([base, grains.grain_ids[inside]], axis=1), np.stack([base, window[inside]], axis=1),
        np.stack([base, base], axis=1),
    )  # fmt: skip


def _numbered(pairs: np.ndarray) -> np.ndarray:
    """One number from 1 for each different pair."""
    return 1 + np.unique(pairs, axis=0, return_inverse=True)[1].ravel()
