"""How directions are drawn: pole figures, and keys of the IPF colours.

Pole figures lie as maps normal to z do: x to the right, y down, z away from the viewer. They show the hemisphere
towards the viewer, that of -z, in stereographic projection. In a frame with y up and z out of the sample, as Oxford and
Bruker have it, that is the upper hemisphere with x to the right and y up.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from polyrve.crystallography import rotation
from polyrve.crystallography.odf import pole_density

HEMISPHERE = "hemisphere towards the viewer (-z), x right, y down"
_MOST_POLES = 20_000
_KEY = 400


def pole_figure(axis: Axes, quaternions: np.ndarray, directions: np.ndarray) -> Any:
    """Draw the pole figure of a family of crystal directions.

    Parameters
    ----------
    axis : Axes
    quaternions : ndarray, shape (n, 4)
        Orientations of one phase; at most some 20 000 poles of them are taken, evenly.
    directions : ndarray, shape (m, 3)
        Unit vectors in the crystal, one of each pair of opposite ones.

    Returns
    -------
    AxesImage
        Density in multiples of a random distribution, for a colour bar.
    """
    q = quaternions[:: max(1, len(quaternions) * len(directions) // _MOST_POLES)]
    poles = np.concatenate([rotation.rotate(rotation.conjugate(q), direction) for direction in directions])
    x, y = np.meshgrid(np.linspace(-1.0, 1.0, 121), np.linspace(-1.0, 1.0, 121))
    square = x**2 + y**2
    seen = np.stack([2 * x, 2 * y, square - 1.0], axis=-1) / (1.0 + square)[..., None]
    density = pole_density(poles, seen.reshape(-1, 3)).reshape(x.shape)
    half = 1.0 / (len(x) - 1)
    image = axis.imshow(
        np.where(square <= 1.1, density, 0.0), extent=(-1.0 - half, 1.0 + half, 1.0 + half, -1.0 - half),
        cmap="viridis", vmin=0.0, vmax=max(float(density[square <= 1.0].max()), 1e-12),
    )  # fmt: skip
    image.set_clip_path(Circle((0.0, 0.0), 1.0, transform=axis.transData))
    axis.add_patch(Circle((0.0, 0.0), 1.0, fill=False, linewidth=1.0))
    axis.text(1.06, 0.0, "x", va="center")
    axis.text(0.0, 1.06, "y", ha="center", va="top")
    axis.set(xlim=(-1.02, 1.02), ylim=(1.02, -1.02))
    axis.set_axis_off()
    return image


def color_key(figure: Any, place: Any, laue: str) -> Axes:
    """Draw the key of the IPF colours of a Laue group, with the axes and colours of orix.

    Parameters
    ----------
    figure : Figure or SubFigure
    place : SubplotSpec or (left, bottom, width, height)
    laue : str

    Returns
    -------
    Axes
    """
    import orix.plot  # noqa: F401 the projections

    add = figure.add_axes if isinstance(place, tuple) else figure.add_subplot
    group = point_group(laue)
    axis: Any = add(place, projection="ipf", symmetry=group)
    image, extent = _key_image(group)
    axis.stereographic_grid(False)
    axis.imshow(image, extent=extent, origin="lower", zorder=0)
    for text in axis.texts:
        text.set_fontsize(9)
        if laue == "2/m":  # coloured with b in the middle of the key, see polyrve.adapters.ipf_colors
            text.set_text("-z" if "bar" in text.get_text() else "z")
    return axis  # type: ignore[no-any-return]


def _key_image(group: Any) -> tuple[np.ndarray, tuple[float, float, float, float]]:
    """Colours of the sector of a point group in stereographic projection, transparent around it, and their extent."""
    from orix.plot.direction_color_keys import DirectionColorKeyTSL
    from orix.projections import InverseStereographicProjection, StereographicProjection

    sector = group.fundamental_sector
    edge = np.stack(StereographicProjection().vector2xy(sector.edges)) if sector.edges.size else np.array([[-1, 1]] * 2)
    (left, bottom), (right, top) = edge.min(axis=1), edge.max(axis=1)
    x, y = (low + (np.arange(_KEY) + 0.5) * (high - low) / _KEY for low, high in ((left, right), (bottom, top)))
    directions = InverseStereographicProjection().xy2vector(*(part.ravel() for part in np.meshgrid(x, y)))
    inside = directions <= sector
    image = np.zeros((_KEY * _KEY, 4))
    image[inside, :3] = np.clip(DirectionColorKeyTSL(group).direction2color(directions[inside]), 0.0, 1.0)
    image[inside, 3] = 1.0
    return image.reshape(_KEY, _KEY, 4), (left, right, bottom, top)


def point_group(laue: str) -> Any:
    """The centrosymmetric point group of a Laue group, as orix has it."""
    from orix.quaternion import symmetry

    return {
        "-1": symmetry.Ci, "2/m": symmetry.C2h, "mmm": symmetry.D2h, "4/m": symmetry.C4h, "4/mmm": symmetry.D4h,
        "-3": symmetry.S6, "-3m": symmetry.D3d, "6/m": symmetry.C6h, "6/mmm": symmetry.D6h, "m-3": symmetry.Th,
        "m-3m": symmetry.Oh,
    }[laue]  # fmt: skip
