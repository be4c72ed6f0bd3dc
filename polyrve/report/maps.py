"""Maps and sections of volumes, drawn for a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.report.directions import color_key
from polyrve.report.point_colors import Look, field_of, look

_MOST_KEYS, _KEY_HEIGHT = 3, 1.4
_ANGLES = LinearSegmentedColormap.from_list(
    "angles", plt.get_cmap("plasma_r")(np.linspace(0.25, 0.95, 256))
).with_extremes(bad="black")
"""From orange to dark blue, which both stand out from a light background; black where there is no angle."""


@dataclass(frozen=True, eq=False)
class _Plane:
    """A planar field to be drawn.

    Attributes
    ----------
    field : OrientationMap
    grain_ids : ndarray or None
        Boundaries between them are drawn.
    axes : (str, str)
        Names of the axes down and across.
    title : str
    """

    field: OrientationMap
    grain_ids: np.ndarray | None
    axes: tuple[str, str]
    title: str = ""


def plot_map(
    data: OrientationMap | GrainMap,
    kind: str = "ipf",
    *,
    direction: Any = "z",
    ax: Axes | None = None,
    threshold: float = 5.0,
) -> Axes:
    """Draw a map; parameters as in :meth:`polyrve.OrientationMap.plot`.

    Returns
    -------
    Axes
    """
    field, ids = (data.field, data.grain_ids) if isinstance(data, GrainMap) else (data, None)
    planes = [_Plane(field, ids, ("y", "x"))]
    shown = look(data, [(plane.field, plane.grain_ids) for plane in planes], kind, direction)
    axes = [ax] if ax is not None else _new_axes(data, planes, kind)
    _draw(axes, planes, shown, kind, threshold)
    return axes[0]


def plot_sections(
    data: OrientationVolume | GrainVolume,
    kind: str = "ipf",
    *,
    direction: Any = "z",
    at: Sequence[int] | None = None,
    threshold: float = 5.0,
) -> np.ndarray:
    """Draw the planar sections of a volume; parameters as in :meth:`polyrve.OrientationVolume.plot`.

    Returns
    -------
    ndarray of Axes
    """
    field, ids = (data.field, data.grain_ids) if isinstance(data, GrainVolume) else (data, None)
    place = [n // 2 for n in field.shape] if at is None else [int(i) for i in at]
    if len(place) != 3 or not all(0 <= i < n for i, n in zip(place, field.shape, strict=True)):
        raise ValueError(f"at: expected three indices (z, y, x) within shape {field.shape}; got {at}")
    planes = []
    for axis in planar(field.shape) or [0]:
        down, across = ("zyx"[i] for i in in_plane(axis))
        title = f"normal to {'zyx'[axis]}, {'zyx'[axis]} = {place[axis]} of 0 ... {field.shape[axis] - 1}"
        section = field.section(axis, place[axis])
        planes.append(_Plane(section, None if ids is None else np.take(ids, place[axis], axis), (down, across), title))
    shown = look(data, [(plane.field, plane.grain_ids) for plane in planes], kind, direction)
    axes = _new_axes(data, planes, kind)
    _draw(axes, planes, shown, kind, threshold)
    return np.array(axes)


def _new_axes(data: Any, planes: Sequence[_Plane], kind: str) -> list[Axes]:
    """Axes for the planes at one scale in a new figure, with the keys of IPF colours beside them."""
    sizes = [_extent(plane.field) for plane in planes]
    widths = [max(width, 0.25 * max(size[1] for size in sizes)) for _, width in sizes]
    across = 6.0 if len(planes) == 1 else 11.5
    tallest = max(size[0] for size in sizes) * (across - 0.8 * len(planes)) / sum(widths)
    across, tallest = across * min(1.0, 8.0 / tallest), min(tallest, 8.0)
    across, height = max(across, 3.0), max(tallest, 1.8) + 0.9
    groups: dict[str, list[str]] = {}
    if kind == "ipf":
        for phase in field_of(data).phases:
            groups.setdefault(phase.laue, []).append(phase.name)
    keys = list(groups.items())[:_MOST_KEYS]
    height = max(height, 0.2 + _KEY_HEIGHT * len(keys))
    width = across + (1.8 if keys else 0.6)
    drawn = (0.0, 0.0, across / width if keys else 1.0, 1.0)
    layout = ConstrainedLayoutEngine(compress=len(planes) == 1, rect=drawn, h_pad=0.08, w_pad=0.08)
    figure = plt.figure(figsize=(width, height), layout=layout)
    for row, (laue, names) in enumerate(keys):
        place = ((across + 0.35) / width, 1.0 - (1.45 + _KEY_HEIGHT * row) / height, 1.1 / width, 0.9 / height)
        color_key(figure, place, laue).set_title(", ".join(names)[:24], fontsize=9, pad=16.0)
    return list(figure.subplots(1, len(planes), squeeze=False, width_ratios=widths).flat)


def _extent(field: OrientationMap) -> tuple[float, float]:
    return field.shape[0] * field.spacing[0], field.shape[1] * field.spacing[1]


def _draw(axes: Sequence[Axes], planes: Sequence[_Plane], shown: Look, kind: str, threshold: float) -> None:
    scale = _scale(shown) if shown.label else {}
    bar: Any = None
    for ax, plane, image in zip(axes, planes, shown.images, strict=True):
        height, width = _extent(plane.field)
        y, x = plane.field.origin
        drawn = ax.imshow(image, extent=(x, x + width, y + height, y), interpolation="nearest", **scale)
        ax.set(xlabel=f"{plane.axes[1]} (µm)", ylabel=f"{plane.axes[0]} (µm)")
        ax.set_title(plane.title, fontsize=10)
        if kind == "boundaries":
            bar = _boundaries(ax, plane, threshold)
        elif plane.grain_ids is not None:
            _outlines(ax, plane)
        bar = drawn if scale else bar
    if bar is not None:
        label = shown.label or "disorientation (°), black between phases"
        axes[-1].figure.colorbar(bar, ax=list(axes), label=label, shrink=0.8)
    elif shown.legend:
        handles = [Patch(color=color, label=name) for name, color in shown.legend.items()]
        axes[0].legend(handles=handles, loc="upper left", fontsize=8, framealpha=0.85)


def _scale(shown: Look) -> dict[str, Any]:
    """One scale for all images; what is not finite is grey."""
    finite = np.concatenate([image[np.isfinite(image)] for image in shown.images])
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    colors = plt.get_cmap("viridis").with_extremes(bad="0.75")
    return {"vmin": low, "vmax": high if high > low else low + 1.0, "cmap": colors}


def _boundaries(ax: Axes, plane: _Plane, threshold: float) -> LineCollection:
    """Draw sides between points whose disorientation is above the threshold, in its colour."""
    open_field = plane.field.evolve(periodic=False)
    segments, angles = [], []
    for axis in range(2):
        angle = np.rad2deg(neighbour_disorientation(open_field, axis))
        found = angle > threshold
        segments.append(_segments(np.argwhere(found), axis, plane.field))
        angles.append(angle[found])
    values = np.concatenate(angles)
    lines = LineCollection(
        _joined(segments),
        array=np.ma.masked_invalid(values),
        linewidths=1.4,
        cmap=_ANGLES,
        capstyle="projecting",
    )
    lines.set_clim(threshold, max(float(values[np.isfinite(values)].max(initial=threshold)), threshold + 1.0))
    ax.add_collection(lines, autolim=False)
    return lines


def _outlines(ax: Axes, plane: _Plane) -> None:
    """Draw the boundaries of grains."""
    ids = np.asarray(plane.grain_ids)
    segments = [_segments(np.argwhere(np.diff(ids, axis=axis) != 0), axis, plane.field) for axis in range(2)]
    ax.add_collection(LineCollection(_joined(segments), colors="black", linewidths=0.7), autolim=False)


def _joined(segments: Sequence[np.ndarray]) -> Any:
    return np.concatenate(segments)


def _segments(points: np.ndarray, axis: int, field: OrientationMap) -> np.ndarray:
    """The sides between points and the next ones along an axis, shape (n, 2, 2), um, both ends as (x, y)."""
    ends = np.stack([points, points], axis=1)
    ends[:, :, axis] += 1
    ends[:, 1, 1 - axis] += 1
    return (ends * np.array(field.spacing) + np.array(field.origin))[:, :, ::-1]
