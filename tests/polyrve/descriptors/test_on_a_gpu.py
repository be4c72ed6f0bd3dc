"""The ways that a GPU takes, many sections at once, played on a processor: the same misfits and slopes."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.descriptors import descriptor_set, three_point
from polyrve.descriptors._kernels.section_by_section import misfits
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction.objective import SectionObjective

SHAPE = (12, 12, 12)
EVERYTHING = {
    "two_point": 1.0, "three_point": 1.0, "variation": 1.0, "disorientation": 1.0, "variogram": 1.0, "texture": 1.0,
}  # fmt: skip
STATE = LocalState.of((Phase("Al", "m-3m"),))
DESCRIPTORS = descriptor_set(EVERYTHING, STATE, 4, SHAPE)
KINDS = ("periodic", "open with holes")
PAIRS = [
    pytest.param(descriptor, KINDS[(i + j) % 2], group, id=f"{descriptor.name}-{KINDS[(i + j) % 2]}-{group}")
    for i, (descriptor, _) in enumerate(DESCRIPTORS)
    for j, group in enumerate([None, 1, 3])
]
"""Each descriptor with each kind and each group, each kind with each group."""


@pytest.fixture
def gpu(monkeypatch):
    """TensorFlow tells of a GPU that is not there."""
    devices = tf.config.list_logical_devices
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind=None: [kind] if kind == "GPU" else devices(kind))


def value_and_slope(descriptor, channels, targets, group):
    with tf.GradientTape() as tape:
        tape.watch((channels.values, channels.orientation))
        total = tf.add_n(misfits(descriptor, channels, targets, group))
    slopes = tape.gradient(total, (channels.values, channels.orientation))
    return [total.numpy(), *(slope.numpy() for slope in slopes if slope is not None)]


@pytest.mark.parametrize(("descriptor", "kind", "group"), PAIRS)
def test_same_misfit_and_slope(descriptor, kind, group, make_channels, request):
    channels = make_channels(kind, SHAPE)
    values = np.random.default_rng(3).standard_normal((STATE.count, *SHAPE))
    channels = dataclasses.replace(channels, values=tf.constant(values))
    shapes = [tuple(e.shape[1:]) for e in descriptor.estimate(channels, (0, 1, 2), group)]
    targets = {axis: np.random.default_rng(axis).standard_normal(shape) for axis, shape in enumerate(shapes)}
    on_processor = value_and_slope(descriptor, channels, targets, group)
    request.getfixturevalue("gpu")
    on_gpu = value_and_slope(descriptor, channels, targets, group)
    for a, b in zip(on_gpu, on_processor, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("group", [None, 1])
def test_whole_objective_compiled_as_one(group, request):
    axes = (0, 1, 2)
    field = make_specimen(SHAPE, grain_size=4.0, seed=3).field
    channels = STATE.reference(field, tf.float64)
    estimates = [descriptor.estimate(channels, axes, None) for descriptor, _ in DESCRIPTORS]
    targets = {axis: [estimate[i][0].numpy() for estimate in estimates] for i, axis in enumerate(axes)}
    objective = SectionObjective(STATE, DESCRIPTORS, targets, group)
    away = tf.constant(rotation.random_orientations(SHAPE, np.random.default_rng(0)))
    on_processor = tf.function(objective.value_and_gradient)(away)
    request.getfixturevalue("gpu")
    on_gpu = tf.function(objective.value_and_gradient)(away)
    for a, b in zip(on_gpu, on_processor, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())


def test_a_gpu_takes_all_sections_of_all_channels_at_once(gpu, make_channels, monkeypatch):
    asked = []
    means = three_point._means
    monkeypatch.setattr(three_point, "_means", lambda *arguments: asked.append(arguments) or means(*arguments))
    channels = make_channels("periodic", SHAPE)
    three_point.ThreePoint().estimate(channels, (0,), None)
    assert [at_once for _, _, at_once, *_ in asked] == [SHAPE[0] * channels.values.shape[0]]
