"""Stress-strain curves of true blocks of a specimen, and of volumes made from its sections, by DAMASK.

    python benchmarks/response.py run --work DIR       # volumes and their curves; goes on where it stopped
    python benchmarks/response.py page --work DIR      # tables and pictures of docs/results/response.md

A specimen of 32^3 voxels and about 500 grains is cut into its eight blocks of 16^3: what they give in the mean is the
truth. Sections of 32 x 32 points, as an instrument would measure them, are all that the others see.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

import polyrve
from polyrve.adapters.solvers import damask
from polyrve.adapters.solvers.loads import load_of
from polyrve.crystallography import rotation
from polyrve.crystallography.texture import fibre
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.map_placement import by_normal
from polyrve.microstructure.placed import distinct
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.response import simulate as runs
from polyrve.response.map_error import map_error
from polyrve.response.results import read_fields, read_response

WHOLE, SIDE = 32, 16
STRAINS = (1e-3, 2e-3, 3.5e-3, 5e-3, 7.5e-3, 1e-2)
"""Ends of the increments after the fine ones; stresses are told at 0.2, 0.5 and 1 %."""
DIVERGENCE = 2.0e-2
"""Tolerance of the stress equilibrium; a quarter of it takes 1.7 times the iterations and lowers stresses by 0.25 %."""
SECTIONS = (0, 8, 16, 24)


@dataclass(frozen=True)
class Case:
    """A material, its definition, the axis of loads beyond elasticity, and its first increments, of which one is
    elastic."""

    specimen: dict[str, Any]
    phase: str
    axis: str
    fine: tuple[float, ...]
    symmetry_axis: str | None = None


CASES = {
    "fcc": Case({"texture": "weak", "grain_size": 5.0, "seed": 1}, "IN625", "x", (1e-4,)),
    "wire": Case(
        {
            "texture": (fibre(ALUMINIUM, (1, 1, 1), (1, 0, 0), 0.7), fibre(ALUMINIUM, (1, 0, 0), (1, 0, 0), 0.2)),
            "grain_size": 5.5, "elongation": (1.0, 1.0, 3.0), "seed": 2,
        },
        "IN625", "x", (1e-4,), "x",
    ),
    "Mg": Case({"texture": "basal", "phases": (MAGNESIUM,), "grain_size": 5.0, "seed": 3}, "Mg", "x", (1e-5, 2e-4)),
}  # fmt: skip


@cache
def specimen(case: str) -> GrainVolume:
    """Return the material."""
    return make_specimen((WHOLE,) * 3, **CASES[case].specimen)


@cache
def scan(case: str, index: int) -> OrientationMap:
    """Measure the section normal to z at an index."""
    return polyrve.simulate_scan(specimen(case), axis=0, index=index, seed=index)


def placed(case: str, indices: tuple[int, ...]) -> Any:
    """Return sections as :func:`polyrve.reconstruct` takes them."""
    scans = [scan(case, index) for index in indices]
    axis = CASES[case].symmetry_axis
    if axis is not None:
        return polyrve.axisymmetric(scans if len(scans) > 1 else scans[0], axis)
    return {"all": scans} if len(scans) > 1 else scans[0]


def block(case: str, number: int) -> GrainVolume:
    """Cut one of the eight blocks."""
    corner = np.unravel_index(number, (2, 2, 2))
    cut = tuple(slice(SIDE * c, SIDE * (c + 1)) for c in corner)
    whole = specimen(case)
    ids, place = np.unique(whole.grain_ids[cut], return_inverse=True)
    field = OrientationVolume(
        quaternions=whole.field.quaternions[cut], phase_ids=whole.field.phase_ids[cut], phases=whole.field.phases,
        spacing=whole.field.spacing, periodic=True,
    )  # fmt: skip
    return GrainVolume(field, place.reshape((SIDE,) * 3) + 1, whole.quaternions[ids - 1], whole.phase_ids[ids - 1])


def from_maps(case: str, indices: tuple[int, ...], seed: int) -> GrainVolume:
    """Reconstruct a volume from sections."""
    made = polyrve.reconstruct(placed(case, indices), shape=(SIDE,) * 3, seed=seed)
    return polyrve.segment(made.volume)


def voronoi(case: str, index: int | None, seed: int) -> GrainVolume:
    """Draw a Voronoi volume with the true number of grains, and orientations of a section's points or at random."""
    rng = np.random.default_rng(seed)
    whole = specimen(case)
    number = round(whole.number_of_grains * SIDE**3 / WHOLE**3)
    centres = rng.random((number, 3)) * SIDE
    points = np.indices((SIDE,) * 3).reshape(3, -1).T + 0.5
    cells = cKDTree(centres, boxsize=SIDE).query(points)[1]
    used, ids = np.unique(cells, return_inverse=True)
    if index is None:
        q = rotation.random_orientations(len(used), rng)
    else:
        measured = scan(case, index)
        q = measured.quaternions[measured.indexed][rng.choice(int(measured.indexed.sum()), len(used))]
    field = OrientationVolume(
        quaternions=q[ids].reshape((SIDE,) * 3 + (4,)), phase_ids=np.ones((SIDE,) * 3, dtype=np.int32),
        phases=whole.field.phases, spacing=whole.field.spacing, periodic=True,
    )  # fmt: skip
    return GrainVolume(field, ids.reshape((SIDE,) * 3) + 1, q, np.ones(len(used), dtype=np.int32))


def members(cases: Sequence[str]) -> Iterator[tuple[str, str, Callable[[], GrainVolume]]]:
    """Yield case, name and maker of the volumes, the most telling first."""
    kinds: dict[str, Callable[[str, int], GrainVolume]] = {
        "true": block,
        "one-map": lambda case, n: from_maps(case, (SECTIONS[n % 4],), n),
        "four-maps": lambda case, n: from_maps(case, tuple(i + 4 * (n % 2) for i in SECTIONS), n),
        "voronoi-map": lambda case, n: voronoi(case, SECTIONS[n % 4], n),
        "voronoi-random": lambda case, n: voronoi(case, None, n),
    }
    order = [
        ("true", range(4)), ("one-map", range(2)), ("voronoi-map", range(1)), ("voronoi-random", range(1)),
        ("true", range(4, 8)), ("one-map", range(2, 4)), ("four-maps", range(1)), ("voronoi-map", range(1, 3)),
        ("voronoi-random", range(1, 2)), ("four-maps", range(1, 2)), ("one-map", range(4, 8)),
    ]  # fmt: skip
    for kind, numbers in order:
        for case in cases:
            for n in numbers:
                yield case, f"{kind}-{n}", lambda kind=kind, case=case, n=n: kinds[kind](case, n)


def loads(axis: str, strains: Sequence[float]) -> str:
    """Return a load.yaml of one increment to each strain."""
    texts = [
        damask.load_case(load_of("tension", axes=axis, strain=width, increments=1)).split("loadstep:\n")
        for width in np.diff(strains, prepend=0.0).tolist()
    ]
    return f"{texts[0][0]}loadstep:\n{''.join(step for _, step in texts)}"


def curve(volume: GrainVolume, phase: str, axis: str, strains: Sequence[float], job: Path) -> dict[str, Any]:
    """Load a volume; its curve, and the von Mises stress at the end."""
    damask.write(volume, job, force=True, phase=phase, output="F,P")
    (job / "load.yaml").write_text(loads(axis, strains))
    numerics = (job / "numerics.yaml").read_text().replace("(P): 5.0e-3", f"(P): {DIVERGENCE}")
    (job / "numerics.yaml").write_text(numerics)
    runs.simulate(job, runs.find_solver())
    found, fields = read_response(job), read_fields(job)
    shutil.rmtree(job)
    return {
        "strain": found.strain.tolist(), "stress": found.stress.tolist(),
        "modulus": float(found.stress[1] / found.strain[1]), "mises_mean": float(fields.stress.mean()),
        "mises_std": float(fields.stress.std()), "mises_99": float(np.quantile(fields.stress, 0.99)),
    }  # fmt: skip


def compute(work: Path, cases: Sequence[str]) -> None:
    """Load every volume that has no curve yet: along one axis to the end, along another in the elastic range."""
    for case, name, make in members(cases):
        target, stored = work / f"{case}-{name}.json", work / f"{case}-{name}.dream3d"
        if target.exists():
            continue
        began, phase, axis = time.time(), CASES[case].phase, CASES[case].axis
        if not stored.exists():
            made = make()
            made.write(stored)
        volume = polyrve.read(stored)
        bounds = polyrve.bounds(volume, phase)
        record = {
            "grains": bounds.grains, "hill": bounds.hill.tolist(), "taylor": bounds.flow_stress.tolist(),
            axis: curve(volume, phase, axis, (*CASES[case].fine, *STRAINS), work / "job"),
            "z": curve(volume, phase, "z", CASES[case].fine[:1], work / "job"),
        }  # fmt: skip
        target.write_text(json.dumps(record))
        print(case, name, f"{time.time() - began:.0f} s, {sum(os.times()[:4]):.0f} s of processors in all", flush=True)


STRESSES = (2e-3, 5e-3, 1e-2)
KINDS = ("one-map", "four-maps", "voronoi-map", "voronoi-random")


def records(work: Path, case: str, kind: str) -> dict[int, dict[str, Any]]:
    """Read what volumes of a kind gave, by number."""
    stem = f"{case}-{kind}-"
    return {
        int(path.stem[len(stem) :]): json.loads(path.read_text()) for path in sorted(work.glob(f"{stem}*.json"))
    }  # fmt: skip


def told(case: str, record: dict[str, Any]) -> np.ndarray:
    """Modulus along both axes, the three stresses, and spread and 99th percentile of von Mises stress to its mean."""
    loaded = record[CASES[case].axis]
    stresses = np.interp(STRESSES, loaded["strain"], loaded["stress"])
    local = [loaded["mises_std"] / loaded["mises_mean"], loaded["mises_99"] / loaded["mises_mean"]]
    return np.array([loaded["modulus"], record["z"]["modulus"], *stresses, *local])


def table(work: Path) -> list[str]:
    """Deviations in per cent from the mean of the true blocks, mean of each kind, and the scatter of one true block."""
    names = ["E x", "E z", *(f"{100 * e:g} %" for e in STRESSES), "von Mises: spread", "99 %"]
    lines = [f"| case | volumes | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for case in CASES:
        truth = [told(case, one) for one in records(work, case, "true").values()]
        if len(truth) < 2:
            continue
        mean = np.mean(truth, axis=0)
        scatter = 100 * np.std(truth, axis=0, ddof=1) / mean
        lines.append(f"| {case} | {len(truth)} true, scatter of one | {' | '.join(f'{x:.1f}' for x in scatter)} |")
        for kind in KINDS:
            found = [told(case, one) for one in records(work, case, kind).values()]
            if found:
                off = 100 * (np.mean(found, axis=0) / mean - 1)
                lines.append(f"| {case} | {len(found)} {kind} | {' | '.join(f'{x:+.1f}' for x in off)} |")
    return lines


def correlations(work: Path) -> list[str]:
    """Cheap figures against the solver over all volumes: correlation, and scatter of the ratio within a case."""
    header = "| case | volumes | Hill and E | scatter of the ratio | Taylor and 1 % | scatter of the ratio |"
    lines = [header, "|---" * 6 + "|"]
    for case in CASES:
        every = [one for kind in ("true", *KINDS) for one in records(work, case, kind).values()]
        if len(every) < 3:
            continue
        axis = "xyz".index(CASES[case].axis)
        pairs = [
            ([one["hill"][axis] for one in every] + [one["hill"][2] for one in every],
             [told(case, one)[0] for one in every] + [told(case, one)[1] for one in every]),
            ([one["taylor"][axis] for one in every], [told(case, one)[4] for one in every]),
        ]  # fmt: skip
        cells = []
        for cheap, solved in pairs:
            ratio = np.array(solved) / np.array(cheap)
            cells += [f"{np.corrcoef(cheap, solved)[0, 1]:.3f}", f"{100 * ratio.std() / ratio.mean():.2f} %"]
        lines.append(f"| {case} | {len(every)} | {' | '.join(cells)} |")
    return lines


def coverage() -> list[str]:
    """How often the error bar of one and of four sections holds Hill's modulus and Taylor's stress of the specimen."""
    lines = ["| case | sections | bar of E | holds | bar of yield stress | holds |", "|---" * 6 + "|"]
    for case, given in CASES.items():
        whole = polyrve.bounds(specimen(case), given.phase)
        groups = {1: [(i,) for i in range(0, WHOLE, 4)], 4: [tuple(i + k for i in SECTIONS) for k in (0, 2, 4, 6)]}
        for number, chosen in groups.items():
            held, widths = np.zeros(2), np.zeros(2)
            for indices in chosen:
                fields = list(distinct(by_normal(placed(case, indices))))
                known = map_error(fields, given.phase, copies=len(fields) / len(indices))
                for n, (name, true, found) in enumerate((
                    ("modulus", whole.hill, known.bounds.hill), ("stress", whole.taylor, known.bounds.taylor),
                )):  # fmt: skip
                    halves = np.array([known.part(name, axis).half_width for axis in range(3)])
                    held[n] += (np.abs(true / found - 1.0) <= halves).sum()
                    widths[n] += halves.sum()
            checks = 3 * len(chosen)
            cells = [f"± {100 * w / checks:.2f} % | {h:.0f} of {checks}" for w, h in zip(widths, held, strict=True)]
            lines.append(f"| {case} | {number} | {' | '.join(cells)} |")
    return lines


def added(work: Path) -> list[str]:
    """How often the bar of a section holds what its volume gives by the solver, and what volumes add to its error.

    Errors are root mean squares of Hill's moduli and Taylor's stresses along x, y and z in per cent: of sections
    against the specimen, and of volumes against their sections.
    """
    header = (
        "| case | volumes | solver within the bar | modulus: section | volume adds | stress: section | volume adds |"
    )
    lines = [header, "|---" * 7 + "|"]
    for case, given in CASES.items():
        truth = [told(case, one) for one in records(work, case, "true").values()]
        found = records(work, case, "one-map")
        if not (truth and found):
            continue
        mean, held = np.mean(truth, axis=0), 0
        whole = polyrve.bounds(specimen(case), given.phase)
        errors: dict[str, list[np.ndarray]] = {name: [] for name in ("hill", "taylor", "hill added", "taylor added")}
        for n, record in found.items():
            fields = list(distinct(by_normal(placed(case, (SECTIONS[n % 4],)))))
            known = map_error(fields, given.phase, copies=len(fields))
            widths = [known.part("modulus", "xyz".index(given.axis)), known.part("modulus", 2)]
            widths += [known.part("stress", "xyz".index(given.axis))] * len(STRESSES)
            off = np.abs(told(case, record)[: len(widths)] / mean[: len(widths)] - 1.0)
            held += int((off <= [width.half_width for width in widths]).sum())
            for name, attribute in (("hill", "hill"), ("taylor", "flow_stress")):
                section = np.array(getattr(known.bounds, attribute))
                errors[name].append(section / np.array(getattr(whole, attribute)) - 1.0)
                errors[f"{name} added"].append(np.array(record[name]) / section - 1.0)
        cells = [f"{100 * np.sqrt(np.mean(np.square(errors[name]))):.2f} %" for name in (
            "hill", "hill added", "taylor", "taylor added",
        )]  # fmt: skip
        lines.append(f"| {case} | {len(found)} | {held} of {5 * len(found)} | {' | '.join(cells)} |")
    return lines


def picture(work: Path, path: Path) -> None:
    """Draw all curves: true blocks in grey, the others in colours."""
    drawing = Figure(figsize=(4.4 * len(CASES), 3.8), layout="constrained")
    for axis, (case, given) in zip(drawing.subplots(1, len(CASES), squeeze=False)[0], CASES.items(), strict=True):
        for kind, colour in (("true", "0.6"), *zip(KINDS, ("C0", "C2", "C1", "C3"), strict=True)):
            for n, one in enumerate(records(work, case, kind).values()):
                loaded = one[given.axis]
                label = kind.replace("-", " ") if n == 0 else None
                strain, stress = 100 * np.array(loaded["strain"]), np.array(loaded["stress"]) / 1e6
                axis.plot(strain, stress, color=colour, lw=1.2, label=label)
        axis.set(title=f"{case} ({given.phase}), along {given.axis}", xlabel="strain (%)", ylabel="stress (MPa)")
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    drawing.savefig(path, dpi=100)


def main() -> None:
    """Compute the curves or make the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("run", "page"))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", choices=tuple(CASES), default=list(CASES))
    parser.add_argument("--figure", type=Path, default=Path("docs/results/response.png"))
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    if given.stage == "run":
        compute(given.work, given.cases)
        return
    print("\n".join([*table(given.work), "", *correlations(given.work), "", *coverage(), "", *added(given.work)]))
    picture(given.work, given.figure)


if __name__ == "__main__":
    main()
