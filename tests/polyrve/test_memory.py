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


def test_unknown_memory_refuses_nothing(monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: None)
    memory.require(2**60, (4096, 4096, 4096))
