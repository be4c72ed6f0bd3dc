"""Ten seeds
=========

How far final losses spread, from each kind of initial field and on several grids (paper: figure 19).

::

    python examples/ten_seeds.py --output docs/figures/ten_seeds.png
"""

# sphinx_gallery_thumbnail_path = "figures/ten_seeds.png"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from study import AS_IN_THE_PAPER, VALIDATED, arguments, read_map, save, section, table, validated

import polyrve
from polyrve.microstructure.fields import OrientationMap

INITIAL_FIELDS = ("random", "polycrystal", "exemplar")

Runs = dict[tuple[str, int], list[polyrve.Reconstruction]]


def main(
    scan: OrientationMap,
    size: int = 64,
    iterations: int = 300,
    seeds: int = 10,
    initial_fields: Sequence[str] = INITIAL_FIELDS,
    levels: Sequence[int] = (1, 3),
    output: Path | None = None,
) -> Runs:
    """Reconstruct with the default descriptors, from each kind of initial field, on one grid and on several.

    Returns
    -------
    dict of (str, int) to list of Reconstruction
        By initial field and number of grids, one for each seed.
    """
    results: Runs = {}
    for initial in initial_fields:
        for number in levels:
            results[initial, number] = [
                polyrve.reconstruct(
                    scan, shape=(1, size, size), iterations=iterations, initial=initial, levels=number, seed=seed,
                    **AS_IN_THE_PAPER,
                )
                for seed in range(seeds)
            ]  # fmt: skip
    if output is not None:
        draw(results, output)
    return results


def finest(result: polyrve.Reconstruction) -> np.ndarray:
    """Losses on the finest grid, shape (iterations + 1,)."""
    last = result.history[-1].level
    return np.array([record.loss for record in result.history if record.level == last])


def spread(results: Sequence[polyrve.Reconstruction]) -> float:
    """Largest over smallest final loss."""
    losses = [result.loss for result in results]
    return max(losses) / min(losses)


def draw(results: Mapping[tuple[str, int], Sequence[polyrve.Reconstruction]], path: Path) -> None:
    """Losses on the finest grid, one panel for each initial field and number of grids."""
    import matplotlib.pyplot as plt

    columns = len({initial for initial, _ in results})
    rows = len(results) // columns
    figure = plt.figure(figsize=(3.6 * columns, 2.9 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis, ((initial, levels), runs) in zip(axes.T.ravel(), results.items(), strict=True):
        for result in runs:
            loss = finest(result)
            axis.loglog(1 + np.arange(len(loss)), loss, lw=0.9)
        grids = f"{levels} grid{'s' * (levels > 1)}"
        axis.set_title(f"{initial}, {grids}: largest / smallest {spread(runs):.2f}", fontsize=9)
        axis.grid(alpha=0.3)
    figure.supxlabel("iteration on the finest grid + 1", fontsize=10)
    figure.supylabel("loss", fontsize=10)
    save(figure, path, dpi=80)


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=300)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--initial", nargs="+", choices=INITIAL_FIELDS, default=INITIAL_FIELDS)
    options = parser.parse_args(argv)
    scan = section(2 * options.size) if options.map is None else read_map(options.map, options.spacing)
    results = main(scan, options.size, options.iterations, options.seeds, options.initial, output=options.output)
    rows = []
    for (initial, levels), runs in results.items():
        losses = [result.loss for result in runs]
        metrics = validated(scan, runs[0].volume)[0]
        first = float(np.median([finest(result)[0] for result in runs]))
        rows.append(
            (initial, levels, first, *np.quantile(losses, (0.0, 0.5, 1.0)).tolist(), spread(runs), *metrics.values())
        )
    header = ["initial field", "grids", "first loss", "lowest", "median", "highest", "highest / lowest"]
    print(table([*header, *VALIDATED.values()], rows))
    return results


if __name__ == "__main__":
    command()
