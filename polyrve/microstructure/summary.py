"""What the console and a notebook show of a map or volume: a table of at most ten lines, and a small picture."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from polyrve.microstructure.cell_volume import CellVolume
    from polyrve.microstructure.fields import OrientationField

_MOST_ROWS = 4
_LONGEST = 60


def text(field: OrientationField, kind: str, grain_ids: np.ndarray | None = None, phase_of_grain: Any = None) -> str:
    """Describe a field in at most ten lines.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    kind : str
        What the first line begins with.
    grain_ids : ndarray, shape (*shape), int, optional
        1 ... N; 0 where no grain.
    phase_of_grain : ndarray, shape (N,), int, optional

    Returns
    -------
    str
    """
    head = f"{kind}: {size(field)}{', periodic' * field.periodic}"
    lines = [head, *_phases(field, phase_of_grain)]
    if grain_ids is not None:
        lines.insert(1, _grains(field, grain_ids))
    if field.properties:
        lines.append(f"Properties: {_list(field.properties)}")
    lines.append(f"Frame: {plain(field.frame.name)} ({plain(field.frame.source)})")
    source = origin(field.provenance)
    return "\n".join([*lines, *([f"Source: {source}"] if source else [])])


def html(described: str, picture: bytes | None) -> str:
    """Put a description and a PNG picture side by side, for a notebook."""
    image = ""
    if picture is not None:
        address = f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"
        image = f'<img alt="IPF-Z" src="{address}" style="image-rendering: pixelated; margin: 0">'
    return (
        '<div style="display: flex; flex-wrap: wrap; gap: 1em; align-items: flex-start">'
        f'{image}<pre style="margin: 0; background: none">{escape(described)}</pre></div>'
    )


def size(field: OrientationField | CellVolume) -> str:
    """Number of points, their distance and the whole extent, in the order of the array axes."""
    noun, axes = ("points", "y, x") if len(field.shape) == 2 else ("voxels", "z, y, x")
    extent = [n * step for n, step in zip(field.shape, field.spacing, strict=True)]
    return f"{_times(field.shape)} {noun} ({axes}), step {_times(field.spacing)} um, extent {_times(extent)} um"


def origin(provenance: Mapping[str, Any]) -> str:
    """Where a field is from, as far as its provenance says it; else empty."""
    parts = []
    maps, source, steps = provenance.get("maps"), provenance.get("source"), provenance.get("steps")
    if isinstance(maps, Mapping) and maps:
        records = [record for some in maps.values() for record in (some if isinstance(some, Sequence) else [some])]
        names = {_name(record.get("source")) for record in records if isinstance(record, Mapping)}
        parts.append(f"reconstructed from {_list(sorted(names - {''})) or 'maps without a name'}")
    elif isinstance(source, str):
        parts.append(_name(source))
    if isinstance(steps, Sequence) and not isinstance(steps, str) and steps:
        parts.append(f"cleaned in {len(steps)} step{'s' * (len(steps) > 1)}, the last: {plain(str(steps[-1]), 60)}")
    return "; ".join(parts)


def plain(name: str, longest: int = _LONGEST) -> str:
    """A name of a file without control characters, cut where it is long."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable if len(printable) <= longest else f"{printable[: longest - 3]}..."


def _phases(field: OrientationField, phase_of_grain: np.ndarray | None) -> list[str]:
    """A table of phases, most frequent first where there are many."""
    count = np.bincount(field.phase_ids.ravel(), minlength=len(field.phases) + 1)
    numbers = list(range(1, len(field.phases) + 1))
    left: list[int] = []
    most = _MOST_ROWS if phase_of_grain is None else _MOST_ROWS - 1
    if len(numbers) > most:
        by_count = sorted(numbers, key=lambda number: -count[number])
        numbers, left = sorted(by_count[: most - 1]), by_count[most - 1 :]
    of_grains = None if phase_of_grain is None else np.bincount(phase_of_grain, minlength=len(field.phases) + 1)
    rows = [("Phase", "Name", "Laue group", *(() if of_grains is None else ("Grains",)), "Points", "Share")]
    for number in numbers:
        phase = field.phases[number - 1]
        grains = () if of_grains is None else (str(of_grains[number]),)
        rows.append((str(number), plain(phase.name), phase.laue, *grains, *_share(count[number], field.phase_ids.size)))
    if left:
        grains = () if of_grains is None else (str(of_grains[left].sum()),)
        rows.append(("...", f"{len(left)} more", "", *grains, *_share(count[left].sum(), field.phase_ids.size)))
    grains = () if of_grains is None else ("",)
    rows.append(("-", "not indexed", "", *grains, *_share(count[0], field.phase_ids.size)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    words = (0, 1, 2)
    return [
        "  ".join(
            cell.ljust(width) if place in words else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _share(count: int, of: int) -> tuple[str, str]:
    return str(count), f"{100 * count / of:.2f} %"


def _grains(field: OrientationField, grain_ids: np.ndarray) -> str:
    points = np.bincount(grain_ids.ravel(), minlength=1)
    number, measured = len(points) - 1, float(np.prod(field.spacing))
    if not number:
        return "Grains: none"
    mean = points[1:].mean() * measured
    diameter = 2.0 * np.sqrt(mean / np.pi) if grain_ids.ndim == 2 else np.cbrt(6.0 * mean / np.pi)
    return (
        f"Grains: {number}, a mean one is {diameter:.3g} um wide; "
        f"{100 * points[0] / grain_ids.size:.2f} % of the points are in none"
    )


def _list(names: Any) -> str:
    listed = [plain(str(name), 24) for name in names]
    return ", ".join(listed[:8]) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")


def _name(source: Any) -> str:
    return plain(PurePath(source).name) if isinstance(source, str) else ""


def _times(values: Sequence[float]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
