"""Charts of numbers: the loss over the iterations, the metrics of a validation against their limits."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatterSciNotation, LogLocator

from polyrve.validation.result import MetricResult, Validation

PASS, HARDLY, WARN = "#0072B2", "#9FB8C8", "#D55E00"
"""Blue and vermilion, which colour-blind readers tell apart (M. Okabe, K. Ito, 2008); a pale blue between."""

_WIDEST = 2.0


def plot_loss(history: Sequence[Sequence[float]], ax: Axes | None = None) -> Axes:
    """Draw the loss over all iterations, the grids one after the other.

    Parameters
    ----------
    history : sequence of (grid, iteration, loss)
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
    """
    axis = plt.figure(figsize=(8.0, 3.0), layout="constrained").subplots() if ax is None else ax
    levels = np.array([record[0] for record in history], dtype=int)
    loss = np.array([record[2] for record in history], dtype=float)
    for level in np.unique(levels):
        at = np.flatnonzero(levels == level)
        axis.semilogy(at, loss[at], label=f"grid {level}", lw=1.5, marker="o" if len(at) == 1 else None)
    axis.set(xlabel="iteration, all grids", ylabel="loss")
    narrow = len(loss) > 0 and loss.max() < 100.0 * loss.min()
    if narrow:
        axis.yaxis.set_minor_locator(LogLocator(subs=(2.0, 3.0, 5.0)))
        axis.yaxis.set_minor_formatter(LogFormatterSciNotation(minor_thresholds=(np.inf, np.inf)))
    axis.grid(alpha=0.3, which="both" if narrow else "major")
    if len(np.unique(levels)) > 1:
        axis.legend(fontsize=8)
    return axis


def plot_validation(validation: Validation, ax: Axes | None = None) -> Axes:
    """Draw each metric as a bar against its limit.

    A bar is as long as the value in units of the limit; of a metric that is better when higher, as its distance from 1
    in units of the limit's. A bar beyond the line warns.

    Parameters
    ----------
    validation : Validation
    ax : Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    Axes
    """
    rows = validation.results
    height = 1.3 + 0.24 * max(len(rows), 4)
    axis = plt.figure(figsize=(9.5, height), layout="constrained").subplots() if ax is None else ax
    for place, row in enumerate(rows):
        length = _relative(row)
        if length is None:
            axis.text(0.02, place, row.reason or "not compared", va="center", fontsize=7, color="0.35", clip_on=True)
            continue
        warned = row.verdict == "warn"
        axis.barh(
            place, min(length, _WIDEST), height=0.7, color=WARN if warned else PASS if row.decisive else HARDLY,
            hatch="///" if warned else None, edgecolor="white", linewidth=0.0,
        )  # fmt: skip
        sign = ("≥", "<")[warned] if row.higher_is_better else ("≤", ">")[warned]
        axis.text(
            _WIDEST + 0.05, place, f"{row.value:.3g} {sign} {row.limit:.3g}", va="center", fontsize=8,
            weight="bold" if warned else "normal",
        )  # fmt: skip
        if length > _WIDEST:
            axis.plot(_WIDEST - 0.03, place, marker=">", color="white", markersize=5)
    axis.axvline(1.0, color="black", lw=1.2)
    axis.set(xlim=(0.0, _WIDEST + 0.5), ylim=(len(rows) - 0.4, -0.6), xlabel="value in units of its limit")
    axis.set_xticks([0.0, 0.5, 1.0, 1.5, 2.0], ["0", "0.5", "limit", "1.5", "2"])
    axis.set_yticks(range(len(rows)), [row.title for row in rows], fontsize=8)
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_weight("bold" if row.verdict == "warn" else "normal")
    handles = [
        Patch(color=PASS, label="pass"),
        Patch(color=HARDLY, label="pass, not decisive"),
        Patch(facecolor=WARN, hatch="///", edgecolor="white", label="warn"),
    ]
    if ax is None:
        axis.figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=8)
    else:
        axis.legend(handles=handles, loc="lower right", fontsize=8)
    axis.set_title(validation.conclusion, fontsize=9, loc="left", wrap=True)
    return axis


def _relative(row: MetricResult) -> float | None:
    """The value in units of the limit, at most 1 where it passes; None where the metric is not compared."""
    if row.value is None or row.limit is None or row.verdict == "not compared":
        return None
    value, limit = (1.0 - row.value, 1.0 - row.limit) if row.higher_is_better else (row.value, row.limit)
    if limit > 0.0:
        return value / limit
    return 0.0 if row.verdict == "pass" else 2.0 * _WIDEST
