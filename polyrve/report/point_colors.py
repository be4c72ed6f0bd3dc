"""What the points of a map or volume are coloured by: orientations, phases, properties, quantities of grains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.grains import GrainMap, GrainVolume

PHASE_COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
"""Colours that colour-blind readers tell apart: M. Okabe, K. Ito, Color Universal Design (2008)."""

GRAIN_QUANTITIES = {
    "points": "points",
    "equivalent_diameter": "equivalent diameter (µm)",
    "aspect_ratio": "aspect ratio",
    "orientation_spread": "GOS (°)",
    "number_of_neighbours": "neighbours",
}
"""Quantities of grains that a drawing shows, with their labels."""

_NOT_INDEXED = (26, 26, 26)
_BACKGROUND = np.array([[120, 120, 120], [250, 250, 250]], dtype=np.uint8)
"""Of lines between points: where these are not indexed, and elsewhere."""

Data = OrientationMap | OrientationVolume | GrainMap | GrainVolume
Part = tuple[OrientationMap | OrientationVolume, np.ndarray | None]
"""A section or the whole of what is drawn, and its grain ids."""


@dataclass(frozen=True, eq=False)
class Look:
    """How points are drawn.

    Attributes
    ----------
    images : list of ndarray, shape (*shape, 3) uint8 or (*shape) float
        One per part.
    label : str
        Of the colour bar; empty where the images are colours.
    legend : dict of str to colour
        Names of the colours, where there are few.
    """

    images: list[np.ndarray]
    label: str = ""
    legend: dict[str, Any] = field(default_factory=dict)


def field_of(data: Data) -> OrientationMap | OrientationVolume:
    """Return the orientations of what may be segmented."""
    return data.field if isinstance(data, (GrainMap, GrainVolume)) else data


def direction_vector(direction: Any) -> np.ndarray:
    """Return the vector of a sample direction: ``"x"``, ``"y"``, ``"z"`` or three numbers (x, y, z).

    Raises
    ------
    ValueError
        If it is neither.
    """
    named = dict(zip("xyz", np.eye(3), strict=True))
    if isinstance(direction, str) and direction.lower() in named:
        return named[direction.lower()]
    try:
        vector = np.asarray(direction, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.zeros(0)
    if vector.shape != (3,) or not np.isfinite(vector).all() or not vector.any():
        raise ValueError(f"direction: expected 'x', 'y', 'z' or three numbers x, y, z; got {direction!r}")
    return vector


def grain_colors(grain_ids: np.ndarray) -> np.ndarray:
    """Return a colour per grain id, shape (*shape, 3), uint8; near black for 0, no grain."""
    mixed = grain_ids.astype(np.uint64) * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(15)
    colors = np.stack([70 + (mixed >> np.uint64(shift) & np.uint64(127)) for shift in (0, 8, 16)], axis=-1)
    colors[grain_ids == 0] = _NOT_INDEXED
    return colors.astype(np.uint8)


def kinds(data: Data) -> list[str]:
    """Return what a map or volume can be coloured by."""
    of_grains = ["grains", *GRAIN_QUANTITIES] if isinstance(data, (GrainMap, GrainVolume)) else []
    return ["ipf", "phase", "boundaries", *of_grains, *field_of(data).properties]


def look(data: Data, parts: Sequence[Part], kind: str, direction: Any = "z") -> Look:
    """Colour parts of a map or volume.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
        The whole, which grains are measured on.
    parts : sequence of (OrientationMap or OrientationVolume, ndarray or None)
        Sections or the whole, with their grain ids.
    kind : str
        One of :func:`kinds`; for ``"boundaries"`` the background of the lines.
    direction : str or sequence of float
        Sample direction of IPF colours.

    Returns
    -------
    Look

    Raises
    ------
    ValueError
        If the kind or direction is unknown, or a property has several numbers per point.
    """
    fields = [part for part, _ in parts]
    if kind == "ipf":
        vector = tuple(direction_vector(direction))
        return Look([ipf_colors(part.quaternions, part.phase_ids, part.phases, vector) for part in fields])
    if kind == "phase":
        colors = np.array([_NOT_INDEXED, *(_rgb(i) for i in range(len(fields[0].phases)))], dtype=np.uint8)
        return Look([colors[part.phase_ids] for part in fields], legend=_phase_legend(field_of(data)))
    if kind == "boundaries":
        return Look([_BACKGROUND[part.indexed.astype(int)] for part in fields])
    if kind not in kinds(data):
        raise ValueError(f"kind: expected one of {', '.join(kinds(data))}; got {kind!r}")
    if isinstance(data, (GrainMap, GrainVolume)) and kind == "grains":
        return Look([grain_colors(np.asarray(ids)) for _, ids in parts])
    if isinstance(data, (GrainMap, GrainVolume)) and kind in GRAIN_QUANTITIES:
        of_grain = np.concatenate([[np.nan], getattr(measure_grains(data), kind)])
        return Look([of_grain[np.asarray(ids)] for _, ids in parts], GRAIN_QUANTITIES[kind])
    values = field_of(data).properties[kind]
    if values.shape != field_of(data).shape:
        raise ValueError(f"kind: expected a property of one number per point; got {kind!r} of shape {values.shape}")
    return Look([np.asarray(part.properties[kind], dtype=np.float64) for part in fields], kind)


def _rgb(number: int) -> tuple[int, ...]:
    return tuple(round(255 * part) for part in to_rgb(PHASE_COLORS[number % len(PHASE_COLORS)]))


def _phase_legend(whole: OrientationMap | OrientationVolume) -> dict[str, Any]:
    share = np.bincount(whole.phase_ids.ravel(), minlength=len(whole.phases) + 1) / whole.phase_ids.size
    legend: dict[str, Any] = {
        f"{phase.name} ({phase.laue}), {100 * share[i + 1]:.1f} %": np.array(_rgb(i)) / 255.0
        for i, phase in enumerate(whole.phases)
    }
    if share[0]:
        legend[f"not indexed, {100 * share[0]:.1f} %"] = np.array(_NOT_INDEXED) / 255.0
    return legend
