import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
import types
from unittest.mock import Mock

import numpy as np
import pytest

from polyrve.adapters import registry
from polyrve.microstructure.synthetic import make_specimen
from polyrve.reconstruction import ensemble
from polyrve.reconstruction.ensemble import reconstruct_many
from polyrve.reconstruction.run import reconstruct

distributed = pytest.importorskip("distributed", reason="needs Dask: pip install dask distributed")

SETTINGS = {
    "shape": (1, 9, 10),
    "largest_lag": 2,
    "iterations": 2,
    "initial": "random",
    "sharpen": False,
    "weights": {"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0, "texture": 0.0},
}


@pytest.fixture(scope="module")
def scan():
    return make_specimen((1, 20, 22), grain_size=4.0, seed=1).field.section(0, 0).evolve(periodic=False)


@pytest.fixture(scope="module")
def client():
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": 300}),
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


def test_best_is_kept_and_all_are_recorded(scan, client):
    seen = []
    made = reconstruct_many(scan, seeds=[4, 7], scheduler=client, progress=seen.append, **SETTINGS)
    assert [member.seed for member in made.members] == [4, 7]
    assert set(seen) == set(made.members)
    best = min(made.members, key=lambda member: member.loss)
    assert made.best.volume_loss == best.loss
    assert made.best.settings.seed == best.seed
    assert all(member.seconds > 0 and member.status for member in made.members)
    recorded = made.best.volume.provenance["ensemble"]
    assert [(row["seed"], row["loss"]) for row in recorded] == [(m.seed, m.loss) for m in made.members]
    alone = reconstruct(scan, seed=best.seed, **SETTINGS)
    np.testing.assert_allclose(alone.volume_loss, best.loss, rtol=1e-3)


def test_lists_of_maps_reach_the_workers(scan, client):
    other = make_specimen((1, 20, 22), grain_size=4.0, seed=2).field.section(0, 0).evolve(periodic=False)
    maps = {"z": [scan, other]}
    made = reconstruct_many(maps, seeds=[4], scheduler=client, **SETTINGS)
    np.testing.assert_allclose(made.best.volume_loss, reconstruct(maps, seed=4, **SETTINGS).volume_loss, rtol=1e-3)
    (record,) = made.best.volume.provenance["maps"].values()
    assert len(record) == 2


def test_runs_are_ranked_by_the_volume_as_it_is_written():
    runs = ensemble._Runs(None, None, 0, None)
    for seed, (minimised, written) in enumerate([(1.0, 3.0), (2.0, 2.5)]):
        result = types.SimpleNamespace(loss=minimised, volume_loss=written, status="")
        future = Mock(status="finished", **{"cancelled.return_value": False, "result.return_value": (result, 0.0)})
        runs._running[future] = (seed, "worker")
        runs._look(future, {"worker"})
    assert runs.best.volume_loss == 2.5
    assert [member.loss for member in runs.members] == [3.0, 2.5]


def test_lost_worker_is_replaced_and_its_run_repeated(scan, client):
    pid = client.submit(os.getpid, pure=False).result()

    def kill_when_busy():
        while not any("_realise" in str(task) for tasks in client.processing().values() for task in tasks):
            time.sleep(0.02)
        time.sleep(0.5)
        os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_when_busy, daemon=True)
    killer.start()
    made = reconstruct_many(scan, seeds=1, scheduler=client, **SETTINGS)
    killer.join(timeout=1)
    assert not killer.is_alive()
    assert client.submit(os.getpid, pure=False).result() != pid
    assert math.isfinite(made.members[0].loss)
    assert made.members[0].attempts == 2


@pytest.mark.parametrize(
    ("address", "kind", "said"),
    [
        ("localhost", ValueError, "scheduler: expected an address such as tcp://host:8786, or slurm; got 'localhost'"),
        ("127.0.0.1:9", ConnectionError, "scheduler: expected one at '127.0.0.1:9' that answers within 1s; got"),
        ("nonsense://a:1", ConnectionError, "scheduler: expected one at 'nonsense://a:1' that answers"),
    ],
)
def test_a_scheduler_that_cannot_be_reached_is_said(scan, monkeypatch, address, kind, said):
    monkeypatch.setattr("polyrve.reconstruction.cluster._ANSWER", "1s")
    with pytest.raises(kind, match=re.escape(said)):
        reconstruct_many(scan, seeds=1, scheduler=address, **SETTINGS)


class Failing:
    name = "failing"

    def estimate(self, channels, axes, group):
        raise RuntimeError("no estimate today")

    def misfit(self, estimate, target):
        return estimate


def test_failed_runs_are_told(scan, client):
    import cloudpickle

    module = sys.modules[Failing.__module__]
    cloudpickle.register_pickle_by_value(module)
    try:
        with pytest.raises(ValueError, match="at least one run to succeed; got RuntimeError: no estimate today"):
            reconstruct_many(scan, seeds=1, scheduler=client, descriptors=[(Failing(), 1.0)], **SETTINGS)
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_descriptors_unknown_to_a_worker_are_told(scan, client, monkeypatch):
    here = types.ModuleType("only_here")
    here.Local = type("Local", (Failing,), {"__module__": "only_here", "estimate": lambda *_: None})
    monkeypatch.setitem(sys.modules, "only_here", here)
    with pytest.raises(ValueError, match=r"at least one run to succeed; got ModuleNotFoundError: .*only_here"):
        reconstruct_many(scan, seeds=1, scheduler=client, descriptors=[(here.Local(), 1.0)], **SETTINGS)


class Deadly(Failing):
    def estimate(self, channels, axes, group):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_run_that_loses_every_worker_is_given_up(scan, client):
    import cloudpickle

    seen = []
    module = sys.modules[Deadly.__module__]
    cloudpickle.register_pickle_by_value(module)
    deadly = {"scheduler": client, "retries": 0, "patience": 300.0, "descriptors": [(Deadly(), 1.0)]}
    try:
        with pytest.raises(ValueError, match=r"at least one run to succeed; got The worker was lost \(attempts: 1\)\."):
            reconstruct_many(scan, seeds=[3], progress=seen.append, **deadly, **SETTINGS)
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    assert [(member.seed, member.attempts) for member in seen] == [(3, 1)]


def test_runs_wait_for_a_worker_no_longer_than_asked(scan):
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
        pytest.raises(ValueError, match=r"at least one run to succeed; got There was no worker for 0\.5 s\."),
    ):
        reconstruct_many(scan, seeds=2, scheduler=client, patience=0.5, **SETTINGS)


def test_interrupt_keeps_the_best_of_what_is_done(scan, client):
    def interrupt(member):
        raise KeyboardInterrupt

    made = reconstruct_many(scan, seeds=[4, 7], scheduler=client, progress=interrupt, **SETTINGS)
    assert made.interrupted
    first, second = made.members
    assert math.isfinite(first.loss)
    assert made.best.settings.seed == first.seed == 4
    assert math.isnan(second.loss)
    assert second.status == "Interrupted from the keyboard before it was done."
    assert [row["seed"] for row in made.best.volume.provenance["ensemble"]] == [4, 7]


def test_local_processes_are_the_default_and_tensorflow_is_quiet_in_them(scan, monkeypatch, capfd):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL", raising=False)
    made = reconstruct_many(scan, seeds=1, workers=1, seed=5, **SETTINGS)
    assert [member.seed for member in made.members] == [5]
    assert "absl::InitializeLog" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"seeds": 0}, "seeds: expected at least one, all >= 0 and different; got 0"),
        ({"seeds": [1, 1]}, "seeds: expected"),
        ({"seeds": [-1]}, "seeds: expected"),
        ({"patience": 0}, "patience: expected a number of seconds above 0; got 0"),
        ({"retries": -1}, "retries: expected a number >= 0; got -1"),
        ({"workers": 0}, "workers: expected at least 1; got 0"),
        ({"scheduler": 8786}, "scheduler: expected an address, 'slurm' or a distributed.Client; got 8786"),
        ({"optimizer": "newton"}, "optimizer: .*got 'newton'"),
    ],
)
def test_bad_arguments_start_nothing(scan, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        reconstruct_many(scan, **{**SETTINGS, **arguments})


def test_no_more_workers_than_fit_into_memory(scan, monkeypatch):
    monkeypatch.setattr(ensemble, "most_at_once", lambda _: 2)
    with pytest.raises(MemoryError, match="workers: expected as many as fit into memory at once, 2; got 3: name fewer"):
        reconstruct_many(scan, seeds=4, workers=3, **SETTINGS)
    started = []
    monkeypatch.setattr(ensemble, "client_of", lambda _, workers, *__: started.append(workers))
    monkeypatch.setattr("polyrve.reconstruction.cluster.os.cpu_count", lambda: 8)
    with pytest.warns(UserWarning, match="4 workers would not fit into memory at once; 2 will run"):
        with pytest.raises((TypeError, AttributeError)):
            reconstruct_many(scan, seeds=4, **SETTINGS)
    assert started == [2]


@pytest.mark.parametrize(
    ("asked", "seeds", "most", "number"),
    [(None, 10, None, None), (None, 10, 100, None), (3, 10, 3, 3), (3, 2, 2, 3), (None, 1, 0, None), (1, 5, 0, 1)],
)
def test_workers_that_fit_are_left_as_they_are(asked, seeds, most, number):
    """One run alone is refused where it is prepared, by what is free then."""
    assert ensemble._that_fit(asked, seeds, most) == number


@pytest.mark.parametrize(
    ("module", "scheduler", "sentence"),
    [
        ("distributed", None, r"ensemble: expected Dask; .*pip install dask distributed"),
        ("dask_jobqueue", "slurm", r"ensemble on SLURM: expected dask-jobqueue; .*pip install dask-jobqueue"),
    ],
)
def test_missing_packages_name_the_extra(scan, monkeypatch, module, scheduler, sentence):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError, match=sentence):
        reconstruct_many(scan, seeds=1, scheduler=scheduler, **SETTINGS)


def test_command_line_keeps_the_best_of_its_seeds(run, scan, client, tmp_path):
    def command(*further):
        code, _, err = run(*arguments_of(tmp_path, scan, *further))
        return code, err

    code, err = command("--seeds", 2, "--scheduler", client.scheduler.address)
    assert code == 0, err
    assert "seed 0: loss" in err
    assert "seed 1: loss" in err
    assert [row["seed"] for row in registry.read(tmp_path / "rve.dream3d").provenance["ensemble"]] == [0, 1]
    code, err = command("--scheduler", client.scheduler.address, "--force")
    assert (code, "--scheduler: expected --seeds or --workers with it; got none" in err) == (2, True)
    code, err = command("--seeds", 2, "--resume")
    assert (code, "--resume: expected a single run; got --seeds" in err) == (2, True)


def arguments_of(tmp_path, scan, *further):
    source = tmp_path / "scan.ang"
    registry.write(scan, source, force=True)
    settings = ["initial=random", "largest_lag=2", "weights={two_point=0.1, disorientation=0, variogram=0, texture=0}"]
    arguments = ["reconstruct", source, "--shape", 1, 9, 10, "-o", tmp_path / "rve.dream3d", "--iterations", 1]
    return [*arguments, *further, *(part for setting in settings for part in ("--set", setting))]


def test_interrupted_before_a_run_is_done(run, scan, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(ensemble, "reconstruct_many", interrupt)
    code, out, err = run(*arguments_of(tmp_path, scan, "--seeds", 3))
    assert (code, out) == (130, "")
    assert err.splitlines()[-1] == "polyrve: interrupted before one of 3 runs was done: no volume is written"
    assert not (tmp_path / "rve.dream3d").exists()


def test_interrupted_while_a_run_that_is_done_is_told(run, scan, client, tmp_path, monkeypatch):
    def told(*maps, progress, **settings):
        def interrupt(member):
            raise KeyboardInterrupt

        return reconstruct_many(*maps, progress=interrupt, **settings)

    monkeypatch.setattr(ensemble, "reconstruct_many", told)
    address = client.scheduler.address
    code, _, err = run(*arguments_of(tmp_path, scan, "--seeds", 60, "--scheduler", address))
    assert code == 130, err
    assert "interrupted: the best of 1 runs of 60 is written" in err
    losses = [row["loss"] for row in registry.read(tmp_path / "rve.dream3d").provenance["ensemble"]]
    assert sum(map(math.isfinite, losses)) == 1


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_ctrl_c_writes_the_best_of_what_is_done(scan, tmp_path):
    """An interrupt of the whole group of processes, as a terminal sends it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "polyrve", *map(str, arguments_of(tmp_path, scan, "--seeds", 60))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    for line in process.stderr:
        if line.startswith("seed "):
            break
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    done = int(re.search(r"interrupted: the best of (\d+) runs of 60 is written", err)[1])
    losses = [row["loss"] for row in registry.read(tmp_path / "rve.dream3d").provenance["ensemble"]]
    assert sum(map(math.isfinite, losses)) == done
    assert 1 <= done < 60


def test_slurm_jobs(scan, tmp_path, monkeypatch):
    """A stand-in for sbatch that runs the job script here; everything else is as on a cluster."""
    pytest.importorskip("dask_jobqueue", reason="needs dask-jobqueue: pip install dask-jobqueue")
    for name, text in (
        ("sbatch", f'sh "$1" > {tmp_path}/job.out 2>&1 & echo $! > {tmp_path}/pid; echo "Submitted batch job 42"'),
        ("scancel", f"kill $(cat {tmp_path}/pid) 2>/dev/null; exit 0"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    options = {"cores": 1, "memory": "4GB", "walltime": "00:10:00", "scheduler_options": {"dashboard_address": None}}
    made = reconstruct_many(scan, seeds=1, scheduler="slurm", slurm=options, **SETTINGS)
    assert math.isfinite(made.members[0].loss)
    assert (tmp_path / "job.out").stat().st_size > 0
