"""TensorFlow as the engine imports it: ``from polyrve.backend.tensorflow import tf``, quietly."""

from polyrve.backend.quiet_import import quiet

try:
    with quiet():
        import tensorflow as tf
except ModuleNotFoundError as error:
    if error.name != "tensorflow":
        raise
    raise ModuleNotFoundError(
        "TensorFlow: expected an installed package, which reconstructions need; got none: pip install tensorflow",
        name="tensorflow",
    ) from None

__all__ = ["tf"]
