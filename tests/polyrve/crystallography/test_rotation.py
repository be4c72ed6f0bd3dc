"""The rotation convention: algebra, singular angles, and agreement with orix and DAMASK as rotation matrices."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, symmetry_operations

EPS = np.finfo(float).eps


@pytest.fixture
def q():
    return rotation.random_orientations((3, 4, 5), np.random.default_rng(2))


@pytest.fixture
def angles():
    rng = np.random.default_rng(5)
    return rng.uniform(0, 1, (3, 4, 5, 3)) * [2 * np.pi, np.pi, 2 * np.pi]


def test_random_orientations(q):
    assert q.shape == (3, 4, 5, 4)
    assert (q[..., 0] >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(q, axis=-1), 1.0, rtol=0, atol=4 * EPS)
    np.testing.assert_array_equal(q, rotation.random_orientations((3, 4, 5), np.random.default_rng(2)))
    many = rotation.random_orientations(200_000, np.random.default_rng(0))
    np.testing.assert_allclose(np.mean(rotation.to_matrix(many), axis=0), 0.0, atol=5 / np.sqrt(3 * 200_000))


def test_product_is_composition_of_matrices(q):
    other = q[::-1]
    matrices = rotation.to_matrix(q) @ rotation.to_matrix(other)
    np.testing.assert_allclose(rotation.to_matrix(rotation.multiply(q, other)), matrices, rtol=0, atol=20 * EPS)
    np.testing.assert_allclose(rotation.multiply(q, rotation.conjugate(q)), np.eye(4)[0] + 0 * q, rtol=0, atol=4 * EPS)
    np.testing.assert_allclose(rotation.to_matrix(-q), rotation.to_matrix(q), rtol=0, atol=0)


def test_matrix_is_a_proper_rotation_and_known_to_scipy(q):
    matrix = rotation.to_matrix(q).reshape(-1, 3, 3)
    np.testing.assert_allclose(np.linalg.det(matrix), 1.0, rtol=0, atol=20 * EPS)
    scalar_last = q.reshape(-1, 4)[:, [1, 2, 3, 0]]
    np.testing.assert_allclose(matrix, Rotation.from_quat(scalar_last).as_matrix(), rtol=0, atol=20 * EPS)


def test_bunge_matrix(angles):
    """g = Z(phi2) X(Phi) Z(phi1), g takes sample to crystal coordinates (Bunge 1982)."""
    phi1, Phi, phi2 = np.moveaxis(angles, -1, 0)

    def about(axis, angle):
        c, s = np.cos(angle), np.sin(angle)
        zero, one = np.zeros_like(c), np.ones_like(c)
        rows = {
            "z": [[c, s, zero], [-s, c, zero], [zero, zero, one]],
            "x": [[one, zero, zero], [zero, c, s], [zero, -s, c]],
        }
        return np.moveaxis(np.array(rows[axis]), (0, 1), (-2, -1))

    expected = about("z", phi2) @ about("x", Phi) @ about("z", phi1)
    np.testing.assert_allclose(rotation.to_matrix(rotation.from_euler(angles)), expected, rtol=0, atol=30 * EPS)


def test_agrees_with_orix(angles):
    from orix.quaternion import Rotation as OrixRotation

    theirs = OrixRotation.from_euler(angles.reshape(-1, 3))
    ours = rotation.from_euler(angles).reshape(-1, 4)
    np.testing.assert_allclose(rotation.to_matrix(ours), theirs.to_matrix(), rtol=0, atol=1e-14)
    np.testing.assert_allclose(np.abs(np.sum(theirs.data * ours, axis=1)), 1.0, rtol=0, atol=1e-14)


def test_is_the_conjugate_of_damask(angles):
    damask = pytest.importorskip("damask")
    theirs = damask.Rotation.from_Euler_angles(angles)
    ours = rotation.from_euler(angles)
    np.testing.assert_allclose(rotation.to_matrix(ours), theirs.as_matrix(), rtol=0, atol=1e-14)
    closeness = np.abs(np.sum(theirs.as_quaternion() * rotation.conjugate(ours), axis=-1))
    np.testing.assert_allclose(closeness, 1.0, rtol=0, atol=1e-14)


def test_known_orientations():
    """Bunge (90, 0, 0): the sample's x axis is the crystal's -y axis. Cube and Goss by their Miller indices."""
    rotated = rotation.from_euler(np.deg2rad([90.0, 0.0, 0.0]))
    np.testing.assert_allclose(rotation.rotate(rotated, [1, 0, 0]), [0, -1, 0], atol=1e-15)
    goss = rotation.from_euler(np.deg2rad([0.0, 45.0, 0.0]))
    np.testing.assert_allclose(rotation.rotate(goss, [0, 0, 1]), np.array([0, 1, 1]) / np.sqrt(2), atol=1e-15)
    np.testing.assert_allclose(rotation.rotate(goss, [1, 0, 0]), [1, 0, 0], atol=1e-15)


def test_euler_round_trip(angles, q):
    np.testing.assert_allclose(rotation.to_euler(rotation.from_euler(angles)), angles, rtol=0, atol=1e-13)
    back = rotation.from_euler(rotation.to_euler(q))
    np.testing.assert_allclose(back, q, rtol=0, atol=1e-14)


@pytest.mark.parametrize("Phi", [0.0, np.pi, 1e-9, np.pi - 1e-9, 1e-14, np.pi - 1e-14])
@pytest.mark.parametrize("phi2", [0.0, 0.7, 3.0, 6.2])
def test_euler_at_the_singularities(Phi, phi2):
    q = rotation.from_euler([[1.1, Phi, phi2], [5.9, Phi, phi2], [0.0, Phi, phi2]])
    angles = rotation.to_euler(q)
    assert ((angles >= 0) & (angles <= [2 * np.pi, np.pi, 2 * np.pi])).all()
    assert (angles[:, ::2] < 2 * np.pi).all()
    np.testing.assert_allclose(np.abs(np.sum(rotation.from_euler(angles) * q, axis=-1)), 1.0, rtol=0, atol=1e-14)
    np.testing.assert_allclose(
        rotation.to_matrix(rotation.from_euler(angles)), rotation.to_matrix(q), rtol=0, atol=1e-12
    )
    if Phi in (0.0, np.pi):
        np.testing.assert_array_equal(angles[:, 2], 0.0)


def test_from_matrix_round_trip(q):
    np.testing.assert_allclose(rotation.from_matrix(rotation.to_matrix(q)), q, rtol=0, atol=10 * EPS)


@pytest.mark.parametrize("angle", [np.pi, np.pi - 1e-8, np.pi - 1e-4, 1e-8, 0.0, 2 * np.pi / 3])
def test_from_matrix_at_half_turns(angle):
    axes = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, -1, 0], [1, 1, 1], [-1, 2, 3], [0, 1, -1]])
    q = rotation.from_axis_angle(axes, angle)
    back = rotation.from_matrix(rotation.to_matrix(q))
    np.testing.assert_allclose(np.linalg.norm(back, axis=1), 1.0, rtol=0, atol=4 * EPS)
    np.testing.assert_allclose(rotation.to_matrix(back), rotation.to_matrix(q), rtol=0, atol=20 * EPS)
    np.testing.assert_allclose(np.abs(np.sum(back * q, axis=1)), 1.0, rtol=0, atol=10 * EPS)


def test_axis_angle():
    q = rotation.from_axis_angle([0, 0, 3.0], [[0.2], [0.4]])
    assert q.shape == (2, 1, 4)
    np.testing.assert_allclose(q[1, 0], [np.cos(0.2), 0, 0, np.sin(0.2)], rtol=1e-15)
    np.testing.assert_allclose(
        rotation.rotate(rotation.from_axis_angle([0, 0, 1], np.pi / 2), [1, 0, 0]), [0, 1, 0], atol=EPS
    )


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_disorientation_against_all_pairs(laue, q):
    """The smallest angle over all pairs of equivalents, from the traces of matrices; symmetric and invariant."""
    symmetry = symmetry_operations(laue)
    a, b = q.reshape(-1, 4)[:20], q.reshape(-1, 4)[20:40]
    angle = rotation.disorientation_angle(a, b, symmetry)
    operators = rotation.to_matrix(symmetry)
    left = np.einsum("sij,njk->nsik", operators, rotation.to_matrix(a))
    right = np.einsum("sij,njk->nsik", operators, rotation.to_matrix(b))
    trace = np.einsum("nsij,ntij->nst", left, right)
    expected = np.arccos(np.clip((trace.max(axis=(1, 2)) - 1) / 2, -1, 1))
    np.testing.assert_allclose(angle, expected, rtol=0, atol=1e-7)
    s = symmetry[-1]
    np.testing.assert_allclose(
        rotation.disorientation_angle(rotation.multiply(s, b), -a, symmetry), angle, rtol=0, atol=1e-7
    )
    frame = q[0, 0, 0]
    turned = rotation.disorientation_angle(rotation.multiply(a, frame), rotation.multiply(b, frame), symmetry)
    np.testing.assert_allclose(turned, angle, rtol=0, atol=1e-7)


@pytest.mark.parametrize(("family", "laue"), [("cubic", "m-3m"), ("hexagonal", "6/mmm"), ("tetragonal", "4/mmm")])
def test_disorientation_against_damask(family, laue, q):
    damask = pytest.importorskip("damask")
    flat = q.reshape(-1, 4)

    def orientation(values):
        return damask.Orientation(rotation=damask.Rotation.from_matrix(rotation.to_matrix(values)), family=family)

    theirs = orientation(flat[:30]).disorientation_angle(orientation(flat[30:]))
    ours = rotation.disorientation_angle(flat[:30], flat[30:], symmetry_operations(laue))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-7)


def test_largest_disorientations():
    """Mackenzie's 62.8 degrees for cubic, 93.8 for 6/mmm and the twin of 60 degrees about <111>."""
    q = rotation.random_orientations(100_000, np.random.default_rng(1))
    identity = np.array([1.0, 0, 0, 0])
    for laue, largest in {"m-3m": 62.80, "6/mmm": 93.84, "-1": 180.0}.items():
        found = np.rad2deg(rotation.disorientation_angle(identity, q, symmetry_operations(laue)).max())
        assert largest - 1.5 < found <= largest + 0.01
    twin = rotation.from_axis_angle([1, 1, 1], np.pi / 3)
    angle = rotation.disorientation_angle(identity, twin, symmetry_operations("m-3m"))
    assert np.rad2deg(angle) == pytest.approx(60.0, abs=1e-6)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_nearest_equivalent(laue, q):
    symmetry = symmetry_operations(laue)
    reference = q[::-1, ::-1]
    nearest = rotation.nearest_equivalent(q, reference, symmetry)
    assert nearest.shape == q.shape
    cosine = np.sum(nearest * reference, axis=-1)
    angle = rotation.disorientation_angle(q, reference, symmetry)
    assert (cosine >= 0).all()
    np.testing.assert_allclose(2 * np.arccos(np.minimum(cosine, 1.0)), angle, rtol=0, atol=1e-7)
    operator = rotation.multiply(nearest, rotation.conjugate(q))
    np.testing.assert_allclose(np.abs(operator @ symmetry.T).max(axis=-1), 1.0, rtol=0, atol=1e-14)
    np.testing.assert_allclose(rotation.nearest_equivalent(q, q, symmetry), q, rtol=0, atol=4 * EPS)


def test_nearest_equivalent_broadcasts_one_reference(q):
    reference = rotation.from_axis_angle([1, 2, 3], 0.4)
    symmetry = symmetry_operations("m-3m")
    nearest = rotation.nearest_equivalent(q, reference, symmetry)
    expected = rotation.disorientation_angle(q, reference, symmetry)
    np.testing.assert_allclose(2 * np.arccos(np.minimum(nearest @ reference, 1.0)), expected, rtol=0, atol=1e-7)
