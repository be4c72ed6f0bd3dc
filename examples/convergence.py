"""How a reconstruction converges
==============================

The loss and the map at some iterations (paper: figure 9).

::

    python examples/convergence.py --output docs/figures/convergence.png
"""

# sphinx_gallery_thumbnail_path = "figures/convergence.png"

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from study import arguments, columnar, plane, read_map, save, show, table

from polyrve.microstructure.fields import OrientationMap
from polyrve.optimizers import Iteration, Minimum, minimize
from polyrve.reconstruction.problem import prepare

SNAPSHOTS = (0, 10, 30, 100, 300, 1000)


def main(
    scan: OrientationMap, size: int = 64, iterations: int = 1000, descriptors: str = "paper", output: Path | None = None
) -> tuple[Minimum, dict[int, OrientationMap]]:
    """Reconstruct from random orientations and keep the map at some iterations.

    Returns
    -------
    minimum : Minimum
    snapshots : dict of int to OrientationMap
        By iteration.
    """
    shape = (1, size, size)
    problem = prepare(scan, shape=shape, given=descriptors, initial="random")
    maps = problem.on_grid(shape)
    objective = problem.objective(maps, shape)
    snapshots: dict[int, OrientationMap] = {}

    def keep(iteration: Iteration) -> None:
        if iteration.iteration in SNAPSHOTS or iteration.iteration == iterations:
            volume = problem.volume(iteration.position.numpy())
            snapshots[iteration.iteration] = plane(volume)

    start = tf.constant(problem.initial_field(maps, shape)[1], tf.float32)
    minimum = minimize(objective, start, max_iterations=iterations, tolerance=0.0, callback=keep)
    if output is not None:
        draw(scan, minimum, objective.names, snapshots, output)
    return minimum, snapshots


def draw(
    scan: OrientationMap,
    minimum: Minimum,
    names: Sequence[str],
    snapshots: dict[int, OrientationMap],
    path: Path,
) -> None:
    """Snapshots above the loss and its terms."""
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(2.0 * (len(snapshots) + 1), 5.2), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.35))
    axes = upper.subplots(1, len(snapshots) + 1)
    for axis, (iteration, field) in zip(axes, snapshots.items(), strict=False):
        show(axis, field, f"iteration {iteration}\nloss {minimum.history.value[iteration]:.2g}")
    show(axes[-1], scan, "map\n")
    axis = lower.subplots()
    axis.loglog(1 + np.arange(len(minimum.history)), minimum.history.value, color="black", label="loss")
    for name, values in zip(names, minimum.history.terms.T, strict=True):
        axis.loglog(1 + np.arange(len(values)), values, lw=1.0, label=name)
    axis.set(xlabel="iteration + 1", ylabel="loss")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    save(figure, path)


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=1000)
    parser.add_argument("--descriptors", default="paper", choices=("paper", "default"))
    options = parser.parse_args(argv)
    scan = columnar(2 * options.size) if options.map is None else read_map(options.map, options.spacing)
    minimum, snapshots = main(scan, options.size, options.iterations, options.descriptors, options.output)
    rows = [(iteration, float(minimum.history.value[iteration])) for iteration in snapshots]
    print(table(["iteration", "loss"], rows))
    return minimum


if __name__ == "__main__":
    command()
