"""Grains of a file: those that it holds, or those that a segmentation finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, overload

from polyrve.adapters import material_grid, registry
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.segmentation import segment


@overload
def read_grains(
    path: str | Path,
    *,
    volume: Literal[True],
    threshold: float = ...,
    frame: str | Frame | None = ...,
    format: str | None = ...,
    **options: Any,
) -> GrainVolume: ...


@overload
def read_grains(
    path: str | Path,
    *,
    volume: bool = ...,
    threshold: float = ...,
    frame: str | Frame | None = ...,
    format: str | None = ...,
    **options: Any,
) -> GrainMap | GrainVolume: ...


def read_grains(
    path: str | Path,
    *,
    volume: bool = False,
    threshold: float = DEFAULT_THRESHOLD,
    frame: str | Frame | None = None,
    format: str | None = None,
    **options: Any,
) -> GrainMap | GrainVolume:
    """Read a map or volume with the grains that its file holds, or segment it where the file holds none.

    The first of these that the file has makes the grains: feature data with an orientation and a phase per grain (a
    .dream3d), grain ids per point (the property ``"FeatureIds"``), a segmentation.

    Parameters
    ----------
    path : path-like
    volume : bool
        Whether a volume is asked for: one layer of a .dream3d then is a volume with nz = 1.
    threshold : float, degrees
        Smallest disorientation of a boundary, where the file holds no grains.
    frame, format : optional
        As in :func:`polyrve.read`.
    **options
        Further arguments of the format's own ``read``.

    Returns
    -------
    GrainMap or GrainVolume
        A GrainVolume where `volume` is true.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        As in :func:`polyrve.read`; if `volume` is true and the file holds a planar map.

    Warns
    -----
    UserWarning
        If the grain ids of the file are no grains of one phase each; the grains are then those of a segmentation.

    See Also
    --------
    polyrve.read : Read the orientations alone.
    polyrve.segment : Cut a map or volume into grains.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.read_grains(polyrve.data.path("truth.dream3d")).number_of_grains
    367
    """
    row = registry.reader(path, format)
    module = row.load()
    if frame is not None:
        options["frame"] = frame
    if volume and "volume" in registry.options_of(module.read):
        options["volume"] = True
    found = getattr(module, "read_segmented", module.read)(Path(path), **options)
    if not isinstance(found, (GrainMap, GrainVolume)):
        found = _of_ids(found) or segment(found, threshold)
    if volume and not isinstance(found, GrainVolume):
        shape = " x ".join(map(str, found.field.shape))
        raise FormatError(path, f"expected a volume; got a map of {shape} points")
    return found


def _of_ids(field: Any) -> GrainMap | GrainVolume | None:
    """Grains by the ids in the field's properties; None where there are none that can be taken."""
    if "FeatureIds" not in field.properties:
        return None
    try:
        return material_grid.by_feature_ids(field)
    except ValueError as error:
        warn(f"grains are found anew: {error}")
        return None
