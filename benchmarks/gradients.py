"""Volumes of maps that change along an axis, with and without a graded axis.

    python benchmarks/gradients.py halves sizes texture

Prints the rows of the tables of docs/results/gradients.md: the share of boundaries in eight bands along y, of the map
and of the sections normal to z and x, and how far the texture of four bands is off that of the maps. Volumes are
polycrystals as they begin, before grains are turned.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.initial.graded_polycrystal import graded_polycrystal
from polyrve.initial.polycrystal import polycrystal
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.gradients import trends, windows_along
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.map_placement import axisymmetric, by_normal
from polyrve.microstructure.synthetic import make_specimen

ROWS, COLUMNS, SHAPE = 96, 144, (48, 96, 48)
HARMONICS = symmetrized_harmonics("m-3m")


def section(rows: int, size: float, texture: str, seed: int) -> OrientationMap:
    """Take a section of a specimen."""
    return make_specimen((6, rows, COLUMNS), grain_size=size, texture=texture, seed=seed).field.section(0, 2)


def below(parts: list[OrientationMap]) -> OrientationMap:
    """Put sections below each other."""
    quaternions, ids = (np.concatenate([getattr(one, name) for one in parts]) for name in ("quaternions", "phase_ids"))
    return OrientationMap(quaternions, ids, parts[0].phases, (1.0, 1.0))


def specimen(name: str) -> OrientationMap:
    """Make the map of a case."""
    if name == "halves":
        return below([section(48, 4.0, "strong", 1), section(48, 12.0, "weak", 2)])
    if name == "sizes":
        return below([section(16, size, "weak", 10 + i) for i, size in enumerate((4.0, 5.0, 6.2, 7.7, 9.6, 12.0))])
    # A texture that turns about z by 45 degrees from the first row to the last.
    one = section(ROWS, 5.0, "strong", 3)
    angle = np.linspace(0.0, np.pi / 4, ROWS)
    turn = rotation.from_rotation_vector(np.stack([0 * angle, 0 * angle, angle], axis=-1))
    return one.evolve(quaternions=rotation.multiply(one.quaternions, turn[:, None]), periodic=False)


def shares(field: OrientationMap) -> np.ndarray:
    """Share of boundaries in eight bands of rows."""
    measures = analyse(field).sections
    known = sum(measures.known[axis][0].astype(int) for axis in (1, 2))
    crossed = sum((measures.known[axis][0] & ~measures.joined[axis][0]).astype(int) for axis in (1, 2))
    return np.array([crossed[rows].sum() / known[rows].sum() for rows in np.array_split(np.arange(ROWS), 8)])


def along_y(volume: OrientationVolume, normal: int, index: int) -> OrientationMap:
    """Take a section with its rows along y."""
    one = volume.section(normal, index).evolve(periodic=False)
    if normal == 0:
        return one
    return OrientationMap(np.swapaxes(one.quaternions, 0, 1), one.phase_ids.T, one.phases, one.spacing[::-1])


def textures(quaternions: np.ndarray, axis: int) -> np.ndarray:
    """Mean harmonics of four bands."""
    bands = np.array_split(np.moveaxis(quaternions, axis, 0), 4)
    return np.array([HARMONICS.evaluate(band.reshape(-1, 4)).mean(axis=1) for band in bands])


def main() -> None:
    """Print the rows of each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="+", choices=["halves", "sizes", "texture"])
    for case in parser.parse_args().cases:
        field = specimen(case)
        analysis = analyse(field)
        print(f"\n{case}: {'; '.join(str(trend) for trend in trends(analysis) if trend.found) or 'no trend'}")
        maps = by_normal(axisymmetric(field, "y"))
        windows = windows_along(ROWS, analysis.sections.mean_chords[0], "y")
        wanted = (textures(field.quaternions, 0) + textures(maps[2][0].quaternions, 1)) / 2.0
        print(f"map | {' '.join(f'{share:.2f}' for share in shares(field))} |")
        for name in ("graded", "stationary"):
            began, rng = time.process_time(), np.random.default_rng(0)
            if name == "graded":
                made = graded_polycrystal(maps, SHAPE, (1.0,) * 3, 1, windows, rng, noise=False)
            else:
                made = polycrystal(maps, SHAPE, (1.0,) * 3, False, rng, noise=False)
            volume = OrientationVolume(*made, field.phases, (1.0,) * 3)
            off = np.linalg.norm(textures(volume.quaternions, 1) - wanted, axis=1)
            for normal in (0, 2):
                found = np.mean([shares(along_y(volume, normal, i)) for i in range(0, 48, 6)], axis=0)
                print(f"{name}, normal to {'zyx'[normal]} | {' '.join(f'{share:.2f}' for share in found)} |")
            print(f"{name}: texture off by {' '.join(f'{value:.2f}' for value in off)}", end="")
            print(f" of {' '.join(f'{value:.2f}' for value in np.linalg.norm(wanted, axis=1))}", end="")
            print(f"; {time.process_time() - began:.0f} s CPU", flush=True)


if __name__ == "__main__":
    main()
