"""Filters planned and run on what plays simplnx."""

import itertools
from pathlib import Path

import numpy as np
import played_simplnx as nx
import pytest

from polyrve.adapters.volumes import dream3d
from polyrve.filters import ReadEBSDFilter as reading
from polyrve.filters import engine, structure
from polyrve.filters.filter import Cancelled
from polyrve.filters.ReconstructOrientationVolumeFilter import ReconstructOrientationVolumeFilter
from polyrve.filters.ValidateOrientationVolumeFilter import ValidateOrientationVolumeFilter
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen

pytestmark = pytest.mark.usefixtures("simplnx")


@pytest.fixture(scope="module")
def volume():
    return make_specimen((8, 9, 10), grain_size=5.0, seed=1).field


@pytest.fixture
def args(data, map_arguments):
    scan = simulate_scan(make_specimen((4, 16, 18), grain_size=6.0, seed=1), 0, 1)
    names = {"cell_matrix": "Cells", "ensemble_matrix": "Ensemble", "feature_matrix": "Features"}
    return map_arguments(z=scan) | names | {
        "output_geometry": nx.DataPath("Grown"), "output_matrix": "Metrics", "threshold": 5.0, "smallest": 1,
        "engine": 0, "python": "", "save": False, "file": Path("grown.dream3d"), "windows": 6, "seed": 0,
        "write_report": False, "report": Path("report.html"), "shape": [10, 9, 8],
    }  # fmt: skip


def planned(filter, data, args):
    """Plan, and create what is planned."""
    actions = nx.OutputActions()
    filter.plan(data, args, actions)
    assert actions.apply(data, True) == []


@pytest.mark.parametrize(
    ("file", "kind", "words"),
    [
        ("grown.vti", ValueError, "expected a file name that ends in .dream3d; got .vti"),
        ("grown", ValueError, "got no suffix"),
        ("folder.dream3d", IsADirectoryError, "it is a folder"),
        ("a_file/grown.dream3d", OSError, "a_file: cannot be written: Not a directory"),
    ],
)
def test_a_result_file_that_cannot_be_written_is_told_before_the_run(data, args, tmp_path, file, kind, words):
    (tmp_path / "folder.dream3d").mkdir()
    (tmp_path / "a_file").touch()
    wrong = args | {"save": True, "file": tmp_path / file}
    with pytest.raises(kind, match=words):
        ReconstructOrientationVolumeFilter().plan(data, wrong, nx.OutputActions())
    ReconstructOrientationVolumeFilter().plan(
        data, args | {"save": True, "file": tmp_path / "new/grown.dream3d"}, nx.OutputActions()
    )
    ReconstructOrientationVolumeFilter().plan(data, wrong | {"save": False}, nx.OutputActions())
    assert not (tmp_path / "new").exists()


def test_a_report_that_cannot_be_written_is_told_before_the_run(data, args, tmp_path):
    args |= {"geometry": args["z_geometry"], **{key.removeprefix("z_"): value for key, value in args.items()}}
    args |= {"write_report": True, "report": tmp_path}
    with pytest.raises(ValueError, match=r"ends in \.html"):
        ValidateOrientationVolumeFilter().plan(data, args, nx.OutputActions())
    (tmp_path / "report.json").mkdir()
    with pytest.raises(IsADirectoryError, match=r"report\.json"):
        ValidateOrientationVolumeFilter().plan(data, args | {"report": tmp_path / "report.html"}, nx.OutputActions())


@pytest.mark.parametrize("write_report", [False, True])
def test_validation_asks_for_cancel_between_metrics(data, args, volume, tmp_path, monkeypatch, write_report):
    asked = itertools.count(1)
    monkeypatch.setattr(structure, "read_grains", lambda *_: segment(volume))
    args |= {"write_report": write_report, "report": tmp_path / "report.html"}
    with pytest.raises(Cancelled):
        ValidateOrientationVolumeFilter().run(data, args, pytest.fail, lambda: next(asked) > 4)
    assert next(asked) == 6
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_loses_nothing(data, args, volume, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device", "grown.dream3d")

    monkeypatch.setattr(engine, "grow", lambda *_, **__: engine.Grown(volume, "played"))
    monkeypatch.setattr(dream3d, "write", full)
    planned(ReconstructOrientationVolumeFilter(), data, args)
    with pytest.warns(
        UserWarning, match=r"grown.dream3d: No space left on device: not written; the volume is in Grown"
    ):
        ReconstructOrientationVolumeFilter().run(data, args | {"save": True}, lambda *_: None, lambda: False)
    ids = data["Grown/Cells/FeatureIds"].npview()
    np.testing.assert_array_equal(ids[..., 0], segment(volume, 5.0).grain_ids)
    assert data["Grown/Features"].tuple_shape == [ids.max() + 1]
    assert data["Grown/Features/AvgQuats"].npview().shape == (ids.max() + 1, 4)
    assert data.faults() == []


def test_a_map_that_was_read_is_not_kept(data, args, tmp_path, monkeypatch):
    dream3d.write(simulate_scan(make_specimen((4, 16, 18), grain_size=6.0, seed=1), 0, 1), tmp_path / "map.dream3d")
    args |= {"file": tmp_path / "map.dream3d", "properties": True, "options": ""}
    reading._read.cache_clear()
    planned(reading.ReadEBSDFilter(), data, args)
    assert reading._read.cache_info().currsize == 1
    reading.ReadEBSDFilter().run(data, args, lambda *_: None, lambda: False)
    assert reading._read.cache_info().currsize == 0
