"""Sections of a map and of a volume side by side, with random windows of the map as large as the volume's sections."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from polyrve.crystallography.phase import VOID, Phase
from polyrve.crystallography.special_relations import Relation
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.gradients import trends
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.habit_planes import AlongTraces, told_along
from polyrve.microstructure.instrument import Instrument, measured
from polyrve.microstructure.instrument_estimate import estimate_instrument
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import MapAnalysis, VolumeAnalysis, analyse
from polyrve.microstructure.map_placement import Maps, analyse_maps
from polyrve.microstructure.map_scatter import map_scatter
from polyrve.microstructure.outer_shape import material_of
from polyrve.microstructure.placed import Placed, distinct, each, first_normals, made_for, once
from polyrve.microstructure.sampled_volume import SampledVolume, sample
from polyrve.microstructure.special_boundaries import find_relations
from polyrve.microstructure.stereology import QUANTILE, window_shape
from polyrve.user_line import user_line
from polyrve.validation.metrics import Metric, reach
from polyrve.validation.pooled_orientations import PooledOrientations
from polyrve.validation.provenance import differences
from polyrve.validation.section_stack import SectionStack
from polyrve.validation.stacks import at_spacing, pool, section_stacks, stack_of, together

WINDOWS = 40
"""Windows of a map that give a floor, if not told otherwise.

The limit of 95 % is then between the two or three that differ most; fewer windows make it rougher, and a validation
takes time in proportion to them.
"""

_FEWEST_POINTS = 4
"""A map or section with fewer points on a side has no statistics: no window and no correlation fits."""

_MOST_DRAWS, _INDEXED = 10, 0.5
"""Windows are drawn up to ten times each until one has half of the map's share of indexed points; holes give none."""


_MOST_TESTED = 8
"""Maps that are tested for trends; of the sections of a volume the first ones tell."""

_SECTIONS = 4
"""Sections per axis on which the noise that a volume has already is told; four of 32 x 32 tell it to some per cent."""

_LEAST_NOISE, _LEAST_SHARE = 0.3, 0.0005
"""A volume whose noise lacks less than so much of the map's, and whose shares lack less, is compared as it is: a volume
that reproduces the measurement is not measured again."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Sections of map and volume, ready to be validated or drawn; made by :func:`compare`.

    Attributes
    ----------
    analysis : VolumeAnalysis or SampledVolume
        Of the volume: its neighbour angles, and its grains, which are those that came in where the threshold is theirs;
        or some of its sections.
    pairs : dict of str to (SectionStack, SectionStack)
        Map and sections, by the normal ``"z"``, ``"y"``, ``"x"``; or both whole, as ``"volume"``.
    windows : dict of str to list of SectionStack
        Random windows of the map, by the normal.
    lag : int
        Largest lag of the correlation metrics, points.
    settings : dict
        JSON types.
    reason : str
        Why there is nothing to compare; empty otherwise.
    together : PooledOrientations or None
        The points of all maps, where there are several.
    remarks : tuple of str
        How the maps differ from those that the volume was made from, see
        :func:`polyrve.validation.provenance.differences`.
    """

    analysis: VolumeAnalysis | SampledVolume
    pairs: dict[str, tuple[SectionStack, SectionStack]]
    windows: dict[str, list[SectionStack]]
    lag: int
    settings: dict[str, Any]
    reason: str = ""
    together: PooledOrientations | None = None
    remarks: tuple[str, ...] = ()

    @property
    def volume(self) -> OrientationVolume:
        """The volume that is compared, voxel by voxel.

        Raises
        ------
        ValueError
            If some of its sections stand for it.
        """
        if isinstance(self.analysis, SampledVolume):
            raise ValueError("volume: expected one whose voxels are all in memory; got some sections of it")
        return self.analysis.field

    def sides(self, metric: Metric) -> dict[str, tuple[PooledOrientations, SectionStack, list[SectionStack]]]:
        """Return what a metric compares, by the normal: reference, sections and the windows that give the floor."""
        if self.together is None or not metric.one_point:
            return {name: (*pair, self.windows[name]) for name, pair in self.pairs.items()}
        windows = [window for of_map in self.windows.values() for window in of_map]
        return {name: (self.together, sections, windows) for name, (_, sections) in self.pairs.items()}

    def reference_name(self, name: str, metric: Metric | None = None) -> str:
        """Return how a sentence names the reference of a normal, or what a metric compares with."""
        if "volume" in self.pairs:
            return "the reference volume"
        if self.together is not None and metric is not None and metric.one_point:
            return "the map of all normals"
        number = len(self.pairs[name][0].maps)
        what = f"the pool of {number} maps" if number > 1 else "the map"
        return what if self.together is None else f"{what} normal to {name}"


def compare(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume | VolumeAnalysis | CellVolume | SampledVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = WINDOWS,
    seed: int = 0,
) -> Comparison:
    """Put the sections of a volume beside the map that it was made from, and windows of the map beside both.

    Parameters
    ----------
    reference : OrientationMap, GrainMap, sequence or mapping of OrientationMap, OrientationVolume or GrainVolume
        As for :func:`polyrve.validation.validate`; also maps that have been analysed, as from
        :func:`polyrve.microstructure.map_placement.analyse_maps`.
    rve : OrientationVolume, GrainVolume, VolumeAnalysis, CellVolume or SampledVolume
        Of one that is kept as cells the sections that :func:`polyrve.microstructure.sampled_volume.sample` takes are
        compared.
    threshold : float, degrees
        Smallest disorientation of a boundary.
    windows : int
        Number of random windows of the map.
    seed : int
        Of the windows.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError
        If the maps or the volume are none, or the phases or the spacing of a reference volume are not the volume's.

    Warns
    -----
    UserWarning
        If the maps, their frames or their normals are not those that the volume was made with.

    See Also
    --------
    polyrve.validation.validate_comparison : The metrics of a comparison.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> specimen = make_specimen((16, 18, 20), grain_size=5.0, seed=1)
    >>> large = make_specimen((4, 60, 64), grain_size=5.0, seed=2)
    >>> comparison = compare(simulate_scan(large), specimen, windows=5)
    >>> reference, sections = comparison.pairs["z"]
    >>> reference.shape, sections.shape, len(comparison.windows["z"])
    ((60, 64), (18, 20), 5)
    """
    rve = sample(rve) if isinstance(rve, CellVolume) else rve
    analysis = rve if isinstance(rve, SampledVolume) else analyse(rve, threshold)
    if not isinstance(analysis, (VolumeAnalysis, SampledVolume)):
        raise ValueError(f"rve: expected an orientation volume; got {type(analysis.field).__name__}")
    if isinstance(reference, (GrainMap, GrainVolume)):
        reference = reference.field
    maps = {} if isinstance(reference, OrientationVolume) else analyse_maps(reference, threshold)
    references: dict[int, tuple[OrientationMap | OrientationVolume, ...]]
    references = once(lambda one: one.field, maps) if maps else {0: (reference,)}  # type: ignore[dict-item]
    in_map = {phase.name for other in distinct(references) for phase in other.phases}
    if isinstance(analysis, VolumeAnalysis) and VOID not in in_map:
        material = material_of(analysis.field)
        analysis = analysis if material is analysis.field else analyse(material, threshold)
    volume = analysis if isinstance(analysis, SampledVolume) else analysis.field
    for other in distinct(references):
        if [phase.laue for phase in other.phases] != [phase.laue for phase in volume.phases]:
            of_map, of_volume = ([(p.name, p.laue) for p in field.phases] for field in (other, volume))
            dropped = " ".join(f"--drop-phase {phase[0]!r}" for phase in of_map if phase not in of_volume)
            hint = f": {dropped} (cleaning.drop_phase) leaves it out of the map" if set(of_volume) < set(of_map) else ""
            raise ValueError(f"phases: expected those of the map, {of_map}; got {of_volume} in the volume{hint}")
    remarks = differences(volume, once(lambda one: one.field, maps))
    for sentence in remarks:
        warnings.warn(sentence, stacklevel=user_line())
    settings: dict[str, Any] = {
        "threshold_degrees": float(threshold), "windows": int(windows), "seed": int(seed),
        "volume_shape": list(volume.shape), "volume_spacing_um": list(volume.spacing),
        "reference_shapes": _told(references, lambda other: list(other.shape)),
        "reference_spacings_um": _told(references, lambda other: list(other.spacing)),
    }  # fmt: skip
    if isinstance(analysis, SampledVolume):
        settings["sections"] = {"zyx"[axis]: len(some) for axis, some in analysis.sections.items()}
    known = volume.any_indexed if isinstance(volume, SampledVolume) else bool(volume.indexed.any())
    for name, indexed in (("map", all(other.indexed.any() for other in distinct(references))), ("volume", known)):
        if not indexed:
            reason = f"the {name} has no indexed points"
            return Comparison(analysis, {}, {}, 0, settings, reason, remarks=remarks)
    if isinstance(reference, OrientationVolume):
        if isinstance(analysis, SampledVolume):
            raise ValueError("reference: expected maps for a volume of which some sections are compared; got a volume")
        pairs = {"volume": _whole(analyse(reference, threshold), analysis)}
    else:
        seen = analysis
        if _holds_material(volume):
            missing = _missing_instrument(maps, analysis)
            settings["instrument"] = asdict(missing)
            seen = _seen_through(analysis, missing, np.random.default_rng(seed), threshold)
        pairs = _by_normal(maps, seen, threshold)
    if not pairs or any(min(side.shape) < _FEWEST_POINTS for pair in pairs.values() for side in pair):
        reason = f"a map or section with fewer than {_FEWEST_POINTS} points on a side has no statistics"
        return Comparison(analysis, {}, {}, 0, settings, reason, remarks=remarks)
    several = len({id(some) for some in maps.values()}) > 1 and len(pairs) > 1
    pooled = pool([stack for stack, _ in pairs.values()]) if several else None
    settings["maps_differ"] = {
        "zyx"[axis]: [asdict(one) for one in map_scatter(some, threshold)]
        for axis, some in maps.items()
        if len(some) > 1 and "zyx"[axis] in pairs
    }
    settings["trends"] = [
        str(trend) for one in distinct(maps)[:_MOST_TESTED] for trend in trends(one.central) if trend.found
    ]
    return _with_windows(pairs, analysis, settings, pooled, remarks)


def _told(references: Placed[Any], tell: Callable[[Any], Any]) -> dict[str, Any]:
    """Tell something of each reference by normal, of one alone without a list."""
    told = {axis: [tell(other) for other in some] for axis, some in references.items()}
    return {"zyx"[axis]: values[0] if len(values) == 1 else values for axis, values in told.items()}


def _whole(reference: VolumeAnalysis, analysis: VolumeAnalysis) -> tuple[SectionStack, SectionStack]:
    """Take a reference volume and the volume as one section each."""
    field, volume = reference.field, analysis.field
    if not np.allclose(field.spacing, volume.spacing, rtol=1e-3):
        raise ValueError(f"spacing of the volume: expected the reference's {field.spacing}; got {volume.spacing}")
    relations = find_relations(reference.grains)
    return (
        stack_of(reference, analysis.threshold, relations),
        stack_of(analysis, analysis.threshold, _between(relations, field.phases, volume.phases)),
    )


def _between(relations: Sequence[Relation], known: Sequence[Phase], phases: Sequence[Phase]) -> tuple[Relation, ...]:
    """Relations between phases as those between the same phases of another field, which may be named otherwise."""
    of = dict(zip(known, phases, strict=True))
    return tuple(replace(relation, first=of[relation.first], second=of[relation.second]) for relation in relations)


def _seen_through(
    analysis: VolumeAnalysis | SampledVolume, instrument: Instrument, rng: np.random.Generator, threshold: float
) -> VolumeAnalysis | SampledVolume:
    if isinstance(analysis, SampledVolume):
        return analysis.measured(instrument, rng)
    return analyse(measured(analysis.field, instrument, rng), threshold)


def _holds_material(volume: OrientationVolume | SampledVolume) -> bool:
    """Tell whether a volume was made without the noise of its maps, as its record says."""
    settings = volume.provenance.get("settings")
    return isinstance(settings, Mapping) and settings.get("noise") == "remove"


def _missing_instrument(maps: Placed[MapAnalysis], analysis: VolumeAnalysis | SampledVolume) -> Instrument:
    """What the instrument of the maps adds beyond what the volume has already, differences below a floor left out."""
    volume = analysis if isinstance(analysis, SampledVolume) else analysis.field
    at_voxels = {}
    for axis, one in each(maps):
        if min(volume.shape[i] for i in in_plane(axis)) > 1:
            at = at_spacing(one, tuple(volume.spacing[i] for i in in_plane(axis)))
            at_voxels[id(at)] = at
    if not at_voxels:
        return Instrument()
    sections = []
    for axis in planar(volume.shape):
        if isinstance(analysis, SampledVolume):
            sections += [analyse(one).grains for one in analysis.sections[axis][:_SECTIONS]]
            continue
        chosen = np.unique(np.linspace(0, volume.shape[axis], _SECTIONS, endpoint=False).astype(int))
        sections += [analyse(analysis.field.section(axis, int(i)), analysis.threshold).grains for i in chosen]
    of_maps = estimate_instrument([one.grains for one in at_voxels.values()])
    missing = of_maps.less(estimate_instrument(sections))
    return Instrument(
        noise=missing.noise if missing.noise > _LEAST_NOISE * of_maps.noise else 0.0,
        unindexed=missing.unindexed if missing.unindexed > _LEAST_SHARE else 0.0,
        misindexed=missing.misindexed if missing.misindexed > _LEAST_SHARE else 0.0,
        preference=missing.preference,
    )


def _by_normal(
    maps: Placed[MapAnalysis], analysis: VolumeAnalysis | SampledVolume, threshold: float
) -> dict[str, tuple[SectionStack, SectionStack]]:
    """Pair maps, at the volume's spacing, with the sections of their normals; each map is measured once."""
    volume = analysis if isinstance(analysis, SampledVolume) else analysis.field
    shown = {axis: some for axis, some in maps.items() if axis in planar(volume.shape)}
    if not shown:
        return {}
    seen = made_for(lambda axis, one: at_spacing(one, tuple(volume.spacing[i] for i in in_plane(axis))), shown)
    leading, *others = distinct(seen)
    relations, phases = leading.relations, leading.field.phases
    for one in others:
        relations = find_relations(one.grains, named=_between(relations, phases, one.field.phases))
        phases = one.field.phases
    plated = _plated(seen, relations, phases)
    by_axis = section_stacks(
        analysis,
        threshold,
        relations=_between(relations, phases, volume.phases),
        plated=_between(plated, phases, volume.phases),
    )

    def stack(axis: int, one: MapAnalysis) -> SectionStack:
        of_map, with_plates = (_between(some, phases, one.field.phases) for some in (relations, plated))
        return stack_of(one, threshold, of_map, with_plates, axis)

    first = first_normals(seen)
    of_maps = once(lambda one: stack(first[id(one)], one), seen)
    stacks = {id(some): together(some) for some in of_maps.values()}
    return {"zyx"[axis]: (stacks[id(some)], by_axis[axis]) for axis, some in of_maps.items()}


def _plated(maps: Placed[MapAnalysis], relations: Sequence[Relation], phases: Sequence[Phase]) -> tuple[Relation, ...]:
    """The relations whose boundaries in the maps lie along the traces of their habit planes."""
    first = first_normals(maps)
    found = []
    for relation in relations:
        if relation.plane is None:
            continue
        told = [
            told_along([(first[id(one)], one.grains)], _between((relation,), phases, one.field.phases)[0])
            for one in distinct(maps)
        ]
        if AlongTraces.together(told).found:
            found.append(relation)
    return tuple(found)


def _windows_of(reference: SectionStack, shape: tuple[int, ...], number: int, seed: int) -> list[SectionStack]:
    """Draw windows of a map, or of each of several in turn; fewer than asked for where holes leave no room."""
    rng = np.random.default_rng(seed)
    large = [one for one in reference.maps if all(n >= m for n, m in zip(one.shape, shape, strict=True))]
    indexed = (reference.phase_ids > 0).sum() / reference.points
    windows: list[SectionStack] = []
    for drawn in range(_MOST_DRAWS * number):
        if len(windows) == number:
            break
        one = large[drawn % len(large)]
        room = np.array(one.shape) - np.array(shape) + 1
        window = one.window(tuple(int(i) for i in rng.integers(room)), shape)
        if (window.phase_ids > 0).mean() > _INDEXED * indexed:
            windows.append(window)
    return windows


def _with_windows(
    pairs: dict[str, tuple[SectionStack, SectionStack]],
    analysis: VolumeAnalysis | SampledVolume,
    settings: dict[str, Any],
    pooled: PooledOrientations | None,
    remarks: tuple[str, ...],
) -> Comparison:
    shapes = {
        name: max((window_shape(sections.shape, one.shape) for one in reference.maps), key=math.prod)
        for name, (reference, sections) in pairs.items()
    }
    lag = min(reach(shape) for shape in shapes.values())
    drawn: dict[tuple[int, tuple[int, ...]], list[SectionStack]] = {}
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
    return Comparison(analysis, pairs, windows, lag, settings, together=pooled, remarks=remarks)
