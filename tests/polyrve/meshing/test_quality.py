import numpy as np
import pytest

from polyrve.meshing import quality


def test_quality_of_known_shapes():
    corner = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    right = quality.mesh_quality(corner, np.array([[0, 1, 2, 3]]))
    assert right.largest_dihedral == pytest.approx(90.0)
    assert right.smallest_dihedral == pytest.approx(np.degrees(np.arccos(1 / np.sqrt(3))))
    assert right.scaled_jacobian == pytest.approx(np.sqrt(2) / 2)
    turned = quality.mesh_quality(corner, np.array([[0, 2, 1, 3]]))
    assert (turned.inverted, turned.scaled_jacobian) == (1, pytest.approx(-np.sqrt(2) / 2))
