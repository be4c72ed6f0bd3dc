"""Loops that compilers keep as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from polyrve.backend.strategy import divisor
from polyrve.backend.tensorflow import tf


def rows_added(form: Callable[[tf.Tensor], tf.Tensor], elements: tf.Tensor, formed: tf.TensorSpec) -> tf.Tensor:
    """Return sums over rows of form(element), (..., rows, columns), for all elements: (elements, ..., 1, columns).

    Compilers make one slow loop of a sum over strips and one over their rows. What is formed is therefore put in one of
    two places, and read from there by an index that they do not take for the same.
    """
    count = int(elements.shape[0])
    places = tf.TensorArray(formed.dtype, 2, element_shape=formed.shape)
    sums = tf.TensorArray(formed.dtype, count, element_shape=[*formed.shape[:-2], 1, formed.shape[-1]])

    def step(i: tf.Tensor, elements: tf.Tensor, places: tf.TensorArray, sums: tf.TensorArray) -> tuple[Any, ...]:
        places = places.write(i % 2, form(elements[i]))
        total = tf.reduce_sum(places.read((i + 2) % 2), -2, keepdims=True)
        return i + 1, _as_if_changed(elements), places, sums.write(i, total)

    return tf.while_loop(lambda i, *_: i < count, step, (0, elements, places, sums))[3].stack()


def stacked(form: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], elements: tf.Tensor, formed: tf.Tensor) -> tf.Tensor:
    """Return form(element, i) for all elements, (elements, ...); what is formed is like the last argument."""

    def step(before: tuple[Any, tf.Tensor], i: tf.Tensor) -> tuple[Any, tf.Tensor]:
        return form(before[1][i], i), _as_if_changed(before[1])

    return tf.scan(step, tf.range(int(elements.shape[0])), (formed, elements))[0]


def added(
    form: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], elements: tf.Tensor, most: int, formed: tf.Tensor
) -> tf.Tensor:
    """Return the sum of form(element, i) over all elements, so many at most in a step; it is like the last argument."""
    count = int(elements.shape[0])
    steps = divisor(count, most)

    def step(i: tf.Tensor, elements: tf.Tensor, before: tf.Tensor) -> tuple[tf.Tensor, ...]:
        terms = [form(elements[i + k], i + k) for k in range(steps)]
        return i + steps, _as_if_changed(elements), before + tf.add_n(terms)

    return tf.while_loop(lambda i, *_: i < count, step, (0, elements, tf.zeros_like(formed)))[2]


def _as_if_changed(elements: tf.Tensor) -> tf.Tensor:
    """Return the same: a loop that hands on its elements as they are is compiled once for each value of them."""
    return tf.roll(elements, 0, 0)
