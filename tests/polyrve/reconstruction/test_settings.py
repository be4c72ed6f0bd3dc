import pytest

from polyrve.optimizers import METHODS
from polyrve.settings import ReconstructionSettings


def test_defaults_are_valid_and_immutable():
    settings = ReconstructionSettings.create()
    assert settings.shape == (64, 64, 64)
    with pytest.raises(ValueError, match="frozen"):
        settings.seed = 3


def test_two_numbers_are_a_plane():
    assert ReconstructionSettings.create(shape=(16, 20)).shape == (1, 16, 20)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_minimize_is_a_setting(method):
    assert ReconstructionSettings.create(optimizer=method).optimizer == method


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"shape": (4, 16, 16)}, r"shape: expected at least 8 voxels along each axis, or nz = 1; got \(4, 16, 16\)"),
        ({"shape": (1, 16, 7)}, r"shape: expected at least 8 voxels"),
        ({"shape": (16, 16, 16, 16)}, "shape: .*got"),
        ({"shape": "big"}, "shape: .*got 'big'"),
        ({"spacing": (1.0, 0.0, 1.0)}, r"spacing: expected three positive lengths in um; got \(1.0, 0.0, 1.0\)"),
        ({"spacing": (1.0, float("inf"), 1.0)}, "spacing: expected three positive lengths"),
        ({"optimizer": "newton"}, "optimizer: expected one of lbfgs, .*; got 'newton'"),
        ({"descriptors": "best"}, "descriptors: expected one of default, paper; got 'best'"),
        ({"texture_degree": 7}, "texture_degree: expected an even number; got 7"),
        ({"largest_lag": 1}, "largest_lag: expected at least 2; got 1"),
        ({"iterations": -1}, "iterations: .*got -1"),
        ({"seed": -1}, "seed: .*got -1"),
        ({"weights": {"two_point": "much"}}, "weights: .*got 'much'"),
        ({"colour": "red"}, "settings: expected one of shape, spacing.*; got 'colour'"),
    ],
)
def test_bad_settings_are_one_sentence(values, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        ReconstructionSettings.create(**values)
    assert "\n" not in str(error.value)


def test_toml_and_keywords_that_win(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("shape = [16, 24, 32]\nseed = 3\n[weights]\nvariation = 0.5\n")
    settings = ReconstructionSettings.from_toml(path, seed=4)
    assert (settings.shape, settings.seed, settings.weights) == ((16, 24, 32), 4, {"variation": 0.5})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("shape = [", "expected a TOML file"), ("sed = 3", "settings: expected one of .*; got 'sed'")],
)
def test_bad_toml_names_its_file(tmp_path, text, sentence):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"run\.toml: {sentence}"):
        ReconstructionSettings.from_toml(path)


def test_json_and_back():
    settings = ReconstructionSettings.create(shape=(16, 24, 32), spacing=(1.0, 0.5, 0.25), weights={"texture": 0.0})
    assert ReconstructionSettings.create(**settings.model_dump(mode="json")) == settings
