import sys

import pytest

from polyrve.settings import ReconstructionSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.mark.parametrize(
    "settings",
    [
        ReconstructionSettings(),
        ReconstructionSettings(
            spacing=(0.5, 1.0, 2.0), weights={"texture": 0.0, "mean variation": 1e-3, 'a "b" = ]': 2.0}, largest_lag=5
        ),
        ReconstructionSettings(shape=(1, 20, 30), periodic=False, tolerance=1e-12),
    ],
)
@pytest.mark.parametrize("explained", [False, True])
def test_a_file_says_the_same(settings, explained, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(settings.to_toml(explained=explained), encoding="utf-8")
    assert ReconstructionSettings.from_toml(path) == settings


def test_an_explained_file_has_a_comment_for_each_setting():
    lines = ReconstructionSettings().to_toml(explained=True).splitlines()
    for name, field in ReconstructionSettings.model_fields.items():
        (at,) = (i for i, line in enumerate(lines) if line.removeprefix("# ").startswith(f"{name} = "))
        assert lines[at - 1] == f"# {field.description}"
    assert "shape = [64, 64, 64]" in lines
    assert "# spacing = ..." in lines
    assert set(tomllib.loads("\n".join(lines))) == {
        name for name, value in ReconstructionSettings() if value is not None
    }


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"iteration": 3}, "settings: expected one of shape, .*; got 'iteration': did you mean 'iterations'?"),
        ({"colour": 3}, "settings: expected one of shape, .*; got 'colour'$"),
        ({"optimizer": "lbgfs"}, "optimizer: expected one of lbfgs, .*; got 'lbgfs': did you mean 'lbfgs'?"),
        ({"initial": "polycristal"}, "initial: expected one of .*; got 'polycristal': did you mean 'polycrystal'?"),
        ({"iterations": "many"}, "iterations: expected an integer; got 'many'"),
        ({"iterations": -1}, "iterations: expected at least 0; got -1"),
        ({"texture_degree": 42}, "texture_degree: expected at most 40; got 42"),
        ({"weights": [1]}, r"weights: expected a mapping of names to numbers; got \[1\]"),
        ({"shape": (1.5, 8, 8)}, "shape: expected an integer; got 1.5"),
    ],
)
def test_errors_say_what_is_expected_and_what_is_near(values, said):
    with pytest.raises(ValueError, match=said):
        ReconstructionSettings.create(**values)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"shape = [8, 8", r"run\.toml: expected a TOML file; got "),
        (
            bytes(range(256)),
            r"run\.toml: expected a TOML file, which is text in UTF-8; got the byte 0x80 at position 128",
        ),
        ("shape = [8, 8, 8]\nname = 'é'".encode("latin-1"), "got the byte 0xe9 at position 26"),
        (b"\x89HDF\r\n\x1a\n", "got the byte 0x89 at position 0"),
        (b"iteration = 3", r"run\.toml: settings: .*did you mean 'iterations'"),
    ],
)
def test_a_file_that_is_none_is_told_by_its_name(content, said, tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=said):
        ReconstructionSettings.from_toml(path)
