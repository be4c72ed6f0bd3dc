"""A polycrystal whose sizes, shapes, phases, textures and scatter change along one axis as the maps do.

The maps are taken apart in overlapping windows along the axis (:mod:`polyrve.microstructure.gradients`). Each has its
own chords, its own orientations and its own scatter; what lies between two windows takes of both. Cells are drawn in a
space in which they are equiaxed: lengths along the axis are measured in those of the cells there, and across it as they
are. The volume repeats across the axis and not along it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyrve.crystallography import rotation
from polyrve.initial.laguerre_fit import CellFit, cells_of_chords, faces_rounded, fit_cells
from polyrve.initial.polycrystal import draw_orientations
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.gradients import Windows, in_window
from polyrve.microstructure.laguerre import voxel_centres
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.orientation_scatter import fit_scatter
from polyrve.microstructure.placed import Given, Placed, distinct, placed
from polyrve.microstructure.section_measures import SectionMeasures
from polyrve.microstructure.sized_cells import graded_tessellation
from polyrve.microstructure.stereology import SPECK

_MARGIN = 2.0
"""Cells of the larger end beyond both ends of the axis, since cells go on across the faces of the box."""

_CORRECTIONS = 2
"""Drawings whose chords in each window correct the lengths of the next; each leaves about a third of the error."""

_PLANES = 24
"""Sections of a drawing whose chords are measured along each axis."""


def graded_polycrystal(
    maps: Given[OrientationMap],
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    axis: int,
    windows: Windows,
    rng: np.random.Generator,
    *,
    noise: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a polycrystal that changes along an axis as maps do.

    Parameters
    ----------
    maps : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to, which is not the graded one; points of the voxels' size, in one
        sample frame, and at least as many of them along the graded axis as the volume has.
    shape : tuple of int
        (nz, ny, nx).
    spacing : sequence of float, um
        (dz, dy, dx).
    axis : int
        The graded array axis.
    windows : Windows
        Along it.
    rng : numpy.random.Generator
    noise : bool
        As for :func:`polyrve.initial.polycrystal.polycrystal`.

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32
    """
    parts = [analyse_all(in_window(maps, axis, bounds)) for bounds in windows.bounds]
    most = max(range(len(parts)), key=lambda i: sum(one.sections.number_of_grains for one in distinct(parts[i])))
    size = tuple(last - first if i == axis else n for i, (n, (first, last)) in
                 enumerate(zip(shape, [windows.bounds[most]] * 3, strict=True)))  # fmt: skip
    cells = fit_cells(parts[most], size, spacing, rng)
    ratio = np.array(cells.lengths) / cells_of_chords(parts[most], size, spacing).lengths
    lengths = np.array([np.array(cells_of_chords(part, size, spacing).lengths) * ratio for part in parts])
    wanted = np.array([_chords_of(_pooled(part), spacing) for part in parts])
    labels = _drawn(lengths, cells, shape, spacing, axis, windows, rng)
    for _ in range(_CORRECTIONS):
        found = np.array([_chords_of(_cut(labels, part, axis, bounds, spacing), spacing)
                          for part, bounds in zip(parts, windows.bounds, strict=True)])  # fmt: skip
        correction = wanted / found
        lengths = lengths * np.where(np.isfinite(correction), correction, 1.0)
        labels = _drawn(lengths, cells, shape, spacing, axis, windows, rng)
    quaternions, phase_ids = _oriented(maps, labels, axis, windows, cells, rng)
    scatter = np.zeros((*shape, 3))
    for part, weight in zip(parts, windows.weights, strict=True):
        found_scatter = fit_scatter([one.grains for one in distinct(part)], SPECK + 1)
        over = np.sqrt(weight).reshape([-1 if i == axis else 1 for i in range(3)])
        scatter += over[..., None] * found_scatter.field(shape, spacing, rng, noise=noise)
    away = rotation.from_rotation_vector(scatter)
    return rotation.multiply(quaternions[labels], away), phase_ids[labels].astype(np.int32)


def _pooled(maps: Placed[MapAnalysis]) -> dict[int, SectionMeasures]:
    return {normal: SectionMeasures.together([one.sections for one in some]) for normal, some in maps.items()}


def _chords_of(sections: dict[int, SectionMeasures], spacing: Sequence[float]) -> np.ndarray:
    """Mean chords along z, y and x, um, of the sections that show them; NaN where none does."""
    found: list[list[float]] = [[], [], []]
    for normal, one in sections.items():
        for axis, share, step in zip(in_plane(normal), one.boundary_shares, one.spacing, strict=True):
            # By crossings, not by whole chords, of which a narrow window holds the short ones.
            found[axis].append(step / share if share > 0 else np.nan)
    return np.array([np.mean(lengths) if lengths else np.nan for lengths in found])


def _cut(
    labels: np.ndarray, part: Placed[MapAnalysis], axis: int, bounds: tuple[int, int], spacing: Sequence[float]
) -> dict[int, SectionMeasures]:
    """Cut the sections of a volume of cells that stand for the maps of a window."""
    window = np.take(labels, range(*bounds), axis=axis)
    found = {}
    for normal in part:
        planes = np.moveaxis(window, normal, 0)
        chosen = np.unique(np.linspace(0, len(planes), min(len(planes), _PLANES), endpoint=False).astype(int))
        found[normal] = SectionMeasures.of_labels(planes[chosen], [spacing[i] for i in in_plane(normal)], False)
    return found


def _drawn(
    lengths: np.ndarray,
    cells: CellFit,
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    axis: int,
    windows: Windows,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draw the cell of each voxel where cells have some lengths (windows, 3) along z, y, x; 0 ... N - 1."""
    step = np.array(spacing, dtype=float)
    across = [i for i in range(3) if i != axis]
    along = np.exp(windows.weights.T @ np.log(lengths))
    # One stretch across the axis for all windows; what is left of the shape is along it.
    stretch = np.ones(3)
    stretch[across] = np.exp(np.log(along[:, across]).mean(axis=0))
    stretch[across] /= np.sqrt(np.prod(stretch[across]))
    size = np.sqrt(np.prod(along[:, across] / stretch[across], axis=1))
    grown = size / along[:, axis]
    # In the space of equiaxed cells, where a cell of either end reaches as far across the seam as it is wide.
    reach = _MARGIN * size[[0, -1]].max()
    before, after = (np.full(int(np.ceil(reach / (grown[end] * step[axis]))), end) for end in (0, -1))
    index = np.concatenate([before, np.arange(shape[axis]), after])
    size, grown = size[index], grown[index]
    edges = np.append(0.0, np.cumsum(grown * step[axis]))
    places = (edges[1:] + edges[:-1]) / 2.0
    extent = np.array(shape) * step / stretch
    extent[axis] = edges[-1]
    even = np.interp((np.arange(len(size)) + 0.5) * edges[-1] / len(size), places, size)
    made = graded_tessellation(extent.tolist(), axis, even, cells.sizes, rng, order=cells.order)
    coordinates = [values / s for values, s in zip(voxel_centres(shape, spacing), stretch, strict=True)]
    coordinates[axis] = places
    labels = faces_rounded(made.cells(coordinates), cells, spacing, rng)
    inside = [slice(None)] * 3
    inside[axis] = slice(len(before), len(before) + shape[axis])
    kept = labels[tuple(inside)]
    return np.unique(kept, return_inverse=True)[1].reshape(shape)


def _oriented(
    maps: Given[OrientationMap],
    labels: np.ndarray,
    axis: int,
    windows: Windows,
    cells: CellFit,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Choose orientation and phase of each cell, so that each window has the texture and phases of its maps."""
    lists = placed(maps)
    weights = windows.weights
    shown: dict[int, tuple[MapAnalysis, np.ndarray]] = {}
    for normal, some in analyse_all(in_window(lists, axis, (0, windows.length))).items():
        for one in some:
            row = in_plane(normal).index(axis)
            of_points = np.moveaxis(
                np.broadcast_to(weights.T, (one.field.shape[1 - row], *weights.T.shape)), 0, 1 - row
            )
            shown.setdefault(id(one), (one, of_points))
    number = int(labels.max()) + 1
    counts = np.stack(
        [np.bincount(np.take(labels, i, axis=axis).ravel(), minlength=number) for i in range(labels.shape[axis])]
    )
    in_class = (weights @ counts).T
    in_class /= in_class.sum(axis=1, keepdims=True)
    analyses = [one for one, _ in shown.values()]
    return draw_orientations(
        labels, analyses, replace(cells, limits=cells.limits or (1.0,)), rng,
        classes=(in_class, [of_points for _, of_points in shown.values()], weights.mean(axis=1)),
    )  # fmt: skip
