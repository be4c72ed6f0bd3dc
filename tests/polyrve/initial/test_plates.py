"""Plates set into cells: amount, relation, straight sides, and bad input."""

import numpy as np
import pytest

from polyrve import make_specimen, make_twinned_specimen, segment, simulate_scan
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import known_relations
from polyrve.initial.plates import parents_of, relations_with_plates, set_plates
from polyrve.initial.polycrystal import TOGETHER, turn_grains
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grain_properties import neighbours
from polyrve.microstructure.laguerre import laguerre_tessellation, voxel_centres
from polyrve.microstructure.map_analysis import analyse_all

BETA = Phase("beta", "m-3m", (3.31, 3.31, 3.31, 90.0, 90.0, 90.0))
ALPHA = Phase("alpha", "6/mmm", (2.95, 2.95, 4.68, 90.0, 90.0, 120.0))


@pytest.fixture(scope="module")
def maps():
    specimen = make_twinned_specimen((4, 110, 120), grain_size=24.0, thickness=4.0, plates_per_grain=2.0, seed=3)
    return analyse_all({0: simulate_scan(specimen.grains, misindexed=0.0, unindexed=0.0)})


@pytest.fixture(scope="module")
def made(maps):
    relations = relations_with_plates(maps, "auto")
    parents = [one for some in parents_of(maps, relations).values() for one in some]
    rng = np.random.default_rng(0)
    shape = (30, 32, 34)
    cells = laguerre_tessellation(shape, (14.0,) * 3, 0.3, rng).cells(voxel_centres(shape, (1.0,) * 3))
    cells = np.unique(cells, return_inverse=True)[1].reshape(shape)
    number = cells.max() + 1
    chosen = parents[0].quaternions[rng.integers(len(parents[0].area), size=number)]
    return relations, parents, cells, chosen, set_plates(
        cells, chosen, np.ones(number, dtype=int), parents, (1.0,) * 3, True, rng
    )  # fmt: skip


def test_auto_finds_sigma_3(maps):
    assert [relation.name for relation in relations_with_plates(maps, "auto")] == ["Sigma 3"]
    assert relations_with_plates(maps, "none") == ()
    assert [relation.name for relation in relations_with_plates(maps, "Sigma 3")] == ["Sigma 3"]


def test_plates_have_the_share_of_the_map(made):
    _, parents, cells, chosen, (labels, _, _) = made
    plates = parents[0].plates
    area = parents[0].area
    first = plates.host == -1
    wanted = (plates.share * area[plates.parent])[first].sum() / area.sum()
    assert np.isclose((labels >= len(chosen)).mean(), wanted, rtol=0.2)
    assert np.array_equal(labels[labels < len(chosen)], cells[labels < len(chosen)])


def test_plates_are_in_the_relation_with_what_is_around_them(made):
    relations, parents, _, _, (labels, quaternions, phase_ids) = made
    assert len(quaternions) == len(phase_ids) == labels.max() + 1
    ids = np.ones(labels.shape, dtype=int)
    volume = OrientationVolume(quaternions[labels], ids, parents[0].field.phases, (1.0,) * 3)
    grains = segment(volume)
    pairs, contact = neighbours(grains)
    deviation = relations[0].deviation(grains.quaternions[pairs[:, 0] - 1], grains.quaternions[pairs[:, 1] - 1])
    special = contact[deviation < 1e-3].sum() / contact.sum()
    assert special > 0.1  # None without plates: orientations of cells are random.


def test_turning_keeps_the_relation(made):
    relations, parents, _, _, (labels, quaternions, _) = made
    ids = np.ones(labels.shape, dtype=int)
    before = OrientationVolume(quaternions[labels], ids, parents[0].field.phases, (1.0,) * 3, periodic=True)
    rng = np.random.default_rng(1)
    turns = rotation.from_rotation_vector(np.deg2rad(6.0) * rng.standard_normal((len(quaternions), 3)))
    after = before.evolve(quaternions=rotation.multiply(quaternions, turns)[labels])

    def special(volume):
        grains = segment(volume)
        pairs, contact = neighbours(grains)
        away = relations[0].deviation(*(grains.quaternions[pairs[:, i] - 1] for i in (0, 1)))
        return contact[away < TOGETHER].sum() / contact.sum()

    apart, together = (special(turn_grains(before, after, kept)) for kept in ((), relations))
    assert together > 0.95 * special(before)
    assert apart < 0.5 * special(before)


@pytest.mark.parametrize(
    ("twins", "message"),
    [
        ("Sigma3", r"twins: expected auto.*Sigma 3"),
        ("Sigma 7 (1 1 1)", r"twins: expected a relation that boundaries have.*'Sigma 7'"),
        ("Sigma 5", r"twins: expected a relation with a habit plane.*'Sigma 5'"),
        ("Sigma 3 (1 1 2)", r"twins: expected boundaries along the traces.*"),
        ("Sigma 3 (a b c)", r"twins: expected a plane.*"),
    ],
)
def test_bad_names(maps, twins, message):
    with pytest.raises(ValueError, match=message) as error:
        relations_with_plates(maps, twins)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def burgers():
    relation = next(one for one in known_relations((BETA, ALPHA)) if one.name == "Burgers")
    specimen = make_twinned_specimen(
        (4, 90, 100), relation=relation, grain_size=24.0, thickness=4.0, plates_per_grain=2.5, seed=3
    )
    return analyse_all({0: simulate_scan(specimen.grains, misindexed=0.0, unindexed=0.0)})


def test_plates_of_a_second_phase_keep_relation_and_phase(burgers):
    relations = relations_with_plates(burgers, "auto")
    assert [relation.name for relation in relations] == ["Burgers"]
    parents = [one for some in parents_of(burgers, relations).values() for one in some]
    assert set(parents[0].phase_ids) == {1}
    rng = np.random.default_rng(0)
    cells = np.indices((20, 22, 24))[2] // 12
    chosen = parents[0].quaternions[np.argsort(-parents[0].area)[:2]]
    ids = np.ones(2, dtype=int)
    labels, quaternions, phase_ids = set_plates(cells, chosen, ids, parents, (1.0,) * 3, False, rng)
    plates = phase_ids == 2
    assert plates.sum() > 2
    assert plates[labels].mean() == pytest.approx((burgers[0][0].field.phase_ids == 2).mean(), abs=0.12)
    away = [relations[0].deviation(np.broadcast_to(q, quaternions[plates].shape), quaternions[plates]) for q in chosen]
    assert np.min(away, axis=0).max() < 1e-3


@pytest.mark.parametrize(
    ("twins", "message"),
    [
        ("Kurdjumov-Sachs", r"twins: expected auto.*Burgers.*got 'Kurdjumov-Sachs'"),
        ("Burgers (1 1 1)", r"twins: expected boundaries along the traces of the habit plane of 'Burgers \(1 1 1\)'"),
        ("{10-12} twin", r"twins: expected a relation that boundaries have.*the map has 'Burgers'"),
    ],
)
def test_bad_names_of_two_phases(burgers, twins, message):
    with pytest.raises(ValueError, match=message) as error:
        relations_with_plates(burgers, twins)
    assert "\n" not in str(error.value)


def test_two_phases_without_a_relation_have_no_plates():
    mixed = make_specimen(
        (4, 60, 60), grain_size=8.0, texture="random", phases=(BETA, ALPHA), phase_fractions=(0.6, 0.4), seed=2
    )
    maps = analyse_all({0: mixed.field.section(0, 0)})
    assert relations_with_plates(maps, "auto") == ()
    with pytest.raises(ValueError, match="the map has none: name another, or none"):
        relations_with_plates(maps, "Burgers")


def test_equiaxed_map_has_no_plates():
    scan = simulate_scan(make_specimen((4, 60, 60), grain_size=10.0, seed=2))
    assert relations_with_plates(analyse_all({0: scan}), "auto") == ()
