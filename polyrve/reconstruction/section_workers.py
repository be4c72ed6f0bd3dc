"""Sections of one large volume on many machines: tasks of Dask that add up estimates and slopes.

The process that minimises holds the labels of the volume; a worker gets those of its batches of sections once for each
stage, and draws the scatter at their places itself. In each evaluation it gets the orientations of the cells and gives
back estimates of some thousand numbers, or slopes added up for each cell as whole numbers, so that the result does not
depend on who did what. A worker that is lost loses what it was at: its batches go to others, or to the one that takes
its place.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from polyrve.backend.tensorflow import tf
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.reconstruction.section_sums import Batch, SectionKernels, Sections, in_whole_numbers, labels_of

_SECONDS_BETWEEN_LOOKS = 0.02
"""Short against an evaluation, long against what a look takes."""

_ATTEMPTS = 5
"""How often a batch is given to another worker before the run gives up: what kills so many is the batch itself."""

Upstream = Mapping[int, tuple[np.ndarray, ...]]


@dataclass(eq=False)
class _Held:
    """What a worker keeps of a stage."""

    kernels: SectionKernels
    volume: CellVolume
    points: dict[Batch, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)


_STAGES: dict[str, _Held] = {}
"""By stage, of this process, which is a worker; the last one alone."""


def _work(
    stage: str,
    given: bytes | None,
    labels: Mapping[Batch, np.ndarray],
    batches: Iterable[Batch],
    orientations: np.ndarray,
    upstream: Upstream | None,
) -> Any:
    """Measure batches, or add up their slopes; None where this process does not hold them, since it is a new one."""
    import cloudpickle

    if stage not in _STAGES:
        if given is None:
            return None
        _STAGES.clear()
        _STAGES[stage] = _Held(*cloudpickle.loads(given))
    held = _STAGES[stage]
    for batch, cells in labels.items():
        held.points[batch] = cells, held.kernels.unknowns(held.volume, batch, cells)
    if not all(batch in held.points for batch in batches):
        return None
    turned = tf.constant(orientations)
    if upstream is None:
        return [
            (batch, tuple(one.numpy() for one in held.kernels.estimates(turned, *held.points[batch])))
            for batch in batches
        ]
    factors = {axis: tuple(map(tf.constant, values)) for axis, values in upstream.items()}
    total = np.zeros(orientations.shape, dtype=np.int64)
    for batch in batches:
        total += in_whole_numbers(held.kernels.slope(turned, *held.points[batch], factors[batch.axis]).numpy())
    return total


class SectionsThere:
    """Batches of sections on the workers of a client.

    Parameters
    ----------
    client : distributed.Client
    kernels, volume, batches
        As for :class:`polyrve.reconstruction.section_sums.SectionsHere`.
    patience : float, s
        How long to wait while there is no worker at all.
    """

    def __init__(
        self, client: Any, kernels: SectionKernels, volume: CellVolume, batches: tuple[Batch, ...], patience: float
    ) -> None:
        import cloudpickle

        self._client, self._volume, self._patience = client, volume, patience
        self._stage = uuid.uuid4().hex
        # Unpacked by the task: what a worker cannot import is then an error that it tells.
        self._given = cloudpickle.dumps((kernels, volume.evolve(labels=np.zeros((0, 0, 0), dtype=np.uint32))))
        self._of_batch: dict[Batch, str] = {}
        self._sent: dict[str, set[Batch]] = defaultdict(set)
        self._batches = batches

    def estimates(self, orientations: np.ndarray) -> Iterator[tuple[Batch, tuple[np.ndarray, ...]]]:
        """See :class:`polyrve.reconstruction.section_sums.Sections`."""
        for found in self._asked(orientations, None):
            yield from found

    def slope(self, orientations: np.ndarray, upstream: dict[int, tuple[np.ndarray, ...]]) -> np.ndarray:
        """See :class:`polyrve.reconstruction.section_sums.Sections`."""
        return np.asarray(sum(self._asked(orientations, upstream)))

    def _asked(self, orientations: np.ndarray, upstream: Upstream | None) -> Iterator[Any]:
        """Yield what workers give for all batches."""
        waiting, attempts = set(self._batches), 0
        running: dict[Any, tuple[str, list[Batch]]] = {}
        seen = time.monotonic()
        try:
            while waiting or running:
                workers = set(self._client.nthreads())
                if workers:
                    seen = time.monotonic()
                elif time.monotonic() - seen > self._patience:
                    raise ConnectionError(f"scheduler: expected workers; there was none for {self._patience:g} s")
                if waiting and workers:
                    for worker, batches in self._shared(waiting, workers).items():
                        running[self._begin(worker, batches, orientations, upstream)] = worker, batches
                    waiting = set()
                for future in list(running):
                    worker, batches = running[future]
                    lost = future.cancelled() or worker not in workers or _is_killed(future)
                    if not (lost or future.done()):
                        continue
                    del running[future]
                    found = None if lost else future.result()
                    if found is not None:
                        yield found
                        continue
                    future.cancel()
                    attempts += 1
                    if attempts > _ATTEMPTS * max(1, len(workers)):
                        raise ConnectionError(f"workers: expected some that stay; {attempts} tasks were lost")
                    self._sent.pop(worker, None)
                    waiting |= set(batches)
                if running:
                    time.sleep(_SECONDS_BETWEEN_LOOKS)
        finally:
            with suppress(OSError, RuntimeError, asyncio.TimeoutError):
                self._client.cancel(list(running))

    def _shared(self, batches: set[Batch], workers: set[str]) -> dict[str, list[Batch]]:
        """Share batches among workers, evenly, each to the one that has it where that is still there."""
        counts = {worker: 0 for worker in sorted(workers)}
        for worker in self._of_batch.values():
            if worker in counts:
                counts[worker] += 1
        shares = defaultdict(list)
        for batch in sorted(batches):
            if self._of_batch.get(batch) not in counts:
                self._of_batch[batch] = min(counts, key=counts.__getitem__)
                counts[self._of_batch[batch]] += 1
            shares[self._of_batch[batch]].append(batch)
        return shares

    def _begin(self, worker: str, batches: list[Batch], orientations: np.ndarray, upstream: Upstream | None) -> Any:
        new = [batch for batch in batches if batch not in self._sent[worker]]
        given = None if self._sent[worker] else self._given
        labels = {batch: labels_of(self._volume, batch) for batch in new}
        self._sent[worker] |= set(new)
        return self._client.submit(
            _work, self._stage, given, labels, batches, orientations, upstream,
            pure=False, workers=[worker], allow_other_workers=False, retries=0,
        )  # fmt: skip


def _is_killed(future: Any) -> bool:
    from distributed.scheduler import KilledWorker

    return future.status == "lost" or (future.status == "error" and isinstance(future.exception(), KilledWorker))


def on_workers(
    client: Any, patience: float = 60.0
) -> Callable[[SectionKernels, CellVolume, tuple[Batch, ...]], AbstractContextManager[Sections]]:
    """Return what gives sections to the workers of a client, as :data:`polyrve.reconstruction.large.OpenSections`.

    Parameters
    ----------
    client : distributed.Client
    patience : float, s
        How long to wait while there is no worker at all.
    """

    @contextmanager
    def opened(kernels: SectionKernels, volume: CellVolume, batches: tuple[Batch, ...]) -> Iterator[Sections]:
        yield SectionsThere(client, kernels, volume, batches, patience)

    return opened
