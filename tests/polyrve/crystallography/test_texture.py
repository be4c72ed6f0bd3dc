import numpy as np
import pytest

from polyrve.crystallography import rotation, texture
from polyrve.crystallography.harmonics import degrees_up_to, symmetrized_harmonics
from polyrve.crystallography.odf import odf_bins, uniform_orientations
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.texture import TEXTURES, Component, WeightedOrientations, sample_texture


def harmonics_of(laue, highest):
    return symmetrized_harmonics(laue, degrees_up_to(laue, highest))


@pytest.mark.parametrize(("name", "laue"), [("weak", "m-3m"), ("fibre", "m-3m"), ("basal", "6/mmm"), ("strong", "mmm")])
def test_coefficients_of_components_are_means_over_a_draw(name, laue):
    harmonics = harmonics_of(laue, 12)
    drawn = harmonics.evaluate(texture.draw(TEXTURES[name], 40_000, np.random.default_rng(0)))
    found = texture.texture_coefficients(TEXTURES[name], harmonics)
    floor = drawn.std(axis=1) / np.sqrt(40_000)
    assert np.abs((drawn.mean(axis=1) - found) / floor).max() < 4.5
    assert np.abs(found).max() > 10 * floor.max()


@pytest.mark.parametrize(("name", "laue", "degree"), [
    ("random", "m-3m", 24), ("strong", "m-3m", 24), ("basal", "6/mmm", 18), ("weak", "-1", 6),
])  # fmt: skip
def test_low_coefficients_are_exact_and_the_others_no_worse_than_by_chance(name, laue, degree):
    made = sample_texture(name, laue, 400, np.random.default_rng(1))
    assert made.exact_degree >= degree - 4
    exact = harmonics_of(laue, made.exact_degree)
    target = texture.texture_coefficients(TEXTURES[name], exact)
    assert np.abs(exact.evaluate(made.quaternions).mean(axis=1) - target).max() < 1e-9
    every = harmonics_of(laue, made.exact_degree + 6)
    target = texture.texture_coefficients(TEXTURES[name], every)

    def misfit(q):
        return np.sqrt(np.mean((every.evaluate(q).mean(axis=1) - target) ** 2))

    by_chance = [misfit(texture.draw(TEXTURES[name], 400, np.random.default_rng(seed))) for seed in range(5)]
    assert misfit(made.quaternions) < 0.7 * np.mean(by_chance)
    assert made.moved < 6.0


def test_weights_of_grains_count():
    weights = np.random.default_rng(3).lognormal(0.0, 1.0, 300)
    made = sample_texture("strong", "m-3m", 300, np.random.default_rng(2), weights=weights)
    harmonics = harmonics_of("m-3m", made.exact_degree)
    target = texture.texture_coefficients(TEXTURES["strong"], harmonics)
    found = harmonics.evaluate(made.quaternions)
    assert np.abs(found @ weights / weights.sum() - target).max() < 1e-9
    assert np.abs(found.mean(axis=1) - target).max() > 1e-3


def test_a_texture_of_weighted_orientations_is_kept():
    rng = np.random.default_rng(5)
    many = texture.draw(TEXTURES["strong"], 4000, rng)
    given = WeightedOrientations(many, np.linspace(0.0, 1.0, 4000))
    made = sample_texture(given, "m-3m", 300, rng)
    assert made.exact_degree >= 16
    bins = odf_bins(np.concatenate([many, made.quaternions]), "m-3m")
    count = len(bins.centres)
    shares = [
        np.bincount(bins.of_point[:4000], given.weights, count),
        np.bincount(bins.of_point[4000:], minlength=count) / 300,
    ]
    first, second = (bins.odf(share, 10.0) for share in shares)
    assert 0.5 * np.abs(first - second).sum() < 0.2


def test_texture_is_nearer_than_damasks_sampling():
    """damask.Rotation.from_ODF (hybridIA, Eisenlohr & Roters 2008) draws as many orientations from the same ODF."""
    damask = pytest.importorskip("damask")
    component = Component((30.0, 50.0, 20.0), 1.0, 12.0)
    edges = [np.arange(2.5, 360, 5), np.arange(2.5, 180, 5), np.arange(2.5, 360, 5)]
    angles = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1).reshape(-1, 3)
    away = rotation.multiply(
        rotation.from_euler(np.deg2rad(angles)), rotation.conjugate(rotation.from_euler(np.deg2rad(component.bunge)))
    )
    omega = 2 * np.arccos(np.clip(np.abs(away[:, 0]), 0, 1))
    density = np.exp(-0.5 * (omega / np.deg2rad(12.0)) ** 2) * (omega / 2 / np.sin(omega / 2)) ** 2
    fractions = density * np.sin(np.deg2rad(angles[:, 1]))
    theirs = damask.Rotation.from_ODF(fractions / fractions.sum(), angles, 300, degrees=True, rng_seed=1)
    harmonics = harmonics_of("m-3m", 24)
    target = texture.texture_coefficients([component], harmonics)

    def misfit(q):
        return np.sqrt(np.mean((harmonics.evaluate(q).mean(axis=1) - target) ** 2))

    drawn = misfit(rotation.from_euler(np.deg2rad(theirs.as_Euler_angles(degrees=True))))
    assert drawn < 0.1
    assert misfit(sample_texture([component], "m-3m", 300, np.random.default_rng(0)).quaternions) < 0.5 * drawn


@pytest.mark.parametrize("uvw", [(1, 1, 1), (1, 0, 0), (0, 0, 1), (0, 0, -1), (2, 1, 3)])
def test_a_fibre_has_its_direction_along_the_axis(uvw):
    along = (0.3, -0.5, 0.8)
    made = texture.fibre(Phase("Mg", "6/mmm", (3.2, 3.2, 5.2, 90, 90, 120)), uvw, along, 1.0, 0.0)
    drawn = texture.draw([made], 20, np.random.default_rng(0))
    crystal = rotation.rotate(drawn, np.array(along) / np.linalg.norm(along))
    np.testing.assert_allclose(crystal, np.broadcast_to(crystal[0], crystal.shape), atol=1e-9)
    a = np.array([[1.0, 0, 0], [-0.5, np.sqrt(3) / 2, 0], [0, 0, 5.2 / 3.2]])
    direction = np.array(uvw) @ a
    np.testing.assert_allclose(crystal[0], direction / np.linalg.norm(direction), atol=1e-9)


@pytest.mark.parametrize(("weights", "told"), [
    ([0.5, -0.1], "below zero; its lowest value is -0.1"), ([0.0, 0.0], "all its values are zero"),
])  # fmt: skip
def test_an_odf_below_zero_is_refused(weights, told):
    with pytest.raises(ValueError, match=told):
        WeightedOrientations(uniform_orientations(2), np.array(weights))


def test_few_orientations_are_drawn_all_the_same():
    made = sample_texture("random", "-1", 2, np.random.default_rng(0))
    assert made.exact_degree == 0
    assert made.quaternions.shape == (2, 4)
    with pytest.raises(ValueError, match="number"):
        sample_texture("random", "-1", 0, np.random.default_rng(0))
