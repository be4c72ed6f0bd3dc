"""Tables of points that Channel 5, OIM and MTEX export."""

import gzip
import warnings

import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import reference_frames, rotation

ROWS, COLUMNS = 3, 4
POINTS = [(r, c) for r in range(ROWS) for c in range(COLUMNS)]
ANGLES = np.array([[10.0 + 20 * r + c, 30.0 + r + c, 50.0 + c] for r, c in POINTS])


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


def channel5(mark="\t", phases=None, point="."):
    lines = [mark.join(["Index", "Phase", "X", "Y", "Euler1", "Euler2", "Euler3", "MAD", "BC", "ReliabilityIndex", ""])]
    for i, (r, c) in enumerate(POINTS):
        values = [i + 1, phases[i] if phases else 1, 0.5 * c, 0.5 * r, *ANGLES[i], 0.5, 99, 0.0]
        lines.append(mark.join(f"{value:g}".replace(".", point) for value in values) + mark)
    return "\r\n".join(lines) + "\r\n"


def mtex(unit=1.0, mark=" "):
    lines = [mark.join(["phi1", "Phi", "phi2", "phase", "mad", "x", "y"])]
    for i, (r, c) in enumerate(POINTS):
        lines.append(mark.join(f"{v:.6f}" for v in (*ANGLES[i] * unit, 1, 0.5, 0.5 * c, 0.5 * r)))
    return "\n".join(lines) + "\n"


def oim(phase="0", name="phase (index identifying phase)", ci=0.5, last=True):
    lines = [
        "# Header: Project1::a map::All data",
        "#",
        "# Column 1-3: phi1, PHI, phi2 (orientation of point in radians)",
    ]
    lines += ["# Column 4-5: x, y (coordinates of point in microns)", "# Column 6:   IQ (image quality)"]
    lines += ["# Column 7:   CI (confidence index)", f"# Column 8:   {name}"]
    lines += ["# Column 9:   Fit (degrees)"] * (not last)
    for i, (r, c) in enumerate(POINTS):
        angles = " ".join(f"{v:.6f}" for v in np.deg2rad(ANGLES[i]))
        said = phase(i) if callable(phase) else phase
        lines.append(f" {angles} {0.5 * c:.3f} {0.5 * r:.3f} 99.0 {ci} {said}" + " 1.5" * (not last))
    return "\n".join(lines) + "\n"


def written(tmp_path, text, name="map.txt"):
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    return path


LAYOUTS = {
    "channel5": (channel5(), "oxford-cs0"),
    "channel5 csv": (channel5(","), "oxford-cs0"),
    "channel5 decimal commas": (channel5(point=","), "oxford-cs0"),
    "channel5 semicolons": (channel5(";", point=","), "oxford-cs0"),
    "mtex": (mtex(), "none"),
    "mtex csv": (mtex(mark=","), "none"),
    "oim": (oim(), "edax-2"),
    "oim names": (oim("Iron fcc", "phase name"), "edax-2"),
    "oim names within": (oim("Iron fcc", "phase name", last=False), "edax-2"),
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
@pytest.mark.parametrize("ending", ["txt", "csv", "TXT"])
def test_points_and_angles(tmp_path, layout, ending):
    text, frame = LAYOUTS[layout]
    path = written(tmp_path, text, f"map.{ending}")
    with pytest.warns(reference_frames.FrameWarning, match=f"frame '{frame}'"):
        scan = polyrve.read(path)
    assert scan.provenance["format"] == "table"
    scan = read(path, frame="none")
    assert (scan.shape, scan.spacing, scan.origin) == ((3, 4), (0.5, 0.5), (-0.25, -0.25))
    assert scan.indexed.all()
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions)).reshape(-1, 3), ANGLES, atol=1e-4)


def test_laue_groups_are_asked_for(tmp_path):
    path = written(tmp_path, channel5(phases=[1 + i % 2 for i in range(12)]))
    with pytest.warns(UserWarning, match="m-3m is taken for all phases, and the option laue"):
        scan = polyrve.read(path, frame="none")
    assert [phase.laue for phase in scan.phases] == ["m-3m", "m-3m"]
    scan = read(path, frame="none", laue=["m-3m", "6/mmm"])
    assert [(phase.name, phase.laue) for phase in scan.phases] == [("phase 1", "m-3m"), ("phase 2", "6/mmm")]
    assert [phase.laue for phase in read(path, laue="mmm").phases] == ["mmm", "mmm"]
    with pytest.raises(FormatError, match="laue: expected the Laue groups of 2 phases; got 1"):
        read(path, laue=["m-3m"])
    with pytest.raises(FormatError, match=r"laue: .*'7/m'"):
        read(path, laue="7/m")


def test_crystal_axes(tmp_path):
    """Hexagonal phases: x || a* in Channel 5, which phi2 - 30 degrees brings to a; x || a in OIM."""
    turned = read(written(tmp_path, channel5()), frame="none", laue="6/mmm")
    np.testing.assert_allclose(
        np.rad2deg(rotation.to_euler(turned.quaternions)).reshape(-1, 3)[:, 2], ANGLES[:, 2] - 30
    )
    kept = read(written(tmp_path, oim()), frame="none", laue="6/mmm")
    np.testing.assert_allclose(
        np.rad2deg(rotation.to_euler(kept.quaternions)).reshape(-1, 3)[:, 2], ANGLES[:, 2], atol=1e-4
    )
    path = written(tmp_path, mtex())
    with pytest.warns(UserWarning, match="MTEX does not say what lies along x .* x_axis=a"):
        polyrve.read(path, frame="none", laue="6/mmm")
    plain = read(path, frame="none", laue="6/mmm", x_axis="a")
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(plain.quaternions)).reshape(-1, 3), ANGLES, atol=1e-4)


def test_points_that_are_not_indexed(tmp_path):
    assert np.argwhere(
        ~read(written(tmp_path, channel5(phases=[0 if i == 5 else 1 for i in range(12)]))).indexed
    ).tolist() == [[1, 1]]
    assert not read(written(tmp_path, oim(ci=-1))).indexed.any()
    text = oim().splitlines()
    text[-1] = "12.56637 12.56637 12.56637 1.5 1.0 0 0.5 0"
    assert np.argwhere(~read(written(tmp_path, "\n".join(text) + "\n")).indexed).tolist() == [[2, 3]]


def test_names_of_phases(tmp_path):
    def name(i):
        return "notIndexed" if i == 3 else "Iron fcc" if i % 2 else "Iron bcc"

    scan = read(written(tmp_path, oim(name, "phase name")), laue=["m-3m", "m-3m"])
    assert [phase.name for phase in scan.phases] == ["Iron bcc", "Iron fcc"]
    assert scan.phase_ids.ravel().tolist() == [0 if i == 3 else 1 + i % 2 for i in range(12)]


def test_units_of_angles(tmp_path):
    path = written(tmp_path, mtex(np.deg2rad(1.0)))
    with pytest.warns(UserWarning, match="degrees=false"):
        polyrve.read(path, frame="none")
    scan = read(path, frame="none", degrees=False)
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions)).reshape(-1, 3), ANGLES, atol=1e-4)
    with pytest.raises(FormatError, match=r"in rad; got up to .* degrees"):
        read(written(tmp_path, oim().replace("0.5 0", "0.5 0").replace(" 0.1", " 100.1")))


def test_points_that_are_left_out(tmp_path):
    lines = mtex().splitlines()
    del lines[6]
    with pytest.warns(UserWarning, match="1 of 12 points are missing"):
        scan = polyrve.read(written(tmp_path, "\n".join(lines) + "\n"), frame="none")
    assert np.argwhere(~scan.indexed).tolist() == [[1, 1]]


def test_a_hexagonal_grid(tmp_path):
    lines = ["phi1 Phi phi2 phase x y"]
    lines += [f"{10 + r} 20 {30 + c} 1 {c + r % 2 / 2} {r * 3**0.5 / 2:.6f}" for r in range(5) for c in range(6)]
    with pytest.warns(UserWarning, match="hexagonal grid of 5 rows of 6 and 6 points"):
        scan = polyrve.read(written(tmp_path, "\n".join(lines) + "\n"), frame="none")
    np.testing.assert_allclose(np.rad2deg(rotation.to_euler(scan.quaternions))[:, 0, 0], 10 + np.arange(5), atol=1e-6)


@pytest.mark.parametrize("text", [
    "10.0 20.0 30.0 1 1 1 1\n10.0 20.0 30.0 2 1 1 2\n", "Grain\tArea\tECD\n1\t2\t3\n",
    "phi1 Phi phi2 weight\n1 2 3 1\n",
    "# a remark\n# another\n", "\0\1\2" * 100, "a\n" * 5000,
])  # fmt: skip
def test_other_tables_are_told_what_can_be_read(tmp_path, text):
    """Columns without names, tables of grains, ODFs: none has points with coordinates and angles by name."""
    with pytest.raises(
        FormatError, match=r"line 1: expected a table of points; got .*tables of Channel 5 .* can be read"
    ):
        read(written(tmp_path, text))


def test_a_text_of_los_alamos_is_told_from_a_table(tmp_path):
    assert registry.writer(tmp_path / "a.txt").name == "los-alamos"
    assert registry.reader(written(tmp_path, channel5())).name == "table"
    voxels = written(tmp_path, "10.0 20.0 30.0 1 1 1 1 1\n10.0 20.0 30.0 2 1 1 2 1\n")
    assert registry.reader(voxels).name == "los-alamos"
    assert polyrve.read(voxels, laue="m-3m").shape == (1, 1, 2)


def test_packed_and_cut(tmp_path):
    packed = tmp_path / "map.csv.gz"
    packed.write_bytes(gzip.compress(mtex(mark=",").encode()))
    assert read(packed).shape == (3, 4)
    path = written(tmp_path, mtex()[:-20])
    with pytest.raises(FormatError, match="the file ends early; partial=true"):
        read(path)
    assert read(path, partial=True).indexed.sum() == 11


@pytest.mark.parametrize(("old", "new", "words"), [
    ("99\t0\t\r\n2", "99\t\t0\t\r\n2", "expected 11 columns; got 10"),
    ("\t30\t", "\tx\x1b[31m\t", r"line 2: expected a number; got 'x\\x1b"),
    ("1\t1\t", "1\t300\t", r"expected a phase 0 \.\.\. 255; got 300 at point 0"),
    ("1\t1\t", "1\t0.5\t", "got 0.5 at point 0"),
])  # fmt: skip
def test_errors(tmp_path, old, new, words):
    text = channel5()
    assert old in text
    with pytest.raises(FormatError, match=words):
        read(written(tmp_path, text.replace(old, new, 1)))
