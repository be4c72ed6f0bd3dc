import stat
import sys

import pytest

from polyrve.adapters import registry
from polyrve.microstructure.synthetic import make_specimen
from polyrve.response import simulate as runs

BOX = """ ┌──────────────┐
 │  error 950   │
 ├──────────────┤
 │ max number of cut back exceeded │
 └──────────────┘
"""

PLAYED = f"""#!{sys.executable}
import os, signal, sys, time
mode = open("mode").read() if os.path.exists("mode") else "whole"
asked = []
for number in (signal.SIGUSR2, signal.SIGINT):
    signal.signal(number, lambda got, frame: asked.append(got))
first = int(sys.argv[sys.argv.index("--restart") + 1]) if "--restart" in sys.argv else 0
for n in range(first + 1, 7):
    print(f" Increment {{n}}/6-1/1 @ Iteration 1≤1≤100", flush=True)
    if mode == "cutbacks" and n == 3:
        print({BOX!r}, flush=True)
        sys.exit(1)
    if mode == "killed" and n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    print(f" increment {{n}} converged", flush=True)
    if signal.SIGUSR2 in asked:
        print(" saving solver data required for restart", flush=True)
        open("job_restart.hdf5", "w").close()
    if signal.SIGINT in asked:
        break
"""


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "rve.dream3d"
    registry.write(make_specimen((3, 4, 5), grain_size=2.0, seed=1), path)
    return path


@pytest.fixture
def solver(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "damask_grid"
    program.write_text(PLAYED, encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(folder))
    return [str(program)]


def test_without_a_solver_the_folder_is_written_and_one_sentence_told(run, volume, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = run("simulate", volume, "-o", tmp_path / "job", "--phase", "Al")
    assert code == 2
    assert "60 voxels, 100 increments" in out
    assert err.count("polyrve: ") == 1
    assert "damask_grid --geom grid.vti" in err
    assert (tmp_path / "job" / "load.yaml").exists()
    code, _, err = run("simulate", volume, "-o", tmp_path / "job", "--phase", "Al")
    assert code == 2
    assert f"polyrve simulate -o {tmp_path / 'job'} --resume runs it" in err


def test_a_folder_that_was_prepared_runs_by_resume(run, volume, solver, tmp_path):
    job = tmp_path / "job"
    assert run("simulate", volume, "-o", job, "--phase", "Al", "--increments", "6", "--prepare")[0] == 0
    code, out, _ = run("simulate", "-o", job, "--resume")
    assert code == 0
    assert "6 increments in" in out


def test_a_run_is_watched_and_what_ends_it_is_told(run, volume, solver, tmp_path):
    job = tmp_path / "job"
    code, out, _ = run("simulate", volume, "-o", job, "--phase", "Al", "--increments", "6")
    assert code == 0
    assert "6 increments in" in out
    assert (job / "damask.log").read_text(encoding="utf-8").count("converged") == 6
    for mode, said in (("cutbacks", "more increments"), ("killed", "run out of memory")):
        (job / "mode").write_text(mode)
        with pytest.raises(runs.SolverError, match=f"after increment 2 of 6.*{said}"):
            runs.simulate(job, solver)


def test_an_interrupted_run_goes_on(solver, tmp_path):
    import h5py

    def stop(state):
        if state.increment == 2:
            raise KeyboardInterrupt

    with h5py.File(tmp_path / "job.hdf5", "w") as file:
        for n in range(8):
            file.create_group(f"increment_{n}")
    with pytest.raises(KeyboardInterrupt):
        runs.simulate(tmp_path, solver, told=stop)
    kept = runs.restart_of(tmp_path)
    assert kept in (3, 4)
    seen = []
    assert runs.simulate(tmp_path, solver, resume=True, told=seen.append).increment == 6
    assert seen[0].increment == kept
    with h5py.File(tmp_path / "job.hdf5") as file:
        assert sorted(file) == [f"increment_{n}" for n in range(kept + 1)]
