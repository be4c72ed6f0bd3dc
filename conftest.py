"""Before NumPy and TensorFlow are imported: threads bounded, a compilation cache for each process of the suite."""

import os
from pathlib import Path

import pytest

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
THREADS = 1 if WORKER else min(2, os.cpu_count() or 1)
CRASHES: list[str] = []

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
os.environ.setdefault("POLYRVE_DATA", str(Path(__file__).parent / ".pytest_cache" / "polyrve-data"))
if WORKER:
    # Two processes that fill numba's cache of orix at the same time leave it broken, and every later import crashes.
    os.environ["NUMBA_CACHE_DIR"] = str(Path(__file__).parent / ".pytest_cache" / "numba" / WORKER)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node, error):
    """Note a process of the suite that crashed."""
    if error:
        CRASHES.append(f"{node.gateway.id}: {error}")


def pytest_sessionfinish(session):
    """Fail a run in which a process crashed, also where it crashed before its first test."""
    if CRASHES:
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
