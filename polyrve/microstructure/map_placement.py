"""Which map describes the sections normal to which axis, at which pixel size and up to which lag."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import resampling
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cleaning import crop
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.links import DEFAULT_THRESHOLD, neighbour_disorientation

Maps = OrientationMap | Sequence[OrientationMap] | Mapping[str, OrientationMap]

NORMALS: dict[str, int] = {"z": 0, "y": 1, "x": 2}
"""Array axis of a volume by the name of the sample axis."""

_SAMPLE_OF_MAP: dict[int, tuple[tuple[int, int, int], ...]] = {
    0: ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    1: ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    2: ((0, 0, 1), (1, 0, 0), (0, 1, 0)),
}
"""Matrices from map to sample coordinates. Rows of a map run along the first remaining array axis of the volume and
columns along the second: normal to z they are (y, x), to y (z, x) and to x (z, y)."""

_LARGEST_LAG = 16


def by_normal(maps: Maps) -> dict[int, OrientationMap]:
    """Maps by the array axis that they are normal to, all in one sample frame.

    Parameters
    ----------
    maps : OrientationMap, sequence of three, or mapping
        One map stands for all three axes (:func:`around`: for two); its frame is the sample frame. Three maps are
        normal to x, y and z; a mapping names the normals ``"x"``, ``"y"``, ``"z"``. Each is then given in its own
        frame, x along its columns and y down its rows: normal to x those are y and z of the sample, normal to y they
        are x and z, normal to z x and y.

    Returns
    -------
    dict of int to OrientationMap

    Raises
    ------
    ValueError
        If these are no maps, a normal is unknown, or the number of maps is neither one nor three.
    """
    if isinstance(maps, OrientationMap):
        return dict.fromkeys(range(3), maps)
    if isinstance(maps, Mapping):
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
        axis = NORMALS[name]
        map_of_sample = rotation.from_matrix(np.array(_SAMPLE_OF_MAP[axis], dtype=np.float64).T)
        sections[axis] = field.evolve(quaternions=rotation.multiply(field.quaternions, map_of_sample))
    return sections


def axisymmetric(field: OrientationMap, axis: str) -> dict[str, OrientationMap]:
    """A longitudinal section as the maps of both normals across the axis that the material is alike around.

    One map then shows all three directions of a wire, an extruded rod or a build: given for all three normals, grains
    that are long along one axis of the map cannot be shown by any volume.

    Parameters
    ----------
    field : OrientationMap
        Normal to z; the axis lies in it.
    axis : str
        ``"x"``, along its rows, or ``"y"``, down its columns.

    Returns
    -------
    dict of str to OrientationMap
        By the normal, each in its own frame, for :func:`by_normal`.

    Raises
    ------
    ValueError
        If the axis is neither.
    """
    if axis not in ("x", "y"):
        raise ValueError(f"axis: expected x or y, an axis within the map; got {axis!r}")
    return {"z": field, "y": field} if axis == "x" else {"z": field, "x": _quarter_turn(field)}


def _quarter_turn(field: OrientationMap) -> OrientationMap:
    """The map with its y direction along the rows, in a frame turned with it."""
    old_of_new = rotation.from_matrix(np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    return field.evolve(
        quaternions=np.rot90(rotation.multiply(field.quaternions, old_of_new)),
        phase_ids=np.rot90(field.phase_ids),
        spacing=field.spacing[::-1],
        origin=field.origin[::-1],
        properties={name: np.rot90(values) for name, values in field.properties.items()},
    )


def elongation(field: OrientationMap) -> float:
    """Mean distance of boundaries along y over that along x; NaN where there are none along either.

    Parameters
    ----------
    field : OrientationMap
        Of large maps the middle 500 x 500 points count.

    Returns
    -------
    float
    """
    part = central_part(field)
    rates = []
    for axis, step in enumerate(field.spacing):
        angles = neighbour_disorientation(part, axis)
        angles = angles[~np.isnan(angles)]
        rates.append((angles > np.deg2rad(DEFAULT_THRESHOLD)).mean() / step if len(angles) else 0.0)
    return float(rates[1] / rates[0]) if min(rates) > 0.0 else float("nan")


def central_part(field: OrientationMap) -> OrientationMap:
    """The middle 500 x 500 points of a map, which tell its grains' sizes well enough, or all of a smaller one."""
    start = [max(0, (n - 500) // 2) for n in field.shape]
    return crop(field, start, [min(a + 500, n) for a, n in zip(start, field.shape, strict=True)])


def common_phases(sections: Mapping[int, OrientationMap]) -> tuple[Phase, ...]:
    """The phases that all maps share.

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
    """The maps' steps in um along each array axis of a volume; none along an axis that no map has."""
    found: dict[int, list[float]] = {0: [], 1: [], 2: []}
    for normal, field in sections.items():
        for axis, step in zip(in_plane(normal), field.spacing, strict=True):
            found[axis].append(step)
    return found


def voxel_size(sections: Mapping[int, OrientationMap]) -> tuple[float, float, float]:
    """Voxel size (dz, dy, dx) in um that the maps' steps give.

    Maps of the same two steps, as one map that stands for several normals, give cubes of the larger step. Others give
    the steps along their axes, and an axis that no map has takes the largest one.

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
    """Resample maps to the voxels' size; see :func:`polyrve.microstructure.resampling.resample`."""
    done: dict[tuple[int, tuple[float, ...]], OrientationMap] = {}
    resampled = {}
    for normal, field in sections.items():
        step = tuple(spacing[axis] for axis in in_plane(normal))
        if (id(field), step) not in done:
            done[id(field), step] = resampling.resample(field, step)
        resampled[normal] = done[id(field), step]
    return resampled


def largest_lag(sections: Mapping[int, OrientationMap], shape: Sequence[int], asked: int | None = None) -> int:
    """Largest lag that maps and volume have room for, in voxels.

    Parameters
    ----------
    sections : mapping of int to OrientationMap
        At the voxels' size.
    shape : sequence of int
        (nz, ny, nx).
    asked : int, optional
        Lag that must fit; by default the largest up to 16.

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
