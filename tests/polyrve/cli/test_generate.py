import re
import sys

import numpy as np
import pytest

import polyrve
from polyrve.cli.app import main


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["polyrve", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return end.value.code or 0, out, err

    return call


def test_a_volume_from_numbers_and_its_texture_again(run, tmp_path):
    few = ("--grains", "40", "--shape", "16,20,24", "--size-lognormal", "1,0.2")
    code, out, err = run("generate", tmp_path / "a.dream3d", *few, "--fibre", "1,1,1:0,0,1:0.7:8")
    assert code == 0, err
    assert "of 1.000" in out
    assert "exact up to degree 8" in out
    polyrve.write(polyrve.read_grains(tmp_path / "a.dream3d"), tmp_path / "a.tex")
    code, out, err = run(
        "generate", tmp_path / "b.tesr", *few, "--texture", tmp_path / "a.tex", "--texture-spread", "3"
    )
    assert code == 0, err
    assert (tmp_path / "b.tesr").exists()


@pytest.mark.parametrize(("words", "told"), [
    (("--texture", "wek"), "did you mean 'weak'"),
    (("--aspect", "1,2"), "--aspect: expected 3 numbers"),
    (("--shape", "8,8,8.5"), "--shape: expected 3 whole numbers"),
    (("--component", "0,0,0:0.5"), "--component: expected PHI1,PHI,PHI2:SHARE:SPREAD"),
    (("--component", "0,0,0:0.5:8", "--texture", "weak"), "--texture: expected no other texture"),
    (("--component", "0,0,0:1.5:8"), "fractions of at most 1"),
    (("--fibre", "1,1,1:0,0,0:0.5:8"), "a sample direction that is not zero"),
    (("--laue", "7"), "7"),
])  # fmt: skip
def test_misuse_is_one_sentence(run, tmp_path, words, told):
    code, _, err = run("generate", tmp_path / "a.tex", *words)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "a.tex").exists()


def test_orientations_of_one_weight(run, tmp_path):
    code, out, err = run("generate", tmp_path / "a.tex", "--grains", "60", "--texture", "strong")
    assert code == 0, err
    assert "60 orientations of one weight" in out
    rows = np.loadtxt(tmp_path / "a.tex", skiprows=4)
    assert rows.shape == (60, 4)
    np.testing.assert_allclose(rows[:, 3], 1 / 60, rtol=1e-6)


def test_diameters_as_neper_has_them(run, tmp_path):
    words = ("--grains", "60", "--shape", "20,20,20", "--diameter", "10,3.5")
    code, out, err = run("generate", tmp_path / "a.dream3d", *words)
    assert code == 0, err
    assert re.search(r"mean 2\.\d+ of 2\.245, standard deviation 0\.\d+ of 0\.340", out)
    diameters = polyrve.read_grains(tmp_path / "a.dream3d").to_dataframe().equivalent_diameter_um
    assert diameters.mean() == pytest.approx(10.0, rel=0.03)
    assert diameters.std() == pytest.approx(3.5, rel=0.2)
    code, _, err = run("generate", tmp_path / "b.dream3d", "--diameter", "0,1")
    assert (code, "diameter: expected a positive mean" in err) == (2, True)
