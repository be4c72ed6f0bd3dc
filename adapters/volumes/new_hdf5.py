"""HDF5 files that are written in full or fail once, with the reason."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class _FirstError(io.RawIOBase):
    """A file that keeps its first error for itself and goes on as if it were written."""

    def __init__(self, file: io.FileIO) -> None:
        self.file = file
        self.error: OSError | None = None

    def readinto(self, buffer: Any) -> int | None:
        return self.file.readinto(buffer)

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while len(rest) and self.error is None:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            self.error = error
        if len(rest):
            self.file.seek(len(rest), os.SEEK_CUR)
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def truncate(self, size: int | None = None) -> int:
        return self.file.truncate(size)

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True


@contextmanager
def new_hdf5(path: str | Path, **options: Any) -> Iterator[h5py.File]:
    """Open a new HDF5 file.

    HDF5 does not let go of a file whose last bytes it cannot write: when the process ends it tries again, and crashes
    (seen with 1.14, compressed data and a full disk). So it never learns of the error, which is raised at the end.

    Parameters
    ----------
    path : path-like
        An existing file is replaced.
    **options
        Further arguments of :class:`h5py.File`.

    Yields
    ------
    h5py.File

    Raises
    ------
    OSError
        If the file cannot be written, as the system says it.
    """
    with open(path, "w+b", buffering=0) as raw:
        file = _FirstError(raw)
        try:
            with h5py.File(file, "w", **options) as hdf5:
                yield hdf5
        finally:
            if file.error is not None:
                raise file.error
