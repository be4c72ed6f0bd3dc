"""Files and folders that appear under their final name only when they are complete."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_NOTHING_LEFT = 1 << 12


@contextmanager
def replacing(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Write a file completely, then give it its name.

    The body writes to the yielded path, which has the same name in a hidden folder beside the target. When the body
    ends, the file and any other that the body has put beside it are moved to their places, the file itself last; when
    it fails nothing is left.

    Parameters
    ----------
    path : path-like
        The file to be made; missing parent folders are made too.
    force : bool
        Whether existing files may be replaced.

    Yields
    ------
    Path

    Raises
    ------
    FileExistsError
        If `path`, or a file that goes with it, exists and `force` is not given.
    IsADirectoryError
        If `path` is a folder.
    OSError
        If the disk is full (``errno.ENOSPC``), or for what the file system says otherwise.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected the name of a file; it is a folder")
    _refuse_existing(path, force)
    with _partial_folder(path) as folder:
        yield folder / path.name
        made = [name for name in sorted(os.listdir(folder)) if name != path.name]
        for name in made:
            _refuse_existing(path.parent / name, force)
        for name in (*made, path.name):
            os.replace(folder / name, path.parent / name)


@contextmanager
def replacing_folder(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Fill a folder completely, then give it its name.

    As :func:`replacing`. An empty folder counts as absent. With `force` the files made replace those of the same name
    in an existing folder, each at once; other files in it (results of a simulation, say) stay.

    Parameters
    ----------
    path : path-like
        The folder to be made.
    force : bool
        Whether files in an existing folder may be replaced.

    Yields
    ------
    Path
        An existing, empty folder.

    Raises
    ------
    FileExistsError
        If `path` is a file, or a folder that is not empty and `force` is not given.
    OSError
        If the disk is full (``errno.ENOSPC``), or for what the file system says otherwise.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path}: expected the name of a folder; it is a file")
    occupied = path.is_dir() and any(path.iterdir())
    _refuse_existing(path, force or not occupied)
    with _partial_folder(path) as folder:
        yield folder
        if occupied:
            for name in sorted(os.listdir(folder)):
                os.replace(folder / name, path / name)
        else:
            if path.is_dir():
                path.rmdir()
            os.replace(folder, path)


def remove_partial(path: str | Path) -> list[Path]:
    """Remove what writers of a file or folder left that were killed; nobody may be writing it.

    Returns
    -------
    list of Path
        The hidden folders that are gone.
    """
    path = Path(path)
    left = [folder for folder in path.parent.glob(f".{glob.escape(path.name)}.*.partial") if folder.is_dir()]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return [folder for folder in left if not folder.exists()]


def require_writable(folder: Path) -> None:
    """Refuse a folder that cannot be made or written into; nothing is left in it.

    Raises
    ------
    OSError
    """
    folder = folder.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        tempfile.TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OSError(f"{folder}: cannot be written: {error.strerror or error}") from None


@contextmanager
def _partial_folder(path: Path) -> Iterator[Path]:
    folder = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        folder.mkdir(parents=True)
        yield folder
    except (OSError, RuntimeError) as error:
        if _is_disk_full(error, path.parent):
            kept = "what was there stays" if path.exists() else f"nothing was left under the name {path.name}"
            raise OSError(errno.ENOSPC, f"disk full while writing; {kept}", str(path)) from error
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_disk_full(error: BaseException | None, folder: Path) -> bool:
    """Whether an error, or the one it came from, is that of a full disk.

    HDF5 has the error number in its message alone, netCDF nowhere; then no space left is the sign.
    """
    if folder.is_dir() and shutil.disk_usage(folder).free < _NOTHING_LEFT:
        return True
    while error is not None:
        number = error.errno if isinstance(error, OSError) else None
        if number in _DISK_FULL or any(f"errno = {number}," in str(error) for number in _DISK_FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


def _refuse_existing(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise FileExistsError(f"{path}: exists already; force (--force) replaces it")
