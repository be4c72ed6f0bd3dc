"""The HTML page of a run: its curve and figures, and the fields of a state, with the numbers beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrve.adapters.replacing import replacing
from polyrve.response import results
from polyrve.response.results import LocalFields, Response

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 12
"""Grains in the table of the page; the .csv has all."""


def write_response(run: str | Path, path: str | Path, *, increment: int | None = None, force: bool = False) -> Response:
    """Write the results of a run of DAMASK as a page, with its numbers beside it.

    Beside ``response.html`` come ``response.json`` (figures), ``response_curve.csv``, ``.png`` and ``.svg``, and where
    the run is on a grid ``response_grains.csv``.

    Parameters
    ----------
    run : path-like
        The HDF5 file that DAMASK wrote, or its folder.
    path : path-like
        The page.
    increment : int, optional
        Whose fields are shown; by default the last that was stored.
    force : bool
        Whether existing files may be replaced.

    Returns
    -------
    Response

    Raises
    ------
    FormatError
        If the file is truncated, is of another program, or has no state but the first.
    FileExistsError
        If a file exists and `force` is not given.

    See Also
    --------
    polyrve.response.results.read_response : Read without a page.
    """
    from polyrve import __version__
    from polyrve.report import response_plots as plots
    from polyrve.report import templates

    path = Path(path)
    found = results.read_response(run)
    fields = results.read_fields(run, increment) if found.shape else None
    grains = None if fields is None else results.grain_averages(fields)
    figures = {name: None if math.isnan(value) else value for name, value in found.figures.items()}
    blocks = {"Curve": [_picture("stress-strain curve", lambda: plots.curve(found)), _figures(found)]}
    turned = results.cycles(found)
    if len(turned):
        blocks["Cycles"] = [
            _text("From one largest strain to the next; the change is that of the amplitude since the cycle before."),
            _table(turned, "cycle"),
        ]
    if fields is not None and grains is not None:
        blocks |= _local(fields, grains)
    row, column = found.component
    facts = {
        "Run": str(found.path),
        "Load": f"{found.axis}: F_{'xyz'[row]}{'xyz'[column]} to {found.F[-1, row, column]:.5g}, "
        f"{len(found.increments)} stored states to increment {found.increments[-1]}",
        "Volume": " x ".join(map(str, found.shape)) + " voxels (z, y, x)" if found.shape else "a mesh",
    }
    record = {"figures_Pa": figures, "bounds_Pa": [None if math.isnan(b) else b for b in found.bounds], "facts": facts}
    page = templates.render(
        "page.html", title="Response", style=templates.source("page.css"), script="", headline=_headline(found),
        verdict="plain", facts=facts, notes=_notes(found, fields), version=__version__,
        sections=[{"title": name, "slug": name.lower().replace(" ", "-"), "blocks": b} for name, b in blocks.items()],
        data=json.dumps(record, allow_nan=False).replace("<", "\\u003c"),
    )  # fmt: skip
    with replacing(path, force=force) as partial:
        partial.with_suffix(".json").write_text(json.dumps(record, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        found.to_dataframe().to_csv(partial.with_name(f"{path.stem}_curve.csv"))
        if len(turned):
            turned.to_csv(partial.with_name(f"{path.stem}_cycles.csv"))
        partial.with_name(f"{path.stem}_curve.png").write_bytes(plots.curve(found))
        partial.with_name(f"{path.stem}_curve.svg").write_bytes(plots.curve(found, "svg"))
        if grains is not None:
            grains.to_csv(partial.with_name(f"{path.stem}_grains.csv"))
        partial.write_text(page, encoding="utf-8")
    return found


def _local(fields: LocalFields, grains: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    from polyrve.report import response_plots as plots

    highest = grains.sort_values("mises_stress_Pa", ascending=False).head(_SHOWN)
    columns = ["phase", "points", "mises_stress_Pa", "mises_strain", "orientation_spread_deg", "phi1_deg", "Phi_deg",
               "phi2_deg"]  # fmt: skip
    return {
        "Fields": [
            _text(f"Increment {fields.increment}, at the undeformed positions; von Mises equivalents of the Cauchy "
                  "stress and of the logarithmic strain. Lines are boundaries of grains."),
            _picture("three sections", lambda: plots.sections(fields)),
            _picture("three faces", lambda: plots.cube(fields)),
        ],
        "Distributions": [
            _picture("distributions", lambda: plots.distributions(fields)),
            _table(results.phase_averages(fields), "phase"),
        ],
        "Hot spots": [
            _text("Where von Mises stress is highest, one point for each grain. The distance is that from the nearest "
                  "boundary of the grain; half a voxel is at it."),
            _table(results.hot_spots(fields).rename(index=lambda rank: rank + 1), "rank"),
        ],
        "Grains": [
            _text(f"The {len(highest)} grains with the highest mean stress of {len(grains)}; the .csv beside this page "
                  "has all. The spread is GOS after the load, about the mean orientation of the old grain."),
            _table(highest[columns], "grain"),
        ],
    }  # fmt: skip


def _headline(found: Response) -> str:
    parts = []
    if not math.isnan(found.modulus):
        parts.append(f"modulus {found.modulus / 1e9:.3g} GPa")
    if not math.isnan(found.yield_stress):
        parts.append(f"yield stress (0.2 %) {found.yield_stress / 1e6:.4g} MPa")
    parts.append(f"{found.stress[-1] / 1e6:.4g} MPa at a strain of {100 * found.strain[-1]:.3g} %")
    return f"Along {found.axis}: {', '.join(parts)}."


def _notes(found: Response, fields: LocalFields | None) -> list[str]:
    notes = []
    if math.isnan(found.modulus) and found.component[0] == found.component[1]:
        notes.append(
            "The first stored state is past the elastic range: no modulus is told, and Hill's stands in for it."
        )
    if math.isnan(found.yield_stress):
        notes.append("The first loading ends before 0.2 % plastic strain: no yield stress is told.")
    if fields is not None and not fields.moved:
        notes.append(
            "The run stored no orientations (--store fields does): those shown are the ones that it began with."
        )
    return notes


def _figures(found: Response) -> dict[str, Any]:
    titles = {
        "modulus": "Modulus, secant to the first loaded state",
        "yield_stress": "Yield stress at 0.2 %",
        "stress_at_0.2_percent": "Stress at 0.2 % strain",
        "stress_at_0.5_percent": "Stress at 0.5 % strain",
        "stress_at_1_percent": "Stress at 1 % strain",
    }
    rows = [
        [titles[name], "not reached" if math.isnan(value) else stress_text(value)]
        for name, value in found.figures.items()
    ]
    if not math.isnan(found.bounds[0]):
        rows.append(["Modulus by Reuss, Hill and Voigt", ", ".join(map(stress_text, found.bounds))])
    return {"kind": "table", "header": ["figure", "value"], "rows": rows}


def stress_text(value: float) -> str:
    """Return a stress or a modulus in pascals in words, with the unit that suits it."""
    return f"{value / 1e9:.4g} GPa" if abs(value) >= 1e10 else f"{value / 1e6:.4g} MPa"


def _heading(column: str) -> str:
    """A column of the tables of results, as a page shows it."""
    words = {
        "mises": "von Mises", "Pa": "(MPa)", "um": "(µm)", "deg": "(°)", "99": "99 %", "std": "standard deviation",
        "phi1": "φ₁", "Phi": "Φ", "phi2": "φ₂", "to": "over",
    }  # fmt: skip
    found = [words.get(word, word) for word in column.split("_")]
    if column.startswith("mises_strain"):
        found.append("(%)")
    return " ".join([*(w for w in found if not w.startswith("(")), *(w for w in found if w.startswith("("))])


def _table(table: pd.DataFrame, index: str) -> dict[str, Any]:
    def shown(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    factors = {name: 1e-6 for name in table.columns if "_Pa" in name}
    factors |= {name: 100.0 for name in table.columns if name.startswith("mises_strain")}
    table = table.assign(**{name: table[name] * factor for name, factor in factors.items()})
    header = [index, *map(_heading, table.columns)]
    return {
        "kind": "table", "header": header,
        "rows": [[str(name), *map(shown, row)] for name, row in zip(table.index, table.to_numpy(object), strict=True)],
    }  # fmt: skip


def _text(text: str) -> dict[str, Any]:
    return {"kind": "text", "text": text}


def _picture(name: str, draw: Callable[[], bytes]) -> dict[str, Any]:
    from polyrve.report import templates

    return {"kind": "picture", "text": name, "address": templates.address(draw())}
