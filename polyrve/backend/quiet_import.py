"""TensorFlow without what its libraries print while they load."""

from __future__ import annotations

import os
from pathlib import Path


def load_tensorflow() -> None:
    """Import TensorFlow for the command line and its workers, with nothing on stderr."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    stderr = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        import tensorflow
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
    tensorflow.get_logger().setLevel("ERROR")
