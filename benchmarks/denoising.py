"""Measure what removing the measuring noise of a map leaves of errors, subgrain walls and gradients.

    python benchmarks/denoising.py --output docs/results/denoising.md

Maps of known truth (a wall of 1 degree, a gradient of 0.1 degree per point that turns back, a polycrystal with
orientation scatter, each of 96 x 96 points) get angular noise and are filtered within their grains: by
`polyrve.microstructure.denoising`, and by the mean and the median of 3 x 3 points, component by component in the
tangent space at the grain's mean. The noise is estimated from the map, as in a reconstruction.
"""

import argparse
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.microstructure.denoising import denoise
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.orientation_scatter import fit_scatter
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen

SIDE = 96
SEEDS = (0, 1, 2)


def crystal(vectors: np.ndarray) -> OrientationMap:
    mean = rotation.from_euler(np.array([0.3, 0.5, 0.2]))
    turns = rotation.from_rotation_vector(np.deg2rad(vectors))
    return OrientationMap(rotation.multiply(mean, turns), np.ones((SIDE, SIDE)), (ALUMINIUM,), (1.0, 1.0))


def truths() -> dict[str, OrientationMap]:
    wall, gradient = np.zeros((SIDE, SIDE, 3)), np.zeros((SIDE, SIDE, 3))
    wall[:, SIDE // 2 :, 2] = 1.0
    gradient[..., 0] = 0.1 * np.abs((np.arange(SIDE) - SIDE // 2) % 48 - 24)
    specimen = make_specimen((SIDE // 2, SIDE, SIDE), grain_size=12.0, seed=1).field.section(0, 0)
    return {
        "wall of 1 degree": crystal(wall),
        "gradient of 0.1 degree per point": crystal(gradient),
        "polycrystal": specimen.evolve(periodic=False),
    }


def moving(grains: GrainMap, function: Callable[..., np.ndarray]) -> OrientationMap:
    """Filter the deviations from the grain's mean over the points of the same grain in 3 x 3."""
    field, result = grains.field, grains.field.quaternions.copy()
    for grain in range(1, grains.number_of_grains + 1):
        inside = grains.grain_ids == grain
        mean = grains.quaternions[grain - 1]
        nearest = rotation.nearest_equivalent(field.quaternions[inside], mean, field.phases[0].symmetry)
        away = rotation.multiply(rotation.conjugate(mean), nearest)
        vectors = np.full((*field.shape, 3), np.nan)
        vectors[inside] = 2.0 * away[:, 1:] * np.where(away[:, :1] < 0, -1.0, 1.0)
        box = ndimage.find_objects(inside.astype(int))[0]
        part = np.pad(vectors[box], ((1, 1), (1, 1), (0, 0)), constant_values=np.nan)
        around = np.lib.stride_tricks.sliding_window_view(part, (3, 3), axis=(0, 1))
        smooth = function(around[inside[box]], axis=(-2, -1))
        result[inside] = rotation.multiply(mean, rotation.from_rotation_vector(smooth))
    return field.evolve(quaternions=result)


def error(field: OrientationMap, truth: OrientationMap) -> float:
    angles = rotation.disorientation_angle(field.quaternions, truth.quaternions, truth.phases[0].symmetry)
    return float(np.rad2deg(np.sqrt((angles**2).mean())))


def kept(field: OrientationMap, truth: OrientationMap) -> float:
    """Return the slope of the true differences of neighbours along rows over the true ones: 1 where they are kept."""

    def steps(one: OrientationMap) -> np.ndarray:
        q = one.quaternions
        away = rotation.multiply(rotation.conjugate(q[:, :-1]), q[:, 1:])
        return 2.0 * away[..., 1:] * np.where(away[..., :1] < 0, -1.0, 1.0)

    expected, found = steps(truth), steps(field)
    rows = np.linalg.norm(expected, axis=-1) < np.deg2rad(5.0)
    return float((found[rows] * expected[rows]).sum() / (expected[rows] ** 2).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("docs/results/denoising.md"))
    options = parser.parse_args()
    lines = [
        "| map | noise | filter | error after | differences that are kept |",
        "|---|---|---|---|---|",
    ]
    for name, truth in truths().items():
        for noise in (0.2, 0.5):
            rows: dict[str, list[tuple[float, float]]] = {}
            for seed in SEEDS:
                away = np.random.default_rng(seed).standard_normal((SIDE, SIDE, 3)) * np.deg2rad(noise) / np.sqrt(3.0)
                turned = rotation.multiply(truth.quaternions, rotation.from_rotation_vector(away))
                grains = segment(truth.evolve(quaternions=turned))
                found = {
                    "none": grains.field,
                    "polyrve": denoise(grains, fit_scatter([grains], 3).noise_degrees),
                    "mean, 3 x 3": moving(grains, np.nanmean),
                    "median, 3 x 3": moving(grains, np.nanmedian),
                }
                for what, field in found.items():
                    rows.setdefault(what, []).append((error(field, truth), kept(field, truth)))
            for what, values in rows.items():
                after, share = np.mean(values, axis=0)
                lines.append(f"| {name} | {noise:g} | {what} | {after:.3f} | {share:.2f} |")
    page = [
        "# Denoising", "", "```", f"python benchmarks/denoising.py {shlex.join(sys.argv[1:])}".rstrip(), "```", "",
        "Errors are root mean square angles from the truth in degrees, means of three seeds. The last column is the "
        "slope of the differences between neighbours along rows, within grains, over the true ones: 1 where walls and "
        "gradients are kept, less where they are smeared.", "", *lines,
    ]  # fmt: skip
    options.output.write_text("\n".join(page) + "\n")
    print(options.output.read_text())


if __name__ == "__main__":
    main()
