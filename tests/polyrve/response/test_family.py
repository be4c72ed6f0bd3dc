import math

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.response import family as families
from polyrve.response.results import cycles, read_response

SHEAR, FLOW = 26e9, 60e6


@pytest.fixture
def volume():
    return polyrve.make_specimen((2, 3, 4), grain_size=2.0, seed=1)


def write_path(folder, angle, write_result):
    """Results of an ideally plastic von Mises solid along a biaxial path of strains."""
    u, v = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    along = np.array([2 * u + v, u + 2 * v]) * 2 * SHEAR  # incompressible: plane stress
    limit = FLOW / math.sqrt(along[0] ** 2 - along[0] * along[1] + along[1] ** 2)
    strains = np.array([0.0, limit / 10, limit, 0.002, 0.006])
    write_result(folder / "job.hdf5", strains, np.zeros(5), shape=(1, 1, 2))
    with h5py.File(folder / "job.hdf5", "a") as file:
        for n, strain in enumerate(strains):
            state = file[f"increment_{n}/phase/Al/mechanical"]
            state["F"][...] = np.diag([1 + u * strain, 1 + v * strain, 1.0])
            state["P"][...] = np.diag([*(along * min(strain, limit)), 0.0])
    return along * limit


def test_a_yield_locus_is_found_from_its_runs(volume, tmp_path, run, write_result):
    made = families.write_family(
        volume, tmp_path / "locus", "yield-locus", [0.0, 45.0, 135.0, 225.0], phase="Al", strain=0.01, increments=4
    )
    assert families.is_family(tmp_path / "locus")
    expected = np.array(
        [write_path(folder, angle, write_result) for folder, angle in zip(made.folders, made.values, strict=True)]
    )
    found = families.yield_locus(made)
    np.testing.assert_allclose(found.to_numpy()[:, :2], expected, rtol=0.01)
    code, _, err = run("results", tmp_path / "locus", "-o", tmp_path / "page.html")
    assert code == 0, err
    assert {"page.html", "page.csv", "page.png"} <= {path.name for path in tmp_path.iterdir()}


def test_rates_have_a_folder_each_and_wait_for_a_solver(volume, tmp_path, run, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    registry.write(volume, tmp_path / "rve.dream3d")
    code, out, _ = run(
        "simulate",
        tmp_path / "rve.dream3d",
        "-o",
        tmp_path / "job",
        "--phase",
        "Al",
        "--rate",
        "0.001,0.1",
        "--prepare",
    )
    assert code == 0
    assert "2 runs, each of 24 voxels" in out
    assert "at 0.1 1/s" in (tmp_path / "job/rate_0.1/load.yaml").read_text()
    code, _, err = run(
        "simulate", tmp_path / "rve.dream3d", "-o", tmp_path / "two", "--phase", "Al", "--rate", "1,2",
        "--load", "yield-locus",
    )  # fmt: skip
    assert code == 2
    assert "expected one of them to vary" in err


def test_a_broken_list_is_refused(tmp_path):
    (tmp_path / "runs.json").write_text('{"kind": "rates", "values": [1], "folders": [], "axes": "x"}')
    with pytest.raises(registry.FormatError, match="folder per value"):
        families.read_family(tmp_path)


def test_each_cycle_has_its_amplitude_and_energy(tmp_path, write_result):
    def loop(amplitude):
        return [0.01, amplitude], [0.006, amplitude - 140e6], [-0.01, -amplitude], [-0.006, 140e6 - amplitude]

    points = [(0.0, 0.0), *loop(100e6), *loop(110e6), *loop(111e6), (0.01, 111e6)]
    write_result(tmp_path / "job.hdf5", *np.array(points).T)
    found = cycles(read_response(tmp_path))
    assert len(found) == 3
    assert found.change.to_numpy()[1:] == pytest.approx([110.5 / 105 - 1, 111 / 110.5 - 1], rel=0.1)
    assert (found.energy_J_per_m3 > 0).all()
