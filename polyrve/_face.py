"""The edges from the rooms to the drawings and file formats above them, all of them here, each taken when it is called.

Methods such as :meth:`polyrve.OrientationMap.plot` call these functions, so that no room imports what is built on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from orix.crystal_map import CrystalMap

    from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
    from polyrve.microstructure.grains import GrainMap, GrainVolume
    from polyrve.validation.result import Validation


def plot_map(data: OrientationMap | GrainMap, kind: str, direction: Any, ax: Axes | None, threshold: float) -> Axes:
    """Draw a map; see :meth:`polyrve.OrientationMap.plot`."""
    from polyrve.report import maps

    return maps.plot_map(data, kind, direction=direction, ax=ax, threshold=threshold)


def plot_volume(
    data: OrientationVolume | GrainVolume,
    kind: str,
    direction: Any,
    at: Sequence[int] | None,
    threshold: float,
    backend: str,
) -> Any:
    """Draw a volume; see :meth:`polyrve.OrientationVolume.plot`."""
    if backend == "pyvista":
        from polyrve.report import scene

        return scene.plot_volume(data, kind, direction=direction)
    if backend == "cutaway":
        from polyrve.report import cutaway

        return cutaway.plot_cutaway(data, kind, direction=direction)
    if backend != "matplotlib":
        raise ValueError(f"backend: expected 'matplotlib', 'cutaway' or 'pyvista'; got {backend!r}")
    from polyrve.report import maps

    return maps.plot_sections(data, kind, direction=direction, at=at, threshold=threshold)


def thumbnail(field: OrientationField) -> bytes | None:
    """Return a small IPF-Z picture as PNG; None where nothing is indexed or what draws it is not installed."""
    try:
        from polyrve.report import thumbnails

        return thumbnails.ipf(field)
    except ImportError:
        return None


def plot_loss(history: Sequence[Sequence[float]], ax: Axes | None) -> Axes:
    """Draw a loss history, rows of (grid, iteration, loss)."""
    from polyrve.report import charts

    return charts.plot_loss(history, ax)


def plot_validation(validation: Validation, ax: Axes | None) -> Axes:
    """Draw the metrics of a validation against their limits."""
    from polyrve.report import charts

    return charts.plot_validation(validation, ax)


def metrics_table(validation: Validation) -> str:
    """Return the table of a validation as HTML."""
    from polyrve.report import metrics_table

    return metrics_table.standalone(validation)


def write(data: Any, path: str | Path, format: str | None, force: bool, options: dict[str, Any]) -> None:
    """Write a map or volume; see :func:`polyrve.write`."""
    from polyrve.adapters import registry

    registry.write(data, path, format=format, force=force, **options)


def write_text(text: str, path: str | Path, force: bool) -> None:
    """Write a text file, which appears under its name when it is complete."""
    from polyrve.adapters.replacing import replacing

    with replacing(path, force=force) as partial:
        partial.write_text(text, encoding="utf-8", newline="\n")


def to_orix(data: OrientationMap | GrainMap) -> CrystalMap:
    """Return an orix crystal map; see :func:`polyrve.adapters.ebsd.orix_bridge.to_orix`."""
    from polyrve.adapters.ebsd import orix_bridge

    return orix_bridge.to_orix(data)  # type: ignore[arg-type]
