"""Workers of Dask: processes of this machine, those of a running scheduler, or jobs of SLURM."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_DEAF = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
"""Run by workers here, which an interrupt from the keyboard reaches as well: who started them ends them."""
_MUTE = "from polyrve.backend.quiet_import import load_tensorflow; load_tensorflow()"
"""Run by workers here, which share the terminal."""
_ANSWER = "30s"
_SECONDS_TO_RETURN = 600
"""After a loss. Dask gives a worker up after 15 s; a busy machine takes longer to load TensorFlow."""


def by_processors() -> int:
    """Return the number of workers on this machine that nobody names: one per two processors."""
    return max(1, (os.cpu_count() or 1) // 2)


def _connected(address: str) -> Any:
    from distributed import Client

    try:
        return Client(address, timeout=_ANSWER, set_as_default=False)
    except (OSError, ValueError, asyncio.TimeoutError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConnectionError(
            f"scheduler: expected one at {address!r} that answers within {_ANSWER}; got {reason}: start it by "
            "`dask scheduler`, which prints its address"
        ) from None


@contextmanager
def client_of(scheduler: Any, workers: int | None, runs: int, slurm: Mapping[str, Any]) -> Iterator[Any]:
    """Connect to the scheduler asked for; what is started here is stopped at the end.

    Parameters
    ----------
    scheduler : str, distributed.Client or None
        As for :func:`polyrve.reconstruct_many`.
    workers : int or None
        Processes, or SLURM jobs.
    runs : int
        Pieces of work, more workers than which are of no use.
    slurm : mapping
        Arguments of ``dask_jobqueue.SLURMCluster``.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ModuleNotFoundError
        If Dask, or for SLURM dask-jobqueue, is not installed.
    ValueError
        If scheduler or workers are wrong.
    OSError
        If the scheduler does not answer.
    """
    try:
        import dask
        from distributed import Client, LocalCluster
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ensemble: expected Dask; got no module {error.name!r}: pip install dask distributed"
        ) from None
    if workers is not None and workers < 1:
        raise ValueError(f"workers: expected at least 1; got {workers}")
    if isinstance(scheduler, Client):
        yield scheduler
        return
    if isinstance(scheduler, str) and scheduler != "slurm":
        if not re.fullmatch(r"([a-z]+://)?.+:\d+", scheduler):
            raise ValueError(f"scheduler: expected an address such as tcp://host:8786, or slurm; got {scheduler!r}")
        with _connected(scheduler) as client:
            yield client
        return
    kept: dict[str, Any] = {}
    if scheduler == "slurm":
        try:
            from dask_jobqueue import SLURMCluster
        except ModuleNotFoundError as error:
            raise ModuleNotFoundError(
                f"ensemble on SLURM: expected dask-jobqueue; got no module {error.name!r}: pip install dask-jobqueue"
            ) from None
        cluster = SLURMCluster(**{"processes": 1, **slurm})
        cluster.scale(jobs=workers or runs)
    elif scheduler is None:
        processors = os.cpu_count() or 1
        number = min(workers or by_processors(), runs)
        threads = str(max(1, processors // number))
        environment = {name: threads for name in _THREADS}
        kept = {
            "distributed.nanny.pre-spawn-environ": environment,
            "distributed.deploy.lost-worker-timeout": _SECONDS_TO_RETURN,
        }
        with dask.config.set(kept):
            cluster = LocalCluster(
                n_workers=number,
                threads_per_worker=1,
                processes=True,
                memory_limit=0,
                dashboard_address=":0",
                silence_logs=logging.ERROR,
                preload=[_DEAF, _MUTE],
            )
    else:
        raise ValueError(f"scheduler: expected an address, 'slurm' or a distributed.Client; got {scheduler!r}")
    with dask.config.set(kept), cluster, Client(cluster, set_as_default=False) as client:
        yield client
