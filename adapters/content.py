"""A file in memory, unpacked where it is packed by gzip, and its hash.

Specification: RFC 1952, https://www.rfc-editor.org/rfc/rfc1952.
"""

from __future__ import annotations

import hashlib
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError

_GZIP = b"\x1f\x8b"
_UNPACKED_FLOOR, _UNPACKED_FACTOR = 32 << 20, 6
"""Maps as text shrink by gzip to a fifth to a third; what grows more, beyond 32 MB, is refused: it may be a bomb."""
_MEMORY_FLOOR, _MEMORY_FACTOR, _MEMORY_OF_LINE = 200 << 20, 20, 300
"""Bytes that reading a packed file may take, at least and per byte of it, and what a line of numbers takes at most."""
_PIECE = 1 << 16


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    value = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            value.update(block)
    return value.hexdigest()


@dataclass(frozen=True)
class Content:
    """A whole file in memory; a thread of its own takes the hash.

    Attributes
    ----------
    data : memoryview
        What is in the file, unpacked where it is packed by gzip.
    sha256 : Future of str
        Of the file as it is, hexadecimal.
    """

    data: memoryview
    sha256: Future[str]

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read a file, into an array of NumPy's, whose large pages take half the time.

        Parameters
        ----------
        path : Path

        Returns
        -------
        Content

        Raises
        ------
        FormatError
            If the file is packed by gzip and broken, or unpacks to more than six times its size and 32 MB.
        """
        data = np.fromfile(path, dtype=np.uint8).data
        pool = ThreadPoolExecutor(1)
        future = pool.submit(lambda: hashlib.sha256(data).hexdigest())
        pool.shutdown(wait=False)
        return cls(memoryview(_unpacked(path, data)) if bytes(data[:2]) == _GZIP else data, future)


def _unpacked(path: Path, data: memoryview) -> bytearray:
    """The members of a gzip file, one after another; FormatError where they are broken or too large."""
    most = max(_UNPACKED_FLOOR, _UNPACKED_FACTOR * len(data))
    unpacked, at = bytearray(), 0
    while bytes(data[at : at + 2]) == _GZIP:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            piece = data[at : at + _PIECE]
            if not len(piece):
                raise FormatError(path, "expected an intact gzip file; it ends early")
            try:
                unpacked += member.decompress(piece, most + 1 - len(unpacked))
            except zlib.error as error:
                raise FormatError(path, f"expected an intact gzip file; got: {error}") from None
            if len(unpacked) > most:
                most_mb = most >> 20
                raise FormatError(path, f"expected at most {most_mb} MB unpacked; got more: unpack it first (gunzip)")
            at += len(piece) - len(member.unused_data)
    lines = unpacked.count(b"\n")
    if len(unpacked) + lines * _MEMORY_OF_LINE > _MEMORY_FLOOR + _MEMORY_FACTOR * len(data):
        raise FormatError(path, f"expected lines in proportion to the file; got {lines}: unpack it first (gunzip)")
    return unpacked
