"""What judges a reconstructed volume: figures of its sections against the map, each with an acceptance floor.

Nothing here knows the loss that a volume was made with, and sections are compared with the map, never a size in
three dimensions with one in two. A figure's *floor* is what the map gives against itself: random windows of the
size of the volume's sections against the whole map. A figure passes where it is no worse than 95 of 100 such windows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from polyrve.figures import Figure, figures, reach
from polyrve.grains import DEFAULT_THRESHOLD, GrainMap, GrainVolume, neighbour_disorientation, segment
from polyrve.orientation import OrientationMap, OrientationVolume
from polyrve.sample import SPECK, Sample, at_spacing, sections, whole
from polyrve.sections import Maps, by_normal

FEWEST_GRAINS = 5
"""A map or volume with fewer grains is not judged by figures of grains."""

_WINDOWS = 40
_QUANTILE = 0.95
_LARGEST_WINDOW = 0.7


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
    """

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

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

    def to_json(self) -> str:
        """The record as JSON text, without NaN."""
        return json.dumps(asdict(self), indent=2, allow_nan=False)

    def __str__(self) -> str:
        lines = [f"{'figure':<58} {'value':>9} {'floor':>9} {'limit':>9}  verdict"]
        for row in self.rows:
            numbers = (f"{'-' if x is None else format(x, '.3f'):>9}" for x in (row.value, row.floor, row.limit))
            lines.append(f"{row.title:<58} {' '.join(numbers)}  {row.verdict}{': ' * bool(row.reason)}{row.reason}")
        lines.append(f"{self.passed} of {self.judged} figures pass")
        return "\n".join([*lines, *self.notes])


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
    if not volume.periodic:
        return Row(key, title, "boundaries", None, {}, None, None, "not judged", "the volume is not periodic")
    per_axis: dict[str, float | None] = {}
    inside: list[float] = []
    means = []
    for axis in range(3):
        if volume.shape[axis] < 4:
            continue
        angles = neighbour_disorientation(volume, axis)
        known = ~np.isnan(angles)
        other = tuple(i for i in range(3) if i != axis)
        count = known.sum(axis=other)
        fraction = ((angles > np.deg2rad(10.0)) & known).sum(axis=other) / np.maximum(count, 1)
        mean = fraction[:-1].mean()
        if mean > 0 and count.min() > 0:
            deviation = np.abs(fraction / mean - 1.0)
            per_axis["zyx"[axis]] = float(deviation[-1])
            inside.extend(deviation[:-1])
            means.append((mean, fraction[-1]))
    if not per_axis:
        return Row(key, title, "boundaries", None, {}, None, None, "not judged", "the volume has no boundaries")
    value, limit = max(x for x in per_axis.values() if x is not None), float(max(inside))
    expected, measured = np.mean(means, axis=0)
    return Row(
        key, title, "boundaries", value, per_axis, float(np.median(inside)), limit,
        "pass" if value <= limit else "warn", reference=float(expected), measured=float(measured),
    )  # fmt: skip


def judge(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = _WINDOWS,
    seed: int = 0,
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

    Returns
    -------
    Judgement

    Raises
    ------
    ValueError
        If the maps are not those of :func:`polyrve.sections.by_normal`, or their phases are not the volume's.
    """
    return judgement_of(compare(reference, rve, threshold=threshold, windows=windows, seed=seed))


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
    """

    volume: OrientationVolume
    pairs: dict[str, tuple[Sample, Sample]]
    windows: dict[str, list[Sample]]
    lag: int
    settings: dict[str, Any]
    reason: str = ""


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
            raise ValueError(
                f"phases: expected those of the map, {[(p.name, p.laue) for p in other.phases]}; "
                f"got {[(p.name, p.laue) for p in volume.phases]} in the volume"
            )
    settings: dict[str, Any] = {
        "threshold_degrees": float(threshold), "windows": int(windows), "seed": int(seed),
        "volume_shape": list(volume.shape), "volume_spacing_um": list(volume.spacing),
        "reference_shapes": {"zyx"[axis]: list(other.shape) for axis, other in references.items()},
        "reference_spacings_um": {"zyx"[axis]: list(other.spacing) for axis, other in references.items()},
    }  # fmt: skip
    for name, fields in (("map", [*references.values()]), ("volume", [volume])):
        if not all(other.indexed.any() for other in fields):
            return Comparison(volume, {}, {}, 0, settings, f"the {name} has no indexed points")
    pairs = _pairs(references, volume, threshold)
    if not pairs or any(min(side.shape) < 4 for pair in pairs.values() for side in pair):
        reason = "a map or section with fewer than 4 points on a side has no statistics"
        return Comparison(volume, {}, {}, 0, settings, reason)
    return _with_windows(pairs, volume, settings)


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
    pairs: dict[str, tuple[Sample, Sample]], volume: OrientationVolume, settings: dict[str, Any]
) -> Comparison:
    shapes = {
        name: tuple(
            min(n, max(4, int(_LARGEST_WINDOW * total))) for n, total in zip(sample.shape, reference.shape, strict=True)
        )
        for name, (reference, sample) in pairs.items()
    }
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
        "quantile": _QUANTILE,
    }
    return Comparison(volume, pairs, windows, lag, settings)


def judgement_of(comparison: Comparison) -> Judgement:
    """Judge all figures of a comparison, each against its floor.

    Parameters
    ----------
    comparison : Comparison

    Returns
    -------
    Judgement
    """
    if comparison.reason:
        rows = [_row(figure, {}, {}, comparison.reason, {}) for figure in figures()]
        note = f"Nothing can be judged: {comparison.reason}."
        return Judgement(tuple(rows), (note,), comparison.settings)
    pairs, windows = comparison.pairs, comparison.windows
    few = _few_grains(pairs)
    kept: dict[tuple[int, str], np.ndarray] = {}
    rows = []
    for figure in figures(comparison.lag):
        if figure.group == "correlation" and "volume" in pairs:
            continue
        if figure.of_grains and few:
            rows.append(_row(figure, {}, {}, few, pairs))
            continue
        values, floors = {}, {}
        for name, (reference, sample) in pairs.items():
            key = id(windows[name]), figure.key
            if key not in kept:
                kept[key] = np.array([figure.compare(reference, window) for window in windows[name]])
            values[name] = figure.compare(reference, sample)
            floors[name] = kept[key]
        rows.append(_row(figure, values, floors, "", pairs))
    rows.append(seam(comparison.volume))
    return Judgement(tuple(rows), tuple(_notes(comparison)), comparison.settings)


def _few_grains(pairs: dict[str, tuple[Sample, Sample]]) -> str:
    for reference, sample in pairs.values():
        for side, stack in (("reference", reference), ("volume's sections", sample)):
            points = np.bincount(stack.grain_ids.ravel(), minlength=1)[1:]
            number = int((points > SPECK).sum())
            if number < FEWEST_GRAINS:
                verb = "has" if side == "reference" else "have"
                return f"the {side} {verb} {number} grain{'s' * (number != 1)}; at least {FEWEST_GRAINS} are needed"
    return ""


def _row(
    figure: Figure,
    values: dict[str, float],
    floors: dict[str, np.ndarray],
    reason: str,
    pairs: dict[str, tuple[Sample, Sample]],
) -> Row:
    reference = measured = None
    if figure.measure is not None and not reason:
        sides = [[figure.measure(side) for side in pair] for pair in pairs.values()]
        reference, measured = (_number(x) for x in np.mean(sides, axis=0))
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    limits, medians = {}, {}
    for name in known:
        floor = floors[name][np.isfinite(floors[name])]
        if len(floor) >= max(5, len(floors[name]) // 2):
            limits[name] = float(np.quantile(floor, 1.0 - _QUANTILE if figure.higher else _QUANTILE))
            medians[name] = float(np.median(floor))
    if not reason and not known:
        reason = "too few whole grains or pairs to compare"
    if not reason and not limits:
        reason = "too few windows of the map give it: there is no floor"
    sign = -1.0 if figure.higher else 1.0
    judged = limits or known
    worst = max(judged, key=lambda name: sign * (known[name] - limits.get(name, 0.0)), default=None)
    if reason or worst is None:
        verdict = "not judged"
    else:
        verdict = "pass" if all(sign * (known[n] - limits[n]) <= 1e-12 for n in limits) else "warn"
    return Row(
        key=figure.key,
        title=figure.title,
        group=figure.group,
        value=None if worst is None else _number(known[worst]),
        per_axis={name: _number(value) for name, value in values.items()},
        floor=medians.get(worst) if worst else None,
        limit=limits.get(worst) if worst else None,
        verdict=verdict,
        reason=reason,
        reference=reference,
        measured=measured,
        unit=figure.unit,
        higher_is_better=figure.higher,
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _notes(comparison: Comparison) -> list[str]:
    pairs, notes = comparison.pairs, []
    shapes = {name: tuple(shape) for name, shape in comparison.settings["window_shapes"].items()}
    name, (reference, sample) = min(
        pairs.items(), key=lambda item: np.prod(item[1][0].shape) / np.prod(shapes[item[0]])
    )
    ratio = float(np.prod(reference.shape) / np.prod(shapes[name]))
    what = "reference volume" if "volume" in pairs else "map"
    other = "volume" if "volume" in pairs else "sections"
    if shapes[name] != sample.shape:
        notes.append(
            f"The {what} ({' x '.join(map(str, reference.shape))} points at the volume's spacing) is hardly larger "
            f"than the {other} ({' x '.join(map(str, sample.shape))}): windows of {' x '.join(map(str, shapes[name]))} "
            "points give the floor, which is wide and rests on overlapping windows."
        )
    elif ratio < 4.0:
        notes.append(f"The {what} holds only {ratio:.1f} windows of this size: the floor is wide.")
    grains = reference.grain_ids
    number = int((np.bincount(grains.ravel(), minlength=1)[1:] > SPECK).sum())
    if number < 100:
        notes.append(
            f"The {what} shows {number} grain{'s' * (number != 1)}: figures of grains and texture have a wide floor."
        )
    counted = segment(comparison.volume, comparison.settings["threshold_degrees"])
    number = int((np.bincount(counted.grain_ids.ravel())[1:] > SPECK).sum())
    notes.append(f"The volume has {number} grains of more than {SPECK} points.")
    if number < 100:
        notes.append("A volume of fewer than 100 grains represents a texture roughly.")
    for (length, weight), spacing in zip(sample.chords, sample.spacing, strict=True):
        if len(length) and np.average(length, weights=weight) < 4.0 * spacing:
            notes.append("Chords are shorter than 4 points on average: grains are hardly resolved.")
            break
    return notes
