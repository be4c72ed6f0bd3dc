"""Drawings of a response: the curve, the distributions of stress and strain, and where they are."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Drawing

from polyrve.microstructure.axes import in_plane
from polyrve.report.plots import MEASURED, REFERENCE, png
from polyrve.response.results import LocalFields, Response

_AXES = {"z": ("y", "x"), "y": ("z", "x"), "x": ("z", "y")}
_HIGHEST = 0.995
"""Share of the points whose values the colours tell apart; the few highest would leave one colour for the others."""


def curve(response: Response, kind: str = "png") -> bytes:
    """Stress-strain curve, engineering and true, with the offset line of the yield stress.

    Parameters
    ----------
    response : Response
    kind : {"png", "svg"}
    """
    drawing = Drawing(figsize=(7.2, 4.4), layout="constrained")
    axis = drawing.subplots()
    axis.plot(100 * response.strain, response.stress / 1e6, color=REFERENCE, marker="o", ms=3, label="engineering")
    axis.plot(
        100 * response.true_strain, response.true_stress / 1e6, color=MEASURED, marker="s", ms=3, ls="--", label="true"
    )
    modulus = response.bounds[1] if np.isnan(response.modulus) else response.modulus
    if np.isfinite(response.yield_stress) and np.isfinite(modulus):
        offset = np.sign(response.yield_stress) * 0.002
        stress = np.array([0.0, 1.15 * response.yield_stress])
        axis.plot(100 * (stress / modulus + offset), stress / 1e6, color="0.4", lw=1, ls=":", label="0.2 % offset")
        axis.plot(100 * (response.yield_stress / modulus + offset), response.yield_stress / 1e6, "k+", ms=11)
    axis.axhline(0.0, color="0.8", lw=0.8)
    axis.set(xlabel=f"strain along {response.axis} (%)", ylabel=f"stress along {response.axis} (MPa)")
    axis.grid(alpha=0.3)
    axis.legend()
    if kind == "png":
        return png(drawing)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format=kind, metadata={"Date": None})
    return buffer.getvalue()


def distributions(fields: LocalFields) -> bytes:
    """Distributions of von Mises stress and strain, by phase where there are several."""
    drawing = Drawing(figsize=(10.5, 3.6), layout="constrained")
    field = fields.grains.field
    used = [n for n in range(1, len(field.phases) + 1) if (field.phase_ids == n).any()]
    for axis, values, label in zip(
        drawing.subplots(1, 2), (fields.stress / 1e6, 100 * fields.strain),
        ("von Mises stress (MPa)", "von Mises strain (%)"), strict=True,
    ):  # fmt: skip
        edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-9), 61)
        for n, colour in zip(used, (REFERENCE, MEASURED, "#3d8a5a", "#8a3d7a", "0.3") * len(used), strict=False):
            share, _ = np.histogram(values[field.phase_ids == n], edges)
            axis.stairs(share / values.size * 100, edges, color=colour, lw=1.6, label=field.phases[n - 1].name)
        axis.axvline(values.mean(), color="0.4", lw=1, ls=":", label="mean")
        axis.axvline(np.quantile(values, 0.99), color="0.4", lw=1, ls="--", label="99 %")
        axis.set(xlabel=label, ylabel="share of the volume (%)")
        axis.legend(fontsize=8)
    return png(drawing)


def sections(fields: LocalFields) -> bytes:
    """Von Mises stress and strain in the three middle sections, with the boundaries of the grains."""
    shape = fields.stress.shape
    names = [name for name, axis in (("z", 0), ("y", 1), ("x", 2)) if all(shape[i] > 1 for i in in_plane(axis))]
    drawing = Drawing(figsize=(3.9 * len(names), 7.6), layout="constrained")
    axes = drawing.subplots(2, len(names), squeeze=False)
    for row, values, label in (
        (0, fields.stress / 1e6, "von Mises stress (MPa)"), (1, 100 * fields.strain, "von Mises strain (%)"),
    ):  # fmt: skip
        highest = float(np.quantile(values, _HIGHEST))
        for column, name in enumerate(names):
            number = "zyx".index(name)
            at = shape[number] // 2
            ids = np.take(fields.grains.grain_ids, at, number)
            down, across = (fields.grains.field.spacing[i] for i in in_plane(number))
            extent = (0.0, ids.shape[1] * across, ids.shape[0] * down, 0.0)
            shown = axes[row, column].imshow(
                np.take(values, at, number), extent=extent, vmin=0.0, vmax=highest, cmap="inferno"
            )
            _boundaries(axes[row, column], ids, (down, across))
            axes[row, column].set_title(f"normal to {name}", fontsize=10)
            axes[row, column].set(xlabel=f"{_AXES[name][1]} (µm)", ylabel=f"{_AXES[name][0]} (µm)")
        drawing.colorbar(shown, ax=list(axes[row]), label=label, extend="max", shrink=0.85)
    return png(drawing)


def cube(fields: LocalFields) -> bytes:
    """Von Mises stress on three faces of the volume, seen from a corner."""
    values = fields.stress / 1e6
    nz, ny, nx = values.shape
    dz, dy, dx = fields.grains.field.spacing
    norm = Normalize(0.0, float(np.quantile(values, _HIGHEST)))
    colours = colormaps["inferno"]
    drawing = Drawing(figsize=(6.0, 5.2), layout="constrained")
    axis: Any = drawing.add_subplot(projection="3d")
    x, y, z = (np.arange(n + 1) * d for n, d in ((nx, dx), (ny, dy), (nz, dz)))
    options = {"rstride": 1, "cstride": 1, "shade": False, "linewidth": 0, "antialiased": False}
    X, Y = np.meshgrid(x, y)
    axis.plot_surface(X, Y, np.full_like(X, z[-1]), facecolors=colours(norm(values[-1])), **options)
    X, Z = np.meshgrid(x, z)
    axis.plot_surface(X, np.zeros_like(X), Z, facecolors=colours(norm(values[:, 0])), **options)
    Y, Z = np.meshgrid(y, z)
    axis.plot_surface(np.full_like(Y, x[-1]), Y, Z, facecolors=colours(norm(values[:, :, -1])), **options)
    axis.set(xlabel="x (µm)", ylabel="y (µm)", zlabel="z (µm)")
    axis.set_box_aspect((nx * dx, ny * dy, nz * dz))
    axis.view_init(28, -52)
    from matplotlib.cm import ScalarMappable

    drawing.colorbar(
        ScalarMappable(norm, colours), ax=axis, label="von Mises stress (MPa)", shrink=0.7, extend="max", pad=0.14
    )
    return png(drawing)


def _boundaries(axis: Any, ids: np.ndarray, steps: tuple[float, float]) -> None:
    """Lines between points of different grains."""
    from matplotlib.collections import LineCollection

    down, across = steps
    i, j = np.nonzero(ids[1:] != ids[:-1])
    level = np.stack([np.stack([j, i + 1.0], 1), np.stack([j + 1.0, i + 1.0], 1)], 1)
    i, j = np.nonzero(ids[:, 1:] != ids[:, :-1])
    steep = np.stack([np.stack([j + 1.0, i], 1), np.stack([j + 1.0, i + 1.0], 1)], 1)
    lines = np.concatenate([level, steep]) * np.array([across, down])
    axis.add_collection(LineCollection(list(lines), colors="white", linewidths=0.8))
