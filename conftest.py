"""Before NumPy and TensorFlow are imported: threads bounded, compiled programs shared; memory given back in between."""

import gc
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
THREADS = 1 if WORKER else min(2, os.cpu_count() or 1)
CRASHES: list[str] = []
PROGRAMS = "--tf_xla_persistent_cache_directory="
PARTS = {
    "compiled": ("tests/polyrve/descriptors/", "tests/polyrve/optimizers/", "tests/polyrve/backend/"),
    "reconstruction": ("tests/polyrve/reconstruction/",),
    "runs": ("tests/examples/", "tests/filters/", "tests/polyrve/cli/", "tests/polyrve/test_doctests.py"),
    "other": (),
}
"""Parts of the suite by their folders, each run in processes of its own; ``other`` has what no other part has.

``compiled`` and ``reconstruction`` have XLA compile what users' runs compile, whose sums are the same to the bit each
time. In the others TensorFlow runs the same graphs as they are, which takes half the time where each shape occurs once;
programs that they start, and the demo of ``make wheel``, compile.
"""

for name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
):
    os.environ.setdefault(name, str(THREADS))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")
if WORKER:
    # Two processes that fill numba's cache of orix at the same time leave it broken, and every later import crashes.
    os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent / ".pytest_cache" / "numba" / WORKER)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background; programs that tests start and interrupt would not hear it either.
    signal.signal(signal.SIGINT, signal.default_int_handler)
if "POLYRVE_DATA" not in os.environ:
    # Made anew by each run of the suite, since what writes them may have changed.
    os.environ["POLYRVE_DATA"] = EXAMPLES = tempfile.mkdtemp(prefix="polyrve-examples-")
else:
    EXAMPLES = ""
if "XLA_FLAGS" not in os.environ:
    # Programs run for milliseconds here; optimising them takes seconds.
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"
if PROGRAMS not in os.environ.get("TF_XLA_FLAGS", ""):
    # What one process of this run has compiled, the others and programs that tests start load.
    FOLDER = tempfile.mkdtemp(prefix="polyrve-compiled-")
    os.environ["TF_XLA_FLAGS"] = f"{os.environ.get('TF_XLA_FLAGS', '')} {PROGRAMS}{FOLDER}".strip()
else:
    FOLDER = ""


def pytest_addoption(parser):
    """Add what ``make test`` parts the suite with."""
    parser.addoption(
        "--part",
        choices=tuple(PARTS),
        help="run this part of the suite alone: a process keeps every program that TensorFlow compiles in it",
    )


def pytest_sessionstart(session):
    """Choose how functions of TensorFlow run, before any is made."""
    part = session.config.getoption("part")
    starts_workers = not WORKER and session.config.getoption("numprocesses", None) is not None
    if part in (None, "compiled", "reconstruction") or starts_workers:
        return
    import tensorflow as tf

    function = tf.function
    tf.function = lambda func=None, **options: function(func, **{**options, "jit_compile": None})
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def pytest_ignore_collect(collection_path, config):
    """Leave out the files of the other parts, without importing them."""
    part = config.getoption("part")
    if not part or collection_path.suffix != ".py":
        return None
    place = collection_path.relative_to(config.rootpath).as_posix()
    found = next((name for name, folders in PARTS.items() if place.startswith(folders)), "other")
    return True if found != part else None


@pytest.fixture(autouse=True, scope="module")
def _memory_is_given_back():
    """Free what a module leaves: kernels that are kept by shape, pictures, memory that the allocator holds."""
    yield
    for name in [name for name in sys.modules if name.startswith("polyrve.descriptors.")]:
        for value in list(vars(sys.modules[name]).values()):
            if callable(getattr(value, "cache_clear", None)):
                value.cache_clear()
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    gc.collect()
    if "polyrve.backend.memory" in sys.modules:
        sys.modules["polyrve.backend.memory"].give_back()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Note a process of the suite that crashed."""
    if error:
        CRASHES.append(f"{node.gateway.id}: {error}")


def pytest_sessionfinish(session):
    """Fail a run in which a process crashed, also where it crashed before its first test."""
    if CRASHES:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


def pytest_unconfigure():
    """Remove the programs that this run has compiled, and its example files."""
    for folder in filter(None, (FOLDER, EXAMPLES)):
        shutil.rmtree(folder, ignore_errors=True)
