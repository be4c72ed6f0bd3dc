"""A folder of maps of parallel sections as one volume."""

import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation
from polyrve.microstructure.synthetic import MAGNESIUM


@pytest.fixture(scope="module")
def volume():
    return polyrve.make_specimen((5, 44, 50), grain_size=8.0, scatter=0.3, seed=1).field


def written(volume, folder, shifts=None):
    """One .dream3d file per section, cut out of it with a shift."""
    folder.mkdir()
    for i in range(len(volume.phase_ids)):
        y, x = (3, 4) if shifts is None else shifts[i]
        part = volume.section(0, i).evolve(periodic=False)[y : y + 36, x : x + 40]
        registry.write(part, folder / f"cut2_{10 + 2 * i}.dream3d")
    return folder


def test_a_folder_is_read_as_the_volume(volume, tmp_path, recwarn):
    found = polyrve.read(written(volume, tmp_path / "stack"), distance=2.5)
    assert found.shape == (5, 36, 40)
    assert found.spacing == (2.5, 1.0, 1.0)
    expected = volume.quaternions[:, 3:39, 4:44]
    assert rotation.disorientation_angle(found.quaternions, expected, volume.phases[0].symmetry).max() < 1e-5
    assert found.provenance["alignment"] == {"shifts_points": [[0, 0]] * 5, "undone": False}
    assert not recwarn.list


def test_shifted_sections_are_told_and_moved_back_on_request(volume, tmp_path):
    places = [(3, 4), (3, 4), (5, 4), (5, 1), (5, 1)]
    folder = written(volume, tmp_path / "stack", places)
    with pytest.warns(
        UserWarning, match="sections are shifted against each other, by up to 3 points in all; --read al"
    ):
        found = polyrve.read(folder, distance=1.0)
    shifts = [[0, 0], [0, 0], [-2, 0], [0, 3], [0, 0]]
    assert found.provenance["alignment"] == {"shifts_points": shifts, "undone": False}
    moved = polyrve.read(folder, distance=1.0, align=True)
    assert moved.provenance["alignment"] == {"shifts_points": shifts, "undone": True}
    assert moved.shape == (5, 34, 37)
    expected = volume.quaternions[:, 5:39, 4:41]
    assert rotation.disorientation_angle(moved.quaternions, expected, volume.phases[0].symmetry).max() < 1e-5


def test_stacks_that_do_not_fit_together_are_refused(volume, tmp_path):
    folder = written(volume, tmp_path / "stack")
    one = folder / "cut2_14.dream3d"
    section = registry.read(one)
    cases = (
        (
            section.evolve(spacing=(1.0, 2.0)),
            r"cut2_14.*expected a step of \(1\.0, 1\.0\), as of cut2_10.*got \(1\.0, 2",
        ),
        (section[:30], r"cut2_14.*expected points along y and x: \(36, 40\), as of cut2_10.*got \(30, 40\)"),
        (section.evolve(phases=(MAGNESIUM,)), r"cut2_14.*expected the phases .*Aluminium.*got .*Magnesium"),
    )
    for other, message in cases:
        registry.write(other, one, force=True)
        with pytest.raises(FormatError, match=message):
            polyrve.read(folder, distance=1.0)
    one.unlink()
    with pytest.raises(FormatError, match="expected a section for each number from 10 to 18; got none for 14"):
        polyrve.read(folder, distance=1.0)
    for distance in (None, 0.0, -1.0):
        with pytest.raises(FormatError, match="expected the distance of the sections of this folder in um"):
            polyrve.read(folder, distance=distance)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FormatError, match="expected a file, maps of serial sections, or a folder"):
        polyrve.read(tmp_path / "empty", distance=1.0)
