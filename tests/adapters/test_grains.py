"""Grains of a file: those it holds, by its feature data or its grain ids, else a segmentation."""

import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

SHAPE = (3, 4, 5)


def grains(shape=SHAPE):
    """Two grains of one orientation: a segmentation finds one."""
    ids = np.ones(shape, dtype=int)
    ids[..., 2:] = 2
    kind, of = (OrientationVolume, GrainVolume) if len(shape) == 3 else (OrientationMap, GrainMap)
    q = np.broadcast_to([0.6, 0.8, 0.0, 0.0], (*shape, 4))
    field = kind(q, np.ones(shape), (Phase("Ni"),), (0.5, 1.0, 1.5)[-len(shape) :])
    return of(field, ids, np.array([[0.6, 0.8, 0, 0], [0.6, 0.8, 0, 0]]), np.array([1, 1]))


def test_grains_of_the_file_are_not_lost(tmp_path):
    made = grains()
    polyrve.write(made, tmp_path / "two.dream3d")
    found = polyrve.read_grains(tmp_path / "two.dream3d")
    assert isinstance(found, GrainVolume)
    np.testing.assert_array_equal(found.grain_ids, made.grain_ids)
    np.testing.assert_array_equal(found.quaternions, made.quaternions)
    field = polyrve.read(tmp_path / "two.dream3d")
    np.testing.assert_array_equal(field.properties["FeatureIds"], made.grain_ids)


def test_grain_ids_without_feature_data_make_the_grains(tmp_path):
    made = grains()
    field = made.field.evolve(properties={"FeatureIds": made.grain_ids + 7})
    polyrve.write(field, tmp_path / "ids.dream3d")
    found = polyrve.read_grains(tmp_path / "ids.dream3d")
    np.testing.assert_array_equal(found.grain_ids, made.grain_ids)


def test_a_file_without_grains_is_segmented_by_the_threshold(tmp_path):
    made = polyrve.make_specimen((6, 7, 8), grain_size=4.0, seed=1).field
    polyrve.write(made, tmp_path / "none.dream3d")
    few, many = (polyrve.read_grains(tmp_path / "none.dream3d", threshold=t).number_of_grains for t in (60.0, 5.0))
    assert many == polyrve.segment(made, 5.0).number_of_grains
    assert few < many


def test_ids_that_join_phases_are_found_anew_with_a_warning(tmp_path):
    made = grains()
    phase_ids = np.ones(SHAPE, dtype=int)
    phase_ids[0] = 2
    field = made.field.evolve(
        phase_ids=phase_ids, phases=(Phase("Ni"), Phase("Cu")), properties={"FeatureIds": made.grain_ids}
    )
    polyrve.write(field, tmp_path / "mixed.dream3d")
    with pytest.warns(UserWarning, match="FeatureIds"):
        found = polyrve.read_grains(tmp_path / "mixed.dream3d")
    assert found.number_of_grains == 2
    assert len(np.unique(found.grain_ids[0])) == 1


def test_one_layer_is_a_volume_on_request(tmp_path):
    made = grains((4, 5))
    polyrve.write(made, tmp_path / "layer.dream3d")
    assert polyrve.read_grains(tmp_path / "layer.dream3d").field.shape == (4, 5)
    found = polyrve.read_grains(tmp_path / "layer.dream3d", volume=True)
    assert isinstance(found, GrainVolume)
    np.testing.assert_array_equal(found.grain_ids, made.grain_ids[None])


def test_a_map_is_no_volume(tmp_path):
    polyrve.write(grains((4, 5)).field, tmp_path / "map.ang", frame="edax-2")
    assert isinstance(polyrve.read_grains(tmp_path / "map.ang", frame="edax-2"), GrainMap)
    with pytest.raises(FormatError, match="4 x 5"):
        polyrve.read_grains(tmp_path / "map.ang", frame="edax-2", volume=True)
    assert registry.reader(tmp_path / "map.ang").name == "ang"
