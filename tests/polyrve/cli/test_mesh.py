import re
import sys

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


@pytest.fixture
def source(tmp_path):
    polyrve.make_specimen((8, 9, 10), grain_size=7.0, seed=3, scatter=0.0).write(tmp_path / "rve.dream3d")
    return tmp_path / "rve.dream3d"


def test_table_and_files(run, source, tmp_path):
    pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)
    code, out, err = run("mesh", source, tmp_path / "a.vtu", "--size", "1.25", "--fast", "--stl", tmp_path / "stl")
    assert code == 0, err
    assert re.search(r"inverted elements +0\n", out)
    assert re.search(r"opposite faces +match", out)
    assert (tmp_path / "a.vtu").exists()
    grains = int(re.search(r"(\d+) grains", out)[1])
    assert len(list((tmp_path / "stl").iterdir())) == grains


@pytest.mark.parametrize(("words", "told"), [
    (("a.inp", "--size", "4"), "size: expected at most a quarter of the shortest edge"),
    (("a.inp", "--size", "-1"), "size: expected a positive length"),
    (("a.ang",), "a.ang: expected a file name that ends in .inp"),
    (("a.msh", "--msh-version", "3"), "version: expected 4.1 or 2.2 for a .msh; got '3'"),
    (("a.inp", "--materials", "x"), "materials: expected 'orientation' or 'user'"),
])  # fmt: skip
def test_misuse_is_one_sentence(run, source, tmp_path, words, told):
    code, _, err = run("mesh", source, tmp_path / words[0], *words[1:])
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / words[0]).exists()
