"""Which map describes the sections normal to which axis, at which pixel size and up to which lag.

The axes of a map in a volume stand in :mod:`polyrve.microstructure.axes`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import resampling
from polyrve.microstructure.axes import NORMALS, in_plane, volume_of_map
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all

Maps = OrientationMap | Sequence[OrientationMap] | Mapping[str, OrientationMap] | Mapping[int, MapAnalysis]
"""Maps as :func:`by_normal` takes them."""

_LARGEST_LAG = 16
"""Largest lag in voxels where none is asked for.

That of arXiv 2605.14898. Correlations of grains of 8 voxels have decayed there; with a larger lag each descriptor takes
time and memory that grow with its square.
"""


def by_normal(maps: Maps) -> dict[int, OrientationMap]:
    """Place maps: find the array axis that each is normal to, and turn all into one sample frame.

    Parameters
    ----------
    maps : OrientationMap, sequence of three, or mapping
        One map stands for all three axes (:func:`axisymmetric`: for two); its frame is the sample frame. Three maps are
        normal to x, y and z; a mapping names the normals ``"x"``, ``"y"``, ``"z"``. Each is then given in its own
        frame, as :mod:`polyrve.microstructure.axes` tells it. Analyses by array axis, as from :func:`analyse_maps`,
        have been placed.

    Returns
    -------
    dict of int to OrientationMap
        By array axis, 0, 1, 2 for maps normal to z, y, x.

    Raises
    ------
    ValueError
        If these are no maps, a normal is unknown, or the number of maps is neither one nor three.

    See Also
    --------
    analyse_maps : The same maps, each analysed once.
    axisymmetric : One longitudinal section for both normals across an axis.
    polyrve.microstructure.instrument.simulate_scan : A section in its own frame.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> specimen = make_specimen((10, 12, 14), grain_size=5.0, seed=1)
    >>> rolling, normal = simulate_scan(specimen, axis=2, index=3), simulate_scan(specimen, axis=0, index=3)
    >>> {axis: field.shape for axis, field in by_normal({"x": rolling, "z": normal}).items()}
    {2: (10, 12), 0: (12, 14)}
    >>> list(by_normal(normal))
    [0, 1, 2]
    """
    if isinstance(maps, OrientationMap):
        return dict.fromkeys(range(3), maps)
    if isinstance(maps, Mapping):
        if analysed := _analysed(maps):
            return {normal: one.field for normal, one in analysed.items()}
        named = dict(maps)
        if not named or not set(named) <= set(NORMALS):
            raise ValueError(f"maps: expected normals out of x, y, z; got {', '.join(map(repr, named)) or 'none'}")
    else:
        if isinstance(maps, str) or not isinstance(maps, Iterable):
            raise ValueError(
                f"maps: expected an OrientationMap, three of them or a mapping from normals; got {type(maps).__name__}"
            )
        listed = list(maps)
        if len(listed) == 1:
            return by_normal(listed[0])
        if len(listed) != 3:
            raise ValueError(f"maps: expected one map, or three normal to x, y and z; got {len(listed)}")
        named = dict(zip("xyz", listed, strict=True))
    sections = {}
    for name, field in named.items():
        if not isinstance(field, OrientationMap):
            raise ValueError(f"map normal to {name}: expected an OrientationMap; got {type(field).__name__}")
        normal = NORMALS[str(name)]
        map_of_sample = rotation.from_matrix(volume_of_map(normal).T)
        sections[normal] = field.evolve(quaternions=rotation.multiply(field.quaternions, map_of_sample))
    return sections


def analyse_maps(maps: Maps, threshold: float = DEFAULT_THRESHOLD) -> dict[int, MapAnalysis]:
    """Place maps and begin their analysis, which a reconstruction and a validation of its volume then share.

    Parameters
    ----------
    maps : OrientationMap, sequence of three, or mapping
        As for :func:`by_normal`.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    dict of int to MapAnalysis
        By array axis; one analysis for each map, however many normals it stands for.

    Raises
    ------
    ValueError
        As :func:`by_normal` does.

    See Also
    --------
    polyrve.microstructure.map_analysis.analyse : One map or volume.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> scan = simulate_scan(make_specimen((8, 30, 36), grain_size=8.0, seed=1), seed=1)
    >>> found = analyse_maps(scan)
    >>> found[0] is found[1] is found[2]
    True
    >>> analyse_maps(found)[0] is found[0]
    True
    """
    if isinstance(maps, Mapping) and (analysed := _analysed(maps)):
        return analyse_all(analysed, threshold)
    return analyse_all(by_normal(maps), threshold)


def _analysed(maps: Mapping[Any, Any]) -> dict[int, MapAnalysis]:
    """Return analyses that have been placed, or nothing where these are maps."""
    placed = all(normal in range(3) and isinstance(one, MapAnalysis) for normal, one in maps.items())
    return dict(maps) if placed else {}


def axisymmetric(field: OrientationMap, axis: str) -> dict[str, OrientationMap]:
    """Let a longitudinal section of an axisymmetric material stand for both normals across the symmetry axis.

    One map then shows all three directions of a wire, an extruded rod or a build. Given for all three normals, grains
    that are long along one axis of the map could not be shown by any volume.

    Parameters
    ----------
    field : OrientationMap
        Normal to z; the symmetry axis lies in it.
    axis : str
        The symmetry axis: ``"x"``, along its rows, or ``"y"``, down its columns.

    Returns
    -------
    dict of str to OrientationMap
        By the normal, each in its own frame, for :func:`by_normal`.

    Raises
    ------
    ValueError
        If the axis is neither.

    See Also
    --------
    by_normal : Takes what is returned.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> scan = simulate_scan(make_specimen((8, 30, 36), grain_size=5.0, elongation=(1, 1, 3), seed=1))
    >>> {normal: field.shape for normal, field in axisymmetric(scan, "x").items()}
    {'z': (30, 36), 'y': (30, 36)}
    >>> {normal: field.shape for normal, field in axisymmetric(scan, "y").items()}
    {'z': (30, 36), 'x': (36, 30)}
    """
    if axis not in ("x", "y"):
        raise ValueError(f"axis: expected x or y, an axis within the map; got {axis!r}")
    return {"z": field, "y": field} if axis == "x" else {"z": field, "x": _quarter_turn(field)}


def _quarter_turn(field: OrientationMap) -> OrientationMap:
    """Turn a map so that its y runs along the rows, in a frame that is turned with it."""
    old_of_new = rotation.from_matrix(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    return field.evolve(
        quaternions=np.rot90(rotation.multiply(field.quaternions, old_of_new)),
        phase_ids=np.rot90(field.phase_ids),
        spacing=field.spacing[::-1],
        origin=field.origin[::-1],
        properties={name: np.rot90(values) for name, values in field.properties.items()},
    )


def common_phases(sections: Mapping[int, OrientationMap]) -> tuple[Phase, ...]:
    """Return the phases that all maps share.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    tuple of Phase

    Raises
    ------
    ValueError
        If a map has no indexed points, maps list different phases, or a phase has no point in any map.
    """
    for normal, field in sections.items():
        if not field.indexed.any():
            which = (
                "the map"
                if len({id(other) for other in sections.values()}) == 1
                else f"the map normal to {'zyx'[normal]}"
            )
            raise ValueError(f"{which} has no indexed points")
    first, *others = sections.values()
    for other in others:
        if [(p.name, p.laue) for p in other.phases] != [(p.name, p.laue) for p in first.phases]:
            raise ValueError(
                f"maps: expected the same phases in each; got {[p.name for p in first.phases]} "
                f"and {[p.name for p in other.phases]}"
            )
    for i, phase in enumerate(first.phases, start=1):
        if not any((field.phase_ids == i).any() for field in sections.values()):
            raise ValueError(
                f"phase {phase.name!r}: expected indexed points; got none: "
                "--drop-phase (cleaning.drop_phase) leaves it out"
            )
    return first.phases


def steps_along(sections: Mapping[int, OrientationMap]) -> dict[int, list[float]]:
    """Return the maps' steps along each array axis of a volume.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    dict of int to list of float, um
        None along an axis that no map has.
    """
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for normal, field in sections.items():
        for axis, step in zip(in_plane(normal), field.spacing, strict=True):
            found[axis].append(step)
    return found


def voxel_size(sections: Mapping[int, OrientationMap]) -> tuple[float, float, float]:
    """Choose the voxel size by the maps' steps.

    Maps of the same two steps, as one map that stands for several normals, give cubes of the larger step. Others give
    the steps along their axes, and an axis that no map has takes the largest one.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    tuple of float, um
        (dz, dy, dx).

    Raises
    ------
    ValueError
        If two maps have different steps along one axis.
    """
    pairs = np.array([sorted(field.spacing) for field in sections.values()])
    if (pairs.max(axis=0) <= pairs.min(axis=0) * (1 + 1e-6)).all():
        coarsest = float(pairs.max())
        return (coarsest, coarsest, coarsest)
    found = steps_along(sections)
    for axis, steps in found.items():
        if steps and max(steps) > min(steps) * (1 + 1e-6):
            raise ValueError(
                f"maps: expected one step along {'zyx'[axis]}; got {', '.join(f'{step:.6g}' for step in steps)} um: "
                "name a voxel size with spacing"
            )
    return tuple(steps[0] if steps else float(pairs.max()) for steps in found.values())  # type: ignore[return-value]


def at_voxel_size(sections: Mapping[int, OrientationMap], spacing: Sequence[float]) -> dict[int, OrientationMap]:
    """Resample maps to the size of the voxels, each once.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        By the array axis that they are normal to.
    spacing : sequence of float, um
        (dz, dy, dx).

    Returns
    -------
    dict of int to OrientationMap

    See Also
    --------
    polyrve.microstructure.resampling.resample : How orientations are chosen.
    """
    done: dict[tuple[int, tuple[float, ...]], OrientationMap] = {}
    resampled = {}
    for normal, field in sections.items():
        step = tuple(spacing[axis] for axis in in_plane(normal))
        if (id(field), step) not in done:
            done[id(field), step] = resampling.resample(field, step)
        resampled[normal] = done[id(field), step]
    return resampled


def largest_lag(sections: Mapping[int, OrientationMap], shape: Sequence[int], asked: int | None = None) -> int:
    """Return the largest lag that maps and volume have room for.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        At the voxels' size.
    shape : sequence of int
        (nz, ny, nx).
    asked : int, optional
        Lag that must fit; by default the largest up to 16.

    Returns
    -------
    int
        In voxels.

    Raises
    ------
    ValueError
        If the lag asked for does not fit, or a map has room for less than two lags.
    """
    room_in_volume = min((n - 1) // 2 for n in shape if n > 1)
    normal, smallest = min(sections.items(), key=lambda item: min(item[1].shape))
    room_in_map = min(smallest.shape) // 2
    room = min(room_in_volume, room_in_map)
    if room < 2 or (asked is not None and asked > room):
        what = f"lags up to {asked}" if asked is not None else "lags up to at least 2"
        raise ValueError(
            f"largest_lag: expected {what} voxels to fit twice into volume and map; got a volume of {tuple(shape)} "
            f"and, normal to {'zyx'[normal]}, a map of {smallest.shape} at the voxels' size"
        )
    return min(room, _LARGEST_LAG) if asked is None else asked
