"""Reconstruction: orientation maps and settings in, a volume with the same statistics out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve import _face
from polyrve.backend.device import enough_memory
from polyrve.backend.tensorflow import tf
from polyrve.descriptors import Descriptor
from polyrve.microstructure import resampling, summary
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.map_placement import Maps
from polyrve.optimizers import Iteration, Status, minimize
from polyrve.reconstruction.checkpoint import Checkpoint, Saved, Stage
from polyrve.reconstruction.cluster import by_processors, client_of
from polyrve.reconstruction.graded import GradedObjective
from polyrve.reconstruction.grain_rotations import BOUNDARIES, GrainObjective
from polyrve.reconstruction.large import reconstruct_large
from polyrve.reconstruction.objective import SectionObjective
from polyrve.reconstruction.outcome import remarks
from polyrve.reconstruction.problem import Problem, prepare
from polyrve.reconstruction.progress import Progress
from polyrve.reconstruction.section_workers import on_workers
from polyrve.reconstruction.targets import TargetSet, definition
from polyrve.settings import ReconstructionSettings
from polyrve.user_line import user_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STOPPED = (Status.INTERRUPTED, Status.CALLBACK)


@dataclass(frozen=True, eq=False, repr=False)
class Reconstruction:
    """The outcome of :func:`reconstruct`.

    Attributes
    ----------
    made : OrientationVolume or CellVolume
        The best state found; a large volume is kept as cells.
    history : tuple of Progress
        Every iteration, from the coarsest grid to the finest.
    status : Status
        Why it ended; ``str(status)`` is a sentence with a remedy.
    settings : ReconstructionSettings
    volume_loss : float
        Loss of the volume itself, each voxel of one phase and grains sharpened; NaN where the run was stopped.
    remarks : tuple of str
        What is wrong with the volume, see :func:`polyrve.reconstruction.outcome.remarks`; also warned of.

    See Also
    --------
    polyrve.reconstruct : Make one.

    Examples
    --------
    >>> import polyrve
    >>> from polyrve.optimizers import Status
    >>> volume = polyrve.data.load("truth").field
    >>> history = tuple(Progress(1, 1, volume.shape, i, 2, 0.5**i, {}, 2.0 * i) for i in range(3))
    >>> result = Reconstruction(volume, history, Status.TARGET, polyrve.ReconstructionSettings(seed=1), 0.3)
    >>> result
    Reconstruction: 24 x 64 x 64 voxels (z, y, x), step 1 x 1 x 1 um, extent 24 x 64 x 64 um, periodic
    Phases: Aluminium (m-3m)
    Loss: 2.500e-01 after 2 iterations, 1 grid; 3.000e-01 as written
    Status: The loss has reached the target. Lower `target` to go on.
    Settings: seed=1
    Source: polyrve.microstructure.synthetic.make_specimen
    >>> result.grains.grain_ids.shape
    (24, 64, 64)
    >>> result.plot_convergence().get_ylabel()
    'loss'
    """

    made: OrientationVolume | CellVolume
    history: tuple[Progress, ...]
    status: Status
    settings: ReconstructionSettings
    volume_loss: float
    remarks: tuple[str, ...] = ()

    @property
    def loss(self) -> float:
        """Lowest loss on the finest grid, as minimised."""
        return _lowest(self.history)

    @cached_property
    def volume(self) -> OrientationVolume:
        """The best state found, with an orientation for each voxel in memory."""
        return self.made.whole().field if isinstance(self.made, CellVolume) else self.made

    @property
    def cells(self) -> CellVolume | None:
        """The best state found, where it is kept as cells: sections and slabs are formed when asked for."""
        return self.made if isinstance(self.made, CellVolume) else None

    @cached_property
    def grains(self) -> GrainVolume:
        """The volume cut into grains by the usual threshold, 5 degrees; of a large one its cells."""
        return self.made.whole() if isinstance(self.made, CellVolume) else self.made.segment()

    def __repr__(self) -> str:
        last = self.history[-1] if self.history else None
        lines = [f"Reconstruction: {summary.size(self.made)}{', periodic' * self.made.periodic}"]
        lines.append(f"Phases: {', '.join(f'{summary.plain(p.name)} ({p.laue})' for p in self.made.phases[:8])}")
        if last is not None:
            written = "not sharpened" if math.isnan(self.volume_loss) else f"{self.volume_loss:.3e} as written"
            grids = f"{last.levels} grid{'s' * (last.levels != 1)}"
            lines.append(f"Loss: {self.loss:.3e} after {len(self.history) - last.level} iterations, {grids}; {written}")
        lines.append(f"Status: {self.status!s}")
        if plates := self.made.provenance.get("plates"):
            lines.append(f"Plates: {', '.join(map(str, plates))}, set into the grains")
        lines += [f"Remark: {remark}." for remark in self.remarks]
        chosen = self.settings.model_dump(exclude_defaults=True)
        lines.append(f"Settings: {', '.join(f'{name}={value}' for name, value in chosen.items()) or 'defaults'}")
        source = summary.origin(self.made.provenance)
        return "\n".join([*lines, *([f"Source: {source}"] if source else [])])

    def _repr_html_(self) -> str:
        return summary.html(repr(self), _face.thumbnail(self.volume if self.cells is None else self.cells.section(0)))

    def plot_convergence(self, ax: Axes | None = None) -> Axes:
        """Draw the loss over all iterations, the grids one after the other.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default in a new figure.

        Returns
        -------
        matplotlib.axes.Axes
        """
        return _face.plot_loss([(record.level, record.iteration, record.loss) for record in self.history], ax)

    def write(self, path: str | Path, *, format: str | None = None, force: bool = False, **options: Any) -> None:
        """Write the volume with its grains, as :func:`polyrve.write` does; a large one slab by slab.

        Parameters
        ----------
        path : path-like
        format : str, optional
            Name of the format; by default from the suffix.
        force : bool
            Whether existing files may be replaced.
        **options
            Further arguments of the format's own ``write``.
        """
        made = self.grains if self.cells is None else self.cells
        made.write(path, format=format, force=force, **options)


def reconstruct(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    initial: str | OrientationVolume | None = None,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    progress: Callable[[Progress], Any] | None = None,
    say: Callable[[str], Any] = lambda _: None,
    between: Callable[[], object] = lambda: None,
    checkpoint: Checkpoint | None = None,
    inside: np.ndarray | None = None,
    scheduler: Any = None,
    workers: int | None = None,
    **overrides: Any,
) -> Reconstruction:
    """Reconstruct a volume whose sections have the statistics of one to three orientation maps.

    Parameters
    ----------
    maps : OrientationMap, sequence of three, or mapping
        One map stands for the sections normal to all three axes. Three maps are normal to x, y and z (RD, TD, ND), each
        in its own frame; a mapping names the normals, ``{"z": nd, "x": rd}``. See
        :func:`polyrve.microstructure.map_placement.by_normal`. Maps that have been analysed, as from
        :func:`polyrve.microstructure.map_placement.analyse_maps`, are not analysed again. A
        :class:`polyrve.reconstruction.targets.TargetSet` stands for maps; the initial field is then random, on one
        grid.
    settings : ReconstructionSettings, optional
    initial : str or OrientationVolume, optional
        How the initial field is made, as ``settings.initial``, or the initial field itself.
    descriptors : str or sequence of (Descriptor, float), optional
        A named set in place of the settings', or descriptors and weights in place of any.
    progress : callable, optional
        Receives a :class:`Progress` after each iteration; the run ends when it returns True.
    say : callable, optional
        Receives a line of text before each step that has no iterations: the initial field and the sharpening.
    between : callable, optional
        Called between the sweeps of those steps. KeyboardInterrupt, raised by it or by `say`, ends the run as from the
        keyboard.
    checkpoint : Checkpoint, optional
        Where the initial state of each grid, the running state at intervals and the minimum before it is sharpened are
        saved, and continued if one is there.
    inside : ndarray, shape (nz, ny, nx), bool, optional
        The body that the volume fills, within a free surface: pairs that leave it do not count, voxels outside are not
        indexed, and the volume has its shape and does not repeat.
    scheduler, workers : optional
        Who works on the sections of a large volume (setting ``blocks``): a scheduler of Dask and the number of its
        workers, as for :func:`polyrve.reconstruct_many`; by default this process.
    **overrides
        Single settings, e.g. ``shape=(32, 32, 32)``; they win over `settings`.

    Returns
    -------
    Reconstruction
        Interrupted from the keyboard it still holds the best state so far, not sharpened.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before the first iteration, when there is no state yet.
    ValueError
        If maps, settings or the initial volume do not fit each other.
    MemoryError
        If the working set will not fit into memory, or does not fit into a GPU's.
    ModuleNotFoundError, OSError
        If workers are asked for and Dask is not installed, or the scheduler does not answer.

    Warns
    -----
    UserWarning
        If the loss stayed high, or the phase fractions are not those of the maps.

    See Also
    --------
    polyrve.validate : Compares the volume with the maps.
    polyrve.reconstruct_many : Several seeds, the best of which is kept.

    References
    ----------
    arXiv 2605.14898, section 2.

    Examples
    --------
    >>> from polyrve import make_specimen, simulate_scan
    >>> scan = simulate_scan(make_specimen((4, 24, 24), grain_size=6.0, seed=1))
    >>> result = reconstruct(scan, shape=(1, 12, 12), iterations=2)
    >>> result.volume.shape, len(result.history)
    ((1, 12, 12), 3)
    """
    if isinstance(initial, str):
        initial, overrides = None, {**overrides, "initial": initial}
    problem = prepare(maps, settings, given=descriptors, inside=inside, **overrides)
    settings = problem.settings
    if initial is None and settings.in_blocks:
        told = partial(reconstruct_large, problem, progress=progress, say=say, checkpoint=checkpoint)
        if scheduler is None and workers is None:
            made = told()
        else:
            with client_of(scheduler, workers, workers or by_processors(), {}) as client:
                made = told(open_sections=on_workers(client))
        if made is not None:
            return Reconstruction(made.volume, made.history, made.status, settings, made.volume_loss, made.remarks)
    if scheduler is not None or workers is not None:
        raise ValueError(
            "scheduler, workers: expected a volume that is made slab by slab, with the setting blocks; got another: "
            "leave them out, or set blocks to always"
        )
    grids = resampling.levels(settings.shape, 1 if initial is not None else settings.levels)
    key = problem.key(initial)
    saved = checkpoint.load(key) if checkpoint is not None else None
    log = _Log([] if saved is None else [Progress(**record) for record in saved.history], checkpoint, key)
    if saved is None:
        given = None if initial is None else problem.given_field(initial)
        turned = given is not None and problem.settings.unknowns == "grains" and problem.has_grains(given)
        state = _State(1, given, "a given volume", given if turned else None)
    else:
        state = _State.of(saved, len(grids), problem)
    objective = None
    try:
        while state.level <= len(grids) and state.status not in _STOPPED:
            grid = grids[state.level - 1]
            objective = problem.objective(problem.material(grid), grid)
            if state.minimisation is None:
                if state.position is None:
                    state = _put_together(problem, grids, say, between)
                state = replace(state, position=np.asarray(resampling.refine(state.position, grid), dtype=np.float32))
                log.save("initial", state.level, state, partial(dict, position=state.position))
            problem.release()
            state = _minimised(problem, objective, state, grids, log, progress)
        if state.status in _STOPPED:
            return _stopped(problem, state, log)
        status = np.str_(state.status.name)
        log.save("minimum", len(grids), state, partial(dict, position=state.position, status=status))
        if objective is None:
            objective = problem.objective(problem.material(settings.shape), settings.shape)
        return _finished(problem, objective, state, log, say, between)
    except KeyboardInterrupt:
        if state.position is None or not log.history:
            raise
        return _stopped(problem, replace(state, status=Status.INTERRUPTED), log)


@dataclass(frozen=True, eq=False)
class _State:
    """Where a run stands.

    Attributes
    ----------
    level : int
        Grid that is next, from 1 for the coarsest; one more than there are at the minimum on the finest.
    position : ndarray or None
        Unknowns, on the grid before until this one begins; None before the initial field is made.
    initial : str
        The kind of the initial field.
    base : ndarray or None
        Unknowns of the initial field, if its grains are turned as wholes: instead of voxels, or by what those did.
    minimisation : mapping of str to ndarray, or None
        State of the optimizer that continues on this grid.
    status : Status
        Why the last minimisation ended.
    """

    level: int
    position: Any
    initial: str
    base: np.ndarray | None = None
    minimisation: Mapping[str, np.ndarray] | None = None
    status: Status = Status.ITERATIONS

    @classmethod
    def of(cls, saved: Saved, grids: int, problem: Problem) -> _State:
        """Return the state that a checkpoint holds."""
        arrays = dict(saved.state)
        initial, base = str(arrays.pop("initial")), arrays.pop("base", None)
        if saved.stage == "minimisation":
            position = arrays["best/position"]
            if base is not None and problem.settings.unknowns == "grains":
                position = problem.grain_field(base).turned(position).numpy()
            return cls(saved.level, position, initial, base, arrays)
        if saved.stage == "minimum":
            return cls(grids + 1, arrays["position"], initial, base, status=Status[str(arrays["status"])])
        return cls(saved.level, arrays["position"], initial, base)


@dataclass(frozen=True, eq=False)
class _Log:
    """The iterations of a run so far, and the file that they are saved in with its state."""

    history: list[Progress]
    checkpoint: Checkpoint | None
    key: str

    def save(self, stage: Stage, level: int, state: _State, arrays: Callable[[], Mapping[str, np.ndarray]]) -> None:
        if self.checkpoint is not None:
            kept: dict[str, Any] = {"initial": np.str_(state.initial)}
            if state.base is not None:
                kept["base"] = state.base
            history = [asdict(record) for record in self.history]
            self.checkpoint.save(stage, level, lambda: {**arrays(), **kept}, history, self.key)


def _put_together(
    problem: Problem,
    grids: Sequence[tuple[int, int, int]],
    say: Callable[[str], Any],
    between: Callable[[], object],
) -> _State:
    """Make the initial state, on the coarsest grid."""
    say("making the initial field")
    name, position = problem.initial_field(problem.analysed(grids[0]), grids[0], between)
    plates = ", ".join(relation.name for relation in problem.relations) if name == "polycrystal" else ""
    say(f"initial field: {name}{f' with plates of {plates}' if plates else ''}")
    turned = name == "polycrystal" and len(grids) == 1 and any(problem.state.harmonics)
    return _State(1, position, name, position if turned else None)


def _minimised(
    problem: Problem,
    objective: SectionObjective | GradedObjective,
    state: _State,
    grids: Sequence[tuple[int, int, int]],
    log: _Log,
    progress: Callable[[Progress], Any] | None,
) -> _State:
    """Return the state after the minimisation on a grid."""
    settings, level = problem.settings, state.level
    grid = grids[level - 1]

    turning = state.base is not None and settings.unknowns == "grains"
    grains = problem.grain_field(state.base) if turning and state.base is not None else None
    faces = () if grains is None or not problem.sections else problem.faces(grains.initial)
    names = (*objective.names, *[BOUNDARIES] * bool(faces))

    def report(iteration: Iteration) -> bool:
        terms = dict(zip(names, map(float, iteration.terms), strict=True))
        place = (level, len(grids), grid, iteration.iteration, settings.iterations)
        record = Progress(*place, iteration.value, terms, iteration.seconds)
        log.history.append(record)
        if log.checkpoint is not None and log.checkpoint.due():
            log.save("minimisation", level, state, iteration.state)
        return bool(progress(record)) if progress is not None else False

    begin = state.position if grains is None else grains.start()
    with enough_memory(grid):
        minimum = minimize(
            objective if grains is None else GrainObjective(objective, grains, faces),
            None if state.minimisation is not None else tf.constant(begin),
            method=settings.optimizer,
            max_iterations=settings.iterations,
            tolerance=settings.tolerance,
            patience=settings.patience,
            callback=report,
            state=state.minimisation,
        )
    position = (minimum.position if grains is None else grains.turned(minimum.position)).numpy()
    return replace(state, level=level + 1, position=position, minimisation=None, status=minimum.status)


def _stopped(problem: Problem, state: _State, log: _Log) -> Reconstruction:
    """The best state of a run that did not come to its end."""
    return Reconstruction(_volume(problem, state, log), tuple(log.history), state.status, problem.settings, math.nan)


def _finished(
    problem: Problem,
    objective: SectionObjective | GradedObjective,
    state: _State,
    log: _Log,
    say: Callable[[str], Any],
    between: Callable[[], object],
) -> Reconstruction:
    """Make the volume of the minimum, sharpened where that is asked for, with its loss."""
    volume = _volume(problem, state, log)
    turned = state.base is not None and problem.settings.unknowns == "grains"
    if problem.settings.sharpen and problem.sections and not turned:
        say("sharpening")
        volume = problem.sharpened(volume, state.base, between)
    loss = {"minimised": _lowest(log.history), "volume": problem.loss(volume, objective)}
    volume = volume.evolve(provenance={**volume.provenance, "loss": loss})
    iterations = sum(record.iteration > 0 for record in log.history)
    found = remarks(problem.sections, volume, loss["minimised"], iterations)
    for sentence in found:
        warnings.warn(sentence, stacklevel=user_line())
    return Reconstruction(volume, tuple(log.history), state.status, problem.settings, loss["volume"], found)


def _volume(problem: Problem, state: _State, log: _Log) -> OrientationVolume:
    run = {
        "initial": state.initial,
        "plates": [one.name for one in problem.relations] if state.initial == "polycrystal" else [],
        "status": str(state.status),
        "history": [[record.level, record.iteration, record.loss] for record in log.history],
    }
    return problem.volume(resampling.refine(state.position, problem.settings.shape), run)


def measure_targets(
    maps: Maps,
    settings: ReconstructionSettings | None = None,
    *,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    **overrides: Any,
) -> TargetSet:
    """Measure the descriptors of maps that :func:`reconstruct` would match, to keep or to mix them.

    Parameters
    ----------
    maps, settings, descriptors, **overrides
        As for :func:`reconstruct`.

    Returns
    -------
    TargetSet

    Raises
    ------
    ValueError
        If maps and settings do not fit each other, or two descriptors have one name.

    See Also
    --------
    polyrve.reconstruction.targets.average : Targets of several maps together.

    Examples
    --------
    >>> import polyrve
    >>> scan = polyrve.simulate_scan(polyrve.make_specimen((4, 24, 24), grain_size=6.0, seed=1))
    >>> targets = measure_targets(scan, shape=(1, 12, 12))
    >>> sorted(targets.definitions)
    ['disorientation', 'texture', 'variogram']
    """
    problem = prepare(maps, settings, given=descriptors, **overrides)
    if problem.settings.grade != "none":
        raise ValueError(f"grade: expected none for targets, which hold no place; got {problem.settings.grade!r}")
    grid = problem.settings.shape
    sections = problem.material(grid)
    objective = problem.objective(sections, grid)
    kinds = {descriptor.name: descriptor for descriptor, _ in objective.descriptors}
    if len(kinds) < len(objective.descriptors):
        raise ValueError(f"descriptors: expected names that differ; got {', '.join(objective.names)}")
    return TargetSet(
        phases=problem.state.phases,
        spacing=problem.spacing,
        largest_lag=problem.largest_lag(sections, grid),
        texture_degree=problem.settings.texture_degree,
        orientations=problem.settings.orientations,
        definitions={name: definition(descriptor) for name, descriptor in kinds.items()},
        values={axis: dict(zip(kinds, values, strict=True)) for axis, values in _targets(objective)},
        provenance={"maps": problem.sources()},
    )


def _targets(objective: SectionObjective | GradedObjective) -> Iterable[tuple[int, Sequence[np.ndarray]]]:
    return objective.targets.items() if isinstance(objective, SectionObjective) else ()


def _lowest(history: Sequence[Progress]) -> float:
    """Return the lowest loss on the finest grid."""
    finest = history[-1].level
    return min(record.loss for record in history if record.level == finest)
