import typing
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from polyrve.adapters import registry
from polyrve.cli import inputs, outputs
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen
from polyrve.settings import ReconstructionSettings


def test_assignments_are_values_or_text():
    given = ["by=voxel", "n-layers=3", "x= 0.5", "list=[1, 2]", "yes=true", "path=a/b.yaml", "pair=a,b"]
    assert inputs.assignments(given) == {
        "by": "voxel", "n_layers": 3, "x": 0.5, "list": [1, 2], "yes": True, "path": "a/b.yaml", "pair": "a,b",
    }  # fmt: skip
    assert inputs.assignments(None) == {}


@pytest.mark.parametrize(
    ("kind", "value", "found"),
    [
        (Sequence[int] | None, "16,17,18", [16, 17, 18]),
        (str | Sequence[str], "tension, cyclic", ["tension", "cyclic"]),
        (str | Sequence[str], "tension", "tension"),
        (str | Sequence[str] | Mapping[str, str] | None, "Ferrite=Fe,B=b.yaml", ["Ferrite=Fe", "B=b.yaml"]),
        (typing.Optional[tuple[float, float, float]], "0.5,1,2e-1", [0.5, 1, 0.2]),  # noqa: UP045
        (str, "a,b", "a,b"),
        (int, "1,2", "1,2"),
        (dict[str, float], "1,2", "1,2"),
        (Sequence[int], [1, 2], [1, 2]),
        (None, "1,2", "1,2"),
    ],
)  # fmt: skip
def test_commas_are_a_list_where_one_is_taken(kind, value, found):
    assert inputs.with_lists({"name": value}, {"name": kind}) == {"name": found}


def test_settings_take_commas():
    from polyrve.cli.reconstruct import settings_of

    settings = settings_of(None, {}, ["shape=8,9,10", "spacing=0.5,1,2", "initial=random"])
    assert settings == ReconstructionSettings(shape=(8, 9, 10), spacing=(0.5, 1.0, 2.0), initial="random")
    with pytest.raises(ValueError, match="shape: expected an integer; got 'x'"):
        settings_of(None, {}, ["shape=8,9,x"])


def test_options_of_a_writer_take_commas_and_are_told_what_is_near():
    from polyrve.adapters.solvers import damask

    assert inputs.checked(damask.write, ["resolution=8,9,10", "load=tension,cyclic"]) == {
        "resolution": [8, 9, 10], "load": ["tension", "cyclic"],
    }  # fmt: skip
    with pytest.raises(ValueError, match=r"--set: expected an option out of .*; got 'colums': did you mean 'columns'"):
        inputs.checked(damask.write, ["colums=3"])


@pytest.fixture(scope="module")
def truth():
    return make_specimen((6, 20, 24), grain_size=5.0, seed=1)


@pytest.fixture
def volume(tmp_path, truth):
    path = tmp_path / "rve.dream3d"
    registry.write(segment(truth.field, 5.0), path)
    return path


def test_small_grains_of_a_file_are_given_to_their_neighbours(volume, recwarn):
    kept = inputs.read_grains(volume)
    without = inputs.read_grains(volume, min_grain=30)
    assert np.bincount(kept.grain_ids.ravel())[1:].min() < 30
    assert np.bincount(without.grain_ids.ravel())[1:].min() >= 30
    assert without.field.provenance["segmentation"]["threshold_degrees"] == 5.0
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r"--min-grain: the grains of .*rve\.dream3d are found anew at 7 degrees"):
        inputs.read_grains(volume, 7.0, min_grain=2)
    with pytest.raises(ValueError, match="--min-grain: expected at most "):
        inputs.read_grains(volume, min_grain=10_000)


def test_a_threshold_that_is_not_used_is_told(volume):
    with pytest.warns(UserWarning, match=r"--threshold 3: not used, .*rve\.dream3d has grains of its own"):
        inputs.read_grains(volume, 3.0, tell=True)


@pytest.mark.parametrize(("voxels", "stack"), [(10, False), (10**6, True)])
def test_the_command_that_runs_damask(tmp_path, monkeypatch, voxels, stack):
    monkeypatch.setattr(outputs.os, "cpu_count", lambda: 8)
    folder = tmp_path / "a job"
    folder.mkdir()
    (folder / "material.yaml").write_text("12345678" * voxels)
    text = outputs.how_to_run(folder, 4)
    assert f"cd '{folder}' && " in text
    assert "OMP_NUM_THREADS=8 DAMASK_grid --load load.yaml --geom grid.vti --material material.yaml" in text
    assert "OMP_NUM_THREADS=1 mpirun -n 4 DAMASK_grid" in text
    assert "damask_grid" in text
    assert ("ulimit -s unlimited" in text) == stack


def test_shape_written(tmp_path):
    assert outputs.shape_written(tmp_path / "none.vti", (3, 4, 5)) == (3, 4, 5)
    (tmp_path / "a.inp").write_text("*Heading")
    assert outputs.shape_written(tmp_path / "a.inp", (3, 4, 5)) == (3, 4, 5)
