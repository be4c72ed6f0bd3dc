"""Descriptors: statistics of planar sections that a reconstruction matches; one file each.

The named sets are ``"paper"`` (two-point correlations, hybrid three-point variogram, mean variation) and ``"default"``
(disorientation spectrum, madogram, texture; with several phases two-point correlations, too).
Any object with the :class:`Descriptor` protocol can stand beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from polyrve.descriptors.disorientation import SHORT_LAGS, DisorientationSpectrum
from polyrve.descriptors.local_state import LocalState
from polyrve.descriptors.protocol import Descriptor
from polyrve.descriptors.texture import Texture
from polyrve.descriptors.three_point import DENSE_LAGS, ThreePoint
from polyrve.descriptors.two_point import TwoPoint
from polyrve.descriptors.variation import Variation
from polyrve.descriptors.variogram import Variogram
from polyrve.microstructure.lags import half_plane, rings

__all__ = [
    "SETS", "Descriptor", "DisorientationSpectrum", "Texture", "ThreePoint", "TwoPoint", "Variation", "Variogram",
    "descriptor_set", "named_set",
]  # fmt: skip

SETS: dict[str, dict[str, float]] = {
    "paper": {"two_point": 1.0, "three_point": 1.0, "variation": 0.1},
    "default": {"disorientation": 1.0, "variogram": 1.0, "texture": 3.0},
}
"""Weights of the named sets by descriptor name."""

_OF_PHASES = {"default": {"two_point": 0.1}}

_THRESHOLDS = 21


def named_set(name: str, state: LocalState) -> dict[str, float]:
    """Weights of a named set by descriptor name.

    With several phases the default set holds two-point correlations, too: increments alone do not tell a field of two
    phases from its negative.

    Parameters
    ----------
    name : str
        One of :data:`SETS`.
    state : LocalState
    """
    return {**(_OF_PHASES.get(name, {}) if len(state.phases) > 1 else {}), **SETS[name]}


def descriptor_set(
    weights: Mapping[str, float], state: LocalState, largest_lag: int, shape: Sequence[int], texture_degree: int = 24
) -> tuple[tuple[Descriptor, float], ...]:
    """Descriptors and their weights for a local state.

    Parameters
    ----------
    weights : mapping of str to float
        By descriptor name; a weight of zero leaves the descriptor out.
    state : LocalState
    largest_lag : int
        Largest lag, in voxels.
    shape : tuple of int
        Shape (nz, ny, nx) of the volume.
    texture_degree : int
        Highest even degree of the texture descriptor.

    Returns
    -------
    tuple of (Descriptor, float)

    Raises
    ------
    ValueError
        If a name is unknown or a weight negative or not finite.
    """
    largest = 2.0 * math.sqrt(state.count)
    makers: dict[str, Callable[[], Descriptor]] = {
        "two_point": lambda: TwoPoint(largest_lag),
        "variogram": lambda: Variogram(_variogram_lags(largest_lag)),
        "three_point": lambda: ThreePoint(_inside(DENSE_LAGS, largest_lag)),
        "variation": Variation,
        "disorientation": lambda: DisorientationSpectrum(
            _inside(SHORT_LAGS, largest_lag),
            tuple(largest * (0.0167 + 0.7333 * i / (_THRESHOLDS - 1)) for i in range(_THRESHOLDS)),
            smallest_width=0.02 * largest,
        ),
        "texture": lambda: Texture.up_to(
            tuple(phase.laue for phase in state.phases), texture_degree, stride=2 if min(shape) >= 48 else 1
        ),
    }
    for name, weight in weights.items():
        if name not in makers:
            raise ValueError(f"descriptor: expected one of {', '.join(makers)}; got {name!r}")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight of descriptor {name}: expected a finite number >= 0; got {weight}")
    without = () if any(state.harmonics) else ("texture",)
    chosen = tuple(
        (makers[name](), float(weight)) for name, weight in weights.items() if weight > 0 and name not in without
    )
    if not chosen:
        raise ValueError("descriptors: expected at least one with a weight above zero; got none")
    return chosen


def _inside(lags: tuple[tuple[int, int], ...], largest_lag: int) -> tuple[tuple[int, int], ...]:
    return tuple(lag for lag in lags if max(abs(lag[0]), abs(lag[1])) <= largest_lag)


def _variogram_lags(largest_lag: int) -> tuple[tuple[int, int], ...]:
    radii = [radius for radius in (4.5, 6.5, 9, 12, 16) if radius <= largest_lag]
    return tuple(dict.fromkeys([*_inside(half_plane(3), largest_lag), *rings(radii, 8)]))
