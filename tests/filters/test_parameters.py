import pytest
from pydantic import Field

from polyrve.filters import parameters
from polyrve.filters.parameters import arguments_of, assignments, settings_list, settings_of
from polyrve.settings import ReconstructionSettings


def defaults():
    """Arguments as simplnx fills them in: every parameter, switches off."""
    args = {setting.key: setting.default for setting in settings_list()}
    return args | {setting.switch: False for setting in settings_list() if setting.switch}


def test_every_setting_is_a_parameter_once():
    assert sorted(setting.name for setting in settings_list()) == sorted(ReconstructionSettings.model_fields)
    keys = [setting.key for setting in settings_list()]
    assert len(set(keys)) == len(keys)
    assert {"start", "window"} < set(keys)
    switches = [setting.switch for setting in settings_list() if setting.switch]
    assert not set(switches) & set(keys)
    assert all(setting.help and setting.title for setting in settings_list())


def test_groups_stand_together():
    groups = [setting.group for setting in settings_list()]
    starts = [group for i, group in enumerate(groups) if i == 0 or groups[i - 1] != group]
    assert len(starts) == len(set(starts))


def test_defaults_are_those_of_the_settings():
    assert settings_of(defaults()) == ReconstructionSettings()
    assert settings_of({}) == ReconstructionSettings()


@pytest.mark.parametrize(
    "settings",
    [
        ReconstructionSettings(),
        ReconstructionSettings(shape=(1, 20, 30), spacing=(0.5, 1.0, 2.0), periodic=False, largest_lag=4, seed=7),
        ReconstructionSettings(shape=(8, 9, 10), weights={"texture": 2.5, "variogram": 0.0}, optimizer="scipy-lbfgsb"),
        ReconstructionSettings(descriptors="paper", sections_per_group=1, initial="random", levels=2, tolerance=0.0),
    ],
)
def test_settings_to_arguments_and_back(settings):
    assert settings_of(defaults() | arguments_of(settings)) == settings


def test_vectors_are_x_y_z():
    args = defaults() | {"shape": [10, 20, 30], "set_spacing": True, "spacing": [1.0, 2.0, 3.0]}
    settings = settings_of(args)
    assert settings.shape == (30, 20, 10)
    assert settings.spacing == (3.0, 2.0, 1.0)
    by_key = {setting.key: setting for setting in settings_list()}
    assert "x, y, z" in by_key["shape"].help
    assert "z, y, x" not in by_key["shape"].help


def test_a_value_behind_a_switch_that_is_off_is_not_used():
    assert settings_of(defaults() | {"window": 5}).largest_lag is None
    assert settings_of(defaults() | {"window": 5, "set_window": True}).largest_lag == 5


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"shape": [4, 20, 20]}, "at least 8 voxels"),
        ({"weights": "texture"}, "expected name=value"),
        ({"iterations": -1}, "iterations"),
        ({"texture_degree": 7}, "even"),
    ],
)
def test_values_out_of_range_are_named(args, words):
    with pytest.raises(ValueError, match=words):
        settings_of(defaults() | args)


def test_a_new_field_becomes_a_parameter_of_its_own(monkeypatch):
    class More(ReconstructionSettings):
        extra: float = Field(0.25, description="Something new.")
        limit: int | None = Field(None, description="Something open.")

    monkeypatch.setattr(parameters, "ReconstructionSettings", More)
    (setting,) = [setting for setting in settings_list() if setting.key == "extra"]
    assert (setting.kind, setting.default, setting.group) == ("float", 0.25, "Further Settings")
    assert settings_of({"extra": 0.5}).extra == 0.5
    (setting,) = [setting for setting in settings_list() if setting.key == "limit"]
    assert (setting.kind, setting.switch) == ("int", "set_limit")
    assert settings_of({"limit": 3, "set_limit": True}).limit == 3


def test_assignments_are_values_or_text():
    text = "by=voxel, n=3, x = 0.5, list=[1, 2], yes=true, path=a/b.yaml, quoted='a, b'"
    found = dict(assignments(text.replace("'a, b'", '["a, b"]'), "options"))
    assert found == {
        "by": "voxel", "n": 3, "x": 0.5, "list": [1, 2], "yes": True, "path": "a/b.yaml", "quoted": ["a, b"],
    }  # fmt: skip
    assert dict(assignments("  ", "options")) == {}
