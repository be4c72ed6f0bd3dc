"""One, two, four and eight maps of a material: how far they are off it together, and whether they forecast it.

    python benchmarks/many_maps.py weak --figure docs/results/many_maps.png

Maps are sections of specimens, two grains apart; the material is what other specimens of the same kind hold together.
What is printed are the rows of the tables of docs/results/many_maps.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from polyrve import OrientationMap, simulate_scan
from polyrve.adapters.solvers.damask_crystals import crystal
from polyrve.crystallography.odf import odf_bins
from polyrve.microstructure.map_analysis import MapAnalysis, analyse
from polyrve.microstructure.map_scatter import map_scatter
from polyrve.microstructure.response_bounds import hill_moduli
from polyrve.microstructure.section_measures import SectionMeasures
from polyrve.microstructure.stereology import kolmogorov_smirnov
from polyrve.microstructure.synthetic import make_specimen

SIDE, GRAIN, APART = 64, 5.0, 8
NUMBERS = (1, 2, 4, 8)
CRYSTAL = "Ni"
NAMES = (
    "orientation distribution", "disorientations of boundaries", "grain sizes by area", "mean chord", "Young's modulus",
)  # fmt: skip


class Material:
    """What some sections hold together."""

    def __init__(self, maps: list[MapAnalysis]) -> None:
        self.orientations = np.concatenate([one.field.quaternions[::2, ::2].reshape(-1, 4) for one in maps])
        angles = np.rad2deg(np.concatenate([values.ravel() for one in maps for values in one.angles.values()]))
        counts = np.histogram(angles[angles > 5.0], np.arange(0.0, 180.1, 5.0))[0]
        self.boundaries = counts / counts.sum()
        measures = SectionMeasures.together([one.sections for one in maps])
        kept = measures.shapes.points > 2
        self.sizes, self.weights = (values[kept] for values in (measures.shapes.size, measures.shapes.weight))
        self.chord = float(np.mean(measures.mean_chords))
        ids = np.ones(len(self.orientations), dtype=int)
        self.moduli = hill_moduli(self.orientations, ids, [crystal(CRYSTAL)])

    def off(self, truth: Material) -> list[float]:
        """Tell the errors by :data:`NAMES`."""
        bins = odf_bins(np.concatenate([self.orientations, truth.orientations]), "m-3m")
        first = np.arange(len(bins.of_point)) < len(self.orientations)
        masses = [
            bins.odf(np.bincount(bins.of_point[part], minlength=len(bins.centres)) / part.sum(), 7.5)
            for part in (first, ~first)
        ]
        return [
            float(np.abs(masses[0] - masses[1]).sum() / 2.0),
            float(np.abs(self.boundaries - truth.boundaries).sum() / 2.0),
            kolmogorov_smirnov(self.sizes, truth.sizes, self.weights * self.sizes, truth.weights * truth.sizes),
            abs(self.chord / truth.chord - 1.0),
            float(np.abs(self.moduli / truth.moduli - 1.0).mean()),
        ]


def sections(seed: int, texture: str, noise: float) -> list[OrientationMap]:
    """Cut a specimen into sections two grains apart."""
    specimen = make_specimen((SIDE,) * 3, grain_size=GRAIN, texture=texture, seed=seed)
    return [
        simulate_scan(specimen, 0, index, noise=noise, unindexed=0.0, misindexed=0.0, seed=seed)
        for index in range(0, SIDE, APART)
    ]


def main() -> None:
    """Compare errors and forecasts for two textures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("textures", nargs="+", choices=["weak", "strong"])
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--specimens", type=int, default=4)
    given = parser.parse_args()
    found = {}
    for texture in given.textures:
        truth = Material([analyse(one) for seed in range(100, 106) for one in sections(seed, texture, 0.0)])
        scans = [sections(seed, texture, 0.0) for seed in range(given.specimens)]
        errors: dict[int, list[list[float]]] = {number: [] for number in NUMBERS}
        forecasts: dict[int, list[list[float]]] = {number: [] for number in NUMBERS}
        for number in NUMBERS:
            for of_specimen in scans:
                for first in range(len(of_specimen) // number):
                    maps = [analyse(one) for one in of_specimen[first :: len(of_specimen) // number]]
                    errors[number].append(Material(maps).off(truth))
                    forecasts[number].append([one.error for one in map_scatter(maps, crystals=[crystal(CRYSTAL)])])
        print(f"\n{texture} texture\n| quantity | {' | '.join(f'{n} maps' for n in NUMBERS)} | slope |")
        rows = found[texture] = {}
        for i, name in enumerate(NAMES):
            error, told = (
                [float(np.mean([run[i] for run in of[number]])) for number in NUMBERS] for of in (errors, forecasts)
            )
            slope = float(np.polyfit(np.log(NUMBERS), np.log(error), 1)[0])
            rows[name] = {"error": error, "forecast": told, "slope": slope}
            cells = " | ".join(f"{100 * a:.2f} ({b / a:.2f})" for a, b in zip(error, told, strict=True))
            print(f"| {name} | {cells} | {slope:.2f} |", flush=True)
    if given.figure:
        draw(found, given.figure)
        print(json.dumps(found))


def draw(found: dict[str, dict[str, dict[str, object]]], path: Path) -> None:
    """Draw errors and forecasts over the number of maps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8 * len(found), 4.2), layout="constrained")
    axes = figure.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for ax, (texture, rows) in zip(axes, found.items(), strict=True):
        for i, (name, row) in enumerate(rows.items()):
            error, told = np.array(row["error"]), np.array(row["forecast"])
            ax.loglog(NUMBERS, 100 * error, "o-", color=f"C{i}", label=name)
            ax.loglog(NUMBERS, 100 * told, "x", color=f"C{i}")
        ax.loglog(NUMBERS, 30.0 / np.sqrt(NUMBERS), "k--", linewidth=0.8, label="inverse root of the number")
        ax.set(xlabel="maps", title=f"{texture} texture", xticks=NUMBERS, xticklabels=NUMBERS)
        ax.minorticks_off()
    figure.axes[0].set_ylabel("error, %   (crosses: forecast)")
    figure.legend(*axes[-1].get_legend_handles_labels(), fontsize=7, loc="outside lower center", ncols=2)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
