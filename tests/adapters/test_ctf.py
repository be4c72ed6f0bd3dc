import gzip
import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters.ebsd.orix_bridge import to_orix
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
        (b"YCells\t4", b"YCells\t9", r"expected 45 points .* got 20: the file ends early; partial=true"),
        (b"XCells\t5\r\n", b"XCells\t\r\n", "expected a number for XCells; got ''"),
        (b"XStep\t0.5", b"XStep\t0", "expected a positive XStep; got 0"),
        (b"\t200\r\n5\t", b"\t200\r\n9\t", "Phase: expected a phase 0 ... 5; got 9 at point 4"),
    ],
)
def test_errors(samples, crystals, tmp_path, old, new, reason):
    _, path = changed(samples, crystals, tmp_path, (old, new))
    with pytest.raises(FormatError, match=reason):
        read(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"XCells\t5", b"XCells\t6", "header says 4 x 6 points"),
        (b"XCells\t5", b"XCells\t4", "header says 4 x 4 points"),
        (b"YCells\t4", b"YCells\t5", "header says 5 x 5 points"),
        (b"XStep\t0.5", b"XStep\t0.05", "of step 0.25 x 0.05 um"),
        (b"XCells\t5\r\n", b"", "no line XCells"),
        (b"XStep\t0.5\r\nYStep\t0.25\r\n", b"", "no line XStep, YStep"),
    ],
)
def test_the_grid_of_the_coordinates_wins(samples, crystals, tmp_path, old, new, words):
    truth, path = changed(samples, crystals, tmp_path, (old, new))
    with pytest.warns(
        UserWarning, match=f"{words}.*4 x 5 points of step 0.25 x 0.5 um are read, as the coordinates say"
    ):
        scan = polyrve.read(path, frame="none")
    np.testing.assert_array_equal(scan.phase_ids, truth.phase_ids)
    assert scan.spacing == truth.spacing


def test_a_volume_whose_header_says_another_grid(samples, crystals, tmp_path):
    truth, path = changed(samples, crystals, tmp_path, (b"ZCells\t3", b"ZCells\t4"), shape=(3, 4, 5))
    with pytest.warns(UserWarning, match="header says 4 x 4 x 5 points"):
        scan = polyrve.read(path, frame="none")
    np.testing.assert_array_equal(scan.phase_ids, truth.phase_ids)


HEADER = """Channel Text File
Prj\tp
Author\t[Unknown]
JobMode\tGrid
XCells\t{columns}
YCells\t{rows}
XStep\t0.5
YStep\t0.5
AcqE1\t0
AcqE2\t0
AcqE3\t0
Euler angles refer to Sample Coordinate system (CS0)!
Phases\t1
{lattice}\t{phase}
Phase\tX\tY\tBands\tError\tEuler1\tEuler2\tEuler3\tMAD\tBC\tBS
"""


def written(
    tmp_path,
    rows=3,
    columns=4,
    lattice="3.6;3.6;3.6\t90;90;90",
    phase="Copper\t11\t225",
    change=lambda t: t,
    place=None,
):
    lines = []
    for r in range(rows):
        for c in range(columns):
            x, y = place(r, c) if place else (0.5 * c, 0.5 * r)
            lines.append(f"1\t{x:.4f}\t{y:.4f}\t8\t0\t{10 + 20 * r + c}\t{30 + r + c}\t{50 + c}\t0.5\t100\t200")
    text = HEADER.format(rows=rows, columns=columns, lattice=lattice, phase=phase) + "\n".join(lines) + "\n"
    path = tmp_path / "map.ctf"
    path.write_text(change(text))
    return path


def test_a_hexagonal_grid(tmp_path):
    path = written(
        tmp_path,
        4,
        5,
        place=lambda r, c: (c + r % 2 / 2, r * 3**0.5 / 2),
        change=lambda t: t.replace("Step\t0.5", "Step\t1"),
    )
    with pytest.warns(UserWarning, match="hexagonal grid of 4 rows of 5 and 5 points, step 1 um"):
        scan = polyrve.read(path, frame="none")
    assert scan.spacing == pytest.approx((0.866, 0.866), abs=1e-3)
    assert scan.indexed.all()
    phi1 = np.rad2deg(rotation.to_euler(scan.quaternions)[..., 0])
    np.testing.assert_allclose(phi1[:, 0], [10, 30, 50, 70], atol=1e-6)
    assert any("hexagonal" in step for step in scan.provenance["steps"])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_last_columns_that_the_lines_do_not_have(tmp_path, count):
    def cut(text):
        head, body = text.split("BS\n")
        return head + "BS\n" + "\n".join("\t".join(line.split("\t")[:-count]) for line in body.splitlines()) + "\n"

    absent = ", ".join(["MAD", "BC", "BS"][-count:])
    with pytest.warns(
        UserWarning, match=rf"line 15 names 11 columns; the lines have {11 - count}, and {absent} is left"
    ):
        scan = polyrve.read(written(tmp_path, change=cut), frame="none")
    assert scan.indexed.all()
    assert list(scan.properties) == ["Bands", "Error", "MAD", "BC", "BS"][: 5 - count]


def test_what_an_interrupted_scan_holds(tmp_path):
    path = written(tmp_path, change=lambda t: t.replace("YCells\t3", "YCells\t10")[:-60])
    with pytest.raises(FormatError, match="partial=true"):
        read(path)
    with pytest.warns(UserWarning, match="header says 10 x 4 points; 3 x 4 are read, of which 2 are missing"):
        scan = polyrve.read(path, frame="none", partial=True)
    assert (scan.shape, scan.indexed.sum()) == ((3, 4), 10)


def test_single_points_are_told(tmp_path):
    def interactive(text):
        start, end = text.index("JobMode"), text.index("AcqE1")
        return text[:start] + "JobMode\tInteractive\nNoMeas\t12\n" + text[end:]

    with pytest.raises(
        FormatError, match=r"line 4: expected a map on a grid; got 12 single points \(JobMode Interactive\)"
    ):
        read(written(tmp_path, change=interactive))


def test_angles_in_rad(tmp_path):
    def in_rad(text):
        head, body = text.split("BS\n")
        rows = [line.split("\t") for line in body.splitlines()]
        rows = [[*r[:5], *(f"{np.deg2rad(float(v)):.6f}" for v in r[5:8]), *r[8:]] for r in rows]
        return head + "BS\n" + "\n".join("\t".join(r) for r in rows) + "\n"

    degrees = read(written(tmp_path), frame="none")
    path = written(tmp_path, change=in_rad)
    with pytest.warns(UserWarning, match=r"in degrees; got up to .* degrees=false"):
        polyrve.read(path, frame="none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan = polyrve.read(path, frame="none", degrees=False)
    np.testing.assert_allclose(scan.quaternions, degrees.quaternions, atol=1e-6)


HEXAGONAL = {"lattice": "3.2;3.2;5.2\t90;90;120", "phase": "Magnesium\t9\t194"}
TRIGONAL = {"lattice": "4.9;4.9;5.4\t90;90;120", "phase": "Quartz\t7\t152"}
PROGRAMS = {
    "MTEX": lambda t: t.replace("\t225\n", "\t0\t\t\tCreated from mtex\n").replace("Prj\tp", "Prj /some/where/p.ctf"),
    "ASTAR": lambda t: t.replace("[Unknown]", "File created from ACOM RES results"),
    "EMsoft": lambda t: t.replace("Prj\tp", "EMsoft\t v. 5_0_2; BANDS=pattern index, MAD=CI, BC=OSM, BS=IQ"),
    "Oxford": lambda t: t,
}


@pytest.mark.parametrize(
    ("program", "frame"), [("MTEX", "none"), ("ASTAR", "none"), ("EMsoft", "edax-4"), ("Oxford", "oxford-cs0")]
)
def test_programs_are_told_apart(tmp_path, program, frame):
    with pytest.warns(reference_frames.FrameWarning, match=f"frame '{frame}'"):
        scan = polyrve.read(written(tmp_path, change=PROGRAMS[program]))
    assert (scan.frame.name, scan.frame.source) == (frame, "vendor default")
    names = {"EMsoft": ["Bands", "Error", "DP", "OSM", "IQ"]}.get(program, ["Bands", "Error", "MAD", "BC", "BS"])
    assert list(scan.properties) == names


def test_a_map_of_emsoft_is_the_same_as_ctf_and_as_ang(tmp_path):
    """EMsoft writes phi1 - 90 degrees to a .ctf, and phi2 - 30 for 6/m and 6/mmm, of what it writes to an .ang."""
    rng = np.random.default_rng(0)
    for crystal, symmetry, less in ((HEXAGONAL, 62, 30.0), (TRIGONAL, 32, 0.0)):
        angles = np.round(rng.uniform([0, 10, 40], [360, 170, 300], (6, 3)), 3)
        turned = (angles - [90.0, 0.0, less]) % 360
        rows = [
            f"1\t{i % 3 * 0.5}\t{i // 3 * 0.5}\t7\t0\t" + "\t".join(f"{v:.3f}" for v in a) + "\t.9\t1\t2"
            for i, a in enumerate(turned)
        ]
        ctf = tmp_path / "e.ctf"
        ctf.write_text(PROGRAMS["EMsoft"](HEADER.format(rows=2, columns=3, **crystal)) + "\n".join(rows) + "\n")
        head = [
            "# EMsoft", "# Phase 1", "# MaterialName x", f"# Symmetry {symmetry}",
            "# LatticeConstants 3.2 3.2 5.2 90 90 120", "# GRID: SqrGrid", "# XSTEP: 0.5", "# YSTEP: 0.5",
            "# NCOLS_ODD: 3", "# NROWS: 2",
        ]  # fmt: skip
        body = [
            " ".join(f"{v:.8f}" for v in np.deg2rad(a)) + f" {i % 3 * 0.5} {i // 3 * 0.5} 9 .9 0"
            for i, a in enumerate(angles)
        ]
        ang = tmp_path / "e.ang"
        ang.write_text("\n".join([*head, *body]) + "\n")
        a, b = read(ctf), read(ang)
        off = rotation.disorientation_angle(a.quaternions, b.quaternions, a.phases[0].symmetry)
        assert off.max() < 1e-5, "the same crystals, up to symmetry; file angles have 1e-3 degrees"


@pytest.mark.parametrize("program", ["MTEX", "ASTAR"])
@pytest.mark.parametrize("crystal", [HEXAGONAL, TRIGONAL])
def test_crystal_axes_that_nobody_says(tmp_path, program, crystal):
    change = PROGRAMS[program]
    path = written(tmp_path, change=lambda t: change(t).replace("\t194\n", "\t0\t\t\tCreated from mtex\n").replace(
        "\t152\n", "\t0\t\t\tCreated from mtex\n") if program == "MTEX" else change(t), **crystal)  # fmt: skip
    with pytest.warns(UserWarning, match=f"{program} does not say what lies along x .* x_axis=a"):
        assumed = polyrve.read(path, frame="none")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        a, star = polyrve.read(path, frame="none", x_axis="a"), polyrve.read(path, frame="none", x_axis="a*")
    np.testing.assert_array_equal(assumed.quaternions, star.quaternions)
    turn = rotation.from_euler(np.deg2rad([0.0, 0.0, -30.0]))
    same = np.abs(np.sum(star.quaternions * rotation.multiply(turn, a.quaternions), axis=-1))
    np.testing.assert_allclose(same, 1.0, atol=1e-12)


@pytest.mark.parametrize("program", ["MTEX", "ASTAR", "Oxford"])
def test_orix_tells_the_same_angles_and_points(tmp_path, program):
    from orix.io import load

    path = written(tmp_path, change=PROGRAMS[program])
    theirs, ours = load(str(path)), read(path, frame="none")
    matrices = theirs.rotations.to_matrix().reshape(3, 4, 3, 3)
    np.testing.assert_allclose(rotation.to_matrix(ours.quaternions), matrices, atol=1e-12)
    back = to_orix(ours)
    np.testing.assert_allclose(back.x, theirs.x, atol=1e-12)
    np.testing.assert_allclose(back.y, theirs.y, atol=1e-12)


def test_header_lines_with_blanks_for_tabs(tmp_path):
    def blanks(text):
        head, body = text.split("BS\n")
        return (
            head.replace("\t", "  ").replace(
                "3.6;3.6;3.6  90;90;90  Copper  11  225", "3.6;3.6;3.6\t90;90;90\tCopper\t11\t225"
            )
            + "BS\n"
            + body
        )

    np.testing.assert_array_equal(
        read(written(tmp_path, change=blanks)).quaternions, read(written(tmp_path)).quaternions
    )


@pytest.mark.parametrize("junk", ["\0" * 20000, "\x1b[31m" * 3000, "\u202e" * 5000])
@pytest.mark.parametrize("key", ["XCells\t", "Phases\t", "90;90;90", "Euler1"])
def test_errors_are_short_and_without_control_characters(tmp_path, key, junk):
    path = written(tmp_path, change=lambda t: t.replace(key, key + junk))
    with pytest.raises(FormatError) as caught:
        read(path)
    assert str(caught.value).isprintable()
    assert len(caught.value.reason) < 400


def test_control_characters_in_names_of_phases_and_columns(tmp_path):
    path = written(
        tmp_path, phase="Cop\x1b[31mper\x1b]0;title\x07\t11\t225", change=lambda t: t.replace("\tBS", "\tB\x1b[2JS")
    )
    scan = read(path)
    assert scan.phases[0].name == r"Cop\x1b[31mper\x1b]0;title\x07"
    assert r"B\x1b[2JS" in scan.properties


def test_packed_by_gzip(tmp_path):
    plain = written(tmp_path)
    packed = tmp_path / "map.ctf.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    np.testing.assert_array_equal(read(packed).quaternions, read(plain).quaternions)
