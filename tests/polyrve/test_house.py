"""The house: which package is where, and who may import whom."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

NEEDS_TENSORFLOW_NEVER = ("polyrve.adapters",)
ROOMS_THAT_MUST_NOT_EXIST = {"utils", "util", "helpers", "common", "misc", "base", "core"}


def source_files(folder):
    return sorted(path for path in (ROOT / folder).rglob("*.py") if not (ROOT / folder).is_symlink())


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[0] in ("adapters", "filters"):
        parts = ("polyrve", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules():
    found = {}
    for folder in ("polyrve", "adapters", "filters"):
        for path in source_files(folder):
            inside = path.relative_to(ROOT).parts
            if inside[:2] not in (("polyrve", "adapters"), ("polyrve", "filters")):
                found[module_name(path)] = path
    return found


MODULES = modules()


def imports(path):
    """Absolute names of all that a file imports, inside functions too, but not under ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in MODULES else node.module


def within(name, packages):
    return any(name == package or name.startswith(package + ".") for package in packages)


@pytest.mark.parametrize("name", sorted(name for name in MODULES if within(name, NEEDS_TENSORFLOW_NEVER)))
def test_adapters_do_not_name_tensorflow(name):
    assert not any(within(imported, ("tensorflow", "keras")) for imported in imports(MODULES[name]))


def test_packages_in_pyproject_are_the_folders():
    (line,) = [line for line in PYPROJECT.splitlines() if line.startswith("packages = [")]
    listed = ast.literal_eval(line.removeprefix("packages = "))
    folders = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert set(listed) == folders
    assert all((path.parent / "__init__.py").exists() for path in MODULES.values())


def test_linked_folders_are_relative_links():
    for name in ("adapters", "filters"):
        link = ROOT / "polyrve" / name
        assert link.is_symlink()
        assert link.readlink() == Path("..") / name


def test_no_room_without_a_subject():
    assert not ROOMS_THAT_MUST_NOT_EXIST & {part for name in MODULES for part in name.split(".")}


def test_version_is_stated_once():
    import polyrve

    assert f'version = "{polyrve.__version__}"' in PYPROJECT
    assert f"version: {polyrve.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "statement",
    [
        "import polyrve",
        "import polyrve.cli.app",
        "import polyrve.adapters",
        "import polyrve.adapters.registry",
        "import polyrve.filters",
        "from polyrve.cli.app import app; app(['--help'], standalone_mode=False)",
    ],
)
def test_start_imports_nothing_heavy(statement):
    heavy = ("tensorflow", "vtk", "vtkmodules", "orix", "damask", "matplotlib", "keras", "pandas")
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
