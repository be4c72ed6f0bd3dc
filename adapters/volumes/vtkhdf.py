"""VTK HDF image data (.vtkhdf) for ParaView 5.12 and later; arrays as in :mod:`polyrve.adapters.volumes.vti`.

Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/index.html, version 2.0. The array by which
cells are coloured at first is named both ways that there have been: by the group (version 2.0) and by itself (later).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.material_grid import as_volume
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.volumes.cell_slabs import COLUMNS, cell_slabs
from polyrve.adapters.volumes.new_hdf5 import new_hdf5
from polyrve.adapters.volumes.vti import MADE_ANEW, NOTE, SHOWN, cell_arrays, note_of, read_arrays
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume


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
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    direction : sequence of float, length 3
        Sample direction (x, y, z) of the inverse pole figure colours.
    compress : bool
        Whether the arrays are compressed (gzip).

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    OSError
        If the disk is full.
    """
    if isinstance(data, CellVolume):
        field: OrientationVolume | CellVolume = data
    else:
        field = as_volume(data.field if isinstance(data, (GrainMap, GrainVolume)) else data)
    nz, ny, nx = field.shape
    options = {"compression": "gzip", "compression_opts": 1} if compress else {}
    with replacing(path, force=force) as partial, new_hdf5(partial) as file:
        group = file.create_group("VTKHDF")
        group.attrs["Version"] = np.array([2, 0], dtype=np.int64)
        group.attrs.create("Type", np.bytes_("ImageData"), dtype=h5py.string_dtype("ascii", len("ImageData")))
        group.attrs["WholeExtent"] = np.array([0, nx, 0, ny, 0, nz], dtype=np.int64)
        group.attrs["Origin"] = np.array(field.origin[::-1], dtype=np.float64)
        group.attrs["Spacing"] = np.array(field.spacing[::-1], dtype=np.float64)
        group.attrs["Direction"] = np.eye(3).ravel()
        group.attrs[NOTE] = json.dumps(note_of(field))
        arrays = group.create_group("CellData")
        arrays.attrs.create("Scalars", np.bytes_(SHOWN), dtype=h5py.string_dtype("ascii", len(SHOWN)))
        if isinstance(data, CellVolume):
            _write_slabs(arrays, data, direction, compress)
        else:
            for name, values in cell_arrays(data, direction):
                stored = values.astype(np.uint8) if values.dtype == np.bool_ else values
                arrays.create_dataset(name.replace("/", "_"), data=stored, **options)
        arrays[SHOWN].attrs.create("Attribute", np.bytes_("Scalars"), dtype=h5py.string_dtype("ascii", 7))


def _write_slabs(arrays: h5py.Group, volume: CellVolume, direction: Sequence[float], compress: bool) -> None:
    """Write the arrays of a volume that is kept as cells, all of them slab by slab."""
    items = []
    for name, components, dtype, _ in COLUMNS:
        shape = (*volume.shape, *[components] * (components > 1))
        options = {"compression": "gzip", "compression_opts": 1, "chunks": (1, *shape[1:])} if compress else {}
        items.append(arrays.create_dataset(name, shape, np.uint8 if dtype is np.bool_ else dtype, **options))
    for slab in cell_slabs(volume, direction):
        for item, (*_, values_of) in zip(items, COLUMNS, strict=True):
            item[slab.first : slab.last] = values_of(slab).astype(item.dtype, copy=False)


def read(
    path: str | Path, *, frame: str | Frame | None = None, laue: str | Sequence[str] | None = None
) -> OrientationMap | OrientationVolume:
    """Read a volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        What turns the orientations; none by default.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each, where the file does not say them.

    Returns
    -------
    OrientationMap or OrientationVolume
        Further arrays are its ``properties``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no image of VTK HDF, or has no orientations.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        group = hdf5.group(path, file, "VTKHDF")
        extent, spacing, origin, direction = (
            _numbers(path, group, name, count)
            for name, count in (("WholeExtent", 6), ("Spacing", 3), ("Origin", 3), ("Direction", 9))
        )
        if not np.allclose(direction, np.eye(3).ravel(), atol=1e-9):
            raise FormatError(path, "expected an image along x, y, z; its Direction turns it")
        shape = [round(high - low) for low, high in zip(extent[::2], extent[1::2], strict=True)][::-1]
        cells = hdf5.group(path, group, "CellData")
        arrays = {}
        for name in hdf5.names(cells):
            if name not in MADE_ANEW and hdf5.has(cells, name):
                values = hdf5.array(path, cells, name)
                if list(values.shape[:3]) != shape:
                    raise FormatError(path, f"expected {shape} cells; got shape {values.shape}", name)
                arrays[name] = values
        note = hdf5.attribute_text(group, NOTE)
    if not {"Quats", "EulerAngles"} & arrays.keys():
        raise FormatError(path, f"expected the array Quats or EulerAngles; got {', '.join(arrays) or 'none'}")
    start = [o + d * low for o, d, low in zip(origin, spacing, extent[::2], strict=True)]
    return read_arrays(path, "vtkhdf", arrays, spacing[::-1], start[::-1], note, frame=frame, laue=laue)


def _numbers(path: Path, group: h5py.Group, name: str, count: int) -> list[float]:
    try:
        values = [float(value) for value in hdf5.attribute(group, name)]
    except (TypeError, ValueError):
        values = []
    if len(values) != count or not np.isfinite(values).all():
        raise FormatError(path, f"expected {count} numbers for {name}", group.name)
    return values
