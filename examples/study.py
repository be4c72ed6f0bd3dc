"""Maps, pictures, tables and the error of the madogram, which the studies share."""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import polyrve
from polyrve.descriptors import Descriptor, Variogram, descriptor_set
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.cleaning import remove_spikes
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.lags import half_plane, half_space
from polyrve.microstructure.links import DEFAULT_THRESHOLD
from polyrve.microstructure.resampling import resample
from polyrve.microstructure.synthetic import make_specimen
from polyrve.validation.run import Validation, validate
from polyrve.validation.stacks import section_stacks, stack_of

VALIDATED: dict[str, str] = {
    "odf_7": "ODF 7.5°",
    "neighbour_disorientation": "neighbours",
    "boundary_fraction": "boundary fraction",
    "in_grain_spread": "in-grain spread",
    "chord_length": "chords",
    "aspect_ratio": "aspect ratio",
    "specks": "specks",
    "madogram_within_5": "madogram within 5 %",
}
"""Metrics of :mod:`polyrve.validation` that the studies print, and their short titles."""

AS_IN_THE_PAPER: dict[str, Any] = {"noise": "keep", "unknowns": "voxels", "sharpen": False, "tolerance": 0.0}
"""Settings under which every voxel is optimised, after the map as it was measured, and nothing follows."""


def arguments(description: str | None, size: int, iterations: int) -> argparse.ArgumentParser:
    """Options that all studies have: --map, --spacing, --size, --iterations, --output."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--map", type=Path, help="measured map; by default a section of a synthetic specimen")
    parser.add_argument("--spacing", type=float, help="step to which the measured map is resampled, um")
    parser.add_argument("--size", type=int, default=size, help="edge of the reconstruction, voxels")
    parser.add_argument("--iterations", type=int, default=iterations)
    parser.add_argument("--output", type=Path, help="picture to write")
    return parser


def columnar(side: int) -> OrientationMap:
    """A measured section of a synthetic specimen with grains three times as long along y as along x."""
    return section(side, elongation=(1.0, 3.0, 1.0), grain_size=side / 12)


def section(side: int, grain_size: float = 8.0, depth: int = 16, seed: int = 1, **options: Any) -> OrientationMap:
    """A measured section of a synthetic specimen of depth x side x side voxels of 1 um, without misindexed points.

    Parameters
    ----------
    side, depth : int
    grain_size : float, um
    seed : int
    **options
        Of :func:`polyrve.microstructure.synthetic.make_specimen`.
    """
    truth = make_specimen((depth, side, side), grain_size=grain_size, seed=seed, **options)
    return remove_spikes(simulate_scan(truth, index=depth // 2, seed=seed))


def read_map(path: str | Path, spacing: float | None = None) -> OrientationMap:
    """Read a map, leave out all phases but the most frequent one, and resample it to a step in um."""
    scan = polyrve.read_map(path)
    main = int(np.argmax(np.bincount(scan.phase_ids.ravel(), minlength=len(scan.phases) + 1)[1:])) + 1
    scan = scan.evolve(phase_ids=np.where(scan.phase_ids == main, 1, 0), phases=(scan.phases[main - 1],))
    return scan if spacing is None else resample(scan, (spacing, spacing))


def all_lags(
    weights: Mapping[str, float], scan: OrientationMap, shape: Sequence[int], largest_lag: int, coarse: bool = False
) -> list[tuple[Descriptor, float]]:
    """Descriptors of these weights, the madogram at all lags up to a largest one.

    Parameters
    ----------
    weights : mapping of str to float
    scan : OrientationMap
    shape : sequence of int
        (nz, ny, nx) of the reconstruction.
    largest_lag : int
        Voxels.
    coarse : bool
        Whether every second row and column of lags is enough beyond 5 voxels.
    """
    near = half_plane(min(5, largest_lag))
    far = tuple((2 * row, 2 * column) for row, column in half_plane(largest_lag // 2))
    lags = tuple(dict.fromkeys([*near, *far])) if coarse else half_plane(largest_lag)
    chosen = descriptor_set(weights, LocalState.of(scan.phases), largest_lag, shape)
    return [(replace(kind, lags=lags) if isinstance(kind, Variogram) else kind, weight) for kind, weight in chosen]


def madograms(scan: OrientationMap, volume: OrientationVolume, largest_lag: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Madogram of a map and of the sections of a volume at all lags up to a largest one, for each section normal.

    Returns
    -------
    list of (ndarray, ndarray), each of shape (2 largest_lag + 1, 2 largest_lag + 1, C)
        By row and column of the lag, which is zero in the middle.
    """
    expected = _square(stack_of(scan, DEFAULT_THRESHOLD).madogram(largest_lag), largest_lag)
    stacks = section_stacks(volume, DEFAULT_THRESHOLD, most=max(volume.shape))
    return [(expected, _square(stack.madogram(largest_lag), largest_lag)) for stack in stacks.values()]


def relative_errors(pairs: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Relative errors of madograms at all lags but zero."""
    parts = []
    for expected, found in pairs:
        rows, columns = expected.shape[:2]
        lags = np.ones((rows, columns), dtype=bool)
        lags[rows // 2, columns // 2] = False
        parts.append(np.abs(found[lags] / expected[lags] - 1.0).ravel())
    return np.concatenate(parts)


def _square(values: np.ndarray, largest_lag: int) -> np.ndarray:
    image = np.zeros((2 * largest_lag + 1, 2 * largest_lag + 1, values.shape[1]))
    for lag, value in zip(half_space(2, largest_lag), values, strict=True):
        row, column = lag
        at, opposite = (largest_lag + row, largest_lag + column), (largest_lag - row, largest_lag - column)
        image[at] = image[opposite] = value
    return image


def validated(
    reference: OrientationMap | OrientationVolume,
    volume: OrientationVolume,
    keys: Sequence[str] = tuple(VALIDATED),
) -> tuple[dict[str, float], Validation]:
    """Metrics of a volume by key, NaN where they cannot be computed, and the whole validation."""
    validation = validate(reference, volume)
    known = {row.key: row for row in validation.results}
    values = {key: known[key].value if key in known else None for key in keys}
    return {key: np.nan if value is None else value for key, value in values.items()}, validation


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows as Markdown, numbers to three digits."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in rows:
        cells = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def colors(field: OrientationMap) -> np.ndarray:
    """Inverse pole figure colours of z, shape (ny, nx, 3)."""
    from polyrve.adapters.ipf_colors import ipf_colors

    return ipf_colors(field.quaternions, field.phase_ids, field.phases)


def plane(volume: OrientationVolume, axis: int = 0) -> OrientationMap:
    """The middle section of a volume."""
    return volume.section(axis, volume.shape[axis] // 2)


def show(axis: Any, field: OrientationMap, title: str) -> None:
    """Draw a map in inverse pole figure colours of z."""
    axis.imshow(colors(field), interpolation="nearest")
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])


def save(figure: Any, path: str | Path, dpi: int = 90) -> None:
    """Write a figure as a PNG of 256 colours and close it."""
    import matplotlib.pyplot as plt
    from PIL import Image

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    Image.open(buffer).convert("RGB").quantize(256).save(path, optimize=True)


def gallery(path: str | Path, panels: Mapping[str, OrientationMap], columns: int = 4) -> None:
    """Maps side by side in inverse pole figure colours of z."""
    import matplotlib.pyplot as plt

    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(2.6 * columns, 2.9 * rows), layout="constrained", squeeze=False)
    for axis in axes.ravel()[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, field) in zip(axes.ravel(), panels.items(), strict=False):
        show(axis, field, title)
    save(figure, path)
