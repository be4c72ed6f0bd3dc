import numpy as np
import pytest
import tensorflow as tf

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase, symmetry_operations
from polyrve.descriptors import DisorientationSpectrum
from polyrve.descriptors.channels import Channels
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.fields import OrientationVolume

LAGS = ((0, 1), (1, -1))
THRESHOLDS = (0.2, 1.5, 3.0)
SPECTRUM = DisorientationSpectrum(LAGS, THRESHOLDS)


@pytest.fixture(scope="module")
def twin(mean_over_points):
    thresholds = np.array(THRESHOLDS)
    widths = np.maximum(0.12, 0.08 * thresholds)

    def spectrum(section, mask, periodic):
        def shares(here, there):
            distance = np.sqrt(np.sum((here - there) ** 2))
            x = np.clip((distance - thresholds) / (4.325 * widths), -1.0, 1.0)
            return 0.5 + (15.0 * x - 10.0 * x**3 + 3.0 * x**5) / 16.0

        return np.array([mean_over_points(section, mask, periodic, [lag], shares) for lag in LAGS])

    return spectrum


def test_against_the_definition(twin, compare, kind, groups):
    compare(SPECTRUM, twin, kind, groups, rtol=1e-5)


def test_steps_are_near_logistic_ones():
    distance = np.linspace(0.0, 4.0, 801)
    channels = np.zeros((1, 801, 1, 4))
    channels[0, :, 0, ::2] = distance[:, None]
    channels = Channels(tf.constant(channels), None, None, None, True)
    spectrum = DisorientationSpectrum(((0, 1),), (2.0,), smallest_width=0.25, relative_width=0.0)
    shares = spectrum.estimate(channels, (0,), 1)[0].numpy().ravel()
    np.testing.assert_allclose(shares, 1.0 / (1.0 + np.exp(-(distance - 2.0) / 0.25)), atol=0.022)
    assert np.all(np.diff(shares) >= 0.0)


@pytest.mark.parametrize(("kind", "group"), [("periodic", None), ("open with holes", 1)])
def test_gradient(descriptor_slope_error, kind, group):
    assert descriptor_slope_error(SPECTRUM, kind, group) < 1e-7


@pytest.mark.parametrize("laue", ["m-3m", "6/mmm"])
def test_shares_depend_on_the_disorientation_alone(laue):
    """Two halves of a volume at a fixed misorientation: the shares are those of that angle in every sample frame."""
    rng = np.random.default_rng(1)
    step = rotation.from_axis_angle([0.0, 0.0, 1.0], np.deg2rad(12.0))
    state = LocalState.of((Phase("A", laue),))
    found = []
    for frame in rotation.random_orientations(3, rng):
        quaternions = np.empty((1, 4, 8, 4))
        quaternions[..., :4, :] = frame
        quaternions[..., 4:, :] = rotation.multiply(step, frame)
        operations = symmetry_operations(laue)
        quaternions = rotation.multiply(operations[rng.integers(len(operations), size=(1, 4, 8))], quaternions)
        volume = OrientationVolume(quaternions, np.ones((1, 4, 8)), state.phases, (1, 1, 1), periodic=True)
        (estimate,) = SPECTRUM.estimate(state.reference(volume, tf.float64), (0,), None)
        found.append(estimate.numpy()[0])
    np.testing.assert_allclose(found[1:], [found[0]] * 2, atol=1e-12)
    assert found[0][0, 0] > 0.25
