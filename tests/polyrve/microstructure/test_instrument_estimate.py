import numpy as np
import pytest

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.instrument import Instrument, measured, simulate_scan
from polyrve.microstructure.instrument_estimate import estimate_instrument, noise_interval, pseudo_symmetries
from polyrve.microstructure.quality import inspect
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import make_specimen


@pytest.fixture(scope="module")
def specimen():
    return make_specimen((3, 90, 100), grain_size=12.0, scatter=0.0, seed=2)


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_interval_of_the_noise_holds_the_noise(specimen, noise):
    grains = segment(simulate_scan(specimen, noise=noise, seed=3))
    low, high = noise_interval(grains)
    assert low < noise < high
    assert high - low < 0.15 * noise
    assert estimate_instrument([grains]).noise == pytest.approx(noise, rel=0.05)


def test_noise_of_a_map_without_pairs_has_no_interval():
    q = rotation.random_orientations(120, np.random.default_rng(0)).reshape(10, 12, 4)
    assert noise_interval(segment(OrientationMap(q, np.ones((10, 12)), (Phase("A", "m-3m"),), (1.0, 1.0)))) is None


@pytest.mark.parametrize("preference", [1.0, 8.0])
def test_where_bad_points_lie_is_told(specimen, preference):
    seen = measured(specimen.field, Instrument(0.2, 0.03, 0.01, preference), np.random.default_rng(1))
    grains = [segment(seen.section(0, i).evolve(periodic=False)) for i in range(3)]
    found = estimate_instrument(grains)
    assert found.preference == pytest.approx(preference, rel=0.35)
    assert (found.unindexed, found.misindexed) == (pytest.approx(0.03, abs=0.003), pytest.approx(0.01, abs=0.003))
    few = measured(specimen.field, Instrument(0.2, 0.001, 0.0), np.random.default_rng(1))
    assert estimate_instrument([segment(few.section(0, 0).evolve(periodic=False))]).preference is None


def test_spikes_of_one_relation_are_told_from_random_ones(specimen):
    scan = simulate_scan(specimen, noise=0.3, misindexed=0.008, unindexed=0.01, seed=1)
    assert pseudo_symmetries(segment(scan)) == {}
    assert "pseudo-symmetry" not in inspect(scan).facts["misindexed"]
    rng = np.random.default_rng(4)
    spikes = tuple(rng.integers(1, n - 1, 40) for n in scan.shape)
    turn = rotation.from_axis_angle(np.array([1.0, 1.0, 1.0]), np.deg2rad(60.0))
    quaternions = scan.quaternions.copy()
    quaternions[spikes] = rotation.multiply(turn, quaternions[spikes])
    odd = scan.evolve(quaternions=quaternions)
    found = pseudo_symmetries(segment(odd))[0]
    assert found.relation.angle_and_axis[0] == pytest.approx(60.0, abs=1.0)
    assert 30 <= found.spikes <= 45
    facts = inspect(odd).facts
    assert "pseudo-symmetry" in facts["misindexed"]
    assert facts["measuring noise"].startswith("0.3")
    assert facts["holes"].endswith(("point", "points"))
