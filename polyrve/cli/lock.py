"""One run at a time for each output: a file beside it that names the process."""

from __future__ import annotations

import json
import os
import socket
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from polyrve.adapters.replacing import remove_partial

_TIME = "%Y-%m-%d %H:%M:%S"


@contextmanager
def locked(output: Path) -> Iterator[None]:
    """Hold the lock of an output while a run lasts.

    The lock is the file ``<output>.lock``, which names process and host. That of a process of this host that is gone is
    taken over with a warning, and what it had written in part is removed.

    Raises
    ------
    FileExistsError
        If another run holds it.
    """
    path = output.with_name(f"{output.name}.lock")
    mine = {"process": os.getpid(), "host": socket.gethostname(), "since": time.strftime(_TIME)}
    _take(path, mine)
    try:
        for folder in remove_partial(output):
            warnings.warn(f"{folder}: left by a run that was killed while it wrote; removed", stacklevel=3)
        yield
    finally:
        if _holder(path) == mine:
            with suppress(OSError):
                path.unlink()


def _take(path: Path, mine: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(2):
        try:
            with path.open("x", encoding="utf-8") as file:
                json.dump(mine, file)
            return
        except FileExistsError:
            holder = _holder(path)
            who = f"process {holder.get('process')} on {holder.get('host')} since {holder.get('since')}"
            if not _is_gone(holder):
                raise FileExistsError(
                    f"{path}: another run writes the same output, {who}: name another output, wait for it, or delete "
                    "the file if that run is gone"
                ) from None
            warnings.warn(f"{path}: left by a run that is gone, {who}; taken over", stacklevel=2)
            path.unlink(missing_ok=True)
    raise FileExistsError(f"{path}: two runs take the same output at this moment: name another output")


def _holder(path: Path) -> dict[str, Any]:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Whether the process of a lock ran on this host and does not any more; of other hosts nothing is known.

    A process of its number that began after the lock was taken is another one.
    """
    import psutil  # type: ignore[import-untyped]

    process = holder.get("process")
    if holder.get("host") != socket.gethostname() or not isinstance(process, int):
        return False
    try:
        began = time.localtime(psutil.Process(process).create_time())
    except psutil.NoSuchProcess:
        return True
    return time.strftime(_TIME, began) > str(holder.get("since", "9999"))
