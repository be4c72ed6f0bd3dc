from pathlib import Path

import numpy as np
import pytest

import polyrve
from polyrve.adapters.volumes import dream3d
from polyrve.backend.tensorflow import tf
from polyrve.microstructure.sampled_volume import sample
from polyrve.optimizers import Status
from polyrve.reconstruction.checkpoint import Checkpoint
from polyrve.reconstruction.problem import prepare
from polyrve.reconstruction.run import reconstruct
from polyrve.reconstruction.section_sums import (
    Batch,
    SectionKernels,
    SectionsHere,
    SumsObjective,
    draw_batches,
)
from polyrve.settings import ReconstructionSettings

SETTINGS = {"shape": (24, 24, 24), "largest_lag": 3, "initial": "polycrystal", "blocks": "always", "iterations": 6}


@pytest.fixture(scope="module")
def scan():
    return polyrve.simulate_scan(polyrve.make_specimen((4, 60, 64), grain_size=7.0, seed=1), seed=1)


@pytest.fixture(scope="module")
def made(scan):
    return reconstruct(scan, **SETTINGS)


@pytest.fixture(scope="module")
def objective(scan):
    problem = prepare(scan, **SETTINGS)
    volume = problem.cell_volume()
    found = problem.objective(problem.material((24, 24, 24)), (24, 24, 24))
    kernels = SectionKernels(problem.state, tuple(kind for kind, _ in found.descriptors), periodic=True)
    batches = draw_batches((24, 24, 24), (0, 1, 2), 3.0, np.random.default_rng(0))
    sections = SectionsHere(kernels, volume, batches)
    return SumsObjective(sections, found.descriptors, found.targets, problem.faces_of_cells(volume)), found, volume


def test_all_sections_have_the_loss_of_the_volume(objective):
    sums, found, volume = objective
    every = tuple(Batch(axis, tuple(range(i, i + 8))) for axis in range(3) for i in (0, 8, 16))
    sections = SectionsHere(sums.sections.kernels, volume, every, keep=False)
    terms = SumsObjective(sections, found.descriptors, found.targets).terms(volume.quaternions)
    field = volume.whole().field
    expected = found.terms(tf.constant(sums.sections.kernels.state.position(field))).numpy()
    np.testing.assert_allclose(terms, expected, rtol=2e-3)


def test_the_gradient_is_that_of_finite_differences(objective):
    sums, _, volume = objective
    q = volume.quaternions.astype(np.float32)
    gradient = sums.value_and_gradient(tf.constant(q))[1].numpy()
    rng = np.random.default_rng(0)
    direction = rng.standard_normal(q.shape) * np.linalg.norm(gradient, axis=1, keepdims=True)
    direction = (direction / np.linalg.norm(direction)).astype(np.float32)
    step = 0.02
    ends = [float(sums.value_and_gradient(tf.constant(q + sign * step * direction))[0]) for sign in (1, -1)]
    slope = (ends[0] - ends[1]) / (2 * step)
    assert abs(slope - (gradient * direction).sum()) < 0.05 * np.linalg.norm(gradient)


def test_sections_are_drawn_alike_often():
    counts = np.zeros(30)
    for seed in range(300):
        for batch in draw_batches((30, 24, 24), (0,), 4.0, np.random.default_rng(seed)):
            np.add.at(counts, list(batch.indices), 1)
    # 300 draws of 8 of 30 sections: 80 each, whose standard deviation is 8.
    assert abs(counts - 80).max() < 40
    assert counts.sum() == 300 * 8


def test_a_run_lowers_the_loss_and_is_the_same_again(scan, made):
    assert made.status is Status.ITERATIONS
    assert len(made.history) == 7
    assert made.history[2].loss < made.history[0].loss
    again = reconstruct(scan, **SETTINGS)
    np.testing.assert_array_equal(again.cells.quaternions, made.cells.quaternions)
    np.testing.assert_array_equal(again.cells.labels, made.cells.labels)
    assert again.volume_loss == made.volume_loss


@pytest.mark.parametrize("stop", [1, 4])
def test_a_stopped_run_goes_on_to_the_bit(scan, made, tmp_path, stop):
    kept = Checkpoint(tmp_path / "state", interval=0.0)
    stopped = reconstruct(scan, checkpoint=kept, progress=lambda record: record.iteration == stop, **SETTINGS)
    assert stopped.status is Status.CALLBACK
    assert np.isnan(stopped.volume_loss)
    resumed = reconstruct(scan, checkpoint=Checkpoint(kept.path), **SETTINGS)
    np.testing.assert_array_equal(resumed.cells.quaternions, made.cells.quaternions)
    assert [record.loss for record in resumed.history] == [record.loss for record in made.history]


@pytest.mark.parametrize("suffix", [".dream3d", ".vti", ".vtkhdf"])
def test_files_written_by_slabs_are_read_as_the_volume(made, tmp_path, suffix, monkeypatch):
    monkeypatch.setattr("polyrve.adapters.volumes.cell_slabs._VOXELS", 24 * 24 * 5)
    path = tmp_path / f"rve{suffix}"
    made.write(path)
    grains = made.cells.whole()
    read = polyrve.read_grains(path)
    np.testing.assert_array_equal(read.grain_ids, grains.grain_ids)
    np.testing.assert_allclose(read.field.quaternions, grains.field.quaternions, atol=1e-7)
    assert read.field.phases == grains.field.phases
    assert read.field.periodic


def test_materials_of_damask_are_the_grains(made, tmp_path):
    made.write(tmp_path / "job", format="damask", phase="Al")
    read = polyrve.read_volume(tmp_path / "job")
    assert len(np.unique(read.properties["FeatureIds"])) == made.cells.number_of_grains


def test_sections_stand_for_the_volume_in_a_validation(scan, made, tmp_path):
    validation = polyrve.validate(scan, made.cells, windows=5)
    assert any("Some sections stand for the volume" in note for note in validation.notes)
    whole = polyrve.validate(scan, made.volume, windows=5)
    for key in ("neighbour_disorientation", "grain_size_area", "seam", "odf_5"):
        assert abs(validation[key].value - whole[key].value) < 0.05
    path: Path = tmp_path / "rve.dream3d"
    made.write(path)
    assert dream3d.read_sampled(path) is None
    read, taken = dream3d.read_sampled(path, voxels=0), sample(made.cells)
    assert read.number_of_grains == taken.number_of_grains
    for axis in range(3):
        np.testing.assert_array_equal(read.indices[axis], taken.indices[axis])
        for one, other in zip(read.sections[axis], taken.sections[axis], strict=True):
            np.testing.assert_allclose(one.quaternions, other.quaternions, atol=1e-7)


@pytest.mark.parametrize(
    ("setting", "value"), [("unknowns", "voxels"), ("noise", "keep"), ("initial", "random"), ("levels", 2)]
)
def test_settings_that_need_all_voxels_are_refused(setting, value):
    with pytest.raises(ValueError, match=f"blocks: expected {setting} .* with it; got {value}"):
        ReconstructionSettings.create(blocks="always", **{setting: value})
    large = ReconstructionSettings.create(shape=(256, 256, 256), **{setting: value})
    assert not large.in_blocks
    assert ReconstructionSettings(shape=(256, 256, 256)).in_blocks
    assert not ReconstructionSettings(shape=(192, 192, 192)).in_blocks


def test_workers_are_refused_where_there_are_no_sections_to_share(scan):
    with pytest.raises(ValueError, match="workers: expected a volume that is made slab by slab"):
        reconstruct(scan, workers=2, shape=(1, 12, 12), iterations=1)


def test_a_worker_that_is_killed_loses_its_task_alone(scan, made):
    distributed = pytest.importorskip("distributed", reason="needs Dask: pip install dask distributed")
    dask = pytest.importorskip("dask")
    killed = []

    def kill(record):
        if record.iteration == 3 and not killed:
            killed.extend(client.run(lambda: __import__("os").getpid()).values())
            __import__("os").kill(killed[0], 9)

    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": 300}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        shared = reconstruct(scan, scheduler=client, progress=kill, **SETTINGS)
    assert killed
    np.testing.assert_allclose(
        [record.loss for record in shared.history], [record.loss for record in made.history], rtol=1e-5
    )
