"""Particles and voids in a polycrystal
====================================

Spheres on triple lines, plates on a habit plane, needles along a sample direction, and a ball filled with the grains:
sections through the middle, and a table of what was asked for and what came out.

::

    python examples/particles.py --figure docs/figures/particles.png
"""

# sphinx_gallery_thumbnail_path = "figures/particles.png"

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from polyrve import GrainVolume, Phase, make_specimen
from polyrve.microstructure.outer_shape import fill_shape
from polyrve.microstructure.particles import ASPECTS, Particles, ellipsoid, insert_particles

SECOND = Phase("second", "m-3m")
CASES = {
    "spheres on triple lines, 5 %": Particles(
        SECOND, 0.05, 5.0, ellipsoid(ASPECTS["sphere"]), spread=0.2, place="triple-lines"
    ),
    "plates on {111}, 6 %": Particles(SECOND, 0.06, 7.0, ellipsoid((6, 6, 1)), habit=(1, 1, 1)),
    "needles along x, 5 %": Particles(SECOND, 0.05, 5.0, ellipsoid((8, 1, 1)), along=(1.0, 0.0, 0.0)),
}


def main(edge: int, figure: Path | None) -> dict[str, tuple[float, float]]:
    """Print a table and draw the sections.

    Returns
    -------
    dict of str to (float, float)
        Fraction asked for and found.
    """
    rve = make_specimen((edge,) * 3, grain_size=14.0, texture="random", scatter=0.0, seed=1)
    volumes, found = {}, {}
    print("| particles | number | asked | found | CPU (s) |\n|---|---|---|---|---|")
    for name, wanted in CASES.items():
        start = time.process_time()
        made = volumes[name] = insert_particles(rve, wanted, seed=1)
        share = float((made.field.phase_ids == 2).mean())
        found[name] = wanted.fraction, share
        number = int((made.phase_ids == 2).sum())
        print(f"| {name} | {number} | {wanted.fraction} | {share:.4f} | {time.process_time() - start:.1f} |")
        assert abs(share / wanted.fraction - 1.0) < 0.05
    ball = np.sum((np.indices((edge + 16,) * 3) - (edge + 15) / 2) ** 2, axis=0) < ((edge + 12) / 2) ** 2
    volumes["a ball filled with the grains"] = fill_shape(rve, ball, Phase("Void"))
    if figure is not None:
        draw(volumes, figure)
    return found


def draw(volumes: dict[str, GrainVolume], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(volumes), figsize=(3.4 * len(volumes), 3.9), layout="constrained")
    colours = np.random.default_rng(3).uniform(0.55, 0.95, (4000, 3))
    for axis, (name, made) in zip(axes, volumes.items(), strict=True):
        middle = made.field.shape[0] // 2
        ids, phases = made.grain_ids[middle], made.field.phase_ids[middle]
        picture = colours[ids % len(colours)]
        picture[phases == 2] = (1.0, 1.0, 1.0) if "ball" in name else (0.15, 0.2, 0.3)
        axis.imshow(picture, origin="lower", interpolation="nearest")
        axis.set(title=name, xticks=[], yticks=[])
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=64)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    main(given.edge, given.figure)
