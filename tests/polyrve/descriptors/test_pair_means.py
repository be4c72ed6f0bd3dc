import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.descriptors import DisorientationSpectrum, Variogram
from polyrve.descriptors._kernels.pair_means import _kernel, _owner
from polyrve.descriptors._kernels.surroundings import Layout
from polyrve.descriptors._kernels.transforms import Power

LAGS = ((0, 1), (1, 0), (1, -1), (2, 0), (0, -2))
DESCRIPTORS = (Variogram(LAGS), DisorientationSpectrum(LAGS, (0.5, 2.0)))


def displacement(axis, lag):
    """A lag in the sections normal to an axis as a displacement in the volume, up to its sign."""
    vector = np.insert(lag, axis, 0)
    return tuple(vector * np.sign(vector[np.flatnonzero(vector)[0]]))


@pytest.mark.parametrize("axes", [(0, 1, 2), (0, 2), (1,)])
def test_a_lag_and_its_owner_are_one_displacement(axes):
    owners = {(axis, lag): _owner(axis, lag, axes) for axis in axes for lag in LAGS}
    for (axis, lag), (owner, own) in owners.items():
        assert owner in axes
        assert displacement(axis, lag) == displacement(owner, own)
    assert len(set(owners.values())) == len({displacement(axis, lag) for axis, lag in owners})


@pytest.mark.parametrize(
    ("descriptor", "axes"),
    [(DESCRIPTORS[0], (0, 1, 2)), (DESCRIPTORS[1], (0, 2)), (Variogram(((0, 1), (3, 0))), (0, 1))],
)
def test_shared_displacements_give_the_mean_over_sections(make_channels, descriptor, axes):
    channels = make_channels("periodic")
    shared = descriptor.estimate(channels, axes, None)
    for estimate, single in zip(shared, descriptor.estimate(channels, axes, 1), strict=True):
        np.testing.assert_allclose(estimate, np.mean(single, axis=0, keepdims=True), rtol=1e-12)


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda d: d.name)
def test_gradient_with_shared_displacements(make_channels, slope_error, descriptor):
    channels = make_channels("periodic")

    def combination(values):
        estimates = descriptor.estimate(dataclasses.replace(channels, values=values), (0, 1, 2), None)
        return tf.add_n(
            [
                tf.reduce_sum(np.random.default_rng(i).standard_normal(estimate.shape) * estimate)
                for i, estimate in enumerate(estimates)
            ]
        )

    assert slope_error(combination, channels.values) < 1e-7


def test_equal_shapes_share_a_kernel_and_its_compiled_program():
    layout, same = (Layout((2, 3, 4, 5), 1, 2, (1, 1), False, True, tf.float32) for _ in range(2))
    kernel = _kernel(Power(1.0, 0.01), layout, True)
    assert _kernel(Power(1.0, 0.01), same, True) is kernel
    assert _kernel(Power(2.0, 0.01), same, True) is not kernel
