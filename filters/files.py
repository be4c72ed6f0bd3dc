"""Files that a filter writes at its end, checked before it starts."""

from __future__ import annotations

from pathlib import Path

from polyrve.adapters.replacing import require_writable


def check_file(path: Path, ending: str, beside: str) -> None:
    """Refuse a file that cannot be written; nothing is made, and an existing one is left as it is.

    Parameters
    ----------
    path : Path
    ending : str
        What its name ends in.
    beside : str
        Ending of the file that is written beside it.

    Raises
    ------
    ValueError
        If the name ends in something else.
    IsADirectoryError
        If one of the two is a folder.
    OSError
        If its folder cannot be made, or nothing can be written into it.
    """
    if path.suffix.lower() != ending:
        raise ValueError(f"{path}: expected a file name that ends in {ending}; got {path.suffix or 'no suffix'}")
    for file in (path, path.with_suffix(beside)):
        if file.is_dir():
            raise IsADirectoryError(f"{file}: expected the name of a file; it is a folder")
    require_writable(path.parent)
