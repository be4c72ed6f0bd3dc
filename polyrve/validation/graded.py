"""A volume that changes along an axis against its maps, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyrve.microstructure.axes import NORMALS, in_plane
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.gradients import in_window, windows_along
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.map_analysis import analyse, analyse_all
from polyrve.microstructure.map_placement import Maps, at_voxel_size, by_normal, placed_for_gradient
from polyrve.microstructure.placed import each
from polyrve.validation.comparison import WINDOWS, compare
from polyrve.validation.result import MetricResult
from polyrve.validation.run import validate_comparison

KEYS = ("boundary_fraction", "grain_size_area", "odf_7", "phase_fractions")
"""Metrics of a window, unless told otherwise: boundaries, sizes, texture and phases."""


@dataclass(frozen=True, eq=False)
class WindowResult:
    """The metrics of one window; made by :func:`validate_windows`.

    Attributes
    ----------
    bounds : tuple of float, um
        Where the window begins and ends along the axis.
    results : tuple of MetricResult
    """

    bounds: tuple[float, float]
    results: tuple[MetricResult, ...]

    def __str__(self) -> str:
        told = (
            f"{row.key} {row.value:.3g} (limit {row.limit:.3g}) {row.verdict}"
            for row in self.results
            if row.value is not None and row.limit is not None
        )
        return f"{self.bounds[0]:.4g} to {self.bounds[1]:.4g} um: {', '.join(told) or 'nothing can be compared'}"


def validate_windows(
    reference: Maps,
    rve: OrientationVolume | GrainVolume,
    axis: str,
    *,
    keys: Sequence[str] = KEYS,
    threshold: float = DEFAULT_THRESHOLD,
    windows: int = WINDOWS,
    seed: int = 0,
) -> tuple[WindowResult, ...]:
    """Compare a volume with its maps in overlapping windows along an axis, each with the floor of its own window.

    Parameters
    ----------
    reference : OrientationMap, or maps as :func:`polyrve.validate` takes them
        One map stands for the sections normal to both axes across the graded one, as in a graded run.
    rve : OrientationVolume or GrainVolume
    axis : {"x", "y", "z"}
        The graded axis.
    keys : sequence of str
        Metrics that are compared.
    threshold : float, degrees
    windows, seed : int
        Of the floor, as for :func:`polyrve.validate`.

    Returns
    -------
    tuple of WindowResult

    Raises
    ------
    ValueError
        If a map does not show the axis, or there are too few windows along it.

    See Also
    --------
    polyrve.validate : The volume as a whole.
    """
    volume = rve.field if isinstance(rve, GrainVolume) else rve
    number = NORMALS[axis]
    maps = at_voxel_size(by_normal(placed_for_gradient(reference, axis)), volume.spacing)
    if number in maps:
        raise ValueError(f"axis: expected maps that show {axis}; got one normal to it: leave it out")
    length = min(volume.shape[number], *(one.shape[in_plane(normal).index(number)] for normal, one in each(maps)))
    chords = [
        one.sections.mean_chords[in_plane(normal).index(number)] / volume.spacing[number]
        for normal, one in each(analyse_all(maps, threshold))
    ]
    found = []
    for first, last in windows_along(length, float(np.mean(chords)), axis).bounds:
        part = [slice(None)] * 3
        part[number] = slice(first, last)
        cut = volume[tuple(part)].evolve(periodic=False, provenance=_of_run(volume))
        comparison = compare(
            analyse_all(in_window(maps, number, (first, last)), threshold), analyse(cut, threshold),
            threshold=threshold, windows=windows, seed=seed,
        )  # fmt: skip
        rows = [row for row in validate_comparison(comparison, only=keys).results if row.key in keys]
        step = volume.spacing[number]
        found.append(WindowResult((first * step, last * step), tuple(row for row in rows if row.applies)))
    return tuple(found)


def _of_run(volume: OrientationVolume) -> dict[str, object]:
    """Keep of the record how noise was treated; the files are not those of the windows."""
    return {"settings": volume.provenance["settings"]} if "settings" in volume.provenance else {}
