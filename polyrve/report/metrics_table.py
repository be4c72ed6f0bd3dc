"""The table of a validation, as a template shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from polyrve.report import templates
from polyrve.validation.result import GROUPS, MetricResult, Validation

_Value = TypeVar("_Value")
_WIDTH = 90.0


@dataclass(frozen=True)
class Bar:
    """The value of a metric as a bar, its limit as a mark; pixels.

    Attributes
    ----------
    width, length, mark : float
    kind : str
        ``"pass"``, ``"hardly"`` or ``"warn"``.
    """

    width: float
    length: float
    mark: float
    kind: str


@dataclass(frozen=True)
class Line:
    """A metric in words.

    Attributes
    ----------
    key, title, reason : str
    change : str
        The compared number in the map and in the volume.
    value, floor, limit : str
    normals : list of (str, str)
        Value by normal, where there are several.
    verdict, kind : str
        As shown, and its style.
    bar : Bar or None
    """

    key: str
    title: str
    reason: str
    change: str
    value: str
    floor: str
    limit: str
    normals: list[tuple[str, str]]
    verdict: str
    kind: str
    bar: Bar | None


def lines(validation: Validation) -> list[tuple[str, list[Line]]]:
    """Return all metrics by the titles of their groups.

    Parameters
    ----------
    validation : Validation

    Returns
    -------
    list of (str, list of Line)
    """
    groups = {title: [row for row in validation.results if row.group == group] for group, title in GROUPS.items()}
    known = {id(row) for rows in groups.values() for row in rows}
    groups["Further"] = [row for row in validation.results if id(row) not in known]
    return [(title, [_line(row) for row in rows]) for title, rows in groups.items() if rows]


def standalone(validation: Validation) -> str:
    """Return the table as HTML that needs no style, for a notebook."""
    return templates.render("metrics_alone.html", groups=lines(validation), headline=validation.headline)


def ordered(by_normal: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return a mapping in the order of the page: by the normals z, y, x."""
    return dict(sorted(by_normal.items(), reverse=True))


def _line(row: MetricResult) -> Line:
    change = ""
    if row.reference is not None and row.measured is not None:
        change = f"{row.reference:.3g} → {row.measured:.3g} {_typeset(row.unit)}".strip()
    weak = row.verdict == "pass" and not row.decisive
    return Line(
        key=row.key,
        title=row.title,
        reason=row.reason,
        change=change,
        value=_format(row.value),
        floor=_format(row.floor),
        limit=_format(row.limit),
        normals=[(name, _format(x)) for name, x in ordered(row.per_axis).items() if len(row.per_axis) > 1],
        verdict="not decisive" if weak else row.verdict,
        kind="none" if weak or row.verdict == "not compared" else row.verdict,
        bar=_bar(row),
    )


def _bar(row: MetricResult) -> Bar | None:
    if row.value is None or row.limit is None:
        return None
    scale = 1.0 if row.higher_is_better else max(row.value, 1.5 * row.limit, 1e-12)
    kind = "warn" if row.verdict == "warn" else "pass" if row.decisive else "hardly"
    mark = min(_WIDTH * min(row.limit / scale, 1.0), _WIDTH - 2.0)
    return Bar(_WIDTH, round(_WIDTH * min(row.value / scale, 1.0), 1), round(mark, 1), kind)


def _typeset(unit: str) -> str:
    return {"1/um": "µm⁻¹", "1/um^2": "µm⁻²", "1/um^3": "µm⁻³", "um": "µm"}.get(unit, unit)


def _format(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
