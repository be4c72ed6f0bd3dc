"""Descriptors by name: the makers of ours and of other packages, and the named sets.

A descriptor of this package is one file with a function ``make(context)`` and one row of :data:`MAKERS`. Another
package gives its own through the entry-point group ``polyrve.descriptors``, and settings name it in ``weights``::

    [project.entry-points."polyrve.descriptors"]
    chord_lengths = "my_package.chords:make"
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from polyrve.descriptors import disorientation, texture, three_point, two_point, variation, variogram
from polyrve.descriptors.local_state import LocalState
from polyrve.descriptors.protocol import Context, Descriptor, Maker
from polyrve.user_line import user_line

GROUP = "polyrve.descriptors"
"""Entry-point group of descriptors of other packages; each entry is a :data:`polyrve.descriptors.protocol.Maker`."""

MAKERS: dict[str, Maker] = {
    "two_point": two_point.make,
    "variogram": variogram.make,
    "three_point": three_point.make,
    "variation": variation.make,
    "disorientation": disorientation.make,
    "texture": texture.make,
}
"""Makers of the descriptors of this package by the names of these."""

SETS: dict[str, dict[str, float]] = {
    "paper": {"two_point": 1.0, "three_point": 1.0, "variation": 0.1},
    "default": {"disorientation": 1.0, "variogram": 1.0, "texture": 3.0},
}
"""Weights of the named sets by descriptor name; ``docs/studies.md`` has the studies that they come from."""

_OF_PHASES = {"default": {"two_point": 0.1}}


def named_set(name: str, state: LocalState) -> dict[str, float]:
    """Return the weights of a named set by descriptor name.

    With several phases the default set holds two-point correlations, too: increments alone do not tell a field of two
    phases from its negative.

    Parameters
    ----------
    name : str
        One of :data:`SETS`.
    state : LocalState

    Returns
    -------
    dict of str to float

    Examples
    --------
    >>> from polyrve.crystallography.phase import Phase
    >>> sorted(named_set("default", LocalState.of((Phase("Al"),))))
    ['disorientation', 'texture', 'variogram']
    """
    return {**(_OF_PHASES.get(name, {}) if len(state.phases) > 1 else {}), **SETS[name]}


def descriptor_set(
    weights: Mapping[str, float], state: LocalState, largest_lag: int, shape: Sequence[int], texture_degree: int = 24
) -> tuple[tuple[Descriptor, float], ...]:
    """Return descriptors and their weights for a local state.

    Parameters
    ----------
    weights : mapping of str to float
        By descriptor name; a weight of zero leaves the descriptor out.
    state : LocalState
    largest_lag : int
        Largest lag, in voxels.
    shape : sequence of int
        Shape (nz, ny, nx) of the volume.
    texture_degree : int
        Highest even degree of the texture descriptor.

    Returns
    -------
    tuple of (Descriptor, float)

    Raises
    ------
    ValueError
        If a name is unknown, a weight is negative or not finite, or nothing is left.
    TypeError
        If another package makes something that is no descriptor.

    Warns
    -----
    UserWarning
        If a descriptor of another package has a name of ours or cannot be loaded; it is left out.

    Examples
    --------
    >>> from polyrve.crystallography.phase import Phase
    >>> state = LocalState.of((Phase("Al"),))
    >>> descriptor_set({"two_point": 1.0, "variation": 0.0}, state, largest_lag=8, shape=(32, 32, 32))
    ((TwoPoint(largest_lag=8, cross=True, name='two_point'), 1.0),)
    """
    context = Context(state, largest_lag, tuple(shape), texture_degree)
    chosen = []
    for name, weight in weights.items():
        make = _maker(name)
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"weight of descriptor {name}: expected a finite number >= 0; got {weight}")
        descriptor = make(context) if weight > 0 else None
        if descriptor is None:
            continue
        if not isinstance(descriptor, Descriptor) or descriptor.name != name:
            raise TypeError(
                f"descriptor {name!r}: expected an object of that name with estimate and misfit; got {descriptor!r}: "
                "see polyrve.descriptors.Descriptor"
            )
        chosen.append((descriptor, float(weight)))
    if not chosen:
        raise ValueError("descriptors: expected at least one with a weight above zero; got none")
    return tuple(chosen)


def _maker(name: str) -> Maker:
    """Return the maker of a descriptor, ours or of another package, which is loaded when it is asked for."""
    others = dict(_of_other_packages())
    if name in MAKERS:
        return MAKERS[name]
    entry = others.pop(name, None)
    if entry is not None:
        try:
            make = entry.load()
            if not callable(make):
                raise TypeError(f"expected a callable; got {type(make).__name__}")
            return make
        except Exception as error:
            warnings.warn(f"descriptor {name!r} of an installed package is left out: {error}", stacklevel=user_line())
    raise ValueError(f"descriptor: expected one of {', '.join([*MAKERS, *others])}; got {name!r}")


@cache
def _of_other_packages() -> dict[str, EntryPoint]:
    """Return the entry points of other packages by name; those with a name that is taken are left out."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        if entry.name in MAKERS or entry.name in found:
            warnings.warn(
                f"descriptor {entry.name!r} of an installed package ({entry.value}) is left out: the name is taken",
                stacklevel=user_line(),
            )
        else:
            found[entry.name] = entry
    return found
