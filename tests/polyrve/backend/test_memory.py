"""The forecast of memory against peaks that were measured, and one that is measured here; what is free; refusals."""

import subprocess
import sys
from pathlib import Path

import pytest

from polyrve.backend import control_groups, memory
from polyrve.backend.memory import Forecast, forecast
from polyrve.descriptors import SETS, three_point
from polyrve.descriptors._kernels import lag_means
from polyrve.initial import exemplar
from polyrve.optimizers import METHODS, lbfgs_history
from polyrve.settings import ReconstructionSettings

CHANNELS = {"cubic": (9, 4), "hexagonal": (18, 4), "both": (29, 6)}
NOISE = {"initial": "random", "sharpen": False}
VOXELS = {"noise": "keep", "unknowns": "voxels"}
POLYCRYSTAL = {**VOXELS, "initial": "polycrystal", "sharpen": True}
ALONE = {"descriptors": "paper", "sections_per_group": 1}


def forecast_of(n, phases="cubic", pixels=(), loops=True, **values):
    settings = ReconstructionSettings.create(shape=(n, n, n), **values)
    return forecast(settings, *CHANNELS[phases], pixels, loops=loops)


def test_parts_grow_with_what_they_are_made_of():
    small, large = forecast_of(32, **NOISE), forecast_of(64, **NOISE)
    assert large.fields == 8 * small.fields == 64**3 * 9 * 4 * 10
    assert large.start == large.end == 8 * small.start
    assert large.vectors == 64**3 * 4 * (4 * 7 + 40)
    assert small.vectors == 32**3 * 4 * 4 * 7 + 2**24
    assert (small.programs, small.targets) == (large.programs, 0)
    assert forecast_of(32, levels=2).programs == 2 * small.programs
    assert forecast_of(32, "both").fields > forecast_of(32, "hexagonal").fields == 2 * small.fields
    planar = forecast(ReconstructionSettings(shape=(1, 64, 64)), 9, 4)
    assert planar.fields == 64**2 * 9 * 4 * 4


def test_maps_count_while_they_are_described_and_as_pixels_to_build_from():
    one, two = (forecast_of(32, pixels=[250_000] * n, **NOISE) for n in (1, 2))
    assert one == two
    assert 350 <= one.targets / 250_000 <= 750
    assert one.total > forecast_of(32, **NOISE).total
    built = forecast_of(32, pixels=[250_000, 250_000], initial="exemplar", **VOXELS)
    assert 900 < (built.start - one.start) / 500_000 < 1100
    assert built.end == built.start
    assert forecast_of(32, pixels=[250_000], initial="random", sharpen=True).end > one.end + 200_000_000
    drawn = forecast_of(32, pixels=[250_000, 250_000], **VOXELS)
    assert one.start < drawn.start < built.start
    assert one.end < drawn.end < built.end
    in_strips = forecast_of(32, "both", [4_000_000], descriptors="paper")
    assert in_strips.targets < 4_000_000 * 1000


def test_estimates_of_groups_of_sections_grow_with_the_window_and_their_number():
    def fields(**values):
        return forecast_of(48, descriptors="paper", **values).fields

    assert fields(sections_per_group=2, largest_lag=7) < fields(sections_per_group=2, largest_lag=15)
    assert fields(sections_per_group=1) < fields(sections_per_group=1, periodic=False)
    assert fields(sections_per_group=1, weights={"two_point": 0.0}) == 48**3 * 9 * 4 * 10
    assert forecast_of(48, sections_per_group=1).fields == forecast_of(48).fields


def test_on_a_gpu_blocks_are_larger_and_no_section_is_compared_by_itself():
    here, there = (forecast_of(48, descriptors="paper", sections_per_group=1, loops=loops) for loops in (True, False))
    estimates = 3 * 48 * 9**2 * 17 * 33 * 4
    assert there.fields - here.fields > 2 * estimates
    assert there.tensors + there.beside > there.total
    assert there.beside < there.total


@pytest.mark.parametrize(
    ("n", "values", "compiled"),
    [(64, {}, 194), (96, {}, 606), (128, {}, 1117), (64, ALONE, 359), (96, ALONE, 905)],
)
def test_forecast_is_within_a_fifth_of_what_a_compiler_for_gpus_says(n, values, compiled):
    """What XLA takes beside position and gradient for an H100, in MB: ``benchmarks/gpu_kernels.py``."""
    assert 1 / 1.2 < forecast_of(n, loops=False, **values).fields / (compiled * 1e6) < 1.2


def test_later_steps_come_on_top_of_what_tensorflow_keeps():
    assert Forecast(1, 20, 300, 100, 50, 7, 9).total == 1 + 20 + 300
    assert Forecast(1, 2, 30, 100, 50, 7, 9).total == 1 + 150 + 9
    assert Forecast(1, 2, 300, 100, 50, 70, 9).total == 1 + 300 + 70
    assert Forecast(1, 2, 300, 100, 50, 7, 9).tensors == 300


def test_numbers_are_those_of_the_code():
    assert (memory._PAIRS, memory._MOST_PAIRS, memory._BYTES_OF_FEW_PAIRS) == (
        lbfgs_history.FEWEST,
        lbfgs_history._MOST,
        lbfgs_history._HISTORY,
    )
    assert (memory._POOLED, memory._PAIRS_OF_MAP) == (lag_means.POOLED_BYTES, lag_means.PAIR_BYTES)
    assert len(three_point.DENSE_LAGS) == memory._BLOCKS["three_point"]
    assert exemplar._MOST_TEXTURE == memory._TEXTURE
    assert exemplar._REDUCED == memory._NEIGHBOURHOOD
    assert set(memory._DOUBLES) | set(memory._OF_KERAS) | {"lbfgs", "barzilai-borwein"} == set(METHODS)


def test_a_descriptor_of_another_package_counts_like_the_largest_of_ours():
    without, other, ours = (
        forecast_of(32, weights={"variogram": 0.0, **weights}) for weights in ({}, {"theirs": 1.0}, {"variogram": 1.0})
    )
    assert without.programs < other.programs == ours.programs
    assert without.fields < other.fields == ours.fields


def test_sets_are_those_of_the_descriptors():
    assert {name: set(weights) for name, weights in SETS.items()} == {k: set(v) for k, v in memory._SETS.items()}


@pytest.mark.parametrize(
    ("n", "phases", "side", "values", "measured"),
    [
        (32, "cubic", 500, {}, 247), (32, "cubic", 500, ALONE, 300), (32, "cubic", 169, POLYCRYSTAL, 174),
        (64, "cubic", 96, {}, 277), (64, "cubic", 96, {}, 286), (64, "cubic", 96, POLYCRYSTAL, 324),
        (64, "cubic", 96, {"optimizer": "scipy-lbfgsb"}, 588), (64, "both", 96, {}, 926),
        (64, "cubic", 96, ALONE, 275), (64, "hexagonal", 96, ALONE, 491), (64, "both", 96, ALONE, 637),
        (64, "cubic", 96, {"descriptors": "paper"}, 354), (64, "hexagonal", 96, {"descriptors": "paper"}, 585),
        (64, "both", 96, {"descriptors": "paper"}, 849), (48, "cubic", 96, {"levels": 2}, 342),
    ],
)  # fmt: skip
def test_forecast_is_within_a_fifth_of_measured_peaks(n, phases, side, values, measured):
    """Peaks of whole runs of 12 iterations, in MB beyond a process that had run 16^3, two cores, TensorFlow 2.21."""
    ratio = forecast_of(n, phases, [side**2], **{**NOISE, **values}).total / (measured * 1e6)
    assert 1 / 1.2 < ratio < 1.2


def peak_of_this_process():
    with open("/proc/self/status", encoding="ascii") as file:
        return 1024 * int(next(line for line in file if line.startswith("VmHWM")).split()[1])


def run_and_tell_its_peak():
    """What the test below runs in a process of its own."""
    import numpy as np

    from polyrve import reconstruct
    from polyrve.crystallography import rotation
    from polyrve.crystallography.phase import Phase
    from polyrve.microstructure.fields import OrientationMap

    grains = rotation.random_orientations((8, 8), np.random.default_rng(0))
    field = OrientationMap(
        grains.repeat(6, 0).repeat(6, 1), np.ones((48, 48), dtype=np.int32), (Phase("Al", "m-3m"),), (1.0, 1.0)
    )
    settings = {**NOISE, "iterations": 3, "tolerance": 0.0}
    part = field.evolve(quaternions=field.quaternions[:40], phase_ids=field.phase_ids[:40])
    reconstruct(part, shape=(16, 16, 16), **settings)
    before = peak_of_this_process()
    reconstruct(field, shape=(32, 32, 32), **settings)
    sys.stdout.write(f"{peak_of_this_process() - before}\n")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc/self/status to read the peak from")
def test_forecast_is_like_the_peak_of_a_process():
    code = "import runpy, sys; runpy.run_path(sys.argv[1])['run_and_tell_its_peak']()"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, __file__], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    measured = int(done.stdout.split()[-1])
    assert 0.5 < forecast_of(32, pixels=[48**2], **NOISE).total / measured < 2.0


def test_machine_says_what_is_free():
    free = memory.available()
    assert free is None or 2**20 < free < 2**50


def test_too_large_is_refused_with_a_shape_that_fits(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    memory.require(2**30, (64, 64, 64))
    with pytest.raises(
        MemoryError,
        match=r"shape \(64, 64, 64\): expected a working set that fits into the 1.0 GiB of free memory; "
        r"got 8.0 GiB: try \(32, 32, 32\)",
    ):
        memory.require(2**33, (64, 64, 64))
    with pytest.raises(MemoryError, match=r"try \(1, 32, 32\)"):
        memory.require(2**32, (1, 64, 64))


def test_free_memory_is_that_of_the_machine_or_of_its_control_group(monkeypatch):
    for machine, group, free in ((5, 3, 3), (5, None, 5), (None, 3, 3), (None, None, None)):
        monkeypatch.setattr(memory, "_of_machine", lambda machine=machine: machine)
        monkeypatch.setattr(control_groups, "free_memory", lambda group=group: group)
        assert memory.available() == free


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.require(2**60, (4096, 4096, 4096))
