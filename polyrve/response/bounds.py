"""Bounds of stiffness and yield stress of maps and volumes, by phase definitions of DAMASK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from polyrve.adapters.solvers import damask_crystals
from polyrve.microstructure.fields import OrientationField
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.response_bounds import ResponseBounds, response_bounds
from polyrve.microstructure.segmentation import segment


def bounds(
    data: OrientationField | GrainMap | GrainVolume,
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    *,
    compression: bool = False,
) -> ResponseBounds:
    """Return bounds of stiffness and yield stress of a map or a volume, without a solver.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    phase : str, sequence of str or mapping, optional
        Definitions as for the export to DAMASK: ``"Al"``, a YAML file, or a mapping of names to definitions; by default
        the phases' own names are looked up.
    compression : bool
        Whether the crystals yield in compression; it differs from tension where there are twins.

    Returns
    -------
    ResponseBounds
        Along x, y and z of the data, with standard errors from grain to grain.

    Raises
    ------
    ValueError
        If a phase has no definition, or nothing is indexed.

    See Also
    --------
    polyrve.validate : Compares the bounds of a volume with those of its map.

    Examples
    --------
    >>> import polyrve
    >>> found = bounds(polyrve.data.load("scan"), "Al")
    >>> [round(float(value) / 1e9, 1) for value in found.hill]
    [70.0, 70.7, 70.4]
    """
    grains = data if isinstance(data, (GrainMap, GrainVolume)) else segment(data)  # type: ignore[call-overload]
    field = grains.field
    if not field.indexed.any():
        raise ValueError("orientations: expected an indexed point; got none")
    crystals = damask_crystals.crystals(field.phases, np.unique(field.phase_ids[field.indexed]), phase)
    phase_ids = np.where(grains.grain_ids > 0, field.phase_ids, 0)
    return response_bounds(field.quaternions, phase_ids, crystals, grains.grain_ids, compression=compression)
