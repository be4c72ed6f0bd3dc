"""Smooth meshes of a synthetic polycrystal
========================================

Volumes and shapes of tetrahedra of several sizes, and a picture of the voxels and the tetrahedra of the same grains,
with the grains of one octant left out. It needs Gmsh (``pip install "polyrve[mesh]"``).

::

    python examples/smooth_meshes.py --figure docs/figures/smooth_mesh.png
"""

# sphinx_gallery_thumbnail_path = "figures/smooth_mesh.png"

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from polyrve import make_specimen
from polyrve.meshing.network import surface_net
from polyrve.meshing.tetrahedra import TetrahedralMesh, mesh_grains
from polyrve.microstructure.grains import GrainVolume


def specimen(edge: int, grains: int) -> GrainVolume:
    diameter = float(np.cbrt(edge**3 / grains * 6.0 / np.pi))
    return make_specimen((edge,) * 3, grain_size=diameter, texture="random", scatter=0.0, seed=1)


def measured(rve: GrainVolume, size: float | None, *, improve: bool = True) -> tuple[TetrahedralMesh, str]:
    start, processor = time.monotonic(), time.process_time()
    mesh = mesh_grains(rve.grain_ids, rve.field.spacing, size=size, periodic=True, improve=improve)
    seconds, processor = time.monotonic() - start, time.process_time() - processor
    quality, memory = mesh.quality, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    assert mesh.volume_error() < 0.01
    assert quality.inverted == 0
    sum(len(nodes) for _, nodes, _ in mesh.images())
    return mesh, (
        f"| {'x'.join(map(str, rve.field.shape))} | {rve.number_of_grains} | {mesh.size:.3g} | {len(mesh.tetrahedra)} "
        f"| {mesh.volume_error():.1e} | {quality.smallest_dihedral:.1f} | {quality.largest_dihedral:.1f} "
        f"| {quality.dihedral_percentile:.1f} | {quality.below_10} | {quality.scaled_jacobian:.3f} "
        f"| {processor:.0f} | {seconds:.0f} | {memory:.2f} |"
    )


def draw(rve: GrainVolume, mesh: TetrahedralMesh, path: Path) -> None:
    """Draw voxels and elements side by side, grains in the octant towards the eye left out."""
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOImage import vtkPNGWriter
    from vtkmodules.vtkRenderingCore import (
        vtkActor,
        vtkPolyDataMapper,
        vtkRenderer,
        vtkRenderWindow,
        vtkWindowToImageFilter,
    )  # fmt: skip

    table = rve.to_dataframe()
    centres = np.zeros((rve.number_of_grains + 1, 3))
    inside = [np.indices(rve.field.shape)[2 - axis] + 0.5 for axis in range(3)]
    for axis in range(3):
        sums = np.bincount(rve.grain_ids.ravel(), inside[axis].ravel())
        centres[1:, axis] = sums[1:] / table.points
    middle = np.array(rve.field.shape[::-1]) / 2.0
    left_out: np.ndarray = np.all(centres > middle * 1.02, axis=1)
    left_out[0] = True
    colours = np.random.default_rng(4).integers(70, 245, (len(centres), 3)).astype(np.uint8)

    def actor(points: np.ndarray, cells: np.ndarray, grains: np.ndarray) -> Any:
        data, corners = vtkPolyData(), vtkPoints()
        corners.SetData(numpy_to_vtk(points, deep=True))
        data.SetPoints(corners)
        array, flat = vtkCellArray(), np.ascontiguousarray(cells, dtype=np.int64).ravel()
        array.SetData(cells.shape[1], numpy_to_vtkIdTypeArray(flat, deep=True))
        data.SetPolys(array)
        data.GetCellData().SetScalars(numpy_to_vtk(colours[grains], deep=True))
        mapper, made = vtkPolyDataMapper(), vtkActor()
        mapper.SetInputData(data)
        made.SetMapper(mapper)
        made.GetProperty().EdgeVisibilityOn()
        made.GetProperty().SetEdgeColor(0.15, 0.15, 0.15)
        made.GetProperty().SetLineWidth(0.6)
        made.GetProperty().SetAmbient(0.25)
        return made

    def shown(sides: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        out = left_out[sides]
        rows = out.any(axis=1) & ~out.all(axis=1)
        return rows, np.where(out[rows, 0], sides[rows, 1], sides[rows, 0])

    rows, grains = shown(mesh.sides)
    smooth = actor(mesh.points, mesh.triangles[rows, :3], grains)
    quads, sides = surface_net(rve.grain_ids)
    rows, grains = shown(sides)
    corners = np.indices(tuple(n + 1 for n in rve.field.shape))[::-1].reshape(3, -1).T.astype(float)
    voxels = actor(corners, quads[rows], grains)
    window = vtkRenderWindow()
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(8)
    window.SetSize(1800, 900)
    for place, made in enumerate((voxels, smooth)):
        renderer = vtkRenderer()
        renderer.SetViewport(0.5 * place, 0.0, 0.5 * place + 0.5, 1.0)
        renderer.SetBackground(1.0, 1.0, 1.0)
        renderer.AddActor(made)
        window.AddRenderer(renderer)
        camera = renderer.GetActiveCamera()
        camera.SetPosition(*(middle * [5.0, 4.2, 4.0]))
        camera.SetFocalPoint(*middle)
        camera.SetViewUp(0.0, 0.0, 1.0)
        renderer.ResetCamera()
        camera.Zoom(1.0)
    window.Render()
    image, writer = vtkWindowToImageFilter(), vtkPNGWriter()
    image.SetInput(window)
    image.ReadFrontBufferOff()
    writer.SetInputConnection(image.GetOutputPort())
    writer.SetFileName(str(path))
    writer.Write()
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, default=Path("docs/figures/smooth_mesh.png"))
    parser.add_argument("--edge", type=int, default=36)
    parser.add_argument("--grains", type=int, default=50)
    parser.add_argument("--sizes", type=float, nargs="+", default=[3.0, 2.0, 1.5])
    given = parser.parse_args()
    rve = specimen(given.edge, given.grains)
    print("| voxels | grains | size (um) | elements | volume error | least dihedral | largest | 99 % above | below 10 "
          "| least scaled Jacobian | CPU (s) | wall (s) | peak memory (GiB) |")  # fmt: skip
    print("|" + "---|" * 13)
    for size in given.sizes:
        mesh, row = measured(rve, size)
        print(row, flush=True)
    draw(rve, mesh, given.figure)


if __name__ == "__main__":
    main()
