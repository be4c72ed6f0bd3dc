"""``polyrve clean``: what the functions of microstructure.cleaning make, in one order."""

import numpy as np
import pytest

from polyrve.adapters import registry
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import cleaning
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.synthetic import make_specimen

PHASES = (Phase("Al", "m-3m"), Phase("Mg", "6/mmm"))


@pytest.fixture(scope="module")
def scan():
    rng = np.random.default_rng(0)
    layer = make_specimen((1, 30, 36), grain_size=6.0, seed=1).field.section(0, 0)
    q, ids = layer.quaternions.copy(), layer.phase_ids.copy()
    q[5, 7], q[20, 11:13] = rotation.random_orientations((1,), rng), rotation.random_orientations((2,), rng)
    ids[:, :4] = 2
    ci = rng.random(layer.shape)
    ci[3, 3:6] = 0.01
    return OrientationMap(q, ids, PHASES, (0.5, 0.25), properties={"CI": ci, "Fit": 2.0 * rng.random(layer.shape)})


@pytest.fixture
def source(tmp_path, scan):
    path = tmp_path / "scan.dream3d"
    registry.write(scan, path, xdmf=False)
    return path


def test_all_steps_in_their_order(run, source, tmp_path):
    target = tmp_path / "out.dream3d"
    code, out, err = run(
        "clean", source, target, "--coarsen", "1,0.5", "--min-grain", 3, "--spikes", 6, "--max", "Fit=1.9", "--min",
        "CI=0.1", "--drop-phase", "Mg", "--crop", "2:28,:34", "--threshold", 4, "--set", "xdmf=false",
    )  # fmt: skip
    assert code == 0, err
    field = registry.read(source)
    field = cleaning.crop(field, (2, 0), (28, 34))
    field = cleaning.drop_phase(field, "Mg")
    field = cleaning.unindex(field, minimum={"CI": 0.1}, maximum={"Fit": 1.9})
    field = cleaning.remove_spikes(field, 6.0)
    field = cleaning.absorb_small_grains(field, 3, 4.0)
    field = cleaning.coarsen(field, (1.0, 0.5))
    found = registry.read(target)
    np.testing.assert_array_equal(found.phase_ids, field.phase_ids)
    np.testing.assert_array_equal(found.quaternions, field.quaternions)
    assert found.provenance["steps"] == field.provenance["steps"]
    assert len(found.provenance["steps"]) == 6
    lines = out.splitlines()
    assert lines[0].startswith(f"{source}: 30 x 36 points, 100.00 % indexed")
    assert [line.strip() for line in lines[1:-1]] == found.provenance["steps"]
    assert lines[-1] == f"{target}: 13 x 17 points, {100 * found.indexed.mean():.2f} % indexed, dream3d"


def test_steps_of_an_earlier_command_are_kept_and_not_told_again(run, source, tmp_path):
    first, second = tmp_path / "first.dream3d", tmp_path / "second.dream3d"
    assert run("clean", source, first, "--spikes", 5)[0] == 0
    code, out, err = run("clean", first, second, "--min-grain", 2, "--zero-solutions")
    assert code == 0, err
    steps = registry.read(second).provenance["steps"]
    assert [step.split()[0] for step in steps] == ["wild", "not", "grains"]
    assert [line.strip() for line in out.splitlines()[1:-1]] == steps[1:]


def test_grains_of_a_volume_do_not_outlive_its_cleaning(run, tmp_path):
    truth = make_specimen((4, 12, 14), grain_size=5.0, seed=1)
    registry.write(truth, tmp_path / "truth.dream3d", xdmf=False)
    code, _, err = run(
        "clean", tmp_path / "truth.dream3d", tmp_path / "out.dream3d", "--min-grain", 12, "--crop", "1:,:,2:",
        "--set", "xdmf=false",
    )  # fmt: skip
    assert code == 0, err
    found = registry.read(tmp_path / "out.dream3d")
    assert found.shape == (3, 12, 12)
    assert "FeatureIds" not in found.properties


def test_a_map_goes_from_one_text_format_to_another(run, scan, tmp_path):
    registry.write(scan.evolve(phases=PHASES[:1], phase_ids=np.ones(scan.shape, int)), tmp_path / "scan.ang")
    code, _, err = run("clean", tmp_path / "scan.ang", tmp_path / "out.ctf", "--min", "CI=0.1", "--crop", ":10,:12")
    assert code == 0, err
    found = registry.read(tmp_path / "out.ctf", frame="none")
    np.testing.assert_array_equal(found.indexed, np.round(scan.properties["CI"][:10, :12], 5) >= 0.1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "clean: expected one of --crop, --drop-phase, --min, --max, --zero-solutions, --spikes, --min-grain"),
        (["--crop", "2:8"], "--crop: expected Y0:Y1,X0:X1 of a map; got '2:8'"),
        (["--crop", "2,3"], "--crop: expected Y0:Y1,X0:X1 of a map; got '2,3'"),
        (["--crop", "a:,2:"], "--crop: expected Y0:Y1,X0:X1"),
        (["--crop", "0:99,:"], "--crop: box: expected"),
        (["--min", "CI"], "--min: expected NAME=VALUE with a number"),
        (["--max", "=3"], "--max: expected NAME=VALUE with a number"),
        (["--max", "Fit=high"], "got 'Fit=high'"),
        (["--max", "MAD=1"], "--max: property: expected one of CI, Fit; got 'MAD'"),
        (["--drop-phase", "Ti"], "expected one of Al, Mg; got 'Ti'"),
        (["--spikes", "0"], "--spikes: threshold: expected degrees between 0 and 180"),
        (["--min-grain", "5000"], "--min-grain: min_points: expected at most"),
        (["--coarsen", "1,2,3"], "--coarsen: expected one length in um, or one along each of y, x; got '1,2,3'"),
        (["--coarsen", "wide"], "got 'wide'"),
        (["--coarsen", "-1"], "--coarsen: spacing: expected positive lengths"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(run, source, tmp_path, arguments, words):
    target = tmp_path / "out.dream3d"
    code, out, err = run("clean", source, target, *arguments)
    assert (code, out) == (2, "")
    assert sum(line.startswith("polyrve: ") for line in err.splitlines()) == 1
    assert words in err
    assert not target.exists()
