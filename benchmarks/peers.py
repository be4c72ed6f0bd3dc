"""Compare polyrve with its peers: volumes made from one map, validated by the same metrics.

    python benchmarks/peers.py ../shared/data/small_in100_slice_v8.dream3d --voxels 32 --spacing 0.7 \
        --kanapy kanapy_32.npz --output docs/results/peers.md

``--map-only map.ang`` writes the map for Kanapy. ``benchmarks/kanapy_rve.py``, run in Kanapy's own environment, makes a
volume from it, which ``--kanapy`` takes. The Laguerre tessellation is made by DAMASK. Its seeds are random, their
number follows from the map's chords, and each cell takes the orientation of a random point of the map.
"""

import argparse
import time
from pathlib import Path

import damask
import numpy as np

import polyrve
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.validation.run import Validation, validate
from polyrve.validation.stacks import at_spacing, stack_of

POISSON_VORONOI_CHORD = 0.6872
"""Mean chord of a Poisson-Voronoi tessellation with one cell per volume (Moller, Adv. Appl. Prob. 21 (1989) 37)."""


def single_phase(path: Path) -> OrientationMap:
    """The map with all points in its first phase."""
    field = polyrve.read_map(path)
    lattice = (3.52, 3.52, 3.52, 90.0, 90.0, 90.0) if not field.phases[0].lattice[0] else field.phases[0].lattice
    phase = polyrve.Phase(field.phases[0].name, field.phases[0].laue, lattice)
    return field.evolve(phase_ids=np.minimum(field.phase_ids, 1), phases=(phase,), properties={})


def laguerre(field: OrientationMap, voxels: int, spacing: float, seed: int) -> OrientationVolume:
    """A Laguerre tessellation with orientations of the map."""
    length = np.concatenate([c[0] for c in stack_of(at_spacing(field, (spacing, spacing)), 5.0).chords])
    size = np.full(3, voxels * spacing)
    number = max(2, round(float(np.prod(size)) * (POISSON_VORONOI_CHORD / length.mean()) ** 3))
    rng = np.random.default_rng(seed)
    seeds = damask.seeds.from_random(size, number, rng_seed=seed)
    weights = (0.3 * np.cbrt(np.prod(size) / number) * rng.lognormal(0.0, 0.35, number)) ** 2
    grid = damask.GeomGrid.from_Laguerre_tessellation((voxels,) * 3, size, seeds, weights, periodic=True)
    orientations = field.quaternions[field.indexed][rng.integers(int(field.indexed.sum()), size=number)]
    return volume(orientations[np.moveaxis(grid.material, (0, 1, 2), (2, 1, 0))], field, spacing)


def volume(quaternions: np.ndarray, field: OrientationMap, spacing: float) -> OrientationVolume:
    ids = np.ones(quaternions.shape[:3], dtype=int)
    return OrientationVolume(quaternions, ids, field.phases, (spacing,) * 3, periodic=True)


def table(validations: dict[str, Validation]) -> str:
    names = list(validations)
    lines = [f"| metric | floor | limit | {' | '.join(names)} |", f"|---|---|---|{'---|' * len(names)}"]
    first = validations[names[0]]
    for row in first.results:
        cells = []
        values = {name: validations[name][row.key].value for name in names}
        known = [value for value in values.values() if value is not None]
        best = (max if row.higher_is_better else min)(known, default=None)
        for name in names:
            value, verdict = values[name], validations[name][row.key].verdict
            text = "-" if value is None else f"{value:.3f}"
            text = f"**{text}**" if value is not None and value == best else text
            cells.append(f"{text}{' (warn)' if verdict == 'warn' else ''}")
        numbers = ["-" if x is None else f"{x:.3f}" for x in (row.floor, row.limit)]
        if row.key == "seam":
            numbers = ["-", "-"]
        lines.append(f"| {row.title} | {' | '.join(numbers)} | {' | '.join(cells)} |")
    passed = [f"{validations[name].passed} of {validations[name].compared}" for name in names]
    lines.append(f"| **passed** | | | {' | '.join(passed)} |")
    return "\n".join(lines)


def wins(validations: dict[str, Validation], peer: str) -> str:
    """Titles of the metrics in which a peer is better than polyrve."""
    titles = []
    for row in validations[peer].results:
        own = validations["polyrve"][row.key].value
        if row.value is not None and own is not None and (row.value > own) == row.higher_is_better and row.value != own:
            both = row.verdict == validations["polyrve"][row.key].verdict == "pass"
            titles.append(f"{row.title}{' (both pass)' if both else ''}")
    return "; ".join(titles) or "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("map", type=Path)
    parser.add_argument("--voxels", type=int, default=32)
    parser.add_argument("--spacing", type=float, default=0.7, help="um")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kanapy", type=Path, help="volume written by kanapy_rve.py")
    parser.add_argument("--polyrve", type=Path, help="a finished reconstruction instead of a new one")
    parser.add_argument("--map-only", type=Path, help="write the map for Kanapy and stop")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of the reconstruction")
    parser.add_argument("--output", type=Path, default=Path("docs/results/peers.md"))
    arguments = parser.parse_args()
    field = single_phase(arguments.map)
    if arguments.map_only:
        polyrve.write(field, arguments.map_only, force=True)
        return
    voxels, spacing = arguments.voxels, arguments.spacing
    volumes, notes = {}, []
    start = time.perf_counter()
    if arguments.polyrve:
        volumes["polyrve"] = polyrve.read_volume(arguments.polyrve)
    else:
        settings = dict(item.split("=", 1) for item in arguments.set)
        result = polyrve.reconstruct(
            field, shape=(voxels,) * 3, spacing=(spacing,) * 3, seed=arguments.seed, **settings
        )
        volumes["polyrve"] = result.volume
        notes.append(f"polyrve {polyrve.__version__}: {time.perf_counter() - start:.0f} s; {result.status}")
    start = time.perf_counter()
    volumes["Laguerre"] = laguerre(field, voxels, spacing, arguments.seed)
    notes.append(f"Laguerre tessellation, DAMASK {damask.__version__}: {time.perf_counter() - start:.1f} s")
    if arguments.kanapy:
        made = np.load(arguments.kanapy)
        volumes["Kanapy"] = volume(made["quaternions"], field, spacing)
        steps = ", ".join(f"{step} {float(made[step]):.0f} s" for step in ("map", "geometry", "orientations"))
        notes.append(f"Kanapy {made['version']}: {steps}")
    validations = {name: validate(field, made) for name, made in volumes.items()}
    own = f"--polyrve {arguments.polyrve.name} " if arguments.polyrve else ""
    other = f"--kanapy {arguments.kanapy.name} " if arguments.kanapy else ""
    text = "\n".join(
        [
            "# polyrve beside its peers",
            "",
            "All volumes are made from the same map and [validated](../validation.md) by the same metrics:",
            "",
            "```",
            *(["python benchmarks/peers.py MAP --map-only map.ang"] if arguments.kanapy else []),
            *(
                [f"python benchmarks/kanapy_rve.py map.ang {arguments.kanapy.name} {voxels} {voxels * spacing:g}"]
                if arguments.kanapy
                else []
            ),
            f"python benchmarks/peers.py MAP --voxels {voxels} --spacing {spacing:g} {own}{other}",
            "```",
            "",
            f"MAP is {arguments.map.name}. DAMASK makes the Laguerre tessellation; its seeds are random, and each cell",
            "takes the orientation of a random point of the map.",
            "",
            f"{field.shape[1]} x {field.shape[0]} points of {field.spacing[1]:.3g} um; volumes of {voxels}^3 voxels of "
            f"{spacing:g} um, seed {arguments.seed}. Bold is the best value of a row; (warn) lies outside the limit.",
            "",
            table(validations),
            "",
            *(f"- {note}" for note in notes),
            *(f"- {peer} is better in: {wins(validations, peer)}." for peer in volumes if peer != "polyrve"),
        ]
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
