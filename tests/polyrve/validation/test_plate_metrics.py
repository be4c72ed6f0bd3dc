"""Metrics of plates and parents: the truth passes, and what differs in one way fails by name."""

from dataclasses import replace

import numpy as np
import pytest

from polyrve import make_specimen, make_twinned_specimen
from polyrve.crystallography import rotation
from polyrve.crystallography.special_relations import plane_normal
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.parents import find_parents
from polyrve.microstructure.synthetic import ALUMINIUM
from polyrve.microstructure.twinned import NICKEL
from polyrve.validation.comparison import compare
from polyrve.validation.metrics.plates import METRICS
from polyrve.validation.plate_statistics import plate_statistics
from polyrve.validation.run import _row

KEYS = [metric.key for metric in METRICS]
LIKE = {"grain_size": 16.0, "thickness": 4.0, "thickness_spread": 0.2, "scatter": 0.2}


@pytest.fixture(scope="module")
def specimen():
    return make_twinned_specimen((34, 90, 96), seed=5, **LIKE)


@pytest.fixture(scope="module")
def scan(specimen):
    return specimen.grains.field.section(0, 0).evolve(periodic=False, properties={})


def rows(scan, volume):
    comparison = compare(scan, volume, windows=12)
    return {metric.key: _row(metric, comparison) for metric in METRICS}


def test_a_block_of_the_material_passes(specimen, scan):
    whole = specimen.grains.field
    cut = slice(4, 34), slice(10, 44), slice(30, 62)
    block = OrientationVolume(whole.quaternions[cut], whole.phase_ids[cut], whole.phases, whole.spacing)
    found = rows(scan, block)
    assert {row.verdict for row in found.values()} == {"pass"}, found
    assert found["plate_coherence"].reference > 0.9
    shown = np.unique(specimen.grains.grain_ids[0])
    assert found["plate_thickness"].reference == pytest.approx(np.nanmean(specimen.thickness[shown - 1]), rel=0.12)


@pytest.mark.parametrize(
    ("key", "other"),
    [
        ("plate_coherence", {"plane": (1, 1, 2)}),
        ("plate_thickness", {"thickness": 9.0, "grain_size": 26.0}),
        ("plate_number", {"plates_per_grain": 0.1}),
    ],
)
def test_plates_that_differ_in_one_way_are_told(specimen, scan, key, other):
    relation = specimen.relation
    if "plane" in other:
        relation = replace(relation, plane=plane_normal(NICKEL, other["plane"]))
    other = {name: value for name, value in other.items() if name != "plane"}
    made = make_twinned_specimen((30, 34, 32), relation=relation, seed=6, **{**LIKE, **other})
    row = rows(scan, made.grains.field)[key]
    assert row.verdict == "warn", (row.value, row.limit)


def test_parents_are_told_by_their_size(scan):
    small = make_twinned_specimen((30, 34, 32), seed=7, **{**LIKE, "grain_size": 7.0})
    row = rows(scan, small.grains.field)["parent_size"]
    assert row.value > 0.6


def test_a_map_without_plates_is_not_compared():
    equiaxed = make_specimen((24, 60, 64), grain_size=9.0, phases=(ALUMINIUM,), seed=1).field
    found = rows(equiaxed.section(0, 0).evolve(periodic=False), equiaxed.evolve(periodic=False))
    assert {row.verdict for row in found.values()} == {"not compared"}
    assert "no special boundaries along the traces of a habit plane" in found["plate_number"].reason


def a_plate(rows_of_plate, columns, shape=(20, 31)):
    """One crystal with a plate in some rows and columns, on the plane normal to y, of which a twin is known."""
    relation = make_twinned_specimen((3, 4, 5), seed=1).relation
    normal = relation.planes[0]
    axis = np.cross(normal, [0.0, 1.0, 0.0])
    axis /= np.linalg.norm(axis)
    to_y = rotation.from_axis_angle(axis, np.arccos(normal[1]))
    parent = rotation.conjugate(to_y)
    if np.abs(rotation.rotate(rotation.conjugate(parent), normal)[1]) < 0.999:
        parent = to_y
    assert np.allclose(np.abs(rotation.rotate(rotation.conjugate(parent), normal)), [0.0, 1.0, 0.0], atol=1e-9)
    quaternions = np.tile(parent, (*shape, 1))
    quaternions[rows_of_plate, columns] = rotation.multiply(relation.variants[0], parent)
    return OrientationMap(quaternions, np.ones(shape, dtype=int), (NICKEL,), (1.0, 1.0)), relation


@pytest.mark.parametrize(("columns", "ends"), [(slice(None), 0), (slice(0, 20), 1), (slice(6, 20), 2)])
def test_a_plate_does_not_end_where_the_border_cuts_it(columns, ends):
    field, relation = a_plate(slice(8, 12), columns)
    found = find_parents(analyse(field).grains, (relation,))
    assert found.plates.thickness == pytest.approx(4.0)
    assert found.plates.free_ends.tolist() == [ends]
    assert (found.coherence[0] == 1.0) == (ends == 0)  # Blunt ends are boundaries beside the plane.


def test_plates_that_the_border_cuts_have_no_thickness_of_their_own():
    field, relation = a_plate(slice(0, 2), slice(None))
    assert np.isnan(plate_statistics(field, relation).thickness)
    inside, _ = a_plate(slice(8, 12), slice(6, 20))
    in_plate = (inside.quaternions != inside.quaternions[0, 0]).any(axis=-1, keepdims=True)
    both = field.evolve(quaternions=np.where(in_plate, inside.quaternions, field.quaternions))
    assert plate_statistics(both, relation).thickness == pytest.approx(4.0)
    assert plate_statistics(both, relation).free_ends == 2.0


def test_the_map_with_its_plates_filled_is_the_parent():
    field, relation = a_plate(slice(8, 12), slice(None))
    grains = analyse(field).grains
    assert isinstance(grains, GrainMap)
    filled = find_parents(grains, (relation,)).field
    assert analyse(filled).grains.number_of_grains == 1
