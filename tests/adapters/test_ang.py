import gzip
import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import DoubtWarning
from polyrve.crystallography import reference_frames, rotation
from polyrve.microstructure.quality import inspect

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the data files beside the repository")


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


def header(phases=((1, "Nickel", 43),), grid="SqrGrid", columns=3, rows=2, extra=()):
    lines = ["# TEM_PIXperUM 1.0", *extra]
    for number, name, symmetry in phases:
        lines += [f"# Phase {number}", f"# MaterialName  \t{name}", "# Formula", f"# Symmetry {symmetry}"]
        lines += ["# LatticeConstants 3.5 3.5 5.0 90.0 90.0 90.0", "#"]
    lines += [f"# GRID: {grid}", "# XSTEP: 0.500000", "# YSTEP: 0.433013" if grid == "HexGrid" else "# YSTEP: 0.250000"]
    return [*lines, f"# NCOLS_ODD: {columns}", f"# NCOLS_EVEN: {columns}", f"# NROWS: {rows}", "#"]


def points(rows=2, columns=3, phase=0, ci=0.5, tail="0 1.5"):
    return [
        f"  {0.1 * (r + 1):.5f} {0.2 * (c + 1):.5f} 0.30000 {c * 0.5:.5f} {r * 0.25:.5f} 99.0 {ci} {phase} {tail}"
        for r in range(rows)
        for c in range(columns)
    ]


def written(tmp_path, head, body, name="map.ang"):
    path = tmp_path / name
    path.write_text("\n".join([*head, *body]) + "\n")
    return path


@needs_data
def test_mtex_export_with_point_group_names():
    scan = read(DATA / "ebsd_316L_500x500.ang", frame="none")
    assert scan.shape == (169, 169)
    assert scan.spacing == (2.961, 2.961)
    assert [(p.name, p.laue, p.lattice) for p in scan.phases] == [
        ("Iron fcc", "m-3m", (3.66, 3.66, 3.66, 90.0, 90.0, 90.0))
    ]
    assert (~scan.indexed).sum() == 2151, "the rows of zeros that MTEX writes for points without data"
    np.testing.assert_allclose(rotation.to_euler(scan.quaternions[0, 1]), [3.56016, 0.91649, 0.56097], atol=1e-9)
    assert scan.properties["CI"][0, 1] == 177.0


@needs_data
def test_orix_reads_the_same_file():
    from orix.io import load

    theirs = load(str(DATA / "ebsd_316L_500x500.ang"), autogen_names=False)
    ours = read(DATA / "ebsd_316L_500x500.ang", frame="none")
    matrices = theirs.rotations.to_matrix().reshape(169, 169, 3, 3)
    np.testing.assert_allclose(rotation.to_matrix(ours.quaternions)[ours.indexed], matrices[ours.indexed], atol=1e-12)


@needs_data
def test_all_unindexed_and_broken_files():
    scan = read(DATA / "Test_1.ang")
    assert scan.shape == (4, 40)
    assert not scan.indexed.any()
    with pytest.raises(FormatError, match=r"ShortFile\.ang: expected 160 points .* got 88: the file ends early"):
        read(DATA / "ShortFile.ang")
    with pytest.raises(FormatError, match=r"MissingHeader_1\.ang: expected a header line NCOLS_ODD; got none"):
        read(DATA / "MissingHeader_1.ang")


def test_single_phase_zero_is_the_phase(tmp_path):
    assert read(written(tmp_path, header(), points(phase=0))).indexed.all()
    assert read(written(tmp_path, header(), points(phase=1))).indexed.all()
    assert read(written(tmp_path, header(((0, "Nickel", 43),)), points(phase=0))).indexed.all()


def test_single_phase_file_that_mixes_zero_and_the_phase(tmp_path):
    body = points(phase=1)
    body[2] = points(phase=0)[2]
    assert np.argwhere(~read(written(tmp_path, header(), body)).indexed).tolist() == [[0, 2]]


def test_several_phases_out_of_order(tmp_path):
    phases = ((3, "Third", 62), (1, "First", 43))
    body = points(phase=1)
    body[1], body[4] = points(phase=3)[1], points(phase=0)[4]
    scan = read(written(tmp_path, header(phases), body))
    assert [(p.name, p.laue) for p in scan.phases] == [("First", "m-3m"), ("Third", "6/mmm")]
    assert scan.phase_ids.tolist() == [[1, 2, 1], [1, 0, 1]]


def test_a_declared_phase_zero_among_several_is_a_phase(tmp_path):
    body = points(phase=1)
    body[1], body[4] = points(phase=0)[1], points(phase=-1)[4]
    scan = read(written(tmp_path, header(((1, "B", 62), (0, "A", 43))), body))
    assert scan.phase_ids.tolist() == [[2, 1, 2], [2, 0, 2]]


def test_unknown_phase_is_refused(tmp_path):
    with pytest.raises(FormatError, match=r"phase column: expected a phase of the header \(1, 3\); got 2 at point 0"):
        read(written(tmp_path, header(((3, "C", 62), (1, "A", 43))), points(phase=2)))


def test_marks_of_points_not_indexed(tmp_path):
    body = points()
    body[0] = points(ci=-1)[0]
    body[1] = body[1].replace("0.10000", "12.56637", 1)
    body[5] = "0 0 0 1.00000 0.25000 0.0 0.0 0 0 0"
    scan = read(written(tmp_path, header(), body))
    assert scan.indexed.tolist() == [[False, False, True], [True, True, False]]
    assert scan.provenance["steps"] == ["1 points with zero angles and zero quality taken as not indexed"]


def test_identity_orientations_without_any_quality_are_kept(tmp_path):
    body = [f"0 0 0 {c * 0.5} {r * 0.25} 0.0 0.0 0 0 0" for r in range(2) for c in range(3)]
    assert read(written(tmp_path, header(), body)).indexed.all()


def test_missing_rows_become_holes(tmp_path):
    body = points(3, 4)
    del body[5]
    path = written(tmp_path, header(columns=4, rows=3), body)
    with pytest.warns(UserWarning, match="1 of 12 points are missing; they are taken as not indexed"):
        scan = polyrve.read(path, frame="none")
    assert np.argwhere(~scan.indexed).tolist() == [[1, 1]]
    np.testing.assert_allclose(rotation.to_euler(scan.quaternions[2, 3]), [0.3, 0.8, 0.3])


def test_rows_in_any_order(tmp_path):
    body = points(3, 4)
    straight = read(written(tmp_path, header(columns=4, rows=3), body))
    shuffled = read(written(tmp_path, header(columns=4, rows=3), np.random.default_rng(0).permutation(body).tolist()))
    np.testing.assert_array_equal(straight.quaternions, shuffled.quaternions)


@pytest.mark.parametrize("kept", [1, 4, 9])
def test_truncation_is_refused(tmp_path, kept):
    path = written(tmp_path, header(columns=4, rows=3), points(3, 4)[:kept])
    with pytest.raises(FormatError, match=f"expected 12 points .* got {kept}: the file ends early"):
        read(path)


def test_sizes_beyond_the_file_are_refused_at_once(tmp_path):
    head = header(columns=10**8, rows=10**8)
    with pytest.raises(FormatError, match="expected data for a grid of 100000000 x 100000000 points; got 6 points"):
        read(written(tmp_path, head, points()))


def test_version_8_columns(tmp_path):
    extra = [
        "# VERSION 8", "# COLUMN_COUNT: 13",
        "# COLUMN_HEADERS: phi1, PHI, phi2, x, y, IQ, CI, Phase index, SEM, Fit, PRIAS Bottom Strip, EDS Ni K, CMV",
        "# COLUMN_UNITS: radians, radians, radians, microns, microns, , , , , degrees, , counts, ", "# NOTES: Start",
        "# Phase index: 0 for single phase, starting at 1 for multiphase", "# NOTES: End",
    ]  # fmt: skip
    scan = read(written(tmp_path, header(extra=extra), points(tail="7 1.5 11 222 3.25")))
    assert scan.indexed.all()
    assert list(scan.properties) == ["IQ", "CI", "SEM", "Fit", "PRIAS Bottom Strip", "EDS Ni K", "CMV"]
    assert scan.properties["EDS Ni K"][1, 2] == 222
    with pytest.raises(FormatError, match=r"line \d+: expected 13 columns .* got 10"):
        read(written(tmp_path, header(extra=extra), points()))


def test_angles_in_degrees_where_the_header_says_so(tmp_path):
    extra = [
        "# VERSION 8",
        "# COLUMN_HEADERS: phi1, PHI, phi2, x, y, IQ, CI, Phase index",
        "# COLUMN_UNITS: degrees, degrees",
    ]
    body = ["10 20 30 0 0 1 1 0", "11 21 31 0.5 0 1 1 0"]
    scan = read(written(tmp_path, header(columns=2, rows=1, extra=extra), body), frame="none")
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions)), [[[10, 20, 30], [11, 21, 31]]])


def test_version_7_with_prias_and_eds(tmp_path):
    scan = read(written(tmp_path, header(extra=["# VERSION 7"]), points(tail="7 1.5 11 12 13 14")))
    assert list(scan.properties)[:4] == ["IQ", "CI", "SEM", "Fit"]
    assert len(scan.properties) == 8


def test_phase_in_a_later_column(tmp_path):
    body = [line.rsplit(maxsplit=3)[0] + f" 1.37{i} 2 0.5" for i, line in enumerate(points())]
    scan = read(written(tmp_path, header(((1, "A", 43), (2, "B", 62))), body))
    assert (scan.phase_ids == 2).all()
    assert scan.properties["Fit"][0, 1] == 1.371


def test_mineral_names_in_the_phase_column(tmp_path):
    body = points(phase=1)
    body[3] = points(phase=2)[3]
    named = [line.replace(" 1 0 1.5", " Iron fcc 0 1.5").replace(" 2 0 1.5", " Iron bcc 0 1.5") for line in body]
    named[0] = points(phase="notIndexed")[0]
    scan = read(written(tmp_path, header(((1, "Iron fcc", 43), (2, "Iron bcc", 43))), named))
    assert scan.phase_ids.tolist() == [[0, 1, 1], [2, 1, 1]]


def test_astar(tmp_path):
    head = [
        "# File created from ACOM RES results", "# ni.res", "# MaterialName      Nickel", "# Formula", "# Symmetry 43",
        "# LatticeConstants 3.520 3.520 3.520 90.0 90.0 90.0", "# NumberFamilies 4", "# GRID: SqrGrid#",
    ]  # fmt: skip
    body = [f"0.1 0.{c + 1} 0.3 {c * 10.0:.3f} {r * 20.0:.3f} 40.1 0.6 1 60" for r in range(3) for c in range(4)]
    scan = read(written(tmp_path, head, body))
    assert (scan.shape, scan.frame.name) == ((3, 4), "none")
    assert scan.spacing == pytest.approx((0.02, 0.01))
    assert scan.indexed.all()
    assert list(scan.properties) == ["Index", "Reliability", "Reliability x 100"]


def test_emsoft(tmp_path):
    scan = read(written(tmp_path, ["# TEM_PIXperUM 1", "# EMsoft 5", *header()], points(tail="")))
    assert scan.frame.name == "edax-2"
    assert list(scan.properties) == ["IQ", "DP"]


def test_orix(tmp_path):
    from orix.crystal_map import CrystalMap, Phase, PhaseList
    from orix.io import save
    from orix.quaternion import Rotation

    y, x = (index.ravel() * step for index, step in zip(np.indices((3, 4)), (0.25, 0.5), strict=True))
    phase = np.array([0, 1, -1, 1] * 3)
    phases = PhaseList(phases={0: Phase("austenite", point_group="m-3m"), 1: Phase("quartz", point_group="321")})
    phases.add_not_indexed()
    angles = np.random.default_rng(0).uniform(0.1, 3.0, (12, 3))
    angles[0] = 0
    xmap = CrystalMap(
        Rotation.from_euler(angles),
        phase,
        x=x,
        y=y,
        phase_list=phases,
        scan_unit="um",
        prop={"ci": np.ones(12), "mine": x},
    )
    save(str(tmp_path / "orix.ang"), xmap, extra_prop=["mine"])
    scan = read(tmp_path / "orix.ang")
    assert scan.frame.name == "none"
    assert [(p.name, p.laue) for p in scan.phases] == [("austenite", "m-3m"), ("quartz", "-3m")]
    assert scan.phase_ids.tolist() == [[1, 2, 0, 2]] * 3
    expected = rotation.to_matrix(rotation.from_euler(angles)).reshape(3, 4, 3, 3)
    np.testing.assert_allclose(rotation.to_matrix(scan.quaternions)[scan.indexed], expected[scan.indexed], atol=2e-5)
    np.testing.assert_allclose(scan.properties["mine"][scan.indexed], x.reshape(3, 4)[scan.indexed])


def hexagonal(rows, odd, even, step=0.5):
    """A hexagonal grid whose phi1 is 1 + 0.01 x the number of the point; the header's rows 1, 3, ... start at x = 0."""
    lines, number = [], 0
    for r in range(rows):
        for c in range(odd if r % 2 == 0 else even):
            x = c * step + (step / 2 if r % 2 else 0.0)
            lines.append(f"{1 + 0.01 * number:.5f} 0.5 0.3 {x:.5f} {r * step * 3**0.5 / 2:.5f} 9 0.5 0 0 1.5")
            number += 1
    return lines


@pytest.mark.parametrize(("odd", "even"), [(5, 4), (5, 5)])
def test_hexagonal_grid_to_square(tmp_path, odd, even):
    rows, step = 4, 0.5
    head = header(grid="HexGrid", columns=odd, rows=rows)
    head = [line.replace(f"NCOLS_EVEN: {odd}", f"NCOLS_EVEN: {even}") for line in head]
    path = written(tmp_path, head, hexagonal(rows, odd, even))
    with pytest.warns(UserWarning, match="hexagonal grid .* is read as a square grid of 0.433013 um"):
        scan = polyrve.read(path, frame="none")
    dy = 0.433013
    assert scan.spacing == (dy, dy)
    assert any("nearest neighbour" in step for step in scan.provenance["steps"])
    x = np.concatenate([np.arange(odd if r % 2 == 0 else even) * step + r % 2 * step / 2 for r in range(rows)])
    y = np.concatenate([np.full(odd if r % 2 == 0 else even, r * dy) for r in range(rows)])
    found = np.rint((rotation.to_euler(scan.quaternions)[..., 0] - 1) / 0.01).astype(int)
    for (r, c), number in np.ndenumerate(found):
        distance = np.hypot(x - c * dy, y - r * dy)
        assert distance[number] <= distance.min() + 1e-9, (r, c)


def test_a_hexagonal_header_over_square_points(tmp_path):
    body = [line.replace("0.25000", "0.43301") for line in points()]
    path = written(tmp_path, header(grid="HexGrid"), body)
    with pytest.warns(
        UserWarning, match="header says a hexagonal grid of 2 rows of 3 and 3 .*2 x 3 points of step 0.43"
    ):
        scan = polyrve.read(path, frame="none")
    assert (scan.shape, scan.spacing) == ((2, 3), (0.43301, 0.5))


def without(head, *keys):
    """A header without lines of some keys."""
    return [line for line in head if not line.startswith(tuple(f"# {key}:" for key in keys))]


GRID_KEYS = ("XSTEP", "YSTEP", "NCOLS_ODD", "NCOLS_EVEN", "NROWS")


@pytest.mark.parametrize("absent", [(*GRID_KEYS, "GRID"), GRID_KEYS, ("NCOLS_ODD", "NCOLS_EVEN"), ("YSTEP",)])
def test_a_header_without_a_grid(tmp_path, absent):
    path = written(tmp_path, without(header(columns=4, rows=3), *absent), points(3, 4))
    with pytest.warns(UserWarning, match=f"no line .*{absent[0]}.*3 x 4 points of step 0.25 x 0.5 um"):
        scan = polyrve.read(path, frame="none")
    assert (scan.shape, scan.spacing) == ((3, 4), (0.25, 0.5))
    whole = read(written(tmp_path, header(columns=4, rows=3), points(3, 4)), frame="none")
    np.testing.assert_array_equal(scan.quaternions, whole.quaternions)


@pytest.mark.parametrize(("odd", "even"), [(5, 4), (5, 5), (4, 5)])
def test_an_old_hexagonal_file_without_steps_and_columns(tmp_path, odd, even):
    rows, step = 5, 0.5
    first = 0.0 if odd >= even else step / 2
    body, number = [], 0
    for r in range(rows):
        for c in range(odd if r % 2 == 0 else even):
            x = c * step + (first if r % 2 == 0 else step / 2 - first)
            body.append(f"{1 + 0.01 * number:.5f} 0.5 0.3 {x:.5f} {r * step * 3**0.5 / 2:.5f} 9 0.5 0 0 1.5")
            number += 1
    head = without(header(grid="HexGrid"), *GRID_KEYS)
    with pytest.warns(UserWarning, match=f"hexagonal grid of 5 rows of {odd} and {even} points, step 0.5 um"):
        scan = polyrve.read(written(tmp_path, head, body), frame="none")
    assert scan.shape[0] == rows
    assert scan.spacing == pytest.approx((0.4330125, 0.4330125), abs=1e-5)
    assert scan.indexed.all()
    found = np.rint((rotation.to_euler(scan.quaternions)[..., 0] - 1) / 0.01).astype(int)
    x, y = (np.array([float(line.split()[i]) for line in body]) for i in (3, 4))
    dy = scan.spacing[0]
    for (r, c), point in np.ndenumerate(found):
        distance = np.hypot(x - c * dy, y - r * dy)
        assert distance[point] <= distance.min() + 1e-4, (r, c)


def test_a_scan_without_an_orientation_is_not_mended(tmp_path):
    head = without(header(columns=4, rows=3), *GRID_KEYS)
    with pytest.raises(FormatError, match="expected a header line NCOLS_ODD; got none"):
        read(written(tmp_path, head, points(3, 4, ci=-1)))


@pytest.mark.parametrize(("rows", "columns"), [(4, 4), (3, 5), (3, 7), (2, 4), (4, 5)])
def test_a_header_of_another_grid_than_that_of_the_coordinates(tmp_path, rows, columns):
    """One row too many or too few, other columns, a map from before it was cropped."""
    path = written(tmp_path, header(columns=columns, rows=rows), points(3, 4))
    promise = (
        f"header says {rows} x {columns} points of step 0.25 x 0.5 um; 3 x 4 points of step 0.25 x 0.5 um are read"
    )
    with pytest.warns(UserWarning, match=promise):
        scan = polyrve.read(path, frame="none")
    assert scan.shape == (3, 4)
    assert scan.indexed.all()
    np.testing.assert_allclose(rotation.to_euler(scan.quaternions[2, 3]), [0.3, 0.8, 0.3])


@pytest.mark.parametrize("factor", [2, 3, 6])
@pytest.mark.parametrize("to_the_edge", [True, False])
def test_a_header_from_before_coarsening(tmp_path, factor, to_the_edge):
    extra = 1 if to_the_edge else factor
    head = header(columns=3 * factor + extra, rows=2 * factor + extra)
    head = [
        line.replace("0.500000", f"{0.5 / factor:.6f}").replace("0.250000", f"{0.25 / factor:.6f}") for line in head
    ]
    with pytest.warns(UserWarning, match="3 x 4 points of step 0.25 x 0.5 um are read, as the coordinates say"):
        scan = polyrve.read(written(tmp_path, head, points(3, 4)), frame="none")
    assert (scan.shape, scan.spacing) == ((3, 4), (0.25, 0.5))
    assert scan.indexed.all()


@pytest.mark.parametrize("kept", [3, 5, 10])
def test_what_an_interrupted_scan_holds(tmp_path, kept):
    body = points(3, 4)[:kept]
    path = written(tmp_path, header(columns=4, rows=3), body)
    with pytest.raises(FormatError, match="partial=true"):
        read(path)
    with pytest.warns(UserWarning, match="the header says 3 x 4 points"):
        scan = polyrve.read(path, frame="none", partial=True)
    assert scan.shape == (-(-kept // 4), min(kept, 4))
    assert scan.indexed.sum() == kept
    np.testing.assert_allclose(
        rotation.to_euler(scan.quaternions.reshape(-1, 4)[kept - 1])[0], float(body[-1].split()[0])
    )


def test_a_file_that_was_cut_within_a_line(tmp_path):
    path = written(tmp_path, header(columns=4, rows=3), points(3, 4)[:7])
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError, match=r"line \d+: expected 10 columns; got \d+: the file ends early; partial=true"):
        read(path)
    assert read(path, partial=True).indexed.sum() == 6


def test_a_hexagonal_scan_that_was_interrupted(tmp_path):
    head = header(grid="HexGrid", columns=5, rows=5)
    path = written(tmp_path, head, hexagonal(5, 5, 5)[:13])
    with pytest.raises(FormatError, match=r"expected 25 points .* got 13: the file ends early; partial=true"):
        read(path)
    assert read(path, partial=True).shape[0] == 3


def test_angles_in_degrees_without_a_word(tmp_path):
    body = [f"{100 + 7 * i} {30 + 5 * i} {200 + 3 * i} {i % 3 * 0.5} {i // 3 * 0.25} 9 0.5 0 1 1" for i in range(6)]
    path = written(tmp_path, header(), body)
    with pytest.raises(FormatError, match=r"in rad; got up to 135, 55, 215 .*degrees"):
        read(path)
    scan = read(path, frame="none", degrees=True)
    assert scan.indexed.all()
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions[0, 1])) % 360, [107, 35, 203])


def test_marks_of_points_not_indexed_among_degrees(tmp_path):
    body = [f"{100 + 7 * i} 30 200 {i % 3 * 0.5} {i // 3 * 0.25} 9 0.5 0 1 1" for i in range(6)]
    body[1] = "12.56637 12.56637 12.56637 0.5 0 9 0.5 0 1 1"
    body[4] = "720 720 720 0.5 0.25 9 0.5 0 1 1"
    scan = read(written(tmp_path, header(), body), degrees=True)
    assert np.argwhere(~scan.indexed).tolist() == [[0, 1], [1, 1]]


def test_lattice_angles_in_rad(tmp_path):
    head = [line.replace("90.0 90.0 90.0", "1.5708 1.5708 2.0944") for line in header(((1, "Mg", 62),))]
    path = written(tmp_path, head, points())
    with pytest.warns(UserWarning, match="lattice angles in degrees; got 1.5708, 1.5708, 2.0944, taken as rad"):
        scan = polyrve.read(path, frame="none")
    assert scan.phases[0].lattice[3:] == pytest.approx((90.0, 90.0, 120.0), abs=1e-3)


def test_phases_numbered_from_zero(tmp_path):
    body = points(phase=1)
    body[1], body[3] = points(phase=0)[1], points(phase=0)[3]
    path = written(tmp_path, header(((1, "A", 43), (2, "B", 43))), body)
    with pytest.warns(DoubtWarning, match="2 points of phase 0 have angles and a confidence index"):
        scan = polyrve.read(path, frame="none")
    assert scan.indexed.sum() == 4
    assert any("2 points of phase 0" in sentence for sentence in inspect(scan).suspicions)
    body[1], body[3] = points(phase=0, ci=-1)[1], points(phase=0, ci=-1)[3]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DoubtWarning)
        assert (
            polyrve.read(written(tmp_path, header(((1, "A", 43), (2, "B", 43))), body), frame="none").indexed.sum() == 4
        )


def test_two_phases_of_one_name(tmp_path):
    head = header(((2, "Ti", 43), (1, "Ti", 62)))
    scan = read(written(tmp_path, head, points(phase=2)))
    assert [(phase.name, phase.laue) for phase in scan.phases] == [("Ti", "6/mmm"), ("Ti (2)", "m-3m")]
    assert (scan.phase_ids == 2).all()
    assert "phase 2 is called Ti (2)" in scan.provenance["steps"][0]


@pytest.mark.parametrize("tail", ["\0" * 30000, "\x1b[31m" * 2000, "x" * 50000])
@pytest.mark.parametrize(
    "key", ["Symmetry 43", "LatticeConstants 3.5 3.5 5.0 90.0 90.0 90.0", "XSTEP: 0.500000", "GRID: SqrGrid"]
)
def test_endless_values_and_control_characters_in_errors(tmp_path, key, tail):
    head = [line + tail if line == f"# {key}" else line for line in header()]
    with pytest.raises(FormatError) as caught:
        read(written(tmp_path, head, points()))
    assert str(caught.value).isprintable()
    assert len(caught.value.reason) < 400
    assert caught.value.where.startswith("line ")


def test_control_characters_in_names(tmp_path):
    scan = read(written(tmp_path, header(((1, "Ni\x1b[31mckel\x07" + "x" * 500, 43),)), points()))
    assert scan.phases[0].name.startswith("Ni\\x1b[31mckel\\x07xxx")
    assert len(scan.phases[0].name) < 150


@pytest.mark.parametrize("name", ["map.ang.gz", "map.ang"])
def test_packed_by_gzip(tmp_path, name):
    plain = written(tmp_path, header(), points(), "plain.ang")
    packed = tmp_path / name
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    scan = read(packed)
    np.testing.assert_array_equal(scan.quaternions, read(plain).quaternions)
    assert scan.provenance["sha256"] == hashlib.sha256(packed.read_bytes()).hexdigest()


def test_errors_tell_the_line(tmp_path):
    head = header()
    body = points()
    number = len(head) + 4
    for line, reason in (
        ("1 2 3", "expected 10 columns; got 3"),
        (body[3].replace("99.0", "9x"), "expected a number; got '9x'"),
    ):
        broken = [*body[:3], line, *body[4:]]
        with pytest.raises(FormatError, match=rf"map\.ang, line {number}: {reason}"):
            read(written(tmp_path, head, broken))
    with pytest.raises(FormatError, match=r"line 5: expected a symmetry number such as 43 .*; got 'q7'"):
        read(written(tmp_path, header(((1, "Ni", "q7"),)), body))
    with pytest.raises(FormatError, match=r"line \d+: expected a positive number for XSTEP; got 'abc'"):
        read(
            written(
                tmp_path,
                [line.replace("XSTEP: 0.500000", "XSTEP: abc") if "XSTEP" in line else line for line in head],
                body,
            )
        )


@pytest.mark.parametrize("change", [
    lambda text: b"\xef\xbb\xbf" + text,
    lambda text: text + b"\x1a",
    lambda text: text + b"\0" * 5000,
    lambda text: text.replace(b".", b","),
], ids=["byte order mark", "end of file", "NULs", "decimal commas"])  # fmt: skip
def test_what_editors_and_copying_do_to_a_file(tmp_path, change):
    path = written(tmp_path, header(), points())
    before = read(path)
    path.write_bytes(change(path.read_bytes()))
    after = read(path)
    np.testing.assert_array_equal(after.quaternions, before.quaternions)
    assert (after.shape, after.spacing, after.phases) == (before.shape, before.spacing, before.phases)


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_names_in_utf_8_and_latin_1(tmp_path, coding):
    name = {"utf-8": "α-Iron", "latin-1": "µ-Iron"}[coding]
    path = tmp_path / "map.ang"
    path.write_bytes("\n".join([*header(((1, name, 43),)), *points(phase=name)]).encode(coding))
    scan = read(path)
    assert scan.phases[0].name == name
    assert scan.indexed.all()


@pytest.mark.parametrize(("rows", "columns", "axis"), [(3, 1, "X"), (1, 3, "Y")])
def test_a_single_column_or_row_needs_no_step(tmp_path, rows, columns, axis):
    step = {"X": "0.500000", "Y": "0.250000"}[axis]
    head = [line.replace(f"{axis}STEP: {step}", f"{axis}STEP: 0.0") for line in header(rows=rows, columns=columns)]
    scan = read(written(tmp_path, head, points(rows, columns)))
    assert scan.shape == (rows, columns)
    assert scan.spacing == {"X": (0.25, 0.25), "Y": (0.5, 0.5)}[axis]
    wide = [line.replace("NCOLS_ODD: 1", "NCOLS_ODD: 2").replace("NROWS: 1", "NROWS: 2") for line in head]
    with pytest.raises(FormatError, match=f"expected a positive number for {axis}STEP; got '0.0'"):
        read(written(tmp_path, wide, points(rows, columns)))


def test_fixed_width_lines_and_free_ones_read_the_same(tmp_path):
    rng = np.random.default_rng(5)
    values = np.column_stack([rng.uniform(0, 3, (6, 3)), np.tile([0, 0.5, 1], 2), np.repeat([0, 0.25], 3)])
    form = " {:9.5f} {:9.5f} {:9.5f} {:9.5f} {:9.5f}   -3.5 0.500  0 -12 1.500 "
    fixed = [form.format(*row) for row in values]
    free = [" ".join(line.split()) + " " * (i % 3) for i, line in enumerate(fixed)]
    a, b = read(written(tmp_path, header(), fixed)), read(written(tmp_path, header(), free, "free.ang"))
    np.testing.assert_array_equal(a.quaternions, b.quaternions)
    for name in a.properties:
        np.testing.assert_array_equal(a.properties[name], b.properties[name])
    assert a.properties["IQ"][0, 0] == -3.5


def test_windows_line_ends(tmp_path):
    path = written(tmp_path, header(), points())
    expected = read(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    np.testing.assert_array_equal(read(path).quaternions, expected.quaternions)


def test_frame_object(tmp_path):
    frame = reference_frames.Frame("custom", (0.0, 0.0, 0.0, 1.0), "user")
    path = written(tmp_path, header(), points())
    scan = read(path, frame=frame)
    plain = read(path, frame="none")
    np.testing.assert_allclose(
        rotation.to_matrix(scan.quaternions), rotation.to_matrix(plain.quaternions) * [-1, -1, 1], atol=1e-12
    )


def test_monoclinic_axes_are_named_anew(tmp_path):
    """As MTEX writes gypsum with c as the two-fold axis: b of the map read is that axis."""
    head = [line.replace("90.0 90.0 90.0", "90.0 90.0 127.4") for line in header([(1, "Gypsum", "112/m")])]
    scan = read(written(tmp_path, head, points()), frame="none")
    assert scan.phases[0].lattice == (3.5, 5.0, 3.5, 90.0, 127.4, 90.0)
    assert scan.provenance["steps"] == ["axes of Gypsum named anew, so that b is the unique one"]
    plain = read(written(tmp_path, header(), points()), frame="none")
    two_fold = rotation.rotate(rotation.conjugate(scan.quaternions), np.array([0.0, 1.0, 0.0]))
    np.testing.assert_allclose(
        two_fold, rotation.rotate(rotation.conjugate(plain.quaternions), np.array([0.0, 0.0, 1.0])), atol=1e-12
    )


@pytest.mark.parametrize("group", ["112/m", "2/m11", "31m", "-31m"])
def test_settings_that_the_lattice_does_not_tell_are_refused(tmp_path, group):
    with pytest.raises(FormatError, match=rf"two-fold ax.*got point group {group} "):
        read(written(tmp_path, header([(1, "Gypsum", group)]), points()))


def test_warnings_of_a_file_point_at_the_line_that_reads_it(tmp_path):
    path = written(tmp_path, header(columns=4, rows=4), points(3, 4))
    for reader in (polyrve.read, polyrve.read_map):
        with pytest.warns(UserWarning, match="header says 4 x 4") as caught:
            reader(path, frame="none")
        assert [warning.filename for warning in caught] == [__file__]
