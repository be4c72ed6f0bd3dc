"""Solids as voxels: closed surfaces (.stl), and masks (.npy)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.registry import FormatError


def read_solid(path: str | Path, spacing: float | None = None, *, points: int = 48, scale: float = 1.0) -> np.ndarray:
    """Read the solid within a closed surface as voxels, or a mask as it is.

    Parameters
    ----------
    path : path-like
        An STL file, text or binary; or a NumPy file with a mask (nz, ny, nx), for which the other parameters are not
        used.
    spacing : float, um, optional
        Edge of the voxels; by default the longest side of the solid over `points`.
    points : int
        Voxels along the longest side, where there is no spacing.
    scale : float
        Length of the file's unit in um, e.g. 1000 for millimetres.

    Returns
    -------
    ndarray, shape (nz, ny, nx), bool
        Whether the centre of each voxel is inside; the box of the solid, its lowest corner first.

    Raises
    ------
    FormatError
        If the file is no such file, or its surface is not closed.
    OSError
        If it cannot be read.
    ValueError
        If the voxels are larger than the solid, or there would be more than 2e8 of them.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        return _mask(path)
    surface = _surface(path, scale)
    low, high = np.array(surface.GetBounds()).reshape(3, 2).T
    step = float((high - low).max()) / points if spacing is None else spacing
    size = np.ceil((high - low) / step - 1e-9).astype(int)
    if size.min() < 1 or np.prod(size.astype(float)) > 2e8:
        extent = " x ".join(f"{value:.4g}" for value in high - low)
        raise ValueError(
            f"{path}: expected a solid of at most 2e8 voxels; got {extent} um in voxels of {step:.4g} um: set the unit "
            "of the file (scale) or other voxels"
        )
    inside = _stencilled(surface, low + 0.5 * step, step, size)
    if not inside.any():
        raise ValueError(f"{path}: expected a solid larger than a voxel of {step:.4g} um; no voxel lies in it")
    return inside


def cube_edge(spacing: Sequence[float], source: str) -> float:
    """Return the edge of voxels that are cubes.

    Parameters
    ----------
    spacing : sequence of float, um
    source : str
        Whose voxels they are, for the message.

    Raises
    ------
    ValueError
        If they are no cubes.
    """
    if max(spacing) > min(spacing) * (1 + 1e-6):
        raise ValueError(f"{source}: expected cubic voxels; got {' x '.join(f'{step:g}' for step in spacing)} um")
    return float(spacing[0])


def _mask(path: Path) -> np.ndarray:
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise
    except (ValueError, EOFError, OSError) as error:
        raise FormatError(path, f"expected a NumPy array; got: {error}") from None
    if values.ndim != 3 or values.dtype.kind not in "biu" or not (values != 0).any():
        raise FormatError(
            path, f"expected a mask of three axes with voxels inside; got {values.dtype} of shape {values.shape}"
        )
    return np.asarray(values != 0)


def _surface(path: Path, scale: float) -> Any:
    """The triangles, corners that coincide joined, after a check that they are closed."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import vtkObject, vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkPolyData
    from vtkmodules.vtkFiltersCore import vtkFeatureEdges
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    _check_size(path)
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.SetGlobalWarningDisplay(0)
    try:
        reader = vtkSTLReader()
        reader.SetFileName(str(path))
        reader.Update()
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
    if reader.GetErrorCode() or not reader.GetOutput().GetNumberOfCells():
        raise FormatError(path, "expected an STL file with triangles; there are none")
    edges = vtkFeatureEdges()
    edges.SetInputData(reader.GetOutput())
    edges.FeatureEdgesOff()
    edges.ManifoldEdgesOff()
    edges.Update()
    open_edges = edges.GetOutput().GetNumberOfCells()
    if open_edges:
        raise FormatError(
            path,
            f"expected a closed surface; {open_edges} edges do not lie between two triangles: repair it first",
        )
    scaled, points = vtkPolyData(), vtkPoints()
    points.SetData(numpy_to_vtk(scale * vtk_to_numpy(reader.GetOutput().GetPoints().GetData()), deep=True))
    scaled.ShallowCopy(reader.GetOutput())
    scaled.SetPoints(points)
    return scaled


def _check_size(path: Path) -> None:
    """Refuse a binary file that is not as long as its number of triangles says; VTK would read beyond its end."""
    data = path.read_bytes()
    if data[:5].lower() == b"solid" and b"facet" in data[:2000]:
        return
    number = int.from_bytes(data[80:84], "little")
    if len(data) < 84 or len(data) != 84 + 50 * number:
        raise FormatError(path, "expected an STL file, text or binary; its length does not fit its number of triangles")


def _stencilled(surface: Any, first: np.ndarray, step: float, size: Sequence[int]) -> np.ndarray:
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkImagingStencil import vtkImageStencilToImage, vtkPolyDataToImageStencil

    stencil, image = vtkPolyDataToImageStencil(), vtkImageStencilToImage()
    stencil.SetInputData(surface)
    stencil.SetOutputOrigin(*first)
    stencil.SetOutputSpacing(step, step, step)
    stencil.SetOutputWholeExtent(0, int(size[0]) - 1, 0, int(size[1]) - 1, 0, int(size[2]) - 1)
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetOutsideValue(0)
    image.SetInsideValue(1)
    image.Update()
    values = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    return np.asarray(values.reshape(tuple(size[::-1])) > 0)
