"""Each study at a tiny size; figures are files that show something, numbers are those of an independent estimate."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def load(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    return importlib.import_module


def madogram(values, lag):
    """Half the mean absolute increment of a periodic field (ny, nx) at a lag (row, column)."""
    return 0.5 * np.abs(np.roll(values, (-lag[0], -lag[1]), (0, 1)) - values).mean()


def drawn(folder, *names):
    """Whether the figures exist and hold more than a frame."""
    pictures = [np.asarray(Image.open(folder / name).convert("RGB")).reshape(-1, 3) for name in names]
    return all(len(np.unique(picture, axis=0)) > 10 for picture in pictures)


def losses(result):
    return [record.loss for record in result.history]


def test_madograms_are_those_of_a_direct_sum(load):
    from polyrve.crystallography.harmonics import symmetrized_harmonics
    from polyrve.microstructure.synthetic import make_specimen

    study = load("study")
    volume = make_specimen((1, 12, 14), grain_size=4.0).field
    field = volume.section(0, 0)
    ((expected, found),) = study.madograms(field, volume, 3)
    values = symmetrized_harmonics("m-3m").evaluate(field.quaternions)
    for lag in ((0, 1), (2, -3), (-1, 0)):
        direct = [madogram(channel, lag) for channel in values]
        np.testing.assert_allclose(expected[3 + lag[0], 3 + lag[1]], direct, rtol=1e-5)
    assert study.relative_errors([(expected, found)]).shape == (48 * 9,)
    assert study.relative_errors([(expected, found)]).max() < 1e-6
    assert study.relative_errors([(expected, 1.02 * expected)]).mean() == pytest.approx(0.02)


def test_lags_reach_the_largest_lag(load):
    study = load("study")
    scan = study.section(24, grain_size=6.0)
    (variogram, weight), *others = study.all_lags({"variogram": 2.0, "two_point": 1.0}, scan, (1, 16, 16), 7)
    assert (len(variogram.lags), weight, len(others)) == (7 * 15 + 7, 2.0, 1)
    (coarse, _), *_ = study.all_lags({"variogram": 2.0}, scan, (1, 16, 16), 8, coarse=True)
    assert {(1, 0), (5, -5), (8, 8), (6, -4)} <= set(coarse.lags)
    assert (7, 0) not in coarse.lags


def test_measured_map_keeps_its_main_phase(load, tmp_path):
    import polyrve
    from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

    study = load("study")
    truth = make_specimen(
        (1, 24, 30), grain_size=6.0, phases=(MAGNESIUM, ALUMINIUM), phase_fractions=(0.2, 0.8), seed=3
    )
    field = truth.field.section(0, 0).evolve(periodic=False)
    polyrve.write(field, tmp_path / "map.ctf")
    scan = study.read_map(tmp_path / "map.ctf", 2.0)
    assert [phase.laue for phase in scan.phases] == ["m-3m"]
    assert scan.shape == (12, 15)
    assert abs(scan.indexed.mean() - (field.phase_ids == 2).mean()) < 0.1


def test_spatial_maps(load, tmp_path):
    from polyrve.microstructure.synthetic import make_specimen

    field = make_specimen((1, 24, 24), grain_size=6.0).field.section(0, 0)
    found = load("spatial_maps").main(field, 4, tmp_path / "maps.png")
    harmonics = found["harmonics"]
    np.testing.assert_allclose(
        found["two_point"][:, :, 0, 4], np.einsum("cyx,dyx->cd", *2 * [harmonics]) / 576, atol=1e-4
    )
    np.testing.assert_allclose(found["madogram"][0], [madogram(f, (0, 1)) for f in harmonics], atol=6e-3)
    names = ("parameters", "harmonics", "correlations", "madograms")
    assert drawn(tmp_path, *(f"maps_{name}.png" for name in names))


def test_descriptor_weights(load, tmp_path):
    example = load("descriptor_weights")
    assert {name: len(runs) for name, runs in example.weightings().items()} == {
        "single": 6,
        "ratios": 5,
        "variation": 6,
    }
    chosen = {"single": {"variation": {"variation": 1.0}}}
    runs = example.main(load("study").columnar(32), 16, 4, tmp_path / "weights.png", chosen)["single"]
    ((result, figures),) = runs.values()
    assert losses(result)[-1] < 0.5 * losses(result)[0]
    assert set(result.history[0].terms) == {"variation"}
    assert 0.0 < figures["odf_7"] < 1.0
    assert drawn(tmp_path, "weights_single.png")


def test_convergence(load, tmp_path):
    minimum, snapshots = load("convergence").main(load("study").columnar(32), 16, 12, output=tmp_path / "c.png")
    assert list(snapshots) == [0, 10, 12]
    assert minimum.history.value[12] < 0.3 * minimum.history.value[0]
    assert not np.allclose(snapshots[0].quaternions, snapshots[12].quaternions)
    assert drawn(tmp_path, "c.png")


def test_homogeneous(load, tmp_path):
    example, scan = load("homogeneous"), load("study").section(32, grain_size=5.0)
    before = example.main(scan, 16, iterations=0, initial="polycrystal", largest_lag=5)
    after = example.main(scan, 16, iterations=25, initial="polycrystal", largest_lag=5, output=tmp_path / "h.png")
    assert after.errors.shape == (120 * 9,)
    assert after.errors.mean() < 0.5 * before.errors.mean()
    assert drawn(tmp_path, "h.png", "h_poles.png", "h_madograms.png")


def test_inhomogeneous(load, tmp_path):
    example = load("inhomogeneous")
    scan = example.graded(48)
    outcome = example.main(scan, 16, 3, tmp_path / "i.png")
    assert outcome.expected[:2].min() > 1.5 * outcome.expected[2:].max()
    assert outcome.found.shape == (example.BANDS,)
    assert losses(outcome.result)[-1] < losses(outcome.result)[0]
    assert drawn(tmp_path, "i.png")


def test_particles_are_measured(load):
    example = load("interpolation")
    for radii in ((6.0, 6.0), (3.0, 12.0)):
        area, aspect, between = example.shapes(example.particles(96, radii))
        assert area == pytest.approx(0.3, abs=0.04)
        assert aspect == pytest.approx(radii[1] / radii[0], rel=0.1)
        assert between == 0.0


def test_interpolation(load, tmp_path, monkeypatch):
    example = load("interpolation")
    monkeypatch.setattr(example, "SHARES", (0.5,))
    ends = example.particles(16, (2.0, 2.0)), example.particles(16, (1.5, 4.0))
    (step,) = example.main(*ends, 16, 15, tmp_path / "p.png")
    assert step.share == 0.5
    assert step.result.loss < 0.2 * losses(step.result)[0]
    assert drawn(tmp_path, "p.png")


def test_optimizer_comparison(load, tmp_path):
    example = load("optimizer_comparison")
    scan = load("study").section(32, grain_size=5.0)
    results = example.main(scan, 16, 6, seeds=(0,), runs=("lbfgs", "scipy-lbfgsb"), output=tmp_path / "o.png")
    mine, its = results["lbfgs"][0], results["scipy-lbfgsb"][0]
    assert mine.history.value[0] == its.history.value[0] > 2.0 * max(mine.value, its.value)
    (ratio,) = example.against_scipy(results)["lbfgs"]
    assert np.isinf(ratio) or mine.history.value[round(6 * ratio)] <= its.value
    assert drawn(tmp_path, "o.png")


def test_ten_seeds(load, tmp_path):
    example = load("ten_seeds")
    scan = load("study").section(32, grain_size=5.0)
    runs = example.main(scan, 16, 3, seeds=2, initial_fields=("polycrystal",), levels=(1,), output=tmp_path / "s.png")
    ((first, second),) = runs.values()
    assert first.loss != second.loss
    assert example.spread([first, second]) == max(first.loss, second.loss) / min(first.loss, second.loss)
    assert drawn(tmp_path, "s.png")


def test_pooling(load, tmp_path):
    from polyrve.microstructure.synthetic import make_specimen

    example = load("pooling")
    truth = make_specimen((24, 24, 24), grain_size=6.0, seed=1)
    scan, weights = truth.field.section(0, 0), {"two_point": 0.0, "three_point": 0.0}
    runs = example.main(truth, scan, 8, 2, (("paper", "random"),), tmp_path / "g.png", weights=weights)
    assert [names[2] for names in runs] == ["each section", "all sections"]
    for result, validation in runs.values():
        assert result.volume.shape == (8, 8, 8)
        assert losses(result)[-1] < losses(result)[0]
        assert validation["odf_7"].value > 0.0
    assert drawn(tmp_path, "g.png")


def test_ablation(load, tmp_path, monkeypatch):
    example, scan = load("ablation"), load("study").section(32, grain_size=5.0)
    assert {"paper", "default", "default without texture", "default and three_point"} < set(example.sets())
    monkeypatch.setattr(example, "sets", lambda: {"default": {"texture": 1.0}, "paper": {"variation": 1.0}})
    runs = example.main({"equiaxed": scan}, 16, 5, seeds=(0,), output=tmp_path / "a.png")["equiaxed"]
    assert [set(results[0].history[0].terms) for results, _ in runs.values()] == [{"texture"}, {"variation"}]
    assert all(losses(results[0])[-1] < losses(results[0])[0] for results, _ in runs.values())
    assert drawn(tmp_path, "a.png")
