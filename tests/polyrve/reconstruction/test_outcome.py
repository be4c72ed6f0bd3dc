"""What is said of a run that went wrong."""

import numpy as np
import pytest

from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM
from polyrve.reconstruction.outcome import HIGH_LOSS, remarks

PHASES = (ALUMINIUM, MAGNESIUM)


def of_phase_ids(phase_ids, kind):
    quaternions = np.tile([1.0, 0.0, 0.0, 0.0], (*phase_ids.shape, 1))
    return kind(quaternions, phase_ids, PHASES, (1.0,) * phase_ids.ndim)


@pytest.fixture(scope="module")
def half_and_half():
    return of_phase_ids(1 + np.indices((4, 6)).sum(axis=0) % 2, OrientationMap)


def test_nothing_is_said_of_a_volume_with_the_fractions_of_its_map(half_and_half):
    volume = of_phase_ids(1 + np.indices((3, 4, 5)).sum(axis=0) % 2, OrientationVolume)
    assert remarks({0: half_and_half}, volume, HIGH_LOSS / 10, 100) == ()


def test_a_collapsed_phase_is_told_with_both_fractions(half_and_half):
    volume = of_phase_ids(np.ones((3, 4, 5), dtype=int), OrientationVolume)
    (sentence,) = remarks({0: half_and_half}, volume, 0.0, 100)
    assert sentence.startswith("phase fractions: expected ")
    assert "Magnesium 50.0%" in sentence
    assert "Aluminium 100.0%" in sentence
    assert remarks({}, volume, 0.0, 100) == ()


def test_a_loss_that_stays_high_is_told_unless_the_run_was_a_try(half_and_half):
    volume = of_phase_ids(1 + np.indices((3, 4, 5)).sum(axis=0) % 2, OrientationVolume)
    (sentence,) = remarks({0: half_and_half}, volume, 0.88, 100)
    assert sentence.startswith("loss: expected at most ")
    assert "0.88" in sentence
    assert remarks({0: half_and_half}, volume, 0.88, 5) == ()
