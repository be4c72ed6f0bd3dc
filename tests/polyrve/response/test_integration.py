"""With DAMASK's grid solver and with CalculiX, where they are on the PATH."""

import re
import shutil
import subprocess

import numpy as np
import pytest

import polyrve
from polyrve.adapters.solvers import damask
from polyrve.microstructure.resolution import at_resolution
from polyrve.response import simulate as runs
from polyrve.response.results import read_response

pytestmark = pytest.mark.integration
SOLVER = next((name for name in runs.PROGRAMS if shutil.which(name)), None)
needs_damask = pytest.mark.skipif(SOLVER is None, reason="DAMASK's grid solver is not on the PATH: nothing is solved")


@pytest.fixture(scope="module")
def volume():
    return polyrve.make_specimen((6, 6, 6), grain_size=4.0, scatter=0.0, seed=1)


@needs_damask
def test_damask_finds_a_modulus_between_the_bounds_and_a_saturated_cycle(volume, tmp_path):
    damask.write(volume, tmp_path / "job", phase="Cu", strain=1e-3, increments=4, output="F,P")
    runs.simulate(tmp_path / "job", [SOLVER])
    found = read_response(tmp_path / "job")
    assert found.bounds[0] < found.modulus < found.bounds[2]
    assert found.modulus == pytest.approx(found.bounds[1], rel=0.06)
    options = {"load": "cyclic", "cycles": 30, "strain": 0.005, "increments": 3, "output": "F,P"}
    damask.write(volume, tmp_path / "cyclic", phase="316L", **options)
    state = runs.simulate(tmp_path / "cyclic", [SOLVER], saturation=0.5)
    assert state.increment < state.increments
    assert not runs.finished(tmp_path / "cyclic")


@needs_damask
@pytest.mark.skipif(shutil.which("ccx") is None, reason="CalculiX is not on the PATH: no deck is solved")
def test_calculix_and_damask_agree_on_the_modulus(volume, tmp_path):
    fine = at_resolution(volume, (12, 12, 12))
    damask.write(fine, tmp_path / "job", phase="Cu", strain=1e-5, increments=1, output="F,P")
    runs.simulate(tmp_path / "job", [SOLVER])
    found = read_response(tmp_path / "job")
    fine.write(
        tmp_path / "rve.inp", element="C3D8R", periodic=True, phase="Cu", dialect="calculix", load="tension",
        strain=1e-5, increments=1,
    )  # fmt: skip
    done = subprocess.run(["ccx", "rve"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert "Job finished" in done.stdout, done.stdout[-2000:]
    text = (tmp_path / "rve.dat").read_text()
    rows = [line.split() for line in text[text.index("stresses") :].splitlines() if re.match(r"\s+\d+\s+\d+\s", line)]
    stress = np.array(rows, dtype=float)[:, 2:].mean(axis=0)
    assert abs(stress[1:3]).max() < 1e-4 * stress[0]
    assert stress[0] / 1e-5 * 1e6 == pytest.approx(found.modulus, rel=0.01)
    assert found.bounds[0] < stress[0] / 1e-5 * 1e6 < found.bounds[2]
