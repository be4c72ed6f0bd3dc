"""What a command writes: checks of the target before anything is read, and what is said of it at the end."""

from __future__ import annotations

import os
import re
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polyrve.cli.messages import times
from polyrve.spelling import did_you_mean

if TYPE_CHECKING:
    from polyrve.adapters.registry import Format
    from polyrve.microstructure.fields import OrientationMap, OrientationVolume

_STACK = 6 * 2**20
"""DAMASK reads material.yaml on the stack, of which a process usually has 8 MiB; larger files need more."""


def check_target(target: Path, to: str | None, force: bool) -> Format:
    """Return the format to be written, after a check that the target can be.

    Raises
    ------
    ValueError
        If the format is unknown or cannot be written.
    OSError
        If the target exists and `force` is not given, or its folder cannot be written.
    """
    from polyrve.adapters import registry

    if to is not None:
        check_format(to, writing=True)
    row = registry.writer(target, to)
    if row.suffixes:
        check_file(target, force)
        if ".dream3d" in row.suffixes:
            check_file(target.with_suffix(".xdmf"), force)
    else:
        check_folder(target, force)
    return row


def check_format(name: str, *, writing: bool = False) -> Format:
    """Return the format of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    from polyrve.adapters import registry

    named = {row.name: row for row in registry.formats()}
    if name in named:
        return named[name]
    able = [row.name for row in named.values() if row.writes or not writing]
    raise ValueError(f"format: expected one of {', '.join(able)}; got {name!r}{did_you_mean(name, able)}")


def check_section(
    row: Format, target: Path, field: OrientationMap | OrientationVolume, options: Mapping[str, Any]
) -> None:
    """Refuse a volume for a format of maps, unless a section is named.

    Raises
    ------
    ValueError
    """
    if row.maps_only and len(field.shape) == 3 and field.shape[0] > 1 and "section" not in options:
        raise ValueError(
            f"{target}: format {row.name!r} holds maps only; got a volume of {times(field.shape)} voxels: "
            f"--set section=z:{field.shape[0] // 2} takes that layer"
        )


def check_holds_volume(row: Format, target: Path, shape: tuple[int, int, int]) -> None:
    """Refuse a format of maps for a volume, and warn of one that polyrve does not read.

    Raises
    ------
    ValueError
    """
    if row.maps_only and shape[0] > 1:
        raise ValueError(
            f"{target}: expected a file that holds a volume of {times(shape)} voxels, such as a .dream3d; "
            f"format {row.name!r} holds maps only"
        )
    if row.maps_only or not row.reads:
        warnings.warn(
            f"{target}: polyrve cannot open it as a volume again, to validate or export it; a .dream3d it can",
            stacklevel=2,
        )


def check_mtex(wanted: bool, target: Path, options: Mapping[str, Any], force: bool) -> None:
    """Refuse a script for MTEX where MTEX does not open the file, or where one exists.

    Raises
    ------
    ValueError
    OSError
    """
    if wanted:
        from polyrve.adapters import mtex_script

        check_file(mtex_script.script_path(target, str(options.get("frame", "none"))), force)


def write_mtex(
    wanted: bool, target: Path, field: OrientationMap | OrientationVolume, options: Mapping[str, Any], force: bool
) -> None:
    """Write the script that opens a file in MTEX, where it is wanted."""
    if wanted:
        from polyrve.adapters import mtex_script

        frame = str(options.get("frame", "none"))
        typer.echo(f"{mtex_script.write(target, field.phases, frame=frame, force=force)}: opens it in MTEX")


def check_file(target: Path, force: bool) -> None:
    """Refuse a file that cannot be written.

    Raises
    ------
    OSError
    """
    from polyrve.adapters.replacing import require_writable

    if target.is_dir():
        raise IsADirectoryError(f"{target}: expected the name of a file; it is a folder")
    if target.exists() and not force:
        raise FileExistsError(f"{target}: exists already; --force replaces it")
    require_writable(target.parent)


def check_report(target: Path, force: bool) -> None:
    """Refuse a page that cannot be written, or its JSON.

    Raises
    ------
    ValueError
        If the name does not end in .html.
    OSError
    """
    if target.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{target}: expected a file name that ends in .html; got {target.suffix or 'no suffix'}")
    for path in (target, target.with_suffix(".json")):
        check_file(path, force)


def check_folder(target: Path, force: bool) -> None:
    """Refuse a folder that cannot be written into.

    Raises
    ------
    OSError
    """
    from polyrve.adapters.replacing import require_writable

    if target.exists() and not target.is_dir():
        raise NotADirectoryError(f"{target}: expected the name of a folder; it is a file")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise FileExistsError(f"{target}: is not empty; --force replaces what is written")
    require_writable(target)


def shape_written(target: Path, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of what was written, which options of a writer may have made another than the source's.

    Parameters
    ----------
    target : Path
        A file, or a folder of DAMASK.
    shape : tuple of int
        Of the source.
    """
    try:
        with (target / "grid.vti" if target.is_dir() else target).open("rb") as file:
            head = file.read(4096)
    except OSError:
        return shape
    found = re.search(rb'WholeExtent="0 (\d+) 0 (\d+) 0 (\d+)"', head)
    if found is None:
        return shape
    nx, ny, nz = map(int, found.groups())
    return (nz, ny, nx)


def how_to_run(folder: Path, layers: int) -> str:
    """Return the commands that run DAMASK in a folder.

    Parameters
    ----------
    folder : Path
    layers : int
        Voxels along z; DAMASK takes no more processes of MPI.
    """
    processors = os.cpu_count() or 1
    stack = "ulimit -s unlimited && " if (folder / "material.yaml").stat().st_size > _STACK else ""
    into = f"cd {shlex.quote(str(folder))} && {stack}"
    files = "--load load.yaml --geom grid.vti --material material.yaml --numerics numerics.yaml"
    ranks = min(processors, layers)
    return "\n".join([
        "run it by",
        f"  {into}OMP_NUM_THREADS={processors} DAMASK_grid {files}",
        f"or, with up to {layers} processes of MPI, by",
        f"  {into}OMP_NUM_THREADS=1 mpirun -n {ranks} DAMASK_grid {files}",
        "(releases after 3.1 name the program damask_grid)",
    ])  # fmt: skip
