import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames, rotation

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data files beside the repository")


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


@needs_data
def test_magnesium_with_twins():
    scan = read(DATA / "twins.ctf", frame="none")
    assert scan.shape == (137, 167)
    assert scan.spacing == (0.3, 0.3)
    assert (scan.phases[0].name, scan.phases[0].laue, scan.phases[0].space_group) == ("Magnesium", "6/mmm", 194)
    assert (~scan.indexed).sum() == 46, "phase 0, 0.2 %; the 726 points of a phase with error 3 have been filled in"
    expected = rotation.from_euler(np.deg2rad([175.94, 98.663, 15.470 - 30.0]))
    assert rotation.disorientation_angle(scan.quaternions[0, 1], expected, scan.phases[0].symmetry) < 1e-7
    assert scan.properties["BC"][0, 1] == 127


@needs_data
def test_orix_reads_the_same_but_for_the_crystal_axis():
    from orix.io import load

    theirs = load(str(DATA / "twins.ctf"))
    ours = read(DATA / "twins.ctf", frame="none")
    np.testing.assert_array_equal(ours.indexed.ravel(), theirs.is_indexed)
    vendor = reference_frames.vendor_crystal_frame(ours.quaternions, ours.phases[0], "a*")
    same = np.abs(np.sum(vendor.reshape(-1, 4) * theirs.rotations.data, axis=1))
    np.testing.assert_allclose(same[ours.indexed.ravel()], 1.0, atol=1e-12)


@needs_data
def test_decimal_commas():
    us, european = read(DATA / "Test_US_1.ctf"), read(DATA / "Test_European_1.ctf")
    np.testing.assert_array_equal(us.quaternions, european.quaternions)
    assert us.spacing == european.spacing == (0.5, 0.5)
    assert us.phases == european.phases
    assert us.phases[0].lattice == (3.231, 3.231, 5.148, 90.0, 90.0, 120.0)


@needs_data
def test_no_cells():
    with pytest.raises(FormatError, match=r"ZeroXYCells\.ctf, line 5: expected XCells of at least 1; got 0"):
        read(DATA / "ZeroXYCells.ctf")


def changed(samples, crystals, tmp_path, *replacements, several=True, shape=(4, 5)):
    truth = crystals(shape, several=several)
    path = samples["ctf"].write(truth, tmp_path)
    text = path.read_bytes()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(text)
    return truth, path


def test_latin_1_names(samples, crystals, tmp_path):
    _, path = changed(samples, crystals, tmp_path, (b"Quartz", "Quartz µ-α".encode("latin-1", "replace")))
    assert read(path).phases[1].name == "Quartz µ-?"


def test_utf_8_names_and_marks_after_the_end(samples, crystals, tmp_path):
    truth, path = changed(samples, crystals, tmp_path, (b"Quartz", "α-Quartz".encode()))
    path.write_bytes(path.read_bytes() + b"\x1a" + b"\0" * 100)
    scan = read(path)
    assert scan.phases[1].name == "α-Quartz"
    np.testing.assert_array_equal(scan.phase_ids, truth.phase_ids)


def test_a_z_column_that_the_lines_do_not_have(samples, crystals, tmp_path):
    replacements = ((b"X\tY\tBands", b"X\tY\tZ\tBands"), (b"YStep\t0.25", b"YStep\t0.25\r\nZCells\t1\r\nZStep\t0"))
    truth, path = changed(samples, crystals, tmp_path, *replacements)
    np.testing.assert_array_equal(read(path).phase_ids, truth.phase_ids)


def test_further_columns(samples, crystals, tmp_path):
    _, path = changed(
        samples, crystals, tmp_path, (b"BC\tBS\r\n", b"BC\tBS\tGrainIndex\r\n"), (b"\t200\r\n", b"\t200\t7\r\n")
    )
    path.write_bytes(path.read_bytes().replace(b"Mag\t200\t7", b"Mag\t200"))
    assert (read(path).properties["GrainIndex"] == 7).all()


def test_acquisition_angles_are_part_of_cs0(samples, crystals, tmp_path):
    _, path = changed(samples, crystals, tmp_path, (b"AcqE1\t0", b"AcqE1\t90"))
    scan = read(path)
    quarter = rotation.from_euler(np.deg2rad([90.0, 0, 0]))
    assert scan.frame.map_to_euler == reference_frames.named("oxford-cs0", specimen_orientation=quarter).map_to_euler
    assert scan.provenance["frame"]["map_to_euler"] == list(scan.frame.map_to_euler)


def test_unindexed_points_are_not_turned(samples, crystals, tmp_path):
    truth, path = changed(samples, crystals, tmp_path)
    scan = read(path)
    assert (scan.quaternions[truth.phase_ids == 0] == (1, 0, 0, 0)).all()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Channel Text File", b"Something else", "line 1: expected 'Channel Text File'"),
        (b"Phase\tX", b"Fase\tX", "expected a line of column names"),
        (b"Phases\t5", b"Phases\t99", r"line 13: expected 1 \.\.\. 5 phases; got 99"),
        (b"Euler2", b"Euler9", r"line 19: expected a column Euler2"),
        (b"\t9\t194", b"\t12\t194", r"line 14: expected six lattice constants and a Laue group 1 \.\.\. 11"),
        (
            b"XCells\t5",
            b"XCells\t123456789123456789",
            r"expected data for a grid of 4 x 123456789123456\d+ points; got 20",
        ),
        (b"XCells\t5", b"XCells\t6", "expected 24 points .* got 20: the file ends early"),
        (b"XCells\t5", b"XCells\t4", "expected 16 points .* got 20"),
        (b"XCells\t5\r\n", b"", "expected a number for XCells"),
        (b"XStep\t0.5", b"XStep\t0", "expected a positive XStep; got 0"),
        (b"\t200\r\n5\t", b"\t200\r\n9\t", "Phase: expected a phase 0 ... 5; got 9 at point 4"),
    ],
)
def test_errors(samples, crystals, tmp_path, old, new, reason):
    _, path = changed(samples, crystals, tmp_path, (old, new))
    with pytest.raises(FormatError, match=reason):
        read(path)
