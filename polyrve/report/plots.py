"""Drawings of the report, each as PNG bytes; inverse pole figures by orix, the rest by matplotlib."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Circle, PathPatch

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.crystallography import rotation
from polyrve.crystallography.odf import pole_density, pole_directions
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.lags import half_space
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.stereology import SHAPED, SPECK
from polyrve.report import directions
from polyrve.report.charts import plot_loss
from polyrve.report.directions import point_group, pole_figure
from polyrve.validation.metrics import BOUNDARY_BINS, boundary_histogram, random_histogram
from polyrve.validation.run import Comparison
from polyrve.validation.section_stack import SectionStack

REFERENCE = "#1f4e79"
MEASURED = "#d1603d"
_MOST_POINTS = 20_000


def png(drawing: Drawing, dpi: int = 110, **options: Any) -> bytes:
    """A drawing as PNG."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=dpi, **options)
    return buffer.getvalue()


Panel = tuple[str, OrientationMap, tuple[str, str]]
"""Title, map and names of its two axes (down, across)."""


def ipf_maps(rows: Sequence[Sequence[Panel | None]], threshold: float) -> bytes:
    """IPF maps in rows and columns at one scale, first along z, then all of them along x.

    Parameters
    ----------
    rows : sequence of sequences of (str, OrientationMap, (str, str)) or None
        Of one length; None leaves a place empty.
    threshold : float, degrees
        Boundaries above it are drawn in black.

    Returns
    -------
    bytes
        PNG.
    """
    fields = [[None if panel is None else panel[1] for panel in row] for row in rows]
    heights = [max(_extent(field)[0] for field in row if field is not None) for row in fields]
    widths = [max(_extent(field)[1] for field in column if field is not None) for column in zip(*fields, strict=True)]
    widths = [max(width, 0.3 * max(widths)) for width in widths]
    across = 11.5
    scale = (across - 0.65 * len(widths)) / sum(widths)
    drawing = Drawing(figsize=(across, 2 * sum(height * scale + 0.62 for height in heights)), layout="constrained")
    axes = drawing.subplots(
        2 * len(rows), len(widths), squeeze=False, width_ratios=widths, height_ratios=[*heights, *heights]
    )
    for line, (name, direction) in enumerate((("Z", (0, 0, 1)), ("X", (1, 0, 0)))):
        for row, panels in enumerate(rows):
            for axis, panel in zip(axes[line * len(rows) + row], panels, strict=True):
                if panel is None:
                    axis.set_axis_off()
                    continue
                title, field, (down, along) = panel
                colors = ipf_colors(field.quaternions, field.phase_ids, field.phases, direction)
                height, width = _extent(field)
                shown = _with_boundaries(field, colors, threshold)
                axis.imshow(shown, extent=(0, width, height, 0), interpolation="none")
                axis.set_anchor("N")
                axis.set_xlabel(f"{along} (µm)")
                axis.set_ylabel(f"{down} (µm)")
                if line == 0 or len(rows) > 1:
                    axis.set_title(title, fontsize=10)
                axis.text(
                    0.02, 0.98, f"IPF-{name}", transform=axis.transAxes, va="top", fontsize=8,
                    bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2},
                )  # fmt: skip
    return png(drawing)


def _extent(field: OrientationMap) -> tuple[float, float]:
    return field.shape[0] * field.spacing[0], field.shape[1] * field.spacing[1]


def _with_boundaries(field: OrientationMap, colors: np.ndarray, threshold: float) -> np.ndarray:
    """Each point as a square of pixels, boundaries as dark lines between them."""
    factor = int(np.clip(600 // max(field.shape), 1, 6))
    image = np.repeat(np.repeat(colors, factor, axis=0), factor, axis=1)
    if factor < 3:
        return image
    open_field = field.evolve(periodic=False)
    for axis in range(2):
        rows, columns = np.nonzero(neighbour_disorientation(open_field, axis) > np.deg2rad(threshold))
        at = (rows if axis == 0 else columns) * factor + factor - 1
        for step in range(factor):
            if axis == 0:
                image[at, columns * factor + step] = 20
            else:
                image[rows * factor + step, at] = 20
    return image


@cache
def color_key(laue: str) -> bytes:
    """Key of the IPF colours of a Laue group, drawn by orix."""
    drawing = Drawing(figsize=(2.4, 2.0))
    directions.color_key(drawing, drawing.add_gridspec(1, 1)[0], laue)
    return png(drawing, bbox_inches="tight", pad_inches=0.05)


def pole_figures(sides: Sequence[tuple[str, SectionStack]], phase_id: int) -> bytes:
    """Pole figures of the families of planes of a phase, one row for each sample.

    Parameters
    ----------
    sides : sequence of (str, SectionStack)
    phase_id : int
        Phase, from 1.

    Returns
    -------
    bytes
        PNG; densities in multiples of a random distribution, one scale for a column.
    """
    families = pole_directions(sides[0][1].phases[phase_id - 1].laue)
    drawing = Drawing(figsize=(3.3 * len(families) + 0.6, 2.9 * len(sides)), layout="constrained")
    axes = drawing.subplots(len(sides), len(families), squeeze=False)
    for column, (name, family) in enumerate(families.items()):
        images = []
        for row, (title, sample) in enumerate(sides):
            images.append(pole_figure(axes[row, column], _of_phase(sample, phase_id), family))
            if column == 0:
                _beside(axes[row, column], title)
        axes[0, column].set_title(f"{{{name}}}", fontsize=10)
        _one_scale(drawing, images, list(axes[:, column]))
    return png(drawing)


def inverse_pole_figures(sides: Sequence[tuple[str, SectionStack]], phase_id: int) -> bytes:
    """Inverse pole figures of the sample directions x, y, z of a phase, one row for each sample, drawn by orix."""
    import orix.plot  # noqa: F401 the projections

    phase = sides[0][1].phases[phase_id - 1]
    group = point_group("-1" if phase.laue == "2/m" else phase.laue)
    drawing = Drawing(figsize=(10.2, 2.5 * len(sides)), layout="constrained")
    grid = drawing.add_gridspec(len(sides), 3)
    for column, (name, direction) in enumerate((("x", (1, 0, 0)), ("y", (0, 1, 0)), ("z", (0, 0, 1)))):
        meshes, axes = [], []
        for row, (title, sample) in enumerate(sides):
            axis: Any = drawing.add_subplot(grid[row, column], projection="ipf", symmetry=group)
            x, y, positions = _plane(axis)
            q = _of_phase(sample, phase_id)
            crystal = rotation.rotate(q[:: -(-len(q) // _MOST_POINTS)], np.array(direction, dtype=float))
            meshes.append(_density(axis, x, y, pole_density(crystal, positions, phase.symmetry)))
            sector = [patch for patch in axis.patches if isinstance(patch, PathPatch)]
            meshes[-1].set_clip_path(sector[0] if sector else Circle((0.0, 0.0), 1.0, transform=axis.transData))
            for text in axis.texts:
                text.set_fontsize(9)
            if row == 0:
                axis.set_title(f"crystal directions along {name}", fontsize=10, pad=16)
            if column == 0:
                _beside(axis, title)
            axes.append(axis)
        _one_scale(drawing, meshes, axes)
    return png(drawing)


def _plane(axis: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of an axis in the stereographic plane and the directions that they show."""
    (left, right), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    x, y = np.meshgrid(np.linspace(left, right, 121), np.linspace(bottom, top, 121))
    square = (x * x + y * y).ravel()
    directions = np.stack([2.0 * x.ravel(), 2.0 * y.ravel(), 1.0 - square], axis=1) / (1.0 + square)[:, None]
    return x, y, directions


def _density(axis: Any, x: np.ndarray, y: np.ndarray, density: np.ndarray) -> Any:
    return Axes.pcolormesh(axis, x, y, density.reshape(x.shape), cmap="viridis", shading="nearest", zorder=0.5)


def _beside(axis: Any, title: str) -> None:
    axis.annotate(title, (-0.16, 0.5), xycoords="axes fraction", rotation=90, va="center", ha="center")


def _one_scale(drawing: Drawing, meshes: Sequence[Any], axes: Sequence[Any]) -> None:
    highest = max(float(np.nanmax(np.ma.filled(mesh.get_array(), 0.0))) for mesh in meshes)
    for mesh in meshes:
        mesh.set_clim(0.0, highest)
    drawing.colorbar(meshes[0], ax=list(axes), shrink=0.7, label="m.r.d.")


def _of_phase(sample: SectionStack, phase_id: int) -> np.ndarray:
    """Orientations of a phase, shape (n, 4)."""
    return sample.quaternions[sample.phase_ids == phase_id]


def distributions(comparison: Comparison, normals: Sequence[str]) -> bytes:
    """Distributions of map and sections with the band of the map's windows.

    Parameters
    ----------
    comparison : Comparison
    normals : sequence of str
        Keys of ``comparison.pairs``: the sections that are drawn, beside the map of the first.

    Returns
    -------
    bytes
        PNG.
    """
    drawing = Drawing(figsize=(11.5, 6.4), layout="constrained")
    axes = drawing.subplots(2, 3).ravel()
    reference, sample = comparison.pairs[normals[0]]
    windows = comparison.windows[normals[0]]
    stacks = [comparison.pairs[name][1] for name in normals]
    _disorientations(axes[0], reference, stacks, windows)
    d = len(sample.shape)
    size = "equivalent diameter (µm)"
    _cumulative(axes[1], lambda s: _sizes(s, d), reference, stacks, windows, size, "grain size, by area")
    _cumulative(axes[2], _aspects, reference, stacks, windows, "aspect ratio", "aspect ratio, by number")
    _cumulative(axes[3], _chord_lengths, reference, stacks, windows, "chord length (µm)", "chord length")
    _cumulative(axes[4], _kernel_averages, reference, stacks, windows, "KAM (°)", "KAM")
    _cumulative(axes[5], _spreads, reference, stacks, windows, "GOS (°)", "GOS, by area")
    axes[1].legend(fontsize=8, loc="lower right")
    return png(drawing)


_Weighted = tuple[np.ndarray, np.ndarray]


def _sizes(sample: SectionStack, d: int) -> _Weighted:
    grains = sample.grains
    kept = grains.points > SPECK
    size = grains.size[kept]
    diameter = np.sqrt(4.0 * size / np.pi) if d == 2 else np.cbrt(6.0 * size / np.pi)
    return diameter, grains.weight[kept] * size


def _aspects(sample: SectionStack) -> _Weighted:
    kept = sample.grains.points >= SHAPED
    return sample.grains.aspect_ratio[kept], sample.grains.weight[kept]


def _spreads(sample: SectionStack) -> _Weighted:
    kept = sample.grains.points >= SHAPED
    return sample.grains.spread[kept], (sample.grains.weight * sample.grains.size)[kept]


def _chord_lengths(sample: SectionStack) -> _Weighted:
    return np.concatenate([c[0] for c in sample.chords]), np.concatenate([c[1] for c in sample.chords])


def _kernel_averages(sample: SectionStack) -> _Weighted:
    return sample.kernel_average, np.ones(len(sample.kernel_average))


def _disorientations(
    axis: Any, reference: SectionStack, stacks: Sequence[SectionStack], windows: Sequence[SectionStack]
) -> None:
    last = int(np.max(np.flatnonzero(boundary_histogram(reference)[:-1] > 0), initial=8)) + 2
    last = min(last, len(BOUNDARY_BINS) - 1)
    edges = BOUNDARY_BINS[: last + 1]
    middle = (edges[1:] + edges[:-1]) / 2.0
    shares = np.array([boundary_histogram(window)[:last] for window in windows])
    if len(shares) and np.isfinite(shares).any():
        low, high = np.nanquantile(shares, (0.025, 0.975), axis=0)
        axis.fill_between(middle, low, high, color="0.85", step="mid", label="windows of the map, 95 %")
    axis.stairs(boundary_histogram(reference)[:last], edges, color=REFERENCE, lw=1.8, label="map")
    mean = np.mean([boundary_histogram(stack)[:last] for stack in stacks], axis=0)
    axis.stairs(mean, edges, color=MEASURED, lw=1.8, label="RVE sections")
    axis.stairs(random_histogram(reference)[:last], edges, color=REFERENCE, ls=":", label="map, random pairs")
    mean = np.mean([random_histogram(stack)[:last] for stack in stacks], axis=0)
    axis.stairs(mean, edges, color=MEASURED, ls=":", label="RVE, random pairs")
    axis.set(xlabel="disorientation (°)", ylabel="share of boundaries", title="boundaries and random pairs")
    axis.title.set_fontsize(10)
    axis.legend(fontsize=7)


def _cumulative(
    axis: Any,
    values: Callable[[SectionStack], _Weighted],
    reference: SectionStack,
    stacks: Sequence[SectionStack],
    windows: Sequence[SectionStack],
    label: str,
    title: str,
) -> None:
    sides = [values(sample) for sample in (reference, *stacks)]
    pooled = np.concatenate([x for x, weight in sides if weight.sum()] or [np.array([0.0, 1.0])])
    highest = max((_position(0.99, x, weight) for x, weight in sides if weight.sum()), default=1.0)
    positions = np.linspace(float(pooled.min()), max(highest, float(pooled.min()) + 1e-9), 200)
    curves = np.array([_share_below(positions, *values(window)) for window in windows])
    if len(curves) and np.isfinite(curves).any(axis=0).all():
        low, high = np.nanquantile(curves, (0.025, 0.975), axis=0)
        axis.fill_between(positions, low, high, color="0.85", label="windows of the map, 95 %")
    for number, side in enumerate(sides[1:]):
        axis.plot(
            positions, _share_below(positions, *side), color=MEASURED, lw=1.4, ls=("-", "--", ":")[number % 3],
            label="RVE sections" if number == 0 else None,
        )  # fmt: skip
    axis.plot(positions, _share_below(positions, *sides[0]), color=REFERENCE, lw=1.8, label="map")
    axis.set(xlabel=label, ylabel="share below", ylim=(0, 1.02))
    axis.set_title(title, fontsize=10)


def _position(share: float, values: np.ndarray, weights: np.ndarray) -> float:
    """Smallest value below which there is at least a share of the weight."""
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][min(int(np.searchsorted(cumulative, share)), len(values) - 1)])


def _share_below(positions: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    if not weights.sum():
        return np.full(len(positions), np.nan)
    order = np.argsort(values)
    cumulative = np.append(0.0, np.cumsum(weights[order])) / weights.sum()
    return cumulative[np.searchsorted(values[order], positions, side="right")]


def madogram_maps(comparison: Comparison, name: str) -> bytes:
    """Madogram of map and sections over all lags, and the relative error, for the sum and three harmonics.

    Parameters
    ----------
    comparison : Comparison
    name : str
        Normal of the sections.

    Returns
    -------
    bytes
        PNG.
    """
    reference, sample = comparison.pairs[name]
    lag = comparison.lag
    main = reference.main_channels
    sides = [side.madogram(lag)[:, main] for side in (reference, sample)]
    count = sides[0].shape[1]
    columns = {"mean of all": slice(None)}
    for channel in sorted({0, count // 2, count - 1}):
        columns[f"harmonic {channel + 1}"] = slice(channel, channel + 1)
    drawing = Drawing(figsize=(11.0, 6.6), layout="constrained")
    axes = drawing.subplots(3, len(columns))
    step = sample.spacing
    extent = (-(lag + 0.5) * step[1], (lag + 0.5) * step[1], (lag + 0.5) * step[0], -(lag + 0.5) * step[0])
    for column, (title, chosen) in enumerate(columns.items()):
        images = [_square(side[:, chosen].mean(axis=1), lag) for side in sides]
        relative = _square(np.abs(sides[1] - sides[0])[:, chosen].mean(axis=1), lag)
        relative = np.divide(relative, images[0], out=np.full(relative.shape, np.nan), where=images[0] > 0)
        highest = max(float(np.max(images[0])), 1e-12)
        for row, image in enumerate(images):
            shown = axes[row, column].imshow(image, extent=extent, vmin=0.0, vmax=highest, cmap="magma")
        drawing.colorbar(shown, ax=list(axes[:2, column]), shrink=0.8)
        shown = axes[2, column].imshow(100.0 * relative, extent=extent, vmin=0.0, vmax=15.0, cmap="inferno")
        drawing.colorbar(shown, ax=axes[2, column], shrink=0.8, label="%", extend="max")
        axes[0, column].set_title(title, fontsize=10)
    for row, title in enumerate(("map", f"RVE, sections normal to {name}", "relative error")):
        axes[row, 0].set_ylabel(f"{title}\nlag (µm)", fontsize=9)
    return png(drawing)


def _square(values: np.ndarray, lag: int) -> np.ndarray:
    """Values at the lags of :func:`half_space` as a map of all lags, 0 in the middle."""
    image = np.zeros((2 * lag + 1,) * 2)
    for (dy, dx), value in zip(half_space(2, lag), values, strict=True):
        image[lag + dy, lag + dx] = image[lag - dy, lag - dx] = value
    return image


def loss_history(history: Sequence[Sequence[float]]) -> bytes:
    """Loss over all iterations, the grids of the schedule one after the other.

    Parameters
    ----------
    history : sequence of (level, iteration, loss)

    Returns
    -------
    bytes
        PNG.
    """
    drawing = Drawing(figsize=(8.0, 3.0), layout="constrained")
    plot_loss(history, drawing.subplots())
    return png(drawing)


def atlas(colors: np.ndarray) -> tuple[bytes, int]:
    """Sections of a volume of colours, tiled into one picture.

    Parameters
    ----------
    colors : ndarray, shape (nz, ny, nx, 3), uint8

    Returns
    -------
    content : bytes
        PNG, without loss.
    columns : int
        Tiles in a row.
    """
    from PIL import Image

    nz, ny, nx, _ = colors.shape
    columns = int(np.ceil(np.sqrt(nz * ny / nx)))
    rows = -(-nz // columns)
    tiles = np.zeros((rows * columns, ny, nx, 3), dtype=np.uint8)
    tiles[:nz] = colors
    picture = tiles.reshape(rows, columns, ny, nx, 3).swapaxes(1, 2).reshape(rows * ny, columns * nx, 3)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue(), columns


def volume_colors(quaternions: np.ndarray, phase_ids: np.ndarray, phases: Sequence[Phase]) -> Mapping[str, np.ndarray]:
    """IPF colours of a volume along x, y and z, each of shape (nz, ny, nx, 3), uint8."""
    directions = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
    return {name: ipf_colors(quaternions, phase_ids, phases, v) for name, v in directions.items()}
