"""What judges a reconstructed volume: figures of its sections against the map, each with an acceptance floor.

Nothing here knows the loss that a volume was made with, and sections are compared with the map, never a size in
three dimensions with one in two. A figure's *floor* is what the map gives against itself: random windows of the
size of the volume's sections against the whole map. A figure passes where it is no worse than 95 of 100 such windows.

Several maps of one material each describe the sections of their own normal, in what has a direction or a neighbour.
Its orientations, without regard to where they lie, are one distribution: figures of one point compare the sections
with the points of all maps together, and windows of all maps give the floor.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from polyrve.axes import in_plane
from polyrve.figures import Figure, figures, reach
from polyrve.grains import DEFAULT_THRESHOLD, GrainMap, GrainVolume, neighbour_disorientation, segment
from polyrve.orientation import OrientationMap, OrientationVolume
from polyrve.sample import Orientations, Sample, at_spacing, pooled, sections, whole
from polyrve.sections import Maps, by_normal
from polyrve.shapes import SPECK
from polyrve.sources import differences
from polyrve.windows import QUANTILE, window_shape

FEWEST_GRAINS = 5
"""A map or volume with fewer grains, specks left out, is not judged by figures of grains."""

FEWEST_WINDOWS = 5
"""So many windows of the map, and half of them all, must give a figure; else it has no floor."""

FEWEST_TO_STAND = 20
"""A volume with fewer grains, specks left out, stands for no map, whatever its figures are."""

DECISIVE_SHARE = 2.0 / 3.0
"""So many of all figures must be judged by limits that tell volumes apart; else the judgement is inconclusive."""

_PASSING = 0.9
_WINDOWS = 40


@dataclass(frozen=True)
class Row:
    """A figure of a volume, judged.

    Attributes
    ----------
    key, title, group : str
        As in :class:`Figure`.
    value : float or None
        The worst over the axes of section; None where it cannot be told.
    per_axis : dict of str to float
        By the section's normal ``"z"``, ``"y"``, ``"x"``.
    floor : float or None
        Median over the windows of the map.
    limit : float or None
        What 95 of 100 windows of the map keep.
    verdict : str
        ``"pass"``, ``"warn"`` or ``"not judged"``.
    reason : str
        Why it is not judged; empty otherwise.
    reference, measured : float or None
        The compared number in the map and in the sections (mean over axes), where it is one number.
    unit : str
        Of the two.
    higher_is_better : bool
    decisive : bool
        Whether the verdict tells something: False where it is not judged, and for a pass within a limit that hardly
        any volume fails (:meth:`Figure.decides`).
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
class Judgement:
    """All figures of a volume.

    Attributes
    ----------
    rows : tuple of Row
    notes : tuple of str
        What a reader should know: a small map, few grains, another spacing.
    settings : dict
        Threshold, windows, seed, shapes; JSON types.
    grains : int or None
        Of the volume, specks left out; None where nothing could be compared.
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    grains: int | None = None

    def __getitem__(self, key: str) -> Row:
        for row in self.rows:
            if row.key == key:
                return row
        raise KeyError(f"figure: expected one of {', '.join(row.key for row in self.rows)}; got {key!r}")

    @property
    def judged(self) -> int:
        """Number of figures that were judged."""
        return sum(row.verdict != "not judged" for row in self.rows)

    @property
    def passed(self) -> int:
        """Number of figures within their limit."""
        return sum(row.verdict == "pass" for row in self.rows)

    @property
    def hardly_failed(self) -> int:
        """Number of figures that pass within a limit that hardly any volume fails."""
        return sum(row.verdict == "pass" and not row.decisive for row in self.rows)

    @property
    def conclusive(self) -> bool:
        """Whether two thirds of all figures are judged decisively, of a volume of at least 20 grains."""
        decisive = sum(row.decisive for row in self.rows)
        few = self.grains is not None and self.grains < FEWEST_TO_STAND
        return decisive >= DECISIVE_SHARE * len(self.rows) and not few

    @property
    def convincing(self) -> bool:
        """Whether nine figures of ten pass and the judgement is conclusive."""
        return self.conclusive and self._passes

    @property
    def _passes(self) -> bool:
        return self.passed >= _PASSING * self.judged

    @property
    def conclusion(self) -> str:
        """How many figures pass, and what makes that worth less, in one line."""
        hardly, missing = self.hardly_failed, len(self.rows) - self.judged
        parts = [f"{self.passed - hardly} of {self.judged} figures pass{' decisively' * bool(hardly)}"]
        if hardly:
            shapes = self.settings.get("reference_shapes", {}).values()
            what = "volume" if any(len(shape) == 3 for shape in shapes) else "map"
            parts.append(f"{hardly} can hardly fail with a {what} this small")
        if missing:
            parts.append(f"{missing} could not be judged")
        if self.grains is not None and self.grains < FEWEST_TO_STAND:
            parts.append(f"the volume holds {_counted(self.grains)}")
        return f"{'Inconclusive: ' * (self._passes and not self.conclusive)}{', '.join(parts)}"

    def to_json(self) -> str:
        """The record as JSON text, without NaN."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"{'figure':<58} {'value':>9} {'floor':>9} {'limit':>9}  verdict"]
        for row in self.rows:
            numbers = (f"{'-' if x is None else format(x, '.3f'):>9}" for x in (row.value, row.floor, row.limit))
            doubt = ", not decisive" * (row.verdict == "pass" and not row.decisive)
            reason = f"{': ' * bool(row.reason)}{row.reason}"
            lines.append(f"{row.title:<58} {' '.join(numbers)}  {row.verdict}{doubt}{reason}")
        return "\n".join([*lines, *self.notes, self.conclusion])


def seam(volume: OrientationVolume) -> Row:
    """Whether a periodic volume goes on across its faces as it does inside.

    For every plane between two layers of points, the fraction of neighbours across it that are more than 10 degrees
    apart is compared with the mean over the planes inside the volume; the seam may deviate as much as a plane inside
    does.

    Parameters
    ----------
    volume : OrientationVolume

    Returns
    -------
    Row
    """
    title, key = "seam across the faces, relative deviation", "seam"
    if not volume.periodic or not volume.indexed.any():
        reason = "the volume has no indexed points" if volume.periodic else "the volume is not periodic"
        return Row(key, title, "boundaries", None, {}, None, None, "not judged", reason, decisive=False)
    per_axis: dict[str, float | None] = {}
    inside: list[float] = []
    means = []
    for axis in range(3):
        if volume.shape[axis] < 4:
            continue
        angles = neighbour_disorientation(volume, axis)
        known = ~np.isnan(angles)
        other = in_plane(axis)
        count = known.sum(axis=other)
        fraction = ((angles > np.deg2rad(10.0)) & known).sum(axis=other) / np.maximum(count, 1)
        mean = fraction[:-1].mean()
        if mean > 0 and count.min() > 0:
            deviation = np.abs(fraction / mean - 1.0)
            per_axis["zyx"[axis]] = float(deviation[-1])
            inside.extend(deviation[:-1])
            means.append((mean, fraction[-1]))
    if not per_axis:
        reason = "the volume has no boundaries"
        return Row(key, title, "boundaries", None, {}, None, None, "not judged", reason, decisive=False)
    value, limit = max(x for x in per_axis.values() if x is not None), float(max(inside))
    expected, measured = np.mean(means, axis=0)
    passed, largest = value <= limit, 1.0 / expected - 1.0
    return Row(
        key, title, "boundaries", value, per_axis, float(np.median(inside)), limit,
        "pass" if passed else "warn", reference=float(expected), measured=float(measured),
        decisive=bool(limit < largest or not passed),
    )  # fmt: skip


def judge(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = _WINDOWS,
    seed: int = 0,
    between: Callable[[], object] = lambda: None,
) -> Judgement:
    """Compare the sections of a volume with the map that it was made from.

    The maps are sampled at the volume's spacing first. A volume as the reference, such as the truth of a synthetic
    specimen, is compared as a whole with the whole volume.

    Parameters
    ----------
    reference : OrientationMap, GrainMap, sequence or mapping of OrientationMap, OrientationVolume or GrainVolume
        One map serves the sections of all axes; several are told apart as in :func:`polyrve.sections.by_normal`.
    rve : OrientationVolume or GrainVolume
        Its voxel-wise orientations are judged.
    threshold : float, degrees
        Of grain boundaries.
    windows : int
        Number of random windows of the map that give the floor.
    seed : int
        Of the windows.
    between : callable, optional
        Called before each figure; what it raises ends the judgement.

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError
        If the maps are not those of :func:`polyrve.sections.by_normal`, or their phases are not the volume's.

    Warns
    -----
    UserWarning
        If the maps, their frames or their normals are not those that the volume was made with.
    """
    return judgement_of(compare(reference, rve, threshold=threshold, windows=windows, seed=seed), between)


@dataclass(frozen=True, eq=False)
class Comparison:
    """Samples of map and volume, ready to be judged or drawn.

    Attributes
    ----------
    volume : OrientationVolume
    pairs : dict of str to (Sample, Sample)
        Map and sections, by the normal ``"z"``, ``"y"``, ``"x"``; or both whole, as ``"volume"``.
    windows : dict of str to list of Sample
        Random windows of the map, by the normal.
    lag : int
        Largest lag of the correlation figures, points.
    settings : dict
        JSON types.
    reason : str
        Why there is nothing to compare; empty otherwise.
    together : Orientations or None
        The points of all maps, where there are several.
    remarks : tuple of str
        How the maps differ from those that the volume was made from (:func:`polyrve.sources.differences`).
    """

    volume: OrientationVolume
    pairs: dict[str, tuple[Sample, Sample]]
    windows: dict[str, list[Sample]]
    lag: int
    settings: dict[str, Any]
    reason: str = ""
    together: Orientations | None = None
    remarks: tuple[str, ...] = ()

    def sides(self, figure: Figure) -> dict[str, tuple[Orientations, Sample, list[Sample]]]:
        """What a figure compares: reference, sections and the windows that give the floor, by the normal."""
        if self.together is None or not figure.one_point:
            return {name: (*pair, self.windows[name]) for name, pair in self.pairs.items()}
        windows = [window for of_map in self.windows.values() for window in of_map]
        return {name: (self.together, sample, windows) for name, (_, sample) in self.pairs.items()}

    def reference_name(self, name: str, figure: Figure | None = None) -> str:
        """How a sentence names the reference of a normal, or what a figure compares with."""
        if "volume" in self.pairs:
            return "the reference volume"
        if self.together is None:
            return "the map"
        return "the map of all normals" if figure is not None and figure.one_point else f"the map normal to {name}"


def compare(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = _WINDOWS,
    seed: int = 0,
) -> Comparison:
    """Samples of map and volume; parameters and errors as in :func:`judge`.

    Returns
    -------
    Comparison
    """
    volume = rve.field if isinstance(rve, GrainVolume) else rve
    if isinstance(reference, (GrainMap, GrainVolume)):
        reference = reference.field
    references: dict[int, OrientationMap] | dict[int, OrientationVolume]
    references = {0: reference} if isinstance(reference, OrientationVolume) else by_normal(reference)
    for other in references.values():
        if [phase.laue for phase in other.phases] != [phase.laue for phase in volume.phases]:
            of_map, of_volume = ([(p.name, p.laue) for p in field.phases] for field in (other, volume))
            dropped = " ".join(f"--drop-phase {phase[0]!r}" for phase in of_map if phase not in of_volume)
            hint = f": {dropped} (cleaning.drop_phase) leaves it out of the map" if set(of_volume) < set(of_map) else ""
            raise ValueError(f"phases: expected those of the map, {of_map}; got {of_volume} in the volume{hint}")
    remarks = differences(volume, {i: field for i, field in references.items() if isinstance(field, OrientationMap)})
    for sentence in remarks:
        warnings.warn(sentence, stacklevel=3)
    settings: dict[str, Any] = {
        "threshold_degrees": float(threshold), "windows": int(windows), "seed": int(seed),
        "volume_shape": list(volume.shape), "volume_spacing_um": list(volume.spacing),
        "reference_shapes": {"zyx"[axis]: list(other.shape) for axis, other in references.items()},
        "reference_spacings_um": {"zyx"[axis]: list(other.spacing) for axis, other in references.items()},
    }  # fmt: skip
    for name, fields in (("map", [*references.values()]), ("volume", [volume])):
        if not all(other.indexed.any() for other in fields):
            reason = f"the {name} has no indexed points"
            return Comparison(volume, {}, {}, 0, settings, reason, remarks=remarks)
    pairs = _pairs(references, volume, threshold)
    if not pairs or any(min(side.shape) < 4 for pair in pairs.values() for side in pair):
        reason = "a map or section with fewer than 4 points on a side has no statistics"
        return Comparison(volume, {}, {}, 0, settings, reason, remarks=remarks)
    several = len({id(source) for source in references.values()}) > 1 and len(pairs) > 1
    together = pooled([source for source, _ in pairs.values()]) if several else None
    return _with_windows(pairs, volume, settings, together, remarks)


def _pairs(
    references: Mapping[int, OrientationMap] | Mapping[int, OrientationVolume],
    volume: OrientationVolume,
    threshold: float,
) -> dict[str, tuple[Sample, Sample]]:
    """Reference and sample, by the normal of the sections."""
    pairs = {}
    known: dict[tuple[int, tuple[float, ...]], Sample] = {}
    by_axis: dict[int, Sample] = {}
    for axis, source in references.items():
        if isinstance(source, OrientationVolume):
            if not np.allclose(source.spacing, volume.spacing, rtol=1e-3):
                raise ValueError(
                    f"spacing of the volume: expected the reference's {source.spacing}; got {volume.spacing}"
                )
            return {"volume": (whole(source, threshold), whole(volume, threshold))}
        by_axis = by_axis or sections(volume, threshold)
        if axis not in by_axis:
            continue
        spacing = by_axis[axis].spacing
        key = id(source), spacing
        if key not in known:
            known[key] = whole(at_spacing(source, spacing), threshold)
        pairs["zyx"[axis]] = known[key], by_axis[axis]
    return pairs


def _windows_of(reference: Sample, shape: tuple[int, ...], number: int, seed: int) -> list[Sample]:
    rng = np.random.default_rng(seed)
    room = np.array(reference.shape) - np.array(shape) + 1
    windows: list[Sample] = []
    for _ in range(10 * number):
        if len(windows) == number:
            break
        window = reference.window(tuple(int(i) for i in rng.integers(room)), shape)
        if (window.phase_ids > 0).mean() > 0.5 * (reference.phase_ids > 0).mean():
            windows.append(window)
    return windows


def _with_windows(
    pairs: dict[str, tuple[Sample, Sample]],
    volume: OrientationVolume,
    settings: dict[str, Any],
    together: Orientations | None,
    remarks: tuple[str, ...],
) -> Comparison:
    shapes = {name: window_shape(sample.shape, reference.shape) for name, (reference, sample) in pairs.items()}
    lag = min(reach(shape) for shape in shapes.values())
    drawn: dict[tuple[int, tuple[int, ...]], list[Sample]] = {}
    windows = {}
    for name, (reference, _) in pairs.items():
        key = id(reference), shapes[name]
        if key not in drawn:
            drawn[key] = _windows_of(reference, shapes[name], settings["windows"], settings["seed"])
        windows[name] = drawn[key]
    settings = {
        **settings,
        "window_shapes": {name: list(shape) for name, shape in shapes.items()},
        "largest_lag_points": lag,
        "quantile": QUANTILE,
    }
    return Comparison(volume, pairs, windows, lag, settings, together=together, remarks=remarks)


def judgement_of(comparison: Comparison, between: Callable[[], object] = lambda: None) -> Judgement:
    """Judge all figures of a comparison, each against its floor.

    Parameters
    ----------
    comparison : Comparison
    between : callable, optional
        As for :func:`judge`.

    Returns
    -------
    Judgement
    """
    if comparison.reason:
        rows = [_not_judged(figure, comparison.reason) for figure in figures()]
        note = f"Nothing can be compared: {comparison.reason}."
        notes = (*map(_sentence, comparison.remarks), note)
        return Judgement((*rows, seam(comparison.volume)), notes, comparison.settings)
    grains = _grains(segment(comparison.volume, comparison.settings["threshold_degrees"]).grain_ids)
    few = _few_grains(comparison, grains)
    rows = []
    for figure in figures(comparison.lag):
        if figure.group == "correlation" and "volume" in comparison.pairs:
            continue
        between()
        rows.append(_not_judged(figure, few) if figure.of_grains and few else _row(figure, comparison))
    rows.append(seam(comparison.volume))
    return Judgement(tuple(rows), tuple(_notes(comparison, rows, grains)), comparison.settings, grains)


def _grains(grain_ids: np.ndarray) -> int:
    """Number of grains, specks left out."""
    return int((np.bincount(grain_ids.ravel(), minlength=1)[1:] > SPECK).sum())


def _counted(number: int, noun: str = "grain") -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _few_grains(comparison: Comparison, grains: int) -> str:
    sides = {comparison.reference_name(name): _grains(pair[0].grain_ids) for name, pair in comparison.pairs.items()}
    for side, number in {**sides, "the volume": grains}.items():
        if number < FEWEST_GRAINS:
            return f"{side} has {_counted(number)}; at least {FEWEST_GRAINS} are needed"
    return ""


def _not_judged(figure: Figure, reason: str) -> Row:
    return Row(
        figure.key, figure.title, figure.group, None, {}, None, None, "not judged", reason, unit=figure.unit,
        higher_is_better=figure.higher, decisive=False,
    )  # fmt: skip


def _row(figure: Figure, comparison: Comparison) -> Row:
    sides = comparison.sides(figure)
    values = {name: figure.compare(reference, sample) for name, (reference, sample, _) in sides.items()}
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    kept: dict[tuple[int, int], np.ndarray] = {}
    limits, medians, reasons = {}, {}, {}
    for name, (reference, sample, windows) in sides.items():
        what = comparison.reference_name(name, figure)
        if name not in known:
            missing = figure.lacks(reference)
            side, missing = (what, missing) if missing else ("the volume", figure.lacks(sample))
            reasons[name] = f"{side} has {missing}"
            continue
        key = id(reference), id(windows)
        if key not in kept:
            kept[key] = np.array([figure.compare(reference, window) for window in windows])
        floor = kept[key][np.isfinite(kept[key])]
        if len(windows) < FEWEST_WINDOWS:
            reasons[name] = f"{_counted(len(windows), 'window')} of {what}; at least {FEWEST_WINDOWS} give a floor"
        elif len(floor) < max(FEWEST_WINDOWS, len(windows) // 2):
            lacks = figure.lacks(next(w for w, x in zip(windows, kept[key], strict=True) if not np.isfinite(x)))
            number = len(windows) - len(floor)
            reasons[name] = f"{number} of {len(windows)} windows of {what} have {lacks}: there is no floor"
        else:
            limit = float(np.quantile(floor, 1.0 - QUANTILE if figure.higher else QUANTILE))
            if figure.higher and limit <= 0.0:
                reasons[name] = f"windows of {what} reach a share of 0: there is no floor, every volume would pass"
                continue
            limits[name], medians[name] = limit, float(np.median(floor))
    sign = -1.0 if figure.higher else 1.0
    worst = max(limits or known, key=lambda name: sign * (known[name] - limits.get(name, 0.0)), default="")
    expected = measured = None
    if figure.measure is not None:
        numbers = [[figure.measure(side) for side in (a, b)] for a, b, _ in sides.values()]
        expected, measured = (_number(x) for x in np.mean(numbers, axis=0))
    passed = all(sign * (known[name] - limit) <= 1e-12 for name, limit in limits.items())
    decisive = bool(limits) and (not passed or figure.decides(limits[worst]))
    return Row(
        key=figure.key,
        title=figure.title,
        group=figure.group,
        value=known.get(worst),
        per_axis={name: _number(value) for name, value in values.items()},
        floor=medians.get(worst),
        limit=limits.get(worst),
        verdict=("pass" if passed else "warn") if limits else "not judged",
        reason="" if limits else next(iter(reasons.values())),
        reference=expected,
        measured=measured,
        unit=figure.unit,
        higher_is_better=figure.higher,
        decisive=decisive,
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _notes(comparison: Comparison, rows: Sequence[Row], grains: int) -> list[str]:
    pairs, notes = comparison.pairs, [*map(_sentence, comparison.remarks)]
    shapes = {name: tuple(shape) for name, shape in comparison.settings["window_shapes"].items()}
    scattered = any((row.floor or 0.0) > 1e-6 for row in rows if row.group != "correlation" and row.key != "seam")
    windows = {name: float(np.prod(pair[0].shape) / np.prod(shapes[name])) for name, pair in pairs.items()}
    name = min(windows, key=lambda name: windows[name])
    reference, sample = pairs[name]
    what = comparison.reference_name(name).capitalize()
    if shapes[name] != sample.shape:
        larger = "hardly" if all(a >= b for a, b in zip(reference.shape, sample.shape, strict=True)) else "not"
        notes.append(
            f"{what} ({_extent(reference.shape)} points at the volume's spacing) is {larger} larger than the "
            f"{'volume' if 'volume' in pairs else 'sections'} ({_extent(sample.shape)}): smaller windows, "
            f"{_extent(shapes[name])} points, give the floor, which {'is wide and ' * scattered}rests on overlapping "
            "windows."
        )
    elif windows[name] < 4.0:
        rough = " and the floor is rough" * scattered
        notes.append(f"{what} holds only {windows[name]:.1f} windows of this size: they overlap{rough}.")
    shown = {comparison.reference_name(name): _grains(pair[0].grain_ids) for name, pair in pairs.items()}
    what = min(shown, key=lambda what: shown[what])
    if FEWEST_GRAINS <= shown[what] < 100:
        notes.append(
            f"{what.capitalize()} shows {_counted(shown[what])}: figures of grains and texture have a wide floor."
        )
    notes.append(f"The volume has {_counted(grains)} of more than {SPECK} points.")
    if grains < 100:
        notes.append("A volume of fewer than 100 grains represents a texture roughly.")
    if any(
        len(length) and np.average(length, weights=weight) < 4.0 * step
        for length, weight, step in ((*chord, step) for chord, step in zip(sample.chords, sample.spacing, strict=True))
    ):
        notes.append("Chords are shorter than 4 points on average: grains are hardly resolved.")
    return notes


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _extent(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
