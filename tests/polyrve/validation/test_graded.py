"""Windows of a volume against windows of its maps."""

import itertools

import numpy as np
import pytest

from polyrve import make_specimen
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.map_placement import axisymmetric
from polyrve.validation.graded import validate_windows


@pytest.fixture(scope="module")
def halves():
    """A map of fine grains above coarse ones, and a volume of the same kind."""
    parts = [make_specimen((28, 28, 96), grain_size=size, seed=seed).field for seed, size in enumerate((3.5, 11.0))]
    upper = [part.section(0, 2) for part in parts]
    scan = OrientationMap(
        np.concatenate([part.quaternions for part in upper]), np.ones((56, 96), dtype=int), upper[0].phases, (1.0, 1.0)
    )
    whole = np.concatenate([part.quaternions for part in parts], axis=1)
    return scan, OrientationVolume(whole, np.ones(whole.shape[:3], dtype=int), scan.phases, (1.0, 1.0, 1.0))


def of_windows(scan, volume):
    return validate_windows(axisymmetric(scan, "y"), volume, "y", keys=("boundary_fraction",), windows=9)


def test_a_volume_that_changes_as_its_map_does_passes_in_every_window(halves):
    found = of_windows(*halves)
    bounds = [one.bounds for one in found]
    assert (bounds[0][0], bounds[-1][1]) == (0.0, 56.0)
    assert all(before[1] > after[0] for before, after in itertools.pairwise(bounds)), "they overlap"
    assert {row.verdict for one in found for row in one.results} == {"pass"}
    assert str(found[0]).startswith(f"0 to {bounds[0][1]:g} um: boundary_fraction ")
    assert str(found[0]).endswith("pass")


def test_a_volume_turned_over_fails_at_both_ends(halves):
    scan, volume = halves
    first, *_, last = of_windows(scan, volume.evolve(quaternions=volume.quaternions[:, ::-1]))
    assert [row.verdict for one in (first, last) for row in one.results] == ["warn", "warn"]


def test_a_map_normal_to_the_axis_is_refused(halves):
    scan, volume = halves
    with pytest.raises(ValueError, match="axis: expected maps that show y; got one normal to it"):
        validate_windows({"y": scan, "z": scan}, volume, "y")
