"""What a reconstruction and an ensemble show of themselves, and what they write."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pytest

import polyrve
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationVolume
from polyrve.optimizers import Status
from polyrve.reconstruction.ensemble import Ensemble, Member
from polyrve.reconstruction.run import Progress, Reconstruction
from polyrve.settings import ReconstructionSettings

SHAPE = (3, 4, 5)
PHASES = (Phase("Ni"),)
LOSSES = ((1, 0, 4.0), (1, 1, 2.0), (2, 0, 3.0), (2, 1, 0.5), (2, 2, 0.6))


def outcome(volume_loss=0.7, history=LOSSES, phases=PHASES):
    q = rotation.random_orientations(SHAPE, np.random.default_rng(0))
    volume = OrientationVolume(
        q, np.ones(SHAPE, dtype=int), phases, (0.3, 0.4, 0.5), periodic=True,
        provenance={"maps": {"all": {"source": "scan.ang"}}},
    )  # fmt: skip
    records = tuple(Progress(level, 2, SHAPE, i, 9, loss, {}, 1.0) for level, i, loss in history)
    return Reconstruction(
        volume, records, Status.TARGET, ReconstructionSettings(shape=(8, 8, 8), seed=7), volume_loss
    )  # fmt: skip


@pytest.fixture(autouse=True)
def _no_figure_is_left_open():
    yield
    plt.close("all")


def test_description_has_ten_lines_at_most():
    described = repr(outcome())
    assert len(described.splitlines()) <= 10
    assert described.startswith("Reconstruction: 3 x 4 x 5 voxels (z, y, x), step 0.3 x 0.4 x 0.5 um")
    assert "Loss: 5.000e-01 after 3 iterations, 2 grids; 7.000e-01 as written" in described
    assert f"Status: {Status.TARGET}" in described
    assert "seed=7" in described
    assert "Source: reconstructed from scan.ang" in described
    assert "not sharpened" in repr(outcome(math.nan))
    assert "Loss" not in repr(outcome(history=()))
    assert "data:image/png" in outcome()._repr_html_()
    many = repr(outcome(phases=tuple(Phase(f"p{i}") for i in range(30))))
    assert len(many.splitlines()) <= 10


def test_grains_are_cut_once():
    result = outcome()
    assert result.grains is result.grains
    np.testing.assert_array_equal(result.grains.grain_ids, polyrve.segment(result.volume).grain_ids)


def test_convergence_is_drawn_over_all_grids():
    axis = outcome().plot_convergence()
    drawn = np.concatenate([line.get_xydata() for line in axis.lines])
    np.testing.assert_array_equal(drawn, [[i, loss] for i, (_, _, loss) in enumerate(LOSSES)])
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["grid 1", "grid 2"]
    figure, given = plt.subplots()
    assert outcome().plot_convergence(given) is given
    assert figure.number in plt.get_fignums()


def test_written_volume_keeps_its_grains(tmp_path):
    result = outcome()
    result.write(tmp_path / "rve.dream3d")
    found = polyrve.read_grains(tmp_path / "rve.dream3d")
    np.testing.assert_array_equal(found.grain_ids, result.grains.grain_ids)
    np.testing.assert_array_equal(found.field.quaternions, result.volume.quaternions)
    with pytest.raises(FileExistsError, match=r"rve\."):
        result.write(tmp_path / "rve.dream3d")


def test_ensemble_says_its_losses_and_its_best():
    members = (Member(3, 0.9, "done", 1.0), Member(4, 0.7, "done", 1.0), Member(5, math.nan, "lost", 0.0, 0))
    described = repr(Ensemble(outcome(), members, interrupted=True))
    assert len(described.splitlines()) <= 10
    assert described.splitlines()[0] == "Ensemble: 3 seeds, 1 without a volume, interrupted"
    assert "Losses: 7.000e-01 (seed 4, the best) ... 9.000e-01" in described
    assert repr(outcome()) in described
    assert repr(outcome()) in repr(Ensemble(outcome(), members[2:]))
