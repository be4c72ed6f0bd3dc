"""Texture synthesis: every voxel holds a pixel of the maps, and its sections have their statistics."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

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


def sums_by_numpy(matching):
    """What the compiled sums are, with NumPy: differences, classes of disorientation, like neighbours, texture."""
    shape, values = tuple(matching.shape), matching.channels[matching.pixels]

    def beside(rows, k):
        parts = (rows[axis, :n, k] for axis, n in enumerate(shape))
        return np.add.outer(np.add.outer(*[next(parts) for _ in range(2)]), next(parts)).ravel()

    def apart(rows, k):
        return values - values[beside(rows, k)]

    differences = [np.abs(apart(matching.far, k)).sum(axis=0, dtype=float) for k in range(matching.far.shape[2] // 2)]
    steps = [
        np.clip(np.linalg.norm(apart(matching.near, k), axis=1) * matching.per_step, 0, len(matching.class_of_step) - 1)
        for k in range(len(matching.classes))
    ]
    classes = [
        np.bincount(matching.class_of_step[step.astype(int)], minlength=matching.classes.shape[1]) for step in steps
    ]
    like = [
        sum((np.linalg.norm(apart(matching.near, k), axis=1) < pixel_swap._ALIKE).astype(int) for k in cross)
        for cross in matching.crosses
    ]
    likes = [np.bincount(count, minlength=5) for count in like]
    return (
        np.transpose(differences),
        np.array(classes),
        np.array(likes),
        matching.texture[matching.pixels].sum(axis=0, dtype=float),
    )


@pytest.mark.parametrize("shape", [(8, 9, 10), (1, 21, 24), (2, 9, 8)])
def test_pixel_swap_only_lowers_the_energy_and_its_sums_stay_exact(shape):
    field = grain_map()
    rng = np.random.default_rng(0)
    source = exemplar(dict.fromkeys(range(3) if shape[0] > 1 else [0], field), rng)
    pixels = rng.choice(np.flatnonzero(source.indexed), np.prod(shape))
    matching = pixel_swap._Matching(source, pixels, shape)
    before = matching.energy
    for _ in range(4):
        last = matching.energy
        for voxel in rng.permutation(matching.size)[:200]:
            energy = matching.energy
            made = matching.swap(np.array([voxel]), rng)
            assert matching.energy < energy if made else matching.energy == energy
        assert matching.swap(rng.permutation(matching.size), rng) > 0
        assert matching.energy < last
    assert matching.energy < 0.5 * before
    differences, classes, likes, texture = sums_by_numpy(matching)
    np.testing.assert_allclose(matching.differences, differences, rtol=1e-4)
    assert np.abs(matching.classes - classes).sum() <= 1e-3 * classes.sum()
    assert np.abs(matching.likes - likes).sum() <= 1e-3 * likes.sum()
    np.testing.assert_allclose(matching.textures, texture, atol=1e-6 * matching.size)
    afresh = pixel_swap._Matching(source, matching.pixels, shape)
    np.testing.assert_array_equal(matching.classes, afresh.classes)
    np.testing.assert_array_equal(matching.likes, afresh.likes)
    np.testing.assert_array_equal(matching.own_likes, afresh.own_likes)
    np.testing.assert_allclose(matching.energy, afresh.energy, rtol=1e-4)


def test_threads_swap_the_same_pixels():
    shape, rng = (8, 9, 10), np.random.default_rng(0)
    source = exemplar(dict.fromkeys(range(3), grain_map()), rng)
    pixels, voxels = rng.choice(np.flatnonzero(source.indexed), 720), rng.permutation(720)
    alone, together = (pixel_swap._Matching(source, pixels, shape) for _ in range(2))
    made = alone.swap(voxels, np.random.default_rng(1))
    with ThreadPoolExecutor(3) as threads:
        assert together.swap(voxels, np.random.default_rng(1), threads.map) == made > 0
    np.testing.assert_array_equal(together.pixels, alone.pixels)


def test_steps_of_swaps_lead_across_the_faces():
    shape = (4, 5, 6)
    source = exemplar(dict.fromkeys(range(3), grain_map()), np.random.default_rng(0))
    matching = pixel_swap._Matching(source, np.zeros(120, dtype=int), shape)
    index = np.arange(120).reshape(shape)
    z, y, x = np.indices(shape)
    for side, (axis, sign) in zip(matching.sides, [(a, s) for a in range(3) for s in (1, -1)], strict=True):
        found = matching.near[0, z, side] + matching.near[1, y, side] + matching.near[2, x, side]
        np.testing.assert_array_equal(found, np.roll(index, -sign, axis=axis))


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
