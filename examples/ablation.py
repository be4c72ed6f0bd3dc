"""Sets without one descriptor
===========================

Sets without one or with one more, on equiaxed, elongated and twinned maps.

::

    python examples/ablation.py --output docs/figures/ablation.png
"""

# sphinx_gallery_thumbnail_path = "figures/ablation.png"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from study import AS_IN_THE_PAPER, VALIDATED, arguments, gallery, plane, read_map, section, table, validated

import polyrve
from polyrve.descriptors import SETS
from polyrve.microstructure.fields import OrientationMap

Runs = dict[str, dict[str, tuple[list[polyrve.Reconstruction], dict[str, float]]]]


def sets() -> dict[str, dict[str, float]]:
    """Weights by the name of a set."""
    default = SETS["default"]
    without = {f"default without {name}": {**default, name: 0.0} for name in default}
    added = {
        "default and two_point": {**default, "two_point": 0.1},
        "default and three_point": {**default, "three_point": 1.0},
        "default and variation": {**default, "variation": 0.1},
    }
    return {"paper": SETS["paper"], "default": default, **without, **added}


def materials(side: int) -> dict[str, OrientationMap]:
    """Maps of synthetic specimens: equiaxed, elongated and twinned grains."""
    return {
        "equiaxed": section(side),
        "elongated": section(side, elongation=(1.0, 3.0, 1.0)),
        "twinned": section(side, grain_size=12.0, twins=0.5),
    }


def main(
    scans: Mapping[str, OrientationMap],
    size: int = 64,
    iterations: int = 200,
    initial: str = "polycrystal",
    seeds: Sequence[int] = (0, 1, 2),
    output: Path | None = None,
) -> Runs:
    """Reconstruct each map with each set.

    Returns
    -------
    dict of str to dict
        By map and set, the reconstructions and the medians of their metrics over the seeds.
    """
    results: Runs = {}
    for material, scan in scans.items():
        results[material] = {}
        for name, weights in sets().items():
            runs = [
                polyrve.reconstruct(
                    scan, shape=(1, size, size), descriptors="default", iterations=iterations, initial=initial,
                    seed=seed, weights={**dict.fromkeys(SETS["default"], 0.0), **weights}, **AS_IN_THE_PAPER,
                )
                for seed in seeds
            ]  # fmt: skip
            values = [validated(scan, result.volume)[0] for result in runs]
            results[material][name] = runs, {key: float(np.median([v[key] for v in values])) for key in VALIDATED}
    if output is not None:
        panels = {}
        for material, scan in scans.items():
            panels[f"{material}: map"] = scan
            for name in ("paper", "default"):
                panels[f"{material}: {name}"] = plane(results[material][name][0][0].volume)
        gallery(output, panels, columns=3)
    return results


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=200)
    parser.add_argument("--initial", default="polycrystal", choices=("exemplar", "polycrystal", "random"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args(argv)
    scans = materials(2 * options.size)
    if options.map is not None:
        scans = {options.map.stem: read_map(options.map, options.spacing)}
    results = main(scans, options.size, options.iterations, options.initial, range(options.seeds), options.output)
    for material, runs in results.items():
        rows = [(name, *values.values()) for name, (_, values) in runs.items()]
        print(f"\n{material}\n\n" + table(["set", *VALIDATED.values()], rows))
    return results


if __name__ == "__main__":
    command()
