"""Many realisations of one reconstruction, on the processes of this machine or on a cluster; the best is kept.

Single runs differ in their final loss (arXiv 2605.14898, appendix D). Needs Dask: ``pip install polyrve[ensemble]``,
and ``polyrve[slurm]`` for a SLURM cluster.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from polyrve.descriptors import Descriptor
from polyrve.reconstruction import Reconstruction, prepare, reconstruct
from polyrve.sections import Maps
from polyrve.settings import ReconstructionSettings
from polyrve.targets import TargetSet

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


@dataclass(frozen=True)
class Member:
    """One realisation.

    Attributes
    ----------
    seed : int
    loss : float
        Lowest loss; nan where the run failed.
    status : str
        Why it ended.
    seconds : float
        Wall time on its worker.
    attempts : int
        Runs that it took, more than one where a worker was lost.
    """

    seed: int
    loss: float
    status: str
    seconds: float
    attempts: int = 1


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The outcome of :func:`reconstruct_many`.

    Attributes
    ----------
    best : Reconstruction
        The one of lowest loss; its volume's provenance lists all members.
    members : tuple of Member
        All of them, in the order of their seeds.
    """

    best: Reconstruction
    members: tuple[Member, ...]


def reconstruct_many(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    seeds: int | Sequence[int] = 10,
    scheduler: Any = None,
    workers: int | None = None,
    slurm: Mapping[str, Any] | None = None,
    retries: int = 2,
    descriptors: str | Sequence[tuple[Descriptor, float]] | None = None,
    progress: Callable[[Member], Any] | None = None,
    **overrides: Any,
) -> Ensemble:
    """Reconstruct with several seeds and keep the best.

    Parameters
    ----------
    maps, settings, descriptors, **overrides
        As for :func:`polyrve.reconstruct`.
    seeds : int or sequence of int
        The seeds, or their number, counted from the settings' seed.
    scheduler : str or distributed.Client, optional
        Address of a running scheduler such as ``"tcp://host:8786"``, ``"slurm"``, or a client. By default processes of
        this machine that share its processors.
    workers : int, optional
        Processes, or SLURM jobs; by default one per seed, on this machine at most one per two processors.
    slurm : mapping, optional
        Arguments of ``dask_jobqueue.SLURMCluster``, such as cores, memory, queue and walltime.
    retries : int
        How often a run is repeated whose worker was lost.
    progress : callable, optional
        Receives each :class:`Member` when it is done.

    Returns
    -------
    Ensemble

    Raises
    ------
    ModuleNotFoundError
        If Dask, or for SLURM dask-jobqueue, is not installed.
    ValueError
        If maps, settings or seeds are wrong, or no run succeeded.
    OSError
        If the scheduler does not answer.
    """
    problem = prepare(maps, settings, given=descriptors, **overrides)
    first = problem.settings.seed
    chosen = list(range(first, first + seeds)) if isinstance(seeds, int) else list(seeds)
    if not chosen or min(chosen) < 0 or len(set(chosen)) < len(chosen):
        raise ValueError(f"seeds: expected at least one, all >= 0 and different; got {seeds}")
    if retries < 0:
        raise ValueError(f"retries: expected a number >= 0; got {retries}")
    with _client(scheduler, workers, len(chosen), slurm or {}) as client:
        best, members = _run(client, maps, problem.settings, chosen, descriptors, retries, progress)
    members = sorted(members, key=lambda member: chosen.index(member.seed))
    if best is None:
        raise ValueError(f"ensemble: expected at least one run to succeed; got {members[0].status}")
    record = {**best.volume.provenance, "ensemble": [asdict(member) for member in members]}
    return Ensemble(replace(best, volume=best.volume.evolve(provenance=record)), tuple(members))


def _run(
    client: Any,
    maps: Maps | TargetSet,
    settings: ReconstructionSettings,
    seeds: Sequence[int],
    descriptors: str | Sequence[tuple[Descriptor, float]] | None,
    retries: int,
    progress: Callable[[Member], Any] | None,
) -> tuple[Reconstruction | None, list[Member]]:
    import cloudpickle
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    # Unpacked within the run: what a worker cannot import is then an error that it tells, not one that ends it.
    shared = client.submit(lambda kept: kept, cloudpickle.dumps((maps, settings, descriptors)), pure=False)

    def submit(seed: int) -> Any:
        return client.submit(_realise, shared, seed, pure=False)

    running = {future: (seed, 1) for seed, future in ((seed, submit(seed)) for seed in seeds)}
    best: Reconstruction | None = None
    members = []
    queue = as_completed(list(running), loop=client.loop)
    for future in queue:
        seed, attempt = running.pop(future)
        error = future.exception() if future.status == "error" else None
        lost = future.status in ("lost", "cancelled") or isinstance(error, KilledWorker)
        if lost and attempt <= retries:
            again = submit(seed)
            running[again] = (seed, attempt + 1)
            queue.add(again)
            continue
        if lost:
            member = Member(seed, math.nan, f"The worker was lost {attempt} times.", math.nan, attempt)
        elif error is not None:
            member = Member(seed, math.nan, f"{type(error).__name__}: {error}", math.nan, attempt)
        else:
            result, seconds = future.result()
            member = Member(seed, result.loss, result.status, seconds, attempt)
            if best is None or result.loss < best.loss:
                best = result
        future.release()
        members.append(member)
        if progress is not None:
            progress(member)
    return best, members


def _realise(problem: bytes, seed: int) -> tuple[Reconstruction, float]:
    import cloudpickle

    began = time.perf_counter()
    maps, settings, descriptors = cloudpickle.loads(problem)
    result = reconstruct(maps, settings, descriptors=descriptors, seed=seed)
    return result, time.perf_counter() - began


@contextmanager
def _client(scheduler: Any, workers: int | None, runs: int, slurm: Mapping[str, Any]) -> Iterator[Any]:
    """A client of the scheduler asked for; what is started here is stopped at the end."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ensemble: expected Dask; got no module {error.name!r}: pip install polyrve[ensemble]"
        ) from None
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1; got {workers}")
    if isinstance(scheduler, Client):
        yield scheduler
        return
    if isinstance(scheduler, str) and scheduler != "slurm":
        with Client(scheduler, timeout="30s", set_as_default=False) as client:
            yield client
        return
    if scheduler == "slurm":
        try:
            from dask_jobqueue import SLURMCluster
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ensemble on SLURM: expected dask-jobqueue; got no module {error.name!r}: pip install polyrve[slurm]"
            ) from None
        cluster = SLURMCluster(**{"processes": 1, **slurm})
        cluster.scale(jobs=workers or runs)
    elif scheduler is None:
        processors = os.cpu_count() or 1
        number = min(workers or max(1, processors // 2), runs)
        threads = str(max(1, processors // number))
        environment = {name: threads for name in _THREADS}
        with dask.config.set({"distributed.nanny.pre-spawn-environ": environment}):
            cluster = LocalCluster(
                n_workers=number, threads_per_worker=1, processes=True, memory_limit=0, dashboard_address=":0"
            )
    else:
        raise ValueError(f"scheduler: expected an address, 'slurm' or a distributed.Client; got {scheduler!r}")
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client
