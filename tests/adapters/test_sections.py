import numpy as np
import pytest

import polyrve
from polyrve.adapters import sections
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import LAUE_GROUPS, Phase
from polyrve.microstructure.fields import OrientationMap

MAP_AXES = {"z": "xy", "y": "xz", "x": "yz"}


@pytest.mark.parametrize("normal", "xyz")
def test_directions_in_the_section_are_the_same_crystal_directions(two_phase_grains, normal):
    """A sample direction in the plane has the same crystal direction, whether asked of the volume or of the section."""
    field = two_phase_grains.field
    axis = "zyx".index(normal)
    plane = sections.cut(two_phase_grains, f"{normal}:1")
    volume = np.take(field.quaternions, 1, axis=axis)
    unit = dict(zip("xyz", np.eye(3), strict=True))
    for map_axis, sample_axis in zip(np.eye(3)[:2], MAP_AXES[normal], strict=True):
        expected = rotation.rotate(volume, unit[sample_axis])
        np.testing.assert_allclose(rotation.rotate(plane.quaternions, map_axis), expected, atol=1e-12)
    spacing = dict(zip("zyx", field.spacing, strict=True))
    assert plane.spacing == (spacing[MAP_AXES[normal][1]], spacing[MAP_AXES[normal][0]])


@pytest.mark.parametrize("suffix", [".ang", ".ctf"])
@pytest.mark.parametrize("normal", "xyz")
def test_sections_as_ebsd_files(tmp_path, two_phase_grains, suffix, normal):
    path = tmp_path / f"a{suffix}"
    polyrve.write(two_phase_grains, path, section=f"{normal}:2")
    back = polyrve.read(path)
    plane = sections.cut(two_phase_grains, f"{normal}:2")
    np.testing.assert_array_equal(back.phase_ids, plane.phase_ids)
    assert back.spacing == pytest.approx(plane.spacing)
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions), rotation.to_matrix(plane.quaternions), atol=2e-6)


def test_orix_reads_the_section(tmp_path, two_phase_grains):
    from orix import io

    layer = sections.cut(two_phase_grains, "z:1")
    polyrve.write(layer, tmp_path / "a.ang")
    crystal_map = io.load(tmp_path / "a.ang")
    assert crystal_map.shape == (4, 5)
    stored = rotation.to_matrix(crystal_map.rotations.data.reshape(4, 5, 4))
    np.testing.assert_allclose(stored, rotation.to_matrix(layer.quaternions), atol=1e-6)


@pytest.mark.parametrize("suffix", [".ang", ".ctf"])
@pytest.mark.parametrize("laue", LAUE_GROUPS)
def test_orix_reads_phases_whose_lattice_is_unknown(tmp_path, suffix, laue):
    from orix import io

    phases = (Phase("First", laue), Phase("Second", "m-3m", (3.5, 3.5, 3.5, 90.0, 90.0, 90.0)))
    q = rotation.random_orientations((2, 3), np.random.default_rng(0))
    field = OrientationMap(q, [[1, 2, 1], [2, 1, 2]], phases, (0.5, 0.5))
    path = tmp_path / f"a{suffix}"
    polyrve.write(field, path)
    if (laue, suffix) == ("m-3", ".ctf"):
        pytest.skip("orix takes Laue group 10 of .ctf files for 'm3', which is none of its own names")
    theirs = {phase.name.lower(): phase for _, phase in io.load(path).phases if phase.name != "not_indexed"}
    assert theirs["first"].point_group.laue.name == laue
    gamma = 120 if laue in ("-3", "-3m", "6/m", "6/mmm") else 90
    for name, expected in (("first", (1, 1, 1, 90, 90, gamma)), ("second", phases[1].lattice)):
        cell = theirs[name].structure.lattice
        np.testing.assert_allclose([cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma], expected)
    back = polyrve.read(path)
    assert [phase.lattice[:3] for phase in back.phases] == [(0, 0, 0), (3.5, 3.5, 3.5)]
    np.testing.assert_allclose(rotation.to_matrix(back.quaternions), rotation.to_matrix(q), atol=2e-6)


def test_the_middle_is_taken_by_default(two_phase_grains):
    middle, second = (sections.cut(two_phase_grains, name) for name in ("y", "y:2"))
    np.testing.assert_array_equal(middle.quaternions, second.quaternions)


@pytest.mark.parametrize("section", ["w", "z:3", "z:-1", "", "z:a"])
def test_sections_outside_are_refused(two_phase_grains, section):
    with pytest.raises(ValueError, match="section"):
        sections.cut(two_phase_grains, section)


def test_a_map_cannot_be_cut(two_phase_grains):
    with pytest.raises(ValueError, match="volume"):
        sections.cut(two_phase_grains.field.section(0, 0), "z")
