"""Whether voxels and edges of a volume fit what its maps show: no voxel far below their step, and enough grains."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from polyrve.microstructure.axes import extended
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.map_analysis import MapAnalysis, analyse_all
from polyrve.microstructure.map_placement import steps_along
from polyrve.microstructure.placed import Given, distinct, each
from polyrve.microstructure.stereology import SPECK
from polyrve.user_line import user_line

FEWEST_GRAINS = 50
"""A volume of fewer grains is warned about: its statistics are those of single grains.

The error of a mean over grains is then 14 % of their spread. A larger number warns of volumes that are good enough for
a first look.
"""

_SMALLEST_STEP, _SMALL_STEP = 0.1, 0.5
"""Shares of the map's step. Voxels below the first are refused, below the second warned about.

A factor of ten is a unit mistaken (mm or nm for um) more often than a wish, and the volume would repeat each point of
the map a thousand times; below a half each is repeated eight times.
"""

_VOLUME_OF_AREA = 1.76
"""Mean volume of the cells of a Poisson-Voronoi tessellation over the 3/2 power of the mean area of their sections."""

_VOXELS_ACROSS = 6
"""Voxels across the mean grain that a coarser spacing, offered as a remedy, leaves at least.

With fewer than half of a grain lies within one voxel of its boundary; a larger number offers the remedy less often.
"""


_FEWEST_LINKS = 0.01
"""Share of the pairs of neighbouring points that must be indexed both, for a map to show grains.

Of a map with one point in ten indexed at random as many are: its grains are single points, and cells that are fitted to
them have no size. A larger number refuses maps with large holes between sound parts.
"""


FEWEST_GRAINS_OF_A_PHASE = 5
"""A phase of fewer grains is warned about: its mean size is uncertain by half of it and more."""

_HALF = 0.5
"""Share of indexed points below which shares of phases are those of what is easy to index."""


def check_grains(sections: Given[OrientationMap | MapAnalysis]) -> None:
    """Refuse maps in which hardly any two neighbouring points are indexed.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to.

    Raises
    ------
    ValueError
        If a map shows no grains.
    """
    for normal, one in each(analyse_all(sections)):
        part = one.central
        links = sum(np.count_nonzero(~np.isnan(values)) for values in part.angles.values())
        if links < _FEWEST_LINKS * len(part.angles) * part.field.phase_ids.size:
            raise ValueError(
                f"map normal to {'zyx'[normal]}: expected indexed points beside each other, which show grains; got "
                f"{100 * part.field.indexed.mean():.2g} % indexed points, hardly any two of them neighbours: index the "
                "map again, or cut out a sound part (polyrve clean --crop)"
            )


def check_voxel_size(sections: Given[OrientationMap], spacing: Sequence[float]) -> None:
    """Refuse voxels far smaller than the maps' step, which are usually of another unit, and warn of small ones.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or sequence of OrientationMap
        By the array axis that they are normal to.
    spacing : sequence of float, um
        (dz, dy, dx).

    Raises
    ------
    ValueError
        If a voxel is smaller than a tenth of the step along an axis.

    Warns
    -----
    UserWarning
        If it is smaller than half of it.
    """
    steps = {axis: min(found) for axis, found in steps_along(sections).items() if found}
    for axis, step in steps.items():
        if spacing[axis] < _SMALLEST_STEP * step:
            raise ValueError(
                f"spacing: expected at least {_SMALLEST_STEP * step:.6g} along {'zyx'[axis]}, a tenth of the map's "
                f"step (lengths are um); got {spacing[axis]:.6g}"
            )
    small = [axis for axis, step in steps.items() if spacing[axis] < _SMALL_STEP * step]
    if small:
        axis = small[0]
        warnings.warn(
            f"spacing: {spacing[axis]:.6g} um along {'zyx'[axis]} is less than half of the map's step of "
            f"{steps[axis]:.6g} um: points of the map are repeated, and the volume shows no more than they do",
            stacklevel=user_line(),
        )


def warn_of_few_grains(
    sections: Given[OrientationMap | MapAnalysis], shape: Sequence[int], spacing: Sequence[float]
) -> None:
    """Warn of a volume that has room for few grains, and name a shape and a spacing that have room for enough.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to.
    shape : sequence of int
        (nz, ny, nx).
    spacing : sequence of float, um
        (dz, dy, dx).

    Warns
    -----
    UserWarning
        If less than :data:`FEWEST_GRAINS` grains of the maps' mean size fit.
    """
    number = number_of_grains(sections, shape, spacing)
    if not number < FEWEST_GRAINS:
        return
    active = extended(shape)
    factor = (FEWEST_GRAINS / number) ** (1.0 / len(active))
    larger = [2 * math.ceil(n * factor / 2) if n > 1 else 1 for n in shape]
    coarser = [step * factor if axis in active else step for axis, step in enumerate(spacing)]
    enough = f"shape {_times(larger)}"
    across = (math.prod(shape[i] * spacing[i] for i in active) / number) ** (1.0 / len(active))
    if across >= _VOXELS_ACROSS * max(coarser[axis] for axis in active):
        enough += f" or a spacing of {' x '.join(f'{step:.2g}' for step in coarser)} um"
    warnings.warn(
        f"shape: {_times(shape)} voxels have room for about {_grains(number)} of the map's mean size, too "
        f"few for its statistics; {enough} would hold about {FEWEST_GRAINS}",
        stacklevel=user_line(),
    )


def warn_of_phases(sections: Given[OrientationMap | MapAnalysis]) -> None:
    """Warn of phases that a volume cannot hold as they are, before it is made.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to.

    Warns
    -----
    UserWarning
        If a phase has too few grains for statistics of its own, or a map of several phases is unindexed for the larger
        part.
    """
    analyses = distinct(analyse_all(sections))
    phases = analyses[0].field.phases
    if len(phases) < 2:
        return
    number = np.zeros(len(phases) + 1, dtype=int)
    for one in analyses:
        points = np.bincount(one.grain_ids.ravel(), minlength=1)
        of_grain = np.zeros(len(points), dtype=int)
        of_grain[one.grain_ids.ravel()] = one.field.phase_ids.ravel()
        number += np.bincount(of_grain[1:][points[1:] > SPECK], minlength=len(number))
    for phase, grains in zip(phases, number[1:], strict=True):
        if 0 < grains < FEWEST_GRAINS_OF_A_PHASE:
            warnings.warn(
                f"map: expected at least {FEWEST_GRAINS_OF_A_PHASE} grains of each phase to tell sizes and places; got "
                f"{_grains(grains)} of {phase.name}, which take the sizes of the others: map a larger area, or leave "
                f"the phase out (polyrve clean --drop-phase {phase.name!r})",
                stacklevel=user_line(),
            )
    indexed = float(np.mean([one.field.indexed.mean() for one in analyses]))
    if indexed < _HALF:
        warnings.warn(
            f"map: expected most points indexed where there are {len(phases)} phases; got {100 * indexed:.2g} %, so "
            "that phases keep the shares of the indexed points alone: index the map again, or leave out "
            "phases that are hardly indexed (polyrve clean --drop-phase)",
            stacklevel=user_line(),
        )


def number_of_grains(
    sections: Given[OrientationMap | MapAnalysis], shape: Sequence[int], spacing: Sequence[float]
) -> float:
    """Estimate how many grains of the maps' mean size a volume has room for.

    Parameters
    ----------
    sections : mapping of int to OrientationMap or MapAnalysis, or sequence of these
        By the array axis that they are normal to.
    shape : sequence of int
        (nz, ny, nx); nz = 1 counts those of a section.
    spacing : sequence of float, um

    Returns
    -------
    float
        NaN where maps show no grain.

    References
    ----------
    A. Okabe et al., Spatial Tessellations, 2nd ed., Wiley 2000, tables 5.5.1 and 5.5.2: sections of cells.
    """
    areas = [one.mean_grain_area for _, one in each(analyse_all(sections))]
    area = math.exp(sum(math.log(area) for area in areas) / len(areas))
    active = extended(shape)
    extent = math.prod(shape[axis] * spacing[axis] for axis in active)
    return extent / (area if len(active) < 3 else _VOLUME_OF_AREA * area**1.5)


def _grains(number: float) -> str:
    whole = max(1, round(number))
    return f"{whole} grain{'s' * (whole != 1)}"


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))
