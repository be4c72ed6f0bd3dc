import numpy as np
import pytest

from polyrve.crystallography.rotation import from_euler
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.reconstruction.input_checks import (
    FEWEST_GRAINS,
    check_voxel_size,
    number_of_grains,
    warn_of_few_grains,
    warn_of_phases,
)
from polyrve.reconstruction.problem import prepare


def squares(shape, side, step=0.5):
    """Square grains of a side in points, in a map of another number along y than along x."""
    rows, columns = np.indices(shape) // side
    angles = np.stack([0.3 * (rows % 3) + 0.9 * (columns % 3), 0.4 * (columns % 2), 0.0 * rows], axis=-1)
    return OrientationMap(from_euler(angles), np.ones(shape, int), (ALUMINIUM,), (step, step))


def test_grains_of_a_volume_within_a_factor_of_two():
    truth = make_specimen((30, 44, 48), grain_size=7.0, seed=2)
    maps = {axis: simulate_scan(truth, axis, 3, seed=1) for axis in range(3)}
    number = number_of_grains(maps, truth.field.shape, truth.field.spacing)
    assert truth.number_of_grains / 2 < number < 2 * truth.number_of_grains


def test_what_is_named_holds_enough():
    maps = dict.fromkeys(range(3), squares((60, 66), 20))
    with pytest.warns(UserWarning, match="room for about") as caught:
        warn_of_few_grains(maps, (24, 26, 28), (0.5, 0.5, 0.5))
    words = str(caught[0].message).split("; shape ")[1].split()
    shape, spacing = [int(words[i]) for i in (0, 2, 4)], [float(words[i]) for i in (9, 11, 13)]
    assert number_of_grains(maps, shape, (0.5, 0.5, 0.5)) >= FEWEST_GRAINS
    assert number_of_grains(maps, (24, 26, 28), spacing) == pytest.approx(FEWEST_GRAINS, rel=0.2)


def test_a_section_is_counted_in_two_dimensions(recwarn):
    field = squares((60, 66), 6)
    warn_of_few_grains({0: field}, (1, 60, 66), (0.5, 0.5, 0.5))
    assert not recwarn
    with pytest.warns(UserWarning, match=r"shape 1 x \d+ x \d+"):
        warn_of_few_grains({0: field}, (1, 16, 18), (0.5, 0.5, 0.5))


def test_grains_of_few_voxels_are_no_advice():
    with pytest.warns(UserWarning, match="would hold about") as caught:
        warn_of_few_grains(dict.fromkeys(range(3), squares((60, 66), 6)), (8, 9, 10), (0.5, 0.5, 0.5))
    assert "spacing" not in str(caught[0].message)


def test_no_grains_no_warning(recwarn):
    noise = squares((9, 10), 1)
    warn_of_few_grains({0: noise}, (1, 8, 9), (0.5, 0.5, 0.5))
    assert not recwarn


def test_voxels_far_below_the_step_are_refused(recwarn):
    maps = {0: squares((20, 22), 5)}
    with pytest.raises(
        ValueError, match=r"at least 0\.05 along y, a tenth of the map's step \(lengths are um\); got 1e-06"
    ):
        check_voxel_size(maps, (1e-6, 1e-6, 1e-6))
    check_voxel_size(maps, (1e-6, 0.25, 0.25))
    assert not recwarn
    with pytest.warns(UserWarning, match=r"0\.2 um along x is less than half"):
        check_voxel_size(maps, (0.5, 0.5, 0.2))


def test_maps_without_grains_are_refused_before_memory_is_taken():
    rng = np.random.default_rng(0)
    whole = make_specimen((1, 60, 64), grain_size=9.0, seed=1).field.section(0, 0).evolve(periodic=False)
    sparse = whole.evolve(phase_ids=np.where(rng.random(whole.shape) < 0.03, whole.phase_ids, 0))
    with pytest.raises(ValueError, match=r"map normal to z: expected indexed points beside each other.* % indexed"):
        prepare(sparse, shape=(1, 24, 24))
    half = whole.evolve(phase_ids=np.where(rng.random(whole.shape) < 0.5, whole.phase_ids, 0))
    prepare(half, shape=(1, 24, 24))


def of_two_phases(share, indexed):
    """Square grains, the first few of magnesium, and a share of the points indexed."""
    field = squares((30, 36), 6)
    phase_ids = np.array(field.phase_ids)
    for column in range(share):
        phase_ids[:6, 6 * column : 6 * column + 6] = 2
    phase_ids[:, round(36 * indexed) :] = 0
    return field.evolve(phase_ids=phase_ids, phases=(ALUMINIUM, MAGNESIUM))


@pytest.mark.parametrize(
    ("grains", "indexed", "match"),
    [(3, 1.0, r"at least 5 grains of each phase .* got 3 grains of Magnesium"), (5, 0.4, "got 39 %, so that phases")],
)
def test_phases_that_cannot_be_told_are_named(grains, indexed, match):
    with pytest.warns(UserWarning, match=match):
        warn_of_phases({0: of_two_phases(grains, indexed)})


def test_phases_that_can_be_told_are_not_named(recwarn):
    warn_of_phases({0: of_two_phases(6, 1.0)})
    assert not recwarn
