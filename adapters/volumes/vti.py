"""VTK image data (.vti) for ParaView: IPF colours, grains and their boundaries, orientations, phases, KAM, GOS.

Format: VTK XML ImageData, https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html. Written
without vtk, the arrays as base64 between the tags (``format="binary"``), which is what DAMASK's reader asks
for, too. What polyrve writes has its phases and its frame in the field data, by which it is read back.

Also read are the grids of DAMASK_grid (the array ``material``, lengths in m; the materials are those of material.yaml)
and images of SPPARKS (the array ``Spin``).
"""

from __future__ import annotations

import base64
import itertools
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np

from polyrve.adapters.ebsd import scan
from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.material_grid import as_volume
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.volumes import grain_table, vtk_image
from polyrve.adapters.volumes.cell_slabs import COLUMNS, cell_slabs
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import disorientation_angle, to_euler
from polyrve.microstructure import grain_properties, grains
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_TYPES = {
    "int8": "Int8", "uint8": "UInt8", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt32",
    "int64": "Int64", "uint64": "UInt64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip
SHOWN = "IPFColors"
"""The array by which viewers colour the cells at first."""
NOTE = "polyrve"
"""Name of the text with what viewers have no array for."""
MADE_ANEW = ("IPFColors", "KAM", "GOS", "Boundary", "AvgQuats")
"""Arrays that follow from the others."""
_MOST_PHASES = 1000

_BLOCK = 3 << 20
_LAYERS = 16


def write_image(
    path: str | Path,
    shape: Sequence[int],
    spacing: Sequence[float],
    origin: Sequence[float],
    arrays: Iterable[tuple[str, np.ndarray | Slabs]],
    *,
    compress: bool = True,
    shown: str = "",
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write cell data on a regular grid.

    Parameters
    ----------
    path : path-like
    shape : sequence of int, length 3
        Cells nz, ny, nx.
    spacing, origin : sequence of float, length 3
        In the order z, y, x; written as they are.
    arrays : iterable of (str, ndarray of shape (nz, ny, nx) or (nz, ny, nx, n), or Slabs)
        Names and values; each is written before the next is asked for.
    compress : bool
        Whether the arrays are compressed by zlib.
    shown : str
        Name of the array by which viewers colour the cells at first; none by default.
    texts : mapping of str to str, optional
        Names and values of field data.
    """
    nz, ny, nx = shape
    extent = f"0 {nx} 0 {ny} 0 {nz}"
    compressor = ' compressor="vtkZLibDataCompressor"' if compress else ""
    active = f" Scalars={quoteattr(shown)}" if shown else ""
    with open(path, "wb") as file:
        lines = [
            '<?xml version="1.0"?>',
            f'<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64"{compressor}>',
            f'  <ImageData WholeExtent="{extent}" Origin="{_xyz(origin)}" Spacing="{_xyz(spacing)}" '
            'Direction="1 0 0 0 1 0 0 0 1">',
            *_field_data(texts or {}),
            f'    <Piece Extent="{extent}">',
            f"      <CellData{active}>",
        ]
        file.write(("\n".join(lines) + "\n").encode("ascii"))
        for name, values in arrays:
            if isinstance(values, np.ndarray):
                values = Slabs(values.dtype, int(np.prod(values.shape[3:], dtype=int)), (values,))
            dtype = np.dtype(np.uint8) if values.dtype == np.bool_ else values.dtype
            tag = (
                f'        <DataArray type="{_TYPES[dtype.name]}" Name={quoteattr(name)} '
                f'NumberOfComponents="{values.components}" format="binary">\n'
            )
            file.write(tag.encode("utf-8"))
            size = nz * ny * nx * values.components * dtype.itemsize
            raw = (
                np.ascontiguousarray(slab, dtype=dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data
                for slab in values.slabs
            )
            _write_array(file, _blocks(raw), size, compress)
            file.write(b"\n        </DataArray>\n")
        file.write(b"      </CellData>\n    </Piece>\n  </ImageData>\n</VTKFile>\n")


def _field_data(texts: Mapping[str, str]) -> list[str]:
    """Strings in the way of VTK: the codes of their bytes, ended by 0."""
    lines = []
    for name, text in texts.items():
        codes = " ".join(str(code) for code in (*text.encode("utf-8"), 0))
        lines += [f'      <Array type="String" Name={quoteattr(name)} NumberOfTuples="1" format="ascii">', codes]
        lines += ["      </Array>"]
    return ["    <FieldData>", *lines, "    </FieldData>"] if lines else []


def _xyz(values: Sequence[float]) -> str:
    return " ".join(repr(float(value)) for value in values[::-1])


class Slabs(NamedTuple):
    """An array that is given slab by slab, from the first planes to the last.

    Attributes
    ----------
    dtype : numpy.dtype
    components : int
        Numbers per cell.
    slabs : iterable of ndarray
    """

    dtype: np.dtype
    components: int
    slabs: Iterable[np.ndarray]


def _blocks(raw: Iterable[memoryview]) -> Iterator[bytes]:
    """Yield the bytes of an array in blocks of one size, the last one smaller."""
    rest = b""
    for part in raw:
        start = 0
        while start < len(part):
            taken = part[start : start + _BLOCK - len(rest)]
            rest, start = rest + bytes(taken), start + len(taken)
            if len(rest) == _BLOCK:
                yield rest
                rest = b""
    if rest:
        yield rest


def _write_array(file: BinaryIO, blocks: Iterable[bytes], size: int, compress: bool) -> None:
    """One line of base64: the header and, compressed, the blocks apart; or both in one."""
    if not compress:
        _write_base64(file, itertools.chain([np.array([size], dtype="<u8").tobytes()], blocks))
        return
    number = -(-size // _BLOCK)
    header = np.array([number, _BLOCK, size % _BLOCK, *[0] * number], dtype="<u8")
    place = file.tell()
    file.write(base64.b64encode(header.tobytes()))
    sizes = []

    def packed() -> Iterator[bytes]:
        for block in blocks:
            found = zlib.compress(block, 1)
            sizes.append(len(found))
            yield found

    _write_base64(file, packed())
    end = file.tell()
    file.seek(place)
    header[3:] = sizes
    file.write(base64.b64encode(header.tobytes()))
    file.seek(end)


def _write_base64(file: BinaryIO, pieces: Iterable[bytes]) -> None:
    rest = b""
    for piece in pieces:
        rest += piece
        whole = len(rest) - len(rest) % 3
        file.write(base64.b64encode(rest[:whole]))
        rest = rest[whole:]
    file.write(base64.b64encode(rest))


def write(
    data: OrientationField | GrainMap | GrainVolume | CellVolume,
    path: str | Path,
    *,
    force: bool = False,
    direction: Sequence[float] = (0.0, 0.0, 1.0),
    compress: bool = False,
) -> None:
    """Write a map or volume with all that can be coloured in ParaView; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap, GrainVolume or CellVolume
        The arrays are those of :func:`cell_arrays`; of a volume that is kept as cells those of
        :data:`polyrve.adapters.volumes.cell_slabs.COLUMNS`, slab by slab.
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    direction : sequence of float, length 3
        Sample direction (x, y, z) of the inverse pole figure colours.
    compress : bool
        Whether the arrays are compressed (zlib).

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    OSError
        If the disk is full.
    """
    arrays: Iterable[tuple[str, np.ndarray | Slabs]]
    field: OrientationVolume | CellVolume
    if isinstance(data, CellVolume):
        field, arrays = data, _slabs(data, direction)
    else:
        field = as_volume(data.field if isinstance(data, (GrainMap, GrainVolume)) else data)
        arrays = cell_arrays(data, direction)
    with replacing(path, force=force) as partial:
        write_image(
            partial, field.shape, field.spacing, field.origin, arrays, compress=compress, shown=SHOWN,
            texts={NOTE: json.dumps(note_of(field))},
        )  # fmt: skip


def _slabs(volume: CellVolume, direction: Sequence[float]) -> Iterator[tuple[str, Slabs]]:
    for name, components, dtype, values_of in COLUMNS:
        made = (values_of(slab) for slab in cell_slabs(volume, direction, f"writing {name}"))
        yield name, Slabs(np.dtype(dtype), components, made)


def note_of(field: OrientationVolume | CellVolume) -> dict[str, Any]:
    """Return what viewers have no array for: phases, frame, and whether the volume is periodic, as JSON types."""
    return {
        "phases": [
            {"name": p.name, "laue": p.laue, "lattice": list(p.lattice), "space_group": p.space_group}
            for p in field.phases
        ],
        "frame": field.frame.record(),
        "periodic": field.periodic,
    }


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    material: str | None = None,
    laue: str | Sequence[str] | None = None,
    seed: int = 0,
) -> OrientationMap | OrientationVolume:
    """Read a volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    material : str, optional
        Of a grid of DAMASK: the file with its materials, by default material.yaml beside it.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each, where the file does not say them.
    seed : int
        Of the orientations of an image of SPPARKS, which has none; see the warning.

    Returns
    -------
    OrientationMap or OrientationVolume
        Further arrays are its ``properties``.

    Raises
    ------
    FileNotFoundError
        If there is no such file, or no file of materials.
    FormatError
        If it is no image of VTK, or has neither orientations nor materials nor spins.

    Warns
    -----
    UserWarning
        If Laue groups or orientations are not said.
    """
    path = Path(path)
    image = vtk_image.read_image(path)
    if "Quats" in image.names or "EulerAngles" in image.names:
        note = image.texts.get(NOTE, [""])[0]
        arrays = {name: image.array(name) for name in image.names if name not in MADE_ANEW}
        return read_arrays(path, "vti", arrays, image.spacing, image.origin, note, frame=frame, laue=laue)
    if "material" in image.names:
        from polyrve.adapters.solvers import damask_materials

        return damask_materials.read_grid(path, image, material, frame=frame)
    if "Spin" in image.names:
        spins = grain_table.whole_numbers(path, image.array("Spin"), "Spin")
        table = grain_table.oriented_at_random(path, np.unique(spins), laue, seed)
        return grain_table.assemble(path, "vti", spins, table, image.spacing, image.origin, frame=frame)
    raise FormatError(
        path, f"expected one of the arrays Quats, EulerAngles, material, Spin; got {', '.join(image.names) or 'none'}"
    )


def read_arrays(
    path: Path,
    format_name: str,
    arrays: dict[str, np.ndarray],
    spacing: Sequence[float],
    origin: Sequence[float],
    note: str,
    *,
    frame: str | Frame | None,
    laue: str | Sequence[str] | None,
) -> OrientationMap | OrientationVolume:
    """Return the volume of arrays as :func:`cell_arrays` names them; parameters as for :func:`read`.

    Parameters
    ----------
    path, format_name
        For provenance and errors.
    arrays : dict of str to ndarray, shape (nz, ny, nx, ...)
        Those that are not asked for become properties.
    spacing, origin : sequence of float
    note : str
        What :func:`note_of` gave, as JSON; empty where there is none.
    frame, laue
        As for :func:`read`.
    """
    shape = next(iter(arrays.values())).shape[:3]
    told = _told(path, note)
    phase_ids = np.ones(shape, dtype=np.int32)
    if "Phases" in arrays:
        phase_ids = grain_table.whole_numbers(path, arrays.pop("Phases"), "Phases").astype(np.int32).reshape(shape)
    phases = told.get("phases") or scan.unsaid_phases(path, int(min(phase_ids.max(), _MOST_PHASES)), (), laue)
    if phase_ids.min() < 0 or phase_ids.max() > len(phases):
        raise FormatError(path, f"expected phases 0 ... {len(phases)}; got {phase_ids.min()} ... {phase_ids.max()}")
    indexed = phase_ids.ravel() > 0
    angles = arrays.pop("EulerAngles", None)
    if "Quats" in arrays:
        q = _unit(path, arrays.pop("Quats"), shape, indexed)
    else:
        if angles is None or angles.shape != (*shape, 3):
            raise FormatError(path, "expected three Euler angles", "EulerAngles")
        q = scan.from_angles(path, np.deg2rad(angles.reshape(-1, 3).astype(np.float64)), indexed, "EulerAngles")
    field = scan.assemble(
        path, format_name, quaternions=q, phase_ids=phase_ids.ravel(), phases=phases, shape=shape,
        spacing=tuple(spacing), origin=tuple(origin), frame=grain_table.as_in_the_file(frame, path),
        properties={name: values.reshape(-1, *values.shape[3:]) for name, values in arrays.items()},
    )  # fmt: skip
    return field.evolve(periodic=True) if told.get("periodic") else field


def _unit(path: Path, values: np.ndarray, shape: Sequence[int], indexed: np.ndarray) -> np.ndarray:
    if values.shape != (*shape, 4):
        raise FormatError(path, f"expected quaternions of four numbers; got shape {values.shape}", "Quats")
    q = values.reshape(-1, 4).astype(np.float64)
    length = np.linalg.norm(q, axis=1)
    if not (np.abs(length[indexed] - 1.0) < 1e-3).all():
        raise FormatError(path, "expected quaternions of length 1", "Quats")
    return np.where(indexed[:, None], q, (1.0, 0.0, 0.0, 0.0)) / np.where(indexed, length, 1.0)[:, None]


def _told(path: Path, note: str) -> dict[str, Any]:
    """Phases and periodicity of the note, as they are written; none where the note is not polyrve's."""
    if not note:
        return {}
    try:
        found = json.loads(note)
        phases = [Phase(str(p["name"]), p["laue"], tuple(p["lattice"]), int(p["space_group"])) for p in found["phases"]]
        return {"phases": phases, "periodic": found["periodic"] is True}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FormatError(path, "expected phases as polyrve writes them", NOTE) from None


def cell_arrays(
    data: OrientationField | GrainMap | GrainVolume, direction: Sequence[float] = (0.0, 0.0, 1.0)
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield arrays per voxel for viewers, one after the other.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    direction : sequence of float, length 3
        Sample direction (x, y, z) of the inverse pole figure colours.

    Yields
    ------
    name : str
        ``"IPFColors"`` (uint8), ``"Quats"`` (w, x, y, z), ``"EulerAngles"`` (degrees), ``"Phases"``, ``"KAM"``
        (degrees, 0 where no neighbour is in the same grain), with grains also ``"FeatureIds"``, ``"AvgQuats"`` (mean
        orientation of the grain, w, x, y, z), ``"Boundary"`` (whether a face neighbour is in another grain) and
        ``"GOS"`` (degrees, of the grain), and the properties of the field.
    values : ndarray, shape (nz, ny, nx) or (nz, ny, nx, n)
    """
    grained = data if isinstance(data, (GrainMap, GrainVolume)) else None
    field = as_volume(data.field if isinstance(data, (GrainMap, GrainVolume)) else data)
    yield "IPFColors", ipf_colors(field.quaternions, field.phase_ids, field.phases, direction)
    yield "Quats", field.quaternions.astype(np.float32)
    yield "EulerAngles", np.stack([np.rad2deg(to_euler(layer)).astype(np.float32) for layer in field.quaternions])
    yield "Phases", field.phase_ids
    yield "KAM", _kernel_average_misorientation(field)
    taken = {"IPFColors", "Quats", "EulerAngles", "Phases", "KAM"}
    if grained is not None:
        ids = grained.grain_ids.reshape(field.shape)
        yield "FeatureIds", ids
        yield "AvgQuats", grains.grain_wise(grained).quaternions.astype(np.float32).reshape(*field.shape, 4)
        yield "Boundary", grain_properties.boundary_points(grained).reshape(field.shape)
        yield "GOS", _spread(grained, field)[ids]
        taken |= {"FeatureIds", "AvgQuats", "Boundary", "GOS"}
    for name, values in field.properties.items():
        if name not in taken and values.dtype.name in (*_TYPES, "bool"):
            yield name, values


def _kernel_average_misorientation(field: OrientationVolume) -> np.ndarray:
    """KAM in degrees, 0 where undefined; a few layers at a time, each with its neighbours."""
    n = field.shape[0]
    result = np.empty(field.shape, dtype=np.float32)
    for start in range(0, n, _LAYERS):
        inner = np.arange(start, min(start + _LAYERS, n))
        around = np.concatenate([[start - 1], inner, [inner[-1] + 1]])
        if len(inner) == n:
            around = inner
        elif field.periodic:
            around = around % n
        else:
            around = around[(around >= 0) & (around < n)]
        part = OrientationVolume(
            field.quaternions[around], field.phase_ids[around], field.phases, field.spacing, periodic=field.periodic
        )
        first = int(np.flatnonzero(around == start)[0])
        kam = grain_properties.kernel_average_misorientation(part)[first : first + len(inner)]
        result[inner] = np.nan_to_num(kam)
    return result


def _spread(data: GrainMap | GrainVolume, field: OrientationVolume) -> np.ndarray:
    """GOS by grain id, shape (N + 1,), degrees; 0 for id 0."""
    n = data.number_of_grains + 1
    total = np.zeros(n)
    phase_of = np.concatenate([[0], data.phase_ids])
    for ids, q in zip(data.grain_ids.reshape(field.shape), field.quaternions, strict=True):
        for number, phase in enumerate(field.phases, start=1):
            here = phase_of[ids] == number
            mean = data.quaternions[ids[here] - 1]
            total += np.bincount(ids[here], disorientation_angle(q[here], mean, phase.symmetry), minlength=n)
    count = np.bincount(data.grain_ids.ravel(), minlength=n)
    return np.rad2deg(total / np.maximum(count, 1)).astype(np.float32)
