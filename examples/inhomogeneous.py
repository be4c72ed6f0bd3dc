"""A map with two grain sizes and textures
=======================================

A map with two grain sizes and textures, and what statistics of the whole map lose of it (paper: figure 14).

::

    python examples/inhomogeneous.py --output docs/figures/inhomogeneous.png
"""

# sphinx_gallery_thumbnail_path = "figures/inhomogeneous.png"

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from study import AS_IN_THE_PAPER, VALIDATED, arguments, gallery, plane, read_map, section, table, validated

import polyrve
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.links import neighbour_disorientation

BANDS = 4


@dataclass(frozen=True, eq=False)
class Outcome:
    """A reconstruction, its metrics, and the share of boundaries in bands of columns.

    Attributes
    ----------
    result : polyrve.Reconstruction
    metrics : dict of str to float
    expected, found : ndarray, shape (BANDS,)
        Fraction of neighbours along x and y that are more than 10 degrees apart, by band, in map and reconstruction.
    """

    result: polyrve.Reconstruction
    metrics: dict[str, float]
    expected: np.ndarray
    found: np.ndarray


def graded(side: int) -> OrientationMap:
    """A map whose left half has small equiaxed grains and whose right half large ones, elongated along y."""
    fine = section(side, grain_size=side / 16, texture="random", seed=1)
    coarse = section(side, grain_size=side / 6, elongation=(1.0, 3.0, 1.0), texture="strong", seed=2)
    left = np.arange(side) < side // 2
    return fine.evolve(
        quaternions=np.where(left[:, None], fine.quaternions, coarse.quaternions),
        phase_ids=np.where(left, fine.phase_ids, coarse.phase_ids),
        properties={},
    )


def boundaries(field: OrientationMap) -> np.ndarray:
    """Fraction of neighbours more than 10 degrees apart in each band of columns, shape (BANDS,)."""
    sums, counts = np.zeros(BANDS), np.zeros(BANDS)
    band = np.arange(field.shape[1]) * BANDS // field.shape[1]
    for axis in range(2):
        angles = neighbour_disorientation(field, axis)
        known = ~np.isnan(angles)
        np.add.at(sums, band, (known & (angles > np.deg2rad(10.0))).sum(axis=0))
        np.add.at(counts, band, known.sum(axis=0))
    return sums / np.maximum(counts, 1.0)


def main(scan: OrientationMap, size: int = 64, iterations: int = 300, output: Path | None = None) -> Outcome:
    """Reconstruct from random orientations on three grids with the default descriptors."""
    result = polyrve.reconstruct(
        scan, shape=(1, size, size), iterations=iterations, initial="random", levels=3, **AS_IN_THE_PAPER
    )
    field = plane(result.volume)
    outcome = Outcome(result, validated(scan, result.volume)[0], boundaries(scan), boundaries(field))
    if output is not None:
        gallery(output, {f"map, {scan.shape[0]} x {scan.shape[1]}": scan, "reconstruction": field}, columns=2)
    return outcome


def command(argv: Sequence[str] | None = None) -> Any:
    options = arguments(__doc__, size=64, iterations=300).parse_args(argv)
    scan = graded(2 * options.size) if options.map is None else read_map(options.map, options.spacing)
    outcome = main(scan, options.size, options.iterations, options.output)
    rows = [("map", *map(float, outcome.expected)), ("reconstruction", *map(float, outcome.found))]
    print(table(["boundary fraction", *(f"band {i + 1}" for i in range(BANDS))], rows))
    print(table(["last loss", *VALIDATED.values()], [(outcome.result.loss, *outcome.metrics.values())]))
    return outcome


if __name__ == "__main__":
    command()
