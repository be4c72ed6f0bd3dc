"""What a validation says: metrics of a volume with their verdicts, and what makes them worth less."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

FEWEST_TO_STAND = 20
"""A volume with fewer grains, specks left out, stands for no map, whatever its metrics are."""

DECISIVE_SHARE = 2.0 / 3.0
"""So many of all metrics must be judged by limits that tell volumes apart; else the validation is inconclusive."""

_PASSING = 0.9


@dataclass(frozen=True)
class MetricResult:
    """A metric of a volume, judged.

    Attributes
    ----------
    key, title, group : str
        As in :class:`polyrve.validation.metrics.Metric`.
    value : float or None
        The worst over the axes of section; None where it cannot be told.
    per_axis : dict of str to float
        By the section's normal ``"z"``, ``"y"``, ``"x"``.
    floor : float or None
        Median over the windows of the map.
    limit : float or None
        What 95 of 100 windows of the map keep.
    verdict : str
        ``"pass"``, ``"warn"`` or ``"not compared"``.
    reason : str
        Why it is not compared; empty otherwise.
    reference, measured : float or None
        The compared number in the map and in the sections (mean over axes), where it is one number.
    unit : str
        Of the two.
    higher_is_better : bool
    decisive : bool
        Whether the verdict tells something: False where it is not compared, and for a pass within a limit that hardly
        any volume fails (:meth:`Metric.decides`).
    """

    key: str
    title: str
    group: str
    value: float | None
    per_axis: dict[str, float | None]
    floor: float | None
    limit: float | None
    verdict: str
    reason: str = ""
    reference: float | None = None
    measured: float | None = None
    unit: str = ""
    higher_is_better: bool = False
    decisive: bool = True


@dataclass(frozen=True)
class Validation:
    """All metrics of a volume.

    Attributes
    ----------
    results : tuple of MetricResult
    notes : tuple of str
        What a reader should know: a small map, few grains, another spacing.
    settings : dict
        Threshold, windows, seed, shapes; JSON types.
    grains : int or None
        Of the volume, specks left out; None where nothing could be compared.
    """

    results: tuple[MetricResult, ...]
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    grains: int | None = None

    def __getitem__(self, key: str) -> MetricResult:
        for row in self.results:
            if row.key == key:
                return row
        raise KeyError(f"metric: expected one of {', '.join(row.key for row in self.results)}; got {key!r}")

    @property
    def compared(self) -> int:
        """Number of metrics that were judged."""
        return sum(row.verdict != "not compared" for row in self.results)

    @property
    def passed(self) -> int:
        """Number of metrics within their limit."""
        return sum(row.verdict == "pass" for row in self.results)

    @property
    def hardly_failed(self) -> int:
        """Number of metrics that pass within a limit that hardly any volume fails."""
        return sum(row.verdict == "pass" and not row.decisive for row in self.results)

    @property
    def conclusive(self) -> bool:
        """Whether two thirds of all metrics are judged decisively, of a volume of at least 20 grains."""
        decisive = sum(row.decisive for row in self.results)
        few = self.grains is not None and self.grains < FEWEST_TO_STAND
        return decisive >= DECISIVE_SHARE * len(self.results) and not few

    @property
    def convincing(self) -> bool:
        """Whether nine metrics of ten pass and the validation is conclusive."""
        return self.conclusive and self._passes

    @property
    def _passes(self) -> bool:
        return self.passed >= _PASSING * self.compared

    @property
    def conclusion(self) -> str:
        """How many metrics pass, and what makes that worth less, in one line."""
        hardly, missing = self.hardly_failed, len(self.results) - self.compared
        parts = [f"{self.passed - hardly} of {self.compared} metrics pass{' decisively' * bool(hardly)}"]
        if hardly:
            shapes = self.settings.get("reference_shapes", {}).values()
            what = "volume" if any(len(shape) == 3 for shape in shapes) else "map"
            parts.append(f"{hardly} can hardly fail with a {what} this small")
        if missing:
            parts.append(f"{missing} could not be judged")
        if self.grains is not None and self.grains < FEWEST_TO_STAND:
            parts.append(f"the volume holds {counted(self.grains)}")
        return f"{'Inconclusive: ' * (self._passes and not self.conclusive)}{', '.join(parts)}"

    def to_json(self) -> str:
        """The record as JSON text, without NaN."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"{'metric':<58} {'value':>9} {'floor':>9} {'limit':>9}  verdict"]
        for row in self.results:
            numbers = (f"{'-' if x is None else format(x, '.3f'):>9}" for x in (row.value, row.floor, row.limit))
            doubt = ", not decisive" * (row.verdict == "pass" and not row.decisive)
            reason = f"{': ' * bool(row.reason)}{row.reason}"
            lines.append(f"{row.title:<58} {' '.join(numbers)}  {row.verdict}{doubt}{reason}")
        return "\n".join([*lines, *self.notes, self.conclusion])


def counted(number: int, noun: str = "grain") -> str:
    """A number of things in words."""
    return f"{number} {noun}{'s' * (number != 1)}"
