import numpy as np
import pytest

from polyrve.descriptors import Variation


@pytest.fixture(scope="module")
def twin(mean_over_points):
    def variation(section, mask, periodic):
        def norm(here, below, right):
            return np.sqrt(np.sum((below - here) ** 2 + (right - here) ** 2))

        return mean_over_points(section, mask, periodic, [(1, 0), (0, 1)], norm)

    return variation


def test_against_the_definition(twin, compare, kind, groups):
    compare(Variation(eps=1e-12), twin, kind, groups)


@pytest.mark.parametrize(("kind", "group"), [("periodic", None), ("open with holes", 1)])
def test_gradient(descriptor_slope_error, kind, group):
    assert descriptor_slope_error(Variation(), kind, group) < 1e-8


def test_misfit_is_relative():
    assert float(Variation().misfit(np.array([2.2, 1.8]), 2.0)) == pytest.approx(0.01)


def test_misfit_of_a_single_crystal_is_finite():
    assert float(Variation(eps=1e-3).misfit(np.array([2e-3, 0.0]), 0.0)) == pytest.approx(2.0)
