"""What is in a map or volume, and what looks wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

from polyrve.backend.safe_text import quoted, shown
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.gradients import trends
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.instrument_estimate import estimate_instrument, noise_interval, pseudo_symmetries
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, analyse
from polyrve.microstructure.stereology import SPECK, count_grains

_CENTRAL_POINTS = 60_000
"""Points of the central part in which grains are counted.

It takes less than a second; of a smaller part the numbers of grains and of single points are less certain.
"""

_MANY_SINGLE, _MANY_UNINDEXED, _LOW_CONFIDENCE = 0.01, 0.1, 0.1
"""Shares of single and of unindexed points, and the median confidence index, from which a map looks wrong.

Chosen, not derived; EDAX's own clean-up takes points of a confidence index below 0.1 for unreliable. Lower shares name
sound maps, higher ones pass over maps that want cleaning.
"""

_FEW_GRAINS = 50
"""Grains of a map below which its statistics are those of single grains; :mod:`polyrve.reconstruction.input_checks`."""

_FEW_ACROSS = 5
"""Points across the mean grain, weighted by size, below which most of a grain's points lie at its boundary.

Of a square grain 5 points wide 16 of 25 do. With a larger number maps are named whose grains are resolved.
"""

NOT_STATIONARY = (
    "the map is not the same everywhere, and a volume made from it has one mean of all; --set grade=AXIS keeps a "
    "gradient along an axis"
)
"""What a map that changes along an axis means."""

_HEXAGONAL, _TETRAGONAL, _CUBIC = ("-3", "-3m", "6/m", "6/mmm"), ("4/m", "4/mmm"), ("m-3", "m-3m")
_CONFIDENCE = ("CI", "Confidence Index")
_EDGE, _ANGLE = 1e-3, 0.5
"""Relative difference of edges, and of angles in degrees, that no rounding and no thermal expansion explains."""


@dataclass(frozen=True)
class Inspection:
    """The outcome of :func:`inspect`.

    Attributes
    ----------
    facts : dict of str to str
        Name and value, in the order to be shown.
    suspicions : tuple of str
        One sentence for each thing that looks wrong; empty where nothing does.
    """

    facts: dict[str, str]
    suspicions: tuple[str, ...]


def inspect(
    field: OrientationMap | OrientationVolume,
    path: str | Path | None = None,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    min_points: int = SPECK + 1,
) -> Inspection:
    """Tell what is in a map or volume and what looks wrong with it, before it is used.

    Grains are counted, and single points that differ from all their neighbours, in a central part of at most
    60 000 points.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume
    path : path-like, optional
        The file that it was read from: where that is not the one that its frame was applied to, as after a conversion,
        no frame is asked for.
    threshold : float, degrees
        Smallest disorientation of a grain boundary.
    min_points : int
        Grains of at least so many points are counted apart, and told few where they are.

    Returns
    -------
    Inspection

    Raises
    ------
    ValueError
        If the threshold is not between 0 and 180 degrees.

    Examples
    --------
    >>> from polyrve import make_specimen
    >>> found = inspect(make_specimen((8, 20, 25), grain_size=5.0, seed=1).field)
    >>> found.facts["shape"], found.facts["not indexed"]
    ('8 x 20 x 25 (nz, ny, nx), 4000 points', '0.00 %')
    """
    earlier = _earlier(field, path)
    facts = {**_facts(field), **earlier}
    suspicions = [*_doubts(field), *_phase_suspicions(field), *_point_suspicions(field)]
    if field.frame.source == "vendor default" and not earlier:
        suspicions.append(
            f"the file does not say its frame; the vendor's default {field.frame.name} was taken, --frame sets another"
        )
    part = _central_part(field)
    if part.indexed.any():
        analysis = analyse(part, threshold)
        grain_ids = analysis.grain_ids
        points = np.bincount(grain_ids.ravel())[1:]
        single = points[points == 1].sum() / part.indexed.sum()
        counted = count_grains(grain_ids, min_points)
        ndim = len(field.shape)
        across = float((points**2).sum() / points.sum()) ** (1 / ndim)
        where = "" if part is field else f", in the central part of {_times(part.shape)} points"
        facts["grains"] = (
            f"{len(points)}, of which {counted} have {min_points} points or more "
            f"(boundaries from {threshold:g} degrees{where})"
        )
        facts["grain width"] = (
            f"{across:.0f} points, {across * float(np.prod(field.spacing)) ** (1 / ndim):.3g} um: "
            "the mean weighted by size"
        )
        if isinstance(analysis, MapAnalysis):
            facts |= _instrument(analysis.grains)
            suspicions += [f"{trend}: {NOT_STATIONARY}" for trend in trends(analysis) if trend.found]
        if single > _MANY_SINGLE:
            suspicions.append(
                f"{100 * single:.1f} % of the points differ from all their neighbours: misindexed, or noise"
            )
        in_all = counted if part is field else _in_all(grain_ids, points >= min_points, field.shape)
        if in_all < _FEW_GRAINS:
            number = f"{counted}" if part is field else f"about {in_all:.0f} (by the {counted} of the central part)"
            suspicions.append(
                f"{number} grains of {min_points} points or more are few for statistics; texture wants some hundred"
            )
        if across < _FEW_ACROSS:
            suspicions.append(f"grains are {across:.1f} points wide: the step is too coarse for their boundaries")
    return Inspection(facts, tuple(suspicions))


def _instrument(grains: GrainMap) -> dict[str, str]:
    """What a map tells about the instrument that measured it."""
    found, interval = estimate_instrument([grains]), noise_interval(grains)
    reach = f" ({interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
    facts = {"measuring noise": f"{found.noise:.2f} degrees{reach}, root mean square angle"}
    spikes = f"{100 * found.misindexed:.2f} % of the points, in grains of one or two"
    shared = [
        f"{one.spikes} of {one.of} in {shown(grains.field.phases[i].name)} stand at {one.relation.name} to their grain"
        for i, one in pseudo_symmetries(grains).items()
    ]
    facts["misindexed"] = "; ".join([spikes, *shared]) + (": pseudo-symmetry, or thin twins" if shared else "")
    holes, number = ndimage.label(grains.grain_ids == 0)
    if number:
        largest = int(np.bincount(holes.ravel())[1:].max())
        facts["holes"] = f"{number}, the largest of {largest} point{'s' * (largest > 1)}"
    if found.preference is not None:
        facts["at boundaries"] = f"unindexed or misindexed {found.preference:.1f} times as often as in grains"
    return facts


def _in_all(grain_ids: np.ndarray, counted: np.ndarray, shape: tuple[int, ...]) -> float:
    """How many grains a field has by those of a part of it: those that the part cuts count half (Jeffries)."""
    cut = [axis for axis, length in enumerate(shape) if grain_ids.shape[axis] < length]
    at_border = np.unique(np.concatenate([np.take(grain_ids, [0, -1], axis=axis).ravel() for axis in cut]))
    halves = np.count_nonzero(counted[at_border[at_border > 0] - 1])
    return float(np.count_nonzero(counted) - halves / 2) * float(np.prod(shape)) / grain_ids.size


def _facts(field: OrientationMap | OrientationVolume) -> dict[str, str]:
    frame = field.frame
    extent = [n * step for n, step in zip(field.shape, field.spacing, strict=True)]
    facts = {
        "kind": type(field).__name__,
        "shape": f"{_times(field.shape)} ({_axes(field)}), {field.phase_ids.size} points",
        "step": f"{_times(field.spacing)} um",
        "extent": f"{_times(extent)} um",
        "frame": f"{frame.name} ({frame.source})",
        "not indexed": f"{100 * (1 - field.indexed.mean()):.2f} %",
        "periodic": "yes" if field.periodic else "no",
    }
    count = np.bincount(field.phase_ids.ravel(), minlength=len(field.phases) + 1)
    for i, phase in enumerate(field.phases, start=1):
        share = 100 * count[i] / field.phase_ids.size
        facts[f"phase {i}"] = f"{shown(phase.name)}, Laue group {phase.laue}, {_lattice(phase)}, {share:.2f} %"
    for name, values in field.properties.items():
        facts[shown(name)] = _range(values, len(field.shape))
    return facts


def _earlier(field: OrientationMap | OrientationVolume, path: str | Path | None) -> dict[str, str]:
    """Tell the maps that orientations come from and the frames applied then; nothing where the file is the first."""
    made, source = field.provenance.get("maps"), field.provenance.get("source")
    if isinstance(made, Mapping) and made and all(isinstance(record, Mapping) for record in made.values()):
        read = [f"{normal}: " * (normal != "all") + _read_in(record) for normal, record in made.items()]
        return {"made from": f"{', '.join(read)}; another frame needs another reconstruction"}
    if path is not None and source is not None and source != Path(path).name and "frame" in field.provenance:
        return {"read from": f"{_read_in(field.provenance)}; another frame needs that file to be read again"}
    return {}


def _read_in(record: Mapping[str, Any]) -> str:
    frame = record.get("frame")
    told = f" in frame {frame['name']} ({frame['source']})" if frame else ""
    return f"{shown(record.get('source', 'a map without a name'))}{told}"


def _times(values: object) -> str:
    return " x ".join(f"{value:g}" for value in values)  # type: ignore[attr-defined]


def _axes(field: OrientationMap | OrientationVolume) -> str:
    return ", ".join(("nz", "ny", "nx")[3 - len(field.shape) :])


def _lattice(phase: Phase) -> str:
    if not any(phase.lattice[:3]):
        return "lattice unknown"
    return f"a b c {_times(phase.lattice[:3])} A, angles {_times(phase.lattice[3:])}"


def _range(values: np.ndarray, ndim: int) -> str:
    components = "" if values.ndim == ndim else f", {_times(values.shape[ndim:])} components"
    if values.dtype.kind not in "biuf" or not values.size:
        return f"{values.dtype}{components}"
    numbers = values.astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return "no finite value"
    return f"{numbers.min():g} ... {numbers.max():g}, median {np.median(numbers):g}{components}"


def _doubts(field: OrientationMap | OrientationVolume) -> list[str]:
    """What the reader of the file found odd."""
    doubts = field.provenance.get("doubts", ())
    return [shown(doubt, most=500) for doubt in doubts] if isinstance(doubts, (list, tuple)) else []


def _phase_suspicions(field: OrientationMap | OrientationVolume) -> list[str]:
    found = []
    count = np.bincount(field.phase_ids.ravel(), minlength=len(field.phases) + 1)
    for i, phase in enumerate(field.phases, start=1):
        if count[i] == 0:
            found.append(f"phase {quoted(phase.name)} has no point")
        if any(phase.lattice[:3]):
            found += [f"phase {quoted(phase.name)}: {odd}" for odd in _lattice_suspicions(phase)]
    return found


def _lattice_suspicions(phase: Phase) -> list[str]:
    """What a lattice has that its Laue group does not allow, or no crystal has."""
    laue, lengths, angles = phase.laue, phase.lattice[:3], phase.lattice[3:]
    said = ", ".join(f"{name} = {angle:g}" for name, angle in zip(("alpha", "beta", "gamma"), angles, strict=True))
    found = []
    if max(lengths) < 1.0:
        found.append(f"edges of {_times(lengths)} angstrom are shorter than atoms: are they in nm?")
    alike = lengths[: 3 if laue in _CUBIC else 2 if laue in (*_HEXAGONAL, *_TETRAGONAL) else 1]
    if max(alike) > (1.0 + _EDGE) * min(alike):
        equal = " = ".join("abc"[: len(alike)])
        found.append(f"Laue group {laue} asks for {equal}; got {_times(alike)} angstrom")
    if max(angles) < 2.0 * np.pi:
        return [*found, f"angles of {said} degrees: are they in rad?"]
    wanted = (90.0, 90.0, 120.0 if laue in _HEXAGONAL else 90.0)
    off = sum(abs(angle - right) > _ANGLE for angle, right in zip(angles, wanted, strict=True))
    if off > {"-1": 3, "2/m": 1}.get(laue, 0):
        found.append(f"Laue group {laue} asks for other angles than {said} degrees")
    return found


def _point_suspicions(field: OrientationMap | OrientationVolume) -> list[str]:
    found = []
    indexed = field.indexed
    if not indexed.any():
        return ["no point is indexed"]
    if (missing := 1 - indexed.mean()) > _MANY_UNINDEXED:
        found.append(f"{100 * missing:.0f} % of the points are not indexed")
    orientations = field.quaternions[indexed]
    if len(orientations) > 1 and np.ptp(orientations, axis=0).max() == 0:
        found.append("all points have the same orientation")
    if max(field.spacing) > 1.001 * min(field.spacing):
        found.append(f"the steps along the axes differ: {_times(field.spacing)} um")
    name = next((name for name in _CONFIDENCE if name in field.properties), None)
    if name is not None and field.properties[name].shape == field.shape:
        found += _confidence_suspicions(np.asarray(field.properties[name][indexed], dtype=np.float64))
    return found


def _confidence_suspicions(confidence: np.ndarray) -> list[str]:
    """What a confidence index of indexed points should not be: EDAX's is 0 ... 1, and -1 where there is no solution."""
    found = []
    negative = np.count_nonzero(confidence < 0)
    if negative:
        found.append(
            f"{negative} indexed points have a confidence index below 0, EDAX's mark of points that are not indexed: "
            "is there a mask?"
        )
    if (largest := float(np.nanmax(confidence, initial=0.0))) > 1.001:
        found.append(f"the confidence index is 0 ... 1; got up to {largest:g}: it is something else, or scaled")
    elif np.nanmedian(confidence) < _LOW_CONFIDENCE:
        found.append("the median confidence index is below 0.1")
    return found


def _central_part(field: OrientationMap | OrientationVolume) -> OrientationMap | OrientationVolume:
    if field.phase_ids.size <= _CENTRAL_POINTS:
        return field
    side = int(_CENTRAL_POINTS ** (1 / len(field.shape)))
    part = tuple(slice(max(0, (n - side) // 2), max(0, (n - side) // 2) + side) for n in field.shape)
    return field.evolve(
        quaternions=field.quaternions[part],
        phase_ids=field.phase_ids[part],
        properties={},
        periodic=False,
    )
