"""Count the kernels and bytes of one evaluation on an H100, compiled on a machine without a GPU.

    python benchmarks/gpu_kernels.py --jax PYTHON               both sets at 64^3
    python benchmarks/gpu_kernels.py --jax PYTHON --size 128

PYTHON belongs to an environment with ``pip install "jax[cuda12]"`` (5 GB), whose compiler needs no GPU; TensorFlow for
processors has no compiler for GPUs. The engine takes the code paths of a GPU, TensorFlow writes loss and gradient as
one program, and JAX compiles it. A loop counts as often as it runs. A slice counts as the whole array, so that the
bytes are an upper bound. This measures no times.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

H100 = """gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32
  shared_memory_per_block: 49152 shared_memory_per_core: 233472 shared_memory_per_block_optin: 232448
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84978434048
  cuda_compute_capability { major: 9 minor: 0 } registers_per_core_limit: 65536 registers_per_block_limit: 65536
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3"
"""
SIZES = {"f32": 4, "f16": 2, "f64": 8, "c64": 8, "s32": 4, "u32": 4, "s64": 8, "s8": 1, "u8": 1, "pred": 1}
STEP = re.compile(r"\s+(?:ROOT )?%([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)")
NO_KERNEL = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast"}


def program(name: str, n: int) -> bytes:
    """Loss and gradient of a named set as XLA's HLO."""
    import run
    import tensorflow as tf

    from polyrve.backend.strategy import GpuStrategy

    objective, position = run.objective_of(name, n, run.reference(n))
    objective = replace(objective, state=replace(objective.state, strategy=GpuStrategy()))
    whole = tf.function(objective.value_and_gradient, jit_compile=True, autograph=False)
    return whole.experimental_get_compiler_ir(position)(stage="hlo_serialized")


def compiled(path: Path) -> None:
    """Compile a program for an H100; prints the bytes that it needs beside its arguments, and itself."""
    from jax._src import compiler
    from jax._src.interpreters import mlir
    from jax._src.lib import xla_client
    from jax.experimental import topologies
    from jaxlib.mlir import ir

    topology = topologies.get_topology_desc(platform="cuda", topology_name="h100", target_config=H100, topology="1x1x1")
    with mlir.make_ir_context():
        module = ir.Module.parse(xla_client._xla.mlir.hlo_to_stablehlo(path.read_bytes()))
    options = compiler.get_compile_options(num_replicas=1, num_partitions=1)
    devices = xla_client.DeviceList(tuple(topology.devices))
    found = topology.devices[0].client.compile(module, devices, options)
    sys.stdout.write(f"{found.get_compiled_memory_stats().temp_size_in_bytes}\n{found.hlo_modules()[0].to_string()}")


def counted(lines: Iterable[str]) -> tuple[int, int]:
    """Kernels of a compiled program, and the bytes that they read and write at most."""
    parts: dict[str, list[tuple[str, ...]]] = {}
    entry, part = "", None
    for line in lines:
        if head := re.match(r"(ENTRY )?%([\w.\-]+) \(.*\{$", line):
            part = parts.setdefault(head[2], [])
            entry = head[2] if head[1] else entry
        elif part is not None and (found := STEP.match(line)):
            part.append(found.groups())

    def size(kind: str) -> int:
        total = 0
        for name, shape in re.findall(r"(\w+)\[([\d,]*)\]", kind):
            numbers = 1
            for n in filter(None, shape.split(",")):
                numbers *= int(n)
            total += SIZES.get(name, 0) * numbers
        return total

    def of(name: str) -> tuple[int, int]:
        kinds = {result: kind for result, kind, *_ in parts[name]}
        kernels = traffic = 0
        for _, kind, operation, rest in parts[name]:
            if operation == "while":
                times = re.search(r'known_trip_count":\{"n":"(\d+)"', rest)
                inner = of(re.search(r"body=%([\w.\-]+)", rest)[1])  # type: ignore[index]
                kernels += int(times[1]) * inner[0] if times else inner[0]
                traffic += int(times[1]) * inner[1] if times else inner[1]
            elif operation not in NO_KERNEL:
                read = re.findall(r"%([\w.\-]+)", rest.split("), ")[0])
                kernels += 1
                traffic += size(kind) + sum(size(kinds[one]) for one in read if one in kinds)
        return kernels, traffic

    return of(entry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jax", required=True, help="Python of an environment with JAX for CUDA 12")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--sets", nargs="+", default=["default", "paper"])
    parser.add_argument("--compile", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    if options.compile:
        compiled(options.compile)
        return
    os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3", JAX_PLATFORMS="cpu")
    for name in options.sets:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "program"
            path.write_bytes(program(name, options.size))
            command = [options.jax, __file__, "--jax", options.jax, "--compile", str(path)]
            found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        beside, *text = found.stdout.splitlines()
        kernels, traffic = counted(text)
        at = f"{name}, {options.size}^3"
        print(f"{at}: {kernels} kernels, {traffic / 1e9:.2f} GB at most, {int(beside) / 1e6:.0f} MB of memory")


if __name__ == "__main__":
    main()
