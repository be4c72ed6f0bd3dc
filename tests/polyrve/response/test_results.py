from pathlib import Path

import h5py
import numpy as np
import pytest

from polyrve.adapters.registry import FormatError
from polyrve.response import results

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "damask"
E, HARDENING = 70e9, 1e9


def test_a_known_curve_gives_its_modulus_and_yield_stress(tmp_path, write_result):
    strains = np.array([0, 0.0005, 0.001, 0.002, 0.004, 0.01])
    write_result(tmp_path / "job.hdf5", strains, np.minimum(E * strains, 70e6 + HARDENING * (strains - 0.001)))
    found = results.read_response(tmp_path)
    assert found.axis == "x"
    assert found.modulus == pytest.approx(E)
    assert found.yield_stress == pytest.approx(E * 69e6 / (E - HARDENING) + E * 140e6 / (E - HARDENING) - 140e6)
    assert found.figures["stress_at_1_percent"] == pytest.approx(79e6)
    np.testing.assert_allclose(found.true_stress, found.stress, rtol=1e-12)  # the cross-section is held


def test_phases_count_by_their_points(tmp_path, write_result):
    strains = np.array([0, 0.0005, 0.001])
    write_result(tmp_path / "job.hdf5", strains, E * strains, second=6)
    found = results.read_response(tmp_path)
    np.testing.assert_allclose(found.stress, (18 * 1.0 + 6 * 2.0) / 24 * E * strains)
    assert found.modulus == pytest.approx(1.25 * E)


def test_truncated_and_foreign_files_are_refused(tmp_path, run, write_result):
    whole, cut, foreign = (tmp_path / f"{name}.hdf5" for name in ("whole", "cut", "foreign"))
    write_result(whole, [0, 0.001], [0, 70e6])
    cut.write_bytes(whole.read_bytes()[:4000])
    with h5py.File(foreign, "w") as file:
        file["a"] = [1]
    for path, said in ((cut, "expected intact results"), (foreign, "HDF5 file of something else")):
        code, _, err = run("results", path, "-o", tmp_path / "page.html")
        assert (code, err.count("polyrve: ")) == (2, 1)
        assert said in err
    assert not (tmp_path / "page.html").exists()
    write_result(whole, [0], [0])
    with pytest.raises(FormatError, match="expected a loaded state"):
        results.read_response(whole)


@pytest.mark.skipif(not DATA.exists(), reason="results of DAMASK are not beside this checkout")
def test_a_result_of_damask_becomes_a_page(tmp_path, run):
    source = DATA / "al_tension_8.hdf5"
    code, _, err = run("results", source, "-o", tmp_path / "page.html", "--fields", tmp_path / "state.dream3d")
    assert code == 0, err
    assert {"page.html", "page.json", "page_curve.csv", "page_grains.csv"} <= {p.name for p in tmp_path.iterdir()}
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "von Mises stress standard deviation (MPa)" in page
    assert "GPa, " in page
    fields = results.read_fields(source)
    with h5py.File(source) as file:
        state = file["increment_4/phase/Aluminium/mechanical"]
        F, P, q = (state[name][:] for name in ("F", "P", "O"))
    sigma = P @ F.swapaxes(1, 2) / np.linalg.det(F)[:, None, None]
    deviator = sigma - np.trace(sigma, axis1=1, axis2=2)[:, None, None] * np.eye(3) / 3
    mises = np.sqrt(1.5 * (deviator**2).sum(axis=(1, 2)))
    np.testing.assert_allclose(fields.stress.ravel(), mises, rtol=1e-6)
    np.testing.assert_allclose(np.abs(fields.grains.field.quaternions.reshape(-1, 4)), np.abs(q), atol=1e-6)
    assert results.hot_spots(fields).mises_stress_Pa[0] == pytest.approx(mises.max())


def test_a_run_that_stopped_while_it_wrote_is_read_to_the_state_before(tmp_path, write_result):
    write_result(tmp_path / "job.hdf5", [0, 0.0005, 0.001], [0, 35e6, 70e6], shape=(1, 3, 4))
    with h5py.File(tmp_path / "job.hdf5", "a") as file:
        del file["increment_2/phase/Al/mechanical/P"]
    found = results.read_response(tmp_path)
    assert found.increments.tolist() == [0, 1]
    assert found.shape == (1, 3, 4)
    assert found.modulus == pytest.approx(E)


def test_a_second_load_step_does_not_change_the_figures_of_the_first(tmp_path, write_result):
    strains = np.array([0, 0.001, 0.004, 0.01])
    stresses = np.minimum(E * strains, 70e6 + HARDENING * (strains - 0.001))
    write_result(tmp_path / "one.hdf5", strains, stresses)
    write_result(tmp_path / "two.hdf5", [*strains, 0.009, 0.02], [*stresses, 9e6, 90e6])
    one, two = (results.read_response(tmp_path / f"{name}.hdf5") for name in ("one", "two"))
    assert two.figures == one.figures
    assert len(results.cycles(one)) == 0
    turned = results.cycles(two)[["largest_strain", "smallest_strain"]].to_numpy()
    np.testing.assert_allclose(turned, [[0.02, 0.009]])
