"""A map as harmonics, correlations and variograms
===============================================

A map as orientation parameters, as harmonics, as their correlations and variograms (paper: figures 1-4).

::

    python examples/spatial_maps.py --output docs/figures/spatial_maps.png
"""

# sphinx_gallery_thumbnail_path = "figures/spatial_maps_harmonics.png"

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from study import arguments, colors, columnar, read_map, save

from polyrve.crystallography import rotation
from polyrve.descriptors import TwoPoint, Variogram
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.lags import half_plane
from polyrve.reconstruction.objective import describe


def main(scan: OrientationMap, largest_lag: int = 16, output: Path | None = None) -> dict[str, np.ndarray]:
    """Compute and draw the fields and statistics of a map.

    Returns
    -------
    dict of str to ndarray
        ``"harmonics"`` (C, ny, nx), ``"madogram"`` (lags, C) and ``"two_point"`` (C, C, largest_lag + 1,
        2 largest_lag + 1).
    """
    state = LocalState.of(scan.phases)
    two_point, madogram = describe(state, [TwoPoint(largest_lag), Variogram(half_plane(largest_lag))], scan)
    harmonics = state.reference(scan).values.numpy()[:, 0]
    if output is not None:
        draw_parameters(scan, output.with_stem(f"{output.stem}_parameters"))
        draw_harmonics(scan, harmonics, output.with_stem(f"{output.stem}_harmonics"))
        draw_correlations(two_point, output.with_stem(f"{output.stem}_correlations"))
        draw_madograms(madogram, largest_lag, output.with_stem(f"{output.stem}_madograms"))
    return {"harmonics": harmonics, "two_point": two_point, "madogram": madogram}


def parameters(q: np.ndarray) -> dict[str, np.ndarray]:
    """Bunge angles (degrees), rotation axis times angle, Rodrigues vector and quaternion, by name."""
    q = np.where(q[..., :1] < 0, -q, q)
    half = np.arccos(np.clip(q[..., :1], 0.0, 1.0))
    axis = q[..., 1:] / np.maximum(np.linalg.norm(q[..., 1:], axis=-1, keepdims=True), 1e-12)
    fields = {
        "φ1": np.rad2deg(rotation.to_euler(q))[..., 0], "Φ": np.rad2deg(rotation.to_euler(q))[..., 1],
        "φ2": np.rad2deg(rotation.to_euler(q))[..., 2],
    }  # fmt: skip
    for name, vector in (("ω n", 2.0 * half * axis), ("tan(ω/2) n", np.tan(half) * axis)):
        fields |= {f"{name}, {part}": vector[..., i] for i, part in enumerate("xyz")}
    return fields | {f"q{part}": q[..., i] for i, part in enumerate("wxyz")}


def _panels(fields: dict[str, np.ndarray], columns: int, path: Path, shown: np.ndarray | None = None) -> None:
    import matplotlib.pyplot as plt

    total = len(fields) + (shown is not None)
    rows = -(-total // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(1.75 * columns, 1.95 * rows), layout="constrained", squeeze=False
    )
    for axis in axes.ravel():
        axis.set_axis_off()
    places = iter(axes.ravel())
    if shown is not None:
        axis = next(places)
        axis.imshow(shown, interpolation="nearest")
        axis.set_title("IPF z", fontsize=9)
    for axis, (title, values) in zip(places, fields.items(), strict=False):
        limit = np.nanquantile(np.abs(values), 0.98)
        low = -limit if np.nanmin(values) < 0 else 0.0
        axis.imshow(values, vmin=low, vmax=limit, cmap="viridis", interpolation="nearest")
        axis.set_title(title, fontsize=9)
    save(figure, path, dpi=68)


def draw_parameters(scan: OrientationMap, path: Path) -> None:
    """Figure 1: the same map in the usual parameters of orientations."""
    hidden = np.where(scan.indexed, 0.0, np.nan)
    fields = {name: values + hidden for name, values in parameters(scan.quaternions).items()}
    _panels(fields, 7, path, colors(scan))


def draw_harmonics(scan: OrientationMap, harmonics: np.ndarray, path: Path) -> None:
    """Figure 2: the symmetrized harmonics over the map."""
    hidden = np.where(scan.indexed, 0.0, np.nan)
    fields = {f"f{c + 1}": values + hidden for c, values in enumerate(harmonics)}
    _panels(fields, 5, path, colors(scan))


def draw_correlations(two_point: np.ndarray, path: Path) -> None:
    """Figure 3: auto-correlations on the diagonal, cross-correlations beside it; the other half follows by symmetry."""
    import matplotlib.pyplot as plt

    count = len(two_point)
    figure, axes = plt.subplots(count, count, figsize=(9.0, 9.2), layout="constrained")
    for axis in axes.ravel():
        axis.set_axis_off()
    limit = float(np.abs(np.diagonal(two_point)).max())
    for c in range(count):
        for d in range(c, count):
            upper = two_point[c, d]
            lower = two_point[d, c][:0:-1, ::-1]
            shown = axes[c, d].imshow(np.concatenate([lower, upper]), vmin=-limit, vmax=limit, cmap="RdBu_r")
            axes[c, d].set_title(f"{c + 1}, {d + 1}", fontsize=7, pad=2)
    figure.colorbar(shown, ax=axes, shrink=0.5, label="S(r)")
    save(figure, path, dpi=75)


def draw_madograms(madogram: np.ndarray, largest_lag: int, path: Path) -> None:
    """Figure 4: the first-order variogram of each harmonic."""
    images = np.zeros((madogram.shape[1], 2 * largest_lag + 1, 2 * largest_lag + 1))
    for (row, column), values in zip(half_plane(largest_lag), madogram, strict=True):
        images[:, largest_lag + row, largest_lag + column] = values
        images[:, largest_lag - row, largest_lag - column] = values
    _panels({f"γ{c + 1}": image for c, image in enumerate(images)}, 5, path)


def command(argv: Sequence[str] | None = None) -> Any:
    parser = arguments(__doc__, size=96, iterations=0)
    options = parser.parse_args(argv)
    scan = columnar(options.size) if options.map is None else read_map(options.map, options.spacing)
    largest_lag = min(16, min(scan.shape) // 3)
    result = main(scan, largest_lag, options.output)
    middle = result["two_point"][:, :, 0, largest_lag]
    print(f"{len(middle)} harmonics; mean squares {np.diag(middle).min():.2f} ... {np.diag(middle).max():.2f}")
    return result


if __name__ == "__main__":
    command()
