"""A body within a free surface: pairs inside count, each alike; what lies outside does not."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from polyrve.descriptors import ThreePoint, TwoPoint, Variation, Variogram
from polyrve.descriptors.body import Body
from polyrve.microstructure.axes import in_plane

LAGS = ((0, 1), (1, 0), (1, -1), (2, 0), (0, -2))


def in_body(channels):
    return dataclasses.replace(channels, body=Body(channels.mask.numpy() > 0))


@pytest.fixture
def pooled(mean_over_points):
    """The mean over the points of all sections normal to an axis."""

    def mean(channels, axis, lags, function):
        found = []
        values, mask = channels.values.numpy(), channels.mask.numpy()
        for i in range(mask.shape[axis]):
            section = np.take(values, i, axis + 1), np.take(mask, i, axis)
            mean_over_points(*section, False, lags, lambda *points: (found.append(function(*points)), 0)[1])
        return np.mean(found, axis=0)

    return mean


def test_pairs_are_those_inside(make_channels):
    inside = make_channels("open with holes").mask.numpy() > 0
    body = Body(inside)
    for axis in range(3):
        sections = np.transpose(inside, (axis, *in_plane(axis)))
        rows, columns = sections.shape[1:]
        for lag, counts in zip(LAGS, body.pairs(axis, LAGS), strict=True):
            padded = np.pad(sections, ((0, 0), (2, 2), (2, 2)))
            there = padded[:, 2 + lag[0] : 2 + lag[0] + rows, 2 + lag[1] : 2 + lag[1] + columns]
            np.testing.assert_array_equal(counts, (sections & there).sum(axis=(1, 2)))


def test_every_pair_of_a_body_counts_alike(make_channels, pooled):
    axis, channels = 1, in_body(make_channels("open with holes"))
    (found,) = Variogram(LAGS, p=2.0).estimate(channels, (axis,), None)
    expected = [pooled(channels, axis, [lag], lambda here, there: 0.5 * (here - there) ** 2) for lag in LAGS]
    np.testing.assert_allclose(found[0], expected, rtol=1e-10)

    def norm(here, below, right):
        return np.sqrt(np.sum((below - here) ** 2 + (right - here) ** 2))

    (found,) = Variation(eps=1e-12).estimate(channels, (axis,), None)
    np.testing.assert_allclose(found[0], pooled(channels, axis, [(1, 0), (0, 1)], norm), rtol=1e-10)

    def products(here, first, second):
        return 0.5 * np.abs(first - here) * np.abs(second - here)

    (found,) = ThreePoint(LAGS[:2], eps=1e-12).estimate(channels, (axis,), None)
    np.testing.assert_allclose(found[0, :, 0, 1], pooled(channels, axis, LAGS[:2], products), rtol=1e-9)
    (found,) = TwoPoint(2).estimate(channels, (axis,), None)
    expected = pooled(channels, axis, [(1, -1)], lambda here, there: here[0] * there[1])
    np.testing.assert_allclose(found[0, 0, 1, 1, 1], expected, rtol=1e-10)


def test_the_outside_changes_nothing(make_channels):
    channels = in_body(make_channels("open with holes"))
    outside = tf.constant(channels.body.inside == 0, channels.values.dtype)
    other = dataclasses.replace(channels, values=channels.values + 3.0 * outside)
    for descriptor in (Variogram(LAGS, p=2.0), Variation(eps=1e-12), ThreePoint(LAGS[:2], eps=1e-12), TwoPoint(2)):
        (one,), (two,) = (descriptor.estimate(c, (1,), None) for c in (channels, other))
        np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)


def test_a_coarser_body_and_its_reach():
    ball = np.sum((np.indices((16, 20, 20)) - np.array([7.5, 9.5, 9.5]).reshape(3, 1, 1, 1)) ** 2, axis=0) < 49
    body = Body(ball)
    assert body.on_grid(ball.shape) is body
    coarse = body.on_grid((8, 10, 10))
    assert coarse.inside.shape == (8, 10, 10)
    assert coarse.inside.mean() == pytest.approx(ball.mean(), rel=0.1)
    shares = [np.count_nonzero(ball[:, :, lag:] & ball[:, :, : 20 - lag]) / ball.sum() for lag in range(1, 10)]
    assert shares[body.reach - 1] >= 0.25 > shares[body.reach]
