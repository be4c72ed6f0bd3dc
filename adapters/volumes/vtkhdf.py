"""VTK HDF image data (.vtkhdf) for ParaView 5.12 and later; arrays as in :mod:`polyrve.adapters.volumes.vti`.

Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkhdf_file_format/index.html, version 2.0. The array by which
cells are coloured at first is named both ways that there have been: by the group (version 2.0) and by itself (later).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

from polyrve.adapters.material_grid import as_volume
from polyrve.adapters.replacing import replacing
from polyrve.adapters.volumes.new_hdf5 import new_hdf5
from polyrve.adapters.volumes.vti import SHOWN, cell_arrays
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume


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
        arrays = group.create_group("CellData")
        arrays.attrs.create("Scalars", np.bytes_(SHOWN), dtype=h5py.string_dtype("ascii", len(SHOWN)))
        for name, values in cell_arrays(data, direction):
            stored = values.astype(np.uint8) if values.dtype == np.bool_ else values
            item = arrays.create_dataset(name.replace("/", "_"), data=stored, **options)
            if name == SHOWN:
                item.attrs.create("Attribute", np.bytes_("Scalars"), dtype=h5py.string_dtype("ascii", 7))
