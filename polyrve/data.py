"""Small example files by name: a synthetic specimen, and sections of it as an instrument measures them.

They are made when a version of polyrve first asks for them, within a few seconds, and kept in the cache folder of the
platform; the environment variable ``POLYRVE_DATA`` names another folder.

=======================  ==============================================================================================
``"truth.dream3d"``      the specimen: 24 x 64 x 64 voxels of 1 um in some 370 grains of aluminium, periodic
``"scan.ang"``           a section of it, EDAX text, with measuring noise, unindexed and misindexed points
``"scan.ctf"``           the same section, Oxford text
``"two_phases.ang"``     a section of a specimen of aluminium and magnesium
=======================  ==============================================================================================
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, overload

from polyrve import __version__
from polyrve.adapters import grains, registry
from polyrve.adapters.replacing import replacing
from polyrve.microstructure.fields import OrientationMap
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.instrument import simulate_scan
from polyrve.microstructure.synthetic import ALUMINIUM, MAGNESIUM, make_specimen

_SHAPE = (24, 64, 64)
_FRAMES = {".ang": "edax-2", ".ctf": "oxford-cs0"}


def _truth() -> GrainVolume:
    return make_specimen(_SHAPE, grain_size=8.0, seed=1)


def _scan() -> OrientationMap:
    return simulate_scan(_truth(), seed=1)


def _two_phases() -> OrientationMap:
    specimen = make_specimen(
        (8, 64, 64), grain_size=8.0, phases=(ALUMINIUM, MAGNESIUM), phase_fractions=(0.7, 0.3), seed=1
    )
    return simulate_scan(specimen, seed=1)


_FILES: dict[str, Callable[[], Any]] = {
    "scan.ang": _scan,
    "scan.ctf": _scan,
    "truth.dream3d": _truth,
    "two_phases.ang": _two_phases,
}


def names() -> tuple[str, ...]:
    """Return the names of all example files.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> import polyrve
    >>> polyrve.data.names()
    ('scan.ang', 'scan.ctf', 'truth.dream3d', 'two_phases.ang')
    """
    return tuple(_FILES)


def path(name: str) -> Path:
    """Return the path of an example file, which is made if it is not there yet.

    Parameters
    ----------
    name : str
        One of :func:`names`, or its stem: ``"scan"`` is the first file of that stem, ``"scan.ang"``.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If there is no such file.
    OSError
        If the cache folder cannot be written.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.data.path("scan.ctf").name
    'scan.ctf'
    """
    full = next((known for known in _FILES if name in (known, Path(known).stem)), None)
    if full is None:
        raise ValueError(f"name: expected one of {', '.join(_FILES)}; got {name!r}")
    target = folder() / full
    if not target.exists():
        options: dict[str, Any] = {"frame": _FRAMES[target.suffix]} if target.suffix in _FRAMES else {}
        with replacing(target, force=True) as partial:
            registry.write(_FILES[full](), partial, **options)
    return target


@overload
def load(name: Literal["scan", "scan.ang", "scan.ctf", "two_phases", "two_phases.ang"]) -> OrientationMap: ...


@overload
def load(name: Literal["truth", "truth.dream3d"]) -> GrainVolume: ...


@overload
def load(name: str) -> OrientationMap | GrainVolume: ...


def load(name: str) -> OrientationMap | GrainVolume:
    """Read an example file.

    Parameters
    ----------
    name : str
        As for :func:`path`.

    Returns
    -------
    OrientationMap or GrainVolume
        Maps for .ang and .ctf, the specimen with its grains for ``"truth"``.

    Raises
    ------
    ValueError
        If there is no such file.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.data.load("scan").shape
    (64, 64)
    >>> polyrve.data.load("truth").number_of_grains
    367
    """
    file = path(name)
    if file.suffix == ".dream3d":
        return grains.read_grains(file, volume=True)
    return registry.read_map(file)


def folder() -> Path:
    """Return the folder of this version's example files, in ``POLYRVE_DATA`` or the platform's cache folder."""
    named = os.environ.get("POLYRVE_DATA")
    if named:
        return Path(named).expanduser() / __version__
    home = Path.home()
    if sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        cache = home / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return cache / "polyrve" / "data" / __version__
