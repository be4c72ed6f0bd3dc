import numpy as np
import pytest

from polyrve.crystallography.phase import VOID, Phase
from polyrve.microstructure.outer_shape import fill_shape, largest_box, material_of
from polyrve.microstructure.synthetic import make_specimen


@pytest.fixture(scope="module")
def specimen():
    return make_specimen((12, 14, 16), grain_size=6.0, seed=2)


@pytest.fixture(scope="module")
def ellipsoid():
    shape = (12, 14, 16)
    middle, half = (np.array(values).reshape(3, 1, 1, 1) for values in ([5.5, 6.5, 7.5], [6.0, 7.0, 8.0]))
    return np.sum(((np.indices(shape) - middle) / half) ** 2, axis=0) <= 1.0


def test_a_body_is_counted_within_a_box_of_it(specimen, ellipsoid):
    body = fill_shape(specimen, ellipsoid, Phase(VOID)).field
    box = largest_box(ellipsoid)
    assert ellipsoid[box].all()
    found = material_of(body)
    assert found.indexed.all()
    assert [phase.name for phase in found.phases] == ["Aluminium"]
    np.testing.assert_array_equal(found.quaternions, specimen.field.quaternions[box])
    unsaid = material_of(body.evolve(provenance={}))
    np.testing.assert_array_equal(unsaid.quaternions, found.quaternions)


def test_no_layer_can_be_added_to_the_box(ellipsoid):
    box = largest_box(ellipsoid)
    for axis in range(3):
        for low, high in ((1, 0), (0, 1)):
            larger = list(box)
            larger[axis] = slice(box[axis].start - low, box[axis].stop + high)
            assert not ellipsoid[tuple(larger)].all()


def test_voids_are_holes_of_the_material(specimen):
    hole = np.zeros(specimen.field.shape, dtype=bool)
    hole[4:7, 5:8, 5:9] = True
    ids = np.where(hole, 2, 1)
    porous = specimen.field.evolve(phase_ids=ids, phases=(*specimen.field.phases, Phase(VOID)))
    found = material_of(porous)
    assert found.periodic
    np.testing.assert_array_equal(found.indexed, ~hole)
    assert material_of(specimen.field) is specimen.field
