"""Volumes that change along an axis as their maps do."""

import numpy as np
import pytest

from polyrve import make_specimen
from polyrve.initial.graded_polycrystal import graded_polycrystal
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.gradients import crop_along, in_window, windows_along
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.map_analysis import analyse
from polyrve.microstructure.map_placement import axisymmetric, by_normal
from polyrve.reconstruction.problem import prepare
from polyrve.reconstruction.run import measure_targets, reconstruct

SHAPE = (20, 64, 18)


@pytest.fixture(scope="module")
def scan():
    """Fine grains of a strong texture above coarse ones of a weak one."""
    parts = [
        make_specimen((4, 32, 90), grain_size=size, texture=texture, seed=seed).field.section(0, 1)
        for seed, (size, texture) in enumerate(((3.5, "strong"), (11.0, "weak")))
    ]
    q, ids = (np.concatenate([getattr(part, name) for part in parts]) for name in ("quaternions", "phase_ids"))
    return OrientationMap(q, ids, parts[0].phases, (1.0, 1.0))


@pytest.fixture(scope="module")
def drawn(scan):
    maps = by_normal(axisymmetric(scan, "y"))
    windows = windows_along(64, analyse(scan).sections.mean_chords[0], "y")
    q, ids = graded_polycrystal(maps, SHAPE, (1.0, 1.0, 1.0), 1, windows, np.random.default_rng(0))
    return OrientationVolume(q, ids, scan.phases, (1.0, 1.0, 1.0))


BANDS = (slice(0, 8), slice(8, 28), slice(36, 56), slice(56, 64))


def boundary_shares(field):
    measures = analyse(field).sections
    crossed = sum(measures.known[i][0] & ~measures.joined[i][0] for i in (1, 2))
    known = sum(measures.known[i][0].astype(int) for i in (1, 2))
    return np.array([crossed[part].sum() / known[part].sum() for part in BANDS])


def test_sizes_follow_the_map(scan, drawn):
    expected = boundary_shares(scan)
    found = np.mean([boundary_shares(drawn.section(0, i)) for i in range(0, 20, 4)], axis=0)
    assert expected[:2].min() > 1.8 * expected[2:].max()
    np.testing.assert_allclose(found, expected, atol=0.06)


def test_the_volume_goes_on_across_the_axis_and_not_along_it(drawn):
    beyond = drawn.evolve(periodic=True)
    for axis in (0, 2):
        angles = np.rad2deg(neighbour_disorientation(beyond, axis)) > 5.0
        inside = np.delete(angles, -1, axis=axis).mean()
        assert abs(np.take(angles, -1, axis=axis).mean() / inside - 1.0) < 0.3
    angles = np.rad2deg(neighbour_disorientation(beyond, 1)) > 5.0
    assert angles[:, -1].mean() > 0.9


def test_windows_of_maps_have_the_axis_of_the_volume(scan):
    maps = by_normal(axisymmetric(scan, "y"))
    cut = in_window(maps, 1, (10, 30))
    assert cut[0][0].shape == (20, 90)
    assert cut[2][0].shape == (90, 20)
    np.testing.assert_array_equal(cut[0][0].quaternions, scan.quaternions[10:30])
    np.testing.assert_array_equal(crop_along(scan, 0, 2, (1, 5)).quaternions, scan.quaternions[:, 1:5])


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        (
            "one",
            {"shape": (20, 80, 18)},
            "grade: expected maps at least as long along y as the volume, 80 voxels; got 64",
        ),
        ("one", {"shape": (20, 24, 18)}, "grade: expected at least 3 windows that overlap by half along y"),
        ("one", {"grade": "z"}, "grade: expected x or y, an axis within the map; got 'z'"),
        ("one", {"shape": (1, 64, 18)}, "grade: expected a volume; got a shape of"),
        ("one", {"levels": 2}, "grade: expected levels 1 with it; got 2"),
        ("one", {"initial": "exemplar"}, "grade: expected initial auto or polycrystal with it; got exemplar"),
        ("normal to y", {}, "grade: expected maps that show y; got one normal to y: leave it out"),
        ("layers", {}, "layers that are finer, by the boundary share, which windows would smear"),
    ],
)
def test_what_cannot_be_graded_is_refused_in_one_sentence(scan, given, settings, message):
    maps = {"one": scan, "normal to y": {"z": scan, "y": scan[:40, :40]}}.get(given)
    if given == "layers":
        parts = [
            make_specimen((4, 12, 90), grain_size=size, seed=i).field.section(0, 1)
            for i, size in enumerate((3.5, 8.0) * 6)
        ]
        q = np.concatenate([part.quaternions for part in parts])
        maps = OrientationMap(q, np.ones(q.shape[:2], dtype=int), scan.phases, (1.0, 1.0))
        settings = {"shape": (20, 144, 18)}
    with pytest.raises(ValueError, match=message):
        prepare(maps, **{"shape": SHAPE, "grade": "y", **settings})
    if given == "one":
        with pytest.raises(ValueError, match="grade: expected none for targets"):
            measure_targets(scan, shape=SHAPE, grade="y")


@pytest.mark.slow
def test_a_graded_run(scan):
    cheap = {"weights": {"disorientation": 0, "variogram": 0}, "texture_degree": 8}
    result = reconstruct(scan, shape=SHAPE, grade="y", iterations=2, **cheap)
    assert result.volume.shape == SHAPE
    assert not result.volume.periodic
    assert result.volume.provenance["repeats_across"] == "zx"
    assert set(result.volume.provenance["maps"]) == {"z", "x"}
    assert result.history[-1].loss <= result.history[0].loss
    again = prepare(scan, shape=SHAPE, grade="y", **cheap)
    objective = again.objective(again.material(SHAPE), SHAPE)
    assert len(objective.windows) == len(again.windows.bounds)
    assert again.loss(result.volume, objective) == pytest.approx(result.volume_loss, rel=1e-3)
