"""What installs polyrve agrees with pyproject.toml, and what needs no reconstruction works without TensorFlow."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from polyrve.adapters import registry
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import make_specimen

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OF_CONDA = {"damask": "python-damask", "matplotlib": "matplotlib-base", "lazy_loader": "lazy-loader"}


def _required():
    """Conda's name and the least version of each dependency; those of old Pythons alone last."""
    found = {}
    for line in PROJECT["dependencies"]:
        asked = Requirement(line)
        (bound,) = asked.specifier
        assert bound.operator == ">=", line
        found[OF_CONDA.get(asked.name, asked.name)] = bound.version, asked.marker is not None
    return found


def _listed(lines):
    """Name and least version of each line of a conda file that has one."""
    return dict(re.split(r" ?>=", str(line).split(",")[0]) for line in lines if ">=" in str(line))


def test_conda_asks_for_the_same_packages():
    recipe = yaml.safe_load((ROOT / "packaging" / "conda" / "recipe.yaml").read_text())
    run = _listed(line for line in recipe["requirements"]["run"] if not line.startswith("python "))
    assert run == {name: version for name, (version, _) in _required().items()}
    environment = _listed(yaml.safe_load((ROOT / "packaging" / "environment.yml").read_text())["dependencies"])
    assert {name: version for name, (version, old) in _required().items() if not old}.items() <= environment.items()


def test_versions_agree():
    version = PROJECT["version"]
    assert f"version: {version}\n" in (ROOT / "CITATION.cff").read_text()
    assert f'version: "{version}"\n' in (ROOT / "packaging" / "conda" / "recipe.yaml").read_text()
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_list_for_an_installation_without_tensorflow_is_complete():
    page = (ROOT / "docs" / "install.md").read_text()
    line = re.search(r"^pip install (numpy .*)$", page, re.MULTILINE)[1]
    assert set(line.split()) == {Requirement(each).name for each in PROJECT["dependencies"]} - {"tensorflow"}


@pytest.mark.integration
def test_what_needs_no_reconstruction_works_without_tensorflow(tmp_path):
    absent = tmp_path / "absent"
    absent.mkdir()
    for name in ("tensorflow", "keras"):
        (absent / f"{name}.py").write_text(f'raise ModuleNotFoundError("No module named {name}", name="{name}")\n')
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(absent), *filter(None, sys.path)])}
    truth = make_specimen((16, 20, 22), grain_size=5.0, seed=1)
    registry.write(simulate_scan(truth, 0, 2), tmp_path / "scan.ang")
    registry.write(truth, tmp_path / "truth.dream3d")

    def run(*arguments):
        command = [sys.executable, "-m", "polyrve", *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)

    commands = (
        "info scan.ang",
        "convert scan.ang scan.ctf",
        "validate truth.dream3d --against scan.ang --report page.html",
        "export truth.dream3d job --to damask --phase Al",
    )
    program = f"""
from polyrve.cli.app import app
for words in {commands!r}:
    app(words.split(), standalone_mode=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert {"scan.ctf", "page.html", "job"} <= {path.name for path in tmp_path.iterdir()}
    refused = run("reconstruct", "scan.ang", "--shape", "8", "8", "8", "--output", "rve.dream3d")
    assert refused.returncode != 0
    assert "polyrve: TensorFlow: expected an installed package" in refused.stderr
    assert "Traceback" not in refused.stderr
