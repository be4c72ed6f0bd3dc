"""Try the installed wheel, away from the checkout: every module, its data, its formats, a small demo.

Run with the Python that the wheel is installed for.
"""

import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
FOLDERS = {"polyrve": "polyrve", "adapters": "polyrve/adapters", "filters": "polyrve/filters"}


def expected_files() -> dict[str, Path]:
    """Files of the checkout by the place where the wheel has them."""
    found = {}
    for folder, place in FOLDERS.items():
        for parent, folders, names in os.walk(CHECKOUT / folder):
            folders[:] = [name for name in folders if name != "__pycache__"]
            for name in names:
                path = Path(parent) / name
                found[f"{place}/{path.relative_to(CHECKOUT / folder).as_posix()}"] = path
    return found


def expect(what: str, found: object, wanted: object) -> None:
    """End with a message if two things differ."""
    if found != wanted:
        raise SystemExit(f"{what}: expected {wanted}; got {found}")


def main() -> None:
    """Check the package, then run its command line."""
    import polyrve

    home = Path(polyrve.__file__).resolve().parent
    expect("polyrve: installed in this environment", home.is_relative_to(Path(sys.prefix).resolve()), True)
    expect("polyrve: version", metadata.version("polyrve"), polyrve.__version__)
    plugins = [point.value for point in metadata.entry_points(group="simplnx.plugins")]
    expect("simplnx.plugins", plugins, ["polyrve.filters"])

    files = expected_files()
    differing = [place for place, path in files.items() if not _same(home.parent / place, path)]
    expect("files of the checkout that the wheel does not have", differing, [])

    modules = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files if _is_code(name)}
    found = {"polyrve", *(module.name for module in pkgutil.walk_packages(polyrve.__path__, "polyrve."))}
    expect("modules", sorted(found), sorted(modules))
    for name in sorted(found):
        place = importlib.import_module(name).__file__
        expect(f"{name}: in the wheel", place is not None and Path(place).resolve().is_relative_to(home), True)

    program = Path(sys.executable).parent / "polyrve"
    formats = subprocess.run([program, "formats"], check=True, capture_output=True, text=True).stdout
    expect("formats: damask and ang", ["damask" in formats, "ang" in formats], [True, True])
    tests = CHECKOUT / "tests"
    page = tests / "adapters" / "test_formats_page.py"
    demo = f"{tests / 'polyrve' / 'cli' / 'test_reconstruct.py'}::test_demo_runs_the_whole_chain"
    options = ["-q", "-p", "no:cacheprovider", "-c", CHECKOUT / "pyproject.toml", "--rootdir", CHECKOUT, "-m", ""]
    subprocess.run([sys.executable, "-m", "pytest", *options, page, demo], check=True)


def _same(installed: Path, original: Path) -> bool:
    return installed.is_file() and installed.read_bytes() == original.read_bytes()


def _is_code(name: str) -> bool:
    return name.endswith(".py")


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    os.environ.setdefault("MPLBACKEND", "Agg")
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            main()
        finally:
            os.chdir(CHECKOUT)
