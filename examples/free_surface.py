"""A body within a free surface
============================

A waisted pillar is made twice from one map: told to the engine as a body, and cut out of a periodic volume. The table
compares the loss within the body and the validation; cuts through the middle of each are drawn.

::

    python examples/free_surface.py --figure docs/figures/free_surface.png
"""

# sphinx_gallery_thumbnail_path = "figures/free_surface.png"

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import numpy as np

import polyrve
from polyrve import OrientationVolume, Phase, Validation
from polyrve.crystallography.phase import VOID
from polyrve.microstructure.outer_shape import fill_shape
from polyrve.reconstruction.problem import prepare


def pillar(height: int, width: int) -> np.ndarray:
    """Return the voxels of a round pillar along z whose middle has three fifths of the diameter of its ends."""
    z, y, x = np.indices((height, width, width)) + 0.5
    radius = width / 2.0 * (0.8 + 0.2 * np.cos(2.0 * np.pi * z / height))
    return np.asarray(np.hypot(y - width / 2.0, x - width / 2.0) < radius)


def main(height: int, width: int, figure: Path | None) -> dict[str, float]:
    """Print a table and draw the volumes.

    Returns
    -------
    dict of str to float
        Loss of each body.
    """
    specimen = polyrve.make_specimen((4, 128, 128), grain_size=8.0, seed=1)
    scan = polyrve.simulate_scan(specimen, seed=1)
    inside = pillar(height, width)
    problem = prepare(scan, inside=inside, seed=1)
    objective = problem.objective(problem.material(inside.shape), inside.shape)
    volumes: dict[str, OrientationVolume] = {}
    losses = {}
    print("| body | loss | passed | not passed | CPU (s) | peak memory (GiB) |\n|---|---|---|---|---|---|")
    ways: dict[str, dict[str, Any]] = {
        "told to the engine": {"inside": inside},
        "cut out of a periodic volume": {"shape": inside.shape},
    }
    for name, options in ways.items():
        start = time.process_time()
        made = polyrve.reconstruct(scan, seed=1, **options).volume
        seconds = time.process_time() - start
        volumes[name] = body = made.evolve(phase_ids=np.where(inside, made.phase_ids, 0), periodic=False)
        losses[name] = problem.loss(body, objective)
        result = polyrve.validate(scan, fill_shape(polyrve.segment(body), inside, Phase(VOID)))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {name} | {losses[name]:.4f} | {_verdicts(result)} | {seconds:.0f} | {memory:.2f} |", flush=True)
    told, cut = losses.values()
    assert told < cut
    if figure is not None:
        draw(volumes, figure)
    return losses


def _verdicts(result: Validation) -> str:
    passed = [row for row in result.results if row.verdict == "pass"]
    others = [row.key for row in result.results if row.verdict == "warn"]
    return f"{len(passed)} | {', '.join(others) or 'none'}"


def draw(volumes: dict[str, OrientationVolume], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    from polyrve.adapters.ipf_colors import ipf_colors

    figure, axes = plt.subplots(1, 2 * len(volumes), figsize=(8.8, 3.6), layout="constrained")
    for place, (name, volume) in enumerate(volumes.items()):
        colours = ipf_colors(volume.quaternions, volume.phase_ids, volume.phases)
        colours[~volume.indexed] = 255
        height, depth, _ = volume.shape
        for axis, (section, what) in zip(
            axes[2 * place :],
            ((colours[:, depth // 2], "along the axis"), (colours[height // 2], "through the waist")),
            strict=False,
        ):
            axis.imshow(section, origin="lower", interpolation="nearest")
            axis.set_title(f"{name}\n{what}", fontsize=8)
            axis.set_axis_off()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=48)
    parser.add_argument("--width", type=int, default=36)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    main(given.height, given.width, given.figure)
