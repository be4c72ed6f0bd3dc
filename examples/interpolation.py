"""Between two materials
=====================

Descriptors interpolated from round to flat particles (paper: figures 16 and 17).

::

    python examples/interpolation.py --output docs/figures/interpolation.png
"""

# sphinx_gallery_thumbnail_path = "figures/interpolation.png"

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from study import AS_IN_THE_PAPER, arguments, gallery, plane, read_map, table

import polyrve
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grain_properties import measure_grains
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.stereology import SHAPED
from polyrve.reconstruction.run import measure_targets
from polyrve.reconstruction.targets import interpolate

SHARES = (0.0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0)
MATRIX = rotation.from_euler(np.deg2rad([0.0, 0.0, 0.0]))
PARTICLE = rotation.from_euler(np.deg2rad([30.0, 45.0, 20.0]))


@dataclass(frozen=True, eq=False)
class Step:
    """A reconstruction between the two materials.

    Attributes
    ----------
    share : float
        Of the second material.
    result : polyrve.Reconstruction
    area : float
        Share of the points nearer to the particles' orientation than to the matrix'.
    aspect : float
        Mean aspect ratio of the particles, by area; NaN without particles.
    between : float
        Share of the points more than 10 degrees away from both orientations.
    """

    share: float
    result: polyrve.Reconstruction
    area: float
    aspect: float
    between: float


def particles(side: int, radii: tuple[float, float], fraction: float = 0.3, seed: int = 0) -> OrientationMap:
    """Ellipses of one orientation in a matrix of another, periodic.

    Parameters
    ----------
    side : int
    radii : tuple of float
        Half axes (y, x) in voxels.
    fraction : float
        Share of the area; ellipses do not overlap.
    seed : int
    """
    rng = np.random.default_rng(seed)
    inside = np.zeros((side, side), dtype=bool)
    rows, columns = np.mgrid[:side, :side]
    for _ in range(20_000):
        if inside.mean() >= fraction:
            break
        centre = rng.random(2) * side
        dy, dx = ((i - c + side / 2) % side - side / 2 for i, c in zip((rows, columns), centre, strict=True))
        if not inside[(dy / (radii[0] + 1.5)) ** 2 + (dx / (radii[1] + 1.5)) ** 2 < 1.0].any():
            inside |= (dy / radii[0]) ** 2 + (dx / radii[1]) ** 2 < 1.0
    quaternions = np.where(inside[..., None], PARTICLE, MATRIX)
    return OrientationMap(quaternions, np.ones(inside.shape, int), (Phase("Al"),), (1.0, 1.0), periodic=True)


def main(
    first: OrientationMap, second: OrientationMap, size: int = 64, iterations: int = 600, output: Path | None = None
) -> list[Step]:
    """Reconstruct from descriptors interpolated in equal steps, from random orientations, with the paper's set.

    The default set fails here: with two exact orientations its thresholds have many local minima.

    Returns
    -------
    list of Step
    """
    settings: dict[str, Any] = {
        "shape": (1, size, size), "largest_lag": min(16, size // 2 - 1), "descriptors": "paper",
    }  # fmt: skip
    start, end = (measure_targets(field, noise="keep", **settings) for field in (first, second))
    steps = []
    for share in SHARES:
        result = polyrve.reconstruct(
            interpolate(start, end, share), **settings, iterations=iterations, **AS_IN_THE_PAPER
        )
        steps.append(Step(share, result, *shapes(plane(result.volume))))
    if output is not None:
        panels = {"first map": first, "second map": second}
        panels |= {f"share {step.share:.2f}, loss {step.result.loss:.1g}": plane(step.result.volume) for step in steps}
        gallery(output, panels, columns=5)
    return steps


def shapes(field: OrientationMap) -> tuple[float, float, float]:
    """Area share of the particles, their mean aspect ratio by area, and the share of points in between."""
    symmetry = field.phases[0].symmetry
    far = [rotation.disorientation_angle(field.quaternions, q, symmetry) for q in (MATRIX, PARTICLE)]
    inside = far[1] < far[0]
    between = float((np.minimum(*far) > np.deg2rad(10.0)).mean())
    split = field.evolve(quaternions=np.where(inside[..., None], PARTICLE, MATRIX))
    grains = segment(split)
    properties = measure_grains(grains)
    of_particles = rotation.disorientation_angle(grains.quaternions, PARTICLE, symmetry) < np.deg2rad(1.0)
    kept = of_particles & (properties.points >= SHAPED)
    if not kept.any():
        return float(inside.mean()), np.nan, between
    aspect = np.average(properties.aspect_ratio[kept], weights=properties.size[kept])
    return float(inside.mean()), float(aspect), between


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=600)
    parser.add_argument("--second", type=Path, help="second measured map")
    options = parser.parse_args(argv)
    side = options.size
    first = particles(side, (side / 12, side / 12)) if options.map is None else read_map(options.map, options.spacing)
    flat = particles(side, (side / 28, side / 5), seed=1)
    second = flat if options.second is None else read_map(options.second, options.spacing)
    steps = main(first, second, options.size, options.iterations, options.output)
    rows = [(step.share, step.result.loss, step.area, step.aspect, step.between) for step in steps]
    print(table(["share of the second", "loss", "area of particles", "aspect ratio", "between orientations"], rows))
    return steps


if __name__ == "__main__":
    command()
