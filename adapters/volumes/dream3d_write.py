"""Writing of DREAM.3D files, versions 8 (simplnx, DREAM3D-NX) and 7 (SIMPL, DREAM.3D 6.5); see :mod:`.dream3d`."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar
from xml.sax.saxutils import escape, quoteattr

import h5py
import numpy as np

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.material_grid import as_volume
from polyrve.adapters.replacing import replacing
from polyrve.adapters.volumes.cell_slabs import COLUMNS, cell_slabs
from polyrve.adapters.volumes.new_hdf5 import new_hdf5
from polyrve.crystallography import rotation
from polyrve.microstructure import grain_properties
from polyrve.microstructure.cell_measures import slabs
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationField, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.steps import announced

CRYSTAL_STRUCTURES: tuple[str, ...] = (
    "6/mmm", "m-3m", "6/m", "m-3", "-1", "2/m", "mmm", "4/m", "4/mmm", "-3", "-3m",
)  # fmt: skip
"""Laue groups in the order of DREAM.3D's crystal structure numbers 0 ... 10; 999 is unknown."""

NOTE_GROUP, NOTE = "polyrve", "Provenance"
"""Where the file keeps provenance, frame, phases and spacing as one JSON text."""

DOUBLE_CELL, DOUBLE_GRAIN = "polyrve/Quats", "polyrve/AvgQuats"
"""Orientations in double precision (x, y, z, w), at the root of the file, where DREAM.3D does not look."""

MICROMETRE = 6
"""Number of the unit um in version 8 files."""

_DERIVED, _DERIVED_WITH_GRAINS = ("IPFColors", "Mask"), ("AvgQuats", "Boundary")
_UNKNOWN = 999
_GEOMETRY, _CELLS, _ENSEMBLE, _FEATURES = "DataContainer", "CellData", "CellEnsembleData", "CellFeatureData"
_XDMF_COMPONENTS = 16
_SLAB_BYTES = 1 << 25
_LARGE_PLANE = 1 << 16


def write(
    data: OrientationField | GrainMap | GrainVolume | CellVolume,
    path: str | Path,
    *,
    force: bool = False,
    version: str | int | float = "8.0",
    exact: bool | None = None,
    compress: bool | None = None,
    direction: Sequence[float] = (0.0, 0.0, 1.0),
    shapes: bool = False,
    xdmf: bool = True,
) -> None:
    """Write a map or a volume, with its grains where it has them, and an .xdmf file beside it for ParaView.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap, GrainVolume or CellVolume
        A volume that is kept as cells is written slab by slab, with the arrays of
        :data:`polyrve.adapters.volumes.cell_slabs.COLUMNS`.
    path : path-like
    force : bool
        Whether existing files may be replaced.
    version : str
        ``"8.0"`` for DREAM3D-NX, ``"7.0"`` for DREAM.3D 6.5.
    exact : bool, optional
        Whether the orientations are stored in double precision as well (DREAM.3D's own arrays are in single
        precision, 6e-8); polyrve then reads exactly what was written. By default unless the volume is kept as cells,
        of which it is not possible.
    compress : bool, optional
        Whether the cell arrays are compressed (gzip): smaller and slower. By default where the volume is kept as cells.
    direction : sequence of float, length 3
        Sample direction (x, y, z) of the inverse pole figure colours.
    shapes : bool
        Whether the feature data holds axis lengths, aspect ratio, orientation spread (GOS) and neighbours too, which
        takes seconds for a volume of 128^3.
    xdmf : bool
        Whether the .xdmf file is written.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is not given.
    OSError
        If the disk is full.
    """
    layouts: dict[str, type[_Version8] | type[_Version7]] = {"8": _Version8, "7": _Version7}
    layout = layouts.get(str(version).split(".")[0])
    if layout is None:
        raise ValueError(f"version: expected 8.0 or 7.0; got {version!r}")
    path = Path(path)
    as_cells = isinstance(data, CellVolume)
    if as_cells and (exact or shapes):
        raise ValueError(
            f"{'exact' if exact else 'shapes'}: expected false for a volume that is kept as cells; got true"
        )
    exact, compress = not as_cells if exact is None else exact, as_cells if compress is None else compress
    grains = data if isinstance(data, (GrainMap, GrainVolume, CellVolume)) else None
    field = data if isinstance(data, CellVolume) else as_volume(_field_of(data))
    beside = path.with_suffix(".xdmf")
    if xdmf and beside.exists() and not force:
        raise FileExistsError(f"{beside}: exists already; force (--force) replaces it")
    with replacing(path, force=force) as partial:
        with new_hdf5(partial, libver=("earliest", "v108")) as file:
            tree = layout(file, field, compress)
            if isinstance(field, CellVolume):
                _write_slabs(tree, field, direction)
            elif not isinstance(grains, CellVolume):
                _write_cells(tree, field, grains, exact, direction)
            _write_ensemble(tree, field)
            if grains is not None:
                _write_features(tree, field, grains, exact, shapes)
            derived = (*_DERIVED, *_DERIVED_WITH_GRAINS) if grains is not None else _DERIVED
            tree.finish(note_of(field, derived, _GEOMETRY), str(field.provenance.get("pipeline", "")))
            description = _xdmf(path.name, field, tree.cells.name, tree.cell_arrays)
        if xdmf:
            partial.with_suffix(".xdmf").write_text(description, encoding="utf-8")


def _field_of(data: OrientationField | GrainMap | GrainVolume) -> OrientationField:
    return data.field if isinstance(data, (GrainMap, GrainVolume)) else data


def note_of(
    field: OrientationField | CellVolume, derived: Sequence[str] = _DERIVED, geometry: str | None = None
) -> str:
    """Return as JSON what a field carries beside its arrays: provenance, frame, phases, shape, spacing, periodicity.

    `derived` names the cell arrays that follow from the others, which reading leaves out; `geometry` names the
    geometry, for a note that lies beside it.
    """
    provenance = {name: value for name, value in field.provenance.items() if name != "pipeline"}
    return json.dumps(
        {
            "program": "polyrve",
            "provenance": provenance,
            "frame": asdict(field.frame),
            "periodic": field.periodic,
            "phases": [asdict(phase) for phase in field.phases],
            "spacing": field.spacing,
            "origin": field.origin,
            "shape": field.shape,
            "derived": list(derived),
            **({} if geometry is None else {"geometry": geometry}),
        },
        default=_plain,
    )


def _plain(value: Any) -> Any:
    """NumPy values and mappings as JSON types."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)


class _Version8:
    """Objects of a version 8 file, numbered as simplnx asks."""

    def __init__(self, file: h5py.File, field: OrientationVolume | CellVolume, compress: bool) -> None:
        self.file, self.shape, self.compress = file, field.shape, compress
        self.next_id = 1
        self.cell_arrays: list[tuple[str, int, np.dtype]] = []
        self.root = file.create_group("DataStructure")
        self.geometry = self._object(self.root.create_group(_GEOMETRY), "ImageGeom")
        self.geometry.attrs["_DIMENSIONS"] = np.array(field.shape[::-1], dtype=np.uint64)
        self.geometry.attrs["_SPACING"] = np.array(field.spacing[::-1], dtype=np.float32)
        self.geometry.attrs["_ORIGIN"] = np.array(field.origin[::-1], dtype=np.float32)
        self.geometry.attrs["Units"] = np.array([MICROMETRE], dtype=np.uint32)
        self.geometry.attrs["Cell Data ID"] = np.array([self.next_id], dtype=np.uint64)
        self.cells = self.matrix(_CELLS, field.shape)

    def _object(self, item: Any, kind: str) -> Any:
        item.attrs["ObjectType"] = np.bytes_(kind)
        item.attrs["ObjectId"] = np.array([self.next_id], dtype=np.uint64)
        item.attrs["Importable"] = np.array([1], dtype=np.int32)
        self.next_id += 1
        return item

    def matrix(self, name: str, shape: tuple[int, ...], kind: int = 0) -> h5py.Group:
        group = self._object(self.geometry.create_group(name), "AttributeMatrix")
        group.attrs["TupleDims"] = np.array(shape, dtype=np.uint64)
        return group

    def array(
        self, group: h5py.Group, name: str, tuples: tuple[int, ...], components: tuple[int, ...], dtype: Any
    ) -> h5py.Dataset:  # fmt: skip
        dtype = np.dtype(dtype)
        stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
        item = group.create_dataset(
            name, (*tuples, *components), stored,
            **_filters(self.compress and len(tuples) == 3, (*tuples, *components)),
        )  # fmt: skip
        self._object(item, f"DataArray<{dtype.name}>")
        item.attrs["TupleDimensions"] = np.array(tuples, dtype=np.uint64)
        item.attrs["ComponentDimensions"] = np.array(components, dtype=np.uint64)
        return item

    def strings(self, group: h5py.Group, name: str, values: Sequence[str]) -> None:
        item = group.create_dataset(name, data=list(values), dtype=h5py.string_dtype("utf-8"))
        self._object(item, "StringArray")
        item.attrs["TupleDimensions"] = np.array([len(values)], dtype=np.uint64)

    def finish(self, note: str, pipeline: str) -> None:
        group = self._object(self.root.create_group(NOTE_GROUP), "DataGroup")
        self.strings(group, NOTE, [note])
        self.root.attrs["NextObjectId"] = np.array([self.next_id], dtype=np.uint64)
        self.file.attrs["FileVersion"] = np.bytes_("8.0")
        group = self.file.create_group("Pipeline")
        group.attrs["Current Pipeline"] = np.bytes_("polyrve")
        group.attrs["Pipeline Version"] = np.array([3], dtype=np.int32)
        steps = pipeline if _has_key(pipeline, "pipeline") else json.dumps(
            {"isDisabled": False, "name": "polyrve", "pipeline": [], "version": 1}
        )  # fmt: skip
        group.create_dataset("Pipeline", data=np.bytes_(steps.encode("ascii", "replace")))


class _Version7:
    """Objects of a version 7 file, as SIMPL writes them."""

    _types: ClassVar[dict[str, str]] = {"float32": "float", "float64": "double", "bool": "bool"}

    def __init__(self, file: h5py.File, field: OrientationVolume | CellVolume, compress: bool) -> None:
        self.file, self.shape, self.compress = file, field.shape, compress
        self.cell_arrays: list[tuple[str, int, np.dtype]] = []
        self.geometry = file.create_group("DataContainers").create_group(_GEOMETRY)
        file.create_group("DataContainerBundles")
        file.create_group("Montages")
        image = self.geometry.create_group("_SIMPL_GEOMETRY")
        for name in ("GeometryName", "GeometryTypeName"):
            self._string(image, name, "ImageGeometry")
        image.attrs["GeometryType"] = np.array([0], dtype=np.uint32)
        image.attrs["SpatialDimensionality"] = np.array([3], dtype=np.uint32)
        image.attrs["UnitDimensionality"] = np.array([3], dtype=np.uint32)
        image.create_dataset("DIMENSIONS", data=np.array(field.shape[::-1], dtype=np.int64))
        image.create_dataset("ORIGIN", data=np.array(field.origin[::-1], dtype=np.float32))
        image.create_dataset("SPACING", data=np.array(field.spacing[::-1], dtype=np.float32))
        self.cells = self.matrix(_CELLS, field.shape, 3)

    @staticmethod
    def _string(item: Any, name: str, value: str) -> None:
        item.attrs.create(name, np.bytes_(value), dtype=h5py.string_dtype("ascii", len(value) + 1))

    def matrix(self, name: str, shape: tuple[int, ...], kind: int = 0) -> h5py.Group:
        group = self.geometry.create_group(name)
        group.attrs["AttributeMatrixType"] = np.array([kind], dtype=np.uint32)
        group.attrs["TupleDimensions"] = np.array(shape[::-1], dtype=np.uint64)
        return group

    def _describe(self, item: h5py.Dataset, kind: str, tuples: tuple[int, ...], components: tuple[int, ...]) -> None:
        self._string(item, "ObjectType", kind)
        item.attrs["DataArrayVersion"] = np.array([2], dtype=np.int32)
        item.attrs["TupleDimensions"] = np.array(tuples[::-1], dtype=np.uint64)
        item.attrs["ComponentDimensions"] = np.array(components, dtype=np.uint64)
        self._string(
            item,
            "Tuple Axis Dimensions",
            ",".join(f"{a}={n}" for a, n in zip("xyz", tuples[::-1], strict=False)),
        )

    def array(
        self, group: h5py.Group, name: str, tuples: tuple[int, ...], components: tuple[int, ...], dtype: Any
    ) -> h5py.Dataset:  # fmt: skip
        dtype = np.dtype(dtype)
        stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
        item = group.create_dataset(
            name, (*tuples, *components), stored,
            **_filters(self.compress and len(tuples) == 3, (*tuples, *components)),
        )  # fmt: skip
        self._describe(item, f"DataArray<{self._types.get(dtype.name, dtype.name + '_t')}>", tuples, components)
        return item

    def strings(self, group: h5py.Group, name: str, values: Sequence[str]) -> None:
        item = group.create_dataset(name, data=list(values), dtype=h5py.string_dtype("utf-8"))
        self._describe(item, "StringDataArray", (len(values),), (1,))

    def finish(self, note: str, pipeline: str) -> None:
        self.strings(self.matrix(NOTE_GROUP, (1,), 12), NOTE, [note])
        self._string(self.file, "FileVersion", "7.0")
        self._string(self.file, "DREAM3D Version", "6.5.171")
        group = self.file.create_group("Pipeline")
        self._string(group, "Current Pipeline", "Pipeline")
        group.attrs["Pipeline Version"] = np.array([2], dtype=np.int32)
        steps = pipeline if _has_key(pipeline, "PipelineBuilder") else json.dumps(
            {"PipelineBuilder": {"Name": "polyrve", "Number_Filters": 0, "Version": 6}}
        )  # fmt: skip
        group.create_dataset("Pipeline", data=np.bytes_(steps.encode("ascii", "replace")))


def _filters(compress: bool, shape: tuple[int, ...]) -> dict[str, Any]:
    """Compress plane by plane, where planes are large: a slab or a section of the file is then read alone."""
    if not compress:
        return {}
    planes = {"chunks": (1, *shape[1:])} if math.prod(shape[1:]) >= _LARGE_PLANE else {}
    return {"compression": "gzip", "compression_opts": 1, "shuffle": True, **planes}


def _has_key(text: str, key: str) -> bool:
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and key in value


def _write_cells(
    tree: _Version8 | _Version7,
    field: OrientationVolume,
    grains: GrainMap | GrainVolume | None,
    exact: bool,
    direction: Sequence[float],
) -> None:
    """Cell arrays, layer by layer, so that little beside the volume is in memory."""
    shape = field.shape

    def colors(part: slice) -> np.ndarray:
        return ipf_colors(field.quaternions[part], field.phase_ids[part], field.phases, direction)

    columns: list[tuple[str, int, Any, Callable[[slice], np.ndarray]]] = [
        ("EulerAngles", 3, np.float32, lambda part: rotation.to_euler(field.quaternions[part])),
        ("Quats", 4, np.float32, lambda part: _xyzw(field.quaternions[part])),
        ("Phases", 1, np.int32, lambda part: field.phase_ids[part]),
        ("Mask", 1, np.bool_, lambda part: field.phase_ids[part] > 0),
        ("IPFColors", 3, np.uint8, colors),
    ]
    if grains is not None:
        ids = grains.grain_ids.reshape(shape)
        means = np.concatenate([[[1.0, 0.0, 0.0, 0.0]], grains.quaternions])

        def mean(part: slice) -> np.ndarray:
            return _xyzw(np.where(ids[part][..., None] > 0, means[ids[part]], field.quaternions[part]))

        boundary = grain_properties.boundary_points(grains).reshape(shape)
        columns += [
            ("FeatureIds", 1, np.int32, lambda part: ids[part]),
            ("AvgQuats", 4, np.float32, mean),
            ("Boundary", 1, np.bool_, lambda part: boundary[part]),
        ]
    taken = {name for name, *_ in columns}
    for name, values in field.properties.items():
        if name not in taken and values.dtype.kind in "biuf":
            stored = np.dtype(np.float32) if values.dtype == np.float16 else values.dtype.newbyteorder("=")
            size = int(np.prod(values.shape[3:], dtype=int))
            columns.append((name.replace("/", "_"), size, stored, values.__getitem__))
    layers = max(1, _SLAB_BYTES // (shape[1] * shape[2] * 32))
    for name, components, dtype, values_of in announced(columns, "writing"):
        item = tree.array(tree.cells, name, shape, (components,), dtype)
        tree.cell_arrays.append((name, components, np.dtype(dtype)))
        _fill(item, layers, values_of)
    if exact:
        item = tree.file.create_dataset(DOUBLE_CELL, (*shape, 4), np.float64, **_filters(tree.compress, (*shape, 4)))
        _fill(item, layers, lambda part: _xyzw(field.quaternions[part]))


def _write_slabs(tree: _Version8 | _Version7, volume: CellVolume, direction: Sequence[float]) -> None:
    """Cell arrays of a volume that is kept as cells, all of them slab by slab."""
    columns = [*COLUMNS, ("Mask", 1, np.bool_, lambda slab: slab.field.phase_ids > 0)]
    items = []
    for name, components, dtype, _ in columns:
        items.append(tree.array(tree.cells, name, volume.shape, (components,), dtype))
        tree.cell_arrays.append((name, components, np.dtype(dtype)))
    for slab in cell_slabs(volume, direction):
        for item, (name, *_, values_of) in zip(items, columns, strict=True):
            values = _xyzw(values_of(slab)) if name == "Quats" else values_of(slab)
            item[slab.first : slab.last] = values.reshape(-1, *item.shape[1:]).astype(item.dtype, copy=False)


def _fill(item: h5py.Dataset, layers: int, values_of: Callable[[slice], np.ndarray]) -> None:
    for start in range(0, len(item), layers):
        part = slice(start, min(start + layers, len(item)))
        block = values_of(part)
        item[part] = block.reshape(-1, *item.shape[1:]).astype(item.dtype, copy=False)


def _xyzw(q: np.ndarray) -> np.ndarray:
    return np.roll(q, -1, axis=-1)


def _write_ensemble(tree: _Version8 | _Version7, field: OrientationVolume | CellVolume) -> None:
    n = len(field.phases) + 1
    matrix = tree.matrix(_ENSEMBLE, (n,), 11)
    numbers = [_UNKNOWN, *(CRYSTAL_STRUCTURES.index(phase.laue) for phase in field.phases)]
    tree.array(matrix, "CrystalStructures", (n,), (1,), np.uint32)[:, 0] = numbers
    tree.array(matrix, "PhaseTypes", (n,), (1,), np.uint32)[:, 0] = [_UNKNOWN] + [0] * len(field.phases)
    lattice = tree.array(matrix, "LatticeConstants", (n,), (6,), np.float32)
    lattice[...] = np.array([(0.0,) * 6, *(phase.lattice for phase in field.phases)], dtype=np.float32)
    names = ["Invalid Phase", *(phase.name for phase in field.phases)]
    tree.strings(matrix, "PhaseName", names)
    tree.strings(matrix, "MaterialName", names)


def _write_features(
    tree: _Version8 | _Version7,
    field: OrientationVolume | CellVolume,
    grains: GrainMap | GrainVolume | CellVolume,
    exact: bool,
    shapes: bool,
) -> None:
    """Feature data under DREAM.3D's names; row 0 belongs to no grain."""
    n = grains.number_of_grains + 1
    matrix = tree.matrix(_FEATURES, (n,), 7)
    if isinstance(grains, CellVolume):
        quaternions, phase_ids, ids_of = grains.grain_quaternions, grains.grain_phases, grains.grain_ids
    else:
        ids = grains.grain_ids.reshape(field.shape)
        quaternions, phase_ids, ids_of = grains.quaternions, grains.phase_ids, lambda first, last: ids[first:last]
    cells = np.sum([np.bincount(ids_of(*part).ravel(), minlength=n) for part in slabs(field.shape)], axis=0)[1:]
    spacing = field.spacing if isinstance(grains, CellVolume) else grains.field.spacing
    sizes = cells * float(np.prod(spacing))
    planar = isinstance(grains, GrainMap)
    diameters = np.sqrt(4.0 * sizes / np.pi) if planar else np.cbrt(6.0 * sizes / np.pi)
    columns: dict[str, tuple[Any, np.ndarray]] = {
        "AvgQuats": (np.float32, _xyzw(quaternions)),
        "AvgEulerAngles": (np.float32, rotation.to_euler(quaternions)),
        "EulerAngles": (np.float32, rotation.to_euler(quaternions)),
        "Phases": (np.int32, phase_ids),
        "NumCells": (np.int32, cells),
        "Volumes": (np.float32, sizes),
        "EquivalentDiameters": (np.float32, diameters),
        "Centroids": (np.float32, _centroids(ids_of, cells, field)),
    }
    if shapes and not isinstance(grains, CellVolume):
        measured = grain_properties.measure_grains(grains)
        columns |= {
            "AxisLengths": (np.float32, measured.axis_lengths),
            "AspectRatio": (np.float32, measured.aspect_ratio),
            "GOS": (np.float32, measured.orientation_spread),
            "NumNeighbors": (np.int32, measured.number_of_neighbours),
            "SurfaceFeatures": (np.bool_, measured.touches_border),
        }
    for name, (dtype, values) in columns.items():
        values = values.reshape(n - 1, math.prod(values.shape[1:]))
        item = tree.array(matrix, name, (n,), (values.shape[1],), dtype)
        item[1:] = values.astype(item.dtype)
    if exact:
        double = np.zeros((n, 4))
        double[1:] = _xyzw(quaternions)
        tree.file.create_dataset(DOUBLE_GRAIN, data=double)


def _turned(
    of: Callable[[np.ndarray], np.ndarray], shape: Sequence[int], axis: int, _: np.ndarray, at: np.ndarray
) -> np.ndarray:
    return of(2.0 * np.pi / shape[axis] * at)


def _centroids(
    ids_of: Callable[[int, int], np.ndarray], cells: np.ndarray, field: OrientationVolume | CellVolume
) -> np.ndarray:
    """Centres of grains 1 ... n - 1 of so many cells as x, y, z in um, shape (n - 1, 3), from their ids slab by slab.

    In a periodic field the points of a grain are taken where they are nearest to its circular mean.
    """
    n, shape = len(cells) + 1, field.shape

    def sums(values_of: Callable[[int, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Add up for each grain and axis what a function of axis, grains and places along the axis gives."""
        total = np.zeros((3, n))
        for first, last in slabs(shape):
            ids = ids_of(first, last)
            for axis in range(3):
                place = np.arange(first, last) if axis == 0 else np.arange(shape[axis])
                at = np.broadcast_to((place + 0.5).reshape([-1 if i == axis else 1 for i in range(3)]), ids.shape)
                total[axis] += np.bincount(ids.ravel(), values_of(axis, ids, at).ravel(), minlength=n)
        return total[:, 1:]

    centres = np.empty((n - 1, 3))
    if field.periodic:
        cosines, sines = (sums(functools.partial(_turned, of, shape)) for of in (np.cos, np.sin))
        reference = np.arctan2(sines, cosines) * np.array(shape)[:, None] / (2.0 * np.pi)
        around = np.pad(reference, [(0, 0), (1, 0)])

        def offset(axis: int, ids: np.ndarray, at: np.ndarray) -> np.ndarray:
            length = shape[axis]
            return np.asarray((at - around[axis][ids] + length / 2.0) % length - length / 2.0)

        means = (reference + sums(offset) / cells) % np.array(shape)[:, None]
    else:
        means = sums(lambda axis, ids, at: at) / cells
    for axis, (spacing, origin) in enumerate(zip(field.spacing, field.origin, strict=True)):
        centres[:, 2 - axis] = origin + means[axis] * spacing
    return centres


def _xdmf(name: str, field: OrientationVolume | CellVolume, cell_path: str, arrays: list[Any]) -> str:
    """Description of the cell arrays for ParaView's Xdmf reader, with one time step, which pyvista's asks for.

    The reader knows scalars and vectors: other arrays are described component by component, ``Quats_x`` and so on.
    """
    nz, ny, nx = field.shape
    kinds = {"f": "Float", "i": "Int", "u": "UInt"}
    lines = [
        '<?xml version="1.0" ?>',
        '<!DOCTYPE Xdmf SYSTEM "Xdmf.dtd" []>',
        '<Xdmf Version="2.0">',
        " <Domain>",
        f'  <Grid Name={quoteattr(_GEOMETRY)} GridType="Uniform">',
        '   <Time Value="0.0"/>',
        f'   <Topology TopologyType="3DCoRectMesh" Dimensions="{nz + 1} {ny + 1} {nx + 1}"/>',
        '   <Geometry Type="ORIGIN_DXDYDZ">',
        f'    <DataItem Format="XML" Dimensions="3">{" ".join(repr(v) for v in field.origin)}</DataItem>',
        f'    <DataItem Format="XML" Dimensions="3">{" ".join(repr(v) for v in field.spacing)}</DataItem>',
        "   </Geometry>",
    ]
    shown = next(name for name in ("FeatureIds", "Phases") if name in [row[0] for row in arrays])
    for array, components, dtype in arrays:
        number = kinds[dtype.kind] if dtype.itemsize > 1 else "Char" if dtype.kind == "i" else "UChar"
        stored = (
            f'<DataItem Format="HDF" Dimensions="{nz} {ny} {nx} {components}" NumberType="{number}" '
            f'Precision="{dtype.itemsize}">{escape(f"{name}:{cell_path}/{array}")}</DataItem>'
        )
        if components in (1, 3):
            rank = "Scalar" if components == 1 else "Vector"
            active = ' Active="1"' if array == shown else ""
            lines += [
                f'   <Attribute Name={quoteattr(array)} AttributeType="{rank}" Center="Cell"{active}>',
                f"    {stored}",
                "   </Attribute>",
            ]
            continue
        letters = "xyzw" if components == 4 and array.endswith("Quats") else range(components)
        for i, letter in enumerate(letters if components <= _XDMF_COMPONENTS else ()):
            lines += [
                f'   <Attribute Name={quoteattr(f"{array}_{letter}")} AttributeType="Scalar" Center="Cell">',
                f'    <DataItem ItemType="HyperSlab" Dimensions="{nz} {ny} {nx} 1" Type="HyperSlab">',
                f'     <DataItem Dimensions="3 4" Format="XML">0 0 0 {i} 1 1 1 1 {nz} {ny} {nx} 1</DataItem>',
                f"     {stored}",
                "    </DataItem>",
                "   </Attribute>",
            ]
    return "\n".join([*lines, "  </Grid>", " </Domain>", "</Xdmf>", ""])
