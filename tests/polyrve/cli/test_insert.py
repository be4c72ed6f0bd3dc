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


@pytest.fixture
def source(tmp_path):
    polyrve.make_specimen((14, 15, 16), grain_size=7.0, seed=3, scatter=0.0).write(tmp_path / "rve.dream3d")
    return tmp_path / "rve.dream3d"


@pytest.mark.parametrize("words", [
    ("--shape", "sphere"),
    ("--shape", "plate", "--aspect", "3,3,1", "--habit", "1,1,1", "--orientation", "parent"),
    ("--shape", "ellipsoid", "--aspect", "2,1,1", "--direction", "0,0,1", "--at", "triple-lines"),
])  # fmt: skip
def test_particles_are_inserted(run, source, tmp_path, words):
    code, out, err = run("insert", source, tmp_path / "a.dream3d", "--fraction", "0.05", "--size", "4", *words)
    assert code == 0, err
    assert re.search(r"5 particles of Void, [45]\.\d+ % of the volume for 5 %", out)
    read = polyrve.read_grains(tmp_path / "a.dream3d", volume=True)
    assert [phase.name for phase in read.field.phases] == ["Aluminium", "Void"]


@pytest.mark.parametrize(("words", "told"), [
    (("--fraction", "0.8", "--size", "4"), "can be packed"),
    (("--fraction", "0.05", "--size", "0.5"), "at least a voxel thick"),
    (("--fraction", "0.05", "--size", "4", "--at", "corners"), "--at: expected one of anywhere"),
    (("--fraction", "0.05", "--size", "4", "--shape", "cube"), "--shape: expected sphere"),
    (("--fraction", "0.05", "--size", "4", "--shape", "ellipsoid"), "--aspect: expected the lengths"),
    (("--fraction", "0.05", "--size", "4", "--shape", "none.stl"), "no such file"),
    (("--fraction", "0.05", "--size", "4", "--habit", "1,1,1", "--direction", "1,0,0"), "expected one of them"),
    (("--fraction", "0.05", "--size", "4", "--orientation", "best"), "--orientation: expected random or parent"),
])  # fmt: skip
def test_misuse_is_one_sentence(run, source, tmp_path, words, told):
    code, _, err = run("insert", source, tmp_path / "a.dream3d", *words)
    assert code == 2
    assert told in err
    assert "Traceback" not in err
    assert not (tmp_path / "a.dream3d").exists()


def test_shapes_of_a_phase_and_a_mask(run, source, tmp_path):
    words = ("--fraction", "0.05", "--size", "4", "--shape", source, "--shapes-of", "Aluminium")
    code, out, err = run("insert", source, tmp_path / "a.dream3d", *words)
    assert code == 0, err
    assert "5 particles of Void" in out
    code, _, err = run("insert", source, tmp_path / "b.dream3d", *words[:-1], "Iron")
    assert (code, "phase: expected one of Aluminium; got 'Iron'" in err) == (2, True)
    np.save(tmp_path / "mask.npy", np.ones((3, 4, 5), dtype=bool))
    code, out, err = run("shape", source, tmp_path / "c.dream3d", "--solid", tmp_path / "mask.npy")
    assert code == 0, err
    assert "5 x 6 x 7 voxels" in out


def test_a_shape_is_filled(run, source, tmp_path):
    pytest.importorskip("vtk")
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter
    from vtkmodules.vtkFiltersSources import vtkCylinderSource
    from vtkmodules.vtkIOGeometry import vtkSTLWriter

    body, triangles, writer = vtkCylinderSource(), vtkTriangleFilter(), vtkSTLWriter()
    body.SetRadius(0.005)
    body.SetHeight(0.02)
    body.SetResolution(60)
    triangles.SetInputConnection(body.GetOutputPort())
    writer.SetInputConnection(triangles.GetOutputPort())
    writer.SetFileName(str(tmp_path / "mm.stl"))
    writer.Write()
    code, out, err = run("shape", source, tmp_path / "a.dream3d", "--solid", tmp_path / "mm.stl", "--scale", "1000")
    assert code == 0, err
    inside = float(re.search(r"([\d.]+) % of the box is inside", out)[1]) / 100 * 12 * 12 * 22
    assert inside == pytest.approx(3.1416 * 25 * 20, rel=0.05)
    code, _, err = run("shape", source, tmp_path / "b.dream3d", "--solid", tmp_path / "mm.stl")
    assert code == 2
    assert "no voxel lies in it" in err
