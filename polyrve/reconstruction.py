"""Reconstruction: orientation maps and settings in, a volume with the same statistics out."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from polyrve import __version__, multigrid
from polyrve.cell_fit import fit_cells
from polyrve.checkpoint import Checkpoint, Stage
from polyrve.descriptors import Descriptor, descriptor_set, named_set
from polyrve.device import enough_memory, has_gpu, require
from polyrve.extent import check_voxel_size, warn_of_few_grains
from polyrve.frames import Frame
from polyrve.local_state import LocalState
from polyrve.memory import Forecast, forecast, give_back
from polyrve.objective import SectionObjective, describe
from polyrve.optimizers import Iteration, Status, minimize
from polyrve.orientation import OrientationMap, OrientationVolume
from polyrve.polycrystal import polycrystal, turn_grains
from polyrve.sections import Maps, at_voxel_size, by_normal, common_phases, elongation, largest_lag, voxel_size
from polyrve.settings import ReconstructionSettings
from polyrve.start import random_field
from polyrve.synthesis import possible, sharpen, synthesize
from polyrve.targets import TargetSet, definition

_SMALL_WINDOW = 8
_ELONGATED = 1.5
_STOPPED = (Status.INTERRUPTED, Status.CALLBACK)


@dataclass(frozen=True)
class Progress:
    """What a progress callback receives after each iteration.

    Attributes
    ----------
    level, levels : int
        Grid, from 1 for the coarsest, and number of grids.
    shape : tuple of int
        Grid's (nz, ny, nx).
    iteration, iterations : int
        Iteration on this grid, 0 at its start, and the most there can be.
    loss : float
    terms : mapping of str to float
        Weighted loss per descriptor.
    seconds : float
        Wall time on this grid.
    """

    level: int
    levels: int
    shape: tuple[int, ...]
    iteration: int
    iterations: int
    loss: float
    terms: Mapping[str, float]
    seconds: float


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """The outcome of :func:`reconstruct`.

    Attributes
    ----------
    volume : OrientationVolume
        The best state found.
    history : tuple of Progress
        Every iteration, from the coarsest grid to the finest.
    status : str
        Why it ended, with a remedy.
    settings : ReconstructionSettings
    volume_loss : float
        Loss of `volume` itself, each voxel of one phase and grains sharpened; NaN where the run was stopped.
    """

    volume: OrientationVolume
    history: tuple[Progress, ...]
    status: str
    settings: ReconstructionSettings
    volume_loss: float

    @property
    def loss(self) -> float:
        """Lowest loss on the finest grid, as minimised."""
        return _lowest(self.history)


def reconstruct(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    initial: OrientationVolume | None = None,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    progress: Callable[[Progress], Any] | None = None,
    say: Callable[[str], Any] = lambda _: None,
    between: Callable[[], object] = lambda: None,
    checkpoint: Checkpoint | None = None,
    **overrides: Any,
) -> Reconstruction:
    """Grow a volume whose sections have the statistics of one to three orientation maps.

    Parameters
    ----------
    maps : OrientationMap, sequence of three, or mapping
        One map stands for the sections normal to all three axes. Three maps are normal to x, y and z (RD, TD, ND), each
        in its own map frame; a mapping names the normals, ``{"z": nd, "x": rd}``. See :mod:`polyrve.sections`.
        A :class:`polyrve.targets.TargetSet` stands for maps; the start is then random, on one grid.
    settings : ReconstructionSettings, optional
    initial : OrientationVolume, optional
        Start from this volume instead of ``settings.start``.
    descriptors : str or sequence of (Descriptor, float), optional
        A named set in place of the settings', or descriptors and weights in place of any.
    progress : callable, optional
        Receives a :class:`Progress` after each iteration; the run ends when it returns True.
    say : callable, optional
        Receives a line of text before each step that has no iterations: the start and the sharpening.
    between : callable, optional
        Called between the sweeps of those steps. KeyboardInterrupt, raised by it or by `say`, ends the run as from the
        keyboard.
    checkpoint : Checkpoint, optional
        Where the start of each grid, the running state at intervals and the minimum before it is sharpened are saved,
        and continued if one is there.
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

    References
    ----------
    arXiv 2605.14898, section 2.
    """
    problem = prepare(maps, settings, given=descriptors, **overrides)
    settings = problem.settings
    digest = problem.key(initial)
    saved = checkpoint.load(digest) if checkpoint is not None else None
    history = [] if saved is None else [Progress(**record) for record in saved.history]
    grids = multigrid.levels(settings.shape, 1 if initial is not None else settings.levels)
    position: Any = None if initial is None else problem.given(initial)
    begun = None if saved is None else saved.state.get("begun")
    name = "a given volume" if saved is None else str(saved.state["started"])
    objective, volume_loss = None, math.nan
    status, resumed, first = Status.ITERATIONS, None, 1
    if saved is not None and saved.stage == "minimisation":
        position, first = saved.state["best/position"], saved.level
        resumed = {key: values for key, values in saved.state.items() if key not in ("begun", "started")}
    elif saved is not None:
        position, first = saved.state["position"], saved.level
    if saved is not None and saved.stage == "minimum":
        status, first = Status[str(saved.state["status"])], len(grids) + 1

    def save(stage: Stage, level: int, state: Callable[[], Mapping[str, np.ndarray]]) -> None:
        if checkpoint is not None:
            kept = {"started": np.str_(name), **({} if begun is None else {"begun": begun})}
            checkpoint.save(stage, level, lambda: {**state(), **kept}, [asdict(record) for record in history], digest)

    try:
        for level, grid in list(enumerate(grids, start=1))[first - 1 :]:
            sections = problem.on_grid(grid)
            objective = problem.objective(sections, grid)
            if resumed is None:
                if position is None:
                    say("putting the start together")
                    name, position = problem.start(sections, grid, between)
                    begun = position if name == "polycrystal" and len(grids) == 1 else None
                    say(f"starting from: {name}")
                position = np.asarray(multigrid.refine(position, grid), dtype=np.float32)
                save("start", level, partial(dict, position=position))

            def report(
                iteration: Iteration,
                level: int = level,
                grid: tuple[int, ...] = grid,
                names: tuple[str, ...] = objective.names,
            ) -> bool:
                terms = dict(zip(names, map(float, iteration.terms), strict=True))
                place = (level, len(grids), grid, iteration.iteration, settings.iterations)
                record = Progress(*place, iteration.value, terms, iteration.seconds)
                history.append(record)
                if checkpoint is not None and checkpoint.due():
                    save("minimisation", level, iteration.state)
                return bool(progress(record)) if progress is not None else False

            with enough_memory(grid):
                minimum = minimize(
                    objective,
                    None if resumed is not None else tf.constant(position),
                    method=settings.optimizer,
                    max_iterations=settings.iterations,
                    tolerance=settings.tolerance,
                    patience=settings.patience,
                    callback=report,
                    state=resumed,
                )
            position, status, resumed = minimum.position.numpy(), minimum.status, None
            if status in _STOPPED:
                break
        if status not in _STOPPED:
            save("minimum", len(grids), partial(dict, position=position, status=np.str_(status.name)))
        volume = problem.volume(multigrid.refine(position, settings.shape), history, status, name)
        if settings.sharpen and problem.sections and status not in _STOPPED:
            say("sharpening")
            volume = problem.sharpened(volume, begun, between)
        if status not in _STOPPED:
            if objective is None:
                objective = problem.objective(problem.on_grid(settings.shape), settings.shape)
            volume_loss = problem.loss(volume, objective)
            loss = {"minimised": _lowest(history), "volume": volume_loss}
            volume = volume.evolve(provenance={**volume.provenance, "loss": loss})
    except KeyboardInterrupt:
        if position is None or not history:
            raise
        status = Status.INTERRUPTED
        volume = problem.volume(multigrid.refine(position, settings.shape), history, status, name)
    return Reconstruction(volume, tuple(history), str(status), settings, volume_loss)


def prepare(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    given: str | Sequence[tuple[Descriptor, float]] | None = None,
    **overrides: Any,
) -> Problem:
    """Check maps and settings against each other, without computing anything yet.

    Parameters and errors are those of :func:`reconstruct`; `given` are its descriptors.

    Returns
    -------
    Problem
    """
    if isinstance(given, str):
        given, overrides = None, {**overrides, "descriptors": given}
    settings = ReconstructionSettings.create(**{**(settings.model_dump() if settings else {}), **overrides})
    if isinstance(maps, TargetSet):
        return Problem.of_targets(maps, settings, given)
    return Problem.of(by_normal(maps), settings, given)


def measure_targets(
    maps: Maps,
    settings: ReconstructionSettings | None = None,
    *,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    **overrides: Any,
) -> TargetSet:
    """The descriptors of maps that :func:`reconstruct` would match with the same settings, to keep or to mix.

    Parameters and errors are those of :func:`reconstruct`.

    Returns
    -------
    TargetSet
    """
    problem = prepare(maps, settings, given=descriptors, **overrides)
    grid = problem.settings.shape
    sections = problem.on_grid(grid)
    objective = problem.objective(sections, grid)
    kinds = {descriptor.name: descriptor for descriptor, _ in objective.descriptors}
    if len(kinds) < len(objective.descriptors):
        raise ValueError(f"descriptors: expected names that differ; got {', '.join(objective.names)}")
    return TargetSet(
        phases=problem.state.phases,
        spacing=problem.spacing,
        window=problem.window(sections, grid),
        texture_degree=problem.settings.texture_degree,
        orientations=problem.settings.orientations,
        definitions={name: definition(descriptor) for name, descriptor in kinds.items()},
        values={axis: dict(zip(kinds, values, strict=True)) for axis, values in objective.targets.items()},
        provenance={"maps": problem.sources()},
    )


@dataclass(frozen=True, eq=False)
class Problem:
    """Maps and settings that fit each other; what a reconstruction is computed from."""

    sections: Mapping[int, OrientationMap]
    settings: ReconstructionSettings
    state: LocalState
    spacing: tuple[float, float, float]
    descriptors: tuple[tuple[Descriptor, float], ...] | None
    known: TargetSet | None = None

    @classmethod
    def of(
        cls,
        sections: Mapping[int, OrientationMap],
        settings: ReconstructionSettings,
        descriptors: Sequence[tuple[Descriptor, float]] | None,
    ) -> Problem:
        """See :func:`prepare`."""
        shape = settings.shape
        planar = _planar_axes(shape)
        sections = {axis: field for axis, field in sections.items() if axis in planar}
        if not sections:
            raise ValueError(f"maps: expected one normal to {' or '.join('zyx'[i] for i in planar)} for shape {shape}")
        if len(sections) == 3 and len({id(field) for field in sections.values()}) == 1:
            ratio = elongation(sections[0])
            if max(ratio, 1.0 / ratio) > _ELONGATED:
                long, short = ("y", "x") if ratio > 1.0 else ("x", "y")
                warnings.warn(
                    f"map: its grains are {max(ratio, 1.0 / ratio):.1f} times as long along {long} as along {short}, "
                    "which sections of all three normals cannot show; name the axis that the material is alike around "
                    "(--axis, polyrve.around), or give a map for each normal",
                    stacklevel=4,
                )
        phases = common_phases(sections)
        spacing = settings.spacing or voxel_size(sections)
        check_voxel_size(sections, spacing)
        if settings.orientations:
            warn_of_few_grains(sections, shape, spacing)
        state = LocalState.of(phases, orientations=settings.orientations)
        return cls._checked(sections, settings, state, spacing, descriptors, None)

    @classmethod
    def of_targets(
        cls,
        known: TargetSet,
        settings: ReconstructionSettings,
        descriptors: Sequence[tuple[Descriptor, float]] | None,
    ) -> Problem:
        """See :func:`prepare`."""
        for name, wanted in (("spacing", known.spacing), ("window", known.window)):
            asked = getattr(settings, name)
            if asked is not None and asked != wanted:
                raise ValueError(f"{name}: expected that of the targets, {wanted}; got {asked}")
        if settings.levels > 1:
            raise ValueError(f"levels: expected 1 with targets in place of maps; got {settings.levels}")
        state = LocalState.of(known.phases, orientations=known.orientations)
        settings = settings.model_copy(
            update={"texture_degree": known.texture_degree, "orientations": known.orientations, "start": "random"}
        )
        return cls._checked({}, settings, state, known.spacing, descriptors, known)

    @classmethod
    def _checked(
        cls,
        sections: Mapping[int, OrientationMap],
        settings: ReconstructionSettings,
        state: LocalState,
        spacing: tuple[float, float, float],
        descriptors: Sequence[tuple[Descriptor, float]] | None,
        known: TargetSet | None,
    ) -> Problem:
        group = settings.sections_per_group
        for axis in _planar_axes(settings.shape):
            if group is not None and settings.shape[axis] % group:
                raise ValueError(
                    f"sections_per_group: expected a divisor of the {settings.shape[axis]} sections normal to "
                    f"{'zyx'[axis]}; got {group}"
                )
        problem = cls(sections, settings, state, spacing, None if descriptors is None else tuple(descriptors), known)
        require(problem.memory(settings.start), settings.shape)
        return problem

    def memory(self, start: str) -> Forecast:
        """What a reconstruction takes that starts from what :attr:`ReconstructionSettings.start` names."""
        pixels = {}
        for axis, field in self.sections.items():
            steps = zip(field.shape, field.spacing, (self.spacing[i] for i in range(3) if i != axis), strict=True)
            pixels[id(field)] = int(math.prod(n * old / new for n, old, new in steps))
        settings = self.settings.model_copy(update={"start": start})
        return forecast(settings, self.state.count, self.state.unknowns, list(pixels.values()), gpu=has_gpu())

    def key(self, initial: OrientationVolume | None = None) -> str:
        """Digest of maps, settings and the volume given as the start."""
        digest = hashlib.sha256(self.settings.model_dump_json().encode())
        digest.update(repr((self.state.phases, self.spacing)).encode())
        digest.update(repr([(definition(kind), weight) for kind, weight in self.descriptors or ()]).encode())
        for axis, field in sorted(self.sections.items()):
            digest.update(bytes([axis]) + field.quaternions.tobytes() + field.phase_ids.tobytes())
            digest.update(repr((field.spacing, field.periodic, field.frame)).encode())
        for axis, values in sorted(self.known.values.items() if self.known else ()):
            digest.update(bytes([axis]) + b"".join(value.tobytes() for value in values.values()))
        if initial is not None:
            digest.update(b"initial" + initial.quaternions.tobytes() + initial.phase_ids.tobytes())
        return digest.hexdigest()

    def window(self, sections: Mapping[int, OrientationMap], grid: Sequence[int]) -> int:
        """Largest lag on a grid, in voxels."""
        if self.known is not None:
            return self.known.window
        return largest_lag(sections, grid, self.settings.window if tuple(grid) == self.settings.shape else None)

    def on_grid(self, grid: Sequence[int]) -> dict[int, OrientationMap]:
        """The maps at the voxel size of a grid (nz, ny, nx)."""
        return at_voxel_size(self.sections, self._step(grid))

    def objective(self, sections: Mapping[int, OrientationMap], grid: Sequence[int]) -> SectionObjective:
        """The loss on a grid, with the descriptors of its maps as targets."""
        settings = self.settings
        window = self.window(sections, grid)
        room_in_volume = min((n - 1) // 2 for n in grid if n > 1)
        if settings.window is None and tuple(grid) == settings.shape and window < min(_SMALL_WINDOW, room_in_volume):
            warnings.warn(
                f"window: the map has room for lags up to {window} voxels; statistics at longer ones are not matched",
                stacklevel=3,
            )
        weights = {**named_set(settings.descriptors, self.state), **settings.weights}
        chosen = self.descriptors or descriptor_set(weights, self.state, window, grid, settings.texture_degree)
        kinds = [descriptor for descriptor, _ in chosen]
        if self.known is not None:
            known = self.known.select(kinds, _planar_axes(grid))
            return SectionObjective(self.state, chosen, known, settings.sections_per_group, settings.periodic)
        described = {id(field): describe(self.state, kinds, field) for field in sections.values()}
        give_back()
        targets = {axis: described[id(field)] for axis, field in sections.items()}
        return SectionObjective(self.state, chosen, targets, settings.sections_per_group, settings.periodic)

    def start(
        self,
        sections: Mapping[int, OrientationMap],
        grid: tuple[int, int, int],
        between: Callable[[], object] = lambda: None,
    ) -> tuple[str, np.ndarray]:
        """What the settings start from, by name, and its unknowns, shape (*grid, unknowns)."""
        rng = np.random.default_rng(self.settings.seed)
        name, step = self.settings.start, self._step(grid)
        exemplar = possible(sections, grid) and any(self.state.harmonics)
        cells = None
        if name == "auto":
            cells = fit_cells(sections, grid, step, rng)
            name = "exemplar" if exemplar and not cells.alike else "polycrystal"
            require(self.memory(name), grid)
        if name == "random":
            quaternions, phase_ids = random_field(grid, len(self.state.phases), rng)
        elif name == "exemplar" and exemplar:
            quaternions, phase_ids = synthesize(sections, grid, step, self.settings.periodic, rng, between)
        else:
            name = "polycrystal"
            quaternions, phase_ids = polycrystal(sections, grid, step, self.settings.periodic, rng, cells)
        return name, self.state.position(OrientationVolume(quaternions, phase_ids, self.state.phases, step))

    def given(self, initial: OrientationVolume) -> np.ndarray:
        """Unknowns of a volume given as the start."""
        if initial.shape != self.settings.shape or len(initial.phases) != len(self.state.phases):
            raise ValueError(
                f"initial volume: expected shape {self.settings.shape} and {len(self.state.phases)} phases; "
                f"got {initial.shape} and {len(initial.phases)}"
            )
        return self.state.position(initial)

    def volume(
        self, position: np.ndarray, history: Sequence[Progress], status: Status, start: str
    ) -> OrientationVolume:
        """The volume that unknowns stand for, with its provenance; the window there is the one used."""
        quaternions = self.state.quaternions(position)
        if not any(self.state.harmonics):
            quaternions = np.broadcast_to([1.0, 0.0, 0.0, 0.0], quaternions.shape)
        quaternions.setflags(write=False)  # The volume then takes it as it is.
        window = self.window(self.on_grid(self.settings.shape), self.settings.shape)
        return OrientationVolume(
            quaternions=quaternions,
            phase_ids=self.state.phase_ids(position),
            phases=self.state.phases,
            spacing=self.spacing,
            frame=next((field.frame for field in self.sections.values()), Frame()),
            periodic=self.settings.periodic,
            provenance={
                "program": f"polyrve {__version__}",
                "settings": {**self.settings.model_dump(mode="json"), "window": window},
                "maps": self.sources(),
                "start": start,
                "status": str(status),
                "history": [[record.level, record.iteration, record.loss] for record in history],
            },
        )

    def loss(self, volume: OrientationVolume, objective: SectionObjective) -> float:
        """Loss of a volume as it is, not of the unknowns that it was made from."""
        return float(tf.reduce_sum(objective.terms(tf.constant(self.state.position(volume)))))

    def sharpened(
        self, volume: OrientationVolume, begun: np.ndarray | None, between: Callable[[], object]
    ) -> OrientationVolume:
        """The optimised volume with sharp grains, and scatter within them as measured.

        Grains of a polycrystal are turned as a whole by what the optimisation did to them; other volumes are drawn back
        to measured orientations where they are periodic and maps large enough.

        Parameters
        ----------
        volume : OrientationVolume
        begun : ndarray or None
            Unknowns of the polycrystal that the optimisation started from on this grid.
        between : callable
            As for :func:`reconstruct`.
        """
        if begun is not None:
            return turn_grains(self.volume(begun, (), Status.ITERATIONS, "polycrystal"), volume)
        grid, sections = self.settings.shape, self.on_grid(self.settings.shape)
        if not volume.periodic or not possible(sections, grid):
            return volume
        rng = np.random.default_rng(self.settings.seed)
        quaternions, phase_ids = sharpen(sections, volume.quaternions, volume.phase_ids, rng, between)
        return volume.evolve(quaternions=quaternions, phase_ids=phase_ids)

    def sources(self) -> dict[str, Any]:
        """Provenance of the maps by the axis that they are normal to."""
        if self.known is not None:
            return dict(self.known.provenance)
        if len({id(field) for field in self.sections.values()}) == 1:
            return {"all": dict(next(iter(self.sections.values())).provenance)}
        return {"zyx"[axis]: dict(field.provenance) for axis, field in self.sections.items()}

    def _step(self, grid: Sequence[int]) -> tuple[float, float, float]:
        dz, dy, dx = (step * n / m for step, n, m in zip(self.spacing, self.settings.shape, grid, strict=True))
        return (dz, dy, dx)


def _lowest(history: Sequence[Progress]) -> float:
    """Lowest loss on the finest grid."""
    finest = history[-1].level
    return min(record.loss for record in history if record.level == finest)


def _planar_axes(shape: Sequence[int]) -> list[int]:
    """Array axes whose normal sections have more than one row and column."""
    return [axis for axis in range(3) if all(shape[i] > 1 for i in range(3) if i != axis)]
