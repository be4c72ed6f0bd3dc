"""The table of a validation."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, TypeVar

from polyrve.report.markup import explain

if TYPE_CHECKING:
    from polyrve.validation.result import MetricResult, Validation

_Value = TypeVar("_Value")
_GROUPS = {
    "texture": "Texture",
    "boundaries": "Boundaries",
    "grains": "Grains",
    "correlation": "Spatial correlation",
    "in-grain": "Orientation scatter within grains",
}


def table(validation: Validation) -> str:
    """All figures, by groups."""
    lines = [
        explain(
            "Each figure compares the volume's sections with the map; the worst of the section normals counts. "
            "<b>Floor</b> is the median, <b>limit</b> the 95 % bound of what random windows of the map, of the "
            "sections' size, give against the whole map. A pass is <b>not decisive</b> where the limit is so wide that "
            "hardly any volume fails it: a distance of more than 0.6, an error of more than 1, a share of lags that "
            "chance gives. Where there are several maps, each serves the sections of its normal, and the figures of "
            "texture compare with all of them together. The bar shows the value against the limit (mark)."
        ),
        "<div class='scroll'><table><thead><tr><th>Figure</th><th>Map → RVE</th><th class='number'>Value</th><th></th>"
        "<th class='number'>Floor</th><th class='number'>Limit</th><th>By normal</th><th>Verdict</th></tr>"
        "</thead><tbody>",
    ]
    for group, name in _GROUPS.items():
        rows = [row for row in validation.results if row.group == group]
        if rows:
            lines.append(f"<tr class='group'><td colspan='8'>{name}</td></tr>")
        lines.extend(_row(row) for row in rows)
    return "".join([*lines, "</tbody></table></div>"])


def _row(row: MetricResult) -> str:
    numbers = [_format(x) for x in (row.value, row.floor, row.limit)]
    change = ""
    if row.reference is not None and row.measured is not None:
        change = f"{row.reference:.3g} → {row.measured:.3g} {row.unit}"
    axes = " ".join(
        f"{name}&nbsp;{_format(value)}" for name, value in ordered(row.per_axis).items() if len(row.per_axis) > 1
    )
    weak = row.verdict == "pass" and not row.decisive
    kind = "none" if weak else row.verdict
    if row.reason:
        return (
            f"<tr data-key='{row.key}'><td>{escape(row.title)}</td><td class='small' colspan='6'>"
            f"{escape(row.reason)}</td><td><span class='verdict none'>not compared</span></td></tr>"
        )
    return (
        f"<tr data-key='{row.key}'><td>{escape(row.title)}</td><td class='small'>{escape(change)}</td>"
        f"<td class='number'>{numbers[0]}</td><td>{_bar(row)}</td><td class='number'>{numbers[1]}</td>"
        f"<td class='number'>{numbers[2]}</td><td class='small'>{axes}</td>"
        f"<td><span class='verdict {kind}'>{'not decisive' if weak else row.verdict}</span></td></tr>"
    )


def _bar(row: MetricResult) -> str:
    if row.value is None or row.limit is None:
        return ""
    width, scale = 90.0, max(row.value, 1.5 * row.limit, 1e-12)
    if row.higher_is_better:
        scale = 1.0
    color = "#e39a4b" if row.verdict == "warn" else "#7cb58f" if row.decisive else "#aab4c0"
    length, mark = width * row.value / scale, width * min(row.limit / scale, 1.0)
    return (
        f"<svg class='bar' width='{width:.0f}' height='12'><rect width='{width:.0f}' height='12' fill='#eef1f4'/>"
        f"<rect width='{length:.1f}' height='12' fill='{color}'/>"
        f"<rect x='{min(mark, width - 2):.1f}' width='2' height='12' fill='#1c2430'/></svg>"
    )


def _format(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def ordered(by_normal: Mapping[str, _Value]) -> dict[str, _Value]:
    """By the normals z, y, x in this order, as everything on the page is."""
    return dict(sorted(by_normal.items(), reverse=True))
