import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.crystallography.special_relations import (
    Relation,
    axis_angle,
    basis,
    direction,
    known_relations,
    parallel,
    plane_normal,
    twin,
)

NICKEL = Phase("Ni", "m-3m", (3.52, 3.52, 3.52, 90, 90, 90))
FERRITE = Phase("Ferrite", "m-3m", (2.87, 2.87, 2.87, 90, 90, 90))
MAGNESIUM = Phase("Mg", "6/mmm", (3.209, 3.209, 5.211, 90, 90, 120))
TITANIUM = Phase("Ti", "6/mmm", (2.95, 2.95, 4.683, 90, 90, 120))
MONOCLINIC = Phase("Diopside", "2/m", (9.7, 8.9, 5.3, 90, 106, 90))


@pytest.mark.parametrize(
    ("relation", "degrees", "variants"),
    [
        (twin(NICKEL, plane=(1, 1, 1)), 60.0, 4),
        (axis_angle(NICKEL, (1, 1, 0), 38.9424), 38.94, 12),
        (twin(MAGNESIUM, plane=(1, 0, -1, 2)), 86.3, 6),
        (twin(MAGNESIUM, plane=(1, 0, -1, 1)), 56.2, 6),
        (twin(TITANIUM, plane=(1, 1, -2, 1)), 34.9, 6),
        (twin(TITANIUM, plane=(1, 1, -2, 2)), 64.4, 6),
    ],
)
def test_published_angles_and_variants_of_twins(relation, degrees, variants):
    """Christian and Mahajan (1995), tables 6 and 7, to the 0.1 degrees that they give for the lattice used."""
    assert relation.angle_and_axis[0] == pytest.approx(degrees, abs=0.15)
    order = len(relation.first.symmetry)
    distinct = {tuple(np.round(_parent_variant(relation, s), 6)) for s in relation.first.symmetry}
    assert len(distinct) == variants
    assert len(relation.variants) == variants * order


def _parent_variant(relation, operation):
    """Orientation of a twin of the crystal at the identity, reduced to one representative by brute force."""
    child = rotation.multiply(relation.rotation, operation)
    images = rotation.multiply(relation.second.symmetry, child)
    images = np.where(images[:, :1] < -1e-9, -images, images)
    flat = np.abs(images[:, 0]) < 1e-9
    first = np.array([row[np.flatnonzero(np.abs(row) > 1e-9)[0]] for row in images])
    images = np.where((flat & (first < 0))[:, None], -images, images)
    return max(images.tolist(), key=lambda row: [round(x, 6) for x in row])


def _angles_between_variants(relation):
    """Disorientations of the children of one parent, degrees."""
    children = rotation.multiply(relation.rotation, relation.first.symmetry)
    angles = rotation.disorientation_angle(children[:, None], children[None], relation.second.symmetry)
    return {round(float(x), 1) for x in np.rad2deg(angles).ravel() if x > 1e-3}


def test_variants_of_burgers_have_the_published_disorientations():
    """Wang, Aindow, Starink, Acta Mater. 51 (2003) 2485: 10.53, 60, 60.83, 63.26 and 90 degrees."""
    beta = Phase("beta", "m-3m", (3.3, 3.3, 3.3, 90, 90, 90))
    burgers = parallel(beta, TITANIUM, ((1, 1, 0), (0, 0, 0, 1)), ((1, -1, 1), (1, 1, -2, 0)))
    assert _angles_between_variants(burgers) == {10.5, 60.0, 60.8, 63.3, 90.0}


def test_variants_of_kurdjumov_sachs_have_the_published_disorientations():
    """Morito et al., Acta Mater. 51 (2003) 1789, table 1."""
    (relation,) = [r for r in known_relations((NICKEL, FERRITE)) if r.name == "Kurdjumov-Sachs"]
    assert relation.angle_and_axis[0] == pytest.approx(42.85, abs=0.01)
    expected = {10.5, 14.9, 20.6, 21.1, 47.1, 49.5, 50.5, 51.7, 57.2, 60.0}
    assert _angles_between_variants(relation) == expected


@pytest.mark.parametrize(
    "laues", [("m-3m", "m-3m"), ("6/mmm", "6/mmm"), ("-3m", "-3m"), ("m-3m", "6/mmm"), ("mmm", "2/m")]
)
def test_deviation_is_the_least_over_all_equivalents(laues):
    rng = np.random.default_rng(1)
    first, second = (Phase(f"phase of {laue}", laue) for laue in laues)
    if laues[0] == laues[1]:
        second = first
    turn = rotation.random_orientations((), rng)
    relation = Relation("", first, second, turn)
    a, b = rotation.random_orientations(20, rng), rotation.random_orientations(20, rng)
    least = np.full(20, np.inf)
    for goal in [turn, rotation.conjugate(turn)] if relation.twin else [turn]:
        for s in first.symmetry:
            for t in second.symmetry:
                misorientation = rotation.multiply(rotation.multiply(t, b), rotation.conjugate(rotation.multiply(s, a)))
                cosine = np.abs(misorientation @ goal)
                least = np.minimum(least, 2.0 * np.arccos(np.minimum(cosine, 1.0)))
    np.testing.assert_allclose(relation.deviation(a, b), np.rad2deg(least), atol=1e-6)


def test_pairs_in_relation_deviate_by_nothing_whatever_their_equivalents():
    rng = np.random.default_rng(2)
    relation = parallel(NICKEL, MAGNESIUM, ((1, 1, 0), (0, 0, 0, 1)), ((1, -1, 1), (1, 1, -2, 0)))
    parents = rotation.random_orientations(30, rng)
    children = rotation.multiply(relation.rotation, parents)
    s = NICKEL.symmetry[rng.integers(24, size=30)]
    t = MAGNESIUM.symmetry[rng.integers(12, size=30)]
    found = relation.deviation(rotation.multiply(s, parents), rotation.multiply(t, children))
    np.testing.assert_allclose(found, 0.0, atol=5e-6)


def test_plane_of_a_variant_is_the_plane_that_both_twins_share():
    relation = twin(MAGNESIUM, plane=(1, 0, -1, 2))
    for variant, plane in zip(relation.variants, relation.planes, strict=True):
        image = rotation.rotate(variant, plane)
        shared = [abs(image @ rotation.rotate(s, relation.plane)) for s in MAGNESIUM.symmetry]
        assert max(shared) == pytest.approx(1.0, abs=1e-9)


def test_directions_and_planes_of_an_oblique_lattice():
    a, _, c = basis(MONOCLINIC)
    assert np.linalg.norm(a) == pytest.approx(9.7)
    assert np.rad2deg(np.arccos(a @ c / 9.7 / 5.3)) == pytest.approx(106.0)
    for hkl, uvw in (((1, 0, 0), (0, 1, 1)), ((1, 1, -2), (1, 1, 1)), ((0, 0, 1), (3, -2, 0))):
        assert plane_normal(MONOCLINIC, hkl) @ direction(MONOCLINIC, uvw) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (
            lambda: twin(NICKEL, plane=(1, 0, 0)),
            r"twin: expected a rotation that is no symmetry of 'Ni'; got \(1, 0, 0\)",
        ),
        (lambda: twin(NICKEL), "twin: expected a plane or a direction.*neither"),
        (
            lambda: parallel(NICKEL, FERRITE, ((1, 1, 1), (0, 1, 1)), ((1, 0, 0), (1, 1, -1))),
            r"within the plane \(1, 1, 1\); got \(1, 0, 0\)",
        ),
        (lambda: twin(Phase("x", "mmm"), plane=(1, 1, 0)), "lattice of phase 'x': expected lengths"),
    ],
)
def test_relations_that_are_none_are_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_relations_are_known_without_a_lattice(laue):
    for relation in known_relations((Phase("x", laue),)):
        assert relation.angle_and_axis[0] > 15.0
