"""A volume in three dimensions, by pyvista, which is not installed with polyrve."""

from __future__ import annotations

from typing import Any

from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.report.point_colors import field_of, kinds, look


def plot_volume(data: OrientationVolume | GrainVolume, kind: str = "ipf", *, direction: Any = "z") -> Any:
    """Draw a volume in three dimensions; parameters as in :meth:`polyrve.OrientationVolume.plot`.

    The viewer looks at the layer z = 0, which lies on top as a map does: x to the right, y to the front.

    Returns
    -------
    pyvista.Plotter
        Its ``show()`` opens the window.

    Raises
    ------
    ModuleNotFoundError
        If pyvista is not installed.
    """
    try:
        import pyvista
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "backend: expected an installed pyvista; got none: pip install pyvista", name="pyvista"
        ) from None
    if kind == "boundaries":
        expected = ", ".join(name for name in kinds(data) if name != kind)
        raise ValueError(f"kind: expected one of {expected} in three dimensions; got {kind!r}")
    field = field_of(data)
    ids = data.grain_ids if isinstance(data, GrainVolume) else None
    shown = look(data, [(field, ids)], kind, direction)
    values = shown.images[0]
    grid = pyvista.ImageData(
        dimensions=tuple(n + 1 for n in reversed(field.shape)),
        spacing=tuple(reversed(field.spacing)),
        origin=tuple(reversed(field.origin)),
    )
    plotter = pyvista.Plotter()
    if shown.label:
        grid.cell_data[shown.label] = values.ravel()
        plotter.add_mesh(grid, scalars=shown.label, cmap="viridis", lighting=False)
    else:
        grid.cell_data["colours"] = values.reshape(-1, 3)
        plotter.add_mesh(grid, scalars="colours", rgb=True, lighting=False)
    plotter.add_axes()
    plotter.show_bounds(
        xtitle="x (um)", ytitle="y (um)", ztitle="z (um)", location="outer", n_xlabels=3, n_ylabels=3, n_zlabels=3,
        font_size=10,
    )  # fmt: skip
    plotter.view_vector((0.7, 1.5, -1.1), viewup=(0.0, 0.0, -1.0))
    return plotter
