"""All optimizers on one problem
=============================

All optimizers on one problem, from random orientations, over 1000 iterations (paper: figure 18).

::

    python examples/optimizer_comparison.py --output docs/figures/optimizers.png
"""

# sphinx_gallery_thumbnail_path = "figures/optimizers.png"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from study import arguments, read_map, save, section, table

from polyrve.microstructure.fields import OrientationMap
from polyrve.optimizers import METHODS, Iteration, Minimum, minimize
from polyrve.reconstruction.problem import prepare

EVALUATIONS = 2
"""A run may take so many evaluations per allowed iteration; SciPy's TNC takes some fifty in each."""

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "lbfgs": ("lbfgs", {}),
    "lbfgs, 10 pairs": ("lbfgs", {"memory": 10}),
    "lbfgs, 10 pairs, one scale": ("lbfgs", {"memory": 10, "orientations": False}),
    "scipy-lbfgsb": ("scipy-lbfgsb", {}),
    **{method: (method, {}) for method in METHODS if method not in ("lbfgs", "scipy-lbfgsb")},
}
"""Method and options by the name of a run."""


def main(
    scan: OrientationMap,
    size: int = 64,
    iterations: int = 1000,
    descriptors: str = "default",
    seeds: Sequence[int] = (0, 1, 2),
    runs: Sequence[str] = tuple(RUNS),
    output: Path | None = None,
) -> dict[str, list[Minimum]]:
    """Minimise one loss from one initial field with each method, within as many iterations and twice the evaluations.

    Returns
    -------
    dict of str to list of Minimum
        By run, one minimum for each seed; methods other than L-BFGS take the first seed alone.
    """
    shape = (1, size, size)
    results: dict[str, list[Minimum]] = {name: [] for name in runs}

    def spent(iteration: Iteration) -> bool:
        return iteration.evaluations >= EVALUATIONS * iterations

    for seed in seeds:
        problem = prepare(scan, shape=shape, given=descriptors, initial="random", seed=seed)
        maps = problem.on_grid(shape)
        objective = problem.objective(maps, shape)
        start = tf.constant(problem.initial_field(maps, shape)[1], tf.float32)
        for name in runs:
            if seed != seeds[0] and "lbfgs" not in name:
                continue
            method, options = RUNS[name]
            results[name].append(
                minimize(
                    objective, start, method=method, max_iterations=iterations, tolerance=0.0, callback=spent, **options
                )
            )
    if output is not None:
        draw(results, output)
    return results


def iterations_to(minimum: Minimum, loss: float) -> float:
    """First iteration with a loss not above a value; infinite if there is none."""
    reached = np.flatnonzero(minimum.history.value <= loss)
    return float(reached[0]) if len(reached) else np.inf


def against_scipy(results: Mapping[str, Sequence[Minimum]]) -> dict[str, list[float]]:
    """Iterations to SciPy L-BFGS-B's last loss over its iterations, by in-graph run, one for each seed."""
    ratios = {}
    for name, minima in results.items():
        if name.startswith("lbfgs"):
            pairs = zip(minima, results["scipy-lbfgsb"], strict=True)
            ratios[name] = [iterations_to(mine, its.value) / (len(its.history) - 1) for mine, its in pairs]
    return ratios


def draw(results: Mapping[str, Sequence[Minimum]], path: Path) -> None:
    """Loss against iteration, first seed."""
    import matplotlib.pyplot as plt

    figure, axis = plt.subplots(figsize=(8.0, 4.6), layout="constrained")
    for index, (name, minima) in enumerate(results.items()):
        loss = np.minimum.accumulate(minima[0].history.value)
        axis.loglog(1 + np.arange(len(loss)), loss, label=name, ls=("-", "--", "-.")[index % 3], lw=1.4)
    axis.set(xlabel="iteration + 1", ylabel="lowest loss so far")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, ncols=2)
    save(figure, path)


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=1000)
    parser.add_argument("--descriptors", default="default", choices=("paper", "default"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    scan = section(2 * options.size) if options.map is None else read_map(options.map, options.spacing)
    results = main(
        scan, options.size, options.iterations, options.descriptors, range(options.seeds), output=options.output
    )
    rows = []
    for name, minima in results.items():
        history = minima[0].history
        at = [float(history.value[: i + 1].min()) for i in (options.iterations // 10, options.iterations)]
        rows.append((name, *at, len(history) - 1, int(history.evaluations[-1])))
    header = [f"loss after {options.iterations // 10}", f"after {options.iterations}", "iterations", "evaluations"]
    print(table(["method", *header], rows))
    for name, ratios in against_scipy(results).items():
        print(f"{name}: iterations to SciPy's last loss over SciPy's, by seed: {', '.join(f'{r:.2f}' for r in ratios)}")
    return results


if __name__ == "__main__":
    command()
