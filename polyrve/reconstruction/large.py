"""The run of a large volume: kept as cells, matched by a changing part of its sections, in little memory.

The unknowns are the orientations of the cells. A run has stages; in each the loss is minimised for some sections, drawn
anew, of which there are more from stage to stage. The loss of the volume as written is measured in sections of its own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from polyrve.backend.device import enough_memory
from polyrve.backend.memory import give_back
from polyrve.backend.tensorflow import tf
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.optimizers import Iteration, Status, minimize
from polyrve.reconstruction.checkpoint import Checkpoint, Saved
from polyrve.reconstruction.grain_rotations import BOUNDARIES
from polyrve.reconstruction.objective import SectionObjective
from polyrve.reconstruction.outcome import remarks_of_loss
from polyrve.reconstruction.problem import Problem
from polyrve.reconstruction.progress import Progress
from polyrve.reconstruction.section_sums import (
    Batch,
    SectionKernels,
    Sections,
    SectionsHere,
    SumsObjective,
    draw_batches,
    whole_loss,
)
from polyrve.user_line import user_line

_APART = (1.0, 0.5, 1.0 / 3.0)
"""Distance of the sections of each stage, in diameters of a mean cell, so that each cell is cut by two, four and six of
the sections normal to the three axes on average."""

_MEASURED_APART = 0.25
"""The same for the sections in which the loss of the volume as written is measured."""

OpenSections = Callable[[SectionKernels, CellVolume, tuple[Batch, ...]], AbstractContextManager[Sections]]
"""Takes kernels, a volume and batches of its sections; gives what works on them."""


def here(kernels: SectionKernels, volume: CellVolume, batches: tuple[Batch, ...]) -> AbstractContextManager[Sections]:
    """Work on sections in this process."""
    return nullcontext(SectionsHere(kernels, volume, batches))


@dataclass(frozen=True, eq=False)
class LargeOutcome:
    """What the run of a large volume came to.

    Attributes
    ----------
    volume : CellVolume
    history : tuple of Progress
    status : Status
    volume_loss : float
        NaN where the run was stopped.
    remarks : tuple of str
    """

    volume: CellVolume
    history: tuple[Progress, ...]
    status: Status
    volume_loss: float
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Stage:
    """Where a run stands: stage, from 1, orientations, and state of the optimizer that goes on."""

    number: int
    orientations: np.ndarray
    minimisation: Mapping[str, np.ndarray] | None = None
    status: Status = Status.ITERATIONS

    @classmethod
    def of(cls, saved: Saved) -> _Stage:
        """Return the state that a checkpoint holds."""
        arrays = dict(saved.state)
        if saved.stage == "minimisation":
            return cls(saved.level, arrays["best/position"], arrays)
        status = Status[str(arrays["status"])] if "status" in arrays else Status.ITERATIONS
        number = len(_APART) + 1 if saved.stage == "minimum" else saved.level
        return cls(number, arrays["position"], status=status)


def reconstruct_large(
    problem: Problem,
    *,
    progress: Callable[[Progress], Any] | None,
    say: Callable[[str], Any],
    checkpoint: Checkpoint | None,
    open_sections: OpenSections = here,
) -> LargeOutcome | None:
    """Reconstruct a volume that is kept as cells.

    Parameters
    ----------
    problem : Problem
    progress, say, checkpoint
        As for :func:`polyrve.reconstruct`.
    open_sections : callable
        Who works on the sections.

    Returns
    -------
    LargeOutcome or None
        None where the material cannot be made so, see
        :meth:`polyrve.reconstruction.problem.Problem.cell_volume`.
    """
    settings = problem.settings
    key = problem.key()
    saved = checkpoint.load(key) if checkpoint is not None else None
    history = [] if saved is None else [Progress(**record) for record in saved.history]
    say("making the initial field")
    volume = problem.cell_volume()
    if volume is None:
        return None
    say(f"initial field: polycrystal of {len(volume.quaternions)} cells, kept as cells")
    give_back()
    sections = problem.material(settings.shape)
    found = problem.objective(sections, settings.shape)
    if not isinstance(found, SectionObjective):
        raise ValueError("blocks: expected one objective for the whole volume; got one for each window")
    faces = problem.faces_of_cells(volume)
    problem.release()
    kernels = SectionKernels(problem.state, tuple(kind for kind, _ in found.descriptors), settings.periodic)
    names = (*found.names, *[BOUNDARIES] * bool(faces))
    apart = problem.cell_length(volume)
    stage = _Stage(1, volume.quaternions.astype(np.float32)) if saved is None else _Stage.of(saved)
    shares = _iterations(settings.iterations)

    def save(kind: Any, number: int, arrays: Callable[[], Mapping[str, np.ndarray]]) -> None:
        if checkpoint is not None:
            checkpoint.save(kind, number, arrays, [asdict(record) for record in history], key)

    try:
        while stage.number <= len(_APART) and stage.status not in (Status.INTERRUPTED, Status.CALLBACK):
            number = stage.number
            before, most = sum(shares[: number - 1]), shares[number - 1]
            if number > 1 and most == 0:
                stage = replace(stage, number=number + 1, minimisation=None)
                continue
            if stage.minimisation is None:
                save("initial", number, partial(dict, position=stage.orientations))
            rng = np.random.default_rng([settings.seed, number])
            batches = draw_batches(settings.shape, sorted(found.targets), _APART[number - 1] * apart, rng)

            def report(iteration: Iteration, number: int = number, before: int = before) -> bool:
                if iteration.iteration == 0 and number > 1:
                    return False
                terms = dict(zip(names, map(float, iteration.terms), strict=True))
                place = (1, 1, settings.shape, before + iteration.iteration, settings.iterations)
                history.append(Progress(*place, iteration.value, terms, iteration.seconds))
                if checkpoint is not None and checkpoint.due():
                    save("minimisation", number, iteration.state)
                return bool(progress(history[-1])) if progress is not None else False

            with open_sections(kernels, volume, batches) as held, enough_memory(settings.shape):
                minimum = minimize(
                    SumsObjective(held, found.descriptors, found.targets, faces),
                    None if stage.minimisation is not None else tf.constant(stage.orientations),
                    method=settings.optimizer,
                    max_iterations=most,
                    tolerance=settings.tolerance,
                    patience=settings.patience,
                    callback=report,
                    state=stage.minimisation,
                    graph=False,
                )
            give_back()
            stage = _Stage(number + 1, minimum.position.numpy(), status=minimum.status)
    except KeyboardInterrupt:
        if not history:
            raise
        stage = replace(stage, status=Status.INTERRUPTED)
    unit = stage.orientations.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    volume = volume.evolve(quaternions=np.where(unit[:, :1] < 0, -unit, unit))
    run: dict[str, Any] = {
        "initial": "polycrystal",
        "plates": [],
        "status": str(stage.status),
        "history": [[record.level, record.iteration, record.loss] for record in history],
    }
    if stage.status in (Status.INTERRUPTED, Status.CALLBACK):
        return LargeOutcome(volume.evolve(provenance=problem.record(run)), tuple(history), stage.status, math.nan)
    save("minimum", len(_APART), partial(dict, position=stage.orientations, status=np.str_(stage.status.name)))
    say("measuring the loss of the volume")
    rng = np.random.default_rng([settings.seed, len(_APART) + 1])
    batches = draw_batches(settings.shape, sorted(found.targets), _MEASURED_APART * apart, rng)
    objective = SumsObjective(SectionsHere(kernels, volume, ()), found.descriptors, found.targets)
    try:
        loss = whole_loss(kernels, volume, objective, batches)
    except KeyboardInterrupt:
        run["status"] = str(Status.INTERRUPTED)
        return LargeOutcome(volume.evolve(provenance=problem.record(run)), tuple(history), Status.INTERRUPTED, math.nan)
    lowest = min(record.loss for record in history)
    run["loss"] = {"minimised": lowest, "volume": loss, "sections": sum(len(batch.indices) for batch in batches)}
    told = remarks_of_loss(lowest, len(history) - 1)
    for sentence in told:
        warnings.warn(sentence, stacklevel=user_line())
    volume = volume.evolve(provenance=problem.record(run))
    return LargeOutcome(volume, tuple(history), stage.status, loss, told)


def _iterations(number: int) -> tuple[int, ...]:
    """Part the iterations of a run among its stages, the later ones a little fewer."""
    ends = [math.ceil(number * (i + 1) / len(_APART)) for i in range(len(_APART))]
    return tuple(int(n) for n in np.diff([0, *ends]))
