"""HDF5 files of kikuchipy and MTEX, beyond what all readers have to do (test_readers)."""

import warnings

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


@pytest.mark.parametrize("name", ["kikuchipy-h5", "mtex-h5"])
def test_one_of_several_scans(samples, crystals, tmp_path, name):
    path = samples[name].write(crystals((4, 5)), tmp_path)
    first = {"kikuchipy-h5": "Scan 1", "mtex-h5": "ebsd"}[name]
    with h5py.File(path, "r+") as file:
        file.copy(first, "Second")
    with pytest.raises(FormatError, match=r"got 2 \(.*Second.*scan_name"):
        read(path)
    np.testing.assert_array_equal(read(path, scan_name="Second").quaternions, read(path, scan_name=first).quaternions)


def test_kikuchipys_map_is_what_orix_reads(samples, crystals, tmp_path):
    from orix.io.plugins._h5ebsd import hdf5group2dict
    from orix.io.plugins.orix_hdf5 import dict2crystalmap

    path = samples["kikuchipy-h5"].write(crystals((4, 5)), tmp_path)
    with h5py.File(path) as file:
        theirs = dict2crystalmap(hdf5group2dict(file["Scan 1/EBSD/CrystalMap/crystal_map"], recursive=True))
    ours = read(path)
    indexed = ours.indexed
    np.testing.assert_array_equal(indexed.ravel(), theirs.is_indexed)
    np.testing.assert_allclose(
        rotation.to_matrix(ours.quaternions)[indexed],
        theirs.rotations.to_matrix().reshape(4, 5, 3, 3)[indexed],
        atol=1e-9,
    )


def test_several_rotations_per_point(samples, crystals, tmp_path):
    path = samples["orix-h5"].write(crystals((4, 5)), tmp_path)
    before = read(path)
    with h5py.File(path, "r+") as file:
        for name in ("phi1", "Phi", "phi2"):
            data = file["crystal_map/data"]
            values = data[name][()]
            del data[name]
            data[name] = np.stack([values, 0 * values, values], axis=1)
    np.testing.assert_array_equal(read(path).quaternions, before.quaternions)


def test_patterns_that_were_not_indexed(samples, crystals, tmp_path):
    path = samples["kikuchipy-h5"].write(crystals((4, 5)), tmp_path)
    with h5py.File(path, "r+") as file:
        del file["Scan 1/EBSD/CrystalMap"]
    with pytest.raises(FormatError, match="index the patterns in kikuchipy first"):
        read(path)


@pytest.mark.parametrize("x_axis", ["a", "a*"])
def test_mtex_says_its_crystal_axes(samples, crystals, tmp_path, x_axis):
    truth = crystals((4, 5), several=False)
    path = samples["mtex-h5"].write(truth, tmp_path)
    with h5py.File(path, "r+") as file:
        file["ebsd/Phase/1"].attrs["Alignment"] = np.bytes_(
            {"a": "X||a, Y||b*, Z||c, Z||c*", "a*": "X||a*, Y||b, Z||c, Z||c*"}[x_axis]
        )
    matrices = rotation.to_matrix(read(path).quaternions)[truth.phase_ids > 0]
    turn = rotation.to_matrix(rotation.from_euler(np.deg2rad([0.0, 0.0, 30.0])))
    expected = truth.matrices[truth.phase_ids > 0]
    np.testing.assert_allclose(matrices, expected if x_axis == "a*" else turn @ expected, atol=1e-5)


def test_crystal_axes_that_polyrve_does_not_know_are_refused(samples, crystals, tmp_path):
    path = samples["mtex-h5"].write(crystals((4, 5), several=False), tmp_path)
    with h5py.File(path, "r+") as file:
        file["ebsd/Phase/1"].attrs["Alignment"] = np.bytes_("X||b, Y||c, Z||a*")
    with pytest.raises(FormatError, match=r"/ebsd/Phase/1: expected crystal axes .*; got 'x\|\|b"):
        read(path)


def test_a_volume_of_mtex(samples, crystals, tmp_path):
    truth = crystals((4, 5))
    path = samples["mtex-h5"].write(truth, tmp_path)
    with h5py.File(path, "r+") as file:
        group = file["ebsd"]
        for name in ("Orientations", "PhaseIndex", "SpatialCoordinates", "Properties/mad"):
            values = group[name][()]
            del group[name]
            second = values + np.array([0, 0, 2.0]) if name == "SpatialCoordinates" else values
            group[name] = np.concatenate([values, second]).astype(values.dtype)
    volume = read(path)
    assert volume.shape == (2, 4, 5)
    assert volume.spacing == pytest.approx((2.0, 0.25, 0.5))
    assert volume.origin == pytest.approx((-1.0, -0.125, -0.25))
    np.testing.assert_array_equal(volume.phase_ids[1], truth.phase_ids)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ebsd/PhaseIndex", np.full((20, 1), 9, dtype=np.uint8), "PhaseIndex: expected a phase of .*; got 9"),
        ("ebsd/SpatialCoordinates", np.zeros((20, 5)), "SpatialCoordinates: expected 20 x 2 or 3 coordinates"),
        ("ebsd/SpatialCoordinates", np.random.default_rng(0).random((20, 3)), "got 20 points of none"),
        ("ebsd/Orientations", np.zeros((19, 3)), r"expected shape \(19,\)"),
    ],
)
def test_broken_files_of_mtex(samples, crystals, tmp_path, name, value, words):
    path = samples["mtex-h5"].write(crystals((4, 5)), tmp_path)
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = value
    with pytest.raises(FormatError, match=words):
        read(path)
