import stat
import sys
import textwrap
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest

from polyrve.filters import arrays

PLAYED = """\
#!{python}
import sys, time
from pathlib import Path
from polyrve.adapters import dream3d
from polyrve.orientation import OrientationVolume
from polyrve.grains import segment
from polyrve.settings import ReconstructionSettings

arguments = sys.argv[sys.argv.index("reconstruct") + 1 :]
output = Path(arguments[arguments.index("--output") + 1])
settings = ReconstructionSettings.from_toml(arguments[arguments.index("--config") + 1])
scans = [dream3d.read(name) for name in arguments if name.endswith(".dream3d") and name != str(output)]

def volume():
    nz, ny, nx = settings.shape
    layer = scans[0]
    field = OrientationVolume(
        layer.quaternions[None, :ny, :nx].repeat(nz, 0), layer.phase_ids[None, :ny, :nx].repeat(nz, 0),
        layer.phases, settings.spacing or (1.0, 1.0, 1.0), periodic=settings.periodic,
        provenance={{"status": "played", "arguments": arguments}},
    )
    dream3d.write(segment(field), output)

{body}
"""


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    """A program that plays the Python of the engine, by the contract of the command line."""

    def written(body):
        path = tmp_path_factory.mktemp("played") / "python-of-the-engine"
        path.write_text(PLAYED.format(python=sys.executable, body=textwrap.dedent(body)), encoding="utf-8")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    if sys.platform == "win32":
        pytest.skip("a script cannot play a program on Windows")
    return written


class DataPath(str):
    """Plays simplnx's data path."""

    def to_string(self, separator):
        return self.replace("/", separator)

    def name(self):
        return self.rsplit("/", 1)[-1]

    def parent(self):
        return DataPath(self.rpartition("/")[0])

    def create_child_path(self, name):
        return DataPath(f"{self}/{name}")


class DataStructure(dict):
    """Plays simplnx's DataStructure: geometries, arrays and texts by their paths."""

    def __missing__(self, path):
        return None

    def get_children(self, path):
        return [child for child in self if child.parent() == path]

    def add_map(self, name, field):
        """A map as DREAM3D-NX holds it; the arguments of a filter that takes it, without their prefix."""
        geometry, cells, ensemble = (DataPath(f"{name}{part}") for part in ("", "/Cell Data", "/Ensemble"))
        (dy, dx), (ny, nx) = field.spacing, field.shape
        self[geometry] = SimpleNamespace(dimensions=(nx, ny, 1), spacing=(dx, dy, 1.0), origin=(0.0, 0.0, 0.0))
        values = {
            cells.create_child_path("Quats"): np.roll(field.quaternions, -1, axis=-1)[None],
            cells.create_child_path("Phases"): field.phase_ids[None, ..., None],
            ensemble.create_child_path("CrystalStructures"): arrays.ensemble_arrays(field)["CrystalStructures"],
        }
        for path, array in values.items():
            self[path] = SimpleNamespace(npview=lambda array=array: array, tdims=array.shape[:-1])
        self[ensemble.create_child_path("PhaseName")] = arrays.phase_names(field)
        names = ("orientations", "phases", "crystal_structures")
        return {"geometry": geometry, "use_mask": False} | dict(zip(names, values, strict=True))


@pytest.fixture
def data():
    """A stand-in for simplnx's DataStructure, to be filled with maps."""
    return DataStructure()


@pytest.fixture
def map_arguments(data):
    """Put maps, by their normal, into the stand-in; the arguments of a filter that takes them."""

    def put(**maps):
        args = {"frame": 0, "axis": 0, "drop_phase": ""} | {f"use_{normal}_map": normal in maps for normal in "xyz"}
        for normal, field in maps.items():
            args |= {f"{normal}_{key}": value for key, value in data.add_map(normal, field).items()}
        return args

    return put


@pytest.fixture
def data_path():
    """The stand-in's data path."""
    return DataPath


@pytest.fixture
def simplnx(monkeypatch):
    """A stand-in for simplnx itself that takes every call and remembers it."""
    module = MagicMock()
    monkeypatch.setitem(sys.modules, "simplnx", module)
    return module
