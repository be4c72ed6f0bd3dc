"""Texture synthesis: every voxel holds a pixel of the maps, and its sections have their statistics."""

import tracemalloc

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.initial import exemplar_synthesis, pixel_swap
from polyrve.initial.exemplar import exemplar
from polyrve.initial.exemplar_synthesis import possible, sharpen, synthesize
from polyrve.initial.polycrystal import polycrystal
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.reconstruction.run import reconstruct

CUBIC = Phase("Al", "m-3m", (0.405, 0.405, 0.405, 90.0, 90.0, 90.0))
HEXAGONAL = Phase("Ti", "6/mmm", (0.295, 0.295, 0.468, 90.0, 90.0, 120.0))
QUICK = {
    "iterations": 0,
    "sharpen": False,
    "weights": {"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0, "texture": 0.0},
}


def grain_map(shape=(40, 48), *, long=1.0, phases=(CUBIC,), hole=False, seed=0):
    """Voronoi grains with 1 degree of scatter, longer along the columns by a factor."""
    rng = np.random.default_rng(seed)
    seeds = rng.random((round(shape[0] * shape[1] / 40), 2)) * np.array(shape)
    place = np.stack(np.indices(shape), axis=-1)[:, :, None]
    apart = (place - seeds) * np.array([1.0, 1.0 / long])
    grain = np.argmin((apart**2).sum(axis=-1), axis=-1)
    noise = rotation.from_axis_angle(rng.standard_normal((*shape, 3)), np.deg2rad(1.0) * rng.standard_normal(shape))
    orientations = rotation.multiply(noise, rotation.random_orientations((len(seeds),), rng)[grain])
    phase_ids = 1 + rng.integers(len(phases), size=len(seeds))[grain]
    if hole:
        phase_ids[5:9, 10:17] = 0
    return OrientationMap(orientations, phase_ids, phases, (0.5, 0.5))


def peak_of(call):
    """What NumPy holds at most while something is called, in bytes, and what it returns."""
    tracemalloc.start()
    try:
        found = call()
        return tracemalloc.get_traced_memory()[1], found
    finally:
        tracemalloc.stop()


def test_memory_of_large_maps_is_that_of_what_is_kept():
    """Harmonics are formed for few pixels at a time, and few voxels are compared with all pixels."""
    tile = grain_map((50, 50))
    field = OrientationMap(np.tile(tile.quaternions, (4, 4, 1)), np.tile(tile.phase_ids, (4, 4)), (CUBIC,), (0.5, 0.5))
    peak, source = peak_of(lambda: exemplar({0: field}, np.random.default_rng(0)))
    assert peak < 1.5 * source.texture.nbytes + 20e6
    assert peak_of(lambda: source.texture_target)[0] < 0.1 * source.texture.nbytes
    volume = grain_map((30, 30), seed=1)
    peak, _ = peak_of(lambda: exemplar_synthesis._nearest(source, volume.quaternions, volume.phase_ids))
    assert peak < 100 * field.phase_ids.size + 20e6


def of_map(quaternions, field):
    """Whether each orientation is one of the indexed pixels, to the bit."""
    known = {tuple(q) for q in field.quaternions[field.indexed]}
    return all(tuple(q) in known for q in quaternions.reshape(-1, 4))


@pytest.mark.parametrize(("shape", "periodic"), [((1, 24, 20), True), ((12, 10, 14), True), ((9, 12, 10), False)])
def test_voxels_are_indexed_pixels(shape, periodic):
    field = grain_map(hole=True)
    maps = dict.fromkeys(range(3), field)
    quaternions, phase_ids = synthesize(maps, shape, (0.5,) * 3, periodic, np.random.default_rng(1))
    assert quaternions.shape == (*shape, 4)
    assert phase_ids.shape == shape
    assert (phase_ids == 1).all()
    assert of_map(quaternions, field)


def test_two_phases_keep_their_shares_and_orientations():
    field = grain_map(phases=(CUBIC, HEXAGONAL))
    maps = {0: field}
    quaternions, phase_ids = synthesize(maps, (1, 40, 36), (0.5,) * 3, True, np.random.default_rng(1))
    assert abs((phase_ids == 1).mean() - (field.phase_ids == 1).mean()) < 0.1
    known = {(*q, phase) for q, phase in zip(field.quaternions.reshape(-1, 4), field.phase_ids.ravel(), strict=True)}
    assert all((*q, p) in known for q, p in zip(quaternions.reshape(-1, 4), phase_ids.ravel(), strict=True))


def test_same_seed_same_volume():
    maps = dict.fromkeys(range(3), grain_map())
    first, second, other = (
        synthesize(maps, (8, 10, 9), (0.5,) * 3, True, np.random.default_rng(seed))[0] for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_elongation_of_the_map_is_kept():
    field = grain_map((60, 72), long=4.0)
    q, phase_ids = synthesize({0: field}, (1, 48, 48), (0.5,) * 3, True, np.random.default_rng(0))
    volume = OrientationVolume(q, phase_ids, field.phases, (0.5,) * 3, periodic=True)

    def share(angles):
        return (angles[~np.isnan(angles)] > np.deg2rad(10.0)).mean()

    wanted = [share(neighbour_disorientation(field, axis)) for axis in (0, 1)]
    measured = [share(neighbour_disorientation(volume, axis)) for axis in (1, 2)]
    assert wanted[0] > 2 * wanted[1]
    assert measured[0] > 2 * measured[1]
    np.testing.assert_allclose(measured, wanted, rtol=0.4)


def test_boundaries_do_not_prefer_the_faces_of_coarse_voxels():
    field, rng = grain_map((64, 64)), np.random.default_rng(0)
    coarse = exemplar(exemplar_synthesis._coarse({0: field}, (0.5,) * 3, 2), rng)
    fine = exemplar({0: field}, rng)
    pixels = exemplar_synthesis._nearest(coarse, *polycrystal({0: field}, (1, 60, 60), (1.0,) * 3, True, rng))
    refined = exemplar_synthesis._refined(pixels, coarse, (1, 60, 60), fine, (1, 120, 120), rng)
    q = fine.quaternions[refined].reshape(1, 120, 120, 4)
    volume = OrientationVolume(q, np.ones((1, 120, 120), dtype=np.int32), field.phases, (0.5,) * 3, periodic=True)
    angles = np.stack([neighbour_disorientation(volume, 1)[0], neighbour_disorientation(volume, 2)[0].T])
    boundary = angles > np.deg2rad(10.0)
    np.testing.assert_allclose(boundary[:, 1::2].mean() / boundary[:, ::2].mean(), 1.0, atol=0.3)


def test_each_axis_follows_its_own_map():
    fine, coarse = grain_map((48, 48), seed=1), grain_map((48, 48), long=5.0, seed=2)
    q, _ = synthesize({0: fine, 1: coarse, 2: fine}, (10, 12, 8), (0.5,) * 3, True, np.random.default_rng(0))
    known = {tuple(x) for field in (fine, coarse) for x in field.quaternions.reshape(-1, 4)}
    assert all(tuple(x) in known for x in q.reshape(-1, 4))


def test_pixel_swap_only_lowers_the_energy_and_its_sums_stay_exact(monkeypatch):
    field, shape = grain_map(), (8, 9, 10)
    rng = np.random.default_rng(0)
    source = exemplar(dict.fromkeys(range(3), field), rng)
    pixels = rng.choice(np.flatnonzero(source.indexed), 720)
    kept = []

    class Watched(pixel_swap._Matching):
        def accept(self, voxels, proposed):
            kept.append(self)
            before = self.energy
            accepted = super().accept(voxels, proposed)
            assert self.energy <= before
            return accepted

    before = pixel_swap._Matching(source, pixels.copy(), shape).energy
    monkeypatch.setattr(pixel_swap, "_Matching", Watched)
    pixel_swap.swap_pixels(source, pixels, shape, rng)
    monkeypatch.undo()
    afresh = pixel_swap._Matching(source, pixels, shape)
    assert afresh.energy < 0.2 * before
    np.testing.assert_allclose(kept[-1].energy, afresh.energy, rtol=1e-3)
    np.testing.assert_array_equal(kept[-1].sums.classes, afresh.sums.classes)
    np.testing.assert_array_equal(kept[-1].sums.likes, afresh.sums.likes)


def test_linear_change_predicts_the_energy_of_one_swap():
    field, shape = grain_map(), (1, 40, 44)
    rng = np.random.default_rng(0)
    source = exemplar({0: field}, rng)
    pixels = rng.choice(np.flatnonzero(source.indexed), 1760)
    matching = pixel_swap._Matching(source, pixels, shape)
    voxels, proposed = matching.proposals(200, rng)
    predicted = matching.linear_change(voxels, proposed)
    best = int(np.argmin(predicted))
    before = matching.energy
    assert matching.accept(voxels[[best]], proposed[[best]])
    np.testing.assert_allclose(matching.energy - before, predicted[best], rtol=0.1)


def test_sharpened_volume_holds_measured_orientations():
    field, shape = grain_map(), (8, 10, 9)
    rng = np.random.default_rng(0)
    q, phase_ids = sharpen(
        dict.fromkeys(range(3), field), rotation.random_orientations(shape, rng), np.ones(shape, dtype=np.int32), rng
    )
    assert q.shape == (*shape, 4)
    assert (phase_ids == 1).all()
    assert of_map(q, field)


def test_initial_field_of_a_reconstruction():
    field = grain_map()
    result = reconstruct(field, shape=(8, 10, 12), initial="exemplar", noise="keep", **QUICK)
    flipped = np.where(field.quaternions[..., :1] < 0, -field.quaternions, field.quaternions).reshape(-1, 4)
    nearest = np.abs(result.volume.quaternions.reshape(-1, 4) @ flipped.T).max(axis=1)
    assert (nearest > 1 - 1e-6).all()


def test_maps_too_small_or_that_hide_an_axis():
    small = grain_map((6, 7))
    assert not possible({0: small}, (1, 12, 12))
    assert not possible({0: grain_map()}, (12, 12, 12))
    assert possible({0: grain_map()}, (1, 12, 12))
    with pytest.raises(ValueError, match=r"map: expected at least 50 neighbourhoods of 5 x 5 pixels"):
        synthesize({0: small}, (1, 12, 12), (0.5,) * 3, True, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"shows each axis of a volume of \(12, 12, 12\); got none for z"):
        synthesize({0: grain_map()}, (12, 12, 12), (0.5,) * 3, True, np.random.default_rng(0))
    fallback, polycrystal = (
        reconstruct(small, shape=(1, 12, 12), initial=initial, largest_lag=2, **QUICK)
        for initial in ("exemplar", "polycrystal")
    )
    np.testing.assert_array_equal(fallback.volume.quaternions, polycrystal.volume.quaternions)


def test_a_map_full_of_holes_keeps_its_phases():
    """Of the second phase hardly a neighbourhood is indexed as a whole."""
    field = grain_map((48, 52), phases=(CUBIC, HEXAGONAL), seed=4)
    rng = np.random.default_rng(0)
    lost = (field.phase_ids == 2) & (rng.random(field.shape) < 0.4)
    holes = field.evolve(phase_ids=np.where(lost, 0, field.phase_ids))
    indexed = holes.phase_ids[holes.phase_ids > 0]
    _, phase_ids = synthesize({0: holes}, (1, 40, 36), (0.5,) * 3, True, np.random.default_rng(1))
    assert (phase_ids == 2).mean() == pytest.approx((indexed == 2).mean(), abs=0.08)
