import stat
import sys
import textwrap

import pytest

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
