import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.crystallography.harmonics import symmetrized_harmonics
from polyrve.crystallography.phase import LAUE_GROUPS
from polyrve.descriptors import Texture
from polyrve.descriptors._kernels import moments


@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_means_of_the_harmonics(make_channels, laue):
    channels = make_channels("open with holes")
    texture = Texture.up_to((laue,), 8)
    (harmonics,) = texture.harmonics
    values = harmonics.evaluate(np.moveaxis(channels.orientation.numpy(), 0, -1))
    counts = channels.mask.numpy() > 0
    (estimate,) = texture.estimate(channels, (1,), None)
    np.testing.assert_allclose(estimate.numpy()[0], values[:, counts].mean(axis=1), atol=1e-9)


def test_phases_weigh_by_their_indicators(make_channels):
    channels = make_channels("open with holes")
    rng = np.random.default_rng(0)
    shares = rng.dirichlet((1.0, 1.0), channels.mask.shape)
    channels = dataclasses.replace(channels, indicators=tf.constant(np.moveaxis(shares, -1, 0)))
    texture = Texture.up_to(("m-3m", "6/mmm"), 8)
    q, counts = np.moveaxis(channels.orientation.numpy(), 0, -1), channels.mask.numpy() > 0
    expected = [
        (harmonics.evaluate(q) * shares[..., i])[:, counts].mean(axis=1)
        for i, harmonics in enumerate(texture.harmonics)
    ]
    (estimate,) = texture.estimate(channels, (0,), None)
    np.testing.assert_allclose(estimate.numpy()[0], np.concatenate(expected), atol=1e-9)


def test_all_axes_have_the_same_texture(make_channels):
    first, second = Texture.up_to(("m-3m",), 8).estimate(make_channels("periodic"), (0, 2), 1)
    np.testing.assert_array_equal(first, second)


def test_stride_takes_a_part_of_a_periodic_field(make_channels):
    texture = Texture.up_to(("m-3m",), 8, stride=2)
    channels = make_channels("periodic")
    part = dataclasses.replace(channels, orientation=channels.orientation[:, ::2, ::2, ::2])
    whole = dataclasses.replace(texture, stride=1)
    np.testing.assert_array_equal(texture.estimate(channels, (0,), None)[0], whole.estimate(part, (0,), None)[0])


@pytest.mark.parametrize("block", [7, 16, 10**6])
def test_blocks_that_do_not_divide_the_points_are_filled_up(make_channels, slope_error, monkeypatch, block):
    channels, texture = make_channels("open with holes"), Texture.up_to(("m-3m",), 8)
    weights = np.random.default_rng(0).standard_normal(sum(h.count for h in texture.harmonics))

    def combination(orientation):
        (estimate,) = texture.estimate(dataclasses.replace(channels, orientation=orientation), (0,), None)
        return tf.reduce_sum(estimate * weights)

    whole = texture.estimate(channels, (0,), None)[0].numpy()
    monkeypatch.setattr(moments, "BLOCK", block)
    asked, kernel = [], moments._moments
    monkeypatch.setattr(moments, "_moments", lambda *a: asked.append(a[1:3]) or kernel(*a))
    np.testing.assert_allclose(texture.estimate(channels, (0,), None)[0], whole, atol=1e-12)
    assert slope_error(combination, channels.orientation) < 1e-7
    voxels = int(np.prod(channels.mask.shape))
    assert all(size <= block and voxels <= blocks * size < voxels + blocks for blocks, size in asked)


def test_terms_reach_the_degree_and_hold_the_default_set():
    for laue in LAUE_GROUPS:
        (harmonics,) = Texture.up_to((laue,), 12).harmonics
        assert set(symmetrized_harmonics(laue).terms) <= set(harmonics.terms)
        assert (12, 0) in harmonics.terms


@pytest.mark.parametrize("place", ["random", "identity", "zone boundary"])
def test_gradient(make_channels, slope_error, place):
    channels = make_channels("periodic")
    q = channels.orientation.numpy()
    angle = {"identity": 1e-4, "zone boundary": np.deg2rad(45.0)}
    if place != "random":
        axes = np.moveaxis(q[1:], 0, -1) if place == "identity" else np.array([0.0, 0.0, 1.0])
        q = np.moveaxis(np.broadcast_to(rotation.from_axis_angle(axes, angle[place]), (*q.shape[1:], 4)), -1, 0)
    texture = Texture.up_to(("m-3m",), 12)
    weights = np.random.default_rng(0).standard_normal(texture.harmonics[0].count)

    def combination(position):
        unit = position / tf.norm(position, axis=0, keepdims=True)
        return tf.reduce_sum(weights * texture.estimate(dataclasses.replace(channels, orientation=unit), (0,), None)[0])

    assert slope_error(combination, tf.constant(1.1 * q)) < 1e-7


def test_misfit_is_a_mean_square():
    assert float(Texture.up_to(("m-3m",), 8).misfit(np.array([[1.0, 2.0]]), np.array([1.0, 1.5]))) == 0.125
