"""The drawing by which the frame of a map is checked by eye."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure as Drawing

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.replacing import replacing
from polyrve.crystallography import rotation
from polyrve.crystallography.odf import pole_directions
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.segmentation import segment
from polyrve.report.directions import HEMISPHERE, color_key, pole_figure
from polyrve.steps import announce

_MOST_POINTS = 200_000
_MOST_PHASES = 2
_MOST_SHAPES = 60
_FIRST_COLOURS, _MAPS, _SAVING = 0.4, 0.45, 0.8
"""Shares of the time until the first colours (what they need is loaded), the maps and the pole figures are there."""
_SIX_SIDED = ("-3", "-3m", "6/m", "6/mmm")


def draw_check(field: OrientationMap | OrientationVolume, path: str | Path, *, force: bool = False) -> None:
    """Draw a map so that its frame can be checked.

    IPF-X, IPF-Y and IPF-Z maps, crystal shapes on the largest grains, and pole figures (:mod:`.directions`) and the key
    of the colours of the one or two phases with most points, all seen with row 0 on top: x to the right, y down, z away
    from the viewer. A wrong frame shows as traces of twins, slip or
    elongated grains that do not fit the crystal shapes drawn on them, or as a texture that lies wrong in the sample.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
        Of a volume the middle section normal to z is drawn, and pole figures of all points.
    path : path-like
        Of the image, e.g. ``"check.png"``; any suffix that matplotlib writes.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError
        If no point is indexed, or matplotlib writes no images of that suffix.
    FileExistsError
        If the file exists and `force` is not given.
    """
    require_image_name(path)
    if not field.indexed.any():
        raise ValueError(f"{path}: nothing to draw: expected indexed points; got none")
    drawing = check_drawing(field, lambda share: announce(f"drawing {path}", round(100 * share), 100))
    with replacing(path, force=force) as partial:
        drawing.savefig(partial, dpi=110)


def require_image_name(path: str | Path) -> None:
    """Refuse a file name whose suffix is of no image that matplotlib writes.

    Raises
    ------
    ValueError
    """
    suffix = Path(path).suffix
    kinds = FigureCanvasBase.get_supported_filetypes()
    if suffix.lower().removeprefix(".") not in kinds:
        raise ValueError(
            f"{path}: expected a file name that ends in .png, or another of {', '.join(sorted(kinds))}; "
            f"got {suffix or 'no suffix'}"
        )


def check_drawing(
    field: OrientationMap | OrientationVolume, tell: Callable[[float], object] = lambda share: None
) -> Drawing:
    """The drawing that :func:`draw_check` saves, of a field with indexed points; `tell` hears how far it is."""
    tell(0.0)
    shown = field.section(0, field.shape[0] // 2) if isinstance(field, OrientationVolume) else field
    points = np.bincount(field.phase_ids[field.indexed], minlength=len(field.phases) + 1)
    most = [int(i) for i in np.argsort(-points, kind="stable") if points[i]][:_MOST_PHASES]
    height = 3.9 * min(max(shown.shape[0] * shown.spacing[0] / (shown.shape[1] * shown.spacing[1]), 0.4), 2.0) + 0.6
    drawing = Drawing(figsize=(15.0, height + 4.0 * len(most)), layout="constrained")
    halves: Any = drawing.subfigures(1 + len(most), 1, height_ratios=(height, *(4.0 for _ in most)))
    top, *below = np.atleast_1d(halves)
    for axis, (name, direction) in zip(top.subplots(1, 4), _PANELS, strict=True):
        colors = ipf_colors(shown.quaternions, shown.phase_ids, shown.phases, direction)
        _map(axis, shown, colors if name != "crystal shapes" else colors // 2 + 128)
        axis.set_title(name)
        if name == "crystal shapes":
            _crystal_shapes(axis, shown)
        tell(_FIRST_COLOURS)
    figures = count(1)
    tell(_MAPS)
    for part, number in zip(below, most, strict=True):
        phase, q = field.phases[number - 1], field.quaternions[field.phase_ids == number]
        families = pole_directions(phase.laue)
        grid = part.add_gridspec(1, len(families) + 1)
        for place, (name, directions) in zip(grid, families.items(), strict=False):
            axis = part.add_subplot(place)
            part.colorbar(pole_figure(axis, q, directions), ax=axis, shrink=0.7, label="m.r.d.")
            axis.set_title(f"{{{name}}}")
            tell(_MAPS + (_SAVING - _MAPS) * next(figures) / (len(families) * len(most)))
        color_key(part, grid[len(families)], phase.laue).set_title("IPF key", pad=24.0)
        size = f"{points[number]} points, {100 * points[number] / field.phase_ids.size:.2f} %"
        part.suptitle(f"{phase.name} ({phase.laue}), {size}: pole figures, stereographic, {HEMISPHERE}")
    source, frame = shown.provenance.get("source", ""), shown.frame
    layer = f"   section z:{field.shape[0] // 2} of {field.shape[0]}" if shown is not field else ""
    drawing.suptitle(f"{source}{layer}   frame {frame.name} ({frame.source})   x right, y down, z away")
    return drawing


_PANELS = (
    ("IPF-X", (1.0, 0.0, 0.0)),
    ("IPF-Y", (0.0, 1.0, 0.0)),
    ("IPF-Z", (0.0, 0.0, 1.0)),
    ("crystal shapes", (0.0, 0.0, 1.0)),
)


def _map(axis: Axes, field: OrientationMap, colors: np.ndarray) -> None:
    height, width = (n * d for n, d in zip(field.shape, field.spacing, strict=True))
    axis.imshow(colors, extent=(0.0, width, height, 0.0), interpolation="nearest")
    axis.set_xlabel("x (µm)")
    axis.set_ylabel("y (µm)")
    axis.set_autoscale_on(False)


def _crystal_shapes(axis: Axes, field: OrientationMap) -> None:
    """The unit cells of the largest grains, as polyhedra seen along z."""
    stride = int(np.ceil(np.sqrt(field.phase_ids.size / _MOST_POINTS)))
    coarse = OrientationMap(
        field.quaternions[::stride, ::stride], field.phase_ids[::stride, ::stride], field.phases,
        (field.spacing[0] * stride, field.spacing[1] * stride),
    )  # fmt: skip
    grains = segment(coarse)
    points = np.bincount(grains.grain_ids.ravel())[1:]
    for grain in np.argsort(points)[::-1][:_MOST_SHAPES]:
        if points[grain] < 4:
            break
        centre, radius = _place(grains, grain + 1)
        phase = coarse.phases[grains.phase_ids[grain] - 1]
        q = grains.quaternions[grain]
        color = ipf_colors(q[None], np.array([1]), (phase,), (0.0, 0.0, 1.0))[0] / 255.0
        faces, shades = [], []
        for corners in _unit_cell(phase):
            turned = rotation.rotate(rotation.conjugate(q), corners)
            normal = np.cross(turned[1] - turned[0], turned[2] - turned[1])
            if normal @ turned.mean(axis=0) < 0:
                normal = -normal
            if normal[2] < -1e-9:
                faces.append(centre + radius * turned[:, :2])
                shades.append(color * (0.45 - 0.55 * normal[2] / np.linalg.norm(normal)))
        axis.add_collection(PolyCollection(faces, facecolors=shades, edgecolors="black", linewidths=0.6))


def _place(grains: GrainMap, grain: int) -> tuple[np.ndarray, float]:
    """The point of a grain nearest to its centre (x, y), and a radius that fits in it, um."""
    rows, columns = np.nonzero(grains.grain_ids == grain)
    dy, dx = grains.field.spacing
    at = np.stack([(columns + 0.5) * dx, (rows + 0.5) * dy], axis=1)
    centre = at[np.argmin(np.sum((at - at.mean(axis=0)) ** 2, axis=1))]
    return centre, 0.45 * float(np.sqrt(len(rows) * dx * dy))


def _unit_cell(phase: Phase) -> list[np.ndarray]:
    """Faces of a polyhedron with the axes of the lattice, each shape (n, 3), within a sphere of radius 1."""
    lengths = np.array(phase.lattice[:3]) if min(phase.lattice[:3]) > 0 else np.ones(3)
    if phase.laue in _SIX_SIDED:
        ratio = min(max(lengths[2] / lengths[0], 0.5), 2.0)
        angle = np.deg2rad(np.arange(6) * 60.0)
        ring = np.stack([np.cos(angle), np.sin(angle), np.zeros(6)], axis=1)
        up = np.array([0.0, 0.0, ratio / 2])
        sides = [np.stack([ring[i] - up, ring[i - 5] - up, ring[i - 5] + up, ring[i] + up]) for i in range(6)]
        faces = [ring - up, ring + up, *sides]
    else:
        half = np.clip(lengths / lengths.max(), 0.4, 1.0) / 2
        square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        faces = [
            np.insert(square, axis, sign, axis=1) * half for axis in range(3) for sign in (-1.0, 1.0)
        ]  # fmt: skip
    size = max(float(np.linalg.norm(face, axis=1).max()) for face in faces)
    return [face / size for face in faces]
