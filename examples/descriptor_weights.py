"""Single descriptors and their ratios
===================================

Alone, two of them in several ratios, and the mean variation (paper: figures 6-8).

::

    python examples/descriptor_weights.py --output docs/figures/descriptor_weights.png
"""

# sphinx_gallery_thumbnail_path = "figures/descriptor_weights_ratios.png"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from study import AS_IN_THE_PAPER, VALIDATED, arguments, columnar, gallery, plane, read_map, table, validated

import polyrve
from polyrve.microstructure.fields import OrientationMap

SINGLE = ("variation", "two_point", "three_point", "variogram", "disorientation", "texture")
RATIOS = (0.01, 0.1, 1.0, 10.0, 100.0)
VARIATION = (0.0, 0.001, 0.01, 0.1, 1.0, 10.0)

Runs = dict[str, tuple[polyrve.Reconstruction, dict[str, float]]]


def weightings() -> dict[str, dict[str, dict[str, float]]]:
    """Weights by study and by what a run is called."""
    paper = {"two_point": 1.0, "three_point": 1.0}
    return {
        "single": {name: {name: 1.0} for name in SINGLE},
        "ratios": {f"S2 : G = 1 : {ratio:g}": {"two_point": 1.0, "three_point": ratio} for ratio in RATIOS},
        "variation": {f"MV weight {weight:g}": {**paper, "variation": weight} for weight in VARIATION},
    }


def main(
    scan: OrientationMap,
    size: int = 64,
    iterations: int = 300,
    output: Path | None = None,
    studies: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> dict[str, Runs]:
    """Reconstruct from random orientations, as in the paper, with each weighting.

    Parameters
    ----------
    scan : OrientationMap
    size, iterations : int
    output : Path, optional
    studies : mapping, optional
        Weights by study and title; by default those of :func:`weightings`.

    Returns
    -------
    dict of str to dict
        By study and weighting, the reconstruction and its metrics.
    """
    results: dict[str, Runs] = {}
    for study, chosen_weights in (weightings() if studies is None else studies).items():
        runs: Runs = {}
        for title, chosen in chosen_weights.items():
            weights = {"two_point": 0.0, "three_point": 0.0, "variation": 0.0, **chosen}
            result = polyrve.reconstruct(
                scan, shape=(1, size, size), descriptors="paper", weights=weights, iterations=iterations,
                initial="random", **AS_IN_THE_PAPER,
            )  # fmt: skip
            runs[title] = result, validated(scan, result.volume)[0]
        if output is not None:
            panels = {"map": scan, **{title: plane(result.volume) for title, (result, _) in runs.items()}}
            gallery(output.with_stem(f"{output.stem}_{study}"), panels)
        results[study] = runs
    return results


def command(argv: Sequence[str] | None = None) -> Any:
    options = arguments(__doc__, size=64, iterations=300).parse_args(argv)
    scan = columnar(2 * options.size) if options.map is None else read_map(options.map, options.spacing)
    results = main(scan, options.size, options.iterations, options.output)
    for study, runs in results.items():
        rows = [
            (title, result.history[0].loss, result.loss, *values.values()) for title, (result, values) in runs.items()
        ]
        print(f"\n{study}\n\n" + table([study, "first loss", "last loss", *VALIDATED.values()], rows))
    return results


if __name__ == "__main__":
    command()
