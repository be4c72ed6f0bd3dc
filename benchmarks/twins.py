"""Plates in volumes from one map: set as objects, against pixels and convex cells, with a picture (docs/results).

python benchmarks/twins.py specimen --size 48 --output docs/results/twins
python benchmarks/twins.py Burgers --size 48 --output docs/results/twins
python benchmarks/twins.py path/to/map.h5 --size 48 --initial auto --twins auto none --output docs/results/twins
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import matplotlib as mpl
import numpy as np

import polyrve
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation, known_relations
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.special_boundaries import find_relations
from polyrve.validation.plate_statistics import PlateStatistics, mean_statistics, of_sections, of_windows

mpl.use("Agg")

STEEL = (
    Phase("Austenite", "m-3m", (3.6, 3.6, 3.6, 90.0, 90.0, 90.0), 225),
    Phase("Ferrite", "m-3m", (2.87, 2.87, 2.87, 90.0, 90.0, 90.0), 229),
)
TITANIUM = (
    Phase("Titanium beta", "m-3m", (3.31, 3.31, 3.31, 90.0, 90.0, 90.0), 229),
    Phase("Titanium alpha", "6/mmm", (2.95, 2.95, 4.68, 90.0, 90.0, 120.0), 194),
)
TWO_PHASES = {"Burgers": TITANIUM, "Kurdjumov-Sachs": STEEL, "Nishiyama-Wassermann": STEEL}
"""Relations of plates of a second phase to their parents."""


def main() -> None:
    """Reconstruct, print the table, and draw sections beside windows of the map."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("map", help="a file; specimen for the twinned specimen, or a relation for one of two phases")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--initial", default="auto")
    parser.add_argument("--twins", nargs="+", default=["auto", "none"])
    parser.add_argument("--unknowns", default="grains")
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--output", type=Path, default=Path("."))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    columns: dict[str, list[PlateStatistics]] = {}
    scan, relation, truth = _read(given.map)
    columns["windows of the map"] = of_windows(scan, relation, (given.size, given.size))
    if truth is not None:
        columns["truth"] = of_sections(truth, relation)
    drawn = {}
    for twins in given.twins:
        begun = time.process_time()
        result = polyrve.reconstruct(
            scan, shape=(given.size,) * 3, initial=given.initial, twins=twins, unknowns=given.unknowns,
            iterations=given.iterations, seed=given.seed,
        )  # fmt: skip
        seconds = time.process_time() - begun
        print(f"{twins}: {seconds:.0f} s of processor time, {result.volume.provenance['initial']}, {result.loss:.2e}")
        columns[f"twins={twins}"] = of_sections(result.volume, relation)
        drawn[twins] = result.volume
        if given.validate:
            print(polyrve.validate(scan, result.volume))
    print(_table(columns))
    given.output.mkdir(parents=True, exist_ok=True)
    name = Path(given.map).stem
    for twins, volume in drawn.items():
        _picture(scan, volume, given.output / f"{name}_{twins.replace(' ', '_')}.png")


def _read(name: str) -> tuple[OrientationMap, Relation, OrientationVolume | None]:
    """The map, its relation with a habit plane, and the truth where it is known."""
    if name != "specimen" and name not in TWO_PHASES:
        scan = polyrve.read_map(name)
        found = [relation for relation in find_relations(analyse(scan).grains) if relation.plane is not None]
        return scan, found[0], None
    if name == "specimen":
        specimen = polyrve.make_twinned_specimen((64, 144, 144), grain_size=20.0, seed=1)
    else:
        relation = next(one for one in known_relations(TWO_PHASES[name]) if one.name == name)
        specimen = polyrve.make_twinned_specimen(
            (64, 144, 144), relation=relation, grain_size=20.0, plates_per_grain=2.5, seed=1
        )
    return polyrve.simulate_scan(specimen.grains), specimen.relation, specimen.grains.field


def _table(columns: dict[str, list[PlateStatistics]]) -> str:
    """Means over sections; for the windows of the map 5, 50 and 95 %."""
    lines = [f"| | {' | '.join(columns)} |", f"|{'---|' * (len(columns) + 1)}"]
    means = {name: asdict(mean_statistics(found)) for name, found in columns.items() if "windows" not in name}
    windows = [asdict(one) for one in columns["windows of the map"]]
    for row in windows[0]:
        low, middle, high = np.nanquantile([one[row] for one in windows], (0.05, 0.5, 0.95))
        values = " | ".join(f"{one[row]:.3f}" for one in means.values())
        lines.append(f"| {row.replace('_', ' ')} | {low:.3f} {middle:.3f} {high:.3f} | {values} |")
    return "\n".join(lines)


def _picture(scan: OrientationMap, volume: OrientationVolume, path: Path) -> None:
    """Three windows of the map above three sections."""
    from matplotlib import pyplot as plt

    from polyrve.microstructure.cleaning import crop

    n = volume.shape[1]
    rng = np.random.default_rng(1)
    figure, axes = plt.subplots(2, 3, figsize=(15, 10))
    for ax in axes[0]:
        size = [min(n, length) for length in scan.shape]
        corner = [int(rng.integers(length - m + 1)) for length, m in zip(scan.shape, size, strict=True)]
        crop(scan, corner, [a + m for a, m in zip(corner, size, strict=True)]).plot(ax=ax)
        ax.set_title("window of the map")
    for ax, axis in zip(axes[1], range(3), strict=True):
        volume.section(axis, n // 2).plot(ax=ax)
        ax.set_title(f"section normal to {'zyx'[axis]}")
    figure.tight_layout()
    figure.savefig(path, dpi=72)
    plt.close(figure)


if __name__ == "__main__":
    main()
