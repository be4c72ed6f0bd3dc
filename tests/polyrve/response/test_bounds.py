import numpy as np
import pytest
from typer.testing import CliRunner

import polyrve
from polyrve.cli.app import app

run = CliRunner()


def test_a_map_without_grains_is_cut_first():
    scan = polyrve.data.load("scan")
    found = polyrve.bounds(scan, "Cu")
    assert found.grains == polyrve.segment(scan).number_of_grains
    assert (found.reuss < found.hill).all()
    assert (0 < found.hill_error).all()
    assert (found.hill_error < 0.05).all()


def test_phase_names_are_looked_up():
    truth = polyrve.data.load("truth").field[:4, :20, :20]
    np.testing.assert_array_equal(polyrve.bounds(truth).hill, polyrve.bounds(truth, {"Aluminium": "Al"}).hill)


def test_nothing_indexed_is_refused():
    scan = polyrve.data.load("scan")
    with pytest.raises(ValueError, match="indexed"):
        polyrve.bounds(scan.evolve(phase_ids=np.zeros(scan.shape, int)), "Cu")


def test_the_command_prints_the_table(tmp_path):
    truth = polyrve.data.load("truth").field[:4, :20, :20].segment()
    truth.write(tmp_path / "truth.dream3d")
    found = run.invoke(app, ["bounds", str(tmp_path / "truth.dream3d"), "--phase", "Cu"])
    assert found.exit_code == 0, found.output
    hill = polyrve.bounds(truth, "Cu").hill
    assert f"{hill[0] / 1e9:.2f}" in found.output
    assert f"from {truth.number_of_grains} grains" in found.output
