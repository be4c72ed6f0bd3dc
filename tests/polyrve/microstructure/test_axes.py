import numpy as np
import pytest

from polyrve.microstructure.axes import NORMALS, extended, in_plane, planar, volume_of_map

DIRECTIONS = {"z": ("x", "y", "z"), "y": ("x", "z", "-y"), "x": ("y", "z", "x")}
"""Directions of the volume along x, y and z of a map, by its normal, as the table of the module says."""
UNIT = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-y": (0, -1, 0)}


@pytest.mark.parametrize("normal", ["z", "y", "x"])
def test_frame_of_a_map_is_that_of_the_table(normal):
    turn = volume_of_map(NORMALS[normal])
    np.testing.assert_array_equal(turn.T, [UNIT[name] for name in DIRECTIONS[normal]])
    assert np.linalg.det(turn) == 1.0
    x, y, _ = DIRECTIONS[normal]
    assert in_plane(NORMALS[normal]) == (NORMALS[y], NORMALS[x])


def test_axes_with_voxels_and_with_sections():
    assert extended((3, 1, 5)) == [0, 2]
    assert planar((3, 4, 5)) == [0, 1, 2]
    assert planar((1, 4, 5)) == [0]
    assert planar((3, 1, 5)) == [1]
