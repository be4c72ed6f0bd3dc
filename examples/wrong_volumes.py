"""Wrong volumes that a validation refuses
=======================================

Each volume is wrong in one way, beside blocks of the same material that are right.

::

    python examples/wrong_volumes.py --seeds 20 --output docs/results/wrong-volumes.md

A material is a synthetic specimen. Its map is one section, without measuring noise; a true block is cut from elsewhere
in the specimen, and a wrong volume is such a block after something is done to it.
"""

# sphinx_gallery_thumbnail_path = "figures/section_to_volume.png"

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import Relation, known_relations
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grain_properties import neighbours
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen
from polyrve.validation.result import Validation
from polyrve.validation.run import validate

FERRITE = Phase("Ferrite", "m-3m", (2.87, 2.87, 2.87, 90.0, 90.0, 90.0), 229)

Damage = Callable[[GrainVolume, np.random.Generator], GrainVolume]


@dataclass(frozen=True)
class Material:
    """A material with known truth, and what can go wrong with it.

    Attributes
    ----------
    name : str
    make : callable
        Takes a shape and a seed, returns a specimen.
    damages : dict of str to (callable, tuple of str)
        What is done to a block, and the metrics that tell it.
    against_truth : bool
        Whether blocks are compared with another block, as a whole, and not with a section.
    normals : str
        Which sections the map stands for.
    """

    name: str
    make: Callable[[tuple[int, int, int], int], GrainVolume]
    damages: dict[str, tuple[Damage, tuple[str, ...]]] = field(default_factory=dict)
    against_truth: bool = False
    normals: str = "zyx"


def of_grains(
    labels: np.ndarray, quaternions: np.ndarray, phase_ids: np.ndarray, like: GrainVolume, periodic: bool = False
) -> GrainVolume:
    """Make a volume of grains of one orientation each; labels are rows of the orientations."""
    used, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(like.field.shape if labels.ndim == 1 else labels.shape)
    q, ids = quaternions[used], phase_ids[used]
    whole = OrientationVolume(q[labels], ids[labels], like.field.phases, like.field.spacing, periodic=periodic)
    return GrainVolume(whole, labels + 1, q, ids)


def block(specimen: GrainVolume, corner: tuple[int, ...], shape: tuple[int, ...]) -> GrainVolume:
    """Cut a block out of a specimen."""
    cut = tuple(slice(a, a + n) for a, n in zip(corner, shape, strict=True))
    whole = specimen.field
    used, ids = np.unique(specimen.grain_ids[cut], return_inverse=True)
    part = OrientationVolume(whole.quaternions[cut], whole.phase_ids[cut], whole.phases, whole.spacing)
    return GrainVolume(part, ids.reshape(shape) + 1, specimen.quaternions[used - 1], specimen.phase_ids[used - 1])


def section(specimen: GrainVolume, index: int) -> OrientationMap:
    """Take a section normal to z as a perfect map."""
    return specimen.field.section(0, index).evolve(periodic=False, properties={})


def _points(grains: GrainVolume) -> np.ndarray:
    return np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[1:]


def reoriented(grains: GrainVolume, quaternions: np.ndarray) -> GrainVolume:
    """Give grains other mean orientations; their scatter stays."""
    turn = rotation.multiply(quaternions, rotation.conjugate(grains.quaternions))
    whole = grains.field.evolve(
        quaternions=rotation.multiply(turn[grains.grain_ids - 1], grains.field.quaternions), provenance={}
    )
    return GrainVolume(whole, grains.grain_ids, quaternions, grains.phase_ids)


def _with_phases(grains: GrainVolume, phase_ids: np.ndarray) -> GrainVolume:
    whole = grains.field.evolve(phase_ids=phase_ids[grains.grain_ids - 1])
    return GrainVolume(whole, grains.grain_ids, grains.quaternions, phase_ids)


def _of_relation(grains: GrainVolume, relation: Relation) -> tuple[np.ndarray, np.ndarray]:
    """Smaller and larger grain of the pairs of neighbours that stand in a relation within a phase."""
    pairs = neighbours(grains)[0] - 1
    q, points = grains.quaternions, _points(grains)
    pairs = pairs[relation.deviation(q[pairs[:, 0]], q[pairs[:, 1]]) < 1.0]
    order = np.argsort(points[pairs], axis=1)
    pairs = np.take_along_axis(pairs, order, axis=1)
    _, first = np.unique(pairs[:, 0], return_index=True)
    return pairs[first, 0], pairs[first, 1]


def twins_lost(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Give the smaller of two twins any orientation."""
    quaternions = grains.quaternions.copy()
    small, _ = _of_relation(grains, known_relations((ALUMINIUM,))[0])
    quaternions[small] = rotation.random_orientations(len(small), rng)
    return reoriented(grains, quaternions)


def twins_at_55_degrees(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Turn the smaller of two twins back from 60 to 55 degrees."""
    quaternions = grains.quaternions.copy()
    small, large = _of_relation(grains, known_relations((ALUMINIUM,))[0])
    turn = rotation.multiply(quaternions[small], rotation.conjugate(quaternions[large]))
    images = rotation.multiply(ALUMINIUM.symmetry[:, None], turn[None])
    least = np.argmax(np.abs(images[..., 0]), axis=0)
    turn = images[least, np.arange(len(small))]
    axis = turn[:, 1:] * np.sign(turn[:, :1])
    back = rotation.from_axis_angle(axis, np.full(len(small), np.deg2rad(55.0)))
    quaternions[small] = rotation.multiply(back, quaternions[large])
    return reoriented(grains, quaternions)


def relation_lost(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Give the grains of the second phase any orientation."""
    quaternions = grains.quaternions.copy()
    second = np.flatnonzero(grains.phase_ids == 2)
    quaternions[second] = rotation.random_orientations(len(second), rng)
    return reoriented(grains, quaternions)


def fractions_wrong(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Make three grains of five of the second phase into ones of the first."""
    ids = grains.phase_ids.copy()
    second = np.flatnonzero(ids == 2)
    ids[rng.choice(second, int(0.6 * len(second)), replace=False)] = 1
    return _with_phases(grains, ids)


def phase_collapsed(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Leave one grain of twenty of the second phase."""
    ids = grains.phase_ids.copy()
    second = np.flatnonzero(ids == 2)
    ids[rng.choice(second, int(0.95 * len(second)), replace=False)] = 1
    return _with_phases(grains, ids)


def phases_by_chance(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Give as much of the second phase to cells of any size."""
    points = _points(grains)
    wanted = points[grains.phase_ids == 2].sum()
    order = rng.permutation(len(points))
    ids = np.ones(len(points), dtype=np.int32)
    ids[order[np.cumsum(points[order]) <= wanted]] = 2
    return _with_phases(grains, ids)


def phases_apart(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Put the second phase at one side, as much of it as there is."""
    number = np.bincount(grains.grain_ids.ravel(), minlength=grains.number_of_grains + 1)[1:]
    height = np.bincount(grains.grain_ids.ravel(), np.indices(grains.field.shape)[1].ravel())[1:] / number
    order = np.argsort(height)
    ids = np.ones(len(number), dtype=np.int32)
    ids[order[np.cumsum(number[order]) <= number[grains.phase_ids == 2].sum()]] = 2
    return _with_phases(grains, ids)


def ragged(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Swap voxels with a neighbour, one of five."""
    index = np.arange(grains.grain_ids.size).reshape(grains.field.shape)
    for axis in range(3):
        other = np.roll(index, 1, axis=axis)
        other.swapaxes(0, axis)[0] = index.swapaxes(0, axis)[0]
        index = np.where(rng.random(index.shape) < 0.07, other, index)
    return _taken(grains, index)


def _taken(grains: GrainVolume, index: np.ndarray) -> GrainVolume:
    """Take voxels from elsewhere in a volume, by their flat indices."""
    whole = grains.field
    moved = OrientationVolume(
        whole.quaternions.reshape(-1, 4)[index], whole.phase_ids.ravel()[index], whole.phases, whole.spacing
    )
    used, ids = np.unique(grains.grain_ids.ravel()[index], return_inverse=True)
    return GrainVolume(moved, ids.reshape(index.shape) + 1, grains.quaternions[used - 1], grains.phase_ids[used - 1])


def along_axes(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Build the volume of cubes of three voxels, each of one orientation."""
    shape = grains.field.shape
    at = [np.minimum(np.arange(n) // 3 * 3 + 1, n - 1) for n in shape]
    return _taken(grains, np.ravel_multi_index(np.meshgrid(*at, indexing="ij"), shape))


def patch_copied(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Copy a corner of half the side beside itself."""
    index = np.arange(grains.grain_ids.size).reshape(grains.field.shape)
    n = grains.field.shape[1] // 2
    index[:, n : 2 * n, n : 2 * n] = index[:, :n, :n]
    return _taken(grains, index)


def small_half_lost(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Give the voxels of the small half of the grains to the nearest grain of the rest."""
    from scipy import ndimage

    points = _points(grains)
    kept = (points > np.median(points))[grains.grain_ids - 1]
    nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    return _taken(grains, np.ravel_multi_index(tuple(nearest), grains.field.shape))


def graded(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Draw the grains out at one side and press them together at the other."""
    shape = grains.field.shape
    z, y, x = np.indices(shape)
    rows = np.round((y / (shape[1] - 1)) ** 1.8 * (shape[1] - 1)).astype(int)
    return _taken(grains, np.asarray(np.ravel_multi_index((z, rows, x), shape)))


def leaning_back(grains: GrainVolume, rng: np.random.Generator) -> GrainVolume:
    """Mirror the volume, so that its grains lean to the other side."""
    index = np.arange(grains.grain_ids.size).reshape(grains.field.shape)
    return _taken(grains, index[:, :, ::-1])


def twinned(shape: tuple[int, int, int], seed: int) -> GrainVolume:
    """Make cells with twin lamellae."""
    return make_specimen(shape, grain_size=10.0, texture="random", scatter=0.5, twins=0.7, seed=seed)


def equiaxed(shape: tuple[int, int, int], seed: int) -> GrainVolume:
    """Make equiaxed cells of one phase."""
    return make_specimen(shape, grain_size=7.0, texture="weak", scatter=0.5, seed=seed)


def small_second_phase(shape: tuple[int, int, int], seed: int) -> GrainVolume:
    """Make cells, of which the smaller half are of a second phase."""
    made = make_specimen(
        shape, grain_size=7.0, size_spread=0.5, texture="random", scatter=0.5, seed=seed,
        phases=(ALUMINIUM, FERRITE), phase_fractions=(1.0, 0.0),
    )  # fmt: skip
    points = _points(made)
    return _with_phases(made, np.where(points < 0.9 * np.median(points), 2, 1).astype(np.int32))


def related_phases(shape: tuple[int, int, int], seed: int) -> GrainVolume:
    """Make two phases, of which the second has the Kurdjumov-Sachs relation with a neighbour."""
    made = make_specimen(
        shape, grain_size=7.0, texture="random", scatter=0.5, seed=seed,
        phases=(ALUMINIUM, FERRITE), phase_fractions=(0.6, 0.4),
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    relation = next(one for one in known_relations(made.field.phases) if one.name == "Kurdjumov-Sachs")
    pairs, contact = neighbours(made)
    pairs = np.concatenate([pairs, pairs[:, ::-1]]) - 1
    contact = np.tile(contact, 2)
    mixed = (made.phase_ids[pairs] == (2, 1)).all(axis=1)
    pairs, contact = pairs[mixed], contact[mixed]
    order = np.lexsort((contact, pairs[:, 0]))
    second, last = np.unique(pairs[order, 0][::-1], return_index=True)
    parent = pairs[order, 1][::-1][last]
    quaternions = made.quaternions.copy()
    variant = relation.variants[rng.integers(len(relation.variants), size=len(second))]
    quaternions[second] = rotation.multiply(variant, quaternions[parent])
    return reoriented(made, quaternions)


def inclined(shape: tuple[int, int, int], seed: int) -> GrainVolume:
    """Make equiaxed cells and shear them along x, by half a voxel for each in y."""
    made = equiaxed(shape, seed)
    z, y, x = np.indices(shape)
    return _taken(made, np.asarray(np.ravel_multi_index((z, y, (x + y // 2) % shape[2]), shape)))


MATERIALS = (
    Material(
        "twinned", twinned, {
            "twins lost": (twins_lost, ("special_share", "special_worst")),
            "twins at 55 degrees": (twins_at_55_degrees, ("special_deviation", "boundary_angle")),
        },
    ),
    Material(
        "small second phase", small_second_phase, {
            "fractions wrong": (fractions_wrong, ("phase_fraction_worst",)),
            "phase collapsed": (phase_collapsed, ("phase_fractions", "phase_fraction_worst")),
            "phases whatever the size": (phases_by_chance, ("phase_mean_size",)),
            "phases apart": (phases_apart, ("phase_contacts",)),
        },
    ),
    Material("related phases", related_phases, {"relation lost": (relation_lost, ("special_between_phases",))}),
    Material(
        "equiaxed", equiaxed, {
            "ragged": (ragged, ("raggedness",)),
            "edges along the axes": (along_axes, ("raggedness", "straight_steps")),
            "a patch copied": (patch_copied, ("copies",)),
            "graded": (graded, ("place_boundaries",)),
        },
    ),
    Material("inclined", inclined, {"leaning the other way": (leaning_back, ("elongation",))}, normals="z"),
    Material(
        "equiaxed, against the truth", equiaxed,
        {"the small half lost": (small_half_lost, ("grain_size_number", "triple_points"))}, against_truth=True,
    ),
)  # fmt: skip
"""Materials and what is done to them."""


def judged(
    material: Material, seed: int, *, size: int = 32, side: int = 128, windows: int = 40, damaged: bool = True
) -> dict[str, Validation]:
    """Validate a true block of a material, and the block after each damage.

    Parameters
    ----------
    material : Material
    seed : int
    size : int
        Voxels along a side of the block.
    side : int
        Points along a side of the map.
    windows : int
    damaged : bool
        Whether the block is damaged as well.

    Returns
    -------
    dict of str to Validation
        By the damage; ``""`` for the block itself.
    """
    rng = np.random.default_rng(seed)
    reference: GrainVolume | OrientationMap | dict[str, OrientationMap]
    if material.against_truth:
        specimen = material.make((size, 2 * size, 3 * size), seed)
        reference = block(specimen, (0, 0, 0), (size, 2 * size, 2 * size))
        true = block(specimen, (0, 0, 2 * size), (size,) * 3)
    else:
        specimen = material.make((size + 8, side, side), seed)
        scan = section(specimen, 0)
        reference = scan if material.normals == "zyx" else dict.fromkeys(material.normals, scan)
        corner = rng.integers(0, side - size, size=2)
        true = block(specimen, (8, int(corner[0]), int(corner[1])), (size,) * 3)
    volumes = {"": true}
    if damaged:
        volumes |= {name: damage(true, rng) for name, (damage, _) in material.damages.items()}
    return {name: validate(reference, volume, windows=windows) for name, volume in volumes.items()}


def main(seeds: int = 20, size: int = 32, side: int = 128, names: tuple[str, ...] = ()) -> str:
    """Judge all materials; return a table."""
    lines = [
        "| material | volume | refused | by name (median value / limit) | far beyond a limit | warn, median | worst |",
        "|---|---|---|---|---|---|---|",
    ]
    for material in MATERIALS:
        if names and material.name not in names:
            continue
        start = time.process_time()
        found: dict[str, list[Validation]] = {}
        for seed in range(seeds):
            for name, validation in judged(
                material, 100 + seed, size=size, side=side, damaged=4 * seed < seeds
            ).items():
                found.setdefault(name, []).append(validation)
        for name, all_of in found.items():
            keys = material.damages[name][1] if name else ()
            told = ", ".join(f"{key} {_told(all_of, key)}" for key in keys)
            far: dict[str, int] = {}
            for validation in all_of:
                for row in validation.far_off:
                    far[row.key] = far.get(row.key, 0) + 1
            shown = ", ".join(f"{key} {number}" for key, number in sorted(far.items(), key=lambda item: -item[1]))
            warned = np.median([len(validation.warned) for validation in all_of])
            refused = sum(validation.refused for validation in all_of)
            lines.append(
                f"| {material.name} | {name or 'true block'} | {refused} of {len(all_of)} | {told} | {shown} "
                f"| {warned:g} of {all_of[0].compared} | {_worst(all_of)} |"
            )
            print(lines[-1], flush=True)
        print(f"{material.name}: {time.process_time() - start:.0f} s", flush=True)
    return "\n".join(lines)


def _worst(all_of: list[Validation]) -> str:
    """The metric that is farthest beyond its limit in any of the validations."""
    ratio, key = max(
        (row.value / row.limit, row.key)
        for validation in all_of
        for row in validation.results
        if row.value is not None and row.limit and not row.higher_is_better
    )
    return f"{ratio:.1f} {key}"


def _told(all_of: list[Validation], key: str) -> str:
    rows = [validation[key] for validation in all_of]
    ratios = [row.value / row.limit for row in rows if row.value is not None and row.limit]
    warned = sum(row.verdict == "warn" for row in rows)
    return f"{warned} ({np.median(ratios):.1f})" if ratios else f"{warned}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--material", action="append", default=[])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    text = main(options.seeds, options.size, options.side, tuple(options.material))
    if options.output is not None:
        options.output.write_text(text + "\n", encoding="utf-8")
