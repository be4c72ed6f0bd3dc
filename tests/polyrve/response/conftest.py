import h5py
import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_result():
    """What writes results of DAMASK's layout."""
    return _write


def _write(path, strains, stresses, shape=(2, 3, 4)):
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
