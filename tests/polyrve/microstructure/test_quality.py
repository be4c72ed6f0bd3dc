import re
import subprocess
import sys

import numpy as np
import pytest

import polyrve
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.quality import inspect
from polyrve.microstructure.synthetic import ALUMINIUM, make_specimen
from polyrve.microstructure.twinned import make_twinned_specimen


def suspicions(scan):
    return " | ".join(inspect(scan).suspicions)


@pytest.fixture(scope="module")
def good():
    truth = make_specimen((4, 70, 90), grain_size=9.0, seed=1)
    return simulate_scan(truth, 0, 1, misindexed=0.0, unindexed=0.01)


def test_a_good_map_raises_no_suspicion(good):
    found = inspect(good)
    assert found.suspicions == ()
    assert found.facts["shape"] == "70 x 90 (ny, nx), 6300 points"
    assert found.facts["not indexed"] == "1.00 %"
    assert found.facts["phase 1"].startswith("Aluminium, Laue group m-3m, a b c 4.05 x 4.05 x 4.05 A")
    assert "..." in found.facts["CI"]


def test_vendor_default_frame(good):
    assert "does not say its frame" in suspicions(good.evolve(frame=reference_frames.named("edax-2", "vendor default")))


def test_a_frame_that_was_applied_before_is_told_and_not_asked_for_again(good):
    frame = reference_frames.named("oxford-cs0", "vendor default")
    map_ = good.evolve(frame=frame, provenance={"source": "a.ctf", "frame": frame.record()})
    assert "does not say its frame" in " | ".join(inspect(map_, "in/a.ctf").suspicions)
    found = inspect(map_, "a.dream3d")
    assert found.suspicions == ()
    assert found.facts["read from"] == (
        "a.ctf in frame oxford-cs0 (vendor default); another frame needs that file to be read again"
    )
    volume = make_specimen((12, 14, 16), grain_size=4.0).field
    volume = volume.evolve(frame=frame, provenance={"program": "polyrve 1", "maps": {"all": dict(map_.provenance)}})
    assert "frame" not in suspicions(volume)
    assert inspect(volume).facts["made from"] == (
        "a.ctf in frame oxford-cs0 (vendor default); another frame needs another reconstruction"
    )
    others = {"z": {**map_.provenance, "source": "b.ctf"}, "x": dict(map_.provenance), "y": {"steps": []}}
    told = inspect(volume.evolve(provenance={"maps": others})).facts["made from"]
    assert told.startswith("z: b.ctf in frame oxford-cs0 (vendor default), x: a.ctf in frame oxford-cs0")
    assert ", y: a map without a name; another" in told


def test_grains_are_counted_whole_and_from_a_size_on():
    ids = np.repeat(np.repeat([[0, 1], [2, 3]], 4, axis=0), 6, axis=1)
    ids[0, 0] = ids[7, 11] = 4
    q = rotation.random_orientations(5, np.random.default_rng(0))
    scan = OrientationMap(q[ids], np.ones(ids.shape), (ALUMINIUM,), (0.5, 2.0))
    assert inspect(scan).facts["grains"] == "6, of which 4 have 3 points or more (boundaries from 5 degrees)"
    found = inspect(scan, threshold=1.0, min_points=24)
    assert found.facts["grains"] == "6, of which 2 have 24 points or more (boundaries from 1 degrees)"
    assert found.facts["grain width"] == "5 points, 4.8 um: the mean weighted by size"


def test_holes_and_lone_points(good):
    truth = make_specimen((4, 70, 90), grain_size=9.0, seed=1)
    assert "20 % of the points are not indexed" in suspicions(simulate_scan(truth, 0, 1, unindexed=0.2))
    assert "differ from all their neighbours" in suspicions(simulate_scan(truth, 0, 1, misindexed=0.05))


def test_few_and_coarse_grains():
    assert "grains of 3 points or more are few" in suspicions(make_specimen((6, 7, 8), grain_size=5.0).field)
    assert "too coarse" in suspicions(make_specimen((12, 14, 16), grain_size=2.5).field)


def test_phases(good):
    empty = good.evolve(phases=(*good.phases, Phase("Nothing")))
    assert "phase 'Nothing' has no point" in suspicions(empty)
    square = Phase("Magnesium", "6/mmm", (3.2, 3.2, 5.2, 90.0, 90.0, 90.0))
    assert "gamma = 90" in suspicions(good.evolve(phases=(square,)))


def test_same_orientation_everywhere_and_uneven_steps():
    shape = (30, 40)
    scan = OrientationMap(
        np.broadcast_to(rotation.from_euler(np.array([0.1, 0.2, 0.3])), (*shape, 4)),
        np.ones(shape, dtype=int),
        (ALUMINIUM,),
        (1.0, 2.0),
    )
    assert "same orientation" in suspicions(scan)
    assert "steps along the axes differ" in suspicions(scan)


def test_nothing_indexed():
    scan = OrientationMap(np.ones((3, 4, 4)), np.zeros((3, 4)), (ALUMINIUM,), (1.0, 1.0))
    assert "no point is indexed" in suspicions(scan)


def test_low_confidence(good):
    assert "confidence" in suspicions(good.evolve(properties={"CI": np.full(good.shape, 0.05)}))


def test_large_maps_are_judged_by_their_centre():
    shape = (600, 500)
    rng = np.random.default_rng(1)
    scan = OrientationMap(
        rotation.random_orientations((6, 5), rng).repeat(100, axis=0).repeat(100, axis=1),
        np.ones(shape),
        (ALUMINIUM,),
        (1.0, 1.0),
    )
    assert "central part" in inspect(scan).facts["grains"]


def test_info_imports_nothing_heavy(good, tmp_path):
    polyrve.write(good, tmp_path / "scan.ang")
    code = (
        "import sys; from polyrve.cli.app import app; app(['info', sys.argv[1]], standalone_mode=False); "
        "heavy = ('tensorflow', 'vtk', 'orix', 'numba', 'damask', 'matplotlib', 'pandas'); "
        "print('heavy:', *[name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "scan.ang")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"


LATTICES = {
    "m-3m": (4.05, 4.05, 4.05, 90, 90, 90), "4/mmm": (4.0, 4.0, 5.0, 90, 90, 90), "6/mmm": (3.2, 3.2, 5.2, 90, 90, 120),
    "-3m": (4.9, 4.9, 5.4, 90, 90, 120), "mmm": (4.8, 10.2, 6.0, 90, 90, 90), "2/m": (9.7, 8.9, 5.3, 90, 106, 90),
    "-1": (8.1, 12.8, 7.1, 94, 116, 88),
}  # fmt: skip


@pytest.mark.parametrize("laue", list(LATTICES))
def test_lattices_that_their_laue_group_allows(good, laue):
    assert suspicions(good.evolve(phases=(Phase("X", laue, LATTICES[laue]),))) == ""
    assert suspicions(good.evolve(phases=(Phase("X", laue),))) == "", "not known"


@pytest.mark.parametrize(("laue", "place", "value", "words"), [
    ("6/mmm", 0, 2.779, "asks for a = b; got 2.779 x 3.2"), ("-3m", 1, 5.0, "asks for a = b"),
    ("4/mmm", 1, 4.1, "asks for a = b"), ("m-3m", 2, 4.2, "asks for a = b = c"), ("m-3m", 0, 4.1, "asks for a = b = c"),
    ("6/mmm", 5, 90.0, "gamma = 90"), ("6/mmm", 3, 95.0, "alpha = 95"), ("mmm", 4, 100.0, "beta = 100"),
    ("2/m", 3, 80.0, "alpha = 80"), ("m-3m", 5, 120.0, "gamma = 120"), ("4/mmm", 4, 91.0, "beta = 91"),
])  # fmt: skip
def test_lattices_that_their_laue_group_does_not_allow(good, laue, place, value, words):
    lattice = list(LATTICES[laue])
    lattice[place] = value
    assert f"phase 'X': Laue group {laue} asks for" in suspicions(
        good.evolve(phases=(Phase("X", laue, tuple(lattice)),))
    )
    assert words in suspicions(good.evolve(phases=(Phase("X", laue, tuple(lattice)),)))


def test_lattices_in_other_units(good):
    nm = Phase("Ni", "m-3m", (0.352, 0.352, 0.352, 90, 90, 90))
    assert "are they in nm?" in suspicions(good.evolve(phases=(nm,)))
    rad = Phase("Mg", "6/mmm", (3.2, 3.2, 5.2, 1.5708, 1.5708, 2.0944))
    assert "are they in rad?" in suspicions(good.evolve(phases=(rad,)))


@pytest.mark.parametrize("name", ["CI", "Confidence Index"])
def test_confidence_that_is_none(good, name):
    confidence = np.full(good.shape, 0.5)
    confidence[:3, :5] = -1.0
    number = np.count_nonzero(good.indexed[:3, :5])
    assert f"{number} indexed points have a confidence index below 0" in suspicions(
        good.evolve(properties={name: confidence})
    )
    confidence = np.where(good.indexed, 0.5, -1.0)
    assert suspicions(good.evolve(properties={name: confidence})) == ""
    scaled = np.linspace(0, 255, good.phase_ids.size).reshape(good.shape)
    assert "the confidence index is 0 ... 1; got up to 255" in suspicions(good.evolve(properties={name: scaled}))


def test_few_grains_are_told_of_the_whole_map_alone():
    """The centre of a large map holds some grains; it is the number in all that is few or not."""
    for side, width, few in ((1500, 40, False), (700, 150, True)):
        q = rotation.random_orientations((side // width + 1, side // width + 1), np.random.default_rng(0))
        ids = np.arange(side) // width
        scan = OrientationMap(q[ids[:, None], ids[None, :]], np.ones((side, side)), (ALUMINIUM,), (1.0, 1.0))
        found = inspect(scan)
        assert "central part" in found.facts["grains"]
        assert int(found.facts["grains"].split(",")[0]) < 50
        told = [text for text in found.suspicions if "few for statistics" in text]
        assert len(told) == few
        assert not few or re.match(r"about \d\d \(by the 9 of the central part\) grains", told[0])


def test_what_the_reader_found_odd(good):
    assert suspicions(good.evolve(provenance={"doubts": ["points of phase 0\x1b[31m have angles"]})) == (
        r"points of phase 0\x1b[31m have angles"
    )
    assert suspicions(good.evolve(provenance={"doubts": 3})) == ""


def test_names_are_shown_without_control_characters(good):
    phase = Phase("Al\x1b[31m" + "x" * 10**6)
    found = inspect(good.evolve(phases=(phase, Phase("\0empty")), properties={"a\x07b": good.phase_ids}))
    for text in (*found.facts, *found.facts.values(), *found.suspicions):
        assert text.isprintable()
        assert len(text) < 300


def test_twin_boundaries_beside_their_traces_speak_for_another_frame():
    specimen = make_twinned_specimen((4, 90, 100), grain_size=20.0, thickness=4.0, plates_per_grain=2.0, seed=3)
    scan = specimen.grains.field.section(0, 0).evolve(periodic=False)
    found = inspect(scan)
    share = int(found.facts["Sigma 3 boundaries"].partition("%")[0])
    assert share > 80
    assert "traces" not in " ".join(found.suspicions)
    quarter = rotation.from_axis_angle([0.0, 0.0, 1.0], np.pi / 2.0)
    wrong = inspect(scan.evolve(quaternions=rotation.multiply(scan.quaternions, quarter)))
    told = next(sentence for sentence in wrong.suspicions if "traces" in sentence)
    assert f"after a quarter turn about z {share}% do" in told
    assert int(told.partition("%")[0]) < 40
    half = rotation.from_axis_angle([0.0, 0.0, 1.0], np.pi)
    untold = inspect(scan.evolve(quaternions=rotation.multiply(scan.quaternions, half)))
    assert untold.facts["Sigma 3 boundaries"] == found.facts["Sigma 3 boundaries"]


def test_maps_without_twins_say_nothing_of_traces(good):
    assert not any("boundaries" in name for name in inspect(good).facts if name != "at boundaries")
