"""TensorFlow without what its libraries print while they load and look for devices.

Its C++ libraries write to the file descriptor of stderr, some of it before they read ``TF_CPP_MIN_LOG_LEVEL``. While
TensorFlow is imported and while it looks for devices, that descriptor is read here. Messages below the level are left
out, and so are errors that say no more than that there is no GPU; everything else is passed on. The level is 2, errors
alone, where the user has set none.
"""

from __future__ import annotations

import itertools
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from polyrve.steps import announce

_MODULES, _MODULES_AT_ONCE = 3300, 100
"""Modules that TensorFlow 2.21 and Keras 3.15 import, at an even pace: half of them in 0.57 of the time."""
_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_MESSAGE = re.compile(r"(?:[\d-]+ [\d:.]+: ([IWEF]) |([IWEF])\d{4} [\d:.]+ +\d+ )\S+:\d+\] ")
_PREAMBLE = re.compile(r"WARNING: All log messages before absl::InitializeLog|To enable the following instructions:")
_OF_NO_DEVICE = re.compile(
    r"Unable to register cu\w+ factory|computation placer already registered"
    r"|failed call to cuInit.*(?:\(303\)|NO_DEVICE|no CUDA-capable device)"
)


def load_tensorflow() -> None:
    """Import TensorFlow for the command line and its workers, which print no message of its below a fatal one.

    Raises
    ------
    ImportError
        If TensorFlow cannot be imported; what its libraries printed is passed on.
    """
    os.environ.setdefault(_LEVEL, "3")
    with _counted("loading TensorFlow", _MODULES):
        from polyrve.backend.tensorflow import tf

    tf.get_logger().setLevel("ERROR")


@contextmanager
def _counted(text: str, expected: int) -> Iterator[None]:
    """Tell a listener how many modules are imported within, of how many that are expected."""
    seen = itertools.count()

    class Counter:
        @staticmethod
        def find_spec(*_: object) -> None:
            number = next(seen)
            if number % _MODULES_AT_ONCE == 0 and number < expected:
                announce(text, number, expected)

    sys.meta_path.insert(0, Counter)  # type: ignore[arg-type]
    try:
        yield
    finally:
        sys.meta_path.remove(Counter)  # type: ignore[arg-type]


@contextmanager
def quiet() -> Iterator[None]:
    """Leave out what TensorFlow's libraries print within, below the level that the user has set.

    All of it is passed on where an exception leaves the block. Nothing is caught where there is no stderr, or no room
    for a temporary file.
    """
    os.environ.setdefault(_LEVEL, "2")
    try:
        stderr = os.dup(2)
    except OSError:
        yield
        return
    try:
        caught = tempfile.TemporaryFile()
    except OSError:
        os.close(stderr)
        yield
        return
    tell: Callable[[bytes], bytes] = bytes
    _flush()
    os.dup2(caught.fileno(), 2)
    try:
        yield
        tell = _worth_telling
    finally:
        _flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        with caught:
            caught.seek(0)
            text = tell(caught.read())
        with suppress(OSError), open(2, "wb", buffering=0, closefd=False) as out:
            out.write(text)


def _worth_telling(text: bytes) -> bytes:
    """Return the lines of a text that are no messages below the level."""
    level = os.environ.get(_LEVEL, "")
    lowest = int(level) if level.isdecimal() else 0
    return b"".join(
        line for line in text.splitlines(keepends=True) if _told(line.decode("utf-8", errors="replace"), lowest)
    )


def _told(line: str, lowest: int) -> bool:
    if lowest == 0:
        return True
    if _PREAMBLE.match(line):
        return False
    message = _MESSAGE.match(line)
    if not message:
        return True
    return "IWEF".index(message[1] or message[2]) >= lowest and not _OF_NO_DEVICE.search(line)


def _flush() -> None:
    if sys.stderr is not None:
        sys.stderr.flush()
