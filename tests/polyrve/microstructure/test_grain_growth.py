import numpy as np

from polyrve.microstructure.grain_growth import grow, round_faces


def test_a_sphere_shrinks_and_vanishes():
    place = np.indices((20, 22, 24)) - np.array([10, 11, 12])[:, None, None, None]
    labels = ((place**2).sum(axis=0) < 25).astype(int)
    once = round_faces(labels, 3, np.random.default_rng(0))
    assert 0 < once.sum() < labels.sum()
    assert not grow(labels, np.zeros(labels.shape, dtype=bool), 1, np.random.default_rng(0)).any()


def test_a_flat_face_stays():
    labels = np.zeros((12, 12, 12), dtype=int)
    labels[:6] = 1
    np.testing.assert_array_equal(round_faces(labels, 3, np.random.default_rng(0)), labels)


def test_grains_grow_to_the_number_and_frozen_ones_stay():
    rng = np.random.default_rng(1)
    labels = np.arange(16 * 18 * 20).reshape(16, 18, 20) // 4
    frozen = np.zeros(labels.shape, dtype=bool)
    frozen[4:7, 4:8, 4:8] = True
    labels[frozen] = labels.max() + 1
    found = grow(labels, frozen, 30, rng)
    assert len(np.unique(found)) <= 31
    np.testing.assert_array_equal(found == labels.max(), frozen)


def test_grown_grains_have_the_sizes_of_normal_grain_growth():
    """Potts models of 26 neighbours end with R / <R> of standard deviation 0.36 to 0.42 and no grain above 2.7."""
    labels = np.arange(36**3).reshape(36, 36, 36) // 12
    found = grow(labels, np.zeros(labels.shape, dtype=bool), 180, np.random.default_rng(0))
    radius = np.cbrt(np.bincount(np.unique(found, return_inverse=True)[1].ravel()))
    relative = radius / radius.mean()
    assert 0.33 < relative.std() < 0.45
    assert relative.max() < 2.7
