"""What a validation says: metrics of a volume with their verdicts, and what makes them worth less."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polyrve import _face

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

FEWEST_TO_STAND = 20
"""A volume with fewer grains, specks left out, stands for no map, whatever its metrics are."""

DECISIVE_SHARE = 2.0 / 3.0
"""So many of all metrics must be decided by limits that tell volumes apart; else the validation is inconclusive."""

FAR = 2.0
"""A metric beyond so many times its limit is far beyond it: chance does not explain it.

Chosen on blocks of synthetic specimens against sections of others of the same material (examples/wrong_volumes.py).
"""

LEAST_EXCESS = 0.02
"""A metric is far beyond its limit only where it is also beyond it by so much: limits of 0 are kept by no noise."""

GROUPS = {
    "texture": "Texture",
    "boundaries": "Boundaries",
    "grains": "Grains",
    "phases": "Phases",
    "place": "Place",
    "volume": "Grains in three dimensions",
    "correlation": "Spatial correlation",
    "in-grain": "Orientation scatter within grains",
    "response": "Response by bounds",
}
"""Titles of the groups of metrics, in the order of tables."""

_MISSED = 0.1
"""Share of the metrics that a volume may miss where no windows tell what is usual; a window misses half as many."""
_MOST_NAMED = 8
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MetricResult:
    """A metric of a volume with its verdict.

    Attributes
    ----------
    key, title, group : str
        As in :class:`polyrve.validation.metrics.metric.Metric`.
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
    applies : bool
        False where the reference lacks what is compared, such as a second phase: then nothing is missing.
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
    applies: bool = True

    @property
    def far(self) -> bool:
        """Whether the value is more than twice its limit, and not by rounding or a single grain."""
        if self.value is None or self.limit is None or self.higher_is_better:
            return False
        return bool(self.value > FAR * self.limit and self.value - self.limit > LEAST_EXCESS)


@dataclass(frozen=True, repr=False)
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
    usual_excess : float or None
        The :attr:`excess` that 95 of 100 windows of the map keep: metrics go together, and where one is beyond its
        limit others are. None where there are no windows.

    See Also
    --------
    polyrve.validate : Compare a volume with the map that it was made from.
    polyrve.write_report : Write the comparison as a page.

    Examples
    --------
    >>> row = MetricResult("odf_5", "ODF", "texture", 0.2, {"z": 0.2}, 0.1, 0.3, "pass")
    >>> Validation((row,), grains=84)
    Validation: 1 of 1 metrics pass
    Texture: 1 of 1 pass
    """

    results: tuple[MetricResult, ...]
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    grains: int | None = None
    usual_excess: float | None = None

    def __getitem__(self, key: str) -> MetricResult:
        for row in self.results:
            if row.key == key:
                return row
        raise KeyError(f"metric: expected one of {', '.join(row.key for row in self.results)}; got {key!r}")

    @property
    def compared(self) -> int:
        """Number of metrics that have a verdict."""
        return sum(row.verdict != "not compared" for row in self.results)

    @property
    def passed(self) -> int:
        """Number of metrics within their limit."""
        return sum(row.verdict == "pass" for row in self.results)

    @property
    def warned(self) -> tuple[MetricResult, ...]:
        """Metrics beyond their limit."""
        return tuple(row for row in self.results if row.verdict == "warn")

    @property
    def hardly_failed(self) -> int:
        """Number of metrics that pass within a limit that hardly any volume fails."""
        return sum(row.verdict == "pass" and not row.decisive for row in self.results)

    @property
    def conclusive(self) -> bool:
        """Whether two thirds of all metrics are decisive, of a volume of at least 20 grains."""
        asked = [row for row in self.results if row.applies]
        decisive = sum(row.decisive for row in asked)
        few = self.grains is not None and self.grains < FEWEST_TO_STAND
        return decisive >= DECISIVE_SHARE * len(asked) and not few

    @property
    def far_off(self) -> tuple[MetricResult, ...]:
        """Metrics of which the volume is far beyond the limit; one of them is enough to refuse it."""
        return tuple(row for row in self.results if row.far)

    @property
    def excess(self) -> float:
        """How far the volume is beyond limits, all metrics together: the sum of log(value / limit) over those beyond.

        Shares of lags, of which a higher one is better, and limits of 0 do not count, nor does the seam, which no
        window has.
        """
        rows = [row for row in self.results if row.key != "seam" and not row.higher_is_better]
        return sum(log_excess(row.value, row.limit) for row in rows if row.value is not None and row.limit is not None)

    @property
    def refused(self) -> bool:
        """Whether the volume is unlike the map: in all further beyond limits than windows are, or far beyond one."""
        if self.usual_excess is None:
            return len(self.warned) > _MISSED * self.compared or bool(self.far_off)
        return self.excess > self.usual_excess + _ROUNDING or bool(self.far_off)

    @property
    def convincing(self) -> bool:
        """Whether the volume is not refused and the validation is conclusive."""
        return self.conclusive and not self.refused

    @property
    def of_volume(self) -> bool:
        """Whether the reference is a volume as a whole, not a map."""
        shapes = self.settings.get("reference_shapes", {}).values()
        return any(len(shape) == 3 and isinstance(shape[0], int) for shape in shapes)

    @property
    def conclusion(self) -> str:
        """How many metrics pass, and what makes that worth less, in one line."""
        hardly = self.hardly_failed
        missing = sum(row.applies and row.verdict == "not compared" for row in self.results)
        parts = [f"{self.passed - hardly} of {self.compared} metrics pass{' decisively' * bool(hardly)}"]
        if hardly:
            what = "volume" if self.of_volume else "map"
            parts.append(f"{hardly} can hardly fail with a {what} this small")
        if missing:
            parts.append(f"{missing} not compared")
        if self.far_off:
            parts.append(f"{len(self.far_off)} far beyond the limit")
        if self.grains is not None and self.grains < FEWEST_TO_STAND:
            parts.append(f"the volume holds {counted(self.grains)}")
        return f"{'Inconclusive: ' * (not self.conclusive)}{', '.join(parts)}"

    @property
    def headline(self) -> str:
        """The conclusion, and the names of the metrics that warn."""
        named = list(dict.fromkeys(row.title.split(",")[0] for row in self.warned))
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED + 1 else ""
        shown = named[:_MOST_NAMED] if more else named
        return f"{self.conclusion}{'; warn: ' * bool(named)}{', '.join(shown)}{more}"

    def to_json(self) -> str:
        """Return the record as JSON text, without NaN.

        Returns
        -------
        str

        Examples
        --------
        >>> import json
        >>> json.loads(Validation((), ("A note.",)).to_json())["notes"]
        ['A note.']
        """
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    def to_dataframe(self) -> pd.DataFrame:
        """Return the table of all metrics.

        Returns
        -------
        pandas.DataFrame
            One row per metric, indexed by its key, with the columns ``title``, ``group``, ``value``, ``floor``,
            ``limit``, ``verdict``, ``decisive``, ``reason``, ``reference``, ``measured``, ``unit``,
            ``higher_is_better``, and the value by normal, such as ``value_z``.

        Examples
        --------
        >>> row = MetricResult("odf_5", "ODF", "texture", 0.2, {"z": 0.2}, 0.1, 0.3, "pass")
        >>> table = Validation((row,)).to_dataframe()
        >>> table[table.value > table.floor].verdict.to_dict()
        {'odf_5': 'pass'}
        """
        import pandas as pd

        normals = dict.fromkeys(name for row in self.results for name in row.per_axis)
        columns = (
            "title", "group", "value", "floor", "limit", "verdict", "decisive", "reason", "reference", "measured",
            "unit", "higher_is_better",
        )  # fmt: skip
        rows = [
            {
                **{column: getattr(row, column) for column in columns},
                **{f"value_{name}": row.per_axis.get(name) for name in normals},
            }
            for row in self.results
        ]
        names = [*columns, *(f"value_{name}" for name in normals)]
        table = pd.DataFrame(rows, columns=names, index=pd.Index([row.key for row in self.results], name="metric"))
        numbers = ["value", "floor", "limit", "reference", "measured", *(f"value_{name}" for name in normals)]
        return table.astype(dict.fromkeys(numbers, float))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw each metric as a bar against its limit; a bar beyond the line warns.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes

        Examples
        --------
        >>> row = MetricResult("odf_5", "ODF", "texture", 0.2, {"z": 0.2}, 0.1, 0.3, "pass")
        >>> Validation((row,)).plot().get_xlabel()
        'value in units of its limit'
        """
        return _face.plot_validation(self, ax)

    def write(self, path: str | Path, *, force: bool = False) -> None:
        """Write the table as .csv, or the whole record as .json.

        Parameters
        ----------
        path : path-like
            Its suffix says the format.
        force : bool
            Whether an existing file may be replaced.

        Raises
        ------
        ValueError
            If the suffix is neither .json nor .csv.
        FileExistsError
            If the file exists and `force` is not given.

        Examples
        --------
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> Validation(()).write(f"{folder.name}/validation.json")
        """
        suffix = Path(path).suffix.lower()
        if suffix not in (".json", ".csv"):
            raise ValueError(f"path: expected a file name that ends in .json or .csv; got {suffix or 'no suffix'}")
        text = f"{self.to_json()}\n" if suffix == ".json" else self.to_dataframe().to_csv(lineterminator="\n")
        _face.write_text(text, path, force)

    def __repr__(self) -> str:
        lines = [f"Validation: {self.headline}"]
        for group, title in GROUPS.items():
            rows = [row for row in self.results if row.group == group]
            if not rows:
                continue
            compared = [row for row in rows if row.verdict != "not compared"]
            passed = sum(row.verdict == "pass" for row in compared)
            warned = ", ".join(row.key for row in compared if row.verdict == "warn")
            missing = f", {len(rows) - len(compared)} not compared" * (len(compared) < len(rows))
            lines.append(f"{title}: {passed} of {len(compared)} pass{missing}{'; warn: ' * bool(warned)}{warned}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return _face.metrics_table(self)

    def __str__(self) -> str:
        lines = [f"{'metric':<58} {'value':>9} {'floor':>9} {'limit':>9}  verdict"]
        lacking: dict[str, list[str]] = {}
        for row in self.results:
            if not row.applies:
                lacking.setdefault(row.reason, []).append(row.key)
                continue
            numbers = (f"{'-' if x is None else format(x, '.3f'):>9}" for x in (row.value, row.floor, row.limit))
            doubt = ", not decisive" * (row.verdict == "pass" and not row.decisive) + ", far" * row.far
            reason = f"{': ' * bool(row.reason)}{row.reason}"
            lines.append(f"{row.title:<58} {' '.join(numbers)}  {row.verdict}{doubt}{reason}")
        lines += [f"{counted(len(keys), 'metric')} not compared: {reason}" for reason, keys in lacking.items()]
        return "\n".join([*lines, *self.notes, self.headline])


def log_excess(value: float, limit: float) -> float:
    """Return how far a value is beyond a limit: log(value / limit), 0 within it or where the limit is 0."""
    return math.log(value / limit) if value > limit > 0.0 else 0.0


def counted(number: int, noun: str = "grain") -> str:
    """A number of things in words."""
    return f"{number} {noun}{'s' * (number != 1)}"
