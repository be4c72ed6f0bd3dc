"""Triples of grains that meet twice in a section."""

import numpy as np

from polyrve.crystallography import rotation
from polyrve.microstructure.copies import ALIKE, repeated_triples
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM

PHASES = (ALUMINIUM, MAGNESIUM)


def test_a_triple_that_meets_again_is_found_whatever_its_order_and_symmetry():
    rng = np.random.default_rng(0)
    q = rotation.random_orientations(9, rng)
    q[3:6] = rotation.multiply(ALUMINIUM.symmetry[rng.integers(24, size=3)], q[[2, 0, 1]])
    phases = np.ones(9, dtype=int)
    triples = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 1, 6]])
    section = np.zeros(9, dtype=int)
    assert repeated_triples(triples, section, q, phases, PHASES).tolist() == [True, True, False, False]
    assert not repeated_triples(triples, (np.arange(9) >= 3).astype(int), q, phases, PHASES).any()
    phases[4] = 2
    assert not repeated_triples(triples, section, q, phases, PHASES).any()


def test_two_of_three_and_shared_grains_are_no_copies():
    q = rotation.random_orientations(7, np.random.default_rng(1))
    away = rotation.from_axis_angle([1.0, 2.0, 3.0], np.deg2rad(2.0 * ALIKE))
    q[3:5], q[5] = q[0:2], rotation.multiply(away, q[2])
    phases, section = np.ones(7, dtype=int), np.zeros(7, dtype=int)
    assert not repeated_triples(np.array([[0, 1, 2], [3, 4, 5]]), section, q, phases, PHASES).any()
    assert not repeated_triples(np.array([[0, 1, 2], [2, 3, 4]]), section, q, phases, PHASES).any()
