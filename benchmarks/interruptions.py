"""End runs in every way that a machine ends them, and count the loss: python benchmarks/interruptions.py [case ...].

Cases: kill, terminate, disk, together, worker, memory. Every run is the command line in a process of its own; a run is
told to go on for ever and ended from outside. Linux; ``disk`` and ``memory`` need the rights to mount a file system and
to write a control group.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

import polyrve
from polyrve.microstructure.synthetic import make_specimen

INTERVAL = 1.0
ENDLESS = "--shape 1 20 24 --iterations 1000000 --set tolerance=0 --set patience=1000000 --set initial=random".split()
CHECKPOINT, LOCK = "rve.dream3d.checkpoint", "rve.dream3d.lock"


class Run:
    """A run of the command line whose progress is read as it comes."""

    def __init__(self, folder, *arguments, command="reconstruct", limit=None):
        words = [sys.executable, "-m", "polyrve", command, *map(str, arguments)]
        if command == "reconstruct":
            words += ["--progress", "json", "--checkpoint-interval", str(INTERVAL)]
        self.process = subprocess.Popen(
            words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=None if limit is None else lambda: limit.write_text(str(os.getpid())),
        )  # fmt: skip
        self.events, self.err = [], ""
        self._readers = [threading.Thread(target=target, daemon=True) for target in (self._listen, self._complain)]
        for reader in self._readers:
            reader.start()

    def _listen(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.events.append(json.loads(line))

    def _complain(self):
        self.err = self.process.stderr.read()

    @property
    def iterations(self):
        return [event["iteration"] for event in list(self.events) if "iteration" in event]

    def wait_for(self, condition, seconds=600.0):
        begin = time.monotonic()
        while not condition() and self.process.poll() is None and time.monotonic() - begin < seconds:
            time.sleep(0.01)
        return condition()

    def end(self, number=None, seconds=600.0):
        if number is not None:
            self.process.send_signal(number)
        self.process.wait(seconds)
        for reader in self._readers:
            reader.join(10)
        return self.process.returncode


def saved(folder):
    """Number of the last iteration in a checkpoint; -1 where there is none, or it cannot be read."""
    try:
        with np.load(folder / CHECKPOINT, allow_pickle=False) as file:
            return json.loads(file["header"].tobytes())["history"][-1]["iteration"]
    except (OSError, ValueError, KeyError, IndexError):
        return -1


def is_whole(path):
    """Whether a volume can be read."""
    try:
        return bool(polyrve.read(path).shape)
    except (OSError, ValueError):
        return False


def left(folder):
    """Names of files that nobody asked for."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def killed(folder, scan, count):
    """Kill runs, each the continuation of the one before; what is lost is the time since the state that is kept."""
    rng, lost, rows, resumed = random.Random(1), [], 0, 0
    for number in range(count):
        run = Run(folder, scan, "-o", "rve.dream3d", *ENDLESS, *(["--resume"] if number else []))
        before = saved(folder)
        run.wait_for(lambda before=before: saved(folder) > before)
        time.sleep(rng.uniform(0.0, 2.0 * INTERVAL))
        ended, last = time.time(), run.iterations[-1] if run.iterations else -1
        if run.end(signal.SIGKILL) == -signal.SIGKILL and saved(folder) > before:
            lost.append(ended - (folder / CHECKPOINT).stat().st_mtime)
            resumed += not number or (bool(run.iterations) and run.iterations[0] >= before)
            rows += last - saved(folder)
    return (
        f"{resumed} of {count} went on where the state was; lost at most {max(lost, default=np.nan):.1f} s "
        f"(interval {INTERVAL:g} s), {rows / max(len(lost), 1):.0f} iterations each; left: {left(folder) or 'nothing'}"
    )


def terminated(folder, scan, count):
    """Send SIGTERM at several moments; the volume, the state and the exit code are looked at."""
    whole = codes = states = locks = 0
    for number in range(count):
        target = folder / f"{number}"
        target.mkdir()
        run = Run(target, scan, "-o", "rve.dream3d", *ENDLESS)
        run.wait_for(lambda run=run, number=number: len(run.iterations) > 1 + 40 * number)
        codes += run.end(signal.SIGTERM) == 143
        whole += is_whole(target / "rve.dream3d")
        states += saved(target) >= 0
        locks += (target / LOCK).exists()
    return f"{count}: exit code 143 {codes}, volume written {whole}, state kept {states}, locks left {locks}"


def terminated_while_writing(folder, scan):
    """Send SIGTERM when the run is over and its volume is being cut into grains and written."""
    run = Run(folder, scan, "-o", "rve.dream3d", "--shape", 1, 20, 24, "--iterations", 3, "--set", "initial=random")
    run.wait_for(lambda: any(event.get("stage") in ("segmenting", "writing") for event in list(run.events)))
    code = run.end(signal.SIGTERM)
    kept = is_whole(folder / "rve.dream3d") or saved(folder) >= 0
    return f"exit code {code}; volume or state kept: {kept}"


def full(folder, scan):
    """Give each command a disk that is full; what was there must stay, and nothing half written."""
    rows = {}
    disk = folder / "disk"
    disk.mkdir()
    rve, page = folder / "rve.dream3d", disk / "out.html"
    polyrve.write(make_specimen((8, 18, 20), grain_size=6.0, seed=1), rve)
    commands = {
        "state and volume": ("reconstruct", scan, "-o", disk / "rve.dream3d", *ENDLESS[:4], "--iterations", 200,
                             "--set", "initial=random", "--set", "tolerance=0"),
        "cleaned map": ("clean", scan, disk / "out.dream3d", "--crop", "0:36,0:36"),
        "converted map": ("convert", scan, disk / "out.ctf"),
        "volume": ("export", rve, disk / "out.vti"),
        "folder of a solver": ("export", rve, disk / "damask", "--to", "damask"),
        "page": ("validate", rve, "--against", scan, "--report", page),
    }  # fmt: skip
    for name, (command, *arguments) in commands.items():
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=True)
        try:
            old = next(word for word in arguments if isinstance(word, Path) and word.parent == disk)
            force = []
            if old.suffix and command != "reconstruct":
                old.write_text("what was there")
                force = ["--force"]
            (disk / "filler").write_bytes(b"0" * 52_000)
            run = Run(folder, *arguments, *force, command=command)
            code = run.end()
            kept = not force or old.read_text() == "what was there"
            text = (
                run.err.strip().splitlines()[-1:]
                or [event["text"] for event in run.events if event["event"] == "warning"][-1:]
            )
            rest = sorted(path.name for path in disk.rglob("*") if path.name not in ("filler", old.name))
            said = "a traceback" if "Traceback" in run.err else (text or ["nothing"])[0][:230]
            result = [event["output"] for event in run.events if event["event"] == "result"]
            if result:
                said += f"; in {'a whole file' if is_whole(result[0]) else 'NO whole file'}: {result[0]}"
            rows[name] = f"exit code {code}; old file kept: {kept}; left: {rest or 'nothing'}; said: {said}"
        finally:
            subprocess.run(["umount", str(disk)], check=True)
    return rows


def together(folder, scan):
    """Start two more runs with the output of one that runs, the second by force; then end the first."""
    first = Run(folder, scan, "-o", "rve.dream3d", *ENDLESS)
    first.wait_for(lambda: saved(folder) >= 0)
    others = [Run(folder, scan, "-o", "rve.dream3d", *ENDLESS, *more) for more in (["--resume"], ["--force"])]
    codes = [other.end() for other in others]
    named = [f"process {first.process.pid}" in other.err for other in others]
    running = first.process.poll() is None and saved(folder) >= 0
    code = first.end(signal.SIGTERM)
    return (
        f"the others: exit codes {codes}, name the process that holds the output: {named}; "
        f"the first went on: {running}, exit code {code}, volume whole: {is_whole(folder / 'rve.dream3d')}"
    )


def without_a_worker(folder, scan):
    """Kill one of two Dask workers while it works."""
    import distributed

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster) as client,
    ):
        seeds = ("--iterations", 50, "--seeds", 3, "--scheduler", cluster.scheduler_address)
        run = Run(folder, scan, "-o", "rve.dream3d", "--shape", 1, 20, 24, *seeds)
        workers = client.run(os.getpid)
        run.wait_for(lambda: any(client.processing().values()))
        time.sleep(3.0)
        os.kill(next(iter(workers.values())), signal.SIGKILL)
        code = run.end()
    done = [event for event in run.events if event["event"] == "member" and np.isfinite(event["loss"])]
    return f"exit code {code}, runs that were done: {len(done)} of 3, volume whole: {is_whole(folder / 'rve.dream3d')}"


def without_memory(folder, scan):
    """Take memory away from a run: by a control group a little above what it holds, then by a limit of addresses."""
    group = next(path for path in map(Path, ("/sys/fs/cgroup/memory", "/sys/fs/cgroup")) if path.is_dir())
    group /= "interrupted"
    group.mkdir(exist_ok=True)
    limit = next(group / name for name in ("memory.limit_in_bytes", "memory.max") if (group / name).exists())
    held = next(group / name for name in ("memory.usage_in_bytes", "memory.current") if (group / name).exists())
    rows = {}
    for name in ("control group", "addresses"):
        target = folder / name.replace(" ", "-")
        target.mkdir()
        limit.write_text("-1" if "bytes" in limit.name else "max")
        run = Run(target, scan, "-o", "rve.dream3d", *ENDLESS, limit=group / "cgroup.procs")
        run.wait_for(lambda target=target: saved(target) >= 0)
        neighbour = None
        if name == "control group":
            limit.write_text(str(int(held.read_text()) + (64 << 20)))
            neighbour = subprocess.Popen(
                [sys.executable, "-c", "import time; kept = b'1' * (1 << 30); time.sleep(60)"],
                preexec_fn=lambda: (group / "cgroup.procs").write_text(str(os.getpid())),
            )
        else:
            resource.prlimit(run.process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        ended = run.wait_for(lambda run=run: run.process.poll() is not None, 30.0)
        code = run.end(None if ended else signal.SIGKILL)
        if neighbour is not None:
            neighbour.kill()
            neighbour.wait()
        how = f"ended by itself, exit code {code}" if ended else "went on, the limit was not felt; killed by hand"
        before = saved(target)
        again = Run(target, scan, "-o", "rve.dream3d", *ENDLESS, "--resume")
        again.wait_for(lambda target=target, before=before: saved(target) > before >= 0)
        again.end(signal.SIGKILL)
        went_on = saved(target) > before >= 0
        said = (run.err.strip().splitlines() or ["nothing"])[-1][:160]
        rows[f"no more memory, by {name}"] = f"{how}; said: {said}; went on from iteration {before}: {went_on}"
    with contextlib.suppress(OSError):
        group.rmdir()
    return rows


def main(cases, kills, terminations):
    steps = {
        "kill": lambda folder, scan: {f"{kills} kills": killed(folder, scan, kills)},
        "terminate": lambda folder, scan: {
            "SIGTERM": terminated(folder, scan, terminations),
            "SIGTERM while writing": terminated_while_writing(folder, scan),
        },
        "disk": lambda folder, scan: {f"full disk, {name}": row for name, row in full(folder, scan).items()},
        "together": lambda folder, scan: {"three runs, one output": together(folder, scan)},
        "worker": lambda folder, scan: {"a Dask worker killed": without_a_worker(folder, scan)},
        "memory": without_memory,
    }
    for case in cases or steps:
        folder = Path(tempfile.mkdtemp(prefix=f"{case}-"))
        scan = folder / "scan.dream3d"
        polyrve.write(make_specimen((8, 40, 40), grain_size=8.0, seed=1).field.section(0, 0), scan)
        for name, row in steps[case](folder, scan).items():
            print(f"| {name} | {row} |", flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--terminations", type=int, default=5)
    given = parser.parse_args()
    main(given.cases, given.kills, given.terminations)
