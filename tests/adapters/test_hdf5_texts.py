"""Texts of variable length that point to nowhere: HDF5 itself ends the process on them, or does not end."""

import tracemalloc

import h5py
import numpy as np
import pytest

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import emsoft_h5
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import dream3d


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("names", data=["Iron", "Magnesium"], dtype=h5py.string_dtype())
        lists = file.create_dataset("lists", (2,), dtype=h5py.vlen_dtype(np.int32))
        lists[0] = lists[1] = [1, 2]
    return path


def read(path, name="names"):
    with hdf5.opened(path) as file:
        return hdf5.strings(path, file[name])


def overwrite(path, row, part, value):
    """Overwrite one of the numbers that stand for a text: length, address of its heap, object in it."""
    with h5py.File(path, "r") as file:
        at = file["names"].id.get_offset() + 16 * row + {"length": 0, "address": 4, "object": 12}[part]
    content = bytearray(path.read_bytes())
    content[at : at + (8 if part == "address" else 4)] = value.to_bytes(8 if part == "address" else 4, "little")
    path.write_bytes(content)


def test_intact_texts_are_read(texts):
    assert read(texts) == ["Iron", "Magnesium"]


@pytest.mark.parametrize(
    ("part", "value", "said"),
    [
        ("object", 999, "a text of 9 bytes in the heap"),
        ("address", 8, "a text of 9 bytes in the heap"),
        ("address", 10**9, "a text of 9 bytes in the heap"),
        ("length", 100, "a text of 100 bytes in the heap"),
        ("length", 2**31, "a text within the file; got 2147483648 bytes"),
    ],
)
def test_texts_that_are_not_there_are_refused(texts, part, value, said):
    overwrite(texts, 1, part, value)
    with pytest.raises(FormatError, match=said):
        read(texts)


def test_lists_in_place_of_texts_are_refused(texts):
    with pytest.raises(FormatError, match="expected texts; got type object"):
        read(texts, "lists")


@pytest.fixture
def attributes(tmp_path):
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w") as file:
        file.attrs["kind"] = "Iron"
        file.attrs["fixed"] = np.bytes_("Magnesium")
        file.attrs["numbers"] = np.array([0.5, 2.0])
        file.attrs["large"] = np.zeros(8000)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [("kind", ["Iron"]), ("fixed", ["Magnesium"]), ("numbers", [0.5, 2.0]), ("large", [0.0] * 8000), ("absent", [])],
)
def test_attributes_are_numbers_and_texts(attributes, name, expected):
    with hdf5.opened(attributes) as file:
        assert hdf5.attribute(file, name) == expected
        assert hdf5.attribute_text(file, name) == (expected[0] if name in ("kind", "fixed") else "")


def test_attributes_of_a_kind_of_text_that_hdf5_does_not_know_are_not_read(attributes):
    content = attributes.read_bytes()
    text = content.index(b"kind\0") + 8
    assert content[text : text + 2] == b"\x19\x01"
    attributes.write_bytes(content[: text + 1] + b"\x79" + content[text + 2 :])
    with hdf5.opened(attributes) as file:
        assert hdf5.attribute(file, "kind") == []


@pytest.mark.parametrize("size", [0, 8, 2**40])
def test_heaps_whose_objects_do_not_fill_them_are_refused(attributes, size):
    content = attributes.read_bytes()
    free = content.index(b"Iron") + 8
    assert content[free : free + 8] == bytes(8)
    assert 0 < int.from_bytes(content[free + 8 : free + 16], "little") <= 4096
    attributes.write_bytes(content[: free + 8] + size.to_bytes(8, "little") + content[free + 16 :])
    with pytest.raises(FormatError, match="objects that fill their heap"), hdf5.opened(attributes) as file:
        hdf5.attribute(file, "kind")


def test_shapes_are_not_believed_before_data_is_in_proportion(tmp_path):
    path = tmp_path / "sparse.dream3d"
    with h5py.File(path, "w") as file:
        file.attrs["FileVersion"] = np.bytes_("8.0")
        image = file.create_group("DataStructure/Image")
        shape = (40_000, 40_000, 1)
        image.attrs.update(
            {"ObjectType": np.bytes_("ImageGeom"), "_DIMENSIONS": shape, "_SPACING": (1.0,) * 3, "_ORIGIN": (0.0,) * 3}
        )
        cells = image.create_group("Cell Data")
        cells.create_dataset("EulerAngles", (*shape[::-1], 3), np.float32, chunks=(1, 10, 10, 3))
        ensemble = image.create_group("Cell Ensemble Data")
        ensemble["CrystalStructures"] = np.array([[999], [1]], dtype=np.uint32)
    tracemalloc.start()
    with pytest.raises(FormatError, match="data in proportion to the file"):
        dream3d.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


def test_points_of_a_header_take_no_memory(samples, crystals, tmp_path):
    path = samples["emsoft-h5"].write(crystals((4, 5), several=False, all_indexed=True), tmp_path)
    with h5py.File(path, "r+") as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if name.endswith("nRows") else None)
        file[found[0]][...] = 100_000_000
    tracemalloc.start()
    with pytest.raises(FormatError, match="expected 500000000 entries"):
        emsoft_h5.read(path)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
