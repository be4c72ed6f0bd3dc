"""Few orientations with a given texture
=====================================

The error of the texture of N orientations: chosen by polyrve, drawn by DAMASK from the ODF on a grid of 5 degrees
(hybridIA, doi:10.1016/j.commatsci.2007.09.015), and drawn at random. The error is the root mean square of all
coefficients up to degree 24; the share of misplaced volume compares ODFs smoothed by 10 degrees.

::

    python examples/texture_sampling.py --figure docs/figures/texture_sampling.png
"""

# sphinx_gallery_thumbnail_path = "figures/texture_sampling.png"

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import degrees_up_to, symmetrized_harmonics
from polyrve.crystallography.odf import odf_bins
from polyrve.crystallography.texture import Component, draw, fibre, sample_texture, texture_coefficients
from polyrve.microstructure.synthetic import ALUMINIUM

Draw = Callable[[int, int], np.ndarray]
TEXTURE = (
    Component((0.0, 45.0, 0.0), 0.3, 8.0),
    Component((59.0, 37.0, 63.0), 0.2, 10.0),
    fibre(ALUMINIUM, (1, 1, 1), (0, 0, 1), 0.3, 9.0),
)
"""Goss and S, a fibre of <111> along z, and a fifth at random."""


def euler_grid(step: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells of Euler space in degrees and the volume fraction of the texture in each."""
    axes = [np.arange(step / 2, end, step) for end in (360.0, 180.0, 360.0)]
    angles = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    q = rotation.from_euler(np.deg2rad(angles))
    share = np.sin(np.deg2rad(angles[:, 1]))
    share /= share.sum()
    density = np.full(len(q), 1.0 - sum(part.fraction for part in TEXTURE))
    for part in TEXTURE:
        preferred = rotation.from_euler(np.deg2rad(part.bunge))[None]
        if part.fibre is not None:
            about = np.arange(180) * np.pi / 90.0
            preferred = rotation.multiply(preferred, rotation.from_axis_angle(np.array(part.fibre), about))
        kernel = np.zeros(len(q))
        for one in preferred:
            half = np.maximum(np.arccos(np.clip(np.abs(q @ one), 0.0, 1.0)), 1e-9)
            kernel += np.exp(-2.0 * (half / np.deg2rad(part.spread)) ** 2) * (half / np.sin(half)) ** 2
        density += part.fraction * kernel / (kernel @ share)
    return angles, density * share


def methods() -> dict[str, Draw]:
    import damask

    angles, fractions = euler_grid()

    def by_damask(number: int, seed: int) -> np.ndarray:
        drawn = damask.Rotation.from_ODF(fractions, angles, number, degrees=True, rng_seed=seed)
        return np.asarray(rotation.from_euler(np.deg2rad(drawn.as_Euler_angles(degrees=True))))

    return {
        "at random": lambda number, seed: draw(TEXTURE, number, np.random.default_rng(seed)),
        "DAMASK": by_damask,
        "polyrve": lambda number, seed: (
            sample_texture(TEXTURE, "m-3m", number, np.random.default_rng(seed)).quaternions
        ),
    }


def main(numbers: tuple[int, ...], seeds: int, figure: Path | None) -> dict[tuple[str, int], tuple[float, float]]:
    """Print a table of the errors, and draw them.

    Returns
    -------
    dict of (str, int) to (float, float)
        Error of the coefficients and share of misplaced volume by method and number.
    """
    harmonics = symmetrized_harmonics("m-3m", degrees_up_to("m-3m", 24))
    target = texture_coefficients(TEXTURE, harmonics)
    many = draw(TEXTURE, 100_000, np.random.default_rng(99))
    found: dict[tuple[str, int], tuple[float, float]] = {}
    print("| orientations | " + " | ".join(f"{name}: error, misplaced" for name in methods()) + " | exact up to |")
    print("|---" * (2 + len(methods())) + "|")
    for number in numbers:
        for name, sample in methods().items():
            rows = []
            for seed in range(seeds):
                q = sample(number, seed)
                error = float(np.sqrt(np.mean((harmonics.evaluate(q).mean(axis=1) - target) ** 2)))
                rows.append((error, misplaced(q, many)))
            found[name, number] = tuple(np.mean(rows, axis=0).tolist())  # type: ignore[assignment]
        exact = sample_texture(TEXTURE, "m-3m", number, np.random.default_rng(0)).exact_degree
        cells = (f"{found[name, number][0]:.4f}, {100 * found[name, number][1]:.0f} %" for name in methods())
        print(f"| {number} | {' | '.join(cells)} | degree {exact} |", flush=True)
    if figure is not None:
        plot(found, numbers, figure)
    return found


def misplaced(q: np.ndarray, many: np.ndarray) -> float:
    """Half of the L1 difference of two ODFs."""
    bins = odf_bins(np.concatenate([q, many]), "m-3m")
    size = len(bins.centres)
    first = np.bincount(bins.of_point[: len(q)], minlength=size) / len(q)
    second = np.bincount(bins.of_point[len(q) :], minlength=size) / len(many)
    return 0.5 * float(np.abs(bins.odf(first, 10.0) - bins.odf(second, 10.0)).sum())


def plot(found: dict[tuple[str, int], tuple[float, float]], numbers: tuple[int, ...], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(9.0, 3.6), layout="constrained")
    for place, label in enumerate(("error of the coefficients up to degree 24", "share of misplaced volume")):
        for name, marker in zip(methods(), "osD", strict=True):
            axes[place].loglog(numbers, [found[name, n][place] for n in numbers], marker=marker, label=name)
        axes[place].set(xlabel="number of orientations", ylabel=label)
        axes[place].grid(which="both", alpha=0.3)
    axes[0].set_ylim(bottom=1e-4)
    axes[0].legend()
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, nargs="+", default=[50, 100, 200, 500, 1000, 2000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    main(tuple(given.numbers), given.seeds, given.figure)
