"""A file in memory, and its hash."""

from __future__ import annotations

import hashlib
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
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
    sha256 : Future of str
        Hexadecimal.
    """

    data: memoryview
    sha256: Future[str]

    @classmethod
    def of(cls, path: Path) -> Content:
        """Read a file, into an array of NumPy's, whose large pages take half the time."""
        data = np.fromfile(path, dtype=np.uint8).data
        pool = ThreadPoolExecutor(1)
        future = pool.submit(lambda: hashlib.sha256(data).hexdigest())
        pool.shutdown(wait=False)
        return cls(data, future)
