"""The HTML page of runs that belong together: a yield locus, or curves by rate or temperature."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure as Drawing

from polyrve.adapters.replacing import replacing
from polyrve.report.plots import MEASURED, REFERENCE, png
from polyrve.response import family as families
from polyrve.response.family import UNITS, Family

_TITLES = {"yield-locus": "Yield locus", "rates": "Strain rates", "temperatures": "Temperatures"}


def write_family_page(folder: str | Path, path: str | Path, *, force: bool = False) -> Family:
    """Write the results of runs that belong together as a page, with a table beside it.

    Beside ``response.html`` come ``response.csv`` and ``response.png``.

    Parameters
    ----------
    folder : path-like
        Of the runs.
    path : path-like
        The page.
    force : bool
        Whether existing files may be replaced.

    Returns
    -------
    Family

    Raises
    ------
    FormatError
        If a run has no result, or a broken one.
    FileExistsError
        If a file exists and `force` is not given.
    """
    from polyrve import __version__
    from polyrve.report import templates

    path = Path(path)
    found = families.read_family(folder)
    locus = found.kind == "yield-locus"
    table = families.yield_locus(found) if locus else families.figures(found)
    drawn = locus_picture(found) if locus else curves(found)
    shown = table.assign(**{name: table[name] / 1e6 for name in table.columns if "deg" not in name})
    header = [str(table.index.name), *(str(name).replace("_Pa", "").replace("_", " ") for name in table.columns)]
    header = [word if "deg" in word or n == 0 else f"{word} (MPa)" for n, word in enumerate(header)]
    rows = [
        [f"{value:g}", *("not reached" if np.isnan(x) else f"{x:.4g}" for x in row)]
        for value, row in zip(table.index, shown.to_numpy(float), strict=True)
    ]
    title = _TITLES[found.kind]
    told = (
        "Cauchy stress where plastic strain along each path reaches 0.2 %; grey: von Mises' ellipse of the same mean "
        "size." if locus else f"Stress along {found.axes}."
    )  # fmt: skip
    blocks: list[dict[str, Any]] = [
        {"kind": "text", "text": told}, {"kind": "picture", "text": title, "address": templates.address(drawn)},
        {"kind": "table", "header": header, "rows": rows},
    ]  # fmt: skip
    facts = {
        "Runs": f"{len(found.folders)} in {folder}", "Axes": found.axes,
        "Values": ", ".join(f"{value:g}" for value in found.values) + f" {UNITS[found.kind]}",
    }  # fmt: skip
    page = templates.render(
        "page.html", title=title, style=templates.source("page.css"), script="",
        headline=f"{title} in {found.axes}, {len(found.folders)} runs.", verdict="plain", facts=facts, notes=[],
        version=__version__, sections=[{"title": title, "slug": found.kind, "blocks": blocks}],
        data=json.dumps({"kind": found.kind, "header": header, "rows": rows}).replace("<", "\\u003c"),
    )  # fmt: skip
    with replacing(path, force=force) as partial:
        table.to_csv(partial.with_suffix(".csv"))
        partial.with_suffix(".png").write_bytes(drawn)
        partial.write_text(page, encoding="utf-8")
    return found


def locus_picture(found: Family) -> bytes:
    """The yield stresses in the plane of the two axes, and von Mises' ellipse of the same mean size."""
    table = families.yield_locus(found)
    x, y = (table[name].to_numpy() / 1e6 for name in table.columns[:2])
    drawing = Drawing(figsize=(5.4, 5.2), layout="constrained")
    axis = drawing.subplots()
    known = np.isfinite(x)
    if known.any():
        size = float(np.mean(np.sqrt(x**2 - x * y + y**2)[known]))
        angle = np.linspace(0.0, 2.0 * np.pi, 361)
        u, v = np.cos(angle), np.sin(angle)
        scale = size / np.sqrt(u**2 - u * v + v**2)
        axis.plot(scale * u, scale * v, color="0.6", lw=1, label="von Mises")
    order = np.argsort(table["angle_of_stress_deg"].to_numpy()[known])
    ring = np.append(order, order[:1])
    axis.plot(x[known][ring], y[known][ring], "o-", color=REFERENCE, ms=4, label="0.2 % plastic strain")
    for found_x, found_y, angle_of_path in zip(x[known], y[known], table.index[known], strict=True):
        axis.annotate(f"{angle_of_path:g}°", (found_x, found_y), textcoords="offset points", xytext=(5, 4), fontsize=7)
    axis.axhline(0.0, color="0.8", lw=0.8)
    axis.axvline(0.0, color="0.8", lw=0.8)
    axis.set_aspect("equal", adjustable="datalim")
    axis.set(xlabel=f"stress along {found.axes[0]} (MPa)", ylabel=f"stress along {found.axes[1]} (MPa)")
    axis.legend(fontsize=8)
    return png(drawing)


def curves(found: Family) -> bytes:
    """The curves of all runs."""
    drawing = Drawing(figsize=(7.2, 4.4), layout="constrained")
    axis = drawing.subplots()
    every = families.responses(found)
    colours = colormaps["viridis"](np.linspace(0.0, 0.85, len(every)))
    for value, response, colour in zip(found.values, every, colours, strict=True):
        axis.plot(100 * response.strain, response.stress / 1e6, color=colour, label=f"{value:g} {UNITS[found.kind]}")
    axis.set(xlabel=f"strain along {every[0].axis} (%)", ylabel="stress (MPa)")
    axis.grid(alpha=0.3, color=MEASURED)
    axis.legend(fontsize=8)
    return png(drawing)
