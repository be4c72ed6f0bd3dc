"""HDF5 files as they may be found: circles of links, links to other files, old heaps, other units."""

import os
import warnings

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters import hdf5
from polyrve.adapters.registry import FormatError
from polyrve.crystallography import rotation
from polyrve.crystallography.reference_frames import FrameWarning
from polyrve.microstructure.fields import OrientationMap

SCANS = ["h5oina", "edax-h5", "bruker-h5", "emsoft-h5", "orix-h5"]
READERS = [*SCANS, "h5ebsd", "dream3d"]
DATA = {
    "h5oina": "1/EBSD/Data", "edax-h5": "Scan_1/EBSD/Data", "bruker-h5": "Scan 0/EBSD/Data",
    "emsoft-h5": "Scan 1/EBSD/Data", "orix-h5": "crystal_map/data", "dream3d": "DataStructure/DataContainer/CellData",
}  # fmt: skip
PHASE = {"orix-h5": "phase_id", "dream3d": "Phases"}

pytestmark = [pytest.mark.filterwarnings("ignore::polyrve.crystallography.reference_frames.FrameWarning")]


@pytest.fixture
def written(samples, crystals, tmp_path):
    """Writes a map of (4, 5) points in a format; the path, the orientations that are read, and the format's name."""

    def make(name):
        truth = crystals((4, 5), several=name != "h5ebsd", all_indexed=True)
        if name == "dream3d":
            path = tmp_path / "map.dream3d"
            q = rotation.from_matrix(truth.matrices)
            polyrve.write(OrientationMap(q, truth.phase_ids, truth.phases, truth.spacing), path)
        else:
            path = samples[name].write(truth, tmp_path)
        return path, read(path, name)

    return make


def read(path, name, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FrameWarning)
        return polyrve.read(path, format=name, **options)


def link_to_itself(file, kind):
    target = next(item for item in file.values() if isinstance(item, h5py.Group))
    for number in range(10):
        if kind == "hard":
            file[f"zz{number}"] = file["/"]
            target[f"aa{number}"] = file["/"]
        elif kind == "soft":
            file[f"zz{number}"] = h5py.SoftLink("/")
            target[f"aa{number}"] = h5py.SoftLink("/")
        else:
            file[f"zz{number}"] = h5py.SoftLink(f"/zz{(number + 1) % 10}")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["hard", "soft", "circle of soft"])
@pytest.mark.parametrize("name", READERS)
def test_links_that_run_in_circles(written, name, kind):
    path, before = written(name)
    with h5py.File(path, "r+") as file:
        link_to_itself(file, kind)
    np.testing.assert_array_equal(read(path, name).quaternions, before.quaternions)


def pipe(folder):
    """A file that nobody writes into: to open it is to wait for ever."""
    if not hasattr(os, "mkfifo"):
        pytest.skip("the system has no named pipes")
    os.mkfifo(folder / "pipe.h5")


def virtual(group, name, length):
    layout = h5py.VirtualLayout(shape=(length,), dtype="f4", maxshape=(None,))
    source = h5py.VirtualSource("pipe.h5", "d", shape=(length,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    group.create_virtual_dataset(name, layout)


def lead_elsewhere(group, name, kind):
    if name in group:
        del group[name]
    if kind == "link":
        group[name] = h5py.ExternalLink("pipe.h5", "/Phase")
    elif kind == "soft link through a link":
        group["elsewhere"] = h5py.ExternalLink("pipe.h5", "/")
        group[name] = h5py.SoftLink("elsewhere/Phase")
    elif kind == "stored":
        group.create_dataset(name, (20,), "f4", external=[("pipe.h5", 0, 80)])
    else:
        virtual(group, name, 20)


ELSEWHERE = ["link", "soft link through a link", "stored", "virtual"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("name", [*SCANS, "dream3d"])
def test_phases_in_another_file_are_said_and_not_followed(written, tmp_path, name, kind):
    path, _ = written(name)
    pipe(tmp_path)
    with h5py.File(path, "r+", libver="latest" if kind == "virtual" else None) as file:
        lead_elsewhere(file[DATA[name]], PHASE.get(name, "Phase"), kind)
    with pytest.raises(FormatError, match=r"pipe\.h5|virtual|got a link") as caught:
        read(path, name)
    assert "not followed" in str(caught.value)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("name", SCANS[:4])
def test_a_property_in_another_file_is_left_out_with_a_warning(written, tmp_path, name, kind):
    path, before = written(name)
    pipe(tmp_path)
    with h5py.File(path, "r+", libver="latest" if kind == "virtual" else None) as file:
        lead_elsewhere(file[DATA[name]], "Strain", kind)
    with pytest.warns(UserWarning, match="left out: .*Strain"):
        after = read(path, name)
    np.testing.assert_array_equal(after.quaternions, before.quaternions)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ELSEWHERE)
@pytest.mark.parametrize("mark", ["Manufacturer", " Manufacturer"])
def test_the_maker_in_another_file_is_not_looked_up(written, tmp_path, mark, kind):
    path, _ = written("h5oina")
    path = path.rename(tmp_path / "scan.h5")
    pipe(tmp_path)
    with h5py.File(path, "r+", libver="latest" if kind == "virtual" else None) as file:
        if "Manufacturer" in file:
            del file["Manufacturer"]
        lead_elsewhere(file, mark, kind)
    with pytest.raises(FormatError, match="content is of none"):
        polyrve.read(path)


def test_a_soft_link_within_the_file_is_followed(written):
    path, before = written("h5oina")
    with h5py.File(path, "r+") as file:
        data = file[DATA["h5oina"]]
        file["kept"] = data["Phase"][()]
        del data["Phase"]
        data["Phase"] = h5py.SoftLink("/kept")
    np.testing.assert_array_equal(read(path, "h5oina").phase_ids, before.phase_ids)


def broken_heap(size=64):
    """A local heap whose first free block is followed by itself, in the layout of the HDF5 specification, III.D."""
    block = (8).to_bytes(8, "little") * 2
    return b"HEAP\0\0\0\0" + size.to_bytes(8, "little") + (8).to_bytes(8, "little") + (0).to_bytes(8, "little") + block


def test_heaps_that_nobody_refers_to_do_not_matter(written):
    path, before = written("h5oina")
    huge = b"GCOL\x01\0\0\0" + (1 << 60).to_bytes(8, "little")
    with h5py.File(path, "r+") as file:
        file["left over"] = np.frombuffer(b"before" + broken_heap() + huge + b"after", dtype=np.uint8)
    np.testing.assert_array_equal(read(path, "h5oina").quaternions, before.quaternions)


def heaps_of(content):
    """Places of the local heaps of a file that h5py has just written."""
    place = content.find(b"HEAP\0\0\0\0")
    while place >= 0:
        yield place
        place = content.find(b"HEAP\0\0\0\0", place + 1)


def test_a_heap_whose_free_space_runs_in_a_circle_is_refused(written):
    path, _ = written("h5oina")
    content = bytearray(path.read_bytes())
    for place in heaps_of(content):
        block = int.from_bytes(content[place + 24 : place + 32], "little")
        content[place + 16 : place + 24] = (8).to_bytes(8, "little")
        content[block + 8 : block + 16] = (8).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(FormatError, match="a circle"):
        read(path, "h5oina")


def test_a_heap_larger_than_the_file_is_refused(written):
    path, _ = written("h5oina")
    content = bytearray(path.read_bytes())
    for place in heaps_of(content):
        content[place + 8 : place + 16] = (1 << 40).to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(FormatError, match="heap within the file"):
        read(path, "h5oina")


def test_more_numbers_than_a_value_has_are_refused_before_they_are_read(written):
    path, _ = written("h5oina")
    with h5py.File(path, "r+") as file:
        header = file["1/EBSD/Header"]
        del header["Specimen Orientation Euler"]
        header.create_dataset("Specimen Orientation Euler", (8_000_000,), "f4", chunks=(1000,), compression="gzip")
    with pytest.raises(FormatError, match=r"shape \(3,\); got \(8000000,\)"):
        read(path, "h5oina")


def test_what_is_read_of_a_file_in_all_is_in_proportion_to_it(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        for number in range(20):
            file.create_dataset(f"d{number}", (4_000_000,), "f8", chunks=(1000,))
    with pytest.raises(FormatError, match="in proportion"), hdf5.opened(path) as file:
        hdf5.scalars(path, file, 4_000_000)
    with hdf5.opened(path) as file:
        assert hdf5.array(path, file, "d1").shape == (4_000_000,)


@pytest.mark.parametrize(("name", "where", "usual"), [
    ("h5oina", "Euler", "rad"), ("edax-h5", ("Phi1", "Phi", "Phi2"), "rad"),
    ("bruker-h5", ("phi1", "PHI", "phi2"), "degrees"),
])  # fmt: skip
def test_euler_angles_in_another_unit_are_doubted_and_an_option_says_it(written, name, where, usual):
    path, before = written(name)
    factor = 180.0 / np.pi if usual == "rad" else np.pi / 180.0
    with h5py.File(path, "r+") as file:
        for column in [where] if isinstance(where, str) else where:
            values = file[DATA[name]][column][()] * factor
            del file[DATA[name]][column]
            file[DATA[name]][column] = values
    if usual == "rad":
        with pytest.raises(FormatError, match=r"angles in rad; got up to .*degrees=true"):
            read(path, name)
    else:
        with pytest.warns(UserWarning, match=r"angles in degrees; got up to .*degrees=false"):
            read(path, name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = read(path, name, degrees=usual == "rad")
    one, other = (field.quaternions[before.indexed] for field in (before, after))
    np.testing.assert_allclose(rotation.to_matrix(one), rotation.to_matrix(other), atol=2e-6)


def test_small_angles_in_degrees_are_doubted_by_their_second_angle(written):
    path, _ = written("h5oina")
    with h5py.File(path, "r+") as file:
        file[DATA["h5oina"]]["Euler"][...] = (0.3, 5.0, 1.2)
    with pytest.warns(UserWarning, match=r"at most 2 pi, pi, 2 pi; got up to 0\.3, 5, 1\.2"):
        read(path, "h5oina")


@pytest.mark.parametrize(("name", "lattice"), [
    ("h5oina", "1/EBSD/Header/Phases/{}/Lattice Angles"),
    ("edax-h5", ("Scan_1/EBSD/Header/Phase/{}/Lattice Constant %s", ("alpha", "beta", "gamma"))),
    ("bruker-h5", "Scan 0/EBSD/Header/Phases/{}/LatticeConstants"),
])  # fmt: skip
def test_lattice_angles_in_another_unit_are_told_by_their_size(written, name, lattice):
    path, before = written(name)
    with h5py.File(path, "r+") as file:
        number = 1
        while True:
            if isinstance(lattice, tuple):
                names = [lattice[0].format(number) % key for key in lattice[1]]
            else:
                names = [lattice.format(number)]
            if names[0] not in file:
                break
            for place in names:
                values = np.array(file[place][()], dtype=np.float64)
                angles = values.reshape(-1)[-3:]
                angles[...] = np.rad2deg(angles) if name == "h5oina" else np.deg2rad(angles)
                del file[place]
                file[place] = values
            number += 1
    with pytest.warns(UserWarning, match="lattice angles in .*taken as"):
        after = read(path, name)
    for one, other in zip(before.phases, after.phases, strict=True):
        np.testing.assert_allclose(one.lattice, other.lattice, atol=1e-5)
