"""One conformance suite for the readers of all formats, and round trips through every pair of reader and writer."""

import json
import warnings

import h5py
import numpy as np
import pytest

import polyrve
from polyrve.adapters import registry
from polyrve.adapters.ebsd.orix_bridge import from_orix, to_orix
from polyrve.adapters.registry import FormatError
from polyrve.backend import offered
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

READERS = [
    "ang", "ctf", "cpr", "h5oina", "edax-h5", "bruker-h5", "emsoft-h5", "orix-h5", "kikuchipy-h5", "mtex-h5", "h5ebsd",
    "h5ebsd-hkl",
]  # fmt: skip
VOLUME_READERS = ["ctf", "h5ebsd", "h5ebsd-hkl"]
MAP_WRITERS = {"ang": 1e-6, "ctf": 1e-6, "dream3d": 1e-6}


def read(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return polyrve.read(path, **options)


def made(samples, crystals, name, folder, shape=(4, 5), several=True):
    sample = samples[name]
    truth = crystals(shape, several=several and sample.several, all_indexed=sample.always_indexed)
    return sample, truth, sample.write(truth, folder)


def as_map(field):
    return field.section(0, 0) if isinstance(field, OrientationVolume) and field.shape[0] == 1 else field


def assert_same_crystals(field, truth, tolerance):
    assert field.shape == truth.shape
    np.testing.assert_array_equal(field.phase_ids, truth.phase_ids)
    indexed = truth.phase_ids > 0
    np.testing.assert_allclose(
        rotation.to_matrix(field.quaternions)[indexed], truth.matrices[indexed], rtol=0, atol=tolerance
    )
    np.testing.assert_array_equal(field.quaternions[~indexed], np.tile([1.0, 0, 0, 0], ((~indexed).sum(), 1)))


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", READERS)
def test_reads_the_truth(samples, crystals, tmp_path, name, several):
    sample, truth, path = made(samples, crystals, name, tmp_path, several=several)
    field = as_map(read(path))
    assert_same_crystals(field, truth, sample.tolerance)
    assert field.spacing == pytest.approx(truth.spacing)
    assert [phase.name for phase in field.phases] == [phase.name for phase in truth.phases]
    assert [phase.laue for phase in field.phases] == [phase.laue for phase in truth.phases]
    for phase, expected in zip(field.phases, truth.phases, strict=True):
        assert phase.lattice == pytest.approx(expected.lattice, rel=1e-6)
    indexed = truth.phase_ids > 0
    np.testing.assert_allclose(field.properties[sample.quality][indexed], truth.quality[indexed], atol=1e-3)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("name", VOLUME_READERS)
def test_reads_volumes(samples, crystals, tmp_path, name, several):
    sample, truth, path = made(samples, crystals, name, tmp_path, shape=(3, 4, 5), several=several)
    field = read(path)
    assert isinstance(field, OrientationVolume)
    assert_same_crystals(field, truth, sample.tolerance)
    assert field.spacing == pytest.approx(truth.spacing)


@pytest.mark.parametrize("name", READERS)
def test_frame_is_stated_or_warned_about(samples, crystals, tmp_path, name):
    sample, _, path = made(samples, crystals, name, tmp_path)
    if sample.stated:
        with warnings.catch_warnings():
            warnings.simplefilter("error", reference_frames.FrameWarning)
            field = polyrve.read(path)
        assert field.frame.source == "file"
    else:
        with pytest.warns(reference_frames.FrameWarning, match=f"frame '{sample.frame}'.*frame=") as caught:
            field = polyrve.read(path)
        assert len([w for w in caught if issubclass(w.category, reference_frames.FrameWarning)]) == 1
        assert field.frame.source == "vendor default"
    assert field.frame.name == sample.frame


@pytest.mark.parametrize("name", [name for name in READERS if name != "mtex-h5"])
def test_angles_in_another_unit_are_doubted_at_the_line_that_reads_them(samples, crystals, tmp_path, name):
    _, _, path = made(samples, crystals, name, tmp_path)
    in_degrees = name in ("ctf", "bruker-h5", "emsoft-h5", "h5ebsd-hkl")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        polyrve.read(path, degrees=not in_degrees)
    unit = "rad" if in_degrees else "degrees"
    assert any(f"expected Euler angles in {unit}" in str(item.message) for item in caught)
    assert {item.filename for item in caught} == {__file__}


@pytest.mark.parametrize("frame", list(reference_frames.PRESETS))
@pytest.mark.parametrize("name", ["ang", "ctf", "cpr", "bruker-h5", "orix-h5", "h5oina", "h5ebsd"])
def test_frame_asked_for_is_applied(samples, crystals, tmp_path, name, frame):
    sample = samples[name]
    truth = crystals((4, 5))
    path = sample.write(truth, tmp_path, frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error", reference_frames.FrameWarning)
        field = as_map(polyrve.read(path, frame=frame))
    assert_same_crystals(field, truth, sample.tolerance)
    assert field.frame.source == "user"


@pytest.mark.parametrize("name", READERS)
def test_provenance(samples, crystals, tmp_path, name):
    import hashlib

    sample, _, path = made(samples, crystals, name, tmp_path)
    provenance = dict(read(path).provenance)
    assert json.loads(json.dumps(provenance)) == provenance
    assert provenance["source"] == path.name
    assert provenance["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert provenance["format"] == name.removesuffix("-hkl")
    assert provenance["frame"]["name"] == sample.frame
    assert provenance["frame"]["map_to_euler"] == list(reference_frames.PRESETS[sample.frame])
    turned = [step for step in provenance["steps"] if "crystal x axis" in step]
    assert (len(turned) > 0) == (name in ("ctf", "cpr", "h5oina", "bruker-h5", "mtex-h5", "h5ebsd-hkl"))


@pytest.mark.parametrize("name", READERS)
def test_unknown_frame_is_refused(samples, crystals, tmp_path, name):
    *_, path = made(samples, crystals, name, tmp_path)
    with pytest.raises(ValueError, match=r"frame: expected one of none, edax-1.*got 'edax-7'"):
        read(path, frame="edax-7")


@pytest.mark.parametrize("writer", list(MAP_WRITERS))
@pytest.mark.parametrize("name", READERS)
def test_round_trip_of_every_pair(samples, crystals, tmp_path, name, writer):
    sample, truth, path = made(samples, crystals, name, tmp_path)
    between = tmp_path / f"between.{writer}"
    polyrve.write(as_map(read(path)), between)
    with warnings.catch_warnings():
        warnings.simplefilter("error", reference_frames.FrameWarning)
        field = as_map(polyrve.read(between))
    assert_same_crystals(field, truth, max(sample.tolerance, MAP_WRITERS[writer]))
    assert field.spacing == pytest.approx(truth.spacing)
    assert [phase.laue for phase in field.phases] == [phase.laue for phase in truth.phases]


@pytest.mark.parametrize("name", VOLUME_READERS)
def test_round_trip_of_volumes(samples, crystals, tmp_path, name):
    sample, truth, path = made(samples, crystals, name, tmp_path, shape=(3, 4, 5))
    polyrve.write(read(path), tmp_path / "between.dream3d")
    field = polyrve.read(tmp_path / "between.dream3d")
    assert_same_crystals(field, truth, sample.tolerance)
    assert field.spacing == pytest.approx(truth.spacing)


@pytest.mark.parametrize("writer", ["ang", "ctf"])
@pytest.mark.parametrize("frame", list(reference_frames.PRESETS))
def test_writers_note_their_frame(crystals, tmp_path, writer, frame):
    truth = crystals((4, 5))
    field = OrientationMap(rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, truth.spacing)
    path = tmp_path / f"map.{writer}"
    polyrve.write(field, path, frame=frame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = polyrve.read(path)
        assert polyrve.read(path, frame=frame).frame.name == frame
    other = "edax-1" if frame != "edax-1" else "none"
    with pytest.warns(UserWarning, match=f"polyrve wrote its angles in frame '{frame}'; they are read in '{other}'"):
        polyrve.read(path, frame=other)
    assert_same_crystals(back, truth, 1e-6)
    assert (back.frame.name, back.frame.source) == (frame, "file")


@pytest.mark.parametrize("writer", ["ang", "ctf"])
def test_writers_take_sections_and_one_layer(crystals, tmp_path, writer):
    truth = crystals((3, 4, 5))
    volume = OrientationVolume(rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, truth.spacing)
    for axis in range(3):
        section = volume.section(axis, 1)
        path = tmp_path / f"{axis}.{writer}"
        polyrve.write(section, path)
        back = polyrve.read(path)
        assert back.shape == section.shape
        assert back.spacing == pytest.approx(section.spacing)
        np.testing.assert_allclose(back.quaternions, section.quaternions * np.sign(
            np.sum(section.quaternions * back.quaternions, axis=-1, keepdims=True)), atol=1e-7)  # fmt: skip
    with pytest.raises(ValueError, match="expected an orientation map or a volume with nz = 1"):
        polyrve.write(volume, tmp_path / f"volume.{writer}")
    with pytest.raises(FileExistsError):
        polyrve.write(volume.section(0, 0), path)


def test_orix_and_back(crystals):
    truth = crystals((4, 5))
    field = OrientationMap(
        rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, truth.spacing, origin=(1.0, 2.0),
        properties={"MAD": truth.quality},
    )  # fmt: skip
    crystal_map = to_orix(field)
    same_axes = np.isin(truth.phase_ids, [i for i, p in enumerate(truth.phases, start=1) if p.laue != "2/m"])
    np.testing.assert_allclose(
        crystal_map.rotations.to_matrix().reshape(4, 5, 3, 3)[same_axes], truth.matrices[same_axes], atol=1e-12
    )
    back = from_orix(crystal_map)
    assert_same_crystals(back, truth, 1e-12)
    assert back.spacing == pytest.approx(field.spacing)
    assert back.origin == pytest.approx(field.origin)
    assert back.phases == field.phases
    np.testing.assert_array_equal(back.properties["MAD"], truth.quality)


def test_orix_has_the_two_fold_axis_of_monoclinic_phases():
    phase = Phase("Diopside", "2/m", (9.7, 8.9, 5.3, 90.0, 106.0, 90.0), 15)
    q = rotation.random_orientations(6, np.random.default_rng(0))
    pairs = np.stack([q, rotation.multiply(np.array([0.0, 0.0, 1.0, 0.0]), q)])
    crystal_map = to_orix(OrientationMap(pairs, np.ones((2, 6), dtype=int), (phase,), (1.0, 1.0)))
    theirs = crystal_map.orientations.reshape(2, 6)
    np.testing.assert_allclose(theirs[0].angle_with(theirs[1]), 0.0, atol=1e-6)
    cosine, sine = np.cos(np.deg2rad(106.0)), np.sin(np.deg2rad(106.0))
    ours = np.array([[9.7, 0.0, 0.0], [0.0, 8.9, 0.0], [5.3 * cosine, 0.0, 5.3 * sine]])
    base = crystal_map.phases[0].structure.lattice.base[[1, 2, 0]]  # their b, c, a are our a, b, c
    np.testing.assert_allclose(base @ theirs[0].to_matrix(), ours @ rotation.to_matrix(q), atol=1e-6)


def test_orix_and_a_monoclinic_phase_whose_lattice_is_not_known():
    q = rotation.random_orientations((2, 3), np.random.default_rng(0))
    field = OrientationMap(q, np.ones((2, 3), dtype=int), (Phase("x", "2/m"),), (1.0, 1.0))
    with pytest.warns(UserWarning, match="'x': its lattice does not tell the two-fold axis"):
        crystal_map = to_orix(field)
    np.testing.assert_allclose(from_orix(crystal_map).quaternions, q, atol=1e-12)


def test_orix_takes_masked_points_as_not_indexed(crystals):
    truth = crystals((4, 5), several=False, all_indexed=True)
    field = OrientationMap(rotation.from_matrix(truth.matrices), truth.phase_ids, truth.phases, truth.spacing)
    crystal_map = to_orix(field)
    back = from_orix(crystal_map[1:3, 1:4])
    assert back.shape == (4, 5)
    assert back.indexed.sum() == 6
    assert back.indexed[1:3, 1:4].all()


def test_orix_reads_the_same(crystals, samples, tmp_path):
    """orix has neither frames nor the conversion of the crystal's x axis; with frame "none" angles must be the same."""
    from orix.io import load

    for name, several in (("ang", False), ("orix-h5", True)):
        truth = crystals((4, 5), several=several)
        path = samples[name].write(truth, tmp_path)
        theirs = load(str(path), **({"autogen_names": False} if name == "ang" else {}))
        ours = read(path, frame="none")
        matrices = theirs.rotations.to_matrix().reshape(4, 5, 3, 3)
        indexed = truth.phase_ids > 0
        np.testing.assert_array_equal(ours.indexed, theirs.is_indexed.reshape(4, 5))
        np.testing.assert_allclose(rotation.to_matrix(ours.quaternions)[indexed], matrices[indexed], atol=1e-9)
        assert ours.spacing == pytest.approx((theirs.dy, theirs.dx))


@pytest.mark.parametrize("name", READERS)
def test_truncated_files_are_refused(samples, crystals, tmp_path, name):
    *_, path = made(samples, crystals, name, tmp_path)
    whole = path.read_bytes()
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(FormatError, match=path.name):
            read(path)


def test_missing_empty_folder_unknown(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"absent\.ang: no such file"):
        polyrve.read(tmp_path / "absent.ang")
    (tmp_path / "empty.ctf").touch()
    with pytest.raises(FormatError, match=r"empty\.ctf: expected data; the file is empty"):
        polyrve.read(tmp_path / "empty.ctf")
    with pytest.raises(FormatError, match="expected the distance of the sections of this folder in um; got None"):
        polyrve.read(tmp_path)
    with pytest.raises(FormatError, match="expected a file of format 'ang'; it is a folder"):
        polyrve.read(tmp_path, format="ang")
    (tmp_path / "map.xyz").write_text("1")
    with pytest.raises(FormatError, match=r"expected a file name that ends in .*\.ang.*got \.xyz"):
        polyrve.read(tmp_path / "map.xyz")
    with pytest.raises(FormatError, match=r"expected a format of ang, .*got 'tsl'"):
        polyrve.read(tmp_path / "map.xyz", format="tsl")
    (tmp_path / "other.h5").write_text("no HDF5")
    with pytest.raises(FormatError, match="its content is of none of them"):
        polyrve.read(tmp_path / "other.h5")


@pytest.mark.parametrize("name", ["edax-h5", "bruker-h5", "emsoft-h5", "orix-h5", "kikuchipy-h5", "mtex-h5", "h5oina"])
def test_hdf5_is_told_by_content(samples, crystals, tmp_path, name):
    *_, path = made(samples, crystals, name, tmp_path)
    for suffix in (".h5", ".hdf5", ".H5"):
        renamed = path.rename(tmp_path / f"renamed{suffix}")
        assert read(renamed).provenance["format"] == name
        path = renamed


def test_format_is_chosen_over_suffix(samples, crystals, tmp_path):
    *_, path = made(samples, crystals, "ang", tmp_path)
    other = path.rename(tmp_path / "scan.txt")
    assert read(other, format="ang").shape == (4, 5)


def test_formats_table_is_sound():
    rows = registry.formats()
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        module = row.load()
        assert callable(module.read) if row.reads else True
        assert callable(module.write) if row.writes else True


class _Entry:
    def __init__(self, name, load):
        self.name, self.load = name, load


def test_plugins_by_entry_point(monkeypatch, tmp_path):
    row = registry.Format("mine", (".mine",), "polyrve.adapters.ebsd.ang", True, False, "a test")

    def broken():
        raise ImportError("no module named nothing")

    entries = [_Entry("mine", lambda: row), _Entry("broken", broken), _Entry("wrong", lambda: 42)]
    monkeypatch.setattr(offered, "entry_points", lambda group: entries if group == "polyrve.formats" else [])
    registry.formats.cache_clear()
    try:
        with pytest.warns(UserWarning, match="left out") as caught:
            rows = registry.formats()
        assert rows[-1] is row
        assert ["broken" in str(w.message) for w in caught] == [True, False]
        (tmp_path / "a.mine").write_text("x")
        with pytest.raises(FormatError, match="at least one phase"):
            polyrve.read(tmp_path / "a.mine")
    finally:
        registry.formats.cache_clear()


def test_projects_of_apex_are_refused_with_the_reason(tmp_path):
    record = np.zeros(6, dtype=[("Orientations", np.float32, (9,)), ("IQ", np.float32), ("Phase", np.int32)])
    with h5py.File(tmp_path / "a.edaxh5", "w") as file:
        scan = file.create_group("Project/Sample/Area 1/OIM Map 1")
        scan["EBSD/ANG/DATA/DATA"] = record
        scan["EBSD/ANG/HEADER/Phase/1/Material Name"] = [b"Nickel"]
        scan["Sample/Grid Type"] = [b"SqrGrid"]
    with pytest.raises(FormatError, match=r"EDAX APEX.*export the map from APEX as \.ang or \.oh5"):
        polyrve.read(tmp_path / "a.edaxh5")


def test_hexagonal_h5ebsd_is_refused_with_the_way_out(samples, crystals, tmp_path):
    path = samples["h5ebsd"].write(crystals((3, 4, 5)), tmp_path)
    with h5py.File(path, "r+") as file:
        for section in (file[name] for name in file if name.isdecimal()):
            section["Header"].pop("GRID", None)
            section["Header"]["GRID"] = np.bytes_("HexGrid")
    with pytest.raises(FormatError, match=r"square grid; got a hexagonal one: read its \.ang files instead"):
        polyrve.read(path)
