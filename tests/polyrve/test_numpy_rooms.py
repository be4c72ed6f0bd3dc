"""Rooms that compute with NumPy alone: their modules load no TensorFlow."""

import subprocess
import sys

import pytest

CHECK = """
import importlib, pkgutil, sys
package = importlib.import_module({name!r})
modules = [module.name for module in pkgutil.walk_packages(package.__path__, {name!r} + ".")]
for module in modules:
    importlib.import_module(module)
    if "tensorflow" in sys.modules:
        sys.exit(f"{{module}} loads TensorFlow")
print(len(modules))
"""


@pytest.mark.parametrize("room", ["crystallography", "microstructure", "initial", "validation"])
def test_room_loads_no_tensorflow(room):
    done = subprocess.run(
        [sys.executable, "-c", CHECK.format(name=f"polyrve.{room}")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3
