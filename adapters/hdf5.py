"""Checked access to HDF5 files: types and sizes are looked at before data is read."""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from polyrve.adapters import text_lines
from polyrve.adapters.registry import FormatError

_UNPACKED_FLOOR = 1 << 26
_UNPACKED_FACTOR = 64
_MAX_DEPTH = 8
_COLLECTION = re.compile(rb"GCOL\x01\x00\x00\x00(.{8})", re.DOTALL)
_HEAP = re.compile(rb"HEAP\x00\x00\x00\x00(.{8})(.{8})(.{8})", re.DOTALL)


class _WithinFile(io.FileIO):
    """A file that refuses to be read beyond its end, which HDF5's own driver fills with zeros at any length."""

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the current position; OSError where the file has less."""
        size = super().readinto(buffer) or 0
        if size < len(buffer):
            raise OSError(f"expected {len(buffer)} bytes at {self.tell() - size}; got {size}")
        return size


def check_heaps(path: Path) -> None:
    """Refuse a file with a heap larger than itself, or a list of free space that runs in a circle.

    HDF5 takes memory for the one, and follows the other until memory ends.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FormatError
        If there is such a heap or list.

    References
    ----------
    HDF5 File Format Specification 3.0, III.D and III.E (local and global heaps).
    """
    if path.stat().st_size == 0:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for collection in _COLLECTION.finditer(content):
            size = int.from_bytes(collection[1], "little")
            if size > len(content) - collection.start():
                raise FormatError(
                    path, f"expected a heap within the file; got {size} bytes", f"byte {collection.start()}"
                )
        for heap in _HEAP.finditer(content):
            size, free, address = (int.from_bytes(part, "little") for part in heap.groups())
            seen: set[int] = set()
            while free < size and free not in seen:
                seen.add(free)
                free = int.from_bytes(content[address + free : address + free + 8], "little")
            if free in seen:
                raise FormatError(path, "expected a list of free space that ends; got a circle", f"byte {heap.start()}")


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file for reading; whatever HDF5 cannot read within the body is a FormatError.

    Yields
    ------
    h5py.File

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no HDF5 file, or is broken.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    check_heaps(path)
    try:
        with _WithinFile(path) as stream, h5py.File(stream, "r") as file:
            yield file
    except FormatError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(path, f"expected an intact HDF5 file of this format; got: {reason}") from error


def group(path: Path, parent: h5py.Group, name: str) -> h5py.Group:
    """A subgroup; FormatError where there is none."""
    item = _get(parent, name)
    if not isinstance(item, h5py.Group):
        raise FormatError(path, f"expected a group {name}; got none", parent.name)
    return item


def has(parent: h5py.Group, name: str) -> bool:
    """Whether a group holds a dataset of this name."""
    return isinstance(_get(parent, name), h5py.Dataset)


def array(
    path: Path, parent: h5py.Group, name: str | Sequence[str], shape: Sequence[int | None] | None = None
) -> np.ndarray:
    """Numbers of a dataset.

    Parameters
    ----------
    path : Path
        For errors.
    parent : h5py.Group
    name : str or sequence of str
        Name, or several of which the first that is there is taken.
    shape : sequence of int or None, optional
        Shape that the numbers must have; None for any length. Axes of length 1 do not count.

    Returns
    -------
    ndarray

    Raises
    ------
    FormatError
        If the dataset is missing, does not hold numbers, has another shape, or is out of proportion to the file.
    """
    names = [name] if isinstance(name, str) else list(name)
    dataset = next((item for item in (_get(parent, n) for n in names) if isinstance(item, h5py.Dataset)), None)
    if dataset is None:
        raise FormatError(path, f"expected a dataset {' or '.join(names)}; got none", parent.name)
    if dataset.dtype.kind not in "fiub":
        raise FormatError(path, f"expected numbers; got type {dataset.dtype}", dataset.name)
    check_size(path, dataset)
    if shape is not None:
        lengths = [length for length in dataset.shape if length != 1]
        wanted = [length for length in shape if length != 1]
        fits = len(lengths) == len(wanted) and all(w in (None, n) for w, n in zip(wanted, lengths, strict=True))
        if not fits and dataset.size != int(np.prod([1 if w is None else w for w in shape])):
            raise FormatError(path, f"expected shape {tuple(shape)}; got {dataset.shape}", dataset.name)
    values = dataset[()]
    if shape is not None:
        values = np.reshape(values, [-1 if w is None else w for w in shape])
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def check_size(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset whose data is not in the file, or out of all proportion to it."""
    if dataset.shape is None or dataset.external or dataset.is_virtual:
        raise FormatError(path, "expected data within the file; got none", dataset.name)
    if dataset.nbytes > max(_UNPACKED_FLOOR, _UNPACKED_FACTOR * path.stat().st_size):
        raise FormatError(
            path, f"expected data in proportion to the file; got {dataset.nbytes} bytes declared", dataset.name
        )


def check_sizes(path: Path, file: h5py.File) -> None:
    """:func:`check_size` of every dataset."""
    pending: list[h5py.Group] = [file]
    while pending:
        for item in members(pending.pop()):
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif item.shape is not None:
                check_size(path, item)


def number(path: Path, parent: h5py.Group, name: str | Sequence[str], default: float | None = None) -> float:
    """A single number; `default` where the dataset is missing, FormatError if there is no default."""
    names = [name] if isinstance(name, str) else list(name)
    if default is not None and not any(has(parent, n) for n in names):
        return default
    values = np.ravel(array(path, parent, names))
    if values.size != 1 or not np.isfinite(values[0]):
        raise FormatError(path, f"expected one number; got {values[:4].tolist()}", f"{parent.name}/{names[0]}")
    return float(values[0])


def whole(path: Path, parent: h5py.Group, name: str | Sequence[str]) -> int:
    """A single positive whole number."""
    value = number(path, parent, name)
    if value != int(value) or not 0 < value < 1e9:
        raise FormatError(path, f"expected a positive whole number; got {value:g}", f"{parent.name}/{name}")
    return int(value)


def text(path: Path, parent: h5py.Group, name: str | Sequence[str], default: str = "") -> str:
    """A text, bytes in UTF-8 or Latin-1; `default` where it is missing or no text."""
    names = [name] if isinstance(name, str) else list(name)
    for candidate in names:
        dataset = _get(parent, candidate)
        if isinstance(dataset, h5py.Dataset) and dataset.shape is not None and dataset.size == 1:
            if dataset.dtype.kind not in "SO" or dataset.nbytes > 1 << 20:
                continue
            return strings(path, dataset)[0]
    return default


def strings(path: Path, dataset: h5py.Dataset) -> list[str]:
    """Texts of a dataset, bytes in UTF-8 or Latin-1, however many its shape says.

    Raises
    ------
    FormatError
        If the data is not in the file, or a text of variable length is said to be longer than the file: HDF5 takes
        memory for any length.
    """
    check_size(path, dataset)
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is not None and kind.length is None:
        longest = max(_stated_lengths(path, dataset), default=0)
        if longest > path.stat().st_size:
            raise FormatError(path, f"expected a text within the file; got {longest} bytes", dataset.name)
    return [decoded(value) for value in np.ravel(dataset[()])]


def _stated_lengths(path: Path, dataset: h5py.Dataset) -> list[int]:
    """Lengths of the texts of a plainly stored dataset; none of a filtered or compact one."""
    if dataset.chunks is None:
        at = dataset.id.get_offset()
        pieces = [] if at is None else [(at, dataset.id.get_storage_size())]
    elif dataset.id.get_create_plist().get_nfilters():
        pieces = []
    else:
        chunks = (dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks()))
        pieces = [(chunk.byte_offset, chunk.size) for chunk in chunks]
    width, lengths = dataset.id.get_type().get_size(), []
    with path.open("rb") as file:
        for at, size in pieces:
            file.seek(at)
            content = file.read(min(size, path.stat().st_size))
            lengths += [int.from_bytes(content[i : i + 4], "little") for i in range(0, len(content), width)]
    return lengths


def decoded(value: Any) -> str:
    """Text of an HDF5 string value."""
    if isinstance(value, bytes):
        value = text_lines.decoded(value)
    return str(value).rstrip("\0").strip() if isinstance(value, str) else ""


def find_groups(file: h5py.File, *children: str) -> list[h5py.Group]:
    """Groups of any level, not below another such group, that hold all of these members."""
    found: list[h5py.Group] = []
    pending: list[tuple[h5py.Group, int]] = [(file, 0)]
    while pending:
        parent, depth = pending.pop(0)
        if all(_get(parent, child) is not None for child in children):
            found.append(parent)
        elif depth < _MAX_DEPTH:
            pending += [(item, depth + 1) for item in map(parent.get, _names(parent)) if isinstance(item, h5py.Group)]
    return found


def numbered(parent: h5py.Group) -> dict[int, h5py.Group]:
    """Subgroups whose names are numbers, by number."""
    result = {}
    for name in _names(parent):
        if name.strip().isdecimal() and len(name.strip()) < 7:
            item = _get(parent, name)
            if isinstance(item, h5py.Group):
                result[int(name)] = item
    return dict(sorted(result.items()))


def choose(path: Path, groups: Sequence[h5py.Group], asked: str | None, option: str) -> h5py.Group:
    """One of several data sets: the only one, or the one asked for by the end of its path."""
    if not groups:
        raise FormatError(path, "expected orientation data of this format; got none")
    names = [item.name.strip("/") for item in groups]
    if asked is None:
        if len(groups) == 1:
            return groups[0]
        raise FormatError(
            path,
            f"expected one data set; got {len(groups)} ({', '.join(names)}); name one by the option {option} "
            f"(--read {option}=NAME)",
        )
    for item, name in zip(groups, names, strict=True):
        if asked.strip("/") in (name, name.split("/")[0]) or name.endswith("/" + asked.strip("/")):
            return item
    raise FormatError(path, f"expected {option} to be one of {', '.join(names)}; got {asked!r}")


def scalars(path: Path, parent: h5py.Group, size: int, exclude: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """All datasets of `size` numbers, by name."""
    result = {}
    for name in _names(parent):
        item = _get(parent, name)
        if name in exclude or not isinstance(item, h5py.Dataset) or item.shape is None:
            continue
        if item.dtype.kind in "fiu" and item.size == size and max(item.shape, default=1) == size:
            result[name.strip()] = array(path, parent, name, (size,))
    return result


def members(parent: h5py.Group) -> list[h5py.Group | h5py.Dataset]:
    """Groups and datasets within a group, links to other files left out."""
    items = [parent.get(name) for name in _names(parent)]
    return [item for item in items if isinstance(item, (h5py.Group, h5py.Dataset))]


def _names(parent: h5py.Group) -> list[str]:
    names = []
    for index, name in enumerate(parent):
        if index >= 10_000:
            break
        if parent.get(name, getlink=True).__class__ is not h5py.ExternalLink:
            names.append(name)
    return names


def _get(parent: h5py.Group, name: str) -> Any:
    link = parent.get(name, getlink=True)
    return None if link is None or isinstance(link, h5py.ExternalLink) else parent.get(name)
