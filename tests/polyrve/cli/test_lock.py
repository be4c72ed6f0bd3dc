"""Runs that share an output, outputs that cannot be written, runs that are told to end."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from polyrve.cli import reconstruct
from polyrve.cli.lock import locked
from polyrve.microstructure.synthetic import make_specimen


def holder(process, host=None):
    return json.dumps({"process": process, "host": host or socket.gethostname(), "since": "2026-01-01 00:00:00"})


def gone():
    """Number of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_a_second_run_with_the_same_output_is_refused(tmp_path):
    output = tmp_path / "new" / "rve.dream3d"
    with locked(output):
        said = json.loads((tmp_path / "new" / "rve.dream3d.lock").read_text())
        assert (said["process"], said["host"]) == (os.getpid(), socket.gethostname())
        with pytest.raises(FileExistsError, match=rf"rve.dream3d.lock: another run .* process {os.getpid()} on "):
            with locked(output):
                pass
    assert list((tmp_path / "new").iterdir()) == []


def test_the_lock_of_a_process_that_is_gone_is_taken_over(tmp_path):
    output = tmp_path / "rve.dream3d"
    lock = tmp_path / "rve.dream3d.lock"
    number = gone()
    lock.write_text(holder(number))
    with pytest.warns(UserWarning, match=f"left by a run that is gone, process {number}"), locked(output):
        assert json.loads(lock.read_text())["process"] == os.getpid()
    assert not lock.exists()


def test_what_a_killed_writer_left_is_removed_by_the_next_run_alone(tmp_path):
    output = tmp_path / "rve[1].dream3d"
    write = "import os, sys; from polyrve.adapters.replacing import replacing\n"
    write += "with replacing(sys.argv[1]) as partial: partial.write_text('half'); os.kill(os.getpid(), 9)"
    for name in ("rve[1].dream3d", "rve1.dream3d"):
        assert subprocess.run([sys.executable, "-c", write, str(tmp_path / name)]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".rve*.partial"))) == 2
    with pytest.warns(UserWarning, match=r"\.partial: left by a run that was killed while it wrote; removed"):
        with locked(output):
            assert [path.name[:13] for path in tmp_path.glob(".rve*.partial")] == [".rve1.dream3d"]


def test_another_process_of_the_same_number_does_not_hold_a_lock(tmp_path):
    lock = tmp_path / "rve.dream3d.lock"
    lock.write_text(holder(os.getpid()))
    with pytest.warns(UserWarning, match="left by a run that is gone"), locked(tmp_path / "rve.dream3d"):
        pass
    assert not lock.exists()


@pytest.mark.parametrize("text", [holder(1, "another-host"), holder("no number"), "no JSON", "[]"])
def test_a_lock_of_which_nothing_is_known_is_respected(tmp_path, text):
    lock = tmp_path / "rve.dream3d.lock"
    lock.write_text(text)
    with pytest.raises(FileExistsError, match=r"rve.dream3d.lock: another run"), locked(tmp_path / "rve.dream3d"):
        pass
    assert lock.read_text() == text


def test_a_volume_whose_file_cannot_be_written_is_written_beside(tmp_path):
    rve = make_specimen((8, 9, 10), grain_size=5.0, seed=1)
    output = tmp_path / "rve.dream3d"
    output.write_text("of another run that has ended in between")
    (tmp_path / "rve-1.dream3d").write_text("taken too")
    with pytest.warns(UserWarning, match=r"rve.dream3d: cannot be written: .*; the volume is in .*rve-2.dream3d"):
        written = reconstruct._write(rve, output, force=False)
    assert written == tmp_path / "rve-2.dream3d"
    assert written.stat().st_size > 1000
    assert output.read_text() == "of another run that has ended in between"


def test_sigterm_ends_a_run_as_the_keyboard_does_once():
    before = signal.getsignal(signal.SIGTERM)
    with reconstruct.terminated_as_interrupted() as (ended, _):
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert ended.is_set()
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigterm_lets_a_finished_volume_be_written():
    with reconstruct.terminated_as_interrupted() as (ended, finished):
        finished.set()
        signal.raise_signal(signal.SIGTERM)
        assert ended.is_set()
