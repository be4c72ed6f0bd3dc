"""Time the engine against MCRpy on MCRpy's work, and against floors measured in the same run.

    make bench                                  sizes 32, 64 and 96, everything
    make bench ARGS="--sizes 32 --quick"
    make bench ARGS="--clock processor"         on a machine that is shared
    make bench ARGS="--device GPU --sizes 64"   the same on a GPU, against the GPU's own rates

Machines differ and are shared, so that every ratio is one of the shortest times in one run. The floor of a set is the
time that its arithmetic and its traffic would take at the rates of the device: bytes at the rate of a copy, products
and increments at the rate of a matrix product, FFTs at the rate of an FFT.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft

GOALS: dict[str, tuple[str, float]] = {
    "same work as MCRpy, 64^3: times faster": (">=", 100.0),
    "paper set / MCRpy's one scalar field, 64^3": ("<=", 0.5),
    "default set / MCRpy's one scalar field, 64^3": ("<=", 0.2),
    "paper set / floor, 64^3": ("<=", 3.0),
    "default set / floor, 64^3": ("<=", 3.0),
    "L-BFGS step beyond the evaluation / evaluation, 64^3": ("<=", 0.1),
    "time per voxel, 96^3 / 32^3": ("<=", 1.3),
    "peak memory per voxel beyond the program, 64^3, kB": ("<=", 1.0),
    "peak memory per voxel beyond the program, 96^3, kB": ("<=", 1.0),
    "forecast and measured peak memory, larger / smaller, 64^3": ("<=", 1.2),
    "forecast and measured peak memory, larger / smaller, 96^3": ("<=", 1.2),
    "time to 1e-3 of the first loss: SciPy from random / default": (">=", 10.0),
    "material.yaml, voxel-wise: damask.ConfigMaterial.save / polyrve, 24^3": (">=", 50.0),
    "million-point .ang, first read of a process: orix.io.load / polyrve.read": (">=", 5.0),
    "million-point .ang, read again: orix.io.load / polyrve.read": (">=", 5.0),
    "polyrve --help: seconds": ("<=", 0.5),
    "polyrve info, .ang of 400 000 points: seconds": ("<=", 3.0),
}
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.process_time}
"""Wall time, or processor time of all threads: slower for work in parallel, but what others run counts little in it."""


class Bench:
    """A clock, a device and the rows found so far, which the output file always holds."""

    def __init__(self, clock: str, device: str, output: Path) -> None:
        self.name, self.clock, self.device, self.output = clock, CLOCKS[clock], device, output
        self.results: list[dict[str, Any]] = []

    def seconds(self, call: Callable[[], Any], repeats: int = 5) -> float:
        """Shortest time of a call after one that is not counted."""
        call()
        taken = []
        for _ in range(repeats):
            start = self.clock()
            call()
            taken.append(self.clock() - start)
        return min(taken)

    def together(self, calls: dict[str, Callable[[], Any]], repeats: int = 3) -> dict[str, float]:
        """Shortest times of calls that take turns, each after one that is not counted."""
        for call in calls.values():
            call()
        taken: dict[str, list[float]] = {name: [] for name in calls}
        for _ in range(repeats):
            for name, call in calls.items():
                start = self.clock()
                call()
                taken[name].append(self.clock() - start)
        return {name: min(times) for name, times in taken.items()}

    def report(self, name: str, value: float) -> None:
        """Add a row and print it."""
        sign, goal = GOALS.get(name, ("", float("nan")))
        ok = None if not sign else bool(value >= goal if sign == ">=" else value <= goal)
        written = f"{sign} {goal:g}" if sign else None
        self.results.append({"name": name, "value": float(f"{value:.4g}"), "goal": written, "ok": ok})
        self.output.write_text(json.dumps(self.results, indent=1) + "\n")
        verdict = "" if ok is None else "ok" if ok else "NOT MET"
        print(f"{name:75s} {value:12.4g}  {written or '':8s} {verdict}", flush=True)


def rates(bench: Bench, n: int) -> dict[str, float]:
    """Bytes per second of a copy, operations per second of a matrix product, seconds of an FFT of nine channels."""
    if bench.device == "CPU":
        source = np.ones(64 << 20, dtype=np.uint8)
        target = np.empty_like(source)
        a = np.ones((1500, 1500), dtype=np.float32)
        return {
            "bytes": 2 * source.nbytes / bench.seconds(lambda: np.copyto(target, source)),
            "operations": 2 * 1500**3 / bench.seconds(lambda: a @ a),
            "fft": float(in_own_process("print(run.transforms(int(sys.argv[1]), sys.argv[2]))", n, bench.name)[0]),
        }
    import tensorflow as tf

    field = np.random.default_rng(0).standard_normal((9, n, n, n)).astype(np.float32)
    with tf.device(f"/{bench.device}:0"):
        values, matrix, channels = tf.ones(1 << 26), tf.ones((4096, 4096)), tf.constant(field)

    def repeated(step: Callable[[tf.Tensor], tf.Tensor], start: tf.Tensor) -> float:
        """Ten steps in one graph, so that starting them does not count; one number comes back."""

        @tf.function(autograph=False)
        def chain() -> tf.Tensor:
            return tf.reduce_sum(tf.while_loop(lambda i, _: i < 10, lambda i, x: (i + 1, step(x)), (0, start))[1][:1])

        return bench.seconds(lambda: chain().numpy()) / 10

    many = tf.tile(channels, (10, 1, 1, 1))
    transform = tf.function(lambda: tf.reduce_sum(tf.abs(tf.signal.rfft2d(many)[0, 0])), autograph=False)
    return {
        "bytes": 2 * 4 * (1 << 26) / repeated(lambda x: x + 1.0, values),
        "operations": 2 * 4096**3 / repeated(lambda x: tf.matmul(x, matrix) * 2.0**-12, matrix),
        "fft": bench.seconds(lambda: transform().numpy(), 3) / 10,
    }


def transforms(n: int, clock: str) -> float:
    """Seconds of an FFT of nine channels along two axes."""
    field = np.random.default_rng(0).standard_normal((9, n, n, n)).astype(np.float32)
    bench = Bench(clock, "CPU", Path(os.devnull))
    return bench.seconds(lambda: scipy.fft.rfftn(field, axes=(2, 3), workers=os.cpu_count()), 15)


def in_own_process(code: str, *arguments: Any) -> list[str]:
    """The last line that code prints where ``run`` is this file, in words; with memory that nothing else has used."""
    start = f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parent)!r}); import run; "
    command = [sys.executable, "-c", start + code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()


def floor(names: tuple[str, ...], objective: Any, n: int, rate: dict[str, float]) -> float:
    """Seconds that the arithmetic and the traffic of a set take at the machine's rates, three axes."""
    from polyrve.descriptors import DisorientationSpectrum, ThreePoint, TwoPoint, Variation, Variogram

    channels, voxels = objective.state.count, n**3
    pooled = objective.group is None

    def pairs(lags: Any) -> int:
        """Lags of three axes; those along an axis of the voxels belong to two families of sections."""
        along = sum(0 in lag for lag in lags)
        return 3 * len(lags) - (3 * along // 2 if pooled else 0)

    traffic = 4.0 * voxels * (4 + 4 + 4 * channels)
    operations, total = 400.0 * voxels, 0.0
    for descriptor, _ in objective.descriptors:
        if descriptor.name not in names:
            continue
        traffic += 3 * 4.0 * voxels * 3 * channels
        if isinstance(descriptor, TwoPoint):
            total += 3 * 2 * rate["fft"] * channels / 9
            operations += 3 * 2 * 8.0 * channels**2 * voxels / 2
        elif isinstance(descriptor, Variogram):
            operations += pairs(descriptor.lags) * 12.0 * channels * voxels
        elif isinstance(descriptor, DisorientationSpectrum):
            operations += pairs(descriptor.lags) * (9.0 * channels + 21.0 * len(descriptor.thresholds)) * voxels
        elif isinstance(descriptor, ThreePoint):
            lags = len(descriptor.lags)
            operations += 3 * channels * (12.0 * lags + 4.0 * lags**2) * voxels
        elif isinstance(descriptor, Variation):
            operations += 3 * 12.0 * channels * voxels
        else:
            step = getattr(descriptor, "stride", 1)
            operations += 7 * 3 * (2 * 25 * 13 + 200.0) * voxels / step**3
    return total + traffic / rate["bytes"] + operations / rate["operations"]


def reference(n: int) -> Any:
    """A section of a synthetic specimen as the map, larger than n voxels."""
    from polyrve.microstructure.synthetic import make_specimen

    return make_specimen((8, n + n // 2, n + n // 2), seed=1).field.section(0, 3).evolve(periodic=False)


def objective_of(name: str, n: int, scan: Any) -> tuple[Any, Any]:
    """Objective of a named set and a random position."""
    import tensorflow as tf

    from polyrve.reconstruction.problem import prepare

    group = 1 if name == "paper" else None
    problem = prepare(scan, shape=(n, n, n), descriptors=name, sections_per_group=group, initial="random")
    sections = problem.on_grid((n, n, n))
    _, position = problem.initial_field(sections, (n, n, n))
    return problem.objective(sections, (n, n, n)), tf.constant(position, tf.float32)


class Timed:
    """An objective that notes how long each of its evaluations takes."""

    def __init__(self, call: Callable[[Any], Any], clock: Callable[[], float]) -> None:
        self.call, self.clock = call, clock
        self.seconds: list[float] = []

    def value_and_gradient(self, position: Any) -> Any:
        """What the call returns."""
        begin = self.clock()
        found = self.call(position)
        found[0].numpy()
        self.seconds.append(self.clock() - begin)
        return found


def timed_sets(bench: Bench, n: int, rate: dict[str, float], scan: Any) -> dict[str, Callable[[], Any]]:
    """Times each descriptor, each set and an optimizer step at one size; hands out the evaluation of each set."""
    import tensorflow as tf

    from polyrve.optimizers import minimize
    from polyrve.reconstruction.objective import SectionObjective

    evaluations = {}
    for name in ("paper", "default"):
        begin = time.process_time()
        objective, position = objective_of(name, n, scan)
        whole = tf.function(objective.value_and_gradient)
        evaluations[name] = lambda call=whole, position=position: call(position)[0].numpy()
        evaluations[name]()
        bench.report(f"{name} set, {n}^3: processor seconds to the first evaluation", time.process_time() - begin)
        for i, (descriptor, weight) in enumerate(objective.descriptors):
            targets = {axis: (target[i],) for axis, target in objective.targets.items()}
            alone = SectionObjective(objective.state, ((descriptor, weight),), targets, objective.group)
            call = tf.function(alone.value_and_gradient)
            cost = bench.seconds(lambda call=call, position=position: call(position)[0].numpy(), 3)
            bound = floor((descriptor.name,), objective, n, rate)
            bench.report(f"{name}: {descriptor.name}, {n}^3: seconds", cost)
            bench.report(f"{name}: {descriptor.name}, {n}^3: over its floor", cost / bound)
        cost = bench.seconds(evaluations[name], 12 if n <= 64 else 5)
        bench.report(f"{name} set, {n}^3: seconds per evaluation", cost)
        bench.report(f"{name} set / floor, {n}^3", cost / floor(objective.names, objective, n, rate))
    timed = Timed(whole, bench.clock)
    times: list[float] = []
    counts: list[int] = []
    minimize(
        timed, position, max_iterations=30 if n <= 64 else 15, patience=1000, graph=False,
        callback=lambda record: (times.append(bench.clock()), counts.append(record.evaluations))[:0],
    )  # fmt: skip
    single = np.flatnonzero(np.diff(counts) == 1)[3:]
    inside = np.array(timed.seconds)[np.array(counts)[single + 1] - 1]
    step = np.median(np.diff(times)[single] - inside) / np.median(inside)
    bench.report(f"L-BFGS step beyond the evaluation / evaluation, {n}^3", float(step))
    return evaluations


def mcrpy_gradient(n: int) -> Callable[[], Any]:
    """MCRpy's gradient for one scalar field: FFTCorrelations (lags up to 16) and Variation."""
    import tensorflow as tf
    from mcrpy.descriptors.FFTCorrelations import FFTCorrelations
    from mcrpy.descriptors.Variation import Variation
    from mcrpy.src.loss_computation import make_3d_gradients

    correlations = FFTCorrelations.make_singlephase_descriptor(desired_shape_2d=(n, n), limit_to=16)
    variation = Variation.make_singlephase_descriptor()

    class Field:
        spatial_shape = (n, n, n)
        x = tf.Variable(np.random.default_rng(0).random((1, n, n, n, 1)))

        def get_slice(self, axis: int, index: int) -> tf.Tensor:
            return tf.expand_dims(tf.gather(self.x[0], index, axis=axis), 0)

    def loss(section: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean((correlations(section) - 0.3) ** 2) + tf.reduce_sum((variation(section) - 0.1) ** 2)

    field = Field()
    gradients = make_3d_gradients(loss, (1, n, n, n, 1)[1:])
    return lambda: gradients(field)[1][0].numpy()


def same_work(n: int) -> Callable[[], Any]:
    """The same work: one scalar channel, two-point correlations per section (lags up to 15) and mean variation."""
    import tensorflow as tf

    from polyrve.descriptors import TwoPoint, Variation
    from polyrve.descriptors._kernels.section_by_section import misfits
    from polyrve.descriptors.channels import Channels

    aims = {TwoPoint(15, cross=False): np.full((1, 16, 31), 0.3), Variation(): np.array(0.1)}
    field = tf.constant(np.random.default_rng(0).random((1, n, n, n)), tf.float32)

    @tf.function
    def gradient(values: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(values)
            channels = Channels(values, None, None, None, True).cut((0, 1, 2))
            loss = tf.add_n(
                [value for d, aim in aims.items() for value in misfits(d, channels, dict.fromkeys((0, 1, 2), aim), 1)]
            )
        return tape.gradient(loss, values)

    return lambda: gradient(field).numpy()


def against_mcrpy(bench: Bench, n: int, evaluations: dict[str, Callable[[], Any]]) -> None:
    """MCRpy's gradient, the same work and the sets in turns."""
    taken = bench.together({"peer": mcrpy_gradient(n), "same": same_work(n), **evaluations})
    bench.report(f"MCRpy, one scalar field, {n}^3: seconds", taken["peer"])
    bench.report(f"same work as MCRpy, {n}^3: times faster", taken["peer"] / taken["same"])
    for name in evaluations:
        bench.report(f"{name} set / MCRpy's one scalar field, {n}^3", taken[name] / taken["peer"])


def peak_memory(n: int, report: Callable[..., None]) -> None:
    """Peak memory of a few steps with the default set, and of a whole run against its forecast, in own processes."""
    code = (
        "n = int(sys.argv[1]); run.{0}(16, 2); before = run.peak_of_this_process();"
        "told = run.{0}(n, 12); print(before, run.peak_of_this_process(), told)"
    )
    before, after, _ = in_own_process(code.format("objective_and_steps"), n)
    report(f"peak memory per voxel beyond the program, {n}^3, kB", (int(after) - int(before)) * 1.024 / n**3)
    before, after, forecast = map(int, in_own_process(code.format("whole_run"), n))
    ratio = forecast / ((after - before) * 1024)
    report(f"forecast and measured peak memory, larger / smaller, {n}^3", max(ratio, 1 / ratio))


def peak_of_this_process() -> int:
    """Peak resident memory, kB; getrusage would count the process that started this one."""
    with open("/proc/self/status", encoding="ascii") as file:
        return int(next(line for line in file if line.startswith("VmHWM")).split()[1])


def objective_and_steps(n: int, iterations: int) -> None:
    """A few steps with the default set."""
    from polyrve.optimizers import minimize

    objective, position = objective_of("default", n, reference(max(n, 32)))
    minimize(objective, position, max_iterations=iterations, patience=1000)


def whole_run(n: int, iterations: int) -> int:
    """Run a few iterations from random orientations to a volume; return the forecast of their memory in bytes."""
    from polyrve.reconstruction.run import prepare, reconstruct

    settings = {"shape": (n, n, n), "initial": "random", "sharpen": False, "iterations": iterations, "patience": 1000}
    problem = prepare(reference(max(n, 32)), **settings)
    reconstruct(reference(max(n, 32)), **settings)
    return problem.memory("random").total


def time_to_thousandth(n: int, report: Callable[..., None]) -> None:
    """Wall time to 1e-3 of the loss of a random field: default settings against SciPy's L-BFGS-B from that field."""
    import tensorflow as tf

    from polyrve.optimizers import minimize
    from polyrve.reconstruction.problem import prepare

    scan = reference(n)
    taken = {}
    target = None
    for name, settings in {
        "SciPy from random": {"initial": "random", "optimizer": "scipy-lbfgsb"},
        "default": {},
    }.items():
        begin = time.perf_counter()
        problem = prepare(scan, shape=(n, n, n), **settings)
        sections = problem.on_grid((n, n, n))
        objective = problem.objective(sections, (n, n, n))
        position = tf.constant(problem.initial_field(sections, (n, n, n))[1], tf.float32)
        if target is None:
            target = 1e-3 * float(objective.value_and_gradient(position)[0])
            begin = time.perf_counter()
        method = settings.get("optimizer", "lbfgs")
        minimum = minimize(objective, position, method=method, max_iterations=1500, patience=2000, target=target)
        taken[name] = time.perf_counter() - begin
        report(f"time to 1e-3 of the first loss, {name}, {n}^3: seconds", taken[name])
        report(f"time to 1e-3 of the first loss, {name}, {n}^3: loss over target", minimum.value / target)
    report("time to 1e-3 of the first loss: SciPy from random / default", taken["SciPy from random"] / taken["default"])


def writers(bench: Bench, folder: Path) -> None:
    """Voxel-wise material.yaml against damask's own writer, and a million-point .ang against orix."""
    import damask

    import polyrve
    from polyrve.microstructure.instrument import simulate_scan
    from polyrve.microstructure.synthetic import make_specimen

    rve = make_specimen((24, 24, 24), seed=0)
    ours = bench.seconds(
        lambda: polyrve.write(rve.field, folder / "job", format="damask", by="voxel", phase="Al", force=True), 10
    )
    material = damask.ConfigMaterial.load(folder / "job" / "material.yaml")
    theirs = bench.seconds(lambda: material.save(folder / "theirs.yaml"), 1)
    bench.report("material.yaml, voxel-wise: damask.ConfigMaterial.save / polyrve, 24^3", theirs / ours)
    section = simulate_scan(make_specimen((8, 1000, 1000), grain_size=60.0, seed=0).field, axis=0, index=0, seed=0)
    path = folder / "million.ang"
    polyrve.write(section, path, force=True)
    first, again = read_times("polyrve", path, bench)
    first_of_orix, again_of_orix = read_times("orix", path, bench)
    bench.report("million-point .ang, first read of a process: orix.io.load / polyrve.read", first_of_orix / first)
    bench.report("million-point .ang, read again: orix.io.load / polyrve.read", again_of_orix / again)
    smaller = folder / "smaller.ang"
    section = simulate_scan(make_specimen((8, 632, 632), grain_size=60.0, seed=0).field, axis=0, index=0, seed=0)
    polyrve.write(section, smaller)
    program = Path(sys.executable).with_name("polyrve")
    for name, arguments in (
        ("polyrve --help: seconds", ["--help"]),
        ("polyrve info, .ang of 400 000 points: seconds", ["info", str(smaller)]),
    ):
        bench.report(name, min(_process_seconds([str(program), *arguments], bench) for _ in range(3)))


def read_times(program: str, path: Path, bench: Bench) -> tuple[float, float]:
    """Seconds in which a program reads an .ang first in a process, and again; shortest of five processes."""
    found = [in_own_process("print(*run.twice(*sys.argv[1:]))", program, path, bench.name) for _ in range(5)]
    first, again = np.array(found, dtype=float).min(axis=0)
    return float(first), float(again)


def twice(program: str, path: str, clock: str) -> tuple[float, float]:
    """Seconds of reading an .ang twice, by modules that are imported before."""
    if program == "orix":
        import orix.io.plugins.ang

        read = partial(orix.io.load, path)
    else:
        import polyrve.adapters.ebsd.ang

        read = partial(polyrve.read, path, frame="none")
    times = []
    for _ in range(2):
        start = CLOCKS[clock]()
        read()
        times.append(CLOCKS[clock]() - start)
    return times[0], times[1]


def _process_seconds(command: list[str], bench: Bench) -> float:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if bench.clock is time.perf_counter:
        return time.perf_counter() - start
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure everything, print the table and write it beside this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 96])
    parser.add_argument("--quick", action="store_true", help="leave out memory, writers and the time to 1e-3")
    parser.add_argument("--size-of-runs", type=int, default=64, help="size of the volume for the time to 1e-3")
    parser.add_argument("--peer", type=Path, help="folder that holds MCRpy, installed without its dependencies")
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    parser.add_argument("--device", choices=("CPU", "GPU"), default="CPU")
    parser.add_argument("--output", type=Path, help="default results.json beside this file, results_gpu.json on a GPU")
    options = parser.parse_args()
    if options.device == "CPU":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")
    if options.device == "GPU" and not tf.config.list_physical_devices("GPU"):
        parser.error("--device GPU: expected a GPU that TensorFlow sees; got none")
    name = "results.json" if options.device == "CPU" else "results_gpu.json"
    output = options.output or Path(__file__).parent / name
    bench = Bench(options.clock, options.device, output)
    if options.peer is not None:
        sys.path.insert(0, str(options.peer))
    per_voxel = {}
    for n in options.sizes:
        rate = rates(bench, n)
        bench.report(f"copy rate in the run of {n}^3, GB/s", rate["bytes"] / 1e9)
        bench.report(f"matrix product rate in the run of {n}^3, GFLOP/s", rate["operations"] / 1e9)
        if options.device == "GPU":
            tf.config.experimental.reset_memory_stats("GPU:0")
        evaluations = timed_sets(bench, n, rate, reference(n))
        if options.device == "GPU":
            peak = tf.config.experimental.get_memory_info("GPU:0")["peak"]
            bench.report(f"peak memory of the device per voxel, {n}^3, kB", peak / n**3 / 1000)
        per_voxel[n] = evaluations["default"]
        if options.peer is not None and n <= 64:
            against_mcrpy(bench, n, evaluations)
    if {32, 96} <= set(per_voxel):
        taken = bench.together({str(n): per_voxel[n] for n in (32, 96)})
        bench.report("time per voxel, 96^3 / 32^3", taken["96"] / taken["32"] / 27.0)
    if not options.quick:
        if options.device == "CPU":
            peak_memory(64, bench.report)
            peak_memory(96, bench.report)
            with tempfile.TemporaryDirectory() as folder:
                writers(bench, Path(folder))
        time_to_thousandth(options.size_of_runs, bench.report)
    absent = GOALS.keys() - {row["name"] for row in bench.results}
    print("".join(f"not measured: {name}\n" for name in GOALS if name in absent), end="")
    missed = sum(row["ok"] is False for row in bench.results)
    print(f"{sum(row['ok'] is True for row in bench.results)} goals met, {missed} not; peak of this process "
          f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB; table in {output}")  # fmt: skip


if __name__ == "__main__":
    main()
