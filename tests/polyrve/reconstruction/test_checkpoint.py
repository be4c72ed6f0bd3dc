import multiprocessing
import os
import signal
import time
import warnings

import numpy as np
import pytest

from polyrve.reconstruction.checkpoint import Checkpoint

STATE = {"position": np.arange(6.0).reshape(2, 3), "method": np.bytes_(b"lbfgs")}
HISTORY = [{"level": 1, "loss": 0.5, "terms": {"two_point": 0.5}}]


def test_saved_and_loaded(tmp_path):
    checkpoint = Checkpoint(tmp_path / "new" / "run.checkpoint")
    assert checkpoint.load("key") is None
    checkpoint.save("minimisation", 2, lambda: STATE, HISTORY, "key")
    saved = checkpoint.load("key")
    assert (saved.stage, saved.level, saved.history) == ("minimisation", 2, HISTORY)
    assert set(saved.state) == set(STATE)
    np.testing.assert_array_equal(saved.state["position"], STATE["position"])
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["run.checkpoint"]
    checkpoint.remove()
    checkpoint.remove()
    assert not list(checkpoint.path.parent.iterdir())


def test_due_once_per_interval(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.checkpoint", interval=0.2)
    assert not checkpoint.due()
    time.sleep(0.25)
    assert checkpoint.due()
    checkpoint.save("minimisation", 1, lambda: STATE, [], "key")
    assert not checkpoint.due()


def test_another_run_is_refused(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.checkpoint")
    checkpoint.save("minimisation", 1, lambda: STATE, [], "key")
    with pytest.raises(ValueError, match="expected the checkpoint of a run with the same maps and settings"):
        checkpoint.load("other key")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"\x93NUMPY"])
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "run.checkpoint"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"run\.checkpoint: expected the state of a run; got .*--force starts anew"):
        Checkpoint(path).load("key")


@pytest.mark.parametrize("header", [{}, {"header": np.frombuffer(b'{"level": 1, "history": []}', dtype=np.uint8)}])
def test_archive_without_a_whole_header_is_refused(tmp_path, header):
    path = tmp_path / "run.checkpoint"
    with path.open("wb") as file:
        np.savez(file, position=np.zeros(3), **header)
    with pytest.raises(ValueError, match="expected the state of a run"):
        Checkpoint(path).load("key")


def test_failed_write_leaves_the_last_state(tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.checkpoint")
    checkpoint.save("minimisation", 1, lambda: STATE, HISTORY, "key")

    def broken():
        raise OSError("no space left on device")

    with pytest.warns(UserWarning, match="run.checkpoint: the state of the run cannot be saved: no space left"):
        checkpoint.save("minimum", 2, broken, HISTORY, "key")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoint.save("minimum", 2, broken, HISTORY, "key")
    assert checkpoint.load("key").level == 1
    assert len(list(tmp_path.iterdir())) == 1


def write_forever(path):
    checkpoint = Checkpoint(path)
    level = 0
    while True:
        level += 1
        checkpoint.save("initial", level, lambda: {"position": np.full(200_000, float(level))}, [], "key")  # noqa: B023


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    context = multiprocessing.get_context("fork")
    levels = []
    for i in range(5):
        path = tmp_path / f"{i}.checkpoint"
        process = context.Process(target=write_forever, args=(path,))
        process.start()
        while not path.exists():
            time.sleep(0.001)
        time.sleep(0.013 * i)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        saved = Checkpoint(path).load("key")
        assert np.all(saved.state["position"] == saved.level)
        levels.append(saved.level)
    assert max(levels) > 1


def test_a_run_that_begins_anew_leaves_the_state_until_its_own_first(tmp_path):
    path = tmp_path / "run.checkpoint"
    Checkpoint(path).save("minimisation", 1, lambda: STATE, HISTORY, "key")
    anew = Checkpoint(path, fresh=True)
    assert anew.load("another key") is None
    assert Checkpoint(path).load("key").level == 1
    anew.save("initial", 3, lambda: STATE, HISTORY, "another key")
    assert Checkpoint(path).load("another key").level == 3


def test_what_a_killed_run_left_half_written_is_deleted(tmp_path):
    path = tmp_path / "run[1].checkpoint"
    (tmp_path / ".run[1].checkpoint.0a1b2c3d").write_bytes(b"half")
    (tmp_path / ".run1.checkpoint.0a1b2c3d").write_bytes(b"another run's")
    Checkpoint(path).save("minimisation", 1, lambda: STATE, HISTORY, "key")
    assert sorted(item.name for item in tmp_path.iterdir()) == [".run1.checkpoint.0a1b2c3d", "run[1].checkpoint"]
