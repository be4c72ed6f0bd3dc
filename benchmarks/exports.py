"""Measure time and memory of the exports, beside plain files of the same bytes: python benchmarks/exports.py [n]."""

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path

import numpy as np
from scipy.spatial import cKDTree

import polyrve
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume

TARGETS = (
    ("job", {"format": "damask"}),
    ("voxels", {"format": "damask", "by": "voxel"}),
    *(
        (name, {})
        for name in ("a.dream3d", "a.vti", "a.vtkhdf", "a.inl", "a.tesr", "a.sites", "a.inp", "a.vtu", "a.vtp")
    ),
    ("a.txt", {"format": "los-alamos"}),
    *((name, {"format": name}) for name in ("prisms", "amitex", "damask-mesh")),
    *((name, {"section": "z"}) for name in ("a.ang", "a.ctf")),
)


def voronoi(n, grains=400, seed=0):
    rng = np.random.default_rng(seed)
    centres = np.stack(np.meshgrid(*[np.arange(n) + 0.5] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    ids = cKDTree(rng.random((grains, 3)) * n, boxsize=n).query(centres)[1].reshape(n, n, n)
    _, ids = np.unique(ids, return_inverse=True)
    ids = ids.reshape(n, n, n).astype(np.int32) + 1
    mean = rotation.random_orientations(int(ids.max()), rng)
    scatter = rotation.from_axis_angle(rng.standard_normal((n, n, n, 3)), rng.normal(0.0, 0.01, (n, n, n)))
    field = OrientationVolume(
        rotation.multiply(scatter, mean[ids - 1]), np.ones(ids.shape), (Phase("Al"),), (0.5,) * 3, periodic=True
    )
    return GrainVolume(field, ids, mean, np.ones(len(mean)))


def timed(call):
    """Seconds on the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - clock, time.process_time() - processor


def peak_memory(call):
    """Bytes taken at most beyond what was there before."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def table(big, folder):
    volume = big.field.quaternions.nbytes + big.field.phase_ids.nbytes + big.grain_ids.nbytes
    print(f"volume {big.field.shape}: {volume / 2**20:.0f} MiB")
    for name, options in TARGETS:

        def call(name=name, options=options):
            polyrve.write(big, folder / name, force=True, **options)

        call()
        clock, processor = min(timed(call) for _ in range(3))
        content = b"".join(path.read_bytes() for path in written(folder / name))
        plain = min(timed(lambda content=content: (folder / "plain").write_bytes(content))[0] for _ in range(3))
        peak = peak_memory(call)
        print(
            f"{name:12s} {clock:7.2f} s, processor {processor:7.2f} s, {len(content) / 2**20:7.1f} MiB, "
            f"{clock / plain:7.1f} times as long as writing them plainly, memory {peak / volume:5.2f} of the volume",
            flush=True,
        )


def written(path):
    """The files that a path stands for."""
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def beside_damask(n, folder, runs=3):
    """One material per voxel: ours for n^3 and damask's for (n / 4)^3 in turn, the shortest times compared."""
    import damask

    small, few = voronoi(n), voronoi(n // 4)
    q = rotation.conjugate(few.field.quaternions.reshape(-1, 4))
    config = damask.ConfigMaterial().material_add(
        phase=np.array(["Al"] * len(q)), O=damask.Rotation(np.where(q[:, :1] < 0, -q, q)), homogenization="SX"
    )
    ours, theirs = [], []
    for _ in range(runs):
        ours.append(timed(lambda: polyrve.write(small, folder / "v", format="damask", by="voxel", force=True)))
        theirs.append(timed(lambda: config.save(folder / "theirs.yaml")))
    for kind, mine, other in zip(("clock", "processor"), np.min(ours, axis=0), np.min(theirs, axis=0), strict=True):
        other *= small.grain_ids.size / few.grain_ids.size
        print(
            f"damask by voxel {n}^3, {kind}: {mine:.2f} s; damask's writer, scaled: {other:.1f} s, {other / mine:.0f}x"
        )


def main(n=128):
    with tempfile.TemporaryDirectory() as name:
        beside_damask(n // 2, Path(name))
        table(voronoi(n), Path(name))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
