"""Checked access to HDF5 files: types and sizes are looked at before data is read."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from polyrve.adapters import text_lines
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn

_UNPACKED_FLOOR = 1 << 26
_UNPACKED_FACTOR = 64
_MAX_DEPTH = 8
_MOST_NAMES = 10_000
_LARGEST_ATTRIBUTE = 1 << 16
_SOFT_LINKS = 16  # HDF5's own bound of a path
_SIGNATURE, _LOCAL_HEAP, _GLOBAL_HEAP = b"\x89HDF\r\n\x1a\n", b"HEAP\0\0\0\0", b"GCOL\1\0\0\0"
_NO_FREE_BLOCK = 1

_bytes_left: ContextVar[int | None] = ContextVar("bytes that may still be read of the opened file", default=None)


class _CheckedFile(io.FileIO):
    """A file that refuses what makes HDF5 run on for ever or take memory without end.

    HDF5's own driver fills what lies beyond the end of the file with zeros at any length; HDF5 takes memory for a heap
    of any size, and does not end where the list of free space runs in a circle or an object is said to be shorter than
    its own head. Heaps are checked when HDF5 reads them, for texts of datasets and of attributes alike: those that lie
    in freed space do not matter.

    References
    ----------
    HDF5 File Format Specification 3.0, II.A (superblock), III.D and III.E (local and global heaps).
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.refusal: tuple[str, int] | None = None
        self._length = os.fstat(self.fileno()).st_size
        self._base = self._offsets = self._lengths = 0
        while self._base < self._length:
            start = self._at(self._base, 24)
            if start.startswith(_SIGNATURE):
                self._offsets, self._lengths = start[13:15] if start[8] < 2 else start[9:11]
                break
            self._base = 2 * self._base or 512

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the current position; OSError where the file has less, or a heap is broken."""
        place = self.tell()
        size = super().readinto(buffer) or 0
        if size < len(buffer):
            raise OSError(f"expected {len(buffer)} bytes at {place}; got {size}")
        start = bytes(buffer[:8])
        if start in (_LOCAL_HEAP, _GLOBAL_HEAP):
            problem = self._local_heap(place) if start == _LOCAL_HEAP else self._global_heap(place)
            if problem:
                self.refusal = problem, place
                raise OSError(problem)
        return size

    def _at(self, place: int, size: int) -> bytes:
        return os.pread(self.fileno(), size, place)

    def _global_heap(self, place: int) -> str:
        size = int.from_bytes(self._at(place + 8, self._lengths), "little")
        if size > self._length - place:
            return f"expected a heap within the file; got {size} bytes"
        heap, head = self._at(place, size), 8 + self._lengths
        at = head
        while at + head <= size:
            stored = int.from_bytes(heap[at + 8 : at + head], "little")
            free = heap[at : at + 2] == b"\0\0"
            taken = stored if free else head + -(-stored // 8) * 8
            if taken < head or taken > size - at:
                return f"expected objects that fill their heap of {size} bytes; got one of {stored} at {at}"
            at += taken
        return ""

    def _local_heap(self, place: int) -> str:
        n = self._lengths
        numbers = self._at(place + 8, 2 * n + self._offsets)
        size, free, address = (
            int.from_bytes(part, "little") for part in (numbers[:n], numbers[n : 2 * n], numbers[2 * n :])
        )
        if size > self._length:
            return f"expected a heap within the file; got {size} bytes"
        block = self._at(self._base + address, size) if address < self._length else b""
        seen: set[int] = set()
        while free != _NO_FREE_BLOCK and free < size:
            if free in seen:
                return "expected a list of free space that ends; got a circle"
            seen.add(free)
            free = int.from_bytes(block[free : free + n], "little")
        return ""


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever HDF5 cannot read within the body is a FormatError.

    Objects are to be taken by :func:`get` and the other functions here, which follow no link to another file.

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
    if not path.is_file():
        raise FormatError(path, "expected a file; it is none")
    token = _bytes_left.set(max(_UNPACKED_FLOOR, _UNPACKED_FACTOR * path.stat().st_size))
    try:
        with _CheckedFile(path) as stream:
            try:
                with h5py.File(stream, "r") as file:
                    yield file
            finally:
                if stream.refusal is not None:
                    reason, place = stream.refusal
                    raise FormatError(path, reason, f"byte {place}")
    except FormatError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(path, f"expected an intact HDF5 file of this format; got: {reason}") from error
    finally:
        _bytes_left.reset(token)


def get(parent: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return the object of a name or path within the file.

    Hard and soft links are followed, links to other files are not; nor is a dataset returned whose data lies in
    another file (external storage, virtual datasets).

    Parameters
    ----------
    parent : h5py.Group
    name : str

    Returns
    -------
    h5py.Group, h5py.Dataset or None
        None where there is no such object within the file.
    """
    return _resolved(parent, name)[0]


def elsewhere(parent: h5py.Group, name: str) -> str:
    """Say where the object of a name lies that is not within the file, ``"a link to 'a.h5'"``; empty for all others."""
    return _resolved(parent, name)[1]


def _resolved(parent: h5py.Group, name: str) -> tuple[h5py.Group | h5py.Dataset | None, str]:
    item: Any = parent.file["/"] if name.startswith("/") else parent
    parts, soft = name.split("/")[::-1], 0
    while parts:
        part = parts.pop()
        if part in ("", "."):
            continue
        if not isinstance(item, h5py.Group):
            return None, ""
        try:
            link = item.get(part, getlink=True)
        except TypeError:
            return None, "a link of unknown kind"
        if isinstance(link, h5py.HardLink):
            item = item.get(part)
        elif isinstance(link, h5py.SoftLink) and soft < _SOFT_LINKS:
            soft += 1
            item = item.file["/"] if link.path.startswith("/") else item
            parts += link.path.split("/")[::-1]
        else:
            return None, f"a link to {link.filename!r}" if isinstance(link, h5py.ExternalLink) else ""
    if isinstance(item, h5py.Dataset):
        if item.is_virtual:
            return None, "a virtual dataset, made of others"
        if item.external:
            return None, f"data in {item.external[0][0]!r}"
        return item, ""
    return (item, "") if isinstance(item, h5py.Group) else (None, "")


def group(path: Path, parent: h5py.Group, name: str) -> h5py.Group:
    """Return a subgroup; FormatError where there is none."""
    item = get(parent, name)
    if not isinstance(item, h5py.Group):
        raise FormatError(path, f"expected a group {name}; got {_absent(parent, [name])}", parent.name)
    return item


def has(parent: h5py.Group, name: str) -> bool:
    """Say whether a group holds a dataset of this name."""
    return isinstance(get(parent, name), h5py.Dataset)


def _absent(parent: h5py.Group, wanted: Sequence[str]) -> str:
    """What there is in place of a name, for errors."""
    found = next((place for place in (elsewhere(parent, name) for name in wanted) if place), "")
    return f"{found}, which is not followed: copy it into the file" if found else "none"


def array(
    path: Path, parent: h5py.Group, name: str | Sequence[str], shape: Sequence[int | None] | None = None
) -> np.ndarray:
    """Return the numbers of a dataset.

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
    wanted = [name] if isinstance(name, str) else list(name)
    dataset = next((item for item in (get(parent, n) for n in wanted) if isinstance(item, h5py.Dataset)), None)
    if dataset is None:
        raise FormatError(path, f"expected a dataset {' or '.join(wanted)}; got {_absent(parent, wanted)}", parent.name)
    if dataset.dtype.kind not in "fiub":
        raise FormatError(path, f"expected numbers; got type {dataset.dtype}", dataset.name)
    if dataset.shape is None:
        raise FormatError(path, "expected numbers; got none", dataset.name)
    if shape is not None:
        lengths = [length for length in dataset.shape if length != 1]
        asked = [length for length in shape if length != 1]
        fits = len(lengths) == len(asked) and all(w in (None, n) for w, n in zip(asked, lengths, strict=True))
        if not fits and dataset.size != int(np.prod([1 if w is None else w for w in shape])):
            raise FormatError(path, f"expected shape {tuple(shape)}; got {dataset.shape}", dataset.name)
    values = contents(path, dataset)
    if shape is not None:
        values = np.reshape(values, [-1 if w is None else w for w in shape])
    return np.asarray(values, dtype=values.dtype.newbyteorder("="))


def contents(path: Path, dataset: h5py.Dataset) -> np.ndarray:
    """Return what a dataset holds, after :func:`check_size`."""
    check_size(path, dataset)
    return dataset[()]


def check_size(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset that is, with all that was read of the file before, out of all proportion to the file.

    What is counted is what :func:`opened` has begun to count.

    Raises
    ------
    FormatError
    """
    require_proportion(path, dataset)
    left = _bytes_left.get()
    if left is not None:
        _bytes_left.set(left - dataset.nbytes)


def require_proportion(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse a dataset as :func:`check_size` does, where its shape is used before its data is read."""
    left = _bytes_left.get()
    if dataset.shape is None:
        raise FormatError(path, "expected data within the file; got none", dataset.name)
    size = max(dataset.nbytes, int(np.prod(dataset.chunks or (0,), dtype=object)) * dataset.dtype.itemsize)
    if left is not None and size > left:
        raise FormatError(path, f"expected data in proportion to the file; got {size} bytes declared", dataset.name)


def number(path: Path, parent: h5py.Group, name: str | Sequence[str], default: float | None = None) -> float:
    """Return a single number; `default` where the dataset is missing, FormatError if there is no default."""
    wanted = [name] if isinstance(name, str) else list(name)
    if default is not None and not any(has(parent, n) for n in wanted):
        return default
    values = np.ravel(array(path, parent, wanted, (1,)))
    if not np.isfinite(values[0]):
        raise FormatError(path, f"expected one number; got {values[0]}", f"{parent.name}/{wanted[0]}")
    return float(values[0])


def whole(path: Path, parent: h5py.Group, name: str | Sequence[str]) -> int:
    """Return a single positive whole number."""
    value = number(path, parent, name)
    if value != int(value) or not 0 < value < 1e9:
        raise FormatError(path, f"expected a positive whole number; got {value:g}", f"{parent.name}/{name}")
    return int(value)


def text(path: Path, parent: h5py.Group, name: str | Sequence[str], default: str = "") -> str:
    """Return a text, bytes in UTF-8 or Latin-1; `default` where it is missing or no text."""
    for candidate in [name] if isinstance(name, str) else list(name):
        dataset = get(parent, candidate)
        if isinstance(dataset, h5py.Dataset) and dataset.shape is not None and dataset.size == 1:
            if dataset.dtype.kind not in "SO" or dataset.nbytes > 1 << 20:
                continue
            return strings(path, dataset)[0]
    return default


def strings(path: Path, dataset: h5py.Dataset) -> list[str]:
    """Return the texts of a dataset, bytes in UTF-8 or Latin-1, however many its shape says.

    Raises
    ------
    FormatError
        If the data is not in the file, or a text of variable length is said to be longer than the file: HDF5 takes
        memory for any length.
    """
    kind = h5py.check_string_dtype(dataset.dtype)
    if kind is None:
        raise FormatError(path, f"expected texts; got type {dataset.dtype}", dataset.name)
    if kind.length is None and dataset.shape is not None:
        _check_texts(path, dataset)
    return [decoded(value) for value in np.ravel(contents(path, dataset))]


def _check_texts(path: Path, dataset: h5py.Dataset) -> None:
    """Refuse texts of variable length that are not where a plainly stored dataset says: HDF5 looks for them unchecked.

    Each is a length, the address of a global heap and the number of an object in it; those of a filtered or compact
    dataset are not looked at.
    """
    if dataset.chunks is None:
        at = dataset.id.get_offset()
        pieces = [] if at is None else [(at, dataset.id.get_storage_size())]
    elif dataset.id.get_create_plist().get_nfilters():
        pieces = []
    else:
        chunks = (dataset.id.get_chunk_info(i) for i in range(dataset.id.get_num_chunks()))
        pieces = [(chunk.byte_offset, chunk.size) for chunk in chunks]
    number = int(np.prod(dataset.chunks)) if dataset.chunks is not None else dataset.size
    width, size = (pieces[0][1] // max(number, 1) if pieces else 0), path.stat().st_size
    if pieces and width < 12:
        raise FormatError(path, f"expected the places of {number} texts; got {pieces[0][1]} bytes", dataset.name)
    base: int = dataset.file.userblock_size
    heaps: dict[int, dict[int, int]] = {}
    with path.open("rb") as file:
        for at, length in pieces:
            file.seek(at)
            content = file.read(min(length, size))
            for i in range(0, len(content) - width + 1, width):
                stated = int.from_bytes(content[i : i + 4], "little")
                address = int.from_bytes(content[i + 4 : i + width - 4], "little")
                row = int.from_bytes(content[i + width - 4 : i + width], "little")
                if stated > size:
                    raise FormatError(path, f"expected a text within the file; got {stated} bytes", dataset.name)
                if stated == 0 or address == 0:
                    continue
                if address not in heaps:
                    heaps[address] = _objects_of_heap(file, base + address, width - 8, size)
                if heaps[address].get(row, -1) < stated:
                    raise FormatError(
                        path, f"expected a text of {stated} bytes in the heap at {address}; got none", dataset.name
                    )


def _objects_of_heap(file: BinaryIO, place: int, offsets: int, size: int) -> dict[int, int]:
    """Return the sizes of the objects of a global heap by their numbers; none where there is no heap.

    References
    ----------
    HDF5 File Format Specification 3.0, III.E.
    """
    if place + 16 > size:
        return {}
    file.seek(place)
    if file.read(8) != _GLOBAL_HEAP:
        return {}
    end = place + int.from_bytes(file.read(offsets), "little")
    at = place + 8 + offsets
    objects: dict[int, int] = {}
    while at + 8 + offsets <= min(end, size):
        file.seek(at)
        head = file.read(8 + offsets)
        number, length = int.from_bytes(head[:2], "little"), int.from_bytes(head[8:], "little")
        if number == 0 or at + 8 + offsets + length > end:
            break
        objects[number] = length
        at += 8 + offsets + -(-length // 8) * 8
    return objects


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> list[Any]:
    """Return the numbers or texts of an attribute, none where there is no such attribute or it holds something else.

    Other types are not read: HDF5 ends the process where the kind of a sequence of variable length is unknown to it.
    Nor is more than 64 kB read, which is HDF5's own bound of an attribute beside its object.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
    name : str

    Returns
    -------
    list of int, float or str
    """
    if name not in item.attrs:
        return []
    stored = item.attrs.get_id(name)
    kinds = h5py.h5t.TypeIntegerID, h5py.h5t.TypeFloatID, h5py.h5t.TypeStringID
    if not isinstance(stored.get_type(), kinds) or stored.get_storage_size() > _LARGEST_ATTRIBUTE:
        return []
    values = np.ravel(item.attrs[name]).tolist()
    return [decoded(value) if isinstance(value, (bytes, str)) else value for value in values]


def attribute_text(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Return the one text of an attribute, empty where there is none."""
    values = attribute(item, name)
    return values[0] if len(values) == 1 and isinstance(values[0], str) else ""


def decoded(value: Any) -> str:
    """Return the text of an HDF5 string value."""
    if isinstance(value, bytes):
        value = text_lines.decoded(value)
    return str(value).rstrip("\0").strip() if isinstance(value, str) else ""


def find_groups(file: h5py.File, *children: str) -> list[h5py.Group]:
    """Return the groups of any level, not below another such group, that hold all of these members; each once."""
    found: list[h5py.Group] = []
    pending: list[tuple[h5py.Group, int]] = [(file["/"], 0)]
    seen: set[tuple[int, int]] = set()
    while pending:
        parent, depth = pending.pop(0)
        if _identity(parent) in seen:
            continue
        seen.add(_identity(parent))
        if all(get(parent, child) is not None for child in children):
            found.append(parent)
        elif depth < _MAX_DEPTH:
            pending += [(item, depth + 1) for item in members(parent).values() if isinstance(item, h5py.Group)]
    return found


def groups_below(parent: h5py.Group) -> list[h5py.Group]:
    """Return the groups below one, at any level, each once, a group before those within it."""
    found: list[h5py.Group] = []
    pending, seen = [parent], {_identity(parent)}
    while pending:
        group = pending.pop()
        found.append(group)
        inside = [item for item in members(group).values() if isinstance(item, h5py.Group)]
        for item in reversed(inside):
            if _identity(item) not in seen:
                seen.add(_identity(item))
                pending.append(item)
    return found[1:]


def _identity(item: h5py.Group | h5py.Dataset) -> tuple[int, int]:
    """Where an object lies, the same under all its names."""
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def numbered(parent: h5py.Group) -> dict[int, h5py.Group]:
    """Return the subgroups whose names are numbers, by number."""
    result = {}
    for name in names(parent):
        if name.strip().isdecimal() and len(name.strip()) < 7:
            item = get(parent, name)
            if isinstance(item, h5py.Group):
                result[int(name)] = item
    return dict(sorted(result.items()))


def choose(path: Path, groups: Sequence[h5py.Group], asked: str | None, option: str) -> h5py.Group:
    """Return one of several data sets: the only one, or the one asked for by the end of its path."""
    if not groups:
        raise FormatError(path, "expected orientation data of this format; got none")
    known = [item.name.strip("/") for item in groups]
    if asked is None:
        if len(groups) == 1:
            return groups[0]
        raise FormatError(
            path,
            f"expected one data set; got {len(groups)} ({', '.join(known)}); name one by the option {option} "
            f"(--read {option}=NAME)",
        )
    for item, name in zip(groups, known, strict=True):
        if asked.strip("/") in (name, name.split("/")[0]) or name.endswith("/" + asked.strip("/")):
            return item
    raise FormatError(path, f"expected {option} to be one of {', '.join(known)}; got {asked!r}")


def scalars(path: Path, parent: h5py.Group, size: int, exclude: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return all datasets of `size` numbers, by name.

    Warns
    -----
    UserWarning
        If names are links to other files, which are left out.
    """
    found = _numbers(parent, exclude)
    kept = [name for name, item in found.items() if item.size == size and max(item.shape, default=1) == size]
    warn_of_links(path, parent, exclude)
    return {name.strip(): array(path, parent, name, (size,)) for name in kept}


def of_shape(
    path: Path, parent: h5py.Group, shape: Sequence[int], exclude: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Return all datasets of numbers and of a shape, by name, each as one axis.

    Warns
    -----
    UserWarning
        If names are links to other files, which are left out.
    """
    kept = [name for name, item in _numbers(parent, exclude).items() if item.shape == tuple(shape)]
    warn_of_links(path, parent, exclude)
    return {name.strip(): array(path, parent, name).ravel() for name in kept}


def _numbers(parent: h5py.Group, exclude: Sequence[str]) -> dict[str, h5py.Dataset]:
    found = {name: get(parent, name) for name in names(parent) if name not in exclude}
    return {
        name: item
        for name, item in found.items()
        if isinstance(item, h5py.Dataset) and item.shape is not None and item.dtype.kind in "fiu"
    }


def warn_of_links(path: Path, parent: h5py.Group, exclude: Sequence[str] = ()) -> None:
    """Warn of members that are links to other files, which are never followed."""
    left_out = {name: elsewhere(parent, name) for name in names(parent) if name not in exclude}
    left_out = {name: place for name, place in left_out.items() if place}
    if left_out:
        shown = ", ".join(f"{name} ({place})" for name, place in list(left_out.items())[:10])
        warn(f"{path}, {parent.name}: other files are not opened; left out: {shown}")


def names(parent: h5py.Group) -> list[str]:
    """Return the names in a group, links to other files too, at most 10 000."""
    return [name for name, _ in zip(parent, range(_MOST_NAMES), strict=False)]


def members(parent: h5py.Group) -> dict[str, h5py.Group | h5py.Dataset]:
    """Return the groups and datasets within a group, by name; links to other files are left out."""
    items = {name: get(parent, name) for name in names(parent)}
    return {name: item for name, item in items.items() if item is not None}
