"""Which map describes the sections normal to which axis, at which pixel size and up to which lag.

The axes of a map in a volume stand in :mod:`polyrve.microstructure.axes`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import resampling
from polyrve.microstructure.axes import NORMALS, in_plane, volume_of_map
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.placed import Given, distinct, each, made_for, once, placed

Maps = (
    OrientationMap
    | OrientationVolume
    | Sequence[OrientationMap]
    | Mapping[str, OrientationMap | OrientationVolume | Sequence[OrientationMap]]
    | Mapping[int, tuple[MapAnalysis, ...]]
)
"""Maps as :func:`by_normal` takes them."""

_LARGEST_LAG = 16
"""Largest lag in voxels where none is asked for.

That of arXiv 2605.14898. Correlations of grains of 8 voxels have decayed there; with a larger lag each descriptor takes
time and memory that grow with its square.
"""


_LARGEST_RATIO = 10.0
"""Steps of maps of one normal differ by less than this factor: more is a unit mistaken (nm for um) more often than a
wish, and at the coarse step the fine map would lose its grains."""


def by_normal(maps: Maps) -> dict[int, tuple[OrientationMap, ...]]:
    """Place maps: find the array axis that each is normal to, and turn all into one sample frame.

    Parameters
    ----------
    maps : OrientationMap, OrientationVolume, sequence of three, or mapping
        One map stands for all three axes (:func:`axisymmetric`: for two); its frame is the sample frame. Three maps are
        normal to x, y and z; a mapping names the normals ``"x"``, ``"y"``, ``"z"``, with one map or a list of maps for
        each. Each is then given in its own frame, as :mod:`polyrve.microstructure.axes` tells it. Maps under ``"all"``
        stand for all axes together, as one map does. A volume stands for all of its sections, normal to all axes or to
        the one that names it. Analyses by array axis, as from :func:`analyse_maps`, have been placed.

    Returns
    -------
    dict of int to tuple of OrientationMap
        By array axis, 0, 1, 2 for maps normal to z, y, x.

    Raises
    ------
    ValueError
        If these are no maps, a normal is unknown, the number of maps without normals is neither one nor three, or a
        map is given twice for one normal.

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
    >>> other = simulate_scan(specimen, axis=0, index=8)
    >>> placed = by_normal({"x": rolling, "z": [normal, other]})
    >>> {axis: [field.shape for field in fields] for axis, fields in placed.items()}
    {2: [(10, 12)], 0: [(12, 14), (12, 14)]}
    >>> list(by_normal(normal))
    [0, 1, 2]
    """
    if isinstance(maps, OrientationMap):
        return dict.fromkeys(range(3), (maps,))
    if isinstance(maps, OrientationVolume):
        return {normal: _in_sample_frame(name, maps) for name, normal in NORMALS.items()}
    named: dict[Any, Any]
    if isinstance(maps, Mapping):
        if analysed := _analysed(maps):
            return once(lambda one: one.field, analysed)
        named = dict(maps)
        if set(named) == {"all"}:
            return _for_all(named["all"])
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
            raise ValueError(
                f"maps: expected one map, or three normal to x, y and z; got {len(listed)}: a mapping from normals "
                'takes any number, such as {"z": [first, second]}'
            )
        named = dict(zip("xyz", listed, strict=True))
    return {NORMALS[str(name)]: _in_sample_frame(str(name), given) for name, given in named.items()}


def _for_all(given: Any) -> dict[int, tuple[OrientationMap, ...]]:
    """Let maps stand for all axes; their frame is the sample frame."""
    if isinstance(given, (OrientationMap, OrientationVolume)):
        return by_normal(given)
    fields = _checked("", given)
    return dict.fromkeys(range(3), tuple(fields))


def _checked(name: str, given: Any) -> list[OrientationMap]:
    """Return the maps of a normal, or of all, as a list of different ones."""
    fields = list(given) if isinstance(given, (list, tuple)) else [given]
    normal = f" normal to {name}" if name else ""
    if not fields:
        raise ValueError(f"map{normal}: expected an OrientationMap; got an empty list")
    for field in fields:
        if not isinstance(field, OrientationMap):
            raise ValueError(f"map{normal}: expected an OrientationMap; got {type(field).__name__}")
    seen: dict[bytes, int] = {}
    for number, field in enumerate(fields, start=1):
        digest = hashlib.sha256(field.quaternions.tobytes() + field.phase_ids.tobytes()).digest()
        if (before := seen.setdefault(digest, number)) != number:
            raise ValueError(
                f"maps{normal}: expected another area in each; got the same points in map {before} and map {number}, "
                "which would count twice: leave one out"
            )
    return fields


def _in_sample_frame(name: str, given: Any) -> tuple[OrientationMap, ...]:
    """Turn the maps of a normal into the frame of the volume; the sections of a volume are in it."""
    normal = NORMALS[name]
    if isinstance(given, OrientationVolume):
        return tuple(given.section(normal, i) for i in range(given.shape[normal]))
    if isinstance(given, (list, tuple)) and any(isinstance(one, OrientationVolume) for one in given):
        return tuple(section for one in given for section in _in_sample_frame(name, one))
    map_of_sample = rotation.from_matrix(volume_of_map(normal).T)
    return tuple(
        field.evolve(quaternions=rotation.multiply(field.quaternions, map_of_sample)) for field in _checked(name, given)
    )


def analyse_maps(maps: Maps, threshold: float = DEFAULT_THRESHOLD) -> dict[int, tuple[MapAnalysis, ...]]:
    """Place maps and begin their analysis, which a reconstruction and a validation of its volume then share.

    Parameters
    ----------
    maps : OrientationMap, OrientationVolume, sequence of three, or mapping
        As for :func:`by_normal`.
    threshold : float, degrees
        Smallest disorientation of a boundary.

    Returns
    -------
    dict of int to tuple of MapAnalysis
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
    >>> found[0][0] is found[1][0] is found[2][0]
    True
    >>> analyse_maps(found)[0][0] is found[0][0]
    True
    """
    if isinstance(maps, Mapping) and (analysed := _analysed(maps)):
        return analyse_all(analysed, threshold)
    return analyse_all(by_normal(maps), threshold)


def _analysed(maps: Mapping[Any, Any]) -> dict[int, tuple[MapAnalysis, ...]]:
    """Return analyses that have been placed, or nothing where these are maps."""
    if not maps or not set(maps) <= set(range(3)):
        return {}
    lists = placed(maps)
    return lists if all(isinstance(one, MapAnalysis) for one in distinct(lists)) else {}


@overload
def axisymmetric(field: OrientationMap, axis: str) -> dict[str, OrientationMap]: ...


@overload
def axisymmetric(field: Sequence[OrientationMap], axis: str) -> dict[str, list[OrientationMap]]: ...


def axisymmetric(field: Any, axis: str) -> dict[str, Any]:
    """Let a longitudinal section of an axisymmetric material stand for both normals across the symmetry axis.

    One map then shows all three directions of a wire, an extruded rod or a build. Given for all three normals, grains
    that are long along one axis of the map could not be shown by any volume.

    Parameters
    ----------
    field : OrientationMap or sequence of OrientationMap
        Normal to z; the symmetry axis lies in it.
    axis : str
        The symmetry axis: ``"x"``, along its rows, or ``"y"``, down its columns.

    Returns
    -------
    dict of str to OrientationMap or list of OrientationMap
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
    if axis == "x":
        return {"z": field, "y": field}
    turned = _quarter_turn(field) if isinstance(field, OrientationMap) else [_quarter_turn(one) for one in field]
    return {"z": field, "x": turned}


def placed_for_gradient(maps: Maps, axis: str) -> Maps:
    """Let maps without normals stand for the sections normal to both axes across one along which they change.

    Parameters
    ----------
    maps : Maps
        As for :func:`by_normal`; those that name normals are returned as they are.
    axis : {"x", "y", "z"}
        Along which the maps change.

    Returns
    -------
    Maps
        For :func:`by_normal`.

    Raises
    ------
    ValueError
        If a map without normal does not show the axis.
    """
    alone: Any = maps
    if isinstance(maps, Mapping) and set(maps) == {"all"}:
        alone = dict(maps)["all"]  # type: ignore[index]
    elif isinstance(maps, Sequence) and len(maps) == 1:
        alone = maps[0]
    if isinstance(alone, OrientationVolume):
        return {name: alone for name in "zyx" if name != axis}
    if isinstance(alone, OrientationMap) or (isinstance(alone, (list, tuple)) and alone is not maps):
        if axis == "z":
            raise ValueError("grade: expected x or y, an axis within the map; got 'z': name the maps' normals")
        return axisymmetric(alone, axis)
    return maps


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


def common_phases(sections: Given[OrientationMap]) -> tuple[Phase, ...]:
    """Return the phases that all maps share.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    tuple of Phase

    Raises
    ------
    ValueError
        If a map has no indexed points, maps list different phases, or a phase has no point in any map.
    """
    fields = distinct(placed(sections))
    for normal, field in each(placed(sections)):
        if not field.indexed.any():
            which = "the map" if len(fields) == 1 else f"{_which(sections, normal, field)}"
            raise ValueError(f"{which} has no indexed points")
    first, *others = fields
    for other in others:
        if [(p.name, p.laue) for p in other.phases] != [(p.name, p.laue) for p in first.phases]:
            raise ValueError(
                f"maps: expected the same phases in each; got {[p.name for p in first.phases]} "
                f"and {[p.name for p in other.phases]}"
            )
    for i, phase in enumerate(first.phases, start=1):
        if not any((field.phase_ids == i).any() for field in fields):
            raise ValueError(
                f"phase {phase.name!r}: expected indexed points; got none: "
                "--drop-phase (cleaning.drop_phase) leaves it out"
            )
    return first.phases


def _which(sections: Given[OrientationMap], normal: int, field: OrientationMap) -> str:
    """Name a map in a sentence."""
    some = placed(sections)[normal]
    number = next(i for i, one in enumerate(some, start=1) if one is field)
    return f"map {number} of those normal to {'zyx'[normal]}" if len(some) > 1 else f"the map normal to {'zyx'[normal]}"


def steps_along(sections: Given[OrientationMap]) -> dict[int, list[float]]:
    """Return the maps' steps along each array axis of a volume.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    dict of int to list of float, um
        None along an axis that no map has.
    """
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for normal, field in each(placed(sections)):
        for axis, step in zip(in_plane(normal), field.spacing, strict=True):
            found[axis].append(step)
    return found


def voxel_size(sections: Given[OrientationMap]) -> tuple[float, float, float]:
    """Choose the voxel size by the maps' steps.

    Of the maps of one normal the coarsest steps count, to which the others are coarsened. Normals of the same two
    steps, as one map that stands for several, give cubes of the larger step. Others give the steps along their axes,
    and an axis that no map has takes the largest one.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.

    Returns
    -------
    tuple of float, um
        (dz, dy, dx).

    Raises
    ------
    ValueError
        If maps of two normals have different steps along one axis, or those of one normal differ by a factor of ten.
    """
    coarsest_of = {}
    for normal, fields in placed(sections).items():
        steps = np.array([field.spacing for field in fields])
        if (steps.max(axis=0) > _LARGEST_RATIO * steps.min(axis=0)).any():
            raise ValueError(
                f"maps normal to {'zyx'[normal]}: expected steps that differ by less than a factor of "
                f"{_LARGEST_RATIO:g}, lengths in um; got {', '.join(f'{step:.6g}' for step in steps[:, 0])} um: "
                "coarsen the fine map (cleaning.coarsen), or correct the unit of one"
            )
        coarsest_of[normal] = steps.max(axis=0)
    pairs = np.array([sorted(steps) for steps in coarsest_of.values()])
    if (pairs.max(axis=0) <= pairs.min(axis=0) * (1 + 1e-6)).all():
        coarsest = float(pairs.max())
        return (coarsest, coarsest, coarsest)
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for normal, both in coarsest_of.items():
        for axis, step in zip(in_plane(normal), both.tolist(), strict=True):
            found[axis].append(step)
    for axis, along in found.items():
        if along and max(along) > min(along) * (1 + 1e-6):
            raise ValueError(
                f"maps: expected one step along {'zyx'[axis]}; got {', '.join(f'{step:.6g}' for step in along)} um: "
                "name a voxel size with spacing"
            )
    return tuple(along[0] if along else float(pairs.max()) for along in found.values())  # type: ignore[return-value]


def at_voxel_size(sections: Given[OrientationMap], spacing: Sequence[float]) -> dict[int, tuple[OrientationMap, ...]]:
    """Resample maps to the size of the voxels, each once.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.
    spacing : sequence of float, um
        (dz, dy, dx).

    Returns
    -------
    dict of int to tuple of OrientationMap

    See Also
    --------
    polyrve.microstructure.resampling.resample : How orientations are chosen.
    """
    done: dict[tuple[int, tuple[float, ...]], OrientationMap] = {}

    def resampled(normal: int, field: OrientationMap) -> OrientationMap:
        step = tuple(spacing[axis] for axis in in_plane(normal))
        if (id(field), step) not in done:
            done[id(field), step] = resampling.resample(field, step)
        return done[id(field), step]

    return made_for(resampled, placed(sections))


def largest_lag(sections: Given[OrientationMap], shape: Sequence[int], asked: int | None = None) -> int:
    """Return the largest lag that maps and volume have room for.

    Of several maps of a normal the largest decides: pairs at long lags are then its alone.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
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
    largest = {normal: max(fields, key=lambda field: min(field.shape)) for normal, fields in placed(sections).items()}
    normal, smallest = min(largest.items(), key=lambda item: min(item[1].shape))
    room_in_map = min(smallest.shape) // 2
    room = min(room_in_volume, room_in_map)
    if room < 2 or (asked is not None and asked > room):
        what = f"lags up to {asked}" if asked is not None else "lags up to at least 2"
        raise ValueError(
            f"largest_lag: expected {what} voxels to fit twice into volume and map; got a volume of {tuple(shape)} "
            f"and, normal to {'zyx'[normal]}, a map of {smallest.shape} at the voxels' size"
        )
    return min(room, _LARGEST_LAG) if asked is None else asked
