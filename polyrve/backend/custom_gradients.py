"""Functions with gradients of their own, traced once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyrve.backend.tensorflow import tf


def with_gradient(function: Callable[..., Any], *arguments: tf.TensorSpec) -> Callable[..., Any]:
    """Trace a function with a gradient of its own for arguments of some shapes.

    TensorFlow keeps every trace of such a function for as long as the program runs, and all that the graph around it
    holds. Traced here, it is kept once for as many objectives as there are.

    Parameters
    ----------
    function : callable
        Returns its value and a function that takes the upstream derivative to those of the arguments, see
        ``tf.custom_gradient``.
    *arguments : tf.TensorSpec
        Shapes and dtypes of its arguments.

    Returns
    -------
    callable
        Arguments to the value, differentiable.

    See Also
    --------
    with_slope : For functions whose slope is known with their value.
    """
    return tf.function(tf.custom_gradient(function), autograph=False).get_concrete_function(*arguments)


def with_slope(function: Callable[..., tuple[tf.Tensor, tf.Tensor]], *arguments: tf.TensorSpec) -> Callable[..., Any]:
    """Trace a function that returns its value and its slope as one that has a gradient.

    Parameters
    ----------
    function : callable
        Returns a scalar and its derivatives with respect to the first argument.
    *arguments : tf.TensorSpec
        Shapes and dtypes of its arguments.

    Returns
    -------
    callable
        Arguments to the scalar, differentiable with respect to the first.

    See Also
    --------
    with_gradient : For functions whose gradient needs the upstream derivative.
    """

    def value(first: tf.Tensor, *others: tf.Tensor) -> Any:
        found, slope = function(first, *others)
        return found, lambda upstream: (upstream * slope, *[None] * len(others))

    return with_gradient(value, *arguments)
