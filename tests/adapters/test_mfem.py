"""MFEM meshes: read by lines as MFEM's description says, and by MFEM's own reader where it is installed."""

import numpy as np
import pytest

import polyrve
from polyrve.adapters.solvers import mfem
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase


@pytest.fixture
def rve(volume_files):
    return volume_files.grained((Phase("Al"), Phase("Void")))


def parts(path):
    """Elements, boundary and vertices of an MFEM mesh, version 1.0."""
    words = path.read_text().split("\n\n")
    assert words[:2] == ["MFEM mesh v1.0", "dimension\n3"]
    found = []
    for name, text in zip(("elements", "boundary", "vertices"), words[2:], strict=True):
        title, count, *rows = text.strip().split("\n")
        assert title == name
        rows = rows[1:] if name == "vertices" else rows
        found.append(np.array([row.split() for row in rows], dtype=float))
        assert len(found[-1]) == int(count)
    return found


def check_surface(elements, boundary, points, box):
    """Faces lie where their attributes say, and are those of one element each."""
    nodes = 3 if boundary.shape[1] == 5 else 4
    corners = points[boundary[:, 2:].astype(int)]
    for attribute, axis, end in ((1, 2, 0), (2, 0, 0), (3, 1, 0), (4, 2, 1), (5, 0, 1), (6, 1, 1)):
        on = corners[boundary[:, 0] == attribute]
        np.testing.assert_allclose(on[..., axis], box[end][axis], atol=1e-9)
    cells = elements[:, 2:].astype(int)
    faces = [(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)]
    if nodes == 3:
        faces = [(0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)]
    every = np.sort(np.concatenate([cells[:, list(face)] for face in faces]), axis=1)
    kinds, count = np.unique(every, axis=0, return_counts=True)
    outer = {tuple(row) for row in kinds[count == 1].tolist()}
    assert outer == {tuple(sorted(row)) for row in boundary[:, 2:].astype(int).tolist()}


def test_cubes_and_their_surface_without_the_voids(tmp_path, rve):
    polyrve.write(rve, tmp_path / "a.mesh")
    elements, boundary, points = parts(tmp_path / "a.mesh")
    solid = rve.field.phase_ids.ravel() == 1
    assert (elements[:, 1] == 5).all()
    np.testing.assert_array_equal(elements[:, 0], rve.grain_ids.ravel()[solid])
    assert np.unique(elements[:, 2:]).tolist() == list(range(len(points)))
    centres = points[elements[:, 2:].astype(int)].mean(axis=1)
    z, y, x = np.unravel_index(np.flatnonzero(solid), (3, 4, 5))
    expected = np.column_stack([x, y, z]) * 0.5 + 0.25 + [-2.0, 1.0, 0.5]
    np.testing.assert_allclose(centres, expected, atol=1e-9)
    assert set(boundary[:, 0]) == {1, 2, 3, 4, 5, 6, mfem.FREE_SURFACE}
    check_surface(elements, boundary, points, ([-2.0, 1.0, 0.5], [0.5, 3.0, 2.0]))
    quaternions = np.loadtxt(tmp_path / "a.ori")
    w, a, b, c = quaternions.T
    first_column = np.column_stack([w**2 + a**2 - b**2 - c**2, 2 * (a * b + w * c), 2 * (a * c - w * b)])
    np.testing.assert_allclose(first_column, rotation.to_matrix(rve.quaternions)[:, 0], atol=1e-12)
    options = (tmp_path / "a.toml").read_text()
    assert "num_grains = 5" in options
    assert 'ori_floc = "a.ori"' in options


def test_tetrahedra_and_their_surface(tmp_path, rve):
    pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)
    polyrve.write(rve, tmp_path / "a.mesh", format="tetrahedra", size=0.35, improve=False)
    elements, boundary, points = parts(tmp_path / "a.mesh")
    assert (elements[:, 1] == 4).all()
    check_surface(elements, boundary, points, ([-2.0, 1.0, 0.5], [0.5, 3.0, 2.0]))
    with pytest.raises(ValueError, match="expected linear elements in an MFEM mesh"):
        polyrve.write(rve, tmp_path / "b.mesh", format="tetrahedra", quadratic=True)


@pytest.mark.parametrize("format", ["mfem", "tetrahedra"])
def test_reader_of_mfem(tmp_path, rve, format):
    reader = pytest.importorskip("mfem._ser.mesh", reason="PyMFEM is not installed", exc_type=ImportError)
    if format == "tetrahedra":
        pytest.importorskip("gmsh", reason="Gmsh is not installed", exc_type=ImportError)
    polyrve.write(
        rve, tmp_path / "a.mesh", format=format, **({"size": 0.35, "improve": False} if format == "tetrahedra" else {})
    )
    mesh = reader.Mesh(str(tmp_path / "a.mesh"), 1, 1)
    assert mesh.Dimension() == 3
    assert mesh.CheckElementOrientation(False) == 0
    assert mesh.CheckBdrElementOrientation(False) == 0
    assert sorted(mesh.attributes.ToList()) == [1, 3, 5]
    assert sorted(mesh.bdr_attributes.ToList()) == [1, 2, 3, 4, 5, 6, 7]
    volume = sum(mesh.GetElementVolume(i) for i in range(mesh.GetNE()))
    assert volume == pytest.approx((rve.field.phase_ids == 1).sum() * 0.125, rel=1e-3)
