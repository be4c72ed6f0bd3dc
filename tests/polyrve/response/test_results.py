from pathlib import Path

import h5py
import numpy as np
import pytest

from polyrve.adapters.registry import FormatError
from polyrve.response import results

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "damask"
E, HARDENING = 70e9, 1e9


def write_result(path, strains, stresses, shape=(2, 3, 4)):
    """A file of DAMASK's layout without its set-up, every point under the same load."""
    points = int(np.prod(shape))
    place = np.array([("Al", n) for n in range(points)], dtype=[("label", "S2"), ("entry", "<i8")])
    with h5py.File(path, "w") as file:
        file.attrs.update({"DADF5_version_major": np.int32(1), "DADF5_version_minor": np.int32(1), "creator": ""})
        file["geometry/cells"] = np.array(shape[::-1], dtype=np.int32)
        file["geometry/origin"], file["geometry/size"] = np.zeros(3), np.array(shape[::-1]) * 1e-6
        file["geometry"].attrs.update({name: file[f"geometry/{name}"][:] for name in ("cells", "origin", "size")})
        file["cell_to/phase"], file["cell_to/homogenization"] = place[:, None], place
        file.create_group("setup")
        for n, (strain, stress) in enumerate(zip(strains, stresses, strict=True)):
            state = file.create_group(f"increment_{n}")
            state.attrs["t/s"] = float(n)
            state.create_group("homogenization/Al/mechanical")
            state.create_group("geometry")
            F = np.tile(np.diag([1.0 + strain, 1.0, 1.0]), (points, 1, 1))
            P = np.tile(np.diag([float(stress), 0.0, 0.0]), (points, 1, 1))
            for name, values, unit in (("F", F, "1"), ("P", P, "Pa")):
                state[f"phase/Al/mechanical/{name}"] = values
                state[f"phase/Al/mechanical/{name}"].attrs.update({"unit": unit, "description": "", "creator": ""})


def test_a_known_curve_gives_its_modulus_and_yield_stress(tmp_path):
    strains = np.array([0, 0.0005, 0.001, 0.002, 0.004, 0.01])
    write_result(tmp_path / "job.hdf5", strains, np.minimum(E * strains, 70e6 + HARDENING * (strains - 0.001)))
    found = results.read_response(tmp_path)
    assert found.axis == "x"
    assert found.modulus == pytest.approx(E)
    assert found.yield_stress == pytest.approx(E * 69e6 / (E - HARDENING) + E * 140e6 / (E - HARDENING) - 140e6)
    assert found.figures["stress_at_1_percent"] == pytest.approx(79e6)
    np.testing.assert_allclose(found.true_stress, found.stress, rtol=1e-12)  # the cross-section is held


def test_truncated_and_foreign_files_are_refused(tmp_path, run):
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
