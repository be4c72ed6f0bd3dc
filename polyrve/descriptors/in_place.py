"""A part of an array replaced where it stands, in compiled loops; TensorFlow has the operation under no public name."""

from __future__ import annotations

import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla


def replaced(whole: tf.Tensor, part: tf.Tensor, at: tf.Tensor) -> tf.Tensor:
    """The array with a part of it replaced, from some indices on; compilers copy nothing where a loop hands it on."""
    return xla.dynamic_update_slice(whole, part, at)
