"""The origin is the corner of the first cell in every format, read and written; points are the centres of cells."""

import json
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters.ebsd import grid
from polyrve.adapters.ebsd.orix_bridge import from_orix, to_orix
from polyrve.crystallography import rotation
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

SHIFT = (3.5, -7.25)
"""Coordinates y and x of the first point, um, in files that are moved."""


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


def in_plane(field):
    return field.origin[-2:], field.spacing[-2:]


def add(path, values):
    """Add numbers to datasets of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        for name, value in values.items():
            moved = file[name][()] + value
            del file[name]
            file[name] = moved


def move_text(path, columns, separator=None):
    """Add SHIFT to two columns, x and y, of the rows of numbers of a text."""
    lines = []
    for line in path.read_text().splitlines():
        parts = line.split(separator)
        if len(parts) > 8 and parts[0].replace(".", "", 1).isdigit():
            for column, shift in zip(columns, SHIFT[::-1], strict=True):
                parts[column] = f"{float(parts[column]) + shift:.5f}"
            line = (separator or " ").join(parts)
        lines.append(line)
    path.write_text("\n".join(lines) + "\n")


def move_h5oina(path):
    with h5py.File(path, "r+") as file:
        rows, columns = (int(file[f"1/EBSD/Header/{axis} Cells"][0]) for axis in "YX")
        y, x = np.indices((rows, columns))
        file["1/EBSD/Data/Y"] = (SHIFT[0] + 0.25 * y.ravel()).astype(np.float32)
        file["1/EBSD/Data/X"] = (SHIFT[1] + 0.5 * x.ravel()).astype(np.float32)


def move_h5ebsd(path):
    with h5py.File(path, "r+") as file:
        tsl = file["Manufacturer"][()] == b"TSL"
        y, x = np.indices((4, 5))
        data = file["4/Data"]
        data["Y Position" if tsl else "Y"] = (SHIFT[0] + 0.25 * y.ravel()).astype(np.float32)
        data["X Position" if tsl else "X"] = (SHIFT[1] + 0.5 * x.ravel()).astype(np.float32)


MOVED = {
    "ang": lambda path: move_text(path, (3, 4)),
    "ctf": lambda path: move_text(path, (1, 2), "\t"),
    "edax-h5": lambda path: add(
        path, {"Scan_1/EBSD/Data/Y Position": SHIFT[0], "Scan_1/EBSD/Data/X Position": SHIFT[1]}
    ),
    "orix-h5": lambda path: add(path, {"crystal_map/data/y": SHIFT[0], "crystal_map/data/x": SHIFT[1]}),
    "kikuchipy-h5": lambda path: add(
        path,
        {f"Scan 1/EBSD/CrystalMap/crystal_map/data/{a}": s for a, s in zip("yx", SHIFT, strict=True)},
    ),
    "mtex-h5": lambda path: add(path, {"ebsd/SpatialCoordinates": np.array([*SHIFT[::-1], 0.0], dtype=np.float32)}),
    "h5oina": move_h5oina,
    "h5ebsd": move_h5ebsd,
    "h5ebsd-hkl": move_h5ebsd,
}
READERS = [
    "ang", "ctf", "cpr", "h5oina", "edax-h5", "bruker-h5", "emsoft-h5", "orix-h5", "kikuchipy-h5", "mtex-h5", "h5ebsd",
    "h5ebsd-hkl",
]  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_the_first_point_at_zero_is_the_centre_of_the_first_cell(samples, crystals, tmp_path, name):
    sample = samples[name]
    truth = crystals((4, 5), several=sample.several, all_indexed=sample.always_indexed)
    origin, spacing = in_plane(read(sample.write(truth, tmp_path)))
    assert spacing == pytest.approx((0.25, 0.5))
    assert origin == pytest.approx((-0.125, -0.25))


@pytest.mark.parametrize("name", list(MOVED))
def test_coordinates_of_the_file_are_kept(samples, crystals, tmp_path, name):
    path = samples[name].write(crystals((4, 5)), tmp_path)
    MOVED[name](path)
    field = read(path)
    origin, _ = in_plane(field)
    assert origin == pytest.approx((SHIFT[0] - 0.125, SHIFT[1] - 0.25), abs=1e-6)


def test_invalid_points_before_the_first_valid_one(samples, crystals, tmp_path):
    """Those of EDAX's HDF5 files lie at -1111111; the origin is that of the grid, not of the first valid point."""
    path = samples["edax-h5"].write(crystals((4, 5)), tmp_path)
    with h5py.File(path, "r+") as file:
        for axis in "XY":
            data = file[f"Scan_1/EBSD/Data/{axis} Position"]
            data[:7] = -1111111.0
    assert read(path).origin == pytest.approx((-0.125, -0.25))


def test_a_hexagonal_grid(tmp_path):
    """The square cells lie about the rows, the first one about the smallest coordinates."""
    head = ["# Phase 1", "# MaterialName x", "# Symmetry 43", "# LatticeConstants 3 3 3 90 90 90", "# GRID: HexGrid"]
    head += ["# XSTEP: 0.5", "# YSTEP: 0.433013", "# NCOLS_ODD: 5", "# NCOLS_EVEN: 4", "# NROWS: 4"]
    body = [
        f"0.1 0.2 0.3 {SHIFT[1] + 0.5 * c + r % 2 / 4:.5f} {SHIFT[0] + 0.433013 * r:.5f} 9 0.5 0"
        for r in range(4)
        for c in range(5 - r % 2)
    ]
    (tmp_path / "hex.ang").write_text("\n".join([*head, *body]) + "\n")
    field = read(tmp_path / "hex.ang")
    assert field.origin == pytest.approx((SHIFT[0] - 0.2165065, SHIFT[1] - 0.2165065), abs=1e-6)


def a_map(crystals, origin, spacing=(0.25, 0.5), shape=(4, 5)):
    truth = crystals(shape)
    return OrientationMap(rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, spacing, origin)


ORIGINS = [(0.0, 0.0), (1.0, -2.0), (3.375, 0.1), (1e3, -250.125)]


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize("ending", ["ang", "ctf", "dream3d"])
def test_round_trips_keep_it(crystals, tmp_path, ending, origin):
    field = a_map(crystals, origin)
    path = tmp_path / f"map.{ending}"
    polyrve.write(field, path)
    back = read(path)
    assert back.origin[-2:] == pytest.approx(origin, abs=1e-6)
    assert back.spacing[-2:] == pytest.approx(field.spacing)
    again = tmp_path / f"again.{ending}"
    polyrve.write(back, again)
    assert read(again).origin == pytest.approx(back.origin, abs=1e-12)


@pytest.mark.parametrize("origin", ORIGINS)
@pytest.mark.parametrize(("ending", "columns"), [("ang", (3, 4)), ("ctf", (1, 2))])
def test_text_has_the_centres_of_cells(crystals, tmp_path, ending, columns, origin):
    path = tmp_path / f"map.{ending}"
    polyrve.write(a_map(crystals, origin), path)
    table = np.array([[float(v) for v in line.split()] for line in path.read_text().splitlines()[-20:]])
    x, y = (table[:, column].reshape(4, 5) for column in columns)
    expected = (np.arange(n) + 0.5 for n in (5, 4))
    np.testing.assert_allclose(x - origin[1], np.tile(next(expected) * 0.5, (4, 1)), atol=1e-6)
    np.testing.assert_allclose((y - origin[0]).T, np.tile(next(expected) * 0.25, (5, 1)), atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (5, 6), (3, 4)])
@pytest.mark.parametrize("origin", ORIGINS[:2])
@pytest.mark.parametrize("ending", ["ang", "ctf"])
def test_orix_finds_the_points_and_the_shape_of_what_is_written(crystals, tmp_path, ending, origin, shape):
    from orix.io import load

    field = a_map(crystals, origin, shape=shape)
    path = tmp_path / f"map.{ending}"
    polyrve.write(field, path)
    theirs = load(str(path), **({"autogen_names": False} if ending == "ang" else {}))
    assert theirs.shape == shape
    y, x = (o + (i.ravel() + 0.5) * d for o, i, d in zip(origin, np.indices(shape), field.spacing, strict=True))
    np.testing.assert_allclose(theirs.x, x, atol=1e-6)
    np.testing.assert_allclose(theirs.y, y, atol=1e-6)


@pytest.mark.parametrize("shape", [(4, 5), (5, 6)])
@pytest.mark.parametrize("origin", ORIGINS)
def test_orix_and_back(crystals, origin, shape):
    field = a_map(crystals, origin, shape=shape)
    crystal_map = to_orix(field)
    assert crystal_map.shape == shape
    assert crystal_map.x.min() == pytest.approx(origin[1] + 0.25, abs=1e-6)
    back = from_orix(crystal_map)
    assert back.origin == pytest.approx(origin, abs=1e-9)
    if origin == (0.0, 0.0):
        assert crystal_map[1:3, 1:4].shape == (2, 3), "orix cuts maps alone that begin at zero"


def test_a_ctf_volume(samples, crystals, tmp_path):
    field = read(samples["ctf"].write(crystals((3, 4, 5)), tmp_path))
    assert field.origin == pytest.approx((-1.0, -0.125, -0.25))


CENTRES = """
import json, sys
path = sys.argv[1]
if path.endswith(".vti"):
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader as Reader
else:
    from vtkmodules.vtkIOHDF import vtkHDFReader as Reader
reader = Reader()
reader.SetFileName(path)
reader.Update()
image = reader.GetOutputDataObject(0)
print(json.dumps([image.GetCell(i).GetBounds() for i in (0, image.GetNumberOfCells() - 1)]))
"""


@pytest.mark.parametrize("ending", ["vti", "vtkhdf"])
def test_vtk_has_cells_about_the_points_of_an_ang(samples, crystals, tmp_path, ending):
    """What VTK's own reader says of the first and the last cell."""
    pytest.importorskip("vtkmodules")
    path = samples["ang"].write(crystals((4, 5)), tmp_path)
    MOVED["ang"](path)
    target = tmp_path / f"map.{ending}"
    polyrve.write(read(path), target)
    done = subprocess.run([sys.executable, "-c", CENTRES, str(target)], capture_output=True, text=True, check=True)
    for bounds, (row, column) in zip(json.loads(done.stdout), ((0, 0), (3, 4)), strict=True):
        x, y = SHIFT[1] + 0.5 * column, SHIFT[0] + 0.25 * row
        assert bounds[:4] == pytest.approx((x - 0.25, x + 0.25, y - 0.125, y + 0.125), abs=1e-5)


def test_dream3d_has_the_corner(samples, crystals, tmp_path):
    path = samples["ctf"].write(crystals((4, 5)), tmp_path)
    MOVED["ctf"](path)
    field = read(path)
    volume = OrientationVolume(
        field.quaternions[None], field.phase_ids[None], field.phases, (1.0, *field.spacing), (0.0, *field.origin)
    )
    polyrve.write(volume, tmp_path / "map.dream3d")
    with h5py.File(tmp_path / "map.dream3d") as file:
        found = []
        file.visititems(lambda _, item: found.append(item.attrs["_ORIGIN"]) if "_ORIGIN" in item.attrs else None)
    assert found[0].tolist() == pytest.approx([SHIFT[1] - 0.25, SHIFT[0] - 0.125, 0.0])
    back = read(tmp_path / "map.dream3d")
    assert back.origin[-2:] == pytest.approx(field.origin)


def test_centres_do_not_lie_half_way_between_multiples_of_the_step():
    for origin in (0.0, 0.5, -3.0):
        points = grid.centres(origin, 0.5, 6)
        assert np.rint(points / 0.5).tolist() == (np.arange(6) + origin / 0.5).tolist()
        np.testing.assert_allclose(points, origin + 0.25 + 0.5 * np.arange(6), atol=1e-6)
        assert grid.corner((points[0],), (0.5,)) == (origin,)
