"""TensorFlow as the engine imports it: ``from polyrve.backend.tensorflow import tf``, quietly."""

from polyrve.backend.quiet_import import quiet

with quiet():
    import tensorflow as tf

__all__ = ["tf"]
