import pytest

from polyrve import memory


def test_forecast_grows_with_the_volume_the_channels_and_the_history():
    small = memory.forecast((16, 16, 16), 9, 4)
    fixed = 2 * small - memory.forecast((32, 16, 16), 9, 4)
    assert memory.forecast((32, 32, 32), 9, 4) - fixed == 8 * (small - fixed)
    assert memory.forecast((16, 16, 16), 29, 6) > small
    assert small - memory.forecast((16, 16, 16), 9, 4, history=0) == 16**3 * 4 * 2 * 10 * 4


@pytest.mark.parametrize(
    ("n", "measured"), [(64, 293e6), (64, 318e6), (64, 404e6), (96, 893e6), (96, 935e6), (96, 1024e6)]
)
def test_forecast_is_within_a_fifth_of_measured_peaks(n, measured):
    """Peaks of the default and the paper's set beyond a process that had run 16^3, two cores, TensorFlow 2.21."""
    assert memory.forecast((n, n, n), 9, 4) == pytest.approx(measured, rel=0.2)


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
