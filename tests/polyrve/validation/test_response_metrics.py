from dataclasses import replace

import numpy as np
import pytest

import polyrve
from polyrve.adapters.solvers.damask_crystals import crystal
from polyrve.crystallography import rotation
from polyrve.validation import run
from polyrve.validation.response_metrics import response_metrics
from polyrve.validation.stacks import stack_of


@pytest.fixture(scope="module")
def scan():
    return polyrve.data.load("scan")[:24, :30]


def test_equal_sections_give_zero_and_turned_ones_their_error(scan):
    modulus, stress = response_metrics([crystal("Cu")])
    stack = stack_of(scan, 5.0)
    assert modulus.compare(stack, stack) == stress.compare(stack, stack) == 0.0
    random = scan.evolve(quaternions=rotation.random_orientations(scan.shape, np.random.default_rng(0)))
    found = modulus.compare(stack, stack_of(random, 5.0))
    expected = polyrve.bounds(random, "Cu").hill / polyrve.bounds(scan, "Cu").hill - 1
    assert found == pytest.approx(np.abs(expected).max(), rel=1e-6)
    assert modulus.measure(stack) == pytest.approx(polyrve.bounds(scan, "Cu").hill.mean() / 1e9, rel=1e-6)
    assert stress.unit == "MPa"


def test_a_crystal_without_slip_is_not_compared(scan):
    elastic = replace(crystal("Cu"), schmid=np.zeros((0, 3, 3)), resistance=np.zeros(0), one_sided=np.zeros(0, bool))
    stress = response_metrics([elastic])[1]
    stack = stack_of(scan, 5.0)
    assert np.isnan(stress.compare(stack, stack))
    assert "Cu" in stress.lacks(stack)


def test_validation_has_the_group_where_crystals_are_given(monkeypatch):
    monkeypatch.setattr(run, "metrics", lambda lag=1, **given: ())
    scan, truth = polyrve.data.load("scan"), polyrve.data.load("truth").field[:6, :24, :28]
    found = polyrve.validate(scan, truth, windows=6, crystals=(crystal("Al"),))
    assert [row.key for row in found.results] == ["hill_modulus", "taylor_stress", "seam"]
    assert all(0 < row.floor < row.limit < 0.2 for row in found.results[:2])
    assert found["hill_modulus"].reference == pytest.approx(70.4, abs=0.3)
