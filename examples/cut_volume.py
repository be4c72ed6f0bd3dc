"""A plane cuts through a volume
=============================

The moving picture on the first page of the documentation: a volume that was reconstructed from one section.

::

    python examples/cut_volume.py docs/figures/cut_volume.webp
"""

# sphinx_gallery_thumbnail_path = "figures/section_to_volume.png"

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import polyrve
from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.microstructure.grains import GrainVolume
from polyrve.report.cutaway import render

FRAMES, WIDTH, MILLISECONDS = 36, 440, 110


def frames(rve: GrainVolume, number: int = FRAMES, width: int = WIDTH) -> list[Image.Image]:
    """Draw a volume whose near part is cut off by a plane that moves to the middle and back."""
    field = rve.field
    colors = ipf_colors(field.quaternions, field.phase_ids, field.phases)
    shares = 0.27 * (1.0 - np.cos(2.0 * np.pi * np.arange(number) / number))
    pictures = [render(colors, field.spacing, cut=share, grain_ids=rve.grain_ids, width=width) for share in shares]
    return [Image.fromarray(picture) for picture in pictures]


def main(path: str | Path, voxels: int = 48) -> None:
    """Reconstruct a volume and write the picture."""
    specimen = polyrve.make_specimen((48, 96, 96), grain_size=8.0, seed=1)
    result = polyrve.reconstruct(polyrve.simulate_scan(specimen, seed=1), shape=(voxels,) * 3, seed=1)
    first, *others = frames(polyrve.segment(result.volume, min_points=3))
    first.save(path, save_all=True, append_images=others, duration=MILLISECONDS, loop=0, quality=70, method=6)


if __name__ == "__main__":
    main(sys.argv[1])
