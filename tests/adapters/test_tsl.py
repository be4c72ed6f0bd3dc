"""EDAX's numbers."""

from polyrve.adapters.ebsd import tsl
from polyrve.crystallography.phase import LAUE_GROUPS


def test_symmetry_numbers():
    assert set(tsl.LAUE_OF_NUMBER.values()) == set(LAUE_GROUPS)
    for laue, number in tsl.NUMBER_OF_LAUE.items():
        assert tsl.LAUE_OF_NUMBER[number] == laue
    assert [tsl.LAUE_OF_NUMBER[n] for n in (100, 107, 114, 116, 119, 122, 126, 128, 131)] == [
        "-1", "mmm", "4/mmm", "-3", "-3m", "6/m", "6/mmm", "m-3", "m-3m",
    ]  # fmt: skip
