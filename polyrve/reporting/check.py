"""The drawing by which the frame of a map is checked by eye."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure as Drawing

from polyrve import rotation
from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.adapters.replacing import replacing
from polyrve.crystal import Phase
from polyrve.grains import GrainMap, segment
from polyrve.orientation import OrientationMap, OrientationVolume
from polyrve.texture import pole_density, pole_directions

_MOST_POINTS = 200_000
_MOST_POLES = 20_000
_MOST_SHAPES = 60
_SIX_SIDED = ("-3", "-3m", "6/m", "6/mmm")


def draw_check(field: OrientationMap | OrientationVolume, path: str | Path, *, force: bool = False) -> None:
    """Draw a map so that its frame can be judged.

    IPF-X, IPF-Y and IPF-Z maps, crystal shapes on the largest grains and pole figures, all seen with row 0 on top: x to
    the right, y down, z away from the viewer. A wrong frame shows as traces of twins, slip or
    elongated grains that do not fit the crystal shapes drawn on them, or as a texture that lies wrong in the sample.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
        Of a volume the middle section normal to z is drawn.
    path : path-like
        Of the image, e.g. ``"check.png"``; any suffix that matplotlib writes.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError
        If no point is indexed.
    FileExistsError
        If the file exists and `force` is not given.
    """
    shown = field.section(0, field.shape[0] // 2) if isinstance(field, OrientationVolume) else field
    if not shown.indexed.any():
        raise ValueError("field: expected indexed points; got none")
    number = int(np.bincount(shown.phase_ids[shown.indexed]).argmax())
    poles = pole_directions(shown.phases[number - 1].laue)
    height = shown.shape[0] * shown.spacing[0] / (shown.shape[1] * shown.spacing[1])
    drawing = Drawing(figsize=(15.0, 3.9 * min(max(height, 0.4), 2.0) + 4.6), layout="constrained")
    halves: Any = drawing.subfigures(2, 1, height_ratios=(min(max(height, 0.4), 2.0) * 3.9 + 0.6, 4.0))
    top, bottom = halves
    for axis, (name, direction) in zip(top.subplots(1, 4), _PANELS, strict=True):
        colors = ipf_colors(shown.quaternions, shown.phase_ids, shown.phases, direction)
        _map(axis, shown, colors if name != "crystal shapes" else colors // 2 + 128)
        axis.set_title(name)
        if name == "crystal shapes":
            _crystal_shapes(axis, shown)
    for axis, (name, directions) in zip(bottom.subplots(1, len(poles), squeeze=False)[0], poles.items(), strict=True):
        _pole_figure(axis, shown, number, directions)
        axis.set_title(f"{{{name}}} {shown.phases[number - 1].name}")
    source, frame = shown.provenance.get("source", ""), shown.frame
    drawing.suptitle(f"{source}   frame {frame.name} ({frame.source})   x right, y down, z away")
    with replacing(path, force=force) as partial:
        drawing.savefig(partial, dpi=110)


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


def _pole_figure(axis: Axes, field: OrientationMap, number: int, directions: np.ndarray) -> None:
    """Stereographic pole figure seen as the map is: x right, y down; in multiples of a random distribution."""
    q = field.quaternions[field.phase_ids == number]
    q = q[:: max(1, len(q) * len(directions) // _MOST_POLES)]
    poles = np.concatenate([rotation.rotate(rotation.conjugate(q), direction) for direction in directions])
    edge = np.linspace(-1.0, 1.0, 121)
    x, y = np.meshgrid(edge, edge)
    square = x**2 + y**2
    inside = square <= 1.0
    seen = np.stack([2 * x, 2 * y, square - 1.0], axis=-1) / (1.0 + square)[..., None]
    density = np.full(x.shape, np.nan)
    density[inside] = pole_density(poles, seen[inside])
    image = axis.imshow(density, extent=(-1.0, 1.0, 1.0, -1.0), cmap="viridis", vmin=0.0)
    circle = np.linspace(0.0, 2 * np.pi, 200)
    axis.plot(np.cos(circle), np.sin(circle), color="black", linewidth=1.0)
    axis.text(1.06, 0.0, "x", va="center")
    axis.text(0.0, 1.06, "y", ha="center", va="top")
    axis.set_axis_off()
    axis.figure.colorbar(image, ax=axis, shrink=0.7, label="m.r.d.")
