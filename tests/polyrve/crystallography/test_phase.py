"""Laue groups: closure, the axes of the documented crystal frame, third parties, and bad input."""

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase, laue_group, symmetry_operations

LATTICES = {
    "-1": (3.0, 4.0, 5.0, 95.0, 103.0, 81.0),
    "2/m": (3.0, 4.0, 5.0, 90.0, 103.0, 90.0),
    "mmm": (3.0, 4.0, 5.0, 90.0, 90.0, 90.0),
    "4/m": (3.0, 3.0, 5.0, 90.0, 90.0, 90.0),
    "4/mmm": (3.0, 3.0, 5.0, 90.0, 90.0, 90.0),
    "-3": (3.0, 3.0, 5.0, 90.0, 90.0, 120.0),
    "-3m": (3.0, 3.0, 5.0, 90.0, 90.0, 120.0),
    "6/m": (3.0, 3.0, 5.0, 90.0, 90.0, 120.0),
    "6/mmm": (3.0, 3.0, 5.0, 90.0, 90.0, 120.0),
    "m-3": (3.0, 3.0, 3.0, 90.0, 90.0, 90.0),
    "m-3m": (3.0, 3.0, 3.0, 90.0, 90.0, 90.0),
}
HOLOHEDRIES = {"-1": 1, "2/m": 2, "mmm": 4, "4/mmm": 8, "6/mmm": 12, "m-3m": 24}


def lattice_basis(a, b, c, alpha, beta, gamma):
    """Columns a, b, c in the crystal frame x || a, z || c*."""
    alpha, beta, gamma = np.deg2rad([alpha, beta, gamma])
    cx = c * np.cos(beta)
    cy = c * (np.cos(alpha) - np.cos(beta) * np.cos(gamma)) / np.sin(gamma)
    return np.array(
        [[a, b * np.cos(gamma), cx], [0.0, b * np.sin(gamma), cy], [0.0, 0.0, np.sqrt(c * c - cx * cx - cy * cy)]]
    )


def rotation_axes(laue, fold):
    """Axes (n, 3) of the rotations by 360 degrees / fold, up to sign."""
    operations = symmetry_operations(laue)
    cosine = np.cos(np.pi / fold)
    chosen = operations[np.abs(np.abs(operations[:, 0]) - cosine) < 1e-9]
    return chosen[:, 1:] / np.linalg.norm(chosen[:, 1:], axis=1, keepdims=True)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_group_axioms(laue):
    operations = symmetry_operations(laue)
    np.testing.assert_allclose(np.linalg.norm(operations, axis=1), 1.0, rtol=0, atol=4 * np.finfo(float).eps)
    np.testing.assert_array_equal(operations[0], [1.0, 0.0, 0.0, 0.0])
    overlap = np.abs(operations @ operations.T)
    np.testing.assert_array_less(overlap - np.eye(len(operations)), 0.9)
    products = rotation.multiply(operations[:, None], operations).reshape(-1, 4)
    closeness = np.abs(products @ operations.T)
    np.testing.assert_allclose(closeness.max(axis=1), 1.0, rtol=0, atol=1e-14)
    inverses = np.abs(rotation.conjugate(operations) @ operations.T)
    np.testing.assert_allclose(inverses.max(axis=1), 1.0, rtol=0, atol=1e-14)
    assert not operations.flags.writeable


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_operations_map_the_lattice_onto_itself(laue):
    """In the documented frame, x || a and z || c*, every operation has an integer matrix in the lattice basis."""
    basis = lattice_basis(*LATTICES[laue])
    integers = np.linalg.inv(basis) @ rotation.to_matrix(symmetry_operations(laue)) @ basis
    np.testing.assert_allclose(integers, np.round(integers), rtol=0, atol=1e-13)
    if laue in HOLOHEDRIES:
        assert len(symmetry_operations(laue)) == HOLOHEDRIES[laue]


def test_axes_of_the_crystal_frame():
    x, y, z = np.eye(3)
    np.testing.assert_allclose(np.abs(rotation_axes("2/m", 2)), [y], atol=1e-15)
    for laue, fold in {"4/m": 4, "4/mmm": 4, "-3": 3, "-3m": 3, "6/m": 6, "6/mmm": 6}.items():
        np.testing.assert_allclose(np.abs(rotation_axes(laue, fold)), [z, z], atol=1e-15)
    twofold = rotation_axes("-3m", 2)
    assert len(twofold) == 3
    assert np.abs(twofold @ x).max() == pytest.approx(1.0)
    assert np.abs(twofold @ y).max() == pytest.approx(np.sqrt(3) / 2)
    assert sorted(np.abs(rotation_axes("mmm", 2)).tolist()) == [[0, 0, 1], [0, 1, 0], [1, 0, 0]]
    assert len(rotation_axes("m-3", 4)) == 0
    np.testing.assert_allclose(np.abs(rotation_axes("m-3", 3)), 1 / np.sqrt(3), rtol=1e-14)
    assert len(rotation_axes("m-3m", 4)) == 6


@pytest.mark.parametrize(
    ("family", "laue"),
    [("cubic", "m-3m"), ("hexagonal", "6/mmm"), ("tetragonal", "4/mmm"), ("orthorhombic", "mmm"), ("monoclinic", "2/m"),
     ("triclinic", "-1")],
)  # fmt: skip
def test_same_rotations_as_damask(family, laue):
    damask = pytest.importorskip("damask")
    matrices = damask.Crystal(family=family).symmetry_operations.as_matrix().reshape(-1, 3, 3)
    ours = rotation.to_matrix(symmetry_operations(laue))
    distance = np.abs(matrices[:, None] - ours).max(axis=(2, 3))
    assert matrices.shape == ours.shape
    assert distance.min(axis=1).max() < 1e-13


@pytest.mark.parametrize(
    ("laue", "schoenflies"),
    [("-1", "C1"), ("2/m", "C2y"), ("mmm", "D2"), ("4/m", "C4"), ("4/mmm", "D4"), ("-3", "C3"), ("-3m", "D3"),
     ("6/m", "C6"), ("6/mmm", "D6"), ("m-3", "T"), ("m-3m", "O")],
)  # fmt: skip
def test_same_rotations_as_orix(laue, schoenflies):
    from orix.quaternion import symmetry

    theirs = getattr(symmetry, schoenflies).data.reshape(-1, 4)
    ours = symmetry_operations(laue)
    assert ours.shape == theirs.shape
    distance = np.minimum(np.abs(theirs[:, None] - ours).max(axis=2), np.abs(theirs[:, None] + ours).max(axis=2))
    assert sorted(distance.argmin(axis=1).tolist()) == list(range(len(ours)))
    assert distance.min(axis=1).max() < 1e-14


def test_laue_group_of_every_point_group():
    from orix.quaternion import symmetry

    groups = symmetry._groups
    assert {group.laue.name for group in groups} == set(LAUE_GROUPS)
    for group in groups:
        assert laue_group(group.name) == group.laue.name
        assert len(symmetry_operations(group.name)) == np.sum(~group.laue.improper)


def test_laue_group_ignores_blanks_and_refuses_the_unknown():
    assert laue_group("6 m m") == "6/mmm"
    with pytest.raises(ValueError, match=r"point group: expected a Hermann-Mauguin symbol such as -1.*; got '5/m'"):
        laue_group("5/m")


def test_phase():
    phase = Phase("Ni", "432", (3.52, 3.52, 3.52, 90, 90, 90), 225)
    assert (phase.laue, phase.space_group, phase.lattice[0]) == ("m-3m", 225, 3.52)
    assert phase.symmetry.shape == (24, 4)
    assert phase == Phase("Ni", "m-3m", (3.52, 3.52, 3.52, 90.0, 90.0, 90.0), 225)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": " "}, "phase name: expected a non-empty text"),
        ({"name": "Al", "laue": "m7"}, "got 'm7'"),
        ({"name": "Al", "lattice": (4, 4, 4, 90, 90)}, "lattice of phase 'Al': expected a, b, c"),
        ({"name": "Al", "lattice": (4, 4, -4, 90, 90, 90)}, "finite and not negative"),
        ({"name": "Al", "lattice": (4, 4, float("nan"), 90, 90, 90)}, "finite and not negative"),
        ({"name": "Al", "space_group": 231}, "space group of phase 'Al': expected 0 ... 230; got 231"),
    ],
)
def test_phase_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        Phase(**arguments)
