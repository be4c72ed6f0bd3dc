"""What TensorFlow prints while it loads is left out, and nothing else."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import polyrve
from polyrve.backend import quiet_import

RUN = """
import warnings
import numpy as np
import polyrve
from polyrve.crystallography import rotation
q = rotation.random_orientations((8, 8), np.random.default_rng(0)).repeat(4, 0).repeat(4, 1)
scan = polyrve.OrientationMap(q, np.ones((32, 32), int), (polyrve.Phase("Al"),), (1.0, 1.0))
warnings.warn("heard")
weights = {"two_point": 1.0, "texture": 0.0, "disorientation": 0.0, "variogram": 0.0}
polyrve.reconstruct(scan, shape=(1, 24, 24), iterations=1, initial="random", weights=weights)
"""
NOISE = """\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796066054.107710   10549 port.cc:153] oneDNN custom operations are on.
W0000 00:00:1796066054.107710   10549 port.cc:153] An old setting.
2024-11-01 10:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:182] This binary is optimized
To enable the following instructions: AVX2
2024-11-01 10:00:00.123456: E external/local_xla/xla/cuda_fft.cc:479] Unable to register cuFFT factory: x
E0000 00:00:1796066086.537424   10549 cuda_platform.cc:52] failed call to cuInit: CUDA error: UNKNOWN ERROR (303)
"""
TOLD = """\
E0000 00:00:1796066086.537424   10549 cuda_platform.cc:52] failed call to cuInit: SYSTEM_DRIVER_MISMATCH
sitecustomize: something of another library
"""


def environment(**changed):
    """The environment of a user: nothing set that the suite sets for itself."""
    own = ("TF_CPP_MIN_LOG_LEVEL", "TF_XLA_FLAGS")
    return {name: value for name, value in os.environ.items() if name not in own} | changed


def test_a_run_prints_nothing_but_warnings_of_python():
    done = subprocess.run(
        [sys.executable, "-c", RUN], env=environment(), capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = [line for line in done.stderr.splitlines() if "Warning: " not in line and not line.startswith("  ")]
    assert lines == []
    assert "UserWarning: heard" in done.stderr


def written(capfd, text, fails=False):
    try:
        with quiet_import.quiet():
            os.write(2, text.encode())
            if fails:
                raise ImportError("no TensorFlow")
    except ImportError:
        assert fails
    return capfd.readouterr().err


def test_messages_below_the_level_and_of_no_gpu_are_left_out(capfd, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    assert written(capfd, NOISE + TOLD) == TOLD
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "2"


@pytest.mark.parametrize(("level", "kept"), [("0", ""), ("1", "I"), ("2", "IW")])
def test_a_level_that_the_user_has_set_stays(level, kept, capfd, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
    lines = written(capfd, NOISE).splitlines()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == level
    for severity in "IW":
        assert any(line.startswith(f"{severity}0000") for line in lines) is (severity not in kept)


def test_all_is_told_where_the_import_fails(capfd):
    assert written(capfd, NOISE, fails=True) == NOISE


@pytest.mark.parametrize(("module", "name"), [(os, "dup"), (tempfile, "TemporaryFile")])
def test_without_a_stderr_or_room_nothing_is_caught(module, name, monkeypatch):
    def refused(*_):
        raise OSError("Bad file descriptor, or no space left on device")

    monkeypatch.setattr(module, name, refused)
    monkeypatch.setattr(sys, "stderr", None)
    done = []
    with quiet_import.quiet():
        done.append(True)
    assert done


def test_what_asks_before_anything_starts_needs_no_tensorflow():
    modules = "polyrve.backend, polyrve.backend.memory, polyrve.backend.processors, polyrve.backend.control_groups"
    code = f"import sys, {modules}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=100, check=False).returncode == 0


def test_tensorflow_is_imported_in_one_place():
    """So that it is quiet everywhere; its compiler's modules are imported by one that comes after it."""
    root = Path(polyrve.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.split()[:1] in (["import"], ["from"]) and line.split()[1].split(".")[0] == "tensorflow"
    }
    assert found == {"backend/tensorflow.py", "descriptors/_kernels/xla_operations.py"}
