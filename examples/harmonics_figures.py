"""Harmonics of every Laue group
=============================

Prove that the default harmonics of every Laue group separate its orientations, and draw them.

Usage: ``python examples/harmonics_figures.py [folder of the pictures]``. See ``docs/harmonics.md``.
"""

# sphinx_gallery_thumbnail_path = "figures/harmonics_cubic_n8.png"

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import SymmetrizedHarmonics, symmetrized_harmonics
from polyrve.crystallography.phase import LAUE_GROUPS, symmetry_operations

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])


def distance(harmonics: SymmetrizedHarmonics, misorientation: np.ndarray) -> np.ndarray:
    """Distance D between the harmonics of two orientations, by the addition theorem from their misorientation.

    Parameters
    ----------
    harmonics : SymmetrizedHarmonics
    misorientation : ndarray, shape (n, 4)

    Returns
    -------
    ndarray, shape (n,)
    """
    origin = harmonics.evaluate(IDENTITY)
    return np.linalg.norm(harmonics.evaluate(misorientation) - origin[:, None], axis=0)


def disorientation(harmonics: SymmetrizedHarmonics, misorientation: np.ndarray) -> np.ndarray:
    """Disorientation angles of misorientations, shape (n,), in rad."""
    return rotation.disorientation_angle(IDENTITY, misorientation, symmetry_operations(harmonics.laue))


def rates(harmonics: SymmetrizedHarmonics) -> tuple[float, float]:
    """Smallest and largest dD/dw at w = 0 over all rotation axes, per degree; exact by a complex step.

    A growing rotation moves the vector of harmonics at the constant speed dD/dw, and D is a chord of that curve.
    The larger number is therefore also the Lipschitz constant of D.
    """
    step = 1e-20
    jacobian = []
    for axis in np.eye(3):
        q = IDENTITY + 0.5j * step * np.array([0.0, *axis])
        jacobian.append([np.imag(value) / step for value in harmonics.channels(*q)])
    singular = np.linalg.svd(np.array(jacobian), compute_uv=False)
    return float(np.deg2rad(singular[-1])), float(np.deg2rad(singular[0]))


def axes(count: int) -> np.ndarray:
    """Nearly uniform rotation axes on the sphere, shape (count, 3)."""
    z = 1.0 - (2.0 * np.arange(count) + 1.0) / count
    azimuth = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    radius = np.sqrt(1.0 - z * z)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=-1)


def nearest_at(harmonics: SymmetrizedHarmonics, angle: float) -> float:
    """Smallest D over rotation axes at one disorientation angle in degrees."""
    directions = np.concatenate([np.eye(3), axes(20000)])
    return float(distance(harmonics, rotation.from_axis_angle(directions, np.deg2rad(angle))).min())


def proves(harmonics: SymmetrizedHarmonics, bound: float, angle: float, depth: int = 12) -> bool:
    """Whether D >= bound for every disorientation of at least an angle, by branch and bound.

    The misorientations are covered by cubes on the four faces of a hypercube around the 3-sphere. The central
    projection of a face shortens distances, so every point of a cube of edge h is within the rotation angle sqrt(3) h
    of its centre, and D there is at least D(centre) - (Lipschitz constant) sqrt(3) h. A cube is settled if that
    reaches the bound, if it lies within the ball of the angle, or outside the zone of the disorientations. Any other
    cube is cut in eight.

    Parameters
    ----------
    harmonics : SymmetrizedHarmonics
    bound : float
        Lower bound of D to be proved.
    angle : float
        Disorientation in degrees.
    depth : int
        Times that a cube may be cut.

    Returns
    -------
    bool
        False if the centre of a cube is a counterexample, or if cubes are left at the greatest depth.
    """
    lipschitz = np.rad2deg(rates(harmonics)[1])
    limit = np.deg2rad(angle)
    symmetry = symmetry_operations(harmonics.laue)
    corners = np.stack(np.meshgrid(*3 * [[-1.0, 1.0]], indexing="ij"), axis=-1).reshape(-1, 3)
    edge = 0.25
    ticks = np.arange(-1.0 + edge / 2, 1.0, edge)
    centres = np.stack(np.meshgrid(ticks, ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 3)
    faces = np.repeat(np.arange(4), len(centres))
    centres = np.tile(centres, (4, 1))
    for _ in range(depth):
        q = np.ones((len(centres), 4))
        np.put_along_axis(q, (faces[:, None] + np.arange(1, 4)) % 4, centres, axis=1)
        q = rotation.normalize(q)
        reach = np.sqrt(3.0) * edge
        closeness = np.max(np.abs(q @ symmetry.T), axis=1)
        in_zone = closeness - np.abs(q[:, 0]) <= reach
        angles = 2.0 * np.arccos(np.minimum(closeness, 1.0))
        left = in_zone & (angles + reach >= limit)
        q, angles, centres, faces = q[left], angles[left], centres[left], faces[left]
        values = np.concatenate([distance(harmonics, block) for block in np.array_split(q, len(q) // 20000 + 1)])
        if np.any((values < bound) & (angles >= limit)):
            return False
        left = values - lipschitz * reach < bound
        if not left.any():
            return True
        edge /= 2.0
        centres = (centres[left, None] + corners * edge / 2.0).reshape(-1, 3)
        faces = np.repeat(faces[left], 8)
    return False


def band(harmonics: SymmetrizedHarmonics) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Smallest and largest D over rotation axes in steps of 1 degree: angles (n,) in degrees, low (n,), high (n,)."""
    steps = np.arange(0.5, 180.0, 0.5)
    q = rotation.from_axis_angle(axes(1500)[:, None], np.deg2rad(steps)).reshape(-1, 4)
    angles = np.rad2deg(disorientation(harmonics, q))
    values = np.concatenate([distance(harmonics, block) for block in np.array_split(q, 30)])
    bins = np.round(angles).astype(int)
    low, high = np.full(181, np.inf), np.zeros(181)
    np.minimum.at(low, bins, values)
    np.maximum.at(high, bins, values)
    low[0] = high[0] = 0.0
    filled = np.isfinite(low)
    return np.flatnonzero(filled), low[filled], high[filled]


def draw_functions(path: Path) -> None:
    """Stereographic projections of the nine cubic functions of degree 8 at three rotation angles."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle

    harmonics = symmetrized_harmonics("m-3m")
    u, v = np.meshgrid(*2 * [np.linspace(-1.0, 1.0, 161)])
    square = u * u + v * v
    axis = np.stack([2 * u, 2 * v, 1 - square], axis=-1) / (1 + square)[..., None]
    figure = Figure(figsize=(11, 4.3), layout="constrained")
    panels = figure.subplots(3, 9)
    for row, angle in zip(panels, (20, 40, 60), strict=True):
        values = harmonics.evaluate(rotation.from_axis_angle(axis, np.deg2rad(angle)))
        for m, (panel, value) in enumerate(zip(row, values, strict=True), start=-4):
            image = panel.contourf(u, v, np.where(square <= 1, value, np.nan), np.linspace(-3, 3, 25), cmap="RdBu_r")
            panel.add_patch(Circle((0, 0), 1, fill=False, linewidth=0.8))
            panel.set(aspect="equal", xticks=[], yticks=[], xlim=(-1.05, 1.05), ylim=(-1.05, 1.05))
            panel.spines[:].set_visible(False)
            if angle == 20:
                panel.set_title(f"m = {m}", fontsize=10)
        row[0].set_ylabel(f"{angle}°", fontsize=11)
    figure.colorbar(image, ax=panels, ticks=range(-3, 4), shrink=0.8, label="f")
    figure.savefig(path, dpi=90)


def draw_distances(path: Path) -> None:
    """D against the disorientation angle for every Laue group, as a band over the rotation axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7.5), layout="constrained")
    panels = figure.subplots(3, 4, sharex=True, sharey=True).ravel()
    for panel, laue in zip(panels, LAUE_GROUPS, strict=False):
        harmonics = symmetrized_harmonics(laue)
        angles, low, high = band(harmonics)
        panel.fill_between(angles, low, high, alpha=0.35, linewidth=0)
        panel.plot(angles, low, linewidth=1.0)
        panel.plot(angles, high, linewidth=1.0, color="tab:blue")
        panel.set_title(f"{laue}: {harmonics.count} functions", fontsize=10)
        panel.grid(alpha=0.3)
        panel.set(xlim=(0, 180), ylim=(0, 8.5), xticks=range(0, 181, 45))
    panels[-1].set_axis_off()
    panels[-2].tick_params(labelbottom=True)
    panels[7].tick_params(labelbottom=True)
    figure.supxlabel("disorientation (degrees)")
    figure.supylabel("distance D between the harmonics")
    figure.savefig(path, dpi=80)


def main(folder: Path | None = None) -> dict[str, bool]:
    """Prove separation for every Laue group, print the table, and draw the pictures if a folder is given.

    Returns
    -------
    dict of str to bool
        Per Laue group, whether D at 5 degrees or more is proved to be at least 0.98 of its smallest value found
        there.
    """
    proved = {}
    print("| Laue group | (n, k) | functions | slope per degree | smallest D at >= 5 degrees | smallest / largest D |")
    print("|---|---|---|---|---|---|")
    for laue in LAUE_GROUPS:
        harmonics = symmetrized_harmonics(laue)
        slowest, fastest = rates(harmonics)
        nearest = nearest_at(harmonics, 5.0)
        largest = band(harmonics)[2].max()
        proved[laue] = proves(harmonics, 0.98 * nearest, 5.0)
        terms = ", ".join(f"({n}, {k})" for n, k in harmonics.terms)
        print(
            f"| {laue} | {terms} | {harmonics.count} | {slowest:.4f} ... {fastest:.4f} | {nearest:.3f} "
            f"({'proved' if proved[laue] else 'not proved'}) | {nearest / largest:.3f} |"
        )
    if folder is not None:
        draw_functions(folder / "harmonics_cubic_n8.png")
        draw_distances(folder / "harmonics_distance.png")
    return proved


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
