"""The house: which package is where; the import contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import grimp
import pytest

import polyrve

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LINKED = ("adapters", "filters")
ROOMS_THAT_MUST_NOT_EXIST = {"utils", "util", "helpers", "common", "misc", "base", "core"}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] in LINKED:
        parts = ("polyrve", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    found = {}
    for folder in ("polyrve", *LINKED):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.relative_to(ROOT).parts[:2] not in {("polyrve", link) for link in LINKED}:
                found[module_name(path)] = path
    return found


MODULES = modules()


@pytest.fixture(scope="module")
def graph():
    return grimp.build_graph("polyrve", cache_dir=None)


def test_packages_in_pyproject_are_the_folders():
    listed = PYPROJECT["tool"]["setuptools"]["packages"]
    assert set(listed) == {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert len(listed) == len(set(listed))
    assert all((path.parent / "__init__.py").exists() for path in MODULES.values())


def test_linked_folders_are_relative_links():
    for name in LINKED:
        link = ROOT / "polyrve" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_import_contracts_see_every_module(graph):
    assert graph.modules == set(MODULES)


def test_no_module_reaches_others_through_the_public_names(graph):
    """An import of the lazy package itself would hide an edge from the import contracts."""
    lines = {
        (importer, detail["line_contents"])
        for importer in graph.find_modules_that_directly_import("polyrve")
        if importer.split(".")[1] not in ("__main__", "cli", "filters", "demo")
        for detail in graph.get_import_details(importer=importer, imported="polyrve")
    }
    assert {line for _, line in lines} <= {"from polyrve import __version__"}


def test_no_room_without_a_subject():
    assert not ROOMS_THAT_MUST_NOT_EXIST & {part for name in MODULES for part in name.split(".")}


def test_version_is_stated_once():
    assert PYPROJECT["project"]["version"] == polyrve.__version__
    assert f"version: {polyrve.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "statement",
    [
        "import polyrve",
        "import polyrve.cli.app",
        "import polyrve.adapters.registry",
        "import polyrve.filters",
        "import polyrve.initial.exemplar_synthesis",
        "from polyrve.cli.app import app; app(['--help'], standalone_mode=False)",
    ],
)
def test_start_imports_nothing_heavy(statement):
    heavy = ("tensorflow", "vtk", "vtkmodules", "orix", "numba", "damask", "matplotlib", "keras", "pandas")
    check = f"import sys; print('heavy:', *[name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{statement}\n{check}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"
