"""Functions with gradients of their own, traced once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def with_gradient(function: Callable[..., Any], *arguments: tf.TensorSpec) -> Callable[..., Any]:
    """A function that returns its value and a function of the upstream derivative, for arguments of some shapes.

    TensorFlow keeps every trace of such a function for as long as the program runs, and all that the graph around it
    holds. Traced here, it is kept once for as many objectives as there are.

    Parameters
    ----------
    function : callable
        See ``tf.custom_gradient``.
    *arguments : tf.TensorSpec
    """
    return tf.function(tf.custom_gradient(function), autograph=False).get_concrete_function(*arguments)


def with_slope(function: Callable[..., tuple[tf.Tensor, tf.Tensor]], *arguments: tf.TensorSpec) -> Callable[..., Any]:
    """A function that returns its value and its slope with respect to its first argument, as one that has a gradient.

    See :func:`with_gradient`.
    """

    def value(first: tf.Tensor, *others: tf.Tensor) -> Any:
        found, slope = function(first, *others)
        return found, lambda upstream: (upstream * slope, *[None] * len(others))

    return with_gradient(value, *arguments)
