"""Grain boundaries as a surface (.vtp), smoothed or along the voxel faces, through vtk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid, material_grid
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import blocks
from polyrve.crystallography.rotation import disorientation_angle
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    smooth: int = 16,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the boundaries between grains; lengths in um.

    Cell data: ``GrainIds`` of both sides, ``Phases`` of both sides, ``Disorientation`` in degrees of the mean
    orientations (180 between different phases). The faces of the volume itself are no part of the surface.

    Parameters
    ----------
    data : OrientationVolume or GrainVolume
        Of at least two layers.
    path : path-like
    force : bool
        Whether an existing file may be replaced.
    smooth : int
        Number of smoothing iterations; 0 keeps the voxel faces.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ValueError
        If voxels have no grain, or there is one layer alone.
    OSError
        If the disk is full.

    References
    ----------
    S.F. Frisken, SurfaceNets for multi-label segmentations with preservation of sharp boundaries, J. Comput. Graph.
    Tech. 11 (2022) 34.
    """
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    whole = material_grid(data, fill=fill, min_grain=min_grain)
    if min(whole.shape) < 2:
        raise ValueError(f"boundary surface: expected two or more voxels along every axis; got {whole.shape}")
    surface = _surface(whole, smooth)
    with replacing(path, force=force) as partial:
        writer = vtkXMLPolyDataWriter()
        writer.SetFileName(str(partial))
        writer.SetInputData(surface)
        shown = vtkObject.GetGlobalWarningDisplay()
        vtkObject.SetGlobalWarningDisplay(0)
        try:
            written = writer.Write() == 1 and not writer.GetErrorCode()
        finally:
            vtkObject.SetGlobalWarningDisplay(shown)
        if not written:
            _raise_writing_failed(writer.GetErrorCode(), partial)


def _raise_writing_failed(code: int, path: Path) -> None:
    import errno

    from vtkmodules.vtkCommonMisc import vtkErrorCode

    full = code == vtkErrorCode.OutOfDiskSpaceError
    raise OSError(errno.ENOSPC if full else errno.EIO, vtkErrorCode.GetStringFromErrorCode(code), str(path))


def _surface(whole: MaterialGrid, smooth: int) -> Any:
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D

    image = vtkImageData()
    image.SetDimensions(*whole.shape[::-1])
    image.SetSpacing(*whole.spacing[::-1])
    image.SetOrigin(*(o + d / 2 for o, d in zip(whole.origin[::-1], whole.spacing[::-1], strict=True)))
    ids = whole.ids.ravel()
    labels = numpy_to_vtk(ids)
    labels.SetName("GrainIds")
    image.GetPointData().SetScalars(labels)
    nets = vtkSurfaceNets3D()
    nets.SetInputData(image)
    nets.DataCachingOff()
    n = len(whole.quaternions)
    nets.GenerateLabels(n, 1, n)
    nets.SetSmoothing(smooth > 0)
    if smooth > 0:
        nets.SetNumberOfIterations(smooth)
    nets.SetOutputMeshTypeToTriangles()
    nets.Update()
    surface = nets.GetOutput()
    pairs = vtk_to_numpy(surface.GetCellData().GetArray("BoundaryLabels")).astype(np.int32)
    inside = (pairs > 0).all(axis=1) & (pairs <= n).all(axis=1)
    if not inside.all():
        raise ValueError(f"boundary surface: {int((~inside).sum())} faces do not lie between two grains")
    surface.GetCellData().Initialize()
    phases = whole.phase_ids[pairs - 1].astype(np.int32, copy=False)
    angle = np.empty(len(pairs), dtype=np.float32)
    for rows in blocks(len(pairs)):
        angle[rows] = _disorientation(whole, pairs[rows])
    for name, values in (("GrainIds", pairs), ("Phases", phases), ("Disorientation", angle)):
        array = numpy_to_vtk(values, deep=True)
        array.SetName(name)
        surface.GetCellData().AddArray(array)
    surface.GetCellData().SetActiveScalars("Disorientation")
    return surface


def _disorientation(whole: MaterialGrid, pairs: np.ndarray) -> np.ndarray:
    """Angles between pairs of materials in degrees, 180 between different phases."""
    phases = whole.phase_ids[pairs - 1]
    angle = np.full(len(pairs), 180.0, dtype=np.float32)
    for number, phase in enumerate(whole.phases, start=1):
        same = (phases == number).all(axis=1)
        a, b = whole.quaternions[pairs[same, 0] - 1], whole.quaternions[pairs[same, 1] - 1]
        angle[same] = np.rad2deg(disorientation_angle(a, b, phase.symmetry))
    return angle
