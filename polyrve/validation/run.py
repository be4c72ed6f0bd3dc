"""The validation of a reconstructed volume: metrics of its sections against the map, each with an acceptance floor.

Nothing here knows the loss that a volume was made with, and sections are compared with the map, never a size in
three dimensions with one in two. A metric's *floor* is what the map gives against itself: random windows of the
size of the volume's sections against the whole map. A metric passes where it is no worse than 95 of 100 such windows.

Several maps of one material each describe the sections of their own normal, in what has a direction or a neighbour.
Its orientations, without regard to where they lie, are one distribution: metrics of one point compare the sections
with the points of all maps together, and windows of all maps give the floor.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from polyrve.crystallography.crystal import Crystal
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD, neighbour_disorientation
from polyrve.microstructure.map_analysis import VolumeAnalysis, analyse
from polyrve.microstructure.map_placement import Maps
from polyrve.microstructure.map_scatter import MapScatter
from polyrve.microstructure.sampled_volume import SampledVolume, sample
from polyrve.microstructure.stereology import QUANTILE, SPECK, count_grains
from polyrve.validation.comparison import WINDOWS, Comparison, compare
from polyrve.validation.metrics import Metric, metrics
from polyrve.validation.response_metrics import response_metrics
from polyrve.validation.result import DECISIVE_SHARE, FEWEST_TO_STAND, MetricResult, Validation, counted, log_excess

__all__ = [
    "DECISIVE_SHARE",
    "FEWEST_GRAINS",
    "FEWEST_TO_STAND",
    "FEWEST_WINDOWS",
    "Comparison",
    "MetricResult",
    "Validation",
    "compare",
    "seam",
    "validate",
    "validate_comparison",
]  # fmt: skip

FEWEST_GRAINS = 5
"""A map or volume with fewer grains, specks left out, is not compared by metrics of grains.

Any two sets of so few grains differ. With a larger number small maps lose these metrics, whose limits say already that
they are not decisive.
"""

FEWEST_WINDOWS = 5
"""So many windows of the map, and half of them all, must give a metric; else it has no floor.

Of fewer than five the quantile of 95 % is the largest, whatever it is.
"""

_ROUNDING = 1e-12
"""A value beyond its limit by less is at its limit."""

_STEEP = np.deg2rad(10.0)
"""Neighbours farther apart than this are counted across the faces: steeper than the spread within most grains."""

_FEWEST_PLANES = 4
"""Layers of points that a volume has at least along an axis whose seam is told; of fewer there is no scatter inside."""


def _steep(angles: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Count neighbours far apart, and all, across each plane between two layers of points normal to an axis."""
    known, other = ~np.isnan(angles), tuple(i for i in range(angles.ndim) if i != axis)
    return ((angles > _STEEP) & known).sum(axis=other), known.sum(axis=other)


def _steep_in_sections(volume: SampledVolume, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Count the same in the sections that an axis lies in."""
    steep, count = np.zeros((2, volume.shape[axis]), dtype=np.int64)
    for normal, sections in volume.sections.items():
        for one in sections if normal != axis else ():
            row = in_plane(normal).index(axis)
            found = _steep(neighbour_disorientation(one, row), row)
            steep, count = steep + found[0], count + found[1]
    return steep, count


def seam(volume: OrientationVolume | VolumeAnalysis | CellVolume | SampledVolume) -> MetricResult:
    """Tell whether a periodic volume goes on across its faces as it does inside.

    For every plane between two layers of points, the fraction of neighbours across it that are more than 10 degrees
    apart is compared with the mean over the planes inside the volume; the seam may deviate as much as a plane inside
    does.

    Parameters
    ----------
    volume : OrientationVolume, VolumeAnalysis, CellVolume or SampledVolume
        Of some sections, the planes are the lines between their points.

    Returns
    -------
    MetricResult
    """
    title, key = "seam across the faces, relative deviation", "seam"
    if isinstance(volume, CellVolume):
        volume = sample(volume)
    if isinstance(volume, SampledVolume):
        across, known = "", volume.any_indexed
    else:
        analysis = analyse(volume)
        volume = analysis.field
        across = volume.provenance.get("repeats_across", "")
        if across and not volume.periodic:
            analysis = analyse(volume.evolve(periodic=True, provenance={}), analysis.threshold)
            volume = analysis.field
        known = bool(volume.indexed.any())
    if not volume.periodic or not known:
        reason = "the volume has no indexed points" if volume.periodic else "the volume is not periodic"
        return MetricResult(key, title, "boundaries", None, {}, None, None, "not compared", reason, decisive=False)
    per_axis: dict[str, float | None] = {}
    inside: list[float] = []
    means = []
    for axis in range(3):
        if volume.shape[axis] < _FEWEST_PLANES or (across and "zyx"[axis] not in across):
            continue
        steep, count = (
            _steep_in_sections(volume, axis)
            if isinstance(volume, SampledVolume)
            else _steep(analysis.angles[axis], axis)
        )
        fraction = steep / np.maximum(count, 1)
        mean = fraction[:-1].mean()
        if mean > 0 and count.min() > 0:
            deviation = np.abs(fraction / mean - 1.0)
            per_axis["zyx"[axis]] = float(deviation[-1])
            inside.extend(deviation[:-1])
            means.append((mean, fraction[-1]))
    if not per_axis:
        reason = "the volume has no boundaries"
        return MetricResult(key, title, "boundaries", None, {}, None, None, "not compared", reason, decisive=False)
    value, limit = max(x for x in per_axis.values() if x is not None), float(max(inside))
    expected, measured = np.mean(means, axis=0)
    passed, largest = value <= limit, 1.0 / expected - 1.0
    return MetricResult(
        key, title, "boundaries", value, per_axis, float(np.median(inside)), limit,
        "pass" if passed else "warn", reference=float(expected), measured=float(measured),
        decisive=bool(limit < largest or not passed),
    )  # fmt: skip


def validate(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume | VolumeAnalysis | CellVolume | SampledVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = WINDOWS,
    seed: int = 0,
    between: Callable[[], object] = lambda: None,
    crystals: Sequence[Crystal] = (),
) -> Validation:
    """Compare the sections of a volume with the map that it was made from, and say what passes.

    The maps are sampled at the volume's spacing first. A volume as the reference, such as the truth of a synthetic
    specimen, is compared as a whole with the whole volume.

    Parameters
    ----------
    reference : OrientationMap, GrainMap, sequence or mapping of OrientationMap, OrientationVolume or GrainVolume
        One map serves the sections of all axes; several are told apart as in
        :func:`polyrve.microstructure.map_placement.by_normal`. Maps that have been analysed, as from
        :func:`polyrve.microstructure.map_placement.analyse_maps`, are not analysed again.
    rve : OrientationVolume, GrainVolume, VolumeAnalysis, CellVolume or SampledVolume
        Of a volume that is kept as cells some sections are compared, and a note tells how many. Its voxel-wise
        orientations are compared. The grains of a GrainVolume are counted as they are where they were cut with the same
        threshold.
    threshold : float, degrees
        Smallest disorientation of a boundary.
    windows : int
        Number of random windows of the map that give the floor.
    seed : int
        Of the windows.
    between : callable, optional
        Called before each metric; what it raises ends the validation.
    crystals : sequence of Crystal
        Elasticity and slip of each phase, for the metrics of the response, which are left out without.

    Returns
    -------
    Validation

    Raises
    ------
    ValueError
        If the maps are not those of :func:`polyrve.microstructure.map_placement.by_normal`, or their phases are not
        the volume's.

    Warns
    -----
    UserWarning
        If the maps, their frames or their normals are not those that the volume was made with.

    See Also
    --------
    compare : The two sides that are compared, to be drawn.
    polyrve.report.write_report : The same as a page.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> specimen = make_specimen((24, 26, 28), grain_size=6.0, seed=1)
    >>> scan = simulate_scan(make_specimen((4, 90, 96), grain_size=6.0, seed=2), noise=0.1)
    >>> validation = validate(scan, specimen, windows=5)
    >>> validation["grain_size_area"].verdict, validation["seam"].verdict
    ('pass', 'pass')
    """
    comparison = compare(reference, rve, threshold=threshold, windows=windows, seed=seed)
    return validate_comparison(comparison, between, crystals)


def validate_comparison(
    comparison: Comparison,
    between: Callable[[], object] = lambda: None,
    crystals: Sequence[Crystal] = (),
    only: Collection[str] | None = None,
) -> Validation:
    """Say of each metric of a comparison whether it keeps the limit that windows of the map give.

    Parameters
    ----------
    comparison : Comparison
    between : callable, optional
    crystals : sequence of Crystal
        As for :func:`validate`.
    only : collection of str, optional
        Keys of the metrics that are compared; by default all.

    Returns
    -------
    Validation
    """
    further = response_metrics(crystals) if crystals else ()
    if comparison.reason:
        rows = [_not_compared(metric, comparison.reason) for metric in (*metrics(), *further)]
        note = f"Nothing can be compared: {comparison.reason}."
        notes = (*map(_sentence, comparison.remarks), note)
        return Validation((*rows, seam(comparison.analysis)), notes, comparison.settings)
    analysis = comparison.analysis
    grains = analysis.number_of_grains if isinstance(analysis, SampledVolume) else count_grains(analysis.grain_ids)
    few = _few_grains(comparison, grains)
    rows = []
    excess: defaultdict[int, float] = defaultdict(float)
    for metric in (*metrics(comparison.lag, volumes="volume" in comparison.pairs), *further):
        if only is not None and metric.key not in only:
            continue
        between()
        if absent := _absent(metric, comparison):
            rows.append(replace(_not_compared(metric, absent), applies=False))
        else:
            rows.append(_not_compared(metric, few) if metric.of_grains and few else _row(metric, comparison, excess))
    rows.append(seam(comparison.analysis))
    windows = {id(window) for of_map in comparison.windows.values() for window in of_map}
    usual = float(np.quantile([excess[window] for window in windows], QUANTILE)) if windows else None
    return Validation(tuple(rows), tuple(_notes(comparison, rows, grains)), comparison.settings, grains, usual)


def _few_grains(comparison: Comparison, grains: int) -> str:
    sides = {
        comparison.reference_name(name): count_grains(pair[0].grain_ids) for name, pair in comparison.pairs.items()
    }
    for side, number in {**sides, "the volume": grains}.items():
        if number < FEWEST_GRAINS:
            return f"{side} has {counted(number)}; at least {FEWEST_GRAINS} are needed"
    return ""


def _absent(metric: Metric, comparison: Comparison) -> str:
    """Say what the reference lacks that a material need not have."""
    if not metric.optional:
        return ""
    missing = {
        name: f"{comparison.reference_name(name, metric)} has {lacks}"
        for name, (reference, _, _) in comparison.sides(metric).items()
        if (lacks := metric.lacks(reference))
    }
    return next(iter(missing.values())) if len(missing) == len(comparison.pairs) else ""


def _not_compared(metric: Metric, reason: str) -> MetricResult:
    return MetricResult(
        metric.key, metric.title, metric.group, None, {}, None, None, "not compared", reason, unit=metric.unit,
        higher_is_better=metric.higher, decisive=False,
    )  # fmt: skip


def _row(metric: Metric, comparison: Comparison, excess: defaultdict[int, float] | None = None) -> MetricResult:
    """Compare by a metric, and add how far windows are beyond its limit, by their ids."""
    sides = comparison.sides(metric)
    sign = -1.0 if metric.higher else 1.0
    values = {name: metric.compare(reference, sections) for name, (reference, sections, _) in sides.items()}
    known = {name: value for name, value in values.items() if np.isfinite(value)}
    kept: dict[tuple[int, int], np.ndarray] = {}
    added: set[tuple[int, int]] = set()
    limits, medians, reasons = {}, {}, {}
    for name, (reference, sections, windows) in sides.items():
        what = comparison.reference_name(name, metric)
        if name not in known:
            missing = metric.lacks(reference)
            side, missing = (what, missing) if missing else ("the volume", metric.lacks(sections))
            reasons[name] = f"{side} has {missing}"
            continue
        key = id(reference), id(windows)
        if key not in kept:
            kept[key] = np.array([metric.compare(reference, window) for window in windows])
        floor = kept[key][np.isfinite(kept[key])]
        if len(windows) < FEWEST_WINDOWS:
            reasons[name] = f"{counted(len(windows), 'window')} of {what}; at least {FEWEST_WINDOWS} give a floor"
        elif len(floor) < max(FEWEST_WINDOWS, len(windows) // 2):
            lacks = metric.lacks(next(w for w, x in zip(windows, kept[key], strict=True) if not np.isfinite(x)))
            number = len(windows) - len(floor)
            reasons[name] = f"{number} of {len(windows)} windows of {what} have {lacks}: there is no floor"
        else:
            limit = float(np.quantile(floor, 1.0 - QUANTILE if metric.higher else QUANTILE))
            if metric.higher and limit <= 0.0:
                reasons[name] = f"windows of {what} reach a share of 0: there is no floor, every volume would pass"
                continue
            limits[name], medians[name] = limit, float(np.median(floor))
            if excess is not None and not metric.higher and key not in added:
                added.add(key)
                for window, value in zip(windows, kept[key], strict=True):
                    excess[id(window)] += log_excess(value, limit)
    worst = max(limits or known, key=lambda name: sign * (known[name] - limits.get(name, 0.0)), default="")
    expected = measured = None
    if metric.measure is not None:
        numbers = [[metric.measure(side) for side in (a, b)] for a, b, _ in sides.values()]
        expected, measured = (_number(x) for x in np.mean(numbers, axis=0))
    passed = all(sign * (known[name] - limit) <= _ROUNDING for name, limit in limits.items())
    decisive = bool(limits) and (not passed or metric.decides(limits[worst]))
    return MetricResult(
        key=metric.key,
        title=metric.title,
        group=metric.group,
        value=known.get(worst),
        per_axis={name: _number(value) for name, value in values.items()},
        floor=medians.get(worst),
        limit=limits.get(worst),
        verdict=("pass" if passed else "warn") if limits else "not compared",
        reason="" if limits else next(iter(reasons.values())),
        reference=expected,
        measured=measured,
        unit=metric.unit,
        higher_is_better=metric.higher,
        decisive=decisive,
    )


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _notes(comparison: Comparison, rows: Sequence[MetricResult], grains: int) -> list[str]:
    pairs, notes = comparison.pairs, [*map(_sentence, comparison.remarks)]
    if isinstance(comparison.analysis, SampledVolume):
        shown = {name: len(sections.phase_ids) for name, (_, sections) in pairs.items()}
        told = ", ".join(f"{number} of {comparison.analysis.shape['zyx'.index(name)]} normal to {name}"
                         for name, number in shown.items())  # fmt: skip
        notes.append(f"Some sections stand for the volume: {told}.")
    shapes = {name: tuple(shape) for name, shape in comparison.settings["window_shapes"].items()}
    scattered = any((row.floor or 0.0) > 1e-6 for row in rows if row.group != "correlation" and row.key != "seam")
    windows = {name: float(pair[0].points / np.prod(shapes[name])) for name, pair in pairs.items()}
    name = min(windows, key=lambda name: windows[name])
    reference, sections = pairs[name]
    what = comparison.reference_name(name).capitalize()
    if shapes[name] != sections.shape:
        larger = "hardly" if all(a >= b for a, b in zip(reference.shape, sections.shape, strict=True)) else "not"
        notes.append(
            f"{what} ({_extent(reference.shape)} points at the volume's spacing) is {larger} larger than the "
            f"{'volume' if 'volume' in pairs else 'sections'} ({_extent(sections.shape)}): smaller windows, "
            f"{_extent(shapes[name])} points, give the floor, which {'is wide and ' * scattered}rests on overlapping "
            "windows."
        )
    elif windows[name] < 4.0:
        rough = " and the floor is rough" * scattered
        notes.append(f"{what} holds only {windows[name]:.1f} windows of this size: they overlap{rough}.")
    for normal, differ in comparison.settings.get("maps_differ", {}).items():
        told = "; ".join(map(str, (MapScatter(**one) for one in differ)))
        notes.append(f"Maps normal to {normal}, as means over them: {told}.")
    notes += [
        f"{_capital(trend)}: the map is not the same everywhere." for trend in comparison.settings.get("trends", [])
    ]
    counts = {comparison.reference_name(name): count_grains(pair[0].grain_ids) for name, pair in pairs.items()}
    what = min(counts, key=lambda what: counts[what])
    if FEWEST_GRAINS <= counts[what] < 100:
        notes.append(
            f"{what.capitalize()} shows {counted(counts[what])}: metrics of grains and texture have a wide floor."
        )
    if grains < 100:
        few = f"The volume has {counted(grains)} of {SPECK + 1} points or more"
        notes.append(f"{few}: fewer than 100 represent a texture roughly.")
    if any(
        len(length) and np.average(length, weights=weight) < 4.0 * step
        for length, weight, step in (
            (*chord, step) for chord, step in zip(sections.chords, sections.spacing, strict=True)
        )
    ):
        notes.append("Chords are shorter than 4 points on average: grains are hardly resolved.")
    return notes


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"


def _sentence(text: str) -> str:
    return f"{_capital(text)}."


def _extent(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
