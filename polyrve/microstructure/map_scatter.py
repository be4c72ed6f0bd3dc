"""How far the maps of a material differ, and how well it is known from all of them together.

Each quantity is a vector for each part of the maps: a mean, or the masses of a distribution. The maps together have the
mean of the parts, weighted by their points. What a part is off this mean, times the root of the sum of the squared
weights, is what the mean itself is off the material, as long as parts are independent: the error falls as the inverse
root of their number. A map with grains enough counts as four parts, so that one map tells its own error, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.crystallography.crystal import Crystal
from polyrve.crystallography.odf import OdfBins, odf_bins
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, analyse
from polyrve.microstructure.response_bounds import hill_moduli
from polyrve.microstructure.section_measures import SectionMeasures
from polyrve.microstructure.stereology import SPECK

_FEWEST_GRAINS = 10
"""Whole grains of a quarter of a map that is told from the others; of fewer a mean is known to a third at best."""

_MOST_POINTS = 60_000
"""Points of all maps whose orientations are compared; grains hold many points, so that more tell little more."""

_HALFWIDTH = 7.5
"""Degrees, of the orientation distribution: as in the metric of a validation that is most often decisive."""

_BINS = np.arange(0.0, 180.1, 5.0)
"""Degrees. Classes of boundaries, as in :mod:`polyrve.validation.metrics.texture`."""

_SIZES = np.linspace(0.02, 0.98, 49)
"""Shares of the area at whose grain sizes distributions of sizes are compared."""


@dataclass(frozen=True)
class MapScatter:
    """How far maps differ in one quantity; made by :func:`map_scatter`.

    Attributes
    ----------
    name : str
        What is compared, and how.
    values : tuple of float
        For each map: a quantity with a unit itself, else the distance of the map from all maps together.
    unit : str
        Of the values; empty for distances.
    between : float
        How far a map lies from all maps together on average: relative for a quantity with a unit. NaN for one map.
    error : float
        Forecast of the same between all maps together and the material; NaN where there are too few grains.
    """

    name: str
    values: tuple[float, ...]
    unit: str
    between: float
    error: float

    def __str__(self) -> str:
        if np.isnan(self.between):
            return f"{self.name}: one map, which is off the material by about {_share(self.error)}"
        return f"{self.name}: maps differ by {_share(self.between)}, all together are off by about {_share(self.error)}"


def _share(value: float) -> str:
    return "an unknown share" if np.isnan(value) else f"{100 * value:.2g} %"


@dataclass(frozen=True, eq=False)
class _Part:
    """A map, or a quarter of it."""

    measures: SectionMeasures
    angles: np.ndarray
    masses: Sequence[np.ndarray]
    quaternions: np.ndarray
    phase_ids: np.ndarray


@dataclass(frozen=True)
class _Quantity:
    name: str
    unit: str
    of: Callable[[_Part], np.ndarray]
    apart: Callable[[np.ndarray, np.ndarray], float]


def map_scatter(
    maps: Sequence[OrientationMap | MapAnalysis],
    threshold: float = DEFAULT_THRESHOLD,
    crystals: Sequence[Crystal] = (),
) -> tuple[MapScatter, ...]:
    """Tell how far maps differ, and forecast how far all of them together are off the material.

    Parameters
    ----------
    maps : sequence of OrientationMap or MapAnalysis
        Of one normal, in one frame, of the same phases; of any step and size.
    threshold : float, degrees
        Smallest disorientation of a boundary.
    crystals : sequence of Crystal
        Elasticity of each phase, for Hill's modulus, which is left out without.

    Returns
    -------
    tuple of MapScatter
        Orientation distribution, disorientations of boundaries, grain sizes, mean chord and modulus.

    Raises
    ------
    ValueError
        If there is no map, or a map has no indexed points.

    See Also
    --------
    polyrve.validate : Windows of the maps give the floor of a volume.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> specimen = make_specimen((40, 60, 64), grain_size=6.0, seed=1)
    >>> two = [simulate_scan(specimen, index=index, seed=index) for index in (5, 25)]
    >>> print(map_scatter(two)[-1])
    mean chord: maps differ by 0.98 %, all together are off by about 0.74 %
    """
    analyses = [analyse(one, threshold) for one in maps]
    if not analyses or not all(one.field.indexed.any() for one in analyses):
        raise ValueError(f"maps: expected at least one, each with indexed points; got {len(analyses)}")
    parts = _parts(analyses)
    whole = [part for of_map in parts for part in of_map[:1]]
    pieces = [piece for of_map in parts for piece in (of_map[1:] or of_map)]
    return tuple(
        found for quantity in _quantities(whole, crystals) if (found := _scatter(quantity, whole, pieces)) is not None
    )


def _scatter(quantity: _Quantity, whole: Sequence[_Part], pieces: Sequence[_Part]) -> MapScatter | None:
    values = [quantity.of(part) for part in whole]
    if not np.isfinite(values).all():
        return None
    together = np.average(values, axis=0, weights=_weights(whole))
    apart = [quantity.apart(value, together) for value in values]
    number = len(values)
    between = float(np.mean(apart) / np.sqrt(1.0 - 1.0 / number)) if number > 1 else np.nan
    of_pieces = [(quantity.of(piece), weight) for piece, weight in zip(pieces, _weights(pieces), strict=True)]
    known = [(value, weight) for value, weight in of_pieces if np.isfinite(value).all()]
    error = np.nan
    if len(known) > 1:
        weights = np.array([weight for _, weight in known])
        weights /= weights.sum()
        mean = np.average([value for value, _ in known], axis=0, weights=weights)
        off = [quantity.apart(value, mean) for value, _ in known]
        error = float(np.mean(off) / np.sqrt(1.0 - 1.0 / len(known)) * np.sqrt((weights**2).sum()))
    shown = [float(value[0]) for value in values] if quantity.unit else apart
    return MapScatter(quantity.name, tuple(shown), quantity.unit, between, error)


def _weights(parts: Sequence[_Part]) -> np.ndarray:
    """Shares of the area, so that a map of a fine step does not count more."""
    areas = np.array([part.measures.indexed.sum() * np.prod(part.measures.spacing) for part in parts], dtype=float)
    return areas / areas.sum()


def _parts(analyses: Sequence[MapAnalysis]) -> list[list[_Part]]:
    """Cut each map into quarters, the whole map first; nothing but the map where quarters have too few grains."""
    phases = analyses[0].field.phases
    total = sum(one.field.phase_ids.size for one in analyses)
    stride = max(1, int(np.ceil(total / _MOST_POINTS)))
    shown = [np.arange(one.field.phase_ids.size) % stride == 0 for one in analyses]
    q = np.concatenate([one.field.quaternions.reshape(-1, 4)[kept] for one, kept in zip(analyses, shown, strict=True)])
    ids = np.concatenate([one.field.phase_ids.ravel()[kept] for one, kept in zip(analyses, shown, strict=True)])
    of_point: list[np.ndarray] = []
    spread: list[Callable[[np.ndarray], np.ndarray]] = []
    for number, phase in enumerate(phases, start=1):
        bins = odf_bins(q[ids == number], phase.laue)
        place = np.full(len(ids), -1)
        place[ids == number] = bins.of_point
        of_point.append(place)
        spread.append(_masses_of(bins))
    first = 0
    found = []
    for one, kept in zip(analyses, shown, strict=True):
        shape = one.field.shape
        place_in_all: np.ndarray = np.full(one.field.phase_ids.size, -1)
        place_in_all[kept] = np.arange(first, first + kept.sum())
        first += int(kept.sum())
        place_in_all = place_in_all.reshape(shape)
        middle = [n // 2 for n in shape]
        windows = [((0, 0), shape)]
        corners = [(y, x) for y in (0, middle[0]) for x in (0, middle[1])]
        quarters = [
            (corner, tuple(n - m if c else m for n, m, c in zip(shape, middle, corner, strict=True)))
            for corner in corners
        ]
        measured = [one.sections.window(corner, size) for corner, size in quarters] if min(middle) > 1 else []
        if measured and min(part.number_of_grains for part in measured) >= _FEWEST_GRAINS:
            windows += quarters
        parts = []
        for corner, size in windows:
            cut = tuple(slice(a, a + n) for a, n in zip(corner, size, strict=True))
            points = place_in_all[cut][place_in_all[cut] >= 0]
            masses = [spread[i](of_point[i][points]) / max(len(points), 1) for i in range(len(phases))]
            angles = np.concatenate([values[cut].ravel() for values in one.angles.values()])
            measures = one.sections if size == shape else one.sections.window(corner, size)
            parts.append(_Part(measures, angles, masses, q[points], ids[points]))
        found.append(parts)
    return found


def _masses_of(bins: OdfBins) -> Callable[[np.ndarray], np.ndarray]:
    number = len(bins.centres)
    return lambda of_point: bins.odf(np.bincount(of_point[of_point >= 0], minlength=number).astype(float), _HALFWIDTH)


def _half_l1(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).sum() / 2.0)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a - b).max())


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(a / b - 1.0).mean())


def _quantities(whole: Sequence[_Part], crystals: Sequence[Crystal]) -> list[_Quantity]:
    sizes = _sizes_at(whole)
    found = [
        _Quantity("orientation distribution, misplaced volume", "", lambda part: np.concatenate(part.masses), _half_l1),
        _Quantity("disorientations of boundaries, half L1", "", _boundaries, _half_l1),
        _Quantity("grain sizes by area, largest difference", "", lambda part: _below(part, sizes), _largest),
        _Quantity("mean chord", "um", _mean_chord, _relative),
    ]
    if crystals:
        found.append(
            _Quantity(
                "Young's modulus, Hill",
                "Pa",
                lambda part: hill_moduli(part.quaternions, part.phase_ids, crystals),
                _relative,
            )
        )
    return found


def _boundaries(part: _Part) -> np.ndarray:
    known = np.rad2deg(part.angles[np.isfinite(part.angles)])
    counts = np.histogram(known[known > DEFAULT_THRESHOLD], _BINS)[0]
    return counts / counts.sum() if counts.sum() else np.full(len(counts), np.nan)


def _grains_of(parts: Sequence[_Part]) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of whole grains, um^2, and their weights by area."""
    shapes = [part.measures.shapes for part in parts]
    kept = [one.points > SPECK for one in shapes]
    size = np.concatenate([one.size[large] for one, large in zip(shapes, kept, strict=True)])
    weight = np.concatenate([one.weight[large] for one, large in zip(shapes, kept, strict=True)])
    return size, weight * size


def _sizes_at(parts: Sequence[_Part]) -> np.ndarray:
    size, weight = _grains_of(parts)
    if not weight.sum():
        return np.full(len(_SIZES), np.nan)
    order = np.argsort(size)
    return np.interp(_SIZES, np.cumsum(weight[order]) / weight.sum(), size[order])


def _below(part: _Part, sizes: np.ndarray) -> np.ndarray:
    """Share of the area in grains up to some sizes."""
    size, weight = _grains_of([part])
    if not weight.sum():
        return np.full(len(sizes), np.nan)
    return np.array([weight[size <= limit].sum() for limit in sizes]) / weight.sum()


def _mean_chord(part: _Part) -> np.ndarray:
    return np.array([np.mean(part.measures.mean_chords)])
