"""Texts of variable length that point to nowhere: HDF5 itself ends the process on them."""

import h5py
import numpy as np
import pytest

from polyrve.adapters import hdf5
from polyrve.adapters.registry import FormatError


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
