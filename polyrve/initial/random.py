"""The random initial field; see also :mod:`polyrve.initial.polycrystal`, :mod:`polyrve.initial.exemplar_synthesis`."""

from __future__ import annotations

import numpy as np

from polyrve.crystallography import rotation


def random_field(
    shape: tuple[int, int, int], number_of_phases: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Draw uncorrelated, uniform orientations and phases.

    Parameters
    ----------
    shape : tuple of int
        (nz, ny, nx).
    number_of_phases : int
    rng : numpy.random.Generator

    Returns
    -------
    quaternions : ndarray, shape (*shape, 4)
    phase_ids : ndarray, shape (*shape), int32
    """
    phase_ids = rng.integers(1, number_of_phases + 1, shape).astype(np.int32)
    return rotation.random_orientations(shape, rng), phase_ids
