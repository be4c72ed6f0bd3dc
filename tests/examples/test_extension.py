"""The pattern of a package that adds a format, a descriptor and a metric, found as an installed package is."""

import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.descriptors import sets
from polyrve.reconstruction.problem import prepare
from polyrve.validation import metrics as metrics_room
from polyrve.validation.metrics.metric import Metric

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTENSION = Path(__file__).resolve().parents[2] / "examples" / "extension"


def _forget():
    registry.formats.cache_clear()
    sets._of_other_packages.cache_clear()
    metrics_room._of_other_packages.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install the extension, by default with the entry points of its pyproject.toml."""

    def installed(**groups):
        project = tomllib.loads((EXTENSION / "pyproject.toml").read_text())["project"]
        groups = groups or project["entry-points"]
        site = tmp_path / "site"
        shutil.copytree(EXTENSION / "polyrve_extension", site / "polyrve_extension")
        info = site / "polyrve_extension-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
        lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in rows.items()) for group, rows in groups.items()]
        (info / "entry_points.txt").write_text("\n".join(lines))
        monkeypatch.syspath_prepend(site)
        _forget()

    yield installed
    for name in [name for name in sys.modules if name.startswith("polyrve_extension")]:
        del sys.modules[name]
    _forget()


@pytest.fixture
def scan():
    return polyrve.simulate_scan(polyrve.make_specimen((4, 40, 44), grain_size=6.0, seed=2), noise=0.1)


def test_format(install, scan, tmp_path):
    install()
    polyrve.write(scan, tmp_path / "scan.npz")
    back = polyrve.read(tmp_path / "scan.npz")
    np.testing.assert_array_equal(back.quaternions, scan.quaternions)
    np.testing.assert_array_equal(back.phase_ids, scan.phase_ids)
    assert (back.spacing, back.origin, back.phases) == (scan.spacing, scan.origin, scan.phases)
    with pytest.raises(FileExistsError):
        polyrve.write(scan, tmp_path / "scan.npz")
    np.savez(tmp_path / "other.npz", quaternions=scan.quaternions)
    with pytest.raises(registry.FormatError, match=r"phase_ids"):
        polyrve.read(tmp_path / "other.npz")


@pytest.mark.filterwarnings("ignore:shape")
def test_descriptor(install, scan):
    install()
    problem = prepare(scan, shape=(1, 9, 10), largest_lag=2, initial="random", weights={"mean_square": 0.5})
    assert "mean_square" in problem.objective(problem.on_grid((1, 9, 10)), (1, 9, 10)).names


def test_metric(install, scan):
    install()
    volume = polyrve.make_specimen((12, 20, 22), grain_size=6.0, seed=1)
    row = polyrve.validate(scan, volume, windows=3)["largest_grain"]
    sizes = np.bincount(polyrve.segment(scan).grain_ids.ravel())[1:]
    assert (row.group, row.applies) == ("grains", True)
    assert row.reference == pytest.approx(sizes.max() / sizes.sum())


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("polyrve_extension.largest_grain:share", "expected a polyrve.validation.metrics.metric.Metric; got function"),
        ("polyrve_extension.nothing:METRIC", "nothing"),
        ("polyrve.validation.metrics.texture:METRICS", "got tuple"),
    ],
)
def test_what_is_no_metric_is_left_out(install, entry, reason):
    install(**{"polyrve.metrics": {"theirs": entry}})
    with pytest.warns(UserWarning, match=f"metric 'theirs' of an installed package is left out: .*{reason}"):
        rows = metrics_room.metrics()
    assert "largest_grain" not in [row.key for row in rows]
    assert len(rows) == len(metrics_room._ours(metrics_room.REACH, False))


def test_a_metric_with_a_key_or_a_group_that_cannot_be(install, monkeypatch):
    install()
    from polyrve_extension import largest_grain

    row = largest_grain.LARGEST_GRAIN
    for changed, reason in (("grain_size_area", "key"), ("largest_grain", "group")):
        group = "grains" if reason == "key" else "nowhere"
        new = Metric(changed, row.title, group, row.compare, row.lacks)
        monkeypatch.setattr(largest_grain, "LARGEST_GRAIN", new)
        metrics_room._of_other_packages.cache_clear()
        with pytest.warns(UserWarning, match=f"{reason}: expected"):
            assert all(other is not new for other in metrics_room.metrics())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metrics_room.metrics()
