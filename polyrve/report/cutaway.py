"""A volume as a picture in three dimensions, its near corner or the part before a plane cut away.

Rays of a parallel projection meet convex bodies bounded by planes; what they meet first is coloured by its voxel. Needs
NumPy alone: no window, no graphics driver.
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image

from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.report.point_colors import field_of, kinds, look

_TOWARDS_VIEWER = np.array([0.7, 1.5, -1.1]) / np.linalg.norm([0.7, 1.5, -1.1])
"""(x, y, z). The layer z = 0 lies on top as a map does: x to the right, y to the front."""
_UP = np.array([0.0, 0.0, -1.0])
_LIGHT = {"x": 0.78, "y": 0.9, "z": 1.0, "cut": 0.95}
"""Brightness of faces by their normal: chosen, so that edges between faces of one colour are seen."""
_SAMPLES = 3
"""Rays per pixel along each side; with one edges are stairs, with more nothing is seen any more."""

Plane = tuple[np.ndarray, float, float]
"""Normal n (x, y, z), offset d and brightness of the plane n . p = d; what is kept has n . p <= d."""


def render(
    colors: np.ndarray,
    spacing: tuple[float, ...],
    *,
    cut: str | float | None = "corner",
    grain_ids: np.ndarray | None = None,
    width: int = 480,
) -> np.ndarray:
    """Return the picture of a block of voxels.

    Parameters
    ----------
    colors : ndarray, shape (nz, ny, nx, 3), uint8
    spacing : tuple of float, um
        Size of a voxel along z, y and x.
    cut : {"corner"}, float or None
        What is taken away: the eighth at the nearest corner; or this share of the diagonal to the nearest corner, by a
        plane normal to it; or nothing.
    grain_ids : ndarray of int, shape (nz, ny, nx), optional
        Boundaries between them are drawn as dark lines.
    width : int
        Pixels across.

    Returns
    -------
    ndarray, shape (height, width, 4), uint8
        Red, green, blue, and opacity: 0 beside the block.

    Raises
    ------
    ValueError
        If `cut` is neither a share from 0 to 1 nor a known word.

    Examples
    --------
    >>> import numpy as np
    >>> colors = np.full((4, 5, 6, 3), 200, dtype=np.uint8)
    >>> render(colors, (1.0, 1.0, 1.0), width=60).shape[1:]
    (60, 4)
    """
    size = np.array(colors.shape[2::-1]) * np.array(spacing[::-1], dtype=float)
    bodies = _bodies(size, cut)
    right = np.cross(-_TOWARDS_VIEWER, _UP)
    right /= np.linalg.norm(right)
    up = np.cross(right, -_TOWARDS_VIEWER)
    corners = np.array([[x, y, z] for x in (0, size[0]) for y in (0, size[1]) for z in (0, size[2])])
    across, along = corners @ right, corners @ up
    step = np.ptp(across) / (_SAMPLES * width - 2 * _SAMPLES)
    columns = across.min() + (np.arange(_SAMPLES * width) + 0.5 - _SAMPLES) * step
    height = int(np.ceil(np.ptp(along) / step / _SAMPLES)) + 2
    rows = along.max() - (np.arange(_SAMPLES * height) + 0.5 - _SAMPLES) * step
    origin = columns[None, :, None] * right + rows[:, None, None] * up
    depth = np.full(origin.shape[:2], np.inf)
    face = np.full(origin.shape[:2], -1)
    light: list[float] = []
    for body in bodies:
        entry, number, hit = _first_met(origin, body)
        nearer = hit & (entry < depth)
        depth[nearer], face[nearer] = entry[nearer], number[nearer] + len(light)
        light.extend(plane[2] for plane in body)
    hit = np.isfinite(depth)
    inside = origin[hit] - (depth[hit] + 1e-6 * size.max())[:, None] * _TOWARDS_VIEWER
    voxel = tuple(
        np.clip((inside[:, 2 - i] / spacing[i]).astype(int), 0, colors.shape[i] - 1) for i in range(3)
    )  # fmt: skip
    picture = np.zeros((*depth.shape, 4))
    picture[hit, :3] = colors[voxel] * np.array(light)[face[hit]][:, None]
    picture[hit, 3] = 255.0
    if grain_ids is not None:
        ids = np.full(depth.shape, -1, dtype=np.int64)
        ids[hit] = grain_ids[voxel]
        picture[_edges(ids) & hit, :3] *= 0.15
    pixels = picture.reshape(height, _SAMPLES, width, _SAMPLES, 4)
    opacity = pixels[..., 3:].sum(axis=(1, 3))
    mean = (pixels[..., :3] * pixels[..., 3:]).sum(axis=(1, 3)) / np.maximum(opacity, 1.0)
    return np.concatenate([mean, opacity / _SAMPLES**2], axis=-1).round().astype(np.uint8)


def plot_cutaway(
    data: OrientationVolume | GrainVolume,
    kind: str = "ipf",
    *,
    direction: Any = "z",
    cut: str | float | None = "corner",
    ax: Axes | None = None,
) -> Axes:
    """Draw a volume in three dimensions with its near corner cut away.

    Parameters
    ----------
    data : OrientationVolume or GrainVolume
    kind, direction
        As for :meth:`polyrve.OrientationVolume.plot`.
    cut : {"corner"}, float or None
        As for :func:`render`.
    ax : matplotlib.axes.Axes, optional

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `kind` or `cut` is unknown, or the volume is one layer thick.
    """
    field = field_of(data)
    if min(field.shape) < 2:
        raise ValueError(f"volume: expected at least two voxels along each axis; got shape {field.shape}")
    if kind == "boundaries":
        expected = ", ".join(name for name in kinds(data) if name != kind)
        raise ValueError(f"kind: expected one of {expected} in three dimensions; got {kind!r}")
    ids = data.grain_ids if isinstance(data, GrainVolume) else None
    shown = look(data, [(field, ids)], kind, direction)
    values = shown.images[0]
    if ax is None:
        ax = plt.figure(figsize=(5.0, 5.0), layout="constrained").subplots()
    if shown.label:
        finite = values[np.isfinite(values)]
        scale = plt.Normalize(finite.min(), finite.max()) if len(finite) else plt.Normalize(0.0, 1.0)
        shades = plt.cm.ScalarMappable(scale, plt.get_cmap("viridis").with_extremes(bad="0.75"))
        values = shades.to_rgba(values, bytes=True)[..., :3]
        ax.figure.colorbar(shades, ax=ax, label=shown.label, shrink=0.7)
    ax.imshow(render(values, field.spacing, cut=cut, grain_ids=ids), interpolation="antialiased")
    ax.set_axis_off()
    size = " x ".join(f"{n * length:.4g}" for n, length in zip(field.shape, field.spacing, strict=True))
    ax.set_title(f"{size} µm (z, y, x); x to the right, y to the front, z down", fontsize=9)
    return ax


def png(grains: GrainVolume, width: int = 620) -> bytes:
    """Return the picture of a volume in IPF-Z colours with the boundaries of its grains as PNG."""
    field = grains.field
    colors = look(grains, [(field, grains.grain_ids)], "ipf").images[0]
    buffer = io.BytesIO()
    picture = render(colors, field.spacing, grain_ids=grains.grain_ids, width=width)
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _bodies(size: np.ndarray, cut: str | float | None) -> list[list[Plane]]:
    """The convex bodies whose union is kept."""
    box: list[Plane] = []
    for axis, name in enumerate("xyz"):
        normal = np.eye(3)[axis]
        box += [(normal, float(size[axis]), _LIGHT[name]), (-normal, 0.0, _LIGHT[name])]
    if cut is None:
        return [box]
    if cut == "corner":
        x, y, z = np.eye(3)
        middle = size / 2.0
        kept = ((x, middle[0], "x"), (y, middle[1], "y"), (-z, -middle[2], "z"))
        return [[*box, (normal, float(offset), _LIGHT[name])] for normal, offset, name in kept]
    if isinstance(cut, str) or not 0.0 <= cut <= 1.0:
        raise ValueError(f"cut: expected 'corner', a share from 0 to 1 or None; got {cut!r}")
    outwards = np.sign(_TOWARDS_VIEWER) / size
    far = float(np.minimum(outwards * size, 0.0).sum())
    near = float(np.maximum(outwards * size, 0.0).sum())
    return [[*box, (outwards, near + cut * (far - near), _LIGHT["cut"])]]


def _first_met(origin: np.ndarray, body: list[Plane]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where rays enter a body, by which of its planes, and whether they do."""
    entry = np.full(origin.shape[:2], -np.inf)
    leave = np.full(origin.shape[:2], np.inf)
    number = np.zeros(origin.shape[:2], dtype=int)
    for i, (normal, offset, _) in enumerate(body):
        along = -float(normal @ _TOWARDS_VIEWER)
        at = (offset - origin @ normal) / along
        if along < 0:
            later = at > entry
            entry[later], number[later] = at[later], i
        else:
            leave = np.minimum(leave, at)
    return entry, number, entry < leave


def _edges(ids: np.ndarray) -> np.ndarray:
    """Points whose right or lower neighbour has another id."""
    found = np.zeros(ids.shape, dtype=bool)
    found[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    found[:-1] |= ids[:-1] != ids[1:]
    return found
