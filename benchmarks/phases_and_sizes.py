"""Sizes in three dimensions, and phases with their sizes and contacts: volumes from one section against known truth.

    python benchmarks/phases_and_sizes.py grown lognormal cells      # sizes in 3D
    python benchmarks/phases_and_sizes.py small duplex pinned        # two phases
    python benchmarks/phases_and_sizes.py rock                       # four phases, 56 % of the points unindexed

Each case prints rows of a table of docs/results/phases_and_sizes.md; grains of one or two voxels are left out.
Sphericity and triple lines are measured alike on truth and volume: surfaces by cuts of 13 directions (Crofton), triple
lines by edges where three grains meet.
"""

from __future__ import annotations

import argparse
import itertools
import time

import numpy as np
from scipy import ndimage

from polyrve import OrientationMap, OrientationVolume
from polyrve.crystallography.phase import Phase
from polyrve.initial.exemplar_synthesis import synthesize
from polyrve.initial.polycrystal import polycrystal
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.section_measures import SectionMeasures
from polyrve.microstructure.stereology import SPECK, kolmogorov_smirnov
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

ROCK = (
    Phase("Pyrope", "m-3m", (11.5, 11.5, 11.5, 90.0, 90.0, 90.0)),
    Phase("Olivine", "mmm", (4.75, 10.2, 5.98, 90.0, 90.0, 90.0)),
    Phase("Diopside", "2/m", (9.7, 8.9, 5.3, 90.0, 106.0, 90.0)),
    Phase("Kyanite", "-1", (7.1, 7.85, 5.57, 90.0, 101.0, 106.0)),
)
TWO = {"phases": (ALUMINIUM, MAGNESIUM), "scatter": 0.5, "size_spread": 0.3}
CASES = {
    "grown": ((96, 96, 96), {"grain_size": 8.2, "growth": True, "size_spread": 0.2}),
    "lognormal": ((96, 96, 96), {"grain_size": (8.0, 8.0), "phase_fractions": (0.5, 0.5), **TWO}),
    "cells": ((96, 96, 96), {"grain_size": 8.0}),
    "small": ((64, 128, 128), {"grain_size": (9.0, 5.0), "phase_fractions": (0.8, 0.2), **TWO}),
    "duplex": ((64, 128, 128), {"grain_size": (8.0, 6.0), "phase_fractions": (0.48, 0.52), **TWO}),
    "rare": ((64, 128, 128), {"grain_size": (8.0, 4.0), "phase_fractions": (0.97, 0.03), **TWO}),
    "pinned": ((96, 96, 96), {"grain_size": (9.0, 4.0), "phase_fractions": (0.9, 0.1), "growth": True, **TWO}),
    "rock": (
        (40, 96, 96),
        {"grain_size": (22.0, 9.0, 8.0, 6.0), "phases": ROCK, "phase_fractions": (0.1, 0.4, 0.3, 0.2)},
    ),
}
LOST = (0.03, 0.6, 0.66, 0.7)
"""Share of the points of each phase of the rock that are not indexed."""


def solid(ids: np.ndarray) -> dict[str, float]:
    """Measure grains per voxel, sphericity and triple lines of a periodic volume of grain ids."""
    ids = np.unique(ids, return_inverse=True)[1].reshape(ids.shape)
    number = int(ids.max()) + 1
    volume, surface, triple = np.bincount(ids.ravel()), np.zeros(number), 0
    for step in itertools.product((-1, 0, 1), repeat=3):
        if step > (0, 0, 0):
            other = np.roll(ids, step, (0, 1, 2))
            cut = ids != other
            for side in (ids, other):
                surface += np.bincount(side[cut], minlength=number) * 4.0 / 26.0 / np.linalg.norm(step)
    for axes in itertools.combinations(range(3), 2):
        around = np.sort([np.roll(ids, shift, axes) for shift in itertools.product((0, 1), repeat=2)], axis=0)
        triple += int(((np.diff(around, axis=0) > 0).sum(axis=0) >= 2).sum())
    large = volume > 30
    sphericity = np.cbrt(36.0 * np.pi * volume[large] ** 2.0) / surface[large]
    return {
        "grains": number / ids.size,
        "sphericity": float(sphericity.mean()),
        "triple lines": triple / ids.size,
    }


def by_phase(ids: np.ndarray, phase_ids: np.ndarray, periodic: bool) -> np.ndarray:
    """Return share of phase 2, mean grain areas of both phases, and shares of contacts 11, 12, 22 of sections."""
    one = SectionMeasures.of_labels(ids, (1.0, 1.0), periodic)
    shapes, phase_of = one.shapes, np.zeros(len(one.shapes.size), dtype=int)
    phase_of[one.grain_ids.ravel() - 1] = phase_ids.ravel()
    areas = []
    for phase in (1, 2):
        kept = (shapes.points > SPECK) & (phase_of == phase) & (shapes.weight > 0)
        areas.append(np.average(shapes.size[kept], weights=shapes.weight[kept]) if kept.any() else np.nan)
    contacts = np.zeros(3)
    for axis, joined in one.joined.items():
        ends = one.known[axis] & ~joined
        first, second = phase_ids[ends], np.roll(phase_ids, -1, axis=axis)[ends]
        contacts += np.bincount(first + second - 2, minlength=3)
    return np.array([(phase_ids == 2).mean(), *areas, *(contacts / contacts.sum())])


def stack(grain_ids: np.ndarray, phase_ids: np.ndarray) -> np.ndarray:
    """Average :func:`by_phase` over sections normal to each axis."""
    parts = [
        by_phase(np.moveaxis(grain_ids, axis, 0)[::6], np.moveaxis(phase_ids, axis, 0)[::6], True) for axis in range(3)
    ]
    return np.asarray(np.mean(parts, axis=0))


def windows(field: OrientationMap, side: int, number: int = 20) -> np.ndarray:
    """Measure windows of a map as :func:`by_phase` does."""
    ids, rng, found = analyse(field).grain_ids, np.random.default_rng(0), []
    for _ in range(number):
        cut = tuple(slice(first, first + side) for first in (int(rng.integers(n - side + 1)) for n in field.shape))
        found.append(by_phase(ids[cut][None], field.phase_ids[cut][None], False))
    return np.array(found)


def with_holes(field: OrientationMap) -> OrientationMap:
    """Unindex patches of each phase of a rock."""
    rough = ndimage.gaussian_filter(np.random.default_rng(0).standard_normal(field.shape), 0.7)
    phase_ids = np.array(field.phase_ids)
    for phase, share in enumerate(LOST, start=1):
        phase_ids[(field.phase_ids == phase) & (rough < np.quantile(rough, share))] = 0
    return field.evolve(phase_ids=phase_ids)


def made(field: OrientationMap, side: int, initial: str = "polycrystal") -> OrientationVolume:
    """Make the initial field of a reconstruction from a map."""
    begin, rng, shape = time.process_time(), np.random.default_rng(0), (side, side, side)
    maps, spacing = dict.fromkeys(range(3), field), (1.0, 1.0, 1.0)
    if initial == "exemplar":
        quaternions, phase_ids = synthesize(maps, shape, spacing, True, rng)
    else:
        quaternions, phase_ids = polycrystal(maps, shape, spacing, True, rng, noise=False)
    print(f"  {initial}: {time.process_time() - begin:.0f} s of CPU time")
    return OrientationVolume(quaternions, phase_ids, field.phases, spacing, periodic=True)


def run(case: str, side: int) -> None:
    """Print the rows of one case."""
    shape, settings = CASES[case]
    truth = make_specimen(shape, **{"texture": "random", "seed": 3, **settings})
    field = truth.field.section(0, shape[0] // 2).evolve(periodic=False)
    print(case)
    if case == "rock":
        field = with_holes(field)
        number = len(ROCK) + 1
        indexed = field.phase_ids[field.phase_ids > 0]
        print("  map        ", (np.bincount(indexed, minlength=number)[1:] / indexed.size).round(3))
        for initial in ("exemplar", "polycrystal"):
            ids = made(field, side, initial).phase_ids
            print(f"  {initial:11}", (np.bincount(ids.ravel(), minlength=number)[1:] / ids.size).round(3))
        return
    volume = made(field, side)
    ids = analyse(volume).grain_ids
    voxels = [np.bincount(one.ravel())[1:] for one in (truth.grain_ids, ids)]
    diameters = [np.cbrt(6.0 / np.pi * number[number > SPECK]) for number in voxels]
    for name, values in zip(("truth", "volume"), diameters, strict=True):
        print(f"  diameters {name:6}", np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95)).round(1))
    print("  KS", round(kolmogorov_smirnov(*diameters, *(np.ones(len(values)) for values in diameters)), 3))
    known = solid(truth.grain_ids)
    print("  over truth", {name: round(value / known[name], 3) for name, value in solid(ids).items()})
    if len(truth.field.phases) > 1:
        of_map = by_phase(analyse(field).grain_ids[None], field.phase_ids[None], False)
        print("  map   ", of_map.round(3))
        print("  truth ", stack(truth.grain_ids, truth.field.phase_ids).round(3))
        print("  volume", stack(ids, volume.phase_ids).round(3))
        apart = np.abs(windows(field, side) / of_map - 1.0)
        print("  95 of 100 windows, relative", np.nanquantile(apart, 0.95, axis=0).round(2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--voxels", type=int, default=48, help="Voxels along each side of the volumes.")
    given = parser.parse_args()
    for each in given.cases:
        run(each, given.voxels)
