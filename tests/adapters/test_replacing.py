import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from polyrve.adapters.replacing import replacing, replacing_folder
from polyrve.adapters.volumes.new_hdf5 import new_hdf5


def fail_half_way(target, force=False):
    with replacing(target, force=force) as partial:
        partial.write_text("half")
        raise ZeroDivisionError


def write_with_companion(target):
    with replacing(target) as partial:
        partial.write_text("new")
        partial.with_suffix(".h5").write_text("new")


def fill_the_disk(target):
    with replacing(target) as partial:
        partial.symlink_to("/dev/full")
        with open(partial, "w") as file:
            file.write("x" * 100_000)


def test_file_appears_when_the_body_ends(tmp_path):
    target = tmp_path / "new" / "a.txt"
    with replacing(target) as partial:
        partial.write_text("whole")
        assert not target.exists()
        assert partial.name == target.name
    assert target.read_text() == "whole"
    assert os.listdir(target.parent) == ["a.txt"]


def test_failure_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError):
        fail_half_way(tmp_path / "a.txt")
    assert os.listdir(tmp_path) == []


def test_failure_keeps_the_old_file(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target, force=True)
    assert target.read_text() == "old"


@pytest.mark.parametrize("make", [replacing, replacing_folder])
def test_existing_target_is_refused_without_force(tmp_path, make):
    target = tmp_path / "a"
    if make is replacing:
        target.write_text("old")
    else:
        target.mkdir()
        (target / "old").write_text("old")
    with pytest.raises(FileExistsError, match="--force"), make(target):
        pytest.fail("the body must not run")


def test_companion_file_is_not_overwritten_without_force(tmp_path):
    (tmp_path / "a.h5").write_text("old")
    with pytest.raises(FileExistsError, match=r"a\.h5"):
        write_with_companion(tmp_path / "a.xdmf")
    assert (tmp_path / "a.h5").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.h5"]


def test_folder_replaces_its_own_files_alone(tmp_path):
    target = tmp_path / "job"
    target.mkdir()
    (target / "result.hdf5").write_text("days of work")
    (target / "load.yaml").write_text("old")
    with replacing_folder(target, force=True) as partial:
        (partial / "load.yaml").write_text("new")
    assert (target / "result.hdf5").read_text() == "days of work"
    assert (target / "load.yaml").read_text() == "new"
    assert sorted(os.listdir(tmp_path)) == ["job"]


def test_empty_folder_counts_as_absent(tmp_path):
    (tmp_path / "job").mkdir()
    with replacing_folder(tmp_path / "job") as partial:
        (partial / "load.yaml").write_text("new")
    assert os.listdir(tmp_path / "job") == ["load.yaml"]


def test_file_in_place_of_a_folder_and_the_reverse(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileExistsError, match="folder"), replacing_folder(tmp_path / "file", force=True):
        pytest.fail("the body must not run")
    with pytest.raises(IsADirectoryError, match="folder"), replacing(tmp_path / "folder", force=True):
        pytest.fail("the body must not run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_reported_as_such(tmp_path):
    with pytest.raises(OSError, match="disk full") as caught:
        fill_the_disk(tmp_path / "a.txt")
    assert caught.value.errno == errno.ENOSPC
    assert os.listdir(tmp_path) == []


def test_what_a_full_disk_left_is_said_as_it_is(tmp_path):
    path = tmp_path / "a.txt"
    with pytest.raises(OSError, match=r"nothing was left under the name a\.txt"), replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    path.write_text("old")
    with pytest.raises(OSError, match="disk full while writing; what was there stays"), replacing(path, force=True):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"


def test_full_disk_in_the_message_of_hdf5(tmp_path):
    message = "Driver write request failed (errno = 28, error message = 'No space left on device')"
    with pytest.raises(OSError, match="disk full") as caught, replacing(tmp_path / "a.h5"):
        raise RuntimeError(message)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
def test_killed_export_leaves_no_file_under_the_final_name(tmp_path):
    code = (
        "import os, signal, sys\n"
        "from polyrve.adapters.replacing import replacing, replacing_folder\n"
        "with replacing_folder(sys.argv[1]) as folder, replacing(sys.argv[2]) as file:\n"
        "    (folder / 'grid.vti').write_text('half'); file.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "job"), str(tmp_path / "a.txt")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "job").exists()
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file size on Windows")
@pytest.mark.parametrize("compression", ["None", "'gzip'"])
def test_hdf5_that_cannot_be_written_does_not_crash_the_end_of_the_process(tmp_path, compression):
    code = (
        "import resource, sys, numpy as np\n"
        "from polyrve.adapters.volumes.new_hdf5 import new_hdf5\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n"
        "try:\n"
        "    with new_hdf5(sys.argv[1]) as file:\n"
        f"        file.create_dataset('a', data=np.random.default_rng(0).random(300_000), compression={compression})\n"
        "except OSError as error:\n"
        "    print(error.errno)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.h5")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(errno.EFBIG)]


def test_new_hdf5_is_an_ordinary_file(tmp_path):
    values = np.random.default_rng(0).random((50, 60, 70))
    with new_hdf5(tmp_path / "a.h5") as file:
        file["plain"] = values
        file.create_dataset("packed", data=values, compression="gzip")
        file["plain"][3] = 0.0
        np.testing.assert_array_equal(file["plain"][4], values[4])
    with h5py.File(tmp_path / "a.h5", "r") as file:
        np.testing.assert_array_equal(file["packed"], values)
        np.testing.assert_array_equal(file["plain"][4:], values[4:])
        assert not file["plain"][3].any()
    with pytest.raises(ZeroDivisionError), new_hdf5(tmp_path / "b.h5"):
        raise ZeroDivisionError
