from dataclasses import dataclass
from unittest.mock import Mock

import numpy as np
import pytest
import tensorflow as tf

from polyrve.backend import memory
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.descriptors import Descriptor, TwoPoint, Variation
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.links import neighbour_disorientation
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen
from polyrve.optimizers import Status
from polyrve.reconstruction.checkpoint import Checkpoint
from polyrve.reconstruction.problem import Problem, prepare
from polyrve.reconstruction.run import reconstruct

CHEAP = {"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0, "texture": 0.0, "variation": 0.1}
PLANE = {
    "shape": (1, 16, 18),
    "largest_lag": 3,
    "weights": CHEAP,
    "initial": "polycrystal",
    "iterations": 4,
    "noise": "keep",
    "unknowns": "voxels",
    "sharpen": False,
}
WHOLE = {**PLANE, "sharpen": True}
TWO_GRIDS = {**PLANE, "shape": (1, 32, 36), "levels": 2}
GRAINS = {**PLANE, "unknowns": "grains", "noise": "remove", "weights": {}, "iterations": 6}


@pytest.fixture(scope="module")
def scan():
    return make_specimen((1, 40, 44), grain_size=6.0, seed=1).field.section(0, 0).evolve(periodic=False)


@pytest.fixture(scope="module")
def blunt(scan):
    return reconstruct(scan, **PLANE)


@pytest.fixture(scope="module")
def whole(scan):
    return reconstruct(scan, **WHOLE)


@pytest.fixture(scope="module")
def of_two_grids(scan):
    return reconstruct(scan, **TWO_GRIDS)


@pytest.fixture(scope="module")
def turned(scan):
    return reconstruct(scan, **GRAINS, seed=2)


def losses(result):
    return [record.loss for record in result.history]


def test_same_seed_same_result_to_the_bit(scan, whole):
    second = reconstruct(scan, **WHOLE)
    assert losses(whole) == losses(second)
    assert whole.volume.quaternions.tobytes() == second.volume.quaternions.tobytes()
    assert losses(reconstruct(scan, **{**PLANE, "iterations": 1}, seed=4))[0] != losses(whole)[0]


@pytest.mark.parametrize("initial", ["random", "polycrystal"])
def test_equivalent_orientations_give_the_same_loss_history(scan, initial):
    rng = np.random.default_rng(0)
    operations = ALUMINIUM.symmetry
    q = rotation.multiply(operations[rng.integers(len(operations), size=scan.shape)], scan.quaternions)
    other = scan.evolve(quaternions=q * rng.choice([-1.0, 1.0], size=(*scan.shape, 1)))
    first, second = (losses(reconstruct(field, **{**PLANE, "initial": initial})) for field in (scan, other))
    np.testing.assert_allclose(first, second, rtol=2e-3)


def test_from_noise_the_loss_falls_by_two_decades():
    """Of a periodic map as large as the result, whose descriptors can be reached."""
    reference = make_specimen((1, 24, 26), grain_size=6.0, seed=1).field.section(0, 0)
    result = reconstruct(
        reference, shape=(1, 24, 26), initial="random", descriptors="paper", iterations=150, largest_lag=6,
        tolerance=0.0, sharpen=False,
    )  # fmt: skip
    assert result.loss < 0.01 * result.history[0].loss
    assert set(result.history[0].terms) == {"two_point", "three_point", "variation"}
    assert sum(result.history[-1].terms.values()) == pytest.approx(result.history[-1].loss, rel=1e-4)


def test_result_carries_what_it_was_made_with(blunt):
    result = blunt
    assert result.volume.shape == (1, 16, 18)
    assert (result.volume.periodic, result.volume.spacing) == (True, (1.0, 1.0, 1.0))
    assert result.volume.provenance["settings"]["largest_lag"] == 3
    assert len(result.volume.provenance["history"]) == len(result.history) == 5
    assert result.status is Status.ITERATIONS


@pytest.mark.parametrize("sharpen", [False, True])
def test_loss_of_the_volume_is_that_of_what_is_handed_out(scan, blunt, whole, sharpen):
    result = whole if sharpen else blunt
    problem = prepare(scan, **PLANE)
    objective = problem.objective(problem.on_grid(PLANE["shape"]), PLANE["shape"])
    value, _, _ = objective.value_and_gradient(tf.constant(problem.state.position(result.volume)))
    assert result.volume_loss == pytest.approx(float(value), rel=1e-4)
    assert (result.volume_loss == pytest.approx(result.loss, rel=1e-3)) != sharpen
    assert result.volume.provenance["loss"] == {"minimised": result.loss, "volume": result.volume_loss}


def test_stopped_and_resumed_is_uninterrupted(scan, of_two_grids, tmp_path):
    options, whole = TWO_GRIDS, of_two_grids
    path = tmp_path / "run.checkpoint"
    cut = reconstruct(
        scan, **options, checkpoint=Checkpoint(path, interval=0.0), progress=lambda r: (r.level, r.iteration) == (2, 3)
    )
    assert cut.status is Status.CALLBACK
    resumed = reconstruct(scan, **options, checkpoint=Checkpoint(path, interval=1e9))
    assert {record.level for record in whole.history} == {1, 2}
    assert losses(resumed) == losses(whole)
    assert resumed.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()

    for other in ({"seed": 9}, {"weights": {**CHEAP, "variation": 0.2}}, {"descriptors": [(Variation(), 1.0)]}):
        with pytest.raises(ValueError, match="expected the checkpoint of a run with the same maps and settings"):
            reconstruct(scan, checkpoint=Checkpoint(path), **{**options, **other})
    renamed, finer = scan.evolve(phases=(Phase("Copper", "m-3m"),)), scan.evolve(spacing=(0.5, 0.5))
    for other, more in ((renamed, {}), (finer, {"spacing": (1.0, 1.0, 1.0)})):
        with pytest.raises(ValueError, match="expected the checkpoint of a run with the same maps and settings"):
            reconstruct(other, checkpoint=Checkpoint(path), **{**options, **more})


def test_lists_of_maps_are_resumed_and_told_apart(scan, tmp_path):
    other = make_specimen((1, 40, 44), grain_size=6.0, seed=3).field.section(0, 0).evolve(periodic=False)
    both, options = {"z": [scan, other]}, {**PLANE, "initial": "random"}
    whole = reconstruct(both, **options)
    path = tmp_path / "run.checkpoint"
    kept = Checkpoint(path, interval=0.0)
    assert reconstruct(both, **options, checkpoint=kept, progress=lambda r: r.iteration == 2).status is Status.CALLBACK
    assert losses(reconstruct(both, **options, checkpoint=Checkpoint(path))) == losses(whole)
    for maps in (scan, {"z": [other, scan]}, {"z": [scan, scan.evolve(quaternions=scan.quaternions[::-1])]}):
        with pytest.raises(ValueError, match="expected the checkpoint of a run with the same maps and settings"):
            reconstruct(maps, **options, checkpoint=Checkpoint(path))


@pytest.mark.parametrize("descriptors", ["paper", "default"])
def test_a_map_of_one_orientation_is_approached_from_noise(scan, descriptors):
    crystal = scan.evolve(quaternions=np.broadcast_to([1.0, 0.0, 0.0, 0.0], scan.quaternions.shape))
    options = {"shape": (1, 16, 18), "descriptors": descriptors, "initial": "random", "iterations": 4, "sharpen": False}
    found = losses(reconstruct(crystal, **options))
    assert np.isfinite(found).all()
    assert found[-1] < 0.9 * found[0]


def test_interrupt_keeps_the_best_state(scan):
    def interrupt(record):
        if record.iteration == 2:
            raise KeyboardInterrupt

    result = reconstruct(scan, **PLANE, progress=interrupt)
    assert result.status is Status.INTERRUPTED
    assert result.loss == min(losses(result)[:3])


class Killed(BaseException):
    """In place of SIGKILL: nothing catches it."""


def stop_in(stage, kind, monkeypatch):
    """Make a stage of the next run raise; the run's further arguments."""

    def stop(*_):
        raise kind

    if stage == "minimisation":
        return {"progress": lambda record: stop() if record.iteration == 3 else False}
    monkeypatch.setattr(
        Problem, {"initial": "initial_field", "sharpening": "sharpened", "objective": "objective"}[stage], stop
    )
    return {}


@pytest.mark.parametrize(
    ("stage", "interval"),
    [("initial", 0.0), ("objective", 1e9), ("minimisation", 0.0), ("minimisation", 1e9), ("sharpening", 1e9)],
)
def test_killed_in_any_stage_and_resumed_is_uninterrupted(scan, whole, tmp_path, monkeypatch, stage, interval):
    path = tmp_path / "run.checkpoint"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        reconstruct(scan, **WHOLE, checkpoint=Checkpoint(path, interval), **stop_in(stage, Killed, patch))
    assert path.exists() == (stage in ("minimisation", "sharpening"))
    made = []
    with monkeypatch.context() as patch:
        if path.exists():
            patch.setattr(Problem, "initial_field", lambda *_: pytest.fail("the initial field was made again"))
        resumed = reconstruct(
            scan, **WHOLE, checkpoint=Checkpoint(path, 1e9), progress=lambda record: made.append(record.iteration)
        )
    fresh = {"minimisation": 0 if interval else 4, "sharpening": None}.get(stage, 0)
    assert made[:1] == ([] if fresh is None else [fresh])
    assert losses(resumed) == losses(whole)
    assert resumed.status is whole.status
    assert resumed.volume_loss == whole.volume_loss
    assert resumed.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()


def test_killed_at_the_beginning_of_a_finer_grid_and_resumed_is_uninterrupted(
    scan, of_two_grids, tmp_path, monkeypatch
):
    options, whole = TWO_GRIDS, of_two_grids
    checkpoint = Checkpoint(tmp_path / "run.checkpoint", 1e9)
    save = Checkpoint.save

    def save_and_die(self, stage, level, *rest):
        save(self, stage, level, *rest)
        if (stage, level) == ("initial", 2):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            reconstruct(scan, **options, checkpoint=checkpoint)
    made = []
    resumed = reconstruct(scan, **options, checkpoint=checkpoint, progress=lambda record: made.append(record.level))
    assert set(made) == {2}
    assert losses(resumed) == losses(whole)
    assert resumed.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()


@pytest.mark.parametrize("stage", ["initial", "objective"])
def test_interrupt_before_there_is_a_state_is_passed_on(scan, monkeypatch, stage):
    with pytest.raises(KeyboardInterrupt):
        reconstruct(scan, **PLANE, **stop_in(stage, KeyboardInterrupt, monkeypatch))


def test_interrupt_while_sharpening_keeps_the_minimum(scan, blunt, whole, tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path / "run.checkpoint", 1e9)
    with monkeypatch.context() as patch:
        stop_in("sharpening", KeyboardInterrupt, patch)
        result = reconstruct(scan, **WHOLE, checkpoint=checkpoint)
    assert result.status is Status.INTERRUPTED
    assert result.volume.provenance["status"] == str(Status.INTERRUPTED)
    assert losses(result) == losses(blunt)
    assert np.isnan(result.volume_loss)
    assert result.volume.quaternions.tobytes() == blunt.volume.quaternions.tobytes()
    resumed = reconstruct(scan, **WHOLE, checkpoint=checkpoint)
    assert resumed.status is Status.ITERATIONS
    assert not np.array_equal(resumed.volume.quaternions, blunt.volume.quaternions)
    assert resumed.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()


def test_interrupt_between_two_grids_keeps_the_coarser_one(scan, monkeypatch):
    options = TWO_GRIDS
    objective = Problem.objective

    def interrupt(self, sections, grid):
        if grid == options["shape"]:
            raise KeyboardInterrupt
        return objective(self, sections, grid)

    monkeypatch.setattr(Problem, "objective", interrupt)
    result = reconstruct(scan, **options)
    assert result.status is Status.INTERRUPTED
    assert result.volume.shape == options["shape"]
    assert {record.level for record in result.history} == {1}


def test_steps_without_iterations_are_told(scan, tmp_path):
    said = []
    reconstruct(scan, **WHOLE, say=said.append, progress=lambda record: said.append(record.iteration))
    assert said == ["making the initial field", "initial field: polycrystal", 0, 1, 2, 3, 4, "sharpening"]


def test_checkpoint_is_of_one_initial_volume(scan, blunt, whole, tmp_path):
    checkpoint = Checkpoint(tmp_path / "run.checkpoint")
    first, other = blunt.volume, whole.volume
    whole = reconstruct(scan, **{**PLANE, "initial": first}, checkpoint=checkpoint)
    for given in (None, other):
        with pytest.raises(ValueError, match="expected the checkpoint of a run with the same maps and settings"):
            reconstruct(scan, **{**PLANE, "initial": given}, checkpoint=checkpoint)
    again = reconstruct(scan, **{**PLANE, "initial": first}, checkpoint=checkpoint)
    assert again.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()


def test_image_of_two_phases():
    """Discs in a matrix, no orientations: from noise to the same correlations and about the same share."""
    rows, columns = np.mgrid[:48, :52]
    centres = np.random.default_rng(2).random((14, 2)) * [48, 52]
    inside = np.any([(rows - r) ** 2 + (columns - c) ** 2 < 20 for r, c in centres], axis=0)
    quaternions = np.tile([1.0, 0.0, 0.0, 0.0], (48, 52, 1))
    image = OrientationMap(quaternions, 1 + inside, (Phase("matrix", "m-3m"), Phase("disc", "m-3m")), (1, 1))
    result = reconstruct(
        image, shape=(1, 24, 26), orientations=False, initial="random", iterations=120, largest_lag=6,
        weights={"two_point": 0.1, "disorientation": 0.0, "variogram": 0.0, "variation": 0.1},
    )  # fmt: skip
    assert result.loss < 0.01 * result.history[0].loss
    assert np.mean(result.volume.phase_ids == 2) == pytest.approx(inside.mean(), abs=0.05)
    assert np.all(result.volume.quaternions == [1.0, 0.0, 0.0, 0.0])
    field = result.volume.phase_ids[0]
    assert np.mean(field != np.roll(field, 1, axis=0)) < 0.25


SAMPLE_OF_MAP = {"z": np.eye(3), "y": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]).T,
                 "x": np.array([[0, 1, 0], [0, 0, 1], [1, 0, 0]]).T}  # fmt: skip
"""Axes x, y, z of the map normal to each sample axis, as columns."""


def test_three_maps_of_one_crystal_describe_that_crystal():
    """A volume of one orientation has exactly the descriptors of its three sections, if their frames are right."""
    q = rotation.random_orientations(1, np.random.default_rng(4))[0]
    volume = OrientationVolume(np.tile(q, (8, 9, 10, 1)), np.ones((8, 9, 10)), (ALUMINIUM,), (1.0, 1.0, 1.0))
    maps = {
        name: volume.section(axis, 0).evolve(
            quaternions=rotation.from_matrix(
                rotation.to_matrix(volume.section(axis, 0).quaternions) @ SAMPLE_OF_MAP[name]
            )
        )
        for axis, name in enumerate("zyx")
    }

    def loss(maps):
        problem = prepare(maps, shape=(8, 9, 10), largest_lag=2, weights={**CHEAP, "variation": 0.0})
        objective = problem.objective(problem.on_grid((8, 9, 10)), (8, 9, 10))
        return float(objective.terms(tf.constant(problem.given_field(volume)))[0])

    assert loss(maps) < 1e-8
    assert loss({"z": maps["z"], "y": maps["x"], "x": maps["y"]}) > 1e-3


@dataclass(frozen=True)
class MeanSquare:
    """A third party's descriptor: mean square of each channel on the sections."""

    name: str = "mean_square"

    def estimate(self, channels, axes, group):
        square = channels.values**2
        return tuple(
            tf.transpose(tf.reduce_mean(square, [i + 1 for i in range(3) if i != axis])) for axis in axes
        )  # fmt: skip

    def misfit(self, estimate, target):
        return tf.reduce_mean((estimate - target) ** 2)


def test_descriptor_of_a_third_party(scan):
    assert isinstance(MeanSquare(), Descriptor)
    result = reconstruct(
        scan, shape=(8, 9, 10), initial="random", iterations=10, descriptors=[(MeanSquare(), 1.0), (Variation(), 0.1)],
        sections_per_group=1, sharpen=False,
    )  # fmt: skip
    assert set(result.history[0].terms) == {"mean_square", "variation"}
    assert result.loss < 0.5 * result.history[0].loss


@pytest.mark.parametrize("optimizer", ["adam", "scipy-lbfgsb", "barzilai-borwein"])
def test_optimizer_is_a_setting(scan, optimizer):
    result = reconstruct(
        scan, **{**PLANE, "optimizer": optimizer, "initial": "random"}, descriptors=[(TwoPoint(3), 1.0)]
    )
    assert result.loss < result.history[0].loss


def test_three_measured_maps_with_holes_to_an_open_volume():
    truth = make_specimen((20, 22, 24), spacing=(1.0, 1.0, 0.5), grain_size=6.0, seed=2)
    maps = [simulate_scan(truth, axis, 3, unindexed=0.1) for axis in (2, 1, 0)]
    result = reconstruct(
        maps,
        shape=(8, 9, 12),
        periodic=False,
        initial="polycrystal",
        iterations=3,
        largest_lag=2,
        descriptors=[(TwoPoint(2), 1.0)],
    )
    assert result.volume.spacing == (1.0, 1.0, 0.5)
    assert not result.volume.periodic
    assert result.loss < result.history[0].loss


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"largest_lag": 9},
            r"largest_lag: expected lags up to 9 voxels to fit twice into volume and map; got a volume of",
        ),
        ({"shape": (64, 64, 64), "largest_lag": 24}, r"map of \(40, 44\)"),
        ({"weights": {"tow_point": 1.0}}, "descriptor: expected one of .*two_point.*; got 'tow_point'"),
        ({"optimizer": "newton"}, "optimizer: .*got 'newton'"),
        ({"sections_per_group": 3}, "sections_per_group: expected a divisor of the 1 sections normal to z; got 3"),
        ({"spacing": (50.0, 50.0, 50.0)}, r"spacing: .* extent of 40 um; got 50 um"),
        ({"descriptors": "best"}, "descriptors: .*got 'best'"),
    ],
)
def test_settings_that_do_not_fit(scan, change, sentence):
    with pytest.raises(ValueError, match=sentence) as error:
        reconstruct(scan, **{**PLANE, **change})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("maps", [None, "scan.ang", 3])
def test_what_is_no_map_is_refused(maps):
    with pytest.raises(ValueError, match=f"maps: expected an OrientationMap, .*; got {type(maps).__name__}$"):
        reconstruct(maps)


def test_window_that_was_chosen_is_recorded(scan, recwarn):
    made = reconstruct(scan, **{**PLANE, "largest_lag": None, "iterations": 0})
    assert made.settings.largest_lag is None
    assert made.volume.provenance["settings"]["largest_lag"] == 7
    assert not [warning for warning in recwarn if "largest_lag" in str(warning.message)]


def test_small_map_is_warned_about(scan):
    small = scan.evolve(quaternions=scan.quaternions[:12], phase_ids=scan.phase_ids[:12])
    options = {**TWO_GRIDS, "largest_lag": None, "iterations": 0}
    with pytest.warns(UserWarning, match="largest_lag: the map has room for lags up to 6 voxels; ") as warned:
        made = reconstruct(small, **options)
    assert len([warning for warning in warned if "largest_lag" in str(warning.message)]) == 1
    assert made.volume.provenance["settings"]["largest_lag"] == 6


def test_fields_that_do_not_fit(scan):
    with pytest.raises(ValueError, match=r"phase 'Magnesium': expected indexed points; got none"):
        prepare(scan.evolve(phases=(ALUMINIUM, MAGNESIUM)), **PLANE)
    small = scan.evolve(quaternions=scan.quaternions[:3], phase_ids=scan.phase_ids[:3])
    with pytest.raises(ValueError, match=r"largest_lag: .*map of \(3, 44\)"):
        reconstruct(small, **PLANE)
    with pytest.raises(ValueError, match=r"maps: expected one step along x; got 1, 0.5 um"):
        prepare([scan.evolve(spacing=(1.0, 1.0)), scan, scan.evolve(spacing=(1.0, 0.5))], shape=(16, 16, 16))
    with pytest.raises(ValueError, match=r"maps: expected one normal to z for shape \(1, 16, 18\)"):
        prepare({"x": scan}, **PLANE)
    with pytest.raises(ValueError, match=r"expected unit norm at every indexed point; got norm nan"):
        scan.evolve(quaternions=np.full(scan.quaternions.shape, np.nan))
    volume = make_specimen((8, 9, 10), grain_size=4.0).field
    with pytest.raises(
        ValueError, match=r"initial volume: expected shape \(1, 16, 18\) and 1 phases; got \(8, 9, 10\)"
    ):
        reconstruct(scan, **{**PLANE, "initial": volume})


def test_volume_too_large_for_memory(scan, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**30)
    with pytest.raises(
        MemoryError, match=r"shape \(512, 512, 512\): expected a working set that fits.*got .* GiB: try"
    ):
        reconstruct(scan, shape=(512, 512, 512))


def test_maps_count_in_the_forecast_by_their_pixels_at_the_size_of_voxels(scan):
    def targets(maps, **values):
        return prepare(maps, **{**PLANE, **values}).memory("random").targets

    whole = targets(scan)
    assert whole > 0
    assert targets(scan, spacing=(2.0, 2.0, 2.0), shape=(1, 8, 9)) == pytest.approx(whole / 4)
    assert targets({"z": scan, "x": scan, "y": scan}, shape=(12, 12, 12)) == whole


def test_an_initial_field_of_pixels_that_will_not_fit_is_refused_when_it_is_chosen(scan, monkeypatch):
    problem = prepare(scan, **{**PLANE, "initial": "auto"})
    monkeypatch.setattr("polyrve.reconstruction.problem.fit_cells", lambda *_: Mock(alike=False))
    sizes = {"auto": 0, "exemplar": 2**60}
    monkeypatch.setattr(Problem, "memory", lambda _, initial: memory.Forecast(sizes[initial], 0, 0, 0, 0, 0, 0))
    with pytest.raises(MemoryError, match="expected a working set that fits"):
        problem.initial_field(problem.on_grid(PLANE["shape"]), PLANE["shape"])


def test_the_initial_field_is_chosen_by_the_map_and_recorded():
    options = {"shape": (1, 40, 40), "iterations": 0, "sharpen": False}
    cells = make_specimen((8, 90, 90), grain_size=6.0, seed=4).field.section(0, 0).evolve(periodic=False)
    lamellae = make_specimen((8, 96, 96), grain_size=14.0, twins=1.0, seed=2).field.section(0, 0).evolve(periodic=False)
    runs = [
        reconstruct(scan, **options, twins=twins)
        for scan, twins in ((cells, "auto"), (lamellae, "none"), (lamellae, "auto"))
    ]
    records = [(run.volume.provenance["initial"], run.volume.provenance["plates"]) for run in runs]
    assert records == [("polycrystal", []), ("exemplar", []), ("polycrystal", ["Sigma 3"])]
    assert ["boundaries" in run.history[0].terms for run in runs] == [True, False, True], "an exemplar turns no grains"
    assert "Plates: Sigma 3" in repr(runs[-1])
    assert "Plates" not in repr(runs[0])


def test_plates_that_no_initial_field_takes_are_refused(scan):
    with pytest.raises(ValueError, match=r"twins: expected initial auto or polycrystal.*'random'"):
        prepare(scan, **{**PLANE, "initial": "random"}, twins="Sigma 3")
    with pytest.raises(ValueError, match=r"twins: expected .*'Sigma 33'"):
        prepare(scan, **{**PLANE, "initial": "auto"}, twins="Sigma 33")


def test_grains_are_turned_as_wholes_and_what_is_minimised_is_written(scan, turned):
    result = turned
    begun = reconstruct(scan, **{**GRAINS, "iterations": 0}, seed=2)
    np.testing.assert_array_equal(segment(result.volume).grain_ids > 0, segment(begun.volume).grain_ids > 0)
    assert result.loss == pytest.approx(result.volume_loss, rel=1e-5)
    assert result.loss < begun.loss
    ids = segment(begun.volume).grain_ids[0]
    within = ids[:, 1:] == ids[:, :-1]
    q, p = result.volume.quaternions[0], begun.volume.quaternions[0]
    steps = [rotation.multiply(x[:, 1:], rotation.conjugate(x[:, :-1])) for x in (q, p)]
    cosine = np.abs(np.einsum("...i,...i", *steps))
    assert cosine[within].min() > 1.0 - 1e-9


def test_grains_are_turned_by_default_and_what_is_minimised_is_written(scan):
    options = {"shape": (1, 40, 44), "initial": "polycrystal", "iterations": 8, "seed": 1}
    result = reconstruct(scan, **options)
    base = reconstruct(scan, **{**options, "iterations": 0}).volume
    assert (result.settings.noise, result.settings.unknowns) == ("remove", "grains")
    terms = result.history[-1].terms
    assert list(terms)[-1] == "boundaries"
    assert result.loss < 0.7 * result.history[0].loss
    assert result.volume_loss <= result.loss
    assert result.volume_loss == pytest.approx(sum(terms.values()) - terms["boundaries"], rel=0.01)
    ids = segment(base).grain_ids
    here, there = result.volume.quaternions[..., 1:, :], result.volume.quaternions[..., :-1, :]
    same = ids[..., 1:] == ids[..., :-1]
    before = rotation.multiply(base.quaternions[..., 1:, :], rotation.conjugate(base.quaternions[..., :-1, :]))
    after = rotation.multiply(here, rotation.conjugate(there))
    np.testing.assert_allclose(np.abs((before * after).sum(-1))[same], 1.0, atol=1e-5)


def test_a_given_volume_is_turned_by_grains_where_it_has_some(scan):
    options = {"shape": (1, 16, 18), "iterations": 1, "largest_lag": 3}
    q = rotation.random_orientations((1, 16, 18), np.random.default_rng(0))
    noise = OrientationVolume(q, np.ones((1, 16, 18)), scan.phases, (1.0, 1.0, 1.0))
    blocks = noise.evolve(quaternions=q[:, ::4, ::3].repeat(4, axis=1).repeat(3, axis=2))
    turned = {}
    for name, given in (("noise", noise), ("blocks", blocks)):
        after = reconstruct(scan, **options, initial=given).volume.quaternions
        apart = rotation.multiply(rotation.conjugate(given.quaternions), after)
        turned[name] = bool((np.abs((apart[:, 0, 0] * apart[:, 0, 1]).sum(-1)) > 1.0 - 1e-6).all())
    assert turned == {"noise": False, "blocks": True}


def test_turning_grains_is_continued_to_the_bit(scan, turned, tmp_path):
    path, whole = tmp_path / "run.checkpoint", turned
    cut = reconstruct(
        scan, **GRAINS, seed=2, checkpoint=Checkpoint(path, interval=0.0), progress=lambda record: record.iteration == 3
    )
    assert cut.status is Status.CALLBACK
    resumed = reconstruct(scan, **GRAINS, seed=2, checkpoint=Checkpoint(path, interval=1e9))
    assert losses(resumed) == losses(whole)
    assert resumed.volume.quaternions.tobytes() == whole.volume.quaternions.tobytes()


def test_noise_of_a_map_is_not_rebuilt():
    truth = make_specimen((4, 60, 64), grain_size=9.0, scatter=0.0, seed=1)
    scan = simulate_scan(truth, noise=0.5, misindexed=0.01, seed=1)
    spreads, singles = {}, {}
    for noise in ("remove", "keep"):
        volume = reconstruct(scan, shape=(1, 32, 36), iterations=3, noise=noise, seed=1, initial="polycrystal").volume
        angles = np.rad2deg(neighbour_disorientation(volume, 2))
        spreads[noise] = float(angles[angles < 5.0].mean())
        points = np.bincount(segment(volume).grain_ids.ravel())[1:]
        singles[noise] = int((points == 1).sum())
    assert singles["remove"] < singles["keep"]
    assert spreads["remove"] < 0.1 < 0.4 < spreads["keep"]


def disc(shape=PLANE["shape"]):
    place = np.indices(shape) - (np.array(shape).reshape(3, 1, 1, 1) - 1) / 2
    return np.sum(place**2, axis=0) <= 64


def test_a_body_ends_at_its_surface(scan):
    inside = disc()
    result = reconstruct(scan, inside=inside, **GRAINS)
    assert not result.volume.periodic
    np.testing.assert_array_equal(result.volume.indexed, inside)
    assert losses(result)[-1] < losses(result)[0]
    problem = prepare(scan, inside=inside, **GRAINS)
    objective = problem.objective(problem.material(inside.shape), inside.shape)
    q = rotation.random_orientations(inside.shape, np.random.default_rng(1))
    other = result.volume.evolve(quaternions=np.where(inside[..., None], result.volume.quaternions, q))
    assert problem.loss(other, objective) == pytest.approx(result.volume_loss, rel=1e-6)
    assert problem.key() != prepare(scan, **GRAINS, periodic=False).key()


def test_a_body_takes_its_shape_from_the_mask(scan):
    rest = {name: value for name, value in GRAINS.items() if name != "shape"}
    assert prepare(scan, inside=disc(), **rest).settings.shape == PLANE["shape"]
    for changed, told in (
        ({"shape": (1, 16, 20)}, "shape: expected that of the body"),
        ({"grade": "x"}, "grade: expected none for a body"),
    ):
        with pytest.raises(ValueError, match=told):
            prepare(scan, inside=disc(), **{**rest, **changed})
    with pytest.raises(ValueError, match="voxels thick"):
        prepare(scan, inside=np.indices(PLANE["shape"]).sum(axis=0) % 4 == 0, **rest)
