"""A statistically homogeneous map in 2D and 3D
============================================

Maps, poles, loss and the error of the madogram (paper: figures 11-13).

::

    python examples/homogeneous.py --output docs/figures/homogeneous_2d.png
    python examples/homogeneous.py --dimensions 3 --size 32 --iterations 300 --output docs/figures/homogeneous_3d.png
"""

# sphinx_gallery_thumbnail_path = "figures/homogeneous_3d.png"

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from study import (
    AS_IN_THE_PAPER,
    VALIDATED,
    all_lags,
    arguments,
    madograms,
    plane,
    read_map,
    relative_errors,
    save,
    section,
    show,
    table,
    validated,
)

import polyrve
from polyrve.microstructure.fields import OrientationMap

WEIGHTS = {"disorientation": 1.0, "variogram": 10.0, "texture": 3.0}


@dataclass(frozen=True, eq=False)
class Outcome:
    """A reconstruction and its errors.

    Attributes
    ----------
    result : polyrve.Reconstruction
    madograms : list of (ndarray, ndarray)
        See :func:`study.madograms`.
    metrics : dict of str to float
        See :func:`study.validated`.
    """

    result: polyrve.Reconstruction
    madograms: list[tuple[np.ndarray, np.ndarray]]
    metrics: dict[str, float]

    @property
    def errors(self) -> np.ndarray:
        """Relative errors of the madogram at all lags, harmonics and section normals."""
        return relative_errors(self.madograms)


def main(
    scan: OrientationMap,
    size: int = 64,
    dimensions: int = 2,
    iterations: int = 1000,
    initial: str = "exemplar",
    levels: int = 1,
    seed: int = 0,
    largest_lag: int = 16,
    output: Path | None = None,
) -> Outcome:
    """Match the madogram at all lags up to a largest one, with the disorientation spectrum and the texture.

    Parameters
    ----------
    scan : OrientationMap
        In 3D one map stands for the sections normal to all axes.
    size, dimensions : int
        Edge of the reconstruction in voxels, and 2 or 3.
    iterations : int
    initial : str
        How the initial field is made.
    levels, seed : int
    largest_lag : int
        Voxels.
    output : Path, optional

    Returns
    -------
    Outcome
    """
    shape = (1 if dimensions == 2 else size, size, size)
    descriptors = all_lags(WEIGHTS, scan, shape, largest_lag, coarse=dimensions == 3)
    result = polyrve.reconstruct(
        scan, shape=shape, descriptors=descriptors, largest_lag=largest_lag, iterations=iterations, initial=initial,
        levels=levels, seed=seed, **AS_IN_THE_PAPER,
    )  # fmt: skip
    outcome = Outcome(result, madograms(scan, result.volume, largest_lag), validated(scan, result.volume)[0])
    if output is not None:
        draw_maps(scan, outcome, output)
        draw_poles(scan, outcome, output.with_stem(f"{output.stem}_poles"))
        draw_errors(outcome.madograms, output.with_stem(f"{output.stem}_madograms"))
    return outcome


def draw_maps(scan: OrientationMap, outcome: Outcome, path: Path) -> None:
    """The map, the reconstruction's middle sections and the loss."""
    import matplotlib.pyplot as plt

    volume = outcome.result.volume
    normals = [axis for axis in range(3) if volume.shape[axis] > 1] if volume.shape[0] > 1 else [0]
    figure, axes = plt.subplots(1, len(normals) + 2, figsize=(3.1 * (len(normals) + 2), 3.3), layout="constrained")
    show(axes[0], scan, f"map, {scan.shape[0]} x {scan.shape[1]}")
    for axis, normal in zip(axes[1:], normals, strict=False):
        field = plane(volume, normal)
        title = "reconstruction" if len(normals) == 1 else f"reconstruction, normal to {'zyx'[normal]}"
        show(axis, field, f"{title}, {field.shape[0]} x {field.shape[1]}")
    for level in sorted({record.level for record in outcome.result.history}):
        loss = [record.loss for record in outcome.result.history if record.level == level]
        axes[-1].loglog(1 + np.arange(len(loss)), loss, label=f"grid {level}")
    axes[-1].set(xlabel="iteration + 1", title="loss")
    axes[-1].grid(alpha=0.3)
    axes[-1].legend(fontsize=8)
    save(figure, path)


def draw_poles(scan: OrientationMap, outcome: Outcome, path: Path) -> None:
    """Pole figures of map and reconstruction."""
    from PIL import Image

    from polyrve.report.plots import pole_figures
    from polyrve.validation.run import compare

    of_map, of_volume = next(iter(compare(scan, outcome.result.volume, windows=1).pairs.values()))
    content = pole_figures([("map", of_map), ("reconstruction", of_volume)], 1)
    Image.open(io.BytesIO(content)).convert("P", palette=Image.Palette.ADAPTIVE).save(path, optimize=True)


def draw_errors(pairs: Sequence[tuple[np.ndarray, np.ndarray]], path: Path) -> None:
    """Madogram of three harmonics in map and reconstruction, and the relative error; worst over the normals."""
    import matplotlib.pyplot as plt

    expected = pairs[0][0]
    centre = len(expected) // 2
    with np.errstate(invalid="ignore"):
        errors = np.max([np.abs(found / wanted - 1.0) for wanted, found in pairs], axis=0)
    chosen = sorted({0, expected.shape[2] // 2, expected.shape[2] - 1})
    figure, axes = plt.subplots(3, len(chosen) + 1, figsize=(2.6 * (len(chosen) + 1), 6.6), layout="constrained")
    extent = (-centre - 0.5, centre + 0.5, centre + 0.5, -centre - 0.5)
    columns = [(f"harmonic {c + 1}", expected[..., c], pairs[0][1][..., c], errors[..., c]) for c in chosen]
    columns.append(("all: mean, worst error", expected.mean(-1), pairs[0][1].mean(-1), errors.max(-1)))
    for column, (title, wanted, found, error) in enumerate(columns):
        for row, image in enumerate((wanted, found)):
            shown = axes[row, column].imshow(image, extent=extent, vmin=0.0, vmax=wanted.max(), cmap="magma")
        figure.colorbar(shown, ax=list(axes[:2, column]), shrink=0.7)
        shown = axes[2, column].imshow(100.0 * error, extent=extent, vmin=0.0, vmax=5.0, cmap="inferno")
        axes[0, column].set_title(title, fontsize=9)
    figure.colorbar(shown, ax=list(axes[2]), label="%", extend="max")
    for axis, title in zip(axes[:, 0], ("map", "reconstruction", "relative error"), strict=True):
        axis.set_ylabel(f"{title}\nlag (voxels)", fontsize=9)
    save(figure, path, dpi=75)


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=64, iterations=1000)
    parser.add_argument("--dimensions", type=int, choices=(2, 3), default=2)
    parser.add_argument("--initial", default="exemplar", choices=("exemplar", "polycrystal", "random"))
    parser.add_argument("--levels", type=int, default=1, help="grids, from coarse to fine")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    side = options.size * (2 if options.dimensions == 2 else 10)
    scan = section(side) if options.map is None else read_map(options.map, options.spacing)
    largest_lag = min(16, options.size // 2 - 1)
    outcome = main(
        scan, options.size, options.dimensions, options.iterations, options.initial, options.levels, options.seed,
        largest_lag, options.output,
    )  # fmt: skip
    errors = outcome.errors
    print(
        f"madogram, {errors.size} relative errors up to lag {largest_lag}: {(errors < 0.01).mean():.4f} below 1 %, "
        f"{(errors < 0.02).mean():.4f} below 2 %, {(errors < 0.05).mean():.4f} below 5 %, largest {errors.max():.4f}"
    )
    rows = [(outcome.result.history[0].loss, outcome.result.loss, *outcome.metrics.values())]
    print(table(["first loss", "last loss", *VALIDATED.values()], rows))
    return outcome


if __name__ == "__main__":
    command()
