import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.spatial.transform import Rotation

from polyrve.adapters.solvers.damask_crystals import crystal
from polyrve.crystallography.crystal import kelvin_rotations, stiffness, to_kelvin, young_moduli

PAIRS = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]


def full_tensor(kelvin):
    """C_ijkl of a stiffness in Kelvin's notation, component by component."""
    tensor = np.empty((3, 3, 3, 3))
    for a, (i, j) in enumerate(PAIRS):
        for b, (k, m) in enumerate(PAIRS):
            value = kelvin[a, b] / np.sqrt((1 + (a > 2)) * (1 + (b > 2)))
            for first in ((i, j), (j, i)):
                for second in ((k, m), (m, k)):
                    tensor[(*first, *second)] = value
    return tensor


@pytest.mark.parametrize("name", ["Cu", "Mg"])
def test_rotations_of_a_stiffness_are_those_of_its_tensor(name):
    own = crystal(name).stiffness
    R = Rotation.random(3, random_state=4).as_matrix()
    for Q, r in zip(kelvin_rotations(R), R, strict=True):
        np.testing.assert_allclose(Q @ Q.T, np.eye(6), atol=1e-14)
        expected = np.einsum("ia,jb,kc,md,abcd", r, r, r, r, full_tensor(own))
        np.testing.assert_allclose(full_tensor(Q @ own @ Q.T), expected, atol=1e-4 * own.max() * 1e-8)


def test_rotations_of_a_strain_are_those_of_its_tensor():
    R, e = Rotation.random(5, random_state=2).as_matrix(), np.array([[1.0, 2, 3], [2, 4, 5], [3, 5, 6]])
    np.testing.assert_allclose(kelvin_rotations(R) @ to_kelvin(e), to_kelvin(R @ e @ R.swapaxes(1, 2)), atol=1e-13)


def test_moduli_of_a_copper_crystal_along_its_directions():
    """Nye, Physical Properties of Crystals, p. 145: 1/E = s11 - 2 (s11 - s12 - s44/2) (l^2 m^2 + m^2 n^2 + n^2 l^2)."""
    c11, c12, c44 = 168.9e9, 121.8e9, 75.8e9
    s11 = (c11 + c12) / ((c11 - c12) * (c11 + 2 * c12))
    s12, s44 = -c12 / ((c11 - c12) * (c11 + 2 * c12)), 1 / c44
    C = stiffness("cF", {"C_11": c11, "C_12": c12, "C_44": c44})
    R = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]]) / np.sqrt([[3], [2], [6]])
    Q = kelvin_rotations(R[None])[0]
    terms = np.array([1 / 3, 1 / 4, 1 / 36 + 4 / 36 + 4 / 36])
    np.testing.assert_allclose(young_moduli(Q @ C @ Q.T), 1 / (s11 - 2 * (s11 - s12 - s44 / 2) * terms), rtol=1e-12)


@pytest.mark.parametrize("lattice", ["cF", "hP", "tI"])
def test_missing_and_unstable_constants_are_refused(lattice):
    with pytest.raises(ValueError, match="C_44"):
        stiffness(lattice, {"C_11": 1.0, "C_12": 0.5, "C_13": 0.5, "C_33": 1.0, "C_66": 1.0})
    with pytest.raises(ValueError, match="stable"):
        stiffness(lattice, {"C_11": 1.0, "C_12": 2.0, "C_13": 0.5, "C_33": 1.0, "C_44": 1.0, "C_66": 1.0})


def test_the_yield_surface_of_face_centred_cubic_slip_has_56_vertices():
    """Bishop and Hill (1951): 56 stress states that activate five systems or more; a third of them 6 or 8 systems."""
    slip = crystal("Al")
    assert slip.vertices.shape == (56, 6)
    symmetric = (slip.schmid + slip.schmid.swapaxes(1, 2)) / 2
    loads = np.abs(slip.vertices @ to_kelvin(symmetric).T)
    assert loads.max() == pytest.approx(1.0)
    active = (loads > 1 - 1e-6).sum(axis=1)
    assert sorted(set(active.tolist())) == [6, 8]


@pytest.mark.parametrize("name", ["Fe", "Mg", "Ti"])
def test_work_over_the_vertices_is_the_least_shear_of_a_linear_program(name):
    """Taylor's problem as HiGHS solves it: least sum of resistance times shear over all shears that give a strain."""
    slip = crystal(name)
    rng = np.random.default_rng(7)
    symmetric = to_kelvin((slip.schmid + slip.schmid.swapaxes(1, 2)) / 2)
    both = np.concatenate([symmetric, -symmetric[~slip.one_sided]])
    cost = np.concatenate([slip.resistance, slip.resistance[~slip.one_sided]]) / slip.softest
    for _ in range(6):
        strain = rng.standard_normal((3, 3))
        strain = strain + strain.T
        strain = to_kelvin(strain - np.eye(3) * np.trace(strain) / 3)
        least = linprog(cost, A_eq=both.T[:5], b_eq=strain[:5], method="highs")
        both_ways = linprog(cost, A_eq=both.T, b_eq=strain, method="highs")
        best = both_ways if both_ways.success else least
        assert (slip.vertices @ strain).max() == pytest.approx(best.fun, rel=1e-7)


def test_systems_that_cannot_give_every_strain_have_no_vertices():
    from dataclasses import replace

    basal = crystal("Mg")
    basal = replace(
        basal, schmid=basal.schmid[:3], resistance=basal.resistance[:3], one_sided=basal.one_sided[:3]
    )  # fmt: skip
    assert basal.vertices.shape == (0, 6)
