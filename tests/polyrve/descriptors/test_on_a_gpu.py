"""The strategy of a GPU, many sections at once, handed in on a processor: the same misfits and slopes."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.backend.strategy import GpuStrategy, ProcessorStrategy
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.descriptors import descriptor_set
from polyrve.descriptors._kernels import increment_products
from polyrve.descriptors._kernels.section_by_section import misfits
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction.objective import SectionObjective

SHAPE = (12, 12, 12)
EVERYTHING = {
    "two_point": 1.0, "three_point": 1.0, "variation": 1.0, "disorientation": 1.0, "variogram": 1.0, "texture": 1.0,
}  # fmt: skip
STATE = dataclasses.replace(LocalState.of((Phase("Al", "m-3m"),)), strategy=ProcessorStrategy())
ON_GPU = dataclasses.replace(STATE, strategy=GpuStrategy())
DESCRIPTORS = descriptor_set(EVERYTHING, STATE, 4, SHAPE)
KINDS, GROUPS = ("periodic", "open with holes"), (None, 1, 3)
PAIRS = [
    pytest.param(descriptor, kind, GROUPS[(i + j) % 3], id=f"{descriptor.name}-{kind}-{GROUPS[(i + j) % 3]}")
    for i, (descriptor, _) in enumerate(DESCRIPTORS)
    for j, kind in enumerate(KINDS)
]
"""Each descriptor with each kind, each kind with each group."""


def value_and_slope(descriptor, channels, targets, group):
    with tf.GradientTape() as tape:
        tape.watch((channels.values, channels.orientation))
        total = tf.add_n(misfits(descriptor, channels, targets, group))
    slopes = tape.gradient(total, (channels.values, channels.orientation))
    return [total.numpy(), *(slope.numpy() for slope in slopes if slope is not None)]


@pytest.mark.parametrize(("descriptor", "kind", "group"), PAIRS)
def test_same_misfit_and_slope(descriptor, kind, group, make_channels):
    values = np.random.default_rng(3).standard_normal((STATE.count, *SHAPE))
    channels = dataclasses.replace(make_channels(kind, SHAPE), values=tf.constant(values), strategy=STATE.strategy)
    shapes = [tuple(e.shape[1:]) for e in descriptor.estimate(channels, (0, 1, 2), group)]
    targets = {axis: np.random.default_rng(axis).standard_normal(shape) for axis, shape in enumerate(shapes)}
    on_processor = value_and_slope(descriptor, channels, targets, group)
    on_gpu = value_and_slope(descriptor, dataclasses.replace(channels, strategy=ON_GPU.strategy), targets, group)
    for a, b in zip(on_gpu, on_processor, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize(("descriptors", "group"), [(DESCRIPTORS[::2], None), (DESCRIPTORS[1::2], 1)])
def test_whole_objective_compiled_as_one(descriptors, group):
    axes = (0, 1, 2)
    field = make_specimen(SHAPE, grain_size=4.0, seed=3).field
    channels = STATE.reference(field, tf.float64)
    estimates = [descriptor.estimate(channels, axes, None) for descriptor, _ in descriptors]
    targets = {axis: [estimate[i][0].numpy() for estimate in estimates] for i, axis in enumerate(axes)}
    away = tf.constant(rotation.random_orientations(SHAPE, np.random.default_rng(0)))
    on_processor, on_gpu = (
        tf.function(SectionObjective(state, descriptors, targets, group).value_and_gradient)(away)
        for state in (STATE, ON_GPU)
    )
    for a, b in zip(on_gpu, on_processor, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


@pytest.mark.parametrize("state", [STATE, ON_GPU], ids=lambda state: state.strategy.name)
def test_the_strategy_is_handed_down(state):
    field = make_specimen(SHAPE, grain_size=4.0, seed=3).field
    position = tf.constant(state.position(field))
    assert state.channels(position).cut((0, 1)).strategy is state.strategy
    assert state.reference(field).strategy is state.strategy


def test_a_gpu_takes_all_sections_of_all_channels_at_once(make_channels, monkeypatch):
    asked = []
    kernel = increment_products.means_kernel
    monkeypatch.setattr(
        increment_products, "means_kernel", lambda *arguments: asked.append(arguments) or kernel(*arguments)
    )
    for strategy in (STATE.strategy, ON_GPU.strategy):
        channels = dataclasses.replace(make_channels("periodic", SHAPE), strategy=strategy)
        DESCRIPTORS[1][0].estimate(channels, (0,), None)
    assert [together for _, _, together, *_ in asked] == [1, SHAPE[0] * channels.values.shape[0]]
