"""Volumes from one section, from three and from the whole of a truth, each compared with the truth in 3D.

    python benchmarks/volume_reference.py specimen
    python benchmarks/volume_reference.py steel --ids al6xn_GrainId.txt.gz --orientations al6xn_orientations.txt

The specimen is a known truth, of which a block is cropped and made again. The steel is a real volume of serial
sections, published with the examples of PRISMS-Plasticity: grain ids with x slowest, and a Rodrigues vector per grain.
Prints the table of docs/results/volume_reference.md. The limits are those of windows of the truth as large as the
volumes; metrics of correlations have none where a window is the truth itself.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import polyrve
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.synthetic import make_specimen

STEEL_SHAPE = (68, 64, 46)
SPECIMEN, BLOCK, MADE = (96, 96, 96), 64, 40


def steel(ids: Path, orientations: Path) -> OrientationVolume:
    """Read grain ids and Rodrigues vectors of PRISMS-Plasticity, of voxels of 1 um."""
    grain_ids = np.loadtxt(ids, dtype=int, comments="*").reshape(STEEL_SHAPE).transpose(2, 1, 0)
    table = np.loadtxt(orientations, comments="*")
    vectors = np.zeros((int(table[:, 0].max()) + 1, 3))
    vectors[table[:, 0].astype(int)] = table[:, 1:4]
    quaternions = Rotation.from_quat(np.insert(vectors, 3, 1.0, axis=1)).as_quat()
    wxyz = np.roll(quaternions, 1, axis=1)[grain_ids]
    return OrientationVolume(wxyz, np.ones(grain_ids.shape, dtype=int), (Phase("AL-6XN", "m-3m"),), (1.0, 1.0, 1.0))


def block() -> OrientationVolume:
    """Cut a block out of a specimen of elongated grains."""
    specimen = make_specimen(SPECIMEN, grain_size=7.0, elongation=(1.0, 1.2, 1.6), scatter=0.5, seed=1)
    return specimen.field[:BLOCK, :BLOCK, :BLOCK]


def references(truth: OrientationVolume) -> dict[str, object]:
    """Return the middle sections and the whole, by their name."""
    sections = {normal: truth.section(axis, truth.shape[axis] // 2) for axis, normal in enumerate("zyx")}
    return {"one section": sections["z"], "three sections": sections, "the volume": truth}


def main() -> None:
    """Make a volume from each reference and print its metrics beside the truth."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("case", choices=("specimen", "steel"))
    parser.add_argument("--ids", type=Path)
    parser.add_argument("--orientations", type=Path)
    parser.add_argument("--windows", type=int, default=19)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("volume_reference"), help="folder of the volumes")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.case == "steel":
        truth = steel(arguments.ids, arguments.orientations)
        shape = tuple(truth.shape)
    else:
        truth, shape = block(), (MADE,) * 3
    arguments.output.mkdir(exist_ok=True)
    truth.write(arguments.output / f"{arguments.case}.dream3d", force=True)
    columns = {}
    for name, reference in references(truth).items():
        began = time.process_time()
        made = polyrve.reconstruct(reference, shape=shape, spacing=truth.spacing, seed=arguments.seed)
        seconds = time.process_time() - began
        columns[name] = polyrve.validate(truth, made.grains, windows=arguments.windows)
        print(
            f"{name}: {seconds:.0f} s of processor time, loss {made.volume_loss:.2e}, {made.volume.shape}", flush=True
        )
        made.write(arguments.output / f"{arguments.case}_{name.replace(' ', '_')}.dream3d", force=True)
    first = next(iter(columns.values()))
    print("| metric | limit | " + " | ".join(columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    for row in first.results:
        cells = []
        for validation in columns.values():
            found = validation[row.key]
            mark = " (warn)" if found.verdict == "warn" else ""
            cells.append("-" if found.value is None else f"{found.value:.3f}{mark}")
        if set(cells) != {"-"}:
            limit = "-" if row.limit is None else f"{row.limit:.3f}"
            print(f"| {row.title} | {limit} | " + " | ".join(cells) + " |")
    print("| **passed** | | " + " | ".join(f"{v.passed} of {v.compared}" for v in columns.values()) + " |")


if __name__ == "__main__":
    main()
