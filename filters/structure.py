"""Reading from and writing to a simplnx DataStructure; what is read and written is decided in ``arrays``."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters import registry
from polyrve.adapters.material_grid import by_feature_ids
from polyrve.adapters.volumes.dream3d_write import NOTE, NOTE_GROUP, note_of
from polyrve.crystallography import reference_frames
from polyrve.crystallography.reference_frames import Frame
from polyrve.filters import arrays
from polyrve.filters.arrays import Column
from polyrve.microstructure import links, segmentation
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.map_placement import axisymmetric
from polyrve.settings import maps_by_axis

FRAMES: tuple[str, ...] = ("as it is", *reference_frames.PRESETS)
"""Choices of a frame; new ones are appended, for pipelines store the index."""

AXES: tuple[str, ...] = ("none", "x", "y")
"""Choices of the symmetry axis of an axisymmetric specimen; new ones are appended, for pipelines store the index."""

_ALONG = {"z": "xy", "x": "yz", "y": "xz"}


def text_of(path: Any) -> str:
    """A data path as the user knows it."""
    return path.to_string("/")


def insert_frame(parameters: Any) -> None:
    """Append the choice of the orientations' frame."""
    import simplnx as nx

    parameters.insert(
        nx.ChoicesParameter(
            "frame",
            "Frame of the Orientations",
            "How the axes of the orientations lie in the geometry. DREAM3D-NX's own EBSD readers leave both as the "
            "vendor has them: name the vendor's frame here, unless a pipeline has turned them already.",
            0,
            list(FRAMES),
        )
    )


def frame_of(index: int) -> Frame:
    """The frame of a choice."""
    return arrays.AS_IT_IS if index == 0 else reference_frames.named(FRAMES[index])


def insert_maps(parameters: Any) -> None:
    """Append the parameters of one to three maps."""
    import simplnx as nx

    parameters.insert(nx.Parameters.Separator("Input Maps"))
    insert_frame(parameters)
    parameters.insert(
        nx.ChoicesParameter(
            "axis",
            "Axisymmetric About",
            "With the map normal to z alone: the symmetry axis of an axisymmetric specimen, such as a wire, an "
            "extrusion or a build. It lies within the map: x along its columns, y down its rows. None: the map stands "
            "for all directions.",
            0,
            list(AXES),
        )
    )
    parameters.insert(
        nx.StringParameter(
            "drop_phase",
            "Leave Phases Out",
            "Names, separated by commas: points of these phases count as not indexed. Empty: all phases are kept.",
            "",
        )
    )
    parameters.insert(
        nx.StringParameter(
            "further_maps",
            "Further Maps",
            "Files of more maps, each behind the axis that it is normal to, with semicolons between them, such as "
            "z:second.ang; z:third.ang. They are read by polyrve and pooled with the map of that normal.",
            "",
        )
    )
    for normal in "zxy":
        alone = ", or for All Directions" if normal == "z" else ""
        parameters.insert(nx.Parameters.Separator(f"Map Normal to {normal}{alone}"))
        parameters.insert_linkable_parameter(
            nx.BoolParameter(
                f"use_{normal}_map",
                f"Use Map Normal to {normal}",
                f"Given in its own frame: x along its columns is {_ALONG[normal][0]} of the volume, y down its rows is "
                f"{_ALONG[normal][1]}. The map normal to z alone stands for all directions.",
                normal == "z",
            )
        )
        for key in _insert_field(parameters, f"{normal}_", f"Map Normal to {normal}"):
            parameters.link_parameters(f"use_{normal}_map", key, True)


def insert_volume(parameters: Any) -> None:
    """Append the parameters of a volume, with the feature ids that it may have."""
    import simplnx as nx

    parameters.insert(nx.Parameters.Separator("Input Volume"))
    _insert_field(parameters, "", "Volume")
    parameters.insert(
        nx.BoolParameter("periodic", "Periodic", "Whether grains go on across the faces of the volume.", True)
    )
    parameters.insert_linkable_parameter(
        nx.BoolParameter(
            "use_feature_ids", "Use Feature Ids", "Take the grains from feature ids; else they are found here.", True
        )
    )
    parameters.insert(
        nx.ArraySelectionParameter(
            "feature_ids", "Feature Ids", "Grain of each cell, 0 for none.", nx.DataPath(), {nx.DataType.int32}, [[1]]
        )
    )
    parameters.link_parameters("use_feature_ids", "feature_ids", True)
    parameters.insert(
        nx.Float64Parameter(
            "threshold",
            "Misorientation Tolerance (Degrees)",
            "Smallest disorientation of a grain boundary, where there are no feature ids.",
            links.DEFAULT_THRESHOLD,
        )
    )


def _insert_field(parameters: Any, prefix: str, title: str) -> list[str]:
    import simplnx as nx

    nowhere, number = nx.DataPath(), nx.DataType
    parameters.insert(
        nx.GeometrySelectionParameter(
            f"{prefix}geometry", "Image Geometry", "Lengths in um.", nowhere, {nx.IGeometry.Type.Image}
        )
    )
    for key, human, text, types, components in (
        (
            "orientations",
            "Orientations",
            "Quaternions x, y, z, w (4 components) or Bunge Euler angles in rad (3 components).",
            {number.float32},
            [[4], [3]],
        ),
        ("phases", "Phases", "Phase of each cell; 0 is not indexed.", {number.int32}, [[1]]),
        (
            "crystal_structures",
            "Crystal Structures",
            "Laue group of each phase. Names and lattice constants are taken from the arrays beside it.",
            {number.uint32},
            [[1]],
        ),
    ):
        parameters.insert(nx.ArraySelectionParameter(f"{prefix}{key}", human, text, nowhere, types, components))
    parameters.insert_linkable_parameter(
        nx.BoolParameter(f"{prefix}use_mask", "Use Mask", f"Leave out cells of the {title.lower()} by a mask.", False)
    )
    parameters.insert(
        nx.ArraySelectionParameter(
            f"{prefix}mask", "Mask", "True where a cell counts.", nowhere, {number.boolean, number.uint8}, [[1]]
        )
    )
    parameters.link_parameters(f"{prefix}use_mask", f"{prefix}mask", True)
    return [f"{prefix}{key}" for key in ("geometry", "orientations", "phases", "crystal_structures")]


def normals_of(args: Mapping[str, Any]) -> str:
    """Normals of the maps that are used.

    Raises
    ------
    ValueError
        If none is, or a single one that is not normal to z, or others than that one with a symmetry axis.
    """
    normals = "".join(normal for normal in "xyz" if args[f"use_{normal}_map"])
    if normals in ("", "x", "y"):
        raise ValueError(
            f"maps: expected the one normal to z, which stands for all directions alone, or several; got "
            f"{f'the one normal to {normals} alone' if normals else 'none'}"
        )
    if args["axis"] and normals != "z":
        raise ValueError(
            f"axisymmetric about {AXES[args['axis']]}: expected the map normal to z alone; got {', '.join(normals)}"
        )
    return normals


def check_maps(data: Any, args: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    """Shapes (nz, ny, nx) of the maps by normal, without touching values.

    Raises
    ------
    ValueError
        If a geometry has several layers, or an array belongs to another geometry.
    """
    shapes = {}
    for normal in normals_of(args):
        shape = check_field(data, args, f"{normal}_")
        if shape[0] != 1:
            raise ValueError(
                f"geometry {text_of(args[f'{normal}_geometry'])!r}: expected a map, one layer along z; got "
                f"{' x '.join(map(str, shape[::-1]))} cells"
            )
        shapes[normal] = shape
        _check_dropped(data, args, normal)
    return shapes


def further_maps(args: Mapping[str, Any]) -> list[tuple[str, Path]]:
    """Axes and files of the maps that are named in addition.

    Raises
    ------
    ValueError
        If a text has no axis, or no map of the data structure has that normal.
    FileNotFoundError
        If there is no such file.
    """
    texts = filter(None, map(str.strip, args.get("further_maps", "").split(";")))
    found = maps_by_axis(texts, "further maps")
    for normal, path in found:
        if normal not in normals_of(args):
            raise ValueError(f"further maps: expected the normals of the other maps, {normals_of(args)}; got {normal}")
        if not path.exists():
            raise FileNotFoundError(f"further maps: {path}: no such file")
    return found


def _dropped(args: Mapping[str, Any]) -> list[str]:
    return [*filter(None, map(str.strip, args["drop_phase"].split(",")))]


def _check_dropped(data: Any, args: Mapping[str, Any], normal: str) -> None:
    """Refuse names of no phase, where names are there: at preflight of a pipeline the texts are still empty."""
    path = args[f"{normal}_crystal_structures"]
    names = _names(data, path)
    if names is None or any(names[1:]):
        phases = arrays.phases_of(np.zeros(int(np.prod(data[path].tdims)), np.uint32), names)
        point = OrientationMap(np.array([[[1.0, 0.0, 0.0, 0.0]]]), np.ones((1, 1)), phases, (1.0, 1.0))
        arrays.without_phases(point, _dropped(args))


def warn_of_turned_maps(data: Any, args: Mapping[str, Any]) -> None:
    """Warn where a vendor's frame is named for maps that polyrve has brought into their own axes from another one.

    Warns
    -----
    UserWarning
        For each such map; at preflight of a pipeline, where the frame it was read in is not known yet, for all.
    """
    asked = frame_of(args["frame"])
    for normal in normals_of(args):
        geometry = args[f"{normal}_geometry"]
        noted = _noted_frame(data, geometry)
        unread = noted is None and data.exists(f"{text_of(geometry)}/{NOTE_GROUP}/{NOTE}")
        if (noted is not None or unread) and not _brought_already(asked, noted):
            before = "the frame of its file" if noted is None else f"frame {noted.name!r}"
            warnings.warn(
                f"geometry {text_of(geometry)!r}: polyrve has brought its orientations from {before} into its "
                f"own axes; frame {asked.name!r} is applied on top of that"
                f"{', if it is another' if noted is None else ''}",
                stacklevel=2,
            )


def _brought_already(asked: Frame, noted: Frame | None) -> bool:
    """Whether a frame that is asked for leaves orientations as they are: none does, and the one they were read in."""
    return asked.turns_as(arrays.AS_IT_IS.map_to_euler) or (noted is not None and asked.name == noted.name)


def maps_text(args: Mapping[str, Any], shapes: Mapping[str, tuple[int, int, int]]) -> str:
    """The maps of :func:`check_maps` as the user should know them."""
    points = "; ".join(f"normal to {normal}: {nx} x {ny} points" for normal, (_, ny, nx) in shapes.items())
    if more := further_maps(args):
        points += "; " + "; ".join(f"normal to {normal}: {path.name}" for normal, path in more)
    return f"{points}, axisymmetric about {AXES[args['axis']]}" if args["axis"] else points


def check_field(data: Any, args: Mapping[str, Any], prefix: str = "") -> tuple[int, int, int]:
    """Shape (nz, ny, nx) of a geometry whose arrays fit it, without touching values."""
    nx, ny, nz = (int(n) for n in data[args[f"{prefix}geometry"]].dimensions)
    keys = [f"{prefix}orientations", f"{prefix}phases"]
    if args.get(f"{prefix}use_mask"):
        keys.append(f"{prefix}mask")
    if not prefix and args.get("use_feature_ids"):
        keys.append("feature_ids")
    for key in keys:
        tuples = tuple(int(n) for n in _numbers(data, args[key]).tdims)
        if tuples != (nz, ny, nx):
            raise ValueError(
                f"array {text_of(args[key])!r}: expected the {nx} x {ny} x {nz} cells of geometry "
                f"{text_of(args[f'{prefix}geometry'])!r}; got {' x '.join(map(str, tuples[::-1]))}"
            )
    rows = int(np.prod(_numbers(data, args[f"{prefix}crystal_structures"]).tdims))
    if rows < 2:
        raise ValueError(
            f"array {text_of(args[f'{prefix}crystal_structures'])!r}: expected two or more rows, row 0 of which "
            f"belongs to no phase; got {rows}"
        )
    return nz, ny, nx


def spacing_of_maps(data: Any, args: Mapping[str, Any]) -> tuple[float, float, float]:
    """Voxel size (dz, dy, dx) in um that the maps' geometries give.

    Raises
    ------
    ValueError
        If two maps have different steps along one axis.
    """
    steps = {}
    for normal in normals_of(args):
        dx, dy, _ = (float(step) for step in data[args[f"{normal}_geometry"]].spacing)
        steps[normal] = (dy, dx)
    return arrays.voxel_size_of(steps, AXES[args["axis"]])


def pixels_of_maps(
    data: Any, args: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], spacing: Sequence[float]
) -> list[int]:
    """Pixels of the voxels' size (dz, dy, dx) that each map is resampled to, from shapes (nz, ny, nx) by normal."""
    found = []
    for normal, (_, ny, nx) in shapes.items():
        dx, dy, _ = (float(step) for step in data[args[f"{normal}_geometry"]].spacing)
        pixel = math.prod(spacing[i] for i in in_plane("zyx".index(normal)))
        found.append(int(ny * dy * nx * dx / pixel))
    return found


def number_of_phases(data: Any, args: Mapping[str, Any]) -> int:
    """Number of phases that the maps list.

    Raises
    ------
    ValueError
        If it differs between the maps.
    """
    numbers = {
        normal: int(np.prod(data[args[f"{normal}_crystal_structures"]].tdims)) - 1 for normal in normals_of(args)
    }
    if len(set(numbers.values())) > 1:
        raise ValueError(f"crystal structures: expected the same phases for all maps; got {numbers} phases")
    return next(iter(numbers.values()))


def read_maps(data: Any, args: Mapping[str, Any]) -> dict[str, OrientationMap | list[OrientationMap]]:
    """The maps by normal; one of an axisymmetric specimen as those of both normals across its axis.

    Raises
    ------
    ValueError
        If a file holds no map, or other phases.
    """
    check_maps(data, args)
    frame = frame_of(args["frame"])
    maps = {
        normal: arrays.without_phases(arrays.map_of(read_volume(data, args, f"{normal}_", frame=frame)), _dropped(args))
        for normal in normals_of(args)
    }
    lists: dict[str, OrientationMap | list[OrientationMap]] = {**maps}
    for normal, path in further_maps(args):
        found = registry.read(path)
        field = found.field if isinstance(found, GrainMap) else found
        if not isinstance(field, OrientationMap):
            raise ValueError(f"further maps: {path}: expected a map; got a volume")
        of_normal = lists[normal]
        before = of_normal if isinstance(of_normal, list) else [of_normal]
        if [phase.laue for phase in field.phases] != [phase.laue for phase in before[0].phases]:
            raise ValueError(
                f"further maps: {path}: expected the phases {[p.name for p in before[0].phases]}; "
                f"got {[p.name for p in field.phases]}"
            )
        named = field.evolve(phases=before[0].phases)
        lists[normal] = [*before, arrays.without_phases(named, _dropped(args))]
    return {**axisymmetric(lists["z"], AXES[args["axis"]])} if args["axis"] else lists


def insert_names(parameters: Any, *, features: bool = False) -> None:
    """Append the names of the attribute matrices that a created geometry gets."""
    import simplnx as nx

    names = [("cell_matrix", "Cell Attribute Matrix", "Cell Data"),
             ("ensemble_matrix", "Ensemble Attribute Matrix", "Cell Ensemble Data")]  # fmt: skip
    if features:
        names.append(("feature_matrix", "Feature Attribute Matrix", "Cell Feature Data"))
    for key, human, default in names:
        parameters.insert(nx.DataObjectNameParameter(key, human, "Name within the created geometry.", default))


def names_of(args: Mapping[str, Any]) -> dict[str, str]:
    """Names of :func:`insert_names` as :func:`plan_field` takes them."""
    return {"cell": args["cell_matrix"], "ensemble": args["ensemble_matrix"]}


def read_volume(data: Any, args: Mapping[str, Any], prefix: str = "", **options: Any) -> OrientationVolume:
    """The orientation field of a geometry; further options as in :func:`arrays.volume_of`.

    Orientations that polyrve has brought from a frame already are not brought from it again.
    """
    check_field(data, args, prefix)
    geometry = data[args[f"{prefix}geometry"]]

    if not prefix and "periodic" in args:
        options["periodic"] = bool(args["periodic"])
    if args.get(f"{prefix}use_mask"):
        options["mask"] = _values(data, args[f"{prefix}mask"])
    if not prefix and args.get("use_feature_ids"):
        options["feature_ids"] = _values(data, args["feature_ids"])
    note, noted = _note(data, args[f"{prefix}geometry"]), _noted_frame(data, args[f"{prefix}geometry"])
    asked = options.pop("frame", arrays.AS_IT_IS)
    as_noted = noted is not None and _brought_already(asked, noted)
    volume = arrays.volume_of(
        _values(data, args[f"{prefix}orientations"]),
        _values(data, args[f"{prefix}phases"]),
        _phases(data, args[f"{prefix}crystal_structures"]),
        tuple(geometry.spacing),
        tuple(geometry.origin),
        provenance=note.get("provenance", {"geometry": text_of(args[f"{prefix}geometry"])}),
        frame=arrays.AS_IT_IS if as_noted else asked,
        **options,
    )
    return volume.evolve(frame=noted) if as_noted else volume


def read_grains(data: Any, args: Mapping[str, Any]) -> GrainVolume:
    """The volume with its grains: those of its feature ids, numbered without gaps, or new ones."""
    volume = read_volume(data, args)
    found = by_feature_ids(volume) if args["use_feature_ids"] else segmentation.segment(volume, args["threshold"])
    if not isinstance(found, GrainVolume):
        raise TypeError(f"expected a volume; got {type(found).__name__}")
    return found


def _numbers(data: Any, path: Any) -> Any:
    """An array; simplnx asks for the type of no other kinds of arrays than those of numbers."""
    if not hasattr(data[path], "npview"):
        raise ValueError(f"array {text_of(path)!r}: expected an array of numbers; got a {type(data[path]).__name__}")
    return data[path]


def _values(data: Any, path: Any) -> np.ndarray:
    return np.array(data[path].npview())


def _beside(data: Any, path: Any) -> dict[str, Any]:
    return {child.name(): data[child] for child in data.get_children(path.parent())}


def _names(data: Any, path: Any) -> list[str] | None:
    """Names of phases that lie beside an array of crystal structures, row 0 first."""
    beside = _beside(data, path)
    texts = [beside[name] for name in ("PhaseName", "MaterialName") if name in beside]
    return next((list(item) for item in texts if hasattr(item, "initialize_with_list")), None)


def _phases(data: Any, path: Any) -> tuple[Any, ...]:
    lattices: Any = _beside(data, path).get("LatticeConstants")
    values = lattices.npview() if hasattr(lattices, "npview") else None
    return arrays.phases_of(data[path].npview(), _names(data, path), values)


def _note(data: Any, geometry: Any) -> dict[str, Any]:
    """What polyrve left about the origin of the arrays: a filter within the geometry, a .dream3d file beside it."""
    for path, inside in ((f"{text_of(geometry)}/{NOTE_GROUP}/{NOTE}", True), (f"{NOTE_GROUP}/{NOTE}", False)):
        item = data[path]
        if not hasattr(item, "initialize_with_list") or not len(item):
            continue
        try:
            note = json.loads(item[0])
        except ValueError:
            continue
        if isinstance(note, dict) and (inside or note.get("geometry") == geometry.name()):
            return note
    return {}


def _noted_frame(data: Any, geometry: Any) -> Frame | None:
    """The frame that the orientations were brought from when polyrve read them."""
    record = _note(data, geometry).get("frame")
    try:
        return Frame(record["name"], tuple(record["map_to_euler"]), record["source"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None


def plan_field(
    actions: Any,
    geometry: Any,
    names: Mapping[str, str],
    shape: Sequence[int],
    spacing: Sequence[float],
    origin: Sequence[float],
    columns: Sequence[Column],
    phases: int,
) -> None:
    """Append the creation of a geometry with cell and ensemble data.

    Parameters
    ----------
    actions : simplnx.OutputActions
    geometry : simplnx.DataPath
    names : mapping
        ``"cell"`` and ``"ensemble"``: names of the attribute matrices.
    shape : sequence of int
        (nz, ny, nx).
    spacing, origin : sequence of float, um
        z, y, x.
    columns : sequence of Column
        Cell arrays.
    phases : int
        Number of phases.
    """
    import simplnx as nx

    actions.append_action(
        nx.CreateImageGeometryAction(
            geometry, list(shape)[::-1], list(origin)[::-1], list(spacing)[::-1], names["cell"]
        )
    )
    _plan_columns(actions, geometry.create_child_path(names["cell"]), shape, columns)
    ensemble = geometry.create_child_path(names["ensemble"])
    actions.append_action(nx.CreateAttributeMatrixAction(ensemble, [phases + 1]))
    _plan_columns(actions, ensemble, [phases + 1], arrays.ENSEMBLE_COLUMNS)
    for name in ("MaterialName", "PhaseName"):
        actions.append_action(nx.CreateStringArrayAction([phases + 1], ensemble.create_child_path(name)))
    group = geometry.create_child_path(NOTE_GROUP)
    actions.append_action(nx.CreateDataGroupAction(group))
    actions.append_action(nx.CreateStringArrayAction([1], group.create_child_path(NOTE)))


def plan_rows(actions: Any, matrix: Any, rows: int, columns: Sequence[Column], texts: Sequence[str] = ()) -> None:
    """Append the creation of an attribute matrix of numbers and texts; :func:`fill_rows` gives it its length."""
    import simplnx as nx

    actions.append_action(nx.CreateAttributeMatrixAction(matrix, [rows]))
    _plan_columns(actions, matrix, [rows], columns)
    for name in texts:
        actions.append_action(nx.CreateStringArrayAction([rows], matrix.create_child_path(name)))


def _plan_columns(actions: Any, matrix: Any, shape: Sequence[int], columns: Sequence[Column]) -> None:
    import simplnx as nx

    for column in columns:
        kind = nx.convert_np_dtype_to_datatype(np.dtype(column.dtype))
        path = matrix.create_child_path(column.name)
        actions.append_action(nx.CreateArrayAction(kind, list(shape), [column.components], path))


def fill_field(
    data: Any,
    geometry: Any,
    names: Mapping[str, str],
    field: OrientationField,
    cells: Mapping[str, np.ndarray],
) -> None:
    """Fill what :func:`plan_field` created."""
    cell, ensemble = (geometry.create_child_path(names[key]) for key in ("cell", "ensemble"))
    _fill(data, cell, cells)
    _fill(data, ensemble, arrays.ensemble_arrays(field))
    for name in ("MaterialName", "PhaseName"):
        data[ensemble.create_child_path(name)].initialize_with_list(arrays.phase_names(field))
    data[geometry.create_child_path(NOTE_GROUP).create_child_path(NOTE)][0] = note_of(field)


def fill_rows(
    data: Any, matrix: Any, columns: Mapping[str, np.ndarray], texts: Mapping[str, Sequence[str]] | None = None
) -> None:
    """Give an attribute matrix the length of its columns, and fill it."""
    rows = len(next(iter(columns.values())))
    data[matrix].resize_tuples([rows])
    _fill(data, matrix, columns)
    for name, values in (texts or {}).items():
        data[matrix.create_child_path(name)].initialize_with_list(list(values))


def _fill(data: Any, matrix: Any, columns: Mapping[str, np.ndarray]) -> None:
    for name, values in columns.items():
        view = data[matrix.create_child_path(name)].npview()
        view[...] = np.asarray(values).reshape(view.shape)


def suffixes(reading: bool) -> set[str]:
    """File name endings that polyrve reads or writes, for a file dialogue."""
    from polyrve.adapters import registry

    return {suffix for row in registry.formats() if (row.reads if reading else row.writes) for suffix in row.suffixes}
