"""Volumes through the formats of solvers
=======================================

One polycrystal of two phases is written in each format and read back: what is kept, how long reading takes and how much
memory it needs.

::

    python examples/volumes_in.py --edge 64 --figure docs/figures/volumes_in.png
"""

# sphinx_gallery_thumbnail_path = "figures/volumes_in.png"

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import polyrve
from polyrve import GrainVolume, Phase
from polyrve.crystallography import rotation
from polyrve.microstructure.particles import Particles, ellipsoid, insert_particles

FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "dream3d": ("a.dream3d", {}),
    "vti": ("a.vti", {}),
    "vtkhdf": ("a.vtkhdf", {}),
    "damask": ("damask", {"phase": {"Aluminium": "Al", "Particle": "Ni-estimate"}}),
    "abaqus": ("a.inp", {}),
    "moose": ("a.inl", {}),
    "los-alamos": ("a.txt", {}),
    "tesr": ("a.tesr", {}),
    "prisms": ("prisms", {}),
    "amitex": ("amitex", {}),
    "meshio": ("a.vtu", {}),
}


def main(edge: int, figure: Path | None, names: list[str]) -> dict[str, float]:
    """Print a table and draw a section of what was read.

    Returns
    -------
    dict of str to float
        Largest disorientation from what was written, in degrees.
    """
    rve = polyrve.make_specimen((edge,) * 3, grain_size=edge / 5.0, texture="random", scatter=0.0, seed=1)
    wanted = Particles(Phase("Particle", "m-3m"), 0.05, edge / 8.0, ellipsoid((1, 1, 1)), place="boundaries")
    rve = insert_particles(rve, wanted, seed=1)
    sections, off = {"written": rve.grain_ids[edge // 2]}, {}
    print("| format | file (MB) | read (CPU s) | peak memory (MB) | largest disorientation | names | periodic |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            path = Path(folder) / FORMATS[name][0]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                polyrve.write(rve, path, format=name, **FORMATS[name][1])
            queue: Any = multiprocessing.get_context("spawn").Queue()
            process = multiprocessing.get_context("spawn").Process(target=measure, args=(path, queue))
            process.start()
            seconds, memory, back = queue.get()
            process.join()
            file = path if path.is_file() else max(path.iterdir(), key=lambda item: item.stat().st_size)
            ids, q, phases, periodic = back
            off[name] = _largest_angle(rve, q)
            sections[name] = ids[edge // 2]
            kept = "yes" if phases == ["Aluminium", "Particle"] else "no"
            size, told = file.stat().st_size / 1e6, "yes" if periodic else "no"
            print(f"| {name} | {size:.1f} | {seconds:.1f} | {memory:.0f} | {off[name]:.1e} | {kept} | {told} |")
            assert off[name] < 0.01
    if figure is not None:
        draw(sections, figure)
    return off


def measure(path: Path, queue: Any) -> None:
    """Read a file in a process of its own."""
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        back = polyrve.read_volume(path)
    seconds = time.process_time() - start
    memory = peak_memory()
    names = [phase.name for phase in back.phases]
    queue.put((seconds, memory, (back.properties["FeatureIds"], back.quaternions, names, back.periodic)))


def peak_memory() -> float:
    """Return the peak of this process in MB; Linux lets ru_maxrss begin with that of the process that started it."""
    status = Path("/proc/self/status")
    if status.exists():
        [line] = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _largest_angle(rve: GrainVolume, q: np.ndarray) -> float:
    phase = rve.field.phases[0]
    angle = rotation.disorientation_angle(q.reshape(-1, 4), rve.field.quaternions.reshape(-1, 4), phase.symmetry)
    return float(np.rad2deg(angle.max()))


def draw(sections: dict[str, np.ndarray], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    colours = np.random.default_rng(3).uniform(0.35, 0.95, (4001, 3))
    columns = 6
    rows = -(-len(sections) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, 1.85 * rows), layout="constrained")
    for axis, (name, ids) in zip(np.ravel(axes), sections.items(), strict=False):
        axis.imshow(colours[ids % 4001], origin="lower", interpolation="nearest")
        axis.set_title(name, fontsize=9)
    for axis in np.ravel(axes):
        axis.set_axis_off()
    figure.savefig(path, dpi=130)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--edge", type=int, default=64)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--only", nargs="*", default=list(FORMATS), choices=list(FORMATS))
    given = parser.parse_args()
    main(given.edge, given.figure, given.only)
