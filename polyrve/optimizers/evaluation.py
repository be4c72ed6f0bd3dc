"""The objective as the optimizers see it: a loss, its gradient and, if it has some, its terms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from polyrve.backend.tensorflow import tf


class Evaluation(NamedTuple):
    """An objective at one position.

    Attributes
    ----------
    value : tf.Tensor, shape (), float64
    gradient : tf.Tensor
        Shape and dtype of the position.
    terms : tf.Tensor, shape (t,), float64
    """

    value: tf.Tensor
    gradient: tf.Tensor
    terms: tf.Tensor


@runtime_checkable
class Objective(Protocol):
    """An objective that differentiates itself.

    One whose position is a field (nz, ny, nx, k) with quaternions, not normalised, as the first four components may
    say so by an attribute ``orientations = True``; L-BFGS makes use of it.
    """

    def value_and_gradient(self, position: tf.Tensor) -> tuple:
        """Return the loss and its gradient, ``(value, gradient)`` or ``(value, gradient, terms)``.

        Parameters
        ----------
        position : tf.Tensor, float32 or float64

        Returns
        -------
        value : tf.Tensor, shape (), float
        gradient : tf.Tensor
            Shape and dtype of the position.
        terms : tf.Tensor, shape (t,), float
            For the record alone.
        """
        ...


def evaluation(objective: Objective | Callable[[tf.Tensor], Any]) -> Callable[[tf.Tensor], Evaluation]:
    """Return an objective in the form that all methods evaluate.

    Parameters
    ----------
    objective : Objective or callable
        An object with the method ``value_and_gradient``, or a differentiable function of the position that
        returns the loss or ``(loss, terms)``.

    Returns
    -------
    callable
        Position to :class:`Evaluation`. It raises ValueError if the loss is not a scalar, does not depend on
        the position, or if the gradient has another shape or dtype than the position.

    Raises
    ------
    TypeError
        If the objective is neither.

    Examples
    --------
    >>> found = evaluation(lambda x: tf.reduce_sum(x**2))(tf.constant([1.0, 2.0]))
    >>> float(found.value), found.gradient.numpy().tolist()
    (5.0, [2.0, 4.0])
    """
    if not isinstance(objective, Objective) and not callable(objective):
        raise TypeError(
            "objective: expected a function of the position or an object with the method value_and_gradient; "
            f"got {type(objective).__name__}"
        )

    def evaluate(position: tf.Tensor) -> Evaluation:
        if isinstance(objective, Objective):
            value, gradient, *rest = objective.value_and_gradient(position)
        else:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(position)
                result = objective(position)
                value, *rest = result if isinstance(result, tuple) else (result,)
            gradient = tape.gradient(value, position)
        if gradient is None:
            raise ValueError(
                "objective: expected a loss that depends on the position; got one without a gradient with respect "
                "to it (it is constant, or passes through NumPy or an integer operation)"
            )
        value, gradient = tf.convert_to_tensor(value), tf.convert_to_tensor(gradient)
        if value.shape.rank != 0:
            raise ValueError(f"objective: expected a scalar loss; got shape {tuple(value.shape)}")
        if gradient.dtype != position.dtype or not gradient.shape.is_compatible_with(position.shape):
            raise ValueError(
                f"objective: expected a gradient of shape {tuple(position.shape)}, {position.dtype.name}; "
                f"got {tuple(gradient.shape)}, {gradient.dtype.name}"
            )
        terms = tf.reshape(rest[0], [-1]) if rest else tf.zeros([0])
        return Evaluation(tf.cast(value, tf.float64), gradient, tf.cast(terms, tf.float64))

    return evaluate
