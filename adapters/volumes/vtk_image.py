"""Cell data of VTK XML image files (.vti), as VTK, ParaView, DAMASK, SPPARKS and polyrve write them.

Format: https://docs.vtk.org/en/latest/vtk_file_formats/vtkxml_file_format.html: arrays as text, as base64 between the
tags or behind them, or as bytes behind them; not compressed, or by zlib or lzma. VTK's own reader is not taken, since a
damaged file can end the process in it.
"""

from __future__ import annotations

import base64
import binascii
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from polyrve.adapters.registry import FormatError

_TYPES = {
    "Int8": "i1", "UInt8": "u1", "Int16": "i2", "UInt16": "u2", "Int32": "i4", "UInt32": "u4", "Int64": "i8",
    "UInt64": "u8", "Float32": "f4", "Float64": "f8",
}  # fmt: skip
_MOST_BLOCKS = 1 << 20
_GROWTH = 1100
"""What zlib can grow by (zlib's manual: 1032); what a file grows by beyond it was not compressed by it."""


@dataclass(frozen=True, eq=False)
class VtkImage:
    """A regular grid with values per cell.

    Attributes
    ----------
    shape : tuple of int
        Cells (nz, ny, nx).
    spacing, origin : tuple of float
        z, y, x, as they are in the file.
    texts : dict of str to list of str
        Field data of type String.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    texts: dict[str, list[str]]
    _arrays: dict[str, Callable[[], np.ndarray]]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the cell arrays."""
        return tuple(self._arrays)

    def array(self, name: str) -> np.ndarray:
        """Return the values of an array, shape (nz, ny, nx) or (nz, ny, nx, n).

        Raises
        ------
        FormatError
            If it cannot be read.
        """
        return self._arrays[name]()


def read_image(path: Path) -> VtkImage:
    """Read a VTK XML image file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    VtkImage

    Raises
    ------
    FormatError
        If it is none, or its cells are not one full, upright grid.
    OSError
        If it cannot be read.
    """
    data = path.read_bytes()
    head, appended = _parts(data)
    try:
        root = ElementTree.fromstring(head)
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise FormatError(path, f"expected a VTK XML file; got {error}") from None
    image = root.find("ImageData")
    if root.tag != "VTKFile" or image is None:
        raise FormatError(path, "expected VTK image data (ImageData); there is none")
    pieces = image.findall("Piece")
    whole = _numbers(path, image, "WholeExtent", 6)
    if len(pieces) != 1 or _numbers(path, pieces[0], "Extent", 6) != whole:
        raise FormatError(path, f"expected one piece with the whole image; got {len(pieces)}")
    direction = _numbers(path, image, "Direction", 9) if "Direction" in image.attrib else np.eye(3).ravel().tolist()
    if not np.allclose(direction, np.eye(3).ravel(), atol=1e-9):
        raise FormatError(path, "expected an image along x, y, z; its Direction turns it")
    nx, ny, nz = (round(high - low) for low, high in zip(whole[::2], whole[1::2], strict=True))
    if min(nx, ny, nz) < 1 or nx * ny * nz > _GROWTH * len(data):
        raise FormatError(path, f"expected cells in proportion to the file; got {nx} x {ny} x {nz}")
    spacing, first = _numbers(path, image, "Spacing", 3), _numbers(path, image, "Origin", 3)
    origin = [o + d * low for o, d, low in zip(first, spacing, whole[::2], strict=True)]
    if min(spacing) <= 0:
        raise FormatError(path, f"expected positive spacings; got {spacing}")
    reader = _Reader(path, root, appended, (nz, ny, nx), len(data))
    cells = pieces[0].find("CellData")
    arrays = {
        item.get("Name", ""): (lambda item=item: reader.cells(item))
        for item in ([] if cells is None else cells.findall("DataArray"))
    }
    texts = {
        item.get("Name", ""): _texts(path, item)
        for item in image.findall("FieldData/Array")
        if item.get("type") == "String"
    }
    return VtkImage((nz, ny, nx), tuple(spacing[::-1]), tuple(origin[::-1]), texts, arrays)  # type: ignore[arg-type]


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """The XML without what is behind the underscore of AppendedData, and that."""
    found = re.search(rb"<AppendedData[^>]*>\s*_", data)
    if found is None:
        return data, b""
    end = data.rfind(b"</AppendedData>")
    end = len(data) if end < found.end() else end
    return data[: found.end()] + b"</AppendedData></VTKFile>", data[found.end() : end]


def _numbers(path: Path, item: ElementTree.Element, name: str, count: int) -> list[float]:
    try:
        values = [float(word) for word in item.get(name, "").split()]
    except ValueError:
        values = []
    if len(values) != count or not np.isfinite(values).all() or np.abs(values).max() > 1e15:
        raise FormatError(path, f"expected {count} numbers for {name}; got {item.get(name, 'none')!r}", item.tag)
    return values


def _texts(path: Path, item: ElementTree.Element) -> list[str]:
    """Strings in the way of VTK: the codes of their characters, each string ended by 0."""
    if item.get("format") != "ascii":
        return []
    try:
        codes = bytes(int(word) for word in (item.text or "").split())
    except ValueError:
        raise FormatError(path, "expected codes of characters", item.get("Name", "")) from None
    return [part.decode("utf-8", "replace") for part in codes.split(b"\0")[:-1]]


class _Reader:
    """Values of the arrays of one file."""

    def __init__(
        self, path: Path, root: ElementTree.Element, appended: bytes, shape: tuple[int, int, int], size: int
    ) -> None:
        self.path, self.shape, self.size = path, shape, size
        self.order = "<" if root.get("byte_order", "LittleEndian") == "LittleEndian" else ">"
        self.header = np.dtype(self.order + ("u8" if root.get("header_type") == "UInt64" else "u4"))
        self.compressor = root.get("compressor", "")
        tag = root.find("AppendedData")
        self.raw = tag is not None and tag.get("encoding") == "raw"
        self.appended = appended

    def cells(self, item: ElementTree.Element) -> np.ndarray:
        name, kind = item.get("Name", ""), _TYPES.get(item.get("type", ""))
        if kind is None:
            raise FormatError(self.path, f"expected numbers; got type {item.get('type')}", name)
        try:
            components = int(item.get("NumberOfComponents", "1"))
        except ValueError:
            components = 0
        if not 1 <= components <= 1000:
            raise FormatError(self.path, "expected a number of components", name)
        count = components * int(np.prod(self.shape))
        dtype = np.dtype(self.order + kind)
        if item.get("format") == "ascii":
            values = self._ascii(item, dtype, name)
        else:
            data = self._bytes(item, count * dtype.itemsize, name)
            values = np.frombuffer(data, dtype=dtype) if len(data) % dtype.itemsize == 0 else np.empty(0)
        if len(values) != count:
            raise FormatError(self.path, f"expected {count} values; got {len(values)}", name)
        values = values.astype(dtype.newbyteorder("="), copy=False)
        return values.reshape(self.shape if components == 1 else (*self.shape, components))

    def _ascii(self, item: ElementTree.Element, dtype: np.dtype, name: str) -> np.ndarray:
        words = (item.text or "").split()
        try:
            return np.array([int(word) for word in words] if dtype.kind in "iu" else words, dtype=dtype)
        except (ValueError, OverflowError):
            raise FormatError(self.path, "expected numbers", name) from None

    def _bytes(self, item: ElementTree.Element, expected: int, name: str) -> bytes:
        if item.get("format") == "appended":
            try:
                start = int(item.get("offset", ""))
            except ValueError:
                start = -1
            if not 0 <= start < len(self.appended):
                raise FormatError(self.path, "expected data behind the tags; the file ends before", name)
            source = self.appended[start:]
        else:
            source = "".join((item.text or "").split()).encode("ascii", "replace")
        raw = self.raw and item.get("format") == "appended"
        if not self.compressor:
            return self._plain(source, raw, expected, name)
        width = self.header.itemsize
        first = np.frombuffer(self._taken(source, raw, 0, 3 * width, name)[0], dtype=self.header)
        blocks, length, last = (int(value) for value in first)
        if blocks > _MOST_BLOCKS or blocks * length > expected + length:
            raise FormatError(self.path, f"expected blocks of {expected} bytes; got {blocks} of {length}", name)
        head, end = self._taken(source, raw, 0, (3 + blocks) * width, name)
        sizes = np.frombuffer(head, dtype=self.header)[3:].astype(np.int64)
        if (sizes < 0).any() or sizes.sum() > len(source):
            raise FormatError(self.path, "expected compressed blocks within the file", name)
        packed, _ = self._taken(source, raw, end, int(sizes.sum()), name)
        result, at = bytearray(), 0
        for i, size in enumerate(sizes.tolist()):
            most = last if i == blocks - 1 and last else length
            result += self._unpacked(packed[at : at + size], most, name)
            at += size
        return bytes(result)

    def _plain(self, source: bytes, raw: bool, expected: int, name: str) -> bytes:
        width = self.header.itemsize
        length = int(np.frombuffer(self._taken(source, raw, 0, width, name)[0], dtype=self.header)[0])
        if length != expected:
            raise FormatError(self.path, f"expected {expected} bytes; got {length}", name)
        if raw:
            return self._taken(source, raw, width, length, name)[0]
        return self._taken(source, raw, 0, width + length, name)[0][width:]

    def _taken(self, source: bytes, raw: bool, start: int, length: int, name: str) -> tuple[bytes, int]:
        """So many bytes from a place on, and where they end; in base64 a part ends with its own padding."""
        end = start + (length if raw else -(-length // 3) * 4)
        part = source[start:end]
        if not raw:
            try:
                part = base64.b64decode(part, validate=True)[:length]
            except (binascii.Error, ValueError):
                raise FormatError(self.path, "expected base64", name) from None
        if len(part) != length:
            raise FormatError(self.path, f"expected {length} bytes; the data ends after {len(part)}", name)
        return part, end

    def _unpacked(self, block: bytes, most: int, name: str) -> bytes:
        try:
            if "ZLib" in self.compressor:
                return zlib.decompressobj().decompress(block, most + 1)
            if "LZMA" in self.compressor:
                return lzma.LZMADecompressor().decompress(block, most + 1)
        except (zlib.error, lzma.LZMAError) as error:
            raise FormatError(self.path, f"expected compressed data; got: {error}", name) from None
        raise FormatError(
            self.path, f"expected no compression, zlib or lzma; got {self.compressor}: save it so in ParaView", name
        )
