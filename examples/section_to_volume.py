"""From one section of a synthetic specimen to a volume
====================================================

The picture in the README.

::

    python examples/section_to_volume.py docs/figures/section_to_volume.png
"""

# sphinx_gallery_thumbnail_path = "figures/section_to_volume.png"

from __future__ import annotations

import sys
from pathlib import Path

import polyrve
from polyrve.microstructure.fields import OrientationField, OrientationMap
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen
from polyrve.validation.run import Validation, validate


def main(
    side: int = 96, voxels: int = 32, iterations: int = 30, grain_size: float = 8.0, figure: str | Path | None = None
) -> Validation:
    """Measure a section, reconstruct a volume from it, and compare the two.

    Parameters
    ----------
    side, voxels : int
        Edge of the specimen and of the volume, voxels.
    iterations : int
    grain_size : float, um
    figure : path-like, optional
        Where the picture goes.

    Returns
    -------
    Validation
        Of the volume's sections against the measured one.
    """
    truth = make_specimen((side // 2, side, side), grain_size=grain_size, seed=1)
    scan = simulate_scan(truth, seed=1)
    result = polyrve.reconstruct(scan, shape=(voxels,) * 3, iterations=iterations, seed=1)
    rve = polyrve.segment(result.volume)
    if figure is not None:
        draw(truth, scan, rve, figure)
    return validate(scan, rve)


def draw(truth: GrainVolume, scan: OrientationMap, rve: GrainVolume, path: str | Path) -> None:
    """Truth, measured section and three sections of the volume, in inverse pole figure colours of z."""
    import matplotlib.pyplot as plt

    from polyrve.adapters.ipf_colors import ipf_colors

    pictures: dict[str, OrientationField] = {
        "the specimen, true section": truth.field.section(0, 0),
        "as measured: .ang, .ctf": scan,
        "reconstructed, normal to z": rve.field.section(0, rve.field.shape[0] // 2),
        "normal to y": rve.field.section(1, rve.field.shape[1] // 2),
        "normal to x": rve.field.section(2, rve.field.shape[2] // 2),
    }
    fig, axes = plt.subplots(1, len(pictures), figsize=(15, 3.9), layout="constrained")
    for axis, (title, field) in zip(axes, pictures.items(), strict=True):
        axis.imshow(ipf_colors(field.quaternions, field.phase_ids, field.phases), interpolation="nearest")
        axis.set_title(f"{title}\n{field.shape[0]} x {field.shape[1]}", fontsize=10)
        axis.set_xticks([])
        axis.set_yticks([])
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    fig.savefig(path, dpi=110)
    plt.close(fig)


if __name__ == "__main__":
    print(main(figure=sys.argv[1] if len(sys.argv) > 1 else None))
