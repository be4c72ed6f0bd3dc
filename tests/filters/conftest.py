import importlib.util
import stat
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from polyrve.filters import arrays


def _loaded(name):
    """A module beside this file, to be imported by its name from now on."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


played = _loaded("played_simplnx")

PLAYED = """\
#!{python}
import json, sys, time
from pathlib import Path

arguments = sys.argv[sys.argv.index("reconstruct") + 1 :]
output = Path(arguments[arguments.index("--output") + 1])

def tell(**event):
    print(json.dumps(event), flush=True)

def volume():
    import numpy as np
    from polyrve.adapters.volumes import dream3d, dream3d_write
    from polyrve.microstructure.fields import OrientationVolume
    from polyrve.microstructure.segmentation import segment
    from polyrve.settings import ReconstructionSettings

    settings = ReconstructionSettings.from_toml(arguments[arguments.index("--config") + 1])
    names = [name.partition(":")[2] if name.startswith("all:") else name for name in arguments]
    layer, *_ = [dream3d.read(name) for name in names if name.endswith(".dream3d") and name != str(output)]
    nz, ny, nx = settings.shape
    field = OrientationVolume(
        layer.quaternions[None, :ny, :nx].repeat(nz, 0), layer.phase_ids[None, :ny, :nx].repeat(nz, 0),
        layer.phases, settings.spacing or (1.0, 1.0, 1.0), periodic=settings.periodic,
        provenance={{"status": "played", "arguments": arguments}},
    )
    dream3d_write.ipf_colors = lambda q, *_: np.zeros((*q.shape[:-1], 3), dtype=np.uint8)
    dream3d.write(segment(field), output)
    tell(event="result", status="ITERATIONS", text="played")

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


def add_map(data, name, field):
    """Put a map into a DataStructure as DREAM3D-NX holds it; arguments of a filter that takes it, without prefix."""
    ensemble = arrays.ensemble_arrays(field)
    cells = {"Quats": np.roll(field.quaternions, -1, axis=-1)[None], "Phases": field.phase_ids[None, ..., None]}
    rows = {"CrystalStructures": ensemble["CrystalStructures"]}
    (dy, dx), (ny, nx) = field.spacing, field.shape
    actions, paths = played.OutputActions(), {}
    geometry = played.DataPath([name])
    actions.append_action(
        played.CreateImageGeometryAction(geometry, [nx, ny, 1], [0.0, 0.0, 0.0], [dx, dy, 1.0], "Cell Data")
    )
    matrix = geometry.create_child_path("Ensemble")
    actions.append_action(played.CreateAttributeMatrixAction(matrix, [len(field.phases) + 1]))
    dtypes = {column.name: column.dtype for column in (*arrays.CELL_COLUMNS, *arrays.ENSEMBLE_COLUMNS)}
    for above, columns in ((geometry.create_child_path("Cell Data"), cells), (matrix, rows)):
        for key, values in columns.items():
            paths[key] = above.create_child_path(key)
            kind = played.convert_np_dtype_to_datatype(np.dtype(dtypes[key]))
            actions.append_action(played.CreateArrayAction(kind, values.shape[:-1], values.shape[-1:], paths[key]))
    names = matrix.create_child_path("PhaseName")
    actions.append_action(played.CreateStringArrayAction([len(field.phases) + 1], names))
    assert actions.apply(data, True) == []
    for key, values in (cells | rows).items():
        data[paths[key]].npview()[...] = values
    data[names].initialize_with_list(arrays.phase_names(field))
    return {"geometry": geometry, "use_mask": False} | dict(
        zip(("orientations", "phases", "crystal_structures"), paths.values(), strict=True)
    )


@pytest.fixture
def simplnx(monkeypatch):
    """What plays simplnx, whether that is installed or not."""
    monkeypatch.setitem(sys.modules, "simplnx", played)
    return played


@pytest.fixture
def data():
    """A DataStructure of what plays simplnx, to be filled with maps."""
    return played.DataStructure()


@pytest.fixture
def map_arguments(data):
    """Put maps, by their normal, into the stand-in; the arguments of a filter that takes them."""

    def put(**maps):
        args = {"frame": 0, "axis": 0, "drop_phase": "", "further_maps": ""} | {
            f"use_{normal}_map": normal in maps for normal in "xyz"
        }
        for normal, field in maps.items():
            args |= {f"{normal}_{key}": value for key, value in add_map(data, normal, field).items()}
        return args

    return put
