import json

import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.odf import odf_bins, pole_density, pole_directions, to_fundamental_zone
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.crystallography.special_relations import known_relations
from polyrve.crystallography.texture import Component
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.lags import half_space
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.map_placement import analyse_maps
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.stereology import count_grains, kolmogorov_smirnov
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen
from polyrve.validation.metrics import (
    boundary_histogram,
    half_l1,
    madogram_error,
    metrics,
    two_point_error,
)
from polyrve.validation.run import (
    FEWEST_TO_STAND,
    MetricResult,
    Validation,
    compare,
    seam,
    validate,
    validate_comparison,
)
from polyrve.validation.stacks import at_spacing, pool, section_stacks, stack_of


def about_z(degrees):
    return rotation.from_axis_angle([0.0, 0.0, 1.0], np.deg2rad(np.asarray(degrees, dtype=float)))


def map_of(quaternions, laue="m-3m", spacing=(1.0, 1.0), periodic=False, phase_ids=None):
    phase_ids = np.ones(quaternions.shape[:2], dtype=int) if phase_ids is None else phase_ids
    phases = tuple(Phase(f"phase {i}", laue) for i in range(1, phase_ids.max() + 1)) or (Phase("x", laue),)
    return OrientationMap(quaternions, phase_ids, phases, spacing, periodic=periodic)


def perfect(volume, axis, index):
    """A section without measuring errors, in its own frame."""
    return simulate_scan(volume, axis, index, noise=0.0, unindexed=0.0, misindexed=0.0).evolve(properties={})


def masses(quaternions, laue, halfwidth=5.0):
    bins = odf_bins(quaternions, laue)
    return bins.odf(np.bincount(bins.of_point) / len(quaternions), halfwidth)


@pytest.fixture(scope="module")
def specimen():
    return make_specimen((30, 32, 34), grain_size=7.0, seed=5)


@pytest.fixture(scope="module")
def large_map():
    return make_specimen((24, 150, 160), grain_size=7.0, seed=6).field.section(0, 4).evolve(periodic=False)


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_orientation_distribution_of_every_laue_group(laue):
    rng = np.random.default_rng(0)
    operations = Phase("x", laue).symmetry
    q = rotation.random_orientations(400, rng)
    other = (
        rotation.multiply(operations[rng.integers(len(operations), size=400)], q) * rng.choice([-1, 1], 400)[:, None]
    )
    first = masses(q, laue)
    assert first.sum() == pytest.approx(1.0)
    assert half_l1(first, masses(other, laue)) == pytest.approx(0.0, abs=1e-9)
    centre, angle = q[:1], np.deg2rad(40.0)
    away = to_fundamental_zone(rotation.multiply(rotation.from_axis_angle([1.0, 0.3, 0.2], angle), centre), operations)
    distance = np.rad2deg(rotation.disorientation_angle(centre, away, operations))[0]
    assert distance > 30.0
    assert half_l1(masses(centre, laue), masses(away, laue)) == pytest.approx(1.0, abs=0.01)


def test_misplaced_volume_agrees_with_the_integral_of_the_kernel():
    angle, halfwidth = np.deg2rad(6.0), np.deg2rad(5.0)
    exponent = np.log(0.5) / np.log(np.cos(halfwidth / 2.0))
    rng = np.random.default_rng(1)
    found = []
    sigma = np.sqrt(4.0 / exponent)
    for _ in range(12):
        axis = rng.standard_normal(3)
        q = rotation.random_orientations(1, rng)
        p = rotation.multiply(rotation.from_axis_angle(axis, angle), q)
        found.append(half_l1(masses(q, "-1"), masses(p, "-1")))
    steps = rng.normal(0.0, sigma, (400_000, 3))
    near = np.exp(-np.sum(steps**2, axis=1) / (2 * sigma**2))
    far = np.exp(-np.sum((steps - [angle, 0.0, 0.0]) ** 2, axis=1) / (2 * sigma**2))
    expected = np.mean(np.maximum(1.0 - far / near, 0.0))
    np.testing.assert_allclose(np.mean(found), expected, rtol=0.05)


def test_texture_index_of_a_single_crystal_is_that_of_the_kernel():
    halfwidth = np.deg2rad(5.0)
    kappa = np.log(0.5) / (2.0 * np.log(np.cos(halfwidth / 2.0)))
    omega = np.linspace(0.0, np.pi, 200_001)
    kernel = np.cos(omega / 2.0) ** (2.0 * kappa)
    haar = 2.0 / np.pi * np.sin(omega / 2.0) ** 2
    expected = np.trapezoid(kernel**2 * haar, omega) / np.trapezoid(kernel * haar, omega) ** 2 / 24.0
    rng = np.random.default_rng(2)
    indices = []
    for q in rotation.random_orientations(30, rng):
        found = stack_of(map_of(np.tile(q, (4, 5, 1))), 5.0).texture_index
        indices.append(found)
    np.testing.assert_allclose(np.mean(indices), expected, rtol=0.05)


def test_pole_density_is_uniform_for_uniform_directions_and_peaks_at_the_pole():
    rng = np.random.default_rng(3)
    directions = rng.standard_normal((200_000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    density = pole_density(directions, directions[:200])
    np.testing.assert_allclose(density, 1.0, atol=0.15)
    peak = pole_density(np.array([[0.0, 0.0, 1.0]]), np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]))
    assert peak[0] > 100.0
    assert peak[1] < 1e-6


def test_pole_families_have_their_multiplicities():
    counts = {laue: [len(d) for d in pole_directions(laue).values()] for laue in ("m-3m", "6/mmm", "4/mmm", "-1")}
    assert counts == {"m-3m": [3, 6, 4], "6/mmm": [1, 3, 3], "4/mmm": [1, 2, 2], "-1": [1, 1, 1]}


def test_kolmogorov_smirnov_with_weights():
    ones = np.ones
    assert kolmogorov_smirnov(np.arange(4.0), np.arange(4.0), ones(4), ones(4)) == pytest.approx(0.0)
    assert kolmogorov_smirnov(np.zeros(3), ones(2), ones(3), ones(2)) == pytest.approx(1.0)
    assert kolmogorov_smirnov(
        np.array([1.0, 2.0]), np.array([1.0, 2.0]), ones(2), np.array([3.0, 1.0])
    ) == pytest.approx(0.25)
    assert np.isnan(kolmogorov_smirnov(np.zeros(0), ones(2), ones(0), ones(2)))


def test_bands_have_known_boundaries_chords_and_grains():
    angle = np.tile(np.repeat([0.0, 30.0], 5), (12, 2))
    stack = stack_of(map_of(about_z(angle), spacing=(0.5, 2.0), periodic=True), 5.0)
    shares = boundary_histogram(stack)
    assert shares[np.searchsorted(np.arange(0.0, 180.1, 5.0), 29.9) - 1 : 8].sum() == pytest.approx(1.0)
    assert stack.boundary_per_size == pytest.approx(np.pi / 4.0 * 4 / 20 / 2.0)
    length, weight = stack.chords[1]
    assert set(length) == {10.0}
    assert weight.sum() == 4 * 12
    assert len(stack.chords[0][0]) == 0
    assert stack.speck_share == 0.0
    assert stack.kernel_average.max() < 1e-5


def test_small_holes_leave_boundaries_chords_and_grains_as_they_are():
    angle = np.tile(np.repeat([0.0, 30.0], 6), (12, 2))
    full = stack_of(map_of(about_z(angle), periodic=True), 5.0)
    holes = np.ones_like(angle, dtype=np.int32)
    holes[2, 5] = holes[3, 8:10] = holes[6, 23] = holes[6, 0] = holes[9, 12:15] = 0
    stack = stack_of(map_of(about_z(angle), phase_ids=holes, periodic=True), 5.0)
    assert stack.boundary_per_size == pytest.approx(full.boundary_per_size)
    assert stack.boundary_share(10.0) == pytest.approx(full.boundary_share(10.0))
    assert stack.chords[1][1].sum() == full.chords[1][1].sum()
    assert np.average(stack.chords[1][0]) == pytest.approx(6.0)
    assert len(stack.grains.points) == len(full.grains.points) == 4
    assert (~np.isnan(stack.angles[2])).sum() < (~np.isnan(stack.steps[2])).sum() == angle.size


def test_large_holes_and_those_at_the_border_stay_unknown():
    angle = np.tile(np.repeat([0.0, 30.0], 8), (6, 1))
    holes = np.ones_like(angle, dtype=np.int32)
    holes[1, 2:6] = holes[2, :2] = holes[3, -1] = 0
    stack = stack_of(map_of(about_z(angle), phase_ids=holes), 5.0)
    np.testing.assert_array_equal(np.isnan(stack.steps[2]), np.isnan(stack.angles[2]))
    window = stack_of(map_of(about_z(angle), periodic=True), 5.0).window((1, 1), (4, 9))
    assert np.isnan(window.steps[2][..., -1]).all()


def test_a_thin_grain_goes_on_through_a_hole_at_its_side():
    angle = np.zeros((7, 9))
    angle[3], angle[4:] = 40.0, 20.0
    holes = np.ones_like(angle, dtype=np.int32)
    holes[3, 4] = 0
    ids = stack_of(map_of(about_z(angle), phase_ids=holes), 5.0).grain_ids[0]
    assert ids.max() == 3
    assert ids[3, 0] == ids[3, -1]


def test_a_hole_that_two_grains_would_cross_stays_open():
    angle = np.zeros((7, 9))
    angle[3] = 40.0
    holes = np.ones_like(angle, dtype=np.int32)
    holes[3, 4] = 0
    stack = stack_of(map_of(about_z(angle), phase_ids=holes), 5.0)
    assert stack.grain_ids.max() == 4
    assert all(np.array_equal(np.isnan(stack.steps[axis]), np.isnan(stack.angles[axis])) for axis in (1, 2))


def test_grain_weights_leave_no_bias_from_the_border():
    field = make_specimen((16, 240, 250), grain_size=8.0, seed=8).field.section(0, 7)
    truth = stack_of(field, 5.0)
    expected = np.average(truth.grains.size[truth.grains.points > 2])
    density = truth.grains_per_size
    rng = np.random.default_rng(0)
    plain = truth.window((0, 0), field.shape)
    sizes, weights, densities = [], [], []
    for _ in range(60):
        window = plain.window(tuple(rng.integers(200, size=2)), (40, 40))
        kept = window.grains.points > 2
        sizes.append(window.grains.size[kept])
        weights.append(window.grains.weight[kept])
        densities.append(window.grains_per_size)
    sizes, weights = np.concatenate(sizes), np.concatenate(weights)
    assert sizes.mean() < 0.93 * expected
    np.testing.assert_allclose(np.average(sizes, weights=weights), expected, rtol=0.06)
    np.testing.assert_allclose(np.mean(densities), density, rtol=0.06)


@pytest.mark.parametrize("periodic", [True, False])
def test_correlations_agree_with_plain_loops(periodic):
    rng = np.random.default_rng(4)
    q = rotation.random_orientations((5, 7), rng)
    phase_ids = rng.choice(3, (5, 7), p=(0.1, 0.45, 0.45))
    phase_ids[:2, :2] = phase_ids[3:, 5:] = phase_ids[3:, :2] = [[1, 2], [2, 1]]
    stack = stack_of(map_of(q, "6/mmm", periodic=periodic, phase_ids=phase_ids), 5.0)
    harmonics = symmetrized_harmonics("6/mmm")
    f = harmonics.evaluate(q)
    local = np.concatenate([np.where(phase_ids == 1, f, 0.0), np.where(phase_ids == 2, f, 0.0)])
    two_point, madogram = stack.two_point(2), stack.madogram(2)
    for number, (dy, dx) in enumerate(half_space(2, 2)):
        products, differences, pairs, same = 0.0, np.zeros(2 * harmonics.count), 0, [0, 0]
        for y in range(5):
            for x in range(7):
                v, u = y + dy, x + dx
                if periodic:
                    v, u = v % 5, u % 7
                elif not (0 <= v < 5 and 0 <= u < 7):
                    continue
                if phase_ids[y, x] and phase_ids[v, u]:
                    pairs += 1
                    products = products + np.outer(local[:, y, x], local[:, v, u])
                for phase_id in (1, 2):
                    if phase_ids[y, x] == phase_ids[v, u] == phase_id:
                        same[phase_id - 1] += 1
                        part = slice((phase_id - 1) * harmonics.count, phase_id * harmonics.count)
                        differences[part] += np.abs(f[:, y, x] - f[:, v, u])
        np.testing.assert_allclose(two_point[number], products / pairs, atol=1e-5)
        with np.errstate(invalid="ignore"):
            expected = differences / 2.0 / np.repeat(same, harmonics.count)
        np.testing.assert_allclose(madogram[number], expected, atol=1e-5)


def test_sections_are_those_of_the_volume(specimen):
    volume = specimen.field
    by_axis = section_stacks(volume, 5.0, most=6)
    for axis, plane in enumerate([(1, 2), (0, 2), (0, 1)]):
        stack = by_axis[axis]
        assert len(stack.phase_ids) == 6
        expected = stack_of(volume.section(axis, 0), 5.0)
        np.testing.assert_array_equal(stack.quaternions[0], expected.quaternions[0])
        assert stack.spacing == tuple(volume.spacing[i] for i in plane)
        for position in (1, 2):
            np.testing.assert_allclose(stack.angles[position][0], expected.angles[position][0])
        np.testing.assert_array_equal(stack.channels[:, 0], expected.channels[:, 0])


def test_a_map_at_another_spacing_keeps_measured_orientations():
    angle = np.arange(24.0).reshape(4, 6)
    half = at_spacing(map_of(about_z(angle)), (2.0, 3.0)).field
    assert half.shape == (2, 2)
    assert half.spacing == (2.0, 3.0)
    for row in range(2):
        for column in range(2):
            cell = about_z(angle[2 * row : 2 * row + 2, 3 * column : 3 * column + 3])
            assert np.abs(cell - half.quaternions[row, column]).max(axis=-1).min() < 1e-12
    same = map_of(about_z(angle))
    assert at_spacing(same, (1.0, 1.0005)).field is same
    analysis = analyse(same)
    assert at_spacing(analysis, (1.0, 1.0)) is analysis
    assert at_spacing(analysis, (2.0, 2.0)) is at_spacing(analysis, (2.0, 2.0))


def test_a_map_against_itself_has_no_difference():
    phases = (ALUMINIUM, Phase("Iron", "m-3m", (2.87, 2.87, 2.87, 90.0, 90.0, 90.0)))
    two = make_specimen(
        (12, 50, 60), grain_size=6.0, phases=phases, phase_fractions=(0.6, 0.4), twins=0.8, texture="random", seed=6
    )
    relations = tuple(relation for relation in known_relations(phases) if relation.name in ("Sigma 3", "Sigma 9"))
    for field, volumes in ((two.field.section(0, 4), False), (two.field, True)):
        stack = stack_of(field, 5.0, relations, () if volumes else relations[:1])
        for metric in metrics(4, volumes=volumes):
            if metric.key != "special_between_phases":
                assert metric.lacks(stack) == "", metric.key
                expected = 1.0 if metric.higher else 0.0
                assert metric.compare(stack, stack) == pytest.approx(expected, abs=1e-12), metric.key


def test_the_truth_passes_and_a_wrong_volume_does_not(specimen, large_map):
    validation = validate(large_map, specimen, windows=20)
    assert validation.compared == sum(row.applies for row in validation.results)
    assert validation.passed >= 0.9 * validation.compared, str(validation)
    assert set(validation["odf_5"].per_axis) == {"z", "y", "x"}
    assert validation["number_of_grains"].reference == pytest.approx(validation["number_of_grains"].measured, rel=0.2)
    rng = np.random.default_rng(0)
    volume = specimen.field
    shuffled = rng.permutation(volume.quaternions.reshape(-1, 4)).reshape(volume.quaternions.shape)
    wrong = validate(large_map, volume.evolve(quaternions=shuffled), windows=8)
    for key in (
        "neighbour_disorientation",
        "boundary_fraction",
        "chord_length",
        "specks",
        "kernel_average",
    ):
        assert wrong[key].verdict == "warn", key
    assert wrong["odf_5"].verdict == "pass"
    assert wrong["madogram_largest"].value > 3.0 * validation["madogram_largest"].value
    turned = rotation.multiply(volume.quaternions, rotation.from_axis_angle([1.0, 1.0, 0.3], 0.6))
    other = validate(large_map, volume.evolve(quaternions=turned), windows=8)
    assert other["neighbour_disorientation"].verdict == "pass"
    assert other["odf_5"].value > 1.4 * validation["odf_5"].value
    assert other["pole_figures"].value > 1.4 * validation["pole_figures"].value


def test_windows_tell_how_far_beyond_limits_is_usual(specimen, large_map):
    validation = validate(large_map, specimen, windows=8)
    comparison = compare(large_map, specimen, windows=8)
    # Sections of the specimen have three shapes; each has windows of its own, and limits by them.
    totals = []
    for name, (reference, _) in comparison.pairs.items():
        values = {
            metric.key: np.array([metric.compare(reference, window) for window in comparison.windows[name]])
            for metric in metrics(comparison.lag)
            if validation[metric.key].verdict != "not compared"
        }
        total = np.zeros(8)
        for metric in metrics(comparison.lag):
            if metric.key in values and not metric.higher:
                found, limit = values[metric.key], np.nanquantile(values[metric.key], 0.95)
                beyond = (found > limit) & (limit > 0.0)
                total[beyond] += np.log(found[beyond] / limit)
        totals.extend(total)
    assert len(totals) == 24
    assert validation.usual_excess == pytest.approx(np.quantile(totals, 0.95))
    assert 0.0 < validation.usual_excess < 3.0


def test_the_record_is_json_and_the_text_tells_all(specimen, large_map):
    validation = validate(large_map, specimen, windows=5)
    record = json.loads(validation.to_json())
    assert [row["key"] for row in record["results"]] == [row.key for row in validation.results]
    assert record["settings"]["windows"] == 5
    assert record["settings"]["window_shapes"]["x"] == [30, 32]
    assert str(validation).splitlines()[-1] == validation.headline
    assert record["grains"] == validation.grains > 20
    assert [row["decisive"] for row in record["results"]] == [row.decisive for row in validation.results]
    assert validate(large_map, specimen, windows=5).to_json() == validation.to_json()
    with pytest.raises(KeyError, match="odf_5"):
        validation["nonsense"]


def row_of(key, verdict="pass", limit=0.1, decisive=True):
    value = None if verdict == "not compared" else 0.05
    return MetricResult(key, key, "grains", value, {}, 0.05, limit, verdict, decisive=decisive)


def test_a_count_of_decisive_metrics_alone_is_the_plain_one():
    validation = Validation((row_of("a"), row_of("b"), row_of("c", "warn")), ("A note.",), grains=50)
    assert validation.conclusion == "2 of 3 metrics pass"
    assert validation.headline == str(validation).splitlines()[-1] == "2 of 3 metrics pass; warn: c"
    assert validation.conclusive
    assert not validation.convincing
    assert Validation(tuple(row_of(str(i)) for i in range(3)), grains=50).convincing


def test_limits_that_hardly_any_volume_fails_are_told_from_decisive_ones():
    rows = (*(row_of(f"a{i}") for i in range(3)), *(row_of(f"b{i}", limit=0.9, decisive=False) for i in range(4)))
    validation = Validation((*rows, row_of("c", "not compared", None, decisive=False)), grains=50)
    assert (validation.passed, validation.compared) == (7, 7)
    assert validation.conclusion == (
        "Inconclusive: 3 of 7 metrics pass decisively, 4 can hardly fail with a map this small, 1 not compared"
    )
    assert str(validation).count("pass, not decisive") == 4
    assert not validation.convincing


def test_a_volume_of_few_grains_convinces_nobody():
    rows = tuple(row_of(str(i)) for i in range(9))
    assert Validation(rows, grains=FEWEST_TO_STAND).convincing
    validation = Validation(rows, grains=3)
    assert validation.conclusion == "Inconclusive: 9 of 9 metrics pass, the volume holds 3 grains"
    assert Validation(rows, grains=1).conclusion.endswith("the volume holds 1 grain")
    assert not validation.convincing
    unlike = Validation(tuple(row_of(str(i), "warn") for i in range(9)), grains=3)
    assert unlike.conclusion == "Inconclusive: 0 of 9 metrics pass, the volume holds 3 grains"


def test_one_grain_against_a_narrow_map_tells_little():
    truth = make_specimen((12, 24, 40), grain_size=16.0, seed=3).field
    section = truth.section(0, 2)
    narrow = section.evolve(
        quaternions=section.quaternions[:5], phase_ids=section.phase_ids[:5], properties={}, periodic=False
    )
    grain = np.broadcast_to(narrow.quaternions[2, 5], (8, 9, 10, 4))
    volume = OrientationVolume(grain, np.ones((8, 9, 10), dtype=int), truth.phases, (1.0, 1.0, 1.0), periodic=True)
    validation = validate(narrow, volume, windows=12)
    assert validation.grains == 1
    assert not validation.conclusive
    missing = sum(row.applies and row.verdict == "not compared" for row in validation.results)
    assert f", {missing} not compared, " in validation.conclusion
    assert validation.conclusion.endswith("far beyond the limit, the volume holds 1 grain")
    assert validation.hardly_failed == 5
    assert not validation["texture_index"].decisive
    assert not validation["aspect_ratio"].decisive


@pytest.mark.parametrize(
    ("key", "limit", "decisive"),
    [
        ("odf_5", 0.6, True), ("aspect_ratio", 0.923, False), ("texture_index", 2.15, False),
        ("boundary_fraction", 0.99, True), ("two_point_within_2", 0.012, False), ("two_point_within_2", 0.08, True),
        ("madogram_largest", 1.1, False), ("specks", 0.075, True),
    ],
)  # fmt: skip
def test_the_limit_says_what_is_decisive(key, limit, decisive):
    metric = next(metric for metric in metrics(3) if metric.key == key)
    assert metric.decides(limit) == decisive


def test_elongated_grains_in_the_wrong_direction_warn(large_map):
    long = make_specimen((30, 32, 34), grain_size=7.0, elongation=(1.0, 1.0, 3.0), seed=9)
    validation = validate(large_map, long, windows=10)
    assert validation["chord_length"].verdict == "warn"
    assert validation["chord_length"].per_axis["x"] < validation["chord_length"].per_axis["z"]


def test_three_maps_serve_the_sections_normal_to_them():
    long = make_specimen((40, 44, 48), grain_size=8.0, elongation=(1.0, 1.0, 2.5), seed=10).field
    volume = make_specimen((28, 30, 32), grain_size=8.0, elongation=(1.0, 1.0, 2.5), seed=11)
    maps = {}
    for name, axis in (("z", 0), ("y", 1), ("x", 2)):
        maps[name] = perfect(long, axis, 3)
    validation = validate(maps, volume, windows=10)
    assert set(validation["chord_length"].per_axis) == {"z", "y", "x"}
    assert validation["chord_length"].verdict == "pass"
    only = validate({"z": maps["z"]}, volume, windows=5)
    assert set(only["chord_length"].per_axis) == {"z"}


@pytest.fixture(scope="module")
def layered():
    """A homogeneous material of few coarse grains, and its three sections, which differ by chance."""
    truth = make_specimen((40, 42, 44), grain_size=10.0, texture="random", seed=21)
    return truth, {"zyx"[axis]: perfect(truth, axis, 5) for axis in range(3)}


ONE_POINT = ("odf_5", "odf_7", "pole_figures", "texture_index", "random_disorientation")


def test_orientations_are_compared_with_all_maps_together(layered):
    truth, maps = layered
    validation = validate(maps, truth, windows=12)
    alone = [validate({name: field}, truth, windows=12) for name, field in maps.items()]
    failed = {key for key in ONE_POINT for one in alone if one[key].verdict == "warn"}
    assert {"odf_5", "pole_figures"} <= failed
    assert {key: validation[key].verdict for key in ONE_POINT} == dict.fromkeys(ONE_POINT, "pass"), str(validation)
    assert set(validation["odf_5"].per_axis) == {"z", "y", "x"}
    goss = (Component((0.0, 45.0, 0.0), 1.0, 4.0),)
    other = make_specimen(truth.field.shape, grain_size=10.0, texture=goss, seed=21)
    wrong = validate(maps, other, windows=5)
    assert {wrong[key].verdict for key in ("odf_5", "odf_7", "pole_figures")} == {"warn"}
    others = [
        row.key
        for row in validation.results
        if row.group in ("boundaries", "grains", "in-grain") and row.applies and row.key != "seam"
    ]
    for name, one in zip(maps, alone, strict=True):
        assert {key: validation[key].per_axis[name] for key in others} == {
            key: one[key].per_axis[name] for key in others
        }


def test_together_are_the_points_of_all_maps_and_windows_of_each(layered):
    truth, maps = layered
    comparison = compare(maps, truth, windows=6)
    stacks = [pair[0] for pair in comparison.pairs.values()]
    shares = [stack.phase_ids.size for stack in stacks]
    together = pool(stacks)
    np.testing.assert_array_equal(together.odf_5, comparison.together.odf_5)
    expected = np.average([stack.odf_5 for stack in stacks], axis=0, weights=shares)
    assert half_l1(together.odf_5, expected) < 0.03
    odf, grains = (next(f for f in metrics(comparison.lag) if f.key == key) for key in ("odf_5", "chord_length"))
    for name, (reference, stack) in comparison.pairs.items():
        assert comparison.sides(grains)[name] == (reference, stack, comparison.windows[name])
        against, same, windows = comparison.sides(odf)[name]
        assert against is comparison.together
        assert same is stack
        assert windows == [window for name in comparison.pairs for window in comparison.windows[name]]
    floor = [half_l1(together.odf_5, window.odf_5) for window in windows]
    row = validate_comparison(comparison)["odf_5"]
    assert row.limit == pytest.approx(np.quantile(floor, 0.95), abs=1e-12)
    assert row.floor == pytest.approx(np.median(floor), abs=1e-12)


def test_one_map_is_compared_alone(large_map, specimen):
    comparison = compare(large_map, specimen, windows=5)
    assert comparison.together is None
    assert compare({"y": large_map}, specimen, windows=5).together is None
    row, name = validate_comparison(comparison)["odf_5"], "x"
    reference, stack = comparison.pairs[name]
    assert row.per_axis[name] == half_l1(reference.odf_5, stack.odf_5)
    assert row.limit in [
        np.quantile([half_l1(reference.odf_5, window.odf_5) for window in windows], 0.95)
        for windows in comparison.windows.values()
    ]


def test_volume_against_its_truth(specimen):
    other = make_specimen((30, 32, 34), grain_size=7.0, seed=12)
    validation = validate(specimen, other, windows=10)
    assert set(validation["grain_size_area"].per_axis) == {"volume"}
    assert validation["grain_size_area"].verdict == "pass"
    coarse = make_specimen((30, 32, 34), grain_size=12.0, seed=13)
    assert validate(specimen, coarse, windows=10)["chord_length"].verdict == "warn"


def test_seam_of_a_periodic_volume_and_of_a_cut_one(specimen):
    volume = specimen.field
    assert seam(volume).verdict == "pass"
    cut = OrientationVolume(
        volume.quaternions[:20, :21, :23], volume.phase_ids[:20, :21, :23], volume.phases, volume.spacing, periodic=True
    )
    row = seam(cut)
    assert row.verdict == "warn"
    assert row.value > row.limit
    assert seam(cut.evolve(periodic=False)).reason == "the volume is not periodic"


def test_two_phases_are_told_apart(large_map):
    phases = (Phase("Al"), Phase("Mg", "6/mmm"))
    half = make_specimen((24, 90, 96), grain_size=7.0, phases=phases, phase_fractions=(0.5, 0.5), seed=1).field
    volume = make_specimen((26, 28, 30), grain_size=7.0, phases=phases, phase_fractions=(0.5, 0.5), seed=2)
    rich = make_specimen((26, 28, 30), grain_size=7.0, phases=phases, phase_fractions=(0.9, 0.1), seed=2)
    map_ = half.section(0, 3).evolve(periodic=False)
    good, bad = validate(map_, volume, windows=6), validate(map_, rich, windows=6)
    assert good["neighbour_disorientation"].value < bad["neighbour_disorientation"].value
    assert bad["odf_7"].value > 0.35
    assert good["madogram_within_5"].value is not None
    with pytest.raises(ValueError, match="phases: expected those of the map"):
        validate(large_map, volume)


def test_what_cannot_be_compared_is_told_with_its_reason(specimen, large_map):
    empty = large_map.evolve(phase_ids=np.zeros(large_map.shape, dtype=int))
    validation = validate(empty, specimen)
    *compared, faces = validation.results
    assert {(row.verdict, row.reason) for row in compared} == {("not compared", "the map has no indexed points")}
    assert len(validation.results) == len(validate(large_map, specimen, windows=1).results)
    assert faces == seam(specimen.field)
    assert validation.notes == ("Nothing can be compared: the map has no indexed points.",)
    json.loads(validation.to_json())
    nothing = specimen.field.evolve(phase_ids=np.zeros(specimen.field.shape, dtype=int))
    validation = validate(large_map, nothing)
    assert validation.compared == 0
    assert {row.reason for row in validation.results} == {"the volume has no indexed points"}
    crystal = map_of(np.tile(large_map.quaternions[:1, :1], (40, 50, 1)))
    crystal = crystal.evolve(phases=specimen.field.phases)
    validation = validate(crystal, specimen, windows=5)
    assert validation["grain_size_area"].reason == "the map has 1 grain; at least 5 are needed"
    assert validation["neighbour_disorientation"].verdict == "warn"
    reasons = {
        row.key: row.reason
        for row in validation.results
        if row.verdict == "not compared" and "grain;" not in row.reason and row.applies
    }
    absent = {row.key.partition("_")[0]: row.reason for row in validation.results if not row.applies}
    assert absent.pop("special").startswith("the map has no special boundaries")
    assert absent.pop("phase") == "the map has one phase alone"
    assert absent == dict.fromkeys(
        ("plate", "parent"), "the map has no special boundaries along the traces of a habit plane"
    )
    assert reasons == {
        **dict.fromkeys(
            ("boundary_angle", "raggedness", "straight_steps", "place_boundaries"), "the map has no boundaries"
        ),
        "elongation": "the map has no boundaries along an axis or diagonal",
        "random_disorientation": "the map has no random pairs beyond the threshold",
        "boundary_disorientation": "the map has no boundaries",
        "correlated_uncorrelated": "the map has no boundaries",
        "boundary_fraction": "the map has no boundaries of more than 10 degrees",
        "boundary_length": "the map has no boundaries",
        **{
            f"madogram_{what}": "the map has a madogram of zero"
            for what in ("within_1", "within_2", "within_5", "largest")
        },
        "in_grain_spread": "the map has no scatter within grains",
    }
    assert not any("wide" in note or "rough" in note for note in validation.notes), validation.notes
    json.loads(validation.to_json())
    flat = map_of(np.tile(large_map.quaternions[:1, :1], (40, 50, 1)), phase_ids=np.indices((40, 50)).sum(axis=0) % 2)
    validation = validate(flat.evolve(phases=specimen.field.phases), specimen, windows=5)
    assert validation["boundary_length"].reason == "the map has no neighbouring indexed points"
    assert validation["kernel_average"].reason == "the map has no neighbours within the threshold"
    small = large_map.evolve(
        quaternions=large_map.quaternions[:12, :12], phase_ids=large_map.phase_ids[:12, :12], properties={}
    )
    validation = validate(small, specimen, windows=10)
    assert any("floor" in note and "wide" in note for note in validation.notes)
    assert validation["grain_size_number"].verdict == "not compared"
    assert validation["grain_size_number"].reason
    line = large_map.evolve(quaternions=large_map.quaternions[:1], phase_ids=large_map.phase_ids[:1], properties={})
    assert "fewer than 4 points on a side" in validate(line, specimen)["odf_5"].reason


def test_errors_are_zero_for_equal_sections_and_relative_for_others(large_map):
    stack = stack_of(large_map, 5.0)
    part = stack.window((0, 0), (60, 64))
    np.testing.assert_array_equal(madogram_error(stack, stack, 3), 0.0)
    expected = np.abs(part.madogram(3) - stack.madogram(3)) / stack.madogram(3)
    np.testing.assert_allclose(madogram_error(stack, part, 3), expected)
    assert two_point_error(stack, part, 3).shape == (len(half_space(2, 3)), 9, 9)


def test_a_volume_of_one_grain_has_no_metrics_of_grains(large_map):
    volume = OrientationVolume(
        np.tile(large_map.quaternions[0, 0], (16, 16, 16, 1)), np.ones((16, 16, 16), dtype=int), large_map.phases,
        (1.0, 1.0, 1.0), periodic=True,
    )  # fmt: skip
    validation = validate(large_map, volume, windows=8)
    of_grains = {metric.key for metric in metrics() if metric.of_grains and not metric.optional}
    assert {(validation[key].verdict, validation[key].reason) for key in of_grains} == {
        ("not compared", "the volume has 1 grain; at least 5 are needed")
    }
    assert "The volume has 1 grain of 3 points or more: fewer than 100 represent a texture roughly." in validation.notes
    assert validation["boundary_disorientation"].reason == "the volume has no boundaries"
    assert validation["boundary_length"].verdict == validation["in_grain_spread"].verdict == "warn"
    assert validation["seam"].reason == "the volume has no boundaries"


def test_shares_that_every_volume_reaches_are_not_compared(specimen):
    halves = np.repeat([0.0, 40.0], 80)[None].repeat(60, axis=0)
    map_ = map_of(about_z(halves)).evolve(phases=specimen.field.phases)
    comparison = compare(map_, specimen, windows=12)
    validation = validate_comparison(comparison)
    shares = [metric for metric in metrics(comparison.lag) if metric.key.startswith("madogram_within")]
    for metric in shares:
        (reference, _), windows = comparison.pairs["z"], comparison.windows["z"]
        assert np.quantile([metric.compare(reference, window) for window in windows], 0.05) == 0.0
        row = validation[metric.key]
        assert row.reason == "windows of the map reach a share of 0: there is no floor, every volume would pass"
        assert (row.verdict, row.limit, row.floor) == ("not compared", None, None)
        assert row.value == max(row.per_axis.values()) or row.value == min(row.per_axis.values())
    assert validation["two_point_within_5"].verdict == "not compared" or validation["two_point_within_5"].limit > 0.0
    assert all(row.limit > 0.0 for row in validation.results if row.higher_is_better and row.verdict != "not compared")


def test_few_windows_give_no_floor(large_map, specimen):
    row = validate(large_map, specimen, windows=3)["odf_5"]
    assert (row.verdict, row.reason) == ("not compared", "3 windows of the map; at least 5 give a floor")
    assert row.value is not None
    small = large_map.evolve(
        quaternions=large_map.quaternions[:14, :14], phase_ids=large_map.phase_ids[:14, :14], properties={}
    )
    reason = validate(small, specimen, windows=10)["aspect_ratio"].reason
    assert reason.endswith("windows of the map have no whole grain of at least 10 points: there is no floor"), reason


def test_grains_that_come_in_are_counted_as_they_are(specimen, large_map):
    """Labels that no segmentation would give show which ones were counted: each half of the volume is one grain."""
    volume = segment(specimen.field).field
    halves = GrainVolume(volume, 1 + (np.indices(volume.shape)[0] >= 15), volume.quaternions[[0, 15], 0, 0], [1, 1])
    assert compare(large_map, halves, windows=1).analysis.grains is halves
    assert validate(large_map, halves, windows=1).grains == 2
    cut = count_grains(segment(volume).grain_ids)
    assert cut > 2
    assert validate(large_map, halves, windows=1, threshold=5.5).grains == count_grains(segment(volume, 5.5).grain_ids)
    unknown = GrainVolume(specimen.field, halves.grain_ids, halves.quaternions, halves.phase_ids)
    assert validate(large_map, unknown, windows=1).grains == cut


def test_map_and_volume_in_each_others_place_are_refused(specimen, large_map):
    with pytest.raises(ValueError, match=r"rve: .* volume; got OrientationMap"):
        validate(specimen, large_map)
    with pytest.raises(ValueError, match=r"field: .* got str"):
        validate(large_map, "rve.dream3d")
    with pytest.raises(ValueError, match=r"threshold: .* got 180"):
        validate(large_map, specimen, threshold=180.0)


def test_maps_that_were_analysed_give_the_same_validation(specimen, large_map):
    maps = analyse_maps(large_map)
    expected = validate(large_map, specimen, windows=5)
    assert validate(maps, specimen, windows=5) == expected
    reference, _ = compare(maps, specimen, windows=1).pairs["y"]
    assert reference.measures is maps[1][0].sections
    other = validate(maps, specimen, windows=5, threshold=8.0)
    assert other == validate(large_map, specimen, windows=5, threshold=8.0)
    assert other != expected
