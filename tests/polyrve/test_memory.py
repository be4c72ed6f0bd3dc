import pytest

from polyrve import memory
from polyrve.settings import ReconstructionSettings


def test_forecast_grows_with_the_volume_the_channels_the_history_and_the_groups():
    small = memory.forecast((16, 16, 16), 9, 4)
    fixed = 2 * small - memory.forecast((32, 16, 16), 9, 4)
    assert memory.forecast((32, 32, 32), 9, 4) - fixed == 8 * (small - fixed)
    assert memory.forecast((16, 16, 16), 29, 6) > small
    assert small - memory.forecast((16, 16, 16), 9, 4, history=0) == 16**3 * 4 * 2 * 10 * 2
    one, two = (memory.forecast((16, 16, 16), 9, 4, groups=48, window=window) for window in (7, 15))
    assert small < one < two


@pytest.mark.parametrize(
    ("n", "groups", "measured"),
    [(48, 0, 186e6), (48, 0, 160e6), (64, 0, 250e6), (64, 0, 233e6), (64, 0, 219e6), (96, 0, 609e6), (96, 0, 680e6),
     (128, 0, 1393e6), (128, 0, 1579e6), (48, 72, 234e6), (64, 96, 324e6), (64, 192, 468e6), (96, 144, 887e6)],
)  # fmt: skip
def test_forecast_is_within_a_fifth_of_measured_peaks(n, groups, measured):
    """Peaks beyond a process that had run 16^3, two cores, TensorFlow 2.21.

    The default set and the paper's section by section; the latter in pairs of sections, and not periodic.
    """
    ratio = memory.forecast((n, n, n), 9, 4, groups=groups) / measured
    assert 1 / 1.2 < ratio < 1.2


@pytest.mark.parametrize(
    ("n", "channels", "unknowns", "optimizer", "measured"),
    [(48, 29, 6, "lbfgs", 565e6), (64, 29, 6, "lbfgs", 805e6), (48, 9, 4, "scipy-lbfgsb", 334e6),
     (64, 9, 4, "scipy-lbfgsb", 584e6), (64, 9, 4, "adam", 267e6)],
)  # fmt: skip
def test_forecast_of_several_phases_and_other_optimizers(n, channels, unknowns, optimizer, measured):
    """Peaks of the default set, measured alike; two phases are a cubic and a hexagonal one."""
    ratio = memory.forecast((n, n, n), channels, unknowns, optimizer=optimizer) / measured
    assert 1 / 1.2 < ratio < 1.2


def test_groups_of_settings():
    def groups(**values):
        return ReconstructionSettings.create(**values).groups

    assert groups(shape=(8, 16, 32)) == groups(shape=(8, 16, 32), descriptors="paper") == 0
    assert groups(shape=(8, 16, 32), sections_per_group=2) == 0
    assert groups(shape=(8, 16, 32), sections_per_group=2, descriptors="paper") == 28
    assert groups(shape=(8, 16, 32), sections_per_group=1, weights={"two_point": 0.1}) == 0
    assert groups(shape=(8, 16, 32), sections_per_group=1, weights={"two_point": 0.1}, periodic=False) == 56
    assert groups(shape=(8, 16, 32), sections_per_group=1, descriptors="paper", weights={"two_point": 0.0}) == 0
    assert groups(shape=(32, 32), sections_per_group=1, descriptors="paper", periodic=False) == 1


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


@pytest.mark.parametrize(
    ("line", "below", "limit", "use"),
    [("0::/job/step", "", "memory.max", "memory.current"),
     ("4:cpu,memory:/job/step", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes")],
)  # fmt: skip
def test_control_groups_leave_what_the_least_of_them_leaves(tmp_path, line, below, limit, use):
    process, groups = tmp_path / "cgroup", tmp_path / "groups"
    process.write_text(f"3:cpuset:/other\n{line}\n")
    step = groups / below / "job" / "step"
    step.mkdir(parents=True)
    assert memory._of_control_group(process, groups) is None
    for folder, most, used in ((step, "max", 10), (step.parent, "1000", 400)):
        (folder / limit).write_text(f"{most}\n")
        (folder / use).write_text(f"{used}\n")
    assert memory._of_control_group(process, groups) == 600
    (step / limit).write_text("300\n")
    assert memory._of_control_group(process, groups) == 290
    (step / use).write_text("400\n")
    assert memory._of_control_group(process, groups) == 0
    assert memory._of_control_group(tmp_path / "none", groups) is None


def test_free_memory_is_that_of_the_machine_or_of_its_control_group(monkeypatch):
    for machine, group, free in ((5, 3, 3), (5, None, 5), (None, 3, 3), (None, None, None)):
        monkeypatch.setattr(memory, "_of_machine", lambda machine=machine: machine)
        monkeypatch.setattr(memory, "_of_control_group", lambda group=group: group)
        assert memory.available() == free


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.require(2**60, (4096, 4096, 4096))
