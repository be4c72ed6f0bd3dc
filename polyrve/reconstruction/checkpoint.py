"""Save a running reconstruction at intervals and continue it."""

from __future__ import annotations

import glob
import json
import os
import secrets
import time
import warnings
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from polyrve.user_line import user_line

Stage = Literal["initial", "minimisation", "minimum"]
"""What a saved state is: the first on its grid, one of a minimisation there, or the minimum on the last grid."""


@dataclass(frozen=True, eq=False)
class Saved:
    """A saved state.

    Attributes
    ----------
    stage : Stage
        See :data:`Stage`.
    level : int
        Grid, from 1 for the coarsest.
    state : mapping of str to ndarray
        What continues the stage on that grid.
    history : list of dict
        One record per iteration so far.
    """

    stage: Stage
    level: int
    state: Mapping[str, np.ndarray]
    history: list[dict[str, Any]]


@dataclass(eq=False)
class Checkpoint:
    """A file that holds the running state.

    Attributes
    ----------
    path : Path
        Written under another name first and then renamed, so that it is always whole.
    interval : float
        Seconds between two writes.
    fresh : bool
        Whether the run begins anew: a state that is there already is not continued, and stays until this run's first
        takes its place.

    See Also
    --------
    polyrve.reconstruct : Its argument `checkpoint` takes one.

    Examples
    --------
    >>> import polyrve
    >>> scan = polyrve.data.load("scan")
    >>> kept = polyrve.Checkpoint(Path("rve.checkpoint"), interval=300.0)
    >>> result = polyrve.reconstruct(scan, shape=(64, 64, 64), checkpoint=kept)  # doctest: +SKIP
    """

    path: Path
    interval: float = 60.0
    fresh: bool = False
    _failed: bool = field(default=False, repr=False)
    _swept: bool = field(default=False, repr=False)
    _last: float = field(default_factory=time.monotonic, repr=False)

    def due(self) -> bool:
        """Tell whether the interval has passed since the last write."""
        return time.monotonic() - self._last >= self.interval

    def save(
        self,
        stage: Stage,
        level: int,
        state: Callable[[], Mapping[str, np.ndarray]],
        history: list[dict[str, Any]],
        key: str,
    ) -> None:
        """Write the state now.

        Parameters
        ----------
        stage : Stage
        level : int
        state : callable
            Copies the state to the host.
        history : list of dict
        key : str
            Of maps and settings; it must be the same when the run is continued.

        Warns
        -----
        UserWarning
            Once, if the file cannot be written: the run goes on without it.
        """
        try:
            self._write(stage, level, state, history, key)
        except OSError as error:
            if not self._failed:
                self._failed = True
                reason = error.strerror or str(error)
                warnings.warn(
                    f"{self.path}: the state of the run cannot be saved: {reason}; the run goes on, and cannot be "
                    "continued if it is stopped",
                    stacklevel=user_line(),
                )
        self._last = time.monotonic()

    def _write(
        self,
        stage: Stage,
        level: int,
        state: Callable[[], Mapping[str, np.ndarray]],
        history: list[dict[str, Any]],
        key: str,
    ) -> None:
        header = json.dumps({"stage": stage, "level": level, "history": history, "key": key})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._sweep()
        partial = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")
        try:
            with partial.open("wb") as file:
                arrays: dict[str, Any] = {"header": np.frombuffer(header.encode(), dtype=np.uint8), **state()}
                np.savez(file, **arrays)
            os.replace(partial, self.path)
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete what runs that were killed while they wrote have left."""
        self._swept = True
        for partial in self.path.parent.glob(f".{glob.escape(self.path.name)}.*"):
            with suppress(OSError):
                partial.unlink()

    def load(self, key: str) -> Saved | None:
        """Return the saved state, or None where there is none or the run begins anew.

        Raises
        ------
        ValueError
            If the file is no checkpoint, or was saved by a run with other maps or settings.
        """
        if self.fresh or not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as file:
                arrays = dict(file)
            header = json.loads(arrays.pop("header").tobytes())
            saved, saved_key = Saved(header["stage"], header["level"], arrays, header["history"]), header["key"]
        except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, AttributeError, zipfile.BadZipFile):
            raise ValueError(
                f"{self.path}: expected the state of a run; got a file that is none, or is damaged: --force starts anew"
            ) from None
        if saved_key != key:
            raise ValueError(
                f"{self.path}: expected the checkpoint of a run with the same maps and settings; got another run's: "
                "remove it, or give the settings it was made with"
            )
        return saved

    def remove(self) -> None:
        """Delete the file, once the run is over."""
        self._sweep()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
