import struct

import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames, rotation


def project(
    tmp_path, change=lambda text: text, surface=(0, 90, 0), rows=3, columns=4, degrees=False, fields=(3, 4, 5, 7)
):
    """A project of one phase whose points have phi1, PHI, phi2 and BC, and X and Y where they are among the fields."""
    text = f"""[General]
Version=5.0
JobMode=RegularGrid
[Job]
xCells={columns}
yCells={rows}
GridDistX=0.5
GridDistY=0.25
[Acquisition Surface]
Euler1={surface[0]}
Euler2={surface[1]}
Euler3={surface[2]}
[Phases]
Count=1
[Phase1]
StructureName=Copper
a=3.61
b=3.61
c=3.61
alpha=90
beta=90
gamma=90
LaueGroup=11
SpaceGroup=225
[Fields]
Count={len(fields)}
""" + "".join(f"Field{i}={number}\n" for i, number in enumerate(fields, start=1))
    path = tmp_path / "p.cpr"
    path.write_text(change(text).replace("\n", "\r\n"))
    records = b""
    for i in range(rows * columns):
        angles = np.array([10.0 + 20 * i, 30.0 + i, 50.0 + i])
        values = {
            **dict(zip((3, 4, 5), angles if degrees else np.deg2rad(angles), strict=True)),
            7: i, 1: i % columns * 0.5, 2: i // columns * 0.25,
        }  # fmt: skip
        records += b"\1" + b"".join(struct.pack("<B" if n == 7 else "<f", values[n]) for n in fields)
    path.with_suffix(".crc").write_bytes(records)
    return path


@pytest.mark.parametrize(
    "name", ["AcquisitionSurface", "acquisition surface", "ACQUISITION  Surface", "Acquisition_Surface"]
)
def test_names_of_sections_with_and_without_blanks(tmp_path, name):
    path = project(tmp_path, lambda text: text.replace("Acquisition Surface", name))
    with pytest.warns(reference_frames.FrameWarning):
        scan = polyrve.read(path)
    turn = rotation.from_euler(np.deg2rad([0.0, 90.0, 0.0]))
    expected = reference_frames.named("oxford-cs0", "vendor default", turn)
    assert scan.frame.map_to_euler == pytest.approx(expected.map_to_euler)
    assert not scan.frame.turns_as(reference_frames.PRESETS["oxford-cs0"])


@pytest.mark.parametrize("change", [
    lambda text: text.replace("[Job]", "[ JOB ]").replace("xCells", "X Cells").replace("GridDistX", "Grid Dist X"),
    lambda text: text.replace("[Phases]", "[phases]").replace("[Phase1]", "[Phase 1]").replace("[Fields]", "[FIELDS]"),
])  # fmt: skip
def test_blanks_and_case_of_other_sections_and_keys(tmp_path, change):
    scan = polyrve.read(project(tmp_path, change), frame="none")
    assert (scan.shape, scan.spacing, scan.phases[0].name) == ((3, 4), (0.25, 0.5), "Copper")
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions[1, 2])), [130, 36, 56], atol=1e-4)


def test_the_origin_is_half_a_step_before_the_first_point(tmp_path):
    assert polyrve.read(project(tmp_path), frame="none").origin == (-0.125, -0.25)
    assert polyrve.read(project(tmp_path, fields=(1, 2, 3, 4, 5, 7)), frame="none").origin == (-0.125, -0.25)


def test_an_interrupted_scan(tmp_path):
    path = project(tmp_path, lambda text: text.replace("yCells=3", "yCells=9"))
    points = path.with_suffix(".crc")
    points.write_bytes(points.read_bytes()[:-20])
    with pytest.raises(FormatError, match=r"expected 9 x 4 points of 14 bytes .* partial=true"):
        polyrve.read(path, frame="none")
    with pytest.warns(UserWarning, match="3 of the 9 rows are read; in the last one 2 points are missing"):
        scan = polyrve.read(path, frame="none", partial=True)
    assert (scan.shape, scan.indexed.sum()) == ((3, 4), 10)
    assert scan.properties["BC"][1, 3] == 7


def test_coordinates_win_over_a_header_that_says_otherwise(tmp_path):
    change = lambda text: text.replace("yCells=3", "yCells=4")  # noqa: E731
    with pytest.raises(FormatError, match="expected 4 x 4 points"):
        polyrve.read(project(tmp_path, change), frame="none")
    with pytest.warns(UserWarning, match="header says 4 x 4 points .* 3 x 4 points of step 0.25 x 0.5 um are read"):
        assert polyrve.read(project(tmp_path, change, fields=(1, 2, 3, 4, 5, 7)), frame="none").shape == (3, 4)


def test_angles_in_degrees(tmp_path):
    path = project(tmp_path, degrees=True)
    with pytest.raises(FormatError, match=r"in rad; got up to .*degrees=true"):
        polyrve.read(path, frame="none")
    scan = polyrve.read(path, frame="none", degrees=True)
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions[1, 2])), [130, 36, 56], atol=1e-4)


def test_single_points_are_told(tmp_path):
    def interactive(text):
        text = text.replace("RegularGrid", "Interactive").replace("xCells=4\nyCells=3\n", "NoOfPoints=12\n")
        return text.replace("GridDistX=0.5\nGridDistY=0.25\n", "")

    with pytest.raises(
        FormatError, match=r"\[Job\]: expected a map on a grid; got 12 single points \(JobMode Interactive\)"
    ):
        polyrve.read(project(tmp_path, interactive), frame="none")


@pytest.mark.parametrize("key", ["xCells=", "GridDistX=", "a=", "LaueGroup=", "Count="])
def test_errors_are_short_and_without_control_characters(tmp_path, key):
    junk = "\x1b[31m" * 5000 + "\0" * 5000
    with pytest.raises(FormatError) as caught:
        polyrve.read(project(tmp_path, lambda text: text.replace(f"\n{key}", f"\n{key}{junk}", 1)), frame="none")
    assert str(caught.value).isprintable()
    assert len(caught.value.reason) < 300
