"""The HTML page of statistical volume elements: each figure with its error bar, and which size is large enough."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Drawing

from polyrve.adapters.replacing import replacing
from polyrve.report.plots import MEASURED, REFERENCE, png
from polyrve.report.response_page import stress_text
from polyrve.response.elements import ElementStudy

TITLES = {
    "modulus": "Young's modulus",
    "yield_stress": "yield stress (0.2 % offset)",
    "stress_at_0.2_percent": "stress at 0.2 %",
    "stress_at_0.5_percent": "stress at 0.5 %",
    "stress_at_1_percent": "stress at 1 %",
}


def write_elements(study: ElementStudy, path: str | Path, *, force: bool = False) -> None:
    """Write statistical volume elements as a page, with its numbers beside it.

    Beside ``response.html`` comes ``response.json``.

    Parameters
    ----------
    study : ElementStudy
    path : path-like
        The page.
    force : bool
        Whether existing files may be replaced.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is not given.
    """
    from polyrve import __version__
    from polyrve.report import templates

    path = Path(path)
    blocks = {
        "Error bars": [_bars(study), _text(_parts_told(study))],
        "Curves": [_picture("stress-strain curves of the elements", curves(study))],
        "Sizes": [
            _picture("figures by size", sizes(study)), _sizes(study),
            _text("The band is the 95 % confidence interval of the mean of the elements of a size. One alone: the "
                  "interval that holds 19 of 20 single elements."),
        ],
        "The map": [_map(study)],
    }  # fmt: skip
    facts = {
        "Load": f"along {'xyz'[study.axis]}",
        "Elements": ", ".join(
            f"{sum(one.size == size for one in study.elements)} of {size}³" for size in study.sizes
        ),
        "Tolerance": "none" if study.tolerance is None else f"{100 * study.tolerance:g} %",
        "Control variate": ", ".join(TITLES[n] for n in study.figures if study.controlled(n)) or "none narrows a band",
    }  # fmt: skip
    record = _finite(study.to_dict())
    page = templates.render(
        "page.html", title="Response with error bars", style=templates.source("page.css"), script="",
        headline=headline(study), verdict="plain", facts=facts, notes=notes(study), version=__version__,
        sections=[{"title": name, "slug": name.lower().replace(" ", "-"), "blocks": b} for name, b in blocks.items()],
        data=json.dumps(record, allow_nan=False).replace("<", "\\u003c"),
    )  # fmt: skip
    with replacing(path, force=force) as partial:
        partial.with_suffix(".json").write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        partial.write_text(page, encoding="utf-8")


def headline(study: ElementStudy) -> str:
    """Return the figures with their error bars, in one sentence."""
    told = []
    for name in study.figures:
        bar = study.error_bar(name)
        total = "" if math.isnan(bar.total) else f" ± {100 * bar.total:.1f} %"
        told.append(f"{TITLES[name]} {stress_text(bar.value)}{total}")
    return f"Along {'xyz'[study.axis]}: {', '.join(told)}."


def notes(study: ElementStudy) -> list[str]:
    """Return what a user should do next."""
    said = []
    for name in study.figures:
        bar, tolerance = study.error_bar(name), study.tolerance
        if bar.source.source != "grains":
            said.append(
                f"{TITLES[name]}: {bar.source.source} of the map differ more than its grains let expect; the error bar "
                "is theirs. The material is not the same everywhere, or neighbouring grains resemble each other."
            )
        if tolerance is None or math.isnan(bar.of_volumes):
            continue
        if bar.of_map > tolerance:
            area = (bar.of_map / tolerance) ** 2
            said.append(
                f"{TITLES[name]}: the map alone decides it to ± {100 * bar.of_map:.1f} %; no volume made from it knows "
                f"more. About {area:.1f} times its area is needed for ± {100 * tolerance:g} %."
            )
        size = study.sizes[-1]
        if bar.of_volumes > tolerance:
            said.append(
                f"{TITLES[name]}: about {study.needed(name, size, tolerance)} elements of {size}^3 bring the mean of "
                f"volumes to ± {100 * tolerance:g} %."
            )
    return said


def sizes(study: ElementStudy) -> bytes:
    """Figures of all elements over their size, with the bands of their means."""
    names = study.figures
    drawing = Drawing(figsize=(3.3 * len(names), 3.5), layout="constrained")
    for axis, name in zip(drawing.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        reference = study.error_bar(name).value
        known, controlled = study.known(name), study.controlled(name)
        for place, size in enumerate(study.sizes):
            mine = [one for one in study.elements if one.size == size]
            raw = np.array([one.figures[name] for one in mine])
            axis.plot(np.full(len(raw), place - 0.12), 100 * (raw / reference - 1), ".", color="0.6", ms=5)
            if controlled:
                control = np.array([one.controls["modulus" if name == "modulus" else "stress"] for one in mine])
                moved = raw / control * known
                axis.plot(np.full(len(raw), place + 0.12), 100 * (moved / reference - 1), ".", color=REFERENCE, ms=5)
            band = study.band(name, size)
            half = 0.0 if math.isnan(band.half_width) else 100 * band.half_width
            axis.errorbar(place, 100 * (band.mean / reference - 1), half, fmt="o", color=REFERENCE, capsize=4, ms=4)
        of_map = 100 * study.error_bar(name).of_map
        axis.axhspan(-of_map, of_map, color=MEASURED, alpha=0.15, lw=0)
        if study.tolerance is not None:
            for side in (-1, 1):
                axis.axhline(100 * side * study.tolerance, color="0.3", lw=0.8, ls="--")
        axis.set_xticks(range(len(study.sizes)), [f"{size}³" for size in study.sizes])
        axis.set_xlim(-0.6, len(study.sizes) - 0.4)
        axis.set_title(f"{TITLES[name]}\n{stress_text(reference)}", fontsize=9)
        axis.grid(alpha=0.3)
    drawing.axes[0].set_ylabel("off the value told (%)")
    drawing.supxlabel(
        "grey: elements as they are; blue: with the map's orientations in their place; bars: 95 % of the mean; "
        "shaded: the map's own error; dashed: tolerance", fontsize=8,
    )  # fmt: skip
    return png(drawing)


def curves(study: ElementStudy) -> bytes:
    """Curves of all elements, and the error bars of the stresses told."""
    drawing = Drawing(figsize=(7.2, 4.2), layout="constrained")
    axis = drawing.subplots()
    for i, size in enumerate(study.sizes):
        mine = [one for one in study.elements if one.size == size and one.strain]
        for n, one in enumerate(mine):
            label = f"{len(mine)} of {size}³" if n == 0 else None
            axis.plot(100 * np.array(one.strain), np.array(one.stress) / 1e6, color=f"C{i}", lw=0.8, label=label)
    for name in study.figures:
        if name.startswith("stress_at_"):
            bar, at = study.error_bar(name), float(name.split("_")[2])
            sign = math.copysign(1.0, bar.value)
            half = 0.0 if math.isnan(bar.total) else abs(bar.total * bar.value) / 1e6
            axis.errorbar(sign * at, bar.value / 1e6, half, fmt="ks", ms=4, capsize=5, zorder=5)
    axis.set(xlabel=f"strain along {'xyz'[study.axis]} (%)", ylabel="stress (MPa)")
    axis.grid(alpha=0.3)
    axis.legend()
    return png(drawing)


def _bars(study: ElementStudy) -> dict[str, Any]:
    rows = []
    for name in study.figures:
        bar = study.error_bar(name)
        rows.append([
            TITLES[name], stress_text(bar.value), _percent(bar.total), _percent(bar.of_map), _percent(bar.of_volumes),
            f"{bar.source.groups} {bar.source.source}",
        ])  # fmt: skip
    header = ["figure", "value", "95 % error bar", "of the map", "of the volumes", "the map's part is told by"]
    return {"kind": "table", "header": header, "rows": rows}


def _parts_told(study: ElementStudy) -> str:
    control = any(study.controlled(name) for name in study.figures)
    words = (
        " Elements are moved from their own orientations to those of the map, by Hill's modulus and Taylor's stress."
        if control else ""
    )  # fmt: skip
    return f"Both parts add up as variances. A larger map lowers the first, more or larger volumes the second.{words}"


def _sizes(study: ElementStudy) -> dict[str, Any]:
    header = ["figure", *(f"mean of {size}³" for size in study.sizes), *(f"one {size}³" for size in study.sizes)]
    tolerance = study.tolerance
    header += [] if tolerance is None else ["large enough in the mean", "large enough alone"]
    rows = []
    for name in study.figures:
        bands = [study.band(name, size) for size in study.sizes]
        row = [TITLES[name]]
        row += [f"{stress_text(band.mean)} {_percent(band.half_width)}" for band in bands]
        row += [_percent(band.of_one) for band in bands]
        if tolerance is not None:
            mean, alone = study.size_of_mean(name, tolerance), study.size_of_one(name, tolerance)
            row += ["none of these" if mean is None else f"{mean}³"]
            row += ["not told" if math.isnan(alone) else f"about {math.ceil(alone)}³"]
        rows.append(row)
    return {"kind": "table", "header": header, "rows": rows}


def _map(study: ElementStudy) -> dict[str, Any]:
    rows = []
    for title, parts in (("modulus (Hill)", study.maps.modulus), ("yield stress (Taylor)", study.maps.stress)):
        rows += [
            [title, f"{part.groups} {part.source}", f"{100 * part.error:.2f} %", _percent(part.half_width)]
            for part in parts[study.axis]
        ]
    return {"kind": "table", "header": ["figure", "told by", "standard error", "95 %"], "rows": rows}


def _percent(value: float) -> str:
    return "not told" if math.isnan(value) else f"± {100 * value:.2f} %"


def _finite(value: Any) -> Any:
    """The same with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(text: str) -> dict[str, Any]:
    return {"kind": "text", "text": text}


def _picture(name: str, drawn: bytes) -> dict[str, Any]:
    from polyrve.report import templates

    return {"kind": "picture", "text": name, "address": templates.address(drawn)}
