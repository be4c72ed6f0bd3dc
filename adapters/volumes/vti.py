"""VTK image data (.vti) for ParaView: IPF colours, grains and their boundaries, orientations, phases, KAM, GOS.

Format: VTK XML ImageData, https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html. Written
without vtk, the arrays as base64 between the tags (``format="binary"``), which is what DAMASK's reader asks
for, too.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

import numpy as np

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.material_grid import as_volume
from polyrve.adapters.replacing import replacing
from polyrve.crystallography.rotation import disorientation_angle, to_euler
from polyrve.microstructure import grain_properties, grains
from polyrve.microstructure.fields import OrientationField, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_TYPES = {
    "int8": "Int8", "uint8": "UInt8", "int16": "Int16", "uint16": "UInt16", "int32": "Int32", "uint32": "UInt32",
    "int64": "Int64", "uint64": "UInt64", "float32": "Float32", "float64": "Float64",
}  # fmt: skip
SHOWN = "IPFColors"
"""The array by which viewers colour the cells at first."""

_BLOCK = 3 << 20
_LAYERS = 16


def write_image(
    path: str | Path,
    shape: Sequence[int],
    spacing: Sequence[float],
    origin: Sequence[float],
    arrays: Iterable[tuple[str, np.ndarray]],
    *,
    compress: bool = True,
    shown: str = "",
) -> None:
    """Write cell data on a regular grid.

    Parameters
    ----------
    path : path-like
    shape : sequence of int, length 3
        Cells nz, ny, nx.
    spacing, origin : sequence of float, length 3
        In the order z, y, x; written as they are.
    arrays : iterable of (str, ndarray of shape (nz, ny, nx) or (nz, ny, nx, n))
        Names and values; each is written before the next is asked for.
    compress : bool
        Whether the arrays are compressed by zlib.
    shown : str
        Name of the array by which viewers colour the cells at first; none by default.
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
            f'    <Piece Extent="{extent}">',
            f"      <CellData{active}>",
        ]
        file.write(("\n".join(lines) + "\n").encode("ascii"))
        for name, values in arrays:
            values = np.ascontiguousarray(values.astype(np.uint8) if values.dtype == np.bool_ else values)
            values = values.astype(values.dtype.newbyteorder("<"), copy=False)
            components = int(np.prod(values.shape[3:], dtype=int))
            tag = (
                f'        <DataArray type="{_TYPES[values.dtype.name]}" Name={quoteattr(name)} '
                f'NumberOfComponents="{components}" format="binary">\n'
            )
            file.write(tag.encode("utf-8"))
            _write_array(file, values, compress)
            file.write(b"\n        </DataArray>\n")
        file.write(b"      </CellData>\n    </Piece>\n  </ImageData>\n</VTKFile>\n")


def _xyz(values: Sequence[float]) -> str:
    return " ".join(repr(float(value)) for value in values[::-1])


def _write_array(file: BinaryIO, values: np.ndarray, compress: bool) -> None:
    """One line of base64: the header and, compressed, the blocks apart; or both in one."""
    raw = values.reshape(-1).view(np.uint8).data
    if not compress:
        rest = np.array([len(raw)], dtype="<u8").tobytes()
        for start in range(0, len(raw), _BLOCK):
            piece = rest + raw[start : start + _BLOCK]
            whole = len(piece) - len(piece) % 3
            file.write(base64.b64encode(piece[:whole]))
            rest = bytes(piece[whole:])
        file.write(base64.b64encode(rest))
        return
    blocks = [zlib.compress(raw[start : start + _BLOCK], 1) for start in range(0, len(raw), _BLOCK)]
    partial = len(raw) % _BLOCK
    header = np.array([len(blocks), _BLOCK, partial, *(len(block) for block in blocks)], dtype="<u8")
    file.write(base64.b64encode(header.tobytes()) + base64.b64encode(b"".join(blocks)))


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    direction: Sequence[float] = (0.0, 0.0, 1.0),
    compress: bool = False,
) -> None:
    """Write a map or volume with all that can be coloured in ParaView; lengths in um.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
        The arrays are those of :func:`cell_arrays`.
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
    field = as_volume(data.field if isinstance(data, (GrainMap, GrainVolume)) else data)
    with replacing(path, force=force) as partial:
        arrays = cell_arrays(data, direction)
        write_image(partial, field.shape, field.spacing, field.origin, arrays, compress=compress, shown=SHOWN)


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
