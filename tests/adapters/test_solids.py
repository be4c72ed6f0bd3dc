"""Closed surfaces, written by VTK, and what is filled with them."""

import numpy as np
import pytest

from polyrve.adapters import solids
from polyrve.adapters.registry import FormatError
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.outer_shape import fill_shape
from polyrve.microstructure.synthetic import make_specimen

pytest.importorskip("vtk")


def ball(path, binary=True):
    from vtkmodules.vtkFiltersSources import vtkSphereSource
    from vtkmodules.vtkIOGeometry import vtkSTLWriter

    source, writer = vtkSphereSource(), vtkSTLWriter()
    source.SetRadius(5.0)
    source.SetCenter(20.0, -3.0, 1.0)
    source.SetThetaResolution(40)
    source.SetPhiResolution(40)
    writer.SetInputConnection(source.GetOutputPort())
    writer.SetFileName(str(path))
    writer.SetFileType(2 if binary else 1)
    writer.Write()


@pytest.mark.parametrize("binary", [True, False])
def test_a_ball_in_voxels(tmp_path, binary):
    ball(tmp_path / "a.stl", binary=binary)
    inside = solids.read_solid(tmp_path / "a.stl", 0.5)
    assert inside.shape == (20, 20, 20)
    assert inside.sum() * 0.125 == pytest.approx(4 / 3 * np.pi * 125, rel=0.02)
    z, y, x = np.indices(inside.shape) * 0.5 + 0.25 - 5.0
    radius = np.sqrt(z**2 + y**2 + x**2)
    assert inside[radius < 4.7].all()
    assert not inside[radius > 5.1].any()
    assert solids.read_solid(tmp_path / "a.stl", 5.0, scale=10.0).shape == (20, 20, 20)
    assert max(solids.read_solid(tmp_path / "a.stl", points=30).shape) == 30


def test_what_is_no_solid(tmp_path):
    ball(tmp_path / "a.stl")
    whole = (tmp_path / "a.stl").read_bytes()
    (tmp_path / "open.stl").write_bytes(whole[:80] + (900).to_bytes(4, "little") + whole[84 : 84 + 50 * 900])
    with pytest.raises(FormatError, match=r"closed surface; \d+ edges"):
        solids.read_solid(tmp_path / "open.stl")
    (tmp_path / "cut.stl").write_bytes(whole[:5000])
    with pytest.raises(FormatError, match="its length does not fit"):
        solids.read_solid(tmp_path / "cut.stl")
    (tmp_path / "text.stl").write_text("hello\n")
    with pytest.raises(FormatError, match="STL"):
        solids.read_solid(tmp_path / "text.stl")
    with pytest.raises(ValueError, match="no voxel lies in it"):
        solids.read_solid(tmp_path / "a.stl", 100.0)
    with pytest.raises(ValueError, match="2e8"):
        solids.read_solid(tmp_path / "a.stl", 0.001)
    with pytest.raises(FileNotFoundError):
        solids.read_solid(tmp_path / "none.stl")


def test_a_periodic_volume_repeats_within_the_shape():
    rve = make_specimen((6, 7, 8), grain_size=4.0, scatter=0.0, seed=1)
    inside = np.zeros((10, 8, 9), dtype=bool)
    inside[:, 1:, 2:] = True
    made = fill_shape(rve, inside, Phase("Void"), margin=2)
    assert made.field.shape == (14, 12, 13)
    assert not made.field.periodic
    core = made.field.quaternions[2:-2, 2:-2, 2:-2]
    z, y, x = np.indices(inside.shape)
    expected = rve.field.quaternions[z % 6, y % 7, x % 8]
    np.testing.assert_array_equal(core[inside], expected[inside])
    assert (made.field.phase_ids == 2).sum() == made.field.phase_ids.size - inside.sum()
    assert (made.phase_ids == 2).sum() == 1


def test_what_cannot_be_filled():
    rve = make_specimen((6, 7, 8), grain_size=4.0, seed=1)
    with pytest.raises(ValueError, match="all are outside"):
        fill_shape(rve, np.zeros((3, 3, 3), dtype=bool), Phase("Void"))
    with pytest.raises(ValueError, match="phase: expected a name"):
        fill_shape(rve, np.ones((3, 3, 3), dtype=bool), Phase("Aluminium"))
    from dataclasses import replace

    alone = replace(rve, field=rve.field.evolve(periodic=False))
    with pytest.raises(ValueError, match="not periodic; got 9 x 3 x 3"):
        fill_shape(alone, np.ones((9, 3, 3), dtype=bool), Phase("Void"))


def test_a_mask_is_taken_as_it_is(tmp_path):
    mask = np.zeros((3, 4, 5), dtype=np.uint8)
    mask[1:, :2, 3:] = 7
    np.save(tmp_path / "a.npy", mask)
    np.testing.assert_array_equal(solids.read_solid(tmp_path / "a.npy"), mask > 0)
    for wrong in (np.zeros((3, 4, 5)), mask[0], np.zeros((2, 2, 2), dtype=bool)):
        np.save(tmp_path / "b.npy", wrong)
        with pytest.raises(FormatError, match="expected a mask of three axes"):
            solids.read_solid(tmp_path / "b.npy")
    (tmp_path / "b.npy").write_bytes(b"hello")
    with pytest.raises(FormatError, match="expected a NumPy array"):
        solids.read_solid(tmp_path / "b.npy")
