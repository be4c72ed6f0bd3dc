import numpy as np
import pytest

from polyrve.adapters.solvers.damask_crystals import crystal
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import symmetry_operations
from polyrve.microstructure.response_bounds import hill_moduli, response_bounds, taylor_stresses


@pytest.fixture(scope="module")
def random_orientations():
    return rotation.random_orientations(20_000, np.random.default_rng(3))


def of_one(q, name, **options):
    return response_bounds(q, np.ones(len(q), int), [crystal(name)], **options)


def test_random_copper_has_the_published_moduli(random_orientations):
    """R. Hill (1952), eqs. for cubic crystals: shear moduli of Voigt and Reuss, K = (C11 + 2 C12) / 3 in both."""
    c11, c12, c44 = 168.9, 121.8, 75.8
    K = (c11 + 2 * c12) / 3
    G_voigt, G_reuss = (c11 - c12 + 3 * c44) / 5, 5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12))
    found = of_one(random_orientations, "Cu")
    for values, G in (
        (found.voigt, G_voigt), (found.reuss, G_reuss), (found.hill, (G_voigt + G_reuss) / 2),
    ):  # fmt: skip
        np.testing.assert_allclose(values / 1e9, 9 * K * G / (3 * K + G), rtol=0.005)


def test_random_face_centred_cubic_has_the_published_taylor_factor(random_orientations):
    """3.067; J. F. W. Bishop, R. Hill, Phil. Mag. 42 (1951) 1298. Those of crystals scatter by 10 %."""
    found = of_one(random_orientations, "Al")
    np.testing.assert_allclose(found.taylor, 3.067, atol=4 * 0.3 / np.sqrt(20_000))
    np.testing.assert_allclose(found.contraction, 0.5, atol=0.02)
    np.testing.assert_allclose(found.flow_stress, found.taylor * 2.69e6)


@pytest.mark.parametrize(
    ("direction", "factor"), [((0, 0, 1), np.sqrt(6)), ((1, 1, 1), 3 * np.sqrt(6) / 2), ((0, 1, 1), np.sqrt(6))]
)
def test_taylor_factors_of_crystals_along_their_directions(direction, factor):
    """<001> has sqrt 6, <111> 3/2 sqrt 6 (Hosford, Mechanics of crystals, 1993); <011> sqrt 6 where free to be
    elliptic, which fibres about the axis are not."""
    u = np.array(direction) / np.linalg.norm(direction)
    axis = np.cross([1.0, 0, 0], u)
    turn = rotation.from_axis_angle(axis / np.linalg.norm(axis), np.arccos(u[0]))
    q = turn[None] if rotation.rotate(turn, np.array([1.0, 0, 0])) @ u > 0.999 else rotation.conjugate(turn)[None]
    np.testing.assert_allclose(rotation.rotate(q[0], np.array([1.0, 0, 0])), u, atol=1e-12)
    value = of_one(q, "Al").taylor[0]
    assert value == pytest.approx(factor, rel=2e-3) if direction != (0, 1, 1) else factor <= value <= 1.5 * factor


def test_symmetric_equivalents_and_repeated_points_change_nothing():
    q = rotation.random_orientations(7, np.random.default_rng(1))
    ops = symmetry_operations("6/mmm")[np.arange(7) % 12]
    twice = np.concatenate([q, rotation.multiply(ops, q)])
    first, second = of_one(q, "Mg"), of_one(twice, "Mg")
    np.testing.assert_allclose(first.hill, second.hill)
    np.testing.assert_allclose(first.taylor, second.taylor)
    assert (first.reuss <= first.hill).all()
    assert (first.hill <= first.voigt).all()


def test_twins_make_compression_another_than_tension():
    """Magnesium with c along z extends by {10-12} twins along c, and is far harder when compressed along it."""
    q = rotation.from_euler(np.deg2rad(np.column_stack([np.arange(0, 60, 10.0), np.full(6, 3.0), np.zeros(6)])))
    tension, compression = of_one(q, "Mg").taylor, of_one(q, "Mg", compression=True).taylor
    assert tension[2] < 0.7 * compression[2]


def test_volumes_weigh_the_phases():
    q = rotation.random_orientations(400, np.random.default_rng(5))
    phases = np.repeat([1, 2], [300, 100])
    both = [crystal("Cu"), crystal("Ni-estimate")]
    mixed = response_bounds(q, phases, both)
    ends = [response_bounds(q[phases == n], phases[phases == n], both) for n in (1, 2)]
    assert (mixed.hill > ends[0].hill * 0.9).all()
    assert (mixed.hill < ends[1].hill).all()
    assert taylor_stresses(q, phases, both)[0] >= 0.75 * ends[0].flow_stress[0] + 0.25 * ends[1].flow_stress[0] - 1.0


def test_the_standard_error_is_the_scatter_of_specimens():
    """Of 40 specimens of 50 grains each the figures scatter as one of them says."""
    rng = np.random.default_rng(11)
    copper = [crystal("Cu")]
    size = rng.integers(1, 20, 50)
    ids = np.repeat(np.arange(1, 51), size)
    found = []
    for _ in range(40):
        q = rotation.random_orientations(50, rng)[ids - 1]
        bounds = response_bounds(q, np.ones(len(q), int), copper, ids)
        found.append((bounds.hill[0], bounds.taylor[0], bounds.hill_error[0], bounds.taylor_error[0]))
    hill, taylor, hill_error, taylor_error = np.array(found).T
    assert bounds.grains == 50
    assert np.mean(hill_error) == pytest.approx(hill.std() / hill.mean(), rel=0.35)
    assert np.mean(taylor_error) == pytest.approx(taylor.std() / taylor.mean(), rel=0.35)


def test_many_orientations_are_thinned_evenly(random_orientations):
    q = np.concatenate([random_orientations, rotation.random_orientations(30_000, np.random.default_rng(8))])
    every, chosen = of_one(random_orientations, "Cu").hill, of_one(q, "Cu").hill
    np.testing.assert_allclose(chosen, every, rtol=0.01)


def test_points_without_a_phase_are_left_out():
    q = rotation.random_orientations(20, np.random.default_rng(2))
    phases = np.repeat([1, 0], [12, 8])
    np.testing.assert_allclose(
        hill_moduli(q, phases, [crystal("Al")]), hill_moduli(q[:12], phases[:12], [crystal("Al")])
    )
    with pytest.raises(ValueError, match="at least one point"):
        hill_moduli(q, phases * 0, [crystal("Al")])
