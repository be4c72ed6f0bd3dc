"""Samples of a map and of a volume side by side, with random windows of the map as large as the volume's sections."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_placement import Maps, by_normal
from polyrve.microstructure.stereology import QUANTILE, window_shape
from polyrve.validation.metrics import Metric, reach
from polyrve.validation.provenance import differences
from polyrve.validation.section_statistics import (
    PooledOrientations,
    SectionStack,
    at_spacing,
    pool,
    section_stacks,
    stack_of,
)

WINDOWS = 40
"""Windows of a map that give a floor, if not told otherwise."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Samples of map and volume, ready to be judged or drawn.

    Attributes
    ----------
    volume : OrientationVolume
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
        How the maps differ from those that the volume was made from; see
        :func:`polyrve.validation.provenance.differences`.
    """

    volume: OrientationVolume
    pairs: dict[str, tuple[SectionStack, SectionStack]]
    windows: dict[str, list[SectionStack]]
    lag: int
    settings: dict[str, Any]
    reason: str = ""
    together: PooledOrientations | None = None
    remarks: tuple[str, ...] = ()

    def sides(self, metric: Metric) -> dict[str, tuple[PooledOrientations, SectionStack, list[SectionStack]]]:
        """What a metric compares: reference, sections and the windows that give the floor, by the normal."""
        if self.together is None or not metric.one_point:
            return {name: (*pair, self.windows[name]) for name, pair in self.pairs.items()}
        windows = [window for of_map in self.windows.values() for window in of_map]
        return {name: (self.together, sample, windows) for name, (_, sample) in self.pairs.items()}

    def reference_name(self, name: str, metric: Metric | None = None) -> str:
        """How a sentence names the reference of a normal, or what a metric compares with."""
        if "volume" in self.pairs:
            return "the reference volume"
        if self.together is None:
            return "the map"
        return "the map of all normals" if metric is not None and metric.one_point else f"the map normal to {name}"


def compare(
    reference: Maps | GrainMap | OrientationVolume | GrainVolume,
    rve: OrientationVolume | GrainVolume,
    *,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = WINDOWS,
    seed: int = 0,
) -> Comparison:
    """Samples of map and volume; parameters and errors as in :func:`polyrve.validation.run.validate`.

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
    together = pool([source for source, _ in pairs.values()]) if several else None
    return _with_windows(pairs, volume, settings, together, remarks)


def _pairs(
    references: Mapping[int, OrientationMap] | Mapping[int, OrientationVolume],
    volume: OrientationVolume,
    threshold: float,
) -> dict[str, tuple[SectionStack, SectionStack]]:
    """Reference and sample, by the normal of the sections."""
    pairs = {}
    known: dict[tuple[int, tuple[float, ...]], SectionStack] = {}
    by_axis: dict[int, SectionStack] = {}
    for axis, source in references.items():
        if isinstance(source, OrientationVolume):
            if not np.allclose(source.spacing, volume.spacing, rtol=1e-3):
                raise ValueError(
                    f"spacing of the volume: expected the reference's {source.spacing}; got {volume.spacing}"
                )
            return {"volume": (stack_of(source, threshold), stack_of(volume, threshold))}
        by_axis = by_axis or section_stacks(volume, threshold)
        if axis not in by_axis:
            continue
        spacing = by_axis[axis].spacing
        key = id(source), spacing
        if key not in known:
            known[key] = stack_of(at_spacing(source, spacing), threshold)
        pairs["zyx"[axis]] = known[key], by_axis[axis]
    return pairs


def _windows_of(reference: SectionStack, shape: tuple[int, ...], number: int, seed: int) -> list[SectionStack]:
    rng = np.random.default_rng(seed)
    room = np.array(reference.shape) - np.array(shape) + 1
    windows: list[SectionStack] = []
    for _ in range(10 * number):
        if len(windows) == number:
            break
        window = reference.window(tuple(int(i) for i in rng.integers(room)), shape)
        if (window.phase_ids > 0).mean() > 0.5 * (reference.phase_ids > 0).mean():
            windows.append(window)
    return windows


def _with_windows(
    pairs: dict[str, tuple[SectionStack, SectionStack]],
    volume: OrientationVolume,
    settings: dict[str, Any],
    together: PooledOrientations | None,
    remarks: tuple[str, ...],
) -> Comparison:
    shapes = {name: window_shape(sample.shape, reference.shape) for name, (reference, sample) in pairs.items()}
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
    return Comparison(volume, pairs, windows, lag, settings, together=together, remarks=remarks)
