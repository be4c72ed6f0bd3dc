"""What a command takes in: options as name=value, maps in their place, volumes with their grains."""

from __future__ import annotations

import sys
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union

from polyrve.cli.messages import counted, times
from polyrve.spelling import did_you_mean

if TYPE_CHECKING:
    from polyrve.crystallography.crystal import Crystal
    from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
    from polyrve.microstructure.grains import GrainMap, GrainVolume
    from polyrve.microstructure.map_placement import Maps


def assignments(given: Sequence[str] | None, flag: str = "--set") -> dict[str, Any]:
    """Return the names and values of texts ``name=value``: values as in TOML, any other text as a string.

    Raises
    ------
    ValueError
        If a text has no name or no equals sign.
    """
    found = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"{flag}: expected name=value; got {text!r}")
        found[name.strip().replace("-", "_")] = _value(value)
    return found


def with_lists(values: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return values in which a text with commas is a list, where the type of its name takes one.

    Parameters
    ----------
    values : mapping of str to object
    kinds : mapping of str to type
        Annotations by name.
    """
    return {
        name: [_value(part.strip()) for part in value.split(",") if part.strip()]
        if isinstance(value, str) and "," in value and _takes_list(kinds.get(name))
        else value
        for name, value in values.items()
    }


def checked(function: Callable[..., Any], given: Sequence[str] | None, flag: str = "--set") -> dict[str, Any]:
    """Return options ``name=value`` in the types that a format's ``read`` or ``write`` asks for.

    Raises
    ------
    ValueError
        If an option is unknown or its value is not of its type.
    """
    from polyrve.adapters import registry

    values = assignments(given, flag)
    known = registry.options_of(function)
    for name in values:
        if name not in known:
            raise ValueError(
                f"{flag}: expected an option out of {', '.join(known) or 'none'}; got {name!r}"
                f"{did_you_mean(name, known)}"
            )
    try:
        return registry.checked_options(function, with_lists(values, typing.get_type_hints(function)))
    except ValueError as error:
        raise ValueError(f"{flag}: {str(error).removeprefix(f'{flag}: ')}") from None


def read(path: Path, frame: str | None, options: list[str] | None, **more: Any) -> Any:
    """Return what a file holds, read with the options of its format."""
    from polyrve.adapters import registry

    row = registry.reader(path)
    chosen = {"frame": frame, **more, **checked(row.load().read, options, "--read")}
    return registry.read(path, format=row.name, **chosen)


def read_field(path: Path, frame: str | None, options: list[str] | None) -> OrientationMap | OrientationVolume:
    """Return the orientations of a file, without regard to grains that it may hold."""
    from polyrve.microstructure.grains import GrainMap, GrainVolume

    found = read(path, frame, options)
    return found.field if isinstance(found, (GrainMap, GrainVolume)) else found


def read_maps(
    paths: list[Path],
    frame: str | None,
    options: list[str] | None,
    drop_phase: list[str] | None,
    normals: str | None,
    axisymmetric: str | None,
    former_axis: str | None = None,
    by_axis: Sequence[tuple[str, Path]] = (),
) -> Maps:
    """Return the maps, placed as the options say; those are checked before anything is read.

    Parameters
    ----------
    paths : list of Path
        Without their axes.
    frame, options, drop_phase, normals, axisymmetric, former_axis
        As of the options.
    by_axis : sequence of (str, Path)
        Maps with the axes that they are normal to, as from :func:`polyrve.settings.maps_by_axis`, instead of `paths`.

    Raises
    ------
    ValueError
        If the number of maps does not fit the options, or a file holds a volume.
    """
    from polyrve.microstructure import map_placement

    if by_axis:
        return _read_by_axis(by_axis, paths, frame, options, drop_phase, normals, axisymmetric, former_axis)
    if not paths:
        raise ValueError("maps: expected at least one, or --map with its axis; got none")
    axis = _axis(axisymmetric, former_axis)
    if axis is not None and (len(paths) != 1 or normals is not None):
        beside = "" if normals is None else f" with --normals {normals}"
        raise ValueError(
            f"--axisymmetric: expected one map without --normals; got {counted(len(paths), 'map')}{beside}"
        )
    if axis is not None and axis not in ("x", "y"):
        raise ValueError(f"--axisymmetric: expected x or y, an axis within the map; got {axis!r}")
    if axis is None and normals is None and len(paths) not in (1, 3):
        remedy = ": --normals says what they are normal to, such as --normals zx" if len(paths) == 2 else ""
        remedy = remedy or ": --map z:a.ang says of each what it is normal to, also of several normal to one axis"
        raise ValueError(f"maps: expected one, or three normal to x, y and z; got {len(paths)}{remedy}")
    if normals is not None and (len(normals) != len(paths) or len(set(normals) & set("xyz")) != len(paths)):
        raise ValueError(
            f"--normals: expected {counted(len(paths), 'different letter')} of xyz, one per map; got {normals!r}"
        )
    with _one_warning_of_frames():
        if len(paths) == 1 and axis is None and normals is None:
            return read_reference(paths[0], frame, options, drop_phase)
        scans = [read_map(path, frame, options, drop_phase) for path in paths]
    if axis is not None:
        return map_placement.axisymmetric(scans[0], axis)
    return scans if normals is None else dict(zip(normals, scans, strict=True))


def _read_by_axis(
    by_axis: Sequence[tuple[str, Path]],
    paths: Sequence[Path],
    frame: str | None,
    options: list[str] | None,
    drop_phase: list[str] | None,
    normals: str | None,
    axisymmetric: str | None,
    former_axis: str | None,
) -> Maps:
    """Return maps by the axes that they are normal to; a volume alone stands for its sections."""
    from polyrve.microstructure import map_placement

    axis = _axis(axisymmetric, former_axis)
    if paths or normals is not None:
        beside = f"{counted(len(paths), 'map')} without it" if paths else f"--normals {normals}"
        raise ValueError(f"--map: expected all maps to be given so; got {beside}")
    if axis is not None and {name for name, _ in by_axis} != {"z"}:
        raise ValueError(
            f"--axisymmetric: expected maps normal to z alone; got {', '.join(name for name, _ in by_axis)}"
        )
    with _one_warning_of_frames():
        read = [(name, read_reference(path, frame, options, drop_phase)) for name, path in by_axis]
    maps: dict[str, Any] = {}
    for name, field in read:
        maps.setdefault(name, []).append(field)
    if axis is not None:
        return map_placement.axisymmetric(maps["z"], axis)
    if "all" in maps and len(maps) > 1:
        raise ValueError(f"--map: expected all alone, or axes; got {', '.join(maps)}")
    return maps


def read_reference(
    path: Path, frame: str | None, options: list[str] | None, drop_phase: list[str] | None
) -> OrientationMap | OrientationVolume:
    """Return a map or a volume without the phases that are left out."""
    from polyrve.microstructure import cleaning

    field = read_field(path, frame, options)
    for name in drop_phase or ():
        field = cleaning.drop_phase(field, name)
    return field


def read_map(path: Path, frame: str | None, options: list[str] | None, drop_phase: list[str] | None) -> OrientationMap:
    """Return a planar map without the phases that are left out.

    Raises
    ------
    ValueError
        If the file holds a volume.
    """
    from polyrve.microstructure.fields import OrientationMap

    field = read_reference(path, frame, options, drop_phase)
    if not isinstance(field, OrientationMap):
        raise ValueError(
            f"{path}: expected a planar map; got a volume of {times(field.shape)} voxels: give it alone, or with "
            "--map AXIS:FILE"
        )
    return field


def at_resolution(grains: GrainMap | GrainVolume, text: str | None) -> GrainMap | GrainVolume:
    """Bring grains to the number of points that an option says.

    Parameters
    ----------
    grains : GrainMap or GrainVolume
    text : str or None
        One number, of the longest edge, or one for each axis, with commas; None for those of the grains.

    Raises
    ------
    ValueError
        If the text is something else.
    """
    if text is None:
        return grains
    from polyrve.microstructure import resolution

    shape = grains.field.shape
    words = text.split(",")
    if len(words) not in (1, len(shape)) or not all(word.strip().isdecimal() and int(word) > 0 for word in words):
        axes = "NZ,NY,NX" if len(shape) == 3 else "NY,NX"
        raise ValueError(f"--resolution: expected a number of voxels along the longest edge, or {axes}; got {text!r}")
    numbers = [int(word) for word in words]
    if len(words) == 1:
        lengths = [n * step for n, step in zip(shape, grains.field.spacing, strict=True)]
        numbers = [max(1, round(length / max(lengths) * numbers[0])) for length in lengths]
    return resolution.at_resolution(grains, numbers)


def read_grains(
    source: Path,
    threshold: float | None = None,
    options: list[str] | None = None,
    frame: str | None = None,
    *,
    min_grain: int | None = None,
    tell: bool = False,
    **more: Any,
) -> GrainMap | GrainVolume:
    """Return the grains of a file, by its feature data or else its feature ids; a segmentation where it has none.

    Parameters
    ----------
    source : Path
    threshold : float, degrees, optional
        Of the segmentation, by default 5.
    options : list of str, optional
        Of the file's reader.
    frame : str, optional
    min_grain : int, optional
        Grains of fewer points are given to their neighbours; the grains of the file are then found anew.
    tell : bool
        Whether a threshold that is not used is warned of.

    Warns
    -----
    UserWarning
        If the grains of the file are found anew.
    """
    from polyrve.adapters import material_grid, registry
    from polyrve.adapters.volumes import dream3d
    from polyrve.microstructure.grains import GrainMap, GrainVolume
    from polyrve.microstructure.links import DEFAULT_THRESHOLD

    if registry.reader(source).name == "dream3d":
        found = dream3d.read_segmented(source, **{"frame": frame, **more, **checked(dream3d.read, options, "--read")})
    else:
        found = read(source, frame, options, **more)
    if not isinstance(found, (GrainMap, GrainVolume)) and "FeatureIds" in found.properties:
        try:
            found = material_grid.by_feature_ids(found)
        except ValueError as error:
            warnings.warn(f"grains are found anew: {error}", stacklevel=2)
    if not isinstance(found, (GrainMap, GrainVolume)):
        return _segmented(found, threshold or DEFAULT_THRESHOLD, min_grain)
    if min_grain is None:
        if tell and threshold is not None:
            warnings.warn(
                f"--threshold {threshold:g}: not used, {source} has grains of its own; --min-grain 1 finds them anew",
                stacklevel=2,
            )
        return found
    made = found.field.provenance.get("segmentation", {}).get("threshold_degrees")
    degrees = threshold or made or DEFAULT_THRESHOLD
    if degrees != made:
        warnings.warn(f"--min-grain: the grains of {source} are found anew at {degrees:g} degrees", stacklevel=2)
    return _segmented(found.field, degrees, min_grain)


def read_volume(
    source: Path, threshold: float | None, options: list[str] | None = None, frame: str | None = None
) -> GrainVolume:
    """Return the grains of a volume, as :func:`read_grains`.

    Raises
    ------
    ValueError
        If the file holds a map.
    """
    from polyrve.microstructure.grains import GrainVolume

    more = {"volume": True} if source.suffix.lower() == ".dream3d" else {}
    found = read_grains(source, threshold, options, frame, **more)
    if not isinstance(found, GrainVolume):
        raise ValueError(f"{source}: expected a volume; got a map of {times(found.field.shape)} points")
    return found


def crystals(field: OrientationField, phase: str | None) -> tuple[Crystal, ...]:
    """Return elasticity and slip of the phases of a map or volume.

    Raises
    ------
    ValueError
        If a phase has no definition.
    """
    import numpy as np

    from polyrve.adapters.solvers import damask_crystals

    return damask_crystals.crystals(field.phases, np.unique(field.phase_ids[field.indexed]), phase)


def _axis(axisymmetric: str | None, former: str | None) -> str | None:
    if former is None:
        return axisymmetric
    warnings.warn("--axis: this name goes with the next release; use --axisymmetric", stacklevel=2)
    if axisymmetric is not None:
        raise ValueError(f"--axisymmetric: expected one symmetry axis; got {axisymmetric!r} and --axis {former!r}")
    return former


def _segmented(
    field: OrientationMap | OrientationVolume, threshold: float, min_grain: int | None
) -> GrainMap | GrainVolume:
    from polyrve.microstructure.segmentation import segment

    try:
        return segment(field, threshold, min_points=min_grain or 1)
    except ValueError as error:
        raise ValueError(str(error).replace("min_points:", "--min-grain:", 1)) from None


def _value(text: str) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _takes_list(kind: Any) -> bool:
    """Return whether an annotation takes a list."""
    origin = typing.get_origin(kind)
    if origin in (Union, UnionType):
        return any(map(_takes_list, typing.get_args(kind)))
    return isinstance(origin, type) and issubclass(origin, Sequence)


@contextmanager
def _one_warning_of_frames() -> Iterator[None]:
    """Give one warning of the vendor's default frame for all maps that are read within; others as they are."""
    from polyrve.crystallography.reference_frames import DefaultFrameWarning

    assumed: dict[str, list[str]] = {}
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            yield
    finally:
        for warning in caught:
            if isinstance(warning.message, DefaultFrameWarning):
                assumed.setdefault(warning.message.frame, []).extend(warning.message.files)
            else:
                warnings.showwarning(warning.message, warning.category, warning.filename, warning.lineno)
        for frame, files in assumed.items():
            warnings.warn(DefaultFrameWarning(list(dict.fromkeys(files)), frame), stacklevel=2)
