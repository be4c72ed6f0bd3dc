from pathlib import Path

import h5py
import numpy as np
import pytest

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
SEAMS = {"-3": 0.01, "6/m": 0.02, "m-3": 0.01}  # these sectors have edges where the key's colour jumps


@pytest.mark.parametrize("laue", LAUE_GROUPS)
@pytest.mark.parametrize("direction", [(0, 0, 1), (1, 2, 0)])
def test_agrees_with_orix(laue, direction):
    from orix.plot import IPFColorKeyTSL
    from orix.plot.direction_color_keys import DirectionColorKeyTSL
    from orix.quaternion import Orientation, symmetry
    from orix.vector import Vector3d

    names = ("Ci", "C2h", "D2h", "C4h", "D4h", "S6", "D3d", "C6h", "D6h", "Th", "Oh")
    group = getattr(symmetry, names[LAUE_GROUPS.index(laue)])
    q = rotation.random_orientations(1000, np.random.default_rng(0))
    if laue == "2/m":  # orix's two-fold axis is z, that of polyrve.crystallography.phase is y
        along = np.roll(rotation.rotate(q, np.array(direction, dtype=float)), 1, axis=-1)
        expected = 255 * DirectionColorKeyTSL(group).direction2color(Vector3d(along))
    else:
        expected = 255 * IPFColorKeyTSL(group, Vector3d(direction)).orientation2color(Orientation(q, symmetry=group))
    got = ipf_colors(q, np.ones(len(q), dtype=int), (Phase("a", laue),), direction)
    error = np.abs(got - expected).max(axis=1)
    assert np.mean(error > 9) <= SEAMS.get(laue, 0.0)


def test_symmetric_equivalents_have_the_same_colour():
    phase = Phase("a", "m-3m")
    q = rotation.random_orientations(500, np.random.default_rng(1))
    first = ipf_colors(q, np.ones(500, dtype=int), (phase,)).astype(int)
    for s in phase.symmetry[::5]:
        other = ipf_colors(rotation.multiply(s, q), np.ones(500, dtype=int), (phase,)).astype(int)
        assert np.abs(other - first).max() <= 15


def test_cube_axes_of_the_cubic_key():
    axes = {(0, 0, 1): (255, 0, 0), (0, 1, 1): (0, 255, 0), (1, 1, 1): (0, 0, 255)}
    for direction, color in axes.items():
        got = ipf_colors(np.array([[1.0, 0, 0, 0]]), np.array([1]), (Phase("a", "m-3m"),), direction)[0]
        assert np.abs(got.astype(int) - color).max() <= 15


def test_not_indexed_is_black_and_shape_is_kept():
    q = rotation.random_orientations((3, 4, 5), np.random.default_rng(2))
    ids = np.ones((3, 4, 5), dtype=int)
    ids[1, 2, 3] = 0
    colors = ipf_colors(q, ids, (Phase("a", "6/mmm"),))
    assert colors.shape == (3, 4, 5, 3)
    assert (colors[1, 2, 3] == 0).all()
    assert (colors[ids > 0].max(axis=-1) > 100).all()


def test_agrees_with_the_colours_that_dream3d_stored():
    path = DATA / "small_in100_slice_v8.dream3d"
    if not path.exists():
        pytest.skip("the sample data is not here")
    with h5py.File(path) as file:
        cells = file["DataStructure/Small IN100/EBSD Scan Data"]
        q = rotation.from_euler(cells["EulerAngles"][0].astype(float))
        stored = cells["IPFColor"][0].astype(int)
    ids = np.ones(q.shape[:2], dtype=int)
    along = {
        axis: np.median(np.abs(ipf_colors(q, ids, (Phase("Ni"),), d).astype(int) - stored).max(axis=-1))
        for axis, d in {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1)}.items()
    }
    assert along["x"] < 40 < 100 < min(along["y"], along["z"])
