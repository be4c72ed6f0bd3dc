import dataclasses

import h5py
import numpy as np
import pytest

from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.reconstruction.problem import prepare
from polyrve.reconstruction.run import measure_targets, reconstruct
from polyrve.reconstruction.targets import TargetSet, average, interpolate

CHEAP = {"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0}
SETTINGS = {"shape": (1, 10, 12), "largest_lag": 2, "texture_degree": 8, "weights": CHEAP}


def scan(seed, **options):
    volume = make_specimen((1, 24, 28), grain_size=4.0, seed=seed, **options).field
    return volume.section(0, 0).evolve(periodic=False, provenance={"seed": seed})


@pytest.fixture(scope="module")
def sets():
    return [measure_targets(scan(seed), **SETTINGS) for seed in (1, 2)]


def same(first, second):
    for axis, values in first.values.items():
        for name, value in values.items():
            np.testing.assert_array_equal(value, second.values[axis][name])
    for name in ("phases", "spacing", "largest_lag", "texture_degree", "orientations", "definitions", "provenance"):
        assert getattr(first, name) == getattr(second, name), name


def test_saved_and_loaded(sets, tmp_path):
    sets[0].save(tmp_path / "a.h5")
    same(sets[0], TargetSet.load(tmp_path / "a.h5"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


def test_average_and_interpolation(sets):
    mean, weighted, between = average(sets), average(sets, [3.0, 1.0]), interpolate(*sets, 0.25)
    for name in sets[0].values[0]:
        a, b = (one.values[0][name].astype(float) for one in sets)
        np.testing.assert_allclose(mean.values[0][name], (a + b) / 2, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(between.values[0][name], weighted.values[0][name])
        np.testing.assert_allclose(between.values[0][name], 0.75 * a + 0.25 * b, rtol=1e-6, atol=1e-9)
    same(dataclasses.replace(interpolate(*sets, 0.0), provenance={}), dataclasses.replace(sets[0], provenance={}))
    assert [part["share"] for part in between.provenance["average"]] == [0.75, 0.25]


def test_reconstructing_from_targets_is_reconstructing_from_the_map(sets, tmp_path):
    options = {**SETTINGS, "iterations": 2, "initial": "random", "sharpen": False, "seed": 3}
    sets[0].save(tmp_path / "a.h5")
    from_map = reconstruct(scan(1), **options)
    from_file = reconstruct(TargetSet.load(tmp_path / "a.h5"), **options)
    assert [record.loss for record in from_file.history] == [record.loss for record in from_map.history]
    np.testing.assert_array_equal(from_file.volume.quaternions, from_map.volume.quaternions)
    assert from_file.volume.provenance["maps"] == {"maps": {"all": {"seed": 1}}}
    assert from_file.volume.spacing == from_map.volume.spacing


def test_start_without_a_map_is_random(sets):
    assert prepare(sets[0], **SETTINGS).settings.initial == "random"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"largest_lag": 3}, "largest_lag: expected that of the targets, 2; got 3"),
        ({"spacing": (2.0, 2.0, 2.0)}, r"spacing: expected that of the targets, \(1.0, 1.0, 1.0\); got"),
        ({"levels": 2}, "levels: expected 1 with targets in place of maps; got 2"),
    ],
)
def test_settings_that_the_targets_do_not_serve(sets, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        prepare(sets[0], **{**SETTINGS, **change})


def test_descriptors_and_axes_that_are_not_among_them(sets):
    with pytest.raises(ValueError, match="expected descriptor 'variation' among them; got texture, two_point"):
        prepare(sets[0], **{**SETTINGS, "weights": {**CHEAP, "variation": 1.0}}).objective({}, (1, 10, 12))
    changed = dataclasses.replace(sets[0], largest_lag=3)
    with pytest.raises(
        ValueError,
        match=r"targets of two_point: expected those of TwoPoint\(largest_lag=3.*got those of TwoPoint\(largest_lag=2",
    ):
        prepare(changed, **{**SETTINGS, "largest_lag": 3}).objective({}, (1, 10, 12))
    lying = dataclasses.replace(sets[0], values={1: sets[0].values[0]})
    with pytest.raises(ValueError, match="targets: expected sections normal to z; got none"):
        prepare(lying, **SETTINGS).objective({}, (1, 10, 12))


def test_sets_that_do_not_fit(sets):
    coarse = dataclasses.replace(sets[1], spacing=(2.0, 2.0, 2.0))
    with pytest.raises(ValueError, match="targets: expected a voxel size"):
        average([sets[0], coarse])
    other = dataclasses.replace(sets[1], phases=(MAGNESIUM,))
    with pytest.raises(ValueError, match=rf"expected phases .*{ALUMINIUM.name}.* in each set; got .*{MAGNESIUM.name}"):
        interpolate(sets[0], other, 0.5)
    with pytest.raises(ValueError, match=r"share: expected a number in 0 ... 1; got 1.5"):
        interpolate(*sets, 1.5)
    for weights in ([1.0], [1.0, -1.0], [0.0, 0.0], [1.0, float("nan")]):
        with pytest.raises(ValueError, match="weights: expected"):
            average(sets, weights)
    with pytest.raises(ValueError, match="for each of 0 sets"):
        average([])


def test_targets_of_several_maps_are_pooled_by_their_points(tmp_path):
    first, second = scan(1), scan(2)[:14, :16]
    settings = {**SETTINGS, "weights": {**CHEAP, "texture": 1.0}, "noise": "keep"}
    alone = [measure_targets(one, **settings).values[0]["texture"] for one in (first, second)]
    both = measure_targets({"z": [first, second]}, **settings)
    points = [one.indexed.sum() for one in (first, second)]
    np.testing.assert_allclose(both.values[0]["texture"], np.average(alone, axis=0, weights=points), atol=1e-5)
    assert both.provenance["maps"] == {"all": [{"seed": 1}, {"seed": 2}]}
    both.save(tmp_path / "both.h5")
    same(both, TargetSet.load(tmp_path / "both.h5"))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        TargetSet.load(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("text")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    for name in ("text.h5", "other.h5"):
        with pytest.raises(ValueError, match=rf"{name}: expected a file of descriptor targets; got"):
            TargetSet.load(tmp_path / name)
