import numpy as np
import pytest

from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import twin
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.special_boundaries import boundary_pairs, find_relations
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

SIGMA_3 = twin(ALUMINIUM, plane=(1, 1, 1), name="Sigma 3")


def pairs_of(field):
    angles = {axis: neighbour_disorientation(field, axis) for axis in range(len(field.shape))}
    return boundary_pairs(field.quaternions, field.phase_ids, field.phases, angles, 5.0)


def map_of(**options):
    return make_specimen((16, 72, 80), grain_size=9.0, scatter=0.3, seed=3, **options).field.section(0, 5)


def test_twins_of_a_specimen_are_found_and_counted():
    twinned, plain = (map_of(twins=share, texture="random") for share in (0.6, 0.0))
    assert [relation.name for relation in find_relations(segment(twinned))] == ["Sigma 3"]
    assert find_relations(segment(plain)) == ()
    assert pairs_of(twinned).share(SIGMA_3) > 0.2
    assert pairs_of(plain).share(SIGMA_3) < 0.04


def test_share_is_that_of_the_links_between_a_grain_and_its_twin():
    field = map_of(twins=0.6, texture="random")
    pairs = pairs_of(field)
    deviation = SIGMA_3.deviation(pairs.first, pairs.second)
    assert pairs.share(SIGMA_3) == pytest.approx((deviation <= SIGMA_3.tolerance).mean())


def test_a_relation_that_nobody_named_is_found_by_axis_and_angle():
    """Twins about <10-12> normals of a hexagonal crystal whose c/a makes the angle unlike any that is known."""
    odd = Phase("odd", "6/mmm", (3.0, 3.0, 6.6, 90, 90, 120))
    field = map_of(twins=0.7, texture="random", phases=(odd,), twin_normal=(0.6, 0.0, 0.8))
    found = find_relations(segment(field))
    assert len(found) == 1
    assert "deg about" in found[0].name
    turned = np.array([0.0, 0.6, 0.0, 0.8])
    assert found[0].deviation(np.array([[1.0, 0, 0, 0]]), turned[None])[0] < 1.0


def test_relations_between_phases_are_told_from_those_within():
    field = map_of(phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.5, 0.5), texture="random")
    pairs = pairs_of(field)
    assert (pairs.first_phase <= pairs.second_phase).all()
    between = pairs.between(ALUMINIUM, MAGNESIUM)
    assert between.any()
    assert not between.all()
