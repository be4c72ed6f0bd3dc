"""Many realisations of one reconstruction, on the processes of this machine or on a cluster; the best is kept.

Single runs differ in their final loss (arXiv 2605.14898, appendix D). Needs Dask: ``pip install dask distributed``,
and ``pip install dask-jobqueue`` for a SLURM cluster.
"""

from __future__ import annotations

import asyncio
import math
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from polyrve import _face
from polyrve.backend.device import most_at_once
from polyrve.descriptors import Descriptor
from polyrve.microstructure import summary
from polyrve.microstructure.map_placement import Maps
from polyrve.reconstruction.cluster import by_processors, client_of
from polyrve.reconstruction.problem import prepare
from polyrve.reconstruction.run import Reconstruction, reconstruct
from polyrve.reconstruction.targets import TargetSet
from polyrve.settings import ReconstructionSettings
from polyrve.user_line import user_line

_INTERRUPTED = "Interrupted from the keyboard before it was done."
_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_FETCH = 300.0


@dataclass(frozen=True)
class Member:
    """One realisation.

    Attributes
    ----------
    seed : int
    loss : float
        Loss of its volume, :attr:`polyrve.reconstruction.run.Reconstruction.volume_loss`; NaN where the run failed.
    status : str
        Why it ended, as a sentence: that of its :class:`polyrve.optimizers.Status`, or what failed.
    seconds : float
        Wall time on its worker.
    attempts : int
        How often it was begun, more than once where a worker was lost; 0 where there was no worker for it.
    """

    seed: int
    loss: float
    status: str
    seconds: float
    attempts: int = 1


@dataclass(frozen=True, eq=False, repr=False)
class Ensemble:
    """The outcome of :func:`reconstruct_many`.

    Attributes
    ----------
    best : Reconstruction
        The one whose volume has the lowest loss; its volume's provenance lists all members.
    members : tuple of Member
        All of them, in the order of their seeds.
    interrupted : bool
        Whether it was ended from the keyboard; the best is then of the runs that were done.

    See Also
    --------
    polyrve.Reconstruction : The outcome of a single run.

    Examples
    --------
    >>> import polyrve
    >>> made = polyrve.reconstruct_many(polyrve.data.load("scan"), seeds=3, shape=(32, 32, 32))  # doctest: +SKIP
    >>> [round(member.loss, 4) for member in made.members], made.best.status  # doctest: +SKIP
    """

    best: Reconstruction
    members: tuple[Member, ...]
    interrupted: bool = False

    def __repr__(self) -> str:
        known = {member.seed: member.loss for member in self.members if math.isfinite(member.loss)}
        failed = len(self.members) - len(known)
        first = f"Ensemble: {len(self.members)} seeds{f', {failed} without a volume' * bool(failed)}"
        if self.interrupted:
            first += ", interrupted"
        if not known:
            return f"{first}\n{self.best!r}"
        best = min(known, key=lambda seed: known[seed])
        losses = f"Losses: {known[best]:.3e} (seed {best}, the best) ... {max(known.values()):.3e}"
        return f"{first}\n{losses}\n{self.best!r}"

    def _repr_html_(self) -> str:
        return summary.html(repr(self), _face.thumbnail(self.best.volume))


def reconstruct_many(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    seeds: int | Sequence[int] = 10,
    scheduler: Any = None,
    workers: int | None = None,
    slurm: Mapping[str, Any] | None = None,
    retries: int = 2,
    patience: float = 60.0,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    progress: Callable[[Member], Any] | None = None,
    inside: np.ndarray | None = None,
    **overrides: Any,
) -> Ensemble:
    """Reconstruct with several seeds and keep the best.

    Parameters
    ----------
    maps, settings, descriptors, inside, **overrides
        As for :func:`polyrve.reconstruct`.
    seeds : int or sequence of int
        The seeds, or their number, counted from the settings' seed.
    scheduler : str or distributed.Client, optional
        Address of a running scheduler such as ``"tcp://host:8786"``, ``"slurm"``, or a client. By default processes of
        this machine that share its processors.
    workers : int, optional
        Processes, or SLURM jobs; by default one per seed, on this machine at most one per two processors, and no more
        than its memory holds, of which a warning tells.
    slurm : mapping, optional
        Arguments of ``dask_jobqueue.SLURMCluster``, such as cores, memory, queue and walltime.
    retries : int
        How often a run is begun again whose worker was lost.
    patience : float, s
        How long to wait while there is no worker at all; the runs that are left are then given up. On SLURM jobs may
        queue without end until the first of them runs.
    progress : callable, optional
        Receives each :class:`Member` when it is done.

    Returns
    -------
    Ensemble
        Interrupted from the keyboard, of the runs that were done.

    Raises
    ------
    KeyboardInterrupt
        If it is interrupted before a run is done.
    ModuleNotFoundError
        If Dask, or for SLURM dask-jobqueue, is not installed.
    ValueError
        If maps, settings or seeds are wrong, or no run succeeded.
    OSError
        If the scheduler does not answer.
    MemoryError
        If one run will not fit into memory, or not as many on this machine as workers are asked for.

    See Also
    --------
    polyrve.reconstruct : One run.

    Examples
    --------
    >>> import polyrve
    >>> made = polyrve.reconstruct_many(polyrve.data.load("scan"), seeds=3, shape=(32, 32, 32))  # doctest: +SKIP
    >>> made.best.volume.shape  # doctest: +SKIP
    (32, 32, 32)
    """
    problem = prepare(maps, settings, given=descriptors, inside=inside, **overrides)
    first = problem.settings.seed
    chosen = list(range(first, first + seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds: expected at least one, all >= 0 and different; got {seeds}")
    if retries < 0:
        raise ValueError(f"retries: expected a number >= 0; got {retries}")
    if not patience > 0:
        raise ValueError(f"patience: expected a number of seconds above 0; got {patience}")
    if scheduler is None:
        workers = _that_fit(workers, len(chosen), most_at_once(problem.memory(problem.settings.initial)))
    with client_of(scheduler, workers, len(chosen), slurm or {}) as client:
        runs = _Runs(client, (maps, problem.settings, descriptors, inside), retries, progress)
        try:
            ended = runs.work_off(chosen, patience, may_queue=scheduler == "slurm")
        except KeyboardInterrupt:
            ended = _INTERRUPTED
            runs.cancel()
    done = {member.seed: member for member in runs.members}
    members = tuple(done.get(seed) or Member(seed, math.nan, ended, math.nan, runs.attempts[seed]) for seed in chosen)
    if runs.best is None and ended == _INTERRUPTED:
        raise KeyboardInterrupt
    if runs.best is None:
        raise ValueError(f"ensemble: expected at least one run to succeed; got {members[0].status}")
    record = {**runs.best.made.provenance, "ensemble": [asdict(member) for member in members]}
    best = replace(runs.best, made=runs.best.made.evolve(provenance=record))
    return Ensemble(best, members, interrupted=ended == _INTERRUPTED)


class _Runs:
    """Runs on the workers of a cluster, one at a time on each; that of a lost worker is begun again on another."""

    def __init__(self, client: Any, problem: Any, retries: int, progress: Callable[[Member], Any] | None) -> None:
        import cloudpickle

        self.best: Reconstruction | None = None
        self.members: list[Member] = []
        self.attempts: Counter[int] = Counter()
        self._client, self._retries, self._progress = client, retries, progress
        # Unpacked within the run: what a worker cannot import is then an error that it tells, not one that ends it.
        self._problem = cloudpickle.dumps(problem)
        self._shared: Any = None
        self._running: dict[Any, tuple[int, str]] = {}

    def work_off(self, seeds: Sequence[int], patience: float, *, may_queue: bool) -> str:
        """Run all seeds; why some are left, or nothing.

        A run is bound to its worker: a scheduler repeats what it may place freely without a word, and counts the loss
        of a worker against runs that only waited for it.
        """
        waiting = deque(seeds)
        seen = None if may_queue else time.monotonic()
        while waiting or self._running:
            try:
                workers = set(self._client.nthreads())
            except (OSError, RuntimeError, asyncio.TimeoutError) as error:
                return f"The scheduler does not answer any more: {error}"
            if workers:
                seen = time.monotonic()
            elif seen is not None and time.monotonic() - seen > patience:
                return f"There was no worker for {patience:g} s."
            waiting.extend(seed for future in list(self._running) if (seed := self._look(future, workers)) is not None)
            for worker in workers - {worker for _, worker in self._running.values()}:
                if waiting:
                    self._begin(waiting.popleft(), worker)
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        return ""

    def cancel(self) -> None:
        """Take back what is not done."""
        with suppress(OSError, RuntimeError, asyncio.TimeoutError):
            self._client.cancel(list(self._running))

    def _begin(self, seed: int, worker: str) -> None:
        if self._shared is None or self._shared.status in ("error", "cancelled"):
            self._shared = self._client.submit(lambda kept: kept, self._problem, pure=False)
        self.attempts[seed] += 1
        future = self._client.submit(_realise, self._shared, seed, pure=False, workers=[worker])
        self._running[future] = (seed, worker)

    def _look(self, future: Any, workers: Collection[str]) -> int | None:
        """Record a run that is over; its seed where it is to be begun again."""
        from distributed.scheduler import KilledWorker

        seed, worker = self._running[future]
        attempts = self.attempts[seed]
        error = future.exception() if future.status == "error" else None
        if isinstance(error, KilledWorker) or future.cancelled() or not (future.done() or worker in workers):
            del self._running[future]
            future.cancel()
            if attempts <= self._retries:
                return seed
            self._record(Member(seed, math.nan, f"The worker was lost (attempts: {attempts}).", math.nan, attempts))
        elif error is not None:
            del self._running[future]
            self._record(Member(seed, math.nan, f"{type(error).__name__}: {error}", math.nan, attempts))
        elif future.done():
            try:
                result, seconds = future.result(timeout=_SECONDS_TO_FETCH)
            except asyncio.TimeoutError:  # The worker is lost with its result: so the next look will find.
                return None
            del self._running[future]
            if self.best is None or result.volume_loss < self.best.volume_loss:
                self.best = result
            self._record(Member(seed, result.volume_loss, str(result.status), seconds, attempts))
        return None

    def _record(self, member: Member) -> None:
        self.members.append(member)
        if self._progress is not None:
            self._progress(member)


def _realise(problem: bytes, seed: int) -> tuple[Reconstruction, float]:
    import cloudpickle

    began = time.perf_counter()
    maps, settings, descriptors, inside = cloudpickle.loads(problem)
    result = reconstruct(maps, settings, descriptors=descriptors, inside=inside, seed=seed)
    return result, time.perf_counter() - began


def _that_fit(asked: int | None, runs: int, most: int | None) -> int | None:
    """Workers of this machine whose runs fit into its memory at once; as many as are asked for, or none at all."""
    number = min(asked or by_processors(), runs)
    if most is None or number <= max(most, 1):
        return asked
    if asked is not None:
        raise MemoryError(
            f"workers: expected as many as fit into memory at once, {max(most, 1)}; got {number}: "
            "name fewer, or a smaller shape"
        )
    warnings.warn(
        f"ensemble: {number} workers would not fit into memory at once; {max(most, 1)} will run", stacklevel=user_line()
    )
    return max(most, 1)
