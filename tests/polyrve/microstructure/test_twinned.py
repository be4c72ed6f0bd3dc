"""The twinned specimen, and parents and plates that a section of it shows."""

import numpy as np
import pytest

from polyrve import make_twinned_specimen, segment
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.special_relations import axis_angle, known_relations, twin
from polyrve.microstructure.grain_properties import unwrapped_points
from polyrve.microstructure.parents import families, find_parents
from polyrve.microstructure.special_boundaries import find_relations
from polyrve.microstructure.synthetic import MAGNESIUM


@pytest.fixture(scope="module")
def specimen():
    shape = (40, 72, 80)
    return make_twinned_specimen(shape, grain_size=22.0, thickness=4.0, thickness_spread=0.1, scatter=0.2, seed=3)


def test_plates_lie_between_parallel_planes_in_the_relation(specimen):
    grains = specimen.grains
    plates = np.flatnonzero(np.isfinite(specimen.thickness))
    assert len(plates) > 5
    points = unwrapped_points(specimen.parent[grains.grain_ids - 1], (0, 1, 2))
    ids = grains.grain_ids.ravel()
    for row in plates:
        height = points[ids == row + 1] @ specimen.normal[row]
        assert np.ptp(height) <= specimen.thickness[row] + 1e-9
    parents = grains.quaternions[specimen.parent[plates] - 1]
    assert specimen.relation.deviation(parents, grains.quaternions[plates]).max() < 1e-4
    # The twin plane is common to both crystals: its normal has the same coordinates in both, but for the symmetry.
    normal = specimen.normal[plates][:, ::-1]
    sides = [np.abs(rotation.rotate(q, normal)) for q in (parents, grains.quaternions[plates])]
    assert np.allclose(sides, 1.0 / np.sqrt(3.0), atol=1e-6)


def test_section_shows_parents_thickness_and_coherence(specimen):
    section = segment(specimen.grains.field.section(0, 2))
    found = find_parents(section, [specimen.relation])
    shown = np.unique(specimen.grains.grain_ids[2])
    parents = len(np.unique(specimen.parent[shown - 1]))
    large = found.area > 10.0
    assert abs(large.sum() - parents) <= 0.25 * parents
    through = found.plates.through & (found.plates.length > 0.5)
    assert abs(np.median(found.plates.thickness[through]) / 4.0 - 1.0) < 0.25
    assert found.coherence[0] > 0.75
    merged = segment(found.field)
    assert merged.number_of_grains < 0.8 * section.number_of_grains


def test_boundaries_against_another_plane_are_not_coherent(specimen):
    section = segment(specimen.grains.field.section(0, 2))
    wrong = twin(specimen.relation.first, plane=(1, 1, 2), name="Sigma 3 on {112}")
    assert find_parents(section, [wrong]).coherence[0] < 0.5


def test_families_join_plates_with_their_parents(specimen):
    family = families(specimen.grains, [specimen.relation], 1.0)
    assert np.array_equal(family, family[specimen.parent - 1])


def test_plates_of_magnesium():
    relation = twin(MAGNESIUM, plane=(1, 0, -1, 2), name="{10-12} twin")
    made = make_twinned_specimen((4, 30, 40), relation=relation, grain_size=16.0, seed=1)
    assert made.grains.field.phases == (MAGNESIUM,)
    assert np.isfinite(made.thickness).any()


RIGHT = (90.0, 90.0, 90.0)
STEEL = (Phase("Austenite", "m-3m", (3.6, 3.6, 3.6, *RIGHT)), Phase("Ferrite", "m-3m", (2.87, 2.87, 2.87, *RIGHT)))
TITANIUM = (
    Phase("beta", "m-3m", (3.31, 3.31, 3.31, *RIGHT)),
    Phase("alpha", "6/mmm", (2.95, 2.95, 4.68, 90.0, 90.0, 120.0)),
)


@pytest.mark.parametrize(
    ("phases", "name", "planes"),
    [
        (STEEL, "Kurdjumov-Sachs", ((1, 1, 1), (0, 1, 1))),
        (STEEL, "Nishiyama-Wassermann", ((1, 1, 1), (0, 1, 1))),
        (TITANIUM, "Burgers", ((0, 1, 1), (0, 0, 1))),
    ],
)
def test_plates_of_a_second_phase_have_parallel_planes_with_their_parents(phases, name, planes):
    relation = next(one for one in known_relations(phases) if one.name == name)
    made = make_twinned_specimen(
        (6, 60, 64), relation=relation, grain_size=18.0, plates_per_grain=4.0, thickness=3.0, scatter=0.2, seed=2
    )
    grains = made.grains
    plates = np.flatnonzero(np.isfinite(made.thickness))
    assert len(plates) > 3
    assert grains.field.phases == phases
    assert np.array_equal(grains.phase_ids == 2, np.isfinite(made.thickness))
    assert np.array_equal(grains.field.phase_ids, grains.phase_ids[grains.grain_ids - 1])
    normal = made.normal[plates][:, ::-1]
    for ids, plane in zip((made.parent[plates], plates + 1), planes, strict=True):
        seen = np.sort(np.abs(rotation.rotate(grains.quaternions[ids - 1], normal)), axis=1)
        assert np.allclose(seen, np.sort(plane) / np.linalg.norm(plane), atol=1e-6)
    section = segment(grains.field.section(0, 2))
    assert name in [one.name for one in find_relations(section)]
    found = find_parents(section, [relation])
    assert set(section.phase_ids[found.plates.grain - 1]) == {2}
    assert found.coherence[0] > 0.9
    # What is left are plates whose parent the section does not show beside them.
    assert (found.field.phase_ids == 2).mean() < 0.2 * (section.field.phase_ids == 2).mean()


def test_arguments_out_of_range():
    with pytest.raises(ValueError, match=r"thickness: .*-1"):
        make_twinned_specimen((3, 4, 5), thickness=-1.0)
    with pytest.raises(ValueError, match="relation: "):
        make_twinned_specimen((3, 4, 5), relation=axis_angle(MAGNESIUM, (0, 0, 0, 1), 30.0))
