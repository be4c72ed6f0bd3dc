"""Reconstruct with matrix products in fewer digits, as GPUs form them, and compare the volumes.

    python benchmarks/mixed_precision.py                  both sets at 32^3 from random fields, three seeds
    python benchmarks/mixed_precision.py --size 48 --seeds 1

On a GPU TensorFlow rounds the factors of float32 products to TensorFloat-32, with 10 bits behind the point, unless it
is told not to. Sums stay in float32. This script runs the code paths of a GPU on the CPU and rounds factors in the same
way, to 10 bits and to the 7 bits of bfloat16. Everything else, such as Fourier transforms and increments, stays in
float32. Each row is a run in its own process.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from multiprocessing import get_context
from typing import Any
from unittest import mock

import run
import tensorflow as tf

import polyrve
from polyrve.validation.run import validate

BITS = {"float32": 23, "TensorFloat-32": 10, "bfloat16": 7}


def rounded(values: tf.Tensor, bits: int) -> tf.Tensor:
    """Real or complex single precision with so many bits behind the point, to nearest, ties to even."""
    if values.dtype == tf.complex64:
        return tf.complex(rounded(tf.math.real(values), bits), rounded(tf.math.imag(values), bits))
    if values.dtype != tf.float32 or bits == 23:
        return values
    lost = 23 - bits
    words = tf.bitcast(values, tf.int32)
    last = tf.bitwise.bitwise_and(tf.bitwise.right_shift(words, lost), 1)
    words = tf.bitwise.bitwise_and(words + ((1 << (lost - 1)) - 1) + last, ~((1 << lost) - 1))
    return tf.bitcast(words, tf.float32)


@contextmanager
def products_in(bits: int) -> Iterator[None]:
    """Take the code paths of a GPU and round the factors of matrix products, in the backward pass too."""

    def of_rounded(multiply: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
        def call(*arguments: Any, **options: Any) -> tf.Tensor:
            factors = (x if isinstance(x, str) else rounded(tf.convert_to_tensor(x), bits) for x in arguments)
            return multiply(*factors, **options)

        return call

    devices = tf.config.list_logical_devices
    with (
        mock.patch.object(
            tf.config, "list_logical_devices", lambda kind=None: [kind] if kind == "GPU" else devices(kind)
        ),
        mock.patch.object(tf, "matmul", of_rounded(tf.matmul)),
        mock.patch.object(tf, "einsum", of_rounded(tf.einsum)),
        mock.patch.object(tf.linalg, "matmul", of_rounded(tf.linalg.matmul)),
        mock.patch.object(tf.linalg, "matvec", of_rounded(tf.linalg.matvec)),
    ):
        yield


def outcome(name: str, bits: int, seed: int, size: int, iterations: int) -> tuple[float, int, int]:
    """Loss of a run, number of metrics that pass and of metrics compared."""
    warnings.simplefilter("ignore")
    scan = run.reference(2 * size)
    with products_in(bits):
        result = polyrve.reconstruct(
            scan,
            shape=(size, size, size),
            descriptors=name,
            sections_per_group=1 if name == "paper" else None,
            initial="random",
            noise="keep",
            iterations=iterations,
            patience=iterations,
            seed=seed,
        )
    validation = validate(scan, result.volume, windows=30)
    return result.loss, validation.passed, validation.compared


def main() -> None:
    """Print a table: loss and metrics that pass, per set, seed and precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--iterations", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", default=["paper", "default"])
    options = parser.parse_args()
    print("| set | seed | products | loss | metrics that pass |\n|---|---|---|---|---|", flush=True)
    # A process for each: compiled functions are kept, and would be used again with the factors of the run before.
    with get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name, seed, precision in product(options.sets, range(options.seeds), BITS):
            job = name, BITS[precision], seed, options.size, options.iterations
            loss, passed, compared = pool.apply(outcome, job)
            print(f"| {name} | {seed} | {precision} | {loss:.4e} | {passed} of {compared} |", flush=True)


if __name__ == "__main__":
    main()
