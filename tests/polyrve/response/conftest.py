import h5py
import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_result():
    """What writes results of DAMASK's layout."""
    return _write


def _write(path, strains, stresses, shape=(2, 3, 4), second=0):
    """A file of DAMASK's layout without its set-up, every point strained alike.

    The last points are a second phase, as many as are asked for, that bears twice the stress.
    """
    points = int(np.prod(shape))
    sizes = {"Al": points - second, "Mg": second} if second else {"Al": points}
    entries = [(name, n) for name, size in sizes.items() for n in range(size)]
    place = np.array(entries, dtype=[("label", "S2"), ("entry", "<i8")])
    whole = np.array([("Al", n) for n in range(points)], dtype=place.dtype)
    with h5py.File(path, "w") as file:
        file.attrs.update({"DADF5_version_major": np.int32(1), "DADF5_version_minor": np.int32(1), "creator": ""})
        file["geometry/cells"] = np.array(shape[::-1], dtype=np.int32)
        file["geometry/origin"], file["geometry/size"] = np.zeros(3), np.array(shape[::-1]) * 1e-6
        file["geometry"].attrs.update({name: file[f"geometry/{name}"][:] for name in ("cells", "origin", "size")})
        file["cell_to/phase"], file["cell_to/homogenization"] = place[:, None], whole
        file.create_group("setup")
        for n, (strain, stress) in enumerate(zip(strains, stresses, strict=True)):
            state = file.create_group(f"increment_{n}")
            state.attrs["t/s"] = float(n)
            state.create_group("homogenization/Al/mechanical")
            state.create_group("geometry")
            for times, (phase, size) in enumerate(sizes.items(), start=1):
                F = np.tile(np.diag([1.0 + strain, 1.0, 1.0]), (size, 1, 1))
                P = np.tile(np.diag([float(times * stress), 0.0, 0.0]), (size, 1, 1))
                for name, values, unit in (("F", F, "1"), ("P", P, "Pa")):
                    of_phase = state.create_dataset(f"phase/{phase}/mechanical/{name}", data=values)
                    of_phase.attrs.update({"unit": unit, "description": "", "creator": ""})
