import itertools

import numpy as np
import pytest
from scipy import ndimage

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase, symmetry_operations
from polyrve.crystallography.texture import TEXTURES, Component
from polyrve.microstructure import map_placement
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.laguerre import laguerre_tessellation, pack, voxel_centres
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, _insert_twins, make_specimen


def laguerre_slow(shape, spacing, centres, radii):
    """Power distance to every periodic image of every centre, one by one."""
    box = np.array(shape) * spacing
    axes = [(np.arange(n) + 0.5) * d for n, d in zip(shape, spacing, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    best = np.full(shape, np.inf)
    cells = np.zeros(shape, dtype=int)
    for i, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        for image in itertools.product((-1, 0, 1), repeat=3):
            power = np.sum((points - centre - image * box) ** 2, axis=-1) - radius**2
            cells[power < best] = i
            best = np.minimum(best, power)
    return cells


def mean_intercept(grain_ids, axis, spacing):
    """Mean length of the pieces that grains cut from periodic lines along an axis."""
    boundaries = np.sum(grain_ids != np.roll(grain_ids, 1, axis=axis))
    return grain_ids.size * spacing / boundaries


def test_cells_are_the_periodic_power_diagram():
    shape, spacing = (9, 12, 16), np.array([1.5, 1.0, 0.8])
    rng = np.random.default_rng(5)
    made = laguerre_tessellation(np.array(shape) * spacing, (6.0,) * 3, 0.35, rng)
    cells = made.cells(voxel_centres(shape, spacing))

    rng = np.random.default_rng(5)
    box = np.array(shape) * spacing
    number = round(np.prod(box) / (np.pi / 6 * 6.0**3))
    radii = np.sort(rng.lognormal(0.0, 0.35, number))[::-1]
    radii *= (0.3 * np.prod(box) / (4 / 3 * np.pi * np.sum(radii**3))) ** (1 / 3)
    every_centre = pack(radii, box, rng)
    slow = laguerre_slow(shape, spacing, every_centre, radii)

    np.testing.assert_allclose(made.centres, every_centre, rtol=1e-12)
    np.testing.assert_array_equal(cells, slow)


def test_no_seam_across_periodic_faces():
    truth = make_specimen((24, 30, 36), grain_size=7.0, seed=3)
    for axis in range(3):
        jump = truth.grain_ids != np.roll(truth.grain_ids, 1, axis=axis)
        per_plane = jump.mean(axis=tuple(i for i in range(3) if i != axis))
        inner = per_plane[1:]
        assert abs(per_plane[0] - inner.mean()) < 4 * inner.std()


def test_every_grain_is_one_piece_across_periodic_faces():
    truth = make_specimen((24, 30, 36), grain_size=9.0, twins=0.5, seed=2)
    tiled = np.pad(truth.grain_ids, [(n // 2, n // 2) for n in truth.grain_ids.shape], mode="wrap")
    volumes = np.bincount(truth.grain_ids.ravel())
    for grain in np.argsort(volumes)[::-1][:40]:
        labels, count = ndimage.label(tiled == grain, structure=np.ones((3, 3, 3)))
        assert np.bincount(labels.ravel())[1:].max() == volumes[grain], (grain, count)


def test_grain_size_and_its_spread():
    truth = make_specimen((48, 56, 64), grain_size=8.0, size_spread=0.35, seed=1)
    volumes = np.bincount(truth.grain_ids.ravel())[1:]
    assert np.cbrt(6 / np.pi * volumes.mean()) == pytest.approx(8.0, rel=0.02)
    even = make_specimen((48, 56, 64), grain_size=8.0, size_spread=0.0, seed=1)
    diameters, even = np.cbrt(volumes), np.cbrt(np.bincount(even.grain_ids.ravel())[1:])
    assert diameters.std() / diameters.mean() > 1.5 * even.std() / even.mean()


def test_spacing_scales_the_lengths():
    coarse = make_specimen((20, 24, 28), spacing=(2.0, 2.0, 2.0), grain_size=16.0, seed=4)
    fine = make_specimen((20, 24, 28), spacing=(1.0, 1.0, 1.0), grain_size=8.0, seed=4)
    np.testing.assert_array_equal(coarse.grain_ids, fine.grain_ids)
    np.testing.assert_allclose(coarse.field.quaternions, fine.field.quaternions, atol=1e-12)


@pytest.mark.parametrize("elongation", [(1.0, 1.0, 3.0), (1.0, 2.0, 4.0)])
def test_elongation_is_the_ratio_of_mean_intercepts(elongation):
    spacing = (0.5, 0.5, 1.0)
    truth = make_specimen((72, 80, 88), spacing=spacing, grain_size=7.0, elongation=elongation, seed=6)
    lengths = [mean_intercept(truth.grain_ids, axis, spacing[axis]) for axis in range(3)]
    np.testing.assert_allclose(np.array(lengths) / lengths[0], elongation, rtol=0.08)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_component_spread_for_every_laue_group(laue):
    phase = Phase("any", laue)
    spread = 4.0
    component = Component((30.0, 40.0, 50.0), 1.0, spread)
    truth = make_specimen((16, 18, 20), grain_size=3.0, phases=(phase,), texture=(component,), seed=7)
    centre = rotation.from_euler(np.deg2rad(component.bunge))
    angle = rotation.disorientation_angle(truth.quaternions, centre, phase.symmetry)
    assert truth.number_of_grains > 300
    assert np.sqrt(np.mean(angle**2)) == pytest.approx(np.sqrt(3) * np.deg2rad(spread), rel=0.06)


def test_strong_texture_is_sharper_than_weak_than_random():
    share_of_close_pairs = {}
    for texture in ("random", "weak", "strong"):
        q = make_specimen((32, 32, 32), grain_size=3.5, texture=texture, scatter=0.0, seed=8).quaternions[:1200]
        angle = rotation.disorientation_angle(q[:600, None], q[None, 600:], ALUMINIUM.symmetry)
        share_of_close_pairs[texture] = np.mean(angle < np.deg2rad(10.0))
    uniform = 24 * (np.deg2rad(10.0) - np.sin(np.deg2rad(10.0))) / np.pi
    assert share_of_close_pairs["random"] == pytest.approx(uniform, rel=0.1)
    assert share_of_close_pairs["weak"] > 1.5 * uniform
    assert share_of_close_pairs["strong"] > 5.0 * uniform


def test_orthorhombic_variants_leave_the_texture_symmetric():
    component = Component((59.0, 37.0, 63.0), 1.0, 3.0, orthorhombic=True)
    truth = make_specimen((24, 24, 24), grain_size=3.0, texture=(component,), scatter=0.0, seed=9)
    variants = rotation.multiply(rotation.from_euler(np.deg2rad(component.bunge)), np.eye(4))
    angle = rotation.disorientation_angle(truth.quaternions[:, None], variants[None], ALUMINIUM.symmetry)
    assert angle.min(axis=1).max() < np.deg2rad(5 * 3.0)
    np.testing.assert_allclose(np.bincount(angle.argmin(axis=1)) / truth.number_of_grains, 0.25, atol=0.06)


@pytest.mark.parametrize(
    ("texture", "phase", "direction"),
    [("fibre", ALUMINIUM, (1.0, 1.0, 1.0)), ("basal", MAGNESIUM, (0.0, 0.0, 1.0))],
)
def test_fibre_textures_hold_their_direction_and_turn_freely_about_it(texture, phase, direction):
    truth = make_specimen((24, 24, 24), grain_size=3.0, phases=(phase,), texture=texture, seed=10)
    crystal = rotation.rotate(truth.quaternions, np.array([0.0, 0.0, 1.0]))
    family = rotation.rotate(phase.symmetry, np.array(direction)) / np.linalg.norm(direction)
    tilt = np.arccos(np.clip(np.abs(crystal @ family.T).max(axis=1), 0, 1))
    (component,) = TEXTURES[texture]
    assert np.mean(tilt < 3 * np.deg2rad(component.spread)) > component.fraction
    about = rotation.rotate(rotation.conjugate(truth.quaternions), np.array([1.0, 0.0, 0.0]))
    azimuth = np.arctan2(about[:, 1], about[:, 0])
    assert abs(np.mean(np.exp(1j * azimuth))) < 4 / np.sqrt(len(azimuth))


def test_scatter_level_and_its_correlation():
    truth = make_specimen((40, 44, 48), grain_size=14.0, scatter=1.5, seed=11)
    field = truth.field
    mean = truth.quaternions[truth.grain_ids - 1]
    angle = rotation.disorientation_angle(field.quaternions, mean, ALUMINIUM.symmetry)
    assert np.rad2deg(np.sqrt(np.mean(angle**2))) == pytest.approx(1.5, rel=1e-6)
    deviation = rotation.multiply(field.quaternions, rotation.conjugate(mean))[..., 1:]
    for axis in range(3):
        for lag, low, high in ((1, 0.9, 1.0), (20, -0.3, 0.3)):
            inside = truth.grain_ids == np.roll(truth.grain_ids, lag, axis=axis)
            if lag == 1:
                a, b = deviation[inside], np.roll(deviation, lag, axis=axis)[inside]
            else:
                a, b = deviation, np.roll(deviation, lag, axis=axis)
            assert low < np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2)) < high


def test_grain_orientation_is_the_mean_of_its_voxels():
    truth = make_specimen((20, 22, 24), grain_size=8.0, scatter=2.0, seed=12)
    for grain in range(1, truth.number_of_grains + 1):
        voxels = truth.field.quaternions[truth.grain_ids == grain]
        mean = truth.quaternions[grain - 1]
        total = np.sum(voxels * np.sign(voxels @ mean)[:, None], axis=0)
        assert np.rad2deg(rotation.disorientation_angle(rotation.normalize(total), mean, np.eye(4)[:1])) < 0.05


def test_twins_have_the_sigma_3_relation_and_lie_on_the_plane():
    cells = np.zeros((24, 30, 36), dtype=int)
    q = rotation.random_orientations(1, np.random.default_rng(1))
    divided, quaternions, phase_ids = _insert_twins(
        cells, np.array([[12.0, 15.0, 18.0]]), q, np.array([1]), np.ones(3), ALUMINIUM, 1.0, np.ones(3),
        np.random.default_rng(2),
    )  # fmt: skip
    assert len(quaternions) == len(phase_ids) == 3
    np.testing.assert_array_equal(quaternions[[0, 2]], q[[0, 0]])
    angle = rotation.disorientation_angle(quaternions[1], q[0], ALUMINIUM.symmetry)
    assert np.rad2deg(angle) == pytest.approx(60.0, abs=1e-6)
    points = np.argwhere(divided == 1)[:, ::-1].astype(float)
    points = points[np.all(np.abs(points - points.mean(axis=0)) < 8, axis=1)]
    normal = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)[2][2]
    crystal = rotation.rotate(q[0], normal)
    family = rotation.rotate(ALUMINIUM.symmetry, np.ones(3)) / np.sqrt(3)
    assert np.abs(crystal @ family.T).max() > np.cos(0.1)


def test_hexagonal_extension_twin():
    c_over_a = MAGNESIUM.lattice[2] / MAGNESIUM.lattice[0]
    truth = make_specimen(
        (24, 26, 28),
        grain_size=12.0,
        phases=(MAGNESIUM,),
        texture=(Component((0, 0, 0), 1.0, 0.0),),
        twins=1.0,
        twin_normal=(0.0, c_over_a, np.sqrt(3.0)),
        seed=1,
    )
    angle = rotation.disorientation_angle(truth.quaternions, np.array([1.0, 0, 0, 0]), MAGNESIUM.symmetry)
    np.testing.assert_allclose(np.unique(np.rad2deg(angle).round(3)), [0.0, 86.3], atol=0.05)


def test_two_phases_in_their_shares():
    truth = make_specimen(
        (30, 32, 34), grain_size=4.0, phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.7, 0.3), seed=13
    )
    assert np.mean(truth.phase_ids == 2) == pytest.approx(0.3, abs=0.05)
    np.testing.assert_array_equal(truth.field.phase_ids, truth.phase_ids[truth.grain_ids - 1])


def test_same_seed_same_specimen_and_other_seed_another():
    arguments = {"grain_size": 5.0, "twins": 0.3, "texture": "strong"}
    first, again, other = (make_specimen((10, 12, 14), **arguments, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.field.quaternions, again.field.quaternions)
    np.testing.assert_array_equal(first.grain_ids, again.grain_ids)
    assert not np.array_equal(first.grain_ids, other.grain_ids)
    a, b, c = (simulate_scan(first, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(a.quaternions, b.quaternions)
    assert not np.array_equal(a.quaternions, c.quaternions)


@pytest.fixture(scope="module")
def specimen():
    return make_specimen((40, 52, 64), grain_size=9.0, scatter=0.5, seed=14)


@pytest.mark.parametrize(("axis", "shape"), [(0, (52, 64)), (1, (40, 64)), (2, (40, 52))])
def test_measured_shares_noise_and_confidence(specimen, axis, shape):
    scan = simulate_scan(specimen, axis, 7, noise=0.3, unindexed=0.03, misindexed=0.01, seed=1)
    truth = specimen.field.section(axis, 7)
    assert scan.shape == shape
    assert not scan.periodic
    confidence = scan.properties["CI"]
    number = confidence.size
    assert np.sum(~scan.indexed) == round(0.03 * number)
    np.testing.assert_array_equal(confidence == -1, ~scan.indexed)
    wrong = scan.indexed & (confidence < 0.1)
    assert np.sum(wrong) == round(0.01 * number)
    angle = rotation.disorientation_angle(
        map_placement.by_normal({"zyx"[axis]: scan})[axis][0].quaternions, truth.quaternions, ALUMINIUM.symmetry
    )
    good = scan.indexed & ~wrong
    assert np.rad2deg(np.sqrt(np.mean(angle[good] ** 2))) == pytest.approx(0.3, rel=0.05)
    assert np.rad2deg(np.median(angle[wrong])) > 15


def test_holes_prefer_boundaries(specimen):
    truth = specimen.grain_ids[0]
    padded = np.pad(truth, 1, mode="edge")
    near = np.zeros(truth.shape, dtype=bool)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        near |= padded[dy : dy + truth.shape[0], dx : dx + truth.shape[1]] != truth
    holes = ~simulate_scan(specimen, 0, 0, unindexed=0.05, seed=2).indexed
    assert np.mean(holes[near]) > 3 * np.mean(holes[~near])


def test_measured_orientations_are_reduced_to_the_zone_about_the_identity(specimen):
    scan = simulate_scan(specimen, 0, 3)
    scalar = np.abs(scan.quaternions[scan.indexed][:, 0])
    for s in symmetry_operations("m-3m"):
        assert np.all(scalar >= np.abs(rotation.multiply(s, scan.quaternions[scan.indexed])[:, 0]) - 1e-12)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_measure_without_errors_is_the_section_in_its_own_frame(specimen, axis):
    scan = simulate_scan(specimen, axis, -1, noise=0.0, unindexed=0.0, misindexed=0.0)
    truth = specimen.field.section(axis, -1)
    (in_sample_frame,) = map_placement.by_normal({"zyx"[axis]: scan})[axis]
    angle = rotation.disorientation_angle(in_sample_frame.quaternions, truth.quaternions, ALUMINIUM.symmetry)
    assert angle.max() < 3e-7
    if axis == 0:
        np.testing.assert_allclose(
            rotation.disorientation_angle(scan.quaternions, truth.quaternions, ALUMINIUM.symmetry), 0, atol=3e-7
        )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shape": (0, 4, 5)}, "shape"),
        ({"shape": (4, 5)}, "shape"),
        ({"spacing": (1.0, -1.0, 1.0)}, "spacing"),
        ({"elongation": (1.0, 0.0, 1.0)}, "elongation"),
        ({"grain_size": 0.0}, "grain_size"),
        ({"grain_size": float("nan")}, "grain_size"),
        ({"texture": "cubish"}, "cubish"),
        ({"texture": (Component((0, 0, 0), 0.7), Component((0, 45, 0), 0.7))}, "fractions"),
        ({"phase_fractions": (0.5, 0.5)}, "phase_fractions"),
        ({"scatter": -1.0}, "scatter"),
        ({"scatter_length": 0.0}, "scatter_length"),
        ({"twins": 1.5}, "twins"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_specimen(**{"shape": (3, 4, 5), **arguments})


@pytest.mark.parametrize(
    "arguments",
    [{"axis": 3}, {"index": 40}, {"unindexed": -0.1}, {"unindexed": 0.6, "misindexed": 0.5}, {"noise": -1}],
)
def test_bad_sections_are_refused(specimen, arguments):
    with pytest.raises(ValueError, match="expected"):
        simulate_scan(specimen, **arguments)


def test_one_grain_and_one_voxel():
    assert make_specimen((3, 4, 5), grain_size=50.0).number_of_grains == 1
    assert make_specimen((1, 1, 1), grain_size=1.0).field.shape == (1, 1, 1)


def test_phases_have_their_shares_and_sizes():
    truth = make_specimen(
        (40, 44, 48), grain_size=(10.0, 5.0), phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.7, 0.3), seed=1
    )
    volumes = np.bincount(truth.grain_ids.ravel())[1:]
    sizes = [np.cbrt(6 / np.pi * volumes[truth.phase_ids == phase].mean()) for phase in (1, 2)]
    assert np.mean(truth.field.phase_ids == 2) == pytest.approx(0.3, abs=0.03)
    assert sizes[0] / sizes[1] == pytest.approx(2.0, rel=0.1)


def test_grains_grow_around_the_second_phase():
    truth = make_specimen(
        (24, 26, 28),
        grain_size=(8.0, 4.0),
        phases=(ALUMINIUM, MAGNESIUM),
        phase_fractions=(0.9, 0.1),
        growth=True,
        scatter=0.0,
        seed=1,
    )
    wanted = 0.9 * 24 * 26 * 28 / (np.pi / 6 * 8.0**3)
    assert (truth.phase_ids == 1).sum() == pytest.approx(wanted, rel=0.15)
    assert np.mean(truth.field.phase_ids == 2) == pytest.approx(0.1, abs=0.03)
    np.testing.assert_array_equal(truth.phase_ids[truth.grain_ids - 1], truth.field.phase_ids)


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"grain_size": (8.0, 4.0)}, "grain_size: .* one for each of 1 phases"),
        ({"growth": True, "elongation": (1, 1, 2)}, "growth: .* elongation"),
        ({"growth": True, "spacing": (1, 1, 2)}, "growth: .* spacing"),
    ],
)
def test_sizes_and_growth_that_do_not_fit_are_refused(given, match):
    with pytest.raises(ValueError, match=match):
        make_specimen((8, 9, 10), **given)
