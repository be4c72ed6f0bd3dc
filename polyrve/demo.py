"""The whole chain on the embedded specimen, whose true volume is known."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from polyrve.adapters import registry
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction.progress import Progress
from polyrve.reconstruction.run import reconstruct
from polyrve.report import write_report
from polyrve.steps import announce
from polyrve.validation.metrics import metrics
from polyrve.validation.run import Validation, validate

FRAME = "edax-2"
"""The frame that the demo's scan is written in and read in."""

RUN = "DAMASK_grid --geom grid.vti --load load.yaml --material material.yaml --numerics numerics.yaml"
"""The command that runs DAMASK in the folder of the demo."""


@dataclass(frozen=True, eq=False)
class Demonstration:
    """What :func:`run` made.

    Attributes
    ----------
    truth : GrainVolume
        The specimen.
    scan : OrientationMap
        The section of it, as read back from the file.
    rve : GrainVolume
        The volume reconstructed from the section.
    against_scan, against_truth : Validation
        Sections of the volume against the section, and the whole volume against the truth.
    files : dict of Path to str
        What was written, and what it is.
    """

    truth: GrainVolume
    scan: OrientationMap
    rve: GrainVolume
    against_scan: Validation
    against_truth: Validation
    files: dict[Path, str]


def run(
    folder: Path,
    *,
    quick: bool = False,
    force: bool = False,
    say: Callable[[str], Any] = lambda _: None,
    progress: Callable[[Progress], Any] | None = None,
) -> Demonstration:
    """Make the specimen, measure a section, reconstruct a volume from it, write and validate it.

    Parameters
    ----------
    folder : Path
        Where everything is written.
    quick : bool
        Whether everything is small: a try of the installation, not of the method.
    force : bool
        Whether existing files may be replaced.
    say : callable
        Receives a line of text before each step.
    progress : callable, optional
        See :func:`polyrve.reconstruct`.

    Returns
    -------
    Demonstration
    """
    side, voxels, iterations = (32, 16, 5) if quick else (96, 32, 30)
    began = time.perf_counter()

    def step(text: str) -> None:
        say(f"[{time.perf_counter() - began:5.0f} s] {text}")

    files = {
        folder / "truth.dream3d": "the specimen: the true volume",
        folder / "scan.ang": "a section of it as measured, EDAX text",
        folder / "scan.ctf": "the same section, Oxford text",
        folder / "rve.dream3d": "the volume reconstructed from scan.ang, for DREAM3D-NX and polyrve",
        folder / "damask": f"the volume for DAMASK; in it run {RUN}",
        folder / "rve.vti": "the volume for ParaView",
        folder / "report.html": "map and volume compared, for a browser",
    }
    truth_file, ang, ctf, rve_file, damask, vti, html = files
    files |= {
        truth_file.with_suffix(".xdmf"): "truth.dream3d for ParaView",
        rve_file.with_suffix(".xdmf"): "rve.dream3d for ParaView",
        html.with_suffix(".json"): "the metrics of the report, for programs",
    }

    step(f"specimen: a periodic polycrystal of {side // 2} x {side} x {side} voxels")
    truth = make_specimen((side // 2, side, side), grain_size=8.0 if not quick else 5.0, seed=1)
    registry.write(truth, truth_file, force=force)
    step(f"section of its {truth.number_of_grains} grains, with measuring noise, unindexed and misindexed points")
    section = simulate_scan(truth, axis=0, index=0, seed=1)
    registry.write(section, ang, frame=FRAME, force=force)
    registry.write(section, ctf, frame="oxford-cs0", force=force)

    scan = registry.read(ang, frame=FRAME)
    if not isinstance(scan, OrientationMap):
        raise ValueError(f"{ang}: expected a planar map; got a volume")
    step(f"reconstruction of {voxels} x {voxels} x {voxels} voxels from {ang.name}")
    result = reconstruct(scan, shape=(voxels,) * 3, iterations=iterations, seed=1, progress=progress, say=step)
    rve = segment(result.volume)
    step(f"{rve.number_of_grains} grains; writing")
    registry.write(rve, rve_file, force=force)
    registry.write(rve, damask, format="damask", phase="Al", force=force)
    registry.write(rve, vti, force=force)
    step(text := "comparison with the map and with the true volume")
    counted, total = itertools.count(), 2 * len(metrics())

    def between() -> None:
        announce(text, min(next(counted), total), total)

    against_scan = cast(Validation, write_report(rve, scan, html, between=between))
    against_truth = validate(truth, rve, between=between)
    step("done")
    return Demonstration(truth, scan, rve, against_scan, against_truth, files)
