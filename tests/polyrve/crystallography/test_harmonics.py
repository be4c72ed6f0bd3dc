"""The properties that the docstring of the harmonics lists, their independent twin, and the proof of separation."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import eval_gegenbauer, eval_jacobi, lpmv

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import degrees_up_to, number_of_invariants, symmetrized_harmonics
from polyrve.crystallography.phase import LAUE_GROUPS, symmetry_operations

IDENTITY = np.array([1.0, 0.0, 0.0, 0.0])
ORDER = {
    "-1": 1, "2/m": 2, "mmm": 4, "4/m": 4, "4/mmm": 8, "-3": 3, "-3m": 6, "6/m": 6, "6/mmm": 12, "m-3": 12, "m-3m": 24,
}  # fmt: skip


def tolerance(harmonics, dtype=np.float64):
    """Rounding of a function of order l: (2 l + 1)^2 eps relative to its largest value, sqrt(2 l + 1)."""
    order = max(degree for degree, _ in harmonics.terms) // 2
    return (2 * order + 1) ** 2.5 * np.finfo(dtype).eps


def every_invariant(laue, highest=8):
    return symmetrized_harmonics(laue, degrees_up_to(laue, highest))


def evaluate(harmonics, q, kind, dtype):
    components = np.moveaxis(np.asarray(q, dtype=dtype), -1, 0)
    if kind == "tensorflow":
        tf = pytest.importorskip("tensorflow")
        values = [value.numpy() for value in harmonics.channels(*(tf.constant(c) for c in components))]
    else:
        values = harmonics.channels(*components)
    assert all(value.dtype == dtype for value in values)
    return np.stack(values).astype(np.float64)


def haar_quadrature(degree):
    """Nodes (n, 4) and weights, exact for the products of harmonics whose degrees n = 2 l sum to 2 * degree."""
    points = degree + 1
    azimuth = 2 * np.pi * np.arange(points) / points
    cosine, weight = np.polynomial.legendre.leggauss(degree // 2 + 1)
    grid = np.stack(np.meshgrid(azimuth, np.arccos(cosine), azimuth, indexing="ij"), axis=-1)
    weights = np.broadcast_to(weight[None, :, None] / 2, grid.shape[:-1]) / points**2
    return rotation.from_euler(grid).reshape(-1, 4), weights.ravel()


def mason_schuh(degree, q):
    """Real hyperspherical harmonics Z of one degree by equations (10) and (12)-(16), shape ((degree + 1)^2, n)."""
    w, x, y, z = np.moveaxis(q, -1, 0)
    half = np.arctan2(np.sqrt(x * x + y * y + z * z), w)
    theta, phi = np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)
    rows = []
    for order in range(degree + 1):
        gegenbauer = np.sin(half) ** order * eval_gegenbauer(degree - order, order + 1, np.cos(half))
        for m in range(order + 1):
            norm = math.sqrt(
                (2 * order + 1)
                * math.factorial(order - m) / math.factorial(order + m)
                * (degree + 1) * math.factorial(degree - order) / math.factorial(degree + order + 1)
            )  # fmt: skip
            norm *= 2**order * math.factorial(order) / math.pi * (1.0 if m else math.sqrt(0.5)) * (-1) ** (order + m)
            radial = norm * gegenbauer * lpmv(m, order, np.cos(theta))
            rows.append(radial * np.cos(m * phi))
            if m:
                rows.append(radial * np.sin(m * phi))
    return np.array(rows)


def orthonormal_span(rows):
    _, singular, basis = np.linalg.svd(rows, full_matrices=False)
    return basis[singular > 1e-9 * singular[0]]


@pytest.fixture(scope="module")
def separation():
    path = Path(__file__).resolve().parents[3] / "examples" / "harmonics_figures.py"
    spec = importlib.util.spec_from_file_location("harmonics_figures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def orientations():
    return rotation.random_orientations(300, np.random.default_rng(8))


@pytest.mark.parametrize("kind", ["numpy", "tensorflow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_invariant_under_crystal_symmetry_and_sign(laue, dtype, kind, orientations):
    harmonics = symmetrized_harmonics(laue)
    q = orientations[:20]
    images = rotation.multiply(symmetry_operations(laue)[:, None], q)
    values = evaluate(harmonics, np.concatenate([images, -images]), kind, dtype)
    reference = harmonics.evaluate(q)
    assert np.ptp(reference, axis=1).min() > 0.5
    np.testing.assert_allclose(
        values, np.broadcast_to(reference[:, None], values.shape), rtol=0, atol=tolerance(harmonics, dtype)
    )


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_every_degree_is_invariant(laue, orientations):
    harmonics = every_invariant(laue)
    images = rotation.multiply(symmetry_operations(laue)[:, None], orientations)
    spread = harmonics.evaluate(images) - harmonics.evaluate(orientations)[:, None]
    assert np.abs(spread).max() < 10 * tolerance(harmonics)


def test_symmetry_acts_from_the_left_only(orientations):
    harmonics = symmetrized_harmonics("m-3m")
    images = rotation.multiply(orientations, symmetry_operations("m-3m")[5])
    assert np.abs(harmonics.evaluate(images) - harmonics.evaluate(orientations)).max() > 1.0


@pytest.mark.parametrize("laue", LAUE_GROUPS)
@pytest.mark.parametrize("which", ["default", "every degree to 8"])
def test_orthonormal_with_zero_mean(laue, which):
    harmonics = symmetrized_harmonics(laue) if which == "default" else every_invariant(laue)
    q, weights = haar_quadrature(2 * max(degree for degree, _ in harmonics.terms))
    values = harmonics.evaluate(q)
    assert weights.sum() == pytest.approx(1.0, abs=1e-13)
    np.testing.assert_allclose(values @ weights, 0.0, atol=10 * tolerance(harmonics))
    np.testing.assert_allclose((values * weights) @ values.T, np.eye(len(values)), atol=10 * tolerance(harmonics))


@pytest.mark.parametrize("laue", LAUE_GROUPS)
@pytest.mark.parametrize("which", ["default", "every degree to 8"])
@pytest.mark.parametrize("kind", ["numpy", "tensorflow"])
def test_float32_orthonormal_with_zero_mean(laue, which, kind):
    """Sums in double precision: with an error d of each value, <f> is off by d, <f g> by d (<|f|> + <|g|>) <= 2 d."""
    harmonics = symmetrized_harmonics(laue) if which == "default" else every_invariant(laue)
    q, weights = haar_quadrature(2 * max(degree for degree, _ in harmonics.terms))
    values = evaluate(harmonics, q, kind, np.float32)
    error = tolerance(harmonics, np.float32)
    np.testing.assert_allclose(values @ weights, 0.0, atol=error)
    np.testing.assert_allclose((values * weights) @ values.T, np.eye(len(values)), atol=2 * error)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_number_of_functions_is_the_rank_of_the_symmetrised_degree(laue, orientations):
    assert len(symmetry_operations(laue)) == ORDER[laue]
    for degree in range(0, 13, 2):
        expected = number_of_invariants(laue, degree) * (degree + 1)
        averaged = np.mean(
            [mason_schuh(degree, rotation.multiply(s, orientations)) for s in symmetry_operations(laue)],
            axis=0,
        )
        singular = np.linalg.svd(averaged, compute_uv=False)
        assert np.sum(singular > 1e-9) == min(expected, len(orientations))
        if expected:
            assert symmetrized_harmonics(laue, (degree,)).count == expected


def test_constant_function(orientations):
    values = symmetrized_harmonics("m-3m", (0, 8)).evaluate(orientations.reshape(3, 4, 25, 4))
    assert values.shape == (10, 3, 4, 25)
    np.testing.assert_array_equal(values[0], 1.0)


@pytest.mark.parametrize("laue", ["m-3m", "m-3", "6/mmm", "-3m", "4/m"])
def test_high_degrees_lose_no_digits(laue, orientations):
    harmonics = symmetrized_harmonics(laue, degrees_up_to(laue, 24))
    values = evaluate(harmonics, orientations, "numpy", np.float32)
    assert np.abs(values - harmonics.evaluate(orientations)).max() < tolerance(harmonics, np.float32)
    squares = np.sum(harmonics.evaluate(orientations) ** 2, axis=0)
    np.testing.assert_allclose(squares, harmonics.count, rtol=0, atol=harmonics.count * tolerance(harmonics))


@pytest.mark.parametrize(("laue", "terms"), [("m-3m", (8, 12, 24)), ("6/mmm", None), ("-3", (2, 6, 10)), ("2/m", None)])
def test_moments_of_crystal_directions(laue, terms, orientations):
    harmonics = symmetrized_harmonics(laue, terms)
    directions, coefficients = harmonics.moment_coefficients()
    x, y, z = np.moveaxis(rotation.rotate(rotation.conjugate(orientations)[:, None], directions), -1, 0)
    highest = coefficients.shape[-1] - 1
    powers = [(x + 1j * y) ** m for m in range(highest + 1)]
    azimuth = np.array([*(p.real for p in powers), *(p.imag for p in powers[1:])])
    polynomials = np.array([np.cos(k * np.arccos(np.clip(z, -1, 1))) for k in range(highest + 1)])
    means = np.einsum("cdak,aqd,kqd->c", coefficients, azimuth, polynomials) / len(orientations)
    assert coefficients.shape == (harmonics.count, len(directions), 2 * highest + 1, highest + 1)
    np.testing.assert_allclose(
        means, harmonics.evaluate(orientations).mean(axis=1), rtol=0, atol=100 * tolerance(harmonics)
    )


@pytest.mark.parametrize("kind", ["numpy", "tensorflow"])
@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_float32_addition_theorem(laue, kind, orientations):
    """An error d of each of C values whose squares add up to C moves their sum of products by at most 2 C d."""
    harmonics = symmetrized_harmonics(laue)
    a, b, r = orientations[:100], orientations[100:200], orientations[200:]

    def single(q):
        return evaluate(harmonics, q, kind, np.float32)

    product = np.sum(single(a) * single(b), axis=0)
    turned = np.sum(single(rotation.multiply(a, r)) * single(rotation.multiply(b, r)), axis=0)
    misorientation = rotation.multiply(b, rotation.conjugate(a))
    origin = np.sum(single(IDENTITY.reshape(1, 4)) * single(misorientation), axis=0)
    exact = np.sum(harmonics.evaluate(a) * harmonics.evaluate(b), axis=0)
    error = 2 * harmonics.count * tolerance(harmonics, np.float32)
    np.testing.assert_allclose(product, exact, rtol=0, atol=error)
    np.testing.assert_allclose(turned, product, rtol=0, atol=2 * error)
    np.testing.assert_allclose(origin, product, rtol=0, atol=2 * error)
    assert np.ptp(product) > 1.0


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_addition_theorem(laue, orientations):
    """Sums of products depend on the misorientation q2 q1* alone, whatever the sample frame."""
    harmonics = symmetrized_harmonics(laue)
    a, b, r = orientations[:100], orientations[100:200], orientations[200:]
    product = np.sum(harmonics.evaluate(a) * harmonics.evaluate(b), axis=0)
    turned = np.sum(harmonics.evaluate(rotation.multiply(a, r)) * harmonics.evaluate(rotation.multiply(b, r)), axis=0)
    misorientation = rotation.multiply(b, rotation.conjugate(a))
    origin = np.sum(harmonics.evaluate(IDENTITY)[:, None] * harmonics.evaluate(misorientation), axis=0)
    atol = harmonics.count * tolerance(harmonics)
    np.testing.assert_allclose(turned, product, rtol=0, atol=atol)
    np.testing.assert_allclose(origin, product, rtol=0, atol=atol)
    assert np.ptp(product) > 1.0


@pytest.mark.parametrize("kind", ["numpy", "tensorflow"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_sum_of_squares(laue, dtype, kind, orientations):
    harmonics = symmetrized_harmonics(laue)
    squares = np.sum(evaluate(harmonics, orientations, kind, dtype) ** 2, axis=0)
    np.testing.assert_allclose(
        squares, harmonics.count, rtol=0, atol=2 * math.sqrt(harmonics.count) * tolerance(harmonics, dtype)
    )


@pytest.mark.parametrize(
    ("laue", "degree"),
    [("m-3m", 8), ("m-3m", 12), ("m-3", 6), ("6/mmm", 12), ("6/m", 4), ("-3m", 6), ("-3", 8), ("4/mmm", 8), ("4/m", 6),
     ("mmm", 4), ("2/m", 6), ("-1", 2)],
)  # fmt: skip
def test_twin_spans_the_same_functions(laue, degree, orientations):
    """Mason & Schuh's explicit functions, averaged over the group, span ours; without averaging they contain ours."""
    ours = symmetrized_harmonics(laue, (degree,)).evaluate(orientations)
    raw = mason_schuh(degree, orientations)
    operations = symmetry_operations(laue)
    twin = np.mean([mason_schuh(degree, rotation.multiply(s, orientations)) for s in operations], axis=0)
    atol = 100 * (degree + 1) ** 2 * np.finfo(float).eps * np.linalg.norm(ours, axis=1).max()
    for rows, basis in (
        (ours, orthonormal_span(raw)),
        (ours, orthonormal_span(twin)),
        (twin, orthonormal_span(ours)),
    ):
        assert np.abs(rows - rows @ basis.T @ basis).max() < atol
    assert len(orthonormal_span(twin)) == len(ours)
    if len(operations) > 1:
        wrong_side = np.mean([mason_schuh(degree, rotation.multiply(orientations, s)) for s in operations], axis=0)
        basis = orthonormal_span(wrong_side)
        assert np.abs(ours - ours @ basis.T @ basis).max() > 0.1


@pytest.mark.parametrize(("laue", "degree"), [("m-3m", 8), ("6/mmm", 12), ("-3m", 6), ("2/m", 4), ("-1", 2)])
def test_normalisation_against_mason_schuh(laue, degree):
    """On the sphere of surface 2 pi^2 Z is orthonormal, so f = sqrt(2 pi^2) Z up to an orthogonal mixing."""
    q, weights = haar_quadrature(2 * degree)
    twin = mason_schuh(degree, q)
    atol = 100 * (degree + 1) ** 2 * np.finfo(float).eps
    np.testing.assert_allclose((twin * weights) @ twin.T * 2 * np.pi**2, np.eye(len(twin)), atol=atol)
    ours = symmetrized_harmonics(laue, (degree,)).evaluate(q)
    mixing = (ours * weights) @ twin.T * math.sqrt(2 * np.pi**2)
    np.testing.assert_allclose(mixing @ mixing.T, np.eye(len(ours)), atol=atol)
    np.testing.assert_allclose(ours, math.sqrt(2 * np.pi**2) * mixing @ twin, atol=atol * (degree + 1))


@pytest.mark.parametrize(("laue", "order"), [("m-3m", 4), ("6/mmm", 6), ("-3m", 3), ("2/m", 2)])
def test_generalized_spherical_harmonics(laue, order):
    """Bunge's T_l^{m n} exp(i m phi2) P_l^{m n}(cos Phi) exp(i n phi1): ours are sqrt(2 l + 1) of real combinations."""
    q = rotation.random_orientations(300, np.random.default_rng(6))
    phi1, Phi, phi2 = rotation.to_euler(q).T
    rows = []
    for m in range(-order, order + 1):
        for n in range(-order, order + 1):
            k = min(order + m, order - m, order + n, order - n)
            a, b = abs(m - n), abs(m + n)
            small = math.sqrt(math.comb(2 * order - k, k + a) / math.comb(k + b, b)) * (
                np.sin(Phi / 2) ** a * np.cos(Phi / 2) ** b * eval_jacobi(k, a, b, np.cos(Phi))
            )
            rows.append(small * np.exp(1j * (m * phi2 + n * phi1)))
    rows = np.array(rows) * math.sqrt(2 * order + 1)
    ours = symmetrized_harmonics(laue, (2 * order,)).evaluate(q)
    coefficients = np.linalg.lstsq(rows.T, ours.T, rcond=None)[0].T
    np.testing.assert_allclose(coefficients @ rows, ours, rtol=0, atol=1e-11)
    np.testing.assert_allclose(coefficients @ coefficients.conj().T, np.eye(len(ours)), rtol=0, atol=1e-11)
    sample_index = np.tile(np.arange(-order, order + 1), 2 * order + 1)
    of_function = np.tile(np.arange(-order, order + 1), len(ours) // (2 * order + 1))
    foreign = np.abs(of_function)[:, None] != np.abs(sample_index)
    assert np.abs(coefficients[foreign]).max() < 1e-11


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_gradient_against_finite_differences(laue):
    """Also at the identity, at boundaries of the fundamental zone, and where Bunge angles are singular."""
    tf = pytest.importorskip("tensorflow")
    harmonics = symmetrized_harmonics(laue)
    turn = rotation.from_axis_angle
    q = np.concatenate(
        [
            rotation.random_orientations(5, np.random.default_rng(3)),
            [IDENTITY, -IDENTITY, turn([0, 0, 1], 1e-7), turn([1, 0, 0], np.pi), turn([0, 1, 0], np.pi)],
            [turn([0, 0, 1], np.pi / n) for n in (2, 3, 4, 6)],
            [turn([1, 1, 1], np.pi / 3), turn([1, 1, math.sqrt(2) - 1], 1.0961), turn([1, 0, 0], np.pi / 4)],
        ]
    )
    directions = np.random.default_rng(4).standard_normal((harmonics.count, 1))
    components = [tf.constant(c) for c in np.moveaxis(q, -1, 0)]
    with tf.GradientTape() as tape:
        tape.watch(components)
        value = tf.reduce_sum(tf.stack(harmonics.channels(*components)) * directions)
    gradient = np.stack([g.numpy() for g in tape.gradient(value, components)], axis=-1)
    step = np.finfo(float).eps ** (1 / 3)
    numeric = np.empty_like(q)
    for i in range(4):
        shift = step * np.eye(4)[i]
        numeric[:, i] = np.sum(directions * (harmonics.evaluate(q + shift) - harmonics.evaluate(q - shift)), axis=0) / (
            2 * step
        )
    degree = max(degree for degree, _ in harmonics.terms)
    atol = degree**3 * math.sqrt(degree + 1) * step**2 * np.abs(directions).sum()
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1.0
    np.testing.assert_allclose(gradient, numeric, rtol=0, atol=atol)


def test_tensorflow_graph_equals_eager(orientations):
    tf = pytest.importorskip("tensorflow")
    harmonics = symmetrized_harmonics("6/mmm")
    field = tf.constant(orientations[:60].reshape(3, 4, 5, 4))

    def stacked(q):
        return tf.stack(harmonics.channels(*tf.unstack(q, axis=-1)))

    eager = stacked(field).numpy()
    assert eager.shape == (harmonics.count, 3, 4, 5)
    np.testing.assert_allclose(tf.function(stacked)(field).numpy(), eager, rtol=0, atol=tolerance(harmonics))
    np.testing.assert_allclose(harmonics.evaluate(field.numpy()), eager, rtol=0, atol=tolerance(harmonics))


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_default_set_separates_orientations(laue, separation):
    """No two orientations 5 degrees or more apart come closer than 90 % of the closest pair found at 5 degrees."""
    harmonics = symmetrized_harmonics(laue)
    slowest, fastest = separation.rates(harmonics)
    assert fastest / slowest < 1.6
    nearest = separation.nearest_at(harmonics, 5.0)
    assert nearest > 0.98 * slowest * 5.0
    assert separation.proves(harmonics, 0.9 * nearest, 5.0)
    assert not separation.proves(harmonics, 1.02 * nearest, 5.0)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_distance_of_near_orientations(laue, separation):
    """D >= slope * w * sqrt(1 - l^2 w^2 / 12) for every axis, from 1 - cos x >= x^2 / 2 - x^4 / 24."""
    harmonics = symmetrized_harmonics(laue)
    slowest, fastest = np.rad2deg(separation.rates(harmonics))
    order = max(degree for degree, _ in harmonics.terms) // 2
    angles = np.deg2rad([0.01, 0.1, 1.0, 3.0, 5.0])
    for angle in angles:
        values = separation.distance(harmonics, rotation.from_axis_angle(separation.axes(3000), angle))
        rounding = 2 * math.sqrt(harmonics.count) * tolerance(harmonics)
        assert values.min() >= slowest * angle * math.sqrt(1 - (order * angle) ** 2 / 12) - rounding
        assert values.max() <= fastest * angle + rounding


def test_example_proves_every_laue_group(separation, tmp_path, capsys):
    assert separation.main(tmp_path) == dict.fromkeys(LAUE_GROUPS, True)
    assert capsys.readouterr().out.count("(proved)") == len(LAUE_GROUPS)
    assert {path.name for path in tmp_path.iterdir()} == {"harmonics_cubic_n8.png", "harmonics_distance.png"}


def test_search_refuses_a_set_that_does_not_separate(separation):
    """The c axis alone leaves the rotation about it open; one vector less leaves triclinic orientations open."""
    assert not separation.proves(symmetrized_harmonics("6/mmm", (4,)), 0.01, 5.0)
    assert not separation.proves(symmetrized_harmonics("-1", ((2, 0),)), 0.01, 5.0)
    assert not separation.proves(symmetrized_harmonics("m-3", (8,)), 0.01, 5.0)


@pytest.mark.parametrize(
    ("laue", "terms", "message"),
    [
        ("m-3m", (7,), "degree of a symmetrized harmonic: expected an even number >= 0; got 7"),
        ("m-3m", (-2,), "degree of a symmetrized harmonic: expected an even number >= 0; got -2"),
        ("m-3m", (4,), "expected at least one function"),
        ("m-3m", (), "expected at least one function"),
        ("6/mmm", ((12, 2),), "expected an invariant below 2 at degree 12; got 2"),
        ("6/mmm", ((12, 1), (12, 1)), "degree 12, invariant 1 is asked for twice"),
        ("cubic", (8,), "point group: expected a Hermann-Mauguin symbol"),
    ],
)
def test_bad_arguments(laue, terms, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        symmetrized_harmonics(laue, terms)


def test_degrees_up_to():
    assert degrees_up_to("m-3m", 24) == (8, 12, 16, 18, 20, 24)
    assert degrees_up_to("6/mmm", 12) == (4, 8, 12)
    assert degrees_up_to("-1", 6) == (2, 4, 6)
