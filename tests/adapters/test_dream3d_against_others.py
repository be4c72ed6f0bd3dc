"""Real .dream3d files against the quaternions stored beside their Euler angles, and against damask's reader."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.crystallography import rotation

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data files beside the repository")


@pytest.mark.parametrize("version", ["v7", "v8"])
def test_orientations_are_those_of_both_angles_and_quaternions(version):
    path = DATA / f"small_in100_slice_{version}.dream3d"
    field = polyrve.read(path)
    cells = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset) and name.endswith(("/EulerAngles", "/Quats")):
            cells[name.split("/")[-1]] = item[()]

    with h5py.File(path) as file:
        file.visititems(keep)
    angles = cells["EulerAngles"].reshape(*field.shape, 3).astype(float)
    xyzw = cells["Quats"].reshape(*field.shape, 4).astype(float)
    symmetry = field.phases[0].symmetry
    indexed = field.indexed
    assert indexed.mean() > 0.9
    for expected in (rotation.from_euler(angles), np.roll(xyzw, 1, axis=-1)):
        apart = rotation.disorientation_angle(field.quaternions, rotation.normalize(expected), symmetry)
        assert np.rad2deg(apart[indexed]).max() < 0.1


def test_damask_reads_the_same():
    damask = pytest.importorskip("damask")
    path = DATA / "small_in100_slice_v8.dream3d"
    field = polyrve.read(path)
    grid = damask.GeomGrid.load_DREAM3D(path)
    material = damask.ConfigMaterial.load_DREAM3D(path)
    theirs = damask.Rotation(np.array([entry["constituents"][0]["O"] for entry in material["material"]]))
    matrices = theirs.as_matrix()[np.asarray(grid.material)[:, :, 0].T]
    np.testing.assert_allclose(rotation.to_matrix(field.quaternions)[field.indexed], matrices[field.indexed], atol=2e-6)
