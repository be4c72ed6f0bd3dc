"""Volumes that are wrong in one way are refused by the metric that tells it; blocks of the material are not."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from polyrve.validation.comparison import compare
from polyrve.validation.metrics import metrics
from polyrve.validation.run import _row

PATH = Path(__file__).resolve().parents[3] / "examples" / "wrong_volumes.py"


def load():
    spec = importlib.util.spec_from_file_location("wrong_volumes", PATH)
    example = importlib.util.module_from_spec(spec)
    sys.modules["wrong_volumes"] = example
    spec.loader.exec_module(example)
    return example


wrong = load()

MATERIALS = {material.name: material for material in wrong.MATERIALS}


@pytest.fixture(scope="module", params=sorted(MATERIALS))
def case(request):
    """A material, the reference, a true block and the rows of the true block that are asked for."""
    material = MATERIALS[request.param]
    size = 28
    if material.against_truth:
        specimen = material.make((size, 40, 40 + size), 3)
        return (
            material,
            wrong.block(specimen, (0, 0, 0), (size, 40, 40)),
            wrong.block(specimen, (0, 0, 40), (size,) * 3),
        )
    specimen = material.make((size + 8, 80, 80), 3)
    scan = wrong.section(specimen, 0)
    reference = scan if material.normals == "zyx" else dict.fromkeys(material.normals, scan)
    return material, reference, wrong.block(specimen, (8, 20, 30), (size,) * 3)


def rows(material, reference, volume, keys):
    comparison = compare(reference, volume, windows=20)
    listed = metrics(comparison.lag, volumes=material.against_truth)
    return [_row(metric, comparison) for metric in listed if metric.key in keys]


def test_each_wrong_volume_fails_by_name_and_the_block_does_not(case):
    material, reference, block = case
    keys = {key for _, keys in material.damages.values() for key in keys}
    assert {row.key: row.verdict for row in rows(material, reference, block, keys)} == dict.fromkeys(keys, "pass")
    rng = np.random.default_rng(1)
    for name, (damage, named) in material.damages.items():
        found = rows(material, reference, damage(block, rng), named)
        assert {row.verdict for row in found} == {"warn"}, (name, [(row.key, row.value, row.limit) for row in found])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MATERIALS))
def test_blocks_of_the_material_are_not_refused(name):
    validations = [wrong.judged(MATERIALS[name], seed, side=96, damaged=False)[""] for seed in range(100, 120)]
    refused = [validation.headline for validation in validations if validation.refused]
    assert len(refused) <= 1, refused
