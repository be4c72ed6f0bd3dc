from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import stats

import polyrve
from polyrve.response.elements import Element, ElementStudy, study
from polyrve.response.map_error import Part, decisive, map_error

E, M = 120e9, 5e6


@pytest.fixture(scope="module")
def known():
    return map_error([polyrve.data.load("scan")], "Cu")


def made(size, seed, deviation, rest=0.0):
    """An element whose figures follow its orientations, up to a rest."""
    figures = {"modulus": E * (1 + deviation) * (1 + rest), "stress_at_1_percent": 3 * M * (1 + deviation) * (1 + rest)}
    return Element(size, seed, 50, figures, {"modulus": E * (1 + deviation), "stress": M * (1 + deviation)})


def test_the_map_tells_its_error_from_grains_windows_and_maps(known):
    scan = polyrve.data.load("scan")
    bounds = polyrve.bounds(scan, "Cu")
    np.testing.assert_allclose([parts[0].error for parts in known.modulus], bounds.hill_error, rtol=1e-6)
    assert [part.source for part in known.stress[0]] == ["grains", "windows"]
    half = scan.shape[0] // 2
    two = map_error([scan[:half], scan[half:]], "Cu")
    assert [(part.source, part.groups) for part in two.modulus[2]][1:] == [("windows", 8), ("maps", 2)]
    np.testing.assert_allclose(two.bounds.hill, known.bounds.hill, rtol=0.01)


def test_a_copy_of_a_map_tells_nothing_more(known):
    scan = polyrve.data.load("scan")
    twice = map_error([scan, scan], "Cu", copies=2.0)
    for axis in range(3):
        assert twice.modulus[axis][0].error == pytest.approx(known.modulus[axis][0].error, rel=0.01)
        assert twice.modulus[axis][0].groups == known.modulus[axis][0].groups


def test_windows_count_where_they_differ_by_more_than_chance():
    grains = Part("grains", 100, 0.01)
    assert decisive([grains, Part("windows", 4, 0.012)]) is grains
    assert decisive([grains, Part("windows", 4, 0.05)]).source == "windows"
    assert Part("windows", 4, 0.05).half_width == pytest.approx(0.05 * stats.t.ppf(0.975, 3))


def test_the_band_of_a_mean_is_that_of_student(known):
    off = np.array([-0.02, 0.01, 0.03, 0.0])
    found = ElementStudy(tuple(made(16, n, 0.0, x) for n, x in enumerate(off)), 0, known)
    assert not found.controlled("modulus")
    band = found.band("modulus", 16)
    half = stats.t.interval(0.95, 3, E * (1 + off.mean()), stats.sem(E * (1 + off)))
    assert band.mean * (1 + band.half_width) == pytest.approx(half[1])
    bar = found.error_bar("modulus")
    assert bar.total**2 == pytest.approx(known.modulus[0][0].half_width ** 2 + band.half_width**2)


def test_a_control_variate_takes_away_what_orientations_explain(known):
    rng = np.random.default_rng(0)
    elements = [made(16, n, rng.normal(0, 0.03), rng.normal(0, 0.002)) for n in range(5)]
    found = ElementStudy(tuple(elements), 1, known)
    assert found.controlled("stress_at_1_percent")
    assert found.band("stress_at_1_percent", 16).half_width < 0.006
    assert found.band("stress_at_1_percent", 16).mean == pytest.approx(3 * known.bounds.flow_stress[1], rel=0.005)
    assert found.error_bar("modulus").value == pytest.approx(known.bounds.hill[1], rel=0.005)


def test_sizes_that_are_large_enough(known):
    rng = np.random.default_rng(1)
    elements = [made(size, n, 0.0, rng.normal(0, 0.04 * (16 / size) ** 1.5)) for size in (16, 32) for n in range(40)]
    found = ElementStudy(tuple(elements), 0, known)
    assert found.size_of_one("modulus", 0.02) == pytest.approx(16 * (0.08 / 0.02) ** (2 / 3), rel=0.12)
    assert found.size_of_mean("modulus", 0.02) == 16
    assert found.size_of_mean("modulus", 0.001) is None
    assert found.needed("modulus", 16, 0.02) == pytest.approx(19, abs=5)
    biased = [*elements, *(made(48, n, 0.05, rng.normal(0, 0.001)) for n in range(5))]
    assert ElementStudy(tuple(biased), 0, known).size_of_mean("modulus", 0.02) == 48


@pytest.mark.parametrize("workers", [1, 2])
def test_a_size_ends_with_the_seed_that_meets_the_tolerance(known, workers):
    seen = []

    def work(size, seed):
        seen.append((size, seed))
        return made(size, seed, 0.0, (0.03 if size == 8 else 1e-4) * (-1) ** seed)

    with ThreadPoolExecutor(workers) as executor:
        found = study(known, 0, [12, 8], 8, work, tolerance=0.01, executor=executor, workers=workers)
    assert sum(size == 8 for size, _ in seen) == 8
    assert sum(size == 12 for size, _ in seen) == 3
    assert found.sizes == (8, 12)
    assert not found.met(8)
    assert found.met(12)


def test_wrong_numbers_are_refused(known):
    for given in ({"sizes": [], "seeds": 2}, {"sizes": [8], "seeds": 0}):
        with pytest.raises(ValueError, match="sizes, seeds: expected"):
            study(known, 0, work=made, **given)
    with pytest.raises(ValueError, match="tolerance: expected"):
        study(known, 0, [8], 2, made, tolerance=2.0)


def test_the_page_shows_bars_sizes_and_the_map(known, tmp_path):
    import json

    from polyrve.report.elements_page import notes, write_elements

    rng = np.random.default_rng(2)
    elements = [made(size, n, rng.normal(0, 0.02), rng.normal(0, 0.004)) for size in (16, 24) for n in range(4)]
    found = ElementStudy(tuple(elements), 0, known, 0.01)
    write_elements(found, tmp_path / "response.html")
    text = (tmp_path / "response.html").read_text(encoding="utf-8")
    assert text.count("data:image/png") == 2
    record = json.loads((tmp_path / "response.json").read_text())
    assert record["figures"]["modulus"]["total"] == pytest.approx(found.error_bar("modulus").total)
    assert any("times its area" in note for note in notes(found))


def test_the_command_refuses_before_it_runs(run, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    scan = tmp_path / "scan.ang"
    polyrve.data.load("scan").write(scan)
    for options, said in (
        (["--sizes", "a"], "--sizes"), (["--tolerance", "0%"], "--tolerance"), (["--load", "shear"], "--load"),
        ([], "solver: expected"),
    ):  # fmt: skip
        code, _, err = run("response", scan, "-o", tmp_path / "study", "--phase", "Cu", *options)
        assert code == 2
        assert err.count("polyrve: ") == 1
        assert said in err
